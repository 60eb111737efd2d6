//! What is to be done, by the command line, the environment, and needrestart's own configuration where it is in force.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::flags::Flags;
use crate::config::import::{self, Manner};
use crate::dialects::{Machine, Voice, tame};
use crate::error::Error;
use crate::model;

/// needrestart's configuration.
const CONFIG: &str = "/etc/needrestart/needrestart.conf";
/// What it reads at its end.
const DROP_INS: &str = "/etc/needrestart/conf.d";
/// Ours, which counts instead of it where it is there.
const OWN: &str = "/etc/unstale/unstale.toml";

/// The status of a program that Perl ends by `die`, and of one whose configuration is not there (ENOENT).
const DIED: u8 = 255;
const MISSING: u8 = 2;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// It is only said.
    List,
    /// A person is asked.
    Ask,
    /// All that policy lets.
    Auto,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Settings {
    /// What to do with what is found.
    pub(super) mode: Mode,
    /// Only say that something is due.
    pub(super) easy: bool,
    /// 0 quiet, 1 normal, 2 verbose.
    pub(super) verbosity: i64,
    /// How needrestart is configured otherwise.
    pub(super) manner: Manner,
    /// Its policy, as rules of ours.
    pub(super) rules: Option<String>,
    /// The file of needrestart's that says so, if one is in force.
    pub(super) source: Option<PathBuf>,
}

/// needrestart's policy in our words.
#[derive(Debug)]
struct Translated {
    rules: String,
    /// Whether nothing of it is left out.
    is_whole: bool,
    file: PathBuf,
}

/// Why nothing is done: the line, as needrestart words it, and the status.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) line: String,
    pub(super) exit: u8,
}

fn refused(line: String) -> Refused {
    Refused { line, exit: DIED }
}

impl Settings {
    /// Settles everything. What of the configuration is not understood is said.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(super) fn resolve(
        flags: &Flags,
        machine: &dyn Machine,
        voice: &mut Voice<'_>,
    ) -> Result<Self, Refused> {
        let (manner, translated) = configuration(flags, machine, voice)?;
        let is_understood = translated.as_ref().is_none_or(|all| all.is_whole);
        let translated = translated.map(|all| (all.rules, all.file));
        let (rules, source) = translated.unzip();
        let own = machine.own();
        let manner = Manner {
            sendnotify: manner.sendnotify && !own.is_silent,
            ..manner
        };
        let verbosity = match (flags.quiet, flags.verbose) {
            (true, _) => 0,
            (false, true) => 2,
            (false, false) => manner.verbosity,
        };
        let ui_mode = flags.ui_mode.clone();
        let ui_mode = ui_mode.or_else(|| manner.ui_mode.clone().map(OsString::from));
        let (easy, automatic) = match ui_mode.as_deref().map(OsStr::as_bytes) {
            None | Some(b"a") => (false, false),
            Some(b"e") => (true, false),
            // How Ubuntu's hook calls it.
            Some(b"u") => (false, true),
            Some(other) => {
                return Err(refused(format!(
                    "ERROR: Unknown UI mode '{}'!",
                    tame(other)
                )));
            }
        };
        let default = if automatic { "a" } else { "i" };
        let mode = flags.restart.clone();
        let mode = mode.or_else(|| machine.variable("NEEDRESTART_MODE"));
        let mode = mode.or_else(|| own.late_mode.map(letter));
        let mode = mode.or_else(|| manner.restart.clone().map(OsString::from));
        let mode = mode.or_else(|| own.mode.map(letter));
        let mode = match mode.as_deref().map_or(default.as_bytes(), OsStr::as_bytes) {
            b"l" => Mode::List,
            b"i" if may_ask(flags, machine) => Mode::Ask,
            b"i" => Mode::List,
            b"a" => Mode::Auto,
            other => {
                return Err(refused(format!(
                    "ERROR: Unknown restart option '{}'!",
                    tame(other)
                )));
            }
        };
        let mode = match mode {
            Mode::Auto if !is_understood && !flags.lenient => {
                if !flags.is_batch() {
                    voice.note(
                        "nothing is restarted by settings that are not understood as a whole; --lenient restarts by the rest",
                    );
                }
                Mode::List
            }
            mode => mode,
        };
        Ok(Self {
            mode: if easy { Mode::List } else { mode },
            easy,
            verbosity,
            manner,
            rules,
            source,
        })
    }

    /// Whether more is told than usual.
    pub(super) fn is_verbose(&self) -> bool {
        self.verbosity > 1
    }

    /// Whether notices are left out.
    pub(super) fn is_quiet(&self) -> bool {
        self.verbosity < 1
    }
}

/// Whether there is a person who sees the question, and can answer it.
fn may_ask(flags: &Flags, machine: &dyn Machine) -> bool {
    let frontend = flags.frontend.clone();
    let frontend = frontend.or_else(|| machine.variable("DEBIAN_FRONTEND"));
    let terminals = machine.terminals();
    terminals.stdin && terminals.stdout && frontend.is_none_or(|it| it != "noninteractive")
}

/// What needrestart's own configuration says, where it is in force: named on the command line, or there while there is none of
/// ours.
fn configuration(
    flags: &Flags,
    machine: &dyn Machine,
    voice: &mut Voice<'_>,
) -> Result<(Manner, Option<Translated>), Refused> {
    let file = match &flags.config {
        Some(file) => Path::new(file),
        None if !machine.exists(Path::new(CONFIG)) => return Ok((Manner::default(), None)),
        None if machine.exists(Path::new(OWN)) => {
            if !flags.quiet {
                voice.note(&format!("{CONFIG} is not read: {OWN} counts"));
            }
            return Ok((Manner::default(), None));
        }
        None => Path::new(CONFIG),
    };
    // What root acts on, nobody else may have written.
    let trusted = (machine.euid() == 0).then_some(0);
    let imported = import::needrestart(file, Path::new(DROP_INS), trusted);
    let (manner, imported) = imported.map_err(|error| not_read(file, &error, flags))?;
    for line in &imported.untranslated {
        voice.note(line);
    }
    if flags.verbose {
        imported.notes.iter().for_each(|line| voice.note(line));
    }
    // Packages tell what hooks are asked for; those of somebody else's making are missed, and so is their directory.
    let usual = manner.hook_d == Manner::default().hook_d;
    if !usual && !flags.is_batch() && !machine.exists(&manner.hook_d) {
        let directory = tame(manner.hook_d.as_os_str().as_bytes());
        return Err(refused(format!(
            "ERROR: Hook directory '{directory}' does not exist!"
        )));
    }
    if !usual && !flags.quiet && has_programs(&manner.hook_d, machine) {
        voice.note("hook_d: programs there are not run; packages are asked without them");
    }
    let translated = Translated {
        is_whole: imported.untranslated.is_empty(),
        rules: imported.toml,
        file: file.to_owned(),
    };
    Ok((manner, Some(translated)))
}

/// needrestart's word for it.
fn letter(mode: model::Mode) -> OsString {
    let letter = match mode {
        model::Mode::List => "l",
        model::Mode::Ask => "i",
        model::Mode::Auto => "a",
    };
    letter.into()
}

fn has_programs(directory: &Path, machine: &dyn Machine) -> bool {
    let names = machine.list(directory).unwrap_or_default();
    let mut paths = names.iter().map(|name| directory.join(name));
    paths.any(|path| machine.is_program(&path))
}

fn not_read(file: &Path, error: &Error, flags: &Flags) -> Refused {
    match error {
        Error::File { source, .. } => Refused {
            line: if flags.is_batch() {
                // As strerror(3) has it: without the number.
                let said = source.to_string();
                let said = said.split(" (os error").next().unwrap_or_default();
                format!("ERROR: {said}")
            } else {
                let file = tame(file.as_os_str().as_bytes());
                format!("ERROR: Could not read config file '{file}'!")
            },
            exit: MISSING,
        },
        error => refused(format!("ERROR: {error}")),
    }
}

#[cfg(test)]
mod tests;
