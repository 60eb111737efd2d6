//! Facts of the machine, and of who looks at it.

use rustix::time::{ClockId, clock_gettime};

use super::look;
use crate::model::{Bytes, Clock, Device, Host};
use crate::view::Base;
use crate::view::ProcRoot;
use crate::view::device_of;

/// Reads them all once.
pub(super) fn read_host(proc: &ProcRoot, reader_uid: u32) -> Host {
    let text = |name: &std::ffi::CStr| {
        let mut bytes = proc.read(name, 4096).unwrap_or_default();
        bytes.truncate(bytes.trim_ascii_end().len());
        Bytes(bytes)
    };
    let nanos = |id| {
        let time = clock_gettime(id);
        time.tv_sec
            .saturating_mul(1_000_000_000)
            .saturating_add(time.tv_nsec)
    };
    let own = proc.own().ok();
    let namespace = |name: &std::ffi::CStr| own.as_ref().and_then(|own| own.namespace(name).ok());
    Host {
        kernel: text(c"sys/kernel/osrelease"),
        boot_id: text(c"sys/kernel/random/boot_id"),
        clock: Clock {
            boot_realtime_ns: nanos(ClockId::Realtime).saturating_sub(nanos(ClockId::Boottime)),
            ticks_per_second: rustix::param::clock_ticks_per_second(),
        },
        reader_uid,
        reader_mnt_ns: namespace(c"ns/mnt"),
        reader_pid_ns: namespace(c"ns/pid"),
        memory_devices: look::memory_devices(),
        unified_cgroups: is_cgroup2(std::path::Path::new("/sys/fs/cgroup")),
        systemd: std::path::Path::new("/run/systemd/system").is_dir(),
    }
}

/// Whether the reader's root is not that of its mount namespace: PID 1 has another, or, where PID 1 cannot be asked,
/// nothing is mounted there.
pub(super) fn is_chrooted(proc: &ProcRoot, host: &Host, root: (Device, u64)) -> bool {
    let init = proc.process(1).ok().filter(|init| {
        let theirs = init.namespace(c"ns/mnt").ok();
        theirs.is_some() && theirs == host.reader_mnt_ns
    });
    match init.and_then(|init| init.stat_through(c"root").ok()) {
        Some(stat) => (device_of(&stat), stat.stx_ino) != root,
        None => {
            let mounts = Base::Directory("/".into()).mounts(proc);
            !mounts.is_unreadable() && !mounts.has_point(b"/")
        }
    }
}

/// `CGROUP2_SUPER_MAGIC`, statfs(2).
fn is_cgroup2(path: &std::path::Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|stat| u64::try_from(stat.f_type) == Ok(0x6367_7270))
}
