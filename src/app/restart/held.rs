//! What a plan asks for, and whoever asks may not do.

use crate::model::{Because, Deed, Held, Scope, Step, Transaction};

/// Without root's rights, a user's own manager is all that may be asked: the rest is held back, and said.
pub(super) fn without_rights(mut transaction: Transaction, euid: u32) -> Transaction {
    if euid == 0 {
        return transaction;
    }
    let (steps, others): (Vec<Step>, Vec<Step>) = transaction
        .steps
        .into_iter()
        .partition(|step| is_own(&step.deed, euid));
    let held = others.into_iter().flat_map(|step| step.owners);
    transaction.held.extend(held.map(|owner| Held {
        owner,
        because: vec![Because {
            rule: "privilege".to_owned(),
            why: "root is needed".to_owned(),
        }],
    }));
    transaction.steps = steps;
    transaction
}

fn is_own(deed: &Deed, euid: u32) -> bool {
    match deed {
        Deed::Reload(scope) | Deed::Reexec(scope) | Deed::TryRestart { scope, .. } => {
            *scope == Scope::User(euid)
        }
        Deed::RestartService { .. } | Deed::Override { .. } | Deed::Command { .. } => false,
    }
}
