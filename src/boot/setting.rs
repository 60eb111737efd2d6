//! What kind of system this is, and when it started.

use super::Options;
use super::files::Files;
use crate::model::{Setting, StartTicks, Timestamp};
use crate::view::ProcRoot;
use crate::view::stat::parse_stat;

/// The first namespaces have fixed numbers (include/linux/proc_ns.h, `PROC_*_INIT_INO`).
const FIRST_PID_NS: u64 = 0xefff_fffc;
/// Since Linux 6.18.
const FIRST_MNT_NS: u64 = 0xefff_fff8;
const FIRST_UTS_NS: u64 = 0xefff_fffe;
const FIRST_IPC_NS: u64 = 0xefff_ffff;
const FIRST_CGROUP_NS: u64 = 0xefff_fffb;

/// Files by which containers are told, and by whom they are made.
const MARKS: [(&str, &str); 4] = [
    ("/run/.containerenv", "podman"),
    ("/.dockerenv", "docker"),
    ("/run/systemd/container", "systemd"),
    ("/run/host/container-manager", "systemd-nspawn"),
];

/// Directories that are file systems in memory, made anew at each boot.
const IN_MEMORY: [&str; 2] = ["/run", "/dev/shm"];

/// What kind of system this is, and since when.
#[derive(Debug)]
pub(super) struct Situation {
    pub(super) setting: Setting,
    pub(super) started: Timestamp,
    pub(super) earliest: Timestamp,
    pub(super) out_of_sight: bool,
}

pub(super) fn read(proc: &ProcRoot, files: &Files<'_>, options: &Options) -> Situation {
    let setting = if proc.is_live() && options.root.is_some() && !is_root_of_init(proc, files) {
        Setting::OtherRoot
    } else if let Some(by) = container(proc, files) {
        Setting::Container(by)
    } else {
        Setting::Machine
    };
    let init = proc
        .process(1)
        .and_then(|init| init.read(c"stat", 64 * 1024));
    let init = init.ok().and_then(|text| parse_stat(&text));
    let started = match (&setting, init) {
        // A machine's clock began with its kernel. Whoever has a pid namespace of his own sees another first process.
        (Setting::Container(_), Some(init)) => init.started,
        _ => StartTicks(0),
    };
    let started = options.clock.file_time(started);
    let earliest = match (&setting, proc.is_live()) {
        (Setting::Machine, true) => made_at_boot(files).map_or(started, |made| made.min(started)),
        _ => started,
    };
    let own_pids = proc.own().and_then(|own| own.namespace(c"ns/pid"));
    Situation {
        started,
        earliest,
        out_of_sight: setting == Setting::Machine
            && proc.is_live()
            && own_pids.is_ok_and(|number| number != FIRST_PID_NS),
        setting,
    }
}

/// Whether the root that is looked at is that of the first process: an agent in a container looks at its machine so.
fn is_root_of_init(proc: &ProcRoot, files: &Files<'_>) -> bool {
    let Ok(Some(root)) = files.find("/") else {
        return false;
    };
    let theirs = proc.process(1).and_then(|init| init.stat_through(c"root"));
    theirs.is_ok_and(|theirs| crate::view::file_stat(&theirs).is_same_object(&root.stat))
}

/// When what is made at every boot was made, by the clock of that moment: file systems in memory remember that of
/// their root (since Linux 6.6).
fn made_at_boot(files: &Files<'_>) -> Option<Timestamp> {
    let born = |path: &str| {
        let found = files.find(path).ok()??;
        // Without that memory, some say the beginning of time.
        let born = found.stat.btime.filter(|born| born.secs > 0)?;
        files.is_of(path, b"tmpfs").then_some(born)
    };
    IN_MEMORY.into_iter().filter_map(born).min()
}

/// Who made the container that this is, if it is one.
fn container(proc: &ProcRoot, files: &Files<'_>) -> Option<String> {
    if !proc.is_live() {
        return None;
    }
    let own = proc.own().ok()?;
    let number = |name: &std::ffi::CStr| own.namespace(name).ok();
    let is_other =
        |(name, first): (&std::ffi::CStr, u64)| number(name).is_some_and(|number| number != first);
    let mounts = number(c"ns/mnt");
    let of_init = proc.process(1).and_then(|init| init.namespace(c"ns/mnt"));
    let marks = || {
        MARKS
            .iter()
            .find(|(path, _)| matches!(files.find(path), Ok(Some(_))))
    };
    let seen = Seen {
        own_pids: is_other((c"ns/pid", FIRST_PID_NS)),
        apart: [
            (c"ns/uts", FIRST_UTS_NS),
            (c"ns/ipc", FIRST_IPC_NS),
            (c"ns/cgroup", FIRST_CGROUP_NS),
        ]
        .into_iter()
        .any(is_other),
        mounts_of_init: mounts == Some(FIRST_MNT_NS) || mounts.is_some() && mounts == of_init.ok(),
        made_by: from_environment(proc),
        marked_by: marks().map(|(_, by)| (*by).to_owned()),
    };
    seen.container()
}

/// What tells a container from a machine.
#[derive(Debug, Default)]
struct Seen {
    /// The pid namespace is not the first.
    own_pids: bool,
    /// Another namespace is not the first that every container has of its own, and hardly anything else.
    apart: bool,
    /// The mount namespace is that of the first process.
    mounts_of_init: bool,
    /// What the first process was told by who made the container.
    made_by: Option<String>,
    /// What a file says by which containers are told. A virtual machine may have been made from a container's image.
    marked_by: Option<String>,
}

impl Seen {
    fn container(self) -> Option<String> {
        match (self.own_pids, self.apart) {
            (true, true) => {
                let named = self.made_by.or(self.marked_by);
                Some(named.unwrap_or_else(|| "namespaces of its own".to_owned()))
            }
            // Many a tool makes a pid namespace on the machine itself.
            (true, false) => self.made_by,
            // A container that sees all processes; but kured enters the machine's mounts alone, and what it starts there
            // looks at the machine.
            (false, true) if !self.mounts_of_init => self.marked_by,
            (false, _) => None,
        }
    }
}

/// The first process of a container is told by whom it was made (systemd's container interface): `container=lxc`.
fn from_environment(proc: &ProcRoot) -> Option<String> {
    let environ = proc.process(1).ok()?.read(c"environ", 1024 * 1024).ok()?;
    let mut words = environ.split(|&byte| byte == 0);
    let by = words.find_map(|word| word.strip_prefix(b"container="))?;
    (!by.is_empty()).then(|| String::from_utf8_lossy(by).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(seen: Seen, container: Option<&str>) {
        assert_eq!(seen.container().as_deref(), container);
    }

    #[test]
    fn t9_18_containers_and_machines() {
        let by = |by: &str| Some(by.to_owned());
        let machine = Seen {
            mounts_of_init: true,
            ..Seen::default()
        };
        check(machine, None);
        // Made from a container's image.
        let marked = |own_pids, apart, mounts_of_init| Seen {
            own_pids,
            apart,
            mounts_of_init,
            marked_by: by("docker"),
            ..Seen::default()
        };
        check(marked(false, false, true), None);
        check(marked(false, true, true), None); // kured's nsenter, `unshare -u`
        check(marked(true, false, false), None); // `unshare -pf --mount-proc`
        check(marked(true, true, false), Some("docker"));
        check(marked(false, true, false), Some("docker")); // --pid=host
        let plain = |own_pids, apart| Seen {
            own_pids,
            apart,
            ..Seen::default()
        };
        check(plain(true, true), Some("namespaces of its own"));
        check(plain(true, false), None);
        check(plain(false, true), None);
        let told = Seen {
            own_pids: true,
            made_by: by("lxc"),
            ..Seen::default()
        };
        check(told, Some("lxc"));
    }
}
