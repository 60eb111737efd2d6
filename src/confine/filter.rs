//! The system-call filter of the scanner: what a reader of files needs, and nothing else.
//!
//! A list of what is allowed: a call that nobody thought of, or that a later kernel brings, is denied. Measured with
//! strace over check (both sources of mappings), explain, record, and both package stores. The numbers of x32 are not
//! those of the list, other architectures end the process.

use std::collections::BTreeMap;
use std::os::fd::RawFd;

use rustix::ioctl::{Direction, Opcode, opcode};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter_all_threads,
};

/// Calls that are allowed whatever their arguments.
const ALLOWED: &[libc::c_long] = &[
    // Reading what is open already.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_preadv2,
    libc::SYS_lseek,
    libc::SYS_getdents64,
    // The copy gets a number that is free: never that of a file that cannot be closed.
    libc::SYS_dup,
    // What is at a path. The flags of openat2(2) lie in memory, out of a filter's sight: see the known limits.
    libc::SYS_openat2,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_readlinkat,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_getcwd,
    // The device of the kernel's own memory files is learnt from one. It cannot be written to.
    libc::SYS_memfd_create,
    // Memory; mmap(2) and mprotect(2) have conditions.
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    // Threads and locks; clone(2) has conditions. clone3(2) is answered by the filter before this one.
    libc::SYS_clone3,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_gettid,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // The handlers that Rust and the C library set for overflown stacks and aborts.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    // Who and when, where the vDSO does not answer; waiting with a deadline.
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
    // The seeds of hash tables.
    libc::SYS_getrandom,
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

/// `PROCMAP_QUERY` of include/uapi/linux/fs.h; its `struct procmap_query` has 104 bytes.
const PROCMAP_QUERY: Opcode = opcode::from_components(Direction::ReadWrite, b'f', 17, 104);

/// `PR_GET_AUXV` of include/uapi/linux/prctl.h: rustix asks it where the vDSO lies.
pub(super) const PR_GET_AUXV: libc::c_int = 0x4155_5856;
/// `PR_SET_VMA`: glibc names its memory where it is told to.
pub(super) const PR_SET_VMA: libc::c_int = 0x5356_4d41;

/// Applies the filter to this process and all threads it will start. A denied call says `EPERM`. Of what is open,
/// only `door`, the `sockets` (the first and the last of a row) and standard error can be written to, and none of them
/// can be closed: no other file gets their numbers. On
/// processors that the filter's crate does not know, privileges alone confine.
pub(super) fn apply(
    door: RawFd,
    sockets: Option<(RawFd, RawFd)>,
) -> Result<(), seccompiler::Error> {
    let Ok(arch) = TargetArch::try_from(std::env::consts::ARCH) else {
        return Ok(());
    };
    // The flags of clone3(2) lie in memory too. The C library goes on with clone(2) if there is no such call. Of what two
    // filters say, the stricter counts.
    let missing = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    install(SeccompFilter::new(
        clone3,
        SeccompAction::Allow,
        missing,
        arch,
    )?)?;
    let denied = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    install(SeccompFilter::new(
        rules(door, sockets)?,
        denied,
        SeccompAction::Allow,
        arch,
    )?)
}

pub(super) fn install(filter: SeccompFilter) -> Result<(), seccompiler::Error> {
    let program: BpfProgram = filter.try_into()?;
    apply_filter_all_threads(&program)
}

fn rules(
    door: RawFd,
    sockets: Option<(RawFd, RawFd)>,
) -> Result<BTreeMap<libc::c_long, Vec<SeccompRule>>, BackendError> {
    let always = ALLOWED.iter().chain(LEGACY);
    let mut rules: BTreeMap<_, _> = always.map(|&call| (call, Vec::new())).collect();
    let writes = bits(libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC);
    rules.insert(libc::SYS_openat, vec![all([has_none_of(2, writes)?])?]);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_open, vec![all([has_none_of(1, writes)?])?]);

    let kept = [door, libc::STDERR_FILENO];
    for call in [libc::SYS_write, libc::SYS_writev] {
        let mut allowed = any_of(0, &kept)?;
        if let Some((first, last)) = sockets {
            let from = compare(0, SeccompCmpOp::Ge, bits(first))?;
            let to = compare(0, SeccompCmpOp::Le, bits(last))?;
            allowed.push(all([from, to])?);
        }
        rules.insert(call, allowed);
    }
    let other = |more: Option<SeccompCondition>| {
        let ours = [
            compare(0, SeccompCmpOp::Ne, bits(door))?,
            compare(0, SeccompCmpOp::Ne, bits(libc::STDERR_FILENO))?,
        ];
        all(ours.into_iter().chain(more))
    };
    let closed = match sockets {
        None => vec![other(None)?],
        Some((first, last)) => vec![
            other(Some(compare(0, SeccompCmpOp::Lt, bits(first))?))?,
            other(Some(compare(0, SeccompCmpOp::Gt, bits(last))?))?,
        ],
    };
    rules.insert(libc::SYS_close, closed);
    // No file gets a number of the caller's choice, nobody else's signals are asked for, and nothing is locked.
    let copies = [
        libc::F_GETFD,
        libc::F_SETFD,
        libc::F_GETFL,
        libc::F_DUPFD_CLOEXEC,
    ];
    rules.insert(libc::SYS_fcntl, any_of(1, &copies)?);
    // Others type into the terminal (TIOCSTI), for one.
    let query = compare(1, SeccompCmpOp::Eq, u64::from(PROCMAP_QUERY))?;
    rules.insert(libc::SYS_ioctl, vec![all([query])?]);

    // Memory of its own that is no code: it loads none, and what is shared is not counted by its limit.
    let no_code = || has_none_of(2, bits(libc::PROT_EXEC));
    let private = masked(3, bits(libc::MAP_TYPE), bits(libc::MAP_PRIVATE))?;
    rules.insert(libc::SYS_mmap, vec![all([no_code()?, private])?]);
    rules.insert(libc::SYS_mprotect, vec![all([no_code()?])?]);

    // Threads, but no processes and no namespaces.
    let namespaces = libc::CLONE_NEWNS
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET;
    let thread = bits(libc::CLONE_THREAD);
    let clone = masked(0, bits(namespaces) | thread, thread)?;
    rules.insert(libc::SYS_clone, vec![all([clone])?]);
    // abort(3), and no signal to others.
    let own = compare(0, SeccompCmpOp::Eq, own_pid())?;
    rules.insert(libc::SYS_tgkill, vec![all([own])?]);
    let harmless = [libc::PR_SET_NAME, PR_SET_VMA, PR_GET_AUXV];
    rules.insert(libc::SYS_prctl, any_of(0, &harmless)?);
    rules.insert(libc::SYS_prlimit64, only_asks()?);
    Ok(rules)
}

/// Rules for prlimit64(2): own limits are asked for, and not changed; the new ones are a null pointer.
pub(super) fn only_asks() -> Result<Vec<SeccompRule>, BackendError> {
    let asks = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?;
    Ok(vec![all([compare(0, SeccompCmpOp::Eq, 0)?, asks])?])
}

pub(super) fn own_pid() -> u64 {
    bits(rustix::process::getpid().as_raw_nonzero().get())
}

/// As the kernel sees an `int` in a register's lower half.
pub(super) fn bits(value: libc::c_int) -> u64 {
    u64::from(value.cast_unsigned())
}

pub(super) fn compare(
    argument: u8,
    how: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, how, value)
}

pub(super) fn masked(
    argument: u8,
    mask: u64,
    value: u64,
) -> Result<SeccompCondition, BackendError> {
    compare(argument, SeccompCmpOp::MaskedEq(mask), value)
}

pub(super) fn has_none_of(argument: u8, flags: u64) -> Result<SeccompCondition, BackendError> {
    masked(argument, flags, 0)
}

pub(super) fn all(
    conditions: impl IntoIterator<Item = SeccompCondition>,
) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions.into_iter().collect())
}

/// A rule for each value that the argument may have.
pub(super) fn any_of(
    argument: u8,
    values: &[libc::c_int],
) -> Result<Vec<SeccompRule>, BackendError> {
    let each = values
        .iter()
        .map(|&value| all([compare(argument, SeccompCmpOp::Eq, bits(value))?]));
    each.collect()
}
