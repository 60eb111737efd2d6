//! What a person names on the command line → whose stale code is meant.

use std::collections::BTreeSet;

use super::Found;
use crate::act::services::ServiceManager;
use crate::app::talk;
use crate::error::Error;
use crate::model::{Item, Owner, Package, Scope};
use crate::report::Assessment;

/// The owners that are meant; `None` if nothing was named, and all are.
///
/// # Errors
/// [`Error::NoSuchTarget`]: nobody knows that name. What runs no old code is said, and no error.
pub(super) fn selected(
    names: &[String],
    assessment: &Assessment<'_>,
    manager: &mut Found,
) -> Result<Option<BTreeSet<Owner>>, Error> {
    if names.is_empty() {
        return Ok(None);
    }
    let mut owners = BTreeSet::new();
    for name in names {
        let items = assessment.plan.items.iter();
        let found: Vec<&Item> = items.filter(|item| is_meant(item, name)).collect();
        if !found.is_empty() {
            owners.extend(found.iter().map(|item| item.owner.clone()));
            continue;
        }
        let is_unit = match manager {
            Ok(Some(manager)) => is_unit(manager.as_mut(), name),
            Ok(None) | Err(_) => false,
        };
        let is_package = is_package(assessment, name);
        if !is_unit && !is_package {
            return Err(Error::NoSuchTarget(name.clone()));
        }
        talk(&format!("{name} runs no old code"));
    }
    Ok(Some(owners))
}

fn is_meant(item: &Item, name: &str) -> bool {
    let fits = |text: &[u8]| {
        text == name.as_bytes() || text.strip_suffix(b".service") == Some(name.as_bytes())
    };
    let owner = &item.owner;
    let by_owner =
        fits(owner.name.as_slice()) || owner.host_unit.as_ref().is_some_and(|u| fits(u.as_slice()));
    by_owner
        || item.processes.iter().any(|process| {
            let instance = process.instance.as_ref();
            instance.is_some_and(|instance| instance.name.as_slice() == name.as_bytes())
                || process
                    .objects
                    .iter()
                    .any(|object| is_of(&object.package, name))
        })
}

fn is_of(package: &Package, name: &str) -> bool {
    match package {
        Package::Known(facts) => facts.iter().any(|fact| fact.name == name),
        Package::None | Package::Unknown => false,
    }
}

fn is_package(assessment: &Assessment<'_>, name: &str) -> bool {
    let hidden = assessment.plan.hidden.iter();
    hidden
        .flat_map(|item| &item.processes)
        .flat_map(|process| &process.objects)
        .any(|object| is_of(&object.package, name))
}

fn is_unit(manager: &mut dyn ServiceManager, name: &str) -> bool {
    let service = format!("{name}.service");
    [name, &service].into_iter().any(|name| {
        let state = manager.unit(Scope::System, name);
        state.is_ok_and(|state| !state.load.is_empty() && state.load != "not-found")
    })
}
