//! Makes the situations, runs `unstale` in them, and says what it found.
//!
//! Every test lives in a [`World`]: mount and PID namespaces of its own, so that the scan sees the processes of this
//! test and no others, and a run can be asked to be complete. Nothing a test does is visible outside of its world, but
//! for files below its own directory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::Value;
use tempfile::TempDir;

/// Both ways to read mappings; `ioctl` is left out where the kernel has none.
pub(crate) fn sources() -> &'static [&'static str] {
    static SOURCES: OnceLock<bool> = OnceLock::new();
    let has_ioctl = *SOURCES.get_or_init(|| {
        let uname = rustix::system::uname();
        let release = uname.release().to_string_lossy().into_owned();
        let mut numbers = release
            .split(|c: char| !c.is_ascii_digit())
            .map(|n| n.parse().unwrap_or(0));
        let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        version >= (6, 11)
    });
    if has_ioctl {
        &["ioctl", "text"]
    } else {
        &["text"]
    }
}

/// Longer than the grain of the clocks that are compared: 10 ms ticks of a process start, the coarse clock of files.
pub(crate) fn settle() {
    sleep(Duration::from_millis(40));
}

/// What makes an ordinary user of the program behind it.
pub(crate) const NOBODY: [&str; 4] = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
];

/// Says loudly that a test did not run; in CI that is a failure.
#[track_caller]
pub(crate) fn skip(why: &str) {
    eprintln!("SKIPPED: {why}");
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "in CI nothing may be skipped: {why}"
    );
}

/// Whether a program of the test's own is there.
pub(crate) fn has_tool(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(name).is_file()))
}

/// Runs `situation` in a world of its own, or skips it where none can be made.
#[track_caller]
pub(crate) fn live(situation: impl FnOnce(&World)) {
    if let Some(why) = World::missing() {
        skip(why);
        return;
    }
    situation(&World::new());
}

/// Programs and libraries, built once.
pub(crate) struct Built {
    dir: PathBuf,
    // Removes the directory when this process ends, however it ends.
    _broom: Child,
}

impl Built {
    pub(crate) fn get() -> &'static Self {
        static BUILT: OnceLock<Built> = OnceLock::new();
        BUILT.get_or_init(Self::make)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn make() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("unstale-live-built-")
            .tempdir()
            .unwrap()
            .keep();
        open_to_all(&dir);
        let broom = Command::new("sh")
            .args(["-c", "cat >/dev/null; rm -rf \"$0\""])
            .arg(&dir)
            .stdin(Stdio::piped())
            // Whoever ends us by the group must not end the broom.
            .process_group(0)
            .spawn()
            .unwrap();
        let built = Self { dir, _broom: broom };
        fs::copy(env!("CARGO_BIN_EXE_unstale"), built.path("unstale")).unwrap();
        built.libraries();
        built.programs();
        built
    }

    fn libraries(&self) {
        let soname = "-Wl,-soname,libtiny.so.1";
        for (name, version, build_id) in [
            ("old.so", 1, "-Wl,--build-id=sha1"),
            ("new.so", 2, "-Wl,--build-id=sha1"),
            ("forged-old.so", 1, "-Wl,--build-id=0x0123456789abcdef"),
            ("forged-new.so", 2, "-Wl,--build-id=0x0123456789abcdef"),
            ("no-id-old.so", 1, "-Wl,--build-id=none"),
            ("no-id-new.so", 2, "-Wl,--build-id=none"),
        ] {
            self.compile(
                name,
                "tiny.c",
                &["-shared", "-fPIC", "-g", soname, build_id],
                version,
            );
        }
        run_tool(
            Command::new("strip")
                .arg("-o")
                .args([self.path("stripped.so"), self.path("old.so")]),
        );
    }

    fn programs(&self) {
        for (suffix, version) in [("", 1), ("-new", 2)] {
            let hold = format!("hold{suffix}");
            self.compile(
                &hold,
                "hold.c",
                &["-static", "-no-pie", "-pthread", "-Wl,--build-id=sha1"],
                version,
            );
            let dynamic = format!("hold-dynamic{suffix}");
            self.compile(
                &dynamic,
                "hold.c",
                &["-DWITH_DL", "-pthread", "-ldl", "-Wl,--build-id=sha1"],
                version,
            );
        }
        let library = self.path("old.so");
        self.compile(
            "hold-tiny",
            "hold.c",
            &[
                "-DWITH_TINY",
                "-pthread",
                library.to_str().unwrap(),
                "-Wl,-rpath,$ORIGIN/first:$ORIGIN/second,--enable-new-dtags",
            ],
            1,
        );
    }

    fn compile(&self, out: &str, source: &str, flags: &[&str], version: u32) {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/live")
            .join(source);
        run_tool(
            Command::new("cc")
                .args(["-O1", "-x", "c"])
                .arg(format!("-DVERSION={version}"))
                .arg("-o")
                .arg(self.path(out))
                .arg(source)
                .args(["-x", "none"])
                .args(flags),
        );
    }
}

#[track_caller]
fn run_tool(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn open_to_all(dir: &Path) {
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A copy of a built file: a new object with the same bytes.
pub(crate) fn install(name: &str, to: &Path) -> PathBuf {
    fs::copy(Built::get().path(name), to).unwrap();
    to.to_owned()
}

/// As a package manager does it: written beside, renamed over.
pub(crate) fn replace(path: &Path, name: &str) {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".dpkg-new");
    install(name, Path::new(&beside));
    fs::rename(beside, path).unwrap();
}

/// The same inode with other bytes.
pub(crate) fn overwrite(path: &Path, name: &str) {
    let bytes = fs::read(Built::get().path(name)).unwrap();
    fs::OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(path)
        .unwrap()
        .write_all(&bytes)
        .unwrap();
}

/// `KIND:PATH` as an argument of hold.
pub(crate) fn arg(kind: &str, path: impl AsRef<OsStr>) -> OsString {
    let mut text = OsString::from(kind);
    text.push(":");
    text.push(path);
    text
}

/// `KIND:PATH=OTHER` as an argument of hold.
pub(crate) fn arg2(kind: &str, path: &Path, other: impl AsRef<OsStr>) -> OsString {
    let mut text = arg(kind, path);
    text.push("=");
    text.push(other);
    text
}

/// Mount and PID namespaces with a /proc of their own, and a directory for files.
pub(crate) struct World {
    dir: TempDir,
    pid: String,
    // Ends the first process of the namespace, and with it all others, when it is closed.
    _life: ChildStdin,
    starter: Child,
    entered: RefCell<Vec<Child>>,
}

impl Drop for World {
    fn drop(&mut self) {
        // --kill-child: nothing of this world is left when the wait is over.
        self.starter.kill().unwrap();
        self.starter.wait().unwrap();
        // nsenter stops when what it started is stopped, and would stay behind so.
        for child in self.entered.get_mut() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl World {
    fn missing() -> Option<&'static str> {
        static MISSING: OnceLock<Option<&'static str>> = OnceLock::new();
        *MISSING.get_or_init(|| {
            if !rustix::process::geteuid().is_root() {
                return Some("the live tests need root");
            }
            if let Some(tool) = ["cc", "strip", "unshare", "nsenter", "setpriv", "timeout"]
                .into_iter()
                .find(|tool| !has_tool(tool))
            {
                eprintln!("SKIPPED: no {tool}");
                return Some("the live tests need a C compiler and util-linux");
            }
            let works = Command::new("unshare").args(["-mpf", "true"]).status();
            (!works.is_ok_and(|status| status.success()))
                .then_some("the live tests need namespaces of their own")
        })
    }

    fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// A world whose directory is made below `parent`.
    pub(crate) fn below(parent: &Path) -> Self {
        let hold = Built::get().path("hold");
        let dir = tempfile::Builder::new()
            .prefix("unstale-live-")
            .tempdir_in(parent)
            .unwrap();
        open_to_all(dir.path());
        let mut starter = Command::new("unshare")
            .args(["-mpf", "--kill-child", "--propagation", "private", "--"])
            .arg(hold)
            .args(["mountproc", "stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let life = starter.stdin.take().unwrap();
        let mut line = String::new();
        BufReader::new(starter.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        // hold opened /proc before it mounted its own: this is the pid as we see it.
        let pid = line.trim().strip_prefix("ready ").unwrap().to_owned();
        Self {
            dir,
            pid,
            _life: life,
            starter,
            entered: RefCell::default(),
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.dir().join(Path::new(name.as_ref()))
    }

    pub(crate) fn subdir(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// The old library, under the name of its soname.
    pub(crate) fn lib(&self) -> PathBuf {
        self.lib_at("libtiny.so.1")
    }

    pub(crate) fn lib_at(&self, name: impl AsRef<OsStr>) -> PathBuf {
        install("old.so", &self.path(name))
    }

    /// A program of the world's own.
    pub(crate) fn program(&self) -> PathBuf {
        install("hold", &self.path("prog"))
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
        let output = self
            .command("sh")
            .args(["-ec", line])
            .env("D", self.dir())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{line}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Starts the built `hold` and waits until it says ready (or paused).
    #[track_caller]
    pub(crate) fn hold<A: AsRef<OsStr>>(&self, args: &[A]) -> Holder {
        self.hold_as(&[Built::get().path("hold")], args)
    }

    /// The same as an ordinary user.
    #[track_caller]
    pub(crate) fn hold_nobody<A: AsRef<OsStr>>(&self, args: &[A]) -> Holder {
        let hold = Built::get().path("hold");
        let through: Vec<&OsStr> = NOBODY
            .iter()
            .map(OsStr::new)
            .chain([hold.as_os_str()])
            .collect();
        self.hold_as(&through, args)
    }

    /// Starts a program that is a copy of `hold`, or leads to one: `["unshare", "-m", "/…/hold"]`.
    #[track_caller]
    pub(crate) fn hold_as<P: AsRef<OsStr>, A: AsRef<OsStr>>(
        &self,
        program: &[P],
        args: &[A],
    ) -> Holder {
        // What is older than the process must be so by more than the grain of the clocks.
        settle();
        self.hold_at_once(program, args)
    }

    #[track_caller]
    pub(crate) fn hold_at_once<P: AsRef<OsStr>, A: AsRef<OsStr>>(
        &self,
        program: &[P],
        args: &[A],
    ) -> Holder {
        let mut child = self
            .command(&program[0])
            .args(&program[1..])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut holder = Holder {
            pid: 0,
            stdin: child.stdin.take().unwrap(),
            stdout: BufReader::new(child.stdout.take().unwrap()),
        };
        self.entered.borrow_mut().push(child);
        holder.read_pid();
        settle();
        holder
    }

    /// One run of `unstale --json` with these arguments more.
    #[track_caller]
    pub(crate) fn scan(&self, args: &[&str]) -> Scan {
        self.scan_through(&[], args)
    }

    /// The same behind `prefix`: `setpriv …`, `chroot …`.
    #[track_caller]
    pub(crate) fn scan_through(&self, prefix: &[&str], args: &[&str]) -> Scan {
        let begun = Instant::now();
        let output = self.run_through(prefix, &[&["--json"], args].concat());
        Scan::read(output, begun.elapsed())
    }

    /// One run of `unstale`, at most 20 seconds long.
    #[track_caller]
    pub(crate) fn run_through(&self, prefix: &[&str], args: &[&str]) -> Output {
        self.command("timeout")
            .args(["-s", "KILL", "20"])
            .args(prefix)
            .arg(Built::get().path("unstale"))
            .args(args)
            .env_remove("LD_LIBRARY_PATH")
            .output()
            .unwrap()
    }

    /// Complete, and exactly these processes stale for exactly these reasons, by both ways to read mappings.
    #[track_caller]
    pub(crate) fn expect(&self, expected: &[(&Holder, &[(&str, &Path)])]) {
        let expected: BTreeMap<u64, Vec<(String, PathBuf)>> = expected
            .iter()
            .map(|(holder, findings)| (holder.pid, sorted(findings)))
            .collect();
        for source in sources() {
            let scan = self.scan(&["--mapping-source", source]);
            assert_eq!(scan.kinds_and_paths(), expected, "{source}: {scan:#?}");
            scan.assert_complete(source);
        }
    }

    #[track_caller]
    pub(crate) fn expect_stale(&self, holder: &Holder, kind: &str, path: &Path) {
        self.expect(&[(holder, &[(kind, path)])]);
    }

    /// Complete, and nothing stale.
    #[track_caller]
    pub(crate) fn expect_clean(&self) {
        self.expect(&[]);
    }

    /// Complete, nothing stale, and `-v` says that this file is another object with the same code.
    #[track_caller]
    pub(crate) fn expect_same_code(&self, holder: &Holder, path: &Path) {
        self.expect_clean();
        for source in sources() {
            let scan = self.scan(&["-v", "--mapping-source", source]);
            assert!(
                scan.notes("same-code")
                    .contains(&(holder.pid, path.to_owned())),
                "{source}: {scan:#?}"
            );
        }
    }

    /// Nothing stale, and the run says that it could not judge everything.
    #[track_caller]
    pub(crate) fn expect_unknown(&self) {
        for source in sources() {
            let scan = self.scan(&["--mapping-source", source]);
            assert_eq!(scan.kinds_and_paths(), BTreeMap::new(), "{source}");
            scan.assert_incomplete(source);
        }
    }

    /// What is said of one process, by both ways to read mappings: for rows that leave a choice.
    #[track_caller]
    pub(crate) fn judged(&self, holder: &Holder) -> Vec<Judged> {
        sources()
            .iter()
            .map(|source| self.scan(&["--mapping-source", source]).judged(holder.pid))
            .collect()
    }

    /// As an ordinary user: own processes are judged, all others make the run incomplete.
    #[track_caller]
    pub(crate) fn expect_as_nobody(&self, expected: &[(&Holder, &[(&str, &Path)])]) {
        for source in sources() {
            let scan = self.scan_through(&NOBODY, &["--mapping-source", source]);
            let expected: BTreeMap<u64, Vec<(String, PathBuf)>> = expected
                .iter()
                .map(|(holder, findings)| (holder.pid, sorted(findings)))
                .collect();
            assert_eq!(scan.kinds_and_paths(), expected, "{source}: {scan:#?}");
            scan.assert_incomplete(source);
        }
    }

    /// None of these verdicts is allowed: for rows that leave a choice between the others.
    #[track_caller]
    pub(crate) fn expect_none(&self, holder: &Holder, forbidden: fn(&Judged) -> bool) {
        for (source, judged) in sources().iter().zip(self.judged(holder)) {
            assert!(!forbidden(&judged), "{source}: {judged:?}");
        }
    }

    /// A dpkg database that says that `package` owns these files, with their present digests, in this world only.
    pub(crate) fn dpkg(&self, package: &str, version: &str, files: &[&Path]) {
        let admin = self.subdir("dpkg");
        fs::create_dir_all(admin.join("info")).unwrap();
        fs::create_dir_all(admin.join("updates")).unwrap();
        fs::write(
            admin.join("status"),
            format!(
                "Package: {package}\nStatus: install ok installed\nMaintainer: A <a@example.org>\n\
                 Architecture: amd64\nVersion: {version}\nDescription: tiny\n\n"
            ),
        )
        .unwrap();
        let mut list = String::from("/.\n");
        let mut sums = String::new();
        for file in files {
            let name = file.to_str().unwrap();
            list.push_str(&format!("{name}\n"));
            let digest = self.sh(&format!("md5sum <'{name}' | cut -c1-32"));
            sums.push_str(&format!("{digest}  {}\n", &name[1..]));
        }
        fs::write(admin.join(format!("info/{package}.list")), list).unwrap();
        fs::write(admin.join(format!("info/{package}.md5sums")), sums).unwrap();
        self.sh("mkdir -p /var/lib/dpkg && mount --bind $D/dpkg /var/lib/dpkg");
        settle();
    }
}

fn sorted(findings: &[(&str, &Path)]) -> Vec<(String, PathBuf)> {
    let mut findings: Vec<_> = findings
        .iter()
        .map(|(kind, path)| ((*kind).to_owned(), (*path).to_owned()))
        .collect();
    findings.sort();
    findings
}

/// A process in its situation.
pub(crate) struct Holder {
    pub(crate) pid: u64,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Holder {
    /// Lets a paused one go on until it says ready (or paused again).
    #[track_caller]
    pub(crate) fn go(&mut self) {
        self.stdin.write_all(b"\n").unwrap();
        self.read_pid();
        settle();
    }

    /// Lets a paused one go on into what it will not come back from.
    pub(crate) fn go_and_not_wait(&mut self) {
        self.stdin.write_all(b"\n").unwrap();
        settle();
    }

    /// Lets a paused one that keeps an autofs print how many bytes of requests it got.
    #[track_caller]
    pub(crate) fn asked_of_autofs(&mut self) -> u32 {
        self.stdin.write_all(b"\n").unwrap();
        let line = self.line();
        line.strip_prefix("unread ")
            .and_then(|bytes| bytes.parse().ok())
            .unwrap_or_else(|| panic!("{line:?}"))
    }

    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    #[track_caller]
    fn read_pid(&mut self) {
        let line = self.line();
        self.pid = line
            .strip_prefix("ready ")
            .or(line.strip_prefix("paused "))
            .and_then(|pid| pid.parse().ok())
            .unwrap_or_else(|| panic!("the process did not get ready: {line:?}"));
    }
}

/// What one run said.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) code: Option<i32>,
    pub(crate) json: Value,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

/// One stale object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) kind: String,
    pub(crate) path: PathBuf,
    pub(crate) program: bool,
    pub(crate) json: Value,
}

/// What a run says of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Judged {
    Stale(Vec<Finding>),
    Clean,
    Unknown,
}

impl Judged {
    pub(crate) fn is_stale(&self) -> bool {
        matches!(self, Self::Stale(_))
    }

    pub(crate) fn is_clean(&self) -> bool {
        *self == Self::Clean
    }

    pub(crate) fn is_unknown(&self) -> bool {
        *self == Self::Unknown
    }
}

impl Scan {
    #[track_caller]
    fn read(output: Output, took: Duration) -> Self {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|why| {
            let stdout = String::from_utf8_lossy(&output.stdout);
            panic!("{}: {why}: {stdout}\n{stderr}", output.status)
        });
        Self {
            code: output.status.code(),
            json,
            stderr,
            took,
        }
    }

    #[track_caller]
    pub(crate) fn assert_complete(&self, context: &str) {
        assert_eq!(self.json["complete"], true, "{context}: {self:#?}");
        assert_eq!(self.problems().len(), 0, "{context}: {self:#?}");
        assert_eq!(self.code, Some(0), "{context}: {self:#?}");
    }

    #[track_caller]
    pub(crate) fn assert_incomplete(&self, context: &str) {
        assert_eq!(self.json["complete"], false, "{context}: {self:#?}");
        assert_ne!(self.problems().len(), 0, "{context}: {self:#?}");
        assert_eq!(self.code, Some(3), "{context}: {self:#?}");
    }

    pub(crate) fn problems(&self) -> &[Value] {
        array(&self.json["problems"])
    }

    /// The item and the process in it, if this pid is listed as stale.
    pub(crate) fn listed(&self, pid: u64) -> Option<(&Value, &Value)> {
        let mut all = array(&self.json["items"]).iter().flat_map(|item| {
            array(&item["processes"])
                .iter()
                .map(move |process| (item, process))
        });
        all.find(|(_, process)| process["pid"] == pid)
    }

    /// How often a pid is listed.
    pub(crate) fn pids(&self) -> Vec<u64> {
        array(&self.json["items"])
            .iter()
            .flat_map(|item| array(&item["processes"]))
            .filter_map(|process| process["pid"].as_u64())
            .collect()
    }

    /// What this process is stale for; `None` if it is not listed.
    pub(crate) fn verdict_of(&self, pid: u64) -> Option<Vec<Finding>> {
        let (_, process) = self.listed(pid)?;
        Some(
            array(&process["findings"])
                .iter()
                .map(|json| Finding {
                    kind: json["kind"].as_str().unwrap_or_default().to_owned(),
                    path: path_of(json, "path"),
                    program: json["program"] == true,
                    json: json.clone(),
                })
                .collect(),
        )
    }

    /// Unknown means: not listed, and the run is incomplete.
    pub(crate) fn judged(&self, pid: u64) -> Judged {
        match self.verdict_of(pid) {
            Some(findings) => Judged::Stale(findings),
            None if self.json["complete"] == true && self.code == Some(0) => Judged::Clean,
            None => Judged::Unknown,
        }
    }

    pub(crate) fn kinds_and_paths(&self) -> BTreeMap<u64, Vec<(String, PathBuf)>> {
        self.pids()
            .into_iter()
            .map(|pid| {
                let findings = self.verdict_of(pid).unwrap_or_default();
                let mut found: Vec<_> = findings.into_iter().map(|f| (f.kind, f.path)).collect();
                found.sort();
                (pid, found)
            })
            .collect()
    }

    pub(crate) fn notes(&self, kind: &str) -> Vec<(u64, PathBuf)> {
        array(&self.json["notes"])
            .iter()
            .filter(|note| note["kind"] == kind)
            .filter_map(|note| Some((note["pid"].as_u64()?, path_of(note, "path"))))
            .collect()
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A path as bytes: `NAME_base64` where it is not UTF-8.
pub(crate) fn path_of(value: &Value, name: &str) -> PathBuf {
    match value[format!("{name}_base64")].as_str() {
        Some(text) => {
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(text)
                .unwrap();
            PathBuf::from(OsString::from_vec(bytes))
        }
        None => PathBuf::from(value[name].as_str().unwrap_or_default()),
    }
}

/// A path from bytes.
pub(crate) fn raw(name: &[u8]) -> &OsStr {
    OsStr::from_bytes(name)
}
