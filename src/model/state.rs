//! What the last look at this machine found, as it is kept for everybody.

use super::{Action, Because, Level, Owner, ProcessKey, Timestamp, Upgrade};

/// What is kept. Times since boot (`…_secs` of the boot-time clock) go on when somebody sets the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The version of the program that looked.
    pub version: String,
    /// When it looked.
    pub time: Timestamp,
    /// The same, in seconds since the boot.
    pub uptime_secs: u64,
    /// `/proc/sys/kernel/random/boot_id`: what was true of another boot is over.
    pub boot_id: String,
    /// How many things could not be looked at.
    pub problems: u64,
    /// What policy hides.
    pub hidden: u64,
    /// What is needed beyond restarts; `None` if nobody looked, which is not [`Level::None`].
    pub level: Option<Level>,
    /// What asks for it.
    pub causes: Vec<StateCause>,
    /// What is stale, in the order of a check.
    pub items: Vec<StateItem>,
    /// The last restart of this boot.
    pub run: Option<LastRun>,
}

/// Why more than restarts is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateCause {
    /// The rule's stable name.
    pub rule: String,
    /// What it asks for.
    pub level: Level,
    /// Why.
    pub why: String,
}

/// One owner of something stale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateItem {
    /// Whose it is. What a user runs for himself has an empty name here: everybody may read this.
    pub owner: Owner,
    /// What to do.
    pub action: Action,
    /// Why; empty where the owner has no name.
    pub because: Vec<Because>,
    /// The packages whose old versions run; empty where the owner has no name.
    pub packages: Vec<Upgrade>,
    /// Its stale processes, each with the time since boot at which a look saw it stale first.
    pub processes: Vec<(ProcessKey, u64)>,
}

/// How the last restart ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRun {
    /// Its name.
    pub id: String,
    /// When it ended.
    pub time: Timestamp,
    /// Its exit status.
    pub exit: u8,
    /// How many owners run nothing old any more.
    pub clean: u32,
    /// How many were restarted, and still do.
    pub still_stale: u32,
    /// How many could not be restarted, or did not come back.
    pub failed: u32,
    /// How many nobody tried.
    pub deferred: u32,
    /// Of how many the look afterwards could not tell.
    pub unproven: u32,
    /// Those that failed or are still stale, by name.
    pub names: Vec<String>,
}

impl State {
    /// Whether all could be looked at.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.problems == 0 && self.level.is_some()
    }

    /// When a look saw a process stale first, in seconds since boot.
    #[must_use]
    pub fn first_seen(&self, key: ProcessKey) -> Option<u64> {
        let processes = self.items.iter().flat_map(|item| &item.processes);
        let mut same = processes.filter(|(seen, _)| *seen == key);
        same.next().map(|(_, since)| *since)
    }
}

impl StateItem {
    /// Since when it is stale as far as looks saw, in seconds since boot.
    #[must_use]
    pub fn since_secs(&self) -> Option<u64> {
        self.processes.iter().map(|(_, since)| *since).min()
    }

    /// Whether its name was left out.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.owner.name.as_slice().is_empty()
    }
}
