//! zypper: `zypper ps`, `zypper needs-rebooting`, and its wrapper called `needs-restarting`.
//!
//! Forms and exit codes are from zypper(8) and from recordings of 1.14.42 and 1.14.89. What is stale is our own verdict; a
//! reboot is suggested by libzypp's flag file or by what was found here.

mod hint;
mod page;
mod rows;
mod table;
mod words;

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;

use super::{Call, Machine, Scene, Voice, Wanted, tame};
use crate::model::WhyNot;
use crate::problem::Problem;
use hint::{Generation, Hint};
use page::Page;
use words::{Command, Words};

/// Generations.
pub(super) const VARIANTS: &[&str] = &["1.14.42", "1.14.89"];

/// All is done.
const DONE: u8 = 0;
/// An option that is none.
const SYNTAX: u8 = 2;
/// More words than a command takes.
const ARGUMENTS: u8 = 3;
/// The check failed, or did not see everything.
const FAILED: u8 = 4;
/// A reboot is suggested (`ZYPPER_EXIT_INF_REBOOT_NEEDED`).
const REBOOT: u8 = 102;

/// The wrapper's own: a reboot is suggested.
const WRAPPER_REBOOT: u8 = 1;
/// The wrapper's own: whether one is cannot be told. The wrapper has no code for that, the others of its name have this.
const WRAPPER_UNKNOWN: u8 = 3;

/// `zypper ps`.
pub(super) fn ps(call: &Call, machine: &mut dyn Machine, voice: &mut Voice<'_>) -> io::Result<u8> {
    speak(Command::Ps, call, machine, voice)
}

/// `zypper needs-rebooting`.
pub(super) fn needs_rebooting(
    call: &Call,
    machine: &mut dyn Machine,
    voice: &mut Voice<'_>,
) -> io::Result<u8> {
    speak(Command::NeedsRebooting, call, machine, voice)
}

/// The wrapper `needs-restarting`. It takes its options one by one, as they are written here.
pub(super) fn wrapper(
    call: &Call,
    machine: &mut dyn Machine,
    voice: &mut Voice<'_>,
) -> io::Result<u8> {
    let mut words = Words::default();
    words.short = 1;
    let mut reboot = false;
    for arg in &call.args {
        match arg.as_bytes() {
            b"-s" | b"--services" => words.short = 2,
            b"-r" | b"--reboothint" => reboot = true,
            b"-h" | b"--help" => {
                voice.out.write_all(words::WRAPPER_HELP.as_bytes())?;
                return Ok(DONE);
            }
            b"--compat-bugs" => words.compat_bugs = true,
            other => {
                let program = "needs-restarting: error: unrecognized argument";
                writeln!(voice.err, "{program} {}", tame(other))?;
                return Ok(SYNTAX);
            }
        }
    }
    let generation = Generation::Current;
    if !reboot {
        return list(&words, generation, machine, voice);
    }
    Ok(match say_hint(&words, generation, machine, voice)? {
        Hint::Suggested => WRAPPER_REBOOT,
        Hint::Not => DONE,
        Hint::Unknown => WRAPPER_UNKNOWN,
    })
}

/// Both subcommands, by the word on the command line where there is one.
fn speak(
    command: Command,
    call: &Call,
    machine: &mut dyn Machine,
    voice: &mut Voice<'_>,
) -> io::Result<u8> {
    let (command, words) = match words::parse(command, &call.args) {
        Ok(parsed) => parsed,
        Err(words::Refused::Help(text)) => {
            voice.out.write_all(text.as_bytes())?;
            return Ok(DONE);
        }
        Err(words::Refused::Syntax(why)) => {
            writeln!(voice.err, "{why}")?;
            return Ok(SYNTAX);
        }
        Err(words::Refused::Arguments(why)) => {
            writeln!(voice.err, "{why}")?;
            return Ok(ARGUMENTS);
        }
    };
    if let Some(ignored) = words.ignored() {
        voice.note(ignored);
    }
    let generation = Generation::of(call.variant.as_deref());
    match command {
        Command::Ps => list(&words, generation, machine, voice),
        Command::NeedsRebooting => Ok(match say_hint(&words, generation, machine, voice)? {
            Hint::Suggested => REBOOT,
            Hint::Not => DONE,
            Hint::Unknown => FAILED,
        }),
    }
}

/// `zypper needs-rebooting`: two lines, or none.
fn say_hint(
    words: &Words,
    generation: Generation,
    machine: &mut dyn Machine,
    voice: &mut Voice<'_>,
) -> io::Result<Hint> {
    let flagged = hint::is_flagged(generation, words.root.as_deref(), machine);
    let hint = match flagged || words.compat_bugs {
        true => Hint::by_flag(flagged),
        false => match look(words, machine, voice)? {
            Some(scene) => {
                let hint = Hint::found(&scene.reboot);
                if hint == Hint::Unknown {
                    voice.problems(&scene);
                }
                hint
            }
            None => Hint::Unknown,
        },
    };
    let mut page = Page::begin(words, voice.out)?;
    page.lines(generation.lines(hint))?;
    page.end()?;
    if hint == Hint::Unknown {
        voice.note(UNTOLD);
    }
    Ok(hint)
}

/// `zypper ps`: a table, or names.
fn list(
    words: &Words,
    generation: Generation,
    machine: &mut dyn Machine,
    voice: &mut Voice<'_>,
) -> io::Result<u8> {
    let Some(scene) = look(words, machine, voice)? else {
        return Ok(FAILED);
    };
    let rows = rows::of(&scene, words.compat_bugs);
    let names_only = words.short >= 3;
    let mut page = Page::begin(words, voice.out)?;
    if names_only {
        page.names(&rows::services(&rows), words.format.as_deref())?;
        page.end()?;
        let incomplete = say_incomplete(words, scene, voice);
        return Ok(if incomplete { FAILED } else { DONE });
    }
    let flagged = hint::is_flagged(generation, words.root.as_deref(), machine);
    let hint = match flagged || words.compat_bugs {
        true => Hint::by_flag(flagged),
        false => Hint::found(&scene.reboot),
    };
    page.table(&table::of(&rows, words.short))?;
    let lines = generation.lines(hint);
    if !lines.is_empty() {
        page.info("")?;
    }
    page.lines(lines)?;
    if scene.euid != 0 {
        page.info("")?;
        page.info(NOT_ROOT)?;
    }
    page.end()?;
    if hint == Hint::Unknown {
        voice.note(UNTOLD);
    }
    // Others than root cannot see all that a reboot may be for; that much is said, and no failure.
    let untold = hint == Hint::Unknown && scene.euid == 0;
    let incomplete = say_incomplete(words, scene, voice);
    Ok(match hint {
        Hint::Suggested => REBOOT,
        Hint::Not | Hint::Unknown if incomplete || untold => FAILED,
        Hint::Not | Hint::Unknown => DONE,
    })
}

/// What is ours to say where zypper has no text.
const UNTOLD: &str = "whether a reboot is suggested could not be told";

/// What zypper says to those who cannot see everything.
const NOT_ROOT: &str = "Note: Not running as root you are limited to searching for files you have permission to examine with the system stat(2) function. The result might be incomplete.";

/// Looks at the machine; `None` if that did not work, which was said.
fn look(
    words: &Words,
    machine: &mut dyn Machine,
    voice: &mut Voice<'_>,
) -> io::Result<Option<Scene>> {
    let wanted = Wanted {
        root: words.root.clone(),
        ..Wanted::default()
    };
    match machine.look(&wanted) {
        Ok(scene) => Ok(Some(scene)),
        Err(lines) => {
            writeln!(voice.err, "Check failed:")?;
            lines.iter().for_each(|line| voice.note(line));
            Ok(None)
        }
    }
}

/// Says on standard error what could not be looked at, and whether that makes the answer less than it claims to be. What
/// is closed to everybody but root is said by [`NOT_ROOT`], and zypper has no exit status for it.
fn say_incomplete(words: &Words, mut scene: Scene, voice: &mut Voice<'_>) -> bool {
    if scene.euid != 0 {
        let closed = scene.denied();
        if closed > 0 && (words.quiet || words.short >= 3) {
            voice.note(&format!(
                "not run by root: {closed} processes could not be looked into"
            ));
        }
        let is_open = |problem: &Problem| problem.why != WhyNot::Denied;
        scene.problems.retain(is_open);
    }
    voice.problems(&scene);
    !scene.problems.is_empty()
}

/// Words of a command line that are not text are shown as what they are.
fn shown(word: &OsString) -> String {
    tame(word.as_bytes())
}

#[cfg(test)]
mod tests;
