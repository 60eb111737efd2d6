//! What a plugin can do behind its wall, and what it costs when it is bad.
//!
//! Each guest is built here and talks to a worker of its own; this is the host, with a script instead of files. As root
//! each runs twice: in a worker that was root's, and in one of an ordinary user.

mod guests;
mod host;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use unstale::plugins::find::Form;
use unstale::plugins::start::Ended;
use unstale::plugins::wire::{FromWorker, Kind, Refused, Root, Stat, ToWorker};

use guests::{built, guest, panics};
use host::{Host, User, process, users};

/// A worker that has a library to load says this.
#[track_caller]
fn assert_unusable(library: &Path, why: &str) {
    for user in users() {
        let mut host = Host::start(Form::Library, library, user);
        match host.hello() {
            FromWorker::Unusable(text) => assert!(text.contains(why), "{text}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(host.end(), Ended::Exited(0));
    }
}

#[track_caller]
fn check_abi(flags: &[&str], why: &str) {
    let dir = tempfile::tempdir().unwrap();
    assert_unusable(&built(&dir, "abi", flags), why);
}

#[test]
fn another_abi_is_not_loaded() {
    let needs = |version: &str| format!("it needs version {version} of the ABI, and this is 1.0");
    check_abi(&["-DMAJOR=2"], &needs("2.0"));
    check_abi(&["-DMAJOR=0"], &needs("0.0"));
    check_abi(&["-DMINOR=1"], &needs("1.1"));
    check_abi(&["-DENTRY=unstale_detector_v2"], "it has no entry");
    check_abi(&["-DSIZE=4"], "has 4 bytes, which are too few");
    check_abi(&["-DSIZE=8"], "has 8 bytes, which are too few");
    check_abi(&["-DSIZE=15"], "has 15 bytes, which are too few");
    check_abi(&["-DNOTHING"], "its entry hands out nothing");
    check_abi(&["-DODD"], "an address that is none");
    check_abi(&["-DNO_INSPECT"], "it has no function that inspects");
}

#[test]
fn what_is_no_library_is_not_loaded() {
    let dir = host::open_directory();
    let file = dir.path().join("text");
    fs::write(&file, "no library").unwrap();
    assert_unusable(&file, "cannot load it: file too short");
    fs::write(&file, vec![b'x'; 10_000]).unwrap();
    assert_unusable(&file, "cannot load it: invalid ELF header");
    assert_unusable(Path::new("/bin/true"), "cannot load it: ");
    // What only its owner may read, the worker may not load.
    let own = built(&dir, "abi", &[]);
    fs::set_permissions(&own, fs::Permissions::from_mode(0o600)).unwrap();
    if rustix::process::geteuid().is_root() {
        assert_unusable(
            &own,
            "cannot load it: cannot open shared object file: Permission denied",
        );
    }
}

#[test]
fn a_larger_struct_of_the_same_version_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let library = built(&dir, "abi", &["-DSIZE=64"]);
    let mut host = Host::start(Form::Library, &library, User::Same);
    host.ready();
    assert_eq!(host.inspect(&["x"]), [FromWorker::Done { pid: 7 }]);
    assert_eq!(host.end(), Ended::Exited(0));
}

/// Runs `check` with a worker in which the guest of acts was loaded, for each user.
fn with_acts(mut check: impl FnMut(Host)) {
    let dir = host::open_directory();
    let library = built(&dir, "acts", &[]);
    for user in users() {
        let mut host = Host::start(Form::Library, &library, user);
        host.ready();
        check(host);
    }
}

#[track_caller]
fn check_end(act: &str, ended: Ended, words: &str) {
    with_acts(|mut host| {
        assert_eq!(host.inspect(&[act]), []);
        let how = host.end();
        assert_eq!(how, ended, "{act}");
        assert_eq!(how.to_string(), words);
    });
}

#[test]
fn a_crash_ends_the_worker_alone() {
    check_end(
        "abort",
        Ended::Signal(libc::SIGABRT),
        "it crashed (SIGABRT)",
    );
    check_end(
        "crash",
        Ended::Signal(libc::SIGSEGV),
        "it crashed (SIGSEGV)",
    );
    check_end("exit", Ended::Exited(0), "it ended with status 0");
}

#[test]
fn an_overflown_stack_ends_the_worker_alone() {
    // Rust's handler turns the fault on a guard page into an abort.
    with_acts(|mut host| {
        assert_eq!(host.inspect(&["overflow"]), []);
        let how = host.end();
        let crash = [libc::SIGSEGV, libc::SIGABRT].map(Ended::Signal);
        assert!(crash.contains(&how), "{how:?}");
    });
}

#[cfg(target_arch = "x86_64")]
#[test]
fn system_calls_of_another_architecture_end_the_worker() {
    with_acts(|mut host| {
        assert_eq!(host.inspect(&["int80"]), []);
        let how = host.end();
        // Without 32-bit programs in the kernel there is no such door.
        let ends = [libc::SIGSYS, libc::SIGSEGV].map(Ended::Signal);
        assert!(ends.contains(&how), "{how:?}");
    });
}

#[test]
fn an_endless_loop_is_killed() {
    with_acts(|mut host| {
        host.ask_to_inspect(&["loop"]);
        std::thread::sleep(Duration::from_millis(50));
        let begun = Instant::now();
        assert_eq!(host.cut(), Ended::Killed);
        assert!(begun.elapsed() < Duration::from_secs(5));
    });
}

/// A tracer that is stopped keeps what it traces, as the kernel keeps a process in which a thread waits.
#[test]
fn a_worker_that_does_not_end_keeps_nobody() {
    if !rustix::process::geteuid().is_root() {
        crate::support::skip("only root may trace a worker");
        return;
    }
    let dir = host::open_directory();
    let library = built(&dir, "acts", &[]);
    let mut host = Host::start(Form::Library, &library, User::Same);
    host.ready();
    let mut command = Command::new("strace");
    command.args(["-qq", "-o", "/dev/null", "-p", &host.pid().to_string()]);
    let mut tracer = command.spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    while host.status("TracerPid:") != tracer.id().to_string() {
        assert!(Instant::now() < end, "strace does not attach");
        std::thread::sleep(Duration::from_millis(5));
    }
    let stop = rustix::process::Signal::STOP;
    rustix::process::kill_process(rustix::process::Pid::from_child(&tracer), stop).unwrap();
    let begun = Instant::now();
    let how = host.cut();
    let took = begun.elapsed();
    tracer.kill().unwrap();
    tracer.wait().unwrap();
    assert_eq!(how, Ended::Held);
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn an_endless_loop_ends_by_its_own_time() {
    let dir = host::open_directory();
    let library = built(&dir, "acts", &[]);
    let start = |act: &str| {
        let mut host = Host::start_with_less_time(&library);
        host.ready();
        host.ask_to_inspect(&[act]);
        host
    };
    let (mut meek, mut stubborn) = (start("loop"), start("stubborn"));
    assert_eq!(meek.hear(), None);
    let how = meek.end();
    assert_eq!(how.to_string(), "it used up its processor time");
    assert_eq!(stubborn.hear(), None);
    assert_eq!(stubborn.end(), Ended::Signal(libc::SIGKILL));
}

#[test]
fn a_fork_bomb_has_no_children() {
    with_acts(|mut host| {
        let said = host.inspect(&["fork"]);
        let note = format!("0 children, errno {}", libc::EPERM);
        assert_eq!(said, [FromWorker::Note(note), FromWorker::Done { pid: 7 }]);
        assert_eq!(host.end(), Ended::Exited(0));
    });
}

#[test]
fn a_memory_bomb_gets_no_more_than_its_share() {
    with_acts(|mut host| {
        let said = host.inspect(&["memory"]);
        let [FromWorker::Note(mib), FromWorker::Done { pid: 7 }] = &said[..] else {
            panic!("{said:?}");
        };
        let mib: u64 = mib.parse().unwrap();
        assert!((256..512).contains(&mib), "{mib}");
        assert_eq!(host.end(), Ended::Exited(0));
    });
}

#[test]
fn a_flood_of_findings_waits_for_whoever_listens() {
    with_acts(|mut host| {
        host.ask_to_inspect(&["flood"]);
        std::thread::sleep(Duration::from_millis(300));
        let before = host.status("VmHWM:");
        for _ in 0..60_000 {
            assert!(matches!(host.hear(), Some(FromWorker::Uses(_))));
        }
        let kib: u64 = host
            .status("VmHWM:")
            .trim_end_matches(" kB")
            .parse()
            .unwrap();
        // It may remember some of what it said, and keeps the rest nowhere.
        assert!(kib < 56 * 1024, "{before}, then {kib} kB");
        assert_eq!(host.cut(), Ended::Killed);
    });
}

#[test]
fn lies_fail_and_the_next_process_is_looked_at() {
    with_acts(|mut host| {
        for (about, why) in [
            ("read", "it handed over 1099511627776 bytes"),
            ("note", "it handed over 18446744073709551615 bytes"),
            ("null", "it handed over 5 bytes at no address"),
            ("used", "it handed over no finding"),
            ("instance", "it handed over no instance"),
            ("out", "it has no place for the answer"),
            ("ear", "it has no ear for a list"),
            ("root", "it asked for root 9"),
            ("short", "it handed over 16 bytes as finding"),
            ("role", "its finding has a role 77"),
            ("stat", "it handed over 8 bytes as place for a stat"),
        ] {
            let said = host.inspect(&["lie", about]);
            assert_eq!(said, [FromWorker::Failed(why.to_owned())], "{about}");
        }
        let said = host.inspect(&["fail"]);
        assert_eq!(said, [FromWorker::Failed("it answered 5".to_owned())]);
        assert_eq!(host.inspect(&["well"]), [FromWorker::Done { pid: 7 }]);
        assert_eq!(host.end(), Ended::Exited(0));
    });
}

#[test]
fn answers_reach_the_plugin() {
    with_acts(|mut host| {
        let path = b"/some\xffwhere";
        let named = || unstale::model::Bytes::from(&path[..]);
        host.say(&ToWorker::Inspect(Box::new(process(&[b"ask", path]))));
        let mut notes = Vec::new();
        let mut questions = Vec::new();
        while let Some(line) = host.hear() {
            let whole = |text: &'static [u8]| (ToWorker::Bytes(text.len()), text);
            let (answer, content): (ToWorker, &[u8]) = match &line {
                FromWorker::Note(text) => {
                    notes.push(text.clone());
                    continue;
                }
                FromWorker::Done { pid: 7 } => break,
                FromWorker::Read {
                    root: Root::Host, ..
                } => whole(b"content"),
                FromWorker::Read { path, .. } if path.0 == b"inner" => whole(b""),
                FromWorker::Read { .. } => (ToWorker::Refused(Refused::Budget), b""),
                FromWorker::ReadAt { .. } => whole(b"part"),
                FromWorker::ReadLink { .. } => (ToWorker::Link("/target".into()), b""),
                FromWorker::Memory { .. } => whole(b"\x7fELF"),
                FromWorker::Stat { .. } => {
                    let stat = Stat {
                        kind: Kind::Directory,
                        size: 1 << 40,
                        real_path: "/real".into(),
                    };
                    (ToWorker::Stat(stat), b"")
                }
                FromWorker::List { .. } => {
                    let entries = vec![("inner".into(), Kind::Link), (named(), Kind::Other)];
                    (ToWorker::Entries(entries), b"")
                }
                other => panic!("{other:?}"),
            };
            host.say(&answer);
            host.write(content);
            questions.push(line);
        }
        let notes: Vec<&str> = notes.iter().map(String::as_str).collect();
        assert_eq!(
            notes,
            [
                "read 0 content",
                "read_at 0 part",
                "read_link 0 /target",
                "memory 0 \u{7f}ELF",
                "stat 0 1 1099511627776 /real",
                "inner 2 0 ",
                "/some\u{fffd}where 3 -5 ",
                "list 0",
                "refused -5",
            ]
        );
        let part = FromWorker::ReadAt {
            root: Root::Process,
            path: named(),
            offset: 3,
            size: 4,
        };
        assert!(questions.contains(&part), "{questions:?}");
        let memory = FromWorker::Memory {
            address: 4096,
            size: 8,
        };
        assert!(questions.contains(&memory), "{questions:?}");
        assert_eq!(host.end(), Ended::Exited(0));
    });
}

#[test]
fn a_host_that_goes_away_ends_the_worker() {
    with_acts(|mut host| {
        host.ask_to_inspect(&["ask", "/x"]);
        assert!(matches!(host.hear(), Some(FromWorker::Read { .. })));
        assert_eq!(host.end(), Ended::Exited(0));
    });
}

#[test]
fn a_host_that_talks_nonsense_is_not_answered() {
    with_acts(|mut host| {
        host.write(b"{\"dance\":1}\n");
        assert_eq!(host.hear(), None);
        assert_eq!(host.end(), Ended::Exited(101));
    });
}

#[test]
fn a_line_that_does_not_end_is_not_kept() {
    with_acts(|mut host| {
        let part = vec![b'x'; 1 << 20];
        for _ in 0..17 {
            host.write(&part);
        }
        assert_eq!(host.hear(), None);
        assert_eq!(host.end(), Ended::Exited(101));
    });
}

#[test]
fn content_that_is_too_much_is_not_read() {
    with_acts(|mut host| {
        host.ask_to_inspect(&["ask", "/x"]);
        assert!(matches!(host.hear(), Some(FromWorker::Read { .. })));
        host.say(&ToWorker::Bytes(1 << 40));
        assert_eq!(host.hear(), None);
        assert_eq!(host.end(), Ended::Exited(0));
    });
}

#[test]
fn a_worker_ends_with_its_parent() {
    let dir = host::open_directory();
    let library = built(&dir, "acts", &[]);
    let mut host = Host::start_by_another(&library);
    host.ready();
    host.ask_to_inspect(&["loop"]);
    let worker = host.grandchild();
    assert!(fs::exists(format!("/proc/{worker}")).unwrap());
    assert_eq!(host.kill(), None);
    let stat = format!("/proc/{worker}/stat");
    let runs = || fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
    let end = Instant::now() + Duration::from_secs(5);
    while runs() {
        assert!(Instant::now() < end, "it goes on");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_panic_fails_one_process_alone() {
    let dir = host::open_directory();
    for profile in ["dev", "release"] {
        let library = panics(&dir, profile);
        for user in users() {
            let mut host = Host::start(Form::Library, &library, user);
            host.ready();
            let note = |text: &str| FromWorker::Note(text.to_owned());
            let failed = FromWorker::Failed("it panicked".to_owned());
            assert_eq!(host.inspect(&[]), [note("seen 1"), failed]);
            let said = host.inspect(&["x"]);
            assert!(
                matches!(&said[..], [_, FromWorker::Done { pid: 7 }]),
                "{said:?}"
            );
            assert_eq!(host.end(), Ended::Exited(0));
        }
    }
}

/// A directory in which everybody may do everything, and that shows whether somebody did.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = host::open_directory();
        let all = fs::Permissions::from_mode(0o777);
        fs::set_permissions(dir.path(), all.clone()).unwrap();
        fs::write(dir.path().join("there"), "there").unwrap();
        fs::set_permissions(dir.path().join("there"), fs::Permissions::from_mode(0o666)).unwrap();
        fs::write(dir.path().join("secret"), "secret").unwrap();
        fs::set_permissions(dir.path().join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::create_dir(dir.path().join("empty")).unwrap();
        fs::set_permissions(dir.path().join("empty"), all).unwrap();
        fs::copy("/bin/true", dir.path().join("program")).unwrap();
        Self { dir }
    }

    fn give_secret_to(&self, user: User) {
        let secret = self.dir.path().join("secret");
        if let Some(uid) = user.uid() {
            std::os::unix::fs::chown(secret, Some(uid), Some(uid)).unwrap();
        }
    }

    #[track_caller]
    fn assert_untouched(&self) {
        let mut names: Vec<PathBuf> = fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        names.sort();
        let expected = ["empty", "program", "secret", "there"];
        assert_eq!(names, expected.map(|name| self.dir.path().join(name)));
        let there = self.dir.path().join("there");
        assert_eq!(fs::read(&there).unwrap(), b"there");
        let mode = fs::metadata(&there).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o666);
    }
}

/// Denied is what the kernel or the filter forbids; that something is not there, or makes no sense, is luck.
#[track_caller]
fn assert_denied(said: &[FromWorker], least: usize) {
    let notes: Vec<&str> = said
        .iter()
        .filter_map(|line| match line {
            FromWorker::Note(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert!(notes.len() >= least, "{notes:?}");
    for note in notes {
        let why: i32 = note.split(' ').next().unwrap().parse().unwrap();
        let denied = [libc::EPERM, libc::EACCES, libc::ENOSYS];
        assert!(denied.contains(&why), "{note}");
    }
}

#[test]
fn a_constructor_can_do_nothing() {
    let place = Place::new();
    let guests = host::open_directory();
    let flag = format!("-DPLACE=\"{}\"", place.dir.path().display());
    let library = built(&guests, "probe", &[&flag]);
    let before = fs::metadata(&library).unwrap();
    for user in users() {
        place.give_secret_to(user);
        let mut host = Host::start(Form::Library, &library, user);
        host.ready();
        let said = host.inspect(&["x"]);
        assert_denied(&said, 100);
        place.assert_untouched();
        let [.., FromWorker::Unknown(found), FromWorker::Done { .. }] = &said[..] else {
            panic!("{said:?}");
        };
        let (uid, gid) = user.inside();
        // Of the plugin itself 3, while it is loaded: no environment, and nothing else open.
        assert_eq!(
            *found,
            format!(
                "fd 0\nfd 1\nfd 2\nfd 3\nuid {uid} {uid} gid {gid} {gid}\ncwd /\nlimit 9 536870912 536870912\n\
                 limit 0 10 11\nlimit 7 32 32\nlimit 1 0 0\nlimit 4 0 0\nlimit 6 0 0\n"
            )
        );
        assert_eq!(host.end(), Ended::Exited(0));
    }
    assert_eq!(
        before.modified().unwrap(),
        fs::metadata(&library).unwrap().modified().unwrap()
    );
}

/// The same worker, as the kernel shows it to others.
#[test]
fn a_worker_has_nothing() {
    if !rustix::process::geteuid().is_root() {
        crate::support::skip("only root may look at a worker");
        return;
    }
    with_acts(|host| {
        for name in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            assert_eq!(host.status(name), "0000000000000000", "{name}");
        }
        assert_eq!(host.status("NoNewPrivs:"), "1");
        assert_eq!(host.status("Seccomp:"), "2");
        assert_eq!(host.status("Groups:"), "");
        assert_eq!(host.status("Threads:"), "1");
        assert_eq!(host.status("Umask:"), "0777");
        let proc = PathBuf::from(format!("/proc/{}", host.pid()));
        assert_eq!(fs::read(proc.join("environ")).unwrap(), b"");
        assert_eq!(fs::read_link(proc.join("cwd")).unwrap(), Path::new("/"));
        // It is not dumpable: its files are root's, and no other process of its user may look at it.
        let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(proc.join("mem")).unwrap());
        assert_eq!(owner, 0);
        let mut open: Vec<String> = fs::read_dir(proc.join("fd"))
            .unwrap()
            .map(|entry| fs::read_link(entry.unwrap().path()).unwrap())
            .map(|path| path.to_string_lossy().split(':').next().unwrap().to_owned())
            .collect();
        open.sort();
        assert_eq!(open, ["/dev/null", "/dev/null", "socket"]);
    });
    let dir = host::open_directory();
    let library = built(&dir, "acts", &[]);
    let mut host = Host::start(Form::Library, &library, User::Same);
    host.ready();
    assert_eq!(host.status("CapBnd:"), "0000000000000000");
    assert_eq!(host.status("Uid:"), "65534\t65534\t65534\t65534");
    assert_eq!(host.status("Gid:"), "65534\t65534\t65534\t65534");
}

#[test]
fn a_worker_is_started_by_us_alone() {
    let dir = tempfile::tempdir().unwrap();
    let library = built(&dir, "acts", &[]);
    let mut host = Host::start_in_environment(&library, "LD_LIBRARY_PATH=/nowhere");
    let why = "the environment is not empty".to_owned();
    assert_eq!(host.hello(), FromWorker::Unusable(why));
    let mut host = Host::start_as_orphan(&library);
    let why = "the parent has ended".to_owned();
    assert_eq!(host.hello(), FromWorker::Unusable(why));
}

/// What the worker says if a system call of its own fails in this way; strace makes it fail.
#[track_caller]
fn hello_with_failing(library: &Path, call: &str, error: &str) -> Result<(), Option<String>> {
    let mut host = Host::start_with_failing(library, &format!("{call}:error={error}"));
    host.say_hello();
    match host.hear() {
        Some(FromWorker::Ready { .. }) => Ok(()),
        Some(FromWorker::Unusable(why)) => Err(Some(why)),
        None => {
            assert_eq!(host.end(), Ended::Exited(101), "{call}");
            Err(None)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_layer_that_cannot_be_set_up_keeps_the_plugin_out() {
    let dir = host::open_directory();
    let library = built(&dir, "acts", &[]);
    let check = |call: &str, error: &str, why: &str| {
        let said = hello_with_failing(&library, call, error).unwrap_err();
        assert!(said.is_some_and(|said| said.contains(why)), "{call}");
    };
    check("seccomp", "EPERM", "cannot filter system calls");
    check("seccomp", "EINVAL", "cannot filter system calls");
    check("landlock_restrict_self", "E2BIG", "cannot restrict files");
    check("landlock_add_rule", "ENOMEM", "cannot restrict files");
    check("capset", "EPERM", "cannot give up privileges");
    check("prctl", "EPERM", "cannot renounce new privileges");
    check("chdir", "EACCES", "cannot leave the working directory");
    if rustix::process::geteuid().is_root() {
        check("setgroups", "ENOMEM", "cannot give up privileges");
        check("setresgid", "EAGAIN", "cannot give up privileges");
        check("setresuid", "EAGAIN", "cannot give up privileges");
    }
    // Nothing can be said before the socket is where it should be.
    assert_eq!(
        hello_with_failing(&library, "close_range", "EBADF"),
        Err(None)
    );
}

#[test]
fn an_older_kernel_has_fewer_layers() {
    let place = Place::new();
    let guests = host::open_directory();
    let flag = format!("-DPLACE=\"{}\"", place.dir.path().display());
    let library = built(&guests, "probe", &[&flag]);
    // Before 5.9, and before 5.13 or where Landlock is switched off.
    assert_eq!(
        hello_with_failing(&library, "close_range", "ENOSYS"),
        Ok(())
    );
    for error in ["ENOSYS", "EOPNOTSUPP"] {
        let call = format!("landlock_create_ruleset:error={error}");
        let mut host = Host::start_with_failing(&library, &call);
        host.ready();
        let mut said = host.inspect(&["x"]);
        let count = said.len();
        // What nobody may read stays closed; all but reading is denied as ever.
        said.retain(|line| match line {
            FromWorker::Note(text) => {
                let what = text.split_once(' ').unwrap().1;
                let reads = ["read", "open", "list"]
                    .iter()
                    .any(|verb| what.starts_with(verb));
                !reads || ["read /etc/shadow", "read /proc/1/environ"].contains(&what)
            }
            _ => false,
        });
        assert!(said.len() < count - 5);
        assert_denied(&said, 85);
        place.assert_untouched();
    }
}

#[test]
fn executables_speak_for_themselves() {
    for (script, interpreter) in [
        ("lines-awk", "/usr/bin/awk"),
        ("lines-perl", "/usr/bin/perl"),
        ("lines-php", "/usr/bin/php"),
        ("lines-ruby", "/usr/bin/ruby"),
        ("lines-sh", "/usr/bin/env"),
    ] {
        if !Path::new(interpreter).exists() {
            crate::support::skip(&format!("{interpreter} is not there"));
            continue;
        }
        for user in users() {
            let mut host = Host::start(Form::Executable, &guest(script), user);
            host.ready();
            assert_eq!(
                host.inspect(&["x"]),
                [FromWorker::Done { pid: 7 }],
                "{script}"
            );
            assert_eq!(host.end(), Ended::Exited(0), "{script}");
        }
    }
}

#[test]
fn an_executable_can_do_nothing() {
    let place = Place::new();
    for user in users() {
        place.give_secret_to(user);
        let mut host = Host::start(Form::Executable, &guest("probe-python"), user);
        host.ready();
        let said = host.inspect(&[place.dir.path().to_str().unwrap()]);
        assert_denied(&said, 15);
        place.assert_untouched();
        let [.., FromWorker::Unknown(found), FromWorker::Done { .. }] = &said[..] else {
            panic!("{said:?}");
        };
        // 3 is the script itself, which the interpreter opened by that number. CPython sets LC_CTYPE for itself.
        assert_eq!(
            *found,
            r#"[[0, 1, 2, 3], {"LC_CTYPE": "C.UTF-8"}, [], "/"]"#
        );
        assert_eq!(host.end(), Ended::Exited(0));
    }
}

#[test]
fn what_cannot_be_executed_is_not() {
    let dir = host::open_directory();
    let file = dir.path().join("plugin");
    fs::write(&file, "#!/nowhere\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    check_not_started(&file, "No such file or directory");
    fs::write(&file, "no program").unwrap();
    check_not_started(&file, "Exec format error");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    check_not_started(&file, "Permission denied");
    // An interpreter that is no system's.
    fs::copy("/bin/cat", dir.path().join("cat")).unwrap();
    let line = format!("#!{}\n", dir.path().join("cat").display());
    fs::write(&file, line).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    check_not_started(&file, "Permission denied");
}

#[track_caller]
fn check_not_started(file: &Path, why: &str) {
    for user in users() {
        let mut host = Host::start(Form::Executable, file, user);
        match host.hello() {
            FromWorker::Unusable(text) => {
                assert!(
                    text.contains("cannot start it: ") && text.contains(why),
                    "{text}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
}
