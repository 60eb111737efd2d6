//! Whether a reboot is suggested, and how zypper says so.

use std::path::{Path, PathBuf};

use crate::dialects::Machine;
use crate::model::{Level, Reboot};

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
    pub(super) fn by_flag(flagged: bool) -> Self {
        match flagged {
            true => Self::Suggested,
            false => Self::Not,
        }
    }

    /// By what was found. A soft reboot counts, as it does in the flag file; what rests on what could not be looked at is
    /// no suggestion, but no clean answer either.
    pub(super) fn found(reboot: &Reboot) -> Self {
        let asks = |level: Option<Level>| level.is_some_and(|level| level >= Level::SoftReboot);
        if asks(reboot.sure_level()) {
            Self::Suggested
        } else if reboot.level.is_none() || asks(reboot.level) {
            Self::Unknown
        } else {
            Self::Not
        }
    }
}

/// Whether libzypp's flag file is there.
pub(super) fn is_flagged(
    generation: Generation,
    root: Option<&Path>,
    machine: &dyn Machine,
) -> bool {
    let file = match generation {
        Generation::Old => "var/run/reboot-needed",
        Generation::Current => "run/reboot-needed",
    };
    let root = root.map_or_else(|| PathBuf::from("/"), Path::to_owned);
    machine.exists(&root.join(file))
}
