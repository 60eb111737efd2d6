//! Process → machine.

#![forbid(unsafe_code)]

use unstale_plugin::instance;
use unstale_plugin::{Detector, FileView, Instance, Part, Process, Report, Root};

use crate::group::{Place, place};
use crate::machine::{Machine, parse_machine};

const NOTES: &[u8] = b"/run/systemd/machines/";

/// Names the machines of systemd-machined.
#[derive(Debug, Default)]
pub struct Nspawn;

impl Detector for Nspawn {
    fn inspect(&mut self, process: &Process, files: &dyn FileView, report: &mut dyn Report) {
        let Some(container) = &process.container else {
            return;
        };
        let of_system = instance::other_user(container).is_none();
        let place = place(process);
        let by_hand = container.runtime == "unknown";
        let name = if !by_hand {
            container.id.clone()
        } else if let Some(name) = of_unit(&container.id, files).filter(|_| of_system) {
            name
        } else {
            return;
        };
        // A user's machine may be called like one of the system's.
        let machine = of_system
            .then(|| read_machine(&name, files, report))
            .flatten()
            .unwrap_or_default();
        let outside = place.supervisor || machine.virtual_machine;
        let mut found = Instance {
            part: if outside { Part::Helper } else { Part::Payload },
            image: machine.root.clone(),
            name,
            ..Instance::default()
        };
        if of_system {
            found.restart = restart(&found, &machine, &place, by_hand, report);
        } else {
            report.note("a user's machine: only that user restarts it");
        }
        report.instance(found);
    }
}

/// The machine that a unit keeps, by machined's link.
fn of_unit(unit: &[u8], files: &dyn FileView) -> Option<Vec<u8>> {
    if !(unit.ends_with(b".service") || unit.ends_with(b".scope")) || unit.contains(&b'/') {
        return None;
    }
    let link = [NOTES, b"unit:", unit].concat();
    let name = files.read_link(Root::Host, &link).ok()?;
    instance::is_plain(&name).then_some(name)
}

/// What machined has noted of a machine; without a note, that there is a directory of its name.
fn read_machine(name: &[u8], files: &dyn FileView, report: &mut dyn Report) -> Option<Machine> {
    if !instance::is_plain(name) {
        return None;
    }
    let path = [NOTES, name].concat();
    match files.read(Root::Host, &path) {
        Ok(text) => Some(parse_machine(&text)),
        Err(refused) => {
            instance::tell_refused(report, &path, refused);
            let root = [b"/var/lib/machines/", name].concat();
            files.stat(Root::Host, &root).ok()?;
            Some(Machine {
                root: Some(root),
                virtual_machine: false,
            })
        }
    }
}

/// Which command restarts it, or why there is none. Where a service keeps it, the service is restarted and never both.
fn restart(
    found: &Instance,
    machine: &Machine,
    place: &Place<'_>,
    by_hand: bool,
    report: &mut dyn Report,
) -> Option<String> {
    if place.unit.ends_with(b".service") {
        let unit = instance::shown(place.unit);
        report.note(&format!(
            "{unit} keeps this machine: restarting that renews it"
        ));
        return None;
    }
    if machine.virtual_machine {
        report
            .note("a virtual machine: stop and start it; a reboot from inside keeps what runs it");
        return None;
    }
    if place.supervisor || by_hand {
        // A reboot makes systemd-nspawn run the machine once more; it does not start anew itself, and without a scope of
        // the machine's own nobody starts it again.
        report
            .note("systemd-nspawn was started by hand, and has to be stopped and started by hand");
        return None;
    }
    if !place.booted {
        report.note(
            "runs no service manager that could reboot: machinectl poweroff, then start it again",
        );
        return None;
    }
    let offered = instance::offered(&found.name, "machine");
    if offered.is_none() {
        report.note("its name is not one to hand to a command");
    }
    offered
}
