//! Reading a database that others may be writing: try until nothing changed under our eyes.

use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use unstale_packages::{Damage, DbError, Place};

use crate::root::Root;
use crate::sqlite::{Database, Error, Flaw, Snapshot, beside};

/// Attempts before a store is called busy; the pauses between them grow and sum up to about one second.
const ATTEMPTS: u32 = 10;
/// Where somebody else rules: there is little time, and it may be garbage for good.
const FOREIGN_ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(4);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// Lets `work` read the database at `path`, as often as it takes to see one state of it; `None` where there is no
/// such file.
pub(crate) fn read_settled<T>(
    root: &Root,
    path: &Path,
    work: impl Fn(&Database) -> Result<T, Error>,
) -> Result<Option<T>, DbError> {
    let mut pause = FIRST_PAUSE;
    let mut last_error = None;
    let attempts = if root.is_foreign() {
        FOREIGN_ATTEMPTS
    } else {
        ATTEMPTS
    };
    for _ in 0..attempts {
        match Snapshot::take(root, path) {
            Ok(None) => return Ok(None),
            Ok(Some(snapshot)) => {
                let result = work(&snapshot.database);
                if snapshot
                    .is_still_true(root, path)
                    .map_err(|e| io_error(path, e))?
                {
                    return result.map(Some).map_err(|e| db_error(path, e));
                }
                last_error = None;
            }
            Err(Error::Io(e)) => return Err(io_error(path, e)),
            // Perhaps only half written at this moment.
            Err(e) => last_error = Some(db_error(path, e)),
        }
        thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Err(last_error.unwrap_or_else(|| DbError::Busy {
        file: path.to_owned(),
    }))
}

/// A flaw as others see it.
pub(crate) fn damage(path: &Path, flaw: Flaw) -> Damage {
    Damage {
        file: if flaw.in_wal {
            beside(path, "-wal")
        } else {
            path.to_owned()
        },
        place: Place::Offset(flaw.offset),
        what: flaw.what,
    }
}

/// A refusal of the system as others see it.
pub(crate) fn io_error(path: &Path, source: io::Error) -> DbError {
    DbError::Io {
        file: path.to_owned(),
        source,
    }
}

fn db_error(path: &Path, e: Error) -> DbError {
    match e {
        Error::Io(e) => io_error(path, e),
        Error::Flaw(flaw) => DbError::Corrupt(damage(path, flaw)),
    }
}
