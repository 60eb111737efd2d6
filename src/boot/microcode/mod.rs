//! Microcode: what runs in each processor, and what is on disk for it.

use super::files::Files;
use crate::model::Microcode;
use crate::view::ProcRoot;

/// `None` where nobody could renew it from here: other architectures, virtual machines.
pub(super) fn read(_proc: &ProcRoot, _files: &Files<'_>) -> Option<Microcode> {
    None
}
