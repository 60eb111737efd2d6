//! Lists of processes and services.

use super::*;
use crate::model::{UnitState, WhyNot};
use crate::problem::Problem;

/// The scene of the recordings `rpm-stale`, of plugins 4.10.1.
fn recorded() -> Scene {
    let svcfood = service(127, "svcfood.service", "/opt/svcfoo/bin/svcfood", "svcfoo");
    let optd = service(134, "optd.service", "/opt/optd/optd", "multi");
    Scene {
        stale: vec![
            with_words(svcfood, &["/opt/svcfoo/bin/svcfood", "100000"]),
            in_session(130, 1000, &["/opt/svcfoo/bin/svcfood", "3000"]),
            with_words(optd, &["/opt/optd/optd", "5000"]),
        ],
        ..booted()
    }
}

const DEFAULT: &str = "127 : /opt/svcfoo/bin/svcfood 100000 \n130 : /opt/svcfoo/bin/svcfood 3000 \n134 : /opt/optd/optd 5000 \n";

#[test]
fn lists_of_each_generation() {
    let scene = recorded();
    for variant in ["yum", "dnf4"] {
        check(&told(variant, &[], &scene), 0, DEFAULT, "");
        let services = "optd.service\nsvcfood.service\n";
        check(&told(variant, &["-s"], &scene), 0, services, "");
        let own = "127 : /opt/svcfoo/bin/svcfood 100000 \n134 : /opt/optd/optd 5000 \n";
        check(&told(variant, &["-u"], &scene), 0, own, "");
        check(&told(variant, &[], &booted()), 0, "", "");
        check(&told(variant, &["-s"], &booted()), 0, "", "");
    }
    let session = "130 : /opt/svcfoo/bin/svcfood 3000 \n";
    check(
        &told("dnf4", &["--exclude-services"], &scene),
        0,
        session,
        "",
    );
    let services = "optd.service\nsvcfood.service\n";
    let both = ["--exclude-services", "-s"];
    check(&told("dnf4", &both, &scene), 0, services, "");
    check(&told("dnf5", &["-s"], &scene), 1, services, "");
    check(&told("dnf5", &["-s"], &booted()), 0, "", "");
    check(&told("dnf5", &["-p", "-s"], &scene), 1, services, "");
    let tabbed = "127\t/opt/svcfoo/bin/svcfood 100000\n130\t/opt/svcfoo/bin/svcfood 3000\n134\t/opt/optd/optd 5000\n";
    check(&told("dnf5", &["-p"], &scene), 1, tabbed, "");
    check(&told("dnf5", &["-p"], &booted()), 0, "", "");
    check(
        &told("dnf5", &["-p", "-e"], &scene),
        1,
        "130\t/opt/svcfoo/bin/svcfood 3000\n",
        "",
    );
}

#[test]
fn a_stopped_service_is_none_that_runs() {
    let mut scene = recorded();
    scene.stale.retain(|one| one.pid == 127);
    scene.stale[0].unit = Some(UnitState {
        active: "failed".to_owned(),
        ..UnitState::default()
    });
    let line = "127\t/opt/svcfoo/bin/svcfood 100000\n";
    check(&told("dnf5", &["-p", "-e"], &scene), 1, line, "");
    check(&told("dnf4", &["--exclude-services"], &scene), 0, "", "");
}

#[test]
fn case_22_what_is_of_no_service_of_the_system() {
    #[track_caller]
    fn check_owner(owner: Owner, service_name: Option<&str>) {
        let stale = Stale {
            owner,
            ..service(5, "x.service", "/usr/bin/x", "x")
        };
        let scene = Scene {
            stale: vec![stale],
            ..booted()
        };
        let line = service_name.map_or_else(String::new, |name| format!("{name}\n"));
        check(&told("dnf4", &["-s"], &scene), 0, &line, "");
    }
    let of = |kind, name: &str| Owner::new(kind, name, Scope::System);
    check_owner(of(OwnerKind::Unit, "x@1.service"), Some("x@1.service"));
    check_owner(
        of(OwnerKind::Unit, "x\\x2dy.service"),
        Some("x\\x2dy.service"),
    );
    check_owner(of(OwnerKind::Unit, "x\x1b.service"), Some("x\\x1b.service"));
    check_owner(of(OwnerKind::Unit, "run-1.scope"), None);
    check_owner(of(OwnerKind::ServiceManager, "init.scope"), None);
    check_owner(of(OwnerKind::Process, "/x.service"), None);
    check_owner(of(OwnerKind::OtherService, "x.service"), None);
    let users = Owner::new(OwnerKind::Unit, "agent.service", Scope::User(1000));
    check_owner(users, None);
    let mut container = of(OwnerKind::Container(crate::model::Runtime::Podman), "web");
    check_owner(container.clone(), None);
    container.host_unit = Some(Bytes::from("web.service"));
    check_owner(container, Some("web.service"));
}

#[test]
fn services_that_a_reboot_is_for() {
    let mut scene = recorded();
    scene.stale.push(service(
        200,
        "dbus-broker.service",
        "/usr/bin/dbus-broker-launch",
        "dbus-broker",
    ));
    let warning = "Warning: The following services should not be restarted but require a reboot:\n  dbus-broker.service\n";
    let others = "optd.service\nsvcfood.service\n";
    let all = "dbus-broker.service\noptd.service\nsvcfood.service\n";
    check(&told("dnf4", &["-s"], &scene), 0, others, warning);
    check(&told("dnf4", &["-q", "-s"], &scene), 0, others, "");
    check(
        &told("dnf4", &["-s", "--compat=4.10.1"], &scene),
        0,
        all,
        "",
    );
    check(&told("dnf4", &["-s", "--compat-bugs"], &scene), 0, all, "");
    check(&told("yum", &["-s"], &scene), 0, all, "");
    check(&told("dnf5", &["-s"], &scene), 1, all, "");
    // By an administrator's list, and by what a package provides.
    let mut listed = recorded();
    list(&mut listed, "x.conf", &["svcfoo"]);
    let warning = warning.replace("dbus-broker", "svcfood");
    check(
        &told("dnf4", &["-s"], &listed),
        0,
        "optd.service\n",
        &warning,
    );
    let mut hinted = recorded();
    let boot = hinted.boot.as_ref().unwrap();
    let hint = boot
        .listed
        .iter()
        .position(|one| one.name.starts_with("installhint("));
    let place = u32::try_from(hint.unwrap()).unwrap();
    hinted.core.changed.push(change(place, "svcfoo", "2-1"));
    check(
        &told("dnf4", &["-s"], &hinted),
        0,
        "optd.service\n",
        &warning,
    );
}

#[test]
fn words_are_what_the_process_says() {
    let line = |words: &[&[u8]]| {
        let stale = Stale {
            argv: words.iter().map(|word| Bytes::from(*word)).collect(),
            ..service(9, "a.service", "/a", "a")
        };
        let scene = Scene {
            stale: vec![stale],
            ..booted()
        };
        let tabbed = told("dnf5", &["-p"], &scene).out;
        (told("dnf4", &[], &scene).out, tabbed)
    };
    #[track_caller]
    fn check((dnf4, dnf5): (String, String), wanted: (&str, &str)) {
        assert_eq!((dnf4.as_str(), dnf5.as_str()), wanted);
    }
    check(line(&[b"a", b"", b"b c"]), ("9 : a  b c \n", "9\ta  b c\n"));
    check(
        line(&[b"x\n7 : y", b"\xff"]),
        ("9 : x\\x0a7 : y \\xff \n", "9\tx\\x0a7 : y \\xff\n"),
    );
    check(line(&[]), ("9 : \n", "9\t\n"));
}

#[test]
fn the_layout_of_json() {
    let units = r#"[
  {
    "type":"unit",
    "unit":"optd.service"
  },
  {
    "type":"unit",
    "unit":"svcfood.service"
  }
]
"#;
    check(&told("dnf5", &["-s", "--json"], &recorded()), 1, units, "");
    check(&told("dnf5", &["-s", "--json"], &booted()), 0, "[]\n", "");
    check(&told("dnf5", &["--json", "-p"], &booted()), 0, "[]\n", "");
    let mut scene = recorded();
    scene.stale.truncate(1);
    let process = r#"[
  {
    "type":"process",
    "pid":127,
    "cmdline":[
      "/opt/svcfoo/bin/svcfood",
      "100000"
    ],
    "package":"svcfoo"
  }
]
"#;
    check(&told("dnf5", &["-p", "--json"], &scene), 1, process, "");
    // A package that was removed, a program that is of none, words that are no text.
    scene.stale[0].program_packages.clear();
    check(&told("dnf5", &["-p", "--json"], &scene), 1, process, "");
    scene.stale[0].files.clear();
    scene.stale[0].argv = vec![
        Bytes::from(&b"caf\xc3\xa9 \"/\\\n\x1b\xff"[..]),
        Bytes::from("\u{9b}1m\u{202e}"),
    ];
    let spoken = told("dnf5", &["-p", "--json"], &scene);
    let line = "      \"café \\\"/\\\\\\n\\u001b\\\\xff\",\n      \"\\u009b1m\\u202e\"\n";
    assert!(spoken.out.contains(line), "{}", spoken.out);
    assert!(spoken.out.contains("\"package\":\"\"\n"), "{}", spoken.out);
    serde_json::from_str::<serde_json::Value>(&spoken.out).unwrap();
}

fn problem(operation: &str, object: &str, pid: Option<u32>, why: WhyNot) -> Problem {
    Problem {
        operation: operation.to_owned(),
        object: Bytes::from(object),
        pid,
        why,
    }
}

#[test]
fn could_not_look() {
    for (variant, args) in [
        ("yum", &[][..]),
        ("dnf4", &["-s"]),
        ("dnf5", &["-p"]),
        ("dnf5", &["--json"]),
        ("yum", &["-r"]),
        ("dnf4", &["-r"]),
    ] {
        let mut machine = Pretended::default();
        check(
            &say(variant, args, &mut machine),
            3,
            "",
            "peer: cannot look\n",
        );
    }
}

#[test]
fn who_is_not_root_sees_his_own() {
    let hidden = problem(
        "look into",
        "57 processes of other users",
        None,
        WhyNot::Denied,
    );
    let mut scene = recorded();
    scene.stale.retain(|one| one.pid == 130);
    scene.problems = vec![hidden];
    let mut alice = machine(1000, scene);
    let line = "130 : /opt/svcfoo/bin/svcfood 3000 \n";
    let cannot = "peer: cannot read 57 processes, result incomplete\n";
    check(&say("dnf4", &[], &mut alice), 3, line, cannot);
    check(&say("dnf5", &["-s"], &mut alice), 3, "", cannot);
    let root = "Please run as root or with --useronly option\n";
    check(&say("yum", &[], &mut alice), 1, "", root);
    check(&say("yum", &["-s"], &mut alice), 1, "", root);
    // Some of them are his own, and keep others out.
    check(&say("yum", &["-u"], &mut alice), 3, line, cannot);
    // Nothing says what is hidden.
    alice.scene.as_mut().unwrap().problems.clear();
    let missing = "peer: not root: processes of other users may be missing\n";
    check(&say("dnf4", &["-q"], &mut alice), 3, line, missing);
    check(&say("dnf4", &["-u"], &mut alice), 0, line, "");
    check(&say("yum", &["-u"], &mut alice), 0, line, "");
    check(&say("dnf4", &["-u", "-s"], &mut alice), 0, "", "");
}

#[test]
fn what_could_not_be_read_is_told_and_counts() {
    let denied = |pid| problem("look into", "process", Some(pid), WhyNot::Denied);
    let damaged = problem(
        "read package list",
        "rpm",
        None,
        WhyNot::Failed("it is damaged".to_owned()),
    );
    let mut scene = recorded();
    scene.problems = vec![denied(4), denied(5), damaged];
    let lines = "peer: cannot read 2 processes, result incomplete\npeer: cannot read package list rpm: it is damaged\n";
    check(&told("dnf4", &["-q"], &scene), 3, DEFAULT, lines);
    assert_eq!(told("dnf4", &["-u"], &scene).exit, 3);
    assert_eq!(told("dnf5", &["-s"], &scene).exit, 3);
}
