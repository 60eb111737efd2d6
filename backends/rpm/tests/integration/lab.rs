//! A root directory with packages that the real rpm has installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use unstale_packages::Foreign;
use unstale_rpm::Rpm;

/// Whether rpm's programs are here. Without them a test says so and passes, except in CI.
pub(crate) fn has_rpm() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    let found = *FOUND.get_or_init(|| {
        let works = |tool| Command::new(tool).arg("--version").output().is_ok();
        works("rpm") && works("rpmbuild")
    });
    if !found {
        skip("rpm and rpmbuild are not installed");
    }
    found
}

/// Says that a test was not run.
pub(crate) fn skip(why: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "in CI: {why}");
    eprintln!("SKIPPED: {why}");
}

/// A package to build: what differs between the tests.
pub(crate) struct Spec<'a> {
    pub(crate) name: &'a str,
    pub(crate) evr: (u32, &'a str, &'a str),
    /// Lines of `%files`; those that are no ghosts get the content.
    pub(crate) files: &'a [&'a str],
    pub(crate) content: &'a str,
}

/// A root directory of its own.
pub(crate) struct Lab {
    dir: tempfile::TempDir,
}

impl Lab {
    /// An empty root with merged /usr.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let lab = Self { dir };
        for name in ["bin", "sbin", "lib", "lib64"] {
            fs::create_dir_all(lab.root().join("usr").join(name)).unwrap();
            std::os::unix::fs::symlink(format!("usr/{name}"), lab.root().join(name)).unwrap();
        }
        fs::create_dir_all(lab.root().join("etc")).unwrap();
        fs::create_dir_all(lab.database()).unwrap();
        lab
    }

    pub(crate) fn root(&self) -> PathBuf {
        let root = self.dir.path().join("root");
        fs::create_dir_all(&root).unwrap();
        // Other users look at it too.
        let all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(self.dir.path(), all).unwrap();
        root
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.dir.path().join("root/var/lib/rpm")
    }

    pub(crate) fn open(&self) -> Rpm {
        Rpm::open(&self.root()).unwrap().unwrap()
    }

    /// The same as a root that somebody else rules.
    pub(crate) fn open_foreign(&self) -> Rpm {
        let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY;
        let dir = rustix::fs::open(self.root(), flags, rustix::fs::Mode::empty()).unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        Rpm::open_foreign(Foreign::new(dir, end)).unwrap().unwrap()
    }

    /// Builds a package and gives its file.
    pub(crate) fn build(&self, spec: &Spec<'_>) -> PathBuf {
        self.build_with(spec, "")
    }

    /// The same, with more lines in the head of its specification.
    fn build_with(&self, spec: &Spec<'_>, head: &str) -> PathBuf {
        let top = self.dir.path().join("build");
        let _ = fs::remove_dir_all(&top);
        fs::create_dir_all(&top).unwrap();
        let file = top.join("a.spec");
        fs::write(&file, spec.text(head)).unwrap();
        run(Command::new("rpmbuild")
            .arg("-bb")
            .arg("--define")
            .arg(format!("_topdir {}", top.display()))
            .env("HOME", self.dir.path())
            .arg(&file));
        let built = fs::read_dir(top.join("RPMS/noarch")).unwrap();
        let built = built.map(|entry| entry.unwrap().path()).next().unwrap();
        let kept = self.dir.path().join(built.file_name().unwrap());
        fs::rename(built, &kept).unwrap();
        kept
    }

    /// Builds and installs; `how` is `-i` or `-U`.
    pub(crate) fn install(&self, how: &str, spec: &Spec<'_>) {
        let package = self.build(spec);
        self.rpm(&[how, "--force", "--nodeps", package.to_str().unwrap()]);
    }

    /// The same, with more lines in the head of its specification.
    pub(crate) fn install_with(&self, how: &str, spec: &Spec<'_>, head: &str) {
        let package = self.build_with(spec, head);
        self.rpm(&[how, "--force", "--nodeps", package.to_str().unwrap()]);
    }

    /// Runs rpm on this root, and gives what it prints.
    pub(crate) fn rpm(&self, args: &[&str]) -> String {
        text(&run(self.command().args(args)))
    }

    /// An empty database, as `rpm` makes it where there is none.
    pub(crate) fn init(&self) {
        let root = self.root();
        run(Command::new("rpmdb")
            .arg("--initdb")
            .arg("--root")
            .arg(root)
            .args(["--dbpath", "/var/lib/rpm"]));
    }

    /// rpm on this root, not yet started.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new("rpm");
        command
            .arg("--root")
            .arg(self.root())
            .args(["--dbpath", "/var/lib/rpm", "--force-debian"])
            .env("HOME", self.dir.path());
        command
    }
}

impl Spec<'_> {
    fn text(&self, head: &str) -> String {
        let (epoch, version, release) = self.evr;
        let shipped = self
            .files
            .iter()
            .filter(|line| !line.starts_with("%ghost") && !line.starts_with("%dir"));
        let make = shipped.map(|line| {
            let path = line.split(' ').next_back().unwrap();
            let content = self.content;
            format!("mkdir -p %{{buildroot}}$(dirname '{path}')\nprintf '%s' '{content}' > '%{{buildroot}}{path}'\n")
        });
        format!(
            "%define _build_id_links none\nName: {}\nEpoch: {epoch}\nVersion: {version}\nRelease: {release}\n\
             Summary: s\nLicense: l\nBuildArch: noarch\n{head}%description\nd\n%install\n{}%files\n{}\n",
            self.name,
            make.collect::<String>(),
            self.files.join("\n"),
        )
    }
}

/// Runs to the end, which must be a good one.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output
}

/// Runs one test of this program in another process, which must find it.
#[track_caller]
pub(crate) fn run_test(command: &mut Command) {
    let printed = text(&run(command));
    assert!(printed.contains("1 passed"), "{command:?}: {printed}");
}

/// What a command printed.
pub(crate) fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Name, size, inode, times and content of all files below a directory.
pub(crate) fn look(directory: &Path) -> Vec<String> {
    use std::os::unix::fs::MetadataExt;
    let entries = fs::read_dir(directory).unwrap().map(|e| e.unwrap().path());
    let mut seen: Vec<_> = entries
        .chain([directory.to_owned()])
        .map(|path| {
            let m = fs::metadata(&path).unwrap();
            let times = (m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec());
            let content = fs::read(&path).unwrap_or_default();
            let sum = content.iter().fold(7_u64, |sum, byte| {
                sum.wrapping_mul(31).wrapping_add((*byte).into())
            });
            format!("{} {} {} {times:?} {sum}", path.display(), m.len(), m.ino())
        })
        .collect();
    seen.sort();
    seen
}
