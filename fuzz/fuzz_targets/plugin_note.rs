//! Shared objects with a manifest in a note, or what says that it is one.
#![no_main]

use std::fs::File;
use std::io::Write as _;

use libfuzzer_sys::fuzz_target;
use rustix::fs::{MemfdFlags, memfd_create};
use unstale::plugins::manifest::TEXT_CAP;
use unstale::plugins::note::read_note;

fuzz_target!(|bytes: &[u8]| {
    let mut file = File::from(memfd_create(c"fuzz", MemfdFlags::CLOEXEC).expect("memory"));
    file.write_all(bytes).expect("memory");
    if let Ok(Some(text)) = read_note(&file) {
        assert!(text.len() <= TEXT_CAP.min(bytes.len()));
    }
});
