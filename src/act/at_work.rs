//! Whether a package manager is at work. No lock is taken, not even tried: a package manager that waits for no lock would
//! fail because of us.

use std::path::Path;

use rustix::fs::{Mode, OFlags, fstat, openat};
use rustix::process::{Flock, FlockType, Pid, fcntl_getlk};
use rustix::time::{ClockId, clock_gettime};

/// What is held with fcntl(2) by whoever changes packages, below the root.
const LOCKS: [&str; 8] = [
    // apt and its front ends, over all runs of dpkg (apt 1.9.11); dpkg itself; apt while it fetches.
    "var/lib/dpkg/lock-frontend",
    "var/lib/dpkg/lock",
    "var/cache/apt/archives/lock",
    // Over all minimal steps.
    "run/unattended-upgrades.lock",
    // rpm's transactions, whoever asks for them.
    "usr/lib/sysimage/rpm/.rpm.lock",
    "var/lib/rpm/.rpm.lock",
    // dnf5, over a whole transaction.
    "run/dnf/rpmtransaction.lock",
    "usr/lib/sysimage/libdnf5/rpmtransaction.lock",
];

/// Files that hold the pid of who is at work: libzypp, dnf 4.
const PIDS: [&str; 2] = ["run/zypp.pid", "var/lib/dnf/rpmdb_lock.pid"];

/// A pid is shorter.
const PID_CAP: usize = 32;
const STAT_CAP: usize = 4096;
/// A process that began so much later than its pid was written down is another one; clocks may have been set meanwhile.
const LATER_SECS: i64 = 60;

/// Who is at work on the packages of this root, in words for a person; `None` if nobody is, or nobody can be seen.
#[must_use]
pub fn package_manager(root: &Path) -> Option<String> {
    let locked = LOCKS.iter().find_map(|lock| held(root, lock));
    locked.or_else(|| PIDS.iter().find_map(|file| alive(root, file)))
}

fn held(root: &Path, lock: &str) -> Option<String> {
    let file = open(root, lock)?;
    // Whoever works holds it for writing, which takes a descriptor to write to. rpm's may be read by anybody: a read lock on
    // it, which anybody can hold, is no work.
    let ours = Flock::from(FlockType::ReadLock);
    let holder = fcntl_getlk(&file, &ours).ok()??;
    Some(match holder.pid {
        Some(pid) => format!("process {} holds /{lock}", pid.as_raw_nonzero()),
        // Of another pid namespace, or by an open file description.
        None => format!("/{lock} is held"),
    })
}

fn alive(root: &Path, file: &str) -> Option<String> {
    let fd = open(root, file)?;
    let mut text = [0; PID_CAP];
    let length = rustix::io::read(&fd, &mut text[..]).ok()?;
    let pid = parse_pid(text.get(..length)?)?;
    let lives = rustix::process::test_kill_process(pid);
    // EPERM is an answer too.
    let lives = !matches!(lives, Err(rustix::io::Errno::SRCH));
    (lives && !is_another(&fd, pid))
        .then(|| format!("process {}, by /{file}", pid.as_raw_nonzero()))
}

/// Whether a process has got the pid that one long gone had written down: it is somebody else's, or younger.
fn is_another(file: &std::os::fd::OwnedFd, pid: Pid) -> bool {
    let Ok(written) = fstat(file) else {
        return false;
    };
    let proc = Path::new("/proc").join(pid.as_raw_nonzero().to_string());
    let owner = rustix::fs::stat(&proc).map(|stat| stat.st_uid);
    if owner.is_ok_and(|owner| owner != written.st_uid) {
        return true;
    }
    let began = || {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let stat = openat(rustix::fs::CWD, proc.join("stat"), flags, Mode::empty()).ok()?;
        let mut text = [0; STAT_CAP];
        let length = rustix::io::read(&stat, &mut text[..]).ok()?;
        let ticks = parse_start(text.get(..length)?)?;
        let per_second = i64::try_from(rustix::param::clock_ticks_per_second()).ok()?;
        let boot =
            clock_gettime(ClockId::Realtime).tv_sec - clock_gettime(ClockId::Boottime).tv_sec;
        Some(boot + ticks / per_second)
    };
    began().is_some_and(|began| began > written.st_mtime + LATER_SECS)
}

/// When a process began, in ticks since the boot: the 22nd field of `/proc/PID/stat`, of which the 2nd may hold anything and
/// ends with the last `)` (proc_pid_stat(5)).
fn parse_start(text: &[u8]) -> Option<i64> {
    let end = text.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(text.get(end + 1..)?).ok()?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

fn parse_pid(text: &[u8]) -> Option<Pid> {
    let text = std::str::from_utf8(text).ok()?;
    let number: i32 = text.split_ascii_whitespace().next()?.parse().ok()?;
    (number > 0).then(|| Pid::from_raw(number))?
}

/// Nothing but a regular file: what else lies there is no lock.
fn open(root: &Path, name: &str) -> Option<std::os::fd::OwnedFd> {
    let path = root.join(name);
    let stat = rustix::fs::lstat(&path).ok()?;
    let is_file =
        rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::RegularFile;
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    is_file
        .then(|| openat(rustix::fs::CWD, &path, flags, Mode::empty()).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[track_caller]
    fn check(files: &[(&str, &str)], expected: Option<&str>) {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let found = package_manager(root.path());
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn t12_04_who_is_at_work() {
        check(&[], None);
        // Locks that nobody holds.
        check(&[("var/lib/dpkg/lock", ""), ("run/zypp.pid", "")], None);
        check(&[("run/zypp.pid", "0\n")], None);
        check(&[("run/zypp.pid", "-1\n")], None);
        check(&[("run/zypp.pid", "2147483646\n")], None);
        let own = std::process::id();
        check(
            &[("run/zypp.pid", &format!("{own}\n"))],
            Some(&format!("process {own}, by /run/zypp.pid")),
        );
    }

    fn pid_file(pid: u32) -> (tempfile::TempDir, fs::File) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("run")).unwrap();
        let path = root.path().join("run/zypp.pid");
        fs::write(&path, format!("{pid}\n")).unwrap();
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        (root, file)
    }

    #[test]
    fn t12_04_a_pid_that_was_used_again_is_nobody() {
        let (root, file) = pid_file(std::process::id());
        assert!(package_manager(root.path()).is_some());
        file.set_modified(std::time::SystemTime::UNIX_EPOCH)
            .unwrap();
        assert_eq!(package_manager(root.path()), None);
        // Written by another than whom the process is of.
        let (root, file) = pid_file(std::process::id());
        if std::os::unix::fs::fchown(&file, Some(65534), None).is_ok() {
            assert_eq!(package_manager(root.path()), None);
        }
    }

    #[test]
    fn starts_of_processes() {
        #[track_caller]
        fn check(text: &str, expected: Option<i64>) {
            assert_eq!(parse_start(text.as_bytes()), expected, "{text}");
        }
        let rest = "S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 9 10";
        check(&format!("7 (a b) {rest}\n"), Some(4711));
        check(&format!("7 (a) S 1 (b)) {rest}\n"), Some(4711));
        check("7 (a) S 1 2", None);
        check("7 a S", None);
        check("", None);
    }

    /// A process that holds a lock of fcntl(2): one's own are no conflict.
    #[test]
    fn t12_04_a_lock_that_anybody_may_hold_is_no_work() {
        #[track_caller]
        fn check(mode: &str, kind: &str, at_work: bool) {
            let root = tempfile::tempdir().unwrap();
            let path = root.path().join("var/lib/rpm/.rpm.lock");
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            let script = format!(
                "import fcntl,sys; f=open(sys.argv[1],'{mode}'); fcntl.lockf(f,fcntl.{kind}); print(flush=True); sys.stdin.read()"
            );
            let child = std::process::Command::new("python3")
                .args(["-c", &script])
                .arg(&path)
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .spawn();
            let Ok(mut child) = child else { return };
            let mut line = [0];
            std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
            let found = package_manager(root.path());
            let pid = child.id();
            drop(child.stdin.take());
            child.wait().unwrap();
            let words = format!("process {pid} holds /var/lib/rpm/.rpm.lock");
            assert_eq!(found, at_work.then_some(words), "{kind}");
        }
        check("r", "LOCK_SH", false);
        check("r+", "LOCK_EX", true);
    }
}
