//! Runs that were broken off: told once, and never taken up again. What is still to be done, the machine itself tells.

use crate::act::journal::{Runs, RunsError};
use crate::app::now;
use crate::model::{Record, StepResult};
use crate::report::json::record;

/// The exit status of a run that did not come to its end.
const FAILED: u8 = 1;

/// The records of each run that has no end. From now on they have one. The caller holds the lock: nobody works on them.
pub(super) fn take(runs: &Runs) -> Result<Vec<Vec<Record>>, RunsError> {
    let mut broken = Vec::new();
    for id in runs.ids()? {
        // One that cannot be read is nobody's to repair, and no reason to leave services as they are.
        let Ok(Some(mut follower)) = runs.follow(&id) else {
            continue;
        };
        let Ok(lines) = follower.lines() else {
            continue;
        };
        let records: Vec<Record> = lines
            .iter()
            .filter_map(|line| record::parse(line).ok())
            .collect();
        let ended = matches!(records.last(), Some(Record::Finish { .. }));
        if ended || !matches!(records.first(), Some(Record::Run(_))) {
            continue;
        }
        if let Some(mut journal) = runs.append_to(&id)? {
            // A line that was cut short ends here.
            journal.write("")?;
            let (time, exit) = (now(), FAILED);
            journal.write(&record::line(&Record::Finish { time, exit }))?;
        }
        broken.push(records);
    }
    Ok(broken)
}

/// The same for programs, and for whoever reads the next journal.
pub(super) fn note(records: &[Record]) -> Option<Record> {
    let Some(Record::Run(run)) = records.first() else {
        return None;
    };
    let mut begun = Vec::new();
    let mut done = Vec::new();
    for record in records {
        match record {
            Record::Begin { step, .. } => begun.push(*step),
            Record::End { step, result, .. } => {
                begun.retain(|number| number != step);
                if *result == StepResult::Done {
                    done.push(*step);
                }
            }
            _ => {}
        }
    }
    let all = run.transaction.steps.len();
    let began = match begun.first() {
        Some(step) => format!(", step {step} had begun"),
        None => String::new(),
    };
    Some(Record::Note(format!(
        "run {} was broken off: {} of {all} steps were done{began}",
        run.id,
        done.len()
    )))
}
