//! Pure: names that snapd gives to directories and units.

#![forbid(unsafe_code)]

/// A revision of a snap, as its directory tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Revision<'a> {
    /// The snap; `NAME_KEY` where several instances of one are installed.
    pub(crate) snap: &'a [u8],
    /// `123`, or `x1` for one that was installed from a file.
    pub(crate) revision: &'a [u8],
}

/// Where snaps are mounted; distributions without `/snap` use the second one.
pub(crate) const MOUNTS: [&str; 2] = ["/snap", "/var/lib/snapd/snap"];

/// `/snap/NAME/REVISION/…`.
pub(crate) fn parse_path(path: &[u8]) -> Option<Revision<'_>> {
    let below = MOUNTS
        .iter()
        .find_map(|mount| path.strip_prefix(mount.as_bytes())?.strip_prefix(b"/"))?;
    let mut parts = below.splitn(3, |&byte| byte == b'/');
    let (snap, revision) = (parts.next()?, parts.next()?);
    (is_snap(snap) && is_revision(revision)).then_some(Revision { snap, revision })
}

/// Lower-case letters, digits and dashes; 40 bytes, and 10 more for an instance key.
fn is_snap(name: &[u8]) -> bool {
    let plain =
        |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(byte);
    (1..=51).contains(&name.len()) && name[0] != b'-' && name.iter().all(plain)
}

fn is_revision(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"x").unwrap_or(text);
    (1..=10).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
}

/// The app, as `snap run` and `snap restart` call it, from the name of a group: `snap.NAME.APP.service`,
/// `snap.NAME.APP-UUID.scope`, older `snap.NAME.APP.UUID.scope`.
pub(crate) fn parse_group(part: &[u8]) -> Option<Vec<u8>> {
    let below = part.strip_prefix(b"snap.")?;
    let app = if let Some(stem) = below.strip_suffix(b".service") {
        stem
    } else {
        let stem = below.strip_suffix(b".scope")?;
        let app = stem.len().checked_sub(36).map(|at| stem.split_at(at));
        match app {
            Some((app, uuid)) if is_uuid(uuid) => {
                app.strip_suffix(b"-").or_else(|| app.strip_suffix(b"."))?
            }
            _ => stem,
        }
    };
    let mut names = app.splitn(2, |&byte| byte == b'.');
    let (snap, app_name) = (names.next()?, names.next()?);
    let named = is_snap(snap) && unstale_plugin::instance::is_plain(app_name);
    named.then(|| app.to_vec())
}

fn is_uuid(text: &[u8]) -> bool {
    let mut bytes = text.iter().enumerate();
    bytes.all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_path(path: &str, expected: Option<(&str, &str)>) {
        let found = parse_path(path.as_bytes());
        let found = found.map(|it| (it.snap, it.revision));
        assert_eq!(
            found,
            expected.map(|(snap, revision)| (snap.as_bytes(), revision.as_bytes()))
        );
    }

    #[test]
    fn t4_21_paths() {
        check_path(
            "/snap/firefox/123/usr/lib/firefox/firefox",
            Some(("firefox", "123")),
        );
        check_path("/snap/my-app_two/x1/bin/a", Some(("my-app_two", "x1")));
        check_path(
            "/var/lib/snapd/snap/core22/1122/usr/bin/x",
            Some(("core22", "1122")),
        );
        check_path("/snap/core22/1122", Some(("core22", "1122")));
        for path in [
            "/snap/bin/firefox",
            "/snap/firefox/current/x",
            "/snap/../1/x",
            "/snap/Firefox/1/x",
            "/snap//1/x",
            "/snap/firefox",
            "/snapshots/a/1/x",
            "/home/u/snap/firefox/1/x",
            "/snap/firefox/12345678901/x",
            "",
        ] {
            check_path(path, None);
        }
    }

    #[track_caller]
    fn check_group(part: &str, expected: Option<&str>) {
        let found = parse_group(part.as_bytes());
        assert_eq!(found.as_deref(), expected.map(str::as_bytes));
    }

    #[test]
    fn t7_36_groups() {
        let uuid = "0a1b2c3d-1111-2222-3333-444455556666";
        check_group("snap.lxd.daemon.service", Some("lxd.daemon"));
        check_group("snap.nextcloud.apache.service", Some("nextcloud.apache"));
        check_group(
            &format!("snap.firefox.firefox-{uuid}.scope"),
            Some("firefox.firefox"),
        );
        check_group(
            &format!("snap.firefox.firefox.{uuid}.scope"),
            Some("firefox.firefox"),
        );
        check_group("snap.a.hook.configure.scope", Some("a.hook.configure"));
        for part in [
            "snap.service",
            "snap.a.service",
            "snap.A.b.service",
            "snapd.service",
            "snap.a.b.slice",
        ] {
            check_group(part, None);
        }
        check_group(&format!("snap.{uuid}.scope"), None);
    }
}
