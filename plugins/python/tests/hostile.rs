//! Sources, configurations and archives that are made to cost: bounded time, nothing executed, other processes unharmed.

use std::cell::Cell;
use std::time::{Duration, Instant};

use unstale_plugin::testing::{Said, Scene};
use unstale_plugin::{Detector as _, Entry, FileView, Refused, Root, Stat};
use unstale_python::Python;

use crate::support::{Tree, marked, with_library};

const MIB: usize = 1024 * 1024;

/// Much more than a release build needs, on a machine that is busy.
const LONG: Duration = Duration::from_secs(20);

#[track_caller]
fn check(name: &str, text: &[u8]) -> Said {
    let tree = with_library("3.11", &[]);
    tree.file("/srv/main.py", text);
    tree.file("/srv/x.py", b"");
    let begun = Instant::now();
    let said = tree.inspect("exe /usr/bin/python3.11\nargv python3\nargv /srv/main.py");
    assert!(begun.elapsed() < LONG, "{name}: {:?}", begun.elapsed());
    assert_eq!(marked(&said, "/srv/main.py"), ["!"], "{name}");
    said
}

#[test]
fn t11_02_sources_of_a_mebibyte() {
    let repeated = |part: &str| part.repeat(MIB / part.len()).into_bytes();
    for part in [
        "(",
        "[{(",
        "'",
        "\"\"\"",
        "f'{",
        "f\"{f'{",
        "import x;",
        "import x.y.z\n",
        "if x:\n ",
        "\\\n",
        "\\",
        "#",
        "\t",
        " \n",
        "from . import ",
        "from x import (a,",
        "try:\n  import y\n",
        "lambda:",
        "x=1;",
        "\r",
        "\u{e9}",
        "import a.",
        "a.b",
        "__all__ = ['x']\n",
        "f'{x:{",
        "import_module('x')",
        "__import__('",
        "sys.path.insert(0, '/')\n",
        "class A:",
        "def f(",
        "0",
        "rb'",
        "else:",
        "if ",
        ";",
        ":",
        "@",
        "async ",
        "case x:\n",
        "elif __name__ == '__main__':\n",
    ] {
        check(part, &repeated(part));
    }
    let deep: String = (0..1400)
        .map(|depth| format!("{}if x:\n", " ".repeat(depth)))
        .collect();
    check("deep", deep.as_bytes());
    check("nul", &vec![0; MIB]);
    let dotted = format!("import {}x", "a.".repeat(MIB / 2 - 10));
    check("dotted", dotted.as_bytes());
    let dots = format!("from {} import x", ".".repeat(MIB - 100));
    check("dots", dots.as_bytes());
}

#[test]
fn t11_02_larger_than_is_shown() {
    let mut text = b"import x\n".to_vec();
    text.resize(5 * MIB, b'\n');
    text.extend_from_slice(b"import y\n");
    let said = check("large", &text);
    assert_eq!(marked(&said, "/srv/x"), [".py"]);
    assert!(
        said.notes.iter().any(|note| note.contains("first MiB")),
        "{said:?}"
    );
}

#[test]
fn t11_02_random_bytes() {
    let mut state = 1_u64;
    for round in 0..400 {
        let parts = [
            "import ", "from ", "x", ".", ",", "(", ")", "\n", " ", "'", "\"", "\"\"\"", "f", "{",
            "}", ":", "\\", "#", ";", "if ", "try", "except", "else", "*", "as ", "\t", "\u{85}",
            "lambda ",
        ];
        let mut text = Vec::new();
        for _ in 0..round * 10 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let at = usize::try_from(state >> 40).unwrap() % parts.len();
            text.extend_from_slice(parts[at].as_bytes());
        }
        check("random", &text);
    }
}

#[test]
fn t11_03_other_kinds_of_files() {
    let tree = with_library("3.11", &[]);
    tree.file("/srv/main.py", b"import x, y, z, w\n");
    tree.link("/srv/x.py", "/proc/self/mem");
    tree.link("/srv/y.py", "y.py");
    tree.link("/srv/z.py", "/dev/zero");
    std::fs::create_dir_all(tree.path("/srv/w.py")).unwrap();
    let said = tree.inspect("exe /usr/bin/python3.11\nargv python3\nargv /srv/main.py");
    assert_eq!(marked(&said, "/srv/"), ["main.py!"]);
    // The program itself.
    tree.link("/srv/loop", "loop");
    for operand in ["/srv/loop", "/srv/y.py", "/srv/w.py", "/srv/gone/main.py"] {
        let said = tree.inspect(&format!(
            "exe /usr/bin/python3.11\nargv python3\nargv {operand}"
        ));
        assert!(said.uses.len() < 10, "{operand}: {said:#?}");
    }
}

#[test]
fn t11_08_files_of_the_interpreter_itself() {
    let config = [
        b"home = ".repeat(100_000),
        b"\0".repeat(1000),
        b"home = /proc/self\nversion = 3.11".to_vec(),
        b"home = ../../..\nversion = 999999999999.1\n".to_vec(),
        "home\n".repeat(100_000).into_bytes(),
    ];
    for text in config {
        let tree = with_library("3.11", &[("/srv/main.py", "import x"), ("/srv/x.py", "")]);
        tree.file("/srv/venv/pyvenv.cfg", &text);
        tree.file("/srv/venv/bin/python", b"");
        let pth = "/usr/lib/python3/dist-packages";
        tree.file(&format!("{pth}/a.pth"), &b"/srv\n".repeat(200_000));
        tree.file(&format!("{pth}/b.pth"), &b"import x;".repeat(100_000));
        tree.link(&format!("{pth}/c.pth"), "c.pth");
        let begun = Instant::now();
        let said =
            tree.inspect("exe /usr/bin/python3.11\nargv /srv/venv/bin/python\nargv /srv/main.py");
        assert!(begun.elapsed() < LONG, "{:?}", begun.elapsed());
        assert_eq!(marked(&said, "/srv/main.py"), ["!"]);
    }
}

#[test]
fn t11_17_archives() {
    let end = |size: u32, offset: u32| {
        [
            b"PK\x05\x06",
            &[0; 8][..],
            &size.to_le_bytes(),
            &offset.to_le_bytes(),
            &[0; 2],
        ]
        .concat()
    };
    let entry = [b"PK\x01\x02", &[0xff; 42][..]].concat();
    let empty = [b"PK\x01\x02", &[0; 42][..]].concat();
    let archives = [
        end(u32::MAX, 0),
        end(0, u32::MAX),
        end(46, 0),
        [&entry[..], &end(46, 0)].concat(),
        [empty.repeat(20_000), end(46 * 20_000, 0)].concat(),
        [&b"PK"[..], &[0; 100_000]].concat(),
        b"PK\x05\x06".repeat(20_000),
    ];
    for archive in archives {
        let said = check("archive", &archive);
        assert!(said.unknown.is_empty(), "{said:#?}");
        let tree = with_library("3.11", &[("/srv/main.py", "import x, a.b")]);
        tree.file("/srv/lib.zip", &archive);
        let path = "env PYTHONPATH=/srv/lib.zip:/srv/lib.zip/a/b/c:/srv/main.py/x";
        tree.inspect(&format!(
            "exe /usr/bin/python3.11\n{path}\nargv python3\nargv /srv/main.py"
        ));
    }
}

#[test]
fn t11_07_long_variables() {
    let tree = with_library("3.11", &[("/srv/main.py", "import x"), ("/srv/x.py", "")]);
    let path = "/srv/nothing:../..:".repeat(5000);
    let process = format!(
        "exe /usr/bin/python3.11\nenv PYTHONPATH={path}\nenv PATH={path}\nenv PYTHONHOME={}\n\
         env HOME={}\ncwd /srv\nargv python3\nargv /srv/main.py",
        "/x".repeat(20_000),
        "../".repeat(20_000)
    );
    let said = tree.inspect(&process);
    assert_eq!(marked(&said, "/srv/"), ["main.py!", "x.py"], "{said:?}");
}

/// A host that answers no more after some questions.
struct Tired {
    scene: Scene,
    left: Cell<u32>,
    with: Refused,
}

impl Tired {
    fn ask(&self) -> Result<(), Refused> {
        let left = self.left.get().checked_sub(1).ok_or(self.with)?;
        self.left.set(left);
        Ok(())
    }
}

impl FileView for Tired {
    fn read(&self, root: Root, path: &[u8]) -> Result<Vec<u8>, Refused> {
        self.ask()?;
        self.scene.read(root, path)
    }
    fn read_at(&self, root: Root, path: &[u8], offset: u64, size: u32) -> Result<Vec<u8>, Refused> {
        self.ask()?;
        self.scene.read_at(root, path, offset, size)
    }
    fn stat(&self, root: Root, path: &[u8]) -> Result<Stat, Refused> {
        self.ask()?;
        self.scene.stat(root, path)
    }
    fn list(&self, root: Root, path: &[u8]) -> Result<Vec<Entry>, Refused> {
        self.ask()?;
        self.scene.list(root, path)
    }
    fn read_link(&self, root: Root, path: &[u8]) -> Result<Vec<u8>, Refused> {
        self.ask()?;
        self.scene.read_link(root, path)
    }
    fn memory(&self, _: u64, _: u32) -> Result<Vec<u8>, Refused> {
        Err(self.with)
    }
}

/// Wherever the budget ends, the result says so, and the next process of the same view gets all.
#[test]
fn t11_23_budget() {
    let tree = with_library(
        "3.11",
        &[
            ("/srv/main.py", "import a.b, gone"),
            ("/srv/a/__init__.py", ""),
            ("/srv/a/b.py", "from . import c"),
            ("/srv/a/c.py", ""),
        ],
    );
    let process = "exe /usr/bin/python3.11\nargv python3\nargv /srv/main.py";
    let whole = tree.inspect(process);
    let questions = {
        let scene = tree.scene(process);
        let said = scene.inspect(&mut Python::default());
        assert_eq!(said, whole);
        scene.questions()
    };
    for with in [Refused::Budget, Refused::NoAnswer] {
        for left in 0..questions {
            let scene = tree.scene(process);
            let looked_at = scene.process.clone();
            let left_over = Cell::new(left);
            let tired = Tired {
                scene,
                left: left_over,
                with,
            };
            let mut detector = Python::default();
            let mut said = Said::default();
            detector.inspect(&looked_at, &tired, &mut said);
            let ended = tired.left.get() == 0;
            if said.uses != whole.uses {
                assert!(!said.unknown.is_empty(), "{left}: {said:#?}");
            } else {
                assert!(ended || said.unknown.is_empty());
            }
            let again = tree.scene(process).inspect(&mut detector);
            assert_eq!(again.uses, whole.uses, "{left}: {said:#?}");
            assert!(again.unknown.is_empty(), "{left}: {again:#?}");
        }
    }
}

#[test]
fn t11_02_imports_without_end() {
    // The second is more than may be read for one process.
    for (modules, whole) in [(1500, true), (5000, false)] {
        let tree = with_library("3.11", &[]);
        for module in 0..modules {
            let (next, other) = ((module + 1) % modules, (module * 7) % modules);
            let text = format!("import m{next}, m{other}\n");
            tree.file(&format!("/srv/m{module}.py"), text.as_bytes());
        }
        let begun = Instant::now();
        let said = tree.inspect("exe /usr/bin/python3.11\nargv python3\nargv /srv/m0.py");
        assert!(begun.elapsed() < LONG, "{:?}", begun.elapsed());
        assert_eq!(marked(&said, "/srv/").len() == modules, whole);
        assert_eq!(said.unknown.is_empty(), whole, "{:?}", said.unknown);
    }
}

#[test]
fn an_empty_machine() {
    let tree = Tree::of(&[("/x", "")]);
    for process in [
        "exe /usr/bin/python3.11",
        "exe /usr/bin/python3.11\nargv python3\nargv /x",
    ] {
        tree.inspect(process);
    }
}
