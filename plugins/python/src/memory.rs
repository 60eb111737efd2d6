//! The memory of a process as numbers and objects of CPython. Every number that is read may be anything.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::collections::HashMap;

use unstale_plugin::{FileView, Refused};

/// Small objects share blocks: one question for several of them. A power of two, so that no block crosses a page.
const BLOCK: u32 = 256;
/// Blocks for one process: 3 of the 4 MiB that the host shows.
const BLOCKS: usize = 3 * 4096;
/// The longest text that can be a path.
const TEXT: u64 = 4096;
/// Keys of one dictionary.
const KEYS: u64 = 65_536;

/// Offsets inside objects, the same in all builds of the versions that are known here: 64 bits, with the global lock.
const TYPE: u64 = 8;
const TYPE_NAME: u64 = 24;
const DICT_KEYS: u64 = 32;
const DICT_VALUES: u64 = 40;
const MODULE_DICT: u64 = 16;
const TEXT_LENGTH: u64 = 16;
const TEXT_STATE: u64 = 32;
const TEXT_DATA: u64 = 40;
/// `PyCompactUnicodeObject`: what is not ASCII has its UTF-8 form elsewhere, and its characters here.
const TEXT_WIDE: u64 = 56;

/// Why nothing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The host refused.
    Refused(Refused),
    /// It does not look like what it should be.
    Strange,
}

/// The memory of one process.
pub(crate) struct Memory<'a> {
    files: &'a dyn FileView,
    blocks: RefCell<HashMap<u64, Vec<u8>>>,
    /// Where the bits of a string's state begin that tell its kind.
    kind_shift: u32,
}

/// An entry of a dictionary: the addresses of key and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) key: u64,
    pub(crate) value: u64,
}

/// A dictionary: where its entries are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dict {
    entries: u64,
    /// How many, deleted ones among them.
    pub(crate) count: u64,
    /// General keys: the hash stands in front of each.
    with_hash: bool,
}

impl<'a> Memory<'a> {
    pub(crate) fn new(files: &'a dyn FileView, kind_shift: u32) -> Self {
        Self {
            files,
            blocks: RefCell::default(),
            kind_shift,
        }
    }

    /// Bytes at an address.
    pub(crate) fn bytes(&self, address: u64, size: u64) -> Result<Vec<u8>, Fault> {
        if address < 4096 {
            return Err(Fault::Strange);
        }
        let end = address.checked_add(size).ok_or(Fault::Strange)?;
        let mut bytes = Vec::new();
        let mut at = address;
        while at < end {
            let start = at / u64::from(BLOCK) * u64::from(BLOCK);
            let until = end.min(start.saturating_add(u64::from(BLOCK)));
            let mut blocks = self.blocks.borrow_mut();
            if !blocks.contains_key(&start) {
                if blocks.len() >= BLOCKS {
                    return Err(Fault::Refused(Refused::Budget));
                }
                let block = self.files.memory(start, BLOCK).map_err(Fault::Refused)?;
                blocks.insert(start, block);
            }
            let block = &blocks[&start];
            let place = |at: u64| usize::try_from(at - start).map_err(|_| Fault::Strange);
            bytes.extend_from_slice(block.get(place(at)?..place(until)?).ok_or(Fault::Strange)?);
            at = until;
        }
        Ok(bytes)
    }

    /// A number of eight bytes, mostly an address.
    pub(crate) fn long(&self, address: u64) -> Result<u64, Fault> {
        let bytes = self.bytes(address, 8)?;
        let bytes = bytes.try_into().map_err(|_| Fault::Strange)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// A member of an object.
    pub(crate) fn member(&self, object: u64, offset: u64) -> Result<u64, Fault> {
        self.long(object.checked_add(offset).ok_or(Fault::Strange)?)
    }

    /// The address of an object's type.
    pub(crate) fn type_of(&self, object: u64) -> Result<u64, Fault> {
        self.member(object, TYPE)
    }

    /// The name of a type, as C code wrote it: `dict`, `frozen_importlib_external.SourceFileLoader`.
    pub(crate) fn type_name(&self, of: u64) -> Result<Vec<u8>, Fault> {
        let name = self.member(of, TYPE_NAME)?;
        let mut text = Vec::new();
        while text.len() < 128 {
            let byte = self.bytes(name.wrapping_add(text.len() as u64), 1)?[0];
            if byte == 0 {
                break;
            }
            text.push(byte);
        }
        Ok(text)
    }

    /// The dictionary of a module's names.
    pub(crate) fn module_dict(&self, module: u64) -> Result<u64, Fault> {
        self.member(module, MODULE_DICT)
    }

    /// The text of a string object. Names of files that are not UTF-8 hold lone surrogates, each of which stands for a byte
    /// (PEP 383).
    pub(crate) fn text(&self, object: u64) -> Result<Vec<u8>, Fault> {
        let length = self.member(object, TEXT_LENGTH)?;
        if length > TEXT {
            return Err(Fault::Strange);
        }
        let state = self.member(object, TEXT_STATE)? >> self.kind_shift;
        let (kind, compact, ascii) = (state & 7, (state >> 3) & 1, (state >> 4) & 1);
        if compact != 1 || !matches!(kind, 1 | 2 | 4) {
            return Err(Fault::Strange);
        }
        if ascii == 1 {
            return self.bytes(object.wrapping_add(TEXT_DATA), length);
        }
        let unit_size = usize::try_from(kind).map_err(|_| Fault::Strange)?;
        let wide = self.bytes(object.wrapping_add(TEXT_WIDE), length * kind)?;
        let mut text = Vec::new();
        for unit in wide.chunks_exact(unit_size) {
            let code = unit
                .iter()
                .rev()
                .fold(0, |code, &byte| code << 8 | u32::from(byte));
            match (code, char::from_u32(code)) {
                (0xdc80..=0xdcff, _) => text.push((code & 0xff) as u8),
                (_, Some(character)) => {
                    text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                _ => return Err(Fault::Strange),
            }
        }
        Ok(text)
    }

    /// A dictionary.
    ///
    /// Source: `struct _dictkeysobject` in `pycore_dict.h`, the same in 3.13 and 3.14.
    pub(crate) fn dict(&self, dict: u64) -> Result<Dict, Fault> {
        let keys = self.member(dict, DICT_KEYS)?;
        // Values apart from the keys: dictionaries of instances; those of modules never are.
        if self.member(dict, DICT_VALUES)? != 0 {
            return Err(Fault::Strange);
        }
        let head = self.bytes(keys, 32)?;
        let (index_bytes, kind) = (head[9], head[10]);
        let count = u64::from_le_bytes(head[24..32].try_into().map_err(|_| Fault::Strange)?);
        if index_bytes > 24 || kind > 1 || count > KEYS {
            return Err(Fault::Strange);
        }
        Ok(Dict {
            // What wraps around is refused when it is read.
            entries: keys.wrapping_add(32 + (1 << index_bytes)),
            count,
            with_hash: kind == 0,
        })
    }

    /// An entry of a dictionary; `None` if it was deleted.
    pub(crate) fn item(&self, dict: &Dict, at: u64) -> Result<Option<Item>, Fault> {
        let (size, key) = if dict.with_hash { (24, 8) } else { (16, 0) };
        let entry = dict.entries.wrapping_add(at * size + key);
        let (key, value) = (self.long(entry)?, self.member(entry, 8)?);
        Ok((key != 0 && value != 0).then_some(Item { key, value }))
    }
}
