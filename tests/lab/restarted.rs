//! What `unstale restart` says (the records of its journal), what the service managers say that it did, and ways to it: over
//! ssh, at a terminal.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::machine::{Ended, Machine, must};

/// Services besides the usual ones.
pub(crate) const SERVICES: &str = include_str!("services.sh");

pub(crate) const PROGRAM: &str = "/usr/local/bin/unstale";

/// One run of the program, by its records.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) records: Vec<Value>,
    pub(crate) stderr: String,
}

/// An owner in one line: `unit nginx.service`, `user-unit 1000/lab-user.service`, `machine mweb`.
pub(crate) fn owner(owner: &Value) -> String {
    let word = |key: &str| owner[key].as_str().unwrap_or_default();
    let kind = owner["runtime"].as_str().unwrap_or(word("kind"));
    match (kind, owner["uid"].as_u64()) {
        ("service-manager", _) => kind.to_owned(),
        ("user-manager", Some(uid)) => format!("{kind} {uid}"),
        (_, Some(uid)) => format!("{kind} {uid}/{}", word("name")),
        (_, None) => format!("{kind} {}", word("name")),
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// The rules behind something.
pub(crate) fn rules(value: &Value) -> Vec<&str> {
    let because = list(value, "because").iter();
    because.filter_map(|one| one["rule"].as_str()).collect()
}

/// A deed in one line: `try-restart nginx.service`, `try-restart 1000/lab-user.service`, `reload`, `reexec 1000`.
fn deed(deed: &Value) -> String {
    let word = |key: &str| deed[key].as_str().unwrap_or_default();
    let uid = deed["uid"].as_u64();
    let target = match (uid, word("unit")) {
        (Some(uid), "") => uid.to_string(),
        (Some(uid), unit) => format!("{uid}/{unit}"),
        (None, unit) => unit.to_owned(),
    };
    format!("{} {target}", word("do")).trim_end().to_owned()
}

impl fmt::Debug for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "exit {:?}", self.code)?;
        self.records
            .iter()
            .try_for_each(|record| writeln!(f, "{record}"))?;
        f.write_str(&self.stderr)
    }
}

impl Ran {
    /// Reads what it printed with `--json`; anything that is not records fails the test.
    #[track_caller]
    pub(crate) fn read(ended: &Ended) -> Self {
        let record = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| {
                panic!(
                    "exit {:?}, not a record ({error}): {line}\n{}\n{}",
                    ended.code, ended.stdout, ended.stderr
                )
            })
        };
        Self {
            code: ended.code,
            records: ended.stdout.lines().map(record).collect(),
            stderr: ended.stderr.clone(),
        }
    }

    /// Runs it in a machine.
    #[track_caller]
    pub(crate) fn of(machine: &Machine, options: &[&str]) -> Self {
        let mut command = vec![PROGRAM, "restart", "--json"];
        command.extend(options);
        Self::read(&machine.run(&command))
    }

    fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> + 'a {
        let is = move |record: &&Value| record["record"] == kind;
        self.records.iter().filter(is)
    }

    #[track_caller]
    fn run(&self) -> &Value {
        let run = self.of_kind("run").next();
        run.unwrap_or_else(|| panic!("no run was planned: {self:#?}"))
    }

    /// What it is going to do, in order.
    #[track_caller]
    pub(crate) fn deeds(&self) -> Vec<String> {
        let steps = list(self.run(), "steps").iter();
        steps.map(|step| deed(&step["deed"])).collect()
    }

    /// The step that does this.
    #[track_caller]
    pub(crate) fn step(&self, what: &str) -> &Value {
        let steps = list(self.run(), "steps");
        let found = steps.iter().find(|step| deed(&step["deed"]) == what);
        found.unwrap_or_else(|| panic!("no step does {what}: {steps:#?}"))
    }

    /// How a step ended.
    #[track_caller]
    pub(crate) fn end(&self, what: &str) -> &Value {
        let number = &self.step(what)["number"];
        let mut ends = self.of_kind("end");
        let found = ends.find(|end| end["step"] == *number);
        found.unwrap_or_else(|| panic!("{what} never ended: {self:#?}"))
    }

    /// What is held back, and by which rules.
    #[track_caller]
    pub(crate) fn held(&self) -> BTreeMap<String, Vec<&str>> {
        let held = list(self.run(), "held").iter();
        held.map(|held| (owner(&held["owner"]), rules(held)))
            .collect()
    }

    /// How it ended for each owner.
    pub(crate) fn outcomes(&self) -> BTreeMap<String, &Value> {
        self.of_kind("item")
            .map(|item| (owner(&item["owner"]), item))
            .collect()
    }

    /// Whom it ended for in this way.
    pub(crate) fn ended(&self, outcome: &str) -> BTreeSet<String> {
        let items = self.outcomes().into_iter();
        items
            .filter(|(_, item)| item["outcome"] == outcome)
            .map(|(name, _)| name)
            .collect()
    }

    pub(crate) fn notes(&self) -> Vec<&str> {
        self.of_kind("note")
            .filter_map(|note| note["note"].as_str())
            .collect()
    }

    /// It went on to its end, and said so with the status with which it ended.
    #[track_caller]
    pub(crate) fn assert_finished(&self, exit: i32) {
        let last = self.records.last();
        let last = last.unwrap_or_else(|| panic!("it said nothing: {self:#?}"));
        assert_eq!(last["record"], "finish", "{self:#?}");
        assert_eq!(last["exit"], exit, "{self:#?}");
        assert_eq!(self.code, Some(exit), "{self:#?}");
    }
}

/// A service as its manager sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) active: String,
    pub(crate) invocation: String,
    pub(crate) main: String,
}

/// All services, by name; those of the lingering user as `1000/NAME`.
pub(crate) type Services = BTreeMap<String, Service>;

const SHOW: [&str; 8] = [
    "systemctl",
    "show",
    "*.service",
    "--all",
    "-p",
    "Id,ActiveState,InvocationID,MainPID",
    "--no-pager",
    "--type=service",
];

/// What the managers say of all services.
pub(crate) fn services(machine: &Machine) -> Services {
    let mut all = Services::new();
    add(&mut all, "", &machine.ask(&SHOW));
    if machine.root().join("home/lab").exists() {
        let mut show = SHOW.to_vec();
        show.insert(1, "--user");
        add(&mut all, "1000/", &machine.ask_as(1000, &show));
    }
    all
}

fn add(all: &mut Services, prefix: &str, shown: &str) {
    for block in shown.split("\n\n") {
        let property = |name: &str| {
            let mut lines = block.lines().filter_map(|line| line.split_once('='));
            let found = lines.find(|(key, _)| *key == name);
            found.map(|(_, value)| value.to_owned()).unwrap_or_default()
        };
        let service = Service {
            active: property("ActiveState"),
            invocation: property("InvocationID"),
            main: property("MainPID"),
        };
        all.insert(format!("{prefix}{}", property("Id")), service);
    }
}

/// Whatever is not what it was: started, restarted, stopped or failed.
pub(crate) fn changed(before: &Services, after: &Services) -> BTreeSet<String> {
    let names = before.keys().chain(after.keys());
    let differs = |name: &&String| {
        let ran = |services: &Services| {
            let service = services.get(*name)?;
            // A unit that is done with may leave the manager's memory.
            (service.active != "inactive").then(|| service.clone())
        };
        ran(before) != ran(after)
    };
    names.filter(differs).cloned().collect()
}

/// Nothing was started, stopped or restarted.
#[track_caller]
pub(crate) fn assert_untouched(machine: &Machine, before: &Services, when: &str) {
    let after = services(machine);
    let changed = changed(before, &after);
    // what a login, a timer or the machine's own user manager brings and takes is not ours
    let ours: Vec<_> = changed
        .iter()
        .filter(|name| !comes_and_goes(name))
        .collect();
    assert!(
        ours.is_empty(),
        "{when}: {:#?}",
        ours.iter()
            .map(|name| (name, before.get(*name), after.get(*name)))
            .collect::<Vec<_>>()
    );
}

/// Logins bring their users' managers, and they go some time later; timers bring what they bring; runs are units of their own.
pub(crate) fn comes_and_goes(name: &str) -> bool {
    let of_login = ["user@", "user-runtime-dir@"]
        .iter()
        .filter_map(|prefix| name.strip_prefix(prefix))
        .any(|uid| uid != "1000.service");
    let of_timer = [
        "systemd-tmpfiles-clean.service",
        "dpkg-db-backup.service",
        "logrotate.service",
    ];
    of_login || name.starts_with("unstale-") || of_timer.contains(&name)
}

/// How often each unit was started since, as the journal has it.
pub(crate) fn starts_since(machine: &Machine, cursor: &str) -> BTreeMap<String, usize> {
    // SD_MESSAGE_UNIT_STARTED of systemd's sd-messages.h
    let told = machine.shell(&format!(
        "journalctl -q --no-pager --after-cursor='{cursor}' -o json --output-fields=UNIT,USER_UNIT,_UID \
         MESSAGE_ID=39f53479d3a045ac8e11786248231fbf"
    ));
    let mut counted = BTreeMap::new();
    for line in told.lines() {
        let entry: Value = serde_json::from_str(line).expect("journalctl prints JSON");
        let name = match (entry["UNIT"].as_str(), entry["USER_UNIT"].as_str()) {
            (Some(unit), _) => unit.to_owned(),
            (None, Some(unit)) => format!("{}/{unit}", entry["_UID"].as_str().unwrap_or_default()),
            (None, None) => continue,
        };
        *counted.entry(name).or_default() += 1;
    }
    counted
}

/// 10.10: once, and not again.
#[track_caller]
pub(crate) fn assert_started_once(name: &str, starts: &BTreeMap<String, usize>) {
    // Nobody is there to write down that the journal itself starts.
    if name != "systemd-journald.service" {
        assert_eq!(starts.get(name), Some(&1), "starts of {name}: {starts:#?}");
    }
}

/// Where the journal is now.
pub(crate) fn cursor(machine: &Machine) -> String {
    let shown = machine.shell("journalctl --sync; journalctl -q -n 0 --show-cursor --no-pager");
    let cursor = shown
        .lines()
        .find_map(|line| line.strip_prefix("-- cursor: "));
    cursor.expect("the journal has entries").to_owned()
}

/// A way into a machine over the network, as administrators have it.
pub(crate) struct Door {
    key: PathBuf,
    to: String,
}

impl Door {
    /// Lets root in by a key.
    pub(crate) fn open(machine: &Machine) -> Self {
        let beside = machine
            .root()
            .parent()
            .expect("a root has a directory above");
        let key = beside.join("id_lab");
        let mut keygen = Command::new("ssh-keygen");
        keygen
            .args(["-q", "-N", "", "-t", "ed25519", "-f"])
            .arg(&key);
        must(keygen);
        let public = fs::read_to_string(key.with_extension("pub")).expect("ssh-keygen made it");
        machine.shell(&format!(
            "mkdir -p /root/.ssh; chmod 700 /root/.ssh; echo '{}' >>/root/.ssh/authorized_keys",
            public.trim()
        ));
        let link = fs::read_to_string(beside.join("link")).expect("the machine has a network");
        let to = format!("root@10.97.{}.2", link.trim());
        Self { key, to }
    }

    /// A command in a session of its own.
    pub(crate) fn command(&self, options: &[&str], command: &str) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args([
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
        ])
        .args(["-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-i"])
        .arg(&self.key)
        .args(options)
        .arg(&self.to)
        .arg(command);
        ssh
    }
}

/// Writes a file in a machine.
pub(crate) fn put(machine: &Machine, path: &str, text: &str) {
    let path = machine.root().join(path.trim_start_matches('/'));
    let directory = path.parent().expect("an absolute path");
    std::fs::create_dir_all(directory).expect("the machine's disk is ours");
    std::fs::write(path, text).expect("the machine's disk is ours");
}

/// Everything in one line that a service was or did, for whoever reads why a test failed.
pub(crate) fn told(services: &Services, names: &BTreeSet<String>) -> String {
    let line = |name: &String| format!("{name}: {:?}\n", services.get(name));
    names.iter().map(line).collect()
}

pub(crate) fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// How long each part took, for people.
pub(crate) struct Steps(Instant);

impl Steps {
    pub(crate) fn begin() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn note(&self, what: &str) {
        eprintln!("{:5.1} s: {what}", self.0.elapsed().as_secs_f64());
    }
}

/// Restarted, each once, and up.
#[track_caller]
pub(crate) fn assert_each_once(
    machine: &Machine,
    before: &Services,
    from: &str,
    expected: &BTreeSet<String>,
) {
    let up = || {
        let now = services(machine);
        expected.iter().all(|name| now[name].active == "active")
    };
    within(10, up);
    let after = services(machine);
    let mut changed = changed(before, &after);
    changed.retain(|name| !comes_and_goes(name));
    assert_eq!(&changed, expected, "{}", told(&after, &changed));
    let starts = starts_since(machine, from);
    for name in expected {
        assert_eq!(after[name].active, "active", "{name}: {:?}", after[name]);
        assert_started_once(name, &starts);
    }
}

/// A terminal of a machine, with nobody before it but the test.
pub(crate) struct Terminal {
    child: Child,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// `kind` is what programs know it by: `xterm`, `dumb`.
    pub(crate) fn start(door: &Door, kind: &str, command: &str) -> Self {
        let mut ssh = door.command(&["-tt"], command);
        ssh.env("TERM", kind);
        Self::of(ssh)
    }

    fn of(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("ssh can be run");
        let mut out = child.stdout.take().expect("it is piped");
        let shown = Arc::new(Mutex::new(Vec::new()));
        let to = Arc::clone(&shown);
        std::thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(count @ 1..) = out.read(&mut some) {
                let mut all = to.lock().expect("nobody panics with it");
                all.extend_from_slice(&some[..count]);
            }
        });
        Self { child, shown }
    }

    pub(crate) fn shown(&self) -> String {
        let all = self.shown.lock().expect("nobody panics with it");
        String::from_utf8_lossy(&all).into_owned()
    }

    /// What it shows once it shows something, and no more for a second.
    pub(crate) fn settled(&self) -> String {
        let patience = Instant::now() + Duration::from_secs(60);
        let mut before = String::new();
        while Instant::now() < patience {
            sleep(Duration::from_secs(1));
            let now = self.shown();
            if !now.is_empty() && now == before {
                return now;
            }
            before = now;
        }
        panic!("it never comes to rest: {before}");
    }

    /// Waits until it shows this.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str) {
        let shows = || self.shown().contains(what);
        assert!(within(60, shows), "no {what:?}: {}", self.shown());
    }

    pub(crate) fn type_in(&mut self, keys: &str) {
        let keyboard = self.child.stdin.as_mut().expect("it is piped");
        keyboard.write_all(keys.as_bytes()).expect("ssh reads it");
        keyboard.flush().expect("ssh reads it");
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self) -> Option<i32> {
        let ended = within(120, || self.child.try_wait().expect("it is ours").is_some());
        assert!(ended, "it does not end: {}", self.shown());
        self.child.wait().expect("it is ours").code()
    }

    /// As if the network or the machine before it were gone.
    pub(crate) fn tear(&mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits until something is so.
pub(crate) fn within(seconds: u64, mut so: impl FnMut() -> bool) -> bool {
    let patience = Instant::now() + Duration::from_secs(seconds);
    while !so() {
        if Instant::now() > patience {
            return false;
        }
        sleep(Duration::from_millis(100));
    }
    true
}
