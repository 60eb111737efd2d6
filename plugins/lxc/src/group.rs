//! Pure: group and title → whether a process is the monitor of a container or lives in it.

#![forbid(unsafe_code)]

use unstale_plugin::instance::{components, groups};
use unstale_plugin::{Part, Process};

/// Which side a process is on, by the outermost of the groups that liblxc makes. Old ones leave the monitor where it was
/// started, and then it is nobody's.
pub(crate) fn part(process: &Process) -> Part {
    let first = groups(process).find_map(|group| components(group).find(|part| is_lxc(part)));
    if first.is_some_and(|part| part.starts_with(b"lxc.monitor")) {
        Part::Helper
    } else {
        Part::Payload
    }
}

fn is_lxc(part: &[u8]) -> bool {
    matches!(part, b"lxc" | b"lxc.payload" | b"lxc.monitor")
        || part.starts_with(b"lxc.payload.")
        || part.starts_with(b"lxc.monitor.")
}

/// The directory of containers and the name, from the title `[lxc monitor] /var/lib/lxc web1`. Names have no blanks.
pub(crate) fn monitored(process: &Process) -> Option<(&[u8], &[u8])> {
    let title = process.argv.first()?.strip_prefix(b"[lxc monitor] ")?;
    let at = title.iter().rposition(|&byte| byte == b' ')?;
    let (path, name) = (&title[..at], &title[at + 1..]);
    (path.starts_with(b"/") && !name.is_empty()).then_some((path, name))
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
}
