//! zypper: not spoken yet.

use std::io;

use super::{Call, Machine, Voice};

/// Generations.
pub(super) const VARIANTS: &[&str] = &["1.14.42", "1.14.89"];

/// `zypper ps`.
pub(super) fn ps(_: &Call, _: &mut dyn Machine, voice: &mut Voice<'_>) -> io::Result<u8> {
    voice.note("not spoken yet");
    Ok(1)
}

/// `zypper needs-rebooting`.
pub(super) fn needs_rebooting(
    _: &Call,
    _: &mut dyn Machine,
    voice: &mut Voice<'_>,
) -> io::Result<u8> {
    voice.note("not spoken yet");
    Ok(1)
}
