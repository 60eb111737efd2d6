//! Real interpreters: what of a running program's scripts and modules is found to be old, and what is not.
//!
//! The rows of group 6 that need an interpreter to run; how each language names and searches its modules is shown by rows
//! of its detector. Each test makes a program of a script and a module, starts it, and changes one file. The programs say
//! `ready PID`, and fork at each line of input.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::plugins;
use crate::support::{Built, Holder, NOBODY, Scan, World, live, path_of, settle, skip};

/// The detectors of interpreters, as this run has built them.
pub(crate) fn detectors() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let directory = Built::get().path("plugins");
        plugins::build_into(
            &directory,
            &["python", "perl", "ruby", "java", "nodejs", "php", "shell"],
        );
        directory
    })
}

/// One check with all detectors of interpreters.
#[track_caller]
pub(crate) fn check(w: &World) -> Scan {
    w.scan(&["--plugin-dir", detectors().to_str().unwrap()])
}

/// A file that a process is found to run in an old version.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Old {
    pub(crate) path: PathBuf,
    pub(crate) role: String,
    pub(crate) how: String,
    pub(crate) certain: bool,
    pub(crate) detector: String,
}

/// What is said of the sources of a process, and whether anything is to be done about it.
pub(crate) fn old_sources(scan: &Scan, pid: u64) -> (bool, Vec<Old>) {
    let Some((item, process)) = scan.listed(pid) else {
        return (false, Vec::new());
    };
    let findings = process["findings"].as_array().unwrap().iter();
    let old = |json: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Old {
            path: path_of(json, "path"),
            role: text(&json["source"]["role"]),
            how: text(&json["source"]["how"]),
            certain: json["certain"] == true,
            detector: text(&json["source"]["detector"]),
        }
    };
    (item["verdict"] != "leave", findings.map(old).collect())
}

/// How programs are written in one language.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Language {
    pub(crate) detector: &'static str,
    pub(crate) interpreter: &'static str,
    /// Whatever a program does once its module is loaded.
    pub(crate) body: &'static str,
    /// The first lines of the script: with the module beside it, and with one that the environment leads to.
    pub(crate) beside: &'static str,
    pub(crate) far: &'static str,
    /// The names of script and modules.
    pub(crate) script: &'static str,
    pub(crate) module: &'static str,
    pub(crate) far_module: &'static str,
    /// Beside the module, and no business of the program's.
    pub(crate) strangers: [&'static str; 2],
    /// Modules, as they are and as they become.
    pub(crate) old: &'static str,
    pub(crate) new: &'static str,
    /// How the far module is found, `@` being its directory.
    pub(crate) search: &'static [&'static str],
}

pub(crate) const PYTHON: Language = Language {
    detector: "python",
    interpreter: "/usr/bin/python3",
    beside: "import helper\n",
    far: "import far\n",
    body: "import os, sys, time\n\
           def ready(): print('ready', os.getpid(), flush=True)\n\
           ready()\n\
           for line in sys.stdin:\n    if os.fork() == 0:\n        ready(); time.sleep(1000)\n",
    script: "main.py",
    module: "helper.py",
    far_module: "far.py",
    strangers: ["other.py", "test_helper.py"],
    old: "answer = 1\n",
    new: "answer = 2\n",
    search: &["env", "PYTHONPATH=@"],
};

pub(crate) const PERL: Language = Language {
    detector: "perl",
    interpreter: "/usr/bin/perl",
    beside: "use strict; use FindBin; use lib \"$FindBin::Bin\"; use Helper;\n",
    far: "use strict; use Far;\n",
    body: "$| = 1;\nsub ready { print \"ready $$\\n\" }\nready();\n\
           while (<STDIN>) { if (fork() == 0) { ready(); sleep 1000 } }\n",
    script: "main.pl",
    module: "Helper.pm",
    far_module: "Far.pm",
    strangers: ["Other.pm", "helper.t"],
    old: "our $answer = 1;\n1;\n",
    new: "our $answer = 2;\n1;\n",
    search: &["env", "PERL5LIB=@"],
};

pub(crate) const RUBY: Language = Language {
    detector: "ruby",
    interpreter: "/usr/bin/ruby",
    beside: "require_relative 'helper'\n",
    far: "require 'far'\n",
    body: "$stdout.sync = true\ndef ready; puts \"ready #{Process.pid}\"; end\nready\n\
           while $stdin.gets\n  fork { ready; sleep 1000 }\nend\n",
    script: "main.rb",
    module: "helper.rb",
    far_module: "far.rb",
    strangers: ["other.rb", "helper_test.rb"],
    old: "ANSWER = 1\n",
    new: "ANSWER = 2\n",
    search: &["env", "RUBYLIB=@"],
};

pub(crate) const NODEJS: Language = Language {
    detector: "nodejs",
    interpreter: "/usr/bin/node",
    beside: "const helper = require('./helper');\n",
    far: "const far = require('far');\n",
    body: "console.log('ready ' + process.pid);\nprocess.stdin.resume();\n",
    script: "main.js",
    module: "helper.js",
    far_module: "far.js",
    strangers: ["other.js", "helper.test.js"],
    old: "module.exports = 1;\n",
    new: "module.exports = 2;\n",
    search: &["env", "NODE_PATH=@"],
};

pub(crate) const PHP: Language = Language {
    detector: "php",
    interpreter: "/usr/bin/php",
    beside: "<?php\nrequire __DIR__ . '/helper.php';\n",
    far: "<?php\nrequire 'far.php';\n",
    body: "function ready() { echo 'ready ', getmypid(), \"\\n\"; }\nready();\n\
           while (fgets(STDIN) !== false) { if (pcntl_fork() === 0) { ready(); sleep(1000); } }\n",
    script: "main.php",
    module: "helper.php",
    far_module: "far.php",
    strangers: ["other.php", "HelperTest.php"],
    old: "<?php\n$answer = 1;\n",
    new: "<?php\n$answer = 2;\n",
    // PHP has no variable for it.
    search: &["env", "-", "/usr/bin/php", "-d", "include_path=@"],
};

const BASH: Language = Language {
    detector: "shell",
    interpreter: "/bin/bash",
    beside: ". \"${0%/*}/helper.sh\"\n",
    far: "",
    body: "echo ready $$\nwhile read -r line; do :; done\n",
    script: "main.sh",
    module: "helper.sh",
    far_module: "",
    strangers: ["other.sh", "test.sh"],
    old: "answer=1\n",
    new: "answer=2\n",
    search: &[],
};

const DASH: Language = Language {
    interpreter: "/bin/dash",
    ..BASH
};

/// A program, laid out in a world.
pub(crate) struct Program<'a> {
    pub(crate) w: &'a World,
    pub(crate) language: Language,
    pub(crate) dir: PathBuf,
}

impl<'a> Program<'a> {
    fn new(w: &'a World, language: Language) -> Self {
        Self::in_dir(w, language, "app")
    }

    pub(crate) fn in_dir(w: &'a World, language: Language, dir: &str) -> Self {
        let dir = w.subdir(dir);
        let script = [language.beside, language.body].concat();
        fs::write(dir.join(language.script), script).unwrap();
        for name in [language.module].iter().chain(&language.strangers) {
            fs::write(dir.join(name), language.old).unwrap();
        }
        Self { w, language, dir }
    }

    pub(crate) fn script(&self) -> PathBuf {
        self.dir.join(self.language.script)
    }

    pub(crate) fn module(&self) -> PathBuf {
        self.dir.join(self.language.module)
    }

    #[track_caller]
    pub(crate) fn start(&self) -> Holder {
        self.start_as(&[])
    }

    /// Behind `prefix`: `setpriv …`, `env …`.
    #[track_caller]
    pub(crate) fn start_as(&self, prefix: &[&str]) -> Holder {
        let command = [prefix, &[self.language.interpreter]].concat();
        self.w.hold_as(&command, &[self.script()])
    }

    /// As an editor does it: the same file with other content.
    pub(crate) fn rewrite(&self, path: &Path) {
        fs::write(path, self.language.new).unwrap();
        settle();
    }

    /// As a package manager does it: written beside, with the time of its making, renamed over.
    pub(crate) fn replace(&self, path: &Path) {
        let beside = self.dir.join("x.dpkg-new");
        fs::write(&beside, self.language.new).unwrap();
        let touched = Command::new("touch")
            .args(["-d", "2020-01-01"])
            .arg(&beside)
            .status();
        assert!(touched.unwrap().success());
        fs::rename(beside, path).unwrap();
        settle();
    }

    /// Complete, and these processes are to be restarted for this file and nothing else.
    #[track_caller]
    fn expect(&self, pids: &[u64], path: &Path, role: &str, how: &str) {
        let scan = check(self.w);
        scan.assert_complete(self.language.detector);
        let mut listed = scan.pids();
        listed.sort_unstable();
        assert_eq!(listed, pids, "{scan:#?}");
        for &pid in pids {
            let old = Old {
                path: path.to_owned(),
                role: role.to_owned(),
                how: how.to_owned(),
                certain: true,
                detector: self.language.detector.to_owned(),
            };
            assert_eq!(old_sources(&scan, pid), (true, vec![old]), "{scan:#?}");
        }
    }

    #[track_caller]
    fn expect_clean(&self) {
        let scan = check(self.w);
        scan.assert_complete(self.language.detector);
        assert_eq!(scan.pids(), [0; 0], "{scan:#?}");
        // It was looked at: a detector that is not asked finds nothing either.
        let looked = &scan.json["detectors"][0];
        assert_eq!(looked["name"], self.language.detector, "{scan:#?}");
    }
}

/// A test of a language, or the word that it cannot be made.
#[track_caller]
fn with(language: Language, test: impl FnOnce(&Program<'_>)) {
    if !Path::new(language.interpreter).exists() {
        skip(&format!("no {}", language.interpreter));
        return;
    }
    live(|w| test(&Program::new(w, language)));
}

fn module_replaced(language: Language) {
    with(language, |program| {
        let p = program.start();
        program.replace(&program.module());
        program.expect(&[p.pid], &program.module(), "module", "imported");
    });
}

fn module_rewritten(language: Language) {
    with(language, |program| {
        let p = program.start();
        program.rewrite(&program.module());
        program.expect(&[p.pid], &program.module(), "module", "imported");
    });
}

fn script_replaced(language: Language) {
    with(language, |program| {
        let p = program.start();
        program.replace(&program.script());
        program.expect(&[p.pid], &program.script(), "script", "loaded");
    });
}

fn script_rewritten(language: Language) {
    with(language, |program| {
        let p = program.start();
        program.rewrite(&program.script());
        program.expect(&[p.pid], &program.script(), "script", "loaded");
    });
}

fn script_removed(language: Language) {
    with(language, |program| {
        let p = program.start();
        fs::remove_file(program.script()).unwrap();
        program.expect(&[p.pid], &program.script(), "script", "loaded");
    });
}

fn strangers_changed(language: Language) {
    with(language, |program| {
        let _p = program.start();
        let [other, test] = language.strangers.map(|name| program.dir.join(name));
        program.replace(&other);
        program.rewrite(&test);
        fs::write(program.dir.join("new-file"), "new").unwrap();
        program.expect_clean();
    });
}

fn changed_before_the_start(language: Language) {
    with(language, |program| {
        program.replace(&program.script());
        let script = [language.beside, language.body].concat();
        fs::write(program.script(), script).unwrap();
        program.replace(&program.module());
        let _p = program.start();
        program.expect_clean();
    });
}

fn mode_changed(language: Language) {
    with(language, |program| {
        let p = program.start();
        for path in [program.module(), program.script()] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        settle();
        let scan = check(program.w);
        scan.assert_complete("mode");
        let (acts, old) = old_sources(&scan, p.pid);
        assert!(!acts && old.iter().all(|old| !old.certain), "{scan:#?}");
    });
}

fn touched_as_its_package_ships_it(language: Language) {
    with(language, |program| {
        let (module, script) = (program.module(), program.script());
        program.w.dpkg("app", "1.0-2", &[&module, &script]);
        let _p = program.start();
        for path in [&module, &script] {
            let content = fs::read(path).unwrap();
            fs::write(path, content).unwrap();
        }
        settle();
        program.expect_clean();
    });
}

fn found_through_a_variable(language: Language) {
    with(language, |program| {
        let far = program.w.subdir("far");
        let module = far.join(language.far_module);
        fs::write(&module, language.old).unwrap();
        let script = [language.far, language.body].concat();
        fs::write(program.script(), script).unwrap();
        let far = far.to_str().unwrap();
        let words = language.search.iter();
        let mut command: Vec<OsString> = words.map(|word| word.replace('@', far).into()).collect();
        if language.search.len() == 2 {
            command.push(language.interpreter.into());
        }
        let p = program.w.hold_as(&command, &[program.script()]);
        program.expect_clean();
        program.replace(&module);
        program.expect(&[p.pid], &module, "module", "imported");
    });
}

/// G10: who is forked after the change from what was started before it runs the old code.
fn forked_after_the_change(language: Language) {
    with(language, |program| {
        let mut p = program.start();
        let parent = p.pid;
        program.replace(&program.module());
        p.go();
        assert_ne!(p.pid, parent);
        program.expect(&[parent, p.pid], &program.module(), "module", "imported");
    });
}

macro_rules! languages {
    ($($name:ident $language:ident { $($case:ident: $situation:ident,)* })*) => {
        $(mod $name {
            $(#[test]
            fn $case() {
                super::$situation(super::$language);
            })*
        })*
    };
}

languages! {
    python PYTHON {
        t6_01_script_replaced: script_replaced,
        t6_01_script_removed: script_removed,
        t6_05_found_through_a_variable: found_through_a_variable,
        t6_08_module_replaced: module_replaced,
        t6_08_module_rewritten: module_rewritten,
        t6_08_strangers_changed: strangers_changed,
        g9_changed_before_the_start: changed_before_the_start,
        g9_mode_changed: mode_changed,
        g9_touched_as_its_package_ships_it: touched_as_its_package_ships_it,
        found_by_its_user: found_by_its_user,
        found_in_its_own_view: found_in_its_own_view,
        recorded_and_judged_elsewhere: recorded_and_judged_elsewhere,
        g10_forked_after_the_change: forked_after_the_change,
    }
    perl PERL {
        t6_01_script_replaced: script_replaced,
        t6_01_script_removed: script_removed,
        t6_16_found_through_a_variable: found_through_a_variable,
        t6_17_module_replaced: module_replaced,
        t6_17_module_rewritten: module_rewritten,
        t6_17_strangers_changed: strangers_changed,
        g9_changed_before_the_start: changed_before_the_start,
        g9_mode_changed: mode_changed,
        g9_touched_as_its_package_ships_it: touched_as_its_package_ships_it,
        found_by_its_user: found_by_its_user,
        found_in_its_own_view: found_in_its_own_view,
        recorded_and_judged_elsewhere: recorded_and_judged_elsewhere,
        g10_forked_after_the_change: forked_after_the_change,
    }
    ruby RUBY {
        t6_01_script_replaced: script_replaced,
        t6_01_script_removed: script_removed,
        t6_18_found_through_a_variable: found_through_a_variable,
        t6_19_module_replaced: module_replaced,
        t6_19_module_rewritten: module_rewritten,
        t6_19_strangers_changed: strangers_changed,
        g9_changed_before_the_start: changed_before_the_start,
        g9_mode_changed: mode_changed,
        g9_touched_as_its_package_ships_it: touched_as_its_package_ships_it,
        found_by_its_user: found_by_its_user,
        found_in_its_own_view: found_in_its_own_view,
        recorded_and_judged_elsewhere: recorded_and_judged_elsewhere,
        g10_forked_after_the_change: forked_after_the_change,
    }
    nodejs NODEJS {
        t6_01_script_replaced: script_replaced,
        t6_01_script_removed: script_removed,
        t6_22_found_through_a_variable: found_through_a_variable,
        t6_22_module_replaced: module_replaced,
        t6_22_module_rewritten: module_rewritten,
        t6_22_strangers_changed: strangers_changed,
        g9_changed_before_the_start: changed_before_the_start,
        g9_mode_changed: mode_changed,
        g9_touched_as_its_package_ships_it: touched_as_its_package_ships_it,
        found_by_its_user: found_by_its_user,
        found_in_its_own_view: found_in_its_own_view,
        recorded_and_judged_elsewhere: recorded_and_judged_elsewhere,
    }
    php PHP {
        t6_01_script_replaced: script_replaced,
        t6_01_script_removed: script_removed,
        t6_23_found_through_a_path: found_through_a_variable,
        t6_23_module_replaced: module_replaced,
        t6_23_module_rewritten: module_rewritten,
        t6_23_strangers_changed: strangers_changed,
        g9_changed_before_the_start: changed_before_the_start,
        g9_mode_changed: mode_changed,
        g9_touched_as_its_package_ships_it: touched_as_its_package_ships_it,
        found_by_its_user: found_by_its_user,
        found_in_its_own_view: found_in_its_own_view,
        recorded_and_judged_elsewhere: recorded_and_judged_elsewhere,
        g10_forked_after_the_change: forked_after_the_change,
    }
    bash BASH {
        t6_24_script_replaced: script_replaced,
        t6_24_script_removed: script_removed,
        t6_24_script_rewritten: script_rewritten,
        t6_24_sourced_file_changed: sourced_file_changed,
        t6_24_strangers_changed: strangers_changed,
        g9_changed_before_the_start: changed_before_the_start,
        g9_mode_changed: mode_changed,
        g9_touched_as_its_package_ships_it: touched_as_its_package_ships_it,
    }
    dash DASH {
        t6_24_script_replaced: script_replaced,
        t6_24_script_removed: script_removed,
        t6_24_script_rewritten: script_rewritten,
        t6_24_sourced_file_changed: sourced_file_changed,
        t6_24_strangers_changed: strangers_changed,
        g9_changed_before_the_start: changed_before_the_start,
        g9_mode_changed: mode_changed,
        g9_touched_as_its_package_ships_it: touched_as_its_package_ships_it,
    }
}

/// A shell keeps its script open; files that it sources are read and closed, and may not have been reached.
fn sourced_file_changed(language: Language) {
    with(language, |program| {
        let p = program.start();
        program.replace(&program.module());
        let scan = check(program.w);
        scan.assert_complete("sourced");
        let (acts, old) = old_sources(&scan, p.pid);
        assert!(!acts && old.iter().all(|old| !old.certain), "{scan:#?}");
    });
}

/// Whoever may see no more than his own processes finds what they run.
fn found_by_its_user(language: Language) {
    with(language, |program| {
        let p = program.start_as(&NOBODY);
        program.replace(&program.module());
        let args = ["--plugin-dir", detectors().to_str().unwrap()];
        for args in [&args[..], &["--user", args[0], args[1]]] {
            let scan = program.w.scan_through(&NOBODY, args);
            let (acts, old) = old_sources(&scan, p.pid);
            let paths: Vec<PathBuf> = old.into_iter().map(|old| old.path).collect();
            assert_eq!((acts, paths), (true, vec![program.module()]), "{scan:#?}");
        }
    });
}

/// Paths mean what they mean to the process.
fn found_in_its_own_view(language: Language) {
    with(language, |program| {
        let w = program.w;
        w.sh("cp -a $D/app $D/inner");
        let (app, inner) = (program.dir.display(), w.path("inner"));
        let line = format!(
            "mount --bind {} {app}; exec {} {}",
            inner.display(),
            language.interpreter,
            program.script().display()
        );
        let p = w.hold_as(&["unshare", "-m", "sh", "-c"], &[line]);
        program.replace(&program.module());
        program.expect_clean();
        program.replace(&inner.join(language.module));
        program.expect(&[p.pid], &program.module(), "module", "imported");
    });
}

/// What detectors said is in the record: elsewhere, without them, the same is said.
fn recorded_and_judged_elsewhere(language: Language) {
    with(language, |program| {
        let p = program.start();
        program.replace(&program.module());
        let w = program.w;
        let bundle = w.path("bundle.json");
        let bundle = bundle.to_str().unwrap();
        let output = w.run_through(
            &[],
            &[
                "record",
                "--plugin-dir",
                detectors().to_str().unwrap(),
                bundle,
            ],
        );
        assert!(output.status.success(), "{output:?}");
        let (here, there) = (check(w), w.scan(&["--bundle", bundle]));
        assert_eq!(there.pids(), [p.pid], "{there:#?}");
        assert_eq!(old_sources(&here, p.pid), old_sources(&there, p.pid));
        let output = w.run_through(&[], &["explain", "--bundle", bundle, &p.pid.to_string()]);
        let text = String::from_utf8(output.stdout).unwrap();
        for word in [
            program.module().to_str().unwrap(),
            "detector",
            language.detector,
        ] {
            assert!(text.contains(word), "{word}: {text}");
        }
    });
}

#[test]
fn t6_06_python_in_a_virtual_environment() {
    with(PYTHON, |program| {
        let w = program.w;
        w.sh("/usr/bin/python3 -m venv --without-pip $D/venv");
        let site = w.sh("echo $D/venv/lib/python3*/site-packages");
        let module = Path::new(&site).join("far.py");
        fs::write(&module, PYTHON.old).unwrap();
        let script = [PYTHON.far, PYTHON.body].concat();
        fs::write(program.script(), script).unwrap();
        let p = w.hold_as(&[w.path("venv/bin/python")], &[program.script()]);
        program.expect_clean();
        program.replace(&module);
        program.expect(&[p.pid], &module, "module", "imported");
    });
}

#[test]
fn t6_01_a_script_that_names_its_interpreter() {
    with(PYTHON, |program| {
        let script = program.script();
        let content = ["#!/usr/bin/python3 -u\n", PYTHON.beside, PYTHON.body].concat();
        fs::write(&script, &content).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let p = program.w.hold_as::<_, &str>(&[&script], &[]);
        program.replace(&program.module());
        program.expect(&[p.pid], &program.module(), "module", "imported");
    });
}
