//! Whether a package manager is at work. No lock is taken, not even tried: a package manager that waits for no lock would
//! fail because of us.

use std::path::Path;

use rustix::fs::{Mode, OFlags, openat};
use rustix::process::{Flock, FlockType, fcntl_getlk};

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

/// Who is at work on the packages of this root, in words for a person; `None` if nobody is, or nobody can be seen.
#[must_use]
pub fn package_manager(root: &Path) -> Option<String> {
    let locked = LOCKS.iter().find_map(|lock| held(root, lock));
    locked.or_else(|| PIDS.iter().find_map(|file| alive(root, file)))
}

fn held(root: &Path, lock: &str) -> Option<String> {
    let file = open(root, lock)?;
    let ours = Flock::from(FlockType::WriteLock);
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
    lives.then(|| format!("process {}, by /{file}", pid.as_raw_nonzero()))
}

fn parse_pid(text: &[u8]) -> Option<rustix::process::Pid> {
    let text = std::str::from_utf8(text).ok()?;
    let number: i32 = text.split_ascii_whitespace().next()?.parse().ok()?;
    (number > 0).then(|| rustix::process::Pid::from_raw(number))?
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
}
