//! The client while the worker works: reads the journal until its end, or until nobody is left who could write it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};

use super::show::Show;
use super::{broken, of_runs};
use crate::act::journal::{Runs, RunsError};
use crate::app::exit::Exit;
use crate::error::Error;
use crate::model::{Record, Run};
use crate::report::json::record;

const POLL: Duration = Duration::from_millis(50);
/// A worker without the lock has so long to end its journal; before it has the lock, so long to start.
const GONE_AFTER: Duration = Duration::from_secs(2);
const START_LIMIT: Duration = Duration::from_secs(20);
/// A worker that holds the lock and says nothing for so long, and what its longest step may take, does not get on.
const SILENCE: Duration = Duration::from_secs(600);

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
            if let Record::Run(run) = &record {
                watch.silence += longest(run);
            }
            show.record(record);
            if let Some(exit) = exit {
                show.end()?;
                return Ok(exit);
            }
        }
        if told.load(Ordering::Relaxed) {
            return Ok(let_go(unit, show));
        }
        if watch.is_stuck(grew) {
            show.talk("the restart has not got on for long");
            return Ok(let_go(unit, show));
        }
        if watch.is_gone(runs, id, grew).map_err(of_runs)? && !give_up(runs, id) {
            show.end()?;
            return Ok(Exit::Failed);
        }
        std::thread::sleep(POLL);
    }
}

/// Ends a run that its worker has not begun: should that come yet, it finds that it is too late. Whether there is more to be
/// read now.
fn give_up(runs: &Runs, id: &str) -> bool {
    // Who holds the lock is at work.
    let Ok(_lock) = runs.lock(id, Duration::ZERO) else {
        return true;
    };
    let planned = broken::records(runs, id).is_some_and(|records| broken::is_planned(&records));
    planned && broken::finish(runs, id).is_ok()
}

/// What the longest step of a run may take, with a second try.
fn longest(run: &Run) -> Duration {
    let steps = run.transaction.steps.iter();
    let longest = steps.map(|step| {
        let both = 2
            * (step
                .limit_us
                .saturating_add(step.settle_us)
                .min(u64::MAX / 4));
        both.saturating_add(step.wait_us)
    });
    Duration::from_micros(longest.max().unwrap_or_default())
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
    /// Since when the worker did not hold the lock, and nothing was written.
    silent_since: Option<Instant>,
    /// When something was written last, and how long that may be ago.
    grew: Instant,
    silence: Duration,
    /// It was seen at work.
    began: bool,
}

impl Watch {
    fn new() -> Self {
        Self {
            begun: Instant::now(),
            silent_since: None,
            grew: Instant::now(),
            silence: SILENCE,
            began: false,
        }
    }

    fn is_stuck(&mut self, grew: bool) -> bool {
        if grew {
            self.grew = Instant::now();
        }
        self.grew.elapsed() > self.silence
    }

    fn is_gone(&mut self, runs: &Runs, id: &str, grew: bool) -> Result<bool, RunsError> {
        if grew || runs.is_locked_by(id)? {
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
