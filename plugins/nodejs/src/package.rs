//! `package.json`: its `main`, `exports` and `imports`.

#![forbid(unsafe_code)]

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::source::Kind;

/// What is kept of a `package.json`.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Package {
    #[serde(default)]
    name: Value,
    #[serde(default)]
    main: Value,
    #[serde(default)]
    exports: Value,
    #[serde(default)]
    imports: Value,
    /// The size of the file.
    #[serde(skip)]
    pub(crate) size: usize,
}

/// JSON with its keys in order: conditions are tried as they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Value {
    #[default]
    Nothing,
    Text(String),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
}

/// The most steps of one search through `exports`; each level of conditions and each choice is one.
const STEPS: usize = 10_000;

/// As many choices as are kept of a list.
const LIST: usize = 100;

impl Package {
    /// Reads a `package.json`; one that is damaged has nothing to say.
    pub(crate) fn parse(text: &[u8]) -> Self {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        // Nested deeper than 128 levels, it is refused: reading and searching can recurse.
        let package: Self = serde_json::from_slice(text).unwrap_or_default();
        Self {
            size: text.len(),
            ..package
        }
    }

    /// The name by which its own files may ask for it.
    pub(crate) fn name(&self) -> Option<&[u8]> {
        self.name.text()
    }

    /// `main`.
    pub(crate) fn main(&self) -> Option<&[u8]> {
        self.main.text()
    }

    /// Whether `exports` decides what can be asked for.
    pub(crate) fn has_exports(&self) -> bool {
        self.exports != Value::Nothing
    }

    /// The file for a path inside the package, `.` or `./x`, as `exports` tells.
    pub(crate) fn exported(&self, path: &[u8], kind: Kind, more: &[Vec<u8>]) -> Option<Vec<u8>> {
        let conditions = Conditions { kind, more };
        match &self.exports {
            Value::Map(entries) if entries.iter().any(|(key, _)| key.starts_with('.')) => {
                find(entries, path, &conditions)
            }
            // One target, or conditions, for the package itself.
            target if path == b"." => resolve(target, b"", &conditions),
            _ => None,
        }
    }

    /// The target of a request that begins with `#`, as `imports` tells.
    pub(crate) fn imported(&self, name: &[u8], kind: Kind, more: &[Vec<u8>]) -> Option<Vec<u8>> {
        match &self.imports {
            Value::Map(entries) => find(entries, name, &Conditions { kind, more }),
            _ => None,
        }
    }
}

struct Conditions<'a> {
    kind: Kind,
    /// Those of `--conditions`.
    more: &'a [Vec<u8>],
}

impl Conditions<'_> {
    fn hold(&self, name: &str) -> bool {
        match name {
            // `module-sync` is of Node.js 20.19 and 22.10; for older ones it is the wrong choice.
            "node" | "default" | "node-addons" | "module-sync" => true,
            "require" => self.kind == Kind::Require,
            "import" => self.kind == Kind::Import,
            name => self.more.iter().any(|more| more == name.as_bytes()),
        }
    }
}

/// The target for a key: itself, or the longest pattern with one `*` that it fits.
fn find(entries: &[(String, Value)], key: &[u8], conditions: &Conditions<'_>) -> Option<Vec<u8>> {
    let same = entries
        .iter()
        .find(|(name, _)| name.as_bytes() == key && !name.contains('*'));
    if let Some((_, target)) = same {
        return resolve(target, b"", conditions);
    }
    let fitting = entries.iter().filter_map(|(pattern, target)| {
        // `./dir/` of old stands for `./dir/*`.
        let (before, after) = match pattern.split_once('*') {
            Some(parts) => parts,
            None if pattern.ends_with('/') => (pattern.as_str(), ""),
            None => return None,
        };
        let star = key
            .strip_prefix(before.as_bytes())?
            .strip_suffix(after.as_bytes())?;
        (!star.is_empty()).then_some((before.len(), star, target))
    });
    let (_, star, target) = fitting.max_by_key(|(length, ..)| *length)?;
    resolve(target, star, conditions)
}

/// The first target whose conditions hold. Depth first, without recursion.
fn resolve(target: &Value, star: &[u8], conditions: &Conditions<'_>) -> Option<Vec<u8>> {
    let mut waiting = vec![target];
    let mut steps = 0;
    while let Some(target) = waiting.pop() {
        steps += 1;
        if steps > STEPS {
            return None;
        }
        match target {
            Value::Text(text) if text.ends_with('/') => {
                return Some([text.as_bytes(), star].concat());
            }
            Value::Text(text) => {
                let parts: Vec<&[u8]> = text.split('*').map(str::as_bytes).collect();
                return Some(parts.join(star));
            }
            Value::List(targets) => waiting.extend(targets.iter().rev()),
            Value::Map(entries) => {
                let holding = entries.iter().filter(|(name, _)| conditions.hold(name));
                waiting.extend(holding.rev().map(|(_, target)| target));
            }
            Value::Nothing => {}
        }
    }
    None
}

impl Value {
    fn text(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text.as_bytes()),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while list.len() < LIST {
            match elements.next_element()? {
                Some(element) => list.push(element),
                None => return Ok(Value::List(list)),
            }
        }
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Value, A::Error> {
        let mut map: Vec<(String, Value)> = Vec::new();
        while let Some(key) = pairs.next_key::<String>()? {
            if map.len() < STEPS {
                let value = pairs.next_value()?;
                map.push((key, value));
            } else {
                pairs.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Value::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn exported(exports: &str, path: &str, kind: Kind, expected: &str) {
        let package = Package::parse(format!("{{\"exports\": {exports}}}").as_bytes());
        let found = package.exported(path.as_bytes(), kind, &[b"dev".to_vec()]);
        let found = found.map(|path| String::from_utf8(path).unwrap());
        assert_eq!(found.unwrap_or_default(), expected, "{exports} {path}");
    }

    #[test]
    fn t6_22_exports() {
        use Kind::{Import, Require};
        exported(r#""./a.js""#, ".", Require, "./a.js");
        exported(r#""./a.js""#, "./x", Require, "");
        let both = r#"{"import": "./a.mjs", "require": "./a.cjs"}"#;
        exported(both, ".", Require, "./a.cjs");
        exported(both, ".", Import, "./a.mjs");
        // The first that holds, not the most exact.
        exported(
            r#"{"default": "./a", "require": "./b"}"#,
            ".",
            Require,
            "./a",
        );
        exported(
            r#"{"browser": "./a", "dev": "./b", "default": "./c"}"#,
            ".",
            Require,
            "./b",
        );
        let nested =
            r#"{".": {"import": {"types": "./t"}, "node": {"require": "./a"}, "default": "./b"}}"#;
        exported(nested, ".", Require, "./a");
        exported(nested, ".", Import, "./b");
        exported(r#"{".": [null, {"x": "./x"}, "./a"]}"#, ".", Require, "./a");
        let paths = r#"{"./x": "./a", "./d/*": "./e/*.js", "./d/i/*": null, "./f/*.js": "./g/*/*.js", "./old/": "./o/"}"#;
        exported(paths, "./x", Require, "./a");
        exported(paths, ".", Require, "");
        exported(paths, "./d/y/z", Require, "./e/y/z.js");
        exported(paths, "./d/i/z", Require, "");
        exported(paths, "./f/y.js", Require, "./g/y/y.js");
        exported(paths, "./old/y.js", Require, "./o/y.js");
        exported("7", ".", Require, "");
    }

    #[test]
    fn t6_22_imports() {
        let package = Package::parse(
            br##"{"imports": {"#a": "./a.js", "#b/*": {"node": "fs"}}, "main": 1}"##,
        );
        let found = |name: &[u8]| package.imported(name, Kind::Require, &[]);
        assert_eq!(found(b"#a"), Some(b"./a.js".to_vec()));
        assert_eq!(found(b"#b/x"), Some(b"fs".to_vec()));
        assert_eq!(found(b"#c"), None);
        assert_eq!(package.main(), None);
        assert!(!package.has_exports());
    }

    #[test]
    fn t11_02_hostile_packages() {
        let deep = format!("{{\"exports\": {}1", "[".repeat(100_000));
        assert!(!Package::parse(deep.as_bytes()).has_exports());
        let wide = format!(
            "{{\"exports\": [{}]}}",
            "{\"node\":null},".repeat(20_000) + "\"./a\""
        );
        assert_eq!(
            Package::parse(wide.as_bytes()).exported(b".", Kind::Require, &[]),
            None
        );
        Package::parse(b"\xff{");
    }
}
