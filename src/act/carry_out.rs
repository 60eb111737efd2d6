//! Steps, one after the other: each looked at right before, done, and looked at until it is up or is not. Units of one stage
//! settle while the next are restarted already; a stage begins when all of those before it have ended.
//!
//! What was planned may have passed by the time a step's turn comes: a unit that was stopped or restarted meanwhile is let
//! be. What was active before is never left down without another try.

mod failed;
mod patience;
mod settle;

use std::time::Duration;

use super::services::ServiceManager;
use crate::model::{Deed, Failure, Record, Scope, Step, StepResult, Timestamp, UnitState};
use failed::Failed;
pub(crate) use failed::scope_of;
use patience::Patience;
use settle::{Ending, Settling};

/// How often a unit is looked at until it is up.
const POLL: Duration = Duration::from_millis(250);
/// How long a manager may take to answer again after it started itself anew.
const REEXEC_LIMIT: Duration = Duration::from_secs(30);
/// A unit that every manager knows (systemd.special(7)): if it is told of, the manager answers.
const KNOWN: &str = "basic.target";
/// Reached, or about to be, when the system goes down (systemd.special(7)).
const SHUTDOWN: &str = "shutdown.target";

/// What a run needs of the world beside its service manager.
pub trait Outside {
    /// Writes a record down before anything else happens.
    ///
    /// # Errors
    /// Why not: nothing more is done, for nobody would know of it.
    fn record(&mut self, record: Record) -> Result<(), String>;
    /// Remembers that units were restarted.
    fn started(&mut self, scope: Scope, units: &[&str]);
    /// Whether the administrator's policy allows that a service of the system is restarted.
    ///
    /// # Errors
    /// It does not, or nobody can tell.
    fn may_restart(&mut self, service: &str) -> Result<(), String>;
    /// The time of day.
    fn now(&mut self) -> Timestamp;
    /// A clock that nobody sets.
    fn clock(&mut self) -> Duration;
    /// Lets time pass.
    fn sleep(&mut self, time: Duration);
    /// Whether the run was told to end.
    fn is_to_end(&self) -> bool;
    /// Runs an administrator's own way to restart a unit.
    ///
    /// # Errors
    /// Why it was not started, or how it failed.
    fn run_override(&mut self, name: &str, limit: Duration) -> Result<(), String>;
    /// Runs a command.
    ///
    /// # Errors
    /// Why it was not started, or how it failed.
    fn run_command(&mut self, argv: &[String], limit: Duration) -> Result<(), String>;
}

/// How the steps ended, by their numbers.
pub type Results = Vec<(u32, StepResult)>;

/// What was done.
#[derive(Debug, Default)]
pub struct Carried {
    /// How the steps ended.
    pub results: Results,
    /// What was up after them, to be looked at once more.
    up: Vec<StillUp>,
}

/// A unit that was up when its step ended.
#[derive(Debug)]
struct StillUp {
    step: u32,
    scope: Scope,
    unit: String,
    restarts: u64,
    /// When its restart began, by the time of day.
    since: Timestamp,
}

/// Looks once more at all that was up: what ends later than others settle has failed too.
///
/// # Errors
/// What could not be written down.
pub fn look_back(
    carried: &mut Carried,
    manager: &mut dyn ServiceManager,
    outside: &mut dyn Outside,
) -> Result<(), String> {
    for one in &carried.up {
        let Ok(state) = manager.unit(one.scope, &one.unit) else {
            continue;
        };
        let Some(why) = gone_since(one, &state) else {
            continue;
        };
        let why = format!("{}: it was up after its restart, and then {why}", one.unit);
        outside.record(Record::Note(why.clone()))?;
        let failure = failure(manager, one.scope, &one.unit, why, one.since);
        let mut results = carried.results.iter_mut();
        if let Some((_, result)) = results.find(|(number, _)| *number == one.step)
            && !matches!(result, StepResult::Failed(_))
        {
            *result = failure;
        }
    }
    Ok(())
}

fn gone_since(one: &StillUp, state: &UnitState) -> Option<String> {
    if state.has_job {
        return None;
    }
    match state.active.as_str() {
        "failed" => Some(format!("failed ({})", state.result)),
        _ if state.restarts > one.restarts => Some("ended, and was started again".to_owned()),
        // Who ends well may be stopped by somebody, or idle.
        _ => None,
    }
}

/// Does all steps: those of the system, and then those of users, whose managers take what time they like.
///
/// # Errors
/// What could not be written down. Nothing was begun after that, and what had begun was seen to its end.
pub fn carry_out(
    steps: &[Step],
    manager: &mut dyn ServiceManager,
    outside: &mut dyn Outside,
) -> Result<Carried, String> {
    let began = outside.clock();
    let mut carrier = Carrier {
        manager,
        outside,
        began,
        failed: Failed::default(),
        patience: Patience::default(),
        open: Vec::new(),
        ending: Vec::new(),
        carried: Carried::default(),
        unwritten: None,
    };
    let is_users = |step: &&Step| matches!(scope_of(&step.deed), Some(Scope::User(_)));
    let (of_users, of_system): (Vec<&Step>, Vec<&Step>) = steps.iter().partition(is_users);
    for steps in [of_system, of_users] {
        for stage in steps.chunk_by(|a, b| a.stage == b.stage) {
            stage.iter().for_each(|step| carrier.step(step));
            carrier.settle_all();
        }
    }
    carrier.carried()
}

struct Carrier<'a> {
    manager: &'a mut dyn ServiceManager,
    outside: &'a mut dyn Outside,
    /// By the clock that nobody sets.
    began: Duration,
    failed: Failed,
    patience: Patience,
    /// What was restarted, and has not settled.
    open: Vec<Settling<'a>>,
    /// Steps of which not all units have settled, and how they end as far as that is known.
    ending: Vec<Ending<'a>>,
    carried: Carried,
    /// Why a record could not be written.
    unwritten: Option<String>,
}

impl<'a> Carrier<'a> {
    fn carried(mut self) -> Result<Carried, String> {
        self.carried.results.sort_by_key(|(number, _)| *number);
        self.unwritten.map_or(Ok(self.carried), Err)
    }

    /// Begins a step. Its end may come later.
    fn step(&mut self, step: &'a Step) {
        if self.unwritten.is_some() {
            return;
        }
        if let Some(why) = self.why_not(step) {
            return self.end(step, StepResult::Skipped(why));
        }
        let (number, time) = (step.number, self.outside.now());
        if !self.write(Record::Begin { step: number, time }) {
            return;
        }
        let result = match self.wait(micros(step.wait_us)) {
            true => self.act(step),
            false => Some(StepResult::Skipped(TOLD_TO_END.to_owned())),
        };
        if let Some(result) = result {
            self.end(step, result);
        }
        self.look_at_due();
    }

    fn end(&mut self, step: &Step, result: StepResult) {
        if matches!(result, StepResult::Failed(_)) {
            self.failed.add(step);
        }
        let time = self.outside.now();
        self.write(Record::End {
            step: step.number,
            time,
            result: result.clone(),
        });
        self.carried.results.push((step.number, result));
    }

    /// Whether that worked. Whatever has begun goes on without it: services are not left down for a full disk.
    fn write(&mut self, record: Record) -> bool {
        let written = self.outside.record(record);
        if let Err(why) = written {
            self.unwritten.get_or_insert(why);
            return false;
        }
        true
    }

    fn why_not(&mut self, step: &Step) -> Option<String> {
        if self.outside.is_to_end() {
            return Some(TOLD_TO_END.to_owned());
        }
        if let Ok(target) = self.manager.unit(Scope::System, SHUTDOWN)
            && (target.has_job || target.is_up())
        {
            return Some("the system is shutting down".to_owned());
        }
        let why = self.failed.why_not(step);
        let why = why.or_else(|| self.patience.why_not(scope_of(&step.deed)));
        why.or_else(|| {
            let service = service_of(&step.deed)?;
            self.outside.may_restart(service).err()
        })
    }

    /// How it ended; `None` if that is not known yet.
    fn act(&mut self, step: &'a Step) -> Option<StepResult> {
        let scope = scope_of(&step.deed);
        let limit = self.patience.limit(scope, micros(step.limit_us));
        let begun = self.outside.clock();
        let result = match &step.deed {
            Deed::Reload(scope) => Some(plain(self.manager.reload(*scope))),
            Deed::Reexec(scope) => Some(plain(self.reexec(*scope))),
            Deed::Command { argv } => Some(plain(self.outside.run_command(argv, limit))),
            Deed::TryRestart { scope, unit } => self.restart(step, *scope, unit, limit),
            Deed::Override { name } => self.restart(step, Scope::System, name, limit),
            Deed::RestartService { name } => Some(self.restart_service(name, limit)),
        };
        let took = self.outside.clock().saturating_sub(begun);
        self.patience.spend(scope, took);
        if took >= limit {
            self.failed.too_late(scope);
        }
        result
    }

    /// Waits until so long after the beginning, by which time it was planned. Whether nobody told the run to end meanwhile.
    fn wait(&mut self, time: Duration) -> bool {
        let end = self.began + time;
        while !self.outside.is_to_end() {
            let now = self.outside.clock();
            if now >= end {
                return true;
            }
            self.outside.sleep(POLL.min(end - now));
            self.look_at_due();
        }
        false
    }

    /// The manager has started itself anew when it answers again.
    fn reexec(&mut self, scope: Scope) -> Result<(), String> {
        self.manager.reexec(scope)?;
        let end = self.outside.clock() + REEXEC_LIMIT;
        loop {
            let answer = self.manager.unit(scope, KNOWN);
            match answer {
                Ok(_) => return Ok(()),
                Err(why) if self.outside.clock() >= end => {
                    return Err(format!("it does not answer since: {why}"));
                }
                Err(_) => self.outside.sleep(POLL),
            }
        }
    }

    fn restart_service(&mut self, name: &str, limit: Duration) -> StepResult {
        let scope = Scope::System;
        if let Ok(state) = self.manager.unit(scope, name)
            && !state.is_up()
        {
            return StepResult::Skipped(NOT_RUNNING.to_owned());
        }
        let since = self.outside.now();
        let said = self.manager.try_restart(scope, name, limit);
        self.outside.started(scope, &[name]);
        match said {
            Ok(()) => StepResult::Done,
            Err(why) => self.failure(scope, name, why, since),
        }
    }

    fn restart(
        &mut self,
        step: &'a Step,
        scope: Scope,
        unit: &'a str,
        limit: Duration,
    ) -> Option<StepResult> {
        let since = self.outside.now();
        let before = match self.manager.unit(scope, unit) {
            Ok(state) => state,
            Err(why) => {
                self.failed.silent(scope);
                return Some(self.failure(scope, unit, why, since));
            }
        };
        if let Some(why) = too_late(&before, step) {
            return Some(StepResult::Skipped(why));
        }
        let pulled = self.pulled(step, scope);
        let stays_down = pulled.iter().find_map(|(name, state)| {
            let why = would_stay_down(state)?;
            Some(format!(
                "{name} would go down with it, and not come back: {why}"
            ))
        });
        if let Some(why) = stays_down {
            return Some(StepResult::Skipped(why));
        }
        let said = match step.deed {
            Deed::Override { .. } => self.outside.run_override(unit, limit),
            _ => self.manager.try_restart(scope, unit, limit),
        };
        let mut started = vec![unit];
        started.extend(step.pulled.iter().map(String::as_str));
        self.outside.started(scope, &started);
        self.settle(step, since, scope, (unit, before, said), pulled);
        None
    }

    /// What is up now, and goes down with a step's own unit.
    fn pulled(&mut self, step: &'a Step, scope: Scope) -> Vec<(&'a str, UnitState)> {
        let mut up = Vec::new();
        for unit in &step.pulled {
            match self.manager.unit(scope, unit) {
                Ok(state) if state.is_up() => up.push((unit.as_str(), state)),
                Ok(_) => {}
                // The first question was answered; one that is not is as good as a manager that does not answer.
                Err(_) if self.failed.silent(scope) => return up,
                Err(_) => {}
            }
        }
        up
    }

    fn failure(&mut self, scope: Scope, unit: &str, why: String, since: Timestamp) -> StepResult {
        failure(self.manager, scope, unit, why, since)
    }
}

fn failure(
    manager: &mut dyn ServiceManager,
    scope: Scope,
    unit: &str,
    why: String,
    since: Timestamp,
) -> StepResult {
    StepResult::Failed(Failure {
        why,
        log: manager.log(scope, unit, since),
        look: manager.look_command(scope, unit),
    })
}

const NOT_RUNNING: &str = "it does not run any more";
const MASKED: &str = "it is masked now";
const TOLD_TO_END: &str = "the run was told to end before it";

/// The service of the system whose restart the administrator's policy is asked for.
fn service_of(deed: &Deed) -> Option<&str> {
    match deed {
        Deed::TryRestart {
            scope: Scope::System,
            unit: name,
        }
        | Deed::RestartService { name }
        | Deed::Override { name } => Some(name),
        Deed::TryRestart { .. } | Deed::Reload(_) | Deed::Reexec(_) | Deed::Command { .. } => None,
    }
}

/// Why nothing is to be done to a unit any more. It is looked at after its manager read its files anew, where it had to: what is
/// the case by those was not known when the run was planned.
fn too_late(now: &UnitState, step: &Step) -> Option<String> {
    // The administrator's own way need not ask the manager.
    let asks = !matches!(step.deed, Deed::Override { .. });
    let why = if now.load == "masked" {
        MASKED
    } else if now.has_job {
        "its manager has another job for it"
    } else if !now.is_up() {
        NOT_RUNNING
    } else if !step.invocation.is_empty() && step.invocation != now.invocation {
        "it was restarted meanwhile"
    } else if asks && now.refuse_manual_stop {
        "it refuses to be stopped by hand now"
    } else if asks && now.refuse_manual_start {
        "it refuses to be started by hand now"
    } else {
        return would_stay_down(now).map(|why| format!("it would not come back: {why}"));
    };
    Some(why.to_owned())
}

/// Why a unit that is up would not come up again, once it is down.
fn would_stay_down(now: &UnitState) -> Option<String> {
    match now.load.as_str() {
        "not-found" => return Some("its manager does not know it any more".to_owned()),
        "bad-setting" | "error" => {
            return Some("its unit file cannot be loaded any more".to_owned());
        }
        load if load == "masked" || now.file_state.starts_with("masked") => {
            return Some(MASKED.to_owned());
        }
        _ => {}
    }
    let missing = now.missing.first()?;
    Some(format!("{missing} is not there any more"))
}

fn plain(result: Result<(), String>) -> StepResult {
    match result {
        Ok(()) => StepResult::Done,
        Err(why) => StepResult::Failed(Failure {
            why,
            log: Vec::new(),
            look: String::new(),
        }),
    }
}

fn micros(time: u64) -> Duration {
    Duration::from_micros(time)
}

#[cfg(test)]
mod tests;
