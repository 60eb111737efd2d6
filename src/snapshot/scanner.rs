//! The pass as a whole: processes → distinct objects → facts.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, statx};
use rustix::time::{ClockId, clock_gettime};

use super::deadline;
use super::look::{self, Handle, Job, Looked, Place};
use super::mounts::Mounts;
use super::root::{ProcRoot, stat_fields};
use super::scan::{self, MappingSource, Outcome, Seen, device_of};
use super::view::{Base, path_in_root};
use crate::model::{
    Bytes, Clock, Compared, Device, Facts, Fresh, Host, Look, Object, ObjectId, Pid, Process,
    ProcessKey, Use, View, ViewId, WhyNot,
};
use crate::problem::Problem;

/// How long one process may keep a reader of its /proc files waiting.
const PROCESS_LIMIT: Duration = Duration::from_secs(1);
/// How long a path walk may take.
const LOOK_LIMIT: Duration = Duration::from_millis(500);
/// How long reading content may take, beyond the patience of the reader itself.
const CONTENT_LIMIT: Duration = Duration::from_secs(10);
/// How long each stage may take altogether.
const STAGE_LIMIT: Duration = Duration::from_secs(20);
/// Through how many processes an object is tried to be reached.
const HANDLES: usize = 4;

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
    proc: Arc<ProcRoot>,
    options: Options,
    facts: Facts,
    host_root: Option<(Device, u64)>,
    places: Vec<Arc<Place>>,
    views: HashMap<ViewKey, ViewId>,
    ids: HashMap<(ViewId, Device, u64), Vec<ObjectId>>,
    jobs: Vec<Job>,
    tasks: HashMap<Pid, Pid>,
    /// Objects from here on have not been looked at yet.
    looked: usize,
    /// Processes that say no to everything.
    denied: Vec<Pid>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ViewKey {
    mnt_ns: Option<u64>,
    root: Vec<u8>,
    root_id: Option<(Device, u64)>,
}

impl Scanner {
    /// Opens /proc and takes the facts of the machine.
    ///
    /// # Errors
    /// A [`Problem`] without which nothing can be told: /proc cannot be opened, or the root directory.
    pub fn open(options: Options) -> Result<Self, Problem> {
        let problem = |operation: &str, path: &std::path::Path, error| Problem {
            operation: operation.to_owned(),
            object: Bytes::from(path),
            pid: None,
            why: scan::why(error),
        };
        let proc =
            ProcRoot::open(&options.proc).map_err(|error| problem("open", &options.proc, error))?;
        let root = options.root.clone().unwrap_or_else(|| "/".into());
        let stat = statx(CWD, &root, AtFlags::STATX_DONT_SYNC, stat_fields())
            .map_err(|error| problem("open", &root, error))?;
        let host = read_host(&proc, options.reader_uid);
        Ok(Self {
            proc: Arc::new(proc),
            options,
            facts: Facts {
                host,
                views: Vec::new(),
                processes: Vec::new(),
                objects: Vec::new(),
                problems: Vec::new(),
            },
            host_root: Some((device_of(&stat), stat.stx_ino)),
            places: Vec::new(),
            views: HashMap::new(),
            ids: HashMap::new(),
            jobs: Vec::new(),
            tasks: HashMap::new(),
            looked: 0,
            denied: Vec::new(),
        })
    }

    /// What was seen so far.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Looks at all processes and at each distinct object that they have mapped. With `own_only`, at the processes of
    /// the user who asks alone.
    pub fn scan(&mut self, own_only: bool) {
        let mut pids = match self.proc.pids() {
            Ok(pids) => pids,
            Err(error) => {
                self.problem("list", "processes", None, scan::why(error));
                Vec::new()
            }
        };
        if own_only {
            let (proc, uid) = (&self.proc, self.options.reader_uid);
            // A process that ended meanwhile has no uid, and is not missed.
            pids.retain(|&pid| scan::effective_uid(proc, pid).is_ok_and(|theirs| theirs == uid));
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
            let who = format!("{} processes of other users", denied.len());
            self.problem("look into", &who, None, WhyNot::Denied);
        }
    }

    /// Looks once more at processes that are about to be reported. Those that ended are dropped; those that became
    /// another program meanwhile are looked at anew and returned: judge again.
    pub fn recheck(&mut self, suspects: &[ProcessKey]) -> Vec<Pid> {
        if !self.proc.is_live() {
            return Vec::new();
        }
        let mut again = Vec::new();
        let mut gone = Vec::new();
        for process in self
            .facts
            .processes
            .iter()
            .filter(|process| suspects.contains(&process.key))
        {
            let task = self
                .tasks
                .get(&process.key.pid)
                .copied()
                .unwrap_or(process.key.pid);
            match scan::is_unchanged(
                &self.proc,
                process.key.pid,
                task,
                process.key.started,
                process.exe.as_ref(),
            ) {
                Ok(true) => {}
                Ok(false) => again.push(process.key.pid),
                Err(_) => gone.push(process.key.pid),
            }
        }
        if !again.is_empty() || !gone.is_empty() {
            self.facts.processes.retain(|process| {
                !again.contains(&process.key.pid) && !gone.contains(&process.key.pid)
            });
            self.scan_pids(again.clone());
        }
        again
    }

    /// Gives up on processes that would not stay the same: a problem each, and no verdict.
    pub fn give_up(&mut self, pids: &[Pid]) {
        self.facts
            .processes
            .retain(|process| !pids.contains(&process.key.pid));
        for &pid in pids {
            self.problem("look at", "program", Some(pid), WhyNot::Vanished);
        }
    }

    /// Reads the details of these processes.
    pub fn add_details(&mut self, keys: &[ProcessKey]) {
        let mut wanted = keys.to_vec();
        wanted.sort_unstable();
        let mut troubles = Vec::new();
        for process in &mut self.facts.processes {
            if wanted.binary_search(&process.key).is_err() || process.details.is_some() {
                continue;
            }
            match scan::details(&self.proc, process.key.pid) {
                Ok(details) => process.details = Some(details),
                Err(error) if scan::is_vanished(error) => {}
                Err(error) => troubles.push((process.key.pid, scan::why(error))),
            }
        }
        for (pid, why) in troubles {
            self.problem("read details", "process", Some(pid), why);
        }
    }

    /// The facts, whole.
    #[must_use]
    pub fn into_facts(mut self) -> Facts {
        self.facts.processes.sort_by_key(|process| process.key);
        self.facts
    }

    fn problem(&mut self, operation: &str, object: &str, pid: Option<Pid>, why: WhyNot) {
        self.facts.problems.push(Problem {
            operation: operation.to_owned(),
            object: Bytes::from(object),
            pid,
            why,
        });
    }

    fn scan_pids(&mut self, pids: Vec<Pid>) {
        let (proc, source) = (Arc::clone(&self.proc), self.options.source);
        let done = deadline::run(
            pids.clone(),
            threads(),
            PROCESS_LIMIT,
            STAGE_LIMIT,
            move |&pid| scan::scan(&proc, pid, source),
        );
        for (pid, outcome) in pids.into_iter().zip(done.results) {
            match outcome {
                Some(Outcome::Process(seen)) => self.take(pid, *seen),
                Some(Outcome::Nothing) => {}
                Some(Outcome::Trouble(WhyNot::Denied)) => self.denied.push(pid),
                Some(Outcome::Trouble(why)) => self.problem("look at", "process", Some(pid), why),
                None => self.problem("look at", "process", Some(pid), WhyNot::TimedOut),
            }
        }
        self.look_at_new();
    }

    fn take(&mut self, pid: Pid, seen: Seen) {
        if seen.exe.is_none()
            && seen.mappings.is_empty()
            && seen.troubles.iter().all(|(_, why)| *why == WhyNot::Denied)
        {
            self.denied.push(pid);
            return;
        }
        if self.is_outside(&seen) {
            return;
        }
        for (what, why) in &seen.troubles {
            self.problem(what, "process", Some(pid), why.clone());
        }
        let started = seen.stat.started;
        let view = self.view_of(&seen);
        let start_ns = self.facts.host.clock.file_time_ns(started);
        let mut uses: Vec<Use> = Vec::new();
        let mut program_mapped = false;
        for mapping in seen.mappings.iter() {
            let program = seen.exe.as_deref() == Some(mapping.name);
            program_mapped |= program;
            let id = self.intern(view, mapping.device, mapping.inode, mapping.name);
            let job = &mut self.jobs[id.0 as usize];
            job.oldest_start_ns = job.oldest_start_ns.min(start_ns);
            if uses.iter().any(|one| one.object == id) {
                continue;
            }
            if job.handles.len() < HANDLES {
                job.handles.push(Handle {
                    task: seen.task,
                    start: mapping.start,
                    end: mapping.end,
                    program,
                });
            }
            uses.push(Use {
                object: id,
                start: mapping.start,
                program,
            });
        }
        if let (Some(exe), false) = (&seen.exe, program_mapped) {
            // The text of the program was remapped (to huge pages, by an emulator): the link still tells.
            let stat = self
                .proc
                .process(seen.task)
                .and_then(|dir| dir.stat_through(c"exe"))
                .ok();
            let (device, inode) = stat.map_or((Device::default(), 0), |stat| {
                (device_of(&stat), stat.stx_ino)
            });
            let id = self.intern(view, device, inode, exe);
            let job = &mut self.jobs[id.0 as usize];
            job.oldest_start_ns = job.oldest_start_ns.min(start_ns);
            if job.handles.len() < HANDLES {
                job.handles.push(Handle {
                    task: seen.task,
                    start: 0,
                    end: 0,
                    program: true,
                });
            }
            uses.push(Use {
                object: id,
                start: 0,
                program: true,
            });
        }
        self.tasks.insert(pid, seen.task);
        self.facts.processes.push(Process {
            key: ProcessKey { pid, started },
            ppid: seen.stat.ppid,
            comm: seen.stat.comm,
            exe: seen.exe.map(Bytes),
            view,
            uses,
            details: None,
        });
    }

    /// Whether a process belongs to another system than the one that is looked at: with `--root`, another root; from
    /// inside a chroot, a process of the same namespace outside it (its names would hit our files).
    fn is_outside(&self, seen: &Seen) -> bool {
        if !self.proc.is_live() {
            return false;
        }
        if self.options.root.is_some() {
            return seen.root_id.is_some() && seen.root_id != self.host_root;
        }
        let same_ns = seen.mnt_ns.is_some() && seen.mnt_ns == self.facts.host.reader_mnt_ns;
        same_ns
            && seen.root.as_deref() == Some(b"/")
            && seen.root_id.is_some()
            && seen.root_id != self.host_root
    }

    fn view_of(&mut self, seen: &Seen) -> ViewId {
        let key = ViewKey {
            mnt_ns: seen.mnt_ns,
            root: seen.root.clone().unwrap_or_else(|| b"/".to_vec()),
            root_id: seen.root_id,
        };
        if let Some(&id) = self.views.get(&key) {
            if let Some(Base::Tasks(tasks)) = self
                .places
                .get_mut(id.0 as usize)
                .and_then(Arc::get_mut)
                .map(|place| &mut place.base)
                && tasks.len() < HANDLES
            {
                tasks.push(seen.task);
            }
            return id;
        }
        let id = ViewId(index(self.facts.views.len()));
        let live = self.proc.is_live();
        let host = match &self.options.root {
            _ if !live => true,
            Some(_) => true, // others are outside
            None => {
                seen.mnt_ns == self.facts.host.reader_mnt_ns && (seen.root_id == self.host_root)
            }
        };
        let base = match &self.options.root {
            Some(root) => Base::Directory(root.clone()),
            None if !live => Base::Directory("/nonexistent".into()),
            None => Base::Tasks(vec![seen.task]),
        };
        self.facts.views.push(View {
            mnt_ns: key.mnt_ns,
            root: Bytes(key.root.clone()),
            host,
        });
        let whole = live && key.root == b"/";
        self.places.push(Arc::new(Place {
            base,
            mounts: OnceLock::new(),
            whole,
        }));
        self.views.insert(key, id);
        id
    }

    fn intern(&mut self, view: ViewId, device: Device, inode: u64, name: &[u8]) -> ObjectId {
        let ids = self.ids.entry((view, device, inode)).or_default();
        if let Some(&id) = ids
            .iter()
            .find(|id| self.jobs[id.0 as usize].name.as_slice() == name)
        {
            return id;
        }
        let id = ObjectId(index(self.jobs.len()));
        ids.push(id);
        self.jobs.push(Job {
            handles: Vec::new(),
            name: Bytes::from(name),
            path: None,
            place: Arc::new(Place {
                base: Base::Tasks(Vec::new()),
                mounts: OnceLock::from(Mounts::default()),
                whole: false,
            }),
            device,
            inode,
            oldest_start_ns: i64::MAX,
        });
        self.facts.objects.push(Object {
            view,
            name: Bytes::from(name),
            path: None,
            device,
            inode,
            look: not_looked(WhyNot::TimedOut),
        });
        id
    }

    /// The view in which a name is to be looked up, and the path there.
    fn resolve(&self, view: ViewId, name: &[u8]) -> Option<(ViewId, Bytes)> {
        let own = &self.facts.views[view.0 as usize];
        if let Some(path) = path_in_root(name, own.root.as_slice()) {
            return Some((view, Bytes::from(path)));
        }
        if !name.starts_with(b"/") {
            return None;
        }
        // Opened before chroot(2): a task of the same namespace that has the namespace's root can look.
        let whole = self
            .facts
            .views
            .iter()
            .position(|other| other.mnt_ns == own.mnt_ns && other.root.as_slice() == b"/")?;
        Some((ViewId(index(whole)), Bytes::from(name)))
    }

    fn look_at_new(&mut self) {
        let new: Vec<usize> = (self.looked..self.jobs.len()).collect();
        self.looked = self.jobs.len();
        for &at in &new {
            let object = &self.facts.objects[at];
            if let Some((view, path)) = self.resolve(object.view, object.name.as_slice()) {
                self.jobs[at].place = Arc::clone(&self.places[view.0 as usize]);
                self.jobs[at].path = Some(path);
                self.facts.objects[at].view = view;
            }
        }
        let wholes: Vec<Arc<Place>> = self
            .places
            .iter()
            .filter(|place| place.whole)
            .map(Arc::clone)
            .collect();
        let jobs: Vec<Job> = new.iter().map(|&at| self.jobs[at].clone()).collect();
        let proc = Arc::clone(&self.proc);
        let first = deadline::run(jobs, threads(), LOOK_LIMIT, STAGE_LIMIT, move |job| {
            look::look(&proc, job, &wholes)
        });
        let mut open = Vec::new();
        for (&at, looked) in new.iter().zip(first.results) {
            let Some(looked) = looked else { continue };
            self.facts.objects[at].path.clone_from(&looked.path);
            self.facts.objects[at].look = looked.look.clone();
            if let Some(place) = &looked.place {
                self.move_to(at, place);
            }
            if look::is_open_question(&looked, &self.jobs[at]) {
                open.push((at, looked));
            }
        }
        self.look_inside(open);
    }

    /// An object turned out to lie in another namespace's mount than that of the processes that map it.
    fn move_to(&mut self, at: usize, place: &Arc<Place>) {
        self.jobs[at].place = Arc::clone(place);
        if let Some(view) = self.places.iter().position(|one| Arc::ptr_eq(one, place)) {
            self.facts.objects[at].view = ViewId(index(view));
        }
    }

    fn look_inside(&mut self, open: Vec<(usize, Looked)>) {
        let proc = Arc::clone(&self.proc);
        let jobs: Vec<(Job, Looked)> = open
            .iter()
            .map(|(at, looked)| (self.jobs[*at].clone(), looked.clone()))
            .collect();
        let inside = deadline::run(
            jobs,
            threads(),
            CONTENT_LIMIT,
            STAGE_LIMIT,
            move |(job, looked)| look::look_inside(&proc, job, looked),
        );
        for ((at, _), look) in open.into_iter().zip(inside.results) {
            match look {
                Some(look) => self.facts.objects[at].look = look,
                None => self.facts.objects[at].look.content = Compared::Unreadable,
            }
        }
    }
}

fn not_looked(why: WhyNot) -> Look {
    Look {
        mapped: Err(why.clone()),
        fresh: Fresh::Unknown(why),
        mount: None,
        mounted: None,
        mapped_build_id: None,
        fresh_build_id: None,
        content: Compared::NotAsked,
        start_name: None,
    }
}

fn index(length: usize) -> u32 {
    u32::try_from(length).expect("the number of processes and mappings is capped far below 2^32")
}

fn threads() -> usize {
    std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(8)
}

fn read_host(proc: &ProcRoot, reader_uid: u32) -> Host {
    let text = |name: &std::ffi::CStr| {
        let mut bytes = proc.read(name, 4096).unwrap_or_default();
        bytes.truncate(bytes.trim_ascii_end().len());
        Bytes(bytes)
    };
    let nanos = |id| {
        let time = clock_gettime(id);
        time.tv_sec
            .saturating_mul(1_000_000_000)
            .saturating_add(time.tv_nsec)
    };
    let own = proc.process(std::process::id()).ok();
    let namespace = |name: &std::ffi::CStr| own.as_ref().and_then(|own| own.namespace(name).ok());
    Host {
        kernel: text(c"sys/kernel/osrelease"),
        boot_id: text(c"sys/kernel/random/boot_id"),
        clock: Clock {
            boot_realtime_ns: nanos(ClockId::Realtime).saturating_sub(nanos(ClockId::Boottime)),
            ticks_per_second: rustix::param::clock_ticks_per_second(),
        },
        reader_uid,
        reader_mnt_ns: namespace(c"ns/mnt"),
        reader_pid_ns: namespace(c"ns/pid"),
        memory_devices: look::memory_devices(),
        unified_cgroups: is_cgroup2(std::path::Path::new("/sys/fs/cgroup")),
        systemd: std::path::Path::new("/run/systemd/system").is_dir(),
    }
}

/// `CGROUP2_SUPER_MAGIC`, statfs(2).
fn is_cgroup2(path: &std::path::Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|stat| u64::try_from(stat.f_type) == Ok(0x6367_7270))
}
