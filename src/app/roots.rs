//! Asks the package stores of roots other than the host's: of containers, chroots, services with a root of their own.

use std::collections::BTreeSet;

use super::gather::{Matter, questions};
use crate::model::{Facts, Object, RootAnswers, ViewId, WhyNot};
use crate::packages;
use crate::snapshot::Roots;

/// Asks each root about what matters of its own views. What cannot be told there stays unknown, and is no problem of
/// the check: the verdicts do without.
pub(super) fn ask(roots: Roots, facts: &Facts, matters: &[Matter]) -> Vec<RootAnswers> {
    let objects = matters
        .iter()
        .filter_map(|matter| facts.objects.get(matter.object.0 as usize));
    let foreign = objects.filter(|object| !object.look.on_host && object.path.is_some());
    let views: BTreeSet<ViewId> = foreign.map(|object| object.view).collect();
    let mut jobs = Vec::new();
    for seat in roots.seats(views) {
        let mount = roots.mount_of(&seat).map(|mount| mount.device);
        // What lies on another file system than the root, a volume of a container, is not of its packages.
        let is_theirs = |object: &Object| {
            let on = object.look.mount.as_ref().map(|mount| mount.device);
            !object.look.on_host && seat.views.contains(&object.view) && on == mount
        };
        let questions = questions(facts, matters, is_theirs);
        if !questions.paths.is_empty() {
            jobs.push((seat, questions));
        }
    }
    let asked = roots.ask_each(jobs, packages::ask_foreign);
    asked
        .into_iter()
        .map(|(views, questions, answer)| RootAnswers {
            views,
            ..answer.unwrap_or_else(|why| packages::unanswered(&questions, &words(&why)))
        })
        .collect()
}

fn words(why: &WhyNot) -> String {
    match why {
        WhyNot::Denied => "permission denied".to_owned(),
        WhyNot::MayHang(kind) => format!(
            "on {}, which may never answer",
            String::from_utf8_lossy(&kind.0)
        ),
        WhyNot::TimedOut => "no answer in time".to_owned(),
        WhyNot::OutsideView | WhyNot::NotRecorded => "cannot be looked up".to_owned(),
        WhyNot::Vanished => "its processes ended".to_owned(),
        WhyNot::Failed(what) => what.clone(),
    }
}
