//! What stops a run. Everything else is a [`Problem`](crate::problem::Problem).

use std::path::PathBuf;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The confined child failed as a whole.
    #[error("the scanner failed: {0}")]
    Scanner(String),
    /// Nothing can be told without this.
    #[error("{0}")]
    Problem(crate::problem::Problem),
    /// A file given by the user cannot be read or written.
    #[error("cannot {operation} {}: {source}", file.display())]
    File {
        /// What was being done.
        operation: &'static str,
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file given by the user is not of its form.
    #[error("{}: {what}", file.display())]
    Form {
        /// The file.
        file: PathBuf,
        /// What is wrong, with line and column where known.
        what: String,
    },
    /// Nothing on this machine is called so.
    #[error(
        "nothing that runs matches {0}: it is neither a pid, nor a path, unit, session, container, package or program in use"
    )]
    NoSuchTarget(String),
    /// The result could not be written.
    #[error("cannot write the result: {0}")]
    Output(#[from] std::io::Error),
}
