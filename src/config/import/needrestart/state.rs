//! What `%nrconf` holds after all statements, and which of needrestart's own rows were taken out of it.

use std::collections::BTreeMap;

use super::defaults::{OVERRIDE_RC, Row};
use crate::config::import::perl::{Item, Operation, Scalar, Value};
use crate::config::import::{Draft, Place};

/// Settings that are lists of expressions.
pub(super) const LISTS: [&str; 5] = [
    "blacklist",
    "blacklist_interp",
    "blacklist_mappings",
    "blacklist_rc",
    "blacklist_cont",
];
/// Settings that are hashes from expressions to 0 or 1.
const HASHES: [&str; 2] = ["override_rc", "override_cont"];
/// A hash of numbers.
const NAGIOS: &str = "nagios-status";

/// What is set.
#[derive(Debug)]
pub(super) struct State {
    /// One value each.
    pub(super) scalars: BTreeMap<String, (Scalar, Place)>,
    /// Expressions of which any counts.
    pub(super) lists: BTreeMap<String, Vec<Entry>>,
    /// Expressions in the order in which they are tried: that of the bytes of Perl's strings for them.
    pub(super) hashes: BTreeMap<String, BTreeMap<String, Entry>>,
    /// Rows of needrestart's own that a statement took away, and where.
    pub(super) dropped: BTreeMap<&'static str, Place>,
    /// States of a monitor.
    pub(super) nagios: BTreeMap<String, i64>,
    /// Where those are set.
    pub(super) nagios_places: Vec<Place>,
}

/// An expression, and what it says.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) scalar: Scalar,
    /// What an expression of a hash stands for.
    pub(super) value: bool,
    /// Where it is written; nowhere: needrestart's own file was not read.
    pub(super) place: Option<Place>,
}

impl Entry {
    fn new(item: Item, value: bool, place: &Place) -> Self {
        let place = Place::new(&place.file, item.line);
        Self {
            scalar: item.scalar,
            value,
            place: Some(place),
        }
    }

    /// Needrestart's own row, if it says just that.
    pub(super) fn row(&self) -> Option<&'static Row> {
        match &self.scalar {
            Scalar::Regex { body, flags } if flags.is_empty() && !self.value => Row::of(body),
            _ => None,
        }
    }

    /// Where it comes from, for a comment.
    pub(super) fn origin(&self) -> String {
        match &self.place {
            Some(place) => place.to_string(),
            None => "needrestart's own row".to_owned(),
        }
    }
}

impl State {
    /// As it is in the program.
    pub(super) fn empty() -> Self {
        Self {
            scalars: BTreeMap::new(),
            lists: BTreeMap::new(),
            hashes: BTreeMap::new(),
            dropped: BTreeMap::new(),
            nagios: BTreeMap::new(),
            nagios_places: Vec::new(),
        }
    }

    /// As it is after the shipped file.
    pub(super) fn shipped() -> Self {
        let mut state = Self::empty();
        let rows = OVERRIDE_RC.iter().map(|row| Scalar::Regex {
            body: row.pattern.to_owned(),
            flags: String::new(),
        });
        let rows = rows.map(|scalar| {
            let entry = Entry {
                scalar,
                value: false,
                place: None,
            };
            (entry.scalar.stringified(), entry)
        });
        state
            .hashes
            .insert("override_rc".to_owned(), rows.collect());
        state
    }

    /// Whether a setting is set, and to something false.
    pub(super) fn is_false(&self, key: &str) -> bool {
        self.scalars
            .get(key)
            .is_some_and(|(value, _)| !value.is_true())
    }

    /// Does what a statement does.
    pub(super) fn apply(&mut self, place: &Place, operation: Operation, draft: &mut Draft) {
        let key = match &operation {
            Operation::Set(key, _)
            | Operation::SetEntry(key, ..)
            | Operation::Add(key, _)
            | Operation::Remove(key)
            | Operation::RemoveEntry(key, _) => key.clone(),
            Operation::ReadDropIns | Operation::Nothing => return,
        };
        if key == NAGIOS {
            self.nagios_places.push(place.clone());
            if let Err(why) = self.apply_to_nagios(operation) {
                draft.untranslated(place, &format!("{key}: {why}"));
            }
            return;
        }
        let done = if LISTS.contains(&key.as_str()) {
            self.apply_to_list(&key, place, operation, draft)
        } else if HASHES.contains(&key.as_str()) {
            self.apply_to_hash(&key, place, operation, draft)
        } else {
            self.apply_to_scalar(&key, place, operation)
        };
        if let Err(why) = done {
            draft.untranslated(place, &format!("{key}: {why}"));
        }
    }

    fn apply_to_nagios(&mut self, operation: Operation) -> Result<(), &'static str> {
        let entries = match operation {
            Operation::Set(_, Value::Hash { kept, entries }) => {
                if !kept {
                    self.nagios.clear();
                }
                entries
                    .into_iter()
                    .map(|(item, value)| (item.scalar, value))
                    .collect()
            }
            Operation::SetEntry(_, name, value) => vec![(name, value)],
            Operation::RemoveEntry(_, name) => {
                self.nagios.remove(&name.stringified());
                return Ok(());
            }
            Operation::Remove(_) => {
                self.nagios.clear();
                return Ok(());
            }
            _ => return Err("it is a hash"),
        };
        for (name, value) in entries {
            let state = value.stringified().parse();
            let state = state.ok().filter(|state| (0..=3).contains(state));
            let state = state.ok_or("its values are 0, 1, 2 and 3")?;
            self.nagios.insert(name.stringified(), state);
        }
        Ok(())
    }

    fn apply_to_scalar(
        &mut self,
        key: &str,
        place: &Place,
        operation: Operation,
    ) -> Result<(), &'static str> {
        match operation {
            Operation::Set(_, Value::Scalar(Scalar::Undefined)) | Operation::Remove(_) => {
                self.scalars.remove(key);
            }
            Operation::Set(_, Value::Scalar(value)) => {
                self.scalars.insert(key.to_owned(), (value, place.clone()));
            }
            _ => return Err("it is neither a list nor a hash"),
        }
        Ok(())
    }

    fn apply_to_list(
        &mut self,
        key: &str,
        place: &Place,
        operation: Operation,
        draft: &mut Draft,
    ) -> Result<(), &'static str> {
        let (kept, items) = match operation {
            Operation::Set(_, Value::List { kept, items }) => (kept, items),
            Operation::Add(_, items) => (true, items),
            Operation::Set(_, Value::Scalar(Scalar::Undefined)) | Operation::Remove(_) => {
                (false, Vec::new())
            }
            _ => return Err("it is a list"),
        };
        let list = self.lists.entry(key.to_owned()).or_default();
        if !kept {
            list.clear();
        }
        for item in items {
            match item.scalar {
                Scalar::Regex { .. } | Scalar::Text(_) => {
                    list.push(Entry::new(item, false, place));
                }
                // `qr(^a) => 0` in a list: needrestart takes the 0 for one more expression.
                Scalar::Integer(number) => draft.note(
                    &Place::new(&place.file, item.line),
                    &format!(
                        "{key}: the {number} is left out: in a list, needrestart takes it for an expression, that fits each name with a {number} in it"
                    ),
                ),
                Scalar::Undefined => {}
            }
        }
        Ok(())
    }

    fn apply_to_hash(
        &mut self,
        key: &str,
        place: &Place,
        operation: Operation,
        draft: &mut Draft,
    ) -> Result<(), &'static str> {
        let hash = self.hashes.entry(key.to_owned()).or_default();
        let (kept, entries) = match operation {
            Operation::Set(_, Value::Hash { kept, entries }) => (kept, entries),
            Operation::SetEntry(_, scalar, value) => {
                let line = place.line;
                (true, vec![(Item { line, scalar }, value)])
            }
            Operation::Set(_, Value::Scalar(Scalar::Undefined)) | Operation::Remove(_) => {
                (false, Vec::new())
            }
            Operation::RemoveEntry(_, scalar) => {
                match hash.remove(&scalar.stringified()) {
                    Some(gone) => {
                        let row = gone.row().map(|row| (row.pattern, place.clone()));
                        self.dropped.extend(row);
                    }
                    None => draft.note(place, &format!("{key}: there is no such row to delete")),
                }
                return Ok(());
            }
            _ => return Err("it is a hash"),
        };
        if !kept {
            let rows = hash.values().filter_map(Entry::row);
            self.dropped
                .extend(rows.map(|row| (row.pattern, place.clone())));
            hash.clear();
        }
        for (item, value) in entries {
            let name = item.scalar.stringified();
            hash.insert(name, Entry::new(item, value.is_true(), place));
        }
        Ok(())
    }
}
