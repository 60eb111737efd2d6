//! Process → virtual machine.

#![forbid(unsafe_code)]

use unstale_plugin::instance;
use unstale_plugin::{
    Container, Detector, FileView, Instance, Part, Process, Refused, Report, Root,
};

use crate::arguments::{guest, is_machine_name_of, uuid};
use crate::status::parse_pid;

/// Names virtual machines.
#[derive(Debug, Default)]
pub struct Qemu;

/// All that runs a virtual machine is the host's code, and nothing renews it but an end of the machine or its move to
/// another host.
const ADVICE: &str = "a virtual machine: shut it down and start it, or migrate it; a reboot from inside keeps this QEMU";

impl Detector for Qemu {
    fn inspect(&mut self, process: &Process, files: &dyn FileView, report: &mut dyn Report) {
        let is_qemu = is_qemu(process);
        let guest = is_qemu.then(|| guest(&process.argv)).flatten();
        let name = match &process.container {
            None => guest.filter(|guest| is_domain(process, guest, files, report)),
            Some(container) => match container.runtime.as_str() {
                "libvirt" if is_lxc(process) => {
                    report.instance(of_lxc(process, container));
                    report.note("a container of libvirt: virsh -c lxc:/// shutdown, then start");
                    return;
                }
                "libvirt" => Some(domain(process, container, guest, files, report)),
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
fn domain(
    process: &Process,
    container: &Container,
    guest: Option<Vec<u8>>,
    files: &dyn FileView,
    report: &mut dyn Report,
) -> Vec<u8> {
    let of_system = instance::other_user(container).is_none();
    let believed = |guest: &Vec<u8>| {
        is_machine_name_of(&container.id, guest)
            || of_system && is_domain(process, guest, files, report)
    };
    guest
        .filter(believed)
        .unwrap_or_else(|| container.id.clone())
}

/// Whether libvirt runs a domain of this name as this process.
fn is_domain(
    process: &Process,
    guest: &[u8],
    files: &dyn FileView,
    report: &mut dyn Report,
) -> bool {
    if guest.contains(&b'/') {
        return false;
    }
    let path = [b"/run/libvirt/qemu/", guest, b".xml"].concat();
    match files.read(Root::Host, &path) {
        Ok(text) => parse_pid(&text) == Some(process.pid),
        Err(Refused::Missing) => false,
        Err(refused) => {
            instance::tell_refused(report, &path, refused);
            false
        }
    }
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
