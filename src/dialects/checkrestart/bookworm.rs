//! checkrestart 0.88.1: packages whose programs are stale, and what of their files could restart them.

mod hidden;
mod print;
mod restart;

use std::ffi::OsString;
use std::io;

use super::options;
use super::program::Program;
use crate::dialects::{Call, Machine, OldFile, OldPart, Scene, Stale, Voice, Wanted, tame};
use crate::model::{Bytes, Pid};

use self::hidden::Hidden;

/// Its help, as it is read by others.
const USAGE: &str =
    "usage: checkrestart [-vhpam] [ -b blacklist_file ] [ -i package_name ] [ -e pid ]";

/// What it says to those who may not look.
const NOT_ROOT: &str = "ERROR: This program must be run as root in order to obtain information\n\
    about all open file descriptors in the system.";

/// Exit status: something is stale (only with `-t`), or nobody may look.
const STALE: u8 = 1;

/// Exit status: bad options, or nothing could be looked at.
const TROUBLE: u8 = 2;

/// Interpreters whose scripts count as programs.
const INTERPRETERS: [&str; 4] = [
    "/usr/bin/perl",
    "/usr/bin/python",
    "/usr/bin/ruby",
    "/usr/bin/tclsh",
];

/// Packages that it never tells of.
const IGNORED: [&str; 4] = ["screen", "systemd", "dbus", "dbus-broker"];

/// Its options.
#[derive(Debug, clap::Parser)]
#[command(
    name = "checkrestart",
    no_binary_name = true,
    infer_long_args = true,
    args_override_self = true,
    disable_help_flag = true,
    disable_version_flag = true
)]
struct Flags {
    #[arg(short = 'h', long)]
    help: bool,
    #[arg(short = 'v', long)]
    verbose: bool,
    #[arg(short = 'p', long)]
    packages: bool,
    #[arg(short = 'a', long)]
    all: bool,
    #[arg(short = 'm', long)]
    machine: bool,
    #[arg(short = 't', long)]
    terse: bool,
    /// Another way to find the same: there is one way here, and with this `-e` counts.
    #[arg(short = 'n', long)]
    nolsof: bool,
    #[arg(short = 'b', long, allow_hyphen_values = true)]
    blacklist: Vec<OsString>,
    #[arg(short = 'i', long, allow_hyphen_values = true)]
    ignore: Vec<OsString>,
    #[arg(short = 'e', long, allow_hyphen_values = true)]
    excludepid: Vec<OsString>,
    #[arg(long)]
    compat_bugs: bool,
    #[arg(hide = true, trailing_var_arg = true)]
    rest: Vec<OsString>,
}

/// A process that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Process {
    pid: Pid,
    program: Bytes,
    /// Packages that have the program by this very path.
    packages: Vec<String>,
    /// Its old files as it names them.
    files: Vec<Bytes>,
}

/// A package with stale programs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Package<'a> {
    name: String,
    processes: Vec<&'a Process>,
    restart: restart::Commands,
}

/// What is to be said.
#[derive(Debug)]
struct Report<'a> {
    processes: &'a [Process],
    /// Programs, in the order of their first processes.
    programs: Vec<&'a Bytes>,
    /// Packages in the order of their programs, the ignored ones too.
    found: Vec<String>,
    /// Those that are told.
    packages: Vec<Package<'a>>,
}

/// Speaks it.
pub(super) fn speak(
    call: &Call,
    machine: &mut dyn Machine,
    voice: &mut Voice<'_>,
) -> io::Result<u8> {
    let (flags, matches) = match options::parse::<Flags>(&call.args) {
        Ok(parsed) => parsed,
        Err(complaint) => {
            writeln!(voice.out, "{complaint}")?;
            writeln!(voice.err, "{USAGE}").ok();
            return Ok(TROUBLE);
        }
    };
    if flags.help {
        writeln!(voice.err, "{USAGE}").ok();
        return Ok(0);
    }
    if machine.euid() != 0 {
        writeln!(voice.err, "{NOT_ROOT}").ok();
        return Ok(STALE);
    }
    // Whichever of them comes last counts.
    let place = |id| options::last_place(&matches, id);
    let packages_only = place("packages") > place("blacklist").max(place("all"));
    let hidden = match Hidden::read(&flags, packages_only, machine) {
        Ok(hidden) => hidden,
        Err(why) => {
            voice.note(&why);
            return Ok(TROUBLE);
        }
    };
    let wanted = Wanted {
        packages: true,
        deleted: flags.compat_bugs,
        ..Wanted::default()
    };
    let scene = match machine.look(&wanted) {
        Ok(scene) => scene,
        Err(lines) => {
            lines.iter().for_each(|line| voice.note(line));
            return Ok(TROUBLE);
        }
    };
    voice.problems(&scene);
    let processes = processes(&scene, &flags, &hidden);
    if flags.terse {
        print::terse(processes.len(), voice.out)?;
        return Ok(if processes.is_empty() { 0 } else { STALE });
    }
    let report = Report::new(&processes, &scene, &flags, machine);
    print::report(&report, &flags, voice.out)?;
    name_the_dropped(&report, &flags, voice);
    Ok(0)
}

/// Processes that count, by pid.
fn processes(scene: &Scene, flags: &Flags, hidden: &Hidden) -> Vec<Process> {
    let excluded = |stale: &&Stale| {
        let pid = stale.pid.to_string();
        flags.nolsof && flags.excludepid.iter().any(|other| *other == *pid)
    };
    let stale = scene.stale.iter().filter(|stale| !excluded(stale));
    let processes = stale.filter_map(|stale| {
        let files = stale.files.iter();
        let files: Vec<Bytes> = files
            .filter(|file| hidden.shows(scene, file))
            .map(|file| name_of(file).clone())
            .collect();
        let program = Program::of(stale, &INTERPRETERS);
        let owns = |package: &&String| owns(scene, package, &program.path);
        let packages = program.packages.iter().filter(owns).cloned().collect();
        (!files.is_empty()).then_some(Process {
            pid: stale.pid,
            program: program.path,
            packages,
            files,
        })
    });
    let mut processes: Vec<Process> = processes.collect();
    processes.sort_by_key(|process| process.pid);
    processes
}

/// The name of an old file: the kernel's own for the program, and the bare path for what is mapped besides, as lsof(8) has it.
fn name_of(file: &OldFile) -> &Bytes {
    match file.part {
        OldPart::Program => &file.name,
        OldPart::Library | OldPart::Source | OldPart::Data => &file.path,
    }
}

/// Whether a package has a file by this very path. On systems with a merged `/usr` many programs run by another name than that
/// by which their packages have them.
fn owns(scene: &Scene, package: &str, path: &Bytes) -> bool {
    let files = scene.files.get(package);
    files.is_none_or(|files| files.contains(path))
}

impl<'a> Report<'a> {
    fn new(processes: &'a [Process], scene: &Scene, flags: &Flags, machine: &dyn Machine) -> Self {
        let mut programs: Vec<&Bytes> = Vec::new();
        let mut found: Vec<String> = Vec::new();
        let mut packages: Vec<Package<'_>> = Vec::new();
        for process in processes {
            if programs.contains(&&process.program) {
                continue;
            }
            programs.push(&process.program);
            if process.packages.is_empty() {
                continue;
            }
            let name = tame(process.packages.join(", ").as_bytes());
            let same = |other: &&Process| other.program == process.program;
            let same = processes.iter().filter(same);
            match packages.iter_mut().find(|package| package.name == name) {
                Some(package) => package.processes.extend(same),
                None => {
                    found.push(name.clone());
                    packages.push(Package {
                        name,
                        processes: same.collect(),
                        restart: restart::Commands::default(),
                    });
                }
            }
        }
        packages.retain(|package| !is_ignored(&package.name, flags));
        for package in &mut packages {
            package.restart = restart::Commands::of(package, scene, machine, flags.compat_bugs);
        }
        Self {
            processes,
            programs,
            found,
            packages,
        }
    }
}

fn is_ignored(package: &str, flags: &Flags) -> bool {
    IGNORED.contains(&package) || flags.ignore.iter().any(|other| other == package)
}

/// Says which processes are counted, but listed nowhere, unless it was asked for.
fn name_the_dropped(report: &Report<'_>, flags: &Flags, voice: &mut Voice<'_>) {
    for process in report.processes {
        let package = process.packages.join(", ");
        let why = match package.as_str() {
            "" => "no owning package".to_owned(),
            _ if flags.ignore.iter().any(|other| *other == *package) => continue,
            _ if is_ignored(&package, flags) => format!("package {package} is ignored"),
            _ => continue,
        };
        let program = tame(process.program.as_slice());
        voice.note(&format!("not shown, {why}: {} {program}", process.pid));
    }
}
