//! Rules for one run, in `/run/unstale`: what its worker goes by in place of the administrator's settings.

use std::path::{Path, PathBuf};

use super::place::{Directory, PlaceError};

const OWN: &str = "unstale";

/// Leaves them; where they are.
///
/// # Errors
/// What is wrong with the directory, or what the system says.
pub fn leave(root: &Path, id: &str, text: &str) -> Result<PathBuf, PlaceError> {
    let name = format!("rules-{id}");
    if let Some(run) = Directory::open_run(root)? {
        run.make_below(OWN)?.replace(&name, text.as_bytes())?;
    }
    Ok(root.join("run").join(OWN).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_where_it_is_said() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("run")).unwrap();
        let file = leave(root.path(), "20261121T211137Z-4711", "[[rule]]\n").unwrap();
        assert_eq!(std::fs::read_to_string(file).unwrap(), "[[rule]]\n");
    }
}
