//! [`abi::Host`], as [`FileView`] and [`Report`].

use std::ffi::c_void;
use std::mem::offset_of;
use std::ptr;

use super::{borrowed, prefix};
use crate::abi::{self, refused_from, root_code};
use crate::{Entry, FileView, Handle, Instance, Kind, Refused, Report, Root, Stat, Used, What};

/// What the host offers while a detector looks at one process.
#[derive(Debug)]
pub(super) struct Door {
    host: abi::Host,
    /// Whether something was said for which the host has no ear.
    lost: bool,
}

/// The files behind a [`Door`].
#[derive(Debug)]
pub(super) struct Files {
    host: abi::Host,
}

impl Door {
    /// `None` if the host is none, or of another major version.
    ///
    /// # Safety
    /// `host` is null or points to what [`abi::Host`] says, for longer than the door and its files live.
    pub(super) unsafe fn open(host: *const abi::Host) -> Option<Self> {
        // SAFETY: integers, pointers and functions that may be missing, for which zero is a value; the caller promises
        // the rest.
        let host = unsafe { prefix(host, offset_of!(abi::Host, read))? };
        (host.abi_major == abi::ABI_MAJOR).then_some(Self { host, lost: false })
    }

    pub(super) fn files(&self) -> Files {
        Files { host: self.host }
    }

    pub(super) fn lost(&self) -> bool {
        self.lost
    }
}

impl FileView for Files {
    fn read(&self, root: Root, path: &[u8]) -> Result<Vec<u8>, Refused> {
        let call = self.host.read.ok_or(Refused::Failed)?;
        // SAFETY: `open` has the promise that the host's functions are what they say.
        answer(|out| unsafe { call(self.host.ctx, root_code(root), lend(path), out) })
    }

    fn read_at(&self, root: Root, path: &[u8], offset: u64, size: u32) -> Result<Vec<u8>, Refused> {
        let call = self.host.read_at.ok_or(Refused::Failed)?;
        let root = root_code(root);
        // SAFETY: as above.
        answer(|out| unsafe { call(self.host.ctx, root, lend(path), offset, size, out) })
    }

    fn stat(&self, root: Root, path: &[u8]) -> Result<Stat, Refused> {
        let call = self.host.stat.ok_or(Refused::Failed)?;
        let mut found = abi::Stat {
            struct_size: size_of_u32::<abi::Stat>(),
            kind: 0,
            size: 0,
            real_path: lend(b""),
        };
        // SAFETY: as above; `found` says its size.
        check(unsafe { call(self.host.ctx, root_code(root), lend(path), &raw mut found) })?;
        // SAFETY: the host lends the path until the next call.
        let real_path = unsafe { borrowed(found.real_path) }.ok_or(Refused::Failed)?;
        Ok(Stat {
            kind: kind_from(found.kind),
            size: found.size,
            real_path: real_path.to_vec(),
        })
    }

    fn list(&self, root: Root, path: &[u8]) -> Result<Vec<Entry>, Refused> {
        let call = self.host.list.ok_or(Refused::Failed)?;
        let mut entries: Vec<Entry> = Vec::new();
        let back = (&raw mut entries).cast();
        let root = root_code(root);
        // SAFETY: as above; `on_entry` gets the vector, which outlives the call, and nobody else has it.
        check(unsafe { call(self.host.ctx, root, lend(path), Some(on_entry), back) })?;
        Ok(entries)
    }

    fn read_link(&self, root: Root, path: &[u8]) -> Result<Vec<u8>, Refused> {
        let call = self.host.read_link.ok_or(Refused::Failed)?;
        // SAFETY: as above.
        answer(|out| unsafe { call(self.host.ctx, root_code(root), lend(path), out) })
    }

    fn memory(&self, address: u64, size: u32) -> Result<Vec<u8>, Refused> {
        let call = self.host.memory.ok_or(Refused::Failed)?;
        // SAFETY: as above.
        answer(|out| unsafe { call(self.host.ctx, address, size, out) })
    }
}

/// Takes one name. Does not panic: nothing here can, and over the ABI nothing may.
unsafe extern "C" fn on_entry(entries: *mut c_void, name: abi::Bytes, kind: u32) {
    // SAFETY: `list` handed this pointer to its own vector over, and waits for the call to end.
    let entries = unsafe { &mut *entries.cast::<Vec<Entry>>() };
    // SAFETY: the host lends the name for this call.
    if let Some(name) = unsafe { borrowed(name) } {
        entries.push(Entry {
            name: name.to_vec(),
            kind: kind_from(kind),
        });
    }
}

impl Report for Door {
    fn uses(&mut self, used: Used) {
        let Some(call) = self.host.uses else {
            self.lost = true;
            return;
        };
        let raw = used_raw(&used);
        // SAFETY: `open` has the promise that the host's functions are what they say; `used` outlives the call.
        unsafe { call(self.host.ctx, &raw const raw) };
    }

    fn instance(&mut self, instance: Instance) {
        let Some(call) = self.host.instance else {
            self.lost = true;
            return;
        };
        let raw = abi::Instance {
            size: size_of_u32::<abi::Instance>(),
            part: abi::part_code(instance.part),
            name: lend(&instance.name),
            id: lend_optional(instance.id.as_deref()),
            image: lend_optional(instance.image.as_deref()),
            pod: lend_optional(instance.pod.as_deref()),
            project: lend_optional(instance.project.as_deref()),
            restart: lend_optional(instance.restart.as_deref().map(str::as_bytes)),
        };
        // SAFETY: as above.
        unsafe { call(self.host.ctx, &raw const raw) };
    }

    fn note(&mut self, text: &str) {
        match self.host.note {
            // SAFETY: as above.
            Some(call) => unsafe { call(self.host.ctx, lend(text.as_bytes())) },
            None => self.lost = true,
        }
    }

    fn unknown(&mut self, what: &str) {
        match self.host.unknown {
            // SAFETY: as above.
            Some(call) => unsafe { call(self.host.ctx, lend(what.as_bytes())) },
            None => self.lost = true,
        }
    }
}

fn used_raw(used: &Used) -> abi::Used {
    let mut raw = abi::Used {
        size: size_of_u32::<abi::Used>(),
        what: 0,
        role: abi::role_code(used.role),
        how: abi::how_code(used.how),
        root: 0,
        reserved: 0,
        handle: 0,
        path: lend(b""),
        was: lend(b""),
        via: lend_optional(used.via.as_deref()),
    };
    match &used.what {
        What::File(path) => raw.path = lend(path),
        What::Held(Handle::Descriptor(number)) => {
            raw.what = 1;
            raw.handle = u64::from(*number);
        }
        What::Held(Handle::Mapping(address)) => {
            raw.what = 2;
            raw.handle = *address;
        }
        What::Link { root, link, was } => {
            raw.what = 3;
            raw.root = root_code(*root);
            raw.path = lend(link);
            raw.was = lend(was);
        }
    }
    raw
}

/// Asks a question that is answered with bytes, and copies them.
fn answer(ask: impl FnOnce(*mut abi::Bytes) -> abi::Answer) -> Result<Vec<u8>, Refused> {
    let mut out = lend(b"");
    check(ask(&raw mut out))?;
    // SAFETY: the host lends what it hands out until the next call, and it is copied before.
    let bytes = unsafe { borrowed(out) }.ok_or(Refused::Failed)?;
    Ok(bytes.to_vec())
}

fn check(answer: abi::Answer) -> Result<(), Refused> {
    match answer {
        0 => Ok(()),
        code => Err(refused_from(code)),
    }
}

fn lend(bytes: &[u8]) -> abi::Bytes {
    abi::Bytes {
        ptr: if bytes.is_empty() {
            ptr::null()
        } else {
            bytes.as_ptr()
        },
        len: bytes.len(),
    }
}

fn lend_optional(bytes: Option<&[u8]>) -> abi::OptionalBytes {
    abi::OptionalBytes {
        present: u32::from(bytes.is_some()),
        reserved: 0,
        value: lend(bytes.unwrap_or_default()),
    }
}

/// What a newer host says beyond these is nothing to read.
fn kind_from(code: u32) -> Kind {
    abi::kind_from(code).unwrap_or(Kind::Other)
}

/// Each struct of the ABI is far smaller than 4 GiB.
fn size_of_u32<T>() -> u32 {
    u32::try_from(size_of::<T>()).unwrap_or(0)
}
