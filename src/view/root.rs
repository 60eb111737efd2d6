//! A /proc, wherever it is: the machine's own, another procfs mount, or a recorded tree.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, Mode, OFlags, RawDir, Statx, StatxFlags};
use rustix::io::Errno;

use crate::model::Pid;

/// `PROC_SUPER_MAGIC`, statfs(2).
const PROC_SUPER_MAGIC: u64 = 0x9fa0;

/// An open /proc. All that is read of processes is read below this descriptor.
#[derive(Debug)]
pub struct ProcRoot {
    fd: OwnedFd,
    path: PathBuf,
    live: bool,
}

impl ProcRoot {
    /// Opens `path` as a /proc.
    ///
    /// # Errors
    /// What open(2) or statfs(2) say.
    pub fn open(path: &Path) -> Result<Self, Errno> {
        let fd = fs::open(
            path,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let live =
            u64::try_from(fs::fstatfs(&fd)?.f_type).is_ok_and(|magic| magic == PROC_SUPER_MAGIC);
        Ok(Self {
            fd,
            path: path.to_owned(),
            live,
        })
    }

    /// Whether this is a procfs, whose links lead to the objects themselves. A recorded tree has only their names.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// Where it was opened, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All process ids, ascending.
    ///
    /// # Errors
    /// What getdents64(2) says.
    pub fn pids(&self) -> Result<Vec<Pid>, Errno> {
        let dir = fs::openat(
            &self.fd,
            c".",
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        numeric_names(dir.as_fd())
    }

    /// The directory of one process (or thread: the kernel answers for thread ids too). It stays that process's for as
    /// long as it is open: after the process ended, reads say `ESRCH`, and never speak of a successor.
    ///
    /// # Errors
    /// `ENOENT` if there is no such process.
    pub fn process(&self, pid: Pid) -> Result<ProcDir<'_>, Errno> {
        let fd = fs::openat(
            &self.fd,
            pid.to_string(),
            OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        Ok(ProcDir { fd, root: self })
    }

    /// The reader itself, as this /proc numbers it.
    ///
    /// # Errors
    /// `ENOENT` where the reader is not in the pid namespace of this /proc.
    pub fn own(&self) -> Result<ProcDir<'_>, Errno> {
        let link = fs::readlinkat(&self.fd, c"self", Vec::new())?;
        let pid = link.to_str().ok().and_then(|text| text.parse().ok());
        self.process(pid.ok_or(Errno::NOENT)?)
    }

    /// Opens for reading what is held by `O_PATH`. The caller has checked that it is a regular file.
    ///
    /// # Errors
    /// What open(2) says.
    pub fn reopen(&self, fd: &OwnedFd) -> Result<OwnedFd, Errno> {
        use std::os::fd::AsRawFd as _;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let name = format!("fd/{}", fd.as_raw_fd());
        match self.live {
            // The kernel's own link: one call instead of four, and many files are read.
            true => fs::openat(&self.fd, format!("self/{name}"), flags, Mode::empty()),
            false => fs::openat(self.own()?.fd.as_fd(), name, flags, Mode::empty()),
        }
    }

    /// A file of the tree that belongs to no process, at most `cap` bytes of it.
    ///
    /// # Errors
    /// What open(2) or read(2) say; `EFBIG` for a file longer than `cap`.
    pub fn read(&self, name: &CStr, cap: usize) -> Result<Vec<u8>, Errno> {
        let fd = open_text(self.fd.as_fd(), name, self.live)?;
        read_capped(fd.as_fd(), cap)
    }
}

/// An open `/proc/PID`.
#[derive(Debug)]
pub struct ProcDir<'a> {
    fd: OwnedFd,
    root: &'a ProcRoot,
}

impl ProcDir<'_> {
    /// One of its text files, at most `cap` bytes.
    ///
    /// # Errors
    /// What open(2) or read(2) say; `EFBIG` for a file longer than `cap`.
    pub fn read(&self, name: &CStr, cap: usize) -> Result<Vec<u8>, Errno> {
        let fd = self.open(name)?;
        read_capped(fd.as_fd(), cap)
    }

    /// One of its files, open for reading.
    ///
    /// # Errors
    /// What open(2) says.
    pub fn open(&self, name: &CStr) -> Result<OwnedFd, Errno> {
        open_text(self.fd.as_fd(), name, self.root.live)
    }

    /// What one of its links prints.
    ///
    /// # Errors
    /// What readlink(2) says.
    pub fn link(&self, name: &CStr) -> Result<Vec<u8>, Errno> {
        Ok(fs::readlinkat(&self.fd, name, Vec::with_capacity(256))?.into_bytes())
    }

    /// statx(2) of the object that one of its magic links leads to, without asking its file system to refresh
    /// anything: it answers even where the file system does not.
    ///
    /// # Errors
    /// `ENOTSUP` in a recorded tree, otherwise what statx(2) says.
    pub fn stat_through(&self, name: &CStr) -> Result<Statx, Errno> {
        if !self.root.live {
            return Err(Errno::NOTSUP);
        }
        fs::statx(&self.fd, name, AtFlags::STATX_DONT_SYNC, stat_fields())
    }

    /// Opens the object that one of its magic links leads to. The caller has checked by [`Self::stat_through`] what it
    /// is; with `O_PATH` nothing of it is touched.
    ///
    /// # Errors
    /// `ENOTSUP` in a recorded tree, otherwise what open(2) says.
    pub fn open_through(&self, name: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
        if !self.root.live {
            return Err(Errno::NOTSUP);
        }
        let flags = flags | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        fs::openat(&self.fd, name, flags, Mode::empty())
    }

    /// The inode number in a namespace link: `mnt:[4026531841]`.
    ///
    /// # Errors
    /// What readlink(2) says; `EINVAL` if the link is not of that form.
    pub fn namespace(&self, name: &CStr) -> Result<u64, Errno> {
        parse_namespace(&self.link(name)?).ok_or(Errno::INVAL)
    }

    /// Effective uid of the process, as the owner of its directory tells (proc(5)): also where the process is not
    /// dumpable and its files are root's.
    ///
    /// # Errors
    /// What fstat(2) says.
    pub fn uid(&self) -> Result<u32, Errno> {
        Ok(fs::fstat(&self.fd)?.st_uid)
    }

    /// The numbers of its open descriptors.
    ///
    /// # Errors
    /// What open(2) or getdents64(2) say.
    pub fn descriptors(&self) -> Result<Vec<u32>, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        numeric_names(fs::openat(&self.fd, c"fd", flags, Mode::empty())?.as_fd())
    }

    /// The ids of its threads.
    ///
    /// # Errors
    /// What open(2) or getdents64(2) say.
    pub fn threads(&self) -> Result<Vec<Pid>, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        numeric_names(fs::openat(&self.fd, c"task", flags, Mode::empty())?.as_fd())
    }
}

/// What is asked of statx(2) everywhere.
pub(crate) fn stat_fields() -> StatxFlags {
    StatxFlags::BASIC_STATS | StatxFlags::BTIME | StatxFlags::MNT_ID
}

/// Opens a text file below `dir`. In a recorded tree anything may lie under its name: nothing but a regular file of
/// the tree itself is read, and the open does not wait.
fn open_text(dir: BorrowedFd<'_>, name: &CStr, live: bool) -> Result<OwnedFd, Errno> {
    let flags =
        OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let fd = fs::openat(dir, name, flags, Mode::empty())?;
    if !live && fs::FileType::from_raw_mode(fs::fstat(&fd)?.st_mode) != fs::FileType::RegularFile {
        return Err(Errno::INVAL);
    }
    Ok(fd)
}

/// All of a descriptor, if it is at most `cap` bytes.
pub(crate) fn read_capped(fd: BorrowedFd<'_>, cap: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::with_capacity(512);
    loop {
        if bytes.len() > cap {
            return Err(Errno::FBIG);
        }
        if bytes.spare_capacity_mut().is_empty() {
            bytes.reserve(bytes.capacity());
        }
        match rustix::io::read(fd, rustix::buffer::spare_capacity(&mut bytes)) {
            Ok(0) => return Ok(bytes),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

fn numeric_names(dir: BorrowedFd<'_>) -> Result<Vec<Pid>, Errno> {
    let mut buffer = Vec::with_capacity(32 * 1024);
    let mut entries = RawDir::new(dir, buffer.spare_capacity_mut());
    let mut pids = Vec::new();
    while let Some(entry) = entries.next() {
        if let Some(pid) = entry?
            .file_name()
            .to_str()
            .ok()
            .and_then(|name| name.parse().ok())
        {
            pids.push(pid);
        }
    }
    pids.sort_unstable();
    Ok(pids)
}

/// The inode number of `mnt:[4026531841]`.
fn parse_namespace(link: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(link).ok()?;
    let (_, number) = text.strip_suffix(']')?.split_once(":[")?;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespace_links() {
        assert_eq!(parse_namespace(b"mnt:[4026531841]"), Some(4_026_531_841));
        assert_eq!(parse_namespace(b"/etc/passwd"), None);
        assert_eq!(parse_namespace(b"mnt:[4026531841"), None);
        assert_eq!(parse_namespace(b"\xff:[1]"), None);
    }

    #[test]
    fn this_machine_is_live_and_a_folder_is_not() {
        let proc = ProcRoot::open(Path::new("/proc")).unwrap();
        assert!(proc.is_live());
        assert!(proc.pids().unwrap().contains(&std::process::id()));
        let here = proc.process(std::process::id()).unwrap();
        assert!(here.read(c"comm", 64).unwrap().ends_with(b"\n"));
        assert_eq!(here.read(c"maps", 16), Err(Errno::FBIG));
        let folder = tempfile::tempdir().unwrap();
        assert!(!ProcRoot::open(folder.path()).unwrap().is_live());
    }

    #[test]
    fn a_fifo_in_a_recorded_tree_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("7")).unwrap();
        fs::mknodat(
            fs::CWD,
            folder.path().join("7/stat"),
            fs::FileType::Fifo,
            Mode::RUSR,
            0,
        )
        .unwrap();
        let tree = ProcRoot::open(folder.path()).unwrap();
        assert_eq!(
            tree.process(7).unwrap().read(c"stat", 64),
            Err(Errno::INVAL)
        );
    }
}
