//! Roots of views other than the host's: who has which, and how one is opened for somebody who asks what lies below it.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::deadline;
use super::look::Place;
use crate::model::{Bytes, Device, Mount, ViewId, WhyNot};
use crate::view::Base;
use crate::view::ProcRoot;
use crate::view::mounts::may_hang;
use crate::view::stat_of;
use crate::view::why;

/// How many roots are looked into.
const ROOTS: usize = 32;
/// How long the questions to one root may take, and those to all.
const ROOT_LIMIT: Duration = Duration::from_secs(2);
const ALL_LIMIT: Duration = Duration::from_secs(6);
/// Whoever reads ends at the limit on its own accord; who is stuck in the kernel does not.
const GRACE: Duration = Duration::from_millis(200);

/// The views as they were when the scan was over.
#[derive(Debug)]
pub struct Roots {
    proc: Arc<ProcRoot>,
    places: Vec<Arc<Place>>,
}

/// A root other than the host's.
#[derive(Debug)]
pub struct Seat {
    /// The views that have it.
    pub views: Vec<ViewId>,
    places: Vec<Arc<Place>>,
}

impl Roots {
    pub(super) fn new(proc: Arc<ProcRoot>, places: Vec<Arc<Place>>) -> Self {
        Self { proc, places }
    }

    /// The roots of these views, leaving out the host's: in another mount namespace too the host's root holds the
    /// host's stores. Those of the reader's own user namespace come first.
    #[must_use]
    pub fn seats(&self, views: impl IntoIterator<Item = ViewId>) -> Vec<Seat> {
        let mut seats: BTreeMap<(Device, u64), Seat> = BTreeMap::new();
        for view in views {
            let Some(place) = self.places.get(view.0 as usize) else {
                continue;
            };
            let Base::Tasks { root: Some(id), .. } = &place.base else {
                continue;
            };
            if place.host_path.is_some() {
                continue;
            }
            let seat = seats.entry(*id).or_insert_with(|| Seat {
                views: Vec::new(),
                places: Vec::new(),
            });
            seat.views.push(view);
            seat.places.push(Arc::clone(place));
        }
        let mut seats: Vec<Seat> = seats.into_values().collect();
        let is_own = |place: &Arc<Place>| place.base.is_of_own_users(&self.proc);
        seats.sort_by_cached_key(|seat| !seat.places.iter().any(is_own));
        seats
    }

    /// The mount that a root lies on, as its views see it; `None` where they do not see it (below a chroot).
    #[must_use]
    pub fn mount_of(&self, seat: &Seat) -> Option<Mount> {
        let mut mounts = seat.places.iter().map(|place| place.mounts(&self.proc));
        mounts.find_map(|mounts| mounts.under(b"/").cloned())
    }

    /// Lets `ask` look below each root, one after the other, until the time is up that it is given. `None` for what it
    /// failed on.
    pub fn ask_each<J, R>(
        self,
        jobs: Vec<(Seat, J)>,
        ask: impl Fn(OwnedFd, Instant, &J) -> R + Clone + Send + Sync + 'static,
    ) -> Vec<(Vec<ViewId>, J, Result<R, WhyNot>)>
    where
        J: Clone + Send + Sync + 'static,
        R: Send + 'static,
    {
        let begun = Instant::now();
        let one = |(at, (seat, job)): (usize, (Seat, J))| {
            let limit = ROOT_LIMIT.min(ALL_LIMIT.saturating_sub(begun.elapsed()));
            let views = seat.views.clone();
            if at >= ROOTS {
                let what = "too many other roots have stale files";
                return (views, job, Err(WhyNot::Failed(what.to_owned())));
            }
            if limit.is_zero() {
                return (views, job, Err(WhyNot::TimedOut));
            }
            let (proc, all) = (Arc::clone(&self.proc), self.places.clone());
            let (ask, end) = (ask.clone(), Instant::now() + limit);
            let work = move |(seat, job): &(Seat, J)| {
                open_seat(&proc, seat, &all).map(|dir| ask(dir, end, job))
            };
            // One at a time, so that what each may keep in memory is not kept many times.
            let limit = limit + GRACE;
            let work_on = vec![(seat, job.clone())];
            let done = deadline::run(work_on, 1, limit, limit, work);
            let answer = done.results.into_iter().next().flatten();
            (views, job, answer.unwrap_or(Err(WhyNot::TimedOut)))
        };
        jobs.into_iter().enumerate().map(one).collect()
    }
}

fn mount_of(proc: &ProcRoot, place: &Place, dir: &OwnedFd) -> Option<Mount> {
    let id = stat_of(dir).ok()?.stx_mnt_id;
    place.mounts(proc).by_id(id).cloned()
}

/// Opens a root through the first of its views that has a process left, unless what lies below it may hang.
fn open_seat(proc: &ProcRoot, seat: &Seat, all: &[Arc<Place>]) -> Result<OwnedFd, WhyNot> {
    let mut last = WhyNot::Vanished;
    for place in &seat.places {
        match place.base.open(proc) {
            Ok(dir) => {
                refuse_hanging(proc, place, &dir, all)?;
                return Ok(dir);
            }
            Err(Errno::SRCH) => {}
            Err(error) => last = why(error),
        }
    }
    Err(last)
}

/// Where package stores and their logs are: an automount on the way to one would be set off.
const WAYS: [&[u8]; 9] = [
    b"/var/lib/dpkg",
    b"/var/lib/rpm",
    b"/var/lib/dnf",
    b"/usr/lib/sysimage/rpm",
    b"/usr/lib/sysimage/libdnf5",
    b"/usr/share/rpm",
    b"/var/log/apt",
    b"/var/log/zypp",
    b"/etc/localtime",
];

fn refuse_hanging(
    proc: &ProcRoot,
    place: &Place,
    dir: &OwnedFd,
    all: &[Arc<Place>],
) -> Result<(), WhyNot> {
    let mounts = place.mounts(proc);
    if mounts.is_unreadable() {
        let what = "its mounts cannot be read";
        return Err(WhyNot::Failed(what.to_owned()));
    }
    // Below a chroot the mount of the root is not among those that its processes see: others see it.
    let own = mount_of(proc, place, dir).or_else(|| {
        let mut wholes = all.iter().filter(|place| place.whole);
        wholes.find_map(|place| mount_of(proc, place, dir))
    });
    let on_way = WAYS.iter().filter_map(|way| mounts.under(way));
    let hangs = |kind: &Bytes| may_hang(kind.as_slice());
    match own
        .iter()
        .chain(on_way)
        .map(|mount| &mount.kind)
        .find(|kind| hangs(kind))
    {
        Some(kind) => Err(WhyNot::MayHang(kind.clone())),
        None => Ok(()),
    }
}
