//! What detectors want to know of single processes, and a look at the files that they say those run.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use unstale_plugin::Handle as HeldBy;

use super::closely::{Asked, Close, MAPS_CAP, Wants, look_closely};
use super::deadline;
use super::files::ProcessFiles;
use super::inside;
use super::look::{self, Handle, Job};
use super::maps;
use super::scanner::{Scanner, threads};
use super::sources::{self, Named};
use crate::model::{
    Bytes, Details, Evidence, How, ObjectId, Pid, Process, ProcessKey, Role, Source, ViewId, WhyNot,
};
use crate::view::why;
use crate::view::{path_in_root, without_suffix};

/// What is kept at once of one user's processes, and of all but those of the host's root: arguments, variables, names. The
/// memory of the scanner is bounded, and nobody's processes may use it up.
const USER_CAP: usize = 16 * 1024 * 1024;
const OTHERS_CAP: usize = 128 * 1024 * 1024;
/// How long one process may keep a reader waiting, and all of them.
const LIMIT: Duration = Duration::from_secs(1);
const STAGE_LIMIT: Duration = Duration::from_secs(5);

/// A process as a detector gets to see it.
#[derive(Debug)]
pub struct Visit {
    /// Which process.
    pub key: ProcessKey,
    /// What is read of every process that matters.
    pub details: Details,
    /// Processes with the same number see the same files, with the same rights.
    pub view: u64,
    /// Its program, in its view.
    pub exe: Bytes,
    /// The name that it was executed by.
    pub execfn: Option<Bytes>,
    /// Variables that were asked for; `None` if its environment cannot be read.
    pub environ: Option<Vec<(Bytes, Bytes)>>,
    /// Its working directory, in its view.
    pub cwd: Option<Bytes>,
    /// Files of which it has code mapped, and where.
    pub code: Vec<(Bytes, u64)>,
    /// Files that it holds otherwise.
    pub held: Vec<(Bytes, HeldBy)>,
    /// Whether it holds files beyond these: they are too many.
    pub holds_more: bool,
    /// Its files.
    pub files: ProcessFiles,
}

/// A file that a process runs, as a detector named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSource {
    /// Which file.
    pub at: SourceAt,
    /// What it is to the process.
    pub role: Role,
    /// How that is known.
    pub how: How,
    /// Which plugin says so.
    pub plugin: u32,
    /// The file that asks for it.
    pub via: Option<Bytes>,
}

/// Where a used file is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SourceAt {
    /// At a path in the view of the process.
    Path(Bytes),
    /// In its hands.
    Held(HeldBy),
    /// Behind a link that led elsewhere when the process started.
    Link {
        /// Whether the link is one of the host's; otherwise of the process's view.
        on_host: bool,
        /// The link.
        link: Bytes,
        /// Where it led.
        was: Bytes,
    },
}

/// What tells used files apart: what a process holds is asked through it.
pub(super) type SourceKey = (ViewId, u32, SourceAt, Option<ProcessKey>);

/// Where mappings end, by the task that has them and their start.
type MappingEnds = HashMap<(Pid, u64), u64>;

/// What is kept of processes that are to be visited.
#[derive(Default)]
struct Kept {
    by_user: HashMap<u32, usize>,
    others: usize,
}

impl Kept {
    /// Counts one more, if there is room for it.
    fn has_room(&mut self, close: &Close, own_pids: Option<u64>) -> bool {
        // Root of a container is a user like others.
        let (uid, pids) = (close.details.uid, close.details.namespaces.pid);
        if uid == 0 && pids == own_pids {
            return true;
        }
        let size = close.size();
        let user = self.by_user.entry(uid).or_default();
        let room = *user + size <= USER_CAP && self.others + size <= OTHERS_CAP;
        if room {
            *user += size;
            self.others += size;
        }
        room
    }
}

impl Scanner {
    /// Prepares visits to these processes. Of those that ended meanwhile there is none; of others that cannot be looked
    /// into, why.
    pub fn visits(
        &mut self,
        wanted: &[(ProcessKey, Arc<Wants>)],
    ) -> Vec<Option<Result<Visit, WhyNot>>> {
        let places = self.places();
        let jobs = wanted.iter().map(|(key, wants)| {
            let process = places.get(key).map(|&at| &self.processes[at]);
            let root = process.map(|one| self.catalogue.views[one.view.0 as usize].root.clone());
            Asked {
                key: *key,
                task: self.task_of(*key),
                root: root.unwrap_or_default(),
                exe: process.and_then(|process| process.exe.clone()),
                wants: Arc::clone(wants),
            }
        });
        let jobs: Vec<Asked> = jobs.collect();
        let proc = Arc::clone(&self.proc);
        let user_ns = proc.own().and_then(|own| own.namespace(c"ns/user")).ok();
        let work = move |asked: &Asked| look_closely(&proc, asked, user_ns);
        let (left, mut kept) = (self.left(STAGE_LIMIT), Kept::default());
        let (mut visits, mut keys) = (Vec::new(), wanted.iter().map(|(key, _)| *key));
        deadline::run_each(jobs, threads(), LIMIT, left, work, |close| {
            let Some(key) = keys.next() else { return };
            visits.push(match close {
                Some(Ok(close)) if kept.has_room(&close, self.host.reader_pid_ns) => {
                    places.get(&key).map(|&at| Ok(self.visit(at, close)))
                }
                Some(Ok(_)) => {
                    let what = "too much would be kept of processes of its user";
                    Some(Err(WhyNot::Failed(what.to_owned())))
                }
                Some(Err(Errno::NOENT | Errno::SRCH)) => None,
                Some(Err(error)) => Some(Err(why(error))),
                None => Some(Err(WhyNot::TimedOut)),
            });
        });
        visits
    }

    fn visit(&mut self, at: usize, close: Close) -> Visit {
        let process = &self.processes[at];
        let (view, key) = (process.view, process.key);
        let path = |object: ObjectId| self.catalogue.objects[object.0 as usize].path.clone();
        let code = process.uses.iter();
        let code = code.filter_map(|one| Some((path(one.object)?, one.start)));
        let code: Vec<(Bytes, u64)> = code.collect();
        let program = process.uses.iter().find(|one| one.program);
        let exe = program.and_then(|one| path(one.object)).unwrap_or_default();
        let root = self.catalogue.views[view.0 as usize].root.as_slice();
        let cwd = close.details.cwd.as_ref();
        let cwd = cwd.and_then(|cwd| path_in_root(cwd.as_slice(), root));
        let cwd = cwd
            .filter(|cwd| without_suffix(cwd).is_none())
            .map(Bytes::from);
        let place = self.catalogue.place(view);
        let known = self.seen_as.len() as u64;
        let token = *self
            .seen_as
            .entry((view, close.rights.clone()))
            .or_insert(known);
        let files = ProcessFiles::new(
            Arc::clone(&self.proc),
            (key, self.task_of(key)),
            (place, self.catalogue.host_place()),
            close.rights,
        );
        Visit {
            key,
            details: close.details,
            view: token,
            exe,
            execfn: close.execfn,
            environ: close.environ,
            cwd,
            code,
            held: close.held,
            holds_more: close.holds_more,
            files,
        }
    }

    /// Looks at the files that detectors named, each once, and notes for each process what it runs.
    pub fn add_sources(&mut self, named: Vec<(ProcessKey, Vec<NewSource>)>) {
        let before = self.catalogue.objects.len();
        let (places, ends) = (self.places(), self.mapping_ends(&named));
        let mut jobs = Vec::new();
        for (key, list) in named {
            let Some(&at) = places.get(&key) else {
                continue;
            };
            let mut sources = Vec::with_capacity(list.len());
            for new in list {
                let (object, evidence) = self.intern_source(at, &new.at, &ends, &mut jobs);
                sources.push(Source {
                    object,
                    role: new.role,
                    how: new.how,
                    evidence,
                    plugin: new.plugin,
                    via: new.via,
                });
            }
            self.processes[at].sources.extend(sources);
        }
        let proc = Arc::clone(&self.proc);
        let wholes = self.catalogue.whole_places();
        let look = move |(job, named): &(Job, Option<Named>)| match named {
            Some(named) => sources::look(&proc, &job.place, named),
            None => {
                let looked = look::look(&proc, job, &wholes);
                let look = match look::is_open_question(&looked, job) {
                    true => inside::look_inside(&proc, job, &looked),
                    false => looked.look,
                };
                (looked.path, look)
            }
        };
        let done = deadline::run(jobs, threads(), LIMIT, self.left(STAGE_LIMIT), look);
        for (at, looked) in (before..).zip(done.results) {
            let Some((path, look)) = looked else { continue };
            self.catalogue.objects[at].path = path;
            self.catalogue.objects[at].look = look;
        }
    }

    /// The object of a used file; a new one waits to be looked at.
    fn intern_source(
        &mut self,
        at: usize,
        source: &SourceAt,
        ends: &MappingEnds,
        jobs: &mut Vec<(Job, Option<Named>)>,
    ) -> (ObjectId, Evidence) {
        let process = &self.processes[at];
        let (view, key) = (process.view, process.key);
        let uid = process
            .details
            .as_ref()
            .map_or(u32::MAX, |details| details.uid);
        let (evidence, name, handle, named) = match source {
            SourceAt::Path(path) => (
                Evidence::Path,
                path.clone(),
                None,
                Some(Named::Path(path.clone())),
            ),
            SourceAt::Link { on_host, link, was } => {
                let host = on_host.then(|| self.catalogue.host_place());
                let (link, was) = (link.clone(), was.clone());
                let named = Named::Link {
                    host,
                    link,
                    was: was.clone(),
                };
                (Evidence::Link, was, None, Some(named))
            }
            SourceAt::Held(by) => {
                let handle = self.handle_of(key, *by, ends);
                let name = self.held_name(handle);
                (Evidence::Object, name, Some(handle), None)
            }
        };
        let task = self.task_of(key);
        let inode = handle
            .and_then(|handle| self.held_inode(task, handle))
            .unwrap_or_default();
        let held = matches!(source, SourceAt::Held(_)).then_some(key);
        let which = (view, uid, source.clone(), held);
        if let Some(&object) = self.source_ids.get(&which) {
            return (object, evidence);
        }
        let start_ns = self.host.clock.file_time_ns(key.started);
        let (object, job) = self
            .catalogue
            .add_source((view, uid), name, (inode, handle), start_ns);
        self.source_ids.insert(which, object);
        jobs.push((job, named));
        (object, evidence)
    }

    fn handle_of(&self, key: ProcessKey, by: HeldBy, ends: &MappingEnds) -> Handle {
        let task = self.task_of(key);
        match by {
            HeldBy::Descriptor(number) => Handle::descriptor(task, number),
            HeldBy::Mapping(start) => {
                let end = ends.get(&(task, start)).copied().unwrap_or_default();
                Handle::mapping(task, start, end)
            }
        }
    }

    /// Where the mappings end that detectors named. Each process is read once, and may keep nobody waiting: whoever has
    /// many of them, or holds the lock of its address space, costs this much and no more.
    fn mapping_ends(&self, named: &[(ProcessKey, Vec<NewSource>)]) -> MappingEnds {
        let mut wanted: BTreeMap<Pid, BTreeSet<u64>> = BTreeMap::new();
        for (key, list) in named {
            let starts = list.iter().filter_map(|new| match new.at {
                SourceAt::Held(HeldBy::Mapping(start)) => Some(start),
                _ => None,
            });
            for start in starts {
                wanted.entry(self.task_of(*key)).or_default().insert(start);
            }
        }
        let proc = Arc::clone(&self.proc);
        let ends = move |(task, starts): &(Pid, BTreeSet<u64>)| {
            let text = proc
                .process(*task)
                .and_then(|dir| dir.read(c"maps", MAPS_CAP));
            let text = text.unwrap_or_default();
            let mappings = text.split(|&byte| byte == b'\n').filter_map(|line| {
                let mapping = maps::parse_data_line(line).ok()??;
                let wanted = starts.contains(&mapping.start);
                wanted.then_some(((*task, mapping.start), mapping.end))
            });
            mappings.collect::<Vec<_>>()
        };
        let jobs = wanted.into_iter().collect();
        let done = deadline::run(jobs, threads(), LIMIT, self.left(STAGE_LIMIT), ends);
        done.results.into_iter().flatten().flatten().collect()
    }

    fn held_name(&self, handle: Handle) -> Bytes {
        let name = self
            .proc
            .process(handle.task)
            .and_then(|dir| dir.link(&handle.link()));
        Bytes(name.unwrap_or_default())
    }

    fn held_inode(&self, task: Pid, handle: Handle) -> Option<u64> {
        let stat = self
            .proc
            .process(task)
            .ok()?
            .stat_through(&handle.link())
            .ok()?;
        Some(stat.stx_ino)
    }

    /// Where each process stands.
    fn places(&self) -> HashMap<ProcessKey, usize> {
        let processes = self.processes.iter().zip(0..);
        processes.map(|(process, at)| (process.key, at)).collect()
    }

    /// Whose each process is, by the code that it has mapped.
    #[must_use]
    pub fn users(&self) -> HashMap<ProcessKey, u32> {
        let user = |process: &Process| {
            let first = process.uses.first()?;
            Some((
                process.key,
                self.catalogue.jobs[first.object.0 as usize].uid,
            ))
        };
        self.processes.iter().filter_map(user).collect()
    }

    pub(super) fn task_of(&self, key: ProcessKey) -> Pid {
        self.tasks.get(&key.pid).copied().unwrap_or(key.pid)
    }
}

#[cfg(test)]
mod tests {
    use super::super::rights::Rights;
    use super::*;
    use crate::model::Namespaces;
    use crate::snapshot::{MappingSource, Options};

    const OWN: Option<u64> = Some(4_026_531_836);

    fn close(uid: u32, pids: u64, size: usize) -> Close {
        Close {
            details: Details {
                argv: vec![Bytes(vec![b'x'; size])],
                uid,
                namespaces: Namespaces {
                    pid: Some(pids),
                    ..Namespaces::default()
                },
                ..Details::default()
            },
            rights: Rights::all(),
            execfn: None,
            environ: None,
            held: Vec::new(),
            holds_more: false,
        }
    }

    #[test]
    fn nobody_uses_up_what_may_be_kept() {
        let mut kept = Kept::default();
        let mut rooms = |uid, pids, count: usize| {
            let one = close(uid, pids, 1024 * 1024);
            (0..count).filter(|_| kept.has_room(&one, OWN)).count()
        };
        let own = 4_026_531_836;
        assert_eq!(rooms(1000, own, 100), 15);
        assert_eq!(rooms(0, 4_026_532_000, 100), 15, "root of a container");
        assert_eq!(rooms(1001, own, 1), 1);
        let others: usize = (2000..2100).map(|uid| rooms(uid, own, 100)).sum();
        assert!(others < 128);
        assert_eq!(rooms(0, own, 1000), 1000, "the host's root");
    }

    #[test]
    fn time_that_detectors_take_is_not_the_scans() {
        let mut scanner = Scanner::open(Options {
            proc: "/proc".into(),
            root: None,
            source: MappingSource::Best,
            reader_uid: 0,
        })
        .unwrap();
        let whole = Duration::from_secs(3600);
        let before = scanner.left(whole);
        scanner.excuse(Duration::from_secs(300));
        assert!(scanner.left(whole) > before + Duration::from_secs(200));
    }
}
