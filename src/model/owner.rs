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
    /// makes the container anew. Where it is set, act on it and never on [`Self::name`], which the unit's own program
    /// may have chosen.
    pub host_unit: Option<Bytes>,
    /// The unit inside a booted container (`ssh.service` in machine web), for people.
    pub inner: Option<Bytes>,
    /// The pod around a container: its uid under Kubernetes, its id under Podman.
    pub pod: Option<Bytes>,
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
            pod: None,
        }
    }

    /// What kind of unit it is (`service`, `scope`, `socket`, …), where it is one of the system's or a user's manager.
    #[must_use]
    pub fn unit_suffix(&self) -> Option<&[u8]> {
        let named_as_unit = matches!(self.kind, OwnerKind::Unit | OwnerKind::App);
        let name = self.name.as_slice();
        let dot = name.iter().rposition(|&byte| byte == b'.')?;
        named_as_unit.then(|| &name[dot + 1..])
    }

    /// The machine that a unit of the system is made for: `web` for `systemd-nspawn@web.service` (systemd-nspawn(1)). A restart
    /// of the one is a restart of the other.
    #[must_use]
    pub fn nspawn_machine(&self) -> Option<Bytes> {
        if self.kind != OwnerKind::Unit || self.scope != Scope::System {
            return None;
        }
        let instance = self.name.as_slice().strip_prefix(b"systemd-nspawn@")?;
        let instance = instance.strip_suffix(b".service")?;
        (!instance.is_empty()).then(|| Bytes(unescape_unit(instance)))
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

impl Runtime {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Docker,
        Self::Podman,
        Self::Containerd,
        Self::CriO,
        Self::Kubernetes,
        Self::Lxc,
        Self::Machine,
        Self::Libvirt,
        Self::Qemu,
        Self::BuildKit,
        Self::Ecs,
        Self::Unknown,
    ];
}

/// Whose manager an owner belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// The system's.
    System,
    /// That user's, by uid.
    User(u32),
}

/// A unit's name (or a part of it) without its escapes: each `\xHH` becomes the byte it stands for (systemd.unit(5)), any
/// other backslash stays. For people and for what is named after something else; managers want the name with escapes.
#[must_use]
pub fn unescape_unit(name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&first, after)) = rest.split_first() {
        if let Some((byte, after)) = escaped_byte(rest) {
            plain.push(byte);
            rest = after;
        } else {
            plain.push(first);
            rest = after;
        }
    }
    plain
}

fn escaped_byte(text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, after) = text.strip_prefix(b"\\x")?.split_at_checked(2)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    Some((byte, after))
}
