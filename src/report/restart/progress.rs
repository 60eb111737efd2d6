//! How far a run is, while it goes on.

use std::io::{self, Write};

use crate::model::Record;

/// Tells of each record as it comes: lines, or one live line on a terminal.
#[derive(Debug)]
pub struct Progress {
    _width: Option<u16>,
}

impl Progress {
    /// With the width of a terminal that obeys escape sequences, a live line; otherwise plain lines.
    #[must_use]
    pub fn new(width: Option<u16>) -> Self {
        Self { _width: width }
    }

    /// Tells of one more record. The live line is gone after [`Record::Finish`].
    ///
    /// # Errors
    /// What the writer says.
    pub fn record(&mut self, _out: &mut dyn Write, _record: &Record) -> io::Result<()> {
        Ok(())
    }

    /// Takes the live line away: also where no more records come.
    ///
    /// # Errors
    /// What the writer says.
    pub fn end(&mut self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}
