//! The text of `restart`: what will be done and why, how far it is, and how it ended.
//!
//! Names, reasons and log lines are somebody else's: each is escaped, and long ones are cut.

mod outcome;
mod progress;

use std::io::{self, Write};

use super::{Assessment, Detail};
use crate::model::Transaction;

pub use outcome::{print_broken_off, print_outcome};
pub use progress::Progress;

/// Prints the steps in their order, what is held back, what is left over, and whose sessions are old.
///
/// # Errors
/// What the writer says.
pub fn print_plan(
    _out: &mut dyn Write,
    _transaction: &Transaction,
    _assessment: &Assessment<'_>,
    _detail: Detail,
) -> io::Result<()> {
    Ok(())
}

/// After a plan that was only shown (`list`, `--dry-run`): that nothing was done, and the command that does it, for these
/// names alone where some were given.
///
/// # Errors
/// What the writer says.
pub fn print_advice(
    _out: &mut dyn Write,
    _transaction: &Transaction,
    _names: &[String],
) -> io::Result<()> {
    Ok(())
}
