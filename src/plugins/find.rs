//! Which plugins there are. Reads directories and manifests, runs nothing.
//!
//! A plugin is a shared object `NAME.so` with its manifest in an ELF note, or an executable file `NAME` with `NAME.toml`
//! beside it. All of them, and the directories that hold them, pass the gate of [`trust`](crate::trust).
//!
//! Of files with one name, that in the first directory counts; if it is a link to `/dev/null`, there is none: the rules of
//! systemd.unit(5).
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, Mode, OFlags, fstat, openat};
use rustix::io::Errno;

use super::interest::PLUGINS_CAP;
use super::manifest::{Manifest, TEXT_CAP};
use super::note::read_note;
use crate::error::FormError;
use crate::trust::{self, TrustedDir, Untrusted};

/// What packages install.
pub const SHIPPED: &str = "/usr/lib/unstale/plugins";
/// What an administrator adds, where the configuration says so.
pub const LOCAL: &str = "/etc/unstale/plugins.d";

/// More names are no directory of plugins.
const ENTRIES_CAP: usize = 4096;
const NULL: &str = "/dev/null";

/// Where to look, and for whom.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Directories, the one that counts most first.
    pub directories: Vec<Directory>,
    /// Who reads: files of this user are trusted beside those of root.
    pub euid: u32,
}

/// One directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Where it is.
    pub path: PathBuf,
    /// Only links to `/dev/null` count in it: to have a plugin left out takes less than to have one run.
    pub masks_only: bool,
}

/// What there is.
#[derive(Debug, Default)]
pub struct Found {
    /// What can be used, by name.
    pub plugins: Vec<Plugin>,
    /// What cannot be used, and was not set aside by anybody: a check is incomplete without it.
    pub rejected: Vec<Rejected>,
    /// What somebody has set aside.
    pub aside: Vec<Aside>,
}

/// A plugin that can be used.
#[derive(Debug)]
pub struct Plugin {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Where it was found.
    pub path: PathBuf,
    /// What it is.
    pub form: Form,
    /// The file that was checked: this is what is loaded or executed, never the path.
    pub file: OwnedFd,
}

/// What a plugin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A shared object with the C ABI.
    Library,
    /// A program that speaks the messages of [`wire`](super::wire).
    Executable,
}

/// Something that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// What.
    pub path: PathBuf,
    /// Why.
    pub why: Why,
}

/// Why something cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Others could have written it, or it is not what it should be.
    #[error("not trusted: {0}")]
    Untrusted(#[from] Untrusted),
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(Errno),
    /// It holds no manifest that can be used.
    #[error("{0}")]
    Object(String),
    /// Its manifest is wrong.
    #[error("bad manifest: {0}")]
    Manifest(#[from] FormError),
    /// Another one beside it says that it is the same.
    #[error("{} beside it has the same name in its manifest", crate::model::Escaped(.0.as_bytes()))]
    Twice(OsString),
    /// There are too many.
    #[error("more than {0} are not used")]
    TooMany(usize),
}

/// Something that somebody has set aside.
#[derive(Debug)]
pub struct Aside {
    /// What.
    pub path: PathBuf,
    /// What it says of itself, if that was looked at.
    pub manifest: Option<Manifest>,
    /// How.
    pub how: How,
}

/// How something was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// By this link to `/dev/null`.
    Masked(PathBuf),
    /// By this file of the same name in a directory that counts more.
    Replaced(PathBuf),
    /// By this file in a directory that counts more, whose manifest has the same name.
    Outranked(PathBuf),
    /// By the configuration.
    Disabled,
}

/// Looks for plugins. `is_enabled` answers for the name in a manifest.
#[must_use]
pub fn find(places: &Places, is_enabled: impl Fn(&str) -> bool) -> Found {
    let mut search = Search::default();
    for directory in &places.directories {
        search.look_into(directory, places.euid);
    }
    search.finish(is_enabled)
}

/// One plugin, wherever it lies.
///
/// # Errors
/// Why it cannot be used.
pub fn open(path: &Path, euid: u32) -> Result<Plugin, Why> {
    let file = trust::open_trusted(path, euid)?;
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Why::Object("it has no name".to_owned()));
    };
    read(&TrustedDir::open(parent, euid)?, name, file)
}

/// What holds a file name, over all directories.
#[derive(Default)]
struct Search {
    /// File names that are taken, and by what.
    taken: BTreeMap<OsString, (PathBuf, Taken)>,
    found: Found,
    /// In the order of directories, for the rule of names in manifests.
    plugins: Vec<Plugin>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    File,
    Mask,
}

impl Search {
    fn look_into(&mut self, directory: &Directory, euid: u32) {
        let Directory { path, masks_only } = directory;
        let dir = match TrustedDir::open_if_there(path, euid) {
            Ok(Some(dir)) => dir,
            Ok(None) => return,
            Err(error) => return self.reject(path, error.into()),
        };
        let names = match names_in(&dir) {
            Ok(names) => names,
            Err(why) => return self.reject(path, why),
        };
        let mut here = Vec::new();
        for name in &names {
            if let Some(candidate) = candidate(&dir, name, &names)
                && (candidate == Candidate::Mask || !masks_only)
            {
                self.take(&dir, name, candidate, &mut here);
            }
        }
        self.plugins.append(&mut here);
    }

    fn take(
        &mut self,
        dir: &TrustedDir,
        name: &OsStr,
        candidate: Candidate,
        here: &mut Vec<Plugin>,
    ) {
        let path = dir.path().join(name);
        if let Some((by, taken)) = self.taken.get(name) {
            // A mask of what is masked already hides nothing.
            if matches!(candidate, Candidate::File) {
                let how = match taken {
                    Taken::File => How::Replaced(by.clone()),
                    Taken::Mask => How::Masked(by.clone()),
                };
                self.set_aside(path, None, how);
            }
            return;
        }
        let taken = match candidate {
            Candidate::Mask => Taken::Mask,
            Candidate::File => Taken::File,
        };
        self.taken.insert(name.to_owned(), (path.clone(), taken));
        if taken == Taken::Mask {
            return;
        }
        let opened = dir.open_file(name).map_err(Why::Untrusted);
        match opened.and_then(|file| read(dir, name, file)) {
            Ok(plugin) => match here.iter().find(|other| same_name(other, &plugin)) {
                // Neither counts more than the other: which one is used would be chance.
                Some(other) => {
                    let other = other.path.file_name().unwrap_or_default().to_owned();
                    self.reject(&path, Why::Twice(other));
                }
                None => here.push(plugin),
            },
            Err(why) => self.reject(&path, why),
        }
    }

    fn finish(mut self, is_enabled: impl Fn(&str) -> bool) -> Found {
        let mut first: BTreeMap<String, PathBuf> = BTreeMap::new();
        for plugin in std::mem::take(&mut self.plugins) {
            let Plugin { manifest, path, .. } = &plugin;
            if let Some(by) = first.get(&manifest.name) {
                let (path, by) = (path.clone(), by.clone());
                self.set_aside(path, Some(plugin.manifest), How::Outranked(by));
                continue;
            }
            first.insert(manifest.name.clone(), path.clone());
            if is_enabled(&manifest.name) {
                self.found.plugins.push(plugin);
            } else {
                self.set_aside(path.clone(), Some(plugin.manifest), How::Disabled);
            }
        }
        let mut found = self.found;
        found
            .plugins
            .sort_by(|a, b| a.manifest.name.cmp(&b.manifest.name));
        let more = found
            .plugins
            .split_off(found.plugins.len().min(PLUGINS_CAP));
        found
            .rejected
            .extend(more.into_iter().map(|plugin| Rejected {
                path: plugin.path,
                why: Why::TooMany(PLUGINS_CAP),
            }));
        found
    }

    fn reject(&mut self, path: &Path, why: Why) {
        let path = path.to_owned();
        self.found.rejected.push(Rejected { path, why });
    }

    fn set_aside(&mut self, path: PathBuf, manifest: Option<Manifest>, how: How) {
        self.found.aside.push(Aside {
            path,
            manifest,
            how,
        });
    }
}

fn same_name(one: &Plugin, other: &Plugin) -> bool {
    one.manifest.name == other.manifest.name
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Candidate {
    File,
    Mask,
}

/// Whether a name in a directory is that of a plugin, or masks one. What is neither is nobody's business: programs beside
/// plugins that are being developed, notes of their authors, files that a package manager is about to rename.
fn candidate(dir: &TrustedDir, name: &OsStr, names: &[OsString]) -> Option<Candidate> {
    let bytes = name.as_bytes();
    if bytes.starts_with(b".") || bytes.ends_with(b".toml") {
        return None;
    }
    if matches!(dir.read_link(name), Ok(Some(target)) if target == Path::new(NULL)) {
        return Some(Candidate::Mask);
    }
    let described = || names.binary_search(&manifest_name(name)).is_ok();
    (is_library(name) || described()).then_some(Candidate::File)
}

fn is_library(name: &OsStr) -> bool {
    name.as_bytes().ends_with(b".so")
}

/// The name of the manifest beside an executable plugin.
fn manifest_name(name: &OsStr) -> OsString {
    let mut name = name.to_owned();
    name.push(".toml");
    name
}

/// The names in a directory, sorted.
fn names_in(dir: &TrustedDir) -> Result<Vec<OsString>, Why> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = openat(dir.fd(), c".", flags, Mode::empty()).map_err(Why::Unreadable)?;
    let mut names = Vec::new();
    for entry in Dir::new(fd).map_err(Why::Unreadable)? {
        let entry = entry.map_err(Why::Unreadable)?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        if names.len() == ENTRIES_CAP {
            return Err(Why::TooMany(ENTRIES_CAP));
        }
        names.push(OsStr::from_bytes(name).to_owned());
    }
    names.sort();
    Ok(names)
}

/// The manifest of an opened plugin.
fn read(dir: &TrustedDir, name: &OsStr, file: OwnedFd) -> Result<Plugin, Why> {
    let file = File::from(file);
    let (text, form) = if is_library(name) {
        let text = read_note(&file).map_err(Why::Object)?;
        let text = text.ok_or_else(|| Why::Object("it holds no manifest".to_owned()))?;
        (text, Form::Library)
    } else {
        let stat = fstat(&file).map_err(Why::Unreadable)?;
        if stat.st_mode & 0o111 == 0 {
            return Err(Why::Object("it is not executable".to_owned()));
        }
        let text = read_text(dir.open_file(&manifest_name(name))?)?;
        (text, Form::Executable)
    };
    Ok(Plugin {
        manifest: Manifest::parse(&text)?,
        path: dir.path().join(name),
        form,
        file: file.into(),
    })
}

fn read_text(file: OwnedFd) -> Result<String, Why> {
    let mut bytes = Vec::new();
    // One byte more than there may be: longer is told from just as long.
    let read = File::from(file)
        .take(TEXT_CAP as u64 + 1)
        .read_to_end(&mut bytes);
    read.map_err(|error| Why::Unreadable(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    String::from_utf8(bytes).map_err(|_| Why::Object("its manifest is not UTF-8".to_owned()))
}

#[cfg(test)]
mod tests;
