//! What to do, and why.

use serde::{Deserialize, Serialize};

use super::{Finding, Owner, ProcessKey};

/// What it takes to be rid of stale code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Restart the service.
    Restart,
    /// Let the service manager re-execute itself.
    Reexec,
    /// Log out and in again.
    Relogin,
    /// Restart the container.
    RestartContainer,
    /// Power-cycle or migrate the virtual machine.
    RestartVm,
    /// Stale, but not to be done now or not by a program: the reason says by whom and when.
    Defer,
    /// Policy says to leave it alone.
    Leave,
}

/// One step of the reason for a decision: which rule, in words for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Because {
    /// The rule's stable name: `unit.restart`, `policy.dbus`.
    pub rule: String,
    /// Why, as a sentence part: lower case, no full stop.
    pub why: String,
}

/// One owner with everything stale in it, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What to do.
    pub action: Action,
    /// To whom.
    pub owner: Owner,
    /// Why.
    pub because: Vec<Because>,
    /// Its stale processes, by pid.
    pub processes: Vec<ItemProcess>,
}

/// A stale process of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemProcess {
    /// Which.
    pub key: ProcessKey,
    /// Its stale objects.
    pub findings: Vec<Finding>,
}

/// Everything decided, in the order of reading: what to do now first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// One item an owner.
    pub items: Vec<Item>,
}
