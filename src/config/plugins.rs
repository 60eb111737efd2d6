//! `[plugins]`: which are used, where they are looked for, how long they may take, and what each is told.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use wildmatch::WildMatch;

const PROCESS_DEADLINE: Duration = Duration::from_secs(1);
const TOTAL_DEADLINE: Duration = Duration::from_secs(10);
const LIST_CAP: usize = 256;
const VALUE_CAP: usize = 4096;

/// Settings of plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugins {
    /// Patterns of names, and whether they are used; the last that matches decides.
    pub(super) switches: Vec<(String, bool)>,
    /// Whether `/etc/unstale/plugins.d` is looked into.
    pub etc: bool,
    /// More directories, the one that counts most first.
    pub directories: Vec<PathBuf>,
    /// How long a plugin may look at one process.
    pub process_deadline: Duration,
    /// How long all plugins may take.
    pub total_deadline: Duration,
    /// What each plugin is told, by its name.
    pub(super) options: BTreeMap<String, BTreeMap<String, String>>,
}

impl Default for Plugins {
    fn default() -> Self {
        Self {
            switches: Vec::new(),
            etc: false,
            directories: Vec::new(),
            process_deadline: PROCESS_DEADLINE,
            total_deadline: TOTAL_DEADLINE,
            options: BTreeMap::new(),
        }
    }
}

impl Plugins {
    /// Whether a plugin is used: all are that no pattern speaks of.
    #[must_use]
    pub fn is_enabled(&self, name: &str) -> bool {
        let mut switches = self.switches.iter().rev();
        let found = switches.find(|(pattern, _)| WildMatch::new(pattern).matches(name));
        found.is_none_or(|(_, on)| *on)
    }

    /// The options of a plugin, by their names.
    #[must_use]
    pub fn options_of(&self, name: &str) -> Vec<(String, String)> {
        let options = self.options.get(name).into_iter().flatten();
        options
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    /// Names that options are set for.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.options.keys().map(String::as_str)
    }

    /// Whether one file could say the same: there, what is enabled is an exception from what is disabled.
    pub(super) fn is_one_list(&self) -> bool {
        self.switches.is_sorted_by_key(|(_, on)| *on)
    }

    /// Adds a layer that counts more.
    pub(super) fn add(&mut self, layer: &PluginsFragment) {
        // Within one file, what is enabled is an exception from what is disabled.
        let switched = |list: &[String], on| list.iter().map(|name| (name.clone(), on)).collect();
        let off: Vec<_> = switched(&layer.disable, false);
        let on: Vec<_> = switched(&layer.enable, true);
        self.switches.extend(off.into_iter().chain(on));
        self.switches = simplified(&self.switches);
        self.etc = layer.etc.unwrap_or(self.etc);
        let added = layer.directories.iter().cloned();
        self.directories = added.chain(self.directories.drain(..)).collect();
        if let Some(deadline) = layer.process_deadline_ms {
            self.process_deadline = Duration::from_millis(deadline);
        }
        if let Some(deadline) = layer.total_deadline_ms {
            self.total_deadline = Duration::from_millis(deadline);
        }
        for (name, options) in &layer.options {
            let kept = self.options.entry(name.clone()).or_default();
            kept.extend(options.clone());
        }
    }
}

/// The same without what later patterns overrule; exceptions last, where that changes nothing.
fn simplified(switches: &[(String, bool)]) -> Vec<(String, bool)> {
    let is_overruled = |at: usize, name: &str| {
        let later = switches.iter().skip(at + 1);
        // A pattern that fits another, with its `*`, fits all that this one fits.
        later
            .into_iter()
            .any(|(pattern, _)| WildMatch::new(pattern).matches(name))
    };
    let mut kept: Vec<(String, bool)> = switches
        .iter()
        .enumerate()
        .filter(|(at, (name, _))| !is_overruled(*at, name))
        .map(|(_, switch)| switch.clone())
        .collect();
    let is_bound = kept.iter().enumerate().any(|(at, (name, on))| {
        let later = kept.iter().skip(at + 1);
        *on && later
            .into_iter()
            .any(|(other, on)| !on && may_overlap(name, other))
    });
    if !is_bound {
        kept.sort_by_key(|(_, on)| *on);
    }
    kept
}

/// Whether two patterns could fit one name: not if their fixed beginnings or ends differ.
fn may_overlap(a: &str, b: &str) -> bool {
    let start = |text: &str| text.split('*').next().unwrap_or_default().to_owned();
    let end = |text: &str| text.rsplit('*').next().unwrap_or_default().to_owned();
    let (a_start, b_start) = (start(a), start(b));
    let (a_end, b_end) = (end(a), end(b));
    (a_start.starts_with(&b_start) || b_start.starts_with(&a_start))
        && (a_end.ends_with(&b_end) || b_end.ends_with(&a_end))
}

/// What one file says of plugins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PluginsFragment {
    enable: Vec<String>,
    disable: Vec<String>,
    etc: Option<bool>,
    directories: Vec<PathBuf>,
    process_deadline_ms: Option<u64>,
    total_deadline_ms: Option<u64>,
    options: BTreeMap<String, BTreeMap<String, String>>,
}

impl PluginsFragment {
    /// What no single value tells.
    pub(super) fn check(&self) -> Result<(), String> {
        match self.enable.iter().find(|name| self.disable.contains(name)) {
            Some(name) => Err(format!(
                "`{name}` is both in plugins.enable and in plugins.disable"
            )),
            None => Ok(()),
        }
    }
}

impl<'de> Deserialize<'de> for PluginsFragment {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Keys)
    }
}

/// Keys of our own, and beside them one table for each plugin; a derived implementation would take any table for that of a
/// plugin, or lose where a mistake is.
struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = PluginsFragment;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PluginsFragment, A::Error> {
        let mut fragment = PluginsFragment::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "enable" => fragment.enable = map.next_value::<Names>()?.0,
                "disable" => fragment.disable = map.next_value::<Names>()?.0,
                "etc" => fragment.etc = Some(map.next_value()?),
                "directories" => {
                    fragment.directories = map.next_value::<Directories>()?.0;
                }
                "process_deadline_ms" => {
                    let Millis(value) = map.next_value::<Millis<10, 60_000>>()?;
                    fragment.process_deadline_ms = Some(value);
                }
                "total_deadline_ms" => {
                    let Millis(value) = map.next_value::<Millis<100, 300_000>>()?;
                    fragment.total_deadline_ms = Some(value);
                }
                _ => {
                    let options = map.next_value_seed(OptionsOf(&key))?;
                    fragment.options.insert(key, options);
                }
            }
        }
        Ok(fragment)
    }
}

/// Names of plugins, `*` for any characters.
#[derive(Deserialize)]
#[serde(try_from = "Vec<String>")]
struct Names(Vec<String>);

impl TryFrom<Vec<String>> for Names {
    type Error = String;

    fn try_from(names: Vec<String>) -> Result<Self, String> {
        check_length(names.len())?;
        let wrong = names
            .iter()
            .find(|name| !is_plugin_name(&name.replace('*', "x")));
        match wrong {
            Some(name) => Err(format!("no plugin can have the name `{name}`")),
            None => Ok(Self(names)),
        }
    }
}

#[derive(Deserialize)]
#[serde(try_from = "Vec<PathBuf>")]
struct Directories(Vec<PathBuf>);

impl TryFrom<Vec<PathBuf>> for Directories {
    type Error = String;

    fn try_from(paths: Vec<PathBuf>) -> Result<Self, String> {
        check_length(paths.len())?;
        match paths.iter().find(|path| !path.is_absolute()) {
            Some(path) => Err(format!("`{}` is not an absolute path", path.display())),
            None => Ok(Self(paths)),
        }
    }
}

/// A time that is long enough for any machine, and after which a check still ends.
#[derive(Deserialize)]
#[serde(try_from = "i64")]
struct Millis<const LEAST: u64, const MOST: u64>(u64);

impl<const LEAST: u64, const MOST: u64> TryFrom<i64> for Millis<LEAST, MOST> {
    type Error = String;

    fn try_from(value: i64) -> Result<Self, String> {
        let value = u64::try_from(value).ok();
        let value = value.filter(|value| (LEAST..=MOST).contains(value));
        value
            .map(Self)
            .ok_or_else(|| format!("a deadline is between {LEAST} and {MOST} ms"))
    }
}

fn check_length(length: usize) -> Result<(), String> {
    if length > LIST_CAP {
        return Err(format!("a list has at most {LIST_CAP} values"));
    }
    Ok(())
}

/// The names that manifests can have.
fn is_plugin_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(plain)
}

/// What stands under a key that is not one of ours: options, if it is a table.
struct OptionsOf<'a>(&'a str);

impl OptionsOf<'_> {
    fn refuse<T, E: Error>(&self) -> Result<T, E> {
        Err(E::custom(format_args!(
            "unknown key `{}`; there are enable, disable, etc, directories, process_deadline_ms, total_deadline_ms, and a \
             table for each plugin",
            self.0
        )))
    }
}

impl<'de> DeserializeSeed<'de> for OptionsOf<'_> {
    type Value = BTreeMap<String, String>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OptionsOf<'_> {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of options")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        self.refuse()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        self.refuse()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        self.refuse()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        self.refuse()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        self.refuse()
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        if !is_plugin_name(self.0) {
            let why = format!("no plugin can have the name `{}`", self.0);
            return Err(A::Error::custom(why));
        }
        let mut options = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            if options.len() == LIST_CAP {
                return Err(A::Error::custom(format!("more than {LIST_CAP} options")));
            }
            let OptionText(value) = map.next_value()?;
            options.insert(key, value);
        }
        Ok(options)
    }
}

/// The value of an option: text to the plugin.
#[derive(Deserialize)]
#[serde(try_from = "OptionValue")]
struct OptionText(String);

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "an option is a string, an integer, or true or false"
)]
enum OptionValue {
    Bool(bool),
    Integer(i64),
    Text(String),
}

impl TryFrom<OptionValue> for OptionText {
    type Error = String;

    fn try_from(value: OptionValue) -> Result<Self, String> {
        let text = match value {
            OptionValue::Bool(value) => value.to_string(),
            OptionValue::Integer(value) => value.to_string(),
            OptionValue::Text(text) => text,
        };
        if text.len() > VALUE_CAP || text.contains('\0') {
            return Err(format!(
                "an option has at most {VALUE_CAP} bytes, and no NUL"
            ));
        }
        Ok(Self(text))
    }
}
