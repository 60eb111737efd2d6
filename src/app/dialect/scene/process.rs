//! One process, as dialects tell of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::app::beside;
use crate::dialects::{OldFile, OldPart, Script, Stale};
use crate::model::{
    Action, Because, Bytes, Details, Device, Facts, Instance, Level, Owner, OwnerKind, Process,
};
use crate::report::Assessment;

/// Where init scripts are, in the packages of both families.
const INIT_DIRECTORIES: [&[u8]; 2] = [b"/etc/init.d/", b"/etc/rc.d/init.d/"];

/// Whose a process is, and what is to be done about that.
pub(super) struct Decided {
    pub(super) owner: Owner,
    pub(super) instance: Option<Instance>,
    pub(super) action: Action,
    pub(super) level: Level,
    pub(super) because: Vec<Because>,
    pub(super) restart: Option<Vec<String>>,
}

/// A process with these files.
pub(super) fn told(
    assessment: &Assessment<'_>,
    process: &Process,
    decided: Decided,
    files: Vec<OldFile>,
    names: &BTreeMap<u32, String>,
) -> Stale {
    let bundle = assessment.bundle;
    let (facts, answers) = (&bundle.facts, &bundle.answers);
    let details = process.details.clone().unwrap_or_else(unread);
    let program = beside::program_of(facts, process);
    let script = beside::script_of(facts, process).map(|script| Script {
        path: script.path.clone(),
        packages: script.packages(answers),
    });
    let user = names.get(&details.uid).cloned();
    let units = bundle.units.as_ref();
    let unit = units.and_then(|units| units.unit_of(&decided.owner));
    let mut stale = Stale {
        pid: process.key.pid,
        ppid: process.ppid,
        parent: parent_of(facts, process),
        comm: process.comm.clone(),
        uid: details.uid,
        user: user.unwrap_or_else(|| details.uid.to_string()),
        tty: details.tty.and_then(Device::terminal),
        exe: process.exe.clone(),
        program_packages: program
            .map(|program| program.packages(answers))
            .unwrap_or_default(),
        program: program.map(|program| program.path.clone()),
        script,
        argv: details.argv,
        cgroup: details.cgroup,
        other_pid_ns: differs(details.namespaces.pid, facts.host.reader_pid_ns),
        unit: unit.cloned(),
        unit_packages: unit_packages(assessment, &decided.owner),
        init_scripts: Vec::new(),
        files: in_order(files),
        owner: decided.owner,
        instance: decided.instance,
        action: decided.action,
        level: decided.level,
        because: decided.because,
        restart: decided.restart,
    };
    stale.init_scripts = init_scripts(assessment, &stale);
    stale
}

/// What could not be read of a process is nobody's: never root's, who has the number 0.
fn unread() -> Details {
    Details {
        uid: u32::MAX,
        ..Details::default()
    }
}

/// A namespace that could not be read is not another one.
fn differs(theirs: Option<u64>, ours: Option<u64>) -> bool {
    matches!((theirs, ours), (Some(theirs), Some(ours)) if theirs != ours)
}

fn parent_of(facts: &Facts, process: &Process) -> Option<Bytes> {
    let all = &facts.processes;
    let at = all.partition_point(|one| one.key.pid < process.ppid);
    let parent = all.get(at).filter(|one| one.key.pid == process.ppid)?;
    Some(parent.comm.clone())
}

/// Each path once, that of the program first.
pub(super) fn in_order(mut files: Vec<OldFile>) -> Vec<OldFile> {
    files.sort_by_cached_key(|file| (file.part != OldPart::Program, file.path.clone(), file.part));
    let mut seen = BTreeSet::new();
    files.retain(|file| seen.insert(file.path.clone()));
    files
}

/// Packages that own the file of the unit.
fn unit_packages(assessment: &Assessment<'_>, owner: &Owner) -> Vec<String> {
    let paths = &assessment.bundle.answers.paths;
    let files = beside::unit_files(owner);
    let owners = files
        .iter()
        .flat_map(|file| beside::owners(paths.get(file)));
    let owners: BTreeSet<String> = owners.collect();
    owners.into_iter().collect()
}

/// The scripts that the packages of the program, or of the script that it runs, have for it; none where a unit is for it.
fn init_scripts(assessment: &Assessment<'_>, stale: &Stale) -> Vec<String> {
    let bundle = assessment.bundle;
    let has_unit = stale.owner.kind == OwnerKind::Unit || stale.owner.host_unit.is_some();
    if bundle.facts.host.systemd && has_unit {
        return Vec::new();
    }
    let of_script = stale.script.iter().flat_map(|script| &script.packages);
    let packages = stale.program_packages.iter().chain(of_script);
    let files = packages.filter_map(|package| bundle.answers.files.get(package));
    let names: BTreeSet<String> = files.flatten().filter_map(init_script).collect();
    names.into_iter().collect()
}

/// The name of an init script.
fn init_script(file: &Bytes) -> Option<String> {
    let mut directories = INIT_DIRECTORIES.iter();
    let name = directories.find_map(|directory| file.as_slice().strip_prefix(*directory))?;
    let name = std::str::from_utf8(name).ok()?;
    (!name.is_empty() && !name.contains('/')).then(|| name.to_owned())
}
