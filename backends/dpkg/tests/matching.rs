//! Packages that somebody wants to hear of, and when they were unpacked: by hand, by dpkg, and on this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use unstale_dpkg::Dpkg;
use unstale_packages::{Match, PackageDb, Wanted};

use crate::real_dpkg::Kept;
use crate::store::{Store, damage, no_dpkg};

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

fn at(secs: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(secs)
}

/// `INDEX NAME:ARCH VERSION [= CAPABILITY VERSION] [@ TIME]`.
fn shown(found: &Match) -> String {
    let package = &found.package;
    let mut text = format!(
        "{} {}:{} {}",
        found.wanted, package.name, package.arch, package.version
    );
    if let Some(version) = &found.capability_version {
        text += &format!(" = {version}");
    }
    if let Some(at) = found.at {
        text += &format!(" @ {}", at.duration_since(UNIX_EPOCH).unwrap().as_secs());
    }
    text
}

#[track_caller]
fn check(store: &Store, wanted: &[Wanted], since: Option<u64>, expected: &[&str]) {
    let answer = store.open().matching(wanted, since.map(at)).unwrap();
    assert_eq!(damage(&answer), [""; 0]);
    let found: Vec<_> = answer.value.iter().map(shown).collect();
    assert_eq!(found, expected);
    // As the root of a container it says the same.
    let foreign = store.open_foreign().unwrap();
    assert_eq!(foreign.matching(wanted, since.map(at)).unwrap(), answer);
}

fn touch(store: &Store, file: &str, secs: u64) {
    let file = File::options()
        .write(true)
        .open(store.path(&format!("/var/lib/dpkg/info/{file}")))
        .unwrap();
    file.set_modified(at(secs) + Duration::from_millis(700))
        .unwrap();
}

#[test]
fn t9_17_names_and_what_is_provided() {
    let mut store = Store::new();
    store.package(
        "mailer",
        "2-1",
        "amd64",
        "install ok installed",
        "Provides: mta, smtpd (= 4.0),\n relay:any (= 1), hint (= kexec), hint\n",
    );
    store.installed("linux-image-6.1-amd64", "6.1-1", "amd64");
    store.installed("linux-image-6.2-amd64", "6.2-1", "amd64");
    store.installed("lib", "1", "amd64 same");
    store.installed("lib", "1", "i386 same");
    store.package("mta", "1", "all", "deinstall ok config-files", "");
    store.package("half", "1", "all", "install reinstreq half-installed", "");
    store.package("gone", "1", "all", "purge ok not-installed", "");
    for (stem, secs) in [
        ("mailer", 100),
        ("linux-image-6.1-amd64", 200),
        ("linux-image-6.2-amd64", 300),
        ("lib:amd64", 400),
        ("lib:i386", 500),
        ("mta", 600),
    ] {
        store.list(stem, &[]);
        touch(&store, &format!("{stem}.list"), secs);
    }
    let kernels = wanted("linux-image-*", true, false);
    check(
        &store,
        &[
            kernels.clone(),
            either("mta"),
            either("lib"),
            either("half"),
            either("gone"),
        ],
        None,
        &[
            "0 linux-image-6.1-amd64:amd64 6.1-1 @ 200",
            "0 linux-image-6.2-amd64:amd64 6.2-1 @ 300",
            "1 mailer:amd64 2-1 @ 100",
            "2 lib:amd64 1 @ 400",
            "2 lib:i386 1 @ 500",
            "3 half:all 1",
        ],
    );
    check(&store, &[wanted("mta", true, false)], None, &[]);
    check(
        &store,
        &[wanted("smtpd", false, true)],
        None,
        &["0 mailer:amd64 2-1 = 4.0 @ 100"],
    );
    // What is provided without a version goes for all.
    check(
        &store,
        &[either("hint")],
        None,
        &["0 mailer:amd64 2-1 @ 100"],
    );
    check(
        &store,
        &[either("relay")],
        None,
        &["0 mailer:amd64 2-1 = 1 @ 100"],
    );
    check(&store, &[wanted("mailer", false, true)], None, &[]);
    check(&store, &[], None, &[]);

    let all = [kernels, either("lib"), either("half"), either("mta")];
    check(
        &store,
        &all,
        Some(300),
        &[
            "0 linux-image-6.2-amd64:amd64 6.2-1 @ 300",
            "1 lib:amd64 1 @ 400",
            "1 lib:i386 1 @ 500",
        ],
    );
    check(&store, &all, Some(401), &["1 lib:i386 1 @ 500"]);
    check(&store, &all, Some(601), &[]);
    // A list that another package's unpacking wrote: the digests are older.
    store.file("/var/lib/dpkg/info/lib:i386.md5sums", "");
    touch(&store, "lib:i386.md5sums", 50);
    check(&store, &all, Some(401), &[]);
}

#[test]
fn t9_17_status_is_read_only_if_a_list_is_fresh() {
    let mut store = Store::new();
    store.installed("dbus", "1", "amd64");
    store.list("dbus", &[]);
    touch(&store, "dbus.list", 100);
    store.file("/var/lib/dpkg/status", "damage\n");
    check(&store, &[either("dbus")], Some(101), &[]);
    let answer = store.open().matching(&[either("dbus")], Some(at(100)));
    assert!(answer.is_err());
    // Nor are the lists looked at, where the directory says that none was renamed into it: dpkg never writes one in place.
    let info = File::open(store.path("/var/lib/dpkg/info")).unwrap();
    info.set_modified(at(99)).unwrap();
    check(&store, &[either("dbus")], Some(100), &[]);
}

#[test]
fn t9_17_images_without_lists_tell_no_time() {
    let store = Store::empty();
    store.file(
        "/var/lib/dpkg/status.d/base",
        "Package: base-files\nVersion: 12\nArchitecture: amd64\nProvides: base\n",
    );
    check(&store, &[either("base")], None, &["0 base-files:amd64 12"]);
    check(&store, &[either("base")], Some(0), &[]);
}

#[test]
fn t9_17_dpkg_renews_the_time_when_it_unpacks_and_then_only() {
    let Some(kept) = Kept::new() else {
        return;
    };
    let name = "core";
    let long_ago = 1_000_000_000;
    let age = || {
        for ending in ["list", "md5sums"] {
            touch(&kept.0, &format!("{name}.{ending}"), long_ago);
        }
    };
    #[track_caller]
    fn check_is_fresh(kept: &Kept, expected: &[&str]) {
        let since = Some(at(1_000_000_001));
        let answer = kept.0.open().matching(&[either("core")], since);
        let fresh = answer.unwrap().value;
        let versions: Vec<_> = fresh
            .iter()
            .map(|found| found.package.version.as_str())
            .collect();
        assert_eq!(versions, expected);
    }
    kept.run(&["-i", &kept.deb(name, "1", "/usr/bin/core", "")]);
    check_is_fresh(&kept, &["1"]);
    age();
    check_is_fresh(&kept, &[]);
    kept.run(&["--unpack", &kept.deb(name, "2", "/usr/bin/core", "")]);
    check_is_fresh(&kept, &["2"]);
    age();
    kept.run(&["--configure", name]);
    check_is_fresh(&kept, &[]);
    kept.run(&["-i", &kept.deb("other", "1", "/usr/bin/other", "")]);
    kept.run(&["-P", "other"]);
    check_is_fresh(&kept, &[]);
    let taker = kept.deb_with("taker", "1", "/usr/bin/core", "", "Replaces: core\n");
    kept.run(&["-i", &taker]);
    // dpkg writes the list of a package that lost a file to another.
    let list = kept.0.path("/var/lib/dpkg/info/core.list");
    let written = list.metadata().unwrap().modified().unwrap();
    assert!(written > at(long_ago + 1));
    check_is_fresh(&kept, &[]);
    kept.run(&["-i", &kept.deb(name, "2", "/usr/bin/core2", "")]);
    check_is_fresh(&kept, &["2"]);
    kept.run(&["-r", name]);
    check_is_fresh(&kept, &[]);
}

/// Every name and everything provided on this machine, asked of both.
#[test]
fn t9_17_this_machine_matches_as_dpkg_query_says() {
    if no_dpkg() {
        return;
    }
    let output = Command::new("/usr/bin/dpkg-query")
        .args(["-W", "-f", "${db:Status-Status}\t${Package}\t${Provides}\n"])
        .output()
        .unwrap();
    let mut theirs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let [state, name, provides] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        if matches!(state, "config-files" | "not-installed") {
            continue;
        }
        let provided = provides
            .split(',')
            .filter_map(|one| one.split_whitespace().next());
        for meant in provided.chain([name]) {
            theirs
                .entry(meant.to_owned())
                .or_default()
                .insert(name.to_owned());
        }
    }
    let names: Vec<_> = theirs.keys().map(|name| either(name)).collect();
    let db = Dpkg::open(Path::new("/")).unwrap().unwrap();
    let answer = db.matching(&names, None).unwrap();
    assert_eq!(damage(&answer), [""; 0]);
    let mut ours: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for found in &answer.value {
        assert!(found.at.is_some(), "{found:?}");
        let meant = names[found.wanted].name.clone();
        ours.entry(meant)
            .or_default()
            .insert(found.package.name.clone());
    }
    assert!(theirs.len() > 300);
    assert_eq!(ours, theirs);
}
