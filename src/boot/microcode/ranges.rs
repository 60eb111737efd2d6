//! Pieces of a file, of a part of a file or of memory: microcode is looked through by its headers, and most of it is not
//! read at all.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::time::Instant;

use crate::boot::files::OpenFile;

/// Bytes by their offsets.
pub trait Ranges {
    /// How many there are.
    fn size(&self) -> u64;

    /// The bytes from an offset, or fewer where they end.
    ///
    /// # Errors
    /// What reading says.
    fn range(&self, offset: u64, length: usize) -> io::Result<Cow<'_, [u8]>>;
}

/// Where microcode or an archive is not what it should be, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// From the beginning of what was looked through.
    pub offset: u64,
    /// What is wrong, or what the system said.
    pub what: String,
}

impl Damage {
    pub(super) fn at(offset: u64, what: impl Into<String>) -> Self {
        Self {
            offset,
            what: what.into(),
        }
    }

    /// The same from the beginning of the file that holds it.
    pub(super) fn behind(self, start: u64) -> Self {
        Self {
            offset: self.offset.saturating_add(start),
            ..self
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "at byte {}: {}", self.offset, self.what)
    }
}

impl Ranges for &[u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn range(&self, offset: u64, length: usize) -> io::Result<Cow<'_, [u8]>> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let from = self.get(start..).unwrap_or_default();
        Ok(Cow::Borrowed(&from[..length.min(from.len())]))
    }
}

impl Ranges for OpenFile<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn range(&self, offset: u64, length: usize) -> io::Result<Cow<'_, [u8]>> {
        OpenFile::range(self, offset, length).map(Cow::Owned)
    }
}

/// A part of something larger.
pub(super) struct Part<'a> {
    pub(super) whole: &'a dyn Ranges,
    pub(super) start: u64,
    pub(super) size: u64,
}

impl Ranges for Part<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn range(&self, offset: u64, length: usize) -> io::Result<Cow<'_, [u8]>> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        self.whole
            .range(self.start.saturating_add(offset), length.min(left))
    }
}

/// A source that gives nothing any more once it is too late.
pub(super) struct Timed<'a> {
    pub(super) whole: &'a dyn Ranges,
    pub(super) deadline: Instant,
}

impl Ranges for Timed<'_> {
    fn size(&self) -> u64 {
        self.whole.size()
    }

    fn range(&self, offset: u64, length: usize) -> io::Result<Cow<'_, [u8]>> {
        in_time(self.deadline)?;
        self.whole.range(offset, length)
    }
}

/// An error once it is too late.
pub(super) fn in_time(deadline: Instant) -> io::Result<()> {
    let late = "it was not read in time: microcode took too long altogether";
    match Instant::now() >= deadline {
        true => Err(io::Error::new(io::ErrorKind::TimedOut, late)),
        false => Ok(()),
    }
}

/// Exactly `length` bytes, or that they are missing.
pub(super) fn exactly<'a>(
    source: &'a dyn Ranges,
    offset: u64,
    length: usize,
    what: &str,
) -> Result<Cow<'a, [u8]>, Damage> {
    let bytes = at_most(source, offset, length)?;
    match bytes.len() == length {
        true => Ok(bytes),
        false => Err(Damage::at(offset, format!("{what} is cut off"))),
    }
}

/// As many bytes as there are, up to `length`.
pub(super) fn at_most(
    source: &dyn Ranges,
    offset: u64,
    length: usize,
) -> Result<Cow<'_, [u8]>, Damage> {
    source.range(offset, length).map_err(|error| {
        let why = match error.raw_os_error() {
            Some(_) => error.kind().to_string(),
            None => error.to_string(),
        };
        Damage::at(offset, why)
    })
}

/// A little-endian number of four bytes; zero where there are none.
pub(super) fn word(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..)
        .and_then(|bytes| bytes.first_chunk())
        .map_or(0, |bytes| u32::from_le_bytes(*bytes))
}
