//! What is meant to differ: `DIRECTORY<TAB>RECORDINGS<TAB>what differs and why<TAB>where our output is`.

use std::fs;

use super::recording::{Recording, root};

/// One intended difference.
#[derive(Debug)]
pub(super) struct Row {
    /// The directory, `*` for any characters.
    pub(super) dir: String,
    /// Recordings, with a space between, `*` for any characters.
    pub(super) recordings: String,
    /// What differs, and why.
    pub(super) why: String,
    /// Where our output is.
    pub(super) place: Where,
}

/// Where our output is.
#[derive(Debug)]
pub(super) enum Where {
    /// In a file below `ours`, named as the recording.
    Kept,
    /// The recording cannot be fed here: which test compares it, or why none does.
    Elsewhere(#[expect(dead_code, reason = "it is for readers")] String),
}

impl Row {
    pub(super) fn fits(&self, recording: &Recording) -> bool {
        let mut names = self.recordings.split(' ');
        fits(&self.dir, &recording.dir) && names.any(|name| fits(name, &recording.name))
    }

    pub(super) fn is_kept(&self) -> bool {
        matches!(self.place, Where::Kept)
    }
}

/// All rows.
pub(super) fn read() -> Vec<Row> {
    let text = fs::read_to_string(root().join("differences.tsv")).unwrap();
    let rows = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    rows.map(|line| {
        let [dir, recordings, why, place] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("not four columns: {line}");
        };
        assert!(why.len() > 20, "no reason: {line}");
        Row {
            dir: dir.to_owned(),
            recordings: recordings.to_owned(),
            why: why.to_owned(),
            place: match place.split_once(": ") {
                None if place == super::OURS => Where::Kept,
                Some(("elsewhere" | "not reproduced", what)) => Where::Elsewhere(what.to_owned()),
                _ => panic!("where is our output? {line}"),
            },
        }
    })
    .collect()
}

/// Whether a name is as a pattern with `*` for any characters says.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, rest)) => name.strip_prefix(head).is_some_and(|name| {
            let mut ends = (0..=name.len()).filter(|&at| name.is_char_boundary(at));
            ends.any(|at| fits(rest, &name[at..]))
        }),
    }
}

#[test]
fn patterns_fit() {
    for (pattern, name, expected) in [
        ("stale.b", "stale.b", true),
        ("stale.b", "stale.b-l", false),
        ("stale.*", "stale.b-l", true),
        ("*.b", "stale.b", true),
        ("*.b", "stale.b-l", false),
        ("s*e.*l", "stale.b-l", true),
    ] {
        assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
    }
}
