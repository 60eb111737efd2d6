//! The wall around a plugin. All of it stands before a byte of the plugin is run: constructors of a library run while it
//! is loaded.
//!
//! A worker is nobody, without groups and capabilities; opens nothing but system libraries (programs: what is below
//! `/usr`) to read; has the system calls of a reader of files, and no sockets, threads, processes and signals to others;
//! and little memory and time. What it may tell it writes to the one socket that it was given.

mod calls;
mod files;

use std::fmt::Display;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd};

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Pid, Resource, Rlimit, Signal, getppid, getrlimit, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit, umask,
};
use rustix::stdio::{dup2_stdin, dup2_stdout, stderr, stdin, stdout};
use rustix::thread::{CapabilitySet, set_no_new_privs};

use super::{descriptors, privileges};

/// What is behind the wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guest {
    /// A shared object, to be loaded into this process.
    Library,
    /// A program or script, which takes the place of this process.
    Program,
}

/// Where the plugin's file is found in a worker: the first number after the standard streams.
pub const PLUGIN: RawFd = 3;

const MIB: u64 = 1024 * 1024;

/// Processor time in seconds. It ends by a signal of its own, which can be told from others; if that is ignored, by
/// SIGKILL a second later.
const CPU_CAP: u64 = 10;

const LIMITS: [(Resource, u64); 5] = [
    // The worker itself takes some 20 MiB of addresses.
    (Resource::As, 512 * MIB),
    (Resource::Nofile, 32),
    (Resource::Fsize, 0),
    (Resource::Core, 0),
    (Resource::Nproc, 0),
];

/// Puts the streams where they belong: standard input becomes the socket (for programs standard output too), and the
/// plugin's file is handed out. What a library prints goes where messages go.
///
/// A worker is started with the plugin's file as standard input and the socket as standard output, for these are the
/// descriptors that a parent can hand over without unsafe code.
///
/// # Errors
/// What could not be done. Nothing can be said to the host then.
pub fn arrange(guest: Guest) -> Result<OwnedFd, String> {
    // From whoever started the host: what a shell was told to leave open.
    descriptors::close_from(PLUGIN).map_err(cannot("close descriptors"))?;
    let plugin = stdin()
        .try_clone_to_owned()
        .map_err(cannot("keep the plugin's file"))?;
    if plugin.as_raw_fd() != PLUGIN {
        return Err("cannot keep the plugin's file: its number is taken".to_owned());
    }
    dup2_stdin(stdout()).map_err(cannot("move the socket"))?;
    if guest == Guest::Library {
        dup2_stdout(stderr()).map_err(cannot("move standard output"))?;
    }
    Ok(plugin)
}

/// Builds the wall around this process. `parent` is who started it.
///
/// # Errors
/// The layer that could not be set up although the kernel has it: nothing of a plugin may be run then.
pub fn build(guest: Guest, parent: Pid, plugin: &OwnedFd) -> Result<(), String> {
    // The dynamic loader has read its variables long ago: clearing them now would come too late.
    if std::env::vars_os().next().is_some() {
        return Err("the environment is not empty".to_owned());
    }
    rustix::process::chdir("/").map_err(cannot("leave the working directory"))?;
    umask(Mode::from_bits_truncate(0o777));
    set_no_new_privs(true).map_err(cannot("renounce new privileges"))?;
    privileges::become_nobody_with(CapabilitySet::empty()).map_err(cannot("give up privileges"))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(cannot("hide from other processes"))?;
    // After the change of the user id, which would clear the signal. A limit of processes before it would fail execve(2).
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(cannot("follow the parent"))?;
    if getppid() != Some(parent) {
        return Err("the parent has ended".to_owned());
    }
    privileges::limit(&LIMITS)
        .and_then(|()| limit_time())
        .map_err(cannot("limit resources"))?;
    files::restrict(guest, plugin.as_fd()).map_err(cannot("restrict files (Landlock)"))?;
    calls::restrict(guest).map_err(|error| format!("cannot filter system calls: {error}"))
}

fn limit_time() -> Result<(), Errno> {
    let now = getrlimit(Resource::Cpu);
    let lower = |now: Option<u64>, cap: u64| Some(now.map_or(cap, |now| now.min(cap)));
    let limit = Rlimit {
        current: lower(now.current, CPU_CAP),
        maximum: lower(now.maximum, CPU_CAP + 1),
    };
    setrlimit(Resource::Cpu, limit)
}

fn cannot<E: Display>(what: &str) -> impl FnOnce(E) -> String + '_ {
    move |error| format!("cannot {what}: {error}")
}
