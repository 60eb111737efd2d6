//! Processes of a machine with LXC, Incus and Proxmox' configuration; its file `README` says where its files come from.

#![forbid(unsafe_code)]

use std::path::Path;

use unstale_lxc::{Lxc, MANIFEST};
use unstale_plugin::instance::testing::inspect_process;

const SURVIVES: &str =
    "note the monitor outlives a reboot of its container: lxc-stop, then lxc-start";

#[track_caller]
fn check_process(process: &str, expected: &[&str]) {
    let machine = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenes/machine");
    let said = inspect_process(&mut Lxc, MANIFEST, process, &machine);
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
fn t7_29_containers() {
    check(
        "/lxc.payload.l2/init.scope",
        "l2",
        &["payload l2", "restart system"],
    );
    check(
        "/lxc.payload.l1",
        "l1",
        &[
            "payload l1",
            "note runs no init that could reboot: lxc-stop, then lxc-start",
        ],
    );
    // A second try.
    check(
        "/lxc.payload.l2-1/init.scope",
        "l2-1",
        &["payload l2", "restart system"],
    );
    check(
        "/lxc.payload.l2-x",
        "l2-x",
        &[
            "payload l2-x",
            "note no directory of LXC that we know has this container",
        ],
    );
}

#[test]
fn t7_29_monitors() {
    let (exe, title) = ("/usr/bin/lxc-start", "[lxc monitor] /var/lib/lxc l1");
    check_monitor(
        exe,
        title,
        "/lxc.monitor.l1",
        "l1",
        &["helper l1", SURVIVES],
    );
    check_monitor(
        exe,
        "[lxc monitor] /srv/lxc l9",
        "/lxc.monitor.l9",
        "l9",
        &["helper l9", "note kept in /srv/lxc: lxc-stop -P /srv/lxc"],
    );
    // Without a title, by the directories.
    check_monitor(
        exe,
        "lxc-start",
        "/lxc.monitor.l2",
        "l2",
        &["helper l2", SURVIVES],
    );
    // What runs inside says what it likes.
    check_monitor(
        exe,
        "[lxc monitor] /var/lib/lxc l1",
        "/lxc.payload.l2",
        "l2",
        &["payload l2", "restart system"],
    );
}

#[test]
fn t7_29_proxmox() {
    check(
        "/lxc/101/ns/system.slice/ssh.service",
        "101",
        &["payload 101", "restart proxmox"],
    );
    let title = "[lxc monitor] /var/lib/lxc 101";
    check_monitor(
        "/usr/bin/lxc-start",
        title,
        "/lxc.monitor/101",
        "101",
        &["helper 101", "restart proxmox"],
    );
}

#[test]
fn what_is_incus() {
    check("/lxc.payload.i1", "i1", &[]);
    check("/lxc.payload.i1-1", "i1-1", &[]);
    check("/lxc.payload.both", "both", &[]);
    let title = "[lxc monitor] /var/lib/incus/containers i1";
    check_monitor(
        "/usr/libexec/incus/incusd",
        title,
        "/lxc.monitor.i1",
        "i1",
        &[],
    );
    // The monitor tells what the directories cannot.
    let title = "[lxc monitor] /var/lib/lxc both";
    check_monitor(
        "/usr/bin/lxc-start",
        title,
        "/lxc.monitor.both",
        "both",
        &["helper both", SURVIVES],
    );
    check_process(
        "exe /usr/bin/qemu-system-x86_64\ncgroup 0::/system.slice/incus.service\ncontainer lxc l2\n",
        &[],
    );
}

#[test]
fn t7_31_unprivileged() {
    let process = "exe /sbin/init\ncgroup 0::/user.slice/user-1000.slice/session-1.scope/lxc.payload.l2\n\
                   container lxc l2\ncontainer-user 1000\n";
    check_process(
        process,
        &[
            "payload l2",
            "note unprivileged: uid 1000 restarts it with lxc-stop and lxc-start",
        ],
    );
}

#[test]
fn t11_01_names_that_are_no_names() {
    check(
        "/lxc.payload...",
        "..",
        &[
            "payload ..",
            "note no directory of LXC that we know has this container",
        ],
    );
    check("/lxc.payload.x", "../../etc", &[]);
    check_monitor(
        "/usr/bin/lxc-start",
        "[lxc monitor] /var/lib/lxc --all",
        "/lxc.monitor.--all",
        "--all",
        &[
            "helper --all",
            "note its name is not one to hand to a command",
        ],
    );
    check_process("exe /bin/x\n", &[]);
}
