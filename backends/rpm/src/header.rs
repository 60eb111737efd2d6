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
    pub(crate) const PROVIDE_NAME: u32 = 1047;
    pub(crate) const PROVIDE_VERSION: u32 = 1113;
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

    /// Whether every file lies in a directory. rpm writes them as three arrays, which may disagree.
    pub(crate) fn has_whole_paths(&self) -> bool {
        let count = |tag| self.raw(tag).map_or(0, |entry| entry.count);
        let files = count(tag::BASE_NAMES);
        let directories = count(tag::DIR_NAMES);
        let of_file = self.numbers(tag::DIR_INDEXES);
        (0..files).all(|i| of_file.get(i).is_some_and(|d| (d as usize) < directories))
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

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::{BadHeader, Header, tag};

    /// As Fedora's rpm stored it; see `testdata/README.md`.
    const REAL: &[u8] = include_bytes!("../testdata/header.bin");

    /// A header of such entries: tag, type, count, data.
    fn build(entries: &[(u32, u32, u32, &[u8])]) -> Vec<u8> {
        let (mut index, mut data) = (Vec::new(), Vec::new());
        for (tag, kind, count, bytes) in entries {
            for number in [*tag, *kind, u32::try_from(data.len()).unwrap(), *count] {
                index.extend(number.to_be_bytes());
            }
            data.extend_from_slice(bytes);
        }
        let numbers = [entries.len(), data.len()].map(|n| u32::try_from(n).unwrap().to_be_bytes());
        [&numbers.concat()[..], &index, &data].concat()
    }

    #[track_caller]
    fn check_bad(blob: &[u8], offset: usize, what: &str) {
        let bad = Header::parse(blob).unwrap_err();
        assert_eq!((bad.offset, bad.what), (offset, what));
    }

    #[test]
    fn a_real_header() {
        let header = Header::parse(REAL).unwrap();
        assert_eq!(
            header.string(tag::NAME),
            Some(&b"publicsuffix-list-dafsa"[..])
        );
        assert_eq!(header.string(tag::VERSION), Some(&b"20210518"[..]));
        assert_eq!(header.number(tag::EPOCH, 0), None);
        assert_eq!(header.number(tag::INSTALL_TIME, 0), Some(0x6213_3599));
        let bases: Vec<_> = header.strings(tag::BASE_NAMES).collect();
        assert_eq!(bases.len(), 4);
        assert_eq!(bases[1], b"COPYING");
        assert_eq!(header.numbers(tag::DIR_INDEXES).get(3), Some(4_u32));
        assert_eq!(header.numbers(tag::DIR_INDEXES).get(4), None);
        assert_eq!(header.numbers(tag::FILE_STATES).get(3), Some(0));
        assert_eq!(header.numbers(tag::FILE_STATES).get(4), None);
        assert_eq!(header.number(tag::FILE_DIGEST_ALGORITHM, 0), Some(8));
    }

    #[test]
    fn values_of_all_types() {
        let blob = build(&[
            (1, 4, 2, &[0, 0, 0, 9, 0xff, 0, 0, 0]),
            (2, 3, 2, &[1, 2, 3, 4]),
            (3, 1, 1, &[7]),
            (4, 8, 3, b"a\0\0\xff\0"),
            (5, 6, 1, b"one\0"),
            (6, 8, 0, b""),
            (7, 5, 1, &[0; 8]),
        ]);
        let header = Header::parse(&blob).unwrap();
        assert_eq!(header.number(1, 1), Some(0xff00_0000));
        assert_eq!(header.number(2, 1), Some(0x0304));
        assert_eq!(header.number(3, 0), Some(7));
        assert_eq!(header.number(3, 1), None);
        assert_eq!(header.number(4, 0), None, "a text is no number");
        assert_eq!(header.number(9, 0), None);
        assert_eq!(
            header.strings(4).collect::<Vec<_>>(),
            [&b"a"[..], b"", b"\xff"]
        );
        assert_eq!(header.strings(5).collect::<Vec<_>>(), [b"one"]);
        assert_eq!(header.strings(6).count(), 0);
        assert_eq!(header.strings(9).count(), 0);
        assert_eq!(header.string(5), Some(&b"one"[..]));
        assert_eq!(header.string(1), None, "a number is no text");
    }

    #[test]
    fn what_is_refused() {
        check_bad(b"", 0, "a header is cut off");
        check_bad(&[0; 7], 0, "a header is cut off");
        check_bad(&[0xff; 16], 0, "a header claims more than rpm allows");
        check_bad(
            &[0, 0, 0, 0, 0, 0, 0, 1],
            0,
            "a header is not as long as it says",
        );
        check_bad(
            &REAL[..REAL.len() - 1],
            0,
            "a header is not as long as it says",
        );
        check_bad(
            &build(&[(1, 10, 1, b"")]),
            8,
            "an entry has an unknown type",
        );
        check_bad(
            &build(&[(1, 4, 1, b"abc")]),
            8,
            "an entry is longer than its header",
        );
        let huge = build(&[(1, 1, 1, b"x"), (2, 4, 0x7000_0000, b"abcd")]);
        check_bad(&huge, 24, "an entry is longer than its header");
        check_bad(&build(&[(1, 6, 1, b"abc")]), 8, "a text has no end");
        check_bad(&build(&[(1, 8, 3, b"a\0b\0")]), 8, "a text has no end");
        check_bad(
            &build(&[(1, 6, 2, b"a\0b\0")]),
            8,
            "a single text is counted",
        );
        let mut outside = build(&[(1, 6, 1, b"a\0")]);
        outside[19] = 3;
        check_bad(&outside, 8, "an entry lies outside its header");
        // Thousands of entries over the same megabytes would take forever.
        let mut shared = build(&[(1, 7, 100, &[0; 100]), (2, 7, 0, b""), (3, 7, 0, b"")]);
        for entry in [1, 2] {
            let at = 8 + entry * 16;
            shared[at + 8..at + 16].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 100]);
        }
        check_bad(&shared, 40, "entries of a header overlap");
    }

    /// A name, and the directory and last part of each file.
    type NameAndFiles = (Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>);

    /// Names and paths by the `rpm` crate. It reads packages, so what precedes the header in one is made up.
    fn by_the_crate(blob: &[u8]) -> Option<NameAndFiles> {
        const MAGIC: [u8; 8] = [0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0];
        let mut lead = [0; 96];
        lead[..6].copy_from_slice(&[0xed, 0xab, 0xee, 0xdb, 3, 0]);
        lead[79] = 5;
        let before = [&lead[..], &MAGIC, &[0; 8], &MAGIC].concat();
        let read = rpm::PackageMetadata::parse(&mut before.as_slice().chain(blob)).ok()?;
        let paths = read.get_file_paths_split().ok()?.into_iter();
        let paths = paths.map(|(dir, base)| (dir.as_bytes().to_vec(), base.as_bytes().to_vec()));
        Some((read.get_name().ok()?.as_bytes().to_vec(), paths.collect()))
    }

    fn by_us(blob: &[u8]) -> Result<NameAndFiles, BadHeader> {
        let header = Header::parse(blob)?;
        let directories: Vec<_> = header.strings(tag::DIR_NAMES).collect();
        let indexes = header.numbers(tag::DIR_INDEXES);
        let bases = header.strings(tag::BASE_NAMES).enumerate();
        let paths = bases.filter_map(|(i, base)| {
            let directory = directories.get(indexes.get(i)? as usize)?;
            Some((directory.to_vec(), base.to_vec()))
        });
        let name = header.string(tag::NAME).unwrap_or_default().to_vec();
        Ok((name, paths.collect()))
    }

    #[test]
    fn the_rpm_crate_reads_the_same() {
        let whole = with_whole_paths();
        let ours = by_us(&whole).unwrap();
        assert_eq!(ours.1.len(), 4);
        assert_eq!(by_the_crate(&whole), Some(ours));
    }

    /// The last file of the real header is in directory 4 of four, counted from 0.
    fn with_whole_paths() -> Vec<u8> {
        let mut blob = REAL.to_vec();
        blob[8 + 69 * 16 + 2012 + 15] = 3;
        blob
    }

    #[test]
    fn files_without_directory() {
        let is_whole = |blob: &[u8]| Header::parse(blob).unwrap().has_whole_paths();
        assert!(!is_whole(REAL));
        assert_eq!(by_us(REAL).unwrap().1.len(), 3);
        assert!(is_whole(&with_whole_paths()));
        assert!(is_whole(&build(&[])));
        assert!(!is_whole(&build(&[(tag::BASE_NAMES, 8, 1, b"a\0")])));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        /// No panic, and what passes the check here is also safe for a reader that trusts counts.
        #[test]
        fn mutated_headers_never_panic(
            index in proptest::collection::vec((8_usize..8 + 69 * 16, any::<u8>()), 0..4),
            data in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        ) {
            let mut blob = REAL.to_vec();
            for (at, byte) in index {
                blob[at] = byte;
            }
            for (at, byte) in data {
                let at = at.index(blob.len());
                blob[at] = byte;
            }
            if by_us(&blob).is_ok() {
                by_the_crate(&blob);
            }
        }

        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = by_us(&bytes);
        }
    }
}
