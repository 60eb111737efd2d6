//! Directory listings that are asked for once.

use std::collections::HashMap;
use std::rc::Rc;

use crate::{FileView, Kind, Process, Refused, Root, base_name, directory_of};

/// Answers whether files exist from listings of their directories, each asked for once per view: a search through many
/// directories for many names costs one question a directory.
#[derive(Debug, Default)]
pub struct Listings {
    known: HashMap<u64, HashMap<Vec<u8>, Rc<Listing>>>,
    /// About how much memory `known` takes.
    bytes: usize,
}

/// As much as is kept. A hostile process has many directories with many names, and what they take is missing for others.
const BYTES_CAP: usize = 16 * 1024 * 1024;
/// What an item takes beside its name, in a table that is half full.
const ITEM_BYTES: usize = 96;

type Listing = Result<HashMap<Vec<u8>, Kind>, Refused>;

impl Listings {
    /// What is at a path of the process, links followed.
    ///
    /// # Errors
    /// [`Refused`], of the file or of its directory.
    pub fn kind(
        &mut self,
        process: &Process,
        files: &dyn FileView,
        path: &[u8],
    ) -> Result<Kind, Refused> {
        // The root has no name, and `..` is none to look for.
        if matches!(base_name(path), b"" | b"." | b"..") {
            return files.stat(Root::Process, path).map(|stat| stat.kind);
        }
        let listing = self.of(process, files, directory_of(path));
        match listing.as_ref() {
            Ok(names) => match names.get(base_name(path)) {
                None => Err(Refused::Missing),
                Some(Kind::Link) => files.stat(Root::Process, path).map(|stat| stat.kind),
                Some(&kind) => Ok(kind),
            },
            // A directory may be passed through without being readable, or hold more names than are listed.
            Err(Refused::Denied | Refused::TooLarge) => {
                files.stat(Root::Process, path).map(|stat| stat.kind)
            }
            Err(Refused::WrongKind) => Err(Refused::Missing),
            Err(refused) => Err(*refused),
        }
    }

    /// Whether a regular file is at a path. What cannot be told counts as no.
    pub fn is_file(&mut self, process: &Process, files: &dyn FileView, path: &[u8]) -> bool {
        self.kind(process, files, path) == Ok(Kind::File)
    }

    /// Whether a directory is at a path. What cannot be told counts as no.
    pub fn is_directory(&mut self, process: &Process, files: &dyn FileView, path: &[u8]) -> bool {
        self.kind(process, files, path) == Ok(Kind::Directory)
    }

    /// Tells all names in a directory, in no order. `false` if they cannot be told.
    pub fn each_name(
        &mut self,
        process: &Process,
        files: &dyn FileView,
        directory: &[u8],
        mut tell: impl FnMut(&[u8]),
    ) -> bool {
        let listing = self.of(process, files, directory);
        let names = listing.iter().flat_map(HashMap::keys);
        names.for_each(|name| tell(name.as_slice()));
        listing.is_ok()
    }

    fn of(&mut self, process: &Process, files: &dyn FileView, directory: &[u8]) -> Rc<Listing> {
        let known = self.known.get(&process.view);
        if let Some(listing) = known.and_then(|known| known.get(directory)) {
            return Rc::clone(listing);
        }
        let listing = files.list(Root::Process, directory).map(|entries| {
            let pairs = entries.into_iter().map(|entry| (entry.name, entry.kind));
            pairs.collect()
        });
        let listing = Rc::new(listing);
        // A budget that is used up is this process's, and a file system may answer the next time.
        if !matches!(listing.as_ref(), Err(Refused::Budget | Refused::NoAnswer)) {
            self.keep((process.view, directory.to_vec()), Rc::clone(&listing));
        }
        listing
    }

    fn keep(&mut self, key: (u64, Vec<u8>), listing: Rc<Listing>) {
        let names = listing.iter().flat_map(HashMap::keys);
        let size = |name: &Vec<u8>| name.len() + ITEM_BYTES;
        let bytes = size(&key.1) + names.map(size).sum::<usize>();
        if self.bytes + bytes > BYTES_CAP {
            self.known.clear();
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.known.entry(key.0).or_default().insert(key.1, listing);
    }
}

#[cfg(test)]
mod tests;
