//! checkrestart 0.88.2: units and packages whose processes are stale, and how to restart them.

mod flags;
mod group;
mod print;
mod process;
mod reasons;
mod rules;
mod sift;
mod unit;

use std::io;
use std::path::Path;

use self::flags::Flags;
use self::group::Groups;
use self::print::Reboot;
use self::reasons::Reasons;
use self::rules::Rules;
use crate::dialects::{Call, Machine, Scene, Voice, Wanted, tame};
use crate::model::WhyNot;
use crate::problem::Problem;

/// Exit status: something is stale, or a reboot was asked for.
const STALE: u8 = 1;

/// Exit status: options, files, expressions; and where nothing was found, but not everything was seen.
const TROUBLE: u8 = 3;

/// Flags that packages leave (update-notifier, reboot-notifier).
const REBOOT: &str = "/run/reboot-required";
const REBOOT_PACKAGES: &str = "/run/reboot-required.pkgs";

/// Speaks it.
pub(super) fn speak(
    call: &Call,
    machine: &mut dyn Machine,
    voice: &mut Voice<'_>,
) -> io::Result<u8> {
    let (flags, matches) = match flags::parse(&call.args) {
        Ok(parsed) => parsed,
        Err(complaint) => {
            writeln!(voice.err, "{complaint}").ok();
            write!(voice.err, "{}", flags::help()).ok();
            return Ok(TROUBLE);
        }
    };
    if flags.help {
        write!(voice.out, "{}", flags::help())?;
        return Ok(0);
    }
    let rules = match Rules::read(&matches, machine) {
        Ok(rules) => rules,
        Err(why) => {
            writeln!(voice.err, "ERROR: {why}").ok();
            return Ok(TROUBLE);
        }
    };
    if flags.debug {
        voice.note(&format!("{} rules are in force", rules.len()));
    }
    if machine.euid() != 0 {
        writeln!(
            voice.err,
            "WARNING: This program should be run as root: information will be incomplete"
        )
        .ok();
    }
    let wanted = Wanted {
        packages: true,
        deleted: flags.compat_bugs,
        ..Wanted::default()
    };
    let scene = match machine.look(&wanted) {
        Ok(scene) => scene,
        Err(lines) => {
            lines.iter().for_each(|line| voice.note(line));
            return Ok(TROUBLE);
        }
    };
    say_problems(&scene, machine.euid(), voice);
    told(&flags, &rules, scene, machine, voice)
}

/// What was found, and the exit status that says so.
fn told(
    flags: &Flags,
    rules: &Rules,
    mut scene: Scene,
    machine: &dyn Machine,
    voice: &mut Voice<'_>,
) -> io::Result<u8> {
    scene.systemd &= !flags.no_systemd;
    scene.unified_cgroups &= !flags.no_cgroups2;
    let reboot = reboot(machine, voice);
    let mut reasons = Reasons::new(flags.is_verbose(), flags.machine, voice.out);
    reasons.begin(scene.stale.len());
    let processes = sift::sift(&scene, rules, flags.packages, &mut reasons);
    let count = processes.len();
    let bugs = flags.compat_bugs;
    let groups = Groups::of(processes, &scene, rules, bugs, machine, &mut reasons);
    reasons.end()?;
    if flags.terse {
        print::terse(reboot.as_ref(), count, flags.machine, voice.out)?;
    } else {
        print::header(reboot.as_ref(), count, flags.machine, voice.out)?;
        match flags.machine {
            true => print::records(&groups, flags.shows_files(), voice.out)?,
            false => print::sections(&groups, flags.shows_files(), voice.out)?,
        }
    }
    // That a user cannot see everything is no news to whoever wants the original's answer.
    let denied = |problem: &Problem| problem.why == WhyNot::Denied;
    let forgiven = flags.compat_bugs && machine.euid() != 0 && scene.problems.iter().all(denied);
    Ok(match (count, reboot) {
        (0, None) if scene.problems.is_empty() || forgiven => 0,
        (0, None) => TROUBLE,
        _ => STALE,
    })
}

/// Says what could not be looked at; not again what was said by a warning.
fn say_problems(scene: &Scene, euid: u32, voice: &mut Voice<'_>) {
    let mut told = scene.clone();
    told.problems
        .retain(|problem| euid == 0 || problem.why != WhyNot::Denied);
    voice.problems(&told);
}

/// What the flag files say.
fn reboot(machine: &dyn Machine, voice: &mut Voice<'_>) -> Option<Reboot> {
    // A link that leads nowhere is no flag.
    let is_there = |path: &str| machine.resolved(Path::new(path)).is_some();
    let packages = Path::new(REBOOT_PACKAGES);
    if is_there(REBOOT_PACKAGES) {
        let text = machine.read(packages).unwrap_or_else(|error| {
            voice.note(&format!("cannot read {REBOOT_PACKAGES}: {error}"));
            Vec::new()
        });
        let lines = text.split(|&byte| byte == b'\n').map(tame);
        let mut lines: Vec<String> = lines.collect();
        // The end of the last line.
        lines.pop_if(|line| line.is_empty());
        return Some(Reboot::Asked(lines));
    }
    is_there(REBOOT).then_some(Reboot::Unexplained)
}
