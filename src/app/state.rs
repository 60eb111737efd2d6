//! The last state: made of an assessment and the state before, kept for `status`.

use std::collections::BTreeSet;
use std::path::Path;

use super::talk;
use crate::act;
use crate::model::{
    Item, LastRun, OwnerKind, Package, ProcessKey, Scope, State, StateCause, StateItem, Timestamp,
    Upgrade,
};
use crate::report::Assessment;
use crate::report::json;

/// When, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) time: Timestamp,
    pub(super) uptime_secs: u64,
}

impl Moment {
    pub(super) fn now() -> Self {
        let of = |clock| {
            let time = rustix::time::clock_gettime(clock);
            let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
            (time.tv_sec, nanos)
        };
        let (secs, nanos) = of(rustix::time::ClockId::Realtime);
        let (uptime, _) = of(rustix::time::ClockId::Boottime);
        Self {
            time: Timestamp { secs, nanos },
            uptime_secs: u64::try_from(uptime).unwrap_or_default(),
        }
    }
}

/// Keeps what was found on this machine, for everybody. Whether it is kept; where that does not work, it is said.
pub(super) fn keep(root: &Path, assessment: &Assessment<'_>, run: Option<LastRun>) -> bool {
    let before = read(root, rustix::process::geteuid().as_raw());
    // One that cannot be read is replaced.
    let before = before.ok().flatten();
    let state = of(assessment, before.as_ref(), run, Moment::now());
    let written = act::state::write(root, &json::state::text(&state));
    if let Err(error) = &written {
        talk(&format!("what was found is not kept: {error}"));
    }
    written.is_ok()
}

/// The last state, if there is one. `writer` is who may have written it beside root.
///
/// # Errors
/// Why it cannot be read.
pub(super) fn read(root: &Path, writer: u32) -> Result<Option<State>, String> {
    let text = act::state::read(root, writer).map_err(|error| error.to_string())?;
    text.map(|text| json::state::parse(&text)).transpose()
}

fn of(
    assessment: &Assessment<'_>,
    before: Option<&State>,
    run: Option<LastRun>,
    now: Moment,
) -> State {
    let boot_id = assessment.bundle.facts.host.boot_id.as_slice();
    let boot_id = String::from_utf8_lossy(boot_id).into_owned();
    let before = before.filter(|before| before.boot_id == boot_id);
    let since = |key| {
        let first = before.and_then(|before| before.first_seen(key));
        first.unwrap_or(now.uptime_secs)
    };
    let causes = assessment.reboot.causes.iter().map(|cause| StateCause {
        rule: cause.rule.to_owned(),
        level: cause.level,
        why: cause.why.clone(),
    });
    let items = assessment.plan.items.iter();
    State {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        time: now.time,
        uptime_secs: now.uptime_secs,
        boot_id,
        problems: assessment.problems.len() as u64,
        hidden: assessment.plan.hidden.len() as u64,
        level: assessment.reboot.level,
        causes: causes.collect(),
        items: items.map(|item| kept(assessment, item, since)).collect(),
        run: run.or_else(|| before?.run.clone()),
    }
}

fn kept(assessment: &Assessment<'_>, item: &Item, since: impl Fn(ProcessKey) -> u64) -> StateItem {
    let processes = item.processes.iter();
    let mut kept = StateItem {
        owner: item.owner.clone(),
        action: item.action,
        because: item.because.clone(),
        packages: packages(item),
        processes: processes
            .map(|process| (process.key, since(process.key)))
            .collect(),
    };
    if is_private(assessment, item) {
        kept.owner = crate::model::Owner::new(item.owner.kind, "", item.owner.scope);
        kept.because.clear();
        kept.packages.clear();
    }
    // Everybody sees who is logged in (utmp(5)), and not what runs there.
    let is_login = matches!(item.owner.kind, OwnerKind::Session | OwnerKind::UserManager);
    if is_login && !is_roots(assessment, item) {
        kept.packages.clear();
    }
    kept
}

/// What a user started for himself: with `hidepid` of proc(5), nobody else is to know what that is.
fn is_private(assessment: &Assessment<'_>, item: &Item) -> bool {
    match (item.owner.kind, item.owner.scope) {
        (OwnerKind::Session | OwnerKind::UserManager, _) => false,
        (_, Scope::User(uid)) => uid != 0,
        (OwnerKind::Process | OwnerKind::App, Scope::System) => !is_roots(assessment, item),
        _ => false,
    }
}

fn is_roots(assessment: &Assessment<'_>, item: &Item) -> bool {
    let mut processes = item.processes.iter();
    processes.all(|one| uid(assessment, one.key) == Some(0))
}

fn uid(assessment: &Assessment<'_>, key: ProcessKey) -> Option<u32> {
    let processes = &assessment.bundle.facts.processes;
    let at = processes.binary_search_by_key(&key, |process| process.key);
    let details = processes.get(at.ok()?)?.details.as_ref()?;
    Some(details.uid)
}

fn packages(item: &Item) -> Vec<Upgrade> {
    let objects = item.processes.iter().flat_map(|process| &process.objects);
    let known = objects.filter_map(|object| match &object.package {
        Package::Known(facts) => Some(facts),
        Package::None | Package::Unknown => None,
    });
    let upgrade = |fact: &crate::model::PackageFact| Upgrade {
        name: fact.name.clone(),
        old: fact.running_version.clone(),
        new: fact.installed_version.clone(),
    };
    let all: BTreeSet<Upgrade> = known.flatten().map(upgrade).collect();
    all.into_iter().collect()
}

#[cfg(test)]
mod tests;
