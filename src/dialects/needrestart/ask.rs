//! `-r i`: asks a person, one question for each service and container.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::list::{Printer, Style};
use super::names::{Fate, Findings, Target};
use super::order;
use crate::dialects::{Machine, Voice};

/// What the answers mean.
pub(super) const HELP: &str = "  y  restart this one
  n  do not restart this one
  a  restart it and all others, but those that are usually held back
  s  restart neither this one nor any other
";

/// What a person said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Yes,
    No,
    /// As it would be without a person, from here on.
    Auto,
    /// No more.
    Stop,
}

/// Asks about all of them; what is not to be restarted is deferred.
pub(super) fn ask(
    findings: &mut Findings,
    style: Style,
    machine: &mut dyn Machine,
    voice: &mut Voice<'_>,
) -> io::Result<()> {
    if findings.services.is_empty() {
        Printer::new(voice.out, style).services(findings)?;
    } else {
        let headings = ["Restarting services...", "Services to be restarted:"];
        ask_all(&mut findings.services, headings, style, machine, voice)?;
        Printer::new(voice.out, style).services_left(findings)?;
    }
    if findings.containers.is_empty() {
        Printer::new(voice.out, style).containers(findings)
    } else {
        let headings = ["Restarting containers...", "Containers to be restarted:"];
        ask_all(&mut findings.containers, headings, style, machine, voice)?;
        Printer::new(voice.out, style).containers_left(findings)
    }
}

fn ask_all(
    targets: &mut BTreeMap<String, Target>,
    headings: [&str; 2],
    style: Style,
    machine: &mut dyn Machine,
    voice: &mut Voice<'_>,
) -> io::Result<()> {
    if !style.quiet {
        writeln!(voice.out, "\n{}\n{}", headings[0], headings[1])?;
    }
    let mut asked: Vec<(&String, &mut Target)> = targets
        .iter_mut()
        .filter(|(_, target)| target.fate != Fate::Refused)
        .collect();
    asked.sort_by(|(a, _), (b, _)| order::folded(a, b));
    let mut for_all = None;
    for (name, target) in asked {
        let usual = target.fate == Fate::Restart;
        let answer = match for_all {
            Some(answer) => answer,
            None => question(name, usual, machine, voice.out)?,
        };
        if matches!(answer, Answer::Auto | Answer::Stop) {
            for_all = Some(answer);
        }
        let restart = match answer {
            Answer::Yes => true,
            Answer::Auto => usual,
            Answer::No | Answer::Stop => false,
        };
        target.fate = if restart {
            writeln!(voice.out, " {}", target.command.text())?;
            Fate::Restart
        } else {
            Fate::Deferred
        };
    }
    Ok(())
}

/// Asks until there is an answer. Where nobody types any more, nothing more is done.
fn question(
    name: &str,
    usual: bool,
    machine: &mut dyn Machine,
    out: &mut dyn Write,
) -> io::Result<Answer> {
    let letters = if usual { "Ynas?" } else { "yNas?" };
    loop {
        write!(out, "Restart «{name}»? [{letters}] ")?;
        out.flush()?;
        let Some(line) = machine.ask()? else {
            writeln!(out)?;
            return Ok(Answer::Stop);
        };
        match line.trim().to_lowercase().as_str() {
            "" if usual => return Ok(Answer::Yes),
            "" | "n" | "no" => return Ok(Answer::No),
            "y" | "yes" => return Ok(Answer::Yes),
            "a" | "auto" => return Ok(Answer::Auto),
            "s" | "stop" => return Ok(Answer::Stop),
            _ => write!(out, "{HELP}")?,
        }
    }
}
