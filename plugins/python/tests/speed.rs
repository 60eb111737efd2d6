//! What is learnt through one process serves the others of its view. Counted in questions; times are in the benches.

use std::fmt::Write as _;
use std::time::Instant;

use unstale_plugin::testing::Said;
use unstale_python::Python;

use crate::support::{Tree, marked, with_library};

const MODULES: usize = 200;

/// A library of modules that import one another, and services that use it.
fn services() -> Tree {
    let tree = with_library("3.11", &[]);
    for module in 0..MODULES {
        let mut text = String::from("import os, sys\nfrom typing import Any\n");
        for step in [1, 7, 31] {
            writeln!(text, "import lib.m{:03}", (module + step) % MODULES).unwrap();
        }
        for name in 0..10 {
            writeln!(text, "def f{name}(x):\n    return '''{module}''' + x").unwrap();
        }
        let path = format!("/usr/lib/python3/dist-packages/lib/m{module:03}.py");
        tree.file(&path, text.as_bytes());
    }
    tree.file("/usr/lib/python3/dist-packages/lib/__init__.py", b"");
    tree.file("/usr/lib/python3.11/typing.py", b"");
    for service in 0..40 {
        let script = format!("/srv/s{service}/main.py");
        tree.file(&script, b"import lib.m000, own\n");
        tree.file(&format!("/srv/s{service}/own.py"), b"");
    }
    tree
}

fn process(service: usize) -> String {
    format!("exe /usr/bin/python3.11\nargv /usr/bin/python3\nargv /srv/s{service}/main.py")
}

#[track_caller]
fn whole(said: &Said) {
    let found = marked(said, "/usr/lib/python3/dist-packages/lib/");
    assert_eq!(found.len(), MODULES + 1);
    assert!(said.unknown.is_empty(), "{:?}", said.unknown);
}

#[test]
fn services_share_what_was_read() {
    let tree = services();
    let mut detector = Python::default();
    let first = tree.scene(&process(0));
    whole(&first.inspect(&mut detector));
    let cold = first.questions();
    assert!(cold > 200, "{cold}");
    // The same program again: what is the process's own, and nothing of the modules.
    let again = tree.scene(&process(0));
    let begun = Instant::now();
    whole(&again.inspect(&mut detector));
    let warm = begun.elapsed();
    println!("again: {} questions, {warm:?}", again.questions());
    assert!(again.questions() < 12, "{}", again.questions());
    // Another program with a directory of its own.
    for service in 1..40 {
        let other = tree.scene(&process(service));
        let begun = Instant::now();
        whole(&other.inspect(&mut detector));
        if service == 39 {
            println!(
                "another: {} questions, {:?}",
                other.questions(),
                begun.elapsed()
            );
        }
        assert!(other.questions() < 6, "{}", other.questions());
    }
    // Another view: nothing is taken over.
    let other = tree.scene(&format!("{}\nview 2", process(0)));
    whole(&other.inspect(&mut detector));
    assert!(other.questions() > 200, "{}", other.questions());
}
