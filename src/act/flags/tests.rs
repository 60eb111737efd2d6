use std::fs::{self, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tempfile::TempDir;

use super::*;

pub(super) const BOTH: FlagFiles = FlagFiles {
    required: true,
    needed: true,
};
const REQUIRED: FlagFiles = FlagFiles {
    required: true,
    needed: false,
};
const NEEDED: FlagFiles = FlagFiles {
    required: false,
    needed: true,
};

/// A root with a `/run`.
pub(super) struct Root(pub(super) TempDir);

impl Root {
    pub(super) fn new() -> Self {
        let root = Self(tempfile::tempdir().unwrap());
        root.dir("run", 0o755);
        root
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn dir(&self, name: &str, mode: u32) {
        fs::create_dir_all(self.path(name)).unwrap();
        fs::set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
    }

    /// Writes as others do.
    pub(super) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path("run").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
    }

    /// What a file in `/run` holds; `-` if there is none.
    pub(super) fn text(&self, name: &str) -> String {
        match fs::read(self.path("run").join(name)) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{name}");
                "-".to_owned()
            }
        }
    }

    /// Flag, list and word.
    #[track_caller]
    pub(super) fn check(&self, flag: bool, list: &str, word: &str) {
        let there = self.text("reboot-required") != "-";
        let said = (
            there,
            self.text("reboot-required.pkgs"),
            self.text("reboot-needed"),
        );
        assert_eq!(said, (flag, list.to_owned(), word.to_owned()));
        self.check_rest();
    }

    /// Nothing is left lying about, and everybody can read what is there.
    #[track_caller]
    pub(super) fn check_rest(&self) {
        for directory in ["run", "run/unstale"] {
            for entry in fs::read_dir(self.path(directory)).into_iter().flatten() {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                assert!(!name.starts_with('.'), "{name}");
                let mode = entry.metadata().unwrap().mode() & 0o777;
                let wanted: &[u32] = match name.as_str() {
                    "flags.lock" => &[0o600],
                    "unstale" => &[0o755],
                    _ => &[0o644],
                };
                assert!(wanted.contains(&mode), "{name}: {mode:o}");
            }
        }
    }

    /// Updates twice; the second time changes nothing.
    #[track_caller]
    fn update(&self, files: FlagFiles, level: Level, packages: &[&str]) -> Changes {
        let packages = packages.iter().map(|&name| name.to_owned()).collect();
        let due = Due { level, packages };
        let changes = update(self.0.path(), files, Some(&due)).unwrap();
        let before = self.state();
        let again = update(self.0.path(), files, Some(&due)).unwrap();
        assert!(again.is_empty(), "{again:?}");
        assert_eq!(self.state(), before);
        changes
    }

    fn withdraw(&self) -> Changes {
        let changes = update(self.0.path(), BOTH, None).unwrap();
        let again = update(self.0.path(), BOTH, None).unwrap();
        assert!(again.is_empty(), "{again:?}");
        changes
    }

    /// Every file with its identity and times.
    fn state(&self) -> Vec<(PathBuf, u64, i64, i64)> {
        let mut all = Vec::new();
        for directory in ["run", "run/unstale"] {
            for entry in fs::read_dir(self.path(directory)).into_iter().flatten() {
                let entry = entry.unwrap();
                let stat = entry.metadata().unwrap();
                // The lock is taken and not written to.
                all.push((entry.path(), stat.ino(), stat.mtime(), stat.mtime_nsec()));
            }
        }
        all.sort();
        all
    }
}

/// So that a later change is seen as one.
fn later() {
    std::thread::sleep(Duration::from_millis(20));
}

#[test]
fn t9_16_set_and_withdrawn() {
    let root = Root::new();
    assert_eq!(root.withdraw(), Changes::default());
    // Where nothing is wanted, nothing is made.
    assert!(!root.path("run/unstale").exists());
    let changes = root.update(BOTH, Level::Reboot, &["linux-image", "glibc", "glibc"]);
    assert_eq!(changes.added, ["glibc", "linux-image"]);
    assert_eq!(
        (changes.required, changes.needed),
        (Change::Set, Change::Set)
    );
    root.check(true, "glibc\nlinux-image\n", "reboot\n");
    assert_eq!(
        root.text("reboot-required"),
        "*** System restart required ***\n"
    );
    let changes = root.update(BOTH, Level::Reboot, &["linux-image", "udev"]);
    assert_eq!(
        (&changes.added, &changes.withdrawn),
        (&vec!["udev".to_owned()], &vec!["glibc".to_owned()])
    );
    root.check(true, "linux-image\nudev\n", "reboot\n");
    let changes = root.withdraw();
    assert_eq!(changes.withdrawn, ["linux-image", "udev"]);
    assert_eq!(changes.required, Change::Withdrawn);
    assert_eq!(changes.needed, Change::Withdrawn);
    root.check(false, "-", "-");
    assert_eq!(root.text("unstale/flags.json"), "-");
}

#[test]
fn t9_16_policies_and_levels() {
    let root = Root::new();
    root.update(REQUIRED, Level::Reboot, &["a"]);
    root.check(true, "a\n", "-");
    root.update(NEEDED, Level::Reboot, &["a"]);
    root.check(false, "-", "reboot\n");
    root.update(FlagFiles::default(), Level::Reboot, &["a"]);
    root.check(false, "-", "-");
    // The flag without a word would ask for more than is due.
    for (level, word) in [
        (Level::Kexec, "kexec\n"),
        (Level::SoftReboot, "soft-reboot\n"),
        (Level::Session, "-"),
        (Level::None, "-"),
    ] {
        root.update(BOTH, level, &["a"]);
        root.check(false, "-", word);
    }
    root.update(BOTH, Level::Reboot, &[]);
    root.check(true, "-", "reboot\n");
    root.withdraw();
    root.check(false, "-", "-");
}

#[test]
fn t9_16_a_flag_of_others_stays() {
    let root = Root::new();
    root.write("reboot-required", "");
    let changes = root.update(BOTH, Level::Reboot, &["glibc"]);
    assert_eq!(changes.required, Change::None);
    root.check(true, "glibc\n", "reboot\n");
    assert_eq!(root.withdraw().required, Change::None);
    root.check(true, "-", "-");
    assert_eq!(root.text("reboot-required"), "");

    // One that another wrote to after us is his own.
    let root = Root::new();
    root.update(BOTH, Level::Reboot, &["glibc"]);
    later();
    root.write("reboot-required", "*** System restart required ***\n");
    root.withdraw();
    root.check(true, "-", "-");

    // And so is one that another has made anew.
    let root = Root::new();
    root.update(BOTH, Level::Reboot, &[]);
    fs::remove_file(root.path("run/reboot-required")).unwrap();
    root.write("reboot-required", "");
    root.withdraw();
    root.check(true, "-", "-");

    // One that another has removed is made again.
    let root = Root::new();
    root.update(BOTH, Level::Reboot, &["a"]);
    fs::remove_file(root.path("run/reboot-required")).unwrap();
    fs::remove_file(root.path("run/reboot-required.pkgs")).unwrap();
    assert_eq!(
        root.update(BOTH, Level::Reboot, &["a"]).required,
        Change::Set
    );
    root.check(true, "a\n", "reboot\n");
}

#[test]
fn t9_16_lines_of_others_stay() {
    let root = Root::new();
    root.write("reboot-required", "x\n");
    // Not ended by a newline, not UTF-8, repeated, with blanks.
    let odd: &[u8] = b"linux-base\n\n  udev \n\xff\xfe\nlinux-base\nglibc";
    root.write("reboot-required.pkgs", odd);
    let changes = root.update(BOTH, Level::Reboot, &["glibc", "dbus"]);
    // What another names already is his.
    assert_eq!(changes.added, ["dbus"]);
    let list = || fs::read(root.path("run/reboot-required.pkgs")).unwrap();
    assert_eq!(list(), [odd, b"\ndbus\n"].concat());
    root.withdraw();
    assert_eq!(list(), [odd, b"\n"].concat());

    // Another names what we named before: his line is left.
    let root = Root::new();
    root.update(BOTH, Level::Reboot, &["glibc"]);
    root.write("reboot-required.pkgs", "glibc\nglibc\nudev\n");
    root.withdraw();
    root.check(true, "glibc\nudev\n", "-");
    // The flag was ours, but is wanted by another now.
    assert_eq!(root.text("unstale/flags.json"), "-");
}

#[test]
fn t9_16_the_strongest_word_stays() {
    for (before, level, after) in [
        ("", Level::Reboot, ""),
        ("", Level::SoftReboot, ""),
        ("reboot", Level::Kexec, "reboot"),
        ("kexec\n", Level::Kexec, "kexec\n"),
        ("soft-reboot", Level::Kexec, "kexec\n"),
        ("soft-reboot\nkexec", Level::Reboot, "reboot\n"),
        ("tomorrow", Level::Reboot, "tomorrow"),
    ] {
        let root = Root::new();
        root.write("reboot-needed", before);
        root.update(NEEDED, level, &[]);
        assert_eq!(
            root.text("reboot-needed"),
            after,
            "{before:?} and {level:?}"
        );
        // Less is due now.
        root.update(NEEDED, Level::SoftReboot, &[]);
        assert_eq!(root.text("reboot-needed"), before);
        root.withdraw();
        root.check(false, "-", before);
    }
}

#[test]
fn t9_16_a_word_that_others_changed() {
    let root = Root::new();
    root.update(NEEDED, Level::SoftReboot, &[]);
    later();
    // libzypp touches it.
    let file = OpenOptions::new()
        .append(true)
        .open(root.path("run/reboot-needed"))
        .unwrap();
    file.set_modified(std::time::SystemTime::now()).unwrap();
    root.withdraw();
    root.check(false, "-", "soft-reboot\n");

    let root = Root::new();
    root.update(NEEDED, Level::Reboot, &[]);
    later();
    root.write("reboot-needed", "kexec");
    root.update(NEEDED, Level::Reboot, &[]);
    root.check(false, "-", "reboot\n");
    root.withdraw();
    root.check(false, "-", "kexec");

    let root = Root::new();
    for (level, word) in [
        (Level::SoftReboot, "soft-reboot\n"),
        (Level::Reboot, "reboot\n"),
        (Level::Kexec, "kexec\n"),
    ] {
        root.update(NEEDED, level, &[]);
        root.check(false, "-", word);
    }
    fs::remove_file(root.path("run/reboot-needed")).unwrap();
    root.withdraw();
    root.check(false, "-", "-");
}

#[test]
fn t9_16_names_that_are_no_line() {
    let root = Root::new();
    let long = "x".repeat(300);
    let changes = root.update(
        BOTH,
        Level::Reboot,
        &[
            "a\nb",
            "",
            " ",
            "\u{1b}[31m",
            "gl ibc",
            "é",
            &long,
            "good:amd64",
        ],
    );
    assert_eq!(changes.added, ["good:amd64"]);
    assert_eq!(changes.notes.len(), 1, "{changes:?}");
    root.check(true, "good:amd64\n", "reboot\n");
}

/// A run that was cut short after it wrote what it was going to do.
#[test]
fn t9_16_cut_short() {
    let claims = r#"{"schema":1,"lines":["a","b"],"required":[{"device":{"major":0,"minor":1},"inode":9,"mtime":{"secs":1,"nanos":2}}],"needed":[{"device":{"major":0,"minor":1},"inode":8,"mtime":{"secs":1,"nanos":2}}],"before":null}"#;
    let root = Root::new();
    root.dir("run/unstale", 0o755);
    root.write("unstale/flags.json", claims);
    // Half of it was done, and what was being prepared lies there.
    root.write("reboot-required.pkgs", "udev\na\n");
    root.write(".reboot-required.unstale", "half");
    root.write(".reboot-needed.unstale", "half");
    root.write(".reboot-required.pkgs.unstale", "half");
    root.write("unstale/.flags.json.unstale", "half");
    root.update(BOTH, Level::Reboot, &["a", "b"]);
    root.check(true, "udev\na\nb\n", "reboot\n");
    root.withdraw();
    root.check(true, "udev\n", "-");

    // Or the cause went before the next run: nothing is left that nobody claims.
    let root = Root::new();
    root.dir("run/unstale", 0o755);
    root.write("unstale/flags.json", claims);
    root.write("reboot-required.pkgs", "a\n");
    root.withdraw();
    root.check(false, "-", "-");

    // A damaged record claims nothing, and is said.
    let root = Root::new();
    root.update(BOTH, Level::Reboot, &["a"]);
    root.write("unstale/flags.json", "{\"schema\":");
    assert_eq!(root.withdraw().notes.len(), 1);
    root.check(true, "a\n", "reboot\n");
}

#[test]
fn t9_16_no_run() {
    let root = Root(tempfile::tempdir().unwrap());
    let due = Due {
        level: Level::Reboot,
        packages: Vec::new(),
    };
    let changes = update(root.0.path(), BOTH, Some(&due)).unwrap();
    assert!(changes.is_empty());
    assert!(!root.path("run").exists());
    update(&root.path("nothing"), BOTH, Some(&due)).unwrap_err();
}

/// Refused, by what; and nothing was changed by it.
#[track_caller]
fn check_refused(root: &Root, why: &str) {
    let due = Due {
        level: Level::Reboot,
        packages: vec!["a".to_owned()],
    };
    let begun = Instant::now();
    let error = update(root.0.path(), BOTH, Some(&due)).unwrap_err();
    assert!(error.to_string().contains(why), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(1));
}

fn fifo(path: &Path) {
    let (kind, mode) = (rustix::fs::FileType::Fifo, 0o644.into());
    rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).unwrap();
}

#[test]
fn t11_03_hostile_things() {
    for name in [
        "run/reboot-required",
        "run/reboot-required.pkgs",
        "run/reboot-needed",
        "run/unstale/flags.json",
        "run/unstale/flags.lock",
    ] {
        let made = || {
            let root = Root::new();
            root.dir("run/unstale", 0o755);
            (root.path(name), root)
        };
        let (path, root) = made();
        fs::write(root.path("victim"), "dear\n").unwrap();
        symlink(root.path("victim"), &path).unwrap();
        check_refused(&root, "a symbolic link");
        assert_eq!(fs::read_to_string(root.path("victim")).unwrap(), "dear\n");
        let (path, root) = made();
        symlink("nowhere", &path).unwrap();
        check_refused(&root, "a symbolic link");
        assert!(!root.path("run/nowhere").exists());
        let (path, root) = made();
        fifo(&path);
        check_refused(&root, "not a regular file");
        let (path, root) = made();
        fs::create_dir(&path).unwrap();
        check_refused(&root, "not a regular file");
        let (path, root) = made();
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        check_refused(&root, "writable by others");
        if rustix::process::geteuid().is_root() {
            let (path, root) = made();
            fs::write(&path, "").unwrap();
            std::os::unix::fs::chown(&path, Some(1000), None).unwrap();
            check_refused(&root, "owned by uid 1000");
        }
    }
}

/// One file that is refused is enough: none of the others is written to, and nothing claimed.
#[test]
fn t11_03_all_or_nothing() {
    let names = ["reboot-required", "reboot-required.pkgs", "reboot-needed"];
    for hostile in names {
        let root = Root::new();
        fifo(&root.path("run").join(hostile));
        check_refused(&root, "not a regular file");
        for name in names.into_iter().filter(|name| *name != hostile) {
            assert_eq!(root.text(name), "-", "{name} beside {hostile}");
        }
        assert_eq!(root.text("unstale/flags.json"), "-", "{hostile}");
    }
}

#[test]
fn t11_03_hostile_directories() {
    let root = Root::new();
    root.dir("elsewhere", 0o755);
    symlink("../elsewhere", root.path("run/unstale")).unwrap();
    check_refused(&root, "a symbolic link");
    assert_eq!(fs::read_dir(root.path("elsewhere")).unwrap().count(), 0);

    let root = Root::new();
    root.dir("run/unstale", 0o777);
    check_refused(&root, "writable by others");
    // A sticky one, too: others could make our record.
    root.dir("run/unstale", 0o1777);
    check_refused(&root, "writable by others");

    // Containers often have such a /run: it is theirs, as long as nothing is to be written.
    let root = Root::new();
    root.dir("run", 0o1777);
    check_refused(&root, "writable by others");
    assert!(update(root.0.path(), BOTH, None).unwrap().is_empty());
    root.dir("run/unstale", 0o755);
    root.write("unstale/flags.json", "");
    update(root.0.path(), BOTH, None).unwrap_err();

    let root = Root::new();
    fs::write(root.path("run/unstale"), "").unwrap();
    check_refused(&root, "not a directory");

    // What was prepared is in the way of nothing but a directory.
    let root = Root::new();
    symlink(
        root.path("victim"),
        root.path("run/.reboot-required.unstale"),
    )
    .unwrap();
    root.update(BOTH, Level::Reboot, &["a"]);
    assert!(!root.path("victim").exists());
    root.check(true, "a\n", "reboot\n");
}

#[test]
fn t11_02_a_list_of_any_length() {
    let root = Root::new();
    root.write("reboot-required.pkgs", "package\n".repeat(1_300_000));
    check_refused(&root, "longer than");
    assert_eq!(root.text("reboot-required"), "-");
}

#[test]
fn one_run_waits_for_another() {
    let root = Root::new();
    root.update(BOTH, Level::Reboot, &["a"]);
    let lock = fs::File::open(root.path("run/unstale/flags.lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let begun = Instant::now();
    let error = update(root.0.path(), BOTH, None).unwrap_err();
    assert!(matches!(error, PlaceError::Busy { .. }), "{error}");
    let waited = begun.elapsed();
    assert!(
        waited >= LOCK_DEADLINE && waited < 2 * LOCK_DEADLINE,
        "{waited:?}"
    );
    root.check(true, "a\n", "reboot\n");
    drop(lock);
    root.withdraw();
    root.check(false, "-", "-");
}

/// Somebody who appends and takes no lock, while we come and go: no line of his is lost, and his flag stands.
#[test]
fn t9_16_racing_with_a_writer() {
    let root = Root::new();
    let stop = AtomicBool::new(false);
    let lines = 300;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let due = Due {
                level: Level::Reboot,
                packages: vec!["ours".to_owned()],
            };
            while !stop.load(Ordering::Relaxed) {
                update(root.0.path(), BOTH, Some(&due)).unwrap();
                update(root.0.path(), BOTH, None).unwrap();
            }
        });
        for at in 0..lines {
            let flag = root.path("run/reboot-required");
            fs::write(flag, "*** System restart required ***\n").unwrap();
            let mut file = OpenOptions::new()
                .append(true)
                .create(true)
                .open(root.path("run/reboot-required.pkgs"))
                .unwrap();
            file.write_all(format!("theirs-{at}\n").as_bytes()).unwrap();
            std::thread::sleep(Duration::from_micros(200));
        }
        stop.store(true, Ordering::Relaxed);
    });
    root.withdraw();
    // He writes the flag before the list.
    assert_ne!(root.text("reboot-required"), "-");
    let list = root.text("reboot-required.pkgs");
    assert!(!list.contains("ours"), "{list}");
    // Between a writer's open and its write a line can go: see the module.
    let kept = (0..lines).filter(|at| list.lines().any(|line| line == format!("theirs-{at}")));
    let kept = kept.count();
    assert!(kept >= lines * 9 / 10, "{kept}");
}
