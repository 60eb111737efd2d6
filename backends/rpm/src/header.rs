//! The header of one package, as the database stores it: checked first, then read where it lies.
//!
//! Our own reader: file names are bytes here, and counts in the blob are claims. (The `rpm` crate makes lossy text of
//! names that are not UTF-8, and allocates what a count asks for. Tests compare with it.)

use crate::bytes::{be_u16, be_u32};

/// Tags, as rpm numbers them.
pub(crate) mod tag {
    pub(crate) const NAME: u32 = 1000;
    pub(crate) const VERSION: u32 = 1001;
    pub(crate) const RELEASE: u32 = 1002;
    pub(crate) const EPOCH: u32 = 1003;
    pub(crate) const INSTALL_TIME: u32 = 1008;
    pub(crate) const ARCH: u32 = 1022;
    pub(crate) const FILE_STATES: u32 = 1029;
    pub(crate) const FILE_DIGESTS: u32 = 1035;
    pub(crate) const FILE_FLAGS: u32 = 1037;
    pub(crate) const DIR_INDEXES: u32 = 1116;
    pub(crate) const BASE_NAMES: u32 = 1117;
    pub(crate) const DIR_NAMES: u32 = 1118;
    pub(crate) const FILE_DIGEST_ALGORITHM: u32 = 5011;
}

/// rpm's own limits (`HEADER_TAGS_MAX`, `HEADER_DATA_MAX`).
const MOST_ENTRIES: usize = 0xffff;
const MOST_DATA: usize = 256 << 20;
const ENTRY: usize = 16;

const CHAR: u32 = 1;
const INT8: u32 = 2;
const INT16: u32 = 3;
const INT32: u32 = 4;
const INT64: u32 = 5;
const STRING: u32 = 6;
const BINARY: u32 = 7;
const STRING_ARRAY: u32 = 8;
const I18N_STRING: u32 = 9;

/// A header whose every entry lies inside its data.
#[derive(Debug)]
pub(crate) struct Header<'a> {
    index: &'a [u8],
    data: &'a [u8],
}

/// What is wrong with a header, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadHeader {
    /// Bytes from the start of the header.
    pub(crate) offset: usize,
    /// Lower case, no full stop.
    pub(crate) what: &'static str,
}

/// One entry of the index.
#[derive(Debug, Clone, Copy)]
struct Entry<'a> {
    kind: u32,
    count: usize,
    /// From the entry's offset to the end of all data.
    data: &'a [u8],
}

impl<'a> Header<'a> {
    /// Checks the frame of a header and every entry in it.
    pub(crate) fn parse(blob: &'a [u8]) -> Result<Self, BadHeader> {
        let bad = |offset, what| BadHeader { offset, what };
        let entries = be_u32(blob, 0).map(|n| n as usize);
        let length = be_u32(blob, 4).map(|n| n as usize);
        let (Some(entries), Some(length)) = (entries, length) else {
            return Err(bad(0, "a header is cut off"));
        };
        if entries > MOST_ENTRIES || length > MOST_DATA {
            return Err(bad(0, "a header claims more than rpm allows"));
        }
        let body = blob.get(8..).unwrap_or_default();
        let index_length = entries * ENTRY;
        if body.len() != index_length + length {
            return Err(bad(0, "a header is not as long as it says"));
        }
        let (index, data) = body.split_at(index_length);
        let header = Self { index, data };
        // Entries do not share data, so checking all of them looks at each byte about once.
        let mut left = data.len() * 2;
        for (i, raw) in index.chunks_exact(ENTRY).enumerate() {
            let offset = 8 + i * ENTRY;
            let entry = header.entry(raw).map_err(|what| bad(offset, what))?;
            let length = entry.length().map_err(|what| bad(offset, what))?;
            left = left
                .checked_sub(length)
                .ok_or_else(|| bad(offset, "entries of a header overlap"))?;
        }
        Ok(header)
    }

    /// The text under `tag`.
    pub(crate) fn string(&self, tag: u32) -> Option<&'a [u8]> {
        let entry = self.find(tag, &[STRING, I18N_STRING, STRING_ARRAY])?;
        entry.data.split(|byte| *byte == 0).next()
    }

    /// The texts under `tag`, in order; none if it is not there.
    pub(crate) fn strings(&self, tag: u32) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let entry = self.find(tag, &[STRING_ARRAY, I18N_STRING, STRING]);
        let (data, count) = entry.map_or((&[][..], 0), |entry| (entry.data, entry.count));
        data.split(|byte| *byte == 0).take(count)
    }

    /// The `i`th number under `tag`.
    pub(crate) fn number(&self, tag: u32, i: usize) -> Option<u32> {
        self.numbers(tag).get(i)
    }

    /// The numbers under `tag`; none if it is not there.
    pub(crate) fn numbers(&self, tag: u32) -> Numbers<'a> {
        let entry = self.find(tag, &[CHAR, INT8, INT16, INT32]);
        Numbers(entry)
    }

    fn find(&self, tag: u32, kinds: &[u32]) -> Option<Entry<'a>> {
        self.raw(tag).filter(|entry| kinds.contains(&entry.kind))
    }

    fn raw(&self, tag: u32) -> Option<Entry<'a>> {
        let mut raw = self.index.chunks_exact(ENTRY);
        let raw = raw.find(|raw| be_u32(raw, 0) == Some(tag))?;
        self.entry(raw).ok()
    }

    fn entry(&self, raw: &[u8]) -> Result<Entry<'a>, &'static str> {
        let number = |at| be_u32(raw, at).unwrap_or(u32::MAX);
        let data = usize::try_from(number(8)).ok();
        let data = data.and_then(|offset| self.data.get(offset..));
        Ok(Entry {
            kind: number(4),
            count: number(12) as usize,
            data: data.ok_or("an entry lies outside its header")?,
        })
    }
}

impl Entry<'_> {
    /// How many bytes the entry takes, if they are there.
    fn length(&self) -> Result<usize, &'static str> {
        let size = match self.kind {
            // Nothing: a type of old times without values.
            0 => 0,
            CHAR | INT8 | BINARY => 1,
            INT16 => 2,
            INT32 => 4,
            INT64 => 8,
            STRING | STRING_ARRAY | I18N_STRING => return self.strings_length(),
            _ => return Err("an entry has an unknown type"),
        };
        let length = self.count.checked_mul(size);
        length
            .filter(|length| *length <= self.data.len())
            .ok_or("an entry is longer than its header")
    }

    fn strings_length(&self) -> Result<usize, &'static str> {
        if self.kind == STRING && self.count != 1 {
            return Err("a single text is counted");
        }
        let mut ends = self.data.iter().enumerate().filter(|(_, byte)| **byte == 0);
        let Some(last) = self.count.checked_sub(1) else {
            return Ok(0);
        };
        match ends.nth(last) {
            Some((end, _)) => Ok(end + 1),
            None => Err("a text has no end"),
        }
    }
}

/// Numbers of a header, whatever their width.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers<'a>(Option<Entry<'a>>);

impl Numbers<'_> {
    /// The `i`th of them.
    pub(crate) fn get(&self, i: usize) -> Option<u32> {
        let entry = self.0.as_ref().filter(|entry| i < entry.count)?;
        match entry.kind {
            INT32 => be_u32(entry.data, i.checked_mul(4)?),
            INT16 => be_u16(entry.data, i.checked_mul(2)?).map(u32::from),
            _ => entry.data.get(i).copied().map(u32::from),
        }
    }
}
