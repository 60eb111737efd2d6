//! What detectors want to know of a process, read from its own files in /proc.

use std::collections::HashSet;
use std::ffi::CString;
use std::sync::Arc;

use rustix::fs::FileType;
use rustix::io::Errno;
use unstale_plugin::Handle as HeldBy;

use super::maps;
use super::rights::Rights;
use super::scan;
use crate::model::{Bytes, Details, Pid, ProcessKey};
use crate::view::{ProcDir, ProcRoot};
use crate::view::{path_in_root, without_suffix};

/// `/proc/PID/environ`: the kernel lets arguments and environment have 2 MiB together, with the usual limit of the stack
/// (execve(2)).
const ENVIRON_CAP: usize = 2 * 1024 * 1024;
/// Values that are handed on, together.
const VALUES_CAP: usize = 64 * 1024;
/// The files that a process holds, as far as they are listed.
const HELD_CAP: usize = 16_384;
/// The names of those, together: each may have 4 KiB.
const HELD_NAMES_CAP: usize = 1024 * 1024;
/// `/proc/PID/maps` of a process whose data files are wanted.
pub(super) const MAPS_CAP: usize = 16 * 1024 * 1024;

/// What of a process is to be read beyond what every look reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wants {
    /// Variables of its initial environment.
    pub environ: Vec<String>,
    /// Files that it holds without having code of them mapped.
    pub files: bool,
}

/// A process that is to be visited.
pub(super) struct Asked {
    pub(super) key: ProcessKey,
    pub(super) task: Pid,
    /// Its root, as the kernel prints it.
    pub(super) root: Bytes,
    pub(super) exe: Option<Bytes>,
    pub(super) wants: Arc<Wants>,
}

/// What is read of one process for a visit.
pub(super) struct Close {
    pub(super) details: Details,
    pub(super) rights: Rights,
    pub(super) execfn: Option<Bytes>,
    pub(super) environ: Option<Vec<(Bytes, Bytes)>>,
    pub(super) held: Vec<(Bytes, HeldBy)>,
    /// Whether it holds files beyond these.
    pub(super) holds_more: bool,
}

impl Close {
    /// About so many bytes.
    pub(super) fn size(&self) -> usize {
        let of = |bytes: &Bytes| size_of::<Bytes>() + bytes.as_slice().len();
        let argv = self.details.argv.iter().map(of);
        let environ = self.environ.iter().flatten();
        let environ = environ.map(|(name, value)| of(name) + of(value));
        let held = self.held.iter().map(|(path, _)| 16 + of(path));
        let cgroup = self.details.cgroup.as_slice().len();
        1024 + cgroup + argv.chain(environ).chain(held).sum::<usize>()
    }
}

/// Reads it all, of the process that was seen and no other.
pub(super) fn look_closely(
    proc: &ProcRoot,
    asked: &Asked,
    own_user_ns: Option<u64>,
) -> Result<Close, Errno> {
    let (key, task, wants) = (asked.key, asked.task, &asked.wants);
    let details = scan::details(proc, key, task)?;
    let dir = proc.process(task)?;
    if details.argv.is_empty() {
        // A detector would see no script where there may be one: arguments that cannot be read are no arguments.
        scan::arguments(&dir)?;
    }
    let same_user_ns = own_user_ns.is_some() && details.namespaces.user == own_user_ns;
    let environ = match wants.environ.is_empty() {
        true => Some(Vec::new()),
        false => dir
            .read(c"environ", ENVIRON_CAP)
            .ok()
            .map(|text| pick(&text, &wants.environ)),
    };
    let (held, holds_more) = match wants.files {
        true => {
            let (held, whole) = held_files(&dir, asked.root.as_slice());
            (held, !whole)
        }
        false => (Vec::new(), false),
    };
    let close = Close {
        rights: Rights::of(&dir, same_user_ns)?,
        execfn: execfn(&dir),
        environ,
        held,
        holds_more,
        details,
    };
    // Another program has other rights, and other arguments: it was started since, as those of a shell's loop are.
    match runs_still(proc, &dir, asked)? {
        true => Ok(close),
        false => Err(Errno::SRCH),
    }
}

/// Whether a process still runs the program that was seen. That its file was removed meanwhile is no other program.
fn runs_still(proc: &ProcRoot, dir: &ProcDir<'_>, asked: &Asked) -> Result<bool, Errno> {
    let Some(seen) = &asked.exe else {
        return scan::is_unchanged(proc, asked.key, asked.task, None);
    };
    let plain = |name: &[u8]| without_suffix(name).unwrap_or(name).to_vec();
    let same = plain(&dir.link(c"exe")?) == plain(seen.as_slice());
    Ok(same && scan::start_of(proc, asked.key.pid)? == asked.key.started)
}

/// The variables that are asked for, the first of each name, as getenv(3) finds it.
fn pick(environ: &[u8], names: &[String]) -> Vec<(Bytes, Bytes)> {
    let mut picked = Vec::new();
    let mut size = 0;
    for pair in environ.split(|&byte| byte == 0) {
        let Some(at) = pair.iter().position(|&byte| byte == b'=') else {
            continue;
        };
        let (name, value) = (&pair[..at], &pair[at + 1..]);
        let wanted = names.iter().any(|wanted| wanted.as_bytes() == name);
        let known = picked
            .iter()
            .any(|(known, _): &(Bytes, Bytes)| known.as_slice() == name);
        if wanted && !known && size + value.len() <= VALUES_CAP {
            size += value.len();
            picked.push((Bytes::from(name), Bytes::from(value)));
        }
    }
    picked
}

/// `AT_EXECFN` of the auxiliary vector (getauxval(3)).
const AT_EXECFN: u64 = 31;

/// The name that the program was executed by: the vector tells where it lies in the process's memory.
fn execfn(dir: &ProcDir<'_>) -> Option<Bytes> {
    use std::os::unix::fs::FileExt as _;
    let auxv = dir.read(c"auxv", 4096).ok()?;
    let word = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_ne_bytes);
    let half = |bytes: &[u8]| {
        bytes
            .try_into()
            .ok()
            .map(|bytes| u64::from(u32::from_ne_bytes(bytes)))
    };
    let find = |size: usize, word: &dyn Fn(&[u8]) -> Option<u64>| {
        auxv.chunks_exact(2 * size)
            .find_map(|pair| (word(&pair[..size])? == AT_EXECFN).then(|| word(&pair[size..]))?)
    };
    // A 32-bit program has words of 32 bits.
    let address = find(8, &word).or_else(|| find(4, &half))?;
    let memory = std::fs::File::from(dir.open(c"mem").ok()?);
    let mut name = vec![0; 4096];
    let mut filled = 0;
    while filled < name.len() && !name[..filled].contains(&0) {
        // The name lies at the upper end of the stack: a read over its end is cut short.
        match memory.read_at(&mut name[filled..], address.checked_add(filled as u64)?) {
            Ok(0) | Err(_) => break,
            Ok(count) => filled += count,
        }
    }
    let end = name[..filled].iter().position(|&byte| byte == 0)?;
    name.truncate(end);
    (!name.is_empty()).then_some(Bytes(name))
}

/// Regular files that a process has open, or mapped without code; and whether these are all.
fn held_files(dir: &ProcDir<'_>, root: &[u8]) -> (Vec<(Bytes, HeldBy)>, bool) {
    let path = |name: &[u8]| {
        let path = path_in_root(name, root)?;
        Some(Bytes::from(without_suffix(path).unwrap_or(path)))
    };
    let mut held = Vec::new();
    let mut known = HashSet::new();
    let mut size = 0;
    let descriptors = dir.descriptors();
    let mut whole = descriptors.as_ref().is_ok_and(|all| all.len() <= HELD_CAP);
    for number in descriptors.unwrap_or_default().into_iter().take(HELD_CAP) {
        let link = CString::new(format!("fd/{number}")).expect("digits hold no NUL");
        let regular = dir.stat_through(&link).is_ok_and(|stat| {
            FileType::from_raw_mode(stat.stx_mode.into()) == FileType::RegularFile
        });
        let name = dir.link(&link).ok().filter(|_| regular);
        if let Some(path) = name.as_deref().and_then(path) {
            size += path.as_slice().len();
            if size > HELD_NAMES_CAP {
                return (held, false);
            }
            known.insert(path.clone());
            held.push((path, HeldBy::Descriptor(number)));
        }
    }
    let maps = dir.read(c"maps", MAPS_CAP);
    whole &= maps.is_ok();
    for line in maps.unwrap_or_default().split(|&byte| byte == b'\n') {
        if let Ok(Some(mapping)) = maps::parse_data_line(line)
            && let Some(path) = path(mapping.name)
            && known.insert(path.clone())
        {
            size += path.as_slice().len();
            if size > HELD_NAMES_CAP || held.len() >= HELD_CAP {
                return (held, false);
            }
            held.push((path, HeldBy::Mapping(mapping.start)));
        }
    }
    (held, whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_what_is_held_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let mut path = dir.path().to_owned();
        path.extend(std::iter::repeat_n("d".repeat(250), 12));
        std::fs::create_dir_all(&path).unwrap();
        let path = path.join("file");
        std::fs::write(&path, "").unwrap();
        let files: Vec<_> = (0..500)
            .map(|_| std::fs::File::open(&path).unwrap())
            .collect();
        let proc = ProcRoot::open(std::path::Path::new("/proc")).unwrap();
        let (held, whole) = held_files(&proc.own().unwrap(), b"/");
        assert!(!whole);
        let size: usize = held.iter().map(|(path, _)| path.as_slice().len()).sum();
        assert!((1..=HELD_NAMES_CAP).contains(&size), "{size}");
        drop(files);
    }
}
