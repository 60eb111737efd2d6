//! What people see, and what is done meanwhile: restarts, and users being told.

use std::collections::BTreeSet;
use std::io;

use super::list::{Printer, Style};
use super::names::{Fate, Findings};
use super::settings::Mode;
use super::summary::Summary;
use super::{Run, ask, tell};
use crate::dialects::{Machine, NotRestarted, Order, Voice};
use crate::model::Owner;

/// Lists, asks, restarts, tells. Whether no restart failed.
pub(super) fn human(
    run: &Run<'_>,
    summary: &mut Summary,
    style: Style,
    machine: &mut dyn Machine,
    voice: &mut Voice<'_>,
) -> io::Result<bool> {
    let mode = run.settings.mode;
    let of_user = summary.findings.as_ref().is_none_or(|all| all.of_user);
    if of_user || mode == Mode::List {
        Printer::new(voice.out, style).all(summary)?;
        if let Some(findings) = summary.findings.as_ref().filter(|_| !of_user) {
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
    let all_well = restart(run, findings, machine, voice)?;
    let mut printer = Printer::new(voice.out, style);
    printer.sessions(findings)?;
    printer.guests(findings)?;
    tell::tell(run.settings, findings, machine, voice)?;
    Ok(all_well)
}

/// Whom to restart.
fn owners(findings: &Findings) -> BTreeSet<Owner> {
    let targets = findings
        .services
        .values()
        .chain(findings.containers.values());
    let chosen = targets.filter(|target| target.fate == Fate::Restart);
    chosen.flat_map(|target| &target.owners).cloned().collect()
}

/// Restarts all that is to be, in one go: what has to come before what, services and containers alike, is decided there. Whether
/// that went well.
fn restart(
    run: &Run<'_>,
    findings: &Findings,
    machine: &mut dyn Machine,
    voice: &mut Voice<'_>,
) -> io::Result<bool> {
    let owners = owners(findings);
    if owners.is_empty() {
        return Ok(true);
    }
    // A person reads what is going on while it takes its time.
    voice.out.flush()?;
    let order = Order {
        owners: &owners,
        programs: Some(&run.settings.manner.restart_d),
    };
    let failed = match machine.restart(&order) {
        Ok(failed) => failed,
        Err(lines) => {
            lines.iter().for_each(|line| voice.note(line));
            return Ok(false);
        }
    };
    for NotRestarted { owner, why } in &failed {
        let name = name_of(findings, owner);
        voice.note(&format!("{name} is not restarted: {why}"));
    }
    Ok(failed.is_empty())
}

/// An owner, as it was listed.
fn name_of(findings: &Findings, owner: &Owner) -> String {
    let mut targets = findings.services.iter().chain(&findings.containers);
    let listed = targets.find(|(_, target)| target.owners.contains(owner));
    listed.map_or_else(
        || owner.name.escaped().to_string(),
        |(name, _)| name.clone(),
    )
}
