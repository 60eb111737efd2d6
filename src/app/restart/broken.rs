//! Runs that were broken off: told once, and never taken up again. What is still to be done, the machine itself tells.

use std::time::Duration;

use crate::act::journal::{Runs, RunsError};
use crate::app::now;
use crate::model::{Record, StepResult, Timestamp};
use crate::report::json::record;

/// The exit status of a run that did not come to its end.
const FAILED: u8 = 1;
/// A worker that has not begun by then never will: its client gives up before.
const BEGIN_LIMIT: Duration = Duration::from_secs(25);

/// A run that another client has just planned, and whose worker is about to begin. The caller holds the lock.
pub(super) fn about_to_begin(runs: &Runs, now: Timestamp) -> Result<Option<String>, RunsError> {
    // Ids sort by time.
    for id in runs.ids()?.into_iter().rev() {
        let Some(records) = records(runs, &id) else {
            continue;
        };
        let Some(Record::Run(run)) = records.first() else {
            continue;
        };
        let age = now.secs.saturating_sub(run.time.secs);
        let is_young = u64::try_from(age).is_ok_and(|age| age < BEGIN_LIMIT.as_secs());
        if is_young && is_planned(&records) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// Whether a run is planned, and nobody has begun it.
pub(super) fn is_planned(records: &[Record]) -> bool {
    let mut records = records.iter();
    let planned = matches!(records.next(), Some(Record::Run(_)));
    planned && records.all(|record| matches!(record, Record::Note(_)))
}

/// All of a journal that can be read; `None` if it cannot.
pub(super) fn records(runs: &Runs, id: &str) -> Option<Vec<Record>> {
    let lines = runs.follow(id).ok()??.lines().ok()?;
    let records = lines.iter().filter_map(|line| record::parse(line).ok());
    Some(records.collect())
}

/// The records of each run that has no end. From now on they have one. The caller holds the lock: nobody works on them.
pub(super) fn take(runs: &Runs) -> Result<Vec<Vec<Record>>, RunsError> {
    let mut broken = Vec::new();
    for id in runs.ids()? {
        // One that cannot be read is nobody's to repair, and no reason to leave services as they are.
        let Some(records) = records(runs, &id) else {
            continue;
        };
        let ended = matches!(records.last(), Some(Record::Finish { .. }));
        if ended || !matches!(records.first(), Some(Record::Run(_))) {
            continue;
        }
        // A full one is told of again each time: better than none, and no reason to leave services as they are either.
        finish(runs, &id).ok();
        broken.push(records);
    }
    Ok(broken)
}

/// Ends the journal of a run that nobody works on. The caller holds the lock.
pub(super) fn finish(runs: &Runs, id: &str) -> Result<(), RunsError> {
    if let Some(mut journal) = runs.append_to(id)? {
        // A line that was cut short ends here.
        journal.write_last("")?;
        let (time, exit) = (now(), FAILED);
        journal.write_last(&record::line(&Record::Finish { time, exit }))?;
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::Path;

    use super::*;
    use crate::model::{Class, Deed, Mode, Run, Scope, Stage, Step, Timestamp, Transaction};

    const TIME: Timestamp = Timestamp { secs: 7, nanos: 0 };

    fn run(id: &str) -> Record {
        let step = |number| Step {
            number,
            deed: Deed::Reload(Scope::System),
            class: Class::ServiceManager,
            stage: Stage::Manager,
            owners: Vec::new(),
            pulled: Vec::new(),
            because: Vec::new(),
            invocation: String::new(),
            wait_us: 0,
            settle_us: 0,
            limit_us: 0,
        };
        let transaction = Transaction {
            steps: (1..=3).map(step).collect(),
            held: Vec::new(),
        };
        Record::Run(Box::new(Run {
            id: id.to_owned(),
            time: TIME,
            version: "1".to_owned(),
            boot_id: "b".to_owned(),
            mode: Mode::Auto,
            transaction,
        }))
    }

    fn begin(step: u32) -> Record {
        Record::Begin { step, time: TIME }
    }

    fn end(step: u32) -> Record {
        Record::End {
            step,
            time: TIME,
            result: StepResult::Done,
        }
    }

    fn write(runs: &Runs, id: &str, records: &[Record]) {
        let mut journal = runs.create(id, &record::line(&run(id))).unwrap();
        for record in records {
            journal.write(&record::line(record)).unwrap();
        }
    }

    #[test]
    fn t12_21_a_run_that_is_about_to_begin_is_not_broken_off() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("run")).unwrap();
        let runs = Runs::make(root.path(), 0).unwrap();
        let at = |secs| Timestamp { secs, nanos: 0 };
        let check = |secs, expected: Option<&str>| {
            let found = about_to_begin(&runs, at(secs)).unwrap();
            assert_eq!(found.as_deref(), expected, "{secs}");
        };
        write(&runs, "1", &[begin(1), end(1)]);
        check(8, None);
        write(&runs, "2", &[Record::Note("x".to_owned())]);
        check(7, Some("2"));
        check(31, Some("2"));
        check(32, None);
        // The clock was set back.
        check(6, None);
        let mut journal = runs.append_to("2").unwrap().unwrap();
        journal.write(&record::line(&begin(1))).unwrap();
        check(8, None);
    }

    #[test]
    fn t12_22_a_run_that_was_broken_off_is_told_of_once() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("run")).unwrap();
        let runs = Runs::make(root.path(), 0).unwrap();
        let finish = Record::Finish {
            time: TIME,
            exit: 0,
        };
        write(&runs, "1", &[begin(1), end(1), finish]);
        write(&runs, "2", &[begin(1), end(1), begin(2)]);
        // Cut short in the middle of a line.
        let path: &Path = &root.path().join("run/unstale/restart/2.jsonl");
        let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(b"{\"record\":\"en").unwrap();
        runs.create("3", "no record at all").unwrap();
        let broken = take(&runs).unwrap();
        let expected = vec![run("2"), begin(1), end(1), begin(2)];
        assert_eq!(broken, [expected]);
        let note = note(&broken[0]).unwrap();
        let words = "run 2 was broken off: 1 of 3 steps were done, step 2 had begun";
        assert_eq!(note, Record::Note(words.to_owned()));
        assert_eq!(take(&runs).unwrap(), Vec::<Vec<Record>>::new());
    }
}
