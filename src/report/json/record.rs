//! Records of a run, one JSON object a line (`dist/usr/share/unstale/restart-schema-1.json`): what `restart --json` prints, and
//! what a run's journal holds. Like all outside forms it owns its types. What is read was written by us, but a journal may
//! be cut short or damaged: [`parse`] is total.
//!
//! Bytes that are not UTF-8 stand in a sibling named `…_base64`, as in the other documents.

use base64::Engine as _;
use serde::{Deserialize, Serialize};

use super::write_tame;
use crate::model::{
    Because, Bytes, Class, Deed, Escaped, Failure, Held, Mode, Outcome, Owner, OwnerKind, Record,
    Run, Runtime, Scope, Stage, Step, StepResult, Timestamp, Transaction,
};

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
                time: time_form(*time),
            },
            Record::End { step, time, result } => Self::End {
                step: *step,
                time: time_form(*time),
                result: ResultForm::of(result),
            },
            Record::Rescan { time } => Self::Rescan {
                time: time_form(*time),
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
                time: time_form(*time),
                exit: *exit,
            },
        }
    }

    fn read(self) -> Result<Record, String> {
        Ok(match self {
            Self::Run(run) => Record::Run(Box::new(run.read()?)),
            Self::Begin { step, time } => Record::Begin {
                step,
                time: parse_time(&time)?,
            },
            Self::End { step, time, result } => Record::End {
                step,
                time: parse_time(&time)?,
                result: result.read(),
            },
            Self::Rescan { time } => Record::Rescan {
                time: parse_time(&time)?,
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
                time: parse_time(&time)?,
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
            time: time_form(run.time),
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
            time: parse_time(&self.time)?,
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
struct StepForm {
    number: u32,
    deed: DeedForm,
    class: String,
    stage: StageForm,
    owners: Vec<OwnerForm>,
    pulled: Vec<String>,
    because: Vec<BecauseForm>,
    invocation: String,
    wait_us: u64,
    settle_us: u64,
    limit_us: u64,
}

impl StepForm {
    fn of(step: &Step) -> Self {
        Self {
            number: step.number,
            deed: DeedForm::of(&step.deed),
            class: step.class.word().to_owned(),
            stage: StageForm::of(step.stage),
            owners: step.owners.iter().map(OwnerForm::of).collect(),
            pulled: step.pulled.clone(),
            because: step.because.iter().map(BecauseForm::of).collect(),
            invocation: step.invocation.clone(),
            wait_us: step.wait_us,
            settle_us: step.settle_us,
            limit_us: step.limit_us,
        }
    }

    fn read(self) -> Result<Step, String> {
        let owners = self.owners.into_iter().map(OwnerForm::read);
        Ok(Step {
            number: self.number,
            deed: self.deed.read()?,
            class: Class::of_word(&self.class).ok_or("the class of a step is not known")?,
            stage: self.stage.read(),
            owners: owners.collect::<Result<_, _>>()?,
            pulled: self.pulled,
            because: self.because.into_iter().map(BecauseForm::read).collect(),
            invocation: self.invocation,
            wait_us: self.wait_us,
            settle_us: self.settle_us,
            limit_us: self.limit_us,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
enum DeedForm {
    Reload {
        #[serde(flatten)]
        scope: ScopeForm,
    },
    Reexec {
        #[serde(flatten)]
        scope: ScopeForm,
    },
    TryRestart {
        #[serde(flatten)]
        scope: ScopeForm,
        unit: String,
    },
    RestartService {
        name: String,
    },
    Override {
        name: String,
    },
    Command {
        argv: Vec<String>,
    },
}

impl DeedForm {
    fn of(deed: &Deed) -> Self {
        match deed {
            Deed::Reload(scope) => Self::Reload {
                scope: ScopeForm::of(*scope),
            },
            Deed::Reexec(scope) => Self::Reexec {
                scope: ScopeForm::of(*scope),
            },
            Deed::TryRestart { scope, unit } => Self::TryRestart {
                scope: ScopeForm::of(*scope),
                unit: unit.clone(),
            },
            Deed::RestartService { name } => Self::RestartService { name: name.clone() },
            Deed::Override { name } => Self::Override { name: name.clone() },
            Deed::Command { argv } => Self::Command { argv: argv.clone() },
        }
    }

    fn read(self) -> Result<Deed, String> {
        Ok(match self {
            Self::Reload { scope } => Deed::Reload(scope.read()?),
            Self::Reexec { scope } => Deed::Reexec(scope.read()?),
            Self::TryRestart { scope, unit } => Deed::TryRestart {
                scope: scope.read()?,
                unit,
            },
            Self::RestartService { name } => Deed::RestartService { name },
            Self::Override { name } => Deed::Override { name },
            Self::Command { argv } => Deed::Command { argv },
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StageForm {
    Manager,
    Services,
    Access,
    Network,
    Guests,
}

impl StageForm {
    fn of(stage: Stage) -> Self {
        match stage {
            Stage::Manager => Self::Manager,
            Stage::Services => Self::Services,
            Stage::Access => Self::Access,
            Stage::Network => Self::Network,
            Stage::Guests => Self::Guests,
        }
    }

    fn read(self) -> Stage {
        match self {
            Self::Manager => Stage::Manager,
            Self::Services => Stage::Services,
            Self::Access => Stage::Access,
            Self::Network => Stage::Network,
            Self::Guests => Stage::Guests,
        }
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

/// An owner, in the words of the other documents.
#[derive(Serialize, Deserialize)]
struct OwnerForm {
    kind: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_base64: Option<String>,
    #[serde(flatten)]
    scope: ScopeForm,
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host_unit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host_unit_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inner_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod_base64: Option<String>,
}

impl OwnerForm {
    fn of(owner: &Owner) -> Self {
        let runtime = match owner.kind {
            OwnerKind::Container(runtime) | OwnerKind::VirtualMachine(runtime) => Some(runtime),
            _ => None,
        };
        let (name, name_base64) = text_of(&owner.name);
        let (host_unit, host_unit_base64) = optional_text_of(owner.host_unit.as_ref());
        let (inner, inner_base64) = optional_text_of(owner.inner.as_ref());
        let (pod, pod_base64) = optional_text_of(owner.pod.as_ref());
        Self {
            kind: super::kind_of_owner(owner).to_owned(),
            name,
            name_base64,
            scope: ScopeForm::of(owner.scope),
            runtime: runtime.map(|runtime| super::runtime_name(runtime).to_owned()),
            host_unit,
            host_unit_base64,
            inner,
            inner_base64,
            pod,
            pod_base64,
        }
    }

    fn read(self) -> Result<Owner, String> {
        let runtime = self.runtime.as_deref();
        Ok(Owner {
            kind: parse_kind(&self.kind, runtime)?,
            name: bytes_of(self.name, self.name_base64)?,
            scope: self.scope.read()?,
            host_unit: optional_bytes_of(self.host_unit, self.host_unit_base64)?,
            inner: optional_bytes_of(self.inner, self.inner_base64)?,
            pod: optional_bytes_of(self.pod, self.pod_base64)?,
        })
    }
}

fn parse_kind(kind: &str, runtime: Option<&str>) -> Result<OwnerKind, String> {
    let runtime = || {
        let found = RUNTIMES
            .into_iter()
            .find(|&one| Some(super::runtime_name(one)) == runtime);
        found.ok_or_else(|| "the runtime of an owner is not known".to_owned())
    };
    Ok(match kind {
        "service-manager" => OwnerKind::ServiceManager,
        "unit" | "user-unit" => OwnerKind::Unit,
        "user-manager" => OwnerKind::UserManager,
        "session" => OwnerKind::Session,
        "app" => OwnerKind::App,
        "container" => OwnerKind::Container(runtime()?),
        "vm" => OwnerKind::VirtualMachine(runtime()?),
        "service" => OwnerKind::OtherService,
        "process" => OwnerKind::Process,
        _ => return Err("the kind of an owner is not known".to_owned()),
    })
}

const RUNTIMES: [Runtime; 12] = [
    Runtime::Docker,
    Runtime::Podman,
    Runtime::Containerd,
    Runtime::CriO,
    Runtime::Kubernetes,
    Runtime::Lxc,
    Runtime::Machine,
    Runtime::Libvirt,
    Runtime::Qemu,
    Runtime::BuildKit,
    Runtime::Ecs,
    Runtime::Unknown,
];

#[derive(Serialize, Deserialize)]
struct ScopeForm {
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
}

impl ScopeForm {
    fn of(scope: Scope) -> Self {
        let (scope, uid) = match scope {
            Scope::System => ("system", None),
            Scope::User(uid) => ("user", Some(uid)),
        };
        let scope = scope.to_owned();
        Self { scope, uid }
    }

    fn read(self) -> Result<Scope, String> {
        match (self.scope.as_str(), self.uid) {
            ("system", None) => Ok(Scope::System),
            ("user", Some(uid)) => Ok(Scope::User(uid)),
            _ => Err("a scope is neither the system's nor a user's".to_owned()),
        }
    }
}

/// A name as text, and as bytes beside it where it is not UTF-8.
fn text_of(bytes: &Bytes) -> (String, Option<String>) {
    match std::str::from_utf8(bytes.as_slice()) {
        Ok(text) => (text.to_owned(), None),
        Err(_) => (
            String::from_utf8_lossy(bytes.as_slice()).into_owned(),
            Some(base64::engine::general_purpose::STANDARD.encode(bytes.as_slice())),
        ),
    }
}

fn optional_text_of(bytes: Option<&Bytes>) -> (Option<String>, Option<String>) {
    let Some(bytes) = bytes else {
        return (None, None);
    };
    let (text, raw) = text_of(bytes);
    (Some(text), raw)
}

fn bytes_of(text: String, raw: Option<String>) -> Result<Bytes, String> {
    let Some(raw) = raw else {
        return Ok(Bytes(text.into_bytes()));
    };
    let bytes = base64::engine::general_purpose::STANDARD.decode(raw);
    bytes
        .map(Bytes)
        .map_err(|_| "a name is not base64".to_owned())
}

fn optional_bytes_of(text: Option<String>, raw: Option<String>) -> Result<Option<Bytes>, String> {
    text.map(|text| bytes_of(text, raw)).transpose()
}

/// RFC 3339 with nanoseconds, in UTC. A time outside of the years −9999 to 9999 is no clock's: it becomes the nearest inside.
fn time_form(time: Timestamp) -> String {
    let nanos = i32::try_from(time.nanos).unwrap_or_default();
    let nearest = if time.secs < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    };
    let time = jiff::Timestamp::new(time.secs, nanos).unwrap_or(nearest);
    format!("{time:.9}")
}

fn parse_time(text: &str) -> Result<Timestamp, String> {
    let time: jiff::Timestamp = text.parse().map_err(|_| "a time is not RFC 3339")?;
    // Times before 1970 have a negative fraction in jiff, and none in the model.
    let second = time.as_second() - i64::from(time.subsec_nanosecond() < 0);
    let nanos = time.subsec_nanosecond().rem_euclid(1_000_000_000);
    Ok(Timestamp {
        secs: second,
        nanos: nanos.unsigned_abs(),
    })
}

#[cfg(test)]
mod tests;
