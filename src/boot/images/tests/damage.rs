//! Images that are cut, damaged, or made to do harm.

use std::io::Write as _;

use proptest::prelude::*;

use super::*;

const FIXTURES: [&str; 15] = [
    "amd64.spans",
    "armhf.spans",
    "s390x.spans",
    "unified-arm64.spans",
    "arm64.gz",
    "arm64.zst",
    "arm64.xz",
    "arm64.xz-arm64",
    "arm64.lzma",
    "arm64.lz4-legacy",
    "arm64.lz4",
    "arm64.bz2",
    "arm64.lzo",
    "amd64-zstd.spans",
    "unified.spans",
];

/// A damaged image says the whole banner, or a reason; never another banner.
#[track_caller]
fn check_damaged(image: &[u8], whole: &Banner) {
    if let Ok(banner) = parse_image(image).1 {
        let release_alone = banner.version.as_slice().is_empty();
        assert!(banner == *whole || (release_alone && banner.release == whole.release));
    }
}

#[test]
fn t11_17_cut_anywhere() {
    for name in FIXTURES {
        let image = fixture(name);
        let whole = parse_image(&image).1.unwrap();
        let step = (image.len() / 60).max(7);
        for end in (0..image.len()).step_by(step) {
            check_damaged(&image[..end], &whole);
        }
    }
}

#[track_caller]
fn check(image: &[u8], why: &str) {
    assert_eq!(reason(image), why);
}

#[test]
fn t9_06_reasons() {
    check(b"", "it is empty");
    let unknown = "it has no form that is known, and no kernel's banner is in it";
    check(b"\x7f", unknown);
    check(&[0; 70_000], unknown);
    check(b"MZ", "it is an EFI program without a kernel's banner");
    check(
        b"\x7fELF\x02",
        "it is an ELF file without a kernel's banner",
    );
    let mut zimage = vec![0; 100];
    zimage[0x24..0x28].copy_from_slice(b"\x18\x28\x6f\x01");
    check(&zimage, "it is an ARM zImage without a kernel's banner");
    let packed = gzip(b"Linux version 6.1 without a number");
    check(&packed, "it holds a gzip stream without a kernel's banner");
    check(
        &zboot(b"what?", b"new"),
        "what it holds is compressed in a way that is not known",
    );
    check(&x86(b"", 0), "its header names no version");
    check(
        &x86(b"6.1 (a) x\0", 9),
        "its header leads to no kernel's banner",
    );
    check(&pe(&[(b".uname", b"")]), "it holds no kernel");
    check(&uimage(&uimage(&uimage(b"x"))), "it is wrapped too often");
}

#[test]
fn t9_06_streams_that_end_early() {
    for (ending, word) in [
        ("gz", "a gzip"),
        ("zst", "a zstd"),
        ("xz", "an xz"),
        ("lzma", "an lzma"),
        ("lz4-legacy", "an lz4"),
        ("lz4", "an lz4"),
        ("bz2", "a bzip2"),
        ("lzo", "an lzo"),
    ] {
        let stream = fixture(&format!("arm64.{ending}"));
        let why = format!("it holds {word} stream that ends early");
        check(&stream[..stream.len() / 4], &why);
        check(&zboot(&stream[..stream.len() / 4], b"x"), &why);
    }
}

/// A text that is cut, or that holds what no banner holds.
#[test]
fn t9_02_texts_that_are_no_banner() {
    for text in [
        b"Linux version 6.1 (a@b) (gcc) #1 SMP".as_slice(),
        b"Linux version 6.1 (a@b) (gcc) # SMP\n\0",
        b"Linux version %s (a@b) (gcc) #1 SMP\n\0",
        b"Linux version  (a@b) (gcc) #1 SMP\n\0",
        b"Linux version 6.1 (a@\x01b) (gcc) #1 SMP\n\0",
        b"Linux version 6.1 (a@\x80b) (gcc) #1 SMP\n\0",
        b"Linux version 6.\xff (a@b) (gcc) #1 SMP\n\0",
        &[
            b"Linux version 6.1 ".as_slice(),
            &[b'x'; 1024],
            b" #1 SMP\n\0",
        ]
        .concat(),
    ] {
        assert!(parse_image(text).1.is_err(), "{}", text.escape_ascii());
    }
}

/// Offsets and sizes at the ends of their ranges.
#[test]
fn t11_17_hostile_numbers() {
    let numbers = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, u32::MAX];
    let s390x = fixture("s390x.spans");
    for (offset, size) in numbers.iter().flat_map(|&a| numbers.map(|b| (a, b))) {
        let put = |image: &mut Vec<u8>, at: usize, number: u32| {
            image[at..at + 4].copy_from_slice(&number.to_le_bytes());
        };
        let mut image = x86(b"", 0xffff);
        put(&mut image, 0x248, offset);
        put(&mut image, 0x24c, size);
        assert!(parse_image(&image).1.is_err());
        let mut image = zboot(b"", b"gzip");
        put(&mut image, 8, offset);
        put(&mut image, 12, size);
        assert!(parse_image(&image).1.is_err());
        let mut image = pe(&[(b".linux", b"x"), (b".uname", b"")]);
        for at in [0x3c, 0x84, 0x94, 0x98 + 8, 0x98 + 16, 0x98 + 20, 0x98 + 60] {
            let mut image = image.clone();
            put(&mut image, at, offset);
            assert!(parse_image(&image).1.is_err());
        }
        put(&mut image, 0x98 + 16, size);
        put(&mut image, 0x98 + 20, offset);
        assert!(parse_image(&image).1.is_err());
        let mut image = uimage(b"x");
        put(&mut image, 12, size);
        assert!(parse_image(&image).1.is_err());
        let mut image = s390x.clone();
        put(&mut image, 0x10428, offset);
        put(&mut image, 0x1042c, size);
        assert!(parse_image(&image).1.is_err());
    }
}

/// Windows of gigabytes, which nothing may reserve.
#[test]
fn t11_17_hostile_windows() {
    // A frame that asks for a window of 2^41 bytes (RFC 8878, 3.1.1.1.2).
    check_start(
        b"\x28\xb5\x2f\xfd\x00\xff",
        "it holds a zstd stream that cannot be unpacked: ",
    );
    // A frame of one segment that is as large as its size can say.
    check_start(
        b"\x28\xb5\x2f\xfd\xe0\xff\xff\xff\xff\xff\xff\xff\x7f",
        "it holds a zstd stream that cannot be unpacked: ",
    );
    // A dictionary of 2 GiB.
    check_start(
        b"\x5d\0\0\0\x80\xff\xff\xff\xff\xff\xff\xff\xff",
        "it holds an lzma stream that cannot be unpacked: ",
    );
    // The one of arm64.xz-arm64, whose filter's flags ask for 4 GiB - 1 (40) and 3 GiB (39).
    for dictionary in [39, 40] {
        let mut stream = fixture("arm64.xz-arm64");
        let at = stream
            .windows(2)
            .position(|pair| pair == b"\x21\x01")
            .unwrap();
        stream[at + 2] = dictionary;
        let end = (usize::from(stream[12]) + 1) * 4 + 12;
        let mut crc = flate2::Crc::new();
        crc.update(&stream[12..end - 4]);
        stream[end - 4..end].copy_from_slice(&crc.sum().to_le_bytes());
        check_start(&stream, "it holds an xz stream that cannot be unpacked: ");
    }
}

#[track_caller]
fn check_start(start: &[u8], why: &str) {
    let image = [start, &[0; 4096]].concat();
    let said = reason(&image);
    assert!(said.starts_with(why), "{said}");
}

/// 300 MiB in 10 KiB: no more is unpacked than allowed. Blocks of one repeated byte (RFC 8878, 3.1.1.2).
#[test]
fn t11_17_bombs() {
    let bomb = [ZSTD_2_MIB, &b"\x02\0\x10\0".repeat(2400)].concat();
    check(
        &bomb,
        "it holds a zstd stream, and no kernel's banner in as much of it as is unpacked",
    );
}

/// The head of a frame with a window of 2 MiB.
const ZSTD_2_MIB: &[u8] = b"\x28\xb5\x2f\xfd\x00\x58";

/// Blocks without content cost time, and give nothing that a cap on output would count.
#[test]
fn t11_17_empty_blocks() {
    let zstd = [ZSTD_2_MIB, &vec![0; 300_000]].concat();
    assert!(parse_image(&zstd).1.is_err());
    let lz4 = [
        b"\x02\x21\x4c\x18".as_slice(),
        &b"\x02\x21\x4c\x18".repeat(100),
    ]
    .concat();
    check(
        &lz4,
        "it holds an lz4 stream that cannot be unpacked: it holds many empty blocks",
    );
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(parse_image(&bytes).1.is_err());
    }

    #[test]
    fn arbitrary_bytes_after_a_magic(
        magic in 0..9_usize,
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        let fixture = fixture(FIXTURES[4 + magic]);
        let _ = parse_image(&[&fixture[..14], bytes.as_slice()].concat());
    }

    #[test]
    fn changed_fixtures(
        which in 0..FIXTURES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut image = fixture(FIXTURES[which]);
        for (place, byte) in changes {
            let at = place.index(image.len());
            image[at] = byte;
        }
        let _ = parse_image(&image);
    }
}
