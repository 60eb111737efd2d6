//! Rows. `<N>` stands for a container's id of 64 digits, in the group as in the owner.

mod containers;
mod properties;
mod text;
mod units;

use super::*;
use crate::model::unescape_unit;

const ID: &str = "3f1c0b6a5e2d4f7890a1b2c3d4e5f60718293a4b5c6d7e8f9012345678abcdef";
const USER: &str = "/user.slice/user-1000.slice/user@1000.service";

const PLAIN: Hints<'static> = Hints {
    pid: 812,
    uid: 1000,
    unified: true,
    other_pid_ns: false,
    other_mnt_ns: false,
    exe: None,
    argv: &[],
    parent: None,
};

const CONTAINED: Hints<'static> = Hints {
    other_pid_ns: true,
    other_mnt_ns: true,
    ..PLAIN
};

/// One line per owner: `[user UID: ]KIND NAME[, pod P][, kept by U][, inside U]`.
fn shown(owner: &Owner) -> String {
    let mut text = match owner.scope {
        Scope::System => String::new(),
        Scope::User(uid) => format!("user {uid}: "),
    };
    let kind = match owner.kind {
        OwnerKind::ServiceManager => "service manager".into(),
        OwnerKind::Unit => "unit".into(),
        OwnerKind::UserManager => "manager".into(),
        OwnerKind::Session => "session".into(),
        OwnerKind::App => "app".into(),
        OwnerKind::Container(runtime) => format!("container {runtime:?}"),
        OwnerKind::VirtualMachine(runtime) => format!("vm {runtime:?}"),
        OwnerKind::OtherService => "other service".into(),
        OwnerKind::Process => "process".into(),
    };
    text += &format!("{kind} {}", owner.name.escaped());
    for (label, value) in [
        ("pod", &owner.pod),
        ("kept by", &owner.host_unit),
        ("inside", &owner.inner),
    ] {
        if let Some(value) = value {
            text += &format!(", {label} {}", value.escaped());
        }
    }
    text
}

#[track_caller]
fn check_lines(text: &str, hints: &Hints<'_>, expected: &str) {
    let owner = owner_of(text.replace("<N>", ID).as_bytes(), hints);
    assert_eq!(shown(&owner), expected.replace("<N>", ID), "{text}");
}

#[track_caller]
fn check(path: &str, expected: &str) {
    check_lines(&format!("0::{path}\n"), &PLAIN, expected);
}

/// Below the manager of uid 1000.
#[track_caller]
fn check_user(path: &str, expected: &str) {
    check(&format!("{USER}{path}"), &format!("user 1000: {expected}"));
}

/// With namespaces of its own.
#[track_caller]
fn check_contained(path: &str, expected: &str) {
    check_lines(&format!("0::{path}\n"), &CONTAINED, expected);
}

fn words(line: &str) -> Vec<Bytes> {
    let line = line.replace("<N>", ID);
    line.split_whitespace().map(Bytes::from).collect()
}

/// A program with its arguments.
#[track_caller]
fn check_program(path: &str, exe: &str, argv: &str, expected: &str) {
    let (exe, argv) = (Bytes::from(exe), words(argv));
    let hints = Hints {
        exe: Some(&exe),
        argv: &argv,
        ..PLAIN
    };
    check_lines(&format!("0::{path}\n"), &hints, expected);
}

#[track_caller]
fn check_child(text: &str, exe: &str, comm: &str, argv: &str, uid: u32, expected: &str) {
    let (exe, comm, argv) = (Bytes::from(exe), Bytes::from(comm), words(argv));
    let service = Bytes::from("/usr/sbin/sshd");
    let hints = Hints {
        exe: Some(&service),
        parent: Some(Parent {
            exe: Some(&exe),
            comm: &comm,
            argv: &argv,
            uid,
        }),
        ..PLAIN
    };
    check_lines(text, &hints, expected);
}
