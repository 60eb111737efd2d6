//! Which rule of the policy is about something. Pure matching: what the rules are, settings say.

use crate::model::{
    Bytes, Details, Facts, Kind, Owner, OwnerKind, Package, Pattern, Pid, Policy, PolicyRule,
    Process, RuleAction, Scope, Selectors, StaleObject, StaleProcess, StartTicks, Timestamp,
};

/// How the kernel marks the path of a file that is gone.
const GONE: &[u8] = b" (deleted)";

/// What a rule may be about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    /// The owner of stale processes, or a unit that is in danger to be pulled along with one.
    pub(super) owner: &'a Owner,
    /// What its manager calls the unit, id and aliases; empty where nobody was asked.
    pub(super) unit_names: &'a [String],
    /// Its stale processes; none for a unit that is only pulled along.
    pub(super) processes: &'a [StaleProcess],
    /// The main process of such a unit.
    pub(super) main: Option<Pid>,
    /// The time.
    pub(super) now: Timestamp,
    /// Where the details of processes and objects are.
    pub(super) facts: &'a Facts,
}

/// The first rule that fits and has not ended.
pub(super) fn rule_for<'a>(policy: &'a Policy, subject: &Subject<'_>) -> Option<&'a PolicyRule> {
    let seen: Vec<Seen<'_>> = subject
        .processes
        .iter()
        .map(|one| subject.see(one))
        .collect();
    let mut rules = policy.rules.iter();
    rules.find(|rule| {
        let ended = rule.until.is_some_and(|until| until <= subject.now);
        !ended && fits(rule, subject, &seen)
    })
}

/// A stale process, and what selectors ask of it.
struct Seen<'a> {
    stale: &'a StaleProcess,
    details: Option<&'a Details>,
    program: Option<&'a [u8]>,
    age_secs: i64,
}

impl<'a> Subject<'a> {
    fn see(&self, stale: &'a StaleProcess) -> Seen<'a> {
        let process = self.process(stale);
        Seen {
            stale,
            details: process.and_then(|one| one.details.as_ref()),
            program: process.and_then(|one| self.program(one)),
            age_secs: self.age_secs(stale.key.started),
        }
    }

    fn age_secs(&self, started: StartTicks) -> i64 {
        let started = self.facts.host.clock.file_time_ns(started);
        let age = self.now.nanos_since_epoch().saturating_sub(started);
        age.div_euclid(1_000_000_000)
    }

    /// Facts hold processes in the order of their pids.
    fn process(&self, stale: &StaleProcess) -> Option<&'a Process> {
        let processes = &self.facts.processes;
        let at = processes.binary_search_by_key(&stale.key.pid, |one| one.key.pid);
        let process = processes.get(at.ok()?)?;
        (process.key == stale.key).then_some(process)
    }

    /// The path of the program that a process runs, as it sees it, without the kernel's mark of one that is gone.
    fn program(&self, process: &'a Process) -> Option<&'a [u8]> {
        let mut programs = process.uses.iter().filter(|one| one.program);
        let object = programs.next().map(|one| one.object.0 as usize);
        let path = object.and_then(|object| self.facts.objects.get(object)?.path.as_ref());
        let name = || {
            let name = process.exe.as_ref()?.as_slice();
            Some(name.strip_suffix(GONE).unwrap_or(name))
        };
        path.map(Bytes::as_slice).or_else(name)
    }

    /// The path of a stale object, as the process sees it.
    fn path(&self, object: &StaleObject) -> Option<&'a [u8]> {
        let object = self.facts.objects.get(object.object.0 as usize)?;
        Some(object.path.as_ref().unwrap_or(&object.name).as_slice())
    }
}

fn fits(rule: &PolicyRule, subject: &Subject<'_>, seen: &[Seen<'_>]) -> bool {
    let on = &rule.selectors;
    if *on == Selectors::default() {
        return false;
    }
    let units = on.units.is_empty() || is_named(&on.units, subject);
    let containers = on.containers.is_empty() || is_container(&on.containers, subject);
    // Whose manager it is, is known without any process; a process may still be somebody else's.
    let by_scope = on.users.is_empty() || is_scope_of(&on.users, subject.owner.scope);
    if !units || !containers {
        return false;
    }
    let of_process = Selectors {
        units: Vec::new(),
        containers: Vec::new(),
        users: if by_scope {
            Vec::new()
        } else {
            on.users.clone()
        },
        ..on.clone()
    };
    if of_process == Selectors::default() {
        return true;
    }
    match seen {
        [] => fit_unseen(rule.action, &of_process, subject),
        seen => fit_processes(rule.action, &of_process, subject, seen),
    }
}

/// Whether what a rule asks of processes may be so of a unit that is only pulled along. Nothing in it is stale, so nothing stale
/// is of a package or at a path. Whose its processes are nobody asked: what holds it back is taken to fit then, for its job would
/// be cut off otherwise, without a word.
fn fit_unseen(action: RuleAction, on: &Selectors, subject: &Subject<'_>) -> bool {
    let is_users = subject.owner.scope != Scope::System;
    if !on.packages.is_empty() || !on.paths.is_empty() || is_users && !on.users.is_empty() {
        return false;
    }
    let main = subject.main.and_then(|pid| {
        let processes = &subject.facts.processes;
        let at = processes.binary_search_by_key(&pid, |one| one.key.pid);
        processes.get(at.ok()?)
    });
    let fits = |process: &Process| {
        let program = subject.program(process);
        has_age(on, subject.age_secs(process.key.started))
            && program.is_none_or(|program| is_program(on, program))
    };
    match action {
        RuleAction::Restart | RuleAction::Hide => false,
        RuleAction::Defer | RuleAction::Leave => main.is_none_or(fits),
    }
}

/// Whether what a rule asks of processes is so. Something that is left alone or hidden must be so as a whole: beside what
/// the rule means, something else may be stale. For all else one process is enough.
fn fit_processes(
    action: RuleAction,
    on: &Selectors,
    subject: &Subject<'_>,
    seen: &[Seen<'_>],
) -> bool {
    let process = |one: &Seen<'_>| fits_process(on, one);
    let object = |object: &&StaleObject| fits_object(on, subject, object);
    match action {
        RuleAction::Restart | RuleAction::Defer => {
            let fits = |one: &Seen<'_>| process(one) && judged(one.stale).any(|one| object(&one));
            seen.iter().any(fits)
        }
        RuleAction::Leave | RuleAction::Hide => {
            let fits = |one: &Seen<'_>| process(one) && judged(one.stale).all(|one| object(&one));
            !seen.is_empty() && seen.iter().all(fits)
        }
    }
}

/// The objects that make a process stale beyond doubt; all, if none does.
fn judged(stale: &StaleProcess) -> impl Iterator<Item = &StaleObject> {
    let counts = |object: &StaleObject| object.sure && object.kind != Kind::Alternative;
    let is_sure = stale.objects.iter().any(counts);
    let objects = stale.objects.iter();
    objects.filter(move |object| !is_sure || counts(object))
}

fn fits_process(on: &Selectors, seen: &Seen<'_>) -> bool {
    let has_user = |details: &Details| on.users.is_empty() || on.users.contains(&details.uid);
    let in_cgroup = |details: &Details| {
        on.cgroups.is_empty()
            || cgroup_paths(details.cgroup.as_slice()).any(|path| any(&on.cgroups, path))
    };
    // What could not be read fits no pattern.
    let by_details = on.users.is_empty() && on.cgroups.is_empty()
        || seen
            .details
            .is_some_and(|details| has_user(details) && in_cgroup(details));
    let runs = match seen.program {
        Some(program) => is_program(on, program),
        None => on.programs.is_empty(),
    };
    by_details && runs && has_age(on, seen.age_secs)
}

fn is_program(on: &Selectors, program: &[u8]) -> bool {
    on.programs.is_empty() || any(&on.programs, program)
}

fn has_age(on: &Selectors, age_secs: i64) -> bool {
    let secs = |secs: u64| i64::try_from(secs).unwrap_or(i64::MAX);
    let is_older = on.older_than_secs.is_none_or(|age| age_secs >= secs(age));
    let is_younger = on.younger_than_secs.is_none_or(|age| age_secs < secs(age));
    is_older && is_younger
}

fn fits_object(on: &Selectors, subject: &Subject<'_>, object: &StaleObject) -> bool {
    let of_package = || match &object.package {
        Package::Known(packages) => packages
            .iter()
            .any(|package| any(&on.packages, package.name.as_bytes())),
        Package::None | Package::Unknown => false,
    };
    let at_path = || {
        subject
            .path(object)
            .is_some_and(|path| any(&on.paths, path))
    };
    (on.packages.is_empty() || of_package()) && (on.paths.is_empty() || at_path())
}

/// Whether one of its names as a unit or service fits.
fn is_named(patterns: &[Pattern], subject: &Subject<'_>) -> bool {
    let owner = subject.owner;
    let name = owner.name.as_slice();
    let own = match owner.kind {
        OwnerKind::Unit | OwnerKind::App | OwnerKind::UserManager | OwnerKind::ServiceManager => {
            any(patterns, name)
        }
        // Other managers have no suffixes; rules are about `dbus.service` all the same.
        OwnerKind::OtherService => {
            any(patterns, name) || any(patterns, &[name, b".service"].concat())
        }
        // These names mean no unit, and may have been chosen by anybody.
        OwnerKind::Session
        | OwnerKind::Container(_)
        | OwnerKind::VirtualMachine(_)
        | OwnerKind::Process => false,
    };
    let manager = manager_name(owner, subject.facts.host.systemd);
    let by_word = manager.is_some_and(|name| patterns.iter().any(|one| one.written() == name));
    let host = owner.host_unit.iter();
    // What a user's manager says of other names, the user chose: the control group's is where the processes are.
    let aliases = match owner.scope {
        Scope::System => subject.unit_names,
        Scope::User(_) => &[],
    };
    own || by_word
        || host.map(Bytes::as_slice).any(|unit| any(patterns, unit))
        || aliases.iter().any(|name| any(patterns, name.as_bytes()))
}

/// What a manager is called that has no unit, or one of a name that nobody knows. Only the very word means it: `systemd-*` means
/// units.
fn manager_name(owner: &Owner, systemd: bool) -> Option<&'static str> {
    match (owner.kind, systemd) {
        (OwnerKind::ServiceManager, true) => Some("systemd-manager"),
        (OwnerKind::ServiceManager, false) => Some("sysv-init"),
        (OwnerKind::UserManager, _) => Some("systemd-user"),
        _ => None,
    }
}

fn is_container(patterns: &[Pattern], subject: &Subject<'_>) -> bool {
    let is_guest = matches!(
        subject.owner.kind,
        OwnerKind::Container(_) | OwnerKind::VirtualMachine(_)
    );
    let instances = subject
        .processes
        .iter()
        .filter_map(|one| one.instance.as_ref());
    let mut names = instances.map(|instance| instance.name.as_slice());
    // The unit around a machine is restarted with it.
    let machine = subject.owner.nspawn_machine();
    machine.is_some_and(|machine| any(patterns, machine.as_slice()))
        || is_guest
            && (any(patterns, subject.owner.name.as_slice())
                || names.any(|name| any(patterns, name)))
}

fn is_scope_of(uids: &[u32], scope: Scope) -> bool {
    match scope {
        Scope::System => false,
        Scope::User(uid) => uids.contains(&uid),
    }
}

fn any(patterns: &[Pattern], text: &[u8]) -> bool {
    patterns.iter().any(|pattern| pattern.matches(text))
}

/// The paths in the text of `/proc/PID/cgroup`: what stands behind the second colon (cgroups(7)).
fn cgroup_paths(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = text.split(|&byte| byte == b'\n');
    lines.filter_map(|line| line.splitn(3, |&byte| byte == b':').nth(2))
}

#[cfg(test)]
pub(super) mod tests;
