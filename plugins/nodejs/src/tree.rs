//! Names and real paths of a process's files, from listings that are asked for once.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::rc::Rc;

use unstale_plugin::{FileView, Kind, Process, Refused, Root, base_name, directory_of, join};

/// No path is longer (PATH_MAX). Names that stand in sources may be, and hold a NUL byte.
pub(crate) const PATH: usize = 4096;

/// What was learnt of directories, by view.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    directories: HashMap<Key, Rc<Listing>>,
    links: HashMap<Key, Option<Found>>,
    size: usize,
}

/// As much as is kept of the files of one process: about so many bytes.
const KEPT: usize = 128 * 1024 * 1024;

type Key = (u64, Vec<u8>);
type Listing = Result<Directory, Refused>;

#[derive(Debug)]
struct Directory {
    real_path: Vec<u8>,
    names: HashMap<Vec<u8>, Kind>,
}

/// Something that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// A file or a directory.
    pub(crate) kind: Kind,
    /// Its path without links.
    pub(crate) real_path: Vec<u8>,
}

impl Tree {
    /// About so many bytes.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// What is at a path, links followed.
    ///
    /// # Errors
    /// Only what another process would not meet in the same place: the budget is used up, no answer.
    pub(crate) fn find(
        &mut self,
        process: &Process,
        files: &dyn FileView,
        path: &[u8],
    ) -> Result<Option<Found>, Refused> {
        if path.len() > PATH || path.contains(&0) {
            return Ok(None);
        }
        if path == b"/" {
            let real_path = path.to_vec();
            return Ok(Some(Found {
                kind: Kind::Directory,
                real_path,
            }));
        }
        let listing = self.listing(process, files, directory_of(path))?;
        match listing.as_ref() {
            Ok(directory) => match directory.names.get(base_name(path)) {
                Some(Kind::Link) => self.follow(process, files, path),
                Some(&kind) => {
                    let real_path = join(&directory.real_path, base_name(path));
                    let sound = real_path.len() <= PATH;
                    Ok(sound.then_some(Found { kind, real_path }))
                }
                None => Ok(None),
            },
            // It may be passed through all the same.
            Err(Refused::Denied | Refused::TooLarge) => self.follow(process, files, path),
            Err(_) => Ok(None),
        }
    }

    fn follow(
        &mut self,
        process: &Process,
        files: &dyn FileView,
        path: &[u8],
    ) -> Result<Option<Found>, Refused> {
        let key = (process.view, path.to_vec());
        if let Some(found) = self.links.get(&key) {
            return Ok(found.clone());
        }
        let found = match files.stat(Root::Process, path) {
            Ok(stat) => Some(Found {
                kind: stat.kind,
                real_path: stat.real_path,
            }),
            Err(refused @ (Refused::Budget | Refused::NoAnswer)) => return Err(refused),
            Err(_) => None,
        };
        self.size += path.len() * 2 + 128;
        self.links.insert(key, found.clone());
        Ok(found)
    }

    fn listing(
        &mut self,
        process: &Process,
        files: &dyn FileView,
        path: &[u8],
    ) -> Result<Rc<Listing>, Refused> {
        let key = (process.view, path.to_vec());
        if let Some(listing) = self.directories.get(&key) {
            return Ok(Rc::clone(listing));
        }
        if self.size > KEPT {
            return Err(Refused::Budget);
        }
        let listing = match files.list(Root::Process, path) {
            Err(refused @ (Refused::Budget | Refused::NoAnswer)) => return Err(refused),
            Err(refused) => Err(refused),
            Ok(entries) => {
                let real_path = match files.stat(Root::Process, path) {
                    Ok(stat) => stat.real_path,
                    Err(refused @ (Refused::Budget | Refused::NoAnswer)) => return Err(refused),
                    Err(_) => path.to_vec(),
                };
                let names = entries.into_iter().map(|entry| (entry.name, entry.kind));
                let names: HashMap<_, _> = names.collect();
                self.size += names.keys().map(|name| name.len() + 64).sum::<usize>();
                Ok(Directory { real_path, names })
            }
        };
        self.size += path.len() * 2 + 128;
        let listing = Rc::new(listing);
        self.directories.insert(key, Rc::clone(&listing));
        Ok(listing)
    }
}
