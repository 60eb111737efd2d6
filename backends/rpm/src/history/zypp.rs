//! zypp's history: one line for each package that was installed or removed.
//!
//! `date|install|name|evr|arch|requested by|repository|checksum|…`, the date in local time without a zone, the action
//! padded with blanks; lines of other actions and comments (`#`) between. An upgrade is an installation and says
//! nothing of the version before: that is the one last installed under this name, where the log reaches back to it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use unstale_packages::{Answer, Change, Damage, Place};

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
fn read(file: File, zone: &TimeZone, since: Since, changes: &mut Vec<Change>) -> io::Result<()> {
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
            new,
        })
    }
}
