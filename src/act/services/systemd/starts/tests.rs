//! A recorded journal; its README says of which machine.

use super::*;

#[test]
fn t10_10_counts_each_start_once() {
    let starts = parse(include_bytes!("../../../../../testdata/units/starts.json"));
    let mut units: Vec<(&str, usize)> = starts
        .iter()
        .map(|(unit, times)| (unit.as_str(), times.len()))
        .collect();
    units.sort_unstable();
    // `redis-server` has two records of each of its two starts.
    assert_eq!(units, [("cron.service", 4), ("redis-server.service", 2)]);
    assert!(starts["cron.service"].is_sorted());
    assert_eq!(starts["redis-server.service"][0], 1_795_295_692_594_523);
}

#[test]
fn takes_starts_of_users_units_and_no_stops() {
    let line = |rest: &str| format!(r#"{{"__REALTIME_TIMESTAMP":"5",{rest}}}"#);
    let parsed = |text: String| parse(text.as_bytes());
    let start = line(r#""USER_UNIT":"a.service","JOB_TYPE":"start","USER_INVOCATION_ID":"i""#);
    assert_eq!(parsed(start)["a.service"], [5]);
    assert!(parsed(line(r#""UNIT":"a.service","JOB_TYPE":"stop""#)).is_empty());
    assert!(parsed("{\n[]\n\u{0}".to_owned()).is_empty());
}
