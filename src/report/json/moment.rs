//! Times in documents that are read back as they were written.

use crate::model::Timestamp;

/// RFC 3339 with nanoseconds, in UTC. A time outside of the years −9999 to 9999 is no clock's: it becomes the nearest inside.
pub(super) fn text(time: Timestamp) -> String {
    let nanos = i32::try_from(time.nanos).unwrap_or_default();
    let nearest = if time.secs < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    };
    let time = jiff::Timestamp::new(time.secs, nanos).unwrap_or(nearest);
    format!("{time:.9}")
}

/// What such a text says.
pub(super) fn of_text(text: &str) -> Result<Timestamp, String> {
    let time: jiff::Timestamp = text.parse().map_err(|_| "a time is not RFC 3339")?;
    // Times before 1970 have a negative fraction in jiff, and none in the model.
    let second = time.as_second() - i64::from(time.subsec_nanosecond() < 0);
    let nanos = time.subsec_nanosecond().rem_euclid(1_000_000_000);
    Ok(Timestamp {
        secs: second,
        nanos: nanos.unsigned_abs(),
    })
}
