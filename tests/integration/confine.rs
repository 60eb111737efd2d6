//! What the scanner can do and cannot, and how its end is waited for.
//!
//! [`confine::run`] forks, so that no other thread of its caller may hold a lock: each test runs once more, in a process
//! of its own, in which nothing else happens.

use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::net::UdpSocket;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, ResolveFlags, flock, openat2};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, PidfdGetfdFlags, Resource, Rlimit, Signal, kill_process, pidfd_getfd,
    pidfd_open, setrlimit, test_kill_process,
};
use unstale::confine;

use crate::support::skip;

/// Set in the process of its own.
const ALONE: &str = "UNSTALE_TEST_ALONE";

const PATIENCE: Duration = Duration::from_secs(10);

/// This test in a process of its own; `None` in that process.
fn start_alone(name: &str) -> Option<Child> {
    if std::env::var_os(ALONE).is_some() {
        return None;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    let name = format!("confine::{name}");
    command
        .args([&name, "--exact", "--test-threads=1", "--nocapture"])
        .env(ALONE, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    Some(command.spawn().unwrap())
}

#[track_caller]
fn alone(name: &str, test: impl FnOnce()) {
    match start_alone(name) {
        None => test(),
        Some(process) => assert_success(process),
    }
}

#[track_caller]
fn assert_success(process: Child) {
    let output = process.wait_with_output().unwrap();
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{talk}");
}

#[track_caller]
fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < end, "{what}");
        sleep(Duration::from_millis(5));
    }
}

/// The scanner of that process, under its filter.
fn scanner_of(parent: &Child) -> u32 {
    let tasks = format!("/proc/{}/task", parent.id());
    wait_for("no scanner under a filter", || {
        let tasks = fs::read_dir(&tasks).ok()?.flatten();
        let children = |task: fs::DirEntry| fs::read_to_string(task.path().join("children")).ok();
        let pid = tasks
            .filter_map(children)
            .find_map(|text| text.trim().parse().ok())?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status
            .lines()
            .any(|line| line == "Seccomp:\t2")
            .then_some(pid)
    })
}

fn is_gone(pid: u32) -> bool {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.contains(") Z "),
        Err(_) => true,
    }
}

/// What the scanner was told, by name.
type Told = Vec<(String, Option<i32>)>;

fn number<T>(result: std::io::Result<T>) -> Option<i32> {
    result
        .err()
        .map(|error| error.raw_os_error().unwrap_or(i32::MAX))
}

fn told<T>(result: rustix::io::Result<T>) -> Option<i32> {
    result.err().map(Errno::raw_os_error)
}

/// Everything that it must not be able to do, tried from within.
fn try_everything(parent: Pid, dir: &Path, stdout: &File) -> Told {
    let mut all = Told::new();
    let mut add = |name: &str, result| all.push((name.to_owned(), result));
    let process = pidfd_open(parent, PidfdFlags::empty());
    let stolen = process.and_then(|process| pidfd_getfd(process, 1, PidfdGetfdFlags::empty()));
    add("pidfd_getfd", told(stolen));
    add("start a program", number(Command::new("/bin/true").spawn()));
    add("socket", number(UdpSocket::bind("127.0.0.1:0")));
    add("kill", told(test_kill_process(parent)));
    let limit = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    add("setrlimit", told(setrlimit(Resource::Nofile, limit)));
    add("ioctl", told(rustix::termios::tcgetwinsize(stdout)));
    add("flock", told(flock(stdout, FlockOperation::LockShared)));
    add("create a file", number(File::create(dir.join("new"))));
    add(
        "rename",
        number(fs::rename(dir.join("there"), dir.join("gone"))),
    );
    add("remove", number(fs::remove_file(dir.join("there"))));
    add("write", told(rustix::io::write(stdout, b"x")));
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let open = openat2(
        CWD,
        dir.join("there"),
        flags,
        Mode::empty(),
        ResolveFlags::empty(),
    );
    let written = open.and_then(|file| rustix::io::write(file.as_fd(), b"x"));
    add("write behind openat2", told(written));
    all
}

#[test]
fn the_scanner_is_denied_what_it_does_not_need() {
    alone("the_scanner_is_denied_what_it_does_not_need", || {
        let dir = tempfile::tempdir().unwrap();
        let there = dir.path().join("there");
        fs::write(&there, "there").unwrap();
        // Anybody may: it is the filter that is tried.
        let permissions = std::os::unix::fs::PermissionsExt::from_mode;
        fs::set_permissions(dir.path(), permissions(0o777)).unwrap();
        fs::set_permissions(&there, permissions(0o666)).unwrap();
        let inherited = File::create(dir.path().join("inherited")).unwrap();
        let parent = rustix::process::getpid();
        let told = confine::run(PATIENCE, || try_everything(parent, dir.path(), &inherited));
        for (name, result) in told.unwrap() {
            assert_eq!(result, Some(libc::EPERM), "{name}");
        }
        assert_eq!(fs::read(&there).unwrap(), b"there");
    });
}

#[test]
fn the_scanner_can_do_its_work() {
    alone("the_scanner_can_do_its_work", || {
        let work = || {
            let sum = std::thread::spawn(|| vec![1_u64; 1 << 20].iter().sum::<u64>());
            let sum = sum.join().unwrap();
            let open = |path: &str| {
                let mut text = String::new();
                File::open(path).unwrap().read_to_string(&mut text).unwrap();
                text
            };
            let names = fs::read_dir("/proc/self/task").unwrap().count();
            (sum, names, open("/proc/self/limits"))
        };
        let (sum, names, limits) = confine::run(PATIENCE, work).unwrap();
        assert_eq!((sum, names), (1 << 20, 1));
        let limit = |name: &str| {
            let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
            let mut words = line[name.len()..].split_whitespace().map(str::to_owned);
            (words.next().unwrap(), words.next().unwrap())
        };
        assert_eq!(limit("Max core file size"), ("0".into(), "0".into()));
        let most = (1_u64 << 30).to_string();
        assert_eq!(limit("Max data size"), (most.clone(), most));
    });
}

#[test]
fn a_panic_and_too_much_memory_are_no_answer() {
    alone("a_panic_and_too_much_memory_are_no_answer", || {
        for work in [(|| panic!("on purpose")) as fn() -> u64, || {
            vec![1_u8; 2 << 30].iter().map(|&one| u64::from(one)).sum()
        }] {
            let error = confine::run(PATIENCE, work).unwrap_err().to_string();
            assert!(error.contains("without an answer"), "{error}");
        }
        // No answer at all is none, even where nothing would do.
        assert!(confine::run(PATIENCE, || -> () { panic!("on purpose") }).is_err());
    });
}

#[test]
fn the_scanner_ends_with_its_parent() {
    let Some(mut parent) = start_alone("the_scanner_ends_with_its_parent") else {
        confine::run(Duration::from_secs(60), || sleep(Duration::from_secs(30))).ok();
        return;
    };
    let scanner = scanner_of(&parent);
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_for("the scanner goes on", || is_gone(scanner).then_some(()));
}

/// As a thread does that waits in the kernel, and cannot be ended.
#[test]
fn an_answer_is_whole_though_the_pipe_stays_open() {
    let name = "an_answer_is_whole_though_the_pipe_stays_open";
    let Some(parent) = start_alone(name) else {
        let answer = confine::run(Duration::from_secs(5), || {
            sleep(Duration::from_secs(1));
            vec![7_u8; 300_000]
        });
        assert_eq!(answer.unwrap(), vec![7; 300_000]);
        return;
    };
    let scanner = scanner_of(&parent);
    let pipes = fs::read_dir(format!("/proc/{scanner}/fd")).unwrap();

    let held: Vec<File> = pipes
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with("2"))
        .filter(|path| {
            fs::read_link(path)
                .unwrap()
                .to_string_lossy()
                .starts_with("pipe:")
        })
        .filter_map(|path| OpenOptions::new().write(true).open(path).ok())
        .collect();
    assert!(!held.is_empty());
    assert_success(parent);
}

/// A tracer that is stopped keeps what it traces, as the kernel keeps a process in which a thread waits.
#[test]
fn a_scanner_that_does_not_end_keeps_nobody() {
    let name = "a_scanner_that_does_not_end_keeps_nobody";
    let Some(mut parent) = start_alone(name) else {
        let begun = Instant::now();
        let answer = confine::run(Duration::from_secs(2), || sleep(Duration::from_secs(60)));
        let error = answer.unwrap_err().to_string();
        assert!(error.contains("no answer within 2 seconds"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(4));
        return;
    };
    let scanner = scanner_of(&parent);
    let mut command = Command::new("strace");
    command.args(["-qq", "-o", "/dev/null", "-p", &scanner.to_string()]);
    let Ok(mut tracer) = command.spawn() else {
        parent.wait().unwrap();
        skip("strace is not there");
        return;
    };
    wait_for("strace does not attach", || {
        let status = fs::read_to_string(format!("/proc/{scanner}/status")).ok()?;
        status
            .contains(&format!("TracerPid:\t{}\n", tracer.id()))
            .then_some(())
    });
    kill_process(Pid::from_child(&tracer), Signal::STOP).unwrap();
    let ended = wait_for_exit(&mut parent);
    tracer.kill().unwrap();
    tracer.wait().unwrap();
    assert!(ended, "the parent waits on");
    assert_success(parent);
}

fn wait_for_exit(process: &mut Child) -> bool {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if process.try_wait().unwrap().is_some() {
            return true;
        }
        sleep(Duration::from_millis(10));
    }
    process.kill().unwrap();
    false
}
