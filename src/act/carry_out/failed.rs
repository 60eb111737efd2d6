//! What failed so far, and what is not done because of that.

use std::collections::BTreeSet;

use crate::model::{Deed, Scope, Stage, Step};

#[derive(Debug, Default)]
pub(super) struct Failed {
    /// Failed steps: whose, of which stage, and their numbers.
    steps: Vec<(Option<Scope>, Stage, u32)>,
    /// Managers of users that failed: nothing more is asked of them.
    managers: BTreeSet<Scope>,
}

impl Failed {
    pub(super) fn add(&mut self, step: &Step) {
        match &step.deed {
            // What is wrong with one user's manager is nothing to the system's.
            Deed::Reload(scope @ Scope::User(_)) | Deed::Reexec(scope @ Scope::User(_)) => {
                self.managers.insert(*scope);
            }
            deed => self.steps.push((scope_of(deed), step.stage, step.number)),
        }
    }

    /// A manager did not answer. Whether it is not to be asked again: those of users wait for nobody.
    pub(super) fn silent(&mut self, scope: Scope) -> bool {
        let is_users = matches!(scope, Scope::User(_));
        if is_users {
            self.managers.insert(scope);
        }
        is_users
    }

    /// A manager did not do a thing in time.
    pub(super) fn too_late(&mut self, scope: Option<Scope>) {
        scope.map(|scope| self.silent(scope));
    }

    /// Why a step is not done after what failed.
    pub(super) fn why_not(&self, step: &Step) -> Option<String> {
        let scope = scope_of(&step.deed);
        if scope.is_some_and(|scope| self.managers.contains(&scope)) {
            return Some("the user's service manager failed before".to_owned());
        }
        let (_, _, number) = self.steps.iter().find(|(whose, stage, _)| {
            // A user decides what fails among his own services: it stops nobody else's.
            let concerns = !matches!(whose, Some(Scope::User(_))) || *whose == scope;
            concerns && stops(*stage, step)
        })?;
        Some(format!("step {number} failed before"))
    }
}

/// Whether what failed in a stage keeps a step from being done. Access to the machine is the last of the services, and no
/// stage that rests on them; in a stage, one failure is nothing to the others.
fn stops(failed: Stage, step: &Step) -> bool {
    match failed {
        Stage::Manager => true,
        Stage::Services => step.stage > Stage::Access,
        Stage::Access | Stage::Network | Stage::Guests => step.stage > failed,
    }
}

pub(crate) fn scope_of(deed: &Deed) -> Option<Scope> {
    match deed {
        Deed::Reload(scope) | Deed::Reexec(scope) | Deed::TryRestart { scope, .. } => Some(*scope),
        Deed::RestartService { .. } | Deed::Override { .. } => Some(Scope::System),
        Deed::Command { .. } => None,
    }
}
