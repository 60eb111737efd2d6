//! A recording's machine, as facts and answers that our own engine judges: what was replaced there by a byte-identical copy has
//! other content here, for a tool that compares content rightly calls such a process current.

use std::collections::BTreeMap;

use super::boots;
use super::recording::{Line, Recording, Told, Uid};
use super::table::{self, Owned};
use crate::bundle::Bundle;
use crate::model::{
    Account, Answers, Beside, Bytes, Claim, Clock, Compared, Details, Device, Evidence, Facts,
    FileKind, FileStat, Fresh, Host, How, Led, Look, Managed, ManagerState, NamedScript,
    Namespaces, Object, ObjectId, PathAnswer, PluginRun, Process, ProcessKey, Removed, Role, Scope,
    Source, StartName, StartTicks, Timestamp, UnitState, Units, Use, View, ViewId, WhyNot,
};
use crate::problem::Problem;

/// When the machine was booted; files are older, processes a little younger.
pub(super) const BOOTED: i64 = 1_758_000_000;
/// When files were replaced.
pub(super) const REPLACED: i64 = BOOTED + 3600;
const TAKEN: i64 = REPLACED + 60;
const INSTALLED: i64 = BOOTED - 1_000_000;

const TICKS: u64 = 100;
const PID_NS: u64 = 4_026_531_836;
const MNT_NS: u64 = 4_026_531_841;
const TTY: Device = Device {
    major: 136,
    minor: 0,
};

/// What a scene's machine holds, and who looks.
pub(super) struct World<'a> {
    recording: &'a Recording,
    owned: Vec<Owned>,
    objects: Vec<Object>,
    /// Objects by path and by whether what was mapped is at that path no more.
    known: BTreeMap<(String, State), ObjectId>,
    problems: Vec<Problem>,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// Nothing.
    Same,
    /// Another one is at its path.
    Replaced,
    /// None is: its name holds a version.
    Renamed(&'static str, &'static str),
}

/// A time by the second.
pub(super) fn at(secs: i64) -> Timestamp {
    Timestamp { secs, nanos: 0 }
}

/// A file of that inode number and time.
pub(super) fn stat(inode: u64, secs: i64) -> FileStat {
    FileStat {
        device: Device { major: 8, minor: 1 },
        inode,
        kind: FileKind::Regular,
        size: 1_234_567,
        links: 1,
        uid: 0,
        mode: 0o755,
        mtime: at(secs),
        ctime: at(secs),
        btime: Some(at(secs)),
        mount: Some(1),
    }
}

/// The machine of a recording.
pub(super) fn bundle(recording: &Recording) -> Bundle {
    let mut world = World::of(recording);
    let lines = recording.processes.iter();
    let processes: Vec<Process> = lines.clone().map(|line| world.process(line)).collect();
    let facts = Facts {
        host: host(recording),
        views: vec![View {
            mnt_ns: Some(MNT_NS),
            root: Bytes::from("/"),
            host: true,
        }],
        plugins: plugins(&processes),
        processes,
        boot: Some(boots::boot(recording)),
        beside: lines.filter_map(|line| beside(recording, line)).collect(),
        objects: world.objects,
        problems: world.problems,
    };
    let mut bundle = Bundle::new(facts, answers(recording, &world.owned));
    bundle.taken = Some(at(TAKEN));
    bundle.units = recording.is_booted().then(|| units(recording));
    bundle
}

/// Accounts of the machine.
pub(super) fn accounts(recording: &Recording) -> Vec<Account> {
    let of = |(uid, name): (u32, &str)| Account {
        name: name.to_owned(),
        uid,
        gid: uid,
    };
    table::accounts(recording.is_bookworm()).map(of).into()
}

/// Which processes use which old files, by the recording's own word, as far as its reader may look.
pub(super) fn gone(recording: &Recording) -> Vec<(u32, Vec<String>)> {
    let world = World::of(recording);
    let readable = |line: &&Line| [0, world.uid(line)].contains(&recording.reader());
    let lines = recording.processes.iter().filter(readable);
    let mut gone: Vec<(u32, Vec<String>)> = lines
        .map(|line| {
            let mut gone = world.told(line).gone;
            gone.sort();
            (line.pid, gone)
        })
        .filter(|(_, gone)| !gone.is_empty())
        .collect();
    gone.sort();
    gone
}

fn host(recording: &Recording) -> Host {
    Host {
        kernel: boots::release(recording),
        boot_id: Bytes::from("0b3f0f9e-0000-4000-8000-000000000000"),
        clock: Clock {
            boot_realtime_ns: BOOTED * 1_000_000_000,
            ticks_per_second: TICKS,
        },
        reader_uid: recording.reader(),
        reader_mnt_ns: Some(MNT_NS),
        reader_pid_ns: Some(PID_NS),
        memory_devices: Vec::new(),
        unified_cgroups: true,
        systemd: recording.is_booted(),
    }
}

impl<'a> World<'a> {
    fn of(recording: &'a Recording) -> Self {
        Self {
            recording,
            owned: table::owned(recording),
            objects: Vec::new(),
            known: BTreeMap::new(),
            problems: Vec::new(),
        }
    }

    fn process(&mut self, line: &Line) -> Process {
        let uid = self.uid(line);
        let told = self.told(line);
        let may_look = [0, uid].contains(&self.recording.reader());
        let program = told.exe.strip_suffix(" (deleted)");
        let program = program.unwrap_or(&told.exe).to_owned();
        let mut uses = Vec::new();
        if may_look {
            let mut files = vec![program.clone()];
            files.extend(told.gone.iter().filter(|gone| **gone != program).cloned());
            for (file, start) in files.iter().zip(1..) {
                let state = state_of(file, &told.gone);
                uses.push(Use {
                    object: self.object(file, state),
                    start: start * 0x1000,
                    program: *file == program,
                });
            }
        } else {
            self.problems.push(Problem {
                operation: "read".to_owned(),
                object: Bytes::from("maps"),
                pid: Some(line.pid),
                why: WhyNot::Denied,
            });
        }
        let script = line.argv.get(1).filter(|word| word.ends_with(".py"));
        let sources = script.map(|script| Source {
            object: self.object(script, State::Same),
            role: Role::Script,
            how: How::Loaded,
            evidence: Evidence::Path,
            plugin: 0,
            via: None,
        });
        let pid = u64::from(line.pid);
        // unshare(1) with a program: its child is the first of a pid namespace.
        let contained = told.cgroup.contains("/payload/")
            || told.comm == "holder" && line.ppid > 1 && !told.cgroup.contains("/user@");
        let inner = if contained { pid } else { 0 };
        Process {
            key: key(line),
            ppid: line.ppid,
            comm: Bytes::from(told.comm.as_str()),
            exe: may_look.then(|| Bytes::from(told.exe.as_str())),
            view: ViewId(0),
            uses,
            sources: sources.into_iter().collect(),
            details: Some(Details {
                argv: line
                    .argv
                    .iter()
                    .map(|word| Bytes::from(word.as_str()))
                    .collect(),
                uid,
                tty: (line.argv[0] == "sleep" && line.ppid > 1).then_some(TTY),
                cgroup: Bytes::from(format!("0::{}\n", told.cgroup).as_str()),
                namespaces: Namespaces {
                    pid: Some(PID_NS + inner),
                    mnt: Some(MNT_NS + inner),
                    user: Some(1),
                },
                cwd: Some(Bytes::from("/")),
            }),
        }
    }

    fn uid(&self, line: &Line) -> u32 {
        match &line.uid {
            Uid::Number(uid) => *uid,
            Uid::Name(name) => {
                let accounts = table::accounts(self.recording.is_bookworm());
                accounts.iter().find(|(_, known)| known == name).unwrap().0
            }
        }
    }

    /// What a booted scene tells, put together by hand for the others.
    fn told(&self, line: &Line) -> Told {
        if let Some(told) = &line.told {
            return told.clone();
        }
        let (exe, libraries) = table::program(&line.argv, self.recording.is_bookworm());
        let replaced = self.recording.said("replaced");
        let replaced = table::REPLACED
            .iter()
            .filter(|(word, _)| replaced.contains(word));
        let mut replaced: Vec<&str> = replaced.flat_map(|(_, files)| *files).copied().collect();
        // It is old in every scene that it is in, also where the scene does not say so.
        if line.argv[1..] == ["88888"] {
            replaced.push("/usr/bin/sleep");
        }
        let mapped = std::iter::once(&exe).chain(libraries);
        let gone = mapped.filter(|file| replaced.contains(file));
        let gone: Vec<String> = gone.map(|&file| file.to_owned()).collect();
        let comm = line.argv[0].rsplit('/').next().unwrap();
        Told {
            comm: comm.chars().take(15).collect(),
            cgroup: "/".to_owned(),
            exe: match gone.iter().any(|gone| gone == exe) {
                true => format!("{exe} (deleted)"),
                false => exe.to_owned(),
            },
            gone,
        }
    }

    fn object(&mut self, path: &str, state: State) -> ObjectId {
        let key = (path.to_owned(), state);
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let number = u32::try_from(self.objects.len()).unwrap();
        let inode = 1000 + u64::from(number);
        let mapped = match state {
            State::Same => stat(inode, INSTALLED),
            State::Replaced | State::Renamed(..) => FileStat {
                links: 0,
                ctime: at(REPLACED),
                ..stat(inode, INSTALLED)
            },
        };
        let new = stat(inode + 100_000, REPLACED);
        let is_other = state != State::Same;
        self.objects.push(Object {
            view: ViewId(0),
            name: Bytes::from(
                format!("{path}{}", if is_other { " (deleted)" } else { "" }).as_str(),
            ),
            path: Some(Bytes::from(path)),
            device: mapped.device,
            inode,
            look: Look {
                fresh: match state {
                    State::Same => Fresh::Found(mapped.clone()),
                    State::Replaced => Fresh::Found(new.clone()),
                    State::Renamed(..) => Fresh::Missing,
                },
                mapped: Ok(mapped),
                mount: None,
                mounted: Some(true),
                on_host: true,
                mapped_build_id: None,
                fresh_build_id: None,
                content: match state {
                    State::Replaced => Compared::Different,
                    State::Same | State::Renamed(..) => Compared::NotAsked,
                },
                start_name: match state {
                    State::Renamed(name, led) => Some(started_as(name, led, new)),
                    State::Same | State::Replaced => None,
                },
            },
        });
        self.known.insert(key, ObjectId(number));
        ObjectId(number)
    }
}

fn started_as(name: &str, led: &str, stat: FileStat) -> StartName {
    StartName {
        path: Bytes::from(name),
        found: Ok(Led {
            path: Bytes::from(led),
            stat,
            since_ns: REPLACED * 1_000_000_000,
            alternatives: false,
        }),
        content: Compared::Different,
    }
}

fn state_of(file: &str, gone: &[String]) -> State {
    match file {
        "/opt/multi/lib/libmulti.so.1.1.0" => State::Renamed(
            "/opt/multi/lib/libmulti.so.1",
            "/opt/multi/lib/libmulti.so.1.2.0",
        ),
        _ if gone.iter().any(|gone| gone == file) => State::Replaced,
        _ => State::Same,
    }
}

fn key(line: &Line) -> ProcessKey {
    ProcessKey {
        pid: line.pid,
        started: StartTicks(1000 + u64::from(line.pid)),
    }
}

/// What `holder` holds without running it, and the script of an interpreter.
fn beside(recording: &Recording, line: &Line) -> Option<Beside> {
    let replaced = recording.said("replaced");
    let removed = |path: &str| Removed {
        name: Bytes::from(format!("{path} (deleted)").as_str()),
        path: Some(Bytes::from(path)),
    };
    let held = line.argv.iter().filter_map(|word| {
        let path = word
            .strip_prefix("fd:")
            .or_else(|| word.strip_prefix("r:"))?;
        replaced.contains(path).then(|| removed(path))
    });
    let mut removed: Vec<Removed> = held.collect();
    removed.sort();
    let script = line.argv.get(1).filter(|word| word.ends_with(".py"));
    let script = script.map(|script| NamedScript {
        path: Bytes::from(script.as_str()),
        real: Bytes::from(script.as_str()),
    });
    (script.is_some() || !removed.is_empty()).then(|| Beside {
        process: key(line),
        script,
        removed,
    })
}

/// The detector that names scripts has looked at all interpreters.
fn plugins(processes: &[Process]) -> Vec<PluginRun> {
    let has_sources = processes.iter().any(|process| !process.sources.is_empty());
    let python = PluginRun {
        name: "python".to_owned(),
        version: "1".to_owned(),
        path: Bytes::from("/usr/lib/unstale/plugins/python"),
        looks: Vec::new(),
    };
    has_sources.then_some(python).into_iter().collect()
}

fn answers(recording: &Recording, owned: &[Owned]) -> Answers {
    let (backend, arch, old, new) = match recording.is_rpm() {
        true => ("rpm", "x86_64", "1.0-1", "2.0-1"),
        false => ("dpkg", "amd64", "1-1", "1-2"),
    };
    let claim = |owned: &Owned| Claim {
        backend: backend.to_owned(),
        name: owned.package.to_owned(),
        arch: arch.to_owned(),
        version: new.to_owned(),
        intact: None,
    };
    let mut paths: BTreeMap<Bytes, PathAnswer> = BTreeMap::new();
    let mut files: BTreeMap<String, Vec<Bytes>> = BTreeMap::new();
    for one in owned {
        paths.insert(Bytes::from(one.path), PathAnswer::Owned(vec![claim(one)]));
        let list = files.entry(one.package.to_owned()).or_default();
        list.push(Bytes::from(one.listed));
    }
    let strangers = [
        "/usr/local/bin/holder",
        "/usr/local/bin/worker.py",
        "/opt/vendor/bin/agentd",
    ];
    for path in strangers {
        paths.insert(Bytes::from(path), PathAnswer::Unpackaged);
    }
    let lines = recording
        .processes
        .iter()
        .filter_map(|line| line.told.as_ref());
    let told = lines.flat_map(|told| told.gone.iter().chain([&told.exe]));
    for path in told {
        let path = path.strip_suffix(" (deleted)").unwrap_or(path);
        let key = Bytes::from(path);
        paths.entry(key).or_insert(PathAnswer::Unpackaged);
    }
    let changes = owned.iter().map(|owned| crate::model::PackageChange {
        backend: backend.to_owned(),
        name: owned.package.to_owned(),
        arch: None,
        at: at(REPLACED),
        old: Some(old.to_owned()),
        new: Some(new.to_owned()),
    });
    let mut changes: Vec<_> = changes.collect();
    changes.dedup();
    Answers {
        stores: vec![backend.to_owned()],
        paths,
        changes,
        files,
        roots: Vec::new(),
        core: boots::core(recording),
    }
}

/// What systemd says: every service and scope that a process is in, of the system and of alice.
fn units(recording: &Recording) -> Units {
    let mut managers: BTreeMap<Scope, BTreeMap<String, UnitState>> = BTreeMap::new();
    for line in &recording.processes {
        let cgroup = &line.told.as_ref().unwrap().cgroup;
        let outer = cgroup.split("/payload/").next().unwrap();
        let (scope, path) = match outer.split_once("/user@1000.service/") {
            Some((_, inner)) => (Scope::User(1000), inner),
            None => (Scope::System, outer),
        };
        let mut parts = path.split('/');
        let is_unit = |part: &&str| part.ends_with(".service") || part.ends_with(".scope");
        if let Some(name) = parts.find(is_unit) {
            let units = managers.entry(scope).or_default();
            let unit = units.entry(name.to_owned());
            unit.or_insert_with(|| unit_state(name, line.pid));
        }
    }
    let managed = |(scope, units): (Scope, BTreeMap<String, UnitState>)| Managed {
        scope,
        said: Ok(ManagerState {
            state: "running".to_owned(),
            units: units.into_values().collect(),
        }),
    };
    Units {
        managers: managers.into_iter().map(managed).collect(),
    }
}

fn unit_state(name: &str, pid: u32) -> UnitState {
    let is_service = name.ends_with(".service");
    let word = |text: &str| text.to_owned();
    UnitState {
        id: word(name),
        names: vec![word(name)],
        load: word("loaded"),
        active: word("active"),
        sub: word("running"),
        service_type: word(if is_service { "simple" } else { "" }),
        main_pid: is_service.then_some(pid),
        exit_type: word("main"),
        kill_mode: word("control-group"),
        can_start: true,
        can_stop: true,
        refuse_manual_stop: name == "frozen.service",
        transient: !is_service,
        result: word("success"),
        invocation: word("0"),
        ..UnitState::default()
    }
}
