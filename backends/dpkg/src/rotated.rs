//! A log and its rotated parts: `dpkg.log`, `dpkg.log.1`, `dpkg.log.2.gz`, `dpkg.log-20261101.gz`.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use flate2::bufread::GzDecoder;

use crate::damage::Damages;
use crate::lines::{Buffer, Limits, read_lines};
use crate::root::{Folder, Root, joined};

/// A line of apt's history names every package of a transaction. The whole is of the unpacked text.
pub const LIMITS: Limits = Limits {
    line: 4 << 20,
    total: 64 << 20,
};
/// Of a root that somebody else rules.
const FOREIGN_LIMITS: Limits = Limits {
    line: 1 << 20,
    total: 4 << 20,
};
/// Years of monthly rotation.
const PARTS_CAP: usize = 200;
const FOREIGN_PARTS_CAP: usize = 3;
/// logrotate makes one.
const MEMBERS_CAP: u32 = 1000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How a part is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// gzip, possibly of several members.
    Gzip,
    /// In a way that is not read here.
    Other,
}

/// One part of a log.
#[derive(Debug)]
pub struct Part {
    /// In the root.
    pub path: PathBuf,
    name: Vec<u8>,
    packing: Packing,
    modified: (i64, i64),
}

/// The parts that may tell of something at or after `since`, newest first.
pub fn read_parts(
    root: &Root,
    dir: &str,
    log: &str,
    since: SystemTime,
    damages: &mut Damages,
) -> Parts {
    let mut parts = Vec::new();
    let (limits, cap) = match root.is_foreign() {
        true => (FOREIGN_LIMITS, FOREIGN_PARTS_CAP),
        false => (LIMITS, PARTS_CAP),
    };
    let folder = match root.open_dir(Path::new(dir)) {
        Ok(folder) => folder,
        Err(error) => {
            damages.whole(Path::new(dir), format!("cannot be read: {error}"));
            None
        }
    };
    let Some(folder) = folder else {
        return Parts {
            folder: None,
            parts,
            limits,
        };
    };
    let names = folder.names().unwrap_or_else(|error| {
        damages.whole(Path::new(dir), format!("cannot be read: {error}"));
        Vec::new()
    });
    // The day is for clocks that were set, and for tools that keep no exact time.
    let oldest = since
        .checked_sub(DAY)
        .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    let oldest = oldest.map_or(0, |age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
    for name in names {
        let Some(packing) = parse_part_name(&name, log) else {
            continue;
        };
        // A vanished part was just rotated: its text is in the next one.
        let modified = match folder.stat(&name) {
            Ok(Some((_, stamp))) => stamp.modified,
            _ => continue,
        };
        if modified.0 >= oldest {
            parts.push(Part {
                path: joined(dir, &name),
                name,
                packing,
                modified,
            });
        }
    }
    parts.sort_by(|a, b| (b.modified, &a.name).cmp(&(a.modified, &b.name)));
    if parts.len() > cap {
        damages.whole(Path::new(dir), "more rotated logs than are read");
        parts.truncate(cap);
    }
    Parts {
        folder: Some(folder),
        parts,
        limits,
    }
}

/// The parts of one log, and the directory they are in.
#[derive(Debug)]
pub struct Parts {
    folder: Option<Folder>,
    /// Newest first.
    pub parts: Vec<Part>,
    limits: Limits,
}

impl Parts {
    /// Hands each line of `part` to `each`; what cannot be read is noted. `false` if not all of it was read.
    pub fn read(
        &self,
        part: &Part,
        buffer: &mut Buffer,
        damages: &mut Damages,
        each: impl FnMut(u64, &[u8]),
    ) -> bool {
        let Some(folder) = &self.folder else {
            return false;
        };
        if part.packing == Packing::Other {
            damages.whole(&part.path, "packed in a way that is not read, only gzip is");
            return false;
        }
        let file = match folder.open_regular(&part.name) {
            Ok(Some(regular)) => regular.file,
            Ok(None) => return false,
            Err(error) => {
                damages.whole(&part.path, format!("cannot be read: {error}"));
                return false;
            }
        };
        match read_packed(file, part.packing, self.limits, buffer, each) {
            Ok(None) => true,
            Ok(Some((line, what))) => {
                damages.line(&part.path, line, what);
                false
            }
            Err((line, error)) => {
                damages.line(&part.path, line, format!("cannot be read: {error}"));
                false
            }
        }
    }
}

/// Hands each line of a packed text to `each`, within bounds; the line that ends reading early, and why.
///
/// # Errors
/// What unpacking says, and the line it was at.
pub fn read_packed(
    from: impl Read,
    packing: Packing,
    limits: Limits,
    buffer: &mut Buffer,
    each: impl FnMut(u64, &[u8]),
) -> Result<Option<(u64, &'static str)>, (u64, io::Error)> {
    let end = match packing {
        Packing::Gzip => read_lines(Members::new(from), buffer, limits, each)?,
        Packing::Plain | Packing::Other => read_lines(from, buffer, limits, each)?,
    };
    Ok(end.trouble())
}

/// The members of a gzip file, one after the other. Their number is bounded: starting one costs as much as many
/// lines, and a member may unpack to nothing.
struct Members<R> {
    current: Option<GzDecoder<BufReader<R>>>,
    left: u32,
}

impl<R: Read> Members<R> {
    fn new(from: R) -> Self {
        Self {
            current: Some(GzDecoder::new(BufReader::new(from))),
            left: MEMBERS_CAP,
        }
    }
}

impl<R: Read> Read for Members<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while let Some(mut current) = self.current.take() {
            let got = current.read(into)?;
            if got > 0 || into.is_empty() {
                self.current = Some(current);
                return Ok(got);
            }
            let mut rest = current.into_inner();
            if rest.fill_buf()?.is_empty() {
                break;
            }
            if self.left == 0 {
                return Err(io::Error::other("too many members in it"));
            }
            self.left -= 1;
            self.current = Some(GzDecoder::new(rest));
        }
        Ok(0)
    }
}

/// Whether this is the name of `log` or of a rotated part of it, and how that is packed.
pub fn parse_part_name(name: &[u8], log: &str) -> Option<Packing> {
    let rest = name.strip_prefix(log.as_bytes())?;
    if rest.is_empty() {
        return Some(Packing::Plain);
    }
    let rest = rest
        .strip_prefix(b".")
        .or_else(|| rest.strip_prefix(b"-"))?;
    let digits = rest
        .iter()
        .take_while(|&&b| b.is_ascii_digit() || b == b'-')
        .count();
    match (digits, &rest[digits..]) {
        (0, _) => None,
        (_, b"") => Some(Packing::Plain),
        (_, b".gz") => Some(Packing::Gzip),
        (_, b".xz" | b".zst" | b".bz2" | b".lz4" | b".Z") => Some(Packing::Other),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_parts() {
        #[track_caller]
        fn check(name: &str, expected: Option<Packing>) {
            assert_eq!(
                parse_part_name(name.as_bytes(), "dpkg.log"),
                expected,
                "{name}"
            );
        }
        check("dpkg.log", Some(Packing::Plain));
        check("dpkg.log.1", Some(Packing::Plain));
        check("dpkg.log.12.gz", Some(Packing::Gzip));
        check("dpkg.log-20261101.gz", Some(Packing::Gzip));
        check("dpkg.log-2026-11-01", Some(Packing::Plain));
        check("dpkg.log.2.xz", Some(Packing::Other));
        check("dpkg.log.swp", None);
        check("dpkg.log.gz", None);
        check("dpkg.logx", None);
        check("alternatives.log", None);
    }
}
