//! Whether more than restarts is needed, and why.

use super::{Banner, Bytes, Level, Timestamp};

/// What is needed, with all its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reboot {
    /// The highest level of all causes; `None` if nobody looked, which is not [`Level::None`].
    pub level: Option<Level>,
    /// What asks for it, the highest level first.
    pub causes: Vec<Cause>,
    /// What was seen and asks for nothing: each says why not.
    pub notes: Vec<Cause>,
    /// The running kernel; `None` where there is none to judge: in containers, or if nobody looked.
    pub kernel: Option<KernelState>,
}

impl Reboot {
    /// The highest level of the causes that rest on what was found.
    #[must_use]
    pub fn sure_level(&self) -> Option<Level> {
        self.level?;
        let sure = self.causes.iter().filter(|cause| cause.sure);
        Some(sure.map(|cause| cause.level).max().unwrap_or_default())
    }

    /// Since when the level is what it is: the oldest of the causes that ask for it and tell.
    #[must_use]
    pub fn since(&self) -> Option<Timestamp> {
        let top = self.level?;
        let causes = self.causes.iter().filter(|cause| cause.level == top);
        causes.filter_map(|cause| cause.since).min()
    }
}

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The rule's stable name: `kernel.newer`, `package`, `flag`.
    pub rule: &'static str,
    /// What it asks for; nothing, if it is a note.
    pub level: Level,
    /// Why, as a sentence part: lower case, no full stop. Holds bytes of the machine; escaped when shown.
    pub why: String,
    /// The packages behind it.
    pub packages: Vec<Upgrade>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Whether it rests on what was found, and not on what could not be looked at.
    pub sure: bool,
}

impl Cause {
    /// A reason that rests on what was found, without packages and time.
    #[must_use]
    pub fn new(rule: &'static str, level: Level, why: String) -> Self {
        Self {
            rule,
            level,
            why,
            packages: Vec::new(),
            since: None,
            sure: true,
        }
    }
}

/// A package, before and now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Upgrade {
    /// Its name.
    pub name: String,
    /// The version that runs, where that is known.
    pub old: Option<String>,
    /// The version that is installed; `None` if it was removed, or is not known.
    pub new: Option<String>,
}

/// How the running kernel compares with what is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelState {
    /// What runs.
    pub running: Banner,
    /// How it compares.
    pub verdict: KernelVerdict,
    /// The image that would boot, if that can be told.
    pub next: Option<NextKernel>,
    /// Whether the modules of the running kernel are no longer there: what is not loaded yet cannot be loaded any more.
    pub modules_gone: bool,
    /// By whose word live patches have made the running kernel as good as the next one.
    pub live_patched_by: Option<String>,
    /// What else there is to say, for people.
    pub remarks: Vec<String>,
}

/// An image that would boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextKernel {
    /// Its file.
    pub path: Bytes,
    /// What it says of itself.
    pub banner: Banner,
    /// Whether the boot loader's files say so; otherwise it is the newest of the running flavour.
    pub by_loader: bool,
    /// Whether it is of another flavour than what runs: only the boot loader's word can mean that.
    pub other_flavour: bool,
    /// When the file came to be.
    pub since: Timestamp,
}

/// Verdicts on a running kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KernelVerdict {
    /// It is the one that would boot.
    Current,
    /// The one that would boot has the same release, but is another build.
    Rebuilt,
    /// A newer one would boot.
    Newer,
    /// It is no longer installed, and neither are its modules.
    Removed,
    /// An older one would boot, though the running one is installed.
    OlderDefault,
    /// Nothing like it was ever installed here: built by hand, or provided from outside.
    Custom,
    /// Could not be told, and why.
    Unknown(String),
}

impl KernelVerdict {
    /// Its word in every outside form.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Rebuilt => "rebuilt",
            Self::Newer => "newer",
            Self::Removed => "removed",
            Self::OlderDefault => "older-default",
            Self::Custom => "custom",
            Self::Unknown(_) => "unknown",
        }
    }
}
