use std::io::Write as _;

use super::*;

const TEXT: &str = "name = \"x\"\n";

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn note(owner: &[u8], kind: u32, text: &[u8]) -> Vec<u8> {
    let size = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_le_bytes();
    let mut note = [size(owner), size(text), kind.to_le_bytes()].concat();
    for part in [owner, text] {
        note.extend_from_slice(part);
        note.resize(note.len().next_multiple_of(4), 0);
    }
    note
}

/// A shared object for x86-64 with nothing in it but these notes, each in a section and a segment of its own.
struct Made {
    notes: Vec<Vec<u8>>,
    sections: bool,
    segments: bool,
}

impl Made {
    fn with(notes: &[Vec<u8>]) -> Self {
        Self {
            notes: notes.to_vec(),
            sections: true,
            segments: true,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let count = self.notes.len();
        let (segments, names) = (64 + 56 * count, b"\0.note.unstale\0.shstrtab\0");
        let mut at = segments;
        let mut places = Vec::new();
        for note in &self.notes {
            places.push((at as u64, note.len() as u64));
            at += note.len();
        }
        let names_at = at;
        let sections_at = (at + names.len()).next_multiple_of(8);
        let mut file = vec![0; sections_at];
        let put = |file: &mut Vec<u8>, at: usize, bytes: &[u8]| {
            file.resize(file.len().max(at + bytes.len()), 0);
            file[at..at + bytes.len()].copy_from_slice(bytes);
        };
        put(&mut file, 0, b"\x7fELF\x02\x01\x01");
        put(&mut file, 16, &abi::ET_DYN.to_le_bytes());
        put(&mut file, 18, &abi::EM_X86_64.to_le_bytes());
        put(&mut file, 20, &1_u32.to_le_bytes());
        if self.segments {
            put(&mut file, 32, &64_u64.to_le_bytes());
            put(&mut file, 54, &56_u16.to_le_bytes());
            put(&mut file, 56, &u16::try_from(count).unwrap().to_le_bytes());
        }
        if self.sections {
            put(&mut file, 40, &(sections_at as u64).to_le_bytes());
            put(&mut file, 58, &64_u16.to_le_bytes());
            put(
                &mut file,
                60,
                &u16::try_from(count + 2).unwrap().to_le_bytes(),
            );
            put(
                &mut file,
                62,
                &u16::try_from(count + 1).unwrap().to_le_bytes(),
            );
        }
        let section = |name: u32, kind: u32, (offset, size): (u64, u64)| {
            let (mut header, zero) = (name.to_le_bytes().to_vec(), [0; 16]);
            header.extend_from_slice(&kind.to_le_bytes());
            header.extend_from_slice(&zero);
            header.extend_from_slice(&offset.to_le_bytes());
            header.extend_from_slice(&size.to_le_bytes());
            header.extend_from_slice(&zero[..8]);
            header.extend_from_slice(&4_u64.to_le_bytes());
            header.resize(64, 0);
            header
        };
        put(&mut file, names_at, names);
        put(&mut file, sections_at, &[0; 64]);
        for (place, (note, &(offset, size))) in self.notes.iter().zip(&places).enumerate() {
            let mut segment = [abi::PT_NOTE.to_le_bytes(), 4_u32.to_le_bytes()].concat();
            for number in [offset, offset, offset, size, size, 4] {
                segment.extend_from_slice(&number.to_le_bytes());
            }
            put(&mut file, 64 + 56 * place, &segment);
            put(&mut file, usize::try_from(offset).unwrap(), note);
            let header = section(1, abi::SHT_NOTE, (offset, size));
            put(&mut file, sections_at + 64 * (place + 1), &header);
        }
        let header = section(15, abi::SHT_STRTAB, (names_at as u64, names.len() as u64));
        put(&mut file, sections_at + 64 * (count + 1), &header);
        file
    }
}

#[track_caller]
fn check(bytes: &[u8], expected: Result<Option<&str>, &str>) {
    match (read_note(&file_of(bytes)), expected) {
        (Ok(text), Ok(expected)) => assert_eq!(text.as_deref(), expected),
        (Err(why), Err(expected)) => assert!(why.contains(expected), "{why}"),
        (read, expected) => panic!("{read:?}, not {expected:?}"),
    }
}

fn whole() -> Vec<u8> {
    note(b"unstale\0", 1, TEXT.as_bytes())
}

#[test]
fn in_a_section_or_in_a_segment() {
    if MACHINE != Some(abi::EM_X86_64) {
        return;
    }
    let mut made = Made::with(&[whole()]);
    check(&made.bytes(), Ok(Some(TEXT)));
    made.segments = false;
    check(&made.bytes(), Ok(Some(TEXT)));
    (made.segments, made.sections) = (true, false);
    check(&made.bytes(), Ok(Some(TEXT)));
    (made.segments, made.sections) = (false, false);
    check(&made.bytes(), Ok(None));
    // Beside a note of somebody else.
    made = Made::with(&[[note(b"GNU\0", 3, b"0123"), whole()].concat()]);
    check(&made.bytes(), Ok(Some(TEXT)));
    // Whose author counted the end of the string, or did not count that of the owner.
    check(
        &Made::with(&[note(b"unstale\0", 1, b"x = 1\0")]).bytes(),
        Ok(Some("x = 1")),
    );
    check(
        &Made::with(&[note(b"unstale", 1, b"x = 1")]).bytes(),
        Ok(Some("x = 1")),
    );
}

#[test]
fn notes_that_are_none_of_ours() {
    if MACHINE != Some(abi::EM_X86_64) {
        return;
    }
    for foreign in [
        note(b"unstale2\0", 1, b"x"),
        note(b"unstale\0", 2, b"x"),
        note(b"GNU\0", 1, b"0123456789abcdef"),
        note(b"", 1, b"x"),
    ] {
        let mut made = Made::with(std::slice::from_ref(&foreign));
        made.sections = false;
        check(&made.bytes(), Ok(None));
        made.sections = true;
        check(&made.bytes(), Err("no whole manifest"));
    }
}

#[test]
fn two_manifests_are_none() {
    if MACHINE != Some(abi::EM_X86_64) {
        return;
    }
    check(
        &Made::with(&[whole(), whole()]).bytes(),
        Err("more than one"),
    );
    check(
        &Made::with(&[[whole(), whole()].concat()]).bytes(),
        Err("more than one"),
    );
}

#[test]
fn sizes_that_lie() {
    if MACHINE != Some(abi::EM_X86_64) {
        return;
    }
    for (at, size) in [
        (0, u32::MAX),
        (4, u32::MAX),
        (4, 0x7fff_ffff),
        (4, 64),
        (0, 100),
    ] {
        let mut lying = whole();
        lying[at..at + 4].copy_from_slice(&u32::to_le_bytes(size));
        check(&Made::with(&[lying]).bytes(), Err("no whole manifest"));
    }
    // Of the section, of its place, of the names, of the headers themselves.
    let good = Made::with(&[whole()]).bytes();
    let sections = usize::try_from(u64::from_le_bytes(good[40..48].try_into().unwrap())).unwrap();
    let lie = |at: usize, value: u64, bytes: usize| {
        let mut file = good.clone();
        file[at..at + bytes].copy_from_slice(&value.to_le_bytes()[..bytes]);
        file
    };
    check(&lie(sections + 64 + 32, 1 << 40, 8), Err("larger than"));
    check(&lie(sections + 64 + 32, 60_000, 8), Err("beyond its end"));
    check(&lie(sections + 64 + 24, u64::MAX, 8), Err("beyond its end"));
    check(&lie(sections + 128 + 32, 1 << 40, 8), Err("larger than"));
    check(&lie(40, u64::MAX, 8), Err("beyond its end"));
    check(&lie(60, 0xffff, 2), Err("larger than"));
    check(&lie(58, 3, 2), Err("odd size"));
    check(&lie(62, 0xffff, 2), Ok(Some(TEXT)));
    check(&lie(32, u64::MAX, 8), Ok(Some(TEXT)));
}

#[test]
fn texts_of_odd_kinds() {
    if MACHINE != Some(abi::EM_X86_64) {
        return;
    }
    check(
        &Made::with(&[note(b"unstale\0", 1, b"\xff")]).bytes(),
        Err("UTF-8"),
    );
    let long = vec![b'x'; TEXT_CAP + 1];
    check(
        &Made::with(&[note(b"unstale\0", 1, &long)]).bytes(),
        Err("64 KiB"),
    );
    check(
        &Made::with(&[note(b"unstale\0", 1, b"")]).bytes(),
        Ok(Some("")),
    );
}

#[test]
fn what_is_no_shared_object() {
    check(b"", Err("no ELF"));
    check(b"#!/bin/sh\n", Err("no ELF"));
    check(&[0x7f; 4096], Err("no ELF"));
    let mut made = Made::with(&[whole()]).bytes();
    made[16] = 1;
    check(&made, Err("no shared object"));
    made[16] = 3;
    made[18] = 0xf3;
    made[19] = 0xf3;
    if MACHINE.is_some() {
        check(&made, Err("another machine"));
    }
    check(&made[..63], Err("no ELF"));
}

#[test]
fn every_byte_may_lie() {
    let good = Made::with(&[whole(), note(b"GNU\0", 3, b"0123")]).bytes();
    for at in 0..good.len() {
        for value in [0x00, 0x01, 0x7f, 0x80, 0xff] {
            let mut odd = good.clone();
            odd[at] = value;
            let _ = read_note(&file_of(&odd));
        }
    }
    for length in 0..good.len() {
        let _ = read_note(&file_of(&good[..length]));
    }
}

#[test]
fn a_huge_file_costs_nothing() {
    let file = file_of(&Made::with(&[whole()]).bytes());
    file.set_len(1 << 40).unwrap();
    let begun = std::time::Instant::now();
    let _ = read_note(&file);
    assert!(begun.elapsed().as_secs() < 5);
}

#[test]
fn a_real_library_has_none() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut names = maps.lines().filter_map(|line| line.split(' ').next_back());
    let path = names.find(|name| name.contains("/libc.so")).unwrap();
    assert_eq!(read_note(&File::open(path).unwrap()), Ok(None));
}
