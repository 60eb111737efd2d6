//! What is in a file: build-id, SONAME, and whether two files are the same code. Bounded, whatever a header claims.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use elf::abi;
use elf::endian::AnyEndian;
use elf::file::{Class, FileHeader, parse_ident};
use elf::note::{Note, NoteIterator};
use elf::parse::ParseAt as _;
use elf::segment::{ProgramHeader, SegmentTable};

use crate::model::{BuildId, Compared};

/// A 64-bit ELF header is 64 bytes long, a 32-bit one 52.
const HEADER: usize = 64;
/// Room for more than a thousand program headers; real files have about a dozen.
const PROGRAM_HEADERS_CAP: usize = 64 * 1024;
const NOTE_CAP: usize = 64 * 1024;
const DYNAMIC_CAP: usize = 64 * 1024;
const SONAME_CAP: usize = 4096;
const CHUNK: usize = 64 * 1024;

/// The headers of an ELF file.
pub(super) struct Elf {
    header: FileHeader<AnyEndian>,
    segments: Vec<ProgramHeader>,
}

/// Reads the headers; `None` if the file is not ELF, or says things about itself that cannot be.
pub(super) fn read_elf(file: &File) -> Option<Elf> {
    let head = read_at(file, 0, HEADER, HEADER)?;
    let ident = parse_ident::<AnyEndian>(&head).ok()?;
    let tail = match ident.1 {
        Class::ELF32 => head.get(16..52)?,
        Class::ELF64 => head.get(16..64)?,
    };
    let header = FileHeader::parse_tail(ident, tail).ok()?;
    let size = usize::from(header.e_phnum) * usize::from(header.e_phentsize);
    let entry = ProgramHeader::size_for(header.class);
    if usize::from(header.e_phentsize) != entry {
        return None;
    }
    let table = read_at(file, header.e_phoff, size, PROGRAM_HEADERS_CAP)?;
    let segments = SegmentTable::new(header.endianness, header.class, &table)
        .iter()
        .collect();
    Some(Elf { header, segments })
}

impl Elf {
    /// The build-id, if the file has one.
    pub(super) fn build_id(&self, file: &File) -> Option<BuildId> {
        self.segments
            .iter()
            .filter(|segment| segment.p_type == abi::PT_NOTE)
            .find_map(|segment| {
                let size = usize::try_from(segment.p_filesz).ok()?;
                let data = read_at(file, segment.p_offset, size, NOTE_CAP)?;
                let align = usize::try_from(segment.p_align)
                    .ok()
                    .filter(|&align| align == 8)
                    .unwrap_or(4);
                let mut notes =
                    NoteIterator::new(self.header.endianness, self.header.class, align, &data);
                notes.find_map(|note| match note {
                    Note::GnuBuildId(id) if !id.0.is_empty() => Some(BuildId(id.0.to_vec())),
                    _ => None,
                })
            })
    }

    /// The SONAME: the name by which the dynamic loader looks a library up (ld.so(8)).
    pub(super) fn soname(&self, file: &File) -> Option<Vec<u8>> {
        let dynamic = self
            .segments
            .iter()
            .find(|segment| segment.p_type == abi::PT_DYNAMIC)?;
        let data = read_at(
            file,
            dynamic.p_offset,
            usize::try_from(dynamic.p_filesz).ok()?,
            DYNAMIC_CAP,
        )?;
        let (mut name, mut strings) = (None, None);
        let mut at = 0;
        while let Ok(entry) =
            elf::dynamic::Dyn::parse_at(self.header.endianness, self.header.class, &mut at, &data)
        {
            match entry.d_tag {
                abi::DT_NULL => break,
                abi::DT_SONAME => name = Some(entry.d_val()),
                abi::DT_STRTAB => strings = Some(entry.d_ptr()),
                _ => {}
            }
        }
        let address = strings?.checked_add(name?)?;
        let load = self.segments.iter().find(|segment| {
            segment.p_type == abi::PT_LOAD
                && address >= segment.p_vaddr
                && address - segment.p_vaddr < segment.p_filesz
        })?;
        let mut text = vec![0; SONAME_CAP];
        let read = file
            .read_at(
                &mut text,
                load.p_offset.checked_add(address - load.p_vaddr)?,
            )
            .ok()?;
        let end = text[..read].iter().position(|&byte| byte == 0)?;
        text.truncate(end);
        (!text.is_empty()).then_some(text)
    }
}

/// Compares two files of those sizes. `give_up` is asked now and then whether to stop.
pub(super) fn compare(
    a: &File,
    a_size: u64,
    b: &File,
    b_size: u64,
    give_up: &dyn Fn() -> bool,
) -> Compared {
    let elves = read_elf(a).zip(read_elf(b));
    if let Some((first, second)) = &elves
        && let (Some(one), Some(other)) = (first.build_id(a), second.build_id(b))
        && one != other
    {
        return Compared::Different;
    }
    if a_size == b_size {
        match same_range(a, 0, b, 0, a_size, None, give_up) {
            None => return Compared::Unreadable,
            Some(true) => return Compared::SameBytes,
            Some(false) => {}
        }
    }
    let Some((first, second)) = elves else {
        return Compared::Different;
    };
    match same_segments(a, &first, b, &second, give_up) {
        None => Compared::Unreadable,
        Some(true) => Compared::SameSegments,
        Some(false) => Compared::Different,
    }
}

/// Whether everything that is loaded into memory is the same: section headers, symbols and debug data may differ.
fn same_segments(
    a: &File,
    first: &Elf,
    b: &File,
    second: &Elf,
    give_up: &dyn Fn() -> bool,
) -> Option<bool> {
    let loads = |elf: &Elf| -> Vec<ProgramHeader> {
        elf.segments
            .iter()
            .filter(|segment| segment.p_type == abi::PT_LOAD)
            .cloned()
            .collect()
    };
    let (one, other) = (loads(first), loads(second));
    let alike = |(a, b): (&ProgramHeader, &ProgramHeader)| {
        (a.p_vaddr, a.p_memsz, a.p_filesz, a.p_flags)
            == (b.p_vaddr, b.p_memsz, b.p_filesz, b.p_flags)
    };
    if one.is_empty() || one.len() != other.len() || !one.iter().zip(&other).all(alike) {
        return Some(false);
    }
    for (x, y) in one.iter().zip(&other) {
        let mask = (x.p_offset == 0 && y.p_offset == 0).then_some(first.header.class);
        if !same_range(a, x.p_offset, b, y.p_offset, x.p_filesz, mask, give_up)? {
            return Some(false);
        }
    }
    Some(true)
}

/// Compares a range; with `header`, the fields of the ELF header that tell of sections count as equal. `None` if it
/// cannot be read or was given up.
fn same_range(
    a: &File,
    a_at: u64,
    b: &File,
    b_at: u64,
    length: u64,
    header: Option<Class>,
    give_up: &dyn Fn() -> bool,
) -> Option<bool> {
    let (mut x, mut y) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut done = 0;
    while done < length {
        if give_up() {
            return None;
        }
        let size = usize::try_from(length - done).unwrap_or(CHUNK).min(CHUNK);
        if a.read_exact_at(&mut x[..size], a_at.checked_add(done)?)
            .is_err()
            || b.read_exact_at(&mut y[..size], b_at.checked_add(done)?)
                .is_err()
        {
            return None;
        }
        if let (0, Some(class)) = (done, header) {
            mask_section_fields(&mut x[..size], class);
            mask_section_fields(&mut y[..size], class);
        }
        if x[..size] != y[..size] {
            return Some(false);
        }
        done += size as u64;
    }
    Some(true)
}

/// `e_shoff`, `e_shentsize`, `e_shnum` and `e_shstrndx` (elf(5)): what strip(1) changes in the header.
fn mask_section_fields(head: &mut [u8], class: Class) {
    let fields = match class {
        Class::ELF32 => [0x20..0x24, 0x2e..0x34],
        Class::ELF64 => [0x28..0x30, 0x3a..0x40],
    };
    for field in fields {
        if let Some(bytes) = head.get_mut(field) {
            bytes.fill(0);
        }
    }
}

/// Exactly `size` bytes at `offset`; `None` above `cap`, past the end, or if it cannot be read.
fn read_at(file: &File, offset: u64, size: usize, cap: usize) -> Option<Vec<u8>> {
    if size > cap {
        return None;
    }
    let mut bytes = vec![0; size];
    file.read_exact_at(&mut bytes, offset).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file_of(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn own_program() -> Vec<u8> {
        std::fs::read("/proc/self/exe").unwrap()
    }

    #[track_caller]
    fn check(a: &[u8], b: &[u8], expected: Compared) {
        let result = compare(
            &file_of(a),
            a.len() as u64,
            &file_of(b),
            b.len() as u64,
            &|| false,
        );
        assert_eq!(result, expected);
    }

    #[test]
    fn files_that_are_not_elf_by_their_bytes() {
        check(b"abc", b"abc", Compared::SameBytes);
        check(b"abc", b"abd", Compared::Different);
        check(b"abc", b"abcd", Compared::Different);
        check(b"", b"", Compared::SameBytes);
    }

    #[test]
    fn elf_by_what_is_loaded() {
        let program = own_program();
        check(&program, &program, Compared::SameBytes);
        // What is appended is not loaded.
        let mut longer = program.clone();
        longer.extend_from_slice(b"more");
        check(&program, &longer, Compared::SameSegments);
        // As strip(1) does it: other section headers.
        let mut stripped = longer.clone();
        stripped[0x28] ^= 1;
        check(&program, &stripped, Compared::SameSegments);
        // One byte of code.
        let mut other = longer;
        other[0x1000] ^= 1;
        check(&program, &other, Compared::Different);
    }

    #[test]
    fn the_end_of_patience_is_not_equality() {
        let program = own_program();
        let (a, b) = (file_of(&program), file_of(&program));
        assert_eq!(
            compare(&a, program.len() as u64, &b, program.len() as u64, &|| true),
            Compared::Unreadable
        );
    }

    #[test]
    fn soname_of_a_real_library() {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let path = maps
            .lines()
            .filter_map(|line| line.split(' ').next_back())
            .find(|name| name.contains("/libc.so"))
            .unwrap();
        let file = File::open(path).unwrap();
        let elf = read_elf(&file).unwrap();
        assert_eq!(elf.soname(&file).unwrap(), b"libc.so.6");
        assert!(elf.build_id(&file).is_some());
    }

    #[test]
    fn absurd_headers() {
        let mut program = own_program();
        program.truncate(4096);
        for at in 0..200 {
            for value in [0x00, 0x7f, 0xff] {
                let mut odd = program.clone();
                odd[at] = value;
                let file = file_of(&odd);
                if let Some(elf) = read_elf(&file) {
                    let _ = (elf.build_id(&file), elf.soname(&file));
                }
            }
        }
        assert!(read_elf(&file_of(b"")).is_none());
        assert!(read_elf(&file_of(b"#!/bin/sh\n")).is_none());
    }
}
