//! Rows of group 6: trees that the tests make.

use std::process::Command;

use unstale_plugin::{How, Role, What};

use crate::support::{Running, Tree, files, interpreters, marked, with_library};

const EXE: &str = "exe /usr/bin/python3.11\n";

/// An application in `/srv/app` of a Debian-like machine.
fn app(files: &[(&str, &str)]) -> Tree {
    with_library("3.11", files)
}

#[track_caller]
fn check(tree: &Tree, process: &str, expected: &[&str]) {
    let said = tree.inspect(&format!("{EXE}{process}"));
    assert_eq!(marked(&said, "/srv/app/"), expected, "{process}: {said:#?}");
    assert!(said.unknown.is_empty(), "{process}: {:?}", said.unknown);
}

#[track_caller]
fn check_unknown(tree: &Tree, process: &str, part: &str) {
    let said = tree.inspect(&format!("{EXE}{process}"));
    assert!(
        said.unknown.iter().any(|what| what.contains(part)),
        "{process}: {said:#?}"
    );
}

#[track_caller]
fn check_note(tree: &Tree, process: &str, part: &str) {
    let said = tree.inspect(&format!("{EXE}{process}"));
    assert!(
        said.notes.iter().any(|note| note.contains(part)),
        "{said:#?}"
    );
    assert!(said.unknown.is_empty(), "{:?}", said.unknown);
}

fn simple() -> Tree {
    app(&[
        ("/srv/app/main.py", "import shop\n"),
        ("/srv/app/shop.py", ""),
        ("/srv/app/other.py", ""),
    ])
}

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

#[test]
fn sitecustomize_of_the_environment() {
    let tree = app(&[
        ("/srv/app/main.py", ""),
        ("/srv/app/sitecustomize.py", ""),
        ("/srv/trace/sitecustomize.py", "import tracer"),
        ("/srv/trace/tracer.py", ""),
    ]);
    let process = format!("{EXE}env PYTHONPATH=/srv/trace\nargv python3\nargv /srv/app/main.py");
    let said = tree.inspect(&process);
    assert_eq!(marked(&said, "/srv/app/"), ["main.py!"]);
    assert_eq!(
        marked(&said, "/srv/trace/"),
        ["sitecustomize.py", "tracer.py"]
    );
}

#[test]
fn t6_08_search() {
    let tree = app(&[
        (
            "/srv/app/main.py",
            "import p, ext, tagged, space.inner, both, os, sys, json.decoder\nfrom gone import x",
        ),
        // A package before a module, a shared object before a source.
        ("/srv/app/p/__init__.py", ""),
        ("/srv/app/p.py", ""),
        ("/srv/app/ext.so", ""),
        ("/srv/app/ext.py", ""),
        ("/srv/app/both.abi3.so", ""),
        ("/srv/app/both.py", ""),
        ("/srv/app/tagged.py", ""),
        // A directory without `__init__` is a namespace only if nothing else is found.
        ("/srv/app/space/inner.py", ""),
        // Names of the interpreter are not taken from the program's directory.
        ("/srv/app/os.py", ""),
        ("/srv/app/sys.py", ""),
        ("/srv/app/json/decoder.py", ""),
        (
            "/usr/lib/python3.11/json/__init__.py",
            "from .decoder import X",
        ),
        ("/usr/lib/python3.11/json/decoder.py", ""),
    ]);
    let suffix = format!("cpython-311-{}-linux-gnu.so", std::env::consts::ARCH);
    tree.file(&format!("/srv/app/tagged.{suffix}"), b"");
    check(
        &tree,
        "argv python3\nargv /srv/app/main.py",
        &["main.py!", "p/__init__.py", "space/inner.py"],
    );
    let said = tree.inspect(&format!("{EXE}argv python3\nargv /srv/app/main.py"));
    let json = marked(&said, "/usr/lib/python3.11/json/");
    assert_eq!(json, ["__init__.py", "decoder.py"]);
    assert!(!files(&said).contains_key("/usr/lib/python3.11/os.py"));
    // Before 3.11 `os` is a file like any other.
    let old = with_library(
        "3.10",
        &[("/srv/app/main.py", "import os"), ("/srv/app/os.py", "")],
    );
    let said = old.inspect("exe /usr/bin/python3.10\nargv python3\nargv /srv/app/main.py");
    assert!(files(&said).contains_key("/srv/app/os.py"));
}

#[test]
fn t6_08_namespaces_of_several_places() {
    let tree = app(&[
        ("/srv/app/main.py", "import ns.a, ns.b, ns.c\n"),
        ("/srv/app/ns/a.py", ""),
        ("/srv/lib/ns/b.py", ""),
        ("/usr/lib/python3/dist-packages/ns/c.py", ""),
    ]);
    let said = tree.inspect(&format!(
        "{EXE}env PYTHONPATH=/srv/lib\nargv python3\nargv /srv/app/main.py"
    ));
    let found: Vec<String> = files(&said)
        .into_keys()
        .filter(|path| path.contains("/ns/"))
        .collect();
    let expected = [
        "/srv/app/ns/a.py",
        "/srv/lib/ns/b.py",
        "/usr/lib/python3/dist-packages/ns/c.py",
    ];
    assert_eq!(found, expected);
}

#[test]
fn t6_09_packages_and_cycles() {
    let tree = app(&[
        ("/srv/app/main.py", "import a.b.c\n"),
        ("/srv/app/a/__init__.py", "from . import first\n"),
        (
            "/srv/app/a/first.py",
            "from .b.c import (d,\n  e)  # in a circle\n",
        ),
        (
            "/srv/app/a/b/__init__.py",
            "from .. import second as s, nothing\n",
        ),
        (
            "/srv/app/a/b/c.py",
            "from ...x import y\nfrom ..third import *\nimport a\n",
        ),
        ("/srv/app/a/second.py", ""),
        (
            "/srv/app/a/third/__init__.py",
            "__all__ = ['inner', \"value\"]\n",
        ),
        ("/srv/app/a/third/inner.py", ""),
        ("/srv/app/a/third/outer.py", ""),
        ("/srv/app/a/unused.py", ""),
        ("/srv/app/x.py", ""),
    ]);
    check(
        &tree,
        "argv python3\nargv /srv/app/main.py",
        &[
            "a/__init__.py",
            "a/b/__init__.py",
            "a/b/c.py",
            "a/first.py",
            "a/second.py",
            "a/third/__init__.py",
            "a/third/inner.py",
            "main.py!",
        ],
    );
}

#[test]
fn t6_09_sure_and_possible() {
    let text = r#"
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import never
else:
    import instead
try:
    import there
except ImportError:
    import fallback
try:
    import missing, behind
except (ImportError, OSError):
    import substitute
if maybe: import conditional
def f():
    import lazy
    importlib.import_module("named")
class C:
    import inclass
with open("x") as f: import inwith
if __name__ == "__main__":
    import onlymain
import sys; sys.path.insert(0, "/srv/app/extra"); import added
"#;
    let names = [
        "never",
        "instead",
        "there",
        "fallback",
        "behind",
        "substitute",
        "conditional",
        "lazy",
        "named",
        "inclass",
        "inwith",
        "onlymain",
        "deep",
        "deeper",
    ];
    let tree = app(&[("/srv/app/main.py", text), ("/srv/app/extra/added.py", "")]);
    for name in names {
        tree.file(&format!("/srv/app/{name}.py"), b"");
    }
    tree.file(
        "/srv/app/there.py",
        b"if __name__ == '__main__':\n    import deep\n",
    );
    tree.file("/srv/app/lazy.py", b"import deeper\n");
    check(
        &tree,
        "argv python3\nargv /srv/app/main.py",
        &[
            "behind.py?",
            "conditional.py?",
            "deeper.py?",
            "extra/added.py",
            "fallback.py?",
            "inclass.py",
            "instead.py",
            "inwith.py",
            "lazy.py?",
            "main.py!",
            "named.py?",
            "onlymain.py",
            "substitute.py",
            "there.py",
        ],
    );
}

#[test]
fn t6_10_compiled() {
    let tree = app(&[
        ("/srv/app/main.py", "import a, b\n"),
        ("/srv/app/a.py", ""),
        ("/srv/app/__pycache__/a.cpython-311.pyc", "x"),
        ("/srv/app/b.pyc", "x"),
        ("/srv/app/__pycache__/c.cpython-311.pyc", "x"),
    ]);
    check(
        &tree,
        "argv python3\nargv /srv/app/main.py",
        &["a.py", "b.pyc", "main.py!"],
    );
    check_note(
        &tree,
        "argv python3\nargv /srv/app/main.py",
        "compiled form",
    );
}

#[test]
fn t6_11_extension_modules_show_their_site() {
    let tree = app(&[
        ("/srv/app/main.py", "import numpy\n"),
        ("/opt/conda/site-packages/numpy/__init__.py", ""),
    ]);
    let code = "code 1000 /opt/conda/site-packages/numpy/core/_x.cpython-311-x86_64-linux-gnu.so";
    let process = format!("{EXE}{code}\nargv python3\nargv /srv/app/main.py");
    let said = tree.inspect(&process);
    let found = marked(&said, "/opt/conda/site-packages/");
    assert_eq!(found, ["numpy/__init__.py"]);
    assert!(
        said.notes
            .iter()
            .any(|note| note.contains("/opt/conda/site-packages"))
    );
}

fn web() -> Tree {
    app(&[
        (
            "/usr/bin/gunicorn",
            "from gunicorn.app.wsgiapp import run\nrun()\n",
        ),
        ("/usr/lib/python3/dist-packages/gunicorn/__init__.py", ""),
        ("/usr/lib/python3/dist-packages/gunicorn/app/wsgiapp.py", ""),
        ("/srv/app/shop/__init__.py", ""),
        ("/srv/app/shop/wsgi.py", "from .cart import x\n"),
        ("/srv/app/shop/cart.py", ""),
        ("/srv/app/shop/celery.py", ""),
        ("/srv/app/shop/unused.py", ""),
    ])
}

#[test]
fn t6_12_launchers() {
    let tree = web();
    let found = ["shop/__init__.py", "shop/cart.py", "shop/wsgi.py"];
    let gunicorn = "argv /usr/bin/python3\nargv /usr/bin/gunicorn\nargv -b\nargv 127.0.0.1:8000";
    check(
        &tree,
        &format!("cwd /srv/app\n{gunicorn}\nargv shop.wsgi:app"),
        &found,
    );
    check(
        &tree,
        &format!("cwd /\n{gunicorn}\nargv --chdir\nargv /srv/app\nargv shop.wsgi:make()"),
        &found,
    );
    check(
        &tree,
        &format!("cwd /\n{gunicorn}\nargv --pythonpath=/x,/srv/app\nargv shop.wsgi:app"),
        &found,
    );
    check_unknown(
        &tree,
        &format!("cwd /\n{gunicorn}\nargv shop.wsgi:app"),
        "shop.wsgi",
    );
    tree.file("/usr/lib/python3/dist-packages/uvicorn/__main__.py", b"");
    tree.file("/usr/lib/python3/dist-packages/uvicorn/__init__.py", b"");
    let uvicorn =
        "cwd /\nargv python3\nargv -m\nargv uvicorn\nargv --app-dir=/srv/app\nargv shop.wsgi:app";
    check(&tree, uvicorn, &found);
    tree.file("/usr/bin/celery", b"");
    for app in [
        "-A\nargv shop",
        "-Ashop",
        "--app=shop",
        "-A\nargv shop.celery:app",
    ] {
        let process =
            format!("cwd /srv/app\nargv python3\nargv /usr/bin/celery\nargv {app}\nargv worker");
        check(&tree, &process, &["shop/__init__.py", "shop/celery.py"]);
    }
}

#[test]
fn t6_12_programs_that_embed_python() {
    let tree = web();
    let process = |arguments: &str| {
        let text = format!(
            "exe /usr/bin/uwsgi-core\ncode 1000 /usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0\n\
             cwd /\nargv uwsgi\n{arguments}"
        );
        tree.inspect(&text)
    };
    let said = process("argv --ini\nargv /etc/uwsgi.ini");
    assert!(said.uses.is_empty() && said.unknown.is_empty(), "{said:#?}");
    assert!(said.notes[0].contains("embeds Python"));
    // Plainly named: shown, never a reason.
    let said = process("argv --chdir=/srv/app\nargv --module\nargv shop.wsgi:app");
    let found = ["shop/__init__.py?", "shop/cart.py?", "shop/wsgi.py?"];
    assert_eq!(marked(&said, "/srv/app/"), found);
    assert!(said.unknown.is_empty());
    // Neither an interpreter nor its library: not ours.
    let said = tree.inspect("exe /usr/bin/python-gui\nargv python-gui\nargv /srv/app/main.py");
    assert_eq!(said, unstale_plugin::testing::Said::default());
}

#[test]
fn t2_14_rewritten_arguments() {
    let tree = simple();
    for title in ["shopd: worker [3]", "shopd", "gunicorn: master [shop]"] {
        check_note(
            &tree,
            &format!("execfn /usr/bin/python3\nargv {title}\nargv \nargv "),
            "title",
        );
        check(&tree, &format!("argv {title}"), &[]);
    }
    check_note(&tree, "cwd /", "title");
    // The kernel remembers the script that was executed.
    tree.file("/srv/app/run", b"#!/usr/bin/python3\nimport shop\n");
    check(
        &tree,
        "execfn /srv/app/run\nargv shopd: worker",
        &["run!", "shop.py"],
    );
    check(&tree, "execfn /srv/app/main.py\nargv shopd: worker", &[]);
}

#[test]
fn t6_27_t6_28_any_place() {
    // Where a script lies, and whether it writes to itself, changes nothing here: the host compares times.
    for place in ["/tmp/ansible_x", "/var/www", "/run/x"] {
        let script = format!("{place}/main.py");
        let tree = app(&[
            (&script, "open(__file__, 'a')\nimport helper\n"),
            (&format!("{place}/helper.py"), ""),
        ]);
        let said = tree.inspect(&format!("{EXE}argv python3\nargv {script}"));
        assert_eq!(marked(&said, place), ["/helper.py", "/main.py!"]);
    }
}

#[test]
fn python_2_is_judged_by_its_script() {
    let tree = Tree::of(&[
        ("/srv/app/main.py", "import shop"),
        ("/srv/app/shop.py", ""),
    ]);
    let said = tree.inspect("exe /usr/bin/python2.7\nargv python2\nargv /srv/app/main.py");
    assert_eq!(marked(&said, "/srv/app/"), ["main.py!"]);
    assert!(said.notes[0].contains("Python 2"));
}

/// An archive of members that are stored, with something in front. `zipapp` would need an interpreter.
fn zip(front: &[u8], members: &[(&str, &str)], comment: &[u8]) -> Vec<u8> {
    let (mut bytes, mut directory) = (front.to_vec(), Vec::new());
    let half = |number: usize| u16::try_from(number).unwrap().to_le_bytes();
    let word = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
    for (name, text) in members {
        let header = word(bytes.len() - front.len());
        // Version, flags, method, time, date, checksum (of nothing), sizes, lengths.
        let common = [
            &half(20)[..],
            &[0; 12],
            &word(text.len()),
            &word(text.len()),
            &half(name.len()),
            &half(0),
        ]
        .concat();
        for part in [b"PK\x03\x04", &common[..], name.as_bytes(), text.as_bytes()] {
            bytes.extend_from_slice(part);
        }
        let version = half(20);
        for part in [
            b"PK\x01\x02",
            &version[..],
            &common,
            &[0; 10],
            &header,
            name.as_bytes(),
        ] {
            directory.extend_from_slice(part);
        }
    }
    let offset = word(bytes.len() - front.len());
    let count = half(members.len());
    let size = word(directory.len());
    bytes.extend_from_slice(&directory);
    let length = half(comment.len());
    for part in [
        b"PK\x05\x06",
        &[0; 4][..],
        &count,
        &count,
        &size,
        &offset,
        &length,
        comment,
    ] {
        bytes.extend_from_slice(part);
    }
    bytes
}

#[test]
fn t6_13_archives() {
    let tree = app(&[("/srv/lib/outer.py", ""), ("/srv/lib/hidden.py", "")]);
    let members = [
        ("__main__.py", "import inside.deep\n"),
        ("inside/__init__.py", ""),
        ("inside/deep.py", "import outer\n"),
        ("inside/never.py", "import hidden\n"),
    ];
    for front in [&b""[..], b"#!/usr/bin/env python3\n"] {
        tree.file("/srv/app/tool", &zip(front, &members, b""));
        let process = format!("{EXE}env PYTHONPATH=/srv/lib\nargv python3\nargv /srv/app/tool");
        let said = tree.inspect(&process);
        assert_eq!(
            marked(&said, "/srv/"),
            ["app/tool!", "lib/outer.py"],
            "{said:#?}"
        );
        assert_eq!(said.uses[0].role, Role::Archive);
    }
    // On the path, with a comment; and a directory inside.
    tree.file("/srv/app/main.py", b"import one, two\n");
    tree.file(
        "/srv/a.egg",
        &zip(b"", &[("one.py", "import outer")], b"a comment"),
    );
    tree.file("/srv/b.zip", &zip(b"", &[("lib/two.pyc", "")], b""));
    let path = "env PYTHONPATH=/srv/lib:/srv/a.egg:/srv/b.zip/lib";
    let said = tree.inspect(&format!("{EXE}{path}\nargv python3\nargv /srv/app/main.py"));
    assert_eq!(
        marked(&said, "/srv/"),
        ["a.egg", "app/main.py!", "b.zip", "lib/outer.py"]
    );
}

/// What `zipapp` makes, deflated or not.
#[test]
fn t6_13_real_archives() {
    for python in interpreters() {
        let tree = Tree::new();
        tree.file(
            "/app/__main__.py",
            b"import inner\nprint('ready', flush=True)\ninput()\n",
        );
        tree.file("/app/inner.py", b"import colorsys\n");
        for options in [&[][..], &["-c"]] {
            let archive = tree.path("/tool.pyz");
            let mut make = Command::new(&python);
            make.args(["-m", "zipapp", "-p", "/usr/bin/env python3"])
                .args(options);
            make.arg(tree.path("/app")).arg("-o").arg(&archive);
            if !make.output().unwrap().status.success() {
                continue; // 3.6 does not know -c
            }
            let running = Running::start(Command::new(&python).arg("-S").arg(&archive));
            let found = files(&running.inspect());
            let archive = archive.to_str().unwrap();
            assert_eq!(found.get(archive), Some(&How::Loaded), "{found:?}");
            let colours = found.keys().any(|path| path.ends_with("/colorsys.py"));
            assert_eq!(colours, options.is_empty(), "{found:?}");
        }
    }
}
