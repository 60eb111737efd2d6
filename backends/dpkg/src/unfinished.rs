//! Whether dpkg is at work, or was broken off. Told from what lies about; no lock is taken, not even tried.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use unstale_packages::DbError;

use crate::damage::Damages;
use crate::root::{Root, Stamp};
use crate::status::{Status, io_error, read_status};

/// What apt, and dpkg itself, hold while they work.
const LOCKS: [&str; 2] = ["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock"];
/// The kernel's list of locks; it shows those of the reader's PID namespace. Reading it makes the kernel wait for all
/// processors once (some 10 ms): asking about one file, F_GETLK, would be cheaper, but takes unsafe code.
const PROC_LOCKS: &str = "/proc/locks";
const PROC_LOCKS_CAP: u64 = 4 << 20;
const NAMED: usize = 3;

/// In words for a person; `None` when all is at rest.
///
/// # Errors
/// [`DbError`] if the store as a whole cannot be read.
pub fn read_unfinished(root: &Root) -> Result<Option<String>, DbError> {
    let status = read_status(root, &mut Damages::default())?;
    let mut words: Vec<String> = read_holder(root)?.into_iter().collect();
    words.extend(tell_journal(status.journal));
    words.extend(tell_states(&status));
    Ok((!words.is_empty()).then(|| words.join("; ")))
}

fn tell_journal(entries: usize) -> Option<String> {
    (entries > 0).then(|| format!("dpkg's journal holds {entries} entries that are not merged yet"))
}

/// `libc6 is unpacked, libssl3 is half-configured and 4 more`.
fn tell_states(status: &Status) -> Option<String> {
    let restless = |record: &&_| {
        let record: &crate::record::Record = record;
        !record.state.at_rest() || record.reinstall
    };
    let mut found: Vec<String> = status
        .records()
        .iter()
        .filter(restless)
        .map(tell_record)
        .collect();
    found.sort();
    let more = found.len().saturating_sub(NAMED);
    found.truncate(NAMED);
    let all = found.join(", ");
    match more {
        _ if all.is_empty() => None,
        0 => Some(all),
        more => Some(format!("{all} and {more} more")),
    }
}

fn tell_record(record: &crate::record::Record) -> String {
    let name = &record.package.name;
    if record.state.at_rest() {
        format!("{name} must be installed anew")
    } else {
        format!("{name} is {}", record.state.word())
    }
}

/// Who holds dpkg's locks, if this is our own root: only there do the kernel's numbers mean these files.
fn read_holder(root: &Root) -> Result<Option<String>, DbError> {
    if !root.is_own() {
        return Ok(None);
    }
    let mut text = Vec::new();
    // Where /proc is not mounted there is nothing to tell.
    let read =
        File::open(PROC_LOCKS).and_then(|file| file.take(PROC_LOCKS_CAP).read_to_end(&mut text));
    if read.is_err() {
        return Ok(None);
    }
    for lock in LOCKS {
        let there = root
            .stat(Path::new(lock))
            .map_err(|source| io_error(lock, source))?;
        let holder = there.and_then(|(_, stamp)| parse_locks(&text, &stamp));
        if let Some(pid) = holder {
            return Ok(Some(match pid {
                1.. => format!("process {pid} holds {lock}"),
                _ => format!("{lock} is held"),
            }));
        }
    }
    Ok(None)
}

/// The process that holds a lock on this file, by the text of /proc/locks; 0 or less if the kernel names none.
pub fn parse_locks(text: &[u8], file: &Stamp) -> Option<i64> {
    let text = String::from_utf8_lossy(text);
    text.lines().find_map(|line| parse_lock_line(line, file))
}

/// `7: POSIX  ADVISORY  WRITE 1234 08:01:131076 0 EOF`. Waiters have `->` after the number, and hold nothing.
fn parse_lock_line(line: &str, file: &Stamp) -> Option<i64> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let (kind, _, mode) = (words.next()?, words.next()?, words.next()?);
    if !matches!(kind, "POSIX" | "OFDLCK") || mode != "WRITE" {
        return None;
    }
    let pid = words.next()?.parse().ok()?;
    let mut id = words.next()?.split(':');
    let major = u32::from_str_radix(id.next()?, 16).ok()?;
    let minor = u32::from_str_radix(id.next()?, 16).ok()?;
    let inode: u64 = id.next()?.parse().ok()?;
    let (device, own_inode) = file.id;
    let own = (rustix::fs::major(device), rustix::fs::minor(device));
    // btrfs and overlayfs tell stat another anonymous device (major 0) than the one that is printed here.
    let same_device = own == (major, minor) || (own.0 == 0 && major == 0);
    (same_device && inode == own_inode).then_some(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_lines() {
        #[track_caller]
        fn check(line: &str, device: (u32, u32), expected: Option<i64>) {
            let stamp = Stamp {
                id: (rustix::fs::makedev(device.0, device.1), 131_076),
                size: 0,
                modified: (0, 0),
            };
            assert_eq!(parse_locks(line.as_bytes(), &stamp), expected, "{line}");
        }
        check(
            "1: POSIX  ADVISORY  WRITE 1234 08:01:131076 0 EOF\n",
            (8, 1),
            Some(1234),
        );
        check(
            "1: FLOCK  ADVISORY  WRITE 7 08:01:9 0 EOF\n2: POSIX  ADVISORY  WRITE 12 08:01:131076 0 0\n",
            (8, 1),
            Some(12),
        );
        check(
            "1: OFDLCK ADVISORY  WRITE -1 08:01:131076 0 EOF",
            (8, 1),
            Some(-1),
        );
        check(
            "1: POSIX  ADVISORY  WRITE 1234 00:1f:131076 0 EOF",
            (0, 45),
            Some(1234),
        );
        check(
            "1: POSIX  ADVISORY  WRITE 1234 08:02:131076 0 EOF",
            (8, 1),
            None,
        );
        check(
            "1: POSIX  ADVISORY  WRITE 1234 08:01:131077 0 EOF",
            (8, 1),
            None,
        );
        check(
            "1: -> POSIX  ADVISORY  WRITE 1234 08:01:131076 0 EOF",
            (8, 1),
            None,
        );
        check(
            "1: POSIX  ADVISORY  READ 1234 08:01:131076 0 EOF",
            (8, 1),
            None,
        );
        check("1: POSIX", (8, 1), None);
        check("", (8, 1), None);
    }
}
