//! The banner in a stream of bytes: `Linux version RELEASE (BUILDER) (COMPILER) #BUILD … DATE` (`linux_banner` of
//! init/version.c).

use std::io::{self, Read};

use memchr::memmem::Finder;

use super::effort::Limit;
use crate::boot::kernel::parse_version;
use crate::model::Banner;

const START: &[u8] = b"Linux version ";
/// `linux_banner` ends with a newline and a NUL; the longest that were seen have 300 bytes.
const BANNER_CAP: usize = 1024;
/// What is looked through at a time.
const WINDOW: usize = 256 * 1024;

/// What a search came to.
#[derive(Debug)]
pub(super) enum Search {
    /// Found.
    Found(Banner),
    /// There is none up to the end.
    Absent,
    /// There is none in as much as is searched.
    NotSoFar,
    /// It was too late to go on.
    Late,
    /// It could not be read any further.
    Failed(io::Error),
}

/// Searches what a reader gives, as far as the limit allows; takes from that what it has read.
pub(super) fn search(reader: &mut dyn Read, limit: &mut Limit) -> Search {
    let finder = Finder::new(START);
    let mut window = vec![0; WINDOW];
    let mut filled = 0;
    loop {
        if limit.deadline.has_passed() {
            return Search::Late;
        }
        let room = usize::try_from(limit.bytes).unwrap_or(WINDOW);
        let room = room.min(WINDOW - filled);
        let read = match reader.read(&mut window[filled..filled + room]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read,
        };
        let count = *read.as_ref().unwrap_or(&0);
        filled += count;
        limit.bytes -= count as u64;
        let end = count == 0;
        // Decoders give little at a time.
        if !end && filled < WINDOW {
            continue;
        }
        let (found, open) = look(&window[..filled], &finder, end);
        match (found, read) {
            (Some(banner), _) => return Search::Found(banner),
            (None, Err(error)) => return Search::Failed(error),
            (None, Ok(0)) if room == 0 => return Search::NotSoFar,
            (None, Ok(0)) => return Search::Absent,
            (None, Ok(_)) => {}
        }
        window.copy_within(open..filled, 0);
        filled -= open;
    }
}

/// Looks through a window: what it holds, and from where on the next one has to look again.
fn look(window: &[u8], finder: &Finder<'_>, end: bool) -> (Option<Banner>, usize) {
    let mut starts = finder.find_iter(window).peekable();
    while let Some(at) = starts.next() {
        if window.len() - at < BANNER_CAP && !end {
            return (None, at);
        }
        // No banner holds the start of another one: so nothing is looked at twice, however many starts there are.
        let next = starts.peek().copied().unwrap_or(window.len());
        if let Some(banner) = parse_banner(&window[at..next]) {
            return (Some(banner), at);
        }
    }
    (None, window.len().saturating_sub(START.len() - 1))
}

/// The banner at the start of bytes. arm64 images hold a template before it, without a number of the build, and all hold
/// strings to format such texts with.
pub(super) fn parse_banner(bytes: &[u8]) -> Option<Banner> {
    let banner = parse_version(line(bytes)?)?;
    is_sane(&banner).then_some(banner)
}

/// The text in the header of an image: `RELEASE (BUILDER) VERSION`, without the name of the system and the compiler.
pub(super) fn parse_short_banner(bytes: &[u8]) -> Option<Banner> {
    parse_banner(&[START, line(bytes)?, b"\0"].concat())
}

/// `uname -r` alone, with or without an end of line.
pub(super) fn parse_release(bytes: &[u8]) -> Option<Banner> {
    let end = bytes.iter().position(|byte| matches!(byte, 0 | b'\n'));
    let release = bytes[..end.unwrap_or(bytes.len())].trim_ascii();
    let banner = Banner {
        release: release.into(),
        version: b"".as_slice().into(),
    };
    (is_sane(&banner) && release.len() < BANNER_CAP).then_some(banner)
}

/// The text up to its end, if it has one and nothing but text is in it: some compressions leave sentences readable, but
/// with gaps.
fn line(bytes: &[u8]) -> Option<&[u8]> {
    let bytes = &bytes[..bytes.len().min(BANNER_CAP)];
    let end = bytes.iter().position(|byte| matches!(byte, 0 | b'\n'))?;
    let text = &bytes[..end];
    let printable = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    let whole = text.iter().all(printable) && std::str::from_utf8(text).is_ok();
    whole.then_some(text)
}

/// A release is one word, and no pattern for one.
fn is_sane(banner: &Banner) -> bool {
    let release = banner.release.as_slice();
    let word = |byte: &u8| byte.is_ascii_graphic() && *byte != b'%';
    !release.is_empty() && release.iter().all(word)
}
