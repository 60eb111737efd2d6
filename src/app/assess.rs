//! Facts and answers → what is stale, whose it is, what to do. Pure: the same for this machine and for a bundle.

use std::collections::HashMap;

use super::next;
use crate::attribute::{self, Hints, Parent};
use crate::bundle::Bundle;
use crate::config::Settings;
use crate::decide::{self, Case};
use crate::detect::{self, Judge, Judged};
use crate::model::{
    Bytes, Facts, KernelState, KernelVerdict, Owner, OwnerKind, Pid, Process, Role, Scope,
    StaleObject, StaleProcess, StartTicks, Timestamp, Verdict, WhyNot,
};
use crate::problem::Problem;
use crate::report::Assessment;

/// Judges, attributes and decides.
pub(super) fn assess<'a>(
    bundle: &'a Bundle,
    settings: &Settings,
    own_only: bool,
) -> Assessment<'a> {
    let facts = &bundle.facts;
    let judge = Judge::new(facts, &bundle.answers);
    let by_pid: HashMap<Pid, &Process> = facts
        .processes
        .iter()
        .map(|process| (process.key.pid, process))
        .collect();
    let is_wanted = |judged: &Judged<'_>| {
        let uid = judged.process.details.as_ref().map(|details| details.uid);
        !own_only || uid.is_none_or(|uid| uid == facts.host.reader_uid)
    };
    let judged: Vec<Judged<'_>> = judge.all().into_iter().filter(is_wanted).collect();
    let stale = judged
        .iter()
        .filter_map(|judged| stale_process(bundle, judged, &by_pid))
        .collect();
    let mut problems = facts.problems.clone();
    problems.extend(unknown_objects(facts, &judged));
    problems.extend(plugin_problems(facts));
    problems.extend(unread_images(facts));
    let kernel = next::judge(facts, &bundle.answers.core);
    problems.extend(missing_images(kernel.as_ref()));
    problems.sort();
    problems.dedup();
    let plan = decide::plan(
        stale,
        &Case {
            facts,
            policy: &settings.policy,
            units: bundle.units.as_ref(),
            now: bundle.taken.unwrap_or_else(|| newest(facts)),
        },
    );
    let reboot = decide::reboot(decide::Evidence {
        facts,
        answers: &bundle.answers,
        plan: &plan,
        microcode: next::microcode(facts, kernel.as_ref()),
        kernel,
        complete: problems.is_empty() && !facts.boot.as_ref().is_some_and(|boot| boot.out_of_sight),
        live_patches_suffice: settings.reboot.live_patches_suffice,
    });
    Assessment {
        bundle,
        plan,
        reboot,
        judge,
        judged,
        problems,
    }
}

/// The start of the newest process: a recording that does not say when it was made was made a little later.
fn newest(facts: &Facts) -> Timestamp {
    let started = facts.processes.iter().map(|process| process.key.started);
    facts
        .host
        .clock
        .file_time(started.max().unwrap_or(StartTicks(0)))
}

/// Kernels are installed, and not one image is to be found: what boots could not be looked at.
fn missing_images(kernel: Option<&KernelState>) -> Option<Problem> {
    let verdict = kernel.map(|state| &state.verdict);
    let is_missing =
        matches!(verdict, Some(KernelVerdict::Unknown(why)) if why == detect::kernel::NO_IMAGES);
    is_missing.then(|| Problem {
        operation: "find".to_owned(),
        object: Bytes::from("the image of any kernel"),
        pid: None,
        why: WhyNot::Failed(detect::kernel::NO_IMAGES.to_owned()),
    })
}

/// Kernel images that could not be read: one of them may be what boots.
fn unread_images(facts: &Facts) -> impl Iterator<Item = Problem> {
    let kernel = facts.boot.iter().flat_map(|boot| &boot.kernel);
    let images = kernel.flat_map(|kernel| &kernel.images);
    images.filter_map(|image| {
        Some(Problem {
            operation: "read the kernel image".to_owned(),
            object: image.path.clone(),
            pid: None,
            why: image.banner.as_ref().err()?.clone(),
        })
    })
}

/// What is stale in one process; `None` if nothing is.
fn stale_process(
    bundle: &Bundle,
    judged: &Judged<'_>,
    by_pid: &HashMap<Pid, &Process>,
) -> Option<StaleProcess> {
    let facts = &bundle.facts;
    let started = facts.host.clock.file_time(judged.process.key.started);
    let object_of = |finding: &crate::model::Finding| {
        let Verdict::Stale(kind) = finding.verdict else {
            return None;
        };
        let object = facts.objects.get(finding.object.0 as usize)?;
        let source = finding
            .source
            .and_then(|at| judged.process.sources.get(at as usize));
        let package = attribute::package_of(object, started, &bundle.answers);
        Some(StaleObject {
            object: finding.object,
            program: finding.program,
            source: source.cloned(),
            sure: finding.sure,
            kind,
            package,
        })
    };
    let objects: Vec<StaleObject> = judged.findings.iter().filter_map(object_of).collect();
    if objects.is_empty() {
        return None;
    }
    let mut owner = owner_of(facts, judged.process, by_pid);
    // Nobody started it but somebody with its script: two scripts of one interpreter are two things to end.
    if let (OwnerKind::Process, Some(script)) = (owner.kind, script_of(facts, judged.process)) {
        owner.name = script.clone();
    }
    let look = instance_of(facts, judged.process, &owner);
    let (instance, restart) = look.map_or((None, None), |look| {
        (look.instance.clone(), look.restart.clone())
    });
    Some(StaleProcess {
        key: judged.process.key,
        owner,
        comm: judged.process.comm.clone(),
        instance,
        restart,
        objects,
    })
}

/// The script that a process runs, as a detector tells.
fn script_of<'a>(facts: &'a Facts, process: &Process) -> Option<&'a Bytes> {
    let mut scripts = process.sources.iter();
    let script = scripts.find(|source| source.role == Role::Script)?;
    facts.objects.get(script.object.0 as usize)?.path.as_ref()
}

/// What a plugin said that the process is part of. Only the control group tells that it is part of something at all: to
/// a process that is not, no plugin can give a name.
fn instance_of<'a>(
    facts: &'a Facts,
    process: &Process,
    owner: &Owner,
) -> Option<&'a crate::model::PluginLook> {
    let contained = matches!(
        owner.kind,
        OwnerKind::Container(_) | OwnerKind::VirtualMachine(_) | OwnerKind::App
    );
    let looks = facts.plugins.iter().flat_map(|run| &run.looks);
    let mut of_process =
        looks.filter(|look| look.process == process.key && look.instance.is_some());
    of_process.next().filter(|_| contained)
}

/// What plugins could not look at, and where they failed.
fn plugin_problems(facts: &Facts) -> impl Iterator<Item = Problem> {
    facts.plugins.iter().flat_map(|run| {
        run.looks.iter().flat_map(move |look| {
            let failed = look.failed.iter().map(|failed| ("look", &failed.why));
            let unknown = look.unknown.iter().map(|what| ("see all", what));
            failed.chain(unknown).map(move |(what, why)| Problem {
                operation: format!("let the {} detector {what}", run.name),
                object: Bytes::from("into process"),
                pid: Some(look.process.pid),
                why: WhyNot::Failed(why.clone()),
            })
        })
    })
}

/// Whose the processes are that matter: those whose details were read.
pub(super) fn owners(facts: &Facts) -> impl Iterator<Item = Owner> + '_ {
    let by_pid: HashMap<Pid, &Process> = facts
        .processes
        .iter()
        .map(|process| (process.key.pid, process))
        .collect();
    let detailed = facts
        .processes
        .iter()
        .filter(|process| process.details.is_some());
    detailed.map(move |process| owner_of(facts, process, &by_pid))
}

/// Whom a process belongs to. Its own control group decides, never its parent's.
pub(super) fn owner_of(facts: &Facts, process: &Process, by_pid: &HashMap<Pid, &Process>) -> Owner {
    let Some(details) = &process.details else {
        return Owner::new(
            OwnerKind::Process,
            clean_exe(facts, process).unwrap_or_default(),
            Scope::System,
        );
    };
    let parent = by_pid.get(&process.ppid).and_then(|parent| {
        let details = parent.details.as_ref()?;
        Some(Parent {
            exe: parent.exe.as_ref(),
            comm: &parent.comm,
            argv: &details.argv,
            uid: details.uid,
        })
    });
    let exe = clean_exe(facts, process);
    let differs = |theirs: Option<u64>, ours: Option<u64>| matches!((theirs, ours), (Some(a), Some(b)) if a != b);
    let hints = Hints {
        pid: process.key.pid,
        uid: details.uid,
        unified: facts.host.unified_cgroups,
        other_pid_ns: differs(details.namespaces.pid, facts.host.reader_pid_ns),
        other_mnt_ns: differs(details.namespaces.mnt, facts.host.reader_mnt_ns),
        exe: exe.as_ref(),
        argv: &details.argv,
        parent,
    };
    attribute::owner_of(details.cgroup.as_slice(), &hints)
}

/// The kernel's name of the program, without the suffix that the kernel appends to the names of removed files.
fn clean_exe(facts: &Facts, process: &Process) -> Option<Bytes> {
    let exe = process.exe.as_ref()?;
    let program = process.uses.iter().find(|one| one.program);
    let object = program.and_then(|one| facts.objects.get(one.object.0 as usize));
    let suffix = b" (deleted)";
    let is_named_so = object
        .and_then(|object| object.path.as_ref())
        .is_some_and(|path| path.as_slice().ends_with(suffix));
    let stripped = exe.as_slice().strip_suffix(suffix).filter(|_| !is_named_so);
    Some(stripped.map_or_else(|| exe.clone(), Bytes::from))
}

/// Objects that could not be judged: one problem each, however many processes map them.
fn unknown_objects(facts: &Facts, judged: &[Judged<'_>]) -> Vec<Problem> {
    let mut seen = std::collections::BTreeMap::new();
    for judged in judged {
        for finding in &judged.findings {
            if let Verdict::Unknown(why) = &finding.verdict {
                // A process that ended is not missed: nothing runs there any more.
                if *why != WhyNot::Vanished {
                    seen.entry(finding.object)
                        .or_insert((judged.process.key.pid, why.clone()));
                }
            }
        }
    }
    let problem = |(object, (pid, why)): (crate::model::ObjectId, (Pid, WhyNot))| {
        let object = facts
            .objects
            .get(object.0 as usize)
            .map_or_else(Bytes::default, |object| object.name.clone());
        Problem {
            operation: "judge".to_owned(),
            object,
            pid: Some(pid),
            why,
        }
    };
    seen.into_iter().map(problem).collect()
}
