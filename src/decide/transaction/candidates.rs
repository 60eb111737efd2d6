//! What may be restarted at all: by policy, by what its manager says, by the settings for its class, by what a person chose.

use std::collections::BTreeMap;

use super::graph::Graphs;
use super::{Situation, held_by, not_asked};
use crate::decide::acts;
use crate::model::{
    Action, Because, Class, Deed, Held, Item, Mode, Owner, OwnerKind, Plan, Policy, RuleAction,
    Scope,
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

    pub(super) fn deed(&self, situation: &Situation<'_>, graphs: &Graphs<'_>) -> Deed {
        match &self.target {
            Target::Manager(scope) => Deed::Reexec(*scope),
            Target::Unit { scope, unit } => match override_of(*scope, unit, situation, graphs) {
                Some(name) => Deed::Override { name },
                None => Deed::TryRestart {
                    scope: *scope,
                    unit: unit.clone(),
                },
            },
            Target::OtherService(name) if situation.overrides.contains(name) => {
                Deed::Override { name: name.clone() }
            }
            Target::OtherService(name) => Deed::RestartService { name: name.clone() },
            Target::Command(argv) => Deed::Command { argv: argv.clone() },
        }
    }
}

/// The administrator's own way to restart a unit, by any of its names: a file for `sshd.service` means `ssh.service` where that is
/// the unit's other name. A user may call a unit what such a file is called: those files run as root.
fn override_of(
    scope: Scope,
    unit: &str,
    situation: &Situation<'_>,
    graphs: &Graphs<'_>,
) -> Option<String> {
    if scope != Scope::System {
        return None;
    }
    let state = graphs.unit(scope, unit);
    let aliases = state.map_or(&[][..], |state| &state.names);
    let names = std::iter::once(unit).chain(aliases.iter().map(String::as_str));
    let mut ours = names.filter(|&name| situation.overrides.contains(name));
    ours.next().map(str::to_owned)
}

/// What stands against one item.
pub(super) enum Verdict {
    /// Nothing.
    Free,
    /// Policy, or that nobody asked for it: the step that restarts what is around it renews it all the same.
    Waits(Because),
    /// Something that no wish lifts.
    Never(Option<Because>),
}

/// Candidates, and what is held back already.
pub(super) fn of(
    plan: &Plan,
    situation: &Situation<'_>,
    graphs: &Graphs<'_>,
) -> (Vec<Candidate>, Vec<Held>) {
    let mut held = Vec::new();
    let mut groups: BTreeMap<Target, Vec<(&Item, Verdict)>> = BTreeMap::new();
    for item in &plan.items {
        match target(item, graphs) {
            Ok(target) => {
                let verdict = verdict(item, situation, graphs);
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
    let is_guest = |item: &Item| class_of(&item.owner).is_some_and(is_guest);
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
    Held {
        owner: item.owner.clone(),
        because: reasons(&item.because, because),
    }
}

/// The reasons of what is held: what decides first, then what else the item has to say. That it could be restarted is no reason.
pub(super) fn reasons(own: &[Because], deciding: Option<Because>) -> Vec<Because> {
    let Some(deciding) = deciding else {
        return own.to_vec();
    };
    let more = own.iter().filter(|one| one.rule != deciding.rule);
    let more = more.filter(|one| !is_natural(&one.rule));
    std::iter::once(&deciding).chain(more).cloned().collect()
}

/// Whether a reason says no more than by whom something can be restarted.
fn is_natural(rule: &str) -> bool {
    matches!(
        rule,
        "unit"
            | "user-unit"
            | "service"
            | "container"
            | "virtual-machine"
            | "service-manager"
            | "user-manager"
    )
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
        // Its name is that user's to choose, and means nothing to the system's manager.
        OwnerKind::OtherService if owner.scope != Scope::System => Err(None),
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
pub(super) fn verdict(item: &Item, situation: &Situation<'_>, graphs: &Graphs<'_>) -> Verdict {
    let chosen = situation.is_chosen(&item.owner);
    if !acts(item.action) {
        if item.action != Action::Defer {
            return Verdict::Never(None);
        }
        let unit = graphs.id_of(&item.owner);
        let own_way = unit.and_then(|(scope, unit)| override_of(scope, &unit, situation, graphs));
        let mut by_policy = None;
        for because in &item.because {
            match blocks(because, situation.policy) {
                Block::No => {}
                Block::Policy if chosen => {}
                Block::Policy => by_policy = Some(because.clone()),
                Block::Refuses if own_way.is_some() => {}
                // The rule that comes first was lifted.
                Block::Refuses | Block::Other if chosen => {
                    return Verdict::Never(Some(because.clone()));
                }
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
    if situation.is_not_asked(&item.owner) {
        return Verdict::Waits(not_asked());
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
        rule if is_natural(rule) => Block::No,
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

/// Whether settings let less be done for its class than the run would do.
fn capped(item: &Item, chosen: bool, situation: &Situation<'_>) -> Option<Because> {
    let class = class_of(&item.owner)?;
    let cap = cap_of(class, situation);
    if cap >= needed(chosen, situation)
        || is_guest(class) && is_selected_by_rule(item, situation.policy)
    {
        return None;
    }
    let word = class.word();
    let why = match cap {
        Mode::List => format!("settings let a {word} only be listed"),
        _ => format!("settings let a {word} be restarted only if somebody chooses it"),
    };
    Some(held_by("mode", &why))
}

fn is_guest(class: Class) -> bool {
    matches!(class, Class::Container | Class::VirtualMachine)
}

/// The most that settings let be done for a class.
pub(super) fn cap_of(class: Class, situation: &Situation<'_>) -> Mode {
    let default = if is_guest(class) {
        Mode::List
    } else {
        Mode::Auto
    };
    situation.modes.get(&class).copied().unwrap_or(default)
}

/// What a class must be let for this run. Who only looks sees what could be done; who chose it was asked.
pub(super) fn needed(chosen: bool, situation: &Situation<'_>) -> Mode {
    match situation.mode {
        Mode::List => Mode::Ask,
        _ if chosen => Mode::Ask,
        mode => mode,
    }
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
        (OwnerKind::Unit | OwnerKind::OtherService, Scope::User(_)) => Some(Class::UserService),
        (OwnerKind::Unit, Scope::System) if owner.nspawn_machine().is_some() => {
            Some(Class::Container)
        }
        (OwnerKind::Unit | OwnerKind::OtherService, Scope::System) => Some(Class::Service),
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

/// Whether the rule of that name names a unit.
pub(super) fn is_named_by(policy: &Policy, rule: &str, unit: &str) -> bool {
    let rule = policy.rule_named(rule);
    rule.is_some_and(|rule| {
        let mut patterns = rule.selectors.units.iter();
        patterns.any(|pattern| pattern.matches(unit.as_bytes()))
    })
}
