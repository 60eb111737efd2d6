//! The end of a series of transactions: nobody is at work on packages, and nobody says anew that something is to be done.

use std::path::Path;
use std::time::{Duration, Instant};

use super::ROOT;
use crate::act::at_work;
use crate::act::stamps::{self, Seen, Stamp};
use crate::config::{self, Hook, Sources};

const POLL: Duration = Duration::from_secs(1);

/// What the administrator says of hooks.
///
/// # Errors
/// What is wrong with settings.
pub(in crate::app) fn settings() -> Result<Hook, String> {
    let euid = rustix::process::geteuid().as_raw();
    let settings = config::read(&Sources::of_machine(euid));
    let settings = settings.map_err(|error| error.lines().join("\n"))?;
    Ok(settings.hook)
}

/// A stamp of this machine, if it is there.
///
/// # Errors
/// What is wrong with where they are.
pub(super) fn see(stamp: Stamp) -> Result<Option<Seen>, String> {
    stamps::see(Path::new(ROOT), stamp).map_err(|error| error.to_string())
}

/// Waits until nobody is at work, and nobody set the stamp anew for a while. The stamp then; `None` if there is none.
///
/// # Errors
/// Why it is not to be taken up: it takes too long, or somebody holds it back.
pub(in crate::app) fn wait(
    stamp: Stamp,
    settings: &Hook,
    begun: Instant,
) -> Result<Option<Seen>, String> {
    let Some(mut seen) = see(stamp)? else {
        return Ok(None);
    };
    let mut quiet_since = Instant::now();
    loop {
        if let Some(who) = stamps::suspended_by(Path::new(ROOT)) {
            return Err(format!("packages changed; {who} holds back a look"));
        }
        let at_work = at_work::package_manager(Path::new(ROOT));
        let Some(now) = see(stamp)? else {
            return Ok(None);
        };
        if at_work.is_some() || now != seen {
            quiet_since = Instant::now();
            seen = now;
        }
        if quiet_since.elapsed() >= settings.quiet {
            return Ok(Some(seen));
        }
        if begun.elapsed() >= settings.limit {
            let who = at_work.map_or_else(String::new, |who| format!(": {who}"));
            return Err(format!("packages still change{who}; nothing is done"));
        }
        std::thread::sleep(POLL);
    }
}
