//! What tracer and Katello call an application: something with a name that runs old code, of a type, and with a command that
//! renews it. tracer(8); the types are the words of both.

use std::collections::{BTreeMap, BTreeSet};

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

/// All of them, by name. Services of the system, logins and the kernel have their names to themselves: what a user started
/// cannot stand for them, whatever it calls itself. Where two services have one name, the one that takes more stands for both.
pub(super) fn all(scene: &Scene) -> BTreeMap<String, Application<'_>> {
    let mut all: BTreeMap<String, Application<'_>> = BTreeMap::new();
    if asks_for_reboot(&scene.reboot) {
        let kernel = Application {
            kind: Type::Static,
            helper: Some(REBOOT.to_owned()),
            processes: Vec::new(),
        };
        all.insert(KERNEL.to_owned(), kernel);
    }
    let stale = scene.stale.iter().filter(|one| one.runs_old_code());
    let stale = stale.filter(|one| !is_passing(one));
    let (own, others): (Vec<&Stale>, Vec<&Stale>) = stale.partition(|one| has_name_of_its_own(one));
    for one in own {
        let (name, kind, helper) = named(one);
        add(
            &mut all,
            service_beside_kernel(name, one),
            kind,
            helper,
            one,
        );
    }
    let taken: BTreeSet<String> = all.keys().cloned().collect();
    for one in others {
        let (name, kind, helper) = named(one);
        let is_users = one.owner.scope != Scope::System;
        let name = match is_users || name == KERNEL || taken.contains(&name) {
            true => apart(&name, one),
            false => name,
        };
        add(&mut all, name, kind, helper, one);
    }
    all
}

fn add<'a>(
    all: &mut BTreeMap<String, Application<'a>>,
    name: String,
    kind: Type,
    helper: Option<String>,
    one: &'a Stale,
) {
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

/// Whether its name is not one that anybody could take: that of a service of the system or of a login.
fn has_name_of_its_own(one: &Stale) -> bool {
    match one.owner.kind {
        OwnerKind::Session | OwnerKind::UserManager | OwnerKind::ServiceManager => true,
        OwnerKind::OtherService => one.owner.scope == Scope::System,
        _ => service_unit(&one.owner).is_some(),
    }
}

/// `kernel` is the kernel: a service of that name has its unit's, which is one name for it as well.
fn service_beside_kernel(name: String, one: &Stale) -> String {
    match service_unit(&one.owner) {
        _ if name != KERNEL => name,
        Some(unit) => tame(unit.as_slice()),
        None => format!("{name}.service"),
    }
}

/// A name beside that of a service of the system: with what no name of a service holds.
fn apart(name: &str, one: &Stale) -> String {
    match (one.owner.scope, one.owner.kind) {
        (Scope::User(uid), _) => format!("{name} (user {uid})"),
        (Scope::System, OwnerKind::Container(_)) => format!("{name} (container)"),
        (Scope::System, OwnerKind::VirtualMachine(_)) => format!("{name} (machine)"),
        (Scope::System, _) => format!("{name} (user {})", one.uid),
    }
}

/// Whether anything beyond doubt asks for a reboot that is not one of the stale processes.
fn asks_for_reboot(reboot: &Reboot) -> bool {
    let asks = |cause: &&crate::model::Cause| {
        cause.sure && cause.level >= Level::SoftReboot && cause.rule != "process"
    };
    reboot.causes.iter().any(|cause| asks(&cause))
}

/// A program that is gone when it has done its work. A process can call itself anything: only what no service keeps is
/// taken at its word.
fn is_passing(one: &Stale) -> bool {
    service_unit(&one.owner).is_none() && PASSING.contains(&one.comm.as_slice())
}

fn named(one: &Stale) -> (String, Type, Option<String>) {
    let static_one = |name| (name, Type::Static, Some(REBOOT.to_owned()));
    let session_one = |name| (name, Type::Session, Some(LOG_OUT.to_owned()));
    // What a user's manager refuses ends with that manager.
    let is_systems = one.owner.scope == Scope::System;
    let refused = is_systems && one.because.iter().any(|why| why.rule == "unit.refuses");
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

/// The unit of the system that a restart is for, if it is a service. A user's container is kept by a unit of that user.
pub(super) fn service_unit(owner: &Owner) -> Option<&Bytes> {
    let unit = match owner.kind {
        _ if owner.scope != Scope::System => None,
        OwnerKind::Unit => Some(&owner.name),
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

/// Whose login it is: sshd's process for it belongs to root, and says the user in its argument (`sshd: alice [priv]`). A
/// process of another could say anything.
fn login(one: &Stale) -> String {
    let said = || {
        let server = one.uid == 0 && LOGIN_SERVERS.contains(&one.comm.as_slice());
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

/// Whether this is what a service is called, and no text that happens to stand where names do: the bytes of names of units
/// (systemd.unit(5)), and `+`, which names of init scripts may hold. Only such a name may become part of a command.
pub(super) fn is_name_of_service(name: &str) -> bool {
    let is_usual = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@+".contains(c);
    !name.is_empty() && !name.starts_with('-') && name.chars().all(is_usual)
}

fn restart_unit(unit: &Bytes) -> Option<String> {
    std::str::from_utf8(unit.as_slice())
        .ok()
        .filter(|unit| is_name_of_service(unit))?;
    let name = Some(service_name(unit)).filter(|name| is_name_of_service(name))?;
    command(&["systemctl".to_owned(), "restart".to_owned(), name])
}

fn restart_service(one: &Stale) -> Option<String> {
    let name = std::str::from_utf8(one.owner.name.as_slice()).ok()?;
    let name = Some(name).filter(|name| is_name_of_service(name))?;
    command(&["service".to_owned(), name.to_owned(), "restart".to_owned()])
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
