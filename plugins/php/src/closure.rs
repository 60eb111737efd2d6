//! From a script to all that it includes.

#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;

use unstale_plugin::{
    FileView, How, Listings, Process, Refused, Role, Root, Used, What, base_name, directory_of,
    join,
};

use crate::ini::{absolute, is_path};
use crate::source::{Include, parse_composer_list, parse_includes};

/// As many files as are followed for one process.
const FILES: usize = 1000;
/// As many classes of Composer's map as are named.
const CLASSES: usize = 300;
/// As many lines as say what could not be looked at, and as much of a name as stands in one.
const LINES: usize = 8;
const SHOWN: usize = 200;
/// As much as is read of a file.
const SOURCE: u32 = 1024 * 1024;

/// What was learnt of files, by view.
#[derive(Debug, Default)]
pub(crate) struct Known {
    includes: HashMap<(u64, Vec<u8>), Rc<Vec<Include>>>,
    listings: Listings,
}

/// As much as is kept from one process to the next: about so many bytes.
const KEPT: usize = 32 * 1024 * 1024;
/// As many files.
const KEPT_FILES: usize = 20_000;

impl Known {
    /// Forgets all if it has become much: scripts come from anybody.
    pub(crate) fn forget_much(&mut self) {
        let includes = self.includes.values().flat_map(|includes| includes.iter());
        let size: usize = includes.map(|include| include.name.len() + 64).sum();
        if size > KEPT || self.includes.len() > KEPT_FILES {
            *self = Self::default();
        }
    }
}

/// Follows includes, breadth first; what may not be run waits until the rest is done.
pub(crate) struct Closure<'a> {
    pub(crate) process: &'a Process,
    pub(crate) files: &'a dyn FileView,
    pub(crate) known: &'a mut Known,
    pub(crate) include_path: Vec<Vec<u8>>,
    seen: HashSet<Vec<u8>>,
    sure: VecDeque<Vec<u8>>,
    possible: VecDeque<Vec<u8>>,
    waiting: Vec<(Vec<u8>, Include)>,
    /// What was found.
    pub(crate) uses: Vec<Used>,
    /// What could not be looked at.
    pub(crate) missed: Vec<String>,
    /// What a person should know.
    pub(crate) notes: Vec<String>,
}

impl<'a> Closure<'a> {
    pub(crate) fn new(
        process: &'a Process,
        files: &'a dyn FileView,
        known: &'a mut Known,
        include_path: Option<&[u8]>,
    ) -> Self {
        // Debian and Fedora build in their own; both are searched.
        let list = include_path.unwrap_or(b".:/usr/share/php:/usr/share/pear");
        let words = list.split(|&byte| byte == b':').take(50);
        let include_path = words.filter_map(|word| absolute(process, word)).collect();
        Self {
            process,
            files,
            known,
            include_path,
            seen: HashSet::new(),
            sure: VecDeque::new(),
            possible: VecDeque::new(),
            waiting: Vec::new(),
            uses: Vec::new(),
            missed: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Begins with a file that the command line or the configuration names.
    pub(crate) fn begin(&mut self, path: Vec<u8>, role: Role, how: How) {
        let stat = self.files.stat(Root::Process, &path);
        self.uses.push(Used {
            what: What::File(path.clone()),
            role: if is_archive(&path) {
                Role::Archive
            } else {
                role
            },
            how,
            via: None,
        });
        // `__DIR__` is that of the file, not of a link to it.
        let real_path = stat.map_or(path, |stat| stat.real_path);
        if self.seen.insert(real_path.clone()) && !is_archive(&real_path) {
            self.sure.push_back(real_path);
        }
    }

    /// Follows all.
    pub(crate) fn run(&mut self) {
        while let Some(path) = self.sure.pop_front() {
            if let Err(refused) = self.open(&path, How::Imported) {
                self.miss(&path, refused);
                if matches!(refused, Refused::Budget | Refused::NoAnswer) {
                    return;
                }
            }
        }
        for (path, include) in std::mem::take(&mut self.waiting) {
            self.ask(&path, &include, How::Possible);
        }
        while let Some(path) = self.possible.pop_front() {
            if self.open(&path, How::Possible).is_err() {
                self.note("not all that it may include was followed");
                return;
            }
        }
    }

    fn open(&mut self, path: &[u8], how: How) -> Result<(), Refused> {
        let includes = self.includes(path)?;
        // The loader of Composer includes its parts inside of methods that are always called.
        let loader = path.ends_with(b"/composer/autoload_real.php");
        for include in includes.iter() {
            if how == How::Imported && (include.always || loader) {
                self.ask(path, include, How::Imported);
            } else if how == How::Imported {
                if self.waiting.len() < FILES * 4 {
                    self.waiting.push((path.to_vec(), include.clone()));
                } else {
                    self.note("not all that it may include was followed");
                }
            } else {
                self.ask(path, include, How::Possible);
            }
        }
        if loader && how == How::Imported {
            self.composer(directory_of(path))?;
        }
        Ok(())
    }

    fn includes(&mut self, path: &[u8]) -> Result<Rc<Vec<Include>>, Refused> {
        let key = (self.process.view, path.to_vec());
        if let Some(includes) = self.known.includes.get(&key) {
            return Ok(Rc::clone(includes));
        }
        let text = match self.files.read_at(Root::Process, path, 0, SOURCE) {
            Ok(text) => text,
            Err(Refused::Missing) => Vec::new(),
            Err(refused) => return Err(refused),
        };
        let list =
            base_name(path) == b"autoload_files.php" || base_name(path) == b"autoload_classmap.php";
        let includes = if list && base_name(directory_of(path)) == b"composer" {
            parse_composer_list(&text)
        } else {
            parse_includes(&text)
        };
        let includes = Rc::new(includes);
        self.known.includes.insert(key, Rc::clone(&includes));
        Ok(includes)
    }

    /// What the loader of Composer includes at once, and what it would include for a class.
    fn composer(&mut self, directory: &[u8]) -> Result<(), Refused> {
        for name in [b"autoload_files.php".as_slice(), b"autoload_static.php"] {
            self.found(join(directory, name), How::Imported, Some(directory));
        }
        let map = join(directory, b"autoload_classmap.php");
        let classes = self.includes(&map)?;
        for class in classes.iter().take(CLASSES) {
            let path = place(directory, class.above.unwrap_or_default(), &class.name);
            self.found(path, How::Possible, Some(&map));
        }
        if classes.len() > CLASSES {
            self.note("not all classes of Composer's map are named");
        }
        self.note("Composer includes classes when they are needed: which ones were is not known");
        Ok(())
    }

    fn ask(&mut self, script: &[u8], include: &Include, how: How) {
        let here = directory_of(script);
        if let Some(path) = self.resolve(here, include) {
            self.found(path, how, Some(script));
        }
    }

    fn resolve(&mut self, here: &[u8], include: &Include) -> Option<Vec<u8>> {
        let name = include.name.as_slice();
        if let Some(above) = include.above {
            return Some(place(here, above, name));
        }
        if let Some(archive) = name.strip_prefix(b"phar://") {
            let end = archive.windows(5).position(|part| part == b".phar")?;
            return archive
                .starts_with(b"/")
                .then(|| archive[..end + 5].to_vec());
        }
        if name.windows(3).any(|part| part == b"://") {
            return None;
        }
        if name.starts_with(b"/") || name.starts_with(b"./") || name.starts_with(b"../") {
            return absolute(self.process, name);
        }
        let mut places = self.include_path.clone();
        places.push(here.to_vec());
        places.extend(self.process.cwd.clone());
        let mut paths = places.iter().map(|place| join(place, name));
        paths.find(|path| self.is_file(path))
    }

    fn is_file(&mut self, path: &[u8]) -> bool {
        is_path(path) && self.known.listings.is_file(self.process, self.files, path)
    }

    /// A file that is included, if it is there.
    fn found(&mut self, path: Vec<u8>, how: How, via: Option<&[u8]>) {
        if self.uses.len() >= FILES {
            if how == How::Imported {
                let what = format!("it includes more than {FILES} files: not all are looked at");
                if !self.missed.contains(&what) {
                    self.missed.push(what);
                }
            } else {
                self.note("not all that it may include was followed");
            }
            return;
        }
        if !self.is_file(&path) || !self.seen.insert(path.clone()) {
            return;
        }
        let archive = is_archive(&path);
        self.uses.push(Used {
            what: What::File(path.clone()),
            role: if archive { Role::Archive } else { Role::Module },
            how,
            via: via.map(<[u8]>::to_vec),
        });
        match how {
            _ if archive => {}
            How::Imported | How::Loaded => self.sure.push_back(path),
            // Of classes that may be included, what they may include is left out.
            How::Possible if via.is_some_and(|via| via.ends_with(b"/autoload_classmap.php")) => {}
            How::Possible => self.possible.push_back(path),
        }
    }

    /// Notes what could not be looked at: the first few of many.
    fn miss(&mut self, path: &[u8], refused: Refused) {
        let path = String::from_utf8_lossy(&path[..path.len().min(SHOWN)]);
        let why = reason(refused);
        match self.missed.len() {
            count if count < LINES => {
                let what = format!("not all is known that {path} includes: {why}");
                self.missed.push(what);
            }
            LINES => self.missed.push("and more of its files".to_owned()),
            _ => {}
        }
    }

    fn note(&mut self, text: &str) {
        if !self.notes.iter().any(|note| note == text) {
            self.notes.push(text.to_owned());
        }
    }
}

/// A name behind a directory some levels above.
fn place(here: &[u8], above: usize, name: &[u8]) -> Vec<u8> {
    let mut base = here;
    for _ in 0..above {
        base = directory_of(base);
    }
    join(b"/", &[base, b"/", name].concat())
}

fn is_archive(path: &[u8]) -> bool {
    path.ends_with(b".phar")
}

fn reason(refused: Refused) -> &'static str {
    match refused {
        Refused::Denied => "access is denied",
        Refused::Budget => "too much was read for this process",
        Refused::NoAnswer => "its file system does not answer",
        Refused::WrongKind => "it is no file",
        Refused::Missing | Refused::TooLarge | Refused::Failed => "the system refused",
    }
}
