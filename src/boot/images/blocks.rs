//! Frames around blocks that are unpacked as wholes: lz4's, legacy and modern, and lzop's.

use std::io::{self, Read};

/// A frame: it unpacks a block at a time.
pub(super) trait Frame {
    /// Unpacks the next block and appends it to `out`, which holds at least as much of what came before as blocks may
    /// refer to. `false` at the end.
    fn next(&mut self, packed: &mut dyn Read, out: &mut Vec<u8>) -> io::Result<bool>;
}

/// As far as an lz4 block may refer back.
const WINDOW: usize = 64 * 1024;
/// Empty blocks in a row: nothing makes them, and each costs.
const EMPTY_CAP: u32 = 16;
/// What was given is dropped when it is more than this: not after each block, which may be small.
const GIVEN_CAP: usize = 16 * WINDOW;

/// What a frame unpacks, as a reader.
pub(super) struct Blocks<R, F> {
    packed: R,
    frame: F,
    out: Vec<u8>,
    given: usize,
    ended: bool,
}

impl<R: Read, F: Frame> Blocks<R, F> {
    pub(super) fn new(packed: R, frame: F) -> Self {
        Self {
            packed,
            frame,
            out: Vec::new(),
            given: 0,
            ended: false,
        }
    }
}

impl<R: Read, F: Frame> Read for Blocks<R, F> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut empty = 0;
        while self.given == self.out.len() && !self.ended {
            if self.given > GIVEN_CAP {
                self.out.drain(..self.given - WINDOW);
                self.given = WINDOW;
            }
            self.ended = !self.frame.next(&mut self.packed, &mut self.out)?;
            empty += 1;
            if empty == EMPTY_CAP {
                return Err(damaged("it holds many empty blocks"));
            }
        }
        let left = &self.out[self.given..];
        let count = left.len().min(into.len());
        into[..count].copy_from_slice(&left[..count]);
        self.given += count;
        Ok(count)
    }
}

/// The frames of lz4 (doc/lz4_Frame_format.md of lz4). Checksums are skipped: a banner that reads well is one.
#[derive(Default)]
pub(super) struct Lz4 {
    kind: Kind,
    /// Where blocks are unpacked to: how large one is shows only then.
    room: Vec<u8>,
}

#[derive(Default, Clone, Copy)]
enum Kind {
    /// Nothing was read yet.
    #[default]
    Start,
    /// Blocks of 8 MiB, each on its own, but for the last one: then another frame may begin.
    Legacy { last: bool },
    /// A frame with a header.
    Modern {
        block: usize,
        linked: bool,
        checksums: bool,
    },
}

const LEGACY: u32 = 0x184c_2102;
const MODERN: u32 = 0x184d_2204;
const LEGACY_BLOCK: usize = 8 * 1024 * 1024;

impl Frame for Lz4 {
    fn next(&mut self, packed: &mut dyn Read, out: &mut Vec<u8>) -> io::Result<bool> {
        match self.kind {
            Kind::Start => {
                self.kind = match u32_le(packed)? {
                    LEGACY => Kind::Legacy { last: false },
                    MODERN => modern(packed)?,
                    _ => return Err(damaged("it does not begin as one")),
                };
                Ok(true)
            }
            Kind::Legacy { last } => self.legacy(packed, last, out),
            Kind::Modern {
                block,
                linked,
                checksums,
            } => {
                let word = u32_le(packed)?;
                if word == 0 {
                    return Ok(false);
                }
                let size = to_size(word & 0x7fff_ffff);
                if size > block {
                    return Err(damaged("a block is larger than its frame says"));
                }
                let data = exactly(packed, size)?;
                if checksums {
                    exactly(packed, 4)?;
                }
                if word & 0x8000_0000 != 0 {
                    out.extend_from_slice(&data);
                    return Ok(true);
                }
                self.block(&data, block, if linked { WINDOW } else { 0 }, out)?;
                Ok(true)
            }
        }
    }
}

impl Lz4 {
    fn legacy(&mut self, packed: &mut dyn Read, last: bool, out: &mut Vec<u8>) -> io::Result<bool> {
        // The file ends, or the size that the kernel's build appends follows: no block is that large.
        let size = match u32_le(packed) {
            Ok(LEGACY) => {
                self.kind = Kind::Legacy { last: false };
                return Ok(true);
            }
            Ok(size) => to_size(size),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        };
        if size > LEGACY_BLOCK + LEGACY_BLOCK / 255 + 16 {
            return Ok(false);
        }
        if last {
            return Err(damaged("a block that is not the last one is short"));
        }
        let block = exactly(packed, size)?;
        let count = self.block(&block, LEGACY_BLOCK, 0, out)?;
        self.kind = Kind::Legacy {
            last: count < LEGACY_BLOCK,
        };
        Ok(true)
    }

    /// Unpacks a block of at most `cap` bytes that may refer to the last `back` bytes before it.
    fn block(
        &mut self,
        block: &[u8],
        cap: usize,
        back: usize,
        out: &mut Vec<u8>,
    ) -> io::Result<usize> {
        self.room.resize(cap, 0);
        let known = &out[out.len().saturating_sub(back)..];
        let count = lz4_flex::block::decompress_into_with_dict(block, &mut self.room, known)
            .map_err(|error| damaged(&error.to_string()))?;
        out.extend_from_slice(&self.room[..count]);
        Ok(count)
    }
}

/// The descriptor of a modern frame.
fn modern(packed: &mut dyn Read) -> io::Result<Kind> {
    let descriptor = exactly(packed, 2)?;
    let (flags, sizes) = (descriptor[0], descriptor[1]);
    if flags >> 6 != 1 {
        return Err(damaged("its version is not known"));
    }
    if flags & 1 != 0 {
        return Err(damaged("it needs a dictionary"));
    }
    let block = match sizes >> 4 & 7 {
        4 => 64 * 1024,
        5 => 256 * 1024,
        6 => 1024 * 1024,
        7 => 4 * 1024 * 1024,
        _ => return Err(damaged("its blocks have no known size")),
    };
    // The size of all, if it is there, and the sum over the descriptor.
    exactly(packed, if flags & 8 != 0 { 9 } else { 1 })?;
    Ok(Kind::Modern {
        block,
        linked: flags & 0x20 == 0,
        checksums: flags & 0x10 != 0,
    })
}

/// The frames of lzop (lib/decompress_unlzo.c of the kernel), which have numbers in network order.
#[derive(Default)]
pub(super) struct Lzop {
    /// Its flags, once the header was read.
    flags: Option<u32>,
}

/// Sums over what is unpacked and over what is packed, Adler-32 and CRC-32 (lzop's conf.h).
const SUMS_UNPACKED: [u32; 2] = [0x1, 0x100];
const SUMS_PACKED: [u32; 2] = [0x2, 0x200];
const EXTRA_FIELD: u32 = 0x40;
const FILTER: u32 = 0x800;
/// lzop's blocks have 256 KiB, and 64 MiB at most; the kernel's decoder takes the former.
const LZOP_BLOCK: usize = 256 * 1024;

impl Frame for Lzop {
    fn next(&mut self, packed: &mut dyn Read, out: &mut Vec<u8>) -> io::Result<bool> {
        let Some(flags) = self.flags else {
            self.flags = Some(lzop_flags(packed)?);
            return Ok(true);
        };
        let unpacked = to_size(u32_be(packed)?);
        if unpacked == 0 {
            return Ok(false);
        }
        let size = to_size(u32_be(packed)?);
        if unpacked > LZOP_BLOCK || size > unpacked {
            return Err(damaged("a block is larger than blocks are"));
        }
        let sums = |sums: [u32; 2]| sums.iter().filter(|&&sum| flags & sum != 0).count();
        exactly(packed, 4 * sums(SUMS_UNPACKED))?;
        if size < unpacked {
            exactly(packed, 4 * sums(SUMS_PACKED))?;
        }
        let block = exactly(packed, size)?;
        if size == unpacked {
            out.extend_from_slice(&block);
            return Ok(true);
        }
        let before = out.len();
        out.resize(before + unpacked, 0);
        let count = lzokay::decompress::decompress(&block, &mut out[before..])
            .map_err(|error| damaged(&error.to_string()))?;
        // As the kernel: else little would be unpacked where room for much was made.
        match count == unpacked {
            true => Ok(true),
            false => Err(damaged("a block holds less than it says")),
        }
    }
}

/// Reads the header of a file of lzop.
fn lzop_flags(packed: &mut dyn Read) -> io::Result<u32> {
    // The magic.
    exactly(packed, 9)?;
    let version = exactly(packed, 2)?;
    let new = version.as_slice() >= [0x09, 0x40].as_slice();
    // The version of the library, the one that is needed to unpack, the method and its level.
    exactly(packed, if new { 6 } else { 3 })?;
    let flags = u32_be(packed)?;
    if flags & FILTER != 0 {
        exactly(packed, 4)?;
    }
    // The mode of the file and its time.
    exactly(packed, if new { 12 } else { 8 })?;
    let name = exactly(packed, 1)?;
    exactly(packed, usize::from(name[0]) + 4)?;
    if flags & EXTRA_FIELD != 0 {
        return Err(damaged("it has a field that kernels do not have"));
    }
    Ok(flags)
}

fn exactly(packed: &mut dyn Read, size: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; size];
    packed.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn u32_le(packed: &mut dyn Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    packed.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

fn u32_be(packed: &mut dyn Read) -> io::Result<u32> {
    Ok(u32_le(packed)?.swap_bytes())
}

fn to_size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
