//! `restart`: plans, asks, hands the work over, follows it, and says how it ended.
//!
//! What acts is a worker that outlives its client ([`worker`]); all that passes between them is a journal.

mod ancestors;
mod ask;
mod broken;
mod exactly;
mod follow;
mod held;
mod names;
mod prove;
mod show;
mod survey;
mod translated;
mod worker;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::exit::Exit;
use super::{now, talk};
use crate::act::journal::{Lock, Runs, RunsError};
use crate::act::services::{self, Refusal, ServiceManager};
use crate::act::{at_work, hand_over, starts};
use crate::cli::{RestartFlags, RestartMode};
use crate::decide::{self, Situation, Wish};
use crate::error::Error;
use crate::model::{Mode, Pid, Run, Transaction, Units};
use crate::report::{Assessment, Detail};
use ask::Answer;
use show::{Only, Show};
use survey::Survey;

pub(super) use exactly::{Request, exactly, why_not_clean};
pub(super) use worker::work;

/// Through whom to act, if through anybody.
type Found = Result<Option<Box<dyn ServiceManager>>, Refusal>;

const ROOT: &str = "/";
/// Another run is waited for so long.
const BUSY_LIMIT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);

/// Asks for a restart.
pub(super) fn run(flags: &RestartFlags) -> Result<Exit, Error> {
    Ok(attempt(flags)?.exit)
}

/// How that went.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    pub(super) exit: Exit,
    /// It was to act, and was not let: another run goes on, a package manager is at work, or the like. Later it may be.
    pub(super) refused: bool,
}

impl Attempt {
    const fn of(exit: Exit) -> Self {
        let refused = false;
        Self { exit, refused }
    }
}

/// As [`run`].
pub(super) fn attempt(flags: &RestartFlags) -> Result<Attempt, Error> {
    let survey = Survey::take(&flags.plugin_dir)?;
    let assessment = survey.assess();
    let mode = mode(flags, survey.settings.restart.mode);
    let mut manager = services::find(Path::new(ROOT));
    let selected = names::selected(&flags.names, &assessment, &mut manager)?;
    let units = units_of(&survey, &mut manager);
    let planned = |mode, selected: Option<&Wish>| {
        let transaction = plan(&survey, &units, &assessment, mode, selected)?;
        // This runs the administrator's program: only before something is done.
        let acts = mode != Mode::List && !flags.dry_run;
        Ok::<_, Error>(match acts {
            true => held::forbidden(transaction, may_restart),
            false => transaction,
        })
    };
    let mut transaction = planned(mode, selected.as_ref())?;
    let mut show = Show::new(flags);
    let only = |show: &mut Show, transaction: &Transaction, only: Only<'_>, exit: Exit| {
        show.plan_only(transaction, &assessment, &flags.names, mode, only, exit)?;
        show.problems(&assessment);
        Ok::<_, Error>(Attempt::of(exit))
    };
    let exit = of_look(&assessment);
    if mode == Mode::List || flags.dry_run {
        return only(&mut show, &transaction, Only::Listed, exit);
    }
    if let Some(why) = why_not(&survey, &manager) {
        talk(&format!("nothing is restarted: {why}"));
        survey.keep(&assessment, None, false);
        let exit = Exit::Incomplete;
        only(&mut show, &transaction, Only::Refused(&why), exit)?;
        let refused = true;
        return Ok(Attempt { exit, refused });
    }
    if mode == Mode::Ask {
        match ask::ask(&transaction, &assessment, flags.color)? {
            Answer::Nothing => return Ok(Attempt::of(exit)),
            Answer::Owners(owners) => transaction = planned(mode, Some(&owners))?,
        }
    }
    if transaction.steps.is_empty() {
        let decided = mode == Mode::Auto && flags.names.is_empty();
        keep(&mut show, &survey, &assessment, decided)?;
        return only(&mut show, &transaction, Only::NothingToDo, exit);
    }
    show.plan(&transaction, &assessment)?;
    let run = run_of(&survey, mode, transaction);
    drop(assessment);
    let way = Way {
        foreground: flags.foreground,
        plugin_dir: &flags.plugin_dir,
        programs: None,
        translated: None,
        tells: true,
    };
    let exit = act(&mut show, survey, run, &way)?;
    // The worker may see what nobody saw before.
    let refused = exit != Exit::Complete && !show.has_begun();
    Ok(Attempt { exit, refused })
}

/// How it is carried out.
#[derive(Debug, Clone, Copy)]
struct Way<'a> {
    /// In this session.
    foreground: bool,
    /// Directories of detector plugins.
    plugin_dir: &'a [PathBuf],
    /// Another directory of programs that restart units in their own way.
    programs: Option<&'a Path>,
    /// Another program's settings, translated, in place of the administrator's.
    translated: Option<&'a str>,
    /// Whether users are told.
    tells: bool,
}

fn units_of(survey: &Survey, manager: &mut Found) -> Units {
    match manager {
        Ok(Some(manager)) => survey.units(manager.as_mut()),
        Ok(None) | Err(_) => Units::default(),
    }
}

fn run_of(survey: &Survey, mode: Mode, transaction: Transaction) -> Run {
    Run {
        id: id(),
        time: now(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        boot_id: survey.boot_id(),
        mode,
        transaction,
    }
}

fn may_restart(service: &str) -> Result<(), String> {
    services::may_restart(Path::new(ROOT), service).map_err(|refusal| refusal.to_string())
}

/// How much is done: as the command line says, or settings; else a person is asked if there is one.
fn mode(flags: &RestartFlags, setting: Option<Mode>) -> Mode {
    let flag = flags.mode.map(|mode| match mode {
        RestartMode::List => Mode::List,
        RestartMode::Ask => Mode::Ask,
        RestartMode::Auto => Mode::Auto,
    });
    let may_ask = !flags.json && ask::may_ask();
    match flag.or(setting) {
        Some(Mode::Ask) | None if may_ask => Mode::Ask,
        Some(Mode::Ask) => {
            if flag.is_some() {
                talk("there is nobody to ask: this is only a list");
            }
            Mode::List
        }
        None => Mode::List,
        Some(mode) => mode,
    }
}

/// Steps and what is held back, by what is the case now.
fn plan(
    survey: &Survey,
    units: &Units,
    assessment: &Assessment<'_>,
    mode: Mode,
    selected: Option<&Wish>,
) -> Result<Transaction, Error> {
    let now = now();
    let runs = Runs::open(Path::new(ROOT), survey.euid).ok().flatten();
    let our_starts = runs.map(|runs| starts::read(&runs).unwrap_or_default());
    let overrides = survey.overrides.names().map_err(Error::Restart)?;
    let chain = ancestors::read(Path::new("/proc"));
    let transaction = decide::transaction(
        &assessment.plan,
        &Situation {
            facts: &assessment.bundle.facts,
            units,
            policy: &survey.settings.policy,
            modes: &survey.settings.restart.modes,
            mode,
            ancestors: &chain.ancestors,
            selected,
            overrides: &overrides,
            our_starts: &our_starts.unwrap_or_default(),
            now_us: now.nanos_since_epoch() / 1000,
        },
    );
    let transaction = held::without_chain(transaction, chain.is_whole, survey.euid);
    Ok(held::without_rights(transaction, survey.euid))
}

/// What speaks against doing anything now.
fn why_not(survey: &Survey, manager: &Found) -> Option<String> {
    why_never(survey, manager).or_else(packages_change)
}

/// What speaks against it, and will not be over.
fn why_never(survey: &Survey, manager: &Found) -> Option<String> {
    match manager {
        Ok(Some(_)) => {}
        Ok(None) => return Some("no service manager runs here".to_owned()),
        Err(refusal) => return Some(refusal.to_string()),
    }
    if survey.is_stopping() {
        return Some("the system is shutting down".to_owned());
    }
    None
}

/// This process and all above it.
pub(super) fn callers() -> Vec<Pid> {
    let chain = ancestors::read(Path::new("/proc"));
    chain.ancestors.into_iter().map(|one| one.pid).collect()
}

/// What speaks against it until package managers are done.
pub(super) fn packages_change() -> Option<String> {
    let who = at_work::package_manager(Path::new(ROOT))?;
    Some(format!("a package manager is at work ({who})"))
}

/// A run without steps needs no worker: it was proven before it began. What is to be known of it, and of earlier ones.
fn keep(
    show: &mut Show,
    survey: &Survey,
    assessment: &Assessment<'_>,
    decided: bool,
) -> Result<(), Error> {
    survey.keep(assessment, None, decided);
    let Ok(runs) = Runs::make(Path::new(ROOT), survey.euid) else {
        return Ok(());
    };
    let mut broken = Vec::new();
    if let Ok(_lock) = runs.lock(&id(), Duration::ZERO)
        && let Ok(None) = broken::about_to_begin(&runs, now())
    {
        broken = broken::take(&runs).unwrap_or_default();
    }
    for records in &broken {
        show.broken_off(records)?;
    }
    if survey.euid == 0 {
        super::sessions::tell(assessment, &survey.settings, &runs);
    }
    Ok(())
}

/// The lock, when no other run has it or is about to take it.
fn lock(runs: &Runs, id: &str) -> Result<Lock, RunsError> {
    let end = Instant::now() + BUSY_LIMIT;
    loop {
        let lock = runs.lock(id, end.saturating_duration_since(Instant::now()))?;
        match broken::about_to_begin(runs, now())? {
            None => return Ok(lock),
            Some(other) if Instant::now() >= end => return Err(RunsError::Busy(Some(other))),
            Some(_) => {}
        }
        drop(lock);
        std::thread::sleep(POLL);
    }
}

/// Has it done, by whoever outlives us, and says how it goes.
fn act(show: &mut Show, survey: Survey, mut run: Run, way: &Way<'_>) -> Result<Exit, Error> {
    let (root, euid) = (Path::new(ROOT), survey.euid);
    let runs = Runs::make(root, euid).map_err(of_runs)?;
    let lock = match lock(&runs, &run.id) {
        Err(error @ RunsError::Busy(_)) => {
            let why = error.to_string();
            talk(&why);
            show.refused(run, &why, Exit::Busy)?;
            return Ok(Exit::Busy);
        }
        lock => lock.map_err(of_runs)?,
    };
    let broken = broken::take(&runs).map_err(of_runs)?;
    let journal = worker::begin(&runs, &mut run, &broken).map_err(of_runs)?;
    drop(survey);
    let in_process = way.foreground || euid != 0;
    if in_process {
        show.hurry();
        for records in &broken {
            show.broken_off(records)?;
        }
        return worker::here(&runs, lock, journal, &run, way, show);
    }
    drop((lock, journal));
    let mut args: Vec<OsString> = vec!["restart-worker".into(), run.id.clone().into()];
    let plugins = way.plugin_dir.iter().map(|directory| {
        let absolute = std::path::absolute(directory);
        (
            "--plugin-dir",
            absolute.unwrap_or_else(|_| directory.clone()),
        )
    });
    let programs = way
        .programs
        .map(|directory| ("--programs", directory.to_owned()));
    let rules = way
        .translated
        .map(|text| translated::leave(&run.id, text))
        .transpose()?;
    let rules = rules.map(|file| ("--translated", file));
    for (option, directory) in plugins.chain(programs).chain(rules) {
        args.extend([option.into(), directory.into()]);
    }
    if !way.tells {
        args.push("--tell-nobody".into());
    }
    let mut unit = Some(hand_over::unit_name(&run.id));
    if let Err(why) = hand_over(&run.id, &args) {
        show.talk(&format!(
            "not run as a unit of its own, but in a session: {why}"
        ));
        unit = None;
        hand_over::to_session(&args)
            .map_err(|error| Error::Restart(format!("cannot start the worker: {error}")))?;
    }
    for records in &broken {
        show.broken_off(records)?;
    }
    follow::follow(&runs, &run.id, unit.as_deref(), show)
}

fn hand_over(id: &str, args: &[OsString]) -> Result<(), String> {
    match Path::new("/run/systemd/system").is_dir() {
        true => hand_over::to_unit(id, args),
        false => Err("systemd does not run here".to_owned()),
    }
}

fn of_look(assessment: &Assessment<'_>) -> Exit {
    match assessment.problems.is_empty() {
        true => Exit::Complete,
        false => Exit::Incomplete,
    }
}

fn of_runs(error: RunsError) -> Error {
    Error::Restart(error.to_string())
}

/// `20261121T211137Z-4711`: sorts by time, and is nobody else's.
fn id() -> String {
    let now = jiff::Timestamp::now();
    format!("{}-{}", now.strftime("%Y%m%dT%H%M%SZ"), std::process::id())
}

/// What is shown of problems.
const fn detail(verbose: bool) -> Detail {
    match verbose {
        true => Detail::Everything,
        false => Detail::Normal,
    }
}
