//! Sees, judges for a first time to know what matters, and asks the package stores about that alone.

use std::collections::BTreeSet;
use std::path::Path;

use super::beside::{self, Extras};
use super::detectors::Detectors;
use super::explain::{self, Target};
use super::next::Looking;
use super::roots;
use crate::bundle::Bundle;
use crate::detect::{Judge, WRITING_NS};
use crate::model::{
    Answers, Facts, Finding, Fresh, Kind, Object, ObjectId, Pid, Process, ProcessKey, StartTicks,
    Timestamp, Verdict, WhyNot, is_same_object,
};
use crate::packages::{self, Questions};
use crate::problem::Problem;
use crate::snapshot::{Options, Scanner};

/// A process that keeps becoming another one is looked at so many times.
const TRIES: usize = 3;

/// What the caller wants to know.
#[derive(Debug, Clone)]
pub(super) enum Interest {
    /// What is stale; only of the caller's own processes if so asked.
    Stale {
        /// Whether to look at the caller's processes alone.
        own_only: bool,
    },
    /// What is stale, and what those want to know besides who talk as other programs do.
    Dialect(Extras),
    /// Everything, for a bundle.
    Everything,
    /// Everything about one thing.
    Target(Target),
}

impl Interest {
    /// Whether the machine as a whole is asked about: kernel, microcode, what would boot.
    fn is_of_machine(&self) -> bool {
        match self {
            Self::Stale { own_only } => !own_only,
            Self::Dialect(extras) => !extras.own_only || extras.machine,
            Self::Everything => true,
            Self::Target(_) => false,
        }
    }

    /// Whether the caller's processes alone matter.
    fn is_own_only(&self) -> bool {
        match self {
            Self::Stale { own_only } => *own_only,
            Self::Dialect(extras) => extras.own_only,
            Self::Everything | Self::Target(_) => false,
        }
    }

    /// Whether only what is stale matters of processes.
    fn is_of_stale(&self) -> bool {
        matches!(self, Self::Stale { .. } | Self::Dialect(_))
    }

    fn extras(&self) -> Extras {
        match self {
            Self::Dialect(extras) => *extras,
            Self::Stale { .. } | Self::Everything | Self::Target(_) => Extras::default(),
        }
    }
}

/// One whole look at the machine.
pub(super) fn gather(
    options: Options,
    root: &Path,
    interest: &Interest,
    mut detectors: Detectors<'_>,
    reboot: &crate::config::Reboot,
) -> Result<Bundle, Problem> {
    let mut scanner = Scanner::open(options.clone())?;
    // What would boot is asked meanwhile: it is no matter of processes.
    let looking = interest
        .is_of_machine()
        .then(|| Looking::begin(&options, scanner.clock(), root, reboot));
    scanner.scan(interest.is_own_only());
    detectors.prepare(&mut scanner);
    settle(&mut scanner);
    detectors.look_at_all(&mut scanner);
    let extras = interest.extras();
    let held = match extras.deleted {
        true => scanner.removed_files(),
        false => beside::Held::new(),
    };
    let wanted = scanner.with_facts(|facts| match interest {
        Interest::Stale { .. } | Interest::Dialect(_) => {
            let mut matter = suspects(facts);
            matter.extend(held.keys().copied());
            let touched: Vec<ObjectId> = touched(facts).into_iter().map(|(id, _)| id).collect();
            matter.extend(users_of(facts, &touched));
            let parents = parents_of(facts, &matter);
            matter.into_iter().chain(parents).collect()
        }
        Interest::Everything | Interest::Target(_) => {
            facts.processes.iter().map(|process| process.key).collect()
        }
    });
    scanner.add_details(&wanted);
    detectors.look_at_owned(&mut scanner);
    let besides = beside::see(&mut scanner, extras, held, &wanted);
    let roots = scanner.roots();
    let mut facts = scanner.into_facts();
    facts.beside = besides;
    detectors.into_runs(&mut facts);
    if interest.is_of_stale() {
        forget_current(&mut facts);
    }
    let (matters, files_of) = match interest {
        Interest::Stale { .. } | Interest::Dialect(_) | Interest::Everything => {
            (matters(&facts, &[]), None)
        }
        Interest::Target(target) => (about(&facts, root, target), target.package()),
    };
    let mut questions = questions(&facts, &matters, |object| object.look.on_host);
    let core = looking.map(|looking| looking.end(&mut facts, &mut questions));
    questions.files_of.extend(files_of.map(str::to_owned));
    if extras.packages {
        beside::ask_owners(&facts, &mut questions);
    }
    let (mut answers, problems) = packages::ask(root, &questions);
    facts.problems.extend(problems);
    if extras.packages {
        beside::files(root, &facts, &mut answers);
    }
    answers.roots = roots::ask(roots, &facts, &matters);
    answers.core = core.unwrap_or_default();
    Ok(Bundle::new(facts, answers))
}

/// Takes away what detectors named and nothing has happened to: a check says nothing of it. The script stays, it is the
/// name of what runs.
fn forget_current(facts: &mut Facts) {
    let answers = Answers::default();
    let judge = Judge::new(facts, &answers);
    let verdicts = facts.processes.iter().map(|process| {
        let verdicts = judge.verdicts_on_sources(process);
        let is_needed = |one: Finding| one.program || one.verdict != Verdict::Current;
        verdicts.map(is_needed).collect()
    });
    let needed: Vec<Vec<bool>> = verdicts.collect();
    for (process, needed) in facts.processes.iter_mut().zip(needed) {
        let mut needed = needed.into_iter();
        process.sources.retain(|_| needed.next() == Some(true));
    }
}

/// Looks again at what is about to be reported, until it stays what it is.
fn settle(scanner: &mut Scanner) {
    let mut changed = BTreeSet::new();
    for _ in 0..TRIES {
        let suspects = scanner.with_facts(suspects);
        changed = scanner.recheck(&suspects);
        if changed.is_empty() {
            return;
        }
    }
    scanner.give_up(&changed);
}

/// Processes with anything stale, or anything that could not be looked at because somebody else ended.
fn suspects(facts: &Facts) -> BTreeSet<ProcessKey> {
    let answers = Answers::default();
    let is_suspect = |finding: &Finding| {
        matches!(
            finding.verdict,
            Verdict::Stale(_) | Verdict::Unknown(WhyNot::Vanished)
        )
    };
    let judged = Judge::new(facts, &answers).all();
    let suspects = judged
        .iter()
        .filter(|judged| judged.findings.iter().any(is_suspect));
    suspects.map(|judged| judged.process.key).collect()
}

/// Processes that have any of these objects mapped.
fn users_of(facts: &Facts, objects: &[ObjectId]) -> Vec<ProcessKey> {
    let mut wanted = vec![false; facts.objects.len()];
    objects.iter().for_each(|id| wanted[id.0 as usize] = true);
    let uses_any =
        |process: &&Process| process.uses.iter().any(|one| wanted[one.object.0 as usize]);
    let users = facts.processes.iter().filter(uses_any);
    users.map(|process| process.key).collect()
}

/// Managers without control groups are known by their children.
fn parents_of(facts: &Facts, keys: &BTreeSet<ProcessKey>) -> Vec<ProcessKey> {
    let children = facts
        .processes
        .iter()
        .filter(|process| keys.contains(&process.key));
    let pids: BTreeSet<Pid> = children.map(|process| process.ppid).collect();
    let all = facts.processes.iter().map(|process| process.key);
    all.filter(|key| pids.contains(&key.pid)).collect()
}

/// What to ask about everything that a target has mapped, current or not.
fn about(facts: &Facts, root: &Path, target: &Target) -> Vec<Matter> {
    let (named, _) = match target.package() {
        Some(name) => packages::ask(
            root,
            &Questions {
                files_of: [name.to_owned()].into(),
                ..Questions::default()
            },
        ),
        None => (Answers::default(), Vec::new()),
    };
    let wanted = explain::select_from(facts, &named, target);
    let objects: Vec<ObjectId> = facts
        .processes
        .iter()
        .filter(|process| wanted.contains(&process.key))
        .flat_map(|process| process.uses.iter().map(|one| one.object))
        .collect();
    matters(facts, &objects)
}

/// An object that the stores are to be asked about.
pub(super) struct Matter {
    pub(super) object: ObjectId,
    /// Whether the file at its path is to be compared with its package's digest.
    in_place: bool,
    /// The time from which changes of its package matter.
    since: Option<Timestamp>,
}

/// What to ask one root's stores: about the objects that they speak for. Nothing stale, nothing asked.
pub(super) fn questions(
    facts: &Facts,
    matters: &[Matter],
    is_theirs: impl Fn(&Object) -> bool,
) -> Questions {
    let mut questions = Questions::default();
    for matter in matters {
        let object = facts.objects.get(matter.object.0 as usize);
        let Some(object) = object.filter(|object| is_theirs(object)) else {
            continue;
        };
        let Some(path) = &object.path else {
            continue;
        };
        questions.paths.insert(path.clone());
        let started = object
            .look
            .start_name
            .as_ref()
            .and_then(|start| start.found.as_ref().ok());
        questions.paths.extend(started.map(|led| led.path.clone()));
        if matter.in_place {
            questions.digests.insert(path.clone());
        }
        questions.since = match (questions.since, matter.since) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
    questions
}

/// What is stale or touched, and `also`.
fn matters(facts: &Facts, also: &[ObjectId]) -> Vec<Matter> {
    let none = Answers::default();
    let mut matters = Vec::new();
    let mut add = |object: ObjectId, in_place: bool, since: Option<Timestamp>| {
        matters.push(Matter {
            object,
            in_place,
            since,
        });
    };
    let judge = Judge::new(facts, &none);
    for judged in judge.all() {
        let start = facts.host.clock.file_time(judge.started(judged.process));
        for finding in &judged.findings {
            match &finding.verdict {
                Verdict::Stale(Kind::Overwritten) => add(finding.object, true, Some(start)),
                // Of a file that was touched, the package tells whether it changed.
                Verdict::Stale(_) if finding.source.is_some() => {
                    add(finding.object, true, Some(start));
                }
                Verdict::Stale(_) => add(
                    finding.object,
                    false,
                    Some(
                        replaced_at(facts, finding.object)
                            .unwrap_or(start)
                            .min(start),
                    ),
                ),
                Verdict::SameCode(_)
                | Verdict::Unknown(_)
                | Verdict::Current
                | Verdict::NotJudged(_) => {}
            }
        }
    }
    for (id, start) in touched(facts) {
        add(id, true, Some(facts.host.clock.file_time(start)));
    }
    also.iter().for_each(|&id| add(id, false, None));
    matters
}

fn replaced_at(facts: &Facts, id: ObjectId) -> Option<Timestamp> {
    facts
        .objects
        .get(id.0 as usize)?
        .look
        .mapped
        .as_ref()
        .ok()
        .map(|stat| stat.ctime)
}

/// Objects at their paths whose attributes changed since the oldest process that maps them started, and that start: only the digest of
/// their package tells whether their content is still the same.
fn touched(facts: &Facts) -> Vec<(ObjectId, StartTicks)> {
    let mut oldest: Vec<Option<StartTicks>> = vec![None; facts.objects.len()];
    for process in &facts.processes {
        for one in &process.uses {
            let oldest = &mut oldest[one.object.0 as usize];
            *oldest =
                Some(oldest.map_or(process.key.started, |start| start.min(process.key.started)));
        }
    }
    let since = |start: StartTicks| facts.host.clock.file_time_ns(start);
    let is_touched = |object: &Object, start: Option<StartTicks>| {
        let Fresh::Found(fresh) = &object.look.fresh else {
            return false;
        };
        let nanos = |time: Timestamp| time.nanos_since_epoch();
        // A file that was born later and written in one go was mapped whole.
        let whole = |started: i64| {
            fresh.btime.is_some_and(|born| {
                nanos(born) > started && nanos(fresh.mtime) <= nanos(born) + WRITING_NS
            })
        };
        is_same_object(&object.look, object.device, object.inode)
            && start.is_some_and(|start| nanos(fresh.ctime) > since(start) && !whole(since(start)))
    };
    let ids = (0..).map(ObjectId).zip(facts.objects.iter().zip(oldest));
    ids.filter(|(_, (object, start))| is_touched(object, *start))
        .filter_map(|(id, (_, start))| Some((id, start?)))
        .collect()
}
