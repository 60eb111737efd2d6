//! Where kernel images are installed, and under which names.

use std::collections::HashSet;

use crate::boot::files::{Files, Found};
use crate::model::{Bytes, Device, WhyNot};

/// More than a machine ever has installed.
const IMAGES_CAP: usize = 512;
/// Directories that are looked into for entries of the Boot Loader Specification.
const DIRECTORIES_CAP: usize = 512;
/// Where boot partitions are mounted beside `/boot` (systemd-boot(7)): often automounts that nobody should trigger.
const MOUNTED: [&str; 2] = ["/efi", "/boot/efi"];
/// What is beside kernels on boot partitions: files, and directories that may be large.
const NO_TOKENS: [&[u8]; 14] = [
    b"EFI",
    b"System.map",
    b"config-",
    b"dtb",
    b"efi",
    b"firmware",
    b"grub",
    b"init",
    b"loader",
    b"lost+found",
    b"overlays",
    b"symvers",
    b"vmlinuz",
    b"vmlinux",
];
/// Names of images beside their modules.
const BESIDE_MODULES: [&[u8]; 6] = [
    b"vmlinuz",
    b"vmlinuz.efi",
    b"Image",
    // SUSE's, on s390x and 32-bit ARM.
    b"image",
    b"zImage",
    b"vmlinux",
];

/// All images that are installed, each once.
pub(super) fn find(files: &Files<'_>, machine: &[u8]) -> Vec<Found> {
    let mut candidates = Candidates {
        files,
        debuggers: is_x86(machine),
        found: Vec::new(),
        known: HashSet::new(),
        cut: false,
    };
    let unreachable = candidates.boot();
    for partition in MOUNTED {
        let names = candidates.list(partition);
        candidates.partition(partition, &names);
    }
    candidates.modules();
    // Old installers of Debian put links there; where they are the only ones, the images are elsewhere.
    candidates.take("/vmlinuz");
    candidates.take("/vmlinuz.old");
    // An automount again: it matters where nothing else is installed.
    if let Some(why) = unreachable.filter(|_| candidates.found.is_empty()) {
        files.note("list", "/boot", why);
    }
    candidates.found
}

/// Loaders of x86 take nothing but the boot protocol's image: a `vmlinux` there is for debuggers, and large.
fn is_x86(machine: &[u8]) -> bool {
    machine == b"x86_64" || (machine.len() == 4 && machine[0] == b'i' && machine.ends_with(b"86"))
}

struct Candidates<'a> {
    files: &'a Files<'a>,
    /// Whether a `vmlinux` is for debuggers.
    debuggers: bool,
    found: Vec<Found>,
    known: HashSet<(Device, u64)>,
    cut: bool,
}

impl Candidates<'_> {
    /// What is in `/boot`; else why it may not be reached.
    fn boot(&mut self) -> Option<WhyNot> {
        let names = match self.files.list("/boot") {
            Ok(names) => names.unwrap_or_default(),
            Err(why @ WhyNot::MayHang(_)) => return Some(why),
            Err(why) => {
                self.files.note("list", "/boot", why);
                return None;
            }
        };
        for name in &names {
            if self.is_image(name.as_slice()) {
                self.take_in("/boot", name);
            }
        }
        for name in self.list("/boot/firmware") {
            if is_firmware_image(name.as_slice()) {
                self.take_in("/boot/firmware", &name);
            }
        }
        self.partition("/boot", &names);
        None
    }

    /// What the Boot Loader Specification puts on a partition of which these are the names.
    fn partition(&mut self, partition: &str, names: &[Bytes]) {
        self.entries(partition, names);
        self.unified(partition);
    }

    /// `TOKEN/VERSION/linux` (type 1), and what ostree puts as deep.
    fn entries(&mut self, partition: &str, names: &[Bytes]) {
        let mut left = DIRECTORIES_CAP;
        for token in names.iter().filter(|name| is_token(name.as_slice())) {
            let directory = join(partition.as_bytes(), token);
            for version in self.list_if_dir(&directory) {
                if version.as_slice().starts_with(b"0-rescue") {
                    continue;
                }
                let Some(next) = left.checked_sub(1) else {
                    let why = format!("more than {DIRECTORIES_CAP} directories are in it");
                    return self.files.note("list", partition, WhyNot::Failed(why));
                };
                left = next;
                self.entry(&join(&directory, &version), token.as_slice() == b"ostree");
            }
        }
    }

    fn entry(&mut self, directory: &[u8], ostree: bool) {
        if ostree {
            for name in self.list_if_dir(directory) {
                if self.is_image(name.as_slice()) {
                    self.take(join(directory, &name));
                }
            }
            return;
        }
        for name in ["linux", "vmlinuz"] {
            self.take([directory, b"/", name.as_bytes()].concat());
        }
    }

    /// Unified kernel images (type 2).
    fn unified(&mut self, partition: &str) {
        let directory = format!("{partition}/EFI/Linux");
        for name in self.list(&directory) {
            let name_is = name.as_slice().to_ascii_lowercase();
            if name_is.ends_with(b".efi") && !name_is.starts_with(b".") {
                self.take_in(&directory, &name);
            }
        }
    }

    /// What packages put beside the modules; a directory that cannot be listed is told with the modules.
    fn modules(&mut self) {
        for place in ["/usr/lib/modules", "/lib/modules"] {
            match self.files.find(place) {
                // Since the merge of `/usr` the one leads to the other.
                Ok(Some(found)) if found.path.as_slice() == place.as_bytes() => {}
                _ => continue,
            }
            for release in self.files.list(place).ok().flatten().unwrap_or_default() {
                let directory = join(place.as_bytes(), &release);
                for name in self.list_if_dir(&directory) {
                    if BESIDE_MODULES.contains(&name.as_slice()) && self.is_image(name.as_slice()) {
                        self.take(join(&directory, &name));
                    }
                }
            }
        }
    }

    fn is_image(&self, name: &[u8]) -> bool {
        is_image(name) && !(self.debuggers && name.starts_with(b"vmlinux"))
    }

    /// As [`Self::list`]; what is no directory is empty.
    fn list_if_dir(&self, path: &[u8]) -> Vec<Bytes> {
        match self.files.find(path) {
            Ok(Some(found)) if found.is_dir() => self.list(path),
            _ => Vec::new(),
        }
    }

    fn take_in(&mut self, directory: &str, name: &Bytes) {
        self.take(join(directory.as_bytes(), name));
    }

    /// Takes what is at a path, if it is there, no directory, and not known by another name.
    fn take(&mut self, path: impl AsRef<[u8]>) {
        let path = path.as_ref();
        let found = match self.files.find(path) {
            Ok(Some(found)) if !found.is_dir() => found,
            Ok(_) => return,
            Err(why) => return self.note("look at", path, why),
        };
        if !self.known.insert((found.stat.device, found.stat.inode)) {
            return;
        }
        if self.found.len() < IMAGES_CAP {
            self.found.push(found);
        } else if !self.cut {
            self.cut = true;
            let why = format!("more than {IMAGES_CAP} kernel images are installed");
            self.files.note("look at", path, WhyNot::Failed(why));
        }
    }

    /// The names in a directory of which it does not matter if it cannot be reached.
    fn list(&self, directory: impl AsRef<[u8]>) -> Vec<Bytes> {
        let directory = directory.as_ref();
        match self.files.list(directory) {
            Ok(names) => names.unwrap_or_default(),
            Err(why) => {
                self.note("list", directory, why);
                Vec::new()
            }
        }
    }

    /// An EFI partition is often an automount: nothing that runs was loaded through it, and what is installed there is
    /// in the directories of modules as well.
    fn note(&self, operation: &str, path: &[u8], why: WhyNot) {
        let hangs = matches!(why, WhyNot::MayHang(_));
        if !hangs {
            self.files.note(operation, path, why);
        }
    }
}

fn join(directory: &[u8], name: &Bytes) -> Vec<u8> {
    [directory, b"/", name.as_slice()].concat()
}

/// Whether a name on a boot partition may be that of a directory of entries.
fn is_token(name: &[u8]) -> bool {
    !starts_with_any(name, &NO_TOKENS)
}

/// Whether a name in `/boot` is that of a kernel that could be booted.
fn is_image(name: &[u8]) -> bool {
    let image = starts_with_any(name, &[b"vmlinuz", b"vmlinux", b"Image", b"bzImage"])
        || starts_with_any(name, &[b"zImage", b"uImage", b"kernel-", b"image-"])
        || name == b"image"
        || is_raspberry_pi(name);
    image && !is_beside(name) && !is_rescue(name)
}

/// Whether a name in the firmware partition of a Raspberry Pi is that of a kernel.
fn is_firmware_image(name: &[u8]) -> bool {
    (is_raspberry_pi(name) || name.starts_with(b"vmlinuz")) && !is_beside(name)
}

/// `kernel8.img`, `kernel_2712.img` (config.txt of the Raspberry Pi, `kernel`).
fn is_raspberry_pi(name: &[u8]) -> bool {
    name.starts_with(b"kernel") && name.ends_with(b".img")
}

/// What lies beside a kernel under a longer name: signatures, sums, and what package managers keep or are just writing.
fn is_beside(name: &[u8]) -> bool {
    const ENDS: [&[u8]; 9] = [
        b".sig",
        b".asc",
        b".hmac",
        b".sha256",
        b".sha512",
        b".sha512hmac",
        b".tmp",
        b".bin.p7s",
        b"~",
    ];
    let kept = [b".dpkg-".as_slice(), b".rpm", b";"];
    ENDS.iter().any(|end| name.ends_with(end))
        || kept.iter().any(|mark| memchr::memmem::find(name, mark).is_some())
        // The settings of a kernel, as Gentoo names them.
        || name.starts_with(b"kernel-config")
}

/// Rescue images boot nothing but a rescue system (dracut-config-rescue).
fn is_rescue(name: &[u8]) -> bool {
    memchr::memmem::find(name, b"-rescue").is_some()
}

fn starts_with_any(name: &[u8], starts: &[&[u8]]) -> bool {
    starts.iter().any(|start| name.starts_with(start))
}
