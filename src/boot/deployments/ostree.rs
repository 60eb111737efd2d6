//! OSTree: deployments lie in `/ostree/deploy/OS/deploy/COMMIT.SERIAL`, and boot entries name them by links below
//! `/ostree/boot.N/OS/BOOTSUM/SERIAL`, where BOOTSUM is the sum of kernel and initrd (docs/deployment.md of OSTree).
//!
//! What is booted is told by the root itself: N changes with each new set of entries, so the link on the kernel's command
//! line may be gone by now, or lead to another deployment.

use super::argument;
use crate::boot::files::Files;
use crate::model::{Bytes, Deployment, Timestamp, WhyNot};
use crate::view::ProcRoot;

/// Made by the initrd; holds facts about the root since 2023.
const BOOTED: &str = "/run/ostree-booted";
const STAGED: &str = "/run/ostree/staged-deployment";
/// While it exists, nobody makes what is staged the default at shutdown.
const LOCKED: &str = "/run/ostree/staged-deployment-locked";
const ENTRIES: &str = "/boot/loader/entries";
const DEPLOYMENTS: &str = "/ostree/deploy";
const TEXT_CAP: u64 = 256 * 1024;
const MOUNTS_CAP: usize = 4 * 1024 * 1024;

/// One deployment.
#[derive(Debug, PartialEq, Eq)]
struct Tree {
    os: Vec<u8>,
    /// `COMMIT.SERIAL`.
    name: Vec<u8>,
}

/// What would be booted.
#[derive(Debug, PartialEq, Eq)]
struct Next {
    tree: Tree,
    boot_sum: Option<Vec<u8>>,
    since: Option<Timestamp>,
}

pub(super) fn read(proc: &ProcRoot, files: &Files<'_>, command_line: &[u8]) -> Option<Deployment> {
    let link = argument(command_line, b"ostree");
    if link.is_none() && !files.is_there(BOOTED) {
        return None;
    }
    let Some(booted) = booted(proc, files) else {
        note(
            files,
            "tell which deployment is booted from",
            DEPLOYMENTS,
            "none of them is the root",
        );
        return None;
    };
    let next = staged(files).or_else(|| first_entry(files))?;
    if next.tree == booted {
        return None;
    }
    let other_kernel = link
        .and_then(boot_sum_of)
        .zip(next.boot_sum.as_deref())
        .map(|(one, other)| one != other);
    Some(Deployment {
        kind: "ostree".to_owned(),
        booted: booted.shown(),
        next: next.tree.shown(),
        since: next.since,
        other_kernel,
    })
}

impl Tree {
    /// As `ostree admin status` names it.
    fn shown(&self) -> Bytes {
        Bytes([self.os.as_slice(), b" ", &self.name].concat())
    }

    /// From a path of a deployment, or of something in it.
    fn of_path(path: &[u8]) -> Option<Self> {
        let at = last(path, b"/ostree/deploy/")?;
        let mut parts = path[at..].split(|&byte| byte == b'/').skip(3);
        let (os, deploy, name) = (parts.next()?, parts.next()?, parts.next()?);
        let is_tree = deploy == b"deploy" && is_name(name);
        is_tree.then(|| Self {
            os: os.to_vec(),
            name: name.to_vec(),
        })
    }
}

/// Whether it is `COMMIT.SERIAL`.
fn is_name(name: &[u8]) -> bool {
    let Some(at) = name.iter().rposition(|&byte| byte == b'.') else {
        return false;
    };
    let (commit, serial) = (&name[..at], &name[at + 1..]);
    let is_serial = !serial.is_empty() && serial.iter().all(u8::is_ascii_digit);
    commit.len() == 64 && commit.iter().all(u8::is_ascii_hexdigit) && is_serial
}

fn booted(proc: &ProcRoot, files: &Files<'_>) -> Option<Tree> {
    let mounts = proc
        .own()
        .and_then(|own| own.read(c"mountinfo", MOUNTS_CAP));
    let by_mount = mounts.ok().and_then(|text| parse_mounts(&text));
    by_mount.or_else(|| by_inode(files))
}

/// A deployment is bound to `/`; where `/` is composed, that of `/etc` still is (mountinfo: proc_pid_mountinfo(5)).
fn parse_mounts(text: &[u8]) -> Option<Tree> {
    let of_point = |point: &[u8]| {
        // The last one mounted on a point is the one that is seen.
        let mut lines = text.split(|&byte| byte == b'\n').rev();
        lines.find_map(|line| {
            let mut fields = line.split(|&byte| byte == b' ').skip(3);
            let (root, at) = (fields.next()?, fields.next()?);
            (at == point).then_some(root)
        })
    };
    [&b"/"[..], b"/etc"]
        .into_iter()
        .find_map(|point| Tree::of_path(of_point(point)?))
}

/// The deployment whose directory the initrd composed `/` from.
fn by_inode(files: &Files<'_>) -> Option<Tree> {
    let facts = files.read_or_note(BOOTED, TEXT_CAP)?;
    let (device, inode) = parse_backing(&facts)?;
    for os in files.list_or_note(DEPLOYMENTS) {
        let above = [DEPLOYMENTS.as_bytes(), b"/", os.as_slice(), b"/deploy"].concat();
        for name in files.list_or_note(&above) {
            let path = [above.as_slice(), b"/", name.as_slice()].concat();
            let Ok(Some(found)) = files.find(&path) else {
                continue;
            };
            let stat = &found.stat;
            let number = rustix::fs::makedev(stat.device.major, stat.device.minor);
            if stat.inode == inode && number == device {
                return Tree::of_path(&path);
            }
        }
    }
    None
}

/// `backing-root-device-inode`, two numbers of 64 bits, from a GVariant of type `a{sv}`: a string, room up to the next
/// multiple of eight, the value, a NUL, and its type. In the machine's own order of bytes.
fn parse_backing(text: &[u8]) -> Option<(u64, u64)> {
    let key = b"backing-root-device-inode\0";
    let at = first(text, key)? + key.len();
    let value = text.get(at.next_multiple_of(8)..)?;
    let number = |at: usize| {
        let bytes = value.get(at..at + 8)?;
        Some(u64::from_ne_bytes(bytes.try_into().ok()?))
    };
    value.get(16..)?.starts_with(b"\0(tt)").then_some(())?;
    Some((number(0)?, number(8)?))
}

/// What becomes the default at shutdown.
fn staged(files: &Files<'_>) -> Option<Next> {
    let found = files.find(STAGED).unwrap_or_else(|why| {
        files.note("look at", STAGED, why);
        None
    })?;
    if files.is_there(LOCKED) {
        return None;
    }
    let text = files.read_or_note(STAGED, TEXT_CAP)?;
    let Some(staged) = parse_staged(&text) else {
        note(files, "understand", STAGED, "it names no deployment");
        return None;
    };
    let since = Some(found.stat.mtime);
    (!staged.locked).then_some(Next {
        since,
        ..staged.next
    })
}

#[derive(Debug, PartialEq, Eq)]
struct Staged {
    next: Next,
    locked: bool,
}

/// A GVariant of type `a{sv}`: `target` is again one, with `name`, `osname` and `bootcsum`; others follow it. Strings end
/// with a NUL, which none of these values can hold.
fn parse_staged(text: &[u8]) -> Option<Staged> {
    let target = first(text, b"target\0")?;
    let end = first(text, b"merge-deployment\0").filter(|end| *end > target);
    let inside = &text[target..end.unwrap_or(text.len())];
    let value = |key: &[u8]| {
        let at = first(inside, key)? + key.len();
        // Room up to the next multiple of eight is filled with NULs.
        let mut parts = inside[at..].split(|&byte| byte == 0);
        parts.find(|part| !part.is_empty())
    };
    // `osname\0` ends as `name\0` does.
    let name = value(b"\0name\0").filter(|name| is_name(name))?;
    // A boolean is one byte.
    let locked = first(text, b"locked\0\0\x01\0b").is_some();
    Some(Staged {
        next: Next {
            tree: Tree {
                os: value(b"osname\0")?.to_vec(),
                name: name.to_vec(),
            },
            boot_sum: value(b"bootcsum\0").map(<[u8]>::to_vec),
            since: None,
        },
        locked,
    })
}

/// The entry that OSTree wrote as the first.
fn first_entry(files: &Files<'_>) -> Option<Next> {
    let mut default: Option<(Vec<u8>, Vec<u8>, Timestamp)> = None;
    for name in files.list_or_note(ENTRIES) {
        if !name.as_slice().ends_with(b".conf") {
            continue;
        }
        let path = [ENTRIES.as_bytes(), b"/", name.as_slice()].concat();
        let Ok(Some(found)) = files.find(&path) else {
            continue; // Boot entries are renewed as a whole.
        };
        let Some(text) = files.read_or_note(&path, TEXT_CAP) else {
            continue;
        };
        let Some((version, link)) = parse_entry(&text) else {
            continue;
        };
        let before = default.as_ref().map(|(before, _, _)| before.as_slice());
        if before.is_none_or(|before| is_later(version, before)) {
            default = Some((version.to_vec(), link.to_vec(), found.stat.mtime));
        }
    }
    let Some((_, link, since)) = default else {
        note(
            files,
            "tell what is booted next from",
            ENTRIES,
            "no entry names a deployment",
        );
        return None;
    };
    let target = match files.find(&link) {
        Ok(target) => target,
        Err(why) => {
            files.note("look at", &link, why);
            return None;
        }
    };
    let Some(tree) = target.and_then(|target| Tree::of_path(target.path.as_slice())) else {
        note(
            files,
            "look at",
            &link,
            "a boot entry names it, but it leads to no deployment",
        );
        return None;
    };
    Some(Next {
        tree,
        boot_sum: boot_sum_of(&link).map(<[u8]>::to_vec),
        since: Some(since),
    })
}

/// `version` and the link, of an entry of ours.
fn parse_entry(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let value = |key: &[u8]| {
        let mut lines = text.split(|&byte| byte == b'\n');
        lines.find_map(|line| {
            let rest = line.strip_prefix(key)?;
            let is_key = rest.first().is_some_and(u8::is_ascii_whitespace);
            is_key.then(|| rest.trim_ascii())
        })
    };
    let link = argument(value(b"options")?, b"ostree")?;
    Some((value(b"version").unwrap_or_default(), link))
}

/// OSTree counts versions: the entry with the highest is the default.
fn is_later(version: &[u8], other: &[u8]) -> bool {
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<u64>().ok();
    (number(version), version) > (number(other), other)
}

/// BOOTSUM of `/ostree/boot.N/OS/BOOTSUM/SERIAL`.
fn boot_sum_of(link: &[u8]) -> Option<&[u8]> {
    let mut parts = link.rsplit(|&byte| byte == b'/');
    let sum = parts.nth(1)?;
    (sum.len() == 64 && sum.iter().all(u8::is_ascii_hexdigit)).then_some(sum)
}

fn first(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn last(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).rposition(|window| window == what)
}

fn note(files: &Files<'_>, operation: &str, path: impl AsRef<[u8]>, why: &str) {
    files.note(operation, path, WhyNot::Failed(why.to_owned()));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PIECES: [&[u8]; 12] = [
        b"target\0",
        b"merge-deployment\0",
        b"\0name\0",
        b"osname\0",
        b"bootcsum\0",
        b"locked\0\0\x01\0b",
        b"backing-root-device-inode\0",
        b"\0(tt)",
        b"/ostree/deploy/",
        b"\nversion \noptions ostree=/",
        b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.0",
        b"\n1 1 0:1 ",
    ];

    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            prop::sample::select(&PIECES[..]).prop_map(<[u8]>::to_vec),
            prop::collection::vec(any::<u8>(), 0..20),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn t11_01_parsers_take_anything(text in pieces()) {
            parse_backing(&text);
            parse_mounts(&text);
            parse_entry(&text);
            boot_sum_of(&text);
            if let Some(staged) = parse_staged(&text) {
                prop_assert!(is_name(&staged.next.tree.name));
            }
            if let Some(tree) = Tree::of_path(&text) {
                prop_assert!(is_name(&tree.name) && !tree.os.contains(&b'/'));
            }
        }
    }

    #[test]
    fn orders_of_entries() {
        let check = |version: &str, other: &str, later: bool| {
            assert_eq!(
                is_later(version.as_bytes(), other.as_bytes()),
                later,
                "{version} {other}"
            );
        };
        check("10", "9", true);
        check("9", "10", false);
        check("2", "2", false);
        check("1", "", true);
        check("", "1", false);
        check("1", "odd", true);
        check("b", "a", true);
    }

    #[test]
    fn t9_19_what_is_no_deployment() {
        let check = |path: &str, is: bool| {
            assert_eq!(Tree::of_path(path.as_bytes()).is_some(), is, "{path}");
        };
        let name = format!("{}.0", "a".repeat(64));
        check(&format!("/ostree/deploy/os/deploy/{name}"), true);
        check(&format!("/root/ostree/deploy/os/deploy/{name}/etc"), true);
        check(&format!("/ostree/deploy/os/var/{name}"), false);
        check(&format!("/ostree/deploy/os/deploy/{name}x"), false);
        check(&format!("/ostree/deploy/os/deploy/{}", &name[1..]), false);
        check(&format!("/ostree/deploy/os/deploy/{}", &name[..65]), false);
        check("/ostree/deploy/", false);
        check("/", false);
    }
}
