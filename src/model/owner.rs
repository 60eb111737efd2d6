//! Whom an action is aimed at.

use serde::{Deserialize, Serialize};

use super::Bytes;

/// The thing that is restarted, re-executed or logged in again to be rid of stale code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// What it is.
    pub kind: OwnerKind,
    /// Its exact name for its manager: a unit name with its escapes, a session id, a container's id or name, a
    /// program's path for a bare process.
    pub name: Bytes,
    /// Whose manager knows it.
    pub scope: Scope,
    /// The system or user unit around a container or machine (quadlet, `systemd-nspawn@web.service`): restarting it
    /// makes the container anew.
    pub host_unit: Option<Bytes>,
    /// The unit inside a booted container (`ssh.service` in machine web), for people.
    pub inner: Option<Bytes>,
}

impl Owner {
    /// An owner without refinements.
    #[must_use]
    pub fn new(kind: OwnerKind, name: impl Into<Bytes>, scope: Scope) -> Self {
        Self {
            kind,
            name: name.into(),
            scope,
            host_unit: None,
            inner: None,
        }
    }
}

/// What kind of thing owns a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum OwnerKind {
    /// PID 1 of the inspected system.
    ServiceManager,
    /// A unit of the system's manager; of a user's manager where [`Owner::scope`] says so.
    Unit,
    /// `systemd --user` itself (and its `(sd-pam)`).
    UserManager,
    /// A login session; the name is its id.
    Session,
    /// An application that a user started and that nothing restarts (a desktop app's scope, a snap or flatpak app,
    /// a terminal multiplexer's scope).
    App,
    /// A container, or the helper that keeps it (conmon, containerd-shim, `lxc monitor`).
    Container(Runtime),
    /// A virtual machine.
    VirtualMachine(Runtime),
    /// A service of another manager (OpenRC, runit, s6, sysvinit), by its name there.
    OtherService,
    /// A process that no manager knows.
    Process,
}

/// Who runs a container or virtual machine, as far as its control group tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the products' own names")]
pub enum Runtime {
    Docker,
    Podman,
    Containerd,
    CriO,
    /// A pod's container under Kubernetes, whichever runtime.
    Kubernetes,
    /// LXC, LXD or Incus: the control group does not tell which.
    Lxc,
    /// systemd-nspawn, or another machine registered with systemd-machined.
    Machine,
    Libvirt,
    Qemu,
    BuildKit,
    Ecs,
    /// Something with a container's name and namespaces of its own that we do not know.
    Unknown,
}

/// Whose manager an owner belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// The system's.
    System,
    /// That user's, by uid.
    User(u32),
}
