//! What users are told whose sessions run old code. Each is told of own processes alone.

use std::collections::{BTreeMap, BTreeSet};

use super::Assessment;
use crate::model::{Device, Item, Level, Owner, OwnerKind, ProcessKey, Scope, StaleProcess};

/// A person wants to know which programs, not all of them.
const NAMED: usize = 10;

/// What one user is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Whom.
    pub uid: u32,
    /// The session, or what else of the user's it is about.
    pub owner: Owner,
    /// The session's id, if it is about one alone.
    pub session: Option<String>,
    /// The terminals of the processes.
    pub terminals: Vec<Device>,
    /// The processes.
    pub processes: Vec<ProcessKey>,
    /// One line that says it.
    pub summary: String,
    /// Lines that say what.
    pub details: Vec<String>,
}

/// What there is to tell, a word for each user.
#[must_use]
pub fn words(assessment: &Assessment<'_>) -> Vec<Word> {
    let mut of_user: BTreeMap<u32, Vec<&Item>> = BTreeMap::new();
    for item in &assessment.plan.items {
        if let (Level::Session, Scope::User(uid)) = (item.level, item.owner.scope) {
            of_user.entry(uid).or_default().push(item);
        }
    }
    let host = assessment.bundle.facts.host.reader_pid_ns;
    of_user
        .into_iter()
        .filter_map(|(uid, items)| word(assessment, uid, &items, host))
        .collect()
}

fn word(assessment: &Assessment<'_>, uid: u32, items: &[&Item], host: Option<u64>) -> Option<Word> {
    let processes: Vec<&StaleProcess> = items.iter().flat_map(|item| &item.processes).collect();
    let names: BTreeSet<String> = processes
        .iter()
        .map(|process| process.comm.escaped().to_string())
        .collect();
    let sessions: BTreeSet<&Owner> = items
        .iter()
        .map(|item| &item.owner)
        .filter(|owner| owner.kind == OwnerKind::Session)
        .collect();
    let session = match sessions.first() {
        Some(owner) if sessions.len() == 1 => Some(owner.name.escaped().to_string()),
        _ => None,
    };
    let details = |process: &&StaleProcess| {
        let process = assessment.process(process.key)?;
        let details = process.details.as_ref()?;
        // A terminal's number means another terminal in a container.
        let is_of_host = details.namespaces.pid == host;
        details.tty.filter(|_| is_of_host)
    };
    let mut terminals: Vec<Device> = processes.iter().filter_map(details).collect();
    terminals.sort_unstable();
    terminals.dedup();
    let mut keys: Vec<ProcessKey> = processes.iter().map(|process| process.key).collect();
    keys.sort_unstable();
    let more = names.len().saturating_sub(NAMED);
    let named: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
    let rest = if more == 0 {
        String::new()
    } else {
        format!(" and {more} more")
    };
    Some(Word {
        uid,
        owner: items.first()?.owner.clone(),
        session,
        terminals,
        processes: keys,
        summary: "Software was upgraded: please log out and in again when it suits you.".to_owned(),
        details: vec![format!(
            "These programs of yours still run code from before: {}{rest}.",
            named.join(", ")
        )],
    })
}
