//! The pass as a whole: processes → distinct objects → facts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, CWD, statx};

use super::catalogue::{Catalogue, HostRoot};
use super::deadline;
use super::host;
use super::inside;
use super::look::{self, Handle, Job, Looked};
use super::maps::Mapping;
use super::rights::Rights;
use super::roots::Roots;
use super::scan::{self, MappingSource, Outcome, Seen};
use super::visits::SourceKey;
use crate::model::{
    Bytes, Clock, Facts, Host, ObjectId, Pid, Process, ProcessKey, Use, ViewId, WhyNot,
};
use crate::problem::Problem;
use crate::view::device_of;
use crate::view::{ProcRoot, stat_fields};

/// How long one process may keep a reader of its /proc files waiting.
const PROCESS_LIMIT: Duration = Duration::from_secs(1);
/// How long a path walk may take.
const LOOK_LIMIT: Duration = Duration::from_millis(500);
/// How long reading content may take, beyond the patience of the reader itself.
const CONTENT_LIMIT: Duration = Duration::from_secs(3);
/// How long each stage may take altogether.
const STAGE_LIMIT: Duration = Duration::from_secs(15);
/// How long all stages may take, repeated looks included.
const SCAN_LIMIT: Duration = Duration::from_secs(30);
/// How long reading content may take altogether.
const CONTENT_STAGE_LIMIT: Duration = Duration::from_secs(6);

/// How long the paths of one user's objects may take, root's excepted.
const USER_LIMIT: Duration = Duration::from_secs(2);

/// What to look at, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where /proc is.
    pub proc: PathBuf,
    /// The root directory of the inspected system, if not the reader's own: only processes with that root are looked at,
    /// or, for a recorded /proc, paths are looked up there.
    pub root: Option<PathBuf>,
    /// How mappings are read.
    pub source: MappingSource,
    /// Who asks: the effective uid before privileges were given up.
    pub reader_uid: u32,
}

/// A pass in progress. See [`Scanner::scan`].
#[derive(Debug)]
pub struct Scanner {
    pub(super) proc: Arc<ProcRoot>,
    options: Options,
    pub(super) host: Host,
    pub(super) catalogue: Catalogue,
    pub(super) processes: Vec<Process>,
    problems: Vec<Problem>,
    /// The thread through which a process is looked at, where that is not its first.
    pub(super) tasks: HashMap<Pid, Pid>,
    /// Who sees the same files with the same rights, by number.
    pub(super) seen_as: HashMap<(ViewId, Rights), u64>,
    /// Files that detectors named, by all that tells them apart.
    pub(super) source_ids: HashMap<SourceKey, ObjectId>,
    /// Processes that say no to everything.
    denied: Vec<Pid>,
    /// When the scan has to be over, whatever is left.
    end: Instant,
}

impl Scanner {
    /// Opens /proc and takes the facts of the machine.
    ///
    /// # Errors
    /// A [`Problem`] without which nothing can be told: /proc cannot be opened, or the root directory.
    pub fn open(options: Options) -> Result<Self, Problem> {
        let problem = |path: &Path, error| Problem {
            operation: "open".to_owned(),
            object: Bytes::from(path),
            pid: None,
            why: crate::view::why(error),
        };
        let proc = ProcRoot::open(&options.proc).map_err(|error| problem(&options.proc, error))?;
        let root = options.root.clone().unwrap_or_else(|| "/".into());
        let stat = statx(CWD, &root, AtFlags::STATX_DONT_SYNC, stat_fields())
            .map_err(|error| problem(&root, error))?;
        let host = host::read_host(&proc, options.reader_uid);
        let host_root = HostRoot {
            id: (device_of(&stat), stat.stx_ino),
            path: root,
            named: options.root.is_some(),
            mnt_ns: host.reader_mnt_ns,
            live: proc.is_live(),
            chrooted: host::is_chrooted(&proc, &host, (device_of(&stat), stat.stx_ino)),
        };
        Ok(Self {
            proc: Arc::new(proc),
            options,
            host,
            catalogue: Catalogue::new(host_root),
            processes: Vec::new(),
            problems: Vec::new(),
            tasks: HashMap::new(),
            seen_as: HashMap::new(),
            source_ids: HashMap::new(),
            denied: Vec::new(),
            end: Instant::now() + SCAN_LIMIT,
        })
    }

    /// Looks at all processes and at each distinct object that they have mapped. With `own_only`, at the processes of
    /// the user who asks alone.
    pub fn scan(&mut self, own_only: bool) {
        let mut pids = match self.proc.pids() {
            Ok(pids) => pids,
            Err(error) => {
                self.problem("list", "processes", None, crate::view::why(error));
                Vec::new()
            }
        };
        if own_only {
            let (proc, uid) = (&self.proc, self.options.reader_uid);
            // A process that ended meanwhile has no uid, and is not missed.
            pids.retain(|&pid| proc.process(pid).and_then(|dir| dir.uid()) == Ok(uid));
        }
        // Every pid namespace has a first process: who does not see it does not see all.
        if !own_only && self.proc.is_live() && !pids.contains(&1) {
            let what = "processes that are hidden from this user (hidepid, proc(5))";
            self.problems.push(Problem::hidden(what));
        }
        self.scan_pids(pids);
        self.report_denied();
    }

    /// Root is told each process that it cannot look into: that is remarkable. Others are told how many.
    fn report_denied(&mut self) {
        let denied = std::mem::take(&mut self.denied);
        if self.options.reader_uid == 0 {
            for pid in denied {
                self.problem("look into", "process", Some(pid), WhyNot::Denied);
            }
        } else if !denied.is_empty() {
            self.problems.push(Problem::of_others(denied.len()));
        }
    }

    /// Looks once more at processes that are about to be reported. Those that ended are dropped; those that became
    /// another program meanwhile, or whose objects could only be looked at through processes that ended, are looked at
    /// anew and returned: judge again.
    pub fn recheck(&mut self, suspects: &BTreeSet<ProcessKey>) -> BTreeSet<Pid> {
        let (mut again, mut gone) = (BTreeSet::new(), BTreeSet::new());
        if !self.proc.is_live() {
            return again;
        }
        for process in self
            .processes
            .iter()
            .filter(|process| suspects.contains(&process.key))
        {
            let pid = process.key.pid;
            let task = self.tasks.get(&pid).copied().unwrap_or(pid);
            match scan::is_unchanged(&self.proc, process.key, task, process.exe.as_ref()) {
                Ok(true) if !self.catalogue.has_vanished(process) => {}
                Ok(_) => drop(again.insert(pid)),
                Err(_) if self.proc.process(pid).is_err() => drop(gone.insert(pid)),
                // Its thread ended, or it does not answer: look at it anew.
                Err(_) => drop(again.insert(pid)),
            }
        }
        if !again.is_empty() || !gone.is_empty() {
            self.processes.retain(|process| {
                !again.contains(&process.key.pid) && !gone.contains(&process.key.pid)
            });
            self.scan_pids(again.iter().copied().collect());
        }
        again
    }

    /// Gives up on what would not stay the same. A process that still became another one every time has no verdict; of
    /// others, the objects that could not be held on to have none. Both are said.
    pub fn give_up(&mut self, pids: &BTreeSet<Pid>) {
        self.catalogue.give_up_vanished();
        let (proc, tasks) = (Arc::clone(&self.proc), &self.tasks);
        let mut lost = Vec::new();
        self.processes.retain(|process| {
            let pid = process.key.pid;
            let task = tasks.get(&pid).copied().unwrap_or(pid);
            let stays = !pids.contains(&pid)
                || scan::is_unchanged(&proc, process.key, task, process.exe.as_ref()) == Ok(true);
            if !stays {
                lost.push(pid);
            }
            stays
        });
        for pid in lost {
            self.problem("look at", "program", Some(pid), WhyNot::Vanished);
        }
    }

    /// Reads the details of these processes. One that ended meanwhile is dropped; one whose details cannot be read stays
    /// without, and that is said.
    pub fn add_details(&mut self, keys: &BTreeSet<ProcessKey>) {
        let task_of = |key: &ProcessKey| self.tasks.get(&key.pid).copied().unwrap_or(key.pid);
        let jobs: Vec<(ProcessKey, Pid)> = keys.iter().map(|key| (*key, task_of(key))).collect();
        let proc = Arc::clone(&self.proc);
        let done = deadline::run(
            jobs,
            threads(),
            PROCESS_LIMIT,
            STAGE_LIMIT,
            move |&(key, task)| scan::details(&proc, key, task),
        );
        let mut details: BTreeMap<ProcessKey, _> = keys.iter().copied().zip(done.results).collect();
        let mut troubles = Vec::new();
        self.processes.retain_mut(|process| {
            match details.remove(&process.key) {
                None => {}
                Some(Some(Ok(details))) => process.details = Some(details),
                Some(Some(Err(error)))
                    if crate::view::is_vanished(error)
                        && self.proc.process(process.key.pid).is_err() =>
                {
                    return false;
                }
                Some(Some(Err(error))) => troubles.push((process.key.pid, crate::view::why(error))),
                Some(None) => troubles.push((process.key.pid, WhyNot::TimedOut)),
            }
            true
        });
        for (pid, why) in troubles {
            self.problem("read details", "process", Some(pid), why);
        }
    }

    /// What was seen so far, lent to `judge`.
    pub fn with_facts<T>(&mut self, judge: impl FnOnce(&Facts) -> T) -> T {
        let facts = self.take_facts();
        let result = judge(&facts);
        self.catalogue.views = facts.views;
        self.catalogue.objects = facts.objects;
        self.processes = facts.processes;
        self.problems = facts.problems;
        result
    }

    /// The relation of the clocks.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.host.clock
    }

    /// The roots of all views, to be asked when the facts are taken.
    #[must_use]
    pub fn roots(&self) -> Roots {
        Roots::new(Arc::clone(&self.proc), self.catalogue.places())
    }

    /// The facts, whole, processes in the order of their keys.
    #[must_use]
    pub fn into_facts(mut self) -> Facts {
        self.processes.sort_by_key(|process| process.key);
        self.take_facts()
    }

    fn take_facts(&mut self) -> Facts {
        Facts {
            host: self.host.clone(),
            views: std::mem::take(&mut self.catalogue.views),
            processes: std::mem::take(&mut self.processes),
            objects: std::mem::take(&mut self.catalogue.objects),
            problems: std::mem::take(&mut self.problems),
            plugins: Vec::new(),
            boot: None,
            beside: Vec::new(),
        }
    }

    pub(super) fn problem(&mut self, operation: &str, object: &str, pid: Option<Pid>, why: WhyNot) {
        self.problems.push(Problem {
            operation: operation.to_owned(),
            object: Bytes::from(object),
            pid,
            why,
        });
    }

    fn scan_pids(&mut self, pids: Vec<Pid>) {
        let (proc, source) = (Arc::clone(&self.proc), self.options.source);
        let left = self.left(STAGE_LIMIT);
        let mut order = pids.clone().into_iter();
        // Taken while others are still looked at: what was seen of a process is kept only until its objects are told
        // apart.
        let take = |outcome| {
            if let Some(pid) = order.next() {
                self.take_outcome(pid, outcome);
            }
        };
        let scan = move |&pid: &Pid| scan::scan(&proc, pid, source);
        deadline::run_each(pids, threads(), PROCESS_LIMIT, left, scan, take);
        self.look_at_new();
    }

    /// Time that others took, by limits of their own, is not the scan's: what they found out is still to be looked at.
    pub fn excuse(&mut self, time: Duration) {
        self.end += time;
    }

    /// What is left of the time for the whole scan, and of that of a stage.
    pub(super) fn left(&self, stage: Duration) -> Duration {
        stage.min(self.end.saturating_duration_since(Instant::now()))
    }

    fn take_outcome(&mut self, pid: Pid, outcome: Option<Outcome>) {
        match outcome {
            Some(Outcome::Process(seen)) if self.catalogue.is_over_budget(&seen) => {
                let what = "its user has more files of code mapped than can sensibly be";
                self.problem(
                    "look at",
                    "process",
                    Some(pid),
                    WhyNot::Failed(what.to_owned()),
                );
            }
            Some(Outcome::Process(seen)) => self.take(pid, *seen),
            Some(Outcome::Nothing) => {}
            Some(Outcome::Trouble(WhyNot::Denied)) => self.denied.push(pid),
            Some(Outcome::Trouble(why)) => self.problem("look at", "process", Some(pid), why),
            None => self.problem("look at", "process", Some(pid), WhyNot::TimedOut),
        }
    }

    fn take(&mut self, pid: Pid, seen: Seen) {
        let denied = |(_, why): &(&str, WhyNot)| *why == WhyNot::Denied;
        if seen.exe.is_none() && seen.mappings.is_empty() && seen.troubles.iter().all(denied) {
            self.denied.push(pid);
            return;
        }
        if self.catalogue.is_outside(&seen) {
            return;
        }
        for (what, why) in &seen.troubles {
            self.problem(what, "process", Some(pid), why.clone());
        }
        let view = self.catalogue.view_of(&seen);
        let uses = self.count_objects(view, &seen);
        if seen.task != pid {
            self.tasks.insert(pid, seen.task);
        }
        self.processes.push(Process {
            key: ProcessKey {
                pid,
                started: seen.stat.started,
            },
            ppid: seen.stat.ppid,
            comm: seen.stat.comm,
            exe: seen.exe.map(Bytes),
            view,
            uses,
            sources: Vec::new(),
            details: None,
        });
    }

    fn count_objects(&mut self, view: ViewId, seen: &Seen) -> Vec<Use> {
        let start_ns = self.host.clock.file_time_ns(seen.stat.started);
        let mut uses = Vec::new();
        self.catalogue.next_process();
        for mapping in seen.mappings.iter() {
            // By the object too: a name alone may be forged, and then one file would pass for another.
            let program = seen.exe.as_deref() == Some(mapping.name)
                && seen.exe_id.is_none_or(|(_, inode)| inode == mapping.inode);
            let handle = Handle {
                task: seen.task,
                start: mapping.start,
                end: mapping.end,
                program,
                descriptor: None,
            };
            uses.extend(
                self.catalogue
                    .count(view, seen.uid, &mapping, handle, start_ns),
            );
        }
        if let Some(exe) = &seen.exe
            && !uses.iter().any(|one: &Use| one.program)
        {
            // The text of the program was remapped (to huge pages, by an emulator): the link still tells.
            let (device, inode) = seen.exe_id.unwrap_or_default();
            let mapping = Mapping {
                start: 0,
                end: 0,
                device,
                inode,
                name: exe,
            };
            let handle = Handle {
                task: seen.task,
                start: 0,
                end: 0,
                program: true,
                descriptor: None,
            };
            uses.extend(
                self.catalogue
                    .count(view, seen.uid, &mapping, handle, start_ns),
            );
        }
        uses
    }

    /// Looks at the objects that wait: root's first, then each user's within a time of its own, so that no user can use
    /// up the time of the others.
    fn look_at_new(&mut self) {
        let mut by_user: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for at in self.catalogue.take_waiting() {
            by_user
                .entry(self.catalogue.jobs[at].uid)
                .or_default()
                .push(at);
        }
        let begun = Instant::now();
        let mut open = Vec::new();
        for (uid, waiting) in by_user {
            let left = self.left(STAGE_LIMIT.saturating_sub(begun.elapsed()));
            let limit = if uid == 0 { left } else { left.min(USER_LIMIT) };
            open.extend(self.look_at(&waiting, limit));
        }
        self.look_inside(open);
    }

    /// Looks at these objects, and returns those that leave a question open.
    fn look_at(&mut self, waiting: &[usize], limit: Duration) -> Vec<(usize, Looked)> {
        let wholes = self.catalogue.whole_places();
        let jobs = waiting
            .iter()
            .map(|&at| self.catalogue.jobs[at].clone())
            .collect();
        let proc = Arc::clone(&self.proc);
        let first = deadline::run(jobs, threads(), LOOK_LIMIT, limit, move |job: &Job| {
            look::look(&proc, job, &wholes)
        });
        let mut open = Vec::new();
        for (&at, looked) in waiting.iter().zip(first.results) {
            let Some(looked) = looked else { continue };
            if let Some(place) = &looked.place {
                self.catalogue.move_to(at, place);
            }
            let object = &mut self.catalogue.objects[at];
            object.path.clone_from(&looked.path);
            object.look = looked.look.clone();
            if look::is_open_question(&looked, &self.catalogue.jobs[at]) {
                open.push((at, looked));
            }
        }
        open
    }

    fn look_inside(&mut self, mut open: Vec<(usize, Looked)>) {
        // Root's files first: should time run out, it runs out for files that users made.
        open.sort_by_key(|(_, looked)| look::owner_of(&looked.look) != Some(0));
        let proc = Arc::clone(&self.proc);
        let jobs: Vec<(Job, Looked)> = open
            .iter()
            .map(|(at, looked)| (self.catalogue.jobs[*at].clone(), looked.clone()))
            .collect();
        let inside = deadline::run(
            jobs,
            threads(),
            CONTENT_LIMIT,
            self.left(CONTENT_STAGE_LIMIT),
            move |(job, looked)| inside::look_inside(&proc, job, looked),
        );
        for ((at, _), look) in open.into_iter().zip(inside.results) {
            match look {
                Some(look) => self.catalogue.objects[at].look = look,
                None => self.catalogue.not_looked_inside(at),
            }
        }
    }
}

pub(super) fn threads() -> usize {
    std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(8)
}
