//! `restart`: plans, asks, hands the work over, follows it, and says how it ended.

use super::exit::Exit;
use crate::cli::{RestartFlags, RestartWorkerFlags};
use crate::error::Error;

/// Asks for a restart.
pub(super) fn run(_flags: &RestartFlags) -> Result<Exit, Error> {
    Ok(Exit::Failed)
}

/// Carries one out.
pub(super) fn work(_flags: &RestartWorkerFlags) -> Result<Exit, Error> {
    Ok(Exit::Failed)
}
