//! Whether a reboot is needed: said, told by the exit status, and, if settings want that, written where others read it.

use std::path::Path;
use std::process::ExitCode;

use super::exit::{self, Exit};
use super::gather::Interest;
use super::{assess, obtain, print, talk, talk_of_problems};
use crate::act::flags::{self, Due};
use crate::bundle::Bundle;
use crate::cli::{ExitStyle, RebootHintFlags, SourceFlags};
use crate::config;
use crate::error::Error;
use crate::model::{Bytes, Level, WhyNot};
use crate::problem::Problem;
use crate::report::{self, Assessment, Detail};

/// Whoever asked in another style gets its numbers for a failure too.
pub(super) fn run(flags: &RebootHintFlags) -> ExitCode {
    let style = if flags.kured {
        ExitStyle::Kured
    } else {
        flags.exit_style
    };
    hint(flags, style).unwrap_or_else(|error| {
        error.to_string().lines().for_each(talk);
        exit::of_failure(style)
    })
}

fn hint(flags: &RebootHintFlags, style: ExitStyle) -> Result<ExitCode, Error> {
    let (bundle, settings) = obtain(&flags.source, &Interest::Stale { own_only: false })?;
    let mut assessment = assess::assess(&bundle, &settings, false);
    assessment.problems.extend(out_of_sight(&bundle));
    let detail = if flags.verbose {
        Detail::Everything
    } else {
        Detail::Normal
    };
    print(flags.color, flags.json, |out| match flags.level {
        true => writeln!(out, "{}", report::reboot::level(&assessment)),
        false if flags.json => report::json::print_reboot(out, &assessment),
        false => report::reboot::print(out, &assessment, detail),
    })?;
    if !flags.json {
        talk_of_problems(&assessment, detail);
    }
    let complete = assessment.problems.is_empty();
    let told = tell_others(&flags.source, &assessment, &settings.reboot);
    if !told && style == ExitStyle::Native {
        return Ok(Exit::Failed.into());
    }
    Ok(exit::of_reboot(
        style,
        &assessment.reboot,
        complete,
        flags.exit_code,
    ))
}

/// A check speaks of the processes that it sees, this command of the machine.
fn out_of_sight(bundle: &Bundle) -> Option<Problem> {
    let boot = bundle.facts.boot.as_ref()?;
    boot.out_of_sight.then(|| Problem {
        operation: "see".to_owned(),
        object: Bytes::from("processes outside this pid namespace"),
        pid: None,
        why: WhyNot::OutsideView,
    })
}

/// Writes flag files of this machine as settings say, or takes back what was written. Whether that went well.
fn tell_others(
    source: &SourceFlags,
    assessment: &Assessment<'_>,
    settings: &config::Reboot,
) -> bool {
    let elsewhere = source.root.is_some() || source.proc.is_some() || source.bundle.is_some();
    elsewhere || update_flags(assessment, settings)
}

/// As far as settings and rights go. Whether that went well.
pub(super) fn update_flags(assessment: &Assessment<'_>, settings: &config::Reboot) -> bool {
    if !rustix::process::geteuid().is_root() {
        return true;
    }
    let due = due(assessment);
    // Nothing is taken back on the word of a look that did not see all.
    if due.is_none() && !assessment.problems.is_empty() {
        return true;
    }
    let stores = &assessment.bundle.answers.core.stores;
    let has = |name: &str| stores.iter().any(|store| store == name);
    let files = settings.flag.files(has("dpkg"), has("rpm"));
    match flags::update(Path::new("/"), files, due.as_ref()) {
        Ok(changes) => {
            changes.notes.iter().for_each(|note| talk(note));
            true
        }
        Err(error) => {
            talk(&format!("flag files are as they were: {error}"));
            false
        }
    }
}

/// What to ask others for. What they ask for themselves is no news to them.
fn due(assessment: &Assessment<'_>) -> Option<Due> {
    let causes = assessment.reboot.causes.iter();
    let of_ours = causes
        .filter(|cause| cause.rule != "flag" && cause.sure && cause.level >= Level::SoftReboot);
    let level = of_ours.clone().map(|cause| cause.level).max()?;
    let names = of_ours.flat_map(|cause| &cause.packages);
    let mut packages: Vec<String> = names.map(|package| package.name.clone()).collect();
    packages.sort();
    packages.dedup();
    Some(Due { level, packages })
}
