//! Units that were restarted: looked at until they have been up for long enough, or are down.

use std::time::Duration;

use super::{Carrier, POLL, micros};
use crate::model::{Deed, Record, Scope, Step, StepResult, UnitState};

/// A unit that its manager starts again and again is not waited for longer than this.
const RESTART_LIMIT: Duration = Duration::from_secs(30);

/// A unit that was restarted.
#[derive(Debug)]
pub(super) struct Settling<'a> {
    step: &'a Step,
    scope: Scope,
    unit: &'a str,
    before: UnitState,
    /// What its restart said.
    said: Result<(), String>,
    /// How the first start failed, if this is the second.
    failed: Option<StepResult>,
    up_since: Option<(UnitState, Duration)>,
    /// When to look again.
    next: Duration,
    /// When to give up.
    end: Duration,
}

impl<'a> Settling<'a> {
    pub(super) fn new(
        step: &'a Step,
        scope: Scope,
        unit: &'a str,
        before: UnitState,
        said: Result<(), String>,
        now: Duration,
    ) -> Self {
        let end = now + longest(step, &before);
        Self {
            step,
            scope,
            unit,
            before,
            said,
            failed: None,
            up_since: None,
            next: now,
            end,
        }
    }
}

fn longest(step: &Step, before: &UnitState) -> Duration {
    let restart = micros(before.restart_us).min(RESTART_LIMIT);
    2 * (micros(step.settle_us) + restart) + POLL
}

/// What a unit is after it was restarted.
#[derive(Debug)]
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

impl<'a> Carrier<'a> {
    /// Until nothing is open any more.
    pub(super) fn settle_all(&mut self) {
        loop {
            self.look_at_due();
            let Some(next) = self.open.iter().map(|one| one.next).min() else {
                return;
            };
            let now = self.outside.clock();
            self.outside.sleep(next.saturating_sub(now));
        }
    }

    /// Looks at those whose time has come.
    pub(super) fn look_at_due(&mut self) {
        let now = self.outside.clock();
        let open = std::mem::take(&mut self.open);
        let (due, others) = open.into_iter().partition(|one| one.next <= now);
        self.open = others;
        let due: Vec<Settling<'a>> = due;
        due.into_iter().for_each(|one| self.look(one));
    }

    pub(super) fn look(&mut self, mut one: Settling<'a>) {
        let now = self.outside.clock();
        // While others were restarted, nobody looked: that time was not its own.
        one.end += now.saturating_sub(one.next);
        let looked = self.manager.unit(one.scope, one.unit);
        let took = self.outside.clock().saturating_sub(now);
        self.patience.spend(Some(one.scope), took);
        let mut end = one.end;
        let after = match looked {
            Err(why) => {
                // Nobody waits more than once for the manager of a user.
                if self.failed.silent(one.scope) {
                    end = now;
                }
                After::Unsettled(format!("its manager does not answer: {why}"))
            }
            Ok(state) => {
                let settle = micros(one.step.settle_us);
                look_after(&one.before, &state, &mut one.up_since, now, settle)
            }
        };
        match after {
            After::Unsettled(_) if now < end => {
                one.next = now + POLL;
                self.open.push(one);
            }
            after => self.settled(one, after),
        }
    }

    fn settled(&mut self, mut one: Settling<'a>, after: After) {
        if let Some(failed) = one.failed.take() {
            let result = match after {
                After::Up => StepResult::Done,
                After::Down(_) | After::Unsettled(_) | After::Same => failed,
            };
            return self.end(one.step, result);
        }
        let own_way = matches!(one.step.deed, Deed::Override { .. });
        let is_done = match (&after, &one.said) {
            (After::Up, Ok(())) => true,
            // Whatever was said on the way: it was restarted, and is up. An administrator's own way is to say so.
            (After::Up, Err(_)) => !own_way,
            // It may do it without a new start; the look at the machine will tell.
            (After::Same, Ok(())) => own_way,
            (After::Same | After::Down(_) | After::Unsettled(_), _) => false,
        };
        if is_done {
            return self.end(one.step, StepResult::Done);
        }
        let why = match (after, &mut one.said) {
            (After::Down(why), _) => return self.bring_back(one, &why),
            (_, Err(why)) => std::mem::take(why),
            (After::Unsettled(why), Ok(())) => why,
            (After::Same | After::Up, Ok(())) => {
                "its manager says that it was restarted, and it was not".to_owned()
            }
        };
        let failure = self.failure(one.scope, one.unit, why);
        self.end(one.step, failure);
    }

    /// It was up before we came: one more try, and then a person has to look.
    fn bring_back(&mut self, mut one: Settling<'a>, why: &str) {
        let (scope, unit) = (one.scope, one.unit);
        let what = "its failure is cleared, and it is started once more";
        self.write(Record::Note(format!("{unit}: {why}; {what}")));
        // The log of the start that failed: the next one has its own.
        one.failed = Some(self.failure(scope, unit, why.to_owned()));
        let limit = micros(one.step.limit_us);
        let limit = self.patience.limit(Some(scope), limit);
        let begun = self.outside.clock();
        one.said = self.manager.start_cleared(scope, unit, limit);
        self.outside.started(scope, &[unit]);
        let now = self.outside.clock();
        self.patience.spend(Some(scope), now.saturating_sub(begun));
        one.up_since = None;
        one.end = now + longest(one.step, &one.before);
        one.next = now;
        self.look(one);
    }
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
        // Something else pulls it along.
        "failed" | "inactive" if state.has_job => {
            *up_since = None;
            After::Unsettled("its manager is not done with it".to_owned())
        }
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
