use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::Manner;
use crate::config::import::{Imported, needrestart};
use crate::error::Error;
use crate::model::Pattern;

/// Lines of `needrestart.conf`.
fn spoken(lines: &str) -> (Manner, Imported) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("needrestart.conf");
    fs::write(&file, lines).unwrap();
    needrestart(&file, &dir.path().join("none"), None).unwrap()
}

#[track_caller]
fn check(lines: &str, expected: Manner) {
    let (manner, imported) = spoken(lines);
    assert_eq!(manner, expected, "{lines}");
    assert_eq!(imported.untranslated, [""; 0], "{lines}");
    // What is said here is not said a second time, as policy.
    assert!(!imported.toml.contains('['), "{lines}\n{}", imported.toml);
}

#[test]
fn what_is_no_policy_is_said_as_it_is() {
    let base = Manner::default;
    check("", base());
    check(
        "$nrconf{verbosity} = 2;",
        Manner {
            verbosity: 2,
            ..base()
        },
    );
    check(
        "$nrconf{restart} = 'a';",
        Manner {
            restart: Some("a".to_owned()),
            ..base()
        },
    );
    // What is wrong with it is for whoever uses it.
    check(
        "$nrconf{restart} = 'z'; $nrconf{ui_mode} = 'e';",
        Manner {
            restart: Some("z".to_owned()),
            ui_mode: Some("e".to_owned()),
            ..base()
        },
    );
    check(
        "$nrconf{defno} = 1;",
        Manner {
            defno: true,
            ..base()
        },
    );
    check(
        "$nrconf{systemctl_combine} = 1; $nrconf{sendnotify} = 0; $nrconf{has_pam_systemd} = 0;",
        Manner {
            systemctl_combine: true,
            sendnotify: false,
            by_terminal: true,
            ..base()
        },
    );
    check(
        "$nrconf{kernelhints} = -1; $nrconf{ucodehints} = '0'; $nrconf{exitWhenNoneSelected} = 1;",
        Manner {
            kernel_hint: -1,
            ucode_hint: 0,
            skip_empty_dialog: true,
            ..base()
        },
    );
    check(
        "$nrconf{kernelfilter} = qr(vmlinuz-.*-rpi-v8$);",
        Manner {
            kernel_filter: Some(Pattern::parse("*vmlinuz-*-rpi-v8").unwrap()),
            ..base()
        },
    );
    check(
        "$nrconf{hook_d} = '/a'; $nrconf{notify_d} = '/b'; $nrconf{restart_d} = '/c';",
        Manner {
            hook_d: "/a".into(),
            notify_d: "/b".into(),
            restart_d: "/c".into(),
            ..base()
        },
    );
    let nagios = |rows: &[(&str, i64)]| Manner {
        nagios: rows
            .iter()
            .map(|(name, state)| ((*name).to_owned(), *state))
            .collect(),
        ..base()
    };
    check(
        "$nrconf{'nagios-status'}->{sessions} = 0;",
        nagios(&[("sessions", 0)]),
    );
    check(
        "$nrconf{'nagios-status'} = { services => 2, q(ucode) => 1 }; $nrconf{q(nagios-status)}{ucode} = 3;",
        nagios(&[("services", 2), ("ucode", 3)]),
    );
}

#[test]
fn t10_27_what_cannot_be_done_is_named() {
    #[track_caller]
    fn check(line: &str, why: &str) {
        let (_, imported) = spoken(&format!("\n{line}\n"));
        let [lost] = &imported.untranslated[..] else {
            panic!("{line}: {imported:#?}");
        };
        assert!(
            lost.contains(&format!("needrestart.conf:2: {why}")),
            "{lost}"
        );
    }
    check("$nrconf{tolerance} = 9;", "tolerance: ");
    check(
        "$nrconf{kernel_linux_glob} = '/boot/x*';",
        "kernel_linux_glob: ",
    );
    check("$nrconf{kernelfilter} = qr((?=a));", "kernelfilter: ");
    check(
        "$nrconf{'nagios-status'}->{sessions} = 7;",
        "nagios-status: ",
    );
    check("$nrconf{'nagios-status'} = 7;", "nagios-status: ");
    check("$nrconf{verbosity} = 'much';", "verbosity: ");
    check("system('reboot');", "");
    let (_, imported) =
        spoken("$nrconf{kernel_linux_glob} = '/boot/vmlinu* /boot/*.img /boot/kernel*';");
    assert_eq!(imported.untranslated, [""; 0]);
}

/// The block at the end of the shipped file, in other words.
const READS_DROP_INS: &str = "if(-d q(/etc/needrestart/conf.d)) {
  foreach my $fn (sort </etc/needrestart/conf.d/*.conf>) { eval do { local(@ARGV, $/) = $fn; <> }; }
}
";

#[test]
fn drop_ins_are_read_where_the_file_says_so() {
    #[track_caller]
    fn check(main: &str, restart: Option<&str>) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("site.conf");
        // What is beside the file is nobody's.
        for (directory, letter) in [("conf.d", "q"), ("etc", "l")] {
            let directory = dir.path().join(directory);
            fs::create_dir(&directory).unwrap();
            let line = format!("$nrconf{{restart}} = '{letter}';");
            fs::write(directory.join("a.conf"), line).unwrap();
        }
        fs::write(&file, main).unwrap();
        let (manner, imported) = needrestart(&file, &dir.path().join("etc"), None).unwrap();
        assert_eq!(manner.restart.as_deref(), restart, "{main}");
        assert_eq!(imported.untranslated, [""; 0], "{main}");
    }
    let ask = "$nrconf{restart} = 'i';\n";
    check("", None);
    check(ask, Some("i"));
    check(READS_DROP_INS, Some("l"));
    check(&format!("{ask}{READS_DROP_INS}"), Some("l"));
    check(&format!("{READS_DROP_INS}{ask}"), Some("i"));
}

#[test]
fn policy_stays_policy() {
    let (manner, imported) =
        spoken("$nrconf{override_rc} = { qr(^a) => 1 }; $nrconf{interpscan} = 0;");
    assert_eq!(manner, Manner::default());
    assert!(
        imported.toml.contains("needrestart-restart"),
        "{}",
        imported.toml
    );
    assert!(
        imported.toml.contains("[plugins]\ndisable"),
        "{}",
        imported.toml
    );
}

#[test]
fn what_others_could_have_written_is_refused() {
    // A directory of our own: in one where anybody makes names, no file is trusted.
    let dir = tempfile::tempdir().unwrap();
    let own = dir.path().join("etc");
    fs::create_dir(&own).unwrap();
    let file: PathBuf = own.join("needrestart.conf");
    fs::write(&file, "$nrconf{verbosity} = 2;").unwrap();
    let euid = Some(rustix::process::geteuid().as_raw());
    let mode =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(&file, 0o644);
    let drop_ins = own.join("conf.d");
    assert_eq!(needrestart(&file, &drop_ins, euid).unwrap().0.verbosity, 2);
    mode(&file, 0o646);
    assert!(needrestart(&file, &drop_ins, None).is_ok());
    let error = needrestart(&file, &drop_ins, euid).unwrap_err();
    assert!(matches!(&error, Error::Form { .. }), "{error}");
    assert!(error.to_string().contains("not trusted"), "{error}");
    // Drop-ins are no better.
    mode(&file, 0o644);
    let drop_in = drop_ins.join("a.conf");
    fs::create_dir(&drop_ins).unwrap();
    fs::write(&drop_in, "").unwrap();
    mode(&drop_in, 0o666);
    fs::write(&file, READS_DROP_INS).unwrap();
    assert!(needrestart(&file, &drop_ins, euid).is_err());
    // Missing is another thing than not trusted.
    let error = needrestart(&own.join("none"), &drop_ins, euid).unwrap_err();
    assert!(
        matches!(&error, Error::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound),
        "{error}"
    );
}
