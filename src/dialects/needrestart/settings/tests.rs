use std::collections::BTreeMap;
use std::fs;
use std::io;

use super::*;
use crate::dialects::Terminals;
use crate::dialects::needrestart::names::Version;
use crate::dialects::testing::Pretended;

/// What is settled on a machine, and what is said.
fn settled(machine: &Pretended, args: &[&str]) -> (Result<Settings, Refused>, String) {
    let args: Vec<OsString> = args.iter().map(OsString::from).collect();
    let flags = Flags::parse(&args, Version::V3_11).unwrap();
    let mut err = Vec::new();
    let mut voice = Voice {
        name: "peer",
        out: &mut io::sink(),
        err: &mut err,
    };
    let settings = Settings::resolve(&flags, machine, &mut voice);
    (settings, String::from_utf8(err).unwrap())
}

/// As [`settled`], by a file that `-c` names, if there is a text for one.
fn settled_by(
    machine: &Pretended,
    configuration: Option<&str>,
    args: &[&str],
) -> (Settings, String) {
    let dir = tempfile::tempdir().unwrap();
    let own = dir.path().join("etc");
    fs::create_dir(&own).unwrap();
    let file = own.join("needrestart.conf");
    let mut args = args.to_vec();
    if let Some(text) = configuration {
        fs::write(&file, text).unwrap();
        args.extend(["-c", file.to_str().unwrap()]);
    }
    let (settings, err) = settled(machine, &args);
    (settings.unwrap(), err)
}

/// Somebody at a terminal. Files of a test are root's only if root tests.
fn somebody() -> Pretended {
    Pretended {
        euid: rustix::process::geteuid().as_raw(),
        terminals: Terminals {
            stdin: true,
            stdout: true,
            ..Terminals::default()
        },
        ..Pretended::default()
    }
}

#[test]
fn a_mode_counts_by_who_says_it() {
    struct Said {
        args: &'static [&'static str],
        variable: Option<&'static str>,
        late: Option<model::Mode>,
        theirs: Option<&'static str>,
        own: Option<model::Mode>,
    }
    #[track_caller]
    fn check(said: &Said, expected: Mode) {
        let variable = said.variable.map(OsString::from);
        let machine = Pretended {
            variables: variable
                .map(|mode| BTreeMap::from([("NEEDRESTART_MODE".to_owned(), mode)]))
                .unwrap_or_default(),
            own_mode: said.own,
            late_mode: said.late,
            ..somebody()
        };
        let theirs = said
            .theirs
            .map(|letter| format!("$nrconf{{restart}} = '{letter}';"));
        let (settings, err) = settled_by(&machine, theirs.as_deref(), said.args);
        assert_eq!((settings.mode, err.as_str()), (expected, ""));
    }
    use model::Mode::{Ask, Auto, List};
    let nobody = Said {
        args: &[],
        variable: None,
        late: None,
        theirs: None,
        own: None,
    };
    check(&nobody, Mode::Ask);
    let hook = Said {
        args: &["-m", "u"],
        ..nobody
    };
    check(&hook, Mode::Auto);
    let own = |own| Said {
        own: Some(own),
        ..hook
    };
    check(&own(List), Mode::List);
    check(&own(Ask), Mode::Ask);
    check(&own(Auto), Mode::Auto);
    let theirs = |theirs, own_mode| Said {
        theirs: Some(theirs),
        ..own(own_mode)
    };
    check(&theirs("l", Auto), Mode::List);
    check(&theirs("a", List), Mode::Auto);
    let late = |mode| Said {
        late: Some(mode),
        ..theirs("a", Auto)
    };
    check(&late(List), Mode::List);
    check(&late(Ask), Mode::Ask);
    let variable = Said {
        variable: Some("a"),
        ..late(List)
    };
    check(&variable, Mode::Auto);
    let option = Said {
        args: &["-m", "u", "-r", "l"],
        ..variable
    };
    check(&option, Mode::List);
}

#[test]
fn nobody_is_told_where_either_says_so() {
    #[track_caller]
    fn check(theirs: &str, own_silent: bool, told: bool) {
        let machine = Pretended {
            own_silent,
            ..somebody()
        };
        let (settings, _) = settled_by(&machine, Some(theirs), &[]);
        assert_eq!(settings.manner.sendnotify, told, "{theirs} {own_silent}");
    }
    check("", false, true);
    check("", true, false);
    check("$nrconf{sendnotify} = 0;", false, false);
    check("$nrconf{sendnotify} = 1;", true, false);
}

#[test]
fn what_is_not_understood_is_not_restarted_by() {
    #[track_caller]
    fn check(text: &str, args: &[&str], mode: Mode, said: bool) {
        let (settings, err) = settled_by(&somebody(), Some(text), args);
        assert_eq!(settings.mode, mode, "{text} {args:?}");
        let line = "nothing is restarted by settings that are not understood";
        assert_eq!(
            err.matches(line).count(),
            usize::from(said),
            "{text}: {err}"
        );
    }
    let rule = "$nrconf{override_rc}->{qr(^bar(?=baz))} = 0;";
    let auto = format!("$nrconf{{restart}} = 'a'; {rule}");
    check(&auto, &[], Mode::List, true);
    check(&auto, &["--lenient"], Mode::Auto, false);
    // Nothing is restarted by these anyway.
    check(&auto, &["-b"], Mode::List, false);
    check(rule, &["-r", "a"], Mode::List, true);
    check(rule, &[], Mode::Ask, false);
    check(rule, &["-r", "l"], Mode::List, false);
    let each = "$nrconf{restart} = 'a'; foreach my $s (qw(pg mysql)) { $nrconf{override_rc}->{qr(^$s)} = 0; }";
    check(each, &[], Mode::List, true);
    // What is left out on purpose is no reason.
    check(
        "$nrconf{restart} = 'a'; $nrconf{perlcache} = 1;",
        &[],
        Mode::Auto,
        false,
    );
}

#[test]
fn own_settings_count_instead_where_the_main_file_is_there() {
    #[track_caller]
    fn check(files: &[&str], args: &[&str], is_read: bool, said: &str) {
        let mut machine = somebody();
        for file in files {
            machine.files.insert((*file).into(), Vec::new());
        }
        let (settings, err) = settled(&machine, args);
        // The test's own machine need not have it: to look for it is to read it.
        let reads = match settings {
            Ok(settings) => settings.source.is_some(),
            Err(refused) => {
                assert_eq!(refused.exit, MISSING, "{refused:?}");
                refused.line.contains(CONFIG)
            }
        };
        assert_eq!(reads, is_read, "{files:?}");
        if !is_read {
            assert_eq!(err, said, "{files:?}");
        }
    }
    let not_read = format!("peer: {CONFIG} is not read: {OWN} counts\n");
    check(&[], &[], false, "");
    check(&[OWN], &[], false, "");
    check(&[CONFIG], &[], true, "");
    check(&[CONFIG, OWN], &[], false, &not_read);
    check(&[CONFIG, OWN], &["-q"], false, "");
    check(&[CONFIG, "/etc/unstale/conf.d/a.toml"], &[], true, "");
}

#[test]
fn programs_that_nobody_runs_are_named() {
    #[track_caller]
    fn check(files: &[&str], plain: &[&str], args: &[&str], said: bool) {
        let mut machine = somebody();
        for file in files.iter().chain(plain) {
            machine.files.insert((*file).into(), Vec::new());
        }
        machine.plain = plain.iter().map(Into::into).collect();
        let text = "$nrconf{hook_d} = '/site/hook.d';";
        let (_, err) = settled_by(&machine, Some(text), args);
        assert_eq!(err.matches("hook_d: ").count(), usize::from(said), "{err}");
    }
    check(&["/site/hook.d/10-site"], &[], &[], true);
    check(&["/site/hook.d/10-site"], &[], &["-q"], false);
    check(&[], &["/site/hook.d/README"], &[], false);
}
