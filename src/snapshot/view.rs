//! A process's own view of files: its root in its mount namespace, and how a path is opened there.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{self, AtFlags, Mode, OFlags, ResolveFlags, Statx};
use rustix::io::Errno;

use super::mounts::Mounts;
use super::root::{ProcRoot, stat_fields};
use crate::model::{Bytes, Pid};

/// `/proc/PID/mountinfo` of a machine with some 100,000 mounts.
const MOUNTINFO_CAP: usize = 32 * 1024 * 1024;

/// Where a path of a view is opened.
#[derive(Debug)]
pub(super) enum Base {
    /// Below `/proc/PID/root` of the first of these processes that is still there.
    Tasks(Mutex<Vec<Pid>>),
    /// Below a directory of the reader's: its own root, or `--root`.
    Directory(std::path::PathBuf),
    /// Nowhere: a recorded /proc without a root.
    Nowhere,
}

impl Base {
    /// Opens the root directory of the view, without touching what is mounted there.
    pub(super) fn open(&self, proc: &ProcRoot) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match self {
            Self::Directory(path) => fs::open(path, flags, Mode::empty()),
            Self::Tasks(_) => self.ask(|task| proc.process(task)?.open_through(c"root", flags)),
            Self::Nowhere => Err(Errno::NOENT),
        }
    }

    /// The mounts that the view can see. Empty where they cannot be told.
    pub(super) fn mounts(&self, proc: &ProcRoot) -> Result<Mounts, Errno> {
        let text = match self {
            Self::Nowhere => return Ok(Mounts::default()),
            // Only the reader's own root is the root of the reader's mounts.
            Self::Directory(path) if path != Path::new("/") => return Ok(Mounts::default()),
            Self::Directory(_) => proc
                .process(std::process::id())?
                .read(c"mountinfo", MOUNTINFO_CAP)?,
            Self::Tasks(_) => {
                self.ask(|task| proc.process(task)?.read(c"mountinfo", MOUNTINFO_CAP))?
            }
        };
        Ok(Mounts::parse(&text).0)
    }

    /// The first answer that is not about a process that ended.
    fn ask<T>(&self, ask: impl Fn(Pid) -> Result<T, Errno>) -> Result<T, Errno> {
        let tasks = match self {
            Self::Tasks(tasks) => tasks.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            Self::Directory(_) | Self::Nowhere => Vec::new(),
        };
        let mut last = Errno::SRCH;
        // The newest first: later looks add tasks because earlier ones have ended.
        for &task in tasks.iter().rev() {
            match ask(task) {
                Err(error) if super::scan::is_vanished(error) => last = error,
                result => return result,
            }
        }
        Err(last)
    }
}

/// The path of a name inside a root, both as the kernel prints them to the reader (d_path: relative to the reader's
/// root or to the namespace's, never to the process's). `None` if the name lies outside that root.
pub(super) fn path_in_root<'a>(name: &'a [u8], root: &[u8]) -> Option<&'a [u8]> {
    if root == b"/" {
        return name.starts_with(b"/").then_some(name);
    }
    name.strip_prefix(root)
        .filter(|rest| rest.starts_with(b"/"))
}

/// A name without the ` (deleted)` that the kernel appends to names of removed files; `None` if it does not end so. A
/// file may truly be named so: the caller compares objects.
pub(super) fn without_suffix(name: &[u8]) -> Option<&[u8]> {
    name.strip_suffix(b" (deleted)")
        .filter(|name| name.len() > 1)
}

/// A file found in a view, held open by `O_PATH`: nothing of it was touched.
pub(super) struct Found {
    pub(super) fd: OwnedFd,
    pub(super) stat: Statx,
}

/// Opens `path` below `root` as the process would, symbolic links resolved inside that root. `O_PATH`: neither a FIFO
/// nor a device is touched.
///
/// # Errors
/// `ENOENT` if there is nothing, otherwise what openat2(2) or statx(2) say.
pub(super) fn open(root: &OwnedFd, path: &[u8]) -> Result<Found, Errno> {
    let relative = path.strip_prefix(b"/").unwrap_or(path);
    let relative: &[u8] = if relative.is_empty() { b"." } else { relative };
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let fd = match fs::openat2(root, relative, flags, Mode::empty(), inside) {
        // Before Linux 5.6; and a path that is too long for one call is walked in the same way.
        Err(Errno::NOSYS | Errno::NAMETOOLONG) => walk(root, relative)?,
        // A path that raced with a rename: the kernel wants it asked again.
        Err(Errno::AGAIN) => fs::openat2(root, relative, flags, Mode::empty(), inside)?,
        result => result?,
    };
    let stat = fs::statx(
        &fd,
        c"",
        AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC,
        stat_fields(),
    )?;
    Ok(Found { fd, stat })
}

/// Component by component, following no link: the kernel's names hold none.
fn walk(root: &OwnedFd, relative: &[u8]) -> Result<OwnedFd, Errno> {
    let mut at = rustix::io::dup(root)?;
    let mut components = relative
        .split(|&byte| byte == b'/')
        .filter(|part| !part.is_empty())
        .peekable();
    while let Some(part) = components.next() {
        if part == b".." {
            return Err(Errno::LOOP);
        }
        let mut flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        if components.peek().is_some() {
            flags |= OFlags::DIRECTORY;
        }
        at = fs::openat(&at, part, flags, Mode::empty())?;
    }
    if fs::FileType::from_raw_mode(fs::fstat(&at)?.st_mode) == fs::FileType::Symlink {
        return Err(Errno::LOOP);
    }
    Ok(at)
}

/// Opens for reading what [`open`] found, if it is a regular file.
///
/// # Errors
/// `EINVAL` if it is not a regular file, otherwise what open(2) says.
pub(super) fn reopen(found: &Found) -> Result<std::fs::File, Errno> {
    use std::os::fd::AsRawFd as _;
    if fs::FileType::from_raw_mode(found.stat.stx_mode.into()) != fs::FileType::RegularFile {
        return Err(Errno::INVAL);
    }
    let name = format!("/proc/self/fd/{}", found.fd.as_fd().as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(fs::open(name, flags, Mode::empty())?.into())
}

/// The directory part of a path, with its slash.
pub(super) fn directory_of(path: &[u8]) -> &[u8] {
    let end = path
        .iter()
        .rposition(|&byte| byte == b'/')
        .map_or(0, |at| at + 1);
    &path[..end]
}

/// A path beside another.
pub(super) fn sibling(path: &[u8], name: &[u8]) -> Bytes {
    Bytes([directory_of(path), name].concat())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[track_caller]
    fn check(name: &str, root: &str, path: Option<&str>) {
        assert_eq!(
            path_in_root(name.as_bytes(), root.as_bytes()),
            path.map(str::as_bytes)
        );
    }

    #[test]
    fn t4_10_names_are_relative_to_the_reader() {
        check("/lib/x.so", "/", Some("/lib/x.so"));
        check("/ch/lib/x.so", "/ch", Some("/lib/x.so"));
        check("/chroot/lib/x.so", "/ch", None);
        check("/lib/x.so", "/ch", None);
        check("anon_inode:[io_uring]", "/", None);
    }

    #[test]
    fn links_stay_inside_the_root() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::open(
            folder.path(),
            OFlags::PATH | OFlags::DIRECTORY,
            Mode::empty(),
        )
        .unwrap();
        std::fs::write(folder.path().join("passwd"), "inside").unwrap();
        symlink("/passwd", folder.path().join("absolute")).unwrap();
        symlink("../../../../etc/passwd", folder.path().join("up")).unwrap();
        symlink("loop", folder.path().join("loop")).unwrap();
        symlink("/proc/self/exe", folder.path().join("magic")).unwrap();
        let inode = |path: &str| open(&root, path.as_bytes()).map(|found| found.stat.stx_ino);
        assert_eq!(inode("/absolute"), inode("/passwd"));
        assert_eq!(inode("/up"), Err(Errno::NOENT));
        assert_eq!(inode("/loop"), Err(Errno::LOOP));
        assert_eq!(inode("/magic"), Err(Errno::NOENT));
    }

    #[test]
    fn a_fifo_is_seen_but_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::open(
            folder.path(),
            OFlags::PATH | OFlags::DIRECTORY,
            Mode::empty(),
        )
        .unwrap();
        fs::mknodat(&root, "pipe", fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        let found = open(&root, b"/pipe").unwrap();
        assert_eq!(reopen(&found).err(), Some(Errno::INVAL));
    }

    #[test]
    fn t2_09_a_path_longer_than_one_call_takes() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::open(
            folder.path(),
            OFlags::PATH | OFlags::DIRECTORY,
            Mode::empty(),
        )
        .unwrap();
        let part = "d".repeat(200);
        let mut at = rustix::io::dup(&root).unwrap();
        let mut path = String::new();
        for _ in 0..25 {
            fs::mkdirat(&at, &part, Mode::RWXU).unwrap();
            at = fs::openat(&at, &part, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
            path = format!("{path}/{part}");
        }
        assert!(path.len() > 4096);
        assert!(open(&root, path.as_bytes()).is_ok());
        assert_eq!(
            open(&root, format!("{path}/x").as_bytes()).err(),
            Some(Errno::NOENT)
        );
    }

    #[test]
    fn suffixes() {
        assert_eq!(without_suffix(b"/a (deleted)"), Some(&b"/a"[..]));
        assert_eq!(without_suffix(b"/a"), None);
        assert_eq!(
            sibling(b"/usr/lib/a.so", b"b.so"),
            Bytes::from("/usr/lib/b.so")
        );
    }
}
