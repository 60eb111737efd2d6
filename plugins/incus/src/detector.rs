//! Process → instance.

#![forbid(unsafe_code)]

use unstale_plugin::instance::{self, lxc};
use unstale_plugin::{Detector, FileView, Instance, Part, Process, Report, Root};

use crate::backup::parse_image;
use crate::product::{PRODUCTS, Product, Sort, monitored, split, virtual_machine};

/// Names the instances of Incus and LXD.
#[derive(Debug, Default)]
pub struct Incus;

impl Detector for Incus {
    fn inspect(&mut self, process: &Process, files: &dyn FileView, report: &mut dyn Report) {
        let Some(container) = &process.container else {
            return;
        };
        // Users start containers of LXC at most: the daemons are the system's.
        if instance::other_user(container).is_some() {
            return;
        }
        if lxc::group(process).is_none() {
            inspect_vm(process, files, report);
            return;
        }
        let part = lxc::part(process);
        let title = (part == Part::Helper).then(|| monitored(process)).flatten();
        let (owners, full_name) = match title {
            Some((product, name)) => (vec![product], name.to_vec()),
            None if part == Part::Helper && lxc::monitored(process).is_some() => return,
            None => owners_of(&container.id, files),
        };
        let Some(&product) = owners.first() else {
            return;
        };
        let mut found = named(&full_name, part);
        found.image = product
            .backup(Sort::Container, &full_name, files)
            .and_then(|text| parse_image(&text));
        // The files of one say nothing about which of several was meant.
        let certain = title.is_some() || (owners.len() == 1 && !lxc_has(&full_name, files));
        found.restart = if certain {
            restart(&found, product, report)
        } else {
            found.image = None;
            report.note(
                "several engines have a container of this name: which one this is, is not known",
            );
            None
        };
        report.instance(found);
    }
}

/// QEMU runs the host's code. A new one takes more than a restart from inside.
fn inspect_vm(process: &Process, files: &dyn FileView, report: &mut dyn Report) {
    let Some((product, full_name)) = virtual_machine(process) else {
        return;
    };
    if !instance::is_plain(full_name) || !product.has(Sort::VirtualMachine, full_name, files) {
        return;
    }
    let mut found = named(full_name, Part::Helper);
    found.image = product
        .backup(Sort::VirtualMachine, full_name, files)
        .and_then(|text| parse_image(&text));
    report.note(
        "a virtual machine: stop and start it, or migrate it; a reboot from inside keeps this QEMU",
    );
    report.instance(found);
}

/// Who has a container that is called after a group.
fn owners_of(id: &[u8], files: &dyn FileView) -> (Vec<Product>, Vec<u8>) {
    let names = [Some(id), lxc::without_retry(id)].into_iter().flatten();
    for name in names.filter(|name| instance::is_plain(name)) {
        let has = |product: &Product| product.has(Sort::Container, name, files);
        let owners: Vec<Product> = PRODUCTS.into_iter().filter(has).collect();
        if !owners.is_empty() {
            return (owners, name.to_vec());
        }
        if lxc_has(name, files) {
            break;
        }
    }
    (Vec::new(), Vec::new())
}

fn lxc_has(name: &[u8], files: &dyn FileView) -> bool {
    let path = [&b"/var/lib/lxc/"[..], name, b"/config"].concat();
    instance::is_plain(name) && files.stat(Root::Host, &path).is_ok()
}

fn named(full_name: &[u8], part: Part) -> Instance {
    let (project, name) = split(full_name);
    Instance {
        name: name.to_vec(),
        project: Some(project.to_vec()),
        part,
        ..Instance::default()
    }
}

/// The product's command, if both names may stand in it. It stops and starts, so the monitor is new afterwards, too.
fn restart(found: &Instance, product: Product, report: &mut dyn Report) -> Option<String> {
    let project = found.project.as_deref().unwrap_or_default();
    if !instance::is_plain(project) || !instance::is_plain(&found.name) {
        report.note("its name is not one to hand to a command");
        return None;
    }
    Some(product.template.to_owned())
}
