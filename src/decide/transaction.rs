//! Plan and situation → steps in their order, and what is held back with the reason. Pure.
//!
//! What a person chose (units on the command line, a ticked line) restricts a run to that, and says that the moment is right. A
//! package on the command line restricts it to what runs that package's old code, and says nothing of moments: among what uses
//! a library are the message bus and everybody's sessions. What is chosen
//! lifts what policy *defers*, and the settings that let a class only be asked for. It never lifts `leave` or `hide`, what the
//! service manager refuses, masked units, jobs under way, oneshots, start limits, what would end the asking process, nor the
//! settings that let a class only be listed. And it lifts nothing for units that would merely be pulled along.
//!
//! A file in `restart.d` named after a unit is an administrator's own way to restart it: it stands in for the service
//! manager's, also where that refuses. Not for units of users, whose names are theirs to choose.

mod along;
mod candidates;
mod graph;
mod limits;
mod once;
mod order;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Ancestor, Because, Class, Deed, Facts, Held, Mode, OwnStart, Owner, Plan, Policy, Scope, Stage,
    Step, Transaction, Units,
};

use along::Along;
use candidates::{Candidate, Target};
use graph::Graphs;
use once::Once;

/// Units that one reason names; the rest is counted.
const NAMED: usize = 8;

/// What a transaction rests on, besides the plan.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// What was seen: rules may ask it.
    pub facts: &'a Facts,
    /// What service managers say of their units, right now.
    pub units: &'a Units,
    /// What the administrator wants.
    pub policy: &'a Policy,
    /// The most that is done for a class. A class that is not in it: everything for services and managers, nothing for
    /// containers and virtual machines.
    pub modes: &'a BTreeMap<Class, Mode>,
    /// How the run was asked for.
    pub mode: Mode,
    /// The asking process, and all above it.
    pub ancestors: &'a [Ancestor],
    /// What a person named or ticked; `None` if nobody chose, and all is meant.
    pub selected: Option<&'a Wish>,
    /// Names of files in `restart.d`: units that an administrator restarts in another way.
    pub overrides: &'a BTreeSet<String>,
    /// What runs before this one started, and when.
    pub our_starts: &'a [OwnStart],
    /// The real-time clock, in microseconds.
    pub now_us: i64,
}

/// What a person wants to be restarted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    meant: BTreeSet<Owner>,
    chosen: BTreeSet<Owner>,
}

impl Wish {
    /// Adds what was named itself, or ticked: now, whoever else would wait.
    pub fn choose(&mut self, owner: Owner) {
        self.meant.insert(owner.clone());
        self.chosen.insert(owner);
    }

    /// Adds what is meant by something else: by a package. It is done if it would be done anyway.
    pub fn mean(&mut self, owner: Owner) {
        self.meant.insert(owner);
    }
}

impl FromIterator<Owner> for Wish {
    /// All of them chosen.
    fn from_iter<I: IntoIterator<Item = Owner>>(owners: I) -> Self {
        let mut wish = Self::default();
        owners.into_iter().for_each(|owner| wish.choose(owner));
        wish
    }
}

impl Situation<'_> {
    /// Whether a person chose it.
    fn is_chosen(&self, owner: &Owner) -> bool {
        self.selected
            .is_some_and(|wish| wish.chosen.contains(owner))
    }

    /// Whether the run is about other things.
    fn is_not_asked(&self, owner: &Owner) -> bool {
        self.selected
            .is_some_and(|wish| !wish.meant.contains(owner))
    }
}

/// Decides what is done, in which order, and what is held back.
#[must_use]
pub fn transaction(plan: &Plan, situation: &Situation<'_>) -> Transaction {
    let graphs = Graphs::of(situation.units);
    let (candidates, mut held) = candidates::of(plan, situation, &graphs);
    let mut along = Along::of(plan, situation, &graphs);
    let mut budget = limits::Budget::default();
    let mut checked: Vec<Checked> = Vec::new();
    for candidate in candidates {
        let one = budget
            .take(&candidate)
            .and_then(|()| check(&candidate, situation, &graphs, &mut along))
            .and_then(|one| budget.take_along(one));
        match one {
            Ok(one) => checked.push(one),
            Err(because) => held.extend(hold(candidate, &because)),
        }
    }
    let Once { roots, twice } = once::of(checked);
    for (checked, because) in twice {
        held.extend(hold_all(checked, &because));
    }
    let ordered = order::of(roots, situation, &graphs);
    let mut steps = Vec::new();
    let mut starts = limits::Starts::new(situation);
    for (stage, checked) in ordered {
        match limits::wait(&checked, &mut starts, &graphs) {
            Ok(wait_us) => steps.push(step(checked, stage, wait_us, situation, &graphs)),
            Err(because) => held.extend(hold_all(checked, &because)),
        }
    }
    let mut steps = with_reloads(steps, &graphs);
    for (number, step) in (1..).zip(&mut steps) {
        step.number = number;
    }
    keep_apart(&steps, &mut held);
    for held in &mut held {
        if situation.is_not_asked(&held.owner) {
            // Whatever else speaks against it, nobody wants to hear of it now.
            held.because = candidates::reasons(&held.because, Some(not_asked()));
        }
    }
    Transaction { steps, held }
}

/// A candidate that nothing speaks against, with all that goes down and comes back with it.
#[derive(Debug)]
struct Checked {
    candidate: Candidate,
    /// The ids of units that are up and are pulled along; without its own.
    pulled: BTreeSet<String>,
    /// Whose stale code it renews.
    owners: BTreeSet<Owner>,
    /// Whether the asking process is reached through it, or below it.
    above_us: bool,
}

/// Whether it may be done now, and what it takes along.
fn check(
    candidate: &Candidate,
    situation: &Situation<'_>,
    graphs: &Graphs<'_>,
    along: &mut Along<'_>,
) -> Result<Checked, Because> {
    if let Some(because) = manager_obstacle(candidate, situation) {
        return Err(because);
    }
    let mut owners: BTreeSet<Owner> = candidate.owners.iter().cloned().collect();
    let Target::Unit { scope, unit } = &candidate.target else {
        if candidates::runs_us(candidate, situation) {
            return Err(ancestor("it runs what asks for the restart"));
        }
        return Ok(Checked {
            candidate: candidate.clone(),
            pulled: BTreeSet::new(),
            owners,
            above_us: false,
        });
    };
    let scope = *scope;
    let pulled = graphs.closure(scope, unit).map_err(|_| {
        let why = "a restart of it takes along more units than a user's service manager has";
        held_by("pulls", why)
    })?;
    for name in &pulled {
        if let Some(why) = along.why_not(scope, name) {
            let why = format!("a restart of it takes {name} along: {why}");
            return Err(held_by("pulls", &why));
        }
    }
    let mut above_us = false;
    for name in std::iter::once(unit).chain(&pulled) {
        match graphs.relation(scope, name, situation.ancestors) {
            graph::Relation::None => {}
            graph::Relation::Above => above_us = true,
            graph::Relation::Kills(comm) => {
                let why = format!(
                    "stopping {name} would end {}, which is above what asks for the restart",
                    comm.escaped()
                );
                return Err(ancestor(&why));
            }
        }
    }
    owners.extend(along.owners(scope, &pulled));
    Ok(Checked {
        candidate: candidate.clone(),
        pulled,
        owners,
        above_us,
    })
}

fn not_asked() -> Because {
    held_by("not-asked", "it was not asked for")
}

fn ancestor(why: &str) -> Because {
    held_by("ancestor", why)
}

fn held_by(rule: &str, why: &str) -> Because {
    Because {
        rule: rule.to_owned(),
        why: why.to_owned(),
    }
}

/// A manager that does not answer, or has other things to do, is not asked for anything.
fn manager_obstacle(candidate: &Candidate, situation: &Situation<'_>) -> Option<Because> {
    let scope = candidate.manager()?;
    let said = situation.units.of_scope(scope);
    let system = situation.units.of_scope(Scope::System);
    let state = |said: Option<&Result<crate::model::ManagerState, String>>| {
        said.and_then(|said| Some(said.as_ref().ok()?.state.clone()))
    };
    for state in [state(system), state(said)].into_iter().flatten() {
        let busy = [
            "initializing",
            "starting",
            "stopping",
            "maintenance",
            "offline",
        ];
        if busy.contains(&state.as_str()) {
            let why = format!("the service manager is {state}: nothing is added to that");
            return Some(held_by("manager-state", &why));
        }
    }
    if !candidate.needs_answer() {
        return None;
    }
    match said {
        Some(Ok(_)) => None,
        Some(Err(why)) => {
            let why = format!("its service manager does not answer: {why}");
            Some(held_by("no-manager", &why))
        }
        None => Some(held_by("no-manager", "its service manager was not asked")),
    }
}

fn step(
    checked: Checked,
    stage: Stage,
    wait_us: u64,
    situation: &Situation<'_>,
    graphs: &Graphs<'_>,
) -> Step {
    let times = limits::times(&checked, graphs);
    let invocation = graphs
        .state(&checked.candidate)
        .map(|unit| unit.invocation.clone());
    Step {
        number: 0,
        deed: checked.candidate.deed(situation, graphs),
        class: checked.candidate.class,
        stage,
        owners: checked.owners.into_iter().collect(),
        pulled: checked.pulled.into_iter().collect(),
        because: checked.candidate.because,
        invocation: invocation.unwrap_or_default(),
        wait_us,
        settle_us: times.settle_us,
        limit_us: times.limit_us,
    }
}

/// Managers read changed unit files before anything of theirs is restarted, once. One that starts itself anew reads them
/// anyway (systemctl(1), `daemon-reexec`).
fn with_reloads(steps: Vec<Step>, graphs: &Graphs<'_>) -> Vec<Step> {
    let mut changed: BTreeMap<Scope, Vec<String>> = BTreeMap::new();
    for step in &steps {
        let Some((scope, unit)) = restarted(step) else {
            continue;
        };
        let names = std::iter::once(&unit).chain(&step.pulled);
        let needing = names.filter(|name| graphs.needs_reload(scope, name));
        changed.entry(scope).or_default().extend(needing.cloned());
    }
    let reexecs = |scope: &Scope| {
        let deed = Deed::Reexec(*scope);
        steps.iter().any(|step| step.deed == deed)
    };
    let changed = changed.into_iter();
    let needed = changed.filter(|(scope, names)| !names.is_empty() && !reexecs(scope));
    let reloads = needed.map(|(scope, mut names)| {
        names.sort();
        names.dedup();
        let more = names.len().saturating_sub(NAMED);
        names.truncate(NAMED);
        let mut why = format!("files of {}", names.join(", "));
        if more > 0 {
            why.push_str(&format!(" and {more} more"));
        }
        why.push_str(" changed since it read them");
        Step {
            number: 0,
            deed: Deed::Reload(scope),
            class: match scope {
                Scope::System => Class::ServiceManager,
                Scope::User(_) => Class::UserManager,
            },
            stage: Stage::Manager,
            owners: Vec::new(),
            pulled: Vec::new(),
            because: vec![held_by("daemon-reload", &why)],
            invocation: String::new(),
            wait_us: 0,
            settle_us: 0,
            limit_us: limits::MANAGER_LIMIT_US,
        }
    });
    let mut all: Vec<Step> = reloads.collect();
    all.extend(steps);
    // Stable: within a stage the order stays. All that is the system's comes before anything that users' managers are asked for:
    // they take the time that they like.
    all.sort_by_key(|step| match &step.deed {
        Deed::Reload(scope) | Deed::Reexec(scope) => {
            (*scope != Scope::System, Stage::Manager, Some(*scope))
        }
        Deed::TryRestart { scope, .. } => (*scope != Scope::System, step.stage, None),
        Deed::RestartService { .. } | Deed::Override { .. } | Deed::Command { .. } => {
            (false, step.stage, None)
        }
    });
    all
}

/// The unit that a step restarts, and its manager.
fn restarted(step: &Step) -> Option<(Scope, String)> {
    match &step.deed {
        Deed::TryRestart { scope, unit } => Some((*scope, unit.clone())),
        Deed::Override { name } => Some((Scope::System, name.clone())),
        Deed::Reload(_) | Deed::Reexec(_) | Deed::RestartService { .. } | Deed::Command { .. } => {
            None
        }
    }
}

/// What would have been renewed along is held for the same reason.
fn hold_all(checked: Checked, because: &Because) -> impl Iterator<Item = Held> {
    let owners = checked.owners.into_iter().collect();
    hold(
        Candidate {
            owners,
            ..checked.candidate
        },
        because,
    )
}

fn hold(candidate: Candidate, because: &Because) -> impl Iterator<Item = Held> {
    let all = candidates::reasons(&candidate.because, Some(because.clone()));
    let held = move |owner| Held {
        owner,
        because: all.clone(),
    };
    candidate.owners.into_iter().map(held)
}

/// What a step renews is not held as well: not what an earlier restart of the same unit left over either, which the look
/// afterwards finds again. And one owner is held once.
fn keep_apart(steps: &[Step], held: &mut Vec<Held>) {
    let mut seen: BTreeSet<Owner> = steps.iter().flat_map(|step| step.owners.clone()).collect();
    // Why the rest of a unit is held says more than that something is left over of it.
    let order = |held: &Held| held.because.first().is_some_and(Because::is_leftover);
    held.sort_by(|a, b| (&a.owner, order(a)).cmp(&(&b.owner, order(b))));
    held.retain(|one| seen.insert(one.owner.clone()));
}
