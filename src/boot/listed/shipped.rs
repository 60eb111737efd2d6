//! The lists that we ship, and which of them fit a system. Pure.

use serde::Deserialize;

use crate::model::{Bytes, Level, Listed, ListedBy};

/// As it is installed, for people to read.
const LISTS: &str = include_str!("../../../dist/usr/share/unstale/reboot-packages.toml");
/// How [`Listed::source`] begins: what follows is the generation.
const SOURCE: &str = "reboot-packages.toml: ";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lists {
    list: Vec<List>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct List {
    generation: String,
    store: String,
    by: By,
    level: String,
    names: Vec<String>,
    only_with: Option<String>,
    platform: Option<String>,
    id: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum By {
    Name,
    Provides,
    NameOrProvides,
}

/// The lists that fit a system with this os-release(5); those of all systems if it says nothing.
#[must_use]
pub(super) fn shipped(os_release: &[u8]) -> Vec<Listed> {
    let lists: Lists = toml::from_str(LISTS).expect("a test parses the lists that are built in");
    let system = parse_os_release(os_release);
    let fits = |list: &&List| {
        let platform = list.platform.as_ref();
        let id = list.id.as_ref();
        platform.is_none_or(|platform| system.platform.as_ref() == Some(platform))
            && id.is_none_or(|id| system.ids.contains(id))
    };
    lists.list.iter().filter(fits).flat_map(entries).collect()
}

fn entries(list: &List) -> impl Iterator<Item = Listed> {
    let source = Bytes::from(format!("{SOURCE}{}", list.generation).as_str());
    list.names.iter().map(move |name| Listed {
        name: name.clone(),
        by: match list.by {
            By::Name => ListedBy::Name,
            By::Provides => ListedBy::Provides,
            By::NameOrProvides => ListedBy::NameOrProvides,
        },
        level: Level::of_word(&list.level).unwrap_or(Level::Reboot),
        source: source.clone(),
        line: None,
        installs_count: false,
        store: Some(list.store.clone()),
        only_with: list.only_with.clone(),
        pattern: None,
    })
}

/// What os-release(5) says of the family of a system.
#[derive(Debug, Default, PartialEq, Eq)]
struct System {
    platform: Option<String>,
    ids: Vec<String>,
}

fn parse_os_release(text: &[u8]) -> System {
    let mut system = System::default();
    for line in text.split(|&b| b == b'\n') {
        let Some((key, value)) = std::str::from_utf8(line)
            .ok()
            .and_then(|line| line.trim().split_once('='))
        else {
            continue;
        };
        let value = value.trim_matches(['"', '\'']);
        match key {
            "PLATFORM_ID" => system.platform = Some(value.to_owned()),
            "ID" | "ID_LIKE" => {
                system
                    .ids
                    .extend(value.split_whitespace().map(str::to_owned));
            }
            _ => {}
        }
    }
    system
}
