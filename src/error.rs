//! What stops a run. Everything else is a [`Problem`](crate::problem::Problem).
//!
//! What it says is for people: words from files and names of files are escaped.

use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::model::Escaped;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The confined child failed as a whole.
    #[error("the scanner failed: {}", Escaped(.0.as_bytes()))]
    Scanner(String),
    /// Nothing can be told without this.
    #[error("{0}")]
    Problem(crate::problem::Problem),
    /// A file given by the user cannot be read or written.
    #[error("cannot {operation} {}: {source}", shown(file))]
    File {
        /// What was being done.
        operation: &'static str,
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file given by the user is not of its form.
    #[error("{}: {}", shown(file), Escaped(what.as_bytes()))]
    Form {
        /// The file.
        file: PathBuf,
        /// What is wrong, with line and column where known.
        what: String,
    },
    /// The configuration cannot be used: nothing is done on a doubtful policy. The first line says which file and why;
    /// others show the place.
    #[error("{}", .0.join("\n"))]
    Settings(Vec<String>),
    /// Nothing on this machine is called so.
    #[error(
        "nothing that runs matches {}: it is neither a pid, nor a path, unit, session, container, package or program in use",
        Escaped(.0.as_bytes())
    )]
    NoSuchTarget(String),
    /// A restart could not be begun, or not be written down.
    #[error("{}", Escaped(.0.as_bytes()))]
    Restart(String),
    /// The result could not be written.
    #[error("cannot write the result: {0}")]
    Output(#[from] std::io::Error),
}

/// What is wrong with a text that a person wrote, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}", Where(*.line), Escaped(.what.as_bytes()))]
pub struct FormError {
    /// Line and column, counted from 1; `None` if it is about the whole.
    pub line: Option<(usize, usize)>,
    /// What is wrong.
    pub what: String,
    /// The line itself, and below it a line with marks.
    marked: Option<(String, String)>,
}

struct Where(Option<(usize, usize)>);

impl std::fmt::Display for Where {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some((line, column)) => write!(f, "line {line}, column {column}: "),
            None => Ok(()),
        }
    }
}

impl FormError {
    /// About no one place.
    #[must_use]
    pub fn whole(what: &str) -> Self {
        Self {
            line: None,
            what: what.to_owned(),
            marked: None,
        }
    }

    /// About bytes of `text`.
    #[must_use]
    pub fn at(text: &str, what: &str, span: Option<Range<usize>>) -> Self {
        let lines = what.lines().map(str::trim).filter(|line| !line.is_empty());
        let what = lines.collect::<Vec<_>>().join("; ");
        let before = span.as_ref().and_then(|span| text.get(..span.start));
        let Some((span, before)) = span.zip(before) else {
            return Self::whole(&what);
        };
        let begun = before.rfind('\n').map_or(0, |at| at + 1);
        let line = text[begun..].lines().next().unwrap_or_default();
        let column = before[begun..].chars().count();
        // What spans several lines is marked in its first.
        let inside = line.get(span.start - begun..).unwrap_or_default();
        let length = span.end.saturating_sub(span.start).min(inside.len());
        let marks = inside.char_indices().filter(|(at, _)| *at < length).count();
        Self {
            line: Some((before.matches('\n').count() + 1, column + 1)),
            what,
            marked: Some((
                line.to_owned(),
                " ".repeat(column) + &"^".repeat(marks.max(1)),
            )),
        }
    }

    /// For people: a line that says it, then, where there is one, the line it is about, with marks below.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.to_string()];
        if let Some((line, marks)) = &self.marked {
            // A tab is printed as one blank, so that the marks stand below what they mean.
            let line = line.replace('\t', " ");
            lines.push(format!("  | {}", Escaped(line.as_bytes())));
            lines.push(format!("  | {marks}"));
        }
        lines
    }
}

fn shown(file: &Path) -> Escaped<'_> {
    Escaped(file.as_os_str().as_bytes())
}
