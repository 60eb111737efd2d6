//! What the rows of scenes share.

use crate::support::{Tree, marked, with_library};

pub(crate) const EXE: &str = "exe /usr/bin/python3.11\n";

/// An application in `/srv/app` of a Debian-like machine.
pub(crate) fn app(files: &[(&str, &str)]) -> Tree {
    with_library("3.11", files)
}

#[track_caller]
pub(crate) fn check(tree: &Tree, process: &str, expected: &[&str]) {
    let said = tree.inspect(&format!("{EXE}{process}"));
    assert_eq!(marked(&said, "/srv/app/"), expected, "{process}: {said:#?}");
    assert!(said.unknown.is_empty(), "{process}: {:?}", said.unknown);
}

#[track_caller]
pub(crate) fn check_unknown(tree: &Tree, process: &str, part: &str) {
    let said = tree.inspect(&format!("{EXE}{process}"));
    assert!(
        said.unknown.iter().any(|what| what.contains(part)),
        "{process}: {said:#?}"
    );
}

#[track_caller]
pub(crate) fn check_note(tree: &Tree, process: &str, part: &str) {
    let said = tree.inspect(&format!("{EXE}{process}"));
    assert!(
        said.notes.iter().any(|note| note.contains(part)),
        "{said:#?}"
    );
    assert!(said.unknown.is_empty(), "{:?}", said.unknown);
}

pub(crate) fn simple() -> Tree {
    app(&[
        ("/srv/app/main.py", "import shop\n"),
        ("/srv/app/shop.py", ""),
        ("/srv/app/other.py", ""),
    ])
}
