//! Systems that are installed side by side: which runs, and which would run after a reboot.

use super::files::Files;
use crate::model::Deployment;
use crate::view::ProcRoot;

pub(super) fn read(_proc: &ProcRoot, _files: &Files<'_>) -> Vec<Deployment> {
    Vec::new()
}
