//! Options, exit statuses, streams, colour.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::schema::document;
use crate::support::{NOBODY, World, findings, in_world, replace, settle, unstale};

const ESCAPE: u8 = 0x1b;

#[test]
fn help_and_version_are_data() {
    for args in [
        &["--help"][..],
        &["-h"],
        &["--version"],
        &["check", "--help"],
        &["explain", "-h"],
    ] {
        let run = unstale(args).expect(0);
        assert!(!run.stdout.is_empty() && run.stderr.is_empty(), "{run:?}");
    }
    let text = unstale(&["--help"]).text();
    for word in [
        "Exit status",
        "--exit-code",
        "--bundle",
        "explain",
        "record",
    ] {
        assert!(text.contains(word), "{word}");
    }
    assert!(!text.contains("--mapping-source"), "hidden");
}

#[test]
fn wrong_usage_is_2_and_goes_to_stderr() {
    for args in [
        &["--frobnicate"][..],
        &["check", "--frobnicate"],
        &["frobnicate"],
        &["--by", "colour"],
        &["--color", "perhaps"],
        &["explain"],
        &["explain", "1", "2"],
        &["record"],
        &["--json", "explain", "1"],
        &["--bundle", "x", "--root", "/"],
        &["--bundle", "x", "--proc", "/proc"],
        &["--root"],
        &["--exit-code=yes"],
    ] {
        let run = unstale(args).expect(2);
        assert!(run.stdout.is_empty(), "{args:?}: {run:?}");
        assert!(run.talk().starts_with("error: "), "{args:?}: {run:?}");
        assert!(run.talk().contains("--help"), "{args:?}: {run:?}");
    }
}

#[test]
fn an_unknown_option_is_told_with_the_usage() {
    for args in [&["--frobnicate"][..], &["check", "--jsn"], &["record"]] {
        let talk = unstale(args).expect(2).talk();
        assert!(talk.contains("Usage: unstale"), "{args:?}: {talk}");
    }
}

/// A bundle of a stale process, as if it ran in another control group.
struct Recorded {
    bundle: Value,
    pid: u64,
    file: PathBuf,
}

impl Recorded {
    fn new(world: &World) -> Self {
        let (running, _) = world.stale("sleep");
        let file = world.path("bundle");
        world.run(&["record", file.to_str().unwrap()]).expect(0);
        Self {
            bundle: serde_json::from_slice(&fs::read(&file).unwrap()).unwrap(),
            pid: running.pid,
            file,
        }
    }

    fn in_group(&self, group: &str) -> &Path {
        let mut bundle = self.bundle.clone();
        bundle["facts"]["host"]["unified_cgroups"] = json!(true);
        bundle["facts"]["host"]["systemd"] = json!(true);
        let processes = bundle["facts"]["processes"].as_array_mut().unwrap();
        for process in processes {
            if process["key"]["pid"] == self.pid {
                process["details"]["cgroup"] = json!(format!("0::{group}\n"));
            }
        }
        fs::write(&self.file, bundle.to_string()).unwrap();
        &self.file
    }

    #[track_caller]
    fn check(&self, group: &str, verdict: &str, code: i32) {
        let file = self.in_group(group).to_str().unwrap().to_owned();
        let run = unstale(&["--bundle", &file, "--json"]).expect(0);
        assert_eq!(document(&run)["items"][0]["verdict"], verdict, "{run:?}");
        unstale(&["--bundle", &file, "--json", "--exit-code"]).expect(code);
        unstale(&["check", "--bundle", &file, "--exit-code"]).expect(code);
    }
}

#[test]
fn exit_statuses_of_verdicts() {
    in_world(|world| {
        world.run(&["--exit-code"]).expect(0);
        let recorded = Recorded::new(world);
        recorded.check("/system.slice/nginx.service", "restart", 10);
        recorded.check("/init.scope", "reexec", 10);
        let session = "/user.slice/user-1000.slice/session-3.scope";
        recorded.check(session, "relogin", 11);
        recorded.check("/system.slice/docker.service", "defer", 11);
        recorded.check("/system.slice/dbus.service", "defer", 12);
    });
}

#[test]
fn incomplete_is_3_whatever_was_found() {
    in_world(|world| {
        let program = world.install("sleep");
        let running = world.start_through::<&str>(&NOBODY, &program, &[]);
        replace(&program);
        let run = world
            .run_through(&NOBODY, &["--exit-code", "--json"])
            .expect(3);
        // What could be judged is said all the same.
        let found = findings(&document(&run));
        assert!(found.iter().any(|(pid, ..)| *pid == running.pid), "{run:?}");
        let text = world.run_through(&NOBODY, &["--exit-code"]).expect(3);
        assert!(text.text().contains("INCOMPLETE"), "{text:?}");
        assert!(
            text.talk().contains("unstale: cannot look into"),
            "{text:?}"
        );
    });
}

#[test]
fn ones_own_processes_alone_are_a_complete_check() {
    in_world(|world| {
        let (_others, theirs) = world.stale("other");
        let program = world.install("sleep");
        let running = world.start_through::<&str>(&NOBODY, &program, &[]);
        world
            .run_through(&NOBODY, &["--user", "--exit-code"])
            .expect(0);
        replace(&program);
        let run = world.run_through(&NOBODY, &["--user", "--json"]).expect(0);
        let path = program.to_str().unwrap().to_owned();
        assert_eq!(
            findings(&document(&run)),
            [(running.pid, "replaced".to_owned(), path)]
        );
        let text = world.run_through(&NOBODY, &["--user"]).expect(0);
        assert!(!text.text().contains(theirs.to_str().unwrap()), "{text:?}");
        assert!(text.stderr.is_empty(), "{text:?}");
    });
}

#[test]
fn what_cannot_be_done_is_1_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let missing = missing.to_str().unwrap();
    for (args, says) in [
        (&["--bundle", missing][..], "cannot read"),
        (&["explain", "--bundle", missing, "1"], "cannot read"),
        (&["--proc", missing], "cannot open"),
        (&["--root", missing], "cannot open"),
        (&["record", "/nonexistent/file"], "cannot create"),
    ] {
        let run = unstale(args).expect(1);
        assert!(run.stdout.is_empty(), "{args:?}: {run:?}");
        let line = run.talk();
        assert!(
            line.starts_with("unstale: ") && line.contains(says),
            "{args:?}: {run:?}"
        );
        assert_eq!(line.lines().count(), 1, "{args:?}: {run:?}");
    }
}

#[test]
fn a_closed_pipe_is_a_quiet_end() {
    in_world(|world| {
        let (_running, _) = world.stale("sleep");
        for args in ["", "--json", "-v", "--by package", "explain 1", "--help"] {
            let line = format!("{{ \"$UNSTALE\" {args}; echo \"ended: $?\" >&2; }} | true");
            let run = world.run_line(&line);
            assert_eq!(run.talk(), "ended: 0\n", "{args}");
        }
        let first = world.run_line("\"$UNSTALE\" -v | head -1").expect(0);
        assert_eq!(
            (first.text().lines().count(), first.talk()),
            (1, String::new())
        );
    });
}

#[test]
fn a_closed_pipe_does_not_change_the_status() {
    in_world(|world| {
        let program = world.install("sleep");
        let _running = world.start_through::<&str>(&NOBODY, &program, &[]);
        replace(&program);
        let code = world.run(&["--exit-code"]).code.unwrap();
        assert!([10, 11].contains(&code), "{code}");
        for args in ["", "--json", "--by package", "-v"] {
            // The reader is gone before anything is written.
            let line = format!(
                "{{ sleep 0.2; \"$UNSTALE\" --exit-code {args}; echo \"ended: $?\" >&2; }} | true"
            );
            assert_eq!(world.run_line(&line).talk(), format!("ended: {code}\n"));
        }
        let as_nobody = NOBODY.join(" ");
        for args in ["check", "--json", "explain sleep"] {
            let line = format!(
                "{{ sleep 0.2; {as_nobody} \"$UNSTALE\" {args}; echo \"ended: $?\" >&2; }} | true"
            );
            let talk = world.run_line(&line).talk();
            assert!(talk.ends_with("ended: 3\n"), "{args}: {talk}");
            assert!(!talk.contains("cannot write"), "{args}: {talk}");
        }
    });
}

#[test]
fn a_full_disk_is_an_error() {
    in_world(|world| {
        let run = world.run_line("\"$UNSTALE\" --json >/dev/full").expect(1);
        assert!(run.talk().contains("cannot write the result"), "{run:?}");
    });
}

#[test]
fn colour_only_where_it_is_wanted() {
    in_world(|world| {
        let (_running, _) = world.stale("sleep");
        let colored = |args: &str| {
            let run = world.run_line(args).expect(0);
            assert!(run.stdout.len() > 100, "{run:?}");
            assert!(!run.stderr.contains(&ESCAPE), "{run:?}");
            run.stdout.contains(&ESCAPE)
        };
        for (line, expected) in [
            // No terminal.
            ("\"$UNSTALE\" -v", false),
            ("TERM=xterm \"$UNSTALE\" -v", false),
            ("\"$UNSTALE\" -v --color always", true),
            (
                "\"$UNSTALE\" explain $(pgrep -x sleep) --color always",
                false,
            ),
            ("\"$UNSTALE\" --json --color always", false),
            ("\"$UNSTALE\" --color never", false),
            // A terminal.
            ("TERM=xterm script -qec '$UNSTALE' /dev/null", true),
            (
                "TERM=xterm script -qec '$UNSTALE --color never' /dev/null",
                false,
            ),
            (
                "TERM=xterm NO_COLOR=1 script -qec '$UNSTALE' /dev/null",
                false,
            ),
            (
                "TERM=xterm NO_COLOR=1 script -qec '$UNSTALE --color always' /dev/null",
                true,
            ),
            ("TERM=dumb script -qec '$UNSTALE' /dev/null", false),
            ("TERM=xterm script -qec '$UNSTALE --json' /dev/null", false),
        ] {
            assert_eq!(colored(line), expected, "{line}");
        }
    });
}

#[test]
fn by_package() {
    in_world(|world| {
        let program = world.install("sleep");
        let running = world.start(&program);
        let (_other, _) = world.stale("unpackaged");
        world.dpkg(&[&program]);
        replace(&program);
        let text = world.run(&["--by", "package"]).expect(0).text();
        assert!(
            text.contains("server") && text.contains("1.0-1") && text.contains("2.0-1"),
            "{text}"
        );
        let owner = world.run(&["--by", "owner"]).expect(0).text();
        assert!(owner.contains(&format!("pid {}", running.pid)), "{owner}");
        assert_ne!(owner, text);
        assert_eq!(owner, world.run(&["check"]).expect(0).text());
    });
}

#[test]
fn explain_what_is_stale_and_what_is_not() {
    in_world(|world| {
        let (stale, path) = world.stale("old-server");
        let fresh_path = world.install("fresh-server");
        let fresh = world.start(&fresh_path);
        let explain = |target: &str| world.run(&["explain", target]).expect(0).text();
        for target in [
            stale.pid.to_string(),
            path.to_str().unwrap().to_owned(),
            "old-server".to_owned(),
        ] {
            let text = explain(&target);
            assert!(
                text.contains(&format!("pid {} ", stale.pid)),
                "{target}: {text}"
            );
            assert!(text.contains("was replaced"), "{target}: {text}");
            assert!(
                !text.contains(&format!("pid {} ", fresh.pid)),
                "{target}: {text}"
            );
        }
        let text = explain(&fresh.pid.to_string());
        assert!(text.contains("nothing has to be done"), "{text}");
        assert!(!text.contains("was replaced"), "{text}");
    });
}

#[test]
fn explain_what_a_rule_hides() {
    in_world(|world| {
        let (stale, path) = world.stale("quiet-server");
        world.sh("mkdir -p $D/etc/unstale; mount --bind $D/etc /etc");
        let rule = format!(
            "[[rule]]\nname = \"mine\"\npaths = [\"{}\"]\naction = \"hide\"\nreason = \"rebuilt all the time\"\n",
            path.display()
        );
        fs::write(world.path("etc/unstale/unstale.toml"), rule).unwrap();
        let document = world.run(&["--json"]).expect(0).json();
        assert_eq!(
            (&document["hidden"], &document["items"]),
            (&json!(1), &json!([]))
        );
        let text = world
            .run(&["explain", &stale.pid.to_string()])
            .expect(0)
            .text();
        let end = "— rebuilt all the time (rule policy.mine)";
        assert!(text.contains("so: stale, but hidden by policy: "), "{text}");
        assert!(text.contains(end), "{text}");
    });
}

#[test]
fn explain_what_is_not_there() {
    in_world(|world| {
        for target in ["4000000", "/nonexistent", "no-such.service", "-1x", ""] {
            let run = world.run(&["explain", "--", target]).expect(1);
            assert!(run.stdout.is_empty(), "{run:?}");
            assert!(run.talk().contains("nothing that runs matches"), "{run:?}");
        }
    });
}

#[test]
fn explain_what_may_be_hidden() {
    in_world(|world| {
        let program = world.install("sleep");
        let running = world.start(&program);
        // Others are told how many processes they cannot look into, not which.
        let pid = running.pid.to_string();
        for target in [&pid, "sleep", program.to_str().unwrap(), "no-such.service"] {
            let run = world.run_through(&NOBODY, &["explain", target]).expect(3);
            assert!(run.stdout.is_empty(), "{run:?}");
            let first = format!("unstale: cannot explain {target}: ");
            assert!(run.talk().starts_with(&first), "{run:?}");
            assert!(!run.talk().contains("nothing that runs"), "{run:?}");
        }
        // Root is told which.
        let file = world.path("bundle");
        let file = file.to_str().unwrap();
        world.run(&["record", file]).expect(0);
        let mut bundle: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        bundle["facts"]["problems"] = json!([
            {"operation": "look into", "object": "process", "pid": 4_000_000, "why": "Denied"},
        ]);
        fs::write(file, bundle.to_string()).unwrap();
        for (target, code) in [
            ("4000000", 3),
            ("no-such.service", 3),
            ("/nonexistent", 3),
            ("4000001", 1),
        ] {
            unstale(&["explain", "--bundle", file, target]).expect(code);
        }
    });
}

#[test]
fn record_leaves_no_file_of_a_failed_scan() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("new");
    let missing = dir.path().join("missing");
    let args = ["record".as_ref(), file.as_os_str()];
    let options = ["--proc".as_ref(), missing.as_os_str()];
    let run = unstale(&[args, options].concat()).expect(1);
    assert!(run.talk().contains("cannot open"), "{run:?}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn record_makes_a_new_file_for_its_owner_alone() {
    in_world(|world| {
        world.sh("echo precious >$D/there");
        let there = world.path("there");
        let link = world.path("link");
        symlink(world.path("target-of-link"), &link).unwrap();
        for file in [&there, &link] {
            let run = world.run(&["record", file.to_str().unwrap()]).expect(1);
            assert!(run.talk().contains("cannot create"), "{run:?}");
        }
        assert_eq!(fs::read(&there).unwrap(), b"precious\n");
        assert!(!world.path("target-of-link").exists());
        world
            .run_line("umask 0; \"$UNSTALE\" record $D/new")
            .expect(0);
        let metadata = fs::metadata(world.path("new")).unwrap();
        assert_eq!(
            (metadata.permissions().mode() & 0o7777, metadata.uid()),
            (0o600, 0)
        );
        assert!(metadata.len() > 1000);
    });
}

#[test]
fn a_bundle_is_judged_as_the_machine_was() {
    in_world(|world| {
        let (packaged, same) = (world.install("packaged"), world.install("same"));
        let (gone, overwritten) = (world.install("gone"), world.path("lib"));
        fs::copy(library(), &overwritten).unwrap();
        let all = [
            world.start(&packaged),
            world.start(&same),
            world.start(&gone),
            world.start_through::<&str>(
                &["env", &format!("LD_PRELOAD={}", overwritten.display())],
                &world.install("sleep"),
                &[],
            ),
        ];
        world.dpkg(&[&packaged]);
        replace(&packaged);
        world.sh("cp $D/same $D/same.new; mv $D/same.new $D/same; rm $D/gone; printf x >>$D/lib");
        settle();
        let bundle = world.path("bundle");
        let bundle = bundle.to_str().unwrap();
        let recorded = world.run(&["record", bundle]).expect(0);
        assert!(
            recorded.stdout.is_empty() && recorded.stderr.is_empty(),
            "{recorded:?}"
        );
        for args in [
            &["--json", "-v"][..],
            &["--json"],
            &["-v"],
            &[],
            &["--by", "package"],
        ] {
            let live = world.run(args).expect(0);
            let elsewhere = unstale(&[&["check", "--bundle", bundle], args].concat()).expect(0);
            assert_eq!(
                live.stdout, elsewhere.stdout,
                "{args:?}: {live:?} {elsewhere:?}"
            );
        }
        let found = findings(&document(&world.run(&["--json"])));
        let mut kinds: Vec<&str> = found.iter().map(|(_, kind, _)| kind.as_str()).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, ["gone", "overwritten", "replaced"], "{found:?}");
        let pid = all[0].pid.to_string();
        let live = world.run(&["explain", &pid]).expect(0);
        let elsewhere = unstale(&["explain", "--bundle", bundle, &pid]).expect(0);
        let so = |text: &str| {
            text.lines()
                .filter(|line| line.contains("so:"))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(so(&live.text()), so(&elsewhere.text()));
    });
}

/// A library that every Rust program has mapped.
fn library() -> PathBuf {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| line.contains("/libgcc_s.so"));
    PathBuf::from(line.unwrap().split(' ').next_back().unwrap())
}
