//! What a restart will do, in order, and how each part of it ended.

use super::{Because, Bytes, Class, Mode, Owner, Pid, Scope, Timestamp};

/// Steps in their order, and what is not done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transaction {
    /// What is done, one after the other.
    pub steps: Vec<Step>,
    /// What is stale and not touched, and why.
    pub held: Vec<Held>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its number, from 1, in the order of the steps.
    pub number: u32,
    /// What is done.
    pub deed: Deed,
    /// What kind of thing it is done to.
    pub class: Class,
    /// Steps of later stages are not done once one of this stage failed.
    pub stage: Stage,
    /// Whose stale code it renews. Several, if one restart pulls others along.
    pub owners: Vec<Owner>,
    /// Other units that go down and come back with it.
    pub pulled: Vec<String>,
    /// Why.
    pub because: Vec<Because>,
    /// What the unit was when this was planned: if it was restarted since, nothing is done. Empty for what is no unit.
    pub invocation: String,
    /// How long to wait before it, so that the manager's start limit is kept, in microseconds.
    pub wait_us: u64,
    /// How long to look at it afterwards before it counts as up, in microseconds.
    pub settle_us: u64,
    /// How long the manager may take, in microseconds.
    pub limit_us: u64,
}

/// What is done in one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// The manager reads its unit files again.
    Reload(Scope),
    /// The manager starts itself anew, and keeps its services running.
    Reexec(Scope),
    /// A unit is restarted if it is active.
    TryRestart {
        /// Whose manager.
        scope: Scope,
        /// Its name for its manager.
        unit: String,
    },
    /// A service of another manager than systemd.
    RestartService {
        /// Its name there.
        name: String,
    },
    /// An administrator's own way (`restart.d`).
    Override {
        /// The name of the file, which is that of the unit.
        name: String,
    },
    /// The words of a command that a plugin's manifest knows.
    Command {
        /// The words; the first is an absolute path.
        argv: Vec<String>,
    },
}

/// Steps are done stage by stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Managers read their files and start themselves anew.
    Manager,
    /// Services.
    Services,
    /// Services through which the caller reaches the machine, or which are above the caller.
    Access,
    /// What a rule of `network` or the like would defer, and another allows.
    Network,
    /// Containers and virtual machines.
    Guests,
}

/// What is stale and not touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What.
    pub owner: Owner,
    /// Why: policy's reason, or the planner's.
    pub because: Vec<Because>,
}

/// How it ended for one owner, as a look at the machine afterwards says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing of it is stale any more.
    Clean,
    /// It was restarted, and still runs old code.
    StillStale(Vec<Because>),
    /// It could not be done, or it did not come back.
    Failed(Failure),
    /// Nobody tried.
    Deferred(Because),
    /// It was done, and the look afterwards could not tell.
    Unproven(String),
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What happened.
    pub why: String,
    /// The last lines of the unit's log, the oldest first.
    pub log: Vec<String>,
    /// The command that shows more; empty if there is none.
    pub look: String,
}

/// One word of a run's journal, in the order in which they happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// What is going to be done. The first of a journal.
    Run(Box<Run>),
    /// A step begins.
    Begin {
        /// Its number.
        step: u32,
        /// When.
        time: Timestamp,
    },
    /// A step has ended.
    End {
        /// Its number.
        step: u32,
        /// When.
        time: Timestamp,
        /// How.
        result: StepResult,
    },
    /// The machine is looked at again.
    Rescan {
        /// When.
        time: Timestamp,
    },
    /// How it ended for one owner.
    Item {
        /// Whose stale code it was.
        owner: Owner,
        /// How.
        outcome: Outcome,
    },
    /// A user was told to log in again.
    Told {
        /// The session or the user's manager.
        owner: Owner,
        /// By which ways: `terminal`, `desktop`, `mail`, or the name of a file in `notify.d`.
        ways: Vec<String>,
        /// What did not work.
        failed: Vec<String>,
    },
    /// Something that a person should know, and that is none of the above.
    Note(String),
    /// The run is over. The last of a journal; without one, it was broken off.
    Finish {
        /// When.
        time: Timestamp,
        /// The exit status of the run.
        exit: u8,
    },
}

/// A run, as its journal begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its name: the time and the pid of whoever asked.
    pub id: String,
    /// When it was planned.
    pub time: Timestamp,
    /// The version of the program.
    pub version: String,
    /// `/proc/sys/kernel/random/boot_id`: steps of another boot are over.
    pub boot_id: String,
    /// How it was asked for.
    pub mode: Mode,
    /// The steps, and what is held back.
    pub transaction: Transaction,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepResult {
    /// The manager did it, and what it was done to is up again.
    Done,
    /// Nothing had to be done, or it was too late for it: why.
    Skipped(String),
    /// It failed.
    Failed(Failure),
}

/// A process above the one that asks for a restart, or that one itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ancestor {
    /// Its pid.
    pub pid: Pid,
    /// Its command name.
    pub comm: Bytes,
    /// Whom it belongs to, as its control group tells.
    pub owner: Owner,
    /// Whether it is the asking process itself.
    pub is_self: bool,
}

/// A start of a unit that a run of this program caused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnStart {
    /// When, in microseconds of the real-time clock.
    pub time_us: i64,
    /// Whose manager did it.
    pub scope: Scope,
    /// Of which unit, by its id.
    pub unit: String,
}
