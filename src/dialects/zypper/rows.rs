//! What `zypper ps` lists.

use std::collections::BTreeSet;

use crate::dialects::application::service_unit;
use crate::dialects::{OldFile, OldPart, Scene, Stale, tame};
use crate::model::{Bytes, OwnerKind};

/// What the kernel appends to the name of a removed file.
const DELETED: &str = " (deleted)";

/// One process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) pid: u32,
    pub(super) ppid: u32,
    pub(super) uid: u32,
    pub(super) user: String,
    pub(super) command: String,
    /// The unit without `.service`; empty for what is no service of the system.
    pub(super) service: String,
    /// At least one.
    pub(super) files: Vec<String>,
}

/// The processes, by pid. What lives in a container is not looked at by zypper; `compat_bugs` also leaves out what it
/// overlooks, and all that has another pid namespace, which is how it knows containers.
pub(super) fn of(scene: &Scene, compat_bugs: bool) -> Vec<Row> {
    let is_shown = |one: &&Stale| match compat_bugs {
        true => !one.other_pid_ns,
        false => !is_contained(one),
    };
    let outside = scene.stale.iter().filter(is_shown);
    let mut rows: Vec<Row> = outside.filter_map(|one| row(one, compat_bugs)).collect();
    rows.sort_by_key(|row| row.pid);
    rows
}

/// How many processes are not shown for that.
pub(super) fn in_containers(scene: &Scene) -> usize {
    scene.stale.iter().filter(|one| is_contained(one)).count()
}

/// Whether it lives in a container or machine. What keeps one lives outside.
fn is_contained(one: &Stale) -> bool {
    let kept = matches!(
        one.owner.kind,
        OwnerKind::Container(_) | OwnerKind::VirtualMachine(_)
    );
    one.other_pid_ns && (kept || one.instance.is_some())
}

/// Names of services, sorted, each once.
pub(super) fn services(rows: &[Row]) -> BTreeSet<&str> {
    let services = rows.iter().map(|row| row.service.as_str());
    services.filter(|service| !service.is_empty()).collect()
}

fn row(one: &Stale, compat_bugs: bool) -> Option<Row> {
    let files = one
        .files
        .iter()
        .filter(|file| file.part != OldPart::Data)
        .filter(|file| !compat_bugs || is_seen(file));
    let files: Vec<String> = files.map(shown).collect();
    let command = one.exe.as_ref().unwrap_or(&one.comm).as_slice();
    let base = command.rsplit(|&byte| byte == b'/').next();
    (!files.is_empty()).then(|| Row {
        pid: one.pid,
        ppid: one.ppid,
        uid: one.uid,
        user: tame(one.user.as_bytes()),
        command: tame(base.unwrap_or_default()),
        service: service(one),
        files,
    })
}

/// A program as the kernel names it, everything else by its path alone.
fn shown(file: &OldFile) -> String {
    match file.part {
        OldPart::Program if file.name.as_slice().ends_with(DELETED.as_bytes()) => {
            format!("{}{DELETED}", tame(file.path.as_slice()))
        }
        _ => tame(file.path.as_slice()),
    }
}

/// Whether the original looks at such a file: programs and libraries by words in their path.
fn is_seen(file: &OldFile) -> bool {
    const ELSEWHERE: [&[u8]; 5] = [b"/var/", b"/dev/", b"/tmp/", b"/proc/", b"/snap/"];
    let path = file.path.as_slice();
    let holds = |word: &[u8]| path.windows(word.len()).any(|part| part == word);
    matches!(file.part, OldPart::Program | OldPart::Library)
        && (holds(b"/lib") || holds(b"bin/"))
        && !ELSEWHERE.iter().any(|root| path.starts_with(root))
}

/// The service of the system that a process belongs to. The owner says which; the control group says whether it is below
/// `system.slice`, as zypper wants it.
fn service(one: &Stale) -> String {
    let name = match service_unit(&one.owner) {
        Some(unit) if in_system_slice(&one.cgroup) => unit.as_slice(),
        _ => return String::new(),
    };
    tame(name.strip_suffix(b".service").unwrap_or_default())
}

/// Whether a line of `/proc/PID/cgroup` that systemd manages (the unified one, or `name=systemd`) is below that slice.
fn in_system_slice(cgroup: &Bytes) -> bool {
    let mut lines = cgroup.as_slice().split(|&byte| byte == b'\n');
    lines.any(|line| {
        let mut fields = line.splitn(3, |&byte| byte == b':').skip(1);
        let managed = matches!(fields.next(), Some(b"" | b"name=systemd"));
        let path = fields.next().unwrap_or_default();
        managed && path.starts_with(b"/system.slice/")
    })
}
