//! Hostile input to detectors: what other people's scripts, modules and environments must not be able to do to a check.
//!
//! In each scene a bystander of root's runs an old module; whatever the others do, that is found, in time, with bounded
//! memory, and nothing of what they left about is executed.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::hostile::call_of;
use crate::interpreters::{
    Language, NODEJS, PERL, PHP, PYTHON, Program, RUBY, detectors, old_sources,
};
use crate::interpreters_java;
use crate::support::{Holder, NOBODY, Scan, World, has_tool, live, settle, skip};

/// How long a check may take, whatever anybody does.
const LONGEST: Duration = Duration::from_secs(10);
/// The largest of its processes, in KiB.
const MOST_MEMORY: u64 = 64 * 1024;

const LANGUAGES: [Language; 5] = [PYTHON, PERL, RUBY, NODEJS, PHP];

/// A world with a bystander.
struct Scene<'a> {
    w: &'a World,
    bystander: Holder,
    old: PathBuf,
    marker: PathBuf,
    /// They end with their input.
    held: RefCell<Vec<Holder>>,
}

impl<'a> Scene<'a> {
    fn new(w: &'a World) -> Self {
        let program = Program::in_dir(w, PYTHON, "bystander");
        let bystander = program.start();
        program.replace(&program.module());
        Self {
            w,
            bystander,
            old: program.module(),
            marker: w.path("marker"),
            held: RefCell::default(),
        }
    }

    /// Keeps a process running; its pid.
    fn keep(&self, p: Holder) -> u64 {
        let pid = p.pid;
        self.held.borrow_mut().push(p);
        pid
    }

    /// Code in a language that leaves a mark when it is executed.
    fn bait(&self, language: Language) -> String {
        let marker = self.marker.display();
        match language.detector {
            "python" => format!("open('{marker}', 'w')\n"),
            "perl" => format!("open my $f, '>', '{marker}'; 1;\n"),
            "ruby" => format!("File.write('{marker}', '')\n"),
            "nodejs" => format!("require('fs').writeFileSync('{marker}', '');\n"),
            "php" => format!("<?php file_put_contents('{marker}', '');\n"),
            other => panic!("no bait in {other}"),
        }
    }

    /// One check, of which nothing but its answer is left.
    #[track_caller]
    fn check(&self) -> Scan {
        fs::remove_file(&self.marker).ok();
        let peak = self.w.path("peak");
        let time = ["time", "-q", "-f", "%M", "-o", peak.to_str().unwrap()];
        let args = ["--plugin-dir", detectors().to_str().unwrap()];
        let scan = self.w.scan_through(&time, &args);
        assert!(scan.took < LONGEST, "{:?}: {scan:#?}", scan.took);
        let peak: u64 = fs::read_to_string(peak).unwrap().trim().parse().unwrap();
        eprintln!("{:?}, {peak} KiB", scan.took);
        assert!(peak < MOST_MEMORY, "{peak} KiB: {scan:#?}");
        assert!(!self.marker.exists(), "something was executed: {scan:#?}");
        let (acts, old) = old_sources(&scan, self.bystander.pid);
        let paths: Vec<&Path> = old.iter().map(|old| old.path.as_path()).collect();
        assert_eq!((acts, paths), (true, vec![self.old.as_path()]), "{scan:#?}");
        scan
    }
}

#[track_caller]
fn scene(test: impl FnOnce(&Scene<'_>)) {
    if !has_tool("time") {
        skip("no time");
        return;
    }
    live(|w| test(&Scene::new(w)));
}

/// In all languages: a user's program runs, and something else takes the place of its script or its module.
#[track_caller]
fn in_the_place_of_a_file(make: impl Fn(&Scene<'_>, &Path)) {
    scene(|scene| {
        let mut held = Vec::new();
        for language in LANGUAGES {
            for part in ["script", "module"] {
                let dir = format!("{}-{part}", language.detector);
                let program = Program::in_dir(scene.w, language, &dir);
                let p = scene.keep(program.start_as(&NOBODY));
                let path = match part {
                    "script" => program.script(),
                    _ => program.module(),
                };
                fs::remove_file(&path).unwrap();
                make(scene, &path);
                held.push(p);
            }
        }
        settle();
        let scan = scene.check();
        // None of them is said to be what it was.
        for pid in held {
            assert!(!scan.judged(pid).is_clean(), "{pid}: {scan:#?}");
        }
    });
}

fn shell(scene: &Scene<'_>, line: &str, path: &Path) {
    scene.w.sh(&format!("F='{}'; {line}", path.display()));
}

#[test]
fn t11_03_fifo() {
    in_the_place_of_a_file(|scene, path| shell(scene, "mkfifo $F; chmod 666 $F", path));
}

#[test]
fn t11_03_link_to_an_endless_device() {
    in_the_place_of_a_file(|_, path| symlink("/dev/zero", path).unwrap());
}

#[test]
fn t11_03_directory() {
    in_the_place_of_a_file(|_, path| fs::create_dir(path).unwrap());
}

#[test]
fn t11_02_huge_sparse_file() {
    in_the_place_of_a_file(|scene, path| shell(scene, "truncate -s 10G $F", path));
}

#[test]
fn t11_05_fifty_links() {
    let line = "touch $F.0; for i in $(seq 50); do ln -s $F.$((i - 1)) $F.$i; done; ln -s $F.50 $F";
    in_the_place_of_a_file(|scene, path| shell(scene, line, path));
}

#[test]
fn t11_05_link_to_itself() {
    in_the_place_of_a_file(|_, path| symlink(path, path).unwrap());
}

#[test]
fn t11_05_links_into_proc() {
    in_the_place_of_a_file(|_, path| symlink("/proc/self/environ", path).unwrap());
}

/// In all languages: a user's program runs, and its script comes to hold this.
#[track_caller]
fn in_a_script(content: impl Fn(Language) -> Vec<u8>) {
    scene(|scene| {
        let mut held = Vec::new();
        for language in LANGUAGES {
            let program = Program::in_dir(scene.w, language, language.detector);
            held.push(scene.keep(program.start_as(&NOBODY)));
            fs::write(program.script(), content(language)).unwrap();
        }
        settle();
        let scan = scene.check();
        for pid in held {
            assert!(!scan.judged(pid).is_clean(), "{pid}: {scan:#?}");
        }
    });
}

/// A mebibyte, less than which is shown to nobody.
fn mebibyte_of(text: &str) -> Vec<u8> {
    text.as_bytes()
        .iter()
        .copied()
        .cycle()
        .take(1 << 20)
        .collect()
}

#[test]
fn t11_02_nesting() {
    for text in [
        "(", "[", "{", "{[(", "((\"", "${", "<<A;\n", "/*", "=begin\n", "\\",
    ] {
        in_a_script(|language| {
            let open = if language.detector == "php" {
                "<?php "
            } else {
                ""
            };
            [open.as_bytes(), &mebibyte_of(text)[open.len()..]].concat()
        });
    }
}

#[test]
fn t11_02_one_import_again_and_again() {
    in_a_script(|language| {
        let line = language.beside.trim_start_matches("<?php");
        let open = if language.detector == "php" {
            "<?php\n"
        } else {
            ""
        };
        [open.as_bytes(), &mebibyte_of(line)[open.len()..]].concat()
    });
}

#[test]
fn t11_02_noise() {
    // xorshift: the same noise in every run.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[7]
    };
    let bytes: Vec<u8> = (0..1 << 20).map(|_| noise()).collect();
    in_a_script(|_| bytes.clone());
}

/// The lines that load `count` modules `mN`, in a language.
fn imports(language: Language, count: u32) -> String {
    let line = |n: u32| match language.detector {
        "python" => format!("import m{n}\n"),
        "perl" => format!("use M{n};\n"),
        "ruby" => format!("require_relative 'm{n}'\n"),
        "nodejs" => format!("require('./m{n}');\n"),
        "php" => format!("require __DIR__ . '/m{n}.php';\n"),
        other => panic!("no modules in {other}"),
    };
    (0..count).map(line).collect()
}

#[test]
fn t11_02_five_thousand_modules() {
    scene(|scene| {
        for language in LANGUAGES {
            let program = Program::in_dir(scene.w, language, language.detector);
            let module = Path::new(language.module);
            let extension = module.extension().unwrap().display();
            let letter = if language.detector == "perl" {
                "M"
            } else {
                "m"
            };
            for n in 0..5000 {
                let path = program.dir.join(format!("{letter}{n}.{extension}"));
                fs::write(path, language.old).unwrap();
            }
            let script = [language.beside, &imports(language, 5000), language.body].concat();
            fs::write(program.script(), script).unwrap();
            scene.keep(program.start_as(&NOBODY));
        }
        // More than is looked at: that is said.
        scene.check().assert_incomplete("5,000 modules");
    });
}

#[test]
fn t11_02_modules_that_ask_for_each_other() {
    scene(|scene| {
        for language in LANGUAGES {
            let program = Program::in_dir(scene.w, language, language.detector);
            let extension = Path::new(language.module).extension().unwrap().display();
            let letter = if language.detector == "perl" {
                "M"
            } else {
                "m"
            };
            let open = if language.detector == "php" {
                "<?php\n"
            } else {
                ""
            };
            // 300 modules, each with an import of each: 90,000 edges.
            let all = [open, &imports(language, 300)].concat();
            scene.keep(program.start_as(&NOBODY));
            for n in 0..300 {
                let path = program.dir.join(format!("{letter}{n}.{extension}"));
                fs::write(path, &all).unwrap();
            }
            fs::write(program.script(), &all).unwrap();
        }
        settle();
        scene.check();
    });
}

#[test]
fn t11_02_a_search_path_without_end() {
    scene(|scene| {
        let path = vec!["/nowhere/of/mine"; 7000].join(":");
        for (language, variable) in [
            (PYTHON, "PYTHONPATH"),
            (PERL, "PERL5LIB"),
            (RUBY, "RUBYLIB"),
            (NODEJS, "NODE_PATH"),
        ] {
            let program = Program::in_dir(scene.w, language, language.detector);
            let variable = format!("{variable}={path}");
            let prefix = [&NOBODY[..], &["env", &variable]].concat();
            scene.keep(program.start_as(&prefix));
        }
        scene.check();
    });
}

#[test]
fn t11_02_package_file_of_brackets() {
    scene(|scene| {
        let program = Program::in_dir(scene.w, NODEJS, "app");
        let package = program.dir.join("node_modules/far");
        fs::create_dir_all(&package).unwrap();
        fs::write(package.join("package.json"), "{\"main\": \"far.js\"}").unwrap();
        fs::write(package.join("far.js"), NODEJS.old).unwrap();
        fs::write(program.script(), [NODEJS.far, NODEJS.body].concat()).unwrap();
        scene.keep(program.start_as(&NOBODY));
        fs::write(package.join("package.json"), mebibyte_of("[")).unwrap();
        fs::write(program.dir.join("package.json"), mebibyte_of("{\"a\":")).unwrap();
        settle();
        scene.check();
    });
}

/// Writes an archive whose manifest is `$2`, an expression of Python, packed.
const ARCHIVE: &str = "import sys, zipfile\n\
    with zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as jar:\n\
    \x20   for name, content in eval(sys.argv[2]): jar.writestr(name, content)\n";

#[test]
fn t11_17_archives_that_grow() {
    if !interpreters_java::has_jdk() {
        return;
    }
    scene(|scene| {
        let program = interpreters_java::Program::new(scene.w);
        let p = scene.keep(program.start_jar_as(&NOBODY));
        for content in [
            // 256 MiB, packed to 1/1000.
            "[('META-INF/MANIFEST.MF', bytes(1 << 28))]",
            "[('META-INF/MANIFEST.MF', 'Class-Path: ' + 'lib/helper.jar ' * 1000000)]",
            "[('META-INF/MANIFEST.MF', 'Class-Path: main.jar lib/helper.jar .. / ../../../etc/\\n')]",
            "[('META-INF/MANIFEST.MF', ('Class-Path: ' + ''.join(f'{n}/a.jar ' for n in range(50000))))]",
            "[(f'{n}/META-INF/MANIFEST.MF', '') for n in range(100000)]",
        ] {
            for jar in [&program.main, &program.helper] {
                let write = format!(
                    "rm -f {0}; /usr/bin/python3 -c \"$1\" {0} \"$2\"",
                    jar.display()
                );
                let mut command = scene.w.command("sh");
                command.args(["-ec", &write, "sh", ARCHIVE, content]);
                assert!(command.status().unwrap().success(), "{content}");
            }
            settle();
            let scan = scene.check();
            assert!(scan.judged(p).is_stale(), "{content}: {scan:#?}");
        }
        for line in [
            "truncate -s 10G $F",
            "mkfifo $F",
            "head -c 1000000 /dev/urandom >$F",
            "printf 'PK\\005\\006' >$F",
        ] {
            for jar in [&program.main, &program.helper] {
                shell(scene, &format!("rm -f $F; {line}"), jar);
            }
            settle();
            let scan = scene.check();
            assert!(!scan.judged(p).is_clean(), "{line}: {scan:#?}");
        }
    });
}

#[test]
fn t11_02_settings_of_a_virtual_environment() {
    scene(|scene| {
        let w = scene.w;
        w.sh("/usr/bin/python3 -m venv --without-pip $D/venv; chmod -R a+rX $D/venv");
        let program = Program::in_dir(w, PYTHON, "app");
        let venv = w.path("venv/bin/python");
        let command = [&NOBODY[..], &[venv.to_str().unwrap()]].concat();
        scene.keep(w.hold_as(&command, &[program.script()]));
        w.sh("cd $D/venv; rm pyvenv.cfg; mkfifo pyvenv.cfg");
        scene.check();
        w.sh("cd $D/venv; rm pyvenv.cfg; ln -s /dev/zero pyvenv.cfg");
        scene.check();
        w.sh("cd $D/venv; rm pyvenv.cfg; truncate -s 10G pyvenv.cfg");
        scene.check();
        w.sh(
            "cd $D/venv; rm pyvenv.cfg; yes 'home = /proc/self/root' | head -c 1000000 >pyvenv.cfg",
        );
        scene.check();
    });
}

#[test]
fn t11_08_files_that_interpreters_load_by_themselves() {
    scene(|scene| {
        let w = scene.w;
        w.sh("/usr/bin/python3 -m venv --without-pip $D/venv");
        let site = PathBuf::from(w.sh("echo $D/venv/lib/python3*/site-packages"));
        let bait = scene.bait(PYTHON);
        for name in ["sitecustomize.py", "usercustomize.py"] {
            fs::write(site.join(name), &bait).unwrap();
        }
        let line = format!(
            "import os; os.system(\"touch '{}'\")\n",
            scene.marker.display()
        );
        fs::write(site.join("bait.pth"), line).unwrap();
        let program = Program::in_dir(w, PYTHON, "app");
        let p = scene.keep(w.hold_as(&[w.path("venv/bin/python")], &[program.script()]));
        assert!(
            scene.marker.exists(),
            "the bait is none: python did not take it"
        );
        // Names of standard modules, beside the scripts and in the working directory of the check.
        for language in LANGUAGES {
            let program = Program::in_dir(w, language, language.detector);
            scene.keep(program.start());
            let bait = scene.bait(language);
            for name in [
                "os.py",
                "json.py",
                "strict.pm",
                "set.rb",
                "fs.js",
                "package.json",
            ] {
                fs::write(program.dir.join(name), &bait).unwrap();
            }
        }
        settle();
        let scan = scene.check();
        assert_eq!(old_sources(&scan, p).1, [], "{scan:#?}");
    });
}

/// What makes an interpreter or the loader run something, with the file that it names as `@`.
const VARIABLES: &[&str] = &[
    "PYTHONSTARTUP=@",
    "PYTHONINSPECT=1",
    "PYTHONBREAKPOINT=os.system",
    "PERL5OPT=-Mbait",
    "PERL5DB=system('touch @')",
    "RUBYOPT=-r@",
    "NODE_OPTIONS=--require @",
    "LD_PRELOAD=@",
    "LD_AUDIT=@",
    "LD_LIBRARY_PATH=@",
    "GCONV_PATH=@",
    "JAVA_TOOL_OPTIONS=-javaagent:@",
    "JDK_JAVA_OPTIONS=-javaagent:@",
    "PHPRC=@",
    "PHP_INI_SCAN_DIR=@",
    "BASH_ENV=@",
    "ENV=@",
];

#[test]
fn t11_07_environment_is_nobodys_business() {
    scene(|scene| {
        let mut held = Vec::new();
        for language in LANGUAGES {
            let program = Program::in_dir(scene.w, language, language.detector);
            let bait = program.dir.join("bait");
            fs::write(&bait, scene.bait(language)).unwrap();
            // Those of other languages only: the program itself has to start.
            let own = match language.detector {
                "python" => "PYTHON",
                "perl" => "PERL",
                "ruby" => "RUBY",
                "nodejs" => "NODE",
                _ => "PHP",
            };
            let words = VARIABLES.iter().filter(|word| !word.starts_with(own));
            let words = words.map(|word| word.replace('@', bait.to_str().unwrap()));
            let words: Vec<String> = ["env".to_owned()].into_iter().chain(words).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            held.push(scene.keep(program.start_as(&words)));
        }
        scene.check().assert_complete("environment");
    });
}

/// Everything that a check with detectors asks of the system, in a scene with a program in each language.
#[test]
fn t11_10_nothing_is_run_but_workers() {
    if !has_tool("strace") {
        skip("no strace");
        return;
    }
    scene(|scene| {
        let w = scene.w;
        for language in LANGUAGES {
            let program = Program::in_dir(w, language, language.detector);
            scene.keep(program.start());
            fs::write(program.script(), scene.bait(language)).unwrap();
            program.replace(&program.module());
            let mut control = w.command(language.interpreter);
            control.arg(program.script()).status().unwrap();
            assert!(scene.marker.exists(), "{}: no bait", language.detector);
            fs::remove_file(&scene.marker).unwrap();
        }
        let out = w.path("trace");
        let calls = "trace=execve,execveat,socket,connect,open,openat,openat2,creat,truncate,unlink,unlinkat,rename,\
                     renameat,renameat2,mkdir,mkdirat,link,linkat,symlink,symlinkat,chmod,fchmod,fchmodat,chown,\
                     fchown,fchownat,utimensat,mknod,mknodat,setxattr,ptrace,process_vm_writev,kill,tgkill";
        let strace = [
            "strace",
            "-f",
            "-qq",
            "-s",
            "4096",
            "-o",
            out.to_str().unwrap(),
            "-e",
            calls,
        ];
        let args = ["--plugin-dir", detectors().to_str().unwrap()];
        let scan = w.scan_through(&strace, &args);
        assert!(!scene.marker.exists(), "something was executed: {scan:#?}");
        let looked = scan.json["detectors"].as_array().unwrap();
        assert_eq!(looked.len(), LANGUAGES.len(), "{scan:#?}");
        let failed: Vec<_> = looked.iter().filter(|one| one["failed"] != 0).collect();
        assert!(failed.is_empty(), "{scan:#?}");
        let trace = fs::read_to_string(out).unwrap();
        let calls: Vec<(&str, &str)> = trace.lines().filter_map(call_of).collect();
        let mut workers = 0;
        for (at, &(name, rest)) in calls.iter().enumerate() {
            match name {
                // The one that strace starts.
                "execve" if at == 0 => {}
                "execve" | "execveat" => {
                    assert!(is_worker(rest), "{name}{rest}");
                    workers += 1;
                }
                "open" | "openat" | "openat2" => {
                    let writes = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_TMPFILE"];
                    let writing = writes.iter().any(|flag| rest.contains(flag));
                    assert!(!writing || rest.contains("\"/dev/null\""), "{name}{rest}");
                }
                "socket" => assert!(rest.starts_with("(AF_UNIX"), "{name}{rest}"),
                "kill" => assert!(rest.contains("SIGKILL"), "{name}{rest}"),
                _ => panic!("{name}{rest}"),
            }
        }
        assert_eq!(workers, LANGUAGES.len(), "{trace}");
    });
}

/// Whether it is this program that is executed, as a worker.
fn is_worker(call: &str) -> bool {
    call.contains("\"/proc/self/exe\"") && call.contains("\"plugin-worker\"")
}

#[test]
fn t11_10_scripts_that_change_during_the_check() {
    scene(|scene| {
        let w = scene.w;
        for language in LANGUAGES {
            let program = Program::in_dir(w, language, language.detector);
            scene.keep(program.start_as(&NOBODY));
            let script = program.script();
            fs::copy(&script, program.dir.join("good")).unwrap();
            fs::write(program.dir.join("bad"), mebibyte_of("((")).unwrap();
            shell(scene, "chmod -R a+rX $F", &program.dir);
        }
        // Files, FIFOs and links in turn, as fast as it goes.
        let mut spinner = w
            .command("sh")
            .args(["-c", SPIN])
            .env("D", w.dir())
            .spawn()
            .unwrap();
        for _ in 0..5 {
            scene.check();
        }
        spinner.kill().unwrap();
        spinner.wait().unwrap();
    });
}

const SPIN: &str = "cd $D; while :; do for s in */main.*; do d=${s%/*}; [ $d = bystander ] && continue; \
    cp $d/bad $d/x; mv -f $d/x $s; rm -f $s; mkfifo $s; rm $s; ln -s /dev/zero $s; rm $s; cp $d/good $s; done; done";

#[test]
fn t11_10_programs_that_execute_each_other() {
    scene(|scene| {
        let dir = scene.w.subdir("race");
        for (name, other) in [("one.py", "two.py"), ("two.py", "one.py")] {
            let other = dir.join(other);
            let other = other.display();
            let script = format!(
                "import os\nos.execv('/usr/bin/python3', ['python3', '-S', '-E', '{other}'])\n"
            );
            fs::write(dir.join(name), script).unwrap();
        }
        let mut racer = scene
            .w
            .command("/usr/bin/python3")
            .args(["-S", "-E"])
            .arg(dir.join("one.py"))
            .spawn()
            .unwrap();
        for _ in 0..5 {
            scene.check();
        }
        racer.kill().unwrap();
        racer.wait().unwrap();
    });
}

#[test]
fn t11_11_interpreters_that_come_and_go() {
    scene(|scene| {
        for language in LANGUAGES {
            let program = Program::in_dir(scene.w, language, language.detector);
            fs::write(program.dir.join("brief"), language.old).unwrap();
        }
        let line =
            "while :; do /usr/bin/perl $D/perl/brief; /usr/bin/python3 -S -E $D/python/brief; done";
        let mut storms: Vec<_> = (0..4)
            .map(|_| {
                let mut command = scene.w.command("sh");
                command.args(["-c", line]).env("D", scene.w.dir());
                command.spawn().unwrap()
            })
            .collect();
        for _ in 0..5 {
            // Who ended meanwhile is neither stale nor a gap.
            scene.check().assert_complete("a storm");
        }
        for storm in &mut storms {
            storm.kill().unwrap();
            storm.wait().unwrap();
        }
    });
}

/// What one user's processes cost is taken from that user's share.
#[test]
fn t11_20_many_costly_programs_of_one_user() {
    scene(|scene| {
        let w = scene.w;
        let program = Program::in_dir(w, PYTHON, "costly");
        let script = program.script();
        let names: Vec<PathBuf> = (0..40)
            .map(|n| program.dir.join(format!("{n}.py")))
            .collect();
        // All are started at once, and then all become long: each another one.
        let line = format!(
            "cd {0}; for n in $(seq 0 39); do cp {1} $n.py; /usr/bin/python3 -S -E $n.py </dev/zero >out$n & done; \
             until [ $(cat out* | grep -c ready) = 40 ]; do sleep 0.1; done; echo ready $$; cat",
            program.dir.display(),
            script.display()
        );
        fs::write(
            &script,
            "import os, time\nprint('ready', flush=True)\ntime.sleep(1000)\n",
        )
        .unwrap();
        w.sh(&format!("chmod 777 {}", program.dir.display()));
        scene.keep(w.hold_as(&[&NOBODY[..], &["sh", "-c"]].concat(), &[line]));
        for (n, name) in names.iter().enumerate() {
            let lines = format!(
                "import a{n}; x = [1, (2, {{3: '4'}})] # {n}\nif x:\n    from b{n} import c\n"
            );
            fs::write(name, mebibyte_of(&lines)).unwrap();
        }
        let other = Program::in_dir(w, PERL, "other");
        let same = Program::in_dir(w, PYTHON, "same");
        let user = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"];
        let pids = [&other, &same].map(|program| {
            let pid = scene.keep(program.start_as(&user));
            program.replace(&program.module());
            pid
        });
        let scan = scene.check();
        for (pid, program) in pids.into_iter().zip([&other, &same]) {
            let (acts, old) = old_sources(&scan, pid);
            let paths: Vec<PathBuf> = old.into_iter().map(|old| old.path).collect();
            assert_eq!((acts, paths), (true, vec![program.module()]), "{scan:#?}");
        }
    });
}

#[test]
fn t11_09_programs_named_like_interpreters() {
    scene(|scene| {
        let names = [
            "python3",
            "python3.13",
            "perl",
            "ruby",
            "node",
            "php",
            "java",
            "php-fpm8.2",
        ];
        for name in names {
            let program = crate::support::install("hold", &scene.w.path(name));
            let lib = crate::support::arg("x", scene.w.lib_at("libpython3.13.so.1.0"));
            scene.keep(scene.w.hold_as(&[program], &[lib]));
        }
        scene.check();
    });
}

/// Names that would steer a shell, a terminal or a format.
const NAMES: &[&str] = &[
    "-c",
    "--eval=touch marker",
    "$(touch marker)`touch marker`",
    "a; touch marker #",
    "| touch marker |",
    "> marker",
    "a\nb\"},{\"pid\":1,\"x\":\"",
    "\u{1b}[2J\u{202e}",
    "%s%n",
    "a b\tc'd\\",
    "é",
];

#[test]
fn t11_01_names_of_every_kind() {
    scene(|scene| {
        let mut expected = Vec::new();
        for language in LANGUAGES {
            let extension = Path::new(language.script).extension().unwrap().display();
            for name in NAMES {
                let program = Program::in_dir(scene.w, language, &format!("{name}/{name}"));
                let script = program.dir.join(format!("{name}.{extension}"));
                fs::rename(program.script(), &script).unwrap();
                let p = scene.keep(scene.w.hold_as(&[language.interpreter], &[&script]));
                fs::write(&script, language.new).unwrap();
                expected.push((p, script));
            }
        }
        settle();
        let scan = scene.check();
        for &(p, ref script) in &expected {
            let (acts, old) = old_sources(&scan, p);
            let paths: Vec<&PathBuf> = old.iter().map(|old| &old.path).collect();
            assert_eq!((acts, paths), (true, vec![script]), "{scan:#?}");
        }
        let args = ["-v", "--plugin-dir", detectors().to_str().unwrap()];
        let text = scene.w.run_through(&[], &args);
        let text = String::from_utf8([text.stdout, text.stderr].concat()).unwrap();
        let wild = |c: &char| c.is_control() && *c != '\n' || "\u{2028}\u{202e}".contains(*c);
        assert_eq!(text.chars().find(wild), None, "{text}");
    });
}

/// What a user cannot read himself is not read for him, though the check could.
#[test]
fn t11_05_private_files_of_others() {
    scene(|scene| {
        let program = Program::in_dir(scene.w, PYTHON, "app");
        let dir = &program.dir;
        for name in ["bait.py", "own.py"] {
            fs::write(dir.join(name), PYTHON.old).unwrap();
        }
        // That what is private says `import bait` would show if it were read.
        let private = scene.w.subdir("private").join("secret.py");
        fs::write(&private, "import bait\n").unwrap();
        std::os::unix::fs::chown(&private, Some(1000), Some(1000)).unwrap();
        fs::set_permissions(&private, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(
            dir.join("main.py"),
            ["import helper, own\n", PYTHON.body].concat(),
        )
        .unwrap();
        let p = scene.keep(program.start_as(&NOBODY));
        let q = scene.keep(program.start());
        fs::remove_file(program.module()).unwrap();
        symlink(&private, program.module()).unwrap();
        for name in ["bait.py", "own.py"] {
            fs::write(dir.join(name), PYTHON.new).unwrap();
        }
        settle();
        let scan = scene.check();
        let named = |pid| -> Vec<String> {
            let (_, old) = old_sources(&scan, pid);
            let name = |path: &Path| path.file_name().unwrap().display().to_string();
            old.iter().map(|old| name(&old.path)).collect()
        };
        let of_nobody = named(p);
        assert!(of_nobody.contains(&"own.py".to_owned()), "{scan:#?}");
        assert!(!of_nobody.contains(&"bait.py".to_owned()), "{scan:#?}");
        // Root may: the bait would have been found.
        assert!(named(q).contains(&"bait.py".to_owned()), "{scan:#?}");
    });
}
