//! Hostile input: what other people's processes, names, files and mounts must not be able to do to a scan.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::support::{
    Built, Holder, World, arg, arg2, has_tool, install, live, raw, replace, skip, sources,
};

/// How much longer a scan may take for anything that somebody else does.
const LONGER: Duration = Duration::from_secs(3);

#[test]
fn t11_01_names_of_every_kind() {
    live(|w| {
        let pwned = w.path("pwned");
        let names = [
            "-rf".to_owned(),
            "--help".to_owned(),
            "a\",\"pid\":1,\"x\":\"".to_owned(),
            "it's; touch pwned".to_owned(),
            format!("$(touch {0})`touch {0}`", pwned.display()).replace('/', "\\"),
            "%s%n%x".to_owned(),
            "a,b\tc\nd".to_owned(),
            "\u{1b}[2J\u{202e}".to_owned(),
        ];
        let mut expected = Vec::new();
        for name in &names {
            w.subdir("lib");
            let program = install("hold", &w.path(name));
            let lib = w.lib_at(format!("lib/{name}"));
            let p = w.hold_as(
                &[&program],
                &[
                    arg("comm", name),
                    arg("note", "x".repeat(120 * 1024)),
                    arg("x", &lib),
                ],
            );
            replace(&lib, "new.so");
            expected.push((p, lib));
        }
        let (p, lib) = (
            w.hold(&[arg("note", raw(b"\xff\xfe")), arg("x", w.lib())]),
            w.path("libtiny.so.1"),
        );
        replace(&lib, "new.so");
        expected.push((p, lib));
        let findings: Vec<_> = expected
            .iter()
            .map(|(_, lib)| [("replaced", lib.as_path())])
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .zip(&findings)
            .map(|((p, _), f)| (p, &f[..]))
            .collect();
        w.expect(&expected);
        let text = w.run_through(&[], &["-v"]);
        let text = [text.stdout, text.stderr].concat();
        let controls = text
            .iter()
            .filter(|byte| **byte < 0x20 && **byte != b'\n')
            .count();
        assert_eq!(controls, 0, "{}", String::from_utf8_lossy(&text));
        assert!(!pwned.exists());
    });
}

/// Something that is no regular file at the path of a library that was removed.
fn other_thing_at_the_path(make: &str) {
    live(|w| {
        let (lib, other) = (w.lib(), w.lib_at("other.so"));
        let p = w.hold(&[arg("x", &lib)]);
        let q = w.hold(&[arg("x", &other)]);
        fs::remove_file(&lib).unwrap();
        replace(&other, "new.so");
        w.sh(&make.replace("$F", lib.to_str().unwrap()));
        for source in sources() {
            let scan = w.scan(&["--mapping-source", source]);
            assert!(scan.took < LONGER, "{source}: {:?}", scan.took);
            assert!(scan.judged(q.pid).is_stale(), "{source}: {scan:#?}");
            assert!(!scan.judged(p.pid).is_clean(), "{source}: {scan:#?}");
        }
    });
}

#[test]
fn t11_03_fifo() {
    other_thing_at_the_path("mkfifo $F");
}

#[test]
fn t11_03_link_to_a_fifo() {
    other_thing_at_the_path("mkfifo $F.fifo; ln -s $F.fifo $F");
}

#[test]
fn t11_03_terminal() {
    // Opening a terminal line without carrier blocks.
    other_thing_at_the_path("mknod $F c 4 64");
}

#[test]
fn t11_03_endless_device() {
    other_thing_at_the_path("mknod $F c 1 5");
}

#[test]
fn t11_03_directory() {
    other_thing_at_the_path("mkdir $F");
}

#[test]
fn t11_03_huge_sparse_file() {
    other_thing_at_the_path("truncate -s 8T $F");
}

#[test]
fn t11_05_link_to_itself() {
    other_thing_at_the_path("ln -s $F $F");
}

#[test]
fn t11_05_forty_one_links() {
    other_thing_at_the_path(
        "touch $F.0; for i in $(seq 41); do ln -s $F.$((i - 1)) $F.$i; done; ln -s $F.41 $F",
    );
}

#[test]
fn t11_05_magic_link() {
    // Followed, it would lead to the scanner itself.
    other_thing_at_the_path("ln -s /proc/self/exe $F");
}

#[test]
fn t11_05_magic_link_to_the_mapped_object() {
    live(|w| {
        // A link that leads back to the removed object must not make it current.
        let lib = w.lib();
        let p = w.hold(&[arg("x", &lib), arg("fd", &lib)]);
        fs::remove_file(&lib).unwrap();
        let descriptor = w.sh(&format!(
            "ls -l /proc/{0}/fd | grep -o '[0-9]* -> .*libtiny' | cut -d' ' -f1",
            p.pid
        ));
        symlink(format!("/proc/{}/fd/{descriptor}", p.pid), &lib).unwrap();
        w.expect_none(&p, |judged| judged.is_clean());
    });
}

/// With something of a mount that never answers, while a library elsewhere is stale.
#[track_caller]
fn with_dead_mount(w: &World, hanging: &Holder) {
    let other = w.lib_at("other.so");
    let q = w.hold(&[arg("x", &other)]);
    replace(&other, "new.so");
    for source in sources() {
        let scan = w.scan(&["--mapping-source", source]);
        assert!(scan.took < LONGER, "{source}: {:?}", scan.took);
        assert_eq!(scan.pids(), [q.pid], "{source}: {scan:#?}");
        assert!(scan.judged(hanging.pid).is_unknown(), "{source}: {scan:#?}");
        scan.assert_incomplete(source);
    }
}

#[test]
fn t11_06_dead_mount_over_a_program() {
    live(|w| {
        w.subdir("sub");
        let program = install("hold", &w.path("sub/prog"));
        let p = w.hold_as(&[&program], &["note:x"]);
        w.hold(&[arg("fuse", w.path("sub"))]);
        with_dead_mount(w, &p);
    });
}

#[test]
fn t11_06_library_and_program_from_a_server_that_went_silent() {
    live(|w| {
        let (at, program) = (w.subdir("served"), w.program());
        let server = w.hold(&[arg2("serve", &at, &program)]);
        let p = w.hold_as(
            &[at.join("file")],
            &[arg("x", at.join("file")), arg("fd", at.join("file"))],
        );
        w.sh(&format!("kill -STOP {}", server.pid));
        with_dead_mount(w, &p);
    });
}

#[test]
fn t11_06_link_into_a_dead_mount() {
    live(|w| {
        // mountinfo says nothing about where the link leads.
        w.subdir("dead");
        let lib = w.lib();
        let p = w.hold(&[arg("x", &lib)]);
        w.hold(&[arg("fuse", w.path("dead"))]);
        fs::remove_file(&lib).unwrap();
        symlink(w.path("dead/lib"), &lib).unwrap();
        with_dead_mount(w, &p);
    });
}

#[test]
fn t11_06_many_links_into_a_dead_mount() {
    live(|w| {
        // Each costs its time; all together must not.
        w.subdir("dead");
        let libs: Vec<_> = (0..50).map(|n| w.lib_at(format!("lib{n}.so"))).collect();
        let args: Vec<OsString> = libs.iter().map(|lib| arg("x", lib)).collect();
        let p = w.hold(&args);
        w.hold(&[arg("fuse", w.path("dead"))]);
        for lib in &libs {
            fs::remove_file(lib).unwrap();
            symlink(w.path("dead/lib"), lib).unwrap();
        }
        with_dead_mount(w, &p);
    });
}

#[test]
fn t11_06_dead_mount_in_a_foreign_namespace() {
    live(|w| {
        let lib = w.lib();
        w.subdir("sub");
        let inner = w.lib_at("sub/libtiny.so.1");
        let hold = Built::get().path("hold");
        let p = w.hold_as(
            &[Path::new("unshare"), Path::new("-m"), &hold],
            &[arg("x", &lib), arg("x", &inner), arg("fuse", w.path("sub"))],
        );
        with_dead_mount(w, &p);
    });
}

#[test]
fn t11_07_environment_is_nobodys_business() {
    if !has_tool("strace") {
        skip("no strace");
        return;
    }
    live(|w| {
        let (lib, evil) = (w.lib(), w.lib_at("evil.so"));
        let hold = Built::get().path("hold");
        let mut program: Vec<OsString> = vec!["env".into()];
        for name in [
            "LD_PRELOAD",
            "LD_LIBRARY_PATH",
            "LD_AUDIT",
            "GCONV_PATH",
            "PYTHONSTARTUP",
            "JAVA_TOOL_OPTIONS",
        ] {
            program.push(format!("{name}={}", evil.display()).into());
        }
        program.push(hold.into());
        w.hold_as(&program, &[arg("x", &lib)]);
        replace(&lib, "new.so");
        for source in sources() {
            let trace = traced_scan(w, source).unwrap();
            assert!(!trace.contains("evil.so"), "{source}: {trace}");
        }
    });
}

/// What one scan asked of the system: programs, sockets, files. `None` where it cannot be traced.
pub(crate) fn traced_scan(w: &World, source: &str) -> Option<String> {
    if !has_tool("strace") {
        skip("no strace");
        return None;
    }
    let out = w.path("trace");
    let calls = "trace=execve,execveat,socket,connect,open,openat,openat2,creat,truncate,unlink,unlinkat,rename,\
                 renameat,renameat2,mkdir,mkdirat,link,linkat,symlink,symlinkat,chmod,fchmod,fchmodat,chown,fchown,\
                 fchownat,utimensat,mknod,mknodat,setxattr,ptrace,process_vm_writev,kill,tgkill";
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
    w.scan_through(&strace, &["--mapping-source", source]);
    Some(fs::read_to_string(out).unwrap())
}

#[test]
fn t11_10_nothing_is_run_and_nothing_is_written() {
    live(|w| {
        let (lib, program) = (w.lib(), w.program());
        w.dpkg("libtiny1", "1.0-2", &[&lib]);
        w.hold_as(&[&program], &[arg("x", &lib)]);
        replace(&lib, "new.so");
        replace(&program, "hold-new");
        for source in sources() {
            let Some(trace) = traced_scan(w, source) else {
                return;
            };
            let calls: Vec<(&str, &str)> = trace.lines().filter_map(call_of).collect();
            assert!(
                calls.len() > 10,
                "{source}: the trace shows nothing: {trace}"
            );
            let runs = calls
                .iter()
                .filter(|(name, _)| name.starts_with("exec"))
                .count();
            assert_eq!(runs, 1, "{source}: one program, ours: {trace}");
            for (name, rest) in calls {
                match name {
                    "execve" => {}
                    "open" | "openat" | "openat2" => {
                        let writes = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_TMPFILE"];
                        let writing = writes.iter().any(|flag| rest.contains(flag));
                        assert!(
                            !writing || rest.contains("\"/dev/null\""),
                            "{source}: {name}{rest}"
                        );
                    }
                    "socket" => assert!(rest.starts_with("(AF_UNIX"), "{source}: {name}{rest}"),
                    _ => panic!("{source}: {name}{rest}"),
                }
            }
        }
    });
}

/// `PID name(rest` of a line of strace; signals and the second halves of calls are none.
pub(crate) fn call_of(line: &str) -> Option<(&str, &str)> {
    let (_, call) = line.split_once(' ')?;
    let call = call.trim_start();
    let at = call.find('(')?;
    let name = &call[..at];
    (!name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
        .then(|| (name, &call[at..]))
}

#[test]
fn t11_11_fork_storm_with_few_pids() {
    live(|w| {
        // Per namespace since Linux 6.14; before, pids are reused more slowly.
        let _ = w
            .command("sh")
            .args(["-c", "echo 400 >/proc/sys/kernel/pid_max"])
            .output();
        let pid_max: u32 = w.sh("cat /proc/sys/kernel/pid_max").parse().unwrap_or(0);
        let host: u32 = fs::read_to_string("/proc/sys/kernel/pid_max")
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        assert!(host > 400, "pid_max of the machine was changed");
        let lib = w.lib();
        let p = w.hold(&[arg("x", &lib)]);
        w.hold(&["storm"]);
        w.hold(&["storm"]);
        replace(&lib, "new.so");
        for source in sources() {
            for _ in 0..5 {
                let scan = w.scan(&["--mapping-source", source]);
                assert_eq!(
                    scan.pids(),
                    [p.pid],
                    "{source}, pid_max {pid_max}: {scan:#?}"
                );
                assert!(scan.took < LONGER, "{source}: {:?}", scan.took);
            }
        }
    });
}

/// A cgroup directory of the test's own that looks like the root of the hierarchy from inside a cgroup namespace.
pub(crate) struct Cgroups<'a> {
    w: &'a World,
    top: String,
}

impl Drop for Cgroups<'_> {
    fn drop(&mut self) {
        // Outside of the world the directories would stay: they are emptied and removed here.
        let empty = "for d in $(find \"$T\" -depth -type d); do for p in $(cat \"$d/cgroup.procs\"); do \
                     echo $p >\"$M/cgroup.procs\"; done; rmdir \"$d\"; done";
        let mount = self.w.path("cg");
        let script = format!("T='{}'; M='{}'; {empty}", self.top, mount.display());
        let done = self.w.command("sh").args(["-c", &script]).output();
        assert!(done.is_ok_and(|output| output.status.success()) || std::thread::panicking());
    }
}

impl<'a> Cgroups<'a> {
    pub(crate) fn new(w: &'a World) -> Self {
        w.subdir("cg");
        w.sh("mount -t cgroup2 none $D/cg");
        Self::below(w)
    }

    /// In the hierarchy by which systemd names what it starts.
    fn of_systemd(w: &'a World) -> Self {
        w.subdir("cg");
        w.sh("if grep -q name=systemd /proc/self/cgroup; then mount -t cgroup -o none,name=systemd none $D/cg; \
              else mount -t cgroup2 none $D/cg; fi");
        Self::below(w)
    }

    fn below(w: &'a World) -> Self {
        let name = w.dir().file_name().unwrap().display().to_string();
        let top = format!("{}/cg/{name}", w.dir().display());
        w.sh(&format!("mkdir '{top}'"));
        Self { w, top }
    }

    pub(crate) fn put(&self, p: &Holder, path: &str) {
        let dir = format!("{}{path}", self.top);
        self.w.sh(&format!(
            "mkdir -p '{dir}'; echo {} >'{dir}/cgroup.procs'",
            p.pid
        ));
    }

    pub(crate) fn freeze(&self, on: bool) {
        let value = u8::from(on);
        self.w
            .sh(&format!("echo {value} >'{}/cgroup.freeze'", self.top));
    }

    /// The owner of a stale process, seen from a cgroup namespace whose root is this directory.
    fn owner_of(&self, p: &Holder) -> Value {
        let script = format!(
            "echo $$ >'{}/cgroup.procs'; exec unshare -C \"$@\"",
            self.top
        );
        let scan = self.w.scan_through(&["sh", "-c", &script, "sh"], &[]);
        let (item, _) = scan.listed(p.pid).unwrap_or_else(|| panic!("{scan:#?}"));
        item["owner"].clone()
    }
}

/// The owner that is blamed for a process in this cgroup.
fn owner_in(path: &str) -> Value {
    let mut owner = Value::Null;
    live(|w| {
        let lib = w.lib();
        let p = w.hold_nobody(&[arg("x", &lib)]);
        let cgroups = Cgroups::of_systemd(w);
        cgroups.put(&p, path);
        replace(&lib, "new.so");
        owner = cgroups.owner_of(&p);
    });
    owner
}

#[test]
fn t11_13_the_user_imitates_a_system_unit() {
    let owner =
        owner_in("/user.slice/user-65534.slice/user@65534.service/system.slice/sshd.service");
    assert_ne!(owner["kind"], "unit", "{owner}");
    assert_ne!(owner["kind"], "container", "{owner}");
}

#[test]
fn t11_13_a_service_imitates_a_machine() {
    let owner = owner_in("/system.slice/delegated.service/machine.slice/machine-web.scope");
    if !owner.is_null() {
        assert_eq!(owner["kind"], "unit", "{owner}");
        assert_eq!(owner["name"], "delegated.service", "{owner}");
    }
}

#[test]
fn t11_14_the_user_imitates_a_container() {
    let id = "0123456789abcdef".repeat(4);
    for name in [format!("docker-{id}.scope"), format!("libpod-{id}.scope")] {
        let owner = owner_in(&format!(
            "/user.slice/user-65534.slice/user@65534.service/app.slice/{name}"
        ));
        // At most a container of that uid.
        if owner["kind"] == "container" {
            assert_eq!(owner["scope"], "user", "{owner}");
            assert_eq!(owner["uid"], 65534, "{owner}");
        }
        assert_ne!(owner["kind"], "unit", "{owner}");
    }
}

#[test]
fn t11_15_forged_package_database_in_a_namespace() {
    live(|w| {
        // What a process sees as /var/lib/dpkg must not name packages of the host.
        let lib = w.lib();
        let forged = w.subdir("forged/info");
        fs::write(forged.join("evil.list"), format!("/.\n{}\n", lib.display())).unwrap();
        fs::write(
            w.path("forged/status"),
            "Package: evil\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n",
        )
        .unwrap();
        let hold = Built::get().path("hold");
        let script = format!(
            "mount --bind {} /var/lib/dpkg; exec \"$@\"",
            w.path("forged").display()
        );
        let host = w.hold(&[arg("x", &lib)]);
        w.hold_as(
            &[
                "unshare",
                "-m",
                "sh",
                "-ec",
                &script,
                "sh",
                hold.to_str().unwrap(),
            ],
            &[arg("x", &lib)],
        );
        replace(&lib, "new.so");
        let scan = w.scan(&[]);
        assert_eq!(scan.pids().len(), 2, "{scan:#?}");
        let found = scan.verdict_of(host.pid).unwrap();
        assert_ne!(found[0].json["package"]["name"], "evil", "{found:?}");
    });
}

#[test]
fn t11_18_very_many_mappings() {
    live(|w| {
        let (lib, other) = (w.lib(), w.lib_at("other.so"));
        let p = w.hold(&[arg("x", &lib), arg2("many", &lib, "60000")]);
        let q = w.hold(&[arg("x", &other)]);
        w.expect_clean();
        replace(&lib, "new.so");
        replace(&other, "new.so");
        for source in sources() {
            let scan = w.scan(&["--mapping-source", source]);
            assert!(scan.took < LONGER, "{source}: {:?}", scan.took);
            assert!(scan.judged(q.pid).is_stale(), "{source}: {:?}", scan.stderr);
            assert!(
                !scan.judged(p.pid).is_clean(),
                "{source}: {:?}",
                scan.stderr
            );
            let findings = scan.verdict_of(p.pid).unwrap_or_default();
            assert!(
                findings.len() <= 1,
                "{source}: one object, one finding: {}",
                findings.len()
            );
        }
    });
}

#[test]
fn t11_18_very_many_mounts() {
    live(|w| {
        w.subdir("m");
        let lib = w.lib();
        let hold = Built::get().path("hold");
        let script = format!(
            "for i in $(seq 2000); do mount -t tmpfs none {}; done; exec \"$@\"",
            w.path("m").display()
        );
        let p = w.hold_as(
            &[
                "unshare",
                "-m",
                "sh",
                "-ec",
                &script,
                "sh",
                hold.to_str().unwrap(),
            ],
            &[arg("x", &lib)],
        );
        replace(&lib, "new.so");
        for source in sources() {
            let scan = w.scan(&["--mapping-source", source]);
            assert!(scan.took < LONGER, "{source}: {:?}", scan.took);
            assert!(scan.judged(p.pid).is_stale(), "{source}: {scan:#?}");
        }
    });
}

#[test]
fn t11_21_odd_caller() {
    live(|w| {
        let lib = w.lib();
        let p = w.hold(&[arg("x", &lib)]);
        replace(&lib, "new.so");
        let odd = [
            "env",
            "-i",
            "PATH=/nowhere",
            "TMPDIR=/nowhere",
            "LANG=xx",
            "HOME=",
            "/bin/sh",
            "-c",
            "umask 777; ulimit -n 24; cd /; exec \"$@\" <&-",
            "sh",
        ];
        let scan = w.scan_through(&odd, &[]);
        assert!(scan.judged(p.pid).is_stale(), "{scan:#?}");
    });
}
