//! Packages as a bundle keeps them: answers of the stores to the questions that were asked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Bytes, Object, Timestamp, ViewId};

/// What the package stores said about the paths that matter. Part of a bundle, so that a judgement elsewhere needs no
/// database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    /// Stores that were asked, by name; empty if none is there or nothing had to be asked.
    pub stores: Vec<String>,
    /// By path inside the host's root.
    #[serde(with = "by_path")]
    pub paths: BTreeMap<Bytes, PathAnswer>,
    /// Changes of the packages behind those paths, oldest first.
    pub changes: Vec<PackageChange>,
    /// Files of a package that was asked for by name.
    pub files: BTreeMap<String, Vec<Bytes>>,
    /// What the stores of other roots said: each speaks for the processes that have that root, and for nobody else.
    #[serde(default)]
    pub roots: Vec<RootAnswers>,
    /// Packages of the reboot lists.
    #[serde(default)]
    pub core: Core,
}

/// What became of the packages that [`Boot::listed`](super::Boot::listed) names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Core {
    /// Stores that were asked: their order of versions is the one that counts.
    pub stores: Vec<String>,
    /// Those that were installed or upgraded since the system started.
    pub changed: Vec<CoreChange>,
    /// Indices of those that no store has installed, under whatever name: asked only of what an administrator lists.
    pub missing: Vec<u32>,
}

/// A listed package that was installed or upgraded since the system started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoreChange {
    /// Index into [`Boot::listed`](super::Boot::listed).
    pub listed: u32,
    /// The package as it is installed now.
    pub package: Claim,
    /// When, by the wall clock of that moment.
    pub at: Option<Timestamp>,
    /// What a log tells of it.
    pub before: Before,
    /// The word beside the capability by which it matched: `installhint(reboot-needed) = kexec`.
    pub hint: Option<String>,
    /// What it brings.
    pub ships: Ships,
}

impl CoreChange {
    /// Whether it brings programs or libraries, which processes show when they still run the old ones.
    #[must_use]
    pub fn has_code(&self) -> bool {
        self.ships == Ships::Code
    }
}

/// What a package brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ships {
    /// Programs or libraries: processes show whether they still run the old ones.
    Code,
    /// Something, and no code of processes: kernels, firmware, settings; or nobody knows what.
    Data,
    /// No files, or documentation alone: what counts is what it depends on.
    Nothing,
}

/// What was installed before a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Before {
    /// This version: an upgrade, or a reinstallation.
    Version(String),
    /// Nothing of that name: a first installation.
    Nothing,
    /// Nobody tells.
    Unknown,
}

/// What the package stores said that lie below a root other than the host's: a container's, a chroot's, that of a
/// service with a root of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootAnswers {
    /// The views that have this root.
    pub views: Vec<ViewId>,
    /// Stores that were asked, by name; empty if none is there.
    pub stores: Vec<String>,
    /// By path inside that root. A path that is not among them was not asked about: nothing there could tell.
    #[serde(with = "by_path")]
    pub paths: BTreeMap<Bytes, PathAnswer>,
    /// Changes of the packages behind those paths, oldest first.
    pub changes: Vec<PackageChange>,
    /// What could not be read there. No problem of the check: the verdicts stand without.
    pub notes: Vec<String>,
}

/// What was said by the stores that speak for one object.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    paths: &'a BTreeMap<Bytes, PathAnswer>,
    /// Changes of packages, oldest first.
    pub changes: &'a [PackageChange],
    /// What could not be read, if the store is not the host's.
    pub notes: &'a [String],
}

impl<'a> Said<'a> {
    /// What was said of a path.
    #[must_use]
    pub fn of(&self, path: &Bytes) -> Option<&'a PathAnswer> {
        self.paths.get(path)
    }
}

impl Answers {
    /// What the stores said that speak for an object: the host's for files of the host, and those of its own root for
    /// all others.
    #[must_use]
    pub fn for_object(&self, object: &Object) -> Option<Said<'_>> {
        if object.look.on_host {
            return Some(Said {
                paths: &self.paths,
                changes: &self.changes,
                notes: &[],
            });
        }
        let own = |root: &&RootAnswers| root.views.contains(&object.view);
        self.roots.iter().find(own).map(|root| Said {
            paths: &root.paths,
            changes: &root.changes,
            notes: &root.notes,
        })
    }
}

/// What the stores said about one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PathAnswer {
    /// Owned; several claims for files shared between architectures.
    Owned(Vec<Claim>),
    /// No package claims it.
    Unpackaged,
    /// A store could not be read, or a damaged record may hide the owner.
    Unknown(String),
}

/// One package's claim on a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The store: `dpkg`, `rpm`.
    pub backend: String,
    /// The package's name, without architecture.
    pub name: String,
    /// Its architecture.
    pub arch: String,
    /// The version installed now.
    pub version: String,
    /// Whether the file on disk has the digest that the package shipped; `None` if not compared.
    pub intact: Option<bool>,
}

/// One change of one package, as a log tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageChange {
    /// The store.
    pub backend: String,
    /// The package's name, without architecture.
    pub name: String,
    /// Its architecture, where the log tells.
    pub arch: Option<String>,
    /// When it began, by the wall clock of that moment.
    pub at: Timestamp,
    /// Version before.
    pub old: Option<String>,
    /// Version after.
    pub new: Option<String>,
}

/// The package behind a finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageFact {
    /// The store: `dpkg`, `rpm`.
    pub backend: String,
    /// Its name, without architecture.
    pub name: String,
    /// Its architecture.
    pub arch: String,
    /// The version that the running object came from, where a log tells.
    pub running_version: Option<String>,
    /// The version installed now; `None` if the package was removed since.
    pub installed_version: Option<String>,
}

/// Keys of JSON are text. A path that is no text is `base64:…`; no path begins so.
mod by_path {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::{BTreeMap, Bytes, PathAnswer};

    const PREFIX: &str = "base64:";

    pub(super) fn serialize<S: Serializer>(
        paths: &BTreeMap<Bytes, PathAnswer>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return paths.serialize(serializer);
        }
        let key = |path: &Bytes| match std::str::from_utf8(path.as_slice()) {
            Ok(text) if !text.starts_with(PREFIX) => text.to_owned(),
            _ => PREFIX.to_owned() + &STANDARD.encode(path.as_slice()),
        };
        serializer.collect_map(paths.iter().map(|(path, answer)| (key(path), answer)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Bytes, PathAnswer>, D::Error> {
        if !deserializer.is_human_readable() {
            return BTreeMap::deserialize(deserializer);
        }
        let path = |key: String| match key.strip_prefix(PREFIX) {
            Some(text) => STANDARD.decode(text).map(Bytes).map_err(D::Error::custom),
            None => Ok(Bytes::from(key.as_str())),
        };
        BTreeMap::<String, PathAnswer>::deserialize(deserializer)?
            .into_iter()
            .map(|(key, answer)| Ok((path(key)?, answer)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Compared, Device, Fresh, Look, WhyNot};

    fn object(view: u32, on_host: bool) -> Object {
        Object {
            view: ViewId(view),
            name: Bytes::from("/lib/x"),
            path: Some(Bytes::from("/lib/x")),
            device: Device::default(),
            inode: 1,
            look: Look {
                mapped: Err(WhyNot::NotRecorded),
                fresh: Fresh::Missing,
                mount: None,
                mounted: None,
                on_host,
                mapped_build_id: None,
                fresh_build_id: None,
                content: Compared::NotAsked,
                start_name: None,
            },
        }
    }

    fn said(why: &str) -> BTreeMap<Bytes, PathAnswer> {
        [(Bytes::from("/lib/x"), PathAnswer::Unknown(why.to_owned()))].into()
    }

    #[test]
    fn t8_19_each_root_speaks_for_itself() {
        let root = |views: &[u32], why: &str| RootAnswers {
            views: views.iter().copied().map(ViewId).collect(),
            paths: said(why),
            ..RootAnswers::default()
        };
        let answers = Answers {
            paths: said("host"),
            roots: vec![root(&[1, 3], "one"), root(&[2], "two")],
            ..Answers::default()
        };
        #[track_caller]
        fn check(answers: &Answers, view: u32, on_host: bool, whose: Option<&str>) {
            let object = object(view, on_host);
            let said = answers.for_object(&object);
            let answer = said.and_then(|said| said.of(object.path.as_ref()?));
            let unknown = whose.map(|whose| PathAnswer::Unknown(whose.to_owned()));
            assert_eq!(answer, unknown.as_ref());
        }
        check(&answers, 0, true, Some("host"));
        check(&answers, 1, true, Some("host")); // a service with private mounts, and a file of the host
        check(&answers, 1, false, Some("one"));
        check(&answers, 3, false, Some("one"));
        check(&answers, 2, false, Some("two"));
        check(&answers, 4, false, None);
        check(&answers, 0, false, None);
    }

    #[test]
    fn t8_19_answers_of_before_are_of_the_host_alone() {
        let text = r#"{"stores":["dpkg"],"paths":{},"changes":[],"files":{}}"#;
        let answers: Answers = serde_json::from_str(text).unwrap();
        assert_eq!(answers.roots, []);
        let again = serde_json::to_string(&answers).unwrap();
        assert_eq!(serde_json::from_str::<Answers>(&again).unwrap(), answers);
    }
}
