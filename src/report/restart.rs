//! The text of `restart`: what will be done and why, how far it is, and how it ended.
//!
//! Names, reasons and log lines are somebody else's: each is escaped, and long ones are cut.

mod choice;
mod outcome;
mod progress;

use std::collections::BTreeMap;
use std::io::{self, Write};

use anstyle::Style;

use super::{Assessment, Detail, text, words};
use crate::model::{
    Action, Because, Deed, Escaped, Held, Item, Owner, Scope, Stage, Step, Transaction,
};

pub use choice::{Choice, choices, print_fixed};
pub use outcome::{print_broken_off, print_outcome};
pub use progress::{Progress, fitting};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// Names in a row; the rest is counted.
const NAMED: usize = 8;
/// Characters of one name or sentence. Units have at most 255 (systemd.unit(5)); others may have any.
const CHARACTERS: usize = 300;

/// Prints the steps in their order, what is held back, what is left over, and whose sessions are old.
///
/// # Errors
/// What the writer says.
pub fn print_plan(
    out: &mut dyn Write,
    transaction: &Transaction,
    assessment: &Assessment<'_>,
    detail: Detail,
) -> io::Result<()> {
    if transaction.steps.is_empty() {
        writeln!(out, "{BOLD}There is nothing to restart.{BOLD:#}")?;
    } else {
        writeln!(out, "{BOLD}To be done, in this order:{BOLD:#}")?;
    }
    for step in &transaction.steps {
        print_step(out, step, assessment, detail)?;
    }
    print_held(out, transaction, assessment, detail)?;
    writeln!(out, "\n{}", plan_counts(transaction, assessment))
}

/// After a plan that was only shown (`list`, `--dry-run`): that nothing was done, and the command that does it, for these
/// names alone where some were given.
///
/// # Errors
/// What the writer says.
pub fn print_advice(
    out: &mut dyn Write,
    transaction: &Transaction,
    names: &[String],
) -> io::Result<()> {
    if transaction.steps.is_empty() {
        return Ok(());
    }
    let mut command = "unstale restart --mode auto".to_owned();
    if names.iter().any(|name| name.starts_with('-')) {
        command.push_str(" --");
    }
    for name in names {
        command.push(' ');
        command.push_str(&shown(&words::quoted(name)));
    }
    writeln!(out, "Nothing was done. This does it: {command}")
}

fn print_step(
    out: &mut dyn Write,
    step: &Step,
    assessment: &Assessment<'_>,
    detail: Detail,
) -> io::Result<()> {
    writeln!(
        out,
        "{:>4}. {BOLD}{}{BOLD:#}",
        step.number,
        deed(&step.deed)
    )?;
    let renewed = renewed(step, assessment);
    if !renewed.is_empty() {
        let packages = cut(text::packages(renewed.iter().copied()));
        writeln!(out, "        {packages}")?;
    }
    let main = main_owner(step);
    let others = step.owners.iter().filter(|&owner| Some(owner) != main);
    let others: Vec<String> = others.map(|owner| cut(words::owner(owner))).collect();
    if !others.is_empty() {
        let others = few(&others, detail);
        writeln!(out, "        {DIM}also renews {others}{DIM:#}")?;
    }
    if !step.pulled.is_empty() {
        let pulled: Vec<String> = step.pulled.iter().map(|unit| shown(unit)).collect();
        let pulled = few(&pulled, detail);
        writeln!(
            out,
            "        {DIM}goes down and comes back with it: {pulled}{DIM:#}"
        )?;
    }
    if step.wait_us > 0 {
        let wait = seconds(step.wait_us);
        writeln!(
            out,
            "        {DIM}waits {wait} first, for its start limit{DIM:#}"
        )?;
    }
    if step.stage == Stage::Access {
        writeln!(
            out,
            "        {DIM}late: you may reach this machine through it{DIM:#}"
        )?;
    }
    for because in &step.because {
        if detail == Detail::Everything || !is_plain(because) {
            let why = shown(&because.why);
            writeln!(out, "        {DIM}{why}{DIM:#}")?;
        }
    }
    Ok(())
}

/// Reasons that say no more than the command does.
fn is_plain(because: &Because) -> bool {
    let plain = [
        "unit",
        "user-unit",
        "service",
        "service-manager",
        "user-manager",
    ];
    plain.contains(&because.rule.as_str())
}

/// The owner that the command names.
fn main_owner(step: &Step) -> Option<&Owner> {
    let named = |owner: &&Owner| match &step.deed {
        Deed::TryRestart { unit, .. } => {
            let name = owner.host_unit.as_ref().unwrap_or(&owner.name);
            name.as_slice() == unit.as_bytes()
        }
        Deed::RestartService { name } | Deed::Override { name } => {
            owner.name.as_slice() == name.as_bytes()
        }
        Deed::Reload(_) => false,
        Deed::Reexec(_) | Deed::Command { .. } => true,
    };
    step.owners.iter().find(named)
}

/// What is stale and renewed by a step.
fn renewed<'a>(step: &Step, assessment: &'a Assessment<'_>) -> Vec<&'a Item> {
    let items = assessment.plan.items.iter();
    let renewed = |item: &&Item| {
        step.owners.contains(&item.owner)
            && !words::is_leftover(&item.because)
            && item.action != Action::Leave
    };
    items.filter(renewed).collect()
}

/// What is not done, by what it is. The order is that of the headings.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    Held,
    Leftover,
    Session,
    Left,
    NotAsked,
}

impl Why {
    const ALL: [Self; 5] = [
        Self::Held,
        Self::Leftover,
        Self::Session,
        Self::Left,
        Self::NotAsked,
    ];

    fn of(held: &Held, assessment: &Assessment<'_>) -> Self {
        if is_not_asked(held) {
            return Self::NotAsked;
        }
        if words::is_leftover(&held.because) {
            return Self::Leftover;
        }
        let items = &assessment.plan.items;
        let same = |item: &&Item| item.owner == held.owner && item.because == held.because;
        match items.iter().find(same).map(|item| item.action) {
            Some(Action::Relogin) => Self::Session,
            Some(Action::Leave) => Self::Left,
            _ => Self::Held,
        }
    }

    fn heading(self) -> &'static str {
        match self {
            Self::Held => "Held back",
            Self::Leftover => words::LEFTOVERS,
            Self::Session => words::heading(Action::Relogin),
            Self::Left => words::heading(Action::Leave),
            Self::NotAsked => "Stale, and not asked for",
        }
    }
}

/// Whether somebody named or chose other things.
fn is_not_asked(held: &Held) -> bool {
    held.because.first().is_some_and(Because::is_not_asked)
}

/// What is not done: under its heading, those with one reason together.
fn print_held(
    out: &mut dyn Write,
    transaction: &Transaction,
    assessment: &Assessment<'_>,
    detail: Detail,
) -> io::Result<()> {
    for kind in Why::ALL {
        let of_kind = |held: &&Held| Why::of(held, assessment) == kind;
        let held: Vec<&Held> = transaction.held.iter().filter(of_kind).collect();
        // Who names something wants to hear of that: the rest is counted.
        let is_counted = kind == Why::NotAsked && detail == Detail::Normal;
        if held.is_empty() || is_counted {
            continue;
        }
        writeln!(out, "\n{BOLD}{}:{BOLD:#}", kind.heading())?;
        print_reasons(
            out,
            held.iter().map(|held| (&held.owner, &held.because[..])),
            detail,
        )?;
    }
    Ok(())
}

/// Owners, those with one reason in a row, and that reason below.
pub(super) fn print_reasons<'a>(
    out: &mut dyn Write,
    all: impl Iterator<Item = (&'a Owner, &'a [Because])>,
    detail: Detail,
) -> io::Result<()> {
    let mut by_reason: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    let mut places = BTreeMap::new();
    for (owner, because) in all {
        let reasons: Vec<String> = because.iter().map(reason).collect();
        let place = *places.entry(reasons.clone()).or_insert(by_reason.len());
        if place == by_reason.len() {
            by_reason.push((reasons, Vec::new()));
        }
        by_reason[place].1.push(cut(words::owner(owner)));
    }
    for (reasons, names) in by_reason {
        writeln!(out, "  {BOLD}{}{BOLD:#}", few(&names, detail))?;
        for reason in reasons {
            writeln!(out, "      {DIM}{reason}{DIM:#}")?;
        }
    }
    Ok(())
}

/// A reason; where the administrator may change it, with the name of the rule.
fn reason(because: &Because) -> String {
    let why = shown(&because.why);
    if because.rule.starts_with("policy.") {
        format!("{why} (rule {})", shown(&because.rule))
    } else {
        why
    }
}

fn plan_counts(transaction: &Transaction, assessment: &Assessment<'_>) -> String {
    let held = transaction.held.iter();
    let kinds: Vec<Why> = held.map(|held| Why::of(held, assessment)).collect();
    let count = |kind| kinds.iter().filter(|&&one| one == kind).count();
    let others = [
        (count(Why::Held), "held back"),
        (count(Why::Leftover), "left over"),
        (count(Why::Session), "to log in again"),
        (count(Why::Left), "left alone"),
        (count(Why::NotAsked), "not asked for"),
    ];
    let mut text = format!("{} to be done", transaction.steps.len());
    for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!(", {count} {what}"));
    }
    text.push('.');
    let unseen = assessment.problems.len();
    if unseen > 0 {
        text.push_str(&format!(
            " INCOMPLETE: {} could not be judged.",
            words::things(unseen)
        ));
    }
    text
}

/// The words of what is done, as a person would do it by hand.
fn deed(deed: &Deed) -> String {
    let systemctl = |scope: Scope, words: &str| match scope {
        Scope::System => format!("systemctl {words}"),
        Scope::User(uid) => format!("systemctl --user {words} (as user {uid})"),
    };
    match deed {
        Deed::Reload(scope) => systemctl(*scope, "daemon-reload"),
        Deed::Reexec(scope) => systemctl(*scope, "daemon-reexec"),
        Deed::TryRestart { scope, unit } => {
            let unit = shown(&words::quoted(unit));
            systemctl(*scope, &format!("try-restart {unit}"))
        }
        Deed::RestartService { name } => format!("restart the service {}", shown(name)),
        Deed::Override { name } => format!("restart.d/{}", shown(&words::quoted(name))),
        Deed::Command { argv } => {
            let argv: Vec<_> = argv.iter().map(|word| words::quoted(word)).collect();
            shown(&argv.join(" "))
        }
    }
}

/// What it is done to, in few words.
fn target(deed: &Deed) -> String {
    let user = |scope: Scope| match scope {
        Scope::System => String::new(),
        Scope::User(uid) => format!(" of user {uid}"),
    };
    match deed {
        Deed::Reload(scope) => format!("unit files of the service manager{}", user(*scope)),
        Deed::Reexec(scope) => format!("the service manager{}", user(*scope)),
        Deed::TryRestart { scope, unit } => format!("{}{}", shown(unit), user(*scope)),
        Deed::RestartService { name } | Deed::Override { name } => shown(name),
        Deed::Command { argv } => shown(&argv.join(" ")),
    }
}

/// Text of others, fit for a terminal.
fn shown(text: &str) -> String {
    // What is escaped grows: it is cut before and after.
    let head = text.char_indices().nth(CHARACTERS + 1);
    let head = head.map_or(text, |(end, _)| &text[..end]);
    cut(Escaped(head.as_bytes()).to_string())
}

/// Long text without its end.
fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(CHARACTERS) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Some names; without all detail, the first few.
fn few(names: &[String], detail: Detail) -> String {
    let named = match detail {
        Detail::Normal => NAMED.min(names.len()),
        Detail::Everything => names.len(),
    };
    let text = names[..named].join(", ");
    match names.len() - named {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

/// A time span in whole seconds, never less than it is.
fn seconds(micros: u64) -> String {
    format!("{} s", micros.div_ceil(1_000_000))
}

#[cfg(test)]
mod tests;
