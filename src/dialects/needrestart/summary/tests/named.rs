//! Names of places.

use super::*;
use crate::dialects::needrestart::names::Fate;
use crate::model::Instance;

/// A stale process in that control group.
fn within(group: &str) -> Stale {
    let mut stale = service(70, "x.service", "/usr/bin/x", "x");
    stale.cgroup = Bytes::from(group);
    stale.owner = Owner::new(OwnerKind::Process, "/usr/bin/x", Scope::System);
    stale
}

/// All that is said of one process: `service NAME`, `session USER @ NAME: LINE`, …
fn told(stale: Stale, version: Version, prepare: impl FnOnce(&mut Scene)) -> Vec<String> {
    let mut scene = nothing();
    scene.stale.push(stale);
    prepare(&mut scene);
    let findings = named(&scene, version, false);
    let services = findings.services.iter();
    let mut told: Vec<String> = services
        .map(|(name, one)| format!("service {name}: {}", one.command.text()))
        .collect();
    let containers = findings.containers.iter();
    told.extend(containers.map(|(name, one)| format!("container {name}: {}", one.command.text())));
    let sessions = findings.sessions.iter();
    told.extend(sessions.map(|one| format!("session {}: {}", one.title(), one.line())));
    let guests = findings.guests.iter();
    told.extend(guests.map(|one| format!("guest {} {}", one.name, one.pid)));
    told.extend(findings.left_out());
    told
}

#[track_caller]
fn check_group(group: &str, expected: &str) {
    let told = told(within(group), Version::V3_11, |_| {});
    assert_eq!(told, [expected], "{group}");
}

#[track_caller]
fn check_foreign(group: &str, expected: Option<&str>) {
    let mut stale = within(group);
    stale.other_pid_ns = true;
    let told = told(stale, Version::V3_11, |_| {});
    assert_eq!(told, expected.as_slice(), "{group}");
}

#[test]
fn groups_of_this_system() {
    let nameless = "1 stale process belongs to no service: x[70]";
    check_group(
        "0::/system.slice/a.service\n",
        "service a.service: systemctl restart a.service",
    );
    check_group(
        "12:cpu:/\n1:name=systemd:/system.slice/a.service\n0::/\n",
        "service a.service: systemctl restart a.service",
    );
    check_group(
        "0::/init.scope\n",
        "service systemd-manager: /etc/needrestart/restart.d/systemd-manager",
    );
    check_group(
        "0::/user.slice/user-1000.slice/session-3.scope\n",
        "session alice @ session #3: x[70]",
    );
    check_group(
        "0::/user.slice/user-4711.slice/session-3.scope\n",
        "session 4711 @ session #3: x[70]",
    );
    check_group(
        "0::/user.slice/user-1000.slice/session-c3.scope\n",
        nameless,
    );
    let of_manager = "0::/user.slice/user-1000.slice/user@1000.service";
    check_group(
        &format!("{of_manager}/init.scope\n"),
        "service systemd-user: /etc/needrestart/restart.d/systemd-user",
    );
    check_group(
        &format!("{of_manager}/app.slice/a.service\n"),
        "session alice @ user service: a.service[70]",
    );
    check_group(
        &format!("{of_manager}/app.slice/a.scope\n"),
        "session alice @ user manager: x[70]",
    );
    // What is below a delegated group has names that a service or user chose.
    let within = "user-0.slice/session-1.scope\n";
    check_group(&format!("0::/system.slice/a.service/{within}"), nameless);
    check_group(
        &format!("{of_manager}/{within}"),
        "session alice @ user manager: x[70]",
    );
    check_group(
        "0::/system.slice/a.service/user.slice/user-0.slice/user@0.service/init.scope\n",
        nameless,
    );
    check_group("0::/system.slice/a.scope\n", nameless);
    check_group("0::/\n", nameless);
    check_group("", nameless);
}

#[test]
fn groups_of_containers() {
    check_foreign(
        "0::/lxc/a/ns\n",
        Some("container LXC a: lxc-stop --reboot --name a"),
    );
    check_foreign(
        "0::/lxc.payload/a\n",
        Some("container LXC a: lxc-stop --reboot --name a"),
    );
    check_foreign(
        "0::/lxc.payload.a/system.slice/b.service\n",
        Some("container LXC a: lxc-stop --reboot --name a"),
    );
    check_foreign(
        "0::/machine.slice/machine-a\\x2db.scope/payload\n",
        Some("container machined a-b: machinectl reboot a-b"),
    );
    check_foreign(
        "0::/machine.slice/systemd-nspawn@a.service/payload\n",
        Some("container machined a: machinectl reboot a"),
    );
    check_foreign("0::/system.slice/docker-0123.scope\n", None);
    check_foreign("0::/system.slice/a.service\n", None);
    check_foreign("0::/lxc.payload.\n", None);
    // In the namespace of the reader it is no container.
    check_group(
        "0::/lxc.payload.a\n",
        "1 stale process belongs to no service: x[70]",
    );
}

#[test]
fn lxd_and_incus_are_told_by_their_commands() {
    let mut stale = within("0::/lxc.payload.p_a\n");
    stale.other_pid_ns = true;
    stale.instance = Some(Instance {
        name: Bytes::from("a"),
        id: None,
        image: None,
        pod: None,
        project: Some(Bytes::from("p")),
        part: crate::model::Part::Payload,
        restart: None,
    });
    for (program, project, expected) in [
        (
            "/usr/bin/incus",
            "p",
            "/usr/bin/incus restart --project=p a",
        ),
        ("/snap/bin/lxc", "default", "/snap/bin/lxc restart a"),
        ("/usr/bin/lxc-stop", "p", "lxc-stop --reboot --name p_a"),
    ] {
        stale.restart = Some(vec![program.to_owned(), "restart".to_owned()]);
        if let Some(instance) = &mut stale.instance {
            instance.project = Some(Bytes::from(project));
        }
        let told = told(stale.clone(), Version::V3_11, |_| {});
        assert_eq!(told, [format!("container LXC p_a: {expected}")]);
    }
}

#[test]
fn a_service_may_have_groups_below_its_own() {
    let mut stale = within("0::/system.slice/a.service/b.service\n");
    stale.owner = Owner::new(OwnerKind::Unit, "a.service", Scope::System);
    let expected = "service a.service: systemctl restart a.service";
    assert_eq!(told(stale.clone(), Version::V3_11, |_| {}), [expected]);
    stale.owner = Owner::new(OwnerKind::Container(Runtime::Machine), "x", Scope::System);
    stale.owner.host_unit = Some(Bytes::from("a.service"));
    assert_eq!(told(stale, Version::V3_11, |_| {}), [expected]);
}

#[test]
fn guests_without_a_name() {
    let group = "0::/machine.slice/machine-qemu\\x2d1\\x2dvm1.scope\n";
    for (argv, version, expected) in [
        (
            &["-name", "debug-threads=on,guest=vm1"][..],
            Version::V3_11,
            "vm1",
        ),
        (&["-name"], Version::V3_11, "Unknown VM"),
        (&["-m", "guest=vm1"], Version::V3_11, "Unknown VM"),
        (&[], Version::V3_6, "Unkown VM"),
    ] {
        let mut stale = within(group);
        stale.argv = argv.iter().map(|word| Bytes::from(*word)).collect();
        let told = told(stale, version, |_| {});
        assert_eq!(told, [format!("guest {expected} 70")], "{argv:?}");
    }
}

#[test]
fn a_user_s_manager_by_version() {
    let group = "0::/user.slice/user-1000.slice/user@1000.service";
    let mut stale = within(&format!("{group}/init.scope\n"));
    stale.comm = Bytes::from("(sd-pam)");
    stale.ppid = 60;
    let new = "session alice @ user manager: (sd-pam)[70]";
    assert_eq!(told(stale.clone(), Version::V3_11, |_| {}), [new]);
    let old = "session alice @ user manager service: systemd[60]";
    assert_eq!(told(stale.clone(), Version::V3_6, |_| {}), [old]);
    stale.parent = None;
    let old = "session alice @ user manager service: (sd-pam)[70]";
    assert_eq!(told(stale, Version::V3_6, |_| {}), [old]);
}

#[test]
fn terminals_count_where_groups_do_not() {
    let mut stale = within("0::/user.slice/user-1000.slice/session-3.scope\n");
    stale.tty = Some("/dev/pts/0".to_owned());
    let by_group = "session alice @ session #3: x[70]";
    assert_eq!(told(stale.clone(), Version::V3_11, |_| {}), [by_group]);
    let told = told(stale, Version::V3_11, |scene| scene.systemd = false);
    assert_eq!(told, ["session root @ /dev/pts/0: x[70]"]);
}

#[test]
fn init_scripts_by_who_runs_them() {
    let mut stale = within("0::/\n");
    stale.init_scripts = vec!["a".to_owned()];
    let told = |version, stores: &[&str], systemd| {
        let stores = stores.iter().map(|&store| store.to_owned()).collect();
        told(stale.clone(), version, |scene| {
            scene.systemd = systemd;
            scene.stores = stores;
        })
    };
    let (old, new) = (Version::V3_6, Version::V3_11);
    assert_eq!(
        told(new, &["dpkg"], false),
        ["service a: invoke-rc.d a restart"]
    );
    assert_eq!(told(new, &["rpm"], false), ["service a: service a restart"]);
    assert_eq!(
        told(old, &["rpm"], false),
        ["service a: invoke-rc.d a restart"]
    );
    assert_eq!(
        told(new, &["dpkg"], true),
        ["service a: systemctl restart a.service"]
    );
    let mut scene = nothing();
    scene.systemd = false;
    scene.stale = vec![stale.clone(), within("0::/\n")];
    scene.stale[1].pid = 1;
    scene.stale[1].program = Some(Bytes::from("/sbin/init"));
    let drop_ins = DropIns {
        runit: BTreeSet::from(["a".to_owned()]),
        ..DropIns::default()
    };
    let naming = Naming {
        version: new,
        containers: true,
        by_tty: false,
        defer_all: false,
        drop_ins: &drop_ins,
    };
    let findings = names::findings(&scene, &naming);
    let commands = findings.services.values().map(|one| one.command.text());
    let commands: Vec<String> = commands.collect();
    assert_eq!(commands, ["sv restart a", "telinit u"]);
}

#[test]
fn one_service_has_one_fate() {
    let fate = |rules: &[(&str, Action)], defer_all| {
        let mut scene = nothing();
        for (pid, (rule, action)) in (70..).zip(rules) {
            let mut stale = service(pid, "a.service", "/usr/bin/x", "x");
            (*rule).clone_into(&mut stale.because[0].rule);
            stale.action = *action;
            scene.stale.push(stale);
        }
        named(&scene, Version::V3_11, defer_all).services["a.service"].fate
    };
    let unit = ("unit", Action::Restart);
    let leftover = ("leftover", Action::Defer);
    let refuses = ("unit.refuses", Action::Defer);
    let wanted = ("policy.mine", Action::Restart);
    assert_eq!(fate(&[unit], false), Fate::Restart);
    assert_eq!(fate(&[unit], true), Fate::Deferred);
    assert_eq!(fate(&[wanted], true), Fate::Restart);
    assert_eq!(fate(&[leftover], false), Fate::Deferred);
    assert_eq!(fate(&[leftover, unit], false), Fate::Restart);
    assert_eq!(fate(&[unit, leftover], false), Fate::Restart);
    assert_eq!(fate(&[unit, refuses], false), Fate::Refused);
    assert_eq!(fate(&[refuses], true), Fate::Refused);
    let mut scene = nothing();
    let mut stale = service(70, "", "/usr/sbin/cron", "cron");
    stale.owner = Owner::new(OwnerKind::Process, "/usr/sbin/cron", Scope::System);
    stale.cgroup = Bytes::from("0::/\n");
    stale.action = Action::Defer;
    stale.init_scripts = vec!["cron".to_owned()];
    let mut by_script = |rule: &str, defer_all| {
        rule.clone_into(&mut stale.because[0].rule);
        scene.stale = vec![stale.clone()];
        named(&scene, Version::V3_11, defer_all).services["cron"].fate
    };
    assert_eq!(by_script("process", false), Fate::Restart);
    assert_eq!(by_script("process", true), Fate::Deferred);
    assert_eq!(by_script("policy.mine", false), Fate::Deferred);
}

#[test]
fn hostile_names_stay_on_their_line() {
    let mut stale = within("0::/user.slice/user-1000.slice/session-3.scope\n");
    stale.comm = Bytes::from(&b" a\nb\x1b "[..]);
    let told = told(stale, Version::V3_11, |_| {});
    assert_eq!(
        told,
        ["session alice @ session #3: \\x20a\\x0ab\\x1b\\x20[70]"]
    );
}

#[test]
fn sessions_in_order() {
    let mut scene = nothing();
    let uids = [(1000, "alice"), (9, "u9"), (10, "u10"), (8, "Bob")];
    scene.accounts = uids.map(|(uid, name)| (uid, name.to_owned())).into();
    for (pid, (uid, id)) in (70..).zip([(10, 2), (9, 4), (1000, 9), (1000, 10), (8, 1)]) {
        let mut stale = within(&format!(
            "0::/user.slice/user-{uid}.slice/session-{id}.scope\n"
        ));
        stale.pid = pid;
        scene.stale.push(stale);
    }
    let findings = named(&scene, Version::V3_11, false);
    let titles: Vec<String> = findings.sessions.iter().map(|one| one.title()).collect();
    let expected = [
        "alice @ session #10",
        "alice @ session #9",
        "Bob @ session #1",
        "u9 @ session #4",
        "u10 @ session #2",
    ];
    assert_eq!(titles, expected);
    assert_eq!(findings.sessions[1].pid(), Some(72));
}
