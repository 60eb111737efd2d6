//! The way of the data, from the command line to the exit status.

mod assess;
mod exit;
mod explain;
mod gather;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anstream::AutoStream;
use clap::Parser as _;

use crate::bundle::{self, Bundle};
use crate::cli::{
    By, CheckFlags, Color, Command, ExplainFlags, Flags, MappingSource, RecordFlags, SourceFlags,
};
use crate::confine;
use crate::decide::Policy;
use crate::error::Error;
use crate::report::{self, Detail};
use crate::snapshot;
use exit::Exit;
use gather::Interest;

/// A scan is given up after this long, whatever it waits for.
const SCAN_LIMIT: Duration = Duration::from_secs(90);

/// Runs the program.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let flags = match Flags::try_parse_from(args) {
        Ok(flags) => flags,
        Err(error) => {
            let usage = error.use_stderr();
            error.print().ok();
            return if usage { Exit::Usage } else { Exit::Complete }.into();
        }
    };
    let result = match flags.command.unwrap_or(Command::Check(flags.check)) {
        Command::Check(flags) => check(&flags),
        Command::Explain(flags) => explain(&flags),
        Command::Record(flags) => record(&flags),
    };
    match result {
        Ok(exit) => exit.into(),
        // Whoever reads has seen enough.
        Err(Error::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            Exit::Complete.into()
        }
        Err(error) => {
            talk(&error.to_string());
            Exit::Failed.into()
        }
    }
}

fn check(flags: &CheckFlags) -> Result<Exit, Error> {
    let bundle = obtain(
        &flags.source,
        &Interest::Stale {
            own_only: flags.user,
        },
    )?;
    let assessment = assess::assess(&bundle, &Policy::builtin(), flags.user);
    let mut out = output(flags.color);
    if flags.json {
        report::json::print(&mut out, &assessment, flags.verbose)?;
    } else {
        let detail = if flags.verbose {
            Detail::Everything
        } else {
            Detail::Normal
        };
        match flags.by {
            By::Owner => report::text::print(&mut out, &assessment, detail)?,
            By::Package => report::by_package::print(&mut out, &assessment)?,
        }
        report::problems(&assessment, detail)
            .iter()
            .for_each(|line| talk(line));
    }
    out.flush()?;
    Ok(exit::of_check(&assessment, flags.exit_code))
}

fn explain(flags: &ExplainFlags) -> Result<Exit, Error> {
    let target = explain::Target::parse(&flags.target);
    let bundle = obtain(&flags.source, &Interest::Target(target.clone()))?;
    let assessment = assess::assess(&bundle, &Policy::builtin(), false);
    let processes = explain::select(&bundle, &target);
    if processes.is_empty() {
        return Err(Error::NoSuchTarget(flags.target.clone()));
    }
    let mut out = output(flags.color);
    report::explain::print(&mut out, &assessment, &processes, flags.verbose)?;
    out.flush()?;
    report::problems(&assessment, Detail::Normal)
        .iter()
        .for_each(|line| talk(line));
    Ok(exit::of_check(&assessment, false))
}

fn record(flags: &RecordFlags) -> Result<Exit, Error> {
    // The file is made before privileges are given up, and before a long scan would turn out to be for nothing.
    let file = bundle::create(&flags.file)?;
    let bundle = obtain(&flags.source, &Interest::Everything)?;
    bundle::write(&file, &flags.file, &bundle)?;
    let assessment = assess::assess(&bundle, &Policy::builtin(), false);
    report::problems(&assessment, Detail::Normal)
        .iter()
        .for_each(|line| talk(line));
    Ok(exit::of_check(&assessment, false))
}

/// Facts and answers: of this machine, seen by the confined scanner, or from a bundle.
fn obtain(source: &SourceFlags, interest: &Interest) -> Result<Bundle, Error> {
    if let Some(path) = &source.bundle {
        return bundle::read(path);
    }
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
    let seen = confine::run(SCAN_LIMIT, || gather::gather(options, &root, interest))?;
    let bundle = seen.map_err(Error::Problem)?;
    bundle
        .checked()
        .map_err(|what| Error::Scanner(format!("its answer is not sound: {what}")))
}

fn output(color: Color) -> Box<dyn Write> {
    let stdout = std::io::stdout().lock();
    let choice = match color {
        Color::Auto => AutoStream::choice(&std::io::stdout()),
        Color::Always => anstream::ColorChoice::Always,
        Color::Never => anstream::ColorChoice::Never,
    };
    Box::new(std::io::BufWriter::new(AutoStream::new(stdout, choice)))
}

/// Talks to the person: on stderr, so that stdout holds data only.
fn talk(line: &str) {
    let mut stderr = std::io::stderr().lock();
    writeln!(stderr, "unstale: {line}").ok();
}
