//! Where in which layer a value stands.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Layer, Users};

/// The texts of all layers, taken apart.
pub(super) struct Origins<'a> {
    layers: Vec<(&'a Layer, Spanned<DeTable<'a>>)>,
    users: &'a Users,
}

/// The table that a value is in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Section<'a> {
    /// `[name]`, or `[name.below]`.
    Table(&'a [&'a str]),
    /// The `[[rule]]` of a name.
    Rule(&'a str),
}

impl<'a> Origins<'a> {
    pub(super) fn of(layers: &'a [Layer], users: &'a Users) -> Self {
        // Each was parsed before; one that the program made up is of its form too.
        let taken = layers
            .iter()
            .filter_map(|layer| Some((layer, DeTable::parse(&layer.text).ok()?)));
        Self {
            layers: taken.collect(),
            users,
        }
    }

    /// The last word on a single value; where nobody speaks of it, it is the program's own.
    pub(super) fn of_value(&self, section: Section<'_>, key: &str) -> String {
        let said = self.last(|table| Some(entry(section.of(table)?, key)?.0));
        said.unwrap_or_else(|| "default".to_owned())
    }

    /// The last that has it in a list.
    pub(super) fn of_element(&self, section: Section<'_>, key: &str, element: &str) -> String {
        let is_it = |value: &&Spanned<DeValue<'_>>| match value.get_ref() {
            DeValue::String(text) if key == "users" => self
                .users
                .uid_of(text)
                .is_some_and(|uid| uid.to_string() == element),
            DeValue::String(text) => text == element,
            DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix())
                .is_ok_and(|number| number.to_string() == element),
            _ => false,
        };
        let said = self.last(|table| {
            let (_, list) = entry(section.of(table)?, key)?;
            let DeValue::Array(list) = list.get_ref() else {
                return None;
            };
            list.iter().find(is_it).map(Spanned::span)
        });
        said.unwrap_or_else(|| "default".to_owned())
    }

    /// Where a rule was made.
    pub(super) fn of_rule(&self, name: &str) -> String {
        let places = self.layers.iter().filter_map(|(layer, table)| {
            let place = entry(Section::Rule(name).of(table.get_ref())?, "name")?.0;
            Some(place_in(layer, &place))
        });
        places.take(1).last().unwrap_or_default()
    }

    /// The names of all rules of all layers.
    pub(super) fn rules(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for rule in self
            .layers
            .iter()
            .flat_map(|(_, table)| rules(table.get_ref()))
        {
            match entry(rule, "name").map(|(_, value)| value.get_ref()) {
                Some(DeValue::String(name)) if !names.contains(&name.as_ref()) => {
                    names.push(name.as_ref());
                }
                _ => {}
            }
        }
        names
    }

    fn last(&self, find: impl Fn(&DeTable<'a>) -> Option<Range<usize>>) -> Option<String> {
        self.layers.iter().rev().find_map(|(layer, table)| {
            let place = find(table.get_ref())?;
            Some(place_in(layer, &place))
        })
    }
}

impl Section<'_> {
    fn of<'t, 'a>(self, table: &'t DeTable<'a>) -> Option<&'t DeTable<'a>> {
        match self {
            Self::Table(path) => {
                path.iter()
                    .try_fold(table, |table, key| match entry(table, key)?.1.get_ref() {
                        DeValue::Table(below) => Some(below),
                        _ => None,
                    })
            }
            Self::Rule(name) => rules(table).find(|rule| {
                let value = entry(rule, "name").map(|(_, value)| value.get_ref());
                matches!(value, Some(DeValue::String(text)) if text == name)
            }),
        }
    }
}

fn rules<'t, 'a>(table: &'t DeTable<'a>) -> impl Iterator<Item = &'t DeTable<'a>> {
    let list = match entry(table, "rule").map(|(_, value)| value.get_ref()) {
        Some(DeValue::Array(list)) => Some(list),
        _ => None,
    };
    list.into_iter()
        .flat_map(|list| list.iter())
        .filter_map(|rule| match rule.get_ref() {
            DeValue::Table(rule) => Some(rule),
            _ => None,
        })
}

/// A value and the place of its key.
fn entry<'t, 'a>(
    table: &'t DeTable<'a>,
    key: &str,
) -> Option<(Range<usize>, &'t Spanned<DeValue<'a>>)> {
    let mut entries = table.iter();
    let (key, value) = entries.find(|(name, _)| name.get_ref() == key)?;
    Some((key.span(), value))
}

/// A layer, and for files the line.
fn place_in(layer: &Layer, place: &Range<usize>) -> String {
    let before = layer.text.get(..place.start).unwrap_or_default();
    match layer.origin {
        super::Origin::File(_) => format!("{}:{}", layer.origin, before.matches('\n').count() + 1),
        super::Origin::Shipped | super::Origin::Environment | super::Origin::Translated => {
            layer.origin.to_string()
        }
    }
}
