//! Giving up what a process may do: user, groups, capabilities, resources.

use rustix::io::Errno;
use rustix::process::{Gid, Resource, Rlimit, Uid, geteuid, getrlimit, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities, set_no_new_privs,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

/// The user and group ids that own nothing.
const NOBODY: u32 = 65534;

/// What a scanner needs: to look into other processes, to pass directories that others closed, and to follow
/// `map_files` links (that last since Linux 5.9; where it is not to be had, CAP_SYS_ADMIN does the same).
const NEEDED: CapabilitySet = CapabilitySet::SYS_PTRACE
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::CHECKPOINT_RESTORE);

/// Becomes nobody with [`NEEDED`] alone. Where the first of them is not to be had (root in a plain container), being root
/// is what lets it look at its own processes: then it stays root, under the same filter.
pub(super) fn give_up_for_scanner() -> Result<(), Errno> {
    set_no_new_privs(true)?;
    if !geteuid().is_root() {
        return Ok(());
    }
    let have = capabilities(None)?.permitted;
    let mut keep = have & NEEDED;
    if !keep.contains(CapabilitySet::SYS_PTRACE) {
        return Ok(());
    }
    if !have.contains(CapabilitySet::CHECKPOINT_RESTORE) {
        keep |= have & CapabilitySet::SYS_ADMIN;
    }
    become_nobody_with(keep)
}

/// Keeps these capabilities and no others, by no way of having them; and is nobody, if it may choose who it is.
pub(super) fn become_nobody_with(keep: CapabilitySet) -> Result<(), Errno> {
    let have = capabilities(None)?.permitted;
    for capability in CapabilitySet::all().iter() {
        match remove_capability_from_bounding_set(capability) {
            // EINVAL: this kernel does not know it. EPERM: already confined by somebody else.
            Ok(()) | Err(Errno::INVAL | Errno::PERM) => {}
            Err(error) => return Err(error),
        }
    }
    clear_ambient_capability_set().or_else(|error| {
        if error == Errno::INVAL {
            Ok(())
        } else {
            Err(error)
        }
    })?;
    if have.contains(CapabilitySet::SETUID | CapabilitySet::SETGID) {
        match become_nobody() {
            // A user namespace without that id, or without setgroups(2): its root is a user like any other outside.
            Ok(()) | Err(Errno::INVAL | Errno::PERM) => {}
            Err(error) => return Err(error),
        }
    }
    set_capabilities(
        None,
        CapabilitySets {
            effective: keep,
            permitted: keep,
            inheritable: CapabilitySet::empty(),
        },
    )
}

fn become_nobody() -> Result<(), Errno> {
    set_keep_capabilities(true)?;
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    set_thread_groups(&[])?;
    set_thread_res_gid(group, group, group)?;
    set_thread_res_uid(user, user, user)?;
    set_keep_capabilities(false)
}

/// Sets limits, and none higher than it is now.
pub(super) fn limit(limits: &[(Resource, u64)]) -> Result<(), Errno> {
    for &(resource, cap) in limits {
        let cap = getrlimit(resource)
            .maximum
            .map_or(cap, |maximum| maximum.min(cap));
        let limit = Rlimit {
            current: Some(cap),
            maximum: Some(cap),
        };
        setrlimit(resource, limit)?;
    }
    Ok(())
}
