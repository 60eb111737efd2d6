//! The exit status: one table.

use std::process::ExitCode;

use crate::cli::ExitStyle;
use crate::model::{Action, Level, Reboot};
use crate::report::Assessment;
use crate::report::status::Status;

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
    /// Of a restart: another one goes on.
    Busy = 4,
    /// With `--exit-code`: something has to be restarted.
    Restart = 10,
    /// With `--exit-code`: a session or a person has to act.
    Person = 11,
    /// With `--exit-code`: a reboot is needed, of whatever kind.
    Reboot = 12,
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
    let actions = assessment.plan.items.iter().map(|item| item.action);
    of_found(actions, assessment.reboot.level)
}

/// The status of `status`: as of the check that it tells of, if that is all there is to know.
pub(super) fn of_status(status: &Status<'_>, by_verdict: bool) -> Exit {
    match status.state.filter(|_| status.is_known()) {
        None => Exit::Incomplete,
        Some(_) if !by_verdict => Exit::Complete,
        Some(state) => of_found(state.items.iter().map(|item| item.action), state.level),
    }
}

/// What can be done at once is named first; what cannot, by how much it takes.
fn of_found(actions: impl Iterator<Item = Action>, level: Option<Level>) -> Exit {
    let found = actions.map(|action| match action {
        Action::Restart | Action::Reexec | Action::RestartContainer | Action::RestartVm => {
            Exit::Restart
        }
        Action::Relogin | Action::Defer => Exit::Person,
        Action::Leave => Exit::Complete,
    });
    let found: Vec<Exit> = found.collect();
    if found.contains(&Exit::Restart) {
        return Exit::Restart;
    }
    match level.unwrap_or_default() {
        Level::SoftReboot | Level::Kexec | Level::Reboot => Exit::Reboot,
        Level::None | Level::Service | Level::Session if found.contains(&Exit::Person) => {
            Exit::Person
        }
        Level::None | Level::Service | Level::Session => Exit::Complete,
    }
}

/// The status of `reboot-hint`.
pub(super) fn of_reboot(
    style: ExitStyle,
    reboot: &Reboot,
    complete: bool,
    by_level: bool,
) -> ExitCode {
    let number = match (style, reboot.level.filter(|_| complete)) {
        // Found is found, whatever else could not be looked at.
        (ExitStyle::Kured, _) if reboot.sure_level() == Some(Level::Reboot) => 0,
        (_, None) => return of_failure_to_see(style),
        (ExitStyle::Native, Some(_)) if !by_level => Exit::Complete as u8,
        (ExitStyle::Native, Some(level)) => match level {
            Level::None => Exit::Complete as u8,
            Level::Service => Exit::Restart as u8,
            Level::Session => Exit::Person as u8,
            Level::SoftReboot | Level::Kexec | Level::Reboot => Exit::Reboot as u8,
        },
        (ExitStyle::Kured, Some(_)) => 1,
        (style, Some(Level::SoftReboot | Level::Kexec | Level::Reboot)) => match style {
            ExitStyle::Zypper => 102,
            ExitStyle::Tracer => 104,
            ExitStyle::Rpm | ExitStyle::Native | ExitStyle::Kured => 1,
        },
        (ExitStyle::Tracer, Some(Level::Session)) => 103,
        (ExitStyle::Tracer, Some(Level::Service)) => 102,
        (_, Some(_)) => 0,
    };
    ExitCode::from(number)
}

/// *Could not tell*: never the number of a reboot, nor of none.
fn of_failure_to_see(style: ExitStyle) -> ExitCode {
    ExitCode::from(match style {
        ExitStyle::Native | ExitStyle::Rpm => 3,
        ExitStyle::Kured => 2,
        ExitStyle::Zypper => 4,
        ExitStyle::Tracer => 1,
    })
}

/// No result at all.
pub(super) fn of_failure(style: ExitStyle) -> ExitCode {
    match style {
        ExitStyle::Native => Exit::Failed.into(),
        style => of_failure_to_see(style),
    }
}
