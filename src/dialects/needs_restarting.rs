//! needs_restarting: not spoken yet.

use std::io;

use super::{Call, Machine, Voice};

/// Generations.
pub(super) const VARIANTS: &[&str] = &["yum", "dnf4", "dnf5", "zypper"];

/// Speaks it.
pub(super) fn speak(_: &Call, _: &mut dyn Machine, voice: &mut Voice<'_>) -> io::Result<u8> {
    voice.note("not spoken yet");
    Ok(1)
}
