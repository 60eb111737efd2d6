//! [`abi::Process`], copied into a [`Process`].

use super::{borrowed, prefix};
use crate::{Container, Handle, Held, Mapped, Process, abi};

/// Copies a process. `None` if what was handed over cannot be one.
///
/// # Safety
/// `from` is null or points to what [`abi::Process`] says.
pub(super) unsafe fn read(from: *const abi::Process) -> Option<Process> {
    // All fields are of the first version of the ABI, so each host that has this major version knows them.
    let least = size_of::<abi::Process>();
    // SAFETY: integers, pointers and structs of such, for which zero is a value; the caller promises the rest.
    let raw = unsafe { prefix(from, least)? };
    // SAFETY: the caller promises that the process is what it says; so are its parts.
    unsafe {
        Some(Process {
            pid: raw.pid,
            uid: raw.uid,
            view: raw.view,
            exe: bytes(raw.exe)?,
            execfn: optional(raw.execfn)?,
            argv: array(raw.argv, |item: abi::Bytes| bytes(item))?,
            environ: environ(&raw)?,
            cwd: optional(raw.cwd)?,
            cgroup: bytes(raw.cgroup)?,
            code: array(raw.code, |item: abi::Mapped| {
                Some(Mapped {
                    path: bytes(item.path)?,
                    start: item.start,
                })
            })?,
            held: array(raw.held, |item: abi::Held| {
                Some(Held {
                    path: bytes(item.path)?,
                    by: handle(&item)?,
                })
            })?,
            container: container(&raw)?,
            options: array(raw.options, |item: abi::Pair| {
                Some((text(item.key)?, text(item.value)?))
            })?,
        })
    }
}

fn handle(held: &abi::Held) -> Option<Handle> {
    match held.by {
        0 => Some(Handle::Descriptor(u32::try_from(held.handle).ok()?)),
        1 => Some(Handle::Mapping(held.handle)),
        _ => None,
    }
}

#[expect(clippy::type_complexity, reason = "variables that may be unknown")]
unsafe fn environ(raw: &abi::Process) -> Option<Option<Vec<(Vec<u8>, Vec<u8>)>>> {
    if raw.environ_known == 0 {
        return Some(None);
    }
    // SAFETY: the caller promises that the items are pairs.
    let pairs = unsafe {
        array(raw.environ, |item: abi::Pair| {
            Some((bytes(item.key)?, bytes(item.value)?))
        })?
    };
    Some(Some(pairs))
}

unsafe fn container(raw: &abi::Process) -> Option<Option<Container>> {
    if raw.runtime.present == 0 {
        return Some(None);
    }
    // SAFETY: the caller promises that both are lent bytes.
    let (runtime, id) = unsafe { (text(raw.runtime.value)?, bytes(raw.container)?) };
    let user = (raw.container_has_user != 0).then_some(raw.container_user);
    Some(Some(Container { runtime, id, user }))
}

unsafe fn bytes(raw: abi::Bytes) -> Option<Vec<u8>> {
    // SAFETY: the caller promises that they are lent for longer than this.
    unsafe { borrowed(raw) }.map(<[u8]>::to_vec)
}

unsafe fn text(raw: abi::Bytes) -> Option<String> {
    // SAFETY: as above.
    let raw = unsafe { borrowed(raw)? };
    Some(String::from_utf8_lossy(raw).into_owned())
}

unsafe fn optional(raw: abi::OptionalBytes) -> Option<Option<Vec<u8>>> {
    if raw.present == 0 {
        return Some(None);
    }
    // SAFETY: as above.
    unsafe { bytes(raw.value) }.map(Some)
}

/// Copies the items of an array. `None` if it cannot be an array of such items, or if one of them is wrong.
unsafe fn array<T: Copy, U>(
    raw: abi::Array,
    mut copy: impl FnMut(T) -> Option<U>,
) -> Option<Vec<U>> {
    if raw.count == 0 {
        return Some(Vec::new());
    }
    let extent = raw.count.checked_mul(raw.stride)?;
    if raw.items.is_null() || raw.stride < size_of::<T>() || isize::try_from(extent).is_err() {
        return None;
    }
    (0..raw.count)
        .map(|index| {
            // SAFETY: below the extent of the array, which the caller promises to be there; a stride may be odd.
            copy(unsafe {
                raw.items
                    .byte_add(index * raw.stride)
                    .cast::<T>()
                    .read_unaligned()
            })
        })
        .collect()
}
