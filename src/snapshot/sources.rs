//! A look at a file that is known by its path alone, or by a link.

use std::sync::Arc;

use super::look::{Place, empty_look, is_on_host, led, take_fresh};
use crate::model::{Bytes, Compared, FileKind, FileStat, Fresh, Led, Look, StartName, WhyNot};
use crate::view::ProcRoot;
use crate::view::why;
use crate::view::{self, Lost};
use crate::view::{file_stat, why_lost};

/// How a detector named a file.
#[derive(Debug, Clone)]
pub(super) enum Named {
    /// By a path in the view of the process.
    Path(Bytes),
    /// As what a link led to.
    Link {
        /// The host, if the link is one of its files.
        host: Option<Arc<Place>>,
        link: Bytes,
        was: Bytes,
    },
}

/// The path that is meant, without links, and what is there.
pub(super) fn look(proc: &ProcRoot, place: &Place, named: &Named) -> (Option<Bytes>, Look) {
    match named {
        Named::Path(path) => look_at_path(proc, place, path),
        Named::Link { host, link, was } => {
            look_at_link(proc, host.as_deref().unwrap_or(place), link, was)
        }
    }
}

fn look_at_path(proc: &ProcRoot, place: &Place, path: &Bytes) -> (Option<Bytes>, Look) {
    // Nothing holds the object.
    let mut look = empty_look(Err(WhyNot::NotRecorded));
    let mounts = place.mounts(proc);
    look.mount = mounts.under(path.as_slice()).cloned();
    let root = match place.base.open(proc) {
        Ok(root) => root,
        Err(error) => {
            look.fresh = Fresh::Unknown(why(error));
            return (Some(path.clone()), look);
        }
    };
    // Most have no link on their way, and are found in one call.
    if let Ok(found) = view::open_plain(&root, path.as_slice(), mounts) {
        let real = Bytes(unstale_plugin::join(b"/", path.as_slice()));
        let stat = file_stat(&found.stat);
        let since_ns = place.came_ns(proc, &root, view::directory_of(real.as_slice()));
        look.start_name = Some(way(path, &real, &stat, since_ns, false));
        take_fresh(&mut look, stat, mounts);
        look.on_host = is_on_host(proc, place, &real, &look);
        return (Some(real), look);
    }
    match view::follow(&root, path.as_slice(), mounts) {
        Err(Lost::Missing) => {
            look.fresh = Fresh::Missing;
            look.on_host = is_on_host(proc, place, path, &look);
            (Some(path.clone()), look)
        }
        Err(lost) => {
            look.fresh = Fresh::Unknown(why_lost(lost));
            (Some(path.clone()), look)
        }
        Ok((found, trail)) => {
            let real = Bytes(trail.path.clone());
            let stat = file_stat(&found.stat);
            let came_ns = place.came_ns(proc, &root, view::directory_of(real.as_slice()));
            let since_ns = trail
                .links_ns
                .map_or(came_ns, |links_ns| links_ns.max(came_ns));
            look.start_name = Some(way(path, &real, &stat, since_ns, trail.alternatives));
            take_fresh(&mut look, stat, mounts);
            look.on_host = is_on_host(proc, place, &real, &look);
            (Some(real), look)
        }
    }
}

/// How a name leads to its file, and since when: by the links on the way, and by the directories. The file's own times tell
/// nothing of either.
fn way(
    name: &Bytes,
    real: &Bytes,
    stat: &FileStat,
    since_ns: i64,
    alternatives: bool,
) -> StartName {
    let led = Led {
        path: real.clone(),
        stat: stat.clone(),
        since_ns,
        alternatives,
    };
    StartName {
        path: name.clone(),
        found: Ok(led),
        content: Compared::NotAsked,
    }
}

fn look_at_link(
    proc: &ProcRoot,
    place: &Place,
    link: &Bytes,
    was: &Bytes,
) -> (Option<Bytes>, Look) {
    let mut look = empty_look(Err(WhyNot::NotRecorded));
    look.on_host = false; // an image is no package's
    let mounts = place.mounts(proc);
    let root = match place.base.open(proc) {
        Ok(root) => root,
        Err(error) => {
            look.fresh = Fresh::Unknown(why(error));
            return (Some(was.clone()), look);
        }
    };
    let old = view::follow(&root, was.as_slice(), mounts);
    look.fresh = match &old {
        Ok((found, _)) => Fresh::Found(file_stat(&found.stat)),
        Err(Lost::Missing) => Fresh::Missing,
        // What it was need not be there any more; where the link leads now decides.
        Err(_) => Fresh::Missing,
    };
    let old = old.map_or_else(|_| was.clone(), |(_, trail)| Bytes(trail.path));
    let found = match view::follow(&root, link.as_slice(), mounts) {
        Err(Lost::Missing) => return (Some(old), look),
        Err(lost) => Err(why_lost(lost)),
        Ok((found, trail)) => {
            let mut stat = file_stat(&found.stat);
            stat.kind = FileKind::Other;
            Ok(led(trail, stat))
        }
    };
    look.start_name = Some(StartName {
        path: link.clone(),
        found,
        content: Compared::NotAsked,
    });
    (Some(old), look)
}
