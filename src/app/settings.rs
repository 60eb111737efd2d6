//! `config`: shows, checks and translates settings.

use super::exit::Exit;
use crate::cli::ConfigFlags;
use crate::error::Error;

/// Does what is asked.
pub(super) fn run(_flags: &ConfigFlags) -> Result<Exit, Error> {
    Ok(Exit::Failed)
}
