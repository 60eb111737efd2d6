//! Plan and situation → steps in their order. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Policy, Ancestor, Class, Held, Mode, OwnStart, Owner, Plan, Transaction, Units};

/// What a transaction rests on, besides the plan.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
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
    pub selected: Option<&'a BTreeSet<Owner>>,
    /// Names of files in `restart.d`: units that an administrator restarts in another way.
    pub overrides: &'a BTreeSet<String>,
    /// What runs before this one started, and when.
    pub our_starts: &'a [OwnStart],
    /// The real-time clock, in microseconds.
    pub now_us: i64,
}

/// Decides what is done, in which order, and what is held back.
#[must_use]
pub fn transaction(plan: &Plan, _situation: &Situation<'_>) -> Transaction {
    let held = plan.items.iter().map(|item| Held {
        owner: item.owner.clone(),
        because: item.because.clone(),
    });
    Transaction {
        steps: Vec::new(),
        held: held.collect(),
    }
}
