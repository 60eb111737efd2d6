//! What a look at the machine afterwards says of each step. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::act::carry_out::Results;
use crate::app::assess;
use crate::app::exit::Exit;
use crate::model::{
    Action, Because, Bytes, Item, LastRun, Outcome, Owner, Run, StaleProcess, StepResult,
    Timestamp, WhyNot,
};
use crate::report::Assessment;

/// So many processes are named for each owner.
const NAMED: usize = 5;
/// What is left of a service that was restarted, and that no restart renews.
const LEFTOVER: &str = "leftover";

/// How it ended, for each owner.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Proof {
    pub(super) outcomes: Vec<(Owner, Outcome)>,
    pub(super) notes: Vec<String>,
}

/// By what was done, and what is stale now. `began` is when the first step did.
pub(super) fn prove(
    run: &Run,
    results: &Results,
    after: &Assessment<'_>,
    began: Timestamp,
) -> Proof {
    let mut proof = Proof::default();
    for (owner, result) in by_owner(run, results) {
        let items = after.plan.items.iter().chain(&after.plan.hidden);
        let (leftovers, items): (Vec<&Item>, Vec<&Item>) = items
            .filter(|item| item.owner == *owner && item.action != Action::Leave)
            .partition(|item| is_leftover(item));
        let outcome = match result {
            StepResult::Failed(failure) => Outcome::Failed(failure.clone()),
            StepResult::Skipped(why) if !items.is_empty() => Outcome::Deferred(Because {
                rule: "skipped".to_owned(),
                why: why.clone(),
            }),
            StepResult::Done | StepResult::Skipped(_) => match unseen(after, owner) {
                _ if !items.is_empty() => Outcome::StillStale(still(after, &items, began)),
                Some(why) => Outcome::Unproven(why),
                None => Outcome::Clean,
            },
        };
        proof.outcomes.push((owner.clone(), outcome));
        proof.notes.extend(leftovers.iter().map(|item| note(item)));
    }
    proof.add_held(run);
    proof
}

/// By what was done alone: nobody could look.
pub(super) fn without_look(run: &Run, results: &Results, why: &str) -> Proof {
    let mut proof = Proof::default();
    for (owner, result) in by_owner(run, results) {
        let outcome = match result {
            StepResult::Failed(failure) => Outcome::Failed(failure.clone()),
            StepResult::Skipped(why) => Outcome::Deferred(Because {
                rule: "skipped".to_owned(),
                why: why.clone(),
            }),
            StepResult::Done => Outcome::Unproven(why.to_owned()),
        };
        proof.outcomes.push((owner.clone(), outcome));
    }
    proof.add_held(run);
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
    fn add_held(&mut self, run: &Run) {
        let mut known: BTreeSet<Owner> = self
            .outcomes
            .iter()
            .map(|(owner, _)| owner.clone())
            .collect();
        for held in &run.transaction.held {
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
        let mut exit = Exit::Complete;
        for (_, outcome) in &self.outcomes {
            match outcome {
                Outcome::Failed(_) | Outcome::StillStale(_) => return Exit::Failed as u8,
                Outcome::Unproven(_) => exit = Exit::Incomplete,
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
            if is_bad {
                last.names.push(owner.name.escaped().to_string());
            }
        }
        last
    }
}

fn is_leftover(item: &Item) -> bool {
    item.because
        .iter()
        .any(|because| because.rule.ends_with(LEFTOVER))
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

/// What could not be looked at in the processes of an owner.
fn unseen(after: &Assessment<'_>, owner: &Owner) -> Option<String> {
    let facts = &after.bundle.facts;
    let by_pid = facts
        .processes
        .iter()
        .map(|process| (process.key.pid, process))
        .collect();
    let of_owner = |pid| {
        let process = facts
            .processes
            .iter()
            .find(|process| process.key.pid == pid);
        process.is_some_and(|process| {
            process.details.is_some() && assess::owner_of(facts, process, &by_pid) == *owner
        })
    };
    let mut problems = after.problems.iter();
    let problem = problems
        .find(|problem| problem.why != WhyNot::Vanished && problem.pid.is_some_and(of_owner));
    problem.map(ToString::to_string)
}

#[cfg(test)]
mod tests;
