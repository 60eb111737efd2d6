//! Programs of an administrator that tell users: `/etc/unstale/notify.d/*`, in the order of their names.

use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{Dir, Mode, OFlags, fstat, openat};

use super::{How, LIMIT, Message, OUTPUT_CAP, Order, Program, Told, run, why};
use crate::trust::TrustedDir;

/// More are not run.
const FILES_CAP: usize = 64;
/// All of them together, for one user.
const ALL_LIMIT: Duration = Duration::from_secs(15);
const EXECUTABLE: u32 = 0o111;

/// Runs each; what works is a way of its name.
pub(super) fn tell(message: &Message, directory: &Path, told: &mut Told) {
    let dir = match TrustedDir::open_if_there(directory, rustix::process::geteuid().as_raw()) {
        Ok(Some(dir)) => dir,
        Ok(None) => return,
        Err(error) => {
            told.failed.push(format!("not trusted: {error}"));
            return;
        }
    };
    let names = match names(&dir) {
        Ok(names) => names,
        Err(error) => {
            told.failed
                .push(format!("{}: {error}", directory.display()));
            return;
        }
    };
    let end = Instant::now() + ALL_LIMIT;
    for name in names {
        if Instant::now() >= end {
            told.failed
                .push("the other programs: no time is left".to_owned());
            return;
        }
        let way = String::from_utf8_lossy(name.as_bytes()).into_owned();
        told.add(&way, tell_by(message, &dir, &name));
    }
}

fn tell_by(message: &Message, dir: &TrustedDir, name: &OsStr) -> Result<bool, String> {
    let file = dir
        .open_file(name)
        .map_err(|error| format!("not trusted: {error}"))?;
    let stat = fstat(&file).map_err(|errno| errno.to_string())?;
    if stat.st_mode & EXECUTABLE == 0 {
        return Ok(false);
    }
    let text = |text: Option<&str>| OsString::from(text.unwrap_or_default());
    let ended = run(Order {
        program: Program::File(file.as_fd(), name),
        args: Vec::new(),
        env: vec![
            ("UNSTALE_UID", message.uid.to_string().into()),
            (
                "UNSTALE_USER",
                text(
                    message
                        .account
                        .as_ref()
                        .map(|account| account.name.as_str()),
                ),
            ),
            ("UNSTALE_SESSION", text(message.session.as_deref())),
        ],
        stdin: message.text().into_bytes(),
        user: None,
        limit: LIMIT,
        output_cap: OUTPUT_CAP,
    })?;
    match ended.how {
        How::Exited(0) => Ok(true),
        _ => Err(why(&ended)),
    }
}

/// Sorted; hidden files, and what editors and package managers leave behind, are none (run-parts(8)).
fn names(dir: &TrustedDir) -> rustix::io::Result<Vec<OsString>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = openat(dir.fd(), c".", flags, Mode::empty())?;
    let mut names = Vec::new();
    for entry in Dir::new(fd)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if !name.is_empty() && name.iter().copied().all(plain) && names.len() < FILES_CAP {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    names.sort();
    Ok(names)
}
