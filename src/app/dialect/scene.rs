//! What was judged and decided → what dialects talk about.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::app::accounts;
use crate::detect::microcode::{self, Verdict};
use crate::dialects::{Microcode, OldFile, OldPart, Scene, Stale, Wanted};
use crate::model::{
    Account, Action, Bytes, Details, Device, Item, Package, PathAnswer, Process, StaleObject,
    StaleProcess,
};
use crate::report::Assessment;

/// The scene of an assessment of this machine.
pub(super) fn of(assessment: &Assessment<'_>, wanted: &Wanted) -> Scene {
    let root = wanted.root.as_deref().unwrap_or(Path::new("/"));
    with_accounts(assessment, wanted, &accounts::read(root))
}

/// The scene of an assessment of a machine with these accounts.
fn with_accounts(assessment: &Assessment<'_>, _wanted: &Wanted, accounts: &[Account]) -> Scene {
    let bundle = assessment.bundle;
    let facts = &bundle.facts;
    let mut names = BTreeMap::new();
    for account in accounts {
        // The first of a number counts, as getpwuid(3) has it.
        names
            .entry(account.uid)
            .or_insert_with(|| account.name.clone());
    }
    let items = assessment.plan.items.iter().filter(|item| is_told(item));
    let mut stale: Vec<Stale> = items
        .flat_map(|item| item.processes.iter().map(move |one| (item, one)))
        .filter_map(|(item, one)| stale_of(assessment, item, one, &names))
        .collect();
    stale.sort_by_key(|one| one.pid);
    Scene {
        euid: facts.host.reader_uid,
        systemd: facts.host.systemd,
        unified_cgroups: facts.host.unified_cgroups,
        kernel_release: facts.host.kernel.clone(),
        stores: bundle.answers.stores.clone(),
        stale,
        boot: facts.boot.clone(),
        core: bundle.answers.core.clone(),
        reboot: assessment.reboot.clone(),
        microcode: microcode_of(assessment),
        accounts: names,
        files: bundle.answers.files.clone(),
        problems: assessment.problems.clone(),
    }
}

/// What is only possibly stale is told by no peer.
fn is_told(item: &Item) -> bool {
    let rule = item.because.first().map_or("", |because| &because.rule);
    item.action != Action::Leave || !matches!(rule, "possible" | "alternative")
}

fn stale_of(
    assessment: &Assessment<'_>,
    item: &Item,
    one: &StaleProcess,
    names: &BTreeMap<u32, String>,
) -> Option<Stale> {
    let bundle = assessment.bundle;
    let process = assessment.process(one.key)?;
    let details = process.details.clone().unwrap_or_else(unread);
    let program = program_of(assessment, process);
    let mut files: Vec<OldFile> = one
        .objects
        .iter()
        .filter(|object| object.sure)
        .map(|object| file_of(assessment, object))
        .collect();
    let order = |file: &OldFile| (file.part != OldPart::Program, file.path.clone(), file.part);
    files.sort_by_cached_key(order);
    let mut seen = BTreeSet::new();
    files.retain(|file| seen.insert(file.path.clone()));
    if files.is_empty() {
        return None;
    }
    let user = names.get(&details.uid).cloned();
    Some(Stale {
        pid: process.key.pid,
        ppid: process.ppid,
        parent: bundle
            .facts
            .processes
            .iter()
            .find(|one| one.key.pid == process.ppid)
            .map(|parent| parent.comm.clone()),
        comm: process.comm.clone(),
        uid: details.uid,
        user: user.unwrap_or_else(|| details.uid.to_string()),
        tty: details.tty.and_then(Device::terminal),
        exe: process.exe.clone(),
        program_packages: program
            .as_ref()
            .map(|path| owners(bundle.answers.paths.get(path)))
            .unwrap_or_default(),
        program,
        script: None,
        argv: details.argv,
        cgroup: details.cgroup,
        other_pid_ns: differs(details.namespaces.pid, bundle.facts.host.reader_pid_ns),
        owner: one.owner.clone(),
        instance: one.instance.clone(),
        action: item.action,
        because: item.because.clone(),
        restart: one.restart.clone(),
        unit: bundle
            .units
            .as_ref()
            .and_then(|units| units.unit_of(&one.owner))
            .cloned(),
        unit_packages: Vec::new(),
        init_scripts: Vec::new(),
        files,
    })
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

fn program_of(assessment: &Assessment<'_>, process: &Process) -> Option<Bytes> {
    let program = process.uses.iter().find(|one| one.program)?;
    let object = assessment
        .bundle
        .facts
        .objects
        .get(program.object.0 as usize)?;
    object.path.clone()
}

fn file_of(assessment: &Assessment<'_>, stale: &StaleObject) -> OldFile {
    let object = &assessment.bundle.facts.objects[stale.object.0 as usize];
    let packages = match &stale.package {
        Package::Known(facts) => facts.iter().map(|fact| fact.name.clone()).collect(),
        Package::None | Package::Unknown => Vec::new(),
    };
    OldFile {
        path: object.path.clone().unwrap_or_else(|| object.name.clone()),
        name: object.name.clone(),
        part: match (stale.program, &stale.source) {
            (true, _) => OldPart::Program,
            (false, Some(_)) => OldPart::Source,
            (false, None) => OldPart::Library,
        },
        packages,
    }
}

fn owners(answer: Option<&PathAnswer>) -> Vec<String> {
    let Some(PathAnswer::Owned(claims)) = answer else {
        return Vec::new();
    };
    let mut names: Vec<String> = claims.iter().map(|claim| claim.name.clone()).collect();
    names.sort();
    names.dedup();
    names
}

fn microcode_of(assessment: &Assessment<'_>) -> Option<Microcode> {
    let judged = microcode::judge_next(&assessment.bundle.facts, assessment.reboot.kernel.as_ref());
    let worst = judged.iter().max_by_key(|judged| judged.verdict)?;
    Some(Microcode {
        amd: worst.processor.vendor.as_slice() == b"AuthenticAMD",
        running: Some(worst.processor.revision).filter(|&revision| revision != 0),
        available: worst.best.map(|best| best.revision),
        obsolete: match worst.verdict {
            Verdict::NotApplicable => return None,
            Verdict::Current => Some(false),
            Verdict::Obsolete { .. } => Some(true),
            Verdict::Unknown => None,
        },
    })
}
