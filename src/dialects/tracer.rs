//! tracer: what runs old code, sorted by what renews it, and its exit codes. Options and codes are from tracer(8), headings
//! and their layout from its user guide and its tests.
//!
//! What differs: everybody's processes are listed unless a user is named, descriptions of packages and times of start are
//! not shown, and the positional packages narrow the list to what runs old files of theirs, whenever those were changed.

mod view;
mod words;

use std::collections::BTreeMap;
use std::io;

use super::application::{self, Application, Type};
use super::{Call, Machine, Scene, Stale, Voice, Wanted, tame};
use words::{Refused, Words};

/// Nothing runs old code.
const NOTHING: u8 = 0;
/// Errors are below 100: could not look.
const FAILED: u8 = 1;
/// An option that is none.
const USAGE: u8 = 2;
/// Nothing was found, but not everything could be looked at.
const INCOMPLETE: u8 = 3;

/// Speaks it.
pub(super) fn speak(
    call: &Call,
    machine: &mut dyn Machine,
    voice: &mut Voice<'_>,
) -> io::Result<u8> {
    let words = match words::parse(&call.args) {
        Ok(words) => words,
        Err(Refused::Shown(text)) => {
            voice.out.write_all(text.as_bytes())?;
            return Ok(NOTHING);
        }
        Err(Refused::Usage(why)) => {
            voice.note(&why);
            return Ok(USAGE);
        }
    };
    for option in words.ignored() {
        voice.note(&format!("{option} is ignored"));
    }
    let mut scene = match machine.look(&Wanted::default()) {
        Ok(scene) => scene,
        Err(lines) => {
            lines.iter().for_each(|line| voice.note(line));
            return Ok(FAILED);
        }
    };
    if let Some(user) = words.user().filter(|user| !is_known(user, &scene)) {
        voice.note(&format!(
            "there is no user called {}",
            tame(user.as_bytes())
        ));
        return Ok(FAILED);
    }
    narrow(&mut scene, &words);
    let mut all = application::all(&scene);
    if words.daemons_only {
        all.retain(|_, one| one.kind == Type::Daemon);
    } else if words.narrows() {
        // Nobody's processes and no package's files.
        all.retain(|_, one| !one.processes.is_empty());
    }
    print(&all, &words, voice)?;
    voice.problems(&scene);
    let untold = !words.daemons_only && scene.reboot_is_untold();
    if untold {
        voice.note("whether a reboot is needed could not be told");
    }
    let incomplete = untold || !scene.problems.is_empty();
    Ok(code(&all, incomplete))
}

/// The one that takes most decides.
fn code(all: &BTreeMap<String, Application<'_>>, incomplete: bool) -> u8 {
    match all.values().map(|one| one.kind).max() {
        None if incomplete => INCOMPLETE,
        None => NOTHING,
        Some(Type::Application) => 101,
        Some(Type::Daemon) => 102,
        Some(Type::Session) => 103,
        Some(Type::Static) => 104,
    }
}

/// Whether there is an account, or a process, of that name: accounts need not be in a file.
fn is_known(user: &str, scene: &Scene) -> bool {
    let mut accounts = scene.accounts.values();
    accounts.any(|name| name == user) || scene.stale.iter().any(|one| one.user == user)
}

/// Leaves what the command line asks about.
fn narrow(scene: &mut Scene, words: &Words) {
    let of_user = |one: &Stale| words.user().is_none_or(|user| one.user == user);
    let of_package = |one: &Stale| {
        let mut owners = one.files.iter().flat_map(|file| &file.packages);
        words.packages.is_empty() || owners.any(|owner| words.packages.contains(owner))
    };
    scene.stale.retain(|one| of_user(one) && of_package(one));
}

fn print(
    all: &BTreeMap<String, Application<'_>>,
    words: &Words,
    voice: &mut Voice<'_>,
) -> io::Result<()> {
    let mut text = String::new();
    if words.hooks_only {
        return Ok(());
    }
    if words.interactive {
        view::numbered(&mut text, all);
    } else if words.helpers {
        for (name, one) in all {
            view::one(&mut text, name, one, words.verbose);
        }
    } else if words.show.is_empty() {
        view::list(&mut text, all, words.all, words.quiet);
    } else {
        for name in &words.show {
            match all.get(name) {
                Some(one) => view::one(&mut text, name, one, words.verbose),
                None => voice.note(&format!("{} runs no old code", tame(name.as_bytes()))),
            }
        }
    }
    voice.out.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests;
