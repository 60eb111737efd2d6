//! Since when a process really runs its code: field 22 of stat is the time of the fork, not of the exec.

use std::collections::HashMap;

use crate::model::{Facts, Pid, Process, StartTicks};

/// Addresses from here on are chosen at random at each exec; below lie programs linked to a fixed address.
const RANDOMISED: u64 = 1 << 32;

/// For each process, the start of the eldest ancestor of which it is a fork without exec.
pub(super) fn image_starts(facts: &Facts) -> HashMap<Pid, StartTicks> {
    let by_pid: HashMap<Pid, &Process> = facts
        .processes
        .iter()
        .map(|process| (process.key.pid, process))
        .collect();
    facts
        .processes
        .iter()
        .map(|process| (process.key.pid, image_start(facts, process, &by_pid)))
        .collect()
}

fn image_start(facts: &Facts, process: &Process, by_pid: &HashMap<Pid, &Process>) -> StartTicks {
    let (mut eldest, mut at) = (process.key.started, process);
    // Parents are older than their children, so this ends; a table that says otherwise is cut off.
    for _ in 0..by_pid.len() {
        let Some(parent) = by_pid
            .get(&at.ppid)
            .filter(|parent| is_fork_of(facts, process, parent))
        else {
            break;
        };
        if parent.key.started > eldest {
            break;
        }
        eldest = parent.key.started;
        at = parent;
    }
    eldest
}

/// Whether both have the same program, and at least one object at the same random address: no exec lies between them.
fn is_fork_of(facts: &Facts, child: &Process, parent: &Process) -> bool {
    // Objects are told apart by user, and a child may have become another one since: what they are decides.
    let what = |one: &crate::model::Use| {
        let object = facts.objects.get(one.object.0 as usize);
        object.map(|object| (object.view, object.device, object.inode, &object.name))
    };
    let program = |process: &Process| {
        process
            .uses
            .iter()
            .find(|one| one.program)
            .map(|one| (what(one), one.start))
    };
    match (program(child), program(parent)) {
        (Some(mine), Some(theirs)) if mine == theirs => {
            let randomised = |start: u64| start >= RANDOMISED;
            randomised(mine.1)
                || child.uses.iter().any(|one| {
                    randomised(one.start)
                        && parent
                            .uses
                            .iter()
                            .any(|other| other.start == one.start && what(other) == what(one))
                })
        }
        _ => false,
    }
}
