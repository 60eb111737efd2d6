//! Compressed kernels: every way that the kernel's build knows (`CONFIG_KERNEL_*`).

use std::io::{self, Read};

use super::blocks::{Blocks, Lz4, Lzop};
use super::zstd::Zstd;

/// `xz_wrap.sh` of the kernel's build uses windows of 128 MiB at most, with room for the rest of the decoder.
const WINDOW_CAP_KIB: u32 = 136 * 1024;
/// The most that decoders hold of what they unpack, whatever window a stream asks for. The banner of Ubuntu's 7.0 for
/// arm64 is at 27 of 69 MiB, as far behind as any that was seen. The decoder of lzma doubles its memory when it needs
/// more, and so may have twice as much.
pub(super) const HELD_CAP: usize = 48 * 1024 * 1024;

/// Ways to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::boot) enum Compression {
    Gzip,
    Zstd,
    Xz,
    Lzma,
    Lz4,
    Bzip2,
    Lzo,
}

/// What a stream begins with. That of lzma is weak: see [`is_lzma`].
pub(super) const MAGICS: [(&[u8], Compression); 8] = [
    (b"\x1f\x8b\x08", Compression::Gzip),
    (b"\x28\xb5\x2f\xfd", Compression::Zstd),
    (b"\xfd7zXZ\0", Compression::Xz),
    // The legacy frame is what the kernel's build makes (`lz4 -l`).
    (b"\x02\x21\x4c\x18", Compression::Lz4),
    (b"\x04\x22\x4d\x18", Compression::Lz4),
    (b"\x89LZO\0\r\n\x1a\n", Compression::Lzo),
    (b"BZh", Compression::Bzip2),
    (b"\x5d\0\0", Compression::Lzma),
];

impl Compression {
    /// What a stream is, by its first bytes.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        let (_, compression) = MAGICS.iter().find(|(magic, _)| head.starts_with(magic))?;
        let plausible = match compression {
            // The reserved bits of the flags are 0 (RFC 1952).
            Self::Gzip => head.get(3).is_some_and(|flags| flags & 0xe0 == 0),
            Self::Bzip2 => is_bzip2(head),
            Self::Lzma => is_lzma(head),
            _ => true,
        };
        plausible.then_some(*compression)
    }

    /// Its word for people.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Gzip => "a gzip",
            Self::Zstd => "a zstd",
            Self::Xz => "an xz",
            Self::Lzma => "an lzma",
            Self::Lz4 => "an lz4",
            Self::Bzip2 => "a bzip2",
            Self::Lzo => "an lzo",
        }
    }

    /// Unpacks while it is read.
    pub(in crate::boot) fn unpack<'a>(
        self,
        packed: impl Read + 'a,
    ) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Self::Gzip => Box::new(flate2::read::GzDecoder::new(packed)),
            Self::Zstd => Box::new(Zstd::new(packed)?),
            Self::Xz => Box::new(Held::new(lzma_rust2::XzReader::new_mem_limit(
                io::BufReader::new(packed),
                false,
                WINDOW_CAP_KIB,
            ))),
            Self::Lzma => Box::new(Held::new(lzma_rust2::LzmaReader::new_mem_limit(
                io::BufReader::new(packed),
                WINDOW_CAP_KIB,
                None,
            )?)),
            Self::Lz4 => Box::new(Blocks::new(packed, Lz4::default())),
            Self::Bzip2 => Box::new(bzip2::read::BzDecoder::new(packed)),
            Self::Lzo => Box::new(Blocks::new(packed, Lzop::default())),
        })
    }
}

/// What a decoder unpacks whose memory grows with it, as far as it may.
struct Held<R> {
    unpacked: R,
    left: usize,
}

impl<R> Held<R> {
    fn new(unpacked: R) -> Self {
        Self {
            unpacked,
            left: HELD_CAP,
        }
    }
}

impl<R: Read> Read for Held<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(not_held());
        }
        let length = into.len().min(self.left);
        let count = self.unpacked.read(&mut into[..length])?;
        self.left -= count;
        Ok(count)
    }
}

/// Says that more is packed than is held.
pub(super) fn not_held() -> io::Error {
    let mib = HELD_CAP / 1024 / 1024;
    io::Error::other(format!("no more than {mib} MiB of it are unpacked"))
}

/// A level, and the magic of a block (`BZh91AY&SY`).
fn is_bzip2(head: &[u8]) -> bool {
    head.get(3)
        .is_some_and(|level| matches!(level, b'1'..=b'9'))
        && head
            .get(4..10)
            .is_some_and(|magic| magic == b"1AY&SY".as_slice())
}

/// A dictionary of a size that encoders use, and a size that is unknown or that of a kernel.
fn is_lzma(head: &[u8]) -> bool {
    let Some(header) = head.get(..13) else {
        return false;
    };
    let dictionary = u32::from_le_bytes([header[1], header[2], header[3], header[4]]);
    let size = header[5..13]
        .iter()
        .rev()
        .fold(0_u64, |size, &byte| size << 8 | u64::from(byte));
    let usual = dictionary >= 1 << 12 && (dictionary & (dictionary - 1)) == 0
        || dictionary % (3 << 19) == 0 && dictionary != 0;
    usual && (size == u64::MAX || size < 1 << 30)
}
