//! Which installed packages somebody wants to hear of, and when each was unpacked.
//!
//! dpkg records no times. It writes `info/NAME[:ARCH].list` and puts every control file of the package in place anew
//! each time that it unpacks the package (`dpkg-deb --control` sets no times from the archive); configuring, triggers,
//! diversions and overrides leave them alone. It writes the list of *another* package too, when a file moves from one
//! package to another (`Replaces`), but not its digests: so the older time of the two counts. Times of change (ctime)
//! would tell when an image was copied.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::FileType;
use unstale_packages::{Answer, DbError, Match, Wanted};

use crate::damage::Damages;
use crate::lists::{INFO, parse_stem, stem};
use crate::owners::open_info;
use crate::record::Record;
use crate::root::{Folder, Root, joined};
use crate::status::{Status, io_error};

/// See [`unstale_packages::PackageDb::matching`].
pub(crate) fn read_matching(
    root: &Root,
    status: impl FnOnce(&mut Damages) -> Result<Arc<Status>, DbError>,
    wanted: &[Wanted],
    since: Option<SystemTime>,
) -> Result<Answer<Vec<Match>>, DbError> {
    let mut damages = Damages::default();
    let mut value = Vec::new();
    let folder = open_info(root)?;
    let fresh = match (since, &folder) {
        (Some(since), Some(folder)) => Some(Fresh::read(
            root,
            folder,
            wanted,
            seconds(since),
            &mut damages,
        )?),
        // Without lists the store does not tell when anything was installed.
        (Some(_), None) => Some(Fresh::default()),
        (None, _) => None,
    };
    // The usual case of a check: nothing was installed since, and the large file is not read.
    if !wanted.is_empty() && fresh.as_ref().is_none_or(|fresh| !fresh.lists.is_empty()) {
        let status = status(&mut damages)?;
        let times = Times {
            folder: folder.as_ref(),
            fresh: fresh.as_ref(),
            status: &status,
        };
        value = matches(wanted, &times);
    }
    Ok(Answer {
        value,
        damage: damages.into_vec(),
    })
}

/// Lists that were written at or after some second.
#[derive(Debug, Default)]
struct Fresh {
    since: i64,
    /// By the name of the file without its ending.
    lists: HashMap<Vec<u8>, i64>,
}

impl Fresh {
    fn read(
        root: &Root,
        folder: &Folder,
        wanted: &[Wanted],
        since: i64,
        damages: &mut Damages,
    ) -> Result<Self, DbError> {
        let mut lists = HashMap::new();
        let failed = |source| io_error(INFO, source);
        // Lists are written beside the old ones and renamed, which renews the directory's time too.
        let directory = root.stat(Path::new(INFO)).map_err(failed)?;
        let is_old = directory.is_some_and(|(_, stamp)| stamp.modified.0 < since);
        let names = if is_old {
            Vec::new()
        } else {
            folder.names().map_err(failed)?
        };
        for name in &names {
            let Some(stem) = stem(name, ".list").filter(|stem| may_be_meant(wanted, stem)) else {
                continue;
            };
            match modified(folder, name) {
                Ok(Some(at)) if at >= since => {
                    lists.insert(stem.to_vec(), at);
                }
                Ok(_) => {}
                Err(error) => {
                    damages.whole(&joined(INFO, name), format!("cannot be looked at: {error}"));
                }
            }
        }
        Ok(Self { since, lists })
    }
}

/// Whether a list may be that of a package that is wanted: where names alone count, its own name tells.
fn may_be_meant(wanted: &[Wanted], stem: &[u8]) -> bool {
    let name = parse_stem(stem).map_or(stem, |(name, _)| name.as_bytes());
    wanted
        .iter()
        .any(|one| one.by_provides || one.by_name && unstale_packages::is_like(&one.name, name))
}

/// When packages were unpacked.
struct Times<'a> {
    folder: Option<&'a Folder>,
    /// The only ones that matter, if only fresh ones do.
    fresh: Option<&'a Fresh>,
    status: &'a Status,
}

impl Times<'_> {
    /// When a package was unpacked, in seconds; `Err` if that is too long ago to matter.
    fn of(&self, record: &Record) -> Result<Option<i64>, TooOld> {
        let at = self.unpacked(record);
        match self.fresh {
            Some(fresh) if at.is_none_or(|at| at < fresh.since) => Err(TooOld),
            _ => Ok(at),
        }
    }

    fn unpacked(&self, record: &Record) -> Option<i64> {
        let folder = self.folder.filter(|_| record.status_d.is_none())?;
        let package = &record.package;
        let plain = package.name.clone();
        let with_arch = format!("{}:{}", package.name, package.arch);
        let stems = if record.multi_arch_same {
            [with_arch, plain]
        } else {
            [plain, with_arch]
        };
        for stem in stems {
            let whose = parse_stem(stem.as_bytes());
            let is_own = whose
                .and_then(|(name, arch)| self.status.of_info(name, arch))
                .is_some_and(|owner| std::ptr::eq(owner, record));
            if !is_own {
                continue;
            }
            let listed = match self.fresh {
                Some(fresh) => fresh.lists.get(stem.as_bytes()).copied(),
                None => time_of(folder, &stem, ".list"),
            };
            if let Some(listed) = listed {
                let digests = time_of(folder, &stem, ".md5sums");
                return Some(digests.map_or(listed, |digests| digests.min(listed)));
            }
        }
        None
    }
}

/// A package was unpacked before the time that was asked for, or nobody knows when.
struct TooOld;

fn time_of(folder: &Folder, stem: &str, ending: &str) -> Option<i64> {
    modified(folder, format!("{stem}{ending}").as_bytes())
        .ok()
        .flatten()
}

fn modified(folder: &Folder, name: &[u8]) -> std::io::Result<Option<i64>> {
    let found = folder.stat(name)?;
    Ok(found.and_then(|(kind, stamp)| (kind == FileType::RegularFile).then_some(stamp.modified.0)))
}

fn matches(wanted: &[Wanted], times: &Times<'_>) -> Vec<Match> {
    let mut found = Vec::new();
    let unpacked = times.status.records().iter();
    for record in unpacked.filter(|record| record.state.has_files()) {
        let mut at = None;
        for (index, one) in wanted.iter().enumerate() {
            let Some(capability_version) = meant(one, record) else {
                continue;
            };
            // Looked up for what is wanted alone, and once.
            match at.get_or_insert_with(|| times.of(record)) {
                Ok(at) => found.push(Match {
                    wanted: index,
                    package: record.package.clone(),
                    at: at.and_then(system_time),
                    capability_version,
                }),
                Err(TooOld) => break,
            }
        }
    }
    found.sort_by(|a, b| (a.wanted, &a.package).cmp(&(b.wanted, &b.package)));
    found
}

/// Whether a package is meant; with the version of the capability, if it is meant by one that has a version.
fn meant(wanted: &Wanted, record: &Record) -> Option<Option<String>> {
    if wanted.by_name && unstale_packages::is_like(&wanted.name, record.package.name.as_bytes()) {
        return Some(None);
    }
    if !wanted.by_provides {
        return None;
    }
    let mut versions = parse_provides(&record.provides)
        .filter(|(name, _)| *name == wanted.name.as_bytes())
        .map(|(_, version)| version);
    let first = versions.next()?;
    // What is said without a version is said of all.
    let version = first.filter(|_| versions.all(|version| version.is_some()));
    Some(version.map(|version| String::from_utf8_lossy(version).into_owned()))
}

/// Names and versions in `a, b (= 1.2), c:any`.
pub fn parse_provides(field: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    field.split(|&b| b == b',').filter_map(|one| {
        let one = one.trim_ascii();
        let end = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'(' | b':');
        let (name, rest) = one.split_at(one.iter().position(end).unwrap_or(one.len()));
        let version = rest
            .iter()
            .position(|&b| b == b'(')
            .map(|open| &rest[open + 1..]);
        let version = version
            .and_then(|rest| rest.strip_suffix(b")"))
            .map(|inside| inside.trim_ascii().trim_ascii_start())
            .and_then(|inside| inside.strip_prefix(b"="))
            .map(<[u8]>::trim_ascii);
        (!name.is_empty()).then_some((name, version))
    })
}

/// The second of a time, which is the grain of what is asked.
fn seconds(time: SystemTime) -> i64 {
    let whole = |part: Duration| i64::try_from(part.as_secs()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => whole(after),
        Err(before) => -whole(before.duration()) - 1,
    }
}

fn system_time(seconds: i64) -> Option<SystemTime> {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provides() {
        #[track_caller]
        fn check(field: &str, expected: &[(&str, Option<&str>)]) {
            let found: Vec<_> = parse_provides(field.as_bytes()).collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, version)| (name.as_bytes(), version.map(str::as_bytes)))
                .collect();
            assert_eq!(found, expected, "{field}");
        }
        check("", &[]);
        check("a", &[("a", None)]);
        check(
            "a, b (= 1.2-3) ,c",
            &[("a", None), ("b", Some("1.2-3")), ("c", None)],
        );
        check("a:any (= 1), b(=2)", &[("a", Some("1")), ("b", Some("2"))]);
        check(" , a (1, b ()", &[("a", None), ("b", None)]);
    }

    #[test]
    fn seconds_of_times() {
        assert_eq!(seconds(UNIX_EPOCH + Duration::from_millis(1999)), 1);
        assert_eq!(seconds(UNIX_EPOCH - Duration::from_millis(500)), -1);
        assert_eq!(system_time(-3), Some(UNIX_EPOCH - Duration::from_secs(3)));
    }
}
