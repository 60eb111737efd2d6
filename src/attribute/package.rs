//! Pure: object → package and the version that runs.

use crate::model::{
    Answers, Bytes, Claim, Object, Package, PackageChange, PackageFact, PathAnswer, Timestamp,
};

/// A log line is written before the files are unpacked, its time cut to a second; the file system's clock may be a tick
/// behind, and so in the second before.
const GRAIN_SECS: i64 = 1;

/// Whose an object's path is by the stores of its own root, and from which version the mapped object came.
///
/// `started` is since when the process runs its code, for objects whose own times tell nothing.
#[must_use]
pub fn package_of(object: &Object, started: Timestamp, answers: &Answers) -> Package {
    let Some(said) = answers.for_object(object) else {
        return Package::Unknown;
    };
    let answer_of = |path: &Bytes| said.of(path);
    let own = object.path.as_ref().and_then(answer_of);
    // A file whose name holds its version goes with it: its package is that of what its SONAME leads to now.
    let by_start_name = || answer_of(&object.look.start_name.as_ref()?.found.as_ref().ok()?.path);
    let answer = match own {
        Some(PathAnswer::Unpackaged) => by_start_name().or(own),
        own => own,
    };
    let Some(answer) = answer else {
        return Package::Unknown;
    };
    let fact = |claim: &Claim| PackageFact {
        backend: claim.backend.clone(),
        name: claim.name.clone(),
        arch: claim.arch.clone(),
        running_version: running_version(unlinked_at(object), started, claim, said.changes),
        installed_version: Some(claim.version.clone()),
    };
    match answer {
        PathAnswer::Owned(claims) => Package::Known(claims.iter().map(fact).collect()),
        PathAnswer::Unpackaged => Package::None,
        PathAnswer::Unknown(_) => Package::Unknown,
    }
}

/// When the object lost its last name: its attributes changed for the last time then. `None` if it has a name, or cannot
/// be asked.
fn unlinked_at(object: &Object) -> Option<Timestamp> {
    let stat = object.look.mapped.as_ref().ok()?;
    (stat.links == 0).then_some(stat.ctime)
}

/// The version that a mapped object came from.
///
/// The package manager's rename over a file takes its last name away. So the change of the package that began last before
/// that moment is the one that replaced the object, and its old version the one that runs. Both times are of the same
/// wall clock at the same moment: no later step of the clock can part them. Otherwise the first change after the process
/// started took the running version away.
fn running_version(
    unlinked: Option<Timestamp>,
    started: Timestamp,
    claim: &Claim,
    changes: &[PackageChange],
) -> Option<String> {
    let same = |change: &&PackageChange| {
        change.backend == claim.backend
            && change.name == claim.name
            && change.arch.as_ref().is_none_or(|arch| *arch == claim.arch)
    };
    let mut changes = changes.iter().filter(same);
    let change = match unlinked {
        Some(time) => {
            changes.rfind(|change| change.at.secs <= time.secs.saturating_add(GRAIN_SECS))
        }
        None => changes.find(|change| change.at.secs.saturating_add(GRAIN_SECS) >= started.secs),
    };
    change?.old.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(at: i64, old: &str, new: &str) -> PackageChange {
        PackageChange {
            backend: "dpkg".to_owned(),
            name: "libssl3".to_owned(),
            arch: Some("amd64".to_owned()),
            at: Timestamp { secs: at, nanos: 0 },
            old: Some(old.to_owned()),
            new: Some(new.to_owned()),
        }
    }

    fn claim() -> Claim {
        let text = |text: &str| text.to_owned();
        Claim {
            backend: text("dpkg"),
            name: text("libssl3"),
            arch: text("amd64"),
            version: text("3"),
            intact: None,
        }
    }

    #[track_caller]
    fn check(replaced_at: Option<i64>, started: i64, running: Option<&str>) {
        // As in the lab: three versions within a process's life.
        let changes = vec![
            change(100, "0", "1"),
            change(200, "1", "2"),
            change(300, "2", "3"),
        ];
        let changed = replaced_at.map(|secs| Timestamp { secs, nanos: 0 });
        let started = Timestamp {
            secs: started,
            nanos: 0,
        };
        assert_eq!(
            running_version(changed, started, &claim(), &changes).as_deref(),
            running
        );
    }

    #[test]
    fn the_change_that_took_the_name_away_tells_the_version() {
        check(Some(200), 0, Some("1"));
        check(Some(205), 0, Some("1")); // unpacking takes its time
        check(Some(199), 0, Some("1")); // the file system's clock is a tick behind
        check(Some(301), 0, Some("2"));
        check(Some(50), 0, None); // no log goes back so far
    }

    #[test]
    fn without_that_moment_the_start_of_the_process_tells() {
        check(None, 150, Some("1"));
        check(None, 0, Some("0"));
        check(None, 400, None);
    }

    #[test]
    fn another_architecture_is_another_package() {
        let other = PackageChange {
            arch: Some("i386".to_owned()),
            ..change(200, "x", "y")
        };
        let changes = [change(100, "0", "1"), other];
        let at = Timestamp {
            secs: 201,
            nanos: 0,
        };
        assert_eq!(
            running_version(Some(at), at, &claim(), &changes).as_deref(),
            Some("0")
        );
    }
}
