//! `needs-restarting` of yum-utils (EL 7), of dnf4's plugins (EL 8 to 10) and of dnf5 (Fedora since 41).
//!
//! What they call stale differs from what we do (they compare install times): the lines are theirs, the verdicts are ours.

mod hint;
mod json;
mod lists;
mod options;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;

use super::{Call, Machine, Scene, Voice, Wanted};
use crate::model::WhyNot;
use crate::problem::Problem;
use hint::Hint;
use options::{Asked, Question, Words};

/// Generations. The last one is spoken elsewhere: see [`Generation`].
pub(super) const VARIANTS: &[&str] = &["yum", "dnf4", "dnf5", "zypper"];

/// Whose program is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generation {
    /// One that is spoken here.
    Own(Own),
    /// The one that comes with zypper.
    Zypper,
}

/// A generation that is spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    /// yum-utils 1.1.31.
    Yum,
    /// dnf-plugins-core 4.
    Dnf4,
    /// The plugin of dnf5.
    Dnf5,
}

/// Could not be told. Readers take any failure of `-r` for *reboot*; this number at least is none of the peers' own.
const UNTOLD: u8 = 3;
/// Wrong usage.
const USAGE: u8 = 2;
/// Something was found, or is needed.
const FOUND: u8 = 1;

/// Which one is meant: the one that was asked for, otherwise the one whose package manager is there.
pub(super) fn generation(call: &Call, machine: &dyn Machine) -> Generation {
    let asked = call.variant.as_deref();
    match asked.unwrap_or_else(|| installed(machine)) {
        "yum" => Generation::Own(Own::Yum),
        "dnf5" => Generation::Own(Own::Dnf5),
        "zypper" => Generation::Zypper,
        _ => Generation::Own(Own::Dnf4),
    }
}

/// Fedora has `dnf` as a link to `dnf5` since 41; a system may have settings of several package managers, and those of an
/// older one stay behind.
fn installed(machine: &dyn Machine) -> &'static str {
    let dnf = machine.resolved(Path::new("/usr/bin/dnf"));
    let dnf = dnf.as_deref().and_then(Path::file_name);
    if dnf.is_some_and(|name| name.as_encoded_bytes().ends_with(b"dnf5")) {
        return "dnf5";
    }
    let settings = [
        ("/etc/dnf/dnf.conf", "dnf4"),
        ("/etc/zypp/zypp.conf", "zypper"),
        ("/etc/yum.conf", "yum"),
    ];
    let found = settings
        .iter()
        .find(|(path, _)| machine.exists(Path::new(path)));
    found.map_or("dnf4", |&(_, name)| name)
}

/// Speaks it.
pub(super) fn speak(
    own: Own,
    call: &Call,
    machine: &mut dyn Machine,
    voice: &mut Voice<'_>,
) -> io::Result<u8> {
    let asked = match options::parse(own, &call.args) {
        Words::Asked(asked) => asked,
        Words::Help(text) => {
            voice.out.write_all(text.as_bytes())?;
            return Ok(0);
        }
        Words::Refused(line) => {
            writeln!(voice.err, "{line}").ok();
            return Ok(USAGE);
        }
    };
    let euid = machine.euid();
    // A reboot is no secret, and 1 would mean that one is needed.
    if own == Own::Yum && euid != 0 && !asked.own_only && asked.question != Question::Reboot {
        writeln!(voice.err, "Please run as root or with --useronly option").ok();
        return Ok(FOUND);
    }
    let mut scene = match machine.look(&wanted(own, &asked, euid)) {
        Ok(scene) => scene,
        Err(lines) => {
            lines.iter().for_each(|line| voice.note(line));
            return Ok(UNTOLD);
        }
    };
    if asked.own_only {
        scene.stale.retain(|one| one.uid == euid);
    }
    if own == Own::Dnf5 && asked.bugs && asked.question == Question::Services {
        voice.note("services that merely depend on a changed package are not told");
    }
    match asked.question {
        Question::Reboot => hinted(own, &asked, scene, voice),
        Question::Processes | Question::Services => listed(own, &asked, scene, euid, voice),
    }
}

/// What the answer takes.
fn wanted(own: Own, asked: &Asked, euid: u32) -> Wanted {
    let by_list = asked.question == Question::Services && holds_back(own, asked);
    let processes = asked.question == Question::Processes;
    // What changed since the start is a matter of the whole machine. Others than root cannot see all of that anyway.
    let whole = asked.question == Question::Reboot || by_list && euid == 0;
    Wanted {
        own_only: asked.own_only && !whole,
        packages: by_list || processes && asked.json,
        root: asked.root.clone(),
        ..Wanted::default()
    }
}

/// Whether services that a reboot is for are told apart: dnf4 since mid 2026.
fn holds_back(own: Own, asked: &Asked) -> bool {
    own == Own::Dnf4 && !asked.as_4_10 && !asked.bugs
}

/// The lists.
fn listed(
    own: Own,
    asked: &Asked,
    mut scene: Scene,
    euid: u32,
    voice: &mut Voice<'_>,
) -> io::Result<u8> {
    let found = match asked.question {
        Question::Services => {
            let listed = match holds_back(own, asked) {
                true => hint::names(&scene, own),
                false => hint::Names::default(),
            };
            let services = lists::services(&scene, &listed);
            match asked.json {
                true => json::units(voice.out, &services.restart)?,
                false => lists::print_services(voice.out, &services.restart)?,
            }
            if !asked.quiet {
                lists::warn_of(voice.err, &services.reboot);
            }
            !services.restart.is_empty()
        }
        Question::Processes | Question::Reboot => {
            let processes = lists::processes(&scene, asked.without_services, own);
            match (asked.json, own) {
                (true, _) => json::processes(voice.out, &processes)?,
                (false, Own::Dnf5) => lists::print_tabbed(voice.out, &processes)?,
                (false, Own::Yum | Own::Dnf4) => lists::print_lines(voice.out, &processes)?,
            }
            !processes.is_empty()
        }
    };
    let others_missing = euid != 0 && !asked.own_only;
    if others_missing && scene.problems.is_empty() {
        voice.note("not root: processes of other users may be missing");
    }
    let complete = scene.problems.is_empty() && !others_missing;
    say_incomplete(&mut scene, voice);
    Ok(match (complete, own) {
        (false, _) => UNTOLD,
        (true, Own::Dnf5) if found => FOUND,
        (true, _) => 0,
    })
}

/// `-r`.
fn hinted(own: Own, asked: &Asked, mut scene: Scene, voice: &mut Voice<'_>) -> io::Result<u8> {
    if !asked.quiet {
        hint::warn_of_missing(voice.err, &scene);
    }
    let hint = Hint::of(&scene, own, asked.bugs);
    // A reboot is known by packages and files: who cannot look into processes knows it as well.
    let untold = scene.boot.is_none() || scene.has_wider_problems();
    say_incomplete(&mut scene, voice);
    if scene.boot.is_none() {
        voice.note("cannot tell since when the system runs");
    } else if scene.reboot.level.is_none() && !asked.bugs {
        voice.note("whether running programs ask for a reboot could not be told");
    }
    let needed = !hint.reasons.is_empty();
    if !needed && untold {
        return Ok(UNTOLD);
    }
    match (asked.json, own) {
        (true, _) => json::reboot(voice.out, &hint)?,
        (false, Own::Yum) => hint.print_with_versions(voice.out)?,
        (false, Own::Dnf4 | Own::Dnf5) => hint.print(voice.out)?,
    }
    Ok(match needed {
        true => FOUND,
        false => 0,
    })
}

/// Says what could not be looked at: processes in one line.
fn say_incomplete(scene: &mut Scene, voice: &mut Voice<'_>) {
    let unread = scene.denied();
    let is_counted = |problem: &Problem| {
        let count = problem.processes();
        problem.why == WhyNot::Denied && count.is_some_and(|count| count > 0)
    };
    scene.problems.retain(|problem| !is_counted(problem));
    if unread > 0 {
        voice.note(&format!(
            "cannot read {unread} processes, result incomplete"
        ));
    }
    voice.problems(scene);
}
