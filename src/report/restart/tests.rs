use super::*;
use crate::bundle::Bundle;
use crate::detect::Judge;
use crate::model::{
    Answers, Bytes, Class, Clock, Facts, Failure, Host, Kind, Level, Mode, ObjectId, Outcome,
    OwnerKind, Package, PackageFact, Plan, ProcessKey, Reboot, Record, Run, StaleObject,
    StaleProcess, StartTicks, StepResult, Timestamp,
};

const EVENING: Timestamp = Timestamp {
    secs: 1_795_295_521,
    nanos: 0,
};
/// What a terminal would obey, what forges a line, what turns a line around; and more than anybody reads.
const WILD: &str = "a\u{1b}[2J\n\r\u{202e}b";

fn wild() -> String {
    format!("{WILD}{}", "x".repeat(4096))
}

fn bundle() -> Bundle {
    let host = Host {
        kernel: Bytes::default(),
        boot_id: Bytes::default(),
        clock: Clock {
            boot_realtime_ns: 0,
            ticks_per_second: 100,
        },
        reader_uid: 0,
        reader_mnt_ns: None,
        reader_pid_ns: None,
        memory_devices: Vec::new(),
        unified_cgroups: true,
        systemd: true,
    };
    let facts = Facts {
        host,
        views: Vec::new(),
        processes: Vec::new(),
        objects: Vec::new(),
        problems: Vec::new(),
        plugins: Vec::new(),
        boot: None,
        beside: Vec::new(),
    };
    Bundle::new(facts, Answers::default())
}

/// What is printed of a plan, without colours.
fn printed(
    items: Vec<Item>,
    print: impl FnOnce(&mut dyn Write, &Assessment<'_>) -> io::Result<()>,
) -> String {
    let bundle = bundle();
    let assessment = Assessment {
        bundle: &bundle,
        judge: Judge::new(&bundle.facts, &bundle.answers),
        judged: Vec::new(),
        plan: Plan {
            items,
            hidden: Vec::new(),
        },
        reboot: Reboot {
            level: None,
            causes: Vec::new(),
            notes: Vec::new(),
            kernel: None,
        },
        problems: Vec::new(),
    };
    let mut out = Vec::new();
    print(&mut out, &assessment).unwrap();
    plain(&out)
}

fn plain(out: &[u8]) -> String {
    let text = std::str::from_utf8(out).unwrap();
    anstream::adapter::strip_str(text).to_string()
}

fn because(rule: &str, why: &str) -> Because {
    Because {
        rule: rule.to_owned(),
        why: why.to_owned(),
    }
}

fn unit(name: &str) -> Owner {
    Owner::new(OwnerKind::Unit, name, Scope::System)
}

fn item(owner: Owner, action: Action, because: Because, package: &str) -> Item {
    let fact = PackageFact {
        backend: "dpkg".to_owned(),
        name: package.to_owned(),
        arch: "amd64".to_owned(),
        running_version: Some("1".to_owned()),
        installed_version: Some("2".to_owned()),
    };
    let object = StaleObject {
        object: ObjectId(0),
        program: true,
        source: None,
        sure: true,
        kind: Kind::Replaced,
        package: Package::Known(vec![fact]),
    };
    let process = StaleProcess {
        key: ProcessKey {
            pid: 7,
            started: StartTicks(1),
        },
        owner: owner.clone(),
        comm: Bytes::from("x"),
        instance: None,
        restart: None,
        objects: vec![object],
    };
    Item {
        action,
        level: Level::Service,
        owner,
        because: vec![because],
        processes: vec![process],
    }
}

fn step(number: u32, deed: Deed, owners: Vec<Owner>) -> Step {
    Step {
        number,
        deed,
        class: Class::Service,
        stage: Stage::Services,
        owners,
        pulled: Vec::new(),
        because: vec![because("unit", "the service manager can restart it")],
        invocation: String::new(),
        wait_us: 0,
        settle_us: 0,
        limit_us: 0,
    }
}

fn try_restart(name: &str) -> Deed {
    Deed::TryRestart {
        scope: Scope::System,
        unit: name.to_owned(),
    }
}

fn restarted(name: &str, package: &str) -> Item {
    let because = because("unit", "the service manager can restart it");
    item(unit(name), Action::Restart, because, package)
}

fn held(item: &Item) -> Held {
    Held {
        owner: item.owner.clone(),
        because: item.because.clone(),
    }
}

/// A plan with all there is, and what is to be done about it.
fn example() -> (Vec<Item>, Transaction) {
    let session = Owner::new(OwnerKind::Session, "3", Scope::User(1000));
    let bus = "other programs talk over it";
    let items = vec![
        restarted("nginx.service", "nginx"),
        restarted("php@8\\x2d.service", "php"),
        restarted("ssh.service", "ssh"),
        item(
            session,
            Action::Relogin,
            because("session", "log out"),
            "bash",
        ),
        item(
            unit("dbus.service"),
            Action::Defer,
            because("policy.message-bus", bus),
            "dbus",
        ),
        item(
            unit("dbus-broker.service"),
            Action::Defer,
            because("policy.message-bus", bus),
            "dbus",
        ),
        item(
            unit("backup.service"),
            Action::Defer,
            because("unit.oneshot", "it ends by itself"),
            "tar",
        ),
        item(
            unit("ssh.service"),
            Action::Defer,
            because("leftover", "old sessions; they end by themselves"),
            "ssh",
        ),
        item(
            unit("rc-local.service"),
            Action::Leave,
            because("policy.rc-local", "boot only"),
            "perl",
        ),
    ];
    let mut nginx = step(
        2,
        try_restart("nginx.service"),
        vec![unit("nginx.service"), unit("php@8\\x2d.service")],
    );
    nginx.pulled = vec!["a.service".to_owned(), "b.service".to_owned()];
    nginx.wait_us = 9_500_001;
    let mut ssh = step(3, try_restart("ssh.service"), vec![unit("ssh.service")]);
    ssh.stage = Stage::Access;
    let mut reload = step(1, Deed::Reload(Scope::System), Vec::new());
    reload.because = vec![because("reload", "unit files changed")];
    let transaction = Transaction {
        steps: vec![reload, nginx, ssh],
        held: items[3..].iter().map(held).collect(),
    };
    (items, transaction)
}

const PLAN: &str = r"To be done, in this order:
   1. systemctl daemon-reload
        unit files changed
   2. systemctl try-restart nginx.service
        nginx 1 → 2, php 1 → 2
        also renews php@8\x2d.service (php@8-.service)
        goes down and comes back with it: a.service, b.service
        waits 10 s first, for its start limit
   3. systemctl try-restart ssh.service
        ssh 1 → 2
        late: you may reach this machine through it

Held back:
  dbus.service, dbus-broker.service
      other programs talk over it (rule policy.message-bus)
  backup.service
      it ends by itself

Left over from an earlier run of their unit, which no restart ends:
  ssh.service
      old sessions; they end by themselves

Log out of these sessions, and in again:
  session 3 of user 1000
      log out

Stale, and left alone:
  rc-local.service
      boot only (rule policy.rc-local)

3 to be done, 3 held back, 1 left over, 1 to log in again, 1 left alone.
";

#[test]
fn the_plan_as_people_read_it() {
    let (items, transaction) = example();
    let text = printed(items, |out, assessment| {
        print_plan(out, &transaction, assessment, Detail::Normal)
    });
    assert_eq!(text, PLAN);
}

#[test]
fn what_nobody_asked_for_is_counted() {
    let (items, mut transaction) = example();
    for held in &mut transaction.held {
        let asked = because("not-asked", "it was not asked for");
        held.because.insert(0, asked);
    }
    let print = |detail| {
        printed(items.clone(), |out, assessment| {
            print_plan(out, &transaction, assessment, detail)?;
            print_fixed(out, &transaction, assessment)
        })
    };
    let end = PLAN.find("\n\nHeld back").unwrap();
    let text = print(Detail::Normal);
    let counts = "\n\n3 to be done, 6 not asked for.\n";
    assert_eq!(text, format!("{}{counts}", &PLAN[..end]));
    let text = print(Detail::Everything);
    let list = "\n  dbus.service, dbus-broker.service\n      it was not asked for\n";
    assert!(text.contains(list), "{text}");
}

#[test]
fn nothing_to_do_is_said() {
    let text = printed(Vec::new(), |out, assessment| {
        print_plan(out, &Transaction::default(), assessment, Detail::Normal)?;
        print_advice(out, &Transaction::default(), &["x".to_owned()])
    });
    assert_eq!(text, "There is nothing to restart.\n\n0 to be done.\n");
}

#[test]
fn the_advice_is_a_command_for_a_shell() {
    #[track_caller]
    fn check(names: &[&str], command: &str) {
        let (_, transaction) = example();
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut out = Vec::new();
        print_advice(&mut out, &transaction, &names).unwrap();
        let line =
            format!("Nothing was done. This does it: unstale restart --mode auto{command}\n");
        assert_eq!(plain(&out), line);
    }
    check(&[], "");
    check(&["nginx.service", "x"], " nginx.service x");
    check(&["a; reboot"], " 'a; reboot'");
    check(&["--mode"], " -- --mode");
}

#[test]
fn deeds() {
    #[track_caller]
    fn check(done: &Deed, words: &str, short: &str) {
        assert_eq!(deed(done), words);
        assert_eq!(target(done), short);
    }
    let user = Scope::User(7);
    check(
        &Deed::Reload(user),
        "systemctl --user daemon-reload (as user 7)",
        "unit files of the service manager of user 7",
    );
    check(
        &Deed::Reexec(Scope::System),
        "systemctl daemon-reexec",
        "the service manager",
    );
    check(
        &try_restart("a\\x2db.service"),
        "systemctl try-restart 'a\\x2db.service'",
        "a\\x2db.service",
    );
    let name = "cron".to_owned();
    check(
        &Deed::RestartService { name: name.clone() },
        "restart the service cron",
        "cron",
    );
    check(&Deed::Override { name }, "restart.d/cron", "cron");
    let argv = vec![
        "/bin/docker".to_owned(),
        "restart".to_owned(),
        "a b".to_owned(),
    ];
    check(
        &Deed::Command { argv },
        "/bin/docker restart 'a b'",
        "/bin/docker restart a b",
    );
}

#[test]
fn choices_are_the_steps_and_what_policy_defers() {
    let (items, transaction) = example();
    let mut found = Vec::new();
    let fixed = printed(items, |out, assessment| {
        found = choices(&transaction, assessment);
        print_fixed(out, &transaction, assessment)
    });
    let shown: Vec<(bool, &str, usize)> = found
        .iter()
        .map(|choice| (choice.ticked, choice.title.as_str(), choice.owners.len()))
        .collect();
    assert_eq!(
        shown,
        [
            (true, "systemctl try-restart nginx.service", 2),
            (true, "systemctl try-restart ssh.service", 1),
            (false, "dbus.service", 1),
            (false, "dbus-broker.service", 1),
        ]
    );
    assert_eq!(
        found[0].why,
        ["nginx 1 → 2, php 1 → 2", "with it: a.service, b.service"]
    );
    assert_eq!(
        found[2].why,
        ["other programs talk over it (rule policy.message-bus)"]
    );
    for name in ["backup.service", "session 3", "rc-local.service"] {
        assert!(fixed.contains(name), "{fixed}");
    }
    assert!(!fixed.contains("dbus"), "{fixed}");
}

fn run(steps: Vec<Step>) -> Record {
    Record::Run(Box::new(Run {
        id: "7".to_owned(),
        time: EVENING,
        version: String::new(),
        boot_id: String::new(),
        mode: Mode::Auto,
        transaction: Transaction {
            steps,
            held: Vec::new(),
        },
    }))
}

fn begin(step: u32) -> Record {
    Record::Begin {
        step,
        time: EVENING,
    }
}

fn end(step: u32, result: StepResult) -> Record {
    Record::End {
        step,
        time: EVENING,
        result,
    }
}

fn ended(name: &str, outcome: Outcome) -> Record {
    Record::Item {
        owner: unit(name),
        outcome,
    }
}

fn failure(log: &[&str]) -> Failure {
    Failure {
        why: "it exited with status 1".to_owned(),
        log: log.iter().map(|&line| line.to_owned()).collect(),
        look: "systemctl status y.service".to_owned(),
    }
}

fn finish() -> Record {
    Record::Finish {
        time: EVENING,
        exit: 0,
    }
}

/// A run in which all happens that may.
fn course() -> Vec<Record> {
    let names = ["a.service", "y.service", "z.service"];
    let mut steps: Vec<Step> = (1..)
        .zip(names)
        .map(|(number, name)| step(number, try_restart(name), vec![unit(name)]))
        .collect();
    steps[1].wait_us = 3_000_000;
    steps.push(step(4, Deed::Reload(Scope::System), Vec::new()));
    vec![
        run(steps),
        begin(1),
        end(1, StepResult::Done),
        begin(2),
        end(2, StepResult::Failed(failure(&["no", "port 80"]))),
        begin(3),
        end(3, StepResult::Skipped("it was restarted since".to_owned())),
        begin(4),
        end(4, StepResult::Failed(failure(&[]))),
        Record::Note("a note".to_owned()),
        Record::Told {
            owner: Owner::new(OwnerKind::Session, "3", Scope::User(1000)),
            ways: vec!["terminal".to_owned(), "desktop".to_owned()],
            failed: vec!["mail: no such program".to_owned()],
        },
        Record::Rescan { time: EVENING },
        ended("a.service", Outcome::Clean),
        ended("y.service", Outcome::Failed(failure(&["no", "port 80"]))),
        ended(
            "z.service",
            Outcome::StillStale(vec![because("unit", "libc runs on")]),
        ),
        ended("u.service", Outcome::Unproven("the scan failed".to_owned())),
        ended(
            "d.service",
            Outcome::Deferred(because("policy.message-bus", "all talk")),
        ),
        finish(),
    ]
}

fn progress(width: Option<u16>, records: &[Record]) -> String {
    let mut progress = Progress::new(width);
    let mut out = Vec::new();
    for record in records {
        progress.record(&mut out, record).unwrap();
    }
    String::from_utf8(out).unwrap()
}

const LINES: &str = "\
[1/4] a.service …
[2/4] y.service (waits 3 s first) …
[2/4] y.service: failed: it exited with status 1
[3/4] z.service …
[3/4] z.service: not done: it was restarted since
[4/4] unit files of the service manager …
[4/4] unit files of the service manager: failed: it exited with status 1
a note
told session 3 of user 1000: terminal, desktop
could not tell session 3 of user 1000: mail: no such program
looking again …
";

#[test]
fn progress_in_lines() {
    assert_eq!(progress(None, &course()), LINES);
}

#[test]
fn progress_on_a_terminal_leaves_only_what_matters() {
    let text = progress(Some(80), &course());
    assert!(
        text.starts_with("[1/4] a.service …\r                 \r[2/4]"),
        "{text:?}"
    );
    // What a terminal shows at the end: of each line, what came after the last return.
    let left: Vec<&str> = text
        .split('\n')
        .map(|line| line.rsplit('\r').next().unwrap())
        .collect();
    assert_eq!(
        left,
        [
            "[2/4] y.service: failed: it exited with status 1",
            "[3/4] z.service: not done: it was restarted since",
            "[4/4] unit files of the service manager: failed: it exited with status 1",
            "a note",
            "told session 3 of user 1000: terminal, desktop",
            "could not tell session 3 of user 1000: mail: no such program",
            "",
        ]
    );
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn a_live_line_is_never_wider_than_the_terminal() {
    #[track_caller]
    fn check(line: &str, width: usize, fits: &str, columns: usize) {
        assert_eq!(fitting(line, width), (fits, columns));
    }
    check("abc", 3, "abc", 3);
    check("abc…", 3, "abc", 3);
    check("größe", 4, "größ", 4);
    check("文文", 3, "文", 2);
    check("abc", 0, "", 0);
    for width in [1, 2, 10, 20] {
        let text = progress(Some(width), &course()[..2]);
        assert!(text.chars().count() < usize::from(width), "{text:?}");
    }
}

const OUTCOME: &str = "\
Restarted and clean:
  a.service
Not done:
  d.service
      all talk (rule policy.message-bus)
Restarted, and still stale:
  z.service
      libc runs on
Restarted, but it could not be told whether that helped:
  u.service
      the scan failed
Failed:
  y.service
      it exited with status 1
      | no
      | port 80
      look further with: systemctl status y.service
  unit files of the service manager
      it exited with status 1
      look further with: systemctl status y.service
1 restarted and clean, 2 failed, 1 still stale, 1 not proven, 1 deferred.
";

fn outcome(records: &[Record]) -> String {
    let mut out = Vec::new();
    print_outcome(&mut out, records).unwrap();
    plain(&out)
}

#[test]
fn how_it_ended() {
    assert_eq!(outcome(&course()), OUTCOME);
    assert_eq!(
        outcome(&[run(Vec::new()), finish()]),
        "Nothing was restarted.\n"
    );
}

#[test]
fn t12_22_a_run_that_was_broken_off() {
    let steps = (1..=4).map(|number| {
        let name = format!("s{number}.service");
        step(number, try_restart(&name), vec![unit(&name)])
    });
    let records = [
        run(steps.collect()),
        begin(1),
        end(1, StepResult::Done),
        begin(2),
        end(2, StepResult::Skipped("a job".to_owned())),
        begin(3),
    ];
    let said = "The run 7 of 2026-11-21 21:12:01.000 UTC was broken off:
  done: s1.service
  not done: s2.service
  begun, and not known how it ended: s3.service
  not begun: s4.service
";
    let mut out = Vec::new();
    print_broken_off(&mut out, &records).unwrap();
    assert_eq!(plain(&out), said);
    assert_eq!(outcome(&records), format!("{said}Nothing was restarted.\n"));
    let mut out = Vec::new();
    print_broken_off(&mut out, &records[1..]).unwrap();
    assert!(plain(&out).starts_with("A run was broken off"));
}

/// Every name, reason and log line is somebody else's.
#[test]
fn t11_01_nothing_wild_reaches_the_terminal() {
    let wild = wild();
    let owner = Owner::new(OwnerKind::App, wild.as_str(), Scope::User(7));
    let why = because(&format!("policy.{wild}"), &wild);
    let deeds = [
        try_restart(&wild),
        Deed::RestartService { name: wild.clone() },
        Deed::Override { name: wild.clone() },
        Deed::Command {
            argv: vec![wild.clone()],
        },
    ];
    let mut steps: Vec<Step> = (1..)
        .zip(deeds)
        .map(|(number, deed)| step(number, deed, vec![owner.clone()]))
        .collect();
    for step in &mut steps {
        step.pulled = vec![wild.clone()];
        step.because = vec![why.clone()];
    }
    let item = item(owner.clone(), Action::Defer, why.clone(), &wild);
    let transaction = Transaction {
        steps: steps.clone(),
        held: vec![held(&item)],
    };
    let failed = Failure {
        why: wild.clone(),
        log: vec![wild.clone(); 1000],
        look: wild.clone(),
    };
    let item_of = |outcome| Record::Item {
        owner: owner.clone(),
        outcome,
    };
    let records = [
        run(steps),
        begin(1),
        end(1, StepResult::Failed(failed.clone())),
        end(2, StepResult::Skipped(wild.clone())),
        Record::Note(wild.clone()),
        Record::Told {
            owner: owner.clone(),
            ways: vec![wild.clone()],
            failed: vec![wild.clone()],
        },
        item_of(Outcome::Failed(failed)),
        item_of(Outcome::Deferred(why.clone())),
        item_of(Outcome::StillStale(vec![why])),
        item_of(Outcome::Unproven(wild.clone())),
        item_of(Outcome::Clean),
    ];
    let plan = printed(vec![item], |out, assessment| {
        print_plan(out, &transaction, assessment, Detail::Everything)?;
        print_advice(out, &transaction, std::slice::from_ref(&wild))?;
        for choice in choices(&transaction, assessment) {
            writeln!(out, "{}\n{}", choice.title, choice.why.join("\n"))?;
        }
        print_fixed(out, &transaction, assessment)
    });
    for text in [plan, outcome(&records), progress(None, &records)] {
        assert!(text.contains("a\\u{1b}[2J\\n"), "{text}");
        for line in text.lines() {
            assert!(line.chars().all(crate::model::is_tame), "{line:?}");
            assert!(line.chars().count() < 3 * CHARACTERS, "{line}");
        }
        assert!(text.lines().count() < 120, "{}", text.lines().count());
    }
}
