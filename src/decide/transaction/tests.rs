use proptest::prelude::*;

use super::*;
use crate::decide::tests::{managed, planned, process, rule, stale, unit_owner, units, up};
use crate::model::{Bytes, OwnerKind, Process, RuleAction, Runtime, UnitState};

const SYSTEM: Scope = Scope::System;

/// What a run is decided on: these services are up and stale.
struct Scene {
    units: Units,
    owners: Vec<Owner>,
    policy: Policy,
    modes: BTreeMap<Class, Mode>,
    mode: Mode,
    ancestors: Vec<Ancestor>,
    selected: Option<Wish>,
    overrides: BTreeSet<String>,
    ours: Vec<OwnStart>,
}

impl Scene {
    fn of(states: Vec<UnitState>, stale: &[&str]) -> Self {
        Self {
            units: units(states),
            owners: stale.iter().map(|name| unit_owner(name)).collect(),
            policy: crate::config::shipped(),
            modes: BTreeMap::new(),
            mode: Mode::Auto,
            ancestors: Vec::new(),
            selected: None,
            overrides: BTreeSet::new(),
            ours: Vec::new(),
        }
    }

    fn run(&self) -> Transaction {
        let main = |owner: &Owner| self.units.unit_of(owner).and_then(|unit| unit.main_pid);
        let (mut processes, mut old) = (Vec::<Process>::new(), Vec::new());
        for (pid, owner) in (500..).zip(&self.owners) {
            let pid = main(owner).unwrap_or(pid);
            processes.push(process(pid, 1, 1));
            old.push(stale(pid, owner));
        }
        let plan = planned(old, processes, &self.policy, Some(&self.units));
        transaction(
            &plan,
            &Situation {
                facts: &crate::decide::policy::tests::facts(Vec::new(), Vec::new()),
                units: &self.units,
                policy: &self.policy,
                modes: &self.modes,
                mode: self.mode,
                ancestors: &self.ancestors,
                selected: self.selected.as_ref(),
                overrides: &self.overrides,
                our_starts: &self.ours,
                now_us: 1_000_000_000,
            },
        )
    }

    /// What is done, in order, and what is held by which rule.
    #[track_caller]
    fn check(&self, steps: &[&str], held: &[&str]) {
        let transaction = self.run();
        let word = |step: &Step| match &step.deed {
            Deed::Reload(_) => "reload".to_owned(),
            Deed::Reexec(_) => "reexec".to_owned(),
            Deed::TryRestart { unit, .. } => unit.clone(),
            Deed::RestartService { name } => format!("service {name}"),
            Deed::Override { name } => format!("override {name}"),
            Deed::Command { argv } => argv.join(" "),
        };
        let done: Vec<String> = transaction.steps.iter().map(word).collect();
        let why = |held: &Held| {
            let rule = &held.because[0].rule;
            format!("{} {rule}", held.owner.name.escaped())
        };
        let kept: Vec<String> = transaction.held.iter().map(why).collect();
        assert_eq!(
            (done, kept),
            (words(steps), words(held)),
            "{transaction:#?}"
        );
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn with(mut unit: UnitState, change: impl FnOnce(&mut UnitState)) -> UnitState {
    change(&mut unit);
    unit
}

fn pulling(id: &str, main: u32, pulled: &[&str]) -> UnitState {
    with(up(id, main), |unit| unit.pulled = words(pulled))
}

fn above(pid: u32, owner: Owner, is_self: bool) -> Ancestor {
    Ancestor {
        pid,
        comm: Bytes::from("x"),
        owner,
        is_self,
    }
}

#[test]
fn t10_03_what_runs_us_is_never_stopped() {
    let job = || {
        vec![
            above(99, unit_owner("job.service"), true),
            above(10, unit_owner("job.service"), false),
        ]
    };
    let mut scene = Scene::of(
        vec![up("job.service", 10), up("a.service", 11)],
        &["job.service", "a.service"],
    );
    scene.ancestors = job();
    scene.check(&["a.service"], &["job.service ancestor"]);
    // cron's jobs outlive it.
    let keeps = with(up("job.service", 10), |unit| {
        unit.kill_mode = "process".to_owned()
    });
    let mut scene = Scene::of(
        vec![keeps, up("z.service", 11)],
        &["job.service", "z.service"],
    );
    scene.ancestors = job();
    scene.check(&["z.service", "job.service"], &[]);
    // The main process of ssh is above a session in a scope of its own.
    let mut scene = Scene::of(
        vec![up("b.service", 10), up("z.service", 11)],
        &["b.service", "z.service"],
    );
    let session = Owner::new(OwnerKind::Session, "3", Scope::User(7));
    scene.ancestors = vec![
        above(99, session, true),
        above(10, unit_owner("b.service"), false),
    ];
    scene.check(&["z.service", "b.service"], &[]);
    // And what pulls us along.
    let mut scene = Scene::of(
        vec![
            pulling("a.service", 11, &["job.service"]),
            up("job.service", 10),
        ],
        &["a.service"],
    );
    scene.ancestors = job();
    scene.check(&[], &["a.service ancestor"]);
    // We are the main process: nothing spares that.
    let mut scene = Scene::of(
        vec![with(up("job.service", 10), |unit| {
            unit.kill_mode = "none".to_owned()
        })],
        &["job.service"],
    );
    scene.ancestors = vec![above(10, unit_owner("job.service"), true)];
    scene.check(&[], &["job.service ancestor"]);
}

#[test]
fn t10_09_what_is_pulled_along_is_named_or_holds_the_whole() {
    let all = || {
        vec![
            pulling("a.service", 10, &["b.service", "off.service", "x.socket"]),
            pulling("b.service", 11, &["c.service"]),
            up("c.service", 12),
            with(up("off.service", 13), |unit| {
                unit.active = "inactive".to_owned()
            }),
        ]
    };
    let scene = Scene::of(all(), &["a.service", "c.service"]);
    scene.check(&["a.service"], &[]);
    let step = &scene.run().steps[0];
    assert_eq!(step.pulled, ["b.service", "c.service"]);
    assert_eq!(
        step.owners,
        [unit_owner("a.service"), unit_owner("c.service")]
    );
    // A deferred one in it holds the whole, at any distance.
    let mut states = all();
    states[2].pulled = words(&["dbus.service"]);
    states.push(up("dbus.service", 14));
    Scene::of(states, &["a.service", "c.service"])
        .check(&[], &["a.service pulls", "c.service pulls"]);
    #[track_caller]
    fn check(name: &str, change: impl FnOnce(&mut UnitState), held: bool) {
        let states = vec![
            pulling("a.service", 10, &[name]),
            with(up(name, 11), change),
        ];
        let (steps, kept): (&[&str], &[&str]) = if held {
            (&[], &["a.service pulls"])
        } else {
            (&["a.service"], &[])
        };
        Scene::of(states, &["a.service"]).check(steps, kept);
    }
    check("b.service", |unit| unit.refuse_manual_stop = true, true);
    check("b.service", |unit| unit.transient = true, true);
    check("b.service", |unit| unit.has_job = true, true);
    check("multi-user.target", |_| {}, true);
    check("srv.mount", |_| {}, true);
    check("user@7.service", |_| {}, true);
    check("a.socket", |_| {}, false);
    check(
        "b.service",
        |unit| {
            unit.service_type = "oneshot".to_owned();
            unit.active = "activating".to_owned();
        },
        true,
    );
    check(
        "b.service",
        |unit| {
            unit.service_type = "oneshot".to_owned();
            unit.sub = "exited".to_owned();
        },
        false,
    );
}

#[test]
fn t10_09_units_that_pull_each_other_are_restarted_once() {
    let states = vec![
        pulling("a.service", 10, &["b.service"]),
        pulling("b.service", 11, &["a.service"]),
    ];
    Scene::of(states, &["a.service", "b.service"]).check(&["a.service"], &[]);
}

#[test]
fn t10_10_start_limits_are_waited_for_or_hold() {
    #[track_caller]
    fn check(
        starts: Option<&[i64]>,
        ours: &[i64],
        interval_secs: u64,
        burst: u32,
        wait_secs: Option<u64>,
    ) {
        let unit = with(up("a.service", 10), |unit| {
            unit.recent_starts_us =
                starts.map(|starts| starts.iter().map(|at| at * 1_000_000).collect());
            unit.start_limit_interval_us = interval_secs * 1_000_000;
            unit.start_limit_burst = burst;
        });
        let mut scene = Scene::of(vec![unit], &["a.service"]);
        scene.ours = ours
            .iter()
            .map(|at| OwnStart {
                time_us: at * 1_000_000,
                scope: SYSTEM,
                unit: "a.service".to_owned(),
            })
            .collect();
        let transaction = scene.run();
        let waits = transaction
            .steps
            .first()
            .map(|step| step.wait_us / 1_000_000);
        assert_eq!(waits, wait_secs, "{transaction:#?}");
        let rule = transaction
            .held
            .first()
            .map(|held| held.because[0].rule.clone());
        assert_eq!(
            rule.as_deref(),
            wait_secs.is_none().then_some("start-limit")
        );
    }
    // It is second 1000.
    check(Some(&[992, 995, 996, 997]), &[], 10, 5, Some(0));
    check(Some(&[992, 995, 996, 997, 999]), &[], 10, 5, Some(2));
    check(Some(&[980, 995, 996, 997, 999]), &[], 10, 5, Some(0));
    check(Some(&[991, 992, 993, 994, 995, 996]), &[], 10, 5, Some(2));
    check(Some(&[999]), &[], 61, 1, None);
    check(Some(&[999]), &[], 60, 1, Some(59));
    check(Some(&[999; 9]), &[], 0, 5, Some(0));
    check(Some(&[999; 9]), &[], 10, 0, Some(0));
    // Only where nobody else knows, our own record counts.
    check(None, &[999, 999], 10, 2, Some(9));
    check(Some(&[]), &[999, 999], 10, 2, Some(0));
}

#[test]
fn t10_16_managers_come_first_and_read_changed_files_once() {
    let changed = |id: &str, main| with(up(id, main), |unit| unit.need_daemon_reload = true);
    let states = || {
        vec![
            changed("a.service", 10),
            changed("b.service", 11),
            changed("idle.service", 12),
        ]
    };
    let mut scene = Scene::of(states(), &["a.service", "b.service"]);
    scene.check(&["reload", "a.service", "b.service"], &[]);
    assert!(
        scene.run().steps[0].because[0]
            .why
            .contains("a.service, b.service")
    );
    scene
        .owners
        .push(Owner::new(OwnerKind::ServiceManager, "init.scope", SYSTEM));
    scene.check(&["reexec", "a.service", "b.service"], &[]);
    // Of a pulled unit too; not for what is not touched.
    let states = vec![
        pulling("a.service", 10, &["b.service"]),
        changed("b.service", 11),
    ];
    Scene::of(states, &["a.service"]).check(&["reload", "a.service"], &[]);
    let states = vec![up("a.service", 10), changed("idle.service", 12)];
    Scene::of(states, &["a.service"]).check(&["a.service"], &[]);
}

#[test]
fn t10_18_t10_25_a_guest_and_the_unit_around_it_are_one() {
    let nspawn = "systemd-nspawn@web.service";
    let machine = Owner {
        host_unit: Some(Bytes::from(nspawn)),
        ..Owner::new(OwnerKind::Container(Runtime::Machine), "web", SYSTEM)
    };
    let scene = |stale: &[&str], with_machine: bool| {
        let states = vec![up(nspawn, 10), pulling("a.service", 11, &[nspawn])];
        let mut scene = Scene::of(states, stale);
        scene.owners.extend(with_machine.then(|| machine.clone()));
        scene
    };
    // Guests are listed, unless settings or a rule say more; so is what would take one along.
    scene(&[nspawn], true).check(&[], &["systemd-nspawn@web.service mode", "web mode"]);
    scene(&["a.service"], false).check(&[], &["a.service pulls"]);
    let mut auto = scene(&["a.service"], false);
    auto.modes.insert(Class::Container, Mode::Auto);
    auto.check(&["a.service"], &[]);
    for (around, inside) in [(true, true), (true, false), (false, true)] {
        let stale: &[&str] = if around { &[nspawn] } else { &[] };
        let mut auto = scene(stale, inside);
        auto.modes.insert(Class::Container, Mode::Auto);
        auto.check(&[nspawn], &[]);
        // A rule that names the guest is explicit.
        let mut by_rule = scene(stale, inside);
        let mut explicit = rule("web", "x", RuleAction::Restart);
        explicit.selectors.units.clear();
        explicit.selectors.containers = vec![crate::model::Pattern::parse("web").unwrap()];
        by_rule.policy.rules.insert(0, explicit);
        by_rule.check(&[nspawn], &[]);
        let step = &by_rule.run().steps[0];
        assert_eq!((step.stage, step.class), (Stage::Guests, Class::Container));
        let owners = around.then(|| unit_owner(nspawn)).into_iter();
        let owners = owners.chain(inside.then(|| machine.clone()));
        assert_eq!(step.owners, owners.collect::<Vec<Owner>>());
    }
}

#[test]
fn t10_19_a_manager_with_other_things_to_do_is_left_alone() {
    for (state, held) in [
        ("stopping", true),
        ("starting", true),
        ("maintenance", true),
        ("running", false),
        ("degraded", false),
    ] {
        let mut scene = Scene::of(vec![up("a.service", 10)], &["a.service"]);
        let said = scene.units.managers[0].said.as_mut().unwrap();
        said.state = state.to_owned();
        let (steps, kept): (&[&str], &[&str]) = if held {
            (&[], &["a.service manager-state"])
        } else {
            (&["a.service"], &[])
        };
        scene.check(steps, kept);
    }
}

#[test]
fn t10_21_what_others_build_on_first_access_and_network_last() {
    let after =
        |id: &str, main, after: &[&str]| with(up(id, main), |unit| unit.after = words(after));
    let states = vec![
        after("a.service", 10, &["x.target"]),
        after("x.target", 0, &["z.service"]),
        up("z.service", 11),
        up("ssh.service", 12),
        up("NetworkManager.service", 13),
    ];
    let mut scene = Scene::of(
        states,
        &[
            "a.service",
            "z.service",
            "ssh.service",
            "NetworkManager.service",
        ],
    );
    scene.check(
        &["z.service", "a.service", "ssh.service"],
        &["NetworkManager.service policy.network"],
    );
    scene.policy.rules.insert(
        0,
        rule("mine", "NetworkManager.service", RuleAction::Restart),
    );
    scene.check(
        &[
            "z.service",
            "a.service",
            "ssh.service",
            "NetworkManager.service",
        ],
        &[],
    );
    let stages: Vec<Stage> = scene.run().steps.iter().map(|step| step.stage).collect();
    assert_eq!(
        stages,
        [
            Stage::Services,
            Stage::Services,
            Stage::Access,
            Stage::Network
        ]
    );
}

#[test]
fn t10_24_users_units_through_their_managers_or_not_at_all() {
    let scope = Scope::User(7);
    let mut scene = Scene::of(vec![up("a.service", 10)], &["a.service"]);
    scene
        .units
        .managers
        .push(managed(scope, vec![up("a.service", 20)]));
    scene.units.managers.push(crate::model::Managed {
        scope: Scope::User(8),
        said: Err("it hangs".to_owned()),
    });
    scene.overrides.insert("a.service".to_owned());
    for uid in [7, 8] {
        scene
            .owners
            .push(Owner::new(OwnerKind::Unit, "a.service", Scope::User(uid)));
    }
    // A file of the administrator's is not for a user's unit of that name.
    scene.check(
        &["override a.service", "a.service"],
        &["a.service no-manager"],
    );
}

#[test]
fn what_a_person_chose_lifts_what_waits_for_a_moment_alone() {
    let states = || {
        vec![
            up("dbus.service", 10),
            up("a.service", 11),
            with(up("b.service", 12), |unit| unit.refuse_manual_stop = true),
            up("rc-local.service", 13),
        ]
    };
    let all = ["dbus.service", "a.service", "b.service", "rc-local.service"];
    let mut scene = Scene::of(states(), &all);
    scene.selected = Some(
        ["dbus.service", "b.service", "rc-local.service"]
            .map(unit_owner)
            .into_iter()
            .collect(),
    );
    scene.check(
        &["dbus.service"],
        &[
            "a.service not-asked",
            "b.service unit.refuses",
            "rc-local.service policy.boot-only",
        ],
    );
    // Whatever else is the matter with what nobody named.
    scene.selected = Some(Wish::from_iter([unit_owner("a.service")]));
    scene.check(
        &["a.service"],
        &[
            "b.service not-asked",
            "dbus.service not-asked",
            "rc-local.service not-asked",
        ],
    );
    let held = &scene.run().held[2];
    assert_eq!(held.because[1].rule, "policy.boot-only");
    scene.selected = Some(
        ["dbus.service", "b.service", "rc-local.service"]
            .map(unit_owner)
            .into_iter()
            .collect(),
    );
    // An own way of restarting stands in for a manager that refuses.
    scene.overrides.insert("b.service".to_owned());
    scene.check(
        &["override b.service", "dbus.service"],
        &["a.service not-asked", "rc-local.service policy.boot-only"],
    );
}

#[test]
fn t11_05_what_is_the_systems_comes_before_what_is_of_users() {
    let user = Scope::User(7);
    let mut scene = Scene::of(
        vec![up("ssh.service", 10), up("a.service", 11)],
        &["ssh.service", "a.service"],
    );
    let changed = with(up("u.service", 20), |unit| unit.need_daemon_reload = true);
    scene.units.managers.push(managed(user, vec![changed]));
    scene
        .owners
        .push(Owner::new(OwnerKind::Unit, "u.service", user));
    scene
        .owners
        .push(Owner::new(OwnerKind::ServiceManager, "init.scope", SYSTEM));
    let steps = ["reexec", "a.service", "ssh.service", "reload", "u.service"];
    scene.check(&steps, &[]);
    let numbers: Vec<u32> = scene.run().steps.iter().map(|step| step.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
}

#[test]
fn t11_06_a_users_own_supervisor_never_makes_root_restart_a_service() {
    let sshd = |scope| Owner::new(OwnerKind::OtherService, "sshd", scope);
    for uid in [7, 1000] {
        let mut scene = Scene::of(Vec::new(), &[]);
        scene.owners.push(sshd(Scope::User(uid)));
        scene.overrides.insert("sshd".to_owned());
        scene.check(&[], &["sshd no-manager"]);
        // Neither by a rule nor by a wish.
        scene
            .policy
            .rules
            .insert(0, rule("mine", "sshd.service", RuleAction::Restart));
        assert_eq!(scene.run().steps, []);
        scene.selected = Some(Wish::from_iter([sshd(Scope::User(uid))]));
        assert_eq!(scene.run().steps, []);
    }
    let mut scene = Scene::of(Vec::new(), &[]);
    scene.owners.push(sshd(SYSTEM));
    scene.check(&["service sshd"], &[]);
}

#[test]
fn a_package_restricts_a_run_and_lifts_nothing() {
    let states = || {
        vec![
            up("dbus.service", 10),
            up("a.service", 11),
            up("b.service", 12),
            up("c.service", 13),
        ]
    };
    let all = ["dbus.service", "a.service", "b.service", "c.service"];
    let mut scene = Scene::of(states(), &all);
    let mut wish = Wish::default();
    for name in ["dbus.service", "a.service", "c.service"] {
        wish.mean(unit_owner(name));
    }
    scene.selected = Some(wish.clone());
    let held = ["b.service not-asked", "dbus.service policy.message-bus"];
    scene.check(&["a.service", "c.service"], &held);
    scene.modes.insert(Class::Service, Mode::Ask);
    let all_held = [
        "a.service mode",
        "b.service not-asked",
        "c.service mode",
        "dbus.service policy.message-bus",
    ];
    scene.check(&[], &all_held);
    // What is named besides is chosen.
    wish.choose(unit_owner("dbus.service"));
    scene.selected = Some(wish);
    scene.check(&["dbus.service"], &all_held[..3]);
}

#[test]
fn classes_are_done_as_far_as_settings_say() {
    #[track_caller]
    fn check(cap: Mode, mode: Mode, chosen: bool, done: bool) {
        let mut scene = Scene::of(vec![up("a.service", 10)], &["a.service"]);
        scene.modes.insert(Class::Service, cap);
        scene.mode = mode;
        scene.selected = chosen.then(|| Wish::from_iter([unit_owner("a.service")]));
        assert_eq!(
            scene.run().steps.len() == 1,
            done,
            "{cap:?} {mode:?} {chosen}"
        );
    }
    check(Mode::Auto, Mode::Auto, false, true);
    check(Mode::Ask, Mode::Auto, false, false);
    check(Mode::Ask, Mode::Auto, true, true);
    check(Mode::Ask, Mode::Ask, false, true);
    check(Mode::Ask, Mode::List, false, true);
    check(Mode::List, Mode::Auto, true, false);
    check(Mode::List, Mode::List, false, false);
}

#[test]
fn times_of_steps() {
    let step = |unit: UnitState| Scene::of(vec![unit], &["a.service"]).run().steps[0].clone();
    let plain = step(up("a.service", 10));
    assert_eq!((plain.settle_us, plain.limit_us), (2_000_000, 185_000_000));
    assert_eq!(plain.invocation, "a.service-1");
    let slow = step(with(up("a.service", 10), |unit| {
        unit.restart_us = 5_000_000;
        unit.timeout_start_us = None;
    }));
    assert_eq!((slow.settle_us, slow.limit_us), (6_000_000, 600_000_000));
    assert_eq!(
        step(with(up("a.service", 10), |unit| unit.restart_us = u64::MAX)).settle_us,
        10_000_000
    );
}

#[test]
fn t10_10_what_two_restarts_would_take_along_goes_down_once() {
    let states = |a: &[&str], b: &[&str]| {
        vec![
            pulling("a.service", 10, a),
            pulling("b.service", 11, b),
            up("c.service", 12),
            up("d.service", 13),
        ]
    };
    let both = ["a.service", "b.service"];
    let scene = Scene::of(states(&["c.service"], &["c.service"]), &both);
    scene.check(&["a.service"], &["b.service pulls"]);
    assert!(scene.run().held[0].because[0].why.contains("a.service"));
    // That which renews more goes first; what the other would have renewed has a restart of its own.
    let all = ["a.service", "b.service", "c.service", "d.service"];
    let pulls = states(&["c.service"], &["c.service", "d.service"]);
    Scene::of(pulls, &all).check(&["b.service"], &["a.service pulls"]);
    let pulls = states(
        &["c.service", "x.socket"],
        &["c.service", "x.socket", "d.service"],
    );
    let mut scene = Scene::of(pulls, &["a.service", "b.service", "d.service"]);
    scene.check(&["b.service"], &["a.service pulls"]);
    scene.selected = Some(Wish::from_iter([unit_owner("a.service")]));
    scene.check(
        &["a.service"],
        &["b.service not-asked", "d.service not-asked"],
    );
    // One that loses leaves what it alone would have renewed to itself.
    let mut pulls = states(&["c.service", "e.service"], &["c.service", "d.service"]);
    pulls.push(up("e.service", 14));
    let stale = ["a.service", "b.service", "c.service", "d.service"];
    let mut more = stale.to_vec();
    more.push("e.service");
    Scene::of(pulls.clone(), &stale).check(&["b.service"], &["a.service pulls"]);
    pulls.push(pulling("f.service", 15, &["c.service", "d.service"]));
    more.extend(["f.service"]);
    Scene::of(pulls, &more).check(
        &["a.service", "d.service"],
        &["b.service pulls", "f.service pulls"],
    );
}

#[test]
fn what_decides_is_said_first() {
    let mut scene = Scene::of(vec![up("job.service", 10)], &["job.service"]);
    scene.ancestors = vec![above(99, unit_owner("job.service"), true)];
    let rules = |scene: &Scene| -> Vec<String> {
        let because = scene.run().held.swap_remove(0).because;
        because.into_iter().map(|one| one.rule).collect()
    };
    assert_eq!(rules(&scene), ["ancestor"]);
    scene
        .policy
        .rules
        .insert(0, rule("mine", "job.service", RuleAction::Restart));
    assert_eq!(rules(&scene), ["ancestor", "policy.mine"]);
    // What a person lifted is no reason any more.
    let refuses = with(up("dbus.service", 10), |unit| {
        unit.refuse_manual_stop = true
    });
    let mut scene = Scene::of(vec![refuses], &["dbus.service"]);
    assert_eq!(rules(&scene), ["policy.message-bus", "unit.refuses"]);
    scene.selected = Some(Wish::from_iter([unit_owner("dbus.service")]));
    assert_eq!(rules(&scene), ["unit.refuses", "policy.message-bus"]);
    // Why a unit is held says more than what is left over of it.
    let jobs = with(up("b.service", 10), |unit| {
        unit.kill_mode = "process".to_owned();
        unit.pulled = words(&["dbus.service"]);
    });
    let units = units(vec![jobs, up("dbus.service", 11)]);
    let policy = crate::config::shipped();
    let owner = unit_owner("b.service");
    let plan = planned(
        vec![stale(10, &owner), stale(20, &owner)],
        vec![process(10, 1, 1), process(20, 1, 2)],
        &policy,
        Some(&units),
    );
    assert_eq!(plan.items.len(), 2);
    let transaction = run(&plan, &units, &policy);
    assert_eq!(transaction.held.len(), 1);
    assert_eq!(transaction.held[0].because[0].rule, "pulls");
}

/// All of a plan, by whoever stands above nothing.
fn run(plan: &Plan, units: &Units, policy: &Policy) -> Transaction {
    let facts = crate::decide::policy::tests::facts(vec![process(10, 1, 1)], Vec::new());
    transaction(
        plan,
        &Situation {
            facts: &facts,
            units,
            policy,
            modes: &BTreeMap::new(),
            mode: Mode::Auto,
            ancestors: &[],
            selected: None,
            overrides: &BTreeSet::new(),
            our_starts: &[],
            now_us: 1_000_000_000,
        },
    )
}

#[test]
fn t10_06_what_connects_comes_last_whatever_allows_it() {
    let names = ["NetworkManager.service", "zz.service", "ssh.service"];
    let states = |first: &str| vec![up(first, 10), up("zz.service", 11), up("ssh.service", 12)];
    let last = ["zz.service", "ssh.service", "NetworkManager.service"];
    let mut scene = Scene::of(states(names[0]), &names);
    scene.policy.rules.retain(|rule| rule.name != "network");
    scene.check(&last, &[]);
    let tunnel = "openvpn@a.service";
    let mut scene = Scene::of(states(tunnel), &[tunnel, "zz.service", "ssh.service"]);
    let mine = rule("mine", tunnel, RuleAction::Restart);
    scene.policy.rules.insert(0, mine);
    scene.check(&["zz.service", "ssh.service", tunnel], &[]);
    // And what an administrator calls so.
    let mut scene = Scene::of(
        states("a.service"),
        &["a.service", "zz.service", "ssh.service"],
    );
    let mine = crate::model::Pattern::parse("a.service").unwrap();
    let network = |rule: &&mut crate::model::PolicyRule| rule.name == "network";
    let network = scene.policy.rules.iter_mut().find(network).unwrap();
    network.selectors.units = vec![mine];
    network.action = RuleAction::Restart;
    scene.check(&["zz.service", "ssh.service", "a.service"], &[]);
}

#[test]
fn t10_03_a_login_that_pam_moved_ends_with_its_unit() {
    let getty = "getty@tty1.service";
    for kill_mode in ["process", "control-group"] {
        let unit = with(up(getty, 10), |unit| unit.kill_mode = kill_mode.to_owned());
        let mut scene = Scene::of(vec![unit], &[getty]);
        let session = Owner::new(OwnerKind::Session, "3", Scope::User(7));
        scene.ancestors = vec![above(99, session.clone(), true), above(10, session, false)];
        scene.selected = Some(Wish::from_iter([unit_owner(getty)]));
        scene.check(&[], &["getty@tty1.service ancestor"]);
    }
}

#[test]
fn t10_09_what_may_be_stale_holds_back_nothing() {
    let states = vec![
        pulling("a.service", 10, &["b.service"]),
        up("b.service", 11),
    ];
    let units = units(states);
    let policy = crate::config::shipped();
    let mut unsure = stale(11, &unit_owner("b.service"));
    unsure.objects[0].sure = false;
    let old = vec![stale(10, &unit_owner("a.service")), unsure];
    let processes = vec![process(10, 1, 1), process(11, 1, 1)];
    let plan = planned(old, processes, &policy, Some(&units));
    assert_eq!(plan.items[1].because[0].rule, "possible");
    assert_eq!(run(&plan, &units, &policy).steps.len(), 1);
}

#[test]
fn t10_09_a_job_that_policy_spares_is_not_cut_off() {
    #[track_caller]
    fn check(change: impl FnOnce(&mut crate::model::PolicyRule), held: bool) {
        let states = vec![
            pulling("a.service", 11, &["b.service"]),
            up("b.service", 10),
        ];
        let units = units(states);
        let mut policy = crate::config::shipped();
        let mut mine = rule("mine", "b.service", RuleAction::Defer);
        change(&mut mine);
        policy.rules.insert(0, mine);
        let old = vec![stale(11, &unit_owner("a.service"))];
        let plan = planned(old, vec![process(11, 1, 1)], &policy, Some(&units));
        // It is second 1000, and process 10 was started in the first.
        let transaction = run(&plan, &units, &policy);
        assert_eq!(
            transaction.held.len(),
            usize::from(held),
            "{transaction:#?}"
        );
    }
    let pattern = || vec![crate::model::Pattern::parse("*").unwrap()];
    check(|_| {}, true);
    check(|rule| rule.selectors.younger_than_secs = Some(7200), true);
    check(|rule| rule.selectors.younger_than_secs = Some(60), false);
    check(|rule| rule.selectors.users = vec![33], true);
    check(|rule| rule.selectors.cgroups = pattern(), true);
    // It is not stale, so nothing stale in it is of a package.
    check(|rule| rule.selectors.packages = pattern(), false);
    check(|rule| rule.selectors.paths = pattern(), false);
    check(
        |rule| {
            rule.selectors.users = vec![33];
            rule.action = RuleAction::Hide;
        },
        false,
    );
}

#[test]
fn t10_14_a_unit_file_that_moved_with_its_program_is_read_first() {
    let unit = with(up("a.service", 10), |unit| {
        unit.need_daemon_reload = true;
        unit.missing = words(&["/usr/sbin/a"]);
    });
    Scene::of(vec![unit], &["a.service"]).check(&["reload", "a.service"], &[]);
}

#[test]
fn an_own_way_goes_by_any_name_of_the_unit() {
    let ssh = || {
        with(up("ssh.service", 10), |unit| {
            unit.names.push("sshd.service".to_owned());
            unit.need_daemon_reload = true;
        })
    };
    let mut scene = Scene::of(vec![ssh()], &["ssh.service"]);
    scene.overrides.insert("sshd.service".to_owned());
    scene.check(&["reload", "override sshd.service"], &[]);
    let refuses = with(ssh(), |unit| unit.refuse_manual_stop = true);
    let mut scene = Scene::of(vec![refuses], &["ssh.service"]);
    scene.overrides.insert("sshd.service".to_owned());
    scene.check(&["reload", "override sshd.service"], &[]);
}

/// What a user's manager says is that user's to choose.
#[test]
fn t11_01_users_managers_cannot_make_a_run_long() {
    let user = Scope::User(7);
    let name = |at: usize| format!("{at:0>240}.service");
    let run = |count: usize, pulls: usize| {
        let pulled: Vec<String> = (5000..5000 + pulls).map(name).collect();
        let mut states: Vec<UnitState> = (0..count).map(|at| up(&name(at), 20)).collect();
        for unit in &mut states {
            unit.pulled.clone_from(&pulled);
        }
        states.extend(pulled.iter().map(|id| up(id, 30)));
        let mut scene = Scene::of(vec![up("a.service", 10)], &["a.service"]);
        scene.units.managers.push(managed(user, states));
        let owners = (0..count).map(|at| Owner::new(OwnerKind::Unit, name(at).as_str(), user));
        scene.owners.extend(owners);
        let transaction = scene.run();
        assert_eq!(transaction.steps.len() + transaction.held.len(), count + 1);
        assert!(!transaction.steps.is_empty());
        let rule = transaction
            .held
            .first()
            .map(|held| held.because[0].rule.clone());
        (transaction.steps.len() - 1, rule.unwrap_or_default())
    };
    assert_eq!(run(300, 0), (128, "too-many".to_owned()));
    assert_eq!(run(1, 64), (1, String::new()));
    assert_eq!(run(1, 65), (0, "pulls".to_owned()));
    // Of all that take the same along, one goes.
    assert_eq!(run(100, 60), (1, "pulls".to_owned()));
    assert_eq!(run(100, 3000), (0, "pulls".to_owned()));
}

/// A unit of any kind, by numbers.
fn any_unit(count: usize) -> impl Strategy<Value = (Vec<usize>, Vec<usize>, bool, u8)> {
    let some = || prop::collection::vec(0..count, 0..4);
    (some(), some(), any::<bool>(), 0u8..8)
}

proptest! {
    #[test]
    fn any_graph_is_put_in_order(graph in prop::collection::vec(any_unit(9), 9)) {
        let name = |at: &usize| format!("u{at}.service");
        let (mut states, mut old) = (Vec::new(), Vec::new());
        for (at, (pulled, after, is_stale, kind)) in graph.iter().enumerate() {
            let mut unit = up(&name(&at), 100 + u32::try_from(at).unwrap());
            unit.pulled = pulled.iter().map(name).collect();
            unit.after = after.iter().map(name).collect();
            match kind {
                0 => unit.refuse_manual_stop = true,
                1 => unit.active = "inactive".to_owned(),
                2 => unit.transient = true,
                3 => unit.need_daemon_reload = true,
                _ => {}
            }
            states.push(unit);
            if *is_stale { old.push(name(&at)); }
        }
        let old: Vec<&str> = old.iter().map(String::as_str).collect();
        let scene = Scene::of(states, &old);
        let transaction = scene.run();
        let mut done = BTreeSet::new();
        let mut renewed = BTreeSet::new();
        let deferred = |name: &str| matches!(graph[name[1..2].parse::<usize>().unwrap()].3, 0 | 2);
        for step in &transaction.steps {
            if let Deed::TryRestart { unit, .. } = &step.deed {
                prop_assert!(done.insert(unit.clone()), "{unit} twice");
                prop_assert!(!deferred(unit));
            }
            prop_assert!(!step.pulled.iter().any(|name| deferred(name)));
            renewed.extend(step.owners.iter().cloned());
        }
        for step in &transaction.steps {
            for name in &step.pulled {
                prop_assert!(done.insert(name.clone()), "{name} twice");
            }
        }
        // Whatever circles there are elsewhere: what is in none comes after all that it is after. A circle has no order, and
        // is cut somewhere.
        let place = |at: usize| {
            let deed = Deed::TryRestart { scope: SYSTEM, unit: name(&at) };
            transaction.steps.iter().position(|step| step.deed == deed)
        };
        let is_after = |one: usize, other: usize| {
            let (mut seen, mut next) = (BTreeSet::new(), vec![one]);
            while let Some(at) = next.pop() {
                next.extend(graph[at].1.iter().copied().filter(|&at| seen.insert(at)));
            }
            seen.contains(&other)
        };
        for (one, other) in (0..9).flat_map(|one| (0..9).map(move |other| (one, other))) {
            if let (Some(late), Some(early)) = (place(one), place(other)) && is_after(one, other) && !is_after(one, one) {
                prop_assert!(early < late, "{one} is after {other}");
            }
        }
        let held: BTreeSet<Owner> = transaction.held.iter().map(|held| held.owner.clone()).collect();
        prop_assert!(renewed.is_disjoint(&held));
        prop_assert!(transaction.held.iter().all(|held| !held.because.is_empty()));
        let all: BTreeSet<Owner> = scene.owners.iter().cloned().collect();
        prop_assert_eq!(renewed.union(&held).cloned().collect::<BTreeSet<_>>(), all);
    }
}
