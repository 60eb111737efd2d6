//! Policy as data: which units are not restarted, and why.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use wildmatch::WildMatch;

use crate::model::{Level, Owner};

/// What the package ships; the same file is installed, so that an administrator can read it.
const BUILTIN: &str = include_str!("../../dist/usr/lib/unstale/conf.d/50-defaults.toml");

/// Rules in their order: the first that matches decides.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    #[serde(default, rename = "rule")]
    rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its stable name.
    pub name: String,
    /// Units it is about, `*` for any characters.
    pub units: Vec<String>,
    /// What it says.
    pub action: RuleAction,
    /// Why, in one line.
    pub reason: String,
    /// What it takes to renew the unit all the same: `service` if it is not said.
    #[serde(default = "service", deserialize_with = "level")]
    pub level: Level,
}

fn service() -> Level {
    Level::Service
}

fn level<'de, D: Deserializer<'de>>(from: D) -> Result<Level, D::Error> {
    let word = String::deserialize(from)?;
    Level::of_word(&word).ok_or_else(|| {
        D::Error::custom(format!(
            "`{word}` is none of none, service, session, soft-reboot, kexec, reboot"
        ))
    })
}

/// What a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleAction {
    /// Restart it like any other.
    Restart,
    /// Stale, but somebody has to choose the moment.
    Defer,
    /// Leave it alone.
    Leave,
}

/// What is wrong with a policy file, with line, column and the line itself.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PolicyError(String);

impl Policy {
    /// Parses the text of a policy file.
    ///
    /// # Errors
    /// [`PolicyError`] for anything that is not of its form: unknown keys are refused.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        toml::from_str(text).map_err(|error| PolicyError(error.to_string()))
    }

    /// What the package ships.
    #[must_use]
    pub fn builtin() -> Self {
        Self::parse(BUILTIN).expect("the shipped policy is parsed by a test")
    }

    /// The rule of that name.
    #[must_use]
    pub fn rule_named(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }

    /// The rule that decides about a unit.
    #[must_use]
    pub fn rule_for(&self, owner: &Owner) -> Option<&Rule> {
        // A name that is not UTF-8 is no unit that anybody could name in a policy.
        let name = std::str::from_utf8(owner.name.as_slice()).ok()?;
        self.rules.iter().find(|rule| {
            rule.units
                .iter()
                .any(|pattern| WildMatch::new(pattern).matches(name))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shipped_is_of_its_form() {
        let policy = Policy::builtin();
        assert!(policy.rules.len() > 5);
        assert!(
            policy
                .rules
                .iter()
                .all(|rule| !rule.reason.is_empty() && !rule.units.is_empty())
        );
    }

    #[test]
    fn unknown_keys_are_refused_with_their_place() {
        let error = Policy::parse(
            "[[rule]]\nname = \"x\"\nunit = [\"a\"]\naction = \"defer\"\nreason = \"y\"\n",
        )
        .unwrap_err();
        assert!(error.to_string().contains("line 3"), "{error}");
        assert!(
            Policy::parse(
                "[[rule]]\nname = \"x\"\nunits = []\naction = \"kill\"\nreason = \"y\"\n"
            )
            .is_err()
        );
    }
}
