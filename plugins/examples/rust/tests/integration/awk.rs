//! The three examples, by the same rows.
#![forbid(unsafe_code)]

use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use unstale_example_awk::Awk;
use unstale_plugin::testing::{Said, Scene};
use unstale_plugin::{How, Role, What, abi};

use super::host::Loaded;
use super::{build, wire};

/// The C example, built once.
fn c() -> &'static Path {
    static BUILT: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, object) = BUILT.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let object = directory.path().join("awk-c.so");
        build::c(&build::example("c/awk.c"), &object);
        (directory, object)
    });
    object
}

/// The Rust example, built once.
fn rust() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let manifest = build::example("rust/Cargo.toml");
        build::crate_at(&manifest, "libunstale_example_awk.so")
    })
}

fn python() -> PathBuf {
    build::example("python/awk-python")
}

/// What all of them say of a process.
#[track_caller]
fn said(record: &str, tree: &[(&str, &str)]) -> Said {
    let directory = tempfile::tempdir().unwrap();
    for (path, content) in tree {
        let path = Scene::of(&format!("exe {path}"), directory.path()).unwrap();
        let path = std::ffi::OsString::from_vec(path.process.exe[1..].to_vec());
        let place = directory.path().join("root").join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, content).unwrap();
    }
    let scene = || Scene::of(record, directory.path()).unwrap();
    let safe = scene().inspect(&mut Awk);
    let (answer, rust) = Loaded::open(rust()).inspect(&scene());
    assert_eq!(answer, 0);
    same("Rust over the ABI", &rust, &safe);
    let (answer, c) = Loaded::open(c()).inspect(&scene());
    assert_eq!(answer, 0);
    same("C", &c, &safe);
    if wire::has_python() {
        same("Python", &wire::inspect(&python(), &scene()), &safe);
    }
    safe
}

#[track_caller]
fn same(language: &str, said: &Said, safe: &Said) {
    assert_eq!(shown(said), shown(safe), "{language}");
    assert!(said == safe, "{language}");
}

/// A row: command line (words parted by blanks), and what is used: `ROLE HOW PATH [VIA]`.
#[track_caller]
fn check(record: &str, argv: &str, tree: &[(&str, &str)], uses: &[&str]) {
    let words = argv.split(' ').map(|word| format!("argv {word}\n"));
    let record = format!("{record}{}", words.collect::<String>());
    let said = said(&record, tree);
    assert_eq!(said.notes, [""; 0]);
    assert_eq!(said.unknown, [""; 0]);
    assert_eq!(shown(&said), uses, "{argv}");
}

fn shown(said: &Said) -> Vec<String> {
    let line = |used: &unstale_plugin::Used| {
        let What::File(path) = &used.what else {
            panic!("{used:?}");
        };
        let role = match used.role {
            Role::Script => "script",
            _ => "module",
        };
        let how = match used.how {
            How::Loaded => "loaded",
            _ => "imported",
        };
        let via = used.via.as_deref().map(String::from_utf8_lossy);
        let line = format!(
            "{role} {how} {} {}",
            String::from_utf8_lossy(path),
            via.unwrap_or_default()
        );
        line.trim_end().to_owned()
    };
    said.uses.iter().map(line).collect()
}

const MAWK: &str = "exe /usr/bin/mawk\ncwd /srv\npid 5\n";
const GAWK: &str = "exe /usr/bin/gawk\ncwd /srv\npid 5\n";

#[test]
fn t6_program_files_of_the_command_line() {
    let script = ["script loaded /srv/a.awk"];
    check(MAWK, "awk -f a.awk", &[], &script);
    check(MAWK, "awk -fa.awk x", &[], &script);
    check(MAWK, "awk -f ../srv/./a.awk", &[], &script);
    check(
        MAWK,
        "awk -f /srv/a.awk -f b",
        &[],
        &[script[0], "script loaded /srv/b"],
    );
    check(MAWK, "awk -f a.awk -f ./a.awk", &[], &script);
    check(GAWK, "gawk --file=a.awk", &[], &script);
    check(GAWK, "gawk --file a.awk", &[], &script);
    check(GAWK, "gawk -E a.awk -f b", &[], &script);
    check(GAWK, "gawk --exec=a.awk -f b", &[], &script);
    check(
        GAWK,
        "gawk -i l.awk -f a.awk",
        &[],
        &["module loaded /srv/l.awk", script[0]],
    );
}

#[test]
fn t6_what_names_no_program_file() {
    check(MAWK, "awk {print} -f a.awk", &[], &[]);
    check(MAWK, "awk -- {print} -f a.awk", &[], &[]);
    check(MAWK, "awk - -f a.awk", &[], &[]);
    check(MAWK, "awk -v -f {print}", &[], &[]);
    check(MAWK, "awk -F -f {print}", &[], &[]);
    check(MAWK, "awk -vx=-f {print}", &[], &[]);
    check(GAWK, "gawk -e -f", &[], &[]);
    check(GAWK, "gawk -d-f {print}", &[], &[]);
    check(GAWK, "gawk -Sdf {print}", &[], &[]);
    check(GAWK, "gawk --source=-f {print}", &[], &[]);
    check(GAWK, "gawk --unknown=-f {print}", &[], &[]);
    check(MAWK, "awk -f", &[], &[]);
    check(MAWK, "awk", &[], &[]);
    // Letters before the one with an argument.
    check(GAWK, "gawk -bSf a.awk", &[], &["script loaded /srv/a.awk"]);
}

#[test]
fn t6_gawk_searches() {
    let tree = [
        ("/lib/awk/l", ""),
        ("/lib/awk/m.awk", ""),
        ("/srv/l.awk", ""),
        ("/usr/share/awk/std.awk", ""),
    ];
    let path = format!("{GAWK}env AWKPATH=/none:../lib/awk:\n");
    check(&path, "gawk -f l", &tree, &["script loaded /lib/awk/l"]);
    check(&path, "gawk -f m", &tree, &["script loaded /lib/awk/m.awk"]);
    check(&path, "gawk -f ./l", &tree, &["script loaded /srv/l.awk"]);
    check(GAWK, "gawk -f l", &tree, &["script loaded /srv/l.awk"]);
    check(
        GAWK,
        "gawk -f std",
        &tree,
        &["script loaded /usr/share/awk/std.awk"],
    );
    check(GAWK, "gawk -f gone", &tree, &["script loaded /srv/gone"]);
    check(MAWK, "mawk -f std", &tree, &["script loaded /srv/std"]);
}

#[test]
fn t6_gawk_includes() {
    let tree = [
        (
            "/srv/a.awk",
            "@include \"b\"\n  @include\t\"/lib/c.awk\" # x\n#@include \"d\"\nx = \"@include\"\n",
        ),
        (
            "/srv/b.awk",
            "@include \"a.awk\"\n@include \"b.awk\"\n@include unquoted\n@include \"open",
        ),
        ("/lib/c.awk", ""),
    ];
    let uses = [
        "script loaded /srv/a.awk",
        "module imported /srv/b.awk /srv/a.awk",
        "module imported /lib/c.awk /srv/a.awk",
    ];
    check(GAWK, "gawk -f a.awk", &tree, &uses);
    // mawk takes none of them.
    check(MAWK, "mawk -f a.awk", &tree, &uses[..1]);
}

#[test]
fn names_that_are_not_utf8() {
    let tree = [("/srv/\\xff.awk", "@include \"b\"\n"), ("/srv/b", "")];
    let said = said(
        &format!("{GAWK}argv gawk\nargv -f\nargv /srv/\\xff.awk\n"),
        &tree,
    );
    assert_eq!(said.uses[0].what, What::File(b"/srv/\xff.awk".to_vec()));
    assert_eq!(said.uses[1].via.as_deref(), Some(&b"/srv/\xff.awk"[..]));
}

#[test]
fn t11_what_cannot_be_looked_at_is_said() {
    let no_cwd = "exe /usr/bin/gawk\nargv gawk\nargv -f\nargv a.awk\n";
    let expected = ["a relative name, and the working directory is not known"];
    assert_eq!(said(no_cwd, &[]).unknown, expected);
    let absolute = no_cwd.replace("a.awk", "/a.awk");
    assert_eq!(shown(&said(&absolute, &[])), ["script loaded /a.awk"]);
    let denied = format!("{GAWK}refuse denied /srv/a.awk\nargv gawk\nargv -f\nargv a.awk\n");
    let said_denied = said(&denied, &[("/srv/a.awk", "")]);
    assert_eq!(said_denied.unknown, ["cannot read /srv/a.awk"]);
    assert_eq!(shown(&said_denied), ["script loaded /srv/a.awk"]);
    let input = format!("{MAWK}argv awk\nargv -f\nargv -\n");
    let notes = ["a program from the standard input is not judged"];
    assert_eq!(said(&input, &[]).notes, notes);
}

#[test]
fn t11_a_hostile_program_ends() {
    let many: String = (0..20_000)
        .map(|number| format!("@include \"/{number}\"\n@include \"/0\"\n"))
        .collect();
    let record = format!("{GAWK}argv gawk\nargv -f\nargv a.awk\n");
    let said = said(&record, &[("/srv/a.awk", &many)]);
    assert_eq!(said.uses.len(), 200);
    assert_eq!(said.unknown, ["more than 200 program files"]);
}

#[test]
fn objects_carry_a_manifest_and_export_one_name() {
    for (object, name) in [(c(), "awk-c"), (rust(), "awk-rust")] {
        assert_eq!(build::exports_of(object), [abi::ENTRY]);
        let note = build::note_of(object);
        let start = format!("name = \"{name}\"\nversion = \"0.1.0\"\n");
        assert!(note.starts_with(&start), "{note}");
    }
}

#[test]
fn manifests_differ_in_name_and_summary_only() {
    let common = |text: &str| {
        let own = |line: &&str| !line.starts_with("name = ") && !line.starts_with("summary = ");
        text.lines()
            .filter(own)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let rust = common(&build::note_of(rust()));
    assert_eq!(common(&build::note_of(c())), rust);
    let python = fs::read_to_string(build::example("python/awk-python.toml")).unwrap();
    assert_eq!(common(&python), rust);
}
