//! The record format: the columns of one row.

use crate::bytes::{be_u16, be_u32, be_u64};

/// SQLite allows 32,767 columns at most.
const MOST_COLUMNS: usize = 32_767;

/// The value of one column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    /// No value, or the row's own number.
    Null,
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Real(f64),
    /// Text, in UTF-8 if the writer was careful.
    Text(&'a [u8]),
    /// Bytes.
    Blob(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The whole number, if it is one.
    pub(crate) fn int(self) -> Option<i64> {
        match self {
            Self::Int(n) => Some(n),
            _ => None,
        }
    }

    /// The bytes of text or blob. Which of both a writer chose does not matter to us.
    pub(crate) fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Text(bytes) | Self::Blob(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// All columns of a record.
pub(super) fn parse(record: &[u8]) -> Result<Vec<Value<'_>>, &'static str> {
    let (header, mut body) = split(record).ok_or("a record's header is longer than the record")?;
    let mut header = header;
    let mut values = Vec::new();
    while !header.is_empty() {
        let (value, header_rest, body_rest) =
            column(header, body).ok_or("a column is longer than its record")?;
        (header, body) = (header_rest, body_rest);
        values.push(value);
        if values.len() > MOST_COLUMNS {
            return Err("a record has too many columns");
        }
    }
    Ok(values)
}

/// The first column of a record of which perhaps only the beginning is at hand.
pub(super) fn first(record: &[u8]) -> Option<Value<'_>> {
    let (header_length, used) = varint(record)?;
    let header_length = usize::try_from(header_length).ok()?;
    let header = record.get(used..header_length)?;
    let body = record.get(header_length..)?;
    column(header, body).map(|(value, ..)| value)
}

fn split(record: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, used) = varint(record)?;
    let length = usize::try_from(length).ok()?;
    Some((record.get(used..length)?, record.get(length..)?))
}

/// One column, and what is left of header and body.
fn column<'a>(header: &'a [u8], body: &'a [u8]) -> Option<(Value<'a>, &'a [u8], &'a [u8])> {
    let (kind, used) = varint(header)?;
    let length = match kind {
        0 | 8 | 9 => 0,
        1..=4 => usize::try_from(kind).ok()?,
        5 => 6,
        6 | 7 => 8,
        // 10 and 11 are SQLite's own, never on disk.
        10 | 11 => return None,
        _ => usize::try_from((kind - 12) / 2).ok()?,
    };
    let (bytes, rest) = body.split_at_checked(length)?;
    let value = match kind {
        0 => Value::Null,
        8 => Value::Int(0),
        9 => Value::Int(1),
        1..=6 => Value::Int(integer(bytes)?),
        7 => Value::Real(f64::from_bits(be_u64(bytes, 0)?)),
        _ if kind % 2 == 0 => Value::Blob(bytes),
        _ => Value::Text(bytes),
    };
    Some((value, header.get(used..)?, rest))
}

/// A signed big-endian number of 1, 2, 3, 4, 6 or 8 bytes.
fn integer(bytes: &[u8]) -> Option<i64> {
    Some(match bytes.len() {
        1 => i64::from(bytes.first()?.cast_signed()),
        2 => i64::from(be_u16(bytes, 0)?.cast_signed()),
        4 => i64::from(be_u32(bytes, 0)?.cast_signed()),
        8 => be_u64(bytes, 0)?.cast_signed(),
        _ => {
            let start = if bytes.first()? & 0x80 == 0 { 0 } else { -1 };
            let next = |n: i64, byte: &u8| (n << 8) | i64::from(*byte);
            bytes.iter().fold(start, next)
        }
    })
}

/// A number in SQLite's variable-length form, and how many bytes it takes.
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut n: u64 = 0;
    for (i, byte) in bytes.iter().take(8).enumerate() {
        n = (n << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((n, i + 1));
        }
    }
    // The ninth byte gives all its bits.
    Some(((n << 8) | u64::from(*bytes.get(8)?), 9))
}
