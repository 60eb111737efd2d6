//! Recorded machines (`testdata/scenarios`), and what is said of them. `BLESS=1` writes what is expected anew.

use std::fs;
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::schema::document;
use crate::support::{of_repository, unstale};

/// What is compared: the version changes with every release.
const COMPARED: [&str; 4] = ["complete", "problems", "items", "notes"];

fn scenarios() -> Vec<PathBuf> {
    let entries = fs::read_dir(of_repository("testdata/scenarios")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = paths.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

#[test]
fn every_scenario_is_judged_as_expected() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for folder in scenarios() {
        let bundle = folder.join("bundle.json");
        let run = unstale(&[
            "check",
            "--json",
            "-v",
            "--bundle",
            bundle.to_str().unwrap(),
        ]);
        let document = document(&run);
        let complete = document["complete"] == true;
        assert_eq!(
            run.code,
            Some(if complete { 0 } else { 3 }),
            "{folder:?}: {run:?}"
        );
        let compared: Map<String, Value> = COMPARED
            .iter()
            .map(|&name| (name.to_owned(), document[name].clone()))
            .collect();
        let said = serde_json::to_string_pretty(&compared).unwrap() + "\n";
        let expected = folder.join("expected.json");
        if bless {
            fs::write(&expected, &said).unwrap();
        }
        let expected = fs::read_to_string(&expected).unwrap_or_default();
        if let Some((line, pair)) = first_difference(&said, &expected) {
            wrong.push(format!(
                "{folder:?}, line {line}: (said, expected) = {pair:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}; BLESS=1 writes them anew");
}

fn first_difference<'a>(said: &'a str, expected: &'a str) -> Option<(usize, (&'a str, &'a str))> {
    let longest = said.lines().count().max(expected.lines().count());
    let line = |text: &'a str, at: usize| text.lines().nth(at).unwrap_or_default();
    (0..longest)
        .map(|at| (at + 1, (line(said, at), line(expected, at))))
        .find(|(_, (said, expected))| said != expected)
}

#[test]
fn every_scenario_is_whole_and_described() {
    let readme = fs::read_to_string(of_repository("testdata/scenarios/README.md")).unwrap();
    let folders = scenarios();
    assert!(folders.len() >= 9, "{folders:?}");
    for folder in folders {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let number = name.split('-').next().unwrap();
        assert!(
            number.len() == 4 && number.parse::<u16>().is_ok(),
            "{name}: NNNN-name"
        );
        assert!(
            readme.contains(&format!("| {name} |")),
            "{name} is not in the README"
        );
        for file in ["bundle.json", "expected.json"] {
            assert!(folder.join(file).is_file(), "{name}/{file} is missing");
        }
    }
}
