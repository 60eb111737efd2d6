//! The rules of this house, as far as text tells.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{of_repository, skip};

/// What the rooms share.
const NOUNS: [&str; 3] = ["model", "problem", "error"];

/// Rooms, and what else each may use of the others.
const ROOMS: [(&str, &[&str]); 17] = [
    // How files are reached, for those who look.
    ("view", &[]),
    ("snapshot", &["view"]),
    ("boot", &["view"]),
    ("detect", &[]),
    ("packages", &[]),
    ("attribute", &[]),
    ("decide", &[]),
    // The evidence behind a verdict is shown with it: facts and answers come as a bundle, verdicts from the judge.
    ("report", &["bundle", "detect"]),
    // The peers' settings are translated by the importer that `config import` has.
    ("dialects", &["config"]),
    ("confine", &[]),
    // Whose word is trusted: plugins and settings pass the same gate.
    ("trust", &[]),
    ("config", &["trust"]),
    ("act", &["trust"]),
    ("plugins", &["trust"]),
    ("bundle", &[]),
    ("cli", &[]),
    // The story: it leads from one room to the next.
    (
        "app",
        &[
            "view",
            "snapshot",
            "boot",
            "detect",
            "packages",
            "attribute",
            "decide",
            "report",
            "dialects",
            "confine",
            "bundle",
            "cli",
            "config",
            "plugins",
            "trust",
            "act",
        ],
    ),
];

/// Where code may be unsafe, and what for.
const UNSAFE: [&str; 11] = [
    "plugins/sdk/src/abi.rs",            // types of functions
    "plugins/sdk/src/export.rs",         // the C ABI, on the side of plugins
    "plugins/sdk/src/export/host.rs",    // what the host offers over it
    "plugins/sdk/src/export/process.rs", // what the host lends over it
    "src/act/spawn/reset.rs",            // between fork(2) and execve(2)
    "src/confine/descriptors.rs",        // close_range(2)
    "src/confine/mod.rs",                // fork(2) and _exit(2)
    "src/confine/signals.rs",            // signal(2), sigprocmask(2)
    "src/plugins/loader.rs",             // dlopen(3), execveat(2)
    "src/plugins/worker/offer.rs",       // the C ABI, inside the wall
    "src/snapshot/procmap.rs",           // an ioctl
];

/// Where a program may be started: ourselves, as a plugin's worker; and the programs of others, when the machine is changed.
const STARTERS: [&str; 3] = [
    "src/plugins/start.rs",
    "src/act/spawn.rs",
    // What is set back in the child before it becomes that program.
    "src/act/spawn/reset.rs",
];

/// Rooms that open no file: they work on what others read.
const PURE: [&str; 5] = ["decide", "detect", "attribute", "report", "dialects"];

/// Functions called `parse_…` that take text or a stronger type, and why.
const NO_BYTES: [(&str, &str); 2] = [
    (
        "backends/dpkg/src/unfinished.rs: parse_lock_line",
        "a line of /proc/locks, which the kernel prints in ASCII; the bytes were checked before",
    ),
    ("src/view/stat.rs: parse_tty", "a number, already parsed"),
];

/// Dependencies that share the reason of the line before.
const LEANING: [&str; 5] = ["anstyle", "serde_json", "sha1", "sha2", "tempfile"];

#[test]
fn rooms_do_not_know_each_other() {
    for file in sources("src") {
        let Some((room, allowed)) = room_of(&file) else {
            continue;
        };
        for (line, text) in code(&file) {
            for used in used_modules(&text) {
                let known = NOUNS.contains(&used.as_str()) || allowed.contains(&used.as_str());
                let is_room = ROOMS.iter().any(|(name, _)| *name == used);
                assert!(
                    known || used == room || !is_room,
                    "{}:{line}: {room} uses {used}",
                    shown(&file)
                );
            }
        }
    }
}

#[test]
fn the_list_of_rooms_is_whole() {
    let text = fs::read_to_string(of_repository("src/lib.rs")).unwrap();
    for module in text
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
    {
        let listed = ROOMS.iter().any(|(name, _)| *name == module) || NOUNS.contains(&module);
        assert!(
            listed,
            "src/lib.rs: {module} is no room that this test knows"
        );
    }
}

#[test]
fn nouns_use_no_room() {
    for file in sources("src") {
        let path = shown(&file);
        if !NOUNS
            .iter()
            .any(|noun| path.starts_with(&format!("src/{noun}")))
        {
            continue;
        }
        for (line, text) in code(&file) {
            for used in used_modules(&text) {
                assert!(NOUNS.contains(&used.as_str()), "{path}:{line}: uses {used}");
            }
        }
    }
}

#[test]
fn unsafe_code_lives_in_named_files() {
    for file in shipped() {
        let named = UNSAFE.contains(&shown(&file).as_str());
        let has = code(&file).any(|(_, text)| words(&text).any(|word| word == "unsafe"));
        assert_eq!(has, named, "{}: unsafe code", shown(&file));
    }
}

#[test]
fn nothing_starts_a_program() {
    let mut files = shipped();
    files.retain(|file| !STARTERS.contains(&shown(file).as_str()));
    assert_absent(
        &files,
        &["Command::new", "process::Command", "execv(", "posix_spawn"],
    );
    // The other way to run something, inside the wall; and the list of calls that stand open there.
    let inside = ["src/plugins/loader.rs", "src/confine/worker/calls.rs"];
    files.retain(|file| !inside.contains(&shown(file).as_str()));
    assert_absent(&files, &["SYS_exec", "libc::exec", "dlopen(", "Library::"]);
}

#[test]
fn nothing_speaks_to_a_network() {
    let words = [
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "std::net",
        "rustix::net",
    ];
    assert_absent(&shipped(), &words);
    // A pair of streams that lead to no name: how the scanner talks to workers.
    let mut others = shipped();
    let makers = ["src/app/crew.rs", "src/app/try_plugin.rs"];
    others.retain(|file| !makers.contains(&shown(file).as_str()));
    assert_absent(&others, &["UnixStream", "UnixListener", "UnixDatagram"]);
}

#[test]
fn pure_rooms_open_no_file() {
    let pure: Vec<PathBuf> = PURE
        .iter()
        .flat_map(|room| sources(&format!("src/{room}")))
        .collect();
    assert!(pure.len() > 10, "{pure:?}");
    let words = [
        "std::fs",
        "fs::read",
        "fs::write",
        "File::",
        "OpenOptions",
        "rustix::fs",
        "std::env",
        "std::io::stdin",
        "SystemTime::now",
        "Instant::now",
    ];
    assert_absent(&pure, &words);
}

#[test]
fn every_dependency_says_why() {
    let text = fs::read_to_string(of_repository("Cargo.toml")).unwrap();
    let (_, section) = text.split_once("[workspace.dependencies]\n").unwrap();
    let section = section.split("\n[").next().unwrap();
    let (mut reason, mut count) = (false, 0);
    for line in section.lines().filter(|line| !line.is_empty()) {
        let Some((name, value)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) else {
            reason = true;
            continue;
        };
        let leans = LEANING.contains(&name);
        let ours = ["backends/", "plugins/"]
            .iter()
            .any(|place| value.contains(&format!("path = \"{place}")));
        assert!(
            ours || leans || reason,
            "Cargo.toml: {name} does not say why it is there"
        );
        (reason, count) = (false, count + 1);
    }
    assert!(count > 20, "{count}");
}

#[test]
fn members_take_their_dependencies_from_the_workspace() {
    for manifest in tracked().iter().filter(|path| path.ends_with("Cargo.toml")) {
        if manifest.starts_with("fuzz/") {
            continue; // a workspace of its own
        }
        let text = fs::read_to_string(of_repository(manifest)).unwrap();
        for section in text.split("\n[").filter(|section| {
            section.starts_with("dependencies]") || section.starts_with("dev-dependencies]")
        }) {
            let mut says_why = false;
            for line in section.lines().skip(1) {
                let here = line.contains('=') && !line.contains("workspace = true");
                assert!(!here || says_why, "{manifest}: {line}");
                says_why = line.starts_with('#');
            }
        }
    }
}

#[test]
fn arrows_between_crates() {
    check_ours("backends/api", &[]);
    check_ours("backends/dpkg", &["unstale-packages"]);
    check_ours("backends/rpm", &["unstale-packages"]);
    for name in plugins() {
        let allowed: &[&str] = if name == "sdk" {
            &[]
        } else {
            &["unstale-plugin"]
        };
        check_ours(&format!("plugins/{name}"), allowed);
    }
}

#[track_caller]
fn check_ours(member: &str, allowed: &[&str]) {
    let text = fs::read_to_string(of_repository(&format!("{member}/Cargo.toml"))).unwrap();
    let (_, rest) = text.split_once("[dependencies]").unwrap_or_default();
    let section = rest.split("\n[").next().unwrap_or_default();
    let found: Vec<&str> = section
        .lines()
        .filter(|line| line.starts_with("unstale"))
        .filter_map(|line| line.split(['.', ' ']).next())
        .collect();
    assert_eq!(found, allowed, "{member}");
}

#[test]
fn the_api_names_no_crate_of_ours() {
    assert_absent(
        &sources("backends/api/src"),
        &["unstale_dpkg", "unstale_rpm", "unstale::"],
    );
    let backends = [sources("backends/dpkg/src"), sources("backends/rpm/src")].concat();
    assert_absent(&backends, &["unstale::"]);
    assert_absent(&sources("backends/dpkg/src"), &["unstale_rpm"]);
    assert_absent(&sources("backends/rpm/src"), &["unstale_dpkg"]);
}

#[test]
fn files_are_not_long() {
    // Tests in a file of their own are tables: they may be as long as what they are about.
    let is_test = |file: &PathBuf| shown(file).contains("/tests/") || file.ends_with("tests.rs");
    for file in sources("src").into_iter().filter(|file| !is_test(file)) {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 500, "{}: {lines} lines", shown(&file));
    }
    for file in shipped().into_iter().filter(|file| !is_test(file)) {
        let lines = code(&file).last().map_or(0, |(line, _)| line);
        assert!(
            lines <= 500,
            "{}: {lines} lines without tests",
            shown(&file)
        );
    }
}

#[test]
fn the_project_stands_alone() {
    // In pieces, so that this file does not name them.
    let outside = [["..", "shared"].join("/"), ["", "work", "main"].join("/")];
    let shared = ["", "work", "shared"].join("/");
    for path in tracked() {
        let Ok(bytes) = fs::read(of_repository(&path)) else {
            continue; // removed, not yet committed
        };
        let text = String::from_utf8_lossy(&bytes);
        for word in outside.iter().chain([&shared]) {
            assert!(!text.contains(word.as_str()), "{path}: mentions {word}");
        }
    }
}

#[test]
fn parsers_take_bytes() {
    let mut seen = 0;
    for file in shipped() {
        let all: String = code(&file).map(|(_, text)| text + "\n").collect();
        for part in all.split("fn parse_").skip(1) {
            let name = part.split(['(', '<']).next().unwrap_or_default();
            let (_, rest) = part.split_once('(').unwrap_or_default();
            let parameters = rest.split(')').next().unwrap_or_default();
            let id = format!("{}: parse_{name}", shown(&file));
            let excepted = NO_BYTES.iter().any(|(known, _)| *known == id);
            let takes = parameters.contains("&[u8]")
                || parameters.contains("&'a [u8]")
                // Arguments: bytes each.
                || parameters.contains("&[Vec<u8>]")
                || parameters.contains("impl Read")
                // A method on bytes that were given before.
                || parameters.contains("&self");
            assert_ne!(takes, excepted, "{id}({parameters})");
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
}

/// Fails if any of these words is in the code of any of the files; tests in them may do as they like.
#[track_caller]
fn assert_absent(files: &[PathBuf], words: &[&str]) {
    assert!(!files.is_empty());
    for file in files {
        for (line, text) in code(file) {
            for word in words {
                assert!(!text.contains(word), "{}:{line}: {word}", shown(file));
            }
        }
    }
}

/// What is built into the program.
fn shipped() -> Vec<PathBuf> {
    let ours = [
        "src",
        "backends/api/src",
        "backends/dpkg/src",
        "backends/rpm/src",
    ];
    let ours = ours.iter().map(|dir| (*dir).to_owned());
    let plugins = plugins()
        .into_iter()
        .map(|name| format!("plugins/{name}/src"));
    ours.chain(plugins).flat_map(|dir| sources(&dir)).collect()
}

/// The SDK and the detectors; examples are not shipped.
fn plugins() -> Vec<String> {
    let entries = fs::read_dir(of_repository("plugins")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name != "examples").collect();
    names.sort();
    assert!(names.len() > 10, "{names:?}");
    names
}

fn sources(dir: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![of_repository(dir)];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Numbered lines without comments, up to the tests of the file.
fn code(file: &Path) -> impl Iterator<Item = (usize, String)> + use<> {
    let tests = file.components().any(|part| part.as_os_str() == "tests")
        || file.file_name().is_some_and(|name| name == "tests.rs");
    let text = if tests {
        String::new()
    } else {
        fs::read_to_string(file).unwrap()
    };
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let end = lines
        .windows(2)
        .position(|two| {
            two[0] == "#[cfg(test)]" && two[1].starts_with("mod ") && two[1].ends_with('{')
        })
        .unwrap_or(lines.len());
    lines
        .into_iter()
        .take(end)
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(at, line)| (at + 1, line))
}

/// Modules of the crate that a line names: after `crate::`, also in braces.
fn used_modules(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in line.split("crate::").skip(1) {
        let names = match rest.strip_prefix('{') {
            Some(list) => list.split(',').collect(),
            None => vec![rest],
        };
        for name in names {
            let end = |c: char| !c.is_alphanumeric() && c != '_';
            let word = name.trim_start().split(end).next().unwrap_or_default();
            if !word.is_empty() && word.starts_with(|c: char| c.is_ascii_lowercase()) {
                found.push(word.to_owned());
            }
        }
    }
    found
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
}

fn room_of(file: &Path) -> Option<(&'static str, &'static [&'static str])> {
    let path = shown(file);
    ROOMS
        .iter()
        .find(|(room, _)| {
            path.starts_with(&format!("src/{room}/")) || path == format!("src/{room}.rs")
        })
        .copied()
}

fn shown(file: &Path) -> String {
    let inside = file.strip_prefix(of_repository(""));
    inside.unwrap_or(file).to_string_lossy().into_owned()
}

fn tracked() -> Vec<String> {
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(of_repository(""))
        .output();
    match output {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout)
            .unwrap()
            .split_terminator('\0')
            .map(str::to_owned)
            .collect(),
        _ => {
            skip("not a git checkout: no list of tracked files");
            Vec::new()
        }
    }
}
