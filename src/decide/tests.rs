use super::*;
use crate::model::{
    Bytes, Managed, ManagerState, ObjectId, Package, Pattern, Pid, PolicyRule, Process, ProcessKey,
    Runtime, Selectors, StartTicks, UnitState, Use, ViewId,
};

const SYSTEM: Scope = Scope::System;

fn key(pid: Pid) -> ProcessKey {
    ProcessKey {
        pid,
        started: StartTicks(u64::from(pid)),
    }
}

/// A process, its parent, and the number of the program that it runs.
pub(super) fn process(pid: Pid, ppid: Pid, program: u32) -> Process {
    Process {
        key: key(pid),
        ppid,
        comm: Bytes::from("x"),
        exe: None,
        view: ViewId(0),
        uses: vec![Use {
            object: ObjectId(program),
            start: 1,
            program: true,
        }],
        sources: Vec::new(),
        details: None,
    }
}

pub(super) fn stale(pid: Pid, owner: &Owner) -> StaleProcess {
    StaleProcess {
        key: key(pid),
        owner: owner.clone(),
        comm: Bytes::from("x"),
        instance: None,
        restart: None,
        objects: vec![StaleObject {
            object: ObjectId(9),
            program: false,
            source: None,
            sure: true,
            kind: Kind::Replaced,
            package: Package::Unknown,
        }],
    }
}

pub(super) fn unit_owner(name: &str) -> Owner {
    Owner::new(OwnerKind::Unit, name, SYSTEM)
}

/// A service that runs, with its main process.
pub(super) fn up(id: &str, main: Pid) -> UnitState {
    UnitState {
        id: id.to_owned(),
        names: vec![id.to_owned()],
        load: "loaded".to_owned(),
        active: "active".to_owned(),
        sub: "running".to_owned(),
        service_type: "simple".to_owned(),
        main_pid: Some(main),
        kill_mode: "control-group".to_owned(),
        can_start: true,
        can_stop: true,
        file_state: "enabled".to_owned(),
        invocation: format!("{id}-1"),
        timeout_start_us: Some(90_000_000),
        timeout_stop_us: Some(90_000_000),
        ..UnitState::default()
    }
}

pub(super) fn managed(scope: Scope, mut units: Vec<UnitState>) -> Managed {
    units.sort_by(|a, b| a.id.cmp(&b.id));
    let state = "running".to_owned();
    Managed {
        scope,
        said: Ok(ManagerState { state, units }),
    }
}

pub(super) fn units(units: Vec<UnitState>) -> Units {
    Units {
        managers: vec![managed(SYSTEM, units)],
    }
}

pub(super) fn rule(name: &str, unit: &str, action: RuleAction) -> PolicyRule {
    PolicyRule {
        name: name.to_owned(),
        selectors: Selectors {
            units: vec![Pattern::parse(unit).unwrap()],
            ..Selectors::default()
        },
        action,
        reason: "because".to_owned(),
        level: Level::Service,
        until: None,
    }
}

/// A plan of these stale processes, by what is shipped.
pub(super) fn planned(
    stale: Vec<StaleProcess>,
    processes: Vec<Process>,
    policy: &Policy,
    units: Option<&Units>,
) -> Plan {
    let case = Case {
        facts: &policy::tests::facts(processes, Vec::new()),
        policy,
        units,
        now: Timestamp { secs: 0, nanos: 0 },
    };
    plan(stale, &case)
}

/// The item of one owner that no manager says anything about.
fn named(kind: OwnerKind, name: &str, scope: Scope) -> Item {
    let owner = Owner::new(kind, name, scope);
    let policy = crate::config::shipped();
    let plan = planned(vec![stale(7, &owner)], Vec::new(), &policy, None);
    plan.items.into_iter().next().unwrap()
}

#[track_caller]
fn check(kind: OwnerKind, name: &str, scope: Scope, action: Action, rule: &str) {
    let item = named(kind, name, scope);
    assert_eq!(
        (item.action, item.because[0].rule.as_str()),
        (action, rule),
        "{name}"
    );
}

#[test]
fn a_users_bus_is_renewed_with_the_users_sessions() {
    #[track_caller]
    fn check(name: &str, scope: Scope, level: Level) {
        let item = named(OwnerKind::Unit, name, scope);
        assert_eq!(item.level, level, "{name} {scope:?}");
    }
    check("dbus.service", SYSTEM, Level::SoftReboot);
    check("dbus.service", Scope::User(7), Level::Session);
    check("systemd-logind.service", SYSTEM, Level::Session);
    check("docker.service", SYSTEM, Level::Service);
    check("nginx.service", SYSTEM, Level::Service);
    check("rc-local.service", SYSTEM, Level::None);
}

#[test]
fn t7_40_a_first_process_that_is_not_systemd_is_not_re_executed() {
    #[track_caller]
    fn check(systemd: bool, action: Action, rule: &str) {
        let owner = Owner::new(OwnerKind::ServiceManager, "/usr/sbin/runit", SYSTEM);
        let mut facts = policy::tests::facts(Vec::new(), Vec::new());
        facts.host.systemd = systemd;
        let case = Case {
            facts: &facts,
            policy: &crate::config::shipped(),
            units: None,
            now: Timestamp { secs: 0, nanos: 0 },
        };
        let plan = plan(vec![stale(1, &owner)], &case);
        let item = &plan.items[0];
        assert_eq!((item.action, item.because[0].rule.as_str()), (action, rule));
        let is_reboot = item.level == Level::Reboot;
        assert_eq!(is_reboot, !systemd);
    }
    check(true, Action::Reexec, "service-manager");
    check(false, Action::Defer, "service-manager.no-reexec");
}

#[test]
fn units_by_name_where_no_manager_answers() {
    let unit = |name, action, rule| check(OwnerKind::Unit, name, SYSTEM, action, rule);
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
    let user = Scope::User(7);
    check(
        OwnerKind::ServiceManager,
        "init.scope",
        SYSTEM,
        Action::Reexec,
        "service-manager",
    );
    check(
        OwnerKind::UserManager,
        "user@7.service",
        user,
        Action::Reexec,
        "user-manager",
    );
    check(
        OwnerKind::Unit,
        "pipewire.service",
        user,
        Action::Restart,
        "user-unit",
    );
    // A user's bus is the user's business, but restarting it breaks the session all the same.
    check(
        OwnerKind::Unit,
        "dbus.service",
        user,
        Action::Defer,
        "policy.message-bus",
    );
    check(OwnerKind::Session, "3", user, Action::Relogin, "session");
    check(
        OwnerKind::Process,
        "/usr/bin/x",
        SYSTEM,
        Action::Defer,
        "process",
    );
    check(
        OwnerKind::Container(Runtime::Docker),
        "abc",
        SYSTEM,
        Action::RestartContainer,
        "container",
    );
    check(
        OwnerKind::VirtualMachine(Runtime::Libvirt),
        "vm",
        SYSTEM,
        Action::RestartVm,
        "virtual-machine",
    );
}

/// Whether a unit is restarted, by its state: the rules of the one item of its main process, joined.
#[track_caller]
fn check_state(change: impl FnOnce(&mut UnitState), rules: &str) {
    let mut unit = up("a.service", 10);
    change(&mut unit);
    let owner = unit_owner("a.service");
    let units = units(vec![unit]);
    let policy = Policy::default();
    let processes = vec![process(10, 1, 1)];
    let plan = planned(vec![stale(10, &owner)], processes, &policy, Some(&units));
    assert_eq!(plan.items.len(), 1);
    let item = &plan.items[0];
    let said: Vec<&str> = item.because.iter().map(|one| one.rule.as_str()).collect();
    assert_eq!(said.join(" "), rules, "{:?}", item.because);
    assert_eq!(item.action == Action::Restart, rules == "unit");
}

#[test]
fn t10_01_a_oneshot_is_never_run_again() {
    check_state(
        |unit| unit.service_type = "oneshot".to_owned(),
        "unit.oneshot",
    );
    check_state(
        |unit| {
            unit.service_type = "oneshot".to_owned();
            unit.active = "activating".to_owned();
            unit.sub = "start".to_owned();
            unit.has_job = true;
        },
        "unit.oneshot",
    );
    check_state(|unit| unit.transient = true, "transient");
}

#[test]
fn t10_02_what_an_exited_oneshot_leaves_is_left_over() {
    check_state(
        |unit| {
            unit.service_type = "oneshot".to_owned();
            unit.sub = "exited".to_owned();
            unit.main_pid = None;
        },
        "leftover",
    );
    check_state(
        |unit| {
            unit.sub = "exited".to_owned();
            unit.main_pid = None;
        },
        "leftover",
    );
}

#[test]
fn t10_04_a_unit_that_refuses_is_not_restarted() {
    check_state(|unit| unit.refuse_manual_stop = true, "unit.refuses");
    check_state(|unit| unit.refuse_manual_start = true, "unit.refuses");
    check_state(|unit| unit.can_stop = false, "unit.refuses");
    check_state(|unit| unit.can_start = false, "unit.refuses");
}

#[test]
fn what_serves_one_connection_ends_with_it() {
    let instance = |id: &str, socket: &str, rule: &str| {
        check_state(
            |unit| {
                unit.id = id.to_owned();
                unit.names.push(id.to_owned());
                unit.triggered_by = vec![socket.to_owned()];
            },
            rule,
        );
    };
    let of_socket = "a@7-10.0.0.1:22-10.0.0.9:5000.service";
    instance(of_socket, "a.socket", "unit.connection");
    instance("a@12-4711-1000.service", "a.socket", "unit.connection");
    // One socket, one instance.
    instance("a@7-x.service", "a@7-x.socket", "unit");
    instance("a@main.service", "a.socket", "unit");
    instance("a@7.service", "a.socket", "unit");
    instance("a.service", "a.socket", "unit");
}

/// A chain of processes of a user's, whose manager calls another one the main process.
#[test]
fn t11_01_long_chains_of_processes_are_walked_once() {
    let count = 60_000;
    let owner = unit_owner("a.service");
    let chain = |pid: Pid| process(pid, pid - 1, 1);
    let processes: Vec<Process> = (100..100 + count).map(chain).collect();
    let old = (100..100 + count).map(|pid| stale(pid, &owner)).collect();
    let units = units(vec![up("a.service", 10)]);
    let began = std::time::Instant::now();
    let plan = planned(old, processes, &Policy::default(), Some(&units));
    assert_eq!(plan.items[0].because[0].rule, "leftover");
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

#[test]
fn t10_12_states_of_units() {
    check_state(|_| {}, "unit");
    check_state(|unit| unit.file_state = "disabled".to_owned(), "unit");
    check_state(|unit| unit.file_state = "static".to_owned(), "unit");
    check_state(|unit| unit.file_state = "generated".to_owned(), "unit");
    check_state(|unit| unit.file_state = "linked".to_owned(), "unit");
    check_state(
        |unit| unit.file_state = "masked-runtime".to_owned(),
        "unit.masked",
    );
    check_state(|unit| unit.load = "masked".to_owned(), "unit.masked");
    check_state(|unit| unit.load = "not-found".to_owned(), "unit.vanished");
    check_state(
        |unit| unit.load = "bad-setting".to_owned(),
        "unit.bad-setting",
    );
    check_state(|unit| unit.active = "failed".to_owned(), "leftover");
    check_state(|unit| unit.active = "inactive".to_owned(), "leftover");
    check_state(|unit| unit.active = "deactivating".to_owned(), "leftover");
    check_state(|unit| unit.id = "b.service".to_owned(), "unit");
    check_state(
        |unit| {
            unit.id = "b.service".to_owned();
            unit.names.clear();
        },
        "unit.vanished",
    );
}

#[test]
fn t10_14_what_would_not_come_back_is_not_stopped() {
    check_state(
        |unit| unit.missing = vec!["/usr/sbin/a".to_owned()],
        "unit.missing",
    );
}

#[test]
fn t10_19_nothing_is_added_to_a_job() {
    check_state(|unit| unit.has_job = true, "unit.job");
    check_state(|unit| unit.active = "reloading".to_owned(), "unit.job");
    check_state(|unit| unit.active = "activating".to_owned(), "unit.job");
    check_state(
        |unit| {
            unit.active = "activating".to_owned();
            unit.sub = "auto-restart".to_owned();
        },
        "leftover",
    );
}

/// Which pids a restart of a service is for, and which are left over. Its main process is 10, of program 1; 11 is its child
/// of the same program and 12 of another one; 13 came from 12; 20 is a child of PID 1.
#[track_caller]
fn check_tree(change: impl FnOnce(&mut UnitState), stale_pids: &[Pid], tree: &[Pid], rest: &[Pid]) {
    let mut unit = up("a.service", 10);
    change(&mut unit);
    let owner = unit_owner("a.service");
    let units = units(vec![unit]);
    let processes = vec![
        process(10, 1, 1),
        process(11, 10, 1),
        process(12, 10, 2),
        process(13, 12, 2),
        process(20, 1, 1),
    ];
    let stale = stale_pids.iter().map(|&pid| stale(pid, &owner)).collect();
    let plan = planned(stale, processes, &Policy::default(), Some(&units));
    let pids = |wanted: bool| -> Vec<Pid> {
        let items = plan.items.iter();
        let items = items.filter(|item| (item.because[0].rule == "leftover") != wanted);
        let of_item = |item: &Item| {
            item.processes
                .iter()
                .map(|one| one.key.pid)
                .collect::<Vec<_>>()
        };
        items.flat_map(of_item).collect()
    };
    assert_eq!((&*pids(true), &*pids(false)), (tree, rest));
    assert!(plan.items.iter().all(|item| item.owner == owner));
}

fn kill_mode(mode: &'static str) -> impl FnOnce(&mut UnitState) {
    move |unit| unit.kill_mode = mode.to_owned()
}

#[test]
fn t7_16_t10_11_the_main_tree_decides_and_leftovers_stand_apart() {
    let all = &[10, 11, 12, 13, 20];
    // A stop ends the whole group: it is renewed along, but never the reason.
    check_tree(|_| {}, all, all, &[]);
    check_tree(kill_mode("mixed"), all, all, &[]);
    check_tree(|_| {}, &[13], &[13], &[]);
    check_tree(|_| {}, &[20], &[], &[20]);
    check_tree(kill_mode("mixed"), &[20], &[], &[20]);
    // A stop ends the main process: jobs and sessions outlive it.
    check_tree(kill_mode("process"), all, &[10, 11], &[12, 13, 20]);
    check_tree(kill_mode("none"), all, &[10, 11], &[12, 13, 20]);
    check_tree(kill_mode("process"), &[12, 13], &[], &[12, 13]);
    // After the restart, the session that outlived it is nobody's child.
    check_tree(kill_mode("process"), &[20], &[], &[20]);
    // No process is the main one.
    let group = |unit: &mut UnitState| unit.exit_type = "cgroup".to_owned();
    check_tree(group, &[20], &[20], &[]);
    check_tree(
        |unit| {
            group(unit);
            unit.main_pid = None;
        },
        &[20],
        &[20],
        &[],
    );
    check_tree(
        |unit| {
            group(unit);
            unit.kill_mode = "process".to_owned();
        },
        &[11, 20],
        &[11],
        &[20],
    );
    // What the control process runs (ExecReload=) belongs to the service.
    check_tree(|unit| unit.control_pid = Some(20), &[20], &[20], &[]);
}

#[test]
fn t10_11_a_main_process_that_took_the_new_program_is_no_kin_of_its_old_children() {
    // 10 executed program 1 anew; 11 still runs program 3, from before.
    let mut unit = up("ssh.service", 10);
    unit.kill_mode = "process".to_owned();
    let owner = unit_owner("ssh.service");
    let units = units(vec![unit]);
    let processes = vec![process(10, 1, 1), process(11, 10, 3)];
    let plan = planned(
        vec![stale(11, &owner)],
        processes,
        &Policy::default(),
        Some(&units),
    );
    assert_eq!(plan.items[0].because[0].rule, "leftover");
}

#[test]
fn t7_16_without_a_main_process_every_process_counts() {
    let forking = |unit: &mut UnitState| {
        unit.service_type = "forking".to_owned();
        unit.kill_mode = "process".to_owned();
        unit.main_pid = None;
    };
    check_tree(forking, &[12, 20], &[12, 20], &[]);
    // Any other type has lost its main process.
    check_tree(|unit| unit.main_pid = None, &[12, 20], &[], &[12, 20]);
}

#[test]
fn t7_44_a_service_that_is_inactive_now_has_only_leftovers() {
    check_tree(
        |unit| {
            unit.active = "inactive".to_owned();
            unit.sub = "dead".to_owned();
            unit.main_pid = None;
        },
        &[20],
        &[],
        &[20],
    );
}

#[test]
fn t7_45_a_unit_that_its_manager_does_not_know_has_vanished() {
    let owner = unit_owner("gone.service");
    let units = units(vec![up("a.service", 10)]);
    let plan = planned(
        vec![stale(20, &owner)],
        vec![process(20, 1, 1)],
        &Policy::default(),
        Some(&units),
    );
    assert_eq!(plan.items[0].because[0].rule, "unit.vanished");
    assert_eq!(plan.items[0].action, Action::Defer);
}

#[test]
fn t10_11_nothing_makes_what_is_left_over_a_reason_for_a_restart() {
    let owner = unit_owner("ssh.service");
    let left_over = |policy: &Policy| {
        let mut unit = up("ssh.service", 10);
        unit.kill_mode = "process".to_owned();
        let old = vec![stale(20, &owner)];
        let processes = vec![process(10, 1, 1), process(20, 1, 1)];
        let plan = planned(old, processes, policy, Some(&units(vec![unit])));
        plan.items.into_iter().chain(plan.hidden).next().unwrap()
    };
    let mut policy = Policy::default();
    let plain = left_over(&policy);
    // A restart of the service does not renew it, nor is it what a reboot is for.
    assert_eq!((plain.action, plain.level), (Action::Defer, Level::Session));
    assert!(plain.is_leftover());
    policy.only_listed = true;
    assert_eq!(left_over(&policy), plain);
    for (action, decided) in [
        (RuleAction::Restart, Action::Defer),
        (RuleAction::Defer, Action::Defer),
        (RuleAction::Leave, Action::Leave),
        (RuleAction::Hide, Action::Leave),
    ] {
        policy.rules = vec![rule("x", "ssh.*", action)];
        let item = left_over(&policy);
        assert_eq!(item.action, decided, "{action:?}");
        assert_ne!(item.level, Level::Service, "{action:?}");
        assert_eq!(item.is_leftover(), decided == Action::Defer);
    }
}

#[test]
fn parents_in_a_circle_end() {
    let owner = unit_owner("a.service");
    let units = units(vec![up("a.service", 10)]);
    let processes = vec![process(20, 21, 1), process(21, 20, 1)];
    let plan = planned(
        vec![stale(20, &owner)],
        processes,
        &Policy::default(),
        Some(&units),
    );
    assert_eq!(plan.items[0].because[0].rule, "leftover");
}

/// The rules that decide about `a.service`, whose state is that, with one rule about it.
#[track_caller]
fn check_policy(
    action: Option<RuleAction>,
    only_listed: bool,
    change: impl FnOnce(&mut UnitState),
    decided: Action,
    rules: &str,
) {
    let mut unit = up("a.service", 10);
    change(&mut unit);
    let policy = Policy {
        rules: action
            .map(|action| rule("x", "a.*", action))
            .into_iter()
            .collect(),
        only_listed,
        connecting: Vec::new(),
    };
    let owner = unit_owner("a.service");
    let units = units(vec![unit]);
    let plan = planned(
        vec![stale(10, &owner)],
        vec![process(10, 1, 1)],
        &policy,
        Some(&units),
    );
    let hidden = action == Some(RuleAction::Hide);
    let items = if hidden { &plan.hidden } else { &plan.items };
    assert_eq!((items.len(), plan.items.len()), (1, usize::from(!hidden)));
    let said: Vec<&str> = items[0]
        .because
        .iter()
        .map(|one| one.rule.as_str())
        .collect();
    assert_eq!((items[0].action, said.join(" ").as_str()), (decided, rules));
}

#[test]
fn t10_26_policy_speaks_first_and_the_manager_after_it() {
    let refuses = |unit: &mut UnitState| unit.refuse_manual_stop = true;
    let (restart, defer) = (Some(RuleAction::Restart), Some(RuleAction::Defer));
    check_policy(restart, false, |_| {}, Action::Restart, "policy.x unit");
    check_policy(
        restart,
        false,
        refuses,
        Action::Defer,
        "policy.x unit.refuses",
    );
    check_policy(defer, false, |_| {}, Action::Defer, "policy.x");
    check_policy(
        defer,
        false,
        refuses,
        Action::Defer,
        "policy.x unit.refuses",
    );
    check_policy(
        Some(RuleAction::Leave),
        false,
        refuses,
        Action::Leave,
        "policy.x",
    );
    check_policy(
        Some(RuleAction::Hide),
        false,
        |_| {},
        Action::Leave,
        "policy.x",
    );
    check_policy(None, true, |_| {}, Action::Defer, "policy.not-listed");
    check_policy(None, true, refuses, Action::Defer, "unit.refuses");
    check_policy(restart, true, |_| {}, Action::Restart, "policy.x unit");
}

#[test]
fn t10_24_a_users_manager_speaks_of_that_users_units_alone() {
    #[track_caller]
    fn check(uid: u32, rule: &str) {
        let owner = Owner::new(OwnerKind::Unit, "a.service", Scope::User(uid));
        let mut masked = up("a.service", 10);
        masked.load = "masked".to_owned();
        let units = Units {
            managers: vec![
                managed(Scope::User(7), vec![masked]),
                Managed {
                    scope: Scope::User(8),
                    said: Err("it hangs".to_owned()),
                },
            ],
        };
        let processes = vec![process(10, 1, 1)];
        let policy = Policy::default();
        let plan = planned(vec![stale(10, &owner)], processes, &policy, Some(&units));
        assert_eq!(plan.items[0].because[0].rule, rule, "{uid}");
    }
    check(7, "unit.masked");
    check(8, "user-unit");
    check(9, "user-unit");
}

#[test]
fn t10_18_a_container_by_the_state_of_the_unit_around_it() {
    let owner = Owner {
        host_unit: Some(Bytes::from("web.service")),
        ..Owner::new(OwnerKind::Container(Runtime::Podman), "abc", SYSTEM)
    };
    let mut unit = up("web.service", 10);
    let plan = |unit: &UnitState| {
        let units = units(vec![unit.clone()]);
        let policy = Policy::default();
        let plan = planned(vec![stale(99, &owner)], Vec::new(), &policy, Some(&units));
        plan.items[0].because[0].rule.clone()
    };
    assert_eq!(plan(&unit), "container");
    unit.load = "masked".to_owned();
    assert_eq!(plan(&unit), "unit.masked");
}
