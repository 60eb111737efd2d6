//! Systems whose packages rpm or dpkg installed, before they started and after.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;
use unstale::boot;
use unstale::model::{Before, Clock, Core, CoreChange, Listed, Timestamp};
use unstale::packages;

use crate::support::skip;

pub(crate) const NEEDS_RESTARTING: &str = "/etc/dnf/plugins/needs-restarting.d";
/// Installed before the system starts, all in version 1.0.
pub(crate) const OLD: [&str; 9] = [
    "sarcina",
    "kernel",
    "glibc",
    "lame",
    "basesystem",
    "wget",
    "abcde",
    "zlib",
    "dbus",
];

/// A root directory with packages, and when its system started.
pub(crate) struct System {
    pub(crate) dir: TempDir,
    pub(crate) started: Timestamp,
}

/// What is asked of a system.
pub(crate) struct Said {
    pub(crate) listed: Vec<Listed>,
    pub(crate) core: Core,
}

impl System {
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path.trim_start_matches('/'))
    }

    pub(crate) fn file(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A file of `needs-restarting.d`.
    pub(crate) fn conf(&self, name: &str, text: &str) {
        self.file(&format!("{NEEDS_RESTARTING}/{name}"), text);
    }

    pub(crate) fn ask(&self) -> Said {
        let options = boot::Options {
            proc: "/proc".into(),
            root: Some(self.dir.path().to_owned()),
            clock: Clock {
                boot_realtime_ns: 0,
                ticks_per_second: 100,
            },
            listed: Vec::new(),
        };
        let (boot, problems) = boot::read(&options);
        assert_eq!(problems, []);
        let listed = boot.unwrap().listed;
        let (core, problems) = packages::core(self.dir.path(), &listed, self.started);
        assert_eq!(problems, []);
        Said { listed, core }
    }
}

impl Said {
    /// `NAME OLD -> NEW` of what changed, each package once.
    pub(crate) fn changed(&self) -> Vec<String> {
        let old = |change: &CoreChange| match &change.before {
            Before::Version(old) => old.clone(),
            Before::Nothing => "nothing".to_owned(),
            Before::Unknown => "?".to_owned(),
        };
        let shown = |change: &CoreChange| {
            let package = &change.package;
            format!("{} {} -> {}", package.name, old(change), package.version)
        };
        let all: BTreeSet<String> = self.core.changed.iter().map(shown).collect();
        all.into_iter().collect()
    }

    /// `FILE NAME` of what somebody lists by hand and no store has.
    pub(crate) fn missing(&self) -> Vec<String> {
        let shown = |&index: &u32| {
            let listed = &self.listed[index as usize];
            let file = Path::new(listed.source.as_path()).file_name().unwrap();
            format!("{} {}", file.display(), listed.name)
        };
        self.core.missing.iter().map(shown).collect()
    }

    /// Who lists a package that changed.
    pub(crate) fn sources(&self, name: &str) -> BTreeSet<String> {
        let of_name = |change: &&CoreChange| change.package.name == name;
        let source = |change: &CoreChange| {
            let source = &self.listed[change.listed as usize].source;
            source.as_path().display().to_string()
        };
        self.core
            .changed
            .iter()
            .filter(of_name)
            .map(source)
            .collect()
    }
}

#[track_caller]
pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output
}

pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// The system starts in this second, and what follows happens in another one.
pub(crate) fn start() -> Timestamp {
    let started = now();
    let left = Duration::from_secs(started.as_secs() + 1).saturating_sub(started);
    sleep(left + Duration::from_millis(20));
    Timestamp {
        secs: i64::try_from(started.as_secs()).unwrap(),
        nanos: started.subsec_nanos(),
    }
}

/// Packages that were built once for all rows, and a root in which the old ones are installed.
pub(crate) struct Rpms {
    pub(crate) dir: TempDir,
    pub(crate) started: Timestamp,
}

impl Rpms {
    /// `None` where rpm is not to be had.
    pub(crate) fn get() -> Option<&'static Self> {
        static MADE: OnceLock<Option<Rpms>> = OnceLock::new();
        let made = MADE.get_or_init(|| {
            let works = |tool| Command::new(tool).arg("--version").output().is_ok();
            let is_root = rustix::process::geteuid().is_root();
            (is_root && works("rpm") && works("rpmbuild")).then(Self::make)
        });
        if made.is_none() {
            skip("making an rpm database takes root, rpm and rpmbuild");
        }
        made.as_ref()
    }

    pub(crate) fn make() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let kernel = [
            ("mykernel", "Provides: kernel = 1\n"),
            (
                "kernel-default",
                "Provides: installhint(reboot-needed) = kexec\n",
            ),
            ("libopenssl1_1", ""),
            ("libopenssl-devel", ""),
            ("dwm", ""),
        ];
        for version in ["1.0", "2.0"] {
            let packages = OLD.iter().map(|name| (*name, "")).chain(kernel);
            build(dir.path(), version, packages.collect());
        }
        let root = dir.path().join("root");
        for name in ["usr/lib64", "etc", "var/lib/rpm"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        let old: Vec<String> = OLD.iter().map(|name| format!("{name}-1.0")).collect();
        let made = Self {
            dir,
            started: Timestamp { secs: 0, nanos: 0 },
        };
        made.rpm(
            &root,
            "-i",
            &old.iter().map(String::as_str).collect::<Vec<_>>(),
        );
        Self {
            started: start(),
            ..made
        }
    }

    /// Installs packages in a root, or erases them.
    pub(crate) fn rpm(&self, root: &Path, how: &str, packages: &[&str]) {
        let mut command = Command::new("rpm");
        command
            .arg("--root")
            .arg(root)
            .args([
                "--dbpath",
                "/var/lib/rpm",
                "--force-debian",
                "--nodeps",
                how,
            ])
            .env("HOME", self.dir.path());
        for package in packages {
            match how {
                "-e" => command.arg(package),
                _ => command.arg(self.dir.path().join(format!("{package}-1.noarch.rpm"))),
            };
        }
        run(&mut command);
    }

    /// The system as it started.
    pub(crate) fn system(&self) -> System {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let from = self.dir.path().join("root/.");
        run(Command::new("cp").arg("-a").arg(from).arg(dir.path()));
        System {
            dir,
            started: self.started,
        }
    }
}

/// One specification with a package for each name: building takes its time.
pub(crate) fn build(dir: &Path, version: &str, packages: Vec<(&str, &str)>) {
    let top = dir.join(format!("build-{version}"));
    fs::create_dir_all(&top).unwrap();
    let mut spec = format!(
        "%define _build_id_links none\nName: all\nVersion: {version}\nRelease: 1\nSummary: s\nLicense: l\n\
         BuildArch: noarch\n%description\nd\n%install\nmkdir -p %{{buildroot}}/usr/lib64 \
         %{{buildroot}}{NEEDS_RESTARTING}\necho x > %{{buildroot}}/usr/lib64/libc.so.6\n\
         echo dwm > %{{buildroot}}{NEEDS_RESTARTING}/dwm.conf\n"
    );
    for (name, head) in packages {
        let files = match name {
            "glibc" => "/usr/lib64/libc.so.6\n",
            "dwm" => "/etc/dnf/plugins/needs-restarting.d/dwm.conf\n",
            _ => "",
        };
        spec += &format!(
            "%package -n {name}\nSummary: s\n{head}%description -n {name}\nd\n%files -n {name}\n{files}"
        );
    }
    let file = top.join("all.spec");
    fs::write(&file, spec).unwrap();
    run(Command::new("rpmbuild")
        .args(["-bb", "--define", &format!("_topdir {}", top.display())])
        .env("HOME", dir)
        .arg(&file));
    for built in fs::read_dir(top.join("RPMS/noarch")).unwrap() {
        let built = built.unwrap();
        fs::rename(built.path(), dir.join(built.file_name())).unwrap();
    }
}

/// A Debian system that dpkg keeps.
pub(crate) fn debian() -> Option<System> {
    let tools = ["/usr/bin/dpkg", "/usr/bin/dpkg-deb"];
    let missing = tools.iter().any(|tool| !Path::new(tool).exists());
    if missing || !rustix::process::geteuid().is_root() {
        skip("installing takes root and dpkg");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let started = Timestamp { secs: 0, nanos: 0 };
    let system = System { dir, started };
    system.file("/var/lib/dpkg/status", "");
    for name in [
        "/var/lib/dpkg/info",
        "/var/lib/dpkg/updates",
        "/var/log",
        "/debs",
    ] {
        fs::create_dir_all(system.path(name)).unwrap();
    }
    Some(system)
}

impl System {
    /// Installs packages that are made for it, `NAME-VERSION` each.
    pub(crate) fn dpkg(&self, packages: &[(&str, &str)]) {
        let mut command = Command::new("/usr/bin/dpkg");
        // In UTC, as a root without /etc/localtime is read.
        command
            .arg(format!("--root={}", self.dir.path().display()))
            .arg(format!(
                "--log={}",
                self.path("/var/log/dpkg.log").display()
            ))
            .args(["--force-script-chrootless", "-i"])
            .env("TZ", "UTC");
        for (name, version) in packages {
            let made = self.path(&format!("/debs/{name}-{version}"));
            for (file, text) in [
                (
                    "DEBIAN/control",
                    format!(
                        "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n"
                    ),
                ),
                (&format!("usr/lib/{name}.so.1"), (*version).to_owned()),
            ] {
                let file = made.join(file);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
            }
            let deb = made.with_extension("deb");
            run(Command::new("/usr/bin/dpkg-deb")
                .arg("-b")
                .arg(&made)
                .arg(&deb));
            command.arg(deb);
        }
        run(&mut command);
    }
}
