//! What those want to know who talk as other programs do, beyond what is stale: more packages, and removed files that
//! nobody runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::assess;
use crate::model::{
    Answers, Beside, Bytes, Facts, NamedScript, Object, Owner, OwnerKind, PathAnswer, Process,
    ProcessKey, Removed, Role, Scope, Source,
};
use crate::packages::{self, Questions};
use crate::snapshot::Scanner;

/// What of it is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Extras {
    /// The caller's own processes alone.
    pub(super) own_only: bool,
    /// The machine as a whole, even so: kernel, microcode, what would boot.
    pub(super) machine: bool,
    /// Packages of programs, scripts and units, and the files of those of programs and scripts.
    pub(super) packages: bool,
    /// Removed files that are held.
    pub(super) deleted: bool,
}

/// Removed files of all processes.
pub(super) type Held = BTreeMap<ProcessKey, Vec<Removed>>;

/// Puts what was seen besides of these processes together.
pub(super) fn see(
    scanner: &mut Scanner,
    extras: Extras,
    mut held: Held,
    wanted: &BTreeSet<ProcessKey>,
) -> Vec<Beside> {
    let mut scripts: BTreeMap<ProcessKey, NamedScript> = match extras.packages {
        true => scanner.scripts(wanted).into_iter().collect(),
        false => BTreeMap::new(),
    };
    let mut all = Vec::new();
    for &process in wanted {
        let script = scripts.remove(&process);
        let removed = held.remove(&process).unwrap_or_default();
        if script.is_some() || !removed.is_empty() {
            all.push(Beside {
                process,
                script,
                removed,
            });
        }
    }
    all
}

/// Adds to the questions whose the programs, scripts and units are of the processes that matter.
pub(super) fn ask_owners(facts: &Facts, questions: &mut Questions) {
    let programs = matters(facts).flat_map(|process| named_by(facts, process));
    questions.paths.extend(programs.cloned());
    let units = assess::owners(facts).flat_map(|owner| unit_files(&owner));
    questions.paths.extend(units);
}

/// The files of the packages that own a program or script.
pub(super) fn files(root: &Path, facts: &Facts, answers: &mut Answers) {
    let programs = matters(facts).flat_map(|process| named_by(facts, process));
    let owners = programs.flat_map(|path| owners(answers.paths.get(path)));
    let questions = Questions {
        files_of: owners.collect(),
        ..Questions::default()
    };
    // What is wrong with the stores was said when they were asked for owners.
    let (more, _) = packages::ask(root, &questions);
    answers.files.extend(more.files);
}

/// Those whose details were read.
fn matters(facts: &Facts) -> impl Iterator<Item = &Process> {
    let processes = facts.processes.iter();
    processes.filter(|process| process.details.is_some())
}

/// The program and the script of a process, as paths of the machine.
pub(super) fn named_by<'a>(facts: &'a Facts, process: &Process) -> Vec<&'a Bytes> {
    let found = [program_of(facts, process), script_of(facts, process)];
    let ours = found.into_iter().flatten().filter(|one| one.on_host);
    ours.flat_map(|one| [one.path, one.real]).collect()
}

/// A program or script.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    /// As it was named.
    pub(super) path: &'a Bytes,
    /// Where that leads.
    pub(super) real: &'a Bytes,
    /// Whether it is a file of the machine: its packages are asked for such alone.
    pub(super) on_host: bool,
}

impl Named<'_> {
    /// The packages that own it.
    pub(super) fn packages(&self, answers: &Answers) -> Vec<String> {
        if !self.on_host {
            return Vec::new();
        }
        let by_name = owners(answers.paths.get(self.path));
        match by_name.is_empty() {
            true => owners(answers.paths.get(self.real)),
            false => by_name,
        }
    }
}

fn named(object: &Object) -> Option<Named<'_>> {
    let path = object.path.as_ref()?;
    Some(Named {
        path,
        real: path,
        on_host: object.look.on_host,
    })
}

/// The program of a process.
pub(super) fn program_of<'a>(facts: &'a Facts, process: &Process) -> Option<Named<'a>> {
    let program = process.uses.iter().find(|one| one.program)?;
    named(facts.objects.get(program.object.0 as usize)?)
}

/// The script of a process: a detector knows best, the arguments tell of others.
pub(super) fn script_of<'a>(facts: &'a Facts, process: &Process) -> Option<Named<'a>> {
    let is_script = |source: &&Source| source.role == Role::Script;
    if let Some(source) = process.sources.iter().find(is_script) {
        return named(facts.objects.get(source.object.0 as usize)?);
    }
    let script = beside_of(facts, process.key)?.script.as_ref()?;
    Some(Named {
        path: &script.path,
        real: &script.real,
        on_host: true,
    })
}

/// What was seen besides of a process.
pub(super) fn beside_of(facts: &Facts, process: ProcessKey) -> Option<&Beside> {
    let at = facts
        .beside
        .binary_search_by_key(&process, |one| one.process);
    facts.beside.get(at.ok()?)
}

/// Where packages have the file of a unit: systemd.unit(5), in both spellings of a merged `/usr`.
pub(super) fn unit_files(owner: &Owner) -> Vec<Bytes> {
    let manager = match owner.scope {
        Scope::System => "system",
        Scope::User(_) => "user",
    };
    let name = match (&owner.host_unit, owner.kind) {
        (Some(unit), _) => unit,
        (None, OwnerKind::Unit) => &owner.name,
        (None, _) => return Vec::new(),
    };
    let Ok(name) = std::str::from_utf8(name.as_slice()) else {
        return Vec::new();
    };
    if name.contains('/') {
        return Vec::new();
    }
    let names = [Some(name.to_owned()), template_of(name)];
    let places = ["/usr/lib", "/lib"].map(|lib| format!("{lib}/systemd/{manager}"));
    let paths = names
        .iter()
        .flatten()
        .flat_map(|name| places.iter().map(move |place| format!("{place}/{name}")));
    paths.map(|path| Bytes::from(path.as_str())).collect()
}

/// `getty@.service` for `getty@tty1.service`.
fn template_of(unit: &str) -> Option<String> {
    let (prefix, rest) = unit.split_once('@')?;
    let (_, suffix) = rest.rsplit_once('.')?;
    Some(format!("{prefix}@.{suffix}"))
}

/// The packages that own a path, by name and each once.
pub(super) fn owners(answer: Option<&PathAnswer>) -> Vec<String> {
    let Some(PathAnswer::Owned(claims)) = answer else {
        return Vec::new();
    };
    let names: BTreeSet<&String> = claims.iter().map(|claim| &claim.name).collect();
    names.into_iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_units() {
        #[track_caller]
        fn check(kind: OwnerKind, name: &str, scope: Scope, files: &[&str]) {
            let found = unit_files(&Owner::new(kind, name, scope));
            let wanted: Vec<Bytes> = files.iter().map(|&file| Bytes::from(file)).collect();
            assert_eq!(found, wanted, "{name}");
        }
        let (unit, system) = (OwnerKind::Unit, Scope::System);
        let cron = [
            "/usr/lib/systemd/system/cron.service",
            "/lib/systemd/system/cron.service",
        ];
        check(unit, "cron.service", system, &cron);
        let getty = [
            "/usr/lib/systemd/system/getty@tty1.service",
            "/lib/systemd/system/getty@tty1.service",
            "/usr/lib/systemd/system/getty@.service",
            "/lib/systemd/system/getty@.service",
        ];
        check(unit, "getty@tty1.service", system, &getty);
        let agent = [
            "/usr/lib/systemd/user/agent.service",
            "/lib/systemd/user/agent.service",
        ];
        check(unit, "agent.service", Scope::User(1000), &agent);
        check(OwnerKind::Process, "/usr/bin/x", system, &[]);
        check(OwnerKind::Session, "3", system, &[]);
        check(unit, "../../../etc/passwd", system, &[]);
    }
}
