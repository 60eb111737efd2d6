//! What listed packages ask for that changed since the system started.

use super::{Evidence, Said};
use crate::model::{
    Before, Boot, Cause, CoreChange, Escaped, Item, KernelVerdict, Level, Listed, Package, Setting,
    StaleObject, Upgrade,
};

/// What a listed package asks for that changed since the system started.
pub(super) fn package_cause(
    said: &mut Said,
    boot: &Boot,
    change: &CoreChange,
    evidence: &Evidence<'_>,
) {
    let Some(listed) = boot.listed.get(change.listed as usize) else {
        return;
    };
    let name = &change.package.name;
    if said.spoken_for.contains(name) || is_told_with_the_kernel(listed, name, evidence) {
        return;
    }
    let asked = level_asked(listed, change.hint.as_deref());
    let (level, why) = match refuted(change, listed, boot, evidence) {
        Some((level, why)) => (level.min(asked), why),
        None => {
            let by = who(listed);
            let why = format!("and {by} asks for a {} after that", asked.word());
            (asked, why)
        }
    };
    let mut cause = Cause::new(
        "package",
        level,
        format!("{} {why}", happened(change, boot)),
    );
    cause.since = change.at;
    cause.sure = listed.installs_count || !is_open(change, boot, evidence);
    cause.packages = vec![Upgrade {
        name: name.clone(),
        old: match &change.before {
            Before::Version(version) => Some(version.clone()),
            Before::Nothing | Before::Unknown => None,
        },
        new: Some(change.package.version.clone()),
    }];
    said.take_highest(cause);
}

/// Whether better was to be known than the list says, and could not be looked at.
fn is_open(change: &CoreChange, boot: &Boot, evidence: &Evidence<'_>) -> bool {
    let name = &change.package.name;
    if boot.kernel.is_some() && is_kernel(name) {
        let verdict = evidence.kernel.as_ref().map(|state| &state.verdict);
        return matches!(verdict, None | Some(KernelVerdict::Unknown(_)));
    }
    if boot.microcode.is_some() && is_microcode(name) {
        let cause = evidence.microcode.as_ref();
        return cause.is_some_and(|cause| cause.level == Level::None);
    }
    change.has_code() && !evidence.complete
}

/// Who lists a package: a list that is shipped, by whose it was; a file, with the line.
fn who(listed: &Listed) -> String {
    let source = listed.source.escaped().to_string();
    match (source.split_once(".toml: "), listed.line) {
        (Some((_, generation)), _) => format!("the list of {generation}"),
        (None, Some(line)) => format!("{source}:{line}"),
        (None, None) => source,
    }
}

/// `glibc was upgraded since the machine was booted,`
fn happened(change: &CoreChange, boot: &Boot) -> String {
    let what = match &change.before {
        Before::Version(old) if *old == change.package.version => "installed anew",
        Before::Version(_) => "upgraded",
        Before::Nothing => "installed",
        Before::Unknown => "installed or upgraded",
    };
    let since = match boot.setting {
        Setting::Container(_) => "since the container started",
        Setting::Machine | Setting::OtherRoot => "since the machine was booted",
    };
    let name = Escaped(change.package.name.as_bytes());
    format!("{name} was {what} {since},")
}

/// Whether a pending kernel says all there is to say of a package: of its metapackages and other flavours as well.
fn is_told_with_the_kernel(listed: &Listed, name: &str, evidence: &Evidence<'_>) -> bool {
    let verdict = evidence.kernel.as_ref().map(|state| &state.verdict);
    let is_pending = matches!(
        verdict,
        Some(KernelVerdict::Newer | KernelVerdict::Rebuilt | KernelVerdict::Removed)
    );
    is_pending && is_kernel(name) && !listed.installs_count
}

/// Names that an administrator lists, and nothing is called so: a misspelt one would never count.
pub(super) fn missing_notes(said: &mut Said, boot: &Boot, missing: &[u32]) {
    let listed = missing
        .iter()
        .filter_map(|&at| boot.listed.get(at as usize));
    said.notes.extend(listed.map(|listed| {
        Cause::new(
            "package.missing",
            Level::None,
            format!(
                "{} is listed by {}, and no installed package is called so",
                Escaped(listed.name.as_bytes()),
                who(listed)
            ),
        )
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
    let nothing = |why: &str| Some((Level::None, why.to_owned()));
    match &change.before {
        Before::Version(old) if *old == change.package.version => {
            return nothing("in the version that it had");
        }
        // Of a kernel, each version is installed beside the others.
        Before::Nothing if !listed.installs_count && !is_kernel(name) => {
            return nothing("for the first time: nothing ran it before");
        }
        _ => {}
    }
    // A clock that was set since the start: before or after, only what runs can tell.
    let doubtful = change.at.is_some_and(|at| at.secs <= boot.started.secs);
    let shows = change.has_code() && evidence.complete;
    if doubtful && !shows {
        return nothing("or before that: the clock was set meanwhile, and nothing else tells");
    }
    // Whoever lists a package by hand has reasons of his own.
    if listed.installs_count && !doubtful {
        return None;
    }
    if let Some(why) = refuted_by_machine(name, boot, evidence) {
        return nothing(why);
    }
    shows.then(|| level_of_users(name, evidence))
}

/// Of kernels and microcode more is known than that their packages changed.
fn refuted_by_machine(name: &str, boot: &Boot, evidence: &Evidence<'_>) -> Option<&'static str> {
    let (kernel, microcode) = (is_kernel(name), is_microcode(name));
    if !kernel && !microcode {
        return None;
    }
    if matches!(boot.setting, Setting::Container(_)) {
        return Some("and is nothing that a container runs");
    }
    boot.kernel.as_ref()?;
    if kernel {
        return match evidence.kernel.as_ref()?.verdict {
            KernelVerdict::Current => Some("but the kernel that runs is the one that would boot"),
            KernelVerdict::Custom => Some("but the kernel that runs is none of the installed ones"),
            KernelVerdict::OlderDefault => Some("but an older kernel would boot"),
            KernelVerdict::Newer
            | KernelVerdict::Rebuilt
            | KernelVerdict::Removed
            | KernelVerdict::Unknown(_) => None,
        };
    }
    match (&boot.microcode, &evidence.microcode) {
        (None, _) => Some("which this processor, or virtual machine, has no use for"),
        (Some(_), None) => Some("but nothing newer is in it for this processor"),
        (Some(_), Some(_)) => None,
    }
}

/// The most that processes ask for which still run a package's old code.
fn level_of_users(name: &str, evidence: &Evidence<'_>) -> (Level, String) {
    let items = &evidence.plan.items;
    let of_package = |object: &StaleObject| match &object.package {
        Package::Known(facts) => facts.iter().any(|fact| is_of_family(&fact.name, name)),
        Package::None | Package::Unknown => false,
    };
    // A library whose name changed with its version belongs to nobody any more.
    let of_nobody = |object: &StaleObject| !matches!(object.package, Package::Known(_));
    let users = |is_meant: &dyn Fn(&StaleObject) -> bool| -> (usize, Level) {
        let uses = |item: &&Item| {
            let mut objects = item.processes.iter().flat_map(|process| &process.objects);
            objects.any(|object| object.sure && is_meant(object))
        };
        let users: Vec<&Item> = items.iter().filter(uses).collect();
        let levels = users.iter().map(|item| evidence.effective(item.level));
        (users.len(), levels.max().unwrap_or_default())
    };
    let things = |count| match count {
        1 => "1 thing still runs".to_owned(),
        more => format!("{more} things still run"),
    };
    match (users(&of_package), users(&of_nobody)) {
        ((0, _), (0, _)) => {
            let why = "and nothing runs its old code any more";
            (Level::None, why.to_owned())
        }
        ((0, _), (count, level)) => {
            let why = format!("and {} old code whose package is not known", things(count));
            (level, why)
        }
        ((count, level), _) => (level, format!("and {} its old code", things(count))),
    }
}

/// Whether a package is another part of what a list means by a name: `dbus` stands for `dbus-daemon` and `libdbus-1-3`,
/// `systemd` for `systemd-libs` and `libsystemd0`.
fn is_of_family(package: &str, name: &str) -> bool {
    let part = package.strip_prefix(name);
    let part_of = part.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    let library = package.strip_prefix("lib").unwrap_or_default();
    part_of || library.starts_with(name)
}

fn is_kernel(name: &str) -> bool {
    let of_rpm = name == "kernel" || name.starts_with("kernel-") && name != "kernel-firmware";
    of_rpm && !name.starts_with("kernel-firmware-") || name.starts_with("linux-image-")
}

fn is_microcode(name: &str) -> bool {
    name.contains("microcode") || name.starts_with("ucode-")
}
