//! Units of each manager by all their names, and what they pull along. Every walk ends, whatever circles units form.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::candidates::{Candidate, Target};
use crate::model::{Ancestor, Bytes, Owner, OwnerKind, Scope, UnitState, Units};

/// The most units that one restart of a user's unit takes along.
const PULLED_CAP: usize = 64;
/// And so many names are looked at for it: of units that are not up, or are named again and again.
const NAMED_CAP: usize = 4096;

/// More units than one restart of a user's unit may take along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

/// All managers that answered.
#[derive(Debug)]
pub(super) struct Graphs<'a> {
    by_scope: BTreeMap<Scope, HashMap<&'a str, &'a UnitState>>,
}

/// What a stop of a unit means for the asking process.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// Nothing.
    None,
    /// The asking process came from it, and survives.
    Above,
    /// It would end this one, which the asking process depends on.
    Kills(Bytes),
}

impl<'a> Graphs<'a> {
    pub(super) fn of(units: &'a Units) -> Self {
        let mut by_scope = BTreeMap::new();
        for managed in &units.managers {
            let Ok(state) = &managed.said else { continue };
            let mut names: HashMap<&str, &UnitState> = HashMap::new();
            for unit in &state.units {
                for alias in &unit.names {
                    names.entry(alias).or_insert(unit);
                }
            }
            // An id is what a unit is called, whatever others call themselves.
            for unit in &state.units {
                names.insert(&unit.id, unit);
            }
            by_scope.entry(managed.scope).or_insert(names);
        }
        Self { by_scope }
    }

    pub(super) fn unit(&self, scope: Scope, name: &str) -> Option<&'a UnitState> {
        self.by_scope.get(&scope)?.get(name).copied()
    }

    pub(super) fn state(&self, candidate: &Candidate) -> Option<&'a UnitState> {
        match &candidate.target {
            Target::Unit { scope, unit } => self.unit(*scope, unit),
            Target::Manager(_) | Target::OtherService(_) | Target::Command(_) => None,
        }
    }

    /// The id of the unit that an owner is or is made by, with the manager that knows it.
    pub(super) fn id_of(&self, owner: &Owner) -> Option<(Scope, String)> {
        let name = match (&owner.host_unit, owner.kind) {
            (Some(unit), _) => unit,
            (None, OwnerKind::Unit | OwnerKind::App) => &owner.name,
            (None, _) => return None,
        };
        let name = std::str::from_utf8(name.as_slice()).ok()?;
        let known = self.unit(owner.scope, name);
        let id = known.map_or_else(|| name.to_owned(), |unit| unit.id.clone());
        Some((owner.scope, id))
    }

    /// The ids of units that are up, and that a restart of this one restarts too; without itself. A manager passes a
    /// restart on to what is up alone (systemd.unit(5), `Requires=`, `BindsTo=`, `PartOf=`).
    ///
    /// # Errors
    /// A user's manager names more than anybody has: what it says must not cost others anything.
    pub(super) fn closure(&self, scope: Scope, unit: &str) -> Result<BTreeSet<String>, TooMany> {
        let mut found = BTreeSet::new();
        let mut named = 0;
        let mut next: Vec<&UnitState> = self.unit(scope, unit).into_iter().collect();
        while let Some(at) = next.pop() {
            for name in &at.pulled {
                named += 1;
                let is_users = scope != Scope::System;
                if is_users && named > NAMED_CAP {
                    return Err(TooMany);
                }
                let Some(pulled) = self.unit(scope, name).filter(|unit| unit.is_up()) else {
                    continue;
                };
                if pulled.id != unit && found.insert(pulled.id.clone()) {
                    next.push(pulled);
                }
                if is_users && found.len() > PULLED_CAP {
                    return Err(TooMany);
                }
            }
        }
        Ok(found)
    }

    pub(super) fn needs_reload(&self, scope: Scope, name: &str) -> bool {
        self.unit(scope, name)
            .is_some_and(|unit| unit.need_daemon_reload)
    }

    /// What a stop of a unit means for these processes (systemd.kill(5)).
    pub(super) fn relation(&self, scope: Scope, name: &str, ancestors: &[Ancestor]) -> Relation {
        let unit = self.unit(scope, name);
        let main = unit.and_then(|unit| unit.main_pid);
        let spares = unit.is_some_and(|unit| matches!(unit.kill_mode.as_str(), "process" | "none"));
        let mut relation = Relation::None;
        for ancestor in ancestors {
            let is_main = main == Some(ancestor.pid);
            let inside = self
                .id_of(&ancestor.owner)
                .is_some_and(|(of, id)| of == scope && id == name);
            // A login that PAM moved to a session's scope is still what its unit was started for (getty@.service): with the unit
            // it ends, and the session with it.
            let ends = match (is_main, inside) {
                (true, inside) => ancestor.is_self || !inside,
                (false, inside) => inside && !spares,
            };
            if ends {
                return Relation::Kills(ancestor.comm.clone());
            }
            if inside || is_main {
                relation = Relation::Above;
            }
        }
        relation
    }

    /// Where each unit comes in an order in which a unit stands behind all that it is `After=`; circles are cut at the
    /// first name. Units that are not asked for still hand the order on.
    pub(super) fn ranks(
        &self,
        wanted: &BTreeSet<(Scope, String)>,
    ) -> HashMap<(Scope, String), usize> {
        let mut ranks = HashMap::new();
        let mut seen: BTreeSet<(Scope, &str)> = BTreeSet::new();
        for (scope, name) in wanted {
            let Some(unit) = self.unit(*scope, name) else {
                continue;
            };
            if !seen.insert((*scope, &unit.id)) {
                continue;
            }
            // A stack of our own: a user's manager may know a chain of any length.
            let mut path = vec![(unit, unit.after.iter())];
            while let Some((at, after)) = path.last_mut() {
                let at = *at;
                let Some(name) = after.next() else {
                    ranks.insert((*scope, at.id.clone()), ranks.len());
                    path.pop();
                    continue;
                };
                if let Some(before) = self.unit(*scope, name)
                    && seen.insert((*scope, &before.id))
                {
                    path.push((before, before.after.iter()));
                }
            }
        }
        ranks
    }
}
