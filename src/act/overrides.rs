//! Programs that restart something in their own way: an administrator's, by the name of a unit, and those that plugins know.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::spawn::{self, Ended, Order, Program};
use crate::trust::TrustedDir;

/// What is kept of what they print, for the reason of a failure.
const OUTPUT_CAP: usize = 64 * 1024;
/// The most that is said of it.
const SAID_LINES: usize = 3;

/// An administrator's own ways.
#[derive(Debug)]
pub struct Overrides {
    /// The one that counts most first.
    directories: Vec<PathBuf>,
    euid: u32,
}

impl Overrides {
    /// Those in directories, the one that counts most first, to be trusted by this user.
    #[must_use]
    pub fn new(directories: Vec<PathBuf>, euid: u32) -> Self {
        Self { directories, euid }
    }

    /// Names of all that are there, trusted or not: what somebody wants to be restarted in another way is restarted in no
    /// other.
    ///
    /// # Errors
    /// Why one of the directories cannot be used.
    pub fn names(&self) -> Result<BTreeSet<String>, String> {
        let each = self.directories.iter();
        let each: Result<Vec<_>, _> = each.map(|one| self.names_in(one)).collect();
        Ok(each?.into_iter().flatten().collect())
    }

    fn names_in(&self, directory: &Path) -> Result<BTreeSet<String>, String> {
        let said = |error: &dyn std::fmt::Display| error.to_string();
        let there = TrustedDir::open_if_there(directory, self.euid).map_err(|e| said(&e))?;
        let Some(there) = there else {
            return Ok(BTreeSet::new());
        };
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY;
        let flags = flags | rustix::fs::OFlags::CLOEXEC;
        let list = rustix::fs::openat(there.fd(), c".", flags, rustix::fs::Mode::empty())
            .and_then(rustix::fs::Dir::new)
            .map_err(|e| said(&e))?;
        let mut names = BTreeSet::new();
        for entry in list {
            let entry = entry.map_err(|e| said(&e))?;
            let name = entry.file_name().to_str().map(str::to_owned);
            names.extend(name.ok().filter(|name| !name.starts_with('.')));
        }
        Ok(names)
    }

    /// Runs the one for a unit.
    ///
    /// # Errors
    /// Why it was not started, or how it failed.
    pub fn run(&self, unit: &str, limit: Duration) -> Result<(), String> {
        let name = OsStr::new(unit);
        let mut directories = self.directories.iter();
        let is_there = |directory: &&PathBuf| directory.join(name).symlink_metadata().is_ok();
        let directory = directories.find(is_there).ok_or("it is gone")?;
        let there = TrustedDir::open(directory, self.euid).map_err(|e| e.to_string())?;
        let file = there.open_file(name).map_err(|e| e.to_string())?;
        let path = directory.join(name);
        ended(spawn::run(Order {
            program: Program::File(file.as_fd(), path.as_os_str()),
            env: vec![("UNSTALE_UNIT", OsString::from(unit))],
            ..order(Vec::new(), limit)
        }))
    }
}

/// Runs the words of a command, the first of which is an absolute path.
///
/// # Errors
/// Why it was not started, or how it failed.
pub fn run_command(argv: &[String], limit: Duration) -> Result<(), String> {
    let (program, args) = argv.split_first().ok_or("the command is empty")?;
    let args = args.iter().map(OsString::from).collect();
    ended(spawn::run(Order {
        program: Program::Path(Path::new(program)),
        ..order(args, limit)
    }))
}

fn order(args: Vec<OsString>, limit: Duration) -> Order<'static> {
    Order {
        program: Program::Path(Path::new("")),
        args,
        env: Vec::new(),
        stdin: Vec::new(),
        user: None,
        limit,
        output_cap: OUTPUT_CAP,
    }
}

fn ended(result: Result<Ended, spawn::SpawnError>) -> Result<(), String> {
    let ended = result.map_err(|error| error.to_string())?;
    if ended.is_success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    let mut words = vec![ended.how.to_string()];
    let lines: Vec<&str> = said
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let last = lines.len().saturating_sub(SAID_LINES);
    words.extend(lines[last..].iter().map(|&line| line.to_owned()));
    Err(words.join("; "))
}
