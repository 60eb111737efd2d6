//! Pure: what liblxc tells of a container in groups and titles, whoever uses it: LXC, LXD, Incus, Proxmox.

use super::{components, groups};
use crate::{Part, Process};

/// Which side of its container a process is on, by the outermost of the groups that liblxc makes. Old versions leave the
/// monitor where it was started, and then it belongs to no container.
#[must_use]
pub fn part(process: &Process) -> Part {
    if group(process).is_some_and(|part| part.starts_with(b"lxc.monitor")) {
        Part::Helper
    } else {
        Part::Payload
    }
}

/// The outermost of the groups that liblxc makes; none for what only shares the group of a daemon, as QEMU does.
#[must_use]
pub fn group(process: &Process) -> Option<&[u8]> {
    groups(process).find_map(|group| components(group).find(|part| is_own(part)))
}

fn is_own(part: &[u8]) -> bool {
    matches!(part, b"lxc" | b"lxc.payload" | b"lxc.monitor")
        || part.starts_with(b"lxc.payload.")
        || part.starts_with(b"lxc.monitor.")
}

/// The directory of containers and the name, from the title of a monitor: `[lxc monitor] /var/lib/lxc web1`. Names have no
/// blanks.
#[must_use]
pub fn monitored(process: &Process) -> Option<(&[u8], &[u8])> {
    let title = process.argv.first()?.strip_prefix(b"[lxc monitor] ")?;
    let at = title.iter().rposition(|&byte| byte == b' ')?;
    let (path, name) = (&title[..at], &title[at + 1..]);
    (path.starts_with(b"/") && !name.is_empty()).then_some((path, name))
}

/// `web1-1` → `web1`: liblxc adds a number to its groups where one of the name is there already. The whole may also be a
/// name.
#[must_use]
pub fn without_retry(group: &[u8]) -> Option<&[u8]> {
    let at = group.iter().rposition(|&byte| byte == b'-')?;
    let number = &group[at + 1..];
    let retried = at > 0 && !number.is_empty() && number.iter().all(u8::is_ascii_digit);
    retried.then(|| &group[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(group: &str, expected: Part) {
        let process = Process {
            cgroup: format!("1:cpu:/\n0::{group}\n").into_bytes(),
            ..Process::default()
        };
        assert_eq!(part(&process), expected, "{group}");
    }

    #[test]
    fn t7_29_sides() {
        check("/lxc.payload.web1", Part::Payload);
        check("/lxc.monitor.web1", Part::Helper);
        check("/lxc.monitor/web1", Part::Helper);
        check("/lxc/101/ns/init.scope", Part::Payload);
        check("/lxc.payload.web1/lxc.monitor.web2", Part::Payload);
        check(
            "/user.slice/user-1000.slice/session-1.scope/lxc.monitor.c1",
            Part::Helper,
        );
        check("/lxc.service", Part::Payload);
        assert_eq!(group(&Process::default()), None);
    }

    #[test]
    fn titles() {
        let titled = |title: &str| Process {
            argv: vec![title.as_bytes().to_vec()],
            ..Process::default()
        };
        let process = titled("[lxc monitor] /var/lib/lxc web1");
        assert_eq!(
            monitored(&process),
            Some((&b"/var/lib/lxc"[..], &b"web1"[..]))
        );
        for title in [
            "",
            "[lxc monitor] ",
            "[lxc monitor] web1",
            "[lxc monitor] /x ",
            "lxc x y",
        ] {
            assert_eq!(monitored(&titled(title)), None, "{title}");
        }
        assert_eq!(monitored(&Process::default()), None);
    }

    #[test]
    fn second_tries() {
        assert_eq!(without_retry(b"web-1"), Some(&b"web"[..]));
        assert_eq!(without_retry(b"a-b-12"), Some(&b"a-b"[..]));
        for name in ["web", "web-", "web-x1", "-1", ""] {
            assert_eq!(without_retry(name.as_bytes()), None, "{name}");
        }
    }
}
