//! Brings a plugin's code into this process: loads a library, or becomes a program. Only a worker does that, behind its
//! wall.
#![expect(
    unsafe_code,
    reason = "dlopen(3), what a library's entry hands out, execveat(2)"
)]

use std::ffi::CString;
use std::io;
use std::mem::{ManuallyDrop, offset_of};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::ptr;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use rustix::io::{FdFlags, fcntl_setfd};
use unstale_plugin::abi;

/// What [`abi::Detector::inspect`] is, once it is known to be there.
pub(super) type Inspect = unsafe extern "C" fn(*const abi::Process, *const abi::Host) -> i32;

/// A library that was loaded, and speaks an ABI that we speak.
#[derive(Debug, Clone, Copy)]
pub struct Loaded {
    inspect: Inspect,
}

impl Loaded {
    /// Its function.
    pub(super) fn inspect(&self) -> Inspect {
        self.inspect
    }
}

/// Loads the library behind a descriptor: that very file, whatever is at its path by now.
///
/// A sealed copy in memory would do as well where `/proc` is missing, but what runs would not be the file that was
/// checked, and would not show as such in `maps`. A library is never unloaded: nobody knows what of it is still in use
/// (destructors of threads, handlers).
///
/// # Errors
/// Why it cannot be used.
pub fn load(file: OwnedFd) -> Result<Loaded, String> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    // SAFETY: its constructors run here and may do anything. That is what the wall is for: in this process is nothing that
    // they could harm but the answer of this very plugin.
    let library = unsafe { Library::open(Some(path.as_str()), RTLD_NOW | RTLD_LOCAL) };
    let library = library.map_err(|error| said_by_loader(&error, &path))?;
    let library = ManuallyDrop::new(library);
    // SAFETY: a symbol of this name is a function of this type: that is what its name promises.
    let entry = unsafe { library.get::<Option<abi::Entry>>(abi::ENTRY) };
    let entry = entry.ok().and_then(|entry| *entry);
    let entry = entry.ok_or_else(|| format!("it has no entry {}", abi::ENTRY))?;
    // SAFETY: as above; the entry takes nothing.
    let detector = unsafe { entry() };
    // SAFETY: the entry hands out one static value, or null.
    unsafe { check(detector) }
}

/// The loader's own words, without our name of the file.
fn said_by_loader(error: &libloading::Error, path: &str) -> String {
    let text = match std::error::Error::source(error) {
        Some(source) => source.to_string(),
        None => error.to_string(),
    };
    let text = text.strip_prefix(path).unwrap_or(&text);
    format!("cannot load it: {}", text.trim_start_matches(": "))
}

/// # Safety
/// `detector` is null or points to as many bytes as the number in its first field says, for ever.
unsafe fn check(detector: *const abi::Detector) -> Result<Loaded, String> {
    if detector.is_null() {
        return Err("its entry hands out nothing".to_owned());
    }
    if !detector.is_aligned() {
        return Err("its entry hands out an address that is none".to_owned());
    }
    // SAFETY: neither null nor odd; a struct of the ABI begins with its size. Fields are read one by one, none before it
    // is known to be there.
    let size = unsafe { (&raw const (*detector).size).read() } as usize;
    if size < offset_of!(abi::Detector, inspect) {
        return Err(too_small(size));
    }
    // SAFETY: `size` covers both.
    let (major, minor) = unsafe {
        (
            (&raw const (*detector).abi_major).read(),
            (&raw const (*detector).abi_minor).read(),
        )
    };
    if major != abi::ABI_MAJOR || minor > abi::ABI_MINOR {
        return Err(format!(
            "it needs version {major}.{minor} of the ABI, and this is {}.{}",
            abi::ABI_MAJOR,
            abi::ABI_MINOR
        ));
    }
    if size < offset_of!(abi::Detector, inspect) + size_of::<Option<Inspect>>() {
        return Err(too_small(size));
    }
    // SAFETY: `size` covers it, and null is a value of it.
    let inspect = unsafe { (&raw const (*detector).inspect).read() };
    let inspect = inspect.ok_or("it has no function that inspects")?;
    Ok(Loaded { inspect })
}

fn too_small(size: usize) -> String {
    format!("what its entry hands out has {size} bytes, which are too few")
}

/// Becomes the program or script behind a descriptor, with its name as the only argument and no environment. Comes back
/// only with what went wrong.
#[must_use]
pub fn become_program(file: &OwnedFd, name: &str) -> String {
    let Ok(name) = CString::new(name) else {
        return "its name is none".to_owned();
    };
    // The interpreter of a script opens it anew by this number.
    if let Err(error) = fcntl_setfd(file, FdFlags::empty()) {
        return format!("cannot hand its file over: {error}");
    }
    let (arguments, environment) = ([name.as_ptr(), ptr::null()], [ptr::null::<libc::c_char>()]);
    // SAFETY: both lists end with null, and all strings outlive the call.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            file.as_raw_fd(),
            c"".as_ptr(),
            arguments.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    format!("cannot start it: {}", io::Error::last_os_error())
}
