//! A restart for a caller that has words of its own: of exactly what it names, and nothing is printed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::show::Show;
use super::survey::Survey;
use super::{
    ROOT, Way, act, held, may_restart, packages_change, plan, run_of, units_of, why_never,
};
use crate::act::services;
use crate::app::exit::Exit;
use crate::decide::Wish;
use crate::dialects::NotBegun;
use crate::error::Error;
use crate::model::{Because, Class, Mode, Outcome, Owner, Record};

/// What a caller wants.
#[derive(Debug, Clone, Copy)]
pub(in crate::app) struct Request<'a> {
    /// Whose stale code is to go.
    pub(in crate::app) owners: &'a BTreeSet<Owner>,
    /// Whether a person chose each of them.
    pub(in crate::app) chosen: bool,
    /// Another directory of programs that restart units in their own way.
    pub(in crate::app) programs: Option<&'a Path>,
    /// Another program's settings, translated, in place of the administrator's.
    pub(in crate::app) translated: Option<&'a str>,
}

/// Restarts it, by the way that `restart` goes. How it ended for each that still had stale code when it began, and for others
/// that were taken along.
///
/// # Errors
/// Why nothing was begun.
pub(in crate::app) fn exactly(request: &Request<'_>) -> Result<BTreeMap<Owner, Outcome>, NotBegun> {
    let mut survey = Survey::take_with(&[], request.translated, request.programs)?;
    let_guests(&mut survey.settings.restart.modes);
    let assessment = survey.assess();
    let mut manager = services::find(Path::new(ROOT));
    if let Some(why) = why_never(&survey, &manager) {
        return Err(NotBegun::Never(vec![format!(
            "nothing is restarted: {why}"
        )]));
    }
    if let Some(why) = packages_change() {
        return Err(NotBegun::NotYet(why));
    }
    let units = units_of(&survey, &mut manager);
    let wish = wish(request);
    let transaction = plan(&survey, &units, &assessment, Mode::Auto, Some(&wish))?;
    let transaction = held::forbidden(transaction, may_restart);
    if transaction.steps.is_empty() {
        let held = transaction.held.into_iter();
        let asked = held.filter(|held| request.owners.contains(&held.owner));
        let deferred =
            asked.filter_map(|held| Some((held.owner, held.because.into_iter().next()?)));
        let deferred = deferred.map(|(owner, because)| (owner, Outcome::Deferred(because)));
        return Ok(deferred.collect());
    }
    let begun: BTreeSet<Owner> = transaction
        .steps
        .iter()
        .flat_map(|step| step.owners.clone())
        .collect();
    let run = run_of(&survey, Mode::Auto, transaction);
    drop(assessment);
    let way = Way {
        foreground: false,
        plugin_dir: &[],
        programs: request.programs,
        translated: request.translated,
        tells: false,
    };
    let mut show = Show::silent();
    let exit = act(&mut show, survey, run, &way)?;
    outcomes(show.into_records(), begun).map_err(|why| match exit {
        Exit::Busy => NotBegun::NotYet("another restart goes on".to_owned()),
        // The worker has seen who began meanwhile.
        _ => packages_change().map_or_else(
            || NotBegun::Never(vec![format!("nothing is restarted: {why}")]),
            NotBegun::NotYet,
        ),
    })
}

/// Whoever names guests has been let, unless settings that count say otherwise.
fn let_guests(modes: &mut BTreeMap<Class, Mode>) {
    for class in [Class::Container, Class::VirtualMachine] {
        modes.entry(class).or_insert(Mode::Auto);
    }
}

/// What policy defers, and what may only be asked for, is lifted by a person alone.
fn wish(request: &Request<'_>) -> Wish {
    let mut wish = Wish::default();
    for owner in request.owners.iter().cloned() {
        match request.chosen {
            true => wish.choose(owner),
            false => wish.mean(owner),
        }
    }
    wish
}

impl From<Error> for NotBegun {
    fn from(error: Error) -> Self {
        Self::Never(error.to_string().lines().map(str::to_owned).collect())
    }
}

/// What the records of a run say of each owner. What its steps were for, and nobody says anything of, is unproven.
///
/// # Errors
/// Why it was not begun.
fn outcomes(
    records: Vec<Record>,
    begun: BTreeSet<Owner>,
) -> Result<BTreeMap<Owner, Outcome>, String> {
    let mut notes = Vec::new();
    let mut outcomes = BTreeMap::new();
    let mut has_begun = false;
    for record in records {
        match record {
            Record::Item { owner, outcome } => {
                outcomes.insert(owner, outcome);
            }
            Record::Note(note) => notes.push(note),
            Record::Begin { .. } | Record::End { .. } => has_begun = true,
            _ => {}
        }
    }
    if !has_begun {
        return Err(notes.join("; "));
    }
    for owner in begun {
        let unknown = || Outcome::Unproven("unstale status will say how it ends".to_owned());
        outcomes.entry(owner).or_insert_with(unknown);
    }
    Ok(outcomes)
}

/// Why an owner is not rid of its stale code; `None` if it is.
pub(in crate::app) fn why_not_clean(outcome: Outcome) -> Option<String> {
    let first = |because: Vec<Because>| because.into_iter().next().map(|because| because.why);
    match outcome {
        Outcome::Clean => None,
        Outcome::StillStale(because) => Some(match first(because) {
            Some(why) => format!("it runs old code still: {why}"),
            None => "it runs old code still".to_owned(),
        }),
        Outcome::Failed(failure) => Some(failure.why),
        Outcome::Deferred(because) => Some(because.why),
        Outcome::Unproven(why) => Some(format!("it is not known whether that helped: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Failure, OwnerKind, Scope, Timestamp};

    fn owner(name: &str) -> Owner {
        Owner::new(OwnerKind::Unit, name, Scope::System)
    }

    fn because(why: &str) -> Because {
        Because {
            rule: "rule".to_owned(),
            why: why.to_owned(),
        }
    }

    #[test]
    fn only_a_person_lifts_what_policy_defers() {
        let owners = BTreeSet::from([owner("a")]);
        let request = |chosen| Request {
            owners: &owners,
            chosen,
            programs: None,
            translated: None,
        };
        let mut meant = Wish::default();
        meant.mean(owner("a"));
        assert_eq!(wish(&request(false)), meant);
        meant.choose(owner("a"));
        assert_eq!(wish(&request(true)), meant);
    }

    #[test]
    fn guests_that_are_named_are_restarted_unless_settings_say_otherwise() {
        #[track_caller]
        fn check(said: Option<Mode>, expected: Mode) {
            let mut modes = crate::config::Restart::default().modes;
            modes.extend(said.map(|mode| (Class::Container, mode)));
            let_guests(&mut modes);
            assert_eq!(modes.get(&Class::Container), Some(&expected));
        }
        check(None, Mode::Auto);
        check(Some(Mode::Ask), Mode::Ask);
        check(Some(Mode::List), Mode::List);
    }

    #[test]
    fn what_nobody_says_anything_of_is_not_clean() {
        let time = Timestamp { secs: 0, nanos: 0 };
        let begin = Record::Begin { step: 1, time };
        let item = |name: &str| Record::Item {
            owner: owner(name),
            outcome: Outcome::Clean,
        };
        let begun = BTreeSet::from([owner("a"), owner("b")]);
        let found = outcomes(vec![begin, item("a"), item("c")], begun.clone()).unwrap();
        let clean = found.into_iter().filter_map(|(owner, outcome)| {
            why_not_clean(outcome)
                .is_none()
                .then(|| owner.name.escaped().to_string())
        });
        assert_eq!(clean.collect::<Vec<_>>(), ["a", "c"]);
        let note = Record::Note("it was planned before the system booted".to_owned());
        let error = outcomes(vec![note], begun).unwrap_err();
        assert_eq!(error, "it was planned before the system booted");
    }

    #[test]
    fn what_did_not_help_has_its_reason() {
        #[track_caller]
        fn check(outcome: Outcome, expected: Option<&str>) {
            assert_eq!(why_not_clean(outcome).as_deref(), expected);
        }
        check(Outcome::Clean, None);
        check(Outcome::Deferred(because("not now")), Some("not now"));
        check(
            Outcome::StillStale(vec![because("pid 7")]),
            Some("it runs old code still: pid 7"),
        );
        check(
            Outcome::Unproven("gone".to_owned()),
            Some("it is not known whether that helped: gone"),
        );
        let failure = Failure {
            why: "it ended with status 1".to_owned(),
            log: Vec::new(),
            look: String::new(),
        };
        check(Outcome::Failed(failure), Some("it ended with status 1"));
    }
}
