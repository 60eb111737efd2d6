//! Whether a reboot would bring newer microcode. Pure: processors and patches in, a verdict for each kind of processor
//! out; the worst is the machine's.

use std::fmt;

use crate::model::{Bytes, Escaped, Facts, KernelState, Microcode, Patch, Processor};

/// What is said of a processor, or of all: the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Nobody could renew anything from here.
    NotApplicable,
    /// Nothing newer would be loaded.
    Current,
    /// It cannot be told.
    Unknown,
    /// There is newer microcode.
    Obsolete {
        /// Whether the next boot would load it. Where it would not, a new initrd comes first.
        loaded_at_boot: bool,
    },
}

/// Why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// The kernel's loader is off, by this word of the command line.
    Disabled(String),
    /// No file holds any for this processor.
    NothingOnDisk,
    /// What runs is as new as any file has it, or newer: firmware brings microcode as well.
    NothingNewer,
    /// The loader leaves this level alone.
    Final,
    /// The processor does not say what runs.
    NoRevision,
    /// Files differ by platforms, and this processor's is not known: only root may read it.
    NoPlatform,
    /// This file could not be read, and may hold newer microcode.
    Unread(Bytes),
    /// An initrd carries it.
    InInitrd,
    /// It is among the files of firmware, but what would be booted carries none as new: the initrd has to be made anew
    /// first (`update-initramfs -u`, `dracut -f`).
    NotInInitrd,
}

/// One kind of processor, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged<'a> {
    /// Which.
    pub processor: &'a Processor,
    /// What is said of it.
    pub verdict: Verdict,
    /// And why.
    pub why: Why,
    /// The newest patch for it, if there is any: newer than what runs only where the verdict says so, and then one that the
    /// next boot loads, if it loads any.
    pub best: Option<&'a Patch>,
}

impl Verdict {
    /// Its word in outside forms.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NotApplicable => "not-applicable",
            Self::Current => "current",
            Self::Unknown => "unknown",
            Self::Obsolete { .. } => "obsolete",
        }
    }
}

impl fmt::Display for Why {
    /// A sentence part, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled(word) => write!(
                f,
                "the kernel is told to load none ({})",
                Escaped(word.as_bytes())
            ),
            Self::NothingOnDisk => f.write_str("no file holds any for this processor"),
            Self::NothingNewer => f.write_str("no file holds newer"),
            Self::Final => f.write_str("this level cannot be renewed"),
            Self::NoRevision => f.write_str("the processor does not say which"),
            Self::NoPlatform => {
                f.write_str("which of several files is for it, its platform would tell, and that is not known")
            }
            Self::Unread(file) => write!(
                f,
                "{} could not be read, and may hold newer",
                file.escaped()
            ),
            Self::InInitrd => f.write_str("newer would be loaded at boot"),
            Self::NotInInitrd => f.write_str(
                "newer is installed, but no initrd carries it: make that anew first (update-initramfs -u, dracut -f)",
            ),
        }
    }
}

/// Each kind of processor of a machine, if its kernel's next boot is known.
#[must_use]
pub fn judge_next<'a>(facts: &'a Facts, kernel: Option<&KernelState>) -> Vec<Judged<'a>> {
    let boot = facts.boot.as_ref();
    let Some(microcode) = boot.and_then(|boot| boot.microcode.as_ref()) else {
        return Vec::new();
    };
    let next = kernel.and_then(|state| state.next.as_ref());
    judge(microcode, next.map(|next| next.banner.release.as_slice()))
}

/// The verdict of all of them: the worst.
#[must_use]
pub fn worst(judged: &[Judged<'_>]) -> Verdict {
    let verdicts = judged.iter().map(|judged| judged.verdict);
    verdicts.max().unwrap_or(Verdict::NotApplicable)
}

/// Each kind of processor. `next` is the release of the kernel that would be booted, where that is known: an initrd that
/// is named after another release is not loaded then.
#[must_use]
pub fn judge<'a>(microcode: &'a Microcode, next: Option<&[u8]>) -> Vec<Judged<'a>> {
    let processors = microcode.processors.iter();
    processors
        .map(|processor| {
            let (verdict, why, best) = judge_one(microcode, processor, next);
            Judged {
                processor,
                verdict,
                why,
                best,
            }
        })
        .collect()
}

fn judge_one<'a>(
    microcode: &'a Microcode,
    processor: &Processor,
    next: Option<&[u8]>,
) -> (Verdict, Why, Option<&'a Patch>) {
    let (fitting, is_sure) = fitting(&microcode.patches, processor);
    let best = fitting
        .iter()
        .copied()
        .max_by_key(|patch| (patch.revision, would_load(patch, next)));
    if let Some(word) = &microcode.disabled {
        return (Verdict::NotApplicable, Why::Disabled(word.clone()), best);
    }
    // Zero is read where nothing was loaded, or where an emulated processor has none; all ones from emulators.
    if matches!(processor.revision, 0 | u32::MAX) {
        return (Verdict::Unknown, Why::NoRevision, best);
    }
    if is_final(processor) {
        return (Verdict::Current, Why::Final, best);
    }
    // Linux compares revisions as unsigned numbers (scan_microcode, __apply_microcode_amd): over a debug revision, with
    // its highest bit set, it loads nothing.
    let is_newer = |patch: &&Patch| patch.revision > processor.revision;
    if fitting.iter().copied().any(|patch| is_newer(&patch)) {
        if !is_sure {
            return (Verdict::Unknown, Why::NoPlatform, None);
        }
        let newer = fitting.iter().copied().filter(is_newer);
        let loaded = newer.filter(|patch| would_load(patch, next));
        return match loaded.max_by_key(|patch| patch.revision) {
            Some(loaded) => {
                let verdict = Verdict::Obsolete {
                    loaded_at_boot: true,
                };
                (verdict, Why::InInitrd, Some(loaded))
            }
            None => {
                let verdict = Verdict::Obsolete {
                    loaded_at_boot: false,
                };
                (verdict, Why::NotInInitrd, best)
            }
        };
    }
    let mut unread = microcode.unread.iter();
    if let Some(file) = unread.find(|file| may_be_for(file, next)) {
        return (Verdict::Unknown, Why::Unread(file.clone()), best);
    }
    let why = match best {
        Some(_) => Why::NothingNewer,
        None => Why::NothingOnDisk,
    };
    (Verdict::Current, why, best)
}

/// The patches for a processor, and whether they are: where its platform is not known, files that differ by platforms
/// leave that open.
fn fitting<'a>(patches: &'a [Patch], processor: &Processor) -> (Vec<&'a Patch>, bool) {
    let signed = patches
        .iter()
        .filter(|patch| patch.signature == processor.signature);
    let Some(platform) = processor.platform else {
        let fitting: Vec<_> = signed.collect();
        let is_sure = fitting
            .windows(2)
            .all(|pair| pair[0].platforms == pair[1].platforms);
        return (fitting, is_sure);
    };
    // Both are zero, or they share a bit (intel_cpu_signatures_match).
    let fits = |patch: &&Patch| match patch.platforms {
        Some(mask) => mask & platform != 0 || (mask | platform) == 0,
        None => true,
    };
    (signed.filter(fits).collect(), true)
}

/// Levels that cannot be renewed (`final_levels` in microcode/amd.c).
fn is_final(processor: &Processor) -> bool {
    let levels = [0x0100_0098, 0x0100_009f, 0x0100_00af];
    processor.vendor.as_slice() == b"AuthenticAMD" && levels.contains(&processor.revision)
}

fn would_load(patch: &Patch, next: Option<&[u8]>) -> bool {
    patch.early && may_be_for(&patch.file, next)
}

/// Whether a file is none that is named after another release than the next one.
fn may_be_for(file: &Bytes, next: Option<&[u8]>) -> bool {
    match (release_of(file.as_slice()), next) {
        (Some(release), Some(next)) => release == next,
        _ => true,
    }
}

/// The release in the path of an initrd: `initrd.img-6.1.0-56-amd64`, `initramfs-5.14.0-503.el9.x86_64.img`, or
/// kernel-install(8)'s `MACHINE-ID/RELEASE/initrd`. Names without a version, such as Arch Linux's, tell nothing.
fn release_of(path: &[u8]) -> Option<&[u8]> {
    let mut parts = path.rsplit(|byte| *byte == b'/');
    let (name, directory) = (parts.next()?, parts.next().unwrap_or_default());
    let above = parts.next().unwrap_or_default();
    let starts = |text: &[u8]| text.first().is_some_and(u8::is_ascii_digit);
    let prefixes: [&[u8]; 3] = [b"initrd.img-", b"initramfs-", b"initrd-"];
    let own = prefixes
        .iter()
        .find_map(|prefix| name.strip_prefix(*prefix))
        .map(|rest| rest.strip_suffix(b".img").unwrap_or(rest))
        .filter(|rest| starts(rest));
    let is_token = above.len() == 32 && above.iter().all(u8::is_ascii_hexdigit);
    own.or_else(|| (is_token && starts(directory)).then_some(directory))
}

#[cfg(test)]
mod tests;
