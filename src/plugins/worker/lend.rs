//! A process of the wire, as the C ABI shows it: everything is borrowed.

use std::ptr;

use unstale_plugin::abi;

use crate::model::Bytes;
use crate::plugins::wire::{Handle, Process};

/// Owns the arrays that an [`abi::Process`] points to.
#[derive(Debug)]
pub(super) struct Lent<'a> {
    process: &'a Process,
    argv: Vec<abi::Bytes>,
    environ: Vec<abi::Pair>,
    code: Vec<abi::Mapped>,
    held: Vec<abi::Held>,
    options: Vec<abi::Pair>,
}

impl<'a> Lent<'a> {
    pub(super) fn new(process: &'a Process, options: &'a [(String, String)]) -> Self {
        let pair = |key: &[u8], value: &[u8]| abi::Pair {
            key: bytes(key),
            value: bytes(value),
        };
        let environ = process.environ.as_deref().unwrap_or_default().iter();
        let code = process.code.iter().map(|mapped| abi::Mapped {
            path: bytes(&mapped.path.0),
            start: mapped.start,
        });
        let held = process.held.iter().map(|held| {
            let (by, handle) = match held.by {
                Handle::Descriptor(number) => (0, u64::from(number)),
                Handle::Mapping(address) => (1, address),
            };
            abi::Held {
                path: bytes(&held.path.0),
                by,
                reserved: 0,
                handle,
            }
        });
        let options = options.iter();
        Self {
            process,
            argv: process.argv.iter().map(|word| bytes(&word.0)).collect(),
            environ: environ.map(|(key, value)| pair(&key.0, &value.0)).collect(),
            code: code.collect(),
            held: held.collect(),
            options: options
                .map(|(key, value)| pair(key.as_bytes(), value.as_bytes()))
                .collect(),
        }
    }

    /// Points into this value, and into the process.
    pub(super) fn process(&self) -> abi::Process {
        let process = self.process;
        let container = process.container.as_ref();
        let user = container.and_then(|container| container.user);
        abi::Process {
            size: size_of_u32::<abi::Process>(),
            pid: process.pid,
            uid: process.uid,
            environ_known: u32::from(process.environ.is_some()),
            view: process.view,
            exe: bytes(&process.exe.0),
            execfn: optional(process.execfn.as_ref()),
            cwd: optional(process.cwd.as_ref()),
            cgroup: bytes(&process.cgroup.0),
            argv: array(&self.argv),
            environ: array(&self.environ),
            code: array(&self.code),
            held: array(&self.held),
            options: array(&self.options),
            runtime: abi::OptionalBytes {
                present: u32::from(container.is_some()),
                reserved: 0,
                value: container.map_or(bytes(b""), |it| bytes(it.runtime.as_bytes())),
            },
            container: container.map_or(bytes(b""), |it| bytes(&it.id.0)),
            container_has_user: u32::from(user.is_some()),
            container_user: user.unwrap_or_default(),
        }
    }
}

/// Lends bytes.
pub(super) fn bytes(lent: &[u8]) -> abi::Bytes {
    abi::Bytes {
        ptr: if lent.is_empty() {
            ptr::null()
        } else {
            lent.as_ptr()
        },
        len: lent.len(),
    }
}

fn optional(lent: Option<&Bytes>) -> abi::OptionalBytes {
    abi::OptionalBytes {
        present: u32::from(lent.is_some()),
        reserved: 0,
        value: lent.map_or(bytes(b""), |lent| bytes(&lent.0)),
    }
}

fn array<T>(items: &[T]) -> abi::Array {
    abi::Array {
        items: items.as_ptr().cast(),
        count: items.len(),
        stride: size_of::<T>(),
    }
}

/// Each struct of the ABI is far smaller than 4 GiB.
pub(super) fn size_of_u32<T>() -> u32 {
    u32::try_from(size_of::<T>()).unwrap_or(u32::MAX)
}
