//! How a run ended.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use super::{BOLD, DIM, cut, few, print_reasons, shown, target};
use crate::model::{Because, Failure, Outcome, Owner, Record, Run, Step, StepResult};
use crate::report::{Detail, words};

/// Lines of a log that are shown; managers are asked for fewer.
const LOG_LINES: usize = 20;

/// Prints how it ended for each owner, and a last line that counts. A journal without an end is told of as broken off.
///
/// # Errors
/// What the writer says.
pub fn print_outcome(out: &mut dyn Write, records: &[Record]) -> io::Result<()> {
    let ended = Ended::of(records);
    if !ended.clean.is_empty() {
        writeln!(out, "{BOLD}Restarted and clean:{BOLD:#}")?;
        for owner in &ended.clean {
            writeln!(out, "  {}", cut(words::owner(owner)))?;
        }
    }
    let groups = [
        ("Not done", &ended.deferred),
        ("Restarted, and still stale", &ended.still_stale),
        (
            "Restarted, but it could not be told whether that helped",
            &ended.unproven,
        ),
    ];
    for (heading, all) in groups {
        if !all.is_empty() {
            writeln!(out, "{BOLD}{heading}:{BOLD:#}")?;
            let all = all.iter().map(|(owner, because)| (*owner, &because[..]));
            print_reasons(out, all, Detail::Everything)?;
        }
    }
    if !ended.failed.is_empty() {
        writeln!(out, "{BOLD}Failed:{BOLD:#}")?;
    }
    for (name, failure) in &ended.failed {
        print_failure(out, name, failure)?;
    }
    if !is_finished(records) {
        print_broken_off(out, records)?;
    }
    writeln!(out, "{}", ended.counts())
}

/// Prints what is known of an earlier run that was broken off: which steps were done, which had begun, how many had not.
///
/// # Errors
/// What the writer says.
pub fn print_broken_off(out: &mut dyn Write, records: &[Record]) -> io::Result<()> {
    let Some(run) = run_of(records) else {
        return writeln!(
            out,
            "A run was broken off; what it was to do cannot be read any more."
        );
    };
    let mut begun = BTreeSet::new();
    let mut ended = BTreeMap::new();
    for record in records {
        match record {
            Record::Begin { step, .. } => drop(begun.insert(*step)),
            Record::End { step, result, .. } => drop(ended.insert(*step, result)),
            _ => {}
        }
    }
    writeln!(
        out,
        "The run {} of {} was broken off:",
        shown(&run.id),
        words::time(run.time)
    )?;
    let steps = &run.transaction.steps;
    let with = |wanted: &dyn Fn(u32) -> bool| {
        let steps = steps.iter().filter(|step| wanted(step.number));
        steps
            .map(|step| target(&step.deed))
            .collect::<Vec<String>>()
    };
    let groups = [
        (
            "done",
            with(&|step| matches!(ended.get(&step), Some(StepResult::Done))),
        ),
        (
            "not done",
            with(&|step| matches!(ended.get(&step), Some(StepResult::Skipped(_)))),
        ),
        (
            "failed",
            with(&|step| matches!(ended.get(&step), Some(StepResult::Failed(_)))),
        ),
        (
            "begun, and not known how it ended",
            with(&|step| begun.contains(&step) && !ended.contains_key(&step)),
        ),
        (
            "not begun",
            with(&|step| !begun.contains(&step) && !ended.contains_key(&step)),
        ),
    ];
    for (what, names) in groups {
        if !names.is_empty() {
            writeln!(out, "  {what}: {}", few(&names, Detail::Normal))?;
        }
    }
    Ok(())
}

fn print_failure(out: &mut dyn Write, name: &str, failure: &Failure) -> io::Result<()> {
    writeln!(out, "  {BOLD}{name}{BOLD:#}")?;
    writeln!(out, "      {}", shown(&failure.why))?;
    let left_out = failure.log.len().saturating_sub(LOG_LINES);
    for line in &failure.log[left_out..] {
        writeln!(out, "      {DIM}| {}{DIM:#}", shown(line))?;
    }
    if !failure.look.is_empty() {
        writeln!(out, "      look further with: {}", shown(&failure.look))?;
    }
    Ok(())
}

/// The outcomes, each kind by itself.
#[derive(Default)]
struct Ended<'a> {
    clean: Vec<&'a Owner>,
    deferred: Vec<(&'a Owner, Vec<Because>)>,
    still_stale: Vec<(&'a Owner, Vec<Because>)>,
    unproven: Vec<(&'a Owner, Vec<Because>)>,
    failed: Vec<(String, &'a Failure)>,
}

impl<'a> Ended<'a> {
    fn of(records: &'a [Record]) -> Self {
        let mut ended = Self::default();
        let mut told = BTreeSet::new();
        for record in records {
            if let Record::Item { owner, outcome } = record {
                ended.add(owner, outcome);
                told.insert(owner);
            }
        }
        // What is no owner's, or of owners that nothing more was found out about.
        for (step, failure) in failed_steps(records) {
            if !step.owners.iter().any(|owner| told.contains(owner)) {
                ended.failed.push((target(&step.deed), failure));
            }
        }
        ended
    }

    fn add(&mut self, owner: &'a Owner, outcome: &'a Outcome) {
        match outcome {
            Outcome::Clean => self.clean.push(owner),
            Outcome::Deferred(because) => self.deferred.push((owner, vec![because.clone()])),
            Outcome::StillStale(because) => self.still_stale.push((owner, because.clone())),
            Outcome::Unproven(why) => {
                let because = Because {
                    rule: "unproven".to_owned(),
                    why: why.clone(),
                };
                self.unproven.push((owner, vec![because]));
            }
            Outcome::Failed(failure) => self.failed.push((cut(words::owner(owner)), failure)),
        }
    }

    fn counts(&self) -> String {
        let counts = [
            (self.clean.len(), "restarted and clean"),
            (self.failed.len(), "failed"),
            (self.still_stale.len(), "still stale"),
            (self.unproven.len(), "not proven"),
            (self.deferred.len(), "deferred"),
        ];
        let some = counts.iter().filter(|(count, _)| *count > 0);
        let some: Vec<String> = some
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if some.is_empty() {
            "Nothing was restarted.".to_owned()
        } else {
            format!("{}.", some.join(", "))
        }
    }
}

fn failed_steps(records: &[Record]) -> impl Iterator<Item = (&Step, &Failure)> {
    let steps = run_of(records).map_or(&[][..], |run| &run.transaction.steps);
    records.iter().filter_map(|record| {
        let Record::End {
            step,
            result: StepResult::Failed(failure),
            ..
        } = record
        else {
            return None;
        };
        let step = steps.iter().find(|one| one.number == *step)?;
        Some((step, failure))
    })
}

fn run_of(records: &[Record]) -> Option<&Run> {
    records.iter().find_map(|record| match record {
        Record::Run(run) => Some(&**run),
        _ => None,
    })
}

fn is_finished(records: &[Record]) -> bool {
    let finish = |record: &Record| matches!(record, Record::Finish { .. });
    records.iter().any(finish)
}
