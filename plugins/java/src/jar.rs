//! What a jar's own manifest adds to the class path. Reads the end of the archive, its directory and that one member, all of
//! them bounded: archives come from anybody.

#![forbid(unsafe_code)]

use std::io::Read as _;

use flate2::read::DeflateDecoder;
use unstale_plugin::{FileView, Refused, Root};

/// APPNOTE.TXT of the ZIP format, 4.3.16: the record at the end, and the comment that may follow it.
const END: usize = 22;
const COMMENT: usize = 0xffff;
/// 4.3.12: one member in the central directory, before its name.
const MEMBER: usize = 46;
/// 4.3.7: the header before a member's data, without its name and extra field.
const LOCAL: usize = 30;
/// Read with it, for its name and extra field.
const MEMBER_HEAD: u32 = 512;

/// How much of the central directory is looked through, in steps: the manifest comes first in archives that `jar` made.
const DIRECTORY_STEPS: [u32; 3] = [4 * 1024, 32 * 1024, 256 * 1024];
const DIRECTORY: &[u8] = b"PK\x01\x02";
/// How much of the manifest is read: its main section comes first, a section for each signed class may follow.
const MANIFEST: u32 = 64 * 1024;

/// As many URLs as are taken from one field.
const URLS: usize = 500;

const NAME: &[u8] = b"META-INF/MANIFEST.MF";

/// What a manifest names, as it is written there: relative URLs between blanks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Named {
    /// `Class-Path`.
    pub(crate) class_path: Vec<Vec<u8>>,
    /// `Boot-Class-Path` of an agent.
    pub(crate) boot_class_path: Vec<Vec<u8>>,
}

impl Named {
    /// About so many bytes.
    pub(crate) fn size(&self) -> usize {
        let urls = self.class_path.iter().chain(&self.boot_class_path);
        urls.map(|url| url.len() + 64).sum::<usize>() + 256
    }
}

/// Reads what the manifest of an archive names; nothing if it has none, or is no archive.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn read_named(files: &dyn FileView, path: &[u8], size: u64) -> Result<Named, Refused> {
    let read = |offset: u64, size: u32| files.read_at(Root::Process, path, offset, size);
    let Some(mut directory) = read_end(&read, size)? else {
        return Ok(Named::default());
    };
    let Some(member) = read_directory(&read, &mut directory)? else {
        return Ok(Named::default());
    };
    let manifest = read_member(&read, &directory, &member)?;
    Ok(parse_manifest(&manifest))
}

type Read<'a> = dyn Fn(u64, u32) -> Result<Vec<u8>, Refused> + 'a;

/// Where the central directory is.
#[derive(Debug, PartialEq, Eq)]
struct Directory {
    start: u64,
    size: u64,
    /// Bytes before the archive: a shell script, in archives that can be executed. Offsets do not count them.
    prefix: u64,
    /// Where it is if nothing is before the archive.
    offset: u64,
}

/// Where a member's header and data are.
#[derive(Debug, PartialEq, Eq)]
struct Member {
    offset: u64,
    size: u32,
    deflated: bool,
}

fn read_end(read: &Read<'_>, size: u64) -> Result<Option<Directory>, Refused> {
    // Nearly all archives have no comment; one question more for those that do.
    for tail in [END, END + COMMENT] {
        let start = size.saturating_sub(tail as u64);
        let bytes = read(start, u32::try_from(tail).unwrap_or(u32::MAX))?;
        let Some((at, size, offset)) = parse_end(&bytes) else {
            continue;
        };
        let end = start + at as u64;
        // What is missing in between lies before the archive: or it is the records of Zip64, behind the directory.
        let start = end.checked_sub(size).filter(|&start| start >= offset);
        return Ok(start.map(|start| Directory {
            start,
            size,
            prefix: start - offset,
            offset,
        }));
    }
    Ok(None)
}

/// Finds the last record: its place, the size of the directory and its offset.
fn parse_end(tail: &[u8]) -> Option<(usize, u64, u64)> {
    let last = tail.len().checked_sub(END)?;
    (0..=last).rev().find_map(|at| {
        let record = &tail[at..];
        let comment = usize::from(u16_at(record, 20)?);
        if !record.starts_with(b"PK\x05\x06") || record.len() != END + comment {
            return None;
        }
        Some((at, u32_at(record, 12)?.into(), u32_at(record, 16)?.into()))
    })
}

fn read_directory(read: &Read<'_>, directory: &mut Directory) -> Result<Option<Member>, Refused> {
    for step in DIRECTORY_STEPS {
        let size = step.min(u32::try_from(directory.size).unwrap_or(u32::MAX));
        let mut bytes = read(directory.start, size)?;
        if !bytes.starts_with(DIRECTORY) && directory.prefix > 0 {
            directory.start = directory.offset;
            directory.prefix = 0;
            bytes = read(directory.start, size)?;
        }
        if let Some(member) = parse_directory(&bytes) {
            return Ok(Some(member));
        }
        if u64::from(size) >= directory.size || !bytes.starts_with(DIRECTORY) {
            break;
        }
    }
    Ok(None)
}

fn parse_directory(bytes: &[u8]) -> Option<Member> {
    let mut rest = bytes;
    loop {
        if !rest.starts_with(b"PK\x01\x02") {
            return None;
        }
        let name = usize::from(u16_at(rest, 28)?);
        let after = usize::from(u16_at(rest, 30)?) + usize::from(u16_at(rest, 32)?);
        if rest.get(MEMBER..MEMBER + name)?.eq_ignore_ascii_case(NAME) {
            return Some(Member {
                offset: u32_at(rest, 42)?.into(),
                size: u32_at(rest, 20)?,
                deflated: u16_at(rest, 10)? != 0,
            });
        }
        rest = rest.get(MEMBER + name + after..)?;
    }
}

fn read_member(read: &Read<'_>, place: &Directory, member: &Member) -> Result<Vec<u8>, Refused> {
    let start = place.prefix.saturating_add(member.offset);
    // One question for all: the extra field is small, or what is behind it is cut.
    let size = member.size.min(MANIFEST) + MEMBER_HEAD;
    let bytes = read(start, size)?;
    let lengths = u16_at(&bytes, 26).zip(u16_at(&bytes, 28));
    let Some((name, extra)) = lengths.filter(|_| bytes.starts_with(b"PK\x03\x04")) else {
        return Ok(Vec::new());
    };
    let data = LOCAL + usize::from(name) + usize::from(extra);
    let data = bytes.get(data..).unwrap_or_default();
    let data = &data[..data.len().min(member.size as usize)];
    if !member.deflated {
        return Ok(data.to_vec());
    }
    let mut manifest = Vec::new();
    let mut decoder = DeflateDecoder::new(data).take(MANIFEST.into());
    // Data that is cut or damaged still gives what came before.
    match decoder.read_to_end(&mut manifest) {
        Ok(_) | Err(_) => Ok(manifest),
    }
}

/// The main section of a manifest: lines `Name: value`, continued by a blank, up to an empty line.
fn parse_manifest(text: &[u8]) -> Named {
    let mut fields: Vec<Vec<u8>> = Vec::new();
    for line in text.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match (line.strip_prefix(b" "), fields.last_mut()) {
            (Some(more), Some(field)) => field.extend_from_slice(more),
            _ if line.is_empty() => break,
            _ => fields.push(line.to_vec()),
        }
    }
    let urls = |name: &[u8]| {
        let value = fields.iter().find_map(|field| {
            let (key, value) = field.split_at_checked(name.len())?;
            let value = value.strip_prefix(b":")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        });
        let words = value.unwrap_or_default().split(u8::is_ascii_whitespace);
        words
            .filter(|word| !word.is_empty())
            .take(URLS)
            .map(<[u8]>::to_vec)
            .collect()
    };
    Named {
        class_path: urls(b"Class-Path"),
        boot_class_path: urls(b"Boot-Class-Path"),
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn manifest(text: &str, class_path: &[&str]) {
        let named = parse_manifest(text.as_bytes());
        let urls: Vec<_> = named
            .class_path
            .into_iter()
            .map(|url| String::from_utf8(url).unwrap())
            .collect();
        assert_eq!(urls, class_path);
    }

    #[test]
    fn t6_20_class_path_of_a_manifest() {
        manifest("", &[]);
        manifest(
            "Manifest-Version: 1.0\r\nClass-Path: a.jar  lib/b.jar\r\n",
            &["a.jar", "lib/b.jar"],
        );
        manifest(
            "class-path: a.j\n ar b\n  .jar\nX: y\n",
            &["a.jar", "b", ".jar"],
        );
        manifest("X: y\n\nName: z\nClass-Path: a.jar\n", &[]);
        manifest(" Class-Path: a.jar\n", &[]);
        manifest("Class-Path-X: a.jar\n", &[]);
    }

    #[test]
    fn t11_17_damaged_archives() {
        let mut bytes = b"PK\x01\x02".repeat(40);
        bytes.extend_from_slice(
            b"PK\x05\x06\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00",
        );
        assert_eq!(parse_directory(&bytes), None);
        let (at, ..) = parse_end(&bytes).unwrap();
        assert_eq!(at, 160);
        assert_eq!(parse_end(&bytes[..at + 21]), None);
        for cut in 0..bytes.len() {
            parse_directory(&bytes[cut..]);
            parse_end(&bytes[..cut]);
        }
    }
}
