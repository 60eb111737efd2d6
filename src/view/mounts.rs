//! Pure: `/proc/PID/mountinfo` → what is mounted where (proc_pid_mountinfo(5)).
//!
//! Not the `procfs` crate: one mount point that is not UTF-8 would cost the mounts of every process of its namespace.

use crate::model::{Bytes, Device, Mount, MountId};

/// The mounts that one view can see.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Mounts {
    /// In the order of the file: a later one lies on top of an earlier one at the same point.
    list: Vec<Entry>,
    unreadable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    id: MountId,
    point: Vec<u8>,
    mount: Mount,
}

impl Mounts {
    /// Mounts that could not be read, or are too many: then no path can be trusted to answer.
    #[must_use]
    pub fn unreadable() -> Self {
        Self {
            unreadable: true,
            ..Self::default()
        }
    }

    /// See [`Self::unreadable`].
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        self.unreadable
    }

    /// Parses the file. A line that is not of its form is left out and counted.
    #[must_use]
    pub fn parse(text: &[u8]) -> (Self, usize) {
        let mut damaged = 0;
        let mut list = Vec::new();
        for line in text
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            match parse_line(line) {
                Some(entry) => list.push(entry),
                None => damaged += 1,
            }
        }
        (
            Self {
                list,
                unreadable: false,
            },
            damaged,
        )
    }

    /// The mount that a path lies under. The path is absolute in the view, without symbolic links.
    #[must_use]
    pub fn under(&self, path: &[u8]) -> Option<&Mount> {
        let covers = |entry: &&Entry| {
            let point = entry.point.strip_suffix(b"/").unwrap_or(&entry.point);
            path.strip_prefix(point)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        };
        // max_by_key keeps the last of equals: the mount on top.
        self.list
            .iter()
            .filter(covers)
            .max_by_key(|entry| entry.point.len())
            .map(|entry| &entry.mount)
    }

    /// The mount of that number.
    #[must_use]
    pub fn by_id(&self, id: MountId) -> Option<&Mount> {
        self.list
            .iter()
            .find(|entry| entry.id == id)
            .map(|entry| &entry.mount)
    }

    /// Whether a file system with that super block is mounted anywhere in the view.
    #[must_use]
    pub fn has_device(&self, device: Device) -> bool {
        self.list.iter().any(|entry| entry.mount.device == device)
    }

    /// Whether something is mounted at this very point.
    #[must_use]
    pub fn has_point(&self, point: &[u8]) -> bool {
        self.list.iter().any(|entry| entry.point == point)
    }

    /// Whether nothing is known: an empty list says nothing about what is mounted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

fn parse_line(line: &[u8]) -> Option<Entry> {
    let mut fields = line.split(|&byte| byte == b' ');
    let id = number(fields.next()?)?;
    let device = parse_device(fields.nth(1)?)?;
    let point = unescape(fields.nth(1)?);
    // Options, then any number of optional fields up to a lone dash.
    fields.find(|&field| field == b"-")?;
    let kind = Bytes(unescape(fields.next()?));
    Some(Entry {
        id,
        point,
        mount: Mount { kind, device },
    })
}

fn parse_device(field: &[u8]) -> Option<Device> {
    let at = field.iter().position(|&byte| byte == b':')?;
    let part = |digits| u32::try_from(number(digits)?).ok();
    Some(Device {
        major: part(&field[..at])?,
        minor: part(&field[at + 1..])?,
    })
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Blank, tab, newline, backslash and hash are printed as a backslash and three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'\\'
            && let Some(value) = tail.get(..3).and_then(octal)
        {
            bytes.push(value);
            rest = &tail[3..];
        } else {
            bytes.push(byte);
            rest = tail;
        }
    }
    bytes
}

fn octal(digits: &[u8]) -> Option<u8> {
    let value = digits.iter().try_fold(0_u32, |value, &digit| {
        Some(value * 8 + char::from(digit).to_digit(8)?)
    })?;
    u8::try_from(value).ok()
}

/// Whether a file system of this type can keep a caller waiting for ever: a server or a user's program answers for it.
#[must_use]
pub fn may_hang(kind: &[u8]) -> bool {
    const TYPES: [&[u8]; 13] = [
        b"fuse",
        b"fuseblk",
        b"nfs",
        b"nfs4",
        b"cifs",
        b"smb3",
        b"smbfs",
        b"9p",
        b"ceph",
        b"afs",
        b"autofs",
        b"glusterfs",
        b"lustre",
    ];
    // virtiofs is served by the hypervisor, as a disk is: it is not among them.
    kind.starts_with(b"fuse.") || TYPES.contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
22 27 0:21 / /proc rw,relatime shared:5 master:1 - proc proc rw
30 27 0:50 / /srv/with\\040blank rw - fuse.sshfs x rw
31 27 0:51 / /mnt rw - tmpfs x rw
32 27 0:52 / /mnt rw - nfs4 x rw
33 27 0:53 / /m\xff rw - xfs x rw
";

    #[track_caller]
    fn check(path: &str, kind: &str) {
        let (mounts, damaged) = Mounts::parse(TEXT);
        assert_eq!(damaged, 0);
        assert_eq!(
            mounts.under(path.as_bytes()).unwrap().kind,
            Bytes::from(kind),
            "{path}"
        );
    }

    #[test]
    fn t2_08_the_longest_mount_point_and_the_one_on_top() {
        check("/usr/lib/x.so", "ext4");
        check("/", "ext4");
        check("/proc", "proc");
        check("/process/x", "ext4");
        check("/srv/with blank/a", "fuse.sshfs");
        check("/mnt/a", "nfs4");
    }

    #[test]
    fn numbers_and_devices() {
        let (mounts, _) = Mounts::parse(TEXT);
        assert_eq!(mounts.by_id(33).unwrap().kind, Bytes::from("xfs"));
        assert_eq!(mounts.by_id(99), None);
        assert!(mounts.has_device(Device {
            major: 0,
            minor: 21
        }));
        assert!(!mounts.has_device(Device {
            major: 0,
            minor: 99
        }));
        assert!(mounts.under(b"relative").is_none());
    }

    #[test]
    fn damaged_lines_are_counted() {
        for line in [
            &b"x"[..],
            b"1 2 3:4 / /x rw",
            b"1 2 34 / /x rw - a b c",
            b"1 2 3:4 / /x rw -",
        ] {
            let (mounts, damaged) = Mounts::parse(line);
            assert_eq!(
                (mounts.is_empty(), damaged),
                (true, 1),
                "{}",
                line.escape_ascii()
            );
        }
    }

    #[test]
    fn who_may_never_answer() {
        for kind in [
            "nfs",
            "nfs4",
            "fuse",
            "fuse.sshfs",
            "fuseblk",
            "cifs",
            "autofs",
            "ceph",
        ] {
            assert!(may_hang(kind.as_bytes()), "{kind}");
        }
        for kind in ["ext4", "overlay", "tmpfs", "fusectl", "virtiofs", "nfsd"] {
            assert!(!may_hang(kind.as_bytes()), "{kind}");
        }
    }
}
