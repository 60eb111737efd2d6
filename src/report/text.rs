//! The text for people.

use std::collections::BTreeSet;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::{Assessment, Detail, reboot, words};
use crate::model::{Action, Escaped, Item, Package, Part, StaleProcess, Verdict};

/// Packages and processes that are named in the short form; the rest is counted.
const NAMED: usize = 4;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

fn style_of(action: Action) -> Style {
    let color = match action {
        Action::Restart | Action::RestartContainer | Action::RestartVm => AnsiColor::Yellow,
        Action::Reexec | Action::Relogin => AnsiColor::Cyan,
        Action::Defer | Action::Leave => AnsiColor::White,
    };
    Style::new().bold().fg_color(Some(color.into()))
}

/// Prints what to do, grouped by how, and a last line that counts.
///
/// # Errors
/// What the writer says.
pub fn print(out: &mut dyn Write, assessment: &Assessment<'_>, detail: Detail) -> io::Result<()> {
    let mut last = None;
    for (leftover, item) in in_order(assessment) {
        if last != Some((item.action, leftover)) {
            let (style, end) = (style_of(item.action), anstyle::Reset);
            let heading = if leftover {
                words::LEFTOVERS
            } else {
                words::heading(item.action)
            };
            writeln!(out, "{style}{heading}:{end}")?;
            last = Some((item.action, leftover));
        }
        print_item(out, assessment, item, detail)?;
    }
    if !assessment.plan.items.is_empty() {
        writeln!(out)?;
    }
    if detail == Detail::Everything {
        print_same_code(out, assessment)?;
    }
    reboot::print_section(out, assessment, detail)?;
    writeln!(out, "{}", summary(assessment, detail))
}

/// The items, those that are left over after others of their action.
fn in_order<'a>(assessment: &'a Assessment<'_>) -> Vec<(bool, &'a Item)> {
    let items = assessment.plan.items.iter();
    let mut all: Vec<(bool, &Item)> = items
        .map(|item| (words::is_leftover(&item.because), item))
        .collect();
    all.sort_by_key(|(leftover, item)| (item.action, *leftover));
    all
}

fn print_item(
    out: &mut dyn Write,
    assessment: &Assessment<'_>,
    item: &Item,
    detail: Detail,
) -> io::Result<()> {
    writeln!(out, "  {BOLD}{}{BOLD:#}", words::item(item))?;
    writeln!(out, "      {}", packages(std::iter::once(item)))?;
    writeln!(out, "      {DIM}{}{DIM:#}", why(assessment, item))?;
    if item.action != Action::Restart || detail == Detail::Everything {
        for because in &item.because {
            let why = Escaped(because.why.as_bytes());
            writeln!(out, "      {DIM}{why}{DIM:#}")?;
        }
    }
    if let Some(command) = words::command(item) {
        writeln!(out, "      {DIM}restart it with: {command}{DIM:#}")?;
    }
    if detail == Detail::Everything {
        for process in &item.processes {
            print_process(out, assessment, process)?;
        }
    }
    Ok(())
}

/// The packages behind items, old and new.
pub(super) fn packages<'a>(items: impl Iterator<Item = &'a Item>) -> String {
    let all: BTreeSet<String> = items
        .flat_map(|item| &item.processes)
        .flat_map(|process| &process.objects)
        .map(|object| words::package(&object.package))
        .collect();
    // What can be named comes first.
    let unnamed = [
        words::package(&Package::None),
        words::package(&Package::Unknown),
    ];
    let mut named: Vec<&String> = all.iter().filter(|name| !unnamed.contains(name)).collect();
    if named.is_empty() {
        named = all.iter().collect();
    }
    shortened(&named.iter().map(|name| name.as_str()).collect::<Vec<_>>())
}

fn shortened(all: &[&str]) -> String {
    let more = all.len().saturating_sub(NAMED);
    let named = all[..all.len() - more].join(", ");
    if more == 0 {
        named
    } else {
        format!("{named} and {more} more")
    }
}

/// One line of why: the first file, in whom, and how many more.
fn why(assessment: &Assessment<'_>, item: &Item) -> String {
    let Some(process) = item.processes.first() else {
        return String::new();
    };
    // The program itself says more than any of its libraries.
    let first = process
        .objects
        .iter()
        .find(|object| object.program && object.sure)
        .or_else(|| process.objects.iter().find(|object| object.sure))
        .or(process.objects.first());
    let Some(first) = first else {
        return String::new();
    };
    let files: BTreeSet<_> = item
        .processes
        .iter()
        .flat_map(|process| &process.objects)
        .map(|object| object.object)
        .collect();
    let path = words::path_of(assessment.object(first)).escaped();
    let comm = assessment
        .process(process.key)
        .map_or_else(String::new, |process| {
            format!(" ({})", process.comm.escaped())
        });
    let more_files = match files.len() - 1 {
        0 => String::new(),
        1 => ", and 1 more file".to_owned(),
        more => format!(", and {more} more files"),
    };
    let more_processes = match item.processes.len() - 1 {
        0 => String::new(),
        1 => " and 1 more process run it".to_owned(),
        more => format!(" and {more} more processes run it"),
    };
    let verb = if more_processes.is_empty() {
        " runs it"
    } else {
        ""
    };
    format!(
        "{path} {}, pid {}{comm}{verb}{more_processes}{more_files}",
        words::kind(first.kind),
        process.key.pid
    )
}

/// Of a helper, that it is none of what runs inside.
fn part(stale: &StaleProcess) -> &'static str {
    let part = stale.instance.as_ref().map(|instance| instance.part);
    match part {
        Some(Part::Helper) => ", helps it from outside with code of the host",
        Some(Part::Payload) | None => "",
    }
}

fn print_process(
    out: &mut dyn Write,
    assessment: &Assessment<'_>,
    stale: &StaleProcess,
) -> io::Result<()> {
    let Some(process) = assessment.process(stale.key) else {
        return Ok(());
    };
    let exe = process
        .exe
        .as_ref()
        .map_or_else(String::new, |exe| exe.escaped().to_string());
    let started = words::time(
        assessment
            .bundle
            .facts
            .host
            .clock
            .file_time(stale.key.started),
    );
    let uid = process
        .details
        .as_ref()
        .map_or_else(String::new, |details| format!(", uid {}", details.uid));
    writeln!(
        out,
        "      pid {} ({}) {exe}, started {started}{uid}{}",
        stale.key.pid,
        process.comm.escaped(),
        part(stale)
    )?;
    for object in &stale.objects {
        let seen = assessment.object(object);
        let role = match &object.source {
            Some(source) => words::source(source, object.sure),
            None if object.program => "program ".to_owned(),
            None => String::new(),
        };
        writeln!(
            out,
            "        {role}{} {} [{}]",
            words::path_of(seen).escaped(),
            words::kind(object.kind),
            words::package(&object.package)
        )?;
        print_evidence(out, seen, "          ")?;
        if let Some(source) = &object.source {
            let detector = assessment.detector(source);
            writeln!(out, "          {}", words::how(source, detector))?;
        }
    }
    Ok(())
}

/// What the verdict on an object rests on.
pub(super) fn print_evidence(
    out: &mut dyn Write,
    object: &crate::model::Object,
    indent: &str,
) -> io::Result<()> {
    use crate::model::Fresh;
    match &object.look.mapped {
        Ok(stat) => writeln!(out, "{indent}in use:  {}", words::object(stat))?,
        // Read and closed again: nothing was in use to be looked at.
        Err(_) if object.inode == 0 => {}
        Err(why) => writeln!(
            out,
            "{indent}in use:  inode {} on super block {}:{} (itself not reached: {why})",
            object.inode, object.device.major, object.device.minor
        )?,
    }
    match &object.look.fresh {
        Fresh::Found(stat) => writeln!(out, "{indent}on disk: {}", words::object(stat))?,
        Fresh::Missing => writeln!(out, "{indent}on disk: nothing at that path")?,
        Fresh::Unknown(why) => writeln!(out, "{indent}on disk: {why}")?,
    }
    if let Some(text) = words::compared(&object.look) {
        writeln!(out, "{indent}content: {text}")?;
    }
    let led_elsewhere =
        |start: &&crate::model::StartName| Some(&start.path) != object.path.as_ref();
    if let Some(start) = object.look.start_name.as_ref().filter(led_elsewhere) {
        let name = start.path.escaped();
        match &start.found {
            Ok(led) => writeln!(
                out,
                "{indent}started as {name}, which leads to {} now: {}",
                led.path.escaped(),
                words::object(&led.stat)
            )?,
            Err(why) => writeln!(out, "{indent}started as {name}, not looked at: {why}")?,
        }
    }
    Ok(())
}

fn print_same_code(out: &mut dyn Write, assessment: &Assessment<'_>) -> io::Result<()> {
    let mut printed = BTreeSet::new();
    for judged in &assessment.judged {
        for finding in &judged.findings {
            let object = &assessment.bundle.facts.objects[finding.object.0 as usize];
            if matches!(finding.verdict, Verdict::SameCode(_)) && printed.insert(finding.object) {
                if printed.len() == 1 {
                    writeln!(out, "New files with the same code, nothing to do:")?;
                }
                writeln!(
                    out,
                    "  {}: {}",
                    words::path_of(object).escaped(),
                    words::verdict(&finding.verdict)
                )?;
            }
        }
    }
    if !printed.is_empty() {
        writeln!(out)?;
    }
    Ok(())
}

fn summary(assessment: &Assessment<'_>, detail: Detail) -> String {
    let count = |actions: &[Action]| {
        assessment
            .plan
            .items
            .iter()
            .filter(|item| actions.contains(&item.action))
            .count()
    };
    let now = count(&[
        Action::Restart,
        Action::Reexec,
        Action::RestartContainer,
        Action::RestartVm,
    ]);
    let (leftovers, persons): (Vec<_>, Vec<_>) = in_order(assessment)
        .into_iter()
        .filter(|(_, item)| matches!(item.action, Action::Relogin | Action::Defer))
        .partition(|(leftover, _)| *leftover);
    let person = persons.len();
    let looked = assessment.bundle.facts.processes.len();
    let left_over = match leftovers.len() {
        0 => String::new(),
        count => format!(", {count} left over"),
    };
    let mut text = if assessment.plan.items.is_empty() {
        nothing(assessment)
    } else {
        format!(
            "{now} to restart, {person} for a person to decide{left_over}; {looked} processes looked at."
        )
    };
    let hidden = assessment.plan.hidden.len();
    if hidden > 0 && detail == Detail::Everything {
        text.push_str(&format!(" {hidden} hidden by policy."));
    }
    if !assessment.problems.is_empty() {
        text.push_str(&format!(
            " INCOMPLETE: {} could not be judged.",
            words::things(assessment.problems.len())
        ));
    }
    text
}

/// Nothing was found; that nothing is stale can be said only if everything was looked at, and shown.
pub(super) fn nothing(assessment: &Assessment<'_>) -> String {
    let looked = assessment.bundle.facts.processes.len();
    let hidden = !assessment.plan.hidden.is_empty();
    match (assessment.problems.is_empty(), hidden) {
        (true, false) => format!("Nothing is stale: {looked} processes looked at."),
        (true, true) => {
            format!("Nothing is stale but what policy hides: {looked} processes looked at.")
        }
        (false, _) => {
            format!("Nothing stale was found in the {looked} processes that could be looked at.")
        }
    }
}

#[cfg(test)]
mod tests;
