//! Where the root of a view is opened, and what is mounted there.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;

use super::mounts::Mounts;
use super::root::{ProcDir, ProcRoot};
use super::said::{device_of, is_vanished};
use super::walk::{O_PATH, stat_of};
use crate::model::{Device, Pid};

/// `/proc/PID/mountinfo` of the reader's own namespace: a machine with some 50,000 mounts.
const OWN_MOUNTS_CAP: usize = 16 * 1024 * 1024;
/// Of another namespace that root made: a copy of a machine's mounts.
const ROOT_MOUNTS_CAP: usize = 2 * 1024 * 1024;
/// Of a namespace that a user made.
const USER_MOUNTS_CAP: usize = 256 * 1024;

/// Where a path of a view is opened.
#[derive(Debug)]
pub(crate) enum Base {
    /// Below `/proc/PID/root` of one of these processes, as long as it is the root of that identity, in that namespace.
    Tasks {
        /// The newest last.
        tasks: Mutex<Vec<Pid>>,
        /// `st_dev` and inode number of the root.
        root: Option<(Device, u64)>,
        /// Inode number of the mount namespace.
        mnt_ns: Option<u64>,
    },
    /// Below a directory of the reader's: its own root, or `--root`.
    Directory(std::path::PathBuf),
    /// Nowhere: a recorded /proc without a root.
    Nowhere,
}

impl Base {
    /// Opens the root directory of the view, without touching what is mounted there.
    pub(crate) fn open(&self, proc: &ProcRoot) -> Result<OwnedFd, Errno> {
        match self {
            Self::Directory(path) => fs::open(path, O_PATH | OFlags::DIRECTORY, Mode::empty()),
            Self::Tasks { root, mnt_ns, .. } => self.ask(|task| {
                let dir = proc.process(task)?;
                let fd = dir.open_through(c"root", OFlags::PATH | OFlags::DIRECTORY)?;
                let stat = stat_of(&fd)?;
                stays(&dir, *mnt_ns)?;
                // Whoever called chroot(2) meanwhile does not speak for the view any more.
                match *root == Some((device_of(&stat), stat.stx_ino)) {
                    true => Ok(fd),
                    false => Err(Errno::SRCH),
                }
            }),
            Self::Nowhere => Err(Errno::NOENT),
        }
    }

    /// Whether its processes are of the reader's own user namespace.
    pub(crate) fn is_of_own_users(&self, proc: &ProcRoot) -> bool {
        let theirs = self.ask(|task| proc.process(task)?.namespace(c"ns/user"));
        theirs.is_ok() && theirs == proc.own().and_then(|own| own.namespace(c"ns/user"))
    }

    /// The mounts that the view can see.
    pub(crate) fn mounts(&self, proc: &ProcRoot) -> Mounts {
        let text = match self {
            Self::Nowhere => return Mounts::default(),
            // Only the reader's own root is the root of the reader's mounts.
            Self::Directory(path) if path != Path::new("/") => return Mounts::default(),
            Self::Directory(_) => proc
                .own()
                .and_then(|own| own.read(c"mountinfo", OWN_MOUNTS_CAP)),
            Self::Tasks { mnt_ns, .. } => self.ask(|task| {
                let dir = proc.process(task)?;
                // A mount namespace belongs to the user namespace it was made in: in the reader's own, root made it.
                let theirs = dir.namespace(c"ns/user")?;
                let ours = proc.own().and_then(|own| own.namespace(c"ns/user"));
                let cap = if ours == Ok(theirs) {
                    ROOT_MOUNTS_CAP
                } else {
                    USER_MOUNTS_CAP
                };
                let text = dir.read(c"mountinfo", cap)?;
                stays(&dir, *mnt_ns)?;
                Ok(text)
            }),
        };
        text.map_or_else(|_| Mounts::unreadable(), |text| Mounts::parse(&text).0)
    }

    /// The first answer that is not about a process that ended.
    fn ask<T>(&self, ask: impl Fn(Pid) -> Result<T, Errno>) -> Result<T, Errno> {
        let tasks = match self {
            Self::Tasks { tasks, .. } => {
                tasks.lock().unwrap_or_else(PoisonError::into_inner).clone()
            }
            Self::Directory(_) | Self::Nowhere => Vec::new(),
        };
        // The newest first: later looks add tasks because earlier ones have ended.
        for &task in tasks.iter().rev() {
            match ask(task) {
                Err(error) if is_vanished(error) => {}
                result => return result,
            }
        }
        Err(Errno::SRCH)
    }
}

/// Whoever called unshare(2) since has the same root, and mounts of its own in it: it is asked after the answer, for
/// there is no way back.
fn stays(dir: &ProcDir<'_>, mnt_ns: Option<u64>) -> Result<(), Errno> {
    match mnt_ns.is_none() || dir.namespace(c"ns/mnt").ok() == mnt_ns {
        true => Ok(()),
        false => Err(Errno::SRCH),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_in_another_namespace_does_not_speak_for_a_view() {
        let proc = ProcRoot::open(Path::new("/proc")).unwrap();
        let own = proc.own().unwrap();
        let stat = own.stat_through(c"root").unwrap();
        let mnt_ns = own.namespace(c"ns/mnt").unwrap();
        let base = |mnt_ns| Base::Tasks {
            tasks: Mutex::new(vec![std::process::id()]),
            root: Some((device_of(&stat), stat.stx_ino)),
            mnt_ns,
        };
        for known in [None, Some(mnt_ns)] {
            assert!(base(known).open(&proc).is_ok());
            assert!(!base(known).mounts(&proc).is_unreadable());
        }
        let other = base(Some(mnt_ns + 1));
        assert_eq!(other.open(&proc).err(), Some(Errno::SRCH));
        assert!(other.mounts(&proc).is_unreadable());
    }
}
