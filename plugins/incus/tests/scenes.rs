//! Processes of a machine with Incus and LXD; its file `README` says where its files come from.

#![forbid(unsafe_code)]

use std::path::Path;

use unstale_incus::{Incus, MANIFEST};
use unstale_plugin::instance::testing::inspect_process;

const IMAGE: &str = "image lab (02acffdfdc17)";

#[track_caller]
fn check_process(process: &str, expected: &[&str]) {
    let machine = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenes/machine");
    let said = inspect_process(&mut Incus, MANIFEST, process, &machine);
    assert_eq!(said, expected.join("\n"));
}

/// A process inside.
#[track_caller]
fn check(group: &str, id: &str, expected: &[&str]) {
    let process = format!(
        "exe /sbin/init\nargv /sbin/init\ncgroup 1:cpu:/\ncgroup 0::{group}\ncontainer lxc {id}\n"
    );
    check_process(&process, expected);
}

/// A monitor.
#[track_caller]
fn check_monitor(exe: &str, title: &str, group: &str, id: &str, expected: &[&str]) {
    let process =
        format!("exe {exe}\nargv {title}\ncgroup 1:cpu:/\ncgroup 0::{group}\ncontainer lxc {id}\n");
    check_process(&process, expected);
}

#[test]
fn t7_30_containers_and_projects() {
    check(
        "/lxc.payload.i1",
        "i1",
        &["payload i1", "project default", "restart incus"],
    );
    check(
        "/lxc.payload.shop_web1/init.scope",
        "shop_web1",
        &["payload web1", IMAGE, "project shop", "restart incus"],
    );
    check(
        "/lxc.payload.user-1000_c1/system.slice/ssh.service",
        "user-1000_c1",
        &["payload c1", "project user-1000", "restart lxd-snap"],
    );
    check(
        "/lxc.payload.old",
        "old",
        &["payload old", "project default", "restart lxd"],
    );
    // A second try.
    check(
        "/lxc.payload.shop_web1-1/init.scope",
        "shop_web1-1",
        &["payload web1", IMAGE, "project shop", "restart incus"],
    );
}

#[test]
fn t7_29_monitors() {
    let exe = "/usr/libexec/incus/incusd";
    check_monitor(
        exe,
        "[lxc monitor] /var/lib/incus/containers shop_web1",
        "/lxc.monitor.shop_web1",
        "shop_web1",
        &["helper web1", IMAGE, "project shop", "restart incus"],
    );
    check_monitor(
        "/snap/lxd/123/bin/lxd",
        "[lxc monitor] /var/snap/lxd/common/lxd/containers user-1000_c1",
        "/lxc.monitor.user-1000_c1",
        "user-1000_c1",
        &["helper c1", "project user-1000", "restart lxd-snap"],
    );
    check_monitor(
        "/usr/bin/lxc-start",
        "[lxc monitor] /var/lib/lxc i1",
        "/lxc.monitor.i1",
        "i1",
        &[],
    );
}

#[test]
fn what_is_lxc() {
    check("/lxc.payload.l1", "l1", &[]);
    let several =
        "note several engines have a container of this name: which one this is, is not known";
    check(
        "/lxc.payload.both",
        "both",
        &["payload both", "project default", several],
    );
    check_monitor(
        "/usr/libexec/incus/incusd",
        "[lxc monitor] /var/lib/incus/containers both",
        "/lxc.monitor.both",
        "both",
        &["helper both", "project default", "restart incus"],
    );
    // A whole name goes before a second try.
    check("/lxc.payload.web-1", "web-1", &[]);
    // t7_31
    check_process(
        "exe /sbin/init\ncgroup 0::/user.slice/user-1000.slice/session-1.scope/lxc.payload.i1\ncontainer lxc i1\n\
         container-user 1000\n",
        &[],
    );
    check_process("exe /bin/x\n", &[]);
}

#[test]
fn t7_35_virtual_machines() {
    let note = "note a virtual machine: stop and start it, or migrate it; a reboot from inside keeps this QEMU";
    let qemu = |config: &str| {
        format!(
            "exe /opt/incus/bin/qemu-system-x86_64\nargv qemu-system-x86_64\nargv -S\nargv -name\nargv vm1\n\
             argv -readconfig\nargv {config}\ncgroup 0::/system.slice/incus.service\ncontainer lxc vm1\n"
        )
    };
    check_process(
        &qemu("/run/incus/shop_vm1/qemu.conf"),
        &[
            "helper vm1",
            "image Debian bookworm amd64 (20240101_05:24) (5d553adca289)",
            "project shop",
            note,
        ],
    );
    for config in [
        "/run/incus/other/qemu.conf",
        "/tmp/shop_vm1/qemu.conf",
        "/run/incus/../qemu.conf",
    ] {
        check_process(&qemu(config), &[]);
    }
    // One that runs inside a container.
    check_process(
        "exe /usr/bin/qemu-system-x86_64\nargv qemu\nargv -readconfig\nargv /run/incus/shop_vm1/qemu.conf\n\
         cgroup 0::/lxc.payload.i1\ncontainer lxc i1\n",
        &["payload i1", "project default", "restart incus"],
    );
}

#[test]
fn t11_05_links_to_elsewhere() {
    check(
        "/lxc.payload.away",
        "away",
        &["payload away", "project default", "restart incus"],
    );
    check("/lxc.payload...", "..", &[]);
    check("/lxc.payload.x", "../../../etc", &[]);
    check_monitor(
        "/usr/libexec/incus/incusd",
        "[lxc monitor] /var/lib/incus/containers --all",
        "/lxc.monitor.--all",
        "--all",
        &[
            "helper --all",
            "project default",
            "note its name is not one to hand to a command",
        ],
    );
}
