//! Which processes remain after the exclusions, and why the others do not.

use std::collections::BTreeMap;

use super::process::{Process, repr};
use super::rules::{Kind, Rules};
use crate::dialects::{Scene, tame};

/// One line of `-v`, for people and for programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// For people.
    pub(super) text: String,
    /// For programs.
    pub(super) record: String,
}

/// What was sifted.
#[derive(Debug)]
pub(super) struct Sifted {
    /// How many processes there were.
    pub(super) all: usize,
    /// Those that remain, by pid.
    pub(super) processes: Vec<Process>,
    /// Why the others do not.
    pub(super) lines: Vec<Line>,
}

/// Sifts processes; with `packaged` only files and programs of packages count.
pub(super) fn sift(scene: &Scene, rules: &Rules, packaged: bool) -> Sifted {
    let mut lines = Vec::new();
    let mut processes = Vec::new();
    for stale in &scene.stale {
        let process = Process::of(stale, packaged);
        let unowned = process.program.packages.is_empty() || process.files.is_empty();
        if packaged && unowned {
            continue;
        }
        if let Some(process) = sift_one(process, rules, &mut lines) {
            processes.push(process);
        }
    }
    processes.sort_by_key(|process| process.pid);
    sift_packages(&mut processes, rules, &mut lines);
    Sifted {
        all: scene.stale.len(),
        processes,
        lines,
    }
}

fn sift_one(mut process: Process, rules: &Rules, lines: &mut Vec<Line>) -> Option<Process> {
    let program = process.program.path.as_slice();
    if rules.fit(Kind::Program, program) {
        lines.push(Line {
            text: format!("Ignoring program {}: {}", tame(program), process.text()),
            record: format!("ignored_program\t{}", process.fields()),
        });
        return None;
    }
    if rules.fit(Kind::Pid, process.pid.to_string().as_bytes()) {
        lines.push(Line {
            text: format!("Ignoring PID {}: {}", process.pid, process.text()),
            record: format!("ignored_pid\t{}", process.fields()),
        });
        return None;
    }
    let files = std::mem::take(&mut process.files);
    let (ignored, files): (Vec<_>, Vec<_>) = files
        .into_iter()
        .partition(|file| rules.fit(Kind::File, file.as_slice()));
    for file in ignored.iter().map(|file| tame(file.as_slice())) {
        lines.push(Line {
            text: format!("Ignoring deleted file {file}: {}", process.text()),
            record: format!("ignored_file\t{file}\t{}", process.fields()),
        });
    }
    if files.is_empty() {
        lines.push(Line {
            text: format!("Ignoring all files from: {}", process.text()),
            record: format!("ignored_all_files\t{}", process.fields()),
        });
        return None;
    }
    process.files = files;
    let unit = process.cgroup.as_ref();
    if let Some(unit) = unit.filter(|unit| rules.fit(Kind::Unit, unit.as_slice())) {
        let unit = tame(unit.as_slice());
        lines.push(Line {
            text: format!(
                "Ignoring process started by unit {unit}: {}",
                process.text()
            ),
            record: format!("ignored_unit\t{unit}\t{}", process.fields()),
        });
        return None;
    }
    Some(process)
}

fn sift_packages(processes: &mut Vec<Process>, rules: &Rules, lines: &mut Vec<Line>) {
    let mut ignored: BTreeMap<String, usize> = BTreeMap::new();
    processes.retain(|process| {
        let package = process.package();
        let fits = rules.fit(Kind::Package, package.as_bytes());
        if fits {
            *ignored.entry(package).or_default() += 1;
        }
        !fits
    });
    for (package, number) in ignored {
        lines.push(Line {
            text: format!("Ignoring all ({number}) programs from package: {package}"),
            record: format!("ignored_package\t{number}\t{}", repr(package.as_bytes())),
        });
    }
}
