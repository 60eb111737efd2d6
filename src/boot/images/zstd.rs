//! zstd, in bounded memory. The kernel's build asks for windows of 128 MiB (`zstd -22 --ultra`), and a decoder gives
//! nothing of what it holds until it holds more than a window, or the end came.

use std::io::{self, BufRead, BufReader, Read};

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::stream::{HELD_CAP, not_held};

const WINDOW_CAP: u64 = 128 * 1024 * 1024;
/// A last block of nothing (RFC 8878, 3.1.1.2), and a sum that nobody compares.
const END: &[u8] = b"\x01\0\0\0\0\0\0";

/// Unpacks a frame.
pub(super) struct Zstd<R> {
    packed: BufReader<R>,
    decoder: FrameDecoder,
    state: State,
}

#[derive(PartialEq, Eq)]
enum State {
    /// The window is larger than what is held, and nothing was unpacked yet.
    Wide,
    /// Whatever is beyond the window is given.
    Flowing,
    /// What was held is given, and no more.
    Cut,
}

impl<R: Read> Zstd<R> {
    pub(super) fn new(packed: R) -> io::Result<Self> {
        let mut packed = BufReader::new(packed);
        let narrow = decoder(packed.fill_buf()?, HELD_CAP as u64).is_ok();
        let decoder = decoder(&mut packed, WINDOW_CAP)?;
        Ok(Self {
            packed,
            decoder,
            state: if narrow { State::Flowing } else { State::Wide },
        })
    }

    /// Unpacks as much as is held at most, and makes the decoder believe that this was all.
    fn hold(&mut self) -> io::Result<State> {
        let held = BlockDecodingStrategy::UptoBytes(HELD_CAP);
        let ended = self.decoder.decode_blocks(&mut self.packed, held);
        if ended.map_err(io::Error::other)? {
            return Ok(State::Flowing);
        }
        let end = self.decoder.decode_blocks(END, BlockDecodingStrategy::All);
        end.map_err(io::Error::other)?;
        Ok(State::Cut)
    }
}

impl<R: Read> Read for Zstd<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.state == State::Wide {
            self.state = self.hold()?;
        }
        while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
            let one = BlockDecodingStrategy::UptoBlocks(1);
            let block = self.decoder.decode_blocks(&mut self.packed, one);
            block.map_err(io::Error::other)?;
        }
        if self.state == State::Cut && self.decoder.can_collect() == 0 {
            return Err(not_held());
        }
        self.decoder.read(into)
    }
}

/// A decoder that has read the header of a frame.
fn decoder(packed: impl Read, window: u64) -> io::Result<FrameDecoder> {
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(window);
    decoder.init(packed).map_err(io::Error::other)?;
    Ok(decoder)
}
