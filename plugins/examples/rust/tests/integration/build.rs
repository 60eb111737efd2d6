//! Builds plugins as their authors do.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use unstale_plugin::abi;

/// The folder of the repository.
pub(crate) fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(3).unwrap().to_owned()
}

pub(crate) fn example(path: &str) -> PathBuf {
    repository().join("plugins/examples").join(path)
}

#[track_caller]
pub(crate) fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
}

/// A plugin in C.
pub(crate) fn c(source: &Path, object: &Path) {
    let include = repository().join("plugins/sdk/include");
    run(Command::new("cc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"])
        .args(["-shared", "-fPIC", "-fvisibility=hidden", "-Wl,-z,now"])
        .arg("-I")
        .args([&include, Path::new("-o"), object, source]));
}

/// A plugin crate: its library. `cargo test` leaves none that can be loaded.
pub(crate) fn crate_at(manifest: &Path, library: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    // TARGET/debug/deps/integration-HASH
    let target = test.ancestors().nth(3).unwrap();
    run(Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--offline", "--manifest-path"])
        .args([manifest, Path::new("--target-dir"), target]));
    target.join("debug").join(library)
}

/// The manifest that an object carries.
pub(crate) fn note_of(object: &Path) -> String {
    let bytes = fs::read(object).unwrap();
    let file = elf::ElfBytes::<elf::endian::AnyEndian>::minimal_parse(&bytes).unwrap();
    let segments = file.segments().unwrap();
    let notes = segments
        .iter()
        .filter(|segment| segment.p_type == elf::abi::PT_NOTE)
        .flat_map(|segment| file.segment_data_as_notes(&segment).unwrap());
    let ours = notes.filter_map(|note| match note {
        elf::note::Note::Unknown(note) if note.name_str().ok() == Some(abi::NOTE_NAME) => {
            assert_eq!(note.n_type, u64::from(abi::NOTE_TYPE));
            Some(String::from_utf8(note.desc.to_vec()).unwrap())
        }
        _ => None,
    });
    let ours: Vec<String> = ours.collect();
    assert_eq!(ours.len(), 1, "{}", object.display());
    ours[0].clone()
}

/// The names that an object exports.
pub(crate) fn exports_of(object: &Path) -> Vec<String> {
    let bytes = fs::read(object).unwrap();
    let file = elf::ElfBytes::<elf::endian::AnyEndian>::minimal_parse(&bytes).unwrap();
    let (symbols, names) = file.dynamic_symbol_table().unwrap().unwrap();
    let defined = symbols.iter().filter(|symbol| !symbol.is_undefined());
    let name = |symbol: elf::symbol::Symbol| names.get(symbol.st_name as usize).unwrap().to_owned();
    defined.map(name).collect()
}
