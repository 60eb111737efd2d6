//! The exit status: one table.

use std::process::ExitCode;

use crate::model::Action;
use crate::report::Assessment;

/// How a run ends. The numbers are documented in `unstale(1)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// The check is complete (with `--exit-code`: and nothing is stale).
    Complete = 0,
    /// No result.
    Failed = 1,
    /// Wrong usage.
    Usage = 2,
    /// Something could not be judged.
    Incomplete = 3,
    /// With `--exit-code`: something has to be restarted.
    Restart = 10,
    /// With `--exit-code`: a session or a person has to act.
    Person = 11,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The status of a check. *Could not look* comes before all others: it is never *nothing found*, and never a verdict.
pub(super) fn of_check(assessment: &Assessment<'_>, by_verdict: bool) -> Exit {
    if !assessment.problems.is_empty() {
        return Exit::Incomplete;
    }
    if !by_verdict {
        return Exit::Complete;
    }
    let actions = assessment.plan.items.iter().map(|item| match item.action {
        Action::Restart | Action::Reexec | Action::RestartContainer | Action::RestartVm => {
            Exit::Restart
        }
        Action::Relogin | Action::Defer => Exit::Person,
        Action::Leave => Exit::Complete,
    });
    // What can be done at once is named first.
    let found: Vec<Exit> = actions.collect();
    [Exit::Restart, Exit::Person]
        .into_iter()
        .find(|exit| found.contains(exit))
        .unwrap_or(Exit::Complete)
}
