//! What a client prints: text for people, or the very records for programs.

use std::io::{IsTerminal as _, Write};

use anstream::AutoStream;

use super::{ask, detail};
use crate::app::{now, print, talk, talk_of_problems};
use crate::cli::{Color, RestartFlags};
use crate::error::Error;
use crate::model::{Mode, Record, Run, Transaction};
use crate::report::json::record;
use crate::report::restart::{Progress, print_advice, print_broken_off, print_outcome, print_plan};
use crate::report::{Assessment, Detail};

/// What is shown, and how.
#[derive(Debug)]
pub(super) struct Show {
    json: bool,
    color: Color,
    detail: Detail,
    progress: Progress,
    /// Nobody reads any more; that is no reason to end.
    deaf: bool,
    records: Vec<Record>,
}

impl Show {
    pub(super) fn new(flags: &RestartFlags) -> Self {
        let live = ask::live_width().filter(|_| !flags.json && flags.color != Color::Never);
        Self {
            json: flags.json,
            color: flags.color,
            detail: detail(flags.verbose),
            progress: Progress::new(live),
            deaf: false,
            records: Vec::new(),
        }
    }

    /// A plan that is not carried out.
    pub(super) fn plan_only(
        &mut self,
        transaction: &Transaction,
        assessment: &Assessment<'_>,
        names: &[String],
        mode: Mode,
    ) -> Result<(), Error> {
        if self.json {
            let run = Run {
                id: super::id(),
                time: now(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                boot_id: String::new(),
                mode,
                transaction: transaction.clone(),
            };
            return print(self.color, true, |out| {
                writeln!(out, "{}", record::line(&Record::Run(Box::new(run))))
            });
        }
        print(self.color, false, |out| {
            print_plan(out, transaction, assessment, self.detail)?;
            print_advice(out, transaction, names)
        })
    }

    /// A plan that is about to be carried out. Programs get it as the first record.
    pub(super) fn plan(
        &mut self,
        transaction: &Transaction,
        assessment: &Assessment<'_>,
    ) -> Result<(), Error> {
        if self.json {
            return Ok(());
        }
        print(self.color, false, |out| {
            print_plan(out, transaction, assessment, self.detail)
        })
    }

    /// What could not be looked at.
    pub(super) fn problems(&self, assessment: &Assessment<'_>) {
        if !self.json {
            talk_of_problems(assessment, self.detail);
        }
    }

    /// An earlier run that was broken off. Programs get notes.
    pub(super) fn broken_off(&mut self, records: &[Record]) -> Result<(), Error> {
        if self.json {
            return Ok(());
        }
        print(self.color, false, |out| print_broken_off(out, records))
    }

    /// A word to the person.
    pub(super) fn talk(&self, line: &str) {
        talk(line);
    }

    /// One more record.
    pub(super) fn record(&mut self, record: Record) {
        if !self.deaf {
            let said = self.say(&record);
            self.deaf = said.is_err();
        }
        self.records.push(record);
    }

    fn say(&mut self, record: &Record) -> std::io::Result<()> {
        let stdout = std::io::stdout();
        let choice = match self.color {
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
            Color::Auto if stdout.is_terminal() => AutoStream::choice(&stdout),
            Color::Auto => anstream::ColorChoice::Never,
        };
        if self.json {
            let mut out = stdout.lock();
            writeln!(out, "{}", record::line(record))?;
            return out.flush();
        }
        let mut out = AutoStream::new(stdout.lock(), choice);
        self.progress.record(&mut out, record)?;
        out.flush()
    }

    /// All that was to be seen of the run: how it ended, as far as that is known.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        if self.json || self.deaf {
            return Ok(());
        }
        let mut stdout = std::io::stdout().lock();
        self.progress.end(&mut stdout).ok();
        drop(stdout);
        print(self.color, false, |out| print_outcome(out, &self.records))
    }

    /// The run goes on without us: no live line is left behind.
    pub(super) fn leave(&mut self) {
        let mut stdout = std::io::stdout().lock();
        self.progress.end(&mut stdout).ok();
    }
}
