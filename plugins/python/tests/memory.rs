//! Lists of loaded modules: of running interpreters that offer one, and of recorded ones.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use unstale_plugin::testing::{Said, Scene};
use unstale_plugin::{Detector as _, Entry, FileView, How, Refused, Role, Root, Stat, What};
use unstale_python::Python;

use crate::support::{Running, Tree, files, interpreters, marked};

const TELL: &str = r#"
import sys
for name, module in list(sys.modules.items()):
    spec = getattr(module, "__spec__", None)
    if spec is not None and spec.has_location and not spec.origin.endswith(".so"):
        if getattr(module, "__loader__", None) is not None and spec.origin != "frozen":
            print(spec.origin)
print("ready", flush=True)
sys.stdin.read()
"#;

fn with_list() -> Vec<PathBuf> {
    let offers = |python: &PathBuf| {
        let version = Command::new(python).arg("--version").output().unwrap();
        let version = String::from_utf8(version.stdout).unwrap();
        let minor = version.split('.').nth(1).unwrap_or_default();
        minor.parse::<u32>().is_ok_and(|minor| minor >= 13)
    };
    interpreters().into_iter().filter(offers).collect()
}

/// Few machines have such an interpreter: `recorded_list` stands for it, so this is no gap where nothing may be skipped.
fn leave_to_recorded() {
    eprintln!("no python of 3.13 or later on this machine; a recorded one was judged");
}

/// More modules than a program that is looked at in reality has.
#[test]
fn long_lists() {
    let pythons = with_list();
    let Some(python) = pythons.first() else {
        return leave_to_recorded();
    };
    for (modules, cut) in [(2000, false), (4000, true)] {
        let tree = Tree::new();
        let text = format!(
            "import sys\nfor n in range({modules}): __import__(f'long_name_of_module_{{n}}')\n\
             print('ready', flush=True)\nsys.stdin.read()\n"
        );
        tree.file("/main.py", text.as_bytes());
        let names = (0..40).map(|name| format!("name_{name} = [{name}]\n"));
        let body: String = names.collect();
        for module in 0..modules {
            tree.file(
                &format!("/long_name_of_module_{module}.py"),
                body.as_bytes(),
            );
        }
        let mut command = Command::new(python);
        let running = Running::start(command.arg("-SB").arg(tree.path("/main.py")));
        let said = running.inspect_live();
        let below = tree.path("/");
        let found = marked(&said, below.to_str().unwrap());
        println!("{modules} modules: {} found", found.len());
        assert_eq!(found.len() > modules, !cut, "{:?}", said.notes);
        assert_eq!(said.unknown.is_empty(), !cut, "{:?}", said.unknown);
    }
}

#[test]
fn list_of_a_running_interpreter() {
    let pythons = with_list();
    if pythons.is_empty() {
        return leave_to_recorded();
    }
    for python in pythons {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("plügin")).unwrap();
        fs::write(
            at("plügin/__init__.py"),
            "def lazily():\n    import hidden\n",
        )
        .unwrap();
        fs::write(at("hidden.py"), "").unwrap();
        fs::write(at("never.py"), "").unwrap();
        // What no reader of sources finds: a name that is put together, an import in a function that was called.
        let text = "import json, asyncio\n__import__('pl' + 'ügin').lazily()\n\
                    def no():\n    import never\n";
        fs::write(at("main.py"), format!("{text}{TELL}")).unwrap();
        let running = Running::start(Command::new(&python).arg(at("main.py")));
        let said = running.inspect_live();
        let found = files(&said);
        assert!(found.values().all(|how| *how == How::Loaded), "{found:?}");
        let mut expected: BTreeSet<String> = running.lines.iter().cloned().collect();
        expected.insert(at("main.py").to_str().unwrap().to_owned());
        let found: BTreeSet<String> = found.into_keys().collect();
        assert_eq!(found, expected, "{}", python.display());
        assert!(found.len() > 60, "{}", found.len());
        assert!(
            said.notes.iter().any(|note| note.contains("own list")),
            "{:?}",
            said.notes
        );
    }
}

fn captured(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/captured")
        .join(name)
}

/// `captured/debian-13` (but for the sources of the library): by `capture.rs`, from python3.13 3.13.5-2 of Debian 13 (amd64), started as the scene says.
#[test]
fn recorded_list() {
    let scene = Scene::open(&captured("debian-13")).unwrap();
    let said = scene.inspect(&mut Python::default());
    let expected = ["main.py!", "shop/__init__.py!", "shop/lazy.py!"];
    assert_eq!(marked(&said, "/srv/app/"), expected);
    let library = marked(&said, "/usr/lib/python3.13/");
    assert!(
        library.contains(&"encodings/utf_8.py!".to_owned()),
        "{library:?}"
    );
    // Frozen: their files are there, and were not read.
    for frozen in ["abc.py", "codecs.py", "io.py"] {
        let named = library.iter().any(|name| name.starts_with(frozen));
        assert!(!named, "{library:?}");
    }
    let script = said.uses.iter().filter(|used| used.role == Role::Script);
    assert_eq!(script.count(), 1);
    let note = "modules: those in the process's own list (CPython 3.13.5)";
    assert_eq!(said.notes, [note]);
    assert!(said.unknown.is_empty(), "{:?}", said.unknown);
}

/// A process whose memory is made up.
struct Made<F> {
    scene: Scene,
    memory: F,
    asked: Cell<u64>,
}

impl<F: Fn(u64, u32) -> Result<Vec<u8>, Refused>> FileView for Made<F> {
    fn read(&self, root: Root, path: &[u8]) -> Result<Vec<u8>, Refused> {
        self.scene.read(root, path)
    }
    fn read_at(&self, root: Root, path: &[u8], offset: u64, size: u32) -> Result<Vec<u8>, Refused> {
        self.scene.read_at(root, path, offset, size)
    }
    fn stat(&self, root: Root, path: &[u8]) -> Result<Stat, Refused> {
        self.scene.stat(root, path)
    }
    fn list(&self, root: Root, path: &[u8]) -> Result<Vec<Entry>, Refused> {
        self.scene.list(root, path)
    }
    fn read_link(&self, root: Root, path: &[u8]) -> Result<Vec<u8>, Refused> {
        self.scene.read_link(root, path)
    }
    fn memory(&self, address: u64, size: u32) -> Result<Vec<u8>, Refused> {
        self.asked.set(self.asked.get() + u64::from(size));
        (self.memory)(address, size)
    }
}

fn made(memory: impl Fn(u64, u32) -> Result<Vec<u8>, Refused>) -> Said {
    let scene = Scene::open(&captured("debian-13")).unwrap();
    let process = scene.process.clone();
    let asked = Cell::new(0);
    let made = Made {
        scene,
        memory,
        asked,
    };
    let mut said = Said::default();
    Python::default().inspect(&process, &made, &mut said);
    assert!(made.asked.get() <= 4 << 20, "{}", made.asked.get());
    said
}

/// The recorded memory.
fn pieces() -> BTreeMap<u64, Vec<u8>> {
    let entries = fs::read_dir(captured("debian-13/memory")).unwrap();
    let pieces = entries.map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        (
            u64::from_str_radix(name, 16).unwrap(),
            fs::read(&path).unwrap(),
        )
    });
    pieces.collect()
}

fn answer(pieces: &BTreeMap<u64, Vec<u8>>, address: u64, size: u32) -> Result<Vec<u8>, Refused> {
    let (start, bytes) = pieces
        .range(..=address)
        .next_back()
        .ok_or(Refused::Missing)?;
    let from = usize::try_from(address - start).unwrap();
    let part = bytes
        .get(from..from + size as usize)
        .ok_or(Refused::Missing)?;
    Ok(part.to_vec())
}

#[test]
fn refused_memory_leaves_the_sources() {
    let said = made(|_, _| Err(Refused::Denied));
    assert!(
        said.notes
            .iter()
            .any(|note| note.contains("permission denied")),
        "{said:?}"
    );
    // The recorded tree has no library: that is what is not known now.
    assert_eq!(
        said.unknown,
        ["imports: its standard library was not found"]
    );
}

#[test]
fn another_version_is_not_guessed_at() {
    let recorded = pieces();
    for (at, byte) in [(9, 9), (10, 0x0f), (8, 0xa0), (16, 1)] {
        let said = made(|address, size| {
            let mut bytes = answer(&recorded, address, size)?;
            if let Some(cookie) = bytes.windows(8).position(|part| part == b"xdebugpy") {
                bytes[cookie + at] = byte;
                if at == 8 {
                    bytes[cookie + 8] = 0xa1;
                }
            }
            Ok(bytes)
        });
        let own = said.notes.iter().any(|note| note.contains("own list"));
        // A higher micro version changes no layout.
        assert_eq!(own, at == 9, "{at}: {said:?}");
    }
}

#[test]
fn t11_16_memory_that_lies() {
    // Everything points to itself, or anywhere.
    let cookie = |bytes: &mut Vec<u8>| {
        bytes[..8].copy_from_slice(b"xdebugpy");
        bytes[8..16].copy_from_slice(&0x030d_05f0_u64.to_le_bytes());
        bytes[16..24].fill(0);
    };
    for seed in 0..60_u64 {
        made(|address, size| {
            let mut bytes = Vec::new();
            let mut state = seed ^ address;
            while bytes.len() < size as usize {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(seed | 1);
                let word = match seed % 4 {
                    0 => address,
                    1 => state >> (state % 60),
                    2 => u64::MAX - (state % 64),
                    _ => state % 65_536,
                };
                bytes.extend_from_slice(&word.to_le_bytes());
            }
            cookie(&mut bytes);
            Ok(bytes)
        });
    }
}

#[test]
fn t11_16_damaged_memory() {
    let recorded = pieces();
    let starts: Vec<u64> = recorded.keys().copied().collect();
    for seed in 0..400_u64 {
        let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut damaged = recorded.clone();
        let start = starts[(random >> 8) as usize % starts.len()];
        let piece = damaged.get_mut(&start).unwrap();
        let at = (random >> 20) as usize % (piece.len() / 8) * 8;
        let word = match seed % 3 {
            0 => u64::MAX,
            1 => start,
            _ => random,
        };
        piece[at..at + 8].copy_from_slice(&word.to_le_bytes());
        made(|address, size| answer(&damaged, address, size));
    }
}

/// The program changed its directory: it knows the path of its script all the same.
#[test]
fn t6_02_relative_script_of_a_daemon() {
    let pythons = with_list();
    let Some(python) = pythons.first() else {
        return leave_to_recorded();
    };
    let tree = Tree::new();
    let text = "import os, sys, own\nos.chdir('/')\nprint('ready', flush=True)\nsys.stdin.read()\n";
    tree.file("/main.py", text.as_bytes());
    tree.file("/own.py", b"");
    let mut command = Command::new(python);
    command.current_dir(tree.path("/"));
    let running = Running::start(command.args(["-S", "./main.py"]));
    let said = running.inspect_live();
    let below = tree.path("/");
    let found = marked(&said, below.to_str().unwrap());
    assert_eq!(found, ["main.py!", "own.py!"], "{said:?}");
    assert!(said.unknown.is_empty(), "{:?}", said.unknown);
    // Without its memory this cannot be known.
    let said = running.inspect();
    assert!(said.unknown[0].contains("main.py"), "{:?}", said.unknown);
}

/// Strings that are not ASCII, names that are not UTF-8: what Python holds for them.
#[test]
fn t2_03_names_of_all_kinds() {
    let pythons = with_list();
    let Some(python) = pythons.first() else {
        return leave_to_recorded();
    };
    let tree = Tree::new();
    for name in ["latin_\u{e9}", "wide_\u{4e2d}", "astral_\u{20000}"] {
        tree.file(&format!("/{name}.py"), b"");
    }
    tree.file("/main.py", "import latin_\u{e9}, wide_\u{4e2d}, astral_\u{20000}\nprint('ready', flush=True)\ninput()\n".as_bytes());
    let odd = tree.path("/").join(OsStr::from_bytes(b"odd_\xff"));
    fs::create_dir(&odd).unwrap();
    for file in [
        "main.py",
        "latin_\u{e9}.py",
        "wide_\u{4e2d}.py",
        "astral_\u{20000}.py",
    ] {
        fs::rename(tree.path(file), odd.join(file)).unwrap();
    }
    let running = Running::start(Command::new(python).arg("-S").arg(odd.join("main.py")));
    let said = running.inspect_live();
    for file in [
        "main.py",
        "latin_\u{e9}.py",
        "wide_\u{4e2d}.py",
        "astral_\u{20000}.py",
    ] {
        let path = odd.join(file).as_os_str().as_bytes().to_vec();
        let used = said
            .uses
            .iter()
            .filter(|used| used.what == What::File(path.clone()));
        assert_eq!(used.count(), 1, "{file}");
    }
}
