//! One owner and its service manager's word: which of its processes a restart renews, and whether it may be restarted.
//! Pure; policy is not asked here.
//!
//! What a stop ends (systemd.kill(5)): with `KillMode=control-group` and `mixed` everything in the unit's control group,
//! with `process` the main process alone, with `none` nothing but what `ExecStop=` ends. What counts is therefore:
//!
//! - `control-group`, `mixed`: the main process, the control process and all that descends from them. A process that
//!   detached itself (its parent ended, so that it is a child of PID 1) is renewed along where these are stale too. Alone it
//!   is no reason for a restart: the service itself is up to date, and would be interrupted for a helper that may end by
//!   itself. It is left over, and the reason says that a restart would end it.
//! - `process`, `none`: the main process, and forks of it that run the very same program. A job of cron, a session of sshd
//!   that no PAM module moved to a scope: they outlive the restart, and must not cause the next one.
//! - `ExitType=cgroup` (systemd 250): every process that a stop ends. The main process may be a launcher.
//! - `Type=forking` without a main process: every process. systemd could not tell which one it is (systemd.service(5),
//!   `GuessMainPID=`); services made from SysV scripts are all of this kind, and their scripts stop them.

use std::collections::HashMap;

use super::because;
use crate::model::{
    Action, Because, Bytes, Facts, ObjectId, Owner, OwnerKind, Pid, Process, Scope, StaleProcess,
    UnitState, Units,
};

/// Processes of one owner that share a fate.
#[derive(Debug)]
pub(super) struct Part {
    /// The processes, by pid.
    pub(super) processes: Vec<StaleProcess>,
    /// Why a restart of their unit is not for them; `None` for what it renews.
    pub(super) leftover: Option<Because>,
}

/// Who is whose child.
#[derive(Debug)]
pub(super) struct Trees<'a> {
    by_pid: HashMap<Pid, &'a Process>,
}

impl<'a> Trees<'a> {
    pub(super) fn of(facts: &'a Facts) -> Self {
        let processes = facts.processes.iter();
        Self {
            by_pid: processes.map(|one| (one.key.pid, one)).collect(),
        }
    }

    /// Whether a process is one of these, or descends from one of them. `known` holds the answers so far, for these roots: a user
    /// may make chains of any length, and each process of one is asked about.
    fn descends(&self, pid: Pid, roots: &[Pid], known: &mut HashMap<Pid, bool>) -> bool {
        let (mut at, mut path) = (pid, Vec::new());
        let descends = loop {
            if let Some(&known) = known.get(&at) {
                break known;
            }
            if roots.contains(&at) {
                break true;
            }
            // In a file that somebody made, parents may form a circle.
            known.insert(at, false);
            path.push(at);
            match self.by_pid.get(&at) {
                Some(process) if process.ppid > 1 => at = process.ppid,
                _ => break false,
            }
        };
        if descends {
            known.extend(path.into_iter().map(|pid| (pid, true)));
        }
        descends
    }

    /// Whether two processes run the same file. A main process that executed the new file of its program is not what its
    /// older children are.
    fn same_program(&self, one: Pid, other: Pid) -> bool {
        let (Some(one), Some(other)) = (self.by_pid.get(&one), self.by_pid.get(&other)) else {
            return false;
        };
        match (program(one), program(other)) {
            (Some(a), Some(b)) if one.view == other.view => a == b,
            _ => one.exe.is_some() && one.exe == other.exe,
        }
    }
}

fn program(process: &Process) -> Option<ObjectId> {
    let program = process.uses.iter().find(|one| one.program)?;
    Some(program.object)
}

/// Divides the stale processes of an owner into those that a restart is for, and those that are left over.
pub(super) fn parts(
    owner: &Owner,
    processes: Vec<StaleProcess>,
    units: Option<&Units>,
    trees: &Trees<'_>,
) -> Vec<Part> {
    let service = units.filter(|_| is_service(owner));
    let Some(unit) = service.and_then(|units| units.unit_of(owner)) else {
        return vec![whole(processes)];
    };
    if let Some(why) = over(unit) {
        return vec![left_over(processes, why)];
    }
    let roots: Vec<Pid> = unit.main_pid.into_iter().chain(unit.control_pid).collect();
    let narrow = matches!(unit.kill_mode.as_str(), "process" | "none");
    let is_whole = runs_as_group(unit) && !narrow;
    if roots.is_empty() || unit.service_type == "oneshot" || is_whole {
        return vec![whole(processes)];
    }
    let mut known = HashMap::new();
    let counts = |stale: &StaleProcess| {
        let pid = stale.key.pid;
        let is_fork = |&root: &Pid| pid == root || trees.same_program(root, pid);
        trees.descends(pid, &roots, &mut known) && (!narrow || roots.iter().any(is_fork))
    };
    let (tree, rest): (Vec<_>, Vec<_>) = processes.into_iter().partition(counts);
    let is_reason = |stale: &StaleProcess| stale.objects.iter().any(super::counts);
    if rest.is_empty() {
        vec![whole(tree)]
    } else if !narrow && tree.iter().any(is_reason) {
        let mut all: Vec<_> = tree.into_iter().chain(rest).collect();
        all.sort_by_key(|stale| stale.key);
        vec![whole(all)]
    } else {
        let why = if narrow {
            format!(
                "it is no part of what a restart of {} ends (KillMode={}): it ends by itself, or somebody ends it",
                unit.id, unit.kill_mode
            )
        } else {
            format!(
                "it detached itself from the main process of {}, which is up to date: it ends by itself, or with the next restart of the unit",
                unit.id
            )
        };
        let tree = (!tree.is_empty()).then(|| whole(tree));
        tree.into_iter().chain([left_over(rest, why)]).collect()
    }
}

fn whole(processes: Vec<StaleProcess>) -> Part {
    Part {
        processes,
        leftover: None,
    }
}

fn left_over(processes: Vec<StaleProcess>, why: String) -> Part {
    Part {
        processes,
        leftover: Some(Because {
            rule: "leftover".to_owned(),
            why,
        }),
    }
}

/// Whether no process is the main one: a launcher may have ended, and the service runs on.
fn runs_as_group(unit: &UnitState) -> bool {
    unit.exit_type == "cgroup"
}

/// Why nothing in a unit's control group belongs to a service that runs; `None` if one does, or the manager does not
/// know the unit.
fn over(unit: &UnitState) -> Option<String> {
    let id = &unit.id;
    let looping = unit.sub.starts_with("auto-restart");
    match unit.active.as_str() {
        _ if unit.load == "not-found" => None,
        "inactive" | "failed" | "deactivating" => Some(format!(
            "{id} is {}: what is left of it ends by itself, or somebody ends it",
            unit.active
        )),
        "activating" if looping => Some(format!(
            "the service manager is about to start {id} again by itself: this is left of an earlier run"
        )),
        "active" if unit.sub == "exited" => Some(format!(
            "{id} has done its work and is not run again: this is left of it, and somebody has to end it"
        )),
        "active"
            if unit.main_pid.is_none() && unit.control_pid.is_none() && !runs_as_group(unit) =>
        {
            let has_main = !matches!(unit.service_type.as_str(), "forking" | "oneshot" | "");
            has_main.then(|| {
                format!("the main process of {id} has ended: this is left of it, and ends by itself, or somebody ends it")
            })
        }
        _ => None,
    }
}

/// What renews an owner, by its kind and what its manager says.
pub(super) fn natural(owner: &Owner, units: Option<&Units>) -> (Action, Because) {
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
        OwnerKind::Unit => service(owner, units),
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
        OwnerKind::Container(_) => container(owner, units),
        OwnerKind::VirtualMachine(_) => because(
            Action::RestartVm,
            "virtual-machine",
            "the guest has to be powered off and on, or migrated: a reboot inside keeps the old emulator",
        ),
        OwnerKind::OtherService => other_service(owner.scope),
        OwnerKind::Process => because(
            Action::Defer,
            "process",
            "no service manager knows it: end it and start it again the way it was started",
        ),
    }
}

/// A supervisor that a user started keeps what that user calls by any name, such as that of a service of the system's: the
/// system's manager must never be asked for it.
fn other_service(scope: Scope) -> (Action, Because) {
    match scope {
        Scope::System => because(
            Action::Restart,
            "service",
            "its service manager can restart it",
        ),
        Scope::User(_) => because(
            Action::Defer,
            "no-manager",
            "a supervisor that its user started keeps it, and is asked by that user alone",
        ),
    }
}

fn container(owner: &Owner, units: Option<&Units>) -> (Action, Because) {
    let Some(unit) = &owner.host_unit else {
        return because(
            Action::RestartContainer,
            "container",
            "its processes end and start with the container",
        );
    };
    let state = units.and_then(|units| units.unit_of(owner));
    match state.and_then(obstacle) {
        Some(held) => (Action::Defer, held),
        None => because(
            Action::RestartContainer,
            "container",
            &format!("restarting {} makes the container anew", unit.escaped()),
        ),
    }
}

fn service(owner: &Owner, units: Option<&Units>) -> (Action, Because) {
    match owner.unit_suffix() {
        Some(b"service") => {}
        Some(b"scope") => {
            return because(
                Action::Defer,
                "scope",
                "a scope holds programs that something else started: that has to start them anew",
            );
        }
        _ => {
            return because(
                Action::Defer,
                "no-service",
                "a unit of this type is not restarted to renew a program",
            );
        }
    }
    let answered = units.and_then(|units| units.of_scope(owner.scope)?.as_ref().ok());
    let held = match answered.map(|_| units.and_then(|units| units.unit_of(owner))) {
        // Nobody answered: the name is all there is.
        None => is_transient(&owner.name).then(transient),
        Some(None) => Some(vanished()),
        Some(Some(unit)) => obstacle(unit),
    };
    match (held, owner.scope) {
        (Some(held), _) => (Action::Defer, held),
        (None, Scope::System) if owner.nspawn_machine().is_some() => because(
            Action::RestartContainer,
            "container",
            "restarting it makes the container anew",
        ),
        (None, Scope::System) => because(
            Action::Restart,
            "unit",
            "the service manager can restart it",
        ),
        (None, Scope::User(_)) => because(
            Action::Restart,
            "user-unit",
            "the user's service manager can restart it",
        ),
    }
}

/// Why a unit that its manager has in memory is not restarted; `None` if nothing speaks against it.
pub(super) fn obstacle(unit: &UnitState) -> Option<Because> {
    let obstacle = hard_obstacle(unit);
    let is_oneshot = unit.service_type == "oneshot";
    match &obstacle {
        Some(held) if held.rule != "unit.job" && held.rule != "unit.missing" => obstacle,
        // One that works just now is `activating` all the time.
        _ if is_oneshot => Some(oneshot()),
        _ => obstacle,
    }
}

/// Why a unit must not be restarted along with another one. Of a oneshot that has done its work, its author said that it is
/// done again then (`Requires=`, `PartOf=` with `RemainAfterExit=`).
pub(super) fn obstacle_to_pull(unit: &UnitState) -> Option<Because> {
    if unit.sub == "exited" {
        hard_obstacle(unit)
    } else {
        obstacle(unit)
    }
}

fn oneshot() -> Because {
    Because {
        rule: "unit.oneshot".to_owned(),
        why: "it does one job and is not run again for old code: it ends by itself".to_owned(),
    }
}

/// What speaks against a restart of a unit of any type.
fn hard_obstacle(unit: &UnitState) -> Option<Because> {
    let held = |rule: &str, why: &str| {
        Some(Because {
            rule: rule.to_owned(),
            why: why.to_owned(),
        })
    };
    let masked = unit.load == "masked" || unit.file_state.starts_with("masked");
    match unit.load.as_str() {
        "not-found" => return Some(vanished()),
        _ if masked => {
            let why = "it is masked: once stopped, nothing would start it again";
            return held("unit.masked", why);
        }
        "bad-setting" | "error" => {
            let why = "its unit file cannot be loaded any more: it would not come back";
            return held("unit.bad-setting", why);
        }
        _ => {}
    }
    if unit.transient {
        return Some(transient());
    }
    if is_of_connection(unit) {
        let why = "it serves one connection, which a restart would cut: it ends with it";
        return held("unit.connection", why);
    }
    if let Some(why) = refusal(unit) {
        return held("unit.refuses", why);
    }
    if unit.has_job {
        let why = "the service manager has a job for it already: nothing is added to that";
        return held("unit.job", why);
    }
    if unit.active != "active" {
        return Some(Because {
            rule: "unit.job".to_owned(),
            why: format!("it is {} just now: nothing is added to that", unit.active),
        });
    }
    // Program and unit file may have moved together: the manager reads the new file first, and the unit is looked at again then.
    let missing = unit.missing.first().filter(|_| !unit.need_daemon_reload)?;
    Some(Because {
        rule: "unit.missing".to_owned(),
        why: format!(
            "{} is not there any more, and it needs it to start: it would not come back",
            Bytes::from(missing.as_str()).escaped()
        ),
    })
}

/// Whether it is an instance that a socket with `Accept=yes` made (systemd.socket(5)): `ssh@7-10.0.0.1:22-10.0.0.9:5000.service` of
/// `ssh.socket`. The connection is its standard input, and is gone with it.
fn is_of_connection(unit: &UnitState) -> bool {
    let Some((template, instance)) = unit.id.split_once('@') else {
        return false;
    };
    let digits = instance.bytes().take_while(u8::is_ascii_digit).count();
    let is_numbered = digits > 0 && instance.as_bytes().get(digits) == Some(&b'-');
    let socket = format!("{template}.socket");
    is_numbered && unit.triggered_by.contains(&socket)
}

fn refusal(unit: &UnitState) -> Option<&'static str> {
    if unit.refuse_manual_stop || !unit.can_stop {
        Some("it refuses to be stopped by hand (RefuseManualStop=)")
    } else if unit.refuse_manual_start || !unit.can_start {
        Some("it refuses to be started by hand (RefuseManualStart=)")
    } else {
        None
    }
}

fn transient() -> Because {
    Because {
        rule: "transient".to_owned(),
        why: "a transient unit: its definition would vanish with it, so whoever started it has to start it anew".to_owned(),
    }
}

fn vanished() -> Because {
    Because {
        rule: "unit.vanished".to_owned(),
        why:
            "its service manager does not know this unit any more: whoever started it has to end it"
                .to_owned(),
    }
}

fn is_service(owner: &Owner) -> bool {
    owner.kind == OwnerKind::Unit && owner.unit_suffix() == Some(b"service")
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
