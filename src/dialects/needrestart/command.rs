//! How needrestart says what would restart something.

use std::collections::BTreeSet;

use super::names::Version;
use crate::dialects::{Scene, Stale, tame};
use crate::model::Bytes;

/// Names of services that are no units, and what renews each where no program of the administrator's does.
const PSEUDO: [(&str, &str); 3] = [
    (MANAGER, "systemctl daemon-reexec"),
    (
        USER_MANAGERS,
        "systemctl kill --kill-whom=main --signal=SIGRTMIN+25 user@*.service",
    ),
    (SYSV, "telinit u"),
];

/// systemd as PID 1.
pub(super) const MANAGER: &str = "systemd-manager";
/// The service managers of users.
pub(super) const USER_MANAGERS: &str = "systemd-user";
/// SysV's init as PID 1.
pub(super) const SYSV: &str = "sysv-init";

/// What an administrator or another supervisor has put aside for services, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct DropIns {
    /// The directory of programs that restart services in their own way: `restart.d`.
    pub(super) directory: String,
    /// What is in it and may be run.
    pub(super) programs: BTreeSet<String>,
    /// Services of runit, where that is what runs them: names in `/etc/service`.
    pub(super) runit: BTreeSet<String>,
}

/// A command that restarts something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    /// `systemctl restart` of this unit: several can be one command.
    Unit(String),
    /// Another one, as a line.
    Line(String),
}

impl Command {
    /// It as a line.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Unit(unit) => format!("systemctl restart {unit}"),
            Self::Line(line) => line.clone(),
        }
    }
}

/// What restarts a service, by its name.
pub(super) fn of_service(
    name: &str,
    scene: &Scene,
    version: Version,
    drop_ins: &DropIns,
) -> Command {
    if drop_ins.programs.contains(name) {
        let directory = drop_ins.directory.trim_end_matches('/');
        return Command::Line(format!("{directory}/{name}"));
    }
    if let Some((_, line)) = PSEUDO.iter().find(|(pseudo, _)| *pseudo == name) {
        return Command::Line((*line).to_owned());
    }
    let of_dpkg = scene.stores.iter().any(|store| store == "dpkg");
    if name.ends_with(".service") {
        Command::Unit(name.to_owned())
    } else if scene.systemd {
        Command::Unit(format!("{name}.service"))
    } else if drop_ins.runit.contains(name) {
        Command::Line(format!("sv restart {name}"))
    } else if of_dpkg || version == Version::V3_6 {
        Command::Line(format!("invoke-rc.d {name} restart"))
    } else {
        Command::Line(format!("service {name} restart"))
    }
}

/// What restarts a container of LXC's kind. LXD and Incus share LXC's control groups: a plugin knows them by their command.
pub(super) fn of_lxc(name: &Bytes, stale: &Stale) -> Command {
    let words = stale.restart.as_deref().unwrap_or_default();
    let program = words.first().map_or("", String::as_str);
    let name = tame(name.as_slice());
    if !program.ends_with("/lxc") && !program.ends_with("/incus") {
        return Command::Line(format!("lxc-stop --reboot --name {name}"));
    }
    let instance = stale.instance.as_ref();
    let known = instance.map_or(name, |instance| tame(instance.name.as_slice()));
    let project = instance.and_then(|instance| instance.project.as_ref());
    Command::Line(match project.map(|project| tame(project.as_slice())) {
        Some(project) if project != "default" => {
            format!("{program} restart --project={project} {known}")
        }
        _ => format!("{program} restart {known}"),
    })
}

/// What restarts a machine of systemd-machined.
pub(super) fn of_machine(name: &Bytes) -> Command {
    Command::Line(format!("machinectl reboot {}", tame(name.as_slice())))
}
