//! Detector plugins in the way of the data: which are needed, what they look at, and what becomes of what they say.
//!
//! This is the child's side: it talks to workers, for it can see the files of processes, and harm nothing. The parent finds
//! plugins and starts their workers ([`crew`](super::crew)), for the child may start nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use super::assess::owner_of;
use super::crew::Lines;
use crate::config::Plugins;
use crate::confine::Asker;
use crate::model::{
    Bytes, Facts, Instance, Owner, OwnerKind, Pid, PluginFailure, PluginLook, PluginRun, Process,
    ProcessKey, Runtime, Scope,
};
use crate::plugins::broker::{self, Failure, Limits, Terms, Visited};
use crate::plugins::find::Plugin;
use crate::plugins::interest::{Interests, Mask};
use crate::plugins::manifest::{Filling, Manifest};
use crate::plugins::wire;
use crate::snapshot::{NewSource, Scanner, SourceAt, Visit, Wants};

/// What is kept of what all plugins say of processes of others than the host's root: so much that hundreds of processes
/// of a large application can be told of, and the memory of the child holds it, and once more as the answer.
const KEPT_CAP: usize = 256 * 1024 * 1024;

/// The plugins, as the child has them.
pub(super) struct Detectors<'a> {
    plugins: &'a [Plugin],
    settings: &'a Plugins,
    interests: Interests,
    lines: Lines,
    asker: &'a Asker,
    runs: BTreeMap<usize, PluginRun>,
    visited: HashSet<(usize, ProcessKey)>,
}

impl<'a> Detectors<'a> {
    pub(super) fn new(
        plugins: &'a [Plugin],
        settings: &'a Plugins,
        lines: Lines,
        asker: &'a Asker,
    ) -> Self {
        Self {
            plugins,
            settings,
            interests: Interests::new(plugins),
            lines,
            asker,
            runs: BTreeMap::new(),
            visited: HashSet::new(),
        }
    }

    /// Has workers started for the plugins that will have something to look at, so that they load while others judge.
    pub(super) fn prepare(&self, scanner: &mut Scanner) {
        let wanted = scanner.with_facts(|facts| self.interested_in_code(facts));
        let places: BTreeSet<usize> = wanted.into_iter().map(|(place, _)| place).collect();
        for place in places {
            if let Some(line) = self.lines.0[place].first() {
                self.asker.ask(line.worker);
            }
        }
    }

    /// Lets plugins look at all processes that interest them by their program or code.
    pub(super) fn look_at_all(&mut self, scanner: &mut Scanner) {
        let wanted = scanner.with_facts(|facts| self.interested_in_code(facts));
        self.visit(scanner, wanted);
    }

    /// Lets plugins look at those of these processes that interest them by their control group, or the runtime that it
    /// tells of.
    pub(super) fn look_at_owned(&mut self, scanner: &mut Scanner) {
        if !self.interests.asks_for_cgroups() {
            return;
        }
        let wanted = scanner.with_facts(|facts| self.interested_in_owner(facts));
        self.visit(scanner, wanted);
    }

    /// What came of it, and which plugin each [`Source`](crate::model::Source) is of.
    pub(super) fn into_runs(self, facts: &mut Facts) {
        let places: HashMap<u32, u32> = self
            .runs
            .keys()
            .zip(0..)
            .map(|(&place, at)| (u32::try_from(place).unwrap_or(u32::MAX), at))
            .collect();
        for source in facts
            .processes
            .iter_mut()
            .flat_map(|process| &mut process.sources)
        {
            if let Some(&at) = places.get(&source.plugin) {
                source.plugin = at;
            }
        }
        facts.plugins = self.runs.into_values().collect();
    }

    fn interested_in_code(&self, facts: &Facts) -> Vec<(usize, ProcessKey)> {
        if self.plugins.is_empty() {
            return Vec::new();
        }
        // Each distinct object is asked about once, however many processes have it mapped.
        let of_object = |object: &crate::model::Object| {
            let path = object.path.as_ref().unwrap_or(&object.name).as_slice();
            let base = unstale_plugin::base_name(path);
            let as_program = self.interests.of_exe(base) | self.interests.of_exe_path(path);
            (as_program, self.interests.of_code(base))
        };
        let masks: Vec<(Mask, Mask)> = facts.objects.iter().map(of_object).collect();
        let mut wanted = Vec::new();
        for process in &facts.processes {
            let mut mask = Mask::NONE;
            for one in &process.uses {
                let (program, code) = masks[one.object.0 as usize];
                mask |= if one.program { program | code } else { code };
            }
            wanted.extend(mask.places().map(|place| (place, process.key)));
        }
        wanted
    }

    fn interested_in_owner(&self, facts: &Facts) -> Vec<(usize, ProcessKey)> {
        let by_pid: HashMap<Pid, &Process> = by_pid(facts);
        let mut wanted = Vec::new();
        for process in &facts.processes {
            let Some(details) = &process.details else {
                continue;
            };
            let lines = details.cgroup.as_slice().split(|&byte| byte == b'\n');
            let mut mask: Mask = lines.map(|line| self.interests.of_cgroup(line)).collect();
            if let Some(container) = container_of(&owner_of(facts, process, &by_pid)) {
                mask |= self.interests.of_runtime(&container.runtime);
            }
            wanted.extend(mask.places().map(|place| (place, process.key)));
        }
        wanted
    }

    fn visit(&mut self, scanner: &mut Scanner, mut wanted: Vec<(usize, ProcessKey)>) {
        wanted.retain(|one| self.visited.insert(*one));
        if wanted.is_empty() {
            return;
        }
        // Root's first: should time run out, it runs out for processes of users.
        let users = scanner.users();
        let user = |key: &ProcessKey| users.get(key).copied().unwrap_or(u32::MAX);
        wanted.sort_by_key(|(place, key)| (user(key), *place, *key));
        let wants: Vec<Arc<Wants>> = self
            .plugins
            .iter()
            .map(|plugin| {
                let wants = &plugin.manifest.wants;
                Arc::new(Wants {
                    environ: wants.environ.clone(),
                    files: wants.files,
                })
            })
            .collect();
        let jobs: Vec<_> = wanted
            .iter()
            .map(|&(place, key)| (key, Arc::clone(&wants[place])))
            .collect();
        let visits = scanner.visits(&jobs);
        let (owners, own_pids) =
            scanner.with_facts(|facts| (containers(facts, &visits), facts.host.reader_pid_ns));
        let mut by_plugin: BTreeMap<usize, Vec<Visit>> = BTreeMap::new();
        let mut hold_more = HashSet::new();
        for (&(place, key), visit) in wanted.iter().zip(visits) {
            if matches!(&visit, Some(Ok(visit)) if visit.holds_more) {
                hold_more.insert(key);
            }
            match visit {
                Some(Ok(visit)) => by_plugin.entry(place).or_default().push(visit),
                Some(Err(why)) => self.note_failure(place, key, why.to_string()),
                None => {}
            }
        }
        let mut named: Vec<(ProcessKey, Vec<NewSource>)> = Vec::new();
        let begun = Instant::now();
        let talked = self.talk(by_plugin, &owners, own_pids);
        scanner.excuse(begun.elapsed());
        for (place, keys, visited) in talked {
            for one in visited {
                let Some(&key) = keys.get(&one.pid) else {
                    continue;
                };
                named.extend(self.take(place, key, one, &owners));
                if hold_more.contains(&key) && self.plugins[place].manifest.wants.files {
                    let what = "it holds more files than are shown";
                    self.note_unknown(place, key, what);
                }
            }
        }
        scanner.add_sources(named);
    }

    /// All plugins at once, each with its own worker.
    fn talk(
        &mut self,
        by_plugin: BTreeMap<usize, Vec<Visit>>,
        owners: &HashMap<ProcessKey, wire::Container>,
        own_pids: Option<u64>,
    ) -> Vec<(usize, HashMap<Pid, ProcessKey>, Vec<Visited>)> {
        let mut talks = Vec::new();
        for (place, mut visits) in by_plugin {
            // The host's root first: should a worker or the time be used up, they are for files that others made.
            visits.sort_by_key(|visit| (payer(visit, own_pids), visit.key));
            let keys = visits.iter().map(|visit| (visit.key.pid, visit.key));
            let keys: HashMap<Pid, ProcessKey> = keys.collect();
            let visits = visits
                .into_iter()
                .map(|visit| (payer(&visit, own_pids), visit))
                .map(|(payer, visit)| handed_over(visit, payer, owners));
            let visits: Vec<broker::Visit> = visits.collect();
            let lines = std::mem::take(&mut self.lines.0[place]);
            talks.push((place, keys, visits, lines));
        }
        let asker = self.asker;
        let limits = Limits {
            process: self.settings.process_deadline,
            total: self.settings.total_deadline,
            kept: KEPT_CAP / talks.len().max(1),
            ..Limits::default()
        };
        std::thread::scope(|scope| {
            let mut running = Vec::new();
            for (place, keys, visits, lines) in talks {
                let terms = self.terms_of(place);
                let talk = move || {
                    let start = |worker| asker.ask(worker);
                    broker::visit_all(visits, lines, &terms, limits, start)
                };
                running.push((place, keys, scope.spawn(talk)));
            }
            let mut done = Vec::new();
            for (place, keys, thread) in running {
                let (visited, lines) = thread.join().unwrap_or_else(|_| {
                    let failed = |&pid: &Pid| Visited {
                        pid,
                        said: Err(Failure {
                            why: "the conversation with it broke off".to_owned(),
                            worker: None,
                        }),
                    };
                    (keys.keys().map(failed).collect(), Vec::new())
                });
                self.lines.0[place] = lines;
                done.push((place, keys, visited));
            }
            done
        })
    }

    fn terms_of(&self, place: usize) -> Terms {
        let manifest = &self.plugins[place].manifest;
        Terms {
            options: self.settings.options_of(&manifest.name),
            wants: manifest.wants.clone(),
        }
    }

    /// Notes what one plugin said of one process; the files it named are still to be looked at.
    fn take(
        &mut self,
        place: usize,
        key: ProcessKey,
        visited: Visited,
        owners: &HashMap<ProcessKey, wire::Container>,
    ) -> Option<(ProcessKey, Vec<NewSource>)> {
        let manifest = &self.plugins[place].manifest;
        let mut look = empty_look(key);
        let mut sources = Vec::new();
        match visited.said {
            Ok(said) => {
                let plugin = u32::try_from(place).unwrap_or(u32::MAX);
                let uses = said.uses.into_iter().filter(|uses| !is_of_the_moment(uses));
                sources = uses.map(|uses| new_source(uses, plugin)).collect();
                look.restart = said
                    .instance
                    .as_ref()
                    .and_then(|instance| restart(manifest, instance, owners.get(&key)));
                (look.notes, look.unknown) = (said.notes, said.unknown);
                look.refused = said.refused;
                look.instance = said.instance;
            }
            Err(failure) => {
                look.failed = Some(PluginFailure {
                    why: failure.why,
                    worker: failure.worker,
                });
            }
        }
        self.run_of(place).looks.push(look);
        (!sources.is_empty()).then_some((key, sources))
    }

    fn note_unknown(&mut self, place: usize, key: ProcessKey, what: &str) {
        let mut looks = self.run_of(place).looks.iter_mut();
        if let Some(look) = looks.rfind(|look| look.process == key) {
            look.unknown.push(what.to_owned());
        }
    }

    fn note_failure(&mut self, place: usize, key: ProcessKey, why: String) {
        let mut look = empty_look(key);
        look.failed = Some(PluginFailure { why, worker: None });
        self.run_of(place).looks.push(look);
    }

    fn run_of(&mut self, place: usize) -> &mut PluginRun {
        let plugin = &self.plugins[place];
        self.runs.entry(place).or_insert_with(|| PluginRun {
            name: plugin.manifest.name.clone(),
            version: plugin.manifest.version.clone(),
            path: Bytes::from(plugin.path.as_path()),
            looks: Vec::new(),
        })
    }
}

fn empty_look(process: ProcessKey) -> PluginLook {
    PluginLook {
        process,
        notes: Vec::new(),
        unknown: Vec::new(),
        refused: Vec::new(),
        instance: None,
        restart: None,
        failed: None,
    }
}

fn by_pid(facts: &Facts) -> HashMap<Pid, &Process> {
    let processes = facts.processes.iter();
    processes
        .map(|process| (process.key.pid, process))
        .collect()
}

/// The containers that these processes are in, by their control groups.
fn containers(
    facts: &Facts,
    visits: &[Option<Result<Visit, crate::model::WhyNot>>],
) -> HashMap<ProcessKey, wire::Container> {
    let by_pid = by_pid(facts);
    let mut containers = HashMap::new();
    for visit in visits.iter().flatten().flatten() {
        let Some(process) = by_pid
            .get(&visit.key.pid)
            .filter(|one| one.key == visit.key)
        else {
            continue;
        };
        let mut process = (*process).clone();
        process.details = Some(visit.details.clone());
        if let Some(container) = container_of(&owner_of(facts, &process, &by_pid)) {
            containers.insert(visit.key, container);
        }
    }
    containers
}

/// An owner as plugins are told of it.
fn container_of(owner: &Owner) -> Option<wire::Container> {
    let runtime = match owner.kind {
        OwnerKind::Container(runtime) | OwnerKind::VirtualMachine(runtime) => match runtime {
            Runtime::Docker => "docker",
            Runtime::Podman => "podman",
            Runtime::Containerd | Runtime::BuildKit | Runtime::Ecs => "containerd",
            Runtime::CriO => "cri-o",
            Runtime::Kubernetes => "kubernetes",
            Runtime::Lxc => "lxc",
            Runtime::Machine => "nspawn",
            Runtime::Libvirt => "libvirt",
            Runtime::Qemu => "qemu",
            Runtime::Unknown => "unknown",
        },
        OwnerKind::App if owner.name.as_slice().starts_with(b"snap.") => "snap",
        OwnerKind::App if owner.name.as_slice().starts_with(b"app-flatpak-") => "flatpak",
        _ => return None,
    };
    Some(wire::Container {
        runtime: runtime.to_owned(),
        id: owner.name.clone(),
        user: match owner.scope {
            Scope::System => None,
            Scope::User(uid) => Some(uid),
        },
    })
}

/// Who pays for a visit; nobody for one to a process of the host's root. Root of a container is as little trusted as any
/// user: it is told by its pid namespace, for services have mount namespaces of their own.
fn payer(visit: &Visit, own_pids: Option<u64>) -> Option<broker::Payer> {
    let (uid, pids) = (visit.details.uid, visit.details.namespaces.pid);
    match (uid, pids) {
        (0, pids) if pids == own_pids => None,
        (0, pids) => Some((0, pids.unwrap_or_default())),
        (uid, _) => Some((uid, 0)),
    }
}

fn handed_over(
    visit: Visit,
    payer: Option<broker::Payer>,
    owners: &HashMap<ProcessKey, wire::Container>,
) -> broker::Visit {
    let mapped = |(path, start)| wire::Mapped { path, start };
    let held = |(path, by): (Bytes, unstale_plugin::Handle)| wire::Held {
        path,
        by: by.into(),
    };
    broker::Visit {
        process: wire::Process {
            pid: visit.key.pid,
            uid: visit.details.uid,
            view: visit.view,
            exe: visit.exe,
            execfn: visit.execfn,
            argv: visit.details.argv,
            environ: visit.environ,
            cwd: visit.cwd,
            cgroup: visit.details.cgroup,
            code: visit.code.into_iter().map(mapped).collect(),
            held: visit.held.into_iter().map(held).collect(),
            container: owners.get(&visit.key).cloned(),
        },
        files: Box::new(visit.files),
        payer,
    }
}

/// A name that means something else at every look: a script that was handed over by a descriptor.
fn is_of_the_moment(uses: &wire::Uses) -> bool {
    let moment: [&[u8]; 2] = [b"/dev/", b"/proc/"];
    match &uses.what {
        wire::What::File(path) => moment
            .iter()
            .any(|start| path.as_slice().starts_with(start)),
        _ => false,
    }
}

fn new_source(uses: wire::Uses, plugin: u32) -> NewSource {
    let at = match uses.what {
        wire::What::File(path) => SourceAt::Path(path),
        wire::What::Descriptor(number) => {
            SourceAt::Held(unstale_plugin::Handle::Descriptor(number))
        }
        wire::What::Mapping(start) => SourceAt::Held(unstale_plugin::Handle::Mapping(start)),
        wire::What::Link { root, link, was } => SourceAt::Link {
            on_host: root == wire::Root::Host,
            link,
            was,
        },
    };
    NewSource {
        at,
        role: uses.role,
        how: uses.how,
        plugin,
        via: uses.via,
    }
}

/// The command that restarts an instance, if its plugin has one for it and its names are tame.
fn restart(
    manifest: &Manifest,
    instance: &Instance,
    container: Option<&wire::Container>,
) -> Option<Vec<String>> {
    let user = container.and_then(|container| container.user);
    let filling = Filling {
        name: instance.name.as_slice(),
        id: instance.id.as_ref().map(Bytes::as_slice),
        project: instance.project.as_ref().map(Bytes::as_slice),
        user,
    };
    manifest
        .restart_argv(instance.restart.as_ref()?, &filling)
        .ok()
}
