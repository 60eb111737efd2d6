//! What `unstale` asks of a package store.
//!
//! This crate knows no process, no verdict and no output: only files, packages, versions and what changed when.
//! A backend opens its store below a root directory, reads it without locks and without side effects, and never
//! writes, creates or removes a file. Paths are absolute *inside that root* and are bytes, not text.
#![forbid(unsafe_code)]

mod foreign;

use std::cmp::Ordering;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

pub use foreign::{FOREIGN_FILE_CAP, Foreign, OpenFile};

/// A store of installed packages below one root directory.
pub trait PackageDb {
    /// The short name by which reports call this store: `dpkg`, `rpm`.
    fn backend(&self) -> &'static str;

    /// Who owns each of `paths`, in the same order and number. One pass over the store, however many paths.
    ///
    /// A path is absolute inside the root of the store, as the kernel prints it (symbolic links resolved). Both
    /// spellings of a merged directory (`/lib/x`, `/usr/lib/x`) lead to the same owners, where the root really has
    /// the aliasing link; diverted and renamed files are found under the name they have on disk.
    ///
    /// # Errors
    /// [`DbError`] if the store as a whole cannot be read. One damaged record is a [`Damage`] beside the answer, and
    /// does not hide the other records.
    fn owners(&self, paths: &[&Path]) -> Result<Answer<Vec<Ownership>>, DbError>;

    /// Changes of packages at or after `since`, oldest first, as the store's own logs tell them. Old and new version
    /// where the log knows. A log that does not exist is an empty answer, one that cannot be read is a [`Damage`].
    ///
    /// # Errors
    /// [`DbError`] if the store as a whole cannot be read.
    fn changes_since(&self, since: SystemTime) -> Result<Answer<Vec<Change>>, DbError>;

    /// Installed packages of that name: several with multi-arch and for kernels, none if not installed.
    ///
    /// # Errors
    /// [`DbError`] if the store as a whole cannot be read.
    fn installed(&self, name: &str) -> Result<Answer<Vec<Package>>, DbError>;

    /// Installed packages that are meant by any of `wanted`, each pair once, in the order of `wanted`; with `since`, only
    /// those that were installed or upgraded at or after that second, as far as the store tells when.
    ///
    /// # Errors
    /// [`DbError`] if the store as a whole cannot be read.
    fn matching(
        &self,
        wanted: &[Wanted],
        since: Option<SystemTime>,
    ) -> Result<Answer<Vec<Match>>, DbError>;

    /// The paths that the installed packages of that name own, absolute in the root.
    ///
    /// # Errors
    /// [`DbError`] if the store as a whole cannot be read.
    fn files(&self, name: &str) -> Result<Answer<Vec<PathBuf>>, DbError>;

    /// Whether a transaction is running or was broken off, in words for a person; `None` when all is at rest. Found
    /// without taking a lock.
    ///
    /// # Errors
    /// [`DbError`] if the store as a whole cannot be read.
    fn unfinished(&self) -> Result<Option<String>, DbError>;

    /// The order of two versions by this store's own rules (`dpkg --compare-versions`, rpm's EVR).
    fn compare_versions(&self, a: &str, b: &str) -> Ordering;
}

/// An answer, and what could not be read on the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    /// What was found.
    pub value: T,
    /// Records that were skipped because they are damaged or unreadable; empty when the answer is whole.
    pub damage: Vec<Damage>,
}

impl<T> Answer<T> {
    /// An answer with nothing left out.
    pub fn whole(value: T) -> Self {
        Self {
            value,
            damage: Vec::new(),
        }
    }
}

/// The owners of one path; empty when no package claims it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ownership {
    /// Several for files shared between architectures, and for directories.
    pub owners: Vec<Owner>,
}

/// One package's claim on one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The package.
    pub package: Package,
    /// What the package says of this file.
    pub kind: FileKind,
    /// Digest of the file as the package shipped it, where the store records one.
    pub digest: Option<Digest>,
}

/// What a package says of a file it owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// Shipped in the package.
    Shipped,
    /// A configuration file (dpkg conffile, rpm `%config`).
    Config,
    /// Owned without being shipped (rpm `%ghost`): a change of it is never the package's doing.
    Ghost,
}

/// A file's digest as a package store records it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// The function.
    pub algorithm: DigestAlgorithm,
    /// The digest, lower-case hexadecimal.
    pub hex: String,
}

/// Digest functions in use by package stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DigestAlgorithm {
    /// dpkg's `.md5sums`, rpm before 4.6.
    Md5,
    /// rpm, rarely.
    Sha1,
    /// rpm since 4.6.
    Sha256,
    /// rpm, by configuration.
    Sha512,
}

/// One installed package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Package {
    /// The name alone, without architecture.
    pub name: String,
    /// The full version in the store's own spelling: `1:2.3-4+b1` (dpkg), `1:2.3-4.el9` (rpm; epoch only if set).
    pub version: String,
    /// The architecture in the store's own spelling (`amd64`, `x86_64`, `all`, `noarch`).
    pub arch: String,
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// Packages that somebody wants to hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// A name of a package or of a capability, `*` for any characters in names of packages.
    pub name: String,
    /// Whether the package's own name counts.
    pub by_name: bool,
    /// Whether what a package provides counts: an exact name, versions left out (`installhint(reboot-needed)`).
    pub by_provides: bool,
}

/// Whether a name is like a pattern in which `*` stands for any characters, also none.
#[must_use]
pub fn is_like(pattern: &str, name: &[u8]) -> bool {
    let mut parts = pattern.as_bytes().split(|&b| b == b'*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    // Each part at the first place that it fits leaves the most for those behind it.
    for part in parts.filter(|part| !part.is_empty()) {
        match rest.windows(part.len()).position(|window| window == part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// An installed package that was wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Index into what was wanted.
    pub wanted: usize,
    /// The package.
    pub package: Package,
    /// When it was installed or upgraded last, by the wall clock of that moment, to the second: rpm's `INSTALLTIME`,
    /// the time of dpkg's list of its files. `None` where the store does not tell.
    pub at: Option<SystemTime>,
    /// The version of the capability that matched, if it matched by one that has a version (`= kexec`).
    pub capability_version: Option<String>,
}

/// One change of one package, as a log tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The package's name, without architecture.
    pub name: String,
    /// The architecture, where the log tells it.
    pub arch: Option<String>,
    /// When the change began, by the wall clock of that moment.
    pub at: SystemTime,
    /// Version before, `None` for a first installation (or where the log does not tell).
    pub old: Option<String>,
    /// Whether the log says that this is an installation and replaces nothing. Of kernels, each version is.
    pub is_first: bool,
    /// Version after, `None` for a removal.
    pub new: Option<String>,
}

/// A record of a store that could not be read; the rest of the answer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file, as a path inside the root.
    pub file: PathBuf,
    /// Where in it.
    pub place: Place,
    /// What is wrong: lower case, no full stop.
    pub what: String,
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole.
    Whole,
    /// A line, counted from 1.
    Line(u64),
    /// A byte offset, counted from 0.
    Offset(u64),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match self.place {
            Place::Whole => write!(f, "{file}: {}", self.what),
            Place::Line(line) => write!(f, "{file}:{line}: {}", self.what),
            Place::Offset(offset) => write!(f, "{file}: at byte {offset}: {}", self.what),
        }
    }
}

/// A store that cannot be read as a whole.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// A file of the store cannot be opened or read.
    #[error("cannot read {}: {source}", file.display())]
    Io {
        /// The file, as a path inside the root.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of the store is not what it should be.
    #[error("{0}")]
    Corrupt(Damage),
    /// The store kept changing while it was read.
    #[error("{} kept changing while it was read", file.display())]
    Busy {
        /// The file, as a path inside the root.
        file: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use super::is_like;

    #[test]
    fn names_like_patterns() {
        #[track_caller]
        fn check(pattern: &str, name: &str, expected: bool) {
            assert_eq!(
                is_like(pattern, name.as_bytes()),
                expected,
                "{pattern} {name}"
            );
        }
        check("kernel", "kernel", true);
        check("kernel", "kernel-core", false);
        check("kernel*", "kernel", true);
        check("kernel-*", "kernel-core", true);
        check("kernel-*", "kernel", false);
        check("*", "", true);
        check("**", "x", true);
        check("a*a", "a", false);
        check("a*a", "aa", true);
        check("*a*b", "xaxab", true);
        check("*a*b*", "ba", false);
        check("l*b*b", "lb", false);
        check("l*b*b", "libb", true);
        check("", "", true);
        check("", "x", false);
    }
}
