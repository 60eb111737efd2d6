//! The running kernel against what is installed: which image would boot, and is it another one.
//!
//! The boot loader's own choice counts where its files tell. Otherwise the newest image of the running flavour does, by
//! the order of versions of the distribution: several flavours lie side by side, and the newest of all need not be the
//! one that anybody boots.

use std::cmp::Ordering;

use crate::model::{
    Banner, Bytes, Entry, Image, Kernel, KernelState, KernelVerdict, LivePatch, NextKernel,
    Timestamp,
};

/// An order of versions.
pub type Order<'a> = &'a dyn Fn(&str, &str) -> Ordering;

/// Judges the running kernel.
#[must_use]
pub fn judge(kernel: &Kernel, patches: &[LivePatch], order: Order<'_>) -> KernelState {
    let running = &kernel.running;
    let flavour = Flavour::of(&running.release);
    let readable: Vec<Candidate<'_>> = kernel.images.iter().filter_map(Candidate::of).collect();
    let mut remarks = Vec::new();
    let by_loader = kernel.loader.default.as_ref().and_then(|entry| {
        let found = image_of(entry, &readable);
        if found.is_none() {
            remarks.push(format!(
                "the boot loader's default ({}) is an image that says nothing of itself",
                entry.image.escaped()
            ));
        }
        found
    });
    let by_loader = by_loader.filter(|image| {
        let same = Flavour::of(&image.banner.release) == flavour;
        if !same {
            remarks.push(format!(
                "the boot loader would boot a kernel of another flavour, {}",
                image.banner.release.escaped()
            ));
        }
        same
    });
    let mut alike: Vec<&Candidate<'_>> = readable
        .iter()
        .filter(|image| Flavour::of(&image.banner.release) == flavour)
        .collect();
    alike.sort_by(|a, b| {
        releases(order, &a.banner.release, &b.banner.release).then(a.place().cmp(&b.place()))
    });
    let newest = alike.last().copied();
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
    let installed = readable
        .iter()
        .any(|image| image.banner.release == running.release);
    let modules_gone = !kernel
        .modules
        .iter()
        .any(|modules| modules.release == running.release && modules.filled);
    let verdict = match next {
        None => without_next(kernel, &readable),
        Some(next) => {
            let newer = releases(order, &next.banner.release, &running.release);
            compare(running, next.banner, newer, installed, modules_gone)
        }
    };
    let verdict = doubted(verdict, kernel, by_loader.is_some(), &mut remarks);
    KernelState {
        running: running.clone(),
        modules_gone: modules_gone && verdict != KernelVerdict::Custom && !alike.is_empty(),
        verdict,
        live_patched_by: next.and_then(|next| vouched(patches, &next.banner.release, order)),
        next: next.map(|next| next.as_next(by_loader.is_some())),
        remarks,
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
    modules_gone: bool,
) -> KernelVerdict {
    if next.release == running.release {
        return match is_same_build(running, next) {
            true => KernelVerdict::Current,
            false => KernelVerdict::Rebuilt,
        };
    }
    match (newer, installed, modules_gone) {
        (_, false, true) => KernelVerdict::Removed,
        (Ordering::Greater, _, _) => KernelVerdict::Newer,
        (_, true, _) => KernelVerdict::OlderDefault,
        (_, false, false) => KernelVerdict::Custom,
    }
}

/// An entry of a unified image may know its release alone: that is no sign of another build.
fn is_same_build(running: &Banner, next: &Banner) -> bool {
    next.version.as_slice().is_empty()
        || running.version.as_slice().is_empty()
        || next.version == running.version
}

/// Nothing like the running kernel is installed.
fn without_next(kernel: &Kernel, readable: &[Candidate<'_>]) -> KernelVerdict {
    match (readable.is_empty(), kernel.images.is_empty()) {
        (true, true) => KernelVerdict::Unknown(
            "no kernel image is installed: it comes from outside (a provider, a network boot)"
                .to_owned(),
        ),
        (true, false) => {
            KernelVerdict::Unknown("no installed kernel image could be read".to_owned())
        }
        (false, _) => KernelVerdict::Custom,
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

    fn as_next(&self, by_loader: bool) -> NextKernel {
        let stat = &self.image.stat;
        NextKernel {
            path: self.image.path.clone(),
            banner: self.banner.clone(),
            by_loader,
            since: came(stat.btime, stat.ctime),
        }
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
const DISTRIBUTIONS: [&str; 14] = [
    "deb", "bpo", "el", "fc", "amzn", "lp", "cm", "azl", "mga", "rc", "git", "ubuntu", "rpt", "r",
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

/// What `CONFIG_LOCALVERSION_AUTO` appends: each build has another.
fn is_commit(part: &str) -> bool {
    let hash = part.strip_prefix('g').unwrap_or_default();
    hash.len() >= 7 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests;
