//! The manifest in a shared object: an ELF note, read without loading anything. Bounded, whatever the headers claim.
#![forbid(unsafe_code)]

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use elf::abi;
use elf::endian::AnyEndian;
use elf::file::{Class, FileHeader, parse_ident};
use elf::note::{Note, NoteIterator};
use elf::section::{SectionHeader, SectionHeaderTable};
use elf::segment::{ProgramHeader, SegmentTable};
use elf::string_table::StringTable;
use unstale_plugin::abi::{NOTE_NAME, NOTE_SECTION, NOTE_TYPE};

use super::manifest::TEXT_CAP;

/// A 64-bit ELF header is 64 bytes long, a 32-bit one 52.
const HEADER: usize = 64;
/// Program headers, or section headers: real files have a few dozen.
const TABLE_CAP: usize = 256 * 1024;
const NAMES_CAP: usize = 256 * 1024;
/// A manifest, and other notes beside it.
const NOTES_CAP: usize = TEXT_CAP + 64 * 1024;
const SEGMENTS_OF_NOTES: usize = 16;

/// The machine for which this program is built (elf(5), `e_machine`), where it is one of the common ones.
const MACHINE: Option<u16> = if cfg!(target_arch = "x86_64") {
    Some(abi::EM_X86_64)
} else if cfg!(target_arch = "aarch64") {
    Some(abi::EM_AARCH64)
} else if cfg!(target_arch = "x86") {
    Some(abi::EM_386)
} else if cfg!(target_arch = "arm") {
    Some(abi::EM_ARM)
} else if cfg!(any(target_arch = "riscv64", target_arch = "riscv32")) {
    Some(abi::EM_RISCV)
} else if cfg!(target_arch = "s390x") {
    Some(abi::EM_S390)
} else if cfg!(target_arch = "powerpc64") {
    Some(abi::EM_PPC64)
} else {
    None
};

/// The text in the note of a shared object; `None` if it has no such note.
///
/// # Errors
/// If it is no shared object for this machine, or says things about itself that cannot be.
pub fn read_note(file: &File) -> Result<Option<String>, String> {
    let object = Object::read(file)?;
    let mut found = object.in_section(file)?;
    // Whoever strips the section headers leaves the segments.
    if found.is_empty() {
        found = object.in_segments(file)?;
    }
    if found.len() > 1 {
        return Err("it holds more than one manifest".to_owned());
    }
    let Some(mut bytes) = found.pop() else {
        return Ok(None);
    };
    // Whoever writes a string in C may count its end.
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    if bytes.len() > TEXT_CAP {
        return Err("its manifest is longer than 64 KiB".to_owned());
    }
    let text = String::from_utf8(bytes);
    text.map(Some)
        .map_err(|_| "its manifest is not UTF-8".to_owned())
}

struct Object {
    header: FileHeader<AnyEndian>,
}

impl Object {
    fn read(file: &File) -> Result<Self, String> {
        let none = || "it is no ELF file".to_owned();
        let head = read_at(file, 0, HEADER).ok_or_else(none)?;
        let ident = parse_ident::<AnyEndian>(&head).map_err(|_| none())?;
        let tail = match ident.1 {
            Class::ELF32 => &head[16..52],
            Class::ELF64 => &head[16..64],
        };
        let header = FileHeader::parse_tail(ident, tail).map_err(|_| none())?;
        if header.e_type != abi::ET_DYN {
            return Err("it is no shared object".to_owned());
        }
        let ours = if cfg!(target_pointer_width = "64") {
            Class::ELF64
        } else {
            Class::ELF32
        };
        if header.class != ours || MACHINE.is_some_and(|machine| machine != header.e_machine) {
            return Err("it is built for another machine".to_owned());
        }
        Ok(Self { header })
    }

    fn is(&self, size: usize, expected: usize, what: &str) -> Result<(), String> {
        if size == expected {
            return Ok(());
        }
        Err(format!("its {what} headers have an odd size"))
    }

    /// Manifests in the section that is called so.
    fn in_section(&self, file: &File) -> Result<Vec<Vec<u8>>, String> {
        let header = &self.header;
        if header.e_shoff == 0 || header.e_shnum == 0 {
            return Ok(Vec::new());
        }
        let size = usize::from(header.e_shentsize);
        self.is(size, section_header_size(header.class), "section")?;
        let table = read_part(
            file,
            header.e_shoff,
            usize::from(header.e_shnum) * size,
            TABLE_CAP,
            "section headers",
        )?;
        let sections: Vec<SectionHeader> =
            SectionHeaderTable::new(header.endianness, header.class, &table)
                .iter()
                .collect();
        let Some(names) = sections.get(usize::from(header.e_shstrndx)) else {
            return Ok(Vec::new());
        };
        let size = usize::try_from(names.sh_size).unwrap_or(usize::MAX);
        let names = read_part(file, names.sh_offset, size, NAMES_CAP, "section names")?;
        let names = StringTable::new(&names);
        let mut found = Vec::new();
        for section in &sections {
            let name = names.get_raw(section.sh_name as usize);
            let is_ours = name.is_ok_and(|name| name == NOTE_SECTION.as_bytes());
            if !is_ours || section.sh_type == abi::SHT_NOBITS {
                continue;
            }
            let size = usize::try_from(section.sh_size).unwrap_or(usize::MAX);
            let data = read_part(file, section.sh_offset, size, NOTES_CAP, "note")?;
            let before = found.len();
            found.extend(self.texts(&data, section.sh_addralign));
            // A section of that name is there for one thing.
            if found.len() == before {
                return Err(format!(
                    "its section {NOTE_SECTION} holds no whole manifest"
                ));
            }
        }
        Ok(found)
    }

    /// Manifests in any segment of notes.
    fn in_segments(&self, file: &File) -> Result<Vec<Vec<u8>>, String> {
        let header = &self.header;
        if header.e_phoff == 0 || header.e_phnum == 0 {
            return Ok(Vec::new());
        }
        let size = usize::from(header.e_phentsize);
        self.is(size, program_header_size(header.class), "program")?;
        let table = read_part(
            file,
            header.e_phoff,
            usize::from(header.e_phnum) * size,
            TABLE_CAP,
            "program headers",
        )?;
        let segments: Vec<ProgramHeader> =
            SegmentTable::new(header.endianness, header.class, &table)
                .iter()
                .filter(|segment| segment.p_type == abi::PT_NOTE)
                .collect();
        if segments.len() > SEGMENTS_OF_NOTES {
            return Err(format!("it has {} segments of notes", segments.len()));
        }
        let mut found = Vec::new();
        for segment in &segments {
            let size = usize::try_from(segment.p_filesz).unwrap_or(usize::MAX);
            let data = read_part(file, segment.p_offset, size, NOTES_CAP, "notes")?;
            found.extend(self.texts(&data, segment.p_align));
        }
        Ok(found)
    }

    fn texts(&self, data: &[u8], align: u64) -> Vec<Vec<u8>> {
        // Anything but 8 means 4, as readelf(1) has it.
        let align = if align == 8 { 8 } else { 4 };
        let notes = NoteIterator::new(self.header.endianness, self.header.class, align, data);
        notes
            .filter_map(|note| match note {
                Note::Unknown(note) if note.n_type == u64::from(NOTE_TYPE) => {
                    let owner = note.name.strip_suffix(b"\0").unwrap_or(note.name);
                    (owner == NOTE_NAME.as_bytes()).then(|| note.desc.to_vec())
                }
                _ => None,
            })
            .collect()
    }
}

/// elf(5): `Elf32_Shdr`, `Elf64_Shdr`.
fn section_header_size(class: Class) -> usize {
    match class {
        Class::ELF32 => 40,
        Class::ELF64 => 64,
    }
}

/// elf(5): `Elf32_Phdr`, `Elf64_Phdr`.
fn program_header_size(class: Class) -> usize {
    match class {
        Class::ELF32 => 32,
        Class::ELF64 => 56,
    }
}

fn read_part(
    file: &File,
    offset: u64,
    size: usize,
    cap: usize,
    what: &str,
) -> Result<Vec<u8>, String> {
    if size > cap {
        return Err(format!("its {what} are larger than {} KiB", cap / 1024));
    }
    read_at(file, offset, size).ok_or_else(|| format!("its {what} lie beyond its end"))
}

fn read_at(file: &File, offset: u64, size: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; size];
    file.read_exact_at(&mut bytes, offset).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests;
