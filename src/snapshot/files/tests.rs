//! What a detector gets to see, and what it does not.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::OnceLock;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;
use crate::model::StartTicks;
use crate::view::Base;

struct World {
    dir: tempfile::TempDir,
    proc: Arc<ProcRoot>,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        Self {
            dir,
            proc: Arc::new(ProcRoot::open(Path::new("/proc")).unwrap()),
        }
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    /// The files as a process with these rights sees them.
    fn files(&self, rights: Rights) -> ProcessFiles {
        let place = Arc::new(Place {
            base: Base::Directory(self.dir.path().to_owned()),
            mounts: OnceLock::new(),
            came: Default::default(),
            whole: false,
            host: true,
            host_path: None,
        });
        let pid = std::process::id();
        let started = scan::start_of(&self.proc, pid).unwrap();
        let key = ProcessKey { pid, started };
        ProcessFiles::new(
            Arc::clone(&self.proc),
            (key, pid),
            (Arc::clone(&place), place),
            rights,
        )
    }

    fn of_root(&self) -> ProcessFiles {
        self.files(Rights::all())
    }

    fn of_nobody(&self) -> ProcessFiles {
        self.files(Rights::default().of_user(65_534))
    }
}

const OWN: Root = Root::Process;

#[test]
fn files_directories_and_links() {
    let world = World::new();
    world.write("a/script.py", "import b\n", 0o644);
    symlink("/a", world.dir.path().join("link")).unwrap();
    for files in [world.of_root(), world.of_nobody()] {
        assert_eq!(files.read(OWN, b"/link/script.py").unwrap(), b"import b\n");
        assert_eq!(files.read_at(OWN, b"/a/script.py", 7, 100).unwrap(), b"b\n");
        assert_eq!(files.read_at(OWN, b"/a/script.py", 700, 100).unwrap(), b"");
        let stat = files.stat(OWN, b"/link/../link//script.py").unwrap();
        assert_eq!((stat.kind, stat.size), (Kind::File, 9));
        assert_eq!(stat.real_path, b"/a/script.py");
        assert_eq!(files.stat(OWN, b"/").unwrap().real_path, b"/");
        let entries = files.list(OWN, b"/link").unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].name, b"script.py");
        assert_eq!(files.read_link(OWN, b"/link").unwrap(), b"/a");
        assert_eq!(files.read_link(OWN, b"/a"), Err(Refused::WrongKind));
        assert_eq!(files.read(OWN, b"/a"), Err(Refused::WrongKind));
        assert_eq!(files.list(OWN, b"/a/script.py"), Err(Refused::WrongKind));
        assert_eq!(files.read(OWN, b"/none"), Err(Refused::Missing));
        assert_eq!(files.read(OWN, b"/a/script.py/x"), Err(Refused::Missing));
    }
}

#[test]
fn t11_05_nothing_leads_out_of_the_root() {
    let world = World::new();
    world.write("in", "inside", 0o644);
    symlink("../../../../../../in", world.dir.path().join("up")).unwrap();
    symlink("loop", world.dir.path().join("loop")).unwrap();
    symlink("/etc/hostname", world.dir.path().join("out")).unwrap();
    let files = world.of_nobody();
    assert_eq!(files.read(OWN, b"/up").unwrap(), b"inside");
    assert_eq!(files.read(OWN, b"/loop"), Err(Refused::Failed));
    assert_eq!(files.read(OWN, b"/out"), Err(Refused::Missing));
}

#[test]
fn t11_03_what_is_no_file_is_not_opened() {
    let world = World::new();
    let fifo = world.dir.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    for files in [world.of_root(), world.of_nobody()] {
        assert_eq!(files.stat(OWN, b"/fifo").unwrap().kind, Kind::Other);
        let refused = files.read(OWN, b"/fifo");
        assert!(
            matches!(refused, Err(Refused::WrongKind | Refused::Denied)),
            "{refused:?}"
        );
    }
}

#[test]
fn others_private_files_are_not_shown() {
    let world = World::new();
    world.write("secret", "key", 0o600);
    world.write("dir/open", "seen by who gets there", 0o644);
    let private = world.dir.path().join("dir");
    fs::set_permissions(&private, Permissions::from_mode(0o700)).unwrap();
    symlink("dir/open", world.dir.path().join("way")).unwrap();
    let (root, nobody) = (world.of_root(), world.of_nobody());
    for path in [&b"/secret"[..], b"/dir/open", b"/way"] {
        assert!(root.read(OWN, path).is_ok());
        assert_eq!(nobody.read(OWN, path), Err(Refused::Denied));
    }
    assert_eq!(nobody.stat(OWN, b"/dir/open"), Err(Refused::Denied));
    assert_eq!(nobody.list(OWN, b"/dir"), Err(Refused::Denied));
    assert_eq!(nobody.read_link(OWN, b"/dir/x"), Err(Refused::Denied));
    // May be passed through, and not be read.
    fs::set_permissions(&private, Permissions::from_mode(0o711)).unwrap();
    assert!(nobody.read(OWN, b"/dir/open").is_ok());
    assert_eq!(nobody.list(OWN, b"/dir"), Err(Refused::Denied));
}

#[test]
fn t11_02_sizes_and_numbers_are_bounded() {
    let world = World::new();
    world.write("large", &"x".repeat(1024 * 1024 + 1), 0o644);
    let sparse = fs::File::create(world.dir.path().join("sparse")).unwrap();
    sparse.set_len(10 << 40).unwrap();
    world.write("small", "x", 0o644);
    world.write("megabyte", &"x".repeat(1024 * 1024), 0o644);
    let files = world.of_root();
    assert_eq!(files.read(OWN, b"/large"), Err(Refused::TooLarge));
    assert_eq!(files.read(OWN, b"/sparse"), Err(Refused::TooLarge));
    let end = files.read_at(OWN, b"/sparse", (10 << 40) - 4, 100).unwrap();
    assert_eq!(end, [0; 4]);
    assert_eq!(
        files.read_at(OWN, b"/sparse", 0, u32::MAX),
        Err(Refused::TooLarge)
    );
    let read = (0..90).take_while(|_| files.read(OWN, b"/megabyte").is_ok());
    assert_eq!(read.count(), 31); // and the 4 bytes before
    let files = world.of_root();
    // By another name it is another file; what is read twice counts once.
    let name = |n: usize| [b"/".repeat(n + 1), b"small".to_vec()].concat();
    let names = (0..FILES_CAP + 9).flat_map(|n| [name(n % 4000), name(n % 4000)]);
    assert!(names.take(8000).all(|name| files.read(OWN, &name).is_ok()));
    assert_eq!(files.read(OWN, b"/megabyte"), Err(Refused::Budget));
    let files = world.of_root();
    let asked = (0..90_000).take_while(|_| files.stat(OWN, b"/small") != Err(Refused::Budget));
    assert!(asked.count() <= QUESTIONS_CAP as usize);
}

#[test]
fn files_of_the_kernel_are_not_read() {
    let files = World {
        dir: tempfile::tempdir_in("/dev/shm").unwrap(),
        ..World::new()
    };
    let of_machine = {
        let place = Arc::new(Place {
            base: Base::Directory("/".into()),
            mounts: OnceLock::new(),
            came: Default::default(),
            whole: false,
            host: true,
            host_path: None,
        });
        let key = ProcessKey {
            pid: 1,
            started: StartTicks(0),
        };
        let proc = Arc::clone(&files.proc);
        ProcessFiles::new(proc, (key, 1), (Arc::clone(&place), place), Rights::all())
    };
    let path = format!("/proc/{}/environ", std::process::id());
    for path in [path.as_bytes(), b"/proc/version", b"/sys/kernel/notes"] {
        let refused = of_machine.read(OWN, path);
        assert_eq!(
            refused,
            Err(Refused::Denied),
            "{}",
            String::from_utf8_lossy(path)
        );
    }
}

#[test]
fn through_a_users_directory_only_that_users_files_of_the_host_are_shown() {
    let world = World::new();
    world.write("root/config", "system", 0o600);
    world.write("user/own", "own", 0o600);
    symlink("../root/config", world.dir.path().join("user/link")).unwrap();
    let user = world.dir.path().join("user");
    for path in [user.clone(), user.join("own")] {
        std::os::unix::fs::chown(path, Some(65_534), None).unwrap();
    }
    std::os::unix::fs::lchown(user.join("link"), Some(65_534), None).unwrap();
    let files = world.of_nobody();
    assert_eq!(files.read(Root::Host, b"/root/config").unwrap(), b"system");
    assert_eq!(files.read(Root::Host, b"/user/own").unwrap(), b"own");
    assert_eq!(files.read(Root::Host, b"/user/link"), Err(Refused::Denied));
}

#[test]
fn memory_of_the_process_that_is_meant() {
    let world = World::new();
    let files = world.of_root();
    let text = *b"in memory";
    let address = text.as_ptr() as u64;
    assert_eq!(files.memory(address, 9).unwrap(), text);
    assert_eq!(files.memory(0, 9), Err(Refused::Missing));
    assert_eq!(files.memory(address, MEMORY_CAP + 1), Err(Refused::Budget));
    let mut other = world.of_root();
    other.key.started = StartTicks(other.key.started.0 + 1);
    assert!(other.memory(address, 9).is_err());
}
