//! Which system calls a plugin may make (seccomp).
//!
//! A list of what is allowed, measured with strace: for libraries that of the dynamic loader, the C library and Rust;
//! for programs that of CPython, Perl, Ruby, PHP, mawk, dash and bash with a script that reads lines and answers them.
//! What needs threads (Node.js, Java, Go) cannot run here.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, SeccompAction, SeccompCmpOp, SeccompFilter, SeccompRule, TargetArch,
};

use super::Guest;
use crate::confine::filter::{
    PR_GET_AUXV, PR_SET_VMA, all, any_of, bits, compare, has_none_of, install, only_asks, own_pid,
};

type Rules = BTreeMap<libc::c_long, Vec<SeccompRule>>;

/// Why there is no filter.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfiltered {
    #[error("this processor is not one that the filter knows")]
    Processor,
    #[error(transparent)]
    Rules(#[from] BackendError),
    #[error(transparent)]
    Kernel(#[from] seccompiler::Error),
}

/// Calls that each guest may make, whatever the arguments.
const ALLOWED: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_dup,
    // What is at a path; none of these opens it.
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_readlinkat,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    // Memory, code too: it is there to load some. All of it counts in the limit of addresses.
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    // Locks; there are no other threads, but nobody tells the C library so.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_membarrier,
    libc::SYS_gettid,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_ppoll,
    libc::SYS_restart_syscall,
    libc::SYS_getrandom,
];

/// What programs need besides. They can start another program in their place, which is behind the same wall; the kernel
/// takes the interpreter of a script without a call, but `#!/usr/bin/env` makes one.
const FOR_PROGRAMS: &[libc::c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_dup3,
    libc::SYS_getpgid,
    libc::SYS_getsid,
    libc::SYS_getresuid,
    libc::SYS_getresgid,
    libc::SYS_getgroups,
    libc::SYS_getrusage,
    libc::SYS_times,
    libc::SYS_pselect6,
    // Ruby has no main loop without; neither can be written to.
    libc::SYS_pipe2,
    libc::SYS_eventfd2,
];

/// The same by the names of before, that only this architecture still has.
#[cfg(target_arch = "x86_64")]
const LEGACY: &[libc::c_long] = &[
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_readlink,
    libc::SYS_access,
    libc::SYS_poll,
    libc::SYS_time,
];
#[cfg(not(target_arch = "x86_64"))]
const LEGACY: &[libc::c_long] = &[];

#[cfg(target_arch = "x86_64")]
const LEGACY_FOR_PROGRAMS: &[libc::c_long] = &[
    libc::SYS_arch_prctl,
    libc::SYS_dup2,
    libc::SYS_getpgrp,
    libc::SYS_select,
];
#[cfg(not(target_arch = "x86_64"))]
const LEGACY_FOR_PROGRAMS: &[libc::c_long] = &[];

/// `TCGETS`, `FIOCLEX`, `FIONCLEX`: whether it is a terminal, and that it shall or shall not be inherited. CPython and Perl
/// ask for each file. The same numbers on all processors that the filter knows (asm-generic/ioctls.h).
const ASKS_OF_FILES: [u32; 3] = [0x5401, 0x5451, 0x5450];

/// Applies the filter. A denied call says `EPERM`.
pub(super) fn restrict(guest: Guest) -> Result<(), Unfiltered> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|_| Unfiltered::Processor)?;
    // Their flags lie in memory, out of a filter's sight. The C library goes on with the calls of before if these are
    // not there. Of what two filters say, the stricter counts.
    let missing = BTreeMap::from([
        (libc::SYS_clone3, Vec::new()),
        (libc::SYS_openat2, Vec::new()),
    ]);
    let says = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    install(SeccompFilter::new(
        missing,
        SeccompAction::Allow,
        says,
        arch,
    )?)?;
    let mut rules = rules(guest)?;
    // Or the one before would never be asked.
    rules.insert(libc::SYS_clone3, Vec::new());
    rules.insert(libc::SYS_openat2, Vec::new());
    let denied = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    install(SeccompFilter::new(
        rules,
        denied,
        SeccompAction::Allow,
        arch,
    )?)?;
    Ok(())
}

fn rules(guest: Guest) -> Result<Rules, BackendError> {
    let mut rules: Rules = ALLOWED
        .iter()
        .chain(LEGACY)
        .map(|&call| (call, Vec::new()))
        .collect();
    if guest == Guest::Program {
        let more = FOR_PROGRAMS.iter().chain(LEGACY_FOR_PROGRAMS);
        rules.extend(more.map(|&call| (call, Vec::new())));
        let asks = ASKS_OF_FILES.iter().map(|&request| {
            let request = u64::from(request);
            all([compare(1, SeccompCmpOp::Eq, request)?])
        });
        rules.insert(libc::SYS_ioctl, asks.collect::<Result<_, _>>()?);
    }
    let writes = bits(libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC);
    rules.insert(libc::SYS_openat, vec![all([has_none_of(2, writes)?])?]);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_open, vec![all([has_none_of(1, writes)?])?]);
    // The socket, and where messages go: nothing else that is open can be written to.
    let kept = [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO];
    for call in [libc::SYS_write, libc::SYS_writev] {
        rules.insert(call, any_of(0, &kept)?);
    }
    // Nothing is locked, and nobody else's signals are asked for.
    let mut copies = vec![
        libc::F_GETFD,
        libc::F_SETFD,
        libc::F_GETFL,
        libc::F_DUPFD,
        libc::F_DUPFD_CLOEXEC,
    ];
    if guest == Guest::Program {
        copies.push(libc::F_SETFL);
        // PHP reads a socket by this call. Nothing comes along with what it reads, and it has no address to send to.
        let own = any_of(0, &[libc::STDIN_FILENO])?;
        rules.insert(libc::SYS_recvfrom, own);
    }
    rules.insert(libc::SYS_fcntl, any_of(1, &copies)?);
    // abort(3), and no signal to others.
    let own = compare(0, SeccompCmpOp::Eq, own_pid())?;
    rules.insert(libc::SYS_tgkill, vec![all([own])?]);
    let harmless = [libc::PR_SET_NAME, PR_SET_VMA, PR_GET_AUXV];
    rules.insert(libc::SYS_prctl, any_of(0, &harmless)?);
    rules.insert(libc::SYS_prlimit64, only_asks()?);
    Ok(rules)
}
