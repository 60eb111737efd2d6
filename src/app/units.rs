//! Asks service managers about the units that matter: those that processes with old code run in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use super::assess;
use crate::act::services::{self, ServiceManager};
use crate::bundle::Bundle;
use crate::model::{Managed, ManagerState, OwnerKind, Scope, Units};

/// All managers of users together; each is a program of its user's.
const USERS_LIMIT: Duration = Duration::from_secs(15);

/// More names are not handed to a program: all units are asked for then.
const NAMES_CAP: usize = 512;

/// What the managers say of the units that a bundle of this machine is about; `None` if it is about none, or if none
/// runs that knows units.
pub(super) fn ask(bundle: &Bundle) -> Option<Units> {
    let mut manager = services::find(Path::new("/")).ok().flatten()?;
    let concerned = concerned(bundle);
    if concerned.is_empty() {
        return None;
    }
    let say = |scope, names: &BTreeSet<String>| match names.len() {
        0..=NAMES_CAP => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            manager.describe_some(scope, &names)
        }
        _ => manager.describe(scope),
    };
    Some(ask_each(&concerned, say))
}

/// The same of all units of these managers: those that would go down with others, too.
pub(super) fn ask_all(bundle: &Bundle, manager: &mut dyn ServiceManager) -> Units {
    ask_each(&concerned(bundle), |scope, _| manager.describe(scope))
}

fn ask_each(
    concerned: &BTreeMap<Scope, BTreeSet<String>>,
    mut say: impl FnMut(Scope, &BTreeSet<String>) -> Result<ManagerState, String>,
) -> Units {
    let end = Instant::now() + USERS_LIMIT;
    let answer = |(&scope, names): (&Scope, &BTreeSet<String>)| Managed {
        scope,
        said: match scope {
            Scope::User(_) if Instant::now() > end => {
                Err("the managers of other users took too long".to_owned())
            }
            _ => say(scope, names),
        },
    };
    Units {
        managers: concerned.iter().map(answer).collect(),
    }
}

/// Whose managers are concerned, and the units. Details are kept of processes that matter alone, so nothing stale is
/// nobody asked.
fn concerned(bundle: &Bundle) -> BTreeMap<Scope, BTreeSet<String>> {
    let mut concerned: BTreeMap<Scope, BTreeSet<String>> = BTreeMap::new();
    for owner in assess::owners(&bundle.facts) {
        let unit = match (owner.host_unit, owner.kind) {
            (Some(unit), _) => Some(unit),
            (None, OwnerKind::Unit | OwnerKind::App) => Some(owner.name),
            (None, OwnerKind::UserManager | OwnerKind::ServiceManager) => None,
            (None, _) => continue,
        };
        let name = unit.and_then(|unit| String::from_utf8(unit.as_slice().to_owned()).ok());
        concerned.entry(owner.scope).or_default().extend(name);
    }
    concerned
}
