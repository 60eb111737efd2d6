//! The journals of runs, and the lock that only one of them holds: lines that are only ever added, each on disk before the
//! next thing is done. What a line says is nothing to this file.
//!
//! Root's are below `/run/unstale/restart`; those of another user, whose own services are all that it may restart, below
//! `/run/user/UID/unstale/restart`, where nobody else writes. Both are gone with the boot that they speak of.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use super::place::{self, Directory, PlaceError};

const OURS: &str = "unstale";
const RUNS: &str = "restart";
const LOCK: &str = "lock";
const SUFFIX: &str = ".jsonl";

/// The most that a journal holds: every unit of a large machine, with its log.
pub const JOURNAL_CAP: u64 = 16 * 1024 * 1024;
/// What is left of it for the words that end a run: notes, and that it is over.
const RESERVE: u64 = 64 * 1024;
/// So many journals are kept.
const KEPT: usize = 10;
/// An id is a time and a pid.
const ID_CAP: usize = 64;
/// What is looked at while a lock is tried: another that tries meanwhile comes again.
const NO_WAIT: Duration = Duration::ZERO;

/// Where journals are.
#[derive(Debug)]
pub struct Runs {
    dir: Directory,
}

/// Why nothing can be written or read there.
#[derive(Debug, thiserror::Error)]
pub enum RunsError {
    /// Its directory or files.
    #[error("{0}")]
    Place(#[from] PlaceError),
    /// The directory that must be there, and is not.
    #[error("there is no {0}")]
    Missing(String),
    /// No id of ours.
    #[error("this is no run of ours")]
    Id,
    /// Another run holds the lock.
    #[error("another restart is going on{}", of_run(.0.as_deref()))]
    Busy(Option<String>),
    /// What the system says of a file that is open.
    #[error("cannot write the journal: {0}")]
    Write(#[from] std::io::Error),
    /// It is full.
    #[error("the journal is longer than {JOURNAL_CAP} bytes")]
    Full,
}

fn of_run(id: Option<&str>) -> String {
    id.map_or_else(String::new, |id| format!(" (run {id})"))
}

/// Held by the run that acts, for as long as it lives.
#[derive(Debug)]
pub struct Lock {
    _held: place::Lock,
}

/// A journal that is written.
#[derive(Debug)]
pub struct Journal {
    file: File,
    length: u64,
}

/// A journal that is read while somebody writes it.
#[derive(Debug)]
pub struct Follower {
    file: File,
    /// What was read of a line that has no end yet.
    begun: Vec<u8>,
    length: u64,
}

impl Runs {
    /// Where this user's are, below a root; made if there is none.
    ///
    /// # Errors
    /// [`RunsError::Missing`] without `/run`, or for a user who is not logged in.
    pub fn make(root: &Path, uid: u32) -> Result<Self, RunsError> {
        let base = base(root, uid)?.ok_or_else(|| RunsError::Missing(base_name(uid)))?;
        let dir = base.make_below(OURS)?.make_private_below(RUNS)?;
        Ok(Self { dir })
    }

    /// Where they are; `None` if there never was a run.
    ///
    /// # Errors
    /// What cannot be opened.
    pub fn open(root: &Path, uid: u32) -> Result<Option<Self>, RunsError> {
        let Some(ours) = base(root, uid)?.map(|base| base.open_below(OURS)) else {
            return Ok(None);
        };
        let Some(ours) = ours? else {
            return Ok(None);
        };
        Ok(ours.open_below(RUNS)?.map(|dir| Self { dir }))
    }

    /// The directory, for what else is kept there.
    pub(crate) fn directory(&self) -> &Directory {
        &self.dir
    }

    /// Begins a journal. The oldest are removed.
    ///
    /// # Errors
    /// Why not; also if there is one of that name.
    pub fn create(&self, id: &str, first: &str) -> Result<Journal, RunsError> {
        let name = name_of(id)?;
        let file = self.dir.create_log(&name)?;
        let mut journal = Journal { file, length: 0 };
        if let Err(error) = journal.write(first) {
            // Nobody would know what it is.
            self.dir.remove(&name)?;
            return Err(error);
        }
        self.prune()?;
        Ok(journal)
    }

    /// A journal that goes on; `None` if there is none.
    ///
    /// # Errors
    /// What cannot be opened.
    pub fn append_to(&self, id: &str) -> Result<Option<Journal>, RunsError> {
        let Some(file) = self.dir.open_log(&name_of(id)?)? else {
            return Ok(None);
        };
        let length = file.metadata()?.len();
        Ok(Some(Journal { file, length }))
    }

    /// A journal, from its beginning on; `None` if there is none.
    ///
    /// # Errors
    /// What cannot be opened.
    pub fn follow(&self, id: &str) -> Result<Option<Follower>, RunsError> {
        let file = self.dir.open_file(&name_of(id)?)?;
        Ok(file.map(|file| Follower {
            file,
            begun: Vec::new(),
            length: 0,
        }))
    }

    /// The ids of all runs, the oldest first.
    ///
    /// # Errors
    /// What cannot be listed.
    pub fn ids(&self) -> Result<Vec<String>, RunsError> {
        let names = self.dir.names()?;
        let ids = names.iter().filter_map(|name| name.strip_suffix(SUFFIX));
        Ok(ids.filter(|id| is_id(id)).map(str::to_owned).collect())
    }

    /// Takes the lock, and says in it whose it is.
    ///
    /// # Errors
    /// [`RunsError::Busy`] if another holds it for longer than `wait`.
    pub fn lock(&self, id: &str, wait: Duration) -> Result<Lock, RunsError> {
        match self.dir.lock(LOCK, wait) {
            Ok(held) => {
                let file = held.file();
                rustix::fs::ftruncate(file, 0).map_err(std::io::Error::from)?;
                rustix::io::pwrite(file, id.as_bytes(), 0).map_err(std::io::Error::from)?;
                Ok(Lock { _held: held })
            }
            Err(PlaceError::Busy { .. }) => Err(RunsError::Busy(self.holder())),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether this run holds the lock now.
    ///
    /// # Errors
    /// What cannot be opened.
    pub fn is_locked_by(&self, id: &str) -> Result<bool, RunsError> {
        match self.dir.lock(LOCK, NO_WAIT) {
            Ok(_) => Ok(false),
            Err(PlaceError::Busy { .. }) => Ok(self.holder().as_deref() == Some(id)),
            Err(error) => Err(error.into()),
        }
    }

    /// Who wrote its name into the lock.
    fn holder(&self) -> Option<String> {
        let text = self.dir.look(LOCK).ok()??;
        let id = String::from_utf8(text.bytes).ok()?;
        is_id(&id).then_some(id)
    }

    fn prune(&self) -> Result<(), RunsError> {
        let ids = self.ids()?;
        let too_many = ids.len().saturating_sub(KEPT);
        for id in ids.iter().take(too_many) {
            self.dir.remove(&name_of(id)?)?;
        }
        Ok(())
    }
}

impl Journal {
    /// Adds a line; it is on disk when this returns.
    ///
    /// # Errors
    /// What the system says; [`RunsError::Full`] for a line that does not fit, which is not written. Shorter ones may
    /// still.
    pub fn write(&mut self, line: &str) -> Result<(), RunsError> {
        self.add(line, JOURNAL_CAP - RESERVE)
    }

    /// The same for a word that ends a run: there is room for it in a journal that is full.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_last(&mut self, line: &str) -> Result<(), RunsError> {
        self.add(line, JOURNAL_CAP)
    }

    fn add(&mut self, line: &str, cap: u64) -> Result<(), RunsError> {
        let mut bytes = line.as_bytes().to_vec();
        bytes.push(b'\n');
        let length = self.length + bytes.len() as u64;
        if length > cap {
            return Err(RunsError::Full);
        }
        // A line that the disk has no room for may have begun.
        self.length = length;
        self.file.write_all(&bytes)?;
        self.file.sync_data()?;
        Ok(())
    }
}

impl Follower {
    /// The lines that were written since. One without an end is not yet written, or never will be.
    ///
    /// # Errors
    /// What read(2) says; [`RunsError::Full`].
    pub fn lines(&mut self) -> Result<Vec<Vec<u8>>, RunsError> {
        let left = (JOURNAL_CAP + 1).saturating_sub(self.length);
        let read = (&mut self.file).take(left).read_to_end(&mut self.begun)?;
        self.length += read as u64;
        if self.length > JOURNAL_CAP {
            return Err(RunsError::Full);
        }
        let Some(end) = self.begun.iter().rposition(|&byte| byte == b'\n') else {
            return Ok(Vec::new());
        };
        let rest = self.begun.split_off(end + 1);
        let whole = std::mem::replace(&mut self.begun, rest);
        let lines = whole[..end].split(|&byte| byte == b'\n');
        Ok(lines.map(<[u8]>::to_vec).collect())
    }
}

fn base(root: &Path, uid: u32) -> Result<Option<Directory>, RunsError> {
    let run = Directory::open_run(root)?;
    if uid == 0 {
        return Ok(run);
    }
    let users = run.map(|run| run.open_below("user")).transpose()?.flatten();
    let own = users.map(|users| users.open_below(&uid.to_string()));
    Ok(own.transpose()?.flatten())
}

fn base_name(uid: u32) -> String {
    match uid {
        0 => "/run".to_owned(),
        uid => format!("/run/user/{uid}"),
    }
}

/// Whether this can be the id of a run: it names a file, a unit, and is a word of a command line.
fn is_id(id: &str) -> bool {
    let fits = (1..=ID_CAP).contains(&id.len()) && !id.starts_with('-');
    fits && id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn name_of(id: &str) -> Result<String, RunsError> {
    is_id(id)
        .then(|| format!("{id}{SUFFIX}"))
        .ok_or(RunsError::Id)
}

#[cfg(test)]
mod tests;
