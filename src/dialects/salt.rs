//! Salt: what its `pkg.services_need_restart` reads from `checkrestart --machine --package`. It takes the lines that begin
//! with `SERVICE:`, and of each what stands before the first comma, and hands those names to `service.restart`.
//!
//! So a service stands there only if a restart renews it and no rule speaks against that; everything else that is stale has
//! an `OTHER:` line, which Salt passes over.

use std::io;

use super::application::{is_name_of_service, program_name, service_name, service_unit};
use super::{Call, Machine, Scene, Stale, Voice, Wanted, tame};
use crate::model::{Action, OwnerKind, Scope};

/// All is said.
const DONE: u8 = 0;
/// An option that is none.
const USAGE: u8 = 2;
/// Nothing is said, or not all.
const INCOMPLETE: u8 = 3;

/// Options that Salt gives to checkrestart: what they ask for is all there is.
const KNOWN: [&[u8]; 6] = [
    b"-m",
    b"--machine",
    b"-p",
    b"--package",
    b"--packages",
    b"--compat-bugs",
];

const HELP: &str = "\
Usage: unstale --as salt [-m] [-p]

Prints SERVICE:NAME,PID,PROGRAM for each stale process of a service that can
be restarted, and OTHER:PROGRAM,PID,PROGRAM for each other one.

  -m, --machine  accepted: there is no other form
  -p, --package  accepted: there is no other list
  -h, --help     this text

Exit status: 0, 3 if not everything could be looked at, 2 for a wrong option.
";

/// Speaks it.
pub(super) fn speak(
    call: &Call,
    machine: &mut dyn Machine,
    voice: &mut Voice<'_>,
) -> io::Result<u8> {
    for word in &call.args {
        match word.as_encoded_bytes() {
            b"-h" | b"--help" => {
                voice.out.write_all(HELP.as_bytes())?;
                return Ok(DONE);
            }
            word if KNOWN.contains(&word) => {}
            word => {
                voice.note(&format!("not an option: {}", tame(word)));
                return Ok(USAGE);
            }
        }
    }
    let scene = match machine.look(&Wanted::default()) {
        Ok(scene) => scene,
        Err(lines) => {
            lines.iter().for_each(|line| voice.note(line));
            return Ok(INCOMPLETE);
        }
    };
    for line in lines(&scene) {
        writeln!(voice.out, "{line}")?;
    }
    voice.problems(&scene);
    Ok(match scene.problems.is_empty() {
        true => DONE,
        false => INCOMPLETE,
    })
}

/// Services first, as checkrestart has them.
fn lines(scene: &Scene) -> Vec<String> {
    let stale = || scene.stale.iter().filter(|one| one.runs_old_code());
    let services = stale().filter_map(|one| Some(line("SERVICE", &service(one)?, one)));
    let others = stale().filter(|one| service(one).is_none());
    services
        .chain(others.map(|one| line("OTHER", &program_name(one), one)))
        .collect()
}

fn line(kind: &str, name: &str, one: &Stale) -> String {
    let program = one.program.as_ref().unwrap_or(&one.comm);
    format!("{kind}:{name},{},{}", one.pid, tame(program.as_slice()))
}

/// The name of the service by which Salt can restart it.
fn service(one: &Stale) -> Option<String> {
    let is_unit = one.owner.kind != OwnerKind::OtherService;
    let name = match is_unit {
        true => service_unit(&one.owner)?,
        false => Some(&one.owner.name).filter(|_| one.owner.scope == Scope::System)?,
    };
    // A name with bytes that had to be rewritten would be that of another.
    std::str::from_utf8(name.as_slice())
        .ok()
        .filter(|name| is_name_of_service(name))?;
    let acts = matches!(one.action, Action::Restart | Action::RestartContainer);
    acts.then(|| match is_unit {
        true => service_name(name),
        false => tame(name.as_slice()),
    })
}

#[cfg(test)]
mod tests;
