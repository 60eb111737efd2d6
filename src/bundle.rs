//! Facts and package answers in one file: what a check elsewhere needs to judge the same way.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, fstat, open, openat, statat, unlinkat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::model::{Answers, Facts, Timestamp, Units};

/// The form of the file; raised when a reader of before could misread it.
const FORMAT: u32 = 1;

/// 10,000 processes take some 20 MiB.
const SIZE_CAP: u64 = 512 * 1024 * 1024;

/// What one check saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    format: u32,
    /// The version of the program that recorded it.
    pub version: String,
    /// When it was seen; older recordings do not say. Ages and terms of rules count from here.
    #[serde(default)]
    pub taken: Option<Timestamp>,
    /// What was seen of processes and files.
    pub facts: Facts,
    /// What the package stores said.
    pub answers: Answers,
    /// What service managers say of their units; `None` if nobody asked.
    #[serde(default)]
    pub units: Option<Units>,
}

impl Bundle {
    /// Puts facts and answers together.
    #[must_use]
    pub fn new(facts: Facts, answers: Answers) -> Self {
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            taken: None,
            facts,
            answers,
            units: None,
        }
    }

    /// Parses a bundle, and checks it.
    ///
    /// # Errors
    /// What is wrong, with line and column where it is a matter of form.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let bundle: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        bundle.checked()
    }

    /// Checks that everything in a bundle refers to something in it. Whoever made it, rooms may rely on that.
    ///
    /// # Errors
    /// What is wrong.
    pub fn checked(mut self) -> Result<Self, String> {
        if self.format != FORMAT {
            return Err(format!(
                "it is of format {}, this program reads format {FORMAT}",
                self.format
            ));
        }
        let (views, objects) = (self.facts.views.len(), self.facts.objects.len());
        let known = |index: u32, length: usize| (index as usize) < length;
        let plugins = self.facts.plugins.len();
        for process in &self.facts.processes {
            let uses = process.uses.iter();
            let sources = process.sources.iter();
            if !known(process.view.0, views)
                || !uses.map(|one| one.object).all(|id| known(id.0, objects))
                || !sources.clone().all(|one| known(one.object.0, objects))
                || !sources.map(|one| one.plugin).all(|at| known(at, plugins))
            {
                return Err(format!(
                    "pid {} refers to something that is not in it",
                    process.key.pid
                ));
            }
        }
        if !self
            .facts
            .objects
            .iter()
            .all(|object| known(object.view.0, views))
        {
            return Err("an object refers to a view that is not in it".to_owned());
        }
        let mut roots = self.answers.roots.iter().flat_map(|root| &root.views);
        if !roots.all(|view| known(view.0, views)) {
            return Err("package stores of a view that is not in it".to_owned());
        }
        self.facts.processes.sort_by_key(|process| process.key);
        self.facts.beside.sort_by_key(|one| one.process);
        Ok(self)
    }
}

/// Reads a bundle from a file.
///
/// # Errors
/// [`Error::File`] or [`Error::Form`].
pub fn read(path: &Path) -> Result<Bundle, Error> {
    let failed = |source| Error::File {
        operation: "read",
        file: path.to_owned(),
        source,
    };
    let mut text = Vec::new();
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(Error::Form {
            file: path.to_owned(),
            what: "it is no regular file".to_owned(),
        });
    }
    (&mut file)
        .take(SIZE_CAP)
        .read_to_end(&mut text)
        .map_err(failed)?;
    Bundle::parse(&text).map_err(|what| Error::Form {
        file: path.to_owned(),
        what,
    })
}

/// A new file that a bundle is going to be written to.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    /// Its directory, and its name there: the path to it may lead elsewhere by the time it is to be removed.
    dir: OwnedFd,
    name: OsString,
    path: PathBuf,
}

/// Creates the file of a bundle: a new one, for its owner alone. It holds the arguments of processes.
///
/// # Errors
/// [`Error::File`], also if the file exists.
pub fn create(path: &Path) -> Result<NewFile, Error> {
    let failed = |source: Errno| Error::File {
        operation: "create",
        file: path.to_owned(),
        source: source.into(),
    };
    let name = path.file_name().ok_or(Errno::ISDIR).map_err(failed)?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = open(parent, flags, Mode::empty()).map_err(failed)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = openat(&dir, name, flags, Mode::RUSR | Mode::WUSR).map_err(failed)?;
    Ok(NewFile {
        file: file.into(),
        dir,
        name: name.to_owned(),
        path: path.to_owned(),
    })
}

impl NewFile {
    /// Writes a bundle, and hands it back.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write(&self, bundle: Bundle) -> Result<Bundle, Error> {
        let failed = |source| Error::File {
            operation: "write",
            file: self.path.clone(),
            source,
        };
        let mut text = serde_json::to_vec(&bundle).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        (&self.file).write_all(&text).map_err(failed)?;
        Ok(bundle)
    }

    /// Removes it, if it is still there by its name: there is nothing in it, or half.
    pub fn discard(&self) {
        let named = statat(&self.dir, &self.name, AtFlags::SYMLINK_NOFOLLOW);
        if let (Ok(own), Ok(named)) = (fstat(&self.file), named)
            && (own.st_dev, own.st_ino) == (named.st_dev, named.st_ino)
        {
            unlinkat(&self.dir, &self.name, AtFlags::empty()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn check(change: impl FnOnce(&mut Value), sound: bool) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let file = root.join("testdata/scenarios/0001-upgraded-server/bundle.json");
        let text = std::fs::read(file).unwrap();
        let mut bundle: Value = serde_json::from_slice(&text).unwrap();
        change(&mut bundle["facts"]);
        let parsed = Bundle::parse(bundle.to_string().as_bytes());
        assert_eq!(parsed.is_ok(), sound, "{:?}", parsed.err());
    }

    fn source(object: u32, plugin: u32) -> Value {
        json!([{"object": object, "role": "module", "how": "imported", "evidence": "Path", "plugin": plugin, "via": null}])
    }

    #[test]
    fn what_is_referred_to_has_to_be_there() {
        let plugin = json!([{"name": "x", "version": "1", "path": "/x", "looks": []}]);
        let with = |object, at| {
            let plugin = plugin.clone();
            move |facts: &mut Value| {
                facts["plugins"] = plugin;
                facts["processes"][0]["sources"] = source(object, at);
            }
        };
        check(|_| {}, true);
        check(with(0, 0), true);
        check(with(99_999, 0), false);
        check(with(0, 1), false);
        check(
            |facts| facts["processes"][0]["uses"][0]["object"] = json!(99_999),
            false,
        );
    }
}
