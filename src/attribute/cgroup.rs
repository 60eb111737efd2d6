//! Pure: control group text → owner. Never asks systemd.

use crate::model::{Bytes, Owner, OwnerKind, Pid, Scope};

/// What the text of a control group alone does not tell.
#[derive(Debug, Clone, Copy)]
pub struct Hints<'a> {
    /// The pid, in the reader's namespace.
    pub pid: Pid,
    /// Effective uid.
    pub uid: u32,
    /// Whether `/sys/fs/cgroup` is cgroup2.
    pub unified: bool,
    /// Whether the process lives in another pid namespace than the reader.
    pub other_pid_ns: bool,
    /// Whether the process lives in another mount namespace than the reader.
    pub other_mnt_ns: bool,
    /// The program, as the kernel names it.
    pub exe: Option<&'a Bytes>,
    /// Arguments.
    pub argv: &'a [Bytes],
}

/// Whom an action on this process would be aimed at, from `/proc/PID/cgroup`.
#[must_use]
pub fn owner_of(_cgroup: &[u8], hints: &Hints<'_>) -> Owner {
    let name = hints.exe.cloned().unwrap_or_default();
    Owner::new(OwnerKind::Process, name, Scope::System)
}
