//! The machine as dialects see it, and how they are let speak.

mod act;
#[cfg(test)]
mod golden;
mod later;
mod scene;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{Metadata, OpenOptions};
use std::io::{self, BufRead as _, BufWriter, IsTerminal as _, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use super::beside::Extras;
use super::gather::Interest;
use super::{assess, obtain_with, restart};
use crate::cli::{MappingSource, SourceFlags};
use crate::config::{self, Notify, Sources};
use crate::dialects::{
    Call, Dialect, Errand, Machine, NotBegun, NotRestarted, Order, Own, Scene, Terminals, Voice,
    Wanted,
};
use crate::error::Error;
use crate::model::{Pid, WhyNot};
use crate::problem::Problem;

/// The variable that says the generation of a dialect: `needs-restarting=dnf4`.
pub(super) const PRESET: &str = "UNSTALE_AS";

/// Files that dialects read are settings and lists.
const FILE_CAP: u64 = 1024 * 1024;

/// When the time was first asked for.
static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
/// What a person types is a word.
const LINE_CAP: u64 = 4096;
const EXECUTABLE: u32 = 0o111;
/// apt's, over all its runs of dpkg.
const FRONT_END_LOCK: &str = "/var/lib/dpkg/lock-frontend";

/// Lets a dialect speak.
pub(super) fn run(dialect: &Dialect, call: &Call) -> ExitCode {
    let mut machine = ThisMachine::default();
    let mut out = BufWriter::new(io::stdout().lock());
    let mut err = io::stderr().lock();
    let mut voice = Voice {
        name: dialect.name,
        out: &mut out,
        err: &mut err,
    };
    let spoken = (dialect.speak)(call, &mut machine, &mut voice);
    let flushed = out.flush();
    match spoken.and_then(|exit| flushed.map(|()| exit)) {
        Ok(exit) => exit.into(),
        // Whoever reads has seen enough; what there was to say is not known to have arrived.
        Err(error) => {
            if error.kind() != io::ErrorKind::BrokenPipe {
                writeln!(err, "{}: cannot print: {error}", dialect.name).ok();
            }
            NO_ANSWER.into()
        }
    }
}

/// There is no answer, or it could not be printed: in no dialect this is *all fine*, an alarm or *reboot*.
pub(super) const NO_ANSWER: u8 = 3;

/// The machine that this runs on.
#[derive(Debug, Default)]
struct ThisMachine {
    /// What was wanted of the last look.
    wanted: Option<Wanted>,
    /// Since when it waits for package managers, if it does.
    waits_since: Option<Instant>,
}

/// Whether nothing more is wrong than that one of these processes changes packages of dpkg.
fn is_of_caller(problem: &Problem, callers: &[Pid]) -> bool {
    let WhyNot::Failed(why) = &problem.why else {
        return false;
    };
    let is = |pid: &Pid| *why == format!("process {pid} holds {FRONT_END_LOCK}");
    problem.operation == "rely on the state of" && callers.iter().any(is)
}

impl Machine for ThisMachine {
    fn euid(&self) -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn variable(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name).filter(|value| !value.is_empty())
    }

    fn clock(&self) -> Duration {
        BEGUN.elapsed()
    }

    fn terminals(&self) -> Terminals {
        let stdout = io::stdout().is_terminal();
        Terminals {
            stdin: io::stdin().is_terminal(),
            stdout,
            stderr: io::stderr().is_terminal(),
            width: stdout.then(|| console::Term::stdout().size().1.into()),
        }
    }

    fn own(&self) -> Own {
        let sources = Sources::of_machine(self.euid());
        let Ok(settings) = config::read(&sources) else {
            return Own::default();
        };
        let Notify {
            terminal,
            desktop,
            mail,
        } = settings.notify;
        Own {
            mode: settings.restart.mode,
            is_silent: !(terminal || desktop || mail),
            late_mode: config::late_mode(&sources).unwrap_or_default(),
        }
    }

    fn is_program(&self, path: &Path) -> bool {
        let metadata = path.metadata();
        metadata.is_ok_and(|metadata| metadata.is_file() && metadata.mode() & EXECUTABLE != 0)
    }

    fn is_there(&self, path: &Path) -> io::Result<bool> {
        match path.metadata() {
            Ok(_) => Ok(true),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(false),
                _ => Err(error),
            },
        }
    }

    fn resolved(&self, path: &Path) -> Option<PathBuf> {
        path.canonicalize().ok()
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let check = |meta: &Metadata| {
            let kind = match (meta.is_file(), meta.is_dir()) {
                (true, _) => return Ok(()),
                (_, true) => io::ErrorKind::IsADirectory,
                _ => io::ErrorKind::InvalidInput,
            };
            Err(io::Error::from(kind))
        };
        // To open a device may do something.
        check(&path.metadata()?)?;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path)?;
        check(&file.metadata()?)?;
        let mut text = Vec::new();
        // Files of the kernel have no size before they are read.
        let read = file.take(FILE_CAP + 1).read_to_end(&mut text)?;
        match u64::try_from(read) {
            Ok(0..=FILE_CAP) => Ok(text),
            _ => Err(io::ErrorKind::FileTooLarge.into()),
        }
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let names: Result<BTreeSet<OsString>, io::Error> = match directory.read_dir() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?.map(|entry| Ok(entry?.file_name())).collect(),
        };
        Ok(names?.into_iter().collect())
    }

    fn look(&mut self, wanted: &Wanted) -> Result<Scene, Vec<String>> {
        let source = SourceFlags {
            root: wanted.root.clone(),
            proc: None,
            bundle: None,
            plugin_dir: Vec::new(),
            mapping_source: MappingSource::Best,
        };
        self.wanted = Some(wanted.clone());
        let interest = Interest::Dialect(Extras {
            own_only: wanted.own_only,
            machine: wanted.machine,
            packages: wanted.packages,
            deleted: wanted.deleted,
        });
        let lines = |error: Error| {
            error
                .to_string()
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let rules = wanted.rules.as_deref();
        let (bundle, settings) = obtain_with(&source, &interest, rules).map_err(lines)?;
        let assessment = assess::assess(&bundle, &settings, wanted.own_only);
        let mut scene = scene::of(&assessment, wanted);
        // Whoever calls us through apt knows that apt is at work. What it left half done is said all the same.
        let callers = restart::callers();
        scene
            .problems
            .retain(|problem| !is_of_caller(problem, &callers));
        Ok(scene)
    }

    fn ask(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        let read = io::stdin()
            .lock()
            .take(LINE_CAP)
            .read_until(b'\n', &mut line)?;
        Ok((read > 0).then(|| String::from_utf8_lossy(&line).into_owned()))
    }

    fn packages_change(&self) -> Option<String> {
        restart::packages_change()
    }

    fn later(&mut self, name: &str, args: &[OsString]) -> Result<String, String> {
        later::leave(name, args, self.waits_since.is_some())
    }

    fn wait(&mut self) -> Result<bool, String> {
        let since = self.waits_since.get_or_insert_with(Instant::now);
        later::wait(*since)
    }

    fn restart(&mut self, order: &Order<'_>) -> Result<Vec<NotRestarted>, NotBegun> {
        let wanted = self.wanted.as_ref();
        act::restart(order, wanted.and_then(|wanted| wanted.rules.as_deref()))
    }

    fn run(&mut self, errand: &Errand<'_>) -> Result<i32, String> {
        act::run(errand)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Bytes;

    #[test]
    fn that_apt_which_calls_is_at_work_is_no_news() {
        #[track_caller]
        fn check(operation: &str, why: &str, expected: bool) {
            let problem = Problem {
                operation: operation.to_owned(),
                object: Bytes::from("dpkg"),
                pid: None,
                why: WhyNot::Failed(why.to_owned()),
            };
            assert_eq!(is_of_caller(&problem, &[9, 7, 1]), expected, "{why}");
        }
        let (state, lock) = ("rely on the state of", "holds /var/lib/dpkg/lock-frontend");
        check(state, &format!("process 7 {lock}"), true);
        check(state, &format!("process 8 {lock}"), false);
        check(state, &format!("process 7 {lock}; a is unpacked"), false);
        check(state, "process 7 holds /var/lib/dpkg/lock", false);
        check("read", &format!("process 7 {lock}"), false);
    }
}
