//! The running kernel against what would boot, in needrestart's four numbers.

use std::cmp::Ordering;

use crate::dialects::{Scene, tame};
use crate::model::{Banner, Bytes, Image, KernelVerdict, Pattern, Setting};

/// The least size of what the original takes for a kernel.
const LEAST: u64 = 1_000_000;

/// How it compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KernelState {
    /// It could not be told.
    Unknown,
    /// The running one is the expected one.
    Current,
    /// Another build of the same release is expected.
    Abi,
    /// Another release is expected.
    Version,
}

/// A kernel, and what is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kernel {
    /// The release that runs.
    pub(super) running: String,
    /// The release that is expected, if an image was found.
    pub(super) expected: Option<String>,
    /// How they compare.
    pub(super) state: KernelState,
    /// Whether the expected one is known by its file's name alone: builds cannot be told apart then.
    pub(super) by_name: bool,
}

/// How it is judged.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rules<'a> {
    /// By the original's rules: the greatest version in `/boot` is expected, whatever would boot.
    pub(super) original: bool,
    /// Paths of images that count (`kernelfilter`); all, if there is none.
    pub(super) filter: Option<&'a Pattern>,
}

/// Judges the kernel; `None` where it is none of this system's business.
pub(super) fn judge(scene: &Scene, rules: &Rules<'_>) -> Option<Kernel> {
    let boot = scene.boot.as_ref();
    if boot.is_some_and(|boot| boot.setting != Setting::Machine) {
        return None;
    }
    let Some(kernel) = boot.and_then(|boot| boot.kernel.as_ref()) else {
        return Some(not_seen(scene));
    };
    let running = Banner {
        release: scene.kernel_release.clone(),
        version: kernel.running.version.clone(),
    };
    let images = kernel.images.iter();
    let passes = |path: &Bytes| {
        rules
            .filter
            .is_none_or(|filter| filter.matches(path.as_slice()))
    };
    if rules.original {
        let candidates = images.filter(|image| is_candidate(image) && passes(&image.path));
        return Some(by_greatest(scene, &running, candidates, false));
    }
    let Some(state) = &scene.reboot.kernel else {
        return Some(not_seen(scene));
    };
    if state.next.as_ref().is_some_and(|next| !passes(&next.path)) {
        let candidates = images.filter(|image| passes(&image.path));
        return Some(by_greatest(scene, &running, candidates, true));
    }
    let greatest = greatest(scene, kernel.images.iter());
    let next = state.next.as_ref();
    let expected = next.map(|next| &next.banner);
    let by_loader = next.is_some_and(|next| next.by_loader);
    let (state, expected) = match &state.verdict {
        KernelVerdict::Current => (KernelState::Current, Some(expected.unwrap_or(&running))),
        KernelVerdict::Rebuilt => (KernelState::Abi, Some(expected.unwrap_or(&running))),
        KernelVerdict::Newer => (KernelState::Version, expected),
        KernelVerdict::Removed => (KernelState::Version, expected.or(greatest)),
        KernelVerdict::OlderDefault | KernelVerdict::Custom if by_loader => {
            (KernelState::Version, expected)
        }
        // Nothing newer is there, and nothing says that something older would boot.
        KernelVerdict::OlderDefault | KernelVerdict::Custom => {
            (KernelState::Current, Some(&running))
        }
        KernelVerdict::Unknown(_) => (KernelState::Unknown, expected),
    };
    Some(told(&running, expected, state))
}

/// Nobody could look: that says nothing.
fn not_seen(scene: &Scene) -> Kernel {
    let running = Banner {
        release: scene.kernel_release.clone(),
        version: Bytes::default(),
    };
    told(&running, None, KernelState::Unknown)
}

/// Without anything expected nothing is known.
fn told(running: &Banner, expected: Option<&Banner>, state: KernelState) -> Kernel {
    Kernel {
        running: tame(running.release.as_slice()),
        expected: expected.map(|banner| tame(banner.release.as_slice())),
        state: match expected {
            Some(_) => state,
            None => KernelState::Unknown,
        },
        by_name: expected.is_some_and(|banner| banner.version.as_slice().is_empty()),
    }
}

/// Whether the original takes it for a kernel: `/boot/vmlinu*`, `/boot/*.img` and `/boot/kernel*`, but not `/boot/init*`.
fn is_candidate(image: &Image) -> bool {
    let Some(name) = image.path.as_slice().strip_prefix(b"/boot/") else {
        return false;
    };
    let named =
        name.starts_with(b"vmlinu") || name.starts_with(b"kernel") || name.ends_with(b".img");
    named && !name.starts_with(b"init") && !name.contains(&b'/') && image.stat.size >= LEAST
}

/// By the greatest version among images. With `only_newer`, that nothing newer is installed is no upgrade.
fn by_greatest<'a>(
    scene: &Scene,
    running: &Banner,
    images: impl Iterator<Item = &'a Image>,
    only_newer: bool,
) -> Kernel {
    let Some(greatest) = greatest(scene, images) else {
        return told(running, None, KernelState::Unknown);
    };
    let state = if greatest.release == running.release {
        let known = !greatest.version.as_slice().is_empty();
        match known && greatest.version != running.version {
            true => KernelState::Abi,
            false => KernelState::Current,
        }
    } else if only_newer && compare(scene, greatest, running) == Ordering::Less {
        return told(running, Some(running), KernelState::Current);
    } else {
        KernelState::Version
    };
    told(running, Some(greatest), state)
}

fn greatest<'a>(scene: &Scene, images: impl Iterator<Item = &'a Image>) -> Option<&'a Banner> {
    let banners = images.filter_map(|image| image.banner.as_ref().ok());
    banners.max_by(|a, b| compare(scene, a, b))
}

/// rpm's order where rpm alone rules, dpkg's elsewhere; candidates and tests of a release come before it.
fn compare(scene: &Scene, a: &Banner, b: &Banner) -> Ordering {
    let rules = |name: &str| scene.stores.iter().any(|store| store == name);
    let (a, b) = (prepared(&a.release), prepared(&b.release));
    match rules("rpm") && !rules("dpkg") {
        true => unstale_rpm::compare_versions(&a, &b),
        false => unstale_dpkg::version::compare(&a, &b),
    }
}

/// With a tilde before what precedes a release: both orders know that sign.
fn prepared(release: &Bytes) -> String {
    const BEFORE: [&str; 6] = ["pre", "rc", "test", "git", "old", "trunk"];
    let text = tame(release.as_slice());
    let mut prepared = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let after = &text[at + c.len_utf8()..];
        let precedes = BEFORE.iter().any(|word| after.starts_with(word));
        let is_mark = matches!(c, '.' | '_' | '-');
        prepared.push(if is_mark && precedes { '~' } else { c });
    }
    prepared
}

impl KernelState {
    /// The number that stands for it.
    pub(super) fn number(self) -> &'static str {
        match self {
            Self::Unknown => "0",
            Self::Current => "1",
            Self::Abi => "2",
            Self::Version => "3",
        }
    }
}
