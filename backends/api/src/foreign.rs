//! The root of a system that somebody else rules: a container's, a chroot's. Whoever rules it may change it while it is
//! read, mount anything in it, and fill it with anything.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// The most that is read of one file that is kept in memory as a whole: twice a large desktop's `status`.
pub const FOREIGN_FILE_CAP: u64 = 8 << 20;
/// The most of all such files together.
const KEPT_CAP: u64 = 24 << 20;
/// The most that is read altogether: four times all lists of a large desktop.
const READ_CAP: u64 = 128 << 20;

const READ: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);
const O_PATH: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// Such a root, held open, with what may be spent on it.
///
/// No step below it leaves it or crosses a mount point: nothing is reached that a server or a user's program answers
/// for, unless the root itself is, which the caller has to know. Nothing but regular files is opened for reading, and
/// the file that was seen to be one is the one that is opened: that takes a `/proc`.
#[derive(Debug, Clone)]
pub struct Foreign(Arc<Bounded>);

#[derive(Debug)]
struct Bounded {
    dir: OwnedFd,
    end: Instant,
    kept: AtomicU64,
    read: AtomicU64,
}

impl Foreign {
    /// A root to be read until `end`: then every read fails.
    pub fn new(dir: OwnedFd, end: Instant) -> Self {
        Self(Arc::new(Bounded {
            dir,
            end,
            kept: AtomicU64::new(KEPT_CAP),
            read: AtomicU64::new(READ_CAP),
        }))
    }

    /// What is at `path`, links followed inside the root, by `O_PATH`.
    ///
    /// # Errors
    /// What openat2(2) says; that it lies on another mount; that the time is over.
    pub fn find(&self, path: &Path) -> io::Result<OwnedFd> {
        self.resolve(self.0.dir.as_fd(), path, O_PATH, ResolveFlags::IN_ROOT)
    }

    /// The same, but a link at the end of the path is not followed.
    ///
    /// # Errors
    /// As [`Foreign::find`].
    pub fn find_link(&self, path: &Path) -> io::Result<OwnedFd> {
        let flags = O_PATH | OFlags::NOFOLLOW;
        self.resolve(self.0.dir.as_fd(), path, flags, ResolveFlags::IN_ROOT)
    }

    /// What has this name in a directory of the root, links not followed.
    ///
    /// # Errors
    /// As [`Foreign::find`].
    pub fn find_in(&self, dir: BorrowedFd<'_>, name: &Path) -> io::Result<OwnedFd> {
        let flags = O_PATH | OFlags::NOFOLLOW;
        self.resolve(dir, name, flags, ResolveFlags::BENEATH)
    }

    /// Opens for reading what was found, if it is a regular file.
    ///
    /// # Errors
    /// That it is none; what open(2) says.
    pub fn open(&self, found: &OwnedFd) -> io::Result<OpenFile> {
        let kind = FileType::from_raw_mode(rustix::fs::fstat(found)?.st_mode);
        if kind != FileType::RegularFile {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            ));
        }
        let name = format!("/proc/self/fd/{}", found.as_raw_fd());
        let fd = rustix::fs::open(name, READ, Mode::empty())?;
        Ok(OpenFile {
            file: File::from(fd),
            root: Some(self.clone()),
        })
    }

    /// Opens for reading what was found, if it is a directory.
    ///
    /// # Errors
    /// That it is none; what open(2) says.
    pub fn open_dir(&self, found: &OwnedFd) -> io::Result<OwnedFd> {
        let flags = READ | OFlags::DIRECTORY;
        Ok(rustix::fs::openat(found, c".", flags, Mode::empty())?)
    }

    /// Takes so much for what is to be kept in memory.
    ///
    /// # Errors
    /// That there is not so much left, or that the time is over.
    pub fn keep(&self, bytes: u64) -> io::Result<()> {
        self.take(&self.0.kept, bytes)
    }

    /// Whether there is time left.
    ///
    /// # Errors
    /// That there is not.
    pub fn is_in_time(&self) -> io::Result<()> {
        match Instant::now() < self.0.end {
            true => Ok(()),
            false => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "it takes too long to read",
            )),
        }
    }

    fn take(&self, from: &AtomicU64, bytes: u64) -> io::Result<()> {
        self.is_in_time()?;
        let left = |left: u64| left.checked_sub(bytes);
        match from.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left) {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "more than is read of such a root",
            )),
        }
    }

    fn resolve(
        &self,
        from: BorrowedFd<'_>,
        path: &Path,
        flags: OFlags,
        inside: ResolveFlags,
    ) -> io::Result<OwnedFd> {
        let path = path.strip_prefix("/").unwrap_or(path);
        let resolve = inside | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        loop {
            self.is_in_time()?;
            match rustix::fs::openat2(from, path, flags, Mode::empty(), resolve) {
                Ok(fd) => return Ok(fd),
                // A rename elsewhere kept the kernel from proving that no step left the root.
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(Errno::XDEV) => {
                    return Err(io::Error::other("it lies on another mount than its root"));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A regular file, open for reading; in a foreign root, what is read of it counts.
#[derive(Debug)]
pub struct OpenFile {
    file: File,
    root: Option<Foreign>,
}

impl OpenFile {
    /// Reads at an offset, as pread(2).
    ///
    /// # Errors
    /// What pread(2) says; that a foreign root's share is spent.
    pub fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.count(into.len())?;
        self.file.read_at(into, offset)
    }

    /// The same open file once more.
    ///
    /// # Errors
    /// What dup(2) says.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            file: self.file.try_clone()?,
            root: self.root.clone(),
        })
    }

    /// The root that it is of, if that is a foreign one.
    pub fn foreign(&self) -> Option<&Foreign> {
        self.root.as_ref()
    }

    fn count(&self, bytes: usize) -> io::Result<()> {
        match &self.root {
            None => Ok(()),
            Some(root) => root.take(&root.0.read, bytes as u64),
        }
    }
}

impl Read for OpenFile {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Some(root) = &self.root {
            root.is_in_time()?;
        }
        let got = self.file.read(into)?;
        self.count(got)?;
        Ok(got)
    }
}

impl From<File> for OpenFile {
    fn from(file: File) -> Self {
        Self { file, root: None }
    }
}

impl AsFd for OpenFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
