//! Directory listings that are asked for once.

use std::collections::HashMap;
use std::rc::Rc;

use crate::{FileView, Kind, Process, Refused, Root, base_name, directory_of};

/// Answers whether files exist from listings of their directories, each asked for once per view: a search through many
/// directories for many names costs one question a directory.
#[derive(Debug, Default)]
pub struct Listings {
    known: HashMap<(u64, Vec<u8>), Rc<Listing>>,
}

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

    fn of(&mut self, process: &Process, files: &dyn FileView, directory: &[u8]) -> Rc<Listing> {
        let key = (process.view, directory.to_vec());
        if let Some(listing) = self.known.get(&key) {
            return Rc::clone(listing);
        }
        let listing = files.list(Root::Process, directory).map(|entries| {
            let pairs = entries.into_iter().map(|entry| (entry.name, entry.kind));
            pairs.collect()
        });
        let listing = Rc::new(listing);
        // A budget that is used up is this process's, and a file system may answer the next time.
        if !matches!(listing.as_ref(), Err(Refused::Budget | Refused::NoAnswer)) {
            self.known.insert(key, Rc::clone(&listing));
        }
        listing
    }
}
