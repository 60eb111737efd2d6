use super::*;
use crate::model::{
    Bytes, Clock, Compared, Details, Device, Fresh, Host, Instance, Level, Look, Object, ObjectId,
    PackageFact, ProcessKey, Runtime, StartTicks, ViewId, WhyNot,
};

/// Booted at 0, with 100 ticks a second.
pub(in crate::decide) fn facts(processes: Vec<Process>, objects: Vec<Object>) -> Facts {
    Facts {
        host: Host {
            kernel: Bytes::from("6.1"),
            boot_id: Bytes::from("x"),
            clock: Clock {
                boot_realtime_ns: 0,
                ticks_per_second: 100,
            },
            reader_uid: 0,
            reader_mnt_ns: None,
            reader_pid_ns: None,
            memory_devices: Vec::new(),
            unified_cgroups: true,
            systemd: true,
        },
        views: Vec::new(),
        processes,
        objects,
        problems: Vec::new(),
        plugins: Vec::new(),
        boot: None,
        beside: Vec::new(),
    }
}

/// A stale process: its pid, its start, its uid, its objects with the packages they are of, and whether that is sure.
#[derive(Debug, Clone, Copy)]
struct One {
    pid: u32,
    started_secs: u64,
    uid: Option<u32>,
    program: Option<&'static str>,
    objects: &'static [(&'static str, &'static str, bool)],
}

const ONE: One = One {
    pid: 7,
    started_secs: 1000,
    uid: Some(33),
    program: Some("/usr/sbin/x"),
    objects: &[("/usr/lib/libssl.so.3", "libssl3", true)],
};

fn object(path: &str) -> Object {
    let unknown = || WhyNot::Vanished;
    Object {
        view: ViewId(0),
        name: Bytes::from(format!("{path} (deleted)").as_str()),
        path: Some(Bytes::from(path)),
        device: Device::default(),
        inode: 1,
        look: Look {
            mapped: Err(unknown()),
            fresh: Fresh::Unknown(unknown()),
            mount: None,
            mounted: None,
            on_host: true,
            mapped_build_id: None,
            fresh_build_id: None,
            content: Compared::NotAsked,
            start_name: None,
        },
    }
}

fn package(name: &str) -> Package {
    if name.is_empty() {
        return Package::None;
    }
    Package::Known(vec![PackageFact {
        backend: "dpkg".to_owned(),
        name: name.to_owned(),
        arch: "amd64".to_owned(),
        running_version: None,
        installed_version: None,
    }])
}

/// Whether a rule of that action and with these selectors is about an owner with these processes, at 2000 s.
fn fits_all(action: RuleAction, selectors: Selectors, owner: &Owner, all: &[One]) -> bool {
    let mut objects = Vec::new();
    let mut processes = Vec::new();
    let mut stale = Vec::new();
    for one in all {
        let key = ProcessKey {
            pid: one.pid,
            started: StartTicks(one.started_secs * 100),
        };
        processes.push(Process {
            key,
            ppid: 1,
            comm: Bytes::from("x"),
            exe: one.program.map(Bytes::from),
            view: ViewId(0),
            uses: Vec::new(),
            sources: Vec::new(),
            details: one.uid.map(|uid| Details {
                uid,
                cgroup: Bytes::from("12:pids:/old.slice\n0::/system.slice/x.service\n"),
                ..Details::default()
            }),
        });
        let mut found = Vec::new();
        for (path, of, sure) in one.objects {
            found.push(StaleObject {
                object: ObjectId(u32::try_from(objects.len()).unwrap()),
                program: false,
                source: None,
                sure: *sure,
                kind: Kind::Replaced,
                package: package(of),
            });
            objects.push(object(path));
        }
        stale.push(StaleProcess {
            key,
            owner: owner.clone(),
            comm: Bytes::from("x"),
            instance: Some(Instance {
                name: Bytes::from("web"),
                id: None,
                image: None,
                pod: None,
                project: None,
                part: crate::model::Part::Payload,
                restart: None,
            }),
            restart: None,
            objects: found,
        });
    }
    let policy = Policy {
        rules: vec![PolicyRule {
            name: "r".to_owned(),
            selectors,
            action,
            reason: "r".to_owned(),
            level: Level::Service,
            until: None,
        }],
        only_listed: false,
        connecting: Vec::new(),
    };
    let subject = Subject {
        owner,
        unit_names: &["x.service".to_owned(), "alias.service".to_owned()],
        processes: &stale,
        main: None,
        now: Timestamp {
            secs: 2000,
            nanos: 0,
        },
        facts: &facts(processes, objects),
    };
    rule_for(&policy, &subject).is_some()
}

fn patterns(all: &[&str]) -> Vec<Pattern> {
    all.iter().map(|one| Pattern::parse(one).unwrap()).collect()
}

fn unit() -> Owner {
    Owner::new(OwnerKind::Unit, "x.service", Scope::System)
}

#[track_caller]
fn check(selectors: Selectors, fits: bool) {
    for action in RuleAction::ALL {
        let found = fits_all(action, selectors.clone(), &unit(), &[ONE]);
        assert_eq!(found, fits, "{action:?} {selectors:?}");
    }
}

#[test]
fn t10_26_units_by_any_name() {
    let units = |all: &[&str]| Selectors {
        units: patterns(all),
        ..Selectors::default()
    };
    check(units(&["x.service"]), true);
    check(units(&["alias.*"]), true);
    check(units(&["y.service", "re:^x\\."]), true);
    check(units(&["y.service"]), false);
    check(units(&["x"]), false);
    check(Selectors::default(), false);
}

#[track_caller]
fn check_owner(owner: &Owner, pattern: &str, fits: bool) {
    let selectors = Selectors {
        units: patterns(&[pattern]),
        ..Selectors::default()
    };
    let found = fits_all(RuleAction::Defer, selectors, owner, &[]);
    assert_eq!(found, fits, "{owner:?} {pattern}");
}

#[test]
fn names_that_mean_units() {
    let of = |kind, name| Owner::new(kind, name, Scope::System);
    let service = of(OwnerKind::OtherService, "dbus");
    check_owner(&service, "dbus.service", true);
    check_owner(&service, "dbus", true);
    let container = of(OwnerKind::Container(Runtime::Docker), "dbus.service");
    check_owner(&container, "dbus.service", false);
    let quadlet = Owner {
        host_unit: Some(Bytes::from("web.service")),
        ..container
    };
    check_owner(&quadlet, "web.service", true);
    check_owner(&of(OwnerKind::Session, "3"), "3", false);
    let users = Owner::new(OwnerKind::UserManager, "user@7.service", Scope::User(7));
    check_owner(&users, "user@*.service", true);
    check_owner(&users, "systemd-user", true);
    check_owner(&users, "systemd-manager", false);
    let manager = of(OwnerKind::ServiceManager, "init.scope");
    check_owner(&manager, "init.scope", true);
    check_owner(&manager, "systemd-manager", true);
    // Whoever means units does not mean it, and an init of another make is not here.
    check_owner(&manager, "systemd-*", false);
    check_owner(&manager, "sysv-init", false);
    check_owner(&unit(), "systemd-manager", false);
}

#[test]
fn t10_26_users_cgroups_and_ages() {
    let none = Selectors::default;
    let users = |users: &[u32]| Selectors {
        users: users.to_vec(),
        ..none()
    };
    check(users(&[1, 33]), true);
    check(users(&[1]), false);
    // The user's own manager, whoever runs there.
    let theirs = Owner::new(OwnerKind::Unit, "p.service", Scope::User(7));
    assert!(fits_all(RuleAction::Leave, users(&[7]), &theirs, &[]));
    assert!(!fits_all(RuleAction::Leave, users(&[8]), &theirs, &[]));
    let cgroups = |pattern| Selectors {
        cgroups: patterns(&[pattern]),
        ..none()
    };
    check(cgroups("/system.slice/*"), true);
    check(cgroups("/old.slice"), true);
    check(cgroups("/user.slice/*"), false);
    let ages = |older, younger| Selectors {
        older_than_secs: older,
        younger_than_secs: younger,
        ..none()
    };
    check(ages(Some(1000), None), true);
    check(ages(Some(1001), None), false);
    check(ages(None, Some(1000)), false);
    check(ages(None, Some(1001)), true);
    // What could not be read fits nothing.
    let blind = One { uid: None, ..ONE };
    assert!(!fits_all(
        RuleAction::Defer,
        users(&[33]),
        &unit(),
        &[blind]
    ));
}

#[test]
fn kinds_are_joined() {
    let both = |user| Selectors {
        units: patterns(&["x.service"]),
        users: vec![user],
        older_than_secs: Some(1),
        packages: patterns(&["libssl*"]),
        paths: patterns(&["/usr/lib/*"]),
        ..Selectors::default()
    };
    check(both(33), true);
    check(both(34), false);
    // One process of that user and another with that package are not one with both.
    let other = One {
        pid: 8,
        uid: Some(34),
        objects: &[("/opt/x", "", true)],
        ..ONE
    };
    assert!(!fits_all(
        RuleAction::Defer,
        both(34),
        &unit(),
        &[ONE, other]
    ));
}

#[test]
fn what_is_left_alone_is_so_as_a_whole() {
    #[track_caller]
    fn check(all: &[One], restart: bool, leave: bool) {
        for selectors in [
            Selectors {
                packages: patterns(&["libssl3"]),
                ..Selectors::default()
            },
            Selectors {
                paths: patterns(&["/usr/lib/libssl*"]),
                ..Selectors::default()
            },
        ] {
            for (action, fits) in [
                (RuleAction::Restart, restart),
                (RuleAction::Defer, restart),
                (RuleAction::Leave, leave),
                (RuleAction::Hide, leave),
            ] {
                let found = fits_all(action, selectors.clone(), &unit(), all);
                assert_eq!(found, fits, "{action:?} {selectors:?}");
            }
        }
    }
    let with = |objects| One { objects, ..ONE };
    const SSL: (&str, &str, bool) = ("/usr/lib/libssl.so.3", "libssl3", true);
    const OTHER: (&str, &str, bool) = ("/usr/lib/libz.so.1", "", true);
    const MAYBE: (&str, &str, bool) = ("/usr/lib/libz.so.1", "zlib1g", false);
    check(&[with(&[SSL])], true, true);
    check(&[with(&[SSL, OTHER])], true, false);
    check(&[with(&[OTHER])], false, false);
    check(&[with(&[SSL, MAYBE])], true, true);
    check(&[with(&[MAYBE])], false, false);
    let second = One {
        pid: 9,
        objects: &[OTHER],
        ..ONE
    };
    check(&[with(&[SSL]), second], true, false);
    check(&[], false, false);
}

#[test]
fn programs_of_processes() {
    #[track_caller]
    fn check(all: &[Option<&'static str>], one: bool, whole: bool) {
        let selectors = Selectors {
            programs: patterns(&["/opt/db/*", "re:^/usr/sbin/db$"]),
            ..Selectors::default()
        };
        let all = (7..).zip(all).map(|(pid, &program)| One {
            pid,
            program,
            ..ONE
        });
        let all: Vec<One> = all.collect();
        for (action, fits) in [
            (RuleAction::Restart, one),
            (RuleAction::Defer, one),
            (RuleAction::Leave, whole),
            (RuleAction::Hide, whole),
        ] {
            // Its library is stale, and no file of that path.
            let found = fits_all(action, selectors.clone(), &unit(), &all);
            assert_eq!(found, fits, "{action:?} {all:?}");
        }
    }
    let (db, other) = (Some("/opt/db/bin/db"), Some("/usr/sbin/x"));
    check(&[db], true, true);
    check(&[Some("/usr/sbin/db (deleted)")], true, true);
    check(&[db, other], true, false);
    check(&[other], false, false);
    check(&[None], false, false);
}

#[test]
fn containers_by_name() {
    #[track_caller]
    fn check(kind: OwnerKind, pattern: &str, fits: bool) {
        let owner = Owner::new(kind, "0123abc", Scope::System);
        let selectors = Selectors {
            containers: patterns(&[pattern]),
            ..Selectors::default()
        };
        let found = fits_all(RuleAction::Restart, selectors, &owner, &[ONE]);
        assert_eq!(found, fits, "{kind:?} {pattern}");
    }
    check(OwnerKind::Container(Runtime::Docker), "0123*", true);
    check(OwnerKind::Container(Runtime::Docker), "web", true);
    check(OwnerKind::VirtualMachine(Runtime::Libvirt), "web", true);
    check(OwnerKind::Container(Runtime::Docker), "db", false);
    check(OwnerKind::Unit, "0123*", false);
}

#[test]
fn rules_end() {
    let rule = |name: &str, until| PolicyRule {
        name: name.to_owned(),
        selectors: Selectors {
            units: patterns(&["x.*"]),
            ..Selectors::default()
        },
        action: RuleAction::Defer,
        reason: "r".to_owned(),
        level: Level::Service,
        until,
    };
    let at = |secs| Timestamp { secs, nanos: 0 };
    let policy = Policy {
        rules: vec![rule("first", Some(at(100))), rule("second", None)],
        only_listed: false,
        connecting: Vec::new(),
    };
    let name = |now| {
        let subject = Subject {
            owner: &unit(),
            unit_names: &[],
            processes: &[],
            main: None,
            now: at(now),
            facts: &facts(Vec::new(), Vec::new()),
        };
        rule_for(&policy, &subject).map(|rule| rule.name.clone())
    };
    assert_eq!(name(99).as_deref(), Some("first"));
    assert_eq!(name(100).as_deref(), Some("second"));
}
