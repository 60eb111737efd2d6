//! The code in docs/plugins.md does what the guide says.
#![forbid(unsafe_code)]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use unstale_plugin::testing::Scene;

use super::host::Loaded;
use super::{build, wire};

/// The block of code that follows `<!-- MARK -->`.
#[track_caller]
fn block(mark: &str) -> String {
    let guide = fs::read_to_string(build::repository().join("docs/plugins.md")).unwrap();
    let start = format!("<!-- {mark} -->\n```");
    let (_, rest) = guide.split_once(&start).expect(mark);
    let (_, rest) = rest.split_once('\n').unwrap();
    let (block, _) = rest.split_once("\n```").unwrap();
    format!("{block}\n")
}

fn write(directory: &Path, name: &str, text: &str) {
    let path = directory.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Both detectors of the guide, on the same processes.
#[test]
fn detectors_in_rust_and_c() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let manifest = block("Cargo.toml");
    let repository = build::repository();
    let there = manifest.replace("/path/to/unstale", repository.to_str().unwrap());
    assert_ne!(there, manifest);
    write(directory, "Cargo.toml", &there);
    for name in ["manifest.toml", "src/lib.rs", "tests/scene.rs", "awk.c"] {
        write(directory, name, &block(name));
    }
    let cargo = |words: &[&str]| {
        build::run(
            Command::new(env!("CARGO"))
                .args(words)
                .args(["--quiet", "--offline"])
                .current_dir(directory)
                .env("CARGO_TARGET_DIR", directory.join("target")),
        );
    };
    cargo(&["test"]);
    cargo(&["build", "--release"]);
    let command = block("build").replace("plugins/sdk", "$repository/plugins/sdk");
    build::run(
        Command::new("sh")
            .args(["-ec", &command])
            .env("repository", &repository)
            .current_dir(directory),
    );
    let rust = directory.join("target/release/libawk.so");
    let c = directory.join("awk.so");
    let without_empty_lines = |text: String| text.replace("\n\n", "\n");
    assert_eq!(build::note_of(&rust), block("manifest.toml"));
    assert_eq!(
        build::note_of(&c),
        without_empty_lines(block("manifest.toml"))
    );
    let (rust, c) = (Loaded::open(&rust), Loaded::open(&c));
    let rows = [
        ("cwd /srv", "gawk -f a.awk -fb.awk x -f no", 2),
        ("cwd /srv", "gawk -v -f -F -f -f a.awk", 1),
        ("cwd /srv", "gawk -f", 0),
        ("", "gawk -f /a.awk", 1),
        ("", "gawk -f a.awk", 0),
    ];
    for (record, argv, count) in rows {
        let words = argv.split(' ').map(|word| format!("argv {word}\n"));
        let record = format!("{record}\n{}", words.collect::<String>());
        let scene = Scene::of(&record, directory).unwrap();
        let said = rust.inspect(&scene);
        assert_eq!((said.0, said.1.uses.len()), (0, count), "{record}");
        assert_eq!(c.inspect(&scene), said);
        let known = said.1.unknown.is_empty();
        assert_eq!(
            known,
            !record.ends_with("\nargv a.awk\n") || record.starts_with("cwd")
        );
    }
}

/// The dialogue of the guide, with the example that it is taken from.
#[test]
fn the_dialogue() {
    if !wire::has_python() {
        return;
    }
    let mut child = Command::new(build::example("python/awk-python"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = child.stdin.take().unwrap();
    let mut from = BufReader::new(child.stdout.take().unwrap());
    for line in block("dialogue").lines() {
        let (who, text) = line.split_once(' ').unwrap();
        let text = text.trim_start();
        if who == "host" {
            writeln!(to, "{text}").unwrap();
            continue;
        }
        assert_eq!(who, "plugin");
        let mut said = String::new();
        from.read_line(&mut said).unwrap();
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(value(&said), value(text));
    }
    drop(to);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_process_is_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = Command::new("sh")
        .args(["-c", "read x", "a b", "c\nd", "\\e", ""])
        .current_dir("/usr")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    build::run(
        Command::new("sh")
            .args(["-ec", &block("record")])
            .env("pid", child.id().to_string())
            .current_dir(directory.path()),
    );
    drop(child.stdin.take());
    child.wait().unwrap();
    let process = Scene::open(&directory.path().join("scene"))
        .unwrap()
        .process;
    let argv: Vec<&[u8]> = process.argv.iter().map(Vec::as_slice).collect();
    let expected: [&[u8]; 7] = [b"sh", b"-c", b"read x", b"a b", b"c\nd", b"\\e", b""];
    assert_eq!(argv, expected);
    assert_eq!(process.pid, child.id());
    assert_eq!(process.cwd.as_deref(), Some(&b"/usr"[..]));
    assert!(process.exe.starts_with(b"/"));
    assert!(process.cgroup.ends_with(b"\n"));
}
