//! Lists of processes and services, one a line.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::Own;
use super::hint::Names;
use crate::dialects::application::service_unit;
use crate::dialects::{Scene, Stale, joined, tame};
use crate::model::UnitState;

/// Services, by what is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Services {
    /// A restart of them is all it takes.
    pub(super) restart: BTreeSet<String>,
    /// Of a package that asks for a reboot.
    pub(super) reboot: BTreeSet<String>,
}

/// The service of the system that a process is of; what a user's manager or a session started is of none.
pub(super) fn service_of(stale: &Stale) -> Option<String> {
    service_unit(&stale.owner).map(|unit| tame(unit.as_slice()))
}

/// All services with old code.
pub(super) fn services(scene: &Scene, listed: &Names) -> Services {
    let mut services = Services::default();
    for stale in &scene.stale {
        let Some(name) = service_of(stale) else {
            continue;
        };
        let asks = stale.unit_packages.iter().any(|name| listed.has(name));
        match asks {
            true => services.reboot.insert(name),
            false => services.restart.insert(name),
        };
    }
    services
}

/// The processes with old code, by pid.
pub(super) fn processes(scene: &Scene, without_services: bool, own: Own) -> Vec<&Stale> {
    let is_told = |stale: &&Stale| {
        // dnf5 asks which services run: what a stopped one left behind is no part of it.
        let runs = own != Own::Dnf5 || stale.unit.as_ref().is_none_or(UnitState::is_up);
        !without_services || !runs || service_of(stale).is_none()
    };
    let mut processes: Vec<&Stale> = scene.stale.iter().filter(is_told).collect();
    processes.sort_by_key(|stale| stale.pid);
    processes
}

/// Names, one a line.
pub(super) fn print_services(out: &mut dyn Write, services: &BTreeSet<String>) -> io::Result<()> {
    services.iter().try_for_each(|name| writeln!(out, "{name}"))
}

/// `PID : ARGV `, every NUL of the command line a space: also the one behind it.
pub(super) fn print_lines(out: &mut dyn Write, processes: &[&Stale]) -> io::Result<()> {
    processes.iter().try_for_each(|stale| {
        write!(out, "{} : ", stale.pid)?;
        for word in &stale.argv {
            write!(out, "{} ", tame(word.as_slice()))?;
        }
        writeln!(out)
    })
}

/// dnf5's form: a tab between pid and words.
pub(super) fn print_tabbed(out: &mut dyn Write, processes: &[&Stale]) -> io::Result<()> {
    let mut lines = processes.iter();
    lines.try_for_each(|stale| writeln!(out, "{}\t{}", stale.pid, joined(&stale.argv)))
}

/// dnf4's warning of what a restart is not for.
pub(super) fn warn_of(err: &mut dyn Write, services: &BTreeSet<String>) {
    if services.is_empty() {
        return;
    }
    let head = "Warning: The following services should not be restarted but require a reboot:";
    writeln!(err, "{head}").ok();
    for name in services {
        writeln!(err, "  {name}").ok();
    }
}
