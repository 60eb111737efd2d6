//! Says what was found. Opens nothing; each outside form lives in one file. Bytes become text here, and only here.
#![forbid(unsafe_code)]

pub mod by_package;
pub mod explain;
pub mod json;
pub mod plugins;
pub mod reboot;
pub mod restart;
pub mod sessions;
pub mod status;
pub mod text;
mod words;

use crate::bundle::Bundle;
use crate::detect::{Judge, Judged};
use crate::model::{Object, Plan, Process, ProcessKey, Reboot, Source, StaleObject};
use crate::problem::Problem;

/// Everything there is to say.
#[derive(Debug)]
pub struct Assessment<'a> {
    /// What was seen, and what the package stores said.
    pub bundle: &'a Bundle,
    /// How each object is judged.
    pub judge: Judge<'a>,
    /// Processes with verdicts that are worth a word.
    pub judged: Vec<Judged<'a>>,
    /// What to do.
    pub plan: Plan,
    /// Whether more than restarts is needed.
    pub reboot: Reboot,
    /// What could not be looked at.
    pub problems: Vec<Problem>,
}

/// How much to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What to do, and one line of why.
    Normal,
    /// All evidence.
    Everything,
}

/// Lines about problems; without all detail, the first few.
const PROBLEM_LINES: usize = 8;

/// What could not be judged, a line each, for the person.
#[must_use]
pub fn problems(assessment: &Assessment<'_>, detail: Detail) -> Vec<String> {
    let all = &assessment.problems;
    let shown = if detail == Detail::Everything {
        all.len()
    } else {
        PROBLEM_LINES.min(all.len())
    };
    let mut lines: Vec<String> = all[..shown].iter().map(Problem::to_string).collect();
    if shown < all.len() {
        lines.push(format!(
            "and {} more like these (-v shows all)",
            all.len() - shown
        ));
    }
    let denied = all
        .iter()
        .any(|problem| problem.why == crate::model::WhyNot::Denied);
    if denied && assessment.bundle.facts.host.reader_uid != 0 {
        lines.push(
            "only root can look into all processes; --user asks about your own alone".to_owned(),
        );
    }
    lines
}

impl Assessment<'_> {
    fn object(&self, stale: &StaleObject) -> &Object {
        &self.bundle.facts.objects[stale.object.0 as usize]
    }

    /// The name of the detector that said so.
    fn detector(&self, source: &Source) -> &str {
        let run = self.bundle.facts.plugins.get(source.plugin as usize);
        run.map_or("unknown", |run| &run.name)
    }

    /// A process by its key.
    #[must_use]
    pub fn process(&self, key: ProcessKey) -> Option<&Process> {
        let processes = &self.bundle.facts.processes;
        processes
            .binary_search_by_key(&key, |process| process.key)
            .ok()
            .map(|at| &processes[at])
    }
}
