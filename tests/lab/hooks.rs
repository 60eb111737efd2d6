//! The hooks of package managers on booted machines: one decision for however many runs of dpkg, no prompt, and never a
//! word in how apt ends.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::machine::{Clock, Image, Machine, lab_is_here, must};
use crate::restarted::{
    Door, PROGRAM, SERVICES, Services, Terminal, assert_started_once, changed, comes_and_goes,
    cursor, put, services, starts_since, told, within,
};

/// Where packages have it: the hooks name it.
const INSTALLED: &str = "/usr/bin/unstale";

/// The hook acts, and does not wait long.
const ACTS: &str = "[hook]\nmode = \"auto\"\nquiet_secs = 2\n";

/// What an upgrade of openssl's program makes stale.
const OPENSSL: [&str; 4] = [
    "1000/lab-user.service",
    r"lab-escaped@a\x2db.service",
    "lab-tls@4401.service",
    "lab-tls@4402.service",
];

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// A machine with the program and its hooks as a package would install them, and nobody else's hooks.
fn hooked(name: &str) -> Machine {
    let machine = Machine::boot(name, Image::Bookworm, Clock::OwnBoot);
    machine.script("engines-install.sh", &[], &["unattended-upgrades"]);
    machine.shell(SERVICES);
    machine.shell("dpkg --purge needrestart >/dev/null; rm -f /etc/apt/preferences.d/00lab-old");
    // Nothing but what the test builds is upgraded.
    machine.shell("rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*");
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist");
    let mut copy = Command::new("cp");
    copy.args(["-r", "--no-preserve=ownership"])
        .arg(dist.join("."))
        .arg(machine.root());
    must(copy);
    machine.shell(&format!(
        "ln {PROGRAM} {INSTALLED}; systemctl daemon-reload"
    ));
    machine
}

/// Other builds of these, for apt to find.
fn offer(machine: &Machine, version: &str, packages: &[&str]) {
    machine.script("bump-deb.sh", &["-b", "-c", "-v", version], packages);
}

/// Whether all that was stamped has been looked at.
fn is_at_rest(machine: &Machine) -> bool {
    let script = "test ! -e /run/unstale/pending && ! systemctl -q is-active unstale-after.service";
    machine.run(&["sh", "-c", script]).code == Some(0)
}

#[track_caller]
fn assert_at_rest(machine: &Machine) {
    let rests = within(120, || is_at_rest(machine));
    let log = || {
        machine.shell(
            "ls -la /run/unstale; systemctl status unstale-after.service --no-pager -n 40 || :",
        )
    };
    assert!(rests, "it does not come to rest: {}", log());
}

/// What anybody is told.
#[track_caller]
fn status(machine: &Machine) -> Value {
    let ended = machine.run(&["runuser", "-u", "nobody", "--", PROGRAM, "status", "--json"]);
    serde_json::from_str(&ended.stdout)
        .unwrap_or_else(|why| panic!("{why}: {}{}", ended.stdout, ended.stderr))
}

/// Runs of the program that acted.
fn runs(machine: &Machine) -> usize {
    let listed = machine.shell("ls /run/unstale/restart 2>/dev/null | grep -c 'jsonl$' || :");
    listed.trim().parse().expect("grep counts")
}

/// Where everything was before something happens.
struct Scene<'a> {
    machine: &'a Machine,
    before: Services,
    from: String,
    runs: usize,
}

impl<'a> Scene<'a> {
    fn take(machine: &'a Machine) -> Self {
        Self {
            machine,
            before: services(machine),
            from: cursor(machine),
            runs: runs(machine),
        }
    }

    /// These were restarted, once each, by one run; and nothing else.
    #[track_caller]
    fn assert_one_decision(&self, expected: &BTreeSet<String>) {
        assert_at_rest(self.machine);
        let after = services(self.machine);
        let mut changed = changed(&self.before, &after);
        changed.retain(|name| !comes_and_goes(name));
        let log = || {
            self.machine
                .shell("journalctl -q --no-pager -n 60 -u 'unstale*'")
        };
        assert_eq!(&changed, expected, "{}{}", told(&after, &changed), log());
        let starts = starts_since(self.machine, &self.from);
        for name in expected {
            assert_started_once(name, &starts);
        }
        let now = runs(self.machine);
        let one = usize::from(!expected.is_empty());
        assert_eq!(now - self.runs, one, "decisions: {}", log());
    }
}

#[test]
fn t12_hooks_decide_once_ask_nobody_and_fail_nobody() {
    if !lab_is_here() {
        return;
    }
    let started = Instant::now();
    let step = |what: &str| eprintln!("{:5.1} s: {what}", started.elapsed().as_secs_f64());
    let machine = hooked("hooks");
    let door = Door::open(&machine);
    step("installed");

    offer(&machine, "+lab1", &["openssl"]);
    looks_only(&machine);
    machine.ask(&[PROGRAM, "restart", "--mode", "auto"]);
    step("noninteractive, list");
    put(&machine, "/etc/unstale/conf.d/60-lab.toml", ACTS);
    offer(&machine, "+lab2", &["openssl"]);
    at_a_terminal(&machine, &door);
    step("at a terminal, auto");
    offer(&machine, "+lab3", &["openssl"]);
    without_stdin(&machine);
    step("without standard input, held back first");
    unattended(&machine);
    step("unattended-upgrades");
    fails_nobody(&machine);
    step("broken hooks");
    ten_runs(&machine, &door);
    step("ten runs of dpkg");
}

/// As shipped: the hook looks, and nothing is restarted.
fn looks_only(machine: &Machine) {
    let scene = Scene::take(machine);
    let ended = machine.run(&["apt-get", "-y", "-q", "upgrade"]);
    eprintln!("{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.code, Some(0));
    scene.assert_one_decision(&BTreeSet::new());
    let state = status(machine);
    for name in OPENSSL {
        // What users run is not everybody's business: theirs is counted, not named.
        let named = !name.contains('/');
        let unit = name.rsplit('/').next().expect("one at least");
        let unit = serde_json::to_string(unit).expect("a name");
        assert_eq!(
            state.to_string().contains(&unit),
            named,
            "{unit}: {state:#}"
        );
    }
}

/// Nobody is asked anything, though somebody could be.
fn at_a_terminal(machine: &Machine, door: &Door) {
    let scene = Scene::take(machine);
    let mut terminal = Terminal::start(door, "xterm", "apt-get -y upgrade");
    let code = terminal.end();
    eprintln!("{}", terminal.shown());
    assert_eq!(code, Some(0), "{}", terminal.shown());
    scene.assert_one_decision(&set(&OPENSSL));
    // What is restarted is not stale any more, and that is kept too.
    let state = status(machine);
    assert!(!state.to_string().contains("lab-tls@4401"), "{state:#}");
}

/// Nor is anything read. First it is held back, in both ways: what changed then is taken up by the next run.
fn without_stdin(machine: &Machine) {
    let scene = Scene::take(machine);
    let ended = machine.run(&[
        "sh",
        "-c",
        "NEEDRESTART_SUSPEND=1 exec apt-get -y -q upgrade <&-",
    ]);
    eprintln!("{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.code, Some(0));
    machine.ask(&["touch", "/run/unstale/suspend"]);
    let again = "exec apt-get -y -q install --reinstall openssl <&- 2>&1";
    assert_eq!(machine.run(&["sh", "-c", again]).code, Some(0));
    std::thread::sleep(Duration::from_secs(4));
    let held = changed(&scene.before, &services(machine));
    assert!(!held.iter().any(|name| !comes_and_goes(name)), "{held:?}");
    machine.ask(&["rm", "/run/unstale/suspend"]);
    assert_eq!(machine.run(&["sh", "-c", again]).code, Some(0));
    scene.assert_one_decision(&set(&OPENSSL));
}

/// Many runs of dpkg, one package each; one decision.
fn unattended(machine: &Machine) {
    let packages = ["openssl", "libssl3", "libpcre2-8-0", "libexpat1"];
    put(
        machine,
        "/etc/apt/apt.conf.d/60lab",
        "Unattended-Upgrade::Origins-Pattern { \"origin=*\"; };\n\
         Unattended-Upgrade::MinimalSteps \"true\";\n",
    );
    offer(machine, "+lab4", &packages);
    let old = machine.versions();
    machine.ask(&["rm", "-f", "/var/log/apt/history.log"]);
    let scene = Scene::take(machine);
    let ended = machine.run(&["unattended-upgrade", "-v"]);
    eprintln!("{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.code, Some(0));
    let new = machine.versions();
    for package in packages {
        assert_ne!(new[package], old[package], "{package} was not upgraded");
    }
    let history = machine.ask(&["cat", "/var/log/apt/history.log"]);
    let dpkg = history.matches("Start-Date").count();
    assert!(dpkg > 1, "one step only: {history}");
    let mut expected = set(&OPENSSL);
    expected.extend(set(&[
        "cron.service",
        "lab-login.service",
        "nginx.service",
        "php8.2-fpm.service",
        "redis-server.service",
        "ssh.service",
        "systemd-journald.service",
    ]));
    scene.assert_one_decision(&expected);
}

/// Whatever is wrong with us, and whatever is wrong with a package.
fn fails_nobody(machine: &Machine) {
    let again = ["apt-get", "-y", "-q", "install", "--reinstall", "openssl"];
    machine.ask(&["mv", INSTALLED, "/root/unstale"]);
    for (why, program) in [
        ("missing", None),
        ("failing", Some("#!/bin/sh\nexit 1\n")),
        (
            "talking",
            Some("#!/bin/sh\nyes | head -n 100000 >&2\nexit 100\n"),
        ),
        ("killed", Some("#!/bin/sh\nkill -SEGV $$\n")),
        ("hanging", Some("#!/bin/sh\nexec sleep 90\n")),
        ("no program", Some("\u{7f}ELF")),
    ] {
        if let Some(program) = program {
            put(machine, INSTALLED, program);
            machine.ask(&["chmod", "755", INSTALLED]);
        }
        let begun = Instant::now();
        let ended = machine.run(&again);
        eprintln!("{why}: {:?} after {:?}", ended.code, begun.elapsed());
        assert_eq!(
            ended.code,
            Some(0),
            "{why}: {}{}",
            ended.stdout,
            ended.stderr
        );
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{why}: {:?}",
            begun.elapsed()
        );
        machine.ask(&["rm", "-f", INSTALLED]);
    }
    machine.ask(&["mv", "/root/unstale", INSTALLED]);
    machine.shell(
        "systemctl stop unstale-after.service; systemctl reset-failed unstale-after.service || :",
    );
    // A package that cannot be configured: apt says so as it does without us, and nothing is restarted.
    machine.shell(
        "mkdir -p /srv/bad/DEBIAN
        printf 'Package: lab-bad\\nVersion: 1\\nArchitecture: all\\nMaintainer: lab\\nDescription: lab\\n' >/srv/bad/DEBIAN/control
        printf '#!/bin/sh\\nexit 1\\n' >/srv/bad/DEBIAN/postinst
        chmod 755 /srv/bad/DEBIAN/postinst
        dpkg-deb --build /srv/bad /srv/bad.deb >/dev/null",
    );
    offer(machine, "+lab5", &["openssl"]);
    let scene = Scene::take(machine);
    let ended = machine.run(&["apt-get", "-y", "-q", "install", "/srv/bad.deb", "openssl"]);
    eprintln!("{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.code, Some(100), "apt's own exit status");
    scene.assert_one_decision(&BTreeSet::new());
    let scene = Scene::take(machine);
    let ended = machine.run(&["apt-get", "-y", "-q", "purge", "lab-bad"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    scene.assert_one_decision(&set(&OPENSSL));
}

/// The library of sshd changes eleven times, so that it is another one in the end, while a session of the first one lingers: sshd never comes to its start limit.
fn ten_runs(machine: &Machine, door: &Door) {
    put(
        machine,
        "/etc/unstale/conf.d/60-lab.toml",
        &ACTS.replace('2', "1"),
    );
    let lingering = Terminal::start(door, "xterm", "echo here; sleep infinity");
    lingering.wait_for("here");
    let old = machine.versions()["libssl3"].clone();
    offer(machine, "+lab6", &["libssl3"]);
    let from = cursor(machine);
    let versions = [format!("libssl3={old}+lab6"), format!("libssl3={old}")];
    for version in versions.iter().cycle().take(11) {
        let install = [
            "apt-get",
            "-y",
            "-q",
            "--allow-downgrades",
            "install",
            version,
        ];
        let ended = machine.run(&install);
        assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
        // Long enough to be taken for the end.
        std::thread::sleep(Duration::from_millis(1500));
    }
    assert_at_rest(machine);
    let active = machine.ask(&["systemctl", "is-active", "ssh.service", "nginx.service"]);
    assert_eq!(active.lines().collect::<Vec<_>>(), ["active", "active"]);
    let hit = machine.shell("journalctl -q --no-pager | grep -c start-limit-hit || :");
    assert_eq!(hit.trim(), "0", "a start limit was hit");
    let starts = starts_since(machine, &from);
    eprintln!("{starts:#?}");
    let of_ssh = starts.get("ssh.service").copied().unwrap_or_default();
    assert!((1..=11).contains(&of_ssh), "starts of ssh: {starts:#?}");
    // Nothing happens any more, though the session is as old as it was.
    let scene = Scene::take(machine);
    let ended = machine.run(&[PROGRAM, "restart", "--mode", "auto", "--json"]);
    eprintln!("{}{}", ended.stdout, ended.stderr);
    let now = services(machine);
    assert_eq!(now["ssh.service"], scene.before["ssh.service"]);
    assert!(lingering.shown().contains("here"));
}
