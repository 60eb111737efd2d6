//! Which files a plugin may open (Landlock).
//!
//! Before Linux 5.13, and where it is switched off, there is no such restriction: what nobody may read, and the filter
//! of system calls, stand alone. A worker asks for all that the running kernel can deny, and no more.

use std::os::fd::BorrowedFd;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, PathBeneath, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, Scope, path_beneath_rules,
};

use super::Guest;

/// What it knows to deny: files since V1, TCP since V4, devices since V5, signals and abstract sockets since V6.
const KNOWN: ABI = ABI::V6;

/// Where the dynamic loader finds what a library asks for.
const LIBRARIES: [&str; 9] = [
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
];

/// Where interpreters and their modules are; none of it is a user's.
const PROGRAMS: [&str; 8] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
];

/// Denies this process all files but these, network addresses, devices, and processes outside.
pub(super) fn restrict(guest: Guest, plugin: BorrowedFd<'_>) -> Result<(), RulesetError> {
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(AccessNet::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?
        .create()?;
    // The loader, and interpreters of scripts, open the plugin anew through /proc/self/fd.
    let (own, paths, access): (_, &[&str], BitFlags<AccessFs>) = match guest {
        Guest::Library => (
            AccessFs::ReadFile.into(),
            &LIBRARIES,
            AccessFs::ReadFile.into(),
        ),
        Guest::Program => (
            AccessFs::ReadFile | AccessFs::Execute,
            &PROGRAMS,
            AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::Execute,
        ),
    };
    ruleset
        .add_rule(PathBeneath::new(plugin, own))?
        .add_rules(path_beneath_rules(paths, access))?
        .restrict_self()
        .map(drop)
}
