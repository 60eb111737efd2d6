//! Recorded processes: test a detector without a host.
//!
//! A scene is a directory:
//!
//! | name | what |
//! | --- | --- |
//! | `process` | the process, a line a fact |
//! | `root/` | the files as the process sees them; its links lead to where they lead below it |
//! | `host/` | files of the host, where the detector asks for such ([`Root::Host`]) |
//! | `memory/ADDRESS` | a piece of memory, named by its lower-case hexadecimal address |
//!
//! In `process`, each line is a key and a value:
//!
//! ```text
//! # a comment
//! exe /usr/bin/python3.11
//! execfn /usr/bin/python3
//! argv /usr/bin/python3
//! argv /srv/app/main.py
//! env PYTHONPATH=/srv/lib
//! cwd /
//! uid 33
//! cgroup 0::/system.slice/app.service
//! code 7f12a000 /usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0
//! held fd 4 /srv/app/lib.jar
//! held map 7f130000 /usr/lib/jvm/x/lib/modules
//! container podman 0123abcd
//! container-user 1000
//! option depth 3
//! refuse denied /srv/private
//! ```
//!
//! | key | value | if it is not there |
//! | --- | --- | --- |
//! | `pid`, `uid` | a number | 0 |
//! | `view` | a number | 1 |
//! | `exe` | the program | empty |
//! | `execfn`, `cwd` | a path | not known |
//! | `argv` | one argument; once for each, in order | none |
//! | `env` | `NAME=VALUE`; once for each. Only what the manifest names: nothing else comes over | none |
//! | `environ` | `unreadable` | it can be read |
//! | `cgroup` | one line; once for each | empty |
//! | `code` | the address in hexadecimal, the path; once for each | none |
//! | `held` | `fd` and its number or `map` and its address in hexadecimal, the path; once for each | none |
//! | `container` | the runtime, the id | in none |
//! | `container-user` | the uid; after `container` | the system's |
//! | `option` | a name, a value; once for each | none |
//! | `refuse` | why, a path: neither it nor what is below it is shown. `missing`, `wrong-kind`, `denied`, `too-large`, `budget`, `no-answer` or `failed` | all is shown |
//!
//! `\xHH` and `\\` stand for any byte and a backslash; nothing else may follow a backslash. Blanks before a line do not
//! count, those at its end do.
//!
//! A scene keeps the bounds of the host: 1 MiB of a file and 64 KiB of memory at once, 10,000 names of a directory; and for
//! one look at the process 20,000 questions, 4,000 files and 32 MiB of what is in them, 4 MiB of memory.

mod record;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::{
    Detector, Entry, FileView, Instance, Kind, Process, Refused, Report, Root, Stat, Used,
    base_name, directory_of, join,
};

/// A recorded process with its files.
#[derive(Debug)]
pub struct Scene {
    /// The process.
    pub process: Process,
    /// Where its files lie.
    pub directory: PathBuf,
    /// What is not shown, and why.
    refusals: Vec<(Vec<u8>, Refused)>,
    questions: Cell<u32>,
    /// What was read in this look: each file costs once.
    read: RefCell<HashSet<(Root, Vec<u8>)>>,
    /// What is left for this look at the process.
    left: Cell<Budget>,
}

/// What one look at a process may cost.
#[derive(Debug, Clone, Copy)]
struct Budget {
    questions: u64,
    files: u64,
    bytes: u64,
    memory: u64,
}

const BUDGET: Budget = Budget {
    questions: 20_000,
    files: 4000,
    bytes: 32 * 1024 * 1024,
    memory: 4 * 1024 * 1024,
};

/// As much as the host shows of one file at once.
const FILE_CAP: u64 = 1024 * 1024;
/// As many names as it shows of one directory.
const NAMES_CAP: usize = 10_000;
/// As much memory as it shows at once.
const MEMORY_CAP: u32 = 64 * 1024;

/// What a detector said of a scene.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// What the process uses.
    pub uses: Vec<Used>,
    /// What it belongs to.
    pub instance: Option<Instance>,
    /// Notes.
    pub notes: Vec<String>,
    /// What could not be looked at.
    pub unknown: Vec<String>,
}

impl Report for Said {
    fn uses(&mut self, used: Used) {
        self.uses.push(used);
    }
    fn instance(&mut self, instance: Instance) {
        assert!(self.instance.is_none(), "two instances for one process");
        self.instance = Some(instance);
    }
    fn note(&mut self, text: &str) {
        self.notes.push(text.to_owned());
    }
    fn unknown(&mut self, what: &str) {
        self.unknown.push(what.to_owned());
    }
}

impl Scene {
    /// Reads a scene.
    ///
    /// # Errors
    /// What is wrong, with the line.
    pub fn open(directory: &Path) -> Result<Self, String> {
        let file = directory.join("process");
        let text = fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        Self::parse(&text, directory).map_err(|error| format!("{}:{error}", file.display()))
    }

    /// A scene that is described in the test itself; `directory` holds `root/`.
    ///
    /// # Errors
    /// What is wrong, with the line.
    pub fn of(text: &str, directory: &Path) -> Result<Self, String> {
        Self::parse(text.as_bytes(), directory)
    }

    fn parse(text: &[u8], directory: &Path) -> Result<Self, String> {
        let (process, refusals) = record::parse(text)?;
        Ok(Self {
            process,
            directory: directory.to_owned(),
            refusals,
            questions: Cell::new(0),
            read: RefCell::default(),
            left: Cell::new(BUDGET),
        })
    }

    /// Lets a detector look at it.
    #[must_use]
    pub fn inspect(&self, detector: &mut impl Detector) -> Said {
        self.left.set(BUDGET);
        self.read.borrow_mut().clear();
        let mut said = Said::default();
        detector.inspect(&self.process, self, &mut said);
        said
    }

    /// How many questions were asked so far, in all looks at it.
    #[must_use]
    pub fn questions(&self) -> u32 {
        self.questions.get()
    }

    /// Counts a question, and refuses it if it is one too many.
    fn question(&self) -> Result<(), Refused> {
        self.questions.set(self.questions.get() + 1);
        self.spend(1, |left| &mut left.questions)
    }

    /// Takes from what is left, and refuses if that is not enough.
    fn spend(&self, cost: u64, of: impl Fn(&mut Budget) -> &mut u64) -> Result<(), Refused> {
        let mut left = self.left.get();
        let account = of(&mut left);
        *account = account.checked_sub(cost).ok_or(Refused::Budget)?;
        self.left.set(left);
        Ok(())
    }

    fn refuse(&self, path: &[u8]) -> Result<(), Refused> {
        let path = join(b"/", path);
        let below = |top: &[u8]| {
            let rest = path.strip_prefix(top);
            rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/' || top == b"/")
        };
        match self.refusals.iter().find(|(top, _)| below(top)) {
            Some((_, refused)) => Err(*refused),
            None => Ok(()),
        }
    }

    /// A regular file, by its place in the scene, and its size.
    fn file(&self, root: Root, path: &[u8]) -> Result<(PathBuf, u64), Refused> {
        let (place, _) = self.place(root, path)?;
        let found = fs::symlink_metadata(&place).map_err(|_| Refused::Missing)?;
        // Opening a FIFO would wait for somebody who writes.
        if !found.is_file() {
            return Err(Refused::WrongKind);
        }
        let new = (root, path.to_vec());
        if !self.read.borrow().contains(&new) {
            self.spend(1, |left| &mut left.files)?;
            self.read.borrow_mut().insert(new);
        }
        Ok((place, found.len()))
    }

    /// The place of a path in the scene, links followed inside its root.
    fn place(&self, root: Root, path: &[u8]) -> Result<(PathBuf, Vec<u8>), Refused> {
        if !path.starts_with(b"/") {
            return Err(Refused::Denied);
        }
        self.refuse(path)?;
        let top = self.directory.join(match root {
            Root::Process => "root",
            Root::Host => "host",
        });
        let place = |path: &[u8]| {
            top.join(Path::new(OsStr::from_bytes(
                path.strip_prefix(b"/").unwrap_or(path),
            )))
        };
        let mut done: Vec<u8> = Vec::new();
        let mut rest: Vec<Vec<u8>> = parts(path);
        let mut links = 0;
        while !rest.is_empty() {
            let part = rest.remove(0);
            if part == b".." {
                done = directory_of(&done).to_vec();
                if done == b"/" {
                    done.clear();
                }
                continue;
            }
            let next = [done.as_slice(), b"/", part.as_slice()].concat();
            let found = fs::symlink_metadata(place(&next)).map_err(|_| Refused::Missing)?;
            if found.is_symlink() {
                links += 1;
                if links > 40 {
                    return Err(Refused::Failed);
                }
                let target = fs::read_link(place(&next)).map_err(|_| Refused::Failed)?;
                let target = target.as_os_str().as_bytes();
                if target.starts_with(b"/") {
                    done.clear();
                }
                rest.splice(0..0, parts(target));
            } else {
                done = next;
            }
        }
        if done.is_empty() {
            done.push(b'/');
        }
        self.refuse(&done)?;
        Ok((place(&done), done))
    }
}

fn parts(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|&byte| byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .map(<[u8]>::to_vec)
        .collect()
}

fn kind_of(kind: fs::FileType) -> Kind {
    if kind.is_file() {
        Kind::File
    } else if kind.is_dir() {
        Kind::Directory
    } else if kind.is_symlink() {
        Kind::Link
    } else {
        Kind::Other
    }
}

impl FileView for Scene {
    fn read(&self, root: Root, path: &[u8]) -> Result<Vec<u8>, Refused> {
        self.question()?;
        let (place, size) = self.file(root, path)?;
        if size > FILE_CAP {
            return Err(Refused::TooLarge);
        }
        self.spend(size, |left| &mut left.bytes)?;
        fs::read(place).map_err(|_| Refused::Failed)
    }

    fn read_at(&self, root: Root, path: &[u8], offset: u64, size: u32) -> Result<Vec<u8>, Refused> {
        self.question()?;
        let (place, length) = self.file(root, path)?;
        let size = u64::from(size).min(length.saturating_sub(offset));
        if size > FILE_CAP {
            return Err(Refused::TooLarge);
        }
        self.spend(size, |left| &mut left.bytes)?;
        let file = fs::File::open(place).map_err(|_| Refused::Failed)?;
        let mut bytes = vec![0; usize::try_from(size).map_err(|_| Refused::TooLarge)?];
        let mut filled = 0;
        while filled < bytes.len() {
            let at = offset + filled as u64;
            match file.read_at(&mut bytes[filled..], at) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(_) => return Err(Refused::Failed),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    fn stat(&self, root: Root, path: &[u8]) -> Result<Stat, Refused> {
        self.question()?;
        let (place, real_path) = self.place(root, path)?;
        let found = fs::symlink_metadata(place).map_err(|_| Refused::Missing)?;
        Ok(Stat {
            kind: kind_of(found.file_type()),
            size: found.len(),
            real_path,
        })
    }

    fn list(&self, root: Root, path: &[u8]) -> Result<Vec<Entry>, Refused> {
        self.question()?;
        let (place, _) = self.place(root, path)?;
        if !place.is_dir() {
            return Err(Refused::WrongKind);
        }
        let entries = fs::read_dir(place).map_err(|_| Refused::Failed)?;
        let entries = entries
            .take(NAMES_CAP + 1)
            .map(|entry| {
                let entry = entry.map_err(|_| Refused::Failed)?;
                Ok(Entry {
                    name: entry.file_name().as_bytes().to_vec(),
                    kind: kind_of(entry.file_type().map_err(|_| Refused::Failed)?),
                })
            })
            .collect::<Result<Vec<Entry>, Refused>>()?;
        if entries.len() > NAMES_CAP {
            return Err(Refused::TooLarge);
        }
        Ok(entries)
    }

    fn read_link(&self, root: Root, path: &[u8]) -> Result<Vec<u8>, Refused> {
        self.question()?;
        self.refuse(path)?;
        let (parent, _) = self.place(root, directory_of(path))?;
        let link = parent.join(OsStr::from_bytes(base_name(path)));
        match fs::symlink_metadata(&link) {
            Err(_) => Err(Refused::Missing),
            Ok(found) if !found.is_symlink() => Err(Refused::WrongKind),
            Ok(_) => {
                let target = fs::read_link(link).map_err(|_| Refused::Failed)?;
                Ok(target.into_os_string().as_bytes().to_vec())
            }
        }
    }

    fn memory(&self, address: u64, size: u32) -> Result<Vec<u8>, Refused> {
        self.question()?;
        if size > MEMORY_CAP {
            return Err(Refused::Budget);
        }
        self.spend(u64::from(size), |left| &mut left.memory)?;
        let pieces = fs::read_dir(self.directory.join("memory")).map_err(|_| Refused::Missing)?;
        for piece in pieces.flatten() {
            let name = piece.file_name();
            let start = name
                .to_str()
                .and_then(|name| u64::from_str_radix(name, 16).ok());
            let offset = start.and_then(|start| address.checked_sub(start));
            let Some(from) = offset.and_then(|offset| usize::try_from(offset).ok()) else {
                continue;
            };
            let bytes = fs::read(piece.path()).map_err(|_| Refused::Failed)?;
            let rest = bytes.get(from..).unwrap_or_default();
            if let Some(part) = rest.get(..size as usize) {
                return Ok(part.to_vec());
            }
        }
        Err(Refused::Missing)
    }
}
