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

/// A parent may end while it is looked for: then a process has another one.
const TRIES: usize = 3;

/// This process and those above it, up to the first, or as far as they can be seen.
#[derive(Debug, Default)]
pub(super) struct Chain {
    pub(super) ancestors: Vec<Ancestor>,
    /// It ends with a process that has no parent here.
    pub(super) is_whole: bool,
}

/// From this process up to the first.
pub(super) fn read(proc: &Path) -> Chain {
    let Ok(root) = ProcRoot::open(proc) else {
        return Chain::default();
    };
    let chains = (0..TRIES).map(|_| read_once(&root, std::process::id()));
    let mut last = Chain::default();
    for chain in chains {
        last = chain;
        if last.is_whole {
            break;
        }
    }
    last
}

fn read_once(root: &ProcRoot, own: Pid) -> Chain {
    let mut chain = Chain::default();
    let mut next = own;
    while chain.ancestors.len() < CAP {
        let Some((ancestor, parent)) = one(root, next, own) else {
            break;
        };
        chain.ancestors.push(ancestor);
        next = parent;
        if next == 0 {
            chain.is_whole = true;
            break;
        }
    }
    chain
}

fn one(root: &ProcRoot, pid: Pid, own: Pid) -> Option<(Ancestor, Pid)> {
    let process = root.process(pid).ok()?;
    let stat = parse_stat(&process.read(c"stat", TEXT_CAP).ok()?)?;
    let cgroup = process.read(c"cgroup", TEXT_CAP).ok()?;
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A `/proc` with these processes, by pid and parent; `cgroup` files as far as the second says.
    #[track_caller]
    fn check(processes: &[(u32, u32, bool)], expected: (&[u32], bool)) {
        let own = std::process::id();
        let of = |pid| if pid == 0 { own } else { pid };
        let proc = tempfile::tempdir().unwrap();
        for &(pid, parent, has_group) in processes {
            let dir = proc.path().join(of(pid).to_string());
            fs::create_dir(&dir).unwrap();
            let rest = "0 ".repeat(48);
            fs::write(
                dir.join("stat"),
                format!("{} (x) S {parent} {rest}\n", of(pid)),
            )
            .unwrap();
            if has_group {
                fs::write(dir.join("cgroup"), "0::/\n").unwrap();
            }
        }
        let chain = ProcRoot::open(proc.path())
            .map(|root| read_once(&root, own))
            .unwrap_or_default();
        let pids: Vec<u32> = chain.ancestors.iter().map(|one| one.pid).collect();
        let expected_pids: Vec<u32> = expected.0.iter().map(|&pid| of(pid)).collect();
        assert_eq!((pids, chain.is_whole), (expected_pids, expected.1));
    }

    #[test]
    fn t12_11_a_chain_that_cannot_be_seen_to_its_end_is_not_whole() {
        let near_top = u32::MAX - 7;
        check(
            &[(0, near_top, true), (near_top, 0, true)],
            (&[0, near_top], true),
        );
        check(&[(0, near_top, true)], (&[0], false));
        check(&[(0, near_top, true), (near_top, 0, false)], (&[0], false));
        check(&[], (&[], false));
    }

    #[test]
    fn our_own_chain_is_whole() {
        let chain = read(Path::new("/proc"));
        assert!(chain.is_whole);
        assert!(chain.ancestors[0].is_self);
        assert!(!read(Path::new("/nonexistent")).is_whole);
    }
}
