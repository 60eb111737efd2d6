//! Process → container.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::rc::Rc;

use unstale_plugin::instance::{self, Homes};
use unstale_plugin::{Container, Detector, FileView, Instance, Process, Report, Root};

use crate::group::{Place, place};
use crate::storage::{Containers, Stored};

/// Where the system's Podman keeps its lists; the second one with `--transient-store`.
const SYSTEM: [&str; 2] = ["/var/lib/containers/storage", "/run/containers/storage"];

/// Names the containers of Podman.
#[derive(Debug, Default)]
pub struct Podman {
    homes: Homes,
    /// Of the system (`None`) and of users.
    containers: HashMap<Option<u32>, Rc<Containers>>,
    /// For each image and its name, whether that name stands for another one now.
    newer: HashMap<(Option<u32>, String, String), Option<String>>,
}

impl Detector for Podman {
    fn inspect(&mut self, process: &Process, files: &dyn FileView, report: &mut dyn Report) {
        let Some(container) = &process.container else {
            return;
        };
        if !instance::is_id(&container.id) {
            return;
        }
        let user = instance::other_user(container);
        let place = place(process, &container.id);
        let mut found = Instance {
            name: instance::short(&container.id).to_vec(),
            id: Some(container.id.clone()),
            pod: place.pod.map(|pod| instance::short(pod).to_vec()),
            part: place.part,
            ..Instance::default()
        };
        let containers = self.containers(user, files);
        let Some(stored) = containers.get(&container.id) else {
            for (path, refused) in &containers.refused {
                instance::tell_refused(report, path, *refused);
            }
            report.note(
                "no storage of Podman that we know has this container: its name is not known",
            );
            report.instance(found);
            return;
        };
        if let Some(name) = instance::text(&stored.name) {
            found.name = name;
        }
        found.image = instance::text(&image_shown(stored));
        found.restart = restart(&found, &place, container, files, report);
        if let Some(id) = self.newer(user, stored, files) {
            let image = instance::shown(stored.image_name.as_bytes());
            let id = instance::shown(instance::short(id.as_bytes()));
            report.note(&format!(
                "image {image} is {id} by now: a container made anew would use it"
            ));
        }
        report.instance(found);
    }
}

impl Podman {
    fn containers(&mut self, user: Option<u32>, files: &dyn FileView) -> Rc<Containers> {
        if let Some(containers) = self.containers.get(&user) {
            return Rc::clone(containers);
        }
        let storages: Vec<Vec<u8>> = match user {
            None => SYSTEM.iter().map(|path| path.as_bytes().to_vec()).collect(),
            // A user's groups may be called after anybody's containers: only the user's own are looked for.
            Some(uid) => self
                .homes
                .of(uid, files)
                .map(|home| [home.as_slice(), b"/.local/share/containers/storage"].concat())
                .into_iter()
                .collect(),
        };
        let containers = Rc::new(Containers::read(&storages, files));
        if containers.settled() {
            self.containers.insert(user, Rc::clone(&containers));
        }
        containers
    }

    fn newer(
        &mut self,
        user: Option<u32>,
        stored: &Stored,
        files: &dyn FileView,
    ) -> Option<String> {
        let key = (user, stored.image_id.clone(), stored.image_name.clone());
        let newer = self.newer.entry(key);
        newer.or_insert_with(|| stored.newer_image(files)).clone()
    }
}

/// `localhost/web:1 (1fc0e7c4defa)`, as Podman prints both.
fn image_shown(stored: &Stored) -> String {
    let id = stored.image_id.get(..12).unwrap_or(&stored.image_id);
    match (stored.image_name.as_str(), id) {
        ("", id) => id.to_owned(),
        (name, "") => name.to_owned(),
        (name, id) => format!("{name} ({id})"),
    }
}

/// Which command restarts it, or why there is none.
fn restart(
    found: &Instance,
    place: &Place<'_>,
    container: &Container,
    files: &dyn FileView,
    report: &mut dyn Report,
) -> Option<String> {
    if place.in_service {
        report.note("a service keeps this container: restarting the service makes it anew");
        return None;
    }
    let name = instance::shown(&found.name);
    if let Some(uid) = instance::other_user(container) {
        report.note(&format!(
            "rootless: uid {uid} restarts it with podman restart"
        ));
        return None;
    }
    if !instance::is_plain(&found.name) {
        report.note("its name is not one to hand to a command");
        return None;
    }
    if is_infra(found) {
        // The others of the pod would stay in the namespaces of the one that is gone.
        report.note("keeps the namespaces of its pod: podman pod restart");
        return None;
    }
    // What `podman generate systemd --new --files --name` wrote: stopped behind its back, the service counts as failed.
    let unit = format!("container-{name}.service");
    let path = format!("/etc/systemd/system/{unit}");
    if files.stat(Root::Host, path.as_bytes()).is_ok() {
        report.note(&format!("{unit} keeps this container: restart that"));
        return None;
    }
    Some("system".to_owned())
}

/// `ID-infra`, the first container of a pod.
fn is_infra(found: &Instance) -> bool {
    let pod = found.name.strip_suffix(b"-infra");
    pod.is_some() && pod == found.pod.as_deref()
}
