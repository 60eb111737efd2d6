//! Recorded containers: a [`Scene`] that is shown as much of the host as a manifest says, and rows of what was said.

use std::fmt::Write as _;
use std::path::Path;

use crate::testing::{Said, Scene};
use crate::{Detector, Entry, FileView, Instance, Part, Refused, Root, Stat, What};

/// What a detector says of a recorded process, a line for each fact, in the order of [`rows`]. Files of the host are shown
/// if the manifest names them, and are [`Refused::Denied`] otherwise.
///
/// # Panics
/// If the scene cannot be read, or the instance wants a command that the manifest does not have.
#[must_use]
pub fn inspect(detector: &mut impl Detector, manifest: &str, scene: &Scene) -> String {
    let patterns = host_files(manifest);
    let view = Shown { scene, patterns };
    let mut said = Said::default();
    detector.inspect(&scene.process, &view, &mut said);
    if let Some(template) = said.instance.as_ref().and_then(|it| it.restart.as_ref()) {
        let heading = format!("[restart.{template}]");
        assert!(manifest.lines().any(|line| line == heading), "{heading}");
    }
    // Notes come as one line each.
    for line in said.notes.iter().chain(&said.unknown) {
        assert!(
            !line.contains(|character: char| character.is_control()),
            "{line:?}"
        );
    }
    rows(&said)
}

/// [`inspect`] of a scene in a directory.
///
/// # Panics
/// As [`inspect`].
#[must_use]
#[track_caller]
pub fn inspect_at(detector: &mut impl Detector, manifest: &str, directory: &Path) -> String {
    match Scene::open(directory) {
        Ok(scene) => inspect(detector, manifest, &scene),
        Err(error) => panic!("{error}"),
    }
}

/// [`inspect`] of a process that is described in the test itself, before the files of a scene.
///
/// # Panics
/// As [`inspect`].
#[must_use]
#[track_caller]
pub fn inspect_process(
    detector: &mut impl Detector,
    manifest: &str,
    process: &str,
    directory: &Path,
) -> String {
    match Scene::of(process, directory) {
        Ok(scene) => inspect(detector, manifest, &scene),
        Err(error) => panic!("{error}"),
    }
}

/// What was said, a line for each fact: `payload NAME` or `helper NAME`, `id`, `image`, `pod`, `project`, `restart`,
/// `uses LINK was TARGET`, `note`, `unknown`.
#[must_use]
pub fn rows(said: &Said) -> String {
    let mut text = said
        .instance
        .as_ref()
        .map(instance_rows)
        .unwrap_or_default();
    for used in &said.uses {
        let how = format!("{:?} {:?}", used.how, used.role).to_lowercase();
        match &used.what {
            What::Link { root, link, was } => {
                let root = format!("{root:?}").to_lowercase();
                let (link, was) = (link.escape_ascii(), was.escape_ascii());
                let _ = writeln!(text, "uses {how} {root}:{link} was {was}");
            }
            other => {
                let _ = writeln!(text, "uses {how} {other:?}");
            }
        }
    }
    for (label, lines) in [("note", &said.notes), ("unknown", &said.unknown)] {
        for line in lines {
            let _ = writeln!(text, "{label} {line}");
        }
    }
    text.trim_end().to_owned()
}

fn instance_rows(instance: &Instance) -> String {
    let part = match instance.part {
        Part::Payload => "payload",
        Part::Helper => "helper",
    };
    let mut text = format!("{part} {}\n", instance.name.escape_ascii());
    for (label, value) in [
        ("id", &instance.id),
        ("image", &instance.image),
        ("pod", &instance.pod),
        ("project", &instance.project),
    ] {
        if let Some(value) = value {
            let _ = writeln!(text, "{label} {}", value.escape_ascii());
        }
    }
    if let Some(template) = &instance.restart {
        let _ = writeln!(text, "restart {template}");
    }
    text
}

/// The strings of `host_files = […]`, which may run over lines.
fn host_files(manifest: &str) -> Vec<&str> {
    let after = manifest
        .split_once("host_files")
        .map_or("", |(_, after)| after);
    let list = after.split_once(']').map_or("", |(list, _)| list);
    list.split('"').skip(1).step_by(2).collect()
}

/// Whether a path matches a pattern in which `*` stands for anything but `/`.
fn matches(pattern: &[u8], path: &[u8]) -> bool {
    match pattern {
        [] => path.is_empty(),
        [b'*', rest @ ..] => {
            let reach = path.iter().take_while(|&&byte| byte != b'/').count();
            (0..=reach).any(|skipped| matches(rest, &path[skipped..]))
        }
        [first, rest @ ..] => path.first() == Some(first) && matches(rest, &path[1..]),
    }
}

struct Shown<'a> {
    scene: &'a Scene,
    patterns: Vec<&'a str>,
}

impl Shown<'_> {
    fn may(&self, root: Root, path: &[u8]) -> Result<(), Refused> {
        let named = |pattern: &&str| matches(pattern.as_bytes(), path);
        if root == Root::Process || self.patterns.iter().any(named) {
            Ok(())
        } else {
            Err(Refused::Denied)
        }
    }
}

impl FileView for Shown<'_> {
    fn read(&self, root: Root, path: &[u8]) -> Result<Vec<u8>, Refused> {
        self.may(root, path)?;
        self.scene.read(root, path)
    }
    fn read_at(&self, root: Root, path: &[u8], offset: u64, size: u32) -> Result<Vec<u8>, Refused> {
        self.may(root, path)?;
        self.scene.read_at(root, path, offset, size)
    }
    fn stat(&self, root: Root, path: &[u8]) -> Result<Stat, Refused> {
        self.may(root, path)?;
        self.scene.stat(root, path)
    }
    fn list(&self, root: Root, path: &[u8]) -> Result<Vec<Entry>, Refused> {
        self.may(root, path)?;
        self.scene.list(root, path)
    }
    fn read_link(&self, root: Root, path: &[u8]) -> Result<Vec<u8>, Refused> {
        self.may(root, path)?;
        self.scene.read_link(root, path)
    }
    fn memory(&self, address: u64, size: u32) -> Result<Vec<u8>, Refused> {
        self.scene.memory(address, size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let manifest = "[wants]\nhost_files = [\n  \"/a/*/c\",\n  \"/d*\",\n]\nother = [\"/x\"]\n";
        assert_eq!(host_files(manifest), ["/a/*/c", "/d*"]);
        assert!(matches(b"/a/*/c", b"/a/b/c"));
        assert!(!matches(b"/a/*/c", b"/a/b/b/c"));
        assert!(matches(b"/d*", b"/d"));
        assert!(!matches(b"/d*", b"/de/f"));
        assert!(host_files("name = 1").is_empty());
    }
}
