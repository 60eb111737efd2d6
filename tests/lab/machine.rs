//! A booted lab machine as a value: made by the scripts beside this file, gone when dropped. Knows nothing of staleness.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::{env, fs, io};

use crate::report::Report;

/// Two cores boot one machine at a time, whatever `--test-threads` says.
pub(crate) static TURN: Mutex<()> = Mutex::new(());

/// What to boot.
pub(crate) enum Image {
    /// Debian 12, systemd 252.
    Bookworm,
    /// Debian 13, systemd 257.
    Trixie,
    /// RPM packages, dnf, no dpkg.
    RpmWorld,
}

/// From when on the machine's clocks count.
#[derive(Clone, Copy)]
pub(crate) enum Clock {
    /// From its own boot, as on a real machine.
    OwnBoot,
    /// From the host's boot, as in most containers.
    HostBoot,
}

/// A machine that is up.
pub(crate) struct Machine {
    name: String,
    root: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

/// How a command ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Why the lab cannot run here, if it cannot.
fn missing() -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uid = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().nth(1));
    if uid != Some("0") {
        return Some("needs root, to boot machines and to read their processes' mappings".into());
    }
    if !Path::new("/usr/bin/apt-get").exists() {
        return Some("needs a Debian host: apt-get brings the machines' packages".into());
    }
    if ![
        "/sys/fs/cgroup/cgroup.procs",
        "/sys/fs/cgroup/unified/cgroup.procs",
    ]
    .iter()
    .any(|path| Path::new(path).exists())
    {
        return Some("needs a mounted cgroup v2 hierarchy".into());
    }
    None
}

/// Whether the lab can run; says loudly why not, and fails where that must not happen.
pub(crate) fn lab_is_here() -> bool {
    let Some(why) = missing() else { return true };
    assert!(
        env::var_os("CI").is_none_or(|ci| ci != "true"),
        "lab tests cannot run in CI: {why}"
    );
    // not eprintln!: the test harness would swallow it
    writeln!(io::stderr(), "SKIPPED: {why}").expect("stderr is open");
    false
}

/// Where the lab's machines and caches lie.
pub(crate) fn work() -> PathBuf {
    env::var_os("LAB_WORK").map_or_else(|| "/var/tmp/unstale-lab".into(), PathBuf::from)
}

/// One of the scripts beside this file, for [`work`].
pub(crate) fn script(name: &str) -> Command {
    let mut command = Command::new(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/lab")
            .join(name),
    );
    command.stdin(Stdio::null()).arg("-w").arg(work());
    command
}

/// Runs a command, however it ends.
pub(crate) fn finish(mut command: Command) -> Ended {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs a command that must succeed; what it printed.
pub(crate) fn must(command: Command) -> String {
    let what = format!("{command:?}");
    let ended = finish(command);
    assert!(
        ended.code == Some(0),
        "{what}: exit {:?}\n{}{}",
        ended.code,
        ended.stdout,
        ended.stderr
    );
    ended.stdout
}

impl Machine {
    /// Boots a machine and puts the program under test into it.
    pub(crate) fn boot(name: &str, image: Image, clock: Clock) -> Self {
        // a test that failed in its turn does not spoil the next one's
        let turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let own = std::process::id();
        let name = format!("{name}-{own}");
        let mut boot = script("boot.sh");
        boot.args(["-p", &own.to_string()]);
        match image {
            Image::Bookworm => boot.args(["-s", "bookworm"]),
            Image::Trixie => boot.args(["-s", "trixie"]),
            Image::RpmWorld => {
                boot.args(["-N", "private", "-f", must(script("rpm-world.sh")).trim()])
            }
        };
        let time_namespace = match clock {
            Clock::OwnBoot => "1",
            Clock::HostBoot => "0",
        };
        boot.env("LAB_TIMENS", time_namespace).arg(&name);
        let root = work().join("run").join(&name).join("root");
        must(boot);
        let machine = Self {
            name,
            root,
            _turn: turn,
        };
        let program =
            env::var_os("UNSTALE_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_unstale").into());
        fs::copy(&program, machine.root.join("usr/local/bin/unstale"))
            .unwrap_or_else(|error| panic!("{program:?}: {error}"));
        machine
    }

    /// Its root directory, seen from the host.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The control group of its processes, seen from the host in the v2 hierarchy.
    pub(crate) fn control_group(&self) -> String {
        format!("/lab-{}/payload", self.name)
    }

    /// Runs one of the scripts beside this file on the machine.
    pub(crate) fn script(&self, name: &str, options: &[&str], arguments: &[&str]) -> String {
        let mut command = script(name);
        command.args(options).arg(&self.name).args(arguments);
        must(command)
    }

    /// Runs a command inside, as root, however it ends.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, command: &[S]) -> Ended {
        let mut exec = script("exec.sh");
        exec.args(["-t", "300", &self.name]).args(command);
        finish(exec)
    }

    /// Runs a command inside that must succeed; what it printed.
    pub(crate) fn ask<S: AsRef<OsStr>>(&self, command: &[S]) -> String {
        let mut exec = script("exec.sh");
        exec.args(["-t", "300", &self.name]).args(command);
        must(exec)
    }

    /// Runs a shell script inside that must succeed; what it printed.
    pub(crate) fn shell(&self, script: &str) -> String {
        self.ask(&["sh", "-euc", script])
    }

    /// Runs a command of a lingering user, in the user's own service manager's world.
    pub(crate) fn ask_as(&self, uid: u32, command: &[&str]) -> String {
        let user = self.ask(&["id", "-un", &uid.to_string()]);
        let runtime = format!("XDG_RUNTIME_DIR=/run/user/{uid}");
        let mut whole = vec!["runuser", "-u", user.trim(), "--", "env", &runtime];
        whole.extend(command);
        self.ask(&whole)
    }

    /// What the program under test says about the machine, run as root.
    pub(crate) fn check(&self, options: &[&str]) -> Report {
        let mut command = vec!["/usr/local/bin/unstale", "--json"];
        command.extend(options);
        Report::read(&self.run(&command))
    }

    /// The versions of all installed packages.
    pub(crate) fn versions(&self) -> BTreeMap<String, String> {
        let listed = if self.has_dpkg() {
            self.ask(&[
                "dpkg-query",
                "-W",
                "-f",
                "${db:Status-Abbrev}\t${Package}\t${Version}\n",
            ])
        } else {
            self.ask(&[
                "rpm",
                "-qa",
                "--qf",
                "ii \t%{NAME}\t%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\n",
            ])
        };
        let row = |line: &str| {
            let (name, version) = line.strip_prefix("ii \t")?.split_once('\t')?;
            Some((name.to_owned(), version.to_owned()))
        };
        listed.lines().filter_map(row).collect()
    }

    /// The package of each file, by the path that the kernel prints (in a merged /usr).
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, String> {
        let listed = if self.has_dpkg() {
            self.shell("cd /var/lib/dpkg/info; for list in *.list; do sed \"s|^|${list%.list}\t|\" $list; done")
        } else {
            self.ask(&["rpm", "-qa", "--qf", "[%{=NAME}\t%{FILENAMES}\n]"])
        };
        let row = |line: &str| {
            let (package, path) = line.split_once('\t')?;
            let name = package
                .split_once(':')
                .map_or(package, |(name, _arch)| name);
            let merged = ["/lib/", "/lib64/", "/bin/", "/sbin/"]
                .iter()
                .any(|top| path.starts_with(top));
            let path = if merged {
                format!("/usr{path}")
            } else {
                path.to_owned()
            };
            Some((path.into(), name.to_owned()))
        };
        listed.lines().filter_map(row).collect()
    }

    fn has_dpkg(&self) -> bool {
        self.root.join("var/lib/dpkg/status").exists()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let mut stop = script("stop.sh");
        stop.env("LAB_QUIET", "1").arg(&self.name);
        // boot.sh watches this process and stops the machine later if this fails
        drop(stop.output());
    }
}
