//! dpkg's database and logs, read-only.
//!
//! Lives here: what `/var/lib/dpkg` and the logs below `/var/log` say. Must not: processes, verdicts, the dpkg
//! program, its locks. Nothing is ever written, created or locked, and no file makes reading block.
#![forbid(unsafe_code)]

use std::cmp::Ordering;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use unstale_packages::{
    Answer, Change, DbError, Foreign, Match, Ownership, Package, PackageDb, Wanted,
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
                return Ok(Some(Self { root }));
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

    fn read_named<T>(
        &self,
        name: &str,
        take: impl FnOnce(&Self, &[&Record], &mut Damages) -> Result<T, DbError>,
    ) -> Result<Answer<T>, DbError> {
        let mut damages = Damages::default();
        let status = read_status(&self.root, &mut damages)?;
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
        matching::read_matching(&self.root, wanted, since)
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
