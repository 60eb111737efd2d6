//! Hand-made stores in temporary directories, and the copy of this machine's own.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use tempfile::TempDir;
use unstale_dpkg::Dpkg;
use unstale_packages::{Answer, Foreign, Ownership, PackageDb};

/// A root that is filled by hand.
pub(crate) struct Store {
    dir: TempDir,
    status: String,
}

impl Store {
    pub(crate) fn new() -> Self {
        let store = Self {
            dir: readable_dir(),
            status: String::new(),
        };
        store.file("/var/lib/dpkg/status", "");
        store.dir("/var/lib/dpkg/info");
        store.dir("/var/lib/dpkg/updates");
        store
    }

    /// Without anything of dpkg's.
    pub(crate) fn empty() -> Self {
        Self {
            dir: readable_dir(),
            status: String::new(),
        }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path.trim_start_matches('/'))
    }

    pub(crate) fn dir(&self, path: &str) {
        fs::create_dir_all(self.path(path)).unwrap();
    }

    pub(crate) fn file(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn link(&self, path: &str, target: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    /// A paragraph of `status`; `arch` may end in ` same` for `Multi-Arch: same`.
    pub(crate) fn package(
        &mut self,
        name: &str,
        version: &str,
        arch: &str,
        status: &str,
        more: &str,
    ) {
        let (arch, multi) = match arch.strip_suffix(" same") {
            Some(arch) => (arch, "Multi-Arch: same\n"),
            None => (arch, ""),
        };
        self.status += &format!(
            "Package: {name}\nStatus: {status}\nArchitecture: {arch}\n{multi}Version: {version}\n{more}Description: x\n more\n\n"
        );
        self.file("/var/lib/dpkg/status", &self.status);
    }

    pub(crate) fn installed(&mut self, name: &str, version: &str, arch: &str) {
        self.package(name, version, arch, "install ok installed", "");
    }

    pub(crate) fn list(&self, stem: &str, paths: &[&str]) {
        let text: String = ["/."]
            .iter()
            .chain(paths)
            .map(|path| format!("{path}\n"))
            .collect();
        self.file(&format!("/var/lib/dpkg/info/{stem}.list"), text);
    }

    pub(crate) fn open(&self) -> Dpkg {
        Dpkg::open(self.dir.path())
            .unwrap()
            .expect("a store was made")
    }

    /// The same as a root that somebody else rules.
    pub(crate) fn open_foreign(&self) -> Option<Dpkg> {
        self.open_until(Instant::now() + Duration::from_secs(60))
    }

    pub(crate) fn open_until(&self, end: Instant) -> Option<Dpkg> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(self.dir.path(), flags, Mode::empty()).unwrap();
        Dpkg::open_foreign(Foreign::new(dir, end)).unwrap()
    }

    pub(crate) fn try_open(&self) -> Option<Dpkg> {
        Dpkg::open(self.dir.path()).unwrap()
    }

    /// `NAME:ARCH VERSION` of each owner of one path, and what was damaged.
    pub(crate) fn owners(&self, path: &str) -> (Vec<String>, Vec<String>) {
        let answer = self.open().owners(&[Path::new(path)]).unwrap();
        // As the root of a container it says the same.
        let foreign = self.open_foreign().expect("a store was made");
        let same = foreign.owners(&[Path::new(path)]).unwrap();
        assert_eq!(same, answer);
        (shown(&answer.value[0]), damage(&answer))
    }
}

/// Readable for everybody, as a system's root is.
fn readable_dir() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

pub(crate) fn shown(ownership: &Ownership) -> Vec<String> {
    let packages = ownership.owners.iter().map(|owner| &owner.package);
    packages
        .map(|package| format!("{}:{} {}", package.name, package.arch, package.version))
        .collect()
}

pub(crate) fn damage<T>(answer: &Answer<T>) -> Vec<String> {
    answer.damage.iter().map(ToString::to_string).collect()
}

/// Tells the copy of a test, run as somebody else, which root to ask.
const ASKED_ROOT: &str = "UNSTALE_DPKG_TEST_ROOT";

/// The root that this copy of a test was started for.
pub(crate) fn asked_root() -> Option<PathBuf> {
    std::env::var_os(ASKED_ROOT).map(PathBuf::from)
}

/// Runs one test of this binary again as nobody; it finds the root of `store` in [`asked_root`]. What it said, or
/// `None` if this user cannot become nobody.
pub(crate) fn as_nobody(test: &str, store: &Store) -> Option<String> {
    let missing = !rustix::process::geteuid().is_root() || !Path::new("/usr/bin/setpriv").exists();
    if skipped(missing, "becoming nobody takes root and setpriv") {
        return None;
    }
    // Copied, as nobody may not enter the directory this test was built in.
    let beside = readable_dir();
    let program = beside.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let output = Command::new("/usr/bin/setpriv")
        .args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--inh-caps=-all",
        ])
        .arg(&program)
        .args(["--exact", test, "--nocapture"])
        .env(ASKED_ROOT, store.path("/"))
        .current_dir("/")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Whether a test that needs something of this machine must be left out. In CI nothing is.
pub(crate) fn skipped(missing: bool, why: &str) -> bool {
    if missing {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "in CI this must run: {why}"
        );
        eprintln!("SKIPPED: {why}");
    }
    missing
}

pub(crate) fn no_dpkg() -> bool {
    skipped(
        !Path::new("/usr/bin/dpkg-query").exists(),
        "no dpkg on this machine",
    )
}
