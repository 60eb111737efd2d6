//! A read-only reader of SQLite 3 files, rollback and WAL mode.
//!
//! Our own, because every way to open a database with SQLite itself is wrong for a live rpm database in some
//! situation: `immutable=1` does not see what is committed but not checkpointed, `mode=ro` fails without `-shm` for
//! users and creates files as root, read-write removes `-wal` and `-shm` under everybody else. This reader takes no
//! lock and creates nothing. What it reads may change meanwhile: [`Snapshot`] notices.
//!
//! Bytes are not trusted: page numbers, sizes, counts and trees may be anything. Every read is bounded.

mod btree;
mod page;
mod record;
mod schema;
mod snapshot;
#[cfg(test)]
mod tests;
mod wal;

use std::borrow::Cow;
use std::io;
use std::ops::ControlFlow;
use std::rc::Rc;

use unstale_packages::OpenFile;

pub(crate) use record::Value;
pub(crate) use schema::Table;
pub(crate) use snapshot::{Snapshot, beside};

use page::Pages;
use schema::Entry;
use wal::WalIndex;

/// Why a database, or a part of it, cannot be read.
#[derive(Debug)]
pub(crate) enum Error {
    /// The system refused.
    Io(io::Error),
    /// The bytes are not what they should be.
    Flaw(Flaw),
}

/// Bytes that are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// Whether the place is in the `-wal` file rather than in the database itself.
    pub(crate) in_wal: bool,
    /// Where in that file, in bytes.
    pub(crate) offset: u64,
    /// What is wrong: lower case, no full stop.
    pub(crate) what: String,
}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

impl From<Flaw> for Error {
    fn from(flaw: Flaw) -> Self {
        Self::Flaw(flaw)
    }
}

/// Flaws found on the way, and no more of them than a person would read.
#[derive(Debug, Default)]
pub(crate) struct Flaws(Vec<Flaw>);

impl Flaws {
    const MOST: usize = 64;

    /// Notes one flaw, unless there are too many already or it is known.
    pub(crate) fn note(&mut self, flaw: Flaw) {
        if self.0.len() < Self::MOST && !self.0.contains(&flaw) {
            self.0.push(flaw);
        }
    }

    /// Takes the value; a flaw is noted and leaves none. A refusal of the system goes on to the caller.
    pub(crate) fn keep<T>(&mut self, result: Result<T, Error>) -> Result<Option<T>, Error> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Error::Flaw(flaw)) => {
                self.note(flaw);
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    /// All that was noted.
    pub(crate) fn into_vec(self) -> Vec<Flaw> {
        self.0
    }

    /// Whether nothing was noted.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One row on its way to a visitor: its number, its columns, and the place of its page.
pub(crate) struct Row<'a> {
    /// The row's number.
    pub(crate) id: i64,
    /// The columns as stored; a column that stands for the row's number is null here.
    pub(crate) values: Vec<Value<'a>>,
    /// A flaw at this row, for a caller that cannot make sense of its content.
    place: Place,
}

impl<'a> Row<'a> {
    fn parse(id: i64, bytes: &'a [u8], place: Place) -> Result<Self, Flaw> {
        let (in_wal, offset) = place;
        match record::parse(bytes) {
            Ok(values) => Ok(Self { id, values, place }),
            Err(what) => Err(Flaw {
                in_wal,
                offset,
                what: what.to_owned(),
            }),
        }
    }

    /// A flaw of this row.
    pub(crate) fn flaw(&self, what: impl Into<String>) -> Flaw {
        let (in_wal, offset) = self.place;
        Flaw {
            in_wal,
            offset,
            what: what.into(),
        }
    }
}

/// An open database.
pub(crate) struct Database {
    pages: Pages,
    entries: Vec<Entry>,
}

impl Database {
    /// Reads the header of the database, the index of the WAL, and the schema.
    fn open(file: OpenFile, wal: Option<(OpenFile, Rc<WalIndex>)>) -> Result<Self, Error> {
        let pages = Pages::open(file, wal)?;
        let mut flaws = Flaws::default();
        let entries = schema::read(&pages, &mut flaws)?;
        match flaws.into_vec().into_iter().next() {
            // Half a schema would make tables look absent.
            Some(flaw) => Err(flaw.into()),
            None => Ok(Self { pages, entries }),
        }
    }

    /// The table of that name.
    pub(crate) fn table(&self, name: &str) -> Option<Table> {
        let mut of_name = self.entries.iter().filter(|e| e.kind == b"table");
        of_name
            .find(|e| e.name.eq_ignore_ascii_case(name.as_bytes()))
            .map(Entry::table)
    }

    /// The root page of the index of that name.
    pub(crate) fn index(&self, name: &str) -> Option<u32> {
        let mut of_name = self.entries.iter().filter(|e| e.kind == b"index");
        of_name
            .find(|e| e.name.eq_ignore_ascii_case(name.as_bytes()))
            .map(|e| e.root)
    }

    /// Shows every row of a table to `visit`, in the order of their numbers, until it breaks off. Rows and pages that
    /// cannot be read are noted in `flaws` and skipped.
    pub(crate) fn scan(
        &self,
        table: &Table,
        flaws: &mut Flaws,
        visit: &mut dyn FnMut(&Row<'_>, &mut Flaws) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        btree::scan(&self.pages, table.root, flaws, &mut |raw, flaws| {
            match Row::parse(raw.id, raw.bytes, raw.place) {
                Ok(row) => return visit(&row, flaws),
                Err(flaw) => flaws.note(flaw),
            }
            ControlFlow::Continue(())
        })
    }

    /// Finds the row of that number and lets `view` see it.
    pub(crate) fn row<T>(
        &self,
        table: &Table,
        id: i64,
        view: impl FnOnce(&Row<'_>) -> T,
    ) -> Result<Option<T>, Error> {
        let Some((bytes, place)) = btree::get(&self.pages, table.root, id)? else {
            return Ok(None);
        };
        Ok(Some(view(&Row::parse(id, &bytes, place)?)))
    }

    /// The numbers of the rows that an index on a text column lists under `key`.
    pub(crate) fn row_ids(&self, index_root: u32, key: &[u8]) -> Result<Vec<i64>, Error> {
        btree::seek(&self.pages, index_root, key)
    }

    /// Names of all tables, for comparison with the real SQLite.
    #[cfg(test)]
    pub(crate) fn table_names(&self) -> Vec<String> {
        let tables = self.entries.iter().filter(|e| e.kind == b"table");
        tables
            .map(|e| String::from_utf8_lossy(&e.name).into_owned())
            .collect()
    }
}

/// A row's bytes, borrowed from its page or put together from several.
type Payload<'a> = Cow<'a, [u8]>;
/// A place for a flaw: whether it is in the WAL, and the byte offset.
type Place = (bool, u64);
