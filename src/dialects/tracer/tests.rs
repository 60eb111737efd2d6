//! The list as tracer's own tests have it, and its exit codes.

use crate::dialects::testing::{Pretended, nothing, service, speak};
use crate::dialects::{OldFile, OldPart, Scene, Stale};
use crate::model::{Action, Bytes, Cause, Level, Owner, OwnerKind, Scope, WhyNot};
use crate::problem::Problem;

fn on(scene: Scene) -> Pretended {
    Pretended {
        scene: Some(scene),
        ..Pretended::default()
    }
}

fn daemon(pid: u32, name: &str) -> Stale {
    let (unit, program) = (format!("{name}.service"), format!("/usr/sbin/{name}"));
    service(pid, &unit, &program, name)
}

fn bare(pid: u32, name: &str) -> Stale {
    Stale {
        owner: Owner::new(OwnerKind::Process, "x", Scope::System),
        action: Action::Defer,
        ..daemon(pid, name)
    }
}

fn login(pid: u32, user: &str) -> Stale {
    Stale {
        owner: Owner::new(OwnerKind::Session, "3", Scope::System),
        action: Action::Relogin,
        level: Level::Session,
        user: user.to_owned(),
        ..daemon(pid, "bash")
    }
}

fn with(stale: Vec<Stale>, kernel: bool) -> Scene {
    let mut scene = nothing();
    scene.stale = stale;
    if kernel {
        scene.reboot.level = Some(Level::Reboot);
        let cause = Cause::new("kernel.newer", Level::Reboot, "x".to_owned());
        scene.reboot.causes = vec![cause];
    }
    scene
}

fn everything() -> Scene {
    let stale = vec![
        daemon(1, "cron"),
        daemon(2, "atd"),
        bare(3, "foo"),
        bare(4, "bar"),
        login(5, "alice"),
        login(6, "bob"),
    ];
    with(stale, true)
}

#[track_caller]
fn check(args: &[&str], scene: Scene, exit: u8, out: &str) {
    let spoken = speak(super::speak, None, args, &mut on(scene));
    assert_eq!((spoken.out.as_str(), spoken.exit), (out, exit), "{args:?}");
    assert_eq!(spoken.err, "", "{args:?}");
}

const RESTART: &str = "\
You should restart:
  * Some applications using:
      systemctl restart atd
      systemctl restart cron

  * These applications manually:
      bar
      foo
";
const COUNTS: &str = "
Additionally, there are:
  - 2 processes requiring restart of your session (i.e. Logging out & Logging in again)
  - 1 processes requiring reboot
";
const WHOLE: &str = "
  * These applications restarting your session:
      ssh-alice-session
      ssh-bob-session

  * These applications rebooting your computer:
      kernel
";

#[test]
fn the_list_has_tracers_sections() {
    check(&[], nothing(), 0, "");
    check(&[], everything(), 104, &[RESTART, COUNTS].concat());
    check(&["-q"], everything(), 104, RESTART);
    check(&["-a"], everything(), 104, &[RESTART, WHOLE].concat());
    check(
        &["--all", "-e"],
        everything(),
        104,
        &[RESTART, WHOLE].concat(),
    );
    let daemons = "\
You should restart:
  * Some applications using:
      systemctl restart atd
      systemctl restart cron
";
    for option in ["--daemons-only", "--services-only"] {
        check(&[option], everything(), 102, daemons);
    }
    let only = "There are:\n  - 1 processes requiring reboot\n";
    check(&[], with(Vec::new(), true), 104, only);
    let session = "There are:\n  - 1 processes requiring restart of your session (i.e. Logging out & Logging in again)\n";
    check(&[], with(vec![login(5, "alice")], false), 103, session);
}

#[test]
fn the_exit_status_is_of_what_takes_most() {
    let check = |stale: Vec<Stale>, kernel, exit| {
        let spoken = speak(super::speak, None, &["-q"], &mut on(with(stale, kernel)));
        assert_eq!(spoken.exit, exit);
    };
    check(Vec::new(), false, 0);
    check(vec![bare(3, "foo")], false, 101);
    check(vec![bare(3, "foo"), daemon(1, "cron")], false, 102);
    check(vec![login(5, "alice"), daemon(1, "cron")], false, 103);
    check(vec![login(5, "alice")], true, 104);
}

#[test]
fn a_users_service_hides_none_of_the_system() {
    let own = Stale {
        owner: Owner::new(OwnerKind::OtherService, "cron", Scope::User(1000)),
        user: "alice".to_owned(),
        ..bare(9, "x")
    };
    let cron = "You should restart:\n  * Some applications using:\n      systemctl restart cron\n";
    let scene = with(vec![daemon(1, "cron"), own], false);
    check(&["--daemons-only"], scene, 102, cron);
}

#[test]
fn users_and_packages_narrow_the_list() {
    let cron = "You should restart:\n  * Some applications using:\n      systemctl restart cron\n";
    check(&["cron"], everything(), 102, cron);
    check(
        &["-n", "--packages", "cron", "nope"],
        everything(),
        102,
        cron,
    );
    check(&["nope"], everything(), 0, "");
    let alice = "There are:\n  - 1 processes requiring restart of your session (i.e. Logging out & Logging in again)\n";
    check(&["-u", "alice"], everything(), 103, alice);
    check(&["--root"], everything(), 102, RESTART);
    check(
        &["-u", "bob"],
        with(vec![login(6, "bob")], false),
        103,
        alice,
    );
    check(
        &["-u", "alice"],
        with(vec![daemon(1, "cron")], false),
        0,
        "",
    );
    let spoken = speak(super::speak, None, &["-u", "nosuch"], &mut on(everything()));
    let said = (spoken.exit, spoken.out.as_str(), spoken.err.as_str());
    assert_eq!(said, (1, "", "peer: there is no user called nosuch\n"));
}

#[test]
fn one_application_is_told_in_full() {
    let mut cron = daemon(51, "cron");
    cron.files.push(OldFile {
        path: Bytes::from("/usr/lib/libc.so.6"),
        name: Bytes::from("/usr/lib/libc.so.6 (deleted)"),
        part: OldPart::Library,
        packages: vec!["libc6".to_owned()],
    });
    let again = Stale {
        pid: 52,
        ..daemon(52, "cron")
    };
    let scene = || with(vec![cron.clone(), again.clone(), bare(3, "foo")], false);
    let head = "\
* cron
    Package:     cron
    Type:        Daemon
    State:       cron has been started by root. PID - 51
                 cron has been started by root. PID - 52
";
    let tail = "
    How to restart:
        systemctl restart cron
";
    let foo = "
* foo
    Package:     foo
    Type:        Application
    State:       foo has been started by root. PID - 3

    How to restart:
        Sorry, It's not known
";
    check(&["-s", "cron"], scene(), 102, &[head, tail].concat());
    check(
        &["--show", "cron", "foo"],
        scene(),
        102,
        &[head, tail, foo].concat(),
    );
    check(&["--helpers"], scene(), 102, &[head, tail, foo].concat());
    let packages = "\n    Affected by:\n        cron\n        libc6\n";
    check(
        &["-v", "-s", "cron"],
        scene(),
        102,
        &[head, packages, tail].concat(),
    );
    let files = "\n    Affected by:\n        cron\n            /usr/sbin/cron\n        libc6\n            /usr/lib/libc.so.6\n";
    check(
        &["-vv", "-s", "cron"],
        scene(),
        102,
        &[head, files, tail].concat(),
    );
    check(&["-i"], scene(), 102, "[1] cron\n[2] foo\n");
}

#[test]
fn what_was_not_seen_is_no_clean_answer() {
    let mut scene = nothing();
    scene.problems = vec![Problem {
        operation: "read maps".to_owned(),
        object: Bytes::from("/proc/7/maps"),
        pid: Some(7),
        why: WhyNot::Denied,
    }];
    let check = |scene: Option<Scene>, exit, err: &str| {
        let mut machine = Pretended {
            scene,
            ..Pretended::default()
        };
        let spoken = speak(super::speak, None, &[], &mut machine);
        assert_eq!((spoken.exit, spoken.out.as_str()), (exit, ""));
        assert!(spoken.err.contains(err), "{}", spoken.err);
    };
    check(Some(scene), 3, "permission denied");
    check(None, 1, "cannot look");
    let mut unsure = with(Vec::new(), true);
    unsure.reboot.causes[0].sure = false;
    check(Some(unsure), 3, "could not be told");
}

#[test]
fn options_without_use_are_accepted_and_wrong_ones_refused() {
    let check = |args: &[&str], exit, out: &str, err: &str| {
        let spoken = speak(super::speak, None, args, &mut on(everything()));
        let said = (spoken.exit, spoken.out.as_str(), spoken.err.as_str());
        assert_eq!(said, (exit, out, err), "{args:?}");
    };
    check(
        &["--hooks-only"],
        104,
        "",
        "peer: --hooks-only is ignored\n",
    );
    check(
        &["-qt", "1414248388.04"],
        104,
        RESTART,
        "peer: --timestamp is ignored\n",
    );
    check(&["-q", "--erased", "-n", "--compat-bugs"], 104, RESTART, "");
    check(&["-s", "nope"], 104, "", "peer: nope runs no old code\n");
    check(&["-y"], 2, "", "peer: not an option: -y\n");
    check(
        &["--show-resource=system"],
        2,
        "",
        "peer: --show-resource: there is no such dump\n",
    );
    check(
        &["--version"],
        0,
        concat!(env!("CARGO_PKG_VERSION"), "\n"),
        "",
    );
}

#[test]
fn help_names_the_options() {
    let spoken = speak(super::speak, None, &["--help"], &mut Pretended::default());
    assert_eq!(spoken.exit, 0);
    let options = [
        "--version",
        "--quiet",
        "--verbose",
        "--helpers",
        "--interactive",
        "--show",
        "--all",
        "--daemons-only",
        "--services-only",
        "--hooks-only",
        "--timestamp",
        "--now",
        "--user",
        "--root",
        "--everyone",
        "--show-resource",
        "--packages",
    ];
    for option in options {
        assert!(spoken.out.contains(option), "{option}: {}", spoken.out);
    }
}
