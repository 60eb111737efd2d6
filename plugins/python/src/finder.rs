//! Where modules are: the search through the entries of a path, as `importlib` does it, each answer kept.
//!
//! Says which file a name leads to; what is in the file is no concern here.
#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use unstale_plugin::{FileView, Kind, Listings, Process, Refused, directory_of};

use crate::archive::{Archive, read_archive};
use crate::version::Version;

/// Whose code lies below an entry of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Area {
    /// The program's own: script directory, PYTHONPATH, editable installations.
    App,
    /// Installed packages.
    Site,
    /// The standard library.
    Library,
}

/// An entry of `sys.path` or of a package's `__path__`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// A directory, an archive, or a directory inside one.
    pub(crate) path: Vec<u8>,
    /// Whose.
    pub(crate) area: Area,
}

/// A list of places, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PathId(usize);

/// What a module is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A source file.
    Source(Vec<u8>),
    /// A compiled file without its source.
    Bytecode(Vec<u8>),
    /// A shared object: a mapping, judged as such.
    Extension,
    /// A member of an archive.
    Member(Vec<u8>, Vec<u8>),
    /// Several directories without an `__init__`.
    Namespace,
    /// Part of the interpreter. The file, if any, is not read at run time, but tells what is imported.
    Frozen(Option<Vec<u8>>),
}

/// A module that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// What it is made of.
    pub(crate) origin: Origin,
    /// Where its submodules are searched, if it is a package.
    pub(crate) package: Option<PathId>,
    /// Whose.
    pub(crate) area: Area,
}

#[derive(Debug)]
struct Searched {
    view: u64,
    places: Rc<[Place]>,
    found: HashMap<Vec<u8>, Option<Rc<Found>>>,
    names: Option<Option<Rc<HashSet<Vec<u8>>>>>,
}

/// Paths and answers of all processes.
#[derive(Debug, Default)]
pub(crate) struct Finder {
    listings: Listings,
    archives: HashMap<(u64, Vec<u8>), Option<Rc<Archive>>>,
    paths: Vec<Searched>,
    ids: HashMap<(u64, Version, Rc<[Place]>), PathId>,
    suffixes: HashMap<Version, Rc<[Vec<u8>]>>,
    /// Why nothing more can be asked for the process that is looked at. Answers from then on are not kept.
    stopped: Option<Refused>,
}

/// The process that is looked at, and its files.
#[derive(Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) process: &'a Process,
    pub(crate) files: &'a dyn FileView,
    pub(crate) version: Version,
}

/// What a search in one place gave.
enum Hit {
    Module(Found),
    /// A directory that may be a part of a namespace package.
    Portion(Place),
    Nothing,
}

impl Finder {
    /// The number of a list of places.
    pub(crate) fn path(&mut self, look: Look<'_>, places: Vec<Place>) -> PathId {
        let places: Rc<[Place]> = places.into();
        let key = (look.process.view, look.version, Rc::clone(&places));
        let next = PathId(self.paths.len());
        let id = *self.ids.entry(key).or_insert(next);
        if id == next {
            self.paths.push(Searched {
                view: look.process.view,
                places,
                found: HashMap::new(),
                names: None,
            });
        }
        id
    }

    /// All names that a search through a path may find, and perhaps some more; `None` if they cannot be told.
    pub(crate) fn names(&mut self, look: Look<'_>, path: PathId) -> Option<Rc<HashSet<Vec<u8>>>> {
        if let Some(known) = &self.paths[path.0].names {
            return known.clone();
        }
        let places = Rc::clone(&self.paths[path.0].places);
        let mut names = HashSet::new();
        let mut all = true;
        for place in places.iter() {
            all &= self.kind(look, &place.path) == Ok(Kind::Directory);
            all &= self
                .listings
                .each_name(look.process, look.files, &place.path, |name| {
                    let stem = name.split(|&byte| byte == b'.').next().unwrap_or(name);
                    names.insert(stem.to_vec());
                });
        }
        let names = all.then(|| Rc::new(names));
        if self.stopped.is_none() {
            self.paths[path.0].names = Some(names.clone());
        }
        names
    }

    /// The names in the directories of a path, each with its directory.
    pub(crate) fn each_name(
        &mut self,
        look: Look<'_>,
        path: PathId,
        mut each: impl FnMut(&[u8], &[u8]),
    ) {
        for place in Rc::clone(&self.paths[path.0].places).iter() {
            if self.kind(look, &place.path) == Ok(Kind::Directory) {
                self.listings
                    .each_name(look.process, look.files, &place.path, |name| {
                        each(&place.path, name);
                    });
            }
        }
    }

    /// Searches a module by the last part of its name, through the lists of places in their order.
    pub(crate) fn find(
        &mut self,
        look: Look<'_>,
        paths: &[PathId],
        name: &[u8],
    ) -> Option<Rc<Found>> {
        let mut portions: Option<Rc<Found>> = None;
        for &path in paths {
            let Some(found) = self.find_in(look, path, name) else {
                continue;
            };
            if found.origin != Origin::Namespace {
                return Some(found);
            }
            portions = Some(match portions {
                None => found,
                Some(before) => self.union(look, &before, &found),
            });
        }
        portions
    }

    fn union(&mut self, look: Look<'_>, one: &Found, other: &Found) -> Rc<Found> {
        let places = |found: &Found| match found.package {
            Some(path) => self.paths[path.0].places.to_vec(),
            None => Vec::new(),
        };
        let all = [places(one), places(other)].concat();
        Rc::new(self.namespace(look, all))
    }

    fn namespace(&mut self, look: Look<'_>, places: Vec<Place>) -> Found {
        let area = places.first().map_or(Area::App, |place| place.area);
        Found {
            origin: Origin::Namespace,
            package: Some(self.path(look, places)),
            area,
        }
    }

    fn find_in(&mut self, look: Look<'_>, path: PathId, name: &[u8]) -> Option<Rc<Found>> {
        let searched = &self.paths[path.0];
        debug_assert_eq!(searched.view, look.process.view);
        if let Some(known) = searched.found.get(name) {
            return known.clone();
        }
        let places = Rc::clone(&searched.places);
        let mut portions = Vec::new();
        let mut found = None;
        for place in places.iter() {
            match self.search(look, place, name) {
                Hit::Module(module) => {
                    found = Some(Rc::new(module));
                    break;
                }
                Hit::Portion(portion) => portions.push(portion),
                Hit::Nothing => {}
            }
        }
        if found.is_none() && !portions.is_empty() {
            found = Some(Rc::new(self.namespace(look, portions)));
        }
        if self.stopped.is_none() {
            let known = &mut self.paths[path.0].found;
            known.insert(name.to_vec(), found.clone());
        }
        found
    }

    /// One place: a package, else a module, else perhaps a part of a namespace package.
    fn search(&mut self, look: Look<'_>, place: &Place, name: &[u8]) -> Hit {
        match self.kind(look, &place.path) {
            Ok(Kind::Directory) => {}
            Ok(Kind::File) | Err(Refused::Missing) => {
                return self.search_archive(look, place, name);
            }
            _ => return Hit::Nothing,
        }
        let stem = below(&place.path, name);
        let directory = self.kind(look, &stem) == Ok(Kind::Directory);
        if directory && let Some(origin) = self.module_file(look, &below(&stem, b"__init__")) {
            let inside = vec![Place {
                path: stem,
                area: place.area,
            }];
            return Hit::Module(Found {
                origin,
                package: Some(self.path(look, inside)),
                area: place.area,
            });
        }
        match self.module_file(look, &stem) {
            Some(origin) => Hit::Module(Found {
                origin,
                package: None,
                area: place.area,
            }),
            None if directory => Hit::Portion(Place {
                path: stem,
                area: place.area,
            }),
            None => Hit::Nothing,
        }
    }

    /// The file of a module, by its path without suffix: shared objects, then sources, then compiled ones.
    fn module_file(&mut self, look: Look<'_>, stem: &[u8]) -> Option<Origin> {
        let is_file = |this: &mut Self, suffix: &[u8]| {
            let path = [stem, suffix].concat();
            (this.kind(look, &path) == Ok(Kind::File)).then_some(path)
        };
        let suffixes = self.suffixes.entry(look.version);
        let suffixes = suffixes.or_insert_with(|| look.version.extension_suffixes().into());
        for suffix in Rc::clone(suffixes).iter() {
            if is_file(self, suffix).is_some() {
                return Some(Origin::Extension);
            }
        }
        if let Some(path) = is_file(self, b".py") {
            return Some(Origin::Source(path));
        }
        is_file(self, b".pyc").map(Origin::Bytecode)
    }

    /// A place that is an archive, or lies in one.
    fn search_archive(&mut self, look: Look<'_>, place: &Place, name: &[u8]) -> Hit {
        let Some((archive, inner)) = self.archive_of(look, &place.path) else {
            return Hit::Nothing;
        };
        let Some(members) = self.archive(look, &archive) else {
            return Hit::Nothing;
        };
        let stem = if inner.is_empty() {
            name.to_vec()
        } else {
            below(&inner, name)
        };
        // The order of zipimport: a package first; compiled code with or without its source counts as the archive.
        for suffix in [&b"/__init__.pyc"[..], b"/__init__.py", b".pyc", b".py"] {
            let member = [&stem[..], suffix].concat();
            if !members.has(&member) {
                continue;
            }
            let package = suffix.starts_with(b"/").then(|| {
                let inside = vec![Place {
                    path: below(&archive, &stem),
                    area: place.area,
                }];
                self.path(look, inside)
            });
            return Hit::Module(Found {
                origin: Origin::Member(archive, member),
                package,
                area: place.area,
            });
        }
        Hit::Nothing
    }

    /// The archive that a path leads into, and the rest of the path.
    fn archive_of(&mut self, look: Look<'_>, path: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        let mut outer = path;
        // Packages in archives are seldom deeper, and a missing directory must not cost more.
        for _ in 0..16 {
            match self.kind(look, outer) {
                Ok(Kind::File) => {
                    let inner = &path[outer.len()..];
                    let inner = inner.strip_prefix(b"/").unwrap_or(inner);
                    return Some((outer.to_vec(), inner.to_vec()));
                }
                Err(Refused::Missing) if outer.len() > 1 => outer = directory_of(outer),
                _ => return None,
            }
        }
        None
    }

    /// The directory of an archive; `None` if the file is none or cannot be read.
    pub(crate) fn archive(&mut self, look: Look<'_>, path: &[u8]) -> Option<Rc<Archive>> {
        let key = (look.process.view, path.to_vec());
        if let Some(known) = self.archives.get(&key) {
            return known.clone();
        }
        let archive = match read_archive(look.files, path) {
            Ok(archive) => archive.map(Rc::new),
            Err(refused) => {
                self.heed(refused);
                None
            }
        };
        if self.stopped.is_none() {
            self.archives.insert(key, archive.clone());
        }
        archive
    }

    /// What is at a path, links followed.
    pub(crate) fn kind(&mut self, look: Look<'_>, path: &[u8]) -> Result<Kind, Refused> {
        if path == b"/" {
            return Ok(Kind::Directory);
        }
        let kind = self.listings.kind(look.process, look.files, path);
        if let Err(refused) = kind {
            self.heed(refused);
        }
        kind
    }

    /// Notes whether a refusal means that nothing more will be answered.
    pub(crate) fn heed(&mut self, refused: Refused) {
        if matches!(refused, Refused::Budget | Refused::NoAnswer) {
            self.stopped = Some(refused);
        }
    }

    /// Begins with a process, for which everything may be asked again.
    pub(crate) fn begin(&mut self) {
        self.stopped = None;
    }

    /// Why nothing more can be asked.
    pub(crate) fn stopped(&self) -> Option<Refused> {
        self.stopped
    }
}

/// A path below a directory, as text.
pub(crate) fn below(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(directory.len() + name.len() + 1);
    path.extend_from_slice(directory);
    if !directory.ends_with(b"/") {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}
