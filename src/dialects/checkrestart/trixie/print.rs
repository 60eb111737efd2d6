//! Its words, for people and for programs.

use std::io::{self, Write};

use super::group::{Group, Groups, Way};
use super::process::Process;

/// Why a reboot is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reboot {
    /// These packages asked for it.
    Asked(Vec<String>),
    /// Nobody says.
    Unexplained,
}

/// All in one line.
pub(super) fn terse(
    reboot: Option<&Reboot>,
    count: usize,
    machine: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let reboot = match (reboot, machine) {
        (None, _) => String::new(),
        (Some(Reboot::Asked(_)), false) => "The system needs rebooting; ".to_owned(),
        (Some(reboot), _) => format!("{}; ", headline(reboot, machine)),
    };
    writeln!(out, "{reboot}{}", counted(count, machine))
}

/// What comes first: the reboot, and how much is stale.
pub(super) fn header(
    reboot: Option<&Reboot>,
    count: usize,
    machine: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    if let Some(reboot) = reboot {
        writeln!(out, "{}", headline(reboot, machine))?;
    }
    if let Some(Reboot::Asked(packages)) = reboot {
        let before = if machine { "REQUESTED_REBOOT: " } else { "\t" };
        for package in packages {
            writeln!(out, "{before}{package}")?;
        }
        if !machine {
            writeln!(out)?;
        }
    }
    writeln!(out, "{}", counted(count, machine))
}

fn headline(reboot: &Reboot, machine: bool) -> &'static str {
    match (reboot, machine) {
        (Reboot::Asked(_), true) => "REBOOT_NEEDED: Yes",
        (Reboot::Unexplained, true) => "REBOOT_NEEDED: Yes; MISSING: /run/reboot-required.pkgs",
        (Reboot::Asked(_), false) => {
            "The system needs rebooting. The following packages have indicated that a reboot is required:"
        }
        (Reboot::Unexplained, false) => {
            "The system needs rebooting: (/run/reboot-required exists but there is no /run/reboot-required.pkgs, so we do not know why)"
        }
    }
}

fn counted(count: usize, machine: bool) -> String {
    match machine {
        true => format!("RESTART_NEEDED: {count}"),
        false => {
            format!(
                "{count} non-ignored program(s) or unit(s) need restarting (see checkrestart(8))"
            )
        }
    }
}

fn heading(way: Way) -> &'static str {
    match way {
        Way::Unit => "The following systemd units started programmes that are using deleted files:",
        Way::PackageUnit => {
            "The following packages provided processes that are using deleted files and might be restartable via systemd:"
        }
        Way::Script => {
            "The following packages provided processes that are using deleted files and might be restarted by an initscript:"
        }
        Way::Unknown => {
            "The following are using deleted files but there is no suggested way to restart them:"
        }
    }
}

fn record_type(way: Way) -> &'static str {
    match way {
        Way::Unit => "SYSTEMD",
        Way::PackageUnit => "PACKAGE_SYSTEMD",
        Way::Script => "SERVICE",
        Way::Unknown => "OTHER",
    }
}

/// For people: a section for each way, and the commands.
pub(super) fn sections(groups: &Groups, files: bool, out: &mut dyn Write) -> io::Result<()> {
    for way in Way::ALL {
        let of_way = groups.groups.iter().filter(|group| group.way == way);
        for (number, group) in of_way.enumerate() {
            if number == 0 {
                writeln!(out, "\n{}", heading(way))?;
            }
            section(group, files, out)?;
        }
    }
    let titles = ["Systemd commands:", "Init script commands:"];
    for (title, commands) in titles.iter().zip(commands(groups)) {
        if commands.is_empty() {
            continue;
        }
        writeln!(out, "\n\n{title}")?;
        for command in commands {
            writeln!(out, "{command}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn section(group: &Group, files: bool, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}:", group.name)?;
    for process in &group.processes {
        if !files {
            writeln!(out, "\t{}", process.text())?;
            continue;
        }
        let text = process.text();
        writeln!(out, "\t{text} is using the following deleted files:")?;
        for file in names(process) {
            writeln!(out, "\t\t{file}")?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}

/// For programs: a line for each process, and for each command.
pub(super) fn records(groups: &Groups, files: bool, out: &mut dyn Write) -> io::Result<()> {
    for group in &groups.groups {
        for process in &group.processes {
            let (kind, fields) = (record_type(group.way), process.fields());
            writeln!(out, "{kind}\t{}\t{fields}", group.name)?;
            if !files {
                continue;
            }
            let fields = process.brief_fields();
            for file in names(process) {
                writeln!(out, "file\t{file}\t{fields}")?;
            }
        }
    }
    let titles = ["SYSTEMD_COMMAND", "SERVICE_COMMAND"];
    for (title, commands) in titles.iter().zip(commands(groups)) {
        for command in commands {
            writeln!(out, "{title}\t{command}")?;
        }
    }
    Ok(())
}

/// Commands with units, and with init scripts.
fn commands(groups: &Groups) -> [Vec<&String>; 2] {
    let with_units = |group: &&Group| matches!(group.way, Way::Unit | Way::PackageUnit);
    let (units, scripts): (Vec<&Group>, Vec<&Group>) = groups.groups.iter().partition(with_units);
    [units, scripts].map(|groups| {
        let commands = groups.into_iter().flat_map(|group| &group.commands);
        commands.collect()
    })
}

fn names(process: &Process) -> impl Iterator<Item = String> {
    let files = process.files.iter();
    files.map(|file| crate::dialects::tame(file.as_slice()))
}
