//! `hook`: what package managers call. Never fails them, never prompts, never hangs, and says one line at most.
//!
//! What dpkg does is stamped while it does it (`hook dpkg`); after each of its runs a service is started that is there once
//! at most (`hook apt`); and that one waits until all package managers are done, and then looks and acts once (`hook after`).

mod after;
mod quiet;
mod steps;
mod surroundings;

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use super::talk;
use crate::act::hand_over;
use crate::act::spawn::{self, How, Order, Program, Tool};
use crate::act::stamps::{self, Stamp};
use crate::cli::{HookCommand, HookFlags};
use crate::config::{self, Sources};
use crate::model::Mode;
use crate::trust;
use steps::{Event, Lines};

pub(super) use quiet::{settings, wait};
pub(super) use surroundings::is_systemd;

/// The machine.
const ROOT: &str = "/";
/// A hook that waits for anything longer than this ends: a package manager waits for it.
const LIMIT: Duration = Duration::from_secs(15);
const START_LIMIT: Duration = Duration::from_secs(5);
const SERVICE: &str = "unstale-after";
/// Where we are, where the running program was replaced under us: by the very upgrade that called us.
const INSTALLED: &str = "/usr/bin/unstale";
/// What systemctl(1) ends with if it does not know a unit (LSB: "program is not installed").
const NO_UNIT: i32 = 5;

/// Does what a hook does. Whatever happens, it is no reason for a package manager to fail.
pub(super) fn run(flags: &HookFlags) -> ExitCode {
    match &flags.command {
        HookCommand::Dpkg => follow_dpkg(),
        HookCommand::After => after::run(),
        HookCommand::Apt => {
            end_in_time();
            after_dpkg();
        }
        HookCommand::Kernel { .. } => {
            end_in_time();
            mark("kernel");
        }
        HookCommand::Transaction => {
            end_in_time();
            mark("transaction");
            after_transaction(false);
        }
    }
    ExitCode::SUCCESS
}

/// Ends this process in time, whatever it waits for.
fn end_in_time() {
    let alarm = std::thread::Builder::new().spawn(|| {
        std::thread::sleep(LIMIT);
        std::process::exit(0);
    });
    // Without a thread there is no alarm, and everything that is waited for has a deadline of its own.
    drop(alarm);
}

/// Reads what dpkg says to the end: a pipe that nobody reads would stop it, or end it.
fn follow_dpkg() {
    let keeps_stamps = surroundings::keeps_stamps();
    let mut run = Run::default();
    let mut lines = Lines::default();
    let mut stdin = std::io::stdin().lock();
    let mut piece = [0; 4096];
    loop {
        let length = match stdin.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        let events = lines.take(&piece[..length]);
        if keeps_stamps {
            run.follow(Path::new(ROOT), &events);
        }
    }
    if keeps_stamps {
        end_in_time();
        run.end(Path::new(ROOT));
        // Front ends have hooks of their own, and are not done yet: dpkg(1), DPKG_FRONTEND_LOCKED.
        if std::env::var_os("DPKG_FRONTEND_LOCKED").is_none() {
            after_dpkg();
        }
    }
}

/// A run of dpkg. What cannot be stamped has nobody to hear it.
#[derive(Debug, Default)]
struct Run {
    changed: bool,
    failed: bool,
    configured: bool,
}

impl Run {
    /// Stamps what happens while it happens; one of a kind for each run.
    fn follow(&mut self, root: &Path, events: &[Event]) {
        for event in events {
            let (known, stamp) = match event {
                Event::Changed => (&mut self.changed, Stamp::Pending),
                Event::Failed => (&mut self.failed, Stamp::Errored),
                Event::Configured => {
                    self.configured = true;
                    continue;
                }
            };
            if !std::mem::replace(known, true) {
                stamps::set(root, stamp, "dpkg").ok();
            }
        }
    }

    /// A run that works after one that failed decides for both. That may bring no new files (`dpkg --configure -a`).
    fn end(&self, root: &Path) {
        if self.failed || !(self.changed || self.configured) {
            return;
        }
        if let Ok(Some(errored)) = stamps::see(root, Stamp::Errored) {
            stamps::set(root, Stamp::Pending, "dpkg").ok();
            stamps::clear(root, Stamp::Errored, &errored).ok();
        }
    }
}

/// Says that packages changed.
fn mark(by: &str) {
    if surroundings::keeps_stamps() {
        stamps::set(Path::new(ROOT), Stamp::Pending, by).ok();
    }
}

/// After each run of dpkg by apt.
fn after_dpkg() {
    let is_set = |stamp| stamps::see(Path::new(ROOT), stamp).is_ok_and(|seen| seen.is_some());
    if is_set(Stamp::Pending) {
        after_transaction(is_set(Stamp::Errored));
    }
}

/// Lets the service do the rest, if it may.
fn after_transaction(failed: bool) {
    if !surroundings::is_own_system() || surroundings::is_going_down() {
        return;
    }
    if let Some(who) = surroundings::suspended_by() {
        talk(&format!(
            "packages changed; {who} holds back a look at what runs"
        ));
        return;
    }
    let started = start_after();
    if failed {
        talk("dpkg failed: nothing is restarted, unstale status will say what runs old code");
    } else if surroundings::is_watched() {
        talk(match started {
            // Nobody is asked before the package manager has gone home: it holds its locks, and the terminal.
            true if wants_to_ask() => "packages changed; unstale restart asks what to restart",
            true => "looking for programs that run old code; unstale status says what is found",
            false => "packages changed; unstale check says what runs old code",
        });
    }
}

fn wants_to_ask() -> bool {
    let euid = rustix::process::geteuid().as_raw();
    // What is wrong with settings is said by those who need them.
    config::read(&Sources::of_machine(euid)).is_ok_and(|settings| settings.hook.mode == Mode::Ask)
}

/// Starts the service, without waiting for it; it may run already. Between the last thing that it does, a look for a new
/// stamp, and the moment at which its manager knows that it ended, a start is lost: then the stamp stays, status says so,
/// and the next transaction takes it up.
fn start_after() -> bool {
    if !surroundings::is_systemd() {
        return false;
    }
    let unit = format!("{SERVICE}.service");
    match order(Tool::Systemctl, ["start", "--no-block", &unit]) {
        Some(How::Exited(0)) => true,
        // The program is here without its files.
        Some(How::Exited(NO_UNIT)) => {
            // It fails where a unit of that name runs, which is as good.
            start_transient(SERVICE, ["hook", "after"].map(OsString::from)).is_ok()
        }
        _ => false,
    }
}

/// Starts this program in a transient unit, without waiting for it. Whether systemd took it: not where a unit of that name runs.
///
/// # Errors
/// Nobody could be asked, or this program is not to be started by its path.
pub(super) fn start_transient(
    name: &str,
    args: impl IntoIterator<Item = OsString>,
) -> Result<bool, String> {
    let mut words: Vec<OsString> = [
        "--quiet",
        "--collect",
        "--no-block",
        "--no-ask-password",
        &format!("--unit={name}"),
        "--property=Nice=10",
        "--property=IOSchedulingClass=idle",
        "--",
    ]
    .map(OsString::from)
    .to_vec();
    words.push(own_path()?);
    for arg in args {
        words.push(hand_over::literal(&arg)?);
    }
    match order(Tool::SystemdRun, words) {
        Some(how) => Ok(how == How::Exited(0)),
        None => Err("systemd-run cannot be started".to_owned()),
    }
}

/// Whether a unit runs.
pub(super) fn is_active(unit: &str) -> bool {
    let how = order(Tool::Systemctl, ["is-active", "--quiet", unit]);
    how == Some(How::Exited(0))
}

/// Root will run it, again and again: what others than root could have written is not ours.
fn own_path() -> Result<OsString, String> {
    let installed = |why: String| {
        let path = PathBuf::from(INSTALLED);
        let trusted = trust::open_trusted(&path, 0);
        trusted.map(|_| path).map_err(|_| why)
    };
    let path = hand_over::own_path().or_else(installed)?;
    hand_over::literal(path.as_os_str())
}

fn order<A: Into<OsString>>(tool: Tool, args: impl IntoIterator<Item = A>) -> Option<How> {
    let order = Order {
        program: Program::Tool(tool),
        args: args.into_iter().map(Into::into).collect(),
        env: Vec::new(),
        stdin: Vec::new(),
        user: None,
        limit: START_LIMIT,
        output_cap: 1024,
    };
    spawn::run(order).ok().map(|ended| ended.how)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Event::{Changed, Configured, Failed};

    /// Runs of dpkg one after the other, and the stamps that are left: pending, errored.
    #[track_caller]
    fn check(runs: &[&[Event]], expected: (bool, bool)) {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        std::fs::create_dir(root.join("run")).unwrap();
        for events in runs {
            // What came before was looked at.
            if let Some(pending) = stamps::see(root, Stamp::Pending).unwrap() {
                stamps::clear(root, Stamp::Pending, &pending).unwrap();
            }
            let mut run = Run::default();
            events.chunks(2).for_each(|events| run.follow(root, events));
            run.end(root);
        }
        let is_set = |stamp| stamps::see(root, stamp).unwrap().is_some();
        let left = (is_set(Stamp::Pending), is_set(Stamp::Errored));
        assert_eq!(left, expected, "{runs:?}");
    }

    #[test]
    fn t12_06_what_repairs_a_failed_run_decides_for_both() {
        check(&[&[]], (false, false));
        check(&[&[Configured]], (false, false));
        check(&[&[Changed, Configured, Changed]], (true, false));
        check(&[&[Changed, Configured, Failed]], (true, true));
        check(&[&[Changed, Failed], &[]], (false, true));
        check(&[&[Changed, Failed], &[Configured]], (true, false));
        check(&[&[Changed, Failed], &[Changed, Configured]], (true, false));
        check(&[&[Changed, Failed], &[Configured, Failed]], (false, true));
    }
}
