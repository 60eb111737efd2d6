//! Where initrds are, and files that boot loaders put before them.

use crate::boot::files::Files;
use crate::model::{Bytes, WhyNot};

/// Directories of boot loaders. What else than the first is a second opinion: often not mounted, or not for us to see.
const BASES: [&str; 3] = ["/boot", "/efi", "/boot/efi"];
/// Directories below these that are looked into, at most.
const DIRECTORIES_CAP: usize = 256;
/// What is put before the initrd of every kernel, where it is there (`GRUB_EARLY_INITRD_LINUX_STOCK` in grub-mkconfig).
const STOCK: [&[u8]; 6] = [
    b"intel-uc.img",
    b"intel-ucode.img",
    b"amd-uc.img",
    b"amd-ucode.img",
    b"early_ucode.cpio",
    b"microcode.cpio",
];
/// What tools leave beside the initrd that they replace.
const LEFT: [&[u8]; 7] = [
    b".old",
    b".bak",
    b".new",
    b".tmp",
    b".dpkg-bak",
    b".old-dkms",
    b"~",
];

/// Paths of files that are initrds by their names, or unified kernel images.
pub(super) fn list(files: &Files<'_>) -> Vec<Vec<u8>> {
    let mut paths = Vec::new();
    for base in BASES {
        let names = match base {
            "/boot" => files.list_or_note(base),
            _ => quietly(files, base.as_bytes()),
        };
        paths.extend(below(base.as_bytes(), &names, is_initrd));
        // kernel-install(8): MACHINE-ID/RELEASE/initrd. NixOS, and OSTree, have directories of their own.
        let tokens = names.iter().filter(|name| is_machine_id(name.as_slice()));
        let nested = tokens.map(|name| joined(base.as_bytes(), name.as_slice()));
        let nested = nested.chain([joined(base.as_bytes(), b"ostree")]);
        for parent in nested.collect::<Vec<_>>() {
            let names = quietly(files, &parent);
            if names.len() > DIRECTORIES_CAP {
                let what = format!("it holds more than {DIRECTORIES_CAP} names");
                files.note("list", &parent, WhyNot::Failed(what));
            }
            for name in names.iter().take(DIRECTORIES_CAP) {
                let directory = joined(&parent, name.as_slice());
                paths.extend(below(&directory, &quietly(files, &directory), is_initrd));
            }
        }
        for name in ["kernels", "EFI/nixos"] {
            let directory = joined(base.as_bytes(), name.as_bytes());
            paths.extend(below(&directory, &quietly(files, &directory), is_initrd));
        }
        let unified = joined(base.as_bytes(), b"EFI/Linux");
        paths.extend(below(&unified, &quietly(files, &unified), is_unified));
    }
    paths
}

fn quietly(files: &Files<'_>, directory: &[u8]) -> Vec<Bytes> {
    files.list(directory).ok().flatten().unwrap_or_default()
}

fn below<'a>(
    directory: &'a [u8],
    names: &'a [Bytes],
    fits: fn(&[u8]) -> bool,
) -> impl Iterator<Item = Vec<u8>> + 'a {
    names
        .iter()
        .filter(move |name| fits(name.as_slice()))
        .map(move |name| joined(directory, name.as_slice()))
}

fn joined(directory: &[u8], name: &[u8]) -> Vec<u8> {
    [directory, b"/", name].concat()
}

/// Whether a name is that of an initrd for an ordinary boot.
pub(super) fn is_initrd(name: &[u8]) -> bool {
    let has = |part: &[u8]| name.windows(part.len()).any(|window| window == part);
    if LEFT.iter().any(|ending| name.ends_with(ending)) || has(b"kdump") || has(b"rescue") {
        return false;
    }
    STOCK.contains(&name)
        || name.starts_with(b"initrd")
        || name.starts_with(b"initramfs")
        || has(b"-initrd")
}

fn is_unified(name: &[u8]) -> bool {
    name.ends_with(b".efi")
}

/// machine-id(5).
fn is_machine_id(name: &[u8]) -> bool {
    name.len() == 32 && name.iter().all(u8::is_ascii_hexdigit)
}
