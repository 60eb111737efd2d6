//! Every form, held against what the original printed of the same processes.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Doubts, Summary};
use crate::dialects::needrestart::command::DropIns;
use crate::dialects::needrestart::kernel::{self, Kernel, KernelState, Rules};
use crate::dialects::needrestart::list::{Hint, Printer, Style};
use crate::dialects::needrestart::nagios::{State, Statuses};
use crate::dialects::needrestart::names::{self, Findings, Naming, Version};
use crate::dialects::needrestart::ucode::{self, Ucode};
use crate::dialects::needrestart::{batch, metrics, nagios};
use crate::dialects::testing::{nothing, service};
use crate::dialects::{Microcode, Scene, Stale};
use crate::model::{
    Action, Banner, Boot, Bytes, Device, FileKind, FileStat, Image, ImageForm, KernelVerdict,
    Loader, LoaderKind, NextKernel, Owner, OwnerKind, Runtime, Scope, Setting, Timestamp,
};

mod doubted;
mod judged;
mod named;

const RUNS: &str = "6.12.48+deb13-amd64";
const LATER: &str = "6.12.57+deb13-amd64";

/// A list on no terminal.
const LIST: Style = Style {
    quiet: false,
    width: None,
    combine: false,
    restarting: false,
    kernel: Hint::Ask,
    ucode: Hint::Ask,
};

fn recorded(version: Version, file: &str) -> String {
    let directory = format!("testdata/dialects/needrestart-{}", version.text());
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(directory)
        .join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The processes of a recording, with what our own judges would say of their units.
fn scene(version: Version, recording: &str) -> Scene {
    let text = recorded(version, &format!("{recording}.procs"));
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let mut scene = nothing();
    let comm = |pid: u32| {
        let of = |row: &&Vec<&str>| row[0].split(' ').next() == Some(pid.to_string().as_str());
        let row = rows.iter().find(of)?;
        row[0].splitn(4, ' ').nth(3)
    };
    for row in rows.iter().filter(|row| !row[4].is_empty()) {
        let head: Vec<&str> = row[0].splitn(4, ' ').collect();
        let [pid, ppid, uid] = [0, 1, 2].map(|at: usize| head[at].parse().unwrap());
        let unit = row[1].rsplit('/').next().unwrap();
        let exe = row[2].trim_end_matches(" (deleted)");
        let mut stale = service(pid, unit, exe, "package");
        stale.ppid = ppid;
        stale.parent = comm(ppid).map(Bytes::from);
        stale.uid = uid;
        stale.comm = Bytes::from(head[3]);
        stale.cgroup = Bytes::from(format!("0::{}\n", row[1]).as_str());
        stale.argv = row[3].split(' ').map(Bytes::from).collect();
        stale.other_pid_ns = comm(ppid) == Some("unshare");
        if !row[1].starts_with("/system.slice/") || !unit.ends_with(".service") {
            stale.owner = Owner::new(OwnerKind::Process, exe, Scope::System);
        }
        let held = match unit {
            "bluetooth.service" | "dbus.service" | "systemd-logind.service" => "policy.held",
            "frozen.service" => "unit.refuses",
            _ => "unit",
        };
        if held != "unit" {
            stale.action = Action::Defer;
        }
        held.clone_into(&mut stale.because[0].rule);
        scene.stale.push(stale);
    }
    scene
}

fn drop_ins() -> DropIns {
    let names = [
        "dbus.service",
        "systemd-manager",
        "systemd-user",
        "sysv-init",
    ];
    DropIns {
        directory: "/etc/needrestart/restart.d".to_owned(),
        programs: names.map(str::to_owned).into(),
        runit: BTreeSet::new(),
    }
}

fn named(scene: &Scene, version: Version, defer_all: bool) -> Findings {
    let naming = Naming {
        version,
        containers: version == Version::V3_11,
        by_tty: false,
        defer_all,
        drop_ins: &drop_ins(),
    };
    names::findings(scene, &naming)
}

fn summary(version: Version, findings: Option<Findings>) -> Summary {
    Summary {
        version,
        compat: false,
        kernel: None,
        ucode: None,
        findings,
        doubts: Doubts::default(),
        unreadable: 0,
    }
}

fn compared(running: &str, expected: Option<&str>, state: KernelState) -> Option<Kernel> {
    Some(Kernel {
        running: running.to_owned(),
        expected: expected.map(str::to_owned),
        state,
        by_name: false,
    })
}

fn microcode(version: Version, microcode: Microcode) -> Option<Ucode> {
    let mut scene = nothing();
    scene.microcode = Some(microcode);
    ucode::judge(&scene, version)
}

const fn revisions(amd: bool, running: u32, available: Option<u32>, obsolete: bool) -> Microcode {
    Microcode {
        amd,
        running: Some(running),
        available,
        obsolete: Some(obsolete),
    }
}

fn printed(print: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    print(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn list(summary: &Summary, style: Style) -> String {
    printed(|out| Printer::new(out, style).all(summary))
}

fn easy(summary: &Summary) -> String {
    printed(|out| Printer::new(out, LIST).easy(summary))
}

fn monitored(summary: &Summary) -> (String, u8) {
    let mut exit = 0;
    let text = printed(|out| {
        exit = nagios::print(out, summary, &Statuses::default())?;
        Ok(())
    });
    (text, exit)
}

/// The metrics of the original but for its interpreter.
fn old_metrics(recorded: &str) -> String {
    recorded.replace("perl_version=\"v5.40.1\"", "perl_version=\"none\"")
}

/// All forms that were recorded of a summary.
#[track_caller]
fn check(summary: &Summary, recording: &str) {
    let version = summary.version;
    let compat = Summary {
        compat: true,
        ..summary.clone()
    };
    let said = |mode: &str| {
        let file = format!("{recording}.{mode}.out");
        let directory = format!("testdata/dialects/needrestart-{}", version.text());
        let exists = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(directory)
            .join(&file)
            .exists();
        exists.then(|| recorded(version, &file))
    };
    let mut modes = 0;
    let mut compare = |mode: &str, ours: String| {
        if let Some(theirs) = said(mode) {
            assert_eq!(ours, theirs, "{} {recording}.{mode}", version.text());
            modes += 1;
        }
    };
    let batch = || printed(|out| batch::print(out, summary));
    compare("b", batch());
    compare("b-l", batch());
    compare("p", monitored(&compat).0);
    compare("p-l", monitored(summary).0);
    compare("r-l", list(summary, LIST));
    compare("r-l-l", list(summary, LIST));
    compare("m-e", easy(summary));
    for mode in ["o", "o-l"] {
        if let Some(theirs) = said(mode) {
            let ours = printed(|out| metrics::print(out, &compat));
            assert_eq!(ours, old_metrics(&theirs), "{recording}.{mode}");
        }
    }
    assert!(modes > 0, "{recording} was not recorded");
}

#[test]
fn services_sessions_and_containers_as_recorded() {
    for version in [Version::V3_6, Version::V3_11] {
        for recording in ["systemd-clean", "systemd-svc", "systemd-libc"] {
            let mut scene = scene(version, recording);
            if recording == "systemd-clean" {
                scene.stale.clear();
            }
            check(
                &summary(version, Some(named(&scene, version, false))),
                recording,
            );
        }
    }
}

#[test]
fn kernel_and_microcode_beside_services_as_recorded() {
    let rows = [
        (Version::V3_11, RUNS, LATER),
        (Version::V3_6, "6.1.0-39-amd64", "6.1.0-40-amd64"),
    ];
    for (version, running, expected) in rows {
        let findings = named(&scene(version, "systemd-svc"), version, false);
        let all = Summary {
            kernel: compared(running, Some(expected), KernelState::Version),
            ucode: microcode(version, revisions(false, 0xf4, Some(0xf8), true)),
            ..summary(version, Some(findings))
        };
        check(&all, "full-svc");
    }
}

#[test]
fn all_deferred_as_recorded() {
    for version in [Version::V3_6, Version::V3_11] {
        for recording in ["systemd-svc", "systemd-libc"] {
            let findings = named(&scene(version, recording), version, true);
            let ours = list(&summary(version, Some(findings)), LIST);
            assert_eq!(ours, recorded(version, &format!("{recording}.r-l-n.out")));
        }
    }
}

#[test]
fn kernels_as_recorded() {
    let rows = [
        ("kernel-current", Some(1), KernelState::Current),
        ("kernel-abi", Some(1), KernelState::Abi),
        ("kernel-newer", Some(2), KernelState::Version),
        ("kernel-older-only", Some(0), KernelState::Version),
        ("kernel-none", None, KernelState::Unknown),
    ];
    let old = ["6.1.0-37-amd64", "6.1.0-39-amd64", "6.1.0-40-amd64"];
    let new = ["6.12.43+deb13-amd64", RUNS, LATER];
    for (version, releases) in [(Version::V3_6, old), (Version::V3_11, new)] {
        for (recording, expected, state) in rows {
            let expected = expected.map(|at: usize| releases[at]);
            let all = Summary {
                kernel: compared(releases[1], expected, state),
                ..summary(version, None)
            };
            check(&all, recording);
        }
    }
}

#[test]
fn microcode_as_recorded() {
    let rows = [
        (
            "ucode-intel-current",
            revisions(false, 0xf8, Some(0xf8), false),
        ),
        (
            "ucode-intel-obsolete",
            revisions(false, 0xf4, Some(0xf8), true),
        ),
        ("ucode-intel-none", revisions(false, 0xf4, None, false)),
        (
            "ucode-amd-current",
            revisions(true, 0x0a00_11d5, Some(0x0a00_11d5), false),
        ),
        (
            "ucode-amd-obsolete",
            revisions(true, 0x0a00_11ce, Some(0x0a00_11d5), true),
        ),
        ("ucode-amd-none", revisions(true, 0x0a00_11ce, None, false)),
        (
            "ucode-unknown",
            Microcode {
                amd: false,
                running: None,
                available: None,
                obsolete: None,
            },
        ),
    ];
    for version in [Version::V3_6, Version::V3_11] {
        for (recording, seen) in rows {
            let all = Summary {
                ucode: microcode(version, seen),
                ..summary(version, None)
            };
            check(&all, recording);
        }
    }
}

/// What has no unit, because nothing runs systemd.
fn without_systemd(version: Version, with_terminal: bool) -> Findings {
    let mut scene = nothing();
    scene.systemd = false;
    for (pid, name) in [(9, "cron"), (12, "memcached"), (30, "agentd")] {
        let mut stale = service(pid, "", &format!("/usr/sbin/{name}"), name);
        stale.owner = Owner::new(OwnerKind::Process, "/x", Scope::System);
        stale.cgroup = Bytes::from("0::/\n");
        if name != "agentd" {
            stale.init_scripts = vec![name.to_owned()];
        }
        scene.stale.push(stale);
    }
    if with_terminal {
        let pid = if version == Version::V3_6 { 180 } else { 258 };
        let mut stale = service(pid, "", "/usr/bin/sleep", "coreutils");
        stale.cgroup = Bytes::from("0::/\n");
        stale.tty = Some("/dev/pts/0".to_owned());
        scene.stale.push(stale);
    }
    named(&scene, version, false)
}

#[test]
fn init_scripts_and_terminals_as_recorded() {
    for version in [Version::V3_6, Version::V3_11] {
        let findings = without_systemd(version, true);
        check(&summary(version, Some(findings)), "tty");
        let running = match version {
            Version::V3_6 => "6.1.0-39-amd64",
            Version::V3_11 => RUNS,
        };
        let intel = revisions(false, 1, None, false);
        let unknown = Microcode {
            obsolete: None,
            ..intel
        };
        let findings = without_systemd(version, false);
        let left_out = "1 stale process belongs to no service: agentd[30]";
        assert_eq!(findings.left_out().as_deref(), Some(left_out));
        let all = Summary {
            kernel: compared(running, None, KernelState::Unknown),
            ucode: microcode(version, unknown),
            ..summary(version, Some(findings))
        };
        let (batch, list) = (printed(|out| batch::print(out, &all)), list(&all, LIST));
        assert_eq!(batch, recorded(version, "stale.b.out"));
        assert_eq!(list, recorded(version, "stale.r-l.out"));
        assert_eq!(easy(&all), recorded(version, "stale.m-e.out"));
        let quiet = Style {
            quiet: true,
            ..LIST
        };
        let quiet = self::list(&all, quiet);
        assert_eq!(quiet, recorded(version, "stale.q-r-l.out"));
    }
}

#[test]
fn a_user_s_own_processes() {
    let mut scene = scene(Version::V3_11, "systemd-svc");
    scene.euid = 1000;
    scene.stale.retain(|stale| stale.uid == 1000);
    let all = summary(Version::V3_11, Some(named(&scene, Version::V3_11, false)));
    let batch = printed(|out| batch::print(out, &all));
    // The original's order of pids is that of a hash.
    assert_eq!(
        batch,
        "NEEDRESTART-VER: 3.11\nNEEDRESTART-PID: holder=101,110\n"
    );
    let expected = "Your outdated processes:\nholder[101, 110]\n";
    assert_eq!(list(&all, LIST), expected);
    assert_eq!(easy(&all), expected);
    scene.stale.clear();
    let none = named(&scene, Version::V3_11, false);
    assert_eq!(list(&summary(Version::V3_11, Some(none)), LIST), "");
}

/// Services of these names, and containers.
fn of_names(services: &[&str], containers: &[&str]) -> Findings {
    let mut scene = nothing();
    for (pid, unit) in (10..).zip(services) {
        scene.stale.push(service(pid, unit, "/usr/bin/x", "x"));
    }
    for (pid, name) in (100..).zip(containers) {
        let mut stale = service(pid, "x.service", "/usr/bin/x", "x");
        stale.owner = Owner::new(OwnerKind::Container(Runtime::Lxc), *name, Scope::System);
        stale.cgroup = Bytes::from(format!("0::/lxc.payload.{name}/init.scope\n").as_str());
        stale.other_pid_ns = true;
        scene.stale.push(stale);
    }
    named(&scene, Version::V3_11, false)
}

#[test]
fn each_form_has_an_order_of_its_own() {
    let findings = of_names(&["a.service", "Z.service", "b.service"], &["y", "X"]);
    let all = summary(Version::V3_11, Some(findings));
    let batch = printed(|out| batch::print(out, &all));
    let after = |text: &str, before: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(before));
        lines.map(str::to_owned).collect()
    };
    let services = after(&batch, "NEEDRESTART-SVC: ");
    assert_eq!(services, ["a.service", "b.service", "Z.service"]);
    assert_eq!(after(&batch, "NEEDRESTART-CONT: "), ["LXC X", "LXC y"]);
    let (monitored, _) = monitored(&all);
    let names = after(&monitored, "- ");
    assert_eq!(
        names,
        ["Z.service", "a.service", "b.service", "LXC X", "LXC y"]
    );
    let commands = after(&list(&all, LIST), " systemctl restart ");
    assert_eq!(commands, ["a.service", "b.service", "Z.service"]);
}

#[test]
fn commands_for_units_are_made_one() {
    let findings = of_names(&["b.service", "a.service"], &["c"]);
    let all = summary(Version::V3_11, Some(findings));
    let style = Style {
        combine: true,
        restarting: true,
        quiet: true,
        ..LIST
    };
    let expected = " systemctl restart a.service b.service\n lxc-stop --reboot --name c\n";
    assert_eq!(list(&all, style), expected);
    let style = Style {
        quiet: false,
        width: Some(30),
        ..style
    };
    let text = list(&all, style);
    assert!(text.starts_with("\nRestarting services...\n systemctl restart a.service\n  b.service\n\nRestarting containers...\n lxc-stop"));
}

#[test]
fn hints_may_be_one_line_or_none() {
    let all = Summary {
        kernel: compared(RUNS, Some(LATER), KernelState::Version),
        ucode: microcode(Version::V3_11, revisions(false, 0xf4, Some(0xf8), true)),
        ..summary(Version::V3_11, None)
    };
    let hints = |number| {
        let hint = Hint::of_number(number);
        Style {
            kernel: hint,
            ucode: hint,
            ..LIST
        }
    };
    let lines = format!(
        "\nThe currently running kernel version is {RUNS} which is not the expected kernel version {LATER}.\n\nThe currently running processor microcode revision is 0x00f4 which is not the expected microcode revision 0x00f8.\n"
    );
    assert_eq!(list(&all, hints(-1)), lines);
    assert_eq!(list(&all, hints(0)), "");
    assert!(list(&all, hints(1)).contains("[Return]"));
    let rebuilt = Summary {
        kernel: compared(RUNS, Some(RUNS), KernelState::Abi),
        ..summary(Version::V3_11, None)
    };
    let line = format!(
        "\nThe currently running kernel version is {RUNS} and there is an ABI compatible upgrade pending.\n"
    );
    assert_eq!(list(&rebuilt, hints(-1)), line);
}

#[track_caller]
fn check_state(all: &Summary, expected: &str, exit: u8) {
    let (text, status) = monitored(all);
    assert_eq!(text.lines().next(), Some(expected));
    assert_eq!(status, exit);
}

#[test]
fn what_is_not_known_hides_nothing_that_is() {
    let mut all = Summary {
        kernel: compared(RUNS, None, KernelState::Unknown),
        ..summary(Version::V3_11, Some(of_names(&["a.service"], &[])))
    };
    let rest = format!(
        "Kernel: {RUNS}, Services: 1 (!), Containers: none, Sessions: none|Services=1;;0;0 Containers=0;;0;0 Sessions=0;0;;0"
    );
    check_state(&all, &format!("WARN - {rest}"), 1);
    all.compat = true;
    check_state(&all, &format!("UNKN - {rest}"), 3);
    all.findings = Some(Findings::default());
    all.compat = false;
    let rest = rest
        .replace("1 (!)", "none")
        .replace("Services=1", "Services=0");
    check_state(&all, &format!("UNKN - {rest}"), 3);
}

#[test]
fn a_look_that_is_not_whole_is_never_fine() {
    let mut all = summary(Version::V3_11, Some(Findings::default()));
    all.doubts.findings = true;
    let none = "Services: none, Containers: none, Sessions: none|";
    check_state(&all, &format!("UNKN - {none}"), 3);
    all.findings = Some(of_names(&["a.service"], &[]));
    let one = "Services: 1 (!), Containers: none, Sessions: none|";
    check_state(&all, &format!("WARN - {one}"), 1);
    all.compat = true;
    check_state(&all, &format!("UNKN - {one}"), 3);
    // What was not to be looked at is no matter.
    all.findings = None;
    all.kernel = compared(RUNS, Some(RUNS), KernelState::Current);
    check_state(&all, &format!("OK - Kernel: {RUNS}|Kernel=0;0;;0;2"), 0);
}

#[test]
fn settings_say_what_is_bad() {
    let statuses = Statuses {
        services: State::of_number(0).unwrap(),
        kernel: State::of_number(3).unwrap(),
        ..Statuses::default()
    };
    let all = Summary {
        kernel: compared(RUNS, Some(LATER), KernelState::Version),
        ..summary(Version::V3_11, Some(of_names(&["a.service"], &["c"])))
    };
    let mut exit = 0;
    let text = printed(|out| {
        exit = nagios::print(out, &all, &statuses)?;
        Ok(())
    });
    let expected = format!(
        "WARN - Kernel: {RUNS}!={LATER}, Services: 1, Containers: 1 (!), Sessions: none|Services=1;;0;0 Containers=1;;0;0 Sessions=0;0;;0"
    );
    assert_eq!(text.lines().next(), Some(expected.as_str()));
    assert_eq!(exit, 1);
    assert_eq!(State::of_number(4), None);
    let mut text = Vec::new();
    assert_eq!(nagios::not_root(&mut text).unwrap(), 3);
    let expected = recorded(Version::V3_11, "systemd-svc.user-p.out");
    assert_eq!(String::from_utf8(text).unwrap(), expected);
}

#[test]
fn every_sample_is_described() {
    let ucode = microcode(Version::V3_11, revisions(true, 0x0a00_11ce, None, false));
    let all = Summary {
        kernel: compared("1\"\\", None, KernelState::Unknown),
        ucode,
        unreadable: 7,
        ..summary(Version::V3_11, Some(of_names(&["a.service"], &["b", "c"])))
    };
    let text = printed(|out| metrics::print(out, &all));
    let lines: Vec<&str> = text.lines().collect();
    let (end, families) = lines.split_last().unwrap();
    assert_eq!(*end, "# EOF");
    for family in families.chunks(3) {
        let [kind, help, sample] = family else {
            panic!("{family:?}")
        };
        let name = sample.split(['{', ' ']).next().unwrap();
        assert_eq!(*kind, format!("# TYPE {name} gauge"));
        assert!(help.starts_with(&format!("# HELP {name} ")), "{help}");
    }
    for sample in [
        "needrestart_build_info{version=\"3.11\",perl_version=\"none\"} 1",
        "needrestart_kernel_status{needrestart_kernel_status=\"unknown\"} 1",
        "needrestart_kernel_info{running=\"1\\\"\\\\\",expected=\"unknown\"} 1",
        "needrestart_kernel{running=\"1\\\"\\\\\",expected=\"unknown\"} 1",
        "needrestart_ucode{running=\"0x0a0011ce\",expected=\"unavailable\"} 1",
        "needrestart_processes_with_outdated_libraries 1",
        "needrestart_services 1",
        "needrestart_containers 2",
        "needrestart_sessions 0",
        "needrestart_guests 0",
        "needrestart_unreadable_processes 7",
    ] {
        assert!(lines.contains(&sample), "{sample} in {text}");
    }
}
