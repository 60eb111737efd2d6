//! A root and a /proc that a test makes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::boot::files::Files;
use crate::problem::Problem;
use crate::view::ProcRoot;

/// A machine of files.
pub(in crate::boot) struct Made(TempDir);

impl Made {
    /// With nothing on it but a /proc of one process.
    pub(in crate::boot) fn new() -> Self {
        let made = Self(tempfile::tempdir().unwrap());
        fs::create_dir(made.root()).unwrap();
        made.proc_file("1/mountinfo", "");
        made.proc_file("cmdline", "BOOT_IMAGE=/vmlinuz ro\n");
        made.proc_file(
            "version",
            "Linux version 6.1.0-1-amd64 (x) (gcc) #1 SMP Debian 6.1.1-1\n",
        );
        symlink("1", made.0.path().join("proc/self")).unwrap();
        made
    }

    pub(in crate::boot) fn root(&self) -> PathBuf {
        self.0.path().join("root")
    }

    /// The path of something on it.
    pub(in crate::boot) fn path(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }

    pub(in crate::boot) fn file(&self, path: &str, text: impl AsRef<[u8]>) {
        write(&self.path(path), text.as_ref());
    }

    pub(in crate::boot) fn link(&self, path: &str, target: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    pub(in crate::boot) fn proc_file(&self, name: &str, text: impl AsRef<[u8]>) {
        write(&self.0.path().join("proc").join(name), text.as_ref());
    }

    /// Copies a tree of test data onto it, symbolic links as they are.
    pub(in crate::boot) fn copy(&self, testdata: &str) {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/boot");
        copy(&from.join(testdata), &self.root());
    }

    /// What a reader says of it.
    pub(in crate::boot) fn read<T>(
        &self,
        read: impl FnOnce(&ProcRoot, &Files<'_>) -> T,
    ) -> (T, Vec<Problem>) {
        let proc = ProcRoot::open(&self.0.path().join("proc")).unwrap();
        // Files are opened anew by their descriptors, which a recorded /proc does not have.
        let live = ProcRoot::open(Path::new("/proc")).unwrap();
        let files = Files::open(&live, Some(&self.root())).unwrap();
        let said = read(&proc, &files);
        (said, files.into_problems())
    }
}

fn write(path: &Path, text: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_symlink() {
            symlink(fs::read_link(&from).unwrap(), to).unwrap();
        } else if kind.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}
