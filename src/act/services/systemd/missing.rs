//! What a unit needs to start, and is not there any more.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};
use rustix::io::Errno;

use super::show::Shown;
use crate::model::Escaped;

/// Where programs and settings are.
const PLACES: [&[u8]; 6] = [b"/usr/", b"/bin/", b"/sbin/", b"/lib", b"/etc/", b"/opt/"];

/// Programs and environment files of a unit that are not there. Only what surely is missed: a path that others than the
/// unit see otherwise, a pattern (systemd.exec(5), `EnvironmentFile=`), a path that cannot be looked at are not.
pub(super) fn find(shown: &Shown) -> Vec<String> {
    if shown.other_root || !shown.unit.is_up() {
        return Vec::new();
    }
    let files = shown.files.iter().filter(|file| !is_pattern(file));
    let mut missing: Vec<String> = shown
        .programs
        .iter()
        .chain(files)
        .filter(|path| is_missing(path))
        .map(|path| Escaped(path).to_string())
        .collect();
    missing.sort_unstable();
    missing.dedup();
    missing
}

fn is_pattern(path: &[u8]) -> bool {
    path.iter().any(|byte| b"*?[".contains(byte))
}

fn is_missing(path: &[u8]) -> bool {
    let is_known = PLACES.iter().any(|place| path.starts_with(place));
    is_known && look(path).is_err_and(|errno| matches!(errno, Errno::NOENT | Errno::NOTDIR))
}

/// Looks for a file on the file system of `/` or of `/usr`. What is mounted below, or where a link leads to, may be a
/// server that does not answer: it is not gone to (`EXDEV`). Before Linux 5.6 nobody looks (`ENOSYS`).
fn look(path: &[u8]) -> Result<(), Errno> {
    let place: &[u8] = if path.starts_with(b"/usr/") {
        b"/usr/"
    } else {
        b"/"
    };
    let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let base = open(
        Path::new(OsStr::from_bytes(place)),
        directory,
        Mode::empty(),
    )?;
    let inside = &path[place.len()..];
    let near = ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    openat2(
        base,
        Path::new(OsStr::from_bytes(inside)),
        flags,
        Mode::empty(),
        near,
    )
    .map(drop)
}

#[cfg(test)]
mod tests;
