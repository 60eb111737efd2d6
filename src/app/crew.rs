//! Plugins as the parent has them: found and checked, their workers started when the child asks, and ended when it is
//! done.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::io::Errno;

use crate::cli::SourceFlags;
use crate::config::{self, Plugins};
use crate::confine::Sockets;
use crate::error::Error;
use crate::model::{Bytes, Facts, WhyNot};
use crate::plugins::broker::Line;
use crate::plugins::find::{self, Directory, Found, Places};
use crate::plugins::start::{self, Ended, Order, Worker};
use crate::problem::Problem;

/// So many workers a plugin may use up.
const WORKERS: u32 = 4;

/// All plugins that may be used.
pub(super) struct Crew {
    pub(super) found: Found,
    pub(super) settings: Plugins,
    /// Where plugins print to, if anybody wants to see it.
    pub(super) talk: Option<OwnedFd>,
}

impl Crew {
    /// Looks for plugins where the configuration and the command line say.
    ///
    /// # Errors
    /// [`Error::Config`]: there is no half of a configuration.
    pub(super) fn muster(source: &SourceFlags, euid: u32) -> Result<Self, Error> {
        // A recorded /proc has no files to look at.
        if source.proc.is_some() {
            return Ok(Self {
                found: Found::default(),
                settings: Plugins::default(),
                talk: None,
            });
        }
        let settings = config::read(Path::new(config::DIRECTORY), euid)?.plugins;
        let places = Places {
            directories: directories(&settings, &source.plugin_dir),
            euid,
        };
        let found = find::find(&places, |name| settings.is_enabled(name));
        Ok(Self {
            found,
            settings,
            talk: None,
        })
    }

    /// Sockets for all workers that may come to be needed, and who starts them.
    ///
    /// # Errors
    /// What socketpair(2) says.
    pub(super) fn lines(&self) -> Result<(Lines, Starter<'_>), Error> {
        let mut lines = Lines::default();
        let mut ends = BTreeMap::new();
        for place in 0..self.found.plugins.len() {
            let first = u32::try_from(place).unwrap_or(u32::MAX) * WORKERS;
            let mut of_plugin = Vec::new();
            for worker in first..first + WORKERS {
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
