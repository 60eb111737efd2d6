use super::*;
use crate::dialects::testing::{Pretended, Spoken, nothing, service};
use crate::dialects::{Stale, testing};
use crate::model::{
    Before, Boot, Bytes, Cause, Claim, CoreChange, Level, Listed, ListedBy, Owner, OwnerKind,
    Scope, Setting, Ships, Timestamp, Upgrade,
};

mod hints;
mod listings;
mod readers;

/// The start of the system.
const STARTED: i64 = 1_000;

/// A machine that was started at [`STARTED`], and whose lists are those that are shipped for EL 8.
fn machine(euid: u32, scene: Scene) -> Pretended {
    let scene = Scene { euid, ..scene };
    Pretended {
        euid,
        scene: Some(scene),
        ..Pretended::default()
    }
}

fn say(variant: &str, args: &[&str], machine: &mut Pretended) -> Spoken {
    let speak: crate::dialects::Speak = |call, machine, voice| match generation(call, machine) {
        Generation::Own(own) => speak(own, call, machine, voice),
        Generation::Zypper => panic!("spoken elsewhere"),
    };
    testing::speak(speak, Some(variant), args, machine)
}

/// What root is told.
fn told(variant: &str, args: &[&str], scene: &Scene) -> Spoken {
    say(variant, args, &mut machine(0, scene.clone()))
}

#[track_caller]
fn check(spoken: &Spoken, exit: u8, out: &str, err: &str) {
    assert_eq!(spoken.out, out);
    assert_eq!(spoken.err, err);
    assert_eq!(spoken.exit, exit);
}

/// A system on which nothing changed since the start.
fn booted() -> Scene {
    let list = |generation: &str, names: &[&str], by, only_with: Option<&str>| -> Vec<Listed> {
        let source = format!("reboot-packages.toml: {generation}");
        let listed = |name: &&str| Listed {
            name: (*name).to_owned(),
            by,
            level: Level::Reboot,
            source: Bytes::from(source.as_str()),
            store: Some("rpm".to_owned()),
            only_with: only_with.map(str::to_owned),
            ..Listed::default()
        };
        names.iter().map(listed).collect()
    };
    let lists = [
        list("yum", &["kernel", "glibc", "gnutls"], ListedBy::Name, None),
        list(
            "dnf4",
            &["kernel", "glibc", "systemd", "dbus", "dbus-broker"],
            ListedBy::NameOrProvides,
            None,
        ),
        list("dnf4-el8", &["zlib"], ListedBy::Name, Some("dbus")),
        list(
            "dnf5",
            &["kernel", "glibc", "gnutls", "dbus"],
            ListedBy::Name,
            None,
        ),
        list(
            "zypp",
            &["installhint(reboot-needed)", "kernel"],
            ListedBy::Provides,
            None,
        ),
    ];
    Scene {
        stores: vec!["rpm".to_owned()],
        boot: Some(Boot {
            setting: Setting::Machine,
            started: at(STARTED),
            earliest: at(STARTED),
            out_of_sight: false,
            kernel: None,
            live_patches: Vec::new(),
            microcode: None,
            deployments: Vec::new(),
            flags: Vec::new(),
            listed: lists.concat(),
        }),
        ..nothing()
    }
}

fn at(secs: i64) -> Timestamp {
    Timestamp { secs, nanos: 0 }
}

/// Says of a package that it was upgraded since the start: for each entry that names it, as the stores are asked.
fn upgrade(scene: &mut Scene, name: &str, version: &str) {
    let listed = &scene.boot.as_ref().unwrap().listed;
    let places = (0..).zip(listed).filter(|(_, listed)| listed.name == name);
    let changes = places.map(|(place, _)| change(place, name, version));
    scene.core.changed.extend(changes);
}

fn change(listed: u32, name: &str, version: &str) -> CoreChange {
    CoreChange {
        listed,
        package: Claim {
            backend: "rpm".to_owned(),
            name: name.to_owned(),
            arch: "x86_64".to_owned(),
            version: version.to_owned(),
            intact: None,
        },
        at: Some(at(STARTED + 7_200)),
        before: Before::Version("1-1".to_owned()),
        hint: None,
        ships: Ships::Code,
    }
}

/// Lines of a file of `needs-restarting.d`.
fn list(scene: &mut Scene, file: &str, names: &[&str]) {
    let source = format!("/etc/dnf/plugins/needs-restarting.d/{file}");
    let listed = (1..).zip(names).map(|(line, name)| Listed {
        name: (*name).to_owned(),
        level: Level::Reboot,
        source: Bytes::from(source.as_str()),
        line: Some(line),
        installs_count: true,
        ..Listed::default()
    });
    scene.boot.as_mut().unwrap().listed.extend(listed);
}

/// A process that no service is of.
fn in_session(pid: u32, uid: u32, words: &[&str]) -> Stale {
    let program = words[0];
    Stale {
        uid,
        user: "alice".to_owned(),
        argv: words.iter().map(|word| Bytes::from(*word)).collect(),
        owner: Owner::new(OwnerKind::Session, "3", Scope::System),
        cgroup: Bytes::from("0::/user.slice/user-1000.slice/session-3.scope\n"),
        unit_packages: Vec::new(),
        ..service(pid, "x.service", program, "svcfoo")
    }
}

fn with_words(stale: Stale, words: &[&str]) -> Stale {
    Stale {
        argv: words.iter().map(|word| Bytes::from(*word)).collect(),
        ..stale
    }
}

#[test]
fn the_package_manager_tells_which_one_is_meant() {
    #[track_caller]
    fn check(links: &[(&str, &str)], files: &[&str], asked: Option<&str>, wanted: Generation) {
        let machine = Pretended {
            links: links
                .iter()
                .map(|(from, to)| (from.into(), to.into()))
                .collect(),
            files: files.iter().map(|file| (file.into(), vec![])).collect(),
            ..Pretended::default()
        };
        let call = Call {
            variant: asked.map(str::to_owned),
            args: Vec::new(),
        };
        assert_eq!(generation(&call, &machine), wanted, "{links:?} {files:?}");
    }
    let (yum, dnf4, dnf5) = (Own::Yum, Own::Dnf4, Own::Dnf5);
    let own = Generation::Own;
    let (dnf, zypp, old) = ("/etc/dnf/dnf.conf", "/etc/zypp/zypp.conf", "/etc/yum.conf");
    let fedora = [("/usr/bin/dnf", "/usr/bin/dnf5")];
    check(&fedora, &[dnf, zypp, old], None, own(dnf5));
    check(
        &[("/usr/bin/dnf", "/usr/bin/dnf-3")],
        &[dnf, old],
        None,
        own(dnf4),
    );
    check(&[], &[dnf, zypp], None, own(dnf4));
    check(&[], &[zypp, old], None, Generation::Zypper);
    check(&[], &[old], None, own(yum));
    check(&[], &[], None, own(dnf4));
    check(&fedora, &[], Some("yum"), own(yum));
    check(&fedora, &[], Some("zypper"), Generation::Zypper);
    check(&[], &[old], Some("dnf4"), own(dnf4));
    check(&[], &[old], Some("dnf5"), own(dnf5));
}

#[test]
fn options_that_mean_nothing_here_are_taken() {
    let mut scene = booted();
    scene.stale = vec![service(7, "a.service", "/usr/sbin/a", "a")];
    #[track_caller]
    fn check(scene: &Scene, variant: &str, args: &[&str], out: &str) {
        let spoken = told(variant, args, scene);
        assert_eq!(spoken.out, out, "{args:?}: {}", spoken.err);
        assert_eq!(spoken.err, "", "{args:?}");
    }
    let service = "a.service\n";
    let process = "7 : /usr/sbin/a -f \n";
    check(
        &scene,
        "dnf4",
        &["--releasever=12", "-q", "needs-restarting"],
        process,
    );
    check(
        &scene,
        "dnf4",
        &["needs-restarting", "-qvyC", "--noplugins", "-s"],
        service,
    );
    let dnf = [
        "--setopt=a=b",
        "--setopt",
        "c=d",
        "--disablerepo=*",
        "--enablerepo",
        "x",
        "--disableplugin=y",
        "-c",
        "/etc/dnf.conf",
        "-s",
        "-s",
        "--skip-file-locks",
    ];
    check(&scene, "dnf4", &dnf, service);
    check(&scene, "dnf5", &dnf, service);
    check(
        &scene,
        "dnf5",
        &["needs-restarting", "--skip-file-locks", "-s"],
        service,
    );
    // optparse and argparse take beginnings.
    check(&scene, "yum", &["--serv"], service);
    check(&scene, "dnf4", &["--serv"], service);
    check(&scene, "yum", &["-us", "whatever"], service);
}

#[test]
fn what_is_asked_for_besides() {
    #[track_caller]
    fn check(variant: &str, args: &[&str], wanted: &Wanted) {
        let mut machine = machine(0, booted());
        say(variant, args, &mut machine);
        assert_eq!(machine.wanted, std::slice::from_ref(wanted), "{args:?}");
    }
    let nothing = Wanted::default();
    let own = Wanted {
        own_only: true,
        ..Wanted::default()
    };
    let packages = Wanted {
        packages: true,
        ..Wanted::default()
    };
    check("yum", &[], &nothing);
    check("yum", &["-u", "-s"], &own);
    check("dnf4", &["-u"], &own);
    // Lists of packages are no matter of one user.
    check("dnf4", &["-u", "-r"], &nothing);
    check("dnf4", &["-u", "-s"], &packages);
    check("dnf4", &["-u", "-s", "--compat=4.10.1"], &own);
    check("dnf5", &["-s"], &nothing);
    check("dnf5", &["-p"], &nothing);
    check("dnf5", &["-p", "--json"], &packages);
    let below = Wanted {
        root: Some("/mnt".into()),
        ..Wanted::default()
    };
    check("dnf4", &["--installroot=/mnt", "-r"], &below);
    check("dnf4", &["--installroot", "/mnt"], &below);
    let mut alice = machine(1000, booted());
    say("dnf4", &["-u", "-s"], &mut alice);
    let both = Wanted {
        own_only: true,
        ..packages
    };
    assert_eq!(alice.wanted, [both]);
}

#[test]
fn wrong_usage() {
    #[track_caller]
    fn check_line(variant: &str, args: &[&str], line: &str) {
        check(&told(variant, args, &booted()), 2, "", &format!("{line}\n"));
    }
    check_line(
        "dnf5",
        &["-u"],
        "Unknown argument \"-u\" for command \"needs-restarting\". Add \"--help\" for more information about the arguments.",
    );
    check_line(
        "dnf5",
        &["needs-restarting", "x\x1b"],
        "Unknown argument \"x\\x1b\" for command \"needs-restarting\". Add \"--help\" for more information about the arguments.",
    );
    // dnf5 takes no beginnings.
    let spoken = told("dnf5", &["--serv"], &booted());
    assert!(
        spoken.err.starts_with("Unknown argument \"--serv\""),
        "{spoken:?}"
    );
    assert_eq!(spoken.exit, 2);
    let unknown = "needs-restarting: error: unrecognized arguments: --json";
    check_line("dnf4", &["--json"], unknown);
    check_line(
        "dnf4",
        &["-r", "x"],
        "needs-restarting: error: unrecognized arguments: x",
    );
    check_line(
        "yum",
        &["-p"],
        "needs-restarting: error: no such option: -p",
    );
    let wrong = told("dnf4", &["--compat=5"], &booted());
    assert_eq!((wrong.exit, wrong.out.as_str()), (2, ""));
    assert_eq!(told("dnf5", &["--setopt"], &booted()).exit, 2);
}

#[test]
fn help_lists_the_options() {
    #[track_caller]
    fn check(variant: &str, args: &[&str], options: &[&str]) {
        let spoken = told(variant, args, &booted());
        assert_eq!((spoken.exit, spoken.err.as_str()), (0, ""));
        for option in options {
            assert!(spoken.out.contains(option), "{option}: {}", spoken.out);
        }
    }
    let yum = [
        "-u, --useronly",
        "-r, --reboothint",
        "-s, --services",
        "-h, --help",
    ];
    check("yum", &["-h"], &yum);
    check("yum", &["--help"], &yum);
    check("dnf4", &["--help"], &yum);
    let dnf = [
        "--installroot",
        "--releasever",
        "--setopt",
        "--disablerepo",
        "--enablerepo",
    ];
    check("dnf4", &["-h"], &dnf);
    check(
        "dnf4",
        &["-h"],
        &[
            "--disableplugin",
            "--noplugins",
            "--exclude-services",
            "--compat",
        ],
    );
    let own = [
        "-p, --processes",
        "-e, --exclude-services",
        "--json",
        "-s, --services",
    ];
    check("dnf5", &["-h"], &own);
}
