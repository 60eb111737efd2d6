//! TOML, as a person would write it: a table after the other, each value with the line it comes from. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::Place;
use crate::model::{Escaped, Level, RuleAction, is_tame};

/// As many values as one rule takes.
const RULE_CAP: usize = 200;

/// A file of settings.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// Keys of `[table]`s, with their values as TOML.
    settings: Vec<Setting>,
    /// Rules, in the order in which they are asked.
    rules: Vec<Rule>,
    /// How many rules have a name that begins so.
    named: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct Setting {
    table: &'static str,
    key: &'static str,
    value: String,
    place: Place,
}

/// A `[[rule]]`.
#[derive(Debug)]
pub(super) struct Rule {
    /// Its name.
    pub(super) name: String,
    /// What it does.
    pub(super) says: Says,
    /// Values of its one list.
    pub(super) values: Vec<Value>,
}

/// What a rule does.
#[derive(Debug, PartialEq)]
pub(super) enum Says {
    /// A rule of its own.
    Own {
        /// Which of the lists its values are.
        selector: &'static str,
        /// What is done with what fits.
        action: RuleAction,
        /// Why.
        reason: String,
        /// What renews it.
        level: Option<Level>,
    },
    /// It takes units away from a shipped rule.
    Remove,
    /// It masks a shipped rule.
    Mask,
}

/// A value of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    /// The text.
    pub(super) text: String,
    /// Where it comes from.
    pub(super) origin: String,
}

impl Document {
    /// Sets a key, as the last word on it.
    pub(super) fn set(
        &mut self,
        table: &'static str,
        key: &'static str,
        value: String,
        place: &Place,
    ) {
        self.settings
            .retain(|setting| (setting.table, setting.key) != (table, key));
        self.settings.push(Setting {
            table,
            key,
            value,
            place: place.clone(),
        });
    }

    /// Adds a value to the rule that came last, if that says the same, or to a new one.
    pub(super) fn add(&mut self, base: &str, says: Says, value: Value) {
        if let Some(last) = self.rules.last_mut()
            && last.says == says
            && last.values.len() < RULE_CAP
        {
            if !last.values.iter().any(|known| known.text == value.text) {
                last.values.push(value);
            }
            return;
        }
        let number = self.named.entry(base.to_owned()).or_insert(0_usize);
        *number += 1;
        let name = match *number {
            1 => base.to_owned(),
            number => format!("{base}-{number}"),
        };
        let values = vec![value];
        self.rules.push(Rule { name, says, values });
    }

    /// Changes a shipped rule.
    pub(super) fn change(&mut self, name: &str, says: Says, values: Vec<Value>) {
        let name = name.to_owned();
        self.rules.push(Rule { name, says, values });
    }

    /// All of it as text.
    pub(super) fn text(&self, from: &Path) -> String {
        let from = Escaped(from.as_os_str().as_bytes());
        let mut text = format!("# Translated from {from}: read it before you use it.\n");
        let mut tables: Vec<&str> = Vec::new();
        for setting in &self.settings {
            if !tables.contains(&setting.table) {
                tables.push(setting.table);
            }
        }
        // A table comes before those in it.
        tables.sort_unstable();
        for table in tables {
            let _ = write!(text, "\n[{table}]\n");
            for setting in self
                .settings
                .iter()
                .filter(|setting| setting.table == table)
            {
                let Setting {
                    key, value, place, ..
                } = setting;
                let _ = writeln!(text, "{key} = {value} # {place}");
            }
        }
        for rule in &self.rules {
            rule.write(&mut text);
        }
        text
    }
}

impl Rule {
    fn write(&self, text: &mut String) {
        let _ = write!(text, "\n[[rule]]\nname = {}\n", quoted(&self.name));
        match &self.says {
            Says::Own { selector, .. } => self.write_list(text, selector),
            Says::Remove => self.write_list(text, "remove_units"),
            Says::Mask => {
                for value in &self.values {
                    let _ = writeln!(
                        text,
                        "# {}: {}",
                        Escaped(value.text.as_bytes()),
                        value.origin
                    );
                }
                text.push_str("enabled = false\n");
            }
        }
        if let Says::Own {
            action,
            reason,
            level,
            ..
        } = &self.says
        {
            let _ = writeln!(text, "action = {}", quoted(action.word()));
            let _ = writeln!(text, "reason = {}", quoted(reason));
            if let Some(level) = level {
                let _ = writeln!(text, "level = {}", quoted(level.word()));
            }
        }
    }

    fn write_list(&self, text: &mut String, key: &str) {
        let _ = writeln!(text, "{key} = [");
        for value in &self.values {
            let _ = writeln!(text, "    {}, # {}", quoted(&value.text), value.origin);
        }
        text.push_str("]\n");
    }
}

/// A string of TOML: literal where it can be, for there no backslash is doubled.
pub(super) fn quoted(value: &str) -> String {
    if value.contains('\\') && value.chars().all(|c| is_tame(c) && c != '\'') {
        return format!("'{value}'");
    }
    let mut text = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            c if is_tame(c) => text.push(c),
            c if u32::from(c) > 0xffff => {
                let _ = write!(text, "\\U{:08x}", u32::from(c));
            }
            c => {
                let _ = write!(text, "\\u{:04x}", u32::from(c));
            }
        }
    }
    text.push('"');
    text
}

/// A list of strings in one line.
pub(super) fn list(values: &[&str]) -> String {
    let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
    format!("[{}]", values.join(", "))
}
