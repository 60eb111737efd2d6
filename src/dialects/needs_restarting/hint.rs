//! Whether a reboot is needed, and for which packages.
//!
//! The originals know installed packages of a list whose install time is after the boot. Here that list counts as well, those
//! that administrators and packages make, and what is known of kernel, microcode and flag files.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use super::Own;
use crate::dialects::{Scene, tame};
use crate::model::{Boot, Cause, CoreChange, Level, Listed, ListedBy, NamePattern, Timestamp};

/// Before the generation of a list that is shipped.
const SHIPPED: &[u8] = b"reboot-packages.toml: ";
/// Lists that dnf4 reads.
const LISTS: &[u8] = b"/etc/dnf/plugins/needs-restarting.d/";
/// What stands for a flag file without packages.
const FLAG: &str = "reboot-required";
/// Where more is told.
pub(super) const MORE: &str = "https://access.redhat.com/solutions/27943";

/// The answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hint {
    /// By what is printed of it; none, if no reboot is needed.
    pub(super) reasons: BTreeMap<String, Reason>,
}

/// A package, or what else asks for a reboot.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Reason {
    /// The version that is installed.
    version: Option<String>,
    /// The package without which it would not count.
    only_with: Option<String>,
    /// Since when.
    at: Option<Timestamp>,
}

/// Names of packages that ask for a reboot.
#[derive(Debug, Default)]
pub(super) struct Names {
    names: BTreeSet<String>,
    patterns: Vec<NamePattern>,
}

impl Names {
    /// Whether a package is among them.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name) || self.patterns.iter().any(|pattern| pattern.fits(name))
    }
}

/// Packages that ask for a reboot whenever they are upgraded.
pub(super) fn names(scene: &Scene, own: Own) -> Names {
    let Some(boot) = &scene.boot else {
        return Names::default();
    };
    let is_named = |listed: &&Listed| counts(listed, own, false) && listed.by != ListedBy::Provides;
    let mut names = Names::default();
    for listed in boot.listed.iter().filter(is_named) {
        match listed.pattern.as_deref() {
            None => drop(names.names.insert(listed.name.clone())),
            Some(pattern) => names.patterns.extend(NamePattern::parse(pattern)),
        }
    }
    // Those that are listed by what they provide.
    let changed = changed(scene, boot, own, false);
    names
        .names
        .extend(changed.map(|(_, change)| change.package.name.clone()));
    names
}

/// Whether a generation goes by an entry of a list.
fn counts(listed: &Listed, own: Own, bugs: bool) -> bool {
    let source = listed.source.as_slice();
    let generations: &[&[u8]] = match own {
        Own::Yum => &[b"yum"],
        Own::Dnf4 => &[b"dnf4", b"dnf4-el8"],
        Own::Dnf5 => &[b"dnf5"],
    };
    match source.strip_prefix(SHIPPED) {
        Some(generation) if generations.contains(&generation) => true,
        // What packages say of themselves counts wherever they are.
        Some(b"zypp") => !bugs && listed.name.starts_with("installhint("),
        Some(_) => false,
        None => !bugs || own == Own::Dnf4 && source.starts_with(LISTS),
    }
}

/// Listed packages that were installed or upgraded since the start.
fn changed<'a>(
    scene: &'a Scene,
    boot: &'a Boot,
    own: Own,
    bugs: bool,
) -> impl Iterator<Item = (&'a Listed, &'a CoreChange)> {
    let with_entry = |change: &'a CoreChange| {
        let listed = boot.listed.get(usize::try_from(change.listed).ok()?)?;
        Some((listed, change))
    };
    let asks = move |(listed, change): &(&Listed, &CoreChange)| {
        // What was installed before the clock was set may look as if it came later; the other way round nobody can tell.
        let is_since = change.at.is_none_or(|at| at.secs > boot.started.secs);
        let level = change.hint.as_deref().and_then(Level::of_word);
        let level = level.filter(|&level| level > Level::None);
        let level = level.unwrap_or(listed.level);
        is_since && level >= Level::SoftReboot && counts(listed, own, bugs)
    };
    let changes = scene.core.changed.iter();
    changes.filter_map(with_entry).filter(asks)
}

impl Hint {
    /// The answer of a generation; with `bugs` by names and install times alone.
    pub(super) fn of(scene: &Scene, own: Own, bugs: bool) -> Self {
        let mut hint = Self::default();
        if let Some(boot) = &scene.boot {
            for (listed, change) in changed(scene, boot, own, bugs) {
                let reason = Reason {
                    version: Some(change.package.version.clone()),
                    only_with: listed.only_with.clone(),
                    at: change.at,
                };
                hint.add(tame(change.package.name.as_bytes()), reason);
            }
        }
        if !bugs {
            hint.add_causes(scene);
        }
        hint
    }

    /// Once for each name: as the newest of several versions, and without a condition, if one list makes none.
    fn add(&mut self, name: String, reason: Reason) {
        let told = self.reasons.entry(name).or_insert_with(|| reason.clone());
        if reason.only_with.is_none() {
            told.only_with = None;
        }
        if reason.version.is_some() && (told.version.is_none() || reason.at > told.at) {
            told.version = reason.version;
            told.at = reason.at;
        }
    }

    /// What is known without lists. Their own packages were counted already, and flag files have names as bytes.
    fn add_causes(&mut self, scene: &Scene) {
        let causes = scene.reboot.causes.iter();
        let told = ["package", "flag"];
        let asks = |cause: &&Cause| !told.contains(&cause.rule) && cause.level >= Level::SoftReboot;
        for cause in causes.filter(asks) {
            for package in &cause.packages {
                let reason = Reason {
                    version: package.new.clone(),
                    ..Reason::default()
                };
                self.add(tame(package.name.as_bytes()), reason);
            }
            if cause.packages.is_empty() {
                self.add(word(cause).to_owned(), Reason::default());
            }
        }
        let flags = scene.boot.iter().flat_map(|boot| &boot.flags);
        for flag in flags.filter(|flag| !flag.own && flag.level >= Level::SoftReboot) {
            for package in &flag.packages {
                self.add(tame(package.as_slice()), Reason::default());
            }
            if flag.packages.is_empty() {
                self.add(FLAG.to_owned(), Reason::default());
            }
        }
    }

    /// dnf's form.
    pub(super) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.reasons.is_empty() {
            writeln!(
                out,
                "No core libraries or services have been updated since boot-up."
            )?;
            return writeln!(out, "Reboot should not be necessary.");
        }
        writeln!(
            out,
            "Core libraries or services have been updated since boot-up:"
        )?;
        for (name, reason) in &self.reasons {
            match &reason.only_with {
                None => writeln!(out, "  * {name}")?,
                Some(other) => writeln!(
                    out,
                    "  * {name} (dependency of {other}. Recommending reboot of {other})"
                )?,
            }
        }
        writeln!(out)?;
        writeln!(out, "Reboot is required to fully utilize these updates.")?;
        writeln!(out, "More information: {MORE}")
    }

    /// yum's form.
    pub(super) fn print_with_versions(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.reasons.is_empty() {
            writeln!(out, "No core libraries or services have been updated.")?;
            return writeln!(out, "Reboot is probably not necessary.");
        }
        writeln!(out, "Core libraries or services have been updated:")?;
        for (name, reason) in &self.reasons {
            match &reason.version {
                Some(version) => writeln!(out, "  {name} -> {}", tame(version.as_bytes()))?,
                None => writeln!(out, "  {name}")?,
            }
        }
        writeln!(out)?;
        writeln!(
            out,
            "Reboot is required to ensure that your system benefits from these updates."
        )?;
        writeln!(out)?;
        writeln!(out, "More information:")?;
        writeln!(out, "{MORE}")
    }
}

/// What stands for a reason without a package.
fn word(cause: &Cause) -> &'static str {
    match cause.rule.split('.').next() {
        Some("kernel") => "kernel",
        _ => cause.rule,
    }
}

/// Names in dnf's lists that nothing is called.
pub(super) fn warn_of_missing(err: &mut dyn Write, scene: &Scene) {
    let listed = scene.boot.iter().flat_map(|boot| &boot.listed);
    let listed: Vec<&Listed> = listed.collect();
    let missing = scene.core.missing.iter();
    let missing = missing.filter_map(|&at| listed.get(usize::try_from(at).ok()?));
    for listed in missing {
        let Some(file) = listed.source.as_slice().strip_prefix(LISTS) else {
            continue;
        };
        let (name, file) = (tame(listed.name.as_bytes()), tame(file));
        writeln!(
            err,
            "No installed package found for package name \"{name}\" specified in needs-restarting file \"{file}\"."
        )
        .ok();
    }
}
