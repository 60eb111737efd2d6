//! The runtime directory of a user, `/run/user/UID`. Root looks into what is the user's, and so goes nowhere that the user
//! leads to: not through links, not into what is mounted there, where a file system of the user's would keep us waiting.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Statx, StatxFlags, openat, statx};

const MOUNTS: &str = "/proc/self/mountinfo";

/// Where it is.
pub(super) fn path(uid: u32) -> PathBuf {
    PathBuf::from(format!("/run/user/{uid}"))
}

/// That of a user, as logind made it.
#[derive(Debug)]
pub(super) struct RuntimeDir {
    fd: OwnedFd,
    stat: Statx,
}

impl RuntimeDir {
    /// `None` if it is not there, or is not what it should be.
    pub(super) fn open(uid: u32) -> Option<Self> {
        // A user may mount over a directory of his (fusermount(1)).
        let mounts = std::fs::read(MOUNTS).ok()?;
        let path = path(uid);
        let is_plain = parse_file_system(&mounts, &path).is_none_or(|kind| kind == b"tmpfs");
        is_plain.then(|| Self::open_at(&path, uid))?
    }

    fn open_at(path: &Path, uid: u32) -> Option<Self> {
        let fd = openat(CWD, path, OFlags::DIRECTORY | BY_NAME, Mode::empty()).ok()?;
        let stat = look(&fd)?;
        (stat.stx_uid == uid).then_some(Self { fd, stat })
    }

    /// Its group.
    pub(super) fn gid(&self) -> u32 {
        self.stat.stx_gid
    }

    /// Whether there is a socket at a path below it.
    pub(super) fn has_socket(&self, path: &str) -> bool {
        let mut at: Option<(OwnedFd, Statx)> = None;
        for name in path.split('/') {
            let above = at.as_ref().map_or(&self.fd, |(fd, _)| fd);
            let Ok(fd) = openat(above, name, BY_NAME, Mode::empty()) else {
                return false;
            };
            // Asked of what the kernel knows already: whatever is mounted there is not asked.
            let Some(stat) = look(&fd).filter(|stat| self.is_same_file_system(stat)) else {
                return false;
            };
            at = Some((fd, stat));
        }
        at.is_some_and(|(_, stat)| {
            FileType::from_raw_mode(stat.stx_mode.into()) == FileType::Socket
        })
    }

    fn is_same_file_system(&self, other: &Statx) -> bool {
        (self.stat.stx_dev_major, self.stat.stx_dev_minor)
            == (other.stx_dev_major, other.stx_dev_minor)
    }
}

/// What is at a name, and no further.
const BY_NAME: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

fn look(fd: &OwnedFd) -> Option<Statx> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    statx(fd, c"", flags, StatxFlags::BASIC_STATS).ok()
}

/// The type of what is mounted at a path, the last of which counts: proc_pid_mountinfo(5).
fn parse_file_system<'a>(mounts: &'a [u8], path: &Path) -> Option<&'a [u8]> {
    let of_line = |line: &'a [u8]| {
        let point = line.split(|&byte| byte == b' ').nth(4)?;
        let at = memchr::memmem::find(line, b" - ")?;
        let kind = line[at + 3..].split(|&byte| byte == b' ').next()?;
        (point == path.as_os_str().as_bytes()).then_some(kind)
    };
    mounts
        .split(|&byte| byte == b'\n')
        .filter_map(of_line)
        .next_back()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, symlink};
    use std::os::unix::net::UnixListener;

    #[test]
    fn t11_06_finds_sockets_and_goes_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        std::fs::create_dir(dir.join("systemd")).unwrap();
        let _bus = UnixListener::bind(dir.join("bus")).unwrap();
        let _private = UnixListener::bind(dir.join("systemd/private")).unwrap();
        std::fs::write(dir.join("file"), "").unwrap();
        symlink("bus", dir.join("linked")).unwrap();
        symlink("systemd", dir.join("around")).unwrap();
        symlink("/proc", dir.join("elsewhere")).unwrap();
        let uid = dir.metadata().unwrap().uid();
        let opened = RuntimeDir::open_at(dir, uid).unwrap();
        let check = |path: &str, expected| {
            assert_eq!(opened.has_socket(path), expected, "{path}");
        };
        check("bus", true);
        check("systemd/private", true);
        for path in [
            "linked",
            "around/private",
            "file",
            "none",
            "systemd",
            "elsewhere/self",
        ] {
            check(path, false);
        }
        assert!(RuntimeDir::open_at(dir, uid + 1).is_none());
        assert!(RuntimeDir::open_at(&dir.join("bus"), uid).is_none());
        assert!(RuntimeDir::open_at(&dir.join("around"), uid).is_none());
        // Another file system is mounted there.
        let root = RuntimeDir::open_at(Path::new("/"), 0).unwrap();
        assert!(!root.has_socket("proc/none"));
    }

    #[test]
    fn t11_06_knows_what_a_user_mounted_over_it() {
        #[track_caller]
        fn check(mounts: &str, expected: Option<&str>) {
            let found = parse_file_system(mounts.as_bytes(), &path(1000));
            assert_eq!(found, expected.map(str::as_bytes));
        }
        let own = "36 25 0:30 / /run/user/1000 rw,nosuid - tmpfs tmpfs rw\n";
        let other = "37 36 0:31 / /run/user/1000/gvfs rw shared:5 - fuse.gvfsd gvfsd rw\n";
        check(&format!("{own}{other}"), Some("tmpfs"));
        check(other, None);
        let over = "38 36 0:32 / /run/user/1000 rw shared:5 - fuse.sshfs a:/ rw\n";
        check(&format!("{own}{over}"), Some("fuse.sshfs"));
        check("nonsense\n\n", None);
    }
}
