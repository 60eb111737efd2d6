//! Transactions that run or were broken off, told without a lock.

use std::fs::File;

use unstale_packages::PackageDb;

use crate::store::Store;

#[track_caller]
fn check(store: &Store, expected: Option<&str>) {
    assert_eq!(store.open().unfinished().unwrap().as_deref(), expected);
}

#[test]
fn t8_02_states() {
    let mut store = Store::new();
    store.installed("a", "1", "all");
    store.package("b", "1", "all", "deinstall ok config-files", "");
    check(&store, None);
    store.package("c", "1", "all", "install ok triggers-awaited", "");
    check(&store, Some("c is triggers-awaited"));
    store.package("d", "1", "all", "install reinstreq half-installed", "");
    store.package("e", "1", "all", "install ok unpacked", "");
    store.package("f", "1", "all", "install reinstreq installed", "");
    store.package("g", "1", "all", "install ok half-configured", "");
    check(
        &store,
        Some("c is triggers-awaited, d is half-installed, e is unpacked and 2 more"),
    );
}

#[test]
fn t8_01_a_journal_that_was_not_merged() {
    let store = Store::new();
    store.file("/var/lib/dpkg/updates/tmp.i", "");
    check(&store, None);
    let entry = "Package: x\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n";
    store.file("/var/lib/dpkg/updates/0000", entry);
    check(
        &store,
        Some("dpkg's journal holds 1 entries that are not merged yet"),
    );
}

#[test]
fn t8_19_locks_count_in_our_own_root_only() {
    let store = Store::new();
    store.file("/var/lib/dpkg/lock", "");
    let lock = File::options()
        .write(true)
        .open(store.path("/var/lib/dpkg/lock"))
        .unwrap();
    rustix::fs::fcntl_lock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    check(&store, None);
}

/// The kernel's own words for a lock that this process holds on a file of its own.
#[test]
fn a_held_lock_is_recognised_in_the_kernels_list() {
    use std::os::unix::fs::MetadataExt;
    use unstale_dpkg::root::Stamp;

    let file = tempfile::tempfile().unwrap();
    let meta = file.metadata().unwrap();
    let stamp = Stamp {
        id: (meta.dev(), meta.ino()),
        size: 0,
        modified: (0, 0),
    };
    let holder =
        || unstale_dpkg::unfinished::parse_locks(&std::fs::read("/proc/locks").unwrap(), &stamp);
    assert_eq!(holder(), None);
    rustix::fs::fcntl_lock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    if crate::store::skipped(
        holder().is_none(),
        "this kernel does not show our own locks",
    ) {
        return;
    }
    assert_eq!(holder(), Some(i64::from(std::process::id())));
}
