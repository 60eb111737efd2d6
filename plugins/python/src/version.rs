//! Versions of CPython, and what depends on nothing else: names of directories, suffixes, modules without files. Pure.
#![forbid(unsafe_code)]

use unstale_plugin::{Process, base_name};

/// A version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Version {
    /// 2 or 3.
    pub(crate) major: u8,
    /// What follows the first dot.
    pub(crate) minor: u8,
    /// Built without the global lock: has directories of its own (`python3.13t`).
    pub(crate) free_threaded: bool,
}

impl Version {
    /// `python3.11`: the directory of its library.
    pub(crate) fn directory(self) -> Vec<u8> {
        let suffix = if self.free_threaded { "t" } else { "" };
        format!("python{}.{}{suffix}", self.major, self.minor).into_bytes()
    }

    /// `python311.zip`.
    pub(crate) fn archive(self) -> Vec<u8> {
        format!("python{}{}.zip", self.major, self.minor).into_bytes()
    }

    /// Suffixes of extension modules, in the order of their search.
    pub(crate) fn extension_suffixes(self) -> [Vec<u8>; 4] {
        let (major, minor) = (self.major, self.minor);
        let abi = match (major, minor) {
            (3, ..=7) => "m",
            _ if self.free_threaded => "t",
            _ => "",
        };
        let machine = match std::env::consts::ARCH {
            "x86" => "i386",
            "powerpc64" => "powerpc64le",
            machine => machine,
        };
        let eabi = if machine == "arm" { "eabihf" } else { "" };
        let tagged = |libc: &str| {
            format!(".cpython-{major}{minor}{abi}-{machine}-linux-{libc}{eabi}.so").into_bytes()
        };
        [
            tagged("gnu"),
            tagged("musl"),
            b".abi3.so".to_vec(),
            b".so".to_vec(),
        ]
    }

    /// Modules that are compiled into the interpreter from its library's sources. Their files are not read.
    pub(crate) fn is_frozen(self, name: &[u8]) -> bool {
        let always: [&[u8]; 4] = [
            b"zipimport",
            b"importlib._bootstrap",
            b"importlib._bootstrap_external",
            b"_frozen_importlib",
        ];
        // `_imp._frozen_module_names()` of 3.11 to 3.13.
        let since_3_11: [&[u8]; 15] = [
            b"_collections_abc",
            b"_sitebuiltins",
            b"abc",
            b"codecs",
            b"genericpath",
            b"importlib.machinery",
            b"importlib.util",
            b"io",
            b"ntpath",
            b"os",
            b"posixpath",
            b"runpy",
            b"site",
            b"stat",
            b"__hello__",
        ];
        always.contains(&name) || self >= V3_11 && since_3_11.contains(&name)
    }
}

/// From here on, much of what starts an interpreter is frozen.
pub(crate) const V3_11: Version = Version {
    major: 3,
    minor: 11,
    free_threaded: false,
};

/// Modules that are part of every interpreter (`sys.builtin_module_names` of builds with the fewest).
pub(crate) fn is_builtin(name: &[u8]) -> bool {
    let names: [&[u8]; 33] = [
        b"_abc",
        b"_ast",
        b"_codecs",
        b"_collections",
        b"_frozen_importlib",
        b"_frozen_importlib_external",
        b"_functools",
        b"_imp",
        b"_io",
        b"_locale",
        b"_operator",
        b"_signal",
        b"_sre",
        b"_stat",
        b"_string",
        b"_symtable",
        b"_thread",
        b"_tokenize",
        b"_tracemalloc",
        b"_typing",
        b"_warnings",
        b"_weakref",
        b"atexit",
        b"builtins",
        b"errno",
        b"faulthandler",
        b"gc",
        b"itertools",
        b"marshal",
        b"posix",
        b"pwd",
        b"sys",
        b"time",
    ];
    names.contains(&name)
}

/// Extension modules of the library that some distributions build into the interpreter: not found is not failed.
pub(crate) fn may_be_builtin(name: &[u8]) -> bool {
    let names: [&[u8]; 16] = [
        b"array",
        b"audioop",
        b"binascii",
        b"cmath",
        b"fcntl",
        b"grp",
        b"math",
        b"mmap",
        b"pyexpat",
        b"readline",
        b"resource",
        b"select",
        b"syslog",
        b"termios",
        b"unicodedata",
        b"zlib",
    ];
    name.starts_with(b"_") || is_builtin(name) || names.contains(&name)
}

/// The version that a name ends with: `python3.11`, `libpython3.13t.so.1.0` after their first parts.
pub(crate) fn parse_version(text: &[u8]) -> Option<Version> {
    let dot = text.iter().position(|&byte| byte == b'.')?;
    let digits = |text: &[u8]| {
        let end = text.iter().position(|byte| !byte.is_ascii_digit());
        let text = &text[..end.unwrap_or(text.len())];
        let number = std::str::from_utf8(text).ok()?.parse::<u8>().ok()?;
        Some((number, text.len()))
    };
    let (major, length) = digits(text)?;
    if length != dot || !(2..=3).contains(&major) {
        return None;
    }
    let (minor, length) = digits(&text[dot + 1..])?;
    let flags = text[dot + 1 + length..]
        .iter()
        .take_while(|byte| byte.is_ascii_alphabetic());
    let free_threaded = flags.clone().any(|&flag| flag == b't');
    Some(Version {
        major,
        minor,
        free_threaded,
    })
}

/// The version that a process shows: by its program's name, its `libpython`, or its extension modules.
pub(crate) fn version_of(process: &Process) -> Option<Version> {
    let named =
        |path: &[u8], prefix: &[u8]| base_name(path).strip_prefix(prefix).and_then(parse_version);
    if let Some(version) = named(&process.exe, b"python") {
        return Some(version);
    }
    let code = process.code.iter();
    let library = code
        .clone()
        .find_map(|mapped| named(&mapped.path, b"libpython"));
    library.or_else(|| {
        // `/usr/lib/python3.11/lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so`
        code.clone().find_map(|mapped| {
            let path = mapped.path.strip_suffix(b".so").unwrap_or(&mapped.path);
            let at = path.windows(13).position(|part| part == b"/lib-dynload/")?;
            named(&path[..at], b"python")
        })
    })
}
