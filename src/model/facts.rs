//! What was seen on a machine, before anyone judges it. A bundle (`unstale record`) is this and what the package stores said.

use serde::{Deserialize, Serialize};

use super::{Beside, Boot, BuildId, Bytes, PluginRun, Process};
use crate::problem::Problem;

/// Everything that one pass over a machine saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The machine and the reader.
    pub host: Host,
    /// From where files were looked up.
    pub views: Vec<View>,
    /// Processes in the order of their pids, kernel threads left out.
    pub processes: Vec<Process>,
    /// Distinct mapped objects; a process refers to them by index.
    pub objects: Vec<Object>,
    /// What could not be looked at.
    pub problems: Vec<Problem>,
    /// Plugins that had something to look at.
    #[serde(default)]
    pub plugins: Vec<PluginRun>,
    /// What runs below the programs, and would run after a reboot; `None` if nobody looked.
    #[serde(default)]
    pub boot: Option<Boot>,
    /// What was asked besides, of processes of which there is something to tell.
    // Written even if empty: the scanner's answer has no names of fields.
    #[serde(default)]
    pub beside: Vec<Beside>,
}

/// The machine and who looks at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// `uname -r`.
    pub kernel: Bytes,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: Bytes,
    /// Relation of the clocks at the time of the scan.
    pub clock: Clock,
    /// Effective uid of the reader.
    pub reader_uid: u32,
    /// The reader's own mount namespace.
    pub reader_mnt_ns: Option<u64>,
    /// The reader's own pid namespace.
    pub reader_pid_ns: Option<u64>,
    /// The devices of the kernel's own memory files (memfd, SysV segments, shared anonymous memory; of huge pages too),
    /// learnt from memfds of ours: no list of names tells them.
    pub memory_devices: Vec<Device>,
    /// Whether `/sys/fs/cgroup` is the unified hierarchy (cgroup v2 only).
    pub unified_cgroups: bool,
    /// Whether systemd runs as the service manager (sd_booted(3)).
    pub systemd: bool,
}

/// One reading of both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// `CLOCK_REALTIME` minus `CLOCK_BOOTTIME`, in nanoseconds: added to a time since boot it gives a file time.
    pub boot_realtime_ns: i64,
    /// Clock ticks per second (`sysconf(_SC_CLK_TCK)`).
    pub ticks_per_second: u64,
}

/// Index into [`Facts::views`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ViewId(pub u32);

/// Index into [`Facts::objects`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectId(pub u32);

/// A mount namespace and a root in it: what a path means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Inode number of the mount namespace; `None` where it cannot be read.
    pub mnt_ns: Option<u64>,
    /// The root directory, as `/proc/PID/root` prints it to the reader.
    pub root: Bytes,
    /// Whether this is the host's own root in the reader's own namespace.
    pub host: bool,
}

/// A device number.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Device {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

/// A time in seconds and nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp {
    /// Seconds.
    pub secs: i64,
    /// Nanoseconds, 0 to 999,999,999.
    pub nanos: u32,
}

/// What a path or descriptor leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// Anything else: a device, an anonymous inode, a directory.
    Other,
}

/// The kernel's number for a mount (`statx` `STATX_MNT_ID`, first field of mountinfo).
pub type MountId = u64;

/// statx(2) of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStat {
    /// `st_dev`; comparable only with another `st_dev`, never with the device in maps.
    pub device: Device,
    /// Inode number.
    pub inode: u64,
    /// What it is.
    pub kind: FileKind,
    /// Size in bytes.
    pub size: u64,
    /// Link count.
    pub links: u32,
    /// Owner's uid.
    pub uid: u32,
    /// Permission bits.
    pub mode: u16,
    /// Last change of content.
    pub mtime: Timestamp,
    /// Last change of content or attributes, including the removal of its last name.
    pub ctime: Timestamp,
    /// Birth, where the file system keeps it.
    pub btime: Option<Timestamp>,
    /// The mount it was reached through, where the kernel tells (Linux 5.8).
    pub mount: Option<MountId>,
}

/// A file system mounted where an object's name leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Its type, as mountinfo prints it: `ext4`, `overlay`, `fuse.sshfs`.
    pub kind: Bytes,
    /// The device of its super block, comparable with the device in maps.
    pub device: Device,
}

/// A distinct mapped object, as one view names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// The view in which its path is looked up: that of the processes that map it, or, where the object lies outside
    /// their root (they called chroot(2) after opening it), their mount namespace's.
    pub view: ViewId,
    /// The kernel's name for it, raw, relative to the reader's root or the namespace's: with ` (deleted)` where the
    /// kernel appends that (or where the file is truly named so).
    pub name: Bytes,
    /// The same as a path inside the view's root, without a suffix that the kernel appended; `None` where the name is
    /// no path, or leads outside every root that could be looked into.
    pub path: Option<Bytes>,
    /// Device as maps prints it (of the super block).
    pub device: Device,
    /// Inode number as maps prints it.
    pub inode: u64,
    /// What was found when looking at it.
    pub look: Look,
}

/// What was found when looking at a mapped object and at what a fresh open of its path gives now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// The mapped object itself, through `map_files` or `exe`.
    pub mapped: Result<FileStat, WhyNot>,
    /// What is at its path now.
    pub fresh: Fresh,
    /// The mount under which the path lies now, in that view.
    pub mount: Option<Mount>,
    /// Whether the mapped object's own file system is still mounted anywhere in the view; `None` if not known.
    pub mounted: Option<bool>,
    /// Whether the path means a file of the host, so that the host's package database speaks for it.
    pub on_host: bool,
    /// Build-id of the mapped object.
    pub mapped_build_id: Option<BuildId>,
    /// Build-id of the file at the path.
    pub fresh_build_id: Option<BuildId>,
    /// Content of the two, where they are different objects.
    pub content: Compared,
    /// Where the program or library would be found now if the object was renamed since it was opened (its start name:
    /// the first argument of a program, the SONAME of a library in its directory), if that is another object.
    pub start_name: Option<StartName>,
}

/// A name by which an object was (most likely) opened, and that now leads elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartName {
    /// The name, as a path inside the view's root.
    pub path: Bytes,
    /// Where it leads now.
    pub found: Result<Led, WhyNot>,
    /// Content of the two.
    pub content: Compared,
}

/// Where a name leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Led {
    /// The path without symbolic links.
    pub path: Bytes,
    /// What is there.
    pub stat: FileStat,
    /// When the name came to lead there, as far as the links and names on the way tell: nanoseconds since 1970.
    pub since_ns: i64,
    /// Whether `/etc/alternatives` lies on the way: an administrator's choice, not an upgrade.
    pub alternatives: bool,
}

/// What is at a path now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fresh {
    /// A file.
    Found(FileStat),
    /// Nothing.
    Missing,
    /// Could not look.
    Unknown(WhyNot),
}

/// How the content of two objects compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compared {
    /// Not asked: there was no second object.
    NotAsked,
    /// Byte for byte the same.
    SameBytes,
    /// Other bytes, but every loadable segment is the same (stripped, debug link changed).
    SameSegments,
    /// Same build-id; the bytes could not be read.
    SameBuildId,
    /// Different.
    Different,
    /// Could not be compared.
    Unreadable,
}

/// Why something could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum WhyNot {
    /// Permission.
    Denied,
    /// A file system that may never answer, by type.
    MayHang(Bytes),
    /// It did not answer in time.
    TimedOut,
    /// The name leads outside what can be resolved for this process.
    OutsideView,
    /// The process ended or became another one meanwhile.
    Vanished,
    /// A recorded tree holds no objects.
    NotRecorded,
    /// Anything else the system said.
    Failed(String),
}

impl Timestamp {
    /// Nanoseconds since 1970, saturating (the range of `i64` ends in 2262).
    #[must_use]
    pub fn nanos_since_epoch(self) -> i64 {
        self.secs
            .saturating_mul(1_000_000_000)
            .saturating_add(i64::from(self.nanos))
    }
}

impl Look {
    /// Whether there was nobody left through whom to look.
    #[must_use]
    pub fn is_vanished(&self) -> bool {
        self.mapped == Err(WhyNot::Vanished) || self.fresh == Fresh::Unknown(WhyNot::Vanished)
    }
}

impl Clock {
    /// The time of a process start on the scale of file times, in nanoseconds since 1970. Exact to a clock tick.
    #[must_use]
    pub fn file_time_ns(self, started: super::StartTicks) -> i64 {
        let ticks =
            i128::from(started.0) * 1_000_000_000 / i128::from(self.ticks_per_second.max(1));
        i64::try_from(ticks)
            .unwrap_or(i64::MAX)
            .saturating_add(self.boot_realtime_ns)
    }
}

impl Clock {
    /// As [`Self::file_time_ns`], as seconds and nanoseconds.
    #[must_use]
    pub fn file_time(self, started: super::StartTicks) -> Timestamp {
        let nanos = self.file_time_ns(started);
        let rest = u32::try_from(nanos.rem_euclid(1_000_000_000)).expect("a remainder below 10^9");
        Timestamp {
            secs: nanos.div_euclid(1_000_000_000),
            nanos: rest,
        }
    }
}

impl FileStat {
    /// Whether two results of statx speak of one object.
    #[must_use]
    pub fn is_same_object(&self, other: &Self) -> bool {
        self.device == other.device && self.inode == other.inode
    }
}

/// Whether a look found the mapped object itself at its path. `device` and `inode` are what maps prints.
///
/// Best by statx of both. Where the mapped object cannot be reached (it takes a capability in the first user namespace),
/// the inode number of maps tells, if the super block is the same: the device in maps is that of the super block, as in
/// mountinfo, and not comparable with `st_dev` (btrfs, overlay).
#[must_use]
pub fn is_same_object(look: &Look, device: Device, inode: u64) -> bool {
    let Fresh::Found(fresh) = &look.fresh else {
        return false;
    };
    match &look.mapped {
        Ok(mapped) => mapped.is_same_object(fresh),
        Err(_) => {
            fresh.inode == inode
                && look
                    .mount
                    .as_ref()
                    .is_some_and(|mount| mount.device == device)
        }
    }
}
