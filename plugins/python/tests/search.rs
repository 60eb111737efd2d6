//! Rows of group 6, trees that the tests make: what is imported, and where that is.

use unstale_python::Python;

use crate::scene_rows::{EXE, app, check, check_note};
use crate::support::{files, marked, with_library};

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
        ("/srv/app/os.py", "import bait"),
        ("/srv/app/bait.py", ""),
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

/// Programs share what is found behind their own directories, unless one has a name there that the library asks for.
#[test]
fn t6_08_names_of_one_program_are_not_anothers() {
    let tree = app(&[
        ("/srv/plain/main.py", "import first"),
        ("/srv/late/main.py", "import first, third"),
        ("/srv/late/third.py", ""),
        ("/srv/own/main.py", "import first"),
        ("/srv/own/second.py", "import part"),
        ("/srv/own/part.py", ""),
        ("/usr/lib/python3.11/first.py", "import second"),
        ("/usr/lib/python3.11/second.py", ""),
    ]);
    let programs = [
        ("plain", &["main.py!"][..], &["first.py", "second.py"][..]),
        ("own", &["main.py!", "part.py", "second.py"], &["first.py"]),
        (
            "late",
            &["main.py!", "third.py"],
            &["first.py", "second.py"],
        ),
    ];
    for order in [[0, 1, 2], [1, 0, 2], [2, 1, 0], [1, 2, 1]] {
        let mut detector = Python::default();
        for (program, own, shared) in order.map(|at| programs[at]) {
            let process = format!("{EXE}argv python3\nargv /srv/{program}/main.py");
            let said = tree.scene(&process).inspect(&mut detector);
            assert_eq!(marked(&said, &format!("/srv/{program}/")), own, "{order:?}");
            let mut library = marked(&said, "/usr/lib/python3.11/");
            library.retain(|name| matches!(name.as_str(), "first.py" | "second.py"));
            assert_eq!(library, shared, "{order:?}");
        }
    }
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

#[test]
fn t6_07_order_of_pth_files() {
    let tree = app(&[("/srv/app/main.py", "import chosen\n")]);
    for name in ["d", "b", "h", "a", "f", "c", "g", "e"] {
        let site = "/usr/lib/python3/dist-packages";
        tree.file(
            &format!("{site}/{name}.pth"),
            format!("/srv/{name}").as_bytes(),
        );
        tree.file(&format!("/srv/{name}/chosen.py"), b"");
    }
    let said = tree.inspect(&format!("{EXE}argv python3\nargv /srv/app/main.py"));
    assert_eq!(marked(&said, "/srv/"), ["a/chosen.py", "app/main.py!"]);
}
