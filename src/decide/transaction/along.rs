//! What a restart takes along: whether that may be restarted too, and whose stale code it renews. Each unit is judged once, however
//! many others take it along.

use std::collections::{BTreeSet, HashMap};

use super::Situation;
use super::candidates::{Verdict, cap_of, class_of, needed, verdict};
use super::graph::Graphs;
use crate::decide::policy::{Subject, rule_for};
use crate::decide::unit;
use crate::model::{
    Action, Class, Item, Owner, OwnerKind, Plan, RuleAction, Scope, Timestamp, UnitState,
};

/// Stale units, and those that were judged.
#[derive(Debug)]
pub(super) struct Along<'a> {
    situation: &'a Situation<'a>,
    graphs: &'a Graphs<'a>,
    /// What is stale, by the unit that it runs in; without what is left over of earlier runs.
    stale: HashMap<(Scope, String), Vec<&'a Item>>,
    judged: HashMap<(Scope, String), Option<String>>,
}

impl<'a> Along<'a> {
    pub(super) fn of(plan: &'a Plan, situation: &'a Situation<'a>, graphs: &'a Graphs<'a>) -> Self {
        let mut stale: HashMap<(Scope, String), Vec<&Item>> = HashMap::new();
        for item in plan.items.iter().filter(|item| !item.is_leftover()) {
            if let Some(unit) = graphs.id_of(&item.owner) {
                stale.entry(unit).or_default().push(item);
            }
        }
        Self {
            situation,
            graphs,
            stale,
            judged: HashMap::new(),
        }
    }

    /// Owners of stale code among units that are pulled along.
    pub(super) fn owners(&self, scope: Scope, pulled: &BTreeSet<String>) -> BTreeSet<Owner> {
        let stale = pulled.iter().flat_map(|name| self.stale_in(scope, name));
        stale.map(|item| item.owner.clone()).collect()
    }

    /// Why a unit must not be restarted because of another one; `None` if it may be.
    pub(super) fn why_not(&mut self, scope: Scope, name: &str) -> Option<String> {
        let key = (scope, name.to_owned());
        if let Some(known) = self.judged.get(&key) {
            return known.clone();
        }
        let why = self.judge(scope, name);
        self.judged.insert(key, why.clone());
        why
    }

    fn stale_in(&self, scope: Scope, name: &str) -> &[&'a Item] {
        let found = self.stale.get(&(scope, name.to_owned()));
        found.map_or(&[], Vec::as_slice)
    }

    fn judge(&self, scope: Scope, name: &str) -> Option<String> {
        match name.rsplit('.').next().unwrap_or_default() {
            "service" => {}
            "socket" | "timer" | "path" => return None,
            // A restart is a start too, and a target starts all that it wants (systemd.unit(5), `Wants=`).
            "target" => {
                return Some(
                    "with it, all that belongs to it and was stopped would be started".to_owned(),
                );
            }
            "mount" | "automount" | "swap" | "device" => {
                return Some(
                    "what is stored there would go away under those that use it".to_owned(),
                );
            }
            _ => return Some("it holds programs that would not come back".to_owned()),
        }
        if scope == Scope::System && name.starts_with("user@") {
            return Some("all that runs for a user would end".to_owned());
        }
        let state = self.graphs.unit(scope, name);
        let stale = self.stale_in(scope, name);
        let mut certain = stale.iter().filter(|item| !is_uncertain(item)).peekable();
        if certain.peek().is_none() {
            let owner = Owner::new(OwnerKind::Unit, name, scope);
            if let Some(why) = self.held_though_current(&owner, state) {
                return Some(why);
            }
        }
        for item in certain {
            let because = match verdict(item, self.situation, self.graphs) {
                Verdict::Free => continue,
                Verdict::Waits(because) if because.is_not_asked() => continue,
                Verdict::Waits(because) => Some(because),
                Verdict::Never(because) => because.or_else(|| item.because.last().cloned()),
            };
            return because.map(|because| because.why);
        }
        unit::obstacle_to_pull(state?).map(|because| because.why)
    }

    /// What holds back a unit that is not stale: policy, or what settings say of guests. What is only hidden may be restarted.
    fn held_though_current(&self, owner: &Owner, state: Option<&UnitState>) -> Option<String> {
        let situation = self.situation;
        let subject = Subject {
            owner,
            unit_names: state.map_or(&[], |unit| unit.names.as_slice()),
            processes: &[],
            main: state.and_then(|unit| unit.main_pid),
            now: Timestamp {
                secs: situation.now_us.div_euclid(1_000_000),
                nanos: 0,
            },
            facts: situation.facts,
        };
        match rule_for(situation.policy, &subject).map(|rule| (rule.action, rule)) {
            Some((RuleAction::Restart, _)) => return None,
            Some((RuleAction::Defer | RuleAction::Leave, rule)) => {
                return Some(rule.reason.clone());
            }
            None if situation.policy.only_listed => {
                return Some(crate::decide::NOT_LISTED.to_owned());
            }
            Some((RuleAction::Hide, _)) | None => {}
        }
        let guest = class_of(owner) == Some(Class::Container);
        let allowed = cap_of(Class::Container, situation) >= needed(false, situation);
        (guest && !allowed).then(|| "the container in it would go down".to_owned())
    }
}

/// What may not even be stale holds back no more than what is not.
fn is_uncertain(item: &Item) -> bool {
    let rule = item.because.first().map(|because| because.rule.as_str());
    item.action == Action::Leave && matches!(rule, Some("possible" | "alternative"))
}
