//! Which processes remain after the exclusions, and why the others do not.

use std::collections::BTreeMap;

use super::process::{Process, repr};
use super::reasons::Reasons;
use super::rules::{Kind, Rules};
use crate::dialects::{Scene, tame};

/// Sifts processes; with `packaged` only files and programs of packages count. Those that remain are by pid.
pub(super) fn sift(
    scene: &Scene,
    rules: &Rules,
    packaged: bool,
    reasons: &mut Reasons<'_>,
) -> Vec<Process> {
    let mut processes = Vec::new();
    for stale in &scene.stale {
        let process = Process::of(stale, packaged);
        let unowned = process.program.packages.is_empty() || process.files.is_empty();
        if packaged && unowned {
            continue;
        }
        processes.extend(sift_one(process, rules, reasons));
    }
    processes.sort_by_key(|process| process.pid);
    sift_packages(&mut processes, rules, reasons);
    processes
}

fn sift_one(mut process: Process, rules: &Rules, reasons: &mut Reasons<'_>) -> Option<Process> {
    let program = process.program.path.as_slice();
    if rules.fit(Kind::Program, program) {
        reasons.say(
            || {
                format!(
                    "Ignoring program {}: {}",
                    tame(program),
                    process.brief_text()
                )
            },
            || format!("ignored_program\t{}", process.brief_fields()),
        );
        return None;
    }
    let pid = process.pid;
    if rules.fit(Kind::Pid, pid.to_string().as_bytes()) {
        reasons.say(
            || format!("Ignoring PID {pid}: {}", process.brief_text()),
            || format!("ignored_pid\t{}", process.brief_fields()),
        );
        return None;
    }
    let files = std::mem::take(&mut process.files);
    for file in files {
        if !rules.fit(Kind::File, file.as_slice()) {
            process.files.push(file);
            continue;
        }
        let file = || tame(file.as_slice());
        reasons.say(
            || format!("Ignoring deleted file {}: {}", file(), process.brief_text()),
            || format!("ignored_file\t{}\t{}", file(), process.brief_fields()),
        );
    }
    if process.files.is_empty() {
        reasons.say(
            || format!("Ignoring all files from: {}", process.brief_text()),
            || format!("ignored_all_files\t{}", process.brief_fields()),
        );
        return None;
    }
    let unit = process.cgroup.as_ref();
    if let Some(unit) = unit.filter(|unit| rules.fit(Kind::Unit, unit.as_slice())) {
        let unit = tame(unit.as_slice());
        reasons.say(
            || {
                let text = process.brief_text();
                format!("Ignoring process started by unit {unit}: {text}")
            },
            || format!("ignored_unit\t{unit}\t{}", process.brief_fields()),
        );
        return None;
    }
    Some(process)
}

fn sift_packages(processes: &mut Vec<Process>, rules: &Rules, reasons: &mut Reasons<'_>) {
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
        reasons.say(
            || format!("Ignoring all ({number}) programs from package: {package}"),
            || format!("ignored_package\t{number}\t{}", repr(package.as_bytes())),
        );
    }
}
