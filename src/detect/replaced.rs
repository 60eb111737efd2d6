//! Replaced code: the object that is mapped against the object that a fresh open of its path would give.

use std::borrow::Cow;
use std::collections::HashMap;

use super::lineage::image_starts;
use super::sources;
use crate::model::{
    Answers, Basis, Claim, Compared, Evidence, Facts, FileKind, FileStat, Finding, Fresh, Host,
    How, Kind, Look, Object, PathAnswer, Pid, Process, Role, Rule, StartTicks, Use, Verdict,
    WhyNot, is_same_object,
};

/// A file time within this after a process start is not newer: start times are cut to clock ticks of 10 ms, file times
/// to a timer tick of as much (`current_time()` of the kernel).
pub(super) const GRAIN_NS: i64 = 20_000_000;

/// Directories for files of the moment, where the birth time of a file that is gone may not be told.
const TEMPORARY: [&[u8]; 6] = [
    b"/tmp/",
    b"/var/tmp/",
    b"/run/",
    b"/dev/shm/",
    b"/home/",
    b"/root/",
];

/// Directories for code: a file there that was loaded late and is gone now was installed, not made by who loaded it.
const CODE: [&[u8]; 5] = [b"/usr/", b"/lib", b"/bin/", b"/sbin/", b"/opt/"];

/// Files are written within this after their birth; a later change of content is one.
pub const WRITING_NS: i64 = 5_000_000_000;

/// Judges all that was seen.
#[derive(Debug)]
pub struct Judge<'a> {
    facts: &'a Facts,
    answers: &'a Answers,
    starts: HashMap<Pid, StartTicks>,
    /// Objects that are current in, or excluded for, every process that maps them.
    settled: Vec<bool>,
}

/// What a process was judged by one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged<'a> {
    /// The process.
    pub process: &'a Process,
    /// Findings that are not simply current, in the order of the address space.
    pub findings: Vec<Finding>,
}

impl<'a> Judge<'a> {
    /// Prepares to judge. `answers` may be empty: then a change of attributes counts as no change, and a change of content
    /// as one; with answers, the digest that the package shipped decides.
    #[must_use]
    pub fn new(facts: &'a Facts, answers: &'a Answers) -> Self {
        let starts = image_starts(facts);
        let settled = settled_objects(facts, &starts);
        Self {
            facts,
            answers,
            starts,
            settled,
        }
    }

    /// Since when a process runs its code: the start of the eldest ancestor of which it is a fork without exec.
    #[must_use]
    pub fn started(&self, process: &Process) -> StartTicks {
        let started = self.starts.get(&process.key.pid);
        started.copied().unwrap_or(process.key.started)
    }

    /// The verdict on every object of a process, current ones too.
    pub fn verdicts(&self, process: &Process) -> Vec<Finding> {
        let started = self.started(process);
        let started_ns = self.facts.host.clock.file_time_ns(started);
        let of = |one: &Use| {
            let object = self.facts.objects.get(one.object.0 as usize)?;
            let verdict = judge_object(
                object,
                one.program,
                started_ns,
                &self.facts.host,
                self.claims(object, started_ns).as_deref(),
            );
            Some(Finding {
                process: process.key,
                object: one.object,
                program: one.program,
                source: None,
                sure: true,
                verdict,
            })
        };
        let mapped = process.uses.iter().filter_map(of);
        mapped.chain(self.verdicts_on_sources(process)).collect()
    }

    /// The verdict on every file that a process runs without having code of it mapped.
    pub fn verdicts_on_sources(&self, process: &Process) -> impl Iterator<Item = Finding> {
        let started = self.started(process);
        let started_ns = self.facts.host.clock.file_time_ns(started);
        process
            .sources
            .iter()
            .zip(0..)
            .filter_map(move |(source, index)| {
                let object = self.facts.objects.get(source.object.0 as usize)?;
                let (verdict, sure) = match source.evidence {
                    Evidence::Object => {
                        let owned = self.claims(object, started_ns);
                        let host = &self.facts.host;
                        (
                            judge_object(object, false, started_ns, host, owned.as_deref()),
                            true,
                        )
                    }
                    Evidence::Path => sources::judge_path(object, source, started_ns, self.answers),
                    Evidence::Link => (sources::judge_link(object), true),
                };
                Some(Finding {
                    process: process.key,
                    object: source.object,
                    program: source.role == Role::Script,
                    source: Some(index),
                    sure: sure && source.how != How::Possible,
                    verdict,
                })
            })
    }

    /// Every process with the verdicts on it that are worth a word: stale, same code, unknown.
    pub fn all(&self) -> Vec<Judged<'a>> {
        let noteworthy = |finding: &Finding| {
            !matches!(finding.verdict, Verdict::Current | Verdict::NotJudged(_))
        };
        let is_settled = |one: &Use| self.settled.get(one.object.0 as usize) == Some(&true);
        let open = |process: &&Process| {
            !process.sources.is_empty() || !process.uses.iter().all(is_settled)
        };
        let judged = self
            .facts
            .processes
            .iter()
            .filter(open)
            .map(|process| Judged {
                process,
                findings: self
                    .verdicts(process)
                    .into_iter()
                    .filter(noteworthy)
                    .collect(),
            });
        judged
            .filter(|judged| !judged.findings.is_empty())
            .collect()
    }

    /// What the package stores of its own root say of an object's path. A digest speaks for the version that is
    /// installed now: it says nothing of what a process mapped before its package changed.
    fn claims(&self, object: &Object, started_ns: i64) -> Option<Cow<'a, PathAnswer>> {
        let said = self.answers.for_object(object)?;
        let answer = said.of(object.path.as_ref()?)?;
        let PathAnswer::Owned(claims) = answer else {
            return Some(Cow::Borrowed(answer));
        };
        let changed = |claim: &Claim| {
            said.changes.iter().any(|change| {
                change.name == claim.name && change.at.nanos_since_epoch() > started_ns
            })
        };
        if !claims.iter().any(changed) {
            return Some(Cow::Borrowed(answer));
        }
        let blind = claims.iter().map(|claim| Claim {
            intact: None,
            ..claim.clone()
        });
        Some(Cow::Owned(PathAnswer::Owned(blind.collect())))
    }
}

impl Judged<'_> {
    /// Whether any object is stale.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.findings
            .iter()
            .any(|finding| matches!(finding.verdict, Verdict::Stale(_)))
    }
}

/// Objects on which the verdict is the same for every process: most of a machine's, so that few processes have to be
/// judged one by one.
fn settled_objects(facts: &Facts, starts: &HashMap<Pid, StartTicks>) -> Vec<bool> {
    let mut oldest = vec![StartTicks(u64::MAX); facts.objects.len()];
    for process in &facts.processes {
        let started = starts
            .get(&process.key.pid)
            .copied()
            .unwrap_or(process.key.started);
        for one in &process.uses {
            if let Some(oldest) = oldest.get_mut(one.object.0 as usize) {
                *oldest = started.min(*oldest);
            }
        }
    }
    let of = |(object, oldest): (&Object, StartTicks)| {
        is_settled(object, facts.host.clock.file_time_ns(oldest), &facts.host)
    };
    facts.objects.iter().zip(oldest).map(of).collect()
}

/// Whether an object is excluded by what it is, or is the very object at its path, not touched since the oldest process
/// that maps it started. [`judge_object`] says the same, for each of them.
pub(super) fn is_settled(object: &Object, oldest_ns: i64, host: &Host) -> bool {
    let look = &object.look;
    if excluded(object, host).is_some() {
        return true;
    }
    let Fresh::Found(fresh) = &look.fresh else {
        return false;
    };
    let changed = look.mapped.as_ref().unwrap_or(fresh).ctime;
    look.mapped != Err(WhyNot::Vanished)
        && look.start_name.is_none()
        && fresh.links != 0
        && changed.nanos_since_epoch() <= oldest_ns
        && is_same_object(look, object.device, object.inode)
}

/// The verdict on one object in one process.
///
/// `started_ns` is since when the process runs its code, as a file time.
pub fn judge_object(
    object: &Object,
    program: bool,
    started_ns: i64,
    host: &Host,
    owned: Option<&PathAnswer>,
) -> Verdict {
    let look = &object.look;
    if let Some(rule) = excluded(object, host) {
        return Verdict::NotJudged(rule);
    }
    if look.mapped == Err(WhyNot::Vanished) {
        return Verdict::Unknown(WhyNot::Vanished);
    }
    match &look.fresh {
        Fresh::Unknown(why) => Verdict::Unknown(why.clone()),
        Fresh::Missing => judge_missing(object, program, started_ns),
        Fresh::Found(_) if is_same_object(look, object.device, object.inode) => {
            judge_same(look, started_ns, owned)
        }
        Fresh::Found(fresh) => judge_other(look, fresh, owned),
    }
}

/// Objects that no fresh start would load from a file. Told by what they are, not by their names.
fn excluded(object: &Object, host: &Host) -> Option<Rule> {
    if host.memory_devices.contains(&object.device) {
        return Some(Rule::KernelMemory);
    }
    if object
        .look
        .mount
        .as_ref()
        .is_some_and(|mount| is_own_image(mount.kind.as_slice()))
    {
        return Some(Rule::OwnImage);
    }
    match &object.look.mapped {
        Ok(stat) if stat.kind == FileKind::Other => return Some(Rule::NotAFile),
        Ok(stat) if stat.links == 0 && is_never_named(object) => return Some(Rule::NeverNamed),
        Ok(_) => {}
        // Names of objects that lie in no directory have no slash: anon_inode:[perf_event].
        Err(_) if !object.name.as_slice().starts_with(b"/") => return Some(Rule::NotAFile),
        Err(_) if is_never_named(object) => return Some(Rule::NeverNamed),
        Err(_) => {}
    }
    None
}

/// Images that a program mounts for itself by FUSE and that nothing upgrades underneath it.
fn is_own_image(kind: &[u8]) -> bool {
    let Some(subtype) = kind.strip_prefix(b"fuse.") else {
        return false;
    };
    subtype.ends_with(b".AppImage") || subtype.starts_with(b"squashfuse")
}

/// The kernel names a file made with O_TMPFILE `#` and its inode number (fs/dcache.c, d_mark_tmpfile()).
fn is_never_named(object: &Object) -> bool {
    let name = object.name.as_slice();
    let name = name.strip_suffix(b" (deleted)").unwrap_or(name);
    let base = name.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    base == format!("#{}", object.inode).as_bytes()
}

fn judge_missing(object: &Object, program: bool, started_ns: i64) -> Verdict {
    let look = &object.look;
    if let (Err(why), false) = (&look.mapped, program || !may_be_temporary(object)) {
        // It may be one that the program made for itself: the object would tell.
        return Verdict::Unknown(why.clone());
    }
    if !program && is_own_temporary(object, started_ns) {
        return Verdict::NotJudged(Rule::OwnTemporaryFile);
    }
    if look.mounted == Some(false) {
        return Verdict::Stale(Kind::Detached);
    }
    // The version is part of its name: where its SONAME leads now lies the same code under another name.
    match look.start_name.as_ref().map(|start| start.content) {
        Some(Compared::SameBytes) => Verdict::SameCode(Basis::Bytes),
        Some(Compared::SameSegments) => Verdict::SameCode(Basis::Segments),
        _ => Verdict::Stale(Kind::Gone),
    }
}

/// Whether a path lies where programs put files of the moment.
fn may_be_temporary(object: &Object) -> bool {
    let under = |place: &&[u8]| {
        object
            .path
            .as_ref()
            .is_some_and(|path| path.as_slice().starts_with(place))
    };
    TEMPORARY.iter().any(under)
}

/// Whether a path lies where packages and administrators put code, and programs nothing of the moment.
fn is_code_path(object: &Object) -> bool {
    let under = |place: &&[u8]| {
        object
            .path
            .as_ref()
            .is_some_and(|path| path.as_slice().starts_with(place))
    };
    CODE.iter().any(under)
}

/// A file that was born after the program started and has no name any more: the program made it for itself (JNI, JIT).
fn is_own_temporary(object: &Object, started_ns: i64) -> bool {
    match &object.look.mapped {
        Ok(FileStat {
            btime: Some(born), ..
        }) => {
            born.nanos_since_epoch() > started_ns.saturating_add(GRAIN_NS) && !is_code_path(object)
        }
        // Without a time of birth the place has to tell.
        _ => may_be_temporary(object),
    }
}

/// The very object is at its path: has it changed since, or was it renamed away from where it was started?
fn judge_same(look: &Look, started_ns: i64, owned: Option<&PathAnswer>) -> Verdict {
    let (Ok(stat) | Err(stat)) = match (&look.mapped, &look.fresh) {
        (Ok(stat), _) => Ok(stat),
        (Err(_), Fresh::Found(stat)) => Err(stat),
        _ => return Verdict::Current,
    };
    let newer = |time: crate::model::Timestamp| {
        time.nanos_since_epoch() > started_ns.saturating_add(GRAIN_NS)
    };
    if let Some(verdict) = judge_start_name(look, started_ns) {
        return verdict;
    }
    // A file that has no name and is found by one: the layer below a stacked file system was changed.
    if matches!(&look.fresh, Fresh::Found(fresh) if fresh.links == 0) {
        let what = "the layer below its stacked file system was changed underneath";
        return Verdict::Unknown(WhyNot::Failed(what.to_owned()));
    }
    if !newer(stat.ctime) {
        return Verdict::Current;
    }
    // Born after the start: mapped later, by exec or dlopen. Whether its content changed before that or after, its times
    // do not tell; only a content that its package shipped, or that was written in one go, is whole for sure.
    if let Some(born) = stat
        .btime
        .filter(|born| born.nanos_since_epoch() > started_ns)
    {
        let written_later =
            stat.mtime.nanos_since_epoch() > born.nanos_since_epoch().saturating_add(WRITING_NS);
        return match intact(owned) {
            Some(true) => Verdict::Current,
            Some(false) if written_later => Verdict::Stale(Kind::Overwritten),
            None if written_later => {
                let what = "it was written to after it was installed, maybe after it was loaded";
                Verdict::Unknown(WhyNot::Failed(what.to_owned()))
            }
            _ => Verdict::Current,
        };
    }
    match (newer(stat.mtime), intact(owned)) {
        (_, Some(true)) => Verdict::SameCode(Basis::Attributes),
        (true, _) | (false, Some(false)) => Verdict::Stale(Kind::Overwritten),
        // Times of attributes only, and no package to ask: chmod, a new hard link, a rename.
        (false, None) => Verdict::Current,
    }
}

/// The object is where it was, but would a fresh start find another one by the name it is started by?
fn judge_start_name(look: &Look, started_ns: i64) -> Option<Verdict> {
    let start = look.start_name.as_ref()?;
    let led = match &start.found {
        Ok(led) => led,
        Err(why) => return Some(Verdict::Unknown(why.clone())),
    };
    // Only what came to the name since can have taken the place of what runs.
    let is_new = led.since_ns > started_ns.saturating_add(GRAIN_NS);
    let differs = matches!(start.content, Compared::Different | Compared::Unreadable);
    (is_new && differs).then_some(match led.alternatives {
        true => Verdict::Stale(Kind::Alternative),
        false => Verdict::Stale(Kind::PathChanged),
    })
}

/// Whether the file on disk is what its package shipped; `None` if no digest tells.
fn intact(owned: Option<&PathAnswer>) -> Option<bool> {
    let Some(PathAnswer::Owned(claims)) = owned else {
        return None;
    };
    let known: Vec<bool> = claims
        .iter()
        .filter_map(|claim: &Claim| claim.intact)
        .collect();
    (!known.is_empty()).then(|| known.contains(&true))
}

/// Another object is at the path.
fn judge_other(look: &Look, fresh: &FileStat, owned: Option<&PathAnswer>) -> Verdict {
    if fresh.kind == FileKind::Other {
        return Verdict::Unknown(WhyNot::Failed(
            "what is at its path now is no regular file".to_owned(),
        ));
    }
    match look.content {
        Compared::SameBytes => Verdict::SameCode(Basis::Bytes),
        Compared::SameSegments => Verdict::SameCode(Basis::Segments),
        // A build-id is a claim of the file's maker: it counts for files of packages.
        Compared::SameBuildId if matches!(owned, Some(PathAnswer::Owned(_))) => {
            Verdict::SameCode(Basis::BuildId)
        }
        Compared::SameBuildId | Compared::Different | Compared::Unreadable | Compared::NotAsked => {
            if let Err(why) = &look.mapped
                && may_print_other_numbers(look)
            {
                return Verdict::Unknown(why.clone());
            }
            Verdict::Stale(Kind::Replaced)
        }
    }
}

/// Without the mapped object itself only the numbers in maps tell, and on a stacked file system they may be those of the
/// layer below (overlay before Linux 6.8).
fn may_print_other_numbers(look: &Look) -> bool {
    look.content != Compared::Different
        && look
            .mount
            .as_ref()
            .is_none_or(|mount| matches!(mount.kind.as_slice(), b"overlay" | b"aufs"))
}
