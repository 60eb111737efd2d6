//! Pure: `/.flatpak-info` and names of groups → app and deployments.

#![forbid(unsafe_code)]

use unstale_plugin::instance::{TEXT_LIMIT, is_id};

/// What the file tells (flatpak-metadata(5)).
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Info {
    /// The app's id.
    pub(crate) name: Vec<u8>,
    /// The number of the running instance, which `flatpak ps` and `flatpak kill` take.
    pub(crate) instance: Option<Vec<u8>>,
    /// What is mounted at `/app`.
    pub(crate) app: Option<Deployment>,
    /// What is mounted at `/usr`.
    pub(crate) runtime: Option<Deployment>,
}

impl Info {
    /// What the sandbox is made of.
    pub(crate) fn deployments(&self) -> impl Iterator<Item = &Deployment> {
        [&self.app, &self.runtime].into_iter().flatten()
    }
}

/// A commit that was deployed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Deployment {
    /// `…/app/ID/ARCH/BRANCH`, on the host.
    directory: Vec<u8>,
    commit: Vec<u8>,
}

impl Deployment {
    /// The link to the commit that a new start would run.
    pub(crate) fn link(&self) -> Vec<u8> {
        [self.directory.as_slice(), b"/active"].concat()
    }

    /// The directory of this commit.
    pub(crate) fn was(&self) -> Vec<u8> {
        [self.directory.as_slice(), b"/", &self.commit].concat()
    }

    /// `ID/ARCH/BRANCH COMMIT`, the commit as short as `flatpak list` prints it.
    pub(crate) fn shown(&self) -> Vec<u8> {
        let mut parts = self.directory.rsplitn(4, |&byte| byte == b'/');
        let [branch, arch, id] =
            [parts.next(), parts.next(), parts.next()].map(Option::unwrap_or_default);
        [id, b"/", arch, b"/", branch, b" ", &self.commit[..12]].concat()
    }
}

/// `None` without an app's id. Lines that it does not know are passed over.
pub(crate) fn parse_info(text: &[u8]) -> Option<Info> {
    let mut info = Info::default();
    let mut section: &[u8] = b"";
    for line in text.split(|&byte| byte == b'\n').take(1000) {
        if line.starts_with(b"[") {
            section = line;
            continue;
        }
        let Some(at) = line.iter().position(|&byte| byte == b'=') else {
            continue;
        };
        let (key, value) = (&line[..at], &line[at + 1..]);
        match (section, key) {
            (b"[Application]" | b"[Runtime]", b"name") if is_name(value) => {
                info.name = value.to_vec()
            }
            (b"[Instance]", b"instance-id") if is_number(value) => {
                info.instance = Some(value.to_vec());
            }
            (b"[Instance]", b"app-path") => info.app = parse_deployment(value, b"app"),
            (b"[Instance]", b"runtime-path") => info.runtime = parse_deployment(value, b"runtime"),
            _ => {}
        }
    }
    (!info.name.is_empty()).then_some(info)
}

/// `…/flatpak/app/ID/ARCH/BRANCH/COMMIT/files`, as absolute path without detours.
fn parse_deployment(path: &[u8], kind: &[u8]) -> Option<Deployment> {
    let (directory, commit) = split_last(path.strip_suffix(b"/files")?)?;
    let (above, branch) = split_last(directory)?;
    let (above, arch) = split_last(above)?;
    let (above, id) = split_last(above)?;
    let (installation, found) = split_last(above)?;
    let plain = |part: &[u8]| !matches!(part, b"" | b"." | b"..");
    let straight = installation.starts_with(b"/")
        && installation[1..].split(|&byte| byte == b'/').all(plain)
        && [branch, arch, id].into_iter().all(plain);
    let own = straight && found == kind && installation.ends_with(b"/flatpak");
    (own && commit.len() == 64 && is_id(commit)).then(|| Deployment {
        directory: directory.to_vec(),
        commit: commit.to_vec(),
    })
}

fn split_last(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = path.iter().rposition(|&byte| byte == b'/')?;
    Some((&path[..at], &path[at + 1..]))
}

/// An app's id: at least two parts with dots between them.
fn is_name(text: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    text.len() <= TEXT_LIMIT && text.contains(&b'.') && text.iter().all(plain)
}

fn is_number(text: &[u8]) -> bool {
    (1..=20).contains(&text.len()) && text.iter().all(u8::is_ascii_digit)
}

/// `app-flatpak-org.lab.Hello\x2dWorld-3845324898.scope` → the app's id.
pub(crate) fn parse_group(part: &[u8]) -> Option<Vec<u8>> {
    let stem = part
        .strip_prefix(b"app-flatpak-")?
        .strip_suffix(b".scope")?;
    let at = stem.iter().rposition(|&byte| byte == b'-')?;
    let (escaped, number) = (&stem[..at], &stem[at + 1..]);
    let mut name = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((&first, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(br"\x2d") {
            name.push(b'-');
            rest = after;
        } else {
            name.push(first);
            rest = after;
        }
    }
    (is_number(number) && is_name(&name)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "dcd4c4da3d5dd1f455acdc546aebb63fc1f11f41ae3e94775126970f18952a75";

    #[track_caller]
    fn check(path: &str, expected: Option<&str>) {
        let path = path.replace("<C>", COMMIT);
        let found = parse_deployment(path.as_bytes(), b"app").map(|found| found.link());
        assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{path}");
    }

    #[test]
    fn t4_22_deployments() {
        check(
            "/var/lib/flatpak/app/a.b/x86_64/stable/<C>/files",
            Some("/var/lib/flatpak/app/a.b/x86_64/stable/active"),
        );
        check(
            "/home/u/.local/share/flatpak/app/a.b/x86_64/stable/<C>/files",
            Some("/home/u/.local/share/flatpak/app/a.b/x86_64/stable/active"),
        );
        for path in [
            "",
            "/",
            "/files",
            "/var/lib/flatpak/app/a.b/x86_64/stable/<C>",
            "/var/lib/flatpak/app/a.b/x86_64/stable/active/files",
            "/var/lib/flatpak/runtime/a.b/x86_64/stable/<C>/files",
            "/var/lib/flatpak/app/a.b/../stable/<C>/files",
            "/var/../flatpak/app/a.b/x86_64/stable/<C>/files",
            "/var//flatpak/app/a.b/x86_64/stable/<C>/files",
            "/etc/app/a.b/x86_64/stable/<C>/files",
            "var/lib/flatpak/app/a.b/x86_64/stable/<C>/files",
            "/var/lib/flatpak/app/a.b/x86_64/stable/<C>0/files",
            "/flatpak/<C>/files",
        ] {
            check(path, None);
        }
    }

    #[test]
    fn forged_files() {
        for text in [
            "",
            "name=a.b\n",
            "[Application]\nname=\n",
            "[Application]\nname=a b.c\n",
            "[Other]\nname=a.b",
        ] {
            assert_eq!(parse_info(text.as_bytes()), None, "{text}");
        }
        let long = format!("[Application]\nname=a.{}\n", "b".repeat(300));
        assert_eq!(parse_info(long.as_bytes()), None);
        let odd =
            parse_info(b"[Application]\nname=a.b\n[Instance]\ninstance-id=x\napp-path=/x\n=\n\xff");
        assert_eq!(
            odd.map(|info| (info.instance, info.app)),
            Some((None, None))
        );
    }

    #[test]
    fn t7_38_groups() {
        let name = |part: &str| parse_group(part.as_bytes());
        assert_eq!(
            name(r"app-flatpak-org.lab.Hello\x2dWorld-3845324898.scope"),
            Some(b"org.lab.Hello-World".to_vec())
        );
        assert_eq!(
            name("app-flatpak-org.gimp.GIMP-9182.scope"),
            Some(b"org.gimp.GIMP".to_vec())
        );
        for part in [
            "app-flatpak-9.scope",
            "app-flatpak-a.b-x.scope",
            "flatpak-portal.service",
            r"app-flatpak-a.\x2f-1.scope",
        ] {
            assert_eq!(name(part), None, "{part}");
        }
    }
}
