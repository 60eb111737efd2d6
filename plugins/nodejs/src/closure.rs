//! From a script to all that it asks for.

#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;

use unstale_plugin::{FileView, How, Process, Refused, Root, directory_of};

use crate::resolve::Resolver;
use crate::source::{Kind, Request, parse_requests};

/// As many modules as are followed for one process.
const MODULES: usize = 1500;
/// As many lines as say what could not be looked at, and as much of a name as stands in one.
const LINES: usize = 8;
const SHOWN: usize = 200;
/// As much as is read of a file: what it asks for always stands at its beginning.
const SOURCE: u32 = 1024 * 1024;

/// What was learnt of sources, by view and real path.
pub(crate) type Sources = HashMap<(u64, Vec<u8>), Rc<Vec<Request>>>;

/// A module that is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Module {
    /// Its real path.
    pub(crate) path: Vec<u8>,
    /// [`How::Imported`] or [`How::Possible`].
    pub(crate) how: How,
    /// The file that asks for it.
    pub(crate) via: Option<Vec<u8>>,
}

/// Follows requests, breadth first; what may not be run waits until the rest is done.
pub(crate) struct Closure<'a> {
    pub(crate) resolver: Resolver<'a>,
    sources: &'a mut Sources,
    seen: HashSet<Vec<u8>>,
    surely: VecDeque<Vec<u8>>,
    perhaps: VecDeque<(Vec<u8>, Request)>,
    modules: Vec<Module>,
    missed: Vec<String>,
    cut: bool,
}

/// What came of it.
pub(crate) struct Outcome {
    /// In the order in which they were found.
    pub(crate) modules: Vec<Module>,
    /// What could not be looked at although it is run for sure.
    pub(crate) missed: Vec<String>,
    /// Whether not all that may be run was followed.
    pub(crate) cut: bool,
}

impl<'a> Closure<'a> {
    pub(crate) fn new(resolver: Resolver<'a>, sources: &'a mut Sources) -> Self {
        Self {
            resolver,
            sources,
            seen: HashSet::new(),
            surely: VecDeque::new(),
            perhaps: VecDeque::new(),
            modules: Vec::new(),
            missed: Vec::new(),
            cut: false,
        }
    }

    /// Begins with a file that is reported elsewhere.
    pub(crate) fn begin(&mut self, real_path: Vec<u8>) {
        if self.seen.insert(real_path.clone()) {
            self.surely.push_back(real_path);
        }
    }

    /// Begins with a request of the command line.
    pub(crate) fn preload(&mut self, directory: &[u8], name: &[u8]) {
        let request = Request {
            name: name.to_vec(),
            kind: Kind::Require,
            always: true,
        };
        if let Err(refused) = self.ask(None, directory, &request, How::Imported) {
            self.miss("what the command line asks for", name, refused);
        }
    }

    /// Follows all.
    pub(crate) fn run(mut self) -> Outcome {
        if let Err((path, refused)) = self.follow_sure() {
            self.miss("not all is known that it asks for from", &path, refused);
        } else if self.follow_possible().is_err() {
            self.cut = true;
        }
        Outcome {
            modules: self.modules,
            missed: self.missed,
            cut: self.cut,
        }
    }

    fn follow_sure(&mut self) -> Result<(), (Vec<u8>, Refused)> {
        while let Some(path) = self.surely.pop_front() {
            self.open(&path, How::Imported)
                .map_err(|refused| (path, refused))?;
        }
        Ok(())
    }

    fn follow_possible(&mut self) -> Result<(), Refused> {
        while let Some((path, request)) = self.perhaps.pop_front() {
            let known = self.modules.len();
            self.ask(Some(&path), directory_of(&path), &request, How::Possible)?;
            for at in known..self.modules.len() {
                let path = self.modules[at].path.clone();
                self.open(&path, How::Possible)?;
            }
        }
        Ok(())
    }

    /// Reads a file and asks for what it asks for.
    fn open(&mut self, path: &[u8], how: How) -> Result<(), Refused> {
        let requests = match self.requests(path) {
            Ok(requests) => requests,
            Err(refused @ (Refused::Budget | Refused::NoAnswer)) => return Err(refused),
            Err(Refused::Missing) => return Ok(()),
            Err(refused) if how == How::Imported => {
                self.miss("cannot read", path, refused);
                return Ok(());
            }
            Err(_) => return Ok(()),
        };
        for request in requests.iter() {
            if request.always && how == How::Imported {
                self.ask(Some(path), directory_of(path), request, how)?;
            } else if self.perhaps.len() < MODULES * 4 {
                self.perhaps.push_back((path.to_vec(), request.clone()));
            } else {
                self.cut = true;
            }
        }
        Ok(())
    }

    fn ask(
        &mut self,
        via: Option<&[u8]>,
        directory: &[u8],
        request: &Request,
        how: How,
    ) -> Result<(), Refused> {
        let Some(path) = self
            .resolver
            .resolve(directory, &request.name, request.kind)?
        else {
            return Ok(());
        };
        // Addons are mapped, and judged as code.
        if path.ends_with(b".node") || !self.seen.insert(path.clone()) {
            return Ok(());
        }
        if self.modules.len() == MODULES {
            return Err(Refused::Budget);
        }
        // JSON is read when it is asked for, but it is data: never a reason to restart.
        let data = path.ends_with(b".json");
        self.modules.push(Module {
            path: path.clone(),
            how: if data { How::Possible } else { how },
            via: via.map(<[u8]>::to_vec),
        });
        if how == How::Imported && !data {
            self.surely.push_back(path);
        }
        Ok(())
    }

    fn requests(&mut self, path: &[u8]) -> Result<Rc<Vec<Request>>, Refused> {
        let key = (self.process().view, path.to_vec());
        if let Some(requests) = self.sources.get(&key) {
            return Ok(Rc::clone(requests));
        }
        let requests = if path.ends_with(b".json") {
            Vec::new()
        } else {
            parse_requests(&self.files().read_at(Root::Process, path, 0, SOURCE)?)
        };
        let requests = Rc::new(requests);
        self.sources.insert(key, Rc::clone(&requests));
        Ok(requests)
    }

    fn process(&self) -> &'a Process {
        self.resolver.process
    }

    fn files(&self) -> &'a dyn FileView {
        self.resolver.files
    }

    /// Notes what could not be looked at: the first few of many.
    pub(crate) fn miss(&mut self, what: &str, path: &[u8], refused: Refused) {
        let path = String::from_utf8_lossy(&path[..path.len().min(SHOWN)]);
        let why = match refused {
            Refused::Budget => "too much was read for this process",
            Refused::NoAnswer => "its file system does not answer",
            Refused::Denied => "access is denied",
            _ => "the system refused",
        };
        match self.missed.len() {
            count if count < LINES => self.missed.push(format!("{what} {path}: {why}")),
            LINES => self.missed.push("and more of its modules".to_owned()),
            _ => {}
        }
    }
}
