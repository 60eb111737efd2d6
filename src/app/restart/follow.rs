//! The client while the worker works: reads the journal until its end, or until nobody is left who could write it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};

use super::of_runs;
use super::show::Show;
use crate::act::journal::{Runs, RunsError};
use crate::app::exit::Exit;
use crate::error::Error;
use crate::model::Record;
use crate::report::json::record;

const POLL: Duration = Duration::from_millis(50);
/// A worker without the lock has so long to end its journal; before it has the lock, so long to start.
const GONE_AFTER: Duration = Duration::from_secs(2);
const START_LIMIT: Duration = Duration::from_secs(20);

/// Shows what happens. `unit` is where a person looks meanwhile.
pub(super) fn follow(
    runs: &Runs,
    id: &str,
    unit: Option<&str>,
    show: &mut Show,
) -> Result<Exit, Error> {
    let told = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&told))?;
    }
    let missing = || Error::Restart("the journal is gone".to_owned());
    let mut follower = runs.follow(id).map_err(of_runs)?.ok_or_else(missing)?;
    let mut watch = Watch::new();
    loop {
        let lines = follower.lines().map_err(of_runs)?;
        let grew = !lines.is_empty();
        for line in lines {
            let Ok(record) = record::parse(&line) else {
                show.talk("a line of the journal is damaged");
                continue;
            };
            let exit = of_record(&record);
            watch.began |= !matches!(record, Record::Run(_) | Record::Note(_));
            show.record(record);
            if let Some(exit) = exit {
                show.end()?;
                return Ok(exit);
            }
        }
        if told.load(Ordering::Relaxed) {
            return Ok(let_go(unit, show));
        }
        if watch.is_gone(runs, grew).map_err(of_runs)? {
            show.end()?;
            return Ok(Exit::Failed);
        }
        std::thread::sleep(POLL);
    }
}

fn of_record(record: &Record) -> Option<Exit> {
    match record {
        Record::Finish { exit, .. } => Some(of_number(*exit)),
        _ => None,
    }
}

/// The numbers that a run ends with.
pub(super) fn of_number(exit: u8) -> Exit {
    [Exit::Complete, Exit::Incomplete, Exit::Busy]
        .into_iter()
        .find(|known| *known as u8 == exit)
        .unwrap_or(Exit::Failed)
}

/// Whoever stops looking stops nothing else.
fn let_go(unit: Option<&str>, show: &mut Show) -> Exit {
    show.leave();
    let look = unit.map(|unit| format!(", systemctl status {unit}"));
    show.talk(&format!(
        "the restart goes on without you: unstale status{}",
        look.unwrap_or_default()
    ));
    Exit::Incomplete
}

/// Whether there still is a worker.
struct Watch {
    begun: Instant,
    /// Since when nobody held the lock, and nothing was written.
    silent_since: Option<Instant>,
    /// It was seen at work.
    began: bool,
}

impl Watch {
    fn new() -> Self {
        Self {
            begun: Instant::now(),
            silent_since: None,
            began: false,
        }
    }

    fn is_gone(&mut self, runs: &Runs, grew: bool) -> Result<bool, RunsError> {
        if grew || runs.is_locked()? {
            self.began |= !grew;
            self.silent_since = None;
            return Ok(false);
        }
        let since = *self.silent_since.get_or_insert_with(Instant::now);
        Ok(match self.began {
            true => since.elapsed() > GONE_AFTER,
            false => self.begun.elapsed() > START_LIMIT,
        })
    }
}
