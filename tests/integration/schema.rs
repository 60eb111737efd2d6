//! What `--json` prints, against the schema that we ship; and the schema against documents that are wrong.

use std::collections::BTreeSet;
use std::fs;
use std::sync::OnceLock;

use base64::Engine as _;
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::support::{NOBODY, Run, findings, in_world, of_repository, raw, settle};

fn schema() -> &'static (Value, Validator) {
    static SCHEMA: OnceLock<(Value, Validator)> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let path = of_repository("dist/usr/share/unstale/schema-1.json");
        let schema: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        jsonschema::draft202012::meta::validate(&schema).unwrap_or_else(|why| panic!("{why}"));
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        (schema, validator)
    })
}

/// The document that a run printed, after it was found to be of the schema.
#[track_caller]
pub(crate) fn document(run: &Run) -> Value {
    document_of(&schema().1, run)
}

/// The same, of another schema.
#[track_caller]
pub(crate) fn document_of(schema: &Validator, run: &Run) -> Value {
    let document = run.json();
    let wrong: Vec<String> = schema
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?} in {document:#}");
    assert_eq!(run.stdout.iter().filter(|&&byte| byte == b'\n').count(), 1);
    document
}

#[test]
fn clean() {
    in_world(|world| {
        let sleep = world.install("sleep");
        let _running = world.start(&sleep);
        let document = document(&world.run(&["--json"]).expect(0));
        assert_eq!(document["complete"], true);
        assert_eq!(document["items"], json!([]));
        assert_eq!(document["hidden"], 0);
        assert!(document.get("notes").is_none());
        assert!(
            document["processes_looked_at"].as_u64() >= Some(3),
            "{document:#}"
        );
    });
}

#[test]
fn stale_with_its_package() {
    in_world(|world| {
        let sleep = world.install("sleep");
        let running = world.start(&sleep);
        world.dpkg(&[&sleep]);
        crate::support::replace(&sleep);
        let document = document(&world.run(&["--json"]).expect(0));
        let path = sleep.to_str().unwrap().to_owned();
        assert_eq!(
            findings(&document),
            [(running.pid, "replaced".to_owned(), path)]
        );
        let process = &document["items"][0]["processes"][0];
        assert_eq!(
            (&process["exe"], &process["uid"]),
            (&json!(sleep), &json!(0))
        );
        let finding = &process["findings"][0];
        assert_eq!(finding["program"], true);
        assert_eq!(finding["package_known"], true);
        assert_ne!(finding["old_inode"], finding["new_inode"]);
        let package = json!({"backend": "dpkg", "name": "server", "arch": "amd64",
            "running_version": "1.0-1", "installed_version": "2.0-1"});
        assert_eq!(finding["package"], package);
    });
}

#[test]
fn stale_and_gone_without_package() {
    in_world(|world| {
        let sleep = world.install("sleep");
        let running = world.start(&sleep);
        fs::remove_file(&sleep).unwrap();
        let document = document(&world.run(&["--json"]).expect(0));
        let path = sleep.to_str().unwrap().to_owned();
        assert_eq!(
            findings(&document),
            [(running.pid, "gone".to_owned(), path)]
        );
        let finding = &document["items"][0]["processes"][0]["findings"][0];
        assert_eq!(finding["new_inode"], Value::Null);
    });
}

#[test]
fn incomplete() {
    in_world(|world| {
        let (_running, _) = world.stale("sleep");
        let document = document(&world.run_through(&NOBODY, &["--json"]).expect(3));
        assert_eq!(document["complete"], false);
        assert_eq!(document["items"], json!([]));
    });
}

#[test]
fn notes_with_all_detail() {
    in_world(|world| {
        let sleep = world.install("sleep");
        let running = world.start(&sleep);
        // The same bytes in a new file: a reinstallation.
        world.sh("cp $D/sleep $D/sleep.dpkg-new; mv $D/sleep.dpkg-new $D/sleep");
        settle();
        assert!(
            document(&world.run(&["--json"]).expect(0))
                .get("notes")
                .is_none()
        );
        let document = document(&world.run(&["--json", "-v"]).expect(0));
        assert_eq!(document["items"], json!([]));
        let notes = document["notes"].as_array().unwrap();
        assert_eq!(notes.len(), 1, "{notes:#?}");
        assert_eq!(notes[0]["kind"], "same-code");
        assert_eq!(notes[0]["pid"], running.pid);
        assert_eq!(notes[0]["path"], json!(sleep));
    });
}

#[test]
fn bytes_that_are_no_text() {
    in_world(|world| {
        let (running, program) = world.stale(raw(b"sl\xffp"));
        let document = document(&world.run(&["--json"]).expect(0));
        let process = &document["items"][0]["processes"][0];
        assert_eq!(process["pid"], running.pid);
        let bytes = |value: &Value| {
            base64::engine::general_purpose::STANDARD
                .decode(value.as_str().unwrap())
                .unwrap()
        };
        assert_eq!(bytes(&process["comm_base64"]), b"sl\xffp");
        assert_eq!(process["comm"], "sl\u{fffd}p");
        let expected = program.as_os_str().as_encoded_bytes();
        for (value, name) in [(process, "exe"), (&process["findings"][0], "path")] {
            assert_eq!(bytes(&value[format!("{name}_base64")]), expected, "{name}");
            assert_eq!(value[name], String::from_utf8_lossy(expected).into_owned());
        }
        assert!(process["findings"][0].get("path").is_some());
    });
}

/// A document with all there is.
fn example() -> Value {
    let package = json!({"backend": "dpkg", "name": "libx", "arch": "amd64", "running_version": "1", "installed_version": null});
    let finding = json!({"kind": "replaced", "path": "/x\u{fffd}", "path_base64": "L3j/", "program": false,
        "certain": true, "source": {"role": "module", "how": "imported", "detector": "python", "via": "/y"},
        "old_build_id": "00ff", "new_build_id": null, "old_inode": 1, "old_links": 0, "new_inode": 2, "new_mtime": "2026",
        "package": package, "other_packages": [package], "package_known": true});
    json!({
        "schema": 1, "version": "0.1.0", "complete": false, "processes_looked_at": 7, "hidden": 1,
        "problems": [{"operation": "read maps", "object": "process", "pid": 4, "why": "permission denied"}],
        "detectors": [{"name": "python", "version": "1", "path": "/p", "processes": 2, "failed": 0}],
        "items": [{
            "verdict": "restart-container", "level": "service", "instance": {"name": "web", "image": "x"}, "restart_command": ["/bin/x", "web"],
            "owner": {"kind": "container", "name": "x", "scope": "user", "uid": 5, "runtime": "podman", "host_unit": "x.service"},
            "because": [{"rule": "unit", "why": "it is"}],
            "processes": [{"pid": 1, "start_ticks": 2, "comm": "x", "exe": null, "uid": null, "findings": [finding]}],
        }],
        "notes": [{"kind": "same-code", "pid": 1, "path": "/y", "why": "byte for byte the same"}],
        "reboot": {
            "level": "reboot", "since": "2026-11-21T06:12:01.000Z",
            "because": [{"rule": "kernel.newer", "why": "it is"}],
            "causes": [{"rule": "kernel.newer", "level": "reboot", "why": "it is", "since": null,
                "packages": [{"name": "linux-image-6.1.0-56-amd64", "old": null, "new": "6.1.192-2"}]}],
            "notes": [{"rule": "package", "level": "none", "why": "renewed", "since": null, "packages": []}],
            "kernel": {"verdict": "newer", "modules_gone": false, "running": {"release": "6.1", "version": "#1"},
                "next": {"release": "6.2", "version": "#1", "image": "/boot/x", "by_loader": true, "since": null}},
            "microcode": {"verdict": "current", "processors": [{"verdict": "current", "signature": "0x806ea",
                "packages": [0], "running": "0xf0", "best": null, "why": "no file holds newer", "file": "/x"}]},
        },
        "a field of later": {"x": 1},
    })
}

#[test]
fn the_example_is_of_the_schema() {
    let example = example();
    let wrong: Vec<String> = schema()
        .1
        .iter_errors(&example)
        .map(|e| e.to_string())
        .collect();
    assert_eq!(wrong, [""; 0]);
}

#[track_caller]
fn check_refused(pointer: &str, value: Option<Value>) {
    let mut wrong = example();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = wrong.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value.clone() {
        Some(value) => drop(parent.insert(name.to_owned(), value)),
        None => assert!(parent.remove(name).is_some(), "{pointer}"),
    }
    assert!(
        !schema().1.is_valid(&wrong),
        "{pointer} = {value:?} is accepted"
    );
}

#[test]
fn what_is_required_must_be_there() {
    for name in [
        "schema",
        "version",
        "complete",
        "processes_looked_at",
        "problems",
        "items",
        "reboot",
    ] {
        check_refused(&format!("/{name}"), None);
    }
    let (item, process) = ("/items/0", "/items/0/processes/0");
    for name in [
        "verdict",
        "owner",
        "because",
        "processes",
        "owner/kind",
        "owner/name",
        "owner/scope",
        "owner/uid",
        "owner/runtime",
    ] {
        check_refused(&format!("{item}/{name}"), None);
    }
    for name in ["pid", "start_ticks", "comm", "exe", "uid", "findings"] {
        check_refused(&format!("{process}/{name}"), None);
    }
    for name in [
        "kind",
        "path",
        "program",
        "old_build_id",
        "new_build_id",
        "old_inode",
        "package",
        "package_known",
        "package/backend",
        "package/name",
        "package/running_version",
        "package/installed_version",
    ] {
        check_refused(&format!("{process}/findings/0/{name}"), None);
    }
    for name in ["operation", "object", "pid", "why"] {
        check_refused(&format!("/problems/0/{name}"), None);
    }
    check_refused("/reboot/level", None);
}

#[test]
fn what_is_wrong_is_refused() {
    check_refused("/schema", Some(json!(2)));
    check_refused("/complete", Some(json!("yes")));
    // A complete check has no problems, and one with problems is not complete.
    check_refused("/complete", Some(json!(true)));
    check_refused("/problems", Some(json!([])));
    check_refused("/hidden", Some(json!(-1)));
    check_refused("/items/0/verdict", Some(json!("reboot everything")));
    check_refused("/items/0/processes", Some(json!([])));
    check_refused("/items/0/because", Some(json!([])));
    check_refused("/items/0/owner/kind", Some(json!("unit")));
    check_refused("/items/0/owner/scope", Some(json!("system")));
    check_refused("/items/0/processes/0/pid", Some(json!("1")));
    check_refused("/items/0/processes/0/pid", Some(json!(-1)));
    check_refused(
        "/items/0/processes/0/findings/0/kind",
        Some(json!("deleted")),
    );
    check_refused("/items/0/processes/0/findings/0/path", Some(json!(null)));
    check_refused(
        "/items/0/processes/0/findings/0/path_base64",
        Some(json!("not base64!")),
    );
    check_refused(
        "/items/0/processes/0/findings/0/old_build_id",
        Some(json!("xyz")),
    );
    check_refused(
        "/items/0/processes/0/findings/0/package_known",
        Some(json!(false)),
    );
    check_refused("/reboot/level", Some(json!("maybe")));
}

/// Every field that the schema speaks of says what it is.
#[test]
fn every_field_is_described() {
    fn walk(value: &Value, at: &str) {
        let Some(map) = value.as_object() else { return };
        for (name, field) in map
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let condition = at.contains("/if") || at.contains("/then") || at.contains("/else");
            let told = field.get("description").is_some() || field.get("$ref").is_some();
            assert!(condition || told, "{at}/{name}");
        }
        for (name, inner) in map {
            match inner {
                Value::Array(all) => all
                    .iter()
                    .for_each(|one| walk(one, &format!("{at}/{name}"))),
                inner => walk(inner, &format!("{at}/{name}")),
            }
        }
    }
    walk(&schema().0, "");
    let path = of_repository("dist/usr/share/unstale/restart-schema-1.json");
    let records: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    jsonschema::draft202012::meta::validate(&records).unwrap_or_else(|why| panic!("{why}"));
    walk(&records, "");
    assert!(
        schema().0["description"]
            .as_str()
            .unwrap()
            .contains("FIELD_base64")
    );
}

/// Rules that a source file names: the first word in quotes behind what makes a reason.
fn rules_of(text: &str, rules: &mut BTreeSet<String>) {
    for marker in ["because(", "held_by(", "held(", "rule: "] {
        for (at, _) in text.match_indices(marker) {
            let rest = &text[at + marker.len()..];
            let Some((before, word)) = rest.split_once('"') else {
                continue;
            };
            let (word, _) = word.split_once('"').unwrap();
            let near = before.len() < 60 && !before.contains([';', '{']);
            let is_rule = |byte: u8| byte.is_ascii_lowercase() || b".-".contains(&byte);
            if near && !word.is_empty() && word.bytes().all(is_rule) {
                rules.insert(word.to_owned());
            }
        }
    }
}

#[test]
fn every_rule_has_its_word() {
    let mut rules = BTreeSet::new();
    let mut places = vec![
        of_repository("src/decide"),
        of_repository("src/app/restart"),
    ];
    while let Some(place) = places.pop() {
        for entry in fs::read_dir(&place).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            match path.is_dir() {
                // Causes of a reboot are of another form.
                _ if name == "reboot" || name == "tests" => {}
                true => places.push(path),
                false => rules_of(&fs::read_to_string(&path).unwrap(), &mut rules),
            }
        }
    }
    for known in [
        "leftover",
        "unit.bad-setting",
        "not-asked",
        "pulls",
        "privilege",
    ] {
        assert!(rules.contains(known), "{known} {rules:?}");
    }
    let words = |name: &str| -> BTreeSet<String> {
        let path = of_repository("dist/usr/share/unstale").join(name);
        let schema: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let place = "/$defs/because/properties/rule/description";
        let text = schema.pointer(place).unwrap().as_str().unwrap();
        let words = text.split(|c: char| !c.is_ascii_lowercase() && c != '.' && c != '-');
        words
            .map(|word| word.trim_end_matches('.').to_owned())
            .collect()
    };
    let mut known = words("schema-1.json");
    known.extend(words("restart-schema-1.json"));
    let missing: Vec<&String> = rules.difference(&known).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
