//! Entries of the Boot Loader Specification (UAPI.1), type 1: a small text file for each.

use std::cmp::Ordering;

use super::version::compare;

/// What an entry's file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Snippet {
    /// The name of the file without `.conf`, with its counters.
    pub(super) id: Vec<u8>,
    /// The file.
    pub(super) source: Vec<u8>,
    pub(super) title: Option<Vec<u8>>,
    pub(super) version: Option<Vec<u8>>,
    pub(super) machine_id: Option<Vec<u8>>,
    pub(super) sort_key: Option<Vec<u8>>,
    pub(super) architecture: Option<Vec<u8>>,
    /// A kernel.
    pub(super) linux: Option<Vec<u8>>,
    /// Another EFI program, or a unified kernel image.
    pub(super) efi: Option<Vec<u8>>,
    pub(super) counters: Option<Counters>,
}

/// `+LEFT-DONE` at the end of a name: automatic boot assessment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) left: u32,
    pub(super) done: u32,
}

/// Parses a file of `loader/entries`.
#[must_use]
pub(super) fn parse_snippet(text: &[u8], name: &[u8]) -> Snippet {
    let id = name.strip_suffix(b".conf").unwrap_or(name);
    let mut snippet = Snippet {
        id: id.to_vec(),
        counters: split_counters(id).1,
        ..Snippet::default()
    };
    for line in text.split(|&byte| byte == b'\n') {
        let line = line.trim_ascii();
        let Some(end) = line.iter().position(u8::is_ascii_whitespace) else {
            continue;
        };
        let (key, value) = (&line[..end], line[end..].trim_ascii());
        let field = match key {
            b"title" => &mut snippet.title,
            b"version" => &mut snippet.version,
            b"machine-id" => &mut snippet.machine_id,
            b"sort-key" => &mut snippet.sort_key,
            b"architecture" => &mut snippet.architecture,
            b"linux" => &mut snippet.linux,
            b"efi" | b"uki" => &mut snippet.efi,
            // Also comments: `#` is no key.
            _ => continue,
        };
        *field = Some(value.to_vec());
    }
    snippet
}

/// `NAME+LEFT[-DONE]` (UAPI.1, *Boot counting*).
#[must_use]
pub(super) fn split_counters(name: &[u8]) -> (&[u8], Option<Counters>) {
    let Some(at) = name.iter().rposition(|&byte| byte == b'+') else {
        return (name, None);
    };
    let mut parts = name[at + 1..].splitn(2, |&byte| byte == b'-');
    let number = |digits: &[u8]| -> Option<u32> {
        // `+3` is a number for str::parse, too.
        let digits = digits.iter().all(u8::is_ascii_digit).then_some(digits)?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    };
    let left = parts.next().and_then(number);
    let done = parts.next().map_or(Some(0), number);
    match (left, done) {
        (Some(left), Some(done)) => (&name[..at], Some(Counters { left, done })),
        _ => (name, None),
    }
}

/// The order of a menu (UAPI.1, *Sorting*; `boot_entry_compare` of systemd-boot): first comes first.
pub(super) fn order(left: &Snippet, right: &Snippet) -> Ordering {
    let spent = |entry: &Snippet| entry.counters.is_some_and(|counters| counters.left == 0);
    let text = |field: &Option<Vec<u8>>| field.clone().unwrap_or_default();
    let by_sort_key = || match (&left.sort_key, &right.sort_key) {
        (Some(one), Some(two)) => one
            .cmp(two)
            .then_with(|| text(&left.machine_id).cmp(&text(&right.machine_id)))
            .then_with(|| compare(&text(&right.version), &text(&left.version))),
        _ => Ordering::Equal,
    };
    let name = |entry: &Snippet| split_counters(&entry.id).0.to_ascii_lowercase();
    let by_counters = || match (left.counters, right.counters) {
        (Some(one), Some(two)) => two.left.cmp(&one.left).then(one.done.cmp(&two.done)),
        _ => Ordering::Equal,
    };
    spent(left)
        .cmp(&spent(right))
        .then(left.sort_key.is_none().cmp(&right.sort_key.is_none()))
        .then_with(by_sort_key)
        .then_with(|| compare(&name(right), &name(left)))
        .then_with(by_counters)
}
