//! Cuts of images as distributions build them, and every wrapping around them.

use super::*;

#[track_caller]
fn check(image: &[u8], form: ImageForm, release: &str, version: &str) {
    assert_eq!(parse_image(image), (form, Ok(banner(release, version))));
}

#[track_caller]
fn check_fixture(name: &str, form: ImageForm, release: &str, version: &str) {
    check(&fixture(name), form, release, version);
}

const RELEASE_ARM64: &str = "6.1.0-50-cloud-arm64";
const VERSION: &str = "#1 SMP Debian 6.1.176-1 (2026-07-02)";
const VERSION_13: &str = "#1 SMP Debian 6.12.107-1 (2026-08-29)";

/// Every compression of the kernel's build.
const STREAMS: [&str; 9] = [
    "gz",
    "zst",
    "xz",
    "xz-arm64",
    "lzma",
    "lz4-legacy",
    "lz4",
    "bz2",
    "lzo",
];

#[test]
fn t9_01_x86_header() {
    let check = |name, release, version| check_fixture(name, ImageForm::Header, release, version);
    check(
        "amd64.spans",
        "6.1.0-50-cloud-amd64",
        "#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-07-02)",
    );
    check(
        "amd64-zstd.spans",
        "6.12.107+deb13-cloud-amd64",
        "#1 SMP PREEMPT_DYNAMIC Debian 6.12.107-1 (2026-08-29)",
    );
    let short = b"5.4-x (a@b) #7 X\0";
    for at in [0x70, 0x3000, 0xffff] {
        self::check(&x86(short, at), ImageForm::Header, "5.4-x", "#7 X");
    }
}

#[test]
fn t9_01_x86_payload_where_the_header_says_nothing() {
    let payload = fixture("arm64.zst");
    let mut image = x86(b"", 0x800);
    image[0x1f1] = 3;
    image[0x20e..0x210].copy_from_slice(&[0, 0]);
    image[0x248..0x24c].copy_from_slice(&0x300_u32.to_le_bytes());
    image[0x24c..0x250].copy_from_slice(&u32::try_from(payload.len()).unwrap().to_le_bytes());
    image.resize(4 * 512 + 0x300, 0);
    image.extend_from_slice(&payload);
    check(&image, ImageForm::Header, RELEASE_ARM64, VERSION);
}

#[test]
fn t9_02_other_architectures() {
    let check = check_fixture;
    let searched = ImageForm::Searched;
    check("arm64.spans", searched, RELEASE_ARM64, VERSION);
    check("armhf.spans", searched, "6.1.0-50-armmp", VERSION);
    let ppc = "6.1.0-50-powerpc64le";
    check("ppc64el.spans", searched, ppc, VERSION);
    let riscv = "6.12.107+deb13-riscv64";
    check("riscv64.spans", searched, riscv, VERSION_13);
    let header = ImageForm::Header;
    check("s390x.spans", header, "6.1.0-50-s390x", VERSION);
    let s390x = "6.12.107+deb13-s390x";
    check("s390x-6.12.spans", header, s390x, VERSION_13);
}

#[test]
fn t9_02_every_compression() {
    for ending in STREAMS {
        let stream = fixture(&format!("arm64.{ending}"));
        check(&stream, ImageForm::Searched, RELEASE_ARM64, VERSION);
        // The build appends the size of what is packed (scripts/Makefile.lib, `size_append`).
        let sized = [stream.as_slice(), &0x0150_0000_u32.to_le_bytes()].concat();
        check(&sized, ImageForm::Searched, RELEASE_ARM64, VERSION);
    }
}

/// A self-extracting image of which nothing else is known.
#[test]
fn t9_02_streams_inside() {
    for ending in STREAMS {
        let stream = fixture(&format!("arm64.{ending}"));
        for before in [16, 5000, 700_000] {
            let mut image = vec![0x55; before];
            // What looks like a stream, and is none.
            image[3..14].copy_from_slice(b"\x1f\x8b\x08\0\0\0\0\0\0\0\xff");
            image.extend_from_slice(&stream);
            check(&image, ImageForm::Searched, RELEASE_ARM64, VERSION);
        }
    }
}

#[test]
fn t9_02_raw_and_cut_by_windows() {
    let line: &[u8] = b"Linux version 6.1-x (a@b) (gcc (Debian) 12) #1 SMP Debian 6.1\n\0";
    let template: &[u8] = b"Linux version 6.1-x (a@b) (gcc) # SMP\n\0Linux version %s\0";
    check(line, ImageForm::Searched, "6.1-x", "#1 SMP Debian 6.1");
    for gap in [0, 1, 5000, 256 * 1024 - 100, 256 * 1024 - 65, 600_000] {
        for step in 0..16 {
            let image = [template, &vec![0; gap + 4 * step], line, &[0; 2000]].concat();
            check(&image, ImageForm::Searched, "6.1-x", "#1 SMP Debian 6.1");
        }
    }
}

#[test]
fn t9_03_zboot() {
    let form = ImageForm::Zboot;
    check_fixture("zboot.spans", form, RELEASE_UBUNTU, VERSION_UBUNTU);
    for (ending, name) in [
        ("gz", b"gzip".as_slice()),
        ("zst", b"zstd22"),
        ("xz", b"xzkern"),
        ("lzma", b"lzma"),
        ("lz4-legacy", b"lz4"),
        ("lzo", b"lzo"),
    ] {
        let image = zboot(&fixture(&format!("arm64.{ending}")), name);
        check(&image, ImageForm::Zboot, RELEASE_ARM64, VERSION);
    }
}

const RELEASE_UBUNTU: &str = "7.0.0-14-generic";
const VERSION_UBUNTU: &str = "#14-Ubuntu SMP PREEMPT_DYNAMIC  (Ubuntu 7.0.0-14.14-generic 7.0.0)";

#[test]
fn t9_04_unified() {
    let form = ImageForm::Unified;
    check_fixture("unified-arm64.spans", form, RELEASE_UBUNTU, VERSION_UBUNTU);
    let version = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-07-02)";
    check_fixture("unified.spans", form, "6.1.0-50-cloud-amd64", version);
    // The kernel's own word goes before that of who built the image.
    let inner = zboot(&fixture("arm64.gz"), b"gzip");
    let image = pe(&[(b".text", b"x"), (b".uname", b"6.9\n"), (b".linux", &inner)]);
    check(&image, form, RELEASE_ARM64, VERSION);
    let image = pe(&[(b".linux", &fixture("arm64.zst"))]);
    check(&image, form, RELEASE_ARM64, VERSION);
    for uname in [b"6.9-x".as_slice(), b"6.9-x\n", b"6.9-x\0\0"] {
        check(&pe(&[(b".uname", uname)]), form, "6.9-x", "");
        let image = pe(&[(b".linux", b"\x1f\x8b\x08\0"), (b".uname", uname)]);
        check(&image, form, "6.9-x", "");
    }
}

#[test]
fn t9_02_uimage() {
    let image = uimage(&fixture("arm64.lzma"));
    check(&image, ImageForm::Searched, RELEASE_ARM64, VERSION);
    let image = uimage(&fixture("armhf.spans"));
    check(&image, ImageForm::Searched, "6.1.0-50-armmp", VERSION);
}

/// `UNSTALE_KERNELS=DIR cargo test … -- --ignored --nocapture whole_images`, as the README of the fixtures says.
#[test]
#[ignore = "needs whole images of packages"]
fn whole_images() {
    let folder = std::env::var_os("UNSTALE_KERNELS").unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let bytes = std::fs::read(entry.path()).unwrap();
        let start = std::time::Instant::now();
        let (form, banner) = parse_image(&bytes);
        let name = entry.file_name().into_string().unwrap();
        println!("{name} {form:?} {banner:?} {:?}", start.elapsed());
        let (_, release) = name.split_once('-').unwrap();
        assert_eq!(banner.unwrap().release, Bytes::from(release));
    }
}
