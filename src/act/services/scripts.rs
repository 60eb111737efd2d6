//! Service managers without a memory of units: OpenRC, runit, and init scripts of System V. They are asked for one
//! service at a time, by the program that the distribution has for that.

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use super::ServiceManager;
use super::answer::success_of;
use crate::act::spawn::{How, Order, Program, Tool, run};
use crate::model::{ManagerState, Scope, Timestamp, UnitState};

const STATUS_LIMIT: Duration = Duration::from_secs(10);
const OUTPUT_CAP: usize = 64 * 1024;
const NAME_CAP: usize = 64;
/// Services are up in seconds, or their `check` never succeeds: that of Debian's `default-syslog` fails where no socklog is.
const RUNIT_LIMIT: Duration = Duration::from_secs(61);
/// Where services of runit are linked to run: Debian's place, and Void's.
const RUNIT_PLACES: [&str; 3] = ["/etc/service", "/var/service", "/service"];

/// OpenRC, through rc-service(8).
#[derive(Debug, Default)]
pub struct OpenRc;

/// runit, through sv(8).
#[derive(Debug, Default)]
pub struct Runit;

/// Init scripts, through invoke-rc.d(8) or service(8).
#[derive(Debug, Default)]
pub struct SysV;

/// What differs between them.
trait Scripts: std::fmt::Debug {
    const NAME: &'static str;

    /// Whether there is such a service; the name is tame.
    fn exists(&self, name: &str) -> bool;

    /// The program, and its words for an action.
    fn command(&self, action: Action, name: &str, limit: Duration) -> (Tool, Vec<String>);

    /// What belongs to a service and is restarted by itself.
    fn beside(&self, _name: &str) -> Option<String> {
        None
    }

    /// For people.
    fn look(&self, name: &str) -> String;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Status,
    Restart,
    Clear,
    Start,
}

impl Scripts for OpenRc {
    const NAME: &'static str = "OpenRC";

    fn exists(&self, name: &str) -> bool {
        has_script(name)
    }

    fn command(&self, action: Action, name: &str, _: Duration) -> (Tool, Vec<String>) {
        let words: &[&str] = match action {
            Action::Status => &[name, "status"],
            Action::Restart => &["--ifstarted", name, "restart"],
            // Forgets that it crashed; nothing is stopped.
            Action::Clear => &[name, "zap"],
            Action::Start => &[name, "start"],
        };
        (Tool::RcService, owned(words))
    }

    fn look(&self, name: &str) -> String {
        format!("rc-service {name} status")
    }
}

impl Scripts for Runit {
    const NAME: &'static str = "runit";

    fn exists(&self, name: &str) -> bool {
        runit_place(name).is_some()
    }

    fn command(&self, action: Action, name: &str, limit: Duration) -> (Tool, Vec<String>) {
        let verb = match action {
            Action::Status => "status",
            Action::Restart => "try-restart",
            // One that failed is started again and again anyway.
            Action::Clear | Action::Start => "start",
        };
        // It waits for seven seconds otherwise. A little less than we do: then it says what is wrong.
        let secs = limit.min(RUNIT_LIMIT).as_secs().saturating_sub(1).max(1);
        let secs = secs.to_string();
        let place = runit_place(name).unwrap_or_else(|| name.to_owned());
        (Tool::Sv, owned(&["-w", &secs, verb, &place]))
    }

    /// Its log's service (runsv(8)): the pipe between them is kept meanwhile.
    fn beside(&self, name: &str) -> Option<String> {
        let log = format!("{name}/log");
        runit_place(&log).map(|_| log)
    }

    fn look(&self, name: &str) -> String {
        format!("sv status {name}")
    }
}

impl Scripts for SysV {
    const NAME: &'static str = "sysvinit";

    fn exists(&self, name: &str) -> bool {
        has_script(name)
    }

    fn command(&self, action: Action, name: &str, _: Duration) -> (Tool, Vec<String>) {
        let verb = match action {
            Action::Status => "status",
            Action::Restart => "restart",
            Action::Clear | Action::Start => "start",
        };
        match Tool::InvokeRcd.is_installed() && action != Action::Status {
            // It asks the administrator's policy; without the option, what that forbids passes for done.
            true => (Tool::InvokeRcd, owned(&["--disclose-deny", name, verb])),
            false => (Tool::Service, owned(&[name, verb])),
        }
    }

    fn look(&self, name: &str) -> String {
        format!("service {name} status")
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn has_script(name: &str) -> bool {
    Path::new("/etc/init.d").join(name).is_file()
}

/// The directory of a service that is supervised.
fn runit_place(name: &str) -> Option<String> {
    let mut places = RUNIT_PLACES.iter().map(|place| format!("{place}/{name}"));
    places.find(|place| Path::new(place).join("supervise").is_dir())
}

/// A name that is neither an option nor a path nor anything to a shell.
fn is_tame(name: &str) -> bool {
    let mut bytes = name.bytes();
    let begins = bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphanumeric());
    begins
        && name.len() <= NAME_CAP
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.+@-".contains(&byte))
}

fn order<'a>((tool, words): (Tool, Vec<String>), limit: Duration) -> Order<'a> {
    Order {
        program: Program::Tool(tool),
        args: words.into_iter().map(OsString::from).collect(),
        env: Vec::new(),
        stdin: Vec::new(),
        user: None,
        limit,
        output_cap: OUTPUT_CAP,
    }
}

/// A service of the system that is there.
fn check(manager: &impl Scripts, scope: Scope, name: &str) -> Result<(), String> {
    match scope {
        Scope::User(_) => Err("it has no services of users".to_owned()),
        Scope::System if is_tame(name) && manager.exists(name) => Ok(()),
        Scope::System => Err("there is no such service".to_owned()),
    }
}

fn act(manager: &impl Scripts, action: Action, name: &str, limit: Duration) -> Result<(), String> {
    success_of(order(manager.command(action, name, limit), limit))
}

impl<M: Scripts> ServiceManager for M {
    fn name(&self) -> &'static str {
        M::NAME
    }

    /// It has no units to tell of, and nothing of its own that is waited for.
    fn describe(&mut self, scope: Scope) -> Result<ManagerState, String> {
        match scope {
            Scope::System => Ok(ManagerState::default()),
            Scope::User(_) => Err("it has no services of users".to_owned()),
        }
    }

    fn unit(&mut self, scope: Scope, name: &str) -> Result<UnitState, String> {
        let mut unit = UnitState {
            id: name.to_owned(),
            names: vec![name.to_owned()],
            load: "not-found".to_owned(),
            active: "inactive".to_owned(),
            ..UnitState::default()
        };
        if check(self, scope, name).is_err() {
            return Ok(unit);
        }
        let command = self.command(Action::Status, name, STATUS_LIMIT);
        let ended = run(order(command, STATUS_LIMIT)).map_err(|error| error.to_string())?;
        // LSB 5.0, 22.2: 0 is running. Scripts without `status` answer 2 or 3 as well: those are not restarted blindly.
        let is_up = ended.how == How::Exited(0) && !ended.stdout.starts_with(b"down:");
        unit.load = "loaded".to_owned();
        if is_up {
            unit.active = "active".to_owned();
        }
        (unit.can_start, unit.can_stop) = (true, true);
        Ok(unit)
    }

    fn reload(&mut self, _: Scope) -> Result<(), String> {
        // Scripts are read whenever they run.
        Ok(())
    }

    fn reexec(&mut self, _: Scope) -> Result<(), String> {
        Err(format!("{} is not started anew from here", M::NAME))
    }

    fn try_restart(&mut self, scope: Scope, name: &str, limit: Duration) -> Result<(), String> {
        check(self, scope, name)?;
        if self.unit(scope, name)?.active != "active" {
            return Ok(());
        }
        let end = Instant::now() + limit;
        act(self, Action::Restart, name, limit)?;
        match self.beside(name) {
            Some(beside) => act(
                self,
                Action::Restart,
                &beside,
                end.saturating_duration_since(Instant::now()),
            ),
            None => Ok(()),
        }
    }

    fn start_cleared(&mut self, scope: Scope, name: &str, limit: Duration) -> Result<(), String> {
        check(self, scope, name)?;
        let end = Instant::now() + limit;
        act(self, Action::Clear, name, STATUS_LIMIT.min(limit)).ok();
        act(
            self,
            Action::Start,
            name,
            end.saturating_duration_since(Instant::now()),
        )
    }

    /// They keep none.
    fn log(&mut self, _: Scope, _: &str, _: Timestamp) -> Vec<String> {
        Vec::new()
    }

    fn look_command(&self, _: Scope, name: &str) -> String {
        self.look(name)
    }
}

#[cfg(test)]
mod tests;
