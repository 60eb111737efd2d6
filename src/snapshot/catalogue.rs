//! Distinct views and objects: each is looked at once, however many processes share it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::hashed::ByHash;
use super::look::{Handle, Job, Place};
use super::maps::Mapping;
use super::scan::Seen;
use crate::model::{
    Bytes, Compared, Device, Fresh, Look, Object, ObjectId, Process, Use, View, ViewId, WhyNot,
};
use crate::view::Base;
use crate::view::path_in_root;

/// Through how many processes an object or a view is tried to be reached.
const HANDLES: usize = 4;

/// What a distinct object takes in memory, beside three copies of its name.
const OBJECT_COST: usize = 2048;
/// What the objects of one user may take: some 15,000 files of code.
const USER_CAP: usize = 32 * 1024 * 1024;
/// What the objects of all but the root of the reader's own namespace may take together.
const OTHERS_CAP: usize = 256 * 1024 * 1024;

/// The root of the inspected system, and who looks at it.
#[derive(Debug, Clone)]
pub(super) struct HostRoot {
    /// `st_dev` and inode number of the directory.
    pub(super) id: (Device, u64),
    /// The directory as the reader opens it.
    pub(super) path: PathBuf,
    /// Whether somebody named it: then it is the only system that is looked at.
    pub(super) named: bool,
    /// The reader's mount namespace.
    pub(super) mnt_ns: Option<u64>,
    /// Whether /proc is live.
    pub(super) live: bool,
    /// Whether the reader sits in a chroot: then what has another root may be the system around it.
    pub(super) chrooted: bool,
}

/// All distinct views and objects so far.
#[derive(Debug)]
pub(super) struct Catalogue {
    host: HostRoot,
    host_place: Arc<Place>,
    pub(super) views: Vec<View>,
    places: Vec<Arc<Place>>,
    view_ids: HashMap<ViewKey, ViewId>,
    pub(super) objects: Vec<Object>,
    pub(super) jobs: Vec<Job>,
    /// By a hash of all that tells objects apart; several where hashes collide.
    ids: ByHash<Vec<ObjectId>>,
    /// The process by which each object was counted last.
    counted: Vec<u32>,
    processes: u32,
    /// What objects take, by user, and of all but the root of the reader's own namespace together.
    cost: HashMap<u32, usize>,
    others: usize,
    /// Objects that wait to be looked at.
    pub(super) waiting: Vec<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ViewKey {
    mnt_ns: Option<u64>,
    root: Vec<u8>,
    root_id: Option<(Device, u64)>,
}

impl Catalogue {
    pub(super) fn new(host: HostRoot) -> Self {
        let host_place = Arc::new(Place {
            base: match host.live || host.named {
                true => Base::Directory(host.path.clone()),
                false => Base::Nowhere,
            },
            mounts: OnceLock::new(),
            came: Default::default(),
            whole: false,
            host: true,
            host_path: None,
        });
        Self {
            host,
            host_place,
            views: Vec::new(),
            places: Vec::new(),
            view_ids: HashMap::new(),
            objects: Vec::new(),
            jobs: Vec::new(),
            ids: ByHash::default(),
            counted: Vec::new(),
            processes: 0,
            cost: HashMap::new(),
            others: 0,
            waiting: Vec::new(),
        }
    }

    /// Whether a process belongs to another system than the one that is looked at: with a named root, another root; from
    /// inside a chroot, a process of the same namespace outside it (its names would hit our files).
    pub(super) fn is_outside(&self, seen: &Seen) -> bool {
        let Some(root) = seen.root_id.filter(|_| self.host.live) else {
            return false;
        };
        let same_ns = seen.mnt_ns.is_some() && seen.mnt_ns == self.host.mnt_ns;
        let at_top = same_ns && seen.root.as_deref() == Some(b"/");
        root != self.host.id && (self.host.named || (self.host.chrooted && at_top))
    }

    /// The view of a process.
    pub(super) fn view_of(&mut self, seen: &Seen) -> ViewId {
        let key = ViewKey {
            mnt_ns: seen.mnt_ns,
            root: seen.root.clone().unwrap_or_else(|| b"/".to_vec()),
            root_id: seen.root_id,
        };
        if let Some(&id) = self.view_ids.get(&key) {
            if let Base::Tasks { tasks, .. } = &self.places[id.0 as usize].base {
                let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
                if tasks.len() == HANDLES {
                    tasks.remove(1); // the eldest is likely to stay
                }
                tasks.push(seen.task);
            }
            return id;
        }
        let id = ViewId(index(self.views.len()));
        let shares_root = !self.host.live || seen.root_id == Some(self.host.id);
        let own = self.host.named || !self.host.live || seen.mnt_ns == self.host.mnt_ns;
        let base = match (self.host.live, self.host.named, shares_root && own) {
            (false, false, _) => Base::Nowhere,
            (_, true, _) | (_, _, true) => Base::Directory(self.host.path.clone()),
            (true, false, false) => Base::Tasks {
                tasks: Mutex::new(vec![seen.task]),
                root: seen.root_id,
                mnt_ns: seen.mnt_ns,
            },
        };
        let view = View {
            mnt_ns: key.mnt_ns,
            root: Bytes(key.root.clone()),
            host: shares_root && own,
        };
        self.places.push(Arc::new(Place {
            base,
            mounts: OnceLock::new(),
            came: Default::default(),
            whole: self.host.live && !self.host.named && key.root == b"/",
            host: view.host,
            // A service with a mount namespace of its own, and the host's files in it.
            host_path: (shares_root && !own).then(|| self.host.path.clone()),
        }));
        self.views.push(view);
        self.view_ids.insert(key, id);
        id
    }

    /// Begins to count the objects of another process.
    pub(super) fn next_process(&mut self) {
        self.processes += 1;
    }

    /// Counts a mapping of the present process; `None` if its object was counted for it already.
    pub(super) fn count(
        &mut self,
        view: ViewId,
        uid: u32,
        mapping: &Mapping<'_>,
        handle: Handle,
        start_ns: i64,
    ) -> Option<Use> {
        let object = self.intern(view, uid, mapping);
        let at = object.0 as usize;
        let job = &mut self.jobs[at];
        job.oldest_start_ns = job.oldest_start_ns.min(start_ns);
        if std::mem::replace(&mut self.counted[at], self.processes) == self.processes {
            return None;
        }
        if self.objects[at].look.is_vanished() && !self.waiting.contains(&at) {
            // Looked at through processes that have ended since: here is one that lives.
            job.handles.clear();
            self.waiting.push(at);
        }
        if job.handles.len() < HANDLES {
            job.handles.push(handle);
        }
        let (start, program) = (handle.start, handle.program);
        Some(Use {
            object,
            start,
            program,
        })
    }

    fn intern(&mut self, view: ViewId, uid: u32, mapping: &Mapping<'_>) -> ObjectId {
        let mut hasher = DefaultHasher::new();
        (view, uid, mapping.device, mapping.inode, mapping.name).hash(&mut hasher);
        let ids = self.ids.entry(hasher.finish()).or_default();
        let same = |id: &&ObjectId| {
            let job = &self.jobs[id.0 as usize];
            (job.view, job.uid) == (view, uid)
                && (job.device, job.inode) == (mapping.device, mapping.inode)
                && job.name.as_slice() == mapping.name
        };
        if let Some(&id) = ids.iter().find(same) {
            return id;
        }
        let id = ObjectId(index(self.jobs.len()));
        ids.push(id);
        self.waiting.push(self.jobs.len());
        self.counted.push(0);
        let cost = OBJECT_COST + 3 * mapping.name.len();
        if !(uid == 0 && self.views[view.0 as usize].mnt_ns == self.host.mnt_ns) {
            *self.cost.entry(uid).or_default() += cost;
            self.others += cost;
        }
        let name = Bytes::from(mapping.name);
        self.jobs.push(Job {
            view,
            uid,
            handles: Vec::new(),
            name: name.clone(),
            path: None,
            place: Arc::clone(&self.places[view.0 as usize]),
            device: mapping.device,
            inode: mapping.inode,
            oldest_start_ns: i64::MAX,
        });
        self.objects.push(Object {
            view,
            name,
            path: None,
            device: mapping.device,
            inode: mapping.inode,
            look: not_looked(),
        });
        id
    }

    /// A file that a detector named: an object that nobody has mapped.
    pub(super) fn add_source(
        &mut self,
        (view, uid): (ViewId, u32),
        name: Bytes,
        (inode, handle): (u64, Option<Handle>),
        start_ns: i64,
    ) -> (ObjectId, Job) {
        let id = ObjectId(index(self.jobs.len()));
        let path = self.resolve(view, name.as_slice());
        let (view, path) = path.map_or((view, None), |(view, path)| (view, Some(path)));
        let job = Job {
            view,
            uid,
            handles: handle.into_iter().collect(),
            name: name.clone(),
            path,
            place: Arc::clone(&self.places[view.0 as usize]),
            device: Device::default(),
            inode,
            oldest_start_ns: start_ns,
        };
        self.jobs.push(job.clone());
        self.counted.push(0);
        self.objects.push(Object {
            view,
            name,
            path: None,
            device: Device::default(),
            inode,
            look: not_looked(),
        });
        (id, job)
    }

    /// Where the files of a view are found.
    pub(super) fn place(&self, view: ViewId) -> Arc<Place> {
        Arc::clone(&self.places[view.0 as usize])
    }

    /// Where those of each view are, by its number.
    pub(super) fn places(&self) -> Vec<Arc<Place>> {
        self.places.clone()
    }

    /// Where those of the host are.
    pub(super) fn host_place(&self) -> Arc<Place> {
        Arc::clone(&self.host_place)
    }

    /// Gives up on objects that could only be looked at through processes that ended, time after time.
    pub(super) fn give_up_vanished(&mut self) {
        let what = "the processes that have it mapped kept ending or changing";
        for object in self
            .objects
            .iter_mut()
            .filter(|object| object.look.is_vanished())
        {
            object.look.mapped = Err(WhyNot::Failed(what.to_owned()));
            object.look.fresh = Fresh::Unknown(WhyNot::Failed(what.to_owned()));
        }
    }

    /// Whether a user, or all users together, have more distinct files of code mapped than can sensibly be. The root of
    /// the reader's own namespace has no such bound; that of a container has.
    pub(super) fn is_over_budget(&self, seen: &Seen) -> bool {
        let exempt = seen.uid == 0 && seen.mnt_ns == self.host.mnt_ns;
        let used = self.cost.get(&seen.uid).copied().unwrap_or_default();
        !exempt && (used > USER_CAP || self.others > OTHERS_CAP)
    }

    /// Whether an object of the process could only be looked at through processes that ended meanwhile.
    pub(super) fn has_vanished(&self, process: &Process) -> bool {
        process
            .uses
            .iter()
            .any(|one| self.objects[one.object.0 as usize].look.is_vanished())
    }

    /// Takes the objects that wait, each with the place and the path where it is to be looked up.
    pub(super) fn take_waiting(&mut self) -> Vec<usize> {
        let waiting = std::mem::take(&mut self.waiting);
        for &at in &waiting {
            let resolved = self.resolve(self.jobs[at].view, self.jobs[at].name.as_slice());
            if let Some((view, path)) = resolved {
                self.jobs[at].place = Arc::clone(&self.places[view.0 as usize]);
                self.jobs[at].path = Some(path);
                self.objects[at].view = view;
            }
        }
        waiting
    }

    /// The view in which a name is to be looked up, and the path there.
    fn resolve(&self, view: ViewId, name: &[u8]) -> Option<(ViewId, Bytes)> {
        let own = &self.views[view.0 as usize];
        if let Some(path) = path_in_root(name, own.root.as_slice()) {
            return Some((view, Bytes::from(path)));
        }
        if !name.starts_with(b"/") {
            return None;
        }
        // Opened before chroot(2): a task of the same namespace that has the namespace's root can look.
        let is_whole = |other: &View| other.mnt_ns == own.mnt_ns && other.root.as_slice() == b"/";
        let whole = self.views.iter().position(is_whole)?;
        Some((ViewId(index(whole)), Bytes::from(name)))
    }

    /// The namespaces whose own root some process has.
    pub(super) fn whole_places(&self) -> Vec<Arc<Place>> {
        self.places
            .iter()
            .filter(|place| place.whole)
            .map(Arc::clone)
            .collect()
    }

    /// What content had to tell was not learnt in time.
    pub(super) fn not_looked_inside(&mut self, at: usize) {
        let (look, job) = (&mut self.objects[at].look, &self.jobs[at]);
        if super::look::is_same(look, job) {
            look.start_name = Some(crate::model::StartName {
                path: job.name.clone(),
                found: Err(WhyNot::TimedOut),
                content: Compared::NotAsked,
            });
        } else {
            look.content = Compared::Unreadable;
        }
    }

    /// An object turned out to lie in a mount of another namespace than that of the processes that map it.
    pub(super) fn move_to(&mut self, at: usize, place: &Arc<Place>) {
        self.jobs[at].place = Arc::clone(place);
        if let Some(view) = self.places.iter().position(|one| Arc::ptr_eq(one, place)) {
            self.objects[at].view = ViewId(index(view));
        }
    }
}

fn not_looked() -> Look {
    Look {
        mapped: Err(WhyNot::TimedOut),
        fresh: Fresh::Unknown(WhyNot::TimedOut),
        mount: None,
        mounted: None,
        on_host: false,
        mapped_build_id: None,
        fresh_build_id: None,
        content: Compared::NotAsked,
        start_name: None,
    }
}

fn index(length: usize) -> u32 {
    u32::try_from(length).expect("the number of processes and mappings is capped far below 2^32")
}
