//! Which processes a question is about.

use std::collections::HashMap;

use super::assess::owner_of;
use crate::bundle::Bundle;
use crate::model::{
    Answers, Bytes, Facts, Owner, OwnerKind, PathAnswer, Pid, Process, ProcessKey, WhyNot,
};

/// What somebody asks about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// A process.
    Pid(Pid),
    /// A file, as processes see it.
    Path(Bytes),
    /// A unit, container or session; otherwise a package.
    Name(String),
}

impl Target {
    /// Tells them apart by form.
    pub(super) fn parse(text: &str) -> Self {
        match text.parse() {
            Ok(pid) => Self::Pid(pid),
            Err(_) if text.starts_with('/') => Self::Path(Bytes::from(text)),
            Err(_) => Self::Name(text.to_owned()),
        }
    }

    /// The package that it may be.
    pub(super) fn package(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Pid(_) | Self::Path(_) => None,
        }
    }
}

/// The processes that a question is about.
pub(super) fn select(bundle: &Bundle, target: &Target) -> Vec<ProcessKey> {
    select_from(&bundle.facts, &bundle.answers, target)
}

/// As [`select`]. A name is a unit's if any has it, with or without its suffix, and otherwise a package's.
pub(super) fn select_from(facts: &Facts, answers: &Answers, target: &Target) -> Vec<ProcessKey> {
    let by_pid: HashMap<Pid, &Process> = facts
        .processes
        .iter()
        .map(|process| (process.key.pid, process))
        .collect();
    let keys = |is_meant: &dyn Fn(&Process) -> bool| -> Vec<ProcessKey> {
        facts
            .processes
            .iter()
            .filter(|process| is_meant(process))
            .map(|process| process.key)
            .collect()
    };
    match target {
        Target::Pid(pid) => keys(&|process| process.key.pid == *pid),
        Target::Path(path) => keys(&|process| maps_any(facts, process, std::slice::from_ref(path))),
        Target::Name(name) => {
            let of_unit = keys(&|process| is_called(&owner_of(facts, process, &by_pid), name));
            if !of_unit.is_empty() {
                return of_unit;
            }
            let mut files = answers.files.get(name).cloned().unwrap_or_default();
            // A bundle was not asked about this package, but holds the owners of all that is stale.
            let owned = answers
                .paths
                .iter()
                .filter(|(_, answer)| is_claimed(answer, name));
            files.extend(owned.map(|(path, _)| path.clone()));
            let of_package = keys(&|process| {
                maps_any(facts, process, &files) || has_foreign(facts, answers, process, name)
            });
            if !of_package.is_empty() {
                return of_package;
            }
            keys(&|process| process.comm.as_slice() == name.as_bytes())
        }
    }
}

/// Whether a target that was not found may be there all the same, among what could not be looked at.
pub(super) fn may_be_hidden(facts: &Facts, target: &Target) -> bool {
    let is_seen = |pid: Pid| facts.processes.iter().any(|process| process.key.pid == pid);
    facts
        .problems
        .iter()
        .any(|problem| match (target, problem.pid) {
            (Target::Pid(wanted), Some(pid)) => *wanted == pid,
            // Others are told how many, not which.
            (Target::Pid(_), None) => problem.why == WhyNot::Denied,
            (Target::Path(_) | Target::Name(_), Some(pid)) => {
                problem.why == WhyNot::Denied || !is_seen(pid)
            }
            (Target::Path(_), None) => problem.why == WhyNot::Denied,
            // A package store that is damaged, too.
            (Target::Name(_), None) => true,
        })
}

fn is_called(owner: &Owner, name: &str) -> bool {
    let own = owner.name.as_slice();
    let with_suffix = |suffix: &str| own.strip_suffix(suffix.as_bytes()) == Some(name.as_bytes());
    match owner.kind {
        OwnerKind::Process => false,
        // sshd is an alias of ssh.service on Debian; the program's name finds it below.
        OwnerKind::Unit => {
            own == name.as_bytes() || with_suffix(".service") || with_suffix(".scope")
        }
        OwnerKind::Container(_) => {
            own == name.as_bytes() || (name.len() >= 12 && own.starts_with(name.as_bytes()))
        }
        _ => own == name.as_bytes(),
    }
}

fn is_claimed(answer: &PathAnswer, name: &str) -> bool {
    match answer {
        PathAnswer::Owned(claims) => claims.iter().any(|claim| claim.name == name),
        PathAnswer::Unpackaged | PathAnswer::Unknown(_) => false,
    }
}

fn maps_any(facts: &Facts, process: &Process, paths: &[Bytes]) -> bool {
    process.uses.iter().any(|one| {
        let object = facts.objects.get(one.object.0 as usize);
        object.is_some_and(|object| {
            object
                .path
                .as_ref()
                .is_some_and(|path| paths.iter().any(|one| is_same_path(one, path)))
        })
    })
}

/// Whether a process has a file that a package of that name claims below the process's own root.
fn has_foreign(facts: &Facts, answers: &Answers, process: &Process, name: &str) -> bool {
    let objects = process.uses.iter().filter_map(|one| {
        let object = facts.objects.get(one.object.0 as usize)?;
        (!object.look.on_host).then_some(object)
    });
    let mut answers = objects.filter_map(|object| {
        let said = answers.for_object(object)?;
        said.of(object.path.as_ref()?)
    });
    answers.any(|answer| is_claimed(answer, name))
}

/// A package may list `/lib/x` for what the kernel calls `/usr/lib/x`.
fn is_same_path(listed: &Bytes, path: &Bytes) -> bool {
    path == listed || path.as_slice().strip_prefix(b"/usr") == Some(listed.as_slice())
}
