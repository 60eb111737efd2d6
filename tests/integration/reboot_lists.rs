//! Lists of packages after which somebody wants a reboot, on databases that rpm and dpkg wrote.
//!
//! The numbered rows are those of the test suites of the distributions, told in the contract of `needs-restarting`: what
//! was installed before the system started, and what after.

mod systems;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use unstale::model::{CoreChange, Timestamp};
use unstale::packages;

use crate::support::skip;
use systems::{Rpms, System, debian, now, run, start};

#[track_caller]
fn check(system: &System, changed: &[&str], missing: &[&str]) {
    let said = system.ask();
    assert_eq!(said.changed(), changed);
    assert_eq!(said.missing(), missing);
}

/// Runs a row on a system of its own, after an upgrade to 2.0 of these packages.
#[track_caller]
fn row(prepare: impl FnOnce(&System), upgraded: &[&str], changed: &[&str], missing: &[&str]) {
    let Some(rpms) = Rpms::get() else {
        return;
    };
    let system = rpms.system();
    prepare(&system);
    let packages: Vec<String> = upgraded.iter().map(|name| format!("{name}-2.0")).collect();
    if !packages.is_empty() {
        let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
        rpms.rpm(system.dir.path(), "-U", &packages);
    }
    check(&system, changed, missing);
}

const GLIBC: &str = "glibc ? -> 2.0-1";
const KERNEL: &str = "kernel ? -> 2.0-1";
const WGET: &str = "wget ? -> 2.0-1";
const ABCDE: &str = "abcde ? -> 2.0-1";

#[test]
fn t9_17_rows_1_to_9_core_packages_of_rpm() {
    let all = ["kernel", "glibc", "basesystem", "lame", "wget"];
    row(|_| {}, &["kernel", "glibc"], &[GLIBC, KERNEL], &[]);
    // Row 3, an advisory that asks for a reboot, is nothing that a database knows: sarcina is on no list.
    row(|_| {}, &["sarcina"], &[], &[]);
    row(|_| {}, &["lame", "basesystem", "wget"], &[], &[]);
    row(|_| {}, &[], &[], &[]);
    row(|_| {}, &all, &[GLIBC, KERNEL], &[]);
}

#[test]
fn t9_17_rows_10_to_15_needs_restarting_d() {
    row(|_| {}, &[], &[], &[]);
    row(
        |system| system.conf("wget.conf", "wget"),
        &["wget"],
        &[WGET],
        &[],
    );
    let two = |system: &System| {
        system.conf("wget.conf", "wget\n");
        system.conf("abcde.conf", "abcde\n");
    };
    row(two, &["wget", "abcde"], &[ABCDE, WGET], &[]);
    let lines = |system: &System| system.conf("wget.conf", "wget\nabcde\n");
    row(lines, &["wget", "abcde"], &[ABCDE, WGET], &[]);
    row(
        |system| system.conf("abcde", "abcde\n"),
        &["abcde"],
        &[],
        &[],
    );
    // Row 15: listed, and no longer there.
    let removed = |system: &System| {
        two(system);
        Rpms::get()
            .unwrap()
            .rpm(system.dir.path(), "-e", &["abcde"]);
    };
    row(removed, &["wget"], &[WGET], &["abcde.conf abcde"]);
}

#[test]
fn t9_17_row_16_a_package_that_lists_itself() {
    row(|_| {}, &["dwm"], &["dwm ? -> 2.0-1"], &[]);
}

#[test]
fn t9_17_rows_17_and_18_zlib_for_the_sake_of_dbus() {
    let el8 = |system: &System| system.file("/etc/os-release", "PLATFORM_ID=\"platform:el8\"\n");
    let el9 = |system: &System| system.file("/etc/os-release", "PLATFORM_ID=\"platform:el9\"\n");
    row(el8, &["zlib"], &["zlib ? -> 2.0-1"], &[]);
    row(el9, &["zlib"], &[], &[]);
    let without = |system: &System| {
        el8(system);
        Rpms::get().unwrap().rpm(system.dir.path(), "-e", &["dbus"]);
    };
    row(without, &["zlib"], &[], &[]);
}

#[test]
fn t9_17_kernels_beside_each_other() {
    let Some(rpms) = Rpms::get() else {
        return;
    };
    let system = rpms.system();
    rpms.rpm(system.dir.path(), "-i", &["kernel-2.0"]);
    check(&system, &["kernel 1.0-1 -> 2.0-1"], &[]);
    let said = system.ask();
    assert!(
        said.core
            .changed
            .iter()
            .all(|change| !change.has_code() && change.at.is_some())
    );
    assert_eq!(said.core.stores, ["rpm"]);
    let generations = ["dnf4", "dnf5", "yum", "zypp"];
    let sources = generations.map(|generation| format!("reboot-packages.toml: {generation}"));
    assert_eq!(said.sources("kernel"), sources.into());
}

#[test]
fn t9_17_what_provides_a_kernel() {
    let Some(rpms) = Rpms::get() else {
        return;
    };
    let system = rpms.system();
    rpms.rpm(system.dir.path(), "-i", &["mykernel-1.0", "glibc-2.0"]);
    let said = system.ask();
    assert_eq!(
        said.changed(),
        ["glibc 1.0-1 -> 2.0-1", "mykernel ? -> 1.0-1"]
    );
    // dnf5 and yum compare names alone.
    let sources = ["dnf4", "zypp"].map(|generation| format!("reboot-packages.toml: {generation}"));
    assert_eq!(said.sources("mykernel"), sources.into());
    let has_code = |name: &str| {
        let mut of_name = said
            .core
            .changed
            .iter()
            .filter(|change| change.package.name == name);
        of_name.next().unwrap().has_code()
    };
    assert!(has_code("glibc") && !has_code("mykernel"));
}

#[test]
fn t9_17_levels_of_suse() {
    let Some(rpms) = Rpms::get() else {
        return;
    };
    let system = rpms.system();
    system.file(
        "/usr/etc/zypp/zypp-boot-plugin.conf",
        "[main]\nsoft-reboot = libopenssl[0-9]?_?[0-9]?\n",
    );
    // As it was shipped until June 2021.
    let list =
        "kernel\nkernel-firmware\nglibc\nsystemd\nlibopenssl1_0_0\nlibopenssl1_1\ngnutls\ndbus-1\n";
    system.file("/etc/zypp/needreboot", list);
    let installed = [
        "kernel-default-2.0",
        "libopenssl1_1-2.0",
        "libopenssl-devel-2.0",
    ];
    rpms.rpm(system.dir.path(), "-i", &installed);
    let said = system.ask();
    let shown = |change: &CoreChange| {
        let listed = &said.listed[change.listed as usize];
        let hint = change.hint.as_deref().unwrap_or(listed.level.word());
        format!("{} {hint}", change.package.name)
    };
    let all: BTreeSet<String> = said.core.changed.iter().map(shown).collect();
    let expected = [
        "kernel-default kexec",
        "libopenssl1_1 reboot",
        "libopenssl1_1 soft-reboot",
    ];
    assert_eq!(all, expected.map(str::to_owned).into());
}

#[test]
fn t9_17_the_history_of_dnf_tells_upgrades_from_installations() {
    let Some(rpms) = Rpms::get() else {
        return;
    };
    if !Path::new("/usr/bin/python3").exists() {
        return skip("the history of dnf is made with python3");
    }
    let system = rpms.system();
    let begun = now().as_secs();
    rpms.rpm(
        system.dir.path(),
        "-U",
        &["glibc-2.0", "dwm-2.0", "kernel-2.0"],
    );
    let history = system.path("/var/lib/dnf/history.sqlite");
    fs::create_dir_all(history.parent().unwrap()).unwrap();
    // As libdnf's create_tables.sql has them; actions are 6 upgrade, 7 upgraded, 1 install.
    let sql = format!(
        "CREATE TABLE trans (id INTEGER PRIMARY KEY AUTOINCREMENT, dt_begin INTEGER NOT NULL, dt_end INTEGER, \
           state INTEGER NOT NULL);
         CREATE TABLE trans_item (id INTEGER PRIMARY KEY AUTOINCREMENT, trans_id INTEGER, item_id INTEGER, \
           repo_id INTEGER, action INTEGER NOT NULL, reason INTEGER NOT NULL, state INTEGER NOT NULL);
         CREATE TABLE rpm (item_id INTEGER UNIQUE NOT NULL, name TEXT NOT NULL, epoch INTEGER NOT NULL, \
           version TEXT NOT NULL, release TEXT NOT NULL, arch TEXT NOT NULL);
         INSERT INTO trans VALUES (1, {begun}, {begun}, 1);
         INSERT INTO rpm VALUES (1, 'glibc', 0, '2.0', '1', 'noarch'), (2, 'glibc', 0, '1.0', '1', 'noarch'), \
           (3, 'dwm', 0, '2.0', '1', 'noarch');
         INSERT INTO trans_item VALUES (1, 1, 1, 1, 6, 1, 1), (2, 1, 2, 1, 7, 1, 1), (3, 1, 3, 1, 1, 1, 1);"
    );
    let script = "import sqlite3, sys\nsqlite3.connect(sys.argv[1]).executescript(sys.argv[2])\n";
    run(Command::new("/usr/bin/python3")
        .args(["-c", script])
        .arg(&history)
        .arg(sql));
    check(
        &system,
        &["dwm nothing -> 2.0-1", "glibc 1.0-1 -> 2.0-1", KERNEL],
        &[],
    );
}

#[test]
fn t9_17_core_packages_of_dpkg() {
    let Some(mut system) = debian() else {
        return;
    };
    let kernel = "linux-image-6.1.0-1-amd64";
    system.dpkg(&[
        ("dbus", "1"),
        ("libc6", "1"),
        (kernel, "6.1.1-1"),
        ("systemd", "1"),
        ("mine", "1"),
    ]);
    system.conf("mine.conf", "mine\nnone\n");
    system.started = start();
    check(&system, &[], &["mine.conf none"]);
    let another = "linux-image-6.1.0-2-amd64";
    system.dpkg(&[
        ("dbus", "2"),
        ("libc6", "2"),
        (another, "6.1.2-1"),
        // On the lists for rpm alone.
        ("systemd", "2"),
        ("mine", "1"),
    ]);
    let expected = [
        "dbus 1 -> 2",
        &format!("{another} nothing -> 6.1.2-1"),
        "mine 1 -> 1",
    ];
    check(&system, &expected, &["mine.conf none"]);
    assert!(
        system
            .ask()
            .core
            .changed
            .iter()
            .all(|change| change.has_code())
    );
    system.file("/etc/os-release", "ID=ubuntu\nID_LIKE=debian\n");
    let expected = ["dbus 1 -> 2", "libc6 1 -> 2", expected[1], "mine 1 -> 1"];
    check(&system, &expected, &["mine.conf none"]);
    // What is gone again needs nothing.
    let root = format!("--root={}", system.dir.path().display());
    run(Command::new("/usr/bin/dpkg").args([&root, "-P", "dbus", another]));
    check(
        &system,
        &["libc6 1 -> 2", "mine 1 -> 1"],
        &["mine.conf none"],
    );
}

#[test]
fn t9_17_a_damaged_store_is_told() {
    let Some(rpms) = Rpms::get() else {
        return;
    };
    let system = rpms.system();
    system.conf("none.conf", "none\n");
    check(&system, &[], &["none.conf none"]);
    let listed = system.ask().listed;
    fs::write(system.path("/var/lib/rpm/rpmdb.sqlite"), "no database").unwrap();
    let (core, problems) = packages::core(system.dir.path(), &listed, system.started);
    assert_eq!((core.changed.len(), core.missing.len()), (0, 0));
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[test]
fn t9_17_the_second_of_the_start_counts_as_before() {
    let Some(rpms) = Rpms::get() else {
        return;
    };
    let mut system = rpms.system();
    rpms.rpm(system.dir.path(), "-U", &["glibc-2.0"]);
    let installed = Command::new("rpm")
        .arg("--root")
        .arg(system.dir.path())
        .args([
            "--dbpath",
            "/var/lib/rpm",
            "-q",
            "--qf",
            "%{INSTALLTIME}",
            "glibc",
        ])
        .output()
        .unwrap();
    let installed = String::from_utf8(installed.stdout).unwrap();
    let secs: i64 = installed.parse().unwrap();
    system.started = Timestamp { secs, nanos: 0 };
    check(&system, &[], &[]);
    system.started = Timestamp {
        secs: secs - 1,
        nanos: 999_999_999,
    };
    check(&system, &[GLIBC], &[]);
}
