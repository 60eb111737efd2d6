//! Whether more than restarts is needed, for people: a line for each reason.

use std::io::{self, Write};

use anstyle::Style;

use super::{Assessment, Detail, words};
use crate::detect::microcode;
use crate::model::{Cause, Escaped, KernelState, KernelVerdict, Level, Setting, Upgrade};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
/// Packages that are named in one line; `-v` names all.
const NAMED: usize = 6;

/// Prints the answer with all reasons.
///
/// # Errors
/// What the writer says.
pub fn print(out: &mut dyn Write, assessment: &Assessment<'_>, detail: Detail) -> io::Result<()> {
    let reboot = &assessment.reboot;
    writeln!(out, "{BOLD}{}{BOLD:#}", headline(assessment))?;
    for cause in &reboot.causes {
        writeln!(out, "  {}: {}", cause.level.word(), line(cause, detail))?;
    }
    let notes: Vec<&Cause> = reboot.notes.iter().collect();
    if !notes.is_empty() {
        writeln!(out, "Noted:")?;
    }
    for note in notes {
        writeln!(out, "  {}", line(note, detail))?;
    }
    if detail == Detail::Everything {
        print_facts(out, assessment)?;
    }
    if !assessment.problems.is_empty() {
        writeln!(out, "INCOMPLETE: {}", could_not_judge(assessment))?;
    }
    Ok(())
}

/// The one word that says how much is needed. Where not everything could be looked at, *nothing found* is `unknown`, and
/// what was found is the least.
#[must_use]
pub fn level(assessment: &Assessment<'_>) -> &'static str {
    match assessment.reboot.level {
        None => "unknown",
        Some(Level::None) if !assessment.problems.is_empty() => "unknown",
        Some(level) => level.word(),
    }
}

/// What a check says of it: nothing, where services and sessions are all there is.
pub(super) fn print_section(
    out: &mut dyn Write,
    assessment: &Assessment<'_>,
    detail: Detail,
) -> io::Result<()> {
    let reboot = &assessment.reboot;
    if reboot.level.unwrap_or_default() < Level::SoftReboot {
        return Ok(());
    }
    writeln!(out, "{BOLD}{}{BOLD:#}", headline(assessment))?;
    let above = |cause: &&Cause| cause.level >= Level::SoftReboot;
    for cause in reboot.causes.iter().filter(above) {
        writeln!(out, "  {}", line(cause, detail))?;
    }
    writeln!(out)
}

fn headline(assessment: &Assessment<'_>) -> String {
    let reboot = &assessment.reboot;
    let whole = assessment.problems.is_empty();
    let what = match reboot.level {
        None => return "Whether a reboot is needed was not looked at.".to_owned(),
        Some(Level::None) if whole => return nothing(reboot.kernel.as_ref()),
        Some(Level::None) => {
            return "Nothing that could be looked at asks for a reboot.".to_owned();
        }
        Some(Level::Service) if whole => "No reboot is needed, restarts are",
        Some(Level::Service) => {
            "Restarts are needed, and nothing that could be looked at asks for a reboot"
        }
        Some(Level::Session) if whole => "No reboot is needed, but somebody has to log out and in",
        Some(Level::Session) => {
            "Somebody has to log out and in, and nothing that could be looked at asks for a reboot"
        }
        Some(Level::SoftReboot) => "A soft-reboot is needed (systemctl soft-reboot)",
        Some(Level::Kexec) => "A reboot by kexec is needed",
        Some(Level::Reboot) => "A reboot is needed",
    };
    let since = reboot.since().map_or_else(String::new, |since| {
        format!(", since {}", words::time(since))
    });
    format!("{what}{since}:")
}

/// All was looked at, and nothing asks for a reboot.
fn nothing(state: Option<&KernelState>) -> String {
    match state {
        Some(state) if state.verdict == KernelVerdict::Current => {
            let running = state.running.release.escaped();
            let by_loader = state.next.as_ref().is_some_and(|next| next.by_loader);
            match by_loader {
                true => {
                    format!("No reboot is needed: kernel {running} is the one that would boot.")
                }
                false => format!(
                    "No reboot is needed: kernel {running} is the newest of its flavour that is installed."
                ),
            }
        }
        // Whether the kernel is the right one is not known, or nobody's business here.
        _ => "Nothing asks for a reboot.".to_owned(),
    }
}

fn could_not_judge(assessment: &Assessment<'_>) -> String {
    match assessment.problems.len() {
        1 => "1 thing could not be judged.".to_owned(),
        more => format!("{more} things could not be judged."),
    }
}

/// A cause in one line: why, the packages, since when.
fn line(cause: &Cause, detail: Detail) -> String {
    let shown = match detail {
        Detail::Everything => cause.packages.len(),
        Detail::Normal => NAMED.min(cause.packages.len()),
    };
    let mut parts: Vec<String> = cause.packages[..shown].iter().map(upgrade).collect();
    if shown < cause.packages.len() {
        parts.push(format!("{} more", cause.packages.len() - shown));
    }
    parts.extend(
        cause
            .since
            .map(|since| format!("since {}", words::time(since))),
    );
    match parts.is_empty() {
        true => cause.why.clone(),
        false => format!("{} {DIM}[{}]{DIM:#}", cause.why, parts.join(", ")),
    }
}

fn upgrade(one: &Upgrade) -> String {
    let escaped = |text: &str| Escaped(text.as_bytes()).to_string();
    let name = escaped(&one.name);
    match (&one.old, &one.new) {
        (Some(old), Some(new)) if old == new => format!("{name} {}", escaped(new)),
        (Some(old), Some(new)) => format!("{name} {} → {}", escaped(old), escaped(new)),
        (Some(old), None) => format!("{name} {}, removed", escaped(old)),
        (None, Some(new)) => format!("{name} {}", escaped(new)),
        (None, None) => name,
    }
}

/// What was seen: kernels, boot loader, microcode.
fn print_facts(out: &mut dyn Write, assessment: &Assessment<'_>) -> io::Result<()> {
    let Some(boot) = &assessment.bundle.facts.boot else {
        return Ok(());
    };
    writeln!(out, "Seen:")?;
    let what = match &boot.setting {
        Setting::Machine => "the machine was booted".to_owned(),
        Setting::Container(by) => {
            let by = Escaped(by.as_bytes());
            format!("a container ({by}), whose kernel is not its own: it started")
        }
        Setting::OtherRoot => "another root than the machine's, which was booted".to_owned(),
    };
    writeln!(out, "  {what} {}", words::time(boot.started))?;
    if let Some(kernel) = &boot.kernel {
        let running = &kernel.running;
        writeln!(
            out,
            "  runs: kernel {} {}",
            running.release.escaped(),
            running.version.escaped()
        )?;
        for image in &kernel.images {
            let path = image.path.escaped();
            match &image.banner {
                Ok(banner) => writeln!(
                    out,
                    "  {path}: kernel {} {}",
                    banner.release.escaped(),
                    banner.version.escaped()
                )?,
                Err(why) => writeln!(out, "  {path}: {why}")?,
            }
        }
        let loader = &kernel.loader;
        if let Some(entry) = &loader.default {
            writeln!(
                out,
                "  the boot loader's default: {} ({}), says {}",
                entry.image.escaped(),
                entry.id.escaped(),
                entry.source.escaped()
            )?;
        }
        for note in &loader.notes {
            writeln!(out, "  of the boot loader: {}", Escaped(note.as_bytes()))?;
        }
    }
    print_microcode(out, assessment)?;
    for patch in &boot.live_patches {
        let state = if patch.enabled {
            "in force"
        } else {
            "not in force"
        };
        writeln!(
            out,
            "  live patch {} ({}): {state}",
            patch.name.escaped(),
            Escaped(patch.source.as_bytes())
        )?;
    }
    Ok(())
}

fn print_microcode(out: &mut dyn Write, assessment: &Assessment<'_>) -> io::Result<()> {
    let facts = &assessment.bundle.facts;
    for judged in microcode::judge_next(facts, assessment.reboot.kernel.as_ref()) {
        let (signature, revision) = (judged.processor.signature, judged.processor.revision);
        let best = judged.best.map_or_else(String::new, |best| {
            format!(", {:#x} in {}", best.revision, best.file.escaped())
        });
        writeln!(
            out,
            "  processor {signature:#x}: microcode {revision:#x} runs{best}: {}",
            judged.why
        )?;
    }
    Ok(())
}
