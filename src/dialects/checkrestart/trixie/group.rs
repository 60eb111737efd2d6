//! Processes by what started them, or might: units, then packages.

use std::collections::BTreeMap;

use super::process::Process;
use super::reasons::Reasons;
use super::rules::{Kind, Rules};
use super::unit::{self, Unit};
use crate::dialects::checkrestart::program::base_name;
use crate::dialects::checkrestart::service;
use crate::dialects::{Machine, Scene, tame};
use crate::model::Bytes;

/// What is known of how to restart something, the best first: a section each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// The service whose control group it is.
    Unit,
    /// Units among the files of its package.
    PackageUnit,
    /// Init scripts among them.
    Script,
    /// None.
    Unknown,
}

impl Way {
    /// All of them.
    pub(super) const ALL: [Self; 4] = [Self::Unit, Self::PackageUnit, Self::Script, Self::Unknown];
}

/// Processes of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// How it is restarted.
    pub(super) way: Way,
    /// The unit or package.
    pub(super) name: String,
    /// By program and pid.
    pub(super) processes: Vec<Process>,
    /// What restarts it.
    pub(super) commands: Vec<String>,
}

/// All groups.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// Units by the components of their control groups, then packages by name.
    pub(super) groups: Vec<Group>,
}

/// What a command begins with that is not to be run lightly.
const CAUTION: &str = "# CAUTION: ";

impl Groups {
    /// Groups processes; with `bugs` init scripts are suggested even where a rule says otherwise, and by names that anybody
    /// could choose.
    pub(super) fn of(
        processes: Vec<Process>,
        scene: &Scene,
        rules: &Rules,
        bugs: bool,
        machine: &dyn Machine,
        reasons: &mut Reasons<'_>,
    ) -> Self {
        let mut all = Self::default();
        let mut units: BTreeMap<Vec<Vec<u8>>, (Unit, Vec<Process>)> = BTreeMap::new();
        let mut packages: BTreeMap<String, Vec<Process>> = BTreeMap::new();
        for process in processes {
            let line = process.cgroup.clone();
            let line = line.filter(|_| scene.systemd && scene.unified_cgroups);
            if let Some(line) = &line {
                from_unit(&process, line, reasons);
            }
            let path = line.as_ref().and_then(|line| line.as_slice().get(3..));
            match path.and_then(|path| Some((path, Unit::parse(path, &process.owner)?))) {
                Some((path, unit)) => {
                    let key = unit::components(path).map(<[u8]>::to_vec).collect();
                    let group = units.entry(key).or_insert_with(|| (unit, Vec::new()));
                    group.1.push(process);
                }
                None => {
                    from_package(&process, reasons);
                    packages.entry(process.package()).or_default().push(process);
                }
            }
        }
        for (unit, processes) in units.into_values() {
            all.groups.push(of_unit(&unit, processes, rules));
        }
        for (name, processes) in packages {
            let guess = Guess {
                scene,
                rules,
                bugs,
                machine,
            };
            let group = guess.of_package(name, processes, reasons);
            all.groups.push(group);
        }
        all.groups.sort_by_key(|group| group.way);
        for group in &mut all.groups {
            group
                .processes
                .sort_by(|a, b| (&a.program.path, a.pid).cmp(&(&b.program.path, b.pid)));
        }
        all
    }
}

fn of_unit(unit: &Unit, processes: Vec<Process>, rules: &Rules) -> Group {
    let name = unit.display();
    let dangerous = rules.fit(Kind::DangerousUnit, name.as_bytes());
    Group {
        way: Way::Unit,
        commands: vec![cautious(dangerous, &unit.command())],
        name,
        processes,
    }
}

/// What the files of packages say of restarting their programs. Where control groups tell of units, there is nothing to guess.
struct Guess<'a> {
    scene: &'a Scene,
    rules: &'a Rules,
    bugs: bool,
    machine: &'a dyn Machine,
}

impl Guess<'_> {
    fn of_package(
        &self,
        name: String,
        processes: Vec<Process>,
        reasons: &mut Reasons<'_>,
    ) -> Group {
        let mut group = Group {
            way: Way::Unknown,
            name,
            processes,
            commands: Vec::new(),
        };
        if self.scene.systemd && self.scene.unified_cgroups {
            return group;
        }
        if self.scene.systemd {
            group.commands = self.units(&group, reasons);
            group.way = Way::PackageUnit;
        }
        if group.commands.is_empty() {
            group.commands = self.scripts(&group, reasons);
            group.way = Way::Script;
        }
        if group.commands.is_empty() {
            group.way = Way::Unknown;
        }
        group
    }

    fn files(&self, group: &Group) -> Vec<Bytes> {
        let packages = group.processes.first().map(|one| &one.program.packages);
        let packages = packages.into_iter().flatten();
        let files = packages.filter_map(|package| self.scene.files.get(package));
        files.flatten().cloned().collect()
    }

    fn units(&self, group: &Group, reasons: &mut Reasons<'_>) -> Vec<String> {
        let mut commands = Vec::new();
        for unit in service::units(&self.files(group)) {
            let name = tame(unit.name.as_slice());
            if self.rules.fit(Kind::SuggestedUnit, unit.name.as_slice()) {
                not_suggesting("unit", &name, &group.name, reasons);
                continue;
            }
            let command = format!(
                "systemctl try-restart {name} # suggested - from package:{}",
                group.name
            );
            let dangerous = self.rules.fit(Kind::DangerousUnit, unit.name.as_slice());
            commands.push(cautious(dangerous, &command));
        }
        commands
    }

    fn scripts(&self, group: &Group, reasons: &mut Reasons<'_>) -> Vec<String> {
        let mut names = service::init_scripts(&self.files(group));
        if names.is_empty() {
            let known = group.processes.iter();
            let known = known.filter(|one| self.bugs || one.is_of_administrator);
            let programs = known.map(|one| base_name(&one.program.path));
            let there = programs.filter(|name| service::has_script(self.machine, name));
            names = there.map(Bytes::from).collect();
            names.sort();
            names.dedup();
        }
        let mut commands = Vec::new();
        for script in names.iter().map(Bytes::as_slice) {
            let name = tame(script);
            if !self.bugs && self.rules.fit(Kind::SuggestedScript, script) {
                not_suggesting("initscript", &name, &group.name, reasons);
                continue;
            }
            let command = format!(
                "service {name} restart # suggested - from package:{}",
                group.name
            );
            let dangerous = self.rules.fit(Kind::DangerousScript, script);
            commands.push(cautious(dangerous, &command));
        }
        commands
    }
}

fn cautious(dangerous: bool, command: &str) -> String {
    match dangerous {
        true => format!("{CAUTION}{command}"),
        false => command.to_owned(),
    }
}

fn from_unit(process: &Process, line: &Bytes, reasons: &mut Reasons<'_>) {
    let line = || tame(line.as_slice());
    reasons.say(
        || {
            let text = process.brief_text();
            format!("{text} was started by systemd unit: {}", line())
        },
        || format!("from_unit\t{}\t{}", process.brief_text(), line()),
    );
}

fn from_package(process: &Process, reasons: &mut Reasons<'_>) {
    let (text, package) = (|| process.brief_text(), || process.package());
    match process.program.packages.is_empty() {
        true => reasons.say(
            || format!("{} is not part of any package or systemd unit", text()),
            || format!("unpackaged\t{}", text()),
        ),
        false => reasons.say(
            || format!("{} is part of package: {}", text(), package()),
            || format!("from_package\t{}\t{}", text(), package()),
        ),
    }
}

fn not_suggesting(what: &str, name: &str, package: &str, reasons: &mut Reasons<'_>) {
    reasons.say(
        || format!("Not suggesting {what} {name} (from package: {package})"),
        || format!("not_suggesting_{what}\t{name}\t{package}"),
    );
}
