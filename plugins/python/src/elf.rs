//! Where a section of an ELF file is in memory, from its headers alone. 64 bits, little-endian; others are not looked at.
//!
//! Source: elf(5).
#![forbid(unsafe_code)]

use unstale_plugin::{FileView, Refused, Root};

/// Bytes of a program header and of a section header.
const SEGMENT: u64 = 56;
const SECTION: u64 = 64;
/// Headers of each kind that are read.
const HEADERS: u64 = 256;
const NAMES: u32 = 64 * 1024;
const PAGE: u64 = 4096;
const PT_LOAD: u32 = 1;
const PF_X: u32 = 1;

/// The addresses that a file's own headers give: of its first executable page, and of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Addresses {
    code: u64,
    section: u64,
}

impl Addresses {
    /// Where the section is in a process that has mapped the file's code at `start`.
    pub(crate) fn section_at(self, start: u64) -> u64 {
        start.wrapping_sub(self.code).wrapping_add(self.section)
    }
}

/// Reads where a section is; `None` if the file has none of this name.
pub(crate) fn read_addresses(
    files: &dyn FileView,
    path: &[u8],
    section: &[u8],
) -> Result<Option<Addresses>, Refused> {
    let header = files.read_at(Root::Process, path, 0, 64)?;
    if !header.starts_with(b"\x7fELF\x02\x01") || header.len() < 64 {
        return Ok(None);
    }
    let table = |offset: usize, count: usize, each: u64| {
        let count = u64::from(half(&header, count)).min(HEADERS);
        let size = u32::try_from(count * each).unwrap_or(0);
        files.read_at(Root::Process, path, long(&header, offset), size)
    };
    if u64::from(half(&header, 54)) != SEGMENT || u64::from(half(&header, 58)) != SECTION {
        return Ok(None);
    }
    let Some(code) = parse_code(&table(32, 56, SEGMENT)?) else {
        return Ok(None);
    };
    let sections = table(40, 60, SECTION)?;
    let names = usize::from(half(&header, 62)) * 64;
    let Some(names) = sections.get(names..names + 64) else {
        return Ok(None);
    };
    let size = u32::try_from(long(names, 32)).unwrap_or(NAMES).min(NAMES);
    let names = files.read_at(Root::Process, path, long(names, 24), size)?;
    let address = sections.chunks_exact(64).find_map(|header| {
        let name = names.get(word(header, 0) as usize..)?;
        let rest = name.strip_prefix(section)?;
        (rest.first() == Some(&0)).then(|| long(header, 16))
    });
    Ok(address.map(|section| Addresses { code, section }))
}

/// The address of the page with which the first executable segment begins.
fn parse_code(segments: &[u8]) -> Option<u64> {
    let executable = segments
        .chunks_exact(56)
        .find(|header| word(header, 0) == PT_LOAD && word(header, 4) & PF_X != 0)?;
    Some(long(executable, 16) / PAGE * PAGE)
}

fn half(bytes: &[u8], at: usize) -> u16 {
    let part = bytes.get(at..at + 2).and_then(|part| part.try_into().ok());
    u16::from_le_bytes(part.unwrap_or_default())
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let part = bytes.get(at..at + 4).and_then(|part| part.try_into().ok());
    u32::from_le_bytes(part.unwrap_or_default())
}

fn long(bytes: &[u8], at: usize) -> u64 {
    let part = bytes.get(at..at + 8).and_then(|part| part.try_into().ok());
    u64::from_le_bytes(part.unwrap_or_default())
}
