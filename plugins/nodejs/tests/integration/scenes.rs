//! Rows on trees that are made here.

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;
use unstale_nodejs::NodeJs;
use unstale_plugin::What;
use unstale_plugin::testing::{Said, Scene};

fn put(tree: &TempDir, path: &str, text: &str) {
    let place = tree.path().join("root").join(path.trim_start_matches('/'));
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(place, text).unwrap();
}

fn tree(files: &[(&str, &str)]) -> TempDir {
    let tree = tempfile::tempdir().unwrap();
    for (path, text) in files {
        put(&tree, path, text);
    }
    tree
}

/// What was said, one line each: `Role How FILE < VIA`.
fn lines(said: &Said) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let line = |used: &unstale_plugin::Used| {
        let What::File(path) = &used.what else {
            panic!("{:?}", used.what)
        };
        let via = used.via.as_ref().map(|via| format!(" < {}", text(via)));
        format!(
            "{:?} {:?} {}{}",
            used.role,
            used.how,
            text(path),
            via.unwrap_or_default()
        )
    };
    said.uses.iter().map(line).collect()
}

#[track_caller]
fn check(tree: &TempDir, process: &str, expected: &[&str]) -> Said {
    let process = format!("exe /usr/bin/node\n{process}");
    let scene = Scene::of(&process, tree.path()).unwrap();
    let said = scene.inspect(&mut NodeJs::default());
    assert_eq!(lines(&said), expected);
    said
}

#[test]
fn t6_22_script_and_modules() {
    let tree = tree(&[
        (
            "/srv/app.js",
            "require('./a'); require('fs'); if (x) require('./b')",
        ),
        ("/srv/a.js", "require('./app')"),
        ("/srv/b.js", "require('./c')"),
        ("/srv/c.js", ""),
        ("/srv/other.js", ""),
        ("/srv/package.json", r#"{"main": "app"}"#),
    ]);
    let modules = [
        "Module Imported /srv/a.js < /srv/app.js",
        "Module Possible /srv/b.js < /srv/app.js",
        "Module Possible /srv/c.js < /srv/b.js",
    ];
    let expected = [&["Script Loaded /srv/app.js"], modules.as_slice()].concat();
    check(&tree, "argv node\nargv app.js\ncwd /srv", &expected);
    check(&tree, "argv node\nargv app\ncwd /srv", &expected);
    check(&tree, "argv node\nargv .\ncwd /srv", &expected);
    check(&tree, "argv node\nargv /srv/../srv\ncwd /", &expected);
}

#[test]
fn t6_22_nothing_to_judge() {
    let tree = tree(&[("/srv/app.js", "")]);
    let said = check(&tree, "argv node\ncwd /srv", &[]);
    assert_eq!(said, Said::default());
    let said = check(
        &tree,
        "argv node\nargv -e\nargv require('./app')\ncwd /srv",
        &[],
    );
    assert_eq!(said, Said::default());
    let said = check(&tree, "argv node\nargv --watch\nargv app.js\ncwd /srv", &[]);
    assert_eq!((said.notes.len(), said.unknown.len()), (1, 0));
    let said = check(
        &tree,
        "argv node\nargv /usr/lib/node_modules/npm/bin/npm-cli.js\nargv start\ncwd /srv",
        &[],
    );
    assert_eq!((said.notes.len(), said.unknown.len()), (1, 0));
}

#[test]
fn t6_03_script_is_a_link() {
    let tree = tree(&[
        ("/srv/v1/app.js", "require('./a')"),
        ("/srv/v1/a.js", ""),
        ("/srv/a.js", ""),
    ]);
    symlink("v1/app.js", tree.path().join("root/srv/run")).unwrap();
    let expected = [
        "Script Loaded /srv/run",
        "Module Imported /srv/v1/a.js < /srv/v1/app.js",
    ];
    check(&tree, "argv node\nargv /srv/run", &expected);
}

#[test]
fn t6_02_changed_working_directory() {
    let tree = tree(&[("/srv/app.js", "")]);
    let said = check(&tree, "argv node\nargv app.js\ncwd /", &[]);
    assert_eq!(said.unknown, ["its script app.js is not found"]);
    let said = check(&tree, "argv node\nargv app.js", &[]);
    assert_eq!(said.unknown.len(), 1);
    let script = ["Script Loaded /srv/app.js"];
    check(
        &tree,
        "execfn /srv/app.js\nargv node\nargv ./app.js\ncwd /",
        &script,
    );
}

#[test]
fn t6_01_removed_script() {
    check(
        &tree(&[]),
        "argv node\nargv /srv/app.js",
        &["Script Loaded /srv/app.js"],
    );
}

/// As seen with Node.js 20: the title, then NUL bytes to the end of what the arguments were.
#[test]
fn t6_22_title_over_the_arguments() {
    let tree = tree(&[("/srv/app.js", "")]);
    let said = check(&tree, "argv my app\nargv \nargv ", &[]);
    assert_eq!((said.notes.len(), said.unknown.len()), (1, 0));
    let script = ["Script Loaded /srv/app.js"];
    check(&tree, "execfn /srv/app.js\nargv my app\nargv ", &script);
    check(
        &tree,
        "env pm_exec_path=/srv/app.js\nargv node /srv/app.js\nargv ",
        &script,
    );
    check(
        &tree,
        "env pm_exec_path=/srv/app.js\nargv my app\nargv ",
        &[],
    );
    let container = "/usr/lib/node_modules/pm2/lib/ProcessContainerFork.js";
    let process = format!("env pm_exec_path=/srv/app.js\nargv node\nargv {container}");
    check(&tree, &process, &script);
    check(
        &tree,
        "env pm_exec_path=/srv/x.js\nargv node\nargv /srv/app.js",
        &script,
    );
}

#[test]
fn t6_22_shared_directories() {
    let tree = tree(&[
        (
            "/srv/app.js",
            "require('a'); require('b'); require('c'); require('d'); require('e')",
        ),
        ("/usr/share/nodejs/a/index.js", ""),
        ("/usr/lib/x86_64-linux-gnu/nodejs/b.js", ""),
        ("/home/u/.node_modules/c.js", ""),
        ("/usr/lib/node/d.js", ""),
        ("/more/e.js", ""),
    ]);
    let process = "argv node\nargv /srv/app.js\ncwd /\nenv HOME=/home/u\nenv NODE_PATH=:more:/x\n\
        code 7f00 /usr/lib/x86_64-linux-gnu/libc.so.6";
    let expected = [
        "Script Loaded /srv/app.js",
        "Module Imported /usr/share/nodejs/a/index.js < /srv/app.js",
        "Module Imported /usr/lib/x86_64-linux-gnu/nodejs/b.js < /srv/app.js",
        "Module Imported /home/u/.node_modules/c.js < /srv/app.js",
        "Module Imported /usr/lib/node/d.js < /srv/app.js",
        "Module Imported /more/e.js < /srv/app.js",
    ];
    check(&tree, process, &expected);
}

#[test]
fn t6_22_addons_and_data() {
    let tree = tree(&[
        (
            "/srv/app.js",
            "require('./a.node'); require('./b.json'); require('./b')",
        ),
        ("/srv/a.node", ""),
        ("/srv/b.json", "{}"),
    ]);
    let expected = [
        "Script Loaded /srv/app.js",
        "Module Possible /srv/b.json < /srv/app.js",
    ];
    check(&tree, "argv node\nargv /srv/app.js", &expected);
}

#[test]
fn t11_02_too_many_modules() {
    let tree = tree(&[]);
    let all: String = (0..1600)
        .map(|number| format!("require('./m/{number}');\n"))
        .collect();
    put(&tree, "/srv/sure.js", &all);
    put(
        &tree,
        "/srv/perhaps.js",
        &format!("function f() {{ {all} }}"),
    );
    for number in 0..1600 {
        put(&tree, &format!("/srv/m/{number}.js"), "");
    }
    let look = |script: &str| {
        let text = format!("exe /usr/bin/node\nargv node\nargv /srv/{script}.js");
        Scene::of(&text, tree.path())
            .unwrap()
            .inspect(&mut NodeJs::default())
    };
    let said = look("sure");
    assert_eq!(
        (said.uses.len(), said.unknown.len(), said.notes.len()),
        (1501, 1, 0)
    );
    let said = look("perhaps");
    assert_eq!(
        (said.uses.len(), said.unknown.len(), said.notes.len()),
        (1501, 0, 1)
    );
}

#[test]
fn t11_02_large_and_odd_sources() {
    let long = format!("require('./a');{}require('./b')", " ".repeat(2 << 20));
    let tree = tree(&[
        ("/srv/app.js", &long),
        ("/srv/a.js", "\u{0}\u{1}"),
        ("/srv/b.js", ""),
    ]);
    fs::create_dir(tree.path().join("root/srv/package.json")).unwrap();
    symlink("node_modules", tree.path().join("root/srv/node_modules")).unwrap();
    put(
        &tree,
        "/srv/a.js",
        "require('loop'); require(''); require('/'); require('..'); require('@'); require('@a'); require('#a')",
    );
    let expected = [
        "Script Loaded /srv/app.js",
        "Module Imported /srv/a.js < /srv/app.js",
    ];
    check(&tree, "argv node\nargv /srv/app.js", &expected);
}

#[test]
fn t6_22_a_second_process_costs_little() {
    let tree = tree(&[
        ("/srv/app.js", "require('./a'); require('b')"),
        ("/srv/a.js", ""),
        ("/srv/node_modules/b/index.js", ""),
    ]);
    let mut detector = NodeJs::default();
    let [first, second] = [(); 2].map(|()| {
        let scene = Scene::of(
            "exe /usr/bin/node\nargv node\nargv /srv/app.js",
            tree.path(),
        )
        .unwrap();
        assert_eq!(scene.inspect(&mut detector).uses.len(), 3);
        scene.questions()
    });
    assert!(first > 0 && second == 0, "{first} questions, then {second}");
}

/// The host takes no path that is none, and few lines: a process that makes up both must not cost more than itself.
#[test]
fn t11_01_words_that_are_no_paths() {
    let long = "x/".repeat(40_000);
    let source = format!(
        "require('./{long}'); require('a\\0b'); require('{long}'); require('/\\0'); require('b')"
    );
    let tree = tree(&[
        ("/srv/app.js", &source),
        (
            "/srv/node_modules/b/package.json",
            r#"{"main": "\u0000", "exports": {".": "./\u0000/x"}}"#,
        ),
    ]);
    let app = ["Script Loaded /srv/app.js"];
    let said = check(&tree, "argv node\nargv /srv/app.js\ncwd /", &app);
    assert_eq!(said.unknown, [""; 0]);
    for words in [
        format!("argv {long}"),
        format!("argv /{long}"),
        format!("argv x\nexecfn /{long}x"),
    ] {
        let said = check(&tree, &format!("argv node\n{words}\ncwd /"), &[]);
        assert_eq!(said.unknown.len(), 1);
        assert!(said.unknown[0].len() < 500);
    }
    let preloads = format!(
        "argv -r\nargv {long}\nargv /srv/app.js\nenv NODE_PATH={long}:/x\nenv HOME=/{long}"
    );
    check(&tree, &format!("argv node\n{preloads}\ncwd /"), &app);
}
