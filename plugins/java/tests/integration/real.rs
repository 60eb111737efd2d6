//! Against the machine itself: what a running `java` has opened must be among what its command line is said to name.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use unstale_java::Java;
use unstale_plugin::What;
use unstale_plugin::testing::Scene;

const PROGRAM: &str = r#"
public class Main {
    public static void main(String[] words) throws Exception {
        for (String name : new String[] { "One", "Two", "Three" }) {
            try { Class.forName(name); } catch (ClassNotFoundException missing) { }
        }
        System.out.print("ready");
        System.out.flush();
        System.in.read();
    }
}
"#;

/// Says loudly that a test did not run; in CI that is a failure.
fn skip(why: &str) {
    eprintln!("SKIPPED: {why}");
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "in CI nothing may be skipped: {why}"
    );
}

fn run(directory: &Path, program: &str, words: &[&str]) {
    let done = Command::new(program)
        .args(words)
        .current_dir(directory)
        .status();
    assert!(done.unwrap().success(), "{program} {words:?}");
}

/// `main/Main.jar`, and `lib/One.jar` → `lib/Two.jar` → `more/Three.jar` by their manifests.
fn build() -> Option<TempDir> {
    let found = |name: &str| Command::new(name).arg("--version").output().is_ok();
    if !found("java") || !found("javac") || !found("jar") {
        skip("no JDK on this machine");
        return None;
    }
    let tree = tempfile::tempdir().unwrap();
    let top = tree.path();
    for name in ["main", "lib", "more"] {
        fs::create_dir(top.join(name)).unwrap();
    }
    fs::write(top.join("Main.java"), PROGRAM).unwrap();
    for name in ["One", "Two", "Three"] {
        let source = format!("class {name} {{ }}");
        fs::write(top.join(format!("{name}.java")), source).unwrap();
    }
    run(
        top,
        "javac",
        &[
            "-d",
            "classes",
            "Main.java",
            "One.java",
            "Two.java",
            "Three.java",
        ],
    );
    let jar = |name: &str, place: &str, more: &str| {
        fs::write(top.join("fields"), format!("Main-Class: Main\n{more}")).unwrap();
        let class = format!("{name}.class");
        run(
            top,
            "jar",
            &["cfm", place, "fields", "-C", "classes", &class],
        );
    };
    jar("Main", "main/Main.jar", "Class-Path: ../lib/One.jar\n");
    jar("One", "lib/One.jar", "Class-Path: Two.jar none.jar\n");
    jar(
        "Two",
        "lib/Two.jar",
        &format!("Class-Path: file:{}/more/Three.jar\n", top.display()),
    );
    jar("Three", "more/Three.jar", "");
    fs::remove_dir_all(top.join("classes")).unwrap();
    symlink("main/Main.jar", top.join("link.jar")).unwrap();
    symlink("/", top.join("root")).unwrap();
    Some(tree)
}

/// A program that waits; it is ended with this value.
struct Running(Child);

impl Running {
    fn start(directory: &Path, words: &[&str]) -> Self {
        let mut child = Command::new("java")
            .args(words)
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0; 5];
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut ready)
            .unwrap();
        Self(child)
    }

    /// The jars that it has open now.
    fn opened(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(format!("/proc/{}/fd", self.0.id())).unwrap();
        let targets = entries
            .flatten()
            .flat_map(|entry| fs::read_link(entry.path()));
        let names = targets.map(|target| target.to_str().unwrap().to_owned());
        names.filter(|name| name.ends_with(".jar")).collect()
    }

    /// Its description, without what it holds.
    fn scene(&self) -> String {
        let place = |name: &str| format!("/proc/{}/{name}", self.0.id());
        let link = |name: &str| fs::read_link(place(name)).unwrap();
        let command = fs::read_to_string(place("cmdline")).unwrap();
        let words = command.trim_end_matches('\0').split('\0');
        let words: String = words.map(|word| format!("argv {word}\n")).collect();
        format!(
            "exe {}\ncwd {}\n{words}",
            link("exe").display(),
            link("cwd").display()
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[track_caller]
fn check(tree: &TempDir, words: &[&str]) {
    let running = Running::start(tree.path(), words);
    let opened = running.opened();
    assert!(!opened.is_empty());
    let scene = Scene::of(&running.scene(), tree.path()).unwrap();
    let said = scene.inspect(&mut Java::default());
    assert_eq!(said.unknown, [""; 0]);
    let named: BTreeSet<String> = said
        .uses
        .iter()
        .map(|used| match &used.what {
            What::File(path) => fs::canonicalize(std::str::from_utf8(path).unwrap()).unwrap(),
            other => panic!("{other:?} of a scene that holds nothing"),
        })
        .map(|path| path.to_str().unwrap().to_owned())
        .collect();
    assert!(
        opened.is_subset(&named),
        "{opened:?} are open, {named:?} are named"
    );
}

#[test]
fn t6_20_opened_archives_are_named() {
    let Some(tree) = build() else { return };
    check(&tree, &["-jar", "main/Main.jar"]);
    check(&tree, &["-jar", "-Xint", "link.jar", "-cp", "x"]);
    check(&tree, &["-cp", "lib/Two.jar:link.jar", "Main"]);
    check(&tree, &["-cp", "lib/*:more/*:main/*", "Main"]);
    fs::write(
        tree.path().join("args"),
        "-cp '# x.jar':lib/One.jar:\"main/\"Main.jar # y\n Main",
    )
    .unwrap();
    check(&tree, &["@args"]);
    let archives = fs::canonicalize(tree.path().join("more")).unwrap();
    let boot = format!("-Xbootclasspath/a:{}/Three.jar", archives.display());
    check(&tree, &[&boot, "--class-path=main/Main.jar", "Main"]);
}

/// All that is opened by the kernel's word alone.
#[test]
fn t6_20_held_files_of_a_real_machine() {
    let Some(tree) = build() else { return };
    let running = Running::start(tree.path(), &["-jar", "main/Main.jar"]);
    let place = format!("/proc/{}/fd", running.0.id());
    let mut text = running.scene();
    let mut jars = 0;
    for entry in fs::read_dir(place).unwrap().flatten() {
        let number = entry.file_name().into_string().unwrap();
        let Ok(target) = fs::read_link(entry.path()) else {
            continue;
        };
        let target = target.to_str().unwrap();
        if target.starts_with('/') {
            text += &format!("held fd {number} {target}\n");
            jars += usize::from(target.ends_with(".jar") || target.ends_with("/lib/modules"));
        }
    }
    let said = Scene::of(&text, tree.path())
        .unwrap()
        .inspect(&mut Java::default());
    let held = |used: &&unstale_plugin::Used| matches!(used.what, What::Held(_));
    assert_eq!(said.uses.iter().filter(held).count(), jars);
    // All that the manifests name is open, so nothing is left to be judged by time.
    assert_eq!(said.uses.len(), jars);
    assert!(jars >= 5, "{text}");
}
