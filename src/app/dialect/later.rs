//! What dialects leave for later: a transient unit that waits until package managers are done, and then does it.
//!
//! A peer's hook runs below the package manager, which holds its locks meanwhile: nothing may be restarted then. It runs once
//! for each run of dpkg; the unit has one name for the same words, so it is there once. A stamp says that there is something to do: one that is
//! set while the unit is busy makes it begin again.

use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
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

/// What tells words apart from others: equal words are one work, others are another.
fn digest(words: &[OsString]) -> u32 {
    let mut hasher = DefaultHasher::new();
    words.hash(&mut hasher);
    let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The words by which this process was called.
fn own_words() -> Vec<OsString> {
    std::env::args_os().skip(1).collect()
}

fn unit_name(name: &str, digest: u32) -> String {
    format!("unstale-{name}-{digest:08x}.service")
}

/// Leaves it; the unit by which it is done. `is_unit` if that is who asks: it will see the stamp.
pub(super) fn leave(name: &str, words: &[OsString], is_unit: bool) -> Result<String, String> {
    if !hook::is_systemd() {
        return Err("systemd does not run here, so nobody does it later".to_owned());
    }
    let digest = match is_unit {
        true => digest(&own_words()),
        false => digest(words),
    };
    let unit = unit_name(name, digest);
    let stamped = stamps::set(Path::new(ROOT), Stamp::PutOff(digest), name);
    stamped.map_err(|error| error.to_string())?;
    if is_unit {
        // Another restart goes on, which nobody waits for: a look costs seconds.
        std::thread::sleep(AGAIN);
        return Ok(unit);
    }
    for tried in 1.. {
        if hook::start_transient(&unit, words.iter().cloned())? || hook::is_active(&unit) {
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
    let stamp = Stamp::PutOff(digest(&own_words()));
    while let Some(seen) = hook::wait(stamp, &settings, since)? {
        let is_taken = stamps::clear(Path::new(ROOT), stamp, &seen);
        if is_taken.map_err(|error| error.to_string())? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_words_are_one_work() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        let unit = |text| unit_name("needrestart", digest(&words(text)));
        assert_eq!(unit("-ra -l"), unit("-ra -l"));
        assert_ne!(unit("-ra -l"), unit("-ra -n"));
        assert_ne!(unit("-ra -l"), unit("-ra-l"));
        let name = unit("-ra");
        assert!(
            name.starts_with("unstale-needrestart-") && name.ends_with(".service"),
            "{name}"
        );
    }
}
