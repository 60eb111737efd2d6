use std::cell::Cell;
use std::rc::Rc;

use super::*;
use crate::model::{Because, Class, ManagerState, Stage};

/// How a unit answers to being restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It starts anew.
    Good,
    /// The manager says so, and did nothing.
    Liar,
    /// The new start fails; the next one does not.
    FailsOnce,
    /// No start works any more.
    FailsForEver,
    /// It ends well, right after its start.
    Ends,
    /// It ends a while after its start, and its manager starts it again.
    Loops,
    /// The manager says no.
    Refused,
    /// The manager says that it took too long, and it is up all the same.
    Late,
    /// The manager does it, and a condition does not hold: it is not started.
    Unmet,
    /// It is up for one look, and then somebody stops it.
    Stopped,
}

#[derive(Debug)]
struct Unit {
    name: &'static str,
    state: UnitState,
    way: Way,
}

/// A manager that keeps count of what it was asked.
#[derive(Debug, Default)]
struct Fake {
    units: Vec<Unit>,
    asked: Vec<String>,
    silent: bool,
    /// So many questions are not answered after it started itself anew.
    busy_after_reexec: u32,
    busy: u32,
    /// The clock of the world, and how long each restart of a user's unit takes.
    time: Rc<Cell<Duration>>,
    slow: Duration,
    going_down: bool,
    starts: u32,
    /// What a unit is for one look, once it was restarted.
    glimpse: Option<UnitState>,
    /// What goes down and comes back with what.
    pulls: &'static [(&'static str, &'static str)],
}

impl Fake {
    fn with(units: &[(&'static str, Way)]) -> Self {
        let unit = |&(name, way): &(&'static str, Way)| Unit {
            name,
            way,
            state: UnitState {
                id: name.to_owned(),
                load: "loaded".to_owned(),
                active: "active".to_owned(),
                sub: "running".to_owned(),
                invocation: "old".to_owned(),
                ..UnitState::default()
            },
        };
        Self {
            units: units.iter().map(unit).collect(),
            ..Self::default()
        }
    }

    fn with_state(name: &'static str, way: Way, change: impl FnOnce(&mut UnitState)) -> Self {
        let mut fake = Self::with(&[(name, way)]);
        change(&mut fake.units[0].state);
        fake
    }

    fn start(&mut self, name: &str) {
        self.starts += 1;
        let starts = self.starts;
        let unit = self.units.iter_mut().find(|unit| unit.name == name);
        let unit = unit.unwrap();
        unit.state.invocation = format!("new{starts}");
        let (active, result, way) = match unit.way {
            Way::FailsOnce => ("failed", "exit-code", Way::Good),
            Way::FailsForEver => ("failed", "exit-code", Way::FailsForEver),
            Way::Ends => ("inactive", "success", Way::Ends),
            way => ("active", "success", way),
        };
        unit.way = way;
        unit.state.active = active.to_owned();
        unit.state.result = result.to_owned();
    }
}

impl ServiceManager for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn describe(&mut self, _: Scope) -> Result<ManagerState, String> {
        unreachable!("all units are asked for at once, before a run")
    }

    fn unit(&mut self, _: Scope, name: &str) -> Result<UnitState, String> {
        if self.silent || self.busy > 0 {
            self.busy = self.busy.saturating_sub(1);
            return Err("no answer in time".to_owned());
        }
        if name == SHUTDOWN || name == KNOWN {
            return Ok(UnitState {
                active: "inactive".to_owned(),
                has_job: self.going_down,
                ..UnitState::default()
            });
        }
        let unit = self.units.iter_mut().find(|unit| unit.name == name);
        let unit = unit.ok_or("not found")?;
        if unit.way == Way::Loops && unit.state.invocation != "old" {
            unit.state.restarts += 1;
        }
        if unit.state.invocation != "old"
            && let Some(glimpse) = self.glimpse.take()
        {
            return Ok(glimpse);
        }
        let seen = unit.state.clone();
        if unit.way == Way::Stopped && unit.state.invocation != "old" {
            unit.state.active = "inactive".to_owned();
        }
        Ok(seen)
    }

    fn reload(&mut self, scope: Scope) -> Result<(), String> {
        self.asked.push(format!("reload {scope:?}"));
        match scope {
            Scope::User(13) => Err("no".to_owned()),
            _ => Ok(()),
        }
    }

    fn reexec(&mut self, scope: Scope) -> Result<(), String> {
        self.asked.push(format!("reexec {scope:?}"));
        self.busy = self.busy_after_reexec;
        self.silent = scope == Scope::System && self.busy == 0;
        Ok(())
    }

    fn try_restart(&mut self, scope: Scope, name: &str, limit: Duration) -> Result<(), String> {
        self.asked.push(format!("restart {name}"));
        if scope != Scope::System {
            let slow = self.slow.min(limit);
            self.time.set(self.time.get() + slow);
        }
        let unit = self.units.iter().find(|unit| unit.name == name);
        match unit.ok_or("not found")?.way {
            Way::Liar => Ok(()),
            Way::Refused => Err("operation refused".to_owned()),
            Way::Unmet => {
                let unit = self.units.iter_mut().find(|unit| unit.name == name);
                unit.unwrap().state.active = "inactive".to_owned();
                Ok(())
            }
            way => {
                self.start(name);
                for (with, pulled) in self.pulls {
                    if *with == name {
                        self.start(pulled);
                    }
                }
                match way {
                    Way::Late => Err("it did not end in time".to_owned()),
                    _ => Ok(()),
                }
            }
        }
    }

    fn start_cleared(&mut self, _: Scope, name: &str, _: Duration) -> Result<(), String> {
        self.asked.push(format!("start {name}"));
        self.start(name);
        Ok(())
    }

    fn log(&mut self, _: Scope, name: &str, since: Timestamp) -> Vec<String> {
        let unit = self.units.iter().find(|unit| unit.name == name).unwrap();
        let now = &unit.state.invocation;
        vec![format!("log of {name} since {}, up to {now}", since.secs)]
    }

    fn look_command(&self, _: Scope, name: &str) -> String {
        format!("look {name}")
    }
}

/// A world whose time passes only by sleeping.
#[derive(Debug, Default)]
struct World {
    time: Rc<Cell<Duration>>,
    records: Vec<Record>,
    started: Vec<String>,
    ran: Vec<String>,
    override_fails: bool,
    /// It is told to end once so many records were written.
    ends_after: Option<usize>,
    full_after: Option<usize>,
    forbidden: Vec<&'static str>,
}

impl Outside for World {
    fn record(&mut self, record: Record) -> Result<(), String> {
        if self
            .full_after
            .is_some_and(|most| self.records.len() >= most)
        {
            return Err("no space left on device".to_owned());
        }
        self.records.push(record);
        Ok(())
    }
    fn started(&mut self, _: Scope, units: &[&str]) {
        self.started
            .extend(units.iter().map(|&unit| unit.to_owned()));
    }
    fn may_restart(&mut self, service: &str) -> Result<(), String> {
        match self.forbidden.contains(&service) {
            true => Err("forbidden".to_owned()),
            false => Ok(()),
        }
    }
    fn now(&mut self) -> Timestamp {
        Timestamp { secs: 7, nanos: 0 }
    }
    fn clock(&mut self) -> Duration {
        self.time.get()
    }
    fn sleep(&mut self, time: Duration) {
        self.time.set(self.time.get() + time);
    }
    fn is_to_end(&self) -> bool {
        self.ends_after
            .is_some_and(|most| self.records.len() >= most)
    }
    fn run_override(&mut self, name: &str, _: Duration) -> Result<(), String> {
        self.ran.push(name.to_owned());
        match self.override_fails {
            true => Err("status 1".to_owned()),
            false => Ok(()),
        }
    }
    fn run_command(&mut self, argv: &[String], _: Duration) -> Result<(), String> {
        self.ran.push(argv.join(" "));
        Ok(())
    }
}

fn step(number: u32, stage: Stage, deed: Deed) -> Step {
    Step {
        number,
        deed,
        class: Class::Service,
        stage,
        owners: Vec::new(),
        pulled: Vec::new(),
        because: vec![Because {
            rule: "unit".to_owned(),
            why: "x".to_owned(),
        }],
        invocation: "old".to_owned(),
        wait_us: 0,
        settle_us: 2_000_000,
        limit_us: 90_000_000,
    }
}

fn restart(number: u32, stage: Stage, unit: &str) -> Step {
    let deed = Deed::TryRestart {
        scope: Scope::System,
        unit: unit.to_owned(),
    };
    step(number, stage, deed)
}

/// A result in a word, with the reason.
fn word(result: &StepResult) -> String {
    match result {
        StepResult::Done => "done".to_owned(),
        StepResult::Skipped(why) => format!("skipped: {why}"),
        StepResult::Failed(failure) => format!("failed: {}", failure.why),
    }
}

fn words(results: &[(u32, StepResult)]) -> Vec<String> {
    results.iter().map(|(_, result)| word(result)).collect()
}

/// One step for one unit: how it ends, and what the manager was asked for.
#[track_caller]
fn check(mut fake: Fake, expected: &str, asked: &[&str]) -> World {
    let mut world = World::default();
    let name = fake.units[0].name;
    let steps = [restart(1, Stage::Services, name)];
    let results = carry_out(&steps, &mut fake, &mut world).unwrap().results;
    assert_eq!(words(&results), [expected]);
    assert_eq!(fake.asked, asked);
    assert!(matches!(world.records[0], Record::Begin { step: 1, .. }));
    assert!(matches!(
        world.records.last(),
        Some(Record::End { step: 1, .. })
    ));
    world
}

#[test]
fn t10_13_a_restart_is_done_when_the_unit_stays_up() {
    let world = check(Fake::with(&[("a", Way::Good)]), "done", &["restart a"]);
    assert_eq!(world.started, ["a"]);
    assert!(world.time.get() >= Duration::from_secs(2), "{world:?}");
    check(
        Fake::with(&[("a", Way::Liar)]),
        "failed: its manager says that it was restarted, and it was not",
        &["restart a"],
    );
    check(
        Fake::with(&[("a", Way::Loops)]),
        "failed: it does not stay up",
        &["restart a"],
    );
    check(
        Fake::with(&[("a", Way::Refused)]),
        "failed: operation refused",
        &["restart a"],
    );
    check(Fake::with(&[("a", Way::Late)]), "done", &["restart a"]);
}

#[test]
fn t10_10_what_was_up_is_started_once_more() {
    let twice = ["restart a", "start a"];
    let world = check(Fake::with(&[("a", Way::FailsOnce)]), "done", &twice);
    assert_eq!(world.started, ["a", "a"]);
    assert!(matches!(&world.records[1], Record::Note(note) if note.contains("exit-code")));
    let world = check(
        Fake::with(&[("a", Way::FailsForEver)]),
        "failed: it failed (exit-code)",
        &twice,
    );
    let Some(Record::End { result, .. }) = world.records.last() else {
        panic!("{:?}", world.records);
    };
    let failure = Failure {
        why: "it failed (exit-code)".to_owned(),
        // Of the start that failed, not of the one after it.
        log: vec!["log of a since 7, up to new1".to_owned()],
        look: "look a".to_owned(),
    };
    assert_eq!(*result, StepResult::Failed(failure));
    check(
        Fake::with(&[("a", Way::Ends)]),
        "failed: it ended right after its start",
        &twice,
    );
    let activated = Fake::with_state("a", Way::Ends, |state| {
        state.triggered_by = vec!["a.socket".to_owned()];
    });
    check(activated, "done", &["restart a"]);
}

#[test]
fn t10_19_what_somebody_stopped_is_not_started() {
    check(
        Fake::with(&[("a", Way::Stopped)]),
        "failed: it was up, and then it ended well, or somebody stopped it",
        &["restart a"],
    );
    check(
        Fake::with(&[("a", Way::Unmet)]),
        &format!("failed: {}", settle::NOT_STARTED),
        &["restart a"],
    );
}

#[test]
fn t10_09_what_is_pulled_along_has_to_come_back() {
    #[track_caller]
    fn check_pulled(way: Way, change: impl FnOnce(&mut UnitState), expected: &str, asked: &[&str]) {
        let mut fake = Fake {
            pulls: &[("a", "b")],
            ..Fake::with(&[("a", Way::Good), ("b", way)])
        };
        change(&mut fake.units[1].state);
        let mut steps = [restart(1, Stage::Services, "a")];
        steps[0].pulled = vec!["b".to_owned(), "unknown".to_owned()];
        let world = check_all(&mut fake, &steps, &[expected]);
        assert_eq!(fake.asked, asked);
        let ends = world.records.iter();
        let ends = ends.filter(|record| matches!(record, Record::End { .. }));
        assert_eq!(ends.count(), 1);
    }
    check_pulled(Way::Good, |_| {}, "done", &["restart a"]);
    let twice = ["restart a", "start b"];
    check_pulled(Way::FailsOnce, |_| {}, "done", &twice);
    let why = "failed: b, which went down with it: it failed (exit-code)";
    check_pulled(Way::FailsForEver, |_| {}, why, &twice);
    // It was down before, and may stay so.
    let down = |state: &mut UnitState| state.active = "inactive".to_owned();
    check_pulled(Way::FailsForEver, down, "done", &["restart a"]);
    let gone = |state: &mut UnitState| state.missing = vec!["/x".to_owned()];
    let why = "skipped: b would go down with it, and not come back: /x is not there any more";
    check_pulled(Way::Good, gone, why, &[]);
}

#[test]
fn t10_13_what_ends_while_others_settle_has_failed() {
    let steps = [
        restart(1, Stage::Services, "a"),
        restart(2, Stage::Services, "b"),
    ];
    let mut fake = Fake::with(&[("a", Way::Good), ("b", Way::Good)]);
    let mut world = World::default();
    let mut carried = carry_out(&steps, &mut fake, &mut world).unwrap();
    look_back(&mut carried, &mut fake, &mut world).unwrap();
    assert_eq!(words(&carried.results), ["done", "done"]);
    fake.units[0].state.active = "failed".to_owned();
    fake.units[0].state.result = "exit-code".to_owned();
    fake.units[1].state.restarts += 1;
    look_back(&mut carried, &mut fake, &mut world).unwrap();
    let since = |name: &str| format!("failed: {name}: it was up after its restart, and then");
    let expected = [
        format!("{} failed (exit-code)", since("a")),
        format!("{} ended, and was started again", since("b")),
    ];
    assert_eq!(words(&carried.results), expected);
}

#[test]
fn t10_19_what_changed_since_the_plan_is_let_be() {
    type Change = fn(&mut UnitState);
    let rows: [(Change, &str); 12] = [
        (|s| s.active = "inactive".to_owned(), NOT_RUNNING),
        (|s| s.active = "failed".to_owned(), NOT_RUNNING),
        (|s| s.active = "deactivating".to_owned(), NOT_RUNNING),
        (|s| s.load = "masked".to_owned(), "it is masked now"),
        (|s| s.has_job = true, "its manager has another job for it"),
        (
            |s| s.invocation = "other".to_owned(),
            "it was restarted meanwhile",
        ),
        (
            |s| s.file_state = "masked-runtime".to_owned(),
            "it would not come back: it is masked now",
        ),
        (
            |s| s.load = "not-found".to_owned(),
            "it would not come back: its manager does not know it any more",
        ),
        (
            |s| s.load = "bad-setting".to_owned(),
            "it would not come back: its unit file cannot be loaded any more",
        ),
        (
            |s| s.refuse_manual_stop = true,
            "it refuses to be stopped by hand now",
        ),
        (
            |s| s.refuse_manual_start = true,
            "it refuses to be started by hand now",
        ),
        (
            |s| s.missing = vec!["/usr/sbin/a".to_owned()],
            "it would not come back: /usr/sbin/a is not there any more",
        ),
    ];
    for (change, why) in rows {
        let fake = Fake::with_state("a", Way::Good, change);
        let world = check(fake, &format!("skipped: {why}"), &[]);
        assert_eq!(world.started, [""; 0]);
    }
    let silent = Fake {
        silent: true,
        ..Fake::with(&[("a", Way::Good)])
    };
    check(silent, "failed: no answer in time", &[]);
}

#[track_caller]
fn check_all(fake: &mut Fake, steps: &[Step], expected: &[&str]) -> World {
    check_in(World::default(), fake, steps, expected)
}

#[track_caller]
fn check_in(mut world: World, fake: &mut Fake, steps: &[Step], expected: &[&str]) -> World {
    world.time = Rc::clone(&fake.time);
    let results = carry_out(steps, fake, &mut world).unwrap().results;
    assert_eq!(words(&results), expected);
    let numbers: Vec<u32> = results.iter().map(|(number, _)| *number).collect();
    let planned: Vec<u32> = steps.iter().map(|step| step.number).collect();
    assert_eq!(numbers, planned);
    world
}

fn every_stage() -> [Step; 6] {
    [
        restart(1, Stage::Services, "a"),
        restart(2, Stage::Services, "b"),
        restart(3, Stage::Access, "ssh"),
        restart(4, Stage::Network, "net"),
        step(
            5,
            Stage::Guests,
            Deed::Command {
                argv: vec!["/x".to_owned()],
            },
        ),
        step(
            6,
            Stage::Guests,
            Deed::Command {
                argv: vec!["/y".to_owned()],
            },
        ),
    ]
}

#[test]
fn t10_21_a_failure_stops_later_stages() {
    let fake = |bad: &str| {
        let way = |name: &'static str| {
            let way = if name == bad { Way::Refused } else { Way::Good };
            (name, way)
        };
        Fake::with(&["a", "b", "ssh", "net"].map(way))
    };
    let all = ["done"; 6];
    let world = check_all(&mut fake(""), &every_stage(), &all);
    assert_eq!(world.ran, ["/x", "/y"]);
    let no = "failed: operation refused";
    let off = |number| format!("skipped: step {number} failed before");
    let (one, three, four) = (off(1), off(3), off(4));
    let rows: [(&str, [&str; 6]); 3] = [
        ("a", [no, "done", "done", &one, &one, &one]),
        ("ssh", ["done", "done", no, &three, &three, &three]),
        ("net", ["done", "done", "done", no, &four, &four]),
    ];
    for (bad, expected) in rows {
        check_all(&mut fake(bad), &every_stage(), &expected);
    }
}

#[test]
fn t10_16_nothing_is_done_after_a_manager_failed() {
    let mut fake = Fake::with(&[("a", Way::Good)]);
    let steps = [
        step(1, Stage::Manager, Deed::Reload(Scope::User(13))),
        step(2, Stage::Manager, Deed::Reload(Scope::System)),
        step(3, Stage::Manager, Deed::Reexec(Scope::User(13))),
        step(4, Stage::Manager, Deed::Reexec(Scope::System)),
        restart(5, Stage::Services, "a"),
    ];
    // Those of users come after the system's.
    let expected = [
        "skipped: step 4 failed before",
        "done",
        "skipped: step 4 failed before",
        "failed: it does not answer since: no answer in time",
        "skipped: step 4 failed before",
    ];
    check_all(&mut fake, &steps, &expected);
    assert_eq!(fake.asked, ["reload System", "reexec System"]);
    let mut fake = Fake {
        busy_after_reexec: 7,
        ..Fake::with(&[("a", Way::Good)])
    };
    let expected = [
        "failed: no",
        "done",
        // The manager of one user is that user's trouble.
        "skipped: the user's service manager failed before",
        "done",
        "done",
    ];
    let world = check_all(&mut fake, &steps, &expected);
    assert_eq!(
        fake.asked,
        [
            "reload System",
            "reexec System",
            "restart a",
            "reload User(13)"
        ]
    );
    // It was waited for until it answered.
    assert!(world.time.get() > 7 * POLL, "{world:?}");
}

fn of_user(number: u32, uid: u32, unit: &str) -> Step {
    let deed = Deed::TryRestart {
        scope: Scope::User(uid),
        unit: unit.to_owned(),
    };
    step(number, Stage::Services, deed)
}

#[test]
fn what_fails_for_a_user_stops_nobody_else() {
    let mut fake = Fake::with(&[("bad", Way::Refused), ("net", Way::Good)]);
    let later = Step {
        stage: Stage::Network,
        ..of_user(4, 8, "net")
    };
    let own = Step {
        stage: Stage::Network,
        ..of_user(5, 7, "net")
    };
    let steps = [
        of_user(1, 7, "bad"),
        restart(2, Stage::Network, "net"),
        step(
            3,
            Stage::Guests,
            Deed::Command {
                argv: vec!["/x".to_owned()],
            },
        ),
        later,
        own,
    ];
    let mut steps = steps;
    steps[3].invocation.clear();
    let expected = [
        "failed: operation refused",
        "done",
        "done",
        "done",
        "skipped: step 1 failed before",
    ];
    check_all(&mut fake, &steps, &expected);
    // The system's first.
    let asked = ["restart net", "restart bad", "restart net"];
    assert_eq!(fake.asked, asked);
}

#[test]
fn t11_06_users_are_not_waited_for_without_end() {
    let late = || Fake {
        slow: Duration::from_secs(1000),
        ..Fake::with(&[("a", Way::Good)])
    };
    // One that does not do it in time is not asked again.
    let steps = [of_user(1, 7, "a"), of_user(2, 7, "a")];
    let over = "skipped: the user's service manager failed before";
    check_all(&mut late(), &steps, &["done", over]);
    // Those that do it just in time: each user has so long, and all of them.
    let names: Vec<&'static str> = "abcdefghijklmnopqrstuvwx".split("").collect();
    let names = &names[1..25];
    let units: Vec<_> = names.iter().map(|&name| (name, Way::Good)).collect();
    let mut fake = Fake {
        slow: Duration::from_secs(80),
        ..Fake::with(&units)
    };
    let steps: Vec<Step> = (0..24)
        .zip(names)
        .map(|(number, name)| of_user(number, number / 6, name))
        .collect();
    let mut world = World {
        time: Rc::clone(&fake.time),
        ..World::default()
    };
    let results = carry_out(&steps, &mut fake, &mut world).unwrap().results;
    let done = |uid: u32| {
        let of_uid = results.iter().filter(|(number, _)| number / 6 == uid);
        of_uid
            .filter(|(_, result)| *result == StepResult::Done)
            .count()
    };
    assert_eq!([0, 1, 2, 3].map(done), [4, 4, 4, 0], "{results:?}");
    assert!(world.time.get() < Duration::from_secs(1000), "{world:?}");
}

#[test]
fn t10_26_each_service_is_asked_for() {
    let mut fake = Fake::with(&[("a", Way::Good), ("b", Way::Good)]);
    let world = World {
        forbidden: vec!["a"],
        ..World::default()
    };
    let steps = [
        restart(1, Stage::Services, "a"),
        restart(2, Stage::Services, "b"),
    ];
    let expected = ["skipped: forbidden", "done"];
    check_in(world, &mut fake, &steps, &expected);
    assert_eq!(fake.asked, ["restart b"]);
}

/// Where a record is among all.
fn place(world: &World, of: impl Fn(&Record) -> bool) -> usize {
    world.records.iter().position(of).unwrap()
}

#[test]
fn t10_13_units_settle_while_others_are_restarted() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let mut fake = Fake::with(&names.map(|name| (name, Way::Good)));
    let mut steps: Vec<Step> = (1..)
        .zip(names)
        .map(|(number, name)| restart(number, Stage::Services, name))
        .collect();
    steps[7].stage = Stage::Network;
    let world = check_all(&mut fake, &steps, &["done"; 8]);
    // Twice what one takes: a stage begins when the one before has settled.
    let time = world.time.get();
    let (least, most) = (Duration::from_secs(4), Duration::from_secs(5));
    assert!((least..most).contains(&time), "{time:?}");
    let begin = |step| {
        let is =
            move |record: &Record| matches!(record, Record::Begin { step: of, .. } if *of == step);
        place(&world, is)
    };
    let end = |step| {
        let is =
            move |record: &Record| matches!(record, Record::End { step: of, .. } if *of == step);
        place(&world, is)
    };
    assert!(begin(7) < end(1));
    assert!((1..8).all(|step| end(step) < begin(8)), "{world:?}");
    // What fails while it settles is known by then.
    let mut fake = Fake::with(&[("a", Way::Loops), ("b", Way::FailsOnce), ("h", Way::Good)]);
    let steps = [
        restart(1, Stage::Services, "a"),
        restart(2, Stage::Services, "b"),
        restart(3, Stage::Network, "h"),
    ];
    let expected = [
        "failed: it does not stay up",
        "done",
        "skipped: step 1 failed before",
    ];
    check_all(&mut fake, &steps, &expected);
}

#[test]
fn what_another_restart_pulls_along_is_not_down() {
    let down = UnitState {
        active: "inactive".to_owned(),
        has_job: true,
        invocation: "new".to_owned(),
        ..UnitState::default()
    };
    let steps = [restart(1, Stage::Services, "a")];
    let mut fake = Fake {
        glimpse: Some(down),
        ..Fake::with(&[("a", Way::Good)])
    };
    let world = check_all(&mut fake, &steps, &["done"]);
    assert_eq!(world.started, ["a"]);
}

#[test]
fn own_ways() {
    let own = || {
        let name = "a".to_owned();
        [step(1, Stage::Services, Deed::Override { name })]
    };
    // It may reload, or hand over to a new process by itself.
    let mut fake = Fake::with(&[("a", Way::Good)]);
    let world = check_all(&mut fake, &own(), &["done"]);
    assert_eq!((world.ran, fake.asked.len()), (vec!["a".to_owned()], 0));
    let mut world = World {
        override_fails: true,
        ..World::default()
    };
    let mut fake = Fake::with(&[("a", Way::Good)]);
    let results = carry_out(&own(), &mut fake, &mut world).unwrap().results;
    assert_eq!(words(&results), ["failed: status 1"]);
    assert_eq!(fake.asked, [""; 0]);
}

#[test]
fn services_of_other_managers() {
    let step = |name: &str| {
        let name = name.to_owned();
        step(1, Stage::Services, Deed::RestartService { name })
    };
    check_all(
        &mut Fake::with(&[("a", Way::Good)]),
        &[step("a")],
        &["done"],
    );
    let mut refused = Fake::with(&[("a", Way::Refused)]);
    check_all(&mut refused, &[step("a")], &["failed: operation refused"]);
    let mut gone = Fake::with_state("a", Way::Good, |s| s.active = "inactive".to_owned());
    let skipped = format!("skipped: {NOT_RUNNING}");
    check_all(&mut gone, &[step("a")], &[&skipped]);
}

#[test]
fn t12_09_nothing_is_done_while_the_system_goes_down() {
    let mut fake = Fake {
        going_down: true,
        ..Fake::with(&[("a", Way::Good)])
    };
    let steps = [restart(1, Stage::Services, "a")];
    check_all(&mut fake, &steps, &["skipped: the system is shutting down"]);
    assert_eq!(fake.asked, [""; 0]);
}

#[test]
fn t12_22_told_to_end_it_ends_its_step() {
    // One record: in the middle of the first step, which goes wrong and is brought back all the same.
    let mut fake = Fake::with(&[("a", Way::FailsOnce), ("b", Way::Good)]);
    let mut world = World {
        ends_after: Some(2),
        ..World::default()
    };
    let steps = [
        restart(1, Stage::Services, "a"),
        restart(2, Stage::Services, "b"),
    ];
    let results = carry_out(&steps, &mut fake, &mut world).unwrap().results;
    let ended = "skipped: the run was told to end before it";
    assert_eq!(words(&results), ["done", ended]);
    assert_eq!(fake.asked, ["restart a", "start a"]);
    assert_eq!(fake.units[0].state.active, "active");
    // While it waits for the start limit, too.
    let mut fake = Fake::with(&[("a", Way::Good)]);
    let mut world = World {
        ends_after: Some(1),
        ..World::default()
    };
    let mut steps = [restart(1, Stage::Services, "a")];
    steps[0].wait_us = 60_000_000;
    let results = carry_out(&steps, &mut fake, &mut world).unwrap().results;
    assert_eq!(words(&results), [ended]);
    assert_eq!(fake.asked, [""; 0]);
}

#[test]
fn t10_10_it_waits_for_the_start_limit() {
    let mut fake = Fake::with(&[("a", Way::Good)]);
    let mut steps = [restart(1, Stage::Services, "a")];
    steps[0].wait_us = 7_000_000;
    let world = check_all(&mut fake, &steps, &["done"]);
    assert!(world.time.get() >= Duration::from_secs(9), "{world:?}");
}

#[test]
fn t12_20_what_cannot_be_written_down_is_not_done() {
    let mut fake = Fake::with(&[("a", Way::Good)]);
    let mut world = World {
        full_after: Some(0),
        ..World::default()
    };
    let steps = [restart(1, Stage::Services, "a")];
    let error = carry_out(&steps, &mut fake, &mut world).unwrap_err();
    assert_eq!(error, "no space left on device");
    assert_eq!(fake.asked, [""; 0]);
    // What had begun is not left down for that; nothing else begins.
    let mut fake = Fake::with(&[("a", Way::FailsOnce), ("b", Way::Good)]);
    world.full_after = Some(1);
    let steps = [
        restart(1, Stage::Services, "a"),
        restart(2, Stage::Services, "b"),
    ];
    carry_out(&steps, &mut fake, &mut world).unwrap_err();
    assert_eq!(fake.asked, ["restart a", "start a"]);
}
