//! A process's own view of files: how a path is opened below its root.

use std::ops::Range;
use std::os::fd::OwnedFd;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, ResolveFlags, Statx, StatxFlags};
use rustix::io::Errno;

use super::mounts::{Mounts, may_hang};
use super::root::{ProcRoot, stat_fields};
use crate::model::Bytes;

/// The path of a name inside a root, both as the kernel prints them to the reader (d_path: relative to the reader's
/// root or to the namespace's, never to the process's). `None` if the name lies outside that root.
pub(crate) fn path_in_root<'a>(name: &'a [u8], root: &[u8]) -> Option<&'a [u8]> {
    if root == b"/" {
        return name.starts_with(b"/").then_some(name);
    }
    name.strip_prefix(root)
        .filter(|rest| rest.starts_with(b"/"))
}

/// A name without the ` (deleted)` that the kernel appends to names of removed files; `None` if it does not end so. A
/// file may truly be named so: the caller compares objects.
pub(crate) fn without_suffix(name: &[u8]) -> Option<&[u8]> {
    name.strip_suffix(b" (deleted)")
        .filter(|name| name.len() > 1)
}

/// A file found in a view, held open by `O_PATH`: nothing of it was touched.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) fd: OwnedFd,
    pub(crate) stat: Statx,
}

/// Why a path leads to no file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// Nothing is there.
    Missing,
    /// It leads into a file system that may never answer, of this type.
    MayHang(Bytes),
    /// What the system said.
    Failed(Errno),
}

impl From<Errno> for Lost {
    fn from(error: Errno) -> Self {
        match error {
            Errno::NOENT | Errno::NOTDIR => Self::Missing,
            error => Self::Failed(error),
        }
    }
}

/// Opens `path` below `root` as the process would, symbolic links resolved inside that root. `O_PATH`: neither a FIFO
/// nor a device is touched. No step is taken into a file system that may never answer.
pub(crate) fn open(root: &OwnedFd, path: &[u8], mounts: &Mounts) -> Result<Found, Lost> {
    match open_plain(root, path, mounts) {
        Err(Lost::Failed(Errno::LOOP)) => follow(root, path, mounts).map(|(found, _)| found),
        opened => opened,
    }
}

/// As [`open`], but of a path without symbolic links, in one call: `ELOOP` says that it has to be walked.
pub(crate) fn open_plain(root: &OwnedFd, path: &[u8], mounts: &Mounts) -> Result<Found, Lost> {
    refuse_hanging(path, mounts)?;
    let relative = path.strip_prefix(b"/").unwrap_or(path);
    let relative: &[u8] = if relative.is_empty() { b"." } else { relative };
    let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
    match fs::openat2(root, relative, O_PATH, Mode::empty(), inside) {
        Ok(fd) => Ok(Found {
            stat: stat_of(&fd)?,
            fd,
        }),
        // A link on the way, a path too long for one call, or Linux before 5.6.
        Err(Errno::LOOP | Errno::NAMETOOLONG | Errno::NOSYS | Errno::AGAIN) => {
            Err(Lost::Failed(Errno::LOOP))
        }
        Err(error) => Err(error.into()),
    }
}

pub(crate) const O_PATH: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// As many links as the kernel follows in one path (path_resolution(7)).
const LINKS: usize = 40;

/// What a walk passed on its way.
#[derive(Debug)]
pub(crate) struct Trail {
    /// Where it led, without links.
    pub(crate) path: Vec<u8>,
    /// When it last came to lead there, as far as the links and names on the way tell.
    pub(crate) changed_ns: i64,
    /// When the youngest link on the way came to be, if there was one.
    pub(crate) links_ns: Option<i64>,
    /// Whether it passed `/etc/alternatives`.
    pub(crate) alternatives: bool,
    /// Owners of what it passed, root excepted.
    pub(crate) owners: Vec<u32>,
}

/// Walks a path component by component, links too, inside the root.
pub(crate) fn follow(root: &OwnedFd, path: &[u8], mounts: &Mounts) -> Result<(Found, Trail), Lost> {
    follow_as(root, path, mounts, |_| true)
}

/// As [`follow`], for somebody who may not pass through every directory.
pub(crate) fn follow_as(
    root: &OwnedFd,
    path: &[u8],
    mounts: &Mounts,
    may_pass: impl Fn(&Statx) -> bool,
) -> Result<(Found, Trail), Lost> {
    let mut trail = Trail {
        path: Vec::new(),
        changed_ns: i64::MIN,
        links_ns: None,
        alternatives: false,
        owners: Vec::new(),
    };
    // The directory that the walk is in, and those above it up to the root.
    let mut above = vec![rustix::io::fcntl_dupfd_cloexec(root, 0)?];
    let mut way = path.to_vec();
    // How far it was gone.
    let mut at = 0;
    let mut links = 0;
    let mut steps = 0;
    let denied = |stat: &Statx| match may_pass(stat) {
        true => Ok(()),
        false => Err(Lost::Failed(Errno::ACCESS)),
    };
    denied(&stat_of(root)?)?;
    while let Some(next) = next_part(&way, at) {
        at = next.end;
        steps += 1;
        if steps > STEPS {
            return Err(Lost::Failed(Errno::NAMETOOLONG));
        }
        let part = &way[next];
        match part {
            b"." => continue,
            b".." => {
                if above.len() > 1 {
                    above.pop();
                    trail
                        .path
                        .truncate(directory_of(&trail.path).len().saturating_sub(1));
                }
                continue;
            }
            _ => {}
        }
        let parent = trail.path.len();
        trail.path.push(b'/');
        trail.path.extend_from_slice(part);
        refuse_hanging(&trail.path, mounts)?;
        let dir = above.last().expect("the root is never taken away");
        let fd = fs::openat(dir, part, O_PATH | OFlags::NOFOLLOW, Mode::empty())?;
        let stat = stat_of(&fd)?;
        trail.changed_ns = trail.changed_ns.max(came_ns(&stat));
        if stat.stx_uid != 0 && !trail.owners.contains(&stat.stx_uid) {
            trail.owners.push(stat.stx_uid);
        }
        if above.len() > DEPTH {
            return Err(Lost::Failed(Errno::NAMETOOLONG));
        }
        let kind = FileType::from_raw_mode(stat.stx_mode.into());
        if kind != FileType::Symlink {
            if kind == FileType::Directory && next_part(&way, at).is_some() {
                denied(&stat)?;
            }
            above.push(fd);
            continue;
        }
        links += 1;
        trail.links_ns = trail.links_ns.max(Some(came_ns(&stat)));
        if links > LINKS || is_procfs(&fd) {
            return Err(Lost::Failed(Errno::LOOP));
        }
        trail.alternatives |= trail.path.starts_with(b"/etc/alternatives/");
        let target = fs::readlinkat(&fd, c"", Vec::new())?.into_bytes();
        trail.path.truncate(parent);
        if target.starts_with(b"/") {
            above.truncate(1);
            trail.path.clear();
        }
        way = [target.as_slice(), b"/", &way[at..]].concat();
        at = 0;
        if way.len() > PATH_CAP {
            return Err(Lost::Failed(Errno::NAMETOOLONG));
        }
    }
    let fd = above.pop().expect("the root is never taken away");
    Ok((
        Found {
            stat: stat_of(&fd)?,
            fd,
        },
        trail,
    ))
}

/// The kernel prints names of any depth; what a walk still has before it may not grow without bound.
const PATH_CAP: usize = 64 * 1024;

/// Components that a walk goes over, those of links and `.` and `..` among them: more than any sensible path has.
const STEPS: usize = 1024;

/// Where the next component of a path lies, from a place in it on.
fn next_part(path: &[u8], from: usize) -> Option<Range<usize>> {
    let start = from + path[from..].iter().position(|&byte| byte != b'/')?;
    let rest = &path[start..];
    let length = rest.iter().position(|&byte| byte == b'/');
    Some(start..start + length.unwrap_or(rest.len()))
}

/// As deep as any sensible path: each step of a walk holds a descriptor.
const DEPTH: usize = 256;

/// When a name came to mean this object: its birth, or a rename, which changes its attributes but not its content.
fn came_ns(stat: &Statx) -> i64 {
    let nanos = |time: &fs::StatxTimestamp| {
        time.tv_sec
            .saturating_mul(1_000_000_000)
            .saturating_add(i64::from(time.tv_nsec))
    };
    let (ctime, mtime) = (nanos(&stat.stx_ctime), nanos(&stat.stx_mtime));
    // A directory's times move with every entry that is made in it: both alike.
    if FileType::from_raw_mode(stat.stx_mode.into()) == FileType::Directory && ctime == mtime {
        let born = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
        return if born {
            nanos(&stat.stx_btime)
        } else {
            i64::MIN
        };
    }
    ctime
}

/// `PROC_SUPER_MAGIC`: links there lead to objects, not to where their text says.
fn is_procfs(fd: &OwnedFd) -> bool {
    fs::fstatfs(fd).is_ok_and(|stat| u64::try_from(stat.f_type) == Ok(0x9fa0))
}

fn refuse_hanging(path: &[u8], mounts: &Mounts) -> Result<(), Lost> {
    if mounts.is_unreadable() {
        return Err(Lost::Failed(Errno::FBIG));
    }
    match mounts.under(path) {
        Some(mount) if may_hang(mount.kind.as_slice()) => Err(Lost::MayHang(mount.kind.clone())),
        _ => Ok(()),
    }
}

pub(crate) fn stat_of(fd: &OwnedFd) -> Result<Statx, Errno> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    fs::statx(fd, c"", flags, stat_fields())
}

/// Opens for reading what [`open`] found, if it is a regular file.
///
/// # Errors
/// `EINVAL` if it is not a regular file, otherwise what open(2) says.
pub(crate) fn reopen(proc: &ProcRoot, found: &Found) -> Result<std::fs::File, Errno> {
    if FileType::from_raw_mode(found.stat.stx_mode.into()) != FileType::RegularFile {
        return Err(Errno::INVAL);
    }
    Ok(proc.reopen(&found.fd)?.into())
}

/// The directory part of a path, with its slash.
pub(crate) fn directory_of(path: &[u8]) -> &[u8] {
    let end = path
        .iter()
        .rposition(|&byte| byte == b'/')
        .map_or(0, |at| at + 1);
    &path[..end]
}

/// A path beside another.
pub(crate) fn sibling(path: &[u8], name: &[u8]) -> Bytes {
    Bytes([directory_of(path), name].concat())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[track_caller]
    fn check(name: &str, root: &str, path: Option<&str>) {
        assert_eq!(
            path_in_root(name.as_bytes(), root.as_bytes()),
            path.map(str::as_bytes)
        );
    }

    #[test]
    fn t4_10_names_are_relative_to_the_reader() {
        check("/lib/x.so", "/", Some("/lib/x.so"));
        check("/ch/lib/x.so", "/ch", Some("/lib/x.so"));
        check("/chroot/lib/x.so", "/ch", None);
        check("/lib/x.so", "/ch", None);
        check("anon_inode:[io_uring]", "/", None);
    }

    #[test]
    fn links_stay_inside_the_root() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::open(
            folder.path(),
            OFlags::PATH | OFlags::DIRECTORY,
            Mode::empty(),
        )
        .unwrap();
        std::fs::write(folder.path().join("passwd"), "inside").unwrap();
        symlink("/passwd", folder.path().join("absolute")).unwrap();
        symlink("../../../../etc/passwd", folder.path().join("up")).unwrap();
        symlink("loop", folder.path().join("loop")).unwrap();
        symlink("/proc/self/exe", folder.path().join("magic")).unwrap();
        let inode = |path: &str| {
            open(&root, path.as_bytes(), &Mounts::default()).map(|found| found.stat.stx_ino)
        };
        assert_eq!(inode("/absolute"), inode("/passwd"));
        assert_eq!(inode("/up"), Err(Lost::Missing));
        assert_eq!(inode("/loop"), Err(Lost::Failed(Errno::LOOP)));
        assert_eq!(inode("/magic"), Err(Lost::Missing));
    }

    #[test]
    fn a_walk_tells_where_it_led_and_since_when() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::open(
            folder.path(),
            OFlags::PATH | OFlags::DIRECTORY,
            Mode::empty(),
        )
        .unwrap();
        std::fs::create_dir_all(folder.path().join("etc/alternatives")).unwrap();
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        std::fs::write(folder.path().join("a/b/tool"), "").unwrap();
        symlink(
            "/a/b/../b/tool",
            folder.path().join("etc/alternatives/tool"),
        )
        .unwrap();
        symlink("etc/alternatives/tool", folder.path().join("tool")).unwrap();
        let before = follow(&root, b"//tool", &Mounts::default()).unwrap().1;
        assert_eq!(
            (before.path.as_slice(), before.alternatives),
            (&b"/a/b/tool"[..], true)
        );
        std::thread::sleep(std::time::Duration::from_millis(30));
        std::fs::rename(folder.path().join("a"), folder.path().join("c")).unwrap();
        std::fs::rename(folder.path().join("c"), folder.path().join("a")).unwrap();
        let after = follow(&root, b"/tool", &Mounts::default()).unwrap().1;
        assert!(after.changed_ns > before.changed_ns);
        assert!(
            !follow(&root, b"/a/b/tool", &Mounts::default())
                .unwrap()
                .1
                .alternatives
        );
    }

    #[test]
    fn t4_28_no_step_is_taken_into_what_may_never_answer() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::open(
            folder.path(),
            OFlags::PATH | OFlags::DIRECTORY,
            Mode::empty(),
        )
        .unwrap();
        std::fs::create_dir(folder.path().join("net")).unwrap();
        std::fs::write(folder.path().join("net/lib"), "").unwrap();
        symlink("net/lib", folder.path().join("lib")).unwrap();
        let (mounts, _) = Mounts::parse(b"1 0 0:9 / /net rw - autofs x rw\n");
        for path in [&b"/net/lib"[..], b"/lib"] {
            let lost = open(&root, path, &mounts).unwrap_err();
            assert_eq!(lost, Lost::MayHang(Bytes::from("autofs")));
        }
    }

    #[test]
    fn a_fifo_is_seen_but_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::open(
            folder.path(),
            OFlags::PATH | OFlags::DIRECTORY,
            Mode::empty(),
        )
        .unwrap();
        fs::mknodat(&root, "pipe", fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        let found = open(&root, b"/pipe", &Mounts::default()).unwrap();
        let proc = ProcRoot::open(std::path::Path::new("/proc")).unwrap();
        assert_eq!(reopen(&proc, &found).err(), Some(Errno::INVAL));
    }

    #[test]
    fn t2_09_a_path_longer_than_one_call_takes() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::open(
            folder.path(),
            OFlags::PATH | OFlags::DIRECTORY,
            Mode::empty(),
        )
        .unwrap();
        let part = "d".repeat(200);
        let mut at = rustix::io::dup(&root).unwrap();
        let mut path = String::new();
        for _ in 0..25 {
            fs::mkdirat(&at, &part, Mode::RWXU).unwrap();
            at = fs::openat(&at, &part, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
            path = format!("{path}/{part}");
        }
        assert!(path.len() > 4096);
        assert!(open(&root, path.as_bytes(), &Mounts::default()).is_ok());
        assert_eq!(
            open(&root, format!("{path}/x").as_bytes(), &Mounts::default()).err(),
            Some(Lost::Missing)
        );
    }

    /// Links of which each leads to the next one over a path as long as a link may hold.
    #[test]
    fn t2_09_links_full_of_dots() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::open(
            folder.path(),
            OFlags::PATH | OFlags::DIRECTORY,
            Mode::empty(),
        )
        .unwrap();
        std::fs::create_dir(folder.path().join("d")).unwrap();
        std::fs::write(folder.path().join("d/file"), "").unwrap();
        let chain = |name: &str, between: &str, count: usize| {
            for at in 0..16 {
                let dots = between.repeat(count);
                let target = format!("{dots}{name}{}", at + 1);
                symlink(target, folder.path().join(format!("{name}{at}"))).unwrap();
            }
            symlink("d", folder.path().join(format!("{name}16"))).unwrap();
        };
        chain("few", "./", 10);
        chain("dots", "./", 2000);
        chain("slashes", "/", 4000);
        chain("up", "d/../", 700);
        let started = std::time::Instant::now();
        let walk = |path: &str| {
            let walked = follow(&root, path.as_bytes(), &Mounts::default());
            walked.map(|(_, trail)| trail.path)
        };
        let too_long = || Lost::Failed(Errno::NAMETOOLONG);
        assert_eq!(walk("/few0/file"), Ok(b"/d/file".to_vec()));
        assert_eq!(walk("/slashes0/file"), Ok(b"/d/file".to_vec()));
        for _ in 0..100 {
            assert_eq!(walk("/dots0/file"), Err(too_long()));
            assert_eq!(walk("/up0/file"), Err(too_long()));
            let long = "/.".repeat(20_000);
            assert_eq!(walk(&long), Err(too_long()));
        }
        assert!(started.elapsed() < std::time::Duration::from_secs(4));
    }

    #[test]
    fn suffixes() {
        assert_eq!(without_suffix(b"/a (deleted)"), Some(&b"/a"[..]));
        assert_eq!(without_suffix(b"/a"), None);
        assert_eq!(
            sibling(b"/usr/lib/a.so", b"b.so"),
            Bytes::from("/usr/lib/b.so")
        );
    }
}
