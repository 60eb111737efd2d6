//! EFI programs that carry a kernel: unified kernel images, and zboot.

use super::header::{u16_at, u32_at};
use super::source::Part;

/// The Windows loader takes no more sections (PE format, Microsoft); a unified kernel image has a dozen.
const SECTIONS: usize = 96;

/// A section of a PE file.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::boot) struct Section {
    pub(in crate::boot) name: [u8; 8],
    pub(in crate::boot) offset: u64,
    pub(in crate::boot) size: u64,
}

/// Where the PE header starts, if this may be a PE file.
pub(in crate::boot) fn parse_dos(head: &[u8]) -> Option<u64> {
    (head.get(..2)? == b"MZ").then_some(())?;
    Some(u64::from(u32_at(head, 0x3c)?))
}

/// The headers that follow: how many bytes the table of sections is away, and how many sections there are.
pub(in crate::boot) fn parse_coff(header: &[u8]) -> Option<(u64, usize)> {
    (header.get(..4)? == b"PE\0\0").then_some(())?;
    let count = usize::from(u16_at(header, 6)?);
    Some((24 + u64::from(u16_at(header, 20)?), count.min(SECTIONS)))
}

/// Parses the table of sections, as far as it is there.
pub(in crate::boot) fn parse_sections(table: &[u8]) -> Vec<Section> {
    let parse = |entry: &[u8]| {
        let (inside, stored) = (u32_at(entry, 8)?, u32_at(entry, 16)?);
        // What is stored is padded.
        let size = if inside == 0 {
            stored
        } else {
            stored.min(inside)
        };
        Some(Section {
            name: entry.get(..8)?.try_into().ok()?,
            offset: u64::from(u32_at(entry, 20)?),
            size: u64::from(size),
        })
    };
    table.chunks_exact(40).filter_map(parse).collect()
}

/// The sections of a PE file; none if it is no such file.
pub(super) fn sections(part: &Part<'_>, head: &[u8]) -> std::io::Result<Vec<Section>> {
    let Some(at) = parse_dos(head) else {
        return Ok(Vec::new());
    };
    let Some((away, count)) = parse_coff(&part.bytes(at, 24)?) else {
        return Ok(Vec::new());
    };
    let table = part.bytes(at.saturating_add(away), count * 40)?;
    Ok(parse_sections(&table))
}

/// The header of an EFI zboot image (drivers/firmware/efi/libstub/zboot-header.S): where the compressed kernel is, and
/// how large.
pub(super) fn parse_zboot(head: &[u8]) -> Option<(u64, u64)> {
    (head.get(..2)? == b"MZ" && head.get(4..8)? == b"zimg").then_some(())?;
    let (offset, size) = (u32_at(head, 8)?, u32_at(head, 12)?);
    Some((u64::from(offset), u64::from(size)))
}
