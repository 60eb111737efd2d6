//! Process → snaps.

#![forbid(unsafe_code)]

use unstale_plugin::instance::{components, groups};
use unstale_plugin::{
    Detector, FileView, How, Instance, Part, Process, Report, Role, Root, Used, What,
};

use crate::name::{MOUNTS, Revision, parse_group, parse_path};

/// A process of a classic snap has code of its base and of snapd's tools beside its own; more than this is no snap's.
const REVISIONS: usize = 16;

/// Says which revisions of snaps a process runs.
#[derive(Debug, Default)]
pub struct Snap;

impl Detector for Snap {
    fn inspect(&mut self, process: &Process, files: &dyn FileView, report: &mut dyn Report) {
        let runtime = process.container.as_ref().map(|it| it.runtime.as_str());
        let own_world = matches!(runtime, None | Some("snap"));
        // Inside a container there may be snaps, too; the host's are others. Helpers that come from snaps see them as well.
        let root = if own_world { Root::Host } else { Root::Process };
        let own = own_revision(process);
        for found in revisions(process, own) {
            report.uses(Used {
                what: link(root, found, files),
                role: Role::Revision,
                how: How::Loaded,
                via: None,
            });
        }
        // The container, or what a helper keeps, is for another detector to name.
        let Some(own) = own.filter(|_| own_world) else {
            return;
        };
        let app = app(process, own.snap);
        report.instance(Instance {
            name: app.unwrap_or_else(|| own.snap.to_vec()),
            image: Some([own.snap, b" ", own.revision].concat()),
            part: Part::Payload,
            ..Instance::default()
        });
    }
}

/// The revision that the process is a program of: by its own program, or for interpreters of the base by what snapd put
/// into its environment.
fn own_revision(process: &Process) -> Option<Revision<'_>> {
    let exe = parse_path(&process.exe).filter(|found| !is_base(found.snap));
    exe.or_else(|| {
        let inside =
            groups(process).any(|group| components(group).any(|part| parse_group(part).is_some()));
        parse_path(process.env(b"SNAP").filter(|_| inside)?)
    })
    .or_else(|| parse_path(&process.exe))
}

/// What is there for others to run on.
fn is_base(snap: &[u8]) -> bool {
    let number = snap.strip_prefix(b"core");
    matches!(snap, b"snapd" | b"bare")
        || number.is_some_and(|rest| rest.iter().all(u8::is_ascii_digit))
}

/// All revisions that the process has code of, its own first.
fn revisions<'a>(process: &'a Process, own: Option<Revision<'a>>) -> Vec<Revision<'a>> {
    let mut found: Vec<Revision<'a>> = own.into_iter().collect();
    let paths = std::iter::once(&process.exe).chain(process.code.iter().map(|code| &code.path));
    for revision in paths.filter_map(|path| parse_path(path)) {
        if found.len() < REVISIONS && !found.contains(&revision) {
            found.push(revision);
        }
    }
    found
}

/// The link that a refresh moves. In the mount namespace of a snap it is `/snap` on all distributions; on the host it may
/// lie elsewhere. If there is none, the snap was removed.
fn link(root: Root, found: Revision<'_>, files: &dyn FileView) -> What {
    let directory = |mount: &str| [mount.as_bytes(), b"/", found.snap, b"/"].concat();
    let current = |mount: &str| [directory(mount).as_slice(), b"current"].concat();
    let there = |mount: &&str| files.read_link(root, &current(mount)).is_ok();
    let mount = MOUNTS.into_iter().find(there).unwrap_or(MOUNTS[0]);
    What::Link {
        root,
        link: current(mount),
        was: [directory(mount).as_slice(), found.revision].concat(),
    }
}

/// The app by the process's group, if that is one of this snap.
fn app(process: &Process, snap: &[u8]) -> Option<Vec<u8>> {
    let of_snap = |app: &Vec<u8>| {
        app.strip_prefix(snap)
            .is_some_and(|rest| rest.starts_with(b"."))
    };
    let mut apps = groups(process).flat_map(components).filter_map(parse_group);
    apps.find(of_snap)
}
