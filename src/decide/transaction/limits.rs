//! How long to wait for a step: before it, so that the manager's start limit is kept, for it, and after it.

use std::collections::BTreeMap;

use super::graph::Graphs;
use super::{Candidate, Checked, Situation, Target, held_by};
use crate::model::{Because, OwnStart, Scope, UnitState};

const SECOND_US: u64 = 1_000_000;

/// Nobody waits longer for a start limit.
const WAIT_CAP_US: u64 = 60 * SECOND_US;

/// What is added to a wait: two clocks and a timer are in it.
const WAIT_SLACK_US: u64 = SECOND_US / 10;

/// A service that fails right after its start does so within this time, as a rule.
const SETTLE_US: u64 = 2 * SECOND_US;
const SETTLE_CAP_US: u64 = 10 * SECOND_US;

/// What comes on top of the unit's own timeouts.
const LIMIT_SLACK_US: u64 = 5 * SECOND_US;

/// Where a unit may start or stop for ever: nobody watches a run for ever.
const ENDLESS_US: u64 = 10 * 60 * SECOND_US;

/// A user's unit says what it likes of its timeouts, and others wait behind it: systemd's own defaults, and no more.
const USER_LIMIT_US: u64 = 185 * SECOND_US;

/// So many of a user's services are restarted in one run, and so many bytes of names come along with them.
const USER_UNITS_CAP: usize = 128;
const USER_BYTES_CAP: usize = 64 * 1024;

/// How long a manager may read its files, or start itself anew.
pub(super) const MANAGER_LIMIT_US: u64 = 90 * SECOND_US;

/// Times of one step, in microseconds.
#[derive(Debug)]
pub(super) struct Times {
    pub(super) settle_us: u64,
    pub(super) limit_us: u64,
}

/// Starts of units: those that were, and those that this transaction will cause.
#[derive(Debug)]
pub(super) struct Starts<'a> {
    now_us: i64,
    ours: &'a [OwnStart],
    planned: BTreeMap<(Scope, String), Vec<i64>>,
}

impl<'a> Starts<'a> {
    pub(super) fn new(situation: &Situation<'a>) -> Self {
        Self {
            now_us: situation.now_us,
            ours: situation.our_starts,
            planned: BTreeMap::new(),
        }
    }

    /// All starts that may still count, the oldest first.
    fn of(&self, scope: Scope, unit: &UnitState) -> Vec<i64> {
        let is_own = |own: &&OwnStart| own.scope == scope && own.unit == unit.id;
        let mut starts = match &unit.recent_starts_us {
            Some(known) => known.clone(),
            // Better than nothing: what we did is what we are answerable for.
            None => self
                .ours
                .iter()
                .filter(is_own)
                .map(|own| own.time_us)
                .collect(),
        };
        starts.extend(
            self.planned
                .get(&(scope, unit.id.clone()))
                .into_iter()
                .flatten(),
        );
        starts.sort_unstable();
        starts
    }

    /// How long to wait until the manager starts a unit once more. systemd counts in windows that begin with a start
    /// (`ratelimit_below`); a window that slides is never more generous.
    fn wait(&self, scope: Scope, unit: &UnitState) -> u64 {
        let interval = i64::try_from(unit.start_limit_interval_us).unwrap_or(i64::MAX);
        let burst = usize::try_from(unit.start_limit_burst).unwrap_or(usize::MAX);
        if interval == 0 || burst == 0 {
            return 0;
        }
        let since = self.now_us.saturating_sub(interval);
        let starts = self.of(scope, unit);
        let counting: Vec<i64> = starts.into_iter().filter(|&start| start > since).collect();
        let Some(too_many) = counting.len().checked_sub(burst) else {
            return 0;
        };
        // With so many of the oldest out of the window there is room for one.
        let Some(&last_out) = counting.get(too_many) else {
            return 0;
        };
        let over = last_out.saturating_add(interval);
        let wait = u64::try_from(over.saturating_sub(self.now_us)).unwrap_or(0);
        wait.saturating_add(WAIT_SLACK_US)
    }
}

/// What the managers of users may make a transaction cost: all that they say is theirs to choose, and what a journal cannot hold
/// would keep everybody's services from being restarted.
#[derive(Debug, Default)]
pub(super) struct Budget {
    users: BTreeMap<Scope, Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    units: usize,
    bytes: usize,
}

impl Budget {
    /// Takes a place for what is to be restarted.
    pub(super) fn take(&mut self, candidate: &Candidate) -> Result<(), Because> {
        let Some(taken) = self.of(candidate) else {
            return Ok(());
        };
        taken.units += 1;
        if taken.units > USER_UNITS_CAP {
            return Err(too_many());
        }
        Ok(())
    }

    /// Takes the room for what comes along.
    pub(super) fn take_along(&mut self, checked: Checked) -> Result<Checked, Because> {
        if let Some(taken) = self.of(&checked.candidate) {
            let names = checked.pulled.iter().map(String::len);
            taken.bytes = taken.bytes.saturating_add(names.sum());
            if taken.bytes > USER_BYTES_CAP {
                return Err(too_many());
            }
        }
        Ok(checked)
    }

    fn of(&mut self, candidate: &Candidate) -> Option<&mut Taken> {
        let users = candidate
            .manager()
            .filter(|&scope| scope != Scope::System)?;
        Some(self.users.entry(users).or_default())
    }
}

fn too_many() -> Because {
    let why = "more services of one user are old than are restarted in one run: the rest waits for the next";
    held_by("too-many", why)
}

/// How long to wait before a step, so that none of its units meets its start limit.
pub(super) fn wait(
    checked: &Checked,
    starts: &mut Starts<'_>,
    graphs: &Graphs<'_>,
) -> Result<u64, Because> {
    let units = units_of(checked, graphs);
    let mut longest = 0;
    for (scope, unit) in &units {
        let wait = starts.wait(*scope, unit);
        if wait > WAIT_CAP_US {
            let why = format!(
                "{} was started so often of late that its service manager would refuse to start it again; later it will not",
                unit.id
            );
            return Err(held_by("start-limit", &why));
        }
        longest = longest.max(wait);
    }
    let then = i64::try_from(longest).map_or(i64::MAX, |wait| starts.now_us.saturating_add(wait));
    for (scope, unit) in units {
        let key = (scope, unit.id.clone());
        starts.planned.entry(key).or_default().push(then);
    }
    Ok(longest)
}

/// How long a step may take, and how long to look at it afterwards.
pub(super) fn times(checked: &Checked, graphs: &Graphs<'_>) -> Times {
    let units = units_of(checked, graphs);
    let (mut limit_us, mut endless, mut settle_us) = (LIMIT_SLACK_US, false, SETTLE_US);
    for (_, unit) in &units {
        for timeout in [unit.timeout_start_us, unit.timeout_stop_us] {
            endless |= timeout.is_none();
            limit_us = limit_us.saturating_add(timeout.unwrap_or(0));
        }
        settle_us = settle_us.max(unit.restart_us.saturating_add(SECOND_US));
    }
    if endless {
        limit_us = limit_us.max(ENDLESS_US);
    }
    let limit_us = match &checked.candidate.target {
        Target::Manager(_) => MANAGER_LIMIT_US,
        Target::OtherService(_) | Target::Command(_) => ENDLESS_US,
        Target::Unit {
            scope: Scope::User(_),
            ..
        } => limit_us.min(USER_LIMIT_US),
        // Hours are a mistake in a unit file, and not what somebody wants to sit out.
        Target::Unit {
            scope: Scope::System,
            ..
        } if !endless => limit_us.min(6 * ENDLESS_US),
        Target::Unit { .. } => ENDLESS_US,
    };
    Times {
        settle_us: settle_us.min(SETTLE_CAP_US),
        limit_us,
    }
}

/// The unit of a step and those that it pulls along, as far as they are services: nothing else has timeouts of note.
fn units_of<'a>(checked: &Checked, graphs: &Graphs<'a>) -> Vec<(Scope, &'a UnitState)> {
    let Candidate {
        target: Target::Unit { scope, unit },
        ..
    } = &checked.candidate
    else {
        return Vec::new();
    };
    let names = std::iter::once(unit).chain(&checked.pulled);
    let services = names.filter(|name| name.ends_with(".service"));
    let known = services.filter_map(|name| graphs.unit(*scope, name));
    known.map(|unit| (*scope, unit)).collect()
}
