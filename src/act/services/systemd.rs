//! systemd, asked and told through `systemctl`: the system's manager by ourselves, that of a user by that user.
//!
//! What a user's manager says is that user's word: it is bounded, and nothing of it is used beyond that user's units.

mod missing;
mod reach;
mod show;
mod starts;
mod words;

use std::ffi::OsString;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::ServiceManager;
use super::answer::{lines, output_of, success_of};
use crate::act::spawn::{Order, Program, Tool, run};
use crate::model::{ManagerState, Scope, Timestamp, UnitState};
use reach::Way;

/// Kinds of units that processes run in, or that are between those. Without a pattern, systemctl tells of active units alone.
const PATTERNS: [&str; 9] = [
    "*.service",
    "*.socket",
    "*.target",
    "*.timer",
    "*.path",
    "*.mount",
    "*.scope",
    "*.slice",
    "*.swap",
];

/// A manager that lives says so at once. A user may not keep us, nor others from being asked.
const STATE_LIMIT: Duration = Duration::from_secs(5);
const USER_STATE_LIMIT: Duration = Duration::from_secs(2);
/// What is refused is refused at once.
const SOON: Duration = Duration::from_secs(1);
/// All units: a third of a second for 160 on an idle machine (systemd 247 to 262). A user may not keep us.
const SYSTEM_LIMIT: Duration = Duration::from_secs(20);
const USER_LIMIT: Duration = Duration::from_secs(5);
/// A unit is 700 bytes; some list hundreds of names.
const SYSTEM_CAP: usize = 32 * 1024 * 1024;
const USER_CAP: usize = 4 * 1024 * 1024;
const MESSAGE_CAP: usize = 64 * 1024;
/// Generators run again, and with many units all of them are read.
const RELOAD_LIMIT: Duration = Duration::from_secs(90);
/// Between two looks whether a manager that started itself anew is there again.
const PAUSE: Duration = Duration::from_millis(100);
const LOG_LIMIT: Duration = Duration::from_secs(10);
const LOG_LINES: usize = 10;
/// No start limit of a service that one would restart looks further back.
const STARTS_SECS_CAP: u64 = 600;

/// systemd.
#[derive(Debug, Default)]
pub struct Systemd;

impl Systemd {
    fn order<'a>(scope: Scope, words: &[&str], limit: Duration) -> Result<Order<'a>, String> {
        let way = Way::to(scope)?;
        let words = way.options.iter().chain(words);
        Ok(Order {
            program: Program::Tool(Tool::Systemctl),
            args: words.map(OsString::from).collect(),
            env: way.env,
            stdin: Vec::new(),
            user: way.user,
            limit,
            output_cap: MESSAGE_CAP,
        })
    }

    /// `running`, `degraded`, …
    fn state(scope: Scope) -> Result<String, String> {
        let limit = match scope {
            Scope::System => STATE_LIMIT,
            Scope::User(_) => USER_STATE_LIMIT,
        };
        let order = Self::order(scope, &["show", "--property=SystemState"], limit)?;
        let text = output_of(order)?;
        let state = show::parse_word_of(&text, b"SystemState");
        state.ok_or_else(|| "its manager does not say how it is".to_owned())
    }

    fn show(scope: Scope, names: &[&str], cap: usize) -> Result<Vec<UnitState>, String> {
        let properties = match scope {
            Scope::System => format!("--property={},{}", show::PROPERTIES, show::FILES),
            Scope::User(_) => format!("--property={}", show::PROPERTIES),
        };
        let mut words = vec!["show", "--all", &properties, "--"];
        words.extend(names);
        let limit = match scope {
            Scope::System => SYSTEM_LIMIT,
            Scope::User(_) => USER_LIMIT,
        };
        let mut order = Self::order(scope, &words, limit)?;
        order.output_cap = cap;
        let shown = show::parse_show(&output_of(order)?);
        let looked = shown.into_iter().map(|shown| match scope {
            Scope::System => UnitState {
                missing: missing::find(&shown),
                ..shown.unit
            },
            // Paths of a user's are not ours to look at.
            Scope::User(_) => shown.unit,
        });
        Ok(looked.collect())
    }

    fn manager(scope: Scope, names: &[&str]) -> Result<ManagerState, String> {
        let cap = match scope {
            Scope::System => SYSTEM_CAP,
            Scope::User(_) => USER_CAP,
        };
        Ok(ManagerState {
            state: Self::state(scope)?,
            units: Self::show(scope, names, cap)?,
        })
    }

    /// A job of systemctl for one unit; it waits for its end.
    fn act(scope: Scope, verb: &str, name: &str, limit: Duration) -> Result<(), String> {
        success_of(Self::order(scope, &[verb, "--", checked(name)?], limit)?)
    }

    /// What the journal has of the starts within the last seconds; `None` if nobody could say.
    fn starts(scope: Scope, secs: u64) -> Option<std::collections::HashMap<String, Vec<i64>>> {
        let mut words = vec![
            "--boot".to_owned(),
            "--output=json".to_owned(),
            format!("--output-fields={}", starts::FIELDS),
            format!("--since=-{secs}s"),
        ];
        // Anybody may write these messages, but not in the name of a manager: fields with `_` are journald's own.
        words.extend(match scope {
            Scope::System => vec!["_PID=1".to_owned()],
            Scope::User(uid) => vec![
                format!("_UID={uid}"),
                format!("_SYSTEMD_UNIT=user@{uid}.service"),
            ],
        });
        let ids = [starts::BEGUN, starts::DONE, starts::FAILED];
        words.extend(ids.map(|id| format!("MESSAGE_ID={id}")));
        let mut order = journal(words);
        order.output_cap = SYSTEM_CAP;
        let ended = run(order).ok()?;
        // Without files there are no records, which is not the same as no starts.
        let is_told = ended.is_success() && !ended.cut && ended.stderr.is_empty();
        is_told.then(|| starts::parse(&ended.stdout))
    }
}

impl ServiceManager for Systemd {
    fn name(&self) -> &'static str {
        "systemd"
    }

    fn describe(&mut self, scope: Scope) -> Result<ManagerState, String> {
        Self::manager(scope, &PATTERNS)
    }

    fn describe_some(&mut self, scope: Scope, names: &[&str]) -> Result<ManagerState, String> {
        // The manager knows nothing under a name that no unit can have, and says nothing at all if it is asked for one.
        let is_loaded = |name: &&str| words::is_loadable(name) && !name.starts_with('-');
        let names: Vec<&str> = names.iter().copied().filter(is_loaded).collect();
        if names.is_empty() {
            // Without names, systemctl shows the manager itself.
            return Ok(ManagerState {
                state: Self::state(scope)?,
                units: Vec::new(),
            });
        }
        let begun = Instant::now();
        match Self::manager(scope, &names) {
            // Control groups have names that a manager does not take for units, whatever we know of them.
            Err(_) if begun.elapsed() < SOON => Self::manager(scope, &PATTERNS),
            result => result,
        }
    }

    fn unit(&mut self, scope: Scope, name: &str) -> Result<UnitState, String> {
        let units = Self::show(scope, &[checked(name)?], MESSAGE_CAP)?;
        let unit = units.into_iter().next();
        unit.ok_or_else(|| "its manager does not tell of it".to_owned())
    }

    fn recent_starts(&mut self, scope: Scope, state: &mut ManagerState) {
        let limited =
            |unit: &&mut UnitState| unit.start_limit_burst > 0 && unit.start_limit_interval_us > 0;
        let spans = state.units.iter_mut().filter(limited);
        let longest = spans.map(|unit| unit.start_limit_interval_us.div_ceil(1_000_000));
        let Some(longest) = longest.max() else {
            return;
        };
        let Some(mut starts) = Self::starts(scope, longest.min(STARTS_SECS_CAP)) else {
            return;
        };
        for unit in state.units.iter_mut().filter(limited) {
            unit.recent_starts_us = Some(starts.remove(&unit.id).unwrap_or_default());
        }
    }

    fn reload(&mut self, scope: Scope) -> Result<(), String> {
        success_of(Self::order(scope, &["daemon-reload"], RELOAD_LIMIT)?)
    }

    fn reexec(&mut self, scope: Scope) -> Result<(), String> {
        let end = Instant::now() + RELOAD_LIMIT;
        success_of(Self::order(scope, &["daemon-reexec"], RELOAD_LIMIT)?)?;
        loop {
            match Self::state(scope) {
                Ok(_) => return Ok(()),
                Err(why) if Instant::now() > end => {
                    return Err(format!("it does not answer since: {why}"));
                }
                Err(_) => sleep(PAUSE),
            }
        }
    }

    fn try_restart(&mut self, scope: Scope, name: &str, limit: Duration) -> Result<(), String> {
        Self::act(scope, "try-restart", name, limit)
    }

    fn start_cleared(&mut self, scope: Scope, name: &str, limit: Duration) -> Result<(), String> {
        let end = Instant::now() + limit;
        // Fails for a unit that is not loaded any more; then starting it says what is wrong.
        Self::act(scope, "reset-failed", name, STATE_LIMIT.min(limit)).ok();
        Self::act(
            scope,
            "start",
            name,
            end.saturating_duration_since(Instant::now()),
        )
    }

    fn log(&mut self, scope: Scope, name: &str, since: Timestamp) -> Vec<String> {
        let Ok(name) = checked(name) else {
            return Vec::new();
        };
        let order = journal(log_words(scope, name, since));
        let logged = run(order).map(|ended| ended.stdout).unwrap_or_default();
        let last = |text: &[u8]| {
            let mut last: Vec<String> = lines(text).rev().take(LOG_LINES).collect();
            last.reverse();
            last
        };
        if lines(&logged).next().is_some() {
            return last(&logged);
        }
        let words = ["status", "--full", "--lines=10", "--", name];
        // Its status is that of the unit: 3 for one that does not run, and no trouble here.
        let status = Self::order(scope, &words, STATE_LIMIT).map(run);
        match status {
            Ok(Ok(ended)) => last(&ended.stdout),
            _ => Vec::new(),
        }
    }

    fn look_command(&self, scope: Scope, name: &str) -> String {
        // A shell would take the backslash away.
        let name = match name.contains('\\') {
            true => format!("'{name}'"),
            false => name.to_owned(),
        };
        match scope {
            Scope::System => format!("systemctl status {name}"),
            Scope::User(uid) if uid == rustix::process::geteuid().as_raw() => {
                format!("systemctl --user status {name}")
            }
            Scope::User(uid) => match reach::account(uid) {
                Some(account) => {
                    format!("systemctl --user --machine={}@ status {name}", account.name)
                }
                None => format!("systemctl --user --machine={uid}@ status {name}"),
            },
        }
    }
}

/// A name of one unit: systemctl takes others for patterns, paths and options.
fn checked(name: &str) -> Result<&str, String> {
    let unit = words::unit_name(name.as_bytes()).filter(|name| !name.starts_with('-'));
    unit.ok_or_else(|| "not a name of a unit".to_owned())
}

/// The journal is read as ourselves: its files are the system's, those of users too.
fn journal<'a>(words: Vec<String>) -> Order<'a> {
    let common = ["--no-pager", "--quiet"].map(str::to_owned);
    Order {
        program: Program::Tool(Tool::Journalctl),
        args: common
            .into_iter()
            .chain(words)
            .map(OsString::from)
            .collect(),
        env: Vec::new(),
        stdin: Vec::new(),
        user: None,
        limit: LOG_LIMIT,
        output_cap: MESSAGE_CAP,
    }
}

/// What a unit's processes said since then, and its manager of it: systemd.journal-fields(7).
fn log_words(scope: Scope, name: &str, since: Timestamp) -> Vec<String> {
    let (own, of_manager) = match scope {
        Scope::System => (
            vec![format!("_SYSTEMD_UNIT={name}")],
            vec![format!("UNIT={name}"), "_PID=1".to_owned()],
        ),
        Scope::User(uid) => (
            vec![format!("_SYSTEMD_USER_UNIT={name}"), format!("_UID={uid}")],
            vec![format!("USER_UNIT={name}"), format!("_UID={uid}")],
        ),
    };
    let mut words = vec![
        "--boot".to_owned(),
        "--output=cat".to_owned(),
        format!("--lines={LOG_LINES}"),
        // Seconds since the epoch: systemd.time(7).
        format!("--since=@{}", since.secs),
    ];
    words.extend(own);
    words.push("+".to_owned());
    words.extend(of_manager);
    words
}

#[cfg(test)]
mod tests;
