//! The pure parts, on anything: they are total, and some things they never say.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use unstale::attribute::{Hints, Parent, owner_of};
use unstale::bundle::Bundle;
use unstale::detect::judge_object;
use unstale::model::{
    Bytes, Claim, Clock, Compared, Device, FileKind, FileStat, Fresh, Host, Kind, Led, Look, Mount,
    Object, OwnerKind, PathAnswer, StartName, StartTicks, Timestamp, Verdict, ViewId, WhyNot,
};
use unstale::snapshot::maps;
use unstale::view::{mounts, stat};

/// Bytes, mostly such as stand in the files of /proc.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let usual = prop::sample::select(b"0123456789abcdef-:/ rxp()\\\n\t.@%".to_vec());
    prop_oneof![
        vec(any::<u8>(), 0..200),
        vec(prop_oneof![9 => usual, 1 => any::<u8>()], 0..200),
    ]
}

proptest! {
    #[test]
    fn a_line_of_maps_is_total(line in bytes()) {
        if let Ok(Some(mapping)) = maps::parse_line(&line) {
            prop_assert!(line.ends_with(mapping.name));
            prop_assert!(mapping.inode != 0 && !mapping.name.is_empty());
        }
    }

    #[test]
    fn a_line_of_maps_comes_back(
        start: u64, length in 1_u64..1 << 40, major: u32, minor: u32, inode in 1_u64..,
        name in vec(any::<u8>().prop_filter("no newline", |byte| *byte != b'\n'), 1..80),
    ) {
        let end = start.saturating_add(length);
        let head = format!("{start:x}-{end:x} r-xp 00000000 {major:02x}:{minor:02x} {inode} ");
        let line = [head.as_bytes(), b"     /", &name].concat();
        let mapping = maps::parse_line(&line).unwrap().unwrap();
        prop_assert_eq!((mapping.start, mapping.end, mapping.inode), (start, end, inode));
        prop_assert_eq!(mapping.device, Device { major, minor });
        prop_assert_eq!(&mapping.name[1..], &name[..]);
    }

    #[test]
    fn a_stat_is_total(text in bytes()) {
        if let Some(found) = stat::parse_stat(&text) {
            let comm = found.comm.as_slice();
            prop_assert!(comm.is_empty() || text.windows(comm.len()).any(|part| part == comm));
        }
    }

    #[test]
    fn a_command_name_never_shifts_the_fields(comm in vec(any::<u8>(), 0..16), ppid: u32, started: u64) {
        let tail = format!(") S {ppid} 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 {started} 1 2\n");
        let text = [b"7 (", &comm[..], tail.as_bytes()].concat();
        let found = stat::parse_stat(&text).unwrap();
        prop_assert_eq!(found.comm.as_slice(), &comm[..]);
        prop_assert_eq!((found.ppid, found.started), (ppid, StartTicks(started)));
    }

    #[test]
    fn mounts_are_total(text in bytes(), path in bytes(), id: u64, device in device()) {
        let (mounts, damaged) = mounts::Mounts::parse(&text);
        let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).count();
        prop_assert!(damaged <= lines);
        prop_assert_eq!(mounts.is_empty(), damaged == lines);
        let _ = (mounts.under(&path), mounts.by_id(id), mounts.has_device(device));
    }

    #[test]
    fn every_mount_is_found_under_its_own_point(name in vec(any::<u8>().prop_filter("a name", |byte| !matches!(byte, 0 | b'/')), 1..30)) {
        let escaped: String = name.iter().map(|byte| format!("\\{byte:03o}")).collect();
        let text = format!("1 0 8:1 / / rw - ext4 x rw\n2 1 0:9 / /{escaped} rw shared:1 - nfs4 x rw\n");
        let (mounts, damaged) = mounts::Mounts::parse(text.as_bytes());
        prop_assert_eq!(damaged, 0);
        let point = [b"/", &name[..]].concat();
        for below in [&b""[..], b"/", b"/x/y"] {
            let mount = mounts.under(&[&point[..], below].concat()).unwrap();
            prop_assert_eq!(mount.kind.as_slice(), b"nfs4");
        }
        let mount = mounts.under(&[&point[..], b"x"].concat()).unwrap();
        prop_assert_eq!(mount.kind.as_slice(), b"ext4");
    }

    #[test]
    fn an_owner_is_told_of_any_text(
        cgroup in cgroup(), pid: u32, uid: u32, flags: [bool; 3], exe in option::of(bytes()),
        argv in vec(bytes(), 0..4), parent in option::of((bytes(), vec(bytes(), 0..3), any::<u32>())),
    ) {
        let exe = exe.map(Bytes);
        let argv: Vec<Bytes> = argv.into_iter().map(Bytes).collect();
        let parent = parent.map(|(comm, argv, uid)| {
            (Bytes(comm), argv.into_iter().map(Bytes).collect::<Vec<_>>(), uid)
        });
        let [unified, other_pid_ns, other_mnt_ns] = flags;
        let hints = Hints {
            pid, uid, unified, other_pid_ns, other_mnt_ns,
            exe: exe.as_ref(),
            argv: &argv,
            parent: parent.as_ref().map(|(comm, argv, uid)| Parent { exe: Some(comm), comm, argv, uid: *uid }),
        };
        let owner = owner_of(&cgroup, &hints);
        // PID 1 of this system is told by its pid alone; whoever may choose the text must not pass for it.
        if pid != 1 && !cgroup.windows(10).any(|part| part == b"init.scope") {
            prop_assert_ne!(owner.kind, OwnerKind::ServiceManager);
        }
    }

    #[test]
    fn bytes_survive_json(bytes in vec(any::<u8>(), 0..100)) {
        let text = serde_json::to_string(&Bytes(bytes.clone())).unwrap();
        prop_assert_eq!(serde_json::from_str::<Bytes>(&text).unwrap(), Bytes(bytes.clone()));
        let packed = postcard::to_allocvec(&Bytes(bytes.clone())).unwrap();
        prop_assert_eq!(postcard::from_bytes::<Bytes>(&packed).unwrap(), Bytes(bytes));
    }

    #[test]
    fn escaped_bytes_are_tame_and_tell_the_bytes_apart(one in bytes(), other in bytes()) {
        let text = Bytes(one.clone()).escaped().to_string();
        prop_assert!(!text.chars().any(char::is_control), "{:?}", text);
        if let (Ok(a), Ok(b)) = (std::str::from_utf8(&one), std::str::from_utf8(&other)) {
            // A backslash stands for itself: only names with none are told apart for certain.
            if !a.contains('\\') && !b.contains('\\') {
                prop_assert_eq!(a == b, text == Bytes(other).escaped().to_string());
            }
        }
    }

    #[test]
    fn a_bundle_is_total(text in bytes()) {
        let _ = Bundle::parse(&text);
    }

    #[test]
    fn a_mutilated_bundle_is_total(at in any::<prop::sample::Index>(), with in vec(any::<u8>(), 0..4), cut in 0_usize..8) {
        let mut text = BUNDLE.to_vec();
        let at = at.index(text.len());
        text.splice(at..(at + cut).min(BUNDLE.len()), with);
        if let Ok(bundle) = Bundle::parse(&text) {
            for process in &bundle.facts.processes {
                prop_assert!((process.view.0 as usize) < bundle.facts.views.len());
            }
        }
    }
}

const BUNDLE: &[u8] = include_bytes!("../../testdata/scenarios/0001-upgraded-server/bundle.json");

/// Text that looks like that of control groups.
fn cgroup() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "0::",
        "1:name=systemd:",
        "/",
        "\n",
        "system.slice",
        "user.slice",
        "user-1000.slice",
        "user@1000.service",
        "session-3.scope",
        "nginx.service",
        "docker-0123.scope",
        "docker",
        "kubepods.slice",
        "machine.slice",
        "lxc.payload.x",
        "..",
        "_",
        "\\x2d",
        "app.slice",
        "init.scope",
        "openrc.sshd",
        ":",
        "libpod-",
        ".mount",
        "@",
        ".slice",
    ];
    let word = prop::sample::select(words.to_vec()).prop_map(|word| word.as_bytes().to_vec());
    let part = prop_oneof![9 => word, 1 => vec(any::<u8>(), 0..6)];
    vec(part, 0..20).prop_map(|parts| parts.concat())
}

// The judge.

fn device() -> impl Strategy<Value = Device> {
    (0_u32..3, 0_u32..3).prop_map(|(major, minor)| Device { major, minor })
}

fn time() -> impl Strategy<Value = Timestamp> {
    let secs = prop_oneof![8 => -3_i64..2000, 1 => Just(i64::MAX), 1 => Just(i64::MIN)];
    (secs, 0_u32..1_000_000_000).prop_map(|(secs, nanos)| Timestamp { secs, nanos })
}

fn file_stat() -> impl Strategy<Value = FileStat> {
    let kind = prop_oneof![9 => Just(FileKind::Regular), 1 => Just(FileKind::Other)];
    let times = (time(), time(), option::of(time()));
    (device(), 0_u64..4, kind, 0_u64..3, 0_u32..3, times).prop_map(
        |(device, inode, kind, size, links, (mtime, ctime, btime))| FileStat {
            device,
            inode,
            kind,
            size,
            links,
            uid: 0,
            mode: 0o644,
            mtime,
            ctime,
            btime,
            mount: None,
        },
    )
}

fn why_not() -> impl Strategy<Value = WhyNot> {
    prop::sample::select(vec![
        WhyNot::Denied,
        WhyNot::MayHang(Bytes::from("nfs")),
        WhyNot::TimedOut,
        WhyNot::OutsideView,
        WhyNot::Vanished,
        WhyNot::NotRecorded,
        WhyNot::Failed("x".to_owned()),
    ])
}

fn compared() -> impl Strategy<Value = Compared> {
    prop::sample::select(vec![
        Compared::NotAsked,
        Compared::SameBytes,
        Compared::SameSegments,
        Compared::SameBuildId,
        Compared::Different,
        Compared::Unreadable,
    ])
}

fn look() -> impl Strategy<Value = Look> {
    let mapped = prop_oneof![4 => file_stat().prop_map(Ok), 1 => why_not().prop_map(Err)];
    let fresh = prop_oneof![
        4 => file_stat().prop_map(Fresh::Found),
        1 => Just(Fresh::Missing),
        1 => why_not().prop_map(Fresh::Unknown),
    ];
    let mount = (
        prop::sample::select(vec!["ext4", "overlay", "nfs"]),
        device(),
    )
        .prop_map(|(kind, device)| Mount {
            kind: Bytes::from(kind),
            device,
        });
    let led =
        (file_stat(), any::<i64>(), any::<bool>()).prop_map(|(stat, since_ns, alternatives)| Led {
            path: Bytes::from("/led"),
            stat,
            since_ns,
            alternatives,
        });
    let found = prop_oneof![4 => led.prop_map(Ok), 1 => why_not().prop_map(Err)];
    let start = (found, compared()).prop_map(|(found, content)| StartName {
        path: Bytes::from("/start"),
        found,
        content,
    });
    let flags = any::<(Option<bool>, bool)>();
    (
        mapped,
        fresh,
        option::of(mount),
        flags,
        compared(),
        option::weighted(0.2, start),
    )
        .prop_map(
            |(mapped, fresh, mount, (mounted, on_host), content, start_name)| Look {
                mapped,
                fresh,
                mount,
                mounted,
                on_host,
                mapped_build_id: None,
                fresh_build_id: None,
                content,
                start_name,
            },
        )
}

fn object() -> impl Strategy<Value = Object> {
    let names = vec![
        "/usr/lib/x.so",
        "/usr/lib/x.so (deleted)",
        "/tmp/x",
        "/memfd:x (deleted)",
        "anon_inode:[x]",
        "/usr/lib/#2 (deleted)",
        "",
    ];
    let path = prop::sample::select(vec![None, Some("/usr/lib/x.so"), Some("/tmp/x")]);
    (
        prop::sample::select(names),
        path,
        device(),
        0_u64..4,
        look(),
    )
        .prop_map(|(name, path, device, inode, look)| Object {
            view: ViewId(0),
            name: Bytes::from(name),
            path: path.map(Bytes::from),
            device,
            inode,
            look,
        })
}

fn owned() -> impl Strategy<Value = Option<PathAnswer>> {
    let claim = any::<Option<bool>>().prop_map(|intact| {
        let text = || "x".to_owned();
        PathAnswer::Owned(vec![Claim {
            backend: text(),
            name: text(),
            arch: text(),
            version: text(),
            intact,
        }])
    });
    let none = Just(PathAnswer::Unpackaged);
    option::of(prop_oneof![
        claim,
        none,
        Just(PathAnswer::Unknown("x".to_owned()))
    ])
}

fn host() -> Host {
    Host {
        kernel: Bytes::default(),
        boot_id: Bytes::default(),
        clock: Clock {
            boot_realtime_ns: 0,
            ticks_per_second: 100,
        },
        reader_uid: 0,
        reader_mnt_ns: None,
        reader_pid_ns: None,
        memory_devices: vec![Device { major: 0, minor: 1 }],
        unified_cgroups: true,
        systemd: true,
    }
}

/// Makes the file at the path the very object that is mapped, unchanged since `before`.
fn unchanged(mut object: Object, mut stat: FileStat, before: Timestamp) -> Object {
    stat.kind = FileKind::Regular;
    stat.links = stat.links.max(1);
    (stat.mtime, stat.ctime, stat.btime) = (before, before, stat.btime.map(|_| before));
    object.look.mapped = Ok(stat.clone());
    object.look.fresh = Fresh::Found(stat);
    object.look.content = Compared::NotAsked;
    object.look.start_name = None;
    object
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_judge_is_total(object in object(), program: bool, started: i64, owned in owned()) {
        let verdict = judge_object(&object, program, started, &host(), owned.as_ref());
        // What is told of nothing is not a verdict.
        if let (Fresh::Unknown(_), Verdict::Stale(_) | Verdict::Current | Verdict::SameCode(_)) = (&object.look.fresh, &verdict) {
            prop_assert!(false, "{:?}", verdict);
        }
    }

    #[test]
    fn the_same_file_unchanged_is_never_stale(
        object in object(), stat in file_stat(), age in 1_i64..1000, program: bool, owned in owned(),
    ) {
        let before = Timestamp { secs: 1000 - age, nanos: 0 };
        let object = unchanged(object, stat, before);
        let verdict = judge_object(&object, program, 1_000_000_000_000, &host(), owned.as_ref());
        prop_assert!(!matches!(verdict, Verdict::Stale(_)), "{:?}", verdict);
    }

    #[test]
    fn other_content_is_never_current(mut object in object(), program: bool, started: i64, owned in owned()) {
        object.look.content = Compared::Different;
        let host = host();
        let verdict = judge_object(&object, program, started, &host, owned.as_ref());
        let look = &object.look;
        let other = matches!(&look.fresh, Fresh::Found(_))
            && !unstale::model::is_same_object(look, object.device, object.inode);
        if other {
            prop_assert!(!matches!(verdict, Verdict::Current | Verdict::SameCode(_)), "{:?}", verdict);
        }
        // A regular file with a name in place of a regular file that had one: nothing excuses it.
        if let (true, Ok(mapped), Fresh::Found(fresh)) = (other, &look.mapped, &look.fresh)
            && mapped.kind == FileKind::Regular && fresh.kind == FileKind::Regular
            && mapped.links > 0 && object.path.is_some() && !host.memory_devices.contains(&object.device)
        {
            prop_assert_eq!(verdict, Verdict::Stale(Kind::Replaced));
        }
    }

    #[test]
    fn a_program_that_is_gone_is_never_current(mut object in object(), started: i64, owned in owned()) {
        object.look.fresh = Fresh::Missing;
        // A version in the name of a library: the same code may lie where its SONAME leads.
        if let Some(start) = &mut object.look.start_name {
            start.content = Compared::Different;
        }
        let verdict = judge_object(&object, true, started, &host(), owned.as_ref());
        prop_assert!(!matches!(verdict, Verdict::Current | Verdict::SameCode(_)), "{:?}", verdict);
    }

    #[test]
    fn a_later_start_never_makes_stale(
        object in object(), program: bool, started in 0_i64..2_000_000_000_000, later in 0_i64..1_000_000_000_000, owned in owned(),
    ) {
        let judge = |started| judge_object(&object, program, started, &host(), owned.as_ref());
        if let (Verdict::Current, Verdict::Stale(kind)) = (judge(started), judge(started + later)) {
            // Its time of birth tells when it came: a file born after the start was loaded whole.
            prop_assert_eq!(kind, Kind::Overwritten);
            let born = object.look.mapped.as_ref().ok().or(match &object.look.fresh {
                Fresh::Found(stat) => Some(stat),
                _ => None,
            }).and_then(|stat| stat.btime);
            prop_assert!(born.is_some_and(|born| born.nanos_since_epoch() > started));
        }
    }
}
