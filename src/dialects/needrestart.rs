//! needrestart: not spoken yet.

use std::io;

use super::{Call, Machine, Voice};

/// Generations.
pub(super) const VARIANTS: &[&str] = &["3.6", "3.11"];

/// Speaks it.
pub(super) fn speak(_: &Call, _: &mut dyn Machine, voice: &mut Voice<'_>) -> io::Result<u8> {
    voice.note("not spoken yet");
    Ok(1)
}
