//! Processes of machines; the file `README` of the scene says where its files come from.

#![forbid(unsafe_code)]

use std::path::Path;

use unstale_nspawn::{MANIFEST, Nspawn};
use unstale_plugin::instance::testing::inspect_process;

const INIT: &str = "/usr/lib/systemd/systemd";
const NSPAWN: &str = "/usr/bin/systemd-nspawn";

#[track_caller]
fn check(exe: &str, group: &str, container: &str, expected: &[&str]) {
    let machine = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenes/machine");
    let process =
        format!("exe {exe}\ncgroup 5:devices:/\ncgroup 0::{group}\ncontainer {container}\n");
    let said = inspect_process(&mut Nspawn, MANIFEST, &process, &machine);
    assert_eq!(said, expected.join("\n"));
}

#[test]
fn t7_32_machines_with_a_scope() {
    check(
        INIT,
        "/machine.slice/machine-m4.scope/payload/init.scope",
        "nspawn m4",
        &[
            "payload m4",
            "image /var/lib/machines/m4",
            "restart machine",
        ],
    );
    // t7_33
    check(
        "/usr/sbin/sshd",
        "/machine.slice/machine-m4.scope/payload/system.slice/ssh.service",
        "nspawn m4",
        &[
            "payload m4",
            "image /var/lib/machines/m4",
            "restart machine",
        ],
    );
    check(
        "/usr/bin/sleep",
        "/machine.slice/machine-m1.scope/payload",
        "nspawn m1",
        &[
            "payload m1",
            "image /var/lib/machines/m1",
            "note runs no service manager that could reboot: machinectl poweroff, then start it again",
        ],
    );
    check(
        NSPAWN,
        "/machine.slice/machine-m4.scope/supervisor",
        "nspawn m4",
        &[
            "helper m4",
            "image /var/lib/machines/m4",
            "note systemd-nspawn was started by hand, and has to be stopped and started by hand",
        ],
    );
}

#[test]
fn t10_18_never_the_unit_and_the_machine() {
    check(
        INIT,
        "/machine.slice/systemd-nspawn@m2.service/payload/init.scope",
        "nspawn m2",
        &[
            "payload m2",
            "image /var/lib/machines/m2",
            "note systemd-nspawn@m2.service keeps this machine: restarting that renews it",
        ],
    );
    check(
        INIT,
        "/system.slice/nsp3.service/payload/init.scope",
        "unknown nsp3.service",
        &[
            "payload m3",
            "image /var/lib/machines/m3",
            "note nsp3.service keeps this machine: restarting that renews it",
        ],
    );
}

#[test]
fn t7_35_virtual_machines_of_machined() {
    check(
        "/usr/bin/qemu-system-x86_64",
        "/machine.slice/machine-vm1.scope",
        "nspawn vm1",
        &[
            "helper vm1",
            "note a virtual machine: stop and start it; a reboot from inside keeps what runs it",
        ],
    );
}

#[test]
fn machines_without_a_note() {
    check(
        INIT,
        "/machine.slice/machine-m5.scope/payload/init.scope",
        "nspawn m5",
        &[
            "payload m5",
            "image /var/lib/machines/m5",
            "restart machine",
        ],
    );
    let unknown = ["payload m9", "restart machine"];
    check(
        INIT,
        "/machine.slice/machine-m9.scope/payload/init.scope",
        "nspawn m9",
        &unknown,
    );
}

#[test]
fn what_is_no_machine() {
    check(INIT, "/lab-m1/payload/init.scope", "unknown lab-m1", &[]);
    check(
        "/bin/x",
        "/system.slice/other.service/payload",
        "unknown other.service",
        &[],
    );
    check("/bin/x", "/x", "unknown ../m1.service", &[]);
}

#[test]
fn t11_13_names_of_users() {
    let scene = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenes/machine");
    let process = "exe /bin/x\ncgroup 0::/user.slice/user-1000.slice/user@1000.service/machine-m4.scope/payload/init.scope\n\
                   container nspawn m4\ncontainer-user 1000\n";
    let said = inspect_process(&mut Nspawn, MANIFEST, process, &scene);
    assert_eq!(
        said,
        "payload m4\nnote a user's machine: only that user restarts it"
    );
    check(
        INIT,
        "/machine.slice/machine-x.scope/payload/init.scope",
        "nspawn --all",
        &[
            "payload --all",
            "note its name is not one to hand to a command",
        ],
    );
    check(
        INIT,
        "/machine.slice/machine-x.scope/payload/init.scope",
        "nspawn ../../x",
        &[
            "payload ../../x",
            "note its name is not one to hand to a command",
        ],
    );
}
