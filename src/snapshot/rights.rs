//! What a process may read, by its credentials: the broker opens files for detectors with more rights than the process
//! has, and must not show more than the process could see itself.
//!
//! Access lists (acl(5)) are not asked: what only they allow is denied here.

use rustix::fs::Statx;
use rustix::io::Errno;

use crate::view::ProcDir;

/// `/proc/PID/status` and `/proc/PID/uid_map` are far shorter.
const STATUS_CAP: usize = 64 * 1024;

/// `CAP_DAC_OVERRIDE` and `CAP_DAC_READ_SEARCH` (capabilities(7)), as bits of `CapEff`.
const READS_ALL: u64 = 1 << 1 | 1 << 2;

/// The credentials by which the file system judges a process (credentials(7)).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Rights {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
    /// Ranges of owners whose files it may read whatever their mode: with the capability, those of its user namespace.
    above: Vec<(u32, u32)>,
}

impl Rights {
    /// Of a process, in the reader's numbering.
    pub(super) fn of(dir: &ProcDir<'_>, same_user_ns: bool) -> Result<Self, Errno> {
        let status = dir.read(c"status", STATUS_CAP)?;
        let mut rights = parse_status(&status).ok_or(Errno::INVAL)?;
        let capable = capabilities(&status).is_some_and(|caps| caps & READS_ALL != 0);
        rights.above = match (capable, same_user_ns) {
            (false, _) => Vec::new(),
            (true, true) => vec![(0, u32::MAX)],
            (true, false) => parse_map(&dir.read(c"uid_map", STATUS_CAP)?),
        };
        Ok(rights)
    }

    #[cfg(test)]
    pub(super) fn all() -> Self {
        Self {
            above: vec![(0, u32::MAX)],
            ..Self::default()
        }
    }

    #[cfg(test)]
    pub(super) fn of_user(self, id: u32) -> Self {
        Self {
            uid: id,
            gid: id,
            ..self
        }
    }

    /// Whether it may read a file, or list a directory.
    pub(super) fn may_read(&self, stat: &Statx) -> bool {
        self.has(stat, 0o4)
    }

    /// Whether it may pass through a directory.
    pub(super) fn may_pass(&self, stat: &Statx) -> bool {
        self.has(stat, 0o1)
    }

    /// Whether everything is open to it, so that nothing has to be asked.
    pub(super) fn may_all(&self) -> bool {
        self.above == [(0, u32::MAX)]
    }

    fn has(&self, stat: &Statx, bit: u16) -> bool {
        let within = |&(from, to): &(u32, u32)| (from..=to).contains(&stat.stx_uid);
        if self.above.iter().any(within) {
            return true;
        }
        let shift = if stat.stx_uid == self.uid {
            6
        } else if stat.stx_gid == self.gid || self.groups.contains(&stat.stx_gid) {
            3
        } else {
            0
        };
        stat.stx_mode & (bit << shift) != 0
    }
}

fn parse_status(text: &[u8]) -> Option<Rights> {
    // The fourth of the ids is that of the file system.
    let id = |key: &str| numbers(text, key)?.get(3).copied();
    Some(Rights {
        uid: id("Uid:")?,
        gid: id("Gid:")?,
        groups: numbers(text, "Groups:").unwrap_or_default(),
        above: Vec::new(),
    })
}

fn capabilities(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field(text, "CapEff:")?).ok()?;
    u64::from_str_radix(text.trim(), 16).ok()
}

fn numbers(text: &[u8], key: &str) -> Option<Vec<u32>> {
    let text = std::str::from_utf8(field(text, key)?).ok()?;
    text.split_ascii_whitespace()
        .map(|word| word.parse().ok())
        .collect()
}

fn field<'a>(text: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let mut lines = text.split(|&byte| byte == b'\n');
    lines.find_map(|line| line.strip_prefix(key.as_bytes()))
}

/// user_namespaces(7): each line is the first id inside, the first outside, and how many.
fn parse_map(text: &[u8]) -> Vec<(u32, u32)> {
    let line = |line: &str| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let from: u32 = words.next()?.parse().ok()?;
        let count: u32 = words.next()?.parse().ok()?;
        Some((from, from.checked_add(count.checked_sub(1)?)?))
    };
    let text = String::from_utf8_lossy(text);
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, StatxFlags, statx};

    use super::*;

    const STATUS: &[u8] = b"Name:\tGroups: 0\nUid:\t1\t2\t3\t1000\nGid:\t5\t6\t7\t1001\nGroups:\t4 27 \nCapEff:\t000001ffffffffff\n";

    #[test]
    fn status_lines() {
        let rights = parse_status(STATUS).unwrap();
        assert_eq!((rights.uid, rights.gid), (1000, 1001));
        assert_eq!(rights.groups, [4, 27]);
        assert_eq!(capabilities(STATUS), Some(0x1ff_ffff_ffff));
        assert_eq!(
            parse_map(b"         0     100000      65536\n"),
            [(100_000, 165_535)]
        );
        assert_eq!(parse_map(b"0 0 4294967295\n"), [(0, u32::MAX - 1)]);
    }

    #[track_caller]
    fn check(rights: &Rights, mode: u32, owner: u32, group: u32, may: bool) {
        use std::os::unix::fs::PermissionsExt as _;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        let mut stat = statx(
            CWD,
            file.path(),
            rustix::fs::AtFlags::empty(),
            StatxFlags::BASIC_STATS,
        )
        .unwrap();
        (stat.stx_uid, stat.stx_gid) = (owner, group);
        assert_eq!(rights.may_read(&stat), may, "{mode:o} of {owner}:{group}");
    }

    #[test]
    fn modes() {
        let user = parse_status(STATUS).unwrap();
        check(&user, 0o644, 0, 0, true);
        check(&user, 0o640, 0, 0, false);
        check(&user, 0o640, 0, 27, true);
        check(&user, 0o604, 0, 27, false);
        check(&user, 0o400, 1000, 0, true);
        check(&user, 0o044, 1000, 0, false);
        let root = Rights {
            above: vec![(100_000, 165_535)],
            ..user
        };
        check(&root, 0o000, 100_033, 0, true);
        check(&root, 0o600, 0, 0, false);
    }
}
