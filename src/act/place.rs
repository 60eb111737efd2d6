//! A directory that only root writes to, and files in it: one component at a time, and never through a link.

mod change;
mod lock;

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::fs::{chmodat, fstat, mkdirat, open, openat};
use rustix::io::Errno;

use crate::model::{Device, Escaped, Mark, Timestamp};
use crate::trust::{Untrusted, Why};

pub(crate) use lock::Lock;

/// The most that such a file holds: thousands of names.
const TEXT_CAP: u64 = 1024 * 1024;
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Why a file of ours could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// Others could have put it there.
    #[error("not trusted: {0}")]
    Untrusted(#[from] Untrusted),
    /// The system says no.
    #[error("cannot {operation} {}: {errno}", shown(path))]
    System {
        /// What was being done.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What it says.
        errno: Errno,
    },
    /// It is larger than any such file should be.
    #[error("{} is longer than {cap} bytes, and so is not written to", shown(path))]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The most that is read of it.
        cap: u64,
    },
    /// Another run of ours holds the lock.
    #[error("{} is held by another run", shown(path))]
    Busy {
        /// The lock.
        path: PathBuf,
    },
}

fn shown(path: &Path) -> Escaped<'_> {
    use std::os::unix::ffi::OsStrExt as _;
    Escaped(path.as_os_str().as_bytes())
}

/// A trusted directory.
#[derive(Debug)]
pub(crate) struct Directory {
    fd: OwnedFd,
    path: PathBuf,
    euid: u32,
}

/// A trusted file, and what it held.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) bytes: Vec<u8>,
    pub(crate) mark: Mark,
    file: File,
}

impl Text {
    /// What was appended since.
    pub(crate) fn appended(&mut self) -> std::io::Result<Vec<u8>> {
        let mut more = Vec::new();
        let left = TEXT_CAP.saturating_sub(self.bytes.len() as u64);
        (&mut self.file).take(left).read_to_end(&mut more)?;
        Ok(more)
    }
}

impl Directory {
    /// `/run` of a root; `None` if there is none.
    pub(crate) fn open_run(root: &Path) -> Result<Option<Self>, PlaceError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = open(root, flags, Mode::empty()).map_err(|errno| system("open", root, errno))?;
        let above = Self {
            fd,
            path: root.to_owned(),
            euid: rustix::process::geteuid().as_raw(),
        };
        above.open_below("run")
    }

    /// A directory in it; `None` if there is none.
    pub(crate) fn open_below(&self, name: &str) -> Result<Option<Self>, PlaceError> {
        let path = self.path.join(name);
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = match openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(system("open", &path, errno)),
        };
        let stat = fstat(&fd).map_err(|errno| system("look at", &path, errno))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {}
            FileType::Symlink => return Err(untrusted(&path, Why::Link)),
            _ => return Err(untrusted(&path, Why::NotDirectory)),
        }
        self.check(&stat).map_err(|why| untrusted(&path, why))?;
        let euid = self.euid;
        Ok(Some(Self { fd, path, euid }))
    }

    /// A directory in it that everybody may read, made if there is none.
    pub(crate) fn make_below(&self, name: &str) -> Result<Self, PlaceError> {
        self.make_with(name, Mode::from_raw_mode(0o755))
    }

    /// A directory in it that nobody else may look into, made if there is none.
    pub(crate) fn make_private_below(&self, name: &str) -> Result<Self, PlaceError> {
        self.make_with(name, Mode::from_raw_mode(0o700))
    }

    fn make_with(&self, name: &str, mode: Mode) -> Result<Self, PlaceError> {
        step();
        match mkdirat(&self.fd, name, mode) {
            // Whatever the umask: others are to read what is in it.
            Ok(()) => {
                step();
                chmodat(&self.fd, name, mode, AtFlags::empty())
                    .map_err(|errno| self.failed("make", name, errno))?;
            }
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(self.failed("make", name, errno)),
        }
        let gone = || self.failed("open", name, Errno::NOENT);
        self.open_below(name)?.ok_or_else(gone)
    }

    /// A file in it, all of it; `None` if there is none.
    pub(crate) fn look(&self, name: &str) -> Result<Option<Text>, PlaceError> {
        let Some(file) = self.open_file(name)? else {
            return Ok(None);
        };
        let stat = fstat(&file).map_err(|errno| self.failed("look at", name, errno))?;
        let mut bytes = Vec::new();
        let read = (&file).take(TEXT_CAP + 1).read_to_end(&mut bytes);
        read.map_err(|error| self.failed("read", name, errno_of(&error)))?;
        if bytes.len() as u64 > TEXT_CAP {
            let path = self.path.join(name);
            return Err(PlaceError::TooLong {
                path,
                cap: TEXT_CAP,
            });
        }
        let mark = mark(&stat);
        Ok(Some(Text { bytes, mark, file }))
    }

    /// Whether there is a file in it that is as it was left.
    fn is(&self, name: &str, marks: &[Mark]) -> Result<bool, PlaceError> {
        match self.stat(name)? {
            Some(stat) => Ok(marks.contains(&mark(&stat))),
            None => Ok(false),
        }
    }

    /// What is at a name: a file to be trusted, or nothing.
    fn stat(&self, name: &str) -> Result<Option<Stat>, PlaceError> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = match openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(self.failed("open", name, errno)),
        };
        let stat = fstat(&fd).map_err(|errno| self.failed("look at", name, errno))?;
        let refused = |why| untrusted(&self.path.join(name), why);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {}
            FileType::Symlink => return Err(refused(Why::Link)),
            _ => return Err(refused(Why::NotFile)),
        }
        self.check(&stat).map_err(refused)?;
        Ok(Some(stat))
    }

    /// All names in it, sorted; those that are not UTF-8 are none of ours.
    pub(crate) fn names(&self) -> Result<Vec<String>, PlaceError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let list = openat(&self.fd, c".", flags, Mode::empty()).and_then(Dir::new);
        let list = list.map_err(|errno| system("list", &self.path, errno))?;
        let mut names = Vec::new();
        for entry in list {
            let entry = entry.map_err(|errno| system("list", &self.path, errno))?;
            names.extend(entry.file_name().to_str().ok().map(str::to_owned));
        }
        names.retain(|name| name != "." && name != "..");
        names.sort();
        Ok(names)
    }

    /// A new file in it, for lines to be added at its end. Only its owner reads it.
    pub(crate) fn create_log(&self, name: &str) -> Result<File, PlaceError> {
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL | BY_NAME;
        let fd = openat(&self.fd, name, flags, Mode::from_raw_mode(0o600));
        Ok(File::from(
            fd.map_err(|errno| self.failed("make", name, errno))?,
        ))
    }

    /// A file that is there, for lines to be added at its end.
    pub(crate) fn open_log(&self, name: &str) -> Result<Option<File>, PlaceError> {
        if self.stat(name)?.is_none() {
            return Ok(None);
        }
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NONBLOCK | OFlags::NOCTTY | BY_NAME;
        match openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(File::from(fd))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.failed("open", name, errno)),
        }
    }

    /// A file in it, for reading.
    pub(crate) fn open_file(&self, name: &str) -> Result<Option<File>, PlaceError> {
        // Before it is opened for reading, which a FIFO would answer by waiting, and a device by acting.
        if self.stat(name)?.is_none() {
            return Ok(None);
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | BY_NAME;
        match openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(File::from(fd))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.failed("open", name, errno)),
        }
    }

    fn check(&self, stat: &Stat) -> Result<(), Why> {
        if stat.st_uid != 0 && stat.st_uid != self.euid {
            return Err(Why::Owner {
                uid: stat.st_uid,
                allowed: self.euid,
            });
        }
        if stat.st_mode & WRITABLE_BY_OTHERS != 0 {
            return Err(Why::Writable(stat.st_mode & 0o7777));
        }
        Ok(())
    }

    pub(crate) fn failed(&self, operation: &'static str, name: &str, errno: Errno) -> PlaceError {
        // What O_NOFOLLOW says of a link that was put there between two looks.
        match errno {
            Errno::LOOP => untrusted(&self.path.join(name), Why::Link),
            errno => system(operation, &self.path.join(name), errno),
        }
    }
}

/// The name under which a file is prepared: hidden, and in the same directory, for a mount may lie between two.
pub(crate) fn hidden(name: &str) -> String {
    format!(".{name}.unstale")
}

/// The name under which a file lies while it is found out whose it is: no other than such a file ever has it.
pub(crate) fn aside(name: &str) -> String {
    format!(".{name}.unstale-old")
}

/// Called before each step that changes anything: there a test cuts a run short.
#[cfg(not(test))]
const fn step() {}
#[cfg(test)]
use super::flags::cut_short::step;

/// Itself and not what it links to.
const BY_NAME: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC);

pub(crate) fn errno_of(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

fn mark(stat: &Stat) -> Mark {
    Mark {
        device: Device {
            major: rustix::fs::major(stat.st_dev),
            minor: rustix::fs::minor(stat.st_dev),
        },
        inode: stat.st_ino,
        mtime: Timestamp {
            secs: stat.st_mtime,
            nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or_default(),
        },
    }
}

fn system(operation: &'static str, path: &Path, errno: Errno) -> PlaceError {
    PlaceError::System {
        operation,
        path: path.to_owned(),
        errno,
    }
}

fn untrusted(at: &Path, why: Why) -> PlaceError {
    PlaceError::Untrusted(Untrusted {
        at: at.to_owned(),
        why,
    })
}

#[cfg(test)]
mod tests;
