//! Every step of the chain: mapping, object, package, rule, verdict. Also for what is not stale.

use std::io::{self, Write};

use super::text::print_evidence;
use super::{Assessment, words};
use crate::model::{
    Action, Escaped, Finding, Item, Object, PathAnswer, Process, ProcessKey, Source, Verdict,
};

/// Processes that are shown when not all are asked for.
const SHOWN: usize = 5;

/// Explains the verdicts on these processes.
///
/// # Errors
/// What the writer says.
pub fn print(
    out: &mut dyn Write,
    assessment: &Assessment<'_>,
    keys: &[ProcessKey],
    all: bool,
) -> io::Result<()> {
    let shown = if all {
        keys.len()
    } else {
        SHOWN.min(keys.len())
    };
    for key in &keys[..shown] {
        if let Some(process) = assessment.process(*key) {
            print_process(out, assessment, process, all)?;
        }
    }
    if shown < keys.len() {
        writeln!(
            out,
            "and {} more processes (-v shows all)",
            keys.len() - shown
        )?;
    }
    Ok(())
}

fn print_process(
    out: &mut dyn Write,
    assessment: &Assessment<'_>,
    process: &Process,
    all: bool,
) -> io::Result<()> {
    let facts = &assessment.bundle.facts;
    let started = words::time(facts.host.clock.file_time(process.key.started));
    let exe = process.exe.as_ref().map_or_else(
        || "an unreadable program".to_owned(),
        |exe| exe.escaped().to_string(),
    );
    writeln!(
        out,
        "pid {} ({}) runs {exe}, forked {started}",
        process.key.pid,
        process.comm.escaped()
    )?;
    if let Some(details) = &process.details {
        let groups = details
            .cgroup
            .as_slice()
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty());
        let decisive = groups
            .clone()
            .find(|line| line.starts_with(b"0::"))
            .or_else(|| groups.clone().next());
        if let Some(line) = decisive {
            writeln!(out, "  control group: {}", crate::model::Escaped(line))?;
        }
    }
    if let Some(view) = facts.views.get(process.view.0 as usize)
        && !view.host
    {
        writeln!(
            out,
            "  it sees files from its own root {} in another mount namespace: judged there",
            view.root.escaped()
        )?;
    }
    let verdicts = assessment.judge.verdicts(process);
    let (current, others): (Vec<&Finding>, Vec<&Finding>) = verdicts
        .iter()
        .partition(|finding| matches!(finding.verdict, Verdict::Current));
    let mapped = |findings: &[&Finding]| findings.iter().filter(|one| one.source.is_none()).count();
    writeln!(
        out,
        "  it has code of {} files mapped, {} of them current",
        process.uses.len(),
        mapped(&current)
    )?;
    print_detectors(out, assessment, process)?;
    for finding in others {
        print_finding(out, assessment, finding, true)?;
    }
    let limit = if all { current.len() } else { SHOWN };
    // The program first: that is what one asks about.
    let mut current = current;
    current.sort_by_key(|finding| !finding.program);
    for finding in current.iter().take(limit) {
        print_finding(out, assessment, finding, all)?;
    }
    if current.len() > limit {
        writeln!(
            out,
            "    and {} more current ones (-v shows all)",
            current.len() - limit
        )?;
    }
    print_decision(out, assessment, process)
}

fn print_finding(
    out: &mut dyn Write,
    assessment: &Assessment<'_>,
    finding: &Finding,
    evidence: bool,
) -> io::Result<()> {
    let object = &assessment.bundle.facts.objects[finding.object.0 as usize];
    let source = source_of(assessment, finding);
    let role = match source {
        Some(source) => format!(" ({})", words::source(source, finding.sure).trim_end()),
        None if finding.program => " (the program)".to_owned(),
        None => String::new(),
    };
    writeln!(out, "    {}{role}", words::path_of(object).escaped())?;
    if evidence {
        print_evidence(out, object, "        ")?;
    }
    if let Some(source) = source.filter(|_| evidence) {
        let how = words::how(source, assessment.detector(source));
        writeln!(out, "        {how}")?;
    }
    if let Some(owned) = package_words(assessment, object) {
        writeln!(out, "        package: {owned}")?;
    }
    let said = assessment.bundle.answers.for_object(object);
    for note in said.map_or(&[][..], |said| said.notes) {
        let note = Escaped(note.as_bytes());
        writeln!(out, "        the packages of its own root: {note}")?;
    }
    let verdict = match (&finding.verdict, source) {
        (Verdict::Current, Some(_)) => "current: as it was when the process started".to_owned(),
        (verdict, _) => words::verdict(verdict),
    };
    writeln!(out, "        {verdict}")
}

/// What a finding says of a file that no code is mapped of.
fn source_of<'a>(assessment: &'a Assessment<'_>, finding: &Finding) -> Option<&'a Source> {
    let process = assessment.process(finding.process)?;
    process.sources.get(finding.source? as usize)
}

/// What detectors saw and said of a process.
fn print_detectors(
    out: &mut dyn Write,
    assessment: &Assessment<'_>,
    process: &Process,
) -> io::Result<()> {
    let escaped = |text: &str| Escaped(text.as_bytes()).to_string();
    for (run, at) in assessment.bundle.facts.plugins.iter().zip(0..) {
        let looks = run.looks.iter().filter(|look| look.process == process.key);
        for look in looks {
            let of_it = process.sources.iter().filter(|source| source.plugin == at);
            writeln!(
                out,
                "  the {} detector ({} {}) looked at it: {} files that it runs",
                escaped(&run.name),
                run.path.escaped(),
                escaped(&run.version),
                of_it.count()
            )?;
            for note in &look.notes {
                writeln!(out, "    it says: {}", escaped(note))?;
            }
            for what in &look.unknown {
                writeln!(out, "    it could not look at: {}", escaped(what))?;
            }
            if let Some(failed) = &look.failed {
                writeln!(out, "    it failed: {}", escaped(&failed.why))?;
            }
            if let Some(instance) = &look.instance {
                writeln!(out, "    it calls it: {}", instance.name.escaped())?;
            }
        }
    }
    Ok(())
}

/// What the stores said of an object's path, with the versions where it is stale.
fn package_words(assessment: &Assessment<'_>, object: &Object) -> Option<String> {
    let stale = assessment
        .plan
        .items
        .iter()
        .chain(&assessment.plan.hidden)
        .flat_map(|item| &item.processes)
        .flat_map(|process| &process.objects);
    let mut same = stale.filter(|stale| std::ptr::eq(assessment.object(stale), object));
    if let Some(stale) = same.next() {
        return Some(words::package(&stale.package));
    }
    let said = assessment.bundle.answers.for_object(object)?;
    let answer = said.of(object.path.as_ref()?)?;
    Some(match answer {
        PathAnswer::Owned(claims) => {
            let names: Vec<String> = claims
                .iter()
                .map(|claim| format!("{} {} ({})", claim.name, claim.version, claim.backend))
                .collect();
            crate::model::Escaped(names.join(", ").as_bytes()).to_string()
        }
        PathAnswer::Unpackaged => "none".to_owned(),
        PathAnswer::Unknown(why) => format!(
            "could not be told: {}",
            crate::model::Escaped(why.as_bytes())
        ),
    })
}

fn print_decision(
    out: &mut dyn Write,
    assessment: &Assessment<'_>,
    process: &Process,
) -> io::Result<()> {
    let of_it = |item: &&Item| item.processes.iter().any(|one| one.key == process.key);
    let plan = &assessment.plan;
    let hidden = plan.hidden.iter().find(of_it);
    let Some(item) = plan.items.iter().find(of_it).or(hidden) else {
        return writeln!(out, "  so nothing has to be done about it\n");
    };
    let because: Vec<String> = item
        .because
        .iter()
        .map(|because| Escaped(because.why.as_bytes()).to_string())
        .collect();
    let action = match item.action {
        _ if hidden.is_some() => "stale, but hidden by policy:",
        Action::Restart => "restart",
        Action::Reexec => "re-execute",
        Action::Relogin => "log in again:",
        Action::RestartContainer => "restart the",
        Action::RestartVm => "power-cycle or migrate the",
        Action::Defer => "stale, but not to be restarted unasked:",
        Action::Leave => "stale, but left alone:",
    };
    let rule = item
        .because
        .first()
        .map_or("", |because| because.rule.as_str());
    writeln!(
        out,
        "  so: {action} {} — {} (rule {})\n",
        words::item(item),
        because.join("; "),
        Escaped(rule.as_bytes())
    )
}
