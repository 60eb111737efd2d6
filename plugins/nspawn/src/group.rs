//! Pure: groups of a process → its place about the machine.

#![forbid(unsafe_code)]

use unstale_plugin::Process;
use unstale_plugin::instance::{components, groups};

/// Where a process is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    /// The unit around the machine.
    pub(crate) unit: &'a [u8],
    /// Whether it is systemd-nspawn itself.
    pub(crate) supervisor: bool,
    /// Whether the machine runs a service manager, which has groups of its own inside.
    pub(crate) booted: bool,
}

/// The place that the outermost unit tells.
pub(crate) fn place(process: &Process) -> Place<'_> {
    let in_group = |group| {
        let mut parts = components(group).skip_while(|part| !is_unit(part));
        let unit = parts.next()?;
        let side = parts.next();
        let below = parts.next();
        let nspawn = process.exe_name() == b"systemd-nspawn";
        Some(Place {
            unit,
            supervisor: side == Some(b"supervisor") || side.is_none() && nspawn,
            booted: side == Some(b"payload") && below.is_some_and(is_managers),
        })
    };
    groups(process).find_map(in_group).unwrap_or_default()
}

fn is_unit(part: &[u8]) -> bool {
    part.ends_with(b".service") || part.ends_with(b".scope")
}

fn is_managers(part: &[u8]) -> bool {
    part == b"init.scope" || part.ends_with(b".slice")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(exe: &str, group: &str, unit: &str, supervisor: bool, booted: bool) {
        let process = Process {
            exe: exe.as_bytes().to_vec(),
            cgroup: format!("5:devices:/\n0::{group}\n").into_bytes(),
            ..Process::default()
        };
        let expected = Place {
            unit: unit.as_bytes(),
            supervisor,
            booted,
        };
        assert_eq!(place(&process), expected, "{group}");
    }

    #[test]
    fn t7_32_places() {
        let (nspawn, init) = ("/usr/bin/systemd-nspawn", "/usr/lib/systemd/systemd");
        let scope = "machine-m1.scope";
        let group = |below: &str| format!("/machine.slice/{scope}{below}");
        check(init, &group("/payload/init.scope"), scope, false, true);
        check(
            init,
            &group("/payload/system.slice/ssh.service"),
            scope,
            false,
            true,
        );
        check("/bin/sleep", &group("/payload"), scope, false, false);
        check("/bin/sleep", &group("/payload/x"), scope, false, false);
        check(nspawn, &group("/supervisor"), scope, true, false);
        check(nspawn, &group(""), scope, true, false);
        check("/bin/sleep", &group(""), scope, false, false);
        // A program inside may be called so.
        check(nspawn, &group("/payload"), scope, false, false);
        let unit = "systemd-nspawn@m2.service";
        check(
            init,
            &format!("/machine.slice/{unit}/payload/init.scope"),
            unit,
            false,
            true,
        );
        check(init, "/lab/payload/init.scope", "init.scope", false, false);
        check(init, "/", "", false, false);
    }
}
