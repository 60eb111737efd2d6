//! A recording of what a peer printed, as the files of `testdata/dialects` hold it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// One run of a peer.
#[derive(Debug)]
pub(super) struct Recording {
    /// The peer and its version: `needrestart-3.11`.
    pub(super) dir: String,
    /// Scene and mode: `stale.b-l`.
    pub(super) name: String,
    /// Standard output.
    pub(super) out: String,
    /// Standard error.
    pub(super) err: String,
    /// Exit status.
    pub(super) exit: u8,
    /// What is said of the scene, by the word before the colon.
    said: BTreeMap<String, String>,
    /// The processes.
    pub(super) processes: Vec<Line>,
}

/// One process of a recording.
#[derive(Debug, Default, Clone)]
pub(super) struct Line {
    pub(super) pid: u32,
    pub(super) ppid: u32,
    pub(super) uid: Uid,
    pub(super) argv: Vec<String>,
    /// What only scenes with a service manager tell.
    pub(super) told: Option<Told>,
}

/// What stands for the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Uid {
    Number(u32),
    Name(String),
}

impl Default for Uid {
    fn default() -> Self {
        Self::Number(0)
    }
}

/// What a booted scene tells of a process.
#[derive(Debug, Default, Clone)]
pub(super) struct Told {
    pub(super) comm: String,
    pub(super) cgroup: String,
    /// As the kernel prints it.
    pub(super) exe: String,
    /// Executable mappings whose file is gone.
    pub(super) gone: Vec<String>,
}

/// How a dialect is called.
#[derive(Debug)]
pub(super) struct Called {
    /// The command line.
    pub(super) words: Vec<String>,
    /// Variables of the environment.
    pub(super) variables: Vec<(String, String)>,
}

/// Where they are.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/dialects")
}

/// All of them, by directory and name.
pub(super) fn all() -> Vec<Recording> {
    let mut all = Vec::new();
    for dir in names(&root()) {
        let path = root().join(&dir);
        if dir == super::OURS || !path.is_dir() {
            continue;
        }
        let scenes = names(&path);
        let scenes = scenes.iter().filter_map(|name| name.strip_suffix(".scene"));
        all.extend(scenes.map(|name| read(&dir, name)));
    }
    assert!(all.len() > 400, "there are {} recordings", all.len());
    all
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

fn read(dir: &str, name: &str) -> Recording {
    let path = root().join(dir);
    let text = |file: &str| fs::read_to_string(path.join(file)).unwrap();
    let scene = text(&format!("{name}.scene"));
    let (head, list) = match scene.split_once("\nprocesses") {
        Some((head, list)) => (head, list),
        None => (scene.as_str(), ""),
    };
    let said = head.lines().filter_map(|line| line.split_once(": "));
    let said: BTreeMap<String, String> = said
        .map(|(word, text)| (word.to_owned(), text.to_owned()))
        .collect();
    let processes = match list.trim().strip_prefix(": see ") {
        Some(procs) => text(procs).lines().filter_map(booted).collect(),
        None => list.lines().filter_map(plain).collect(),
    };
    let err = match said["stderr"].strip_prefix("see ") {
        Some(file) => text(file),
        None => String::new(),
    };
    Recording {
        dir: dir.to_owned(),
        name: name.to_owned(),
        out: text(&format!("{name}.out")),
        err,
        exit: said["exit"].parse().unwrap(),
        said,
        processes,
    }
}

/// `PID PPID UID COMM | CGROUP | EXE | ARGV | gone executable mappings`.
fn booted(line: &str) -> Option<Line> {
    let line = line
        .strip_suffix(' ')
        .map_or_else(|| line.to_owned(), |line| format!("{line} "));
    let parts: Vec<&str> = line.split(" | ").collect();
    let &[first, cgroup, exe, argv, gone] = parts.as_slice() else {
        panic!("{line}");
    };
    let mut words = first.split(' ');
    let mut number = || words.next()?.parse().ok();
    let (pid, ppid, uid) = (number()?, number()?, number()?);
    // A process that writes its own title has one argument, and what was there before is empty.
    let is_title = argv.split(' ').next()?.ends_with(':');
    let argv = match is_title {
        true => vec![argv.to_owned()],
        false => argv.split(' ').map(str::to_owned).collect(),
    };
    Some(Line {
        pid,
        ppid,
        uid: Uid::Number(uid),
        argv,
        told: Some(Told {
            comm: words.collect::<Vec<_>>().join(" "),
            cgroup: cgroup.to_owned(),
            exe: exe.to_owned(),
            gone: gone.split_whitespace().map(str::to_owned).collect(),
        }),
    })
}

/// `PID PPID USER ARGS`, in columns.
fn plain(line: &str) -> Option<Line> {
    let mut words = line.split_whitespace();
    let (pid, ppid) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let user = words.next()?.to_owned();
    // One argument of script(1) is a command.
    let argv = match line.split_once("script -qc sleep 88888") {
        Some((_, rest)) => ["script", "-qc", "sleep 88888", rest.trim()]
            .map(str::to_owned)
            .into(),
        None => words.map(str::to_owned).collect(),
    };
    Some(Line {
        pid,
        ppid,
        uid: Uid::Name(user),
        argv,
        told: None,
    })
}

impl Recording {
    /// What is said of it: `system`, `scene`, `replaced`, `command`.
    pub(super) fn said(&self, word: &str) -> &str {
        self.said.get(word).map_or("", String::as_str)
    }

    /// Its name among all.
    pub(super) fn id(&self) -> String {
        format!("{}/{}", self.dir, self.name)
    }

    /// The scene without the mode.
    pub(super) fn scene(&self) -> &str {
        self.name.split('.').next().unwrap()
    }

    /// Debian 12 or 13: every peer was recorded on both, in one version each.
    pub(super) fn is_bookworm(&self) -> bool {
        self.said("system").contains("bookworm")
    }

    /// Whether systemd ran.
    pub(super) fn is_booted(&self) -> bool {
        self.said("system").contains("booted with systemd")
    }

    /// Whether packages of the scene are those of rpm.
    pub(super) fn is_rpm(&self) -> bool {
        self.name.starts_with("rpm-")
    }

    /// The account that ran the peer.
    pub(super) fn reader(&self) -> u32 {
        match self.said("system").contains("run as user alice") {
            true => 1000,
            false => 0,
        }
    }

    /// Our command line that stands for the recorded one; `None` if it is none of a dialect.
    pub(super) fn called(&self) -> Option<Called> {
        let (peer, version) = self.dir.rsplit_once('-').unwrap();
        let command = self.said("command");
        let command = command.split(" (notices").next().unwrap();
        let mut words: Vec<&str> = command.split(' ').filter(|word| !word.is_empty()).collect();
        let mut variables = Vec::new();
        while let Some((name, value)) = words.first()?.split_once('=') {
            variables.push((name.to_owned(), value.to_owned()));
            words.remove(0);
        }
        let (dialect, args): (String, Vec<&str>) = match words.as_slice() {
            ["needrestart" | "checkrestart", args @ ..] => {
                (format!("{peer}={version}"), args.into())
            }
            ["needs-restarting", args @ ..] => ("needs-restarting=zypper".to_owned(), args.into()),
            ["dnf", args @ ..] => {
                let at = args.iter().position(|word| *word == "needs-restarting")?;
                // Options of dnf itself stand before its command.
                let args = [&args[..at], &args[at + 1..]].concat();
                ("needs-restarting=dnf4".to_owned(), args)
            }
            ["zypper", args @ ..] => {
                let command = |word: &&str| ["ps", "needs-rebooting"].contains(word);
                let at = args.iter().position(command)?;
                let dialect = format!("zypper-{}={version}", args[at]);
                // Options of zypper itself stand before those of its command.
                (dialect, [&args[..at], &args[at + 1..]].concat())
            }
            _ => return None,
        };
        let mut args: Vec<String> = args.into_iter().map(str::to_owned).collect();
        if let Some(at) = args.iter().position(|word| word == "--print") {
            let format = args.split_off(at + 1).join(" ");
            args.push(format);
        }
        let mut words = vec!["unstale".to_owned(), "--as".to_owned(), dialect];
        words.extend(args);
        Some(Called { words, variables })
    }
}
