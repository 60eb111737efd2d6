//! Who was told of which processes: nobody hears the same twice.

use std::collections::{BTreeMap, BTreeSet};

use crate::act::journal::{Runs, RunsError};
use crate::model::{ProcessKey, StartTicks};

const TOLD: &str = "told";
/// Of more processes of one user nothing is remembered: the user is told again.
const KEYS_CAP: usize = 4096;

/// What each user was told of, by uid.
#[derive(Debug, Default)]
pub struct Memory(BTreeMap<u32, BTreeSet<ProcessKey>>);

impl Memory {
    /// What is remembered since the start of the machine.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn read(runs: &Runs) -> Result<Self, RunsError> {
        let text = runs.directory().look(TOLD)?;
        Ok(text.map_or_else(Self::default, |text| parse_told(&text.bytes)))
    }

    /// Whether there is anything among these that the user has not heard of.
    #[must_use]
    pub fn is_news(&self, uid: u32, processes: &[ProcessKey]) -> bool {
        let told = self.0.get(&uid);
        processes
            .iter()
            .any(|key| !told.is_some_and(|told| told.contains(key)))
    }

    /// Keeps that a user was told of these and of no others: those that ended are forgotten.
    pub fn keep(&mut self, uid: u32, processes: &[ProcessKey]) {
        let kept = processes.iter().copied().take(KEYS_CAP).collect();
        self.0.insert(uid, kept);
    }

    /// Writes it down.
    ///
    /// # Errors
    /// What cannot be written.
    pub fn write(&self, runs: &Runs) -> Result<(), RunsError> {
        let line = |(uid, keys): (&u32, &BTreeSet<ProcessKey>)| {
            let keys = keys
                .iter()
                .map(|key| format!(" {}:{}", key.pid, key.started.0));
            format!("{uid}{}\n", keys.collect::<String>())
        };
        let text: String = self.0.iter().map(line).collect();
        Ok(runs.directory().replace(TOLD, text.as_bytes())?)
    }
}

/// `1000 4711:998877 4712:998890`, a line each user; others are passed over.
fn parse_told(text: &[u8]) -> Memory {
    let text = String::from_utf8_lossy(text);
    Memory(text.lines().filter_map(of_line).collect())
}

fn of_line(line: &str) -> Option<(u32, BTreeSet<ProcessKey>)> {
    let mut words = line.split(' ');
    let uid = words.next()?.parse().ok()?;
    let key = |word: &str| {
        let (pid, started) = word.split_once(':')?;
        Some(ProcessKey {
            pid: pid.parse().ok()?,
            started: StartTicks(started.parse().ok()?),
        })
    };
    Some((uid, words.filter_map(key).collect()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn key(pid: u32) -> ProcessKey {
        ProcessKey {
            pid,
            started: StartTicks(u64::from(pid) * 10),
        }
    }

    #[test]
    fn what_was_told_is_no_news() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("run")).unwrap();
        let uid = rustix::process::geteuid().as_raw();
        let Ok(runs) = Runs::make(root.path(), uid) else {
            // Only root keeps its runs below a root of its own.
            return;
        };
        let mut memory = Memory::read(&runs).unwrap();
        assert!(memory.is_news(7, &[key(1)]));
        memory.keep(7, &[key(1), key(2)]);
        memory.write(&runs).unwrap();
        let memory = Memory::read(&runs).unwrap();
        assert!(!memory.is_news(7, &[key(2)]));
        assert!(memory.is_news(7, &[key(2), key(3)]));
        assert!(memory.is_news(8, &[key(1)]));
        assert!(!memory.is_news(7, &[]));
    }

    #[test]
    fn lines_that_are_none_are_passed_over() {
        let memory = parse_told(b"x\n7 1:10 2 :3 4:y\n\n8\n");
        assert!(!memory.is_news(7, &[key(1)]));
        assert!(memory.is_news(7, &[key(4)]));
        assert!(!memory.is_news(8, &[]));
    }
}
