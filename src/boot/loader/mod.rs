//! Boot loaders: which there is, and what it would boot if nobody chooses.

use super::files::Files;
use crate::model::{Loader, LoaderKind};

/// What the files of the boot loader say.
pub(super) fn read(_files: &Files<'_>) -> Loader {
    Loader {
        kind: LoaderKind::Unknown,
        default: None,
        notes: Vec::new(),
    }
}
