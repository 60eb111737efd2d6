//! apt's `history.log`: one paragraph for each transaction, one line for each kind of change in it. Pure.

use jiff::civil::DateTime;

use crate::log::{LoggedChange, parse_package};
use crate::record::{is_version, text};
use crate::zone::parse_local;

/// One transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Local time.
    pub start: DateTime,
    /// Local time; absent if apt was broken off.
    pub end: Option<DateTime>,
    /// What it meant to change.
    pub changes: Vec<LoggedChange>,
}

/// More than any distribution has packages.
const CHANGES_CAP: usize = 100_000;

/// Puts transactions together from lines.
#[derive(Debug, Default)]
pub struct Reader {
    current: Option<Transaction>,
    complete: Option<Transaction>,
}

impl Reader {
    /// Takes one line.
    ///
    /// # Errors
    /// What is wrong with the line; the next can be taken nevertheless.
    pub fn take(&mut self, line: &[u8]) -> Result<(), &'static str> {
        if line.is_empty() {
            self.finish();
            return Ok(());
        }
        let colon = line.iter().position(|&b| b == b':').ok_or("no field")?;
        let (field, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if field == b"Start-Date" {
            self.finish();
            let (start, _) = parse_local(value).ok_or("not a date and time")?;
            self.current = Some(Transaction {
                start,
                end: None,
                changes: Vec::new(),
            });
            return Ok(());
        }
        let kind = match field {
            b"End-Date" => None,
            b"Install" => Some(Kind::Install),
            b"Upgrade" | b"Downgrade" => Some(Kind::Upgrade),
            b"Reinstall" => Some(Kind::Reinstall),
            b"Remove" | b"Purge" | b"Disappeared" => Some(Kind::Remove),
            // Commandline, Requested-By, Error, Comment, and what apt may think of.
            _ => {
                return if self.current.is_some() {
                    Ok(())
                } else {
                    Err("outside a transaction")
                };
            }
        };
        let current = self.current.as_mut().ok_or("outside a transaction")?;
        let Some(kind) = kind else {
            current.end = Some(parse_local(value).ok_or("not a date and time")?.0);
            return Ok(());
        };
        let mut whole = true;
        for item in items(value) {
            match parse_item(kind, item) {
                Some(_) if current.changes.len() == CHANGES_CAP => {
                    return Err("more packages than are kept");
                }
                Some(change) => current.changes.push(change),
                None => whole = false,
            }
        }
        if whole {
            Ok(())
        } else {
            Err("a package in this line is not readable")
        }
    }

    /// No more lines belong to the current transaction.
    pub fn finish(&mut self) {
        if let Some(current) = self.current.take() {
            self.complete = Some(current);
        }
    }

    /// The transaction that the last line, or the end, completed; to be taken after each.
    pub fn complete(&mut self) -> Option<Transaction> {
        self.complete.take()
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Install,
    Upgrade,
    Reinstall,
    Remove,
}

/// `a:amd64 (1, 2), b:amd64 (1, automatic)`: cut after each `)`.
fn items(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let cut = value.split_inclusive(|&b| b == b')');
    cut.map(|item| item.strip_prefix(b",").unwrap_or(item).trim_ascii())
}

fn parse_item(kind: Kind, item: &[u8]) -> Option<LoggedChange> {
    let open = item.iter().position(|&b| b == b'(')?;
    let (name, arch) = parse_package(item[..open].trim_ascii())?;
    let inner = item[open + 1..].strip_suffix(b")")?;
    let mut versions = inner.split(|&b| b == b',').map(<[u8]>::trim_ascii);
    let first = text(versions.next()?, is_version)?;
    let (old, new) = match kind {
        Kind::Install => (None, Some(first)),
        Kind::Reinstall => (Some(first.clone()), Some(first)),
        Kind::Remove => (Some(first), None),
        Kind::Upgrade => (Some(first), Some(text(versions.next()?, is_version)?)),
    };
    Some(LoggedChange {
        name,
        arch,
        old,
        new,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<Transaction>, Vec<&'static str>) {
        let mut reader = Reader::default();
        let (mut found, mut trouble) = (Vec::new(), Vec::new());
        for line in text.lines() {
            trouble.extend(reader.take(line.as_bytes()).err());
            found.extend(reader.complete());
        }
        reader.finish();
        found.extend(reader.complete());
        (found, trouble)
    }

    #[track_caller]
    fn check(line: &str, expected: &[(&str, Option<&str>, Option<&str>)], trouble: usize) {
        let text =
            format!("\nStart-Date: 2026-11-20  10:11:12\n{line}\nEnd-Date: 2026-11-20  10:12:00\n");
        let (found, troubles) = read(&text);
        let got = found[0].changes.iter();
        let got: Vec<_> = got
            .map(|c| (c.name.as_str(), c.old.as_deref(), c.new.as_deref()))
            .collect();
        assert_eq!((&got[..], troubles.len()), (expected, trouble), "{line}");
        assert_eq!(found[0].end.unwrap().to_string(), "2026-11-20T10:12:00");
    }

    /// The lines are as apt 2.6 writes them.
    #[test]
    fn kinds() {
        check(
            "Install: a:amd64 (1.0), b:amd64 (1:2~x+b1, automatic)",
            &[("a", None, Some("1.0")), ("b", None, Some("1:2~x+b1"))],
            0,
        );
        check(
            "Upgrade: a:amd64 (1, 2), b:i386 (3, 4)",
            &[("a", Some("1"), Some("2")), ("b", Some("3"), Some("4"))],
            0,
        );
        check(
            "Downgrade: a:amd64 (2, 1)",
            &[("a", Some("2"), Some("1"))],
            0,
        );
        check("Reinstall: a:amd64 (2)", &[("a", Some("2"), Some("2"))], 0);
        check("Remove: a:amd64 (2)", &[("a", Some("2"), None)], 0);
        check("Purge: a:amd64 (2)", &[("a", Some("2"), None)], 0);
        check("Commandline: apt install a (b)", &[], 0);
        check("Requested-By: me (1000)", &[], 0);
        check(
            "Upgrade: a:amd64 (1), b:i386 (3, 4)",
            &[("b", Some("3"), Some("4"))],
            1,
        );
        check(
            "Upgrade: a:amd64 (1, 2), b:i386 (3",
            &[("a", Some("1"), Some("2"))],
            1,
        );
        check("\0\0\0\0", &[], 1);
    }

    #[test]
    fn transactions_without_end_or_beginning() {
        let (found, trouble) =
            read("Upgrade: a:amd64 (1, 2)\nStart-Date: 2026-11-20  10:11:12\nStart-Date: bad\n");
        assert_eq!((found.len(), trouble.len()), (1, 2));
        assert_eq!(found[0].end, None);
    }
}
