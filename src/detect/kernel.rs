//! The running kernel against what is installed: which image would boot, and is it another one.
//!
//! The boot loader's own choice counts where its files tell. Otherwise the newest image of the running flavour does, by
//! the order of versions of the distribution: several flavours lie side by side, and the newest of all need not be the
//! one that anybody boots.

use std::cmp::Ordering;

use crate::model::{
    Banner, Boot, Bytes, Entry, Image, Kernel, KernelState, KernelVerdict, LivePatch, NextKernel,
    Timestamp,
};

/// An order of versions.
pub type Order<'a> = &'a dyn Fn(&str, &str) -> Ordering;

/// Judges the running kernel.
#[must_use]
pub fn judge(boot: &Boot, kernel: &Kernel, order: Order<'_>) -> KernelState {
    let running = &kernel.running;
    let readable: Vec<Candidate<'_>> = kernel.images.iter().filter_map(Candidate::of).collect();
    let mut remarks = Vec::new();
    let entry = kernel.loader.default.as_ref();
    let by_loader = entry.and_then(|entry| image_of(entry, &readable));
    if let (Some(entry), None) = (entry, by_loader) {
        remarks.push(format!(
            "the boot loader's default ({}) is an image that says nothing of itself",
            entry.image.escaped()
        ));
    }
    let flavour = Flavour::of(&running.release);
    let is_alike = |release: &Bytes| Flavour::of(release) == flavour;
    let alike = readable
        .iter()
        .filter(|image| is_alike(&image.banner.release));
    let newest = alike.max_by(|a, b| {
        releases(order, &a.banner.release, &b.banner.release).then(a.place().cmp(&b.place()))
    });
    let next = by_loader.or(newest);
    if let (Some(chosen), Some(newest)) = (by_loader, newest)
        && releases(order, &newest.banner.release, &chosen.banner.release) == Ordering::Greater
    {
        remarks.push(format!(
            "{} is installed, but the boot loader's default is {}",
            newest.banner.release.escaped(),
            chosen.banner.release.escaped()
        ));
    }
    let modules = Left::of(kernel, boot.earliest);
    let verdict = match next {
        None => without_next(kernel, modules, &readable),
        Some(next) => {
            let newer = releases(order, &next.banner.release, &running.release);
            let is_running = |image: &Candidate<'_>| image.banner.release == running.release;
            let installed = readable.iter().any(is_running);
            let removed = !installed && (modules.are_gone() || newest.is_some() && modules.went());
            compare(running, next.banner, newer, installed, removed)
        }
    };
    let verdict = match (verdict, by_loader) {
        (KernelVerdict::Current, None) => unless_newer_modules(kernel, order, &is_alike),
        (verdict, _) => verdict,
    };
    KernelState {
        running: running.clone(),
        modules_gone: modules.are_gone() || verdict == KernelVerdict::Removed,
        verdict: doubted(verdict, kernel, by_loader.is_some(), &mut remarks),
        live_patched_by: next
            .and_then(|next| vouched(&boot.live_patches, &next.banner.release, order)),
        next: next.map(|next| NextKernel {
            path: next.image.path.clone(),
            banner: next.banner.clone(),
            by_loader: by_loader.is_some(),
            other_flavour: !is_alike(&next.banner.release),
            since: came(next.image.stat.btime, next.image.stat.ctime),
        }),
        remarks,
    }
}

/// What is left of the running kernel's modules.
#[derive(Debug, Clone, Copy)]
struct Left {
    /// There is no directory with modules for it.
    missing: bool,
    /// A directory is there, and holds what was generated at most.
    leftover: bool,
    /// It has modules loaded.
    loaded: bool,
    /// Since it was booted, something came or went where modules are.
    changed: bool,
}

impl Left {
    fn of(kernel: &Kernel, booted: Timestamp) -> Self {
        let own = |modules: &&crate::model::Modules| modules.release == kernel.running.release;
        let own = kernel.modules.iter().find(own);
        Self {
            missing: !own.is_some_and(|modules| modules.filled),
            leftover: own.is_some_and(|modules| !modules.filled),
            loaded: kernel.modular,
            changed: kernel.modules_changed.is_some_and(|at| at >= booted),
        }
    }

    /// Whether it had some and has them no more, as far as that shows: a kernel that was built without misses none, and
    /// one from outside never had any here.
    fn are_gone(self) -> bool {
        self.went() && (self.leftover || self.loaded)
    }

    /// Whether there are none, and something went since the machine was booted.
    fn went(self) -> bool {
        self.missing && self.changed
    }
}

/// Who says that live patches have made the running kernel as good as that release: a vendor's tool that names the release
/// which the kernel is as good as. A patch by itself says nothing of the kind.
fn vouched(patches: &[LivePatch], next: &Bytes, order: Order<'_>) -> Option<String> {
    let vouches = |patch: &&LivePatch| {
        let effective = patch.effective_release.as_ref();
        patch.enabled
            && effective.is_some_and(|release| releases(order, release, next) != Ordering::Less)
    };
    let patch = patches.iter().find(vouches)?;
    Some(patch.source.clone())
}

/// What runs, against what would boot.
fn compare(
    running: &Banner,
    next: &Banner,
    newer: Ordering,
    installed: bool,
    removed: bool,
) -> KernelVerdict {
    if next.release == running.release {
        return match is_same_build(running, next) {
            true => KernelVerdict::Current,
            false => KernelVerdict::Rebuilt,
        };
    }
    match (newer, installed) {
        _ if removed => KernelVerdict::Removed,
        (Ordering::Greater, _) => KernelVerdict::Newer,
        (_, true) => KernelVerdict::OlderDefault,
        (_, false) => KernelVerdict::Custom,
    }
}

/// An entry of a unified image may know its release alone: that is no sign of another build.
fn is_same_build(running: &Banner, next: &Banner) -> bool {
    next.version.as_slice().is_empty()
        || running.version.as_slice().is_empty()
        || next.version == running.version
}

/// Nothing like the running kernel is installed, and no loader says what would boot.
fn without_next(kernel: &Kernel, modules: Left, readable: &[Candidate<'_>]) -> KernelVerdict {
    let unknown = |why: &str| KernelVerdict::Unknown(why.to_owned());
    if !readable.is_empty() {
        return match modules.are_gone() {
            true => KernelVerdict::Removed,
            false => KernelVerdict::Custom,
        };
    }
    if !kernel.images.is_empty() {
        return unknown("no installed kernel image could be read");
    }
    match kernel.modules.iter().any(|modules| modules.filled) {
        // The problem of that is told by whoever asks for all that could not be looked at.
        true => unknown(NO_IMAGES),
        false => unknown(
            "no kernel image is installed: it comes from outside (a provider, a network boot)",
        ),
    }
}

/// Modules without any image: where images are kept is not mounted, most likely.
pub const NO_IMAGES: &str =
    "modules are installed, and no kernel image is to be found: is /boot mounted?";

/// A newer kernel's modules without its image: then the newest image is not the last word.
fn unless_newer_modules(
    kernel: &Kernel,
    order: Order<'_>,
    is_alike: &dyn Fn(&Bytes) -> bool,
) -> KernelVerdict {
    let is_newer = |modules: &&crate::model::Modules| {
        modules.filled
            && is_alike(&modules.release)
            && releases(order, &modules.release, &kernel.running.release) == Ordering::Greater
    };
    match kernel.modules.iter().find(is_newer) {
        None => KernelVerdict::Current,
        Some(modules) => KernelVerdict::Unknown(format!(
            "modules of {} are installed, and its image is not to be found",
            modules.release.escaped()
        )),
    }
}

/// What could not be read might be what boots: then nothing says that the running kernel is the right one.
fn doubted(
    verdict: KernelVerdict,
    kernel: &Kernel,
    by_loader: bool,
    remarks: &mut Vec<String>,
) -> KernelVerdict {
    let unreadable = kernel.images.iter().find(|image| image.banner.is_err());
    match (verdict, unreadable) {
        (KernelVerdict::Current | KernelVerdict::Custom, Some(image)) if !by_loader => {
            KernelVerdict::Unknown(format!(
                "{} could not be read, and may be what boots",
                image.path.escaped()
            ))
        }
        (verdict, Some(image)) => {
            remarks.push(format!("{} could not be read", image.path.escaped()));
            verdict
        }
        (verdict, None) => verdict,
    }
}

/// The image that an entry boots.
fn image_of<'a, 'k>(entry: &Entry, readable: &'a [Candidate<'k>]) -> Option<&'a Candidate<'k>> {
    let by_path = readable
        .iter()
        .find(|image| image.image.path == entry.image);
    by_path.or_else(|| {
        let release = entry.release.as_ref()?;
        readable
            .iter()
            .find(|image| image.banner.release == *release)
    })
}

/// An image that says what it is.
#[derive(Debug)]
struct Candidate<'a> {
    image: &'a Image,
    banner: &'a Banner,
}

impl<'a> Candidate<'a> {
    fn of(image: &'a Image) -> Option<Self> {
        let banner = image.banner.as_ref().ok()?;
        Some(Self { image, banner })
    }

    /// Of several images of one release, that in `/boot` is booted: the one beside the modules is what it was copied
    /// from, and what installkernel(8) set aside comes last.
    fn place(&self) -> (bool, bool) {
        let path = self.image.path.as_slice();
        let beside_modules =
            path.starts_with(b"/usr/lib/modules/") || path.starts_with(b"/lib/modules/");
        (!path.ends_with(b".old"), !beside_modules)
    }
}

/// A packaged file keeps the time of its making in mtime; its birth here, or the change of its attributes by the rename
/// that put it in place, is when it came.
fn came(btime: Option<Timestamp>, ctime: Timestamp) -> Timestamp {
    btime.unwrap_or(ctime)
}

/// The order of two releases. `-rc1` comes before what it leads to, which the order of no distribution knows: in their
/// own versions it is `~rc1`.
fn releases(order: Order<'_>, a: &Bytes, b: &Bytes) -> Ordering {
    let text = |release: &Bytes| {
        String::from_utf8_lossy(release.as_slice())
            .replace("-rc", "~rc")
            .replace(".rc", "~rc")
    };
    order(&text(a), &text(b))
}

/// What tells kernels apart that are meant for different uses: everything in a release that is no version.
#[derive(Debug, PartialEq, Eq)]
struct Flavour(Vec<String>);

/// Parts of a release that say which distribution it is for, or of which: an upgrade of that changes them.
const DISTRIBUTIONS: [&str; 18] = [
    "deb", "bpo", "el", "fc", "amzn", "lp", "cm", "azl", "mga", "rc", "git", "ubuntu", "rpt", "r",
    "oe", "sp", "kali", "parrot",
];
/// Numbers that are no version: processors, boards, page sizes.
const NUMBERS: [&str; 4] = ["486", "586", "686", "2712"];

impl Flavour {
    /// `6.12.48+deb13-cloud-amd64` → `cloud amd64`; `5.14.0-427.el9.x86_64+rt` → `x86_64 rt`.
    fn of(release: &Bytes) -> Self {
        let text = String::from_utf8_lossy(release.as_slice());
        let parts: Vec<&str> = text.split(['-', '.', '+', '~']).collect();
        let last = parts.len().saturating_sub(1);
        let mut kept: Vec<String> = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            if is_commit(part) {
                continue;
            }
            let follows_board = kept.last().is_some_and(|before| before == "rpi");
            if NUMBERS.contains(part) && at == last || is_literal(part) || follows_board {
                kept.push((*part).to_owned());
                continue;
            }
            // `el9_4`, `fc40`, `el9uek`, `rt14`, `arch1`: the words between the numbers.
            let words = part.split(|c: char| c.is_ascii_digit() || c == '_');
            let words = words.filter(|word| !word.is_empty() && !DISTRIBUTIONS.contains(word));
            kept.extend(words.map(str::to_owned));
        }
        // RHEL's real-time kernels had `rt` before the architecture, and have it behind.
        kept.sort();
        Self(kept)
    }
}

/// Words in which the numbers belong to the name.
fn is_literal(part: &str) -> bool {
    const WORDS: [&str; 16] = [
        "v6", "v7", "v7l", "v8", "x86_64", "i386", "i686", "amd64", "arm64", "aarch64", "ppc64le",
        "ppc64el", "riscv64", "s390x", "armv7hl", "64k",
    ];
    WORDS.contains(&part)
}

/// What `CONFIG_LOCALVERSION_AUTO` appends (`g1a2b3c4d5e6f`), and Fedora's snapshots (`20241202gite70140ba0d2b`): each
/// build has another.
fn is_commit(part: &str) -> bool {
    let dated = part.trim_start_matches(|c: char| c.is_ascii_digit());
    let hash = dated
        .strip_prefix("git")
        .or_else(|| part.strip_prefix('g'))
        .unwrap_or_default();
    hash.len() >= 7 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests;
