//! Images that would cost much: time or memory.

use std::time::{Duration, Instant};

use super::super::effort::Effort;
use super::*;

/// Long enough for a debug build on a busy machine; what these rows keep away takes ten times as long.
const SHORT: Duration = Duration::from_secs(3);

#[track_caller]
fn check_quick(image: &[u8], why: &str) {
    let start = Instant::now();
    assert_eq!(reason(image), why);
    assert!(start.elapsed() < SHORT, "{:?}", start.elapsed());
}

/// A frame of lz4 with these flags, and blocks of 64 KiB (4) to 4 MiB (7); a block is stored or packed.
fn lz4(flags: u8, sizes: u8, blocks: &[(bool, &[u8])]) -> Vec<u8> {
    let mut frame = b"\x04\x22\x4d\x18".to_vec();
    frame.extend([0x40 | flags, sizes << 4, 0]);
    for (stored, block) in blocks {
        let size = u32::try_from(block.len()).unwrap() | u32::from(*stored) << 31;
        frame.extend(size.to_le_bytes());
        frame.extend_from_slice(block);
    }
    frame.extend([0; 4]);
    frame
}

const INDEPENDENT: u8 = 0x20;

/// A block of lz4 with some bytes, then a match `back` bytes before with this length, then five zeros.
fn with_match(bytes: &[u8], back: usize, length: usize) -> Vec<u8> {
    assert!(bytes.len() < 15 && (19..274).contains(&length));
    let mut block = vec![u8::try_from(bytes.len() << 4 | 15).unwrap()];
    block.extend_from_slice(bytes);
    block.extend(u16::try_from(back).unwrap().to_le_bytes());
    block.push(u8::try_from(length - 19).unwrap());
    block.extend(b"\x50\0\0\0\0\0");
    block
}

#[test]
fn t9_02_linked_blocks_of_lz4() {
    let text: &[u8] = b"6.1-x (a@b) (gcc) #1 SMP\n\0";
    let found = |frame: &[u8]| parse_image(frame).1 == Ok(banner("6.1-x", "#1 SMP"));
    let start: &[u8] = b"Linux version ";
    let referring = with_match(start, text.len() + start.len(), text.len());
    assert!(found(&lz4(0, 4, &[(true, text), (false, &referring)])));
    // What the first block holds may be packed as well.
    let packed = [&[0xf0, 12], text, b"\0"].concat();
    let one_more = with_match(start, text.len() + 1 + start.len(), text.len());
    assert!(found(&lz4(0, 4, &[(false, &packed), (false, &one_more)])));
    // Blocks on their own may not refer to others.
    let alone = lz4(INDEPENDENT, 4, &[(true, text), (false, &referring)]);
    assert!(!found(&alone) && reason(&alone).contains("cannot be unpacked"));
    // As far back as can be, after more than is kept; and by small blocks, of which nothing is dropped yet.
    let (large, small) = (vec![7; 64 * 1024], vec![7; 100]);
    let far = 65535 - start.len() - text.len();
    let filler = vec![7; far];
    let referring = with_match(start, 65535, text.len());
    for (before, count) in [(&large, 40), (&small, 20_000), (&small, 3)] {
        let mut blocks: Vec<(bool, &[u8])> = vec![(true, before); count];
        blocks.extend([(true, text), (true, &filler), (false, &referring)]);
        assert!(found(&lz4(0, 4, &blocks)));
    }
}

/// Room for a whole block, made anew for each, would cost seconds.
#[test]
fn t11_17_many_small_blocks() {
    let without = "it holds an lz4 stream without a kernel's banner";
    for flags in [0, INDEPENDENT] {
        check_quick(
            &lz4(flags, 7, &vec![(false, b"\x10x".as_slice()); 20_000]),
            without,
        );
    }
    let block = b"\x02\0\0\0\x10x";
    let legacy = |count| [b"\x02\x21\x4c\x18".as_slice(), &block.repeat(count)].concat();
    check_quick(&legacy(1), without);
    check_quick(
        &legacy(20_000),
        "it holds an lz4 stream that cannot be unpacked: a block that is not the last one is short",
    );
}

#[test]
fn t11_17_blocks_of_lzo_that_promise_more() {
    // Version 1.030, method 1; no flags, no name.
    let mut lzo = b"\x89LZO\0\r\n\x1a\n\x10\x30\x20\xa0\x10\x01\x01\x09".to_vec();
    lzo.extend([0; 4 + 12 + 1 + 4]);
    // Four bytes and the end.
    let packed = b"\x15abcd\x11\0\0";
    for _ in 0..1000 {
        lzo.extend(0x4_0000_u32.to_be_bytes());
        lzo.extend(u32::try_from(packed.len()).unwrap().to_be_bytes());
        lzo.extend(packed);
    }
    check_quick(
        &lzo,
        "it holds an lzo stream that cannot be unpacked: a block holds less than it says",
    );
}

#[test]
fn t11_17_many_starts_of_banners() {
    let starts = b"Linux version ".repeat(600_000);
    check_quick(
        &starts,
        "it has no form that is known, and no kernel's banner is in it",
    );
    let image = [&starts, b"6.1-x (a@b) (gcc) #1 SMP\n\0".as_slice()].concat();
    assert_eq!(parse_image(&image).1, Ok(banner("6.1-x", "#1 SMP")));
}

/// The header of a frame of zstd with a window of 128 MiB, as `zstd -22 --ultra` writes it.
const ZSTD_128_MIB: &[u8] = b"\x28\xb5\x2f\xfd\x04\x88";

/// Blocks of 128 KiB of one repeated byte (RFC 8878, 3.1.1.2).
fn zeros_of_zstd(mib: usize) -> Vec<u8> {
    b"\x02\0\x10\0".repeat(mib * 8)
}

/// A last block of nothing, and a sum.
const END_OF_ZSTD: &[u8] = b"\x01\0\0\0\0\0\0";

#[test]
fn t9_02_wide_windows_of_zstd() {
    let text = b"Linux version 6.1-x (a@b) (gcc) #1 SMP\n\0";
    let size = u32::try_from(text.len()).unwrap() << 3;
    let raw = [&size.to_le_bytes()[..3], text].concat();
    let image = |before, after, end: &[u8]| {
        [
            ZSTD_128_MIB,
            &zeros_of_zstd(before),
            &raw,
            &zeros_of_zstd(after),
            end,
        ]
        .concat()
    };
    let found = Ok(banner("6.1-x", "#1 SMP"));
    for image in [
        image(1, 1, END_OF_ZSTD),
        image(40, 1, END_OF_ZSTD),
        // What is behind the banner matters to nobody: it is not unpacked.
        image(27, 41, END_OF_ZSTD),
        image(27, 41, b"damaged"),
        image(40, 2000, b""),
    ] {
        assert_eq!(parse_image(&image).1, found);
    }
    let why =
        "it holds a zstd stream that cannot be unpacked: no more than 48 MiB of it are unpacked";
    assert_eq!(reason(&image(49, 1, END_OF_ZSTD)), why);
    let none = [ZSTD_128_MIB, &zeros_of_zstd(40), END_OF_ZSTD].concat();
    let why = "it holds a zstd stream without a kernel's banner";
    assert_eq!(reason(&none), why);
}

/// A stream of xz with a dictionary of 128 MiB, and in it zeros that are not packed (doc/xz-file-format.txt of xz).
#[test]
fn t11_17_wide_dictionaries_of_xz() {
    let header = b"\x02\0\x21\x01\x1e\0\0\0";
    let mut crc = flate2::Crc::new();
    crc.update(header);
    let mut xz = b"\xfd7zXZ\0\0\0\xff\x12\xd9\x41".to_vec();
    xz.extend_from_slice(header);
    xz.extend(crc.sum().to_le_bytes());
    let chunk = [b"\x01\xff\xff".as_slice(), &[0; 0x1_0000]].concat();
    let more = [b"\x02\xff\xff".as_slice(), &[0; 0x1_0000]].concat();
    let image = [xz, chunk, more.repeat(16 * 50)].concat();
    let why =
        "it holds an xz stream that cannot be unpacked: no more than 48 MiB of it are unpacked";
    assert_eq!(reason(&image), why);
}

const LATE: &str = "it was not read in time: kernel images took too long altogether";

#[test]
fn t11_17_too_late() {
    let late = |image: &[u8]| {
        let mut effort = Effort::within(Duration::ZERO);
        form::banner(&Part::whole(&image), &mut effort).1
    };
    for name in [
        "arm64.gz",
        "arm64.zst",
        "arm64.xz",
        "arm64.lz4",
        "arm64.bz2",
        "arm64.spans",
        "armhf.spans",
        "zboot.spans",
    ] {
        let said = late(&fixture(name));
        assert_eq!(said, Err(WhyNot::Failed(LATE.to_owned())), "{name}");
    }
    // What a header says costs nothing.
    for name in ["amd64.spans", "s390x.spans", "unified.spans"] {
        assert!(late(&fixture(name)).is_ok(), "{name}");
    }
}

/// Unpacking is given up in the midst of it: of nothing at all, and of much.
#[test]
fn t11_17_gives_up_in_time() {
    let empty = [ZSTD_128_MIB, &vec![0; 64 * 1024 * 1024]].concat();
    let much = [ZSTD_128_MIB, &zeros_of_zstd(8), &vec![0; 48 * 1024 * 1024]].concat();
    for image in [empty, much] {
        let mut effort = Effort::within(Duration::from_millis(50));
        let start = Instant::now();
        let said = form::banner(&Part::whole(&image.as_slice()), &mut effort).1;
        assert_eq!(said, Err(WhyNot::Failed(LATE.to_owned())));
        assert!(start.elapsed() < SHORT, "{:?}", start.elapsed());
    }
}
