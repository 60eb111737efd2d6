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
use hint::{Flagged, Generation, Hint};
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
                writeln!(voice.err, "{program} {}", tame(other)).ok();
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
            writeln!(voice.err, "{why}").ok();
            return Ok(SYNTAX);
        }
        Err(words::Refused::Arguments(why)) => {
            writeln!(voice.err, "{why}").ok();
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
    let flagged = flagged_here(words, generation, machine, voice);
    // The file of the running system suffices; what is below another root is known when that was looked at.
    let is_told = words.root.is_none() && (flagged == Some(true) || words.compat_bugs);
    let (hint, scene) = match is_told {
        true => (Hint::by_flag(flagged), None),
        false => match look(words, machine, voice) {
            Some(scene) => (hint_of(words, flagged, &scene), Some(scene)),
            None => (Hint::Unknown, None),
        },
    };
    let mut page = Page::begin(words, voice.out)?;
    page.lines(generation.lines(hint))?;
    if hint == Hint::Unknown {
        page.error(UNTOLD)?;
    }
    page.end()?;
    if let Some(scene) = scene.filter(|_| hint != Hint::Suggested && !words.compat_bugs) {
        say_incomplete(scene, false, voice);
    }
    if hint == Hint::Unknown {
        voice.note(UNTOLD);
    }
    Ok(hint)
}

/// Whether the flag file of the running system is there, if that system is asked about. What went wrong is said.
fn flagged_here(
    words: &Words,
    generation: Generation,
    machine: &dyn Machine,
    voice: &mut Voice<'_>,
) -> Flagged {
    if words.root.is_some() {
        return None;
    }
    let flagged = hint::is_flagged(generation, machine).map_err(|error| {
        voice.note(&format!("cannot look at {}: {error}", generation.file()));
    });
    flagged.ok()
}

/// The answer, after a look.
fn hint_of(words: &Words, flagged: Flagged, scene: &Scene) -> Hint {
    let flagged = match words.root {
        Some(_) => hint::is_flagged_below(scene),
        None => flagged,
    };
    match (flagged, words.compat_bugs) {
        (_, true) | (Some(true), _) => Hint::by_flag(flagged),
        (Some(false), false) => Hint::found(scene),
        // A file that could not be looked at may be there.
        (None, false) => match Hint::found(scene) {
            Hint::Suggested => Hint::Suggested,
            Hint::Not | Hint::Unknown => Hint::Unknown,
        },
    }
}

/// `zypper ps`: a table, or names.
fn list(
    words: &Words,
    generation: Generation,
    machine: &mut dyn Machine,
    voice: &mut Voice<'_>,
) -> io::Result<u8> {
    let Some(scene) = look(words, machine, voice) else {
        let mut page = Page::begin(words, voice.out)?;
        page.error(FAILURE)?;
        page.end()?;
        return Ok(FAILED);
    };
    let rows = rows::of(&scene, words.compat_bugs);
    let contained = rows::in_containers(&scene);
    if contained > 0 && !words.compat_bugs {
        voice.note(&format!("not shown, in containers: {contained} processes"));
    }
    if words.short >= 3 {
        let mut page = Page::begin(words, voice.out)?;
        page.names(&rows::services(&rows), words.format.as_deref())?;
        page.end()?;
        let incomplete = say_incomplete(scene, false, voice);
        return Ok(if incomplete { FAILED } else { DONE });
    }
    let flagged = flagged_here(words, generation, machine, voice);
    let hint = hint_of(words, flagged, &scene);
    let mut page = Page::begin(words, voice.out)?;
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
    let is_noted = !words.quiet;
    let incomplete = say_incomplete(scene, is_noted, voice);
    Ok(match hint {
        Hint::Suggested => REBOOT,
        Hint::Not | Hint::Unknown if incomplete || untold => FAILED,
        Hint::Not | Hint::Unknown => DONE,
    })
}

/// What stands before the reasons.
const FAILURE: &str = "Check failed:";

/// What is ours to say where zypper has no text.
const UNTOLD: &str = "whether a reboot is suggested could not be told";

/// What zypper says to those who cannot see everything.
const NOT_ROOT: &str = "Note: Not running as root you are limited to searching for files you have permission to examine with the system stat(2) function. The result might be incomplete.";

/// Looks at the machine; `None` if that did not work, which was said.
fn look(words: &Words, machine: &mut dyn Machine, voice: &mut Voice<'_>) -> Option<Scene> {
    let wanted = Wanted {
        root: words.root.clone(),
        ..Wanted::default()
    };
    match machine.look(&wanted) {
        Ok(scene) => Some(scene),
        Err(lines) => {
            writeln!(voice.err, "{FAILURE}").ok();
            lines.iter().for_each(|line| voice.note(line));
            None
        }
    }
}

/// Says on standard error what could not be looked at, and whether that makes the answer less than it claims to be. What
/// is closed to everybody but root may be noted already by [`NOT_ROOT`], and zypper has no exit status for it.
fn say_incomplete(mut scene: Scene, is_noted: bool, voice: &mut Voice<'_>) -> bool {
    if scene.euid != 0 {
        let closed = scene.denied();
        if closed > 0 && !is_noted {
            voice.note(&format!(
                "not run by root: {closed} processes could not be looked into"
            ));
        }
        scene.problems.retain(|problem| !is_closed_process(problem));
    }
    voice.problems(&scene);
    let is_open = |problem: &Problem| scene.euid == 0 || problem.why != WhyNot::Denied;
    scene.problems.iter().any(is_open)
}

fn is_closed_process(problem: &Problem) -> bool {
    problem.why == WhyNot::Denied && problem.processes().is_some()
}

/// Words of a command line that are not text are shown as what they are.
fn shown(word: &OsString) -> String {
    tame(word.as_bytes())
}

#[cfg(test)]
mod tests;
