//! Rows for images of every form: cuts of real ones, damaged ones, and hostile ones.

mod cost;
mod damage;
mod installed;
mod real;

use std::path::PathBuf;

use super::*;

/// A fixture of `testdata/kernel`; see the README there.
#[track_caller]
fn fixture(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/kernel");
    let bytes = std::fs::read(folder.join(name)).unwrap();
    match name.ends_with(".spans") {
        true => spans(std::str::from_utf8(&bytes).unwrap()),
        false => bytes,
    }
}

/// An image of which all but a few spans is zeros: its size, then an offset and bytes a line.
fn spans(text: &str) -> Vec<u8> {
    let (size, lines) = text.split_once('\n').unwrap();
    let size = size.strip_prefix("size ").unwrap().parse().unwrap();
    let mut image = vec![0; size];
    for line in lines.lines() {
        let (at, bytes) = line.split_once(' ').unwrap();
        let at = usize::from_str_radix(at.strip_prefix("0x").unwrap(), 16).unwrap();
        for (place, pair) in image[at..].iter_mut().zip(bytes.as_bytes().chunks(2)) {
            *place = u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        }
    }
    image
}

fn banner(release: &str, version: &str) -> Banner {
    Banner {
        release: Bytes::from(release),
        version: Bytes::from(version),
    }
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

/// A zboot image around a stream.
fn zboot(stream: &[u8], name: &[u8]) -> Vec<u8> {
    let mut image = vec![0; 0x1000];
    image[..8].copy_from_slice(b"MZ\0\0zimg");
    image[8..12].copy_from_slice(&0x1000_u32.to_le_bytes());
    image[12..16].copy_from_slice(&u32::try_from(stream.len()).unwrap().to_le_bytes());
    image[24..24 + name.len()].copy_from_slice(name);
    [image, stream.to_vec()].concat()
}

/// U-Boot's legacy header before an image.
fn uimage(inner: &[u8]) -> Vec<u8> {
    let mut header = vec![0; 64];
    header[..4].copy_from_slice(b"\x27\x05\x19\x56");
    header[12..16].copy_from_slice(&u32::try_from(inner.len()).unwrap().to_be_bytes());
    [header, inner.to_vec()].concat()
}

/// A PE file with sections of these names and contents.
fn pe(sections: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut image = vec![0; 0x400];
    image[..2].copy_from_slice(b"MZ");
    image[0x3c..0x40].copy_from_slice(&0x80_u32.to_le_bytes());
    image[0x80..0x84].copy_from_slice(b"PE\0\0");
    image[0x86..0x88].copy_from_slice(&u16::try_from(sections.len()).unwrap().to_le_bytes());
    for (index, (name, content)) in sections.iter().enumerate() {
        let at = 0x80 + 24 + index * 40;
        let (size, offset) = (u32::try_from(content.len()).unwrap(), image.len());
        image[at..at + name.len()].copy_from_slice(name);
        image[at + 8..at + 12].copy_from_slice(&size.to_le_bytes());
        image[at + 16..at + 20].copy_from_slice(&size.next_multiple_of(512).to_le_bytes());
        image[at + 20..at + 24].copy_from_slice(&u32::try_from(offset).unwrap().to_le_bytes());
        image.extend_from_slice(content);
        image.resize(image.len().next_multiple_of(512), 0);
    }
    image
}

#[track_caller]
fn reason(image: &[u8]) -> String {
    match parse_image(image).1 {
        Err(WhyNot::Failed(why)) => why,
        other => panic!("{other:?}"),
    }
}
