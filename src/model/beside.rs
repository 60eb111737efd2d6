//! What is asked of processes only for those who talk as other programs do: no verdict rests on it.

use serde::{Deserialize, Serialize};

use super::{Bytes, ProcessKey};

/// What was seen of one process besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    /// Which process.
    pub process: ProcessKey,
    /// The script that its program interprets, as its arguments name it.
    pub script: Option<NamedScript>,
    /// Removed files that it holds without having code of them mapped, each name once.
    pub removed: Vec<Removed>,
}

/// A script that is an argument of a process, and is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedScript {
    /// The argument, a path in the root of the process.
    pub path: Bytes,
    /// The same without symbolic links.
    pub real: Bytes,
}

/// A file without a name that a process holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Removed {
    /// The kernel's name for it, with ` (deleted)`.
    pub name: Bytes,
    /// The same as a path in the root of the process, without that; `None` if it is no path there.
    pub path: Option<Bytes>,
}
