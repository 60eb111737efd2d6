//! The last state: the file that is kept, and `status --json` around it (`dist/usr/share/unstale/status-schema-1.json`).
//! Written and read here, and so it owns its types; names are in the form of [`json`](super).

use std::io::{self, Write};

use base64::Engine as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{action, kind_of_owner, moment, runtime_name, write_tame};
use crate::model::{
    Action, Because, Bytes, LastRun, Level, Owner, OwnerKind, ProcessKey, Runtime, Scope,
    StartTicks, State, StateCause, StateItem, Upgrade,
};
use crate::report::status::Status;

const SCHEMA: u32 = 1;
/// The level where nobody looked, as in a check.
const NOT_ASSESSED: &str = "not-assessed";

const ACTIONS: [Action; 7] = [
    Action::Restart,
    Action::Reexec,
    Action::Relogin,
    Action::RestartContainer,
    Action::RestartVm,
    Action::Defer,
    Action::Leave,
];

#[derive(Serialize, Deserialize)]
struct Document {
    schema: u32,
    version: String,
    time: String,
    uptime_secs: u64,
    boot_id: String,
    complete: bool,
    problems: u64,
    hidden: u64,
    reboot: RebootForm,
    items: Vec<ItemForm>,
    run: Option<RunForm>,
}

#[derive(Serialize, Deserialize)]
struct RebootForm {
    level: String,
    causes: Vec<CauseForm>,
}

#[derive(Serialize, Deserialize)]
struct CauseForm {
    rule: String,
    level: String,
    why: String,
}

#[derive(Serialize, Deserialize)]
struct ItemForm {
    verdict: String,
    owner: OwnerForm,
    because: Vec<BecauseForm>,
    packages: Vec<PackageForm>,
    processes: Vec<ProcessForm>,
}

#[derive(Serialize, Deserialize)]
struct OwnerForm {
    kind: String,
    #[serde(flatten)]
    name: NameForm,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct NameForm {
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_base64: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct BecauseForm {
    rule: String,
    why: String,
}

#[derive(Serialize, Deserialize)]
struct PackageForm {
    name: String,
    old: Option<String>,
    new: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct ProcessForm {
    pid: u32,
    start_ticks: u64,
    since_uptime_secs: u64,
}

#[derive(Serialize, Deserialize)]
struct RunForm {
    id: String,
    time: String,
    exit: u8,
    clean: u32,
    still_stale: u32,
    failed: u32,
    deferred: u32,
    unproven: u32,
    names: Vec<String>,
}

/// The text of the state file: one JSON document and a newline.
#[must_use]
pub fn text(state: &State) -> Vec<u8> {
    let mut out = Vec::new();
    // Nothing here is what JSON cannot say, and a vector takes all: see the tests.
    write_tame(&mut out, &value(state)).ok();
    out.push(b'\n');
    out
}

/// What a state file says.
///
/// # Errors
/// Why it is none: not of its form, of another schema.
pub fn parse(text: &[u8]) -> Result<State, String> {
    let document: Document = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if document.schema != SCHEMA {
        return Err(format!("it is of schema {}", document.schema));
    }
    let causes = document.reboot.causes.into_iter().map(cause);
    Ok(State {
        version: document.version,
        time: moment::of_text(&document.time)?,
        uptime_secs: document.uptime_secs,
        boot_id: document.boot_id,
        problems: document.problems,
        hidden: document.hidden,
        level: match document.reboot.level.as_str() {
            NOT_ASSESSED => None,
            word => Some(level(word)?),
        },
        causes: causes.collect::<Result<_, _>>()?,
        items: document
            .items
            .into_iter()
            .map(item)
            .collect::<Result<_, _>>()?,
        run: document.run.map(run).transpose()?,
    })
}

/// Prints what `status --json` says: one JSON document and a newline.
///
/// # Errors
/// What the writer says.
pub fn print(out: &mut dyn Write, status: &Status<'_>) -> io::Result<()> {
    let document = json!({
        "schema": SCHEMA,
        "version": env!("CARGO_PKG_VERSION"),
        "known": status.is_known(),
        "why_not": status.why_not,
        "pending": status.pending,
        "suspended_by": status.suspended_by,
        "uptime_secs": status.uptime_secs,
        "state": status.state.map(value),
    });
    write_tame(out, &document)?;
    writeln!(out)
}

fn value(state: &State) -> Value {
    let causes = state.causes.iter().map(|cause| CauseForm {
        rule: cause.rule.clone(),
        level: cause.level.word().to_owned(),
        why: cause.why.clone(),
    });
    let document = Document {
        schema: SCHEMA,
        version: state.version.clone(),
        time: moment::text(state.time),
        uptime_secs: state.uptime_secs,
        boot_id: state.boot_id.clone(),
        complete: state.is_complete(),
        problems: state.problems,
        hidden: state.hidden,
        reboot: RebootForm {
            level: state.level.map_or(NOT_ASSESSED, Level::word).to_owned(),
            causes: causes.collect(),
        },
        items: state.items.iter().map(item_form).collect(),
        run: state.run.as_ref().map(run_form),
    };
    // Strings, numbers and lists: nothing that JSON has no form for.
    serde_json::to_value(document).unwrap_or_default()
}

fn item_form(item: &StateItem) -> ItemForm {
    let because = item.because.iter().map(|because| BecauseForm {
        rule: because.rule.clone(),
        why: because.why.clone(),
    });
    let packages = item.packages.iter().map(|package| PackageForm {
        name: package.name.clone(),
        old: package.old.clone(),
        new: package.new.clone(),
    });
    let processes = item.processes.iter().map(|(key, since)| ProcessForm {
        pid: key.pid,
        start_ticks: key.started.0,
        since_uptime_secs: *since,
    });
    ItemForm {
        verdict: action(item.action).to_owned(),
        owner: owner_form(&item.owner),
        because: because.collect(),
        packages: packages.collect(),
        processes: processes.collect(),
    }
}

fn owner_form(owner: &Owner) -> OwnerForm {
    let name = owner.name.as_slice();
    let text = String::from_utf8_lossy(name);
    let exact = text.as_bytes() == name;
    OwnerForm {
        kind: kind_of_owner(owner).to_owned(),
        name: NameForm {
            name_base64: (!exact).then(|| base64::engine::general_purpose::STANDARD.encode(name)),
            name: (!name.is_empty()).then(|| text.into_owned()),
        },
        scope: match owner.scope {
            Scope::System => "system".to_owned(),
            Scope::User(_) => "user".to_owned(),
        },
        uid: match owner.scope {
            Scope::System => None,
            Scope::User(uid) => Some(uid),
        },
        runtime: match owner.kind {
            OwnerKind::Container(runtime) | OwnerKind::VirtualMachine(runtime) => {
                Some(runtime_name(runtime).to_owned())
            }
            _ => None,
        },
    }
}

fn run_form(run: &LastRun) -> RunForm {
    RunForm {
        id: run.id.clone(),
        time: moment::text(run.time),
        exit: run.exit,
        clean: run.clean,
        still_stale: run.still_stale,
        failed: run.failed,
        deferred: run.deferred,
        unproven: run.unproven,
        names: run.names.clone(),
    }
}

fn item(form: ItemForm) -> Result<StateItem, String> {
    let because = form.because.into_iter().map(|because| Because {
        rule: because.rule,
        why: because.why,
    });
    let packages = form.packages.into_iter().map(|package| Upgrade {
        name: package.name,
        old: package.old,
        new: package.new,
    });
    let processes = form.processes.into_iter().map(|process| {
        let key = ProcessKey {
            pid: process.pid,
            started: StartTicks(process.start_ticks),
        };
        (key, process.since_uptime_secs)
    });
    let known = ACTIONS
        .into_iter()
        .find(|known| action(*known) == form.verdict);
    Ok(StateItem {
        owner: owner(form.owner)?,
        action: known.ok_or_else(|| unknown("verdict", &form.verdict))?,
        because: because.collect(),
        packages: packages.collect(),
        processes: processes.collect(),
    })
}

fn owner(form: OwnerForm) -> Result<Owner, String> {
    let scope = match (form.scope.as_str(), form.uid) {
        ("system", None) => Scope::System,
        ("user", Some(uid)) => Scope::User(uid),
        _ => return Err(unknown("scope", &form.scope)),
    };
    let runtime = form.runtime.as_deref().unwrap_or("unknown");
    let runtime = Runtime::ALL
        .into_iter()
        .find(|known| runtime_name(*known) == runtime)
        .ok_or_else(|| unknown("runtime", runtime))?;
    let kind = match form.kind.as_str() {
        "service-manager" => OwnerKind::ServiceManager,
        "unit" | "user-unit" => OwnerKind::Unit,
        "user-manager" => OwnerKind::UserManager,
        "session" => OwnerKind::Session,
        "app" => OwnerKind::App,
        "container" => OwnerKind::Container(runtime),
        "vm" => OwnerKind::VirtualMachine(runtime),
        "service" => OwnerKind::OtherService,
        "process" => OwnerKind::Process,
        other => return Err(unknown("kind", other)),
    };
    let name = match (form.name.name_base64, form.name.name) {
        (Some(raw), _) => base64::engine::general_purpose::STANDARD
            .decode(raw)
            .map_err(|error| error.to_string())?
            .into(),
        (None, Some(text)) => Bytes::from(text.as_str()),
        (None, None) => Bytes::default(),
    };
    Ok(Owner::new(kind, name, scope))
}

fn cause(form: CauseForm) -> Result<StateCause, String> {
    Ok(StateCause {
        level: level(&form.level)?,
        rule: form.rule,
        why: form.why,
    })
}

fn run(form: RunForm) -> Result<LastRun, String> {
    Ok(LastRun {
        time: moment::of_text(&form.time)?,
        id: form.id,
        exit: form.exit,
        clean: form.clean,
        still_stale: form.still_stale,
        failed: form.failed,
        deferred: form.deferred,
        unproven: form.unproven,
        names: form.names,
    })
}

fn level(word: &str) -> Result<Level, String> {
    Level::of_word(word).ok_or_else(|| unknown("level", word))
}

fn unknown(what: &str, word: &str) -> String {
    format!("no {what} is called {word:?}")
}

#[cfg(test)]
mod tests;
