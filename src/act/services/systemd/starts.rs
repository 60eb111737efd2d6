//! Which starts count for a start limit: the manager counts them, but tells nobody. Its journal does.

use std::collections::HashMap;

use serde::Deserialize;

use super::words::unit_name;

/// "A start job for unit UNIT has begun execution", systemd's catalogue of messages. Not written for each kind of service.
pub(super) const BEGUN: &str = "7d4958e842da4a758f6c1cdc7b36dcc5";
/// "… has finished successfully".
pub(super) const DONE: &str = "39f53479d3a045ac8e11786248231fbf";
/// "… has finished with a failure".
pub(super) const FAILED: &str = "be02cf6855d2428ba40df7e9d022f03d";
/// What is asked of each record.
pub(super) const FIELDS: &str = "UNIT,USER_UNIT,JOB_TYPE,INVOCATION_ID,USER_INVOCATION_ID";

/// Far more starts than any limit lets through.
const STARTS_CAP: usize = 10_000;

/// A record of the journal, as `journalctl -o json` writes it. A field that is no text is an array, and no name.
#[derive(Debug, Deserialize)]
struct Record {
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    time: String,
    #[serde(rename = "UNIT", alias = "USER_UNIT")]
    unit: String,
    #[serde(rename = "JOB_TYPE", default)]
    job: Option<String>,
    #[serde(rename = "INVOCATION_ID", alias = "USER_INVOCATION_ID", default)]
    invocation: Option<String>,
}

/// When each unit was started, in microseconds, the oldest first. A start has up to two records: the first tells.
pub(super) fn parse(text: &[u8]) -> HashMap<String, Vec<i64>> {
    let mut first: HashMap<(String, String), i64> = HashMap::new();
    for line in text.split(|&byte| byte == b'\n') {
        let Ok(record) = serde_json::from_slice::<Record>(line) else {
            continue;
        };
        let Ok(time) = record.time.parse::<i64>() else {
            continue;
        };
        let is_start = record.job.is_none_or(|job| job == "start");
        if !is_start || unit_name(record.unit.as_bytes()).is_none() || first.len() > STARTS_CAP {
            continue;
        }
        // Without an invocation each record is a start: rather one too many than a unit at its limit.
        let invocation = record.invocation.unwrap_or(record.time);
        let earliest = first.entry((record.unit, invocation)).or_insert(time);
        *earliest = time.min(*earliest);
    }
    let mut starts: HashMap<String, Vec<i64>> = HashMap::new();
    for ((unit, _), time) in first {
        starts.entry(unit).or_default().push(time);
    }
    starts.values_mut().for_each(|times| times.sort_unstable());
    starts
}

#[cfg(test)]
mod tests;
