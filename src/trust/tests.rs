use std::fs::{self, Permissions};
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::time::Instant;

use tempfile::TempDir;

use super::*;

/// A directory that is trusted, and its path without links. Below a sticky directory, as all of these are.
fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let path = dir.path().canonicalize().unwrap();
    (dir, path)
}

fn euid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn file(path: &Path, mode: u32) {
    fs::write(path, "text").unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn directory(path: &Path, mode: u32) {
    fs::create_dir(path).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[track_caller]
fn check(path: &Path) {
    let fd = open_trusted(path, euid()).unwrap_or_else(|error| panic!("{error}"));
    let mut text = String::new();
    fs::File::from(fd).read_to_string(&mut text).unwrap();
    assert_eq!(text, "text");
}

#[track_caller]
fn check_refused(path: &Path, at: &Path, why: Why) {
    let begun = Instant::now();
    let error = open_trusted(path, euid()).unwrap_err();
    assert_eq!((error.at.as_path(), error.why), (at, why), "{error}");
    assert!(begun.elapsed().as_secs() < 5, "it waited");
}

#[test]
fn modes_of_a_file() {
    let (_dir, dir) = place();
    let path = dir.join("x");
    for mode in [0o644, 0o755, 0o600, 0o400, 0o4755, 0o1644] {
        file(&path, mode);
        check(&path);
        fs::remove_file(&path).unwrap();
    }
    for mode in [0o664, 0o646, 0o666, 0o777, 0o620, 0o602, 0o1666] {
        file(&path, mode);
        check_refused(&path, &path, Why::Writable(mode));
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn modes_of_directories_above() {
    let (_dir, dir) = place();
    directory(&dir.join("a"), 0o755);
    directory(&dir.join("a/b"), 0o755);
    let path = dir.join("a/b/x");
    file(&path, 0o644);
    check(&path);
    for at in ["a", "a/b"] {
        let at = dir.join(at);
        for mode in [0o775, 0o757, 0o777, 0o2775] {
            fs::set_permissions(&at, Permissions::from_mode(mode)).unwrap();
            check_refused(&path, &at, Why::Writable(mode));
        }
        fs::set_permissions(&at, Permissions::from_mode(0o755)).unwrap();
    }
    check(&path);
}

#[test]
fn directories_where_anybody_makes_names() {
    let (_dir, dir) = place();
    let shared = dir.join("shared");
    directory(&shared, 0o1777);
    // A directory of ours cannot be renamed there by others.
    directory(&shared.join("ours"), 0o755);
    file(&shared.join("ours/x"), 0o644);
    check(&shared.join("ours/x"));
    // A file may be a hard link that anybody made of a file of ours; a link likewise.
    file(&shared.join("x"), 0o644);
    check_refused(&shared.join("x"), &shared.join("x"), Why::InSharedDirectory);
    symlink("ours", shared.join("link")).unwrap();
    check_refused(
        &shared.join("link/x"),
        &shared.join("link"),
        Why::InSharedDirectory,
    );
}

#[test]
fn owners() {
    let (_dir, dir) = place();
    directory(&dir.join("a"), 0o755);
    let path = dir.join("a/x");
    file(&path, 0o644);
    if !euid().eq(&0) {
        // What is the user's own is trusted by that user, and by no other.
        check(&path);
        let error = open_trusted(&path, euid() + 1).unwrap_err();
        assert!(matches!(error.why, Why::Owner { .. }), "{error}");
        return;
    }
    let foreign = Why::Owner { uid: 1, allowed: 0 };
    chown(&path, Some(1), None).unwrap();
    check_refused(&path, &path, foreign);
    // Its own user trusts it, and another does not.
    assert!(open_trusted(&path, 1).is_ok());
    let error = open_trusted(&path, 2).unwrap_err();
    assert_eq!(error.why, Why::Owner { uid: 1, allowed: 2 });
    chown(&path, Some(0), Some(1)).unwrap();
    check(&path);
    chown(dir.join("a"), Some(1), None).unwrap();
    check_refused(&path, &dir.join("a"), foreign);
}

#[test]
fn links() {
    let (_dir, dir) = place();
    directory(&dir.join("a"), 0o755);
    directory(&dir.join("a/b"), 0o755);
    file(&dir.join("a/x"), 0o644);
    file(&dir.join("a/b/y"), 0o644);
    // On the way, links of ours are followed: relative, absolute, up and down, to links.
    symlink("a", dir.join("relative")).unwrap();
    symlink(dir.join("a"), dir.join("absolute")).unwrap();
    symlink("../../relative/./b//", dir.join("a/b/up")).unwrap();
    symlink("/../../../..", dir.join("above-root")).unwrap();
    check(&dir.join("relative/x"));
    check(&dir.join("absolute/b/y"));
    check(&dir.join("a/b/up/up/y"));
    check(&dir.join("a/b/../x"));
    let rest = dir.strip_prefix("/").unwrap();
    check(&dir.join("above-root").join(rest).join("a/x"));
    // The last one is none.
    symlink("x", dir.join("a/link")).unwrap();
    check_refused(&dir.join("a/link"), &dir.join("a/link"), Why::Link);
    // And what they lead to is looked at as well.
    fs::set_permissions(dir.join("a"), Permissions::from_mode(0o777)).unwrap();
    check_refused(
        &dir.join("relative/x"),
        &dir.join("a"),
        Why::Writable(0o777),
    );
    fs::set_permissions(dir.join("a"), Permissions::from_mode(0o755)).unwrap();
    symlink("loop", dir.join("loop")).unwrap();
    check_refused(&dir.join("loop/x"), &dir.join("loop"), Why::TooManyLinks);
    symlink("nothing", dir.join("dangling")).unwrap();
    check_refused(&dir.join("dangling/x"), &dir.join("nothing"), Why::Missing);
    if euid() == 0 {
        rustix::fs::chownat(
            rustix::fs::CWD,
            dir.join("relative"),
            rustix::process::Uid::from_raw(1).into(),
            None,
            rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
        )
        .unwrap();
        let foreign = Why::Owner { uid: 1, allowed: 0 };
        check_refused(&dir.join("relative/x"), &dir.join("relative"), foreign);
    }
}

#[test]
fn what_is_no_file_is_not_opened() {
    let (_dir, dir) = place();
    let fifo = dir.join("fifo");
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, mode, 0).unwrap();
    check_refused(&fifo, &fifo, Why::NotFile);
    let socket = dir.join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    check_refused(&socket, &socket, Why::NotFile);
    directory(&dir.join("directory"), 0o755);
    check_refused(&dir.join("directory"), &dir.join("directory"), Why::NotFile);
    check_refused(Path::new("/dev/zero"), Path::new("/dev/zero"), Why::NotFile);
    file(&dir.join("x"), 0o644);
    check_refused(&dir.join("x/y"), &dir.join("x"), Why::NotDirectory);
    check_refused(&dir.join("none"), &dir.join("none"), Why::Missing);
    check_refused(&dir.join("none/x"), &dir.join("none"), Why::Missing);
}

#[test]
fn odd_paths() {
    let (_dir, dir) = place();
    file(&dir.join("x"), 0o644);
    check(Path::new(&format!("/{}//./x", dir.display())));
    for relative in ["", "x", "./x", "../x"] {
        let path = Path::new(relative);
        let error = open_trusted(path, euid()).unwrap_err();
        assert_eq!(error.why, Why::Relative, "{relative}");
    }
    for directory in ["/", "/..", "/tmp/", "/tmp/."] {
        let error = open_trusted(Path::new(directory), euid()).unwrap_err();
        assert_eq!(error.why, Why::NotFile, "{directory}");
    }
    let nul = PathBuf::from(OsString::from_vec(b"/tmp\0/x".to_vec()));
    assert!(open_trusted(&nul, euid()).is_err());
    let long = PathBuf::from(format!("/{}", "a".repeat(300)));
    let error = open_trusted(&long, euid()).unwrap_err();
    assert!(matches!(error.why, Why::System(_)), "{error}");
}

#[test]
fn a_huge_file_costs_nothing() {
    let (_dir, dir) = place();
    file(&dir.join("x"), 0o644);
    fs::File::options()
        .write(true)
        .open(dir.join("x"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    assert!(open_trusted(&dir.join("x"), euid()).is_ok());
}

#[test]
fn what_it_says_names_the_component() {
    let (_dir, dir) = place();
    directory(&dir.join("a\u{1b}[31m"), 0o777);
    file(&dir.join("a\u{1b}[31m/x"), 0o644);
    let error = open_trusted(&dir.join("a\u{1b}[31m/x"), euid()).unwrap_err();
    let at = dir.display();
    assert_eq!(
        error.to_string(),
        format!("{at}/a\\u{{1b}}[31m: writable by others than its owner (mode 0777)")
    );
}

#[test]
fn links_in_a_directory_are_read_not_followed() {
    let (_dir, dir) = place();
    symlink("/dev/null", dir.join("mask")).unwrap();
    file(&dir.join("x"), 0o644);
    let opened = TrustedDir::open(&dir, euid()).unwrap();
    let target = opened.read_link(OsStr::new("mask")).unwrap();
    assert_eq!(target, Some(PathBuf::from("/dev/null")));
    assert_eq!(opened.read_link(OsStr::new("x")).unwrap(), None);
    assert!(opened.read_link(OsStr::new("none")).is_err());
}
