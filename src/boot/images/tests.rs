//! Rows for images of every form.

use super::*;

const LINE: &[u8] =
    b"Linux version 6.1.0-50-x (a@b) (gcc (Debian) 12) #1 SMP Debian 6.1.176-1 (2026-07-02)\n\0";
const SHORT: &[u8] = b"6.1.0-50-x (a@b) #1 SMP Debian 6.1.176-1 (2026-07-02)\0";

#[track_caller]
fn check(image: &[u8], form: ImageForm) {
    let banner = Banner {
        release: Bytes::from("6.1.0-50-x"),
        version: Bytes::from("#1 SMP Debian 6.1.176-1 (2026-07-02)"),
    };
    assert_eq!(parse_image(image), (form, Ok(banner)));
}

/// An image with x86's header, and the text where the header says.
fn x86(text: &[u8], at: usize) -> Vec<u8> {
    let mut image = vec![0; 0x200 + at + 2048];
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x206..0x208].copy_from_slice(&[0x0f, 0x02]);
    image[0x20e..0x210].copy_from_slice(&u16::try_from(at).unwrap().to_le_bytes());
    image[0x200 + at..0x200 + at + text.len()].copy_from_slice(text);
    image
}

#[test]
fn t9_01_x86() {
    check(&x86(SHORT, 0x3000), ImageForm::Header);
    check(&x86(SHORT, 0xfffe), ImageForm::Header);
}

#[test]
fn t9_02_raw() {
    check(LINE, ImageForm::Searched);
    let template = b"Linux version 6.1.0-50-x (a@b) (gcc) # SMP\n\0Linux version %s\0";
    for gap in [0, 1, 5000, 256 * 1024 - 20, 256 * 1024 - 5, 600_000] {
        check(
            &[template, vec![0; gap].as_slice(), LINE].concat(),
            ImageForm::Searched,
        );
    }
}
