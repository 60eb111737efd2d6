//! The file with the last state, `/run/unstale/state.json`: written by root by a new file in its place, read by everybody.
//! What is in it is the business of others.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::place::{Directory, PlaceError};
use crate::trust::{self, Untrusted, Why};

const OWN: &str = "unstale";
const NAME: &str = "state.json";
/// Some hundred thousand processes. Longer ones are not written either.
const CAP: u64 = 32 * 1024 * 1024;

/// Why the state cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Somebody else could have written it.
    #[error("not trusted: {0}")]
    Untrusted(#[from] Untrusted),
    /// The system says no.
    #[error("cannot read it: {0}")]
    Failed(#[from] std::io::Error),
    /// It is longer than any state should be.
    #[error("it is longer than {CAP} bytes")]
    TooLong,
}

/// Puts a new text in the place of the state. Where there is no `/run`, it is not kept.
///
/// # Errors
/// What is wrong with the directory, or what the system says.
pub fn write(root: &Path, text: &[u8]) -> Result<(), PlaceError> {
    if text.len() as u64 > CAP {
        let path = root.join("run").join(OWN).join(NAME);
        return Err(PlaceError::TooLong { path, cap: CAP });
    }
    match Directory::open_run(root)? {
        Some(run) => run.make_below(OWN)?.replace(NAME, text),
        None => Ok(()),
    }
}

/// The text of the state; `None` if there is none. `writer` is who may have written it beside root.
///
/// # Errors
/// Why it cannot be read.
pub fn read(root: &Path, writer: u32) -> Result<Option<Vec<u8>>, ReadError> {
    let path = root.join("run").join(OWN).join(NAME);
    let file = match trust::open_trusted(&path, writer) {
        Ok(file) => File::from(file),
        Err(error) if error.why == Why::Missing => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut bytes = Vec::new();
    file.take(CAP + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > CAP {
        true => Err(ReadError::TooLong),
        false => Ok(Some(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use rustix::fs::{CWD, Mode, mkfifoat};

    /// Who runs the tests: root or not.
    fn me() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("run")).unwrap();
        root
    }

    #[test]
    fn what_is_written_is_read_by_everybody() {
        let root = root();
        assert_eq!(read(root.path(), me()).unwrap(), None);
        for text in [&b"one"[..], b"another, longer"] {
            write(root.path(), text).unwrap();
            assert_eq!(read(root.path(), me()).unwrap().unwrap(), text);
        }
        let own = root.path().join("run/unstale");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&own), mode(&own.join(NAME))), (0o755, 0o644));
        assert_eq!(fs::read_dir(own).unwrap().count(), 1);
    }

    #[test]
    fn t12_20_without_run_nothing_is_kept() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), b"x").unwrap();
        assert_eq!(read(root.path(), me()).unwrap(), None);
    }

    #[track_caller]
    fn check_refused(why: &str, change: impl FnOnce(&Path)) {
        let root = root();
        write(root.path(), b"x").unwrap();
        let state = root.path().join("run/unstale").join(NAME);
        change(&state);
        let error = read(root.path(), me()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn what_others_could_have_written_is_no_state() {
        let again = |state: &Path| fs::remove_file(state).unwrap();
        check_refused("a symbolic link", |state| {
            let other = state.with_extension("other");
            fs::rename(state, &other).unwrap();
            symlink(other, state).unwrap();
        });
        check_refused("not a regular file", |state| {
            again(state);
            mkfifoat(CWD, state, Mode::from_raw_mode(0o644)).unwrap();
        });
        check_refused("not a regular file", |state| {
            again(state);
            fs::create_dir(state).unwrap();
        });
        check_refused("writable by others", |state| {
            fs::set_permissions(state, fs::Permissions::from_mode(0o664)).unwrap();
        });
        check_refused("writable by others", |state| {
            let own = state.parent().unwrap();
            fs::set_permissions(own, fs::Permissions::from_mode(0o777)).unwrap();
        });
        let root = root();
        let error = write(root.path(), &vec![b' '; usize::try_from(CAP).unwrap() + 1]);
        assert!(error.unwrap_err().to_string().contains("longer than"));
        check_refused("longer than", |state| {
            let file = File::options().write(true).open(state).unwrap();
            file.set_len(CAP + 1).unwrap();
        });
        if me() == 0 {
            check_refused("owned by uid 12345", |state| {
                chown(state, Some(12345), None).unwrap();
            });
            check_refused("owned by uid 12345", |state| {
                chown(state.parent().unwrap(), Some(12345), None).unwrap();
            });
        }
    }
}
