//! From the lists of a command line to archives.

#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use unstale_plugin::{
    Entry, FileView, How, Kind, Process, Refused, Role, Root, Stat, What, directory_of, join,
};

use crate::jar::{Named, read_named};

/// As many archives as are looked at for one process.
const ARCHIVES: usize = 1000;
/// No path is longer (PATH_MAX), and none holds a NUL byte: words that stand in files may.
const PATH: usize = 4096;
/// As many lines as say what could not be looked at, and as much of a name as stands in one.
const LINES: usize = 8;
const SHOWN: usize = 200;

/// What was learnt of archives, by view and real path.
#[derive(Debug, Default)]
pub(crate) struct Jars {
    known: HashMap<(u64, Vec<u8>), Rc<Named>>,
}

/// As much as is kept from one process to the next.
const KEPT: usize = 32 * 1024 * 1024;

impl Jars {
    /// Forgets all if it has become much: archives come from anybody.
    pub(crate) fn forget_much(&mut self) {
        let size: usize = self.known.values().map(|named| named.size()).sum();
        if size > KEPT {
            self.known.clear();
        }
    }

    fn named(
        &mut self,
        process: &Process,
        files: &dyn FileView,
        path: &[u8],
        size: u64,
    ) -> Result<Rc<Named>, Refused> {
        let key = (process.view, path.to_vec());
        if let Some(named) = self.known.get(&key) {
            return Ok(Rc::clone(named));
        }
        let named = Rc::new(read_named(files, path, size)?);
        self.known.insert(key, Rc::clone(&named));
        Ok(named)
    }
}

/// An archive that was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Archive {
    /// Its path as it was named.
    pub(crate) path: Vec<u8>,
    /// Its path without links; the same if nothing is there.
    pub(crate) real_path: Vec<u8>,
    /// Its size, if it is a file.
    size: Option<u64>,
    /// Its part.
    pub(crate) role: Role,
    /// How sure it is.
    pub(crate) how: How,
    /// The archive whose manifest names it.
    pub(crate) via: Option<Vec<u8>>,
}

impl Archive {
    /// As a file to be judged by time.
    pub(crate) fn what(&self) -> What {
        What::File(self.path.clone())
    }
}

/// Which lists an entry comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    /// Archives, directories of classes, `DIR/*`.
    ClassPath,
    /// Archives, directories of archives.
    ModulePath,
}

/// Gathers the archives of one process.
pub(crate) struct Search<'a> {
    pub(crate) process: &'a Process,
    pub(crate) files: &'a dyn FileView,
    pub(crate) jars: &'a mut Jars,
    /// What was found.
    pub(crate) archives: Vec<Archive>,
    /// Directories of classes, which are not judged.
    pub(crate) directories: Vec<Vec<u8>>,
    /// What could not be looked at.
    pub(crate) unknown: Vec<String>,
    /// What manifests have named so far.
    named: HashSet<Vec<u8>>,
    /// Nothing more is shown of this process's files.
    over: bool,
}

impl<'a> Search<'a> {
    pub(crate) fn new(process: &'a Process, files: &'a dyn FileView, jars: &'a mut Jars) -> Self {
        Self {
            process,
            files,
            jars,
            archives: Vec::new(),
            directories: Vec::new(),
            unknown: Vec::new(),
            named: HashSet::new(),
            over: false,
        }
    }

    /// A path against the working directory, which no Java program can change.
    pub(crate) fn absolute(&mut self, path: &[u8]) -> Option<Vec<u8>> {
        let Some(cwd) = &self.process.cwd else {
            if path.starts_with(b"/") {
                return self.sound(join(b"/", path));
            }
            self.cannot(path, "its working directory is not known");
            return None;
        };
        self.sound(join(cwd, path))
    }

    fn sound(&mut self, path: Vec<u8>) -> Option<Vec<u8>> {
        if path.len() > PATH || path.contains(&0) {
            self.cannot(&path, "it is no path");
            return None;
        }
        Some(path)
    }

    /// All entries of a list between colons.
    pub(crate) fn add_list(&mut self, list: &[u8], kind: List) {
        for entry in list.split(|&byte| byte == b':') {
            self.add_entry(entry, kind);
        }
    }

    fn add_entry(&mut self, entry: &[u8], kind: List) {
        // An empty entry of a class path is the working directory; in a module path it is nothing.
        if entry.is_empty() && kind == List::ModulePath {
            return;
        }
        let wildcard = entry.strip_suffix(b"*").filter(|before| {
            kind == List::ClassPath && (before.is_empty() || before.ends_with(b"/"))
        });
        if let Some(path) = self.absolute(wildcard.unwrap_or(entry)) {
            match wildcard {
                Some(_) => self.add_all_in(&path, &[b".jar", b".JAR"]),
                None => self.add_path(&path, kind),
            }
        }
    }

    fn add_path(&mut self, path: &[u8], kind: List) {
        match self.files.stat(Root::Process, path) {
            Ok(stat) if stat.kind == Kind::Directory && kind == List::ModulePath => {
                self.add_all_in(path, &[b".jar", b".jmod"]);
            }
            Ok(stat) if stat.kind == Kind::Directory => self.directories.push(path.to_vec()),
            Ok(stat) => self.push(path, Some(stat), Role::Archive, How::Imported, None),
            Err(Refused::Missing) => {}
            Err(refused) => self.cannot(path, reason(refused)),
        }
    }

    /// The archives that lie in a directory now. Which of them were there when the process started is not known: one that was
    /// put beside the others since is newer than the process, but no part of it.
    fn add_all_in(&mut self, directory: &[u8], suffixes: &[&[u8]]) {
        let entries = match self.files.list(Root::Process, directory) {
            Ok(entries) => entries,
            Err(Refused::Missing | Refused::WrongKind) => return,
            Err(refused) => return self.cannot(directory, reason(refused)),
        };
        let real = self.files.stat(Root::Process, directory);
        let real = real.map_or_else(|_| directory.to_vec(), |stat| stat.real_path);
        let mut entries: Vec<_> = entries
            .into_iter()
            .filter(|entry| suffixes.iter().any(|suffix| entry.name.ends_with(suffix)))
            .collect();
        entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        for Entry { name, kind } in entries.into_iter().take(ARCHIVES + 1) {
            let path = join(directory, &name);
            if path.len() > PATH {
                continue;
            }
            let stat = match kind {
                Kind::File => Some(Stat {
                    kind,
                    size: 0,
                    real_path: join(&real, &name),
                }),
                Kind::Link => self.files.stat(Root::Process, &path).ok(),
                Kind::Directory | Kind::Other => continue,
            };
            self.push(&path, stat, Role::Archive, How::Possible, None);
        }
    }

    /// One archive, whether it is there or not.
    pub(crate) fn add_archive(&mut self, path: &[u8], role: Role, how: How) {
        let stat = self.files.stat(Root::Process, path).ok();
        self.push(path, stat, role, how, None);
    }

    fn push(&mut self, path: &[u8], stat: Option<Stat>, role: Role, how: How, via: Option<&[u8]>) {
        if self.archives.len() == ARCHIVES {
            self.say(format!(
                "more than {ARCHIVES} archives are named: not all are looked at"
            ));
            return;
        }
        self.archives.push(Archive {
            path: path.to_vec(),
            size: stat
                .as_ref()
                .filter(|stat| stat.kind == Kind::File)
                .map(|stat| stat.size),
            real_path: stat.map_or_else(|| path.to_vec(), |stat| stat.real_path),
            role,
            how,
            via: via.map(<[u8]>::to_vec),
        });
    }

    /// Adds what the manifests of the archives so far name, and what theirs name.
    pub(crate) fn follow_manifests(&mut self) {
        let mut at = 0;
        while let Some(archive) = self.archives.get(at).cloned() {
            at += 1;
            // Of a directory full of archives, it is not known which belong to the process.
            if archive.how != How::Possible && !self.over {
                self.follow(&archive);
            }
        }
    }

    fn follow(&mut self, archive: &Archive) {
        let Some(size) = archive.size else { return };
        let path = &archive.real_path;
        match self.jars.named(self.process, self.files, path, size) {
            Ok(named) => self.add_named(archive, &named),
            Err(Refused::Missing) => {}
            Err(refused) => {
                self.over |= refused == Refused::Budget;
                self.cannot(&archive.path, reason(refused));
            }
        }
    }

    fn add_named(&mut self, archive: &Archive, named: &Named) {
        // The class loader resolves links first: the URLs are relative to where the archive really is.
        let base = directory_of(&archive.real_path);
        for url in named.class_path.iter().chain(&named.boot_class_path) {
            let Some(path) = path_of(url).map(|path| join(base, &path)) else {
                continue;
            };
            if path.len() > PATH || self.named.len() >= ARCHIVES || !self.named.insert(path.clone())
            {
                continue;
            }
            match self.files.stat(Root::Process, &path) {
                Ok(stat) if stat.kind == Kind::File => {
                    let via = Some(archive.path.as_slice());
                    self.push(&path, Some(stat), Role::Archive, How::Imported, via);
                }
                // Many manifests name archives that nobody installs.
                Ok(_) | Err(Refused::Missing) => {}
                Err(refused) => self.cannot(&path, reason(refused)),
            }
        }
    }

    pub(crate) fn cannot(&mut self, path: &[u8], why: &str) {
        let path = String::from_utf8_lossy(&path[..path.len().min(SHOWN)]);
        self.say(format!("cannot look at {path} of the class path: {why}"));
    }

    /// Notes what could not be looked at: each once, and the first few of many.
    fn say(&mut self, what: String) {
        if self.unknown.contains(&what) {
            return;
        }
        match self.unknown.len() {
            count if count < LINES => self.unknown.push(what),
            LINES => self.unknown.push("and more of its class path".to_owned()),
            _ => {}
        }
    }
}

/// The path of a URL in a manifest: relative, or `file:`. One that ends in a slash is a directory of classes.
fn path_of(url: &[u8]) -> Option<Vec<u8>> {
    let path = match url.iter().position(|&byte| matches!(byte, b':' | b'/')) {
        Some(at) if url[at] == b':' => match url.strip_prefix(b"file:")? {
            authority if authority.starts_with(b"//") => authority.get(2..)?,
            path => path,
        },
        _ => url,
    };
    if path.is_empty() || path.ends_with(b"/") {
        return None;
    }
    Some(percent_decoded(path)).filter(|path| !path.contains(&0))
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let pair = tail
            .first()
            .and_then(digit)
            .zip(tail.get(1).and_then(digit));
        match pair.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => bytes.push(first),
        }
    }
    bytes
}

fn reason(refused: Refused) -> &'static str {
    match refused {
        Refused::Missing => "it is missing",
        Refused::WrongKind => "it is no file",
        Refused::Denied => "access is denied",
        Refused::TooLarge => "it is too large",
        Refused::Budget => "too much was read for this process",
        Refused::NoAnswer => "its file system does not answer",
        Refused::Failed => "the system refused",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn url(url: &str, path: Option<&str>) {
        let found = path_of(url.as_bytes()).map(|path| String::from_utf8(path).unwrap());
        assert_eq!(found.as_deref(), path);
    }

    #[test]
    fn t6_20_urls_of_a_manifest() {
        url("lib/a.jar", Some("lib/a.jar"));
        url("../a%20b.jar", Some("../a b.jar"));
        url("a%2", Some("a%2"));
        url("file:///x/a.jar", Some("/x/a.jar"));
        url("file:/x/a.jar", Some("/x/a.jar"));
        url("./x:a.jar", Some("./x:a.jar"));
        url("http://example.org/a.jar", None);
        url("classes/", None);
        url("a%00.jar", None);
        url("", None);
    }
}
