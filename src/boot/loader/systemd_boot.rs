//! systemd-boot: its menu is made of files on the EFI system partition and on the extended boot loader partition, and
//! what it boots is said by variables of the firmware and by `loader.conf` (loader.conf(5)).

use super::bls::{Counters, Snippet, order, split_counters};
use super::{Choice, Disk, Said, efi, unreadable};
use crate::boot::images;
use crate::model::Bytes;

/// Where the two partitions are mounted, as the Boot Loader Specification and Debian have it.
const MOUNTED: [&str; 3] = ["/efi", "/boot", "/boot/efi"];
const CAP: u64 = 64 * 1024;
/// The longest pattern: an id is a name, of 255 bytes at most.
const PATTERN: usize = 1024;
/// What an os-release file may take inside a unified kernel image.
const OS_RELEASE_CAP: usize = 64 * 1024;
/// Unified kernel images that are looked into.
const UNIFIED: usize = 100;

/// An entry of the menu.
#[derive(Debug, Clone)]
struct Item {
    snippet: Snippet,
    /// The name of its file, in small letters: that is its id.
    id: Vec<u8>,
    /// Whether it is a unified kernel image: profiles in it have ids of their own, `ID@PROFILE`.
    unified: bool,
    /// Its image, as a path in the root.
    image: Vec<u8>,
}

/// `loader.conf`, as far as it matters.
#[derive(Debug, Default, PartialEq, Eq)]
struct Settings {
    default: Option<Vec<u8>>,
    /// Like `default`, but for entries that have no tries left; from systemd 259 on.
    preferred: Option<Vec<u8>>,
}

/// Patterns by which an entry is chosen.
#[derive(Debug, Default)]
struct Wanted {
    one_shot: Option<Vec<u8>>,
    /// The variable that `bootctl set-default` sets.
    default: Option<Vec<u8>>,
    last_booted: Option<Vec<u8>>,
    settings: Settings,
}

/// What was found on the partitions.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    items: Vec<Item>,
    settings: Option<Settings>,
    /// Whether systemd-boot is installed on one.
    has_program: bool,
    /// What could not be read: a file system that is mounted on demand, and is not now, among it.
    pub(super) notes: Vec<String>,
}

/// Looks at the partitions.
pub(super) fn look(disk: &Disk<'_, '_>) -> Partitions {
    let mut all = Partitions::default();
    let mut seen: Vec<Bytes> = Vec::new();
    for mounted in MOUNTED {
        match disk.files.find(mounted) {
            Ok(None) => continue,
            // The same partition by another name.
            Ok(Some(found)) if seen.contains(&found.path) => continue,
            Ok(Some(found)) => seen.push(found.path),
            Err(why) => {
                all.notes.push(unreadable(mounted.as_bytes(), &why));
                continue;
            }
        }
        all.has_program |= has_program(disk, mounted);
        match read_partition(disk, mounted, &mut all.items) {
            Ok(settings) => all.settings = all.settings.or(settings),
            Err(note) => all.notes.push(note),
        }
    }
    all
}

/// What is there to be read; `None` if nothing of systemd-boot is, and it is not known that it was the loader.
pub(super) fn read(disk: &Disk<'_, '_>, is_known: bool) -> Option<Said> {
    let mut all = look(disk);
    if !all.has_program && all.settings.is_none() && !is_known {
        return None;
    }
    let mut said = Said::default();
    // An entry that was not seen may be the one.
    if !all.notes.is_empty() {
        said.notes = all.notes;
        return Some(said);
    }
    let wanted = Wanted {
        one_shot: efi::variable(disk, "LoaderEntryOneShot", &mut said.notes),
        default: efi::variable(disk, "LoaderEntryDefault", &mut said.notes),
        last_booted: efi::variable(disk, "LoaderEntryLastBooted", &mut said.notes),
        settings: all.settings.unwrap_or_default(),
    };
    if !said.notes.is_empty() {
        return Some(said);
    }
    all.items.sort_by(|a, b| order(&a.snippet, &b.snippet));
    match choose(&all.items, &wanted, &mut said.notes) {
        Ok(item) => said.choice = Some(choice(item)),
        Err(what) => said
            .notes
            .push(format!("cannot tell what systemd-boot boots: {what}")),
    }
    Some(said)
}

/// Whether the program is installed on a partition: it has a directory of its own.
fn has_program(disk: &Disk<'_, '_>, mounted: &str) -> bool {
    let path = format!("{mounted}/EFI/systemd");
    matches!(disk.files.find(path), Ok(Some(_)))
}

/// Adds the entries of a partition; returns what its `loader.conf` says, if there is one.
fn read_partition(
    disk: &Disk<'_, '_>,
    mounted: &str,
    items: &mut Vec<Item>,
) -> Result<Option<Settings>, String> {
    let settings = format!("{mounted}/loader/loader.conf");
    let text = disk.files.read(&settings, CAP);
    let text = text.map_err(|why| unreadable(settings.as_bytes(), &why))?;
    for snippet in disk.snippets(mounted.as_bytes())? {
        if let Some(item) = of_snippet(snippet, mounted)
            // What has no image is not shown.
            && matches!(disk.files.find(&item.image), Ok(Some(_)))
        {
            items.push(item);
        }
    }
    let directory = format!("{mounted}/EFI/Linux");
    let names = disk.files.list(&directory);
    let names = names.map_err(|why| unreadable(directory.as_bytes(), &why))?;
    let unified = names.unwrap_or_default().into_iter().filter(|name| {
        let lower = name.as_slice().to_ascii_lowercase();
        lower.ends_with(b".efi") && !lower.starts_with(b".") && !lower.starts_with(b"auto-")
    });
    for name in unified.take(UNIFIED) {
        let image = [directory.as_bytes(), b"/", name.as_slice()].concat();
        let section = images::section_of(disk.files, &image, b".osrel\0\0", OS_RELEASE_CAP);
        // Without that section it is no entry.
        if let Some(text) = section.map_err(|why| unreadable(&image, &why))? {
            items.push(of_unified(&text, name.as_slice(), image));
        }
    }
    Ok(text.map(|text| parse_settings(&text)))
}

fn of_snippet(snippet: Snippet, mounted: &str) -> Option<Item> {
    let other = |architecture: &Vec<u8>| !architecture.eq_ignore_ascii_case(own_architecture());
    if snippet.architecture.as_ref().is_some_and(other) || snippet.id.starts_with(b"auto-") {
        return None;
    }
    let path = snippet.linux.as_ref().or(snippet.efi.as_ref())?;
    let image = [mounted.as_bytes(), b"/", path].concat();
    let id = [&snippet.id, b".conf".as_slice()].concat();
    Some(Item {
        id: id.to_ascii_lowercase(),
        unified: false,
        snippet,
        image,
    })
}

/// The names of the UEFI specification.
fn own_architecture() -> &'static [u8] {
    match std::env::consts::ARCH {
        "x86_64" => b"x64",
        "x86" => b"ia32",
        "aarch64" => b"aa64",
        other => other.as_bytes(),
    }
}

/// What systemd-boot takes from the os-release file inside an image.
fn of_unified(os_release: &[u8], name: &[u8], image: Vec<u8>) -> Item {
    let value = |keys: &[&str]| {
        keys.iter()
            .find_map(|key| parse_os_release(os_release, key))
    };
    let id = &name[..name.len().saturating_sub(4)];
    let counters: Option<Counters> = split_counters(id).1;
    let snippet = Snippet {
        id: id.to_vec(),
        source: image.clone(),
        title: value(&["PRETTY_NAME", "IMAGE_ID", "NAME", "ID"]),
        version: value(&["IMAGE_VERSION", "VERSION", "VERSION_ID", "BUILD_ID"]),
        sort_key: value(&["IMAGE_ID", "ID"]),
        counters,
        ..Snippet::default()
    };
    Item {
        id: name.to_ascii_lowercase(),
        unified: true,
        snippet,
        image,
    }
}

/// The value of a key of os-release(5).
fn parse_os_release(text: &[u8], key: &str) -> Option<Vec<u8>> {
    let mut lines = text.split(|&byte| byte == b'\n' || byte == 0);
    let value = lines.find_map(|line| line.strip_prefix(key.as_bytes())?.strip_prefix(b"="))?;
    let value = value.trim_ascii();
    let unquoted = [b'"', b'\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(&[quote])?.strip_suffix(&[quote]));
    Some(unquoted.unwrap_or(value).to_vec())
}

/// Parses `loader.conf`.
fn parse_settings(text: &[u8]) -> Settings {
    let mut settings = Settings::default();
    for line in text.split(|&byte| byte == b'\n') {
        let line = line.trim_ascii();
        let Some(end) = line.iter().position(u8::is_ascii_whitespace) else {
            continue;
        };
        let value = line[end..].trim_ascii();
        match &line[..end] {
            b"default" => settings.default = Some(value.to_vec()),
            b"preferred" => settings.preferred = Some(value.to_vec()),
            _ => {}
        }
    }
    settings
}

/// The entry that is booted, in the order in which systemd-boot asks (`config_select_default_entry`).
fn choose<'a>(
    items: &'a [Item],
    wanted: &Wanted,
    notes: &mut Vec<String>,
) -> Result<&'a Item, String> {
    if let Some(item) = find(items, wanted.one_shot.as_deref())? {
        notes.push("the entry was chosen for the next boot alone (LoaderEntryOneShot)".to_owned());
        return Ok(item);
    }
    let saved = |pattern: &Option<Vec<u8>>| match pattern.as_deref() {
        Some(b"@saved") => wanted.last_booted.clone(),
        _ => pattern.clone(),
    };
    if let Some(item) = find(items, saved(&wanted.default).as_deref())? {
        return Ok(item);
    }
    let pattern = saved(&wanted.settings.default);
    let exact = find(items, pattern.as_deref())?;
    // Up to systemd 247 the suffix was not part of the id.
    let bare = pattern.map(|pattern| [pattern.as_slice(), b".conf"].concat());
    let bare = find(items, bare.as_deref())?;
    let first = items.first().ok_or("it has no entries")?;
    let chosen = exact.unwrap_or(first);
    if exact.is_none() && bare.is_some_and(|bare| bare.image != first.image) {
        return Err(
            "the default of loader.conf lacks its .conf, on which versions differ".to_owned(),
        );
    }
    let good = |item: &&Item| {
        item.snippet
            .counters
            .is_none_or(|counters| counters.left > 0)
    };
    let preferred = find(items, wanted.settings.preferred.as_deref())?;
    if preferred
        .filter(good)
        .is_some_and(|item| item.image != chosen.image)
    {
        return Err(
            "loader.conf has a preferred entry, which versions before 259 do not know".to_owned(),
        );
    }
    Ok(chosen)
}

/// The first entry whose id matches a pattern; the error says that it is another thing than Linux.
fn find<'a>(items: &'a [Item], pattern: Option<&[u8]>) -> Result<Option<&'a Item>, String> {
    let Some(pattern) = pattern.map(<[u8]>::to_ascii_lowercase) else {
        return Ok(None);
    };
    if pattern.starts_with(b"auto-") {
        let pattern = Bytes::from(pattern);
        return Err(format!("it is to start {}", pattern.escaped()));
    }
    if pattern.len() > PATTERN {
        return Err("it asks for an entry by a pattern that is too long".to_owned());
    }
    let matches = |item: &&Item| {
        // bootctl strips counters from ids.
        let (name, suffix) =
            item.id.split_at(
                item.id
                    .len()
                    .saturating_sub(if item.unified { 4 } else { 5 }),
            );
        let stripped = [split_counters(name).0, suffix].concat();
        let profile = pattern
            .iter()
            .rposition(|&byte| byte == b'@')
            .filter(|_| item.unified);
        let patterns = [Some(pattern.as_slice()), profile.map(|at| &pattern[..at])];
        patterns
            .into_iter()
            .flatten()
            .any(|pattern| glob(pattern, &item.id) || glob(pattern, &stripped))
    };
    Ok(items.iter().find(matches))
}

fn choice(item: &Item) -> Choice {
    let snippet = &item.snippet;
    // The version in a unified image is that of the system, not of the kernel.
    let release = snippet.version.clone().filter(|_| !item.unified);
    Choice {
        id: item.id.clone(),
        title: snippet.title.clone().unwrap_or_default(),
        places: vec![item.image.clone()],
        release,
        source: snippet.source.clone(),
    }
}

/// `*`, `?` and `[…]`, as in a shell; without backtracking further than to the last `*`.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at + 1, from));
            at += 1;
        } else if let Some(length) = matches_one(&pattern[at..], text[from]) {
            at += length;
            from += 1;
        } else if let Some((after, covered)) = star {
            star = Some((after, covered + 1));
            (at, from) = (after, covered + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

/// How much of a pattern stands for this byte, if it does.
fn matches_one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'[', set @ ..] => {
            // A bracket in front stands for itself.
            let end = set.iter().skip(1).position(|&byte| byte == b']')? + 1;
            let (mut set, length) = (&set[..end], end + 2);
            while let Some((&first, rest)) = set.split_first() {
                match rest {
                    [b'-', last, after @ ..] => {
                        if (first..=*last).contains(&byte) {
                            return Some(length);
                        }
                        set = after;
                    }
                    _ => {
                        if first == byte {
                            return Some(length);
                        }
                        set = rest;
                    }
                }
            }
            None
        }
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [first, ..] => (*first == byte).then_some(1),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: bool) {
        assert_eq!(
            glob(pattern.as_bytes(), text.as_bytes()),
            expected,
            "{pattern} {text}"
        );
    }

    #[test]
    fn t9_08_globs() {
        check("a.conf", "a.conf", true);
        check("*", "", true);
        check("*-6.1*.conf", "0f5a-6.1.0-56.conf", true);
        check("*-6.1*.conf", "0f5a-6.12.conf.old", false);
        check("a?c", "abc", true);
        check("a?c", "ac", false);
        check("a[b-d]c", "acc", true);
        check("a[b-d]c", "aec", false);
        check("a[]]c", "a]c", true);
        check("a[b", "a[b", false);
        check("a\\*", "a*", true);
        check("a\\*", "ab", false);
        check("a", "ab", false);
        check(
            "*****************a",
            "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
            false,
        );
    }

    #[test]
    fn t9_08_os_release_inside() {
        let text = b"ID=debian\nPRETTY_NAME=\"Debian 13\"\nVERSION='13 (trixie)'\nX=\0";
        let value =
            |key| parse_os_release(text, key).map(|value| String::from_utf8(value).unwrap());
        assert_eq!(value("ID").as_deref(), Some("debian"));
        assert_eq!(value("PRETTY_NAME").as_deref(), Some("Debian 13"));
        assert_eq!(value("VERSION").as_deref(), Some("13 (trixie)"));
        assert_eq!(value("NAME"), None);
        assert_eq!(value("X").as_deref(), Some(""));
    }

    #[test]
    fn t9_08_settings() {
        let text = b"# default x\ntimeout 3\ndefault  a-*  \npreferred b.conf\ndefault\n";
        let expected = Settings {
            default: Some(b"a-*".to_vec()),
            preferred: Some(b"b.conf".to_vec()),
        };
        assert_eq!(parse_settings(text), expected);
    }
}
