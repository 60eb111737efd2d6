//! The write-ahead log: which pages in it are committed.
//!
//! A frame counts if its salts are the header's and the running checksum over all frames up to it is right, and then
//! only up to the last frame that ends a transaction: the rules by which SQLite itself recovers after a crash.

use std::collections::HashMap;
use std::io::{BufReader, Read};

use unstale_packages::OpenFile;

use super::{Error, Flaw};
use crate::bytes::{be_u32, le_u32};
use crate::root::read_at;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// Where the committed pages lie in a WAL.
#[derive(Debug, Default)]
pub(super) struct WalIndex {
    frames: HashMap<u32, u64>,
    /// Pages of the whole database as of the last commit; zero if nothing is committed here.
    pub(super) page_count: u32,
    state: WalState,
}

/// How far the committed part of a WAL goes.
#[derive(Debug, Clone, Default)]
struct WalState {
    header: Vec<u8>,
    frames: u64,
    sum: (u32, u32),
}

impl WalIndex {
    /// Reads the whole WAL once.
    pub(super) fn read(wal: &OpenFile) -> Result<Self, Error> {
        let mut index = Self::default();
        let header = read_at(wal, 0, HEADER)?;
        let Some(parsed) = parse_header(&header)? else {
            index.state.header = header;
            return Ok(index);
        };
        let mut pending = Vec::new();
        index.state = WalState {
            header,
            frames: 0,
            sum: parsed.sum,
        };
        let state = index.state.clone();
        walk(wal, &parsed, &state, &mut |frame| {
            pending.push((frame.page, frame.offset));
            if frame.page_count > 0 {
                index.page_count = frame.page_count;
                index.frames.extend(pending.drain(..));
                index.state.frames = frame.number;
                index.state.sum = frame.sum;
            }
            true
        })?;
        Ok(index)
    }

    /// Where the newest committed state of a page lies in the WAL, if it is there.
    pub(super) fn page_offset(&self, page: u32) -> Option<u64> {
        self.frames.get(&page).copied()
    }

    /// The size of pages in the WAL; `None` for one that holds nothing.
    pub(super) fn page_size(&self) -> Option<usize> {
        be_u32(&self.state.header, 8).and_then(|size| usize::try_from(size).ok())
    }

    /// Whether the WAL neither was begun anew since, nor has commits that this index does not know. What is not yet
    /// committed does not matter.
    pub(super) fn is_current(&self, wal: &OpenFile) -> Result<bool, Error> {
        let header = read_at(wal, 0, HEADER)?;
        if header != self.state.header {
            return Ok(false);
        }
        let Some(parsed) = parse_header(&header)? else {
            return Ok(true);
        };
        let mut current = true;
        walk(wal, &parsed, &self.state, &mut |frame| {
            current &= frame.page_count == 0;
            current
        })?;
        Ok(current)
    }
}

/// One valid frame.
struct Frame {
    /// Counted from 1.
    number: u64,
    page: u32,
    /// Not zero in a frame that ends a transaction.
    page_count: u32,
    /// Where the page begins in the WAL.
    offset: u64,
    /// The checksum up to here.
    sum: (u32, u32),
}

/// Shows the valid frames after those of `from` to `visit`, until it has seen enough.
fn walk(
    wal: &OpenFile,
    header: &Header,
    from: &WalState,
    visit: &mut dyn FnMut(&Frame) -> bool,
) -> Result<(), Error> {
    let mut frame = vec![0; FRAME_HEADER.saturating_add(header.page_size)];
    let start = |number: u64| number.saturating_mul((FRAME_HEADER + header.page_size) as u64);
    let (mut number, mut sum) = (from.frames, from.sum);
    let from = start(number).saturating_add(HEADER as u64);
    let mut input = BufReader::with_capacity(1 << 16, FromOffset(wal, from));
    while read_whole(&mut input, &mut frame)? {
        let (head, data) = frame.split_at(FRAME_HEADER);
        let (about, checked) = head.split_at(8);
        sum = header.order.add(header.order.add(sum, about), data);
        if checked.get(..8) != Some(&header.salts[..])
            || (be_u32(head, 16), be_u32(head, 20)) != (Some(sum.0), Some(sum.1))
        {
            break;
        }
        let offset = start(number).saturating_add((HEADER + FRAME_HEADER) as u64);
        number = number.saturating_add(1);
        let goes_on = visit(&Frame {
            number,
            page: be_u32(head, 0).unwrap_or(0),
            page_count: be_u32(head, 4).unwrap_or(0),
            offset,
            sum,
        });
        if !goes_on {
            break;
        }
    }
    Ok(())
}

/// What the header of a WAL says.
struct Header {
    order: ByteOrder,
    page_size: usize,
    salts: [u8; 8],
    sum: (u32, u32),
}

/// `None` if the log is empty, or was broken off while it was begun: SQLite takes that for empty too.
fn parse_header(header: &[u8]) -> Result<Option<Header>, Flaw> {
    let order = match be_u32(header, 0) {
        Some(0x377f_0682) => ByteOrder::Little,
        Some(0x377f_0683) => ByteOrder::Big,
        _ => return Ok(None),
    };
    let summed = header.get(..24).unwrap_or_default();
    let sum = order.add((0, 0), summed);
    let salts = header.get(16..24).and_then(|salts| salts.try_into().ok());
    let (Some(salts), true) = (
        salts,
        (be_u32(header, 24), be_u32(header, 28)) == (Some(sum.0), Some(sum.1)),
    ) else {
        return Ok(None);
    };
    let size = be_u32(header, 8).and_then(|size| usize::try_from(size).ok());
    let Some(page_size) = size.filter(|s| (512..=65_536).contains(s) && s.is_power_of_two()) else {
        return Err(flaw(8, "the page size of the log is not a power of two"));
    };
    Ok(Some(Header {
        order,
        page_size,
        salts,
        sum,
    }))
}

/// The order in which the writer's machine read words for the checksum.
#[derive(Clone, Copy)]
enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    fn add(self, (mut a, mut b): (u32, u32), bytes: &[u8]) -> (u32, u32) {
        for pair in bytes.chunks_exact(8) {
            let words = match self {
                Self::Little => (le_u32(pair, 0), le_u32(pair, 4)),
                Self::Big => (be_u32(pair, 0), be_u32(pair, 4)),
            };
            let (Some(first), Some(second)) = words else {
                continue;
            };
            a = a.wrapping_add(first).wrapping_add(b);
            b = b.wrapping_add(second).wrapping_add(a);
        }
        (a, b)
    }
}

/// Fills `buffer`; `false` where the input ends first.
fn read_whole(input: &mut impl Read, buffer: &mut [u8]) -> Result<bool, Error> {
    match input.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Reads from an offset on, without moving the file's own position.
struct FromOffset<'a>(&'a OpenFile, u64);

impl Read for FromOffset<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.0.read_at(buffer, self.1)?;
        self.1 = self.1.saturating_add(n as u64);
        Ok(n)
    }
}

fn flaw(offset: u64, what: &str) -> Flaw {
    Flaw {
        in_wal: true,
        offset,
        what: what.to_owned(),
    }
}
