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

/// What is done to processes that are closed to the reader, and how those of others are called.
const LOOK_INTO: &str = "look into";
const OF_OTHERS: &str = "processes of other users";
/// What is done to processes of which nobody says how many they are.
const SEE: &str = "see";

impl Problem {
    /// So many processes of others are closed to a reader who is not root: that is remarkable of each for root alone.
    #[must_use]
    pub fn of_others(count: usize) -> Self {
        Self {
            operation: LOOK_INTO.to_owned(),
            object: Bytes::from(format!("{count} {OF_OTHERS}").as_str()),
            pid: None,
            why: WhyNot::Denied,
        }
    }

    /// Processes are hidden from the reader, and nobody says how many: by `what`.
    #[must_use]
    pub fn hidden(what: &str) -> Self {
        Self {
            operation: SEE.to_owned(),
            object: Bytes::from(what),
            pid: None,
            why: WhyNot::Denied,
        }
    }

    /// How many processes it is about, none where nobody can say; `None` if it is not about processes.
    #[must_use]
    pub fn processes(&self) -> Option<usize> {
        if self.pid.is_some() {
            return Some(1);
        }
        let object = std::str::from_utf8(self.object.as_slice()).unwrap_or_default();
        match self.operation.as_str() {
            LOOK_INTO => object.strip_suffix(OF_OTHERS)?.trim_end().parse().ok(),
            SEE => Some(0),
            _ => None,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_counted() {
        let check = |problem: &Problem, expected| assert_eq!(problem.processes(), expected);
        check(&Problem::of_others(57), Some(57));
        check(&Problem::hidden("processes that are hidden"), Some(0));
        let one = Problem {
            pid: Some(7),
            ..Problem::of_others(57)
        };
        check(&one, Some(1));
        let store = Problem {
            operation: "look into".to_owned(),
            object: Bytes::from("/var/lib/rpm"),
            pid: None,
            why: WhyNot::Denied,
        };
        check(&store, None);
        let line = Problem::of_others(57).to_string();
        assert_eq!(
            line,
            "cannot look into 57 processes of other users: permission denied"
        );
    }
}
