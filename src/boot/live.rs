//! Live patches: what the running kernel has taken in.
//!
//! - The kernel's own word, for patches of whatever vendor: `/sys/kernel/livepatch` (Documentation/ABI/testing/
//!   sysfs-kernel-livepatch). Vendors are told by names only: `kpatch_…`, `livepatch_N_…` (SUSE), `lkp_Ubuntu_…`
//!   (Canonical), and a name is no proof.
//! - kpatch: patches in force by its old core module, and patches that are installed for the running kernel but not loaded.
//! - ksplice: the stage of each update, where its modules show one.
//! - KernelCare: `/proc/kcare/effective_version`, which its manual gives to scanners for this purpose.
//!
//! Not read, because no documented file tells: what canonical-livepatch and uptrack report (both compute it when asked, and
//! the former keeps it to its daemon). So no patch is said to cover everything.

use super::files::Files;
use super::kernel::parse_version;
use crate::model::{Bytes, LivePatch};
use crate::view::ProcRoot;

const KERNEL: &str = "/sys/kernel/livepatch";
/// Of kpatch's core module, from before Linux 4.0; the oldest had no directory `patches`.
const KPATCH: [&str; 2] = ["/sys/kernel/kpatch/patches", "/sys/kernel/kpatch"];
/// Where `kpatch install` puts patches, and where packages do.
const INSTALLED: [&str; 2] = ["/var/lib/kpatch/", "/usr/lib/kpatch/"];
const KSPLICE: &str = "/sys/kernel/ksplice";
const MODULES: &str = "/sys/module";
/// An attribute in sysfs is a page at most.
const ATTRIBUTE_CAP: u64 = 4096;
const VERSION_CAP: usize = 4096;

pub(super) fn read(proc: &ProcRoot, files: &Files<'_>) -> Vec<LivePatch> {
    let mut patches = of_kernel(files, KERNEL, "kernel");
    for directory in KPATCH {
        let more = of_kernel(files, directory, "kpatch");
        patches.extend(more);
    }
    installed(proc, files, &mut patches);
    ksplice(files, &mut patches);
    patches.extend(kernelcare(proc, files));
    patches
}

fn patch(name: &[u8], source: &str, enabled: bool) -> LivePatch {
    LivePatch {
        name: Bytes::from(name),
        source: source.to_owned(),
        enabled,
        effective_release: None,
    }
}

/// Directories with an attribute `enabled`.
fn of_kernel(files: &Files<'_>, directory: &str, source: &str) -> Vec<LivePatch> {
    let mut patches = Vec::new();
    for name in files.list_or_note(directory) {
        let attribute = |of: &str| {
            attribute(
                files,
                &[directory.as_bytes(), b"/", name.as_slice(), of.as_bytes()].concat(),
            )
        };
        // None: it was unloaded meanwhile, or is no patch.
        let Some(enabled) = attribute("/enabled") else {
            continue;
        };
        // Linux before 4.12 knows no transition: all at once.
        let moving = attribute("/transition").is_some_and(|text| text == b"1");
        patches.push(patch(name.as_slice(), source, enabled == b"1" && !moving));
    }
    patches
}

fn attribute(files: &Files<'_>, path: &[u8]) -> Option<Vec<u8>> {
    let text = files.read_or_note(path, ATTRIBUTE_CAP)?;
    Some(text.trim_ascii().to_vec())
}

/// What kpatch would load, but has not.
fn installed(proc: &ProcRoot, files: &Files<'_>, patches: &mut Vec<LivePatch>) {
    let Some(running) = proc
        .read(c"version", VERSION_CAP)
        .ok()
        .and_then(|text| parse_version(&text))
    else {
        return; // The kernel's part says so.
    };
    for directory in INSTALLED {
        let path = [directory.as_bytes(), running.release.as_slice()].concat();
        for file in files.list_or_note(path) {
            let Some(name) = module_of(file.as_slice()) else {
                continue;
            };
            if patches.iter().all(|patch| patch.name.as_slice() != name) {
                patches.push(patch(&name, "kpatch", false));
            }
        }
    }
}

/// The name of a module by its file: the kernel has no `-` in names (scripts/Makefile.lib, `name-fix-token`).
fn module_of(file: &[u8]) -> Option<Vec<u8>> {
    let dashed = file.strip_suffix(b".ko")?;
    let name = dashed
        .iter()
        .map(|&byte| if byte == b'-' { b'_' } else { byte });
    Some(name.collect())
}

/// Updates of ksplice: `stage` is `preparing`, `applied` or `reversed`.
fn ksplice(files: &Files<'_>, patches: &mut Vec<LivePatch>) {
    for name in files.list_or_note(KSPLICE) {
        let path = [KSPLICE.as_bytes(), b"/", name.as_slice(), b"/stage"].concat();
        if let Some(stage) = attribute(files, &path) {
            patches.push(patch(name.as_slice(), "ksplice", stage == b"applied"));
        }
    }
    for module in files.list_or_note(MODULES) {
        let Some(name) = module.as_slice().strip_prefix(b"ksplice_") else {
            continue;
        };
        let path = [
            MODULES.as_bytes(),
            b"/",
            module.as_slice(),
            b"/ksplice/stage",
        ]
        .concat();
        if let Some(stage) = attribute(files, &path) {
            patches.push(patch(name, "ksplice", stage == b"applied"));
        }
    }
}

fn kernelcare(proc: &ProcRoot, files: &Files<'_>) -> Option<LivePatch> {
    let text = match proc.read(c"kcare/effective_version", VERSION_CAP) {
        Ok(text) => text,
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return None,
        Err(error) => {
            files.note(
                "read",
                "/proc/kcare/effective_version",
                crate::view::why(error),
            );
            return None;
        }
    };
    let mut words = text.split(u8::is_ascii_whitespace);
    let release = words.find(|word| !word.is_empty())?;
    Some(LivePatch {
        effective_release: Some(Bytes::from(release)),
        ..patch(b"kcare", "kernelcare", true)
    })
}

#[cfg(test)]
mod tests;
