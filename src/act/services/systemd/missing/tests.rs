//! Paths of this machine: `/bin/sh` is on all.

use super::*;
use crate::model::UnitState;

fn needs(programs: &[&str], files: &[&str]) -> Shown {
    let bytes = |paths: &[&str]| paths.iter().map(|path| path.as_bytes().to_vec()).collect();
    let unit = UnitState {
        active: "active".to_owned(),
        ..UnitState::default()
    };
    Shown {
        unit,
        programs: bytes(programs),
        files: bytes(files),
        other_root: false,
    }
}

#[track_caller]
fn check(programs: &[&str], files: &[&str], expected: &[&str]) {
    assert_eq!(find(&needs(programs, files)), expected);
}

#[test]
fn t10_14_finds_what_is_not_there_any_more() {
    let gone = "/usr/lib/unstale-none/prog";
    check(&["/bin/sh", "/usr/bin/env"], &["/etc/passwd"], &[]);
    check(&["/bin/sh", gone, gone], &[], &[gone]);
    check(
        &["/bin/sh/inside"],
        &["/etc/default/no\x1bne"],
        &["/bin/sh/inside", "/etc/default/no\\u{1b}ne"],
    );
    // Searched for by the manager; a pattern; anywhere.
    check(&["no-such-program"], &["/etc/default/none-*"], &[]);
    check(&["/srv/none/prog", "/home/none/prog"], &["/var/none"], &[]);
}

/// `/etc/mtab` is a link to `/proc` (mount(8)); what is mounted may be a server that does not answer.
#[test]
fn t11_06_goes_to_no_other_file_system() {
    let looked = |path: &str| look(path.as_bytes());
    assert_eq!(looked("/usr/bin/env"), Ok(()));
    assert_eq!(looked("/proc/none"), Err(Errno::XDEV));
    assert_eq!(looked("/etc/mtab"), Err(Errno::XDEV));
    assert!(!is_missing(b"/etc/mtab/none"));
}

#[test]
fn looks_for_nothing_of_units_that_see_other_files_or_do_not_run() {
    let mut shown = needs(&["/usr/lib/unstale-none/prog"], &[]);
    shown.other_root = true;
    assert!(find(&shown).is_empty());
    shown.other_root = false;
    shown.unit.active = "failed".to_owned();
    assert!(find(&shown).is_empty());
}
