//! Rows: files of a machine, and what it would boot.

mod damage;
mod grub;
mod others;
mod systemd_boot;

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::read;
use crate::boot::files::Files;
use crate::model::{Loader, LoaderKind};
use crate::view::ProcRoot;

const ID: &str = "0f5a4c7d1e2b4b3c8d9e0a1b2c3d4e5f";

/// The files of a machine.
struct Scene {
    root: TempDir,
}

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/loader")
        .join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl Scene {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        Self { root }
    }

    fn path(&self, path: &str) -> PathBuf {
        let path = self.root.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.path(path), content).unwrap();
        self
    }

    fn link(self, path: &str, target: &str) -> Self {
        std::os::unix::fs::symlink(target, self.path(path)).unwrap();
        self
    }

    fn without(self, path: &str) -> Self {
        fs::remove_file(self.path(path)).unwrap();
        self
    }

    /// An empty image for each of these.
    fn images(self, paths: &[&str]) -> Self {
        paths.iter().fold(self, |scene, path| scene.file(path, ""))
    }

    /// A variable of the Boot Loader Interface.
    fn variable(self, name: &str, text: &str) -> Self {
        let units = text.encode_utf16().chain([0]);
        let text: Vec<u8> = units.flat_map(u16::to_le_bytes).collect();
        let path = format!("/sys/firmware/efi/efivars/{name}-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f");
        self.file(&path, [b"\x06\0\0\0".as_slice(), &text].concat())
    }

    fn read(&self) -> Loader {
        let proc = ProcRoot::open(Path::new("/proc")).unwrap();
        let files = Files::open(&proc, Some(self.root.path())).unwrap();
        let loader = read(&files);
        // A loader is a second opinion.
        assert_eq!(files.into_problems(), []);
        loader
    }

    /// Without notes: all is clear.
    #[track_caller]
    fn boots(&self, kind: LoaderKind, image: &str, release: &str) {
        let loader = self.read();
        assert_eq!(loader.notes, [""; 0]);
        check(&loader, kind, image, release);
    }

    #[track_caller]
    fn boots_with_note(&self, kind: LoaderKind, image: &str, release: &str, note: &str) {
        let loader = self.read();
        check(&loader, kind, image, release);
        assert!(loader.notes.concat().contains(note), "{:?}", loader.notes);
    }

    #[track_caller]
    fn boots_unknown(&self, kind: LoaderKind, note: &str) {
        let loader = self.read();
        assert_eq!(
            (loader.kind, &loader.default),
            (kind, &None),
            "{:?}",
            loader.notes
        );
        assert!(loader.notes.concat().contains(note), "{:?}", loader.notes);
    }
}

#[track_caller]
fn check(loader: &Loader, kind: LoaderKind, image: &str, release: &str) {
    assert_eq!(loader.kind, kind, "{:?}", loader.notes);
    let entry = loader.default.as_ref();
    let entry = entry.unwrap_or_else(|| panic!("no default: {:?}", loader.notes));
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert_eq!(text(entry.image.as_slice()), image, "{:?}", loader.notes);
    let found = entry
        .release
        .as_ref()
        .map(|release| text(release.as_slice()));
    assert_eq!(found.unwrap_or_default(), release);
}
