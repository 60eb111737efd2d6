//! What was judged and decided → what dialects talk about.

mod process;
mod removed;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use process::Decided;

use crate::app::accounts;
use crate::detect::microcode::{self, Verdict};
use crate::dialects::{Microcode, OldFile, OldPart, Scene, Stale, Wanted};
use crate::model::{Account, Action, Bytes, Item, Package, StaleObject, StaleProcess, WhyNot};
use crate::problem::Problem;
use crate::report::Assessment;

/// The scene of an assessment of this machine.
pub(super) fn of(assessment: &Assessment<'_>, wanted: &Wanted) -> Scene {
    let root = wanted.root.as_deref().unwrap_or(Path::new("/"));
    with_accounts(assessment, wanted, &accounts::read(root))
}

/// The scene of an assessment of a machine with these accounts.
pub(super) fn with_accounts(
    assessment: &Assessment<'_>,
    wanted: &Wanted,
    accounts: &[Account],
) -> Scene {
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
    if wanted.deleted {
        removed::add(assessment, wanted, &names, &mut stale);
    }
    stale.sort_by_key(|one| one.pid);
    Scene {
        euid: facts.host.reader_uid,
        systemd: facts.host.systemd,
        unified_cgroups: facts.host.unified_cgroups,
        kernel_release: facts.host.kernel.clone(),
        stores: bundle.answers.stores.clone(),
        boot: facts.boot.clone(),
        core: bundle.answers.core.clone(),
        reboot: assessment.reboot.clone(),
        microcode: microcode_of(assessment),
        accounts: names,
        files: files_of_packages(assessment, &stale),
        problems: problems_of(assessment, wanted),
        stale,
    }
}

/// What could not be looked at.
fn problems_of(assessment: &Assessment<'_>, wanted: &Wanted) -> Vec<Problem> {
    let problems = assessment.problems.iter().cloned();
    problems.chain(no_store(assessment, wanted)).collect()
}

/// A root that was named and has no packages is not mounted, or is none: nothing is known of it then.
fn no_store(assessment: &Assessment<'_>, wanted: &Wanted) -> Option<Problem> {
    let root = wanted
        .root
        .as_deref()
        .filter(|root| *root != Path::new("/"))?;
    let answers = &assessment.bundle.answers;
    let is_empty = answers.stores.is_empty() && answers.core.stores.is_empty();
    is_empty.then(|| Problem {
        operation: "find a package store below".to_owned(),
        object: Bytes::from(root),
        pid: None,
        why: WhyNot::Failed("is it the root of a system?".to_owned()),
    })
}

/// What is only possibly stale is told by no peer.
fn is_told(item: &Item) -> bool {
    let rule = item.because.first().map_or("", |because| &because.rule);
    item.action != Action::Leave || !matches!(rule, "possible" | "alternative")
}

/// What is stale in a process, and what was decided about it; `None` if nothing in it is stale beyond doubt.
fn stale_of(
    assessment: &Assessment<'_>,
    item: &Item,
    one: &StaleProcess,
    names: &BTreeMap<u32, String>,
) -> Option<Stale> {
    let sure = one.objects.iter().filter(|object| object.sure);
    let files: Vec<OldFile> = sure.map(|object| file_of(assessment, object)).collect();
    if files.is_empty() {
        return None;
    }
    let process = assessment.process(one.key)?;
    let decided = Decided {
        owner: one.owner.clone(),
        instance: one.instance.clone(),
        action: item.action,
        level: item.level,
        because: item.because.clone(),
        restart: one.restart.clone(),
    };
    Some(process::told(assessment, process, decided, files, names))
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

/// The files of packages that own a program or script of one of these.
fn files_of_packages(assessment: &Assessment<'_>, stale: &[Stale]) -> BTreeMap<String, Vec<Bytes>> {
    let of_script = |one: &Stale| one.script.clone().map(|script| script.packages);
    let owners = stale.iter().flat_map(|one| {
        let of_script = of_script(one).unwrap_or_default();
        one.program_packages.iter().cloned().chain(of_script)
    });
    let owners: BTreeSet<String> = owners.collect();
    let files = assessment.bundle.answers.files.iter();
    let wanted = files.filter(|(package, _)| owners.contains(*package));
    let sorted = wanted.map(|(package, files)| {
        let files: BTreeSet<Bytes> = files.iter().cloned().collect();
        (package.clone(), files.into_iter().collect())
    });
    sorted.collect()
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

#[cfg(test)]
mod tests;
