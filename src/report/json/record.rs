//! Records of a run, one JSON object a line (`dist/usr/share/unstale/restart-schema-1.json`): what `restart --json` prints, and
//! what a run's journal holds. Like all outside forms it owns its types. What is read was written by us, but a journal may
//! be cut short or damaged: [`parse`] is total.
//!
//! Bytes that are not UTF-8 stand in a sibling named `…_base64`, as in the other documents.

mod owner;
mod step;

use serde::{Deserialize, Serialize};

use super::{moment, write_tame};
use crate::model::{
    Because, Escaped, Failure, Held, Mode, Outcome, Record, Run, StepResult, Transaction,
};
use owner::OwnerForm;
use step::StepForm;

/// The only version of this form.
const SCHEMA: u32 = 1;
/// The most that is said of what is wrong with a line: the words may be the line's own.
const WRONG_CAP: usize = 300;

/// One record as a line, without the newline at its end.
///
/// # Panics
/// Never: no value of these types is refused by JSON, and memory takes all that is written.
#[must_use]
pub fn line(record: &Record) -> String {
    let mut line = Vec::new();
    write_tame(&mut line, &RecordForm::of(record)).expect("maps have text for keys");
    String::from_utf8(line).expect("JSON is UTF-8")
}

/// Reads a line back, with or without the newline at its end. Fields of later versions are passed over.
///
/// # Errors
/// What is wrong with it, fit for a terminal.
pub fn parse(line: &[u8]) -> Result<Record, String> {
    let form: RecordForm = serde_json::from_slice(line).map_err(|error| {
        let mut wrong = Escaped(error.to_string().as_bytes()).to_string();
        if let Some((cut, _)) = wrong.char_indices().nth(WRONG_CAP) {
            wrong.truncate(cut);
        }
        wrong
    })?;
    form.read()
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
enum RecordForm {
    Run(RunForm),
    Begin {
        step: u32,
        time: String,
    },
    End {
        step: u32,
        time: String,
        #[serde(flatten)]
        result: ResultForm,
    },
    Rescan {
        time: String,
    },
    Item {
        owner: OwnerForm,
        #[serde(flatten)]
        outcome: OutcomeForm,
    },
    Told {
        owner: OwnerForm,
        ways: Vec<String>,
        failed: Vec<String>,
    },
    Note {
        note: String,
    },
    Finish {
        time: String,
        exit: u8,
    },
}

impl RecordForm {
    fn of(record: &Record) -> Self {
        match record {
            Record::Run(run) => Self::Run(RunForm::of(run)),
            Record::Begin { step, time } => Self::Begin {
                step: *step,
                time: moment::text(*time),
            },
            Record::End { step, time, result } => Self::End {
                step: *step,
                time: moment::text(*time),
                result: ResultForm::of(result),
            },
            Record::Rescan { time } => Self::Rescan {
                time: moment::text(*time),
            },
            Record::Item { owner, outcome } => Self::Item {
                owner: OwnerForm::of(owner),
                outcome: OutcomeForm::of(outcome),
            },
            Record::Told {
                owner,
                ways,
                failed,
            } => Self::Told {
                owner: OwnerForm::of(owner),
                ways: ways.clone(),
                failed: failed.clone(),
            },
            Record::Note(note) => Self::Note { note: note.clone() },
            Record::Finish { time, exit } => Self::Finish {
                time: moment::text(*time),
                exit: *exit,
            },
        }
    }

    fn read(self) -> Result<Record, String> {
        Ok(match self {
            Self::Run(run) => Record::Run(Box::new(run.read()?)),
            Self::Begin { step, time } => Record::Begin {
                step,
                time: moment::of_text(&time)?,
            },
            Self::End { step, time, result } => Record::End {
                step,
                time: moment::of_text(&time)?,
                result: result.read(),
            },
            Self::Rescan { time } => Record::Rescan {
                time: moment::of_text(&time)?,
            },
            Self::Item { owner, outcome } => Record::Item {
                owner: owner.read()?,
                outcome: outcome.read()?,
            },
            Self::Told {
                owner,
                ways,
                failed,
            } => Record::Told {
                owner: owner.read()?,
                ways,
                failed,
            },
            Self::Note { note } => Record::Note(note),
            Self::Finish { time, exit } => Record::Finish {
                time: moment::of_text(&time)?,
                exit,
            },
        })
    }
}

#[derive(Serialize, Deserialize)]
struct RunForm {
    schema: u32,
    id: String,
    time: String,
    version: String,
    boot_id: String,
    mode: String,
    steps: Vec<StepForm>,
    held: Vec<HeldForm>,
}

impl RunForm {
    fn of(run: &Run) -> Self {
        Self {
            schema: SCHEMA,
            id: run.id.clone(),
            time: moment::text(run.time),
            version: run.version.clone(),
            boot_id: run.boot_id.clone(),
            mode: run.mode.word().to_owned(),
            steps: run.transaction.steps.iter().map(StepForm::of).collect(),
            held: run.transaction.held.iter().map(HeldForm::of).collect(),
        }
    }

    fn read(self) -> Result<Run, String> {
        if self.schema != SCHEMA {
            return Err(format!("its schema is {}, not {SCHEMA}", self.schema));
        }
        let steps = self.steps.into_iter().map(StepForm::read);
        let held = self.held.into_iter().map(HeldForm::read);
        Ok(Run {
            id: self.id,
            time: moment::of_text(&self.time)?,
            version: self.version,
            boot_id: self.boot_id,
            mode: Mode::of_word(&self.mode).ok_or("its mode is not known")?,
            transaction: Transaction {
                steps: steps.collect::<Result<_, _>>()?,
                held: held.collect::<Result<_, _>>()?,
            },
        })
    }
}

#[derive(Serialize, Deserialize)]
struct HeldForm {
    owner: OwnerForm,
    because: Vec<BecauseForm>,
}

impl HeldForm {
    fn of(held: &Held) -> Self {
        Self {
            owner: OwnerForm::of(&held.owner),
            because: held.because.iter().map(BecauseForm::of).collect(),
        }
    }

    fn read(self) -> Result<Held, String> {
        Ok(Held {
            owner: self.owner.read()?,
            because: self.because.into_iter().map(BecauseForm::read).collect(),
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
enum OutcomeForm {
    Clean,
    StillStale { because: Vec<BecauseForm> },
    Failed(FailureForm),
    Deferred { because: [BecauseForm; 1] },
    Unproven { why: String },
}

impl OutcomeForm {
    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Clean => Self::Clean,
            Outcome::StillStale(because) => Self::StillStale {
                because: because.iter().map(BecauseForm::of).collect(),
            },
            Outcome::Failed(failure) => Self::Failed(FailureForm::of(failure)),
            Outcome::Deferred(because) => Self::Deferred {
                because: [BecauseForm::of(because)],
            },
            Outcome::Unproven(why) => Self::Unproven { why: why.clone() },
        }
    }

    fn read(self) -> Result<Outcome, String> {
        Ok(match self {
            Self::Clean => Outcome::Clean,
            Self::StillStale { because } => {
                Outcome::StillStale(because.into_iter().map(BecauseForm::read).collect())
            }
            Self::Failed(failure) => Outcome::Failed(failure.read()),
            Self::Deferred { because: [because] } => Outcome::Deferred(because.read()),
            Self::Unproven { why } => Outcome::Unproven(why),
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
enum ResultForm {
    Done,
    Skipped { why: String },
    Failed(FailureForm),
}

impl ResultForm {
    fn of(result: &StepResult) -> Self {
        match result {
            StepResult::Done => Self::Done,
            StepResult::Skipped(why) => Self::Skipped { why: why.clone() },
            StepResult::Failed(failure) => Self::Failed(FailureForm::of(failure)),
        }
    }

    fn read(self) -> StepResult {
        match self {
            Self::Done => StepResult::Done,
            Self::Skipped { why } => StepResult::Skipped(why),
            Self::Failed(failure) => StepResult::Failed(failure.read()),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct FailureForm {
    why: String,
    log: Vec<String>,
    look: String,
}

impl FailureForm {
    fn of(failure: &Failure) -> Self {
        Self {
            why: failure.why.clone(),
            log: failure.log.clone(),
            look: failure.look.clone(),
        }
    }

    fn read(self) -> Failure {
        Failure {
            why: self.why,
            log: self.log,
            look: self.look,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct BecauseForm {
    rule: String,
    why: String,
}

impl BecauseForm {
    fn of(because: &Because) -> Self {
        Self {
            rule: because.rule.clone(),
            why: because.why.clone(),
        }
    }

    fn read(self) -> Because {
        Because {
            rule: self.rule,
            why: self.why,
        }
    }
}

#[cfg(test)]
mod tests;
