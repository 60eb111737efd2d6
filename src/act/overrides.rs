//! Programs that restart something in their own way: an administrator's, by the name of a unit, and those that plugins know.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::spawn::{self, Ended, Order, Program};
use crate::trust::TrustedDir;

/// What is kept of what they print, for the reason of a failure.
const OUTPUT_CAP: usize = 64 * 1024;
const EXECUTABLE: u32 = 0o111;
/// The most that is said of it.
const SAID_LINES: usize = 3;

/// An administrator's own ways.
#[derive(Debug)]
pub struct Overrides {
    /// The one that counts most first.
    directories: Vec<PathBuf>,
    /// Another program's, where a file that may not be executed is switched off; it counts least.
    peers: Option<PathBuf>,
    euid: u32,
}

impl Overrides {
    /// Those in directories, the one that counts most first, to be trusted by this user.
    #[must_use]
    pub fn new(directories: Vec<PathBuf>, euid: u32) -> Self {
        Self {
            directories,
            peers: None,
            euid,
        }
    }

    /// With those of another program besides.
    #[must_use]
    pub fn with_peers(self, peers: Option<PathBuf>) -> Self {
        Self { peers, ..self }
    }

    /// Names of all that are there, trusted or not: what somebody wants to be restarted in another way is restarted in no
    /// other.
    ///
    /// # Errors
    /// Why one of the directories cannot be used.
    pub fn names(&self) -> Result<BTreeSet<String>, String> {
        let each = self.directories.iter();
        let each: Result<Vec<_>, _> = each.map(|one| self.names_in(one)).collect();
        let mut names: BTreeSet<String> = each?.into_iter().flatten().collect();
        if let Some(peers) = &self.peers {
            let others = self.names_in(peers)?.into_iter();
            names.extend(others.filter(|name| is_program(&peers.join(name))));
        }
        Ok(names)
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
        let mut directories = self.directories.iter().chain(&self.peers);
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

/// Whether a file may be executed, by anybody: what else lies there stands for nothing.
fn is_program(path: &Path) -> bool {
    let metadata = path.metadata();
    metadata.is_ok_and(|metadata| metadata.is_file() && metadata.mode() & EXECUTABLE != 0)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    /// Below the directory of this program, which nobody else may write to.
    #[test]
    fn what_a_peer_has_switched_off_stands_for_nothing() {
        let euid = rustix::process::geteuid().as_raw();
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let dir = tempfile::tempdir_in(here).unwrap();
        if crate::trust::TrustedDir::open(dir.path(), euid).is_err() {
            return;
        }
        for (name, mode) in [("on.service", 0o755), ("off.service", 0o644)] {
            let file = dir.path().join(name);
            fs::write(&file, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::create_dir(dir.path().join("directory.service")).unwrap();
        let names =
            |overrides: Overrides| overrides.names().unwrap().into_iter().collect::<Vec<_>>();
        let peers = Overrides::new(Vec::new(), euid).with_peers(Some(dir.path().to_owned()));
        assert_eq!(names(peers), ["on.service"]);
        // One's own is restarted in no other way, and fails.
        let own = Overrides::new(vec![dir.path().to_owned()], euid);
        assert_eq!(names(own).len(), 3);
    }
}
