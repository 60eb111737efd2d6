//! In which order steps are done.

use std::collections::BTreeSet;

use super::candidates::Target;
use super::graph::Graphs;
use super::{Checked, Situation, candidates};
use crate::model::{Class, Scope, Stage};

/// Services through which machines are reached. A name gives no verdict here: they come last, so that whatever goes wrong
/// before can still be mended.
const ACCESS: &[&str] = &[
    "ssh.service",
    "sshd.service",
    "dropbear.service",
    "tinysshd.service",
    "cockpit.service",
    "tailscaled.service",
    "teleport.service",
    "telnetd.service",
    "inetd.service",
    "xinetd.service",
    "webmin.service",
];

/// The same, for instances of templates (`sshd@.service`).
const ACCESS_TEMPLATES: &[&str] = &["ssh@", "sshd@", "dropbear@", "telnet@", "telnetd@"];

/// The rule to which an administrator adds more of what connects the machine.
const NETWORK_RULE: &str = "network";

/// Sorts by stage; the system's units before those of users; among them, units after those that they are `After=`.
pub(super) fn of(
    checked: Vec<Checked>,
    situation: &Situation<'_>,
    graphs: &Graphs<'_>,
) -> Vec<(Stage, Checked)> {
    let wanted: BTreeSet<(Scope, String)> = checked
        .iter()
        .filter_map(|one| one.candidate.unit())
        .collect();
    let ranks = graphs.ranks(&wanted);
    let rank = |one: &Checked| {
        let unit = one.candidate.unit();
        unit.and_then(|unit| ranks.get(&unit).copied())
    };
    let staged = checked.into_iter().map(|one| (stage(&one, situation), one));
    let mut staged: Vec<(Stage, Checked)> = staged.collect();
    staged.sort_by(|(stage_a, a), (stage_b, b)| {
        let key = |one: &Checked| (one.candidate.manager(), rank(one));
        let (key_a, key_b) = ((stage_a, key(a)), (stage_b, key(b)));
        key_a
            .cmp(&key_b)
            .then_with(|| a.candidate.target.cmp(&b.candidate.target))
    });
    staged
}

fn stage(checked: &Checked, situation: &Situation<'_>) -> Stage {
    let candidate = &checked.candidate;
    if matches!(candidate.class, Class::Container | Class::VirtualMachine) {
        return Stage::Guests;
    }
    let own = match &candidate.target {
        Target::Manager(_) => return Stage::Manager,
        Target::OtherService(name) => format!("{name}.service"),
        Target::Unit { unit, .. } => unit.clone(),
        Target::Command(_) => return Stage::Guests,
    };
    // Each of what goes down with it counts: the latest stage of them all.
    let names = || std::iter::once(&own).chain(&checked.pulled);
    let system = candidate.manager() == Some(Scope::System);
    let is_network = |name: &String| {
        let connecting = &situation.policy.connecting;
        connecting.iter().any(|one| one.matches(name.as_bytes()))
            || candidates::is_named_by(situation.policy, NETWORK_RULE, name)
    };
    if system && names().any(is_network) {
        Stage::Network
    } else if checked.above_us || system && names().any(|name| is_access(name)) {
        Stage::Access
    } else {
        Stage::Services
    }
}

fn is_access(name: &str) -> bool {
    ACCESS.contains(&name) || ACCESS_TEMPLATES.iter().any(|start| name.starts_with(start))
}
