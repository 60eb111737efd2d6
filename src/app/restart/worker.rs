//! Who acts: reads from the journal what is to be done, does it, looks at the machine again, and writes all of it down.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::prove::{self, Proof};
use super::show::Show;
use super::survey::{Survey, overrides};
use super::{BUSY_LIMIT, ROOT, Way, broken, follow, of_runs, translated};
use crate::act::carry_out::{Outside, Results, carry_out, look_back, scope_of};
use crate::act::journal::{Journal, Lock, Runs, RunsError};
use crate::act::overrides::{Overrides, run_command};
use crate::act::{at_work, hand_over, services, starts};
use crate::app::exit::Exit;
use crate::app::{now, sessions};
use crate::cli::RestartWorkerFlags;
use crate::error::Error;
use crate::model::{
    Because, Failure, Mode, Record, Run, Scope, StepResult, Timestamp, Transaction,
};
use crate::report::json::record;

/// Begins the journal of a run, with what is known of those before it that were broken off. Of a run that is too long to be
/// written down, what users have of it is left out.
pub(super) fn begin(
    runs: &Runs,
    run: &mut Run,
    broken: &[Vec<Record>],
) -> Result<Journal, RunsError> {
    let mut notes = Vec::new();
    let mut journal = loop {
        let first = Record::Run(Box::new(run.clone()));
        match runs.create(&run.id, &record::line(&first)) {
            Err(RunsError::Full) => {
                notes.push(shorten(&mut run.transaction).ok_or(RunsError::Full)?)
            }
            created => break created?,
        }
    };
    for note in notes {
        journal.write(&record::line(&Record::Note(note)))?;
    }
    for note in broken.iter().filter_map(|records| broken::note(records)) {
        journal.write(&record::line(&note))?;
    }
    Ok(journal)
}

/// Leaves out what is held of users' services, then what would be done to them: users can have as many as they like. What
/// was left out, if there was anything.
fn shorten(transaction: &mut Transaction) -> Option<String> {
    let Transaction { steps, held } = transaction;
    let before = held.len();
    held.retain(|held| held.owner.scope == Scope::System);
    let left_out = before - held.len();
    if left_out > 0 {
        return Some(format!(
            "{left_out} services of users that are held back are not told of: there are too many"
        ));
    }
    let before = steps.len();
    steps.retain(|step| !matches!(scope_of(&step.deed), Some(Scope::User(_))));
    let left_out = before - steps.len();
    (left_out > 0).then(|| {
        format!("{left_out} steps for users' services wait for another run: there are too many")
    })
}

/// Carries out a run that another process has planned, and that nobody has begun.
pub(in crate::app) fn work(flags: &RestartWorkerFlags) -> Result<Exit, Error> {
    hand_over::begin_session();
    let euid = rustix::process::geteuid().as_raw();
    let missing = || Error::Restart(format!("there is no run {}", flags.id));
    let runs = Runs::open(Path::new(ROOT), euid).map_err(of_runs)?;
    let runs = runs.ok_or_else(missing)?;
    let lock = runs.lock(&flags.id, BUSY_LIMIT);
    if let Err(RunsError::Busy(Some(id))) = &lock
        && *id == flags.id
    {
        // Another worker of this very run was faster.
        return Ok(Exit::Busy);
    }
    // With the lock: until then, whoever gave us up may have ended it, and another worker may have begun.
    let run = planned(&runs, &flags.id)?;
    let journal = runs
        .append_to(&flags.id)
        .map_err(of_runs)?
        .ok_or_else(missing)?;
    let translated = flags
        .translated
        .as_deref()
        .map(translated::take)
        .transpose()?;
    let way = Way {
        foreground: false,
        plugin_dir: &flags.plugin_dir,
        programs: flags.programs.as_deref(),
        translated: translated.as_deref(),
        tells: !flags.tell_nobody,
    };
    let mut worker = Worker::new(&runs, journal, &run, &way, None)?;
    match lock {
        Ok(lock) => worker.work(lock),
        Err(error) => {
            let busy = matches!(error, RunsError::Busy(_));
            worker.note(&error.to_string())?;
            worker.finish(if busy { Exit::Busy } else { Exit::Failed })
        }
    }
}

/// A run in whose journal nothing has begun.
fn planned(runs: &Runs, id: &str) -> Result<Run, Error> {
    let records = broken::records(runs, id).unwrap_or_default();
    let is_planned = broken::is_planned(&records);
    match records.into_iter().next() {
        Some(Record::Run(run)) if is_planned => Ok(*run),
        _ => Err(Error::Restart(format!(
            "run {id} is not one that is to be begun"
        ))),
    }
}

/// Carries out a run in this very process, and shows it.
pub(super) fn here(
    runs: &Runs,
    lock: Lock,
    journal: Journal,
    run: &Run,
    way: &Way<'_>,
    show: &mut Show,
) -> Result<Exit, Error> {
    // What the journal holds already.
    if let Some(mut follower) = runs.follow(&run.id).map_err(of_runs)? {
        for line in follower.lines().map_err(of_runs)? {
            record::parse(&line)
                .into_iter()
                .for_each(|record| show.record(record));
        }
    }
    let exit = Worker::new(runs, journal, run, way, Some(&mut *show))?.work(lock)?;
    show.take_time();
    show.end()?;
    Ok(exit)
}

struct Worker<'a> {
    runs: &'a Runs,
    journal: Journal,
    run: &'a Run,
    way: &'a Way<'a>,
    show: Option<&'a mut Show>,
    overrides: Overrides,
    began: Instant,
    told_to_end: Arc<AtomicBool>,
}

impl<'a> Worker<'a> {
    fn new(
        runs: &'a Runs,
        journal: Journal,
        run: &'a Run,
        way: &'a Way<'a>,
        show: Option<&'a mut Show>,
    ) -> Result<Self, Error> {
        let told_to_end = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGTERM, Arc::clone(&told_to_end))?;
        signal_hook::flag::register(SIGINT, Arc::clone(&told_to_end))?;
        // The end of a terminal is no end of the work. Unlike an ignored signal, this one is not passed on to programs.
        signal_hook::flag::register(SIGHUP, Arc::default())?;
        let euid = rustix::process::geteuid().as_raw();
        Ok(Self {
            runs,
            journal,
            run,
            way,
            show,
            overrides: overrides(euid, way.programs),
            began: Instant::now(),
            told_to_end,
        })
    }

    /// All of it, with the lock held until the end.
    fn work(mut self, lock: Lock) -> Result<Exit, Error> {
        let exit = match self.steps_and_proof() {
            Ok(exit) => exit,
            Err(why) => {
                self.note(&why)?;
                Exit::Failed
            }
        };
        let exit = self.finish(exit);
        drop(lock);
        exit
    }

    fn steps_and_proof(&mut self) -> Result<Exit, String> {
        if let Some(why) = self.why_not() {
            self.record(Record::Note(format!("nothing was done: {why}")))?;
            return Ok(Exit::Incomplete);
        }
        let manager = services::find(Path::new(ROOT)).map_err(|refusal| refusal.to_string())?;
        let mut manager = manager.ok_or("no service manager runs here")?;
        let run = self.run;
        let began: Timestamp = self.now();
        let mut carried = carry_out(&run.transaction.steps, manager.as_mut(), self)?;
        let time = self.now();
        self.record(Record::Rescan { time })?;
        // The plan was made by these.
        let way = self.way;
        let survey = Survey::take_with(way.plugin_dir, way.translated, way.programs);
        look_back(&mut carried, manager.as_mut(), self)?;
        drop(manager);
        let proven = self.prove(began, &carried.results, survey)?;
        Ok(match proven {
            Exit::Complete if self.is_to_end() => Exit::Incomplete,
            exit => exit,
        })
    }

    /// What changed since the run was planned, by which nothing is to be done.
    fn why_not(&self) -> Option<String> {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        if boot_id.is_ok_and(|id| id.trim_end() != self.run.boot_id) {
            return Some("it was planned before the system booted".to_owned());
        }
        let who = at_work::package_manager(Path::new(ROOT))?;
        Some(format!("a package manager is at work ({who})"))
    }

    /// Looks at the machine again, and says how it ended for whom.
    fn prove(
        &mut self,
        began: Timestamp,
        results: &Results,
        survey: Result<Survey, Error>,
    ) -> Result<Exit, String> {
        let survey = match survey {
            Ok(survey) => survey,
            Err(error) => {
                let proof = prove::without_look(self.run, results, &error.to_string());
                return self.write_proof(&proof);
            }
        };
        let assessment = survey.assess();
        let proof = prove::prove(self.run, results, &assessment, began);
        let exit = self.write_proof(&proof)?;
        if survey.euid == 0 {
            let time = self.now();
            let last = proof.last_run(&self.run.id, time, exit as u8);
            let mut held = self.run.transaction.held.iter();
            let chosen = held.any(|held| held.because.iter().any(Because::is_not_asked));
            let decided = self.run.mode == Mode::Auto && !chosen;
            survey.keep(&assessment, Some(last), decided);
            if self.way.tells {
                for told in sessions::tell(&assessment, &survey.settings, self.runs) {
                    self.record(told)?;
                }
            }
        }
        Ok(exit)
    }

    fn write_proof(&mut self, proof: &Proof) -> Result<Exit, String> {
        for (owner, outcome) in &proof.outcomes {
            self.record(Record::Item {
                owner: owner.clone(),
                outcome: outcome.clone(),
            })?;
        }
        for note in &proof.notes {
            self.record(Record::Note(note.clone()))?;
        }
        Ok(follow::of_number(proof.exit()))
    }

    fn note(&mut self, what: &str) -> Result<(), Error> {
        self.record(Record::Note(what.to_owned()))
            .map_err(Error::Restart)
    }

    fn finish(mut self, exit: Exit) -> Result<Exit, Error> {
        let time = self.now();
        let exit_number = exit as u8;
        self.record(Record::Finish {
            time,
            exit: exit_number,
        })
        .map_err(Error::Restart)?;
        Ok(exit)
    }
}

impl Outside for Worker<'_> {
    fn record(&mut self, record: Record) -> Result<(), String> {
        let mut written = self.journal.write(&record::line(&record));
        if let (Err(RunsError::Full), Some(short)) = (&written, shortest(&record)) {
            written = self.journal.write_last(&record::line(&short));
        }
        written.map_err(|error| error.to_string())?;
        if let Some(show) = self.show.as_deref_mut() {
            show.record(record);
        }
        Ok(())
    }

    fn started(&mut self, scope: Scope, units: &[&str]) {
        let time_us = now().nanos_since_epoch() / 1000;
        // The manager's own log tells it too; this is for where nobody keeps one.
        starts::add(self.runs, time_us, scope, units).ok();
    }

    fn may_restart(&mut self, service: &str) -> Result<(), String> {
        let said = services::may_restart(Path::new(ROOT), service);
        said.map_err(|refusal| refusal.to_string())
    }

    fn now(&mut self) -> Timestamp {
        now()
    }

    fn clock(&mut self) -> Duration {
        self.began.elapsed()
    }

    fn sleep(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    fn is_to_end(&self) -> bool {
        self.told_to_end.load(Ordering::Relaxed)
    }

    fn run_override(&mut self, name: &str, limit: Duration) -> Result<(), String> {
        self.overrides.run(name, limit)
    }

    fn run_command(&mut self, argv: &[String], limit: Duration) -> Result<(), String> {
        run_command(argv, limit)
    }
}

/// What is still said of something that has happened, where there is no room for all of it.
fn shortest(record: &Record) -> Option<Record> {
    match record {
        Record::End { step, time, result } => {
            let result = match result {
                StepResult::Failed(failure) => StepResult::Failed(Failure {
                    log: Vec::new(),
                    ..failure.clone()
                }),
                result => result.clone(),
            };
            let (step, time) = (*step, *time);
            Some(Record::End { step, time, result })
        }
        Record::Finish { .. } | Record::Rescan { .. } => Some(record.clone()),
        Record::Note(_) => Some(Record::Note("there is no room to say more".to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Class, Deed, Held, Owner, OwnerKind, Stage, Step};

    #[test]
    fn t10_20_what_users_have_is_left_out_of_a_run_that_is_too_long() {
        let held = |scope| Held {
            owner: Owner::new(OwnerKind::Unit, "a.service", scope),
            because: Vec::new(),
        };
        let step = |number, scope| Step {
            number,
            deed: Deed::Reload(scope),
            class: Class::Service,
            stage: Stage::Services,
            owners: Vec::new(),
            pulled: Vec::new(),
            because: Vec::new(),
            invocation: String::new(),
            wait_us: 0,
            settle_us: 0,
            limit_us: 0,
        };
        let (system, user) = (Scope::System, Scope::User(7));
        let mut all = Transaction {
            steps: vec![step(1, system), step(2, user)],
            held: vec![held(user), held(system), held(user)],
        };
        let note = shorten(&mut all).unwrap();
        assert!(note.starts_with("2 services of users"), "{note}");
        assert_eq!((all.steps.len(), &all.held[..]), (2, &[held(system)][..]));
        let note = shorten(&mut all).unwrap();
        assert!(note.starts_with("1 steps"), "{note}");
        assert_eq!(
            (&all.steps[..], all.held.len()),
            (&[step(1, system)][..], 1)
        );
        assert_eq!(shorten(&mut all), None);
    }
}
