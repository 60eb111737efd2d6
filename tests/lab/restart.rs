//! `unstale restart` on booted machines: what is stale after an upgrade is restarted, and nothing else is.

use std::collections::{BTreeMap, BTreeSet};

use crate::machine::{Clock, Ended, Image, Machine, finish, lab_is_here};
use crate::report::Owner;
use crate::restarted::{
    Door, PROGRAM, Ran, SERVICES, Services, Steps, Terminal, assert_each_once, assert_started_once,
    assert_untouched, changed, comes_and_goes, cursor, names, put, rules, services, starts_since,
    told,
};
use crate::{containers, detectors, truth};

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
const HELD: [(&str, &[&str]); 16] = [
    ("machine mweb", &["mode", "no-command"]),
    ("unit by-hand.service", &["transient"]),
    ("unit console-getty.service", &["policy.console-login"]),
    ("unit dbus.service", &["policy.message-bus"]),
    ("unit lab-base.service", &["policy.lab-held", "pulls"]),
    ("unit lab-gone.service", &["unit.missing"]),
    ("unit lab-held.service", &["policy.lab-held"]),
    ("unit lab-left.service", &["leftover"]),
    ("unit lab-masked.service", &["unit.masked"]),
    ("unit lab-once.service", &["unit.oneshot", "unit.job"]),
    ("unit lab-refuses.service", &["unit.refuses"]),
    ("unit lab-transient.service", &["transient"]),
    ("unit lab-vanished.service", &["unit.vanished"]),
    ("unit systemd-logind.service", &["policy.login-manager"]),
    ("unit systemd-machined.service", &["policy.workload-host"]),
    ("session", &["session"]),
];

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
        &format!("{PROGRAM} restart --mode auto --json; status=$?; echo $status >/run/lab-exit; exit $status"),
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
    let mut terminal = Terminal::start(door, "dumb", &format!("{PROGRAM} restart --mode ask"));
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
        assert_started_once(name, starts);
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
        ("reexec", "try-restart nginx.service"),
        ("try-restart nginx.service", "try-restart ssh.service"),
        // What is the system's comes first: no user's manager makes it wait.
        ("try-restart ssh.service", "reexec 1000"),
    ] {
        assert!(
            place(earlier) < place(later),
            "{earlier} before {later}: {deeds:#?}"
        );
    }
    let late = &deeds[place("try-restart ssh.service") + 1..];
    assert!(
        late.iter().all(|deed| deed.contains("1000")),
        "later than ssh: {deeds:#?}"
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
        "its manager did not read its file again: {reread}"
    );
}

#[track_caller]
fn right_outcomes(ran: &Ran) {
    let mut clean: BTreeSet<String> = RENEWED.iter().map(|name| as_owner(name)).collect();
    clean.extend(["service-manager".to_owned(), "user-manager 1000".to_owned()]);
    let mut said = ran.ended("clean");
    said.retain(|name| {
        !comes_and_goes(name.trim_start_matches("unit "))
            && (!name.starts_with("user-manager ") || name.ends_with(" 1000"))
    });
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
    // And nothing else is; of managers of users who come and go, the helper is left.
    for name in ran.ended("deferred") {
        let known = HELD.iter().any(|(held, _)| name.starts_with(held));
        assert!(
            known || name.starts_with("user-manager "),
            "{name}: {ran:#?}"
        );
    }
    for silent in ["lab-hidden", "lab-left-alone", "lab-stopped", "lab-idle"] {
        assert!(
            !outcomes.keys().any(|name| name.contains(silent)),
            "{silent}: {ran:#?}"
        );
    }
    // What its restart does not end is told of apart.
    assert!(
        ran.notes()
            .iter()
            .any(|note| note.contains("lab-linger.service")),
        "{ran:#?}"
    );
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
    managers_are_current(machine, &stale);
}

/// All that a manager's re-execution renews was renewed: not the helper that holds a user's PAM session open.
#[track_caller]
fn managers_are_current(machine: &Machine, stale: &BTreeMap<Owner, BTreeSet<u32>>) {
    for pid in stale.get(&Owner::UserManager(1000)).into_iter().flatten() {
        let name = machine.ask(&["cat", &format!("/proc/{pid}/comm")]);
        assert_eq!(name.trim(), "(sd-pam)", "user manager: {stale:#?}");
    }
    // The oracle numbers processes as their own namespace does, and the first process of a container in the machine is
    // number 1, too: of the machine's own, what it maps is asked.
    let old = machine.shell("grep -a ' r-xp .*(deleted)' /proc/1/maps || true");
    assert_eq!(old, "", "the first process");
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
    managers_are_current(
        &machine,
        &truth::observe(&machine).stale_pids(machine.root()),
    );
}
