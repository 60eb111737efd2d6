//! Steps, one after the other: each looked at right before, done, and looked at until it is up or is not.
//!
//! What was planned may have passed by the time a step's turn comes: a unit that was stopped or restarted meanwhile is let
//! be. What was active before is never left down without another try.

use std::collections::BTreeSet;
use std::time::Duration;

use super::services::ServiceManager;
use crate::model::{Deed, Failure, Record, Scope, Stage, Step, StepResult, Timestamp, UnitState};

/// How often a unit is looked at until it is up.
const POLL: Duration = Duration::from_millis(250);
/// How long a manager may take to answer again after it started itself anew.
const REEXEC_LIMIT: Duration = Duration::from_secs(30);
/// A unit that its manager starts again and again is not waited for longer than this.
const RESTART_LIMIT: Duration = Duration::from_secs(30);
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
    /// Remembers that a unit was restarted.
    fn started(&mut self, scope: Scope, unit: &str);
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

/// Does all steps.
///
/// # Errors
/// What could not be written down; steps after that are not done.
pub fn carry_out(
    steps: &[Step],
    manager: &mut dyn ServiceManager,
    outside: &mut dyn Outside,
) -> Result<Results, String> {
    let mut carrier = Carrier {
        manager,
        outside,
        failed: Failed::default(),
    };
    let mut results = Vec::new();
    for step in steps {
        let result = carrier.step(step)?;
        results.push((step.number, result));
    }
    Ok(results)
}

/// What failed so far.
#[derive(Debug, Default)]
struct Failed {
    /// The first failed step of each stage.
    stages: Vec<(Stage, u32)>,
    /// Managers of users that failed: nothing more is asked of them.
    managers: BTreeSet<Scope>,
}

impl Failed {
    fn add(&mut self, step: &Step) {
        match (&step.deed, step.stage) {
            // What is wrong with one user's manager is nothing to the system's.
            (Deed::Reload(scope @ Scope::User(_)) | Deed::Reexec(scope @ Scope::User(_)), _) => {
                self.managers.insert(*scope);
            }
            (_, stage) => self.stages.push((stage, step.number)),
        }
    }

    /// Why a step is not done after what failed.
    fn why_not(&self, step: &Step) -> Option<String> {
        if scope_of(&step.deed).is_some_and(|scope| self.managers.contains(&scope)) {
            return Some("the user's service manager failed before".to_owned());
        }
        let (_, number) = self.stages.iter().find(|(stage, _)| stops(*stage, step))?;
        Some(format!("step {number} failed before"))
    }
}

/// Whether what failed in a stage keeps a step from being done. Access to the machine is the last of the services, and no
/// stage that rests on them; in a stage, one failure is nothing to the others.
fn stops(failed: Stage, step: &Step) -> bool {
    match failed {
        Stage::Manager => true,
        Stage::Services => step.stage > Stage::Access,
        Stage::Access | Stage::Network | Stage::Guests => step.stage > failed,
    }
}

fn scope_of(deed: &Deed) -> Option<Scope> {
    match deed {
        Deed::Reload(scope) | Deed::Reexec(scope) | Deed::TryRestart { scope, .. } => Some(*scope),
        Deed::RestartService { .. } | Deed::Override { .. } => Some(Scope::System),
        Deed::Command { .. } => None,
    }
}

struct Carrier<'a> {
    manager: &'a mut dyn ServiceManager,
    outside: &'a mut dyn Outside,
    failed: Failed,
}

/// What a unit is after it was restarted.
enum After {
    /// It is up, and stayed so.
    Up,
    /// It is up, and was not restarted.
    Same,
    /// It went down, and nobody is about to start it.
    Down(String),
    /// It is neither, or nobody can tell.
    Unsettled(String),
}

impl Carrier<'_> {
    fn step(&mut self, step: &Step) -> Result<StepResult, String> {
        let result = match self.why_not(step) {
            Some(why) => StepResult::Skipped(why),
            None => {
                let (number, time) = (step.number, self.outside.now());
                self.outside.record(Record::Begin { step: number, time })?;
                self.act(step)?
            }
        };
        if matches!(result, StepResult::Failed(_)) {
            self.failed.add(step);
        }
        let time = self.outside.now();
        self.outside.record(Record::End {
            step: step.number,
            time,
            result: result.clone(),
        })?;
        Ok(result)
    }

    fn why_not(&mut self, step: &Step) -> Option<String> {
        if self.outside.is_to_end() {
            return Some("the run was told to end before it".to_owned());
        }
        if let Ok(target) = self.manager.unit(Scope::System, SHUTDOWN)
            && (target.has_job || target.is_up())
        {
            return Some("the system is shutting down".to_owned());
        }
        self.failed.why_not(step)
    }

    fn act(&mut self, step: &Step) -> Result<StepResult, String> {
        if !self.wait(micros(step.wait_us)) {
            let why = "the run was told to end before it".to_owned();
            return Ok(StepResult::Skipped(why));
        }
        let limit = micros(step.limit_us);
        Ok(match &step.deed {
            Deed::Reload(scope) => plain(self.manager.reload(*scope)),
            Deed::Reexec(scope) => plain(self.reexec(*scope)),
            Deed::Command { argv } => plain(self.outside.run_command(argv, limit)),
            Deed::TryRestart { scope, unit } => return self.restart(step, *scope, unit),
            Deed::Override { name } => return self.restart(step, Scope::System, name),
            Deed::RestartService { name } => self.restart_service(name, limit),
        })
    }

    /// Whether nobody told the run to end meanwhile.
    fn wait(&mut self, time: Duration) -> bool {
        let end = self.outside.clock() + time;
        while !self.outside.is_to_end() {
            let now = self.outside.clock();
            if now >= end {
                return true;
            }
            self.outside.sleep(POLL.min(end - now));
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
        let said = self.manager.try_restart(scope, name, limit);
        self.outside.started(scope, name);
        match said {
            Ok(()) => StepResult::Done,
            Err(why) => self.failure(scope, name, why),
        }
    }

    fn restart(&mut self, step: &Step, scope: Scope, unit: &str) -> Result<StepResult, String> {
        let before = match self.manager.unit(scope, unit) {
            Ok(state) => state,
            Err(why) => return Ok(self.failure(scope, unit, why)),
        };
        if let Some(why) = too_late(&before, step) {
            return Ok(StepResult::Skipped(why));
        }
        let limit = micros(step.limit_us);
        let own_way = matches!(step.deed, Deed::Override { .. });
        let said = match own_way {
            true => self.outside.run_override(unit, limit),
            false => self.manager.try_restart(scope, unit, limit),
        };
        self.outside.started(scope, unit);
        for pulled in &step.pulled {
            self.outside.started(scope, pulled);
        }
        let settled = self.settle(step, scope, unit, &before);
        let why = match (settled, said) {
            (After::Up, Ok(())) => return Ok(StepResult::Done),
            // Whatever was said on the way: it was restarted, and is up.
            (After::Up, Err(_)) if !own_way => return Ok(StepResult::Done),
            // An administrator's own way may do it without a new start; the look at the machine will tell.
            (After::Same, Ok(())) if own_way => return Ok(StepResult::Done),
            (After::Same, Ok(())) => {
                "its manager says that it was restarted, and it was not".to_owned()
            }
            (After::Down(why), _) => return self.bring_back(step, scope, unit, &before, &why),
            (After::Unsettled(why), Ok(())) | (_, Err(why)) => why,
        };
        Ok(self.failure(scope, unit, why))
    }

    /// It was up before we came: one more try, and then a person has to look.
    fn bring_back(
        &mut self,
        step: &Step,
        scope: Scope,
        unit: &str,
        before: &UnitState,
        why: &str,
    ) -> Result<StepResult, String> {
        let note = |what: &str| Record::Note(format!("{unit}: {why}; {what}"));
        let begun = note("its failure is cleared, and it is started once more");
        self.outside.record(begun)?;
        // The log of the start that failed: the next one has its own.
        let failed = self.failure(scope, unit, why.to_owned());
        let said = self
            .manager
            .start_cleared(scope, unit, micros(step.limit_us));
        self.outside.started(scope, unit);
        Ok(match (self.settle(step, scope, unit, before), said) {
            (After::Up, _) => StepResult::Done,
            (After::Down(_) | After::Unsettled(_) | After::Same, _) => failed,
        })
    }

    /// Looks until a unit has been up for long enough, or is down.
    fn settle(&mut self, step: &Step, scope: Scope, unit: &str, before: &UnitState) -> After {
        let settle = micros(step.settle_us);
        let restart = micros(before.restart_us).min(RESTART_LIMIT);
        let end = self.outside.clock() + 2 * (settle + restart) + POLL;
        let mut up_since: Option<(UnitState, Duration)> = None;
        loop {
            let now = self.outside.clock();
            let looked = self.manager.unit(scope, unit);
            let last = match looked {
                Err(why) => After::Unsettled(format!("its manager does not answer: {why}")),
                Ok(state) => look_after(before, &state, &mut up_since, now, settle),
            };
            match last {
                After::Unsettled(_) if now < end => self.outside.sleep(POLL),
                last => return last,
            }
        }
    }

    fn failure(&mut self, scope: Scope, unit: &str, why: String) -> StepResult {
        let state = self.manager.unit(scope, unit).ok();
        let invocation = state.map(|state| state.invocation);
        let invocation = invocation.filter(|invocation| !invocation.is_empty());
        StepResult::Failed(Failure {
            why,
            log: self.manager.log(scope, unit, invocation.as_deref()),
            look: self.manager.look_command(scope, unit),
        })
    }
}

const NOT_RUNNING: &str = "it does not run any more";

/// Why nothing is to be done to a unit any more.
fn too_late(now: &UnitState, step: &Step) -> Option<String> {
    let why = match now.load.as_str() {
        "masked" => "it is masked now",
        _ if now.has_job => "its manager has another job for it",
        _ if !now.is_up() => NOT_RUNNING,
        _ if !step.invocation.is_empty() && step.invocation != now.invocation => {
            "it was restarted meanwhile"
        }
        _ => return None,
    };
    Some(why.to_owned())
}

/// What one look at a restarted unit tells, after the looks before it.
fn look_after(
    before: &UnitState,
    state: &UnitState,
    up_since: &mut Option<(UnitState, Duration)>,
    now: Duration,
    settle: Duration,
) -> After {
    match state.active.as_str() {
        "failed" => After::Down(format!("it failed ({})", state.result)),
        // Started by its socket when somebody comes, it may end when nobody does.
        "inactive" if !state.triggered_by.is_empty() && state.result == "success" => After::Up,
        "inactive" => After::Down("it ended right after its start".to_owned()),
        "active" | "reloading" | "refreshing" => {
            if is_same_start(before, state) {
                return match state.has_job {
                    true => After::Unsettled("its manager is not done with it".to_owned()),
                    false => After::Same,
                };
            }
            let stayed = up_since.as_ref().filter(|(first, _)| {
                first.invocation == state.invocation
                    && first.main_pid == state.main_pid
                    && first.restarts == state.restarts
            });
            match stayed {
                Some((_, since)) if now - *since >= settle => After::Up,
                Some(_) => After::Unsettled("it does not stay up".to_owned()),
                None if settle.is_zero() => After::Up,
                None => {
                    *up_since = Some((state.clone(), now));
                    After::Unsettled("it does not stay up".to_owned())
                }
            }
        }
        other => {
            *up_since = None;
            After::Unsettled(format!(
                "it is {other} ({}), and does not come up",
                state.sub
            ))
        }
    }
}

/// Whether it is still the start of before. The id of a start is new with each one (systemd.exec(5), `$INVOCATION_ID`).
fn is_same_start(before: &UnitState, after: &UnitState) -> bool {
    match before.invocation.is_empty() && after.invocation.is_empty() {
        false => before.invocation == after.invocation,
        true => before.main_pid.is_some() && before.main_pid == after.main_pid,
    }
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
