//! What changed since, from hand-made logs whose lines are as dpkg 1.21 and apt 2.6 write them.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use unstale_packages::{Change, PackageDb};

use crate::store::{Store, damage};

/// 2026-11-20 10:00:00 UTC.
const TEN: u64 = 1_795_168_800;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn shown(change: &Change) -> String {
    let seconds = change.at.duration_since(at(TEN)).map_or_else(
        |before| format!("-{}", before.duration().as_secs()),
        |after| after.as_secs().to_string(),
    );
    let [old, new] = [&change.old, &change.new].map(|version| version.as_deref().unwrap_or("none"));
    format!(
        "{seconds} {}:{} {old} {new}",
        change.name,
        change.arch.as_deref().unwrap_or("?")
    )
}

#[track_caller]
fn check(store: &Store, since: SystemTime, expected: &[&str]) {
    check_damage(store, since, expected, &[]);
}

#[track_caller]
fn check_damage(store: &Store, since: SystemTime, expected: &[&str], trouble: &[&str]) {
    let answer = store.open().changes_since(since).unwrap();
    let changes: Vec<_> = answer.value.iter().map(shown).collect();
    assert_eq!(changes, expected);
    assert_eq!(damage(&answer), trouble);
}

fn gz(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

const LOG: &str = "\
2026-11-20 10:00:00 startup archives unpack
2026-11-20 10:00:01 upgrade libc6:amd64 2.36-9 2.36-10
2026-11-20 10:00:01 status half-configured libc6:amd64 2.36-9
2026-11-20 10:00:02 install foo:all 0.9 1.0
2026-11-20 10:00:03 remove bar:amd64 3 <none>
2026-11-20 10:00:03 purge bar:amd64 3 <none>
2026-11-20 10:00:04 upgrade baz:amd64 1 1
";

#[test]
fn actions_and_the_moment() {
    let store = Store::new();
    check(&store, at(0), &[]);
    store.file("/var/log/dpkg.log", LOG);
    let all = [
        "1 libc6:amd64 2.36-9 2.36-10",
        "2 foo:all none 1.0",
        "3 bar:amd64 3 none",
        "4 baz:amd64 1 1",
    ];
    check(&store, at(0), &all);
    check(&store, at(TEN + 3), &all[2..]);
    check(&store, at(TEN + 3) + Duration::from_millis(900), &all[2..]);
    check(&store, at(TEN + 5), &[]);
}

#[test]
fn t8_16_local_time_of_the_root() {
    let Ok(zone) = std::fs::read("/usr/share/zoneinfo/America/New_York") else {
        crate::store::skipped(true, "no /usr/share/zoneinfo/America/New_York here");
        return;
    };
    let store = Store::new();
    store.file(
        "/var/log/dpkg.log",
        "2026-11-20 05:00:07 upgrade a:all 1 2\n",
    );
    // Absolute, as everywhere: it must be followed inside the root.
    store.file("/usr/share/zoneinfo/Here", zone);
    store.link("/etc/localtime", "/usr/share/zoneinfo/Here");
    check(&store, at(TEN), &["7 a:all 1 2"]);
    store.file("/usr/share/zoneinfo/Here", "nonsense");
    check_damage(
        &store,
        at(TEN),
        &[],
        &["/etc/localtime: not a time zone, UTC is taken"],
    );
}

#[test]
fn rotated_logs() {
    let store = Store::new();
    store.file(
        "/var/log/dpkg.log",
        "2026-11-20 10:00:09 upgrade a:all 2 3\n",
    );
    store.file(
        "/var/log/dpkg.log.1",
        "2026-11-20 10:00:05 upgrade a:all 1 2\n",
    );
    store.file(
        "/var/log/dpkg.log.2.gz",
        gz("2026-11-20 10:00:01 upgrade a:all 0 1\n"),
    );
    store.file("/var/log/dpkg.log.swp", "what an editor left");
    check(
        &store,
        at(TEN),
        &["1 a:all 0 1", "5 a:all 1 2", "9 a:all 2 3"],
    );
    // Not looked into: last written long before the moment.
    store.file("/var/log/dpkg.log.3.gz", "no gzip at all");
    store.file("/var/log/dpkg.log.4.xz", "unknown");
    for old in ["dpkg.log.3.gz", "dpkg.log.4.xz"] {
        let file = File::options()
            .write(true)
            .open(store.path("/var/log").join(old))
            .unwrap();
        file.set_modified(at(TEN - 3 * 24 * 3600)).unwrap();
    }
    check(
        &store,
        at(TEN),
        &["1 a:all 0 1", "5 a:all 1 2", "9 a:all 2 3"],
    );
    check_damage(
        &store,
        at(TEN - 3 * 24 * 3600),
        &["1 a:all 0 1", "5 a:all 1 2", "9 a:all 2 3"],
        &[
            "/var/log/dpkg.log.3.gz:1: cannot be read: invalid gzip header",
            "/var/log/dpkg.log.4.xz: packed in a way that is not read, only gzip is",
        ],
    );
}

#[test]
fn a_part_of_several_members_is_read_to_its_end() {
    let store = Store::new();
    let members = [
        "2026-11-20 10:00:01 upgrade a:all 0 1\n2026-",
        "11-20 10:00:02 upgrade b:all 0 1\n",
    ]
    .map(gz);
    store.file("/var/log/dpkg.log.1.gz", members.concat());
    check(&store, at(TEN), &["1 a:all 0 1", "2 b:all 0 1"]);
}

#[test]
fn a_text_in_two_parts_counts_once() {
    let store = Store::new();
    store.file("/var/log/dpkg.log", LOG);
    store.file("/var/log/dpkg.log.1", LOG);
    assert_eq!(store.open().changes_since(at(0)).unwrap().value.len(), 4);
}

const HISTORY: &str = "
Start-Date: 2026-11-20  10:00:00
Commandline: apt-get upgrade
Upgrade: libc6:amd64 (2.36-9, 2.36-10), unrelated:amd64 (1, 2)
Install: foo:amd64 (1.0, automatic)
End-Date: 2026-11-20  10:00:05

Start-Date: 2026-11-20  09:00:00
Upgrade: early:amd64 (1, 2)
Remove: gone:amd64 (1)
End-Date: 2026-11-20  09:00:01
";

#[test]
fn apts_history_counts_where_dpkgs_log_is_silent() {
    let store = Store::new();
    store.file("/var/log/apt/history.log", HISTORY);
    let early = ["-3600 early:amd64 1 2", "-3600 gone:amd64 1 none"];
    let all = [
        "0 libc6:amd64 2.36-9 2.36-10",
        "0 unrelated:amd64 1 2",
        "0 foo:amd64 none 1.0",
    ];
    check(&store, at(0), &[&early[..], &all[..]].concat());
    // Within dpkg's log: what it does not tell did not happen.
    store.file("/var/log/dpkg.log", LOG);
    let logged = [
        "1 libc6:amd64 2.36-9 2.36-10",
        "2 foo:all none 1.0",
        "3 bar:amd64 3 none",
        "4 baz:amd64 1 1",
    ];
    check(&store, at(0), &[&early[..], &logged[..]].concat());
    // dpkg's log begins within the transaction: its packages are not told twice.
    store.file("/var/log/dpkg.log", LOG.split_once('\n').unwrap().1);
    check(
        &store,
        at(0),
        &[&early[..], &["0 unrelated:amd64 1 2"], &logged[..]].concat(),
    );
}

#[test]
fn damaged_lines_are_named_and_the_rest_stands() {
    let store = Store::new();
    let text = format!(
        "{LOG}\0\0\0\0\n2026-11-20 10:00:06 upgrade b:all 1\n2026-11-20 10:00:07 upgrade c:all 1 2\n2026-11-2"
    );
    store.file("/var/log/dpkg.log", text);
    store.file("/var/log/apt/history.log", "Upgrade: lost:all (1, 2)\n");
    check_damage(
        &store,
        at(TEN + 4),
        &["4 baz:amd64 1 1", "7 c:all 1 2"],
        &[
            "/var/log/dpkg.log:11: the file ends within this line",
            "/var/log/dpkg.log:8: no date and time at the start",
            "/var/log/dpkg.log:9: a version is missing",
            "/var/log/apt/history.log:1: outside a transaction",
        ],
    );
}

#[test]
fn a_truncated_gzip_tells_what_it_can() {
    let store = Store::new();
    let mut text = LOG.to_string();
    for n in 0..50_000 {
        text += &format!(
            "2026-11-20 10:00:05 status installed package-{}:all 1\n",
            n * 7919 % 50_000
        );
    }
    let packed = gz(&text);
    store.file("/var/log/dpkg.log.1.gz", &packed[..packed.len() / 2]);
    let answer = store.open().changes_since(at(0)).unwrap();
    assert_eq!((answer.value.len(), answer.damage.len()), (4, 1));
}

#[test]
fn a_bomb_is_bounded() {
    let store = Store::new();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let line = [&b"2026-11-20 10:00:05 status x\n"[..]; 1024].concat();
    for _ in 0..4096 {
        encoder.write_all(&line).unwrap();
    }
    store.file("/var/log/dpkg.log.1.gz", encoder.finish().unwrap());
    let answer = store.open().changes_since(at(0)).unwrap();
    assert_eq!(answer.value, []);
    let damage = damage(&answer);
    assert!(
        damage[0].ends_with("file too large, the rest is not read"),
        "{damage:?}"
    );
}
