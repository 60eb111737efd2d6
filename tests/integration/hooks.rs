//! What is installed for package managers, with a program that is there, is not there, or fails; and what `status` prints.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use jsonschema::Validator;
use serde_json::{Value, json};
use unstale::model::{
    Action, Because, LastRun, Level, Owner, OwnerKind, ProcessKey, Scope, StartTicks, State,
    StateCause, StateItem, Timestamp, Upgrade,
};
use unstale::report::json::state;

use crate::support::{UNSTALE, of_repository, unstale};

const PROGRAM: &str = "/usr/bin/unstale";
/// A program that is not there, one that hangs, one that fails at once, one that reads a little, and one that dies of it.
const PROGRAMS: [&str; 5] = [
    "/nowhere/unstale",
    "/tmp/hangs",
    "/bin/false",
    "/tmp/reads-a-little",
    "/tmp/dies",
];

fn dist(path: &str) -> String {
    fs::read_to_string(of_repository("dist/etc").join(path)).unwrap()
}

/// A command line as a package manager runs it, with another program in our place.
fn run(line: &str, program: &str, input: &[u8]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let program = match program {
        "/tmp/reads-a-little" => script(&directory, "head -c 10 >/dev/null"),
        // Whatever it is told to do: it hangs before it begins.
        "/tmp/hangs" => script(&directory, "exec sleep 60"),
        "/tmp/dies" => script(&directory, "kill -9 $$"),
        other => other.to_owned(),
    };
    assert!(line.contains(PROGRAM), "{line}");
    // Nobody waits for that long here.
    let line = line.replace("-k 5 20 ", "-k 5 1 ");
    let mut child = Command::new("/bin/sh")
        .arg("-c")
        .arg(line.replace(PROGRAM, &program))
        .args(["sh", "6.1.0-40-amd64", "/boot/vmlinuz-6.1.0-40-amd64"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // What dpkg would die of: EPIPE, or a pipe that nobody empties.
    stdin
        .write_all(input)
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn script(directory: &tempfile::TempDir, body: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = directory.path().join("program");
    fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A word after a key, up to the end of its line.
fn after<'a>(text: &'a str, key: &str) -> &'a str {
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix(key)).unwrap()
}

#[track_caller]
fn check(line: &str, input: &[u8]) {
    for program in PROGRAMS {
        let begun = Instant::now();
        let output = run(line, program, input);
        assert!(begun.elapsed() < Duration::from_secs(20), "{program}");
        assert_eq!(output.status.code(), Some(0), "{program}: {output:?}");
        assert!(output.stdout.is_empty(), "{program}: {output:?}");
    }
}

#[test]
fn t12_07_no_hook_fails_a_package_manager() {
    // More than a pipe holds.
    let steps = "processing: install: x\n".repeat(20_000);
    let dpkg = dist("dpkg/dpkg.cfg.d/unstale");
    check(after(&dpkg, "status-logger="), steps.as_bytes());
    let apt = dist("apt/apt.conf.d/90unstale");
    let apt = after(&apt, "DPkg::Post-Invoke { \"")
        .strip_suffix("\"; };")
        .unwrap();
    check(apt, b"");
    for name in ["kernel/postinst.d/zz-unstale", "kernel/postrm.d/zz-unstale"] {
        check(&dist(name), b"");
    }
    let dnf = dist("dnf/plugins/post-transaction-actions.d/unstale.action");
    check(after(&dnf, "*:any:"), b"");
}

#[test]
fn t12_04_what_dpkg_says_is_read_to_its_end() {
    let dpkg = dist("dpkg/dpkg.cfg.d/unstale");
    // Nothing that would be a reason for a stamp on the machine that runs the tests.
    let endless = [b"status: ".as_slice(), &[b'x'; 1 << 20]].concat();
    for input in [&b""[..], b"\xff\0\n\n", &endless] {
        let output = run(after(&dpkg, "status-logger="), UNSTALE, input);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(
            output.stdout.is_empty() && output.stderr.is_empty(),
            "{output:?}"
        );
    }
}

fn schema(root: &str) -> Validator {
    let path = of_repository("dist/usr/share/unstale/status-schema-1.json");
    let mut schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap_or_else(|why| panic!("{why}"));
    if root != "/" {
        let part = schema.pointer(root).unwrap().clone();
        schema = json!({"$defs": schema["$defs"], "allOf": [part]});
    }
    jsonschema::draft202012::new(&schema).unwrap()
}

#[track_caller]
fn assert_of(schema: &Validator, document: &Value) {
    let errors: Vec<String> = schema
        .iter_errors(document)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?} in {document}");
}

#[test]
fn status_is_of_its_schema_whatever_is_known() {
    let run = unstale(&["status", "--json"]);
    assert!(matches!(run.code, Some(0 | 3)), "{:?}", run.code);
    let document = run.json();
    assert_of(&schema("/"), &document);
    assert_eq!(document["known"], json!(run.code == Some(0)));
    assert!(
        schema("/")
            .iter_errors(&json!({"schema": 1}))
            .next()
            .is_some()
    );
}

#[test]
fn the_state_file_is_of_its_schema() {
    let schema = schema("/$defs/state");
    let item = |kind, name: &[u8], scope, action| StateItem {
        owner: Owner::new(kind, name, scope),
        action,
        because: vec![Because {
            rule: "unit".to_owned(),
            why: "x".to_owned(),
        }],
        packages: vec![Upgrade {
            name: "libc6".to_owned(),
            old: None,
            new: None,
        }],
        processes: vec![(
            ProcessKey {
                pid: 1,
                started: StartTicks(2),
            },
            3,
        )],
    };
    let time = Timestamp { secs: 1, nanos: 2 };
    let container = OwnerKind::Container(unstale::model::Runtime::Machine);
    let full = State {
        version: "1".to_owned(),
        time,
        uptime_secs: 4,
        boot_id: "x".to_owned(),
        problems: 0,
        hidden: 0,
        level: Some(Level::SoftReboot),
        causes: vec![StateCause {
            rule: "package".to_owned(),
            level: Level::SoftReboot,
            why: "x".to_owned(),
        }],
        items: vec![
            item(OwnerKind::Unit, b"\xff", Scope::System, Action::Restart),
            item(OwnerKind::Unit, b"", Scope::User(1000), Action::Restart),
            item(container, b"web", Scope::System, Action::RestartContainer),
        ],
        run: Some(LastRun {
            id: "x".to_owned(),
            time,
            exit: 1,
            clean: 1,
            still_stale: 1,
            failed: 1,
            deferred: 1,
            unproven: 1,
            names: vec!["x".to_owned()],
        }),
    };
    let check = |state: &State| {
        assert_of(
            &schema,
            &serde_json::from_slice(&state::text(state)).unwrap(),
        );
    };
    check(&full);
    check(&State {
        level: None,
        items: Vec::new(),
        run: None,
        ..full
    });
}
