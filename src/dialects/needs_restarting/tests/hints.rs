//! Whether a reboot is needed. Case numbers are those of the distributions' own suites.

use super::*;
use crate::model::{Flag, Reboot, WhyNot};
use crate::problem::Problem;

const NOT: &str = "No core libraries or services have been updated since boot-up.\nReboot should not be necessary.\n";

/// dnf's text with these lines.
fn needed(lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("  * {line}\n")).collect();
    format!(
        "Core libraries or services have been updated since boot-up:\n{lines}\nReboot is required to fully utilize these updates.\nMore information: https://access.redhat.com/solutions/27943\n"
    )
}

fn upgraded(names: &[&str]) -> Scene {
    let mut scene = booted();
    for name in names {
        upgrade(&mut scene, name, "2-1");
    }
    scene
}

#[track_caller]
fn check_dnf4(scene: &Scene, lines: &[&str], err: &str) {
    match lines {
        [] => check(&told("dnf4", &["-r"], scene), 0, NOT, err),
        lines => check(&told("dnf4", &["-r"], scene), 1, &needed(lines), err),
    }
}

#[test]
fn cases_1_to_9_kernel_and_library() {
    let scene = upgraded(&["kernel", "glibc", "lame", "wget", "basesystem"]);
    let both = needed(&["glibc", "kernel"]);
    // 1, 2
    check(&told("dnf5", &[], &scene), 1, &both, "");
    check(&told("dnf5", &["-r"], &scene), 1, &both, "");
    let json = r#"[
  {
    "type":"reboot",
    "reboot_required":true,
    "packages":[
      "glibc",
      "kernel"
    ],
    "documentation":"https://access.redhat.com/solutions/27943"
  }
]
"#;
    check(&told("dnf5", &["--json"], &scene), 1, json, "");
    // 4, 5, 6
    for args in [&[][..], &["-r"], &["--reboothint"]] {
        check(&told("dnf5", args, &booted()), 0, NOT, "");
    }
    let json = r#"[
  {
    "type":"reboot",
    "reboot_required":false,
    "packages":[],
    "documentation":"https://access.redhat.com/solutions/27943"
  }
]
"#;
    check(&told("dnf5", &["--json"], &booted()), 0, json, "");
    // 7, 8, 9
    check_dnf4(&scene, &["glibc", "kernel"], "");
    check_dnf4(&booted(), &[], "");
    check(&told("dnf4", &["--reboothint"], &booted()), 0, NOT, "");
    // It goes before a list.
    check(&told("dnf4", &["-s", "-r"], &booted()), 0, NOT, "");
}

#[test]
fn cases_10_to_16_lists_of_administrators_in_every_generation() {
    #[track_caller]
    fn check_all(scene: &Scene, names: &[&str], err: &str) {
        for (variant, option) in [("dnf4", "-r"), ("dnf5", "-r"), ("yum", "-r")] {
            let spoken = told(variant, &[option], scene);
            assert_eq!(spoken.err, err, "{variant}");
            assert_eq!(spoken.exit, u8::from(!names.is_empty()), "{variant}");
            let lines = spoken.out.lines().filter(|line| line.starts_with("  "));
            let lines: Vec<&str> = lines
                .filter_map(|line| line.split(' ').nth(if variant == "yum" { 2 } else { 3 }))
                .collect();
            assert_eq!(lines, names, "{variant}: {}", spoken.out);
        }
    }
    // 10
    check_all(&upgraded(&["wget"]), &[], "");
    // 11
    let mut scene = booted();
    list(&mut scene, "wget.conf", &["wget"]);
    upgrade(&mut scene, "wget", "2-1");
    check_all(&scene, &["wget"], "");
    check_dnf4(&scene, &["wget"], "");
    // 12, 13
    for files in [["wget.conf", "abcde.conf"], ["wget.conf", "wget.conf"]] {
        let mut scene = booted();
        list(&mut scene, files[0], &["wget"]);
        list(&mut scene, files[1], &["abcde"]);
        upgrade(&mut scene, "wget", "2-1");
        upgrade(&mut scene, "abcde", "2-1");
        check_all(&scene, &["abcde", "wget"], "");
    }
    // 15, as `rpm-stale.r-confd` has it too
    let mut scene = booted();
    list(&mut scene, "wget.conf", &["wget"]);
    list(&mut scene, "abcde.conf", &["abcde"]);
    upgrade(&mut scene, "wget", "2-1");
    let last = scene.boot.as_ref().unwrap().listed.len() - 1;
    scene.core.missing = vec![u32::try_from(last).unwrap()];
    let warning = "No installed package found for package name \"abcde\" specified in needs-restarting file \"abcde.conf\".\n";
    check_all(&scene, &["wget"], warning);
    check(
        &told("dnf4", &["-q", "-r"], &scene),
        1,
        &needed(&["wget"]),
        "",
    );
    // It is no matter of the lists.
    check(&told("dnf4", &["-s"], &scene), 0, "", "");
    // 16: a first installation, which these lists count
    let mut scene = booted();
    list(&mut scene, "dwm.conf", &["dwm"]);
    upgrade(&mut scene, "dwm", "6.1-1");
    scene.core.changed[0].before = Before::Nothing;
    check_all(&scene, &["dwm"], "");
}

#[test]
fn cases_17_and_18_zlib_of_el8() {
    let scene = upgraded(&["zlib"]);
    let line = "zlib (dependency of dbus. Recommending reboot of dbus)";
    check_dnf4(&scene, &[line], "");
    // Without dbus the store does not tell of it.
    check_dnf4(&booted(), &[], "");
    // Somebody wants one after zlib itself.
    let mut listed = booted();
    list(&mut listed, "zlib.conf", &["zlib"]);
    upgrade(&mut listed, "zlib", "2-1");
    check_dnf4(&listed, &["zlib"], "");
}

#[test]
fn each_generation_has_its_list() {
    let scene = upgraded(&["gnutls", "dbus-broker"]);
    check_dnf4(&scene, &["dbus-broker"], "");
    check(&told("dnf5", &[], &scene), 1, &needed(&["gnutls"]), "");
    let yum = told("yum", &["-r"], &scene);
    assert!(
        yum.out.contains("  gnutls -> 2-1\n") && !yum.out.contains("dbus-broker"),
        "{yum:?}"
    );
}

#[test]
fn versions_of_yum() {
    let mut scene = booted();
    upgrade(&mut scene, "kernel", "3.10.0-1160.119.1.el7");
    upgrade(&mut scene, "glibc", "2.17-326.el7_9");
    upgrade(&mut scene, "gnutls", "1:3.3.29-9.el7_6");
    let text = "Core libraries or services have been updated:
  glibc -> 2.17-326.el7_9
  gnutls -> 1:3.3.29-9.el7_6
  kernel -> 3.10.0-1160.119.1.el7

Reboot is required to ensure that your system benefits from these updates.

More information:
https://access.redhat.com/solutions/27943
";
    check(&told("yum", &["-r"], &scene), 1, text, "");
    // Nobody has to be root for that.
    check(
        &say("yum", &["-r"], &mut machine(1000, scene.clone())),
        1,
        text,
        "",
    );
    let not =
        "No core libraries or services have been updated.\nReboot is probably not necessary.\n";
    check(&told("yum", &["-r"], &booted()), 0, not, "");
    // Of several versions beside each other the newest, once.
    let mut older = scene.core.changed[0].clone();
    older.package.version = "3.10.0-1".to_owned();
    older.at = Some(at(STARTED + 5));
    scene.core.changed.push(older.clone());
    scene.core.changed.insert(0, older);
    check(&told("yum", &["-r"], &scene), 1, text, "");
}

#[test]
fn what_came_before_the_start_is_no_reason() {
    #[track_caller]
    fn check_at(secs: Option<i64>, lines: &[&str]) {
        let mut scene = upgraded(&["glibc"]);
        for change in &mut scene.core.changed {
            change.at = secs.map(at);
        }
        check_dnf4(&scene, lines, "");
    }
    check_at(Some(STARTED), &[]);
    check_at(Some(STARTED - 1), &[]);
    check_at(Some(STARTED + 1), &["glibc"]);
    check_at(None, &["glibc"]);
}

fn cause(rule: &'static str, level: Level, packages: &[&str]) -> Cause {
    let upgrade = |name: &&str| Upgrade {
        name: (*name).to_owned(),
        old: None,
        new: Some("6.2-1".to_owned()),
    };
    Cause {
        packages: packages.iter().map(upgrade).collect(),
        ..Cause::new(rule, level, "because".to_owned())
    }
}

fn with_cause(cause: Cause) -> Scene {
    let booted = booted();
    Scene {
        reboot: Reboot {
            level: Some(cause.level),
            causes: vec![cause],
            ..booted.reboot
        },
        ..booted
    }
}

/// A flag file, and the cause that it is, in which names are escaped for people.
#[track_caller]
fn check_flag(level: Level, own: bool, packages: &[&str], lines: &[&str]) {
    let packages: Vec<Bytes> = packages.iter().map(|name| Bytes::from(*name)).collect();
    let escaped: Vec<String> = packages
        .iter()
        .map(|name| name.escaped().to_string())
        .collect();
    let escaped: Vec<&str> = escaped.iter().map(String::as_str).collect();
    let mut scene = match own || level == Level::None {
        true => booted(),
        false => with_cause(cause("flag", level, &escaped)),
    };
    scene.boot.as_mut().unwrap().flags = vec![Flag {
        path: Bytes::from("/run/reboot-required"),
        level,
        packages,
        since: at(STARTED),
        own,
    }];
    check_dnf4(&scene, lines, "");
}

#[test]
fn what_is_known_without_lists() {
    #[track_caller]
    fn check_cause(cause: Cause, lines: &[&str]) {
        check_dnf4(&with_cause(cause), lines, "");
    }
    let reboot = Level::Reboot;
    check_cause(
        cause("kernel.newer", reboot, &["kernel-uek"]),
        &["kernel-uek"],
    );
    check_cause(cause("kernel.removed", reboot, &[]), &["kernel"]);
    check_cause(cause("kernel.modules", reboot, &[]), &["kernel"]);
    check_cause(cause("microcode", reboot, &[]), &["microcode"]);
    check_flag(reboot, false, &[], &["reboot-required"]);
    check_flag(reboot, false, &["libc6", "dbus"], &["dbus", "libc6"]);
    check_flag(reboot, false, &["a\u{1b}b\\"], &["a\\x1bb\\"]);
    check_flag(Level::SoftReboot, false, &[], &["reboot-required"]);
    check_flag(Level::None, false, &["x"], &[]);
    check_flag(reboot, true, &["x"], &[]);
    check_cause(cause("deployment", reboot, &[]), &["deployment"]);
    check_cause(cause("process", Level::SoftReboot, &["dbus"]), &["dbus"]);
    check_cause(cause("process", Level::Session, &["bash"]), &[]);
    check_cause(cause("process", Level::Service, &[]), &[]);
    // Lists of other generations are no matter of this one.
    check_cause(cause("package", reboot, &["libssl3"]), &[]);
    let yum = told(
        "yum",
        &["-r"],
        &with_cause(cause("kernel.newer", reboot, &["kernel-ml"])),
    );
    assert!(yum.out.contains("\n  kernel-ml -> 6.2-1\n"), "{yum:?}");
    let bare = told("yum", &["-r"], &with_cause(cause("microcode", reboot, &[])));
    assert!(bare.out.contains("\n  microcode\n"), "{bare:?}");
    // Each once.
    let mut both = with_cause(cause("kernel.newer", reboot, &["kernel"]));
    upgrade(&mut both, "kernel", "6.2-1");
    check_dnf4(&both, &["kernel"], "");
}

#[test]
fn what_packages_and_files_of_suse_ask_for() {
    let hint_at = |level: Option<&str>| {
        let mut scene = booted();
        let listed = &scene.boot.as_ref().unwrap().listed;
        let hint = listed
            .iter()
            .position(|one| one.name.starts_with("installhint("));
        let place = u32::try_from(hint.unwrap()).unwrap();
        let hint = level.map(str::to_owned);
        let change = change(place, "kernel-default", "2-1");
        scene.core.changed.push(CoreChange { hint, ..change });
        scene
    };
    check_dnf4(&hint_at(None), &["kernel-default"], "");
    check_dnf4(&hint_at(Some("kexec")), &["kernel-default"], "");
    check_dnf4(&hint_at(Some("none")), &["kernel-default"], "");
    check_dnf4(&hint_at(Some("service")), &[], "");
    let mut scene = booted();
    let listed = &mut scene.boot.as_mut().unwrap().listed;
    listed.push(Listed {
        name: "nano".to_owned(),
        level: Level::Reboot,
        source: Bytes::from("/etc/zypp/needreboot"),
        line: Some(1),
        ..Listed::default()
    });
    let last = u32::try_from(listed.len() - 1).unwrap();
    upgrade(&mut scene, "nano", "2-1");
    check_dnf4(&scene, &["nano"], "");
    // Only dnf's own lists are warned of.
    scene.core.missing = vec![last];
    check_dnf4(&scene, &["nano"], "");
}

#[test]
fn with_the_originals_bugs_names_and_times_alone() {
    #[track_caller]
    fn check_bugs(variant: &str, scene: &Scene, lines: usize) {
        let spoken = told(variant, &["-r", "--compat-bugs"], scene);
        let found = spoken.out.lines().filter(|line| line.starts_with("  "));
        assert_eq!(found.count(), lines, "{spoken:?}");
        assert_eq!(spoken.exit, u8::from(lines > 0));
    }
    let kernel = with_cause(cause("kernel.newer", Level::Reboot, &["kernel-ml"]));
    let mut listed = booted();
    list(&mut listed, "x.conf", &["x"]);
    upgrade(&mut listed, "x", "2-1");
    let glibc = upgraded(&["glibc"]);
    for variant in ["yum", "dnf4", "dnf5"] {
        check_bugs(variant, &kernel, 0);
        check_bugs(variant, &glibc, 1);
        check_bugs(variant, &listed, usize::from(variant == "dnf4"));
    }
    let hints = told("dnf5", &["-s", "--compat-bugs"], &booted());
    assert!(hints.err.contains("merely depend"), "{hints:?}");
}

#[test]
fn a_reboot_that_cannot_be_told() {
    let problem = |operation: &str, object: &str, pid, why| Problem {
        operation: operation.to_owned(),
        object: Bytes::from(object),
        pid,
        why,
    };
    let damaged = || WhyNot::Failed("it is damaged".to_owned());
    let mut scene = booted();
    scene.problems = vec![problem("read package list", "rpm", None, damaged())];
    let line = "peer: cannot read package list rpm: it is damaged\n";
    for (variant, args) in [
        ("yum", &["-r"][..]),
        ("dnf4", &["-r"]),
        ("dnf5", &["--json"]),
    ] {
        check(&told(variant, args, &scene), 3, "", line);
    }
    // What is known to be needed is needed.
    upgrade(&mut scene, "glibc", "2-1");
    check(&told("dnf4", &["-r"], &scene), 1, &needed(&["glibc"]), line);
    // Processes have no part in it.
    let mut scene = booted();
    scene.problems = vec![problem("look into", "process", Some(4), WhyNot::Denied)];
    check_dnf4(
        &scene,
        &[],
        "peer: cannot read 1 processes, result incomplete\n",
    );
    scene.problems = vec![problem(
        "look into",
        "57 processes of other users",
        None,
        WhyNot::Denied,
    )];
    let closed = "peer: cannot read 57 processes, result incomplete\n";
    let alice = say("dnf4", &["-r"], &mut machine(1000, scene.clone()));
    check(&alice, 0, NOT, closed);
    // Of one process there may be several.
    let denied = |operation| problem(operation, "x", Some(4), WhyNot::Denied);
    scene.problems = vec![denied("read maps"), denied("look into")];
    check_dnf4(
        &scene,
        &[],
        "peer: cannot read 1 processes, result incomplete\n",
    );
    // Not for want of rights, and hidden altogether.
    scene.problems = vec![
        problem("read", "maps", Some(4), WhyNot::TimedOut),
        Problem::hidden("processes that are hidden"),
    ];
    let said = "peer: cannot read maps of pid 4: no answer in time\npeer: cannot see processes that are hidden: permission denied\n";
    check_dnf4(&scene, &[], said);
    let mut unasked = booted();
    unasked.reboot.level = None;
    let untold = "peer: whether running programs ask for a reboot could not be told\n";
    check_dnf4(&unasked, &[], untold);
    let nobody_looked = Scene {
        boot: None,
        ..booted()
    };
    check(
        &told("dnf5", &[], &nobody_looked),
        3,
        "",
        "peer: cannot tell since when the system runs\n",
    );
}
