//! What a plan asks for, and whoever asks may not do.

use crate::model::{Because, Deed, Held, Scope, Step, Transaction};

/// Without root's rights, a user's own manager is all that may be asked: the rest is held back, and said.
pub(super) fn without_rights(transaction: Transaction, euid: u32) -> Transaction {
    if euid == 0 {
        return transaction;
    }
    let because = Because {
        rule: "privilege".to_owned(),
        why: "root is needed".to_owned(),
    };
    keep(transaction, &because, |deed| is_own(deed, euid))
}

/// Where nobody can see all that is above this process, any restart may end it, or cut its caller off. Managers that start
/// themselves anew end nothing. An ordinary user's chain may end at what that user may not see, and above that is nothing
/// that the user could restart.
pub(super) fn without_chain(transaction: Transaction, is_whole: bool, euid: u32) -> Transaction {
    if is_whole || euid != 0 {
        return transaction;
    }
    let because = Because {
        rule: "ancestor".to_owned(),
        why: "it cannot be seen whether this command was started from it".to_owned(),
    };
    keep(transaction, &because, |deed| {
        matches!(deed, Deed::Reload(_) | Deed::Reexec(_))
    })
}

/// The steps that do such things; whose the others are is held back.
fn keep(
    mut transaction: Transaction,
    because: &Because,
    fits: impl Fn(&Deed) -> bool,
) -> Transaction {
    let (steps, others): (Vec<Step>, Vec<Step>) = transaction
        .steps
        .into_iter()
        .partition(|step| fits(&step.deed));
    let held = others.into_iter().flat_map(|step| step.owners);
    transaction.held.extend(held.map(|owner| Held {
        owner,
        because: vec![because.clone()],
    }));
    transaction.steps = steps;
    transaction
}

/// Holds back what the administrator's policy forbids to restart, a service at a time: the rest is done.
pub(super) fn forbidden(
    mut transaction: Transaction,
    mut may_restart: impl FnMut(&str) -> Result<(), String>,
) -> Transaction {
    let mut steps = Vec::new();
    for step in std::mem::take(&mut transaction.steps) {
        let refused = services_of(&step)
            .iter()
            .find_map(|service| may_restart(service).err());
        let Some(why) = refused else {
            steps.push(step);
            continue;
        };
        let held = step.owners.into_iter().map(|owner| Held {
            owner,
            because: vec![Because {
                rule: "policy-rc.d".to_owned(),
                why: why.clone(),
            }],
        });
        transaction.held.extend(held);
    }
    transaction.steps = steps;
    transaction
}

/// What policy-rc.d is asked about: all that goes down with a step, users' services too, for where nothing is to be
/// started (an image that is built, say), nobody's is. A manager is asked about by the name of its own service.
fn services_of(step: &Step) -> Vec<String> {
    let own = match &step.deed {
        Deed::TryRestart { unit: name, .. }
        | Deed::RestartService { name }
        | Deed::Override { name } => name.clone(),
        Deed::Reload(Scope::System) | Deed::Reexec(Scope::System) => "systemd".to_owned(),
        Deed::Reload(Scope::User(uid)) | Deed::Reexec(Scope::User(uid)) => {
            format!("user@{uid}.service")
        }
        Deed::Command { .. } => return Vec::new(),
    };
    std::iter::once(own).chain(step.pulled.clone()).collect()
}

fn is_own(deed: &Deed, euid: u32) -> bool {
    match deed {
        Deed::Reload(scope) | Deed::Reexec(scope) | Deed::TryRestart { scope, .. } => {
            *scope == Scope::User(euid)
        }
        Deed::RestartService { .. } | Deed::Override { .. } | Deed::Command { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Class, Owner, OwnerKind, Stage};

    fn step(number: u32, deed: Deed, pulled: &[&str]) -> Step {
        let name = format!("owner{number}");
        Step {
            number,
            deed,
            class: Class::Service,
            stage: Stage::Services,
            owners: vec![Owner::new(OwnerKind::Unit, name.as_str(), Scope::System)],
            pulled: pulled.iter().map(|&name| name.to_owned()).collect(),
            because: Vec::new(),
            invocation: String::new(),
            wait_us: 0,
            settle_us: 0,
            limit_us: 0,
        }
    }

    fn restart(number: u32, scope: Scope, unit: &str, pulled: &[&str]) -> Step {
        let unit = unit.to_owned();
        step(number, Deed::TryRestart { scope, unit }, pulled)
    }

    #[test]
    fn t10_26_what_policy_rc_d_forbids_is_held_and_the_rest_is_not() {
        let steps = vec![
            restart(1, Scope::System, "a.service", &[]),
            restart(2, Scope::System, "bad.service", &[]),
            restart(3, Scope::System, "b.service", &["bad.service"]),
            restart(4, Scope::User(7), "bad.service", &["bad.service"]),
            step(5, Deed::Reload(Scope::System), &[]),
        ];
        let transaction = Transaction {
            steps,
            held: Vec::new(),
        };
        let nothing = forbidden(transaction.clone(), |_| Err("no".to_owned()));
        assert_eq!(nothing.steps, []);
        let left = forbidden(transaction, |name| match name {
            "bad.service" => Err("no".to_owned()),
            _ => Ok(()),
        });
        let steps: Vec<u32> = left.steps.iter().map(|step| step.number).collect();
        assert_eq!(steps, [1, 5]);
        let held: Vec<String> = left
            .held
            .iter()
            .map(|held| format!("{} {}", held.owner.name.escaped(), held.because[0].rule))
            .collect();
        assert_eq!(
            held,
            [
                "owner2 policy-rc.d",
                "owner3 policy-rc.d",
                "owner4 policy-rc.d"
            ]
        );
    }

    #[test]
    fn t12_11_below_what_cannot_be_seen_nothing_is_restarted() {
        #[track_caller]
        fn check(is_whole: bool, euid: u32, expected: &[u32]) {
            let steps = vec![
                step(1, Deed::Reload(Scope::System), &[]),
                step(2, Deed::Reexec(Scope::System), &[]),
                restart(3, Scope::System, "a.service", &[]),
                restart(4, Scope::User(7), "a.service", &[]),
            ];
            let held = Vec::new();
            let left = without_chain(Transaction { steps, held }, is_whole, euid);
            let steps: Vec<u32> = left.steps.iter().map(|step| step.number).collect();
            assert_eq!(steps, expected);
            let held = left.held.iter();
            assert!(held.clone().all(|held| held.because[0].rule == "ancestor"));
            assert_eq!(held.count(), 4 - expected.len());
        }
        check(true, 0, &[1, 2, 3, 4]);
        check(false, 0, &[1, 2]);
        check(false, 7, &[1, 2, 3, 4]);
    }
}
