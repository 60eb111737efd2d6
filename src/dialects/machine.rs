//! What a dialect may ask of the machine and of whoever called it. Nothing in this room opens a file or starts a program by
//! itself: all of it goes through here, and tests answer instead of a machine.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Scene;
use crate::model::{Escaped, Mode, Owner};

/// How a dialect was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The generation that was asked for (`--as NAME=VARIANT`); the dialect chooses if there is none.
    pub variant: Option<String>,
    /// The options, without the program's name and `--as`.
    pub args: Vec<OsString>,
}

/// What a dialect wants to know of the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The reader's own processes alone.
    pub own_only: bool,
    /// Kernel, microcode and what would boot, though of processes only the reader's own are looked at.
    pub machine: bool,
    /// Files of packages too: those of each package that owns a program or script of a stale process, and owners of programs
    /// that are not stale themselves, of scripts, and of unit files.
    pub packages: bool,
    /// Removed files too that are open or mapped without being code.
    pub deleted: bool,
    /// Another root than that of the running system.
    pub root: Option<PathBuf>,
    /// Rules that stand in for the administrator's own, as TOML: settings of a peer that were translated.
    pub rules: Option<String>,
}

/// Which of the standard streams are terminals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terminals {
    /// Standard input.
    pub stdin: bool,
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
    /// Columns of standard output, if it is one.
    pub width: Option<usize>,
}

/// What is to be restarted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order<'a> {
    /// These alone, of what the last look found.
    pub owners: &'a BTreeSet<Owner>,
    /// Whether a person chose each of them: then what policy would have waited for is done now.
    pub chosen: bool,
    /// A directory of programs that restart units in the administrator's own way, by the name of the unit.
    pub programs: Option<&'a Path>,
}

/// How it ended for one of them, where it did not end well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotRestarted {
    /// Which.
    pub owner: Owner,
    /// Why: it failed, was held back, or is stale still.
    pub why: String,
}

/// What the administrator's own settings say of what a dialect does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Own {
    /// The most that is done, if they say.
    pub mode: Option<Mode>,
    /// Whether nobody is told of old code in a session.
    pub is_silent: bool,
    /// The most that is done, if what says so counts more than settings of the peer: a drop-in, or the environment.
    pub late_mode: Option<Mode>,
}

/// Why no restart was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotBegun {
    /// Others are in the way until they are done: a package manager at work, another restart. Who, in words for a person.
    NotYet(String),
    /// Anything else: lines for people.
    Never(Vec<String>),
}

/// A program of the administrator's, to be started with nothing but this environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errand<'a> {
    /// The file, an absolute path. It is started only if nobody else could have written it.
    pub program: &'a Path,
    /// Its whole environment.
    pub env: Vec<(&'static str, OsString)>,
    /// Its standard input.
    pub stdin: Vec<u8>,
}

/// The machine, and the caller.
pub trait Machine {
    /// Effective uid of the reader.
    fn euid(&self) -> u32;

    /// A variable of the caller's environment; empty is not set.
    fn variable(&self, name: &str) -> Option<OsString>;

    /// Time that has gone by, since a moment that does not matter.
    fn clock(&self) -> Duration;

    /// What of the standard streams a person may sit at.
    fn terminals(&self) -> Terminals;

    /// What the administrator's own settings say; as if they said nothing, where they cannot be used: a look fails then.
    fn own(&self) -> Own;

    /// Whether anything is at a path of the system.
    ///
    /// # Errors
    /// What the system said where that could not be looked at, which is no *no*.
    fn is_there(&self, path: &Path) -> io::Result<bool>;

    /// Whether anything is seen at a path: where it makes no difference that something is there and cannot be looked at.
    fn exists(&self, path: &Path) -> bool {
        self.is_there(path).unwrap_or(false)
    }

    /// The path without symbolic links; `None` if nothing is there.
    fn resolved(&self, path: &Path) -> Option<PathBuf>;

    /// A file of the system or one that the caller named: a regular one of at most 1 MiB.
    ///
    /// # Errors
    /// What the system said.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Whether a path is that of a program: a file that may be executed.
    fn is_program(&self, path: &Path) -> bool;

    /// Names of what is in a directory, in the order of their bytes; of a directory that is not there none.
    ///
    /// # Errors
    /// What the system said.
    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>>;

    /// Looks at the machine. Takes seconds.
    ///
    /// # Errors
    /// Lines for people: there is no result at all.
    fn look(&mut self, wanted: &Wanted) -> Result<Scene, Vec<String>>;

    /// A line that a person typed; `None` at the end of it.
    ///
    /// # Errors
    /// What the system said.
    fn ask(&mut self) -> io::Result<Option<String>>;

    /// Restarts what the last look found, and looks again whether that helped.
    ///
    /// # Errors
    /// Why nothing was begun.
    fn restart(&mut self, order: &Order<'_>) -> Result<Vec<NotRestarted>, NotBegun>;

    /// Who changes packages right now, in words for a person, if anybody does: a restart would be refused.
    fn packages_change(&self) -> Option<String>;

    /// Has this program called with these words by somebody who outlives the caller, in an environment of its own; once,
    /// however often it is asked for. What is called so has to [`wait`](Self::wait). Where people read how it went.
    ///
    /// # Errors
    /// Why nobody does.
    fn later(&mut self, name: &str, args: &[OsString]) -> Result<String, String>;

    /// Waits until package managers are done. Whether anything was left for [`later`](Self::later) since the last time.
    ///
    /// # Errors
    /// Why nothing is to be done: they do not come to an end, or an administrator holds it back.
    fn wait(&mut self) -> Result<bool, String>;

    /// Runs an administrator's program, for at most some seconds; its exit status. What it prints is thrown away.
    ///
    /// # Errors
    /// Why it was not started, or did not end.
    fn run(&mut self, errand: &Errand<'_>) -> Result<i32, String>;
}

/// Where a dialect talks to.
pub struct Voice<'a> {
    /// Its name, which stands before what is ours to say.
    pub name: &'a str,
    /// Data.
    pub out: &'a mut dyn Write,
    /// Everything else.
    pub err: &'a mut dyn Write,
}

impl Voice<'_> {
    /// Says one line on standard error that the peer does not have: `needrestart: …`. It may hold bytes of the machine.
    pub fn note(&mut self, line: &str) {
        writeln!(self.err, "{}: {}", self.name, Escaped(line.as_bytes())).ok();
    }

    /// Says what could not be looked at, a line for each cause, the first few.
    pub fn problems(&mut self, scene: &Scene) {
        const LINES: usize = 8;
        if scene.is_in_part() {
            self.note("processes outside this pid namespace are not in sight");
        }
        let lines = scene.causes();
        lines.iter().take(LINES).for_each(|line| self.note(line));
        if lines.len() > LINES {
            self.note(&format!("and {} more like these", lines.len() - LINES));
        }
    }
}

impl std::fmt::Debug for Voice<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Voice")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
