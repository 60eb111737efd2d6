//! Runs of `unstale restart` that are torn off, killed, doubled, held up and chosen from: no unit is left stopped, or
//! restarted twice.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::machine::{Clock, Image, Machine, lab_is_here};
use crate::restarted::{
    Door, PROGRAM, Ran, SERVICES, Steps, Terminal, assert_each_once, assert_untouched, cursor,
    names, put, rules, services, within,
};

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
    left(&machine, &door);
    chosen(&machine, &door);
    steps.note("chosen at a terminal");
}

/// The last record of the newest journal.
fn last_record(machine: &Machine) -> String {
    machine.shell("ls -t /run/unstale/restart/*.jsonl | head -n 1 | xargs tail -n 1")
}

/// 12.10, 12.21: the run goes on without whoever asked, and no second one gets in between.
fn torn_away(machine: &Machine, door: &Door) {
    let before = services(machine);
    let from = cursor(machine);
    let mut terminal = Terminal::start(
        door,
        "dumb",
        &format!("{PROGRAM} restart --mode auto --json"),
    );
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
    let mut terminal = Terminal::start(
        door,
        "dumb",
        &format!("{PROGRAM} restart --mode auto --json"),
    );
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
        ["start-limit"],
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

/// A person is asked, and does nothing, whatever the way: the terminal is as it was, and so is the machine.
fn left(machine: &Machine, door: &Door) {
    let before = services(machine);
    let ask = format!(
        "was=$(stty -g); {PROGRAM} restart --mode ask; echo; test \"$was\" = \"$(stty -g)\" && echo sane"
    );
    for (why, keys) in [
        ("q", "q"),
        ("escape", "\x1b"),
        ("Ctrl-C", "\x03"),
        ("no", "n q"),
    ] {
        let mut terminal = Terminal::start(door, "xterm", &ask);
        terminal.wait_for("enter does it");
        terminal.type_in(keys);
        terminal.end();
        let shown = terminal.shown();
        assert!(shown.contains("Nothing was done."), "{why}: {shown}");
        assert!(shown.contains("sane"), "{why}: {shown}");
        assert_untouched(machine, &before, why);
    }
    let mut terminal = Terminal::start(door, "xterm", &ask);
    terminal.wait_for("enter does it");
    terminal.tear();
    let gone = || machine.run(&["pgrep", "-x", "unstale"]).code == Some(1);
    assert!(within(10, gone), "it still asks");
    assert_untouched(machine, &before, "the terminal was torn away");
    // Who reads from a terminal in the background is stopped.
    let behind = format!("set -m; {PROGRAM} restart --mode ask & wait $!; echo \"status $?\"");
    let mut terminal = Terminal::start(door, "xterm", &behind);
    terminal.end();
    let shown = terminal.shown();
    assert!(shown.contains("status 0"), "{shown}");
    assert!(shown.contains("lab-tls@4401.service"), "{shown}");
    assert_untouched(machine, &before, "in the background");
}

/// A person leaves one of them out, and takes one that policy would not; then the same by numbers.
fn chosen(machine: &Machine, door: &Door) {
    put(
        machine,
        "/etc/unstale/conf.d/60-lab.toml",
        "[[rule]]\nname = \"lab\"\nunits = [\"lab-tls@4402.service\"]\naction = \"defer\"\nreason = \"lab\"\n",
    );
    let before = services(machine);
    let from = cursor(machine);
    let mut terminal = Terminal::start(door, "xterm", &format!("{PROGRAM} restart --mode ask"));
    terminal.wait_for("enter does it");
    let asked = terminal.shown();
    eprintln!("{asked}");
    let left_out = "lab-tls@4401.service";
    let heading = asked.find("Restart what is marked").expect("it is asked");
    let choices = asked[heading..].lines().skip(1);
    let choices: Vec<&str> = choices
        .filter(|line| line.contains("[x]") || line.contains("[ ]"))
        .collect();
    let place = |name: &str| {
        let at = choices.iter().position(|line| line.contains(name));
        at.unwrap_or_else(|| panic!("{name} is not in the list: {asked}"))
    };
    let deferred = place("lab-tls@4402.service");
    assert!(choices[deferred].contains("[ ]"), "{asked}");
    for at in [place(left_out), deferred] {
        // From the top, so many down.
        terminal.type_in(&format!(
            "{}{} ",
            "k".repeat(choices.len()),
            "\x1b[B".repeat(at)
        ));
    }
    let changed = terminal.settled();
    let last = |name: &str| {
        changed
            .lines()
            .rfind(|line| line.contains(name) && line.contains('['))
    };
    assert!(
        last(left_out).is_some_and(|line| line.contains("[ ]")),
        "{changed}"
    );
    assert!(
        last("lab-tls@4402").is_some_and(|line| line.contains("[x]")),
        "{changed}"
    );
    terminal.type_in("\r");
    assert_eq!(terminal.end(), Some(0), "{}", terminal.shown());
    let mut expected = of_openssl();
    expected.remove(left_out);
    assert_each_once(machine, &before, &from, &expected);

    let before = services(machine);
    let from = cursor(machine);
    let mut terminal = Terminal::start(door, "dumb", &format!("{PROGRAM} restart --mode ask"));
    terminal.wait_for("numbers to change");
    assert!(!terminal.shown().contains('\x1b'), "{}", terminal.shown());
    terminal.type_in("1\n");
    terminal.wait_for("1 [ ]");
    terminal.type_in("1\ny\n");
    assert_eq!(terminal.end(), Some(0), "{}", terminal.shown());
    assert_each_once(machine, &before, &from, &names(&[left_out]));
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
        mkdir -p {small}/proc {small}/run {small}/sys"
    ));
    let ways: [(&str, &[&str]); 2] = [
        (
            "in a chroot",
            &[
                "unshare",
                "-m",
                "sh",
                "-c",
                "for top in proc run sys; do mount --rbind /$top $0/$top; done; exec chroot $0 \"$@\"",
                small,
            ],
        ),
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
}
