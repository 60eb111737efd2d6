use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};

use super::*;
use crate::boot::tests::Made;
use crate::model::Timestamp;

const OLD: &str = "6928102389b4c36731e3795e31d8020a91e952b6054a2ac9124eaa8c931ff23c.0";
const NEW: &str = "d32a84336492020c6a20dfbf3586f3a7c6f4ad826758c1b402081e2e5825960e.0";
const STAGED: &str = "feb748db6c7e681f6fe069834acca657410007a67ec895efe95923fb2b81f3bd.0";
const OLD_SUM: &str = "cf8895072bcbb7e761ae2a5b34988fcdaf8d28db6bcd10fd5ed8dfea2b4182ef";
const NEW_SUM: &str = "57e1384246e9415baaed859bd9505348d1c0fafec2e1aed8fe616e81fe9bfce6";

/// Kind, booted, next, whether the kernel is another; and how many problems.
#[track_caller]
fn check(made: &Made, wanted: Option<(&str, &str, &str, Option<bool>)>, problems: usize) {
    let (said, noted) = made.read(read);
    let said: Vec<_> = said
        .iter()
        .map(|one| {
            let text = |bytes: &crate::model::Bytes| {
                String::from_utf8_lossy(bytes.as_slice()).into_owned()
            };
            (
                one.kind.clone(),
                text(&one.booted),
                text(&one.next),
                one.other_kernel,
            )
        })
        .collect();
    let wanted: Vec<_> = wanted
        .map(|(kind, booted, next, other)| {
            (kind.to_owned(), booted.to_owned(), next.to_owned(), other)
        })
        .into_iter()
        .collect();
    assert_eq!(said, wanted);
    assert_eq!(noted.len(), problems, "{noted:?}");
}

/// The captured system, booted from one of its deployments.
fn ostree(booted: &str, sum: &str) -> Made {
    let made = Made::new();
    made.copy("ostree/sysroot");
    made.file("/run/ostree-booted", "");
    // The link is from before the other set of entries was written.
    let link = format!("root=LABEL=x ostree=/ostree/boot.0/debian/{sum}/0\n");
    made.proc_file("cmdline", link);
    // Lines as Linux printed them in that system, but for what lay above it.
    let root = format!("/ostree/deploy/debian/deploy/{booted}");
    let mounts = format!(
        "48 1 254:0 / / rw - ext4 /dev/vda rw\n\
         73 48 254:0 {root} / rw,relatime - ext4 /dev/vda rw,discard\n\
         74 73 254:0 / /sysroot rw,relatime - ext4 /dev/vda rw,discard\n\
         78 73 254:0 {root}/etc /etc rw,relatime - ext4 /dev/vda rw,discard\n\
         79 73 0:41 / /proc rw,relatime - proc proc rw\n"
    );
    made.proc_file("1/mountinfo", mounts);
    made
}

fn shown(name: &str) -> String {
    format!("debian {name}")
}

#[test]
fn t9_19_none() {
    check(&Made::new(), None, 0);
}

#[test]
fn t9_19_ostree_boot_entries() {
    check(&ostree(NEW, NEW_SUM), None, 0);
    let made = ostree(OLD, OLD_SUM);
    let wanted = ("ostree", &*shown(OLD), &*shown(NEW), Some(true));
    check(&made, Some(wanted), 0);
    let since = made.read(read).0[0].since.unwrap();
    let entry = fs::metadata(made.path("/boot/loader/entries/ostree-2-debian.conf")).unwrap();
    assert_eq!(since.secs, entry.mtime());
    // Rolled back: the older one is first again.
    let made = ostree(NEW, NEW_SUM);
    let entries = "/boot/loader/entries";
    let first = made.path(&format!("{entries}/ostree-1-debian.conf"));
    let text = fs::read_to_string(&first).unwrap();
    fs::write(&first, text.replace("version 1", "version 10")).unwrap();
    let wanted = ("ostree", &*shown(NEW), &*shown(OLD), Some(true));
    check(&made, Some(wanted), 0);
}

#[test]
fn t9_19_ostree_staged() {
    let made = ostree(NEW, NEW_SUM);
    made.copy("ostree/run");
    let wanted = ("ostree", &*shown(NEW), &*shown(STAGED), Some(false));
    check(&made, Some(wanted), 0);
    // Staged, but to be left until somebody says so.
    made.file("/run/ostree/staged-deployment-locked", "");
    check(&made, None, 0);
    fs::remove_file(made.path("/run/ostree/staged-deployment-locked")).unwrap();
    let staged = made.path("/run/ostree/staged-deployment");
    let mut text = fs::read(&staged).unwrap();
    text.extend_from_slice(b"\0\0\0\0\0\0locked\0\0\x01\0b");
    fs::write(&staged, &text).unwrap();
    check(&made, None, 0);
    *text.iter_mut().rev().nth(2).unwrap() = 0;
    fs::write(&staged, &text).unwrap();
    check(&made, Some(wanted), 0);
    // What cannot be read is said, and what the entries say is not hidden by it.
    for damaged in [&text[..40], b"", b"target\0\0name\0x", &[0; 3000]] {
        fs::write(&staged, damaged).unwrap();
        check(&made, None, 1);
    }
}

#[test]
fn t9_19_ostree_behind_a_composed_root() {
    let made = ostree(OLD, OLD_SUM);
    let root = format!("/root/ostree/deploy/debian/deploy/{OLD}/etc");
    made.proc_file(
        "1/mountinfo",
        format!(
            "60 1 0:30 / / ro - overlay composefs ro\n61 60 0:31 {root} /etc rw - btrfs x rw\n"
        ),
    );
    let wanted = ("ostree", &*shown(OLD), &*shown(NEW), Some(true));
    check(&made, Some(wanted), 0);
    // With an /etc that is composed as well, only what the initrd noted is left: a GVariant as GLib would write it.
    made.proc_file("1/mountinfo", "60 1 0:30 / / ro - overlay composefs ro\n");
    check(&made, None, 1);
    let stat = fs::metadata(made.path(&format!("/ostree/deploy/debian/deploy/{OLD}"))).unwrap();
    let mut facts = b"backing-root-device-inode\0".to_vec();
    facts.resize(32, 0);
    facts.extend(stat.dev().to_ne_bytes());
    facts.extend(stat.ino().to_ne_bytes());
    facts.extend(b"\0(tt)\x1a\x35");
    made.file("/run/ostree-booted", &facts);
    check(&made, Some(wanted), 0);
    facts[40] ^= 1;
    made.file("/run/ostree-booted", &facts);
    check(&made, None, 1);
    made.file("/run/ostree-booted", &facts[..45]);
    check(&made, None, 1);
}

#[test]
fn t9_19_ostree_damaged() {
    let made = ostree(OLD, OLD_SUM);
    fs::remove_dir_all(made.path("/ostree/boot.1.1")).unwrap();
    check(&made, None, 1);
    let made = ostree(OLD, OLD_SUM);
    fs::remove_file(made.path("/boot/loader")).unwrap();
    check(&made, None, 1);
    // Other entries beside ours, and what is none.
    let made = ostree(OLD, OLD_SUM);
    made.file(
        "/boot/loader.1/entries/memtest.conf",
        "title x\nversion 9\nlinux /m\n",
    );
    made.file("/boot/loader.1/entries/odd.conf", [0xff; 300]);
    made.file(
        "/boot/loader.1/entries/z.conf~",
        "version 99\noptions ostree=/x\n",
    );
    let wanted = ("ostree", &*shown(OLD), &*shown(NEW), Some(true));
    check(&made, Some(wanted), 0);
    fs::create_dir(made.path("/boot/loader.1/entries/d.conf")).unwrap();
    check(&made, Some(wanted), 1);
}

#[test]
fn t9_19_bootc_on_composefs() {
    let (one, other) = ("a".repeat(128), "b".repeat(128));
    let made = Made::new();
    made.proc_file("cmdline", format!("root=UUID=x composefs=?{one} rw\n"));
    check(&made, None, 0);
    let staged = "/run/composefs/staged-deployment";
    let text = |id: &str, locked: bool| {
        format!("{{\"depl_id\":\"{id}\",\"finalization_locked\":{locked}}}")
    };
    made.file(staged, text(&other, false));
    check(&made, Some(("bootc", &one, &other, None)), 0);
    made.file(staged, text(&one, false));
    check(&made, None, 0);
    made.file(staged, text(&other, true));
    check(&made, None, 0);
    made.file(staged, "\0");
    check(&made, None, 1);
    made.file(staged, text(&other, false));
    made.proc_file("cmdline", format!("composefs.digest=v1-sha256-12:{one}\n"));
    check(&made, Some(("bootc", &one, &other, None)), 0);
    made.proc_file("cmdline", "composefs= ro\n");
    check(&made, None, 0);
}

/// A system of NixOS: the store path of each part.
fn generation(made: &Made, name: &str, kernel: &str, initrd: &str) {
    let system = format!("/nix/store/{name}");
    for (part, target) in [
        ("kernel", format!("{kernel}/bzImage")),
        ("initrd", format!("{initrd}/initrd")),
        ("kernel-modules", format!("{kernel}-modules/lib")),
        ("firmware", "fw/lib".to_owned()),
    ] {
        let target = format!("/nix/store/{target}");
        made.file(&target, "");
        made.link(&format!("{system}/{part}"), &target);
    }
}

#[test]
fn t9_19_nixos() {
    let made = Made::new();
    generation(&made, "a-nixos-system-h-25.05", "linux-6.12.1", "initrd-1");
    generation(&made, "b-nixos-system-h-25.05", "linux-6.12.1", "initrd-1");
    generation(&made, "c-nixos-system-h-25.05", "linux-6.12.2", "initrd-2");
    generation(&made, "d-nixos-system-h-25.05", "linux-6.12.1", "initrd-2");
    let path = |name: &str| format!("/nix/store/{name}-nixos-system-h-25.05");
    made.link("/run/booted-system", &path("a"));
    check(&made, None, 0);
    let select = |name: &str| {
        fs::create_dir_all(made.path("/nix/var/nix/profiles")).unwrap();
        let link = made.path(&format!("/nix/var/nix/profiles/system-{name}-link"));
        symlink(path(name), link).unwrap();
        let profile = made.path("/nix/var/nix/profiles/system");
        fs::remove_file(&profile).ok();
        symlink(format!("system-{name}-link"), profile).unwrap();
    };
    select("a");
    check(&made, None, 0);
    select("b");
    check(
        &made,
        Some(("nixos", &path("a"), &path("b"), Some(false))),
        0,
    );
    select("c");
    check(
        &made,
        Some(("nixos", &path("a"), &path("c"), Some(true))),
        0,
    );
    select("d");
    check(
        &made,
        Some(("nixos", &path("a"), &path("d"), Some(true))),
        0,
    );
    let since = made.read(read).0[0].since;
    let profile = fs::symlink_metadata(made.path("/nix/var/nix/profiles/system")).unwrap();
    let ours: Option<Timestamp> = since;
    assert_eq!(ours.map(|since| since.secs), Some(profile.ctime()));
    // A link that leads to itself is neither there nor not.
    fs::remove_file(made.path("/run/booted-system")).unwrap();
    made.link("/run/booted-system", "booted-system");
    check(&made, None, 1);
}

#[track_caller]
fn check_argument(command_line: &str, wanted: Option<&str>) {
    let said = argument(command_line.as_bytes(), b"ostree");
    assert_eq!(said, wanted.map(str::as_bytes), "{command_line}");
}

#[test]
fn arguments() {
    check_argument("a ostree=/x b", Some("/x"));
    check_argument("ostree=/x ostree=/y\n", Some("/y"));
    check_argument("ostree= x", Some(""));
    check_argument("ostree.x=1 noostree=2 ostree", None);
    check_argument("", None);
}
