//! The schema: which tables and indexes there are, and what their columns are called.

use std::ops::ControlFlow;

use super::page::Pages;
use super::{Error, Flaws, btree, record};

/// The schema is itself a table, and always begins on the first page.
const SCHEMA_ROOT: u32 = 1;
/// More tables and indexes than any of the databases read here has, by far.
const MOST_ENTRIES: usize = 4_096;

/// A row of the schema.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) kind: Vec<u8>,
    pub(super) name: Vec<u8>,
    pub(super) root: u32,
    sql: Vec<u8>,
}

/// A table that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(super) root: u32,
    /// Names of the columns, in the order of the record.
    pub(crate) columns: Vec<String>,
}

impl Table {
    /// The position of a column.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        let mut columns = self.columns.iter();
        columns.position(|column| column.eq_ignore_ascii_case(name))
    }
}

impl Entry {
    pub(super) fn table(&self) -> Table {
        Table {
            root: self.root,
            columns: parse_columns(&self.sql),
        }
    }
}

/// Reads the schema; an empty database has none.
pub(super) fn read(pages: &Pages, flaws: &mut Flaws) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::new();
    btree::scan(pages, SCHEMA_ROOT, flaws, &mut |row, _| {
        // Views, triggers and virtual tables have no root page.
        if let Some(entry) = parse_entry(row.bytes) {
            entries.push(entry);
        }
        if entries.len() >= MOST_ENTRIES {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok(entries)
}

fn parse_entry(bytes: &[u8]) -> Option<Entry> {
    let values = record::parse(bytes).ok()?;
    let text = |i: usize| values.get(i).and_then(|v| v.bytes());
    Some(Entry {
        kind: text(0)?.to_vec(),
        name: text(1)?.to_vec(),
        root: u32::try_from(values.get(3)?.int()?)
            .ok()
            .filter(|root| *root > 0)?,
        sql: text(4).unwrap_or_default().to_vec(),
    })
}

/// The names of the columns in a `CREATE TABLE` statement.
///
/// Not a parser of SQL: it knows quotes, comments and parentheses, and takes the first word of each part.
fn parse_columns(sql: &[u8]) -> Vec<String> {
    let words = Words { rest: sql };
    let mut depth = 0_u32;
    let mut at_start = false;
    let mut columns = Vec::new();
    for word in words {
        match word {
            Word::Sign(b'(') => {
                depth += 1;
                at_start = depth == 1;
            }
            Word::Sign(b')') if depth <= 1 => break,
            Word::Sign(b')') => depth -= 1,
            Word::Sign(b',') if depth == 1 => at_start = true,
            Word::Name(name) if at_start => {
                if begins_constraint(name) {
                    break;
                }
                columns.push(String::from_utf8_lossy(name).into_owned());
                at_start = false;
            }
            Word::Quoted(name) if at_start => {
                columns.push(String::from_utf8_lossy(name).into_owned());
                at_start = false;
            }
            _ => {}
        }
    }
    columns
}

/// Constraints of the whole table come after all columns.
fn begins_constraint(word: &[u8]) -> bool {
    const WORDS: [&[u8]; 5] = [b"CONSTRAINT", b"PRIMARY", b"UNIQUE", b"CHECK", b"FOREIGN"];
    WORDS.iter().any(|w| w.eq_ignore_ascii_case(word))
}

enum Word<'a> {
    Name(&'a [u8]),
    Quoted(&'a [u8]),
    Sign(u8),
}

struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Words<'a> {
    fn skip_until(&mut self, end: &[u8]) {
        let mut windows = self.rest.windows(end.len());
        let at = windows.position(|window| window == end);
        let after = at.map_or(self.rest.len(), |at| at + end.len());
        self.rest = self.rest.get(after..).unwrap_or_default();
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|b| !wanted(*b));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        word
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        loop {
            self.take_while(|b| b.is_ascii_whitespace());
            if self.rest.starts_with(b"--") {
                self.skip_until(b"\n");
            } else if self.rest.starts_with(b"/*") {
                self.skip_until(b"*/");
            } else {
                break;
            }
        }
        let first = *self.rest.first()?;
        let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80;
        if is_word(first) {
            return Some(Word::Name(self.take_while(is_word)));
        }
        self.rest = self.rest.get(1..).unwrap_or_default();
        let close = match first {
            b'"' | b'\'' | b'`' => first,
            b'[' => b']',
            _ => return Some(Word::Sign(first)),
        };
        let quoted = self.take_while(|b| b != close);
        self.rest = self.rest.get(1..).unwrap_or_default();
        Some(Word::Quoted(quoted))
    }
}

#[cfg(test)]
mod tests {
    use super::parse_columns;

    #[track_caller]
    fn check(sql: &str, columns: &[&str]) {
        assert_eq!(parse_columns(sql.as_bytes()), columns);
    }

    #[test]
    fn columns_of_statements() {
        check(
            "CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL)",
            &["hnum", "blob"],
        );
        check(
            "CREATE TABLE trans (id INTEGER, /* (unix, a) */ dt_end INTEGER,\n -- no, really\n state INTEGER, \
             CONSTRAINT a UNIQUE (b, c), comment TEXT)",
            &["id", "dt_end", "state"],
        );
        check(
            r#"CREATE TABLE "rpm" ("item_id" INT NOT NULL UNIQUE, "arch id" INT, [a,b] DECIMAL(1,2), `check` X,
               FOREIGN KEY("item_id") REFERENCES "item"("id"))"#,
            &["item_id", "arch id", "a,b", "check"],
        );
        check("CREATE TABLE t(a DEFAULT 'x,(', b)", &["a", "b"]);
        check("CREATE TABLE t(a, b", &["a", "b"]);
        check("CREATE TABLE t", &[]);
        check("\"", &[]);
        check("", &[]);
    }
}
