//! Finding files in gems.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::rc::Rc;

use unstale_plugin::{FileView, Kind, Listings, Process, Root, join};

use crate::bundle::{Lock, split_version};

/// A gem that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gem {
    pub(crate) name: Vec<u8>,
    pub(crate) directory: Vec<u8>,
}

/// How many gems are looked at in one directory.
const GEMS: usize = 1_000;
/// How many are searched for a file whose name does not tell the gem.
const SEARCHED: usize = 300;

/// The gems of each directory, listed once.
#[derive(Debug, Default)]
pub(crate) struct Gems {
    known: HashMap<(u64, Vec<u8>), Rc<Vec<Gem>>>,
}

impl Gems {
    fn of(&mut self, process: &Process, files: &dyn FileView, directory: &[u8]) -> Rc<Vec<Gem>> {
        let key = (process.view, directory.to_vec());
        if let Some(known) = self.known.get(&key) {
            return Rc::clone(known);
        }
        let path = join(directory, b"gems");
        let entries = files.list(Root::Process, &path).unwrap_or_default();
        let mut gems: Vec<Gem> = entries
            .into_iter()
            .filter(|entry| entry.kind != Kind::File)
            .filter_map(|entry| {
                let (name, _) = split_version(&entry.name)?;
                Some(Gem {
                    name: name.to_vec(),
                    directory: join(&path, &entry.name),
                })
            })
            .take(GEMS)
            .collect();
        gems.sort_by(|one, other| one.directory.cmp(&other.directory));
        let gems = Rc::new(gems);
        self.known.insert(key, Rc::clone(&gems));
        gems
    }

    /// All gems that a process may use: those of the lock, if there is one.
    pub(crate) fn all(
        &mut self,
        process: &Process,
        files: &dyn FileView,
        directories: &[Vec<u8>],
        lock: Option<&Lock>,
    ) -> Vec<Gem> {
        let mut found: Vec<Gem> = Vec::new();
        for directory in directories {
            for gem in self.of(process, files, directory).iter() {
                if lock.is_none_or(|lock| is_pinned(lock, gem)) {
                    found.push(gem.clone());
                }
            }
        }
        // The same gem in two places: the first one is used.
        let mut names = std::collections::HashSet::new();
        found.retain(|gem| names.insert(unstale_plugin::base_name(&gem.directory).to_vec()));
        found
    }
}

fn is_pinned(lock: &Lock, gem: &Gem) -> bool {
    let directory = unstale_plugin::base_name(&gem.directory);
    let Some((name, version)) = split_version(directory) else {
        return false;
    };
    lock.gems.iter().any(|(locked, pinned)| {
        locked == name
            && version
                .strip_prefix(pinned.as_slice())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"-"))
    })
}

/// The gems that have a file in their `lib`: looked for first where the name of the file says, then in all.
pub(crate) fn with_file(
    process: &Process,
    files: &dyn FileView,
    listings: &mut Listings,
    gems: &[Gem],
    name: &[u8],
    everywhere: bool,
) -> Vec<(Vec<u8>, Gem)> {
    let stem = name.strip_suffix(b".rb").unwrap_or(name);
    let named: Vec<&Gem> = gems
        .iter()
        .filter(|gem| is_named(&gem.name, stem))
        .collect();
    let found = in_gems(process, files, listings, &named, name);
    if !found.is_empty() || !everywhere {
        return found;
    }
    let rest: Vec<&Gem> = gems.iter().take(SEARCHED).collect();
    in_gems(process, files, listings, &rest, name)
}

fn in_gems(
    process: &Process,
    files: &dyn FileView,
    listings: &mut Listings,
    gems: &[&Gem],
    name: &[u8],
) -> Vec<(Vec<u8>, Gem)> {
    let mut found = Vec::new();
    for gem in gems {
        let library = join(&gem.directory, b"lib");
        if listings.is_directory(process, files, &library)
            && is_reachable(process, files, listings, &library, name)
        {
            let path = join(&library, name);
            if listings.is_file(process, files, &path) {
                found.push((path, (*gem).clone()));
            }
        }
    }
    found
}

/// Whether the directories that a name leads through are there: what is above is known where it is not.
pub(crate) fn is_reachable(
    process: &Process,
    files: &dyn FileView,
    listings: &mut Listings,
    directory: &[u8],
    name: &[u8],
) -> bool {
    let slashes = name.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes
        .take(16)
        .all(|(at, _)| listings.is_directory(process, files, &join(directory, &name[..at])))
}

/// Whether a feature may be expected in a gem: `net/http/x` in `net-http-x`, `net-http`, `net`.
fn is_named(gem: &[u8], feature: &[u8]) -> bool {
    let same = |one: u8, other: u8| {
        one == other || (matches!(one, b'-' | b'_') && matches!(other, b'/' | b'-' | b'_'))
    };
    gem.len() <= feature.len()
        && gem
            .iter()
            .zip(feature)
            .all(|(&one, &other)| same(one.to_ascii_lowercase(), other.to_ascii_lowercase()))
        && matches!(feature.get(gem.len()), None | Some(b'/' | b'_' | b'-'))
}
