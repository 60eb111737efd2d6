//! What detector plugins said, as far as the host believes them: which files a process uses, and what it belongs to.

use serde::{Deserialize, Serialize};

use super::{Bytes, ObjectId, ProcessKey};

/// A file that a process runs although the kernel has no code of it mapped: a script, a module, an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The file, among the objects.
    pub object: ObjectId,
    /// What it is to the process.
    pub role: Role,
    /// How it is known that the process uses it.
    pub how: How,
    /// By what it can be judged.
    pub evidence: Evidence,
    /// Which plugin says so: index into [`Facts::plugins`](super::Facts::plugins).
    pub plugin: u32,
    /// The file that asks for it, if another one does.
    pub via: Option<Bytes>,
}

/// What a file is to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Its main program.
    Script,
    /// A module, library or included file.
    Module,
    /// An archive of such.
    Archive,
    /// A whole tree of which it runs one revision.
    Revision,
}

/// How it is known that a process uses a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// The process itself shows it.
    Loaded,
    /// Its sources say so.
    Imported,
    /// Its sources may do so.
    Possible,
}

/// By what a used file is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Evidence {
    /// The very object, which the process holds: against what is at its path now.
    Object,
    /// A path alone: by the times of the file there, and what the package store says.
    Path,
    /// A link that led elsewhere when the process started.
    Link,
}

/// The container, machine or app that a process is part of, as its own tools name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its name.
    pub name: Bytes,
    /// Its id.
    #[serde(default)]
    pub id: Option<Bytes>,
    /// Image, revision or commit.
    #[serde(default)]
    pub image: Option<Bytes>,
    /// Its pod.
    #[serde(default)]
    pub pod: Option<Bytes>,
    /// The project or namespace of its name.
    #[serde(default)]
    pub project: Option<Bytes>,
    /// On which side of its wall the process is.
    #[serde(default)]
    pub part: Part,
    /// Which way of restarting it fits, of those that the plugin's manifest has.
    #[serde(default)]
    pub restart: Option<String>,
}

/// Which side of an instance's wall a process is on.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Inside: it runs the instance's own files.
    #[default]
    Payload,
    /// Outside: it runs the host's files on behalf of the instance.
    Helper,
}

/// One plugin that had something to look at, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginRun {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it lies.
    pub path: Bytes,
    /// What it said of each process it looked at.
    pub looks: Vec<PluginLook>,
}

/// What a plugin said of one process, beside the files it uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginLook {
    /// Of which process.
    pub process: ProcessKey,
    /// For whoever asks for an explanation.
    pub notes: Vec<String>,
    /// What it could not look at, although it should have.
    pub unknown: Vec<String>,
    /// What it asked for and was not shown, and why.
    #[serde(default)]
    pub refused: Vec<(Bytes, String)>,
    /// What the process belongs to.
    pub instance: Option<Instance>,
    /// The words of the command that restarts the instance.
    pub restart: Option<Vec<String>>,
    /// Why its word on this process does not count, if it does not: it crashed, or did not answer.
    pub failed: Option<PluginFailure>,
}

/// How a plugin failed at a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginFailure {
    /// Why, in words.
    pub why: String,
    /// Which of its workers it was, counted over all plugins.
    pub worker: Option<u32>,
}
