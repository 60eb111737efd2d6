//! What a person names on the command line → whose stale code is meant.

use super::Found;
use crate::act::services::ServiceManager;
use crate::app::talk;
use crate::decide::Wish;
use crate::error::Error;
use crate::model::{Item, Owner, OwnerKind, Package, Plan, Scope, UnitState, Units};
use crate::report::Assessment;

/// So many parts of a unit are named.
const NAMED: usize = 8;

/// What is meant; `None` if nothing was named, and all is.
///
/// # Errors
/// [`Error::NoSuchTarget`]: nobody knows that name. What runs no old code is said, and no error.
pub(super) fn selected(
    names: &[String],
    assessment: &Assessment<'_>,
    manager: &mut Found,
) -> Result<Option<Wish>, Error> {
    if names.is_empty() {
        return Ok(None);
    }
    let mut wish = Wish::default();
    for name in names {
        let unit = match manager {
            Ok(Some(manager)) => unit_of(manager.as_mut(), name),
            Ok(None) | Err(_) => None,
        };
        let asked = Asked {
            name,
            unit: unit.as_ref(),
            units: assessment.bundle.units.as_ref(),
        };
        match asked.meant(&assessment.plan) {
            Meant::Owners(found) => found.into_iter().for_each(|(owner, by)| match by {
                By::Name => wish.choose(owner),
                By::Package => wish.mean(owner),
            }),
            Meant::Nothing(why) => talk(&why),
            Meant::Unknown => return Err(Error::NoSuchTarget(name.clone())),
        }
    }
    Ok(Some(wish))
}

/// A unit of the system's manager, by any of its names, with or without its suffix.
fn unit_of(manager: &mut dyn ServiceManager, name: &str) -> Option<UnitState> {
    let service = format!("{name}.service");
    [name, &service].into_iter().find_map(|name| {
        let state = manager.unit(Scope::System, name).ok()?;
        (!state.load.is_empty() && state.load != "not-found").then_some(state)
    })
}

/// A name, and what the managers say of it.
struct Asked<'a> {
    name: &'a str,
    /// The unit that the system's manager knows by it: `sshd.service` may be another name of `ssh.service`.
    unit: Option<&'a UnitState>,
    units: Option<&'a Units>,
}

/// What is meant by a name.
#[derive(Debug, PartialEq, Eq)]
enum Meant {
    /// What these own.
    Owners(Vec<(Owner, By)>),
    /// Nothing that could be restarted, and why.
    Nothing(String),
    /// Nobody knows.
    Unknown,
}

/// What of something was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// It itself: its unit, its container.
    Name,
    /// A package whose old code it runs. That says nothing of when it may be interrupted.
    Package,
}

impl Asked<'_> {
    fn meant(&self, plan: &Plan) -> Meant {
        let found = plan.items.iter();
        let found = found.filter_map(|item| Some((item.owner.clone(), self.is_meant(item)?)));
        let owners: Vec<(Owner, By)> = found.collect();
        if !owners.is_empty() {
            return Meant::Owners(owners);
        }
        let name = self.name;
        if let Some(item) = plan
            .hidden
            .iter()
            .find(|item| self.is_meant(item).is_some())
        {
            let rule = item.because.first().map_or("", |because| &because.rule);
            return Meant::Nothing(format!("{name} runs old code, which the rule {rule} hides"));
        }
        let Some(unit) = self.unit else {
            return Meant::Unknown;
        };
        let parts = parts(unit, plan);
        Meant::Nothing(match &parts[..] {
            [] => format!("{name} runs no old code"),
            parts => format!(
                "{name} itself runs no old code, but what goes down with it does: name {}",
                listed(parts)
            ),
        })
    }

    fn is_meant(&self, item: &Item) -> Option<By> {
        let name = self.name.as_bytes();
        let fits = |text: &[u8]| text == name || text.strip_suffix(b".service") == Some(name);
        let owner = &item.owner;
        let own = owner.host_unit.as_ref().unwrap_or(&owner.name);
        // What a user's manager calls its units otherwise is that user's to choose.
        let of_system = owner.scope == Scope::System
            && (owner.kind == OwnerKind::Unit || owner.host_unit.is_some());
        let known = self.units.and_then(|units| units.unit_of(owner));
        let known = known.filter(|_| of_system);
        let by_alias = || {
            let is_it = |unit: &&UnitState| own.as_slice() == unit.id.as_bytes();
            let same = self.unit.filter(|_| of_system).filter(is_it).is_some();
            same || known.is_some_and(|unit| unit.names.iter().any(|name| fits(name.as_bytes())))
        };
        let mut instances = item
            .processes
            .iter()
            .filter_map(|one| one.instance.as_ref());
        let mut objects = item.processes.iter().flat_map(|one| &one.objects);
        if fits(owner.name.as_slice())
            || fits(own.as_slice())
            || by_alias()
            || instances.any(|instance| instance.name.as_slice() == name)
        {
            Some(By::Name)
        } else if objects.any(|object| is_of(&object.package, self.name)) {
            Some(By::Package)
        } else {
            None
        }
    }
}

/// What runs old code among the units that go down with one: `postgresql@15-main.service` with `postgresql.service`.
fn parts(unit: &UnitState, plan: &Plan) -> Vec<String> {
    let is_part = |item: &&Item| {
        let owner = &item.owner;
        let mut pulled = unit.pulled.iter();
        (owner.kind, owner.scope) == (OwnerKind::Unit, Scope::System)
            && pulled.any(|name| owner.name.as_slice() == name.as_bytes())
    };
    let names = plan.items.iter().filter(is_part);
    let mut names: Vec<String> = names
        .map(|item| item.owner.name.escaped().to_string())
        .collect();
    names.dedup();
    names
}

fn listed(names: &[String]) -> String {
    let shown = &names[..names.len().min(NAMED)];
    match names.len() - shown.len() {
        0 => shown.join(" "),
        more => format!("{} and {more} more", shown.join(" ")),
    }
}

fn is_of(package: &Package, name: &str) -> bool {
    match package {
        Package::Known(facts) => facts.iter().any(|fact| fact.name == name),
        Package::None | Package::Unknown => false,
    }
}

#[cfg(test)]
mod tests;
