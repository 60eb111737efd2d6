//! dpkg's database and logs, read-only.
//!
//! Lives here: what `/var/lib/dpkg` and the logs below `/var/log` say. Must not: processes, verdicts, the dpkg
//! program, its locks. Nothing is ever written, created or locked, and no file makes reading block.
#![forbid(unsafe_code)]

use std::cmp::Ordering;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use unstale_packages::{
    Answer, Change, Damage, DbError, Foreign, Match, Ownership, Package, PackageDb, Wanted,
};

use crate::damage::Damages;
use crate::record::Record;
use crate::root::{Root, Stamp};
use crate::status::{STATUS, STATUS_D, Status, UPDATES, io_error, read_status};

pub mod aliases;
pub mod changes;
pub mod damage;
pub mod diversions;
pub mod history;
pub mod lines;
pub mod lists;
pub mod log;
pub mod matching;
pub mod md5sums;
mod owners;
pub mod record;
pub mod root;
pub mod rotated;
pub mod status;
pub mod unfinished;
pub mod version;
pub mod zone;

/// How often the lists are read again because dpkg changed something meanwhile.
const ATTEMPTS: u32 = 3;

/// The dpkg database below one root directory.
#[derive(Debug)]
pub struct Dpkg {
    root: Root,
    /// What the last question read: several come in a row.
    known: Mutex<Option<Known>>,
}

/// What `status` and its journal said, at some state of them.
#[derive(Debug)]
struct Known {
    stamps: [Option<Stamp>; 3],
    status: Arc<Status>,
    damage: Vec<Damage>,
}

impl Dpkg {
    /// Opens the database below `root`; `None` where there is none.
    ///
    /// # Errors
    /// [`DbError::Io`] if the root cannot be opened or the database's directory cannot be searched.
    pub fn open(root: &Path) -> Result<Option<Self>, DbError> {
        let root = Root::open(root).map_err(|source| io_error("/", source))?;
        Self::below(root)
    }

    /// As [`Self::open`], below a root that somebody else rules.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_foreign(root: Foreign) -> Result<Option<Self>, DbError> {
        Self::below(Root::foreign(root))
    }

    fn below(root: Root) -> Result<Option<Self>, DbError> {
        for file in [STATUS, STATUS_D] {
            let there = root
                .stat(Path::new(file))
                .map_err(|source| io_error(file, source))?;
            if there.is_some() {
                let known = Mutex::default();
                return Ok(Some(Self { root, known }));
            }
        }
        Ok(None)
    }

    /// What differs before and after dpkg did something.
    fn stamps(&self) -> Result<[Option<Stamp>; 3], DbError> {
        let mut stamps = [None; 3];
        for (stamp, file) in stamps.iter_mut().zip([STATUS, UPDATES, lists::INFO]) {
            let found = self
                .root
                .stat(Path::new(file))
                .map_err(|source| io_error(file, source))?;
            *stamp = found.map(|(_, stamp)| stamp);
        }
        Ok(stamps)
    }

    /// What is installed; read again if dpkg did something since.
    fn status(&self, damages: &mut Damages) -> Result<Arc<Status>, DbError> {
        let stamps = self.stamps()?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = match known.take().filter(|known| known.stamps == stamps) {
            Some(known) => known,
            None => {
                let mut found = Damages::default();
                Known {
                    status: Arc::new(read_status(&self.root, &mut found)?),
                    damage: found.into_vec(),
                    stamps,
                }
            }
        };
        for damage in &fresh.damage {
            damages.push(damage.clone());
        }
        Ok(Arc::clone(&known.insert(fresh).status))
    }

    fn read_named<T>(
        &self,
        name: &str,
        take: impl FnOnce(&Self, &[&Record], &mut Damages) -> Result<T, DbError>,
    ) -> Result<Answer<T>, DbError> {
        let mut damages = Damages::default();
        let status = self.status(&mut damages)?;
        let records = with_files(&status, name);
        let value = take(self, &records, &mut damages)?;
        Ok(Answer {
            value,
            damage: damages.into_vec(),
        })
    }
}

/// The unpacked packages of this name, which may be said with an architecture (`libc6:i386`).
fn with_files<'a>(status: &'a Status, name: &str) -> Vec<&'a Record> {
    let (name, arch) = match name.split_once(':') {
        Some((name, arch)) => (name, Some(arch)),
        None => (name, None),
    };
    let named = status.named(name).filter(|record| record.state.has_files());
    let mut found: Vec<_> = named
        .filter(|record| arch.is_none_or(|arch| arch == record.package.arch))
        .collect();
    found.sort_by(|a, b| a.package.cmp(&b.package));
    found
}

impl PackageDb for Dpkg {
    fn backend(&self) -> &'static str {
        "dpkg"
    }

    fn owners(&self, paths: &[&Path]) -> Result<Answer<Vec<Ownership>>, DbError> {
        let paths: Vec<&[u8]> = paths
            .iter()
            .map(|path| path.as_os_str().as_bytes())
            .collect();
        let mut attempt = 1;
        loop {
            let before = self.stamps()?;
            let mut answer = owners::read_owners(&self.root, &paths)?;
            if self.stamps()? == before {
                return Ok(answer);
            }
            if attempt == ATTEMPTS {
                let mut damages = Damages::default();
                damages.whole(Path::new(STATUS), "kept changing while it was read");
                answer.damage.extend(damages.into_vec());
                return Ok(answer);
            }
            attempt += 1;
        }
    }

    fn changes_since(&self, since: SystemTime) -> Result<Answer<Vec<Change>>, DbError> {
        Ok(changes::read_changes(&self.root, since))
    }

    fn installed(&self, name: &str) -> Result<Answer<Vec<Package>>, DbError> {
        self.read_named(name, |_, records, _| {
            Ok(records
                .iter()
                .map(|record| record.package.clone())
                .collect())
        })
    }

    fn matching(
        &self,
        wanted: &[Wanted],
        since: Option<SystemTime>,
    ) -> Result<Answer<Vec<Match>>, DbError> {
        let status = |damages: &mut Damages| self.status(damages);
        matching::read_matching(&self.root, status, wanted, since)
    }

    fn files(&self, name: &str) -> Result<Answer<Vec<PathBuf>>, DbError> {
        self.read_named(name, |db, records, damages| {
            owners::read_files(&db.root, records, damages)
        })
    }

    fn unfinished(&self) -> Result<Option<String>, DbError> {
        unfinished::read_unfinished(&self.root)
    }

    fn compare_versions(&self, a: &str, b: &str) -> Ordering {
        version::compare(a, b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Questions in a row read the state once, until it changes.
    #[test]
    fn status_is_read_once() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("var/lib/dpkg/info")).unwrap();
        let file = dir.path().join("var/lib/dpkg/status");
        let text = "Package: a\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n";
        std::fs::write(&file, format!("{text}broken\n\n")).unwrap();
        let dpkg = Dpkg::open(dir.path()).unwrap().unwrap();
        let ask = || {
            let mut damages = Damages::default();
            let status = dpkg.status(&mut damages).unwrap();
            (status, damages.into_vec())
        };
        let (first, damage) = ask();
        assert_eq!((first.records().len(), damage.len()), (1, 1));
        let (again, same) = ask();
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!(same, damage);
        std::fs::write(&file, format!("{text}Package: b\n")).unwrap();
        assert!(!Arc::ptr_eq(&first, &ask().0));
    }
}
