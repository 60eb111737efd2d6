//! Containers and virtual machines of real engines: docker, podman, LXC, systemd-nspawn, QEMU, as Debian has them. What is
//! said of them is held against what the engines' own tools say, and followed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::detectors;
use crate::machine::{Clock, Image, Machine, lab_is_here};

const PACKAGES: [&str; 9] = [
    "podman",
    "crun",
    "docker.io",
    "docker-cli",
    "iptables",
    "lxc",
    "systemd-container",
    "qemu-system-x86",
    "busybox-static",
];

const PLUGINS: [&str; 7] = [
    "docker",
    "podman",
    "containerd",
    "lxc",
    "incus",
    "nspawn",
    "qemu",
];

/// Libraries as another build would give them.
const OTHERS: &str = "/srv/others";

/// What the program under test says of one owner.
#[derive(Debug)]
struct Said {
    verdict: String,
    /// Of all processes that it names.
    parts: BTreeSet<String>,
    paths: BTreeSet<String>,
    command: Option<Vec<String>>,
    host_unit: Option<String>,
}

/// By owner: `docker web`, `unit containerd.service`.
type Answer = BTreeMap<String, Said>;

/// What it should say.
struct Row {
    owner: &'static str,
    verdict: &'static str,
    parts: &'static [&'static str],
    command: Option<&'static [&'static str]>,
    host_unit: Option<&'static str>,
}

const fn container(owner: &'static str, part: &'static [&'static str]) -> Row {
    Row {
        owner,
        verdict: "restart-container",
        parts: part,
        command: None,
        host_unit: None,
    }
}

const fn unit(owner: &'static str, verdict: &'static str) -> Row {
    Row {
        owner,
        verdict,
        parts: &[],
        command: None,
        host_unit: None,
    }
}

impl Row {
    const fn by(mut self, command: &'static [&'static str]) -> Self {
        self.command = Some(command);
        self
    }

    const fn kept_by(mut self, unit: &'static str) -> Self {
        self.host_unit = Some(unit);
        self
    }
}

const DOCKER: &[&str] = &["/usr/bin/docker", "restart", "dweb"];
const PODMAN: &[&str] = &["/usr/bin/podman", "restart", "pweb"];
const LXC: &[&str] = &["/usr/bin/lxc-stop", "-r", "-n", "lweb"];
const NSPAWN: &[&str] = &["/usr/bin/machinectl", "reboot", "mweb"];
const NSPAWN_UNIT: &str = "systemd-nspawn@munit.service";

/// A library was replaced in each container.
const INSIDE: [Row; 5] = [
    container("docker dweb", &["payload"]).by(DOCKER),
    container("podman pweb", &["payload"]).by(PODMAN),
    container("lxc lweb", &["payload"]).by(LXC),
    container("machine mweb", &["payload"]).by(NSPAWN),
    container("machine munit", &["payload"]).kept_by(NSPAWN_UNIT),
];

/// The host's packages below were upgraded.
const OUTSIDE: [Row; 8] = [
    container("docker dweb", &["helper"]).by(DOCKER),
    container("podman pweb", &["helper"]).by(PODMAN),
    container("lxc lweb", &["helper"]),
    Row {
        owner: "libvirt vmweb",
        verdict: "restart-vm",
        parts: &["helper"],
        command: None,
        host_unit: None,
    },
    // systemd-nspawn is its unit's main process: the unit is named, and so is whatever somebody started it in by hand. A
    // restart of the unit is one of the machine.
    unit("unit systemd-nspawn@munit.service", "restart-container"),
    // That one is transient, as its manager says.
    unit("unit by-hand.service", "defer"),
    // The engines themselves, where they are of the same packages.
    unit("unit containerd.service", "defer"),
    unit("unit systemd-machined.service", "defer"),
];

/// containerd-shim and containerd; the library of conmon and QEMU; systemd-nspawn and machined.
const HELPERS: [&str; 3] = ["containerd", "libglib2.0-0t64", "systemd-container"];

/// What LXC's monitors run. Its package cannot be upgraded without two others, which want the very same version.
const LIBLXC: &str = "liblxc.so.1";

fn text(value: &Value) -> String {
    let text = value.as_str();
    text.unwrap_or_else(|| panic!("not a string: {value}"))
        .to_owned()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// What is to be done, and to whom.
#[track_caller]
fn check(machine: &Machine) -> Answer {
    let ended = machine.run(&["/usr/local/bin/unstale", "--json"]);
    let json: Value = serde_json::from_str(&ended.stdout)
        .unwrap_or_else(|why| panic!("{why}: {}\n{}", ended.stdout, ended.stderr));
    assert_eq!(json["complete"], true, "{:#}", json["problems"]);
    let mut answer = Answer::new();
    for item in list(&json["items"]) {
        let owner = &item["owner"];
        let kind = owner["runtime"].as_str().or(owner["kind"].as_str());
        let name = [&item["instance"]["name"], &owner["name"]];
        let name = name.into_iter().find_map(Value::as_str);
        let key = format!("{} {}", kind.unwrap_or_default(), name.unwrap_or_default());
        let processes = || list(&item["processes"]);
        let findings = processes().flat_map(|process| list(&process["findings"]));
        let said = Said {
            verdict: text(&item["verdict"]),
            parts: processes()
                .filter_map(|process| Some(process["part"].as_str()?.to_owned()))
                .collect(),
            paths: findings.map(|finding| text(&finding["path"])).collect(),
            command: item["restart_command"]
                .as_array()
                .map(|words| words.iter().map(text).collect()),
            host_unit: owner["host_unit"].as_str().map(str::to_owned),
        };
        let before = answer.insert(key, said);
        assert!(before.is_none(), "one owner in two items: {json:#}");
    }
    answer
}

/// These are said to be old, as their tools name them, and nothing else is.
#[track_caller]
fn assert_said(machine: &Machine, answer: &Answer, rows: &[Row]) {
    let owners: BTreeSet<&str> = answer.keys().map(String::as_str).collect();
    let expected: BTreeSet<&str> = rows.iter().map(|row| row.owner).collect();
    assert_eq!(owners, expected, "{answer:#?}");
    let running = running(machine);
    for row in rows {
        let said = &answer[row.owner];
        let what = row.owner;
        assert_eq!(said.verdict, row.verdict, "{what}: {said:#?}");
        let parts: BTreeSet<String> = row.parts.iter().map(|&part| part.to_owned()).collect();
        assert_eq!(said.parts, parts, "{what}: {said:#?}");
        let command = said.command.as_ref();
        let command: Option<Vec<&str>> =
            command.map(|words| words.iter().map(String::as_str).collect());
        assert_eq!(command.as_deref(), row.command, "{what}: {said:#?}");
        assert_eq!(
            said.host_unit.as_deref(),
            row.host_unit,
            "{what}: {said:#?}"
        );
        if !what.starts_with("unit ") {
            assert!(running.contains(what), "no tool has {what}: {running:#?}");
        }
    }
}

/// The instances that run, as each engine's own tool names them.
fn running(machine: &Machine) -> BTreeSet<String> {
    let listed = machine.shell(
        "docker ps --format 'docker {{.Names}}'
        podman ps --format 'podman {{.Names}}'
        lxc-ls -1 --running | sed 's/^/lxc /'
        machinectl list --no-legend --no-pager | awk '{ print ($2 == \"vm\" ? \"vm\" : \"machine\"), $1 }'",
    );
    let named = listed.lines().map(|line| {
        let line = line.trim_end();
        // libvirt numbers the machines that it registers; a person says `virsh … vmweb`.
        line.strip_prefix("vm qemu-")
            .and_then(|rest| Some(format!("libvirt {}", rest.split_once('-')?.1)))
            .unwrap_or_else(|| line.to_owned())
    });
    named.collect()
}

/// The library is replaced in these roots by code that another build would give.
fn replace(machine: &Machine, library: &str, roots: &[&str]) {
    let found = machine.shell(&format!("realpath /usr/lib/*-linux-gnu/{library}"));
    let inside = |path: &str| machine.root().join(path.trim_start_matches('/'));
    let path = found.trim();
    let mut code = fs::read(inside(path)).expect("the machine has it");
    // The head of NT_GNU_BUILD_ID: sizes of name and id, type, name. The id makes it another build.
    let head = b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0";
    let at = code.windows(head.len()).position(|window| window == head);
    let id = at.expect("it has a build-id") + head.len();
    code[id] ^= 0xA5;
    fs::create_dir_all(inside(OTHERS)).expect("the machine's disk is ours");
    let other = format!("{OTHERS}/{library}");
    fs::write(inside(&other), code).expect("the machine's disk is ours");
    for root in roots {
        machine.shell(&format!(
            "old={root}{path}; test -f $old; cp {other} $old.new; mv $old.new $old"
        ));
    }
}

/// Instances that were started after all that was replaced.
fn start_fresh(machine: &Machine) {
    machine.ask(&["bash", "-euc", include_str!("engines-fresh.sh")]);
    let running = running(machine);
    for fresh in [
        "docker dfresh",
        "podman pfresh",
        "lxc lfresh",
        "machine mfresh",
        "libvirt vmfresh",
    ] {
        assert!(
            running.contains(fresh),
            "{fresh} does not run: {running:#?}"
        );
    }
}

/// Boots a machine in which engines may do what they may on a real one.
pub(crate) fn boot(name: &str, image: Image) -> Machine {
    // What systemd-nspawn is to allow it lies where it looks for the settings of a machine of that name, once, as it starts.
    let settings = PathBuf::from(format!(
        "/run/systemd/nspawn/{name}-{}.nspawn",
        std::process::id()
    ));
    let allowed = "[Exec]\nCapability=all\nSystemCallFilter=@known\n[Files]\nBind=/dev/fuse\nBind=/dev/net/tun\n";
    fs::create_dir_all("/run/systemd/nspawn").expect("root may");
    fs::write(&settings, allowed).expect("root may");
    let machine = Machine::boot(name, image, Clock::OwnBoot);
    fs::remove_file(&settings).expect("it is ours");
    // And what it cannot be told there: engines set these as they need them, even while they are installed. LXC's own
    // services would wait half a minute for a bridge, for which they look in the host's /sys.
    machine.shell(
        "mount -o remount,bind,rw /proc/sys
        mount -o remount,rw /sys
        systemctl -q mask lxc.service lxc-net.service",
    );
    machine
}

/// Runs the commands that were said, as they were said, and restarts the units that keep a container.
#[track_caller]
fn follow(machine: &Machine, answer: &Answer) {
    for (owner, said) in answer {
        let kept_by = said.host_unit.as_deref();
        let of_unit = kept_by.or(owner.strip_prefix("unit "));
        match (&said.command, of_unit) {
            (Some(command), _) => drop(machine.ask(command)),
            (None, Some(unit)) => drop(machine.ask(&["systemctl", "restart", unit])),
            (None, None) => {}
        }
    }
}

/// Nothing is old any more, as soon as what was told to start anew has ended.
#[track_caller]
fn assert_current(machine: &Machine, when: &str) {
    let patience = Instant::now() + Duration::from_secs(20);
    let mut said = check(machine);
    while !said.is_empty() && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(500));
        said = check(machine);
    }
    assert!(said.is_empty(), "{when}: {said:#?}");
}

#[test]
fn containers_of_real_engines() {
    if !lab_is_here() {
        return;
    }
    let started = Instant::now();
    let step = |what: &str| eprintln!("{:5.1} s: {what}", started.elapsed().as_secs_f64());
    let machine = boot("engines", Image::Trixie);
    // Where packages install them: nobody has to name that.
    let shipped = machine.root().join("usr/lib/unstale/plugins");
    detectors::build_into(&shipped, &PLUGINS);
    step("booted");
    machine.script("engines-install.sh", &[], &PACKAGES);
    step("installed");
    let qemu = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/engines-qemu.sh");
    fs::copy(qemu, machine.root().join("srv/engines-qemu.sh")).expect("it is beside this file");
    machine.ask(&["bash", "-euc", include_str!("engines-start.sh")]);
    step("instances run");
    // Only what was upgraded by the installation before could be old, and no instance was there then.
    assert_current(&machine, "before anything");
    step("checked");

    replace(
        &machine,
        "libc.so.6",
        &[
            "/proc/$(docker inspect -f '{{.State.Pid}}' dweb)/root",
            "/proc/$(podman inspect -f '{{.State.Pid}}' pweb)/root",
            "/var/lib/lxc/lweb/rootfs",
            "/var/lib/machines/mweb",
            "/var/lib/machines/munit",
        ],
    );
    start_fresh(&machine);
    let answer = check(&machine);
    assert_said(&machine, &answer, &INSIDE);
    for (owner, said) in &answer {
        let libc = |path: &String| path.ends_with("/libc.so.6");
        assert!(said.paths.iter().all(libc), "{owner}: {said:#?}");
    }
    step("found inside");
    follow(&machine, &answer);
    step("restarted");
    assert_current(
        &machine,
        "libraries inside were replaced, and all that was said was done",
    );
    step("clean");

    machine.script("bump-deb.sh", &["-c"], &HELPERS);
    replace(&machine, LIBLXC, &[""]);
    step("upgraded");
    start_fresh(&machine);
    let answer = check(&machine);
    assert_said(&machine, &answer, &OUTSIDE);
    step("found outside");
    follow(&machine, &answer);
    // What there is no command for, and why: these leave the helper alone.
    machine.ask(&["lxc-stop", "-r", "-n", "lweb"]);
    let left: Vec<Row> = OUTSIDE
        .into_iter()
        .filter(|row| ["lxc lweb", "libvirt vmweb"].contains(&row.owner))
        .collect();
    assert_said(&machine, &check(&machine), &left);
    step("restarted");
    machine.shell(
        "lxc-stop -k -n lweb
        lxc-start -n lweb
        /srv/engines-qemu.sh 1 vmweb",
    );
    assert_current(&machine, "helpers were upgraded, and all was started anew");
    step("clean");
    // They heed no signal of a shutdown: it would wait for them.
    machine.shell("lxc-stop -k -n lweb; lxc-stop -k -n lfresh");
}
