//! Rows of cases 9.07 to 9.19.

use super::*;
use crate::model::{
    Banner, Because, Before, Boot, Bytes, Claim, Clock, Core, CoreChange, FileStat, Host, Kernel,
    KernelVerdict, Listed, ListedBy, LivePatch, Loader, LoaderKind, Microcode, NextKernel, Owner,
    PackageFact, PathAnswer, ProcessKey, Scope, Setting, Ships, StaleObject, StaleProcess,
    StartTicks,
};
use crate::model::{Kind, ObjectId};

const NEVER: Timestamp = Timestamp { secs: 0, nanos: 0 };

fn at(secs: i64) -> Timestamp {
    Timestamp { secs, nanos: 0 }
}

fn facts(boot: Boot) -> Facts {
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
        processes: Vec::new(),
        objects: Vec::new(),
        problems: Vec::new(),
        plugins: Vec::new(),
        boot: Some(boot),
        beside: Vec::new(),
    }
}

fn boot() -> Boot {
    Boot {
        setting: Setting::Machine,
        started: NEVER,
        earliest: NEVER,
        out_of_sight: false,
        kernel: Some(Kernel {
            running: banner("6.1.0-50-amd64"),
            modules_changed: None,
            modular: true,
            images: Vec::new(),
            modules: Vec::new(),
            loader: Loader {
                kind: LoaderKind::Unknown,
                default: None,
                notes: Vec::new(),
            },
        }),
        live_patches: Vec::new(),
        microcode: None,
        deployments: Vec::new(),
        flags: Vec::new(),
        listed: Vec::new(),
    }
}

fn banner(release: &str) -> Banner {
    Banner {
        release: Bytes::from(release),
        version: Bytes::from("#1"),
    }
}

fn state(verdict: KernelVerdict) -> KernelState {
    KernelState {
        running: banner("6.1.0-50-amd64"),
        verdict,
        next: Some(NextKernel {
            path: Bytes::from("/boot/vmlinuz-6.1.0-56-amd64"),
            banner: banner("6.1.0-56-amd64"),
            by_loader: false,
            other_flavour: false,
            since: at(7),
        }),
        modules_gone: false,
        live_patched_by: None,
        remarks: Vec::new(),
    }
}

/// What a row is about; everything else is at rest.
#[derive(Default)]
struct Row {
    kernel: Option<KernelState>,
    microcode: Option<Cause>,
    answers: Answers,
    items: Vec<Item>,
    incomplete: bool,
    suffice: bool,
}

fn decided(boot: Boot, row: Row) -> Reboot {
    let facts = facts(boot);
    let plan = Plan {
        items: row.items,
        hidden: Vec::new(),
    };
    reboot(Evidence {
        facts: &facts,
        answers: &row.answers,
        plan: &plan,
        kernel: row.kernel,
        microcode: row.microcode,
        complete: !row.incomplete,
        live_patches_suffice: row.suffice,
    })
}

#[track_caller]
fn check(boot: Boot, row: Row, level: Level, rules: &[&str]) -> Reboot {
    let reboot = decided(boot, row);
    let causes: Vec<&str> = reboot.causes.iter().map(|cause| cause.rule).collect();
    assert_eq!(
        (reboot.level, causes.as_slice()),
        (Some(level), rules),
        "{reboot:#?}"
    );
    reboot
}

fn listed(name: &str, level: Level) -> Listed {
    Listed {
        name: name.to_owned(),
        by: ListedBy::NameOrProvides,
        level,
        source: Bytes::from("reboot-packages.toml"),
        line: None,
        installs_count: false,
        store: None,
        only_with: None,
        pattern: None,
    }
}

fn changed(name: &str, before: Before, has_code: bool) -> CoreChange {
    CoreChange {
        listed: 0,
        package: Claim {
            backend: "rpm".to_owned(),
            name: name.to_owned(),
            arch: "x86_64".to_owned(),
            version: "2-1".to_owned(),
            intact: None,
        },
        at: Some(at(9)),
        before,
        hint: None,
        ships: if has_code { Ships::Code } else { Ships::Data },
    }
}

fn with_core(change: CoreChange) -> Row {
    Row {
        answers: Answers {
            core: Core {
                changed: vec![change],
                ..Core::default()
            },
            ..Answers::default()
        },
        ..Row::default()
    }
}

fn item(action: Action, level: Level, kind: OwnerKind, name: &str, package: &str) -> Item {
    let owner = Owner::new(kind, name, Scope::System);
    let fact = PackageFact {
        backend: "rpm".to_owned(),
        name: package.to_owned(),
        arch: "x86_64".to_owned(),
        running_version: Some("1-1".to_owned()),
        installed_version: Some("2-1".to_owned()),
    };
    Item {
        action,
        level,
        because: vec![Because {
            rule: "x".to_owned(),
            why: "so it is".to_owned(),
        }],
        processes: vec![StaleProcess {
            key: ProcessKey {
                pid: 7,
                started: StartTicks(7),
            },
            owner: owner.clone(),
            comm: Bytes::from("x"),
            instance: None,
            restart: None,
            objects: vec![StaleObject {
                object: ObjectId(0),
                program: true,
                source: None,
                sure: true,
                kind: Kind::Replaced,
                package: Package::Known(vec![fact]),
            }],
        }],
        owner,
    }
}

#[test]
fn nobody_looked_is_not_none() {
    let mut facts = facts(boot());
    facts.boot = None;
    let reboot = reboot(Evidence {
        facts: &facts,
        answers: &Answers::default(),
        plan: &Plan::default(),
        kernel: None,
        microcode: None,
        complete: true,
        live_patches_suffice: false,
    });
    assert_eq!(reboot.level, None);
}

#[test]
fn kernels() {
    let row = |verdict| Row {
        kernel: Some(state(verdict)),
        ..Row::default()
    };
    check(boot(), row(KernelVerdict::Current), Level::None, &[]);
    let newer = check(
        boot(),
        row(KernelVerdict::Newer),
        Level::Reboot,
        &["kernel.newer"],
    );
    assert_eq!(newer.since(), Some(at(7)));
    check(
        boot(),
        row(KernelVerdict::Rebuilt),
        Level::Reboot,
        &["kernel.rebuilt"],
    );
    check(
        boot(),
        row(KernelVerdict::Removed),
        Level::Reboot,
        &["kernel.removed"],
    );
    for verdict in [
        KernelVerdict::Custom,
        KernelVerdict::OlderDefault,
        KernelVerdict::Unknown("x".to_owned()),
    ] {
        let reboot = check(boot(), row(verdict), Level::None, &[]);
        assert_eq!(reboot.notes.len(), 1);
    }
    let mut gone = state(KernelVerdict::Newer);
    gone.modules_gone = true;
    let row = Row {
        kernel: Some(gone),
        ..Row::default()
    };
    check(
        boot(),
        row,
        Level::Reboot,
        &["kernel.newer", "kernel.modules"],
    );
}

#[test]
fn t9_09_an_image_that_was_passed_over_asks_for_nothing() {
    #[track_caller]
    fn check(by_loader: bool, other_flavour: bool, came: i64, level: Level) {
        let mut state = state(KernelVerdict::Newer);
        state.next = state.next.map(|next| NextKernel {
            by_loader,
            other_flavour,
            since: at(came),
            ..next
        });
        let mut boot = boot();
        (boot.earliest, boot.started) = (at(100), at(100));
        let row = Row {
            kernel: Some(state),
            ..Row::default()
        };
        let reboot = decided(boot, row);
        assert_eq!(
            reboot.level,
            Some(level),
            "{by_loader} {other_flavour} {came}"
        );
    }
    check(false, false, 101, Level::Reboot);
    check(false, false, 99, Level::None);
    // The loader says so: another kernel was chosen by hand.
    check(true, false, 99, Level::Reboot);
    check(true, true, 99, Level::None);
    check(true, true, 101, Level::Reboot);
}

#[test]
fn the_package_of_a_kernel_is_named_with_both_versions() {
    let owned = |path: &str, name: &str, version: &str| {
        let claim = Claim {
            backend: "dpkg".to_owned(),
            name: name.to_owned(),
            arch: "amd64".to_owned(),
            version: version.to_owned(),
            intact: None,
        };
        (Bytes::from(path), PathAnswer::Owned(vec![claim]))
    };
    let answers = Answers {
        paths: [
            owned(
                "/boot/vmlinuz-6.1.0-50-amd64",
                "linux-image-6.1.0-50-amd64",
                "6.1.176-1",
            ),
            owned(
                "/boot/vmlinuz-6.1.0-56-amd64",
                "linux-image-6.1.0-56-amd64",
                "6.1.192-2",
            ),
        ]
        .into(),
        changes: vec![PackageChange {
            backend: "dpkg".to_owned(),
            name: "linux-image-6.1.0-56-amd64".to_owned(),
            arch: None,
            at: at(5),
            old: None,
            new: Some("6.1.192-2".to_owned()),
        }],
        core: Core {
            changed: vec![changed(
                "linux-image-6.1.0-56-amd64",
                Before::Nothing,
                false,
            )],
            ..Core::default()
        },
        ..Answers::default()
    };
    let row = Row {
        kernel: Some(state(KernelVerdict::Newer)),
        answers,
        ..Row::default()
    };
    let mut boot = boot();
    boot.listed = vec![listed("linux-image-*", Level::Reboot)];
    // Said once: the list has nothing to add.
    let reboot = check(boot, row, Level::Reboot, &["kernel.newer"]);
    let upgrade = &reboot.causes[0].packages[0];
    assert_eq!(upgrade.old.as_deref(), Some("6.1.176-1"));
    assert_eq!(upgrade.new.as_deref(), Some("6.1.192-2"));
    assert_eq!(reboot.since(), Some(at(5)));
}

#[test]
fn t9_14_live_patches_are_told_and_lower_nothing_by_themselves() {
    #[track_caller]
    fn check(by: Option<&str>, suffice: bool, level: Level, words: &str) {
        let mut boot = boot();
        boot.live_patches = vec![LivePatch {
            name: Bytes::from("kcare"),
            source: "kernelcare".to_owned(),
            enabled: true,
            effective_release: None,
        }];
        let row = Row {
            kernel: Some(KernelState {
                live_patched_by: by.map(str::to_owned),
                ..state(KernelVerdict::Newer)
            }),
            suffice,
            ..Row::default()
        };
        let reboot = decided(boot, row);
        assert_eq!(reboot.level, Some(level), "{words}");
        let mut said = reboot.causes.iter().chain(&reboot.notes);
        assert!(said.any(|cause| cause.why.contains(words)), "{reboot:?}");
    }
    let nothing = "nothing tells whether they cover";
    check(None, false, Level::Reboot, nothing);
    check(None, true, Level::Reboot, nothing);
    check(
        Some("kernelcare"),
        false,
        Level::Reboot,
        "the reboot may wait",
    );
    check(
        Some("kernelcare"),
        true,
        Level::None,
        "settings let that suffice",
    );
}

#[test]
fn listed_names_that_nothing_is_called_are_told() {
    let mut boot = boot();
    boot.listed = vec![listed("abcde", Level::Reboot)];
    let mut row = Row::default();
    row.answers.core.missing = vec![0, 7];
    let reboot = check(boot, row, Level::None, &[]);
    assert_eq!(reboot.notes.len(), 1);
    assert!(reboot.notes[0].why.starts_with("abcde is listed by"));
}

#[test]
fn t9_17_a_list_asks_for_no_more_than_what_runs_old_code() {
    let old = || Before::Version("1-1".to_owned());
    let with_list = || Boot {
        listed: vec![listed("glibc", Level::Reboot)],
        ..boot()
    };
    // Nothing runs it any more: renewed.
    let reboot = check(
        with_list(),
        with_core(changed("glibc", old(), true)),
        Level::None,
        &[],
    );
    assert!(reboot.notes[0].why.contains("nothing runs its old code"));
    // A service does: a restart is enough.
    let mut row = with_core(changed("glibc", old(), true));
    row.items = vec![item(
        Action::Restart,
        Level::Service,
        OwnerKind::Unit,
        "a.service",
        "glibc",
    )];
    check(with_list(), row, Level::Service, &["package", "process"]);
    // Another part of it is run: what a list means by a name is more than the package of that name.
    let mut row = with_core(changed("glibc", old(), true));
    row.items = vec![item(
        Action::Restart,
        Level::Service,
        OwnerKind::Unit,
        "a.service",
        "glibc-common",
    )];
    check(with_list(), row, Level::Service, &["package", "process"]);
    // Old code of no package: it may have been this one's.
    let mut row = with_core(changed("glibc", old(), true));
    let mut nobodys = item(
        Action::Restart,
        Level::Service,
        OwnerKind::Unit,
        "a.service",
        "x",
    );
    nobodys.processes[0].objects[0].package = Package::None;
    row.items = vec![nobodys];
    let reboot = check(with_list(), row, Level::Service, &["package", "process"]);
    assert!(reboot.causes[0].why.contains("whose package is not known"));
    // Nothing proves it where not everything was looked at, and nothing is sure then; or where the package has no code
    // to be seen.
    let mut row = with_core(changed("glibc", old(), true));
    row.incomplete = true;
    let reboot = check(with_list(), row, Level::Reboot, &["package"]);
    assert_eq!(reboot.sure_level(), Some(Level::None));
    check(
        with_list(),
        with_core(changed("glibc", old(), false)),
        Level::Reboot,
        &["package"],
    );
}

#[test]
fn what_is_no_upgrade() {
    let with_list = |installs_count| Boot {
        listed: vec![Listed {
            installs_count,
            ..listed("dwm", Level::Reboot)
        }],
        ..boot()
    };
    let first = || with_core(changed("dwm", Before::Nothing, false));
    check(with_list(false), first(), Level::None, &[]);
    check(with_list(true), first(), Level::Reboot, &["package"]);
    let again = with_core(changed("dwm", Before::Version("2-1".to_owned()), false));
    check(with_list(false), again, Level::None, &[]);
    let unknown = with_core(changed("dwm", Before::Unknown, false));
    check(with_list(false), unknown, Level::Reboot, &["package"]);
    // By hand, whatever its code is doing.
    let upgraded = with_core(changed("dwm", Before::Version("1-1".to_owned()), true));
    check(with_list(true), upgraded, Level::Reboot, &["package"]);
}

#[test]
fn a_clock_that_was_set_leaves_it_to_what_runs() {
    let set_forth = |installs_count| Boot {
        started: at(1_000),
        listed: vec![Listed {
            installs_count,
            ..listed("glibc", Level::Reboot)
        }],
        ..boot()
    };
    let old = || Before::Version("1-1".to_owned());
    let row = |has_code| with_core(changed("glibc", old(), has_code));
    let reboot = check(set_forth(false), row(false), Level::None, &[]);
    assert!(reboot.notes[0].why.contains("the clock was set"));
    check(set_forth(true), row(false), Level::None, &[]);
    let mut running = row(true);
    running.items = vec![item(
        Action::Restart,
        Level::Service,
        OwnerKind::Unit,
        "a.service",
        "glibc",
    )];
    check(
        set_forth(false),
        running,
        Level::Service,
        &["package", "process"],
    );
}

#[test]
fn a_hint_beside_the_capability_counts_before_the_list() {
    let mut change = changed("x", Before::Unknown, false);
    change.hint = Some("soft-reboot".to_owned());
    let mut boot = boot();
    boot.listed = vec![listed("installhint(reboot-needed)", Level::Reboot)];
    check(boot, with_core(change), Level::SoftReboot, &["package"]);
}

#[test]
fn a_hint_of_nothing_is_no_hint() {
    let mut change = changed("x", Before::Unknown, false);
    change.hint = Some("none".to_owned());
    let mut boot = boot();
    boot.listed = vec![listed("installhint(reboot-needed)", Level::Kexec)];
    check(boot, with_core(change), Level::Kexec, &["package"]);
}

#[test]
fn a_list_asks_for_no_more_than_it_says() {
    let mut boot = boot();
    boot.listed = vec![listed("dbus", Level::Session)];
    let mut row = with_core(changed("dbus", Before::Version("1-1".to_owned()), true));
    let bus = item(
        Action::Defer,
        Level::SoftReboot,
        OwnerKind::Unit,
        "dbus.service",
        "dbus",
    );
    row.items = vec![bus];
    let reboot = check(boot, row, Level::Reboot, &["process", "package"]);
    assert_eq!(reboot.causes[1].level, Level::Session);
}

#[test]
fn the_service_manager_is_told_by_itself_and_with_its_time() {
    let manager = item(
        Action::Reexec,
        Level::Service,
        OwnerKind::ServiceManager,
        "init.scope",
        "systemd",
    );
    let service = item(
        Action::Restart,
        Level::Service,
        OwnerKind::Unit,
        "a.service",
        "glibc",
    );
    let change = |name: &str, new: &str, secs| PackageChange {
        backend: "rpm".to_owned(),
        name: name.to_owned(),
        arch: None,
        at: at(secs),
        old: None,
        new: Some(new.to_owned()),
    };
    let row = Row {
        items: vec![manager, service],
        answers: Answers {
            changes: vec![
                change("systemd", "1-1", 3),
                change("glibc", "2-1", 4),
                change("systemd", "2-1", 5),
            ],
            ..Answers::default()
        },
        ..Row::default()
    };
    let reboot = check(boot(), row, Level::Service, &["process", "process"]);
    assert!(reboot.causes[0].why.starts_with("init.scope"), "{reboot:?}");
    assert_eq!(
        reboot.causes[0].since,
        Some(at(5)),
        "its package, in its version"
    );
}

#[test]
fn a_package_that_several_lists_name_is_told_once_by_the_highest() {
    let mut row = with_core(changed("x", Before::Unknown, false));
    let second = CoreChange {
        listed: 1,
        ..changed("x", Before::Unknown, false)
    };
    row.answers.core.changed.push(second);
    let mut boot = boot();
    boot.listed = vec![listed("x", Level::SoftReboot), listed("x", Level::Reboot)];
    check(boot.clone(), row, Level::Reboot, &["package"]);
    // Nor twice where they agree.
    let mut row = with_core(changed("x", Before::Unknown, false));
    row.answers
        .core
        .changed
        .push(changed("x", Before::Unknown, false));
    check(boot, row, Level::SoftReboot, &["package"]);
}

#[test]
fn a_kernel_package_yields_to_what_is_known_of_kernels() {
    let with_list = || Boot {
        listed: vec![listed("kernel", Level::Reboot)],
        ..boot()
    };
    let row = |verdict: Option<KernelVerdict>| Row {
        kernel: verdict.map(state),
        ..with_core(changed("kernel-core", Before::Nothing, false))
    };
    check(
        with_list(),
        row(Some(KernelVerdict::Current)),
        Level::None,
        &[],
    );
    check(
        with_list(),
        row(Some(KernelVerdict::Custom)),
        Level::None,
        &[],
    );
    check(with_list(), row(None), Level::Reboot, &["package"]);
    let unknown = KernelVerdict::Unknown("x".to_owned());
    let reboot = check(with_list(), row(Some(unknown)), Level::Reboot, &["package"]);
    assert_eq!(reboot.sure_level(), Some(Level::None));
    // Metapackages and other flavours have nothing to add.
    for verdict in [
        KernelVerdict::Newer,
        KernelVerdict::Rebuilt,
        KernelVerdict::Removed,
    ] {
        let rule = format!("kernel.{}", verdict.word());
        check(with_list(), row(Some(verdict)), Level::Reboot, &[&rule]);
    }
    check(
        with_list(),
        row(Some(KernelVerdict::OlderDefault)),
        Level::None,
        &[],
    );
    let mut container = with_list();
    container.kernel = None;
    container.setting = Setting::Container("x".to_owned());
    check(container, row(None), Level::None, &[]);
    // Another root's list is all there is.
    let mut elsewhere = with_list();
    elsewhere.kernel = None;
    elsewhere.setting = Setting::OtherRoot;
    check(elsewhere, row(None), Level::Reboot, &["package"]);
}

#[test]
fn microcode_packages_yield_to_what_is_known_of_processors() {
    let with_list = |microcode: bool| Boot {
        listed: vec![listed("microcode_ctl", Level::Reboot)],
        microcode: microcode.then(|| Microcode {
            processors: Vec::new(),
            patches: Vec::new(),
            unread: Vec::new(),
            disabled: None,
        }),
        ..boot()
    };
    let row = || with_core(changed("microcode_ctl", Before::Unknown, false));
    check(with_list(false), row(), Level::None, &[]);
    check(with_list(true), row(), Level::None, &[]);
    let mut newer = row();
    newer.microcode = Some(Cause::new("microcode", Level::Reboot, "x".to_owned()));
    check(
        with_list(true),
        newer,
        Level::Reboot,
        &["microcode", "package"],
    );
}

#[test]
fn t9_16_flags_of_others_count_and_our_own_do_not() {
    let flag = |own| Flag {
        path: Bytes::from("/run/reboot-needed"),
        level: Level::SoftReboot,
        packages: Vec::new(),
        since: at(3),
        own,
    };
    let mut with_flag = boot();
    with_flag.flags = vec![flag(false)];
    let reboot = check(with_flag, Row::default(), Level::SoftReboot, &["flag"]);
    assert_eq!(reboot.since(), Some(at(3)));
    let mut with_flag = boot();
    with_flag.flags = vec![flag(true)];
    check(with_flag, Row::default(), Level::None, &[]);
}

#[test]
fn t9_19_deployments() {
    let deployment = |kind: &str, next: &str, other_kernel| Boot {
        deployments: vec![Deployment {
            kind: kind.to_owned(),
            booted: Bytes::from("a"),
            next: Bytes::from(next),
            since: None,
            other_kernel,
        }],
        ..boot()
    };
    let row = Row::default;
    check(deployment("ostree", "a", None), row(), Level::None, &[]);
    check(
        deployment("ostree", "b", None),
        row(),
        Level::Reboot,
        &["deployment"],
    );
    check(
        deployment("ostree", "b", Some(false)),
        row(),
        Level::Reboot,
        &["deployment"],
    );
    check(
        deployment("nixos", "b", Some(true)),
        row(),
        Level::Reboot,
        &["deployment"],
    );
    check(
        deployment("nixos", "b", Some(false)),
        row(),
        Level::None,
        &[],
    );
}

#[test]
fn processes_ask_for_what_renews_them() {
    let soft = || {
        item(
            Action::Defer,
            Level::SoftReboot,
            OwnerKind::Unit,
            "dbus.service",
            "glibc",
        )
    };
    let row = |items| Row {
        items,
        ..Row::default()
    };
    // No systemd that could: the machine.
    check(boot(), row(vec![soft()]), Level::Reboot, &["process"]);
    let session = item(
        Action::Relogin,
        Level::Session,
        OwnerKind::Session,
        "3",
        "bash",
    );
    let service = item(
        Action::Restart,
        Level::Service,
        OwnerKind::Unit,
        "a.service",
        "glibc",
    );
    let items = vec![service, session];
    check(boot(), row(items), Level::Session, &["process", "process"]);
    let left = item(
        Action::Leave,
        Level::None,
        OwnerKind::Unit,
        "a.service",
        "glibc",
    );
    check(boot(), row(vec![left]), Level::None, &[]);
}

#[test]
fn soft_reboots_need_a_systemd_that_can() {
    #[track_caller]
    fn check(library: &str, version: Option<u32>) {
        let mut facts = facts(boot());
        facts.objects = vec![mapped(library)];
        facts.processes = vec![init()];
        assert_eq!(systemd_version(&facts), version, "{library}");
    }
    check(
        "/usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so",
        Some(252),
    );
    check(
        "/usr/lib/systemd/libsystemd-shared-257.13-1~deb13u2.so (deleted)",
        Some(257),
    );
    check("/usr/lib/libsystemd.so.0.35.0", None);
}

fn init() -> crate::model::Process {
    crate::model::Process {
        key: ProcessKey {
            pid: 1,
            started: StartTicks(1),
        },
        ppid: 0,
        comm: Bytes::from("systemd"),
        exe: None,
        view: crate::model::ViewId(0),
        uses: vec![crate::model::Use {
            object: ObjectId(0),
            start: 0,
            program: false,
        }],
        sources: Vec::new(),
        details: None,
    }
}

fn mapped(name: &str) -> crate::model::Object {
    use crate::model::{Compared, Device, Fresh, Look, Object, ViewId, WhyNot};
    Object {
        view: ViewId(0),
        name: Bytes::from(name),
        path: None,
        device: Device::default(),
        inode: 1,
        look: Look {
            mapped: Result::<FileStat, _>::Err(WhyNot::NotRecorded),
            fresh: Fresh::Missing,
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
