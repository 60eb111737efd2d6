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
    /// Commands one after the other: a set of Python.
    Commands,
    /// Why something is left out, before the first count: dictionaries of Python.
    Reasons,
    /// Pids of one command: keys of a hash of Perl.
    Pids,
    /// Files of one process, the last cells of its rows: a set of C++.
    Files,
}

/// Recordings that have no order, and where.
const WITHOUT_ORDER: &[(&str, Unordered)] = &[
    ("checkrestart-0.88.1/*", Unordered::Commands),
    ("checkrestart-0.88.2/*.v", Unordered::Reasons),
    ("checkrestart-0.88.2/*.m-v", Unordered::Reasons),
    ("needrestart-*.user-*", Unordered::Pids),
    ("zypper-*.ps", Unordered::Files),
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
        match unordered {
            Unordered::Commands => lines
                .chunk_by_mut(|one, other| is_command(one) && is_command(other))
                .for_each(<[String]>::sort),
            Unordered::Reasons => {
                let count = lines.iter().position(|line| is_count(line));
                // The first line counts all.
                if let Some(reasons) = lines.get_mut(1..count.unwrap_or_default()) {
                    reasons.sort();
                }
            }
            Unordered::Pids => lines
                .iter_mut()
                .for_each(|line| *line = with_sorted_pids(line)),
            Unordered::Files => lines
                .chunk_by_mut(|_, other| other.starts_with("  "))
                .for_each(sort_last_cells),
        }
        Self {
            exit: self.exit,
            out: lines.concat(),
            err: self.err.clone(),
        }
    }
}

fn is_command(line: &str) -> bool {
    line.starts_with("service ") || line.starts_with("systemctl ")
}

fn is_count(line: &str) -> bool {
    line.starts_with("RESTART_NEEDED: ") || line.contains(" need restarting ")
}

/// `comm[3, 2]` and `comm=3,2`.
fn with_sorted_pids(line: &str) -> String {
    let pids = regex::Regex::new(r"([\[=])([0-9]+(?:, ?[0-9]+)*)").unwrap();
    let sorted = |found: &regex::Captures<'_>| {
        let comma = if found[2].contains(", ") { ", " } else { "," };
        let mut pids: Vec<u32> = found[2]
            .split(comma)
            .map(|pid| pid.parse().unwrap())
            .collect();
        pids.sort_unstable();
        let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
        format!("{}{}", &found[1], pids.join(comma))
    };
    pids.replace_all(line, sorted).into_owned()
}

/// The rows of one process: the first, and those that continue it.
fn sort_last_cells(rows: &mut [String]) {
    let split = |row: &String| {
        row.rsplit_once(" | ")
            .map(|(cells, file)| (cells.to_owned(), file.to_owned()))
    };
    let Some(cells): Option<Vec<(String, String)>> = rows.iter().map(split).collect() else {
        return;
    };
    let mut files: Vec<&String> = cells.iter().map(|(_, file)| file).collect();
    files.sort();
    for ((row, (cells, _)), file) in rows.iter_mut().zip(&cells).zip(files) {
        *row = format!("{cells} | {file}");
    }
}

#[test]
fn order_is_free_where_it_is_none_and_nowhere_else() {
    #[track_caller]
    fn check(how: Unordered, one: &str, other: &str, alike: bool) {
        let said = |out: &str| Said {
            exit: 0,
            out: out.to_owned(),
            err: String::new(),
        };
        let (one, other) = (said(one).ordered(how), said(other).ordered(how));
        assert_eq!(one == other, alike, "{one:?} {other:?}");
    }
    let files = Unordered::Files;
    check(
        files,
        "7 | a | x\n  |   | y\n",
        "7 | a | y\n  |   | x\n",
        true,
    );
    check(
        files,
        "7 | a | x\n8 | a | y\n",
        "7 | a | y\n8 | a | x\n",
        false,
    );
    check(
        files,
        "7 | a | x\n  |   | y\n",
        "  |   | y\n7 | a | x\n",
        false,
    );
    let reasons = Unordered::Reasons;
    check(
        reasons,
        "P: 3\na\nb\nRESTART_NEEDED: 1\n",
        "P: 3\nb\na\nRESTART_NEEDED: 1\n",
        true,
    );
    check(
        reasons,
        "P: 3\nRESTART_NEEDED: 1\na\nb\n",
        "P: 3\nRESTART_NEEDED: 1\nb\na\n",
        false,
    );
    check(
        Unordered::Pids,
        "a[3, 20], b=4,1\n",
        "a[20, 3], b=1,4\n",
        true,
    );
    check(Unordered::Pids, "a[3], b[2]\n", "a[2], b[3]\n", false);
    check(
        Unordered::Commands,
        "service b\nservice a\n",
        "service a\nservice b\n",
        true,
    );
    check(Unordered::Commands, "x\ny\n", "y\nx\n", false);
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
