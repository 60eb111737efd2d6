use std::cell::RefCell;
use std::collections::HashMap;

use super::{BYTES_CAP, ITEM_BYTES, Listings};
use crate::{Entry, FileView, Kind, Process, Refused, Root, Stat};

/// `/many/N`, each with many long names; `/d` with one of each kind; what else is refused by its name.
#[derive(Default)]
struct Tree {
    asked: RefCell<Vec<String>>,
}

impl Tree {
    fn ask(&self, what: &str, path: &[u8]) -> String {
        let path = String::from_utf8(path.to_vec()).unwrap();
        self.asked.borrow_mut().push(format!("{what} {path}"));
        path
    }
}

const LONG: usize = 200;

impl FileView for Tree {
    fn list(&self, _: Root, path: &[u8]) -> Result<Vec<Entry>, Refused> {
        let entry = |name: &str, kind| Entry {
            name: name.as_bytes().to_vec(),
            kind,
        };
        match self.ask("list", path).as_str() {
            "/d" => Ok(vec![
                entry("f", Kind::File),
                entry("d", Kind::Directory),
                entry("l", Kind::Link),
                entry("o", Kind::Other),
            ]),
            many if many.starts_with("/many") => Ok((0..1000)
                .map(|number| entry(&format!("{number:0LONG$}"), Kind::File))
                .collect()),
            "/denied" => Err(Refused::Denied),
            "/large" => Err(Refused::TooLarge),
            "/budget" => Err(Refused::Budget),
            "/hung" => Err(Refused::NoAnswer),
            "/f" => Err(Refused::WrongKind),
            _ => Err(Refused::Missing),
        }
    }
    fn stat(&self, _: Root, path: &[u8]) -> Result<Stat, Refused> {
        let kind = match self.ask("stat", path).as_str() {
            "/" | "/d/.." => Kind::Directory,
            _ => Kind::File,
        };
        Ok(Stat {
            kind,
            size: 0,
            real_path: Vec::new(),
        })
    }
    fn read(&self, _: Root, _: &[u8]) -> Result<Vec<u8>, Refused> {
        panic!("not asked for");
    }
    fn read_at(&self, _: Root, _: &[u8], _: u64, _: u32) -> Result<Vec<u8>, Refused> {
        panic!("not asked for");
    }
    fn read_link(&self, _: Root, _: &[u8]) -> Result<Vec<u8>, Refused> {
        panic!("not asked for");
    }
    fn memory(&self, _: u64, _: u32) -> Result<Vec<u8>, Refused> {
        panic!("not asked for");
    }
}

/// Asks twice for what is at a path: the answer, and the questions that it took.
#[track_caller]
fn check(path: &str, kind: Result<Kind, Refused>, asked: &[&str]) {
    let (mut listings, tree) = (Listings::default(), Tree::default());
    let process = Process::default();
    for _ in 0..2 {
        assert_eq!(listings.kind(&process, &tree, path.as_bytes()), kind);
    }
    assert_eq!(tree.asked.take(), asked, "{path}");
}

#[test]
fn a_directory_is_asked_for_once() {
    check("/d/f", Ok(Kind::File), &["list /d"]);
    check("/d/d", Ok(Kind::Directory), &["list /d"]);
    check("/d/o", Ok(Kind::Other), &["list /d"]);
    check("/d/none", Err(Refused::Missing), &["list /d"]);
    check(
        "/d/l",
        Ok(Kind::File),
        &["list /d", "stat /d/l", "stat /d/l"],
    );
    check("/none/x", Err(Refused::Missing), &["list /none"]);
    check("/f/x", Err(Refused::Missing), &["list /f"]);
}

#[test]
fn names_that_are_in_no_listing() {
    check("/", Ok(Kind::Directory), &["stat /", "stat /"]);
    check("/d/..", Ok(Kind::Directory), &["stat /d/..", "stat /d/.."]);
}

#[test]
fn a_directory_that_is_not_listed_may_be_passed_through() {
    let asked = ["list /denied", "stat /denied/x", "stat /denied/x"];
    check("/denied/x", Ok(Kind::File), &asked);
    let asked = ["list /large", "stat /large/x", "stat /large/x"];
    check("/large/x", Ok(Kind::File), &asked);
}

#[test]
fn what_may_pass_is_asked_again() {
    let asked = ["list /budget"; 2];
    check("/budget/x", Err(Refused::Budget), &asked);
    check("/hung/x", Err(Refused::NoAnswer), &["list /hung"; 2]);
}

#[test]
fn views_do_not_share() {
    let (mut listings, tree) = (Listings::default(), Tree::default());
    for view in [1, 2, 1] {
        let process = Process {
            view,
            ..Process::default()
        };
        assert!(listings.is_file(&process, &tree, b"/d/f"));
        assert!(!listings.is_directory(&process, &tree, b"/d/f"));
    }
    assert_eq!(tree.asked.take(), ["list /d", "list /d"]);
}

#[test]
fn all_names() {
    let (mut listings, tree) = (Listings::default(), Tree::default());
    let mut names = Vec::new();
    let mut tell = |path: &[u8]| {
        let process = Process::default();
        listings.each_name(&process, &tree, path, |name| names.push(name.to_vec()))
    };
    assert!(tell(b"/d"));
    assert!(!tell(b"/denied"));
    names.sort();
    assert_eq!(names, [b"d", b"f", b"l", b"o"]);
}

#[test]
fn t11_memory_is_bounded() {
    let (mut listings, tree) = (Listings::default(), Tree::default());
    let process = Process::default();
    for number in 0..200 {
        let path = format!("/many/{number}/x");
        assert!(!listings.is_file(&process, &tree, path.as_bytes()));
        let names: usize = listings
            .known
            .values()
            .flat_map(HashMap::values)
            .map(|listing| listing.as_ref().as_ref().map_or(0, |names| names.len()))
            .sum();
        assert!(names * (LONG + ITEM_BYTES) <= BYTES_CAP);
    }
    assert_eq!(tree.asked.take().len(), 200);
}
