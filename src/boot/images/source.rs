//! Where an image is read from: a file, bytes in memory, or a part of either.

use std::io::{self, Read};

use super::effort::{Deadline, late};
use super::failed;
use crate::boot::files::OpenFile;
use crate::model::WhyNot;

/// Bytes that can be read at any offset.
pub(super) trait Source {
    /// How many there are.
    fn size(&self) -> u64;

    /// As many as there are at an offset, up to the length of `into`.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl Source for &[u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.get(at..));
        let rest = rest.unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

impl Source for OpenFile<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        Self::read_at(self, into, offset)
    }
}

/// A part of a source; it never reaches beyond it.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    source: &'a dyn Source,
    start: u64,
    size: u64,
}

impl<'a> Part<'a> {
    pub(super) fn whole(source: &'a dyn Source) -> Self {
        Self {
            source,
            start: 0,
            size: source.size(),
        }
    }

    /// The bytes from `offset` on, at most `size`; none if the offset lies behind the end.
    pub(super) fn part(&self, offset: u64, size: u64) -> Self {
        let offset = offset.min(self.size);
        Self {
            source: self.source,
            start: self.start + offset,
            size: size.min(self.size - offset),
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// At most `length` bytes at an offset.
    pub(super) fn bytes(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let part = self.part(offset, length as u64);
        let mut bytes = vec![0; usize::try_from(part.size).unwrap_or(length)];
        let count = part.source.read_at(&mut bytes, part.start)?;
        bytes.truncate(count);
        Ok(bytes)
    }

    /// Reads from the start on, until it is too late.
    pub(super) fn reader(&self, deadline: Deadline) -> Reader<'a> {
        Reader {
            part: *self,
            at: 0,
            deadline,
            broken: None,
        }
    }
}

/// Reads a part in order.
pub(super) struct Reader<'a> {
    part: Part<'a>,
    at: u64,
    deadline: Deadline,
    broken: Option<WhyNot>,
}

impl Reader<'_> {
    /// Why the source itself could not be read, if so: then what was made of it says nothing.
    pub(super) fn into_broken(self) -> Option<WhyNot> {
        self.broken
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Err(error) = self.deadline.check() {
            self.broken = Some(late());
            return Err(error);
        }
        let left = self.part.size - self.at;
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
        let read = self
            .part
            .source
            .read_at(&mut into[..length], self.part.start + self.at);
        match read {
            Ok(count) => {
                self.at += count as u64;
                Ok(count)
            }
            Err(error) => {
                self.broken = Some(failed(&error));
                Err(error)
            }
        }
    }
}
