//! What dialects leave for later: a transient unit that waits until package managers are done, and then does it.
//!
//! A peer's hook runs below the package manager, which holds its locks meanwhile: nothing may be restarted then. It runs once
//! for each run of dpkg; the unit has one name, so it is there once. A stamp says that there is something to do: one that is
//! set while the unit is busy makes it begin again.

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::act::stamps::{self, Stamp};
use crate::app::hook;

const ROOT: &str = "/";
/// Before it is tried again to do what others were in the way of.
const AGAIN: Duration = Duration::from_secs(10);
/// A unit that ends is there for a moment still.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// Leaves it; the unit by which it is done. `is_unit` if that is who asks: it will see the stamp.
pub(super) fn leave(name: &str, args: &[OsString], is_unit: bool) -> Result<String, String> {
    if !hook::is_systemd() {
        return Err("systemd does not run here, so nobody does it later".to_owned());
    }
    let unit = format!("unstale-{name}.service");
    stamps::set(Path::new(ROOT), Stamp::PutOff, name).map_err(|error| error.to_string())?;
    if is_unit {
        // Another restart goes on, which nobody waits for: a look costs seconds.
        std::thread::sleep(AGAIN);
        return Ok(unit);
    }
    for tried in 1.. {
        if hook::start_transient(&unit, args.iter().cloned())? || hook::is_active(&unit) {
            return Ok(unit);
        }
        if tried == TRIES {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    Err(format!("systemd does not start {unit}"))
}

/// Waits; whether the stamp is there then. It is taken up by that: what happens from here on sets another one.
pub(super) fn wait(since: Instant) -> Result<bool, String> {
    let settings = hook::settings()?;
    while let Some(seen) = hook::wait(Stamp::PutOff, &settings, since)? {
        let is_taken = stamps::clear(Path::new(ROOT), Stamp::PutOff, &seen);
        if is_taken.map_err(|error| error.to_string())? {
            return Ok(true);
        }
    }
    Ok(false)
}
