//! Asking changes nothing: not a file, not a time of one, not as root and not as nobody.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use unstale_dpkg::Dpkg;
use unstale_packages::PackageDb;

use crate::store::{Store, as_nobody, asked_root};

type Snapshot = BTreeMap<PathBuf, (u64, u64, u32, (i64, i64), (i64, i64))>;

fn snapshot(dir: &Path, into: &mut Snapshot) {
    let meta = fs::symlink_metadata(dir).unwrap();
    let times = (
        (meta.mtime(), meta.mtime_nsec()),
        (meta.ctime(), meta.ctime_nsec()),
    );
    into.insert(
        dir.into(),
        (meta.ino(), meta.size(), meta.mode(), times.0, times.1),
    );
    if meta.is_dir() {
        for entry in fs::read_dir(dir).unwrap() {
            snapshot(&entry.unwrap().path(), into);
        }
    }
}

/// This machine's store where there is one, a hand-made one elsewhere; readable for all.
fn copied() -> Store {
    let store = Store::new();
    for dir in [
        "/var/lib/dpkg",
        "/var/lib/dpkg/info",
        "/var/lib/dpkg/updates",
        "/var/log",
        "/var/log/apt",
    ] {
        store.dir(dir);
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name().into_string().unwrap();
            let wanted = !dir.starts_with("/var/log")
                || name.contains("dpkg.log")
                || name.contains("history.log");
            // Locks and the like are not for everybody to read; nor are they read by us.
            if wanted
                && entry.file_type().unwrap().is_file()
                && let Ok(text) = fs::read(entry.path())
            {
                store.file(&format!("{dir}/{name}"), text);
            }
        }
    }
    store.file("/var/lib/dpkg/lock", "");
    store.file("/var/lib/dpkg/lock-frontend", "");
    store.file(
        "/etc/localtime",
        fs::read("/etc/localtime").unwrap_or_default(),
    );
    store
}

fn ask_everything(root: &Path) {
    let db = Dpkg::open(root).unwrap().unwrap();
    let paths = [
        "/usr/bin/dpkg",
        "/usr/lib/x86_64-linux-gnu/libc.so.6",
        "/etc/passwd",
    ]
    .map(Path::new);
    db.owners(&paths).unwrap();
    db.files("dpkg").unwrap();
    db.installed("dpkg").unwrap();
    db.changes_since(SystemTime::UNIX_EPOCH).unwrap();
    db.unfinished().unwrap();
}

#[test]
fn nothing_is_changed_by_whoever_asks() {
    let store = copied();
    let root = store.path("/");
    let mut before = Snapshot::new();
    snapshot(&root, &mut before);
    ask_everything(&root);
    let mut after = Snapshot::new();
    snapshot(&root, &mut after);
    assert_eq!(before, after);
}

#[test]
fn nothing_is_changed_by_nobody() {
    let store = copied();
    let root = store.path("/");
    let mut before = Snapshot::new();
    snapshot(&root, &mut before);
    let Some(said) = as_nobody("no_side_effects::asked_as_somebody_else", &store) else {
        return;
    };
    assert!(said.contains("asked as 65534"), "{said}");
    let mut after = Snapshot::new();
    snapshot(&root, &mut after);
    assert_eq!(before, after);
}

/// The body of the test above; on its own it has nothing to ask.
#[test]
fn asked_as_somebody_else() {
    if let Some(root) = asked_root() {
        ask_everything(&root);
        println!("asked as {}", rustix::process::geteuid().as_raw());
    }
}
