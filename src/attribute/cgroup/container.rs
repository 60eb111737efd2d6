//! Containers and virtual machines by the groups that their runtimes make. The outermost one wins: what follows
//! below it was named inside.

#![forbid(unsafe_code)]

use crate::model::{Bytes, Owner, OwnerKind, Runtime, Scope, unescape_unit};

use super::path::{Parts, Pod, Slices};
use super::{Hints, contained_by, name, pod, program};

/// What runtimes write before an id. Longer prefixes first.
const PREFIXES: [(&[u8], Runtime); 9] = [
    (b"docker-", Runtime::Docker),
    (b"libpod-conmon-", Runtime::Podman),
    (b"libpod-payload-", Runtime::Podman),
    (b"libpod-", Runtime::Podman),
    (b"cri-containerd-", Runtime::Containerd),
    (b"nerdctl-", Runtime::Containerd),
    (b"crio-conmon-", Runtime::CriO),
    (b"crio-", Runtime::CriO),
    (b"containerd-", Runtime::Containerd),
];

/// The container whose group begins below these slices.
pub(super) fn at(
    slices: &Slices<'_>,
    parts: Parts<'_>,
    scope: Scope,
    hints: &Hints<'_>,
) -> Option<Owner> {
    if let Some(Pod::Kubernetes(uid)) = slices.pod {
        return Some(pod::in_slice(uid, parts, scope));
    }
    let mut below = parts;
    let first = name::unescape_group(below.next()?);
    // Before units: LXC lets a container be called `web.service`.
    if let Some(owner) = lxc(parts, scope, hints) {
        return Some(owner);
    }
    if let Some(stem) = first.strip_suffix(b".scope") {
        let mut owner = of_scope(stem, slices, below, scope, hints)?;
        if let Some(Pod::Podman(id)) = slices.pod {
            owner.pod = Some(id.into());
        }
        return Some(owner);
    }
    if name::unit_suffix(first).is_some() {
        return None;
    }
    of_group(parts, scope, hints)
}

/// A container by namespaces alone, where the group is not a unit's.
pub(super) fn unknown(parts: Parts<'_>, scope: Scope, hints: &Hints<'_>) -> Option<Owner> {
    if !hints.contained() {
        return None;
    }
    let mut below = parts;
    let mut path = Vec::new();
    while let Some(part) = below.peek() {
        if name::is_container_id(part) {
            below.next();
            return Some(booted(contained_by(Runtime::Unknown, part, scope), below));
        }
        // From here on the container's own manager made the names: all its processes shall have one owner.
        let inside = part == b"payload"
            || name::slice_stem(part).is_some()
            || name::unit_suffix(part).is_some();
        if inside {
            break;
        }
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(part);
        below.next();
    }
    if path.is_empty() {
        return None;
    }
    Some(booted(
        contained_by(Runtime::Unknown, Bytes(path), scope),
        below,
    ))
}

/// What a unit keeps in its own subtree.
pub(super) fn below_unit(
    unit: &[u8],
    below: Parts<'_>,
    scope: Scope,
    hints: &Hints<'_>,
) -> Option<Owner> {
    let mut inside = below;
    let first = inside.next();
    if let Some(machine) = name::between(unit, b"systemd-nspawn@", b".service") {
        let payload =
            first == Some(b"payload") || (hints.contained() && first != Some(b"supervisor"));
        let machine = unescape_unit(machine);
        let owner = contained_by(Runtime::Machine, machine.as_slice(), scope);
        return payload.then(|| kept_by(unit, booted(owner, below)));
    }
    let first = first?;
    if let Some(id) = first.strip_prefix(b"libpod-payload-")
        && name::is_container_id(id)
    {
        return Some(kept_by(
            unit,
            booted(contained_by(Runtime::Podman, id, scope), inside),
        ));
    }
    if first == b"payload" && hints.contained() {
        // systemd-nspawn --keep-unit, by the look of it; the group does not tell the machine's name.
        let owner = contained_by(Runtime::Unknown, unit, scope);
        return Some(kept_by(unit, booted(owner, below)));
    }
    if program::is_container_daemon(unit) {
        let (slices, parts) = Slices::take(below);
        return at(&slices, parts, scope, hints);
    }
    // Below any other unit of the system such a name may be a service's invention.
    let of_user = scope != Scope::System;
    of_user.then(|| lxc(below, scope, hints)).flatten()
}

/// The container that a prefixed name belongs to.
pub(super) fn prefixed(text: &[u8]) -> Option<(Runtime, &[u8])> {
    let (runtime, id) = PREFIXES
        .iter()
        .find_map(|(prefix, runtime)| Some((*runtime, text.strip_prefix(*prefix)?)))?;
    name::is_container_id(id).then_some((runtime, id))
}

/// A scope that a runtime asked a manager for; without its suffix.
fn of_scope(
    stem: &[u8],
    slices: &Slices<'_>,
    below: Parts<'_>,
    scope: Scope,
    hints: &Hints<'_>,
) -> Option<Owner> {
    if let Some((runtime, id)) = prefixed(stem) {
        return Some(booted(contained_by(runtime, id, scope), below));
    }
    if let Some(machine) = stem.strip_prefix(b"machine-") {
        return of_machine(&unescape_unit(machine), below, scope);
    }
    // Proxmox calls its virtual machines by number.
    if slices.ends_in(b"qemu") && name::is_number(stem) {
        return Some(Owner::new(
            OwnerKind::VirtualMachine(Runtime::Qemu),
            stem,
            scope,
        ));
    }
    // `runc --systemd-cgroup`: ids of any form, so the namespaces have to agree.
    let id = [&b"crun-"[..], b"runc-"]
        .iter()
        .find_map(|prefix| stem.strip_prefix(*prefix))
        .filter(|id| !id.is_empty() && hints.contained())?;
    Some(booted(contained_by(Runtime::Unknown, id, scope), below))
}

/// A machine of systemd-machined: libvirt's `qemu-3-myvm` and `lxc-4-web`, else a container.
fn of_machine(machine: &[u8], below: Parts<'_>, scope: Scope) -> Option<Owner> {
    if machine.is_empty() {
        return None;
    }
    // systemd-nspawn may have been given such a name too, but only it makes these two.
    let nspawn = matches!(below.peek(), Some(b"payload" | b"supervisor"));
    let libvirt = |prefix: &[u8]| {
        let domain = libvirt_domain(machine.strip_prefix(prefix)?);
        (!nspawn && !domain.is_empty()).then_some(domain)
    };
    if let Some(domain) = libvirt(b"qemu-") {
        let kind = OwnerKind::VirtualMachine(Runtime::Libvirt);
        return Some(Owner::new(kind, domain, scope));
    }
    let owner = match libvirt(b"lxc-") {
        Some(domain) => contained_by(Runtime::Libvirt, domain, scope),
        None => contained_by(Runtime::Machine, machine, scope),
    };
    Some(booted(owner, below))
}

/// `3-myvm` → `myvm`; libvirt before 1.3 wrote no number.
fn libvirt_domain(text: &[u8]) -> &[u8] {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match text.split_at(digits) {
        ([_, ..], [b'-', domain @ ..]) => domain,
        _ => text,
    }
}

/// A group that a runtime made by itself, without asking systemd.
fn of_group(mut parts: Parts<'_>, scope: Scope, hints: &Hints<'_>) -> Option<Owner> {
    let first = parts.next()?;
    if let Some(owner) = pod::of_mismatch(first, parts, scope) {
        return Some(owner);
    }
    if let Some((runtime, id)) = prefixed(first) {
        return Some(booted(contained_by(runtime, id, scope), parts));
    }
    if let Some(owner) = pod::of_group(first, parts, scope) {
        return Some(owner);
    }
    let second = parts.next()?;
    let named = |runtime, id: &[u8]| {
        let given = name::is_container_id(id) || hints.contained();
        given.then(|| booted(contained_by(runtime, id, scope), parts))
    };
    match first {
        b"docker" if second == b"buildkit" => {
            let id = parts.next()?;
            Some(contained_by(Runtime::BuildKit, id, scope))
        }
        b"docker" | b"moby" => named(Runtime::Docker, second),
        b"buildkit" => Some(contained_by(Runtime::BuildKit, second, scope)),
        // Named after containerd's namespaces.
        b"default" | b"k8s.io" => named(Runtime::Containerd, second),
        b"ecs" => {
            let id = parts.next().unwrap_or(second);
            Some(contained_by(Runtime::Ecs, id, scope))
        }
        b"libpod_parent" if second == b"conmon" => {
            let id = program::conmon_id(hints)?;
            Some(contained_by(Runtime::Podman, id, scope))
        }
        b"machine" => {
            let domain = second.strip_suffix(b".libvirt-qemu")?;
            let domain = libvirt_domain(domain.strip_prefix(b"qemu-").unwrap_or(domain));
            let kind = OwnerKind::VirtualMachine(Runtime::Libvirt);
            (!domain.is_empty()).then(|| Owner::new(kind, domain, scope))
        }
        _ => {
            let (runtime, id) = prefixed(second)?;
            Some(booted(contained_by(runtime, id, scope), parts))
        }
    }
}

/// LXC's, LXD's and Incus' groups. A suffix like `-1` may be LXC's second try or part of the name: it stays, because
/// `web` and `web-1` may both exist.
fn lxc(mut parts: Parts<'_>, scope: Scope, hints: &Hints<'_>) -> Option<Owner> {
    let first = parts.next()?;
    let (group, container) = match first {
        b"lxc" | b"lxc.payload" | b"lxc.monitor" => (first, parts.next()?),
        _ => [&b"lxc.payload."[..], b"lxc.monitor."]
            .iter()
            .find_map(|prefix| Some((*prefix, first.strip_prefix(*prefix)?)))?,
    };
    if container.is_empty() {
        return None;
    }
    let monitored = group
        .starts_with(b"lxc.monitor")
        .then(|| program::lxc_monitored(container, hints))
        .flatten();
    let owner = contained_by(Runtime::Lxc, monitored.unwrap_or(container), scope);
    Some(booted(owner, parts))
}

/// Says which unit keeps a container, where that can make it anew.
fn kept_by(unit: &[u8], mut owner: Owner) -> Owner {
    owner.host_unit = unit.ends_with(b".service").then(|| unit.into());
    owner
}

/// Adds the unit inside a container that runs a service manager of its own.
pub(super) fn booted(mut owner: Owner, mut below: Parts<'_>) -> Owner {
    if matches!(below.peek(), Some(b"container" | b"payload" | b"ns")) {
        below.next();
    }
    let (_, mut rest) = Slices::take(below);
    let unit = rest.next().map(name::unescape_group);
    owner.inner = unit
        .filter(|unit| name::unit_suffix(unit).is_some())
        .map(Bytes::from);
    owner
}
