//! Which package lists which file: `info/NAME[:ARCH].list`, one path a line.
//!
//! There is no index. All lists together are some megabytes and are read once, looking for the few paths asked for;
//! keeping an index would cost more than it saves, and could be out of date.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use unstale_packages::OpenFile;

use crate::aliases::Aliases;
use crate::damage::Damages;
use crate::diversions::Diversions;
use crate::lines::{Buffer, Limits, read_lines};
use crate::root::{Folder, joined};

/// Lists and digests of each package.
pub const INFO: &str = "/var/lib/dpkg/info";

/// A path is at most 4096 bytes, and the largest lists have some megabytes.
pub(crate) const LIMITS: Limits = Limits {
    line: 1 << 20,
    total: 32 << 20,
};

/// All lists and digests that are read for one question; fifty times a large desktop's.
pub(crate) const BUDGET: u64 = 1 << 30;
/// Paths of one package.
const PATHS_CAP: usize = 1_000_000;

/// Names that dpkg gives to files while it works, or to what a person did not want.
const SUFFIXES: [&[u8]; 4] = [b".dpkg-new", b".dpkg-tmp", b".dpkg-old", b".dpkg-dist"];

/// How a name in a list is the name that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It is that name.
    Exact,
    /// It is that name without one of dpkg's suffixes.
    Suffixed,
}

/// Paths to look for.
#[derive(Debug)]
pub struct Wanted<'a> {
    diversions: &'a Diversions,
    on_disk: HashMap<Vec<u8>, Vec<(usize, Claim)>>,
    filter: Filter,
}

impl<'a> Wanted<'a> {
    /// All spellings of `paths`.
    pub fn new(paths: &[&[u8]], aliases: &Aliases, diversions: &'a Diversions) -> Self {
        let mut on_disk: HashMap<_, Vec<_>> = HashMap::new();
        for (index, path) in paths.iter().enumerate() {
            let plain = SUFFIXES
                .iter()
                .find_map(|suffix| path.strip_suffix(*suffix));
            let names = [(Some(*path), Claim::Exact), (plain, Claim::Suffixed)];
            for (name, claim) in names
                .into_iter()
                .filter_map(|(name, claim)| Some((name?, claim)))
            {
                // Lists begin with the root directory, and call it so.
                let name = if name == b"/" { b"/." } else { name };
                for spelling in aliases.spellings(name) {
                    on_disk.entry(spelling).or_default().push((index, claim));
                }
            }
        }
        let mut filter = Filter::default();
        on_disk.keys().for_each(|name| filter.add(name));
        diversions
            .listed_as(|to| on_disk.contains_key(to))
            .for_each(|name| filter.add(name));
        Self {
            diversions,
            on_disk,
            filter,
        }
    }

    /// The asked paths that a line in the list of `package` is about.
    pub(crate) fn matches(&self, listed: &[u8], package: &[u8]) -> &[(usize, Claim)] {
        if !self.filter.may_have(listed) {
            return &[];
        }
        let name = self.diversions.on_disk(listed, package);
        self.on_disk.get(name).map_or(&[], Vec::as_slice)
    }
}

/// A line of a list that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Place of the path among those asked for.
    pub index: usize,
    /// How exactly.
    pub claim: Claim,
    /// The path as the list spells it.
    pub listed: Vec<u8>,
    /// The line of the list.
    pub line: u64,
}

/// The hits in one list.
pub fn find_in_list(
    from: impl Read,
    file: &dyn Fn() -> PathBuf,
    package: &[u8],
    wanted: &Wanted<'_>,
    buffer: &mut Buffer,
    damages: &mut Damages,
) -> Vec<Hit> {
    let mut hits = Hits::default();
    let end = read_lines(from, buffer, LIMITS, |line, listed| {
        for &(index, claim) in wanted.matches(listed, package) {
            hits.add(index, claim, listed, line);
        }
    });
    match end {
        Ok(end) => {
            if let Some((line, what)) = end.trouble() {
                damages.line(&file(), line, what);
            }
        }
        Err((line, error)) => damages.line(&file(), line, format!("cannot be read: {error}")),
    }
    hits.all
}

/// The hits in one list, each once: a hostile list may say a path a million times.
#[derive(Debug, Default)]
struct Hits {
    all: Vec<Hit>,
    seen: HashSet<(usize, Vec<u8>)>,
}

impl Hits {
    fn add(&mut self, index: usize, claim: Claim, listed: &[u8], line: u64) {
        // A path is found either as it is or without its suffix, never both by one name in the list.
        if self.seen.insert((index, listed.to_vec())) {
            self.all.push(Hit {
                index,
                claim,
                listed: listed.to_vec(),
                line,
            });
        }
    }
}

/// The paths in one list, without the root directory; lines that are no paths are noted.
pub fn parse_list(
    from: impl Read,
    file: &Path,
    buffer: &mut Buffer,
    damages: &mut Damages,
) -> Vec<Vec<u8>> {
    let mut paths = Vec::new();
    let mut bad = None;
    let end = read_lines(from, buffer, LIMITS, |line, listed| {
        if !listed.starts_with(b"/") {
            bad = bad.or(Some((line, "not an absolute path")));
        } else if paths.len() == PATHS_CAP {
            bad = bad.or(Some((line, "more paths than are kept")));
        } else if listed != b"/." {
            paths.push(listed.to_vec());
        }
    });
    match end {
        Ok(end) => {
            for (line, what) in bad.into_iter().chain(end.trouble()) {
                damages.line(file, line, what);
            }
        }
        Err((line, error)) => damages.line(file, line, format!("cannot be read: {error}")),
    }
    paths
}

/// `NAME[:ARCH]` of a file in `info` with this ending.
pub fn stem<'a>(name: &'a [u8], ending: &str) -> Option<&'a [u8]> {
    name.strip_suffix(ending.as_bytes())
        .filter(|stem| !stem.is_empty())
}

/// Name and architecture of a stem, if it can be a package's.
pub fn parse_stem(stem: &[u8]) -> Option<(&str, Option<&str>)> {
    let stem = std::str::from_utf8(stem).ok()?;
    Some(match stem.split_once(':') {
        Some((name, arch)) => (name, Some(arch)),
        None => (stem, None),
    })
}

/// Opens `info/NAME`, or notes why not. A file that is gone was replaced or removed meanwhile.
pub(crate) fn open(folder: &Folder, name: &[u8], damages: &mut Damages) -> Option<OpenFile> {
    match folder.open_regular(name) {
        Ok(regular) => regular.map(|regular| regular.file),
        Err(error) => {
            damages.whole(&joined(INFO, name), format!("cannot be read: {error}"));
            None
        }
    }
}

/// Says quickly that a path is none of some hundred: nearly all lines end here.
#[derive(Debug)]
pub(crate) struct Filter(Box<[u64; 256]>);

impl Default for Filter {
    fn default() -> Self {
        Self(Box::new([0; 256]))
    }
}

impl Filter {
    pub(crate) fn add(&mut self, path: &[u8]) {
        let (word, bit) = Self::place(path);
        self.0[word] |= bit;
    }

    pub(crate) fn may_have(&self, path: &[u8]) -> bool {
        let (word, bit) = Self::place(path);
        self.0[word] & bit != 0
    }

    /// From the length and the last bytes, in which paths differ most.
    fn place(path: &[u8]) -> (usize, u64) {
        let tail = path
            .last_chunk::<8>()
            .map_or(0, |tail| u64::from_le_bytes(*tail));
        let mixed = (tail ^ (path.len() as u64)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let [high, low, ..] = mixed.to_be_bytes();
        (usize::from(high), 1 << (low & 63))
    }
}
