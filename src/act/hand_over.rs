//! Gives a run to a process that outlives whoever asked for it: a transient unit of the system's manager, outside of the
//! caller's control group; where there is no systemd, a session of its own.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, fstat, open};

use super::spawn::{self, Order, Program, SpawnError, Tool};
use crate::trust::open_trusted;

/// The running program, whatever lies at its path by now.
const SELF: &str = "/proc/self/exe";
/// The manager answers at once, or is not well.
const LIMIT: Duration = Duration::from_secs(30);
const OUTPUT_CAP: usize = 16 * 1024;

/// What the worker's unit is called.
#[must_use]
pub fn unit_name(id: &str) -> String {
    format!("unstale-restart-{id}.service")
}

/// Starts the worker of a run as a transient unit.
///
/// # Errors
/// Why it was not started, for a note: there is another way.
pub fn to_unit(id: &str, args: &[OsString]) -> Result<(), String> {
    let program = own_path()?;
    let mut words: Vec<OsString> = [
        "--quiet",
        "--collect",
        "--no-ask-password",
        &format!("--unit={}", unit_name(id)),
        "--description=Restart of what runs old code",
        // It ends its step first: nobody but itself is told, and it has time for that.
        "--property=KillMode=mixed",
        "--property=TimeoutStopSec=180",
        // What it does is said in its journal.
        "--property=StandardOutput=null",
        "--",
    ]
    .map(OsString::from)
    .into();
    words.push(literal(program.as_os_str())?);
    for arg in args {
        words.push(literal(arg)?);
    }
    let ended = spawn::run(Order {
        program: Program::Tool(Tool::SystemdRun),
        args: words,
        env: Vec::new(),
        stdin: Vec::new(),
        user: None,
        limit: LIMIT,
        output_cap: OUTPUT_CAP,
    });
    let ended = ended.map_err(|error| error.to_string())?;
    if ended.is_success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    let last = said.lines().last().unwrap_or_default();
    Err(format!("{}: {last}", ended.how))
}

/// Starts the worker of a run as a process of its own, which begins a session of its own ([`begin_session`]).
///
/// # Errors
/// Why it was not started.
pub fn to_session(args: &[OsString]) -> Result<(), SpawnError> {
    let running = open(SELF, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    let running = running.map_err(std::io::Error::from)?;
    let program = Program::File(running.as_fd(), OsStr::new("unstale"));
    spawn::start_detached(program, args.to_vec())
}

/// Leaves the caller's session, and with it the signals of its terminal. In a unit of its own there is none to leave.
pub fn begin_session() {
    rustix::process::setsid().ok();
}

/// The path of the running program, if the service manager finds there what runs now: a file that may have been replaced by
/// an upgrade, or that others could replace, is not the program that was asked.
///
/// # Errors
/// Why it is not to be started by its path.
pub fn own_path() -> Result<PathBuf, String> {
    let said = |error: &dyn std::fmt::Display| format!("this program is not to be found: {error}");
    let path = std::fs::read_link(SELF).map_err(|error| said(&error))?;
    let euid = rustix::process::geteuid().as_raw();
    let there = open_trusted(&path, euid).map_err(|error| said(&error))?;
    let running = open(SELF, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    let running = running.map_err(|error| said(&error))?;
    let id = |fd: &OwnedFd| fstat(fd).map(|stat| (stat.st_dev, stat.st_ino));
    match (id(&there), id(&running)) {
        (Ok(there), Ok(running)) if there == running => Ok(path),
        _ => Err("this program was replaced since it was started".to_owned()),
    }
}

/// A word that systemd takes as it is: `$` begins a variable there (systemd.service(5), "Command lines").
///
/// # Errors
/// It cannot be said so.
pub fn literal(word: &OsStr) -> Result<OsString, String> {
    let text = word.to_str().ok_or("a name is not UTF-8")?;
    Ok(text.replace('$', "$$").into())
}
