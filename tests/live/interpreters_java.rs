//! Java: what is held open counts, and what the class path names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::interpreters::{Old, check, old_sources};
use crate::support::{Built, Holder, World, has_tool, live, settle, skip};

const JAVA: &str = "/usr/bin/java";
const MAIN: &str = "public class Main { static String version = \"VERSION\"; public static void main(String[] words) throws Exception {\n\
                    Helper.help(); System.out.println(\"ready \" + ProcessHandle.current().pid());\n\
                    while (System.in.read() >= 0); } }\n";

/// Archives with one class each, in the old and the new way, built once.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let dir = Built::get().path("java");
        for (version, answer) in [("old", 1), ("new", 2)] {
            let dir = dir.join(version);
            fs::create_dir_all(&dir).unwrap();
            let helper =
                format!("public class Helper {{ static int help() {{ return {answer}; }} }}\n");
            fs::write(dir.join("Helper.java"), helper).unwrap();
            // The same content would be the same code.
            let main = MAIN.replace("VERSION", version);
            fs::write(dir.join("Main.java"), main).unwrap();
            fs::write(
                dir.join("manifest"),
                "Main-Class: Main\nClass-Path: lib/helper.jar\n",
            )
            .unwrap();
            run(&dir, &["javac", "Main.java", "Helper.java"]);
            run(&dir, &["jar", "cf", "helper.jar", "Helper.class"]);
            run(&dir, &["jar", "cfm", "main.jar", "manifest", "Main.class"]);
        }
        dir
    })
}

#[track_caller]
fn run(dir: &Path, words: &[&str]) {
    let output = Command::new(words[0])
        .args(&words[1..])
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
}

/// `app/main.jar`, `app/lib/helper.jar` and a stranger beside that.
pub(crate) struct Program<'a> {
    w: &'a World,
    pub(crate) main: PathBuf,
    pub(crate) helper: PathBuf,
    stranger: PathBuf,
}

impl<'a> Program<'a> {
    pub(crate) fn new(w: &'a World) -> Self {
        w.subdir("app/lib");
        let program = Self {
            w,
            main: w.path("app/main.jar"),
            helper: w.path("app/lib/helper.jar"),
            stranger: w.path("app/lib/stranger.jar"),
        };
        let old = built().join("old");
        fs::copy(old.join("main.jar"), &program.main).unwrap();
        for path in [&program.helper, &program.stranger] {
            fs::copy(old.join("helper.jar"), path).unwrap();
        }
        program
    }

    #[track_caller]
    fn start(&self, prefix: &[String], words: &[String]) -> Holder {
        let frugal = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx32m"];
        let mut command = prefix.to_vec();
        command.push(JAVA.to_owned());
        let words = frugal
            .iter()
            .map(|&word| word.to_owned())
            .chain(words.iter().cloned());
        self.w.hold_as(&command, &words.collect::<Vec<_>>())
    }

    #[track_caller]
    fn start_jar(&self) -> Holder {
        self.start_jar_as(&[])
    }

    /// Behind `prefix`: `setpriv …`.
    #[track_caller]
    pub(crate) fn start_jar_as(&self, prefix: &[&str]) -> Holder {
        let prefix: Vec<String> = prefix.iter().map(|&word| word.to_owned()).collect();
        self.start(
            &prefix,
            &["-jar".to_owned(), self.main.display().to_string()],
        )
    }

    fn replace(path: &Path, name: &str) {
        let beside = path.with_extension("dpkg-new");
        fs::copy(built().join("new").join(name), &beside).unwrap();
        fs::rename(beside, path).unwrap();
        settle();
    }

    #[track_caller]
    fn expect(&self, p: &Holder, path: &Path, role: &str) {
        let scan = check(self.w);
        scan.assert_complete("java");
        assert_eq!(scan.pids(), [p.pid], "{scan:#?}");
        let old = Old {
            path: path.to_owned(),
            role: role.to_owned(),
            how: "loaded".to_owned(),
            certain: true,
            detector: "java".to_owned(),
        };
        assert_eq!(old_sources(&scan, p.pid), (true, vec![old]), "{scan:#?}");
    }

    #[track_caller]
    fn expect_clean(&self) {
        let scan = check(self.w);
        scan.assert_complete("java");
        assert_eq!(scan.pids(), [0; 0], "{scan:#?}");
        assert_eq!(scan.json["detectors"][0]["name"], "java", "{scan:#?}");
    }
}

/// Whether programs can be built and run; says loudly if not.
#[track_caller]
pub(crate) fn has_jdk() -> bool {
    let there = Path::new(JAVA).exists() && has_tool("javac") && has_tool("jar");
    if !there {
        skip("no JDK");
    }
    there
}

#[track_caller]
fn with(test: impl FnOnce(&Program<'_>)) {
    if has_jdk() {
        live(|w| test(&Program::new(w)));
    }
}

#[test]
fn t6_20_program_archive_replaced() {
    with(|program| {
        let p = program.start_jar();
        Program::replace(&program.main, "main.jar");
        program.expect(&p, &program.main, "script");
    });
}

#[test]
fn t6_20_archive_of_the_manifest_replaced() {
    with(|program| {
        let p = program.start_jar();
        Program::replace(&program.helper, "helper.jar");
        program.expect(&p, &program.helper, "archive");
    });
}

#[test]
fn t6_20_archive_rewritten_in_place() {
    with(|program| {
        let p = program.start_jar();
        let new = fs::read(built().join("new/helper.jar")).unwrap();
        fs::write(&program.helper, new).unwrap();
        settle();
        program.expect(&p, &program.helper, "archive");
    });
}

#[test]
fn t6_20_archive_of_the_class_path_in_a_variable() {
    with(|program| {
        let path = format!(
            "CLASSPATH={}:{}",
            program.main.display(),
            program.helper.display()
        );
        let p = program.start(&["env".to_owned(), path], &["Main".to_owned()]);
        program.expect_clean();
        Program::replace(&program.helper, "helper.jar");
        program.expect(&p, &program.helper, "archive");
    });
}

#[test]
fn t6_20_strangers_changed() {
    with(|program| {
        let _p = program.start_jar();
        Program::replace(&program.stranger, "helper.jar");
        program.expect_clean();
    });
}

#[test]
fn t6_21_archive_changed_before_the_start() {
    with(|program| {
        Program::replace(&program.helper, "helper.jar");
        Program::replace(&program.main, "main.jar");
        let _p = program.start_jar();
        program.expect_clean();
    });
}

#[test]
fn t6_21_mode_of_an_archive_changed() {
    with(|program| {
        let p = program.start_jar();
        program
            .w
            .sh("chmod 600 $D/app/main.jar $D/app/lib/helper.jar");
        settle();
        let scan = check(program.w);
        scan.assert_complete("mode");
        let (acts, old) = old_sources(&scan, p.pid);
        assert!(!acts && old.iter().all(|old| !old.certain), "{scan:#?}");
    });
}
