//! The way of the data, from the command line to the exit status.

mod accounts;
mod assess;
mod beside;
mod crew;
mod detectors;
mod dialect;
mod exit;
mod explain;
mod gather;
mod hook;
mod next;
mod plugins;
mod reboot_hint;
mod restart;
mod roots;
mod sessions;
mod settings;
mod state;
mod status;
mod try_plugin;
mod units;
mod worker;

use std::cell::RefCell;
use std::ffi::OsString;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anstream::AutoStream;
use clap::Parser as _;

use crate::bundle::{self, Bundle};
use crate::cli::{
    By, CheckFlags, Color, Command, ExplainFlags, Flags, MappingSource, RecordFlags, SourceFlags,
};
use crate::config::{self, Settings, Sources};
use crate::confine;
use crate::dialects;
use crate::error::Error;
use crate::model::{Escaped, Timestamp};
use crate::report::{self, Assessment, Detail};
use crate::snapshot;
use crew::Crew;
use detectors::Detectors;
use exit::Exit;
use gather::Interest;

/// A scan is given up after this long, whatever it waits for. Detectors have their own time besides, and look twice: at
/// what interests them by its code, and by its owner.
const SCAN_LIMIT: Duration = Duration::from_secs(90);
const DETECTORS_LOOK: u32 = 2;

/// Commands by which the program starts itself.
const WORKERS: [&str; 2] = ["restart-worker", "plugin-worker"];

/// Runs the program.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    // Where that fails, programs get what our caller gave them through us: no reason to stop.
    confine::hand_none_down().ok();
    confine::take_signals_back();
    let words: Vec<OsString> = args.into_iter().collect();
    // A copy that is named like a peer starts its workers by its own name.
    let worker = words
        .get(1)
        .filter(|word| WORKERS.iter().any(|worker| word == worker));
    let preset = std::env::var_os(dialect::PRESET);
    match dialects::called(&words, preset.as_deref()) {
        Ok(Some((dialect, call))) if worker.is_none() => return dialect::run(dialect, &call),
        Err(error) if worker.is_none() => {
            talk(&error.to_string());
            return dialect::NO_ANSWER.into();
        }
        _ => {}
    }
    let flags = match Flags::try_parse_from(words) {
        Ok(flags) => flags,
        Err(error) => {
            if !error.use_stderr() {
                error.print().ok();
                return Exit::Complete.into();
            }
            complain(&error);
            return Exit::Usage.into();
        }
    };
    let result = match flags.command.unwrap_or(Command::Check(flags.check)) {
        Command::Check(flags) => check(&flags),
        Command::RebootHint(flags) => return reboot_hint::run(&flags),
        Command::Explain(flags) => explain(&flags),
        Command::Record(flags) => record(&flags),
        Command::Restart(flags) => restart::run(&flags),
        Command::RestartWorker(flags) => restart::work(&flags),
        Command::Status(flags) => status::run(&flags),
        Command::Plugins(flags) => plugins::run(&flags),
        Command::Config(flags) => settings::run(&flags),
        Command::Hook(flags) => return hook::run(&flags),
        Command::PluginWorker(flags) => return worker::run(&flags),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            // Names in it are escaped: a line ends where it is meant to.
            error.to_string().lines().for_each(talk);
            Exit::Failed.into()
        }
    }
}

fn check(flags: &CheckFlags) -> Result<Exit, Error> {
    let interest = Interest::Stale {
        own_only: flags.user,
    };
    let (bundle, settings) = obtain(&flags.source, &interest)?;
    let assessment = assess::assess(&bundle, &settings, flags.user);
    let detail = if flags.verbose {
        Detail::Everything
    } else {
        Detail::Normal
    };
    print(flags.color, flags.json, |out| match flags.by {
        _ if flags.json => report::json::print(out, &assessment, flags.verbose),
        By::Owner => report::text::print(out, &assessment, detail),
        By::Package => report::by_package::print(out, &assessment),
    })?;
    if !flags.json {
        talk_of_problems(&assessment, detail);
    }
    Ok(exit::of_check(&assessment, flags.exit_code))
}

fn explain(flags: &ExplainFlags) -> Result<Exit, Error> {
    let target = explain::Target::parse(&flags.target);
    let (bundle, settings) = obtain(&flags.source, &Interest::Target(target.clone()))?;
    let assessment = assess::assess(&bundle, &settings, false);
    let processes = explain::select(&bundle, &target);
    if processes.is_empty() {
        if !explain::may_be_hidden(&bundle.facts, &target) {
            return Err(Error::NoSuchTarget(flags.target.clone()));
        }
        talk(&format!(
            "cannot explain {}: it may be among what could not be looked at",
            flags.target
        ));
        talk_of_problems(&assessment, Detail::Normal);
        return Ok(Exit::Incomplete);
    }
    print(flags.color, false, |out| {
        report::explain::print(out, &assessment, &processes, flags.verbose)
    })?;
    talk_of_problems(&assessment, Detail::Normal);
    Ok(exit::of_check(&assessment, false))
}

fn record(flags: &RecordFlags) -> Result<Exit, Error> {
    // The file is made before privileges are given up, and before a long scan would turn out to be for nothing.
    let file = bundle::create(&flags.file)?;
    let recorded = obtain(&flags.source, &Interest::Everything)
        .and_then(|(bundle, settings)| Ok((file.write(bundle)?, settings)));
    let (bundle, settings) = recorded.inspect_err(|_| file.discard())?;
    let assessment = assess::assess(&bundle, &settings, false);
    talk_of_problems(&assessment, Detail::Normal);
    Ok(exit::of_check(&assessment, false))
}

/// The time, by which rules end and processes are old.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since = since.unwrap_or_default();
    Timestamp {
        secs: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: since.subsec_nanos(),
    }
}

/// Facts and answers: of this machine, seen by the confined scanner, or from a bundle. And the settings of this machine.
fn obtain(source: &SourceFlags, interest: &Interest) -> Result<(Bundle, Settings), Error> {
    obtain_with(source, interest, None)
}

/// As [`obtain`], with settings of another program, translated to ours, in place of those of the administrator.
fn obtain_with(
    source: &SourceFlags,
    interest: &Interest,
    translated: Option<&str>,
) -> Result<(Bundle, Settings), Error> {
    let euid = rustix::process::geteuid().as_raw();
    if let Some(path) = &source.bundle {
        let settings = config::read(&Sources::of_machine(euid))?;
        return Ok((bundle::read(path)?, settings));
    }
    let crew = Crew::muster(source, euid, translated)?;
    Ok((look(source, interest, &crew)?, crew.into_settings()))
}

/// Facts and answers of this machine, with what these plugins say.
fn look(source: &SourceFlags, interest: &Interest, crew: &Crew) -> Result<Bundle, Error> {
    let options = snapshot::Options {
        proc: source
            .proc
            .clone()
            .unwrap_or_else(|| PathBuf::from("/proc")),
        root: source.root.clone(),
        source: match source.mapping_source {
            MappingSource::Best => snapshot::MappingSource::Best,
            MappingSource::Ioctl => snapshot::MappingSource::Ioctl,
            MappingSource::Text => snapshot::MappingSource::Text,
        },
        reader_uid: rustix::process::geteuid().as_raw(),
    };
    let root = source
        .root
        .clone()
        .unwrap_or_else(|| Path::new("/").to_owned());
    let (lines, starter) = crew.lines()?;
    let starter = RefCell::new(starter);
    let work = |lines, asker: &confine::Asker| {
        starter.borrow_mut().forget();
        let plugins = &crew.found.plugins;
        let detectors = Detectors::new(plugins, &crew.settings.plugins, lines, asker);
        gather::gather(options, &root, interest, detectors, &crew.settings.reboot)
    };
    let on_request = |worker| starter.borrow_mut().start(worker);
    let limit = SCAN_LIMIT + DETECTORS_LOOK * crew.settings.plugins.total_deadline;
    let seen = confine::run_with(limit, lines, on_request, work);
    let mut bundle = seen?.map_err(Error::Problem)?;
    starter.into_inner().tell(&mut bundle.facts);
    crew.tell(&mut bundle.facts);
    bundle.taken = Some(now());
    let mut bundle = bundle
        .checked()
        .map_err(|what| Error::Scanner(format!("its answer is not sound: {what}")))?;
    // Service managers know the units of this machine, not those of another root or of a recorded /proc.
    if source.root.is_none() && source.proc.is_none() {
        bundle.units = units::ask(&bundle);
    }
    Ok(bundle)
}

/// Prints the result. Colour is for people: a document for programs goes out as it is.
fn print(
    color: Color,
    plain: bool,
    print: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<(), Error> {
    let stdout = std::io::stdout().lock();
    let mut out: Box<dyn Write> = if plain {
        Box::new(BufWriter::new(stdout))
    } else {
        let choice = match color {
            Color::Auto => AutoStream::choice(&std::io::stdout()),
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        };
        Box::new(BufWriter::new(AutoStream::new(stdout, choice)))
    };
    match print(&mut *out).and_then(|()| out.flush()) {
        // Whoever reads has seen enough. That says nothing about what was found.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

fn talk_of_problems(assessment: &Assessment<'_>, detail: Detail) {
    report::problems(assessment, detail)
        .iter()
        .for_each(|line| talk(line));
}

/// Talks to the person: on stderr, so that stdout holds data only. One line, and no character that steers a terminal:
/// words of the inspected machine are in it.
fn talk(line: &str) {
    let mut stderr = std::io::stderr().lock();
    writeln!(stderr, "unstale: {}", Escaped(line.as_bytes())).ok();
}

/// Says what is wrong with the command line. It quotes the words, which a shell may have made of file names.
fn complain(error: &clap::Error) {
    let mut stderr = std::io::stderr().lock();
    for line in error.to_string().lines() {
        writeln!(stderr, "{}", Escaped(line.as_bytes())).ok();
    }
}
