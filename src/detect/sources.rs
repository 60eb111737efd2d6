//! Files that a process runs without having code of them mapped: scripts, modules, archives, revisions of images.
//!
//! Of most of them no object is held, so time has to tell: what a file's own times say, with the package store and its
//! log as the second witness. A file time is never compared with a wall clock of the past, only with the start of the
//! process, converted by one reading of both clocks.

use super::replaced::GRAIN_NS;
use crate::model::{
    Answers, Basis, Claim, FileKind, FileStat, Fresh, How, Kind, Object, PackageChange, PathAnswer,
    Role, Said, Source, Timestamp, Verdict, WhyNot,
};

/// A package log is written in whole seconds.
const LOG_GRAIN_NS: i64 = 1_000_000_000;

/// Whether the file at a path changed since the process started, and whether that is beyond doubt.
pub(super) fn judge_path(
    object: &Object,
    source: &Source,
    started_ns: i64,
    answers: &Answers,
) -> (Verdict, bool) {
    match &object.look.fresh {
        Fresh::Unknown(why) => (Verdict::Unknown(why.clone()), true),
        // What the process itself shows was there; what its sources name may never have been.
        Fresh::Missing if source.how == How::Loaded => (Verdict::Stale(Kind::Gone), true),
        Fresh::Missing => (Verdict::Current, true),
        Fresh::Found(stat) if stat.kind == FileKind::Other => {
            let what = "what is at its path now is no regular file";
            (Verdict::Unknown(WhyNot::Failed(what.to_owned())), true)
        }
        Fresh::Found(stat) => {
            let said = answers.for_object(object);
            let claims = claims_on(object, said);
            let changes = said.map_or(&[][..], |said| said.changes);
            let judged = judge_file(stat, source.role, started_ns, claims, changes);
            let moved = || judge_way(object, claims, started_ns, changes);
            match judged.0 {
                Verdict::Current => moved().unwrap_or(judged),
                _ => judged,
            }
        }
    }
}

/// The file itself is as it was; but a link or directory on the way to it came there later than the process, which may have
/// been led elsewhere.
fn judge_way(
    object: &Object,
    claims: &[Claim],
    started_ns: i64,
    changes: &[PackageChange],
) -> Option<(Verdict, bool)> {
    let led = object.look.start_name.as_ref()?.found.as_ref().ok()?;
    if led.since_ns <= started_ns.saturating_add(GRAIN_NS) {
        return None;
    }
    let kind = match led.alternatives {
        true => Kind::Alternative,
        false => Kind::PathChanged,
    };
    match witness(claims, changes, started_ns) {
        Witness::Reinstalled => None,
        Witness::Upgraded => Some((Verdict::Stale(kind), true)),
        Witness::Unchanged | Witness::Silent => Some((Verdict::Stale(kind), false)),
    }
}

/// Whether a link leads to another revision than the one that runs.
pub(super) fn judge_link(object: &Object) -> Verdict {
    match object.look.start_name.as_ref().map(|start| &start.found) {
        Some(Ok(led)) if Some(&led.path) == object.path.as_ref() => Verdict::Current,
        Some(Ok(_)) => Verdict::Stale(Kind::Revision),
        Some(Err(why)) => Verdict::Unknown(why.clone()),
        None => match &object.look.fresh {
            Fresh::Unknown(why) => Verdict::Unknown(why.clone()),
            // The link is gone: the whole image was removed.
            Fresh::Found(_) | Fresh::Missing => Verdict::Stale(Kind::Gone),
        },
    }
}

fn claims_on<'a>(object: &Object, said: Option<Said<'a>>) -> &'a [Claim] {
    let answer = object.path.as_ref().and_then(|path| said?.of(path));
    match answer {
        Some(PathAnswer::Owned(claims)) => claims,
        _ => &[],
    }
}

fn judge_file(
    stat: &FileStat,
    role: Role,
    started_ns: i64,
    claims: &[Claim],
    changes: &[PackageChange],
) -> (Verdict, bool) {
    let newer = |time: Timestamp| time.nanos_since_epoch() > started_ns.saturating_add(GRAIN_NS);
    // No change of content, no rename and no link goes without a change of this time, whatever the others were set to.
    if !newer(stat.ctime) {
        return (Verdict::Current, true);
    }
    let stale = Verdict::Stale(match role {
        Role::Archive => Kind::Archive,
        Role::Script | Role::Module | Role::Revision => Kind::Script,
    });
    let born = stat.btime.is_some_and(newer);
    let by_times = born || newer(stat.mtime);
    match witness(claims, changes, started_ns) {
        Witness::Upgraded => (stale, true),
        Witness::Reinstalled => (Verdict::SameCode(Basis::Reinstalled), true),
        // No package manager writes into a file that is there: the same inode with the digest of its package was
        // touched, and not changed.
        Witness::Unchanged if !born && stat.btime.is_some() => {
            (Verdict::SameCode(Basis::Attributes), true)
        }
        Witness::Unchanged | Witness::Silent => (stale, by_times),
    }
}

/// What the package store and its log say of a file since the process started.
enum Witness {
    /// Its package became another version.
    Upgraded,
    /// Its package was installed again in the same version, and the file is as it shipped it.
    Reinstalled,
    /// No change of its package is known, and the file is as the package shipped it.
    Unchanged,
    /// Nothing.
    Silent,
}

fn witness(claims: &[Claim], changes: &[PackageChange], started_ns: i64) -> Witness {
    let from = started_ns.saturating_sub(LOG_GRAIN_NS);
    let is_of = |change: &&PackageChange| {
        let claimed = claims.iter().any(|claim| {
            claim.name == change.name
                && claim.backend == change.backend
                && change.arch.as_ref().is_none_or(|arch| *arch == claim.arch)
        });
        claimed && change.at.nanos_since_epoch() >= from
    };
    let intact = claims.iter().any(|claim| claim.intact == Some(true));
    let mut since = changes.iter().filter(is_of).peekable();
    match (since.peek().is_some(), intact) {
        (false, true) => Witness::Unchanged,
        (false, false) => Witness::Silent,
        (true, intact) => {
            let same = since.all(|change| change.old.is_some() && change.old == change.new);
            match (same, intact) {
                (false, _) => Witness::Upgraded,
                (true, true) => Witness::Reinstalled,
                (true, false) => Witness::Silent,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Device;

    const START: i64 = 1_000_000_000_000;

    /// Seconds after the start of the process.
    fn at(secs: i64) -> Timestamp {
        Timestamp {
            secs: START / 1_000_000_000 + secs,
            nanos: 0,
        }
    }

    fn stat(ctime: i64, mtime: i64, btime: Option<i64>) -> FileStat {
        FileStat {
            device: Device::default(),
            inode: 1,
            kind: FileKind::Regular,
            size: 1,
            links: 1,
            uid: 0,
            mode: 0o644,
            mtime: at(mtime),
            ctime: at(ctime),
            btime: btime.map(at),
            mount: None,
        }
    }

    fn claim(intact: Option<bool>) -> Vec<Claim> {
        vec![Claim {
            backend: "dpkg".to_owned(),
            name: "app".to_owned(),
            arch: "all".to_owned(),
            version: "2".to_owned(),
            intact,
        }]
    }

    fn change(secs: i64, old: &str, new: &str) -> PackageChange {
        PackageChange {
            backend: "dpkg".to_owned(),
            name: "app".to_owned(),
            arch: None,
            at: at(secs),
            old: Some(old.to_owned()),
            new: Some(new.to_owned()),
        }
    }

    #[track_caller]
    fn check(
        stat: &FileStat,
        claims: &[Claim],
        changes: &[PackageChange],
        verdict: Verdict,
        sure: bool,
    ) {
        let judged = judge_file(stat, Role::Module, START, claims, changes);
        assert_eq!(judged, (verdict, sure));
    }

    const STALE: Verdict = Verdict::Stale(Kind::Script);

    #[test]
    fn g9_without_a_package_the_times_decide() {
        check(&stat(-5, -9, Some(-9)), &[], &[], Verdict::Current, true);
        // A time of content in the future is no change, if no attribute changed since.
        check(&stat(-5, 900, Some(-9)), &[], &[], Verdict::Current, true);
        check(&stat(5, 5, Some(-9)), &[], &[], STALE, true);
        check(&stat(5, -9, Some(5)), &[], &[], STALE, true);
        // chmod, a link, or a writer that put the time back.
        check(&stat(5, -9, Some(-9)), &[], &[], STALE, false);
        check(&stat(5, -9, None), &[], &[], STALE, false);
    }

    #[test]
    fn g9_within_the_grain_of_both_clocks_nothing_is_newer() {
        let grain = Timestamp {
            nanos: 19_000_000,
            ..at(0)
        };
        let mut made = stat(0, 0, Some(0));
        (made.ctime, made.mtime, made.btime) = (grain, grain, Some(grain));
        check(&made, &[], &[], Verdict::Current, true);
    }

    #[test]
    fn the_package_is_the_second_witness() {
        let upgrade = [change(4, "1", "2")];
        let again = [change(4, "2", "2")];
        // dpkg and rpm set the packaged time of content, which is older than the process.
        check(
            &stat(5, -900, Some(5)),
            &claim(Some(true)),
            &upgrade,
            STALE,
            true,
        );
        check(
            &stat(5, -900, None),
            &claim(Some(true)),
            &upgrade,
            STALE,
            true,
        );
        let same = Verdict::SameCode(Basis::Reinstalled);
        check(
            &stat(5, -900, Some(5)),
            &claim(Some(true)),
            &again,
            same,
            true,
        );
        // Installed again, and edited after.
        check(
            &stat(5, 5, Some(5)),
            &claim(Some(false)),
            &again,
            STALE,
            true,
        );
        let both = [change(3, "1", "2"), change(4, "2", "2")];
        check(
            &stat(5, -900, Some(5)),
            &claim(Some(true)),
            &both,
            STALE,
            true,
        );
    }

    #[test]
    fn t3_08_touched_and_as_the_package_shipped_it() {
        let attributes = Verdict::SameCode(Basis::Attributes);
        check(
            &stat(5, 5, Some(-9)),
            &claim(Some(true)),
            &[],
            attributes,
            true,
        );
        // A new file, and no log that tells of it: the log may be lost, so the digest proves nothing of what was there.
        check(&stat(5, 5, Some(5)), &claim(Some(true)), &[], STALE, true);
        check(&stat(5, 5, Some(-9)), &claim(Some(false)), &[], STALE, true);
        check(
            &stat(5, -9, Some(-9)),
            &claim(Some(false)),
            &[],
            STALE,
            false,
        );
        // An upgrade from before the process started is none.
        let old = [change(-400, "1", "2")];
        check(
            &stat(-390, -900, Some(-390)),
            &claim(Some(true)),
            &old,
            Verdict::Current,
            true,
        );
    }

    /// A file that nobody touched, by a name that came to lead to it so many seconds after the start.
    #[track_caller]
    fn check_way(since: i64, alternatives: bool, judged: Option<(Verdict, bool)>) {
        let found = stat(-5, -9, Some(-9));
        let mut look = crate::model::Look {
            mapped: Err(WhyNot::NotRecorded),
            fresh: Fresh::Found(found.clone()),
            mount: None,
            mounted: None,
            on_host: true,
            mapped_build_id: None,
            fresh_build_id: None,
            content: crate::model::Compared::NotAsked,
            start_name: None,
        };
        look.start_name = Some(crate::model::StartName {
            path: "/app/x.py".into(),
            found: Ok(crate::model::Led {
                path: "/app/x.py".into(),
                stat: found,
                since_ns: at(since).nanos_since_epoch(),
                alternatives,
            }),
            content: crate::model::Compared::NotAsked,
        });
        let object = Object {
            view: crate::model::ViewId(0),
            name: "/app/x.py".into(),
            path: Some("/app/x.py".into()),
            device: Device::default(),
            inode: 0,
            look,
        };
        let source = Source {
            object: crate::model::ObjectId(0),
            role: Role::Module,
            how: How::Imported,
            evidence: crate::model::Evidence::Path,
            plugin: 0,
            via: None,
        };
        let expected = judged.unwrap_or((Verdict::Current, true));
        assert_eq!(
            judge_path(&object, &source, START, &Answers::default()),
            expected
        );
    }

    #[test]
    fn g2_a_directory_or_link_that_came_later_may_have_led_elsewhere() {
        check_way(-3, false, None);
        check_way(0, false, None);
        check_way(3, false, Some((Verdict::Stale(Kind::PathChanged), false)));
        check_way(3, true, Some((Verdict::Stale(Kind::Alternative), false)));
    }

    #[test]
    fn another_package_of_that_name_is_another_package() {
        let mut other = change(4, "1", "2");
        other.backend = "rpm".to_owned();
        let attributes = Verdict::SameCode(Basis::Attributes);
        check(
            &stat(5, 5, Some(-9)),
            &claim(Some(true)),
            &[other],
            attributes,
            true,
        );
    }
}
