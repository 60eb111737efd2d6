//! The lists of libzypp and of its boot plugin.

use std::collections::BTreeMap;

use super::{Entries, Parsed, inside, numbered, text};
use crate::model::{Bytes, Level, Listed, ListedBy, NamePattern};

const NEED_REBOOT: &str = "/etc/zypp/needreboot";
const NEED_REBOOT_D: &str = "/etc/zypp/needreboot.d";
/// What package managers leave beside a changed file (libzypp passes over these).
const LEFT_BESIDE: [&[u8]; 3] = [b".rpmnew", b".rpmsave", b".rpmorig"];
const PROVIDES: &str = "provides:";

/// The vendor's files, and those of the administrator, which go before them (libeconf).
const PLUGIN: [&str; 2] = [
    "/usr/etc/zypp/zypp-boot-plugin.conf",
    "/etc/zypp/zypp-boot-plugin.conf",
];
const LEVELS: [Level; 3] = [Level::Reboot, Level::Kexec, Level::SoftReboot];
const STORE: &str = "rpm";

pub(super) fn read(found: &mut Entries<'_>) {
    found.take_lines(&Bytes::from(NEED_REBOOT), parse_need_reboot_line);
    for name in found.files.list_or_note(NEED_REBOOT_D) {
        let bytes = name.as_slice();
        let left_beside = LEFT_BESIDE.iter().any(|end| bytes.ends_with(end));
        if !bytes.starts_with(b".") && !left_beside {
            found.take_lines(&inside(NEED_REBOOT_D, &name), parse_need_reboot_line);
        }
    }
    read_plugin(found);
}

/// `NAME` or `provides:CAPABILITY`.
fn parse_need_reboot_line(line: &[u8]) -> Parsed {
    let line = text(line)?.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let listed = match line.strip_prefix(PROVIDES) {
        Some(capability) => provides(capability)?,
        None => meant(line, ListedBy::Name),
    };
    Ok(Some(listed))
}

/// A capability; the version that may follow it is left out.
fn provides(capability: &str) -> Result<Listed, &'static str> {
    let name = capability.split_whitespace().next();
    let name = name.ok_or("no capability behind provides:")?;
    Ok(meant(name, ListedBy::Provides))
}

fn meant(name: &str, by: ListedBy) -> Listed {
    Listed {
        name: name.to_owned(),
        by,
        level: Level::Reboot,
        store: Some(STORE.to_owned()),
        ..Listed::default()
    }
}

/// Where a word of a list stands.
type Word = (Bytes, u32, String);

/// Main file, then parts by name; an administrator's file hides the vendor's of the same name, and of each key the last
/// file that has it counts.
fn read_plugin(found: &mut Entries<'_>) {
    let [vendor, admin] = PLUGIN;
    let main = match found.files.is_there(admin) {
        true => admin,
        false => vendor,
    };
    let mut parts: BTreeMap<Bytes, Bytes> = BTreeMap::new();
    for main in PLUGIN {
        let directory = format!("{main}.d");
        for name in found.files.list_or_note(&directory) {
            if name.as_slice().ends_with(b".conf") {
                let path = inside(&directory, &name);
                parts.insert(name, path);
            }
        }
    }
    let mut lists: BTreeMap<Level, Vec<Word>> = BTreeMap::new();
    for path in std::iter::once(Bytes::from(main)).chain(parts.into_values()) {
        let text = found.text(&path).unwrap_or_default();
        let (said, bad) = parse_plugin(&text);
        for (line, what) in bad {
            found.bad(&path, line, what);
        }
        for (level, words) in said {
            let words = words.into_iter();
            let words = words.map(|(line, word)| (path.clone(), line, word));
            lists.insert(level, words.collect());
        }
    }
    for (level, words) in lists {
        for (path, line, word) in words {
            match meant_by(&word) {
                Ok(listed) => found.add(&path, line, Listed { level, ..listed }),
                Err(what) => found.bad(&path, line, &format!("{word}: {what}")),
            }
        }
    }
}

/// Words by key with their lines, and lines that are not understood.
type Said = (
    BTreeMap<Level, Vec<(u32, String)>>,
    Vec<(u32, &'static str)>,
);

/// `[main]`, `KEY = WORD, WORD`; `#` begins a comment, and a line that begins with a blank goes on with the one before.
fn parse_plugin(file: &[u8]) -> Said {
    let (mut said, mut bad): Said = Default::default();
    let mut in_main = false;
    let mut level = None;
    for (number, line) in numbered(file) {
        let line = match text(line) {
            Ok(line) => line,
            Err(what) => {
                bad.push((number, what));
                continue;
            }
        };
        let line = line.split('#').next().unwrap_or_default().trim_end();
        let goes_on = line.starts_with([' ', '\t']) && !line.contains('=');
        let value = match line.trim_start() {
            "" => continue,
            section if section.starts_with('[') => {
                in_main = section == "[main]";
                level = None;
                continue;
            }
            more if goes_on => more,
            line => match line.split_once('=') {
                Some((key, value)) => {
                    let key = key.trim_end();
                    level = LEVELS.into_iter().find(|level| level.word() == key);
                    if let Some(level) = level.filter(|_| in_main) {
                        said.insert(level, Vec::new());
                    }
                    value.trim()
                }
                None => {
                    bad.push((number, "neither a section nor a key with a value"));
                    continue;
                }
            },
        };
        if let Some(level) = level.filter(|_| in_main) {
            let words = value.trim_matches('"').split(',').map(str::trim);
            let words = words.filter(|word| !word.is_empty());
            let words = words.map(|word| (number, word.to_owned()));
            said.entry(level).or_default().extend(words);
        }
    }
    (said, bad)
}

/// `provides:CAPABILITY`, or a pattern of names.
fn meant_by(word: &str) -> Result<Listed, &'static str> {
    if let Some(capability) = word.strip_prefix(PROVIDES) {
        return provides(capability);
    }
    let pattern = NamePattern::parse(word).ok_or("a pattern that is not understood")?;
    let (name, is_exact) = pattern.rough();
    Ok(Listed {
        pattern: (!is_exact).then(|| word.to_owned()),
        ..meant(&name, ListedBy::Name)
    })
}
