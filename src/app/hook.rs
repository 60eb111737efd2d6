//! `hook`: what package managers call. Never fails them, never prompts, never hangs, and says one line at most.
//!
//! What dpkg does is stamped while it does it (`hook dpkg`); after each of its runs a service is started that is there once
//! at most (`hook apt`); and that one waits until all package managers are done, and then looks and acts once (`hook after`).

mod after;
mod steps;
mod surroundings;

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use super::talk;
use crate::act::spawn::{self, How, Order, Program, Tool};
use crate::act::stamps::{self, Stamp};
use crate::cli::{HookCommand, HookFlags};
use crate::config::{self, Sources};
use crate::model::Mode;
use steps::{Event, Lines};

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
            after_transaction();
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
    let own_system = surroundings::is_own_system();
    let (mut pending, mut errored) = (false, false);
    let mut lines = Lines::default();
    let mut stdin = std::io::stdin().lock();
    let mut piece = [0; 4096];
    loop {
        let length = match stdin.read(&mut piece) {
            Ok(0) => return,
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        for event in lines.take(&piece[..length]) {
            let (set, stamp) = match event {
                Event::Changed => (&mut pending, Stamp::Pending),
                Event::Failed => (&mut errored, Stamp::Errored),
            };
            // One of a kind for each run of dpkg; where it cannot be set, nobody is there to hear it.
            if own_system && !std::mem::replace(set, true) {
                stamps::set(Path::new(ROOT), stamp, "dpkg").ok();
            }
        }
    }
}

/// Says that packages changed.
fn mark(by: &str) {
    if surroundings::is_own_system() {
        stamps::set(Path::new(ROOT), Stamp::Pending, by).ok();
    }
}

/// After each run of dpkg by apt.
fn after_dpkg() {
    let is_set = |stamp| stamps::see(Path::new(ROOT), stamp).is_ok_and(|seen| seen.is_some());
    if !is_set(Stamp::Pending) || !surroundings::is_own_system() {
        return;
    }
    if is_set(Stamp::Errored) {
        talk("dpkg failed: nothing is restarted, unstale status will say what runs old code");
        start_after();
        return;
    }
    after_transaction();
}

/// Lets the service do the rest, if it may.
fn after_transaction() {
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
    if surroundings::is_watched() {
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
        Some(How::Exited(NO_UNIT)) => start_transient(),
        _ => false,
    }
}

fn start_transient() -> bool {
    let mut args: Vec<OsString> = [
        "--quiet",
        "--collect",
        "--no-block",
        &format!("--unit={SERVICE}"),
        "--property=Nice=10",
        "--property=IOSchedulingClass=idle",
    ]
    .map(OsString::from)
    .to_vec();
    args.extend([own_path().into(), "hook".into(), "after".into()]);
    // It fails where a unit of that name runs, which is as good.
    order(Tool::SystemdRun, args).is_some()
}

fn own_path() -> PathBuf {
    let here = std::env::current_exe().ok();
    here.filter(|path| path.exists())
        .unwrap_or_else(|| PathBuf::from(INSTALLED))
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
