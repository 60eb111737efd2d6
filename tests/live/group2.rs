//! Names and text: what a process or a file may be called without changing the verdict.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::support::{Built, arg, arg2, install, live, path_of, raw, replace};

#[test]
fn t2_01_blanks_and_colons_in_paths() {
    live(|w| {
        for name in [
            "two words.so",
            " lead and trail ",
            "tab\there",
            "a:b:c",
            "00:2a 4711 x",
            "x.so (deleted)",
        ] {
            let lib = w.lib_at(name);
            let p = w.hold(&[arg("x", &lib)]);
            w.expect_clean();
            replace(&lib, "new.so");
            w.expect_stale(&p, "replaced", &lib);
            w.sh(&format!("kill -9 {}", p.pid));
        }
    });
}

#[test]
fn t2_01_blanks_and_colons_as_ordinary_user() {
    live(|w| {
        let lib = w.lib_at("two words: x.so");
        let p = w.hold_nobody(&[arg("x", &lib)]);
        w.expect_as_nobody(&[]);
        replace(&lib, "new.so");
        w.expect_as_nobody(&[(&p, &[("replaced", &lib)])]);
    });
}

#[test]
fn t2_01_the_suffix_is_text() {
    live(|w| {
        let (lib, decoy) = (w.lib_at("x.so"), w.path("x.so (deleted)"));
        let p = w.hold(&[arg("x", &lib)]);
        fs::remove_file(&lib).unwrap();
        install("old.so", &decoy);
        w.expect_stale(&p, "gone", &lib);
    });
}

#[test]
fn t2_01_the_suffix_twice() {
    live(|w| {
        let (lib, decoy) = (w.lib_at("x.so (deleted)"), w.lib_at("x.so"));
        let p = w.hold(&[arg("x", &lib)]);
        fs::remove_file(&lib).unwrap();
        w.expect_stale(&p, "gone", &lib);
        fs::remove_file(decoy).unwrap();
        w.expect_stale(&p, "gone", &lib);
    });
}

#[test]
fn t2_02_newline_against_backslash_012() {
    live(|w| {
        let (newline, backslash) = (w.lib_at("a\nb.so"), w.lib_at("a\\012b.so"));
        let p = w.hold(&[arg("x", &newline)]);
        let q = w.hold(&[arg("x", &backslash)]);
        w.expect_clean();
        replace(&newline, "new.so");
        w.expect_stale(&p, "replaced", &newline);
        fs::remove_file(&backslash).unwrap();
        w.expect(&[
            (&p, &[("replaced", &newline)]),
            (&q, &[("gone", &backslash)]),
        ]);
    });
}

#[test]
fn t2_02_only_one_of_the_two_exists() {
    live(|w| {
        w.hold(&[arg("x", w.lib_at("a\nb.so"))]);
        w.hold(&[arg("x", w.lib_at("c\\012d.so"))]);
        w.expect_clean();
    });
}

#[test]
fn t2_03_bytes_that_are_not_utf_8() {
    live(|w| {
        let lib = w.lib_at(raw(b"lib\xff\xfe.so"));
        let program = install("hold", &w.path(raw(b"prog\xe9")));
        let p = w.hold_as(
            &[&program],
            &[
                arg("comm", raw(b"\xc3\x28\xff")),
                arg("note", raw(b"\x80\x81")),
                arg("x", &lib),
            ],
        );
        w.expect_clean();
        replace(&lib, "new.so");
        replace(&program, "hold-new");
        w.expect(&[(&p, &[("replaced", &lib), ("replaced", &program)])]);
        let scan = w.scan(&[]);
        let (_, process) = scan.listed(p.pid).unwrap();
        assert_eq!(path_of(process, "exe"), program);
        w.run_through(&[], &["-v"]);
    });
}

#[test]
fn t2_04_control_characters_reach_no_terminal() {
    live(|w| {
        let name = "lib\u{1b}[2J\r\u{202e}\u{7}\u{9b}31m\n.so";
        let lib = w.lib_at(name);
        let program = install("hold", &w.path("pr\u{1b}]0;x\u{7}og"));
        let p = w.hold_as(
            &[&program],
            &[
                arg("comm", "\u{1b}[31mred"),
                arg("note", "\u{1b}[31m"),
                arg("x", &lib),
            ],
        );
        replace(&lib, "new.so");
        replace(&program, "hold-new");
        w.expect(&[(&p, &[("replaced", &lib), ("replaced", &program)])]);
        let pid = p.pid.to_string();
        for args in [&["-v"][..], &["--color", "always"], &["explain", &pid]] {
            let output = w.run_through(&[], args);
            for stream in [&output.stdout, &output.stderr] {
                let text = String::from_utf8(stream.clone()).unwrap();
                let foreign = ["\u{1b}[2J", "\u{1b}]0", "\r", "\u{202e}", "\u{7}", "\u{9b}"];
                assert!(
                    !foreign.iter().any(|it| text.contains(it)),
                    "{args:?}: {text:?}"
                );
                if args != ["--color", "always"] {
                    assert!(!text.contains('\u{1b}'), "{args:?}: {text:?}");
                }
            }
        }
    });
}

#[test]
fn t2_05_command_names_that_look_like_fields() {
    live(|w| {
        for comm in [") R 1 (", "a b) S 1 1 1", "x\ny", ")))", "", "\\n\\"] {
            let lib = w.lib();
            let p = w.hold(&[arg("comm", comm), arg("x", &lib)]);
            w.expect_clean();
            replace(&lib, "new.so");
            w.expect_stale(&p, "replaced", &lib);
            let scan = w.scan(&[]);
            let (_, process) = scan.listed(p.pid).unwrap();
            let stat = w.sh(&format!("cat /proc/{}/stat", p.pid));
            let (_, fields) = stat.rsplit_once(") ").unwrap();
            let started: u64 = fields.split(' ').nth(19).unwrap().parse().unwrap();
            assert_eq!(process["start_ticks"], started, "{comm:?}");
            assert_eq!(process["uid"], 0, "{comm:?}");
            w.sh(&format!("kill -9 {}", p.pid));
        }
    });
}

#[test]
fn t2_07_zombie_in_a_removed_cgroup() {
    live(|w| {
        w.sh("mkdir $D/cg && mount -t cgroup2 none $D/cg");
        let cgroup = w.path(format!(
            "cg/unstale-live-{}",
            w.dir().file_name().unwrap().display()
        ));
        fs_in_world(w, "mkdir", &cgroup);
        let p = w.hold(&["pause", "zombie"]);
        w.sh(&format!(
            "echo {} > '{}/cgroup.procs'",
            p.pid,
            cgroup.display()
        ));
        let mut p = p;
        p.go();
        w.sh(&format!("echo {} > $D/cg/cgroup.procs", p.pid));
        fs_in_world(w, "rmdir", &cgroup);
        w.expect_clean();
    });
}

/// The mount is visible in the world only.
fn fs_in_world(w: &crate::support::World, tool: &str, path: &Path) {
    w.sh(&format!("{tool} '{}'", path.display()));
}

#[test]
fn t2_08_mount_points_with_escapes() {
    live(|w| {
        let mount = w.subdir("m \t\n\\#x");
        w.sh("mount -t tmpfs none \"$D/$(printf 'm \\t\\n\\\\#x')\"");
        let lib = mount.join("libtiny.so.1");
        // The tmpfs is in the world only: hold puts the library there.
        let put = |name: &str| {
            w.sh(&format!(
                "m=\"$D/$(printf 'm \\t\\n\\\\#x')\"; cp '{}' \"$m/new\"; mv \"$m/new\" \"$m/libtiny.so.1\"",
                Built::get().path(name).display()
            ));
        };
        put("old.so");
        let p = w.hold(&[arg("x", &lib)]);
        w.expect_clean();
        put("new.so");
        w.expect_stale(&p, "replaced", &lib);
        w.sh("umount -l \"$D/$(printf 'm \\t\\n\\\\#x')\"");
        let found = w.scan(&[]).verdict_of(p.pid).unwrap();
        assert_eq!(found[0].kind, "detached", "{found:?}");
    });
}

#[test]
fn t2_09_path_too_long_to_name() {
    live(|w| {
        drop(w.hold(&[arg2("deepmk", w.dir(), Built::get().path("old.so"))]));
        let p = w.hold(&[arg("deepx", w.dir())]);
        // Current, or unknown where the components are not walked.
        w.expect_none(&p, |judged| judged.is_stale());
        w.hold(&[arg2("deepmk", w.dir(), Built::get().path("new.so"))]);
        w.expect_none(&p, |judged| judged.is_clean());
    });
}

#[test]
fn t2_11_names_of_packaging() {
    live(|w| {
        let (lib, new) = (w.path("libtiny.so.1"), w.lib_at("libtiny.so.1.dpkg-new"));
        w.subdir("rpm");
        let rpm = w.lib_at("rpm/libtiny.so;5f3a9c01");
        w.hold(&[arg("x", &new)]);
        let q = w.hold(&[arg("x", &rpm)]);
        fs::rename(new, lib).unwrap();
        w.expect_clean();
        fs::remove_file(&rpm).unwrap();
        w.expect_stale(&q, "gone", &rpm);
    });
}

#[test]
fn t2_12_name_of_a_removed_program() {
    live(|w| {
        let program = w.program();
        let p = w.hold_as(&[&program], &["note:x"]);
        fs::remove_file(&program).unwrap();
        w.expect_stale(&p, "gone", &program);
        let scan = w.scan(&[]);
        let (_, process) = scan.listed(p.pid).unwrap();
        assert_eq!(process["exe"].as_str(), program.to_str());
        let text = w.run_through(&[], &[]).stdout;
        assert!(!String::from_utf8_lossy(&text).contains("(deleted)"));
    });
}

#[test]
fn t2_14_title_over_the_arguments() {
    live(|w| {
        let lib = w.lib();
        let titles = [
            "hold: worker process",
            "sshd-session: root [priv]",
            "/bin/sh -c x",
        ];
        let holders = titles.map(|title| {
            let program = install("hold", &w.path(format!("prog-{}", title.len())));
            w.hold_as(
                &[&program],
                &[
                    arg("title", title),
                    arg("x", &lib),
                    arg("note", "x".repeat(99)),
                ],
            )
        });
        w.expect_clean();
        replace(&lib, "new.so");
        let expected = [("replaced", lib.as_path())];
        w.expect(&holders.each_ref().map(|p| (p, &expected[..])));
    });
}

#[test]
fn t2_15_empty_command_line() {
    live(|w| {
        let program = w.program();
        let p = w.hold_as(&[&program], &["title:"]);
        w.expect_clean();
        replace(&program, "hold-new");
        w.expect_stale(&p, "replaced", &program);
    });
}

#[test]
fn t2_16_command_name_of_a_script() {
    live(|w| {
        let (lib, program) = (w.lib(), w.program());
        let script = w.path("a-script-with-a-long-name");
        fs::write(
            &script,
            [
                b"#!",
                program.as_os_str().as_bytes(),
                b" x:",
                lib.as_os_str().as_bytes(),
                b"\n",
            ]
            .concat(),
        )
        .unwrap();
        w.sh(&format!("chmod 755 '{}'", script.display()));
        let p = w.hold_as(&[&script], &["note:x"]);
        w.expect_clean();
        replace(&lib, "new.so");
        w.expect_stale(&p, "replaced", &lib);
        let scan = w.scan(&[]);
        let (_, process) = scan.listed(p.pid).unwrap();
        assert_eq!(process["exe"].as_str(), program.to_str());
    });
}

#[test]
fn t2_17_low_addresses() {
    live(|w| {
        let program = w.program();
        let p = w.hold_as(&[&program], &["pause", "note:x"]);
        let maps = w.sh(&format!("head -1 /proc/{}/maps", p.pid));
        assert!(
            maps.starts_with("00400000-"),
            "hold is not at a low address: {maps}"
        );
        w.expect_clean();
        replace(&program, "hold-new");
        w.expect_stale(&p, "replaced", &program);
    });
}
