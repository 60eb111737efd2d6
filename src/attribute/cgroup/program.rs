//! Owners that only a program's arguments tell: helpers that keep a container or virtual machine from a shared group,
//! and children of supervisors. Arguments are the process's own words, so they are heard only where the kernel's name
//! of the program and the group agree.

#![forbid(unsafe_code)]

use crate::model::{Bytes, Owner, OwnerKind, Runtime, Scope};

use super::path::Parts;
use super::{Hints, Parent, contained_by, name};

/// Units that run containers: what lies below them is theirs and not an invention of one service.
const CONTAINER_DAEMONS: [&[u8]; 20] = [
    b"buildkit.service",
    b"containerd.service",
    b"cri-o.service",
    b"crio.service",
    b"docker.service",
    b"incus.service",
    b"k0scontroller.service",
    b"k0sworker.service",
    b"k3s-agent.service",
    b"k3s.service",
    b"kubelet.service",
    b"lxc.service",
    b"lxd.service",
    b"rke2-agent.service",
    b"rke2-server.service",
    b"snap.docker.dockerd.service",
    b"snap.k8s.containerd.service",
    b"snap.lxd.daemon.service",
    b"snap.microk8s.daemon-containerd.service",
    b"snap.microk8s.daemon-kubelite.service",
];

/// Supervisors that are called with a service's directory or name.
const SUPERVISORS: [&[u8]; 4] = [b"runsv", b"s6-supervise", b"supervise", b"supervise-daemon"];

/// Whether the unit is a daemon that runs containers.
pub(super) fn is_container_daemon(unit: &[u8]) -> bool {
    CONTAINER_DAEMONS.contains(&unit) || name::between(unit, b"lxc@", b".service").is_some()
}

/// A helper or virtual machine that shares its group with others.
pub(super) fn owner_in_unit(
    unit: &[u8],
    below: Parts<'_>,
    scope: Scope,
    hints: &Hints<'_>,
) -> Option<Owner> {
    if is_container_daemon(unit)
        && let Some((runtime, id)) = shim(hints)
    {
        return Some(contained_by(runtime, id, scope));
    }
    // Podman with cgroups=split; `supervisor` before version 5.
    if matches!(below.peek(), Some(b"runtime" | b"supervisor"))
        && unit.ends_with(b".service")
        && let Some(id) = conmon_id(hints)
    {
        let mut owner = contained_by(Runtime::Podman, id, scope);
        owner.host_unit = Some(unit.into());
        return Some(owner);
    }
    virtual_machine(unit, scope, hints)
}

/// The container of a conmon.
pub(super) fn conmon_id<'a>(hints: &Hints<'a>) -> Option<&'a [u8]> {
    (program(hints)? == b"conmon").then_some(())?;
    let id = option(hints.argv, b"-c").or_else(|| option(hints.argv, b"--cid"))?;
    name::is_container_id(id).then_some(id)
}

/// The true name of the container of an `[lxc monitor] /var/lib/lxc web1`, whose group may be called `web1-1`.
pub(super) fn lxc_monitored<'a>(group: &[u8], hints: &Hints<'a>) -> Option<&'a [u8]> {
    let title = hints.argv.first()?.as_slice();
    let title = title.strip_prefix(b"[lxc monitor] ")?;
    let container = title.rsplit(|&byte| byte == b' ').next()?;
    let retry = group.strip_prefix(container)?.strip_prefix(b"-")?;
    (!container.is_empty() && name::is_number(retry)).then_some(container)
}

/// The service of a process that runit, s6, daemontools or supervise-daemon keeps.
pub(super) fn supervised(hints: &Hints<'_>) -> Option<Owner> {
    let parent = hints.parent.filter(|_| !hints.other_pid_ns)?;
    let Parent {
        comm, argv, uid, ..
    } = parent;
    let program = match program_name(parent.exe?) {
        b"busybox" => comm.as_slice(),
        program => program,
    };
    if !SUPERVISORS.contains(&program) {
        return None;
    }
    service_kept_by(argv, uid)
}

/// The service of a supervise-daemon(8): a restart of the service ends that supervisor and starts another. Those of other
/// managers outlive their service's restarts.
pub(super) fn supervisor(hints: &Hints<'_>) -> Option<Owner> {
    let is_renewed = !hints.other_pid_ns && program(hints)? == b"supervise-daemon";
    is_renewed
        .then(|| service_kept_by(hints.argv, hints.uid))
        .flatten()
}

/// By the arguments of the supervisor.
fn service_kept_by(argv: &[Bytes], uid: u32) -> Option<Owner> {
    let service = argv.get(1)?.as_slice();
    let service = service.strip_suffix(b"/").unwrap_or(service);
    let service = match service.strip_prefix(b"/") {
        Some(path) => base_name(path),
        None => service.strip_prefix(b"./").unwrap_or(service),
    };
    let named = !service.is_empty() && !service.starts_with(b"-") && !service.starts_with(b".");
    let scope = match uid {
        0 => Scope::System,
        uid => Scope::User(uid),
    };
    named.then(|| Owner::new(OwnerKind::OtherService, service, scope))
}

/// The container of a containerd-shim.
fn shim<'a>(hints: &Hints<'a>) -> Option<(Runtime, &'a [u8])> {
    if !program(hints)?.starts_with(b"containerd-shim") {
        return None;
    }
    let runtime = match option(hints.argv, b"-namespace")? {
        b"moby" => Runtime::Docker,
        b"k8s.io" => Runtime::Kubernetes,
        _ => Runtime::Containerd,
    };
    // The first shim, of Docker before 20.10, tells the id only by its directory.
    let id =
        option(hints.argv, b"-id").or_else(|| option(hints.argv, b"-workdir").map(base_name))?;
    let named = name::is_container_id(id) || (runtime == Runtime::Containerd && !id.is_empty());
    named.then_some((runtime, id))
}

/// QEMU in the unit of LXD or Incus, or started by a user.
fn virtual_machine(unit: &[u8], scope: Scope, hints: &Hints<'_>) -> Option<Owner> {
    let program = program(hints)?;
    if !program.starts_with(b"qemu-system-") && program != b"qemu-kvm" {
        return None;
    }
    let name = option(hints.argv, b"-name")?;
    let first = name.split(|&byte| byte == b',').next()?;
    let (runtime, name) = match (scope, first.strip_prefix(b"guest=")) {
        (Scope::System, _) if is_lxd(unit) => (Runtime::Lxc, first),
        // What restarts a unit of the system restarts its machine too.
        (Scope::System, _) => return None,
        (Scope::User(_), Some(guest)) => (Runtime::Libvirt, guest),
        (Scope::User(_), None) => (Runtime::Qemu, first),
    };
    (!name.is_empty()).then(|| Owner::new(OwnerKind::VirtualMachine(runtime), name, scope))
}

fn is_lxd(unit: &[u8]) -> bool {
    let begins = |prefix: &&[u8]| unit.starts_with(prefix);
    [&b"lxd."[..], b"incus.", b"snap.lxd."].iter().any(begins)
}

/// The program's base name, as the kernel tells it.
fn program<'a>(hints: &Hints<'a>) -> Option<&'a [u8]> {
    Some(program_name(hints.exe?))
}

/// Without the ` (deleted)` that the kernel appends after an upgrade.
fn program_name(path: &Bytes) -> &[u8] {
    let path = path.as_slice();
    base_name(path.strip_suffix(b" (deleted)").unwrap_or(path))
}

fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}

/// The value of an option, as its own argument or after `=`; Go takes one dash or two.
fn option<'a>(argv: &'a [Bytes], flag: &[u8]) -> Option<&'a [u8]> {
    let mut arguments = argv.iter().skip(1).map(Bytes::as_slice);
    while let Some(argument) = arguments.next() {
        let argument = match argument.strip_prefix(b"-") {
            Some(long) if long.starts_with(b"-") && !flag.starts_with(b"--") => long,
            _ => argument,
        };
        match argument.strip_prefix(flag) {
            Some(b"") => return arguments.next(),
            Some([b'=', value @ ..]) => return Some(value),
            _ => {}
        }
    }
    None
}
