//! The files of one process, as detectors may see them: in its own view, with its own rights, bounded.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashSet;
use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use rustix::fs::{FileType, Mode, OFlags, RawDir, openat};
use rustix::io::Errno;
use unstale_plugin::{Entry, FileView, Kind, Refused, Root, Stat, join};

use super::look::Place;
use super::rights::Rights;
use super::scan;
use crate::model::{Pid, ProcessKey};
use crate::view::ProcRoot;
use crate::view::{self, Found, Lost, follow_as};

/// The most that is shown of one file, at once or in parts.
const FILE_CAP: u64 = 1024 * 1024;
/// The most that is shown of all files to a detector that looks at one process: a large application with what it imports.
/// The time for one process ends what takes longer.
const BYTES_CAP: u64 = 32 * 1024 * 1024;
/// How many files it may read.
const FILES_CAP: usize = 4000;
/// How many questions it may ask, reading or not.
const QUESTIONS_CAP: u32 = 20_000;
/// The most names that are listed of one directory.
const NAMES_CAP: usize = 10_000;
/// The most memory of the process that is shown, at once and altogether.
const MEMORY_CAP: u32 = 64 * 1024;
const MEMORY_TOTAL: u64 = 4 * 1024 * 1024;

/// The files of one process, and those of the host.
#[derive(Debug)]
pub struct ProcessFiles {
    proc: Arc<ProcRoot>,
    key: ProcessKey,
    task: Pid,
    place: Arc<Place>,
    host: Arc<Place>,
    rights: Rights,
    top: OnceCell<Result<OwnedFd, Errno>>,
    host_top: OnceCell<Result<OwnedFd, Errno>>,
    mem: OnceCell<Result<File, Errno>>,
    spent: Spent,
}

/// What a detector has cost so far.
#[derive(Debug, Default)]
struct Spent {
    bytes: Cell<u64>,
    /// Each once, however often it is read.
    files: RefCell<HashSet<(Root, Vec<u8>)>>,
    questions: Cell<u32>,
    memory: Cell<u64>,
}

impl ProcessFiles {
    pub(super) fn new(
        proc: Arc<ProcRoot>,
        (key, task): (ProcessKey, Pid),
        (place, host): (Arc<Place>, Arc<Place>),
        rights: Rights,
    ) -> Self {
        Self {
            proc,
            key,
            task,
            place,
            host,
            rights,
            top: OnceCell::new(),
            host_top: OnceCell::new(),
            mem: OnceCell::new(),
            spent: Spent::default(),
        }
    }

    /// What is at a path, and its path without links, if the process may get there.
    fn find(&self, root: Root, path: &[u8]) -> Result<(Found, Vec<u8>), Refused> {
        let asked = self.spent.questions.get() + 1;
        self.spent.questions.set(asked);
        if asked > QUESTIONS_CAP {
            return Err(Refused::Budget);
        }
        match root {
            Root::Process => self.find_own(path),
            Root::Host => self.find_host(path),
        }
    }

    fn find_own(&self, path: &[u8]) -> Result<(Found, Vec<u8>), Refused> {
        let top = self.top.get_or_init(|| self.place.base.open(&self.proc));
        let top = top.as_ref().map_err(|&error| refused(error))?;
        let mounts = self.place.mounts(&self.proc);
        if self.rights.may_all() {
            match view::open_plain(top, path, mounts) {
                Ok(found) => return Ok((found, join(b"/", path))),
                Err(Lost::Failed(Errno::LOOP)) => {}
                Err(lost) => return Err(refused_as(lost)),
            }
        }
        let walked = follow_as(top, path, mounts, |stat| self.rights.may_pass(stat));
        let (found, trail) = walked.map_err(refused_as)?;
        Ok((found, whole(trail.path)))
    }

    /// Files of the host are shown whoever may read them: the manifest names them. Through a directory of a user's only
    /// that user's own files are.
    fn find_host(&self, path: &[u8]) -> Result<(Found, Vec<u8>), Refused> {
        let top = self
            .host_top
            .get_or_init(|| self.host.base.open(&self.proc));
        let top = top.as_ref().map_err(|&error| refused(error))?;
        let mounts = self.host.mounts(&self.proc);
        let (found, trail) = view::follow(top, path, mounts).map_err(refused_as)?;
        let owner = found.stat.stx_uid;
        match trail.owners.as_slice() {
            [] => Ok((found, whole(trail.path))),
            [one] if *one == owner => Ok((found, whole(trail.path))),
            _ => Err(Refused::Denied),
        }
    }

    fn may_read(&self, root: Root, found: &Found) -> Result<(), Refused> {
        match root == Root::Host || self.rights.may_read(&found.stat) {
            true => Ok(()),
            false => Err(Refused::Denied),
        }
    }

    fn open(&self, root: Root, path: &[u8]) -> Result<(File, u64), Refused> {
        let (found, _) = self.find(root, path)?;
        self.may_read(root, &found)?;
        if is_of_the_kernel(&found) {
            return Err(Refused::Denied);
        }
        let mut files = self.spent.files.borrow_mut();
        if files.len() >= FILES_CAP && !files.contains(&(root, path.to_vec())) {
            return Err(Refused::Budget);
        }
        files.insert((root, path.to_vec()));
        drop(files);
        let size = found.stat.stx_size;
        match view::reopen(&self.proc, &found) {
            Ok(file) => Ok((file, size)),
            Err(Errno::INVAL) => Err(Refused::WrongKind),
            Err(error) => Err(refused(error)),
        }
    }

    /// Reads so much, or less at the end of the file; never more than its share.
    fn read_part(&self, file: &File, offset: u64, size: u64) -> Result<Vec<u8>, Refused> {
        let spent = self.spent.bytes.get();
        if spent.saturating_add(size) > BYTES_CAP {
            return Err(Refused::Budget);
        }
        let mut bytes = vec![0; usize::try_from(size).map_err(|_| Refused::TooLarge)?];
        let mut filled = 0;
        while filled < bytes.len() {
            match file.read_at(&mut bytes[filled..], offset.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Refused::Failed),
            }
        }
        bytes.truncate(filled);
        self.spent.bytes.set(spent + filled as u64);
        Ok(bytes)
    }

    fn open_memory(&self) -> Result<File, Errno> {
        let dir = self.proc.process(self.task)?;
        let file = dir.open(c"mem")?;
        // The directory stays this process's; that it is the one that was meant, its start tells.
        if scan::start_of(&self.proc, self.key.pid)? != self.key.started {
            return Err(Errno::SRCH);
        }
        Ok(file.into())
    }
}

impl FileView for ProcessFiles {
    fn read(&self, root: Root, path: &[u8]) -> Result<Vec<u8>, Refused> {
        let (file, size) = self.open(root, path)?;
        if size > FILE_CAP {
            return Err(Refused::TooLarge);
        }
        self.read_part(&file, 0, size)
    }

    fn read_at(&self, root: Root, path: &[u8], offset: u64, size: u32) -> Result<Vec<u8>, Refused> {
        let (file, whole) = self.open(root, path)?;
        let size = u64::from(size).min(whole.saturating_sub(offset));
        if size > FILE_CAP {
            return Err(Refused::TooLarge);
        }
        self.read_part(&file, offset, size)
    }

    fn stat(&self, root: Root, path: &[u8]) -> Result<Stat, Refused> {
        let (found, real_path) = self.find(root, path)?;
        Ok(Stat {
            kind: kind_of(FileType::from_raw_mode(found.stat.stx_mode.into())),
            size: found.stat.stx_size,
            real_path,
        })
    }

    fn list(&self, root: Root, path: &[u8]) -> Result<Vec<Entry>, Refused> {
        let (found, _) = self.find(root, path)?;
        self.may_read(root, &found)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let dir = match openat(&found.fd, c".", flags, Mode::empty()) {
            Ok(dir) => dir,
            Err(Errno::NOTDIR) => return Err(Refused::WrongKind),
            Err(error) => return Err(refused(error)),
        };
        let mut buffer = Vec::with_capacity(32 * 1024);
        let mut names = RawDir::new(dir.as_fd(), buffer.spare_capacity_mut());
        let mut entries = Vec::new();
        while let Some(entry) = names.next() {
            let entry = entry.map_err(refused)?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            if entries.len() == NAMES_CAP {
                return Err(Refused::TooLarge);
            }
            entries.push(Entry {
                name: name.to_vec(),
                kind: kind_of(entry.file_type()),
            });
        }
        Ok(entries)
    }

    fn read_link(&self, root: Root, path: &[u8]) -> Result<Vec<u8>, Refused> {
        let name = CString::new(unstale_plugin::base_name(path)).map_err(|_| Refused::Failed)?;
        let (found, _) = self.find(root, unstale_plugin::directory_of(path))?;
        if root == Root::Process && !self.rights.may_pass(&found.stat) {
            return Err(Refused::Denied);
        }
        match rustix::fs::readlinkat(&found.fd, &name, Vec::new()) {
            Ok(target) => Ok(target.into_bytes()),
            Err(Errno::INVAL) => Err(Refused::WrongKind),
            Err(error) => Err(refused(error)),
        }
    }

    fn memory(&self, address: u64, size: u32) -> Result<Vec<u8>, Refused> {
        let spent = self.spent.memory.get() + u64::from(size);
        if size > MEMORY_CAP || spent > MEMORY_TOTAL {
            return Err(Refused::Budget);
        }
        self.spent.memory.set(spent);
        let file = self.mem.get_or_init(|| self.open_memory());
        let file = file.as_ref().map_err(|&error| refused(error))?;
        let mut bytes = vec![0; size as usize];
        // Nothing is mapped there: EIO. proc_pid_mem(5).
        match file.read_exact_at(&mut bytes, address) {
            Ok(()) => Ok(bytes),
            Err(_) => Err(Refused::Missing),
        }
    }
}

/// Files that the kernel makes when they are read: to read one may do something, or wait. `PROC_SUPER_MAGIC`,
/// `SYSFS_MAGIC`, `DEBUGFS_MAGIC`, `TRACEFS_MAGIC`, `CGROUP2_SUPER_MAGIC`, `CGROUP_SUPER_MAGIC` (statfs(2)).
fn is_of_the_kernel(found: &Found) -> bool {
    const MADE: [u64; 6] = [
        0x9fa0,
        0x6265_6572,
        0x6462_6720,
        0x7472_6163,
        0x6367_7270,
        0x0027_e0eb,
    ];
    let kind = rustix::fs::fstatfs(&found.fd).map(|stat| u64::try_from(stat.f_type));
    !matches!(kind, Ok(Ok(kind)) if !MADE.contains(&kind))
}

/// A walk to the root passes no name.
fn whole(path: Vec<u8>) -> Vec<u8> {
    if path.is_empty() { b"/".to_vec() } else { path }
}

fn kind_of(kind: FileType) -> Kind {
    match kind {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        // Some file systems do not say what a name is: as of a link, it has to be asked.
        FileType::Symlink | FileType::Unknown => Kind::Link,
        _ => Kind::Other,
    }
}

fn refused_as(lost: Lost) -> Refused {
    match lost {
        Lost::Missing => Refused::Missing,
        Lost::MayHang(_) => Refused::NoAnswer,
        Lost::Failed(error) => refused(error),
    }
}

fn refused(error: Errno) -> Refused {
    match error {
        Errno::NOENT | Errno::NOTDIR => Refused::Missing,
        Errno::ACCESS | Errno::PERM => Refused::Denied,
        Errno::FBIG => Refused::TooLarge,
        Errno::TIMEDOUT => Refused::NoAnswer,
        _ => Refused::Failed,
    }
}

#[cfg(test)]
mod tests;
