//! Who asks: this process and all above it, with the units, sessions and containers that they run in. What ends them ends
//! the run, or cuts its caller off.

use std::path::Path;

use crate::attribute::{self, Hints};
use crate::model::{Ancestor, Bytes, Owner, Pid};
use crate::view::ProcRoot;
use crate::view::stat::parse_stat;

/// More are no chain, but a loop of reused pids.
const CAP: usize = 128;
const TEXT_CAP: usize = 64 * 1024;

/// From this process up to the first.
pub(super) fn read(proc: &Path) -> Vec<Ancestor> {
    let Ok(root) = ProcRoot::open(proc) else {
        return Vec::new();
    };
    let own = std::process::id();
    let mut chain = Vec::new();
    let mut next = Some(own);
    while let Some(pid) = next.filter(|_| chain.len() < CAP) {
        let Some((ancestor, parent)) = one(&root, pid, own) else {
            break;
        };
        chain.push(ancestor);
        next = (parent != 0).then_some(parent);
    }
    chain
}

fn one(root: &ProcRoot, pid: Pid, own: Pid) -> Option<(Ancestor, Pid)> {
    let process = root.process(pid).ok()?;
    let stat = parse_stat(&process.read(c"stat", TEXT_CAP).ok()?)?;
    let cgroup = process.read(c"cgroup", TEXT_CAP).unwrap_or_default();
    let exe = process.link(c"exe").ok().map(Bytes::from);
    let ancestor = Ancestor {
        pid,
        comm: stat.comm,
        owner: owner_of(
            &cgroup,
            pid,
            process.uid().unwrap_or_default(),
            exe.as_ref(),
        ),
        is_self: pid == own,
    };
    Some((ancestor, stat.ppid))
}

/// All of them live where the reader does, or above: their names for groups are the reader's.
fn owner_of(cgroup: &[u8], pid: Pid, uid: u32, exe: Option<&Bytes>) -> Owner {
    let hints = Hints {
        pid,
        uid,
        unified: Path::new("/sys/fs/cgroup/cgroup.controllers").exists(),
        other_pid_ns: false,
        other_mnt_ns: false,
        exe,
        argv: &[],
        parent: None,
    };
    attribute::owner_of(cgroup, &hints)
}
