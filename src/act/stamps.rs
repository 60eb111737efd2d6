//! Stamps in `/run/unstale`: that packages changed and nobody looked since, that a run of their manager failed; and that an
//! administrator wants nothing to be done. A stamp is an empty word: that it is there, and which one it is, is all.

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use super::place::{Directory, Lock, PlaceError};
use crate::model::Mark;

/// Where they are, below `/run`.
const OWN: &str = "unstale";
const LOCK: &str = "after.lock";
/// needrestart's, where its glue has made it: what reads stamps there finds them also if that glue is replaced by ours.
const PEERS: &str = "needrestart";
/// Where an administrator says so for good, and until the next boot.
const SUSPENDED_BY: [&str; 2] = ["etc/unstale/suspend", "run/unstale/suspend"];

/// Which stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamp {
    /// Packages changed since the last look began.
    Pending,
    /// A run of the package manager failed since then.
    Errored,
    /// Restarts that a peer's hook asked for, in words of which this is the digest, wait until package managers are done.
    PutOff(u32),
}

impl Stamp {
    fn name(self) -> Cow<'static, str> {
        match self {
            Self::Pending => "pending".into(),
            Self::Errored => "errored".into(),
            Self::PutOff(words) => format!("put-off-{words:08x}").into(),
        }
    }

    /// The same at needrestart's, where it has one; they are empty.
    fn peers_name(self) -> Option<&'static str> {
        match self {
            Self::Pending => Some("unpacked"),
            Self::Errored => Some("errored"),
            Self::PutOff(_) => None,
        }
    }
}

/// A stamp as it was seen: another one of its name is not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen(Mark);

/// Sets a stamp anew, with the word of who does, for people. Where there is no `/run`, there is nobody to look either.
///
/// # Errors
/// What is wrong with the directory, or what the system says.
pub fn set(root: &Path, stamp: Stamp, by: &str) -> Result<(), PlaceError> {
    let Some(run) = Directory::open_run(root)? else {
        return Ok(());
    };
    let own = run.make_below(OWN)?;
    own.replace(&stamp.name(), format!("{by}\n").as_bytes())?;
    // Whatever is wrong with the other directory, ours is what counts.
    if let Some(name) = stamp.peers_name()
        && let Ok(Some(peers)) = run.open_below(PEERS)
    {
        peers.replace(name, b"").ok();
    }
    Ok(())
}

/// A stamp, if it is there.
///
/// # Errors
/// As [`set`].
pub fn see(root: &Path, stamp: Stamp) -> Result<Option<Seen>, PlaceError> {
    let Some(own) = own(root)? else {
        return Ok(None);
    };
    let found = own.look(&stamp.name())?;
    Ok(found.map(|text| Seen(text.mark)))
}

/// Takes a stamp away, unless it was set anew. Whether it is gone.
///
/// # Errors
/// As [`set`].
pub fn clear(root: &Path, stamp: Stamp, seen: &Seen) -> Result<bool, PlaceError> {
    let gone = match own(root)? {
        Some(own) => own.take(&stamp.name(), std::slice::from_ref(&seen.0))?,
        None => true,
    };
    if gone {
        clear_peers(root, stamp).ok();
    }
    Ok(gone)
}

fn clear_peers(root: &Path, stamp: Stamp) -> Result<(), PlaceError> {
    let (Some(name), Some(run)) = (stamp.peers_name(), Directory::open_run(root)?) else {
        return Ok(());
    };
    if let Some(peers) = run.open_below(PEERS)?
        && let Some(there) = peers.look(name)?
    {
        peers.take(name, &[there.mark])?;
    }
    Ok(())
}

/// The right to take stamps up, which one process has at a time; held until it is dropped.
#[derive(Debug)]
pub struct Right(#[expect(dead_code, reason = "it is held, not read")] Option<Lock>);

/// The right to take stamps up; `None` if another process has it.
///
/// # Errors
/// As [`set`].
pub fn claim(root: &Path) -> Result<Option<Right>, PlaceError> {
    let Some(own) = own(root)? else {
        return Ok(Some(Right(None)));
    };
    match own.lock(LOCK, Duration::ZERO) {
        Ok(lock) => Ok(Some(Right(Some(lock)))),
        Err(PlaceError::Busy { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The file by which an administrator holds everything back.
#[must_use]
pub fn suspended_by(root: &Path) -> Option<String> {
    let is_there = |path: &&str| std::fs::symlink_metadata(root.join(path)).is_ok();
    let found = SUSPENDED_BY.into_iter().find(is_there)?;
    Some(format!("/{found}"))
}

fn own(root: &Path) -> Result<Option<Directory>, PlaceError> {
    match Directory::open_run(root)? {
        Some(run) => run.open_below(OWN),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("run")).unwrap();
        root
    }

    #[test]
    fn needrestarts_stamps_follow_where_there_are_any() {
        let root = root();
        let root = root.path();
        let peers = root.join("run/needrestart");
        set(root, Stamp::Pending, "dpkg").unwrap();
        assert!(!peers.exists());
        fs::create_dir(&peers).unwrap();
        for (stamp, name) in [(Stamp::Pending, "unpacked"), (Stamp::Errored, "errored")] {
            set(root, stamp, "dpkg").unwrap();
            assert_eq!(fs::read(peers.join(name)).unwrap(), b"");
            let seen = see(root, stamp).unwrap().unwrap();
            set(root, stamp, "apt").unwrap();
            assert!(!clear(root, stamp, &seen).unwrap());
            assert!(peers.join(name).exists());
            let seen = see(root, stamp).unwrap().unwrap();
            assert!(clear(root, stamp, &seen).unwrap());
            assert!(!peers.join(name).exists());
        }
    }

    #[test]
    fn t12_05_a_stamp_that_was_set_anew_is_not_taken_away() {
        let root = root();
        let root = root.path();
        assert_eq!(see(root, Stamp::Pending).unwrap(), None);
        set(root, Stamp::Pending, "dpkg").unwrap();
        let first = see(root, Stamp::Pending).unwrap().unwrap();
        assert_eq!(see(root, Stamp::Pending).unwrap(), Some(first.clone()));
        assert_eq!(see(root, Stamp::Errored).unwrap(), None);
        set(root, Stamp::Pending, "kernel").unwrap();
        assert!(!clear(root, Stamp::Pending, &first).unwrap());
        let second = see(root, Stamp::Pending).unwrap().unwrap();
        assert_ne!(second, first);
        assert!(clear(root, Stamp::Pending, &second).unwrap());
        assert_eq!(see(root, Stamp::Pending).unwrap(), None);
        // Nothing of it is left, under whatever name.
        let left: Vec<_> = fs::read_dir(root.join("run/unstale")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }

    #[test]
    fn t12_21_one_takes_stamps_up_at_a_time() {
        let root = root();
        let root = root.path();
        // Nothing was ever stamped: nothing to take up, and nothing is made.
        assert!(claim(root).unwrap().is_some());
        assert!(!root.join("run/unstale").exists());
        set(root, Stamp::Pending, "dpkg").unwrap();
        let right = claim(root).unwrap();
        assert!(right.is_some());
        assert!(claim(root).unwrap().is_none());
        drop(right);
        assert!(claim(root).unwrap().is_some());
    }

    #[test]
    fn t12_20_without_run_nobody_is_bothered() {
        let root = tempfile::tempdir().unwrap();
        set(root.path(), Stamp::Pending, "dpkg").unwrap();
        assert_eq!(see(root.path(), Stamp::Pending).unwrap(), None);
        assert!(!root.path().join("run").exists());
    }

    #[test]
    fn what_is_put_off_is_told_apart_by_its_words() {
        let root = root();
        let root = root.path();
        fs::create_dir(root.join("run/needrestart")).unwrap();
        set(root, Stamp::PutOff(1), "needrestart").unwrap();
        let seen = see(root, Stamp::PutOff(1)).unwrap().unwrap();
        assert_eq!(see(root, Stamp::PutOff(2)).unwrap(), None);
        assert!(clear(root, Stamp::PutOff(1), &seen).unwrap());
        assert_eq!(see(root, Stamp::PutOff(1)).unwrap(), None);
        assert!(
            fs::read_dir(root.join("run/needrestart"))
                .unwrap()
                .next()
                .is_none()
        );
    }

    #[test]
    fn what_others_put_there_is_no_stamp() {
        #[track_caller]
        fn check(make: impl FnOnce(&Path)) {
            let root = root();
            let own = root.path().join("run/unstale");
            fs::create_dir(&own).unwrap();
            make(&own.join("pending"));
            see(root.path(), Stamp::Pending).unwrap_err();
        }
        check(|pending| symlink("/etc/passwd", pending).unwrap());
        check(|pending| fs::create_dir(pending).unwrap());
        check(|pending| {
            rustix::fs::mkfifoat(
                rustix::fs::CWD,
                pending,
                rustix::fs::Mode::from_raw_mode(0o600),
            )
            .unwrap();
        });
        let root = root();
        symlink("/tmp", root.path().join("run/unstale")).unwrap();
        set(root.path(), Stamp::Pending, "dpkg").unwrap_err();
    }

    #[test]
    fn who_suspends() {
        #[track_caller]
        fn check(path: Option<&str>) {
            let root = root();
            if let Some(path) = path {
                let path = root.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
            let shown = path.map(|path| format!("/{path}"));
            assert_eq!(suspended_by(root.path()), shown);
        }
        check(None);
        check(Some("run/unstale/suspend"));
        check(Some("etc/unstale/suspend"));
    }
}
