//! One look at one distinct object: what is mapped, and what a fresh open of its path gives now.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustix::fs::{OFlags, Statx};
use rustix::io::Errno;

use crate::model::{
    Bytes, Compared, Device, FileKind, FileStat, Fresh, Led, Look, Pid, ViewId, WhyNot,
};
use crate::view::Base;
use crate::view::mounts::Mounts;
use crate::view::{self, Found, Lost, Trail};
use crate::view::{ProcDir, ProcRoot};
use crate::view::{file_stat, is_vanished, why, why_lost};

/// A mapping through which an object can be reached.
#[derive(Debug, Clone, Copy)]
pub(super) struct Handle {
    pub(super) task: Pid,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) program: bool,
    /// An open descriptor instead of a mapping.
    pub(super) descriptor: Option<u32>,
}

impl Handle {
    pub(super) fn mapping(task: Pid, start: u64, end: u64) -> Self {
        Self {
            task,
            start,
            end,
            program: false,
            descriptor: None,
        }
    }

    pub(super) fn descriptor(task: Pid, number: u32) -> Self {
        Self {
            descriptor: Some(number),
            ..Self::mapping(task, 0, 0)
        }
    }

    /// The magic link to the mapped object. `exe` needs less privilege than `map_files`.
    pub(super) fn link(self) -> CString {
        match (self.descriptor, self.program) {
            (Some(number), _) => CString::new(format!("fd/{number}")).expect("digits hold no NUL"),
            (None, true) => c"exe".to_owned(),
            (None, false) => self.map_files(),
        }
    }

    fn map_files(self) -> CString {
        CString::new(format!("map_files/{:x}-{:x}", self.start, self.end))
            .expect("hexadecimal digits hold no NUL")
    }
}

/// What a view needs for looking up files, read once.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) base: Base,
    pub(super) mounts: OnceLock<Mounts>,
    /// Since when directories are where they are, by their paths: many files share one.
    pub(super) came: Mutex<HashMap<Vec<u8>, i64>>,
    /// Whether the root is that of its mount namespace: otherwise mountinfo shows only the mounts below it, and a
    /// missing one says nothing.
    pub(super) whole: bool,
    /// Whether it is the host's own root in the reader's own namespace.
    pub(super) host: bool,
    /// Where the host's root is opened, if the view has the same root directory in another namespace: a service with
    /// private mounts. Most of its files are the host's, each has to be asked.
    pub(super) host_path: Option<std::path::PathBuf>,
}

impl Place {
    pub(super) fn mounts(&self, proc: &ProcRoot) -> &Mounts {
        self.mounts.get_or_init(|| self.base.mounts(proc))
    }

    /// When a directory, or one above it, came to be where it is: a rename shows in no time of the files in it.
    pub(super) fn came_ns(&self, proc: &ProcRoot, root: &OwnedFd, directory: &[u8]) -> i64 {
        let known = |came: &HashMap<Vec<u8>, i64>| came.get(directory).copied();
        if let Some(came) = known(&self.came.lock().unwrap_or_else(PoisonError::into_inner)) {
            return came;
        }
        let walked = view::follow(root, directory, self.mounts(proc));
        let came_ns = walked.map_or(i64::MIN, |(_, trail)| trail.changed_ns);
        let mut came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        came.insert(directory.to_vec(), came_ns);
        came_ns
    }
}

/// An object to look at.
#[derive(Debug, Clone)]
pub(super) struct Job {
    /// The view of the processes that map it.
    pub(super) view: ViewId,
    /// Their user: no user's processes speak for another's.
    pub(super) uid: u32,
    pub(super) handles: Vec<Handle>,
    pub(super) name: Bytes,
    /// The name as a path in `place`.
    pub(super) path: Option<Bytes>,
    pub(super) place: Arc<Place>,
    pub(super) device: Device,
    pub(super) inode: u64,
    /// Start of the oldest process that maps it, as a file time in nanoseconds.
    pub(super) oldest_start_ns: i64,
}

/// A look, and the path that turned out to be meant.
#[derive(Debug, Clone)]
pub(super) struct Looked {
    pub(super) path: Option<Bytes>,
    pub(super) look: Look,
    /// Where the path was looked up instead of the job's place.
    pub(super) place: Option<Arc<Place>>,
}

/// Looks without reading content. `wholes` are the namespaces whose own root some process has.
pub(super) fn look(proc: &ProcRoot, job: &Job, wholes: &[Arc<Place>]) -> Looked {
    let mapped = mapped_stat(proc, job);
    let mut look = empty_look(
        mapped
            .as_ref()
            .map(file_stat)
            .map_err(|&error| why_mapped(proc, error)),
    );
    let foreign = foreign_place(proc, job, &look, wholes);
    let elsewhere = foreign.map(|place| Job {
        place: Arc::clone(place),
        path: Some(job.name.clone()),
        ..job.clone()
    });
    let place = foreign.map(Arc::clone);
    let job = elsewhere.as_ref().unwrap_or(job);
    let Some(path) = &job.path else {
        return Looked {
            path: None,
            look,
            place,
        };
    };
    if matches!(job.place.base, Base::Nowhere) {
        look.fresh = Fresh::Unknown(WhyNot::NotRecorded);
        let path = Some(path.clone());
        return Looked { path, look, place };
    }
    let mounts = job.place.mounts(proc);
    look.mount = mounts.under(path.as_slice()).cloned();
    look.mounted = is_mounted(&look, job, mounts);
    let (mut path, fresh) = find_fresh(proc, job, path, &look);
    match fresh {
        Ok(found) => take_fresh(&mut look, file_stat(&found.stat), mounts),
        Err(Lost::Missing) => look.fresh = Fresh::Missing,
        Err(lost) => look.fresh = Fresh::Unknown(why_lost(lost)),
    }
    if look.mounted == Some(false) && !is_same(&look, job) {
        // Its name is relative to a mount that is gone, and may be anything's. A program's first argument still tells.
        look.fresh = Fresh::Missing;
        let Some(led) = by_first_argument(proc, job, mounts) else {
            let path = Some(path);
            return Looked { path, look, place };
        };
        take_fresh(&mut look, led.stat, mounts);
        path = led.path;
    }
    look.on_host = is_on_host(proc, &job.place, &path, &look);
    Looked {
        path: Some(path),
        look,
        place,
    }
}

pub(super) fn take_fresh(look: &mut Look, stat: FileStat, mounts: &Mounts) {
    let mount = stat.mount.and_then(|id| mounts.by_id(id)).cloned();
    look.mount = mount.or(look.mount.take());
    look.fresh = Fresh::Found(stat);
}

/// What the first argument of a program leads to, if it is a file.
fn by_first_argument(proc: &ProcRoot, job: &Job, mounts: &Mounts) -> Option<Led> {
    let root = job.place.base.open(proc).ok()?;
    first_arguments(proc, job).into_iter().find_map(|name| {
        let (found, trail) = view::follow(&root, name.as_slice(), mounts).ok()?;
        let stat = file_stat(&found.stat);
        let trusted = trail.owners.iter().all(|&owner| owner == job.uid);
        (stat.kind == FileKind::Regular && trusted).then(|| led(trail, stat))
    })
}

/// Where a walk led.
pub(super) fn led(trail: Trail, stat: FileStat) -> Led {
    let (since_ns, alternatives) = (trail.changed_ns, trail.alternatives);
    Led {
        path: Bytes(trail.path),
        stat,
        since_ns,
        alternatives,
    }
}

/// Whether the path means the same file on the host, so that the host's package database speaks for it.
pub(super) fn is_on_host(proc: &ProcRoot, place: &Place, path: &Bytes, look: &Look) -> bool {
    let Some(host) = &place.host_path else {
        return place.host;
    };
    let mounts = place.mounts(proc);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(root) = rustix::fs::open(host, flags, rustix::fs::Mode::empty()) else {
        return false;
    };
    match (&look.fresh, view::open(&root, path.as_slice(), mounts)) {
        (Fresh::Found(theirs), Ok(found)) => file_stat(&found.stat).is_same_object(theirs),
        (Fresh::Missing, Err(Lost::Missing)) => true,
        _ => false,
    }
}

/// A process that entered another mount namespace after it opened its files (setns(2), unshare(2)) has them from mounts
/// that its present namespace does not know: they are looked up in the namespace that has that mount.
fn foreign_place<'a>(
    proc: &ProcRoot,
    job: &Job,
    look: &Look,
    wholes: &'a [Arc<Place>],
) -> Option<&'a Arc<Place>> {
    let id = look.mapped.as_ref().ok()?.mount?;
    let own = job.place.mounts(proc);
    if !own.has_point(b"/")
        || !job.place.whole
        || own.by_id(id).is_some()
        || !job.name.as_slice().starts_with(b"/")
    {
        return None;
    }
    wholes
        .iter()
        .find(|place| place.mounts(proc).by_id(id).is_some())
}

/// Whether [`super::inside::look_inside`] has anything to add.
pub(super) fn is_open_question(looked: &Looked, job: &Job) -> bool {
    let look = &looked.look;
    if matches!(&look.mapped, Ok(stat) if stat.kind == FileKind::Other) || looked.path.is_none() {
        return false;
    }
    match &look.fresh {
        Fresh::Unknown(_) => false,
        Fresh::Missing => true,
        Fresh::Found(stat) if is_same(look, job) => {
            job.handles.iter().any(|handle| handle.program)
                || stat.ctime.nanos_since_epoch() > job.oldest_start_ns
        }
        Fresh::Found(_) => true,
    }
}

/// Whether the fresh object is the mapped one, by what was seen of both.
pub(super) fn is_same(look: &Look, job: &Job) -> bool {
    crate::model::is_same_object(look, job.device, job.inode)
}

pub(super) fn empty_look(mapped: Result<FileStat, WhyNot>) -> Look {
    Look {
        mapped,
        fresh: Fresh::Unknown(WhyNot::OutsideView),
        mount: None,
        mounted: None,
        on_host: false,
        mapped_build_id: None,
        fresh_build_id: None,
        content: Compared::NotAsked,
        start_name: None,
    }
}

/// The first answer of a handle that still leads to the object.
pub(super) fn through_handles<T>(
    proc: &ProcRoot,
    job: &Job,
    mut ask: impl FnMut(&ProcDir<'_>, &CStr, &Statx) -> Result<T, Errno>,
) -> Result<T, Errno> {
    let mut last = Errno::SRCH;
    for handle in &job.handles {
        let answer = proc.process(handle.task).and_then(|dir| {
            let link = handle.link();
            let stat = dir.stat_through(&link)?;
            if stat.stx_ino != job.inode && !prints_other_numbers(proc, &dir, &link, &stat, job)? {
                // The process has mapped something else there meanwhile.
                return Err(Errno::SRCH);
            }
            ask(&dir, &link, &stat)
        });
        match answer {
            Err(error) if is_vanished(error) => last = error,
            answer => return answer,
        }
    }
    Err(last)
}

/// An overlay before Linux 6.8 has the numbers of the layer below in maps: then the name has to do.
fn prints_other_numbers(
    proc: &ProcRoot,
    dir: &ProcDir<'_>,
    link: &CStr,
    stat: &Statx,
    job: &Job,
) -> Result<bool, Errno> {
    let mount = job.place.mounts(proc).by_id(stat.stx_mnt_id);
    let stacked = mount.is_some_and(|mount| matches!(mount.kind.as_slice(), b"overlay" | b"aufs"));
    Ok(stacked && dir.link(link)? == job.name.as_slice())
}

fn mapped_stat(proc: &ProcRoot, job: &Job) -> Result<Statx, Errno> {
    through_handles(proc, job, |_, _, stat| Ok(*stat))
}

/// Looks the path up. A name that ends in ` (deleted)` means a file truly named so only if that very object is there.
fn find_fresh(
    proc: &ProcRoot,
    job: &Job,
    path: &Bytes,
    look: &Look,
) -> (Bytes, Result<Found, Lost>) {
    let root = match job.place.base.open(proc) {
        Ok(root) => root,
        Err(error) => return (path.clone(), Err(Lost::Failed(error))),
    };
    let mounts = job.place.mounts(proc);
    let raw = view::open(&root, path.as_slice(), mounts);
    let Some(stripped) = view::without_suffix(path.as_slice()) else {
        return (path.clone(), raw);
    };
    if let Ok(found) = &raw {
        let mut probe = look.clone();
        let stat = file_stat(&found.stat);
        probe.mount = stat.mount.and_then(|id| mounts.by_id(id)).cloned();
        probe.fresh = Fresh::Found(stat);
        if is_same(&probe, job) {
            return (path.clone(), raw);
        }
    }
    (Bytes::from(stripped), view::open(&root, stripped, mounts))
}

/// Whether the mount that the object was opened through is still there, in this namespace or in that of another process.
fn is_mounted(look: &Look, job: &Job, mounts: &Mounts) -> Option<bool> {
    // Below a chroot mountinfo shows a part of the mounts, and not the root's.
    if !mounts.has_point(b"/") || !job.place.whole {
        return None;
    }
    let id = look.mapped.as_ref().ok()?.mount?;
    Some(mounts.by_id(id).is_some())
}

/// The absolute first arguments of the processes that run the program. Some write a title over their arguments, in one
/// piece that begins with the first argument: `/usr/bin/redis-server 127.0.0.1:6379`.
pub(super) fn first_arguments(proc: &ProcRoot, job: &Job) -> Vec<Bytes> {
    let programs = job.handles.iter().filter(|handle| handle.program);
    let mut names = Vec::new();
    for handle in programs {
        let text = proc
            .process(handle.task)
            .and_then(|dir| dir.read(c"cmdline", 128 * 1024));
        let Ok(text) = text else { continue };
        let first = text.split(|&byte| byte == 0).next().unwrap_or_default();
        let word = first.split(|&byte| byte == b' ').next().unwrap_or_default();
        names.extend(
            [first, word]
                .into_iter()
                .filter(|name| name.starts_with(b"/"))
                .map(Bytes::from),
        );
    }
    names.dedup();
    names
}

/// Who owns the file on disk, or what runs if there is none.
pub(super) fn owner_of(look: &Look) -> Option<u32> {
    match (&look.fresh, &look.mapped) {
        (Fresh::Found(stat), _) | (_, Ok(stat)) => Some(stat.uid),
        _ => None,
    }
}

fn why_mapped(proc: &ProcRoot, error: Errno) -> WhyNot {
    match error {
        _ if !proc.is_live() => WhyNot::NotRecorded,
        Errno::NOENT | Errno::SRCH => WhyNot::Vanished,
        error => why(error),
    }
}

/// The device of the kernel's own memory files: that of a memfd of ours.
pub(super) fn memory_devices() -> Vec<Device> {
    use rustix::fs::{MemfdFlags, fstat, major, memfd_create, minor};
    let device = |fd: OwnedFd| {
        let number = fstat(&fd).ok()?.st_dev;
        Some(Device {
            major: major(number),
            minor: minor(number),
        })
    };
    [
        MemfdFlags::CLOEXEC,
        MemfdFlags::CLOEXEC | MemfdFlags::HUGETLB,
    ]
    .into_iter()
    .filter_map(|flags| memfd_create("unstale", flags).ok().and_then(device))
    .collect()
}
