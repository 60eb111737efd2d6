//! What a client prints: text for people, or the very records for programs.

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anstream::AutoStream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::{ask, broken, detail, prove};
use crate::app::exit::Exit;
use crate::app::{now, print, talk, talk_of_problems};
use crate::cli::{Color, RestartFlags};
use crate::error::Error;
use crate::model::{Because, Mode, Outcome, Owner, Record, Run, Transaction};
use crate::report::json::record;
use crate::report::restart::{Progress, print_advice, print_broken_off, print_outcome, print_plan};
use crate::report::{Assessment, Detail};

/// Who acts waits so long for somebody who does not read on: a stopped terminal, a pager, a connection that hangs.
const HURRY: Duration = Duration::from_secs(10);
/// So much is written at once to who may stop reading in the middle: less than any pipe or terminal takes that says that it can
/// be written to.
const PIECE: usize = 256;

/// Why a plan is only shown.
#[derive(Debug, Clone, Copy)]
pub(super) enum Only<'a> {
    /// No more was asked for.
    Listed,
    /// There are no steps.
    NothingToDo,
    /// It is not to be done now.
    Refused(&'a str),
}

/// What programs read of it: as of a run that did nothing. `notes` are on earlier
/// runs, and on what could not be looked at.
fn records_of(run: Run, only: Only<'_>, notes: &[Record], exit: Exit) -> Vec<Record> {
    let time = run.time;
    let transaction = run.transaction.clone();
    let mut records = vec![Record::Run(Box::new(run))];
    records.extend(notes.iter().cloned());
    let deferred = |owner, because| Record::Item {
        owner,
        outcome: Outcome::Deferred(because),
    };
    if let Only::Refused(why) = only {
        let owners: BTreeSet<Owner> = transaction
            .steps
            .into_iter()
            .flat_map(|step| step.owners)
            .collect();
        let because = Because {
            rule: "refused".to_owned(),
            why: why.to_owned(),
        };
        let items = owners.into_iter();
        records.extend(items.map(|owner| deferred(owner, because.clone())));
        records.push(Record::Note(format!("nothing is restarted: {why}")));
    }
    for held in transaction.held {
        match held.because.into_iter().next() {
            Some(because) if !prove::is_no_delay(&because) => {
                records.push(deferred(held.owner, because))
            }
            _ => {}
        }
    }
    let exit = exit as u8;
    records.push(Record::Finish { time, exit });
    records
}

/// What is shown, and how.
#[derive(Debug)]
pub(super) struct Show {
    json: bool,
    color: Color,
    detail: Detail,
    progress: Progress,
    /// Nobody reads any more; that is no reason to end.
    deaf: bool,
    /// This very process acts: nobody is waited for while services are between two steps, and the lock is held.
    hurried: bool,
    records: Vec<Record>,
    /// Of earlier runs, for programs: a journal has them among its records.
    earlier: Vec<Record>,
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
            hurried: false,
            records: Vec::new(),
            earlier: Vec::new(),
        }
    }

    /// For a caller with words of its own: all is kept, and nothing printed.
    pub(super) fn silent() -> Self {
        Self {
            json: false,
            color: Color::Never,
            detail: Detail::Normal,
            progress: Progress::new(None),
            deaf: true,
            hurried: false,
            records: Vec::new(),
            earlier: Vec::new(),
        }
    }

    /// What happened so far.
    pub(super) fn into_records(self) -> Vec<Record> {
        self.records
    }

    /// A plan that is not carried out, and how that ends.
    pub(super) fn plan_only(
        &mut self,
        transaction: &Transaction,
        assessment: &Assessment<'_>,
        names: &[String],
        mode: Mode,
        only: Only<'_>,
        exit: Exit,
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
            let problems = assessment.problems.iter();
            let notes = problems.map(|problem| Record::Note(problem.to_string()));
            let notes: Vec<Record> = self.earlier.iter().cloned().chain(notes).collect();
            let records = records_of(run, only, &notes, exit);
            return print(self.color, true, |out| {
                let mut records = records.iter();
                records.try_for_each(|record| writeln!(out, "{}", record::line(record)))
            });
        }
        print(self.color, false, |out| {
            print_plan(out, transaction, assessment, self.detail)?;
            match only {
                Only::Listed => print_advice(out, transaction, names),
                // Whoever asked for it has heard why not; there is no command that does it now.
                Only::Refused(_) if !transaction.steps.is_empty() => {
                    writeln!(out, "Nothing was done.")
                }
                Only::Refused(_) | Only::NothingToDo => Ok(()),
            }
        })
    }

    /// A run that was not even begun. People have heard why.
    pub(super) fn refused(&mut self, run: Run, why: &str, exit: Exit) -> Result<(), Error> {
        if !self.json {
            return Ok(());
        }
        let records = records_of(run, Only::Refused(why), &self.earlier, exit);
        print(self.color, true, |out| {
            let mut records = records.iter();
            records.try_for_each(|record| writeln!(out, "{}", record::line(record)))
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
        self.earlier.extend(broken::note(records));
        if self.json || self.deaf {
            return Ok(());
        }
        let mut text = AutoStream::new(Vec::new(), self.choice());
        print_broken_off(&mut text, records)?;
        self.deaf = self.write(&text.into_inner()).is_err();
        Ok(())
    }

    /// A word to the person.
    pub(super) fn talk(&self, line: &str) {
        talk(line);
    }

    /// Whether any step was begun, or passed over.
    pub(super) fn has_begun(&self) -> bool {
        let mut records = self.records.iter();
        records.any(|record| matches!(record, Record::Begin { .. } | Record::End { .. }))
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
        if self.json {
            return self.write(format!("{}\n", record::line(record)).as_bytes());
        }
        let mut text = AutoStream::new(Vec::new(), self.choice());
        self.progress.record(&mut text, record)?;
        self.write(&text.into_inner())
    }

    fn choice(&self) -> anstream::ColorChoice {
        let stdout = std::io::stdout();
        match self.color {
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
            Color::Auto if stdout.is_terminal() => AutoStream::choice(&stdout),
            Color::Auto => anstream::ColorChoice::Never,
        }
    }

    fn write(&self, bytes: &[u8]) -> std::io::Result<()> {
        let mut stdout = std::io::stdout().lock();
        if self.hurried {
            return write_in_time(&stdout, bytes, HURRY);
        }
        stdout.write_all(bytes)?;
        stdout.flush()
    }

    /// From now on nobody is waited for who does not read.
    pub(super) fn hurry(&mut self) {
        self.hurried = true;
    }

    /// It is over: whoever reads late may read.
    pub(super) fn take_time(&mut self) {
        self.hurried = false;
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
        if self.deaf {
            return;
        }
        let mut stdout = std::io::stdout().lock();
        self.progress.end(&mut stdout).ok();
    }
}

/// Writes all of it, as long as somebody reads.
fn write_in_time(out: impl AsFd, mut bytes: &[u8], limit: Duration) -> std::io::Result<()> {
    let end = Instant::now() + limit;
    while !bytes.is_empty() {
        let left = Timespec::try_from(end.saturating_duration_since(Instant::now()));
        let left = left.map_err(|_| Errno::INVAL)?;
        match poll(&mut [PollFd::new(&out, PollFlags::OUT)], Some(&left)) {
            Ok(0) => return Err(Errno::TIMEDOUT.into()),
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        let piece = bytes.get(..PIECE).unwrap_or(bytes);
        match rustix::io::write(&out, piece) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
