//! Debian 12 and 13: real upgrades under running services, against the oracle and against needrestart.

use std::collections::BTreeSet;

use crate::compare::{Before, Difference, Known, Scene, assert_none};
use crate::machine::{Clock, Image, Machine, lab_is_here};
use crate::report::{Owner, Report};
use crate::truth;

/// Where `needrestart -b` and we differ, and why.
const KNOWN: &[Known] = &[
    Known {
        owner: "lab-user.service of user 1000",
        difference: Difference::OnlyOurs,
        why: "needrestart names the user's manager only; restarting that ends all that the user runs, the one service is enough",
    },
    Known {
        owner: "session c*",
        difference: Difference::OnlyOurs,
        why: "needrestart 3.11 knows numbered sessions only; without the kernel's audit they are called c1, c2",
    },
];

/// Services besides the usual ones.
const SERVICES: &str = include_str!("services.sh");

/// What must be running before an upgrade is worth judging.
fn expected() -> Vec<Owner> {
    let units = [
        "nginx.service",
        "ssh.service",
        "cron.service",
        "redis-server.service",
        "dbus.service",
        "lab-login.service",
    ];
    let instances = [
        "lab-tls@4401.service",
        "lab-tls@4402.service",
        r"lab-escaped@a\x2db.service",
    ];
    let mut all: Vec<Owner> = units
        .iter()
        .chain(&instances)
        .map(|&name| Owner::Unit(name.into()))
        .collect();
    all.extend([
        Owner::ServiceManager,
        Owner::UserManager(1000),
        Owner::UserUnit(1000, "lab-user.service".into()),
    ]);
    all
}

fn with_services(name: &str, image: Image, clock: Clock) -> Machine {
    let machine = Machine::boot(name, image, clock);
    machine.shell(SERVICES);
    let observed = truth::observe(&machine);
    let owners = observed.owners();
    for owner in expected() {
        assert!(
            owners.contains(&owner),
            "{owner} is not running; there are {owners:#?}"
        );
    }
    assert!(
        owners
            .iter()
            .any(|owner| matches!(owner, Owner::Session(_))),
        "no login session; there are {owners:#?}"
    );
    machine
}

/// Whom needrestart would restart, re-execute or log out.
fn needrestart(machine: &Machine) -> BTreeSet<Owner> {
    let said = machine.ask(&["needrestart", "-b", "-l", "-r", "l"]);
    eprintln!("{said}");
    let owner = |line: &str| match line.split_once(": ")? {
        ("NEEDRESTART-SVC", "systemd-manager") => Some(Owner::ServiceManager),
        // however the version at hand names it: there is one user
        ("NEEDRESTART-SVC", "systemd-user" | "user@1000.service") => Some(Owner::UserManager(1000)),
        ("NEEDRESTART-SVC", unit) => Some(Owner::Unit(unit.into())),
        ("NEEDRESTART-SESS", session) if session.starts_with("lab @ user manager") => {
            Some(Owner::UserManager(1000))
        }
        ("NEEDRESTART-SESS", "lab @ user service") => {
            Some(Owner::UserUnit(1000, "lab-user.service".into()))
        }
        ("NEEDRESTART-SESS", session) => Some(session.split_once("session #").map_or_else(
            || Owner::Other(session.into()),
            |(_, id)| Owner::Session(id.into()),
        )),
        _ => None,
    };
    said.lines().filter_map(owner).collect()
}

/// The whole way: old system, services, upgrade, verdicts, restarts, nothing left.
fn upgrade(name: &str, image: Image, clock: Clock) {
    let machine = with_services(name, image, clock);
    let before = Before::take(&machine);
    machine.script("upgrade.sh", &[], &[]);
    let scene = Scene::take(&machine, before);
    let elder = needrestart(&machine);

    truth::restart_everything(&machine, &scene.observed);
    let after = truth::observe(&machine);
    let stale = truth::judge(&machine, &scene.observed, &after);
    let services = stale
        .keys()
        .filter(|owner| matches!(owner, Owner::Unit(_)))
        .count();
    assert!(
        services >= 3,
        "the archive has no upgrade that makes services stale: {stale:#?}"
    );

    let mut wrong = scene.against_truth(&stale);
    wrong.extend(scene.against_versions());
    wrong.extend(
        scene
            .against_elder(&elder, KNOWN)
            .into_iter()
            .map(|line| format!("needrestart: {line}")),
    );
    let left = machine.check(&[]);
    left.assert_complete();
    let units = left.items.iter().filter(|(owner, _)| {
        matches!(
            owner,
            Owner::Unit(_) | Owner::UserUnit(..) | Owner::ServiceManager
        )
    });
    wrong.extend(
        units.map(|(owner, item)| format!("still listed after its restart: {owner}: {item:#?}")),
    );
    assert_none("after the upgrade", &wrong);

    truth::restart_users(&machine, &scene.observed);
    machine.check(&[]).assert_nothing_stale();
}

#[test]
fn debian12_upgrade_with_timens() {
    if lab_is_here() {
        upgrade("deb12", Image::Bookworm, Clock::OwnBoot);
    }
}

#[test]
fn debian12_upgrade_without_timens() {
    if lab_is_here() {
        upgrade("deb12-host-clock", Image::Bookworm, Clock::HostBoot);
    }
}

#[test]
fn debian13_upgrade() {
    if lab_is_here() {
        upgrade("deb13", Image::Trixie, Clock::OwnBoot);
    }
}

/// Packages whose code every service of the scene runs.
const COMMON: [&str; 6] = [
    "libc6",
    "libssl3",
    "nginx-light",
    "cron",
    "openssh-server",
    "libpcre2-8-0",
];

#[test]
fn reinstall_same_version_reports_nothing() {
    if !lab_is_here() {
        return;
    }
    let machine = with_services("same", Image::Bookworm, Clock::OwnBoot);
    let old = machine.versions();
    machine.script("bump-deb.sh", &["-r"], &COMMON);
    assert_eq!(machine.versions(), old, "a reinstall changes no version");
    assert_same_code(&machine);
    // a rebuild that gives the same bytes a newer version is no more than that either
    machine.script("bump-deb.sh", &[], &COMMON);
    assert_ne!(machine.versions(), old, "the rebuild was not installed");
    assert_same_code(&machine);
}

#[track_caller]
fn assert_same_code(machine: &Machine) {
    let deleted = machine.shell("cat /proc/[0-9]*/maps | grep -c 'r-xp.*libc.so.6 (deleted)'");
    assert_ne!(
        deleted.trim(),
        "0",
        "nothing was replaced under the services"
    );
    let stale = truth::observe(machine).stale_pids(machine.root());
    assert!(
        stale.is_empty(),
        "the oracle takes the same code for stale: {stale:#?}"
    );
    let report = machine.check(&["--exit-code"]);
    report.assert_nothing_stale();
    assert_eq!(report.code, Some(0), "exit code");
    let text = machine.ask(&["/usr/local/bin/unstale", "-v"]);
    assert!(
        text.contains("same code"),
        "-v does not tell of the same code:\n{text}"
    );
}

#[test]
fn changed_code_of_the_same_files_is_stale() {
    if !lab_is_here() {
        return;
    }
    let machine = with_services("changed", Image::Bookworm, Clock::OwnBoot);
    let before = Before::take(&machine);
    machine.script("bump-deb.sh", &["-c"], &["libssl3", "cron"]);
    let scene = Scene::take(&machine, before);
    truth::restart_everything(&machine, &scene.observed);
    let stale = truth::judge(&machine, &scene.observed, &truth::observe(&machine));
    for unit in ["cron.service", "nginx.service", "lab-tls@4401.service"] {
        assert!(
            stale.contains_key(&Owner::Unit(unit.into())),
            "the oracle misses {unit}: {stale:#?}"
        );
    }
    let mut wrong = scene.against_truth(&stale);
    wrong.extend(scene.against_versions());
    assert_none("after the rebuild", &wrong);
}

/// Whoever does what is said is rid of it: the same is not said again.
#[test]
fn following_the_advice_helps() {
    if !lab_is_here() {
        return;
    }
    let machine = with_services("advice", Image::Bookworm, Clock::OwnBoot);
    machine.script("bump-deb.sh", &["-c"], &["libssl3", "cron"]);
    truth::follow(&machine, &machine.check(&[]));
    let mut left = machine.check(&[]);
    left.assert_complete();
    left.items.retain(|_, item| item.verdict != "defer");
    assert!(
        left.items.is_empty(),
        "still said after it was done: {:#?}",
        left.items
    );
}

#[test]
fn clean_machine_reports_nothing() {
    if !lab_is_here() {
        return;
    }
    for (image, clock) in [
        (Image::Bookworm, Clock::HostBoot),
        (Image::Trixie, Clock::OwnBoot),
    ] {
        let machine = with_services("clean", image, clock);
        let report = machine.check(&["--exit-code"]);
        report.assert_nothing_stale();
        assert_eq!(report.code, Some(0), "exit code");
    }
}

#[test]
fn nobody_is_told_that_it_is_incomplete() {
    if !lab_is_here() {
        return;
    }
    let machine = Machine::boot("nobody", Image::Bookworm, Clock::OwnBoot);
    let ended = machine.run(&[
        "runuser",
        "-u",
        "nobody",
        "--",
        "/usr/local/bin/unstale",
        "--json",
    ]);
    let report = Report::read(&ended);
    assert!(
        !report.complete,
        "nobody cannot see other users' mappings, yet the result is complete"
    );
    assert_eq!(report.code, Some(3), "exit code of an incomplete check");
    assert!(report.items.is_empty(), "{:#?}", report.items);
}
