//! What host and worker say to each other: one JSON object a line, over one stream in both directions.
//!
//! The host speaks first: [`ToWorker::Hello`], which is answered by [`FromWorker::Ready`]; then one
//! [`ToWorker::Inspect`] after the other. Until it says [`FromWorker::Done`], the worker may ask about files, one
//! question at a time, each answered by one [`ToWorker`] line; after [`ToWorker::Bytes`] so many raw bytes follow. What it
//! has found it says at any time, and no answer comes. The stream ends when there is nothing more to look at.
//!
//! Names, paths and arguments are strings where they are UTF-8, otherwise `{"base64": "…"}`. Unknown fields from the host
//! are to be passed over: later versions may add some.

use serde::{Deserialize, Serialize};
use unstale_plugin as plugin;

use crate::model::{Bytes, How, Instance, Part, Role};

/// So many `uses` lines are remembered by host and worker; later ones have no number.
pub const KNOWN_CAP: usize = 20_000;

/// Lines from the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToWorker {
    /// The beginning.
    Hello {
        /// `MAJOR.MINOR` of the ABI that the host speaks.
        abi: String,
        /// Options of the plugin from the configuration.
        options: Vec<(String, String)>,
    },
    /// Look at this process.
    Inspect(Box<Process>),
    /// Answer to `read`, `read_at` and `memory`: so many bytes follow the end of this line.
    Bytes(usize),
    /// Answer to `stat`.
    Stat(Stat),
    /// Answer to `list`.
    Entries(Vec<(Bytes, Kind)>),
    /// Answer to `read_link`.
    Link(Bytes),
    /// Answer to any question.
    Refused(Refused),
}

/// Lines from the worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromWorker {
    /// The plugin is loaded.
    Ready {
        /// Its name, as its manifest says.
        name: String,
    },
    /// The plugin cannot be used: why.
    Unusable(String),
    /// The content of a file.
    Read {
        /// In whose files.
        #[serde(default)]
        root: Root,
        /// Which.
        path: Bytes,
    },
    /// A part of a file.
    ReadAt {
        /// In whose files.
        #[serde(default)]
        root: Root,
        /// Which.
        path: Bytes,
        /// From where.
        offset: u64,
        /// How much.
        size: u32,
    },
    /// What is at a path.
    Stat {
        /// In whose files.
        #[serde(default)]
        root: Root,
        /// Which.
        path: Bytes,
    },
    /// The names in a directory.
    List {
        /// In whose files.
        #[serde(default)]
        root: Root,
        /// Which.
        path: Bytes,
    },
    /// The text of a link.
    ReadLink {
        /// In whose files.
        #[serde(default)]
        root: Root,
        /// Which.
        path: Bytes,
    },
    /// Memory of the process.
    Memory {
        /// From where.
        address: u64,
        /// How much.
        size: u32,
    },
    /// The process uses a file.
    Uses(Uses),
    /// The process uses these files too: the numbers of earlier `uses` lines of this worker, about whatever process, counted
    /// from 0 up to [`KNOWN_CAP`]. Processes that run the same program use the same files.
    Again(Vec<u32>),
    /// The process belongs to an instance.
    Instance(Instance),
    /// For whoever asks for an explanation.
    Note(String),
    /// What could not be looked at.
    Unknown(String),
    /// This process is done.
    Done {
        /// Its pid.
        pid: u32,
    },
    /// The plugin failed at this process (a panic, a negative answer): why. Nothing it said of it counts.
    Failed(String),
}

/// [`plugin::Process`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are those of the SDK")]
pub struct Process {
    pub pid: u32,
    pub uid: u32,
    pub view: u64,
    pub exe: Bytes,
    pub execfn: Option<Bytes>,
    pub argv: Vec<Bytes>,
    pub environ: Option<Vec<(Bytes, Bytes)>>,
    pub cwd: Option<Bytes>,
    pub cgroup: Bytes,
    pub code: Vec<Mapped>,
    pub held: Vec<Held>,
    pub container: Option<Container>,
}

/// [`plugin::Mapped`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are those of the SDK")]
pub struct Mapped {
    pub path: Bytes,
    pub start: u64,
}

/// [`plugin::Held`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are those of the SDK")]
pub struct Held {
    pub path: Bytes,
    pub by: Handle,
}

/// [`plugin::Handle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are those of the SDK")]
pub enum Handle {
    Descriptor(u32),
    Mapping(u64),
}

/// [`plugin::Container`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are those of the SDK")]
pub struct Container {
    pub runtime: String,
    pub id: Bytes,
    pub user: Option<u32>,
}

/// [`plugin::Root`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are those of the SDK")]
pub enum Root {
    #[default]
    Process,
    Host,
}

/// [`plugin::Kind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are those of the SDK")]
pub enum Kind {
    File,
    Directory,
    Link,
    Other,
}

/// [`plugin::Stat`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are those of the SDK")]
pub struct Stat {
    pub kind: Kind,
    pub size: u64,
    pub real_path: Bytes,
}

/// [`plugin::Refused`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are those of the SDK")]
pub enum Refused {
    Missing,
    WrongKind,
    Denied,
    TooLarge,
    Budget,
    NoAnswer,
    Failed,
}

impl Refused {
    /// For people.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Missing => "nothing is there",
            Self::WrongKind => "not of the kind that was asked for",
            Self::Denied => "denied",
            Self::TooLarge => "too large",
            Self::Budget => "too much was asked for",
            Self::NoAnswer => "no answer",
            Self::Failed => "it failed",
        }
    }
}

/// [`plugin::Used`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are those of the SDK")]
pub struct Uses {
    #[serde(flatten)]
    pub what: What,
    pub role: Role,
    pub how: How,
    #[serde(default)]
    pub via: Option<Bytes>,
}

/// [`plugin::What`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are those of the SDK")]
pub enum What {
    File(Bytes),
    Descriptor(u32),
    Mapping(u64),
    Link {
        #[serde(default)]
        root: Root,
        link: Bytes,
        was: Bytes,
    },
}

/// Both ways between a word of the wire and the same word of the SDK.
macro_rules! same_words {
    ($($name:ident { $($word:ident),* })*) => { $(
        impl From<plugin::$name> for $name {
            fn from(word: plugin::$name) -> Self {
                match word { $(plugin::$name::$word => Self::$word),* }
            }
        }
        impl From<$name> for plugin::$name {
            fn from(word: $name) -> Self {
                match word { $($name::$word => Self::$word),* }
            }
        }
    )* };
}

same_words! {
    Root { Process, Host }
    Kind { File, Directory, Link, Other }
    Refused { Missing, WrongKind, Denied, TooLarge, Budget, NoAnswer, Failed }
    Role { Script, Module, Archive, Revision }
    How { Loaded, Imported, Possible }
    Part { Payload, Helper }
}

impl From<plugin::Handle> for Handle {
    fn from(handle: plugin::Handle) -> Self {
        match handle {
            plugin::Handle::Descriptor(number) => Self::Descriptor(number),
            plugin::Handle::Mapping(start) => Self::Mapping(start),
        }
    }
}
