//! Translated settings on their way to the worker: it proves what was planned, and so has to look by the same.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::act::rules;
use crate::error::Error;
use crate::trust;

use super::ROOT;

/// Leaves them where the worker of a run finds them.
pub(super) fn leave(id: &str, text: &str) -> Result<PathBuf, Error> {
    rules::leave(Path::new(ROOT), id, text).map_err(|error| Error::Restart(error.to_string()))
}

/// Takes them away.
pub(super) fn take(file: &Path) -> Result<String, Error> {
    let said = |why: &dyn std::fmt::Display| {
        Error::Restart(format!("cannot read the settings of this run: {why}"))
    };
    let euid = rustix::process::geteuid().as_raw();
    let opened = trust::open_trusted(file, euid).map_err(|error| said(&error))?;
    let mut text = String::new();
    let read = fs::File::from(opened).read_to_string(&mut text);
    read.map_err(|error| said(&error))?;
    fs::remove_file(file).ok();
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_read_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("rules");
        fs::write(&file, "[[rule]]\n").unwrap();
        // What lies below a directory that anybody may write to is trusted by nobody.
        if let Ok(text) = take(&file) {
            assert_eq!(text, "[[rule]]\n");
            assert!(!file.exists());
        }
        take(&dir.path().join("none")).unwrap_err();
    }
}
