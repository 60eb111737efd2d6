//! A recorded machine on which needrestart is configured: the whole way from the text to what is printed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use super::played::Played;
use super::recording;
use crate::config::import;
use crate::dialects::testing::{Pretended, speak};
use crate::dialects::{self, Machine as _, Wanted};

/// Where everything is stale.
const SCENE: &str = "needrestart-3.11/systemd-libc.r-l";

/// Programs that stand in for a restart.
const OWN_WAYS: &str = "/etc/needrestart/restart.d/";

/// What stands under each heading but that of names alone: line → heading.
fn listed(configuration: &str) -> BTreeMap<String, String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("needrestart.conf");
    fs::write(&file, configuration).unwrap();
    let (_, imported) = import::needrestart(&file, &dir.path().join("conf.d"), None).unwrap();
    assert_eq!(imported.untranslated, [""; 0], "{configuration}");
    let all = recording::all();
    let recording = all.iter().find(|one| one.id() == SCENE).unwrap();
    let wanted = Wanted {
        rules: Some(imported.toml),
        ..Wanted::default()
    };
    let scene = Played::new(recording, Vec::new()).look(&wanted).unwrap();
    let manager = |name: &str| (PathBuf::from(OWN_WAYS).join(name), Vec::new());
    let mut machine = Pretended {
        scene: Some(scene),
        files: ["systemd-manager", "systemd-user"].map(manager).into(),
        ..Pretended::default()
    };
    let words = [OsString::from("needrestart")];
    let (dialect, _) = dialects::called(&words, None).unwrap().unwrap();
    let said = speak(dialect.speak, Some("3.11"), &["-rl", "-l"], &mut machine);
    let mut heading = "";
    let mut lines = BTreeMap::new();
    for line in said.out.lines() {
        match line.strip_prefix(' ') {
            Some(name) => {
                let unit = name.strip_prefix("systemctl restart ");
                let name = unit.or(name.strip_prefix(OWN_WAYS)).unwrap_or(name);
                lines.insert(name.to_owned(), heading.to_owned());
            }
            None => heading = line,
        }
    }
    lines
}

/// What is listed otherwise than where nothing is configured.
#[track_caller]
fn check(configuration: &str, hidden: &[&str], deferred: &[&str], restarted: &[&str]) {
    let (before, after) = (listed(""), listed(configuration));
    let moved = |heading: Option<&str>| -> Vec<&str> {
        let differs = |name: &&String| {
            let now = after.get(*name).map(String::as_str);
            now != before.get(*name).map(String::as_str) && now == heading
        };
        before.keys().filter(differs).map(String::as_str).collect()
    };
    let deferring = "Service restarts being deferred:";
    assert_eq!(moved(None), hidden, "{configuration}");
    assert_eq!(moved(Some(deferring)), deferred, "{configuration}");
    let restarting = "Services to be restarted:";
    assert_eq!(moved(Some(restarting)), restarted, "{configuration}");
    assert!(after.keys().all(|name| before.contains_key(name)));
}

#[test]
fn lists_of_needrestart_change_what_is_printed() {
    // Services, by their units.
    check(
        "push @{$nrconf{blacklist_rc}}, qr(^chatd), qr(^frozen\\.service$);",
        &["chatd.service", "frozen.service"],
        &[],
        &[],
    );
    check(
        "$nrconf{override_rc}{qr(^chatd)} = 0; $nrconf{override_rc}{qr(^dbus)} = 1;",
        &[],
        &["chatd.service"],
        &["dbus.service"],
    );
    // Managers, by any expression.
    for text in ["^systemd-manager$", "systemd-man", "^systemd-m"] {
        let (hide, defer) = (
            format!("push @{{$nrconf{{blacklist_rc}}}}, qr({text});"),
            format!("$nrconf{{override_rc}}{{qr({text})}} = 0;"),
        );
        check(&hide, &["systemd-manager"], &[], &[]);
        check(&defer, &[], &["systemd-manager"], &[]);
    }
    // What helps a manager is hidden with it.
    check(
        "$nrconf{blacklist_rc} = [qr(^systemd-user$), qr(^sysv-init)];",
        &["alice @ user manager: (sd-pam)[85]", "systemd-user"],
        &[],
        &[],
    );
    // Whoever runs a program, whatever else of it is stale.
    check(
        "push @{$nrconf{blacklist}}, qr(^/usr/sbin/(cron|sshd)$);",
        &["cron.service", "ssh.service"],
        &[],
        &[],
    );
    check(
        "push @{$nrconf{blacklist}}, qr(^/usr/bin/sudo(\\.dpkg-new)?$);",
        &[],
        &[],
        &[],
    );
}
