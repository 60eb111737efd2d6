//! What processes hold and run beside the code that is judged: asked for only by those who talk as other programs do.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::FileType;
use rustix::io::Errno;

use super::closely::MAPS_CAP;
use super::deadline;
use super::look::Place;
use super::maps;
use super::scanner::{Scanner, threads};
use crate::model::{Bytes, NamedScript, Pid, ProcessKey, Removed, WhyNot};
use crate::view::{self, ProcDir, ProcRoot, is_vanished, path_in_root, without_suffix};

/// How long one process may keep a reader waiting, and all of them.
const LIMIT: Duration = Duration::from_secs(1);
const STAGE_LIMIT: Duration = Duration::from_secs(10);
/// The descriptors of one process that are looked at, and the removed files of one that are told.
const DESCRIPTORS_CAP: usize = 16_384;
const FILES_CAP: usize = 4096;
/// The names of those: of one process, and of all.
const NAMES_CAP: usize = 256 * 1024;
const ALL_NAMES_CAP: usize = 16 * 1024 * 1024;

/// Programs that run what their first argument names, by where their names begin.
const INTERPRETERS: &[&[u8]] = &[b"perl", b"python", b"ruby", b"tclsh"];
/// Those among them that have one name.
const SHELLS: &[&[u8]] = &[b"bash", b"dash"];
const DIRECTORIES: &[&[u8]] = &[b"/usr/bin/", b"/bin/"];
/// A script that writes over its arguments what it is doing, behind its name (spamd(1)).
const SPAMD: (&[u8], &str) = (b"spamd ", "/usr/sbin/spamd");

impl Scanner {
    /// Removed files that processes have open, or mapped without code. Of a process that holds too many of them, or does
    /// not answer, that is said.
    pub fn removed_files(&mut self) -> BTreeMap<ProcessKey, Vec<Removed>> {
        let jobs = self.processes.iter().map(|process| {
            let root = &self.catalogue.views[process.view.0 as usize].root;
            (self.task_of(process.key), root.clone())
        });
        let jobs: Vec<(Pid, Bytes)> = jobs.collect();
        let keys: Vec<ProcessKey> = self.processes.iter().map(|process| process.key).collect();
        let proc = Arc::clone(&self.proc);
        let left = self.left(STAGE_LIMIT);
        let (mut all, mut troubles) = (BTreeMap::new(), Vec::new());
        let (mut size, mut keys) = (0, keys.into_iter());
        let look = move |(task, root): &(Pid, Bytes)| removed_by(&proc, *task, root.as_slice());
        deadline::run_each(jobs, threads(), LIMIT, left, look, |done| {
            let Some(key) = keys.next() else { return };
            match done {
                Some(Ok(files)) => {
                    let names = files.iter().map(|file| 2 * file.name.as_slice().len());
                    size += names.sum::<usize>();
                    match size <= ALL_NAMES_CAP {
                        true if files.is_empty() => {}
                        true => drop(all.insert(key, files)),
                        false => troubles.push((key.pid, too_many())),
                    }
                }
                Some(Err(error)) if is_vanished(error) => {}
                Some(Err(Errno::FBIG)) => troubles.push((key.pid, too_many())),
                Some(Err(error)) => troubles.push((key.pid, view::why(error))),
                None => troubles.push((key.pid, WhyNot::TimedOut)),
            }
        });
        for (pid, why) in troubles {
            self.problem("list", "removed files of process", Some(pid), why);
        }
        all
    }

    /// The scripts that interpreters among these processes run, as far as their arguments tell: those of the host's root
    /// alone, and executable files that are there.
    pub fn scripts(&mut self, wanted: &BTreeSet<ProcessKey>) -> Vec<(ProcessKey, NamedScript)> {
        let processes = self.processes.iter();
        let processes = processes.filter(|process| {
            wanted.contains(&process.key) && self.catalogue.views[process.view.0 as usize].host
        });
        let named = processes.filter_map(|process| {
            let program = process.uses.iter().find(|one| one.program)?;
            let program = &self.catalogue.objects[program.object.0 as usize].path;
            let argv = &process.details.as_ref()?.argv;
            let path = script_in(program.as_ref()?.as_slice(), argv)?;
            Some((process.key, self.catalogue.place(process.view), path))
        });
        let named: Vec<(ProcessKey, Arc<Place>, Bytes)> = named.collect();
        let keys: Vec<ProcessKey> = named.iter().map(|(key, ..)| *key).collect();
        let proc = Arc::clone(&self.proc);
        let look = move |(_, place, path): &(ProcessKey, Arc<Place>, Bytes)| {
            let root = place.base.open(&proc).ok()?;
            is_program(&root, path, place.mounts(&proc))
        };
        let done = deadline::run(named, threads(), LIMIT, self.left(STAGE_LIMIT), look);
        let found = keys.into_iter().zip(done.results);
        let found = found.filter_map(|(key, script)| Some((key, script.flatten()?)));
        found.collect()
    }
}

fn too_many() -> WhyNot {
    WhyNot::Failed("they are too many".to_owned())
}

fn removed_by(proc: &ProcRoot, task: Pid, root: &[u8]) -> Result<Vec<Removed>, Errno> {
    let dir = proc.process(task)?;
    let mut removed = Names::default();
    let descriptors = dir.descriptors()?;
    if descriptors.len() > DESCRIPTORS_CAP {
        return Err(Errno::FBIG);
    }
    for number in descriptors {
        if let Some(name) = removed_behind(&dir, number) {
            removed.add(name)?;
        }
    }
    for line in dir.read(c"maps", MAPS_CAP)?.split(|&byte| byte == b'\n') {
        if let Ok(Some(mapping)) = maps::parse_data_line(line)
            && without_suffix(mapping.name).is_some()
        {
            removed.add(mapping.name.to_vec())?;
        }
    }
    let removed = removed.names.into_iter().map(|name| Removed {
        path: path_of(&name, root),
        name: Bytes(name),
    });
    Ok(removed.collect())
}

/// The name of a regular file that has none any more. Nothing is opened.
fn removed_behind(dir: &ProcDir<'_>, number: u32) -> Option<Vec<u8>> {
    let link = CString::new(format!("fd/{number}")).expect("digits hold no NUL");
    let stat = dir.stat_through(&link).ok()?;
    let is_file = FileType::from_raw_mode(stat.stx_mode.into()) == FileType::RegularFile;
    let name = (is_file && stat.stx_nlink == 0).then(|| dir.link(&link).ok())??;
    name.starts_with(b"/").then_some(name)
}

fn path_of(name: &[u8], root: &[u8]) -> Option<Bytes> {
    let path = path_in_root(name, root)?;
    Some(Bytes::from(without_suffix(path).unwrap_or(path)))
}

/// Names, each once and bounded.
#[derive(Default)]
struct Names {
    names: BTreeSet<Vec<u8>>,
    size: usize,
}

impl Names {
    fn add(&mut self, name: Vec<u8>) -> Result<(), Errno> {
        let size = name.len();
        if self.names.insert(name) {
            self.size += size;
        }
        match self.size <= NAMES_CAP && self.names.len() <= FILES_CAP {
            true => Ok(()),
            false => Err(Errno::FBIG),
        }
    }
}

/// The argument that is the script of an interpreter: the first that is no option, if it is an absolute path.
fn script_in(program: &[u8], argv: &[Bytes]) -> Option<Bytes> {
    let mut names = DIRECTORIES
        .iter()
        .filter_map(|directory| program.strip_prefix(*directory));
    let interprets = names.any(|name| {
        SHELLS.contains(&name) || INTERPRETERS.iter().any(|begin| name.starts_with(begin))
    });
    if !interprets {
        return None;
    }
    if argv.first()?.as_slice().starts_with(SPAMD.0) {
        return Some(Bytes::from(SPAMD.1));
    }
    let mut words = argv.iter().skip(1);
    let script = words.find(|word| !word.as_slice().starts_with(b"-"))?;
    let is_path = script.as_slice().starts_with(b"/");
    is_path.then(|| script.clone())
}

/// The script, if a file that may be executed is there.
fn is_program(root: &OwnedFd, path: &Bytes, mounts: &view::mounts::Mounts) -> Option<NamedScript> {
    let (found, trail) = view::follow(root, path.as_slice(), mounts).ok()?;
    let mode = found.stat.stx_mode;
    let is_file = FileType::from_raw_mode(mode.into()) == FileType::RegularFile;
    (is_file && mode & 0o111 != 0).then(|| NamedScript {
        path: path.clone(),
        real: Bytes(trail.path),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_argument_that_is_no_option() {
        #[track_caller]
        fn check(program: &str, argv: &[&str], script: Option<&str>) {
            let argv: Vec<Bytes> = argv.iter().map(|&word| Bytes::from(word)).collect();
            let found = script_in(program.as_bytes(), &argv);
            assert_eq!(found, script.map(Bytes::from), "{program} {argv:?}");
        }
        let script = Some("/usr/bin/x");
        check(
            "/usr/bin/python3.11",
            &["python3", "-Es", "/usr/bin/x", "/y"],
            script,
        );
        check("/usr/bin/perl", &["perl", "/usr/bin/x"], script);
        check("/bin/bash", &["-bash", "/usr/bin/x"], script);
        check("/usr/bin/dash", &["sh", "-e", "/usr/bin/x"], script);
        // A word that is no path: what follows may be anything.
        check(
            "/usr/bin/python3",
            &["python3", "-m", "x", "/usr/bin/x"],
            None,
        );
        check("/usr/bin/python3", &["python3", "x.py"], None);
        check("/usr/bin/python3", &["/usr/bin/python3"], None);
        check("/usr/bin/python3", &[], None);
        check("/usr/bin/bashful", &["bashful", "/usr/bin/x"], None);
        check("/opt/bin/python3", &["python3", "/usr/bin/x"], None);
        check("/usr/sbin/cron", &["cron", "/usr/bin/x"], None);
        let spamd = Some("/usr/sbin/spamd");
        check("/usr/bin/perl", &["spamd child", ""], spamd);
        check("/opt/spamd", &["spamd child"], None);
    }

    #[test]
    fn removed_files_of_the_reader() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log \n(deleted)");
        let kept = dir.path().join("kept (deleted)");
        let (gone, still) = (
            std::fs::File::create(&path).unwrap(),
            std::fs::File::create(&kept).unwrap(),
        );
        std::fs::remove_file(&path).unwrap();
        let proc = ProcRoot::open(std::path::Path::new("/proc")).unwrap();
        let removed = removed_by(&proc, std::process::id(), b"/").unwrap();
        let paths: Vec<_> = removed.iter().filter_map(|one| one.path.clone()).collect();
        assert!(paths.contains(&Bytes::from(path.as_path())), "{removed:?}");
        let plain = dir.path().join("kept");
        let forged = [kept.as_path(), plain.as_path()].map(Bytes::from);
        assert!(!paths.iter().any(|path| forged.contains(path)));
        drop((gone, still));
    }

    #[test]
    fn more_removed_files_than_are_told() {
        let mut names = Names::default();
        let mut add = |number: usize| names.add(format!("/{number:0100} (deleted)").into_bytes());
        let fits = (0..).take_while(|&number| add(number).is_ok()).count();
        assert!((1000..FILES_CAP).contains(&fits), "{fits}");
    }

    #[test]
    fn a_script_is_a_file_that_can_be_executed() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        let make = |name: &str, mode: u32| {
            let path = root.path().join(name);
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        make("x", 0o755);
        make("data", 0o644);
        std::os::unix::fs::symlink("/x", root.path().join("link")).unwrap();
        // Inside the root, that is the script of the same name.
        std::os::unix::fs::symlink("../../x", root.path().join("out")).unwrap();
        let fd: OwnedFd = std::fs::File::open(root.path()).unwrap().into();
        let (mounts, _) = view::mounts::Mounts::parse(b"");
        let check = |path: &str, real: Option<&str>| {
            let found = is_program(&fd, &Bytes::from(path), &mounts).map(|script| script.real);
            assert_eq!(found, real.map(Bytes::from), "{path}");
        };
        check("/x", Some("/x"));
        check("/link", Some("/x"));
        check("/out", Some("/x"));
        check("/data", None);
        check("/", None);
        check("/nothing", None);
    }
}
