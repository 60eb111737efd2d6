//! What needrestart itself lists, in the versions that Debian and Ubuntu ship (3.5 to 3.11), row by row, and what stands for
//! each row here. A row that is not changed needs no rule of its own.

use crate::config::import::ShippedRule;

/// One row of a shipped `needrestart.conf`.
#[derive(Debug)]
pub(super) struct Row {
    /// The expression.
    pub(super) pattern: &'static str,
    /// Whether it is in all of these versions.
    pub(super) always: bool,
    /// What stands for it.
    pub(super) cover: Cover,
}

/// What stands for a row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cover {
    /// A shipped rule; these are units that the row is about.
    Rule(&'static [&'static str]),
    /// The way in which things are judged.
    Design(&'static str),
}

impl Row {
    /// The row of `override_rc` with that expression.
    pub(super) fn of(pattern: &str) -> Option<&'static Self> {
        OVERRIDE_RC.iter().find(|row| row.pattern == pattern)
    }

    /// Units that the row is about.
    pub(super) fn units(&self) -> &'static [&'static str] {
        match self.cover {
            Cover::Rule(units) => units,
            Cover::Design(_) => &[],
        }
    }

    /// The shipped rule that says the same of all its units; they are in one.
    pub(super) fn rule<'a>(&self, shipped: &'a [ShippedRule]) -> Option<&'a ShippedRule> {
        let units = self.units();
        let fits = |rule: &&ShippedRule| units.iter().all(|unit| rule.fits(unit));
        shipped.iter().find(fits).filter(|_| !units.is_empty())
    }
}

const fn always(pattern: &'static str, units: &'static [&'static str]) -> Row {
    Row {
        pattern,
        always: true,
        cover: Cover::Rule(units),
    }
}

const fn newer(pattern: &'static str, units: &'static [&'static str]) -> Row {
    Row {
        pattern,
        always: false,
        cover: Cover::Rule(units),
    }
}

const fn design(pattern: &'static str, always: bool, why: &'static str) -> Row {
    Row {
        pattern,
        always,
        cover: Cover::Design(why),
    }
}

const USER_MANAGER: &str = "a user's manager is executed anew, and never restarted";
const GUESTS: &str =
    "the unit around a container is restarted as the container is, only if settings say so";
const ONESHOT: &str = "what runs once is never run again for this";

/// `override_rc`, each with 0.
pub(super) const OVERRIDE_RC: &[Row] = &[
    always("^dbus", &["dbus.service"]),
    always("^gdm", &["gdm.service", "gdm3.service"]),
    newer("^greetd", &["greetd.service"]),
    always("^kdm", &["kdm.service"]),
    always("^nodm", &["nodm.service"]),
    always("^sddm", &["sddm.service"]),
    always("^wdm", &["wdm.service"]),
    always("^xdm", &["xdm.service"]),
    always("^lightdm", &["lightdm.service"]),
    always("^slim", &["slim.service"]),
    always("^lxdm", &["lxdm.service"]),
    newer("^xrdp", &["xrdp.service", "xrdp-sesman.service"]),
    always("^bird", &["bird.service", "bird6.service"]),
    always("^network", &["networking.service", "network.service"]),
    always("^NetworkManager", &["NetworkManager.service"]),
    always("^ModemManager", &["ModemManager.service"]),
    always(
        "^wpa_supplicant",
        &["wpa_supplicant.service", "wpa_supplicant@wlan0.service"],
    ),
    newer("^ifup", &["ifup@eth0.service"]),
    always("^openvpn", &["openvpn.service", "openvpn-server@a.service"]),
    always("^quagga", &["quagga.service"]),
    always("^frr", &["frr.service"]),
    always("^tinc", &["tinc.service", "tinc@vpn.service"]),
    always(
        "^(open|free|libre|strong)swan",
        &["strongswan.service", "strongswan-starter.service"],
    ),
    always("^bluetooth", &["bluetooth.service"]),
    always(r"^getty@.+\.service", &["getty@tty1.service"]),
    newer(
        r"^serial-getty@.+\.service",
        &["serial-getty@ttyS0.service"],
    ),
    design(r"^user@\d+\.service", true, USER_MANAGER),
    newer(r"^usbguard\.service$", &["usbguard.service"]),
    always("^zfs-fuse", &["zfs-fuse.service"]),
    always("^mythtv-backend", &["mythtv-backend.service"]),
    always("^xendomains", &["xendomains.service"]),
    newer("^lxc", &["lxc.service", "lxc-net.service"]),
    always("^lxcfs", &["lxcfs.service"]),
    always("^libvirt", &["libvirtd.service"]),
    always("^virtlogd", &["virtlogd.service"]),
    always("^virtlockd", &["virtlockd.service"]),
    always("^docker", &["docker.service"]),
    newer(
        "^bacula-",
        &[
            "bacula-fd.service",
            "bacula-sd.service",
            "bacula-dir.service",
        ],
    ),
    newer("^qrtr-ns", &["qrtr-ns.service"]),
    newer("^rmtfs", &["rmtfs.service"]),
    always(r"^emergency\.service$", &["emergency.service"]),
    always(r"^rescue\.service$", &["rescue.service"]),
    always("^elogind", &["elogind.service"]),
    always(r"^apt-daily\.service$", &["apt-daily.service"]),
    always(
        r"^apt-daily-upgrade\.service$",
        &["apt-daily-upgrade.service"],
    ),
    always(
        r"^unattended-upgrades\.service$",
        &["unattended-upgrades.service"],
    ),
    design(r"^cron-.*\.service$", true, ONESHOT),
    always(r"^rc-local\.service$", &["rc-local.service"]),
    always("^systemd-logind", &["systemd-logind.service"]),
    design("^systemd-nspawn", false, GUESTS),
    // Ubuntu's.
    design(
        r"^google-(shutdown|startup)-scripts\.service$",
        false,
        ONESHOT,
    ),
    newer(
        r"^runner-provisionner\.service$",
        &["runner-provisionner.service"],
    ),
    newer(r"^glusterd\.service$", &["glusterd.service"]),
    newer(r"^keepalived\.service$", &["keepalived.service"]),
    newer(
        r"^cloud-(init-local|init|config|final)\.service$",
        &[
            "cloud-init-local.service",
            "cloud-init.service",
            "cloud-config.service",
            "cloud-final.service",
        ],
    ),
];

/// Lists of paths. What is stale is told by the object that is mapped or open, and none of these paths would be.
pub(super) const PATHS: &[&str] = &[
    r"^/usr/bin/sudo(\.dpkg-new)?$",
    r"^/usr/bin/apt-get(\.dpkg-new)?$",
    r"^/sbin/(dhclient|dhcpcd5|pump|udhcpc)(\.dpkg-new)?$",
    r"^/memfd:",
    r"^/tmp/",
    r"^/var/",
    r"^/run/",
    r"^/(SYSV00000000( \(deleted\))?|drm(\s|$)|dev/)",
    r"^/\[aio\]",
    r"/orcexec\.[\w\d]+( \(deleted\))?$",
    r"/#\d+( \(deleted\))?$",
    r"/jna\d+\.tmp( \(deleted\))?$",
    r"/.cache/JNA/",
    r"^(/var)?/tmp/",
    r"^(/var)?/run/",
];
