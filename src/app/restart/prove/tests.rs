use super::*;
use crate::model::{Class, Deed, Failure, Held, Mode, OwnerKind, Scope, Stage, Step, Transaction};

const TIME: Timestamp = Timestamp { secs: 7, nanos: 0 };

fn owner(name: &str) -> Owner {
    Owner::new(OwnerKind::Unit, name, Scope::System)
}

fn step(number: u32, owners: &[&str]) -> Step {
    Step {
        number,
        deed: Deed::Reload(Scope::System),
        class: Class::Service,
        stage: Stage::Services,
        owners: owners.iter().map(|name| owner(name)).collect(),
        pulled: Vec::new(),
        because: Vec::new(),
        invocation: String::new(),
        wait_us: 0,
        settle_us: 0,
        limit_us: 0,
    }
}

fn run(steps: Vec<Step>, held: &[&str]) -> Run {
    let because = || Because {
        rule: "policy.x".to_owned(),
        why: "later".to_owned(),
    };
    let held = held.iter().map(|name| Held {
        owner: owner(name),
        because: vec![because()],
    });
    Run {
        id: "1".to_owned(),
        time: TIME,
        version: "1".to_owned(),
        boot_id: "b".to_owned(),
        mode: Mode::Auto,
        transaction: Transaction {
            steps,
            held: held.collect(),
        },
    }
}

fn failed() -> StepResult {
    StepResult::Failed(Failure {
        why: "no".to_owned(),
        log: Vec::new(),
        look: String::new(),
    })
}

fn word((owner, outcome): &(Owner, Outcome)) -> String {
    let word = match outcome {
        Outcome::Clean => "clean".to_owned(),
        Outcome::StillStale(_) => "still stale".to_owned(),
        Outcome::Failed(failure) => format!("failed: {}", failure.why),
        Outcome::Deferred(because) => format!("deferred: {}", because.why),
        Outcome::Unproven(why) => format!("unproven: {why}"),
    };
    format!("{} {word}", owner.name.escaped())
}

#[track_caller]
fn check(results: [StepResult; 3], expected: &[&str], exit: u8) {
    let steps = vec![step(1, &["a", "b"]), step(2, &["b"]), step(3, &["c"])];
    let results: Results = (1..).zip(results).collect();
    let proof = without_look(&run(steps, &["d", "a"]), &results, "no look");
    let words: Vec<String> = proof.outcomes.iter().map(word).collect();
    assert_eq!(words, expected);
    assert_eq!(proof.exit(), exit);
}

#[test]
fn what_nobody_could_look_at_is_not_proven() {
    let skipped = || StepResult::Skipped("gone".to_owned());
    check(
        [StepResult::Done, failed(), skipped()],
        &[
            "a unproven: no look",
            "b failed: no",
            "c deferred: gone",
            "d deferred: later",
        ],
        1,
    );
    check(
        [StepResult::Done, skipped(), StepResult::Done],
        &[
            "a unproven: no look",
            "b deferred: gone",
            "c unproven: no look",
            "d deferred: later",
        ],
        3,
    );
    check(
        [skipped(), skipped(), skipped()],
        &[
            "a deferred: gone",
            "b deferred: gone",
            "c deferred: gone",
            "d deferred: later",
        ],
        0,
    );
}

#[test]
fn the_last_run_in_numbers() {
    let outcomes = vec![
        (owner("a"), Outcome::Clean),
        (owner("b\n"), Outcome::StillStale(Vec::new())),
        (owner("c"), Outcome::Unproven("x".to_owned())),
    ];
    let notes = Vec::new();
    let proof = Proof { outcomes, notes };
    assert_eq!(proof.exit(), 1);
    let last = proof.last_run("9", TIME, 1);
    let counts = [
        last.clean,
        last.still_stale,
        last.failed,
        last.deferred,
        last.unproven,
    ];
    assert_eq!(counts, [1, 1, 0, 0, 1]);
    assert_eq!(last.names, ["b\\n"]);
}
