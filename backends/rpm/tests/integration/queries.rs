//! What the trait promises, on databases that rpm wrote.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use unstale_packages::{Answer, DbError, DigestAlgorithm, FileKind, Owner, PackageDb};
use unstale_rpm::Rpm;

use crate::lab::{Lab, Spec, has_rpm};

const LIBA: Spec<'static> = Spec {
    name: "liba",
    evr: (0, "1.0", "1"),
    files: &[
        "/lib64/liba.so.1",
        "/usr/lib64/a/liba.so.1",
        "%config(noreplace) /etc/a.conf",
        "%ghost /var/cache/a.ghost",
        "%dir /usr/lib64/a",
    ],
    content: "old",
};

#[track_caller]
fn owners(lab: &Lab, path: &str) -> Vec<Owner> {
    let answer = lab.open().owners(&[Path::new(path)]).unwrap();
    assert_eq!(answer.damage, []);
    // As the root of a container it says the same.
    let foreign = lab.open_foreign().owners(&[Path::new(path)]).unwrap();
    assert_eq!(foreign, answer);
    let mut value = answer.value;
    assert_eq!(value.len(), 1);
    value.remove(0).owners
}

#[track_caller]
fn check(lab: &Lab, path: &str, expected: &[(&str, FileKind)]) {
    let found = owners(lab, path);
    let found: Vec<_> = found
        .iter()
        .map(|owner| (owner.package.to_string(), owner.kind))
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(package, kind)| ((*package).to_owned(), *kind))
        .collect();
    assert_eq!(found, expected, "{path}");
}

#[test]
fn owners_of_files() {
    if !has_rpm() {
        return;
    }
    let lab = Lab::new();
    lab.install("-i", &LIBA);
    let shipped = [("liba 1.0-1", FileKind::Shipped)];
    // 3.15: the database says /lib64, the kernel /usr/lib64.
    check(&lab, "/usr/lib64/liba.so.1", &shipped);
    check(&lab, "/lib64/liba.so.1", &shipped);
    check(&lab, "/lib64/a/liba.so.1", &shipped);
    check(&lab, "/usr/lib64/a", &shipped);
    check(&lab, "/usr/lib/liba.so.1", &[]);
    check(&lab, "/usr/lib64/liba.so", &[]);
    check(&lab, "/", &[]);
    check(&lab, "liba.so.1", &[]);
    check(&lab, "", &[]);
    // 8.25, 8.23
    check(&lab, "/etc/a.conf", &[("liba 1.0-1", FileKind::Config)]);
    check(
        &lab,
        "/var/cache/a.ghost",
        &[("liba 1.0-1", FileKind::Ghost)],
    );
    // 8.26, 2.11
    check(&lab, "/usr/lib64/liba.so.1;5f3a9c01", &shipped);
    check(&lab, "/usr/lib64/libb.so.1;5f3a9c01", &[]);
}

#[test]
fn a_name_like_a_temporary_one_may_be_owned() {
    if !has_rpm() {
        return;
    }
    let lab = Lab::new();
    lab.install("-i", &LIBA);
    let files = &["/usr/lib64/a/liba.so.1;5f3a9c01"];
    lab.install(
        "-i",
        &Spec {
            name: "odd",
            files,
            ..LIBA
        },
    );
    check(&lab, files[0], &[("odd 1.0-1", FileKind::Shipped)]);
}

#[test]
fn a_link_that_the_root_does_not_have_joins_nothing() {
    if !has_rpm() {
        return;
    }
    let lab = Lab::new();
    lab.install("-i", &LIBA);
    std::fs::remove_file(lab.root().join("lib64")).unwrap();
    check(&lab, "/usr/lib64/liba.so.1", &[]);
    check(
        &lab,
        "/lib64/liba.so.1",
        &[("liba 1.0-1", FileKind::Shipped)],
    );
}

#[test]
fn digests_are_those_of_the_shipped_files() {
    if !has_rpm() {
        return;
    }
    let lab = Lab::new();
    lab.install("-i", &LIBA);
    let printed = lab.rpm(&["-q", "--qf", "[%{FILENAMES} %{FILEDIGESTS}\n]", "liba"]);
    let mut compared = 0;
    for line in printed.lines() {
        let (path, hex) = line.split_once(' ').unwrap();
        let digest = owners(&lab, path).remove(0).digest;
        assert_eq!(digest.as_ref().map_or("", |d| &d.hex), hex, "{path}");
        if let Some(digest) = digest {
            assert_eq!(digest.algorithm, DigestAlgorithm::Sha256);
            compared += 1;
        }
    }
    assert_eq!(compared, 3);
}

#[test]
fn several_versions_and_epochs() {
    if !has_rpm() {
        return;
    }
    let lab = Lab::new();
    let files = &["/boot/vmlinuz-1"];
    lab.install(
        "-i",
        &Spec {
            name: "kernel",
            files,
            ..LIBA
        },
    );
    let (evr, files) = ((3, "2.0~rc1", "1.fc1"), &["/boot/vmlinuz-2"]);
    lab.install(
        "-i",
        &Spec {
            name: "kernel",
            evr,
            files,
            ..LIBA
        },
    );
    let installed = lab.open().installed("kernel").unwrap();
    let versions: Vec<_> = installed
        .value
        .iter()
        .map(|p| (&p.version[..], &p.arch[..]))
        .collect();
    assert_eq!(
        versions,
        [("1.0-1", "noarch"), ("3:2.0~rc1-1.fc1", "noarch")]
    );
    check(
        &lab,
        "/boot/vmlinuz-2",
        &[("kernel 3:2.0~rc1-1.fc1", FileKind::Shipped)],
    );
    let files = lab.open().files("kernel").unwrap().value;
    assert_eq!(
        files,
        ["/boot/vmlinuz-1", "/boot/vmlinuz-2"].map(PathBuf::from)
    );
    assert_eq!(
        lab.open().installed("kern").unwrap(),
        Answer::whole(Vec::new())
    );
    assert_eq!(lab.open().files("").unwrap(), Answer::whole(Vec::new()));
}

/// 8.23: rpm marks a file whose place another package's file took.
#[test]
fn a_replaced_file_belongs_to_the_other_package() {
    if !has_rpm() {
        return;
    }
    let lab = Lab::new();
    let files = &["/usr/lib64/libshared.so"];
    lab.install(
        "-i",
        &Spec {
            name: "first",
            files,
            content: "1",
            ..LIBA
        },
    );
    lab.install(
        "-i",
        &Spec {
            name: "second",
            files,
            content: "2",
            ..LIBA
        },
    );
    check(&lab, files[0], &[("second 1.0-1", FileKind::Shipped)]);
    assert_eq!(lab.open().files("first").unwrap().value, [] as [PathBuf; 0]);
}

#[test]
fn upgrades_and_removals_are_seen() {
    if !has_rpm() {
        return;
    }
    let lab = Lab::new();
    lab.install("-i", &LIBA);
    let evr = (0, "1.1", "1");
    lab.install(
        "-U",
        &Spec {
            evr,
            content: "new",
            ..LIBA
        },
    );
    check(
        &lab,
        "/usr/lib64/liba.so.1",
        &[("liba 1.1-1", FileKind::Shipped)],
    );
    lab.install(
        "-i",
        &Spec {
            name: "other",
            files: &["/usr/bin/other"],
            ..LIBA
        },
    );
    lab.rpm(&["-e", "liba"]);
    check(&lab, "/usr/lib64/liba.so.1", &[]);
    check(&lab, "/bin/other", &[("other 1.0-1", FileKind::Shipped)]);
}

#[test]
fn install_times_are_changes_where_no_log_tells() {
    if !has_rpm() {
        return;
    }
    let lab = Lab::new();
    let before = SystemTime::now();
    lab.install("-i", &LIBA);
    let changes = lab.open().changes_since(before).unwrap();
    assert_eq!(changes.damage, []);
    let [change] = &changes.value[..] else {
        panic!("{changes:?}");
    };
    assert_eq!((&change.name[..], &change.old), ("liba", &None));
    assert_eq!(change.new.as_deref(), Some("1.0-1"));
    let late = SystemTime::now() + Duration::from_secs(5);
    assert!(before <= change.at + Duration::from_secs(1) && change.at < late);
    assert_eq!(
        lab.open().changes_since(late).unwrap(),
        Answer::whole(Vec::new())
    );
}

/// A Debian machine with the tool rpm has no database, or an empty one.
#[test]
fn no_database_is_none_and_an_empty_one_too() {
    if !has_rpm() {
        return;
    }
    let lab = Lab::new();
    assert!(Rpm::open(&lab.root()).unwrap().is_none());
    lab.rpm(&["-qa"]);
    lab.init();
    assert!(lab.database().join("rpmdb.sqlite").exists());
    assert!(Rpm::open(&lab.root()).unwrap().is_none());
    lab.install("-i", &LIBA);
    lab.rpm(&["-e", "liba"]);
    assert!(Rpm::open(&lab.root()).unwrap().is_none());
}

/// 8.32: unreadable is not empty.
#[test]
fn what_cannot_be_read_is_an_error() {
    let lab = Lab::new();
    for (name, content) in [
        ("Packages", &b"\0"[..]),
        ("Packages.db", b"RpmP"),
        ("rpmdb.sqlite", b""),
        ("rpmdb.sqlite", b"SQLite format 3"),
        ("rpmdb.sqlite", &[b'x'; 8192]),
    ] {
        let file = lab.database().join(name);
        std::fs::write(&file, content).unwrap();
        match Rpm::open(&lab.root()) {
            Err(DbError::Corrupt(damage)) => assert!(damage.file.ends_with(name)),
            other => panic!("{name}: {other:?}"),
        }
        std::fs::remove_file(file).unwrap();
    }
    // A directory and a fifo in its place.
    let file = lab.database().join("rpmdb.sqlite");
    std::fs::create_dir(&file).unwrap();
    assert!(matches!(Rpm::open(&lab.root()), Err(DbError::Io { .. })));
    std::fs::remove_dir(&file).unwrap();
    crate::lab::run(std::process::Command::new("mkfifo").arg(&file));
    assert!(matches!(Rpm::open(&lab.root()), Err(DbError::Io { .. })));
}

#[test]
fn the_database_directory_may_be_a_link() {
    if !has_rpm() {
        return;
    }
    let lab = Lab::new();
    lab.install("-i", &LIBA);
    // As on Fedora: /var/lib/rpm leads to /usr/lib/sysimage/rpm, and absolutely, inside the root.
    let sysimage = lab.root().join("usr/lib/sysimage");
    std::fs::create_dir_all(&sysimage).unwrap();
    std::fs::rename(lab.database(), sysimage.join("rpm")).unwrap();
    std::os::unix::fs::symlink("/usr/lib/sysimage/rpm", lab.database()).unwrap();
    check(
        &lab,
        "/usr/lib64/liba.so.1",
        &[("liba 1.0-1", FileKind::Shipped)],
    );
    std::fs::rename(sysimage.join("rpm"), sysimage.join("elsewhere")).unwrap();
    std::fs::remove_file(lab.database()).unwrap();
    std::os::unix::fs::symlink("/usr/lib/sysimage/elsewhere", lab.database()).unwrap();
    check(
        &lab,
        "/usr/lib64/liba.so.1",
        &[("liba 1.0-1", FileKind::Shipped)],
    );
}

#[test]
fn nothing_is_unfinished_in_a_quiet_root() {
    if !has_rpm() {
        return;
    }
    let lab = Lab::new();
    lab.install("-i", &LIBA);
    assert_eq!(lab.open().unfinished().unwrap(), None);
}

/// A header that is damaged is told, with file and place; the others still answer.
#[test]
fn one_damaged_package_does_not_hide_the_others() {
    if !has_rpm() {
        return;
    }
    let lab = Lab::new();
    lab.install("-i", &LIBA);
    lab.install(
        "-i",
        &Spec {
            name: "other",
            files: &["/usr/lib64/other.so"],
            ..LIBA
        },
    );
    let file = lab.database().join("rpmdb.sqlite");
    let connection = rusqlite::Connection::open(&file).unwrap();
    // The type of the third entry of the first package: as if a bit had tipped over on the disk.
    let spoil = "UPDATE Packages SET blob = CAST(substr(blob, 1, 47) || x'7f' || substr(blob, 49) AS BLOB) WHERE hnum = 1";
    connection.execute_batch(spoil).unwrap();
    check_damage_of_one(&lab);
    // The same by a scan of all packages.
    connection
        .execute_batch("DROP TABLE Basenames; DROP TABLE Installtid")
        .unwrap();
    check_damage_of_one(&lab);
}

#[track_caller]
fn check_damage_of_one(lab: &Lab) {
    let rpm = lab.open();
    let answer = rpm
        .owners(&[
            Path::new("/usr/lib64/liba.so.1"),
            Path::new("/usr/lib64/other.so"),
        ])
        .unwrap();
    let owners: Vec<_> = answer.value.iter().map(|o| o.owners.len()).collect();
    assert_eq!(owners, [0, 1]);
    let [damage] = &answer.damage[..] else {
        panic!("{answer:?}");
    };
    let said = damage.to_string();
    // What is changed while rpm's files stay lies in the log.
    assert!(
        said.starts_with("/var/lib/rpm/rpmdb.sqlite-wal: at byte "),
        "{said}"
    );
    assert!(
        said.ends_with("package 1, header byte 40: an entry has an unknown type"),
        "{said}"
    );
    assert_eq!(
        rpm.changes_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .value
            .len(),
        1
    );
}

/// Without the tables that index files, all headers are read.
#[test]
fn owners_are_found_without_index() {
    if !has_rpm() {
        return;
    }
    let lab = Lab::new();
    lab.install("-i", &LIBA);
    let file = lab.database().join("rpmdb.sqlite");
    let connection = rusqlite::Connection::open(&file).unwrap();
    let drop_all = "DROP TABLE Basenames; DROP TABLE Name; DROP TABLE Installtid";
    connection.execute_batch(drop_all).unwrap();
    drop(connection);
    check(
        &lab,
        "/usr/lib64/liba.so.1",
        &[("liba 1.0-1", FileKind::Shipped)],
    );
    let rpm = lab.open();
    assert_eq!(rpm.installed("liba").unwrap().value.len(), 1);
    assert_eq!(
        rpm.changes_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .value
            .len(),
        1
    );
}

/// Every file of every package, as rpm itself lists them.
#[test]
fn all_files_have_the_owners_that_rpm_names() {
    if !has_rpm() {
        return;
    }
    let lab = Lab::new();
    for i in 0..30 {
        let (name, shared) = (format!("p{i}"), format!("%dir /usr/lib64/d{}", i % 4));
        let own = [1, 2, 3].map(|n| format!("/usr/lib64/d{}/f{n}-{i}", i % 4));
        let long = format!("/usr/share/{}/x", "long".repeat(40));
        let files: Vec<_> = own
            .iter()
            .chain([&shared, &long])
            .map(String::as_str)
            .collect();
        lab.install(
            "-i",
            &Spec {
                name: &name,
                files: &files,
                ..LIBA
            },
        );
    }
    let format = "[%{FILENAMES}\t%{=NAME}\n]";
    let mut expected = std::collections::BTreeMap::<String, Vec<String>>::new();
    for line in lab.rpm(&["-qa", "--qf", format]).lines() {
        let (path, name) = line.split_once('\t').unwrap();
        expected
            .entry(path.to_owned())
            .or_default()
            .push(name.to_owned());
    }
    assert_eq!(expected.len(), 30 * 3 + 4 + 1);
    let paths: Vec<_> = expected.keys().map(Path::new).collect();
    let answer = lab.open().owners(&paths).unwrap();
    for ((path, mut names), found) in expected.into_iter().zip(answer.value) {
        let mut found: Vec<_> = found.owners.into_iter().map(|o| o.package.name).collect();
        names.sort();
        found.sort();
        // The long one is shared by all, with the same content: all own it.
        assert_eq!(found, names, "{path}");
    }
}
