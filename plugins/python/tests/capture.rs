//! Records a process with its memory as far as the detector asks for it, for the scenes in `tests/captured/`.
//!
//! `CAPTURE_ROOT=/path/of/a/debian CAPTURE_TO=plugins/python/tests/captured/NAME cargo test -p unstale-python capture --
//! --ignored` as root: starts `/usr/bin/python3` in that root directory and writes what is asked of it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use unstale_plugin::testing::{Said, Scene};
use unstale_plugin::{Detector as _, Entry, FileView, Refused, Root, Stat};
use unstale_python::Python;

use crate::support::{Live, Running};

struct Recorder {
    live: Live,
    memory: RefCell<BTreeMap<u64, Vec<u8>>>,
}

impl FileView for Recorder {
    fn read(&self, root: Root, path: &[u8]) -> Result<Vec<u8>, Refused> {
        self.live.read(root, path)
    }
    fn read_at(&self, root: Root, path: &[u8], offset: u64, size: u32) -> Result<Vec<u8>, Refused> {
        self.live.read_at(root, path, offset, size)
    }
    fn stat(&self, root: Root, path: &[u8]) -> Result<Stat, Refused> {
        self.live.stat(root, path)
    }
    fn list(&self, root: Root, path: &[u8]) -> Result<Vec<Entry>, Refused> {
        self.live.list(root, path)
    }
    fn read_link(&self, root: Root, path: &[u8]) -> Result<Vec<u8>, Refused> {
        self.live.read_link(root, path)
    }
    fn memory(&self, address: u64, size: u32) -> Result<Vec<u8>, Refused> {
        let bytes = self.live.memory(address, size)?;
        self.memory.borrow_mut().insert(address, bytes.clone());
        Ok(bytes)
    }
}

#[test]
#[ignore = "writes a scene: run by hand"]
fn capture() {
    let root = PathBuf::from(std::env::var("CAPTURE_ROOT").unwrap());
    let to = PathBuf::from(std::env::var("CAPTURE_TO").unwrap());
    let app = root.join("srv/app");
    fs::create_dir_all(app.join("shop")).unwrap();
    fs::write(
        app.join("shop/__init__.py"),
        "def later():\n    import shop.lazy\n",
    )
    .unwrap();
    fs::write(app.join("shop/lazy.py"), "").unwrap();
    fs::write(app.join("shop/never.py"), "").unwrap();
    let text = "import sys, shop\nshop.later()\ndef no():\n    import shop.never\n\
                print('ready', flush=True)\nsys.stdin.read()\n";
    fs::write(app.join("main.py"), text).unwrap();
    let mut command = Command::new("/usr/sbin/chroot");
    command
        .arg(&root)
        .args(["/usr/bin/python3", "-SEs", "/srv/app/main.py"]);
    let running = Running::start(command.env_clear());
    let prefix = format!(" {}/", root.display());
    let process = running.describe().replace(&prefix, " /");
    let process = process.replace(&format!("cwd {}", root.display()), "cwd /");
    let directory = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(&root, directory.path().join("root")).unwrap();
    let scene = Scene::of(&process, directory.path()).unwrap();
    let looked_at = scene.process.clone();
    let mem = fs::File::open(format!("/proc/{}/mem", running.pid())).unwrap();
    let recorder = Recorder {
        live: Live { scene, mem },
        memory: RefCell::default(),
    };
    let mut said = Said::default();
    Python::default().inspect(&looked_at, &recorder, &mut said);
    assert!(said.notes.iter().any(|note| note.contains("own list")));
    write_scene(&to, &process, &recorder.memory.into_inner());
    let runs = looked_at
        .code
        .iter()
        .find(|mapped| mapped.path == looked_at.exe)
        .unwrap();
    let exe = String::from_utf8(runs.path.clone()).unwrap();
    let headers = headers_of(&fs::read(root.join(exe.trim_start_matches('/'))).unwrap());
    write(&to.join("root").join(exe.trim_start_matches('/')), &headers);
    write(&to.join("root/srv/app/main.py"), text.as_bytes());
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn write_scene(to: &Path, process: &str, memory: &BTreeMap<u64, Vec<u8>>) {
    write(&to.join("process"), process.as_bytes());
    let mut pieces: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    for (address, bytes) in memory {
        match pieces.last_entry() {
            Some(mut last) if last.key() + last.get().len() as u64 == *address => {
                last.get_mut().extend_from_slice(bytes);
            }
            _ => {
                pieces.insert(*address, bytes.clone());
            }
        }
    }
    for (address, bytes) in pieces {
        write(&to.join(format!("memory/{address:x}")), &bytes);
    }
}

/// The headers of an ELF file and the names of its sections, without what they describe.
fn headers_of(elf: &[u8]) -> Vec<u8> {
    let long = |at: usize| {
        usize::try_from(u64::from_le_bytes(elf[at..at + 8].try_into().unwrap())).unwrap()
    };
    let half = |at: usize| usize::from(u16::from_le_bytes(elf[at..at + 2].try_into().unwrap()));
    let (segments, sections) = (long(32), long(40));
    let (segments_size, sections_size) = (half(56) * 56, half(60) * 64);
    let names = sections + half(62) * 64;
    let (names_at, names_size) = (long(names + 24), long(names + 32));
    let mut small = elf[..64].to_vec();
    small.extend_from_slice(&elf[segments..segments + segments_size]);
    let new_sections = small.len();
    small.extend_from_slice(&elf[sections..sections + sections_size]);
    let new_names = small.len();
    small.extend_from_slice(&elf[names_at..names_at + names_size]);
    let mut put = |at: usize, value: usize| {
        small[at..at + 8].copy_from_slice(&(value as u64).to_le_bytes());
    };
    put(32, 64);
    put(40, new_sections);
    put(new_sections + half(62) * 64 + 24, new_names);
    small
}
