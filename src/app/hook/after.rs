//! `hook after`: waits until all package managers are done, then looks, and acts if settings say so; once for all that
//! happened until then.

use std::path::Path;
use std::time::{Duration, Instant};

use super::{ROOT, quiet, surroundings};
use crate::act::at_work;
use crate::act::stamps::{self, Stamp};
use crate::app::exit::Exit;
use crate::app::gather::Interest;
use crate::app::{assess, obtain, reboot_hint, restart, state, talk};
use crate::cli::{Color, MappingSource, RestartFlags, RestartMode, SourceFlags};
use crate::config::Hook;
use crate::error::Error;
use crate::model::Mode;

/// Before it is tried again to do what others were in the way of.
const AGAIN: Duration = Duration::from_secs(10);
/// A refusal that says nothing of others is asked for so often.
const TRIES: u32 = 3;

/// Does it, in the service or by hand.
pub(super) fn run() {
    match stamps::claim(Path::new(ROOT)) {
        // Another one does it; ours was a stamp that it sees.
        Ok(None) => {}
        Ok(Some(_right)) => take_up_all(),
        Err(error) => talk(&error.to_string()),
    }
}

/// As long as there are stamps: what happens during a look is for the next.
fn take_up_all() {
    loop {
        match take_up() {
            Ok(true) => {}
            Ok(false) => return,
            Err(why) => {
                why.lines().for_each(talk);
                return;
            }
        }
    }
}

/// Whether a stamp was taken up.
///
/// # Errors
/// Why not, or not wholly. The stamp stays.
fn take_up() -> Result<bool, String> {
    let settings = quiet::settings()?;
    let begun = Instant::now();
    for tried in 1.. {
        let Some(pending) = quiet::wait(Stamp::Pending, &settings, begun)? else {
            return Ok(false);
        };
        if look_once(&settings, tried)? {
            // Only now: a look that was broken off has not happened. That a run failed is known until one works.
            let cleared = stamps::clear(Path::new(ROOT), Stamp::Pending, &pending);
            return cleared.map(|_| true).map_err(|error| error.to_string());
        }
        if begun.elapsed() >= settings.limit {
            break;
        }
        std::thread::sleep(AGAIN);
    }
    Err("somebody else restarts services or changes packages; nothing is done".to_owned())
}

/// Whether it was done; not if others were in the way.
fn look_once(settings: &Hook, tried: u32) -> Result<bool, String> {
    if surroundings::is_going_down() {
        return Err("packages changed; the system goes down, and so nothing is done".to_owned());
    }
    let errored = quiet::see(Stamp::Errored)?;
    let mode = match (settings.mode, &errored) {
        (Mode::Auto, None) => Mode::Auto,
        (Mode::List | Mode::Ask, _) => Mode::List,
        (Mode::Auto, Some(_)) => {
            talk("a package manager failed: nothing is restarted");
            Mode::List
        }
    };
    look(mode, tried).map_err(|error| error.to_string())
}

/// Looks, and acts before that if it is to. Whether it was let.
fn look(mode: Mode, tried: u32) -> Result<bool, Error> {
    let begun = state::Moment::now();
    if mode == Mode::Auto {
        let restart::Attempt { exit, refused } = restart::attempt(&all_that_is_stale())?;
        // A run that acted looked afterwards. One that was refused looked before.
        let kept = state::read(Path::new(ROOT), 0).ok().flatten();
        if kept.is_some_and(|kept| kept.uptime_secs >= begun.uptime_secs) && !refused {
            return Ok(true);
        }
        let at_work = at_work::package_manager(Path::new(ROOT)).is_some();
        if is_to_be_tried_again(exit, at_work, tried) {
            return Ok(false);
        }
    }
    look_only()?;
    Ok(true)
}

/// After a run that did nothing. Another one that goes on was planned before these packages changed; a package manager that
/// is back, or was, ends. What an administrator forbids (policy-rc.d) stays forbidden.
fn is_to_be_tried_again(exit: Exit, at_work: bool, tried: u32) -> bool {
    match exit {
        Exit::Busy => true,
        Exit::Incomplete => at_work || tried < TRIES,
        _ => false,
    }
}

/// The service outlives package managers, terminals and sessions: no other has to be started for that.
fn all_that_is_stale() -> RestartFlags {
    RestartFlags {
        names: Vec::new(),
        mode: Some(RestartMode::Auto),
        dry_run: false,
        json: false,
        verbose: false,
        foreground: true,
        plugin_dir: Vec::new(),
        color: Color::Never,
    }
}

fn look_only() -> Result<(), Error> {
    let source = SourceFlags {
        root: None,
        proc: None,
        bundle: None,
        plugin_dir: Vec::new(),
        mapping_source: MappingSource::Best,
    };
    let (bundle, settings) = obtain(&source, &Interest::Stale { own_only: false })?;
    let assessment = assess::assess(&bundle, &settings, false);
    state::keep(Path::new(ROOT), &assessment, None);
    reboot_hint::update_flags(&assessment, &settings.reboot);
    talk(&match assessment.plan.items.len() {
        0 => "nothing runs old code".to_owned(),
        1 => "1 thing runs old code: unstale status".to_owned(),
        many => format!("{many} things run old code: unstale status"),
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t12_05_a_run_that_was_not_let_act_is_tried_again() {
        #[track_caller]
        fn check(exit: Exit, at_work: bool, tried: u32, expected: bool) {
            assert_eq!(is_to_be_tried_again(exit, at_work, tried), expected);
        }
        check(Exit::Busy, false, 100, true);
        check(Exit::Incomplete, true, 100, true);
        // It may have been at work a moment ago.
        check(Exit::Incomplete, false, 1, true);
        check(Exit::Incomplete, false, TRIES, false);
        check(Exit::Complete, true, 1, false);
        check(Exit::Failed, true, 1, false);
    }
}
