//! Starts workers and ends them: the one place where a program is started.
//!
//! It is always this very program, by the kernel's link to it: no search, no shell, nothing of the caller's environment.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::find::Form;

/// The program that runs, whatever is at its path by now.
const OURSELVES: &str = "/proc/self/exe";

/// A worker whose socket was closed, or that has crashed, ends by itself within this time.
const GRACE: Duration = Duration::from_millis(50);

/// A worker that was killed ends at once; if the kernel holds it, nobody waits longer than this.
const END_LIMIT: Duration = Duration::from_millis(200);

/// What to start.
#[derive(Debug)]
pub struct Order<'a> {
    /// What the plugin is.
    pub form: Form,
    /// Its name, as the manifest says; it shows in lists of processes.
    pub name: &'a str,
    /// Its file, opened for reading and checked. The worker shares its offset.
    pub file: BorrowedFd<'a>,
    /// The worker's end of the stream. No other copy of it may stay open, or nobody notices that the worker ended.
    pub socket: OwnedFd,
    /// Where messages go: the worker's own, and what the plugin prints.
    pub talk: Stdio,
}

/// A worker that was started.
#[derive(Debug)]
pub struct Worker {
    child: Child,
}

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this status.
    Exited(i32),
    /// By this signal, which was not the host's.
    Signal(i32),
    /// The host had to kill it.
    Killed,
    /// The kernel does not say: it holds the killed process still, or has told nobody.
    Held,
}

/// Starts a worker. It is killed when the calling thread ends (`PR_SET_PDEATHSIG`): call this from the one that stays.
///
/// # Errors
/// Those of fork(2) and execve(2).
pub fn start(order: Order<'_>) -> io::Result<Worker> {
    start_through(&[OsStr::new(OURSELVES)], order)
}

/// The same with another build of this program, or with what makes another user of it; for tests.
///
/// # Errors
/// Those of [`start`].
pub fn start_through(words: &[&OsStr], order: Order<'_>) -> io::Result<Worker> {
    let (program, before) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command
        .arg0("unstale")
        .args(before)
        .args(["plugin-worker", word(order.form), order.name, "--parent"])
        .arg(std::process::id().to_string())
        .env_clear()
        .current_dir("/")
        // As `confine::worker::arrange` expects it.
        .stdin(order.file.try_clone_to_owned()?)
        .stdout(order.socket)
        .stderr(order.talk);
    let child = command.spawn()?;
    // `command` ends here, and with it the last copies of socket and talk in this process.
    Ok(Worker { child })
}

/// On the worker's command line.
fn word(form: Form) -> &'static str {
    match form {
        Form::Library => "library",
        Form::Executable => "executable",
    }
}

impl Worker {
    /// Its pid.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the worker if it does not end by itself at once, and says how it ended. Close the other end of its socket
    /// first: that is how it learns that there is nothing more to do.
    #[must_use]
    pub fn end(mut self) -> Ended {
        self.wait(GRACE).unwrap_or_else(|| self.kill())
    }

    /// Ends the worker without waiting for anything: its time is over.
    #[must_use]
    pub fn kill_now(mut self) -> Ended {
        self.wait(Duration::ZERO).unwrap_or_else(|| self.kill())
    }

    fn kill(&mut self) -> Ended {
        self.child.kill().ok();
        match self.wait(END_LIMIT) {
            Some(Ended::Signal(libc::SIGKILL)) => Ended::Killed,
            Some(ended) => ended,
            None => Ended::Held,
        }
    }

    /// How it ended, if it ends so soon.
    fn wait(&mut self, limit: Duration) -> Option<Ended> {
        let end = Instant::now() + limit;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(ended(status)),
                Ok(None) if Instant::now() < end => sleep(Duration::from_millis(1)),
                Ok(None) => return None,
                // Who started us ignores the ends of children (SIGCHLD), and so do we. Its pid may be another's by now.
                Err(_) => return Some(Ended::Held),
            }
        }
    }
}

impl Drop for Worker {
    /// Nothing of a host that gives up goes on. Nobody waits for it.
    fn drop(&mut self) {
        if self.wait(Duration::ZERO).is_none() {
            self.child.kill().ok();
        }
    }
}

fn ended(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exited(code),
        (None, Some(signal)) => Ended::Signal(signal),
        (None, None) => Ended::Held,
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "it ended with status {code}"),
            Self::Signal(libc::SIGXCPU) => f.write_str("it used up its processor time"),
            Self::Signal(signal) => match signal_name(*signal) {
                Some(name) => write!(f, "it crashed ({name})"),
                None => write!(f, "it was ended by signal {signal}"),
            },
            Self::Killed => f.write_str("it was killed"),
            Self::Held => f.write_str("nobody saw how it ended"),
        }
    }
}

/// Those by which programs end because of what they do.
fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGILL => "SIGILL",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGSYS => "SIGSYS",
        libc::SIGTRAP => "SIGTRAP",
        _ => return None,
    })
}
