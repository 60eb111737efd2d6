//! Rows of group 6, trees that the tests make: which program it is, and which paths it has.

use unstale_plugin::{How, Role, What};

use crate::scene_rows::{EXE, app, check, check_note, check_unknown, simple};
use crate::support::{Tree, files, marked, with_library};

#[test]
fn t6_01_scripts() {
    let tree = simple();
    let both = ["main.py!", "shop.py"];
    check(
        &tree,
        "argv python3\nargv /srv/app/main.py\nargv --verbose",
        &both,
    );
    // By `#!/usr/bin/env -S python3 -u`.
    check(
        &tree,
        "execfn /srv/app/main.py\nargv python3\nargv -u\nargv /srv/app/main.py",
        &both,
    );
    let said = tree.inspect(&format!("{EXE}argv python3\nargv /srv/app/main.py"));
    assert_eq!(said.uses[0].role, Role::Script);
    let shop = said
        .uses
        .iter()
        .find(|used| used.what == What::File(b"/srv/app/shop.py".to_vec()));
    assert_eq!(shop.unwrap().via.as_deref(), Some(&b"/srv/app/main.py"[..]));
    assert_eq!(shop.unwrap().role, Role::Module);
    // A removed script is said all the same.
    check(&tree, "argv python3\nargv /srv/app/gone.py", &["gone.py!"]);
    check_note(
        &tree,
        "argv python3\nargv /srv/app/main.py",
        "its sources import",
    );
}

#[test]
fn t6_02_relative_scripts() {
    let tree = simple();
    let both = ["main.py!", "shop.py"];
    check(&tree, "cwd /srv/app\nargv python3\nargv main.py", &both);
    check(&tree, "cwd /srv\nargv python3\nargv ./app/main.py", &both);
    check(
        &tree,
        "cwd /\nexecfn /srv/app/main.py\nargv python3\nargv ./main.py",
        &both,
    );
    check_unknown(
        &tree,
        "cwd /\nargv python3\nargv main.py",
        "main.py is not in the working directory",
    );
    check_unknown(&tree, "argv python3\nargv main.py", "main.py");
    check_unknown(
        &tree,
        "cwd /\nexecfn /usr/bin/python3\nargv python3\nargv main.py",
        "main.py",
    );
}

#[test]
fn t6_03_symlinked_script() {
    let tree = simple();
    tree.link("/usr/local/bin/shopd", "../lib/shopd");
    tree.link("/usr/local/lib/shopd", "/srv/app/main.py");
    tree.file("/usr/local/bin/shop.py", b"import wrong");
    let said = tree.inspect(&format!("{EXE}argv python3\nargv /usr/local/bin/shopd"));
    let found = files(&said);
    assert_eq!(found.get("/usr/local/bin/shopd"), Some(&How::Loaded));
    assert_eq!(found.get("/srv/app/shop.py"), Some(&How::Imported));
    assert!(!found.contains_key("/usr/local/bin/shop.py"));
}

#[test]
fn t6_04_options() {
    let tree = simple();
    let both = ["main.py!", "shop.py"];
    for options in [
        "-u",
        "-W\nargv ignore",
        "-Wignore",
        "-X\nargv dev",
        "-Xdev",
        "-BuW\nargv ignore",
        "--check-hash-based-pycs\nargv never",
        "-OO\nargv -b\nargv -q",
        "--",
    ] {
        check(
            &tree,
            &format!("argv python3\nargv {options}\nargv /srv/app/main.py"),
            &both,
        );
    }
    // What follows `-c` or `-` is no script.
    check_note(
        &tree,
        "argv python3\nargv -c\nargv import x\nargv /srv/app/main.py",
        "no script",
    );
    check_note(
        &tree,
        "argv python3\nargv -ucimport x\nargv /srv/app/main.py",
        "no script",
    );
    check_note(
        &tree,
        "argv python3\nargv -\nargv /srv/app/main.py",
        "no script",
    );
    check_note(&tree, "argv python3", "no script");
    check(&tree, "argv python3\nargv -\nargv /srv/app/main.py", &[]);
    for module in [
        "-m\nargv main",
        "-mmain",
        "-Bum\nargv main",
        "-Im\nargv main",
    ] {
        let expected: &[&str] = if module.starts_with("-I") { &[] } else { &both };
        let process = format!("cwd /srv/app\nargv python3\nargv {module}\nargv -c\nargv x");
        if expected.is_empty() {
            check_unknown(&tree, &process, "main of -m was not found");
        } else {
            check(&tree, &process, expected);
        }
    }
}

#[test]
fn t6_04_packages_directories_archives() {
    let tree = app(&[
        ("/srv/app/pkg/__init__.py", ""),
        ("/srv/app/pkg/__main__.py", "from . import a\nimport b\n"),
        ("/srv/app/pkg/a.py", ""),
        ("/srv/app/b.py", ""),
        ("/srv/app/pkg/b.py", ""),
        ("/srv/app/pkg/sub.py", "from .a import x\n"),
    ]);
    let whole = ["b.py", "pkg/__init__.py", "pkg/__main__.py!", "pkg/a.py"];
    check(
        &tree,
        "cwd /srv/app\nargv python3\nargv -m\nargv pkg",
        &whole,
    );
    let sub = ["pkg/__init__.py", "pkg/a.py", "pkg/sub.py!"];
    check(&tree, "cwd /srv/app\nargv python3\nargv -mpkg.sub", &sub);
    // A directory is itself in front of the path, and its `__main__` is in no package.
    let inside = ["pkg/__main__.py!", "pkg/b.py"];
    check(&tree, "argv python3\nargv /srv/app/pkg", &inside);
    check(&tree, "cwd /srv/app\nargv python3\nargv pkg/", &inside);
    check_unknown(&tree, "cwd /\nargv python3\nargv -m\nargv pkg", "pkg of -m");
}

#[test]
fn t6_05_order_of_the_path() {
    let tree = app(&[
        ("/srv/app/main.py", "import one, two, three, four\n"),
        ("/srv/app/one.py", ""),
        ("/srv/lib/one.py", ""),
        ("/srv/lib/two.py", ""),
        ("/usr/lib/python3.11/two.py", ""),
        ("/usr/lib/python3.11/three.py", ""),
        ("/usr/local/lib/python3.11/dist-packages/three.py", ""),
        ("/usr/local/lib/python3.11/dist-packages/four.py", ""),
        ("/usr/lib/python3/dist-packages/four.py", ""),
        ("/root/.local/lib/python3.11/site-packages/four.py", ""),
    ]);
    let paths = |process: &str| {
        let said = tree.inspect(&format!("{EXE}{process}\nargv /srv/app/main.py"));
        let found = files(&said).into_keys();
        let found = found.filter(|path| !path.contains("encodings") && !path.ends_with("main.py"));
        found.collect::<Vec<_>>().join(" ")
    };
    let three = "/usr/lib/python3.11/three.py";
    let local = "/usr/local/lib/python3.11/dist-packages/four.py";
    assert_eq!(
        paths("env PYTHONPATH=/srv/lib\nargv python3"),
        format!("/srv/app/one.py /srv/lib/two.py {three} {local}")
    );
    assert_eq!(
        paths("env PYTHONPATH=/srv/lib\nargv python3\nargv -E"),
        format!("/srv/app/one.py {three} /usr/lib/python3.11/two.py {local}")
    );
    assert_eq!(
        paths("env PYTHONPATH=/srv/lib\nargv python3\nargv -P"),
        format!("/srv/lib/one.py /srv/lib/two.py {three} {local}")
    );
    assert_eq!(
        paths("env PYTHONPATH=/srv/lib\nargv python3\nargv -I"),
        format!("{three} /usr/lib/python3.11/two.py {local}")
    );
    assert_eq!(
        paths("env PYTHONSAFEPATH=1\nenv PYTHONPATH=:/srv/lib\ncwd /srv/app\nargv python3"),
        format!("/srv/app/one.py /srv/lib/two.py {three} {local}")
    );
    // The user's site comes before the system's.
    let user = "/root/.local/lib/python3.11/site-packages/four.py";
    let home = format!("{user} /srv/app/one.py {three} /usr/lib/python3.11/two.py");
    assert_eq!(paths("env HOME=/root\nargv python3"), home);
    let without = format!("/srv/app/one.py {three} /usr/lib/python3.11/two.py {local}");
    assert_eq!(paths("env HOME=/root\nargv python3\nargv -s"), without);
    assert_eq!(
        paths("env HOME=/root\nenv PYTHONNOUSERSITE=x\nargv python3"),
        without
    );
    assert_eq!(
        paths("env HOME=/none\nenv PYTHONUSERBASE=/root/.local\nargv python3"),
        home
    );
    assert_eq!(
        paths("argv python3\nargv -S"),
        format!("/srv/app/one.py {three} /usr/lib/python3.11/two.py")
    );
}

#[test]
fn t6_05_prefixes() {
    // pyenv: the prefix is found from the program's directory.
    let tree = Tree::of(&[
        ("/srv/app/main.py", "import six, json\n"),
        ("/opt/pyenv/versions/3.9.1/lib/python3.9/os.py", ""),
        (
            "/opt/pyenv/versions/3.9.1/lib/python3.9/json/__init__.py",
            "",
        ),
        (
            "/opt/pyenv/versions/3.9.1/lib/python3.9/site-packages/six.py",
            "",
        ),
        ("/usr/lib/python3.9/os.py", ""),
        ("/usr/lib/python3.9/six.py", ""),
    ]);
    let said = tree.inspect(
        "exe /opt/pyenv/versions/3.9.1/bin/python3.9\nargv python3\nargv /srv/app/main.py",
    );
    let found = marked(&said, "/opt/pyenv/versions/3.9.1/lib/python3.9/");
    assert_eq!(found, ["json/__init__.py", "site-packages/six.py"]);
    // Fedora: lib64, and pip's packages below /usr/local.
    let tree = Tree::of(&[
        ("/srv/app/main.py", "import six, rpm\n"),
        ("/usr/lib64/python3.12/os.py", ""),
        ("/usr/lib64/python3.12/site-packages/rpm/__init__.py", ""),
        ("/usr/lib/python3.12/site-packages/six.py", ""),
        ("/usr/local/lib/python3.12/site-packages/six.py", ""),
    ]);
    let said =
        tree.inspect("exe /usr/bin/python3.12\nargv /usr/bin/python3\nargv /srv/app/main.py");
    let found: Vec<String> = files(&said).into_keys().collect();
    assert_eq!(
        found,
        [
            "/srv/app/main.py",
            "/usr/lib64/python3.12/site-packages/rpm/__init__.py",
            "/usr/local/lib/python3.12/site-packages/six.py",
        ]
    );
    // PYTHONHOME is taken as text.
    let process =
        "exe /usr/bin/python3.12\nenv PYTHONHOME=/nix\nargv python3\nargv /srv/app/main.py";
    tree.file("/nix/lib/python3.12/os.py", b"");
    tree.file("/nix/lib/python3.12/six.py", b"");
    let said = tree.inspect(process);
    assert_eq!(marked(&said, "/nix/lib/python3.12/"), ["six.py"]);
}

#[test]
fn t6_05_versions_of_copies() {
    let tree = with_library(
        "3.11",
        &[
            ("/srv/app/main.py", "import shop"),
            ("/srv/app/shop.py", ""),
        ],
    );
    // A copy that tells no version: the only library there is.
    let copy = "exe /usr/bin/python3\nargv python3\nargv /srv/app/main.py";
    let both = ["main.py!", "shop.py"];
    assert_eq!(marked(&tree.inspect(copy), "/srv/app/"), both);
    tree.file("/usr/lib/python3.12/os.py", b"");
    let said = tree.inspect(copy);
    assert_eq!(marked(&said, "/srv/app/"), ["main.py!"]);
    assert!(said.unknown[0].contains("several libraries"), "{said:#?}");
    // Its libpython tells.
    let process = format!("{copy}\ncode 1000 /usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0");
    assert_eq!(marked(&tree.inspect(&process), "/srv/app/"), both);
    let process = format!(
        "{copy}\ncode 1000 /usr/lib/python3.11/lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so"
    );
    assert_eq!(marked(&tree.inspect(&process), "/srv/app/"), both);
}

#[test]
fn t6_06_virtual_environments() {
    let library = [
        ("/srv/app/main.py", "import flask, yaml\n"),
        (
            "/srv/venv/pyvenv.cfg",
            "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.2\n",
        ),
        (
            "/srv/venv/lib/python3.11/site-packages/flask/__init__.py",
            "",
        ),
        ("/usr/lib/python3/dist-packages/flask/__init__.py", ""),
        ("/usr/lib/python3/dist-packages/yaml/__init__.py", ""),
    ];
    let tree = app(&library);
    tree.link("/srv/venv/bin/python", "/usr/bin/python3.11");
    tree.file("/usr/bin/python3.11", b"");
    let own = ["lib/python3.11/site-packages/flask/__init__.py"];
    let started = [
        "argv /srv/venv/bin/python\nargv /srv/app/main.py",
        "execfn /srv/venv/bin/python\nargv python\nargv /srv/app/main.py",
        "cwd /srv\nargv venv/bin/python\nargv /srv/app/main.py",
        "env PATH=/bin:/srv/venv/bin\nargv python\nargv /srv/app/main.py",
        "execfn /srv/app/main.py\nargv /srv/venv/bin/python\nargv /srv/app/main.py",
    ];
    for process in started {
        let said = tree.inspect(&format!("{EXE}{process}"));
        assert_eq!(marked(&said, "/srv/venv/"), own, "{process}");
        assert!(marked(&said, "/usr/lib/python3/").is_empty(), "{process}");
    }
    let config = "home = /usr/bin\ninclude-system-site-packages = TRUE\n";
    tree.file("/srv/venv/pyvenv.cfg", config.as_bytes());
    let said = tree.inspect(&format!("{EXE}{}", started[0]));
    assert_eq!(marked(&said, "/srv/venv/"), own);
    assert_eq!(
        marked(&said, "/usr/lib/python3/dist-packages/"),
        ["yaml/__init__.py"]
    );
    // Not started through it.
    let said = tree.inspect(&format!(
        "{EXE}argv /usr/bin/python3.11\nargv /srv/app/main.py"
    ));
    assert!(marked(&said, "/srv/venv/").is_empty());
}

#[test]
fn t6_07_pth_files() {
    let site = "/usr/lib/python3/dist-packages";
    let tree = app(&[
        ("/srv/app/main.py", "import edited, far, finder\n"),
        ("/srv/work/edited.py", ""),
        ("/srv/app/bait.py", ""),
    ]);
    let pth = "# a comment\n/srv/work\n../more\n/nowhere\nimport bait; open('/tmp/x')\n";
    tree.file(&format!("{site}/__editable__.x.pth"), pth.as_bytes());
    tree.file(&format!("{site}/bait.py"), b"");
    tree.file("/usr/lib/python3/more/far.py", b"");
    let said = tree.inspect(&format!("{EXE}argv python3\nargv /srv/app/main.py"));
    let found = files(&said);
    assert_eq!(found.get("/srv/work/edited.py"), Some(&How::Imported));
    assert_eq!(
        found.get("/usr/lib/python3/more/far.py"),
        Some(&How::Imported)
    );
    // The line of code is read for its import, which happens before the script's directory is on the path.
    assert_eq!(found.get(&format!("{site}/bait.py")), Some(&How::Imported));
    assert!(!found.contains_key("/srv/app/bait.py"));
    let said = tree.inspect(&format!(
        "{EXE}argv python3\nargv -S\nargv /srv/app/main.py"
    ));
    assert!(!files(&said).contains_key("/srv/work/edited.py"));
}
