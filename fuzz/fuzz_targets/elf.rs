//! Files that say that they are ELF. The module is not public: it is included here as it is.
#![no_main]

use std::fs::File;
use std::io::Write as _;

use libfuzzer_sys::fuzz_target;
use rustix::fs::{MemfdFlags, memfd_create};
use unstale::model;

#[path = "../../src/snapshot/content.rs"]
#[allow(dead_code, reason = "only what reads is called")]
mod content;

fn file_of(bytes: &[u8]) -> File {
    let mut file = File::from(memfd_create(c"fuzz", MemfdFlags::CLOEXEC).expect("memory"));
    file.write_all(bytes).expect("memory");
    file
}

fuzz_target!(|bytes: &[u8]| {
    let file = file_of(bytes);
    if let Some(elf) = content::read_elf(&file) {
        let _ = (elf.build_id(&file), elf.soname(&file));
    }
    // The second half against the first, and the whole against itself.
    let (one, other) = bytes.split_at(bytes.len() / 2);
    let size = |bytes: &[u8]| bytes.len() as u64;
    content::compare(
        &file_of(one),
        size(one),
        &file_of(other),
        size(other),
        &|| false,
    );
    let same = content::compare(&file, size(bytes), &file, size(bytes), &|| false);
    assert_eq!(same, model::Compared::SameBytes);
});
