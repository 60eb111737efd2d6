//! What changed when: the logs of dnf and zypp, and the install times in the database itself.

mod dnf;
mod zypp;

use std::ops::ControlFlow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use unstale_packages::{Answer, Change};

use crate::header::{Header, tag};
use crate::packages::{Packages, package};
use crate::root::Root;
use crate::sqlite::{Database, Error, Flaws};

/// A moment in whole seconds, the grain of all these logs, rounded down so that nothing is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Since(i64);

impl From<SystemTime> for Since {
    fn from(time: SystemTime) -> Self {
        let seconds = |d: Duration| i64::try_from(d.as_secs()).unwrap_or(i64::MAX);
        Self(match time.duration_since(UNIX_EPOCH) {
            Ok(after) => seconds(after),
            Err(before) => -seconds(before.duration()) - 1,
        })
    }
}

impl Since {
    /// Seconds since 1970.
    pub(crate) fn seconds(self) -> i64 {
        self.0
    }
}

/// All changes that the logs tell, in the order of the logs.
pub(crate) fn read(root: &Root, since: Since) -> Answer<Vec<Change>> {
    let mut answer = Answer::whole(Vec::new());
    for log in [
        dnf::changes(root, &dnf::DNF4, since),
        dnf::changes(root, &dnf::DNF5, since),
        zypp::changes(root, since),
    ] {
        answer.value.extend(log.value);
        answer.damage.extend(log.damage);
    }
    answer
}

/// The last transaction of a log, if it never came to its end, in words.
pub(crate) fn broken_off(root: &Root) -> Option<String> {
    dnf::broken_off(root, &dnf::DNF5).or_else(|| dnf::broken_off(root, &dnf::DNF4))
}

/// Packages whose install time is not before `since`. The database does not know what was there before them.
pub(crate) fn installed(
    database: &Database,
    since: Since,
    flaws: &mut Flaws,
) -> Result<Vec<Change>, Error> {
    let mut changes = Vec::new();
    let Some(packages) = Packages::of(database) else {
        return Ok(changes);
    };
    let mut note = |header: &Header<'_>| {
        let at = header.number(tag::INSTALL_TIME, 0).map(i64::from);
        if let Some(at) = at.filter(|at| Since(*at) >= since) {
            changes.extend(change_of(header, at));
        }
    };
    match packages.of_transactions_since(since.0, flaws)? {
        Some(numbers) => packages.some(numbers, flaws, &mut note)?,
        None => packages.each(flaws, &mut |header| {
            note(header);
            ControlFlow::Continue(())
        })?,
    }
    Ok(changes)
}

/// Whether a log tells of the installation that the database shows.
pub(crate) fn covers(logged: &Change, installed: &Change) -> bool {
    logged.name == installed.name
        && logged.new == installed.new
        && (logged.arch.is_none() || logged.arch == installed.arch)
}

fn change_of(header: &Header<'_>, at: i64) -> Option<Change> {
    let package = package(header);
    Some(Change {
        name: package.name,
        arch: Some(package.arch),
        at: system_time(at)?,
        old: None,
        is_first: false,
        new: Some(package.version),
    })
}

/// Seconds since 1970 as a time, if the system can express it.
pub(crate) fn system_time(seconds: i64) -> Option<SystemTime> {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    }
}
