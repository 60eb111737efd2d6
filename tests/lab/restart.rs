//! `unstale restart` on booted machines: what is stale after an upgrade is restarted, and nothing else is; whatever
//! becomes of those who asked.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::machine::{Clock, Ended, Image, Machine, finish, lab_is_here};
use crate::report::Owner;
use crate::restarted::{
    Door, PROGRAM, Ran, Services, assert_untouched, changed, comes_and_goes, cursor, rules,
    services, starts_since,
};
use crate::{containers, detectors, truth};

/// Services besides the usual ones.
pub(crate) const SERVICES: &str = include_str!("services.sh");

/// What an administrator wants, besides what is shipped.
const POLICY: &str = r#"
[[rule]]
name = "lab-held"
units = ["lab-held.service"]
action = "defer"
reason = "somebody has to be there"

[[rule]]
name = "lab-left-alone"
units = ["lab-left-alone.service"]
action = "leave"
reason = "it does not matter"

[[rule]]
name = "lab-hidden"
units = ["lab-hidden.service"]
action = "hide"
reason = "nobody wants to hear of it"
"#;

/// What is restarted, and clean afterwards.
const RENEWED: [&str; 18] = [
    "1000/lab-user.service",
    "cron.service",
    "lab-back.service",
    r"lab-escaped@a\x2db.service",
    "lab-front.service",
    "lab-linger.service",
    "lab-login.service",
    "lab-reread.service",
    "lab-socket.service",
    "lab-tls@4401.service",
    "lab-tls@4402.service",
    "nginx.service",
    "php8.2-fpm.service",
    "postgresql@15-main.service",
    "redis-server.service",
    "rsyslog.service",
    "ssh.service",
    "systemd-journald.service",
];

/// What does not come back.
const FAILED: [&str; 2] = ["lab-bad.service", "lab-dies.service"];

/// What is held back, and by which rule, or by one of which.
const HELD: [(&str, &[&str]); 17] = [
    ("machine mweb", &["mode.container"]),
    ("unit by-hand.service", &["unit.transient"]),
    ("unit console-getty.service", &["policy.console-login"]),
    ("unit dbus.service", &["policy.message-bus"]),
    ("unit lab-base.service", &["unit.pulls", "policy.lab-held"]),
    ("unit lab-gone.service", &["unit.missing"]),
    ("unit lab-held.service", &["policy.lab-held"]),
    ("unit lab-left.service", &["unit.leftover"]),
    ("unit lab-linger.service", &["unit.leftover"]),
    ("unit lab-masked.service", &["unit.masked"]),
    ("unit lab-once.service", &["unit.oneshot", "unit.job"]),
    ("unit lab-refuses.service", &["unit.refuses"]),
    ("unit lab-transient.service", &["unit.transient"]),
    ("unit lab-vanished.service", &["unit.vanished"]),
    ("unit systemd-logind.service", &["policy.login-manager"]),
    ("unit systemd-machined.service", &["policy.workload-host"]),
    ("session", &["session"]),
];

/// How long each part took, for people.
struct Steps(Instant);

impl Steps {
    fn begin() -> Self {
        Self(Instant::now())
    }

    fn note(&self, what: &str) {
        eprintln!("{:5.1} s: {what}", self.0.elapsed().as_secs_f64());
    }
}

/// Writes a file in a machine.
pub(crate) fn put(machine: &Machine, path: &str, text: &str) {
    let path = machine.root().join(path.trim_start_matches('/'));
    let directory = path.parent().expect("an absolute path");
    std::fs::create_dir_all(directory).expect("the machine's disk is ours");
    std::fs::write(path, text).expect("the machine's disk is ours");
}

/// A machine with a unit of each kind, upgraded under all of them, as the upgrade left it: service starts are forbidden.
fn upgraded(steps: &Steps) -> (Machine, Door) {
    let machine = containers::boot("restart", Image::Bookworm);
    detectors::build_into(&machine.root().join("usr/lib/unstale/plugins"), &["nspawn"]);
    let packages = ["postgresql", "rsyslog", "systemd-container"];
    machine.script("engines-install.sh", &[], &packages);
    steps.note("installed");
    machine.shell(SERVICES);
    machine.ask(&["bash", "-euc", include_str!("restart-start.sh")]);
    put(&machine, "/etc/unstale/conf.d/50-lab.toml", POLICY);
    let door = Door::open(&machine);
    steps.note("services run");
    machine.script("upgrade.sh", &[], &[]);
    // Whatever the archive had today: all of these have other code now, PID 1 and the users' managers too.
    machine.script("bump-deb.sh", &["-c"], &["libc6", "libseccomp2"]);
    machine.ask(&["bash", "-euc", include_str!("restart-upgraded.sh")]);
    steps.note("upgraded");
    (machine, door)
}

/// Everything in one line that a service was or did, for whoever reads why a test failed.
pub(crate) fn told(services: &Services, names: &BTreeSet<String>) -> String {
    let line = |name: &String| format!("{name}: {:?}\n", services.get(name));
    names.iter().map(line).collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// The owner of a service, as records name it.
fn as_owner(name: &str) -> String {
    match name.split_once('/') {
        Some((uid, unit)) => format!("user-unit {uid}/{unit}"),
        None => format!("unit {name}"),
    }
}

#[test]
fn t10_after_an_upgrade_exactly_what_is_stale_is_restarted() {
    if !lab_is_here() {
        return;
    }
    let steps = Steps::begin();
    let (machine, door) = upgraded(&steps);
    let before = services(&machine);
    for name in RENEWED.iter().chain(&FAILED) {
        assert_eq!(
            before[*name].active, "active",
            "{name}: {:?}",
            before[*name]
        );
    }
    starts_are_forbidden(&machine, &before);
    machine.ask(&["rm", "/usr/sbin/policy-rc.d"]);
    doubtful_settings(&machine, &before);
    steps.note("doubtful settings refused");
    let planned = planned_only(&machine, &before);
    asked_and_left(&machine, &door, &before);
    steps.note("listed, planned, asked");

    let from = cursor(&machine);
    // Through the service that is restarted: the session goes on.
    let ended = finish(door.command(
        &[],
        &format!("{PROGRAM} restart --mode auto --json; echo $? >/run/lab-exit"),
    ));
    steps.note("restarted");
    eprintln!("{}\n{}", ended.stdout, ended.stderr);
    let ran = Ran::read(&ended);
    ran.assert_finished(1);
    assert_eq!(
        machine.ask(&["cat", "/run/lab-exit"]).trim(),
        "1",
        "the session went on"
    );
    assert_eq!(
        ran.deeds(),
        planned,
        "what was said before, and what was done"
    );
    right_set(&machine, &before, &ran, &starts_since(&machine, &from));
    right_outcomes(&ran);
    nobody_was_refused(&machine);
    the_oracle_agrees(&machine);
    steps.note("compared");

    let done = services(&machine);
    let again = Ran::of(&machine, &["--mode", "auto"]);
    assert_untouched(&machine, &done, "a second run");
    assert_eq!(again.code, Some(0), "{again:#?}");
    steps.note("done again");
}

/// 10.30: a policy-rc.d that says 101 means list only.
#[track_caller]
fn starts_are_forbidden(machine: &Machine, before: &Services) {
    let ran = machine.run(&[PROGRAM, "restart", "--mode", "auto"]);
    assert!(
        format!("{}{}", ran.stdout, ran.stderr).contains("policy-rc.d"),
        "it is not said why nothing is done:\n{}\n{}",
        ran.stdout,
        ran.stderr
    );
    assert_untouched(machine, before, "policy-rc.d forbids it");
}

/// Nothing is restarted by settings that may say something else than what they were meant to.
fn doubtful_settings(machine: &Machine, before: &Services) {
    let file = "/etc/unstale/conf.d/60-lab.toml";
    let auto = [PROGRAM, "restart", "--mode", "auto"];
    let refused = |why: &str, path: &str, ended: &Ended| {
        assert!(
            matches!(ended.code, Some(1 | 2)),
            "{why}: exit {:?}\n{}{}",
            ended.code,
            ended.stdout,
            ended.stderr
        );
        assert!(ended.stderr.contains(path), "{why}: {}", ended.stderr);
        assert_untouched(machine, before, why);
    };
    for (why, text) in [
        ("no TOML", "[[rule]\nname = 1\n"),
        (
            "an unknown key",
            "[[rule]]\nname = \"x\"\nunit = [\"a\"]\naction = \"defer\"\nreason = \"r\"\n",
        ),
        ("an unknown word", "[restart]\nmode = \"maybe\"\n"),
        (
            "a pattern that is none",
            "[[rule]]\nname = \"x\"\nunits = [\"re:(\"]\naction = \"defer\"\nreason = \"r\"\n",
        ),
    ] {
        put(machine, file, text);
        refused(why, "60-lab.toml", &machine.run(&auto));
    }
    put(machine, file, "[restart]\nmode = \"auto\"\n");
    for (why, spoil, mend) in [
        (
            "others may write it",
            "chmod 664 F; chgrp 100 F",
            "chmod 644 F; chgrp 0 F",
        ),
        ("it is another user's", "chown 1000 F", "chown 0 F"),
        (
            "others may write its directory",
            "chmod 777 D",
            "chmod 755 D",
        ),
        ("it is no file", "rm F; mkfifo F", "rm F"),
        ("it leads nowhere", "ln -s /nowhere F", "rm F"),
    ] {
        let run = |script: &str| {
            let script = script
                .replace('F', file)
                .replace('D', "/etc/unstale/conf.d");
            machine.shell(&script);
        };
        run(spoil);
        refused(why, "/etc/unstale/conf.d", &machine.run(&auto));
        run(mend);
    }
    let unknown = machine.run(&[PROGRAM, "restart", "--mode", "auto", "no-such.service"]);
    refused("an unknown name", "no-such.service", &unknown);
}

/// `--dry-run` and `--mode list` do nothing, and say what would be done: that.
fn planned_only(machine: &Machine, before: &Services) -> Vec<String> {
    let planned = Ran::of(machine, &["--mode", "auto", "--dry-run"]);
    assert_untouched(machine, before, "--dry-run");
    assert_eq!(planned.code, Some(0), "{planned:#?}");
    let listed = Ran::of(machine, &["--mode", "list"]);
    assert_untouched(machine, before, "--mode list");
    assert_eq!(listed.code, Some(0), "{listed:#?}");
    // Without a terminal that is what happens by itself.
    let by_itself = Ran::of(machine, &[]);
    assert_untouched(machine, before, "no mode, no terminal");
    assert_eq!(planned.deeds(), listed.deeds());
    assert_eq!(planned.held(), listed.held());
    let bus = &planned.held()["unit dbus.service"];
    assert_eq!(bus[..], ["policy.message-bus"], "{planned:#?}");
    assert_eq!(planned.deeds(), by_itself.deeds());
    // Only what is named, and what goes with it.
    let named = Ran::of(
        machine,
        &["--dry-run", "--mode", "auto", "nginx.service", "cron"],
    );
    let mut deeds = named.deeds();
    deeds.retain(|deed| deed.starts_with("try-restart"));
    deeds.sort();
    assert_eq!(
        deeds,
        ["try-restart cron.service", "try-restart nginx.service"]
    );
    let text = machine.run(&[PROGRAM, "restart", "--mode", "auto", "--dry-run"]);
    for name in RENEWED {
        let unit = name.rsplit('/').next().expect("one at least");
        assert!(
            text.stdout.contains(unit),
            "{unit} is not named:\n{}",
            text.stdout
        );
    }
    planned.deeds()
}

/// A person is asked, and does not want to.
fn asked_and_left(machine: &Machine, door: &Door, before: &Services) {
    let mut terminal = Terminal::start(door, &format!("{PROGRAM} restart --mode ask"));
    let asked = terminal.settled();
    assert!(asked.contains("nginx.service"), "{asked}");
    assert!(asked.contains("dbus.service"), "{asked}");
    terminal.type_in("\x03");
    let code = terminal.end();
    assert_ne!(code, Some(0), "interrupted: {asked}");
    assert_untouched(machine, before, "Ctrl-C");
}

/// Exactly these, each once.
#[track_caller]
fn right_set(machine: &Machine, before: &Services, ran: &Ran, starts: &BTreeMap<String, usize>) {
    let after = services(machine);
    let mut changed = changed(before, &after);
    changed.retain(|name| !comes_and_goes(name));
    let mut expected = names(&RENEWED);
    expected.extend(names(&FAILED));
    assert_eq!(
        changed,
        expected,
        "{}\nthen\n{}",
        told(before, &changed),
        told(&after, &changed)
    );
    for name in RENEWED {
        assert_eq!(after[name].active, "active", "{name}: {:?}", after[name]);
        assert_ne!(
            after[name].main, before[name].main,
            "{name}: {:?}",
            after[name]
        );
        assert_eq!(starts.get(name), Some(&1), "starts of {name}: {starts:#?}");
    }
    for name in FAILED {
        assert_ne!(after[name].active, "active", "{name}: {:?}", after[name]);
    }
    let deeds = ran.deeds();
    let place = |what: &str| {
        let found = deeds.iter().position(|deed| deed == what);
        found.unwrap_or_else(|| panic!("no step does {what}: {deeds:#?}"))
    };
    for (earlier, later) in [
        ("reload", "reexec"),
        ("reexec", "reexec 1000"),
        ("reexec 1000", "try-restart nginx.service"),
        ("try-restart nginx.service", "try-restart ssh.service"),
    ] {
        assert!(
            place(earlier) < place(later),
            "{earlier} before {later}: {deeds:#?}"
        );
    }
    assert_eq!(
        deeds.last().map(String::as_str),
        Some("try-restart ssh.service"),
        "{deeds:#?}"
    );
    // One restart for what goes down together.
    let together = deeds
        .iter()
        .filter(|deed| deed.contains("lab-front") || deed.contains("lab-back"));
    assert_eq!(together.count(), 1, "{deeds:#?}");
    let reread = machine
        .shell("tr '\\0' '\\n' </proc/$(systemctl show -p MainPID --value lab-reread)/environ");
    assert!(
        reread.lines().any(|line| line == "LAB=2"),
        "no daemon-reload before: {reread}"
    );
}

#[track_caller]
fn right_outcomes(ran: &Ran) {
    let mut clean: BTreeSet<String> = RENEWED.iter().map(|name| as_owner(name)).collect();
    clean.extend(["service-manager".to_owned(), "user-manager 1000".to_owned()]);
    let mut said = ran.ended("clean");
    said.retain(|name| {
        !comes_and_goes(name.trim_start_matches("unit ")) && name != "user-manager 0"
    });
    // What lingers of it is its other item.
    let lingers = "unit lab-linger.service";
    said.insert(lingers.to_owned());
    assert_eq!(said, clean, "{ran:#?}");
    let outcomes = ran.outcomes();
    for (name, log) in [
        ("unit lab-bad.service", "no_such_directive"),
        ("unit lab-dies.service", "lost its mind"),
    ] {
        let item = outcomes[name];
        assert_eq!(item["outcome"], "failed", "{item:#}");
        assert!(item["log"].to_string().contains(log), "{item:#}");
        let look = item["look"].as_str().unwrap_or_default();
        let unit = name.trim_start_matches("unit ");
        assert!(
            look.contains("systemctl") && look.contains(unit),
            "{item:#}"
        );
    }
    for (name, allowed) in HELD {
        let mut found = outcomes.iter().filter(|(owner, _)| owner.starts_with(name));
        let (_, item) = found
            .next()
            .unwrap_or_else(|| panic!("nothing is said of {name}: {ran:#?}"));
        assert_eq!(item["outcome"], "deferred", "{name}: {item:#}");
        let by = rules(item);
        let fits = by
            .iter()
            .any(|rule| allowed.iter().any(|one| rule.starts_with(one)));
        assert!(
            fits,
            "{name} is held by {by:?}, not by {allowed:?}: {item:#}"
        );
    }
    for silent in ["lab-hidden", "lab-left-alone", "lab-stopped", "lab-idle"] {
        assert!(
            !outcomes.keys().any(|name| name.contains(silent)),
            "{silent}: {ran:#?}"
        );
    }
    assert!(ran.ended("still-stale").is_empty(), "{ran:#?}");
    assert!(ran.ended("unproven").is_empty(), "{ran:#?}");
}

/// 10.22: whoever connected to the socket meanwhile was served, by the old process or by the new one.
#[track_caller]
fn nobody_was_refused(machine: &Machine) {
    let answers = machine.ask(&["cat", "/run/lab-client"]);
    let invocation = |line: &str| {
        let id = line.split('\t').next().unwrap_or_default();
        id.len() == 32 && id.chars().all(|digit| digit.is_ascii_hexdigit())
    };
    assert_eq!(answers.lines().count(), 2, "{answers}");
    assert!(answers.lines().all(invocation), "{answers}");
    let idle = machine.ask(&[
        "systemctl",
        "show",
        "-p",
        "ActiveState",
        "--value",
        "lab-idle.service",
    ]);
    assert_eq!(idle.trim(), "inactive");
}

/// What still runs code that is not there any more is what was held back.
#[track_caller]
fn the_oracle_agrees(machine: &Machine) {
    let stale = truth::observe(machine).stale_pids(machine.root());
    for name in RENEWED {
        let owner = match name.split_once('/') {
            Some((uid, unit)) => Owner::UserUnit(uid.parse().expect("a uid"), unit.into()),
            None => Owner::Unit(name.into()),
        };
        // What lingers was not to go.
        let lingers = name == "lab-linger.service";
        assert_eq!(stale.contains_key(&owner), lingers, "{owner}: {stale:#?}");
    }
    for owner in [Owner::ServiceManager, Owner::UserManager(1000)] {
        assert!(!stale.contains_key(&owner), "{owner}: {stale:#?}");
    }
}

/// A terminal of a machine, with nobody before it but the test.
pub(crate) struct Terminal {
    child: Child,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    pub(crate) fn start(door: &Door, command: &str) -> Self {
        Self::of(door.command(&["-tt"], command))
    }

    fn of(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("ssh can be run");
        let mut out = child.stdout.take().expect("it is piped");
        let shown = Arc::new(Mutex::new(Vec::new()));
        let to = Arc::clone(&shown);
        std::thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(count @ 1..) = out.read(&mut some) {
                let mut all = to.lock().expect("nobody panics with it");
                all.extend_from_slice(&some[..count]);
            }
        });
        Self { child, shown }
    }

    pub(crate) fn shown(&self) -> String {
        let all = self.shown.lock().expect("nobody panics with it");
        String::from_utf8_lossy(&all).into_owned()
    }

    /// What it shows once it shows something, and no more for a second.
    fn settled(&self) -> String {
        let patience = Instant::now() + Duration::from_secs(60);
        let mut before = String::new();
        while Instant::now() < patience {
            sleep(Duration::from_secs(1));
            let now = self.shown();
            if !now.is_empty() && now == before {
                return now;
            }
            before = now;
        }
        panic!("it never comes to rest: {before}");
    }

    /// Waits until it shows this.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str) {
        let shows = || self.shown().contains(what);
        assert!(within(60, shows), "no {what:?}: {}", self.shown());
    }

    fn type_in(&mut self, keys: &str) {
        let keyboard = self.child.stdin.as_mut().expect("it is piped");
        keyboard.write_all(keys.as_bytes()).expect("ssh reads it");
        keyboard.flush().expect("ssh reads it");
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self) -> Option<i32> {
        let ended = within(120, || self.child.try_wait().expect("it is ours").is_some());
        assert!(ended, "it does not end: {}", self.shown());
        self.child.wait().expect("it is ours").code()
    }

    /// As if the network or the machine before it were gone.
    fn tear(&mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits until something is so.
pub(crate) fn within(seconds: u64, mut so: impl FnMut() -> bool) -> bool {
    let patience = Instant::now() + Duration::from_secs(seconds);
    while !so() {
        if Instant::now() > patience {
            return false;
        }
        sleep(Duration::from_millis(100));
    }
    true
}

/// Slow to start: there is time to break a run off.
const SLOW: [&str; 4] = [
    "lab-slow@4601.service",
    "lab-slow@4602.service",
    "lab-slow@4603.service",
    "lab-slow@4604.service",
];

const SLOW_UNIT: &str = "[Service]
ExecStartPre=/bin/sleep 1.5
ExecStart=/usr/bin/openssl s_server -nocert -accept 127.0.0.1:%i
";

/// What an upgrade of openssl's program makes stale.
fn of_openssl() -> BTreeSet<String> {
    let others = [
        "1000/lab-user.service",
        r"lab-escaped@a\x2db.service",
        "lab-tls@4401.service",
        "lab-tls@4402.service",
    ];
    let mut all = names(&SLOW);
    all.extend(names(&others));
    all
}

/// Another build of openssl's program, under all that run it.
fn upgrade_openssl(machine: &Machine, version: &str) {
    machine.script("bump-deb.sh", &["-c", "-v", version], &["openssl"]);
    machine.ask(&["rm", "/usr/sbin/policy-rc.d"]);
}

#[test]
fn t12_whatever_becomes_of_a_run_no_unit_is_left_stopped_or_restarted_twice() {
    if !lab_is_here() {
        return;
    }
    let steps = Steps::begin();
    let machine = Machine::boot("survives", Image::Bookworm, Clock::OwnBoot);
    machine.shell(SERVICES);
    put(&machine, "/etc/systemd/system/lab-slow@.service", SLOW_UNIT);
    machine.shell(&format!(
        "systemctl daemon-reload; systemctl start {}",
        SLOW.join(" ")
    ));
    let door = Door::open(&machine);
    steps.note("services run");

    upgrade_openssl(&machine, "+lab1");
    only_listed(&machine);
    steps.note("list only where nothing can be started");
    torn_away(&machine, &door);
    steps.note("the terminal was torn away, and another run came in between");
    upgrade_openssl(&machine, "+lab2");
    killed(&machine, &door);
    steps.note("the worker was killed");
    start_limits(&machine);
    steps.note("start limits kept");
    chosen(&machine, &door);
    steps.note("chosen at a terminal");
}

/// Restarted, each once, and up.
#[track_caller]
fn assert_each_once(machine: &Machine, before: &Services, from: &str, expected: &BTreeSet<String>) {
    let up = || {
        let now = services(machine);
        expected.iter().all(|name| now[name].active == "active")
    };
    within(10, up);
    let after = services(machine);
    let mut changed = changed(before, &after);
    changed.retain(|name| !comes_and_goes(name));
    assert_eq!(&changed, expected, "{}", told(&after, &changed));
    let starts = starts_since(machine, from);
    for name in expected {
        assert_eq!(after[name].active, "active", "{name}: {:?}", after[name]);
        assert_eq!(starts.get(name), Some(&1), "starts of {name}: {starts:#?}");
    }
}

/// The last record of the newest journal.
fn last_record(machine: &Machine) -> String {
    machine.shell("ls -t /run/unstale/restart/*.jsonl | head -n 1 | xargs tail -n 1")
}

/// 12.10, 12.21: the run goes on without whoever asked, and no second one gets in between.
fn torn_away(machine: &Machine, door: &Door) {
    let before = services(machine);
    let from = cursor(machine);
    let mut terminal = Terminal::start(door, &format!("{PROGRAM} restart --mode auto --json"));
    terminal.wait_for("\"begin\"");
    let other = Ran::of(machine, &["--mode", "auto"]);
    // It says that it is busy, or waits and finds nothing to do.
    assert!(matches!(other.code, Some(0 | 4)), "{other:#?}");
    if other.code == Some(4) {
        terminal.tear();
    }
    let ended = || last_record(machine).contains("\"finish\"");
    assert!(
        within(90, ended),
        "it does not end: {}",
        last_record(machine)
    );
    assert_each_once(machine, &before, &from, &of_openssl());
    let status = machine.run(&[PROGRAM, "status"]);
    assert_eq!(status.code, Some(0), "{}{}", status.stdout, status.stderr);
    let nobody = machine.run(&["runuser", "-u", "nobody", "--", PROGRAM, "status", "--json"]);
    let state: serde_json::Value = serde_json::from_str(&nobody.stdout)
        .unwrap_or_else(|why| panic!("{why}: {}{}", nobody.stdout, nobody.stderr));
    eprintln!("{state:#}");
    assert_eq!(nobody.code, Some(0), "{state:#}");
}

/// 12.22: the next run says what became of the one before, and does what is left.
fn killed(machine: &Machine, door: &Door) {
    let before = services(machine);
    let from = cursor(machine);
    let mut terminal = Terminal::start(door, &format!("{PROGRAM} restart --mode auto --json"));
    let begun = || terminal.shown().matches("\"begin\"").count() >= 2;
    assert!(within(60, begun), "{}", terminal.shown());
    machine.shell("systemctl kill -s KILL --kill-whom=main 'unstale-restart-*.service'");
    let code = terminal.end();
    assert!(
        !matches!(code, Some(0)),
        "the worker was killed: {}",
        terminal.shown()
    );
    let next = Ran::of(machine, &["--mode", "auto"]);
    assert!(
        next.notes().iter().any(|note| note.contains("broken off")),
        "nothing is said of the run before: {next:#?}"
    );
    next.assert_finished(0);
    assert_each_once(machine, &before, &from, &of_openssl());
    let after = Ran::of(machine, &["--mode", "auto"]);
    assert!(
        !after.notes().iter().any(|note| note.contains("broken off")),
        "it is said again: {after:#?}"
    );
}

/// 10.10: a unit that has been started as often as it may be now is waited for, or left alone.
fn start_limits(machine: &Machine) {
    let unit = |interval: &str, port: &str| {
        format!(
            "[Unit]\nStartLimitIntervalSec={interval}\nStartLimitBurst=1\n[Service]\n\
             ExecStart=/usr/bin/openssl s_server -nocert -accept 127.0.0.1:{port}\n"
        )
    };
    let (soon, late) = ("lab-soon.service", "lab-late.service");
    put(
        machine,
        "/etc/systemd/system/lab-soon.service",
        &unit("15s", "4701"),
    );
    put(
        machine,
        "/etc/systemd/system/lab-late.service",
        &unit("1h", "4702"),
    );
    machine.shell("systemctl daemon-reload; systemctl start lab-soon lab-late");
    let started = Instant::now();
    upgrade_openssl(machine, "+lab3");
    let before = services(machine);
    let ran = Ran::of(machine, &["--mode", "auto", soon, late]);
    eprintln!("{ran:#?}");
    let after = services(machine);
    assert_eq!(after[late], before[late], "{ran:#?}");
    assert_eq!(
        rules(ran.outcomes()["unit lab-late.service"]),
        ["unit.start-limit"],
        "{ran:#?}"
    );
    assert_eq!(after[soon].active, "active", "{ran:#?}");
    // Unless the machine was so slow that there was nothing to wait for.
    if ran.end("try-restart lab-soon.service")["result"] == "done" {
        assert!(
            started.elapsed() > Duration::from_secs(15),
            "too soon: {ran:#?}"
        );
        assert_ne!(after[soon].invocation, before[soon].invocation, "{ran:#?}");
    }
    let failed = machine.shell("journalctl -q --no-pager | grep -c start-limit-hit || :");
    assert_eq!(failed.trim(), "0", "a start limit was hit");
    ran.assert_finished(0);
}

/// A person leaves one of them out.
fn chosen(machine: &Machine, door: &Door) {
    let before = services(machine);
    let from = cursor(machine);
    let mut terminal = Terminal::start(door, &format!("{PROGRAM} restart --mode ask"));
    let asked = terminal.settled();
    eprintln!("{asked}");
    let left_out = "lab-tls@4401.service";
    let number = asked
        .lines()
        .find(|line| line.contains(left_out))
        .and_then(|line| {
            let digits = line.trim_start_matches(|c: char| !c.is_ascii_digit());
            digits.split(|c: char| !c.is_ascii_digit()).next()
        });
    let number = number.unwrap_or_else(|| panic!("{left_out} has no number: {asked}"));
    terminal.type_in(&format!("{number}\n"));
    let again = terminal.settled();
    eprintln!("{again}");
    terminal.type_in("\n");
    assert_eq!(terminal.end(), Some(0), "{}", terminal.shown());
    let mut expected = of_openssl();
    expected.remove(left_out);
    expected.insert("lab-soon.service".to_owned());
    expected.retain(|name| !name.contains("lab-soon"));
    assert_each_once(machine, &before, &from, &expected);
}

/// 10.30, 12.12, 12.15: no service manager that could be asked is asked.
fn only_listed(machine: &Machine) {
    let before = services(machine);
    let small = "/srv/small";
    machine.shell(&format!(
        "for file in {PROGRAM} $(ldd {PROGRAM} | grep -oE '/(usr/)?lib[^ ]+'); do
            mkdir -p {small}${{file%/*}}
            cp -L $file {small}$file
        done
        mkdir -p {small}/proc {small}/run {small}/sys
        for top in proc run sys; do mount --rbind /$top {small}/$top; done"
    ));
    let ways: [(&str, &[&str]); 2] = [
        ("in a chroot", &["chroot", small]),
        (
            "systemd is not PID 1",
            &[
                "unshare",
                "-m",
                "sh",
                "-c",
                "mount -t tmpfs none /run/systemd; exec \"$@\"",
                "sh",
            ],
        ),
    ];
    for (why, way) in ways {
        let mut command = way.to_vec();
        command.extend([PROGRAM, "restart", "--mode", "auto"]);
        let ended = machine.run(&command);
        eprintln!("{why}: {:?}\n{}{}", ended.code, ended.stdout, ended.stderr);
        assert!(matches!(ended.code, Some(0 | 3)), "{why}");
        assert_untouched(machine, &before, why);
    }
    machine.shell(&format!(
        "for top in proc run sys; do umount -R {small}/$top; done"
    ));
}

/// The same in short with a newer service manager.
#[test]
fn t10_debian13_restarts_what_is_stale() {
    if !lab_is_here() {
        return;
    }
    let steps = Steps::begin();
    let machine = Machine::boot("restart13", Image::Trixie, Clock::OwnBoot);
    machine.shell(SERVICES);
    let door = Door::open(&machine);
    let before = services(&machine);
    machine.script("bump-deb.sh", &["-c"], &["libc6", "libseccomp2"]);
    machine.ask(&["rm", "/usr/sbin/policy-rc.d"]);
    steps.note("upgraded");
    let from = cursor(&machine);
    let ran = Ran::read(&finish(
        door.command(&[], &format!("{PROGRAM} restart --mode auto --json")),
    ));
    steps.note("restarted");
    eprintln!("{ran:#?}");
    ran.assert_finished(0);
    let expected = [
        "1000/lab-user.service",
        "cron.service",
        r"lab-escaped@a\x2db.service",
        "lab-login.service",
        "lab-tls@4401.service",
        "lab-tls@4402.service",
        "nginx.service",
        "php8.4-fpm.service",
        "redis-server.service",
        "ssh.service",
        "systemd-journald.service",
    ];
    assert_each_once(&machine, &before, &from, &names(&expected));
    let stale = truth::observe(&machine).stale_pids(machine.root());
    for owner in [Owner::ServiceManager, Owner::UserManager(1000)] {
        assert!(!stale.contains_key(&owner), "{owner}: {stale:#?}");
    }
}
