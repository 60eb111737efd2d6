//! Packages as a bundle keeps them: answers of the stores to the questions that were asked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Bytes;

/// What the package stores said about the paths that matter. Part of a bundle, so that a judgement elsewhere needs no
/// database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    /// By path inside the host's root.
    pub paths: BTreeMap<Bytes, PathAnswer>,
    /// A transaction that is running or was broken off, in words, by store.
    pub unfinished: Vec<String>,
    /// Stores that were asked, by name; empty if no store was there or nothing had to be asked.
    pub stores: Vec<String>,
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
    /// The package.
    pub package: PackageFact,
    /// Whether the file on disk has the digest that the package shipped; `None` if not compared.
    pub intact: Option<bool>,
}

/// A package behind a finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
