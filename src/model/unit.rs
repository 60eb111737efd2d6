//! What service managers say of their units. systemd's words: systemd.unit(5), systemd.service(5), org.freedesktop.systemd1(5).

use serde::{Deserialize, Serialize};

use super::{Owner, OwnerKind, Pid, Scope};

/// What was asked of service managers, and what they said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Units {
    /// One answer for each manager that was asked.
    pub managers: Vec<Managed>,
}

/// One manager's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Managed {
    /// Whose.
    pub scope: Scope,
    /// What it said, or why it did not.
    pub said: Result<ManagerState, String>,
}

/// A manager, and all units that it has in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagerState {
    /// `SystemState`, as `systemctl is-system-running` prints it: `running`, `degraded`, `starting`, `stopping`, …
    pub state: String,
    /// Its units, by their ids.
    pub units: Vec<UnitState>,
}

/// One unit in the memory of its manager.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitState {
    /// `Id`: its main name.
    pub id: String,
    /// `Names`: that and its aliases.
    pub names: Vec<String>,
    /// `LoadState`: `loaded`, `masked`, `not-found`, `bad-setting`, `error`.
    pub load: String,
    /// `ActiveState`: `active`, `reloading`, `inactive`, `failed`, `activating`, `deactivating`, `maintenance`.
    pub active: String,
    /// `SubState`: `running`, `exited`, `dead`, `auto-restart`, …
    pub sub: String,
    /// `Type` of a service: `simple`, `oneshot`, …; empty for other units.
    pub service_type: String,
    /// `MainPID`; `None` if there is none.
    pub main_pid: Option<Pid>,
    /// `ControlPID`; `None` if there is none.
    pub control_pid: Option<Pid>,
    /// `ExitType`: with `cgroup` a service runs as long as any of its processes does; `main`, or empty where systemd has no
    /// such property (before 250).
    #[serde(default)]
    pub exit_type: String,
    /// `KillMode`: `control-group`, `mixed`, `process`, `none`.
    pub kill_mode: String,
    /// `CanStart`.
    pub can_start: bool,
    /// `CanStop`.
    pub can_stop: bool,
    /// `RefuseManualStart`.
    pub refuse_manual_start: bool,
    /// `RefuseManualStop`.
    pub refuse_manual_stop: bool,
    /// `NeedDaemonReload`: its files changed since the manager read them.
    pub need_daemon_reload: bool,
    /// `UnitFileState`: `enabled`, `static`, `masked`, …; empty for transient units.
    pub file_state: String,
    /// `Transient`: its definition ends with it.
    pub transient: bool,
    /// `RemainAfterExit`.
    pub remain_after_exit: bool,
    /// `Delegate`: its control group is its own to divide.
    pub delegate: bool,
    /// `InvocationID`: changes with every start; empty if it never was started.
    pub invocation: String,
    /// Whether a job is queued or runs for it (`Job`).
    pub has_job: bool,
    /// `Result` of the last run: `success`, `exit-code`, `start-limit-hit`, …
    pub result: String,
    /// `NRestarts`: how often the manager restarted it by itself.
    pub restarts: u64,
    /// `StartLimitBurst`; 0 is no limit.
    pub start_limit_burst: u32,
    /// `StartLimitIntervalUSec` in microseconds; 0 is no limit.
    pub start_limit_interval_us: u64,
    /// `RestartUSec` in microseconds.
    pub restart_us: u64,
    /// `TimeoutStartUSec` in microseconds; `None` is for ever.
    pub timeout_start_us: Option<u64>,
    /// `TimeoutStopUSec` in microseconds; `None` is for ever.
    pub timeout_stop_us: Option<u64>,
    /// When it was started within the last `start_limit_interval_us`, in microseconds of the real-time clock, as the journal tells;
    /// `None` if nobody could say.
    pub recent_starts_us: Option<Vec<i64>>,
    /// What stops or restarts with it: `RequiredBy`, `RequisiteOf`, `BoundBy`, `ConsistsOf`, in this order and each once.
    pub pulled: Vec<String>,
    /// `Requires`, `BindsTo`, `PartOf`: what it goes down with.
    pub pulled_by: Vec<String>,
    /// `After`.
    pub after: Vec<String>,
    /// `TriggeredBy`: sockets, timers, paths that start it.
    pub triggered_by: Vec<String>,
    /// Programs of its commands (`ExecStart` and those before it) and its environment files that are not there any more.
    pub missing: Vec<String>,
}

impl Units {
    /// What the manager of a scope said; `None` if it was not asked.
    #[must_use]
    pub fn of_scope(&self, scope: Scope) -> Option<&Result<ManagerState, String>> {
        let found = self.managers.iter().find(|managed| managed.scope == scope);
        found.map(|managed| &managed.said)
    }

    /// The unit that an owner is or is made by; `None` also if its manager does not have it in memory.
    #[must_use]
    pub fn unit_of(&self, owner: &Owner) -> Option<&UnitState> {
        let name = match (&owner.host_unit, owner.kind) {
            (Some(unit), _) => unit,
            (None, OwnerKind::Unit | OwnerKind::App) => &owner.name,
            (None, _) => return None,
        };
        let name = std::str::from_utf8(name.as_slice()).ok()?;
        self.of_scope(owner.scope)?.as_ref().ok()?.unit(name)
    }
}

impl ManagerState {
    /// A unit, by any of its names.
    #[must_use]
    pub fn unit(&self, name: &str) -> Option<&UnitState> {
        let by_id = self
            .units
            .binary_search_by(|unit| unit.id.as_str().cmp(name))
            .ok()
            .and_then(|at| self.units.get(at));
        by_id.or_else(|| {
            let has = |unit: &&UnitState| unit.names.iter().any(|alias| alias == name);
            self.units.iter().find(has)
        })
    }
}

impl UnitState {
    /// Whether it runs, or is about to.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(
            self.active.as_str(),
            "active" | "reloading" | "activating" | "refreshing"
        )
    }
}
