//! Pure: where a stale process is → the name that needrestart has for that. Control groups decide; where they are of no help,
//! terminals, units and init scripts do.

use super::command::{MANAGER, SYSV, USER_MANAGERS};
use super::names::{Naming, Version};
use crate::dialects::{Scene, Stale};
use crate::model::{Bytes, Owner, OwnerKind, Scope, unescape_unit};

/// The session of all that is below a user's service manager, and of that itself, in 3.6.
pub(super) const OLD_USER_MANAGER: &str = "user manager service";

/// Where a process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Services, by name; several, if several init scripts claim it.
    Services(Vec<Bytes>),
    /// A container of LXC, LXD or Incus.
    Lxc(Bytes),
    /// A container of systemd-machined.
    Machined(Bytes),
    /// A login session or a user's manager.
    Session {
        /// Of whom; whose the process is, if it is named after a terminal.
        uid: Option<u32>,
        /// Its name.
        name: Bytes,
        /// What the process is called there, if not by its command name.
        called: Option<Bytes>,
    },
    /// A virtual machine.
    Guest(Option<Bytes>),
    /// A container that needrestart passes over.
    Foreign,
    /// Nowhere that has a name.
    Nowhere,
}

/// Where a process is.
pub(super) fn of(stale: &Stale, scene: &Scene, naming: &Naming<'_>) -> Place {
    let group = group_of(stale.cgroup.as_slice());
    if stale.other_pid_ns {
        return container(stale, group)
            .filter(|_| naming.containers)
            .unwrap_or(Place::Foreign);
    }
    let by_tty = naming.by_tty || !scene.systemd;
    if let Some(tty) = stale.tty.as_ref().filter(|_| by_tty) {
        return Place::Session {
            uid: None,
            name: Bytes::from(tty.as_str()),
            called: None,
        };
    }
    if scene.systemd {
        let place = manager(stale, group)
            .or_else(|| of_user(stale, group, naming))
            .or_else(|| guest(stale, group))
            .or_else(|| unit(&stale.owner, group));
        if let Some(place) = place {
            return place;
        }
    } else if stale.pid == 1 && program_is(stale, b"init") {
        return Place::Services(vec![Bytes::from(SYSV)]);
    }
    match stale.init_scripts.as_slice() {
        [] => Place::Nowhere,
        scripts => Place::Services(
            scripts
                .iter()
                .map(|one| Bytes::from(one.as_str()))
                .collect(),
        ),
    }
}

/// The group by which systemd knows a process: of its own hierarchy, or of the unified one (cgroups(7)).
fn group_of(text: &[u8]) -> &[u8] {
    let lines = || text.split(|&byte| byte == b'\n');
    let of = |before: &[u8]| {
        let line = lines().find_map(|line| line.strip_prefix(before));
        line.filter(|path| *path != b"/")
    };
    let named = lines().find_map(|line| {
        let at = line.iter().position(|&byte| byte == b':')?;
        line[at..].strip_prefix(b":name=systemd:")
    });
    named
        .filter(|path| *path != b"/")
        .or_else(|| of(b"0::"))
        .unwrap_or_default()
}

fn components(group: &[u8]) -> impl Iterator<Item = &[u8]> {
    group.split(|&byte| byte == b'/').skip(1)
}

fn between<'a>(text: &'a [u8], before: &[u8], after: &[u8]) -> Option<&'a [u8]> {
    let middle = text.strip_prefix(before)?.strip_suffix(after)?;
    (!middle.is_empty()).then_some(middle)
}

/// A decimal number: names of sessions and users are nothing else here.
fn number(text: &[u8]) -> Option<u32> {
    let digits = text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text)
        .ok()
        .filter(|_| digits)?
        .parse()
        .ok()
}

fn program_is(stale: &Stale, name: &[u8]) -> bool {
    let program = stale.program.as_ref().map(Bytes::as_slice);
    let last = program.and_then(|path| path.rsplit(|&byte| byte == b'/').next());
    last == Some(name)
}

fn container(stale: &Stale, group: &[u8]) -> Option<Place> {
    lxc(stale.cgroup.as_slice()).or_else(|| machined(group))
}

/// In any hierarchy: LXC makes its groups in each.
fn lxc(text: &[u8]) -> Option<Place> {
    let mut lines = text.split(|&byte| byte == b'\n');
    lines.find_map(|line| {
        let mut parts = components(line);
        let first = parts.next()?;
        let name = match first {
            b"lxc" | b"lxc.payload" => parts.next()?,
            _ => first.strip_prefix(b"lxc.payload.")?,
        };
        (!name.is_empty()).then(|| Place::Lxc(Bytes::from(name)))
    })
}

fn machined(group: &[u8]) -> Option<Place> {
    let mut parts = components(group);
    if parts.next()? != b"machine.slice" {
        return None;
    }
    let part = parts.next()?;
    let name = between(part, b"machine-", b".scope")
        .or_else(|| between(part, b"systemd-nspawn@", b".service"))?;
    Some(Place::Machined(Bytes(unescape_unit(name))))
}

fn manager(stale: &Stale, group: &[u8]) -> Option<Place> {
    let is_manager = group == b"/init.scope" || stale.pid == 1 && program_is(stale, b"systemd");
    is_manager.then(|| Place::Services(vec![Bytes::from(MANAGER)]))
}

/// What users run: login sessions, and what is below their service managers. Both are where systemd-logind puts them: whom a
/// group is delegated to calls what is below it as he likes.
fn of_user(stale: &Stale, group: &[u8], naming: &Naming<'_>) -> Option<Place> {
    let parts: Vec<&[u8]> = components(group).collect();
    let [b"user.slice", slice, part, below @ ..] = parts.as_slice() else {
        return None;
    };
    let of_slice = number(between(slice, b"user-", b".slice")?)?;
    if let Some(id) = between(part, b"session-", b".scope") {
        let is_number = id.iter().all(u8::is_ascii_digit);
        return is_number.then(|| Place::Session {
            uid: Some(of_slice),
            name: Bytes([b"session #", id].concat()),
            called: None,
        });
    }
    let uid = number(between(part, b"user@", b".service")?)?;
    let (name, called) = match (naming.version, below) {
        (Version::V3_6, _) => (OLD_USER_MANAGER, None),
        (_, [b"init.scope"]) if stale.comm.as_slice() != b"(sd-pam)" => {
            return Some(Place::Services(vec![Bytes::from(USER_MANAGERS)]));
        }
        (_, [.., unit]) if unit.ends_with(b".service") => {
            ("user service", Some(Bytes::from(*unit)))
        }
        _ => ("user manager", None),
    };
    Some(Place::Session {
        uid: Some(uid),
        name: Bytes::from(name),
        called,
    })
}

fn guest(stale: &Stale, group: &[u8]) -> Option<Place> {
    let mut parts = components(group);
    if parts.next()? != b"machine.slice" {
        return None;
    }
    let part = parts.next()?;
    let qemu = between(part, b"machine-qemu", b".scope");
    qemu?;
    let mut argv = stale
        .argv
        .iter()
        .skip_while(|word| word.as_slice() != b"-name");
    let value = argv.nth(1).map(Bytes::as_slice).unwrap_or_default();
    let mut settings = value.split(|&byte| byte == b',');
    let name = settings.find_map(|setting| setting.strip_prefix(b"guest="));
    let name = name.filter(|name| !name.is_empty());
    Some(Place::Guest(name.map(Bytes::from)))
}

/// A service by what the service manager says; otherwise by its control group, which a service may have made below its own and
/// called as it liked.
fn unit(owner: &Owner, group: &[u8]) -> Option<Place> {
    let last = group.rsplit(|&byte| byte == b'/').next();
    let by_group =
        last.filter(|part| part.len() > b".service".len() && part.ends_with(b".service"));
    let by_owner = || match (owner.kind, owner.scope) {
        (OwnerKind::Unit, Scope::System) if owner.unit_suffix() == Some(b"service") => {
            Some(owner.name.as_slice())
        }
        (OwnerKind::Container(_), Scope::System) => owner.host_unit.as_ref().map(Bytes::as_slice),
        _ => None,
    };
    let name = by_owner().or(by_group)?;
    Some(Place::Services(vec![Bytes::from(name)]))
}
