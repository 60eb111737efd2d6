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
