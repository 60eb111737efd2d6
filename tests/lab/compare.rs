//! Puts what the program says next to what is true, and next to what another tool says. Every difference is a line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::machine::Machine;
use crate::report::{Owner, Report};
use crate::truth::{self, Observed, Stale};

/// A difference from another tool that we know of and mean.
pub(crate) struct Known {
    /// Whose, as [`Owner`] prints it; `*` at the end stands for the rest.
    pub(crate) owner: &'static str,
    /// Which way.
    pub(crate) difference: Difference,
    /// Why we are right, or why it does not matter.
    pub(crate) why: &'static str,
}

/// Which way two tools differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Difference {
    /// The other tool lists it, we don't.
    OnlyTheirs,
    /// We list it, the other tool doesn't.
    OnlyOurs,
}

/// Packages that we cannot name, and why.
const UNNAMED: &[(&str, &str)] = &[(
    "libexpat1",
    "the library's file name changes with its version: once upgraded, no package lists the old name",
)];

/// What is known of a machine before its upgrade.
pub(crate) struct Before {
    versions: BTreeMap<String, String>,
    files: BTreeMap<PathBuf, String>,
    observed: Observed,
}

impl Before {
    /// Looks at a machine that was not upgraded yet, on which nothing may be stale.
    #[track_caller]
    pub(crate) fn take(machine: &Machine) -> Self {
        machine.check(&[]).assert_nothing_stale();
        Self {
            versions: machine.versions(),
            files: machine.files(),
            observed: truth::observe(machine),
        }
    }
}

/// A machine after its upgrade, before anything was restarted.
pub(crate) struct Scene {
    old: BTreeMap<String, String>,
    new: BTreeMap<String, String>,
    pub(crate) observed: Observed,
    pub(crate) report: Report,
    pids: BTreeMap<Owner, BTreeSet<u32>>,
    packages: BTreeMap<Owner, BTreeSet<String>>,
}

impl Scene {
    /// Looks at an upgraded machine, by the oracle and by the program.
    #[track_caller]
    pub(crate) fn take(machine: &Machine, before: Before) -> Self {
        let observed = truth::observe(machine);
        let pids = observed.stale_pids(machine.root());
        let owner = |path: &PathBuf| before.files.get(path).cloned();
        let names = observed
            .stale_names(machine.root(), &before.observed)
            .into_iter();
        let packages = names.map(|(who, paths)| (who, paths.iter().filter_map(owner).collect()));
        let packages = packages.collect();
        let report = machine.check(&[]);
        report.assert_complete();
        Self {
            old: before.versions,
            new: machine.versions(),
            observed,
            report,
            pids,
            packages,
        }
    }

    /// Owners, verdicts and processes: listed, but not stale; stale, but not listed.
    pub(crate) fn against_truth(&self, stale: &Stale) -> Vec<String> {
        let mut wrong = Vec::new();
        for (owner, why) in stale {
            match self.report.items.get(owner) {
                None => wrong.push(format!("missed: {owner}: {}", some(why))),
                Some(item) => {
                    let really = self.pids.get(owner).cloned().unwrap_or_default();
                    if item.verdict != verdict(owner) {
                        wrong.push(format!(
                            "{owner}: {}, but should be {}",
                            item.verdict,
                            verdict(owner)
                        ));
                    }
                    if item.pids != really {
                        wrong.push(format!(
                            "{owner}: pids {:?} are listed, {really:?} are stale",
                            item.pids
                        ));
                    }
                }
            }
        }
        for (owner, item) in &self.report.items {
            if !stale.contains_key(owner) {
                wrong.push(format!("not stale: {owner}: {item:#?}"));
            }
        }
        wrong
    }

    /// Packages: old code whose package is not named, versions that were never installed or are not now.
    pub(crate) fn against_versions(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (owner, item) in &self.report.items {
            if !item
                .packages
                .iter()
                .any(|package| package.running != package.installed)
            {
                wrong.push(format!("{owner}: no upgraded package: {:#?}", item.paths));
            }
            for package in &item.packages {
                let (old, new) = (self.old.get(&package.name), self.new.get(&package.name));
                if package.running.as_ref() != old || package.installed.as_ref() != new {
                    wrong.push(format!(
                        "{owner}: {package:?}, but it was {old:?} and is {new:?}"
                    ));
                }
            }
            let none = BTreeSet::new();
            for package in self.packages.get(owner).unwrap_or(&none) {
                let named = item.packages.iter().any(|named| named.name == *package);
                match UNNAMED.iter().find(|(unnamed, _)| unnamed == package) {
                    _ if named => {}
                    Some((_, why)) => eprintln!("known: {owner}: {package} is not named: {why}"),
                    None => wrong.push(format!(
                        "{owner}: runs old code of {package}, which is not named: {:#?}",
                        item.paths
                    )),
                }
            }
        }
        wrong
    }

    /// Differences from another tool that are not in the table.
    pub(crate) fn against_elder(&self, theirs: &BTreeSet<Owner>, known: &[Known]) -> Vec<String> {
        let ours: BTreeSet<Owner> = self.report.items.keys().cloned().collect();
        let only_ours = ours
            .difference(theirs)
            .map(|owner| (owner, Difference::OnlyOurs));
        let only_theirs = theirs
            .difference(&ours)
            .map(|owner| (owner, Difference::OnlyTheirs));
        let mut unknown = Vec::new();
        for (owner, difference) in only_ours.chain(only_theirs) {
            match known
                .iter()
                .find(|row| row.difference == difference && matches(row.owner, &owner.to_string()))
            {
                Some(row) => eprintln!("known: {owner}: {difference:?}: {}", row.why),
                None => unknown.push(format!("{owner}: {difference:?}")),
            }
        }
        unknown
    }
}

/// Units whose restart would take more with it than the unit: connections, sessions, a login under way.
const DEFERRED: [&str; 3] = [
    "dbus.service",
    "systemd-logind.service",
    "console-getty.service",
];

/// What is to be done with a stale owner.
fn verdict(owner: &Owner) -> &'static str {
    match owner {
        Owner::Unit(name) if DEFERRED.contains(&name.as_str()) => "defer",
        Owner::Unit(_) | Owner::UserUnit(..) => "restart",
        Owner::ServiceManager | Owner::UserManager(_) => "reexec",
        Owner::Session(_) => "relogin",
        Owner::Other(_) => "leave",
    }
}

/// The first few of many reasons.
fn some(why: &BTreeSet<String>) -> String {
    let first: String = why
        .iter()
        .take(5)
        .map(|line| format!("\n    {line}"))
        .collect();
    format!("{} reasons{first}", why.len())
}

fn matches(pattern: &str, owner: &str) -> bool {
    pattern
        .strip_suffix('*')
        .map_or(pattern == owner, |start| owner.starts_with(start))
}

/// Fails with all lines at once.
#[track_caller]
pub(crate) fn assert_none(what: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}
