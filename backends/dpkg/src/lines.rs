//! Lines of a file, read in pieces: memory is bounded by the longest line that is allowed, not by the file.

use std::io::{self, BufRead, Read};

/// The first size of the buffer: larger than nearly every list, so that a list is one read.
const PIECE: usize = 512 * 1024;

/// How reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// After a newline, or the file is empty.
    Whole,
    /// Within this line, which was not handed out: the file is truncated or still being written.
    Cut(u64),
    /// This line is longer than allowed; it and the rest were not read.
    LongLine(u64),
    /// More text than allowed; this line and the rest were not read.
    TooMuch(u64),
}

impl End {
    /// The line and what is wrong with it, unless all is well.
    pub fn trouble(self) -> Option<(u64, &'static str)> {
        match self {
            Self::Whole => None,
            Self::Cut(line) => Some((line, "the file ends within this line")),
            Self::LongLine(line) => Some((line, "line too long, the rest is not read")),
            Self::TooMuch(line) => Some((line, "file too large, the rest is not read")),
        }
    }
}

/// How much is read at most.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of one line; what a first piece can hold is always allowed.
    pub line: usize,
    /// Bytes of all.
    pub total: u64,
}

/// A buffer to read many files with, one after the other.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    spent: u64,
}

impl Buffer {
    /// How many bytes were read with it so far.
    pub fn spent(&self) -> u64 {
        self.spent
    }
}

/// Hands each complete line (number from 1, bytes without the newline) to `each`.
///
/// # Errors
/// What reading says; the number is the line that was being read.
pub fn read_lines(
    mut from: impl Read,
    buffer: &mut Buffer,
    limits: Limits,
    mut each: impl FnMut(u64, &[u8]),
) -> Result<End, (u64, io::Error)> {
    let Buffer {
        bytes: buffer,
        spent,
    } = buffer;
    if buffer.len() < PIECE {
        buffer.resize(PIECE, 0);
    }
    let (mut filled, mut number, mut total) = (0, 0, 0);
    loop {
        if filled == buffer.len() {
            if filled >= limits.line {
                return Ok(End::LongLine(number + 1));
            }
            buffer.resize((filled * 2).min(limits.line.max(PIECE)), 0);
        }
        let got = match from.read(&mut buffer[filled..]) {
            Ok(0) if filled == 0 => return Ok(End::Whole),
            Ok(0) => return Ok(End::Cut(number + 1)),
            Ok(got) => got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err((number + 1, error)),
        };
        filled += got;
        total += got as u64;
        *spent += got as u64;
        let done = each_line(&buffer[..filled], filled - got, &mut number, &mut each);
        buffer.copy_within(done..filled, 0);
        filled -= done;
        if total > limits.total {
            return Ok(End::TooMuch(number + 1));
        }
    }
}

/// Hands out the complete lines of `text` and says where the incomplete one begins; `fresh` bytes on are new.
fn each_line(
    text: &[u8],
    fresh: usize,
    number: &mut u64,
    each: &mut impl FnMut(u64, &[u8]),
) -> usize {
    let (mut start, mut scan) = (0, fresh);
    loop {
        // The fastest search for one byte that the standard library offers.
        let skipped = (&text[scan..]).skip_until(b'\n').unwrap_or(0);
        let end = scan + skipped;
        if skipped == 0 || text[end - 1] != b'\n' {
            return start;
        }
        *number += 1;
        each(*number, &text[start..end - 1]);
        (start, scan) = (end, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes in pieces of a few.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let some = self.1.min(into.len());
            self.0
                .take(some as u64)
                .read(into)
                .inspect(|&n| self.0 = &self.0[n..])
        }
    }

    #[track_caller]
    fn check(text: &str, lines: &[&str], end: End) {
        for step in [1, 2, 3, 7, 1000] {
            let mut seen = Vec::new();
            let limits = Limits {
                line: 8,
                total: 100,
            };
            let got = read_lines(
                Drip(text.as_bytes(), step),
                &mut Buffer::default(),
                limits,
                |n, line| {
                    seen.push((n, String::from_utf8_lossy(line).into_owned()));
                },
            )
            .unwrap();
            assert_eq!(got, end);
            let expected: Vec<_> = (1..).zip(lines.iter().map(|l| (*l).to_string())).collect();
            assert_eq!(seen, expected);
        }
    }

    #[test]
    fn lines_whole_and_cut() {
        check("", &[], End::Whole);
        check("a\nbb\n\n", &["a", "bb", ""], End::Whole);
        check("a\nbb", &["a"], End::Cut(2));
        check("\n\nx\n", &["", "", "x"], End::Whole);
    }

    #[test]
    fn a_line_without_end_stops_at_the_bound() {
        let limits = Limits {
            line: 1 << 20,
            total: 1 << 30,
        };
        let mut buffer = Buffer::default();
        let end = read_lines(io::repeat(b'x'), &mut buffer, limits, |_, _| {}).unwrap();
        assert_eq!(end, End::LongLine(1));
        assert!(buffer.bytes.len() <= 1 << 20);
    }

    #[test]
    fn a_file_without_end_stops_at_the_bound() {
        let limits = Limits {
            line: 1 << 10,
            total: 1 << 22,
        };
        let end = read_lines(io::repeat(b'\n'), &mut Buffer::default(), limits, |_, _| {}).unwrap();
        assert!(matches!(end, End::TooMuch(_)));
    }
}
