//! Its words, for people and for programs.

use std::io::{self, Write};

use super::{Flags, Package, Process, Report};
use crate::dialects::tame;
use crate::model::Bytes;

/// One line about the number of processes.
pub(super) fn terse(processes: usize, out: &mut dyn Write) -> io::Result<()> {
    match processes {
        0 => writeln!(
            out,
            "No processes found using old versions of upgraded files"
        ),
        number => writeln!(
            out,
            "{number} processes using old versions of upgraded files"
        ),
    }
}

/// Everything.
pub(super) fn report(report: &Report<'_>, flags: &Flags, out: &mut dyn Write) -> io::Result<()> {
    let (processes, programs) = (report.processes.len(), report.programs.len());
    match flags.machine {
        true => writeln!(out, "PROCESSES: {processes}")?,
        false => writeln!(
            out,
            "Found {processes} processes using old versions of upgraded files"
        )?,
    }
    if processes == 0 {
        return Ok(());
    }
    match (flags.machine, programs) {
        (true, _) => writeln!(out, "PROGRAMS: {programs}")?,
        (false, 1) => writeln!(out, "(1 distinct program)")?,
        (false, _) => writeln!(out, "({programs} distinct programs)")?,
    }
    if flags.verbose {
        files(report.processes, flags.machine, out)?;
        search(report, out)?;
    }
    let packages = report.packages.len();
    match flags.machine {
        true => writeln!(out, "PACKAGES: {packages}")?,
        false => writeln!(out, "({packages} distinct packages)")?,
    }
    if packages == 0 {
        if !flags.machine {
            writeln!(out, "No packages seem to need to be restarted.")?;
            writeln!(out, "(please read checkrestart(8))")?;
        }
        return Ok(());
    }
    if flags.verbose {
        for package in &report.packages {
            writeln!(
                out,
                "[DEBUG] Running: dpkg-query --listfiles {}",
                package.name
            )?;
        }
    }
    let (services, others): (Vec<&Package<'_>>, Vec<&Package<'_>>) = report
        .packages
        .iter()
        .partition(|package| !package.restart.is_empty());
    match flags.machine {
        true => {
            records("SERVICE", &services, out)?;
            records("OTHER", &others, out)
        }
        false => {
            restartable(&services, out)?;
            not_restartable(&others, out)
        }
    }
}

/// The old files of each process.
fn files(processes: &[Process], machine: bool, out: &mut dyn Write) -> io::Result<()> {
    for process in processes {
        let (pid, program) = (process.pid, text(&process.program));
        if !machine {
            writeln!(out, "[DEBUG] Process {program} (PID: {pid}) ")?;
            writeln!(out, "List of deleted files in use:")?;
        }
        for file in process.files.iter().map(text) {
            match machine {
                true => writeln!(out, "file\t{pid}\t{program}\t{file}")?,
                false => writeln!(out, "\t{file}")?,
            }
        }
    }
    Ok(())
}

/// How the programs' packages are found, as if dpkg-query(1) had been asked.
fn search(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let programs: Vec<String> = report.programs.iter().map(|one| text(one)).collect();
    let programs = programs.join(" ");
    writeln!(out, "[DEBUG] Running: dpkg-query --search {programs}")?;
    for program in &report.programs {
        let mut processes = report.processes.iter();
        let process = processes.find(|process| process.program == **program);
        let packages = process.map(|process| process.packages.join(", "));
        let Some(package) = packages.filter(|packages| !packages.is_empty()) else {
            continue;
        };
        let program = text(program);
        writeln!(
            out,
            "[DEBUG] Reading line from dpkg-query: {package}: {program}\n"
        )?;
        writeln!(out, "[DEBUG] Found package {package} for program {program}")?;
    }
    let is_told = |name: &&String| report.packages.iter().any(|one| one.name == **name);
    for ignored in report.found.iter().filter(|name| !is_told(name)) {
        writeln!(
            out,
            "[DEBUG] Removing {ignored} from the package list (ignored)"
        )?;
    }
    Ok(())
}

/// A line for each process.
fn records(kind: &str, packages: &[&Package<'_>], out: &mut dyn Write) -> io::Result<()> {
    for package in packages {
        for process in &package.processes {
            let program = text(&process.program);
            writeln!(out, "{kind}:{},{},{program}", package.name, process.pid)?;
        }
    }
    Ok(())
}

fn restartable(packages: &[&Package<'_>], out: &mut dyn Write) -> io::Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\nOf these, {} seem to contain systemd service definitions or init scripts which can be used to restart them.",
        packages.len()
    )?;
    writeln!(
        out,
        "The following packages seem to have definitions that could be used\nto restart their services:"
    )?;
    listed(packages, out)?;
    let units = packages.iter().flat_map(|one| &one.restart.units);
    let scripts = packages.iter().flat_map(|one| &one.restart.scripts);
    let (units, scripts): (Vec<&String>, Vec<&String>) = (units.collect(), scripts.collect());
    if !units.is_empty() {
        writeln!(out, "\nThese are the systemd services:")?;
        commands(&units, out)?;
    }
    if !scripts.is_empty() {
        writeln!(out, "These are the initd scripts:")?;
        commands(&scripts, out)?;
    }
    Ok(())
}

fn not_restartable(packages: &[&Package<'_>], out: &mut dyn Write) -> io::Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "These processes ({}) do not seem to have an associated init script to restart them:",
        packages.len()
    )?;
    listed(packages, out)
}

fn listed(packages: &[&Package<'_>], out: &mut dyn Write) -> io::Result<()> {
    for package in packages {
        writeln!(out, "{}:", package.name)?;
        for process in &package.processes {
            writeln!(out, "\t{}\t{}", process.pid, text(&process.program))?;
        }
    }
    Ok(())
}

fn commands(commands: &[&String], out: &mut dyn Write) -> io::Result<()> {
    for command in commands {
        writeln!(out, "{command}")?;
    }
    writeln!(out)
}

fn text(name: &Bytes) -> String {
    tame(name.as_slice())
}
