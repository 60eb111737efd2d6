//! The running kernel, and what is installed beside it.

use std::io::Write as _;

use super::files::Files;
use super::{images, loader};
use crate::model::{Banner, Bytes, Kernel, Modules, Timestamp, WhyNot};
use crate::view::ProcRoot;

/// Where modules are: the merged place, the one before, and what NixOS and Guix booted.
const MODULES: [&str; 4] = [
    "/usr/lib/modules",
    "/lib/modules",
    "/run/booted-system/kernel-modules/lib/modules",
    "/run/booted-system/kernel/lib/modules",
];
const TEXT_CAP: usize = 64 * 1024;

/// `None` where `/proc` does not say what runs; then that is a problem.
pub(super) fn read(proc: &ProcRoot, files: &Files<'_>, booted: Timestamp) -> Option<Kernel> {
    let text = |name: &std::ffi::CStr| {
        proc.read(name, TEXT_CAP).map_err(|error| {
            files.note("read", name.to_bytes(), crate::view::why(error));
        })
    };
    let version = text(c"version").ok()?;
    let Some(running) = parse_version(&version) else {
        let why = WhyNot::Failed("it is not of the form that kernels print".to_owned());
        files.note("understand", "version", why);
        return None;
    };
    let machine = match proc.read(c"sys/kernel/arch", 64) {
        Ok(machine) => Bytes::from(machine.trim_ascii()),
        Err(_) => Bytes::from(rustix::system::uname().machine().to_bytes()),
    };
    let mut images = images::read(files, machine.as_slice(), booted);
    let loader = loader::read(files);
    // What the loader boots may lie where nobody else puts images.
    let chosen = loader.default.as_ref().map(|entry| &entry.image);
    if let Some(path) = chosen.filter(|path| images.iter().all(|image| image.path != **path)) {
        images.extend(images::at(files, path.as_slice()));
    }
    Some(Kernel {
        images,
        modules: read_modules(files),
        modules_changed: modules_changed(files, &running.release),
        loader,
        running,
        modular: has_modules(proc),
    })
}

/// Parses `/proc/version`, or the banner in an image: `Linux version RELEASE (BUILDER) (COMPILER) #BUILD … DATE`
/// (`linux_banner` of init/version.c).
#[must_use]
pub(super) fn parse_version(text: &[u8]) -> Option<Banner> {
    let rest = text.trim_ascii().strip_prefix(b"Linux version ")?;
    let end = rest.iter().position(|&byte| byte == b' ')?;
    let (release, rest) = rest.split_at(end);
    // The build number is the last thing that begins so; a compiler's version may hold a `#` as well.
    let numbered = |at: &usize| {
        rest[*at..].starts_with(b" #") && rest.get(at + 2).is_some_and(u8::is_ascii_digit)
    };
    let at = (0..rest.len()).rev().find(numbered)?;
    Some(Banner {
        release: Bytes::from(release),
        version: Bytes::from(&rest[at + 1..]),
    })
}

/// Whether any module is loaded. A list that is too long to be read is none that is empty.
fn has_modules(proc: &ProcRoot) -> bool {
    match proc.read(c"modules", TEXT_CAP) {
        Ok(text) => !text.is_empty(),
        Err(error) => error == rustix::io::Errno::FBIG,
    }
}

/// Directories of modules, each release once.
fn read_modules(files: &Files<'_>) -> Vec<Modules> {
    let mut all: Vec<Modules> = Vec::new();
    for directory in MODULES {
        for release in files.list_or_note(directory) {
            let mut path = directory.as_bytes().to_vec();
            path.push(b'/');
            path.write_all(release.as_slice()).ok();
            let inside = |name: &[u8]| files.is_there([path.as_slice(), name].concat());
            // What depmod made stays behind when a package is removed; modules and their list of builtins do not.
            let filled = inside(b"/kernel") || inside(b"/modules.builtin");
            match all.iter_mut().find(|known| known.release == release) {
                Some(known) => known.filled |= filled,
                None => all.push(Modules { release, filled }),
            }
        }
    }
    all.sort_by(|a, b| a.release.cmp(&b.release));
    all
}

/// A directory's mtime moves with every entry that comes or goes.
fn modules_changed(files: &Files<'_>, running: &Bytes) -> Option<Timestamp> {
    let own = MODULES.map(|directory| [directory.as_bytes(), b"/", running.as_slice()].concat());
    let all = MODULES
        .iter()
        .map(|directory| directory.as_bytes().to_vec());
    let found = all.chain(own).filter_map(|path| files.find(path).ok()?);
    found.map(|found| found.stat.mtime).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, release: &str, version: &str) {
        let banner = Banner {
            release: Bytes::from(release),
            version: Bytes::from(version),
        };
        assert_eq!(parse_version(text.as_bytes()), Some(banner));
    }

    #[test]
    fn banners() {
        check(
            "Linux version 6.1.0-56-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0, GNU ld (GNU Binutils for Debian) 2.40) #1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)\n",
            "6.1.0-56-amd64",
            "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)",
        );
        check(
            "Linux version 5.14.0 (mockbuild@x) (gcc #3 odd) #1 SMP PREEMPT_DYNAMIC Tue Jan 1 00:00:00 UTC 2026",
            "5.14.0",
            "#1 SMP PREEMPT_DYNAMIC Tue Jan 1 00:00:00 UTC 2026",
        );
        assert_eq!(parse_version(b"Linux version 6.1 (x) (y) # SMP"), None);
        assert_eq!(parse_version(b""), None);
    }
}
