//! The same by package: what runs its old version.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use super::{Assessment, Detail, reboot, words};

/// Prints each package with the owners that run its old version.
///
/// # Errors
/// What the writer says.
pub fn print(out: &mut dyn Write, assessment: &Assessment<'_>) -> io::Result<()> {
    let mut by_package: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for item in &assessment.plan.items {
        for object in item.processes.iter().flat_map(|process| &process.objects) {
            by_package
                .entry(words::package(&object.package))
                .or_default()
                .insert(words::item(item));
        }
    }
    for (package, owners) in &by_package {
        writeln!(out, "{package}")?;
        for owner in owners {
            writeln!(out, "  {owner}")?;
        }
    }
    if by_package.is_empty() {
        writeln!(out, "{}", super::text::nothing(assessment))?;
    }
    reboot::print_section(out, assessment, Detail::Normal)
}
