//! What tracer and Katello call an application: something with a name that runs old code, of a type, and with a command that
//! renews it. tracer(8); the types are the words of both.

use std::collections::BTreeMap;

use super::{Scene, Stale, tame};
use crate::model::{Bytes, Level, Owner, OwnerKind, Reboot, Scope};

/// What is shown where a user has to log out.
pub(super) const LOG_OUT: &str = "You will have to log out & log in again";
/// What is shown where a reboot alone helps.
pub(super) const REBOOT: &str = "You will have to reboot your computer";
/// The name of whatever else asks for a reboot.
const KERNEL: &str = "kernel";

/// What end with what they were started for, or with the transaction that made them stale.
const PASSING: [&[u8]; 6] = [b"sudo", b"su", b"(sd-pam)", b"dnf", b"dnf5", b"yum"];
/// Servers of logins: their argument names the user.
const LOGIN_SERVERS: [&[u8]; 2] = [b"sshd", b"sshd-session"];

/// Types, the one that takes more later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Type {
    /// Whoever started it has to start it anew.
    Application,
    /// A service.
    Daemon,
    /// Its user has to log out and in.
    Session,
    /// The machine has to be rebooted.
    Static,
}

impl Type {
    /// Its word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Daemon => "daemon",
            Self::Session => "session",
            Self::Static => "static",
        }
    }
}

/// One of them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Application<'a> {
    /// Its type.
    pub(super) kind: Type,
    /// The command that renews it, or what is shown instead; `None` if nobody knows one.
    pub(super) helper: Option<String>,
    /// Its stale processes; none for the kernel.
    pub(super) processes: Vec<&'a Stale>,
}

/// All of them, by name. Where two have one name, the one that takes more stands for both.
pub(super) fn all(scene: &Scene) -> BTreeMap<String, Application<'_>> {
    let mut all: BTreeMap<String, Application<'_>> = BTreeMap::new();
    let stale = scene.stale.iter().filter(|one| one.runs_old_code());
    for one in stale.filter(|one| !is_passing(one)) {
        let (name, kind, helper) = named(one);
        let known = all.entry(name).or_insert_with(|| Application {
            kind,
            helper: helper.clone(),
            processes: Vec::new(),
        });
        if kind > known.kind {
            (known.kind, known.helper) = (kind, helper);
        }
        known.processes.push(one);
    }
    if asks_for_reboot(&scene.reboot) {
        let kernel = Application {
            kind: Type::Static,
            helper: Some(REBOOT.to_owned()),
            processes: Vec::new(),
        };
        all.insert(KERNEL.to_owned(), kernel);
    }
    all
}

/// Whether anything beyond doubt asks for a reboot that is not one of the stale processes.
fn asks_for_reboot(reboot: &Reboot) -> bool {
    let asks = |cause: &&crate::model::Cause| {
        cause.sure && cause.level >= Level::SoftReboot && cause.rule != "process"
    };
    reboot.causes.iter().any(|cause| asks(&cause))
}

/// Whether it cannot be told if a reboot is needed: what is sure does not ask for one, and what could not be looked at may.
pub(super) fn reboot_is_untold(reboot: &Reboot) -> bool {
    let asks = |level: Level| level >= Level::SoftReboot;
    match (reboot.level, reboot.sure_level()) {
        (Some(level), Some(sure)) => asks(level) && !asks(sure),
        _ => true,
    }
}

/// A program that is gone when it has done its work. A process can call itself anything: only what no service keeps is
/// taken at its word.
fn is_passing(one: &Stale) -> bool {
    service_unit(&one.owner).is_none() && PASSING.contains(&one.comm.as_slice())
}

fn named(one: &Stale) -> (String, Type, Option<String>) {
    let static_one = |name| (name, Type::Static, Some(REBOOT.to_owned()));
    let session_one = |name| (name, Type::Session, Some(LOG_OUT.to_owned()));
    let refused = one.because.iter().any(|why| why.rule == "unit.refuses");
    if one.level >= Level::SoftReboot || refused {
        return static_one(owner_name(one));
    }
    match one.owner.kind {
        OwnerKind::Session => session_one(format!("ssh-{}-session", login(one))),
        OwnerKind::ServiceManager => {
            let command = "systemctl daemon-reexec".to_owned();
            ("systemd-manager".to_owned(), Type::Daemon, Some(command))
        }
        _ if one.level == Level::Session || one.owner.scope != Scope::System => {
            session_one(owner_name(one))
        }
        OwnerKind::UserManager => session_one(owner_name(one)),
        _ => match service_unit(&one.owner) {
            Some(unit) => (service_name(unit), Type::Daemon, restart_unit(unit)),
            None if one.owner.kind == OwnerKind::OtherService => {
                let words = one.restart.as_deref();
                let helper = words.and_then(command).or_else(|| restart_service(one));
                (owner_name(one), Type::Daemon, helper)
            }
            None => {
                let helper = one.restart.as_deref().and_then(command);
                (owner_name(one), Type::Application, helper)
            }
        },
    }
}

/// The unit of the system that a restart is for, if it is a service.
pub(super) fn service_unit(owner: &Owner) -> Option<&Bytes> {
    let unit = match owner.kind {
        OwnerKind::Unit if owner.scope == Scope::System => Some(&owner.name),
        OwnerKind::Container(_) | OwnerKind::VirtualMachine(_) => owner.host_unit.as_ref(),
        _ => None,
    };
    unit.filter(|unit| unit.as_slice().ends_with(b".service"))
}

/// A service as `systemctl restart` takes it: without `.service`, unless what is left would be a unit of another type.
pub(super) fn service_name(unit: &Bytes) -> String {
    const TYPES: [&[u8]; 11] = [
        b".service",
        b".socket",
        b".device",
        b".mount",
        b".automount",
        b".swap",
        b".target",
        b".path",
        b".timer",
        b".slice",
        b".scope",
    ];
    let name = unit.as_slice();
    let short = name.strip_suffix(b".service").unwrap_or(name);
    let is_other = TYPES.iter().any(|of_type| short.ends_with(of_type));
    tame(if is_other { name } else { short })
}

/// The name of an owner that is not known by anything better: a unit's, or the program's.
fn owner_name(one: &Stale) -> String {
    if let Some(unit) = service_unit(&one.owner) {
        return service_name(unit);
    }
    match one.owner.kind {
        OwnerKind::Unit if one.owner.unit_suffix() == Some(b"service") => {
            service_name(&one.owner.name)
        }
        OwnerKind::UserManager => service_name(&one.owner.name),
        OwnerKind::OtherService | OwnerKind::Container(_) | OwnerKind::VirtualMachine(_) => {
            tame(one.owner.name.as_slice())
        }
        _ => program_name(one),
    }
}

/// The last part of the program's path; what the process calls itself, where that is not known.
pub(super) fn program_name(one: &Stale) -> String {
    let path = one.program.as_ref().unwrap_or(&one.comm).as_slice();
    let name = path.rsplit(|&byte| byte == b'/').next();
    tame(name.unwrap_or_default())
}

/// Whose login it is: sshd's process for it belongs to root, and says the user in its argument (`sshd: alice [priv]`).
fn login(one: &Stale) -> String {
    let said = || {
        let server = LOGIN_SERVERS.contains(&one.comm.as_slice());
        let text = one.argv.first().filter(|_| server)?.as_slice();
        let colon = text.windows(2).position(|two| two == b": ")?;
        let user = text[colon + 2..]
            .split(|byte| b" @[".contains(byte))
            .next()
            .filter(|user| !user.is_empty())?;
        Some(tame(user))
    };
    said().unwrap_or_else(|| tame(one.user.as_bytes()))
}

/// `None` for a name that would be read as an option.
fn restart_unit(unit: &Bytes) -> Option<String> {
    let name = Some(service_name(unit)).filter(|name| !name.starts_with('-'))?;
    command(&["systemctl".to_owned(), "restart".to_owned(), name])
}

fn restart_service(one: &Stale) -> Option<String> {
    let name = tame(one.owner.name.as_slice());
    let name = Some(name).filter(|name| !name.starts_with('-'))?;
    command(&["service".to_owned(), name, "restart".to_owned()])
}

/// Words as a shell takes them: readers hand this to one, as root. `None` for what has no place in such a line.
fn command(words: &[String]) -> Option<String> {
    let quoted: Option<Vec<String>> = words.iter().map(|word| quoted(word)).collect();
    quoted.map(|words| words.join(" "))
}

fn quoted(word: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@:.,+/=-".contains(c);
    if word.is_empty() || word.contains('\'') || word.chars().any(char::is_control) {
        None
    } else if word.chars().all(is_plain) {
        Some(word.to_owned())
    } else {
        Some(format!("'{word}'"))
    }
}

#[cfg(test)]
mod tests;
