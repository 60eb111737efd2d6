//! JSON, schema 1 (`dist/usr/share/unstale/schema-1.json`). This file owns its types: no change of the model changes the
//! form by accident.
//!
//! Bytes that are not UTF-8: the field holds the text with U+FFFD for each bad sequence, and a sibling named `…_base64`
//! holds the bytes. Without such a sibling the text is exact. What a terminal would obey, or a person not see, is
//! printed as `\uXXXX`: JSON asks for that below U+0020 alone.

mod moment;
mod reboot;
pub mod record;
pub mod state;

use std::io::{self, Write};

use base64::Engine as _;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};
use serde_json::{Map, Value, json};

use super::{Assessment, words};
use crate::model::{
    Action, Bytes, Evidence, Fresh, How, Instance, Item, Kind, Owner, OwnerKind, Package, Part,
    PluginRun, Role, Runtime, Scope, Source, StaleObject, StaleProcess, Verdict, is_tame,
};
use crate::problem::Problem;

/// Prints one JSON document and a newline. With `notes`, also what turned out to be the same code.
///
/// # Errors
/// What the writer says.
pub fn print(out: &mut dyn Write, assessment: &Assessment<'_>, notes: bool) -> io::Result<()> {
    let mut document = Map::new();
    document.insert("schema".into(), json!(1));
    document.insert("version".into(), json!(env!("CARGO_PKG_VERSION")));
    document.insert("complete".into(), json!(assessment.problems.is_empty()));
    document.insert(
        "processes_looked_at".into(),
        json!(assessment.bundle.facts.processes.len()),
    );
    document.insert(
        "problems".into(),
        assessment.problems.iter().map(problem).collect(),
    );
    document.insert(
        "items".into(),
        assessment
            .plan
            .items
            .iter()
            .map(|one| item(assessment, one))
            .collect(),
    );
    document.insert("hidden".into(), json!(assessment.plan.hidden.len()));
    document.insert("detectors".into(), detectors(assessment));
    if notes {
        document.insert("notes".into(), same_code(assessment));
    }
    document.insert("reboot".into(), reboot::reboot(assessment));
    write_tame(out, &Value::Object(document))?;
    writeln!(out)
}

/// Prints the part on reboots alone, as one JSON document and a newline.
///
/// # Errors
/// What the writer says.
pub fn print_reboot(out: &mut dyn Write, assessment: &Assessment<'_>) -> io::Result<()> {
    let document = json!({
        "schema": 1,
        "version": env!("CARGO_PKG_VERSION"),
        "complete": assessment.problems.is_empty(),
        "problems": assessment.problems.iter().map(problem).collect::<Vec<_>>(),
        "reboot": reboot::reboot(assessment),
    });
    write_tame(out, &document)?;
    writeln!(out)
}

pub(super) fn write_tame(out: &mut dyn Write, value: &impl serde::Serialize) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(out, Tame))?;
    Ok(())
}

/// JSON as it is, but for characters that are not [tame](is_tame).
struct Tame;

impl Formatter for Tame {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for part in fragment.split_inclusive(|c| !is_tame(c)) {
            let wild = part.chars().next_back().filter(|&c| !is_tame(c));
            let plain = &part[..part.len() - wild.map_or(0, char::len_utf8)];
            CompactFormatter.write_string_fragment(out, plain)?;
            for unit in wild
                .iter()
                .flat_map(|c| c.encode_utf16(&mut [0; 2]).to_vec())
            {
                write!(out, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

fn problem(problem: &Problem) -> Value {
    let mut value = Map::new();
    value.insert("operation".into(), json!(problem.operation));
    put(&mut value, "object", &problem.object);
    value.insert("pid".into(), json!(problem.pid));
    value.insert("why".into(), json!(problem.why.to_string()));
    Value::Object(value)
}

fn item(assessment: &Assessment<'_>, item: &Item) -> Value {
    let because: Vec<Value> = item
        .because
        .iter()
        .map(|because| json!({"rule": because.rule, "why": because.why}))
        .collect();
    let processes: Vec<Value> = item
        .processes
        .iter()
        .map(|one| process(assessment, one))
        .collect();
    let mut value = json!({"verdict": action(item.action), "owner": owner(&item.owner), "level": item.level.word(), "because": because, "processes": processes});
    if let Some(instance) = words::instance(item) {
        value["instance"] = instance_value(instance);
    }
    if let Some(command) = item.restart_command() {
        value["restart_command"] = json!(command);
    }
    value
}

/// What an owner is called by its own tools, as a detector tells.
fn instance_value(instance: &Instance) -> Value {
    let mut value = Map::new();
    put(&mut value, "name", &instance.name);
    let parts = [
        ("id", &instance.id),
        ("image", &instance.image),
        ("pod", &instance.pod),
        ("project", &instance.project),
    ];
    for (key, part) in parts {
        if let Some(part) = part {
            put(&mut value, key, part);
        }
    }
    Value::Object(value)
}

/// Detectors that had something to look at.
fn detectors(assessment: &Assessment<'_>) -> Value {
    let detector = |run: &PluginRun| {
        let mut value = Map::new();
        value.insert("name".into(), json!(run.name));
        value.insert("version".into(), json!(run.version));
        put(&mut value, "path", &run.path);
        value.insert("processes".into(), json!(run.looks.len()));
        let failed = run.looks.iter().filter(|look| look.failed.is_some());
        value.insert("failed".into(), json!(failed.count()));
        Value::Object(value)
    };
    assessment
        .bundle
        .facts
        .plugins
        .iter()
        .map(detector)
        .collect()
}

fn owner(owner: &Owner) -> Value {
    let mut value = Map::new();
    value.insert("kind".into(), json!(kind_of_owner(owner)));
    put(&mut value, "name", &owner.name);
    value.insert(
        "scope".into(),
        json!(if owner.scope == Scope::System {
            "system"
        } else {
            "user"
        }),
    );
    if let Scope::User(uid) = owner.scope {
        value.insert("uid".into(), json!(uid));
    }
    if let OwnerKind::Container(runtime) | OwnerKind::VirtualMachine(runtime) = owner.kind {
        value.insert("runtime".into(), json!(runtime_name(runtime)));
    }
    for (key, name) in [("host_unit", &owner.host_unit), ("pod", &owner.pod)] {
        if let Some(name) = name {
            put(&mut value, key, name);
        }
    }
    Value::Object(value)
}

fn process(assessment: &Assessment<'_>, stale: &StaleProcess) -> Value {
    let mut value = Map::new();
    value.insert("pid".into(), json!(stale.key.pid));
    value.insert("start_ticks".into(), json!(stale.key.started.0));
    if let Some(process) = assessment.process(stale.key) {
        put(&mut value, "comm", &process.comm);
        match &process.exe {
            Some(exe) => put(&mut value, "exe", clean(assessment, process, exe)),
            None => drop(value.insert("exe".into(), Value::Null)),
        }
        value.insert(
            "uid".into(),
            json!(process.details.as_ref().map(|details| details.uid)),
        );
    }
    if let Some(instance) = &stale.instance {
        let part = match instance.part {
            Part::Payload => "payload",
            Part::Helper => "helper",
        };
        value.insert("part".into(), json!(part));
    }
    if let Some(inner) = &stale.owner.inner {
        put(&mut value, "inner", inner);
    }
    value.insert(
        "findings".into(),
        stale
            .objects
            .iter()
            .map(|object| finding(assessment, object))
            .collect(),
    );
    Value::Object(value)
}

/// The program's path without what the kernel appended, where the object itself was looked at.
fn clean<'a>(
    assessment: &'a Assessment<'_>,
    process: &'a crate::model::Process,
    exe: &'a Bytes,
) -> &'a Bytes {
    let program = process.uses.iter().find(|one| one.program);
    let object = program.and_then(|one| assessment.bundle.facts.objects.get(one.object.0 as usize));
    object
        .and_then(|object| object.path.as_ref())
        .unwrap_or(exe)
}

fn finding(assessment: &Assessment<'_>, stale: &StaleObject) -> Value {
    let object = assessment.object(stale);
    let mut value = Map::new();
    value.insert("kind".into(), json!(kind(stale.kind)));
    put(&mut value, "path", words::path_of(object));
    value.insert("program".into(), json!(stale.program));
    value.insert("certain".into(), json!(stale.sure));
    if let Some(source) = &stale.source {
        value.insert("source".into(), source_value(assessment, source));
    }
    value.insert(
        "old_build_id".into(),
        json!(
            object
                .look
                .mapped_build_id
                .as_ref()
                .map(ToString::to_string)
        ),
    );
    value.insert(
        "new_build_id".into(),
        json!(object.look.fresh_build_id.as_ref().map(ToString::to_string)),
    );
    // A script is read and closed again: what it was is not known.
    let by_path = stale
        .source
        .as_ref()
        .is_some_and(|source| source.evidence != Evidence::Object);
    let old_inode = (!by_path).then_some(object.inode);
    value.insert("old_inode".into(), json!(old_inode));
    if let Ok(stat) = &object.look.mapped {
        value.insert("old_links".into(), json!(stat.links));
    }
    if let Fresh::Found(stat) = &object.look.fresh {
        value.insert("new_inode".into(), json!(stat.inode));
        value.insert("new_mtime".into(), json!(words::time(stat.mtime)));
    }
    if let Some(led) = object
        .look
        .start_name
        .as_ref()
        .and_then(|start| start.found.as_ref().ok())
        .filter(|led| Some(&led.path) != object.path.as_ref())
    {
        put(&mut value, "start_path", &led.path);
    }
    let (first, others) = match &stale.package {
        Package::Known(facts) => (facts.first(), facts.get(1..).unwrap_or_default()),
        Package::None | Package::Unknown => (None, &[][..]),
    };
    let package = |fact: &crate::model::PackageFact| {
        json!({"backend": fact.backend, "name": fact.name, "arch": fact.arch,
            "running_version": fact.running_version, "installed_version": fact.installed_version})
    };
    value.insert("package".into(), first.map_or(Value::Null, package));
    if !others.is_empty() {
        value.insert(
            "other_packages".into(),
            others.iter().map(package).collect(),
        );
    }
    value.insert(
        "package_known".into(),
        json!(stale.package != Package::Unknown),
    );
    Value::Object(value)
}

pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::Script => "script",
        Role::Module => "module",
        Role::Archive => "archive",
        Role::Revision => "revision",
    }
}

pub(super) fn how(how: How) -> &'static str {
    match how {
        How::Loaded => "loaded",
        How::Imported => "imported",
        How::Possible => "possible",
    }
}

fn source_value(assessment: &Assessment<'_>, source: &Source) -> Value {
    let mut value = Map::new();
    value.insert("role".into(), json!(role(source.role)));
    value.insert("how".into(), json!(how(source.how)));
    value.insert("detector".into(), json!(assessment.detector(source)));
    if let Some(via) = &source.via {
        put(&mut value, "via", via);
    }
    Value::Object(value)
}

fn same_code(assessment: &Assessment<'_>) -> Value {
    let mut notes = Vec::new();
    for judged in &assessment.judged {
        for finding in judged
            .findings
            .iter()
            .filter(|finding| matches!(finding.verdict, Verdict::SameCode(_)))
        {
            let object = &assessment.bundle.facts.objects[finding.object.0 as usize];
            let mut note = Map::new();
            note.insert("kind".into(), json!("same-code"));
            note.insert("pid".into(), json!(judged.process.key.pid));
            put(&mut note, "path", words::path_of(object));
            note.insert("why".into(), json!(words::verdict(&finding.verdict)));
            notes.push(Value::Object(note));
        }
    }
    Value::Array(notes)
}

/// A name: as text, and as bytes beside it where it is not UTF-8.
pub(super) fn put(value: &mut Map<String, Value>, key: &str, bytes: &Bytes) {
    match std::str::from_utf8(bytes.as_slice()) {
        Ok(text) => drop(value.insert(key.to_owned(), json!(text))),
        Err(_) => {
            value.insert(
                key.to_owned(),
                json!(String::from_utf8_lossy(bytes.as_slice())),
            );
            let raw = base64::engine::general_purpose::STANDARD.encode(bytes.as_slice());
            value.insert(format!("{key}_base64"), json!(raw));
        }
    }
}

fn action(action: Action) -> &'static str {
    match action {
        Action::Restart => "restart",
        Action::Reexec => "reexec",
        Action::Relogin => "relogin",
        Action::RestartContainer => "restart-container",
        Action::RestartVm => "restart-vm",
        Action::Defer => "defer",
        Action::Leave => "leave",
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Replaced => "replaced",
        Kind::Gone => "gone",
        Kind::Overwritten => "overwritten",
        Kind::PathChanged => "path-changed",
        Kind::Detached => "detached",
        Kind::Alternative => "alternative",
        Kind::Script => "script",
        Kind::Archive => "archive",
        Kind::Revision => "revision",
    }
}

fn kind_of_owner(owner: &Owner) -> &'static str {
    match (owner.kind, owner.scope) {
        (OwnerKind::ServiceManager, _) => "service-manager",
        (OwnerKind::Unit, Scope::System) => "unit",
        (OwnerKind::Unit, Scope::User(_)) => "user-unit",
        (OwnerKind::UserManager, _) => "user-manager",
        (OwnerKind::Session, _) => "session",
        (OwnerKind::App, _) => "app",
        (OwnerKind::Container(_), _) => "container",
        (OwnerKind::VirtualMachine(_), _) => "vm",
        (OwnerKind::OtherService, _) => "service",
        (OwnerKind::Process, _) => "process",
    }
}

fn runtime_name(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::Docker => "docker",
        Runtime::Podman => "podman",
        Runtime::Containerd => "containerd",
        Runtime::CriO => "cri-o",
        Runtime::Kubernetes => "kubernetes",
        Runtime::Lxc => "lxc",
        Runtime::Machine => "machine",
        Runtime::Libvirt => "libvirt",
        Runtime::Qemu => "qemu",
        Runtime::BuildKit => "buildkit",
        Runtime::Ecs => "ecs",
        Runtime::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, printed: &str) {
        let mut out = Vec::new();
        write_tame(&mut out, &json!({ text: [text] })).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert_eq!(out, format!("{{\"{printed}\":[\"{printed}\"]}}"));
        let back: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(back[text][0], text);
    }

    #[test]
    fn what_is_wild_is_escaped_and_not_lost() {
        check("", "");
        check("/usr/bin/größe 文", "/usr/bin/größe 文");
        check("a\"\\/\u{1b}\n", "a\\\"\\\\/\\u001b\\n");
        check(
            "\u{7f}x\u{80}\u{9b}\u{9f}\u{a0}",
            "\\u007fx\\u0080\\u009b\\u009f\u{a0}",
        );
        check(
            "a\u{202e}b\u{2028}\u{2029}\u{feff}",
            "a\\u202eb\\u2028\\u2029\\ufeff",
        );
        check("\u{e0041}\u{1f600}", "\\udb40\\udc41\u{1f600}");
    }
}
