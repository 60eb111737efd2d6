//! Writes to terminals, as write(1) does: to those of the user alone, and only where the user lets others write.

use std::fs::File;
use std::io::Write as _;

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, open};
use rustix::io::Errno;

use super::Message;
use crate::model::Device;

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
    let Some(path) = device.terminal() else {
        return Ok(false);
    };
    let failed = |errno: Errno| format!("{path}: {errno}");
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
        return Err(format!("{path}: it takes no messages (mesg n)"));
    }
    // A terminal that is held (Ctrl-S) takes what fits and no more.
    File::from(terminal)
        .write_all(text)
        .map_err(|error| format!("{path}: {error}"))?;
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

#[cfg(test)]
mod tests {
    use super::*;

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
