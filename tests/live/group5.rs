//! Processes and races: what a process may do while, before or after it is looked at.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::{
    Built, NOBODY, World, arg, arg2, install, live, overwrite, replace, settle, sources,
};

#[test]
fn t5_01_kernel_threads() {
    live(|_| {
        // Only the machine's own /proc shows them; in a container there are none, and nothing can be said of them.
        let output = Command::new("timeout")
            .args(["-s", "KILL", "20"])
            .arg(Built::get().path("unstale"))
            .arg("--json")
            .output()
            .unwrap();
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = json.to_string();
        for pid in kernel_threads() {
            assert!(
                !text.contains(&format!("\"pid\":{pid},")),
                "kernel thread {pid}: {text}"
            );
            assert!(
                !text.contains(&format!("\"pid\":{pid}}}")),
                "kernel thread {pid}: {text}"
            );
        }
    });
}

fn kernel_threads() -> Vec<u32> {
    let children = fs::read_to_string("/proc/2/stat").unwrap_or_default();
    if !children.contains("(kthreadd)") {
        return Vec::new();
    }
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
            fields.split(' ').nth(1) == Some("2")
        })
        .collect()
}

#[test]
fn t5_02_zombie() {
    live(|w| {
        let program = w.program();
        let p = w.hold_as(&[&program], &["zombie"]);
        w.expect_clean();
        replace(&program, "hold-new");
        w.expect_stale(&p, "replaced", &program);
    });
}

#[test]
fn t5_03_first_thread_ended() {
    live(|w| {
        let (lib, program) = (w.lib(), w.program());
        let p = w.hold_as(&[&program], &[arg("x", &lib), "leaderexit".into()]);
        let status = w.sh(&format!("cat /proc/{}/status", p.pid));
        assert!(status.contains("\nState:\tZ"), "{status}");
        w.expect_clean();
        replace(&lib, "new.so");
        w.expect_stale(&p, "replaced", &lib);
        replace(&program, "hold-new");
        w.expect(&[(&p, &[("replaced", &lib), ("replaced", &program)])]);
    });
}

#[test]
fn t5_03_first_thread_ended_as_ordinary_user() {
    live(|w| {
        let lib = w.lib();
        let p = w.hold_nobody(&[arg("x", &lib), "leaderexit".into()]);
        w.expect_as_nobody(&[]);
        replace(&lib, "new.so");
        w.expect_as_nobody(&[(&p, &[("replaced", &lib)])]);
    });
}

#[test]
fn t5_04_processes_that_end_meanwhile() {
    live(|w| {
        let lib = w.lib();
        let p = w.hold(&[arg("x", &lib)]);
        w.hold(&["storm"]);
        replace(&lib, "new.so");
        for _ in 0..5 {
            w.expect_stale(&p, "replaced", &lib);
        }
    });
}

#[test]
fn t5_05_exec_between_reads() {
    live(|w| {
        let lib = w.lib();
        let (a, b) = (w.program(), install("hold", &w.path("other")));
        let looping = w.hold_as(&[&a], &[arg2("execloop", &a, &b)]);
        let p = w.hold(&[arg("x", &lib)]);
        replace(&lib, "new.so");
        for source in sources() {
            for _ in 0..10 {
                let scan = w.scan(&["--mapping-source", source]);
                assert_eq!(scan.pids(), [p.pid], "{source}: {scan:#?}");
                // Three races lost in a row are unknown, and then only of that process.
                for problem in scan.problems() {
                    assert_eq!(problem["pid"], looping.pid, "{source}: {scan:#?}");
                }
            }
        }
    });
}

#[test]
fn t5_07_forked_after_the_upgrade() {
    live(|w| {
        let lib = w.lib();
        let mut p = w.hold(&[arg("x", &lib), "pause".into(), "fork".into()]);
        let parent = p.pid;
        replace(&lib, "new.so");
        settle();
        p.go();
        assert_ne!(parent, p.pid);
        for source in sources() {
            let scan = w.scan(&["--mapping-source", source]);
            assert!(scan.judged(parent).is_stale(), "{source}: {scan:#?}");
            assert!(scan.judged(p.pid).is_stale(), "{source}: {scan:#?}");
        }
    });
}

#[test]
fn t5_07_forked_after_an_overwrite() {
    live(|w| {
        // The child is younger than the change, and has the parent's pages all the same.
        let lib = w.lib();
        let mut p = w.hold(&[arg("x", &lib), "pause".into(), "fork".into()]);
        overwrite(&lib, "new.so");
        settle();
        p.go();
        for source in sources() {
            let found = w.scan(&["--mapping-source", source]).verdict_of(p.pid);
            let found = found.unwrap_or_default();
            assert!(
                found.iter().any(|f| f.kind == "overwritten"),
                "{source}: {found:?}"
            );
        }
    });
}

#[test]
fn t5_07_forked_after_the_removal_of_an_old_library() {
    live(|w| {
        // Removed and older than the first process of the family: no temporary file of its own.
        let lib = w.lib();
        let mut p = w.hold(&[arg("x", &lib), "pause".into(), "fork".into()]);
        let parent = p.pid;
        fs::remove_file(&lib).unwrap();
        p.go();
        let scan = w.scan(&[]);
        assert_eq!(scan.pids().len(), 2, "{scan:#?}");
        assert_eq!(scan.verdict_of(parent).unwrap()[0].kind, "gone");
        assert_eq!(scan.verdict_of(p.pid).unwrap()[0].kind, "gone");
    });
}

#[test]
fn t5_08_exec_long_after_the_fork() {
    live(|w| {
        let program = w.program();
        let mut p = w.hold(&["pause".into(), arg("exec", &program), "note:x".into()]);
        replace(&program, "hold-new");
        settle();
        p.go();
        w.expect_clean();
    });
}

#[test]
fn t5_10_started_during_the_upgrade() {
    live(|w| {
        let (early, late) = (w.lib_at("early.so"), w.lib_at("late.so"));
        replace(&early, "new.so");
        let p = w.hold(&[arg("x", &early), arg("x", &late)]);
        replace(&late, "new.so");
        w.expect_stale(&p, "replaced", &late);
    });
}

#[test]
fn t5_11_started_in_the_moment_of_the_change() {
    live(|w| {
        let hold = [Built::get().path("hold")];
        for n in 0..8 {
            let lib = w.lib_at(format!("lib{n}.so"));
            overwrite(&lib, "new.so");
            w.hold_at_once(&hold, &[arg("x", &lib)]);
        }
        w.expect_clean();
    });
}

#[test]
fn t5_11_file_dated_in_the_future() {
    live(|w| {
        let lib = w.lib();
        w.sh("touch -d '+1 day' $D/libtiny.so.1");
        w.hold(&[arg("x", &lib)]);
        w.expect_clean();
    });
}

const TIME_SHIFTED: [&str; 5] = ["unshare", "-Tf", "--kill-child", "--boottime", "1000000"];

#[test]
fn t5_13_process_in_a_time_namespace() {
    live(|w| {
        let lib = w.lib();
        let hold = Built::get().path("hold");
        let program: Vec<&Path> = TIME_SHIFTED
            .iter()
            .map(Path::new)
            .chain([hold.as_path()])
            .collect();
        let p = w.hold_as(&program, &[arg("x", &lib)]);
        w.expect_clean();
        overwrite(&lib, "new.so");
        w.expect_stale(&p, "overwritten", &lib);
    });
}

#[test]
fn t5_13_scan_in_a_time_namespace() {
    live(|w| {
        let lib = w.lib();
        let p = w.hold(&[arg("x", &lib)]);
        let scan = w.scan_through(&TIME_SHIFTED, &[]);
        scan.assert_complete("untouched");
        assert!(scan.judged(p.pid).is_clean(), "{scan:#?}");
        overwrite(&lib, "new.so");
        let scan = w.scan_through(&TIME_SHIFTED, &[]);
        assert_eq!(
            scan.verdict_of(p.pid).unwrap_or_default()[0].kind,
            "overwritten"
        );
    });
}

#[test]
fn t5_14_many_processes_and_namespaces() {
    live(|w| {
        let lib = w.lib();
        w.hold(&[arg("x", &lib), "crowd:500".into(), "crowdns:100".into()]);
        w.expect_clean();
        replace(&lib, "new.so");
        for source in sources() {
            let scan = w.scan(&["--mapping-source", source]);
            scan.assert_complete(source);
            assert_eq!(scan.pids().len(), 601, "{source}");
            assert!(
                scan.took < Duration::from_secs(5),
                "{source}: {:?}",
                scan.took
            );
        }
    });
}

#[test]
fn t5_15_stopped_and_traced() {
    live(|w| {
        let lib = w.lib();
        let p = w.hold(&[arg("x", &lib)]);
        w.sh(&format!("kill -STOP {}", p.pid));
        w.hold(&[arg("x", &lib), "traced".into()]);
        w.expect_clean();
        replace(&lib, "new.so");
        for source in sources() {
            let scan = w.scan(&["--mapping-source", source]);
            scan.assert_complete(source);
            // The stopped one, the tracer and the traced.
            assert_eq!(scan.pids().len(), 3, "{source}: {scan:#?}");
        }
    });
}

#[test]
fn t5_15_frozen() {
    live(|w| {
        let lib = w.lib();
        let p = w.hold(&[arg("x", &lib)]);
        let cgroup = crate::hostile::Cgroups::new(w);
        cgroup.put(&p, "");
        cgroup.freeze(true);
        replace(&lib, "new.so");
        w.expect_stale(&p, "replaced", &lib);
        cgroup.freeze(false);
    });
}

#[test]
fn t5_16_address_space_that_is_locked() {
    live(|w| {
        // A program that closes a file of a silent server on exec keeps everybody waiting who asks for its maps.
        let (at, lib, program) = (w.subdir("served"), w.lib(), w.program());
        let q = w.hold(&[arg("x", &lib)]);
        let server = w.hold(&[arg2("serve", &at, &lib)]);
        let mut p = w.hold(&[
            arg("fdx", at.join("file")),
            "pause".into(),
            arg("exec", &program),
        ]);
        w.sh(&format!("kill -STOP {}", server.pid));
        p.go_and_not_wait();
        let maps = format!("timeout 0.3 cat /proc/{}/maps || echo no answer", p.pid);
        assert_eq!(w.sh(&maps), "no answer");
        replace(&lib, "new.so");
        for source in sources() {
            let scan = w.scan(&["--mapping-source", source]);
            assert!(
                scan.took < Duration::from_secs(4),
                "{source}: {:?}",
                scan.took
            );
            assert_eq!(scan.pids(), [q.pid], "{source}: {scan:#?}");
            assert!(scan.judged(p.pid).is_unknown(), "{source}: {scan:#?}");
            scan.assert_incomplete(source);
        }
    });
}

#[test]
fn t5_17_smaps_is_never_read() {
    live(|w| {
        let lib = w.lib();
        w.hold(&[arg("x", &lib)]);
        replace(&lib, "new.so");
        for source in sources() {
            if let Some(trace) = crate::hostile::traced_scan(w, source) {
                assert!(!trace.contains("smaps"), "{source}: {trace}");
                assert!(!trace.contains("pagemap"), "{source}: {trace}");
                assert!(
                    trace.contains("/maps"),
                    "{source}: the trace shows nothing: {trace}"
                );
            }
        }
    });
}

#[test]
fn t5_18_processes_of_others() {
    live(|w| {
        let lib = w.lib();
        let p = w.hold_nobody(&[arg("x", &lib)]);
        w.hold(&[arg("x", &lib)]);
        replace(&lib, "new.so");
        w.expect_as_nobody(&[(&p, &[("replaced", &lib)])]);
        let lines = |w: &World| {
            let output = w.run_through(&NOBODY, &[]);
            assert_eq!(output.status.code(), Some(3));
            let text = [output.stdout, output.stderr].concat();
            String::from_utf8(text).unwrap().lines().count()
        };
        let few = lines(w);
        for _ in 0..5 {
            w.hold(&["note:x"]);
        }
        assert_eq!(
            lines(w),
            few,
            "one summary line for all that cannot be read"
        );
    });
}

#[test]
fn t5_18_own_process_that_cannot_be_read() {
    live(|w| {
        let lib = w.lib();
        let p = w.hold_nobody(&[arg("x", &lib), "nodump".into()]);
        replace(&lib, "new.so");
        w.expect_as_nobody(&[]);
        // Root sees it.
        w.expect_stale(&p, "replaced", &lib);
    });
}

#[test]
fn t5_19_own_parent() {
    live(|w| {
        // A shell that was upgraded while it runs us.
        w.sh("cp /bin/sh $D/sh");
        let shell = w.path("sh");
        w.lib_at("new");
        let script = "mv \"${0%/*}/new\" \"$0\"; \"$@\"; exit $?";
        let scan = w.scan_through(
            &[
                shell.to_str().unwrap(),
                "-c",
                script,
                shell.to_str().unwrap(),
            ],
            &[],
        );
        assert_eq!(scan.pids().len(), 1, "{scan:#?}");
        let found = scan.verdict_of(scan.pids()[0]).unwrap();
        assert_eq!(found[0].path, shell, "{found:?}");
    });
}

#[test]
fn t5_23_removed_working_directory() {
    live(|w| {
        let (lib, dir) = (w.lib(), w.subdir("dir"));
        w.program();
        let p = w.hold(&[arg("cd", &dir), arg("x", &lib)]);
        w.hold_as(
            &[
                "sh",
                "-c",
                "cd \"$0\"; exec ../prog note:x",
                dir.to_str().unwrap(),
            ],
            &["note:x"],
        );
        fs::remove_dir(dir).unwrap();
        w.expect_clean();
        replace(&lib, "new.so");
        w.expect_stale(&p, "replaced", &lib);
    });
}

#[test]
fn t5_24_young_process() {
    live(|w| {
        let lib = w.lib();
        let p = w.hold_at_once(&[Built::get().path("hold")], &[arg("x", &lib)]);
        replace(&lib, "new.so");
        w.expect_stale(&p, "replaced", &lib);
    });
}
