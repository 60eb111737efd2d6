//! While others write.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use unstale_packages::{DbError, PackageDb};

use crate::lab::{Lab, Spec, has_rpm, run_test, skip};

fn lab() -> Lab {
    let lab = Lab::new();
    for name in ["liba", "libb"] {
        lab.install(
            "-i",
            &Spec {
                name,
                evr: (0, "1", "1"),
                files: &[&format!("/usr/lib64/{name}.so")],
                content: name,
            },
        );
    }
    lab
}

fn connect(lab: &Lab) -> Connection {
    let connection = Connection::open(lab.database().join("rpmdb.sqlite")).unwrap();
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .unwrap();
    connection.pragma_update(None, "foreign_keys", 0).unwrap();
    connection
        .pragma_update(None, "wal_autocheckpoint", 0)
        .unwrap();
    connection
}

/// 8.21: what is committed counts, even if it is in the log only.
#[test]
fn committed_rows_in_the_log_are_seen() {
    if !has_rpm() {
        return;
    }
    let lab = lab();
    let rpm = lab.open();
    let writer = connect(&lab);
    writer
        .execute_batch("BEGIN; DELETE FROM Packages WHERE hnum = 1")
        .unwrap();
    assert_eq!(rpm.installed("liba").unwrap().value.len(), 1);
    writer
        .execute_batch("DELETE FROM Name WHERE hnum = 1; COMMIT")
        .unwrap();
    assert_eq!(rpm.installed("liba").unwrap().value.len(), 0);
    assert_eq!(rpm.installed("libb").unwrap().value.len(), 1);
    assert!(
        std::fs::metadata(lab.database().join("rpmdb.sqlite-wal"))
            .unwrap()
            .len()
            > 0
    );
    // A crash: the writer is gone, its log stays, the index of the log is lost.
    std::mem::forget(writer);
    std::fs::remove_file(lab.database().join("rpmdb.sqlite-shm")).unwrap();
    assert_eq!(rpm.installed("liba").unwrap().value.len(), 0);
}

/// Two packages swap names in every transaction: exactly one of each name is there at any time.
#[test]
fn a_live_writer_never_shows_half_a_transaction() {
    if !has_rpm() {
        return;
    }
    let lab = lab();
    let rpm = lab.open();
    let end = Instant::now() + Duration::from_secs(3);
    let writer = connect(&lab);
    let writing = std::thread::spawn(move || {
        let mut commits = 0;
        while Instant::now() < end {
            commits += 1;
            let back = if commits % 2 == 0 { "+" } else { "-" };
            // Row numbers change sign together in all three tables, so that half a transaction finds nobody.
            let swap = format!(
                "BEGIN; UPDATE Packages SET hnum = 0{back}abs(hnum); UPDATE Basenames SET hnum = 0{back}abs(hnum);
                 UPDATE Dirnames SET hnum = 0{back}abs(hnum); UPDATE Name SET hnum = 0{back}abs(hnum); COMMIT"
            );
            writer.execute_batch(&swap).unwrap();
            let mode = ["PASSIVE", "TRUNCATE", "RESTART"][commits % 3];
            if commits % 5 == 0 {
                let _ = writer.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()));
            }
            std::thread::sleep(Duration::from_millis(3));
        }
        commits
    });
    let paths = [
        Path::new("/usr/lib64/liba.so"),
        Path::new("/usr/lib64/libb.so"),
    ];
    let (mut answers, mut busy) = (0, 0);
    while Instant::now() < end {
        match rpm.owners(&paths) {
            Ok(answer) => {
                answers += 1;
                assert_eq!(answer.damage, []);
                let owners: Vec<_> = answer.value.iter().map(|o| o.owners.len()).collect();
                assert_eq!(owners, [1, 1]);
            }
            Err(DbError::Busy { .. }) => busy += 1,
            Err(e) => panic!("{e}"),
        }
    }
    let commits = writing.join().unwrap();
    eprintln!("{commits} commits, {answers} answers, {busy} busy");
    assert!(answers > 0 && commits > 0);
}

/// The kernel's list of locks speaks of the running system only, so the test makes its database that system's: in a
/// mount namespace of its own.
#[test]
fn a_running_transaction_is_told() {
    const INSIDE: &str = "UNSTALE_TEST_INSIDE";
    let me = "live::a_running_transaction_is_told";
    if std::env::var_os(INSIDE).is_some() {
        let rpm = unstale_rpm::Rpm::open(Path::new("/")).unwrap().unwrap();
        assert_eq!(rpm.unfinished().unwrap(), None);
        // What rpm does, seen with strace: a write lock on the whole file.
        let lock = std::fs::File::options()
            .write(true)
            .open("/var/lib/rpm/.rpm.lock")
            .unwrap();
        let how = rustix::fs::FlockOperation::NonBlockingLockExclusive;
        rustix::fs::fcntl_lock(&lock, how).unwrap();
        let said = rpm.unfinished().unwrap().unwrap();
        let expected = format!(
            "an rpm transaction is running (process {})",
            std::process::id()
        );
        assert_eq!(said, expected);
        drop(lock);
        assert_eq!(rpm.unfinished().unwrap(), None);
        return;
    }
    if !has_rpm() {
        return;
    }
    let can = Command::new("unshare").args(["-m", "true"]).status();
    if !can.is_ok_and(|status| status.success()) || !Path::new("/var/lib").exists() {
        return skip("cannot make a mount namespace");
    }
    let lab = lab();
    let script = "mount -t tmpfs none /var/lib && mkdir /var/lib/rpm && mount --bind \"$1\" /var/lib/rpm && exec \"$2\" \
                  --exact \"$3\"";
    run_test(
        Command::new("unshare")
            .args(["-m", "sh", "-ec", script, "sh"])
            .arg(lab.database())
            .arg(std::env::current_exe().unwrap())
            .arg(me)
            .env(INSIDE, "1"),
    );
}
