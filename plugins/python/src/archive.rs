//! The central directory of a zip archive, and members that are stored as they are. Deflated ones are not unpacked: what
//! runs from an archive changes with the archive.
//!
//! Source: APPNOTE.TXT 4.3 of PKWARE; zipimport of CPython, which this follows where archives have something in front.
#![forbid(unsafe_code)]

use std::collections::HashMap;

use unstale_plugin::{FileView, Kind, Refused, Root};

/// An archive's members by name.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    members: HashMap<Vec<u8>, Member>,
}

#[derive(Debug, Clone, Copy)]
struct Member {
    /// Where its local header is.
    header: u64,
    /// Bytes, if it is stored without compression.
    stored: Option<u32>,
}

/// Bytes of the record at the end, of a directory entry, of a local header.
const END: u32 = 22;
const ENTRY: usize = 46;
const LOCAL: u32 = 30;
/// The longest comment after the end record.
const COMMENT: u64 = 65_535;
/// As much as one question may ask for.
const PIECE: u32 = 1024 * 1024;
const MEMBERS: usize = 20_000;

impl Archive {
    /// Whether a member of this name is there.
    pub(crate) fn has(&self, name: &[u8]) -> bool {
        self.members.contains_key(name)
    }

    /// The text of a member that is stored without compression.
    pub(crate) fn read(
        &self,
        files: &dyn FileView,
        path: &[u8],
        name: &[u8],
    ) -> Result<Option<Vec<u8>>, Refused> {
        let Some(&Member {
            header,
            stored: Some(size),
        }) = self.members.get(name)
        else {
            return Ok(None);
        };
        let local = files.read_at(Root::Process, path, header, LOCAL)?;
        let (Some(name), Some(extra)) = (half(&local, 26), half(&local, 28)) else {
            return Ok(None);
        };
        let start = header.saturating_add(u64::from(LOCAL) + u64::from(name) + u64::from(extra));
        files
            .read_at(Root::Process, path, start, size.min(PIECE))
            .map(Some)
    }
}

/// Reads the directory of an archive; `None` if the file is none.
pub(crate) fn read_archive(files: &dyn FileView, path: &[u8]) -> Result<Option<Archive>, Refused> {
    let stat = files.stat(Root::Process, path)?;
    if stat.kind != Kind::File || stat.size < u64::from(END) {
        return Ok(None);
    }
    let from = stat.size - u64::from(END);
    let last = files.read_at(Root::Process, path, from, END)?;
    if let Some(found) = parse_end(&last, from) {
        return read_directory(files, path, found);
    }
    // Behind the record there may be a comment. Only what looks like an archive is worth 64 KiB.
    let first = files.read_at(Root::Process, path, 0, 4)?;
    if !first.starts_with(b"PK") {
        return Ok(None);
    }
    let from = stat.size.saturating_sub(u64::from(END) + COMMENT);
    let size = u32::try_from(stat.size - from).unwrap_or(PIECE);
    let tail = files.read_at(Root::Process, path, from, size)?;
    let found = (0..tail.len().saturating_sub(END as usize - 1))
        .rev()
        .find_map(|at| parse_end(&tail[at..], from + at as u64));
    found.map_or(Ok(None), |end| read_directory(files, path, end))
}

/// Where the central directory is, and how far everything is shifted by what was put in front of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End {
    directory: u64,
    size: u32,
    shift: u64,
}

fn parse_end(bytes: &[u8], at: u64) -> Option<End> {
    if !bytes.starts_with(b"PK\x05\x06") || bytes.len() < END as usize {
        return None;
    }
    let (size, offset) = (word(bytes, 12)?, word(bytes, 16)?);
    let directory = at.checked_sub(u64::from(size))?;
    let shift = directory.checked_sub(u64::from(offset))?;
    Some(End {
        directory,
        size,
        shift,
    })
}

fn read_directory(files: &dyn FileView, path: &[u8], end: End) -> Result<Option<Archive>, Refused> {
    if end.size > PIECE {
        return Err(Refused::TooLarge);
    }
    let bytes = files.read_at(Root::Process, path, end.directory, end.size)?;
    Ok(Some(parse_directory(&bytes, end.shift)))
}

fn parse_directory(bytes: &[u8], shift: u64) -> Archive {
    let mut archive = Archive::default();
    let mut rest = bytes;
    while rest.starts_with(b"PK\x01\x02") && archive.members.len() < MEMBERS {
        let Some((name, member, size)) = parse_entry(rest, shift) else {
            break;
        };
        archive.members.insert(name.to_vec(), member);
        rest = &rest[size..];
    }
    archive
}

fn parse_entry(bytes: &[u8], shift: u64) -> Option<(&[u8], Member, usize)> {
    let (flags, method) = (half(bytes, 8)?, half(bytes, 10)?);
    let (packed, header) = (word(bytes, 20)?, word(bytes, 42)?);
    let name = usize::from(half(bytes, 28)?);
    let behind = usize::from(half(bytes, 30)?) + usize::from(half(bytes, 32)?);
    let text = bytes.get(ENTRY..ENTRY + name)?;
    let size = ENTRY + name + behind;
    bytes.get(..size)?;
    let plain = method == 0 && flags & 1 == 0;
    let member = Member {
        header: shift.saturating_add(u64::from(header)),
        stored: plain.then_some(packed),
    };
    Some((text, member, size))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let part = bytes.get(at..at + 2)?;
    Some(u16::from_le_bytes(part.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let part = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(part.try_into().ok()?))
}
