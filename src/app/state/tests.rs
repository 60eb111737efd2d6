use std::path::PathBuf;

use super::*;
use crate::app::assess;
use crate::bundle::{self, Bundle};
use crate::config::Settings;
use crate::model::{Level, Owner, StartTicks};

const NOW: Moment = Moment {
    time: Timestamp {
        secs: 1_800_000_000,
        nanos: 0,
    },
    uptime_secs: 5000,
};
const LATER: Moment = Moment {
    // Somebody set the clock back.
    time: Timestamp { secs: 7, nanos: 0 },
    uptime_secs: 9000,
};

/// An upgraded Debian 12: services, PID 1, a user's manager, unit and session.
fn machine() -> Bundle {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    bundle::read(&path.join("testdata/scenarios/0010-debian12-upgrade/bundle.json")).unwrap()
}

fn look(bundle: &Bundle, before: Option<&State>, run: Option<LastRun>, now: Moment) -> State {
    let assessment = assess::assess(bundle, &Settings::default(), false);
    of(&assessment, before, run, now)
}

fn item<'a>(state: &'a State, kind: OwnerKind, name: &str) -> &'a StateItem {
    let mut items = state.items.iter();
    let is = |owner: &Owner| owner.kind == kind && owner.name.as_slice() == name.as_bytes();
    items.find(|item| is(&item.owner)).unwrap()
}

#[test]
fn what_everybody_may_know() {
    let state = look(&machine(), None, None, NOW);
    let redis = item(&state, OwnerKind::Unit, "redis-server.service");
    assert!(!redis.packages.is_empty() && !redis.because.is_empty());
    assert!(redis.packages.iter().all(|one| one.old != one.new));
    // That a user is logged in, and not what runs there.
    let manager = item(&state, OwnerKind::UserManager, "user@1000.service");
    assert!(manager.packages.is_empty() && !manager.processes.is_empty());
    // A user's own unit: that there is one, and no more.
    let text = String::from_utf8(json::state::text(&state)).unwrap();
    assert!(!text.contains("lab-user"), "{text}");
    let private = item(&state, OwnerKind::Unit, "");
    assert_eq!(private.owner.scope, Scope::User(1000));
    assert!(private.is_private() && private.packages.is_empty() && private.because.is_empty());
    assert_eq!(private.processes.len(), 1);
    // What is kept is what is read.
    assert_eq!(json::state::parse(text.as_bytes()), Ok(state));
}

#[test]
fn t12_24_since_when_is_kept_by_process() {
    let bundle = machine();
    let first = look(&bundle, None, None, NOW);
    let since = |state: &State| {
        let items = state.items.iter();
        items
            .map(|item| item.since_secs().unwrap())
            .collect::<Vec<_>>()
    };
    assert!(since(&first).iter().all(|since| *since == 5000));
    let second = look(&bundle, Some(&first), None, LATER);
    assert_eq!(since(&second), since(&first));
    assert_eq!((second.uptime_secs, second.time), (9000, LATER.time));
    // Another process of the same pid, and another boot, begin anew.
    let mut other = first.clone();
    for item in &mut other.items {
        for (key, _) in &mut item.processes {
            key.started = StartTicks(key.started.0 + 1);
        }
    }
    let third = look(&bundle, Some(&other), None, LATER);
    assert!(since(&third).iter().all(|since| *since == 9000));
    let booted = State {
        boot_id: "another".to_owned(),
        ..first
    };
    let fourth = look(&bundle, Some(&booted), None, LATER);
    assert!(since(&fourth).iter().all(|since| *since == 9000));
}

#[test]
fn the_last_run_of_this_boot_is_kept() {
    let bundle = machine();
    let run = |id: &str| LastRun {
        id: id.to_owned(),
        time: NOW.time,
        exit: 0,
        clean: 1,
        still_stale: 0,
        failed: 0,
        deferred: 0,
        unproven: 0,
        names: Vec::new(),
    };
    let id = |state: &State| state.run.as_ref().map(|run| run.id.clone());
    let first = look(&bundle, None, Some(run("a")), NOW);
    assert_eq!(id(&first).as_deref(), Some("a"));
    let second = look(&bundle, Some(&first), None, LATER);
    assert_eq!(id(&second).as_deref(), Some("a"));
    let third = look(&bundle, Some(&second), Some(run("b")), LATER);
    assert_eq!(id(&third).as_deref(), Some("b"));
    let booted = State {
        boot_id: "another".to_owned(),
        ..third
    };
    assert_eq!(id(&look(&bundle, Some(&booted), None, LATER)), None);
}

#[test]
fn a_look_that_did_not_see_all_is_no_complete_state() {
    let mut bundle = machine();
    let whole = look(&bundle, None, None, NOW);
    bundle.facts.problems.push(crate::problem::Problem {
        operation: "look at".to_owned(),
        object: "x".into(),
        pid: None,
        why: crate::model::WhyNot::Denied,
    });
    let part = look(&bundle, None, None, NOW);
    assert_eq!(part.problems, whole.problems + 1);
    // The bundle is older than looks at what would boot.
    let complete = |state: State| {
        let level = Some(Level::None);
        State { level, ..state }.is_complete()
    };
    assert!(complete(whole) && !complete(part));
}
