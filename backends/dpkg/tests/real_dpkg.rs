//! Stores that dpkg itself makes, below a root of their own: what it writes at each step, and what we read of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

use unstale_packages::{FileKind, PackageDb};

use crate::store::{Store, skipped};

/// A root that dpkg keeps.
pub(crate) struct Kept(pub(crate) Store);

impl Kept {
    /// `None` where dpkg is not to be had.
    pub(crate) fn new() -> Option<Self> {
        let tools = ["/usr/bin/dpkg", "/usr/bin/dpkg-deb", "/usr/bin/dpkg-divert"];
        let missing = tools.iter().any(|tool| !Path::new(tool).exists())
            || !rustix::process::geteuid().is_root();
        if skipped(missing, "installing takes root and dpkg") {
            return None;
        }
        let store = Store::new();
        for dir in ["/usr/bin", "/tmp", "/var/log"] {
            store.dir(dir);
        }
        store.link("/bin", "usr/bin");
        Some(Self(store))
    }

    fn dpkg(&self, arguments: &[&str]) -> Output {
        let root = format!("--root={}", self.0.path("/").display());
        let log = format!("--log={}", self.0.path("/var/log/dpkg.log").display());
        let mut command = Command::new("/usr/bin/dpkg");
        // In UTC, as a root without /etc/localtime is read.
        command
            .args([&root, &log, "--force-script-chrootless"])
            .args(arguments)
            .env("TZ", "UTC")
            .output()
            .unwrap()
    }

    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) {
        let output = self.dpkg(arguments);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// A package with a program, below `/bin` or `/usr/bin`, and a configuration file.
    pub(crate) fn deb(&self, name: &str, version: &str, program: &str, postinst: &str) -> String {
        self.deb_with(name, version, program, postinst, "")
    }

    /// The same, with more fields.
    pub(crate) fn deb_with(
        &self,
        name: &str,
        version: &str,
        program: &str,
        postinst: &str,
        fields: &str,
    ) -> String {
        let dir: PathBuf = self.0.path(&format!("/tmp/{name}-{version}"));
        for (file, text) in [
            (
                "DEBIAN/control",
                format!(
                    "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: x <x@x>\n{fields}Description: x\n"
                ),
            ),
            ("DEBIAN/conffiles", format!("/etc/{name}\n")),
            (
                "DEBIAN/md5sums",
                format!("{}  {}\n", "0".repeat(32), program.trim_start_matches('/')),
            ),
            ("DEBIAN/postinst", format!("#!/bin/sh\n{postinst}\n")),
            (&format!("etc/{name}"), version.to_string()),
            (program.trim_start_matches('/'), version.to_string()),
        ] {
            let file = dir.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        Command::new("/bin/chmod")
            .arg("0755")
            .arg(dir.join("DEBIAN/postinst"))
            .status()
            .unwrap();
        let deb = format!("{}.deb", dir.display());
        let output = Command::new("/usr/bin/dpkg-deb")
            .arg("-b")
            .arg(&dir)
            .arg(&deb)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        deb
    }

    #[track_caller]
    fn check(&self, path: &str, owners: &[&str]) {
        assert_eq!(
            self.0.owners(path),
            (owners.iter().map(ToString::to_string).collect(), Vec::new()),
            "{path}"
        );
    }

    #[track_caller]
    fn check_unfinished(&self, expected: Option<&str>) {
        assert_eq!(self.0.open().unfinished().unwrap().as_deref(), expected);
    }
}

#[test]
fn from_the_first_installation_to_the_purge() {
    let Some(kept) = Kept::new() else {
        return;
    };
    kept.run(&["-i", &kept.deb("foo", "1.0", "/usr/bin/foo", "")]);
    kept.check("/usr/bin/foo", &["foo:all 1.0"]);
    kept.check("/bin/foo", &["foo:all 1.0"]);
    kept.check_unfinished(None);
    let answer = kept
        .0
        .open()
        .owners(&["/etc/foo", "/usr/bin/foo"].map(Path::new))
        .unwrap();
    let kinds = answer.value.iter().map(|ownership| {
        (
            ownership.owners[0].kind,
            ownership.owners[0].digest.is_some(),
        )
    });
    assert_eq!(
        kinds.collect::<Vec<_>>(),
        [(FileKind::Config, true), (FileKind::Shipped, true)]
    );

    kept.run(&[
        "--unpack",
        &kept.deb("foo", "1.1", "/usr/bin/foo", "exit 1"),
    ]);
    kept.check("/usr/bin/foo", &["foo:all 1.1"]);
    kept.check_unfinished(Some("foo is unpacked"));
    assert!(!kept.dpkg(&["--configure", "-a"]).status.success());
    kept.check_unfinished(Some("foo is half-configured"));
    kept.run(&["-i", &kept.deb("foo", "1.2", "/usr/bin/foo", "")]);
    kept.check_unfinished(None);

    kept.run(&["-r", "foo"]);
    kept.check("/usr/bin/foo", &[]);
    kept.check("/etc/foo", &[]);
    assert_eq!(kept.0.open().installed("foo").unwrap().value, []);
    kept.run(&["-i", &kept.deb("foo", "1.3", "/usr/bin/foo", "")]);
    kept.run(&["-P", "foo"]);

    let answer = kept.0.open().changes_since(SystemTime::UNIX_EPOCH).unwrap();
    let changes = answer
        .value
        .iter()
        .map(|change| [change.old.as_deref(), change.new.as_deref()]);
    assert_eq!(
        changes.collect::<Vec<_>>(),
        [
            [None, Some("1.0")],
            [Some("1.0"), Some("1.1")],
            [Some("1.1"), Some("1.2")],
            [Some("1.2"), None],
            [None, Some("1.3")],
            [Some("1.3"), None],
        ]
    );
    assert_eq!(answer.damage, []);
    let is_first = answer.value.iter().map(|change| change.is_first);
    let expected = [true, false, false, false, true, false];
    assert_eq!(is_first.collect::<Vec<_>>(), expected);
}

#[test]
fn t8_07_a_diversion_made_by_dpkg_divert() {
    let Some(kept) = Kept::new() else {
        return;
    };
    kept.run(&["-i", &kept.deb("foo", "1", "/usr/bin/tool", "")]);
    let root = kept.0.path("/");
    let divert = |arguments: &[&str]| {
        let mut command = Command::new("/usr/bin/dpkg-divert");
        let output = command
            .arg("--root")
            .arg(&root)
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    divert(&[
        "--package",
        "bar",
        "--rename",
        "--divert",
        "/usr/bin/tool.real",
        "--add",
        "/usr/bin/tool",
    ]);
    kept.run(&["-i", &kept.deb("bar", "2", "/usr/bin/tool", "")]);
    assert_eq!(
        fs::read_to_string(kept.0.path("/usr/bin/tool")).unwrap(),
        "2"
    );
    assert_eq!(
        fs::read_to_string(kept.0.path("/usr/bin/tool.real")).unwrap(),
        "1"
    );
    kept.check("/usr/bin/tool", &["bar:all 2"]);
    kept.check("/usr/bin/tool.real", &["foo:all 1"]);
    // An upgrade goes where the diversion says.
    kept.run(&["-i", &kept.deb("foo", "3", "/usr/bin/tool", "")]);
    assert_eq!(
        fs::read_to_string(kept.0.path("/usr/bin/tool.real")).unwrap(),
        "3"
    );
    kept.check("/usr/bin/tool.real", &["foo:all 3"]);
}
