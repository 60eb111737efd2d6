//! What to do, and why.

use super::{Bytes, Instance, Kind, Level, ObjectId, Owner, PackageFact, ProcessKey, Source};

/// What it takes to be rid of stale code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// One step of the reason for a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Because {
    /// The rule's stable name: `unit`, `policy.dbus`.
    pub rule: String,
    /// Why, as a sentence part: lower case, no full stop.
    pub why: String,
}

/// One owner with everything stale in it, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What to do.
    pub action: Action,
    /// How much has to be started anew for it.
    pub level: Level,
    /// To whom.
    pub owner: Owner,
    /// Why.
    pub because: Vec<Because>,
    /// Its stale processes, by pid.
    pub processes: Vec<StaleProcess>,
}

impl Because {
    /// Whether it is about processes that outlived the main process of their unit: a restart of that does not renew them. The
    /// name of a rule of the policy is no such reason, however it ends.
    #[must_use]
    pub fn is_leftover(&self) -> bool {
        self.rule == "leftover"
    }

    /// Whether it is that somebody named or chose something else.
    #[must_use]
    pub fn is_not_asked(&self) -> bool {
        self.rule == "not-asked"
    }
}

impl Item {
    /// Whether it is what an earlier run of its unit left.
    #[must_use]
    pub fn is_leftover(&self) -> bool {
        self.because.first().is_some_and(Because::is_leftover)
    }

    /// The words of the command that renews all that is stale here. Where detectors know none for one of the processes,
    /// or another one, there is none: what renews the payload need not renew a helper.
    #[must_use]
    pub fn restart_command(&self) -> Option<&[String]> {
        let first = self.processes.first()?.restart.as_deref()?;
        let same = |process: &StaleProcess| process.restart.as_deref() == Some(first);
        self.processes.iter().all(same).then_some(first)
    }
}

/// A process with stale objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleProcess {
    /// Which.
    pub key: ProcessKey,
    /// Whom it belongs to.
    pub owner: Owner,
    /// Its command name.
    pub comm: Bytes,
    /// The container, machine or app it is part of, as a plugin names it.
    pub instance: Option<Instance>,
    /// The words of the command that restarts that, if there is one.
    pub restart: Option<Vec<String>>,
    /// Its stale objects, in the order of the address space.
    pub objects: Vec<StaleObject>,
}

/// A stale object in a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleObject {
    /// Which.
    pub object: ObjectId,
    /// Whether it is the program itself.
    pub program: bool,
    /// What it is to the process, if no code of it is mapped.
    pub source: Option<Source>,
    /// Whether the process runs it beyond doubt, and its change is one of content.
    pub sure: bool,
    /// How it is stale.
    pub kind: Kind,
    /// The package that owns its path.
    pub package: Package,
}

/// The answer to "whose is it".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Package {
    /// These packages; several for a file shared between architectures.
    Known(Vec<PackageFact>),
    /// No package claims it.
    None,
    /// Could not be told, or was not asked: a container's own files.
    Unknown,
}

/// Everything decided, in the order of reading: what to do now first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// One item an owner; two where some of its processes are renewed in another way, or by nobody.
    pub items: Vec<Item>,
    /// What a rule of the policy hides. It counts for no verdict.
    pub hidden: Vec<Item>,
}
