//! The nouns that all rooms share: processes, objects, findings, owners, packages, plans.
//!
//! Pure data and the few pure questions one can ask of it. Nothing here opens a file. What comes from the inspected
//! machine is [`Bytes`] and becomes text only in `report`.

mod account;
mod beside;
mod boot;
mod bytes;
mod facts;
mod finding;
mod flags;
mod name_pattern;
mod owner;
mod package;
mod plan;
mod plugin;
mod policy;
mod process;
mod reboot;
mod state;
mod terminal;
mod transaction;
mod unit;

pub use account::{Account, parse_passwd};
pub use beside::{Beside, NamedScript, Removed};
pub use boot::{
    Banner, Boot, Deployment, Entry, Flag, Image, ImageForm, Kernel, Level, Listed, ListedBy,
    LivePatch, Loader, LoaderKind, Microcode, Modules, Patch, Processor, Setting,
};
pub use bytes::{Bytes, Escaped, is_tame};
pub use facts::{
    Clock, Compared, Device, Facts, FileKind, FileStat, Fresh, Host, Led, Look, Mount, MountId,
    Object, ObjectId, StartName, Timestamp, View, ViewId, WhyNot, is_same_object,
};
pub use finding::{Basis, Finding, Kind, Rule, Verdict};
pub use flags::{FlagFiles, FlagRecord, Lines, Mark, package_lines, parse_needed};
pub use name_pattern::NamePattern;
pub use owner::{Owner, OwnerKind, Runtime, Scope, unescape_unit};
pub use package::{
    Answers, Before, Claim, Core, CoreChange, PackageChange, PackageFact, PathAnswer, RootAnswers,
    Said, Ships,
};
pub use plan::{Action, Because, Item, Package, Plan, StaleObject, StaleProcess};
pub use plugin::{
    Evidence, How, Instance, Part, PluginFailure, PluginLook, PluginRun, Role, Source,
};
pub use policy::{Class, Mode, Pattern, Policy, PolicyRule, RuleAction, Selectors};
pub use process::{BuildId, Details, Namespaces, Pid, Process, ProcessKey, StartTicks, Use};
pub use reboot::{Cause, KernelState, KernelVerdict, NextKernel, Reboot, Upgrade};
pub use state::{LastRun, State, StateCause, StateItem};
pub use transaction::{
    Ancestor, Deed, Failure, Held, Outcome, OwnStart, Record, Run, Stage, Step, StepResult,
    Transaction,
};
pub use unit::{Managed, ManagerState, UnitState, Units};
