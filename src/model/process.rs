//! A process as it was seen.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Bytes, Device, ObjectId, Source, ViewId};

/// A process id, as seen by the reader's /proc.
pub type Pid = u32;

/// Start time in clock ticks since boot: field 22 of `/proc/PID/stat` (proc_pid_stat(5)). It is the time of the fork,
/// not of the exec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StartTicks(pub u64);

/// Which process: a pid alone is reused, a pid with its start time within one boot is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessKey {
    /// The pid.
    pub pid: Pid,
    /// When it was forked.
    pub started: StartTicks,
}

/// One process, with what every check needs of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Which process.
    pub key: ProcessKey,
    /// The parent's pid.
    pub ppid: Pid,
    /// The command name: at most 15 bytes that the process chose itself.
    pub comm: Bytes,
    /// The kernel's own name for the running program, as `/proc/PID/exe` prints it; `None` where it cannot be read.
    pub exe: Option<Bytes>,
    /// From where the process sees files.
    pub view: ViewId,
    /// The objects whose code it has mapped, each once.
    pub uses: Vec<Use>,
    /// Files that it runs beside them, as plugins say.
    #[serde(default)]
    pub sources: Vec<Source>,
    /// Details that are read only for processes that matter.
    pub details: Option<Details>,
}

/// One object in the address space of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// Which object.
    pub object: ObjectId,
    /// The lowest address at which it is mapped executable; 0 for a program that is not mapped.
    pub start: u64,
    /// Whether it is the program itself, as `/proc/PID/exe` says.
    pub program: bool,
}

/// What attribution, decision and report need of a process that matters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    /// Arguments as the process holds them now (it may have rewritten them).
    pub argv: Vec<Bytes>,
    /// Effective user id.
    pub uid: u32,
    /// Controlling terminal, `None` without one.
    pub tty: Option<Device>,
    /// `/proc/PID/cgroup`, as it is.
    pub cgroup: Bytes,
    /// Inode numbers of the pid, mount and user namespaces; `None` where they cannot be read.
    pub namespaces: Namespaces,
    /// The working directory as the kernel prints it.
    pub cwd: Option<Bytes>,
}

/// Namespaces of a process, by inode number (namespaces(7)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespaces {
    /// Process ids.
    pub pid: Option<u64>,
    /// Mounts.
    pub mnt: Option<u64>,
    /// Users.
    pub user: Option<u64>,
}

/// An ELF build-id (`NT_GNU_BUILD_ID`): what the linker says identifies this build.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BuildId(pub Vec<u8>);

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl BuildId {
    /// Reads lower- or upper-case hexadecimal.
    fn parse(text: &str) -> Option<Self> {
        if !text.len().is_multiple_of(2) || !text.is_ascii() {
            return None;
        }
        (0..text.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&text[i..i + 2], 16).ok())
            .collect::<Option<_>>()
            .map(Self)
    }
}

impl Serialize for BuildId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BuildId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("a build-id is hexadecimal"))
    }
}
