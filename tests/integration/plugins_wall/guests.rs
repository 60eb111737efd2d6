//! Plugins that are built for a test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::of_repository;

/// A guest that needs no building.
pub(super) fn guest(name: &str) -> PathBuf {
    of_repository("testdata/plugins/guests").join(name)
}

/// A guest in C, built as authors build theirs.
#[track_caller]
pub(super) fn built(dir: &TempDir, name: &str, flags: &[&str]) -> PathBuf {
    let object = dir.path().join(format!("{name}.so"));
    run(Command::new("cc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1"])
        .args(["-shared", "-fPIC", "-fvisibility=hidden", "-Wl,-z,now"])
        .args(flags)
        .arg("-I")
        .arg(of_repository("plugins/sdk/include"))
        .arg("-o")
        .args([&object, &guest(&format!("{name}.c"))]));
    object
}

/// The guest in Rust, in a profile of cargo.
#[track_caller]
pub(super) fn panics(dir: &TempDir, profile: &str) -> PathBuf {
    let manifest = format!(
        "[package]\nname = \"panics\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n\
         [lib]\npath = \"{}\"\ncrate-type = [\"cdylib\"]\n\
         [dependencies]\nunstale-plugin = {{ path = \"{}\" }}\n",
        guest("panics.rs").display(),
        of_repository("plugins/sdk").display(),
    );
    fs::write(dir.path().join("Cargo.toml"), manifest).unwrap();
    let target = dir.path().join("target");
    run(Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--offline", "--profile", profile])
        .current_dir(dir.path())
        .arg("--target-dir")
        .arg(&target));
    let folder = if profile == "dev" { "debug" } else { profile };
    target.join(folder).join(Path::new("libpanics.so"))
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
}
