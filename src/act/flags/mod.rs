//! Asks for a reboot by the files that others read, and takes the request back when its cause has gone.
//!
//! `/run/reboot-required` with its list of packages, and `/run/reboot-needed` with a word. Others write there too, without
//! any lock; so what is ours is recorded in `/run/unstale/flags.json` *before* it is done, by inode and time of change: a
//! file that was there before us, or that anybody wrote to after us, is never removed. A run that was cut short leaves
//! claims to what never came to be, which the next run drops, and files under hidden names, which it removes first.
//!
//! Files of others lose no line: the list is replaced by a copy without our lines, and what was appended to the old one
//! meanwhile is carried over. What remains is the time between a writer's open and its write, and what somebody writes in
//! the very moment in which a run of ours is killed.
//!
//! `/run/reboot-required` knows no levels, so it is written for level `reboot` only, as `--kured` answers.

mod list;
mod word;

use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;

use super::place::{Directory, PlaceError, Text, aside, hidden};
use crate::model::{FlagFiles, FlagRecord, Level};

const OURS: &str = "unstale";
const RECORD: &str = "flags.json";
const LOCK: &str = "flags.lock";
/// Two of our runs at most: each takes milliseconds.
const LOCK_DEADLINE: Duration = Duration::from_secs(2);

/// What is to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// How much has to be started anew. Below `soft-reboot`, nothing is asked of others.
    pub level: Level,
    /// The packages that are the reason.
    pub packages: Vec<String>,
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Lines that were added to the list of packages.
    pub added: Vec<String>,
    /// Lines of ours that were taken out of it.
    pub withdrawn: Vec<String>,
    /// `/run/reboot-required`.
    pub required: Change,
    /// `/run/reboot-needed`.
    pub needed: Change,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Change {
    /// It is as it was.
    #[default]
    None,
    /// It asks for what is due.
    Set,
    /// It is as others had left it, or gone.
    Withdrawn,
}

impl Changes {
    /// Whether nothing was done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let untouched = [self.required, self.needed] == [Change::None; 2];
        untouched && self.added.is_empty() && self.withdrawn.is_empty()
    }
}

/// Makes the flag files below `root` say what is due, in those `files` that are to be written; of the others, and where
/// nothing is due, what is ours is withdrawn. Doing it again changes nothing.
///
/// # Errors
/// Why not. What was recorded by then is what the next run goes on with.
pub fn update(root: &Path, files: FlagFiles, due: Option<&Due>) -> Result<Changes, PlaceError> {
    let wanted = Wanted::of(files, due);
    // Most systems, most of the time: then nobody has to hear what is odd about their /run.
    if wanted.is_nothing() && !has_traces(root) {
        return Ok(Changes::default());
    }
    let Some(run) = Directory::open_run(root)? else {
        return Ok(Changes::default());
    };
    let own = match wanted.is_nothing() {
        true => run.open_below(OURS)?,
        false => Some(run.make_below(OURS)?),
    };
    let Some(own) = own else {
        return Ok(Changes::default());
    };
    let _lock = own.lock(LOCK, LOCK_DEADLINE)?;
    let (record, note) = read_record(&own)?;
    let mut writer = Writer {
        run,
        own,
        record,
        changes: Changes::default(),
    };
    writer.tidy_up()?;
    writer.changes.notes.extend(note);
    writer.changes.notes.extend(wanted.notes());
    writer.check()?;
    list::update(&mut writer, &wanted)?;
    word::update(&mut writer, wanted.word)?;
    Ok(writer.changes)
}

/// What the files are to say.
struct Wanted {
    /// The lines of the list, sorted; `None` if no flag is wanted.
    lines: Option<Vec<String>>,
    /// Names that cannot be a line.
    odd: usize,
    word: Option<Level>,
}

impl Wanted {
    fn of(files: FlagFiles, due: Option<&Due>) -> Self {
        let level = due.map_or(Level::None, |due| due.level);
        let packages = due.map_or(&[][..], |due| &due.packages);
        let (mut lines, odd): (Vec<_>, Vec<_>) =
            packages.iter().cloned().partition(|name| is_line(name));
        lines.sort();
        lines.dedup();
        Self {
            lines: (files.required && level == Level::Reboot).then_some(lines),
            odd: odd.len(),
            word: (files.needed && level >= Level::SoftReboot).then_some(level),
        }
    }

    fn is_nothing(&self) -> bool {
        self.lines.is_none() && self.word.is_none()
    }

    fn notes(&self) -> Option<String> {
        let odd = self.odd;
        (odd > 0 && self.lines.is_some()).then(|| {
            format!("{odd} packages have names that cannot be written as a line, and were left out")
        })
    }
}

/// Whether a name is one line to all who read the list.
fn is_line(name: &str) -> bool {
    let fits = (1..=256).contains(&name.len());
    fits && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What an update works on.
struct Writer {
    run: Directory,
    own: Directory,
    record: FlagRecord,
    changes: Changes,
}

impl Writer {
    /// Removes what a run that was cut short has left.
    fn tidy_up(&self) -> Result<(), PlaceError> {
        self.own.tidy_up(RECORD, &[])?;
        self.run.tidy_up(list::LIST, &[])?;
        self.run.tidy_up(list::FLAG, &self.record.required)?;
        self.run.tidy_up(word::NEEDED, &self.record.needed)
    }

    /// Whether all that may be changed is to be trusted, before any of it is.
    fn check(&self) -> Result<(), PlaceError> {
        for name in [list::FLAG, list::LIST, word::NEEDED] {
            self.run.look(name)?;
        }
        Ok(())
    }

    /// Changes the record, on disk too.
    fn claim(&mut self, change: impl FnOnce(&mut FlagRecord)) -> Result<(), PlaceError> {
        let mut record = self.record.clone();
        change(&mut record);
        record.schema = FlagRecord::SCHEMA;
        if record.is_empty() {
            record.before = None;
        }
        if record == self.record {
            return Ok(());
        }
        if record.is_empty() {
            self.own.remove(RECORD)?;
        } else {
            let text = serde_json::to_vec(&record).unwrap_or_default();
            self.own.replace(RECORD, &text)?;
        }
        self.record = record;
        Ok(())
    }
}

/// Whether a run of ours has left anything that it may have to take back.
fn has_traces(root: &Path) -> bool {
    let run = root.join("run");
    let own = run.join(OURS);
    let flags = [list::FLAG, list::LIST, word::NEEDED];
    let left = flags.map(|name| [run.join(hidden(name)), run.join(aside(name))]);
    let mut traces = [own.join(RECORD), own.join(hidden(RECORD))]
        .into_iter()
        .chain(left.into_iter().flatten());
    traces.any(|path| !matches!(rustix::fs::lstat(path), Err(Errno::NOENT | Errno::NOTDIR)))
}

/// The record, or none with the reason why not. That it cannot be understood means that nothing is ours.
fn read_record(own: &Directory) -> Result<(FlagRecord, Option<String>), PlaceError> {
    let Some(Text { bytes, .. }) = own.look(RECORD)? else {
        return Ok((FlagRecord::default(), None));
    };
    match FlagRecord::parse(&bytes) {
        Some(record) => Ok((record, None)),
        None => {
            let note = "the record of our own flags was damaged: what it spoke of is left as it is";
            Ok((FlagRecord::default(), Some(note.to_owned())))
        }
    }
}

#[cfg(test)]
pub(in crate::act) mod cut_short;
#[cfg(test)]
mod tests;
