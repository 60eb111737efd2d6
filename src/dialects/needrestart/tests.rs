use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::act::whole;
use super::*;
use crate::dialects::testing::{Pretended, Spoken, nothing, service, speak as speak_with};
use crate::dialects::{NotRestarted, Stale, Terminals};
use crate::model::{Action, Because, Bytes, Owner, OwnerKind, Scope};
use crate::problem::Problem;

const BOTH: Terminals = Terminals {
    stdin: true,
    stdout: true,
    stderr: true,
    width: Some(80),
};

/// A machine with two stale services, on which nothing is configured.
fn machine() -> Pretended {
    let mut scene = nothing();
    scene.stale = vec![
        service(9, "cron.service", "/usr/sbin/cron", "cron"),
        service(12, "memcached.service", "/usr/bin/memcached", "memcached"),
    ];
    of(scene)
}

fn of(scene: Scene) -> Pretended {
    let mut machine = Pretended {
        scene: Some(scene),
        ..Pretended::default()
    };
    machine
        .files
        .insert("/run/systemd/system/x".into(), Vec::new());
    machine
}

fn session(pid: u32) -> Stale {
    let mut stale = service(pid, "x", "/usr/bin/sleep", "coreutils");
    stale.uid = 1000;
    stale.user = "alice".to_owned();
    stale.cgroup = Bytes::from("0::/user.slice/user-1000.slice/session-3.scope\n");
    stale.owner = Owner::new(OwnerKind::Session, "3", Scope::System);
    stale.action = Action::Relogin;
    stale
}

fn say(machine: &mut Pretended, args: &[&str]) -> Spoken {
    speak_with(speak, None, args, machine)
}

fn variable(machine: &mut Pretended, name: &str, value: &str) {
    machine
        .variables
        .insert(name.to_owned(), OsString::from(value));
}

/// What does not depend on the machine, with what is recorded of it: standard error and exit status, and nothing else.
#[track_caller]
fn check_wrong(args: &[&str], variables: &[(&str, &str)], err: &str, exit: u8) {
    let mut machine = machine();
    for (name, value) in variables {
        variable(&mut machine, name, value);
    }
    let said = say(&mut machine, args);
    assert_eq!(
        (said.out.as_str(), said.err.as_str(), said.exit),
        ("", err, exit),
        "{args:?}"
    );
    assert!(machine.wanted.is_empty(), "{args:?}");
}

#[test]
fn what_is_wrong_is_said_as_it_is_recorded() {
    let mode = "ERROR: Unknown restart option 'z'!\n";
    check_wrong(&["-r", "z"], &[], mode, 255);
    check_wrong(&["-rz"], &[], mode, 255);
    check_wrong(&[], &[("NEEDRESTART_MODE", "z")], mode, 255);
    check_wrong(&["-m", "z"], &[], "ERROR: Unknown UI mode 'z'!\n", 255);
    check_wrong(
        &["-p", "-o"],
        &[],
        "Options -p and -o cannot be defined simultaneously\n",
        255,
    );
    check_wrong(
        &["-c", "/nonexistent"],
        &[],
        "ERROR: Could not read config file '/nonexistent'!\n",
        2,
    );
    check_wrong(
        &["-b", "-c", "/nonexistent"],
        &[],
        "ERROR: No such file or directory\n",
        2,
    );
    check_wrong(
        &["-u", "?"],
        &[],
        "Available UI packages:\n\tNeedRestart::UI::stdio\n",
        0,
    );
    // A value is what follows, also with a dash; and it cannot steer a terminal.
    check_wrong(
        &["-r", "-l"],
        &[],
        "ERROR: Unknown restart option '-l'!\n",
        255,
    );
    check_wrong(
        &["-r\u{1b}"],
        &[],
        "ERROR: Unknown restart option '\\x1b'!\n",
        255,
    );
}

#[test]
fn unknown_options_show_the_usage() {
    #[track_caller]
    fn check(variant: Option<&str>, args: &[&str], err: &str) {
        let said = speak_with(speak, variant, args, &mut machine());
        assert_eq!((said.err.as_str(), said.exit), (err, 1), "{args:?}");
        assert!(said.out.contains("-r <MODE>"), "{}", said.out);
    }
    check(None, &["-Z"], "Unknown option: Z\n");
    check(None, &["-lZ"], "Unknown option: Z\n");
    check(None, &["--frob"], "Unknown option: frob\n");
    // These came later.
    check(Some("3.6"), &["-o"], "Unknown option: o\n");
    check(Some("3.6"), &["-x"], "Unknown option: x\n");
    check(None, &["-r"], "Option -r takes a value\n");
}

#[test]
fn help_has_every_option() {
    let said = say(&mut machine(), &["--help"]);
    assert_eq!((said.err.as_str(), said.exit), ("", 0));
    for letter in "vqmncrbpoftuxklw".chars() {
        assert!(
            said.out.contains(&format!(" -{letter}")),
            "{letter}: {}",
            said.out
        );
    }
    let said = say(&mut machine(), &["--version"]);
    assert!(said.out.starts_with("needrestart 3.11 "), "{}", said.out);
    let said = speak_with(speak, Some("3.6"), &["--version"], &mut machine());
    assert!(said.out.starts_with("needrestart 3.6 "), "{}", said.out);
}

/// Which mode comes of it, by what is printed and done.
#[track_caller]
fn check_mode(args: &[&str], variables: &[(&str, &str)], terminals: Terminals, expected: Mode) {
    let mut machine = machine();
    machine.terminals = terminals;
    for (name, value) in variables {
        variable(&mut machine, name, value);
    }
    let said = say(&mut machine, args);
    let mode = match (said.out.contains("? [Ynas?]"), &machine.done.borrow()[..]) {
        (true, _) => Mode::Ask,
        (false, []) => Mode::List,
        (false, _) => Mode::Auto,
    };
    assert_eq!(
        (mode, said.exit),
        (expected, 0),
        "{args:?} {variables:?} {said:?}"
    );
}

#[test]
fn mode_is_of_the_option_then_the_variable() {
    let none = Terminals::default();
    check_mode(&[], &[], none, Mode::List);
    check_mode(&[], &[], BOTH, Mode::Ask);
    check_mode(&["-ra"], &[], none, Mode::Auto);
    check_mode(&["-klwra"], &[], none, Mode::Auto);
    check_mode(&["-rl"], &[("NEEDRESTART_MODE", "a")], none, Mode::List);
    check_mode(&[], &[("NEEDRESTART_MODE", "a")], none, Mode::Auto);
    // Nobody is asked who is not there.
    check_mode(
        &["-ri"],
        &[],
        Terminals {
            stdout: false,
            ..BOTH
        },
        Mode::List,
    );
    check_mode(
        &["-ri"],
        &[],
        Terminals {
            stdin: false,
            ..BOTH
        },
        Mode::List,
    );
    let automatic = ("DEBIAN_FRONTEND", "noninteractive");
    check_mode(&["-ri"], &[automatic], BOTH, Mode::List);
    check_mode(&["-ri", "-f", "dialog"], &[automatic], BOTH, Mode::Ask);
    check_mode(&["-ri", "-fnoninteractive"], &[], BOTH, Mode::List);
    check_mode(&["-ra"], &[automatic], BOTH, Mode::Auto);
    check_mode(&["-ra", "-me"], &[], none, Mode::List);
    // How Ubuntu's hook calls it.
    check_mode(&["-m", "u"], &[], none, Mode::Auto);
    check_mode(&["-m", "u", "-rl"], &[], none, Mode::List);
    // What comes behind the options is nothing.
    check_mode(&["-rl", "word", "-ra"], &[], none, Mode::List);
    check_mode(&["-rl", "-ra"], &[], none, Mode::Auto);
}

#[test]
fn only_what_is_selected_is_looked_at() {
    #[track_caller]
    fn check(euid: u32, args: &[&str], expected: [bool; 3]) {
        let flags: Vec<OsString> = args.iter().map(OsString::from).collect();
        let flags = Flags::parse(&flags, Version::V3_11).unwrap();
        let mut err = Vec::new();
        let mut voice = Voice {
            name: "needrestart",
            out: &mut io::sink(),
            err: &mut err,
        };
        let settings = Settings::resolve(&flags, &machine(), &mut voice).unwrap();
        let Checks {
            kernel,
            libraries,
            microcode,
        } = Checks::of(&flags, &settings, euid);
        assert_eq!([kernel, libraries, microcode], expected, "{args:?}");
    }
    check(0, &[], [true; 3]);
    check(0, &["-k"], [true, false, false]);
    check(0, &["-lw"], [false, true, true]);
    check(1000, &[], [false, true, false]);
    check(1000, &["-k"], [true, false, false]);
    check(1000, &["-o"], [true, false, true]);
}

#[test]
fn not_root() {
    let user = || Pretended {
        euid: 1000,
        ..machine()
    };
    let said = say(&mut user(), &["-p"]);
    assert_eq!(said.out, "UNKN - This plugin needs to be run as root!\n");
    assert_eq!(said.exit, 3);
    let said = say(&mut user(), &["-o", "-l"]);
    assert_eq!((said.out.as_str(), said.exit), ("", 1));
    assert_eq!(said.err, format!("{}\n", metrics::NEEDS_ROOT));
    // One's own processes are listed, and nothing is restarted.
    let mut machine = user();
    machine.scene.as_mut().unwrap().euid = 1000;
    let said = say(&mut machine, &["-ra"]);
    assert_eq!(
        said.out,
        "Your outdated processes:\ncron[9], memcached[12]\n"
    );
    assert!(machine.done.borrow().is_empty());
    assert!(machine.wanted[0].own_only);
}

#[test]
fn a_look_that_fails_is_no_clean_one() {
    #[track_caller]
    fn check(args: &[&str], out: &str, exit: u8) {
        let mut machine = Pretended::default();
        let said = say(&mut machine, args);
        assert_eq!((said.out.as_str(), said.exit), (out, exit), "{args:?}");
        assert_eq!(said.err, "peer: cannot look\n");
    }
    check(&[], "", 1);
    check(&["-b"], "", 1);
    check(&["-o"], "", 1);
    check(&["-p"], "UNKN - cannot look\n", 3);
}

#[test]
fn what_could_not_be_seen_is_said() {
    #[track_caller]
    fn check(args: &[&str], exit: u8) {
        let mut machine = machine();
        let problem = Problem {
            operation: "read maps".to_owned(),
            object: Bytes::from("x"),
            pid: Some(7),
            why: crate::model::WhyNot::Denied,
        };
        machine.scene.as_mut().unwrap().problems = vec![problem];
        let said = say(&mut machine, args);
        assert_eq!(said.exit, exit, "{args:?}");
        assert!(said.err.starts_with("peer: "), "{}", said.err);
    }
    check(&["-b"], 0);
    check(&["-b", "--exit-code"], 3);
    check(&["-rl", "--exit-code"], 3);
    check(&["-rl"], 0);
}

const REST: &str = "
No containers need to be restarted.

No user sessions are running outdated binaries.

No VM guests are running outdated hypervisor (qemu) binaries on this host.
";

#[test]
fn all_that_policy_lets_is_restarted_in_one_go() {
    let mut machine = machine();
    let said = say(&mut machine, &["-ra", "-l", "--exit-code"]);
    let services = "\nRestarting services...\n systemctl restart cron.service memcached.service\n";
    assert_eq!(said.out, format!("{services}{REST}"));
    assert_eq!((said.err.as_str(), said.exit), ("", 0));
    assert_eq!(
        *machine.done.borrow(),
        ["restart cron.service memcached.service"]
    );
    // What fails is said, and is no failure of ours unless that is wanted.
    machine.not_restarted = vec![NotRestarted {
        owner: Owner::new(OwnerKind::Unit, "cron.service", Scope::System),
        why: "it ended with status 1".to_owned(),
    }];
    let said = say(&mut machine, &["-ra", "-l"]);
    let err = "peer: cron.service is not restarted: it ended with status 1\n";
    assert_eq!((said.err.as_str(), said.exit), (err, 0));
    assert_eq!(say(&mut machine, &["-ra", "-l", "--exit-code"]).exit, 1);
}

#[test]
fn without_yes_only_what_a_rule_names_is_restarted() {
    let mut machine = machine();
    let scene = machine.scene.as_mut().unwrap();
    let rule = Because {
        rule: "policy.needrestart-restart".to_owned(),
        why: "its rule says so".to_owned(),
    };
    scene.stale[0].because.insert(0, rule);
    let said = say(&mut machine, &["-ra", "-n", "-l"]);
    assert!(
        said.out.starts_with(
            "\nRestarting services...\n systemctl restart cron.service\n\nService restarts being deferred:\n systemctl restart memcached.service\n"
        ),
        "{}",
        said.out
    );
    assert_eq!(*machine.done.borrow(), ["restart cron.service"]);
}

#[test]
fn a_program_of_the_administrator_stands_for_the_command() {
    let mut machine = machine();
    let program = "/etc/needrestart/restart.d/cron.service";
    machine.files.insert(program.into(), Vec::new());
    let said = say(&mut machine, &["-rl", "-l"]);
    let expected =
        format!("\nServices to be restarted:\n {program}\n systemctl restart memcached.service\n");
    assert_eq!(said.out, format!("{expected}{REST}"));
}

/// What is typed, what is printed up to the blocks that follow, and what is done.
#[track_caller]
fn check_asked(defer: bool, typed: &[&str], out: &str, done: &[&str]) {
    let mut machine = machine();
    machine.terminals = BOTH;
    machine.typed = typed.iter().map(|line| format!("{line}\n")).collect();
    if defer {
        let first = &mut machine.scene.as_mut().unwrap().stale[0];
        first.action = Action::Defer;
        first.because[0].rule = "policy.x".to_owned();
    }
    let said = say(&mut machine, &["-ri", "-l"]);
    let head = "\nRestarting services...\nServices to be restarted:\n";
    let asked = said.out.strip_prefix(head).unwrap();
    let asked = asked.strip_suffix(REST).unwrap_or(asked);
    assert_eq!(asked, out, "{typed:?}");
    assert_eq!(*machine.done.borrow(), done, "{typed:?}");
}

#[test]
fn a_person_is_asked_of_each() {
    let cron = "Restart «cron.service»? [Ynas?] ";
    let memcached = "Restart «memcached.service»? [Ynas?] ";
    let (did_cron, did_memcached) = (
        " systemctl restart cron.service\n",
        " systemctl restart memcached.service\n",
    );
    let left = "\nService restarts being deferred:\n";
    check_asked(
        false,
        &["?", "y", "n"],
        &format!(
            "{cron}{}{cron}{did_cron}{memcached}{left}{did_memcached}",
            super::ask::HELP
        ),
        &["restart cron.service"],
    );
    check_asked(
        false,
        &["", "Y"],
        &format!("{cron}{did_cron}{memcached}{did_memcached}"),
        &["restart cron.service memcached.service"],
    );
    check_asked(
        false,
        &["a"],
        &format!("{cron}{did_cron}{did_memcached}"),
        &["restart cron.service memcached.service"],
    );
    check_asked(
        false,
        &["s"],
        &format!("{cron}{left}{did_cron}{did_memcached}"),
        &[],
    );
    // Nobody there any more.
    check_asked(
        false,
        &[],
        &format!("{cron}\n{left}{did_cron}{did_memcached}"),
        &[],
    );
    // What policy holds back is done only if that is said.
    let cron = "Restart «cron.service»? [yNas?] ";
    check_asked(
        true,
        &["", "y"],
        &format!("{cron}{memcached}{did_memcached}{left}{did_cron}"),
        &["restart memcached.service"],
    );
    check_asked(
        true,
        &["y", "n"],
        &format!("{cron}{did_cron}{memcached}{left}{did_memcached}"),
        &["restart cron.service"],
    );
    check_asked(
        true,
        &["a"],
        &format!("{cron}{did_memcached}{left}{did_cron}"),
        &["restart memcached.service"],
    );
}

#[test]
fn no_dialog_of_nothing() {
    let mut machine = machine();
    machine.terminals = BOTH;
    for stale in &mut machine.scene.as_mut().unwrap().stale {
        stale.action = Action::Defer;
        stale.because[0].rule = "policy.x".to_owned();
    }
    let said = say(&mut machine, &["-ri", "-l", "-x"]);
    assert!(!said.out.contains('?'), "{}", said.out);
    assert!(machine.done.borrow().is_empty());
}

/// Programs in notify.d, how all of them end, and which are run.
#[track_caller]
fn check_told(args: &[&str], programs: &[&str], exit: i32, expected: &[&str]) {
    let mut scene = nothing();
    scene.stale = vec![session(258), session(110)];
    let mut machine = of(scene);
    machine.errand_exit = exit;
    for program in programs {
        let path = Path::new("/etc/needrestart/notify.d").join(program);
        machine.files.insert(path, Vec::new());
    }
    say(&mut machine, args);
    let done = machine.done.borrow();
    let names = done.iter().map(|line| {
        let line = line.strip_prefix("run /etc/needrestart/notify.d/").unwrap();
        line.split(' ').next().unwrap()
    });
    assert_eq!(names.collect::<Vec<_>>(), expected, "{args:?}");
    for line in done.iter() {
        let env = r#"[("NR_UID", "1000"), ("NR_USERNAME", "alice"), ("NR_SESSION", "session #3"), ("NR_SESSPPID", "110")]"#;
        assert!(
            line.ends_with(&format!("{env} \"sleep[110,258]\\n\"")),
            "{line}"
        );
    }
}

#[test]
fn sessions_are_told_by_the_first_program_that_does_it() {
    let all = [
        "400-send",
        "200-write",
        "1000-last",
        "600-mail~",
        "300-x.dpkg-old",
    ];
    check_told(&["-rl"], &all, 0, &["200-write"]);
    check_told(&["-ra"], &all, 1, &["200-write", "400-send", "1000-last"]);
    check_told(&["-b"], &all, 0, &[]);
    check_told(&["-p"], &all, 0, &[]);
    check_told(&["-o"], &all, 0, &[]);
    check_told(&["-me"], &all, 0, &[]);
    check_told(&["-k"], &all, 0, &[]);
    check_told(&["-rl"], &[], 0, &[]);
}

/// A machine on which this is needrestart's configuration, named on the command line.
fn configured(text: &str) -> (tempfile::TempDir, Pretended, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let own = dir.path().join("etc");
    fs::create_dir(&own).unwrap();
    let file = own.join("needrestart.conf");
    fs::write(&file, text).unwrap();
    (dir, machine(), file)
}

#[test]
fn needrestarts_configuration_is_honoured() {
    #[track_caller]
    fn check(text: &str, args: &[&str], out: &str, done: &[&str]) {
        let (_dir, mut machine, file) = configured(text);
        // Files of a test are root's only if root tests.
        machine.euid = rustix::process::geteuid().as_raw();
        let args = [&["-c", file.to_str().unwrap(), "-l"], args].concat();
        let said = say(&mut machine, &args);
        if machine.euid == 0 {
            assert!(said.out.contains(out), "{text}: {}", said.out);
            assert_eq!(*machine.done.borrow(), done, "{text}");
        }
        assert_eq!(said.err, "", "{text}");
        let rules = machine.wanted[0].rules.as_ref().unwrap();
        assert!(rules.starts_with("# Translated from "), "{rules}");
    }
    let all = ["restart cron.service memcached.service"];
    check("$nrconf{restart} = 'a';", &[], "", &all);
    check("$nrconf{restart} = 'a';", &["-rl"], "", &[]);
    check("$nrconf{restart} = 'a'; $nrconf{defno} = 1;", &[], "", &[]);
    check(
        "$nrconf{restart} = 'a'; $nrconf{ui_mode} = 'e';",
        &[],
        "",
        &[],
    );
    check(
        "$nrconf{systemctl_combine} = 1;",
        &[],
        " systemctl restart cron.service memcached.service\n",
        &[],
    );
    check(
        "$nrconf{q(nagios-status)}{services} = 2;",
        &["-p"],
        "CRIT - Services: 2 (!!)",
        &[],
    );
    check("$nrconf{verbosity} = 0;", &[], "systemctl restart", &[]);
}

#[test]
fn what_is_not_understood_is_said_once() {
    let (_dir, mut machine, file) = configured("$nrconf{restart} = 'l';\nsystem('reboot');\n");
    machine.euid = rustix::process::geteuid().as_raw();
    let file = file.to_str().unwrap();
    let said = say(&mut machine, &["-b", "-l", "-c", file]);
    assert_eq!(said.exit, 0);
    assert_eq!(
        said.err.matches("needrestart.conf:2: ").count(),
        1,
        "{}",
        said.err
    );
    // What is set to nothing that there is.
    let (_dir, mut machine, file) = configured("$nrconf{restart} = 'q';");
    machine.euid = rustix::process::geteuid().as_raw();
    let said = say(&mut machine, &["-c", file.to_str().unwrap()]);
    assert_eq!(
        (said.err.as_str(), said.exit),
        ("ERROR: Unknown restart option 'q'!\n", 255)
    );
}

#[test]
fn what_is_left_out_is_said() {
    let mut machine = machine();
    let mut alone = service(31, "x", "/opt/agentd", "x");
    alone.cgroup = Bytes::from("0::/\n");
    alone.owner = Owner::new(OwnerKind::Process, "/opt/agentd", Scope::System);
    machine.scene.as_mut().unwrap().stale.push(alone);
    let said = say(&mut machine, &["-b", "-l"]);
    assert!(said.err.contains("agentd[31]"), "{}", said.err);
    assert!(!said.out.contains("agentd"), "{}", said.out);
    assert_eq!(say(&mut machine, &["-b", "-lq"]).err, "");
}

const APT: &str = "a package manager is at work (process 7 holds /var/lib/dpkg/lock-frontend)";

/// What is left for later, and what is said of that, on a machine where a package manager is at work.
#[track_caller]
fn check_put_off(args: &[&str], variables: &[(&str, &str)], later: &[&str], err: &str) {
    let mut machine = machine();
    machine.at_work = Some(APT.to_owned());
    machine.terminals = BOTH;
    machine.typed = ["y\n", "y\n"].map(str::to_owned).into();
    for (name, value) in variables {
        variable(&mut machine, name, value);
    }
    let said = say(&mut machine, args);
    assert_eq!(*machine.done.borrow(), later, "{args:?}");
    assert_eq!((said.err.as_str(), said.exit), (err, 0), "{args:?}");
    assert!(said.out.contains("cron.service"), "{}", said.out);
    assert!(!said.out.contains('?'), "{}", said.out);
}

#[test]
fn what_a_package_manager_is_in_the_way_of_is_done_later() {
    let err = format!("peer: restarts wait, for {APT}: unstale-needrestart.service does them\n");
    let check = |args: &[&str], variables: &[(&str, &str)], options: &str| {
        let later =
            format!("later needrestart: --as needrestart=3.11 --when-quiet -ra -ma{options}");
        check_put_off(args, variables, &[&later], &err);
    };
    check(&["-ra"], &[], "");
    check(&["-m", "u"], &[], "");
    let automatic = ("DEBIAN_FRONTEND", "noninteractive");
    check(&["-q"], &[("NEEDRESTART_MODE", "a"), automatic], " -q");
    check(&["-ra", "-wkl"], &[], " -k -l -w");
    check(
        &["-ra", "--no-compat-bugs", "-u", "x", "-t", "3"],
        &[],
        " --no-compat-bugs",
    );
}

#[test]
fn nobody_is_asked_while_a_package_manager_is_in_the_way() {
    let err =
        format!("peer: nobody is asked, for {APT}; afterwards: unstale --as needrestart=3.11\n");
    check_put_off(&[], &[], &[], &err);
    check_put_off(&["-ri", "-l"], &[], &[], &err);
    // Nothing was to be done anyway.
    check_put_off(&["-rl"], &[], &[], "");
}

#[test]
fn without_anybody_to_do_it_later_it_is_said_what_to_do() {
    let mut machine = machine();
    machine.at_work = Some(APT.to_owned());
    machine.nobody_later = true;
    let said = say(&mut machine, &["-ra", "-l", "--exit-code"]);
    let err = format!(
        "peer: nothing is restarted, for {APT}; systemd does not run here: unstale --as needrestart=3.11 -ra -ma -l\n"
    );
    assert_eq!((said.err, said.exit), (err, 1));
}

/// Another configuration is found by whoever is called from elsewhere.
#[test]
fn a_configuration_is_named_by_its_whole_path() {
    let (dir, mut machine, file) = configured("$nrconf{restart} = 'a';");
    machine.euid = rustix::process::geteuid().as_raw();
    if machine.euid != 0 {
        return;
    }
    machine.at_work = Some(APT.to_owned());
    // The test's own directory is where it is; that the name is made whole is what counts.
    machine.links.insert(".".into(), dir.path().to_owned());
    say(&mut machine, &["-l", "-c", file.to_str().unwrap()]);
    let done = machine.done.borrow();
    let expected = format!(" -ra -ma -l -c {}", file.display());
    assert!(done[0].ends_with(&expected), "{done:?}");
    assert_eq!(
        whole(Path::new("x.conf"), &machine),
        dir.path().join("x.conf")
    );
}

#[test]
fn what_was_put_off_is_done_when_all_is_quiet() {
    #[track_caller]
    fn check(waits: &[Result<bool, &str>], looks: usize, err: &str, exit: u8) {
        let mut machine = machine();
        machine.at_work = Some(APT.to_owned());
        let waits = waits.iter().cloned();
        machine.waits = waits.map(|wait| wait.map_err(str::to_owned)).collect();
        let said = say(&mut machine, &["--when-quiet", "-ra", "-ma", "-l"]);
        assert_eq!((said.err.as_str(), said.exit), (err, exit));
        let done = vec!["restart cron.service memcached.service"; looks];
        assert_eq!(*machine.done.borrow(), done);
        assert_eq!(machine.wanted.len(), looks);
    }
    check(&[], 0, "", 0);
    check(&[Ok(true)], 1, "", 0);
    // Packages changed again meanwhile.
    check(&[Ok(true), Ok(true), Ok(false), Ok(true)], 2, "", 0);
    let err = "peer: packages still change; nothing is done\n";
    check(&[Err("packages still change; nothing is done")], 0, err, 1);
}

#[test]
fn users_are_told_by_whoever_restarts() {
    let mut scene = nothing();
    scene.stale = vec![
        service(9, "cron.service", "/usr/sbin/cron", "cron"),
        session(110),
    ];
    let mut machine = of(scene);
    let program = "/etc/needrestart/notify.d/200-write";
    machine.files.insert(program.into(), Vec::new());
    machine.at_work = Some(APT.to_owned());
    say(&mut machine, &["-ra", "-l"]);
    assert_eq!(machine.done.borrow().len(), 1, "{:?}", machine.done);
    machine.waits = [Ok(true)].into();
    say(&mut machine, &["--when-quiet", "-ra", "-l"]);
    let done = machine.done.borrow();
    assert!(
        done[2].starts_with("run /etc/needrestart/notify.d/200-write "),
        "{done:?}"
    );
}

#[test]
fn who_wants_to_know_is_told_what_is_in_force() {
    #[track_caller]
    fn check(args: &[&str], expected: &[&str]) {
        let said = say(&mut machine(), args);
        let lines: Vec<&str> = said.err.lines().collect();
        assert_eq!(lines, expected, "{args:?}");
    }
    let own = "peer: as version 3.11, by settings that are unstale's own";
    let all = format!("{own}: looks at the kernel, processes, microcode; restarts are only listed");
    check(&["-v", "-rl"], &[&all]);
    let some = format!("{own}: looks at processes; what policy lets is restarted");
    check(&["-vlra"], &[&some]);
    let batch = format!("{own}: looks at the kernel; nothing is restarted");
    let tolerance = "peer: -t changes nothing: sources are told by more than their age";
    check(&["-v", "-kb", "-ra", "-t", "5"], &[&batch, tolerance]);
    check(&["-v", "-q", "-rl"], &[]);
    check(&["-rl", "-t", "5"], &[]);
}

/// Managers of two users, which have one name: what policy holds back of it waits.
#[test]
fn of_several_with_one_name_only_those_are_restarted_that_may() {
    let manager = |pid, uid: u32| {
        let unit = format!("user@{uid}.service");
        let mut stale = service(pid, &unit, "/usr/lib/systemd/systemd", "systemd");
        stale.cgroup =
            Bytes::from(format!("0::/user.slice/user-{uid}.slice/{unit}/init.scope\n").as_str());
        stale
    };
    #[track_caller]
    fn check(stale: Vec<Stale>, args: &[&str], typed: &str, expected: &[&str]) {
        let mut scene = nothing();
        scene.stale = stale;
        let mut machine = of(scene);
        machine.terminals = BOTH;
        machine.typed = [format!("{typed}\n")].into();
        let said = say(&mut machine, args);
        assert!(said.out.contains("user@*.service"), "{}", said.out);
        assert_eq!(*machine.done.borrow(), expected, "{args:?} {typed}");
    }
    let held = |mut stale: Stale| {
        stale.action = Action::Defer;
        stale.because[0].rule = "policy.x".to_owned();
        stale
    };
    let some = || vec![held(manager(7, 1000)), manager(8, 1001)];
    let one = ["restart user@1001.service"];
    check(some(), &["-ra", "-l"], "", &one);
    check(some(), &["-ri", "-l"], "y", &one);
    let all = || vec![held(manager(7, 1000)), held(manager(8, 1001))];
    check(all(), &["-ra", "-l"], "", &[]);
    let both = ["restart user@1000.service user@1001.service"];
    check(all(), &["-ri", "-l"], "y", &both);
}

/// Where needrestart's own are not in force.
#[test]
fn own_settings_say_how_much_is_done() {
    #[track_caller]
    fn check(own: Option<crate::model::Mode>, args: &[&str], is_done: bool) {
        let mut machine = machine();
        machine.own_mode = own;
        say(&mut machine, args);
        assert_eq!(
            !machine.done.borrow().is_empty(),
            is_done,
            "{own:?} {args:?}"
        );
    }
    use crate::model::Mode::{Auto, List};
    check(None, &["-m", "u"], true);
    check(Some(List), &["-m", "u"], false);
    check(Some(List), &["-m", "u", "-ra"], true);
    check(Some(Auto), &[], true);
    check(None, &[], false);
}

#[test]
fn nothing_is_restarted_by_half_of_a_policy() {
    #[track_caller]
    fn check(text: &str, args: &[&str], is_done: bool) {
        let (_dir, mut machine, file) = configured(text);
        machine.euid = rustix::process::geteuid().as_raw();
        if machine.euid != 0 {
            return;
        }
        let args = [&["-l", "-ra", "-c", file.to_str().unwrap()], args].concat();
        let said = say(&mut machine, &args);
        assert_eq!(!machine.done.borrow().is_empty(), is_done, "{text}");
        assert_eq!(said.err.contains("--lenient"), !is_done, "{}", said.err);
    }
    check("$nrconf{blacklist_rc} = [ qr(^x) ];", &[], true);
    let half = "foreach my $s (qw(pg mysql)) { $nrconf{override_rc}->{qr(^$s)} = 0; }";
    check(half, &[], false);
    check(half, &["--lenient"], true);
    check("push @{$nrconf{blacklist}}, qr(^/usr/bin/db$);", &[], true);
}

#[test]
fn what_may_not_be_executed_stands_for_no_command() {
    let mut machine = machine();
    let program = "/etc/needrestart/restart.d/cron.service";
    machine.files.insert(program.into(), Vec::new());
    machine.plain.push(program.into());
    let said = say(&mut machine, &["-rl", "-l"]);
    assert!(!said.out.contains(program), "{}", said.out);
}

#[test]
fn who_was_asked_is_not_told_besides() {
    let mut scene = nothing();
    scene.stale = vec![session(110)];
    let mut machine = of(scene);
    machine.terminals = BOTH;
    let program = "/etc/needrestart/notify.d/200-write";
    machine.files.insert(program.into(), Vec::new());
    let said = say(&mut machine, &["-ri", "-l"]);
    assert!(
        machine.done.borrow().is_empty(),
        "{:?} {said:?}",
        machine.done
    );
}

#[test]
fn a_line_has_an_end() {
    let mut scene = nothing();
    scene.stale = (31..45)
        .map(|pid| {
            let mut alone = service(pid, "x", "/opt/agentd", "x");
            alone.cgroup = Bytes::from("0::/\n");
            alone.owner = Owner::new(OwnerKind::Process, "/opt/agentd", Scope::System);
            alone
        })
        .collect();
    let said = say(&mut of(scene), &["-b", "-l"]);
    let line = "peer: 14 stale processes belong to no service: agentd[31,32,33,34,35,36,37,38] and 6 more\n";
    assert_eq!(said.err, line);
}

#[test]
fn a_broken_standard_error_changes_no_number() {
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    #[track_caller]
    fn check(args: &[&str], expected: u8) {
        let call = Call {
            variant: None,
            args: args.iter().map(OsString::from).collect(),
        };
        let mut voice = Voice {
            name: "needrestart",
            out: &mut io::sink(),
            err: &mut Full,
        };
        let exit = speak(&call, &mut machine(), &mut voice).unwrap();
        assert_eq!(exit, expected, "{args:?}");
    }
    check(&["-Z"], 1);
    check(&["-r", "x"], 255);
    check(&["-p", "-o"], 255);
    check(&["-u", "?"], 0);
}
