//! The oracle: what is really stale, found without the program under test and without its ideas.
//!
//! A unit is stale if its processes run other code than after a restart. Code is what is mapped executable, read
//! through the kernel's own links to the mapped objects, from outside the machine; the units are systemd's own answer.
//! What cannot be restarted for the question (PID 1, user managers, sessions) is stale if what it maps is not what is
//! at that path now.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::hash::Hasher;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::machine::Machine;
use crate::report::{Owner, Report};

/// A digest of the part of a file that can be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code(u64);

/// A mapped object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mapped {
    inode: u64,
    code: Code,
}

/// A process and its code by path.
#[derive(Debug)]
pub(crate) struct Process {
    /// Inside the machine.
    pub(crate) pid: u32,
    pub(crate) name: String,
    pub(crate) owner: Owner,
    pub(crate) code: BTreeMap<PathBuf, Mapped>,
}

/// All processes of a machine at one time.
pub(crate) struct Observed {
    pub(crate) processes: Vec<Process>,
}

/// Why each stale owner is stale, for people.
pub(crate) type Stale = BTreeMap<Owner, BTreeSet<String>>;

impl Code {
    /// The loadable segments of an ELF file; all of any other file. What only a debugger reads (section headers, links
    /// to debug files) is not code and differs between rebuilds of the same code.
    fn of(data: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        match segments(data) {
            Some(segments) => segments.iter().for_each(|segment| hasher.write(segment)),
            None => hasher.write(data),
        }
        Self(hasher.finish())
    }
}

fn number(data: &[u8], at: usize, size: usize) -> Option<usize> {
    let mut bytes = [0; 8];
    bytes[..size].copy_from_slice(data.get(at..at + size)?);
    usize::try_from(u64::from_le_bytes(bytes)).ok()
}

/// The bytes of each PT_LOAD segment of a 64-bit little-endian ELF file, without the position and number of sections
/// in its header.
fn segments(data: &[u8]) -> Option<Vec<Vec<u8>>> {
    if data.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let (table, size, count) = (
        number(data, 32, 8)?,
        number(data, 54, 2)?,
        number(data, 56, 2)?,
    );
    let mut bare = data.to_vec();
    bare[40..48].fill(0);
    bare[58..64].fill(0);
    let mut found = Vec::new();
    for at in (0..count).map(|index| table + index * size) {
        if number(data, at, 4)? == 1 {
            let (offset, length) = (number(data, at + 8, 8)?, number(data, at + 32, 8)?);
            found.push(bare.get(offset..offset + length)?.to_vec());
        }
    }
    Some(found)
}

/// A path inside a root, with links resolved as seen from inside.
fn inside(root: &Path, path: &Path) -> PathBuf {
    let mut path = path.to_path_buf();
    for _ in 0..16 {
        let Ok(target) = fs::read_link(outside(root, &path)) else {
            break;
        };
        path = path.parent().unwrap_or(Path::new("/")).join(target);
    }
    outside(root, &path)
}

fn outside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// The code that a fresh start would find at a path.
fn code_at(root: &Path, path: &Path) -> Option<Code> {
    fs::read(inside(root, path))
        .ok()
        .map(|data| Code::of(&data))
}

/// `Id=` and `ControlGroup=` of `systemctl show`, by control group.
fn control_groups(shown: &str) -> BTreeMap<String, String> {
    let block = |text: &str| {
        let value = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key))
                .filter(|value| !value.is_empty())
        };
        Some((value("ControlGroup=")?.to_owned(), value("Id=")?.to_owned()))
    };
    shown.split("\n\n").filter_map(block).collect()
}

const SHOW: [&str; 6] = [
    "show",
    "*.service",
    "*.scope",
    "--property=Id",
    "--property=ControlGroup",
    "--no-pager",
];

/// Owners by control group, as the managers themselves say.
fn owners(machine: &Machine) -> BTreeMap<String, Owner> {
    let mut owners = BTreeMap::new();
    let mut managers = Vec::new();
    for (group, unit) in control_groups(&machine.ask(&[&["systemctl"], &SHOW[..]].concat())) {
        let user = unit
            .strip_prefix("user@")
            .and_then(|rest| rest.strip_suffix(".service")?.parse::<u32>().ok());
        let session = unit
            .strip_prefix("session-")
            .and_then(|rest| rest.strip_suffix(".scope"));
        let owner = match (user, session) {
            (Some(uid), _) => {
                managers.push(uid);
                Owner::UserManager(uid)
            }
            (None, Some(id)) => Owner::Session(id.to_owned()),
            (None, None) if unit == "init.scope" => Owner::ServiceManager,
            (None, None) => Owner::Unit(unit),
        };
        owners.insert(group, owner);
    }
    for uid in managers {
        let shown = machine.ask_as(uid, &[&["systemctl", "--user"], &SHOW[..]].concat());
        for (group, unit) in control_groups(&shown) {
            if unit != "init.scope" {
                owners.insert(group, Owner::UserUnit(uid, unit));
            }
        }
    }
    owners
}

/// The owner of a control group: that of the nearest group above it that has one.
fn owner_of(owners: &BTreeMap<String, Owner>, group: &str) -> Owner {
    let above = Path::new(group)
        .ancestors()
        .find_map(|above| owners.get(above.to_str()?));
    above
        .cloned()
        .unwrap_or_else(|| Owner::Other(format!("control group {group}")))
}

/// Digests of mapped objects, each read once.
struct Reader {
    device: u64,
    seen: HashMap<(u64, u64), Code>,
}

impl Reader {
    /// The executable mappings of a process that are files of the machine's disk. Memory that has a name (memfd,
    /// /dev/zero, System V segments) is on another device.
    fn code(&mut self, process: &Path) -> io::Result<BTreeMap<PathBuf, Mapped>> {
        let mut code = BTreeMap::new();
        for line in String::from_utf8_lossy(&fs::read(process.join("maps"))?).lines() {
            let Some((range, path)) = executable_file(line) else {
                continue;
            };
            let link = process.join("map_files").join(range);
            let about = fs::metadata(&link)?;
            if about.dev() == self.device {
                let id = (about.dev(), about.ino());
                let digest = match self.seen.get(&id) {
                    Some(&known) => known,
                    None => *self.seen.entry(id).or_insert(Code::of(&fs::read(&link)?)),
                };
                let inode = about.ino();
                code.insert(
                    path,
                    Mapped {
                        inode,
                        code: digest,
                    },
                );
            }
        }
        Ok(code)
    }
}

/// The name in map_files and the path of an executable file mapping.
fn executable_file(line: &str) -> Option<(String, PathBuf)> {
    let mut rest = line;
    let mut field = || {
        let (first, after) = rest.trim_start().split_once(' ')?;
        rest = after;
        Some(first)
    };
    let (range, mode) = (field()?, field()?);
    // offset, device, inode
    for _ in 0..3 {
        field()?;
    }
    let path = rest.trim_start();
    if !mode.contains('x') || !path.starts_with('/') {
        return None;
    }
    // maps pads addresses to eight digits, map_files does not
    let (start, end) = range.split_once('-')?;
    let bare = |address: &str| u64::from_str_radix(address, 16).ok();
    let name = format!("{:x}-{:x}", bare(start)?, bare(end)?);
    Some((name, path.strip_suffix(" (deleted)").unwrap_or(path).into()))
}

/// One process of the machine, or nothing if it is another's or has just ended.
fn process(
    directory: &Path,
    within: &str,
    owners: &BTreeMap<String, Owner>,
    reader: &mut Reader,
) -> Option<Process> {
    let groups = fs::read_to_string(directory.join("cgroup")).ok()?;
    let group = groups
        .lines()
        .find_map(|line| line.strip_prefix("0::"))?
        .strip_prefix(within)?;
    let status = String::from_utf8_lossy(&fs::read(directory.join("status")).ok()?).into_owned();
    let field = |key: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .map(str::trim)
    };
    let pid = field("NSpid:")?.split_whitespace().last()?.parse().ok()?;
    // a mapping may go while it is read; a process that has ended never answers
    let code = (0..3).find_map(|_| reader.code(directory).ok())?;
    let owner = if pid == 1 {
        Owner::ServiceManager
    } else {
        owner_of(owners, group)
    };
    (!code.is_empty()).then(|| Process {
        pid,
        name: field("Name:").unwrap_or("?").to_owned(),
        owner,
        code,
    })
}

/// Looks at every process of the machine.
pub(crate) fn observe(machine: &Machine) -> Observed {
    let owners = owners(machine);
    let device = fs::metadata(machine.root())
        .expect("a booted machine has a root")
        .dev();
    let mut reader = Reader {
        device,
        seen: HashMap::new(),
    };
    let within = machine.control_group();
    let mut processes = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc is mounted").flatten() {
        if entry
            .file_name()
            .as_encoded_bytes()
            .iter()
            .all(u8::is_ascii_digit)
        {
            processes.extend(process(&entry.path(), &within, &owners, &mut reader));
        }
    }
    assert!(
        processes.iter().any(|process| process.pid == 1),
        "the oracle does not see PID 1 of {within}"
    );
    Observed { processes }
}

impl Observed {
    /// Everybody who has processes.
    pub(crate) fn owners(&self) -> BTreeSet<&Owner> {
        self.processes
            .iter()
            .map(|process| &process.owner)
            .collect()
    }

    fn of<'a>(&'a self, owner: &'a Owner) -> impl Iterator<Item = &'a Process> {
        self.processes
            .iter()
            .filter(move |process| process.owner == *owner)
    }

    /// The processes of each owner that map other code than what is at its path now.
    pub(crate) fn stale_pids(&self, root: &Path) -> BTreeMap<Owner, BTreeSet<u32>> {
        let mut pids = BTreeMap::<Owner, BTreeSet<u32>>::new();
        for (process, _) in self.stale(root) {
            pids.entry(process.owner.clone())
                .or_default()
                .insert(process.pid);
        }
        pids
    }

    /// The names that each owner's stale objects had at an earlier time, before an upgrade took them away.
    pub(crate) fn stale_names(
        &self,
        root: &Path,
        earlier: &Self,
    ) -> BTreeMap<Owner, BTreeSet<PathBuf>> {
        let all = earlier.processes.iter().flat_map(|process| &process.code);
        let names: HashMap<u64, &PathBuf> =
            all.map(|(path, mapped)| (mapped.inode, path)).collect();
        let mut stale = BTreeMap::<Owner, BTreeSet<PathBuf>>::new();
        for (process, mapped) in self.stale(root) {
            let name = names.get(&mapped.inode).map(|&path| path.clone());
            stale.entry(process.owner.clone()).or_default().extend(name);
        }
        stale
    }

    fn stale(&self, root: &Path) -> Vec<(&Process, Mapped)> {
        let mut disk = Disk::new(root);
        let mut stale = Vec::new();
        for process in &self.processes {
            let differs = process
                .code
                .iter()
                .filter(|(path, mapped)| disk.code(path) != Some(mapped.code));
            stale.extend(differs.map(|(_, mapped)| (process, *mapped)));
        }
        stale
    }
}

/// What is on the machine's disk now, each file read once.
struct Disk<'a> {
    root: &'a Path,
    seen: HashMap<PathBuf, Option<Code>>,
}

impl<'a> Disk<'a> {
    fn new(root: &'a Path) -> Self {
        Self {
            root,
            seen: HashMap::new(),
        }
    }

    fn code(&mut self, path: &Path) -> Option<Code> {
        *self
            .seen
            .entry(path.to_path_buf())
            .or_insert_with(|| code_at(self.root, path))
    }
}

/// Restarts everything that ran: services, user services, the managers; ends sessions.
pub(crate) fn restart_everything(machine: &Machine, before: &Observed) {
    let mut services = Vec::new();
    let mut rest = Vec::new();
    for owner in before.owners() {
        match owner {
            // first: the others talk through it
            Owner::Unit(name) if name == "dbus.service" => {
                drop(machine.ask(&["systemctl", "restart", name]))
            }
            Owner::Unit(name) if name.ends_with(".service") => services.push(name.as_str()),
            other => rest.push(other),
        }
    }
    machine.ask(&[&["systemctl", "restart"], &services[..]].concat());
    for owner in &rest {
        if let Owner::UserUnit(uid, name) = owner {
            machine.ask_as(*uid, &["systemctl", "--user", "restart", name]);
        }
    }
    machine.ask(&["systemctl", "daemon-reexec"]);
}

/// Ends what only a person or a reboot would: sessions and user managers.
pub(crate) fn restart_users(machine: &Machine, before: &Observed) {
    for owner in before.owners() {
        match owner {
            // what a closed login left running; the scope may have ended with the service that held its other end
            Owner::Session(id) => {
                drop(machine.run(&["systemctl", "stop", &format!("session-{id}.scope")]));
            }
            Owner::UserManager(uid) => {
                drop(machine.ask(&["systemctl", "restart", &format!("user@{uid}.service")]))
            }
            _ => {}
        }
    }
}

/// Does what a report says, except for what it leaves to a person's choice of the moment.
pub(crate) fn follow(machine: &Machine, report: &Report) {
    let advised = report
        .items
        .iter()
        .filter(|(_, item)| item.verdict != "defer");
    for (owner, item) in advised {
        match (owner, item.verdict.as_str()) {
            (Owner::Unit(name), "restart") => drop(machine.ask(&["systemctl", "restart", name])),
            (Owner::UserUnit(uid, name), "restart") => {
                machine.ask_as(*uid, &["systemctl", "--user", "restart", name]);
            }
            (Owner::ServiceManager, "reexec") => drop(machine.ask(&["systemctl", "daemon-reexec"])),
            (Owner::UserManager(uid), "reexec") => {
                machine.ask_as(*uid, &["systemctl", "--user", "daemon-reexec"]);
            }
            (Owner::UserManager(uid), _) => {
                machine.ask(&["systemctl", "restart", &format!("user@{uid}.service")]);
            }
            (Owner::Session(id), "relogin") => {
                drop(machine.run(&["systemctl", "stop", &format!("session-{id}.scope")]));
            }
            (owner, verdict) => panic!("no idea how to {verdict} {owner}"),
        }
    }
}

/// Who was stale: by what a restart changed, and for what was not restarted, by what is on disk.
pub(crate) fn judge(machine: &Machine, before: &Observed, after: &Observed) -> Stale {
    let mut disk = Disk::new(machine.root());
    let mut stale = Stale::new();
    let old: BTreeSet<u32> = before.processes.iter().map(|process| process.pid).collect();
    for owner in before.owners() {
        let mut fresh = BTreeMap::<&Path, Vec<Code>>::new();
        for process in after
            .of(owner)
            .filter(|process| !old.contains(&process.pid))
        {
            for (path, mapped) in &process.code {
                fresh.entry(path).or_default().push(mapped.code);
            }
        }
        for process in before.of(owner) {
            for (path, mapped) in &process.code {
                // a library that is loaded late is not mapped yet: the disk says what a fresh process would get
                let now = fresh
                    .get(path.as_path())
                    .cloned()
                    .unwrap_or_else(|| disk.code(path).into_iter().collect());
                if !now.contains(&mapped.code) {
                    let how = if now.is_empty() { "gone" } else { "other code" };
                    let why = format!(
                        "pid {} ({}): {}: {how}",
                        process.pid,
                        process.name,
                        path.display()
                    );
                    stale.entry(owner.clone()).or_default().insert(why);
                }
            }
        }
    }
    stale
}

#[test]
fn maps_lines_lead_to_map_files() {
    #[track_caller]
    fn check(line: &str, name: &str, path: &str) {
        let expected = (!name.is_empty()).then(|| (name.to_owned(), PathBuf::from(path)));
        assert_eq!(executable_file(line), expected, "{line}");
    }
    check(
        "7f1-7f2 r-xp 00028000 fe:00 99                         /usr/lib/a b.so",
        "7f1-7f2",
        "/usr/lib/a b.so",
    );
    check(
        "00401000-0047a000 r-xp 00001000 fe:00 7   /x (deleted)",
        "401000-47a000",
        "/x",
    );
    check(
        "7f1-7f2 r--p 00028000 fe:00 99            /usr/lib/libc.so.6",
        "",
        "",
    );
    check("7f1-7f2 r-xp 00000000 00:00 0             [vdso]", "", "");
    check("7f1-7f2 r-xp 00000000 00:00 0", "", "");
}

#[test]
fn code_is_what_is_loaded() {
    /// An ELF file of one loadable segment (the header and four bytes of code) and other bytes after it.
    fn file(code: [u8; 4], sections_at: u8, after: &[u8]) -> Vec<u8> {
        let mut elf = vec![0; 64 + 56];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (elf[32], elf[40], elf[54], elf[56]) = (64, sections_at, 56, 1);
        (elf[64], elf[64 + 32]) = (1, 64 + 56 + 4);
        elf.extend(code);
        elf.extend(after);
        elf
    }
    let one = Code::of(&file([1, 2, 3, 4], 124, b"debug link"));
    assert_eq!(
        one,
        Code::of(&file([1, 2, 3, 4], 130, b"another debug link"))
    );
    assert_ne!(one, Code::of(&file([1, 2, 3, 5], 124, b"debug link")));
    assert_ne!(Code::of(b"#!/bin/sh"), Code::of(b"#!/bin/ash"));
}
