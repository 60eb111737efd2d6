//! Every recording of a peer against what we say in its place: byte for byte, with the exit status and standard error. The
//! engine judges a machine that is put together from the recording; see `testdata/dialects/README.md`.
//!
//! What is meant to differ is a row of `testdata/dialects/differences.tsv`, with a file that holds our own output. With
//! `GOLDEN=needrestart-3.11/full-svc` only recordings whose names begin so are compared, and what they differ in is shown;
//! with `BLESS=1` the files of rows are written anew.

mod boots;
mod configured;
mod played;
mod recording;
mod rows;
mod table;
mod world;

use std::fmt::Write as _;
use std::fs;

use played::Played;
use recording::Recording;
use rows::{Row, Where};

use crate::dialects::{Machine as _, Wanted};

/// Directory of our own output, beside those of the peers.
const OURS: &str = "ours";

/// What has no order in a recording.
#[derive(Debug, Clone, Copy)]
enum Unordered {
    /// Commands: a set of Python.
    Commands,
    /// All lines: sets of Python, rows of a set of C++.
    Lines,
    /// Numbers within a line: keys of a hash of Perl.
    Numbers,
}

/// Recordings that have no order, and where.
const WITHOUT_ORDER: &[(&str, Unordered)] = &[
    ("checkrestart-0.88.1/*", Unordered::Commands),
    ("checkrestart-0.88.2/*.v", Unordered::Lines),
    ("checkrestart-0.88.2/*.m-v", Unordered::Lines),
    ("needrestart-*.user-*", Unordered::Numbers),
    ("zypper-*.ps", Unordered::Lines),
];

/// What was said, and by whom it does not matter.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    exit: u8,
    out: String,
    err: String,
}

impl Said {
    /// As our own output is kept.
    fn text(&self) -> String {
        let mut text = format!("exit: {}\n", self.exit);
        for (name, said) in [("stdout", &self.out), ("stderr", &self.err)] {
            // Writing to a string does not fail.
            write!(text, "--- {name}\n{said}").ok();
            if !said.is_empty() && !said.ends_with('\n') {
                text.push_str("\n--- no end of line\n");
            }
        }
        text
    }

    /// With an order where there is none.
    fn ordered(&self, unordered: Unordered) -> Self {
        let mut lines: Vec<String> = self.out.split_inclusive('\n').map(str::to_owned).collect();
        let is_command =
            |line: &String| line.starts_with("service ") || line.starts_with("systemctl ");
        match unordered {
            Unordered::Commands => lines
                .chunk_by_mut(|one, other| is_command(one) && is_command(other))
                .for_each(<[String]>::sort),
            Unordered::Lines => lines.sort(),
            Unordered::Numbers => lines
                .iter_mut()
                .for_each(|line| *line = with_sorted_numbers(line)),
        }
        Self {
            exit: self.exit,
            out: lines.concat(),
            err: self.err.clone(),
        }
    }
}

fn with_sorted_numbers(line: &str) -> String {
    let is_digit = |c: char| c.is_ascii_digit();
    let others = line.split(is_digit).filter(|text| !text.is_empty());
    let numbers = line.split(|c| !is_digit(c)).filter(|text| !text.is_empty());
    let mut numbers: Vec<u32> = numbers.map(|number| number.parse().unwrap()).collect();
    numbers.sort_unstable();
    let mut numbers = numbers.into_iter().map(|number| number.to_string());
    let pieces = others.map(|other| other.to_owned() + &numbers.next().unwrap_or_default());
    pieces.collect()
}

/// What we say; `None` where the recording is not of a command that a dialect speaks.
fn ours(recording: &Recording) -> Option<Said> {
    let called = recording.called()?;
    let (exit, out, err) = Played::new(recording, called.variables).speak(&called.words);
    Some(Said { exit, out, err })
}

fn theirs(recording: &Recording) -> Said {
    Said {
        exit: recording.exit,
        out: recording.out.clone(),
        err: recording.err.clone(),
    }
}

fn is_alike(recording: &Recording, ours: &Said, theirs: &Said) -> bool {
    let id = recording.id();
    let of_this = WITHOUT_ORDER.iter().find(|(glob, _)| rows::fits(glob, &id));
    ours == theirs || of_this.is_some_and(|&(_, how)| ours.ordered(how) == theirs.ordered(how))
}

/// What is wrong with one recording; nothing, mostly.
fn judge(recording: &Recording, rows: &[Row], bless: bool) -> Option<String> {
    let mut of_this = rows.iter().filter(|row| row.fits(recording));
    let row = of_this.next();
    if let Some(other) = of_this.next() {
        return Some(format!("two rows: the other says {}", other.why));
    }
    if let Some(Row {
        place: Where::Elsewhere(_),
        ..
    }) = row
    {
        return None;
    }
    let theirs = theirs(recording);
    let Some(ours) = ours(recording) else {
        return Some("no command line of ours, and no row that says so".to_owned());
    };
    match (is_alike(recording, &ours, &theirs), row) {
        (true, None) => None,
        (true, Some(row)) => Some(format!("equal after all, though a row says: {}", row.why)),
        (false, None) => Some(shown("recorded", &theirs, &ours)),
        (false, Some(_)) => {
            let file = recording::root().join(OURS).join(recording.id() + ".txt");
            if bless {
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(&file, ours.text()).unwrap();
            }
            let kept = fs::read_to_string(&file).unwrap_or_default();
            (kept != ours.text())
                .then(|| format!("not what we said before:\n{kept}=== but\n{}", ours.text()))
        }
    }
}

/// Two outputs, without the lines that they begin and end with alike.
fn shown(name: &str, theirs: &Said, ours: &Said) -> String {
    let (theirs, ours) = (theirs.text(), ours.text());
    let (theirs, ours): (Vec<&str>, Vec<&str>) = (theirs.lines().collect(), ours.lines().collect());
    let alike = |pair: &(&&str, &&str)| pair.0 == pair.1;
    let head = theirs.iter().zip(&ours).take_while(alike).count();
    let rest = (theirs[head..].iter().rev(), ours[head..].iter().rev());
    let tail = rest.0.zip(rest.1).take_while(alike).count();
    let lines = |sign: char, all: &[&str]| -> String {
        let lines = &all[head..all.len() - tail];
        lines
            .iter()
            .map(|line| format!("  {sign}{line}\n"))
            .collect()
    };
    let (minus, plus) = (lines('-', &theirs), lines('+', &ours));
    format!("{name} -, ours +, after {head} equal lines:\n{minus}{plus}")
}

#[test]
fn golden() {
    let only = std::env::var("GOLDEN").unwrap_or_default();
    let bless = std::env::var_os("BLESS").is_some();
    let rows = rows::read();
    let all = recording::all();
    let mut wrong = 0;
    for row in rows
        .iter()
        .filter(|row| !all.iter().any(|one| row.fits(one)))
    {
        println!(
            "=== no recording is meant by the row {} {}",
            row.dir, row.recordings
        );
        wrong += 1;
    }
    for recording in all.iter().filter(|one| one.id().starts_with(&only)) {
        if let Some(what) = judge(recording, &rows, bless) {
            wrong += 1;
            println!(
                "=== {} `{}`\n{what}",
                recording.id(),
                recording.said("command")
            );
        }
    }
    kept_files_have_rows(&all, &rows);
    assert_eq!(
        wrong, 0,
        "so many recordings differ (GOLDEN=DIR/SCENE shows few)"
    );
}

/// Output of ours that no row speaks of is out of date.
fn kept_files_have_rows(all: &[Recording], rows: &[Row]) {
    for entry in fs::read_dir(recording::root().join(OURS))
        .into_iter()
        .flatten()
    {
        let dir = entry.unwrap().path();
        for file in fs::read_dir(&dir).unwrap() {
            let path = file.unwrap().path();
            let of_this =
                |one: &&Recording| recording::root().join(OURS).join(one.id() + ".txt") == path;
            let known = all.iter().find(of_this);
            let has_row =
                known.is_some_and(|one| rows.iter().any(|row| row.is_kept() && row.fits(one)));
            assert!(has_row, "{} belongs to no row", path.display());
        }
    }
}

#[test]
fn the_engine_finds_what_was_replaced() {
    for recording in recording::all() {
        let mut played = Played::new(&recording, Vec::new());
        let scene = played.look(&Wanted::default()).unwrap();
        let found: Vec<(u32, Vec<String>)> = scene
            .stale
            .iter()
            .filter(|one| one.runs_old_code())
            .map(|one| {
                let paths = one.files.iter().map(|file| file.path.escaped().to_string());
                let mut paths: Vec<String> = paths.collect();
                paths.sort();
                (one.pid, paths)
            })
            .collect();
        let gone = world::gone(&recording);
        assert_eq!(found, gone, "{}", recording.id());
        if std::env::var("GOLDEN_SCENE").is_ok_and(|id| id == recording.id()) {
            println!("{scene:#?}");
        }
    }
}
