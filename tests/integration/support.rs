//! Worlds to run `unstale` in, and what a run said.
//!
//! A [`World`] has mount and PID namespaces of its own: a run in it sees the processes of its test and no others, so
//! that it can be asked to be complete. Nothing done in it is visible outside, but for files below its directory.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// The program under test.
pub(crate) const UNSTALE: &str = env!("CARGO_BIN_EXE_unstale");

/// What makes an ordinary user of the program behind it.
pub(crate) const NOBODY: [&str; 4] = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
];

/// Two programs that are no links of one another, and a library that needs no other but libc.
const OLD_PROGRAM: &str = "/bin/sleep";
const NEW_PROGRAM: &str = "/bin/cat";

/// A file of this repository.
pub(crate) fn of_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Says loudly that a test did not run; in CI that is a failure.
#[track_caller]
pub(crate) fn skip(why: &str) {
    eprintln!("SKIPPED: {why}");
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "in CI nothing may be skipped: {why}"
    );
}

/// Runs `test` in a world of its own, or skips it where none can be made.
#[track_caller]
pub(crate) fn in_world(test: impl FnOnce(&World)) {
    if !rustix::process::geteuid().is_root() {
        skip("worlds of processes need root");
        return;
    }
    let works = Command::new("unshare").args(["-mpf", "true"]).status();
    if !works.is_ok_and(|status| status.success()) {
        skip("worlds of processes need namespaces of their own");
        return;
    }
    test(&World::new());
}

/// Longer than the grain of the clocks that are compared: 10 ms ticks of a process start, the coarse clock of files.
pub(crate) fn settle() {
    sleep(Duration::from_millis(40));
}

/// Mount and PID namespaces with a /proc of their own, and a directory for files.
pub(crate) struct World {
    dir: TempDir,
    pid: String,
    unstale: PathBuf,
    /// Ends the first process of the namespace, and with it all others, when it is closed.
    _life: ChildStdin,
    starter: Child,
}

impl Drop for World {
    fn drop(&mut self) {
        // --kill-child: nothing of this world is left when the wait is over.
        self.starter.kill().unwrap();
        self.starter.wait().unwrap();
    }
}

impl World {
    fn new() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("unstale-world-")
            .tempdir()
            .unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        // The shell prints its pid as we see it, before it mounts a /proc of its own.
        let line =
            "read -r pid rest </proc/self/stat; mount -t proc proc /proc; echo $pid; exec cat";
        let mut starter = Command::new("unshare")
            .args(["-mpf", "--kill-child", "--propagation", "private", "--"])
            .args(["sh", "-ec", line])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let life = starter.stdin.take().unwrap();
        let mut pid = String::new();
        BufReader::new(starter.stdout.take().unwrap())
            .read_line(&mut pid)
            .unwrap();
        let world = Self {
            unstale: dir.path().join("unstale"),
            dir,
            pid: pid.trim().to_owned(),
            _life: life,
            starter,
        };
        // Below a directory that nobody can reach too.
        world.sh(&format!(
            "touch $D/unstale; mount --bind '{UNSTALE}' $D/unstale"
        ));
        world
    }

    pub(crate) fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.dir.path().join(Path::new(name.as_ref()))
    }

    /// A command that runs in this world.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["-t", &self.pid, "-m", "-p", "--"])
            .arg(program)
            .stdin(Stdio::null());
        command
    }

    /// Runs a shell line in this world; `$D` is its directory.
    #[track_caller]
    pub(crate) fn sh(&self, line: &str) -> String {
        let mut command = self.command("sh");
        let output = command
            .args(["-ec", line])
            .env("D", self.dir.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A copy of a program, at a path of this world's own.
    pub(crate) fn install(&self, name: impl AsRef<OsStr>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(OLD_PROGRAM, &path).unwrap();
        path
    }

    /// Starts a program that takes a number of seconds, and waits until it runs.
    pub(crate) fn start(&self, program: &Path) -> Running {
        self.start_through::<&str>(&[], program, &[])
    }

    /// The same behind `prefix`, with more arguments.
    pub(crate) fn start_through<A: AsRef<OsStr>>(
        &self,
        prefix: &[&str],
        program: &Path,
        args: &[A],
    ) -> Running {
        // What is older than the process must be so by more than the grain of the clocks.
        settle();
        let all: Vec<OsString> = prefix
            .iter()
            .map(OsString::from)
            .chain([program.as_os_str().to_owned(), "1000".into()])
            .chain(args.iter().map(|arg| arg.as_ref().to_owned()))
            .collect();
        let mut command = self.command(&all[0]);
        let child = command.args(&all[1..]).spawn().unwrap();
        let inside = wait_for_grandchild(&child, program);
        settle();
        Running { pid: inside, child }
    }

    /// A stale process: a program that was replaced by another.
    pub(crate) fn stale(&self, name: impl AsRef<OsStr>) -> (Running, PathBuf) {
        let program = self.install(name);
        let running = self.start(&program);
        replace(&program);
        (running, program)
    }

    /// One run of `unstale`.
    #[track_caller]
    pub(crate) fn run<A: AsRef<OsStr>>(&self, args: &[A]) -> Run {
        self.run_through(&[], args)
    }

    /// The same behind `prefix`.
    #[track_caller]
    pub(crate) fn run_through<A: AsRef<OsStr>>(&self, prefix: &[&str], args: &[A]) -> Run {
        let mut command = self.command("timeout");
        command.args(["-s", "KILL", "20"]).args(prefix);
        run(command.arg(&self.unstale).args(args))
    }

    /// One run of a shell line in which `$UNSTALE` is the program.
    #[track_caller]
    pub(crate) fn run_line(&self, line: &str) -> Run {
        let mut command = self.command("timeout");
        command.args(["-s", "KILL", "20", "bash", "-c", line]);
        // Colour is offered to terminals of continuous integration that otherwise would not get it.
        run(command
            .env_remove("CI")
            .env("UNSTALE", &self.unstale)
            .env("D", self.dir.path()))
    }

    /// A dpkg database in this world only, that says that `server` owns these files, and a log of its last upgrade.
    pub(crate) fn dpkg(&self, files: &[&Path]) {
        let (admin, logs) = (self.path("dpkg"), self.path("log"));
        fs::create_dir_all(admin.join("info")).unwrap();
        fs::create_dir_all(admin.join("updates")).unwrap();
        fs::create_dir_all(&logs).unwrap();
        fs::write(
            admin.join("status"),
            "Package: server\nStatus: install ok installed\nMaintainer: A <a@example.org>\n\
             Architecture: amd64\nVersion: 2.0-1\nDescription: serves\n\n",
        )
        .unwrap();
        let names = files.iter().map(|file| file.to_str().unwrap());
        let list: String = names.map(|name| format!("{name}\n")).collect();
        fs::write(admin.join("info/server.list"), format!("/.\n{list}")).unwrap();
        let stamp = self.sh("date '+%Y-%m-%d %H:%M:%S'");
        fs::write(
            logs.join("dpkg.log"),
            format!(
                "{stamp} startup archives unpack\n{stamp} upgrade server:amd64 1.0-1 2.0-1\n\
                 {stamp} status installed server:amd64 2.0-1\n"
            ),
        )
        .unwrap();
        self.sh("mount --bind $D/dpkg /var/lib/dpkg; mount --bind $D/log /var/log");
    }
}

/// As a package manager does it: written beside, renamed over.
pub(crate) fn replace(path: &Path) {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".dpkg-new");
    fs::copy(NEW_PROGRAM, &beside).unwrap();
    fs::rename(beside, path).unwrap();
    settle();
}

/// The pid, in the innermost namespace, of what a command runs behind nsenter and other wrappers.
fn wait_for_grandchild(child: &Child, program: &Path) -> u64 {
    let patience = Instant::now() + Duration::from_secs(10);
    loop {
        let mut at = child.id().to_string();
        // Wrappers fork or exec; the last child is what runs.
        while let Ok(children) = fs::read_to_string(format!("/proc/{at}/task/{at}/children"))
            && let Some(next) = children.split_whitespace().next()
        {
            next.clone_into(&mut at);
        }
        let exe = fs::read_link(format!("/proc/{at}/exe")).unwrap_or_default();
        if exe.file_name() == program.file_name() {
            let status = fs::read(format!("/proc/{at}/status")).unwrap();
            let status = String::from_utf8_lossy(&status).into_owned();
            let line = status
                .lines()
                .find(|line| line.starts_with("NSpid:"))
                .unwrap();
            return line
                .split_whitespace()
                .next_back()
                .unwrap()
                .parse()
                .unwrap();
        }
        assert!(
            Instant::now() < patience,
            "{program:?} does not run: {exe:?}"
        );
        sleep(Duration::from_millis(5));
    }
}

/// A process in a world; it ends with it.
pub(crate) struct Running {
    pub(crate) pid: u64,
    child: Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// One run of `unstale` on this machine, with nothing of our environment that could change what it prints.
#[track_caller]
pub(crate) fn unstale<A: AsRef<OsStr>>(args: &[A]) -> Run {
    run(Command::new("timeout")
        .args(["-s", "KILL", "60"])
        .arg(UNSTALE)
        .args(args))
}

#[track_caller]
fn run(command: &mut Command) -> Run {
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "LD_LIBRARY_PATH"] {
        command.env_remove(name);
    }
    let begun = Instant::now();
    let output: Output = command
        .stdin(Stdio::null())
        .process_group(0)
        .output()
        .unwrap();
    Run {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: output.stderr,
        took: begun.elapsed(),
    }
}

/// What one run said.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) took: Duration,
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (out, err) = (self.stdout.escape_ascii(), self.stderr.escape_ascii());
        write!(f, "exit {:?}\nstdout: {out}\nstderr: {err}", self.code)
    }
}

impl Run {
    /// Fails unless it ended with that status.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap()
    }

    pub(crate) fn talk(&self) -> String {
        String::from_utf8(self.stderr.clone()).unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    /// Fails if a byte that could steer a terminal is in what was printed.
    #[track_caller]
    pub(crate) fn assert_tame(&self) {
        for stream in [&self.stdout, &self.stderr] {
            let text = String::from_utf8(stream.clone()).unwrap_or_else(|_| panic!("{self:?}"));
            let wild = text
                .chars()
                .find(|c| c.is_control() && *c != '\n' || "\u{2028}\u{202e}".contains(*c));
            assert_eq!(wild, None, "{self:?}");
        }
    }
}

/// A path from bytes.
pub(crate) fn raw(name: &[u8]) -> &OsStr {
    OsStr::from_bytes(name)
}

/// The findings of a document: pid, kind and path of each.
pub(crate) fn findings(document: &Value) -> Vec<(u64, String, String)> {
    let array = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut all = Vec::new();
    for item in array(&document["items"]) {
        for process in array(&item["processes"]) {
            for finding in array(&process["findings"]) {
                let text = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
                all.push((process["pid"].as_u64().unwrap(), text("kind"), text("path")));
            }
        }
    }
    all
}
