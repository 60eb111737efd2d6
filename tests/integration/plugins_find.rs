//! `unstale plugins list` and `check`: which plugins there are, why others are not used, and what one says when it is tried.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::support::{NOBODY, Run, World, in_world, of_repository};

/// A plugin in a language that every machine has: it says one thing of each process.
const SPEAKS: &str = r#"#!/bin/sh
read -r hello
echo '{"ready":{"name":"x"}}'
while read -r line; do
    pid=${line#*\"pid\":}
    echo '{"note":"it was \u001b[31m here"}'
    echo '{"uses":{"file":"/srv/app.x","role":"script","how":"loaded"}}'
    echo 'a word' >&2
    echo "{\"read\":{\"path\":\"/etc/secret\"}}"
    read -r answer
    echo '{"read":{"root":"host","path":"/etc/shadow"}}'
    read -r answer
    echo "{\"done\":{\"pid\":${pid%%,*}}}"
done
"#;

fn manifest(name: &str) -> String {
    format!(
        "name = \"{name}\"\nversion = \"1.2\"\nabi = \"1.0\"\nkind = \"interpreter\"\nsummary = \"tests\"\n\
         [interest]\nexe = [\"{name}*\"]\n"
    )
}

/// A world with directories of plugins, and an /etc of its own.
struct Place<'a> {
    world: &'a World,
}

impl<'a> Place<'a> {
    fn new(world: &'a World) -> Self {
        world.sh(
            "mkdir -p $D/etc/unstale; mount --bind $D/etc /etc\n\
             [ ! -d /usr/lib/unstale/plugins ] || mount -t tmpfs -o mode=755 none /usr/lib/unstale/plugins",
        );
        Self { world }
    }

    fn file(&self, path: &str, text: &str, mode: u32) {
        let path = self.world.path(path);
        let parent = path.parent().unwrap();
        if !parent.exists() {
            fs::create_dir(parent).unwrap();
            fs::set_permissions(parent, Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }

    fn plugin(&self, path: &str, name: &str) {
        self.file(path, SPEAKS, 0o755);
        self.file(&format!("{path}.toml"), &manifest(name), 0o644);
    }

    fn config(&self, text: &str) {
        self.file("etc/unstale/unstale.toml", text, 0o644);
    }

    #[track_caller]
    fn list(&self, directories: &[&str], code: i32) -> Run {
        self.run("list", directories, &[], code)
    }

    #[track_caller]
    fn run(&self, command: &str, directories: &[&str], more: &[&str], code: i32) -> Run {
        let directories: Vec<String> = directories
            .iter()
            .map(|dir| format!("--plugin-dir={}", self.world.path(dir).display()))
            .collect();
        let args = ["plugins", command].into_iter();
        let args: Vec<&str> = args
            .chain(directories.iter().map(String::as_str))
            .chain(more.iter().copied())
            .collect();
        let run = self.world.run(&args).expect(code);
        run.assert_tame();
        run
    }

    /// The document, after it was found to be of its schema.
    #[track_caller]
    fn document(&self, directories: &[&str], code: i32) -> Value {
        let run = self.run("list", directories, &["--json"], code);
        let document = run.json();
        let errors = schema().iter_errors(&document);
        let wrong: Vec<String> = errors
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?} in {document:#}");
        assert_eq!(run.stdout.iter().filter(|&&byte| byte == b'\n').count(), 1);
        document
    }

    /// Files by their names, and what became of them.
    #[track_caller]
    fn states(&self, directories: &[&str], code: i32) -> Vec<(String, String)> {
        let document = self.document(directories, code);
        let top = format!("{}/", self.world.path("").display());
        let all = document["plugins"].as_array().unwrap().iter();
        let state = |one: &Value| {
            let path = one["path"]
                .as_str()
                .unwrap()
                .replace(top.trim_end_matches('/'), "");
            let path = path.trim_start_matches('/').to_owned();
            (path, one["state"].as_str().unwrap().to_owned())
        };
        all.map(state).collect()
    }
}

fn schema() -> &'static Validator {
    static SCHEMA: OnceLock<Validator> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let path = of_repository("dist/usr/share/unstale/plugins-schema-1.json");
        let schema: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        jsonschema::draft202012::meta::validate(&schema).unwrap_or_else(|why| panic!("{why}"));
        jsonschema::draft202012::new(&schema).unwrap()
    })
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |&(path, state): &(&str, &str)| (path.to_owned(), state.to_owned());
    all.iter().map(owned).collect()
}

#[test]
fn none_at_all() {
    in_world(|world| {
        let place = Place::new(world);
        assert_eq!(place.list(&[], 0).text(), "no plugins\n");
        let document = place.document(&["nowhere"], 0);
        assert_eq!(document["complete"], true);
        assert_eq!(document["plugins"], json!([]));
        assert_eq!(document["directories"].as_array().unwrap().len(), 2);
    });
}

#[test]
fn all_that_can_become_of_one() {
    in_world(|world| {
        let place = Place::new(world);
        place.config("[plugins]\ndisable = [\"off\"]\n");
        place.plugin("a/ready", "ready");
        place.plugin("a/both", "both");
        symlink("/dev/null", world.path("a/hidden")).unwrap();
        place.plugin("b/hidden", "hidden");
        place.plugin("b/both", "other");
        place.plugin("b/second", "ready");
        place.plugin("b/off", "off");
        assert_eq!(
            place.states(&["a", "b"], 0),
            pairs(&[
                ("a/both", "ready"),
                ("a/ready", "ready"),
                ("b/both", "replaced"),
                ("b/hidden", "masked"),
                ("b/off", "disabled"),
                ("b/second", "outranked"),
            ])
        );
        place.plugin("b/open", "open");
        fs::set_permissions(world.path("b/open"), Permissions::from_mode(0o775)).unwrap();
        place.plugin("b/wrong", "wrong");
        place.file("b/wrong.toml", "nam = \"x\"\n", 0o644);
        let states = place.states(&["b"], 3);
        assert!(states.contains(&("b/open".to_owned(), "untrusted".to_owned())));
        assert!(states.contains(&("b/wrong".to_owned(), "rejected".to_owned())));
        let text = place.list(&["b"], 3).text();
        for line in [
            "other 1.2 (interpreter, ABI 1.0): ready",
            "  interest: exe other*",
            "  bad manifest: line 1, column 1: unknown field `nam`, ",
            "    | nam = \"x\"",
            "    | ^^^",
        ] {
            assert!(
                text.lines().any(|one| one.starts_with(line)),
                "{line}: {text}"
            );
        }
        let why = "/b/open: writable by others than its owner (mode 0775)";
        assert!(text.contains(why), "{text}");
    });
}

/// Builds a shared object with this source, and the header of the SDK.
fn build(world: &World, name: &str, source: &str) {
    let file = world.path(format!("{name}.c"));
    fs::write(&file, source).unwrap();
    let status = Command::new("cc")
        .args(["-std=c11", "-shared", "-fPIC", "-Wl,-z,now", "-I"])
        .arg(of_repository("plugins/sdk/include"))
        .arg("-o")
        .args([&world.path(format!("a/{name}.so")), &file])
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn shared_objects_and_nothing_is_executed() {
    in_world(|world| {
        let place = Place::new(world);
        place.plugin("a/never", "never");
        place.file("a/never", "#!/bin/sh\n>ran\n", 0o755);
        let ran = world.path("ran").display().to_string();
        let acts = format!(
            "#include <fcntl.h>\n__attribute__((constructor)) static void act(void) {{ open(\"{ran}\", O_CREAT | O_WRONLY, \
             0644); }}\n"
        );
        let lines: Vec<String> = manifest("acts")
            .lines()
            .map(|line| format!("\"{}\\n\"", line.replace('"', "\\\"")))
            .collect();
        let with = format!(
            "#include \"unstale_plugin.h\"\nUNSTALE_MANIFEST({})\n{acts}",
            lines.join("\n")
        );
        build(world, "acts", &with);
        build(world, "bare", &acts);
        let document = place.document(&["a"], 3);
        let plugins = document["plugins"].as_array().unwrap();
        assert_eq!(plugins[0]["manifest"]["name"], "acts");
        assert_eq!(plugins[0]["form"], "library");
        assert_eq!(plugins[1]["form"], "executable");
        assert_eq!(plugins[2]["why"], "it holds no manifest");
        assert!(!world.path("ran").exists());
        // The proof can fail: loading it does what it says.
        world.sh("LD_PRELOAD=$D/a/acts.so /bin/true");
        assert!(world.path("ran").exists());
    });
}

#[test]
fn files_that_would_hang_or_cost() {
    in_world(|world| {
        let place = Place::new(world);
        place.plugin("a/fine", "fine");
        world.sh("mkfifo $D/a/fifo.so; mknod $D/a/device.so c 1 5; truncate -s 1T $D/a/huge.so; mkdir $D/a/dir.so");
        world.sh("truncate -s 1T $D/a/large.toml; cp $D/a/fine $D/a/large; mkfifo $D/a/wait.toml; cp $D/a/fine $D/a/wait");
        let states = place.states(&["a"], 3);
        let trouble = states.iter().filter(|(_, state)| state != "ready").count();
        assert_eq!((states.len(), trouble), (7, 6), "{states:?}");
    });
}

#[test]
fn what_an_administrator_adds() {
    in_world(|world| {
        let place = Place::new(world);
        place.plugin("etc/unstale/plugins.d/local", "local");
        place.plugin("more/extra", "extra");
        assert_eq!(place.list(&[], 0).text(), "no plugins\n");
        // A mask counts there in any case.
        symlink("/dev/null", world.path("etc/unstale/plugins.d/extra")).unwrap();
        let states = place.states(&["more"], 0);
        assert_eq!(states, pairs(&[("more/extra", "ready")]));
        let more = world.path("more").display().to_string();
        place.config(&format!(
            "[plugins]\netc = true\ndirectories = [\"{more}\"]\n"
        ));
        let names = |document: &Value| -> Vec<String> {
            let all = document["plugins"].as_array().unwrap().iter();
            all.map(|one| one["manifest"]["name"].as_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(names(&place.document(&[], 0)), ["extra", "local"]);
        // The command line counts most.
        place.plugin("mine/local", "mine");
        assert_eq!(
            place.states(&["mine"], 0),
            pairs(&[
                ("more/extra", "ready"),
                ("mine/local", "ready"),
                ("/etc/unstale/plugins.d/local", "replaced")
            ])
            .into_iter()
            .map(|(path, state)| (path.trim_start_matches('/').to_owned(), state))
            .collect::<Vec<_>>()
        );
        // A directory as it is seen from where the person is.
        let run = world
            .run_line("cd $D && exec $UNSTALE plugins list --plugin-dir mine")
            .expect(0);
        assert!(run.text().contains("mine 1.2"), "{}", run.text());
    });
}

#[test]
fn a_doubtful_configuration_stops_everything() {
    in_world(|world| {
        let place = Place::new(world);
        place.plugin("a/x", "x");
        place.config("[plugins]\nenabled = true\n");
        for args in [
            &["plugins", "list"][..],
            &["check"],
            &["plugins", "check", "/bin/true"],
        ] {
            let run = world.run(args);
            if args.last() == Some(&"/bin/true") {
                continue;
            }
            let run = run.expect(1);
            let talk = run.talk();
            let lines: Vec<&str> = talk.lines().collect();
            let first =
                "unstale: /etc/unstale/unstale.toml: line 2, column 11: unknown key `enabled`";
            assert!(lines[0].starts_with(first), "{talk}");
            assert_eq!(
                lines[1..],
                ["unstale:   | enabled = true", "unstale:   |           ^^^^"]
            );
            assert_eq!(run.text(), "");
        }
        place.config("");
        fs::set_permissions(
            world.path("etc/unstale/unstale.toml"),
            Permissions::from_mode(0o664),
        )
        .unwrap();
        let run = world.run(&["plugins", "list"]).expect(1);
        assert!(
            run.talk().contains("unstale.toml: not trusted: "),
            "{}",
            run.talk()
        );
        fs::set_permissions(
            world.path("etc/unstale/unstale.toml"),
            Permissions::from_mode(0o644),
        )
        .unwrap();
        place.config("[plugins.nobody]\nx = 1\n");
        let run = world.run(&["plugins", "list"]).expect(0);
        assert!(run.talk().contains("options for nobody"), "{}", run.talk());
    });
}

#[test]
fn an_ordinary_user() {
    in_world(|world| {
        let place = Place::new(world);
        place.plugin("a/mine", "mine");
        place.plugin("b/roots", "roots");
        for path in ["a", "a/mine", "a/mine.toml"] {
            chown(world.path(path), Some(65534), Some(65534)).unwrap();
        }
        let (a, b) = (world.path("a"), world.path("b"));
        let args = [
            "plugins",
            "list",
            "--plugin-dir",
            a.to_str().unwrap(),
            "--plugin-dir",
            b.to_str().unwrap(),
        ];
        let text = world.run_through(&NOBODY, &args).expect(0).text();
        assert!(
            text.contains("mine 1.2") && text.contains("roots 1.2"),
            "{text}"
        );
        // What is a user's is not root's.
        let states = place.states(&["a", "b"], 3);
        assert_eq!(states, pairs(&[("b/roots", "ready"), ("a", "untrusted")]));
        // Nor another user's.
        let other = ["setpriv", "--reuid=1", "--regid=1", "--clear-groups"];
        let text = world.run_through(&other, &args).expect(3).text();
        assert!(
            text.contains("owned by uid 65534, neither by root nor by uid 1"),
            "{text}"
        );
    });
}

#[test]
fn names_steer_no_terminal() {
    in_world(|world| {
        let place = Place::new(world);
        place.plugin("a/x\u{1b}[31m", "x");
        place.plugin("a/y\u{202e}", "y");
        place.file("a/y\u{202e}.toml", "\u{1b}[31m = \"\u{202e}\"\n", 0o644);
        place.list(&["a"], 3);
        place.document(&["a"], 3);
    });
}

/// The SDK's form of a recorded process.
fn record(place: &Place<'_>, exe: &str) {
    fs::create_dir_all(place.world.path("scene/root/etc")).unwrap();
    place.file(
        "scene/process",
        &format!("pid 77\nuid 3\nexe {exe}\nargv x\n"),
        0o644,
    );
}

#[test]
fn a_recorded_process() {
    in_world(|world| {
        let place = Place::new(world);
        place.plugin("a/x", "x");
        record(&place, "/usr/bin/x3");
        let (file, scene) = (world.path("a/x"), world.path("scene"));
        let scene = scene.to_str().unwrap();
        let run = place.run(
            "check",
            &[],
            &[file.to_str().unwrap(), "--process", scene],
            0,
        );
        let text = run.text();
        for line in [
            "x 1.2 (interpreter, ABI 1.0): ready",
            "process 77 (/usr/bin/x3)",
            "  uses /srv/app.x (script, loaded)",
            "  note: it was  [31m here",
            "  not shown: /etc/secret: nothing is there",
            "  not shown: /etc/shadow: denied",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}: {text}");
        }
        assert_eq!(run.talk(), "unstale: it prints: a word\n");
        // As an ordinary user: behind the same wall, as far as that user can build it.
        let args = [
            "plugins",
            "check",
            file.to_str().unwrap(),
            "--process",
            scene,
        ];
        let run = world.run_through(&NOBODY, &args).expect(0);
        assert_eq!(run.text(), text);
        record(&place, "/usr/bin/other");
        let run = place.run(
            "check",
            &[],
            &[file.to_str().unwrap(), "--process", scene],
            0,
        );
        assert!(
            run.talk().contains("for no process like this one"),
            "{}",
            run.talk()
        );
        let run = world.run(&[
            "plugins",
            "check",
            file.to_str().unwrap(),
            "--process",
            "/nonexistent",
        ]);
        assert!(run.expect(1).talk().contains("/nonexistent"));
    });
}

#[test]
fn a_plugin_that_fails() {
    in_world(|world| {
        let place = Place::new(world);
        record(&place, "/usr/bin/x3");
        let scene = world.path("scene");
        for (program, why) in [
            (
                "#!/bin/sh\nexit 7\n",
                "its worker ended (it ended with status 7)",
            ),
            (
                "#!/bin/sh\nread -r x\necho '{\"unusable\":\"no \\u001b[1m way\"}'\n",
                "no  [1m way",
            ),
            (
                "#!/bin/sh\nread -r x\necho nonsense\nread -r x\n",
                "its worker said what no worker says",
            ),
            ("#!/nonexistent\n", "cannot start it: No such file"),
        ] {
            place.plugin("a/x", "x");
            place.file("a/x", program, 0o755);
            let file = world.path("a/x");
            let args = [file.to_str().unwrap(), "--process", scene.to_str().unwrap()];
            let text = place.run("check", &[], &args, 3).text();
            let failed = text.lines().find(|line| line.starts_with("  failed: "));
            assert!(
                failed.is_some_and(|line| line.contains(why)),
                "{why}: {text}"
            );
        }
    });
}

#[test]
fn processes_of_this_machine() {
    in_world(|world| {
        let place = Place::new(world);
        place.plugin("a/x", "x");
        let file = world.path("a/x");
        let file = file.to_str().unwrap();
        let program = world.install("x-program");
        // What the machine around is installing is nothing to this test.
        world.dpkg(&[&program]);
        let none = place.run("check", &[], &[file], 0).text();
        assert!(none.ends_with("\nno process here interests it\n"), "{none}");
        let running = world.start(&program);
        let run = place.run("check", &[], &[file], 0);
        let text = run.text();
        let head = format!("process {} ({})", running.pid, program.display());
        assert!(text.lines().any(|line| line == head), "{head}: {text}");
        assert!(
            text.contains("  uses /srv/app.x (script, loaded)"),
            "{text}"
        );
        assert_eq!(run.talk(), "unstale: it prints: a word\n");
        // And what a bundle tells of that.
        let bundle = world.path("bundle");
        let bundle = bundle.to_str().unwrap();
        world.run(&["record", bundle]).expect(0);
        let text = place
            .run("check", &[], &[file, "--bundle", bundle], 0)
            .text();
        assert!(text.contains("it would be shown this process"), "{text}");
    });
}

#[test]
fn a_check_says_what_it_could_not_use() {
    in_world(|world| {
        let place = Place::new(world);
        let program = world.install("y-program");
        world.dpkg(&[&program]);
        place.plugin("a/x", "x");
        let a = world.path("a").display().to_string();
        world.run(&["--plugin-dir", &a]).expect(0);
        fs::set_permissions(world.path("a/x"), Permissions::from_mode(0o757)).unwrap();
        let talk = world.run(&["--plugin-dir", &a]).expect(3).talk();
        let why = format!("cannot use the detector {a}/x: not trusted: {a}/x: writable by others");
        assert!(talk.contains(&why), "{talk}");
        // Set aside by somebody, it is not missed.
        place.config("[plugins]\ndisable = [\"*\"]\n");
        world.run(&["--plugin-dir", &a]).expect(3);
        fs::create_dir(world.path("b")).unwrap();
        symlink("/dev/null", world.path("b/x")).unwrap();
        let b = world.path("b").display().to_string();
        world
            .run(&["--plugin-dir", &b, "--plugin-dir", &a])
            .expect(0);
    });
}

#[test]
fn what_cannot_be_tried() {
    in_world(|world| {
        let place = Place::new(world);
        place.plugin("a/x", "x");
        fs::set_permissions(world.path("a/x"), Permissions::from_mode(0o757)).unwrap();
        for (path, why) in [
            (world.path("a/x"), "writable by others"),
            (world.path("a/none"), "no such file"),
            ("/bin/sleep".into(), "sleep.toml: no such file"),
            ("/dev/null".into(), "not a regular file"),
        ] {
            let text = place.run("check", &[], &[path.to_str().unwrap()], 3).text();
            assert!(text.contains(why), "{why}: {text}");
            assert!(!text.contains("process"), "{text}");
        }
    });
}

#[test]
fn every_manifest_of_ours_is_of_its_form() {
    let mut seen = 0;
    for top in ["plugins", "plugins/examples"] {
        for entry in fs::read_dir(of_repository(top)).unwrap() {
            seen += check_manifest(&entry.unwrap().path().join("manifest.toml"));
        }
    }
    let example = of_repository("plugins/examples/python/awk-python.toml");
    seen += check_manifest(&example);
    assert!(seen > 5, "{seen}");
}

#[track_caller]
fn check_manifest(path: &Path) -> usize {
    let Ok(text) = fs::read_to_string(path) else {
        return 0;
    };
    if let Err(error) = unstale::plugins::manifest::Manifest::parse(&text) {
        panic!("{}: {}", path.display(), error.lines().join("\n"));
    }
    1
}

/// A document with all there is, and what is wrong with others.
#[test]
fn the_schema_refuses_what_is_wrong() {
    let manifest = json!({"name": "x", "version": "1", "abi": "1.0", "kind": "vm", "summary": "x",
        "interest": {"exe": ["x"], "exe_path": [], "code": [], "cgroup": [], "runtime": ["qemu"]},
        "wants": {"environ": ["X"], "files": false, "memory": true, "host_files": ["/x"]}, "restart": ["system"]});
    let good = json!({"schema": 1, "version": "0.1.0", "abi": "1.0", "complete": false,
    "directories": [{"path": "/x\u{fffd}", "path_base64": "L3j/"}],
    "plugins": [
        {"path": "/x/a", "form": "library", "state": "ready", "why": null, "manifest": manifest},
        {"path": "/x/b", "form": null, "state": "untrusted", "why": "x", "manifest": null},
    ]});
    assert!(schema().is_valid(&good));
    for (pointer, value) in [
        ("/schema", json!(2)),
        ("/complete", json!(true)),
        ("/abi", json!("1")),
        ("/directories/0/path", json!("x")),
        ("/plugins/0/state", json!("loaded")),
        ("/plugins/0/why", json!("x")),
        ("/plugins/0/manifest", json!(null)),
        ("/plugins/0/form", json!(null)),
        ("/plugins/0/manifest/kind", json!("x")),
        ("/plugins/0/manifest/name", json!("X")),
        ("/plugins/0/manifest/wants/files", json!(null)),
        ("/plugins/1/why", json!(null)),
        ("/plugins/1/state", json!("masked")),
    ] {
        let mut wrong = good.clone();
        *wrong.pointer_mut(pointer).unwrap() = value;
        assert!(!schema().is_valid(&wrong), "{pointer} is accepted");
    }
}
