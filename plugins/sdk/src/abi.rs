//! The C ABI, as `include/unstale_plugin.h` says it.
//!
//! Rules: every struct that crosses begins with its size, and only grows at its end; a reader looks at no field beyond the
//! size that the writer gave. What is handed over is borrowed until the call returns. Nobody frees the other's memory. No
//! call unwinds. The entry symbol carries the major version: [`ENTRY`].

use core::ffi::c_void;

/// Raised when something that was there changes its meaning; a plugin of another major version is not loaded.
pub const ABI_MAJOR: u16 = 1;
/// Raised when something is added; a plugin that needs a higher one is not loaded.
pub const ABI_MINOR: u16 = 0;
/// The symbol that a plugin exports: a function of type [`Entry`].
pub const ENTRY: &str = "unstale_detector_v1";
/// The name in the ELF note that holds the manifest, without its NUL.
pub const NOTE_NAME: &str = "unstale";
/// The type of that note; its description is the text of the manifest.
pub const NOTE_TYPE: u32 = 1;
/// The section that the note lies in.
pub const NOTE_SECTION: &str = ".note.unstale";

/// Borrowed bytes. `ptr` may be null where `len` is 0.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Bytes {
    /// The first byte.
    pub ptr: *const u8,
    /// How many.
    pub len: usize,
}

/// A value that may be missing: `present` is 0 or 1.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct OptionalBytes {
    /// Whether there is a value.
    pub present: u32,
    /// 0.
    pub reserved: u32,
    /// The value, empty where there is none.
    pub value: Bytes,
}

/// A name and a value.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Pair {
    /// The name.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
}

/// A file of which code is mapped.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Mapped {
    /// Its path.
    pub path: Bytes,
    /// The lowest address at which its code is mapped.
    pub start: u64,
}

/// A file that is held.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Held {
    /// Its path.
    pub path: Bytes,
    /// 0: `handle` is a descriptor, 1: it is the address of a mapping.
    pub by: u32,
    /// 0.
    pub reserved: u32,
    /// The descriptor or the address.
    pub handle: u64,
}

/// An array: `count` items of `stride` bytes each, of which a reader knows the first part.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Array {
    /// The first item; may be null where `count` is 0.
    pub items: *const c_void,
    /// How many.
    pub count: usize,
    /// Bytes from one item to the next.
    pub stride: usize,
}

/// [`crate::Process`].
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Process {
    /// Bytes of this struct.
    pub size: u32,
    /// The pid.
    pub pid: u32,
    /// The effective uid.
    pub uid: u32,
    /// Whether `environ` could be read: 0 or 1.
    pub environ_known: u32,
    /// Same number, same files.
    pub view: u64,
    /// The program.
    pub exe: Bytes,
    /// The name it was executed by.
    pub execfn: OptionalBytes,
    /// The working directory.
    pub cwd: OptionalBytes,
    /// The control groups.
    pub cgroup: Bytes,
    /// Items: [`Bytes`].
    pub argv: Array,
    /// Items: [`Pair`].
    pub environ: Array,
    /// Items: [`Mapped`].
    pub code: Array,
    /// Items: [`Held`].
    pub held: Array,
    /// Items: [`Pair`].
    pub options: Array,
    /// The runtime; not present if the process is in no container.
    pub runtime: OptionalBytes,
    /// The id of the container there.
    pub container: Bytes,
    /// Whether it runs under a user's manager: 0 or 1.
    pub container_has_user: u32,
    /// Whose.
    pub container_user: u32,
}

/// [`crate::Stat`].
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Stat {
    /// Bytes of this struct, set by whoever calls.
    pub struct_size: u32,
    /// 0 file, 1 directory, 2 link, 3 other.
    pub kind: u32,
    /// Size in bytes.
    pub size: u64,
    /// The path without links; borrowed until the next call.
    pub real_path: Bytes,
}

/// What a call answers: 0, or one of the negative numbers of [`refused_code`].
pub type Answer = i32;

/// What [`Detector::inspect`] answers if the detector panicked. Nothing that it said of this process counts.
pub const INSPECT_PANICKED: Answer = -1;
/// What [`Detector::inspect`] answers if it could not use what the host handed over.
pub const INSPECT_UNUSABLE: Answer = -2;

/// Receives one name of a directory.
pub type OnEntry = unsafe extern "C" fn(ctx: *mut c_void, name: Bytes, kind: u32);

/// What the host offers to a detector while it looks at one process. `ctx` goes back with each call.
///
/// `root` is 0 for the process's files, 1 for the host's. What `read`, `read_at`, `read_link` and `memory` hand out is
/// borrowed until the next call.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Host {
    /// Bytes of this struct.
    pub size: u32,
    /// [`ABI_MAJOR`] of the host.
    pub abi_major: u16,
    /// [`ABI_MINOR`] of the host.
    pub abi_minor: u16,
    /// The host's own.
    pub ctx: *mut c_void,
    /// [`crate::FileView::read`].
    pub read: Option<unsafe extern "C" fn(*mut c_void, u32, Bytes, *mut Bytes) -> Answer>,
    /// [`crate::FileView::read_at`]: offset, then size.
    pub read_at:
        Option<unsafe extern "C" fn(*mut c_void, u32, Bytes, u64, u32, *mut Bytes) -> Answer>,
    /// [`crate::FileView::stat`].
    pub stat: Option<unsafe extern "C" fn(*mut c_void, u32, Bytes, *mut Stat) -> Answer>,
    /// [`crate::FileView::list`]; the callback gets the last argument back.
    pub list: Option<
        unsafe extern "C" fn(*mut c_void, u32, Bytes, Option<OnEntry>, *mut c_void) -> Answer,
    >,
    /// [`crate::FileView::read_link`].
    pub read_link: Option<unsafe extern "C" fn(*mut c_void, u32, Bytes, *mut Bytes) -> Answer>,
    /// [`crate::FileView::memory`].
    pub memory: Option<unsafe extern "C" fn(*mut c_void, u64, u32, *mut Bytes) -> Answer>,
    /// [`crate::Report::uses`].
    pub uses: Option<unsafe extern "C" fn(*mut c_void, *const Used)>,
    /// [`crate::Report::instance`].
    pub instance: Option<unsafe extern "C" fn(*mut c_void, *const Instance)>,
    /// [`crate::Report::note`].
    pub note: Option<unsafe extern "C" fn(*mut c_void, Bytes)>,
    /// [`crate::Report::unknown`].
    pub unknown: Option<unsafe extern "C" fn(*mut c_void, Bytes)>,
}

/// [`crate::Used`].
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Used {
    /// Bytes of this struct.
    pub size: u32,
    /// 0 the file at `path`, 1 the descriptor `handle`, 2 the mapping at `handle`, 3 the link at `path` that led to `was`.
    pub what: u32,
    /// 0 script, 1 module, 2 archive, 3 revision.
    pub role: u32,
    /// 0 loaded, 1 imported, 2 possible.
    pub how: u32,
    /// For links: 0 the process's files, 1 the host's.
    pub root: u32,
    /// 0.
    pub reserved: u32,
    /// A descriptor or an address.
    pub handle: u64,
    /// The file or the link.
    pub path: Bytes,
    /// Where the link led.
    pub was: Bytes,
    /// The file that asks for it.
    pub via: OptionalBytes,
}

/// [`crate::Instance`].
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Instance {
    /// Bytes of this struct.
    pub size: u32,
    /// 0 payload, 1 helper.
    pub part: u32,
    /// Its name.
    pub name: Bytes,
    /// Its id.
    pub id: OptionalBytes,
    /// Its image.
    pub image: OptionalBytes,
    /// Its pod.
    pub pod: OptionalBytes,
    /// Its project.
    pub project: OptionalBytes,
    /// The name of a `[restart.NAME]` in the manifest.
    pub restart: OptionalBytes,
}

/// What the entry hands out: one static value.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Detector {
    /// Bytes of this struct.
    pub size: u32,
    /// [`ABI_MAJOR`] that it was built for.
    pub abi_major: u16,
    /// [`ABI_MINOR`] that it needs.
    pub abi_minor: u16,
    /// Looks at one process: 0, or anything else if it failed. Never called by two threads.
    pub inspect: Option<unsafe extern "C" fn(*const Process, *const Host) -> i32>,
}

/// The type of [`ENTRY`].
pub type Entry = unsafe extern "C" fn() -> *const Detector;

/// [`crate::Refused`] as the ABI says it.
#[must_use]
pub fn refused_code(refused: crate::Refused) -> Answer {
    use crate::Refused;
    match refused {
        Refused::Missing => -1,
        Refused::WrongKind => -2,
        Refused::Denied => -3,
        Refused::TooLarge => -4,
        Refused::Budget => -5,
        Refused::NoAnswer => -6,
        Refused::Failed => -7,
    }
}

/// The reverse of [`refused_code`]; what a newer host says beyond it is [`crate::Refused::Failed`].
#[must_use]
pub fn refused_from(code: Answer) -> crate::Refused {
    use crate::Refused;
    match code {
        -1 => Refused::Missing,
        -2 => Refused::WrongKind,
        -3 => Refused::Denied,
        -4 => Refused::TooLarge,
        -5 => Refused::Budget,
        -6 => Refused::NoAnswer,
        _ => Refused::Failed,
    }
}

/// Both ways between an enum of the safe side and its number in the ABI.
macro_rules! numbers {
    ($($name:ident $code:ident $from:ident { $($word:ident = $number:literal),* })*) => { $(
        #[doc = concat!("[`crate::", stringify!($name), "`] as the ABI says it.")]
        #[must_use]
        pub fn $code(word: crate::$name) -> u32 {
            match word { $(crate::$name::$word => $number),* }
        }
        #[doc = concat!("The reverse of [`", stringify!($code), "`]; `None` for what a newer version may say.")]
        #[must_use]
        pub fn $from(code: u32) -> Option<crate::$name> {
            match code { $($number => Some(crate::$name::$word),)* _ => None }
        }
    )* };
}

numbers! {
    Root root_code root_from { Process = 0, Host = 1 }
    Kind kind_code kind_from { File = 0, Directory = 1, Link = 2, Other = 3 }
    Role role_code role_from { Script = 0, Module = 1, Archive = 2, Revision = 3 }
    How how_code how_from { Loaded = 0, Imported = 1, Possible = 2 }
    Part part_code part_from { Payload = 0, Helper = 1 }
}
