//! The gate that plugins and configuration pass: could anybody but root (or, run by an ordinary user, that user) have
//! written this, or put it there?
//!
//! What is checked is what is used: the way is walked on open descriptors from `/` down, and the last one is handed out.
//! Nothing is opened for reading, and so can neither hang nor act, before it is known to be a regular file.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, openat, readlinkat};
use rustix::io::Errno;

use crate::model::Escaped;

/// As many as the kernel follows, path_resolution(7).
const LINKS_CAP: usize = 40;
/// `S_ISVTX`, inode(7): in such a directory, only owners remove and rename.
const STICKY: u32 = 0o1000;
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Why a file is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", Escaped(at.as_os_str().as_bytes()))]
pub struct Untrusted {
    /// The component of the path that is not as it must be.
    pub at: PathBuf,
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong with a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The path does not begin at the root.
    Relative,
    /// It does not exist.
    Missing,
    /// It belongs to somebody else.
    Owner {
        /// Whose it is.
        uid: u32,
        /// Who may own it beside root.
        allowed: u32,
    },
    /// Its group or anybody may write to it.
    Writable(u32),
    /// It is a symbolic link where none may be.
    Link,
    /// It is a link or a file in a directory where anybody makes names.
    InSharedDirectory,
    /// It is no regular file.
    NotFile,
    /// It is no directory.
    NotDirectory,
    /// The links lead on and on.
    TooManyLinks,
    /// The system says no.
    System(Errno),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relative => f.write_str("not an absolute path"),
            Self::Missing => f.write_str("no such file"),
            Self::Owner { uid, allowed: 0 } => write!(f, "owned by uid {uid}, not by root"),
            Self::Owner { uid, allowed } => {
                write!(
                    f,
                    "owned by uid {uid}, neither by root nor by uid {allowed}"
                )
            }
            Self::Writable(mode) => {
                write!(f, "writable by others than its owner (mode {mode:04o})")
            }
            Self::Link => f.write_str("a symbolic link"),
            Self::InSharedDirectory => {
                f.write_str("directly in a directory to which anybody may write")
            }
            Self::NotFile => f.write_str("not a regular file"),
            Self::NotDirectory => f.write_str("not a directory"),
            Self::TooManyLinks => f.write_str("too many symbolic links"),
            Self::System(errno) => write!(f, "{errno}"),
        }
    }
}

/// Opens a regular file for reading, if it is trusted: absolute, itself no link, and with all directories and links on
/// the way owned by root or `euid` and writable by nobody else. A group is somebody else, whichever it is; with an
/// access list (acl(5)), the bits of the group are the most that anybody in the list has.
///
/// # Errors
/// Which component is not trusted, and why.
pub fn open_trusted(path: &Path, euid: u32) -> Result<OwnedFd, Untrusted> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        let why = if path.is_absolute() {
            Why::NotFile
        } else {
            Why::Relative
        };
        return Err(untrusted(path, why));
    };
    // A path that ends in a slash or a dot names a directory; `file_name` passes over both.
    if matches!(path.as_os_str().as_bytes(), [.., b'/'] | [.., b'/', b'.']) {
        return Err(untrusted(path, Why::NotFile));
    }
    TrustedDir::open(parent, euid)?.open_file(name)
}

/// A directory that is trusted, with all above it.
#[derive(Debug)]
pub struct TrustedDir {
    path: PathBuf,
    fd: OwnedFd,
    shared: bool,
    euid: u32,
}

impl TrustedDir {
    /// Walks down to a directory; `None` if there is nothing at that path. What is not there needs no trust: where even `/`
    /// is not root's, as in a user namespace, nobody has to be stopped because of files that do not exist.
    ///
    /// # Errors
    /// Which component is not trusted, and why.
    pub fn open_if_there(path: &Path, euid: u32) -> Result<Option<Self>, Untrusted> {
        let is_missing = rustix::fs::lstat(path).is_err_and(|errno| errno == Errno::NOENT);
        if path.is_absolute() && is_missing {
            return Ok(None);
        }
        Self::open(path, euid).map(Some)
    }

    /// Walks down to a directory.
    ///
    /// # Errors
    /// Which component is not trusted, and why.
    pub fn open(path: &Path, euid: u32) -> Result<Self, Untrusted> {
        Walk::to(path, euid)
    }

    /// Where it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory, as `O_PATH`.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Opens a regular file in it for reading, if that is trusted too.
    ///
    /// # Errors
    /// Why not.
    pub fn open_file(&self, name: &OsStr) -> Result<OwnedFd, Untrusted> {
        let fail = |why| untrusted(&self.path.join(name), why);
        self.check_file(name).map_err(fail)?;
        // Only root (or the user) could have put another file there since; and that is looked at again.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = open_below(&self.fd, name, flags).map_err(|errno| fail(of_errno(errno)))?;
        let stat = fstat(&fd).map_err(|errno| fail(Why::System(errno)))?;
        check_regular(&stat, self.euid).map_err(fail)?;
        Ok(fd)
    }

    fn check_file(&self, name: &OsStr) -> Result<(), Why> {
        let fd = open_below(&self.fd, name, OFlags::PATH).map_err(of_errno)?;
        let stat = fstat(&fd).map_err(Why::System)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            return Err(Why::Link);
        }
        // Where anybody makes names, a hard link makes one for a file of root's.
        if self.shared {
            return Err(Why::InSharedDirectory);
        }
        check_regular(&stat, self.euid)
    }

    /// Where a trusted symbolic link in it points; `None` if it is no link.
    ///
    /// # Errors
    /// Why it is not trusted.
    pub fn read_link(&self, name: &OsStr) -> Result<Option<PathBuf>, Untrusted> {
        let fail = |why| untrusted(&self.path.join(name), why);
        let fd = open_below(&self.fd, name, OFlags::PATH).map_err(|errno| fail(of_errno(errno)))?;
        let stat = fstat(&fd).map_err(|errno| fail(Why::System(errno)))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
            return Ok(None);
        }
        let target = link_text(&fd, &stat, self.shared, self.euid).map_err(fail)?;
        Ok(Some(target.into()))
    }
}

/// Where a walk is.
struct Walk {
    euid: u32,
    /// The directories from `/` to here, without links, and whether anybody makes names in them.
    way: Vec<(PathBuf, OwnedFd, bool)>,
    /// What is still to be walked.
    rest: VecDeque<OsString>,
    links: usize,
}

impl Walk {
    fn to(path: &Path, euid: u32) -> Result<TrustedDir, Untrusted> {
        if !path.is_absolute() {
            return Err(untrusted(path, Why::Relative));
        }
        let mut walk = Self {
            euid,
            way: Vec::new(),
            rest: components(path.as_os_str()),
            links: 0,
        };
        walk.begin()?;
        while let Some(name) = walk.rest.pop_front() {
            walk.step(&name)?;
        }
        let (_, fd, shared) = walk.way.pop().expect("a walk has begun at the root");
        // It is named as it was asked for: that is how a person knows it.
        Ok(TrustedDir {
            path: path.to_owned(),
            fd,
            shared,
            euid,
        })
    }

    fn begin(&mut self) -> Result<(), Untrusted> {
        let root = PathBuf::from("/");
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(&root, flags, Mode::empty())
            .map_err(|errno| untrusted(&root, Why::System(errno)))?;
        self.enter(root, fd)
    }

    fn step(&mut self, name: &OsStr) -> Result<(), Untrusted> {
        if name == ".." {
            if self.way.len() > 1 {
                self.way.pop();
            }
            return Ok(());
        }
        let (path, above, shared) = self.way.last().expect("a walk has begun at the root");
        let (path, shared) = (path.join(name), *shared);
        let fd = open_below(above, name, OFlags::PATH)
            .map_err(|errno| untrusted(&path, of_errno(errno)))?;
        let stat = fstat(&fd).map_err(|errno| untrusted(&path, Why::System(errno)))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
            return self.enter(path, fd);
        }
        self.links += 1;
        if self.links > LINKS_CAP {
            return Err(untrusted(&path, Why::TooManyLinks));
        }
        let target =
            link_text(&fd, &stat, shared, self.euid).map_err(|why| untrusted(&path, why))?;
        let mut rest = components(&target);
        rest.append(&mut self.rest);
        self.rest = rest;
        if target.as_bytes().starts_with(b"/") {
            self.way.clear();
            return self.begin();
        }
        Ok(())
    }

    fn enter(&mut self, path: PathBuf, fd: OwnedFd) -> Result<(), Untrusted> {
        let stat = fstat(&fd).map_err(|errno| untrusted(&path, Why::System(errno)))?;
        let shared = check_directory(&stat, self.euid).map_err(|why| untrusted(&path, why))?;
        self.way.push((path, fd, shared));
        Ok(())
    }
}

fn untrusted(at: &Path, why: Why) -> Untrusted {
    Untrusted {
        at: at.to_owned(),
        why,
    }
}

fn of_errno(errno: Errno) -> Why {
    match errno {
        Errno::NOENT => Why::Missing,
        Errno::NOTDIR => Why::NotDirectory,
        Errno::LOOP => Why::Link,
        errno => Why::System(errno),
    }
}

/// One component, itself and not what it links to.
fn open_below(above: &OwnedFd, name: &OsStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(above, name, flags, Mode::empty())
}

/// The names in a path; `//` and `.` are nothing.
fn components(path: &OsStr) -> VecDeque<OsString> {
    let parts = path.as_bytes().split(|&byte| byte == b'/');
    parts
        .filter(|&part| !matches!(part, b"" | b"."))
        .map(|part| OsStr::from_bytes(part).to_owned())
        .collect()
}

fn check_owner(stat: &Stat, euid: u32) -> Result<(), Why> {
    if stat.st_uid == 0 || stat.st_uid == euid {
        return Ok(());
    }
    Err(Why::Owner {
        uid: stat.st_uid,
        allowed: euid,
    })
}

/// `true` if anybody makes names there, but only owners take them away.
fn check_directory(stat: &Stat, euid: u32) -> Result<bool, Why> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Err(Why::NotDirectory);
    }
    check_owner(stat, euid)?;
    let shared = stat.st_mode & WRITABLE_BY_OTHERS != 0;
    if shared && stat.st_mode & STICKY == 0 {
        return Err(Why::Writable(stat.st_mode & 0o7777));
    }
    Ok(shared)
}

fn check_regular(stat: &Stat, euid: u32) -> Result<(), Why> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Why::NotFile);
    }
    check_owner(stat, euid)?;
    if stat.st_mode & WRITABLE_BY_OTHERS != 0 {
        return Err(Why::Writable(stat.st_mode & 0o7777));
    }
    Ok(())
}

/// The text of a link that is trusted. Its mode says nothing: symlink(7).
fn link_text(link: &OwnedFd, stat: &Stat, shared: bool, euid: u32) -> Result<OsString, Why> {
    check_owner(stat, euid)?;
    if shared {
        return Err(Why::InSharedDirectory);
    }
    // The very link that was looked at: an empty name means the descriptor itself.
    let text = readlinkat(link, c"", Vec::new()).map_err(Why::System)?;
    Ok(OsString::from_vec(text.into_bytes()))
}

#[cfg(test)]
mod tests;
