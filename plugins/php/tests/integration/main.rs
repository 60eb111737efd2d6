//! The detector on trees that are made here, and against PHP itself.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
#![expect(clippy::print_stderr, reason = "what is skipped must be said loudly")]
#![forbid(unsafe_code)]

mod real; // a running interpreter
mod scenes; // rows

use std::fs;

use tempfile::TempDir;
use unstale_plugin::What;
use unstale_plugin::testing::Said;

fn put(tree: &TempDir, path: &str, text: &str) {
    let place = tree.path().join(path.trim_start_matches('/'));
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(place, text).unwrap();
}

/// What was said, one line each: `Role How FILE < VIA`.
fn lines(said: &Said) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let line = |used: &unstale_plugin::Used| {
        let What::File(path) = &used.what else {
            panic!("{:?}", used.what)
        };
        let via = used.via.as_ref().map(|via| format!(" < {}", text(via)));
        format!(
            "{:?} {:?} {}{}",
            used.role,
            used.how,
            text(path),
            via.unwrap_or_default()
        )
    };
    said.uses.iter().map(line).collect()
}
