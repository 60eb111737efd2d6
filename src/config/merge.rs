//! Rules of all layers → the rules in force, in the order in which they are asked.

use std::ops::Range;

use super::rule::{Change, RuleFragment};
use crate::model::{Level, PolicyRule, RuleAction, Selectors};

/// All layers together.
const RULES_CAP: usize = 4096;

/// The reason of a rule that wants a restart and gives none.
const RESTART_REASON: &str = "the policy wants it to be restarted";

/// Rules while layers are added.
#[derive(Debug, Default)]
pub(super) struct Rules {
    all: Vec<Growing>,
    notes: Vec<Note>,
}

/// Something that a person should know, and that is no mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    /// The number of the layer.
    pub(super) layer: usize,
    /// Where in its text.
    pub(super) place: Range<usize>,
    /// What.
    pub(super) what: String,
}

/// A rule of one or several layers.
#[derive(Debug)]
struct Growing {
    name: String,
    enabled: bool,
    action: Option<RuleAction>,
    reason: Option<String>,
    rule: PolicyRule,
    /// Which lists have ever held something, in the order of [`Growing::sizes`].
    narrowed: [bool; 7],
    /// The layer that spoke of it last, and where.
    last: (usize, Range<usize>),
}

impl Rules {
    /// Adds a layer that counts more: what it says of known rules changes those in their places, what is new is asked before
    /// all that was there.
    pub(super) fn add(&mut self, layer: usize, fragments: &[RuleFragment]) -> Result<(), Note> {
        let mut new = Vec::new();
        for fragment in fragments {
            let known = self.all.iter_mut().find(|rule| rule.name == fragment.name);
            if let Some(rule) = known {
                self.notes.extend(rule.change(layer, fragment));
            } else if fragment.only_takes_away() {
                // The rule may have gone with a newer version of what shipped it.
                self.notes.push(Note {
                    layer,
                    place: fragment.place.clone(),
                    what: format!(
                        "there is no rule `{}` that this could change",
                        fragment.name
                    ),
                });
            } else {
                let mut rule = Growing::new(&fragment.name, layer, fragment.place.clone());
                self.notes.extend(rule.change(layer, fragment));
                new.push(rule);
            }
        }
        if self.all.len() + new.len() > RULES_CAP {
            return Err(Note {
                layer,
                place: 0..0,
                what: format!("with these, there are more than {RULES_CAP} rules"),
            });
        }
        new.append(&mut self.all);
        self.all = new;
        Ok(())
    }

    /// The rules in force, and what there is to note.
    pub(super) fn finish(self) -> Result<(Vec<PolicyRule>, Vec<Note>), Note> {
        let enabled = self.all.into_iter().filter(|rule| rule.enabled);
        let rules = enabled.map(Growing::finish).collect::<Result<_, _>>()?;
        Ok((rules, self.notes))
    }
}

impl RuleFragment {
    /// Whether it means nothing without a rule to change.
    fn only_takes_away(&self) -> bool {
        let adds = self.action.is_some()
            || self.reason.is_some()
            || self.level.is_some()
            || self.until.is_some()
            || self.older_than_secs.is_some()
            || self.younger_than_secs.is_some()
            || !self.users.add.is_empty()
            || self.lists().any(|list| !list.add.is_empty());
        let removes =
            !self.users.remove.is_empty() || self.lists().any(|list| !list.remove.is_empty());
        !adds && (removes || self.enabled == Some(false))
    }

    fn lists(&self) -> impl Iterator<Item = &Change<crate::model::Pattern>> {
        [
            &self.units,
            &self.cgroups,
            &self.packages,
            &self.paths,
            &self.programs,
            &self.containers,
        ]
        .into_iter()
    }
}

impl Growing {
    fn new(name: &str, layer: usize, place: Range<usize>) -> Self {
        Self {
            name: name.to_owned(),
            enabled: true,
            action: None,
            reason: None,
            rule: PolicyRule {
                name: name.to_owned(),
                selectors: Selectors::default(),
                action: RuleAction::Leave,
                reason: String::new(),
                level: Level::Service,
                until: None,
            },
            narrowed: [false; 7],
            last: (layer, place),
        }
    }

    fn sizes(&self) -> [(&'static str, usize); 7] {
        let on = &self.rule.selectors;
        [
            ("units", on.units.len()),
            ("users", on.users.len()),
            ("cgroups", on.cgroups.len()),
            ("packages", on.packages.len()),
            ("paths", on.paths.len()),
            ("programs", on.programs.len()),
            ("containers", on.containers.len()),
        ]
    }

    /// A list of which nothing is left: it would not narrow the rule any more, which would fit more than before.
    fn emptied(&self) -> Option<&'static str> {
        let lists = self.sizes().into_iter().zip(self.narrowed);
        let mut emptied = lists.filter(|((_, size), narrowed)| *narrowed && *size == 0);
        emptied.next().map(|((name, _), _)| name)
    }

    /// Takes what a layer says; notes what it takes away and is not there.
    fn change(&mut self, layer: usize, by: &RuleFragment) -> Vec<Note> {
        self.last = (layer, by.place.clone());
        self.enabled = by.enabled.unwrap_or(self.enabled);
        self.action = by.action.or(self.action);
        self.reason = by.reason.clone().or(self.reason.take());
        self.rule.level = by.level.unwrap_or(self.rule.level);
        self.rule.until = by.until.or(self.rule.until);
        let on = &mut self.rule.selectors;
        on.older_than_secs = by.older_than_secs.or(on.older_than_secs);
        on.younger_than_secs = by.younger_than_secs.or(on.younger_than_secs);
        let mut missing = Vec::new();
        for (list, change) in [
            (&mut on.units, &by.units),
            (&mut on.cgroups, &by.cgroups),
            (&mut on.packages, &by.packages),
            (&mut on.paths, &by.paths),
            (&mut on.programs, &by.programs),
            (&mut on.containers, &by.containers),
        ] {
            let gone = apply(list, change);
            missing.extend(gone.iter().map(|pattern| pattern.written().to_owned()));
        }
        let users = apply(&mut on.users, &by.users);
        missing.extend(users.iter().map(u32::to_string));
        let sizes = self.sizes();
        for (narrowed, (_, size)) in self.narrowed.iter_mut().zip(sizes) {
            *narrowed |= size > 0;
        }
        let note = |what: String| Note {
            layer,
            place: by.place.clone(),
            what: format!("rule `{}` has no `{what}` to remove", self.name),
        };
        missing.into_iter().map(note).collect()
    }

    /// What is missing to a whole rule; `None` if nothing is.
    fn wrong(&self) -> Option<String> {
        if let Some(list) = self.emptied() {
            return Some(format!(
                "has nothing left in {list}; to switch it off, write enabled = false"
            ));
        }
        let wrong = if self.rule.selectors == Selectors::default() {
            "selects nothing: it needs units, users, cgroups, packages, paths, programs, containers, older_than or younger_than"
        } else if self.action.is_none() {
            "has no action: restart, defer, leave or hide"
        } else if self.reason.is_none() && self.action != Some(RuleAction::Restart) {
            "has no reason: one line for whoever wonders"
        } else {
            return None;
        };
        Some(wrong.to_owned())
    }

    fn finish(mut self) -> Result<PolicyRule, Note> {
        if let Some(wrong) = self.wrong() {
            let (layer, place) = self.last;
            return Err(Note {
                layer,
                place,
                what: format!("rule `{}` {wrong}", self.name),
            });
        }
        self.rule.action = self.action.unwrap_or(self.rule.action);
        self.rule.reason = self.reason.unwrap_or_else(|| RESTART_REASON.to_owned());
        Ok(self.rule)
    }
}

/// Changes a list; returns what is to be removed and is not there.
fn apply<T: PartialEq + Clone>(list: &mut Vec<T>, change: &Change<T>) -> Vec<T> {
    let there = |value: &&T| !list.contains(value);
    let missing = change.remove.iter().filter(there).cloned().collect();
    list.retain(|value| !change.remove.contains(value));
    for value in &change.add {
        if !list.contains(value) {
            list.push(value.clone());
        }
    }
    missing
}
