//! What to do about what is stale. Pure: values in, plan out.
#![forbid(unsafe_code)]

mod policy;
mod reboot;
mod transaction;

use std::collections::BTreeMap;

use policy::{Subject, rule_for};

pub use reboot::{Evidence, reboot};
pub use transaction::{Situation, transaction};

use crate::model::{
    Action, Because, Bytes, Facts, Item, Kind, Level, Owner, OwnerKind, Plan, Policy, RuleAction, Scope,
    StaleObject, StaleProcess, Timestamp, Units,
};

/// The process that keeps the PAM session of a user's manager open: no re-execution renews it.
const SD_PAM: &[u8] = b"(sd-pam)";

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
    let policy = case.policy;
    let mut by_owner: BTreeMap<Owner, Vec<StaleProcess>> = BTreeMap::new();
    for process in stale {
        // A container is restarted as a whole, whatever runs in it.
        let owner = Owner {
            inner: None,
            ..process.owner.clone()
        };
        by_owner.entry(owner).or_default().push(process);
    }
    let mut items: Vec<Item> = by_owner
        .into_iter()
        .map(|(owner, mut processes)| {
            processes.sort_by_key(|process| process.key);
            let objects = || processes.iter().flat_map(|process| &process.objects);
            let counts = |object: &StaleObject| object.sure && object.kind != Kind::Alternative;
            let (action, because) = if objects().any(|object| object.kind == Kind::Alternative)
                && !objects().any(counts)
            {
                because(
                    Action::Leave,
                    "alternative",
                    "what runs is still installed; only the system's choice among alternatives changed",
                )
            } else if !objects().any(counts) {
                because(
                    Action::Leave,
                    "possible",
                    "it is not certain that the process has loaded what changed, or that its content did",
                )
            } else if owner.kind == OwnerKind::UserManager
                && processes.iter().all(|process| process.comm.as_slice() == SD_PAM)
            {
                because(
                    Action::Defer,
                    "user-manager.sd-pam",
                    "only its (sd-pam) helper is old: it ends with the user's last session, or, where the user lingers, when the manager is stopped",
                )
            } else {
                let subject = Subject {
                    owner: &owner,
                    unit_names: &[],
                    processes: &processes,
                    now: case.now,
                    facts: case.facts,
                };
                decide(&subject, policy)
            };
            Item {
                action,
                level: level_of(action, &because, policy, owner.scope),
                owner,
                because,
                processes,
            }
        })
        .collect();
    items.sort_by(|a, b| (a.action, &a.owner).cmp(&(b.action, &b.owner)));
    Plan {
        items,
        hidden: Vec::new(),
    }
}

/// How much has to be started anew for it.
fn level_of(action: Action, because: &[Because], policy: &Policy, scope: Scope) -> Level {
    let rule = because.first().map_or("", |because| because.rule.as_str());
    match (action, rule) {
        (Action::Leave, _) => Level::None,
        (Action::Relogin, _) | (_, "user-manager.sd-pam" | "app") => Level::Session,
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

/// What to do to one owner, and why.
fn decide(subject: &Subject<'_>, policy: &Policy) -> (Action, Vec<Because>) {
    let owner = subject.owner;
    match owner.kind {
        OwnerKind::ServiceManager => because(
            Action::Reexec,
            "service-manager",
            "the service manager re-executes itself and keeps its services running: systemctl daemon-reexec",
        ),
        OwnerKind::UserManager => because(
            Action::Reexec,
            "user-manager",
            "a user's service manager re-executes itself and keeps its services running",
        ),
        OwnerKind::Unit => decide_unit(subject, policy),
        OwnerKind::Session => because(
            Action::Relogin,
            "session",
            "programs of a login session are renewed by logging out and in again",
        ),
        OwnerKind::App => because(
            Action::Defer,
            "app",
            "its user started it and has to start it anew",
        ),
        OwnerKind::Container(_) => match &owner.host_unit {
            Some(unit) => because(
                Action::RestartContainer,
                "container",
                &format!("restarting {} makes the container anew", unit.escaped()),
            ),
            None => because(
                Action::RestartContainer,
                "container",
                "its processes end and start with the container",
            ),
        },
        OwnerKind::VirtualMachine(_) => because(
            Action::RestartVm,
            "virtual-machine",
            "the guest has to be powered off and on, or migrated: a reboot inside keeps the old emulator",
        ),
        OwnerKind::OtherService => because(
            Action::Restart,
            "service",
            "its service manager can restart it",
        ),
        OwnerKind::Process => because(
            Action::Defer,
            "process",
            "no service manager knows it: end it and start it again the way it was started",
        ),
    }
}

fn decide_unit(subject: &Subject<'_>, policy: &Policy) -> (Action, Vec<Because>) {
    let owner = subject.owner;
    if let Some(rule) = rule_for(policy, subject) {
        let action = match rule.action {
            RuleAction::Restart => Action::Restart,
            RuleAction::Defer => Action::Defer,
            RuleAction::Leave | RuleAction::Hide => Action::Leave,
        };
        return because(action, &format!("policy.{}", rule.name), &rule.reason);
    }
    let suffix = owner
        .name
        .as_slice()
        .rsplit(|&byte| byte == b'.')
        .next()
        .unwrap_or_default();
    match suffix {
        b"service" if is_transient(&owner.name) => because(
            Action::Defer,
            "transient",
            "a transient unit: its definition would vanish with it, so whoever started it has to start it anew",
        ),
        b"service" => match owner.scope {
            Scope::System => because(
                Action::Restart,
                "unit",
                "the service manager can restart it",
            ),
            Scope::User(_) => because(
                Action::Restart,
                "user-unit",
                "the user's service manager can restart it",
            ),
        },
        b"scope" => because(
            Action::Defer,
            "scope",
            "a scope holds programs that something else started: that has to start them anew",
        ),
        _ => because(
            Action::Defer,
            "no-service",
            "a unit of this type is not restarted to renew a program",
        ),
    }
}

/// Names that `systemd-run` makes up (systemd-run(1)).
fn is_transient(name: &Bytes) -> bool {
    let Some(rest) = name.as_slice().strip_prefix(b"run-") else {
        return false;
    };
    let rest = rest.strip_suffix(b".service").unwrap_or(rest);
    let digits = |text: &[u8], hex: bool| {
        !text.is_empty()
            && text.iter().all(|byte| {
                if hex {
                    byte.is_ascii_hexdigit()
                } else {
                    byte.is_ascii_digit()
                }
            })
    };
    match rest {
        [b'r', hex @ ..] if hex.len() >= 8 && digits(hex, true) => true,
        [b'u', number @ ..] if digits(number, false) => true,
        [b'p', numbers @ ..] => numbers
            .split(|&byte| byte == b'-')
            .all(|part| digits(part.strip_prefix(b"i").unwrap_or(part), false)),
        number => digits(number, false),
    }
}

fn because(action: Action, rule: &str, why: &str) -> (Action, Vec<Because>) {
    (
        action,
        vec![Because {
            rule: rule.to_owned(),
            why: why.to_owned(),
        }],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Runtime;

    fn decide_named(kind: OwnerKind, name: &str, scope: Scope) -> (Action, Vec<Because>) {
        let subject = Subject {
            owner: &Owner::new(kind, name, scope),
            unit_names: &[],
            processes: &[],
            now: Timestamp { secs: 0, nanos: 0 },
            facts: &policy::tests::facts(Vec::new(), Vec::new()),
        };
        decide(&subject, &crate::config::shipped())
    }

    #[track_caller]
    fn check(kind: OwnerKind, name: &str, scope: Scope, action: Action, rule: &str) {
        let (decided, because) = decide_named(kind, name, scope);
        assert_eq!(
            (decided, because[0].rule.as_str()),
            (action, rule),
            "{name}"
        );
    }

    #[test]
    fn a_users_bus_is_renewed_with_the_users_sessions() {
        #[track_caller]
        fn check(name: &str, scope: Scope, level: Level) {
            let (action, because) = decide_named(OwnerKind::Unit, name, scope);
            assert_eq!(
                level_of(action, &because, &crate::config::shipped(), scope),
                level,
                "{name} {scope:?}"
            );
        }
        check("dbus.service", Scope::System, Level::SoftReboot);
        check("dbus.service", Scope::User(7), Level::Session);
        check("systemd-logind.service", Scope::System, Level::Session);
        check("docker.service", Scope::System, Level::Service);
        check("nginx.service", Scope::System, Level::Service);
        check("rc-local.service", Scope::System, Level::None);
    }

    #[test]
    fn units() {
        let unit = |name, action, rule| check(OwnerKind::Unit, name, Scope::System, action, rule);
        unit("nginx.service", Action::Restart, "unit");
        unit("postgresql@15-main.service", Action::Restart, "unit");
        unit("ssh.service", Action::Restart, "unit");
        unit("dbus.service", Action::Defer, "policy.message-bus");
        unit(
            "systemd-logind.service",
            Action::Defer,
            "policy.login-manager",
        );
        unit("getty@tty1.service", Action::Defer, "policy.console-login");
        unit("docker.service", Action::Defer, "policy.workload-host");
        unit("auditd.service", Action::Defer, "policy.refuses-stop");
        unit("run-u12.service", Action::Defer, "transient");
        unit("run-r0123456789abcdef.service", Action::Defer, "transient");
        unit("run-p77-i12.service", Action::Defer, "transient");
        unit("run-backup.service", Action::Restart, "unit");
        unit("mnt-data.mount", Action::Defer, "no-service");
        unit("x.scope", Action::Defer, "scope");
    }

    #[test]
    fn others() {
        check(
            OwnerKind::ServiceManager,
            "init.scope",
            Scope::System,
            Action::Reexec,
            "service-manager",
        );
        check(
            OwnerKind::UserManager,
            "user@7.service",
            Scope::User(7),
            Action::Reexec,
            "user-manager",
        );
        check(
            OwnerKind::Unit,
            "pipewire.service",
            Scope::User(7),
            Action::Restart,
            "user-unit",
        );
        // A user's bus is the user's business, but restarting it breaks the session all the same.
        check(
            OwnerKind::Unit,
            "dbus.service",
            Scope::User(7),
            Action::Defer,
            "policy.message-bus",
        );
        check(
            OwnerKind::Session,
            "3",
            Scope::User(7),
            Action::Relogin,
            "session",
        );
        check(
            OwnerKind::Process,
            "/usr/bin/x",
            Scope::System,
            Action::Defer,
            "process",
        );
        check(
            OwnerKind::Container(Runtime::Docker),
            "abc",
            Scope::System,
            Action::RestartContainer,
            "container",
        );
        check(
            OwnerKind::VirtualMachine(Runtime::Libvirt),
            "vm",
            Scope::System,
            Action::RestartVm,
            "virtual-machine",
        );
    }
}
