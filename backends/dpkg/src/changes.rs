//! Changes of packages since a moment: `dpkg.log`, and apt's history for what dpkg's log does not cover.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use jiff::civil::DateTime;
use unstale_packages::{Answer, Change};

use crate::damage::Damages;
use crate::history::{Reader, Transaction};
use crate::lines::Buffer;
use crate::log::{LoggedChange, parse_log_line};
use crate::root::Root;
use crate::rotated::read_parts;
use crate::zone::Zone;

/// Two releases' worth of upgrades; bounds memory.
const CHANGES_CAP: usize = 100_000;
/// apt writes its start before dpkg writes anything; both have whole seconds.
const SLACK: Duration = Duration::from_secs(2);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Damaged lines of one file that are named.
const BAD_LINES_CAP: usize = 50;
/// Changes of one package near one moment that are looked at.
const NEAR_CAP: usize = 16;

/// All that the logs of `root` tell, oldest first.
pub(crate) fn read_changes(root: &Root, since: SystemTime) -> Answer<Vec<Change>> {
    let mut damages = Damages::default();
    let zone = Zone::read(root, &mut damages);
    let mut collected = Collected {
        zone,
        since: whole_second(since),
        changes: Vec::new(),
        told: BTreeSet::new(),
        spans: Vec::new(),
    };
    collected.read_dpkg(root, since, &mut damages);
    collected.read_apt(root, since, &mut damages);
    let mut changes = collected.changes;
    changes.sort_by_key(|change| change.at);
    Answer {
        value: changes,
        damage: damages.into_vec(),
    }
}

/// Name, version after, when, architecture, version before: in the order in which they are looked for.
type Told = (
    String,
    Option<String>,
    SystemTime,
    Option<String>,
    Option<String>,
);

struct Collected {
    zone: Zone,
    since: SystemTime,
    changes: Vec<Change>,
    /// The same, to find again. What two parts of a log have in common (copied, then truncated) counts once.
    told: BTreeSet<Told>,
    /// First and last time in each of dpkg's logs.
    spans: Vec<(SystemTime, SystemTime)>,
}

impl Collected {
    fn read_dpkg(&mut self, root: &Root, since: SystemTime, damages: &mut Damages) {
        let logs = read_parts(root, "/var/log", "dpkg.log", since, damages);
        let mut buffer = Buffer::default();
        for part in &logs.parts {
            if self.is_full() {
                damages.whole(&part.path, "not read: more changes than are kept");
                continue;
            }
            let (mut ends, mut bad) = (None, Vec::new());
            logs.read(
                part,
                &mut buffer,
                damages,
                |number, line| match parse_log_line(line) {
                    Ok(line) => {
                        let (first, _) = ends.unwrap_or((line.at, line.at));
                        ends = Some((first, line.at));
                        if let Some(change) = line.change {
                            self.add(line.at, change);
                        }
                    }
                    Err(_) if line.is_empty() => {}
                    Err(what) if bad.len() < BAD_LINES_CAP => bad.push((number, what)),
                    Err(_) => {}
                },
            );
            for (line, what) in bad {
                damages.line(&part.path, line, what);
            }
            if self.is_full() {
                damages.whole(&part.path, "more changes than are kept");
            }
            let span = ends.and_then(|(first, last)| {
                Some((self.zone.instant(first)?, self.zone.instant(last)?))
            });
            self.spans.extend(span);
        }
    }

    fn read_apt(&mut self, root: &Root, since: SystemTime, damages: &mut Damages) {
        let logs = read_parts(root, "/var/log/apt", "history.log", since, damages);
        let mut buffer = Buffer::default();
        for part in &logs.parts {
            let (mut reader, mut bad) = (Reader::default(), Vec::new());
            logs.read(part, &mut buffer, damages, |number, line| {
                if let Err(what) = reader.take(line)
                    && bad.len() < BAD_LINES_CAP
                {
                    bad.push((number, what));
                }
                reader
                    .complete()
                    .into_iter()
                    .for_each(|transaction| self.add_transaction(transaction));
            });
            reader.finish();
            reader
                .complete()
                .into_iter()
                .for_each(|transaction| self.add_transaction(transaction));
            for (line, what) in bad {
                damages.line(&part.path, line, what);
            }
            if self.is_full() {
                damages.whole(&part.path, "more changes than are kept");
            }
        }
    }

    /// What dpkg's log tells is what happened; apt's history is what was meant to happen, and counts where dpkg's log
    /// is silent.
    fn add_transaction(&mut self, transaction: Transaction) {
        let Some(start) = self.zone.instant(transaction.start) else {
            return;
        };
        if start < self.since
            || self.is_full()
            || self
                .spans
                .iter()
                .any(|(first, last)| (*first..=*last).contains(&start))
        {
            return;
        }
        // Without an end it was broken off, or is still at it.
        let end = transaction
            .end
            .and_then(|end| self.zone.instant(end))
            .unwrap_or(after(start, DAY));
        let (early, late) = (before(start, SLACK), after(end, SLACK));
        for change in transaction.changes {
            let key = |at| (change.name.clone(), change.new.clone(), at, None, None);
            let mut near = self.told.range(key(early)..key(late)).take(NEAR_CAP);
            // apt gives its own architecture to packages that dpkg calls `all`.
            let told = near.any(|(_, _, _, arch, _)| {
                *arch == change.arch || matches!(arch.as_deref(), None | Some("all"))
            });
            if !told {
                self.add(transaction.start, change);
            }
        }
    }

    fn add(&mut self, at: DateTime, change: LoggedChange) {
        let Some(at) = self.zone.instant(at) else {
            return;
        };
        if at < self.since || self.is_full() {
            return;
        }
        let key = (
            change.name.clone(),
            change.new.clone(),
            at,
            change.arch.clone(),
            change.old.clone(),
        );
        if !self.told.insert(key) {
            return;
        }
        self.changes.push(Change {
            name: change.name,
            arch: change.arch,
            at,
            is_first: change.old.is_none() && change.new.is_some(),
            old: change.old,
            new: change.new,
        });
    }

    fn is_full(&self) -> bool {
        self.changes.len() >= CHANGES_CAP
    }
}

/// The logs have whole seconds: what happened in the second of `since` may be after it.
fn whole_second(since: SystemTime) -> SystemTime {
    let part = since
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |age| age.subsec_nanos());
    before(since, Duration::from_nanos(part.into()))
}

fn before(time: SystemTime, by: Duration) -> SystemTime {
    time.checked_sub(by).unwrap_or(time)
}

fn after(time: SystemTime, by: Duration) -> SystemTime {
    time.checked_add(by).unwrap_or(time)
}
