//! What is stale, under the names that needrestart has for it.

use std::collections::{BTreeMap, BTreeSet};

use super::command::{self, Command, DropIns};
use super::order;
use super::place::{self, Place};
use crate::dialects::{Scene, Stale, tame};
use crate::model::{Action, Bytes, Owner, Pid};

/// Generations whose words differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// As in Debian 12.
    V3_6,
    /// As in Debian 13.
    V3_11,
}

impl Version {
    /// Its number.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::V3_6 => "3.6",
            Self::V3_11 => "3.11",
        }
    }

    /// The one that was asked for; the newer, if none was.
    pub(super) fn of(variant: Option<&str>) -> Self {
        match variant {
            Some("3.6") => Self::V3_6,
            _ => Self::V3_11,
        }
    }
}

/// How things are named, and what is held back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Naming<'a> {
    /// As which generation does.
    pub(super) version: Version,
    /// Whether containers are told at all: 3.6 never did, by a defect.
    pub(super) containers: bool,
    /// Whether sessions are told by their terminals although systemd runs (`has_pam_systemd` is 0).
    pub(super) by_tty: bool,
    /// Whether all is held back but what a rule of the policy wants to be restarted (`-n`).
    pub(super) defer_all: bool,
    /// Other ways to restart services.
    pub(super) drop_ins: &'a DropIns,
}

/// What becomes of a service or container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// It is held back.
    Deferred,
    /// It is restarted, or to be.
    Restart,
    /// Its unit says that nobody may.
    Refused,
}

/// A service or a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Whom to restart for it, and what would become of each alone.
    pub(super) owners: BTreeMap<Owner, Fate>,
    /// What becomes of it.
    pub(super) fate: Fate,
    /// The command that stands for that.
    pub(super) command: Command,
}

/// So many processes without a name are named by number; the rest is counted.
const LEFT_OUT: usize = 8;

/// Processes of one name, by pid.
pub(super) type Processes = Vec<(String, Vec<Pid>)>;

/// Somebody's session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    /// Whose.
    pub(super) uid: u32,
    /// The name of that account.
    pub(super) user: String,
    /// Its own: `session #3`, `user service`, a terminal.
    pub(super) name: String,
    /// What is stale in it.
    pub(super) processes: Processes,
}

impl Session {
    /// `alice @ session #3`.
    pub(super) fn title(&self) -> String {
        format!("{} @ {}", self.user, self.name)
    }

    /// Its processes: `holder[110], vim[7,9]`.
    pub(super) fn line(&self) -> String {
        listed(&self.processes, ",")
    }

    /// The first of them.
    pub(super) fn pid(&self) -> Option<Pid> {
        let pids = self.processes.iter().flat_map(|(_, pids)| pids);
        pids.min().copied()
    }
}

/// A virtual machine on an old emulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Guest {
    /// Its name, or what stands for one.
    pub(super) name: String,
    /// Its process.
    pub(super) pid: Pid,
}

/// All that is stale.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// Whether only the reader's own processes count: then there is nothing but [`Self::processes`].
    pub(super) of_user: bool,
    /// Those processes.
    pub(super) processes: Processes,
    /// Services.
    pub(super) services: BTreeMap<String, Target>,
    /// Containers: `LXC web2`.
    pub(super) containers: BTreeMap<String, Target>,
    /// Sessions, in the order in which they are told.
    pub(super) sessions: Vec<Session>,
    /// Virtual machines.
    pub(super) guests: Vec<Guest>,
    /// Processes that belong to nothing with a name here.
    pub(super) nameless: Processes,
}

impl Findings {
    /// What is left out for want of a name, as a line for people; `None` if nothing is.
    pub(super) fn left_out(&self) -> Option<String> {
        let count: usize = self.nameless.iter().map(|(_, pids)| pids.len()).sum();
        let mut left = LEFT_OUT;
        let mut some = self.nameless.clone();
        for (_, pids) in &mut some {
            pids.truncate(left);
            left -= pids.len();
        }
        some.retain(|(_, pids)| !pids.is_empty());
        let mut all = listed(&some, ",");
        if count > LEFT_OUT {
            all.push_str(&format!(" and {} more", count - LEFT_OUT));
        }
        match count {
            0 => None,
            1 => Some(format!("1 stale process belongs to no service: {all}")),
            more => Some(format!(
                "{more} stale processes belong to no service: {all}"
            )),
        }
    }

    /// Names of services, and what of them is to be done, without regard to case.
    pub(super) fn services_by_name(&self) -> Vec<(&String, &Target)> {
        folded(&self.services)
    }

    /// The same of containers.
    pub(super) fn containers_by_name(&self) -> Vec<(&String, &Target)> {
        folded(&self.containers)
    }
}

fn folded(targets: &BTreeMap<String, Target>) -> Vec<(&String, &Target)> {
    let mut sorted: Vec<_> = targets.iter().collect();
    sorted.sort_by(|(a, _), (b, _)| order::folded(a, b));
    sorted
}

/// `holder[110], vim[7,9]`, with this between pids.
pub(super) fn listed(processes: &Processes, between: &str) -> String {
    let each = processes.iter().map(|(name, pids)| {
        let pids: Vec<String> = pids.iter().map(Pid::to_string).collect();
        format!("{name}[{}]", pids.join(between))
    });
    each.collect::<Vec<_>>().join(", ")
}

/// A name that cannot be taken for another one at the end of a line.
fn text(name: &Bytes) -> String {
    let text = tame(name.as_slice());
    let inner = text.trim_matches(' ');
    let spaces = |count: usize| "\\x20".repeat(count);
    let before = text.len() - text.trim_start_matches(' ').len();
    let after = text.len() - before - inner.len();
    format!("{}{inner}{}", spaces(before), spaces(after))
}

/// Names what a look found.
pub(super) fn findings(scene: &Scene, naming: &Naming<'_>) -> Findings {
    let stale = || scene.stale.iter().filter(|stale| stale.runs_old_code());
    if scene.euid != 0 {
        let named = stale().map(|stale| (text(&stale.comm), stale.pid));
        return Findings {
            of_user: true,
            processes: grouped(named),
            ..Findings::default()
        };
    }
    let mut gathered = Gathered::default();
    for stale in stale() {
        gathered.take(stale, scene, naming);
    }
    gathered.finish()
}

/// Puts pids behind their names, in natural order.
fn grouped(named: impl IntoIterator<Item = (String, Pid)>) -> Processes {
    let mut by_name: BTreeMap<String, BTreeSet<Pid>> = BTreeMap::new();
    for (name, pid) in named {
        by_name.entry(name).or_default().insert(pid);
    }
    let mut groups: Processes = by_name
        .into_iter()
        .map(|(name, pids)| (name, pids.into_iter().collect()))
        .collect();
    groups.sort_by(|(a, _), (b, _)| order::natural(a, b));
    groups
}

/// Processes one by one, with their names.
type Single = Vec<(String, Pid)>;

/// Findings while processes come one by one.
#[derive(Debug, Default)]
struct Gathered {
    findings: Findings,
    sessions: BTreeMap<(u32, String), (String, Single)>,
    nameless: Single,
}

impl Gathered {
    fn take(&mut self, stale: &Stale, scene: &Scene, naming: &Naming<'_>) {
        let named = (text(&stale.comm), stale.pid);
        match place::of(stale, scene, naming) {
            Place::Services(names) => {
                for name in names {
                    let name = text(&name);
                    let command =
                        command::of_service(&name, scene, naming.version, naming.drop_ins);
                    add(&mut self.findings.services, name, stale, naming, command);
                }
            }
            Place::Lxc(name) => {
                let command = command::of_lxc(&name, stale);
                self.container("LXC", &name, stale, naming, command);
            }
            Place::Machined(name) => {
                let command = command::of_machine(&name);
                self.container("machined", &name, stale, naming, command);
            }
            Place::Session { uid, name, called } => {
                let user = match uid {
                    None => stale.user.clone(),
                    Some(uid) => {
                        let known = scene.accounts.get(&uid).cloned();
                        known.unwrap_or_else(|| uid.to_string())
                    }
                };
                let name = text(&name);
                let process = member(stale, &name, called.as_ref());
                let key = (uid.unwrap_or(stale.uid), name);
                let session = self.sessions.entry(key);
                let (_, processes) = session.or_insert_with(|| (user, Vec::new()));
                processes.push(process);
            }
            Place::Guest(name) => self.findings.guests.push(Guest {
                name: match name {
                    Some(name) => text(&name),
                    // Both as the original spells them.
                    None if naming.version == Version::V3_6 => "Unkown VM".to_owned(),
                    None => "Unknown VM".to_owned(),
                },
                pid: stale.pid,
            }),
            // Containers of other kinds have no name here, and are nobody's loose processes either.
            Place::Foreign => {}
            Place::Nowhere => self.nameless.push(named),
        }
    }

    fn container(
        &mut self,
        module: &str,
        name: &Bytes,
        stale: &Stale,
        naming: &Naming<'_>,
        command: Command,
    ) {
        let name = format!("{module} {}", text(name));
        add(&mut self.findings.containers, name, stale, naming, command);
    }

    fn finish(self) -> Findings {
        let sessions = self.sessions.into_iter();
        let mut sessions: Vec<Session> = sessions
            .map(|((uid, name), (user, processes))| Session {
                uid,
                user: tame(user.as_bytes()),
                name,
                processes: grouped(processes),
            })
            .collect();
        // The sort is stable: sessions of one user stay in the order of their bytes.
        sessions.sort_by(|a, b| order::natural(&a.user, &b.user));
        let mut findings = self.findings;
        findings
            .guests
            .sort_by(|a, b| a.name.cmp(&b.name).then(a.pid.cmp(&b.pid)));
        Findings {
            sessions,
            nameless: grouped(self.nameless),
            ..findings
        }
    }
}

/// How a process is told in a session. 3.6 names the parent of what a user's manager started, and thereby the manager.
fn member(stale: &Stale, session: &str, called: Option<&Bytes>) -> (String, Pid) {
    let by_parent = session == place::OLD_USER_MANAGER && stale.ppid > 1;
    match stale.parent.as_ref().filter(|_| by_parent) {
        Some(parent) => (text(parent), stale.ppid),
        None => (text(called.unwrap_or(&stale.comm)), stale.pid),
    }
}

fn add(
    targets: &mut BTreeMap<String, Target>,
    name: String,
    stale: &Stale,
    naming: &Naming<'_>,
    command: Command,
) {
    let fate = fate(stale, naming);
    let target = targets.entry(name).or_insert_with(|| Target {
        owners: BTreeMap::new(),
        fate,
        command,
    });
    // One of its processes may be what an earlier run left; the others ask for a restart nevertheless.
    target.fate = target.fate.max(fate);
    let of_owner = target.owners.entry(stale.owner.clone()).or_insert(fate);
    *of_owner = (*of_owner).max(fate);
}

fn fate(stale: &Stale, naming: &Naming<'_>) -> Fate {
    let has_rule = |is: fn(&str) -> bool| stale.because.iter().any(|because| is(&because.rule));
    // No service manager knows it, but an init script does.
    let by_script = has_rule(|rule| rule == "process") && !stale.init_scripts.is_empty();
    match stale.action {
        Action::Defer | Action::Leave if has_rule(|rule| rule == "unit.refuses") => Fate::Refused,
        Action::Defer | Action::Leave if !by_script => Fate::Deferred,
        _ if naming.defer_all && !has_rule(|rule| rule.starts_with("policy.")) => Fate::Deferred,
        _ => Fate::Restart,
    }
}
