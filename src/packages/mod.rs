//! Asks the package stores of a root, the host's or another, once, for all paths that matter.
//!
//! Knows no process. What is damaged in a store becomes a [`Problem`], and the paths it may hide are answered *unknown*,
//! never *unpackaged*.
#![forbid(unsafe_code)]

mod core;
mod digest;
mod order;

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use unstale_packages::{DbError, FileKind, Foreign, Owner, PackageDb};

pub use self::core::core;
pub use order::compare_releases;

use crate::model::{
    Answers, Bytes, Claim, PackageChange, PathAnswer, RootAnswers, Timestamp, WhyNot,
};
use crate::problem::Problem;
use digest::Root;

/// What to ask.
#[derive(Debug, Clone, Default)]
pub struct Questions {
    /// Paths inside the root whose owners matter.
    pub paths: BTreeSet<Bytes>,
    /// Those among them of which the file on disk is to be compared with the package's digest.
    pub digests: BTreeSet<Bytes>,
    /// The time from which changes matter.
    pub since: Option<Timestamp>,
    /// Packages whose files matter, by name.
    pub files_of: BTreeSet<String>,
}

/// Asks every store below `root`. Stores are told by what is there, not by the name of the distribution.
#[must_use]
pub fn ask(root: &Path, questions: &Questions) -> (Answers, Vec<Problem>) {
    let mut asked = Asked::default();
    if questions.paths.is_empty() && questions.files_of.is_empty() {
        return (asked.answers, asked.problems);
    }
    let stores = open_all(root, &mut asked);
    std::thread::scope(|scope| {
        // Whether a transaction runs is told by /proc/locks, which the kernel takes its time to print.
        let states: Vec<_> = stores
            .iter()
            .map(|store| std::thread::Builder::new().spawn_scoped(scope, || store.unfinished()))
            .collect();
        for (store, state) in stores.iter().zip(states) {
            asked.ask_store(&**store, questions, Root::Host(root));
            let state = match state {
                Ok(thread) => thread.join().unwrap_or_else(|_| store.unfinished()),
                Err(_) => store.unfinished(),
            };
            asked.take_state(store.backend(), state);
        }
    });
    asked.finish(questions)
}

/// Asks every store below a root that somebody else rules, until `end`. Whether a transaction runs there is not asked;
/// where there is no store, no path has an answer.
#[must_use]
pub fn ask_foreign(root: OwnedFd, end: Instant, questions: &Questions) -> RootAnswers {
    let root = Foreign::new(root, end);
    let mut asked = Asked::default();
    let mut stores: Vec<Box<dyn PackageDb>> = Vec::new();
    match unstale_dpkg::Dpkg::open_foreign(root.clone()) {
        Ok(store) => stores.extend(store.map(|store| Box::new(store) as Box<dyn PackageDb>)),
        Err(error) => asked.failed("dpkg", &error),
    }
    match unstale_rpm::Rpm::open_foreign(root.clone()) {
        Ok(store) => stores.extend(store.map(|store| Box::new(store) as Box<dyn PackageDb>)),
        Err(error) => asked.failed("rpm", &error),
    }
    for store in &stores {
        asked.ask_store(&**store, questions, Root::Foreign(&root));
    }
    let nobody = stores.is_empty() && asked.hidden.is_none();
    let (answers, problems) = asked.finish(questions);
    let note = |problem: Problem| match problem.why {
        WhyNot::Failed(what) => format!("{}: {what}", String::from_utf8_lossy(&problem.object.0)),
        _ => problem.operation,
    };
    RootAnswers {
        views: Vec::new(),
        stores: answers.stores,
        paths: if nobody {
            BTreeMap::new()
        } else {
            answers.paths
        },
        changes: answers.changes,
        notes: problems.into_iter().take(NOTES).map(note).collect(),
    }
}

/// What is said of a root that could not be asked.
#[must_use]
pub fn unanswered(questions: &Questions, why: &str) -> RootAnswers {
    let unknown = |path: &Bytes| (path.clone(), PathAnswer::Unknown(why.to_owned()));
    RootAnswers {
        paths: questions.paths.iter().map(unknown).collect(),
        notes: vec![why.to_owned()],
        ..RootAnswers::default()
    }
}

/// Of what could not be read in a foreign root, so much is told.
const NOTES: usize = 3;

#[derive(Default)]
struct Asked {
    answers: Answers,
    problems: Vec<Problem>,
    /// Why an owner may be hidden, if one may.
    hidden: Option<String>,
    owners: BTreeMap<Bytes, Vec<Claim>>,
}

fn open_all(root: &Path, asked: &mut Asked) -> Vec<Box<dyn PackageDb + Sync>> {
    let mut stores: Vec<Box<dyn PackageDb + Sync>> = Vec::new();
    match unstale_dpkg::Dpkg::open(root) {
        Ok(Some(store)) => stores.push(Box::new(store)),
        Ok(None) => {}
        Err(error) => asked.failed("dpkg", &error),
    }
    match unstale_rpm::Rpm::open(root) {
        Ok(Some(store)) => stores.push(Box::new(store)),
        Ok(None) => {}
        Err(error) => asked.failed("rpm", &error),
    }
    stores
}

impl Asked {
    fn ask_store(&mut self, store: &dyn PackageDb, questions: &Questions, root: Root<'_>) {
        let backend = store.backend();
        self.answers.stores.push(backend.to_owned());
        let paths: Vec<&Bytes> = questions.paths.iter().collect();
        let as_paths: Vec<&Path> = paths.iter().map(|path| path.as_path()).collect();
        match store.owners(&as_paths) {
            Ok(answer) => {
                for damage in &answer.damage {
                    self.damaged(backend, &damage.to_string());
                }
                for (path, ownership) in paths.iter().zip(answer.value) {
                    let intact = |owner: &Owner| match questions.digests.contains(*path) {
                        true => owner
                            .digest
                            .as_ref()
                            .and_then(|digest| digest::is_digest_of(root, path.as_path(), digest)),
                        false => None,
                    };
                    // What a package owns without shipping it never came from the package.
                    let claims = ownership
                        .owners
                        .iter()
                        .filter(|owner| owner.kind != FileKind::Ghost);
                    let claims = claims.map(|owner| claim(backend, owner, intact(owner)));
                    self.owners
                        .entry((*path).clone())
                        .or_default()
                        .extend(claims);
                }
            }
            Err(error) => self.failed(backend, &error),
        }
        self.ask_changes(store, questions);
        self.ask_files(store, questions);
    }

    fn take_state(&mut self, backend: &str, state: Result<Option<String>, DbError>) {
        match state {
            Ok(Some(what)) => self.problem("rely on the state of", backend, &what),
            Ok(None) => {}
            Err(error) => self.failed(backend, &error),
        }
    }

    fn ask_changes(&mut self, store: &dyn PackageDb, questions: &Questions) {
        let Some(since) = questions.since else { return };
        let named: BTreeSet<&str> = self
            .owners
            .values()
            .flatten()
            .map(|claim| claim.name.as_str())
            .collect();
        match store.changes_since(system_time(since)) {
            Ok(answer) => {
                let wanted = answer
                    .value
                    .into_iter()
                    .filter(|change| named.contains(change.name.as_str()));
                let changes: Vec<PackageChange> = wanted
                    .map(|change| PackageChange {
                        backend: store.backend().to_owned(),
                        name: change.name,
                        arch: change.arch,
                        at: timestamp(change.at),
                        old: change.old,
                        new: change.new,
                    })
                    .collect();
                self.answers.changes.extend(changes);
                for damage in &answer.damage {
                    self.problem("read the package log", store.backend(), &damage.to_string());
                }
            }
            Err(error) => self.problem("read the package log", store.backend(), &error.to_string()),
        }
    }

    fn ask_files(&mut self, store: &dyn PackageDb, questions: &Questions) {
        for name in &questions.files_of {
            match store.files(name) {
                Ok(answer) => {
                    let files = answer
                        .value
                        .into_iter()
                        .map(|path: PathBuf| Bytes::from(path.as_path()));
                    self.answers
                        .files
                        .entry(name.clone())
                        .or_default()
                        .extend(files);
                }
                Err(error) => self.failed(store.backend(), &error),
            }
        }
    }

    fn finish(mut self, questions: &Questions) -> (Answers, Vec<Problem>) {
        for path in &questions.paths {
            let claims = self.owners.remove(path).unwrap_or_default();
            let answer = match (&self.hidden, claims.is_empty()) {
                (_, false) => PathAnswer::Owned(claims),
                (Some(why), true) => PathAnswer::Unknown(why.clone()),
                (None, true) => PathAnswer::Unpackaged,
            };
            self.answers.paths.insert(path.clone(), answer);
        }
        (self.answers, self.problems)
    }

    fn failed(&mut self, backend: &str, error: &DbError) {
        self.damaged(backend, &error.to_string());
    }

    fn damaged(&mut self, backend: &str, what: &str) {
        self.hidden.get_or_insert_with(|| what.to_owned());
        self.problem("read the package database", backend, what);
    }

    fn problem(&mut self, operation: &str, backend: &str, what: &str) {
        let why = WhyNot::Failed(what.to_owned());
        self.problems.push(Problem {
            operation: operation.to_owned(),
            object: Bytes::from(backend),
            pid: None,
            why,
        });
    }
}

fn claim(backend: &str, owner: &Owner, intact: Option<bool>) -> Claim {
    let package = &owner.package;
    Claim {
        backend: backend.to_owned(),
        name: package.name.clone(),
        arch: package.arch.clone(),
        version: package.version.clone(),
        intact,
    }
}

fn system_time(time: Timestamp) -> SystemTime {
    u64::try_from(time.secs).map_or(UNIX_EPOCH, |secs| UNIX_EPOCH + Duration::from_secs(secs))
}

fn timestamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp {
        secs: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: since.subsec_nanos(),
    }
}
