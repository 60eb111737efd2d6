//! Processes to look at: described in rows, or running.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use unstale_plugin::testing::{Said, Scene};
use unstale_plugin::{Detector as _, Entry, FileView, How, Process, Refused, Root, Stat, What};
use unstale_python::Python;

/// A tree of files to run in.
pub(crate) struct Tree {
    pub(crate) directory: tempfile::TempDir,
}

impl Tree {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("root")).unwrap();
        Self { directory }
    }

    /// A tree with these files.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let tree = Self::new();
        for (path, text) in files {
            tree.file(path, text.as_bytes());
        }
        tree
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.directory
            .path()
            .join("root")
            .join(path.trim_start_matches('/'))
    }

    pub(crate) fn file(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn link(&self, path: &str, target: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
    }

    pub(crate) fn scene(&self, process: &str) -> Scene {
        Scene::of(process, self.directory.path()).unwrap()
    }

    pub(crate) fn inspect(&self, process: &str) -> Said {
        self.scene(process).inspect(&mut Python::default())
    }
}

/// A tree with the smallest library that an interpreter can start with.
pub(crate) fn with_library(version: &str, files: &[(&str, &str)]) -> Tree {
    let tree = Tree::of(files);
    for name in [
        "os.py",
        "encodings/__init__.py",
        "encodings/aliases.py",
        "encodings/utf_8.py",
    ] {
        tree.file(&format!("/usr/lib/python{version}/{name}"), b"");
    }
    tree
}

/// The files that were named, and how.
pub(crate) fn files(said: &Said) -> BTreeMap<String, How> {
    let paths = said.uses.iter().map(|used| match &used.what {
        What::File(path) => (String::from_utf8_lossy(path).into_owned(), used.how),
        other => panic!("{other:?}"),
    });
    let count = said.uses.len();
    let files: BTreeMap<String, How> = paths.collect();
    assert_eq!(
        files.len(),
        count,
        "a file was named twice: {:?}",
        said.uses
    );
    files
}

/// The files below some directory, with a mark: nothing for sure, `?` for possible ones, `!` for loaded ones.
pub(crate) fn marked(said: &Said, below: &str) -> Vec<String> {
    let marked = files(said).into_iter().filter_map(|(path, how)| {
        let rest = path.strip_prefix(below)?;
        let mark = match how {
            How::Loaded => "!",
            How::Imported => "",
            How::Possible => "?",
        };
        Some(format!("{rest}{mark}"))
    });
    marked.collect()
}

/// A running program that has printed `ready`.
pub(crate) struct Running {
    child: Child,
    pub(crate) lines: Vec<String>,
    pub(crate) directory: tempfile::TempDir,
}

impl Running {
    /// Starts it and reads its lines up to `ready`.
    pub(crate) fn start(command: &mut Command) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/", directory.path().join("root")).unwrap();
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut lines = Vec::new();
        for line in out.lines() {
            let line = line.unwrap();
            if line == "ready" {
                break;
            }
            lines.push(line);
        }
        Self {
            child,
            lines,
            directory,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What `/proc` says of it, as a scene does.
    pub(crate) fn describe(&self) -> String {
        let proc = PathBuf::from(format!("/proc/{}", self.pid()));
        let link = |name: &str| fs::read_link(proc.join(name)).unwrap();
        let mut lines = vec![
            format!("exe {}", escape(link("exe").as_os_str().as_bytes())),
            format!("cwd {}", escape(link("cwd").as_os_str().as_bytes())),
        ];
        if let Some(execfn) = self.execfn() {
            lines.push(format!("execfn {}", escape(&execfn)));
        }
        let mut words = |name: &str, key: &str| {
            let text = fs::read(proc.join(name)).unwrap();
            let text = text.strip_suffix(b"\0").unwrap_or(&text);
            for word in text.split(|&byte| byte == 0) {
                let wanted = ["PATH=", "HOME=", "PYTHON"];
                if key == "argv" || wanted.iter().any(|name| word.starts_with(name.as_bytes())) {
                    lines.push(format!("{key} {}", escape(word)));
                }
            }
        };
        words("cmdline", "argv");
        words("environ", "env");
        let mut seen = Vec::new();
        for line in fs::read_to_string(proc.join("maps")).unwrap().lines() {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if let [range, flags, _, _, _, path] = fields[..]
                && flags.contains('x')
                && path.starts_with('/')
                && !seen.contains(&path.to_owned())
            {
                seen.push(path.to_owned());
                let start = range.split('-').next().unwrap();
                lines.push(format!("code {start} {path}"));
            }
        }
        lines.join("\n")
    }

    fn execfn(&self) -> Option<Vec<u8>> {
        let auxv = fs::read(format!("/proc/{}/auxv", self.pid())).unwrap();
        let pairs = auxv.chunks_exact(16).map(|pair| {
            let number = |part: &[u8]| u64::from_le_bytes(part.try_into().unwrap());
            (number(&pair[..8]), number(&pair[8..]))
        });
        let (_, address) = pairs.into_iter().find(|(kind, _)| *kind == 31)?;
        let mut text = vec![0; 4096];
        let mem = fs::File::open(format!("/proc/{}/mem", self.pid())).unwrap();
        let size = mem.read_at(&mut text, address).ok()?;
        text.truncate(size);
        let end = text.iter().position(|&byte| byte == 0)?;
        text.truncate(end);
        Some(text)
    }

    pub(crate) fn scene(&self) -> Scene {
        Scene::of(&self.describe(), self.directory.path()).unwrap()
    }

    /// Looks at it without its memory.
    pub(crate) fn inspect(&self) -> Said {
        self.scene().inspect(&mut Python::default())
    }

    /// Looks at it with its memory.
    pub(crate) fn inspect_live(&self) -> Said {
        let scene = self.scene();
        let process: Process = scene.process.clone();
        let mem = fs::File::open(format!("/proc/{}/mem", self.pid())).unwrap();
        let live = Live { scene, mem };
        let mut said = Said::default();
        Python::default().inspect(&process, &live, &mut said);
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut stdin) = self.child.stdin.take() {
            stdin.write_all(b"\n").ok();
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn escape(bytes: &[u8]) -> String {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'\\';
    let parts = bytes.iter().map(|&byte| {
        if plain(byte) {
            char::from(byte).to_string()
        } else {
            format!("\\x{byte:02x}")
        }
    });
    parts.collect()
}

/// A scene whose memory is that of a running process.
pub(crate) struct Live {
    pub(crate) scene: Scene,
    pub(crate) mem: fs::File,
}

impl FileView for Live {
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
        let mut bytes = vec![0; size as usize];
        let read = self.mem.read_exact_at(&mut bytes, address);
        read.map_err(|_| Refused::Missing)?;
        Ok(bytes)
    }
}

/// Where pyenv keeps interpreters, for machines that have it.
fn pyenv() -> PathBuf {
    let root = std::env::var_os("PYENV_ROOT").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".pyenv");
    root.unwrap_or_else(home).join("versions")
}

/// Interpreters of this machine, or nothing, loudly.
pub(crate) fn interpreters() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for directory in ["/usr/bin", "/usr/local/bin"] {
        found.push(Path::new(directory).join("python3"));
    }
    for entry in fs::read_dir(pyenv()).into_iter().flatten().flatten() {
        found.push(entry.path().join("bin/python3"));
    }
    found.retain(|path| path.exists());
    if found.is_empty() {
        skip("no python3 on this machine");
    }
    found
}

/// Says that a test did not run; where nothing may be skipped, fails.
pub(crate) fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "SKIPPED: {why}");
    eprintln!("SKIPPED: {why}");
}
