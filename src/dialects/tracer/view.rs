//! What tracer prints.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::super::application::{Application, Type};
use super::super::{OldFile, OldPart, tame};

type All<'a> = BTreeMap<String, Application<'a>>;

/// The list. Sessions and what needs a reboot are counted, unless `whole`; `quiet` leaves out the counts.
pub(super) fn list(text: &mut String, all: &All<'_>, whole: bool, quiet: bool) {
    let restarts = [Type::Application, Type::Daemon];
    let helpers = of(all, &restarts).filter_map(|(_, one)| one.helper.clone());
    let by_hand = of(all, &restarts).filter(|(_, one)| one.helper.is_none());
    let mut sections = vec![
        ("Some applications using:", helpers.collect()),
        ("These applications manually:", names(by_hand)),
    ];
    if whole {
        let session = "These applications restarting your session:";
        sections.push((session, names(of(all, &[Type::Session]))));
        let reboot = "These applications rebooting your computer:";
        sections.push((reboot, names(of(all, &[Type::Static]))));
    }
    let sections: Vec<String> = sections
        .into_iter()
        .filter(|(_, lines)| !lines.is_empty())
        .map(|(heading, lines)| section(heading, &lines))
        .collect();
    if !sections.is_empty() {
        text.push_str("You should restart:\n");
        text.push_str(&sections.join("\n"));
    }
    if !whole && !quiet {
        hidden(text, all);
    }
}

/// A heading with its lines, sorted, each once.
fn section(heading: &str, lines: &BTreeSet<String>) -> String {
    let mut text = format!("  * {heading}\n");
    for line in lines {
        // Writing to a string does not fail.
        writeln!(text, "      {line}").ok();
    }
    text
}

/// How many are not listed.
fn hidden(text: &mut String, all: &All<'_>) {
    let sessions = of(all, &[Type::Session]).count();
    let statics = of(all, &[Type::Static]).count();
    if sessions + statics == 0 {
        return;
    }
    text.push_str(match text.is_empty() {
        true => "There are:\n",
        false => "\nAdditionally, there are:\n",
    });
    if sessions > 0 {
        let what = "restart of your session (i.e. Logging out & Logging in again)";
        writeln!(text, "  - {sessions} processes requiring {what}").ok();
    }
    if statics > 0 {
        writeln!(text, "  - {statics} processes requiring reboot").ok();
    }
}

fn of<'a, 'b>(
    all: &'a All<'b>,
    kinds: &'a [Type],
) -> impl Iterator<Item = (&'a String, &'a Application<'b>)> {
    all.iter().filter(|(_, one)| kinds.contains(&one.kind))
}

fn names<'a, 'b: 'a>(
    some: impl Iterator<Item = (&'a String, &'a Application<'b>)>,
) -> BTreeSet<String> {
    some.map(|(name, _)| name.clone()).collect()
}

/// A number and a name a line.
pub(super) fn numbered(text: &mut String, all: &All<'_>) {
    for (at, name) in all.keys().enumerate() {
        writeln!(text, "[{}] {name}", at + 1).ok();
    }
}

/// All about one application; with `verbose` the packages that it runs old files of, then those files too.
pub(super) fn one(text: &mut String, name: &str, one: &Application<'_>, verbose: u8) {
    if !text.is_empty() {
        text.push('\n');
    }
    writeln!(text, "* {name}").ok();
    let packages = one.processes.iter().flat_map(|one| &one.program_packages);
    let packages: BTreeSet<&str> = packages.map(String::as_str).collect();
    if !packages.is_empty() {
        let packages: Vec<&str> = packages.into_iter().collect();
        writeln!(text, "    Package:     {}", packages.join(", ")).ok();
    }
    let kind = match one.kind {
        Type::Application => "Application",
        Type::Daemon => "Daemon",
        Type::Session => "Session",
        Type::Static => "Static",
    };
    writeln!(text, "    Type:        {kind}").ok();
    for (at, process) in one.processes.iter().enumerate() {
        let label = if at == 0 { "State:" } else { "" };
        let user = tame(process.user.as_bytes());
        let state = format!("{name} has been started by {user}. PID - {}", process.pid);
        writeln!(text, "    {label:<13}{state}").ok();
    }
    if verbose > 0 {
        affected_by(text, one, verbose);
    }
    let helper = one.helper.as_deref().unwrap_or("Sorry, It's not known");
    writeln!(text, "\n    How to restart:\n        {helper}").ok();
}

fn affected_by(text: &mut String, one: &Application<'_>, verbose: u8) {
    let mut by_package: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let files = one.processes.iter().flat_map(|one| &one.files);
    for file in files.filter(|file: &&OldFile| file.part != OldPart::Data) {
        for package in &file.packages {
            let files = by_package.entry(package).or_default();
            files.insert(tame(file.path.as_slice()));
        }
    }
    if by_package.is_empty() {
        return;
    }
    text.push_str("\n    Affected by:\n");
    for (package, files) in by_package {
        writeln!(text, "        {package}").ok();
        for file in files.iter().filter(|_| verbose > 1) {
            writeln!(text, "            {file}").ok();
        }
    }
}
