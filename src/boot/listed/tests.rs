//! Rows: lists in a root of their own, and what is read of them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::view::ProcRoot;

/// A root with these files.
fn root(files: &[(&str, &[u8])]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

/// `FILE:LINE NAME BY LEVEL` of what files say, and the problems.
fn read_files(dir: &TempDir) -> (Vec<String>, Vec<String>) {
    let proc = ProcRoot::open(Path::new("/proc")).unwrap();
    let files = Files::open(&proc, Some(dir.path())).unwrap();
    let listed = read(&files, &[]);
    let shown = |one: &Listed| {
        let path = one.source.as_path().display();
        let line = one.line.unwrap();
        let name = one.pattern.as_ref().unwrap_or(&one.name);
        let by = match one.by {
            ListedBy::NameOrProvides => "either",
            ListedBy::Name => "name",
            ListedBy::Provides => "provides",
        };
        let count = if one.installs_count { " installs" } else { "" };
        format!("{path}:{line} {name} {by} {}{count}", one.level.word())
    };
    let of_files = listed.iter().filter(|one| one.line.is_some());
    let said = of_files.map(shown).collect();
    let problems = files.into_problems().into_iter().map(|problem| {
        let path = problem.object.as_path().display().to_string();
        match problem.why {
            WhyNot::Failed(what) => format!("{path}: {what}"),
            why => format!("{path}: {why:?}"),
        }
    });
    (said, problems.collect())
}

#[track_caller]
fn check(files: &[(&str, &[u8])], expected: &[&str], problems: &[&str]) {
    let (said, found) = read_files(&root(files));
    assert_eq!(said, expected);
    assert_eq!(found, problems);
}

const D: &str = "/etc/dnf/plugins/needs-restarting.d";

#[test]
fn t9_17_files_of_dnf() {
    let conf = |name: &str| format!("{D}/{name}");
    let (wget, abcde) = (conf("wget.conf"), conf("abcde.conf"));
    check(&[], &[], &[]);
    check(
        &[
            (&wget, b"wget"),
            (&abcde, b"abcde \t\r\n\n# a comment\nkernel(abi)\n"),
        ],
        &[
            &format!("{abcde}:1 abcde either reboot installs"),
            &format!("{abcde}:4 kernel(abi) either reboot installs"),
            &format!("{wget}:1 wget either reboot installs"),
        ],
        &[],
    );
    // Scenario 14: another ending.
    check(
        &[
            (&conf("abcde"), b"abcde\n"),
            (&conf("a.conf.rpmsave"), b"a\n"),
        ],
        &[],
        &[],
    );
    check(
        &[(&wget, b"one\n\xff\xfe\ntwo\n")],
        &[
            &format!("{wget}:1 one either reboot installs"),
            &format!("{wget}:3 two either reboot installs"),
        ],
        &[&format!("{wget}: line 2: it is no text")],
    );
}

#[test]
fn t9_17_files_of_libzypp() {
    let (main, part) = ("/etc/zypp/needreboot", "/etc/zypp/needreboot.d/a");
    check(
        &[
            (main, b"## c\n\n kernel-firmware \nprovides:kernel >= 5\n"),
            (part, b"glibc\n"),
            ("/etc/zypp/needreboot.d/.b", b"no\n"),
            ("/etc/zypp/needreboot.d/c.rpmnew", b"no\n"),
            ("/etc/zypp/needreboot.d/c.rpmsave", b"no\n"),
            ("/etc/zypp/needreboot.d/c.rpmorig", b"no\n"),
        ],
        &[
            &format!("{main}:3 kernel-firmware name reboot"),
            &format!("{main}:4 kernel provides reboot"),
            &format!("{part}:1 glibc name reboot"),
        ],
        &[],
    );
    check(
        &[(main, b"provides: \nglibc\n")],
        &[&format!("{main}:2 glibc name reboot")],
        &[&format!("{main}: line 1: no capability behind provides:")],
    );
}

const VENDOR: &str = "/usr/etc/zypp/zypp-boot-plugin.conf";
const ADMIN: &str = "/etc/zypp/zypp-boot-plugin.conf";

#[test]
fn t9_17_files_of_the_boot_plugin() {
    // What the plugin ships says, without its comments.
    let shipped: &[u8] =
        b"##\n\n[main]\n\nreboot = grub2\n##\nkexec = provides:multiversion(kernel)\n\
        soft-reboot = glibc, dbus-broker, libopenssl[0-9]?_?[0-9]?-32bit\n";
    let of_vendor = [
        &format!("{VENDOR}:8 glibc name soft-reboot")[..],
        &format!("{VENDOR}:8 dbus-broker name soft-reboot"),
        &format!("{VENDOR}:8 libopenssl[0-9]?_?[0-9]?-32bit name soft-reboot"),
        &format!("{VENDOR}:7 multiversion(kernel) provides kexec"),
        &format!("{VENDOR}:5 grub2 name reboot"),
    ];
    check(&[(VENDOR, shipped)], &of_vendor, &[]);
    // The administrator's file hides the vendor's, and parts say the last word on a key.
    let part = format!("{ADMIN}.d/50.conf");
    check(
        &[
            (VENDOR, shipped),
            (
                ADMIN,
                b"[main]\nreboot = a, # b,\n  c\nkexec=d\n[other]\nreboot = no\nsoft-reboot=no",
            ),
            (&format!("{VENDOR}.d/50.conf"), b"[main]\nreboot = hidden\n"),
            (&part, b"[main]\nkexec = kernel-.*\n"),
            (&format!("{ADMIN}.d/60"), b"[main]\nkexec = no\n"),
        ],
        &[
            &format!("{part}:2 kernel-* name kexec"),
            &format!("{ADMIN}:2 a name reboot"),
            &format!("{ADMIN}:3 c name reboot"),
        ],
        &[],
    );
    check(
        &[(
            ADMIN,
            b"[main]\nreboot = (a|b), c\nnonsense\nkexec = provides:\n\xff\n",
        )],
        &[&format!("{ADMIN}:2 c name reboot")],
        &[
            &format!("{ADMIN}: line 3: neither a section nor a key with a value"),
            &format!("{ADMIN}: line 5: it is no text"),
            &format!("{ADMIN}: line 4: provides:: no capability behind provides:"),
            &format!("{ADMIN}: line 2: (a|b): a pattern that is not understood"),
        ],
    );
}

#[test]
fn t9_17_a_link_to_nothing_masks_a_file() {
    let dir = root(&[(VENDOR, b"[main]\nreboot = a\n"), ("/dev/x", b"")]);
    fs::create_dir_all(dir.path().join("etc/zypp")).unwrap();
    // As /dev/null is no device here, what stands in it would be read.
    fs::write(dir.path().join("dev/null"), b"[main]\nreboot = b\n").unwrap();
    symlink("/dev/null", dir.path().join(&ADMIN[1..])).unwrap();
    assert_eq!(read_files(&dir), (Vec::new(), Vec::new()));
}

#[test]
fn t9_17_hostile_lists_are_bounded() {
    let wget = format!("{D}/wget.conf");
    let (said, problems) = read_files(&root(&[(&wget, &b"a\n".repeat(ENTRIES_CAP + 2))]));
    assert_eq!(said.len(), ENTRIES_CAP);
    let line = ENTRIES_CAP + 1;
    let what = format!("{wget}: line {line}: lists of packages hold more than 1000 entries");
    assert_eq!(problems, [what]);
    let (said, problems) = read_files(&root(&[(&wget, &b"*\n".repeat(PATTERNS_CAP + 2))]));
    assert_eq!(said.len(), PATTERNS_CAP);
    let line = PATTERNS_CAP + 1;
    let what = format!("{wget}: line {line}: lists of packages hold more than 50 names with *");
    assert_eq!(problems, [what]);

    let dir = root(&[(&wget, b""), (&format!("{D}/x.conf"), b"x\n")]);
    fs::File::create(dir.path().join(&wget[1..]))
        .unwrap()
        .set_len(FILE_CAP + 1)
        .unwrap();
    let (said, problems) = read_files(&dir);
    assert_eq!(said, [format!("{D}/x.conf:1 x either reboot installs")]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with(&wget));

    // A directory in place of a file, and a file in place of a directory.
    let dir = root(&[
        (&format!("{D}/a.conf/b"), b""),
        ("/etc/zypp/needreboot.d", b"a\n"),
    ]);
    let (said, problems) = read_files(&dir);
    assert_eq!(said, [""; 0]);
    assert_eq!(problems.len(), 2, "{problems:?}");
}

/// `GENERATION NAME` of the shipped lists for a system.
fn shipped_for(os_release: &str) -> Vec<String> {
    let all = shipped(os_release.as_bytes());
    let shown = |one: &Listed| {
        let source = one.source.as_path().display().to_string();
        let generation = source.split(": ").nth(1).unwrap().to_owned();
        format!("{generation} {}", one.name)
    };
    all.iter().map(shown).collect()
}

#[track_caller]
fn check_shipped(os_release: &str, entry: &str, expected: bool) {
    let found = shipped_for(os_release);
    assert_eq!(found.iter().any(|one| one == entry), expected, "{entry}");
}

#[test]
fn t9_17_shipped_lists_fit_their_systems() {
    for entry in [
        "yum glibc",
        "dnf4 microcode_ctl",
        "dnf5 hal",
        "zypp kernel",
        "debian dbus",
    ] {
        check_shipped("", entry, true);
    }
    check_shipped(
        "ID=rocky\nPLATFORM_ID=\"platform:el8\"\n",
        "dnf4-el8 zlib",
        true,
    );
    check_shipped(
        "ID=rocky\nPLATFORM_ID=\"platform:el9\"\n",
        "dnf4-el8 zlib",
        false,
    );
    check_shipped("", "dnf4-el8 zlib", false);
    check_shipped("ID=ubuntu\nID_LIKE=debian\n", "ubuntu libc6", true);
    check_shipped(
        "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n",
        "ubuntu libc6",
        true,
    );
    check_shipped("ID=debian\n", "ubuntu libc6", false);
    check_shipped("\u{0}\nID\nID=\n", "debian linux-image-*", true);
}

#[test]
fn t9_17_shipped_lists_are_whole() {
    let all = shipped(b"ID=ubuntu\nPLATFORM_ID=platform:el8\n");
    assert!(all.len() > 40);
    for one in &all {
        assert!(!one.installs_count && one.level == Level::Reboot, "{one:?}");
        let store = one.store.as_deref().unwrap();
        assert!(matches!(store, "rpm" | "dpkg"), "{one:?}");
    }
    let with = |one: &&Listed| one.only_with.is_some();
    let with: Vec<_> = all.iter().filter(with).map(|one| &one.name[..]).collect();
    assert_eq!(with, ["zlib"]);
}

#[test]
fn t9_17_os_release_is_found_at_its_second_place() {
    let dir = root(&[("/usr/lib/os-release", b"ID=ubuntu\n")]);
    let proc = ProcRoot::open(Path::new("/proc")).unwrap();
    let files = Files::open(&proc, Some(dir.path())).unwrap();
    let given = Listed {
        name: "mine".to_owned(),
        ..Listed::default()
    };
    let listed = read(&files, std::slice::from_ref(&given));
    assert_eq!(listed[0], given);
    assert!(listed.iter().any(|one| one.name == "libc6"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Each line of any file is an entry, nothing, or a problem; never the end.
    #[test]
    fn t9_17_any_file_is_read_to_its_end(lines in vec(prop_oneof![
        "(provides:|\\[main\\]|reboot ?= ?|kexec=| |#|,|[a-z.*?+\\[\\]()\"]){0,6}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..8),
    ], 0..12)) {
        let mut text = lines.join(&b'\n');
        text.extend(b"\n[main]\nreboot = last\nlast\n");
        let last = |said: &[String], path: &str| said.iter().rfind(|one| one.starts_with(path)).cloned();
        let dir = root(&[(&format!("{D}/a.conf"), &text), ("/etc/zypp/needreboot", &text), (ADMIN, &text)]);
        let (said, _) = read_files(&dir);
        prop_assert!(last(&said, D).unwrap().ends_with(" last either reboot installs"));
        prop_assert!(last(&said, "/etc/zypp/needreboot").unwrap().ends_with(" last name reboot"));
        let of_plugin = |one: &String| one.starts_with(ADMIN) && one.ends_with(" last name reboot");
        prop_assert!(said.iter().any(of_plugin));
    }
}
