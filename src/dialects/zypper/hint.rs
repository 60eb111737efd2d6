//! Whether a reboot is suggested, and how zypper says so.

use std::io;
use std::path::Path;

use crate::dialects::{Machine, Scene};
use crate::model::Level;
use crate::problem::Problem;

/// libzypp's flag file.
const FLAG: &[u8] = b"/reboot-needed";
/// Where it may be, and what has to be looked at to know.
const PLACES: [&[u8]; 4] = [
    b"/run",
    b"/var/run",
    b"/run/reboot-needed",
    b"/var/run/reboot-needed",
];

/// Generations of zypper that say it differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generation {
    /// 1.14.42 and before.
    Old,
    /// 1.14.89.
    Current,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hint {
    /// It is.
    Suggested,
    /// It is not.
    Not,
    /// Too little could be looked at.
    Unknown,
}

impl Generation {
    /// By the name of a variant.
    pub(super) fn of(variant: Option<&str>) -> Self {
        match variant {
            Some("1.14.42") => Self::Old,
            _ => Self::Current,
        }
    }

    /// The flag file.
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Old => "/var/run/reboot-needed",
            Self::Current => "/run/reboot-needed",
        }
    }

    /// What is printed. Nothing, if nothing is known: both other texts would be claims.
    pub(super) fn lines(self, hint: Hint) -> &'static [&'static str] {
        match (self, hint) {
            (_, Hint::Unknown) => &[],
            (Self::Old, Hint::Suggested) => &[
                "Core libraries or services have been updated.",
                "Reboot is required to ensure that your system benefits from these updates.",
            ],
            (Self::Old, Hint::Not) => &[
                "No core libraries or services have been updated.",
                "Reboot is probably not necessary.",
            ],
            (Self::Current, Hint::Suggested) => &[
                "Since the last system boot core libraries or services have been updated.",
                "Reboot is suggested to ensure that your system benefits from these updates.",
            ],
            (Self::Current, Hint::Not) => &[
                "No core libraries or services have been updated since the last system boot.",
                "Reboot is probably not necessary.",
            ],
        }
    }
}

impl Hint {
    /// By the flag file alone.
    pub(super) fn by_flag(flagged: Flagged) -> Self {
        match flagged {
            Some(true) => Self::Suggested,
            Some(false) => Self::Not,
            None => Self::Unknown,
        }
    }

    /// By what was found. A soft reboot counts, as it does in the flag file; what rests on what could not be looked at is
    /// no suggestion, but no clean answer either.
    pub(super) fn found(scene: &Scene) -> Self {
        let sure = scene.reboot.sure_level();
        if sure.is_some_and(|level| level >= Level::SoftReboot) {
            Self::Suggested
        } else if scene.reboot_is_untold() {
            Self::Unknown
        } else {
            Self::Not
        }
    }
}

/// Whether the flag file is there; `None` if that could not be looked at.
pub(super) type Flagged = Option<bool>;

/// Whether it is there on the running system.
///
/// # Errors
/// What the system said.
pub(super) fn is_flagged(generation: Generation, machine: &dyn Machine) -> io::Result<bool> {
    machine.is_there(Path::new(generation.file()))
}

/// Whether it is there below another root. Symbolic links of that root lead nowhere else: its files were found by who looked
/// there. Where `/run` and `/var/run` are two, either counts.
pub(super) fn is_flagged_below(scene: &Scene) -> Flagged {
    let boot = scene.boot.as_ref()?;
    let is_it = |path: &[u8]| path.ends_with(FLAG);
    let found = boot.flags.iter().any(|flag| is_it(flag.path.as_slice()));
    let is_about = |problem: &&Problem| PLACES.contains(&problem.object.as_slice());
    match scene.problems.iter().find(is_about) {
        Some(_) if !found => None,
        _ => Some(found),
    }
}
