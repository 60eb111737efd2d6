//! The files of the host, by path: found without leaving the root, read without waiting, and never more than allowed.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FileType, Mode, OFlags, RawDir, openat};
use rustix::io::Errno;

use crate::model::{Bytes, FileKind, FileStat, Timestamp, WhyNot};
use crate::problem::Problem;
use crate::view::{self, Base, Lost, ProcRoot, mounts::Mounts};

/// The most that is read altogether: several large kernels and initrds.
const READ_CAP: u64 = 1024 * 1024 * 1024;
/// The most that reading kernel images takes altogether. Debian's three of arm64 take a tenth of it.
const TIME_FOR_IMAGES: Duration = Duration::from_secs(4);
/// All of it has to be read by then: a slow disk, or files made to take long.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// The most names that are listed of one directory.
const NAMES_CAP: usize = 10_000;
/// Problems that are told; more are like these.
const PROBLEMS_CAP: usize = 64;

/// In a second.
const NANOS: i64 = 1_000_000_000;

/// The files below the host's root.
#[derive(Debug)]
pub(super) struct Files<'a> {
    proc: &'a ProcRoot,
    /// The /proc of the reader, where the one that is read is a recorded tree: found files are opened through it.
    own_proc: Option<ProcRoot>,
    root: OwnedFd,
    mounts: Mounts,
    budget: Budget,
    /// What is left of the time for kernel images.
    pub(super) time_for_images: Cell<Duration>,
    problems: RefCell<Vec<Problem>>,
}

/// What may still be spent.
#[derive(Debug)]
struct Budget {
    bytes: Cell<u64>,
    end: Instant,
}

/// What is at a path.
#[derive(Debug)]
pub(super) struct Found {
    /// The path without symbolic links.
    pub(super) path: Bytes,
    pub(super) stat: FileStat,
    /// When the youngest symbolic link on the way came to be, if there was one.
    pub(super) linked: Option<Timestamp>,
    found: view::Found,
}

/// A regular file, open for reading. What is read of it counts.
#[derive(Debug)]
pub(super) struct OpenFile<'a> {
    file: File,
    pub(super) size: u64,
    budget: &'a Budget,
}

impl<'a> Files<'a> {
    pub(super) fn open(proc: &'a ProcRoot, root: Option<&Path>) -> Result<Self, Problem> {
        let path = root.unwrap_or(Path::new("/"));
        let base = Base::Directory(path.to_owned());
        let root = base.open(proc).map_err(|error| Problem {
            operation: "open".to_owned(),
            object: Bytes::from(path),
            pid: None,
            why: view::why(error),
        })?;
        let own_proc = match proc.is_live() {
            true => None,
            false => ProcRoot::open(Path::new("/proc")).ok(),
        };
        Ok(Self {
            proc,
            own_proc,
            root,
            mounts: base.mounts(proc),
            budget: Budget {
                bytes: Cell::new(READ_CAP),
                end: Instant::now() + TIME_LIMIT,
            },
            time_for_images: Cell::new(TIME_FOR_IMAGES),
            problems: RefCell::new(Vec::new()),
        })
    }

    /// What is at a path, symbolic links followed inside the root; `None` if nothing is.
    pub(super) fn find(&self, path: impl AsRef<[u8]>) -> Result<Option<Found>, WhyNot> {
        if self.budget.is_late() {
            return Err(WhyNot::TimedOut);
        }
        match view::follow(&self.root, path.as_ref(), &self.mounts) {
            Ok((found, trail)) => {
                let path = match trail.path.is_empty() {
                    true => Bytes::from("/"),
                    false => Bytes(trail.path),
                };
                let linked = trail.links_ns.map(|nanos| Timestamp {
                    secs: nanos.div_euclid(NANOS),
                    nanos: u32::try_from(nanos.rem_euclid(NANOS)).unwrap_or_default(),
                });
                Ok(Some(Found {
                    path,
                    stat: view::file_stat(&found.stat),
                    linked,
                    found,
                }))
            }
            Err(Lost::Missing) => Ok(None),
            Err(lost) => Err(view::why_lost(lost)),
        }
    }

    /// Opens what was found, if it is a regular file.
    pub(super) fn open_found(&self, found: &Found) -> Result<OpenFile<'_>, WhyNot> {
        let proc = self.own_proc.as_ref().unwrap_or(self.proc);
        match view::reopen(proc, &found.found) {
            Ok(file) => Ok(OpenFile {
                file,
                size: found.stat.size,
                budget: &self.budget,
            }),
            Err(Errno::INVAL) => Err(WhyNot::Failed("it is no regular file".to_owned())),
            Err(error) => Err(view::why(error)),
        }
    }

    /// All of a file of at most `cap` bytes; `None` if there is none.
    pub(super) fn read(&self, path: impl AsRef<[u8]>, cap: u64) -> Result<Option<Vec<u8>>, WhyNot> {
        let Some(found) = self.find(path)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        let file = self.open_found(&found)?;
        // The size of a file in sysfs says nothing.
        file.take(cap + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| why_io(&error))?;
        if bytes.len() as u64 > cap {
            return Err(view::why(Errno::FBIG));
        }
        Ok(Some(bytes))
    }

    /// As [`Self::read`]; what cannot be read is noted as a problem, and is `None` too.
    pub(super) fn read_or_note(&self, path: impl AsRef<[u8]>, cap: u64) -> Option<Vec<u8>> {
        let path = path.as_ref();
        self.read(path, cap).unwrap_or_else(|why| {
            self.note("read", path, why);
            None
        })
    }

    /// The names in a directory, sorted; `None` if there is none.
    pub(super) fn list(&self, path: impl AsRef<[u8]>) -> Result<Option<Vec<Bytes>>, WhyNot> {
        let Some(found) = self.find(path)? else {
            return Ok(None);
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let dir = match openat(&found.found.fd, c".", flags, Mode::empty()) {
            Ok(dir) => dir,
            Err(Errno::NOTDIR) => return Err(WhyNot::Failed("it is no directory".to_owned())),
            Err(error) => return Err(view::why(error)),
        };
        let mut buffer = Vec::with_capacity(32 * 1024);
        let mut entries = RawDir::new(dir.as_fd(), buffer.spare_capacity_mut());
        let mut names = Vec::new();
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(view::why)?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            if names.len() == NAMES_CAP {
                let what = format!("it holds more than {NAMES_CAP} names");
                return Err(WhyNot::Failed(what));
            }
            names.push(Bytes::from(name));
        }
        names.sort();
        Ok(Some(names))
    }

    /// As [`Self::list`]; a directory that cannot be listed is noted as a problem, and is empty; so is a missing one.
    pub(super) fn list_or_note(&self, path: impl AsRef<[u8]>) -> Vec<Bytes> {
        let path = path.as_ref();
        let listed = self.list(path).unwrap_or_else(|why| {
            self.note("list", path, why);
            None
        });
        listed.unwrap_or_default()
    }

    /// Whether a path lies on a file system of that type.
    pub(super) fn is_of(&self, path: impl AsRef<[u8]>, kind: &[u8]) -> bool {
        let mount = self.mounts.under(path.as_ref());
        mount.is_some_and(|mount| mount.kind.as_slice() == kind)
    }

    /// Whether something is at a path. What cannot be looked at is noted as a problem.
    pub(super) fn is_there(&self, path: impl AsRef<[u8]>) -> bool {
        let path = path.as_ref();
        let found = self.find(path).unwrap_or_else(|why| {
            self.note("look at", path, why);
            None
        });
        found.is_some()
    }

    /// Notes what could not be looked at: the result is incomplete.
    pub(super) fn note(&self, operation: &str, path: impl AsRef<[u8]>, why: WhyNot) {
        let mut problems = self.problems.borrow_mut();
        if problems.len() < PROBLEMS_CAP {
            problems.push(Problem {
                operation: operation.to_owned(),
                object: Bytes::from(path.as_ref()),
                pid: None,
                why,
            });
        }
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }
}

impl Found {
    pub(super) fn is_file(&self) -> bool {
        self.stat.kind == FileKind::Regular
    }

    pub(super) fn is_dir(&self) -> bool {
        FileType::from_raw_mode(self.found.stat.stx_mode.into()) == FileType::Directory
    }
}

impl OpenFile<'_> {
    /// As many bytes at an offset as are there, up to the length of `into`.
    pub(super) fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < into.len() {
            match self
                .file
                .read_at(&mut into[filled..], offset + filled as u64)
            {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.budget.spend(filled)?;
        Ok(filled)
    }

    /// The bytes of a range, or fewer where the file ends.
    pub(super) fn range(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let filled = self.read_at(&mut bytes, offset)?;
        bytes.truncate(filled);
        Ok(bytes)
    }
}

impl Read for OpenFile<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(into)?;
        self.budget.spend(count)?;
        Ok(count)
    }
}

impl Budget {
    fn is_late(&self) -> bool {
        Instant::now() > self.end
    }

    fn spend(&self, bytes: usize) -> io::Result<()> {
        if self.is_late() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match self.bytes.get().checked_sub(bytes as u64) {
            Some(left) => {
                self.bytes.set(left);
                Ok(())
            }
            None => Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "more than is read of files of the boot altogether",
            )),
        }
    }
}

/// An error of reading as a reason.
pub(super) fn why_io(error: &io::Error) -> WhyNot {
    if error.kind() == io::ErrorKind::TimedOut {
        return WhyNot::TimedOut;
    }
    match error.raw_os_error() {
        Some(_) => WhyNot::Failed(error.kind().to_string()),
        None => WhyNot::Failed(error.to_string()),
    }
}
