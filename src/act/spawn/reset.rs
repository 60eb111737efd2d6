//! What a program would inherit from our caller through us, beside environment and descriptors: set back in the child,
//! between fork(2) and execve(2).
//!
//! Daemons that scripts start keep all of it for as long as they run; and a program that runs as another user must not
//! reach the terminal that root works at: who opens it can read what is typed there, and on older kernels type (TIOCSTI).
#![expect(unsafe_code, reason = "pre_exec, sigaction(2), keyctl(2)")]

use std::io;
use std::os::unix::process::CommandExt;
use std::ptr;

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setpriority_process, setrlimit, setsid, umask};

/// What the kernel gives the first process, and that all its children (`INIT_RLIMITS`), where somebody may have set less or
/// more; `None` is no limit.
const LIMITS: [(Resource, Option<u64>); 8] = [
    (Resource::Cpu, None),
    (Resource::Fsize, None),
    (Resource::Data, None),
    (Resource::Rss, None),
    (Resource::As, None),
    (Resource::Stack, Some(8 << 20)),
    (Resource::Core, Some(0)),
    // What select(2) can take. We raise ours for the sake of plugins.
    (Resource::Nofile, Some(1024)),
];

/// The real-time signals end there: signal(7).
const LAST_SIGNAL: libc::c_int = 64;

/// `KEYCTL_JOIN_SESSION_KEYRING`: keyctl(2).
const JOIN_SESSION_KEYRING: libc::c_int = 1;

/// In whose session a program is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Session {
    /// In ours: it makes one itself.
    Ours,
    /// In one of its own, without a terminal.
    Own,
    /// The same, and our session's keys are not for it: it runs as another user.
    OtherUser,
}

/// Lets the program of this command begin with nothing of our caller's.
pub(super) fn inherit_nothing(command: &mut impl CommandExt, session: Session) {
    // SAFETY: what runs between fork(2) and execve(2) makes system calls and nothing else: no memory is allocated, no lock
    // is taken.
    unsafe { command.pre_exec(move || reset(session)) };
}

/// In the child; as the user that it is to run as.
fn reset(session: Session) -> io::Result<()> {
    if session != Session::Ours {
        // It is nobody's leader: this cannot fail.
        setsid()?;
    }
    umask(Mode::from_bits_truncate(0o022));
    reset_signals()?;
    LIMITS
        .iter()
        .try_for_each(|&(resource, wanted)| reset_limit(resource, wanted))?;
    match session {
        Session::OtherUser => leave_keys(),
        Session::Ours | Session::Own => {
            reset_priority();
            Ok(())
        }
    }
}

/// The look after a transaction is taken with little priority; a daemon that a script starts then is to have the usual one.
fn reset_priority() {
    // Who may not have more of it (EPERM) goes on with less.
    setpriority_process(None, 0).ok();
    // SAFETY: numbers alone: IOPRIO_WHO_PROCESS, this process, IOPRIO_CLASS_NONE (ioprio_set(2)).
    unsafe { libc::syscall(libc::SYS_ioprio_set, 1, 0, 0) };
}

/// None ignored, and then none blocked.
fn reset_signals() -> io::Result<()> {
    // All zero is SIG_DFL without flags. The C library keeps two signals for itself and would not let them be changed.
    let default = [0_u64; 4];
    for signal in 1..=LAST_SIGNAL {
        // SAFETY: no handler is installed, and what is read is as large as a `struct sigaction` of the kernel, which has a
        // set of 64 signals at its end. Those that nobody may change (EINVAL) are as they always are.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                ptr::null_mut::<u64>(),
                size_of::<u64>(),
            )
        };
    }
    // SAFETY: a set of signals is plain numbers, and is filled by sigemptyset(3) before it is used.
    let result = unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut())
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// As near as it may be.
fn reset_limit(resource: Resource, wanted: Option<u64>) -> io::Result<()> {
    let now = getrlimit(resource);
    let is_lower = |one: Option<u64>, other: Option<u64>| {
        one.is_some_and(|one| other.is_none_or(|other| one < other))
    };
    let maximum = match is_lower(now.maximum, wanted) {
        true => wanted,
        false => now.maximum,
    };
    let limit = |current, maximum| setrlimit(resource, Rlimit { current, maximum });
    match limit(wanted, maximum) {
        // Nobody but root may have more than the maximum.
        Err(Errno::PERM) => limit(now.maximum, now.maximum).map_err(io::Error::from),
        result => Ok(result?),
    }
}

/// The keys of our session (kernel keyrings, session-keyring(7)) stay ours.
pub(super) fn leave_keys() -> io::Result<()> {
    // SAFETY: no memory is handed over: no name is an anonymous keyring.
    let result = unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            JOIN_SESSION_KEYRING,
            ptr::null::<libc::c_char>(),
        )
    };
    if result != -1 {
        return Ok(());
    }
    match io::Error::last_os_error() {
        // There are no keys in this kernel; or a filter around all of us (containers) lets nobody reach them.
        error
            if [Errno::NOSYS, Errno::PERM]
                .map(|errno| Some(errno.raw_os_error()))
                .contains(&error.raw_os_error()) =>
        {
            Ok(())
        }
        error => Err(error),
    }
}
