//! Whether more than restarts is needed: a ladder with reasons. Pure: facts, answers and the plan in, causes out.
//!
//! A list of packages after whose upgrade somebody wants a reboot is a rule of thumb. Where more is known, that counts: of
//! a library, whether anything still runs its old code; of a kernel, whether another one would boot; of microcode,
//! whether there is a newer one for this processor. What a list asks for and knowledge refutes is told as a note.

use std::collections::BTreeMap;

use crate::model::{
    Action, Answers, Banner, Before, Boot, Bytes, Cause, CoreChange, Deployment, Escaped, Facts,
    Flag, Item, KernelState, KernelVerdict, Level, Listed, OwnerKind, Package, PackageChange,
    PathAnswer, Plan, Reboot, Setting, Timestamp, Upgrade,
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
    kernel_causes(&mut said, &evidence);
    said.take(evidence.microcode.clone());
    for change in &evidence.answers.core.changed {
        package_cause(&mut said, boot, change, &evidence);
    }
    missing_notes(&mut said, boot, &evidence.answers.core.missing);
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
    fn take(&mut self, cause: Option<Cause>) {
        match cause {
            Some(cause) if cause.level > Level::None => self.causes.push(cause),
            Some(note) => self.notes.push(note),
            None => {}
        }
    }
}

fn kernel_causes(said: &mut Said, evidence: &Evidence<'_>) {
    let Some(state) = &evidence.kernel else {
        return;
    };
    let running = state.running.release.escaped();
    let next = state.next.as_ref();
    let next_release = next.map(|next| next.banner.release.escaped().to_string());
    let how = match next.map(|next| next.by_loader) {
        Some(true) => "the boot loader's default",
        _ => "the newest of its flavour",
    };
    let upgrade = kernel_upgrade(state, evidence.answers);
    let since = upgrade.as_ref().and_then(|(_, since)| *since);
    // When an image came says nothing of when another went.
    let came = next.filter(|_| state.verdict != KernelVerdict::Removed);
    let since = since.or(came.map(|next| next.since));
    let packages: Vec<Upgrade> = upgrade.into_iter().map(|(upgrade, _)| upgrade).collect();
    said.spoken_for
        .extend(packages.iter().map(|one| one.name.clone()));
    let cause = |rule, level, why: String| Cause {
        rule,
        level,
        why,
        packages: packages.clone(),
        since,
    };
    let found = match (&state.verdict, next_release) {
        (KernelVerdict::Newer, Some(next)) => cause(
            "kernel.newer",
            Level::Reboot,
            format!("kernel {running} runs, {next} is installed ({how})"),
        ),
        (KernelVerdict::Rebuilt, _) => cause(
            "kernel.rebuilt",
            Level::Reboot,
            format!(
                "kernel {running} runs as build {}, installed is build {} of the same release ({how})",
                state.running.version.escaped(),
                next.map(|next| next.banner.version.escaped().to_string())
                    .unwrap_or_default(),
            ),
        ),
        (KernelVerdict::Removed, next) => cause(
            "kernel.removed",
            Level::Reboot,
            match next {
                Some(next) => format!(
                    "kernel {running} runs and is no longer installed: its modules cannot be loaded any more; {next} would boot ({how})"
                ),
                None => format!(
                    "kernel {running} runs and is no longer installed: its modules cannot be loaded any more"
                ),
            },
        ),
        (KernelVerdict::OlderDefault, Some(next)) => cause(
            "kernel.older-default",
            Level::None,
            format!("kernel {running} runs, a reboot would start the older {next} ({how})"),
        ),
        (KernelVerdict::Custom, _) => cause(
            "kernel.custom",
            Level::None,
            format!(
                "kernel {running} runs, and was not installed here: built by hand, or provided from outside"
            ),
        ),
        (KernelVerdict::Unknown(why), _) => cause(
            "kernel.unknown",
            Level::None,
            format!("whether kernel {running} is the one that would boot is not known: {why}"),
        ),
        (KernelVerdict::Current, _) | (_, None) => return remarks(said, state),
    };
    // What asks for nothing did not begin with that image either.
    let found = match found.level {
        Level::None => Cause {
            packages: Vec::new(),
            since: None,
            ..found
        },
        _ => found,
    };
    said.take(Some(live_patched(found, state, evidence)));
    if state.modules_gone && state.verdict != KernelVerdict::Removed {
        said.causes.push(Cause {
            rule: "kernel.modules",
            level: Level::Reboot,
            why: format!("the modules of the running kernel {running} were removed: what is not loaded yet cannot be loaded any more"),
            packages: Vec::new(),
            since: None,
        });
    }
    remarks(said, state);
}

fn remarks(said: &mut Said, state: &KernelState) {
    let notes = state.remarks.iter().map(|remark| Cause {
        rule: "kernel.remark",
        level: Level::None,
        why: remark.clone(),
        packages: Vec::new(),
        since: None,
    });
    said.notes.extend(notes);
}

/// The package of the image that would boot, before and now, and when that came.
fn kernel_upgrade(state: &KernelState, answers: &Answers) -> Option<(Upgrade, Option<Timestamp>)> {
    let next = state.next.as_ref()?;
    let owner = |banner: &Banner, path: Option<&Bytes>| {
        let mut paths = banner.package_paths();
        paths.extend(path.cloned());
        paths.iter().find_map(|path| match answers.paths.get(path) {
            Some(PathAnswer::Owned(claims)) => claims.first(),
            _ => None,
        })
    };
    let new = owner(&next.banner, Some(&next.path))?;
    let changes = || {
        let of_package = |change: &&PackageChange| {
            change.name == new.name && change.new.as_ref() == Some(&new.version)
        };
        answers.changes.iter().filter(of_package)
    };
    let change = changes().next_back();
    let old = match state.verdict {
        KernelVerdict::Rebuilt => change.and_then(|change| change.old.clone()),
        _ => owner(&state.running, None)
            .filter(|old| old.version != new.version)
            .map(|old| old.version.clone()),
    };
    let upgrade = Upgrade {
        name: new.name.clone(),
        old,
        new: Some(new.version.clone()),
    };
    Some((upgrade, change.map(|change| change.at)))
}

/// A pending reboot of the kernel, with what live patches say to that.
fn live_patched(mut cause: Cause, state: &KernelState, evidence: &Evidence<'_>) -> Cause {
    let patches = evidence
        .facts
        .boot
        .iter()
        .flat_map(|boot| &boot.live_patches);
    let names: Vec<String> = patches
        .filter(|patch| patch.enabled)
        .map(|patch| patch.name.escaped().to_string())
        .collect();
    if names.is_empty() || cause.level == Level::None {
        return cause;
    }
    let said = match &state.live_patched_by {
        Some(by) if evidence.live_patches_suffice => {
            cause.level = Level::None;
            format!(
                "{by} says that live patches have made it as good, and settings let that suffice"
            )
        }
        Some(by) => {
            format!("{by} says that live patches have made it as good: the reboot may wait")
        }
        None => format!(
            "live patches are in force ({}), nothing tells whether they cover all of it",
            names.join(", ")
        ),
    };
    cause.why = format!("{}; {said}", cause.why);
    cause
}

/// What a listed package asks for that changed since the system started.
fn package_cause(said: &mut Said, boot: &Boot, change: &CoreChange, evidence: &Evidence<'_>) {
    let Some(listed) = boot.listed.get(change.listed as usize) else {
        return;
    };
    let name = &change.package.name;
    let asked = level_asked(listed, change.hint.as_deref());
    let mut cause = Cause {
        rule: "package",
        level: asked,
        why: String::new(),
        packages: vec![Upgrade {
            name: name.clone(),
            old: match &change.before {
                Before::Version(version) => Some(version.clone()),
                Before::Nothing | Before::Unknown => None,
            },
            new: Some(change.package.version.clone()),
        }],
        since: change.at,
    };
    let since = match boot.setting {
        Setting::Container(_) => "since the container started",
        _ => "since the machine was booted",
    };
    let what = match &change.before {
        Before::Version(old) if *old == change.package.version => "installed anew",
        Before::Version(_) => "upgraded",
        Before::Nothing => "installed",
        Before::Unknown => "installed or upgraded",
    };
    let (level, why) = match refuted(change, listed, boot, evidence) {
        Some((level, why)) => (level.min(asked), why),
        None => {
            let by = listed.source.escaped();
            (
                asked,
                format!("and {by} asks for a {} after that", asked.word()),
            )
        }
    };
    let why = format!("{name} was {what} {since}, {why}");
    cause.level = level;
    cause.why = why;
    // One line for each package: the one that asks for most.
    let known = said.causes.iter_mut().chain(&mut said.notes);
    let same = |other: &&mut Cause| {
        other.rule == "package" && other.packages.first().map(|one| &one.name) == Some(name)
    };
    if said.spoken_for.contains(name) {
        return;
    }
    match known.into_iter().find(same) {
        Some(other) if other.level >= cause.level => {}
        Some(other) => *other = cause,
        None => said.take(Some(cause)),
    }
    let (causes, notes): (Vec<Cause>, Vec<Cause>) = said
        .causes
        .drain(..)
        .chain(said.notes.drain(..))
        .partition(|cause| cause.level > Level::None);
    (said.causes, said.notes) = (causes, notes);
}

/// Names that an administrator lists, and nothing is called so: a misspelt one would never count.
fn missing_notes(said: &mut Said, boot: &Boot, missing: &[u32]) {
    let listed = missing
        .iter()
        .filter_map(|&at| boot.listed.get(at as usize));
    said.notes.extend(listed.map(|listed| Cause {
        rule: "package.missing",
        level: Level::None,
        why: format!(
            "{} is listed by {}, and no installed package is called so",
            Escaped(listed.name.as_bytes()),
            listed.source.escaped()
        ),
        packages: Vec::new(),
        since: None,
    }));
}

/// The level beside the capability (`installhint(reboot-needed) = kexec`) goes before that of the list.
fn level_asked(listed: &Listed, hint: Option<&str>) -> Level {
    hint.and_then(Level::of_word)
        .filter(|&level| level > Level::None)
        .unwrap_or(listed.level)
}

/// What is known better than by the list: the level that is left, and why.
fn refuted(
    change: &CoreChange,
    listed: &Listed,
    boot: &Boot,
    evidence: &Evidence<'_>,
) -> Option<(Level, String)> {
    let name = &change.package.name;
    match &change.before {
        Before::Version(old) if *old == change.package.version => {
            return Some((Level::None, "in the version that it had".to_owned()));
        }
        // Of a kernel, each version is installed beside the others.
        Before::Nothing if !listed.installs_count && !is_kernel(name) => {
            return Some((
                Level::None,
                "for the first time: nothing ran it before".to_owned(),
            ));
        }
        _ => {}
    }
    // A clock that was set since the start: before or after, only what runs can tell.
    let doubtful = change.at.is_some_and(|at| at.secs <= boot.started.secs);
    if doubtful && !(change.has_code && evidence.complete) {
        return Some((
            Level::None,
            "or before that: the clock was set meanwhile, and nothing else tells".to_owned(),
        ));
    }
    // Whoever lists a package by hand has reasons of his own.
    if listed.installs_count && !doubtful {
        return None;
    }
    if is_kernel(name) && boot.kernel.is_some() {
        return match evidence.kernel.as_ref().map(|state| &state.verdict) {
            Some(KernelVerdict::Current) => Some((
                Level::None,
                "but the kernel that runs is the one that would boot".to_owned(),
            )),
            Some(KernelVerdict::Custom) => Some((
                Level::None,
                "but the kernel that runs is none of the installed ones".to_owned(),
            )),
            _ => None,
        };
    }
    if is_microcode(name) && boot.kernel.is_some() {
        return match (&boot.microcode, &evidence.microcode) {
            (None, _) => Some((
                Level::None,
                "which this processor, or virtual machine, has no use for".to_owned(),
            )),
            (Some(_), None) => Some((
                Level::None,
                "but nothing newer is in it for this processor".to_owned(),
            )),
            (Some(_), Some(_)) => None,
        };
    }
    if change.has_code && evidence.complete {
        return Some(level_of_users(name, evidence.plan));
    }
    None
}

/// The most that processes ask for which still run a package's old code.
fn level_of_users(name: &str, plan: &Plan) -> (Level, String) {
    let uses = |item: &&Item| {
        let objects = item.processes.iter().flat_map(|process| &process.objects);
        objects
            .filter(|object| object.sure)
            .any(|object| match &object.package {
                Package::Known(facts) => facts.iter().any(|fact| fact.name == name),
                Package::None | Package::Unknown => false,
            })
    };
    let users: Vec<&Item> = plan.items.iter().filter(uses).collect();
    match users.iter().map(|item| item.level).max() {
        None => (
            Level::None,
            "and nothing runs its old code any more".to_owned(),
        ),
        Some(level) => {
            let what = match users.len() {
                1 => "1 thing still runs its old code".to_owned(),
                more => format!("{more} things still run its old code"),
            };
            (level, format!("and {what}"))
        }
    }
}

fn is_kernel(name: &str) -> bool {
    let of_rpm = name == "kernel" || name.starts_with("kernel-") && name != "kernel-firmware";
    of_rpm && !name.starts_with("kernel-firmware-") || name.starts_with("linux-image-")
}

fn is_microcode(name: &str) -> bool {
    name.contains("microcode") || name.starts_with("ucode-")
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
    }));
}

/// What stale processes ask for: those that take more than a restart each, the others together.
fn process_causes(said: &mut Said, evidence: &Evidence<'_>) {
    let soft_reboot =
        systemd_version(evidence.facts).is_some_and(|version| version >= SOFT_REBOOT_SINCE);
    let mut restarts: BTreeMap<Action, usize> = BTreeMap::new();
    for item in &evidence.plan.items {
        let level = match item.level {
            Level::SoftReboot if !soft_reboot => Level::Reboot,
            level => level,
        };
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
                "{} runs old code: {}",
                item.owner.name.escaped(),
                reason.unwrap_or_default()
            ),
            since: since(&packages_of(item), evidence.answers),
            packages: packages_of(item),
        });
    }
    let count: usize = restarts.values().sum();
    if count > 0 {
        let what = match count {
            1 => "1 thing runs".to_owned(),
            more => format!("{more} things run"),
        };
        said.causes.push(Cause {
            rule: "process",
            level: Level::Service,
            why: format!("{what} old code, and can be restarted"),
            packages: Vec::new(),
            since: None,
        });
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
