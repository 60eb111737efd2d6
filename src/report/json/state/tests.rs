use super::*;
use crate::model::Timestamp;

fn owner(kind: OwnerKind, name: &[u8], scope: Scope) -> Owner {
    Owner::new(kind, name, scope)
}

fn item(owner: Owner, action: Action) -> StateItem {
    let key = ProcessKey {
        pid: 812,
        started: StartTicks(4711),
    };
    StateItem {
        owner,
        action,
        because: vec![Because {
            rule: "unit".to_owned(),
            why: "a service \u{1b}[2J of the system".to_owned(),
        }],
        packages: vec![Upgrade {
            name: "libssl3".to_owned(),
            old: Some("3.0.15-1".to_owned()),
            new: None,
        }],
        processes: vec![(key, 77)],
    }
}

fn state(items: Vec<StateItem>) -> State {
    State {
        version: "0.1.0".to_owned(),
        time: Timestamp {
            secs: 1_700_000_000,
            nanos: 120_000_000,
        },
        uptime_secs: 90,
        boot_id: "c9e5".to_owned(),
        problems: 0,
        hidden: 1,
        level: Some(Level::Kexec),
        causes: vec![StateCause {
            rule: "kernel.newer".to_owned(),
            level: Level::Kexec,
            why: "6.1.0-40 would boot".to_owned(),
        }],
        items,
        run: Some(LastRun {
            id: "20261121-7".to_owned(),
            time: Timestamp { secs: 0, nanos: 0 },
            exit: 1,
            clean: 3,
            still_stale: 1,
            failed: 2,
            deferred: 4,
            unproven: 5,
            names: vec!["nginx.service".to_owned()],
        }),
    }
}

#[track_caller]
fn check_round(state: &State) {
    let written = text(state);
    assert_eq!(parse(&written).as_ref(), Ok(state));
    let text = String::from_utf8(written).unwrap();
    assert!(!text.contains('\u{1b}') && text.ends_with("}\n"), "{text}");
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn what_is_written_is_read() {
    let kinds = [
        OwnerKind::ServiceManager,
        OwnerKind::Unit,
        OwnerKind::UserManager,
        OwnerKind::Session,
        OwnerKind::App,
        OwnerKind::OtherService,
        OwnerKind::Process,
    ];
    for kind in kinds {
        for scope in [Scope::System, Scope::User(1000)] {
            check_round(&state(vec![item(
                owner(kind, b"x.service", scope),
                Action::Restart,
            )]));
        }
    }
    for runtime in Runtime::ALL {
        for kind in [
            OwnerKind::Container(runtime),
            OwnerKind::VirtualMachine(runtime),
        ] {
            check_round(&state(vec![item(
                owner(kind, b"web", Scope::System),
                Action::RestartContainer,
            )]));
        }
    }
    for action in ACTIONS {
        check_round(&state(vec![item(
            owner(OwnerKind::Unit, b"x", Scope::System),
            action,
        )]));
    }
    // A name that is no text, one that was left out, and nothing at all.
    check_round(&state(vec![
        item(
            owner(OwnerKind::Unit, b"\xff\x1b.service", Scope::System),
            Action::Defer,
        ),
        item(
            owner(OwnerKind::App, b"", Scope::User(1000)),
            Action::Relogin,
        ),
    ]));
    let nothing = State {
        level: None,
        causes: Vec::new(),
        run: None,
        ..state(Vec::new())
    };
    check_round(&nothing);
}

#[test]
fn what_is_no_state_is_refused() {
    #[track_caller]
    fn check(change: impl FnOnce(&mut Value), why: &str) {
        let state = state(vec![item(
            owner(OwnerKind::Unit, b"x", Scope::System),
            Action::Restart,
        )]);
        let mut document = value(&state);
        change(&mut document);
        let error = parse(document.to_string().as_bytes()).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    check(|it| it["schema"] = json!(2), "schema 2");
    check(|it| it["time"] = json!("yesterday"), "a time");
    check(|it| it["reboot"]["level"] = json!("some"), "no level");
    check(
        |it| it["items"][0]["verdict"] = json!("explode"),
        "no verdict",
    );
    check(
        |it| it["items"][0]["owner"]["kind"] = json!("cat"),
        "no kind",
    );
    check(|it| it["items"][0]["owner"]["uid"] = json!(7), "no scope");
    check(
        |it| it["items"][0]["owner"]["name_base64"] = json!("§"),
        "symbol",
    );
    check(|it| it["uptime_secs"] = json!(-1), "invalid value");
    for text in [&b""[..], b"{", b"[]", b"\xff", b"{\"schema\":1}"] {
        assert!(parse(text).is_err(), "{text:?}");
    }
    let deep = "[".repeat(100_000);
    assert!(parse(deep.as_bytes()).is_err());
}
