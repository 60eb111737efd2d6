use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::Instant;

use super::*;
use crate::boot::tests::Made;
use crate::model::{Device, Timestamp};
use crate::problem::Problem;

fn said(made: &Made) -> (Vec<Flag>, Vec<Problem>) {
    made.read(|_, files| super::read(files))
}

/// Path, level, packages, whether it is our own; and how many problems.
#[track_caller]
fn check(made: &Made, wanted: &[(&str, Level, &[&[u8]], bool)], problems: usize) {
    let (flags, noted) = said(made);
    let flags: Vec<_> = flags
        .iter()
        .map(|flag| {
            let packages: Vec<_> = flag.packages.iter().map(Bytes::as_slice).collect();
            let path = String::from_utf8_lossy(flag.path.as_slice()).into_owned();
            (path, flag.level, packages, flag.own)
        })
        .collect();
    let wanted: Vec<_> = wanted
        .iter()
        .map(|(path, level, packages, own)| ((*path).to_owned(), *level, packages.to_vec(), *own))
        .collect();
    assert_eq!(flags, wanted);
    assert_eq!(noted.len(), problems, "{noted:?}");
}

fn fifo(made: &Made, path: &str) {
    let path = made.path(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let (kind, mode) = (rustix::fs::FileType::Fifo, 0o644.into());
    rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).unwrap();
}

const REQUIRED: &str = "/run/reboot-required";
const NEEDED: &str = "/run/reboot-needed";

#[test]
fn t9_16_nothing() {
    let made = Made::new();
    check(&made, &[], 0);
    // A list without a flag asks for nothing; nor does a link to nowhere, as test(1) sees it.
    made.file("/run/reboot-required.pkgs", "glibc\n");
    made.link("/run/reboot-needed", "/nowhere");
    check(&made, &[], 0);
}

#[test]
fn t9_16_required() {
    let made = Made::new();
    made.file(REQUIRED, "*** System restart required ***\n");
    check(&made, &[(REQUIRED, Level::Reboot, &[], false)], 0);
    made.file(
        "/run/reboot-required.pkgs",
        b"linux-image-6.1\nglibc\n\nlinux-image-6.1\n  \x1b[31modd\xff \nglibc",
    );
    let packages: [&[u8]; 3] = [b"linux-image-6.1", b"glibc", b"\x1b[31modd\xff"];
    check(&made, &[(REQUIRED, Level::Reboot, &packages, false)], 0);
}

#[test]
fn t9_16_needed() {
    let made = Made::new();
    made.file(NEEDED, "");
    check(&made, &[(NEEDED, Level::Reboot, &[], false)], 0);
    made.file(NEEDED, "soft-reboot");
    check(&made, &[(NEEDED, Level::SoftReboot, &[], false)], 0);
    made.file(NEEDED, "soft-reboot\nkexec\n");
    check(&made, &[(NEEDED, Level::Kexec, &[], false)], 0);
    made.file(NEEDED, "tomorrow\n");
    check(&made, &[(NEEDED, Level::Reboot, &[], false)], 1);
    made.file(NEEDED, vec![b' '; 5000]);
    check(&made, &[(NEEDED, Level::Reboot, &[], false)], 1);
    made.file("/run/smart-restart/reboot-hint-marker", "");
    let marker = "/run/smart-restart/reboot-hint-marker";
    made.file(NEEDED, "kexec");
    check(
        &made,
        &[
            (NEEDED, Level::Kexec, &[], false),
            (marker, Level::Reboot, &[], false),
        ],
        0,
    );
}

#[test]
fn t9_16_old_directory() {
    let made = Made::new();
    made.file(REQUIRED, "");
    made.link("/var/run", "/run");
    check(&made, &[(REQUIRED, Level::Reboot, &[], false)], 0);

    let made = Made::new();
    made.file(REQUIRED, "");
    made.file("/var/run/reboot-needed", "kexec");
    made.file("/var/run/reboot-required", "");
    made.file("/var/run/reboot-required.pkgs", "udev\n");
    check(
        &made,
        &[
            (REQUIRED, Level::Reboot, &[], false),
            ("/var/run/reboot-required", Level::Reboot, &[b"udev"], false),
            ("/var/run/reboot-needed", Level::Kexec, &[], false),
        ],
        0,
    );
    // The same file by another name, as a bind mount would make it.
    fs::remove_file(made.path("/var/run/reboot-required")).unwrap();
    fs::hard_link(made.path(REQUIRED), made.path("/var/run/reboot-required")).unwrap();
    assert_eq!(said(&made).0.len(), 2);
}

#[test]
fn t9_16_since_is_the_birth() {
    let made = Made::new();
    made.file(REQUIRED, "");
    let before = said(&made).0[0].since;
    std::thread::sleep(std::time::Duration::from_millis(20));
    made.file(REQUIRED, "again\n");
    let stat = fs::metadata(made.path(REQUIRED)).unwrap();
    let since = said(&made).0[0].since;
    if stat.created().is_ok() {
        assert_eq!(since, before);
    } else {
        assert_eq!(since.secs, stat.mtime());
    }
}

#[test]
fn t11_03_no_regular_files() {
    // Whatever it is, it is there; and reading it must not wait.
    let made = Made::new();
    fifo(&made, REQUIRED);
    fifo(&made, "/run/reboot-required.pkgs");
    fifo(&made, NEEDED);
    let flags = [
        (REQUIRED, Level::Reboot, &[][..], false),
        (NEEDED, Level::Reboot, &[][..], false),
    ];
    check(&made, &flags, 2);

    let made = Made::new();
    for path in [REQUIRED, "/run/reboot-required.pkgs", NEEDED] {
        fs::create_dir_all(made.path(path)).unwrap();
    }
    check(&made, &flags, 2);

    // A loop is neither there nor not.
    let made = Made::new();
    made.link(REQUIRED, "reboot-required");
    check(&made, &[], 1);
}

#[test]
fn t11_02_a_list_of_any_length() {
    let begun = Instant::now();
    let made = Made::new();
    made.file(REQUIRED, "");
    made.file(
        "/run/reboot-required.pkgs",
        "some-package-name\n".repeat(600_000),
    );
    check(
        &made,
        &[(REQUIRED, Level::Reboot, &[b"some-package-name"], false)],
        1,
    );
    made.file("/run/reboot-required.pkgs", vec![b'x'; 10_000_000]);
    check(&made, &[(REQUIRED, Level::Reboot, &[], false)], 1);
    let long = "x".repeat(1023) + "\n";
    let cut = long.repeat(1023) + "whole\n" + &"y".repeat(1017) + "\ncut-here\n";
    made.file("/run/reboot-required.pkgs", cut);
    check(&made, &[(REQUIRED, Level::Reboot, &[b"whole"], false)], 1);
    let many: String = (0..50_000).map(|at| format!("p{at}\n")).collect();
    made.file("/run/reboot-required.pkgs", many);
    assert_eq!(said(&made).0[0].packages.len(), NAMES_CAP);
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
}

/// Writes a record of ours, as `act` would.
fn record(made: &Made, lines: &[&str], required: bool, needed: bool, before: Option<&str>) {
    let mark = |path: &str| {
        let stat = fs::metadata(made.path(path)).unwrap();
        Mark {
            device: Device {
                major: rustix::fs::major(stat.dev()),
                minor: rustix::fs::minor(stat.dev()),
            },
            inode: stat.ino(),
            mtime: Timestamp {
                secs: stat.mtime(),
                nanos: u32::try_from(stat.mtime_nsec()).unwrap(),
            },
        }
    };
    let record = FlagRecord {
        schema: FlagRecord::SCHEMA,
        lines: lines.iter().map(|&line| line.to_owned()).collect(),
        required: required.then(|| mark(REQUIRED)).into_iter().collect(),
        needed: needed.then(|| mark(NEEDED)).into_iter().collect(),
        before: before.map(Bytes::from),
    };
    made.file(RECORD, serde_json::to_vec(&record).unwrap());
    for (path, mode) in [("/run", 0o755), (OURS, 0o755), (RECORD, 0o644)] {
        fs::set_permissions(made.path(path), Permissions::from_mode(mode)).unwrap();
    }
}

#[test]
fn t9_16_own_flags() {
    let made = Made::new();
    made.file(REQUIRED, "*** System restart required ***\n");
    made.file("/run/reboot-required.pkgs", "glibc\n");
    record(&made, &["glibc"], true, false, None);
    check(&made, &[(REQUIRED, Level::Reboot, &[b"glibc"], true)], 0);
    // Another has a reason too: then his is the one.
    made.file("/run/reboot-required.pkgs", "glibc\nudev\n");
    check(&made, &[(REQUIRED, Level::Reboot, &[b"udev"], false)], 0);
    // Another wrote the flag once more.
    std::thread::sleep(std::time::Duration::from_millis(20));
    made.file("/run/reboot-required.pkgs", "glibc\n");
    made.file(REQUIRED, "*** System restart required ***\n");
    check(&made, &[(REQUIRED, Level::Reboot, &[], false)], 0);
}

#[test]
fn t9_16_own_word() {
    let made = Made::new();
    made.file(NEEDED, "reboot\n");
    record(&made, &[], false, true, None);
    check(&made, &[(NEEDED, Level::Reboot, &[], true)], 0);
    // What another had asked for is what counts.
    record(&made, &[], false, true, Some("soft-reboot"));
    check(&made, &[(NEEDED, Level::SoftReboot, &[], false)], 0);
    std::thread::sleep(std::time::Duration::from_millis(20));
    made.file(NEEDED, "kexec\n");
    check(&made, &[(NEEDED, Level::Kexec, &[], false)], 0);
}

#[test]
fn t9_16_records_that_others_could_have_written() {
    let made = Made::new();
    made.file(REQUIRED, "");
    let own = |made: &Made| {
        let (flags, problems) = said(made);
        (flags[0].own, problems.len())
    };
    record(&made, &[], true, false, None);
    assert_eq!(own(&made), (true, 0));
    for path in [OURS, RECORD] {
        let mode = fs::metadata(made.path(path)).unwrap().mode();
        fs::set_permissions(made.path(path), Permissions::from_mode(0o666 | mode)).unwrap();
        assert_eq!(own(&made), (false, 1), "{path}");
        fs::set_permissions(made.path(path), Permissions::from_mode(mode)).unwrap();
    }
    assert_eq!(own(&made), (true, 0));
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(made.path(RECORD), Some(1000), None).unwrap();
        assert_eq!(own(&made), (false, 1));
    }
    fs::rename(made.path(RECORD), made.path("/run/other.json")).unwrap();
    made.link(RECORD, "/run/other.json");
    assert_eq!(own(&made), (false, 1));
    fs::remove_file(made.path(RECORD)).unwrap();
    for damaged in ["", "{}", "{\"schema\":2}", "\0"] {
        made.file(RECORD, damaged);
        assert_eq!(own(&made), (false, 1), "{damaged:?}");
    }
    made.file(RECORD, vec![b'['; 2_000_000]);
    assert_eq!(own(&made), (false, 1));
    fs::remove_file(made.path(RECORD)).unwrap();
    fifo(&made, RECORD);
    assert_eq!(own(&made), (false, 1));
}
