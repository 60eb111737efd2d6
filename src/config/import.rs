//! Settings of other programs → TOML of our own, to be read and changed by a person before it is used.
//!
//! Files are read and taken apart, and nothing in them is ever run. What cannot be said in our words is named with its
//! file, line and reason, and what is left out on purpose is noted: nothing is lost in silence.

mod checkrestart;
mod needrestart;
pub(crate) mod pattern;
mod perl;
mod read;
mod tracer;
mod write;

use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::rc::Rc;

use serde::Deserialize;

pub use needrestart::Manner;

use self::write::Document;
use crate::error::Error;
use crate::model::{Escaped, Pattern};

/// What the package ships: what the other programs' own lists are covered by.
const SHIPPED: &str = include_str!("../../dist/usr/lib/unstale/conf.d/50-defaults.toml");

/// Whose settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `needrestart.conf`, what is in `conf.d`, and `notify.conf`.
    Needrestart,
    /// What is in `/etc/checkrestart`.
    Checkrestart,
    /// `applications.xml` and `rules.xml`.
    Tracer,
}

impl Program {
    /// Where that program has them.
    #[must_use]
    pub fn default_path(self) -> &'static Path {
        Path::new(match self {
            Self::Needrestart => "/etc/needrestart",
            Self::Checkrestart => "/etc/checkrestart",
            Self::Tracer => "/etc/tracer",
        })
    }
}

/// What became of settings. All of it can be printed as it is: names and words from files are escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// A file for `/etc/unstale/conf.d`.
    pub toml: String,
    /// What is left out on purpose, or said otherwise here: a line each.
    pub notes: Vec<String>,
    /// `FILE:LINE: why`, for each line that could not be translated.
    pub untranslated: Vec<String>,
}

/// Translates settings: those in `path`, a file or a directory, or those where the program has them.
///
/// # Errors
/// A file that cannot be read, is no regular file, is too large, or holds bytes that are not UTF-8.
pub fn import(from: Program, path: Option<&Path>) -> Result<Imported, Error> {
    let path = path.unwrap_or(from.default_path());
    let mut draft = Draft::default();
    match from {
        Program::Needrestart => needrestart::import(path, &mut draft)?,
        Program::Checkrestart => checkrestart::import(path, &mut draft)?,
        Program::Tracer => tracer::import(path, &mut draft)?,
    }
    Ok(draft.finished(path))
}

/// As [`import`], of a file of needrestart's settings, for whoever stands in for it: with those that are no policy as they are, and
/// without words for them in the TOML. Drop-ins in a directory are read where the file says so. With `trusted`, only files that
/// nobody but root and this user can have written are read.
///
/// # Errors
/// As [`import`]; and a file that is not trusted.
pub fn needrestart(
    path: &Path,
    drop_ins: &Path,
    trusted: Option<u32>,
) -> Result<(Manner, Imported), Error> {
    let mut draft = Draft {
        trusted,
        ..Draft::default()
    };
    let manner = needrestart::import_with_manner(path, drop_ins, &mut draft)?;
    Ok((manner, draft.finished(path)))
}

/// A translation on the way.
#[derive(Debug, Default)]
struct Draft {
    /// Who may own the files beside root, if that matters.
    trusted: Option<u32>,
    document: Document,
    notes: Vec<String>,
    untranslated: Vec<(Place, String)>,
}

impl Draft {
    fn note(&mut self, place: &Place, text: &str) {
        self.notes
            .push(format!("{place}: {}", Escaped(text.as_bytes())));
    }

    fn untranslated(&mut self, place: &Place, why: &str) {
        self.untranslated.push((place.clone(), why.to_owned()));
    }

    /// Reads a file; what is to be said of it is noted.
    fn read(&mut self, path: &Path) -> Result<String, Error> {
        let (text, warning) = read::read_text(path, self.trusted)?;
        if let Some(warning) = warning {
            let path = Escaped(path.as_os_str().as_bytes());
            self.notes.push(format!("{path}: {warning}"));
        }
        Ok(text)
    }

    fn finished(mut self, path: &Path) -> Imported {
        self.untranslated.sort();
        let lines = self.untranslated.iter();
        Imported {
            toml: self.document.text(path),
            notes: self.notes,
            untranslated: lines
                .map(|(place, why)| format!("{place}: {}", Escaped(why.as_bytes())))
                .collect(),
        }
    }
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    file: Rc<Path>,
    line: usize,
}

impl Place {
    fn new(file: &Rc<Path>, line: usize) -> Self {
        let file = Rc::clone(file);
        Self { file, line }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = Escaped(self.file.as_os_str().as_bytes());
        write!(f, "{file}:{}", self.line)
    }
}

/// A rule that the package ships: its name and its units.
#[derive(Debug)]
struct ShippedRule {
    name: String,
    units: Vec<Pattern>,
}

#[derive(Deserialize)]
struct ShippedFile {
    #[serde(default)]
    rule: Vec<ShippedText>,
}

#[derive(Deserialize)]
struct ShippedText {
    name: String,
    #[serde(default)]
    units: Vec<String>,
}

impl ShippedRule {
    fn all() -> Vec<Self> {
        let file: ShippedFile =
            toml::from_str(SHIPPED).expect("the shipped file is parsed by a test");
        let rules = file.rule.into_iter();
        rules
            .map(|rule| Self {
                name: rule.name,
                units: rule
                    .units
                    .iter()
                    .filter_map(|unit| Pattern::parse(unit).ok())
                    .collect(),
            })
            .collect()
    }

    fn fits(&self, unit: &str) -> bool {
        self.fitting(unit).next().is_some()
    }

    /// Those of its patterns that a unit fits.
    fn fitting(&self, unit: &str) -> impl Iterator<Item = &Pattern> {
        let patterns = self.units.iter();
        patterns.filter(move |pattern| pattern.matches(unit.as_bytes()))
    }
}

#[cfg(test)]
mod tests;
