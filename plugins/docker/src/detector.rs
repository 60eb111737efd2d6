//! Process → container.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::rc::Rc;

use unstale_plugin::instance::{self, Homes};
use unstale_plugin::{
    Container, Detector, FileView, Instance, Part, Process, Refused, Report, Root,
};

use crate::metadata::{Metadata, parse_image_id, parse_metadata};

/// Where the system's daemons keep their data, and the command that goes with each. Another `data-root` is not followed.
const SYSTEM: [(&str, &str); 2] = [
    ("/var/lib/docker", "system"),
    ("/var/snap/docker/common/var-lib-docker", "snap"),
];

/// Names the containers of Docker.
#[derive(Debug, Default)]
pub struct Docker {
    homes: Homes,
    known: HashMap<(Option<u32>, Vec<u8>), Rc<Known>>,
}

/// What is known of one container.
#[derive(Debug)]
enum Known {
    Found {
        metadata: Metadata,
        /// The command of the daemon that has it; none for users' daemons.
        template: Option<&'static str>,
        /// What its image's name stands for now, if not for its image.
        newer: Option<String>,
    },
    /// No daemon that we know has it, or its file could not be used.
    Not(Vec<(Vec<u8>, Refused)>),
}

impl Detector for Docker {
    fn inspect(&mut self, process: &Process, files: &dyn FileView, report: &mut dyn Report) {
        let Some(container) = &process.container else {
            return;
        };
        if !instance::is_id(&container.id) {
            return;
        }
        let docker = container.runtime == "docker";
        match &*self.known(container, files) {
            Known::Found {
                metadata,
                template,
                newer,
            } => {
                let mut found = named(metadata, container, report);
                found.part = part(process, &container.id);
                found.restart = restart(metadata, &found, *template, container, report);
                if let Some(id) = newer {
                    let image = instance::shown(metadata.image_name().as_bytes());
                    let id = instance::shown(id.get(..19).unwrap_or(id).as_bytes());
                    report.note(&format!(
                        "image {image} is {id} by now: a container made anew would use it"
                    ));
                }
                report.instance(found);
            }
            Known::Not(refusals) if docker => {
                for (path, refused) in refusals {
                    instance::tell_refused(report, path, *refused);
                }
                report
                    .note("no known data root of Docker has this container: its name is not known");
                report.instance(Instance {
                    name: instance::short(&container.id).to_vec(),
                    id: Some(container.id.clone()),
                    part: part(process, &container.id),
                    ..Instance::default()
                });
            }
            Known::Not(_) => {}
        }
    }
}

impl Docker {
    fn known(&mut self, container: &Container, files: &dyn FileView) -> Rc<Known> {
        let user = instance::other_user(container);
        let key = (user, container.id.clone());
        if let Some(known) = self.known.get(&key) {
            return Rc::clone(known);
        }
        let roots: Vec<(Vec<u8>, Option<&'static str>)> = match user {
            None => SYSTEM
                .iter()
                .map(|(root, template)| (root.as_bytes().to_vec(), Some(*template)))
                .collect(),
            // A user's groups may be called after anybody's containers: only the user's own are looked for.
            Some(uid) => self
                .homes
                .of(uid, files)
                .map(|home| ([home.as_slice(), b"/.local/share/docker"].concat(), None))
                .into_iter()
                .collect(),
        };
        let known = Rc::new(look_up(&roots, &container.id, files));
        // What was not answered because of this process may be answered for the next one.
        let settled = match &*known {
            Known::Found { .. } => true,
            Known::Not(refusals) => refusals
                .iter()
                .all(|(_, refused)| !matches!(refused, Refused::Budget | Refused::NoAnswer)),
        };
        if settled {
            self.known.insert(key, Rc::clone(&known));
        }
        known
    }
}

fn look_up(roots: &[(Vec<u8>, Option<&'static str>)], id: &[u8], files: &dyn FileView) -> Known {
    let mut refusals = Vec::new();
    for (root, template) in roots {
        let path = [root.as_slice(), b"/containers/", id, b"/config.v2.json"].concat();
        match files.read(Root::Host, &path) {
            Ok(json) => match parse_metadata(&json) {
                Some(metadata) => {
                    let newer = newer_image(root, &metadata, files);
                    return Known::Found {
                        metadata,
                        template: *template,
                        newer,
                    };
                }
                None => refusals.push((path, Refused::WrongKind)),
            },
            Err(refused) => refusals.push((path, refused)),
        }
    }
    Known::Not(refusals)
}

/// The image that the container's image name stands for now, if that is another one. Not with containerd's image store,
/// which keeps names in a database.
fn newer_image(root: &[u8], metadata: &Metadata, files: &dyn FileView) -> Option<String> {
    let driver = metadata.driver.as_bytes();
    if !instance::is_plain(driver) || metadata.image.is_empty() {
        return None;
    }
    let path = [root, b"/image/", driver, b"/repositories.json"].concat();
    let stored = files.read(Root::Host, &path).ok()?;
    parse_image_id(&stored, metadata.image_name()).filter(|id| *id != metadata.image)
}

/// The part that metadata tell.
fn named(metadata: &Metadata, container: &Container, report: &mut dyn Report) -> Instance {
    let name = instance::text(metadata.name());
    let mut found = Instance {
        name: name.unwrap_or_else(|| instance::short(&container.id).to_vec()),
        id: Some(container.id.clone()),
        image: instance::text(&metadata.image_shown()),
        ..Instance::default()
    };
    if let Some(project) = metadata.label("com.docker.compose.project") {
        found.project = instance::text(project);
        if let Some(service) = metadata.label("com.docker.compose.service") {
            let (project, service) = (shown(project), shown(service));
            report.note(&format!(
                "service {service} of the compose project {project}"
            ));
        }
    }
    let pod = metadata.label("io.kubernetes.pod.name");
    if let (Some(pod), Some(namespace)) = (pod, metadata.label("io.kubernetes.pod.namespace")) {
        found.pod = instance::text(&format!("{namespace}/{pod}"));
    }
    found
}

/// Which command restarts it, or why there is none.
fn restart(
    metadata: &Metadata,
    found: &Instance,
    template: Option<&str>,
    container: &Container,
    report: &mut dyn Report,
) -> Option<String> {
    if let Some(pod) = &found.pod {
        let pod = instance::shown(pod);
        report.note(&format!(
            "Kubernetes keeps pod {pod}: kubectl rollout restart of what owns it"
        ));
        return None;
    }
    if let Some(service) = metadata.label("com.docker.swarm.service.name") {
        let service = shown(service);
        report.note(&format!(
            "a task of a swarm: docker service update --force {service} makes it anew"
        ));
        return None;
    }
    if let Some(uid) = instance::other_user(container) {
        report.note(&format!(
            "rootless: uid {uid} restarts it with docker restart"
        ));
        return None;
    }
    let offered = instance::offered(&found.name, template?);
    if offered.is_none() {
        report.note("its name is not one to hand to a command");
    }
    offered
}

/// Shims live in their daemon's group, what runs inside in the container's own.
fn part(process: &Process, id: &[u8]) -> Part {
    match instance::group_naming(process, id) {
        Some(_) => Part::Payload,
        None => Part::Helper,
    }
}

fn shown(text: &str) -> String {
    instance::shown(text.as_bytes())
}
