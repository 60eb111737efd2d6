use super::*;
use crate::app::assess;
use crate::bundle::Bundle;
use crate::config::{Settings, shipped};
use crate::model::{
    Beside, Boot, Claim, Details, NamedScript, OwnerKind, PathAnswer, Process, ProcessKey, Removed,
    Setting, StartTicks, Timestamp,
};

fn recorded(name: &str) -> Bundle {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/scenarios");
    Bundle::parse(&std::fs::read(root.join(name).join("bundle.json")).unwrap()).unwrap()
}

/// A server of which the program and a library were replaced.
fn shop() -> Bundle {
    recorded("0001-upgraded-server")
}

fn scene_of(bundle: &Bundle, wanted: &Wanted) -> Scene {
    let settings = Settings {
        policy: shipped(),
        ..Settings::default()
    };
    let accounts = [(0, "root"), (0, "toor"), (1000, "ada")].map(|(uid, name)| Account {
        name: name.to_owned(),
        uid,
        gid: uid,
    });
    let assessment = assess::assess(bundle, &settings, wanted.own_only);
    with_accounts(&assessment, wanted, &accounts)
}

#[track_caller]
fn only(bundle: &Bundle) -> Stale {
    let scene = scene_of(bundle, &Wanted::default());
    assert_eq!(scene.stale.len(), 1, "{:?}", scene.stale);
    scene.stale.into_iter().next().unwrap()
}

fn deleted() -> Wanted {
    Wanted {
        deleted: true,
        ..Wanted::default()
    }
}

fn details(bundle: &mut Bundle) -> &mut Details {
    bundle.facts.processes[0].details.as_mut().unwrap()
}

fn owned_by(name: &str) -> PathAnswer {
    PathAnswer::Owned(vec![Claim {
        name: name.to_owned(),
        ..claim()
    }])
}

fn claim() -> Claim {
    let answers = shop().answers.paths;
    let Some(PathAnswer::Owned(claims)) = answers.into_values().next() else {
        panic!("a package owns it");
    };
    claims.into_iter().next().unwrap()
}

#[test]
fn whose_it_is() {
    #[track_caller]
    fn check(name: &str, owner: (OwnerKind, &str), user: &str, packages: &[&str]) {
        let stale = only(&recorded(name));
        let found = (stale.owner.kind, stale.owner.name.escaped().to_string());
        assert_eq!(found, (owner.0, owner.1.to_owned()));
        assert_eq!(stale.user, user);
        assert_eq!(stale.program_packages, packages);
    }
    let shop = (OwnerKind::Unit, "shop.service");
    check("0001-upgraded-server", shop, "root", &["shop-server"]);
    let session = (OwnerKind::Session, "7");
    check("0004-session-program-removed", session, "ada", &[]);
    let odd = (OwnerKind::Unit, "odd.service");
    check("0008-names-that-steer-a-terminal", odd, "root", &[]);
}

#[test]
fn files_the_program_first() {
    let stale = only(&shop());
    let files = stale.files.iter();
    let files: Vec<_> = files
        .map(|file| (file.part, file.path.escaped().to_string(), &file.packages))
        .collect();
    let package = vec!["shop-server".to_owned()];
    let program = "/opt/shop/bin/shop-server".to_owned();
    let library = "/opt/shop/lib/libshop.so.1".to_owned();
    let wanted = [
        (OldPart::Program, program, &package),
        (OldPart::Library, library, &package),
    ];
    assert_eq!(files, wanted);
    assert!(stale.files[0].name.as_slice().ends_with(b" (deleted)"));
}

#[test]
fn names_stay_what_they_are() {
    let stale = only(&recorded("0008-names-that-steer-a-terminal"));
    assert_eq!(
        stale.program.unwrap().as_slice(),
        b"/opt/tool/red\n\x1b[31mnose"
    );
    assert_eq!(
        stale.exe.unwrap().as_slice(),
        b"/opt/tool/red\n\x1b[31mnose (deleted)"
    );
    assert_eq!(stale.comm.as_slice(), b"red\n\x1b[31mnose");
}

#[test]
fn packages_of_the_machine_own_nothing_in_a_container() {
    let mut bundle = recorded("0007-container-with-its-own-root");
    let paths = &mut bundle.answers.paths;
    let boxed = Bytes::from("/opt/boxed");
    paths.insert(boxed.clone(), owned_by("of-the-machine"));
    let stale = only(&bundle);
    assert_eq!(stale.program, Some(boxed));
    assert_eq!(stale.program_packages, [] as [&str; 0]);
}

#[test]
fn what_could_not_be_read_is_nobodys() {
    let mut bundle = shop();
    bundle.facts.processes[0].details = None;
    let stale = only(&bundle);
    assert_eq!((stale.uid, stale.user.as_str()), (u32::MAX, "4294967295"));
    assert!(!stale.other_pid_ns);
}

#[test]
fn another_pid_namespace() {
    #[track_caller]
    fn check(theirs: Option<u64>, ours: Option<u64>, other: bool) {
        let mut bundle = shop();
        details(&mut bundle).namespaces.pid = theirs;
        bundle.facts.host.reader_pid_ns = ours;
        assert_eq!(only(&bundle).other_pid_ns, other, "{theirs:?} {ours:?}");
    }
    check(Some(1), Some(1), false);
    check(Some(2), Some(1), true);
    check(None, Some(1), false);
    check(Some(1), None, false);
}

#[test]
fn terminals() {
    let mut bundle = shop();
    assert_eq!(only(&bundle).tty, None);
    details(&mut bundle).tty = Some(crate::model::Device {
        major: 136,
        minor: 3,
    });
    assert_eq!(only(&bundle).tty.as_deref(), Some("/dev/pts/3"));
}

#[test]
fn scripts_by_their_argument() {
    let mut bundle = shop();
    let script = NamedScript {
        path: Bytes::from("/bin/job"),
        real: Bytes::from("/usr/bin/job"),
    };
    bundle.facts.beside.push(Beside {
        process: bundle.facts.processes[0].key,
        script: Some(script.clone()),
        removed: Vec::new(),
    });
    let paths = &mut bundle.answers.paths;
    paths.insert(script.path.clone(), PathAnswer::Unpackaged);
    paths.insert(script.real, owned_by("jobs"));
    let found = only(&bundle).script.unwrap();
    assert_eq!(
        (found.path, found.packages),
        (script.path, vec!["jobs".to_owned()])
    );
}

#[test]
fn units_and_init_scripts() {
    #[track_caller]
    fn check(systemd: bool, cgroup: &str, units: &[&str], scripts: &[&str]) {
        let mut bundle = shop();
        bundle.facts.host.systemd = systemd;
        bundle.facts.host.unified_cgroups = true;
        details(&mut bundle).cgroup = Bytes::from(cgroup);
        let unit = Bytes::from("/lib/systemd/system/shop.service");
        bundle.answers.paths.insert(unit, owned_by("shop-units"));
        let files = [
            "/etc/init.d/shop",
            "/etc/init.d/",
            "/etc/init.d/a/b",
            "/etc/init.d/shop",
        ];
        let files = files.into_iter().map(Bytes::from).collect();
        let all = &mut bundle.answers.files;
        all.insert("shop-server".to_owned(), files);
        all.insert("other".to_owned(), vec![Bytes::from("/etc/init.d/other")]);
        let scene = scene_of(&bundle, &Wanted::default());
        assert_eq!(scene.stale[0].unit_packages, units, "{cgroup}");
        assert_eq!(scene.stale[0].init_scripts, scripts, "{cgroup}");
        // Those of packages that nothing stale is of are not told.
        assert_eq!(scene.files.keys().collect::<Vec<_>>(), ["shop-server"]);
        assert!(scene.files["shop-server"].is_sorted());
    }
    let unit = "0::/system.slice/shop.service\n";
    check(true, unit, &["shop-units"], &[]);
    check(true, "0::/\n", &[], &["shop"]);
    check(false, "0::/\n", &[], &["shop"]);
}

fn removed(path: &str) -> Removed {
    Removed {
        name: Bytes::from(format!("{path} (deleted)").as_str()),
        path: Some(Bytes::from(path)),
    }
}

fn hold(bundle: &mut Bundle, process: ProcessKey, paths: &[&str]) {
    bundle.facts.beside.push(Beside {
        process,
        script: None,
        removed: paths.iter().map(|path| removed(path)).collect(),
    });
}

#[test]
fn removed_files_of_what_is_stale() {
    let mut bundle = shop();
    let key = bundle.facts.processes[0].key;
    let paths = ["/a", "/opt/shop/lib/libshop.so.1", "/z\n"];
    hold(&mut bundle, key, &paths);
    let scene = scene_of(&bundle, &deleted());
    let files = scene.stale[0].files.iter();
    let files: Vec<_> = files
        .map(|file| (file.part, file.path.escaped().to_string()))
        .collect();
    let wanted = [
        (OldPart::Program, "/opt/shop/bin/shop-server"),
        (OldPart::Data, "/a"),
        (OldPart::Library, "/opt/shop/lib/libshop.so.1"),
        (OldPart::Data, "/z\\n"),
    ];
    assert_eq!(files, wanted.map(|(part, path)| (part, path.to_owned())));
    assert!(scene.stale[0].runs_old_code());
    // Unasked, nothing of it is told.
    assert_eq!(only(&bundle).files.len(), 2);
}

#[test]
fn removed_files_of_what_is_not() {
    let mut bundle = shop();
    let mut other: Process = bundle.facts.processes[0].clone();
    other.key = ProcessKey {
        pid: 7,
        started: StartTicks(1),
    };
    other.uses.clear();
    bundle.facts.processes.insert(0, other.clone());
    hold(&mut bundle, other.key, &["/var/log/x"]);
    let scene = scene_of(&bundle, &deleted());
    let pids: Vec<_> = scene.stale.iter().map(|one| one.pid).collect();
    assert_eq!(pids, [7, 58]);
    let holder = &scene.stale[0];
    assert!(!holder.runs_old_code());
    assert_eq!(holder.action, Action::Leave);
    assert_eq!(holder.because[0].rule, "deleted-file");
    assert_eq!(holder.owner.name.as_slice(), b"shop.service");
    assert_eq!(only(&bundle).pid, 58);
    // Another user's, and only the reader's own are asked about.
    bundle.facts.processes[0].details.as_mut().unwrap().uid = 1000;
    let own = Wanted {
        own_only: true,
        ..deleted()
    };
    assert_eq!(scene_of(&bundle, &own).stale.len(), 1);
}

#[test]
fn who_sees_a_part_of_the_processes_cannot_say_no() {
    let untold = |out_of_sight| {
        let mut bundle = shop();
        let time = Timestamp { secs: 0, nanos: 0 };
        bundle.facts.boot = Some(Boot {
            setting: Setting::Machine,
            started: time,
            earliest: time,
            out_of_sight,
            kernel: None,
            live_patches: Vec::new(),
            microcode: None,
            deployments: Vec::new(),
            flags: Vec::new(),
            listed: Vec::new(),
        });
        scene_of(&bundle, &Wanted::default()).reboot_is_untold()
    };
    assert!(untold(true));
    assert!(!untold(false));
}

#[test]
fn a_named_root_without_packages_is_none() {
    let said = |root: Option<&str>, stores: &[&str], core: &[&str]| {
        let mut bundle = shop();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        bundle.answers.stores = names(stores);
        bundle.answers.core.stores = names(core);
        let wanted = Wanted {
            root: root.map(Into::into),
            ..Wanted::default()
        };
        let problems = scene_of(&bundle, &wanted).problems;
        let lines = problems.iter().map(ToString::to_string);
        lines
            .filter(|line| line.contains("store"))
            .collect::<Vec<_>>()
    };
    let line = "cannot find a package store below /opt/r: is it the root of a system?";
    assert_eq!(said(Some("/opt/r"), &[], &[]), [line]);
    assert!(said(Some("/opt/r"), &["rpm"], &[]).is_empty());
    assert!(said(Some("/opt/r"), &[], &["rpm"]).is_empty());
    assert!(said(Some("/"), &[], &[]).is_empty());
    assert!(said(None, &[], &[]).is_empty());
}
