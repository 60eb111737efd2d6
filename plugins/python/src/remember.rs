//! Answers of the host that are asked for more than once: what is at a path, and the text of a script.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::collections::HashMap;

use unstale_plugin::{Entry, FileView, Kind, Process, Refused, Root, Stat};

/// What is at the paths that were asked for, by view.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    known: HashMap<u64, HashMap<Vec<u8>, Stat>>,
    count: usize,
}

/// So many are kept; a path has at most 4 KiB.
const STATS: usize = 1024;
/// Of files up to this size one question asks for all, where it would ask for a part.
const SMALL: u64 = 64 * 1024;

/// The files of one process.
pub(crate) struct Remembering<'a> {
    files: &'a dyn FileView,
    view: u64,
    stats: RefCell<Stats>,
    /// The last small file of which a part was asked for.
    small: RefCell<Option<(Vec<u8>, Vec<u8>)>>,
}

impl<'a> Remembering<'a> {
    pub(crate) fn new(process: &Process, files: &'a dyn FileView, stats: Stats) -> Self {
        Self {
            files,
            view: process.view,
            stats: RefCell::new(stats),
            small: RefCell::new(None),
        }
    }

    /// What the next process may use.
    pub(crate) fn into_stats(self) -> Stats {
        self.stats.into_inner()
    }

    fn known(&self, path: &[u8]) -> Option<Stat> {
        let stats = self.stats.borrow();
        stats.known.get(&self.view)?.get(path).cloned()
    }

    fn is_small(&self, path: &[u8]) -> bool {
        self.known(path)
            .is_some_and(|stat| stat.kind == Kind::File && stat.size <= SMALL)
    }

    /// The text of the file that was read last, if it is this one.
    fn with_small<T>(&self, path: &[u8], then: impl Fn(&[u8]) -> T) -> Option<T> {
        let small = self.small.borrow();
        let (name, text) = small.as_ref()?;
        (name == path).then(|| then(text))
    }
}

impl FileView for Remembering<'_> {
    fn read(&self, root: Root, path: &[u8]) -> Result<Vec<u8>, Refused> {
        let known = self.with_small(path, <[u8]>::to_vec);
        match known.filter(|_| root == Root::Process) {
            Some(text) => Ok(text),
            None => self.files.read(root, path),
        }
    }

    fn read_at(&self, root: Root, path: &[u8], offset: u64, size: u32) -> Result<Vec<u8>, Refused> {
        if root != Root::Process || !self.is_small(path) {
            return self.files.read_at(root, path, offset, size);
        }
        let part = |text: &[u8]| {
            let from = usize::try_from(offset).unwrap_or(usize::MAX);
            let rest = text.get(from..).unwrap_or_default();
            rest[..rest.len().min(size as usize)].to_vec()
        };
        if let Some(part) = self.with_small(path, part) {
            return Ok(part);
        }
        let text = self.files.read(root, path)?;
        let part = part(&text);
        *self.small.borrow_mut() = Some((path.to_vec(), text));
        Ok(part)
    }

    fn stat(&self, root: Root, path: &[u8]) -> Result<Stat, Refused> {
        if root != Root::Process {
            return self.files.stat(root, path);
        }
        if let Some(stat) = self.known(path) {
            return Ok(stat);
        }
        let stat = self.files.stat(root, path)?;
        let mut stats = self.stats.borrow_mut();
        if stats.count == STATS {
            *stats = Stats::default();
        }
        stats.count += 1;
        let known = stats.known.entry(self.view).or_default();
        known.insert(path.to_vec(), stat.clone());
        Ok(stat)
    }

    fn list(&self, root: Root, path: &[u8]) -> Result<Vec<Entry>, Refused> {
        self.files.list(root, path)
    }

    fn read_link(&self, root: Root, path: &[u8]) -> Result<Vec<u8>, Refused> {
        self.files.read_link(root, path)
    }

    fn memory(&self, address: u64, size: u32) -> Result<Vec<u8>, Refused> {
        self.files.memory(address, size)
    }
}
