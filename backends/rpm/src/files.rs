//! From paths to the packages that own them, and back.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::ops::ControlFlow;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use unstale_packages::{Digest, DigestAlgorithm, FileKind, Owner, Ownership};

use crate::aliases::Aliases;
use crate::header::{Header, tag};
use crate::packages::{Index, Packages, package};
use crate::sqlite::{Database, Error, Flaws};

/// File flags, as rpm numbers them.
const CONFIG: u32 = 1 << 0;
const GHOST: u32 = 1 << 6;

/// The owners of each path, in order.
pub(crate) fn owners(
    database: &Database,
    aliases: &Aliases,
    paths: &[&Path],
    flaws: &mut Flaws,
) -> Result<Vec<Ownership>, Error> {
    let mut answer = vec![Ownership::default(); paths.len()];
    let Some(packages) = Packages::of(database) else {
        return Ok(answer);
    };
    let wanted = Wanted::new(
        aliases,
        paths.iter().map(|p| p.as_os_str().as_bytes()).enumerate(),
    );
    wanted.find(database, &packages, flaws, &mut answer)?;
    // While a transaction runs, a new file has a temporary name. A file may truly be called so: that name comes first.
    let unowned = paths.iter().enumerate().filter_map(|(i, path)| {
        let stripped = without_temporary_suffix(path.as_os_str().as_bytes())?;
        answer.get(i)?.owners.is_empty().then_some((i, stripped))
    });
    let stripped = Wanted::new(aliases, unowned);
    if !stripped.by_base.is_empty() {
        stripped.find(database, &packages, flaws, &mut answer)?;
    }
    Ok(answer)
}

/// All paths that a package owns, in its own spelling.
pub(crate) fn paths(header: &Header<'_>) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let directories: Vec<_> = header.strings(tag::DIR_NAMES).collect();
    let files = Files::of(header);
    for (i, base) in header.strings(tag::BASE_NAMES).enumerate() {
        if let Some(directory) = files.directory(i, &directories)
            && files.is_owned(i)
        {
            paths.push(PathBuf::from(OsString::from_vec(
                [directory, base].concat(),
            )));
        }
    }
    paths
}

/// Paths that are looked for, by their last part.
struct Wanted<'a> {
    aliases: &'a Aliases,
    by_base: HashMap<&'a [u8], Vec<WantedFile>>,
}

struct WantedFile {
    /// With a slash at the end, as rpm stores directories.
    directory: Vec<u8>,
    /// The place of the path in the question.
    place: usize,
}

impl<'a> Wanted<'a> {
    fn new(aliases: &'a Aliases, paths: impl Iterator<Item = (usize, &'a [u8])>) -> Self {
        let mut by_base: HashMap<_, Vec<_>> = HashMap::new();
        for (place, path) in paths {
            let slash = path.iter().rposition(|byte| *byte == b'/');
            let (directory, base) = path.split_at(slash.map_or(0, |slash| slash + 1));
            let directory = aliases.canonical(directory).into_owned();
            let file = WantedFile { directory, place };
            by_base.entry(base).or_default().push(file);
        }
        Self { aliases, by_base }
    }

    /// Adds the owners of all wanted paths to the answer.
    fn find(
        &self,
        database: &Database,
        packages: &Packages<'_>,
        flaws: &mut Flaws,
        answer: &mut [Ownership],
    ) -> Result<(), Error> {
        if let Some(index) = FileIndex::of(database)
            && let Some(numbers) = flaws.keep(index.candidates(self))?
        {
            return packages.some(numbers, flaws, &mut |header| self.claim(header, answer));
        }
        packages.each(flaws, &mut |header| {
            self.claim(header, answer);
            ControlFlow::Continue(())
        })
    }

    /// Adds what one package claims.
    fn claim(&self, header: &Header<'_>, answer: &mut [Ownership]) {
        let files = Files::of(header);
        let mut directories = None;
        for (i, base) in header.strings(tag::BASE_NAMES).enumerate() {
            let Some(wanted) = self.by_base.get(base).filter(|_| files.is_owned(i)) else {
                continue;
            };
            let directories = directories
                .get_or_insert_with(|| header.strings(tag::DIR_NAMES).collect::<Vec<_>>());
            let Some(directory) = files.directory(i, directories) else {
                continue;
            };
            let directory = self.aliases.canonical(directory);
            for file in wanted.iter().filter(|file| file.directory == *directory) {
                if let Some(ownership) = answer.get_mut(file.place) {
                    ownership.owners.push(files.owner(i));
                }
            }
        }
    }
}

/// The two tables that together lead from paths to packages.
struct FileIndex<'a> {
    bases: Index<'a>,
    directories: Index<'a>,
}

impl<'a> FileIndex<'a> {
    fn of(database: &'a Database) -> Option<Self> {
        Some(Self {
            bases: Index::of(database, "Basenames")?,
            directories: Index::of(database, "Dirnames")?,
        })
    }

    /// Packages that have both a wanted name and its directory: few, and all owners are among them.
    fn candidates(&self, wanted: &Wanted<'_>) -> Result<BTreeSet<i64>, Error> {
        let mut candidates = BTreeSet::new();
        let mut in_directory: HashMap<&[u8], Vec<i64>> = HashMap::new();
        for (base, files) in &wanted.by_base {
            let mut with_base = None;
            for file in files {
                let directory = &file.directory[..];
                if !in_directory.contains_key(directory) {
                    let numbers = self.in_directory(wanted.aliases, directory)?;
                    in_directory.insert(directory, numbers);
                }
                let there = in_directory.get(directory).filter(|n| !n.is_empty());
                let Some(there) = there else { continue };
                let with_base = match &mut with_base {
                    Some(with_base) => with_base,
                    none => none.insert(self.bases.packages(base)?),
                };
                let both = with_base.iter().filter(|n| there.binary_search(n).is_ok());
                candidates.extend(both);
            }
        }
        Ok(candidates)
    }

    fn in_directory(&self, aliases: &Aliases, directory: &[u8]) -> Result<Vec<i64>, Error> {
        let mut numbers = Vec::new();
        for spelling in aliases.spellings(directory) {
            numbers.extend(self.directories.packages(&spelling)?);
        }
        numbers.sort_unstable();
        Ok(numbers)
    }
}

/// The parallel arrays in which a header describes its files.
struct Files<'a> {
    header: &'a Header<'a>,
    directory_of: crate::header::Numbers<'a>,
    states: crate::header::Numbers<'a>,
}

impl<'a> Files<'a> {
    fn of(header: &'a Header<'a>) -> Self {
        Self {
            header,
            directory_of: header.numbers(tag::DIR_INDEXES),
            states: header.numbers(tag::FILE_STATES),
        }
    }

    fn directory<'d>(&self, i: usize, directories: &[&'d [u8]]) -> Option<&'d [u8]> {
        let directory = self.directory_of.get(i)? as usize;
        directories.get(directory).copied()
    }

    /// Whether the file on disk is this package's: not if another package's took its place (1), it was not installed
    /// (2), or it is of the wrong colour (4), as in an i686 package beside its x86_64 twin.
    fn is_owned(&self, i: usize) -> bool {
        !matches!(self.states.get(i), Some(1 | 2 | 4))
    }

    fn owner(&self, i: usize) -> Owner {
        let flags = self.header.number(tag::FILE_FLAGS, i).unwrap_or(0);
        Owner {
            package: package(self.header),
            kind: match flags {
                flags if flags & GHOST != 0 => FileKind::Ghost,
                flags if flags & CONFIG != 0 => FileKind::Config,
                _ => FileKind::Shipped,
            },
            digest: self.digest(i),
        }
    }

    fn digest(&self, i: usize) -> Option<Digest> {
        let hex = self.header.strings(tag::FILE_DIGESTS).nth(i)?;
        // Headers without the tag are from before it existed.
        let (algorithm, bytes) = match self
            .header
            .number(tag::FILE_DIGEST_ALGORITHM, 0)
            .unwrap_or(1)
        {
            1 => (DigestAlgorithm::Md5, 16),
            2 => (DigestAlgorithm::Sha1, 20),
            8 => (DigestAlgorithm::Sha256, 32),
            10 => (DigestAlgorithm::Sha512, 64),
            _ => return None,
        };
        let whole = hex.len() == bytes * 2 && hex.iter().all(u8::is_ascii_hexdigit);
        whole.then(|| Digest {
            algorithm,
            hex: String::from_utf8_lossy(hex).to_ascii_lowercase(),
        })
    }
}

/// `lib` for `lib;5f3a9c01`, the form of rpm's temporary names.
fn without_temporary_suffix(path: &[u8]) -> Option<&[u8]> {
    let (stripped, suffix) = path.split_at_checked(path.len().checked_sub(9)?)?;
    let (semicolon, digits) = suffix.split_first()?;
    let is_name = !stripped.is_empty() && !stripped.ends_with(b"/");
    let is_suffix = *semicolon == b';' && digits.iter().all(u8::is_ascii_hexdigit);
    (is_name && is_suffix).then_some(stripped)
}

#[cfg(test)]
mod tests {
    use super::without_temporary_suffix;

    #[track_caller]
    fn check(path: &str, stripped: Option<&str>) {
        let found = without_temporary_suffix(path.as_bytes());
        assert_eq!(found, stripped.map(str::as_bytes));
    }

    #[test]
    fn temporary_names() {
        check("/usr/lib64/liba.so;5f3a9c01", Some("/usr/lib64/liba.so"));
        check("/usr/lib64/liba.so;5F3A9C01", Some("/usr/lib64/liba.so"));
        check("/usr/lib64/liba.so;5f3a9c0", None);
        check("/usr/lib64/liba.so;5f3a9c0x", None);
        check("/usr/lib64/liba.so:5f3a9c01", None);
        check("/usr/lib64/;5f3a9c01", None);
        check(";5f3a9c01", None);
        check("", None);
    }
}
