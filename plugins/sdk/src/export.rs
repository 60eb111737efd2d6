//! The bridge from [`Detector`](crate::Detector) to the C ABI: `export_detector!`, and what it expands to.

#![expect(
    unsafe_code,
    reason = "pointers come over the C ABI here and in the two modules below, and nowhere else"
)]

mod host;
mod process;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::thread::LocalKey;

use crate::{Detector, abi};

/// Makes a crate a plugin: exports a [`Detector`](crate::Detector) by its type, and puts the text of its manifest where
/// the host reads it without running anything.
///
/// ```text
/// unstale_plugin::export_detector!(Awk, include_str!("../manifest.toml"));
/// ```
///
/// Goes once into the root of a crate of type `cdylib`. It brings the only unsafe code that such a crate needs, so
/// `#![forbid(unsafe_code)]` stands in the modules and not in the root.
#[macro_export]
macro_rules! export_detector {
    ($detector:ty, $manifest:expr $(,)?) => {
        const _: () = {
            // With abort, a panic would end the worker, and with it what the other processes had to tell.
            assert!(
                cfg!(panic = "unwind"),
                "a detector is built with panic = \"unwind\""
            );

            const MANIFEST: &str = $manifest;

            #[used]
            #[expect(unsafe_code, reason = "the host finds the manifest by this section")]
            #[unsafe(link_section = ".note.unstale")]
            static NOTE: $crate::export::Note<{ $crate::export::padded(MANIFEST) }> =
                $crate::export::Note::new(MANIFEST);

            ::std::thread_local! {
                static DETECTOR: $crate::export::Slot<$detector> = const {
                    $crate::export::Slot::new(None)
                };
            }

            #[expect(unsafe_code, reason = "the C ABI hands over pointers")]
            unsafe extern "C" fn inspect(
                process: *const $crate::abi::Process,
                host: *const $crate::abi::Host,
            ) -> i32 {
                // SAFETY: the caller keeps the promises of the ABI, which are those that are asked for here.
                unsafe { $crate::export::inspect(&DETECTOR, process, host) }
            }

            static EXPORTED: $crate::abi::Detector = $crate::export::detector(inspect);

            #[expect(unsafe_code, reason = "the host finds the detector by this name")]
            #[unsafe(no_mangle)]
            extern "C" fn unstale_detector_v1() -> *const $crate::abi::Detector {
                &EXPORTED
            }
        };
    };
}

/// The ELF note that holds the manifest: a header (elf(5)), the name, the text.
#[derive(Debug)]
#[repr(C, align(4))]
pub struct Note<const PADDED: usize> {
    name_size: u32,
    text_size: u32,
    kind: u32,
    name: [u8; 8],
    text: [u8; PADDED],
}

/// More than any manifest needs; what is longer is a mistake.
const MANIFEST_CAP: usize = 64 * 1024;

/// How many bytes a manifest takes in a [`Note`].
#[must_use]
pub const fn padded(manifest: &str) -> usize {
    assert!(!manifest.is_empty(), "the manifest is empty");
    assert!(
        manifest.len() <= MANIFEST_CAP,
        "the manifest is longer than 64 KiB"
    );
    manifest.len().next_multiple_of(4)
}

impl<const PADDED: usize> Note<PADDED> {
    /// A note with a manifest, of which `PADDED` is the [`padded`] length.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`padded` bounds the length, and `try_from` is not const"
    )]
    pub const fn new(manifest: &str) -> Self {
        let bytes = manifest.as_bytes();
        let mut text = [0; PADDED];
        let mut at = 0;
        while at < bytes.len() {
            text[at] = bytes[at];
            at += 1;
        }
        Self {
            name_size: 8,
            text_size: bytes.len() as u32,
            kind: abi::NOTE_TYPE,
            name: *b"unstale\0",
            text,
        }
    }
}

/// Where the detector of a plugin lives. The worker calls with one thread only; another one would have another detector.
pub type Slot<D> = Cell<Option<D>>;

/// The type of [`abi::Detector::inspect`].
pub type Inspect = unsafe extern "C" fn(*const abi::Process, *const abi::Host) -> i32;

/// What the entry hands out.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "24 bytes")]
pub const fn detector(inspect: Inspect) -> abi::Detector {
    abi::Detector {
        size: size_of::<abi::Detector>() as u32,
        abi_major: abi::ABI_MAJOR,
        abi_minor: abi::ABI_MINOR,
        inspect: Some(inspect),
    }
}

/// Lets the detector look at one process, and catches it if it falls. A detector that panicked is not used again: the next
/// process gets a new one.
///
/// # Safety
/// `process` and `host` are null or point to what [`abi`] says, for as long as the call lasts.
pub unsafe fn inspect<D: Detector>(
    slot: &'static LocalKey<Slot<D>>,
    process: *const abi::Process,
    host: *const abi::Host,
) -> abi::Answer {
    let look = || {
        // SAFETY: the caller promises that both are null or what they say they are.
        let read = unsafe { (process::read(process), host::Door::open(host)) };
        let (Some(process), Some(mut door)) = read else {
            return abi::INSPECT_UNUSABLE;
        };
        let mut detector = slot.take().unwrap_or_default();
        let files = door.files();
        detector.inspect(&process, &files, &mut door);
        slot.set(Some(detector));
        if door.lost() {
            abi::INSPECT_UNUSABLE
        } else {
            0
        }
    };
    catch_unwind(AssertUnwindSafe(look)).unwrap_or_else(|payload| {
        // The payload is the author's and may panic when it is dropped.
        mem::forget(payload);
        abi::INSPECT_PANICKED
    })
}

/// The first part of a struct, as much of it as its writer knew; the rest is zero. `None` if that is less than `least`
/// bytes, if `from` is null, or where it cannot point to such a struct.
///
/// # Safety
/// `T` is plain data for which zero is a value, and begins with its size as a `u32`. `from` is null or points to as many
/// bytes as that says.
unsafe fn prefix<T: Copy>(from: *const T, least: usize) -> Option<T> {
    if from.is_null() || !from.is_aligned() {
        return None;
    }
    // SAFETY: not null, aligned, and a struct of the ABI begins with its size.
    let size = unsafe { from.cast::<u32>().read() } as usize;
    if size < least {
        return None;
    }
    // Half a pointer is no pointer: only whole fields are taken.
    let known = size.min(size_of::<T>()) / align_of::<T>() * align_of::<T>();
    let mut taken = mem::MaybeUninit::<T>::zeroed();
    // SAFETY: `known` is no more than what is there, nor than what `taken` holds; both are bytes of their own. Zero is a
    // value of each field that is not filled.
    unsafe {
        ptr::copy_nonoverlapping(from.cast::<u8>(), taken.as_mut_ptr().cast::<u8>(), known);
        Some(taken.assume_init())
    }
}

/// Bytes that the host lent. `None` if they cannot be.
///
/// # Safety
/// `bytes.ptr` is null or points to `bytes.len` bytes that stay as they are until the result is dropped.
unsafe fn borrowed<'a>(bytes: abi::Bytes) -> Option<&'a [u8]> {
    if bytes.len == 0 {
        return Some(&[]);
    }
    if bytes.ptr.is_null() || isize::try_from(bytes.len).is_err() {
        return None;
    }
    // SAFETY: not null, of a length that can be, and the caller promises the rest.
    Some(unsafe { std::slice::from_raw_parts(bytes.ptr, bytes.len) })
}
