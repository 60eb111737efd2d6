//! What to do about what is stale. Pure: values in, plan out.
#![forbid(unsafe_code)]

mod policy;
mod reboot;
mod transaction;
mod unit;

use std::collections::BTreeMap;

use policy::{Subject, rule_for};

pub use reboot::{Evidence, reboot};
pub use transaction::{Situation, Wish, transaction};
use unit::Part;

use crate::model::{
    Action, Because, Facts, Item, Kind, Level, Owner, OwnerKind, Plan, Policy, RuleAction, Scope,
    StaleObject, StaleProcess, Timestamp, Units,
};

/// The process that keeps the PAM session of a user's manager open: no re-execution renews it.
const SD_PAM: &[u8] = b"(sd-pam)";

/// Why nothing is restarted that no rule names.
const NOT_LISTED: &str = "settings let only what a rule names be restarted, and none names it";

/// What the decision rests on, besides what is stale.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// What was seen: who is whose parent, which program runs.
    pub facts: &'a Facts,
    /// What the administrator wants.
    pub policy: &'a Policy,
    /// What service managers say of their units; `None` if nobody asked them.
    pub units: Option<&'a Units>,
    /// The time, for rules that end and for the ages of processes.
    pub now: Timestamp,
}

/// Decides for every owner of stale processes.
#[must_use]
pub fn plan(stale: Vec<StaleProcess>, case: &Case<'_>) -> Plan {
    let mut by_owner: BTreeMap<Owner, Vec<StaleProcess>> = BTreeMap::new();
    for process in stale {
        // A container is restarted as a whole, whatever runs in it.
        let owner = Owner {
            inner: None,
            ..process.owner.clone()
        };
        by_owner.entry(owner).or_default().push(process);
    }
    let trees = unit::Trees::of(case.facts);
    let mut plan = Plan::default();
    for (owner, mut processes) in by_owner {
        processes.sort_by_key(|process| process.key);
        for part in unit::parts(&owner, processes, case.units, &trees) {
            let (item, hidden) = item(&owner, part, case);
            let shelf = if hidden {
                &mut plan.hidden
            } else {
                &mut plan.items
            };
            shelf.push(item);
        }
    }
    // Stable: what a restart renews stays before what it leaves over.
    let order = |a: &Item, b: &Item| (a.action, &a.owner).cmp(&(b.action, &b.owner));
    plan.items.sort_by(order);
    plan.hidden.sort_by(order);
    plan
}

/// Decides for one owner, or for the part of its processes that shares a fate; and whether a rule hides it.
fn item(owner: &Owner, part: Part, case: &Case<'_>) -> (Item, bool) {
    let unit = case.units.and_then(|units| units.unit_of(owner));
    let rule = rule_for(
        case.policy,
        &Subject {
            owner,
            unit_names: unit.map_or(&[], |unit| unit.names.as_slice()),
            processes: &part.processes,
            main: None,
            now: case.now,
            facts: case.facts,
        },
    );
    let said = rule.map(|rule| {
        let why = rule.reason.clone();
        let rule_name = format!("policy.{}", rule.name);
        let because = Because {
            rule: rule_name,
            why,
        };
        (rule.action, because)
    });
    let hidden = rule.is_some_and(|rule| rule.action == RuleAction::Hide);
    let (action, because) = match (possible(&part.processes), said) {
        (_, Some((RuleAction::Hide, said))) => (Action::Leave, vec![said]),
        (Some((action, why)), _) => (action, vec![why]),
        (None, said) => decide(owner, &part, said, case),
    };
    let item = Item {
        action,
        level: level_of(action, &because, case.policy, owner.scope),
        owner: owner.clone(),
        because,
        processes: part.processes,
    };
    (item, hidden)
}

/// What is only possibly stale, or not by its content, asks for nothing.
fn possible(processes: &[StaleProcess]) -> Option<(Action, Because)> {
    let objects = || processes.iter().flat_map(|process| &process.objects);
    if objects().any(counts) {
        None
    } else if objects().any(|object| object.kind == Kind::Alternative) {
        Some(because(
            Action::Leave,
            "alternative",
            "what runs is still installed; only the system's choice among alternatives changed",
        ))
    } else {
        Some(because(
            Action::Leave,
            "possible",
            "it is not certain that the process has loaded what changed, or that its content did",
        ))
    }
}

/// Whether an object is a reason to renew what runs it.
fn counts(object: &StaleObject) -> bool {
    object.sure && object.kind != Kind::Alternative
}

/// What to do to an owner with stale code: by the rule that fits, where there is one, and by what its manager says.
fn decide(
    owner: &Owner,
    part: &Part,
    rule: Option<(RuleAction, Because)>,
    case: &Case<'_>,
) -> (Action, Vec<Because>) {
    let (action, because) = match &part.leftover {
        Some(why) => (Action::Defer, why.clone()),
        None if is_sd_pam(owner, &part.processes) => because(
            Action::Defer,
            "user-manager.sd-pam",
            "only its (sd-pam) helper is old: it ends with the user's last session, or, where the user lingers, when the manager is stopped",
        ),
        None if owner.kind == OwnerKind::ServiceManager && !case.facts.host.systemd => because(
            Action::Defer,
            "service-manager.no-reexec",
            "only systemd is re-executed from here: another first process is renewed by a reboot, that of sysvinit also by telinit u",
        ),
        None => unit::natural(owner, case.units),
    };
    match rule {
        // No rule makes a session or an orphan restartable, and what ends by itself needs no rule to wait for.
        None if acts(action) && case.policy.only_listed => {
            let (action, not_listed) =
                self::because(Action::Defer, "policy.not-listed", NOT_LISTED);
            (action, vec![not_listed])
        }
        None => (action, vec![because]),
        Some((RuleAction::Leave, said)) => (Action::Leave, vec![said]),
        Some((RuleAction::Defer, said)) if part.leftover.is_none() => {
            let manager = (!acts(action)).then_some(because);
            (
                Action::Defer,
                std::iter::once(said).chain(manager).collect(),
            )
        }
        Some((RuleAction::Restart, said)) if part.leftover.is_none() => {
            (action, vec![said, because])
        }
        Some(_) => (action, vec![because]),
    }
}

/// Whether anything is done by a program for it.
fn acts(action: Action) -> bool {
    matches!(
        action,
        Action::Restart | Action::Reexec | Action::RestartContainer | Action::RestartVm
    )
}

fn is_sd_pam(owner: &Owner, processes: &[StaleProcess]) -> bool {
    owner.kind == OwnerKind::UserManager
        && processes
            .iter()
            .all(|process| process.comm.as_slice() == SD_PAM)
}

/// How much has to be started anew for it.
fn level_of(action: Action, because: &[Because], policy: &Policy, scope: Scope) -> Level {
    let rule = because.first().map_or("", |because| because.rule.as_str());
    match (action, rule) {
        (Action::Leave, _) => Level::None,
        (_, "service-manager.no-reexec") => Level::Reboot,
        // No restart of a service renews these: whoever works with them has to end them.
        (Action::Relogin, _) | (_, "user-manager.sd-pam" | "app" | "leftover") => Level::Session,
        (Action::Defer, rule) => rule
            .strip_prefix("policy.")
            .and_then(|name| policy.rule_named(name))
            .map_or(Level::Service, |rule| match scope {
                Scope::System => rule.level,
                // What a user started ends with that user's sessions.
                Scope::User(_) => rule.level.min(Level::Session),
            }),
        _ => Level::Service,
    }
}

fn because(action: Action, rule: &str, why: &str) -> (Action, Because) {
    (
        action,
        Because {
            rule: rule.to_owned(),
            why: why.to_owned(),
        },
    )
}

#[cfg(test)]
mod tests;
