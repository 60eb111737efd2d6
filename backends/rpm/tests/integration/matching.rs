//! Packages that somebody wants to hear of, on databases that rpm wrote, and as rpm itself says.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;
use unstale_packages::{Match, PackageDb, Wanted};

use crate::lab::{Lab, Spec, has_rpm};

fn wanted(name: &str, by_name: bool, by_provides: bool) -> Wanted {
    Wanted {
        name: name.to_owned(),
        by_name,
        by_provides,
    }
}

fn either(name: &str) -> Wanted {
    wanted(name, true, true)
}

fn install(lab: &Lab, how: &str, name: &str, version: &str, provides: &str) {
    let spec = Spec {
        name,
        evr: (0, version, "1"),
        files: &[],
        content: "",
    };
    lab.install_with(how, &spec, &format!("{provides}\n"));
}

/// `INDEX NAME-VERSION [= CAPABILITY VERSION]`.
fn shown(found: &Match) -> String {
    let mut text = format!("{} {}", found.wanted, found.package);
    if let Some(version) = &found.capability_version {
        text += &format!(" = {version}");
    }
    text
}

#[track_caller]
fn check(lab: &Lab, wanted: &[Wanted], since: Option<SystemTime>, expected: &[&str]) {
    let answer = lab.open().matching(wanted, since).unwrap();
    assert_eq!(answer.damage, []);
    let found: Vec<_> = answer.value.iter().map(shown).collect();
    assert_eq!(found, expected);
    assert!(answer.value.iter().all(|found| found.at.is_some()));
    // As the root of a container it says the same.
    let foreign = lab.open_foreign().matching(wanted, since).unwrap();
    assert_eq!(foreign, answer);
}

/// Times of installation as rpm tells them.
fn installed_at(lab: &Lab, name: &str) -> SystemTime {
    let said = lab.rpm(&["-q", "--qf", "%{INSTALLTIME}", name]);
    UNIX_EPOCH + Duration::from_secs(said.parse().unwrap())
}

fn next_second() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let left =
        Duration::from_secs(1).saturating_sub(Duration::from_nanos(now.subsec_nanos().into()));
    std::thread::sleep(left + Duration::from_millis(10));
}

#[test]
fn t9_17_names_and_what_is_provided() {
    if !has_rpm() {
        return;
    }
    let lab = Lab::new();
    install(&lab, "-i", "kernel", "1.0", "");
    install(
        &lab,
        "-i",
        "kernel-core",
        "1.0",
        "Provides: kernel(abi)\nProvides: installhint(reboot-needed) = kexec",
    );
    install(
        &lab,
        "-i",
        "mykernel",
        "7",
        "Provides: kernel = 7\nProvides: kernel = 8",
    );
    install(
        &lab,
        "-i",
        "mixed",
        "1",
        "Provides: installhint(reboot-needed)\nProvides: installhint(reboot-needed) = kexec",
    );
    next_second();
    install(&lab, "-i", "kernel", "2.0", "");
    let since = installed_at(&lab, "kernel-2.0");
    assert!(since > installed_at(&lab, "mixed"));

    check(
        &lab,
        &[either("kernel")],
        None,
        &["0 kernel 1.0-1", "0 kernel 2.0-1", "0 mykernel 7-1 = 7"],
    );
    check(
        &lab,
        &[wanted("kernel", true, false)],
        None,
        &["0 kernel 1.0-1", "0 kernel 2.0-1"],
    );
    // Every package provides its own name.
    check(
        &lab,
        &[wanted("kernel", false, true)],
        None,
        &[
            "0 kernel 1.0-1 = 0:1.0-1",
            "0 kernel 2.0-1 = 0:2.0-1",
            "0 mykernel 7-1 = 7",
        ],
    );
    check(
        &lab,
        &[wanted("kernel*", true, false), either("none")],
        None,
        &["0 kernel 1.0-1", "0 kernel 2.0-1", "0 kernel-core 1.0-1"],
    );
    let hint = wanted("installhint(reboot-needed)", false, true);
    check(
        &lab,
        std::slice::from_ref(&hint),
        None,
        &["0 kernel-core 1.0-1 = kexec", "0 mixed 1-1"],
    );
    check(&lab, &[], None, &[]);
    // A pattern is one of names alone.
    check(&lab, &[wanted("kernel(*", true, true)], None, &[]);

    let all = [either("kernel"), wanted("k*l*", true, false), hint];
    let fresh = ["0 kernel 2.0-1", "1 kernel 2.0-1"];
    check(&lab, &all, Some(since), &fresh);
    check(&lab, &all, Some(since + Duration::from_millis(999)), &fresh);
    check(&lab, &all, Some(since + Duration::from_secs(1)), &[]);
    assert_eq!(
        lab.open().matching(&all, Some(UNIX_EPOCH)).unwrap(),
        lab.open().matching(&all, None).unwrap()
    );

    // Without the indexes it takes longer and says the same.
    let whole = lab.open().matching(&all, None).unwrap();
    let recent = lab.open().matching(&all, Some(since)).unwrap();
    let connection = Connection::open(lab.database().join("rpmdb.sqlite")).unwrap();
    connection
        .execute_batch("DROP TABLE Providename; DROP TABLE Installtid")
        .unwrap();
    drop(connection);
    assert_eq!(lab.open().matching(&all, None).unwrap(), whole);
    assert_eq!(lab.open().matching(&all, Some(since)).unwrap(), recent);
}

#[test]
fn t9_17_rpm_says_the_same() {
    if !has_rpm() {
        return;
    }
    let lab = Lab::new();
    install(
        &lab,
        "-i",
        "a",
        "1",
        "Provides: one\nProvides: two = 2:2-2\nProvides: perl(Some::Thing) = 0.1",
    );
    install(
        &lab,
        "-i",
        "b",
        "1",
        "Provides: one = 3\nProvides: config(b) = 1",
    );
    install(&lab, "-i", "one", "1", "Obsoletes: nothing");
    install(&lab, "-U", "a", "2", "Provides: two");
    let said = lab.rpm(&["-qa", "--qf", "[%{PROVIDENAME}\n]"]);
    let names: BTreeSet<&str> = said
        .lines()
        .chain(["two", "nothing", "perl(Some::Thing)"])
        .collect();
    assert!(names.len() > 5, "{names:?}");
    for name in names {
        let format = "%{NAME} %{VERSION}-%{RELEASE}\n";
        let asked = ["-q", "--qf", format, "--whatprovides", name];
        let output = lab.command().args(asked).output().unwrap();
        let theirs = String::from_utf8(output.stdout).unwrap();
        let found = |line: &&str| !line.starts_with("no package");
        let theirs: BTreeSet<_> = theirs.lines().filter(found).map(str::to_owned).collect();
        let answer = lab.open().matching(&[wanted(name, false, true)], None);
        let ours = answer.unwrap().value;
        let ours: BTreeSet<_> = ours.iter().map(|found| found.package.to_string()).collect();
        assert_eq!(ours, theirs, "{name}");
    }
}
