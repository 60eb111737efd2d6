//! One look at one process: who it is and what code it has mapped.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::fd::AsFd as _;

use rustix::io::Errno;

use super::hashed::Hashes;
use super::maps::{self, Mapping};
use super::procmap;
use crate::model::{Bytes, Details, Device, Namespaces, Pid, ProcessKey, StartTicks, WhyNot};
use crate::view::stat::{Stat, parse_stat};
use crate::view::{ProcDir, ProcRoot, device_of, is_vanished, why};

/// How mappings are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MappingSource {
    /// By `PROCMAP_QUERY` where the kernel has it, otherwise from the text.
    Best,
    /// By `PROCMAP_QUERY` alone: an error where the kernel does not have it.
    Ioctl,
    /// From the text of maps.
    Text,
}

/// Sizes above which a file of /proc is not what it should be.
const STAT_CAP: usize = 4096;
const MAPS_LINE_CAP: usize = 64 * 1024;
const CMDLINE_CAP: usize = 128 * 1024;
const CGROUP_CAP: usize = 64 * 1024;
/// All names of the code that one process has mapped, and 64 bytes for each: some 2,000 files.
const NAMES_CAP: usize = 256 * 1024;

/// A process as it was seen, before its objects are told apart.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) uid: u32,
    pub(super) stat: Stat,
    pub(super) exe: Option<Vec<u8>>,
    /// `st_dev` and inode number of the program.
    pub(super) exe_id: Option<(Device, u64)>,
    pub(super) mnt_ns: Option<u64>,
    pub(super) root: Option<Vec<u8>>,
    pub(super) root_id: Option<(Device, u64)>,
    pub(super) mappings: Mappings,
    /// The id under which the kernel answers for its address space: the pid, or a living thread's where the first
    /// thread has ended.
    pub(super) task: Pid,
    /// What could not be read.
    pub(super) troubles: Vec<(&'static str, WhyNot)>,
}

/// The distinct objects among the mappings of a process, with their names in one piece of memory.
#[derive(Debug, Default)]
pub(super) struct Mappings {
    names: Vec<u8>,
    list: Vec<(u64, u64, Device, u64, usize)>,
    seen: Hashes,
    too_many: bool,
}

impl Mappings {
    /// Room for what most processes have.
    fn roomy() -> Self {
        Self {
            names: Vec::with_capacity(4096),
            list: Vec::with_capacity(64),
            seen: Hashes::with_capacity_and_hasher(64, Default::default()),
            too_many: false,
        }
    }

    /// Keeps the first mapping of each object. Beyond the cap nothing more is kept, and that is said.
    fn push(&mut self, mapping: &Mapping<'_>) {
        let mut hasher = DefaultHasher::new();
        (mapping.device, mapping.inode, mapping.name).hash(&mut hasher);
        if !self.seen.insert(hasher.finish()) {
            return;
        }
        // Short names are not free: each comes with an object.
        if self.names.len() + mapping.name.len() + 64 * self.list.len() > NAMES_CAP {
            self.too_many = true;
            return;
        }
        self.names.extend_from_slice(mapping.name);
        self.list.push((
            mapping.start,
            mapping.end,
            mapping.device,
            mapping.inode,
            self.names.len(),
        ));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Mapping<'_>> {
        let mut from = 0;
        self.list
            .iter()
            .map(move |&(start, end, device, inode, to)| {
                let name = &self.names[from..to];
                from = to;
                Mapping {
                    start,
                    end,
                    device,
                    inode,
                    name,
                }
            })
    }

    fn if_bounded(mut self) -> Result<Self, Errno> {
        self.seen = Hashes::default();
        if self.too_many {
            Err(Errno::FBIG)
        } else {
            Ok(self)
        }
    }

    /// The text prints a newline as `\\012`, which may also be how a file is truly named: the link has the raw name.
    fn with_raw_names(self, dir: &ProcDir<'_>) -> Self {
        if !self.names.windows(4).any(|part| part == b"\\012") {
            return self;
        }
        let mut raw = Self::default();
        for mapping in self.iter() {
            let link =
                std::ffi::CString::new(format!("map_files/{:x}-{:x}", mapping.start, mapping.end));
            let name = link.ok().and_then(|link| dir.link(&link).ok());
            raw.push(&Mapping {
                name: name.as_deref().unwrap_or(mapping.name),
                ..mapping
            });
        }
        raw
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// What one pid turned out to be.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A process.
    Process(Box<Seen>),
    /// A thread of the kernel, a zombie, or gone.
    Nothing,
    /// A process of which nothing can be told.
    Trouble(WhyNot),
}

/// Looks at one process.
pub(super) fn scan(proc: &ProcRoot, pid: Pid, source: MappingSource) -> Outcome {
    match try_scan(proc, pid, source) {
        Ok(Some(seen)) => Outcome::Process(Box::new(seen)),
        Ok(None) => Outcome::Nothing,
        // A recorded process does not end: what is missing of it was not recorded.
        Err(error) if is_vanished(error) && proc.is_live() => Outcome::Nothing,
        Err(error) => Outcome::Trouble(why(error)),
    }
}

fn try_scan(proc: &ProcRoot, pid: Pid, source: MappingSource) -> Result<Option<Seen>, Errno> {
    let mut dir = proc.process(pid)?;
    let stat = parse_stat(&dir.read(c"stat", STAT_CAP)?).ok_or(Errno::INVAL)?;
    if stat.kernel_thread {
        return Ok(None);
    }
    let mut task = pid;
    if stat.state == b'Z' {
        // The first thread may have ended while others run on: their address space is read through one of them.
        match living_thread(proc, &dir, pid, &stat) {
            Some((id, thread)) => (task, dir) = (id, thread),
            None => return Ok(None),
        }
    }
    let mut troubles = Troubles {
        live: proc.is_live(),
        list: Vec::new(),
    };
    let uid = dir.uid()?;
    let exe = troubles.note(dir.link(c"exe"), "read exe");
    let exe_id = dir
        .stat_through(c"exe")
        .ok()
        .map(|stat| (device_of(&stat), stat.stx_ino));
    let mnt_ns = troubles.note(dir.namespace(c"ns/mnt"), "read mount namespace");
    let root = troubles.note(dir.link(c"root"), "read root");
    let root_id = dir
        .stat_through(c"root")
        .ok()
        .map(|stat| (device_of(&stat), stat.stx_ino));
    let mappings = troubles
        .note(read_mappings(&dir, source), "read maps")
        .unwrap_or_default();
    let troubles = troubles.list;
    if exe.is_none() && mappings.is_empty() && troubles.is_empty() {
        return Ok(None); // a process on its way out: no address space any more
    }
    Ok(Some(Seen {
        uid,
        stat,
        exe,
        exe_id,
        mnt_ns,
        root,
        root_id,
        mappings,
        task,
        troubles,
    }))
}

fn living_thread<'a>(
    proc: &'a ProcRoot,
    dir: &ProcDir<'_>,
    pid: Pid,
    stat: &Stat,
) -> Option<(Pid, ProcDir<'a>)> {
    if stat.threads < 2 {
        return None;
    }
    dir.threads()
        .ok()?
        .into_iter()
        .filter(|&id| id != pid)
        .find_map(|id| {
            let thread = proc.process(id).ok()?;
            let stat = parse_stat(&thread.read(c"stat", STAT_CAP).ok()?)?;
            (!matches!(stat.state, b'Z' | b'X')).then_some((id, thread))
        })
}

/// What could not be read of one process.
struct Troubles {
    live: bool,
    list: Vec<(&'static str, WhyNot)>,
}

impl Troubles {
    /// Vanished is neither a value nor a trouble: the last look decides whether there was a process. In a recorded tree
    /// nothing vanishes.
    fn note<T>(&mut self, result: Result<T, Errno>, what: &'static str) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) if is_vanished(error) && self.live => None,
            Err(error) => {
                self.list.push((what, why(error)));
                None
            }
        }
    }
}

fn read_mappings(dir: &ProcDir<'_>, source: MappingSource) -> Result<Mappings, Errno> {
    let fd = dir.open(c"maps")?;
    let mut mappings = Mappings::roomy();
    if source != MappingSource::Text {
        match procmap::each_mapping(fd.as_fd(), |mapping| mappings.push(&mapping)) {
            // ENOTTY: an older kernel (or a recorded tree). ENAMETOOLONG: the text prints the name whole.
            Err(Errno::NOTTY | Errno::NAMETOOLONG) if source == MappingSource::Best => {
                mappings = Mappings::default()
            }
            Err(error) => return Err(error),
            Ok(()) => return mappings.if_bounded(),
        }
    }
    let mut text = Vec::with_capacity(MAPS_LINE_CAP);
    loop {
        text.reserve(16 * 1024);
        match rustix::io::read(&fd, rustix::buffer::spare_capacity(&mut text)) {
            Ok(0) => break,
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error),
        }
        let end = text
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |at| at + 1);
        take_lines(&text[..end], &mut mappings)?;
        text.drain(..end);
        if text.len() > MAPS_LINE_CAP {
            return Err(Errno::FBIG);
        }
    }
    take_lines(&text, &mut mappings)?;
    mappings.with_raw_names(dir).if_bounded()
}

fn take_lines(text: &[u8], mappings: &mut Mappings) -> Result<(), Errno> {
    for line in text
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        if let Some(mapping) = maps::parse_line(line).map_err(|maps::NotAMapping| Errno::INVAL)? {
            mappings.push(&mapping);
        }
    }
    Ok(())
}

/// Whether a process is still the one that was looked at: same start, same program.
pub(super) fn is_unchanged(
    proc: &ProcRoot,
    key: ProcessKey,
    task: Pid,
    exe: Option<&Bytes>,
) -> Result<bool, Errno> {
    let stat = proc.process(key.pid)?.read(c"stat", STAT_CAP)?;
    let stat = parse_stat(&stat).ok_or(Errno::INVAL)?;
    let now = proc.process(task)?.link(c"exe")?;
    Ok(stat.started == key.started && exe.is_none_or(|exe| exe.as_slice() == now))
}

/// When the process began that has this pid now.
pub(super) fn start_of(proc: &ProcRoot, pid: Pid) -> Result<StartTicks, Errno> {
    let stat = proc.process(pid)?.read(c"stat", STAT_CAP)?;
    Ok(parse_stat(&stat).ok_or(Errno::INVAL)?.started)
}

/// Reads what attribution, decision and report need of one process, through the thread that has its address space.
pub(super) fn details(proc: &ProcRoot, key: ProcessKey, task: Pid) -> Result<Details, Errno> {
    let stat = proc.process(key.pid)?.read(c"stat", STAT_CAP)?;
    let stat = parse_stat(&stat).ok_or(Errno::INVAL)?;
    if stat.started != key.started {
        return Err(Errno::SRCH);
    }
    let dir = proc.process(task)?;
    let mut argv: Vec<Bytes> = match arguments(&dir) {
        Ok(text) => text.split(|&byte| byte == 0).map(Bytes::from).collect(),
        Err(_) => Vec::new(), // 128 KiB and more, or hidden: no decision on what is mapped rests on it
    };
    if argv.last().is_some_and(|last| last.0.is_empty()) {
        argv.pop();
    }
    Ok(Details {
        argv,
        uid: dir.uid()?,
        tty: stat.tty,
        cgroup: Bytes(dir.read(c"cgroup", CGROUP_CAP)?),
        namespaces: Namespaces {
            pid: dir.namespace(c"ns/pid").ok(),
            mnt: dir.namespace(c"ns/mnt").ok(),
            user: dir.namespace(c"ns/user").ok(),
        },
        cwd: dir.link(c"cwd").ok().map(Bytes),
    })
}

/// `/proc/PID/cmdline` as it is.
pub(super) fn arguments(dir: &ProcDir<'_>) -> Result<Vec<u8>, Errno> {
    dir.read(c"cmdline", CMDLINE_CAP)
}

/// `st_dev` of a result of statx.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_process_by_both_sources() {
        let proc = ProcRoot::open(std::path::Path::new("/proc")).unwrap();
        for source in [MappingSource::Best, MappingSource::Text] {
            let Outcome::Process(seen) = scan(&proc, std::process::id(), source) else {
                panic!("{source:?}")
            };
            assert!(seen.troubles.is_empty(), "{:?}", seen.troubles);
            let exe = seen.exe.unwrap();
            assert!(seen.mappings.iter().any(|mapping| mapping.name == exe));
        }
        assert!(matches!(
            scan(&proc, 0, MappingSource::Best),
            Outcome::Nothing
        ));
    }
}
