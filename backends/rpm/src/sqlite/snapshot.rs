//! A database as of one moment, without a lock: look before and after, and notice if it changed between.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use rustix::fs::Stat;
use rustix::time::{ClockId, clock_gettime};
use unstale_packages::OpenFile;

use super::wal::WalIndex;
use super::{Database, Error};
use crate::root::{Root, identity};

/// Two changes within one tick of the kernel's clock leave the same time; ticks are at most 10 ms.
const TICK_NANOS: i128 = 20_000_000;

/// An open database and how its files looked when it was opened.
pub(crate) struct Snapshot {
    /// The database.
    pub(crate) database: Database,
    file: OpenFile,
    before: Stamp,
    /// The log, empty or not.
    wal: Option<(OpenFile, Rc<WalIndex>)>,
}

impl Snapshot {
    /// Opens the database at `path` below `root`; `None` where there is none.
    pub(crate) fn take(root: &Root, path: &Path) -> Result<Option<Self>, Error> {
        let Some(file) = root.file(path)? else {
            return Ok(None);
        };
        let before = Stamp::settled(&file)?;
        let wal = match root.file(&beside(path, "-wal"))? {
            Some(wal) => {
                let index = Rc::new(WalIndex::read(&wal)?);
                Some((wal, index))
            }
            None => None,
        };
        let of_database = match &wal {
            Some((wal, index)) => Some((wal.try_clone()?, Rc::clone(index))),
            None => None,
        };
        let database = Database::open(file.try_clone()?, of_database)?;
        Ok(Some(Self {
            database,
            file,
            before,
            wal,
        }))
    }

    /// Whether all that was read since [`Snapshot::take`] belongs to one state of the database.
    pub(crate) fn is_still_true(&self, root: &Root, path: &Path) -> io::Result<bool> {
        if Stamp::of(&self.file)? != self.before || journal_is_hot(root, path)? {
            return Ok(false);
        }
        let wal_now = root.stat(&beside(path, "-wal"))?;
        let Some((wal, index)) = &self.wal else {
            return Ok(wal_now.is_none_or(|wal| wal.st_size == 0));
        };
        // The last user of a database removes the log, having copied it into the file: that shows in the file.
        if let Some(now) = &wal_now
            && identity(now) != identity(&rustix::fs::fstat(wal)?)
        {
            return Ok(false);
        }
        // More commits alone do no harm, but once they are there, they may have been copied into the file too.
        match index.is_current(wal) {
            Ok(current) => Ok(current),
            Err(Error::Io(e)) => Err(e),
            Err(Error::Flaw(_)) => Ok(false),
        }
    }
}

/// In rollback mode a writer keeps the old pages in a journal while it changes the file in place. A journal with a
/// header means that the file is between two states, now or since a crash.
fn journal_is_hot(root: &Root, path: &Path) -> io::Result<bool> {
    let Some(journal) = root.file(&beside(path, "-journal"))? else {
        return Ok(false);
    };
    let first = crate::root::read_at(&journal, 0, 1)?;
    Ok(first.first().is_some_and(|byte| *byte != 0))
}

/// `path` with something appended to its name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// How a file looks from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    size: i64,
    modified_nanos: i128,
    changed_nanos: i128,
}

impl Stamp {
    fn of(file: &OpenFile) -> io::Result<Self> {
        let stat = rustix::fs::fstat(file)?;
        Ok(Self {
            size: stat.st_size,
            modified_nanos: modified(&stat),
            changed_nanos: nanos(stat.st_ctime.into(), i128::from(stat.st_ctime_nsec)),
        })
    }

    /// The stamp, once it is old enough that the next change cannot leave the same one. Gives up waiting on a file
    /// that is written all the time: the reading itself then finds out whether it was disturbed.
    fn settled(file: &OpenFile) -> io::Result<Self> {
        let mut stamp = Self::of(file)?;
        for _ in 0..4 {
            let now = clock_gettime(ClockId::Realtime);
            let age = nanos(now.tv_sec.into(), now.tv_nsec.into()) - stamp.changed_nanos;
            if !(0..TICK_NANOS).contains(&age) {
                break;
            }
            thread::sleep(Duration::from_millis(25));
            stamp = Self::of(file)?;
        }
        Ok(stamp)
    }
}

fn modified(stat: &Stat) -> i128 {
    nanos(stat.st_mtime.into(), i128::from(stat.st_mtime_nsec))
}

fn nanos(seconds: i128, nanos: i128) -> i128 {
    seconds * 1_000_000_000 + nanos
}
