//! Process → app.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::rc::Rc;

use unstale_plugin::instance::{self, components, groups};
use unstale_plugin::{
    Detector, FileView, How, Instance, Part, Process, Refused, Report, Role, Root, Used, What,
};

use crate::info::{Deployment, Info, parse_group, parse_info};

/// Where Flatpak tells a sandbox what it is.
const INFO: &[u8] = b"/.flatpak-info";

/// Names the apps of Flatpak and says which commits they run.
#[derive(Debug, Default)]
pub struct Flatpak {
    known: HashMap<u64, Rc<Option<Info>>>,
}

impl Detector for Flatpak {
    fn inspect(&mut self, process: &Process, files: &dyn FileView, report: &mut dyn Report) {
        let runtime = process.container.as_ref().map(|it| it.runtime.as_str());
        // Without a scope of its own, a sandbox looks like a container of nobody's.
        if !matches!(runtime, None | Some("flatpak" | "unknown")) {
            // Flatpak inside a container deploys where neither the host nor the sandbox has it.
            return;
        }
        let info = self.info(process, files, report);
        let Some(info) = &*info else {
            // The sandbox's own bwrap stays outside of it.
            if let Some(name) = groups(process).flat_map(components).find_map(parse_group) {
                report.instance(Instance {
                    name,
                    part: Part::Helper,
                    ..Instance::default()
                });
            }
            return;
        };
        if runtime == Some("unknown") && !info.deployments().all(|it| is_deployed(it, files)) {
            return;
        }
        // Started from the host, and seen by portals as the app.
        let helper = matches!(process.exe_name(), b"bwrap" | b"xdg-dbus-proxy");
        if !helper {
            for deployment in info.deployments() {
                report.uses(used(deployment));
            }
        }
        report.instance(Instance {
            name: info.name.clone(),
            id: info.instance.clone(),
            image: info.app.as_ref().map(Deployment::shown),
            part: if helper { Part::Helper } else { Part::Payload },
            ..Instance::default()
        });
    }
}

impl Flatpak {
    fn info(
        &mut self,
        process: &Process,
        files: &dyn FileView,
        report: &mut dyn Report,
    ) -> Rc<Option<Info>> {
        if let Some(info) = self.known.get(&process.view) {
            return Rc::clone(info);
        }
        let read = files.read(Root::Process, INFO);
        let settled = !matches!(read, Err(Refused::Budget | Refused::NoAnswer));
        let info = match read {
            Ok(text) => parse_info(&text),
            Err(refused) => {
                tell(report, refused);
                None
            }
        };
        let info = Rc::new(info);
        if settled {
            self.known.insert(process.view, Rc::clone(&info));
        }
        info
    }
}

/// Whether the host knows of it; what was updated since counts, too.
fn is_deployed(deployment: &Deployment, files: &dyn FileView) -> bool {
    files.read_link(Root::Host, &deployment.link()).is_ok()
}

fn tell(report: &mut dyn Report, refused: Refused) {
    match refused {
        Refused::Missing => {}
        // Which commits run is all that there is to say of an app.
        refused => report.unknown(&format!(
            "cannot read {}: {refused:?}",
            instance::shown(INFO)
        )),
    }
}

fn used(deployment: &Deployment) -> Used {
    Used {
        what: What::Link {
            root: Root::Host,
            link: deployment.link(),
            was: deployment.was(),
        },
        role: Role::Revision,
        how: How::Loaded,
        via: None,
    }
}
