//! Process → container.

#![forbid(unsafe_code)]

use unstale_plugin::instance::{self, lxc};
use unstale_plugin::{Detector, FileView, Instance, Part, Process, Refused, Report, Root};

use crate::config::{Config, parse_config};

/// Where LXC keeps the system's containers.
const CONTAINERS: &[u8] = b"/var/lib/lxc";

/// Where LXD and Incus keep theirs.
const OTHERS: [&str; 3] = [
    "/var/lib/incus/containers",
    "/var/lib/lxd/containers",
    "/var/snap/lxd/common/lxd/containers",
];

/// Names the containers of LXC.
#[derive(Debug, Default)]
pub struct Lxc;

impl Detector for Lxc {
    fn inspect(&mut self, process: &Process, files: &dyn FileView, report: &mut dyn Report) {
        let Some(container) = &process.container else {
            return;
        };
        // Virtual machines of LXD and Incus are of this runtime, too, in the group of their daemon.
        if lxc::group(process).is_none() || container.id.contains(&b'/') {
            return;
        }
        let part = lxc::part(process);
        let mut found = Instance {
            name: container.id.clone(),
            part,
            ..Instance::default()
        };
        if let Some(uid) = instance::other_user(container) {
            report.note(&format!(
                "unprivileged: uid {uid} restarts it with lxc-stop and lxc-start"
            ));
            report.instance(found);
            return;
        }
        let title = (part == Part::Helper)
            .then(|| lxc::monitored(process))
            .flatten();
        let config = match title {
            Some((CONTAINERS, name)) => {
                found.name = name.to_vec();
                read_config(name, files, report)
            }
            Some((path, _)) if OTHERS.iter().any(|other| other.as_bytes() == path) => return,
            Some((path, name)) => {
                found.name = name.to_vec();
                let path = instance::shown(path);
                report.note(&format!("kept in {path}: lxc-stop -P {path}"));
                report.instance(found);
                return;
            }
            None => match by_directory(&container.id, files, report) {
                Whose::Lxc(name, config) => {
                    found.name = name;
                    config
                }
                Whose::Others => return,
                Whose::Nobodys => {
                    report.note("no directory of LXC that we know has this container");
                    report.instance(found);
                    return;
                }
            },
        };
        found.restart = config.and_then(|config| restart(&found, config, report));
        report.instance(found);
    }
}

/// Whom a container belongs to, by the directories that there are.
enum Whose {
    Lxc(Vec<u8>, Option<Config>),
    Others,
    Nobodys,
}

fn by_directory(id: &[u8], files: &dyn FileView, report: &mut dyn Report) -> Whose {
    // Both may have one of this name, and then the second to start gets another group; which one it was, nothing tells.
    let of_others = |name: &[u8]| {
        OTHERS.iter().any(|directory| {
            let path = [directory.as_bytes(), b"/", name].concat();
            // They are links to where the storage pools are.
            !matches!(
                files.read_link(Root::Host, &path),
                Err(Refused::Missing | Refused::Denied)
            )
        })
    };
    let names = [Some(id), lxc::without_retry(id)].into_iter().flatten();
    for name in names.filter(|name| instance::is_plain(name)) {
        if of_others(name) {
            return Whose::Others;
        }
        let path = config_path(name);
        if files.stat(Root::Host, &path).is_ok() {
            return Whose::Lxc(name.to_vec(), read_config(name, files, report));
        }
    }
    Whose::Nobodys
}

fn config_path(name: &[u8]) -> Vec<u8> {
    [CONTAINERS, b"/", name, b"/config"].concat()
}

fn read_config(name: &[u8], files: &dyn FileView, report: &mut dyn Report) -> Option<Config> {
    if !instance::is_plain(name) {
        return Some(Config::default());
    }
    let path = config_path(name);
    match files.read(Root::Host, &path) {
        Ok(text) => Some(parse_config(&text)),
        Err(refused) => {
            instance::tell_refused(report, &path, refused);
            None
        }
    }
}

/// Which command restarts it, or why there is none.
fn restart(found: &Instance, config: Config, report: &mut dyn Report) -> Option<String> {
    if !instance::is_plain(&found.name) {
        report.note("its name is not one to hand to a command");
        return None;
    }
    if config.of_proxmox {
        return Some("proxmox".to_owned());
    }
    if found.part == Part::Helper {
        // lxc-stop -r has the monitor start the container once more, and does not renew the monitor itself.
        report.note("the monitor outlives a reboot of its container: lxc-stop, then lxc-start");
        return None;
    }
    if config.other_init {
        report.note("runs no init that could reboot: lxc-stop, then lxc-start");
        return None;
    }
    Some("system".to_owned())
}
