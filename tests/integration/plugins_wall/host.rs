//! A host with a script.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use unstale::plugins::find::Form;
use unstale::plugins::start::{Ended, Order, Worker, start_through};
use unstale::plugins::wire::{FromWorker, Process, ToWorker};

use crate::support::UNSTALE;

/// Longer than a worker may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// An ordinary user, who is not nobody.
const SOMEBODY: u32 = 54_321;

/// Makes SOMEBODY of a program that they may not reach by its path, and gives it no environment.
const AS_SOMEBODY: &str = "exec 9<\"$0\"; exec env -i setpriv --reuid=54321 --regid=54321 \
                           --clear-groups /proc/self/fd/9 \"$@\"";

/// Whose worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum User {
    /// That of the test.
    Same,
    /// An ordinary user, if the test is root's.
    Somebody,
}

impl User {
    /// As whom it is started, if that is not the user of the test.
    pub(super) fn uid(self) -> Option<u32> {
        let is_root = rustix::process::geteuid().is_root();
        match self {
            Self::Same => is_root.then_some(65534),
            Self::Somebody => Some(SOMEBODY),
        }
    }

    /// Who it is behind the wall: uid and gid.
    pub(super) fn inside(self) -> (u32, u32) {
        let own = (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        );
        self.uid().map_or(own, |uid| (uid, uid))
    }
}

/// Each that can be tried.
pub(super) fn users() -> Vec<User> {
    if rustix::process::geteuid().is_root() {
        vec![User::Same, User::Somebody]
    } else {
        vec![User::Same]
    }
}

/// A directory whose files everybody can reach.
pub(super) fn open_directory() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

/// A process with these arguments.
pub(super) fn process(argv: &[&[u8]]) -> Process {
    Process {
        pid: 7,
        argv: argv.iter().map(|&word| word.into()).collect(),
        ..Process::default()
    }
}

pub(super) struct Host {
    stream: BufReader<UnixStream>,
    worker: Worker,
}

impl Host {
    pub(super) fn start(form: Form, plugin: &Path, user: User) -> Self {
        let words: &[&str] = match user {
            User::Same => &[UNSTALE],
            User::Somebody => &["/bin/sh", "-c", AS_SOMEBODY, UNSTALE],
        };
        Self::start_through(form, plugin, words)
    }

    /// With a variable that it should not have.
    pub(super) fn start_in_environment(plugin: &Path, variable: &str) -> Self {
        Self::start_through(Form::Library, plugin, &["/usr/bin/env", variable, UNSTALE])
    }

    /// With a second of processor time, and a second more for those who do not care: the worker's own limits are ten times
    /// that, and no higher than those it finds.
    pub(super) fn start_with_less_time(plugin: &Path) -> Self {
        let line = "ulimit -S -t 1; ulimit -H -t 2; exec env -i \"$0\" \"$@\"";
        Self::start_through(Form::Library, plugin, &["/bin/sh", "-c", line, UNSTALE])
    }

    /// With a system call that fails, as `inject` of strace(1) says it.
    pub(super) fn start_with_failing(plugin: &Path, inject: &str) -> Self {
        let expression = format!("--inject={inject}");
        // -D: the worker's parent is the host, and not strace.
        let words = [
            "strace",
            "-D",
            "-qq",
            "-o",
            "/dev/null",
            &expression,
            UNSTALE,
        ];
        Self::start_through(Form::Library, plugin, &words)
    }

    /// By a process that is not the one it is said to be.
    pub(super) fn start_as_orphan(plugin: &Path) -> Self {
        // The shell has more to do, and so does not become the worker.
        let line = "env -i \"$0\" \"$@\"; true";
        Self::start_through(Form::Library, plugin, &["/bin/sh", "-c", line, UNSTALE])
    }

    /// By a process between the host and the worker, to which the worker belongs.
    pub(super) fn start_by_another(plugin: &Path) -> Self {
        let line = "exec 4<&0; env -i \"$0\" \"$1\" \"$2\" \"$3\" \"$4\" $$ <&4 & exec >&-; wait";
        Self::start_through(Form::Library, plugin, &["/bin/sh", "-c", line, UNSTALE])
    }

    #[track_caller]
    fn start_through(form: Form, plugin: &Path, words: &[&str]) -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        ours.set_write_timeout(Some(PATIENCE)).unwrap();
        let words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
        let file = File::open(plugin).unwrap();
        let order = Order {
            form,
            name: "guest",
            file: file.as_fd(),
            socket: OwnedFd::from(theirs),
            talk: Stdio::null(),
        };
        Self {
            worker: start_through(&words, order).unwrap(),
            stream: BufReader::new(ours),
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.worker.pid()
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        // A worker that has crashed reads no more.
        self.stream.get_mut().write_all(bytes).ok();
    }

    pub(super) fn say(&mut self, line: &ToWorker) {
        let mut text = serde_json::to_vec(line).unwrap();
        text.push(b'\n');
        self.write(&text);
    }

    /// The next line, if there is one.
    #[track_caller]
    pub(super) fn hear(&mut self) -> Option<FromWorker> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => {
                Some(serde_json::from_str(&line).unwrap_or_else(|why| panic!("{why}: {line}")))
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Says hello, and hears the answer.
    #[track_caller]
    pub(super) fn hello(&mut self) -> FromWorker {
        self.say_hello();
        self.hear().expect("an answer to hello")
    }

    pub(super) fn say_hello(&mut self) {
        self.say(&ToWorker::Hello {
            abi: "1.0".to_owned(),
            options: Vec::new(),
        });
    }

    #[track_caller]
    pub(super) fn ready(&mut self) {
        let answer = self.hello();
        assert!(matches!(answer, FromWorker::Ready { .. }), "{answer:?}");
    }

    pub(super) fn ask_to_inspect(&mut self, argv: &[&str]) {
        let words: Vec<&[u8]> = argv.iter().map(|word| word.as_bytes()).collect();
        self.say(&ToWorker::Inspect(Box::new(process(&words))));
    }

    /// All that is said of a process, up to the end of it or of the stream.
    #[track_caller]
    pub(super) fn inspect(&mut self, argv: &[&str]) -> Vec<FromWorker> {
        self.ask_to_inspect(argv);
        let mut said = Vec::new();
        while let Some(line) = self.hear() {
            let ends = matches!(line, FromWorker::Done { .. } | FromWorker::Failed(_));
            said.push(line);
            if ends {
                break;
            }
        }
        said
    }

    /// A line of the worker's `status`, without its name.
    #[track_caller]
    pub(super) fn status(&self, name: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let found = status.lines().find_map(|line| line.strip_prefix(name));
        found.unwrap().trim().to_owned()
    }

    /// The worker, where another process is between.
    #[track_caller]
    pub(super) fn grandchild(&self) -> u32 {
        let pid = self.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        children.trim().parse().unwrap()
    }

    /// Kills what was started, and says what was heard after.
    #[track_caller]
    pub(super) fn kill(mut self) -> Option<FromWorker> {
        assert_eq!(self.worker.kill_now(), Ended::Killed);
        let mut rest = String::new();
        match self.stream.read_line(&mut rest) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(serde_json::from_str(&rest).unwrap()),
        }
    }

    /// Says no more, waits until the worker does neither, and sees how it ends: however busy this machine is, it has time
    /// for that.
    #[track_caller]
    pub(super) fn end(mut self) -> Ended {
        self.stream.get_ref().shutdown(Shutdown::Write).ok();
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
            Err(error) => panic!("it does not end: {error}"),
        }
        self.cut()
    }

    /// Hangs up, and has the worker ended if it does not end at once.
    pub(super) fn cut(self) -> Ended {
        drop(self.stream);
        self.worker.end()
    }
}
