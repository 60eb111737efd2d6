//! Runs that are killed, at each step that changes anything: the next one comes to the same end as if nothing had been.

use std::cell::Cell;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::tests::{BOTH, Root};
use super::*;

thread_local! {
    /// Steps that are left until the run of this thread is killed.
    static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Ends the run as a signal would: nothing but its files is closed, and its lock let go.
pub(in crate::act) fn step() {
    LEFT.with(|left| match left.get() {
        Some(0) => resume_unwind(Box::new(Killed)),
        Some(more) => left.set(Some(more - 1)),
        None => {}
    });
}

struct Killed;

/// Whether a run was killed, before it took another than its first `steps`.
fn killed_after(steps: u32, run: impl FnOnce()) -> bool {
    LEFT.set(Some(steps));
    let ended = catch_unwind(AssertUnwindSafe(run));
    LEFT.set(None);
    match ended {
        Ok(()) => false,
        Err(why) if why.is::<Killed>() => true,
        Err(why) => resume_unwind(why),
    }
}

/// What a run is to bring about.
type Aim = Option<(Level, &'static [&'static str])>;

fn run(root: &Root, aim: Aim) {
    let due = aim.map(|(level, packages)| Due {
        level,
        packages: packages.iter().map(|&name| name.to_owned()).collect(),
    });
    update(root.0.path(), BOTH, due.as_ref()).unwrap();
}

fn append(root: &Root, name: &str, text: &str) {
    let path = root.path("run").join(name);
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// What readers see: whether the flag is there, the list, the word, and the record's lines.
fn seen(root: &Root) -> (bool, String, String, String) {
    root.check_rest();
    let record = FlagRecord::parse(root.text("unstale/flags.json").as_bytes());
    let claimed = record.map(|record| {
        let FlagRecord {
            lines,
            required,
            needed,
            before,
            ..
        } = record;
        format!("{lines:?} {} {} {before:?}", required.len(), needed.len())
    });
    (
        root.text("reboot-required") != "-",
        root.text("reboot-required.pkgs"),
        root.text("reboot-needed"),
        claimed.unwrap_or_default(),
    )
}

/// What others have written, and what we had.
struct Start {
    flag: Option<&'static str>,
    list: Option<&'static str>,
    word: Option<&'static str>,
    ours: Aim,
}

impl Start {
    fn made(&self) -> Root {
        let root = Root::new();
        let texts = [
            ("reboot-required", self.flag),
            ("reboot-required.pkgs", self.list),
            ("reboot-needed", self.word),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                root.write(name, text);
            }
        }
        if self.ours.is_some() {
            run(&root, self.ours);
        }
        root
    }

    /// Kills a run with one aim at each of its steps, and lets one with another aim follow.
    #[track_caller]
    fn check(&self, first: Aim, then: Aim, meanwhile: Option<(&str, &str)>) -> u32 {
        let write = |root: &Root| {
            if let Some((name, text)) = meanwhile {
                append(root, name, text);
            }
        };
        // As if the first run had never been, or had come to its end.
        let expected = [false, true].map(|is_run| {
            let root = self.made();
            if is_run {
                run(&root, first);
            }
            write(&root);
            run(&root, then);
            seen(&root)
        });
        for steps in 0.. {
            let root = self.made();
            let killed = killed_after(steps, || run(&root, first));
            write(&root);
            run(&root, then);
            let end = seen(&root);
            // The order of lines is that of their writing, which differs.
            let sorted = |text: &str| {
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                lines.sort();
                lines
            };
            let is_like = |other: &(bool, String, String, String)| {
                let (flag, list, word, claimed) = other;
                (*flag, sorted(list)) == (end.0, sorted(&end.1))
                    && (word, claimed) == (&end.2, &end.3)
            };
            assert!(
                expected.iter().any(is_like),
                "step {steps} of {first:?}, then {then:?}: {end:?}, not one of {expected:?}"
            );
            // And all of it can be taken back.
            run(&root, None);
            let left = seen(&root);
            assert_eq!(left.3, "", "step {steps} of {first:?}, then {then:?}");
            for ours in ["ours", "more"] {
                assert!(!left.1.contains(ours), "step {steps}: {left:?}");
            }
            assert_eq!(
                left.0,
                self.flag.is_some() || left.1 != "-",
                "step {steps}: {left:?}"
            );
            if meanwhile.is_none() {
                assert_eq!(left.2, self.word.unwrap_or("-"), "step {steps}");
            }
            if !killed {
                return steps;
            }
        }
        0
    }
}

const AIMS: [Aim; 4] = [
    None,
    Some((Level::Reboot, &["more", "ours"])),
    Some((Level::Reboot, &["udev"])),
    Some((Level::SoftReboot, &["ours"])),
];

fn check_all(start: &Start, meanwhile: Option<(&str, &str)>) {
    let mut most = 0;
    for first in AIMS {
        for then in &AIMS[..2] {
            most = most.max(start.check(first, *then, meanwhile));
        }
    }
    // A test that cuts nothing short would find nothing.
    assert!(most > 20, "{most}");
}

#[test]
fn t9_16_killed_where_nobody_asks() {
    for ours in [
        None,
        Some((Level::Reboot, &["ours"][..])),
        Some((Level::Kexec, &[][..])),
    ] {
        let start = Start {
            flag: None,
            list: None,
            word: None,
            ours,
        };
        check_all(&start, None);
    }
}

#[test]
fn t9_16_killed_where_others_ask() {
    for ours in [None, Some((Level::Reboot, &["ours", "udev"][..]))] {
        let start = Start {
            flag: Some("x\n"),
            list: Some("udev\nlinux-base\n"),
            word: Some("soft-reboot\n"),
            ours,
        };
        check_all(&start, None);
        check_all(&start, Some(("reboot-required.pkgs", "late\n")));
    }
}

/// What was put aside and is not ours comes back; what is ours goes.
#[test]
fn t9_16_killed_while_a_file_was_aside() {
    let put_aside = || {
        let root = Root::new();
        run(&root, Some((Level::Reboot, &["ours"])));
        for name in [list::FLAG, word::NEEDED] {
            let run = root.path("run");
            std::fs::rename(run.join(name), run.join(aside(name))).unwrap();
        }
        root
    };
    let root = put_aside();
    run(&root, None);
    root.check(false, "-", "-");

    let root = put_aside();
    std::thread::sleep(Duration::from_millis(20));
    root.write(&aside(list::FLAG), "theirs\n");
    root.write(&aside(word::NEEDED), "kexec\n");
    run(&root, None);
    root.check(true, "-", "kexec\n");
    assert_eq!(root.text("reboot-required"), "theirs\n");
}
