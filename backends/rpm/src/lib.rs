//! rpm's database, and the histories of dnf and zypp, read without locks and without side effects.
//!
//! The store is opened below a root directory and read with our own reader of SQLite files: no library of rpm or
//! SQLite takes part, nothing is written, created, locked or executed. Older kinds of store (Berkeley DB, ndb) are
//! recognised and refused, so that they never pass for an empty one.
#![forbid(unsafe_code)]

mod aliases;
mod bytes;
mod files;
mod header;
mod history;
mod matching;
mod packages;
mod reading;
mod root;
mod sqlite;
mod transaction;
mod version;

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use unstale_packages::{
    Answer, Change, Damage, DbError, Foreign, Match, Ownership, Package, PackageDb, Place, Wanted,
};

pub use crate::version::compare as compare_versions;

use crate::aliases::Aliases;
use crate::packages::Packages;
use crate::reading::{damage, read_settled};
use crate::root::Root;
use crate::sqlite::{Database, Error, Flaws};

/// Where rpm keeps its database: newer Fedora and SUSE, the classic place, ostree.
const DIRECTORIES: [&str; 3] = ["/usr/lib/sysimage/rpm", "/var/lib/rpm", "/usr/share/rpm"];
const SQLITE: &str = "rpmdb.sqlite";

/// The rpm database below one root directory.
#[derive(Debug)]
pub struct Rpm {
    root: Root,
    /// Inside the root.
    directory: PathBuf,
}

impl Rpm {
    /// Finds the database below `root`; `None` where there is none, or one in which no package was ever installed
    /// (as on a Debian system that has the `rpm` tool).
    ///
    /// # Errors
    /// [`DbError`] if there is a database that cannot be read: it does not pass for none.
    pub fn open(root: &Path) -> Result<Option<Self>, DbError> {
        let root = Root::open(root).map_err(|e| reading::io_error(Path::new("/"), e))?;
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
        for directory in DIRECTORIES.map(Path::new) {
            let path = directory.join(SQLITE);
            if let Some(true) = read_settled(&root, &path, has_packages)? {
                let directory = directory.to_owned();
                return Ok(Some(Self { root, directory }));
            }
            refuse_older_store(&root, directory)?;
        }
        Ok(None)
    }

    /// Reads the database as of one moment.
    fn read<T>(
        &self,
        work: impl Fn(&Database, &mut Flaws) -> Result<T, Error>,
    ) -> Result<Answer<T>, DbError> {
        let path = self.directory.join(SQLITE);
        let found = read_settled(&self.root, &path, |database| {
            let mut flaws = Flaws::default();
            let value = work(database, &mut flaws)?;
            Ok((value, flaws))
        })?;
        // The database was there when this store was opened.
        let Some((value, flaws)) = found else {
            return Err(reading::io_error(
                &path,
                std::io::ErrorKind::NotFound.into(),
            ));
        };
        let flaws = flaws.into_vec().into_iter();
        let damage = flaws.map(|flaw| damage(&path, flaw)).collect();
        Ok(Answer { value, damage })
    }
}

impl PackageDb for Rpm {
    fn backend(&self) -> &'static str {
        "rpm"
    }

    fn owners(&self, paths: &[&Path]) -> Result<Answer<Vec<Ownership>>, DbError> {
        let aliases = Aliases::read(&self.root);
        self.read(|database, flaws| files::owners(database, &aliases, paths, flaws))
    }

    fn changes_since(&self, since: SystemTime) -> Result<Answer<Vec<Change>>, DbError> {
        let since = history::Since::from(since);
        let mut answer = history::read(&self.root, since);
        let installed = self.read(|database, flaws| history::installed(database, since, flaws))?;
        answer.damage.extend(installed.damage);
        let unknown = |change: &Change| !answer.value.iter().any(|c| history::covers(c, change));
        let unknown: Vec<_> = installed.value.into_iter().filter(unknown).collect();
        answer.value.extend(unknown);
        answer.value.sort_by_key(|change| change.at);
        Ok(answer)
    }

    fn installed(&self, name: &str) -> Result<Answer<Vec<Package>>, DbError> {
        self.read(|database, flaws| {
            let mut found = Vec::new();
            if let Some(packages) = Packages::of(database) {
                packages.named(name.as_bytes(), flaws, &mut |header| {
                    found.push(packages::package(header));
                })?;
            }
            Ok(found)
        })
    }

    fn matching(
        &self,
        wanted: &[Wanted],
        since: Option<SystemTime>,
    ) -> Result<Answer<Vec<Match>>, DbError> {
        let since = since.map(history::Since::from);
        self.read(|database, flaws| matching::matching(database, wanted, since, flaws))
    }

    fn files(&self, name: &str) -> Result<Answer<Vec<PathBuf>>, DbError> {
        self.read(|database, flaws| {
            let mut found = Vec::new();
            if let Some(packages) = Packages::of(database) {
                packages.named(name.as_bytes(), flaws, &mut |header| {
                    found.extend(files::paths(header));
                })?;
            }
            // Co-installed architectures share files.
            found.sort_unstable();
            found.dedup();
            Ok(found)
        })
    }

    fn unfinished(&self) -> Result<Option<String>, DbError> {
        if let Some(running) = transaction::running(&self.root, &self.directory)? {
            return Ok(Some(running));
        }
        Ok(history::broken_off(&self.root))
    }

    fn compare_versions(&self, a: &str, b: &str) -> Ordering {
        version::compare(a, b)
    }
}

/// Whether a database holds anything but keys. One that cannot be read to the end counts as holding something.
fn has_packages(database: &Database) -> Result<bool, Error> {
    let Some(packages) = Packages::of(database) else {
        return Ok(false);
    };
    let mut flaws = Flaws::default();
    let mut found = false;
    packages.each(&mut flaws, &mut |_| {
        found = true;
        std::ops::ControlFlow::Break(())
    })?;
    Ok(found || !flaws.is_empty())
}

/// A store of another kind has packages that this crate does not see: that must be said.
fn refuse_older_store(root: &Root, directory: &Path) -> Result<(), DbError> {
    let kinds = [
        ("Packages.db", "ndb stores are not supported yet"),
        ("Packages", "Berkeley DB stores are not supported yet"),
    ];
    for (name, what) in kinds {
        let file = directory.join(name);
        let found = root.stat(&file).map_err(|e| reading::io_error(&file, e))?;
        if found.is_some_and(|found| found.st_size > 0) {
            return Err(DbError::Corrupt(Damage {
                file,
                place: Place::Whole,
                what: what.to_owned(),
            }));
        }
    }
    Ok(())
}
