//! Recorded processes: test a detector without a host.
//!
//! A scene is a directory with a file `process` and a tree `root/`, the files as the process sees them (and, where the
//! detector asks for files of the host, `host/`). In `process`, each line is a key and a value:
//!
//! ```text
//! exe /usr/bin/python3.11
//! execfn /usr/bin/python3
//! argv /usr/bin/python3
//! argv /srv/app/main.py
//! env PYTHONPATH=/srv/lib
//! cwd /
//! uid 33
//! cgroup 0::/system.slice/app.service
//! code 7f12a000 /usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0
//! held fd 4 /srv/app/lib.jar
//! held map 7f130000 /usr/lib/jvm/x/lib/modules
//! container podman 0123abcd
//! ```
//!
//! `\xHH` and `\\` stand for any byte and a backslash; lines that begin with `#` are comments.

use std::cell::Cell;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::{
    Container, Detector, Entry, FileView, Handle, Held, Instance, Kind, Mapped, Process, Refused,
    Report, Root, Stat, Used, base_name, join,
};

/// A recorded process with its files.
#[derive(Debug)]
pub struct Scene {
    /// The process.
    pub process: Process,
    /// Where its files lie.
    pub directory: PathBuf,
    questions: Cell<u32>,
}

/// What a detector said of a scene.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// What the process uses.
    pub uses: Vec<Used>,
    /// What it belongs to.
    pub instance: Option<Instance>,
    /// Notes.
    pub notes: Vec<String>,
    /// What could not be looked at.
    pub unknown: Vec<String>,
}

impl Report for Said {
    fn uses(&mut self, used: Used) {
        self.uses.push(used);
    }
    fn instance(&mut self, instance: Instance) {
        assert!(self.instance.is_none(), "two instances for one process");
        self.instance = Some(instance);
    }
    fn note(&mut self, text: &str) {
        self.notes.push(text.to_owned());
    }
    fn unknown(&mut self, what: &str) {
        self.unknown.push(what.to_owned());
    }
}

impl Scene {
    /// Reads a scene.
    ///
    /// # Errors
    /// What is wrong, with the line.
    pub fn open(directory: &Path) -> Result<Self, String> {
        let file = directory.join("process");
        let text = fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let process = parse(&text).map_err(|error| format!("{}:{error}", file.display()))?;
        Ok(Self {
            process,
            directory: directory.to_owned(),
            questions: Cell::new(0),
        })
    }

    /// A scene that is described in the test itself; `directory` holds `root/`.
    ///
    /// # Errors
    /// What is wrong, with the line.
    pub fn of(text: &str, directory: &Path) -> Result<Self, String> {
        Ok(Self {
            process: parse(text.as_bytes())?,
            directory: directory.to_owned(),
            questions: Cell::new(0),
        })
    }

    /// Lets a detector look at it.
    #[must_use]
    pub fn inspect(&self, detector: &mut impl Detector) -> Said {
        let mut said = Said::default();
        detector.inspect(&self.process, self, &mut said);
        said
    }

    /// How many questions about files were asked so far.
    #[must_use]
    pub fn questions(&self) -> u32 {
        self.questions.get()
    }

    /// The place of a path in the scene, links followed inside its root.
    fn place(&self, root: Root, path: &[u8]) -> Result<(PathBuf, Vec<u8>), Refused> {
        self.questions.set(self.questions.get() + 1);
        let top = self.directory.join(match root {
            Root::Process => "root",
            Root::Host => "host",
        });
        let place = |path: &[u8]| {
            top.join(Path::new(std::ffi::OsStr::from_bytes(
                path.strip_prefix(b"/").unwrap_or(path),
            )))
        };
        let mut done: Vec<u8> = Vec::new();
        let mut rest: Vec<Vec<u8>> = parts(path);
        let mut links = 0;
        while !rest.is_empty() {
            let part = rest.remove(0);
            if part == b".." {
                done = crate::directory_of(&done).to_vec();
                if done == b"/" {
                    done.clear();
                }
                continue;
            }
            let next = [done.as_slice(), b"/", part.as_slice()].concat();
            let found = fs::symlink_metadata(place(&next)).map_err(|_| Refused::Missing)?;
            if found.is_symlink() {
                links += 1;
                if links > 40 {
                    return Err(Refused::Failed);
                }
                let target = fs::read_link(place(&next)).map_err(|_| Refused::Failed)?;
                let target = target.as_os_str().as_bytes();
                if target.starts_with(b"/") {
                    done.clear();
                }
                rest.splice(0..0, parts(target));
            } else {
                done = next;
            }
        }
        if done.is_empty() {
            done.push(b'/');
        }
        Ok((place(&done), done))
    }
}

fn parts(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|&byte| byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .map(<[u8]>::to_vec)
        .collect()
}

fn kind_of(kind: fs::FileType) -> Kind {
    if kind.is_file() {
        Kind::File
    } else if kind.is_dir() {
        Kind::Directory
    } else if kind.is_symlink() {
        Kind::Link
    } else {
        Kind::Other
    }
}

/// As much as the host shows of one file.
const FILE_CAP: u64 = 1024 * 1024;

impl FileView for Scene {
    fn read(&self, root: Root, path: &[u8]) -> Result<Vec<u8>, Refused> {
        let stat = self.stat(root, path)?;
        if stat.kind != Kind::File {
            return Err(Refused::WrongKind);
        }
        if stat.size > FILE_CAP {
            return Err(Refused::TooLarge);
        }
        fs::read(self.place(root, path)?.0).map_err(|_| Refused::Failed)
    }

    fn read_at(&self, root: Root, path: &[u8], offset: u64, size: u32) -> Result<Vec<u8>, Refused> {
        use std::os::unix::fs::FileExt as _;
        let (place, _) = self.place(root, path)?;
        let file = fs::File::open(place).map_err(|_| Refused::Failed)?;
        let mut bytes = vec![0; size as usize];
        let mut filled = 0;
        while filled < bytes.len() {
            let at = offset.saturating_add(filled as u64);
            match file.read_at(&mut bytes[filled..], at) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(_) => return Err(Refused::Failed),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    fn stat(&self, root: Root, path: &[u8]) -> Result<Stat, Refused> {
        let (place, real_path) = self.place(root, path)?;
        let found = fs::symlink_metadata(place).map_err(|_| Refused::Missing)?;
        Ok(Stat {
            kind: kind_of(found.file_type()),
            size: found.len(),
            real_path,
        })
    }

    fn list(&self, root: Root, path: &[u8]) -> Result<Vec<Entry>, Refused> {
        let (place, _) = self.place(root, path)?;
        if !place.is_dir() {
            return Err(Refused::WrongKind);
        }
        let entries = fs::read_dir(place).map_err(|_| Refused::Failed)?;
        entries
            .map(|entry| {
                let entry = entry.map_err(|_| Refused::Failed)?;
                Ok(Entry {
                    name: entry.file_name().as_bytes().to_vec(),
                    kind: kind_of(entry.file_type().map_err(|_| Refused::Failed)?),
                })
            })
            .collect()
    }

    fn read_link(&self, root: Root, path: &[u8]) -> Result<Vec<u8>, Refused> {
        let (parent, _) = self.place(root, crate::directory_of(path))?;
        let link = parent.join(std::ffi::OsStr::from_bytes(base_name(path)));
        match fs::symlink_metadata(&link) {
            Err(_) => Err(Refused::Missing),
            Ok(found) if !found.is_symlink() => Err(Refused::WrongKind),
            Ok(_) => {
                let target = fs::read_link(link).map_err(|_| Refused::Failed)?;
                Ok(target.into_os_string().as_bytes().to_vec())
            }
        }
    }

    /// Recorded memory: files `memory/ADDRESS` in lower-case hexadecimal, each one piece.
    fn memory(&self, address: u64, size: u32) -> Result<Vec<u8>, Refused> {
        self.questions.set(self.questions.get() + 1);
        let pieces = fs::read_dir(self.directory.join("memory")).map_err(|_| Refused::Missing)?;
        for piece in pieces.flatten() {
            let name = piece.file_name();
            let Some(start) = name
                .to_str()
                .and_then(|name| u64::from_str_radix(name, 16).ok())
            else {
                continue;
            };
            let bytes = fs::read(piece.path()).map_err(|_| Refused::Failed)?;
            let from = address
                .checked_sub(start)
                .and_then(|from| usize::try_from(from).ok());
            if let Some(part) = from.and_then(|from| bytes.get(from..from + size as usize)) {
                return Ok(part.to_vec());
            }
        }
        Err(Refused::Missing)
    }
}

fn parse(text: &[u8]) -> Result<Process, String> {
    let mut process = Process {
        view: 1,
        environ: Some(Vec::new()),
        ..Process::default()
    };
    for (number, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let line = line.trim_ascii_start();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        parse_line(line, &mut process).map_err(|what| format!("{}: {what}", number + 1))?;
    }
    Ok(process)
}

fn parse_line(line: &[u8], process: &mut Process) -> Result<(), String> {
    let (key, value) = split(line, b' ').unwrap_or((line, b""));
    let value = unescape(value)?;
    let number = |text: &[u8], base: u32| {
        let text = std::str::from_utf8(text).unwrap_or_default();
        u64::from_str_radix(text, base).map_err(|_| format!("`{text}` is no number"))
    };
    let small = |text: &[u8]| {
        u32::try_from(number(text, 10)?).map_err(|_| "a number that is too large".to_owned())
    };
    let two = |what: &str| split(&value, b' ').ok_or_else(|| format!("`{what}` takes two words"));
    match key {
        b"exe" => process.exe = value,
        b"execfn" => process.execfn = Some(value),
        b"argv" => process.argv.push(value),
        b"cwd" => process.cwd = Some(join(b"/", &value)),
        b"cgroup" => {
            process.cgroup.extend_from_slice(&value);
            process.cgroup.push(b'\n');
        }
        b"pid" => process.pid = small(&value)?,
        b"uid" => process.uid = small(&value)?,
        b"view" => process.view = number(&value, 10)?,
        b"environ" if value == b"unreadable" => process.environ = None,
        b"env" => {
            let (name, text) = split(&value, b'=').ok_or("`env` takes NAME=VALUE")?;
            let pair = (name.to_vec(), text.to_vec());
            process.environ.get_or_insert_default().push(pair);
        }
        b"option" => {
            let (name, setting) = two("option")?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            process.options.push((text(name), text(setting)));
        }
        b"code" => {
            let (start, path) = two("code")?;
            process.code.push(Mapped {
                start: number(start, 16)?,
                path: path.to_vec(),
            });
        }
        b"held" => {
            let (kind, rest) = two("held")?;
            let (handle, path) = split(rest, b' ').ok_or("`held` takes three words")?;
            let by = match kind {
                b"fd" => Handle::Descriptor(small(handle)?),
                b"map" => Handle::Mapping(number(handle, 16)?),
                _ => return Err("`held` takes fd or map".to_owned()),
            };
            process.held.push(Held {
                path: path.to_vec(),
                by,
            });
        }
        b"container" => {
            let (runtime, id) = two("container")?;
            process.container = Some(Container {
                runtime: String::from_utf8_lossy(runtime).into_owned(),
                id: id.to_vec(),
                user: None,
            });
        }
        b"container-user" => {
            let user = small(&value)?;
            let container = process.container.as_mut();
            container
                .ok_or("`container-user` goes after `container`")?
                .user = Some(user);
        }
        key => return Err(format!("`{}` is no key", String::from_utf8_lossy(key))),
    }
    Ok(())
}

fn split(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let position = text.iter().position(|&byte| byte == at)?;
    Some((&text[..position], &text[position + 1..]))
}

fn unescape(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'\\' {
            bytes.push(first);
            continue;
        }
        match tail {
            [b'\\', tail @ ..] => {
                bytes.push(b'\\');
                rest = tail;
            }
            [b'x', high, low, tail @ ..] => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).unwrap_or_default();
                let byte = u8::from_str_radix(digits, 16);
                bytes.push(byte.map_err(|_| format!("`\\x{digits}` is no byte"))?);
                rest = tail;
            }
            _ => return Err("a backslash stands before `\\` or `xHH`".to_owned()),
        }
    }
    Ok(bytes)
}
