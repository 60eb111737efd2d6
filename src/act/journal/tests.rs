use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn runs() -> (tempfile::TempDir, Runs) {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("run")).unwrap();
    let runs = Runs::make(root.path(), 0).unwrap();
    (root, runs)
}

fn texts(lines: Vec<Vec<u8>>) -> Vec<String> {
    let lines = lines.into_iter().map(String::from_utf8);
    lines.map(Result::unwrap).collect()
}

#[test]
fn nobody_else_reads_what_was_done() {
    let (root, runs) = runs();
    runs.create("1", "first").unwrap();
    let mode = |path: &str| {
        let metadata = fs::metadata(root.path().join(path)).unwrap();
        metadata.permissions().mode() & 0o7777
    };
    assert_eq!(mode("run/unstale"), 0o755);
    assert_eq!(mode("run/unstale/restart"), 0o700);
    assert_eq!(mode("run/unstale/restart/1.jsonl"), 0o600);
}

#[test]
fn lines_are_read_while_they_are_written() {
    let (root, runs) = runs();
    let mut journal = runs.create("1", "first").unwrap();
    let mut follower = runs.follow("1").unwrap().unwrap();
    assert_eq!(texts(follower.lines().unwrap()), ["first"]);
    assert_eq!(texts(follower.lines().unwrap()), [""; 0]);
    journal.write("second").unwrap();
    runs.append_to("1")
        .unwrap()
        .unwrap()
        .write("third")
        .unwrap();
    assert_eq!(texts(follower.lines().unwrap()), ["second", "third"]);
    // Cut short: what has no end was not written.
    let path = root.path().join("run/unstale/restart/1.jsonl");
    let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(b"torn").unwrap();
    assert_eq!(texts(follower.lines().unwrap()), [""; 0]);
    file.write_all(b"\n").unwrap();
    assert_eq!(texts(follower.lines().unwrap()), ["torn"]);
    assert!(runs.follow("2").unwrap().is_none());
    assert!(runs.append_to("2").unwrap().is_none());
    assert!(runs.create("1", "again").is_err());
}

#[test]
fn t11_21_a_journal_has_an_end() {
    let (root, runs) = runs();
    let mut journal = runs.create("1", "first").unwrap();
    let path = root.path().join("run/unstale/restart/1.jsonl");
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(JOURNAL_CAP).unwrap();
    let mut follower = runs.follow("1").unwrap().unwrap();
    follower.lines().unwrap();
    file.set_len(JOURNAL_CAP + 1).unwrap();
    assert!(matches!(follower.lines(), Err(RunsError::Full)));
    let full = "x".repeat(usize::try_from(JOURNAL_CAP - RESERVE - 6).unwrap());
    assert!(matches!(journal.write(&full), Err(RunsError::Full)));
    // What was refused takes no room from what comes after it.
    journal.write(&full[1..]).unwrap();
    assert!(matches!(journal.write(""), Err(RunsError::Full)));
    journal.write_last("the end").unwrap();
    let far = "x".repeat(usize::try_from(RESERVE).unwrap());
    assert!(matches!(journal.write_last(&far), Err(RunsError::Full)));
}

#[test]
fn t11_21_a_journal_that_cannot_begin_leaves_nothing() {
    let (_root, runs) = runs();
    for number in 10..20 {
        runs.create(&number.to_string(), "x").unwrap();
    }
    let before = runs.ids().unwrap();
    let full = "x".repeat(usize::try_from(JOURNAL_CAP).unwrap());
    assert!(matches!(runs.create("20", &full), Err(RunsError::Full)));
    assert_eq!(runs.ids().unwrap(), before);
}

#[test]
fn t11_21_nothing_but_a_file_of_ours_is_read() {
    let (root, runs) = runs();
    let at = |name: &str| root.path().join("run/unstale/restart").join(name);
    fs::write(at("secret"), "x\n").unwrap();
    std::os::unix::fs::symlink(at("secret"), at("1.jsonl")).unwrap();
    fs::create_dir(at("2.jsonl")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        at("3.jsonl"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    fs::write(at("4.jsonl"), "x\n").unwrap();
    fs::set_permissions(at("4.jsonl"), fs::Permissions::from_mode(0o666)).unwrap();
    for id in ["1", "2", "3", "4"] {
        assert!(runs.follow(id).is_err(), "{id}");
        assert!(runs.append_to(id).is_err(), "{id}");
    }
    for id in ["", "../x", "-1", "a/b", "a b", &"1".repeat(65)] {
        assert!(matches!(runs.follow(id), Err(RunsError::Id)), "{id}");
    }
}

#[test]
fn the_last_ten_are_kept() {
    let (_root, runs) = runs();
    for number in 10..25 {
        runs.create(&number.to_string(), "x").unwrap();
    }
    let kept: Vec<String> = (15..25).map(|number: u32| number.to_string()).collect();
    assert_eq!(runs.ids().unwrap(), kept);
}

#[test]
fn t12_21_one_at_a_time() {
    let (_root, runs) = runs();
    let is_locked_by = |id| runs.is_locked_by(id).unwrap();
    assert!(!is_locked_by("20261121T000000Z-7"));
    let lock = runs.lock("20261121T000000Z-7", Duration::ZERO).unwrap();
    assert!(is_locked_by("20261121T000000Z-7"));
    assert!(!is_locked_by("8"));
    let error = runs.lock("8", Duration::from_millis(50)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "another restart is going on (run 20261121T000000Z-7)"
    );
    drop(lock);
    runs.lock("8", Duration::ZERO).unwrap();
    assert!(!is_locked_by("8"));
}

#[test]
fn where_there_is_no_place() {
    let root = tempfile::tempdir().unwrap();
    assert!(Runs::open(root.path(), 0).unwrap().is_none());
    let error = Runs::make(root.path(), 0).unwrap_err();
    assert_eq!(error.to_string(), "there is no /run");
    fs::create_dir(root.path().join("run")).unwrap();
    assert!(Runs::open(root.path(), 0).unwrap().is_none());
    let error = Runs::make(root.path(), 7).unwrap_err();
    assert_eq!(error.to_string(), "there is no /run/user/7");
    fs::create_dir_all(root.path().join("run/user/7")).unwrap();
    Runs::make(root.path(), 7).unwrap();
    assert!(root.path().join("run/user/7/unstale/restart").is_dir());
}
