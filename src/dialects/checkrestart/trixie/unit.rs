//! Which service a control group is, and how it is restarted. Pure.

use crate::dialects::checkrestart::service::can_be_copied;
use crate::dialects::tame;
use crate::model::{Bytes, Owner, OwnerKind, unescape_unit};

/// A service of the system, of a user, or within a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    name: Bytes,
    /// The uid, as the slice has it.
    user: Option<Bytes>,
    machine: Option<Bytes>,
}

impl Unit {
    /// The service of a control group; `None` for scopes, and for groups in containers that no command from here reaches.
    pub(super) fn parse(path: &[u8], owner: &Owner) -> Option<Self> {
        let parts: Vec<&[u8]> = components(path).collect();
        let (machine, parts) = match parts.as_slice() {
            [b"machine.slice", around, b"payload", inner @ ..] => {
                (Some(machine_of(around)?), inner)
            }
            parts => (None, parts),
        };
        let (user, parts) = match parts {
            [b"user.slice", slice, manager, inner @ ..] => {
                let user = slice.strip_prefix(b"user-")?.strip_suffix(b".slice")?;
                let manager = manager.strip_prefix(b"user@")?;
                let user = uid(user)
                    .filter(|user| manager.strip_suffix(b".service") == Some(user.as_slice()))?;
                (Some(user), inner)
            }
            parts => (None, parts),
        };
        let around = |part: &&&[u8]| part.ends_with(b".slice");
        let slices = parts.iter().take_while(around).count();
        let (name, below) = parts.get(slices..)?.split_first()?;
        // A service may divide its group among its own processes, or among containers.
        let is_its_own = owner.kind == OwnerKind::Unit && owner.name.as_slice() == *name;
        let is_service = name.ends_with(b".service") && can_be_copied(name);
        (is_service && (below.is_empty() || is_its_own)).then(|| Self {
            name: Bytes::from(*name),
            user,
            machine,
        })
    }

    /// Its name and where it is.
    pub(super) fn display(&self) -> String {
        let text = |bytes: &Bytes| tame(bytes.as_slice());
        let name = text(&self.name);
        match (
            self.user.as_ref().map(text),
            self.machine.as_ref().map(text),
        ) {
            (None, None) => name,
            (None, Some(machine)) => format!("{name} in container: {machine}"),
            (Some(user), None) => format!("{name} (started by user {user})"),
            (Some(user), Some(machine)) => {
                format!("{name} (started by user {user} in container: {machine})")
            }
        }
    }

    /// What restarts it. A user's services are the user's: that is for reading.
    pub(super) fn command(&self) -> String {
        let text = |bytes: &Bytes| tame(bytes.as_slice());
        let name = text(&self.name);
        match (
            self.user.as_ref().map(text),
            self.machine.as_ref().map(text),
        ) {
            (None, None) => format!("systemctl try-restart {name}"),
            (None, Some(machine)) => format!("systemctl --machine={machine} try-restart {name}"),
            (Some(user), machine) => {
                let machine = machine.unwrap_or_else(|| ".host".to_owned());
                format!("# systemctl --user --machine={user}@{machine} try-restart {name}")
            }
        }
    }
}

/// The components of the path of a control group.
pub(super) fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let parts = path.split(|&byte| byte == b'/');
    parts.filter(|part| !part.is_empty())
}

/// The machine that a scope or service is made for.
fn machine_of(unit: &[u8]) -> Option<Bytes> {
    let scope = || unit.strip_prefix(b"machine-")?.strip_suffix(b".scope");
    let service = || {
        let instance = unit.strip_prefix(b"systemd-nspawn@")?;
        instance.strip_suffix(b".service")
    };
    let name = unescape_unit(scope().or_else(service)?);
    is_machine_name(&name).then_some(Bytes(name))
}

/// Whether a name is one that systemd-machined(8) registers: a host name. `.host` is none, which systemctl(1) takes for the host.
fn is_machine_name(name: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    !matches!(name.first(), None | Some(b'-' | b'.')) && name.iter().all(fits)
}

/// A number, as the slices of users have it.
fn uid(text: &[u8]) -> Option<Bytes> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    is_number.then(|| Bytes::from(text))
}
