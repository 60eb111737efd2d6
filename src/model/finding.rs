//! Verdicts on objects, and findings on processes.

use serde::{Deserialize, Serialize};

use super::{ObjectId, ProcessKey, WhyNot};

/// What an object is, compared with what a fresh start would get.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// A fresh open of its path gives this very object, unchanged.
    Current,
    /// Another object is at the path, but it is the same code.
    SameCode(Basis),
    /// Stale, for this reason.
    Stale(Kind),
    /// Excluded by rule: not code that a fresh start would load from a file.
    NotJudged(Rule),
    /// Could not be told. Never counted as stale, never as current.
    Unknown(WhyNot),
}

/// How an object is stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// A file with other code is at its path now.
    Replaced,
    /// No file is at its path any more.
    Gone,
    /// The object itself was changed after the process started: it may run a mix of old and new bytes.
    Overwritten,
    /// The object was renamed, and other code is where it was started or loaded from.
    PathChanged,
    /// Its file system is no longer mounted where the process sees it.
    Detached,
    /// The system's choice among alternatives is another program now; what runs is still installed and unchanged.
    Alternative,
    /// A script or module changed after the process that runs it had started.
    Script,
    /// An archive of code changed after the process that runs it had started.
    Archive,
    /// The process runs one revision of an image, and another one is the current one.
    Revision,
}

/// Why two different objects count as the same code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Basis {
    /// Byte for byte.
    Bytes,
    /// Every loadable ELF segment.
    Segments,
    /// The build-id alone, because the bytes could not be read.
    BuildId,
    /// The object was changed in its attributes only, or its content is what its package shipped.
    Attributes,
    /// A script's package was installed again in the same version, and the file is as that shipped it.
    Reinstalled,
}

/// Rules by which a mapped object is not judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Rule {
    /// The kernel's own memory: memfd, System V segment, shared anonymous memory.
    KernelMemory,
    /// Not a regular file: a device, an anonymous inode.
    NotAFile,
    /// A file that never had a name (O_TMPFILE).
    NeverNamed,
    /// A temporary file that the running program made itself, mapped, and removed.
    OwnTemporaryFile,
    /// A file of an image that the program mounted for itself (AppImage).
    OwnImage,
}

/// One stale (or merely notable) object in one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// In which process.
    pub process: ProcessKey,
    /// Which object.
    pub object: ObjectId,
    /// Whether it is the program itself.
    pub program: bool,
    /// Which of [`Process::sources`](super::Process::sources) it is about, if it is not about mapped code.
    pub source: Option<u32>,
    /// Whether the process runs the file beyond doubt, and its change is one of content.
    pub sure: bool,
    /// The verdict.
    pub verdict: Verdict,
}
