//! What could not be looked at. The run goes on, the result is incomplete.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{Bytes, Escaped, Pid, WhyNot};

/// One thing that could not be looked at: never an error that stops the run, never passed over in silence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Problem {
    /// What was being done: `read maps`, `look at`, `read package list`.
    pub operation: String,
    /// On what.
    pub object: Bytes,
    /// For which process, if for one.
    pub pid: Option<Pid>,
    /// Why it did not work.
    pub why: WhyNot,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = Escaped(self.operation.as_bytes());
        write!(f, "cannot {operation} {}", self.object.escaped())?;
        if let Some(pid) = self.pid {
            write!(f, " of pid {pid}")?;
        }
        write!(f, ": {}", self.why)
    }
}

impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied => f.write_str("permission denied"),
            Self::MayHang(kind) => write!(
                f,
                "not touched, a {} file system may never answer",
                kind.escaped()
            ),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::OutsideView => f.write_str("it lies outside what the process can see"),
            Self::Vanished => f.write_str("the process ended or became another one meanwhile"),
            Self::NotRecorded => f.write_str("a recorded tree holds no objects to compare"),
            Self::Failed(what) => write!(f, "{}", Escaped(what.as_bytes())),
        }
    }
}
