//! zypp's history: one line for each package that was installed or removed.
//!
//! `date|install|name|evr|arch|requested by|repository|checksum|…`, the date in local time without a zone, the action
//! padded with blanks; lines of other actions and comments (`#`) between. An upgrade is an installation and says
//! nothing of the version before: that is the one last installed under this name, where the log reaches back to it.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use unstale_packages::{Answer, Change, Damage, OpenFile, Place};

use super::{Since, system_time};
use crate::root::Root;

const PATH: &str = "/var/log/zypp/history";
const ZONE: &str = "/etc/localtime";
/// Real zone files have some four kilobytes.
const LARGEST_ZONE: u64 = 256 << 10;
/// A line with the output of a script may be long, a line about a package is not.
const LONGEST_LINE: u64 = 64 << 10;
/// More packages than any distribution has.
const MOST_NAMES: usize = 200_000;

/// The changes that the history tells.
pub(super) fn changes(root: &Root, since: Since) -> Answer<Vec<Change>> {
    let path = Path::new(PATH);
    let mut answer = Answer::whole(Vec::new());
    let broken = |file: &Path, e: io::Error| Damage {
        file: file.to_owned(),
        place: Place::Whole,
        what: e.to_string().to_lowercase(),
    };
    let file = match root.file(path) {
        Ok(Some(file)) => file,
        Ok(None) => return answer,
        Err(e) => {
            answer.damage.push(broken(path, e));
            return answer;
        }
    };
    let zone = match read_zone(root) {
        Ok(zone) => zone,
        Err(e) => {
            answer.damage.push(broken(Path::new(ZONE), e));
            TimeZone::UTC
        }
    };
    if let Err(e) = read(file, &zone, since, &mut answer.value) {
        answer.damage.push(broken(path, e));
    }
    answer
}

/// The root's own zone; UTC where it has none, as the C library does it.
fn read_zone(root: &Root) -> io::Result<TimeZone> {
    match root.read(Path::new(ZONE), LARGEST_ZONE)? {
        Some(bytes) => TimeZone::tzif("local", &bytes).map_err(io::Error::other),
        None => Ok(TimeZone::UTC),
    }
}

/// Reads line by line: the log may go back for years.
fn read(
    file: OpenFile,
    zone: &TimeZone,
    since: Since,
    changes: &mut Vec<Change>,
) -> io::Result<()> {
    let mut input = BufReader::new(file);
    let mut line = Vec::new();
    let mut installed = Installed::default();
    let mut is_start = true;
    loop {
        line.clear();
        let n = (&mut input)
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)?;
        if n == 0 {
            return Ok(());
        }
        if is_start && let Some(entry) = parse_line(&line) {
            changes.extend(installed.change(entry, zone, since));
        }
        is_start = line.ends_with(b"\n");
    }
}

/// A line about a package.
#[derive(Debug, PartialEq, Eq)]
struct Entry<'a> {
    date: DateTime,
    is_install: bool,
    name: &'a str,
    version: &'a str,
    arch: &'a str,
}

/// `None` for lines about anything else, and for those that are cut off.
fn parse_line(line: &[u8]) -> Option<Entry<'_>> {
    let line = std::str::from_utf8(line).ok()?.trim_end_matches('\n');
    let mut fields = line.split('|');
    let date = fields.next()?;
    let is_install = match fields.next()?.trim_end() {
        "install" => true,
        "remove" => false,
        _ => return None,
    };
    let (name, version, arch) = (fields.next()?, fields.next()?, fields.next()?);
    // The fields behind the architecture differ, but a whole line has some.
    fields.next()?;
    let is_whole = [name, version, arch].iter().all(|field| !field.is_empty());
    is_whole.then_some(Entry {
        date: date.parse().ok()?,
        is_install,
        name,
        version,
        arch,
    })
}

/// Versions by name and architecture, as of some line of the log.
#[derive(Default)]
struct Installed(HashMap<(String, String), String>);

impl Installed {
    /// Takes note of a line; a change if it is recent enough.
    fn change(&mut self, entry: Entry<'_>, zone: &TimeZone, since: Since) -> Option<Change> {
        let package = (entry.name.to_owned(), entry.arch.to_owned());
        let version = entry.version.to_owned();
        let (old, new) = if entry.is_install {
            let has_room = self.0.len() < MOST_NAMES || self.0.contains_key(&package);
            let old = has_room.then(|| self.0.insert(package, version.clone()));
            // Kernels are installed beside each other.
            let old = old.flatten().filter(|_| !entry.name.starts_with("kernel-"));
            (old, Some(version))
        } else {
            self.0.remove(&package);
            (Some(version), None)
        };
        let at = entry.date.to_zoned(zone.clone()).ok()?;
        let at = at.timestamp().as_second();
        if Since(at) < since {
            return None;
        }
        Some(Change {
            name: entry.name.to_owned(),
            arch: Some(entry.arch.to_owned()),
            at: system_time(at)?,
            old,
            // An upgrade is an installation too.
            is_first: false,
            new,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::{Since, changes, parse_line};
    use crate::root::Root;

    const LOG: &str = "\
# 2026-03-01 00:00:00 libz1-1.2-1.x86_64.rpm installed ok
2026-03-01 12:00:00|command|root@host|'zypper' 'in' 'libz1'|
2026-03-01 12:00:05|install|libz1|1.2-1|x86_64|root@host|repo-oss|0d5a|
2026-03-01 12:00:06|install|libz1|1.2-1|i586||repo-oss|0d5b|
2026-03-01 12:00:07|install|kernel-default|6.4-1|x86_64|root@host|repo-oss|0d5c|
2026-07-01 12:00:00|radd   |repo-oss|http://x|
2026-07-01 12:00:05|install|libz1|1.2-2|x86_64|root@host|repo-oss|0d5d|tag\\|ged
# what a script printed
2026-07-01 12:00:07|install|kernel-default|6.4-2|x86_64|root@host|repo-oss|0d5e|
2026-07-01 12:00:08|remove |kernel-default|6.4-1|x86_64|root@host|
2026-07-01 12:00:09|patch|openSUSE-1|1|noarch|repo|important|security|needed|applied|
2026-07-01 12:00:10|install|epoch|2:1.0-1|noarch||repo-oss|0d5f|
2026-07-01 12:00:11|install|cut";

    fn lab(zone: Option<&[u8]>) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        fs::create_dir_all(file("var/log/zypp")).unwrap();
        fs::create_dir_all(file("etc")).unwrap();
        fs::write(file("var/log/zypp/history"), LOG).unwrap();
        if let Some(zone) = zone {
            fs::write(file("etc/localtime"), zone).unwrap();
        }
        dir
    }

    #[track_caller]
    fn check(root: &Path, since: i64, expected: &[&str]) {
        let answer = changes(&Root::open(root).unwrap(), Since(since));
        assert_eq!(answer.damage, []);
        let version = |v: &Option<String>| v.clone().unwrap_or_else(|| "-".to_owned());
        let found: Vec<_> = answer
            .value
            .iter()
            .map(|c| {
                let at = c.at.duration_since(UNIX_EPOCH).unwrap().as_secs();
                let arch = c.arch.as_deref().unwrap();
                format!(
                    "{at} {}.{arch} {} {}",
                    c.name,
                    version(&c.old),
                    version(&c.new)
                )
            })
            .collect();
        assert_eq!(found, expected);
    }

    /// 2026-07-01 12:00:05 in UTC.
    const JULY: i64 = 1_782_907_205;

    #[test]
    fn old_versions_come_from_earlier_lines() {
        let dir = lab(None);
        check(
            dir.path(),
            JULY,
            &[
                "1782907205 libz1.x86_64 1.2-1 1.2-2",
                "1782907207 kernel-default.x86_64 - 6.4-2",
                "1782907208 kernel-default.x86_64 6.4-1 -",
                "1782907210 epoch.noarch - 2:1.0-1",
            ],
        );
        check(dir.path(), JULY + 5, &["1782907210 epoch.noarch - 2:1.0-1"]);
        check(dir.path(), JULY + 6, &[]);
        assert_eq!(
            changes(&Root::open(dir.path()).unwrap(), Since(0))
                .value
                .len(),
            7
        );
    }

    #[test]
    fn times_are_in_the_zone_of_the_root() {
        // A zone file of one hour ahead, and of two in summer by the rule at its end (RFC 9636).
        let counts = [0, 0, 0, 0, 1, 4].map(u32::to_be_bytes).concat();
        let block = [b"TZif2", &[0; 15][..], &counts, b"\0\0\x0e\x10\0\0CET\0"].concat();
        let rule = b"\nCET-1CEST,M3.5.0,M10.5.0/3\n";
        let zone = [&block[..], &block, rule].concat();
        let dir = lab(Some(&zone));
        check(
            dir.path(),
            JULY - 7_200 + 5,
            &["1782900010 epoch.noarch - 2:1.0-1"],
        );
        let all = changes(&Root::open(dir.path()).unwrap(), Since(0)).value;
        assert_eq!(
            all[0].at.duration_since(UNIX_EPOCH).unwrap().as_secs(),
            1_772_362_805
        );
    }

    #[test]
    fn a_broken_zone_is_damage_and_utc() {
        let dir = lab(Some(b"no zone"));
        let answer = changes(&Root::open(dir.path()).unwrap(), Since(JULY + 5));
        assert_eq!(answer.value.len(), 1);
        assert_eq!(answer.damage.len(), 1);
        assert_eq!(answer.damage[0].file, Path::new("/etc/localtime"));
    }

    #[test]
    fn no_log_is_an_empty_answer() {
        let dir = tempfile::tempdir().unwrap();
        check(dir.path(), 0, &[]);
    }

    #[test]
    fn what_is_no_line_about_a_package() {
        for line in [
            "",
            "|",
            "||||||",
            "# 2026-07-01 12:00:05|install|a|1|noarch|",
            "2026-07-01 12:00:05|install|a|1|noarch",
            "2026-07-01 12:00:05|install||1|noarch|",
            "2026-13-01 12:00:05|install|a|1|noarch|",
            "2026-07-01 12:00:05|installed|a|1|noarch|",
            "\u{0}",
        ] {
            assert_eq!(parse_line(line.as_bytes()), None, "{line}");
        }
        assert_eq!(
            parse_line(b"2026-07-01 12:00:05|install|\xff|1|noarch|"),
            None
        );
        assert!(parse_line(b"2026-07-01 12:00:05|install|a|1|noarch|").is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_line_and_zone_never_panic(line in "[0-9 :|-]{0,30}\\|(install|remove )\\|[a|]{0,9}", zone: Vec<u8>) {
            parse_line(line.as_bytes());
            let zone = [b"TZif2", &zone[..]].concat();
            let _ = jiff::tz::TimeZone::tzif("local", &zone);
        }
    }
}
