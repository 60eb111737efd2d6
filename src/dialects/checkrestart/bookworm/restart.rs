//! What would restart the programs of a package: guessed from its files, never from what runs.

use std::path::Path;

use super::Package;
use crate::dialects::checkrestart::program::base_name;
use crate::dialects::checkrestart::service;
use crate::dialects::{Machine, Scene, tame};
use crate::model::Bytes;

/// Commands, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Commands {
    /// With units.
    pub(super) units: Vec<String>,
    /// With init scripts.
    pub(super) scripts: Vec<String>,
}

impl Commands {
    /// For a package; with `bugs` also units that run once and end, and units where systemd is installed but does not run.
    pub(super) fn of(
        package: &Package<'_>,
        scene: &Scene,
        machine: &dyn Machine,
        bugs: bool,
    ) -> Self {
        // One that shares its program with others is asked for by a name that nobody has.
        let names = package.processes.first().map(|one| one.packages.as_slice());
        let Some([name]) = names else {
            return Self::default();
        };
        let files = scene.files.get(name);
        let files = files.map_or(&[][..], Vec::as_slice);
        let scripts = service::init_scripts(files).into_iter();
        let scripts: Vec<Bytes> = scripts
            .filter(|name| !name.as_slice().ends_with(b".sh"))
            .collect();
        if !scripts.is_empty() {
            return Self::with_scripts(scripts);
        }
        let systemd = match bugs {
            true => machine.exists(Path::new("/bin/systemd")),
            false => scene.systemd,
        };
        let units = service::units(files).into_iter();
        let units: Vec<String> = units
            .filter(|unit| systemd && (bugs || !unit.is_oneshot(machine)))
            .map(|unit| format!("systemctl restart {}", tame(unit.name.as_slice())))
            .collect();
        if !units.is_empty() {
            return Self {
                units,
                scripts: Vec::new(),
            };
        }
        let programs = package.processes.iter().map(|one| base_name(&one.program));
        let scripts = programs.filter(|name| service::has_script(machine, name));
        Self::with_scripts(scripts.map(Bytes::from).collect())
    }

    fn with_scripts(mut names: Vec<Bytes>) -> Self {
        names.sort();
        names.dedup();
        let scripts = names.iter();
        Self {
            units: Vec::new(),
            scripts: scripts
                .map(|name| format!("service {} restart", tame(name.as_slice())))
                .collect(),
        }
    }

    /// Whether there is any.
    pub(super) fn is_empty(&self) -> bool {
        self.units.is_empty() && self.scripts.is_empty()
    }
}
