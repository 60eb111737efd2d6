//! Processes of virtual machines. Captured: the arguments of the domains `my.vm_1` and `two words` in libvirtd.service
//! (libvirt 11.3.0, QEMU 10.0.13, Debian 13, cut down); that machine has no controllers for groups. The other groups are
//! those of cases 7.34 and 7.35.

#![forbid(unsafe_code)]

use std::path::Path;

use unstale_plugin::instance::testing::inspect_process;
use unstale_qemu::{MANIFEST, Qemu};

const NOTE: &str = "note a virtual machine: shut it down and start it, or migrate it; a reboot from inside keeps this QEMU";
const UUID: &str = "8a4ada4c-d103-4ce9-88cc-36c6581c36de";

#[track_caller]
fn check(process: &str, expected: &[&str]) {
    let no_files = Path::new("/nonexistent");
    let said = inspect_process(&mut Qemu, MANIFEST, process, no_files);
    assert_eq!(said, expected.join("\n"));
}

fn qemu(pid: u32, name: &str, rest: &str) -> String {
    format!(
        "pid {pid}\nexe /usr/bin/qemu-system-x86_64\nargv /usr/bin/qemu-system-x86_64\nargv -name\nargv {name}\nargv -S\n\
         argv -uuid\nargv {UUID}\nargv -display\nargv none\nuid 64055\n{rest}"
    )
}

#[test]
fn t7_34_domains_by_their_groups() {
    let id = format!("id {UUID}");
    let in_scope = |below: &str| {
        format!(r"cgroup 0::/machine.slice/machine-qemu\\x2d1\\x2dmy.vm1.scope{below}")
            + "\ncontainer libvirt my.vm1\n"
    };
    let guest = "guest=my.vm_1,debug-threads=on";
    check(
        &qemu(3991, guest, &in_scope("/libvirt/emulator")),
        &["helper my.vm_1", &id, NOTE],
    );
    // Another's name.
    check(
        &qemu(1, "guest=two words", &in_scope("")),
        &["helper my.vm1", &id, NOTE],
    );
    check(
        &qemu(1, "guest=../../x", &in_scope("")),
        &["helper my.vm1", &id, NOTE],
    );
    // What helps it.
    let virtiofsd = format!(
        "exe /usr/libexec/virtiofsd\nargv virtiofsd\nargv -name\nargv x\n{}",
        in_scope("/libvirt")
    );
    check(&virtiofsd, &["helper my.vm1", NOTE]);
}

#[test]
fn t7_34_domains_in_the_unit_of_libvirt() {
    let unit = "cgroup 1:cpu:/\ncgroup 0::/system.slice/libvirtd.service\n";
    let id = format!("id {UUID}");
    check(
        &qemu(3991, "guest=my.vm_1,debug-threads=on", unit),
        &["helper my.vm_1", &id, NOTE],
    );
    check(
        &qemu(4017, "guest=two words,debug-threads=on", unit),
        &["helper two words", &id, NOTE],
    );
    // Only what is QEMU, and only there.
    check(
        &format!("exe /usr/sbin/libvirtd\nargv x\nargv -name\nargv guest=x\n{unit}"),
        &[],
    );
    let elsewhere = "cgroup 0::/system.slice/x.service\n";
    check(&qemu(1, "guest=x", elsewhere), &[]);
}

#[test]
fn t7_35_others() {
    let id = format!("id {UUID}");
    check(
        &qemu(
            1,
            "web,debug-threads=on",
            "cgroup 0::/qemu.slice/100.scope\ncontainer qemu 100\n",
        ),
        &["helper 100", &id, "note called web", NOTE],
    );
    let session = "cgroup 0::/user.slice/user-1000.slice/session-3.scope\n";
    check(
        &qemu(
            1,
            "test",
            &format!("{session}container qemu test\ncontainer-user 1000\n"),
        ),
        &["helper test", &id, NOTE],
    );
    check(
        &qemu(
            1,
            "guest=win11",
            &format!("{session}container libvirt win11\ncontainer-user 1000\n"),
        ),
        &["helper win11", &id, NOTE],
    );
    // Incus names its own.
    check(
        &qemu(
            1,
            "vm1",
            "cgroup 0::/system.slice/incus.service\ncontainer lxc vm1\n",
        ),
        &[],
    );
    check(&qemu(1, "test", session), &[]);
}

#[test]
fn t7_35_containers_of_libvirt() {
    let note = "note a container of libvirt: virsh -c lxc:/// shutdown, then start";
    let scope = r"cgroup 0::/machine.slice/machine-lxc\\x2d812\\x2dweb.scope".to_owned()
        + "\ncontainer libvirt web\n";
    check(&format!("exe /sbin/init\n{scope}"), &["payload web", note]);
    check(
        &format!("exe /usr/libexec/libvirt_lxc\n{scope}"),
        &["helper web", note],
    );
}
