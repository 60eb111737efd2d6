//! What one run has to tell, whatever the form.

use super::kernel::Kernel;
use super::names::{Findings, Version};
use super::ucode::Ucode;
use crate::dialects::Subject;

/// Checks that were selected, and not done in full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Doubts {
    /// The kernel.
    pub(super) kernel: bool,
    /// Microcode.
    pub(super) ucode: bool,
    /// Processes.
    pub(super) findings: bool,
}

impl Doubts {
    /// Adds what concerns a check. Packages name what is found, and concern no check.
    pub(super) fn add(&mut self, subject: Subject) {
        match subject {
            Subject::Kernel => self.kernel = true,
            Subject::Microcode => self.ucode = true,
            Subject::Processes => self.findings = true,
            Subject::Packages => {}
        }
    }
}

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
    /// Of which of these something could not be looked at: that nothing was found says nothing then.
    pub(super) doubts: Doubts,
    /// How many processes could not be looked into in full.
    pub(super) unreadable: usize,
}

impl Summary {
    /// Whether anything that was selected was not looked at in full.
    pub(super) fn is_incomplete(&self) -> bool {
        let Doubts {
            kernel,
            ucode,
            findings,
        } = self.doubts;
        kernel && self.kernel.is_some()
            || ucode && self.ucode.is_some()
            || findings && self.findings.is_some()
    }
}

#[cfg(test)]
mod tests;
