//! Katello: the body of `PUT /consumers/ID/tracer`, as its own client sends it after a transaction and after boot.
//!
//! The server takes such a list for all there is. So nothing is printed where nothing could be looked at, and an incomplete
//! look that found nothing is no empty list either: in both cases the exit status is 3, and what the server has stays. An
//! incomplete look that found something prints that, says on standard error what is missing, and exits with 3 as well.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;

use serde::Serialize;

use super::application::{self, Type};
use super::{Call, Machine, Voice, Wanted, tame};

/// The list is complete.
const DONE: u8 = 0;
/// An option that is none.
const USAGE: u8 = 2;
/// There is no list, or not all of it.
const INCOMPLETE: u8 = 3;

const HELP: &str = "\
Usage: unstale --as katello

Prints the applications that run old code, as Katello's client sends them:
{\"traces\":{\"cron\":{\"helper\":\"systemctl restart cron\",\"type\":\"daemon\"}}}

  -h, --help  this text

Exit status: 0, 3 if not everything could be looked at, 2 for a wrong option.
Send the list only if there is one.
";

/// The body.
#[derive(Debug, Serialize)]
struct Body {
    traces: BTreeMap<String, Trace>,
}

/// One application.
#[derive(Debug, Serialize)]
struct Trace {
    /// What the server runs on request, by a shell.
    helper: String,
    r#type: &'static str,
}

/// Speaks it.
pub(super) fn speak(
    call: &Call,
    machine: &mut dyn Machine,
    voice: &mut Voice<'_>,
) -> io::Result<u8> {
    if let Some(word) = call.args.first() {
        if [OsStr::new("-h"), OsStr::new("--help")].contains(&word.as_os_str()) {
            voice.out.write_all(HELP.as_bytes())?;
            return Ok(DONE);
        }
        let word = tame(word.as_encoded_bytes());
        voice.note(&format!("not an option: {word}"));
        return Ok(USAGE);
    }
    let scene = match machine.look(&Wanted::default()) {
        Ok(scene) => scene,
        Err(lines) => {
            lines.iter().for_each(|line| voice.note(line));
            return Ok(INCOMPLETE);
        }
    };
    voice.problems(&scene);
    let untold = scene.reboot_is_untold();
    if untold {
        voice.note("whether a reboot is needed could not be told");
    }
    let incomplete = untold || !scene.problems.is_empty();
    let mut traces = BTreeMap::new();
    for (name, one) in application::all(&scene) {
        let r#type = match one.kind {
            // The server knows three types, and runs the command of all but two of them.
            Type::Application => Type::Daemon.word(),
            kind => kind.word(),
        };
        match one.helper {
            Some(helper) => drop(traces.insert(name, Trace { helper, r#type })),
            None => voice.note(&format!("left out, no command renews it: {name}")),
        }
    }
    if incomplete && traces.is_empty() {
        return Ok(INCOMPLETE);
    }
    serde_json::to_writer(&mut *voice.out, &Body { traces })?;
    writeln!(voice.out)?;
    Ok(if incomplete { INCOMPLETE } else { DONE })
}

#[cfg(test)]
mod tests;
