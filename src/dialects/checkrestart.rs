//! checkrestart: not spoken yet.

use std::io;

use super::{Call, Machine, Voice};

/// Generations.
pub(super) const VARIANTS: &[&str] = &["0.88.1", "0.88.2"];

/// Speaks it.
pub(super) fn speak(_: &Call, _: &mut dyn Machine, voice: &mut Voice<'_>) -> io::Result<u8> {
    voice.note("not spoken yet");
    Ok(1)
}
