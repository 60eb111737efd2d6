//! Local time of the root, as the logs have it: no zone is written next to it.

use std::path::Path;
use std::time::SystemTime;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::damage::Damages;
use crate::root::Root;

/// The zone's rules in TZif, usually a link into /usr/share/zoneinfo of the same root.
pub const LOCALTIME: &str = "/etc/localtime";
/// The largest zone has some 4 KB.
const CAP: u64 = 256 << 10;

/// The zone of one root.
#[derive(Debug)]
pub struct Zone(TimeZone);

impl Zone {
    /// UTC, which is also what the C library takes without a (readable) zone file.
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// Reads the zone of `root`.
    pub fn read(root: &Root, damages: &mut Damages) -> Self {
        let file = Path::new(LOCALTIME);
        match root.read(file, CAP) {
            Ok(Some((bytes, _))) => parse_zone(&bytes).unwrap_or_else(|| {
                damages.whole(file, "not a time zone, UTC is taken");
                Self::utc()
            }),
            Ok(None) => Self::utc(),
            Err(error) => {
                damages.whole(file, format!("cannot be read: {error}, UTC is taken"));
                Self::utc()
            }
        }
    }

    /// The instant of a local time. One that came twice is taken for the first, one that was skipped for as much later.
    pub fn instant(&self, local: DateTime) -> Option<SystemTime> {
        self.0.to_timestamp(local).ok().map(SystemTime::from)
    }
}

/// The zone in these bytes.
pub fn parse_zone(bytes: &[u8]) -> Option<Zone> {
    TimeZone::tzif("", bytes).ok().map(Zone)
}

/// `YYYY-MM-DD HH:MM:SS` at the start of a line, and what follows. apt writes two spaces between, dpkg one.
pub fn parse_local(line: &[u8]) -> Option<(DateTime, &[u8])> {
    let (date, rest) = line.split_at_checked(10)?;
    let blanks = rest.iter().take_while(|&&b| b == b' ').count();
    let (time, rest) = rest.get(blanks..)?.split_at_checked(8)?;
    let ([y1, y2, y3, y4, b'-', mo1, mo2, b'-', d1, d2], [h1, h2, b':', m1, m2, b':', s1, s2]) =
        (date, time)
    else {
        return None;
    };
    let year = i16::from(two(*y1, *y2)?) * 100 + i16::from(two(*y3, *y4)?);
    let (month, day) = (two(*mo1, *mo2)?, two(*d1, *d2)?);
    let (hour, minute, second) = (two(*h1, *h2)?, two(*m1, *m2)?, two(*s1, *s2)?.min(59));
    let local = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    (1..=2).contains(&blanks).then_some((local, rest))
}

fn two(tens: u8, ones: u8) -> Option<i8> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| byte - b'0');
    i8::try_from(digit(tens)? * 10 + digit(ones)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_times() {
        #[track_caller]
        fn check(line: &str, expected: Option<(&str, &str)>) {
            let got = parse_local(line.as_bytes());
            let got = got.map(|(local, rest)| {
                (
                    local.to_string(),
                    String::from_utf8_lossy(rest).into_owned(),
                )
            });
            assert_eq!(
                got,
                expected.map(|(local, rest)| (local.into(), rest.into())),
                "{line}"
            );
        }
        check(
            "2026-11-20 10:11:12 upgrade",
            Some(("2026-11-20T10:11:12", " upgrade")),
        );
        check("2026-11-20  10:11:12", Some(("2026-11-20T10:11:12", "")));
        // A leap second, as the C library may print one.
        check("2016-12-31 23:59:60", Some(("2016-12-31T23:59:59", "")));
        check("2026-02-30 10:11:12", None);
        check("2026-11-20T10:11:12", None);
        check("2026-11-20 10:11", None);
        check("", None);
    }

    #[test]
    fn an_hour_that_came_twice_and_one_that_never_was() {
        let Ok(bytes) = std::fs::read("/usr/share/zoneinfo/Europe/Berlin") else {
            assert!(std::env::var_os("CI").is_none(), "no tzdata in CI");
            eprintln!("SKIPPED: no /usr/share/zoneinfo/Europe/Berlin here");
            return;
        };
        let berlin = parse_zone(&bytes).unwrap();
        #[track_caller]
        fn check(zone: &Zone, local: &str, utc: &str) {
            let (local, _) = parse_local(local.as_bytes()).unwrap();
            let (utc, _) = parse_local(utc.as_bytes()).unwrap();
            assert_eq!(zone.instant(local), Zone::utc().instant(utc));
        }
        check(&berlin, "2026-07-01 12:00:00", "2026-07-01 10:00:00");
        check(&berlin, "2026-12-01 12:00:00", "2026-12-01 11:00:00");
        check(&berlin, "2026-10-25 02:30:00", "2026-10-25 00:30:00");
        check(&berlin, "2026-03-29 02:30:00", "2026-03-29 01:30:00");
        assert!(parse_zone(b"TZif").is_none());
        assert!(parse_zone(b"").is_none());
    }
}
