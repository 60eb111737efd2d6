//! Starts the programs of others, with nothing of our own caller's in them: a fixed environment, a session of their own
//! without a terminal, no descriptors but three, the usual signals and limits, an end in time. Beside plugins' workers,
//! nothing else starts a program.
//!
//! Never a shell, never a search through `$PATH`. As root, only what nobody but root can have written is started.

mod reset;
mod talk;
mod tool;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::trust::Untrusted;
use reset::{Session, inherit_nothing};
pub use tool::Tool;

/// The environment of all that is started. Tools find their own kind by PATH; nothing is translated, paged or coloured.
const ENVIRONMENT: [(&str, &str); 4] = [
    ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
    ("LANG", "C.UTF-8"),
    // systemctl(1): "Setting this to an empty string or the value "cat" is equivalent to passing --no-pager".
    ("SYSTEMD_PAGER", ""),
    ("SYSTEMD_COLORS", "0"),
];

/// What is in an environment whoever is started.
type Environment<'a> = &'a [(&'a str, &'a str)];

/// While a descriptor is open for the next program, no other program is started: it would get it too.
static STARTING: Mutex<()> = Mutex::new(());

/// What is started.
#[derive(Debug, Clone, Copy)]
pub enum Program<'a> {
    /// One that we know, wherever the distribution keeps it.
    Tool(Tool),
    /// One that somebody trusted named by its absolute path.
    Path(&'a Path),
    /// One that was opened and trusted before, and how it is called. It runs through its descriptor: what runs is what
    /// was looked at. To a script, its own name is that of the descriptor.
    File(BorrowedFd<'a>, &'a OsStr),
}

/// A program, and how it is to run.
#[derive(Debug)]
pub struct Order<'a> {
    /// What is started.
    pub program: Program<'a>,
    /// Its arguments, without its name.
    pub args: Vec<OsString>,
    /// What is in its environment beside the fixed one.
    pub env: Vec<(&'static str, OsString)>,
    /// What it reads; nothing is `/dev/null`.
    pub stdin: Vec<u8>,
    /// Uid and gid of the user it runs as, without other groups; `None` is ourselves.
    pub user: Option<(u32, u32)>,
    /// It, and what it started in its process group, is killed after this.
    pub limit: Duration,
    /// The most that is kept of its output, and as much of its messages.
    pub output_cap: usize,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// How it ended.
    pub how: How,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// Its messages.
    pub stderr: Vec<u8>,
    /// There was more of either, or somebody else still holds them open.
    pub cut: bool,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// By itself, with this status.
    Exited(i32),
    /// By this signal, which was not ours.
    Signal(i32),
    /// It was killed: its time was over.
    TimedOut,
}

/// Why nothing was started, or nobody knows what became of it.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The tool is at none of its places.
    #[error("{0} is not installed")]
    NotInstalled(Tool),
    /// Others than root could have written it.
    #[error("it is not trusted: {0}")]
    Untrusted(#[from] Untrusted),
    /// The system says no.
    #[error("{0}")]
    Failed(#[from] io::Error),
}

impl Ended {
    /// Whether it ended by itself, and well.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.how == How::Exited(0)
    }
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "it ended with status {status}"),
            Self::Signal(signal) => write!(f, "it was ended by signal {signal}"),
            Self::TimedOut => f.write_str("it did not end in time"),
        }
    }
}

/// Starts a program, and waits for its end.
///
/// # Errors
/// It was not started; or the system does not say how it ended.
pub fn run(order: Order<'_>) -> Result<Ended, SpawnError> {
    run_in(order, &ENVIRONMENT)
}

/// As [`run`], but with nothing in its environment beside what the order says.
///
/// # Errors
/// As [`run`].
pub fn run_bare(order: Order<'_>) -> Result<Ended, SpawnError> {
    run_in(order, &[])
}

fn run_in(order: Order<'_>, environment: Environment<'_>) -> Result<Ended, SpawnError> {
    let deadline = Instant::now() + order.limit;
    let mut child = start(&order, environment)?;
    let mut talk = talk::Talk::with(&mut child, order.stdin, order.output_cap);
    let how = talk.until_end(&mut child, deadline);
    if how.is_err() {
        child.kill().ok();
    }
    let how = how?;
    let (stdout, stderr, cut) = talk.said();
    Ok(Ended {
        how,
        stdout,
        stderr,
        cut,
    })
}

/// Starts a program that goes on when we end: nobody waits for it, hears it, or ends it. It stays in our session and process
/// group, so that it can make a session of its own (setsid(2) refuses leaders of groups).
///
/// # Errors
/// It was not started.
pub fn start_detached(program: Program<'_>, args: Vec<OsString>) -> Result<(), SpawnError> {
    with_file(program, |path, name| {
        let mut command = bare(path, name, &args, &ENVIRONMENT);
        inherit_nothing(&mut command, Session::Ours);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::null()).spawn()
    })
    .map(drop)
}

fn start(order: &Order<'_>, environment: Environment<'_>) -> Result<Child, SpawnError> {
    with_file(order.program, |path, name| {
        let mut command = bare(path, name, &order.args, environment);
        complete(&mut command, order);
        command.spawn()
    })
}

/// Finds the file to execute and what it is called, and starts it with nobody else being started meanwhile.
fn with_file(
    program: Program<'_>,
    start: impl FnOnce(&Path, &OsStr) -> io::Result<Child>,
) -> Result<Child, SpawnError> {
    let euid = rustix::process::geteuid().as_raw();
    let alone = || STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    // Programs of many names tell by theirs what to do.
    let (path, name) = match program {
        Program::Tool(tool) => tool.find(euid)?,
        Program::Path(path) => (tool::resolve(path, euid)?, path.to_owned()),
        Program::File(file, name) => {
            let _alone = alone();
            // The kernel hands a script to its interpreter by the name under which it was executed: the descriptor
            // must be open there, without FD_CLOEXEC, unlike the one that we have.
            let open: OwnedFd = rustix::io::dup(file).map_err(io::Error::from)?;
            let path = format!("/proc/self/fd/{}", open.as_raw_fd());
            return Ok(start(Path::new(&path), name)?);
        }
    };
    let _alone = alone();
    Ok(start(&path, name.as_os_str())?)
}

/// With nothing of ours but our descriptors.
fn bare(path: &Path, name: &OsStr, args: &[OsString], environment: Environment<'_>) -> Command {
    let mut command = Command::new(path);
    command
        .arg0(name)
        .args(args)
        .env_clear()
        .envs(environment.iter().copied())
        .current_dir("/");
    command
}

fn complete(command: &mut Command, order: &Order<'_>) {
    command
        .stdin(if order.stdin.is_empty() {
            Stdio::null()
        } else {
            Stdio::piped()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut session = Session::Own;
    if let Some((uid, gid)) = order.user {
        // As root, this also drops all other groups.
        command.uid(uid).gid(gid).env("HOME", "/");
        session = Session::OtherUser;
    }
    inherit_nothing(command, session);
    command.envs(order.env.iter().map(|(name, value)| (name, value)));
}

/// `None`: it was killed by us, or the kernel does not say.
fn ended(status: ExitStatus) -> Option<How> {
    let by_itself = status.code().map(How::Exited);
    by_itself.or_else(|| status.signal().map(How::Signal))
}

#[cfg(test)]
mod tests;
