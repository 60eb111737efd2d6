//! The detector plugins, built for tests as they are shipped, in a directory that root trusts.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

/// Builds these detectors (`python`, …) and puts them into `directory` as `NAME.so`.
///
/// In the profile of a release: a panic must not end more there than it does in a test.
#[track_caller]
pub(crate) fn build_into(directory: &Path, names: &[&str]) {
    // Beside what this test was built into; cargo holds no lock while tests run.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let target = target.expect("cargo names a directory below that for targets");
    let crates = names
        .iter()
        .flat_map(|name| ["-p".to_owned(), format!("unstale-{name}")]);
    let output = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--quiet"])
        .args(crates)
        .arg("--target-dir")
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs this test, and can be run");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cannot build {names:?}: {errors}");
    fs::create_dir_all(directory).expect("directories can be made");
    for name in names {
        let built = target.join(format!("release/libunstale_{name}.so"));
        let to = directory.join(format!("{name}.so"));
        fs::copy(&built, &to).unwrap_or_else(|why| panic!("{}: {why}", built.display()));
        for path in [directory, &to] {
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(path, mode).expect("it is ours");
        }
    }
}
