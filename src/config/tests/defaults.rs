//! Every row of the lists that peers ship has its counterpart in ours.

use crate::config::shipped;
use crate::model::{PolicyRule, RuleAction};

/// The rule that decides about a unit.
fn rule_of(unit: &str) -> Option<PolicyRule> {
    let mut rules = shipped().rules.into_iter();
    rules.find(|rule| {
        let mut patterns = rule.selectors.units.iter();
        patterns.any(|pattern| pattern.matches(unit.as_bytes()))
    })
}

/// A row of a peer's list, a unit that it is about, and our rule.
#[track_caller]
fn check(theirs: &str, unit: &str, ours: &str) {
    let is_about = regex::Regex::new(theirs).unwrap().is_match(unit);
    assert!(is_about, "{theirs} is not about {unit}");
    let rule = rule_of(unit).unwrap_or_else(|| panic!("no rule is about {unit}"));
    assert_eq!(rule.name, ours, "{unit}");
    assert_ne!(rule.action, RuleAction::Restart, "{unit}");
    assert!(rule.reason.len() > 20, "{unit}: {}", rule.reason);
}

/// What is judged by its kind, without a rule.
#[track_caller]
fn check_by_kind(unit: &str) {
    assert_eq!(rule_of(unit).map(|rule| rule.name), None, "{unit}");
}

#[test]
fn t10_05_rows_of_needrestart_sessions() {
    check("^dbus", "dbus.service", "message-bus");
    check("^dbus", "dbus-broker.service", "message-bus");
    for (theirs, unit) in [
        ("^gdm", "gdm3.service"),
        ("^gdm", "gdm-x.service"),
        ("^greetd", "greetd.service"),
        ("^kdm", "kdm.service"),
        ("^nodm", "nodm.service"),
        ("^sddm", "sddm.service"),
        ("^wdm", "wdm.service"),
        ("^xdm", "xdm.service"),
        ("^lightdm", "lightdm.service"),
        ("^slim", "slim.service"),
        ("^lxdm", "lxdm.service"),
    ] {
        check(theirs, unit, "display-manager");
    }
    check("^xrdp", "xrdp.service", "remote-desktop");
    check("^xrdp", "xrdp-sesman.service", "remote-desktop");
    check(r"^getty@.+\.service", "getty@tty1.service", "console-login");
    check(
        r"^serial-getty@.+\.service",
        "serial-getty@ttyS0.service",
        "console-login",
    );
    check("^elogind", "elogind.service", "login-manager");
    check("^systemd-logind", "systemd-logind.service", "login-manager");
    // `^user@\d+\.service`: re-executed, and the user's services keep running.
    check_by_kind("user@1000.service");
}

#[test]
fn t10_06_rows_of_needrestart_network() {
    for (theirs, unit) in [
        ("^network", "networking.service"),
        ("^network", "network.service"),
        ("^network", "network-manager.service"),
        ("^network", "networkd-dispatcher.service"),
        ("^NetworkManager", "NetworkManager.service"),
        ("^ModemManager", "ModemManager.service"),
        ("^wpa_supplicant", "wpa_supplicant@wlan0.service"),
        ("^ifup", "ifup@eth0.service"),
        ("^bluetooth", "bluetooth.service"),
        ("", "systemd-networkd.service"),
        ("", "systemd-resolved.service"),
        ("", "iwd.service"),
        ("", "dhclient@eth0.service"),
        ("", "firewalld.service"),
    ] {
        check(theirs, unit, "network");
    }
    for (theirs, unit) in [
        ("^bird", "bird.service"),
        ("^openvpn", "openvpn-server@x.service"),
        ("^quagga", "quagga.service"),
        ("^frr", "frr.service"),
        ("^tinc", "tinc@x.service"),
        ("^(open|free|libre|strong)swan", "openswan.service"),
        ("^(open|free|libre|strong)swan", "freeswan.service"),
        ("^(open|free|libre|strong)swan", "libreswan.service"),
        (
            "^(open|free|libre|strong)swan",
            "strongswan-starter.service",
        ),
        ("", "wg-quick@wg0.service"),
        ("^keepalived", "keepalived.service"),
    ] {
        check(theirs, unit, "tunnels-and-routes");
    }
}

#[test]
fn t10_08_rows_of_needrestart_workloads() {
    for (theirs, unit) in [
        ("^xendomains", "xendomains.service"),
        ("^lxc", "lxc-net.service"),
        ("^lxc", "lxc@web.service"),
        ("^lxcfs", "lxcfs.service"),
        ("^libvirt", "libvirtd.service"),
        ("^libvirt", "libvirt-guests.service"),
        ("^virtlogd", "virtlogd.service"),
        ("^virtlockd", "virtlockd.service"),
        ("^docker", "docker.service"),
        ("", "virtqemud.service"),
        ("", "containerd.service"),
        ("", "podman.service"),
        ("", "kubelet.service"),
        ("", "k3s-agent.service"),
        ("", "crio.service"),
        ("", "incus.service"),
        ("", "snap.lxd.daemon.service"),
        ("", "gitlab-runner.service"),
        ("", "slurmd.service"),
    ] {
        check(theirs, unit, "workload-host");
    }
    check("^mythtv-backend", "mythtv-backend.service", "long-jobs");
    check("^bacula-", "bacula-fd.service", "long-jobs");
    check(r"^usbguard\.service$", "usbguard.service", "devices");
    check("^qrtr-ns", "qrtr-ns.service", "devices");
    check("^rmtfs", "rmtfs.service", "devices");
}

#[test]
fn t10_07_rows_of_needrestart_storage() {
    for (theirs, unit) in [
        ("^zfs-fuse", "zfs-fuse.service"),
        ("", "iscsid.service"),
        ("", "multipathd.service"),
        ("", "drbd.service"),
        ("", "corosync.service"),
        ("", "pacemaker.service"),
        ("", "ceph-osd@1.service"),
        ("^glusterd", "glusterd.service"),
        ("", "rpcbind.service"),
        ("", "nfs-server.service"),
    ] {
        check(theirs, unit, "storage");
    }
}

#[test]
fn t10_29_rows_of_needrestart_boot_and_packages() {
    for (theirs, unit) in [
        (r"^emergency\.service$", "emergency.service"),
        (r"^rescue\.service$", "rescue.service"),
        (r"^rc-local\.service$", "rc-local.service"),
        ("^cloud-", "cloud-init-local.service"),
        ("^cloud-", "cloud-final.service"),
        ("^google-", "google-startup-scripts.service"),
        ("^google-", "google-shutdown-scripts.service"),
        ("", "plymouth-quit.service"),
        ("", "systemd-fsck@dev-sda1.service"),
        ("", "systemd-tmpfiles-clean.service"),
        ("", "initrd-switch-root.service"),
    ] {
        check(theirs, unit, "boot-only");
    }
    for (theirs, unit) in [
        (r"^apt-daily\.service$", "apt-daily.service"),
        (r"^apt-daily-upgrade\.service$", "apt-daily-upgrade.service"),
        (
            r"^unattended-upgrades\.service$",
            "unattended-upgrades.service",
        ),
        ("", "packagekit.service"),
    ] {
        check(theirs, unit, "package-manager");
    }
    check(r"^cron-.*\.service$", "cron-backup.service", "cron-jobs");
}

#[test]
fn rows_of_checkrestart() {
    check(r"^gdm3?\.service$", "gdm.service", "display-manager");
    check(r"^dbus\.service$", "dbus.service", "message-bus");
    check(
        r"^systemd-logind\.service$",
        "systemd-logind.service",
        "login-manager",
    );
    check(
        r"^console-getty\.service$",
        "console-getty.service",
        "console-login",
    );
    check("", "getty-static.service", "console-login");
    check("", "cryptdisks-early.service", "storage");
    check("", "debug-shell.service", "boot-only");
    check("", "x11-common.service", "boot-only");
    check("", "rcS.service", "boot-only");
    check("", "system-update-cleanup.service", "boot-only");
    // Oneshots, one like the other: nothing of them is left to be stale.
    for unit in ["fstrim.service", "procps.service", "systemd-sysctl.service"] {
        check_by_kind(unit);
    }
}

#[test]
fn rows_of_tracer() {
    check("auditd", "auditd.service", "refuses-stop");
    check("docker", "docker.service", "workload-host");
    check("libvirtd", "libvirtd.service", "workload-host");
    check("NetworkManager", "NetworkManager.service", "network");
    check("openvpn", "openvpn@x.service", "tunnels-and-routes");
    check("wicd", "wicd.service", "network");
    check("dbus-daemon", "dbus-daemon.service", "message-bus");
    check(
        "gnome-keyring-daemon",
        "gnome-keyring-daemon.service",
        "desktop-session",
    );
    check(
        "gvfs",
        "gvfs-udisks2-volume-monitor.service",
        "desktop-session",
    );
    check("at-spi", "at-spi-dbus-bus.service", "desktop-session");
    check("mate-session", "mate-session.service", "desktop-session");
}

#[test]
fn t10_17_what_is_restarted_like_any_other() {
    for unit in [
        "ssh.service",
        "sshd.service",
        "cron.service",
        "crond.service",
        "atd.service",
        "rsyslog.service",
        "systemd-journald.service",
        "systemd-udevd.service",
        "systemd-timesyncd.service",
        "polkit.service",
        "udisks2.service",
        "upower.service",
        "nginx.service",
        "postgresql@15-main.service",
        "redis-server.service",
        "php8.2-fpm.service",
        "cups.service",
        "pipewire.service",
    ] {
        check_by_kind(unit);
    }
}
