//! What the running kernel asks for.

use super::{Evidence, Said};
use crate::model::{
    Answers, Banner, Boot, Bytes, Cause, KernelState, KernelVerdict, Level, NextKernel,
    PackageChange, PathAnswer, Timestamp, Upgrade,
};

/// What the verdict on the kernel asks for, and what else there is to say of it.
pub(super) fn kernel_causes(said: &mut Said, boot: &Boot, evidence: &Evidence<'_>) {
    let Some(state) = &evidence.kernel else {
        return;
    };
    if let Some((rule, level, why)) = asked(state) {
        let (level, why) = unless_passed_over(level, why, state, boot);
        let mut cause = Cause::new(rule, level, why);
        // What asks for nothing did not begin with an image either.
        if level > Level::None {
            name_package(&mut cause, state, evidence.answers);
            let names = cause.packages.iter().map(|one| one.name.clone());
            said.spoken_for.extend(names);
        }
        said.take(Some(live_patched(cause, state, evidence)));
    }
    if state.modules_gone && state.verdict != KernelVerdict::Removed {
        said.causes.push(Cause::new("kernel.modules", Level::Reboot, format!(
                "the modules of the running kernel {} were removed: what is not loaded yet cannot be loaded any more",
                state.running.release.escaped()
            )));
    }
    remarks(said, state);
}

/// An image that was there when the machine was booted, and was not booted, does not wait for a reboot: the next would
/// pass it over again. Where the boot loader's files name it, somebody chose another by hand.
fn unless_passed_over(
    level: Level,
    why: String,
    state: &KernelState,
    boot: &Boot,
) -> (Level, String) {
    let is_pending = matches!(state.verdict, KernelVerdict::Newer | KernelVerdict::Rebuilt);
    let passed_over = state
        .next
        .as_ref()
        .is_some_and(|next| next.since < boot.earliest && (!next.by_loader || next.other_flavour));
    match is_pending && passed_over {
        true => {
            let why = format!("{why}, but it was when the machine was booted, and was passed over");
            (Level::None, why)
        }
        false => (level, why),
    }
}

/// The rule of a verdict, what it asks for, and why; `None` if there is nothing to say.
fn asked(state: &KernelState) -> Option<(&'static str, Level, String)> {
    let running = state.running.release.escaped();
    let next = state.next.as_ref();
    let how = match next.map(|next| next.by_loader) {
        Some(true) => "the boot loader's default",
        _ => "the newest of its flavour",
    };
    let would_boot = |next: &NextKernel| next.banner.release.escaped().to_string();
    Some(match (&state.verdict, next) {
        (KernelVerdict::Current, _) => return None,
        (KernelVerdict::Newer, next) => {
            let next = would_boot(next?);
            let why = format!("kernel {running} runs, {next} is installed ({how})");
            ("kernel.newer", Level::Reboot, why)
        }
        (KernelVerdict::Rebuilt, next) => {
            let (old, new) = (&state.running.version, &next?.banner.version);
            let why = format!(
                "kernel {running} runs as build {}, installed is build {} of the same release ({how})",
                old.escaped(),
                new.escaped()
            );
            ("kernel.rebuilt", Level::Reboot, why)
        }
        (KernelVerdict::Removed, next) => {
            let next = next.map_or_else(String::new, |next| {
                format!("; {} would boot ({how})", would_boot(next))
            });
            let why = format!(
                "kernel {running} runs and is no longer installed: its modules cannot be loaded any more{next}"
            );
            ("kernel.removed", Level::Reboot, why)
        }
        (KernelVerdict::OlderDefault, next) => {
            let next = would_boot(next?);
            let why =
                format!("kernel {running} runs, a reboot would start the older {next} ({how})");
            ("kernel.older-default", Level::None, why)
        }
        (KernelVerdict::Custom, _) => {
            let why = format!(
                "kernel {running} runs, and was not installed here: built by hand, or provided from outside"
            );
            ("kernel.custom", Level::None, why)
        }
        (KernelVerdict::Unknown(why), _) => {
            let why =
                format!("whether kernel {running} is the one that would boot is not known: {why}");
            ("kernel.unknown", Level::None, why)
        }
    })
}

/// Names the package behind, and since when. When an image came says nothing of when another went.
fn name_package(cause: &mut Cause, state: &KernelState, answers: &Answers) {
    let came = state.next.as_ref().map(|next| next.since);
    cause.since = came.filter(|_| state.verdict != KernelVerdict::Removed);
    if let Some((upgrade, since)) = kernel_upgrade(state, answers) {
        cause.packages = vec![upgrade];
        cause.since = since.or(cause.since);
    }
}

fn remarks(said: &mut Said, state: &KernelState) {
    let notes = state
        .remarks
        .iter()
        .map(|remark| Cause::new("kernel.remark", Level::None, remark.clone()));
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
