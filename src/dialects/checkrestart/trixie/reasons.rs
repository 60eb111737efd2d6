//! What `-v` tells: why a process is left out, and whose the others are. It is written as it is found, for there may be a line for
//! each file of each process.

use std::io::{self, Write};

/// Where that goes.
pub(super) struct Reasons<'a> {
    /// Nowhere, if nobody asked.
    out: Option<&'a mut dyn Write>,
    /// Whether programs read it.
    machine: bool,
    /// How the first line ended that could not be written.
    done: io::Result<()>,
}

impl<'a> Reasons<'a> {
    /// To `out`, if `wanted`.
    pub(super) fn new(wanted: bool, machine: bool, out: &'a mut dyn Write) -> Self {
        Self {
            out: wanted.then_some(out),
            machine,
            done: Ok(()),
        }
    }

    /// How many processes there were before any was left out.
    pub(super) fn begin(&mut self, all: usize) {
        self.say(
            || format!("(Found {all} process(es) using deleted files)"),
            || format!("PROCESSES_ALL: {all}"),
        );
    }

    /// One line, in the form for people or in that for programs.
    pub(super) fn say(&mut self, text: impl FnOnce() -> String, record: impl FnOnce() -> String) {
        if let (Some(out), Ok(())) = (&mut self.out, &self.done) {
            let line = if self.machine { record() } else { text() };
            self.done = writeln!(out, "{line}");
        }
    }

    /// Whether all of it was written.
    ///
    /// # Errors
    /// What went wrong.
    pub(super) fn end(self) -> io::Result<()> {
        self.done
    }
}
