use std::fs;
use std::io::Write as _;
use std::time::Duration;

use super::change::take_back;
use super::*;

fn run() -> (tempfile::TempDir, Directory) {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("run")).unwrap();
    let run = Directory::open_run(root.path()).unwrap().unwrap();
    (root, run)
}

/// Somebody writes to a file after it was looked at.
fn write_later(run: &Directory, name: &str) -> Mark {
    run.replace(name, b"ours").unwrap();
    let known = run.look(name).unwrap().unwrap().mark;
    std::thread::sleep(Duration::from_millis(20));
    fs::write(run.path.join(name), "theirs").unwrap();
    known
}

#[track_caller]
fn check(run: &Directory, name: &str, text: &str) {
    assert_eq!(fs::read_to_string(run.path.join(name)).unwrap(), text);
    assert!(!run.path.join(hidden(name)).exists());
    assert!(!run.path.join(aside(name)).exists());
}

#[test]
fn t9_16_what_others_wrote_to_comes_back() {
    let (_root, run) = run();
    let known = write_later(&run, "flag");
    assert!(
        !run.take_aside("flag", std::slice::from_ref(&known))
            .unwrap()
    );
    assert_eq!(known.mtime.nanos, 0);
    check(&run, "flag", "theirs");
    assert!(!run.take("flag", std::slice::from_ref(&known)).unwrap());
    run.prepare(&hidden("flag"), b"ours again").unwrap();
    assert!(!run.exchange(&hidden("flag"), "flag", &known).unwrap());
    check(&run, "flag", "theirs");
}

#[test]
fn t9_16_what_is_gone_stays_gone() {
    let (_root, run) = run();
    let known = write_later(&run, "flag");
    run.remove("flag").unwrap();
    assert!(
        !run.take_aside("flag", std::slice::from_ref(&known))
            .unwrap()
    );
    run.prepare(&hidden("flag"), b"ours").unwrap();
    assert!(!run.exchange(&hidden("flag"), "flag", &known).unwrap());
    assert!(run.look("flag").unwrap().is_none());
    assert!(run.look(&hidden("flag")).unwrap().is_none());
}

/// What a full file system took of a line.
#[test]
fn t9_16_a_part_of_a_line_is_taken_back() {
    let (_root, run) = run();
    let path = run.path.join("list");
    let mut file = File::options()
        .append(true)
        .create(true)
        .open(&path)
        .unwrap();
    file.write_all(b"udev\nour").unwrap();
    take_back(&file, 5, 3).unwrap();
    check(&run, "list", "udev\n");
    // Somebody has written behind it.
    file.write_all(b"ourtheirs\n").unwrap();
    take_back(&file, 5, 3).unwrap();
    check(&run, "list", "udev\nourtheirs\n");
}

#[test]
fn t9_16_a_flag_that_others_made_first() {
    let (_root, run) = run();
    run.prepare(&hidden("flag"), b"ours").unwrap();
    fs::write(run.path.join("flag"), "theirs").unwrap();
    assert!(!run.publish(&hidden("flag"), "flag").unwrap());
    check(&run, "flag", "theirs");
}

/// A child that was forked meanwhile has it open too; here, a copy of the descriptor does.
#[test]
fn t11_06_what_was_forked_meanwhile_holds_no_lock() {
    let (_root, run) = run();
    let is_locked = || {
        matches!(
            run.lock("lock", Duration::ZERO),
            Err(PlaceError::Busy { .. })
        )
    };
    let lock = run.lock("lock", Duration::ZERO).unwrap();
    let copy = rustix::io::dup(lock.file()).unwrap();
    assert!(is_locked());
    drop(lock);
    assert!(!is_locked());
    drop(copy);
}
