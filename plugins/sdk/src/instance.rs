//! What detectors of containers and virtual machines share: options of programs, groups, names.

#![forbid(unsafe_code)]

pub mod lxc;
pub mod testing;

use std::collections::HashMap;
use std::rc::Rc;

use crate::{Container, FileView, Process, Refused, Report, Root};

/// The longest text of a name, image or project that is passed on.
pub const TEXT_LIMIT: usize = 255;

/// The longest name that may stand in a command.
const NAME_LIMIT: usize = 128;

/// Whether a name may be offered with a command: `[A-Za-z0-9][A-Za-z0-9_.-]*`. It is no option, no path, and nothing that
/// a tool would read as more than one name.
#[must_use]
pub fn is_plain(name: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
    name.len() <= NAME_LIMIT
        && name.first().is_some_and(u8::is_ascii_alphanumeric)
        && name.iter().all(plain)
}

/// The command `template`, if the name may stand in it.
#[must_use]
pub fn offered(name: &[u8], template: &str) -> Option<String> {
    is_plain(name).then(|| template.to_owned())
}

/// Whether a text is an id as OCI engines make them: 12 to 64 lower-case hexadecimal digits.
#[must_use]
pub fn is_id(text: &[u8]) -> bool {
    let digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (12..=64).contains(&text.len()) && text.iter().all(digit)
}

/// An id as the engines print it in lists: its first 12 digits.
#[must_use]
pub fn short(id: &[u8]) -> &[u8] {
    id.get(..12).unwrap_or(id)
}

/// A text for the report: nothing if it is empty or longer than a name ever is.
#[must_use]
pub fn text(value: &str) -> Option<Vec<u8>> {
    let fits = (1..=TEXT_LIMIT).contains(&value.len());
    fits.then(|| value.as_bytes().to_vec())
}

/// Bytes for a note, in one line: what is no printable ASCII is escaped.
#[must_use]
pub fn shown(bytes: &[u8]) -> String {
    let clipped = &bytes[..bytes.len().min(TEXT_LIMIT)];
    clipped.escape_ascii().to_string()
}

/// The value of an option: the argument after it, or what follows it and `=`. The first one counts.
#[must_use]
pub fn option<'a>(argv: &'a [Vec<u8>], flag: &[u8]) -> Option<&'a [u8]> {
    let mut arguments = argv.iter().skip(1).map(Vec::as_slice);
    while let Some(argument) = arguments.next() {
        match argument.strip_prefix(flag) {
            Some(b"") => return arguments.next(),
            Some([b'=', value @ ..]) => return Some(value),
            _ => {}
        }
    }
    None
}

/// The paths of a process's control groups, one for each hierarchy.
pub fn groups(process: &Process) -> impl Iterator<Item = &[u8]> {
    process
        .cgroup
        .split(|&byte| byte == b'\n')
        .filter_map(|line| line.splitn(3, |&byte| byte == b':').nth(2))
}

/// The components of a group's path, from the root downwards.
pub fn components(group: &[u8]) -> impl Iterator<Item = &[u8]> {
    group
        .split(|&byte| byte == b'/')
        .filter(|part| !part.is_empty())
}

/// The outermost component that is called after an id: `ID`, `docker-ID.scope`, `x.slice:cri-containerd:ID`. The manager
/// above the container wrote it, what follows it was named inside.
#[must_use]
pub fn group_naming<'a>(process: &'a Process, id: &[u8]) -> Option<&'a [u8]> {
    let named = |part: &&[u8]| {
        let stem = part.strip_suffix(b".scope").unwrap_or(part);
        let before = stem.strip_suffix(id);
        !id.is_empty()
            && before.is_some_and(|before| matches!(before.last(), None | Some(b'-' | b':')))
    };
    groups(process).find_map(|group| components(group).find(named))
}

/// The uid of whoever's manager keeps the container, unless that is the system's or root's.
#[must_use]
pub fn other_user(container: &Container) -> Option<u32> {
    container.user.filter(|&uid| uid != 0)
}

/// Home directories, from the host's `/etc/passwd` (the manifest must name it).
#[derive(Debug, Default)]
pub struct Homes {
    passwd: Option<Rc<HashMap<u32, Vec<u8>>>>,
}

impl Homes {
    /// The home directory of a user; `None` for users that the file does not have.
    pub fn of(&mut self, uid: u32, files: &dyn FileView) -> Option<Vec<u8>> {
        let passwd = self.passwd.get_or_insert_with(|| {
            let text = files.read(Root::Host, b"/etc/passwd").unwrap_or_default();
            Rc::new(parse_passwd(&text))
        });
        passwd.get(&uid).cloned()
    }
}

/// passwd(5): the third field is the uid, the sixth the home. The first line of a uid counts.
fn parse_passwd(text: &[u8]) -> HashMap<u32, Vec<u8>> {
    let mut homes = HashMap::new();
    for line in text.split(|&byte| byte == b'\n') {
        let mut fields = line.split(|&byte| byte == b':').skip(2);
        let uid = fields.next().and_then(|uid| std::str::from_utf8(uid).ok());
        let home = fields.nth(2).filter(|home| home.starts_with(b"/"));
        if let (Some(uid), Some(home)) = (uid.and_then(|uid| uid.parse().ok()), home) {
            let home = home.strip_suffix(b"/").unwrap_or(home);
            homes.entry(uid).or_insert_with(|| home.to_vec());
        }
    }
    homes
}

/// Says that metadata could not be read. A missing name changes nothing about what is stale, so only a question that might
/// be answered another time makes the result incomplete.
pub fn tell_refused(report: &mut dyn Report, path: &[u8], refused: Refused) {
    let why = match refused {
        Refused::Missing => return,
        Refused::WrongKind => "not of the kind that it should be",
        Refused::Denied => "not shown",
        Refused::TooLarge => "too large",
        Refused::Budget => "too much was read for this process",
        Refused::NoAnswer => "no answer",
        Refused::Failed => "an error",
    };
    let line = format!("cannot read {} of the host: {why}", shown(path));
    match refused {
        Refused::Budget | Refused::NoAnswer | Refused::Failed => report.unknown(&line),
        _ => report.note(&line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_for_commands() {
        for name in ["web", "web-1.a_b", "0", &"x".repeat(128)] {
            assert!(is_plain(name.as_bytes()), "{name}");
        }
        for name in ["", "-f", ".x", "_x", "a b", "a/b", "a:b", "é", "a\n"] {
            assert!(!is_plain(name.as_bytes()), "{name}");
        }
        assert!(!is_plain(&[b'x'; 129]));
        assert_eq!(offered(b"web", "system").as_deref(), Some("system"));
        assert_eq!(offered(b"--all", "system"), None);
    }

    #[test]
    fn ids() {
        assert!(is_id(b"0123456789ab"));
        assert!(is_id(&[b'f'; 64]));
        for id in [
            &b"0123456789a"[..],
            b"0123456789AB",
            &[b'f'; 65],
            b"../456789abcd",
        ] {
            assert!(!is_id(id));
        }
        assert_eq!(short(b"0123456789abcdef"), b"0123456789ab");
        assert_eq!(short(b"ct1"), b"ct1");
    }

    #[test]
    fn texts() {
        assert_eq!(text(""), None);
        assert_eq!(text(&"x".repeat(256)), None);
        assert_eq!(text("x"), Some(b"x".to_vec()));
        assert_eq!(shown(b"a\n\x1b\xff"), "a\\n\\x1b\\xff");
        assert_eq!(shown(&[b'x'; 1000]).len(), TEXT_LIMIT);
    }

    #[test]
    fn options() {
        let argv: Vec<Vec<u8>> = ["-n", "-name", "a", "--id=7", "-name", "b", "-last"]
            .iter()
            .map(|word| word.as_bytes().to_vec())
            .collect();
        assert_eq!(option(&argv, b"-name"), Some(&b"a"[..]));
        assert_eq!(option(&argv, b"--id"), Some(&b"7"[..]));
        assert_eq!(option(&argv, b"-last"), None);
        assert_eq!(option(&argv, b"-n"), None, "the program's own name");
        assert_eq!(option(&[], b"-n"), None);
    }

    #[track_caller]
    fn check_group(cgroup: &str, text: &str, expected: Option<&str>) {
        let process = Process {
            cgroup: cgroup.as_bytes().to_vec(),
            ..Process::default()
        };
        let found = group_naming(&process, text.as_bytes());
        assert_eq!(found, expected.map(str::as_bytes));
    }

    #[test]
    fn the_outermost_group_counts() {
        check_group("0::/a/x-ID.scope/y-ID.scope\n", "ID", Some("x-ID.scope"));
        check_group("2:misc:/\n1:memory:/docker/ID\n0::/\n", "ID", Some("ID"));
        check_group("0::/a:b-ID/c\n", "ID", Some("a:b-ID"));
        check_group("0::/a\n", "ID", None);
        check_group("0::/system.slice/containerd.service\n", "containerd", None);
        check_group("0::/a/xID\n", "ID", None);
        check_group("ID\n", "ID", None);
        check_group("", "", None);
    }

    #[test]
    fn homes_of_users() {
        let homes = parse_passwd(
            b"root:x:0:0:root:/root:/bin/bash\nu:x:1000:1000:,,,:/home/u/:/bin/sh\nother:x:1000:1:::/bin/sh\n\
              v:x:1001:1::home/v:/bin/sh\nshort:x:1002\n\nw:x:-1:1::/home/w:\n",
        );
        assert_eq!(homes[&0], b"/root");
        assert_eq!(homes[&1000], b"/home/u");
        assert_eq!(homes.len(), 2);
    }
}
