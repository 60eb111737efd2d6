//! Packages of the reboot lists: which of them changed since the system started, and what was there before.

mod ships;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use unstale_packages::{Answer, Change, DbError, Match, Package, PackageDb, Wanted};

use super::{Asked, open_all, system_time, timestamp};
use crate::model::{
    Before, Claim, Core, CoreChange, Listed, ListedBy, NamePattern, Ships, Timestamp,
};
use crate::problem::Problem;
use ships::ships;

/// Asks every store below `root` which of the listed packages were installed or upgraded after the second of `since`,
/// the start of the system.
///
/// Stores know whole seconds. What they installed in the very second of the start counts as before it: nobody gets to
/// install anything in what is left of that second, but what builds an image or a container may start it at once.
#[must_use]
pub fn core(root: &Path, listed: &[Listed], since: Timestamp) -> (Core, Vec<Problem>) {
    let mut asked = Asked::default();
    let stores = open_all(root, &mut asked);
    let mut core = Core {
        stores: stores
            .iter()
            .map(|store| store.backend().to_owned())
            .collect(),
        ..Core::default()
    };
    let after = Timestamp {
        secs: since.secs.saturating_add(1),
        nanos: 0,
    };
    let mut missing: Option<BTreeSet<u32>> = None;
    for store in &stores {
        let mut question = Question {
            store: &**store,
            listed,
            after,
            asked: &mut asked,
        };
        let Some(found) = question.ask() else {
            // Who knows what is installed there.
            missing = Some(BTreeSet::new());
            continue;
        };
        core.changed.extend(found.changed);
        missing = Some(match missing {
            Some(before) => before.intersection(&found.missing).copied().collect(),
            None => found.missing,
        });
    }
    if asked.hidden.is_none() {
        core.missing = missing.into_iter().flatten().collect();
    }
    core.changed.sort_by(|a, b| {
        let key = |change: &CoreChange| (change.listed, change.package.name.clone(), change.at);
        key(a).cmp(&key(b))
    });
    (core, asked.problems)
}

/// What one store says.
struct Found {
    changed: Vec<CoreChange>,
    missing: BTreeSet<u32>,
}

/// One store, and what is asked of it.
struct Question<'a> {
    store: &'a dyn PackageDb,
    listed: &'a [Listed],
    /// The first second that counts.
    after: Timestamp,
    asked: &'a mut Asked,
}

/// A match, and the listed packages that it is for.
struct Fresh {
    listed: Vec<u32>,
    found: Match,
}

impl Question<'_> {
    /// `None` if the store could not be asked.
    fn ask(&mut self) -> Option<Found> {
        let fresh = self.fresh()?;
        let by_hand = |listed: &Listed| listed.installs_count;
        let by_hand = self.indices().filter(|(_, listed)| by_hand(listed));
        // Some may be repeated: each is asked for once.
        let (by_hand, listed) = by_question(by_hand);
        let others = fresh.iter().map(|fresh| fresh.found.package.name.as_str());
        let companions = fresh.iter().flat_map(|fresh| &fresh.listed);
        let companions = companions.filter_map(|&i| self.listed[i as usize].only_with.as_deref());
        let names: BTreeSet<&str> = others.chain(companions).collect();
        let mut questions = by_hand;
        questions.extend(names.into_iter().map(named));
        let installed = match questions.is_empty() {
            true => Vec::new(),
            false => self.matching(&questions, None)?,
        };
        let there: BTreeSet<usize> = installed.iter().map(|found| found.wanted).collect();
        let missing = (0..).zip(&listed);
        let missing = missing.filter(|(place, _)| !there.contains(place));
        let missing = missing.flat_map(|(_, listed)| listed).copied().collect();
        let changed = match fresh.is_empty() {
            true => Vec::new(),
            false => self.changed(&fresh, &installed),
        };
        Some(Found { changed, missing })
    }

    /// What was installed since the start, and is meant.
    fn fresh(&mut self) -> Option<Vec<Fresh>> {
        // Generations of lists have most names in common.
        let (wanted, listed) = by_question(self.indices());
        let found = self.matching(&wanted, Some(self.after))?;
        let fresh = found.into_iter().filter_map(|found| {
            let meant = |index: &&u32| self.listed[**index as usize].fits(&found.package.name);
            let listed: Vec<u32> = listed[found.wanted].iter().filter(meant).copied().collect();
            (!listed.is_empty()).then_some(Fresh { listed, found })
        });
        Some(fresh.collect())
    }

    /// The entries that are meant for this store.
    fn indices(&self) -> impl Iterator<Item = (u32, &Listed)> {
        let backend = self.store.backend();
        let meant = move |listed: &Listed| {
            let store = listed.store.as_deref();
            store.is_none_or(|store| store == backend)
        };
        (0..)
            .zip(self.listed)
            .filter(move |(_, listed)| meant(listed))
    }

    fn changed(&mut self, fresh: &[Fresh], installed: &[Match]) -> Vec<CoreChange> {
        let changes = self.changes();
        let mut shipped: BTreeMap<&str, Ships> = BTreeMap::new();
        let mut changed = Vec::new();
        for Fresh { listed, found } in fresh {
            let package = &found.package;
            let there = |name: &str| installed.iter().any(|found| found.package.name == name);
            let counts = |index: &&u32| {
                let with = self.listed[**index as usize].only_with.as_deref();
                with.is_none_or(there)
            };
            let listed: Vec<u32> = listed.iter().filter(counts).copied().collect();
            if listed.is_empty() {
                continue;
            }
            let is_fresh = |other: &Package| fresh.iter().any(|one| one.found.package == *other);
            let beside = installed.iter().map(|found| &found.package);
            let beside = beside.filter(|other| !is_fresh(other) && is_beside(package, other));
            let beside = beside.max_by(|a, b| self.store.compare_versions(&a.version, &b.version));
            let before = match beside {
                Some(beside) => Before::Version(beside.version.clone()),
                None => before(package, &changes),
            };
            let ships = match shipped.get(package.name.as_str()) {
                Some(&known) => known,
                None => self.ships(&package.name),
            };
            shipped.insert(&package.name, ships);
            changed.extend(listed.into_iter().map(|listed| CoreChange {
                listed,
                package: self.claim(package),
                at: found.at.map(timestamp),
                before: before.clone(),
                hint: found.capability_version.clone(),
                ships,
            }));
        }
        changed
    }

    fn claim(&self, package: &Package) -> Claim {
        Claim {
            backend: self.store.backend().to_owned(),
            name: package.name.clone(),
            arch: package.arch.clone(),
            version: package.version.clone(),
            intact: None,
        }
    }

    fn matching(&mut self, wanted: &[Wanted], since: Option<Timestamp>) -> Option<Vec<Match>> {
        let answer = self.store.matching(wanted, since.map(system_time));
        self.take(answer)
    }

    fn ships(&mut self, name: &str) -> Ships {
        let answer = self.store.files(name);
        let is_whole = answer.as_ref().is_ok_and(|answer| answer.damage.is_empty());
        let files = self.take(answer).unwrap_or_default();
        // A list of dpkg's has `/.` at least.
        let is_listed = !files.is_empty() || self.store.backend() == "rpm";
        match ships(name, &files) {
            // Nobody knows what else there is.
            Ships::Nothing if !(is_whole && is_listed) => Ships::Data,
            ships => ships,
        }
    }

    /// What the logs tell since the start. That they cannot be read hides no package.
    fn changes(&mut self) -> Vec<Change> {
        let backend = self.store.backend();
        let (value, said) = match self.store.changes_since(system_time(self.after)) {
            Ok(Answer { value, damage }) => {
                let said = damage.iter().map(ToString::to_string);
                (value, said.collect())
            }
            Err(error) => (Vec::new(), vec![error.to_string()]),
        };
        for what in said {
            self.asked.problem("read the package log", backend, &what);
        }
        value
    }

    fn take<T>(&mut self, answer: Result<Answer<T>, DbError>) -> Option<T> {
        let backend = self.store.backend();
        match answer {
            Ok(answer) => {
                for damage in &answer.damage {
                    self.asked.damaged(backend, &damage.to_string());
                }
                Some(answer.value)
            }
            Err(error) => {
                self.asked.failed(backend, &error);
                None
            }
        }
    }
}

impl Listed {
    /// Whether a name that is roughly like this one's is meant.
    fn fits(&self, name: &str) -> bool {
        let pattern = self.pattern.as_deref().map(NamePattern::parse);
        // A pattern of somebody else's that is not understood takes nothing away.
        pattern.flatten().is_none_or(|pattern| pattern.fits(name))
    }
}

fn wanted(listed: &Listed) -> Wanted {
    Wanted {
        name: listed.name.clone(),
        by_name: matches!(listed.by, ListedBy::Name | ListedBy::NameOrProvides),
        by_provides: matches!(listed.by, ListedBy::Provides | ListedBy::NameOrProvides),
    }
}

/// What to ask for, and the entries that each question is for.
fn by_question<'a>(
    listed: impl Iterator<Item = (u32, &'a Listed)>,
) -> (Vec<Wanted>, Vec<Vec<u32>>) {
    let mut by_wanted: BTreeMap<(String, bool, bool), Vec<u32>> = BTreeMap::new();
    for (index, listed) in listed {
        let one = wanted(listed);
        let key = (one.name, one.by_name, one.by_provides);
        by_wanted.entry(key).or_default().push(index);
    }
    let wanted = |((name, by_name, by_provides), listed)| {
        let wanted = Wanted {
            name,
            by_name,
            by_provides,
        };
        (wanted, listed)
    };
    by_wanted.into_iter().map(wanted).unzip()
}

fn named(name: &str) -> Wanted {
    Wanted {
        name: name.to_owned(),
        by_name: true,
        by_provides: false,
    }
}

/// Whether another package is an older one of the same name that stayed, as kernels do.
fn is_beside(package: &Package, other: &Package) -> bool {
    other.name == package.name && other.arch == package.arch && other.version != package.version
}

/// What was installed before the first change since the start.
fn before(package: &Package, changes: &[Change]) -> Before {
    let of_name = |change: &&Change| change.name == package.name;
    let of_arch = |change: &&Change| {
        let arch = change.arch.as_ref();
        arch.is_none_or(|arch| *arch == package.arch)
    };
    let mut of_package: Vec<&Change> = changes.iter().filter(of_name).filter(of_arch).collect();
    if of_package.is_empty() {
        // It may have become independent of architectures.
        of_package = changes.iter().filter(of_name).collect();
    }
    let Some(first) = of_package.iter().map(|change| change.at).min() else {
        return Before::Unknown;
    };
    // Of changes in one second nobody knows which was the first; but what was there, was there.
    let mut at_first = of_package.iter().filter(|change| change.at == first);
    match at_first.clone().find_map(|change| change.old.clone()) {
        Some(old) => Before::Version(old),
        None if at_first.any(|change| change.is_first) => Before::Nothing,
        None => Before::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn t9_17_what_was_before() {
        fn change(
            at: u64,
            arch: &str,
            old: Option<&str>,
            new: Option<&str>,
            is_first: bool,
        ) -> Change {
            Change {
                name: "x".to_owned(),
                arch: (!arch.is_empty()).then(|| arch.to_owned()),
                at: UNIX_EPOCH + Duration::from_secs(at),
                old: old.map(str::to_owned),
                new: new.map(str::to_owned),
                is_first,
            }
        }
        #[track_caller]
        fn check(changes: &[Change], expected: Before) {
            let package = Package {
                name: "x".to_owned(),
                version: "3".to_owned(),
                arch: "amd64".to_owned(),
            };
            assert_eq!(before(&package, changes), expected);
        }
        let version = |version: &str| Before::Version(version.to_owned());
        check(&[], Before::Unknown);
        let first = change(1, "amd64", None, Some("1"), true);
        let upgrade = change(2, "", Some("1"), Some("2"), false);
        let removal = change(2, "amd64", Some("1"), None, false);
        let unexplained = change(1, "amd64", None, Some("3"), false);
        check(std::slice::from_ref(&first), Before::Nothing);
        check(&[upgrade.clone(), first.clone()], Before::Nothing);
        check(std::slice::from_ref(&upgrade), version("1"));
        check(&[unexplained], Before::Unknown);
        // Removed and installed again.
        check(
            &[removal.clone(), change(2, "amd64", None, Some("3"), true)],
            version("1"),
        );
        check(
            &[removal, change(3, "amd64", None, Some("3"), true)],
            version("1"),
        );
        // Another architecture is another package, unless it is the only one.
        let foreign = change(1, "i386", Some("0"), Some("1"), false);
        check(&[foreign.clone(), upgrade], version("1"));
        check(&[foreign], version("0"));
        check(
            &[Change {
                name: "y".to_owned(),
                ..first
            }],
            Before::Unknown,
        );
    }

    /// Damage that both questions meet is said in the same words: whoever sorts and takes out what is repeated has it once.
    #[test]
    fn t9_17_damage_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let below = |path: &str| dir.path().join("var/lib/dpkg").join(path);
        std::fs::create_dir_all(below("info")).unwrap();
        let status = "Package: dbus\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\nbroken\n\n";
        std::fs::write(below("status"), status).unwrap();
        std::fs::write(below("info/dbus.list"), "/.\n/usr/bin/dbus\n").unwrap();
        let listed = Listed {
            name: "dbus".to_owned(),
            by: ListedBy::Name,
            ..Listed::default()
        };
        let (core, by_core) = core(dir.path(), &[listed], Timestamp { secs: 0, nanos: 0 });
        assert_eq!(core.changed.len(), 1);
        let questions = crate::packages::Questions {
            paths: [crate::model::Bytes::from("/usr/bin/dbus")].into(),
            ..crate::packages::Questions::default()
        };
        let (_, by_ask) = crate::packages::ask(dir.path(), &questions);
        assert_eq!(by_ask.len(), 1, "{by_ask:?}");
        assert!(by_core.len() > 1, "{by_core:?}");
        let all: BTreeSet<Problem> = by_core.into_iter().chain(by_ask).collect();
        assert_eq!(all.len(), 1, "{all:?}");
    }
}
