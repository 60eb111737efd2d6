//! The table of packages, and the tables that index it.

use std::ops::ControlFlow;

use unstale_packages::Package;

use crate::bytes::native_u32;
use crate::header::{BadHeader, Header, tag};
use crate::sqlite::{Database, Error, Flaw, Flaws, Row, Table};

/// The packages of one database.
pub(crate) struct Packages<'a> {
    database: &'a Database,
    table: Table,
    blob: usize,
}

impl<'a> Packages<'a> {
    /// `None` if the database has no table of packages: rpm has created it, but nothing more.
    pub(crate) fn of(database: &'a Database) -> Option<Self> {
        let table = database.table("Packages")?;
        let blob = table.column("blob")?;
        Some(Self {
            database,
            table,
            blob,
        })
    }

    /// Shows every package to `visit`, until it breaks off.
    pub(crate) fn each(
        &self,
        flaws: &mut Flaws,
        visit: &mut dyn FnMut(&Header<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let table = &self.table;
        self.database.scan(table, flaws, &mut |row, flaws| {
            match self.header(row) {
                Ok(Some(header)) => {
                    check_paths(&header, row, flaws);
                    return visit(&header);
                }
                Ok(None) => {}
                Err(flaw) => flaws.note(flaw),
            }
            ControlFlow::Continue(())
        })
    }

    /// Shows the packages of these numbers to `visit`.
    pub(crate) fn some(
        &self,
        numbers: impl IntoIterator<Item = i64>,
        flaws: &mut Flaws,
        visit: &mut dyn FnMut(&Header<'_>),
    ) -> Result<(), Error> {
        for number in numbers {
            let shown = self.database.row(&self.table, number, |row| {
                if let Some(header) = self.header(row)? {
                    check_paths(&header, row, flaws);
                    visit(&header);
                }
                Ok::<_, Flaw>(())
            });
            match flaws.keep(shown)? {
                Some(Some(Err(flaw))) => flaws.note(flaw),
                Some(Some(Ok(()))) | None => {}
                Some(None) => flaws.note(Flaw {
                    in_wal: false,
                    offset: 0,
                    what: format!("an index leads to package {number}, which does not exist"),
                }),
            }
        }
        Ok(())
    }

    /// Shows the packages of that name to `visit`.
    pub(crate) fn named(
        &self,
        name: &[u8],
        flaws: &mut Flaws,
        visit: &mut dyn FnMut(&Header<'_>),
    ) -> Result<(), Error> {
        let mut of_name = |header: &Header<'_>| {
            if header.string(tag::NAME) == Some(name) {
                visit(header);
            }
        };
        if let Some(index) = Index::of(self.database, "Name")
            && let Some(numbers) = flaws.keep(index.packages(name))?
        {
            return self.some(numbers, flaws, &mut of_name);
        }
        self.each(flaws, &mut |header| {
            of_name(header);
            ControlFlow::Continue(())
        })
    }

    /// The numbers of the packages that transactions of the last day before `since`, or later ones, installed; `None`
    /// if the database does not list that. A package's own time is later than its transaction's.
    pub(crate) fn of_transactions_since(
        &self,
        since: i64,
        flaws: &mut Flaws,
    ) -> Result<Option<Vec<i64>>, Error> {
        const DAY: i64 = 86_400;
        let Some(table) = self.database.table("Installtid") else {
            return Ok(None);
        };
        let (key, hnum) = (table.column("key"), table.column("hnum"));
        let (Some(key), Some(hnum)) = (key, hnum) else {
            return Ok(None);
        };
        let mut numbers = Vec::new();
        let mut is_whole = true;
        self.database.scan(&table, flaws, &mut |row, _| {
            let value = |i: usize| row.values.get(i);
            // rpm writes this number in its machine's order.
            let started = value(key)
                .and_then(|v| v.bytes())
                .and_then(|b| native_u32(b, 0));
            match (started, value(hnum).and_then(|v| v.int())) {
                (Some(started), Some(number)) => {
                    if i64::from(started) >= since.saturating_sub(DAY) {
                        numbers.push(number);
                    }
                    ControlFlow::Continue(())
                }
                _ => {
                    is_whole = false;
                    ControlFlow::Break(())
                }
            }
        })?;
        numbers.sort_unstable();
        numbers.dedup();
        Ok(is_whole.then_some(numbers))
    }

    /// The header in a row; `None` for the rows that are no packages.
    fn header<'r>(&self, row: &Row<'r>) -> Result<Option<Header<'r>>, Flaw> {
        let id = row.id;
        let blob = row.values.get(self.blob).and_then(|value| value.bytes());
        let blob = blob.ok_or_else(|| row.flaw(format!("package {id} has no header")))?;
        let header = Header::parse(blob).map_err(|BadHeader { offset, what }| {
            row.flaw(format!("package {id}, header byte {offset}: {what}"))
        })?;
        match header.string(tag::NAME) {
            Some(b"gpg-pubkey") => Ok(None),
            Some(name) if !name.is_empty() => Ok(Some(header)),
            _ => Err(row.flaw(format!("package {id} has no name"))),
        }
    }
}

/// A file whose directory is unknown cannot be found; the package's others can.
fn check_paths(header: &Header<'_>, row: &Row<'_>, flaws: &mut Flaws) {
    if !header.has_whole_paths() {
        flaws.note(row.flaw(format!("package {}: a file lies in no directory", row.id)));
    }
}

/// One of the tables that lead from a text to packages: `Name`, `Basenames`, `Dirnames`, `Providename`.
pub(crate) struct Index<'a> {
    database: &'a Database,
    table: Table,
    root: u32,
    hnum: usize,
}

impl<'a> Index<'a> {
    /// `None` if the database does not have it: rpm makes them all, but can live without.
    pub(crate) fn of(database: &'a Database, name: &str) -> Option<Self> {
        let table = database.table(name)?;
        let hnum = table.column("hnum")?;
        Some(Self {
            database,
            root: database.index(&format!("{name}_key_idx"))?,
            table,
            hnum,
        })
    }

    /// The numbers of the packages listed under `key`, ascending, each once.
    pub(crate) fn packages(&self, key: &[u8]) -> Result<Vec<i64>, Error> {
        let mut numbers = Vec::new();
        for id in self.database.row_ids(self.root, key)? {
            let number = self.database.row(&self.table, id, |row| {
                let hnum = row.values.get(self.hnum).and_then(|value| value.int());
                hnum.ok_or_else(|| row.flaw("a row of an index names no package"))
            })?;
            numbers.extend(number.transpose()?);
        }
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    /// Shows every key and the number of its package to `visit`.
    pub(crate) fn each(
        &self,
        flaws: &mut Flaws,
        visit: &mut dyn FnMut(&[u8], i64),
    ) -> Result<(), Error> {
        let key = self.table.column("key");
        self.database.scan(&self.table, flaws, &mut |row, flaws| {
            let value = |place: usize| row.values.get(place);
            let key = key.and_then(value).and_then(|value| value.bytes());
            match (key, value(self.hnum).and_then(|value| value.int())) {
                (Some(key), Some(number)) => visit(key, number),
                _ => flaws.note(row.flaw("a row of an index names no package")),
            }
            ControlFlow::Continue(())
        })
    }
}

/// Name, version and architecture.
pub(crate) fn package(header: &Header<'_>) -> Package {
    let text = |tag| String::from_utf8_lossy(header.string(tag).unwrap_or_default()).into_owned();
    let epoch = header.number(tag::EPOCH, 0).unwrap_or(0);
    Package {
        name: text(tag::NAME),
        version: evr(epoch.into(), &text(tag::VERSION), &text(tag::RELEASE)),
        arch: text(tag::ARCH),
    }
}

/// Epoch, version and release in one; an epoch of zero is the same as none, and histories do not tell them apart.
pub(crate) fn evr(epoch: i64, version: &str, release: &str) -> String {
    match epoch {
        0 => format!("{version}-{release}"),
        epoch => format!("{epoch}:{version}-{release}"),
    }
}
