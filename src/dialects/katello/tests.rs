//! Read back as the server does: `traces` by name, each with `helper` and `type`.

use serde_json::Value;

use crate::dialects::testing::{Pretended, nothing, service, speak};
use crate::dialects::{Scene, Stale};
use crate::model::{Action, Bytes, Cause, Level, Owner, OwnerKind, Scope, WhyNot};
use crate::problem::Problem;

fn on(scene: Scene) -> Pretended {
    Pretended {
        scene: Some(scene),
        ..Pretended::default()
    }
}

fn with_kernel(mut scene: Scene, sure: bool) -> Scene {
    let mut cause = Cause::new("kernel.newer", Level::Reboot, "x".to_owned());
    cause.sure = sure;
    scene.reboot.level = Some(Level::Reboot);
    scene.reboot.causes = vec![cause];
    scene
}

fn incomplete(mut scene: Scene) -> Scene {
    scene.problems = vec![Problem {
        operation: "read maps".to_owned(),
        object: Bytes::from("/proc/7/maps"),
        pid: Some(7),
        why: WhyNot::Denied,
    }];
    scene
}

fn stale(stale: Vec<Stale>) -> Scene {
    let mut scene = nothing();
    scene.stale = stale;
    scene
}

fn cron() -> Stale {
    service(51, "cron.service", "/usr/sbin/cron", "cron")
}

#[track_caller]
fn check(scene: Scene, exit: u8, out: &str) {
    let spoken = speak(super::speak, None, &[], &mut on(scene));
    assert_eq!((spoken.out.as_str(), spoken.exit), (out, exit));
    assert_eq!(spoken.err.is_empty(), exit == 0, "{}", spoken.err);
    if !out.is_empty() {
        let body: Value = serde_json::from_str(&spoken.out).unwrap();
        let traces = body["traces"].as_object().unwrap();
        for trace in traces.values() {
            let kind = trace["type"].as_str().unwrap();
            assert!(["daemon", "session", "static"].contains(&kind), "{kind}");
        }
    }
}

#[test]
fn the_body_has_the_servers_keys() {
    check(nothing(), 0, "{\"traces\":{}}\n");
    let daemon =
        "{\"traces\":{\"cron\":{\"helper\":\"systemctl restart cron\",\"type\":\"daemon\"}}}\n";
    check(stale(vec![cron()]), 0, daemon);
    let kernel = "{\"traces\":{\"kernel\":{\"helper\":\"You will have to reboot your computer\",\"type\":\"static\"}}}\n";
    check(with_kernel(nothing(), true), 0, kernel);
    let login = Stale {
        action: Action::Relogin,
        level: Level::Session,
        owner: Owner::new(OwnerKind::Session, "3", Scope::System),
        user: "alice".to_owned(),
        ..cron()
    };
    let session = "{\"traces\":{\"ssh-alice-session\":{\"helper\":\"You will have to log out & log in again\",\"type\":\"session\"}}}\n";
    check(stale(vec![login]), 0, session);
    let users = Stale {
        owner: Owner::new(OwnerKind::Unit, "cron.service", Scope::User(1000)),
        ..cron()
    };
    let both = "{\"traces\":{\"cron\":{\"helper\":\"systemctl restart cron\",\"type\":\"daemon\"},\"cron (user 1000)\":{\"helper\":\"You will have to log out & log in again\",\"type\":\"session\"}}}\n";
    check(stale(vec![cron(), users]), 0, both);
    let bare = Stale {
        action: Action::Defer,
        owner: Owner::new(OwnerKind::Process, "/usr/sbin/cron", Scope::System),
        ..cron()
    };
    let spoken = speak(super::speak, None, &[], &mut on(stale(vec![bare])));
    let said = (spoken.exit, spoken.out.as_str(), spoken.err.as_str());
    let left_out = "peer: left out, no command renews it: cron\n";
    assert_eq!(said, (0, "{\"traces\":{}}\n", left_out));
}

#[test]
fn the_server_never_takes_an_incomplete_list_for_a_clean_one() {
    check(incomplete(nothing()), 3, "");
    check(with_kernel(nothing(), false), 3, "");
    let daemon =
        "{\"traces\":{\"cron\":{\"helper\":\"systemctl restart cron\",\"type\":\"daemon\"}}}\n";
    check(incomplete(stale(vec![cron()])), 3, daemon);
    check(with_kernel(stale(vec![cron()]), false), 3, daemon);
    let mut unasked = nothing();
    unasked.reboot.level = None;
    check(unasked, 3, "");
    let spoken = speak(super::speak, None, &[], &mut Pretended::default());
    assert_eq!((spoken.out.as_str(), spoken.exit), ("", 3));
    assert_eq!(spoken.err, "peer: cannot look\n");
}

#[test]
fn there_are_no_options() {
    let spoken = speak(super::speak, None, &["x\u{1b}"], &mut on(nothing()));
    assert_eq!((spoken.out.as_str(), spoken.exit), ("", 2));
    assert_eq!(spoken.err, "peer: not an option: x\\x1b\n");
    let spoken = speak(super::speak, None, &["--help"], &mut on(nothing()));
    assert_eq!((spoken.err.as_str(), spoken.exit), ("", 0));
    assert!(spoken.out.starts_with("Usage: "), "{}", spoken.out);
}
