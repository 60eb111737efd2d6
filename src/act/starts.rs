//! What we restarted ourselves, and when: so that many runs in a row count as what they are against a unit's start limit,
//! also where nobody keeps the manager's own log.

use super::journal::{Runs, RunsError};
use crate::model::{OwnStart, Scope};

const STARTS: &str = "starts";
/// Longer than any start limit counts (systemd.unit(5): 10 s by default), and bounded.
const KEPT_US: i64 = 24 * 3600 * 1_000_000;
const KEPT: usize = 4096;

/// All that are remembered, the oldest first.
///
/// # Errors
/// What cannot be read.
pub fn read(runs: &Runs) -> Result<Vec<OwnStart>, RunsError> {
    let text = runs.directory().look(STARTS)?;
    Ok(text.map_or_else(Vec::new, |text| parse_starts(&text.bytes)))
}

/// Remembers one more; the old are forgotten.
///
/// # Errors
/// What cannot be written.
pub fn add(runs: &Runs, start: OwnStart) -> Result<(), RunsError> {
    let mut starts = read(runs)?;
    let oldest = start.time_us - KEPT_US;
    // A clock that was set back makes starts of the future, which nobody counts.
    starts.retain(|other| (oldest..=start.time_us).contains(&other.time_us));
    starts.push(start);
    let skipped = starts.len().saturating_sub(KEPT);
    let lines: String = starts.iter().skip(skipped).map(line).collect();
    Ok(runs.directory().replace(STARTS, lines.as_bytes())?)
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
    text.lines().filter_map(parse_words).collect()
}

fn parse_words(line: &str) -> Option<OwnStart> {
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
        add(&runs, start(KEPT_US * 3, "future.service")).unwrap();
        add(&runs, start(1, "a.service")).unwrap();
        add(&runs, start(2, "b.service")).unwrap();
        let both = [start(1, "a.service"), start(2, "b.service")];
        assert_eq!(read(&runs).unwrap(), both);
        add(&runs, start(KEPT_US + 2, "c.service")).unwrap();
        let last = [start(2, "b.service"), start(KEPT_US + 2, "c.service")];
        assert_eq!(read(&runs).unwrap(), last);
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
