//! Process → virtual machine.

#![forbid(unsafe_code)]

use unstale_plugin::instance;
use unstale_plugin::{Container, Detector, FileView, Instance, Part, Process, Report};

use crate::arguments::{guest, is_machine_name_of, uuid};

/// Names virtual machines.
#[derive(Debug, Default)]
pub struct Qemu;

/// All that runs a virtual machine is the host's code, and nothing renews it but an end of the machine or its move to
/// another host.
const ADVICE: &str = "a virtual machine: shut it down and start it, or migrate it; a reboot from inside keeps this QEMU";

impl Detector for Qemu {
    fn inspect(&mut self, process: &Process, _: &dyn FileView, report: &mut dyn Report) {
        let is_qemu = is_qemu(process);
        let guest = is_qemu.then(|| guest(&process.argv)).flatten();
        let name = match &process.container {
            None => guest.filter(|_| in_unit_of_libvirt(process)),
            Some(container) => match container.runtime.as_str() {
                "libvirt" if is_lxc(process) => {
                    report.instance(of_lxc(process, container));
                    report.note("a container of libvirt: virsh -c lxc:/// shutdown, then start");
                    return;
                }
                "libvirt" => Some(domain(container, guest)),
                // Proxmox' tools take the number; the name is for people.
                "qemu" => {
                    let other = guest.filter(|guest| *guest != container.id);
                    if let Some(other) = other {
                        let other = instance::shown(&other);
                        report.note(&format!("called {other}"));
                    }
                    Some(container.id.clone())
                }
                _ => None,
            },
        };
        let Some(name) = name else {
            return;
        };
        report.note(ADVICE);
        report.instance(Instance {
            name,
            id: is_qemu.then(|| uuid(&process.argv)).flatten(),
            part: Part::Helper,
            ..Instance::default()
        });
    }
}

fn is_qemu(process: &Process) -> bool {
    let name = process.exe_name();
    name.starts_with(b"qemu-system-") || name == b"qemu-kvm"
}

/// The name that virsh prints. The group has it without what machined does not take.
fn domain(container: &Container, guest: Option<Vec<u8>>) -> Vec<u8> {
    guest
        .filter(|guest| is_machine_name_of(&container.id, guest))
        .unwrap_or_else(|| container.id.clone())
}

/// Where libvirt cannot make groups, QEMU stays in the unit; restarting that leaves QEMU alone (`KillMode=process`).
fn in_unit_of_libvirt(process: &Process) -> bool {
    let unit = |part: &[u8]| matches!(part, b"libvirtd.service" | b"virtqemud.service");
    instance::groups(process)
        .flat_map(instance::components)
        .any(unit)
}

/// `machine-lxc\x2d812\x2dweb.scope`.
fn is_lxc(process: &Process) -> bool {
    instance::groups(process)
        .flat_map(instance::components)
        .find(|part| part.starts_with(b"machine-") && part.ends_with(b".scope"))
        .is_some_and(|part| part.starts_with(br"machine-lxc\x2d"))
}

fn of_lxc(process: &Process, container: &Container) -> Instance {
    // The controller stays outside.
    let helper = process.exe_name() == b"libvirt_lxc";
    Instance {
        name: container.id.clone(),
        part: if helper { Part::Helper } else { Part::Payload },
        ..Instance::default()
    }
}
