//! How far a run is, while it goes on.
//!
//! The live line is written over with spaces, not with escape sequences: it works on any terminal, and where those are taken
//! out because nobody wants colour.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::{cut, seconds, shown, target};
use crate::model::{Record, StepResult};
use crate::report::words;

/// Tells of each record as it comes: lines, or one live line on a terminal.
#[derive(Debug)]
pub struct Progress {
    width: Option<u16>,
    /// Columns of the live line that is there now.
    live: usize,
    steps: BTreeMap<u32, StepLine>,
}

/// What is said of a step.
#[derive(Debug)]
struct StepLine {
    target: String,
    wait_us: u64,
}

impl Progress {
    /// With the width of a terminal, a live line; otherwise plain lines.
    #[must_use]
    pub fn new(width: Option<u16>) -> Self {
        Self {
            width,
            live: 0,
            steps: BTreeMap::new(),
        }
    }

    /// Tells of one more record. The live line is gone after [`Record::Finish`].
    ///
    /// # Errors
    /// What the writer says.
    pub fn record(&mut self, out: &mut dyn Write, record: &Record) -> io::Result<()> {
        match record {
            Record::Run(run) => {
                let steps = run.transaction.steps.iter();
                let lines = steps.map(|step| {
                    let target = target(&step.deed);
                    let wait_us = step.wait_us;
                    (step.number, StepLine { target, wait_us })
                });
                self.steps = lines.collect();
                Ok(())
            }
            Record::Begin { step, .. } => {
                let wait = match self.steps.get(step).map_or(0, |line| line.wait_us) {
                    0 => String::new(),
                    wait => format!(" (waits {} first)", seconds(wait)),
                };
                let line = format!("{}{wait} …", self.step(*step));
                self.passing(out, &line)
            }
            Record::End { step, result, .. } => match result {
                StepResult::Done => Ok(()),
                StepResult::Skipped(why) => {
                    let line = format!("{}: not done: {}", self.step(*step), shown(why));
                    self.lasting(out, &line)
                }
                StepResult::Failed(failure) => {
                    let line = format!("{}: failed: {}", self.step(*step), shown(&failure.why));
                    self.lasting(out, &line)
                }
            },
            Record::Rescan { .. } => self.passing(out, "looking again …"),
            Record::Item { .. } => Ok(()),
            Record::Told {
                owner,
                ways,
                failed,
            } => self.told(out, &cut(words::owner(owner)), ways, failed),
            Record::Note(note) => self.lasting(out, &shown(note)),
            Record::Finish { .. } => self.end(out),
        }
    }

    /// Takes the live line away: also where no more records come.
    ///
    /// # Errors
    /// What the writer says.
    pub fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.live > 0 {
            write!(out, "\r{:width$}\r", "", width = self.live)?;
            self.live = 0;
            out.flush()?;
        }
        Ok(())
    }

    fn step(&self, number: u32) -> String {
        let target = self.steps.get(&number).map(|line| line.target.as_str());
        let target = target.unwrap_or("a step that was not planned");
        format!("[{number}/{}] {target}", self.steps.len())
    }

    fn told(
        &mut self,
        out: &mut dyn Write,
        whom: &str,
        ways: &[String],
        failed: &[String],
    ) -> io::Result<()> {
        if !ways.is_empty() {
            let line = format!("told {whom}: {}", shown(&ways.join(", ")));
            self.lasting(out, &line)?;
        }
        for why in failed {
            let line = format!("could not tell {whom}: {}", shown(why));
            self.lasting(out, &line)?;
        }
        Ok(())
    }

    /// A line that stays.
    fn lasting(&mut self, out: &mut dyn Write, line: &str) -> io::Result<()> {
        self.end(out)?;
        writeln!(out, "{line}")?;
        out.flush()
    }

    /// A line for now: on a terminal, the next one takes its place.
    fn passing(&mut self, out: &mut dyn Write, line: &str) -> io::Result<()> {
        let Some(width) = self.width else {
            return self.lasting(out, line);
        };
        self.end(out)?;
        // A line of full width would wrap on some terminals.
        let (line, columns) = fitting(line, usize::from(width).saturating_sub(1));
        write!(out, "{line}")?;
        self.live = columns;
        out.flush()
    }
}

/// As much of a line as fits into so many columns, and how many it takes.
#[must_use]
pub fn fitting(line: &str, width: usize) -> (&str, usize) {
    let mut columns = 0;
    for (at, c) in line.char_indices() {
        // Outside of ASCII and Latin, a character may take two columns; combining ones take none.
        let next = columns + if c < '\u{300}' || c == '…' { 1 } else { 2 };
        if next > width {
            return (&line[..at], columns);
        }
        columns = next;
    }
    (line, columns)
}
