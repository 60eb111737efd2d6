//! What could not be looked at, and whose answer that leaves in doubt.

use super::*;
use crate::dialects::needrestart::speak;
use crate::dialects::testing::{Pretended, speak as speak_with};
use crate::model::WhyNot;
use crate::problem::Problem;

fn problem(operation: &str, object: &str, pid: Option<u32>) -> Problem {
    Problem {
        operation: operation.to_owned(),
        object: Bytes::from(object),
        pid,
        why: WhyNot::TimedOut,
    }
}

/// One problem on a machine whose kernel and microcode are up to date.
#[track_caller]
fn check(problem: &Problem, args: &[&str], is_doubted: bool) {
    let mut scene = judged::current();
    scene.microcode = Some(revisions(false, 0xf8, Some(0xf8), false));
    scene.problems = vec![problem.clone()];
    let mut machine = Pretended {
        scene: Some(scene),
        ..Pretended::default()
    };
    let said = speak_with(speak, None, &[&["-p"], args].concat(), &mut machine);
    let (word, exit) = if is_doubted { ("UNKN", 3) } else { ("OK", 0) };
    assert!(
        said.out.starts_with(word),
        "{problem} {args:?} {}",
        said.out
    );
    assert_eq!(said.exit, exit, "{problem} {args:?}");
    // It is said, whatever was selected.
    assert!(said.err.contains("cannot "), "{}", said.err);
    let args = [&["-b", "--exit-code"], args].concat();
    let exit = speak_with(speak, None, &args, &mut machine).exit;
    assert_eq!(exit, if is_doubted { 3 } else { 0 }, "{problem} {args:?}");
}

#[test]
fn only_what_was_selected_is_in_doubt() {
    let rows = [
        (
            problem("read maps", "process", Some(7)),
            [false, true, false],
        ),
        (problem("list", "processes", None), [false, true, false]),
        (
            problem("use the detector", "/usr/lib/x", None),
            [false, true, false],
        ),
        (problem("list", "/boot", None), [true, false, false]),
        (
            problem("look at", "what would boot", None),
            [true, false, false],
        ),
        (
            problem("list", "/lib/firmware/intel-ucode", None),
            [false, false, true],
        ),
        (problem("read", "/proc/cpuinfo", None), [false, false, true]),
        (problem("rely on the state of", "dpkg", None), [false; 3]),
        (
            problem("read the package database", "rpm", None),
            [false; 3],
        ),
    ];
    for (problem, expected) in rows {
        for (check_of, is_doubted) in ["-k", "-l", "-w"].into_iter().zip(expected) {
            check(&problem, &[check_of], is_doubted);
        }
        check(&problem, &[], expected.contains(&true));
    }
}

#[test]
fn what_is_known_to_be_bad_stays_so() {
    let mut all = Summary {
        kernel: compared(RUNS, Some(LATER), KernelState::Version),
        ..summary(Version::V3_11, None)
    };
    all.doubts.kernel = true;
    check_state(&all, &format!("CRIT - Kernel: {RUNS}!={LATER} (!!)|"), 2);
}

#[test]
fn what_nobody_could_look_at_is_unknown_and_what_does_not_apply_is_fine() {
    let monitor = |scene: &Scene| {
        let mut machine = Pretended {
            scene: Some(scene.clone()),
            ..Pretended::default()
        };
        let said = |option| speak_with(speak, None, &["-p", option], &mut machine);
        let [kernel, ucode] = ["-k", "-w"].map(said).map(|said| (said.out, said.exit));
        (kernel, ucode)
    };
    let mut scene = nothing();
    let unknown = |text: &str| (format!("UNKN - {text}|\n"), 3);
    let (kernel, ucode) = monitor(&scene);
    assert_eq!(kernel, unknown("Kernel: 6.1.0-1-amd64"));
    assert_eq!(ucode, unknown("Microcode: unknown"));
    let mut boot = judged::current().boot.unwrap();
    boot.setting = Setting::Container("lxc".to_owned());
    boot.kernel = None;
    scene.boot = Some(boot);
    let nothing_here = ("OK - |\n".to_owned(), 0);
    assert_eq!(monitor(&scene), (nothing_here.clone(), nothing_here));
    // It was looked at, and could not be judged.
    let mut scene = judged::current();
    scene.reboot.kernel = None;
    assert_eq!(monitor(&scene).0, unknown(&format!("Kernel: {RUNS}")));
}
