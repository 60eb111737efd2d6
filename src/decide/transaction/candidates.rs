//! What may be restarted at all: by policy, by what its manager says, by the settings for its class, by what a person chose.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::Graphs;
use super::{Situation, held_by};
use crate::decide::policy::{Subject, rule_for};
use crate::decide::{acts, unit};
use crate::model::{
    Action, Because, Class, Deed, Held, Item, Mode, Owner, OwnerKind, Plan, Policy, RuleAction,
    Scope, Timestamp,
};

/// What an action is aimed at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    /// A manager.
    Manager(Scope),
    /// A unit, by its id.
    Unit { scope: Scope, unit: String },
    /// A service of another manager.
    OtherService(String),
    /// The words of a command.
    Command(Vec<String>),
}

/// Something to be restarted, and for whom.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) target: Target,
    pub(super) class: Class,
    pub(super) owners: Vec<Owner>,
    pub(super) because: Vec<Because>,
}

impl Candidate {
    /// Whose manager has to do it; `None` for a command of its own.
    pub(super) fn manager(&self) -> Option<Scope> {
        match &self.target {
            Target::Manager(scope) | Target::Unit { scope, .. } => Some(*scope),
            Target::OtherService(_) => Some(Scope::System),
            Target::Command(_) => None,
        }
    }

    /// Whether it is a unit or a manager that can say something.
    pub(super) fn needs_answer(&self) -> bool {
        matches!(self.target, Target::Manager(_) | Target::Unit { .. })
    }

    /// The unit that is restarted.
    pub(super) fn unit(&self) -> Option<(Scope, String)> {
        match &self.target {
            Target::Unit { scope, unit } => Some((*scope, unit.clone())),
            Target::Manager(_) | Target::OtherService(_) | Target::Command(_) => None,
        }
    }

    pub(super) fn deed(&self, situation: &Situation<'_>) -> Deed {
        let has_override = |name: &String| situation.overrides.contains(name);
        match &self.target {
            Target::Manager(scope) => Deed::Reexec(*scope),
            // A user may call a unit what an administrator's file is called: those files run as root.
            Target::Unit {
                scope: Scope::System,
                unit,
            } if has_override(unit) => Deed::Override { name: unit.clone() },
            Target::Unit { scope, unit } => Deed::TryRestart {
                scope: *scope,
                unit: unit.clone(),
            },
            Target::OtherService(name) if has_override(name) => {
                Deed::Override { name: name.clone() }
            }
            Target::OtherService(name) => Deed::RestartService { name: name.clone() },
            Target::Command(argv) => Deed::Command { argv: argv.clone() },
        }
    }
}

/// What stands against one item.
enum Verdict {
    /// Nothing.
    Free,
    /// Policy, or that nobody asked for it: the step that restarts what is around it renews it all the same.
    Waits(Because),
    /// Something that no wish lifts.
    Never(Option<Because>),
}

/// Candidates, and what is held back already.
pub(super) fn of(plan: &Plan, situation: &Situation<'_>) -> (Vec<Candidate>, Vec<Held>) {
    let graphs = Graphs::of(situation.units);
    let mut held = Vec::new();
    let mut groups: BTreeMap<Target, Vec<(&Item, Verdict)>> = BTreeMap::new();
    for item in &plan.items {
        match target(item, &graphs) {
            Ok(target) => {
                let verdict = verdict(item, situation);
                groups.entry(target).or_default().push((item, verdict));
            }
            Err(because) => held.push(hold(item, because)),
        }
    }
    let mut candidates = Vec::new();
    for (target, group) in groups {
        let (candidate, rest) = settle(target, group);
        candidates.extend(candidate);
        held.extend(rest);
    }
    (candidates, held)
}

/// One action for all that one target renews: a machine and the unit around it are one.
fn settle(target: Target, group: Vec<(&Item, Verdict)>) -> (Option<Candidate>, Vec<Held>) {
    let is_guest = |item: &Item| {
        matches!(
            class_of(&item.owner),
            Some(Class::Container | Class::VirtualMachine)
        )
    };
    let guest_waits = group
        .iter()
        .any(|(item, verdict)| is_guest(item) && !matches!(verdict, Verdict::Free));
    let leader = group
        .iter()
        .filter(|(_, verdict)| matches!(verdict, Verdict::Free))
        .max_by_key(|(item, _)| is_guest(item))
        .map(|(item, _)| *item);
    let leader = leader.filter(|_| !guest_waits);
    let class = leader.and_then(|item| class_of(&item.owner));
    let (mut owners, mut held) = (Vec::new(), Vec::new());
    for (item, verdict) in group {
        match verdict {
            Verdict::Free | Verdict::Waits(_) if leader.is_some_and(|leader| leader != item) => {
                // Shipped policy holds back the units around guests for the guests' sake; here those are allowed.
                if is_guest(item)
                    || leader.is_some_and(is_guest)
                    || matches!(verdict, Verdict::Free)
                {
                    owners.push(item.owner.clone());
                } else if let Verdict::Waits(because) = verdict {
                    held.push(hold(item, Some(because)));
                }
            }
            Verdict::Free if leader.is_some() => owners.push(item.owner.clone()),
            Verdict::Free => {
                let why = "a container or machine in it is not to be restarted";
                held.push(hold(item, Some(held_by("mode", why))));
            }
            Verdict::Waits(because) => held.push(hold(item, Some(because))),
            Verdict::Never(because) => held.push(hold(item, because)),
        }
    }
    let candidate = leader.zip(class).map(|(item, class)| Candidate {
        target,
        class,
        owners,
        because: item.because.clone(),
    });
    (candidate, held)
}

fn hold(item: &Item, because: Option<Because>) -> Held {
    let mut all = item.because.clone();
    // Policy's own reason is in it already.
    let known = |because: &Because| all.iter().any(|one| one.rule == because.rule);
    let more = because.filter(|because| !known(because));
    all.extend(more);
    Held {
        owner: item.owner.clone(),
        because: all,
    }
}

/// What an action on an item is aimed at; what stands against any, with a reason where the item has none.
fn target(item: &Item, graphs: &Graphs<'_>) -> Result<Target, Option<Because>> {
    let owner = &item.owner;
    let no_command = |why: &str| Err(Some(held_by("no-command", why)));
    if let Some((scope, unit)) = graphs.id_of(owner) {
        let is_service = unit.ends_with(".service") && owner.kind != OwnerKind::App;
        return if is_service {
            Ok(Target::Unit { scope, unit })
        } else {
            Err(None)
        };
    }
    match owner.kind {
        OwnerKind::ServiceManager => Ok(Target::Manager(Scope::System)),
        OwnerKind::UserManager => Ok(Target::Manager(owner.scope)),
        OwnerKind::OtherService => match std::str::from_utf8(owner.name.as_slice()) {
            Ok(name) => Ok(Target::OtherService(name.to_owned())),
            Err(_) => no_command("its name is no text"),
        },
        OwnerKind::Container(_) | OwnerKind::VirtualMachine(_) => match item.restart_command() {
            Some(argv) if argv.first().is_some_and(|word| word.starts_with('/')) => {
                Ok(Target::Command(argv.to_vec()))
            }
            Some(_) => no_command("the command that would restart it is no absolute path"),
            None => no_command("no plugin knows a command that restarts it"),
        },
        OwnerKind::Unit | OwnerKind::App | OwnerKind::Session | OwnerKind::Process => Err(None),
    }
}

/// What stands against an item: policy and its manager, then the settings for its class, then what was asked for.
fn verdict(item: &Item, situation: &Situation<'_>) -> Verdict {
    let chosen = situation.is_chosen(&item.owner);
    if !acts(item.action) {
        if item.action != Action::Defer {
            return Verdict::Never(None);
        }
        let overridden = is_overridden(&item.owner, situation);
        let mut by_policy = None;
        for because in &item.because {
            match blocks(because, situation.policy) {
                Block::No => {}
                Block::Policy if chosen => {}
                Block::Policy => by_policy = Some(because.clone()),
                Block::Refuses if overridden => {}
                Block::Refuses | Block::Other => return Verdict::Never(None),
            }
        }
        if let Some(because) = by_policy {
            return Verdict::Waits(because);
        }
    }
    if let Some(because) = capped(item, chosen, situation) {
        return Verdict::Never(Some(because));
    }
    if situation.selected.is_some() && !chosen {
        return Verdict::Waits(held_by("not-asked", "it was not asked for"));
    }
    Verdict::Free
}

/// What a reason of a deferred item means.
enum Block {
    No,
    Policy,
    Refuses,
    Other,
}

fn blocks(because: &Because, policy: &Policy) -> Block {
    match because.rule.as_str() {
        "unit.refuses" => Block::Refuses,
        "unit" | "user-unit" | "service" | "container" | "virtual-machine" | "service-manager"
        | "user-manager" => Block::No,
        rule => match rule.strip_prefix("policy.") {
            None => Block::Other,
            Some(name) => match policy.rule_named(name).map(|rule| rule.action) {
                Some(RuleAction::Restart) => Block::No,
                Some(RuleAction::Defer) | None => Block::Policy,
                Some(RuleAction::Leave | RuleAction::Hide) => Block::Other,
            },
        },
    }
}

/// Whether an administrator has a way of their own to restart it.
fn is_overridden(owner: &Owner, situation: &Situation<'_>) -> bool {
    let name = owner.host_unit.as_ref().unwrap_or(&owner.name);
    let name = std::str::from_utf8(name.as_slice());
    owner.scope == Scope::System && name.is_ok_and(|name| situation.overrides.contains(name))
}

/// Whether settings let less be done for its class than the run would do.
fn capped(item: &Item, chosen: bool, situation: &Situation<'_>) -> Option<Because> {
    let class = class_of(&item.owner)?;
    let guest = matches!(class, Class::Container | Class::VirtualMachine);
    let default = if guest { Mode::List } else { Mode::Auto };
    let cap = situation.modes.get(&class).copied().unwrap_or(default);
    // Who only looks sees what could be done; who chose it was asked.
    let needed = match situation.mode {
        Mode::List => Mode::Ask,
        _ if chosen => Mode::Ask,
        mode => mode,
    };
    if cap >= needed || guest && is_selected_by_rule(item, situation.policy) {
        return None;
    }
    let word = class.word();
    let why = match cap {
        Mode::List => format!("settings let a {word} only be listed"),
        _ => format!("settings let a {word} be restarted only if somebody chooses it"),
    };
    Some(held_by("mode", &why))
}

/// Whether a rule that names guests wants this one to be restarted.
fn is_selected_by_rule(item: &Item, policy: &Policy) -> bool {
    item.because.iter().any(|because| {
        let name = because.rule.strip_prefix("policy.");
        let rule = name.and_then(|name| policy.rule_named(name));
        rule.is_some_and(|rule| {
            rule.action == RuleAction::Restart && !rule.selectors.containers.is_empty()
        })
    })
}

/// What kind of thing an owner is to settings; `None` for what nothing restarts.
pub(super) fn class_of(owner: &Owner) -> Option<Class> {
    match (owner.kind, owner.scope) {
        (OwnerKind::ServiceManager, _) => Some(Class::ServiceManager),
        (OwnerKind::UserManager, _) => Some(Class::UserManager),
        (OwnerKind::Unit, Scope::User(_)) => Some(Class::UserService),
        (OwnerKind::Unit, Scope::System) | (OwnerKind::OtherService, _) => Some(Class::Service),
        (OwnerKind::Container(_), _) => Some(Class::Container),
        (OwnerKind::VirtualMachine(_), _) => Some(Class::VirtualMachine),
        (OwnerKind::Session | OwnerKind::App | OwnerKind::Process, _) => None,
    }
}

/// Whether the asking process runs in one of these.
pub(super) fn runs_us(candidate: &Candidate, situation: &Situation<'_>) -> bool {
    // Managers keep what they run.
    let keeps = matches!(candidate.target, Target::Manager(_));
    let mut owners = situation.ancestors.iter().map(|ancestor| Owner {
        inner: None,
        ..ancestor.owner.clone()
    });
    !keeps && owners.any(|owner| candidate.owners.contains(&owner))
}

/// Owners of stale code among units that are pulled along.
pub(super) fn stale_among<'p>(
    pulled: &'p BTreeSet<String>,
    scope: Scope,
    plan: &'p Plan,
    graphs: &'p Graphs<'_>,
) -> impl Iterator<Item = Owner> + 'p {
    let is_pulled = move |item: &&Item| {
        let unit = graphs.id_of(&item.owner);
        unit.is_some_and(|(of, id)| of == scope && pulled.contains(&id)) && !is_leftover(item)
    };
    let items = plan.items.iter().filter(is_pulled);
    items.map(|item| item.owner.clone())
}

fn is_leftover(item: &Item) -> bool {
    item.because
        .iter()
        .any(|because| because.rule == "leftover")
}

/// Why a unit must not be restarted because of another one; `None` if it may be.
pub(super) fn why_not_pulled(
    scope: Scope,
    name: &str,
    plan: &Plan,
    situation: &Situation<'_>,
    graphs: &Graphs<'_>,
) -> Option<String> {
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
            return Some("what is stored there would go away under those that use it".to_owned());
        }
        _ => return Some("it holds programs that would not come back".to_owned()),
    }
    if scope == Scope::System && name.starts_with("user@") {
        return Some("all that runs for a user would end".to_owned());
    }
    let is_it = |item: &&Item| {
        graphs
            .id_of(&item.owner)
            .is_some_and(|(of, id)| of == scope && id == name)
    };
    let mut stale = plan
        .items
        .iter()
        .filter(is_it)
        .filter(|item| !is_leftover(item))
        .peekable();
    if stale.peek().is_none() {
        let owner = Owner::new(OwnerKind::Unit, name, scope);
        if let Some(why) = policy_holds(&owner, situation, graphs) {
            return Some(why);
        }
    }
    for item in stale {
        let because = match verdict(item, situation) {
            Verdict::Free => continue,
            Verdict::Waits(because) if because.rule == "not-asked" => continue,
            Verdict::Waits(because) => Some(because),
            Verdict::Never(because) => because.or_else(|| item.because.last().cloned()),
        };
        return because.map(|because| because.why);
    }
    let state = graphs.unit(scope, name)?;
    unit::obstacle_to_pull(state).map(|because| because.why)
}

/// Why policy holds back a unit that is not stale. What is only hidden may be restarted.
fn policy_holds(owner: &Owner, situation: &Situation<'_>, graphs: &Graphs<'_>) -> Option<String> {
    let unit = graphs
        .id_of(owner)
        .and_then(|(scope, id)| graphs.unit(scope, &id));
    let subject = Subject {
        owner,
        unit_names: unit.map_or(&[], |unit| unit.names.as_slice()),
        processes: &[],
        now: Timestamp {
            secs: situation.now_us.div_euclid(1_000_000),
            nanos: 0,
        },
        facts: situation.facts,
    };
    match rule_for(situation.policy, &subject) {
        Some(rule) => match rule.action {
            RuleAction::Restart | RuleAction::Hide => None,
            RuleAction::Defer | RuleAction::Leave => Some(rule.reason.clone()),
        },
        None if situation.policy.only_listed => {
            Some("settings let only what a rule names be restarted, and none names it".to_owned())
        }
        None => None,
    }
}

/// Whether the rule of that name names a unit.
pub(super) fn is_named_by(policy: &Policy, rule: &str, unit: &str) -> bool {
    let rule = policy.rule_named(rule);
    rule.is_some_and(|rule| {
        let mut patterns = rule.selectors.units.iter();
        patterns.any(|pattern| pattern.matches(unit.as_bytes()))
    })
}
