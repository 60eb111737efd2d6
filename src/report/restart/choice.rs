//! What a person may choose from before a restart.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::{cut, deed, few, is_not_asked, print_reasons, reason, renewed, shown};
use crate::model::{Action, Deed, Held, Owner, Step, Transaction};
use crate::report::{Assessment, Detail, text, words};

/// One line of a check list. Its texts are fit for a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Whose stale code it is about: chosen together, or not at all.
    pub owners: BTreeSet<Owner>,
    /// Whether it is done if nobody says otherwise.
    pub ticked: bool,
    /// What is done.
    pub title: String,
    /// Why, what comes with it, and why not.
    pub why: Vec<String>,
}

/// What there is to choose from: the steps, and below them what a rule of the policy defers. Steps that serve others (reading
/// unit files again) come along by themselves.
#[must_use]
pub fn choices(transaction: &Transaction, assessment: &Assessment<'_>) -> Vec<Choice> {
    let steps = transaction.steps.iter();
    let of_steps = steps
        .filter(|step| !step.owners.is_empty() && !matches!(step.deed, Deed::Reload(_)))
        .map(|step| of_step(step, assessment));
    let held = transaction.held.iter();
    let of_held = held
        .filter(|held| is_for_choice(held, assessment))
        .map(|held| Choice {
            owners: BTreeSet::from([held.owner.clone()]),
            ticked: false,
            title: cut(words::owner(&held.owner)),
            why: held.because.iter().map(reason).collect(),
        });
    of_steps.chain(of_held).collect()
}

/// Prints what is held back and no choice can change, with the reasons.
///
/// # Errors
/// What the writer says.
pub fn print_fixed(
    out: &mut dyn Write,
    transaction: &Transaction,
    assessment: &Assessment<'_>,
) -> io::Result<()> {
    let held = transaction.held.iter();
    let fixed: Vec<&Held> = held
        .filter(|held| !is_for_choice(held, assessment) && !is_not_asked(held))
        .collect();
    if fixed.is_empty() {
        return Ok(());
    }
    writeln!(out, "Not to be chosen:")?;
    let fixed = fixed.iter().map(|held| (&held.owner, &held.because[..]));
    print_reasons(out, fixed, Detail::Normal)
}

/// Whether a person may lift it: what policy alone defers. What policy leaves alone, what refuses, what is above us and what
/// is no service stays as it is.
fn is_for_choice(held: &Held, assessment: &Assessment<'_>) -> bool {
    let by_policy = |rule: &str| rule.starts_with("policy.");
    let mut items = assessment.plan.items.iter();
    let deferred = items.any(|item| {
        item.owner == held.owner && item.because == held.because && item.action == Action::Defer
    });
    deferred
        && !held.because.is_empty()
        && held.because.iter().all(|because| by_policy(&because.rule))
}

fn of_step(step: &Step, assessment: &Assessment<'_>) -> Choice {
    let mut why = Vec::new();
    let renewed = renewed(step, assessment);
    if !renewed.is_empty() {
        why.push(cut(text::packages(renewed.iter().copied())));
    }
    if !step.pulled.is_empty() {
        let pulled: Vec<String> = step.pulled.iter().map(|unit| shown(unit)).collect();
        why.push(format!("with it: {}", few(&pulled, Detail::Normal)));
    }
    Choice {
        owners: step.owners.iter().cloned().collect(),
        ticked: true,
        title: deed(&step.deed),
        why,
    }
}
