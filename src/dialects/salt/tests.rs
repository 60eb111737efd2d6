//! Read back as Salt does.

use crate::dialects::testing::{Pretended, nothing, service, speak};
use crate::dialects::{Scene, Stale};
use crate::model::{Action, Because, Bytes, Level, Owner, OwnerKind, Runtime, Scope, WhyNot};
use crate::problem::Problem;

/// What `pkg.services_need_restart` makes of standard output.
fn services(out: &str) -> Vec<String> {
    let named = out.lines().filter_map(|line| line.strip_prefix("SERVICE:"));
    let mut names: Vec<String> = named
        .map(|line| line.split_once(',').unwrap().0.to_owned())
        .collect();
    names.sort();
    names.dedup();
    names
}

fn on(scene: Scene) -> Pretended {
    Pretended {
        scene: Some(scene),
        ..Pretended::default()
    }
}

fn scene() -> Scene {
    let cron = service(51, "cron.service", "/usr/sbin/cron", "cron");
    let second = Stale {
        pid: 52,
        ..cron.clone()
    };
    let bus = Stale {
        action: Action::Defer,
        level: Level::Reboot,
        because: vec![Because {
            rule: "policy.dbus".to_owned(),
            why: "x".to_owned(),
        }],
        ..service(60, "dbus.service", "/usr/bin/dbus-daemon", "dbus")
    };
    let login = Stale {
        action: Action::Relogin,
        owner: Owner::new(OwnerKind::Session, "3", Scope::System),
        ..service(70, "x.service", "/usr/bin/bash", "bash")
    };
    let escaped = service(80, "a@b\\x2dc.service", "/usr/bin/a", "a");
    let mount = service(90, "data.mount.service", "/usr/bin/b", "b");
    let mut rootless = service(85, "x.service", "/usr/bin/a", "a");
    rootless.owner = Owner::new(
        OwnerKind::Container(Runtime::Podman),
        "x",
        Scope::User(1000),
    );
    rootless.owner.host_unit = Some(Bytes::from("ssh.service"));
    rootless.action = Action::RestartContainer;
    let kept = |pid, name: &str| Stale {
        owner: Owner::new(OwnerKind::OtherService, name, Scope::System),
        ..service(pid, "x.service", "/usr/bin/r", "r")
    };
    let runit = ["sshd", "a\nSERVICE:sshd", "$(id)", "it's"];
    let runit = (100..).zip(runit).map(|(pid, name)| kept(pid, name));
    let odd = service(91, "a,b.service", "/usr/bin/c\nSERVICE:d,1,/e", "c");
    let mut scene = nothing();
    scene.stale = vec![cron, second, bus, login, escaped, rootless, mount, odd];
    scene.stale.extend(runit);
    scene
}

#[test]
fn salt_reads_what_can_be_restarted() {
    let spoken = speak(
        super::speak,
        None,
        &["--machine", "--package"],
        &mut on(scene()),
    );
    let expected = "\
SERVICE:cron,51,/usr/sbin/cron
SERVICE:cron,52,/usr/sbin/cron
SERVICE:a@b\\x2dc,80,/usr/bin/a
SERVICE:data.mount.service,90,/usr/bin/b
SERVICE:sshd,100,/usr/bin/r
OTHER:dbus-daemon,60,/usr/bin/dbus-daemon
OTHER:bash,70,/usr/bin/bash
OTHER:a,85,/usr/bin/a
OTHER:e,91,/usr/bin/c\\x0aSERVICE:d,1,/e
OTHER:r,101,/usr/bin/r
OTHER:r,102,/usr/bin/r
OTHER:r,103,/usr/bin/r
";
    assert_eq!((spoken.out.as_str(), spoken.exit), (expected, 0));
    let read = services(&spoken.out);
    assert_eq!(read, ["a@b\\x2dc", "cron", "data.mount.service", "sshd"]);
}

#[test]
fn nothing_is_nothing() {
    let spoken = speak(super::speak, None, &[], &mut on(nothing()));
    assert_eq!(
        (spoken.out.as_str(), spoken.err.as_str(), spoken.exit),
        ("", "", 0)
    );
}

#[test]
fn what_was_not_seen_is_said() {
    let mut scene = scene();
    scene.problems = vec![Problem {
        operation: "read maps".to_owned(),
        object: Bytes::from("/proc/7/maps"),
        pid: Some(7),
        why: WhyNot::Denied,
    }];
    let spoken = speak(super::speak, None, &[], &mut on(scene));
    assert_eq!((services(&spoken.out).len(), spoken.exit), (4, 3));
    assert!(spoken.err.contains("permission denied"), "{}", spoken.err);
    let spoken = speak(super::speak, None, &[], &mut Pretended::default());
    assert_eq!((spoken.out.as_str(), spoken.exit), ("", 3));
    assert_eq!(spoken.err, "peer: cannot look\n");
}

#[test]
fn options_are_those_of_the_call() {
    let spoken = speak(super::speak, None, &["-x"], &mut on(nothing()));
    assert_eq!(
        (spoken.err.as_str(), spoken.exit),
        ("peer: not an option: -x\n", 2)
    );
    let spoken = speak(super::speak, None, &["--help"], &mut Pretended::default());
    assert_eq!(spoken.exit, 0);
    assert!(spoken.out.contains("--machine"), "{}", spoken.out);
}
