use super::*;
use crate::model::{
    Action, Because, Owner, OwnerKind, ProcessKey, Scope, StartTicks, StateCause, Timestamp,
};

fn item(kind: OwnerKind, name: &str, scope: Scope, action: Action) -> StateItem {
    let key = ProcessKey {
        pid: 812,
        started: StartTicks(1),
    };
    StateItem {
        owner: Owner::new(kind, name, scope),
        action,
        because: vec![Because {
            rule: "unit".to_owned(),
            why: "x".to_owned(),
        }],
        packages: Vec::new(),
        processes: vec![(key, 1000)],
    }
}

fn state() -> State {
    State {
        version: "0.1.0".to_owned(),
        time: Timestamp {
            secs: 1_700_000_000,
            nanos: 0,
        },
        uptime_secs: 8000,
        boot_id: "c9e5".to_owned(),
        problems: 0,
        hidden: 0,
        level: Some(Level::None),
        causes: Vec::new(),
        items: Vec::new(),
        run: None,
    }
}

#[track_caller]
fn check(change: impl FnOnce(&mut State), lines: &[&str]) {
    let mut state = state();
    change(&mut state);
    let status = Status {
        state: Some(&state),
        why_not: None,
        pending: false,
        suspended_by: None,
        uptime_secs: 8300,
    };
    assert_eq!(shown(&status), lines);
}

fn shown(status: &Status<'_>) -> Vec<String> {
    let mut out = Vec::new();
    print(&mut out, status).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(!text.contains('\u{1b}'), "{text:?}");
    text.lines().map(str::to_owned).collect()
}

const LOOKED: &str = "Looked 5 minutes ago, 2023-11-14 22:13:20.000 UTC.";

#[test]
fn what_was_found() {
    check(|_| (), &["Nothing runs old code.", LOOKED]);
    check(
        |state| {
            let mut nginx = item(
                OwnerKind::Unit,
                "nginx.service",
                Scope::System,
                Action::Restart,
            );
            nginx.packages = (0..6)
                .map(|number| Upgrade {
                    name: format!("lib{number}"),
                    old: Some("1".to_owned()),
                    new: Some("2".to_owned()),
                })
                .collect();
            let other = item(
                OwnerKind::Unit,
                "\u{1b}[2Jx",
                Scope::System,
                Action::Restart,
            );
            state.items = vec![nginx, other];
        },
        &[
            "Restart these services:",
            "  nginx.service, first seen 2 hours ago",
            "      lib0 1 → 2, lib1 1 → 2, lib2 1 → 2, lib3 1 → 2 and 2 more",
            "  \\u{1b}[2Jx, first seen 2 hours ago",
            LOOKED,
        ],
    );
    check(
        |state| {
            let user = Scope::User(1000);
            state.items = vec![item(OwnerKind::App, "", user, Action::Defer)];
        },
        &[
            "Stale, but the moment is yours to choose:",
            "  something of user 1000, 1 process, first seen 2 hours ago",
            LOOKED,
        ],
    );
    check(
        |state| {
            state.level = Some(Level::Reboot);
            state.causes = vec![
                StateCause {
                    rule: "kernel.newer".to_owned(),
                    level: Level::Reboot,
                    why: "6.1.0-40 \u{1b}would boot".to_owned(),
                },
                StateCause {
                    rule: "x".to_owned(),
                    level: Level::Session,
                    why: "not this".to_owned(),
                },
            ];
        },
        &[
            "Nothing runs old code.",
            "A reboot is needed:",
            "  6.1.0-40 \\u{1b}would boot",
            LOOKED,
        ],
    );
    check(
        |state| {
            state.run = Some(LastRun {
                id: "x".to_owned(),
                time: Timestamp { secs: 0, nanos: 0 },
                exit: 1,
                clean: 3,
                still_stale: 0,
                failed: 1,
                deferred: 0,
                unproven: 0,
                names: vec!["web\n.service".to_owned()],
            });
        },
        &[
            "Nothing runs old code.",
            "Last restart 1970-01-01 00:00:00.000 UTC: 3 clean, 1 failed.",
            "  not done: web\\n.service",
            LOOKED,
        ],
    );
}

#[test]
fn what_is_not_known_does_not_pass_for_fine() {
    check(
        |state| state.problems = 2,
        &[
            "Nothing runs old code.",
            LOOKED,
            "Incomplete: 2 things could not be looked at; unstale check says which.",
        ],
    );
    check(
        |state| state.level = None,
        &[
            "Nothing runs old code.",
            "Whether a reboot is needed is not known.",
            LOOKED,
        ],
    );
    let status = Status {
        state: None,
        why_not: Some("nobody looked\u{7}"),
        pending: true,
        suspended_by: Some("/etc/unstale/suspend"),
        uptime_secs: 1,
    };
    assert_eq!(
        shown(&status),
        [
            "Not known: nobody looked\\u{7}.",
            "Held back by /etc/unstale/suspend."
        ]
    );
}

#[test]
fn what_counts_as_known() {
    #[track_caller]
    fn check(known: bool, why_not: Option<&str>, change: impl FnOnce(&mut State)) {
        let mut state = state();
        change(&mut state);
        let status = Status {
            state: Some(&state),
            why_not,
            pending: false,
            suspended_by: None,
            uptime_secs: 0,
        };
        assert_eq!(status.is_known(), known);
        let nothing = Status {
            state: None,
            ..status
        };
        assert!(!nothing.is_known());
    }
    check(true, None, |_| ());
    check(false, Some("packages changed"), |_| ());
    check(false, None, |state| state.problems = 1);
    check(false, None, |state| state.level = None);
}

#[test]
fn ages() {
    #[track_caller]
    fn check(secs: u64, shown: &str) {
        assert_eq!(age(1_000_000 + secs, 1_000_000), shown);
    }
    check(0, "0 seconds");
    check(1, "1 second");
    check(59, "59 seconds");
    check(60, "1 minute");
    check(3599, "59 minutes");
    check(3600, "1 hour");
    check(86399, "23 hours");
    check(86400, "1 day");
    check(864_000, "10 days");
    assert_eq!(age(5, 9), "0 seconds");
}
