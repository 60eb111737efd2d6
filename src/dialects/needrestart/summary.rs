//! What one run has to tell, whatever the form.

use super::kernel::Kernel;
use super::names::{Findings, Version};
use super::ucode::Ucode;

/// The answers to the checks that were selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Summary {
    /// As which generation it is told.
    pub(super) version: Version,
    /// Whether the original's defects are wanted.
    pub(super) compat: bool,
    /// The kernel; `None` if that was not to be checked, or is not this system's.
    pub(super) kernel: Option<Kernel>,
    /// Microcode; the same.
    pub(super) ucode: Option<Ucode>,
    /// What is stale; `None` if that was not to be checked.
    pub(super) findings: Option<Findings>,
    /// Whether so much could not be looked at that nothing stale means nothing.
    pub(super) incomplete: bool,
    /// How many processes could not be looked into.
    pub(super) unreadable: usize,
}

#[cfg(test)]
mod tests;
