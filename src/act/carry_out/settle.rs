//! Units that were restarted: looked at until they have been up for long enough, or are down.

use std::time::Duration;

use super::{Carrier, POLL, StillUp, micros};
use crate::model::{Deed, Record, Scope, Step, StepResult, Timestamp, UnitState};

/// A unit that its manager starts again and again is not waited for longer than this.
const RESTART_LIMIT: Duration = Duration::from_secs(30);

pub(super) const NOT_STARTED: &str = "it was not started again: a condition of its unit file does not hold any more, or somebody stopped it";
const ENDED: &str = "it was up, and then it ended well, or somebody stopped it";

/// A unit that was restarted.
#[derive(Debug)]
pub(super) struct Settling<'a> {
    step: &'a Step,
    scope: Scope,
    unit: &'a str,
    /// Whether it only went down with the step's own unit.
    is_pulled: bool,
    before: UnitState,
    /// When its restart began, by the time of day.
    since: Timestamp,
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

/// A step whose own unit was restarted, until that and all that it pulled along have settled.
#[derive(Debug)]
pub(super) struct Ending<'a> {
    step: &'a Step,
    left: usize,
    /// The worst so far.
    result: StepResult,
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
    /// It went down, and is not to be started: somebody may have stopped it.
    Stopped(&'static str),
    /// It is neither, or nobody can tell.
    Unsettled(String),
}

impl<'a> Carrier<'a> {
    /// Begins to look at a step's own unit, and at what it pulled along.
    pub(super) fn settle(
        &mut self,
        step: &'a Step,
        since: Timestamp,
        scope: Scope,
        own: (&'a str, UnitState, Result<(), String>),
        pulled: Vec<(&'a str, UnitState)>,
    ) {
        let (unit, before, said) = own;
        self.ending.push(Ending {
            step,
            left: 1 + pulled.len(),
            result: StepResult::Done,
        });
        let now = self.outside.clock();
        let open = |unit, is_pulled, before: UnitState, said| Settling {
            step,
            scope,
            unit,
            is_pulled,
            end: now + longest(step, &before),
            before,
            since,
            said,
            failed: None,
            up_since: None,
            next: now,
        };
        self.look(open(unit, false, before, said));
        for (unit, before) in pulled {
            self.look(open(unit, true, before, Ok(())));
        }
    }

    /// One of a step's units has settled.
    fn settled_as(&mut self, one: &Settling<'a>, result: StepResult) {
        if result == StepResult::Done {
            let up = one.up_since.as_ref();
            self.carried.up.push(StillUp {
                step: one.step.number,
                scope: one.scope,
                unit: one.unit.to_owned(),
                restarts: up.map_or(one.before.restarts, |(state, _)| state.restarts),
                since: one.since,
            });
        }
        let number = one.step.number;
        let mut all = self.ending.iter();
        let Some(at) = all.position(|ending| ending.step.number == number) else {
            return;
        };
        let ending = &mut self.ending[at];
        ending.left -= 1;
        // What fails first is told of: the step's own, as a rule.
        if !matches!(ending.result, StepResult::Failed(_)) && result != StepResult::Done {
            ending.result = result;
        }
        if ending.left == 0 {
            let ending = self.ending.swap_remove(at);
            self.end(ending.step, ending.result);
        }
    }

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
                let said = one.said.is_ok();
                look_after(&one.before, said, &state, &mut one.up_since, now, settle)
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
        let result = match one.failed.take() {
            None => self.first_start(&mut one, after),
            Some(failed) => Some(match after {
                After::Up => StepResult::Done,
                After::Down(_) | After::Stopped(_) | After::Unsettled(_) | After::Same => failed,
            }),
        };
        match result {
            Some(result) => self.settled_as(&one, result),
            None => self.look(one),
        }
    }

    /// `None` if it is tried once more.
    fn first_start(&mut self, one: &mut Settling<'a>, after: After) -> Option<StepResult> {
        let own_way = matches!(one.step.deed, Deed::Override { .. });
        let why = match (after, &mut one.said) {
            (After::Up, Ok(())) => return Some(StepResult::Done),
            // Whatever was said on the way: it was restarted, and is up. An administrator's own way is to say so.
            (After::Up, Err(_)) if !own_way => return Some(StepResult::Done),
            // It may do it without a new start; the look at the machine will tell.
            (After::Same, Ok(())) if own_way || one.is_pulled => return Some(StepResult::Done),
            (After::Down(why), _) => {
                self.bring_back(one, &why);
                return None;
            }
            (After::Stopped(why), _) => why.to_owned(),
            (_, Err(why)) => std::mem::take(why),
            (After::Unsettled(why), Ok(())) => why,
            (After::Same, Ok(())) => {
                "its manager says that it was restarted, and it was not".to_owned()
            }
        };
        Some(self.failure(one.scope, one.unit, one.named(why), one.since))
    }

    /// It was up before we came: one more try, and then a person has to look.
    fn bring_back(&mut self, one: &mut Settling<'a>, why: &str) {
        let (scope, unit) = (one.scope, one.unit);
        let what = "its failure is cleared, and it is started once more";
        self.write(Record::Note(format!("{unit}: {why}; {what}")));
        // The log of the start that failed: the next one has its own.
        one.failed = Some(self.failure(scope, unit, one.named(why.to_owned()), one.since));
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
    }
}

impl Settling<'_> {
    /// A reason, with the name of a unit that is not the step's own.
    fn named(&self, why: String) -> String {
        match self.is_pulled {
            true => format!("{}, which went down with it: {why}", self.unit),
            false => why,
        }
    }
}

/// What one look at a restarted unit tells, after the looks before it.
fn look_after(
    before: &UnitState,
    said: bool,
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
        // What fails for a dependency is not started, and said to be.
        "inactive" if said && is_same_start(before, state) => After::Stopped(NOT_STARTED),
        "inactive" if state.result == "success" && up_since.is_some() => After::Stopped(ENDED),
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
