//! Rows of verdicts: one change of a look at a time.

use super::judge_object;
use crate::model::{
    Basis, Bytes, Claim, Clock, Compared, Device, FileKind, FileStat, Fresh, Host, Kind, Led, Look,
    Mount, Object, PathAnswer, Rule, StartName, Timestamp, Verdict, ViewId, WhyNot,
};

const START: i64 = 1_000_000_000_000;
const DISK: Device = Device {
    major: 254,
    minor: 0,
};
const MEMORY: Device = Device { major: 0, minor: 1 };

fn host() -> Host {
    Host {
        kernel: Bytes::default(),
        boot_id: Bytes::default(),
        clock: Clock {
            boot_realtime_ns: 0,
            ticks_per_second: 100,
        },
        reader_uid: 0,
        reader_mnt_ns: Some(1),
        reader_pid_ns: Some(1),
        memory_devices: vec![MEMORY],
        unified_cgroups: true,
        systemd: true,
    }
}

/// Seconds from the start of the process.
fn at(secs: i64) -> Timestamp {
    Timestamp {
        secs: START / 1_000_000_000 + secs,
        nanos: 0,
    }
}

fn stat(inode: u64) -> FileStat {
    FileStat {
        device: DISK,
        inode,
        kind: FileKind::Regular,
        size: 4096,
        links: 1,
        uid: 0,
        mode: 0o644,
        mtime: at(-100),
        ctime: at(-100),
        btime: Some(at(-100)),
        mount: Some(1),
    }
}

fn object(mapped: FileStat, fresh: Fresh) -> Object {
    Object {
        view: ViewId(0),
        name: Bytes::from("/usr/lib/x.so"),
        path: Some(Bytes::from("/usr/lib/x.so")),
        device: DISK,
        inode: mapped.inode,
        look: Look {
            mapped: Ok(mapped),
            fresh,
            mount: Some(Mount {
                kind: Bytes::from("ext4"),
                device: DISK,
            }),
            mounted: Some(true),
            on_host: true,
            mapped_build_id: None,
            fresh_build_id: None,
            content: Compared::NotAsked,
            start_name: None,
        },
    }
}

fn unchanged() -> Object {
    object(stat(7), Fresh::Found(stat(7)))
}

fn replaced(content: Compared) -> Object {
    let mut object = object(
        FileStat {
            links: 0,
            ..stat(7)
        },
        Fresh::Found(stat(8)),
    );
    object.look.content = content;
    object
}

fn touched(ctime: i64, mtime: i64) -> Object {
    let stat = FileStat {
        ctime: at(ctime),
        mtime: at(mtime),
        ..stat(7)
    };
    object(stat.clone(), Fresh::Found(stat))
}

fn owned(intact: Option<bool>) -> PathAnswer {
    let text = || "x".to_owned();
    PathAnswer::Owned(vec![Claim {
        backend: text(),
        name: text(),
        arch: text(),
        version: text(),
        intact,
    }])
}

#[track_caller]
fn check(object: &Object, verdict: Verdict) {
    assert_eq!(judge_object(object, false, START, &host(), None), verdict);
}

#[track_caller]
fn check_owned(object: &Object, answer: &PathAnswer, verdict: Verdict) {
    assert_eq!(
        judge_object(object, false, START, &host(), Some(answer)),
        verdict
    );
}

#[test]
fn the_object_at_its_path_is_current() {
    check(&unchanged(), Verdict::Current);
    // The suffix is text: a file may truly be named so.
    let mut named = unchanged();
    named.name = Bytes::from("/usr/lib/x.so (deleted)");
    check(&named, Verdict::Current);
}

#[test]
fn t3_01_t3_09_another_object_is_judged_by_content() {
    check(
        &replaced(Compared::Different),
        Verdict::Stale(Kind::Replaced),
    );
    check(
        &replaced(Compared::Unreadable),
        Verdict::Stale(Kind::Replaced),
    );
    check(
        &replaced(Compared::SameBytes),
        Verdict::SameCode(Basis::Bytes),
    );
    check(
        &replaced(Compared::SameSegments),
        Verdict::SameCode(Basis::Segments),
    );
    // A build-id is its maker's word: it counts for files of packages.
    check(
        &replaced(Compared::SameBuildId),
        Verdict::Stale(Kind::Replaced),
    );
    check_owned(
        &replaced(Compared::SameBuildId),
        &owned(None),
        Verdict::SameCode(Basis::BuildId),
    );
}

#[test]
fn t11_03_something_else_than_a_file_at_the_path_is_unknown() {
    let mut object = replaced(Compared::Unreadable);
    object.look.fresh = Fresh::Found(FileStat {
        kind: FileKind::Other,
        ..stat(8)
    });
    let verdict = judge_object(&object, false, START, &host(), None);
    assert!(matches!(verdict, Verdict::Unknown(_)), "{verdict:?}");
}

#[test]
fn t3_02_t1_10_nothing_at_the_path() {
    let gone = |born| {
        object(
            FileStat {
                links: 0,
                btime: born,
                ..stat(7)
            },
            Fresh::Missing,
        )
    };
    check(&gone(Some(at(-100))), Verdict::Stale(Kind::Gone));
    // Born after the start: the program made it for itself, unless it is the program, or lies where code is installed.
    check(&gone(Some(at(5))), Verdict::Stale(Kind::Gone));
    let mut own = gone(Some(at(5)));
    own.path = Some(Bytes::from("/var/lib/app/libzstd-jni7.so"));
    check(&own, Verdict::NotJudged(Rule::OwnTemporaryFile));
    let verdict = judge_object(&gone(Some(at(5))), true, START, &host(), None);
    assert_eq!(verdict, Verdict::Stale(Kind::Gone));
    // Without a time of birth the place tells.
    check(&gone(None), Verdict::Stale(Kind::Gone));
    let mut temporary = gone(None);
    temporary.path = Some(Bytes::from("/tmp/jna7.tmp"));
    check(&temporary, Verdict::NotJudged(Rule::OwnTemporaryFile));
    let mut detached = gone(Some(at(-100)));
    detached.look.mounted = Some(false);
    check(&detached, Verdict::Stale(Kind::Detached));
}

#[test]
fn t3_05_t3_07_t3_08_changes_in_place() {
    check(&touched(-1, 50), Verdict::Current); // a file time from the future alone says nothing
    check(&touched(5, -1), Verdict::Current); // chmod, a new hard link
    check(&touched(5, 5), Verdict::Stale(Kind::Overwritten));
    check_owned(
        &touched(5, 5),
        &owned(Some(true)),
        Verdict::SameCode(Basis::Attributes),
    );
    check_owned(
        &touched(5, 5),
        &owned(Some(false)),
        Verdict::Stale(Kind::Overwritten),
    );
    check_owned(
        &touched(5, 5),
        &owned(None),
        Verdict::Stale(Kind::Overwritten),
    );
    check_owned(
        &touched(5, -1),
        &owned(Some(true)),
        Verdict::SameCode(Basis::Attributes),
    );
    check_owned(
        &touched(5, -1),
        &owned(Some(false)),
        Verdict::Stale(Kind::Overwritten),
    );
    check_owned(&touched(5, -1), &PathAnswer::Unpackaged, Verdict::Current);
    // Within the grain of the clocks nothing is newer.
    check(&touched(0, 0), Verdict::Current);
}

#[test]
fn t5_08_a_file_born_after_the_fork_was_mapped_whole() {
    let stat = FileStat {
        ctime: at(5),
        mtime: at(5),
        btime: Some(at(4)),
        ..stat(7)
    };
    check(&object(stat.clone(), Fresh::Found(stat)), Verdict::Current);
    // Written to long after its birth: before it was mapped, or after?
    let stat = FileStat {
        ctime: at(90),
        mtime: at(90),
        btime: Some(at(4)),
        ..self::stat(7)
    };
    let later = object(stat.clone(), Fresh::Found(stat));
    let verdict = judge_object(&later, false, START, &host(), None);
    assert!(matches!(verdict, Verdict::Unknown(_)), "{verdict:?}");
    check_owned(&later, &owned(Some(true)), Verdict::Current);
    check_owned(
        &later,
        &owned(Some(false)),
        Verdict::Stale(Kind::Overwritten),
    );
}

#[test]
fn t3_03_t3_19_t3_14_the_name_it_is_started_by() {
    let named = |content, since: i64, alternatives| {
        let mut object = touched(5, -1);
        let path = Bytes::from("/usr/lib/y.so");
        let since_ns = START + since * 1_000_000_000;
        let led = Led {
            path: path.clone(),
            stat: stat(9),
            since_ns,
            alternatives,
        };
        object.look.start_name = Some(StartName {
            path,
            found: Ok(led),
            content,
        });
        object
    };
    check(
        &named(Compared::Different, 5, false),
        Verdict::Stale(Kind::PathChanged),
    );
    check(&named(Compared::SameBytes, 5, false), Verdict::Current);
    check(
        &named(Compared::Different, 5, true),
        Verdict::Stale(Kind::Alternative),
    );
    // What lay there before the start did not take the place of what runs.
    check(&named(Compared::Different, -5, false), Verdict::Current);
    let mut hanging = touched(5, -1);
    let why = WhyNot::MayHang(Bytes::from("autofs"));
    let (path, found) = (Bytes::from("/net/x"), Err(why.clone()));
    hanging.look.start_name = Some(StartName {
        path,
        found,
        content: Compared::NotAsked,
    });
    check(&hanging, Verdict::Unknown(why));
}

#[test]
fn t4_05_a_name_that_leads_to_a_file_without_names() {
    let stat = FileStat {
        links: 0,
        ctime: at(5),
        ..stat(7)
    };
    let object = object(stat.clone(), Fresh::Found(stat));
    let verdict = judge_object(&object, false, START, &host(), None);
    assert!(matches!(verdict, Verdict::Unknown(_)), "{verdict:?}");
}

#[test]
fn t4_23_an_image_of_its_own() {
    let mut object = object(stat(7), Fresh::Unknown(WhyNot::MayHang(Bytes::default())));
    object.look.mount = Some(Mount {
        kind: Bytes::from("fuse.Tool.AppImage"),
        device: DISK,
    });
    check(&object, Verdict::NotJudged(Rule::OwnImage));
}

#[test]
fn t1_12_a_removed_file_that_cannot_be_asked_about_its_birth() {
    let mut object = object(
        FileStat {
            links: 0,
            ..stat(7)
        },
        Fresh::Missing,
    );
    object.look.mapped = Err(WhyNot::Denied);
    check(&object, Verdict::Stale(Kind::Gone));
    object.path = Some(Bytes::from("/home/x/.cache/JNA/jna7.tmp"));
    check(&object, Verdict::Unknown(WhyNot::Denied));
}

#[test]
fn group_1_what_no_fresh_start_would_load() {
    let mut memory = replaced(Compared::Different);
    memory.device = MEMORY;
    check(&memory, Verdict::NotJudged(Rule::KernelMemory));
    // t1_08: the same name on a disk is a file.
    let mut named = replaced(Compared::Different);
    named.name = Bytes::from("/memfd:x (deleted)");
    check(&named, Verdict::Stale(Kind::Replaced));
    let mut device = unchanged();
    device.look.mapped = Ok(FileStat {
        kind: FileKind::Other,
        ..stat(7)
    });
    check(&device, Verdict::NotJudged(Rule::NotAFile));
    let mut inode = unchanged();
    inode.name = Bytes::from("anon_inode:[perf_event]");
    inode.look.mapped = Err(WhyNot::Denied);
    check(&inode, Verdict::NotJudged(Rule::NotAFile));
    let mut unnamed = object(
        FileStat {
            links: 0,
            ..stat(7)
        },
        Fresh::Missing,
    );
    unnamed.name = Bytes::from("/var/tmp/#7 (deleted)");
    check(&unnamed, Verdict::NotJudged(Rule::NeverNamed));
    unnamed.name = Bytes::from("/var/tmp/#8 (deleted)");
    check(&unnamed, Verdict::Stale(Kind::Gone));
}

#[test]
fn t4_16_without_the_object_its_numbers_in_maps_tell() {
    let blind = |mut object: Object| {
        object.look.mapped = Err(WhyNot::Denied);
        object
    };
    check(&blind(unchanged()), Verdict::Current);
    check(
        &blind(replaced(Compared::Different)),
        Verdict::Stale(Kind::Replaced),
    );
    check(
        &blind(replaced(Compared::Unreadable)),
        Verdict::Stale(Kind::Replaced),
    );
    // On a stacked file system they may be those of the layer below.
    let mut stacked = blind(replaced(Compared::Unreadable));
    stacked.look.mount = Some(Mount {
        kind: Bytes::from("overlay"),
        device: DISK,
    });
    check(&stacked, Verdict::Unknown(WhyNot::Denied));
    let mut elsewhere = blind(unchanged());
    elsewhere.look.mount = Some(Mount {
        kind: Bytes::from("ext4"),
        device: MEMORY,
    });
    elsewhere.look.content = Compared::Unreadable;
    check(&elsewhere, Verdict::Stale(Kind::Replaced));
}

#[test]
fn what_could_not_be_looked_at_is_unknown() {
    let mut object = unchanged();
    object.look.fresh = Fresh::Unknown(WhyNot::TimedOut);
    check(&object, Verdict::Unknown(WhyNot::TimedOut));
    object.look.mapped = Err(WhyNot::Vanished);
    check(&object, Verdict::Unknown(WhyNot::Vanished));
}

/// What is passed over because it is settled is what each verdict on it would say.
#[test]
fn settled_is_current_or_excluded() {
    use super::replaced::is_settled;
    let mut memory = replaced(Compared::Different);
    memory.device = MEMORY;
    for object in [unchanged(), memory] {
        assert!(is_settled(&object, START, &host()));
        let verdict = judge_object(&object, false, START, &host(), None);
        assert!(matches!(verdict, Verdict::Current | Verdict::NotJudged(_)));
    }
    let gone = object(
        FileStat {
            links: 0,
            ..stat(7)
        },
        Fresh::Missing,
    );
    let denied = object(stat(7), Fresh::Unknown(WhyNot::Denied));
    let unlinked = FileStat {
        links: 0,
        ..stat(7)
    };
    let below = object(unlinked.clone(), Fresh::Found(unlinked));
    let mut vanished = unchanged();
    vanished.look.mapped = Err(WhyNot::Vanished);
    for object in [
        replaced(Compared::Different),
        touched(5, 5),
        gone,
        denied,
        below,
        vanished,
    ] {
        assert!(!is_settled(&object, START, &host()), "{object:?}");
    }
}
