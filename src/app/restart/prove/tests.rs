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
        3,
    );
}

#[test]
fn the_last_run_in_numbers() {
    let outcomes = vec![
        (owner("a"), Outcome::Clean),
        (owner("b\n"), Outcome::StillStale(Vec::new())),
        (owner("c"), Outcome::Unproven("x".to_owned())),
    ];
    let proof = Proof {
        outcomes,
        ..Proof::default()
    };
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

/// A machine on which nothing was restarted yet.
fn machine() -> crate::bundle::Bundle {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let bundle = path.join("testdata/scenarios/0010-debian12-upgrade/bundle.json");
    crate::bundle::read(&bundle).unwrap()
}

const LONG_AGO: Timestamp = Timestamp { secs: 0, nanos: 0 };
const FAR_AHEAD: Timestamp = Timestamp {
    secs: 4_000_000_000,
    nanos: 0,
};

/// One restart that its manager calls done, and what a look at that machine says of it.
#[track_caller]
fn check_look(
    owner: &Owner,
    began: Timestamp,
    change: impl FnOnce(&mut Assessment<'_>),
    expected: &str,
    exit: u8,
) -> Proof {
    let bundle = machine();
    let mut after = assess::assess(&bundle, &crate::config::Settings::default(), false);
    after.problems.clear();
    change(&mut after);
    let mut only = step(1, &[]);
    only.owners = vec![owner.clone()];
    let results = vec![(1, StepResult::Done)];
    let proof = prove(&run(vec![only], &[]), &results, &after, began);
    let [(of, outcome)] = &proof.outcomes[..] else {
        panic!("{:?}", proof.outcomes);
    };
    assert_eq!(of, owner);
    let word = match outcome {
        Outcome::StillStale(because) => format!("still stale: {}", because[0].why),
        outcome => word(&(owner.clone(), outcome.clone())),
    };
    assert!(word.contains(expected), "{word}");
    assert_eq!(proof.exit(), exit, "{proof:?}");
    proof
}

fn problem(pid: Option<u32>) -> crate::problem::Problem {
    crate::problem::Problem {
        operation: "look at".to_owned(),
        object: "x".into(),
        pid,
        why: WhyNot::TimedOut,
    }
}

fn pid_of(after: &Assessment<'_>, owner: &Owner) -> u32 {
    let mut items = after.plan.items.iter();
    let item = items.find(|item| item.owner == *owner).unwrap();
    item.processes[0].key.pid
}

#[test]
fn t10_13_the_look_afterwards_decides() {
    let redis = owner("redis-server.service");
    let old = "(redis-server) was not replaced by the restart";
    check_look(&redis, FAR_AHEAD, |_| {}, old, 1);
    let again = "(redis-server) was started since, with ";
    check_look(&redis, LONG_AGO, |_| {}, again, 1);
    let gone = |after: &mut Assessment<'_>| {
        after.plan.items.retain(|item| item.owner != redis);
    };
    check_look(&redis, FAR_AHEAD, gone, "clean", 0);
    // What policy leaves alone was not to be renewed.
    let left = |after: &mut Assessment<'_>| {
        for item in &mut after.plan.items {
            item.action = Action::Leave;
        }
    };
    check_look(&redis, FAR_AHEAD, left, "clean", 0);
    // The first process keeps its pid and its start: what it runs is what tells.
    let bundle = machine();
    let assessed = assess::assess(&bundle, &crate::config::Settings::default(), false);
    let mut items = assessed.plan.items.iter();
    let first = items.find(|item| item.processes[0].key.pid == 1).unwrap();
    assert_eq!(first.action, Action::Reexec);
    let manager = first.owner.clone();
    check_look(&manager, FAR_AHEAD, |_| {}, "was not replaced", 1);
    let renewed = |after: &mut Assessment<'_>| {
        after.plan.items.retain(|item| item.owner != manager);
    };
    check_look(&manager, FAR_AHEAD, renewed, "clean", 0);
}

#[test]
fn t11_01_clean_is_only_what_was_seen() {
    let fresh = owner("fresh.service");
    let with =
        |pid: Option<u32>| move |after: &mut Assessment<'_>| after.problems.push(problem(pid));
    // Nobody knows whose that process is: it may be the new one of this very service.
    let unproven = "unproven: cannot look at x of pid 4000000: no answer in time";
    check_look(&fresh, FAR_AHEAD, with(Some(4_000_000)), unproven, 3);
    // Of no process: the look was not whole, and no verdict on this service rests on it.
    check_look(&fresh, FAR_AHEAD, with(None), "clean", 3);
    // Of another's.
    let redis = owner("redis-server.service");
    let of_other = |after: &mut Assessment<'_>| {
        let pid = pid_of(after, &redis);
        after.problems.push(problem(Some(pid)));
    };
    check_look(&fresh, FAR_AHEAD, of_other, "clean", 3);
    // Of its own.
    let own = |after: &mut Assessment<'_>| {
        let pid = pid_of(after, &redis);
        after.problems.push(problem(Some(pid)));
        after.plan.items.retain(|item| item.owner != redis);
    };
    check_look(&redis, FAR_AHEAD, own, "unproven: cannot look at x", 3);
    let ended = |after: &mut Assessment<'_>| {
        after.problems.push(crate::problem::Problem {
            why: WhyNot::Vanished,
            ..problem(Some(4_000_000))
        });
    };
    check_look(&fresh, FAR_AHEAD, ended, "clean", 3);
}

#[test]
fn t10_22_what_is_left_over_is_a_note() {
    let redis = owner("redis-server.service");
    let of_rule = |rule: &'static str| {
        let redis = redis.clone();
        move |after: &mut Assessment<'_>| {
            let mut items = after.plan.items.iter_mut();
            let item = items.find(|item| item.owner == redis).unwrap();
            item.because = vec![Because {
                rule: rule.to_owned(),
                why: "its session goes on".to_owned(),
            }];
        }
    };
    let proof = check_look(&redis, FAR_AHEAD, of_rule("leftover"), "clean", 0);
    let [note] = &proof.notes[..] else {
        panic!("{:?}", proof.notes);
    };
    assert!(note.ends_with("(redis-server) left of redis-server.service: its session goes on"));
    // No re-execution renews that helper of a user's manager.
    check_look(
        &redis,
        FAR_AHEAD,
        of_rule("user-manager.sd-pam"),
        "clean",
        0,
    );
    // An administrator may call a rule what he likes.
    let rule = of_rule("policy.db-leftover");
    check_look(&redis, FAR_AHEAD, rule, "still stale", 1);
}

#[test]
fn a_failed_step_without_owners_is_no_success() {
    let steps = vec![step(1, &[]), step(2, &["a"])];
    let skipped = StepResult::Skipped("step 1 failed before".to_owned());
    let results: Results = vec![(1, failed()), (2, skipped.clone())];
    let run = run(steps, &[]);
    assert_eq!(without_look(&run, &results, "no look").exit(), 1);
    let bundle = machine();
    let mut after = assess::assess(&bundle, &crate::config::Settings::default(), false);
    after.problems.clear();
    assert_eq!(prove(&run, &results, &after, TIME).exit(), 1);
    // What was to be done, and was not: no success either. Unless it is clean by now.
    let mut run = run;
    run.transaction.steps[1].owners = vec![owner("redis-server.service")];
    let results: Results = vec![(2, skipped)];
    assert_eq!(prove(&run, &results, &after, TIME).exit(), 3);
    after.plan.items.clear();
    assert_eq!(prove(&run, &results, &after, TIME).exit(), 0);
}

#[test]
fn t7_16_what_a_user_started_is_not_named_to_others() {
    let of_user = Owner::new(OwnerKind::Unit, "secret.service", Scope::User(1000));
    let failure = || Outcome::StillStale(Vec::new());
    let proof = Proof {
        outcomes: vec![(of_user, failure()), (owner("a"), failure())],
        ..Proof::default()
    };
    let last = proof.last_run("9", TIME, 1);
    assert_eq!((last.still_stale, last.names), (2, vec!["a".to_owned()]));
}

#[test]
fn t10_13_what_is_no_concern_of_a_run_is_no_outcome() {
    #[track_caller]
    fn check(rule: &str, left: bool, expected: u32) {
        let mut run = run(Vec::new(), &["a"]);
        run.transaction.held[0].because[0].rule = rule.to_owned();
        let item = Item {
            action: Action::Leave,
            level: crate::model::Level::None,
            owner: owner("a"),
            because: run.transaction.held[0].because.clone(),
            processes: Vec::new(),
        };
        let left: &[&Item] = if left { &[&item] } else { &[] };
        let mut proof = Proof::default();
        proof.add_held(&run, left);
        assert_eq!(u32::try_from(proof.outcomes.len()), Ok(expected), "{rule}");
        assert_eq!(proof.last_run("9", TIME, 0).deferred, expected);
    }
    check("policy.x", false, 1);
    check("policy.x", true, 0);
    check("not-asked", false, 0);
    check("possible", false, 0);
    check("alternative", false, 0);
    check("unit.masked", false, 1);
}
