//! How a run ended.

use std::io::{self, Write};

use crate::model::Record;

/// Prints how it ended for each owner, and a last line that counts. A journal without an end is told of as broken off.
///
/// # Errors
/// What the writer says.
pub fn print_outcome(_out: &mut dyn Write, _records: &[Record]) -> io::Result<()> {
    Ok(())
}

/// Prints what is known of an earlier run that was broken off: which steps were done, which had begun, how many had not.
///
/// # Errors
/// What the writer says.
pub fn print_broken_off(_out: &mut dyn Write, _records: &[Record]) -> io::Result<()> {
    Ok(())
}
