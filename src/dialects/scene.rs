//! What a dialect is given to talk about: one look at the machine, as nouns without any form.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::model::{
    Action, Because, Boot, Bytes, Core, Escaped, Instance, Level, Owner, Pid, Reboot, UnitState,
    WhyNot,
};
use crate::problem::Problem;

/// What was found on a machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Effective uid of the reader.
    pub euid: u32,
    /// Whether systemd runs as the service manager (sd_booted(3)).
    pub systemd: bool,
    /// Whether `/sys/fs/cgroup` is the unified hierarchy (cgroup v2 only).
    pub unified_cgroups: bool,
    /// `uname -r`.
    pub kernel_release: Bytes,
    /// Names of accounts, by uid.
    pub accounts: BTreeMap<u32, String>,
    /// The machine's own package stores: `dpkg`, `rpm`.
    pub stores: Vec<String>,
    /// Processes that run old code beyond doubt, by pid; without those that a rule of the policy hides. With
    /// [`Wanted::deleted`](super::Wanted::deleted) also those that merely hold removed files.
    pub stale: Vec<Stale>,
    /// What runs below the programs, and would run after a reboot; `None` if nobody looked.
    pub boot: Option<Boot>,
    /// What became of the packages of [`Boot::listed`].
    pub core: Core,
    /// Whether more than restarts is needed, and how the running kernel compares.
    pub reboot: Reboot,
    /// Microcode of the processor that is furthest behind; `None` where none can be renewed from here (a container, a
    /// virtual machine, a processor without), or nobody looked.
    pub microcode: Option<Microcode>,
    /// The files of packages that were asked for, by package: see [`Wanted::packages`](super::Wanted::packages).
    pub files: BTreeMap<String, Vec<Bytes>>,
    /// What could not be looked at.
    pub problems: Vec<Problem>,
}

/// One process with old code.
#[derive(Debug, Clone, PartialEq)]
pub struct Stale {
    /// Its pid, as the reader sees it.
    pub pid: Pid,
    /// Its parent's.
    pub ppid: Pid,
    /// The command name of its parent, if that was seen.
    pub parent: Option<Bytes>,
    /// The command name: at most 15 bytes that the process chose itself.
    pub comm: Bytes,
    /// Its effective uid.
    pub uid: u32,
    /// The name of that account; the number, if it has none.
    pub user: String,
    /// Its controlling terminal: `/dev/pts/0`.
    pub tty: Option<String>,
    /// What `/proc/PID/exe` says, raw: with ` (deleted)` where the kernel appends that; `None` where it cannot be read.
    pub exe: Option<Bytes>,
    /// The path of the program in its own root, without that suffix.
    pub program: Option<Bytes>,
    /// Packages of the machine that own [`Self::program`], by name; empty if none does, or if it is not a file of the machine.
    pub program_packages: Vec<String>,
    /// The script that an interpreter runs, as far as that is told.
    pub script: Option<Script>,
    /// Its arguments as it holds them now.
    pub argv: Vec<Bytes>,
    /// `/proc/PID/cgroup`, as it is.
    pub cgroup: Bytes,
    /// Whether it lives in another pid namespace than the reader.
    pub other_pid_ns: bool,
    /// Whom it belongs to.
    pub owner: Owner,
    /// The container, machine or app it is part of, as a plugin names it.
    pub instance: Option<Instance>,
    /// What is to be done about that owner, and why: the first reason has the name of the rule.
    pub action: Action,
    /// How much has to be started anew for that.
    pub level: Level,
    /// See [`Self::action`].
    pub because: Vec<Because>,
    /// The words of the command that restarts it, where a plugin knows one.
    pub restart: Option<Vec<String>>,
    /// What the service manager says of its unit, if it was asked.
    pub unit: Option<UnitState>,
    /// Packages that own the file of that unit.
    pub unit_packages: Vec<String>,
    /// The init scripts that are for it, where no unit is: names below `/etc/init.d`.
    pub init_scripts: Vec<String>,
    /// Its old files, each once, the program first and the rest by path.
    pub files: Vec<OldFile>,
}

/// A script that an interpreter runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Its path.
    pub path: Bytes,
    /// Packages that own it.
    pub packages: Vec<String>,
}

/// A file whose old content a process still uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldFile {
    /// Its path in the root of the process, without a suffix that the kernel appended.
    pub path: Bytes,
    /// The kernel's own name for it; ends in ` (deleted)` where the kernel says so.
    pub name: Bytes,
    /// What it is to the process.
    pub part: OldPart,
    /// Packages that own the path now, or owned it, by name.
    pub packages: Vec<String>,
}

/// What an old file is to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OldPart {
    /// The program.
    Program,
    /// Other code that is mapped: a library.
    Library,
    /// A script or module that an interpreter has read.
    Source,
    /// Something that is open or mapped without being code; only with [`Wanted::deleted`](super::Wanted::deleted).
    Data,
}

/// Microcode of one kind of processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Microcode {
    /// Whether the vendor writes revisions with 8 digits (AMD).
    pub amd: bool,
    /// The revision that runs; `None` if the processor does not say.
    pub running: Option<u32>,
    /// The best on disk for it; `None` if there is none.
    pub available: Option<u32>,
    /// Whether something newer is there; `None` if that cannot be told.
    pub obsolete: Option<bool>,
}

impl Stale {
    /// Whether the process runs old code, and does not merely hold removed files.
    #[must_use]
    pub fn runs_old_code(&self) -> bool {
        self.files.iter().any(|file| file.part != OldPart::Data)
    }
}

/// What a problem leaves in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Which processes are stale.
    Processes,
    /// Which kernel runs, and which would boot.
    Kernel,
    /// Which microcode would be loaded.
    Microcode,
    /// Which packages something is of.
    Packages,
}

impl Subject {
    fn of(problem: &Problem) -> Self {
        let object = problem.object.as_slice();
        let has = |part: &[u8]| object.windows(part.len()).any(|found| found == part);
        let operation = problem.operation.as_str();
        let of_processes = problem.pid.is_some()
            || operation == "use the detector"
            || !object.starts_with(b"/") && has(b"processes");
        match operation {
            _ if of_processes => Self::Processes,
            "rely on the state of" | "read the package log" | "read the package database" => {
                Self::Packages
            }
            _ if has(b"ucode") || has(b"microcode") || has(b"/cpu") => Self::Microcode,
            _ => Self::Kernel,
        }
    }
}

impl Scene {
    /// What is in doubt, for each problem.
    pub fn subjects(&self) -> impl Iterator<Item = Subject> {
        self.problems.iter().map(Subject::of)
    }

    /// How many processes could not be looked into in full.
    #[must_use]
    pub fn not_seen(&self) -> usize {
        let pids: BTreeSet<Pid> = self.problems.iter().filter_map(|one| one.pid).collect();
        pids.len()
    }

    /// What could not be looked at, a line for each cause: what is the same of many processes is one.
    #[must_use]
    pub fn causes(&self) -> Vec<String> {
        let mut causes: Vec<(&Problem, BTreeSet<Pid>)> = Vec::new();
        let mut places = HashMap::new();
        for problem in &self.problems {
            let cause = (&problem.operation, &problem.object, &problem.why);
            let key = (cause, problem.pid.is_some());
            let at = *places.entry(key).or_insert_with(|| {
                causes.push((problem, BTreeSet::new()));
                causes.len() - 1
            });
            causes[at].1.extend(problem.pid);
        }
        let lines = causes.into_iter().map(|(first, pids)| match pids.len() {
            0 | 1 => first.to_string(),
            many => format!(
                "cannot {} {} of {many} processes: {}",
                Escaped(first.operation.as_bytes()),
                first.object.escaped(),
                first.why
            ),
        });
        lines.collect()
    }

    /// Whether more than single processes could not be looked at: package stores, the kernel, or what lies outside the reader's
    /// pid namespace. Nobody can say then that there is nothing new on the machine.
    #[must_use]
    pub fn has_wider_problems(&self) -> bool {
        self.is_in_part() || self.subjects().any(|subject| subject != Subject::Processes)
    }

    /// Whether processes of the machine are out of sight, in another pid namespace. A list is of those in sight then.
    #[must_use]
    pub fn is_in_part(&self) -> bool {
        self.boot.as_ref().is_some_and(|boot| boot.out_of_sight)
    }

    /// Whether it cannot be told if a reboot is needed: what is sure does not ask for one, and what could not be looked at may.
    /// Processes have no part in that: it is a matter of packages and of the kernel.
    #[must_use]
    pub fn reboot_is_untold(&self) -> bool {
        let asks = |level: Level| level >= Level::SoftReboot;
        match (self.reboot.level, self.reboot.sure_level()) {
            (Some(_), Some(sure)) if asks(sure) => false,
            (Some(level), _) => asks(level) || self.has_wider_problems(),
            (None, _) => true,
        }
    }

    /// How many processes could not be looked into for want of rights.
    #[must_use]
    pub fn denied(&self) -> usize {
        let denied = || {
            let problems = self.problems.iter();
            problems.filter(|problem| problem.why == WhyNot::Denied)
        };
        // Of one process there may be several.
        let pids: BTreeSet<Pid> = denied().filter_map(|problem| problem.pid).collect();
        let without = denied().filter(|problem| problem.pid.is_none());
        let counts = without.filter_map(Problem::processes);
        pids.len() + counts.sum::<usize>()
    }
}
