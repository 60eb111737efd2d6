use std::io::Read as _;

use super::*;
use crate::model::{Class, Deed, Held, OwnerKind, Scope, Stage, Step, Timestamp};

#[test]
fn each_way_ends_with_its_status() {
    let owner = |name: &str| Owner::new(OwnerKind::Unit, name, Scope::System);
    let held = |name: &str, rule: &str| Held {
        owner: owner(name),
        because: vec![Because {
            rule: rule.to_owned(),
            why: String::new(),
        }],
    };
    let step = Step {
        number: 1,
        deed: Deed::Reload(Scope::System),
        class: Class::ServiceManager,
        stage: Stage::Manager,
        owners: vec![owner("a"), owner("b")],
        pulled: Vec::new(),
        because: Vec::new(),
        invocation: String::new(),
        wait_us: 0,
        settle_us: 0,
        limit_us: 0,
    };
    let run = Run {
        id: "1".to_owned(),
        time: Timestamp { secs: 7, nanos: 0 },
        version: "1".to_owned(),
        boot_id: "b".to_owned(),
        mode: Mode::Auto,
        transaction: Transaction {
            steps: vec![step],
            held: vec![
                held("c", "policy.x"),
                held("d", "not-asked"),
                held("e", "possible"),
            ],
        },
    };
    let check = |only: Only<'_>, expected: &[&str]| {
        let earlier = [Record::Note("earlier".to_owned())];
        let records = records_of(run.clone(), only, &earlier, Exit::Incomplete);
        let words: Vec<String> = records
            .iter()
            .map(|record| match record {
                Record::Run(run) => format!("run {}", run.id),
                Record::Note(note) => note.clone(),
                Record::Item {
                    owner,
                    outcome: Outcome::Deferred(because),
                } => format!("{} {}", owner.name.escaped(), because.rule),
                Record::Finish { exit, .. } => format!("finish {exit}"),
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(words, expected);
    };
    let seen = ["run 1", "earlier", "c policy.x", "finish 3"];
    check(Only::Listed, &seen);
    check(Only::NothingToDo, &seen);
    let (a, b) = ("a refused", "b refused");
    let why = "nothing is restarted: busy";
    let refused = ["run 1", "earlier", a, b, why, "c policy.x", "finish 3"];
    check(Only::Refused("busy"), &refused);
}

#[test]
fn t11_06_nobody_is_waited_for_who_does_not_read() {
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    let limit = Duration::from_millis(100);
    write_in_time(&writer, &[b'x'; 1000], limit).unwrap();
    // More than a pipe takes.
    let error = write_in_time(&writer, &vec![b'y'; 8 << 20], limit).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    let mut first = [0; 1001];
    std::fs::File::from(reader).read_exact(&mut first).unwrap();
    assert_eq!((first[999], first[1000]), (b'x', b'y'));
    // Nobody will ever read.
    write_in_time(&writer, b"z", limit).unwrap_err();
}
