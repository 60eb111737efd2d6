//! The text of `status`: what the last look found, and how much that is worth.

use std::io::{self, Write};

use super::words;
use crate::model::{Bytes, Escaped, LastRun, Level, PackageFact, State, StateItem, Upgrade};

/// Packages that are named; the rest is counted.
const NAMED: usize = 4;

/// What there is to say.
#[derive(Debug, Clone, Copy)]
pub struct Status<'a> {
    /// What the last look of this boot found.
    pub state: Option<&'a State>,
    /// Why that is not all that is to be known now.
    pub why_not: Option<&'a str>,
    /// Packages changed since that look.
    pub pending: bool,
    /// Who holds the next look back.
    pub suspended_by: Option<&'a str>,
    /// Seconds since the boot.
    pub uptime_secs: u64,
}

impl Status<'_> {
    /// Whether this can be all there is: whoever may pass it for *nothing is stale* asks here first.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.why_not.is_none() && self.state.is_some_and(State::is_complete)
    }
}

/// Prints it.
///
/// # Errors
/// What the writer says.
pub fn print(out: &mut dyn Write, status: &Status<'_>) -> io::Result<()> {
    if let Some(why_not) = status.why_not {
        writeln!(out, "Not known: {}.", Escaped(why_not.as_bytes()))?;
    }
    if let Some(who) = status.suspended_by {
        writeln!(out, "Held back by {}.", Escaped(who.as_bytes()))?;
    }
    let Some(state) = status.state else {
        return Ok(());
    };
    print_items(out, state, status.uptime_secs)?;
    print_reboot(out, state)?;
    if let Some(run) = &state.run {
        print_run(out, run)?;
    }
    let ago = age(status.uptime_secs, state.uptime_secs);
    writeln!(out, "Looked {ago} ago, {}.", words::time(state.time))?;
    if state.problems > 0 {
        let many = state.problems;
        writeln!(
            out,
            "Incomplete: {many} things could not be looked at; unstale check says which."
        )?;
    }
    Ok(())
}

fn print_items(out: &mut dyn Write, state: &State, uptime_secs: u64) -> io::Result<()> {
    let mut last = None;
    for item in &state.items {
        if last != Some(item.action) {
            writeln!(out, "{}:", words::heading(item.action))?;
            last = Some(item.action);
        }
        let since = item.since_secs().map_or_else(String::new, |since| {
            format!(", first seen {} ago", age(uptime_secs, since))
        });
        writeln!(out, "  {}{since}", name(item))?;
        if !item.packages.is_empty() {
            writeln!(out, "      {}", packages(&item.packages))?;
        }
    }
    match state.items.len() {
        0 => writeln!(out, "Nothing runs old code."),
        _ => Ok(()),
    }
}

fn name(item: &StateItem) -> String {
    if !item.is_private() {
        return words::owner(&item.owner);
    }
    let user = match item.owner.scope {
        crate::model::Scope::System => "a user".to_owned(),
        crate::model::Scope::User(uid) => format!("user {uid}"),
    };
    match item.processes.len() {
        1 => format!("something of {user}, 1 process"),
        many => format!("something of {user}, {many} processes"),
    }
}

fn packages(all: &[Upgrade]) -> String {
    let fact = |one: &Upgrade| PackageFact {
        backend: String::new(),
        name: one.name.clone(),
        arch: String::new(),
        running_version: one.old.clone(),
        installed_version: one.new.clone(),
    };
    let shown: Vec<String> = all
        .iter()
        .take(NAMED)
        .map(fact)
        .map(|fact| words::versions(&fact))
        .collect();
    match all.len().saturating_sub(NAMED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn print_reboot(out: &mut dyn Write, state: &State) -> io::Result<()> {
    let needed = match state.level {
        Some(Level::SoftReboot) => "A soft reboot is needed",
        Some(Level::Kexec) => "A reboot by kexec is needed",
        Some(Level::Reboot) => "A reboot is needed",
        Some(Level::None | Level::Service | Level::Session) => return Ok(()),
        None => return writeln!(out, "Whether a reboot is needed is not known."),
    };
    writeln!(out, "{needed}:")?;
    let causes = state.causes.iter();
    for cause in causes.filter(|cause| cause.level >= Level::SoftReboot) {
        writeln!(out, "  {}", Escaped(cause.why.as_bytes()))?;
    }
    Ok(())
}

fn print_run(out: &mut dyn Write, run: &LastRun) -> io::Result<()> {
    let counts = [
        (run.clean, "clean"),
        (run.failed, "failed"),
        (run.still_stale, "still stale"),
        (run.deferred, "deferred"),
        (run.unproven, "not proven"),
    ];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let counts = match counts.is_empty() {
        true => "nothing was to be done".to_owned(),
        false => counts.join(", "),
    };
    writeln!(out, "Last restart {}: {counts}.", words::time(run.time))?;
    for name in &run.names {
        writeln!(out, "  not done: {}", Bytes::from(name.as_str()).escaped())?;
    }
    Ok(())
}

/// How long ago, in the largest unit that fits.
fn age(now_secs: u64, then_secs: u64) -> String {
    let secs = now_secs.saturating_sub(then_secs);
    let (count, unit) = match secs {
        0..60 => (secs, "second"),
        60..3600 => (secs / 60, "minute"),
        3600..86400 => (secs / 3600, "hour"),
        _ => (secs / 86400, "day"),
    };
    match count {
        1 => format!("1 {unit}"),
        _ => format!("{count} {unit}s"),
    }
}

#[cfg(test)]
mod tests;
