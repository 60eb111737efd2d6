//! Service managers: what they say of their units, and what they are asked to do. Nobody else starts or stops a service.

mod answer;
mod here;
mod scripts;
mod systemd;

use std::time::Duration;

use crate::model::{ManagerState, Scope, Timestamp, UnitState};
pub use here::{Refusal, find, may_restart};
pub use scripts::{OpenRc, Runit, SysV};
pub use systemd::Systemd;

/// A service manager that runs on this machine.
pub trait ServiceManager: std::fmt::Debug {
    /// Its name, as people know it: `systemd`, `OpenRC`, `runit`, `sysvinit`.
    fn name(&self) -> &'static str;

    /// All units that the manager of a scope has in memory, and the state of that manager itself, in one question. Those
    /// without such a memory (init scripts) name no units.
    ///
    /// # Errors
    /// Why it does not say: not reached, not in time, not understood.
    fn describe(&mut self, scope: Scope) -> Result<ManagerState, String>;

    /// Some units, and the state of the manager: for verdicts on them, which need nothing of what a restart would pull along.
    /// There may be more in the answer.
    ///
    /// # Errors
    /// As [`Self::describe`].
    fn describe_some(&mut self, scope: Scope, _names: &[&str]) -> Result<ManagerState, String> {
        self.describe(scope)
    }

    /// One unit, as it is now; one that the manager does not know is `not-found` and `inactive`.
    ///
    /// # Errors
    /// As [`Self::describe`].
    fn unit(&mut self, scope: Scope, name: &str) -> Result<UnitState, String>;

    /// Fills in when the units with a start limit were started of late, if that is to be learnt. Takes a look of its own,
    /// which only those who are about to start something need.
    fn recent_starts(&mut self, _scope: Scope, _state: &mut ManagerState) {}

    /// Lets it read its unit files again.
    ///
    /// # Errors
    /// What it says.
    fn reload(&mut self, scope: Scope) -> Result<(), String>;

    /// Lets it start itself anew, keeping its services.
    ///
    /// # Errors
    /// What it says.
    fn reexec(&mut self, scope: Scope) -> Result<(), String>;

    /// Restarts a service if it runs, and waits for that.
    ///
    /// # Errors
    /// What it says, or that it did not end within `limit`.
    fn try_restart(&mut self, scope: Scope, name: &str, limit: Duration) -> Result<(), String>;

    /// Clears a failed state and the count of starts, then starts the service once.
    ///
    /// # Errors
    /// As [`Self::try_restart`].
    fn start_cleared(&mut self, scope: Scope, name: &str, limit: Duration) -> Result<(), String>;

    /// The last lines of the log of a unit since a time of day, or what is told of it without them; the oldest first. A
    /// manager may have started it again since: why it ended is in the log of an invocation before the last.
    fn log(&mut self, scope: Scope, name: &str, since: Timestamp) -> Vec<String>;

    /// The command by which a person looks further.
    fn look_command(&self, scope: Scope, name: &str) -> String;
}
