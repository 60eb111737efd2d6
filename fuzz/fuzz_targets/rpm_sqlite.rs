//! A whole `rpmdb.sqlite`, through the front door.
#![no_main]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use unstale_packages::PackageDb as _;
use unstale_rpm::Rpm;

/// No time passes here: the reader waits for a file to settle that was changed a moment ago, and every input was.
#[unsafe(no_mangle)]
extern "C" fn clock_nanosleep(_: i32, _: i32, _: *const u8, _: *mut u8) -> i32 {
    0
}

/// As [`clock_nanosleep`], which the standard library calls on some systems instead.
#[unsafe(no_mangle)]
extern "C" fn nanosleep(_: *const u8, _: *mut u8) -> i32 {
    0
}

/// A root directory of this process, in memory.
fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let root = PathBuf::from(format!("/dev/shm/unstale-fuzz-{}", std::process::id()));
        fs::create_dir_all(root.join("var/lib/rpm")).expect("/dev/shm can be written");
        root
    })
}

fuzz_target!(|bytes: &[u8]| {
    let root = root();
    let file = root.join("var/lib/rpm/rpmdb.sqlite");
    fs::write(&file, bytes).expect("/dev/shm can be written");
    if let Ok(Some(store)) = Rpm::open(root) {
        let _ = store.owners(&[Path::new("/usr/bin/a"), Path::new("/")]);
        let _ = (store.installed("a"), store.files("a"));
    }
});
