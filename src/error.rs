//! What stops a run. Everything else is a [`Problem`](crate::problem::Problem).
//!
//! What it says is for people: words from files and names of files are escaped.

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
    /// Nothing on this machine is called so.
    #[error(
        "nothing that runs matches {}: it is neither a pid, nor a path, unit, session, container, package or program in use",
        Escaped(.0.as_bytes())
    )]
    NoSuchTarget(String),
    /// The result could not be written.
    #[error("cannot write the result: {0}")]
    Output(#[from] std::io::Error),
}

fn shown(file: &Path) -> Escaped<'_> {
    Escaped(file.as_os_str().as_bytes())
}
