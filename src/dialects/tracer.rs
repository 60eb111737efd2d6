//! tracer: not spoken yet.

use std::io;

use super::{Call, Machine, Voice};

/// Speaks it.
pub(super) fn speak(_: &Call, _: &mut dyn Machine, voice: &mut Voice<'_>) -> io::Result<u8> {
    voice.note("not spoken yet");
    Ok(1)
}
