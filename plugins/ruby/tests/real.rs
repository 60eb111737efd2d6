//! Against the interpreter of this machine: what it has loaded is what the detector says.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use unstale_plugin::testing::{Said, Scene};
use unstale_plugin::{How, Role, What};
use unstale_ruby::Ruby;

const RUBY: &str = "/usr/bin/ruby";

/// Whether there is an interpreter; where everything has to run, its absence is a failure.
fn interpreter() -> bool {
    if Path::new(RUBY).exists() {
        return true;
    }
    let needed = std::env::var_os("CI").is_some();
    assert!(!needed, "{RUBY} is not installed");
    // Straight to the terminal: what the test harness captures nobody reads.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), b"SKIPPED: no /usr/bin/ruby\n");
    false
}

/// The code that a ruby here has mapped.
fn mapped() -> String {
    let program = "File.foreach('/proc/self/maps') { |l| f = l.split; puts \"code #{f[0].split('-')[0]} #{f[5]}\" \
                   if f[1].include?('x') && f[5].to_s.start_with?('/') }";
    let output = Command::new(RUBY)
        .args(["-e", program])
        .env_clear()
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// A scene whose files are those of this machine.
fn scene(text: &str, directory: &Path) -> Said {
    let root = directory.join("root");
    if !root.exists() {
        symlink("/", root).unwrap();
    }
    let exe = fs::canonicalize(RUBY).unwrap();
    let text = format!("exe {}\ncwd /\n{}{text}", exe.display(), mapped());
    Scene::of(&text, directory)
        .unwrap()
        .inspect(&mut Ruby::default())
}

fn files(said: &Said, how: &[How]) -> BTreeSet<String> {
    let uses = said.uses.iter().filter(|used| how.contains(&used.how));
    let uses = uses.filter(|used| used.role == Role::Module);
    let path = |what: &What| match what {
        What::File(path) => fs::canonicalize(std::str::from_utf8(path).unwrap()).unwrap(),
        other => panic!("{other:?}"),
    };
    uses.map(|used| path(&used.what).to_str().unwrap().to_owned())
        .collect()
}

const PRINT: &str = "at_exit { $LOADED_FEATURES.each { |f| puts; puts \"LOADED #{f}\" } }\n";

/// What ruby has loaded after a program, by its own `$LOADED_FEATURES`; compiled ones are mapped code.
fn loaded(arguments: &[&str]) -> Option<BTreeSet<String>> {
    let output = Command::new(RUBY)
        .args(arguments)
        .env_clear()
        .output()
        .unwrap();
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("LOADED /"));
    let lines = lines.filter(|line| line.ends_with(".rb"));
    let path = |line: &str| fs::canonicalize(format!("/{line}")).ok();
    Some(
        lines
            .filter_map(|line| Some(path(line)?.to_str()?.to_owned()))
            .collect(),
    )
}

/// Libraries that compiled extensions ask for.
const BY_EXTENSIONS: [&str; 4] = [
    "/digest.rb",
    "/psych/syntax_error.rb",
    "/digest/loader.rb",
    "/digest/version.rb",
];

#[track_caller]
fn compare(real: &BTreeSet<String>, said: &Said, what: &str) {
    let all = files(said, &[How::Imported, How::Possible]);
    let missed: Vec<&String> = real
        .difference(&all)
        .filter(|path| !BY_EXTENSIONS.iter().any(|end| path.ends_with(end)))
        .collect();
    assert!(missed.is_empty(), "{what}: loaded, not found: {missed:#?}");
    let sure = files(said, &[How::Imported]);
    let wrong: Vec<&String> = sure.difference(real).collect();
    assert!(
        wrong.is_empty(),
        "{what}: said to be loaded, not so: {wrong:#?}"
    );
}

#[track_caller]
fn check(program: &str, libraries: &[(&str, &str)], unused: &[&str]) {
    if !interpreter() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let lib = directory.path().join("lib");
    for (name, text) in libraries {
        let place = lib.join(name);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
    }
    let script = directory.path().join("script.rb");
    fs::write(&script, format!("{PRINT}{program}")).unwrap();
    let script = script.to_str().unwrap();
    let real = loaded(&[script]).unwrap_or_else(|| panic!("{program} does not run"));
    assert!(!real.is_empty());
    let said = scene(&format!("argv ruby\nargv {script}"), directory.path());
    assert_eq!(said.unknown, [""; 0]);
    compare(&real, &said, program);
    let all = files(&said, &[How::Imported, How::Possible]);
    for name in unused {
        let path = lib.join(name);
        let path = path.to_str().unwrap();
        assert!(Path::new(path).exists() && !all.contains(path), "{path}");
    }
}

#[test]
fn t6_19_own_libraries() {
    check(
        "$LOAD_PATH.unshift File.expand_path('lib', __dir__)\nrequire 'a'\nrequire_relative 'lib/c'\n\
         begin\n  require 'maybe'\nrescue LoadError\nend\nputs <<~X, %q(require 'unused')\n  require 'unused'\nX\n",
        &[
            (
                "a.rb",
                "require 'a/b'\nclass A; autoload :X, 'a/x'; end\n=begin\nrequire 'unused'\n=end\n",
            ),
            (
                "a/b.rb",
                "# require 'unused'\nrequire_relative '../d'\n__END__\nrequire 'unused'\n",
            ),
            ("a/x.rb", ""),
            ("c.rb", "require 'set'"),
            ("d.rb", ""),
            ("maybe.rb", ""),
            ("unused.rb", ""),
            ("a/test.rb", ""),
        ],
        &["unused.rb", "a/test.rb"],
    );
}

#[test]
fn t6_19_library_of_the_interpreter() {
    for feature in [
        "json",
        "set",
        "time",
        "date",
        "yaml",
        "optparse",
        "fileutils",
        "tempfile",
        "uri",
        "net/http",
        "socket",
        "openssl",
        "digest",
        "erb",
        "logger",
        "ostruct",
        "securerandom",
        "shellwords",
        "forwardable",
        "English",
        "open3",
        "pp",
        "stringio",
        "strscan",
        "timeout",
        "tmpdir",
        "zlib",
        "csv",
        "benchmark",
        "delegate",
        "singleton",
        "observer",
        "find",
        "pathname",
        "etc",
        "io/console",
        "ripper",
        "bigdecimal",
        "monitor",
    ] {
        check(&format!("require '{feature}'"), &[], &[]);
    }
}

/// Programs of this machine: each is read.
#[test]
fn t6_18_programs_of_this_machine() {
    if !interpreter() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut seen = 0;
    for entry in fs::read_dir("/usr/bin").unwrap().flatten() {
        let path = entry.path();
        if !path.is_file() {
            continue;
        }
        let Ok(text) = fs::read(&path) else { continue };
        let first = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
        if first.starts_with(b"#!") && first.windows(4).any(|four| four == b"ruby") {
            seen += 1;
            let said = scene(
                &format!("argv ruby\nargv {}", path.display()),
                directory.path(),
            );
            assert_eq!(said.unknown, [""; 0], "{}", path.display());
            assert!(said.uses.len() > 5, "{}: {said:?}", path.display());
        }
    }
    assert!(seen >= 10, "only {seen} programs");
}
