//! Rows for what is pure: source text, command lines, names; and a comparison with the parser of CPython.
#![forbid(unsafe_code)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use unstale_plugin::Process;

use crate::command::{Main, command_of, is_interpreter};
use crate::source::{Names, Source, When, parse_source};
use crate::version::parse_version;

/// Imports in a form to compare: `..a.b:x,y` for `from ..a.b import x, y`.
fn shown(source: &Source, with_marks: bool) -> Vec<String> {
    let rows = source.imports.iter().map(|import| {
        let mut row = ".".repeat(import.level);
        row.push_str(&String::from_utf8_lossy(&import.module));
        match &import.names {
            Names::Module => {}
            Names::All => row.push_str(":*"),
            Names::These(names) => {
                let names: Vec<_> = names
                    .iter()
                    .map(|name| String::from_utf8_lossy(name))
                    .collect();
                write!(row, ":{}", names.join(",")).unwrap();
            }
        }
        let mark = match import.when {
            When::Always => "",
            When::Main => "!",
            When::Maybe => "?",
            When::Never => "never",
        };
        if with_marks {
            row.push_str(mark);
        }
        row
    });
    rows.collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let source = parse_source(text.as_bytes());
    assert_eq!(shown(&source, true), expected, "{text}");
}

#[test]
fn t6_09_imports() {
    check("import a", &["a"]);
    check("import a.b as c, d", &["a.b", "d"]);
    check("import a . b", &["a.b"]);
    check("from . import x", &[".:x"]);
    check("from ..p import (y,\n z as w,)", &["..p:y,z"]);
    check("from ...p.q import *", &["...p.q:*"]);
    check("from .... import a", &["....:a"]);
    check("from a import b; import c;import d", &["a:b", "c", "d"]);
    check("from a \\\n  import \\\r\n b", &["a:b"]);
    check(
        "from a import ( # one\n\n  b, # two\n  # three\n c )\nimport d",
        &["a:b,c", "d"],
    );
    check("importx\nfromage = import_ = 1", &[]);
    check("x = yield_from; yield from a", &[]);
    check("raise X from import_error", &[]);
    check("import_module('a')", &["a?"]);
    check("y = importlib.import_module('.a', __package__)", &[".a?"]);
    check("__import__('a.b', x)", &["a.b?"]);
    check(
        "import_module(name)\nimport_module('a' + x)\nimport_module(f'a')\nimport_module('not a name')",
        &[],
    );
    check("import \u{e9}t\u{e9}", &["\u{e9}t\u{e9}"]);
}

#[test]
fn t6_09_strings_and_comments() {
    check("'''\nimport a\n'''\nimport b", &["b"]);
    check("\"\"\"it's \\\"\"\" \nimport a\n\"\"\"\nimport b", &["b"]);
    check("x = 'a\\\nimport b'\nimport c", &["c"]);
    check("x = r'\\'; import b'\nimport c", &["c"]);
    check("x = rb'''\nimport a\n''' ; import b", &["b"]);
    check("# import a \\\nimport b", &["b"]);
    check("x = f'{a['b']}'; import c", &["c"]);
    check("x = f\"{a!r:>{w}}\"; import c", &["c"]);
    check("x = f\"{{'\"; import c", &["c"]);
    check("x = f'''{\nimport_\n}'''\nimport c", &["c"]);
    check("x = f'\\N{DASH}'; import c", &["c"]);
    check("x = rf'\\{a}'; import c", &["c"]);
    check("x = f'{a:%H:%M}'; import c", &["c"]);
    check("x = f'{x = }' f\"{f'{1}'}\"; import c", &["c"]);
    check("x = f'{'\nimport c", &[]);
    check("x = 'open\nimport c", &["c"]);
    check("x = '''open\nimport c", &[]);
    check("x = 1if y else'z'; import c", &["c"]);
    check("x = [\n'a',\nimport_,\n]\nimport c", &["c"]);
    check("\u{feff}import a", &["a"]);
    check(
        "import a\r\nimport b\rimport c\x0c\nimport d\n\x0c  \nimport e",
        &["a", "b", "c", "d", "e"],
    );
    check("import a\n\0import b", &["a"]);
}

#[test]
fn t6_09_encodings() {
    // The second byte of a character is a quote's or a backslash's.
    let text = b"# -*- coding: shift_jis -*-\nx = '\x83\x5c'\nimport a\n";
    assert_eq!(shown(&parse_source(text), true), ["a"]);
    let text = b"#!/bin/x\n# vim: set fileencoding=big5 :\nx = '\xa5\x5c'; import a\n";
    assert_eq!(shown(&parse_source(text), true), ["a"]);
    let text = b"# coding: latin-1\nx = '\xe9'; import a\n";
    assert_eq!(shown(&parse_source(text), true), ["a"]);
}

#[test]
fn t6_09_blocks() {
    check("if TYPE_CHECKING:\n    import a\nimport b", &["b"]);
    check("if typing.TYPE_CHECKING: import a\nelse: import b", &["b"]);
    check(
        "if not TYPE_CHECKING:\n  import a\nelse:\n  import b",
        &["a"],
    );
    check(
        "if x:\n import a\nelif y:\n import b\nelse:\n import c",
        &["a?", "b?", "c?"],
    );
    check(
        "if sys.platform == 'win32':\n import a\nelif x:\n import b\nelse: import c",
        &["b?", "c?"],
    );
    check(
        "if os.name == 'posix':\n import a\nelif x:\n import b",
        &["a"],
    );
    check(
        "if __name__ == '__main__':\n  if x: import a\n  import b",
        &["a?", "b!"],
    );
    check(
        "try:\n import a\nexcept ImportError:\n import b\nelse:\n import c\nfinally:\n import d",
        &["a", "b", "c?", "d"],
    );
    check("try: import a\nexcept KeyError: import b", &["a", "b?"]);
    check("for x in y:\n import a\nwhile x: import b", &["a?", "b?"]);
    check("with a as b, c():\n import d", &["d"]);
    check(
        "class A(B):\n import a\n def f(self):\n  import b\n import c",
        &["a", "b?", "c"],
    );
    check(
        "async def f():\n\timport a\nasync with x:\n        import b",
        &["a?", "b"],
    );
    check(
        "def f(x: int = {1: 2}, y=lambda z: z) -> a[1:2]: import b",
        &["b?"],
    );
    check("match x:\n case 1:\n  import a\nimport b", &["a?", "b"]);
    check("match = 1\nimport a", &["a"]);
    check("if (x := 1):\n import a", &["a?"]);
    check(
        "def f():\n  '''\ntext\n  '''\n  import a\n# c\nimport b",
        &["a?", "b"],
    );
    check(
        "@d(import_module('a'))\ndef f(x=__import__('b')): pass",
        &["a?", "b?"],
    );
    let nested = (0..150).map(|depth| format!("{}if x:\n", " ".repeat(depth)));
    let text = format!(
        "{}{}import a\nimport b",
        nested.collect::<String>(),
        " ".repeat(150)
    );
    check(&text, &["a?", "b"]);
}

#[test]
fn what_else_a_source_says() {
    let source = parse_source(b"__all__ = ['a', \"b\"]\n__all__ += ('c',)\nsys.path.insert(0, '/x')\nsys.path.append(\"/y\")\nsys.path.append('rel')\nsys.path.insert(0, d)");
    assert_eq!(source.exported, [b"a", b"b", b"c"]);
    assert_eq!(
        source.paths,
        [(b"/x".to_vec(), true), (b"/y".to_vec(), false)]
    );
}

#[track_caller]
fn check_command(argv: &[&str], expected: Main<'_>) {
    let process = Process {
        argv: argv.iter().map(|word| word.as_bytes().to_vec()).collect(),
        execfn: Some(b"/usr/bin/python3".to_vec()),
        ..Process::default()
    };
    let main = command_of(&process).main;
    let same = match (main, expected) {
        (Main::Nothing(_), Main::Nothing(_)) => true,
        (main, expected) => main == expected,
    };
    assert!(same, "{argv:?}: {main:?}");
}

#[test]
fn t6_04_command_lines() {
    check_command(&["python3", "a"], Main::Operand(b"a"));
    check_command(&["python3", "-uW", "x", "a"], Main::Operand(b"a"));
    check_command(
        &["python3", "-Wx", "-Xy", "a", "-m", "b"],
        Main::Operand(b"a"),
    );
    check_command(&["python3", "-m", "b"], Main::Module(b"b"));
    check_command(&["python3", "-Bumb", "c"], Main::Module(b"b"));
    check_command(&["python3", "--", "-m"], Main::Operand(b"-m"));
    check_command(&["python3", "-c", "x", "a"], Main::Nothing(""));
    check_command(&["python3", "-i"], Main::Nothing(""));
    check_command(&["/usr/bin/python3"], Main::Nothing(""));
    check_command(&["python3", "-W"], Main::Rewritten);
    check_command(&["python3", "--nonsense", "a"], Main::Rewritten);
    check_command(&["python3", "-Z", "a"], Main::Rewritten);
    check_command(&["shopd: worker"], Main::Rewritten);
    check_command(&[], Main::Rewritten);
}

#[test]
fn names() {
    for name in [
        "python",
        "python3",
        "python3.11",
        "python3.13t",
        "python3.11d",
        "python2.7",
        "python3.6m",
    ] {
        assert!(is_interpreter(name.as_bytes()), "{name}");
    }
    for name in [
        "pypy3",
        "python-config",
        "python3-foo",
        "pythonista",
        "ipython",
        "",
    ] {
        assert!(!is_interpreter(name.as_bytes()), "{name}");
    }
    let version = |text: &str| {
        parse_version(text.as_bytes())
            .map(|version| (version.major, version.minor, version.free_threaded))
    };
    assert_eq!(version("3.11"), Some((3, 11, false)));
    assert_eq!(version("3.13t.so.1.0"), Some((3, 13, true)));
    assert_eq!(version("3.9.so.1.0"), Some((3, 9, false)));
    assert_eq!(version("3.11.2"), Some((3, 11, false)));
    assert_eq!(version("3"), None);
    assert_eq!(version("4.1"), None);
    assert_eq!(version("3.999"), None);
}

/// Prints the imports of files as CPython parses them.
const PARSE: &str = r#"
import ast, sys, warnings
warnings.simplefilter("ignore")
for path in sys.stdin.buffer.read().decode("utf-8", "surrogateescape").split("\0"):
    try:
        with open(path, "rb") as file:
            data = file.read()
        tree = ast.parse(data)
    except Exception:
        continue
    rows = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            rows += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = ",".join(name.name for name in node.names)
            rows.append("." * (node.level or 0) + (node.module or "") + ":" + names)
    print(path + "\t" + "\t".join(sorted(rows)))
"#;

fn sources_below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            sources_below(&path, found);
        } else if path.extension().is_some_and(|suffix| suffix == "py") {
            found.push(path);
        }
    }
}

/// Every library on this machine, against the parser of the interpreter that it belongs to.
#[test]
fn t6_09_as_cpython_parses() {
    let mut pythons = vec![PathBuf::from("/usr/bin/python3")];
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".pyenv");
    let pyenv = std::env::var_os("PYENV_ROOT")
        .map_or_else(home, PathBuf::from)
        .join("versions");
    for entry in fs::read_dir(pyenv).into_iter().flatten().flatten() {
        pythons.push(entry.path().join("bin/python3"));
    }
    pythons.retain(|python| python.exists());
    if pythons.is_empty() {
        eprintln!("SKIPPED: no python3 on this machine");
    }
    assert!(
        !pythons.is_empty() || std::env::var_os("CI").is_none(),
        "SKIPPED: no python3"
    );
    for python in pythons {
        let ask = "import os; print(os.path.dirname(os.__file__))";
        let library = Command::new(&python)
            .args(["-Ec", ask])
            .output()
            .unwrap()
            .stdout;
        let library = PathBuf::from(String::from_utf8(library).unwrap().trim());
        let mut files = Vec::new();
        sources_below(&library, &mut files);
        // 28,000 files of nine versions agreed once; every tenth does for every day.
        files.sort();
        let all = std::env::var_os("UNSTALE_ALL_SOURCES").is_some();
        let files: Vec<PathBuf> = files
            .into_iter()
            .step_by(if all { 1 } else { 10 })
            .take(if all { usize::MAX } else { 120 })
            .collect();
        let (mut compared, mut wrong) = (0, Vec::new());
        for (path, expected) in parsed_by(&python, &files) {
            let text = fs::read(&path).unwrap();
            let mut source = parse_everything(&text);
            source.sort();
            compared += 1;
            if source != expected && !text.contains(&0) {
                wrong.push(format!("{path}: {source:?}\n  {expected:?}"));
            }
        }
        println!(
            "{}: {compared} files as CPython parses them",
            python.display()
        );
        assert!(compared > 50, "{}: {compared}", python.display());
        assert!(
            wrong.is_empty(),
            "{}:\n{}",
            wrong.len(),
            wrong[..wrong.len().min(10)].join("\n")
        );
    }
}

/// All imports, those of conditions that are never met among them.
fn parse_everything(text: &[u8]) -> Vec<String> {
    let mut rows = Vec::new();
    for import in crate::source::parse_all(text) {
        let source = Source {
            imports: vec![import],
            ..Source::default()
        };
        rows.extend(shown(&source, false));
    }
    rows
}

fn parsed_by(python: &Path, files: &[PathBuf]) -> Vec<(String, Vec<String>)> {
    let names: Vec<&str> = files.iter().filter_map(|path| path.to_str()).collect();
    let list = tempfile::NamedTempFile::new().unwrap();
    fs::write(list.path(), names.join("\0")).unwrap();
    let output = Command::new(python)
        .args(["-X", "utf8", "-c", PARSE])
        .env("PYTHONIOENCODING", "utf-8")
        .stdin(fs::File::open(list.path()).unwrap())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let rows = text.lines().map(|line| {
        let mut parts = line.split('\t').map(str::to_owned);
        let path = parts.next().unwrap();
        (path, parts.filter(|part| !part.is_empty()).collect())
    });
    rows.collect()
}
