//! Plugins as the parent has them: found and checked, their workers started when the child asks, and ended when it is
//! done.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::cli::SourceFlags;
use crate::config::{self, Plugins, Settings, Sources};
use crate::confine::Sockets;
use crate::error::Error;
use crate::model::{Bytes, Facts, WhyNot};
use crate::plugins::broker::Line;
use crate::plugins::find::{self, Directory, Found, Places};
use crate::plugins::start::{self, Ended, Order, Worker};
use crate::problem::Problem;

/// So many workers a plugin may use up.
const WORKERS: u32 = 4;

/// Sockets for the workers of all plugins are more than the 1024 descriptors that a process may usually have.
const DESCRIPTORS: u64 = 8192;
/// Those that are left for everything else.
const SPARE: u64 = 48;
/// What a worker takes in the child before it is started: both ends, and the one that the child keeps by another number.
const PER_WORKER: u64 = 3;

/// All plugins that may be used.
pub(super) struct Crew {
    pub(super) found: Found,
    pub(super) settings: Settings,
    /// Where plugins print to, if anybody wants to see it.
    pub(super) talk: Option<OwnedFd>,
}

impl Crew {
    /// Looks for plugins where the configuration and the command line say. Translated settings of another program stand in
    /// for those of the administrator, as far as [`config::read_with`] says.
    ///
    /// # Errors
    /// [`Error::Config`]: there is no half of a configuration.
    pub(super) fn muster(
        source: &SourceFlags,
        euid: u32,
        translated: Option<&str>,
    ) -> Result<Self, Error> {
        // A recorded /proc has no files to look at.
        if source.proc.is_some() {
            return Ok(Self {
                found: Found::default(),
                settings: Settings::default(),
                talk: None,
            });
        }
        let sources = Sources::of_machine(euid);
        let settings = match translated {
            Some(translated) => config::read_with(&sources, translated)?,
            None => config::read(&sources)?,
        };
        let places = Places {
            directories: directories(&settings.plugins, &source.plugin_dir),
            euid,
        };
        let found = find::find(&places, |name| settings.plugins.is_enabled(name));
        Ok(Self {
            found,
            settings,
            talk: None,
        })
    }

    /// What else the configuration says, when the plugins are done.
    pub(super) fn into_settings(self) -> Settings {
        self.settings
    }

    /// Sockets for all workers that may come to be needed, and who starts them.
    ///
    /// # Errors
    /// What socketpair(2) says.
    pub(super) fn lines(&self) -> Result<(Lines, Starter<'_>), Error> {
        let mut lines = Lines::default();
        let mut ends = BTreeMap::new();
        let plugins = self.found.plugins.len();
        let workers = workers_each(descriptors(), plugins);
        for place in 0..plugins {
            let first = u32::try_from(place).unwrap_or(u32::MAX) * WORKERS;
            let mut of_plugin = Vec::new();
            for worker in first..first + workers {
                let (ours, theirs) = UnixStream::pair()?;
                ours.set_nonblocking(true)?;
                ends.insert(worker, theirs.into());
                let socket = ours.into();
                of_plugin.push(Line { socket, worker });
            }
            lines.0.push(of_plugin);
        }
        let starter = Starter {
            crew: self,
            ends,
            workers: BTreeMap::new(),
            told: BTreeMap::new(),
        };
        Ok((lines, starter))
    }

    /// What is there, and cannot be used: a check is not complete without it.
    pub(super) fn tell(&self, facts: &mut Facts) {
        let rejected = self.found.rejected.iter().map(|rejected| Problem {
            operation: "use the detector".to_owned(),
            object: Bytes::from(rejected.path.as_path()),
            pid: None,
            why: WhyNot::Failed(rejected.why.to_string()),
        });
        facts.problems.extend(rejected);
    }
}

/// Where plugins are looked for, the directory that counts most first.
pub(super) fn directories(settings: &Plugins, flags: &[PathBuf]) -> Vec<Directory> {
    // A person names a directory as it is seen from here.
    let flags = flags
        .iter()
        .map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
    let all = flags.chain(settings.directories.iter().cloned());
    let all = all.map(|path| (path, false));
    let local = (PathBuf::from(find::LOCAL), !settings.etc);
    all.chain([local, (PathBuf::from(find::SHIPPED), false)])
        .map(|(path, masks_only)| Directory { path, masks_only })
        .collect()
}

/// How many descriptors there may be: as many as may be needed, if that is allowed.
fn descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let now = limit.current.unwrap_or(u64::MAX);
    let wanted = limit
        .maximum
        .map_or(DESCRIPTORS, |most| most.min(DESCRIPTORS));
    let raised = Rlimit {
        current: Some(wanted),
        ..limit
    };
    match wanted > now && setrlimit(Resource::Nofile, raised).is_ok() {
        true => wanted,
        false => now,
    }
}

/// How many workers each plugin may use up where so many descriptors are allowed. Without any, its processes are said not
/// to have been looked at: better than no check at all.
fn workers_each(descriptors: u64, plugins: usize) -> u32 {
    let plugins = plugins as u64;
    let free = descriptors.saturating_sub(SPARE + plugins);
    let each = free.checked_div(PER_WORKER * plugins).unwrap_or_default();
    u32::try_from(each).map_or(WORKERS, |each| each.min(WORKERS))
}

/// The child's ends of the sockets to workers, for each plugin.
#[derive(Debug, Default)]
pub(super) struct Lines(pub(super) Vec<Vec<Line>>);

impl Sockets for Lines {
    fn renumber(
        &mut self,
        renumber: &mut dyn FnMut(OwnedFd) -> Result<OwnedFd, Errno>,
    ) -> Result<(), Errno> {
        for of_plugin in &mut self.0 {
            let renumbered = std::mem::take(of_plugin).into_iter().map(|line| {
                Ok(Line {
                    socket: renumber(line.socket)?,
                    worker: line.worker,
                })
            });
            *of_plugin = renumbered.collect::<Result<_, Errno>>()?;
        }
        Ok(())
    }
}

/// Starts workers, each once.
pub(super) struct Starter<'a> {
    crew: &'a Crew,
    /// Their ends of the sockets.
    ends: BTreeMap<u32, OwnedFd>,
    workers: BTreeMap<u32, Worker>,
    /// How those ended that have ended.
    told: BTreeMap<u32, String>,
}

impl Starter<'_> {
    /// Starts a worker. An earlier one of its plugin has been given up.
    pub(super) fn start(&mut self, worker: u32) {
        let Some(socket) = self.ends.remove(&worker) else {
            return;
        };
        let first = worker - worker % WORKERS;
        for earlier in first..worker {
            self.note(earlier, Worker::kill_now);
        }
        let Some(plugin) = self.crew.found.plugins.get((worker / WORKERS) as usize) else {
            return;
        };
        let talk = self.crew.talk.as_ref();
        let talk = talk.and_then(|talk| talk.try_clone().ok());
        let order = Order {
            form: plugin.form,
            name: &plugin.manifest.name,
            file: plugin.file.as_fd(),
            socket,
            talk: talk.map_or_else(Stdio::null, Stdio::from),
        };
        match start::start(order) {
            Ok(started) => drop(self.workers.insert(worker, started)),
            Err(error) => drop(self.told.insert(worker, error.to_string())),
        }
    }

    /// In the child: closes what is not its own, for a worker is gone when nobody holds its end.
    pub(super) fn forget(&mut self) {
        self.ends.clear();
    }

    /// Ends all workers, and adds how they ended to what the child could see of it.
    pub(super) fn tell(mut self, facts: &mut Facts) {
        let workers: Vec<u32> = self.workers.keys().copied().collect();
        for worker in workers {
            self.note(worker, Worker::end);
        }
        let looks = facts.plugins.iter_mut().flat_map(|run| &mut run.looks);
        for failed in looks.filter_map(|look| look.failed.as_mut()) {
            if let Some(how) = failed.worker.and_then(|worker| self.told.get(&worker)) {
                failed.why = format!("{} ({how})", failed.why);
            }
        }
    }

    fn note(&mut self, worker: u32, end: impl FnOnce(Worker) -> Ended) {
        if let Some(ended) = self.workers.remove(&worker).map(end) {
            self.told.insert(worker, ended.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(descriptors: u64, plugins: usize, workers: u32) {
        assert_eq!(workers_each(descriptors, plugins), workers);
        let taken = plugins as u64 * (1 + PER_WORKER * u64::from(workers));
        assert!(workers == 0 || taken + SPARE <= descriptors);
    }

    #[test]
    fn few_descriptors_are_fewer_workers() {
        check(DESCRIPTORS, 128, 4);
        check(1024, 15, 4);
        check(1024, 128, 2);
        check(256, 15, 4);
        check(128, 15, 1);
        check(64, 15, 0);
        check(64, 0, 0);
    }

    #[test]
    fn as_many_descriptors_as_may_be() {
        let most = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        assert!(descriptors() >= most.min(DESCRIPTORS));
        assert_eq!(
            descriptors(),
            getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
        );
    }
}
