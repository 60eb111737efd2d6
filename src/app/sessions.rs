//! Tells users that their sessions run old code: each once about the same processes.

use std::path::Path;
use std::time::{Duration, Instant};

use super::accounts;
use crate::act::journal::Runs;
use crate::act::notify::{self, Memory, Message, Ways};
use crate::config::{Settings, Sources};
use crate::model::Record;
use crate::report::{self, Assessment};

/// All users together: whose desktop or mail does not answer keeps the others waiting, and a run from its end.
const LIMIT: Duration = Duration::from_secs(30);

/// Where an administrator's own ways are, below the directory of settings.
const DROP_INS: &str = "notify.d";

/// Tells all who have not heard of it yet, and says whom and how.
pub(super) fn tell(assessment: &Assessment<'_>, settings: &Settings, runs: &Runs) -> Vec<Record> {
    // Told twice is better than never.
    let mut memory = Memory::read(runs).unwrap_or_default();
    let mut words = report::sessions::words(assessment);
    words.retain(|word| memory.is_news(word.uid, &word.processes));
    if words.is_empty() {
        return Vec::new();
    }
    let accounts = accounts::read(Path::new("/"));
    let euid = rustix::process::geteuid().as_raw();
    let drop_ins = Sources::of_machine(euid).etc.join(DROP_INS);
    let ways = Ways {
        terminal: settings.notify.terminal,
        desktop: settings.notify.desktop,
        mail: settings.notify.mail,
        drop_ins: &drop_ins,
    };
    let mut records = Vec::new();
    let end = Instant::now() + LIMIT;
    for word in words {
        if Instant::now() >= end {
            // Not kept in memory: the next run tries again.
            records.push(Record::Told {
                owner: word.owner,
                ways: Vec::new(),
                failed: vec!["telling the others took too long".to_owned()],
            });
            continue;
        }
        memory.keep(word.uid, &word.processes);
        let message = Message {
            uid: word.uid,
            account: accounts.iter().find(|one| one.uid == word.uid).cloned(),
            session: word.session,
            terminals: word.terminals,
            summary: word.summary,
            details: word.details,
        };
        let told = notify::tell(&message, &ways);
        records.push(Record::Told {
            owner: word.owner,
            ways: told.ways,
            failed: told.failed,
        });
    }
    if let Err(error) = memory.write(runs) {
        records.push(Record::Note(format!("users may be told again: {error}")));
    }
    records
}
