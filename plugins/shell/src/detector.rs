//! One shell: the script that it holds.

#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;

use unstale_plugin::{
    Detector, FileView, Handle, Held, How, Kind as FileKind, Process, Report, Role, Root, Used,
    What, base_name, join,
};

use crate::option::{Kind, script_operand};
use crate::source::parse_sourced;

/// As many files as are named for one process.
const FILES: usize = 64;
/// Shells keep their own descriptors out of the way of those that scripts name with one digit (POSIX).
const OWN: u32 = 10;
/// Where bash moves its script.
const BASH: u32 = 255;
/// No path is longer (PATH_MAX).
const PATH: usize = 4096;
/// As much of a name as stands in a line.
const SHOWN: usize = 200;
/// As many scripts as are kept from one process to the next.
const KEPT: usize = 500;
/// As much as is read of a script.
const SOURCE: u32 = 1024 * 1024;

/// The detector of scripts of shells.
#[derive(Debug, Default)]
pub struct Shell {
    sourced: HashMap<(u64, Vec<u8>), Names>,
}

/// The names that a script reads in.
type Names = Rc<Vec<Vec<u8>>>;

impl Detector for Shell {
    fn inspect(&mut self, process: &Process, files: &dyn FileView, report: &mut dyn Report) {
        let Some(operand) = script_operand(process) else {
            return;
        };
        if self.sourced.len() > KEPT {
            self.sourced.clear();
        }
        let (what, path) = match held_script(process, files, operand) {
            Some(held) => (What::Held(held.by), held.path.clone()),
            None => match named_script(process, files, operand) {
                Some(path) => (What::File(path.clone()), path),
                None => {
                    let operand = String::from_utf8_lossy(&operand[..operand.len().min(SHOWN)]);
                    report.unknown(&format!("its script {operand} is not found"));
                    return;
                }
            },
        };
        report.uses(Used {
            what,
            role: Role::Script,
            how: How::Loaded,
            via: None,
        });
        self.follow(process, files, path, report);
    }
}

impl Shell {
    /// Names what the script may read in, and what that may.
    fn follow(
        &mut self,
        process: &Process,
        files: &dyn FileView,
        script: Vec<u8>,
        report: &mut dyn Report,
    ) {
        let mut seen: HashSet<Vec<u8>> = HashSet::from([script.clone()]);
        let mut waiting = VecDeque::from([script]);
        while let Some(script) = waiting.pop_front() {
            for name in self.sourced(process, files, &script).iter() {
                let Some(path) = absolute(process, name) else {
                    continue;
                };
                let is_new = seen.len() <= FILES && seen.insert(path.clone());
                if !is_new || !is_file(files, &path) {
                    continue;
                }
                report.uses(Used {
                    what: What::File(path.clone()),
                    role: Role::Module,
                    how: How::Possible,
                    via: Some(script.clone()),
                });
                waiting.push_back(path);
            }
        }
    }

    fn sourced(&mut self, process: &Process, files: &dyn FileView, path: &[u8]) -> Names {
        let key = (process.view, path.to_vec());
        if let Some(sourced) = self.sourced.get(&key) {
            return Rc::clone(sourced);
        }
        // What may be read in is never a reason to restart: that it cannot be told makes nothing incomplete.
        let text = files.read_at(Root::Process, path, 0, SOURCE);
        let sourced = Rc::new(parse_sourced(&text.unwrap_or_default()));
        self.sourced.insert(key, Rc::clone(&sourced));
        sourced
    }
}

/// The descriptor by which a shell reads its script: bash moves it to 255 if it may have so many, others to the first free
/// one from 10 on. A script that holds other files there does not call them the same.
fn held_script<'a>(process: &'a Process, files: &dyn FileView, operand: &[u8]) -> Option<&'a Held> {
    let own = |held: &&Held| matches!(held.by, Handle::Descriptor(number) if number >= OWN);
    let mut candidates: Vec<&Held> = process.held.iter().filter(own).collect();
    candidates.sort_unstable_by_key(|held| held.by);
    if candidates.is_empty() {
        return None;
    }
    if Kind::of(process.exe_name()) == Kind::Bash
        && let Some(held) = candidates
            .iter()
            .find(|held| held.by == Handle::Descriptor(BASH))
    {
        return Some(held);
    }
    let by_name = |name: &[u8]| {
        candidates
            .iter()
            .copied()
            .find(|held| base_name(&held.path) == base_name(name))
    };
    by_name(operand).or_else(|| {
        // The script was named by a link.
        let path = absolute(process, operand)?;
        let real_path = files.stat(Root::Process, &path).ok()?.real_path;
        candidates
            .iter()
            .copied()
            .find(|held| held.path == real_path)
    })
}

/// The script by its name. The working directory may have changed since: then the name leads nowhere, or is that of a `#!`
/// script.
fn named_script(process: &Process, files: &dyn FileView, operand: &[u8]) -> Option<Vec<u8>> {
    if operand.starts_with(b"/") {
        return absolute(process, operand);
    }
    let here = absolute(process, operand).filter(|path| is_file(files, path));
    here.or_else(|| {
        let name = process.execfn.as_deref()?;
        let same = name.starts_with(b"/") && base_name(name) == base_name(operand);
        same.then(|| absolute(process, name)).flatten()
    })
}

/// A path against the working directory. What stands in scripts need not be one.
fn absolute(process: &Process, path: &[u8]) -> Option<Vec<u8>> {
    let whole = match &process.cwd {
        _ if path.starts_with(b"/") => join(b"/", path),
        Some(cwd) => join(cwd, path),
        None => return None,
    };
    (whole.len() <= PATH && !whole.contains(&0)).then_some(whole)
}

fn is_file(files: &dyn FileView, path: &[u8]) -> bool {
    let stat = files.stat(Root::Process, path);
    stat.is_ok_and(|stat| stat.kind == FileKind::File)
}
