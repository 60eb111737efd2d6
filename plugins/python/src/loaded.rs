//! The modules that a process has loaded, from its own list: `sys.modules` of its first interpreter. CPython tells
//! debuggers where that is from 3.13 on (`_Py_DebugOffsets`).
//!
//! Only those files are taken that a loader of the import system has read: `__file__` of a module may say anything.
#![forbid(unsafe_code)]

use std::collections::HashMap;

use unstale_plugin::{FileView, Mapped, Process, Refused, base_name};

use crate::elf::{Addresses, read_addresses};
use crate::memory::{Fault, Item, Memory};

/// What a process has loaded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Loaded {
    /// Its version, as it says: `3.13.5`.
    pub(crate) version: String,
    /// The file of its main module.
    pub(crate) main: Option<Vec<u8>>,
    /// Files of the other modules, as they were named: a member of an archive by the archive's path and its own.
    pub(crate) files: Vec<LoadedFile>,
    /// Whether the list is longer than may be read.
    pub(crate) cut: bool,
}

/// A file that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoadedFile {
    /// Its path.
    pub(crate) path: Vec<u8>,
    /// Whether it is a member of an archive.
    pub(crate) in_archive: bool,
    /// Whether a loader is known to have read it; else the module only says so.
    pub(crate) certain: bool,
}

/// Why there is no list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Without {
    /// This interpreter offers none.
    NotOffered,
    /// It should be there, and could not be read.
    Unreadable(Refused),
    /// It is there, and does not look as it should: the file of the interpreter was replaced, or it lies.
    Strange,
}

impl From<Fault> for Without {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(refused) => Self::Unreadable(refused),
            Fault::Strange => Self::Strange,
        }
    }
}

/// Modules, and names of a module until its `__file__` and `__loader__`.
const MODULES: u64 = 8192;
const NAMES: u64 = 64;

/// Where the runtime is in the files that were asked.
#[derive(Debug, Default)]
pub(crate) struct Runtimes {
    known: HashMap<(u64, Vec<u8>), Option<Addresses>>,
}

impl Runtimes {
    /// Reads the list of a process.
    pub(crate) fn loaded(
        &mut self,
        process: &Process,
        files: &dyn FileView,
    ) -> Result<Loaded, Without> {
        let address = self.address(process, files)?;
        read_loaded(files, address)
    }

    fn address(&mut self, process: &Process, files: &dyn FileView) -> Result<u64, Without> {
        let is_library = |mapped: &&Mapped| base_name(&mapped.path).starts_with(b"libpython3.");
        let is_program = |mapped: &&Mapped| mapped.path == process.exe;
        let library = process.code.iter().find(is_library);
        let Some(mapped) = library.or_else(|| process.code.iter().find(is_program)) else {
            return Err(Without::NotOffered);
        };
        let key = (process.view, mapped.path.clone());
        let addresses = match self.known.get(&key) {
            Some(known) => *known,
            None => {
                let read = read_addresses(files, &mapped.path, b".PyRuntime");
                let read = match read {
                    Ok(read) => read,
                    Err(Refused::Missing) => return Err(Without::Strange),
                    Err(refused) => return Err(Without::Unreadable(refused)),
                };
                self.known.insert(key, read);
                read
            }
        };
        let addresses = addresses.ok_or(Without::NotOffered)?;
        Ok(addresses.section_at(mapped.start))
    }
}

fn read_loaded(files: &dyn FileView, runtime: u64) -> Result<Loaded, Without> {
    // Until the version is known, nothing of a string is read.
    let memory = Memory::new(files, 0);
    let start = memory.bytes(runtime, 104)?;
    if !start.starts_with(b"xdebugpy") {
        // `.PyRuntime` is older than the cookie.
        return Err(Without::NotOffered);
    }
    let number = |at: usize| {
        let part = start[at..at + 8].try_into();
        part.map(u64::from_le_bytes).map_err(|_| Without::Strange)
    };
    let (version, free_threaded, head) = (number(8)?, number(16)?, number(40)?);
    let Some(known) = Known::of(version) else {
        return Err(Without::NotOffered);
    };
    if free_threaded != 0 {
        return Err(Without::NotOffered);
    }
    let memory = Memory::new(files, known.kind_shift);
    let modules = number(known.modules_at)?;
    // Offsets into structures of less than a megabyte.
    if head > 1 << 20 || modules > 1 << 20 {
        return Err(Without::Strange);
    }
    // The newest interpreter is the head of the list, and the first its end.
    let next = number(64)?;
    let mut interpreter = memory.member(runtime, head)?;
    for _ in 0..64 {
        match memory.member(interpreter, next)? {
            0 => break,
            other => interpreter = other,
        }
    }
    let modules = memory.member(interpreter, modules)?;
    let mut walk = Walk::new(&memory);
    let mut loaded = walk.modules(modules)?;
    loaded.version = format!(
        "{}.{}.{}",
        version >> 24 & 0xff,
        version >> 16 & 0xff,
        version >> 8 & 0xff
    );
    Ok(loaded)
}

/// What differs between the versions that are known.
struct Known {
    /// Where the table holds the offset of `imports.modules`.
    modules_at: usize,
    /// Where the bits of a string's state begin.
    kind_shift: u32,
}

impl Known {
    /// Releases only: layouts change until the first candidate.
    fn of(version: u64) -> Option<Self> {
        let release = version >> 4 & 0xf >= 0xc;
        match version >> 16 {
            0x030d if release => Some(Self {
                modules_at: 88,
                kind_shift: 2,
            }),
            // 3.14 has `threads_main` in front of it, and gives `interned` sixteen bits.
            0x030e if release => Some(Self {
                modules_at: 96,
                kind_shift: 16,
            }),
            _ => None,
        }
    }
}

/// A walk over the list; names of types and texts of keys are kept by their addresses.
struct Walk<'a, 'm> {
    memory: &'m Memory<'a>,
    types: HashMap<u64, Vec<u8>>,
    keys: HashMap<u64, Key>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    File,
    Loader,
    Other,
}

/// Who has loaded a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loader {
    /// A file, read as source or compiled.
    File,
    /// An archive.
    Archive,
    /// The interpreter, or the dynamic linker.
    Inside,
    /// Somebody else, or nobody.
    Other,
}

impl<'a, 'm> Walk<'a, 'm> {
    fn new(memory: &'m Memory<'a>) -> Self {
        Self {
            memory,
            types: HashMap::new(),
            keys: HashMap::new(),
        }
    }

    fn modules(&mut self, dict: u64) -> Result<Loaded, Without> {
        if self.type_name(self.memory.type_of(dict)?)? != b"dict" {
            return Err(Without::Strange);
        }
        let mut loaded = Loaded::default();
        let dict = self.memory.dict(dict)?;
        // An interpreter that has started has more than these few.
        if dict.count < 8 {
            return Err(Without::Strange);
        }
        for at in 0..dict.count.min(MODULES) {
            let module = self.memory.item(&dict, at);
            match module.and_then(|item| item.map_or(Ok(None), |item| self.module(item))) {
                Ok(Some((name, file))) if name == b"__main__" => {
                    loaded.main = Some(file.path).filter(|path| path.starts_with(b"/"));
                }
                Ok(Some((_, file))) if file.path.starts_with(b"/") => loaded.files.push(file),
                // What other code put into the list need not be a module.
                Ok(_) | Err(Fault::Strange | Fault::Refused(Refused::Missing)) => {}
                Err(Fault::Refused(Refused::Budget)) => {
                    loaded.cut = true;
                    break;
                }
                Err(Fault::Refused(refused)) => return Err(Without::Unreadable(refused)),
            }
        }
        Ok(loaded)
    }

    fn module(&mut self, item: Item) -> Result<Option<(Vec<u8>, LoadedFile)>, Fault> {
        let class = self.type_name(self.memory.type_of(item.value)?)?;
        let is_module = class == b"module" || class.ends_with(b"Module");
        if !is_module {
            return Ok(None);
        }
        let dict = self.memory.module_dict(item.value)?;
        let (mut file, mut loader) = (0, 0);
        let names = self.memory.dict(dict)?;
        for at in 0..names.count.min(NAMES) {
            let Some(item) = self.memory.item(&names, at)? else {
                continue;
            };
            match self.key(item.key)? {
                Key::File => file = item.value,
                Key::Loader => loader = item.value,
                Key::Other => {}
            }
            if file != 0 && loader != 0 {
                break;
            }
        }
        if file == 0 || self.type_name(self.memory.type_of(file)?)? != b"str" {
            return Ok(None);
        }
        let loader = match loader {
            0 => Loader::Other,
            loader => self.loader(loader)?,
        };
        if loader == Loader::Inside {
            return Ok(None);
        }
        let name = self.memory.text(item.key)?;
        let file = LoadedFile {
            path: self.memory.text(file)?,
            in_archive: loader == Loader::Archive,
            certain: loader != Loader::Other,
        };
        Ok(Some((name, file)))
    }

    fn loader(&mut self, object: u64) -> Result<Loader, Fault> {
        let of = self.memory.type_of(object)?;
        Ok(match self.type_name(of)?.as_slice() {
            b"SourceFileLoader" | b"SourcelessFileLoader" | b"AssertionRewritingHook" => {
                Loader::File
            }
            b"zipimporter" => Loader::Archive,
            // Those for frozen and built-in modules are classes themselves.
            b"type" | b"ExtensionFileLoader" | b"NamespaceLoader" => Loader::Inside,
            _ => Loader::Other,
        })
    }

    fn type_name(&mut self, of: u64) -> Result<Vec<u8>, Fault> {
        if let Some(known) = self.types.get(&of) {
            return Ok(known.clone());
        }
        let name = self.memory.type_name(of)?;
        let last = name.rsplit(|&byte| byte == b'.').next().unwrap_or(&name);
        self.types.insert(of, last.to_vec());
        Ok(last.to_vec())
    }

    /// Names like these are interned: one object for all modules.
    fn key(&mut self, object: u64) -> Result<Key, Fault> {
        if let Some(known) = self.keys.get(&object) {
            return Ok(*known);
        }
        let key = match self.memory.text(object) {
            Ok(text) if text == b"__file__" => Key::File,
            Ok(text) if text == b"__loader__" => Key::Loader,
            Ok(_) | Err(Fault::Strange) => Key::Other,
            Err(fault) => return Err(fault),
        };
        self.keys.insert(object, key);
        Ok(key)
    }
}
