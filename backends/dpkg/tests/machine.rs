//! Against the dpkg of this machine.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use unstale_dpkg::Dpkg;
use unstale_packages::PackageDb;

use crate::store::{damage, no_dpkg, skipped};

fn machine() -> Dpkg {
    Dpkg::open(Path::new("/"))
        .unwrap()
        .expect("dpkg-query is here, so is its database")
}

/// Every so many lines of all lists, files and directories alike.
fn sample(count: usize) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir("/var/lib/dpkg/info").unwrap() {
        let path = entry.unwrap().path();
        if path.extension() == Some(OsStr::new("list")) {
            let text = std::fs::read(path).unwrap();
            let lines = text.split(|&b| b == b'\n').filter(|line| line.len() > 2);
            all.extend(lines.map(|line| PathBuf::from(OsStr::from_bytes(line))));
        }
    }
    all.sort();
    let step = (all.len() / count).max(1);
    // Glob characters mean something to dpkg -S.
    let plain = |path: &PathBuf| {
        !path
            .as_os_str()
            .as_bytes()
            .iter()
            .any(|b| b"*?[\\".contains(b))
    };
    all.into_iter().step_by(step).filter(plain).collect()
}

/// `PKG[:ARCH], PKG2[:ARCH]: /path`, as `dpkg -S` says it; diversions are left to hand-made stores.
fn dpkg_search(paths: &[PathBuf]) -> BTreeMap<PathBuf, Vec<String>> {
    let output = Command::new("/usr/bin/dpkg-query")
        .arg("-S")
        .args(paths)
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    let mut found: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
    for line in output.stdout.split(|&b| b == b'\n') {
        let Some(cut) = line.windows(3).position(|three| three == b": /") else {
            continue;
        };
        if line.starts_with(b"diversion by") || line.starts_with(b"local diversion") {
            continue;
        }
        let names = String::from_utf8(line[..cut].to_vec()).unwrap();
        let names = names
            .split(", ")
            .map(|name| name.split(':').next().unwrap().to_string());
        let path = PathBuf::from(OsStr::from_bytes(&line[cut + 2..]));
        found.entry(path).or_default().extend(names);
    }
    found.values_mut().for_each(|names| names.sort());
    found
}

#[test]
fn owners_are_those_of_dpkg() {
    if no_dpkg() {
        return;
    }
    let diverted = std::fs::read_to_string("/var/lib/dpkg/diversions").unwrap_or_default();
    let paths: Vec<PathBuf> = sample(250)
        .into_iter()
        .filter(|path| !diverted.contains(path.to_str().unwrap()))
        .collect();
    assert!(paths.len() > 150);
    let spellings = |path: &PathBuf| {
        [Some(path.clone()), other_spelling(path)]
            .into_iter()
            .flatten()
    };
    let theirs = dpkg_search(&paths.iter().flat_map(spellings).collect::<Vec<_>>());
    let answer = machine()
        .owners(&paths.iter().map(PathBuf::as_path).collect::<Vec<_>>())
        .unwrap();
    assert_eq!(damage(&answer), [""; 0]);
    for (path, ownership) in paths.iter().zip(&answer.value) {
        let mut ours: Vec<_> = ownership
            .owners
            .iter()
            .map(|owner| owner.package.name.clone())
            .collect();
        let mut theirs: Vec<_> = spellings(path)
            .filter_map(|path| theirs.get(&path))
            .flatten()
            .cloned()
            .collect();
        ours.sort();
        theirs.sort();
        theirs.dedup();
        assert!(!theirs.is_empty());
        assert_eq!(ours, theirs, "{path:?}");
    }
}

/// dpkg 1.21 knows one spelling at a time.
fn other_spelling(path: &Path) -> Option<PathBuf> {
    let merged = |top: &Path| {
        std::fs::read_link(top)
            .is_ok_and(|target| target == Path::new("usr").join(top.strip_prefix("/").unwrap()))
    };
    let top =
        |path: &Path| Some(Path::new("/").join(path.strip_prefix("/").ok()?.components().next()?));
    match path.strip_prefix("/usr") {
        Ok(rest) => {
            Some(Path::new("/").join(rest)).filter(|path| top(path).is_some_and(|top| merged(&top)))
        }
        Err(_) => {
            merged(&top(path)?).then(|| Path::new("/usr").join(path.strip_prefix("/").unwrap()))
        }
    }
}

#[test]
fn everyday_paths_are_found_in_the_kernels_spelling() {
    if no_dpkg() {
        return;
    }
    let tools = [
        ("/usr/bin/dpkg", "dpkg"),
        ("/usr/bin/env", "coreutils"),
        ("/usr/bin/grep", "grep"),
    ];
    for (path, name) in tools {
        let real = std::fs::canonicalize(path).unwrap();
        let answer = machine().owners(&[&real]).unwrap();
        assert_eq!(answer.value[0].owners[0].package.name, name);
        let version = Command::new("/usr/bin/dpkg-query")
            .args(["-W", "-f", "${Version}", name])
            .output()
            .unwrap();
        assert_eq!(
            answer.value[0].owners[0].package.version.as_bytes(),
            version.stdout
        );
    }
}

#[test]
fn installed_packages_and_their_files() {
    if no_dpkg() {
        return;
    }
    let installed = machine().installed("dpkg").unwrap();
    assert_eq!((installed.value.len(), installed.damage.len()), (1, 0));
    let files = machine().files("dpkg").unwrap().value;
    let theirs = Command::new("/usr/bin/dpkg-query")
        .args(["-L", "dpkg"])
        .output()
        .unwrap();
    let theirs = theirs
        .stdout
        .split(|&b| b == b'\n')
        .filter(|line| line.starts_with(b"/") && line != b"/.");
    let theirs: Vec<_> = theirs
        .map(|line| PathBuf::from(OsStr::from_bytes(line)))
        .collect();
    assert_eq!(files, theirs);
    assert_eq!(machine().installed("no-such-package").unwrap().value, []);
}

#[test]
fn every_version_in_the_log_is_told() {
    if skipped(
        !Path::new("/var/log/dpkg.log").exists(),
        "no dpkg.log on this machine",
    ) {
        return;
    }
    let answer = machine().changes_since(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(damage(&answer), [""; 0]);
    assert!(answer.value.is_sorted_by_key(|change| change.at));
    let text = std::fs::read_to_string("/var/log/dpkg.log").unwrap();
    let upgrades = text
        .lines()
        .filter(|line| line.split(' ').nth(2) == Some("upgrade"));
    for line in upgrades {
        let words: Vec<_> = line.split(' ').collect();
        let told = |change: &&unstale_packages::Change| {
            words[3].split(':').next() == Some(&change.name)
                && change.old.as_deref() == Some(words[4])
                && change.new.as_deref() == Some(words[5])
        };
        assert!(answer.value.iter().any(|change| told(&change)), "{line}");
    }
    let future = SystemTime::now() + Duration::from_secs(3600);
    assert_eq!(machine().changes_since(future).unwrap().value, []);
}

/// Not a test of speed: prints what a question costs here (`cargo test --release -- --ignored --nocapture`).
#[test]
#[ignore = "measures, asserts nothing"]
fn measure() {
    if no_dpkg() {
        return;
    }
    let so = |path: &PathBuf| {
        path.to_str()
            .is_some_and(|path| path.contains(".so") && !path.contains("/man"))
    };
    let libraries = sample(usize::MAX).into_iter().filter(so);
    for (what, paths) in [
        ("of all kinds", sample(300)),
        ("libraries", libraries.step_by(7).take(300).collect()),
    ] {
        measure_owners(what, &paths);
    }
    let db = machine();
    let start = Instant::now();
    let changes = db
        .changes_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .value
        .len();
    println!("{changes} changes: {:?}", start.elapsed());
    for _ in 0..3 {
        let start = Instant::now();
        std::hint::black_box(db.unfinished().unwrap());
        println!("unfinished: {:?}", start.elapsed());
    }
}

fn measure_owners(what: &str, paths: &[PathBuf]) {
    let refs: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let db = machine();
    let mut times = Vec::new();
    for _ in 0..30 {
        let start = Instant::now();
        std::hint::black_box(db.owners(&refs).unwrap());
        times.push(start.elapsed());
    }
    times.sort();
    println!(
        "owners of {} paths, {what}: best {:?}, median {:?}",
        refs.len(),
        times[0],
        times[15]
    );
}
