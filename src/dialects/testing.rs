//! A machine and scenes for tests of dialects.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{
    Call, Errand, Machine, NotBegun, NotRestarted, OldFile, OldPart, Order, Own, Scene, Speak,
    Stale, Terminals, Voice, Wanted,
};
use crate::model::{Action, Because, Bytes, Core, Level, Mode, Owner, OwnerKind, Reboot, Scope};

/// A machine that answers from memory, and remembers what it was asked.
#[derive(Debug, Default)]
pub(crate) struct Pretended {
    pub(crate) euid: u32,
    pub(crate) variables: BTreeMap<String, OsString>,
    pub(crate) terminals: Terminals,
    /// Files that exist, with their content.
    pub(crate) files: BTreeMap<PathBuf, Vec<u8>>,
    /// Symbolic links that exist, and where they lead in the end.
    pub(crate) links: BTreeMap<PathBuf, PathBuf>,
    /// Paths that cannot be looked at.
    pub(crate) closed: BTreeSet<PathBuf>,
    /// What every look finds; an error if there is none.
    pub(crate) scene: Option<Scene>,
    /// What the person types.
    pub(crate) typed: VecDeque<String>,
    /// What is said of each restart.
    pub(crate) not_restarted: Vec<NotRestarted>,
    /// The most that own settings let be done.
    pub(crate) own_mode: Option<Mode>,
    /// The same, as far as it counts more than settings of a peer.
    pub(crate) late_mode: Option<Mode>,
    /// Whether own settings let nobody be told.
    pub(crate) own_silent: bool,
    /// Files that may not be executed.
    pub(crate) plain: Vec<PathBuf>,
    /// Who changes packages: as long as there are any, no restart is begun.
    pub(crate) at_work: Option<String>,
    /// Whether somebody is there who does it later.
    pub(crate) nobody_later: bool,
    /// What comes of each wait; then nothing is left to do.
    pub(crate) waits: VecDeque<Result<bool, String>>,
    /// How long everything takes that is done.
    pub(crate) time: Duration,
    /// The exit status of every errand.
    pub(crate) errand_exit: i32,
    /// What was done, in order.
    pub(crate) done: RefCell<Vec<String>>,
    /// What was wanted, in order.
    pub(crate) wanted: Vec<Wanted>,
}

impl Machine for Pretended {
    fn euid(&self) -> u32 {
        self.euid
    }

    fn variable(&self, name: &str) -> Option<OsString> {
        self.variables.get(name).cloned()
    }

    fn clock(&self) -> Duration {
        let done = u32::try_from(self.done.borrow().len()).unwrap();
        self.time * done
    }

    fn terminals(&self) -> Terminals {
        self.terminals
    }

    fn own(&self) -> Own {
        Own {
            mode: self.own_mode,
            is_silent: self.own_silent,
            late_mode: self.late_mode,
        }
    }

    fn is_program(&self, path: &Path) -> bool {
        self.files.contains_key(path) && !self.plain.iter().any(|plain| plain == path)
    }

    fn is_there(&self, path: &Path) -> io::Result<bool> {
        if self.closed.contains(path) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let below = |file: &PathBuf| file.starts_with(path);
        Ok(self.links.contains_key(path) || self.files.keys().any(below))
    }

    fn resolved(&self, path: &Path) -> Option<PathBuf> {
        let link = self.links.get(path).cloned();
        link.or_else(|| self.exists(path).then(|| path.to_owned()))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = self.files.get(path).cloned();
        file.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let files = self.files.keys().filter_map(|file| {
            let name = file.strip_prefix(directory).ok()?;
            (name.components().count() == 1).then(|| name.as_os_str().to_owned())
        });
        Ok(files.collect())
    }

    fn look(&mut self, wanted: &Wanted) -> Result<Scene, Vec<String>> {
        self.wanted.push(wanted.clone());
        self.scene
            .clone()
            .ok_or_else(|| vec!["cannot look".to_owned()])
    }

    fn ask(&mut self) -> io::Result<Option<String>> {
        Ok(self.typed.pop_front())
    }

    fn packages_change(&self) -> Option<String> {
        self.at_work.clone()
    }

    fn later(&mut self, name: &str, args: &[OsString]) -> Result<String, String> {
        if self.nobody_later {
            return Err("systemd does not run here".to_owned());
        }
        let args: Vec<&str> = args.iter().map(|arg| arg.to_str().unwrap()).collect();
        let line = format!("later {name}: {}", args.join(" "));
        self.done.borrow_mut().push(line);
        Ok(format!("unstale-{name}.service"))
    }

    fn wait(&mut self) -> Result<bool, String> {
        // Whoever was at work has gone home.
        self.at_work = None;
        self.waits.pop_front().unwrap_or(Ok(false))
    }

    fn restart(&mut self, order: &Order<'_>) -> Result<Vec<NotRestarted>, NotBegun> {
        if let Some(who) = &self.at_work {
            return Err(NotBegun::NotYet(who.clone()));
        }
        let names = order
            .owners
            .iter()
            .map(|owner| owner.name.escaped().to_string());
        let names: Vec<String> = names.collect();
        self.done
            .borrow_mut()
            .push(format!("restart {}", names.join(" ")));
        Ok(self.not_restarted.clone())
    }

    fn run(&mut self, errand: &Errand<'_>) -> Result<i32, String> {
        let stdin = String::from_utf8_lossy(&errand.stdin).into_owned();
        let program = errand.program.display();
        self.done
            .borrow_mut()
            .push(format!("run {program} {:?} {stdin:?}", errand.env));
        Ok(self.errand_exit)
    }
}

/// What a dialect printed, and its exit status.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Spoken {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) exit: u8,
}

/// Lets a dialect speak.
pub(crate) fn speak(
    speak: Speak,
    variant: Option<&str>,
    args: &[&str],
    machine: &mut dyn Machine,
) -> Spoken {
    let call = Call {
        variant: variant.map(str::to_owned),
        args: args.iter().map(OsString::from).collect(),
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut voice = Voice {
        name: "peer",
        out: &mut out,
        err: &mut err,
    };
    let exit = speak(&call, machine, &mut voice).unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Spoken {
        out: text(out),
        err: text(err),
        exit,
    }
}

/// A machine with systemd, looked at by root, on which nothing is to be said.
pub(crate) fn nothing() -> Scene {
    Scene {
        euid: 0,
        systemd: true,
        unified_cgroups: true,
        kernel_release: Bytes::from("6.1.0-1-amd64"),
        accounts: BTreeMap::from([(0, "root".to_owned()), (1000, "alice".to_owned())]),
        stores: vec!["dpkg".to_owned()],
        stale: Vec::new(),
        boot: None,
        core: Core::default(),
        reboot: Reboot {
            level: Some(Level::None),
            causes: Vec::new(),
            notes: Vec::new(),
            kernel: None,
        },
        microcode: None,
        files: BTreeMap::new(),
        problems: Vec::new(),
    }
}

/// A process of a service of the system, whose program was replaced.
pub(crate) fn service(pid: u32, unit: &str, program: &str, package: &str) -> Stale {
    let path = Bytes::from(program);
    let name = Path::new(program).file_name().unwrap().to_str().unwrap();
    Stale {
        pid,
        ppid: 1,
        parent: Some(Bytes::from("systemd")),
        comm: Bytes::from(name),
        uid: 0,
        user: "root".to_owned(),
        tty: None,
        exe: Some(Bytes::from(format!("{program} (deleted)").as_str())),
        program: Some(path.clone()),
        program_packages: vec![package.to_owned()],
        script: None,
        argv: vec![path.clone(), Bytes::from("-f")],
        cgroup: Bytes::from(format!("0::/system.slice/{unit}\n").as_str()),
        other_pid_ns: false,
        owner: Owner::new(OwnerKind::Unit, unit, Scope::System),
        instance: None,
        action: Action::Restart,
        level: Level::Service,
        because: vec![Because {
            rule: "unit".to_owned(),
            why: "its manager can restart it".to_owned(),
        }],
        restart: None,
        unit: None,
        unit_packages: vec![package.to_owned()],
        init_scripts: Vec::new(),
        files: vec![OldFile {
            name: Bytes::from(format!("{program} (deleted)").as_str()),
            path,
            part: OldPart::Program,
            packages: vec![package.to_owned()],
        }],
    }
}
