//! Whole checks with guests that go wrong: each costs its own findings, is named, and makes the result incomplete; what is
//! stale otherwise is found all the same.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};

use crate::support::{World, findings, in_world, of_repository};

const MANIFEST: &str = "name = \\\"acts\\\"\\nversion = \\\"1\\\"\\nabi = \\\"1.0\\\"\\nkind = \\\"interpreter\\\"\\n\
    summary = \\\"does what it is told\\\"\\n[interest]\\nexe = [\\\"victim*\\\"]\\n";

/// The guest that does what the first argument of a process says, in a directory of plugins.
fn guest(world: &World) -> String {
    let dir = world.path("plugins");
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
    let acts = fs::read_to_string(of_repository("testdata/plugins/guests/acts.c")).unwrap();
    let source = world.path("acts.c");
    fs::write(
        &source,
        format!("{acts}\nUNSTALE_MANIFEST(\"{MANIFEST}\")\n"),
    )
    .unwrap();
    let status = Command::new("cc")
        .args(["-std=c11", "-shared", "-fPIC", "-Wl,-z,now", "-I"])
        .arg(of_repository("plugins/sdk/include"))
        .arg("-o")
        .args([&dir.join("acts.so"), &source])
        .status()
        .unwrap();
    assert!(status.success());
    dir.display().to_string()
}

/// A process that the guest is shown, ended with the test.
struct Victim(Child);

impl Victim {
    fn start(world: &World, act: &str) -> Self {
        let program = world.path("victim");
        if !program.exists() {
            fs::rename(world.install("sleep-to-be"), &program).unwrap();
        }
        let child = world
            .command("bash")
            .args(["-c", "exec -a \"$1\" \"$0\" 600"])
            .args([program.as_os_str(), act.as_ref()])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[track_caller]
fn check(act: &str, why: &str) {
    in_world(|world| {
        let plugins = guest(world);
        let (_running, stale) = world.stale("bystander");
        let _victims: Vec<Victim> = ["", act, ""]
            .into_iter()
            .map(|act| Victim::start(world, act))
            .collect();
        crate::support::settle();
        let run = world.run(&["--json", "--plugin-dir", &plugins]).expect(3);
        let document = run.json();
        assert_eq!(document["complete"], false);
        let stale = stale.display().to_string();
        assert!(
            findings(&document)
                .iter()
                .any(|(_, _, path)| *path == stale),
            "{document:#}"
        );
        let problems = document["problems"].as_array().unwrap();
        let named: Vec<String> = problems
            .iter()
            .filter(|one| one["operation"].as_str().unwrap().contains("acts detector"))
            .map(|one| one["why"].as_str().unwrap().to_owned())
            .collect();
        // Root's other processes are looked at by the next worker.
        assert_eq!(named.len(), 1, "{document:#}");
        assert!(named[0].contains(why), "{named:?}");
        assert_eq!(document["detectors"][0]["failed"], 1, "{document:#}");
        assert_eq!(document["detectors"][0]["processes"], 3, "{document:#}");
    });
}

#[test]
fn a_guest_that_crashes() {
    check("crash", "SIGSEGV");
    check("abort", "SIGABRT");
    check("exit", "ended with status 0");
}

#[test]
fn a_guest_that_never_comes_back() {
    check("loop", "in time");
    check("stubborn", "in time");
}

#[test]
fn a_guest_that_floods() {
    // Whichever bound it meets first: what it may say, or the time.
    check("flood", "its worker");
}

#[test]
fn a_guest_that_says_that_it_failed() {
    check("fail", "answered 5");
}

#[test]
fn a_good_guest_is_complete() {
    in_world(|world| {
        let plugins = guest(world);
        let _victim = Victim::start(world, "");
        crate::support::settle();
        let document = world
            .run(&["--json", "--plugin-dir", &plugins])
            .expect(0)
            .json();
        assert_eq!(document["detectors"][0]["processes"], 1, "{document:#}");
    });
}

/// The examples for authors, built as the guide says.
fn examples(world: &World) -> [(&'static str, String); 3] {
    let place = |name: &str| {
        let dir = world.path(name);
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
        dir
    };
    let run = |command: &mut Command| assert!(command.status().unwrap().success(), "{command:?}");
    let c = place("c");
    run(Command::new("cc")
        .args([
            "-std=c11",
            "-shared",
            "-fPIC",
            "-fvisibility=hidden",
            "-Wl,-z,now",
            "-I",
        ])
        .arg(of_repository("plugins/sdk/include"))
        .arg("-o")
        .args([
            c.join("awk-c.so"),
            of_repository("plugins/examples/c/awk.c"),
        ]));
    let rust = place("rust");
    let target = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .unwrap();
    run(Command::new(env!("CARGO"))
        .args([
            "build",
            "--locked",
            "--quiet",
            "-p",
            "unstale-example-awk",
            "--target-dir",
        ])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR")));
    let built = target.join("debug/libunstale_example_awk.so");
    fs::copy(built, rust.join("awk.so")).unwrap();
    let python = place("python");
    for (name, mode) in [("awk-python", 0o755), ("awk-python.toml", 0o644)] {
        let to = python.join(name);
        fs::copy(of_repository("plugins/examples/python").join(name), &to).unwrap();
        fs::set_permissions(to, Permissions::from_mode(mode)).unwrap();
    }
    [("awk-c", c), ("awk-rust", rust), ("awk-python", python)]
        .map(|(name, dir)| (name, dir.display().to_string()))
}

#[test]
fn the_examples_for_authors() {
    in_world(|world| {
        let script = world.path("program.awk");
        fs::write(&script, "{ print }\n").unwrap();
        let awk = world
            .command("sh")
            .args(["-c", "sleep 600 | exec gawk -f \"$0\""])
            .arg(&script)
            .spawn()
            .unwrap();
        let _awk = Victim(awk);
        crate::support::settle();
        std::thread::sleep(std::time::Duration::from_millis(300));
        let examples = examples(world);
        let listed = |dir: &str| {
            let document = world.run(&["--json", "--plugin-dir", dir]).expect(0).json();
            let one = document["detectors"][0].clone();
            assert_eq!(
                (&one["processes"], &one["failed"]),
                (&1.into(), &0.into()),
                "{document:#}"
            );
            (
                one["name"].as_str().unwrap().to_owned(),
                findings(&document),
            )
        };
        for (name, dir) in &examples {
            assert_eq!(listed(dir), ((*name).to_owned(), Vec::new()));
        }
        fs::write(&script, "{ print $1 }\n").unwrap();
        for (_, dir) in &examples {
            let (_, found) = listed(dir);
            let path = script.display().to_string();
            assert!(
                matches!(&found[..], [(_, kind, of)] if kind == "script" && *of == path),
                "{found:?}"
            );
        }
    });
}
