//! Opening files below a root directory: the only door to the disk. Never writes, creates or locks.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{self, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use unstale_packages::{FOREIGN_FILE_CAP, Foreign, OpenFile};

/// A store larger than this is refused: real ones are at most some 300 MiB.
pub(crate) const MAX_FILE: u64 = 512 << 20;

/// A root directory, held open.
#[derive(Debug)]
pub(crate) struct Root {
    top: Top,
    is_host: bool,
}

#[derive(Debug)]
enum Top {
    /// The reader's own root, or one that somebody named.
    Own(OwnedFd),
    /// A container's.
    Foreign(Foreign),
}

impl Root {
    /// Opens the directory that serves as root.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = fs::open(path, flags, Mode::empty())?;
        let host = fs::open("/", flags, Mode::empty())?;
        let is_host = identity(&fs::fstat(&dir)?) == identity(&fs::fstat(&host)?);
        Ok(Self {
            top: Top::Own(dir),
            is_host,
        })
    }

    /// A root that somebody else rules.
    pub(crate) fn foreign(root: Foreign) -> Self {
        Self {
            top: Top::Foreign(root),
            is_host: false,
        }
    }

    /// Whether somebody else rules it.
    pub(crate) fn is_foreign(&self) -> bool {
        matches!(self.top, Top::Foreign(_))
    }

    /// Whether this is the root of the running system, so that its `/proc` speaks of the same files.
    pub(crate) fn is_host(&self) -> bool {
        self.is_host
    }

    /// Opens a regular file for reading; `None` where there is nothing of that name.
    ///
    /// It is looked at without opening first: opening a fifo or a device is an act of its own.
    pub(crate) fn file(&self, path: &Path) -> io::Result<Option<OpenFile>> {
        let Some(file) = self.regular(path)? else {
            return Ok(None);
        };
        let opened = fs::fstat(&file)?;
        must_be_regular(&opened)?;
        if u64::try_from(opened.st_size).unwrap_or(u64::MAX) > MAX_FILE {
            return Err(io::Error::other("larger than 512 MiB"));
        }
        Ok(Some(file))
    }

    fn regular(&self, path: &Path) -> io::Result<Option<OpenFile>> {
        if let Top::Foreign(root) = &self.top {
            let found = absent(root.find(path))?;
            return found.map(|found| root.open(&found)).transpose();
        }
        let Some(seen) = self.stat(path)? else {
            return Ok(None);
        };
        must_be_regular(&seen)?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = self.resolve(path, flags)?;
        Ok(opened.map(|fd| File::from(fd).into()))
    }

    /// The whole of a small regular file, at most `limit` bytes; `None` where there is nothing of that name.
    pub(crate) fn read(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(file) = self.file(path)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        let limit = match &self.top {
            Top::Own(_) => limit,
            Top::Foreign(root) => {
                root.keep(limit.min(FOREIGN_FILE_CAP))?;
                limit.min(FOREIGN_FILE_CAP)
            }
        };
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(io::Error::other(format!("larger than {limit} bytes")));
        }
        Ok(Some(bytes))
    }

    /// Identity, size and times of what is at `path`; `None` where there is nothing.
    pub(crate) fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        match self.resolve(path, OFlags::PATH | OFlags::CLOEXEC)? {
            Some(fd) => Ok(Some(fs::fstat(&fd)?)),
            None => Ok(None),
        }
    }

    /// Where the symbolic link at `path` points, as written; `None` where there is no symbolic link.
    pub(crate) fn link(&self, path: &Path) -> Option<PathBuf> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = self.resolve(path, flags).ok()??;
        let target = fs::readlinkat(&fd, "", Vec::new()).ok()?;
        Some(PathBuf::from(OsStr::from_bytes(target.as_bytes())))
    }

    /// In a foreign root by `O_PATH` alone.
    fn resolve(&self, path: &Path, flags: OFlags) -> io::Result<Option<OwnedFd>> {
        let dir = match &self.top {
            Top::Own(dir) => dir,
            Top::Foreign(root) if flags.contains(OFlags::NOFOLLOW) => {
                return absent(root.find_link(path));
            }
            Top::Foreign(root) => return absent(root.find(path)),
        };
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        // The kernel answers EAGAIN when a rename elsewhere kept it from proving that no link left the root.
        for _ in 0..16 {
            match fs::openat2(dir, path, flags, Mode::empty(), resolve) {
                Ok(fd) => return Ok(Some(fd)),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
                Err(e) => return Err(e.into()),
            }
        }
        Err(Errno::AGAIN.into())
    }
}

fn absent(found: io::Result<OwnedFd>) -> io::Result<Option<OwnedFd>> {
    match found {
        Ok(fd) => Ok(Some(fd)),
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            _ => Err(error),
        },
    }
}

/// What tells one file from another.
pub(crate) fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

fn must_be_regular(stat: &Stat) -> io::Result<()> {
    if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
        Ok(())
    } else {
        Err(io::Error::other("not a regular file"))
    }
}

/// Reads exactly `length` bytes at `offset`, or fewer where the file ends.
pub(crate) fn read_at(file: &OpenFile, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(n) => filled = filled.saturating_add(n),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
