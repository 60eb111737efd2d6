//! `override_rc` and `override_cont` → rules that defer or restart, in the order in which needrestart asks its rows; and its
//! own rows, which shipped rules stand for unless somebody took them away.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use super::defaults::{Cover, OVERRIDE_RC, Row};
use super::lists::{expression, untranslated, with_managers};
use super::state::{Entry, State};
use crate::config::import::perl::Scalar;
use crate::config::import::write::{Says, Value};
use crate::config::import::{Draft, Place, ShippedRule, pattern};
use crate::model::RuleAction;

/// With so many of needrestart's own rows, a file is taken for one that began as the shipped one.
const OWN_ROWS: usize = 10;

/// Patterns that are taken away from shipped rules, by the names of these, with what took them.
type Removals<'a> = BTreeMap<&'a str, Vec<Value>>;

/// Translates both.
pub(super) fn translate(state: &State, main: Option<&Path>, draft: &mut Draft) {
    let shipped = ShippedRule::all();
    let removals = removals(state, &shipped, draft);
    let translation = Translation {
        shipped: &shipped,
        removals: &removals,
    };
    for key in ["override_rc", "override_cont"] {
        if let Some(entries) = state.hashes.get(key) {
            translation.rules(key, entries, draft);
        }
    }
    if let Some(main) = main {
        note_missing(state, main, draft);
    }
    for (name, values) in removals {
        let rule = shipped.iter().find(|rule| rule.name == name);
        let is_all = rule.is_some_and(|rule| rule.units.len() == values.len());
        let says = if is_all { Says::Mask } else { Says::Remove };
        draft.document.change(name, says, values);
    }
}

struct Translation<'a> {
    shipped: &'a [ShippedRule],
    removals: &'a Removals<'a>,
}

impl Translation<'_> {
    fn rules(&self, key: &'static str, entries: &BTreeMap<String, Entry>, draft: &mut Draft) {
        let mut covered: BTreeMap<String, Vec<&Entry>> = BTreeMap::new();
        // Rows that are asked before those to come, and that only a shipped rule says so far: that is asked after all rules
        // here.
        let mut before: Vec<&Entry> = Vec::new();
        for entry in entries.values() {
            if key == "override_rc"
                && let Some(how) = entry.row().and_then(|row| self.covered(row, entry))
            {
                covered.entry(how).or_default().push(entry);
                before.push(entry);
                continue;
            }
            if entry.value {
                let (first, others) = before.into_iter().partition(|own| may_meet(own, entry));
                before = others;
                let first: Vec<&Entry> = first;
                for own in first {
                    rule(key, own, draft);
                }
            }
            rule(key, entry, draft);
        }
        for (how, entries) in covered {
            note_covered(&how, &entries, draft);
        }
    }

    /// What stands for a row of needrestart's own; nothing has to for one that nobody wrote down.
    fn covered(&self, row: &Row, entry: &Entry) -> Option<String> {
        if let Cover::Design(why) = row.cover {
            return Some(why.to_owned());
        }
        let Some(rule) = row.rule(self.shipped) else {
            return entry.place.is_none().then(String::new);
        };
        let removed = self.removals.get(rule.name.as_str());
        let fitting = row.units().iter().flat_map(|unit| rule.fitting(unit));
        let is_removed = |pattern: &str| {
            removed.is_some_and(|values| values.iter().any(|value| value.text == pattern))
        };
        let mut fitting = fitting.map(|pattern| pattern.written());
        (!fitting.any(is_removed)).then(|| format!("the rule `{}` says the same", rule.name))
    }
}

/// Whether a unit could fit both expressions; where that cannot be told, it could. Case is no difference here.
fn may_meet(own: &Entry, other: &Entry) -> bool {
    let beginnings = |entry: &Entry| match &entry.scalar {
        Scalar::Regex { body, flags } if !flags.contains(['m', 'x']) => pattern::beginnings(body),
        Scalar::Text(body) => pattern::beginnings(body),
        _ => Vec::new(),
    };
    let folded = |entry: &Entry| -> Vec<String> {
        let beginnings = beginnings(entry).into_iter();
        beginnings.map(|text| text.to_lowercase()).collect()
    };
    let (own, other) = (folded(own), folded(other));
    let meet = |a: &String, b: &String| a.starts_with(b.as_str()) || b.starts_with(a.as_str());
    own.is_empty() || other.is_empty() || own.iter().any(|a| other.iter().any(|b| meet(a, b)))
}

fn rule(key: &'static str, entry: &Entry, draft: &mut Draft) {
    let (action, reason) = if entry.value {
        (RuleAction::Restart, "wants it to be restarted")
    } else {
        (RuleAction::Defer, "leaves the moment to a person")
    };
    let selector = if key == "override_rc" {
        "units"
    } else {
        "containers"
    };
    match expression(key, &entry.scalar) {
        Ok(text) => {
            let base = match selector {
                "units" => format!("needrestart-{}", action.word()),
                _ => format!("needrestart-{}-{selector}", action.word()),
            };
            for text in with_managers(selector, text) {
                let says = Says::Own {
                    selector,
                    action,
                    reason: format!("{key} of needrestart's configuration {reason}"),
                    level: None,
                };
                let origin = entry.origin();
                draft.document.add(&base, says, Value { text, origin });
            }
        }
        Err(why) => {
            if let Some(place) = &entry.place {
                untranslated(key, place, &why, draft);
            }
        }
    }
}

fn note_covered(how: &str, entries: &[&Entry], draft: &mut Draft) {
    let Some(place) = entries.first().and_then(|entry| entry.place.as_ref()) else {
        return;
    };
    let rows = entries.iter().filter_map(|entry| entry.row());
    let rows: Vec<_> = rows.map(|row| row.pattern).collect();
    draft.note(
        &place.clone(),
        &format!("needrestart's own {}: {how}", rows.join(" ")),
    );
}

/// What becomes of rows that statements took away: the patterns that stand for them go as well.
fn removals<'a>(state: &State, shipped: &'a [ShippedRule], draft: &mut Draft) -> Removals<'a> {
    let mut removals = Removals::new();
    let mut places: BTreeMap<&Place, Vec<&str>> = BTreeMap::new();
    let entries = state.hashes.get("override_rc");
    for (pattern, place) in &state.dropped {
        let is_back =
            entries.is_some_and(|entries| entries.contains_key(&format!("(?^:{pattern})")));
        let Some(row) = Row::of(pattern).filter(|_| !is_back) else {
            continue;
        };
        places.entry(place).or_default().push(pattern);
        let fitting = row.units().iter().flat_map(|unit| {
            let rules = shipped.iter();
            rules.flat_map(move |rule| {
                rule.fitting(unit)
                    .map(|pattern| (rule.name.as_str(), pattern))
            })
        });
        for (name, fitting) in fitting {
            let text = fitting.written().to_owned();
            let values: &mut Vec<Value> = removals.entry(name).or_default();
            if !values.iter().any(|value| value.text == text) {
                let origin = format!("{place} takes away {pattern}");
                values.push(Value { text, origin });
            }
        }
    }
    for (place, rows) in places {
        draft.note(
            place,
            &format!(
                "override_rc: this takes away needrestart's own {}, and so what stands for them here; if rows were only to be added, leave out the rules with `remove_units` and `enabled = false`",
                rows.join(" ")
            ),
        );
    }
    removals
}

/// Says which of needrestart's own rows are not in a file. It may be that somebody took them out, or that it is older.
fn note_missing(state: &State, main: &Path, draft: &mut Draft) {
    let entries = state.hashes.get("override_rc");
    let is_there = |row: &&Row| {
        entries.is_some_and(|entries| entries.contains_key(&format!("(?^:{})", row.pattern)))
    };
    let place = Place::new(&Rc::from(main), 1);
    if OVERRIDE_RC.iter().filter(is_there).count() < OWN_ROWS {
        if state.dropped.is_empty() {
            draft.note(
                &place,
                "override_rc: needrestart's own rows are not in this file; the shipped rules that stand for them hold all the same",
            );
        }
        return;
    }
    let gone = |row: &&Row| !is_there(row) && !state.dropped.contains_key(row.pattern);
    let missing = OVERRIDE_RC.iter().filter(|row| row.always).filter(gone);
    let missing: Vec<_> = missing.map(|row| row.pattern).collect();
    if !missing.is_empty() {
        draft.note(
            &place,
            &format!(
                "override_rc: needrestart's own {} are not in this file; the shipped rules that stand for them hold all the same",
                missing.join(" ")
            ),
        );
    }
}
