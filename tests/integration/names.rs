//! Names that would steer a terminal, forge a line or end a string: none reaches a stream as it is.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use unstale::bundle::Bundle;

use crate::schema::document;
use crate::support::{World, findings, in_world, raw, replace, unstale};

/// Clears the screen, sets the title, ends the line, forges another, turns the direction of text, and is no UTF-8.
const WILD: &[u8] = b"a\x1b[2J\x1b]0;x\x07\n  nginx.service\xe2\x80\xae\xffz";

/// What is put behind every text of a bundle. U+009B is the control sequence introducer of 8-bit terminals.
const TAIL: &str = "\u{1b}[2J\r\n\u{7}\u{7f}\u{9b}\u{2028}\u{202e}";

#[test]
fn of_programs_directories_and_arguments() {
    in_world(|world| {
        let dir = world.path(raw(WILD));
        fs::create_dir(&dir).unwrap();
        let program = world.install(
            dir.join(raw(b"s\x1b[1m\nl\xffp"))
                .strip_prefix(world.path(""))
                .unwrap(),
        );
        // An argument too: the first, which nobody reads.
        let line = r#"exec -a $'a\x1b[2J\n\xff' "$0" "$@""#;
        let running = world.start_through::<&str>(&["bash", "-c", line], &program, &[]);
        replace(&program);
        let pid = running.pid.to_string();
        for args in [
            &["check"][..],
            &["-v"],
            &["--by", "package"],
            &["--json", "-v"],
            &["explain", &pid],
            &["explain", "-v", &pid],
        ] {
            let run = world.run(args).expect(0);
            run.assert_tame();
            let told = run.text();
            let forged = told.lines().any(|line| line.trim() == "nginx.service");
            assert!(!forged, "{run:?}");
            if args != ["--by", "package"] {
                assert!(told.contains(&pid), "{run:?}");
            }
        }
        let document = document(&world.run(&["--json"]));
        assert_eq!(findings(&document).len(), 1, "{document:#}");
    });
}

#[test]
fn of_files_that_cannot_be_judged() {
    in_world(|world| {
        let program = world.install(raw(WILD));
        let _running = world.start(&program);
        // A FUSE file system would do as well: something that is no file at the path.
        fs::remove_file(&program).unwrap();
        fs::create_dir(&program).unwrap();
        for args in [&["check"][..], &["-v"], &["--json"]] {
            let run = world.run(args).expect(3);
            run.assert_tame();
            let streams = run.text() + &run.talk();
            assert!(
                streams.contains("a\\u{1b}[2J") || streams.contains("a\\u001b[2J"),
                "{run:?}"
            );
        }
    });
}

/// A bundle in which every text of a machine's choice is wild, and a pid in it.
fn wild_bundle(world: &World) -> (PathBuf, String) {
    let program = world.install("sleep");
    let running = world.start(&program);
    let _same = world.start(&world.install("same"));
    world.dpkg(&[&program]);
    replace(&program);
    world.sh("cp $D/same $D/same.new; mv $D/same.new $D/same");
    let file = world.path("bundle");
    world.run(&["record", file.to_str().unwrap()]).expect(0);
    let mut bundle: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    bundle["facts"]["problems"] = json!([
        {"operation": "look at", "object": "x", "pid": 7, "why": {"Failed": "because"}},
        {"operation": "look at", "object": "y", "pid": 7, "why": {"MayHang": "fuse"}},
    ]);
    let mut count = 0;
    for pointer in pointers(&bundle) {
        let text = bundle.pointer_mut(&pointer).unwrap();
        let before = text.clone();
        *text = (before.as_str().unwrap().to_owned() + TAIL).into();
        if Bundle::parse(bundle.to_string().as_bytes()).is_ok() {
            count += 1;
        } else {
            // A word of the format, not of the machine.
            *bundle.pointer_mut(&pointer).unwrap() = before;
        }
    }
    assert!(count > 30, "{count}");
    // The stores' answers are found by path.
    let paths = bundle["answers"]["paths"].as_object_mut().unwrap();
    *paths = std::mem::take(paths)
        .into_iter()
        .map(|(path, answer)| (path + TAIL, answer))
        .collect();
    fs::write(&file, bundle.to_string()).unwrap();
    (file, running.pid.to_string())
}

#[track_caller]
fn check_bundle(args: &[&str]) {
    in_world(|world| {
        let (file, pid) = wild_bundle(world);
        let args: Vec<&str> = args
            .iter()
            .map(|&arg| if arg == "PID" { &pid } else { arg })
            .collect();
        let run = unstale(&[&args[..], &["--bundle", file.to_str().unwrap()]].concat()).expect(3);
        run.assert_tame();
        // It is told all the same.
        let told = ["\\u{1b}[2J", "\\u001b[2J"];
        assert!(told.iter().any(|told| run.text().contains(told)), "{run:?}");
    });
}

#[test]
fn of_everything_in_a_bundle() {
    check_bundle(&["check"]);
    check_bundle(&["check", "-v"]);
    check_bundle(&["check", "--by", "package"]);
}

#[test]
fn of_everything_that_is_explained() {
    check_bundle(&["explain", "PID"]);
    check_bundle(&["explain", "-v", "PID"]);
}

/// JSON has to escape the control characters below U+0020 alone, and terminals obey those of U+0080 to U+009F too.
#[test]
fn of_everything_in_json() {
    check_bundle(&["check", "--json", "-v"]);
}

/// What the package stores said is kept by path, and a path need not be text.
#[test]
fn of_files_that_are_recorded() {
    in_world(|world| {
        let (running, _) = world.stale(raw(WILD));
        let file = world.path("bundle");
        let file = file.to_str().unwrap();
        world.run(&["record", file]).expect(0);
        let live = world.run(&["--json"]).expect(0);
        let elsewhere = unstale(&["--json", "--bundle", file]).expect(0);
        assert_eq!(document(&live)["items"], document(&elsewhere)["items"]);
        assert_eq!(findings(&document(&live))[0].0, running.pid);
    });
}

/// Where each text of a document is.
fn pointers(value: &Value) -> Vec<String> {
    let inside = |name: &str, value: &Value| -> Vec<String> {
        let name = name.replace('~', "~0").replace('/', "~1");
        let all = pointers(value).into_iter();
        all.map(|rest| format!("/{name}{rest}")).collect()
    };
    match value {
        Value::String(_) => vec![String::new()],
        Value::Array(all) => {
            let all = all.iter().enumerate();
            all.flat_map(|(at, one)| inside(&at.to_string(), one))
                .collect()
        }
        Value::Object(all) => all
            .iter()
            .flat_map(|(name, one)| inside(name, one))
            .collect(),
        _ => Vec::new(),
    }
}

/// What the caller typed may have come from a file name, by a shell's `*`.
#[test]
fn of_what_was_typed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(raw(WILD));
    let missing = dir.path().join(raw(b"missing\x1b[2J"));
    fs::write(&file, "{").unwrap();
    for args in [
        ["--bundle".as_ref(), file.as_os_str()],
        ["--bundle".as_ref(), missing.as_os_str()],
        ["--proc".as_ref(), missing.as_os_str()],
        ["record".as_ref(), file.as_os_str()],
    ] {
        let run = unstale(&args).expect(1);
        run.assert_tame();
        assert!(run.talk().contains("\\u{1b}[2J"), "{run:?}");
        assert_eq!(run.talk().lines().count(), 1, "{run:?}");
    }
    in_world(|world| {
        let run = world.run(&["explain", "x\x1b[2J\ny"]).expect(1);
        run.assert_tame();
        assert!(run.talk().contains("x\\u{1b}[2J\\ny"), "{run:?}");
    });
    let usage = unstale(&[raw(b"--by"), raw(b"x\x1b[2J\x07\xc2\x9b\xe2\x80\xae")]).expect(2);
    usage.assert_tame();
    assert!(usage.talk().starts_with("error: "), "{usage:?}");
}
