//! Writes to terminals, as write(1) does: to those of the user alone, and only where the user lets others write.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, open};
use rustix::io::Errno;

use super::Message;
use crate::model::Device;

/// Major numbers of terminals (Linux, Documentation/admin-guide/devices.txt).
const CONSOLES: u32 = 4;
const PSEUDO: std::ops::RangeInclusive<u32> = 136..=143;
/// From this minor number on, terminals of major 4 are serial lines.
const SERIAL: u32 = 64;
/// What mesg(1) sets.
const WRITABLE_BY_GROUP: u32 = 0o020;

/// Whether somebody was told.
pub(super) fn tell(message: &Message) -> Result<bool, String> {
    let text = format!("\r\n{}\r\n", message.text().replace('\n', "\r\n"));
    let mut told = false;
    let mut failed = None;
    for &device in &message.terminals {
        match tell_one(device, message.uid, text.as_bytes()) {
            Ok(one) => told |= one,
            Err(why) => failed = Some(why),
        }
    }
    match failed {
        Some(why) if !told => Err(why),
        _ => Ok(told),
    }
}

fn tell_one(device: Device, uid: u32, text: &[u8]) -> Result<bool, String> {
    let Some(path) = path_of(device) else {
        return Ok(false);
    };
    let failed = |errno: Errno| format!("{}: {errno}", path.display());
    // The first look opens no device: opening one may wait, or make it the caller's terminal.
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match open(&path, flags, Mode::empty()).and_then(fstat) {
        Ok(stat) if is_theirs(&stat, device, uid) => {}
        Ok(_) | Err(Errno::NOENT) => return Ok(false),
        Err(errno) => return Err(failed(errno)),
    }
    let flags =
        OFlags::WRONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let terminal = open(&path, flags, Mode::empty()).map_err(failed)?;
    let stat = fstat(&terminal).map_err(failed)?;
    if !is_theirs(&stat, device, uid) {
        return Ok(false);
    }
    if stat.st_mode & WRITABLE_BY_GROUP == 0 {
        return Err(format!("{}: it takes no messages (mesg n)", path.display()));
    }
    // A terminal that is held (Ctrl-S) takes what fits and no more.
    File::from(terminal)
        .write_all(text)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(true)
}

/// Whether it is that terminal, and the user's: one of a container has the same number.
fn is_theirs(stat: &Stat, device: Device, uid: u32) -> bool {
    let (major, minor) = (
        rustix::fs::major(stat.st_rdev),
        rustix::fs::minor(stat.st_rdev),
    );
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
        && (major, minor) == (device.major, device.minor)
        && stat.st_uid == uid
}

/// Where the device is.
fn path_of(device: Device) -> Option<PathBuf> {
    let Device { major, minor } = device;
    if PSEUDO.contains(&major) {
        // The first major number of those has all minor ones up to 2^20 today; the others go on at 256 each.
        let number = (major - PSEUDO.start()) * 256 + minor;
        return Some(format!("/dev/pts/{number}").into());
    }
    match (major, minor) {
        (CONSOLES, SERIAL..) => Some(format!("/dev/ttyS{}", minor - SERIAL).into()),
        (CONSOLES, 1..) => Some(format!("/dev/tty{minor}").into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_terminals() {
        #[track_caller]
        fn check(major: u32, minor: u32, path: Option<&str>) {
            assert_eq!(path_of(Device { major, minor }), path.map(PathBuf::from));
        }
        check(136, 0, Some("/dev/pts/0"));
        check(136, 300, Some("/dev/pts/300"));
        check(137, 1, Some("/dev/pts/257"));
        check(4, 1, Some("/dev/tty1"));
        check(4, 64, Some("/dev/ttyS0"));
        check(4, 0, None);
        check(5, 0, None);
        check(1, 3, None);
    }

    #[test]
    fn no_terminal_is_nobody_told() {
        let message = Message {
            uid: 0,
            account: None,
            session: None,
            terminals: vec![
                Device { major: 1, minor: 3 },
                Device {
                    major: 136,
                    minor: 1_048_575,
                },
            ],
            summary: "x".to_owned(),
            details: Vec::new(),
        };
        assert_eq!(tell(&message), Ok(false));
    }
}
