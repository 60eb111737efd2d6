use super::*;
use crate::model::{
    Action, Because, Bytes, Kind, Level, Managed, ManagerState, ObjectId, PackageFact, ProcessKey,
    StaleObject, StaleProcess, StartTicks,
};

fn item(owner: Owner, rule: &str, package: &str) -> Item {
    let fact = PackageFact {
        backend: "dpkg".to_owned(),
        name: package.to_owned(),
        arch: "amd64".to_owned(),
        running_version: None,
        installed_version: None,
    };
    let object = StaleObject {
        object: ObjectId(0),
        program: true,
        source: None,
        sure: true,
        kind: Kind::Replaced,
        package: Package::Known(vec![fact]),
    };
    let process = StaleProcess {
        key: ProcessKey {
            pid: 7,
            started: StartTicks(1),
        },
        owner: owner.clone(),
        comm: Bytes::from("x"),
        instance: None,
        restart: None,
        objects: vec![object],
    };
    Item {
        action: Action::Restart,
        level: Level::Service,
        owner,
        because: vec![Because {
            rule: rule.to_owned(),
            why: "x".to_owned(),
        }],
        processes: vec![process],
    }
}

fn owner(name: &str, scope: Scope) -> Owner {
    Owner::new(OwnerKind::Unit, name, scope)
}

fn unit(id: &str, names: &[&str], pulled: &[&str]) -> UnitState {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    UnitState {
        id: id.to_owned(),
        names: words(names),
        load: "loaded".to_owned(),
        pulled: words(pulled),
        ..UnitState::default()
    }
}

/// ssh is stale, as is a part of postgresql, and a service of a user's; quiet is, and hidden.
fn plan() -> Plan {
    let user = Scope::User(7);
    Plan {
        items: vec![
            item(
                owner("postgresql@15-main.service", Scope::System),
                "unit",
                "postgresql",
            ),
            item(
                owner("ssh.service", Scope::System),
                "unit",
                "openssh-server",
            ),
            item(owner("agent.service", user), "user-unit", "agent"),
        ],
        hidden: vec![item(
            owner("quiet.service", Scope::System),
            "policy.mine",
            "quiet-bin",
        )],
    }
}

#[track_caller]
fn check(name: &str, unit: Option<&UnitState>, units: Option<&Units>, expected: Meant) {
    let asked = Asked { name, unit, units };
    assert_eq!(asked.meant(&plan()), expected, "{name}");
}

fn these(names: &[(&str, Scope)], by: By) -> Meant {
    let owners = names.iter();
    Meant::Owners(
        owners
            .map(|(name, scope)| (owner(name, *scope), by))
            .collect(),
    )
}

fn nothing(why: &str) -> Meant {
    Meant::Nothing(why.to_owned())
}

#[test]
fn by_any_name_that_the_manager_knows() {
    let ssh = || these(&[("ssh.service", Scope::System)], By::Name);
    check("ssh", None, None, ssh());
    check("ssh.service", None, None, ssh());
    let by_package = these(&[("ssh.service", Scope::System)], By::Package);
    check("openssh-server", None, None, by_package);
    let known = unit("ssh.service", &["ssh.service", "sshd.service"], &[]);
    check("sshd", Some(&known), None, ssh());
    check("sshd.service", Some(&known), None, ssh());
    let units = |scope, unit: UnitState| Units {
        managers: vec![Managed {
            scope,
            said: Ok(ManagerState {
                state: "running".to_owned(),
                units: vec![unit],
            }),
        }],
    };
    check("sshd", None, Some(&units(Scope::System, known)), ssh());
    check("sshd", None, None, Meant::Unknown);
    // A user's manager may call its units as the system's are called.
    let user = Scope::User(7);
    check(
        "agent",
        None,
        None,
        these(&[("agent.service", user)], By::Name),
    );
    let claims = unit("agent.service", &["agent.service", "cron.service"], &[]);
    check("cron", None, Some(&units(user, claims)), Meant::Unknown);
}

#[test]
fn what_cannot_be_meant_is_said_truly() {
    let quiet = unit("quiet.service", &["quiet.service"], &[]);
    let hidden = |name| format!("{name} runs old code, which the rule policy.mine hides");
    check("quiet", Some(&quiet), None, nothing(&hidden("quiet")));
    check("quiet-bin", None, None, nothing(&hidden("quiet-bin")));
    let pulled = ["x.service", "postgresql@15-main.service"];
    let umbrella = unit("postgresql.service", &["postgresql.service"], &pulled);
    // The package of that name has the stale part.
    let main = || {
        these(
            &[("postgresql@15-main.service", Scope::System)],
            By::Package,
        )
    };
    check("postgresql", Some(&umbrella), None, main());
    check(
        "postgresql.service",
        Some(&umbrella),
        None,
        nothing(
            "postgresql.service itself runs no old code, but what goes down with it does: name postgresql@15-main.service",
        ),
    );
    let cron = unit("cron.service", &["cron.service"], &[]);
    check("cron", Some(&cron), None, nothing("cron runs no old code"));
    check("nobody", None, None, Meant::Unknown);
}
