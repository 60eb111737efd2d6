//! A lock that one process holds at a time.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, openat};
use rustix::io::Errno;

use super::{BY_NAME, Directory, PlaceError, step};

const POLL: Duration = Duration::from_millis(20);

/// Held until it is dropped, or this process and all that it forked meanwhile have ended.
#[derive(Debug)]
pub(crate) struct Lock {
    fd: OwnedFd,
}

impl Lock {
    /// The file, for what is written into it.
    pub(crate) fn file(&self) -> &OwnedFd {
        &self.fd
    }
}

impl Drop for Lock {
    /// A child that was forked while it was held has the same open file description (flock(2)), and may live longer: one that
    /// the kernel does not let go would hold the lock with it.
    fn drop(&mut self) {
        flock(&self.fd, FlockOperation::Unlock).ok();
    }
}

impl Directory {
    /// Waits for a lock; it is held until it is dropped.
    pub(crate) fn lock(&self, name: &str, deadline: Duration) -> Result<Lock, PlaceError> {
        self.stat(name)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NONBLOCK | BY_NAME;
        step();
        let fd = openat(&self.fd, name, flags, Mode::from_raw_mode(0o600))
            .map_err(|errno| self.failed("open", name, errno))?;
        let begun = Instant::now();
        loop {
            match flock(&fd, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Lock { fd }),
                Err(Errno::AGAIN | Errno::INTR) if begun.elapsed() < deadline => {
                    std::thread::sleep(POLL);
                }
                Err(Errno::AGAIN | Errno::INTR) => {
                    let path = self.path.join(name);
                    return Err(PlaceError::Busy { path });
                }
                Err(errno) => return Err(self.failed("lock", name, errno)),
            }
        }
    }
}
