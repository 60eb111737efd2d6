//! The host's side of the C ABI: loads a plugin into this process and lets it look at scenes.

#![expect(
    unsafe_code,
    reason = "this is what a host is made of: dlopen(3), and pointers that come over the ABI"
)]

use std::ffi::{CString, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr;
use std::sync::{Mutex, PoisonError};

use unstale_plugin::testing::{Said, Scene};
use unstale_plugin::{FileView as _, Handle, Process, Refused, Report as _, Used, What, abi};

/// A plugin that was loaded, and is never unloaded.
pub(crate) struct Loaded(abi::Detector);

impl Loaded {
    pub(crate) fn open(object: &Path) -> Self {
        let path = CString::new(object.as_os_str().as_bytes()).unwrap();
        let entry = CString::new(abi::ENTRY).unwrap();
        // SAFETY: the objects were built by these tests; their constructors do nothing, and their entry is of this type.
        unsafe {
            let library = libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL);
            assert!(!library.is_null(), "{}", object.display());
            let symbol = libc::dlsym(library, entry.as_ptr());
            assert!(!symbol.is_null(), "{}", object.display());
            let entry = std::mem::transmute::<*mut c_void, abi::Entry>(symbol);
            let detector = *entry();
            assert_eq!(detector.size as usize, size_of::<abi::Detector>());
            assert_eq!(detector.abi_major, abi::ABI_MAJOR);
            Self(detector)
        }
    }

    /// What it answers and says of a scene.
    pub(crate) fn inspect(&self, scene: &Scene) -> (i32, Said) {
        let mut asked = Asked {
            scene,
            said: Said::default(),
            lent: Vec::new(),
        };
        let host = abi::Host {
            size: u32::try_from(size_of::<abi::Host>()).unwrap(),
            abi_major: abi::ABI_MAJOR,
            abi_minor: abi::ABI_MINOR,
            ctx: ptr::from_mut(&mut asked).cast(),
            read: Some(read),
            read_at: None,
            stat: Some(stat),
            list: None,
            read_link: None,
            memory: None,
            uses: Some(uses),
            instance: None,
            note: Some(note),
            unknown: Some(unknown),
        };
        // A detector is never called by two threads; each test is one.
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let lent = Lent::of(&scene.process);
        let process = lent.process(&scene.process);
        // SAFETY: both live until the call returns, and are what the ABI says.
        let answer = unsafe { self.0.inspect.unwrap()(&raw const process, &raw const host) };
        (answer, asked.said)
    }
}

/// Arrays of a process.
struct Lent {
    argv: Vec<abi::Bytes>,
    environ: Vec<abi::Pair>,
}

impl Lent {
    fn of(process: &Process) -> Self {
        let pair = |(key, value): &(Vec<u8>, Vec<u8>)| abi::Pair {
            key: lend(key),
            value: lend(value),
        };
        Self {
            argv: process.argv.iter().map(|argument| lend(argument)).collect(),
            environ: process.environ.iter().flatten().map(pair).collect(),
        }
    }

    fn process(&self, process: &Process) -> abi::Process {
        // SAFETY: integers, pointers and structs of such.
        let empty: abi::Process = unsafe { std::mem::zeroed() };
        abi::Process {
            size: u32::try_from(size_of::<abi::Process>()).unwrap(),
            pid: process.pid,
            uid: process.uid,
            environ_known: u32::from(process.environ.is_some()),
            view: process.view,
            exe: lend(&process.exe),
            cwd: abi::OptionalBytes {
                present: u32::from(process.cwd.is_some()),
                reserved: 0,
                value: lend(process.cwd.as_deref().unwrap_or_default()),
            },
            argv: array(&self.argv),
            environ: array(&self.environ),
            ..empty
        }
    }
}

fn lend(bytes: &[u8]) -> abi::Bytes {
    // What is empty may be null, and must not be looked at.
    let ptr = match bytes {
        [] => ptr::null(),
        bytes => bytes.as_ptr(),
    };
    abi::Bytes {
        ptr,
        len: bytes.len(),
    }
}

fn array<T>(items: &[T]) -> abi::Array {
    abi::Array {
        items: items.as_ptr().cast(),
        count: items.len(),
        stride: size_of::<T>(),
    }
}

struct Asked<'a> {
    scene: &'a Scene,
    said: Said,
    /// What the last answer lent. It is overwritten before the next one: who keeps it too long is found out.
    lent: Vec<u8>,
}

impl Asked<'_> {
    fn answer(&mut self, bytes: Result<Vec<u8>, Refused>) -> Result<abi::Bytes, abi::Answer> {
        self.lent.fill(b'#');
        self.lent = bytes.map_err(abi::refused_code)?;
        Ok(lend(&self.lent))
    }
}

/// # Safety
/// `ctx` is the [`Asked`] of the call that runs.
unsafe fn asked<'a>(ctx: *mut c_void) -> &'a mut Asked<'a> {
    // SAFETY: as said; the plugin has one thread.
    unsafe { &mut *ctx.cast::<Asked<'a>>() }
}

/// # Safety
/// The plugin lends what it hands over.
unsafe fn bytes(raw: abi::Bytes) -> Vec<u8> {
    if raw.len == 0 {
        return Vec::new();
    }
    // SAFETY: as said.
    unsafe { std::slice::from_raw_parts(raw.ptr, raw.len) }.to_vec()
}

unsafe extern "C" fn read(
    ctx: *mut c_void,
    root: u32,
    path: abi::Bytes,
    out: *mut abi::Bytes,
) -> abi::Answer {
    // SAFETY: the plugin hands over what the ABI says.
    unsafe {
        let asked = asked(ctx);
        let content = asked
            .scene
            .read(abi::root_from(root).unwrap(), &bytes(path));
        match asked.answer(content) {
            Ok(lent) => *out = lent,
            Err(code) => return code,
        }
    }
    0
}

unsafe extern "C" fn stat(
    ctx: *mut c_void,
    root: u32,
    path: abi::Bytes,
    out: *mut abi::Stat,
) -> abi::Answer {
    // SAFETY: as above.
    unsafe {
        let asked = asked(ctx);
        let found = asked
            .scene
            .stat(abi::root_from(root).unwrap(), &bytes(path));
        let found = match found {
            Ok(found) => found,
            Err(refused) => return abi::refused_code(refused),
        };
        assert_eq!((*out).struct_size as usize, size_of::<abi::Stat>());
        (*out).kind = abi::kind_code(found.kind);
        (*out).size = found.size;
        (*out).real_path = asked.answer(Ok(found.real_path)).unwrap();
    }
    0
}

unsafe extern "C" fn uses(ctx: *mut c_void, used: *const abi::Used) {
    // SAFETY: as above.
    unsafe {
        let used = *used;
        assert_eq!(used.size as usize, size_of::<abi::Used>());
        let number = || u32::try_from(used.handle).unwrap();
        let what = match used.what {
            0 => What::File(bytes(used.path)),
            1 => What::Held(Handle::Descriptor(number())),
            2 => What::Held(Handle::Mapping(used.handle)),
            3 => What::Link {
                root: abi::root_from(used.root).unwrap(),
                link: bytes(used.path),
                was: bytes(used.was),
            },
            other => panic!("{other}"),
        };
        asked(ctx).said.uses(Used {
            what,
            role: abi::role_from(used.role).unwrap(),
            how: abi::how_from(used.how).unwrap(),
            via: (used.via.present == 1).then(|| bytes(used.via.value)),
        });
    }
}

unsafe extern "C" fn note(ctx: *mut c_void, text: abi::Bytes) {
    // SAFETY: as above.
    unsafe { asked(ctx).said.note(&String::from_utf8_lossy(&bytes(text))) };
}

unsafe extern "C" fn unknown(ctx: *mut c_void, what: abi::Bytes) {
    // SAFETY: as above.
    unsafe {
        asked(ctx)
            .said
            .unknown(&String::from_utf8_lossy(&bytes(what)));
    }
}
