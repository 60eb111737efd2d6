//! Removed files that processes hold without running them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::process::{self, Decided};
use crate::app::assess;
use crate::dialects::{OldFile, OldPart, Stale, Wanted};
use crate::model::{Action, Because, Item, Level, Pid, Process, ProcessKey, Removed};
use crate::report::Assessment;

/// The rule of those that run no old code.
const RULE: &str = "deleted-file";

/// Adds such files to what is stale, and those who only hold such.
pub(super) fn add(
    assessment: &Assessment<'_>,
    wanted: &Wanted,
    names: &BTreeMap<u32, String>,
    stale: &mut Vec<Stale>,
) {
    let facts = &assessment.bundle.facts;
    let places: HashMap<Pid, usize> = stale.iter().map(|one| one.pid).zip(0..).collect();
    let processes = facts.processes.iter();
    let by_pid: HashMap<Pid, &Process> = processes
        .map(|process| (process.key.pid, process))
        .collect();
    let hidden = hidden(&assessment.plan.hidden);
    for held in facts.beside.iter().filter(|one| !one.removed.is_empty()) {
        let Some(process) = assessment.process(held.process) else {
            continue;
        };
        let files = held.removed.iter().map(data);
        let known = places.get(&process.key.pid);
        if let Some(known) = known.and_then(|&at| stale.get_mut(at)) {
            let all = std::mem::take(&mut known.files).into_iter().chain(files);
            known.files = process::in_order(all.collect());
            continue;
        }
        let uid = process.details.as_ref().map(|details| details.uid);
        let is_others = wanted.own_only && uid.is_some_and(|uid| uid != facts.host.reader_uid);
        if is_others || hidden.contains(&process.key) {
            continue;
        }
        let decided = Decided {
            owner: assess::owner_of(facts, process, &by_pid),
            instance: None,
            action: Action::Leave,
            level: Level::None,
            because: vec![Because {
                rule: RULE.to_owned(),
                why: "it holds removed files, and runs no old code".to_owned(),
            }],
            restart: None,
        };
        let files = files.collect();
        stale.push(process::told(assessment, process, decided, files, names));
    }
}

/// What a rule of the policy hides.
fn hidden(items: &[Item]) -> BTreeSet<ProcessKey> {
    let processes = items.iter().flat_map(|item| &item.processes);
    processes.map(|process| process.key).collect()
}

/// Whose it was is not asked: packages rarely own what is removed while it is open.
fn data(file: &Removed) -> OldFile {
    OldFile {
        path: file.path.clone().unwrap_or_else(|| file.name.clone()),
        name: file.name.clone(),
        part: OldPart::Data,
        packages: Vec::new(),
    }
}
