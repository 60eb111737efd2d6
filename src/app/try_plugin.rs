//! Lets one plugin look at processes, and shows all that it said: behind the same wall and through the same broker as in a
//! check.

use std::cell::RefCell;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use unstale_plugin::testing::Scene;
use unstale_plugin::{Entry, FileView, Refused, Root, Stat, base_name};

use super::crew::Crew;
use super::exit::Exit;
use super::gather::Interest;
use super::plugins::exit_of;
use super::{look, print, talk};
use crate::bundle;
use crate::cli::{Color, MappingSource, PluginsCheckFlags, SourceFlags};
use crate::config::{self, Plugins, Sources};
use crate::error::Error;
use crate::model::{Bytes, Facts, Instance, Process};
use crate::plugins::broker::{self, Limits, Line, Terms, Visit};
use crate::plugins::find::{Found, Plugin};
use crate::plugins::interest::Interests;
use crate::plugins::manifest::{Filling, Manifest};
use crate::plugins::start::{self, Order};
use crate::plugins::{said, wire};
use crate::report::plugins::{self as report, Tried};

/// What a plugin prints is shown up to here.
const TALK_CAP: usize = 64 * 1024;
const MISSING_CAP: usize = 64;
const PROBLEMS_SHOWN: usize = 8;

pub(super) fn run(plugin: Plugin, flags: &PluginsCheckFlags, euid: u32) -> Result<Exit, Error> {
    let settings = config::read(&Sources::of_machine(euid))?.plugins;
    if !settings.is_enabled(&plugin.manifest.name) {
        talk("the configuration disables it: a check does not use it");
    }
    if let Some(directory) = &flags.process {
        return recorded(&plugin, &settings, directory);
    }
    match &flags.bundle {
        Some(file) => of_bundle(&plugin, file),
        None => live(plugin, settings),
    }
}

/// The processes of this machine that interest it.
fn live(plugin: Plugin, settings: Plugins) -> Result<Exit, Error> {
    let (heard, sink) = overhear()?;
    let manifest = plugin.manifest.clone();
    let crew = Crew {
        found: Found {
            plugins: vec![plugin],
            ..Found::default()
        },
        settings: config::Settings {
            plugins: settings,
            ..config::Settings::default()
        },
        talk: Some(sink),
    };
    let source = SourceFlags {
        root: None,
        proc: None,
        bundle: None,
        plugin_dir: Vec::new(),
        mapping_source: MappingSource::Best,
    };
    let bundle = look(&source, &Interest::Everything, &crew)?;
    drop(crew);
    show_talk(heard);
    let all = tried_of(&bundle.facts, &manifest);
    show(&all, "no process here interests it")?;
    let problems = &bundle.facts.problems;
    for problem in problems.iter().take(PROBLEMS_SHOWN) {
        talk(&problem.to_string());
    }
    if problems.len() > PROBLEMS_SHOWN {
        talk(&format!(
            "and {} more like these",
            problems.len() - PROBLEMS_SHOWN
        ));
    }
    Ok(exit_of(
        !problems.is_empty() || !all.iter().all(Tried::is_whole),
    ))
}

/// What a bundle tells: no files are in it, so nothing is run.
fn of_bundle(plugin: &Plugin, file: &Path) -> Result<Exit, Error> {
    let bundle = bundle::read(file)?;
    let facts = &bundle.facts;
    let mut all = tried_of(facts, &plugin.manifest);
    let interests = Interests::new(std::slice::from_ref(plugin));
    for process in &facts.processes {
        let known = all.iter().any(|one| one.pid == process.key.pid);
        if !known && interests_in_facts(&interests, facts, process) {
            all.push(Tried {
                notes: vec!["it would be shown this process".to_owned()],
                ..tried_process(process)
            });
        }
    }
    show(&all, "no process in the bundle interests it")?;
    Ok(exit_of(!all.iter().all(Tried::is_whole)))
}

fn interests_in_facts(interests: &Interests, facts: &Facts, process: &Process) -> bool {
    let of_code = process.uses.iter().any(|one| {
        let Some(object) = facts.objects.get(one.object.0 as usize) else {
            return false;
        };
        let path = object.path.as_ref().unwrap_or(&object.name).as_slice();
        let base = base_name(path);
        let program = interests.of_exe(base) | interests.of_exe_path(path);
        !interests.of_code(base).is_empty() || (one.program && !program.is_empty())
    });
    let group = process.details.as_ref().map(|details| &details.cgroup);
    let lines = group.map_or(&b""[..], Bytes::as_slice);
    let of_group = |line| !interests.of_cgroup(line).is_empty();
    of_code || lines.split(|&byte| byte == b'\n').any(of_group)
}

/// A process that somebody has recorded, in the form of the SDK's `testing`.
fn recorded(plugin: &Plugin, settings: &Plugins, directory: &Path) -> Result<Exit, Error> {
    let scene = Scene::open(directory).map_err(|what| Error::Form {
        file: directory.to_owned(),
        what,
    })?;
    let manifest = &plugin.manifest;
    if !interests_in_scene(plugin, &scene.process) {
        talk("its manifest is for no process like this one: a check does not show it");
    }
    let mut options = settings.options_of(&manifest.name);
    options.extend(scene.process.options.iter().cloned());
    let terms = Terms {
        options,
        wants: manifest.wants.clone(),
    };
    let limits = Limits {
        process: settings.process_deadline,
        total: settings.total_deadline,
        ..Limits::default()
    };
    let process = as_shown(&scene.process, manifest);
    let missing = Arc::default();
    let files = Watched {
        scene,
        missing: Arc::clone(&missing),
    };
    let (heard, sink) = overhear()?;
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let ends = RefCell::new(Some((OwnedFd::from(theirs), sink)));
    let started = RefCell::new(None);
    let start = |_| {
        let Some((socket, sink)) = ends.borrow_mut().take() else {
            return;
        };
        *started.borrow_mut() = Some(start::start(Order {
            form: plugin.form,
            name: &manifest.name,
            file: plugin.file.as_fd(),
            socket,
            talk: Stdio::from(sink),
        }));
    };
    let visit = Visit {
        process: process.clone(),
        files: Box::new(files),
        payer: None,
    };
    let line = Line {
        socket: ours.into(),
        worker: 0,
    };
    let (visited, _) = broker::visit_all(vec![visit], vec![line], &terms, limits, start);
    let ended = match started.into_inner() {
        Some(Ok(worker)) => worker.end().to_string(),
        Some(Err(error)) => format!("cannot start a worker: {error}"),
        None => "no worker was started".to_owned(),
    };
    show_talk(heard);
    let mut one = Tried {
        pid: process.pid,
        exe: process.exe.clone(),
        refused: std::mem::take(&mut missing.lock().unwrap_or_else(PoisonError::into_inner)),
        ..Tried::default()
    };
    match visited.into_iter().next().map(|visited| visited.said) {
        Some(Ok(said)) => add_said(&mut one, said, &process, manifest),
        Some(Err(failure)) => one.failed = Some(format!("{} ({ended})", failure.why)),
        None => one.failed = Some(ended),
    }
    let trouble = !one.is_whole();
    show(&[one], "")?;
    Ok(exit_of(trouble))
}

fn interests_in_scene(plugin: &Plugin, process: &unstale_plugin::Process) -> bool {
    let all = Interests::new(std::slice::from_ref(plugin));
    let program = all.of_exe(process.exe_name()) | all.of_exe_path(&process.exe);
    let code = process.code.iter();
    let code = code.map(|mapped| all.of_code(base_name(&mapped.path)));
    let lines = process.cgroup.split(|&byte| byte == b'\n');
    let groups = lines.map(|line| all.of_cgroup(line));
    let runtime = process.container.iter();
    let runtime = runtime.map(|container| all.of_runtime(&container.runtime));
    let any: crate::plugins::interest::Mask =
        code.chain(groups).chain(runtime).chain([program]).collect();
    !any.is_empty()
}

/// As much of a recorded process as the manifest asks to see.
fn as_shown(process: &unstale_plugin::Process, manifest: &Manifest) -> wire::Process {
    let bytes = |bytes: &Vec<u8>| Bytes::from(bytes.as_slice());
    let wanted = |name: &[u8]| {
        let names = &manifest.wants.environ;
        names.iter().any(|wanted| wanted.as_bytes() == name)
    };
    let environ = process.environ.as_ref().map(|all| {
        let shown = all.iter().filter(|(name, _)| wanted(name));
        shown
            .map(|(name, value)| (bytes(name), bytes(value)))
            .collect()
    });
    let held = process.held.iter().filter(|_| manifest.wants.files);
    wire::Process {
        pid: process.pid,
        uid: process.uid,
        view: process.view,
        exe: bytes(&process.exe),
        execfn: process.execfn.as_ref().map(bytes),
        argv: process.argv.iter().map(bytes).collect(),
        environ,
        cwd: process.cwd.as_ref().map(bytes),
        cgroup: bytes(&process.cgroup),
        code: process
            .code
            .iter()
            .map(|mapped| wire::Mapped {
                path: bytes(&mapped.path),
                start: mapped.start,
            })
            .collect(),
        held: held
            .map(|held| wire::Held {
                path: bytes(&held.path),
                by: held.by.into(),
            })
            .collect(),
        container: process.container.as_ref().map(|container| wire::Container {
            runtime: container.runtime.clone(),
            id: bytes(&container.id),
            user: container.user,
        }),
    }
}

fn add_said(one: &mut Tried, said: said::Said, process: &wire::Process, manifest: &Manifest) {
    let held = |by: wire::Handle| {
        let found = process.held.iter().find(|held| held.by == by);
        found.map_or_else(
            || Bytes::from(format!("{by:?}").as_str()),
            |held| held.path.clone(),
        )
    };
    let uses = said.uses.into_iter().map(|uses| {
        let path = match uses.what {
            wire::What::File(path) => path,
            wire::What::Descriptor(number) => held(wire::Handle::Descriptor(number)),
            wire::What::Mapping(start) => held(wire::Handle::Mapping(start)),
            wire::What::Link { link, .. } => link,
        };
        (path, uses.role, uses.how)
    });
    one.uses = uses.collect();
    (one.notes, one.unknown) = (said.notes, said.unknown);
    one.refused.extend(said.refused);
    let user = process
        .container
        .as_ref()
        .and_then(|container| container.user);
    one.restart = said
        .instance
        .as_ref()
        .and_then(|instance| restart(instance, manifest, user));
    one.instance = said.instance.map(|instance| instance.name);
}

/// The command that restarts an instance, or why there is none; nothing if the plugin names no way.
fn restart(instance: &Instance, manifest: &Manifest, user: Option<u32>) -> Option<String> {
    let way = instance.restart.as_ref()?;
    let filling = Filling {
        name: instance.name.as_slice(),
        id: instance.id.as_ref().map(Bytes::as_slice),
        project: instance.project.as_ref().map(Bytes::as_slice),
        user,
    };
    Some(match manifest.restart_argv(way, &filling) {
        Ok(words) => words.join(" "),
        Err(why) => format!("no command by `{way}`: {why}"),
    })
}

/// What a plugin said in a look at a machine.
fn tried_of(facts: &Facts, manifest: &Manifest) -> Vec<Tried> {
    let runs = (0..).zip(&facts.plugins);
    let ours = runs.filter(|(_, run)| run.name == manifest.name);
    let mut all = Vec::new();
    for (place, run) in ours {
        for look in &run.looks {
            let known = facts.processes.iter().find(|one| one.key == look.process);
            let mut one = known.map(tried_process).unwrap_or_default();
            one.pid = look.process.pid;
            let sources = known.into_iter().flat_map(|process| &process.sources);
            let sources = sources.filter(|source| source.plugin == place);
            one.uses = sources
                .filter_map(|source| {
                    let object = facts.objects.get(source.object.0 as usize)?;
                    let path = object.path.as_ref().unwrap_or(&object.name);
                    Some((path.clone(), source.role, source.how))
                })
                .collect();
            (one.notes, one.unknown) = (look.notes.clone(), look.unknown.clone());
            one.refused.clone_from(&look.refused);
            one.instance = look.instance.as_ref().map(|instance| instance.name.clone());
            one.restart = match (&look.restart, &look.instance) {
                (Some(words), _) => Some(words.join(" ")),
                (None, Some(instance)) => restart(instance, manifest, None),
                (None, None) => None,
            };
            one.failed = look.failed.as_ref().map(|failed| failed.why.clone());
            all.push(one);
        }
    }
    all
}

fn tried_process(process: &Process) -> Tried {
    Tried {
        pid: process.key.pid,
        exe: process.exe.clone().unwrap_or_else(|| process.comm.clone()),
        ..Tried::default()
    }
}

fn show(all: &[Tried], nothing: &str) -> Result<(), Error> {
    print(Color::Never, false, |out| {
        if all.is_empty() {
            return writeln!(out, "{nothing}");
        }
        all.iter().try_for_each(|one| report::tried(out, one))
    })
}

/// A pipe for what a plugin prints. Nobody reads while it runs, and it does not wait: what has no room is lost.
fn overhear() -> Result<(File, OwnedFd), Error> {
    let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK;
    let (heard, sink) = pipe_with(flags).map_err(std::io::Error::from)?;
    // Without the right to a larger one, the usual size does.
    fcntl_setpipe_size(&sink, TALK_CAP).ok();
    Ok((heard.into(), sink))
}

/// Shows what it printed, each line marked as not ours.
fn show_talk(heard: File) {
    let mut bytes = Vec::new();
    // The end, or nothing left of somebody who still has it open.
    heard.take(TALK_CAP as u64).read_to_end(&mut bytes).ok();
    for line in String::from_utf8_lossy(&bytes).lines() {
        talk(&format!("it prints: {line}"));
    }
}

/// The files of a recorded process, and what was asked for and is not there: whoever records a process wants to know what
/// to record.
struct Watched {
    scene: Scene,
    missing: Arc<Mutex<Vec<(Bytes, String)>>>,
}

impl Watched {
    fn note<T>(&self, path: &[u8], result: Result<T, Refused>) -> Result<T, Refused> {
        // The broker notes all others.
        if let Err(why @ Refused::Missing) = result {
            let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
            let why = wire::Refused::from(why).in_words();
            let one = (Bytes::from(path), why.to_owned());
            if missing.len() < MISSING_CAP && !missing.contains(&one) {
                missing.push(one);
            }
        }
        result
    }
}

impl FileView for Watched {
    fn read(&self, root: Root, path: &[u8]) -> Result<Vec<u8>, Refused> {
        self.note(path, self.scene.read(root, path))
    }

    fn read_at(&self, root: Root, path: &[u8], offset: u64, size: u32) -> Result<Vec<u8>, Refused> {
        self.note(path, self.scene.read_at(root, path, offset, size))
    }

    fn stat(&self, root: Root, path: &[u8]) -> Result<Stat, Refused> {
        self.note(path, self.scene.stat(root, path))
    }

    fn list(&self, root: Root, path: &[u8]) -> Result<Vec<Entry>, Refused> {
        self.note(path, self.scene.list(root, path))
    }

    fn read_link(&self, root: Root, path: &[u8]) -> Result<Vec<u8>, Refused> {
        self.note(path, self.scene.read_link(root, path))
    }

    fn memory(&self, address: u64, size: u32) -> Result<Vec<u8>, Refused> {
        let place = format!("memory at {address:x}");
        self.note(place.as_bytes(), self.scene.memory(address, size))
    }
}
