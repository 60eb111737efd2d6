//! Pure: control group text → owner. Never asks systemd.
//!
//! A group's path is read from the root downwards, and only as far as a trusted manager wrote it: slices, then the one
//! component that decides. Below a unit the names are chosen by the service or by a user; they refine its owner, they
//! never become a unit of the system. Nothing here searches a path for something that looks like a unit.

#![forbid(unsafe_code)]

mod container;
mod lines;
mod name;
mod path;
mod pod;
mod program;
#[cfg(test)]
mod tests;

use crate::model::{Bytes, Owner, OwnerKind, Pid, Runtime, Scope};

use lines::Groups;
use path::{Parts, Slices};

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
    /// The parent, where the reader sees it: managers without control groups are known by it.
    pub parent: Option<Parent<'a>>,
}

impl Hints<'_> {
    /// Whether the process has the namespaces of a container.
    fn contained(&self) -> bool {
        self.other_pid_ns && self.other_mnt_ns
    }
}

/// The parent of a process.
#[derive(Debug, Clone, Copy)]
pub struct Parent<'a> {
    /// Its program, as the kernel names it: unlike the command name, a link cannot make sudo pass for runsv.
    pub exe: Option<&'a Bytes>,
    /// Its command name, which tells busybox' programs apart.
    pub comm: &'a Bytes,
    /// Its arguments.
    pub argv: &'a [Bytes],
    /// Its effective uid.
    pub uid: u32,
}

/// Whom an action on this process would be aimed at, from `/proc/PID/cgroup`.
///
/// Total: text that no kernel would write yields a bare process.
#[must_use]
pub fn owner_of(cgroup: &[u8], hints: &Hints<'_>) -> Owner {
    let groups = Groups::choose(cgroup, hints);
    let path = Parts::new(groups.main.unwrap_or_default());
    if hints.pid == 1 && !hints.other_pid_ns {
        return service_manager(path, hints);
    }
    let mut owner = walk(path, hints);
    if owner.kind == OwnerKind::Process && path.is_empty() {
        owner = groups
            .openrc
            .and_then(|path| openrc(path, hints))
            .unwrap_or(owner);
    }
    // A shell from sshd stays in the group of OpenRC's sshd; elogind's hierarchy is what tells it from the service.
    if matches!(owner.kind, OwnerKind::Process | OwnerKind::OtherService)
        && let Some(id) = groups.elogind.and_then(|path| Parts::new(path).next())
        && name::is_session_id(id)
    {
        return Owner::new(OwnerKind::Session, id, Scope::User(hints.uid));
    }
    owner
}

/// PID 1: by systemd's name for its group where it has one, so that it is one owner with its helpers there.
fn service_manager(mut path: Parts<'_>, hints: &Hints<'_>) -> Owner {
    let name = match path.next() {
        Some(first @ b"init.scope") => Bytes::from(first),
        _ => hints.exe.cloned().unwrap_or_default(),
    };
    Owner::new(OwnerKind::ServiceManager, name, Scope::System)
}

fn walk(mut path: Parts<'_>, hints: &Hints<'_>) -> Owner {
    let system = Scope::System;
    if path.peek() == Some(b"..") {
        // Relative to the reader's cgroup namespace and outside it: no name in it can be trusted to be a unit.
        path.drop_leading(b"..");
        return container::unknown(path, system, hints).unwrap_or_else(|| bare(system, hints));
    }
    if path.peek() == Some(b"init.scope") && !hints.other_pid_ns {
        return service_manager(path, hints);
    }
    descend(path, system, hints)
}

/// Slices, then the component that decides; in the system's space or in that of a user's manager.
fn descend(path: Parts<'_>, scope: Scope, hints: &Hints<'_>) -> Owner {
    let (slices, mut rest) = Slices::take(path);
    if let Some(owner) = container::at(&slices, rest, scope, hints) {
        return owner;
    }
    match rest.peek().map(name::unescape_group) {
        Some(unit) if name::unit_suffix(unit).is_some() => {
            rest.next();
            match scope {
                Scope::System => system_unit(unit, &slices, rest, hints),
                Scope::User(uid) => user_unit(unit, uid, rest, hints),
            }
        }
        _ => container::unknown(rest, scope, hints)
            .or_else(|| openrc_unified(rest, scope))
            .unwrap_or_else(|| bare(scope, hints)),
    }
}

fn system_unit(unit: &[u8], slices: &Slices<'_>, below: Parts<'_>, hints: &Hints<'_>) -> Owner {
    if let Some(uid) = name::between(unit, b"user@", b".service").and_then(name::uid) {
        let manager = || Owner::new(OwnerKind::UserManager, unit, Scope::User(uid));
        return match below.peek() {
            // `(sd-pam)` lives in init.scope too; before cgroup2 there were processes in the service itself.
            None | Some(b"init.scope") => manager(),
            Some(_) => descend(below, Scope::User(uid), hints),
        };
    }
    if unit == b"init.scope" {
        // Of a pid namespace that is not ours, or no child of the root: nobody's.
        return bare(Scope::System, hints);
    }
    if let Some(uid) = slices.user()
        && let Some(id) = name::between(unit, b"session-", b".scope")
        && name::is_session_id(id)
    {
        let scope = Scope::User(uid);
        return refined(unit, below, scope, hints)
            .unwrap_or_else(|| Owner::new(OwnerKind::Session, id, scope));
    }
    refined(unit, below, Scope::System, hints)
        .unwrap_or_else(|| Owner::new(OwnerKind::Unit, unit, Scope::System))
}

fn user_unit(unit: &[u8], uid: u32, below: Parts<'_>, hints: &Hints<'_>) -> Owner {
    let scope = Scope::User(uid);
    if let Some(owner) = refined(unit, below, scope, hints) {
        return owner;
    }
    // The app- prefix of services and scopes: systemd's DESKTOP_ENVIRONMENTS.md, "XDG standardization".
    let app = unit.ends_with(b".scope") || unit.starts_with(b"app-") && unit.ends_with(b".service");
    let kind = if app { OwnerKind::App } else { OwnerKind::Unit };
    Owner::new(kind, unit, scope)
}

/// What runs below a unit, where that says more than the unit.
fn refined(unit: &[u8], below: Parts<'_>, scope: Scope, hints: &Hints<'_>) -> Option<Owner> {
    container::below_unit(unit, below, scope, hints)
        .or_else(|| program::owner_in_unit(unit, below, scope, hints))
}

/// `1:name=openrc:/sshd`.
fn openrc(path: &[u8], hints: &Hints<'_>) -> Option<Owner> {
    let path = Parts::new(path);
    // Under the old hierarchies runc joins containers to controllers only: they stay in the group of their daemon.
    if let Some(owner) = container::unknown(path, Scope::System, hints) {
        return Some(owner);
    }
    other_service(path.peek()?)
}

/// `0::/openrc.sshd`.
fn openrc_unified(path: Parts<'_>, scope: Scope) -> Option<Owner> {
    let service = path.peek()?.strip_prefix(b"openrc.")?;
    if scope == Scope::System {
        other_service(service)
    } else {
        None
    }
}

fn other_service(service: &[u8]) -> Option<Owner> {
    let named = !service.is_empty();
    named.then(|| Owner::new(OwnerKind::OtherService, service, Scope::System))
}

/// No unit and no container: a service of a manager that is told by its supervisor, or nobody's.
fn bare(scope: Scope, hints: &Hints<'_>) -> Owner {
    let supervised = program::supervised(hints).or_else(|| program::supervisor(hints));
    let supervised = supervised.filter(|_| scope == Scope::System);
    supervised.unwrap_or_else(|| {
        let name = hints.exe.cloned().unwrap_or_default();
        Owner::new(OwnerKind::Process, name, scope)
    })
}

/// A container of this runtime.
fn contained_by(runtime: Runtime, name: impl Into<Bytes>, scope: Scope) -> Owner {
    Owner::new(OwnerKind::Container(runtime), name, scope)
}
