//! The detector.
#![forbid(unsafe_code)]

use std::collections::{HashSet, VecDeque};

use unstale_plugin::{
    Detector, FileView, How, Kind, Process, Refused, Report, Role, Root, Used, What, join,
};

use crate::options::{Named, named};

/// More names than any program has; a hostile one must end.
const NAMES_CAP: usize = 200;
/// Where gawk looks if the environment does not say.
const AWKPATH: &[u8] = b".:/usr/share/awk";

/// Says which program files an awk runs: those of its command line and, for gawk, those that they `@include`.
#[derive(Debug, Default)]
pub struct Awk;

/// A file that is asked for, by the name that is given for it.
struct Wanted {
    name: Vec<u8>,
    role: Role,
    how: How,
    via: Option<Vec<u8>>,
}

impl Detector for Awk {
    fn inspect(&mut self, process: &Process, files: &dyn FileView, report: &mut dyn Report) {
        let mut wanted: VecDeque<Wanted> = of_command_line(process);
        let (mut names, mut seen) = (HashSet::new(), HashSet::new());
        while let Some(next) = wanted.pop_front() {
            if !names.insert(next.name.clone()) {
                continue;
            }
            if names.len() > NAMES_CAP {
                return report.unknown("more than 200 program files");
            }
            if next.name == b"-" || next.name == b"/dev/stdin" {
                report.note("a program from the standard input is not judged");
                continue;
            }
            let Some(path) = find(&next.name, process, files) else {
                report.unknown("a relative name, and the working directory is not known");
                continue;
            };
            if !seen.insert(path.clone()) {
                continue;
            }
            report.uses(Used {
                what: What::File(path.clone()),
                role: next.role,
                how: next.how,
                via: next.via,
            });
            if is_gawk(process) {
                wanted.extend(included(path, files, report));
            }
        }
    }
}

fn is_gawk(process: &Process) -> bool {
    process.exe_name().starts_with(b"gawk")
}

fn of_command_line(process: &Process) -> VecDeque<Wanted> {
    let wanted = |named| {
        let (name, role) = match named {
            Named::Program(name) => (name, Role::Script),
            Named::Include(name) => (name, Role::Module),
        };
        Wanted {
            name: Vec::from(name),
            role,
            how: How::Loaded,
            via: None,
        }
    };
    named(&process.argv).into_iter().map(wanted).collect()
}

/// The path that a name stands for. awk never changes its directory, so that of now is that of its start.
fn find(name: &[u8], process: &Process, files: &dyn FileView) -> Option<Vec<u8>> {
    let cwd = process.cwd.as_deref();
    let below = |directory: &[u8]| {
        let absolute = name.starts_with(b"/") || directory.starts_with(b"/");
        let from = if absolute { b"/" } else { cwd? };
        Some(join(&join(from, directory), name))
    };
    if is_gawk(process) {
        let search = match name.contains(&b'/') {
            true => b".",
            false => process.env(b"AWKPATH").unwrap_or(AWKPATH),
        };
        for suffix in [&b""[..], b".awk"] {
            for directory in search.split(|&byte| byte == b':') {
                let path = [below(directory)?.as_slice(), suffix].concat();
                let stat = files.stat(Root::Process, &path);
                if stat.is_ok_and(|stat| stat.kind == Kind::File) {
                    return Some(path);
                }
            }
        }
    }
    // What is not there is named all the same: the host knows what it means that it is gone.
    below(b".")
}

/// What a program includes: lines of `@include "NAME"`. gawk reads them all before it begins.
fn included(path: Vec<u8>, files: &dyn FileView, report: &mut dyn Report) -> Vec<Wanted> {
    let text = match files.read(Root::Process, &path) {
        Ok(text) => text,
        Err(Refused::Missing) => return Vec::new(),
        Err(_) => {
            report.unknown(&format!("cannot read {}", String::from_utf8_lossy(&path)));
            return Vec::new();
        }
    };
    let name = |line: &[u8]| {
        let rest = line.trim_ascii_start().strip_prefix(b"@include")?;
        let rest = rest.trim_ascii_start().strip_prefix(b"\"")?;
        let end = rest.iter().position(|&byte| byte == b'"')?;
        Some(rest[..end].to_vec())
    };
    let lines = text.split(|&byte| byte == b'\n');
    let wanted = lines.filter_map(name).map(|name| Wanted {
        name,
        role: Role::Module,
        how: How::Imported,
        via: Some(path.clone()),
    });
    wanted.collect()
}
