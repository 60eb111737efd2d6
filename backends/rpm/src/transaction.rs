//! Whether rpm is at work now, found without touching its lock.
//!
//! rpm holds a write lock (`fcntl`) on `.rpm.lock` while a transaction runs. The kernel lists all locks with device
//! and inode, but only of the running system: for other roots nothing is said.

use std::path::Path;

use rustix::fs::{major, minor};
use unstale_packages::DbError;

use crate::reading::io_error;
use crate::root::Root;

const LOCKS: &str = "/proc/locks";
/// Thousands of locks at some hundred bytes each.
const LARGEST: u64 = 4 << 20;

/// A running transaction in words.
pub(crate) fn running(root: &Root, directory: &Path) -> Result<Option<String>, DbError> {
    let lock = directory.join(".rpm.lock");
    if !root.is_host() {
        return Ok(None);
    }
    let Some(file) = root.stat(&lock).map_err(|e| io_error(&lock, e))? else {
        return Ok(None);
    };
    let locks = root.read(Path::new(LOCKS), LARGEST);
    // Without /proc/locks nothing is known, and a lock is not proved by its file.
    let Ok(Some(text)) = locks else {
        return Ok(None);
    };
    let device = (major(file.st_dev), minor(file.st_dev));
    let holder = parse_holder(&text, device, file.st_ino);
    Ok(holder.map(|pid| format!("an rpm transaction is running (process {pid})")))
}

/// The process that holds a write lock on a file.
fn parse_holder(text: &[u8], device: (u32, u32), inode: u64) -> Option<u32> {
    let mut lines = text.split(|byte| *byte == b'\n');
    lines.find_map(|line| {
        let line = std::str::from_utf8(line).ok()?;
        let mut words = line.split_ascii_whitespace().skip(1);
        // A process that waits for the lock has an arrow here.
        let (class, _, access) = (words.next()?, words.next()?, words.next()?);
        let pid: u32 = words.next()?.parse().ok()?;
        let mut of_file = words.next()?.split(':');
        let hex = |part: Option<&str>| u32::from_str_radix(part?, 16).ok();
        let listed = (hex(of_file.next())?, hex(of_file.next())?);
        let same_inode = of_file.next()?.parse() == Ok(inode);
        // btrfs and overlayfs show one anonymous device (major 0) here and another to stat.
        let same_device = listed == device || (listed.0 == 0 && device.0 == 0);
        let is_lock = matches!(class, "POSIX" | "OFDLCK") && access == "WRITE";
        (is_lock && same_inode && same_device).then_some(pid)
    })
}

#[cfg(test)]
mod tests {
    use super::parse_holder;

    #[track_caller]
    fn check(text: &str, holder: Option<u32>) {
        let found = parse_holder(text.as_bytes(), (0xfd, 1), 4_660);
        assert_eq!(found, holder);
    }

    #[test]
    fn lines_of_locks() {
        check(
            "1: POSIX  ADVISORY  WRITE 812 fd:01:4660 0 EOF\n",
            Some(812),
        );
        check("1: POSIX  ADVISORY  READ 812 fd:01:4660 0 EOF\n", None);
        check("1: FLOCK  ADVISORY  WRITE 812 fd:01:4660 0 EOF\n", None);
        check("1: POSIX  ADVISORY  WRITE 812 fd:02:4660 0 EOF\n", None);
        check("1: POSIX  ADVISORY  WRITE 812 00:02:4660 0 EOF\n", None);
        check("1: POSIX  ADVISORY  WRITE 812 fd:01:4661 0 EOF\n", None);
        check("1: -> POSIX  ADVISORY  WRITE 812 fd:01:4660 0 EOF\n", None);
        check(
            "x\n\n1: POSIX\n2: OFDLCK ADVISORY  WRITE 9 fd:01:4660 0 0",
            Some(9),
        );
        check("1: OFDLCK ADVISORY  WRITE -1 fd:01:4660 0 EOF", None);
        check("", None);
    }
}
