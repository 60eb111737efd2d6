//! Against recordings of 1.14.42 and 1.14.89.

use crate::dialects::testing::{Pretended, Spoken, nothing, service, speak};
use crate::dialects::{Call, OldFile, OldPart, Scene, Speak, Stale, Voice};
use crate::model::{
    Boot, Bytes, Cause, Flag, Level, Owner, OwnerKind, Runtime, Scope, Setting, Timestamp, WhyNot,
};
use crate::problem::Problem;

/// The processes of the recordings called `rpm-stale`.
fn rpm_stale() -> Scene {
    let svcfood = service(127, "svcfood.service", "/opt/svcfoo/bin/svcfood", "svcfoo");
    let session = Stale {
        pid: 130,
        uid: 1000,
        user: "alice".to_owned(),
        cgroup: Bytes::from("0::/user.slice/user-1000.slice/session-3.scope\n"),
        owner: Owner::new(OwnerKind::Session, "3", Scope::System),
        ..svcfood.clone()
    };
    let umad = service(129, "umad.service", "/usr/lib/uma/umad", "uma");
    let mut sleep = service(132, "libuser.service", "/usr/bin/sleep", "coreutils");
    sleep.exe = Some(Bytes::from("/usr/bin/sleep"));
    sleep.files = vec![library("/opt/multi/lib/libmulti.so.1.1.0")];
    let mut scene = nothing();
    scene.stale = vec![svcfood, umad, session, sleep];
    scene
}

fn library(path: &str) -> OldFile {
    OldFile {
        path: Bytes::from(path),
        name: Bytes::from(format!("{path} (deleted)").as_str()),
        part: OldPart::Library,
        packages: Vec::new(),
    }
}

fn on(scene: Scene) -> Pretended {
    Pretended {
        scene: Some(scene),
        ..Pretended::default()
    }
}

fn flagged(mut machine: Pretended, file: &str) -> Pretended {
    machine.files.insert(file.into(), Vec::new());
    machine
}

const HEAD: &str = "The following running processes use deleted files:\n\n";
const TAIL: &str = "\nYou may wish to restart these processes.
See 'man zypper' for information about the meaning of values in the above table.\n";
const NO: &str = "
No core libraries or services have been updated since the last system boot.
Reboot is probably not necessary.\n";
const YES: &str = "
Since the last system boot core libraries or services have been updated.
Reboot is suggested to ensure that your system benefits from these updates.\n";
const OLD_NO: &str = "
No core libraries or services have been updated.
Reboot is probably not necessary.\n";
const OLD_YES: &str = "
Core libraries or services have been updated.
Reboot is required to ensure that your system benefits from these updates.\n";
const NOTHING: &str = "No processes using deleted files found.\n";
const TABLE: &str = "\
PID | PPID | UID  | User  | Command           | Service
----+------+------+-------+-------------------+--------
127 | 1    | 0    | root  | svcfood (deleted) | svcfood
129 | 1    | 0    | root  | umad (deleted)    | umad
130 | 1    | 1000 | alice | svcfood (deleted) | \n\
132 | 1    | 0    | root  | sleep             | libuser\n";
const SERVICES: &str = "\
PID | PPID | UID | User | Command           | Service
----+------+-----+------+-------------------+--------
127 | 1    | 0   | root | svcfood (deleted) | svcfood
129 | 1    | 0   | root | umad (deleted)    | umad
132 | 1    | 0   | root | sleep             | libuser\n";
const FILES: &str = "\
PID | PPID | UID  | User  | Command           | Service | Files
----+------+------+-------+-------------------+---------+----------------------------------
127 | 1    | 0    | root  | svcfood (deleted) | svcfood | /opt/svcfoo/bin/svcfood (deleted)
129 | 1    | 0    | root  | umad (deleted)    | umad    | /usr/lib/uma/umad (deleted)
130 | 1    | 1000 | alice | svcfood (deleted) |         | /opt/svcfoo/bin/svcfood (deleted)
132 | 1    | 0    | root  | sleep             | libuser | /opt/multi/lib/libmulti.so.1.1.0\n";

fn parts(parts: &[&str]) -> String {
    parts.concat()
}

#[track_caller]
fn said(speaker: Speak, variant: Option<&str>, args: &[&str], machine: &mut Pretended) -> Spoken {
    speak(speaker, variant, args, machine)
}

#[track_caller]
fn check(speaker: Speak, args: &[&str], mut machine: Pretended, exit: u8, out: &str) {
    let spoken = said(speaker, None, args, &mut machine);
    assert_eq!((spoken.out.as_str(), spoken.exit), (out, exit), "{args:?}");
    assert_eq!(spoken.err, "", "{args:?}");
}

#[test]
fn tables_are_as_recorded() {
    let check = |args: &[&str], exit, out: &str| {
        check(super::ps, args, on(rpm_stale()), exit, out);
    };
    check(&[], 0, &parts(&[HEAD, FILES, TAIL, NO]));
    check(&["ps"], 0, &parts(&[HEAD, FILES, TAIL, NO]));
    check(&["-s"], 0, &parts(&[HEAD, TABLE, TAIL, NO]));
    check(&["ps", "--short"], 0, &parts(&[HEAD, TABLE, TAIL, NO]));
    check(&["-ss"], 0, &parts(&[HEAD, SERVICES, TAIL, NO]));
    check(&["-s", "-s"], 0, &parts(&[HEAD, SERVICES, TAIL, NO]));
    check(&["-sss"], 0, "libuser\nsvcfood\numad\n");
    check(&["-ssss"], 0, "libuser\nsvcfood\numad\n");
    let print = "systemctl restart libuser\nsystemctl restart svcfood\nsystemctl restart umad\n";
    check(&["ps", "--print", "systemctl restart %s"], 0, print);
    check(
        &["--print=-%s%%s%"],
        0,
        "-libuser%libuser%\n-svcfood%svcfood%\n-umad%umad%\n",
    );
    check(&["-q", "ps", "-s"], 0, &parts(&["\n", TABLE, "\n"]));
}

#[test]
fn nothing_is_said_as_recorded() {
    let check = |args: &[&str], out: &str| check(super::ps, args, on(nothing()), 0, out);
    check(&[], &parts(&[NOTHING, NO]));
    check(&["-ss"], &parts(&[NOTHING, NO]));
    check(&["-sss"], "");
    check(&["--print", "%s"], "");
    check(&["-q", "-s"], "");
    let mut scene = rpm_stale();
    scene.stale.retain(|one| one.pid == 130);
    super::tests::check(super::ps, &["-ss"], on(scene), 0, &parts(&[NOTHING, NO]));
}

#[test]
fn the_flag_file_suggests_a_reboot() {
    let here = |file: &str| flagged(on(rpm_stale()), file);
    const NEW: &str = "/run/reboot-needed";
    let table = parts(&[HEAD, TABLE, TAIL, YES]);
    check(super::ps, &["-s"], here(NEW), 102, &table);
    check(
        super::ps,
        &["-sss"],
        here(NEW),
        0,
        "libuser\nsvcfood\numad\n",
    );
    let rebooting = super::needs_rebooting;
    check(rebooting, &[], here(NEW), 102, &YES[1..]);
    check(rebooting, &["-q", "needs-rebooting"], here(NEW), 102, "");
    check(rebooting, &[], on(rpm_stale()), 0, &NO[1..]);
    check(super::ps, &["needs-rebooting"], here(NEW), 102, &YES[1..]);
    check(rebooting, &["ps", "-s"], here(NEW), 102, &table);
    check(super::wrapper, &[], here(NEW), 102, &table);
    let services = parts(&[HEAD, SERVICES, TAIL, YES]);
    check(super::wrapper, &["-s"], here(NEW), 102, &services);
    check(super::wrapper, &["-r"], here(NEW), 1, &YES[1..]);
    check(
        super::wrapper,
        &["--reboothint", "--services"],
        here(NEW),
        1,
        &YES[1..],
    );
    check(super::wrapper, &["-r"], on(rpm_stale()), 0, &NO[1..]);
}

fn problem(operation: &str, object: &str, pid: Option<u32>, why: WhyNot) -> Problem {
    Problem {
        operation: operation.to_owned(),
        object: Bytes::from(object),
        pid,
        why,
    }
}

/// A boot of another root, in which this flag file was found.
fn boot(flag: Option<&str>) -> Boot {
    let at = Timestamp { secs: 1, nanos: 0 };
    Boot {
        setting: Setting::OtherRoot,
        started: at,
        earliest: at,
        out_of_sight: false,
        kernel: None,
        live_patches: Vec::new(),
        microcode: None,
        deployments: Vec::new(),
        flags: flag
            .map(|path| Flag {
                path: Bytes::from(path),
                level: Level::Reboot,
                packages: Vec::new(),
                since: at,
                own: false,
            })
            .into_iter()
            .collect(),
        listed: Vec::new(),
    }
}

#[test]
fn the_flag_file_of_another_root_is_found_by_who_looks_there() {
    let (yes, no) = ((102, &YES[1..]), (0, &NO[1..]));
    let check = |machine: fn() -> Pretended, (exit, text): (u8, &str)| {
        for args in [&["-R", "/mnt"][..], &["-R", "/mnt", "--compat-bugs"]] {
            super::tests::check(super::needs_rebooting, args, machine(), exit, text);
        }
        let table = parts(&[NOTHING, "\n", text]);
        super::tests::check(super::ps, &["-R", "/mnt"], machine(), exit, &table);
    };
    // What a link of that root leads to on the host is none of its files.
    check(|| below(None, "/run/reboot-needed"), no);
    check(|| below(None, "/mnt/run/reboot-needed"), no);
    check(|| below(Some("/run/reboot-needed"), "/x"), yes);
    check(|| below(Some("/var/run/reboot-needed"), "/x"), yes);
    check(|| below(Some("/run/reboot-required"), "/x"), no);
    let untold = |machine: &mut Pretended| {
        for args in [&["-R", "/mnt"][..], &["-R", "/mnt", "--compat-bugs"]] {
            let spoken = said(super::needs_rebooting, None, args, machine);
            assert_eq!((spoken.out.as_str(), spoken.exit), ("", 4), "{args:?}");
            assert!(spoken.err.contains("could not be told"), "{}", spoken.err);
        }
    };
    let mut hidden = below(None, "/x");
    let problems = &mut hidden.scene.as_mut().unwrap().problems;
    problems.push(problem("look at", "/var/run", None, WhyNot::Denied));
    untold(&mut hidden);
    untold(&mut on(nothing()));
    let compat = ["-R", "/nonexistent", "--compat-bugs"];
    let spoken = said(
        super::needs_rebooting,
        None,
        &compat,
        &mut Pretended::default(),
    );
    assert_eq!((spoken.out.as_str(), spoken.exit), ("", 4));
}

fn below(flag: Option<&str>, host: &str) -> Pretended {
    let mut scene = nothing();
    scene.boot = Some(boot(flag));
    flagged(on(scene), host)
}

#[test]
fn a_flag_file_that_cannot_be_looked_at_is_not_missing() {
    let check = |speaker: Speak, variant, file: &str, args: &[&str], exit| {
        let mut machine = on(nothing());
        machine.closed.insert(file.into());
        let spoken = said(speaker, variant, args, &mut machine);
        assert_eq!(spoken.exit, exit, "{args:?}");
        assert!(!spoken.out.contains("eboot"), "{}", spoken.out);
        let why = format!("peer: cannot look at {file}: permission denied\n");
        assert!(spoken.err.starts_with(&why), "{}", spoken.err);
    };
    let (new, old) = ("/run/reboot-needed", "/var/run/reboot-needed");
    for args in [&[][..], &["--compat-bugs"]] {
        check(super::needs_rebooting, None, new, args, 4);
        check(super::needs_rebooting, Some("1.14.42"), old, args, 4);
        check(super::ps, None, new, args, 4);
    }
    check(super::wrapper, None, new, &["-r"], 3);
}

#[test]
fn a_no_rests_on_packages_and_the_kernel() {
    let with = |euid, problem: Problem| {
        let mut scene = nothing();
        scene.euid = euid;
        scene.problems = vec![problem];
        on(scene)
    };
    let image = || problem("read", "/boot/vmlinuz-99", None, WhyNot::Denied);
    let line = "peer: cannot read /boot/vmlinuz-99: permission denied\n";
    let untold = format!("{line}peer: {}\n", super::UNTOLD);
    let check =
        |speaker: Speak, args: &[&str], mut machine: Pretended, exit, out: &str, err: &str| {
            let spoken = said(speaker, None, args, &mut machine);
            let told = (spoken.out.as_str(), spoken.err.as_str(), spoken.exit);
            assert_eq!(told, (out, err, exit), "{args:?}");
        };
    for euid in [0, 1000] {
        let machine = || with(euid, image());
        check(super::needs_rebooting, &[], machine(), 4, "", &untold);
        check(super::wrapper, &["-r"], machine(), 3, "", &untold);
        // By the flag file alone.
        let compat = ["--compat-bugs"];
        check(super::needs_rebooting, &compat, machine(), 0, &NO[1..], "");
    }
    let spoken = said(super::ps, None, &["-s"], &mut with(0, image()));
    assert_eq!((spoken.out.as_str(), spoken.exit), (NOTHING, 4));
    // Processes have no part in it, and are told.
    let maps = problem("read", "maps", Some(7), WhyNot::Denied);
    let closed = "peer: cannot read maps of pid 7: permission denied\n";
    let no = &NO[1..];
    check(super::needs_rebooting, &[], with(0, maps), 0, no, closed);
    let others = Problem::of_others(11);
    let closed = "peer: not run by root: 11 processes could not be looked into\n";
    check(super::wrapper, &["-r"], with(1000, others), 0, no, closed);
}

#[test]
fn a_cell_ends_where_it_ends() {
    let mut scene = nothing();
    let mut one = service(9, "x.service", "/x/y", "x");
    one.owner = Owner::new(OwnerKind::Session, "3", Scope::User(1000));
    one.exe = Some(Bytes::from("/x/a | sshd"));
    one.user = "a|b".to_owned();
    one.files = vec![library("/x/l | m")];
    scene.stale = vec![one];
    let table = "\
PID | PPID | UID | User   | Command     | Service | Files
----+------+-----+--------+-------------+---------+------------
9   | 1    | 0   | a\\x7cb | a \\x7c sshd |         | /x/l \\x7c m\n";
    check(
        super::ps,
        &[],
        on(scene),
        0,
        &parts(&[HEAD, table, TAIL, NO]),
    );
}

#[test]
fn the_older_generation_says_it_otherwise() {
    let check = |args: &[&str], machine: Pretended, exit, out: &str| {
        let mut machine = machine;
        let spoken = said(super::needs_rebooting, Some("1.14.42"), args, &mut machine);
        assert_eq!((spoken.out.as_str(), spoken.exit), (out, exit), "{args:?}");
    };
    let old = || flagged(on(rpm_stale()), "/var/run/reboot-needed");
    check(&[], old(), 102, &OLD_YES[1..]);
    check(&[], on(rpm_stale()), 0, &OLD_NO[1..]);
    check(
        &["ps", "-s"],
        old(),
        102,
        &parts(&[HEAD, TABLE, TAIL, OLD_YES]),
    );
}

#[test]
fn what_was_found_suggests_a_reboot_too() {
    let with = |level, sure| {
        let mut scene = nothing();
        let mut cause = Cause::new("kernel.newer", level, "x".to_owned());
        cause.sure = sure;
        scene.reboot.level = Some(level);
        scene.reboot.causes = vec![cause];
        on(scene)
    };
    let rebooting = super::needs_rebooting;
    check(rebooting, &[], with(Level::Reboot, true), 102, &YES[1..]);
    check(
        rebooting,
        &[],
        with(Level::SoftReboot, true),
        102,
        &YES[1..],
    );
    check(rebooting, &[], with(Level::Session, true), 0, &NO[1..]);
    let compat = ["--compat-bugs"];
    check(rebooting, &compat, with(Level::Reboot, true), 0, &NO[1..]);
    check(
        super::ps,
        &[],
        with(Level::Reboot, true),
        102,
        &parts(&[NOTHING, YES]),
    );
    check(
        super::ps,
        &compat,
        with(Level::Reboot, true),
        0,
        &parts(&[NOTHING, NO]),
    );
    check(
        super::wrapper,
        &["-r"],
        with(Level::Reboot, true),
        1,
        &YES[1..],
    );
    let unsure = |speaker: Speak, args: &[&str], exit| {
        let spoken = said(speaker, None, args, &mut with(Level::Reboot, false));
        let said = spoken.err.contains("could not be told");
        assert_eq!((said, spoken.exit), (true, exit), "{args:?}");
        assert!(!spoken.out.contains("eboot"), "{}", spoken.out);
    };
    unsure(rebooting, &[], 4);
    unsure(super::ps, &[], 4);
    unsure(super::wrapper, &["-r"], 3);
}

#[test]
fn a_check_that_failed_is_no_answer() {
    let check = |speaker: Speak, args: &[&str], exit| {
        let spoken = said(speaker, None, args, &mut Pretended::default());
        assert_eq!(spoken.exit, exit, "{args:?}");
        assert!(spoken.err.starts_with("Check failed:\n"), "{}", spoken.err);
        match args {
            ["-x"] => {
                let document = roxmltree::Document::parse(&spoken.out).unwrap();
                let message = document.root_element().first_element_child().unwrap();
                assert_eq!(message.attribute("type"), Some("error"));
            }
            _ => assert_eq!(spoken.out, "", "{args:?}"),
        }
    };
    check(super::ps, &["-x"], 4);
    check(super::needs_rebooting, &["-x"], 4);
    check(super::ps, &[], 4);
    check(super::ps, &["-sss"], 4);
    check(super::needs_rebooting, &[], 4);
    check(super::wrapper, &[], 4);
    check(super::wrapper, &["-r"], 3);
}

#[test]
fn what_was_not_seen_is_said() {
    let with = |euid, why: WhyNot| {
        let mut scene = nothing();
        scene.euid = euid;
        scene.problems = vec![Problem {
            operation: "read maps".to_owned(),
            object: Bytes::from("/proc/7/maps"),
            pid: Some(7),
            why,
        }];
        on(scene)
    };
    let check = |args: &[&str], mut machine: Pretended, exit, err: &str| {
        let spoken = said(super::ps, None, args, &mut machine);
        assert_eq!((spoken.err.as_str(), spoken.exit), (err, exit), "{args:?}");
    };
    let problem = "peer: cannot read maps /proc/7/maps of pid 7: permission denied\n";
    check(&[], with(0, WhyNot::Denied), 4, problem);
    check(&["-sss"], with(0, WhyNot::Denied), 4, problem);
    check(&[], with(1000, WhyNot::Denied), 0, "");
    let closed = "peer: not run by root: 1 processes could not be looked into\n";
    check(&["-sss"], with(1000, WhyNot::Denied), 0, closed);
    check(&["-q"], with(1000, WhyNot::Denied), 0, closed);
    let late = "peer: cannot read maps /proc/7/maps of pid 7: no answer in time\n";
    check(&[], with(1000, WhyNot::TimedOut), 4, late);
    let mut machine = with(1000, WhyNot::Denied);
    let out = said(super::ps, None, &[], &mut machine).out;
    let note = format!("{NOTHING}{NO}\n{}\n", super::NOT_ROOT);
    assert_eq!(out, note);
}

#[test]
fn an_xml_stream_holds_the_table_as_data() {
    let text = said(super::ps, None, &["-x", "ps", "-s"], &mut on(rpm_stale())).out;
    let document = roxmltree::Document::parse(&text).unwrap();
    let stream = document.root_element();
    let data: String = stream
        .children()
        .filter(|node| node.is_text())
        .filter_map(|node| node.text())
        .collect();
    assert!(data.contains(TABLE), "{data}");
    let messages: Vec<&str> = stream
        .children()
        .filter(roxmltree::Node::is_element)
        .map(|node| node.text().unwrap_or_default())
        .collect();
    assert_eq!(messages.len(), 6);
    assert_eq!(messages[2][..17], *"See 'man zypper' ");

    let recorded = format!(
        "<?xml version='1.0'?>\n<stream>\n<message type=\"info\">The following running processes use deleted files:</message>\n\n{TABLE}\n\
<message type=\"info\">You may wish to restart these processes.</message>\n\
<message type=\"info\">See &apos;man zypper&apos; for information about the meaning of values in the above table.</message>\n\
<message type=\"info\"></message>\n\
<message type=\"info\">Since the last system boot core libraries or services have been updated.</message>\n\
<message type=\"info\">Reboot is suggested to ensure that your system benefits from these updates.</message>\n</stream>\n"
    );
    let mut machine = flagged(on(rpm_stale()), "/run/reboot-needed");
    let args = ["-x", "ps", "-s", "--compat-bugs"];
    let spoken = said(super::ps, None, &args, &mut machine);
    assert_eq!((spoken.out, spoken.exit), (recorded, 102));
}

#[test]
fn names_of_processes_do_not_break_the_stream() {
    let mut scene = rpm_stale();
    for one in &mut scene.stale {
        one.exe = Some(Bytes::from("/x/]]></stream>\u{fffe}\u{1b}&<"));
    }
    let text = said(super::ps, None, &["-xs"], &mut on(scene)).out;
    let document = roxmltree::Document::parse(&text).unwrap();
    let data: String = document
        .root_element()
        .children()
        .filter(|node| node.is_text())
        .filter_map(|node| node.text())
        .collect();
    assert!(
        data.contains("| stream>\u{fffd}\\x1b&< | svcfood\n"),
        "{data}"
    );
}

#[test]
fn a_process_has_a_line_for_each_file() {
    let mut scene = nothing();
    let mut cron = service(51, "cron.service", "/usr/sbin/cron", "cron");
    cron.files
        .push(library("/usr/lib/x86_64-linux-gnu/libc.so.6"));
    cron.files.push(OldFile {
        part: OldPart::Data,
        ..library("/var/log/x")
    });
    scene.stale = vec![cron];
    let table = "\
PID | PPID | UID | User | Command        | Service | Files
----+------+-----+------+----------------+---------+------------------------------------
51  | 1    | 0   | root | cron (deleted) | cron    | /usr/sbin/cron (deleted)
    |      |      |      |                |         | /usr/lib/x86_64-linux-gnu/libc.so.6\n"
        .replace("    |      |      |      ", "    |      |     |      ");
    check(
        super::ps,
        &[],
        on(scene),
        0,
        &parts(&[HEAD, &table, TAIL, NO]),
    );
}

#[test]
fn the_service_is_one_of_the_system_below_its_slice() {
    let check = |kind, name: &str, scope, cgroup: &str, service: &str| {
        let mut scene = nothing();
        let mut one = super::super::testing::service(9, "x.service", "/usr/bin/x", "x");
        one.owner = Owner::new(kind, name, scope);
        one.cgroup = Bytes::from(cgroup);
        scene.stale = vec![one];
        let rows = super::rows::of(&scene, false);
        assert_eq!(rows[0].service, service, "{name} {cgroup}");
    };
    let unit = OwnerKind::Unit;
    let system = Scope::System;
    check(
        unit,
        "x.service",
        system,
        "0::/system.slice/x.service\n",
        "x",
    );
    check(
        unit,
        "x@a\\x2db.service",
        system,
        "0::/system.slice/system-x.slice/x@a\\x2db.service/sub",
        "x@a\\x2db",
    );
    check(
        unit,
        "x.service",
        system,
        "12:pids:/y\n1:name=systemd:/system.slice/x.service\n",
        "x",
    );
    check(
        unit,
        "x.service",
        system,
        "12:pids:/system.slice/x.service\n0::/other.slice/x.service\n",
        "",
    );
    check(unit, "x.scope", system, "0::/system.slice/x.scope\n", "");
    check(
        unit,
        "x.service",
        Scope::User(1000),
        "0::/user.slice/user-1000.slice/user@1000.service/x.service\n",
        "",
    );
    check(
        OwnerKind::Session,
        "3",
        system,
        "0::/system.slice/x.service\n",
        "",
    );
}

#[test]
fn containers_are_left_out_and_opt_is_not() {
    let mut scene = nothing();
    let mut sandboxed = service(5, "x.service", "/usr/bin/x", "x");
    sandboxed.other_pid_ns = true;
    let mut inside = sandboxed.clone();
    inside.pid = 6;
    inside.owner.kind = OwnerKind::Container(Runtime::Podman);
    let optd = service(134, "optd.service", "/opt/optd/optd", "multi");
    let tmp = service(135, "t.service", "/tmp/bin/t", "t");
    scene.stale = vec![sandboxed, inside, optd, tmp];
    let pids = |compat| {
        let rows = super::rows::of(&scene, compat);
        rows.iter().map(|row| row.pid).collect::<Vec<_>>()
    };
    assert_eq!(pids(false), [5, 134, 135]);
    assert_eq!(pids(true), [0; 0]);
    assert_eq!(super::rows::of(&rpm_stale(), true).len(), 4);
    let told = said(super::ps, None, &["-s"], &mut on(scene)).err;
    assert_eq!(told, "peer: not shown, in containers: 1 processes\n");
}

#[test]
fn wrong_command_lines_are_refused() {
    let check = |speaker: Speak, args: &[&str], exit, err: &str| {
        let spoken = said(speaker, None, args, &mut on(rpm_stale()));
        assert_eq!((spoken.err.as_str(), spoken.exit), (err, exit), "{args:?}");
        assert_eq!(spoken.out, "", "{args:?}");
    };
    check(super::ps, &["-y"], 2, "Unknown option '-y'\n");
    check(super::ps, &["--nope"], 2, "Unknown option '--nope'\n");
    check(
        super::ps,
        &["--print"],
        2,
        "Wrong use of option '--print <FORMAT>'\n",
    );
    check(super::ps, &["x"], 3, "Too many arguments: x\n");
    check(
        super::ps,
        &["ps", "x\u{1b}", "y"],
        3,
        "Too many arguments: x\\x1b y\n",
    );
    check(
        super::needs_rebooting,
        &["-s"],
        2,
        "needs-rebooting takes no options of ps\n",
    );
    let unknown = "needs-restarting: error: unrecognized argument -u\n";
    check(super::wrapper, &["-u"], 2, unknown);
}

#[test]
fn nobody_has_to_hear_what_went_wrong() {
    let check = |speaker: Speak, args: &[&str], exit| {
        let call = Call {
            variant: None,
            args: args.iter().map(std::ffi::OsString::from).collect(),
        };
        let (mut out, mut full) = (Vec::new(), [0; 0]);
        let mut voice = Voice {
            name: "peer",
            out: &mut out,
            err: &mut full.as_mut_slice(),
        };
        let told = speaker(&call, &mut Pretended::default(), &mut voice);
        assert_eq!(told.unwrap(), exit, "{args:?}");
    };
    check(super::ps, &[], 4);
    check(super::ps, &["-y"], 2);
    check(super::ps, &["x"], 3);
    check(super::wrapper, &["-Z"], 2);
}

#[test]
fn global_options_are_taken() {
    let global = [
        "-A",
        "-t",
        "--no-gpg-checks",
        "--gpg-auto-import-keys",
        "-n",
    ];
    check(super::ps, &global, on(nothing()), 0, &parts(&[NOTHING, NO]));
}

#[test]
fn help_names_the_options() {
    let check = |speaker: Speak, options: &[&str]| {
        let spoken = said(speaker, None, &["--help"], &mut Pretended::default());
        assert_eq!((spoken.exit, spoken.err.as_str()), (0, ""));
        for option in options {
            assert!(spoken.out.contains(option), "{option}: {}", spoken.out);
        }
    };
    check(
        super::ps,
        &[
            "--short",
            "--print",
            "--debugFile",
            "--quiet",
            "--xmlout",
            "--root",
            "--compat-bugs",
        ],
    );
    check(
        super::wrapper,
        &["--services", "--reboothint", "--help", "--compat-bugs"],
    );
}
#[test]
fn the_dump_is_no_more() {
    let spoken = said(super::ps, None, &["-d", "/x", "-sss"], &mut on(nothing()));
    let note = "peer: --debugFile is ignored: there is no such dump\n";
    assert_eq!((spoken.err.as_str(), spoken.exit), (note, 0));
}
