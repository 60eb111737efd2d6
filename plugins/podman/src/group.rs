//! Pure: control groups of a process → its place about the container.

#![forbid(unsafe_code)]

use unstale_plugin::instance::{self, components, groups};
use unstale_plugin::{Part, Process};

/// Where a process is, by the names that Podman gives to groups.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    pub(crate) part: Part,
    /// Whether a service keeps the container in its own group (quadlets, `--cgroups=split`), and makes it anew when it is
    /// restarted.
    pub(crate) in_service: bool,
    /// The id of the pod.
    pub(crate) pod: Option<&'a [u8]>,
}

/// The place of a process about the container with this id.
pub(crate) fn place<'a>(process: &'a Process, id: &[u8]) -> Place<'a> {
    let own = instance::group_naming(process, id);
    let helper = own.is_none_or(|group| group.starts_with(b"libpod-conmon-"));
    let in_service = match own {
        Some(group) => group.starts_with(b"libpod-payload-"),
        // conmon and its like stay in `web.service/runtime`, `supervisor` before Podman 5.
        None => groups(process).any(is_runtime_of_service),
    };
    Place {
        part: if helper { Part::Helper } else { Part::Payload },
        in_service,
        pod: pod(process, own),
    }
}

fn is_runtime_of_service(group: &[u8]) -> bool {
    let mut outer: &[u8] = b"";
    for part in components(group) {
        if matches!(part, b"runtime" | b"supervisor") && outer.ends_with(b".service") {
            return true;
        }
        outer = part;
    }
    false
}

/// `machine-libpod_pod_ID.slice`, `user-libpod_pod_ID.slice`; without systemd `libpod_parent/ID/libpod-…`. Only above the
/// container's own group: what lies below was named inside.
fn pod<'a>(process: &'a Process, own: Option<&[u8]>) -> Option<&'a [u8]> {
    let own = own?;
    groups(process).find_map(|group| {
        let above = components(group).take_while(|part| *part != own);
        let mut before: &[u8] = b"";
        for part in above {
            if let Some(pod) = pod_of_slice(part) {
                return Some(pod);
            }
            if before == b"libpod_parent" && instance::is_id(part) {
                return Some(part);
            }
            before = part;
        }
        None
    })
}

fn pod_of_slice(part: &[u8]) -> Option<&[u8]> {
    let stem = part.strip_suffix(b".slice")?;
    let mark = b"libpod_pod_";
    let at = stem.windows(mark.len()).position(|window| window == mark)?;
    let pod = &stem[at + mark.len()..];
    instance::is_id(pod).then_some(pod)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0fc511ed4d1796437b781277d98c07df79c1384b5d510382fabc1d8b54f88220";
    const POD: &str = "76bbf8ab07f0f63488845cd57bd2948cfbaa04ea0266155967f1cc48bac54c71";

    #[track_caller]
    fn check(group: &str, part: Part, in_service: bool, pod: Option<&str>) {
        let group = group.replace("<N>", ID).replace("<P>", POD);
        let process = Process {
            cgroup: format!("1:cpu:/\n0::{group}\n").into_bytes(),
            ..Process::default()
        };
        let expected = Place {
            part,
            in_service,
            pod: pod.map(str::as_bytes),
        };
        assert_eq!(place(&process, ID.as_bytes()), expected, "{group}");
    }

    #[test]
    fn t7_20_system() {
        check(
            "/machine.slice/libpod-<N>.scope/container",
            Part::Payload,
            false,
            None,
        );
        check(
            "/machine.slice/libpod-<N>.scope",
            Part::Payload,
            false,
            None,
        );
        check(
            "/machine.slice/libpod-conmon-<N>.scope",
            Part::Helper,
            false,
            None,
        );
        check("/libpod_parent/libpod-<N>", Part::Payload, false, None);
        check("/libpod_parent/conmon", Part::Helper, false, None);
        check("/lab-exec", Part::Helper, false, None);
        // Named inside.
        check(
            "/machine.slice/libpod-<N>.scope/libpod-conmon-<N>.scope",
            Part::Payload,
            false,
            None,
        );
    }

    #[test]
    fn t7_23_services() {
        check(
            "/system.slice/qweb.service/libpod-payload-<N>",
            Part::Payload,
            true,
            None,
        );
        check(
            "/system.slice/qweb.service/runtime",
            Part::Helper,
            true,
            None,
        );
        check(
            "/system.slice/qweb.service/supervisor",
            Part::Helper,
            true,
            None,
        );
        check("/runtime", Part::Helper, false, None);
    }

    #[test]
    fn t7_24_pods() {
        let slice = "/machine.slice/machine-libpod_pod_<P>.slice";
        check(
            &format!("{slice}/libpod-<N>.scope/container"),
            Part::Payload,
            false,
            Some(POD),
        );
        check(
            &format!("{slice}/libpod-conmon-<N>.scope"),
            Part::Helper,
            false,
            Some(POD),
        );
        check(
            "/user.slice/user-libpod_pod_<P>.slice/libpod-<N>.scope",
            Part::Payload,
            false,
            Some(POD),
        );
        check(
            "/libpod_parent/<P>/libpod-<N>",
            Part::Payload,
            false,
            Some(POD),
        );
        check(
            "/machine.slice/libpod-<N>.scope/machine-libpod_pod_<P>.slice",
            Part::Payload,
            false,
            None,
        );
        check(
            "/machine-libpod_pod_x.slice/libpod-<N>.scope",
            Part::Payload,
            false,
            None,
        );
    }
}
