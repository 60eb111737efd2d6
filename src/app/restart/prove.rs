//! What a look at the machine afterwards says of each step. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::act::carry_out::Results;
use crate::app::assess;
use crate::app::exit::Exit;
use crate::model::{
    Action, Because, Bytes, Held, Item, LastRun, Outcome, Owner, OwnerKind, Run, Scope,
    StaleProcess, StepResult, Timestamp, Verdict, WhyNot,
};
use crate::report::Assessment;

/// So many processes are named for each owner.
const NAMED: usize = 5;
/// The helper of a user's manager, which no re-execution renews.
const SD_PAM: &str = "user-manager.sd-pam";
/// What was planned, and turned out not to be possible.
const SKIPPED: &str = "skipped";
/// What may not even be stale.
const UNCERTAIN: [&str; 2] = ["possible", "alternative"];

/// How it ended, for each owner.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Proof {
    pub(super) outcomes: Vec<(Owner, Outcome)>,
    pub(super) notes: Vec<String>,
    /// Steps that failed, whether or not anybody's stale code depends on them.
    pub(super) failed: usize,
    /// The look afterwards did not see all.
    pub(super) incomplete: bool,
}

/// By what was done, and what is stale now. `began` is when the first step did.
pub(super) fn prove(
    run: &Run,
    results: &Results,
    after: &Assessment<'_>,
    began: Timestamp,
) -> Proof {
    let mut proof = Proof {
        incomplete: !after.problems.is_empty(),
        ..Proof::new(results)
    };
    let sight = Sight::of(after);
    for (owner, result) in by_owner(run, results) {
        let items = after.plan.items.iter().chain(&after.plan.hidden);
        let (leftovers, items): (Vec<&Item>, Vec<&Item>) = items
            .filter(|item| item.owner == *owner && item.action != Action::Leave)
            .partition(|item| is_left(item));
        let outcome = match result {
            StepResult::Failed(failure) => Outcome::Failed(failure.clone()),
            StepResult::Skipped(why) if !items.is_empty() => Outcome::Deferred(Because {
                rule: SKIPPED.to_owned(),
                why: why.clone(),
            }),
            StepResult::Done | StepResult::Skipped(_) => match sight.unseen(owner) {
                _ if !items.is_empty() => Outcome::StillStale(still(after, &items, began)),
                Some(why) => Outcome::Unproven(why),
                None => Outcome::Clean,
            },
        };
        proof.outcomes.push((owner.clone(), outcome));
        proof.notes.extend(leftovers.iter().map(|item| note(item)));
    }
    let left = after.plan.items.iter();
    let left: Vec<&Item> = left.filter(|item| item.action == Action::Leave).collect();
    proof.add_held(run, &left);
    proof
}

/// By what was done alone: nobody could look.
pub(super) fn without_look(run: &Run, results: &Results, why: &str) -> Proof {
    let mut proof = Proof {
        incomplete: true,
        ..Proof::new(results)
    };
    for (owner, result) in by_owner(run, results) {
        let outcome = match result {
            StepResult::Failed(failure) => Outcome::Failed(failure.clone()),
            StepResult::Skipped(why) => Outcome::Deferred(Because {
                rule: SKIPPED.to_owned(),
                why: why.clone(),
            }),
            StepResult::Done => Outcome::Unproven(why.to_owned()),
        };
        proof.outcomes.push((owner.clone(), outcome));
    }
    proof.add_held(run, &[]);
    proof
}

/// The worst that happened to each owner, in the order of the steps.
fn by_owner<'a>(run: &'a Run, results: &'a Results) -> Vec<(&'a Owner, &'a StepResult)> {
    let results: BTreeMap<u32, &StepResult> = results
        .iter()
        .map(|(step, result)| (*step, result))
        .collect();
    let mut all: Vec<(&Owner, &StepResult)> = Vec::new();
    for step in &run.transaction.steps {
        let Some(&result) = results.get(&step.number) else {
            continue;
        };
        for owner in &step.owners {
            match all.iter_mut().find(|(known, _)| *known == owner) {
                Some((_, known)) if weight(result) > weight(known) => *known = result,
                Some(_) => {}
                None => all.push((owner, result)),
            }
        }
    }
    all
}

fn weight(result: &StepResult) -> u8 {
    match result {
        StepResult::Done => 0,
        StepResult::Skipped(_) => 1,
        StepResult::Failed(_) => 2,
    }
}

impl Proof {
    fn new(results: &Results) -> Self {
        let failed = |(_, result): &&(u32, StepResult)| matches!(result, StepResult::Failed(_));
        Self {
            failed: results.iter().filter(failed).count(),
            ..Self::default()
        }
    }

    /// What was held back is deferred: some day it has to be done. Not so what was not asked for, and what policy, or doubt,
    /// leaves as it is.
    fn add_held(&mut self, run: &Run, left: &[&Item]) {
        let mut known: BTreeSet<Owner> = self
            .outcomes
            .iter()
            .map(|(owner, _)| owner.clone())
            .collect();
        for held in &run.transaction.held {
            if is_none_of_this_run(held, left) {
                continue;
            }
            // What is left over of something that was restarted is a note to that.
            if known.insert(held.owner.clone()) {
                let because = held.because.first().cloned().unwrap_or_else(|| Because {
                    rule: "held".to_owned(),
                    why: "it was not planned".to_owned(),
                });
                self.outcomes
                    .push((held.owner.clone(), Outcome::Deferred(because)));
            }
        }
    }

    /// The status of the run. What is deferred was not to be done.
    pub(super) fn exit(&self) -> u8 {
        if self.failed > 0 {
            return Exit::Failed as u8;
        }
        let mut exit = match self.incomplete {
            true => Exit::Incomplete,
            false => Exit::Complete,
        };
        for (_, outcome) in &self.outcomes {
            match outcome {
                Outcome::Failed(_) | Outcome::StillStale(_) => return Exit::Failed as u8,
                Outcome::Unproven(_) => exit = Exit::Incomplete,
                // It was to be done, and nobody tried.
                Outcome::Deferred(because) if because.rule == SKIPPED => exit = Exit::Incomplete,
                Outcome::Clean | Outcome::Deferred(_) => {}
            }
        }
        exit as u8
    }

    /// In numbers, for the last state.
    pub(super) fn last_run(&self, id: &str, time: Timestamp, exit: u8) -> LastRun {
        let mut last = LastRun {
            id: id.to_owned(),
            time,
            exit,
            clean: 0,
            still_stale: 0,
            failed: 0,
            deferred: 0,
            unproven: 0,
            names: Vec::new(),
        };
        for (owner, outcome) in &self.outcomes {
            let (count, is_bad) = match outcome {
                Outcome::Clean => (&mut last.clean, false),
                Outcome::StillStale(_) => (&mut last.still_stale, true),
                Outcome::Failed(_) => (&mut last.failed, true),
                Outcome::Deferred(_) => (&mut last.deferred, false),
                Outcome::Unproven(_) => (&mut last.unproven, false),
            };
            *count += 1;
            if is_bad && !is_private(owner) {
                last.names.push(owner.name.escaped().to_string());
            }
        }
        last
    }
}

/// What a user started for himself is not named to others.
fn is_private(owner: &Owner) -> bool {
    match (owner.kind, owner.scope) {
        (OwnerKind::Session | OwnerKind::UserManager, _) => false,
        (_, Scope::User(uid)) => uid != 0,
        (OwnerKind::Process | OwnerKind::App, Scope::System) => true,
        _ => false,
    }
}

/// Whether it is what is left of something that was renewed, and that is not renewed with it.
fn is_left(item: &Item) -> bool {
    let first = item.because.first();
    item.is_leftover() || first.is_some_and(|because| because.rule == SD_PAM)
}

fn is_none_of_this_run(held: &Held, left: &[&Item]) -> bool {
    let Some(first) = held.because.first() else {
        return false;
    };
    let same = |item: &&Item| item.owner == held.owner && item.because.first() == Some(first);
    is_no_delay(first) || left.iter().any(same)
}

/// Whether what is held for that reason was not put off: nobody asked for it, or it may not even be stale.
pub(super) fn is_no_delay(because: &Because) -> bool {
    because.is_not_asked() || UNCERTAIN.contains(&because.rule.as_str())
}

fn note(item: &Item) -> String {
    let why = item
        .because
        .first()
        .map_or("", |because| because.why.as_str());
    let pids: Vec<String> = item.processes.iter().take(NAMED).map(named).collect();
    format!(
        "{} left of {}: {why}",
        pids.join(", "),
        item.owner.name.escaped()
    )
}

fn named(process: &StaleProcess) -> String {
    format!("process {} ({})", process.key.pid, process.comm.escaped())
}

/// Why it is still stale: its processes are the old ones, or new ones run old code too.
fn still(after: &Assessment<'_>, items: &[&Item], began: Timestamp) -> Vec<Because> {
    let clock = &after.bundle.facts.host.clock;
    let processes = items.iter().flat_map(|item| &item.processes);
    let why = |process: &StaleProcess| {
        let is_new = clock.file_time(process.key.started) >= began;
        let (rule, why) = match is_new {
            true => (
                "again",
                format!(
                    "{} was started since, with {}",
                    named(process),
                    old(after, process)
                ),
            ),
            false => (
                "not-replaced",
                format!("{} was not replaced by the restart", named(process)),
            ),
        };
        Because {
            rule: rule.to_owned(),
            why,
        }
    };
    processes.take(NAMED).map(why).collect()
}

fn old(after: &Assessment<'_>, process: &StaleProcess) -> String {
    let first = process.objects.first();
    let object = first.and_then(|first| after.bundle.facts.objects.get(first.object.0 as usize));
    let name = object.map_or_else(Bytes::default, |object| object.name.clone());
    format!("{} from before", name.escaped())
}

/// What could not be looked at, and whose it is.
struct Sight {
    by_owner: BTreeMap<Owner, String>,
    /// Of a process that nobody can tell the owner of: it may be anybody's.
    anybody: Option<String>,
}

impl Sight {
    fn of(after: &Assessment<'_>) -> Self {
        let facts = &after.bundle.facts;
        let processes = facts.processes.iter();
        let by_pid: HashMap<_, _> = processes
            .map(|process| (process.key.pid, process))
            .collect();
        let owner_of = |pid| {
            let process = by_pid.get(&pid)?;
            process.details.as_ref()?;
            Some(assess::owner_of(facts, process, &by_pid))
        };
        let mut sight = Self {
            by_owner: BTreeMap::new(),
            anybody: None,
        };
        let gone = |problem: &&crate::problem::Problem| problem.why == WhyNot::Vanished;
        for problem in after.problems.iter().filter(|problem| !gone(problem)) {
            let Some(pid) = problem.pid else { continue };
            match owner_of(pid) {
                Some(owner) => drop(sight.by_owner.insert(owner, problem.to_string())),
                None => drop(sight.anybody.get_or_insert(problem.to_string())),
            }
        }
        // Problems name the first process of each object, and others have it as well.
        for judged in &after.judged {
            let unknown = judged.findings.iter().find_map(|finding| {
                let Verdict::Unknown(why) = &finding.verdict else {
                    return None;
                };
                let object = facts.objects.get(finding.object.0 as usize)?;
                let is_gone = *why == WhyNot::Vanished;
                (!is_gone).then(|| format!("cannot judge {}: {why}", object.name.escaped()))
            });
            if let Some(why) = unknown {
                match owner_of(judged.process.key.pid) {
                    Some(owner) => drop(sight.by_owner.entry(owner).or_insert(why)),
                    None => drop(sight.anybody.get_or_insert(why)),
                }
            }
        }
        sight
    }

    fn unseen(&self, owner: &Owner) -> Option<String> {
        let own = self.by_owner.get(owner).or(self.anybody.as_ref());
        own.cloned()
    }
}

#[cfg(test)]
mod tests;
