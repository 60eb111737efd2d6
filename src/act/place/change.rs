//! Files of a trusted directory that change: always whole, and never over what somebody else wrote meanwhile.

use std::fs::File;
use std::io::Write as _;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, Timespec, Timestamps, UTIME_OMIT};
use rustix::fs::{
    fchmod, fstat, ftruncate, futimens, linkat, openat, renameat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use super::{BY_NAME, Directory, PlaceError, aside, errno_of, hidden, mark, step};
use crate::model::Mark;

impl Directory {
    /// Writes a new file under a name of ours; what a run that was cut short has left there is removed.
    pub(crate) fn prepare(&self, name: &str, bytes: &[u8]) -> Result<Mark, PlaceError> {
        self.remove(name)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | BY_NAME;
        let mode = Mode::from_raw_mode(0o644);
        step();
        let fd = openat(&self.fd, name, flags, mode)
            .map_err(|errno| self.failed("make", name, errno))?;
        let mut file = File::from(fd);
        step();
        file.write_all(bytes)
            .map_err(|error| self.failed("write", name, errno_of(&error)))?;
        // Whatever the umask: others are to read it.
        step();
        fchmod(&file, mode).map_err(|errno| self.failed("write", name, errno))?;
        let look = || fstat(&file).map_err(|errno| self.failed("look at", name, errno));
        // The clock of files goes by ticks of milliseconds (before Linux 6.13), and another may write within the same one:
        // a whole second is a time that no later write comes to have.
        let stat = look()?;
        let times = Timestamps {
            last_access: Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_OMIT,
            },
            last_modification: Timespec {
                tv_sec: stat.st_mtime,
                tv_nsec: 0,
            },
        };
        step();
        futimens(&file, &times).map_err(|errno| self.failed("write", name, errno))?;
        Ok(mark(&look()?))
    }

    /// Gives a prepared file its name, unless there is one by that name. Between two steps it has both: see
    /// [`Self::tidy_up`].
    pub(crate) fn publish(&self, prepared: &str, name: &str) -> Result<bool, PlaceError> {
        step();
        let linked = match linkat(&self.fd, prepared, &self.fd, name, AtFlags::empty()) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(self.failed("make", name, errno)),
        };
        self.remove(prepared)?;
        Ok(linked)
    }

    /// Puts a prepared file in the place of another, if that is still as it was looked at. What comes out of the place is
    /// looked at once more: it may have been written to until then, and goes back if it was.
    pub(crate) fn exchange(
        &self,
        prepared: &str,
        name: &str,
        known: &Mark,
    ) -> Result<bool, PlaceError> {
        let swap = || {
            let (fd, flags) = (&self.fd, RenameFlags::EXCHANGE);
            step();
            renameat_with(fd, prepared, fd, name, flags)
        };
        let swapped = match swap() {
            Ok(()) => self.is(prepared, std::slice::from_ref(known))?,
            // It is gone.
            Err(Errno::NOENT) => {
                self.remove(prepared)?;
                return Ok(false);
            }
            Err(errno) => return Err(self.failed("replace", name, errno)),
        };
        if !swapped {
            swap().map_err(|errno| self.failed("replace", name, errno))?;
        }
        self.remove(prepared)?;
        Ok(swapped)
    }

    /// Removes a file, if it is still one of these. It is put aside first, and comes back if somebody wrote to it.
    pub(crate) fn take(&self, name: &str, known: &[Mark]) -> Result<bool, PlaceError> {
        Ok(self.is(name, known)? && self.take_aside(name, known)?)
    }

    pub(super) fn take_aside(&self, name: &str, known: &[Mark]) -> Result<bool, PlaceError> {
        let aside = aside(name);
        step();
        match renameat(&self.fd, name, &self.fd, &aside) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(false),
            Err(errno) => return Err(self.failed("remove", name, errno)),
        }
        if self.is(&aside, known)? {
            self.remove(&aside)?;
            return Ok(true);
        }
        self.publish(&aside, name)?;
        Ok(false)
    }

    /// Removes what a run that was cut short left beside a file. What it had put aside, and is not one of these, was
    /// written to by somebody else, and comes back.
    ///
    /// It has to be done before anything else: rename(2) does nothing, and says that it did, if both names are links of
    /// one file.
    pub(crate) fn tidy_up(&self, name: &str, known: &[Mark]) -> Result<(), PlaceError> {
        if self.has(&hidden(name))? {
            self.remove(&hidden(name))?;
        }
        let aside = aside(name);
        if !self.has(&aside)? {
            return Ok(());
        }
        match self.is(&aside, known)? {
            true => self.remove(&aside),
            false => self.publish(&aside, name).map(drop),
        }
    }

    /// Whether anything is there by a name.
    fn has(&self, name: &str) -> Result<bool, PlaceError> {
        match statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(self.failed("look at", name, errno)),
        }
    }

    /// Puts a new text in the place of a file.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), PlaceError> {
        let prepared = hidden(name);
        self.prepare(&prepared, bytes)?;
        step();
        renameat(&self.fd, &prepared, &self.fd, name)
            .map_err(|errno| self.failed("replace", name, errno))
    }

    /// Adds bytes at the end of a file by one call; where there is none, it is made with them in it.
    pub(crate) fn append(&self, name: &str, bytes: &[u8]) -> Result<(), PlaceError> {
        let prepared = hidden(name);
        if self.stat(name)?.is_none() {
            self.prepare(&prepared, bytes)?;
            if self.publish(&prepared, name)? {
                return Ok(());
            }
            // Somebody was faster.
        }
        let made = OFlags::CREATE | OFlags::NONBLOCK | OFlags::NOCTTY;
        let flags = OFlags::WRONLY | OFlags::APPEND | made | BY_NAME;
        let fd = openat(&self.fd, name, flags, Mode::from_raw_mode(0o644))
            .map_err(|errno| self.failed("open", name, errno))?;
        let mut file = File::from(fd);
        let look = || fstat(&file).map_err(|errno| self.failed("look at", name, errno));
        let before = look()?.st_size;
        step();
        let written = file.write(bytes);
        let written = written.map_err(|error| self.failed("write", name, errno_of(&error)))?;
        if written < bytes.len() {
            // Nobody would claim a part of a line, and the next writer's would be glued to it.
            take_back(&file, before, written).map_err(|errno| self.failed("write", name, errno))?;
            return Err(self.failed("write", name, Errno::NOSPC));
        }
        Ok(())
    }

    /// Removes a file, if there is one.
    pub(crate) fn remove(&self, name: &str) -> Result<(), PlaceError> {
        step();
        match unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.failed("remove", name, errno)),
        }
    }
}

/// Takes off what was written at the end of a file, unless somebody has written behind it.
pub(super) fn take_back(file: &File, before: i64, written: usize) -> Result<(), Errno> {
    let before = u64::try_from(before).unwrap_or_default();
    let is_end = fstat(file)?.st_size.try_into() == Ok(before + written as u64);
    match is_end {
        true => ftruncate(file, before),
        false => Ok(()),
    }
}
