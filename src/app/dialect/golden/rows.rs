//! What is meant to differ: `DIRECTORY<TAB>RECORDINGS<TAB>what differs and why<TAB>where our output is`.

use std::fs;
use std::path::Path;

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
    Elsewhere(String),
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
                Some(("elsewhere" | "not reproduced", _)) => Where::Elsewhere(place.to_owned()),
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

/// What the documentation shows of them.
fn table(rows: &[Row]) -> String {
    let code = |names: &str| -> String {
        let names = names.split(' ').map(|name| format!("`{name}`"));
        names.collect::<Vec<_>>().join(" ")
    };
    let line = |row: &Row| {
        let not_here = match &row.place {
            Where::Kept => String::new(),
            Where::Elsewhere(what) => format!(" ({what})"),
        };
        let why = format!("{}{not_here}", row.why).replace('|', "\\|");
        format!(
            "| {} | {} | {why} |\n",
            code(&row.dir),
            code(&row.recordings)
        )
    };
    let head = "| recorded in | recordings | what differs, and why |\n| --- | --- | --- |\n";
    head.to_owned() + &rows.iter().map(line).collect::<String>()
}

#[test]
fn the_documentation_shows_all_of_them() {
    const MARKS: [&str; 2] = ["<!-- differences.tsv -->\n", "<!-- end -->\n"];
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/dialects.md");
    let text = fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once(MARKS[0]).unwrap();
    let (kept, tail) = rest.split_once(MARKS[1]).unwrap();
    let made = table(&read());
    if std::env::var_os("BLESS").is_some() {
        let text = format!("{head}{}{made}{}{tail}", MARKS[0], MARKS[1]);
        fs::write(&path, text).unwrap();
    } else {
        assert_eq!(
            kept, made,
            "docs/dialects.md is out of date: BLESS=1 writes it"
        );
    }
}
