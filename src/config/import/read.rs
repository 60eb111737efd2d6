//! Files of other programs, as text: regular files only, of a bounded size.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, fstat, open, stat};

use crate::error::Error;
use crate::trust;

const TEXT_CAP: u64 = 1024 * 1024;
const FILES_CAP: usize = 1024;
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The text of a file; and who else than root could have written it, which is worth a word to whoever takes it over. With
/// `trusted`, of a file that nobody but root and this user can have written.
pub(super) fn read_text(
    path: &Path,
    trusted: Option<u32>,
) -> Result<(String, Option<String>), Error> {
    let failed = |source: io::Error| Error::File {
        operation: "read",
        file: path.to_owned(),
        source,
    };
    // A pipe would be waited for, a device might act: neither is even opened.
    check_regular(stat(path).map_err(|errno| failed(errno.into()))?.st_mode).map_err(failed)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = match trusted {
        Some(euid) => {
            let path = std::path::absolute(path).map_err(failed)?;
            trust::open_trusted(&path, euid).map_err(|untrusted| Error::Form {
                file: path,
                what: format!("not trusted: {untrusted}"),
            })?
        }
        None => open(path, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?,
    };
    let found = fstat(&fd).map_err(|errno| failed(errno.into()))?;
    check_regular(found.st_mode).map_err(failed)?;
    let mut bytes = Vec::new();
    let read = File::from(fd).take(TEXT_CAP + 1).read_to_end(&mut bytes);
    read.map_err(failed)?;
    if bytes.len() as u64 > TEXT_CAP {
        return Err(failed(io::Error::other("it is longer than 1 MiB")));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        Error::Form {
            file: path.to_owned(),
            what: format!("line {line}: bytes that are not UTF-8"),
        }
    })?;
    Ok((text, warning(found.st_uid, found.st_mode)))
}

fn check_regular(mode: u32) -> Result<(), io::Error> {
    match FileType::from_raw_mode(mode) {
        FileType::RegularFile => Ok(()),
        FileType::Directory => Err(io::Error::from(io::ErrorKind::IsADirectory)),
        _ => Err(io::Error::other("not a regular file")),
    }
}

fn warning(uid: u32, mode: u32) -> Option<String> {
    let owner = (uid != 0).then(|| format!("owned by uid {uid}, not by root"));
    let writable = (mode & WRITABLE_BY_OTHERS != 0).then(|| {
        format!(
            "writable by others than its owner (mode {:04o})",
            mode & 0o7777
        )
    });
    let why = owner.into_iter().chain(writable).collect::<Vec<_>>();
    (!why.is_empty()).then(|| format!("{}: look at what it says before you use it", why.join(", ")))
}

/// Files of a directory with such an end of their names, but hidden ones, in the order of their bytes; none if the
/// directory is not there.
pub(super) fn read_names(directory: &Path, suffix: &str) -> Result<Vec<PathBuf>, Error> {
    let failed = |source: io::Error| Error::File {
        operation: "read",
        file: directory.to_owned(),
        source,
    };
    let entries = match directory.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        let bytes = name.as_bytes();
        if bytes.starts_with(b".") || !bytes.ends_with(suffix.as_bytes()) {
            continue;
        }
        if paths.len() == FILES_CAP {
            let why = format!("it holds more than {FILES_CAP} files");
            return Err(failed(io::Error::other(why)));
        }
        paths.push(directory.join(name));
    }
    paths.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    Ok(paths)
}
