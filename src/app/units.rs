//! Asks service managers about the units that matter: those that processes with old code run in.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use super::assess;
use crate::act::services;
use crate::bundle::Bundle;
use crate::model::{Managed, OwnerKind, Scope, Units};

/// All managers of users together; each is a program of its user's.
const USERS_LIMIT: Duration = Duration::from_secs(15);

/// What the managers say of the units that a bundle of this machine is about; `None` if it is about none, or if none
/// runs that knows units.
pub(super) fn ask(bundle: &Bundle) -> Option<Units> {
    let mut manager = services::find(Path::new("/")).ok().flatten()?;
    let scopes = scopes(bundle);
    if scopes.is_empty() {
        return None;
    }
    let end = Instant::now() + USERS_LIMIT;
    let answer = |scope| Managed {
        scope,
        said: match scope {
            Scope::User(_) if Instant::now() > end => {
                Err("the managers of other users took too long".to_owned())
            }
            _ => manager.describe(scope),
        },
    };
    Some(Units {
        managers: scopes.into_iter().map(answer).collect(),
    })
}

/// Whose managers are concerned. Details are kept of processes that matter alone, so nothing stale is nobody asked.
fn scopes(bundle: &Bundle) -> BTreeSet<Scope> {
    let owners = assess::owners(&bundle.facts);
    let is_managed = |kind| {
        matches!(
            kind,
            OwnerKind::Unit | OwnerKind::App | OwnerKind::UserManager | OwnerKind::ServiceManager
        )
    };
    let concerned = owners.filter(|owner| is_managed(owner.kind) || owner.host_unit.is_some());
    concerned.map(|owner| owner.scope).collect()
}
