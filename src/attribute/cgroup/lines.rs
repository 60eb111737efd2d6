//! Which lines of `/proc/PID/cgroup` count (cgroups(7)).

#![forbid(unsafe_code)]

use super::Hints;

/// The paths that say something about owners.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Groups<'a> {
    /// In systemd's hierarchy, or in the unified one.
    pub(super) main: Option<&'a [u8]>,
    /// In OpenRC's hierarchy.
    pub(super) openrc: Option<&'a [u8]>,
    /// In elogind's hierarchy.
    pub(super) elogind: Option<&'a [u8]>,
}

impl<'a> Groups<'a> {
    /// Never looks at a controller's line: their paths may stop at a slice or at `/`.
    pub(super) fn choose(text: &'a [u8], hints: &Hints<'_>) -> Self {
        let (mut unified, mut systemd) = (None, None);
        let mut groups = Self::default();
        for line in text.split(|&byte| byte == b'\n') {
            let Some((hierarchy, controllers, path)) = fields(line) else {
                continue;
            };
            let slot = match controllers {
                b"" if hierarchy == b"0" => &mut unified,
                b"name=systemd" => &mut systemd,
                b"name=openrc" => &mut groups.openrc,
                b"name=elogind" | b"elogind" => &mut groups.elogind,
                _ => continue,
            };
            slot.get_or_insert(path);
        }
        let unified = unified.map(|path| without_deleted(path, hints));
        let (first, second) = if hints.unified {
            (unified, systemd)
        } else {
            (systemd, unified)
        };
        groups.main = match first {
            None | Some(b"/") => second.or(first),
            Some(_) => first,
        };
        groups
    }
}

/// `hierarchy:controllers:path`; the path may hold more colons.
fn fields(line: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut fields = line.splitn(3, |&byte| byte == b':');
    let (hierarchy, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    path.starts_with(b"/")
        .then_some((hierarchy, controllers, path))
}

/// The kernel appends this under cgroup2 when the group was removed under a zombie, which has no arguments any more.
fn without_deleted<'a>(path: &'a [u8], hints: &Hints<'_>) -> &'a [u8] {
    match path.strip_suffix(b" (deleted)") {
        Some(name) if hints.argv.is_empty() => name,
        _ => path,
    }
}
