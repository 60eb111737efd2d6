//! Process → container.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::rc::Rc;

use unstale_plugin::instance;
use unstale_plugin::{
    Container, Detector, FileView, Instance, Part, Process, Refused, Report, Root,
};

use crate::bundle::{Bundle, parse_bundle};

/// Where containerds keep the bundles of what runs, each below the name of its namespace.
const TASKS: [&str; 4] = [
    "/run/containerd/io.containerd.runtime.v2.task",
    "/run/k3s/containerd/io.containerd.runtime.v2.task",
    "/run/k0s/containerd/io.containerd.runtime.v2.task",
    "/var/snap/microk8s/common/run/containerd/io.containerd.runtime.v2.task",
];

/// Where CRI-O keeps them.
const STORAGES: [&str; 2] = [
    "/run/containers/storage/overlay-containers",
    "/var/lib/containers/storage/overlay-containers",
];

/// The namespace of Kubernetes' containers.
const KUBERNETES: &[u8] = b"k8s.io";
/// The namespace of Docker's, which Docker knows by names.
const DOCKER: &[u8] = b"moby";
/// As many namespaces are looked into.
const NAMESPACES: usize = 64;

/// Names the containers of containerd and CRI-O.
#[derive(Debug, Default)]
pub struct Containerd {
    known: HashMap<(String, Vec<u8>), Rc<Known>>,
    namespaces: HashMap<&'static str, Rc<Vec<Vec<u8>>>>,
}

/// What is known of one container.
#[derive(Debug, Default)]
struct Known {
    bundle: Option<Bundle>,
    /// The namespace in containerd.
    namespace: Option<Vec<u8>>,
    /// Files that are there and could not be used.
    refused: Vec<(Vec<u8>, Refused)>,
    /// Whether Docker has it.
    docker: bool,
}

impl Detector for Containerd {
    fn inspect(&mut self, process: &Process, files: &dyn FileView, report: &mut dyn Report) {
        let Some(container) = &process.container else {
            return;
        };
        // What is kept below a user's manager has its bundle where only that user's tools look.
        if instance::other_user(container).is_some() || !instance::is_plain(&container.id) {
            return;
        }
        let known = self.known(container, files);
        if known.docker || known.bundle.as_ref().is_some_and(|bundle| bundle.of_podman) {
            return;
        }
        match &known.bundle {
            Some(bundle) => {
                let found = named(bundle, &known, container, part(process, container));
                advise(bundle, &found, report);
                report.instance(found);
            }
            // A pod's own group: its uid is no container's id.
            None if container.runtime == "kubernetes" && !instance::is_id(&container.id) => {}
            None if container.runtime == "unknown" => {}
            None => {
                for (path, refused) in &known.refused {
                    instance::tell_refused(report, path, *refused);
                }
                report.note("no bundle that we know of has this container: its name is not known");
                report.instance(named(
                    &Bundle::default(),
                    &known,
                    container,
                    part(process, container),
                ));
            }
        }
    }
}

impl Containerd {
    fn known(&mut self, container: &Container, files: &dyn FileView) -> Rc<Known> {
        let key = (container.runtime.clone(), container.id.clone());
        if let Some(known) = self.known.get(&key) {
            return Rc::clone(known);
        }
        let known = Rc::new(self.look_up(container, files));
        let passing = |refused: &Refused| matches!(refused, Refused::Budget | Refused::NoAnswer);
        if !known.refused.iter().any(|(_, refused)| passing(refused)) {
            self.known.insert(key, Rc::clone(&known));
        }
        known
    }

    fn look_up(&mut self, container: &Container, files: &dyn FileView) -> Known {
        let id = container.id.as_slice();
        let mut known = Known::default();
        let kubernetes = container.runtime == "kubernetes";
        if container.runtime != "cri-o" {
            for tasks in TASKS {
                let namespaces = if kubernetes {
                    Rc::new(vec![KUBERNETES.to_vec()])
                } else {
                    self.namespaces(tasks, files)
                };
                for namespace in namespaces.iter() {
                    let tasks = tasks.as_bytes();
                    let path = [tasks, b"/", namespace, b"/", id, b"/config.json"].concat();
                    if known.read(path, files) {
                        known.docker = namespace == DOCKER;
                        known.namespace = Some(namespace.clone());
                        return known;
                    }
                }
            }
        }
        if instance::is_id(id) {
            for storage in STORAGES {
                let path = [storage.as_bytes(), b"/", id, b"/userdata/config.json"].concat();
                if known.read(path, files) {
                    return known;
                }
            }
        }
        // Kubernetes with Docker behind it.
        let path = [&b"/var/lib/docker/containers/"[..], id, b"/config.v2.json"].concat();
        known.docker = kubernetes && files.stat(Root::Host, &path).is_ok();
        known
    }

    /// The namespaces below a directory of tasks.
    fn namespaces(&mut self, tasks: &'static str, files: &dyn FileView) -> Rc<Vec<Vec<u8>>> {
        let names = self.namespaces.entry(tasks).or_insert_with(|| {
            let entries = files.list(Root::Host, tasks.as_bytes()).unwrap_or_default();
            let mut names: Vec<Vec<u8>> = entries
                .into_iter()
                .map(|entry| entry.name)
                .filter(|name| instance::is_plain(name))
                .collect();
            names.sort_unstable();
            names.truncate(NAMESPACES);
            Rc::new(names)
        });
        Rc::clone(names)
    }
}

impl Known {
    /// Whether a bundle is at this path.
    fn read(&mut self, path: Vec<u8>, files: &dyn FileView) -> bool {
        let refused = match files.read(Root::Host, &path) {
            Ok(json) => match parse_bundle(&json) {
                Some(bundle) => {
                    self.bundle = Some(bundle);
                    return true;
                }
                None => Refused::WrongKind,
            },
            Err(Refused::Missing) => return false,
            Err(refused) => refused,
        };
        self.refused.push((path, refused));
        false
    }
}

fn named(bundle: &Bundle, known: &Known, container: &Container, part: Part) -> Instance {
    let pod = bundle.pod.as_ref();
    Instance {
        name: bundle
            .name
            .clone()
            .unwrap_or_else(|| readable(&container.id)),
        id: Some(container.id.clone()),
        image: bundle.image.clone(),
        pod: pod.and_then(|(namespace, pod)| instance::text(&format!("{namespace}/{pod}"))),
        project: known.namespace.clone(),
        part,
        restart: None,
    }
}

/// Long ids as the tools print them; `ctr` takes names of any kind for ids.
fn readable(id: &[u8]) -> Vec<u8> {
    if instance::is_id(id) {
        instance::short(id).to_vec()
    } else {
        id.to_vec()
    }
}

/// What a person does about it: nothing here is restarted by a command of ours, since Kubernetes would see a failure, and
/// containerd has no command for it.
fn advise(bundle: &Bundle, found: &Instance, report: &mut dyn Report) {
    if let Some((namespace, pod)) = &bundle.pod {
        let (namespace, pod) = (shown(namespace), shown(pod));
        report.note(&format!(
            "Kubernetes keeps pod {pod}: kubectl -n {namespace} rollout restart of what owns it"
        ));
    } else if bundle.of_nerdctl
        && let Some(namespace) = &found.project
    {
        let (namespace, name) = (instance::shown(namespace), instance::shown(&found.name));
        report.note(&format!(
            "made by nerdctl: nerdctl --namespace {namespace} restart {name}"
        ));
    }
}

fn shown(text: &str) -> String {
    instance::shown(text.as_bytes())
}

/// Shims live in the group of containerd or in one of their own, conmon in `crio-conmon-ID.scope`.
fn part(process: &Process, container: &Container) -> Part {
    match instance::group_naming(process, &container.id) {
        Some(group) if !group.starts_with(b"crio-conmon-") => Part::Payload,
        _ => Part::Helper,
    }
}
