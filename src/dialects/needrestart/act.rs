//! What people see, and what is done meanwhile: restarts, and users being told.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::list::Printer;
use super::names::{Fate, Findings, Target};
use super::settings::Mode;
use super::summary::Summary;
use super::{Run, ask, tell};
use crate::dialects::{Machine, NotBegun, NotRestarted, Order, Voice, tame};
use crate::model::Owner;

/// What became of restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Well,
    Failed,
    /// Somebody else does all of it later, and tells users then.
    Later,
}

/// Lists, asks, restarts, tells. Whether no restart failed.
pub(super) fn human(
    run: &Run<'_>,
    summary: &mut Summary,
    machine: &mut dyn Machine,
    voice: &mut Voice<'_>,
) -> io::Result<bool> {
    // Nobody is asked before the package manager has gone home: nothing could be done about the answers.
    let in_the_way = match run.settings.mode {
        Mode::Ask => machine.packages_change(),
        Mode::List | Mode::Auto => None,
    };
    let mode = match in_the_way {
        Some(_) => Mode::List,
        None => run.settings.mode,
    };
    let style = run.style(mode, machine);
    let of_user = summary.findings.as_ref().is_none_or(|all| all.of_user);
    if of_user || mode == Mode::List {
        Printer::new(voice.out, style).all(summary)?;
        if let Some(findings) = summary.findings.as_ref().filter(|_| !of_user) {
            if let Some(why) = in_the_way.filter(|_| !owners(findings).is_empty()) {
                let version = run.version.text();
                voice.note(&format!(
                    "nobody is asked, for {why}; afterwards: unstale --as needrestart={version}"
                ));
            }
            tell::tell(run.settings, findings, machine, voice)?;
        }
        return Ok(true);
    }
    Printer::new(voice.out, style).reboots(summary)?;
    let Some(findings) = &mut summary.findings else {
        return Ok(true);
    };
    let skip_empty = run.flags.skip_empty_dialog || run.settings.manner.skip_empty_dialog;
    if mode == Mode::Ask && !(skip_empty && owners(findings).is_empty()) {
        ask::ask(findings, style, machine, voice)?;
    } else {
        let mut printer = Printer::new(voice.out, style);
        printer.services(findings)?;
        printer.services_left(findings)?;
        printer.containers(findings)?;
        printer.containers_left(findings)?;
    }
    let end = restart(run, findings, machine, voice)?;
    let mut printer = Printer::new(voice.out, style);
    printer.sessions(findings)?;
    printer.guests(findings)?;
    // Who was asked has seen it.
    if end != End::Later && mode != Mode::Ask {
        tell::tell(run.settings, findings, machine, voice)?;
    }
    Ok(end != End::Failed)
}

/// Whom to restart.
fn owners(findings: &Findings) -> BTreeSet<Owner> {
    let targets = findings
        .services
        .values()
        .chain(findings.containers.values());
    let chosen = targets.filter(|target| target.fate == Fate::Restart);
    chosen.flat_map(of_target).cloned().collect()
}

/// Several may have one name, and policy holds some of them back: those wait, unless there is nobody else who could be meant.
fn of_target(target: &Target) -> impl Iterator<Item = &Owner> {
    let usual = |fate: &Fate| *fate == Fate::Restart;
    let some = target.owners.values().any(usual);
    let meant = move |fate: &Fate| match some {
        true => usual(fate),
        false => *fate != Fate::Refused,
    };
    let owners = target.owners.iter();
    owners.filter_map(move |(owner, fate)| meant(fate).then_some(owner))
}

/// Restarts all that is to be, in one go: what has to come before what, services and containers alike, is decided there.
fn restart(
    run: &Run<'_>,
    findings: &Findings,
    machine: &mut dyn Machine,
    voice: &mut Voice<'_>,
) -> io::Result<End> {
    let owners = owners(findings);
    if owners.is_empty() {
        return Ok(End::Well);
    }
    // A person reads what is going on while it takes its time.
    voice.out.flush()?;
    let order = Order {
        owners: &owners,
        chosen: run.settings.mode == Mode::Ask,
        programs: Some(&run.settings.manner.restart_d),
    };
    let failed = match machine.restart(&order) {
        Ok(failed) => failed,
        Err(NotBegun::NotYet(why)) => return Ok(later(run, &why, machine, voice)),
        Err(NotBegun::Never(lines)) => {
            lines.iter().for_each(|line| voice.note(line));
            return Ok(End::Failed);
        }
    };
    for NotRestarted { owner, why } in &failed {
        let name = name_of(findings, owner);
        voice.note(&format!("{name} is not restarted: {why}"));
    }
    Ok(match failed.is_empty() {
        true => End::Well,
        false => End::Failed,
    })
}

/// Has the same done when nobody is in the way any more. A package manager that called us waits for us, so it is not waited
/// for here.
fn later(run: &Run<'_>, why: &str, machine: &mut dyn Machine, voice: &mut Voice<'_>) -> End {
    let version = run.version.text();
    if run.settings.mode == Mode::Ask {
        voice.note(&format!(
            "nothing is restarted: {why}; afterwards: unstale --as needrestart={version}"
        ));
        return End::Failed;
    }
    let config = run.flags.config.as_ref();
    let config = config.map(|file| whole(Path::new(file), machine).into_os_string());
    let options = run.flags.later(config);
    let mut words: Vec<OsString> = vec!["--as".into(), format!("needrestart={version}").into()];
    let by_hand: Vec<String> = words
        .iter()
        .chain(&options)
        .map(|word| tame(word.as_bytes()))
        .collect();
    words.push("--when-quiet".into());
    words.extend(options);
    match machine.later("needrestart", &words) {
        Ok(unit) => {
            voice.note(&format!("restarts wait, for {why}: {unit} does them"));
            End::Later
        }
        Err(not_later) => {
            let by_hand = by_hand.join(" ");
            voice.note(&format!(
                "nothing is restarted, for {why}; {not_later}: unstale {by_hand}"
            ));
            End::Failed
        }
    }
}

/// A path that is the same for whoever is somewhere else.
pub(super) fn whole(path: &Path, machine: &dyn Machine) -> PathBuf {
    let here = machine.resolved(Path::new("."));
    here.unwrap_or_default().join(path)
}

/// An owner, as it was listed.
fn name_of(findings: &Findings, owner: &Owner) -> String {
    let mut targets = findings.services.iter().chain(&findings.containers);
    let listed = targets.find(|(_, target)| target.owners.contains_key(owner));
    listed.map_or_else(
        || owner.name.escaped().to_string(),
        |(name, _)| name.clone(),
    )
}
