//! What we restarted ourselves, and when: so that many runs in a row count as what they are against a unit's start limit,
//! also where nobody keeps the manager's own log.

use super::journal::{Runs, RunsError};
use crate::model::{OwnStart, Scope};

const STARTS: &str = "starts";
/// Longer than any start limit counts (systemd.unit(5): 10 s by default), and bounded.
const KEPT_US: i64 = 24 * 3600 * 1_000_000;
const KEPT: usize = 3000;
const KEPT_OF_USER: usize = 100;

/// All that are remembered, the oldest first.
///
/// # Errors
/// What cannot be read.
pub fn read(runs: &Runs) -> Result<Vec<OwnStart>, RunsError> {
    let text = runs.directory().look(STARTS)?;
    Ok(text.map_or_else(Vec::new, |text| parse_starts(&text.bytes)))
}

/// Remembers more; the old are forgotten. No user's units take the place of others.
///
/// # Errors
/// What cannot be written.
pub fn add(runs: &Runs, time_us: i64, scope: Scope, units: &[&str]) -> Result<(), RunsError> {
    let mut starts = read(runs)?;
    let oldest = time_us - KEPT_US;
    // A clock that was set back makes starts of the future, which nobody counts.
    starts.retain(|other| (oldest..=time_us).contains(&other.time_us));
    starts.extend(units.iter().map(|unit| OwnStart {
        time_us,
        scope,
        unit: (*unit).to_owned(),
    }));
    let own = starts.iter().filter(|other| other.scope == scope).count();
    let mut too_many = own.saturating_sub(kept(scope));
    starts.retain(|other| {
        let goes = other.scope == scope && too_many > 0;
        too_many -= usize::from(goes);
        !goes
    });
    let skipped = starts.len().saturating_sub(KEPT);
    let lines: String = starts.iter().skip(skipped).map(line).collect();
    Ok(runs.directory().replace(STARTS, lines.as_bytes())?)
}

const fn kept(scope: Scope) -> usize {
    match scope {
        Scope::System => KEPT,
        Scope::User(_) => KEPT_OF_USER,
    }
}

fn line(start: &OwnStart) -> String {
    let scope = match start.scope {
        Scope::System => "system".to_owned(),
        Scope::User(uid) => uid.to_string(),
    };
    format!("{} {scope} {}\n", start.time_us, start.unit)
}

/// `1763758800000000 system nginx.service`, a line each; others are passed over.
fn parse_starts(text: &[u8]) -> Vec<OwnStart> {
    let text = String::from_utf8_lossy(text);
    text.lines().filter_map(of_line).collect()
}

fn of_line(line: &str) -> Option<OwnStart> {
    let mut words = line.splitn(3, ' ');
    let time_us = words.next()?.parse().ok()?;
    let scope = match words.next()? {
        "system" => Scope::System,
        uid => Scope::User(uid.parse().ok()?),
    };
    let unit = words.next().filter(|unit| !unit.is_empty())?.to_owned();
    Some(OwnStart {
        time_us,
        scope,
        unit,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn start(time_us: i64, unit: &str) -> OwnStart {
        OwnStart {
            time_us,
            scope: Scope::User(7),
            unit: unit.to_owned(),
        }
    }

    #[test]
    fn t10_10_starts_are_remembered_for_a_day() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("run")).unwrap();
        let runs = Runs::make(root.path(), 0).unwrap();
        assert_eq!(read(&runs).unwrap(), []);
        let add = |time, unit: &str| add(&runs, time, Scope::User(7), &[unit]).unwrap();
        add(KEPT_US * 3, "future.service");
        add(1, "a.service");
        add(2, "b.service");
        let both = [start(1, "a.service"), start(2, "b.service")];
        assert_eq!(read(&runs).unwrap(), both);
        add(KEPT_US + 2, "c.service");
        let last = [start(2, "b.service"), start(KEPT_US + 2, "c.service")];
        assert_eq!(read(&runs).unwrap(), last);
    }

    #[test]
    fn users_do_not_crowd_others_out() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("run")).unwrap();
        let runs = Runs::make(root.path(), 0).unwrap();
        add(&runs, 1, Scope::System, &["a.service"]).unwrap();
        let names: Vec<String> = (0..KEPT + 1).map(|i| format!("{i}.service")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        add(&runs, 2, Scope::User(7), &names).unwrap();
        let kept = read(&runs).unwrap();
        assert_eq!(
            (kept.len(), kept[0].scope),
            (1 + KEPT_OF_USER, Scope::System)
        );
        assert_eq!(kept.last().unwrap().unit, *names.last().unwrap());
    }

    #[test]
    fn lines() {
        #[track_caller]
        fn check(text: &str, expected: &[OwnStart]) {
            assert_eq!(parse_starts(text.as_bytes()), expected, "{text}");
        }
        check("5 7 x.service\n", &[start(5, "x.service")]);
        check("5 7 x.service", &[start(5, "x.service")]);
        check("5 root x.service\n5 7 \n5 7\nx 7 x\n\n", &[]);
        let system = OwnStart {
            scope: Scope::System,
            ..start(-1, "a b")
        };
        check("-1 system a b\n", &[system]);
    }
}
