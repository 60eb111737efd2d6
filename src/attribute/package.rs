//! Pure: object → package and the version that runs.

use crate::model::{
    Answers, Claim, Kind, Object, Package, PackageChange, PackageFact, PathAnswer, Timestamp,
};

/// A log line is written before the files are unpacked, cut to a second; the file system's clock may be a tick behind.
const GRAIN_SECS: i64 = 2;

/// Whose an object's path is, and from which version the mapped object came.
///
/// `started` is since when the process runs its code, for objects whose own times tell nothing.
#[must_use]
pub fn package_of(object: &Object, kind: Kind, started: Timestamp, answers: &Answers) -> Package {
    if !object.look.on_host {
        return Package::Unknown;
    }
    let Some(answer) = object
        .path
        .as_ref()
        .and_then(|path| answers.paths.get(path))
    else {
        return Package::Unknown;
    };
    let fact = |claim: &Claim| PackageFact {
        backend: claim.backend.clone(),
        name: claim.name.clone(),
        arch: claim.arch.clone(),
        running_version: running_version(object, kind, started, claim, answers),
        installed_version: Some(claim.version.clone()),
    };
    match answer {
        PathAnswer::Owned(claims) => Package::Known(claims.iter().map(fact).collect()),
        PathAnswer::Unpackaged => Package::None,
        PathAnswer::Unknown(_) => Package::Unknown,
    }
}

/// The version that a mapped object came from.
///
/// A file's attributes change for the last time when its last name goes: the package manager's rename over it. So the
/// change of the package that began last before that moment is the one that replaced the object, and its old version the
/// one that runs. Both times are of the same wall clock at the same moment: no later step of the clock can part them.
fn running_version(
    object: &Object,
    kind: Kind,
    started: Timestamp,
    claim: &Claim,
    answers: &Answers,
) -> Option<String> {
    let same = |change: &&PackageChange| {
        change.backend == claim.backend
            && change.name == claim.name
            && change.arch.as_ref().is_none_or(|arch| *arch == claim.arch)
    };
    let mut changes = answers.changes.iter().filter(same);
    let replaced = matches!(kind, Kind::Replaced | Kind::Gone | Kind::PathChanged);
    match &object.look.mapped {
        Ok(stat) if replaced && stat.links == 0 => {
            let before = |change: &&PackageChange| {
                change.at.secs <= stat.ctime.secs.saturating_add(GRAIN_SECS)
            };
            changes.rfind(before)?.old.clone()
        }
        // Otherwise the first change after the process started took the running version away.
        _ => changes
            .find(|change| change.at.secs.saturating_add(GRAIN_SECS) >= started.secs)?
            .old
            .clone(),
    }
}
