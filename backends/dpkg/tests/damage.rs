//! Truncated, corrupt and hostile stores: the damage is named, the rest stands, nothing blocks or panics.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Instant, SystemTime};

use proptest::prelude::*;
use unstale_dpkg::Dpkg;
use unstale_dpkg::damage::Damages;
use unstale_dpkg::diversions::parse_diversions;
use unstale_dpkg::lines::Buffer;
use unstale_dpkg::log::parse_log_line;
use unstale_dpkg::record::Kind;
use unstale_dpkg::status::parse_status;
use unstale_packages::{DbError, PackageDb};

use crate::store::{Store, as_nobody, asked_root, damage};

const WHOLE: &str =
    "Package: whole\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n";

#[track_caller]
fn check_status(text: impl AsRef<[u8]>, names: &[&str], trouble: &[&str]) {
    let mut damages = Damages::default();
    let records = parse_status(text.as_ref(), Path::new("/s"), Kind::Status, &mut damages);
    let got: Vec<_> = records
        .iter()
        .map(|record| record.package.name.as_str())
        .collect();
    assert_eq!(got, names);
    let damages: Vec<_> = damages.into_vec().iter().map(ToString::to_string).collect();
    assert_eq!(damages, trouble);
}

#[test]
fn paragraphs_of_status() {
    check_status("", &[], &[]);
    check_status("\n\n\n", &[], &[]);
    check_status(WHOLE, &["whole"], &[]);
    check_status(
        format!("{WHOLE}{}", WHOLE.trim_end()),
        &["whole"],
        &["/s:9: the file ends within this line"],
    );
    check_status(
        format!("{WHOLE}Package: x\nSta"),
        &["whole"],
        &["/s:7: neither a field nor part of one"],
    );
    check_status(
        format!("Package: x\n\n{WHOLE}"),
        &["whole"],
        &["/s:1: no Status in this paragraph"],
    );
    check_status(
        format!("{}\n{WHOLE}", "\0".repeat(99)),
        &[],
        &["/s:1: neither a field nor part of one"],
    );
    check_status(
        format!("\n\0\n\n{WHOLE}"),
        &["whole"],
        &["/s:2: neither a field nor part of one"],
    );
    check_status(
        format!("Package: x\n{WHOLE}{WHOLE}"),
        &["whole"],
        &["/s:2: a field for the second time: two records run into each other"],
    );
    check_status(
        b"Package: \xff\xfe\nStatus: install ok installed\n\n",
        &[],
        &["/s:1: not a package name"],
    );
    check_status(
        "Package: ../x\nStatus: install ok installed\n\n",
        &[],
        &["/s:1: not a package name"],
    );
    check_status(
        WHOLE.replace("Version: 1", "Version: 1\u{e9}"),
        &[],
        &["/s:1: not a version"],
    );
    check_status(
        WHOLE.replace("Version: 1\n", ""),
        &[],
        &["/s:1: no Version in this paragraph"],
    );
    check_status(
        WHOLE.replace(" ok ", " OK "),
        &[],
        &["/s:1: not a Status that dpkg writes"],
    );
    check_status(WHOLE.replace("Status", "sTATUS"), &["whole"], &[]);
}

fn store() -> Store {
    let mut store = Store::new();
    for name in ["x", "y"] {
        store.installed(name, "1", "all");
        store.list(name, &[&format!("/usr/bin/{name}")]);
    }
    store
}

#[track_caller]
fn check_y_stands(store: &Store, trouble: &[&str]) {
    let (owners, damage) = store.owners("/usr/bin/y");
    assert_eq!(owners, ["y:all 1"]);
    assert_eq!(damage, trouble);
}

#[test]
fn one_list_that_cannot_be_read() {
    const LIST: &str = "/var/lib/dpkg/info/x.list";
    let not_regular = ["/var/lib/dpkg/info/x.list: cannot be read: not a regular file"];

    let fifo = store();
    fs::remove_file(fifo.path(LIST)).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        fifo.path(LIST),
        rustix::fs::FileType::Fifo,
        0o644.into(),
        0,
    )
    .unwrap();
    check_y_stands(&fifo, &not_regular);

    let link = store();
    fs::remove_file(link.path(LIST)).unwrap();
    link.link(LIST, "/dev/zero");
    check_y_stands(&link, &not_regular);

    let dir = store();
    fs::remove_file(dir.path(LIST)).unwrap();
    dir.dir(LIST);
    check_y_stands(&dir, &not_regular);

    let cut = store();
    cut.file(LIST, "/.\n/usr\n/usr/bin/y");
    check_y_stands(
        &cut,
        &["/var/lib/dpkg/info/x.list:3: the file ends within this line"],
    );

    let sparse = store();
    let file = fs::File::options()
        .write(true)
        .open(sparse.path(LIST))
        .unwrap();
    file.set_len(1 << 40).unwrap();
    check_y_stands(
        &sparse,
        &["/var/lib/dpkg/info/x.list:3: line too long, the rest is not read"],
    );
}

#[test]
fn a_list_without_a_record() {
    let store = store();
    store.list("lost", &["/usr/bin/y"]);
    let what = "lists this path, but the package has no readable record in status";
    check_y_stands(
        &store,
        &[&format!("/var/lib/dpkg/info/lost.list:2: {what}")],
    );
}

#[test]
fn a_status_that_cannot_be_read_is_an_error() {
    const STATUS: &str = "/var/lib/dpkg/status";
    let fifo = store();
    fs::remove_file(fifo.path(STATUS)).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        fifo.path(STATUS),
        rustix::fs::FileType::Fifo,
        0o644.into(),
        0,
    )
    .unwrap();
    let error = fifo.open().owners(&[Path::new("/x")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read /var/lib/dpkg/status: not a regular file"
    );
    assert!(fifo.open().installed("x").is_err());
    assert!(fifo.open().unfinished().is_err());

    let zeros = store();
    zeros.file(STATUS, [0; 4096]);
    assert!(matches!(
        zeros.open().owners(&[Path::new("/x")]),
        Err(DbError::Corrupt(_))
    ));
}

#[test]
fn links_lead_nowhere_outside_the_root() {
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("status");
    fs::write(&secret, WHOLE).unwrap();
    for target in [
        secret.to_str().unwrap(),
        "../../../../../../../../../../proc/self/root/var/lib/dpkg/status",
    ] {
        let store = Store::empty();
        store.link("/var/lib/dpkg/status", target);
        assert!(store.try_open().is_none(), "{target}");
    }
    // An absolute link is one inside the root.
    let store = Store::empty();
    store.link("/var/lib/dpkg/status", "/moved");
    store.file("/moved", WHOLE);
    assert_eq!(store.open().installed("whole").unwrap().value.len(), 1);
}

#[test]
fn an_unreadable_list_is_damage_for_who_may_not_read_it() {
    let store = store();
    let list = store.path("/var/lib/dpkg/info/x.list");
    fs::set_permissions(list, fs::Permissions::from_mode(0o000)).unwrap();
    if let Some(said) = as_nobody("damage::ask_for_y", &store) {
        let what = "cannot be read: Permission denied (os error 13)";
        assert!(
            said.contains(&format!(
                "1 owners, damage [\"/var/lib/dpkg/info/x.list: {what}\"]"
            )),
            "{said}"
        );
    }
}

/// The body of the test above; on its own it has nothing to ask.
#[test]
fn ask_for_y() {
    if let Some(root) = asked_root() {
        let answer = Dpkg::open(&root)
            .unwrap()
            .unwrap()
            .owners(&[Path::new("/usr/bin/y")])
            .unwrap();
        println!(
            "{} owners, damage {:?}",
            answer.value[0].owners.len(),
            damage(&answer)
        );
    }
}

/// A run of paragraphs as this machine has them, or hand-made ones.
fn real_status() -> Vec<u8> {
    let text = fs::read("/var/lib/dpkg/status").unwrap_or_default();
    let some = text
        .windows(2)
        .enumerate()
        .filter(|(_, two)| two == b"\n\n")
        .nth(20);
    some.map_or_else(
        || WHOLE.repeat(20).into_bytes(),
        |(end, _)| text[..end + 2].to_vec(),
    )
}

fn records(text: &[u8], kind: Kind) -> (Vec<unstale_dpkg::record::Record>, bool) {
    let mut damages = Damages::default();
    let records = parse_status(text, Path::new("/s"), kind, &mut damages);
    (records, damages.is_empty())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_truncated_status_keeps_every_whole_record(cut in any::<prop::sample::Index>()) {
        let text = real_status();
        let (all, _) = records(&text, Kind::Status);
        let cut = cut.index(text.len());
        let (left, clean) = records(&text[..cut], Kind::Status);
        let whole = text[..cut].windows(2).filter(|two| two == b"\n\n").count();
        prop_assert_eq!(&left[..whole], &all[..whole]);
        prop_assert!(left.len() <= whole + 1);
        // Cut within a line is always noticed.
        prop_assert!(!clean || cut == 0 || text[cut - 1] == b'\n');
    }

    #[test]
    fn a_status_with_bytes_overwritten_keeps_the_other_records(
        at in any::<prop::sample::Index>(),
        patch in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let mut text = real_status();
        let (all, _) = records(&text, Kind::Status);
        let at = at.index(text.len());
        let end = (at + patch.len()).min(text.len());
        // Paragraphs that the patch does not touch: those that end before it, and those that begin after it.
        let before = text[..at].windows(2).filter(|two| two == b"\n\n").count();
        let after = text[end..].windows(2).filter(|two| two == b"\n\n").count().saturating_sub(1);
        text[at..end].copy_from_slice(&patch[..end - at]);
        for kind in [Kind::Status, Kind::StatusD] {
            let (left, _) = records(&text, kind);
            prop_assert!(left.starts_with(&all[..before]));
            prop_assert!(left.ends_with(&all[all.len() - after..]) || end == text.len());
        }
    }

    #[test]
    fn any_bytes_in_any_file(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        check_all_files(&bytes);
    }

    #[test]
    fn bytes_that_look_like_it(text in "(/[a-z. ]{0,3}|Package: [a-z]|Status: install ok installed|Conffiles:| /e [0-9a-f]{32}|[0-9-]{10} [0-9:]{8} upgrade a 1|Upgrade: [a(,)1: ]{0,9}|Start-Date: 2026-11-20  10:00:0[0-9]|:|\n|\0){0,40}") {
        check_all_files(text.as_bytes());
    }
}

/// Every question of the trait, with these bytes in every file.
fn check_all_files(bytes: &[u8]) {
    let mut damages = Damages::default();
    parse_diversions(bytes, Path::new("/d"), &mut damages);
    unstale_dpkg::lists::parse_list(bytes, Path::new("/l"), &mut Buffer::default(), &mut damages);
    let _ = parse_log_line(bytes);
    let _ = unstale_dpkg::zone::parse_zone(bytes);
    let _ = unstale_dpkg::aliases::parse_alias("/lib", bytes);

    let mut store = Store::new();
    store.installed("x", "1", "all");
    for file in [
        "lib/dpkg/info/x.list",
        "lib/dpkg/info/x.md5sums",
        "lib/dpkg/diversions",
        "lib/dpkg/updates/0000",
        "lib/dpkg/status.d/x",
        "lib/dpkg/status.d/x.md5sums",
        "log/dpkg.log",
        "log/dpkg.log.1.gz",
        "log/apt/history.log",
        "log/apt/history.log.1.gz",
    ] {
        store.file(&format!("/var/{file}"), bytes);
    }
    store.file("/etc/localtime", bytes);
    let db = store.open();
    let line = bytes.split(|&b| b == b'\n').next().unwrap_or_default();
    let path: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(line);
    let _ = db.owners(&[Path::new(path), Path::new("/"), Path::new("")]);
    let _ = db.files("x");
    let _ = db.unfinished();
    let _ = damage(&db.changes_since(SystemTime::UNIX_EPOCH).unwrap());
}

/// Bounds of memory and time: each of these took gigabytes or minutes without a bound of its own.
#[test]
fn hostile_repetition_is_bounded() {
    let store = store();
    store.file(
        "/var/lib/dpkg/info/x.list",
        "/usr/bin/y\n".repeat(2_000_000),
    );
    let (owners, trouble) = store.owners("/usr/bin/y");
    assert_eq!((owners.len(), trouble.len()), (2, 0));

    let many: String = (0..100_000)
        .map(|n| format!("Package: x\nStatus: install ok installed\nMulti-Arch: same\nArchitecture: a{n}\nVersion: 1\n\n"))
        .collect();
    store.file("/var/lib/dpkg/status", many);
    let answer = store.open().installed("x").unwrap();
    assert_eq!((answer.value.len(), answer.damage.len()), (64, 201));

    let items = "a (1), ".repeat(500_000);
    store.file(
        "/var/log/apt/history.log",
        format!("Start-Date: 2026-11-20  10:00:00\nInstall: {items}\n"),
    );
    let answer = store.open().changes_since(SystemTime::UNIX_EPOCH).unwrap();
    assert!(answer.value.len() <= 100_000);
    assert!(damage(&answer)[0].ends_with("more packages than are kept"));

    // Members of gzip without content: twenty bytes that unpack to none.
    let empty = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best())
        .finish()
        .unwrap();
    store.file("/var/log/dpkg.log.1.gz", empty.repeat(1_000_000));
    let answer = store.open().changes_since(SystemTime::UNIX_EPOCH).unwrap();
    assert!(
        damage(&answer)[0].ends_with("too many members in it"),
        "{:?}",
        damage(&answer)
    );
}

#[test]
fn t11_16_a_foreign_root_has_its_time() {
    let mut store = Store::new();
    store.installed("x", "1", "amd64");
    store.list("x", &["/usr/bin/x"]);
    let ends = Instant::now() + std::time::Duration::from_millis(300);
    let foreign = store.open_until(ends).unwrap();
    let path = [Path::new("/usr/bin/x")];
    assert_eq!(foreign.owners(&path).unwrap().value[0].owners.len(), 1);
    while Instant::now() < ends {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let late = foreign.owners(&path).unwrap_err().to_string();
    assert!(late.contains("it takes too long to read"), "{late}");
}

#[test]
fn t11_16_a_foreign_root_has_its_share() {
    let mut store = Store::new();
    store.installed("x", "1", "amd64");
    let status = fs::read(store.path("/var/lib/dpkg/status")).unwrap();
    let comment = format!("Package: y\nDescription: {}\n\n", "y".repeat(1000));
    store.file(
        "/var/lib/dpkg/status",
        [status.as_slice(), &comment.repeat(8500).into_bytes()].concat(),
    );
    let path = [Path::new("/usr/bin/x")];
    assert!(store.open().owners(&path).is_ok());
    let large = store.open_foreign().unwrap().owners(&path).unwrap_err();
    assert!(large.to_string().contains("larger than"), "{large}");
}

#[test]
fn t8_19_a_foreign_root_is_not_left() {
    let inner = Store::empty();
    let mut outer = Store::new();
    outer.installed("outer", "1", "amd64");
    let target = outer.path("/var/lib/dpkg");
    inner.link("/var/lib/dpkg", target.to_str().unwrap());
    assert!(inner.open_foreign().is_none());
    let up = format!("../../../../../..{}", target.display());
    fs::remove_file(inner.path("/var/lib/dpkg")).unwrap();
    inner.link("/var/lib/dpkg", &up);
    assert!(inner.open_foreign().is_none());
}
