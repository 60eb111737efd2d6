//! What is installed: `status`, the journal `updates/NNNN` over it, and `status.d` where an image was built without
//! dpkg.

use std::collections::HashMap;
use std::io::{self, BufRead};
use std::path::Path;

use unstale_packages::{Damage, DbError, Place};

use crate::damage::Damages;
use crate::record::{Draft, Kind, Record};
use crate::root::{Root, Stamp, joined};

/// The database of states.
pub const STATUS: &str = "/var/lib/dpkg/status";
/// Its journal: whole paragraphs, each newer than the one in `status`.
pub const UPDATES: &str = "/var/lib/dpkg/updates";
/// One file for each package, in images built by other means than dpkg.
pub const STATUS_D: &str = "/var/lib/dpkg/status.d";

/// Forty times a large desktop's; read as a whole, so it bounds memory too.
const STATUS_CAP: u64 = 32 << 20;
/// One paragraph.
const PARAGRAPH_CAP: u64 = 256 << 10;
/// dpkg merges its journal after 250 entries; an image in single files has some hundred.
const ENTRIES_CAP: usize = 10_000;
/// Architectures of one package. dpkg itself knows fewer.
const INSTANCES_CAP: usize = 64;
const ATTEMPTS: u32 = 5;

/// All packages of the store.
#[derive(Debug, Default)]
pub struct Status {
    records: Vec<Record>,
    by_name: HashMap<String, Vec<usize>>,
    /// Entries of the journal that were not yet merged.
    pub journal: usize,
}

impl Status {
    /// Every record, in no promised order.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The records of that name.
    pub fn named<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Record> + use<'a> {
        let places = self.by_name.get(name).map_or(&[][..], Vec::as_slice);
        places.iter().map(|&place| &self.records[place])
    }

    /// The record that `info/NAME[:ARCH].*` belongs to.
    pub fn of_info(&self, name: &str, arch: Option<&str>) -> Option<&Record> {
        let mut best = None;
        for record in self.named(name).filter(|record| record.status_d.is_none()) {
            let fits = match arch {
                Some(arch) => record.package.arch == arch,
                None => best.is_none_or(|best: &Record| !best.state.has_files()),
            };
            if fits {
                best = Some(record);
            }
        }
        best
    }

    /// Adds a record, in place of the one it is newer than. `false` if one package has too many of them.
    pub fn put(&mut self, record: Record) -> bool {
        let places = self.by_name.entry(record.package.name.clone()).or_default();
        let older = places.iter().find(|&&place| {
            let old = &self.records[place];
            // Without Multi-Arch: same only one instance can be unpacked, whatever its architecture was before.
            let side_by_side = old.multi_arch_same || record.multi_arch_same;
            let both_unpacked = old.state.has_files() && record.state.has_files();
            old.package.arch == record.package.arch || (both_unpacked && !side_by_side)
        });
        match older {
            Some(&place) => self.records[place] = record,
            None if places.len() == INSTANCES_CAP => return false,
            None => {
                places.push(self.records.len());
                self.records.push(record);
            }
        }
        true
    }

    fn put_all(&mut self, records: Vec<Record>, file: &str, damages: &mut Damages) {
        for record in records {
            let name = record.package.name.clone();
            if !self.put(record) {
                damages.whole(
                    Path::new(file),
                    format!("{name} has more architectures than are kept"),
                );
            }
        }
    }
}

/// Parses paragraphs; damaged ones are noted and left out.
pub fn parse_status(text: &[u8], file: &Path, kind: Kind, damages: &mut Damages) -> Vec<Record> {
    let mut records = Vec::new();
    let mut draft = Draft::default();
    let (mut first, mut number, mut trouble) = (0, 0, None);
    let mut rest = text;
    while !rest.is_empty() {
        let all = rest;
        let length = rest.skip_until(b'\n').unwrap_or(0);
        let line = all[..length].strip_suffix(b"\n");
        number += 1;
        let cut = line.is_none() && kind == Kind::Status;
        let line = line.unwrap_or(all);
        if !line.is_empty() {
            first = if first == 0 { number } else { first };
            if trouble.is_none() {
                trouble = draft.take(line).err().map(|what| (number, what));
            }
            if cut {
                trouble = trouble.or(Some((number, "the file ends within this line")));
            }
        }
        if first != 0 && (line.is_empty() || rest.is_empty()) {
            let result = std::mem::take(&mut draft).finish(kind);
            match (trouble.take(), result) {
                (None, Ok(record)) => records.push(record),
                (Some((line, what)), _) => damages.line(file, line, what),
                (None, Err(what)) => damages.line(file, first, what),
            }
            first = 0;
        }
    }
    records
}

/// Reads the store's states.
///
/// # Errors
/// [`DbError`] if `status` or a directory beside it cannot be read, or `status` holds nothing but damage.
pub fn read_status(root: &Root, damages: &mut Damages) -> Result<Status, DbError> {
    for _ in 0..ATTEMPTS {
        let mut fresh = Damages::default();
        if let Some(status) = try_read_status(root, &mut fresh)? {
            for damage in fresh.into_vec() {
                damages.push(damage);
            }
            return Ok(status);
        }
    }
    Err(DbError::Busy {
        file: STATUS.into(),
    })
}

/// `None` if `status` was replaced while the journal was read: what was in the journal may have gone into it.
fn try_read_status(root: &Root, damages: &mut Damages) -> Result<Option<Status>, DbError> {
    let before = stamp(root)?;
    let journal = read_journal(root, damages)?;
    let path = Path::new(STATUS);
    let mut status = Status::default();
    let main = root
        .read(path, STATUS_CAP)
        .map_err(|source| io_error(STATUS, source))?;
    if main.as_ref().map(|(_, stamp)| *stamp) != before {
        return Ok(None);
    }
    if let Some((text, _)) = main {
        let records = parse_status(&text, path, Kind::Status, damages);
        status.put_all(records, STATUS, damages);
        if status.records.is_empty() && !damages.is_empty() {
            return Err(DbError::Corrupt(Damage {
                file: STATUS.into(),
                place: Place::Whole,
                what: "no readable record in it".into(),
            }));
        }
    }
    status.journal = journal.len();
    for records in journal {
        status.put_all(records, UPDATES, damages);
    }
    let records = read_status_d(root, damages)?;
    status.put_all(records, STATUS_D, damages);
    Ok(Some(status))
}

fn stamp(root: &Root) -> Result<Option<Stamp>, DbError> {
    let found = root
        .stat(Path::new(STATUS))
        .map_err(|source| io_error(STATUS, source))?;
    Ok(found.map(|(_, stamp)| stamp))
}

/// The records of each entry of the journal, oldest first.
fn read_journal(root: &Root, damages: &mut Damages) -> Result<Vec<Vec<Record>>, DbError> {
    // Numbers of one width: the order of names is the order of time. `tmp.i` is the one being written.
    let mut names = names(root, UPDATES)?;
    names.retain(|name| name.iter().all(u8::is_ascii_digit));
    names.sort();
    truncate(&mut names, UPDATES, damages);
    let read = |name: Vec<u8>| {
        let file = joined(UPDATES, &name);
        let text = read_small(root, &file, damages)?;
        Some(parse_status(&text, &file, Kind::Status, damages))
    };
    Ok(names.into_iter().filter_map(read).collect())
}

fn read_status_d(root: &Root, damages: &mut Damages) -> Result<Vec<Record>, DbError> {
    let mut names = names(root, STATUS_D)?;
    names.retain(|name| !name.ends_with(b".md5sums") && !name.starts_with(b"."));
    names.sort();
    truncate(&mut names, STATUS_D, damages);
    let mut records = Vec::new();
    for name in names {
        let file = joined(STATUS_D, &name);
        let Some(text) = read_small(root, &file, damages) else {
            continue;
        };
        for mut record in parse_status(&text, &file, Kind::StatusD, damages) {
            record.status_d = Some(name.clone());
            records.push(record);
        }
    }
    Ok(records)
}

fn truncate(names: &mut Vec<Vec<u8>>, dir: &str, damages: &mut Damages) {
    if names.len() > ENTRIES_CAP {
        damages.whole(Path::new(dir), "more entries than are read");
        names.truncate(ENTRIES_CAP);
    }
}

/// `None` if it is gone (merged meanwhile) or unreadable, which is noted.
fn read_small(root: &Root, file: &Path, damages: &mut Damages) -> Option<Vec<u8>> {
    match root.read(file, PARAGRAPH_CAP) {
        Ok(read) => read.map(|(text, _)| text),
        Err(error) => {
            damages.whole(file, format!("cannot be read: {error}"));
            None
        }
    }
}

fn names(root: &Root, dir: &str) -> Result<Vec<Vec<u8>>, DbError> {
    let folder = root
        .open_dir(Path::new(dir))
        .map_err(|source| io_error(dir, source))?;
    let names = folder.map(|folder| folder.names()).transpose();
    Ok(names
        .map_err(|source| io_error(dir, source))?
        .unwrap_or_default())
}

/// An error of reading, with the file it is about.
pub(crate) fn io_error(file: &str, source: io::Error) -> DbError {
    DbError::Io {
        file: file.into(),
        source,
    }
}
