//! Whether more than restarts is needed: a ladder with reasons. Pure: facts, answers and the plan in, causes out.
//!
//! A list of packages after whose upgrade somebody wants a reboot is a rule of thumb. Where more is known, that counts: of
//! a library, whether anything still runs its old code; of a kernel, whether another one would boot; of microcode,
//! whether there is a newer one for this processor. What a list asks for and knowledge refutes is told as a note.

mod kernel;
mod packages;

use std::collections::BTreeMap;

use crate::model::{
    Action, Answers, Boot, Bytes, Cause, Deployment, Escaped, Facts, Flag, Item, KernelState,
    Level, OwnerKind, Package, PackageChange, Plan, Reboot, Scope, Timestamp, Upgrade,
};

/// What a decision on a reboot rests on.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// What was seen.
    pub facts: &'a Facts,
    /// What the package stores said.
    pub answers: &'a Answers,
    /// What is stale, and what is done about it.
    pub plan: &'a Plan,
    /// How the running kernel compares with what is installed.
    pub kernel: Option<KernelState>,
    /// What was found of microcode, already judged: what asks for a reboot, and what there is to say.
    pub microcode: Option<Cause>,
    /// Whether every process could be judged: otherwise nothing proves that a library's old code is gone.
    pub complete: bool,
    /// Whether the word of a live patch's vendor suffices to put a reboot off.
    pub live_patches_suffice: bool,
}

impl Evidence<'_> {
    /// What it takes on this system: without a service manager that can start all programs anew, the machine.
    fn effective(&self, level: Level) -> Level {
        let can =
            || systemd_version(self.facts).is_some_and(|version| version >= SOFT_REBOOT_SINCE);
        match level {
            Level::SoftReboot if !can() => Level::Reboot,
            level => level,
        }
    }
}

/// `systemctl soft-reboot` came with systemd 254 (its NEWS).
const SOFT_REBOOT_SINCE: u32 = 254;

/// Decides.
#[must_use]
pub fn reboot(evidence: Evidence<'_>) -> Reboot {
    let Some(boot) = &evidence.facts.boot else {
        return Reboot {
            level: None,
            causes: Vec::new(),
            notes: Vec::new(),
            kernel: None,
        };
    };
    let mut said = Said::default();
    kernel::kernel_causes(&mut said, boot, &evidence);
    loader_notes(&mut said, boot);
    said.take(evidence.microcode.clone());
    for change in &evidence.answers.core.changed {
        packages::package_cause(&mut said, boot, change, &evidence);
    }
    packages::missing_notes(&mut said, boot, &evidence.answers.core.missing);
    for flag in boot.flags.iter().filter(|flag| !flag.own) {
        said.causes.push(flag_cause(flag));
    }
    for deployment in &boot.deployments {
        deployment_cause(&mut said, deployment);
    }
    process_causes(&mut said, &evidence);
    said.causes.retain(|cause| cause.level > Level::None);
    said.causes
        .sort_by_key(|cause| std::cmp::Reverse(cause.level));
    let level = said.causes.first().map_or(Level::None, |cause| cause.level);
    Reboot {
        level: Some(level),
        causes: said.causes,
        notes: said.notes,
        kernel: evidence.kernel,
    }
}

/// Causes and notes, as they are found.
#[derive(Debug, Default)]
struct Said {
    causes: Vec<Cause>,
    notes: Vec<Cause>,
    /// Packages that a cause on the kernel speaks for already.
    spoken_for: Vec<String>,
}

impl Said {
    /// One line for each package: the one that asks for most.
    fn take_highest(&mut self, cause: Cause) {
        let name = cause.packages.first().map(|one| one.name.clone());
        let is_same = |other: &Cause| {
            other.rule == cause.rule && other.packages.first().map(|one| &one.name) == name.as_ref()
        };
        let all = || self.causes.iter().chain(&self.notes);
        let told = all()
            .filter(|other| is_same(other))
            .map(|other| other.level);
        if told.max().is_some_and(|level| level >= cause.level) {
            return;
        }
        self.causes.retain(|other| !is_same(other));
        self.notes.retain(|other| !is_same(other));
        self.take(Some(cause));
    }

    fn take(&mut self, cause: Option<Cause>) {
        match cause {
            Some(cause) if cause.level > Level::None => self.causes.push(cause),
            Some(note) => self.notes.push(note),
            None => {}
        }
    }
}

/// What is to be known of the boot loader: a default that is not there, files that disagree.
fn loader_notes(said: &mut Said, boot: &Boot) {
    let notes = boot.kernel.iter().flat_map(|kernel| &kernel.loader.notes);
    said.notes.extend(notes.map(|note| {
        let why = format!("of the boot loader: {}", Escaped(note.as_bytes()));
        Cause::new("loader", Level::None, why)
    }));
}

fn flag_cause(flag: &Flag) -> Cause {
    let upgrade = |name: &Bytes| Upgrade {
        name: name.escaped().to_string(),
        old: None,
        new: None,
    };
    Cause {
        rule: "flag",
        level: flag.level,
        why: format!("{} asks for a {}", flag.path.escaped(), flag.level.word()),
        packages: flag.packages.iter().map(upgrade).collect(),
        since: Some(flag.since),
        sure: true,
    }
}

fn deployment_cause(said: &mut Said, deployment: &Deployment) {
    if deployment.booted == deployment.next {
        return;
    }
    let same_kernel = deployment.other_kernel == Some(false);
    let (booted, next) = (deployment.booted.escaped(), deployment.next.escaped());
    let rest = match same_kernel {
        true => ", with the same kernel",
        false => "",
    };
    said.take(Some(Cause {
        rule: "deployment",
        level: match same_kernel && deployment.kind == "nixos" {
            // What `nixos-rebuild switch` changed is running already.
            true => Level::None,
            false => Level::Reboot,
        },
        why: format!(
            "{}: {booted} runs, {next} would boot{rest}",
            deployment.kind
        ),
        packages: Vec::new(),
        since: deployment.since,
        sure: true,
    }));
}

/// What stale processes ask for: those that take more than a restart each, the others together.
fn process_causes(said: &mut Said, evidence: &Evidence<'_>) {
    let mut restarts: BTreeMap<Action, usize> = BTreeMap::new();
    for item in &evidence.plan.items {
        let level = evidence.effective(item.level);
        let alone = level > Level::Service || item.owner.kind == OwnerKind::ServiceManager;
        if level == Level::None {
            continue;
        }
        if !alone {
            *restarts.entry(item.action).or_default() += 1;
            continue;
        }
        let reason = item.because.first().map(|because| because.why.as_str());
        said.causes.push(Cause {
            rule: "process",
            level,
            why: format!(
                "{}{} runs old code: {}",
                item.owner.name.escaped(),
                of_user(item.owner.scope),
                reason.unwrap_or_default()
            ),
            since: since(&packages_of(item), evidence.answers),
            packages: packages_of(item),
            sure: true,
        });
    }
    let count: usize = restarts.values().sum();
    if count > 0 {
        let what = match count {
            1 => "1 service or program runs".to_owned(),
            more => format!("{more} services and programs run"),
        };
        said.causes.push(Cause::new(
            "process",
            Level::Service,
            format!("{what} old code, and a restart renews that"),
        ));
    }
}

fn of_user(scope: Scope) -> String {
    match scope {
        Scope::System => String::new(),
        Scope::User(uid) => format!(" of user {uid}"),
    }
}

/// When the first of these packages was changed to what it is now, as far as logs tell.
fn since(packages: &[Upgrade], answers: &Answers) -> Option<Timestamp> {
    let is_of = |change: &PackageChange, one: &Upgrade| {
        change.name == one.name && change.new == one.new && change.new.is_some()
    };
    let changes = answers.changes.iter();
    let of_these = changes.filter(|change| packages.iter().any(|one| is_of(change, one)));
    of_these.map(|change| change.at).min()
}

/// The packages behind an item, each once.
fn packages_of(item: &Item) -> Vec<Upgrade> {
    let objects = item.processes.iter().flat_map(|process| &process.objects);
    let mut packages: Vec<Upgrade> = objects
        .flat_map(|object| match &object.package {
            Package::Known(facts) => facts.as_slice(),
            Package::None | Package::Unknown => &[],
        })
        .map(|fact| Upgrade {
            name: fact.name.clone(),
            old: fact.running_version.clone(),
            new: fact.installed_version.clone(),
        })
        .collect();
    packages.sort();
    packages.dedup();
    packages
}

/// The version of the systemd that runs as the first process: its private library carries it in its name (`libsystemd-shared-257.13-1.so`).
fn systemd_version(facts: &Facts) -> Option<u32> {
    let init = facts
        .processes
        .iter()
        .find(|process| process.key.pid == 1)?;
    let names = init.uses.iter().filter_map(|one| {
        let object = facts.objects.get(one.object.0 as usize)?;
        let name = String::from_utf8_lossy(object.name.as_slice()).into_owned();
        let (_, rest) = name.split_once("/libsystemd-shared-")?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    });
    names.max()
}

#[cfg(test)]
mod tests;
