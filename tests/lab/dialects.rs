//! The dialects beside the programs whose they are: the same machine in the same moment, read by the parsers that fleets have.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::compare::{Difference, assert_none};
use crate::machine::{Clock, Ended, Image, Machine, lab_is_here, must, script};
use crate::readers::{self, Facts, Reader};
use crate::restarted::{
    PROGRAM, SERVICES, Steps, changed, comes_and_goes, names, put, services, told,
};
use crate::vm::Vm;
use crate::{metrics, nagios};

/// Who calls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Root,
    /// Somebody with processes of theirs, old ones among them.
    Lab,
    /// Somebody without.
    Nobody,
}

/// One command line, and who reads what it prints.
struct Call {
    who: Who,
    options: &'static str,
    readers: &'static [(&'static str, Reader)],
}

const fn call(options: &'static str, readers: &'static [(&'static str, Reader)]) -> Call {
    Call {
        who: Who::Root,
        options,
        readers,
    }
}

const fn as_user(
    who: Who,
    options: &'static str,
    readers: &'static [(&'static str, Reader)],
) -> Call {
    Call {
        who,
        options,
        readers,
    }
}

/// A peer, and the dialect that stands in for it.
struct Peer {
    program: &'static [&'static str],
    dialect: &'static str,
    /// Options that only we have.
    more: &'static str,
    calls: &'static [&'static [Call]],
}

/// A difference from a peer that we know of and mean.
struct Known {
    /// The dialect, as a pattern.
    dialect: &'static str,
    /// Whose reading, as a pattern; with the options before it: `-b Rudder`.
    reader: &'static str,
    /// What only they let read, as patterns.
    theirs: &'static [&'static str],
    /// What only we let read, as patterns.
    ours: &'static [&'static str],
    why: &'static str,
}

/// What stands for `*` may be anything.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = parts.next().and_then(|start| text.strip_prefix(start)) else {
        return false;
    };
    let mut rest = rest;
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.is_empty()
}

#[test]
fn a_pattern_matches_all_of_a_fact() {
    for (pattern, text, expected) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("a*", "ab", true),
        ("*b", "ab", true),
        ("*", "", true),
        ("a*c*e", "abcde", true),
        ("a*c*e", "abde", false),
        ("a*a", "aa", true),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
    }
}

const NEEDRESTART: &[Call] = &[
    call(
        "-b -r l",
        &[
            ("Rudder", readers::rudder),
            ("apt-dater", readers::apt_dater),
        ],
    ),
    call(
        "-b",
        &[
            ("Katello", readers::katello),
            ("textfile script", readers::textfile),
            ("playbook", readers::playbook),
        ],
    ),
    call("-p", &[("Nagios", readers::monitoring)]),
    call("-p -k", &[("Icinga", readers::lines)]),
    call("-p -l", &[("Icinga", readers::monitoring)]),
    call("-bkw", &[("playbook", readers::bytes)]),
    call("-r l", &[("person", readers::below_headings)]),
    call("-r l -n", &[("person", readers::below_headings)]),
    call("-q -rl", &[("script", readers::below_headings)]),
    call("-m e", &[("person", readers::bytes)]),
    as_user(Who::Lab, "-b", &[("playbook", readers::own_processes)]),
    as_user(Who::Lab, "-p", &[("Nagios", readers::bytes)]),
    as_user(Who::Nobody, "-b", &[("playbook", readers::bytes)]),
    call("-Z -b", &[("wrapper", readers::status)]),
    call("-r z", &[("wrapper", readers::status)]),
    call("-m z", &[("wrapper", readers::status)]),
    call("-b -c /nonexistent", &[("wrapper", readers::status)]),
    call("--version", &[("wrapper", readers::status)]),
    call("--help", &[("wrapper", readers::status)]),
];

const NEEDRESTART_3_11: &[Call] = &[
    call("-o", &[("Prometheus", readers::samples)]),
    as_user(Who::Lab, "-o -l", &[("Prometheus", readers::bytes)]),
    call("-p -o", &[("wrapper", readers::status)]),
];

const NEEDRESTART_3_6: &[Call] = &[call("-o", &[("wrapper", readers::status)])];

const CHECKRESTART_12: &[Call] = &[
    call("--machine --package", &[("Salt", readers::salt)]),
    call("-m", &[("reader", readers::counters)]),
    call(
        "",
        &[("person", readers::lines), ("runner", readers::commands)],
    ),
    call("-t", &[("Nagios wrapper", readers::bytes)]),
    call("-h", &[("wrapper", readers::status)]),
    call("-Z", &[("wrapper", readers::status)]),
    as_user(Who::Nobody, "-m", &[("reader", readers::status)]),
];

const CHECKRESTART_13: &[Call] = &[
    call("-m", &[("reader", readers::tabs)]),
    call(
        "",
        &[("person", readers::lines), ("runner", readers::commands)],
    ),
    call("-t", &[("Nagios wrapper", readers::bytes)]),
    call("-m -t", &[("Nagios wrapper", readers::bytes)]),
    call("-f", &[("person", readers::commands)]),
    call("-m -x unit:.", &[("reader", readers::tabs)]),
    call("-m -x package:(", &[("wrapper", readers::status)]),
    call("-m -b /nonexistent", &[("wrapper", readers::status)]),
    call("-h", &[("wrapper", readers::status)]),
    call("-Z", &[("wrapper", readers::status)]),
];

const ZYPPER: &[Call] = &[
    call("-s", &[("table", readers::table)]),
    call("", &[("table", readers::table)]),
    call("-sss", &[("Katello", readers::katello_zypper)]),
    call("-Z", &[("wrapper", readers::status)]),
];

const DNF4: &[Call] = &[
    call(
        "",
        &[
            ("Katello", readers::katello_rpm),
            ("os_patching", readers::os_patching),
        ],
    ),
    call("-s", &[("smart-restart", readers::smart_restart)]),
    call(
        "-r",
        &[
            ("Uyuni", readers::is_one),
            ("yum.sh", readers::yum_sh),
            ("person", readers::lines),
        ],
    ),
    call("-u", &[("Katello", readers::katello_rpm)]),
    as_user(Who::Nobody, "-u", &[("Katello", readers::lines)]),
    call("--nonsense", &[("wrapper", readers::is_one)]),
];

/// Of versions that list services of the packages that want a reboot.
const DNF4_OLDER: &[Call] = &[call("-s", &[("smart-restart", readers::smart_restart)])];

const DEBIAN_12: &[Peer] = &[
    Peer {
        program: &["needrestart"],
        dialect: "needrestart=3.6",
        more: "",
        calls: &[NEEDRESTART, NEEDRESTART_3_6],
    },
    Peer {
        program: &["checkrestart"],
        dialect: "checkrestart=0.88.1",
        more: "",
        calls: &[CHECKRESTART_12],
    },
    Peer {
        program: &["zypper", "ps"],
        dialect: "zypper-ps=1.14.42",
        more: "",
        calls: &[ZYPPER],
    },
];

const DEBIAN_13: &[Peer] = &[
    Peer {
        program: &["needrestart"],
        dialect: "needrestart=3.11",
        more: "",
        calls: &[NEEDRESTART, NEEDRESTART_3_11],
    },
    Peer {
        program: &["checkrestart"],
        dialect: "checkrestart=0.88.2",
        more: "",
        calls: &[CHECKRESTART_13],
    },
    Peer {
        program: &["zypper", "ps"],
        dialect: "zypper-ps=1.14.89",
        more: "",
        calls: &[ZYPPER],
    },
];

const RPM: &[Peer] = &[
    Peer {
        program: &["dnf", "-q", "needs-restarting"],
        dialect: "needs-restarting=dnf4",
        more: "",
        calls: &[DNF4],
    },
    Peer {
        program: &["dnf", "-q", "needs-restarting"],
        dialect: "needs-restarting=dnf4",
        more: " --compat=4.10.1",
        calls: &[DNF4_OLDER],
    },
];

/// Where the peers and we differ, and why.
const KNOWN: &[Known] = &[
    Known {
        dialect: "needrestart=*",
        reader: "-p -k Icinga",
        theirs: &[" - |"],
        ours: &["OK - |"],
        why: "where nothing is checked, in a container, theirs prints no state at all and warns of its own variables",
    },
    Known {
        dialect: "needrestart=*",
        reader: "*",
        theirs: &["Services to be restarted: systemctl restart console-getty.service"],
        ours: &["Service restarts being deferred: systemctl restart console-getty.service"],
        why: "a restart ends the login at the console; theirs defers getty@ and serial-getty@ only",
    },
    Known {
        dialect: "needrestart=3.6",
        reader: "-r l* person",
        theirs: &["User sessions running outdated binaries: lab @ session #*: sshd[*]"],
        ours: &["User sessions running outdated binaries: lab @ session #*: sleep[*], sshd[*]"],
        why: "theirs names the parent of an old process instead of the process",
    },
    Known {
        dialect: "needrestart=3.11",
        reader: "*",
        theirs: &[
            "*user@1000*",
            "services *, sessions 0",
            "text Sessions: none",
            "perf Sessions=0;*",
            "WARN",
            "exit Some(1)",
            "No user sessions are running outdated binaries.",
            "5: This system runs outdated binaries.*",
        ],
        ours: &[
            "*systemd-user*",
            "*lab @ user manager*",
            "*lab @ user service*",
            "services *, sessions 2",
            "text Sessions: 2 (!!)",
            "perf Sessions=2;*",
            "long Sessions:",
            "CRIT",
            "exit Some(2)",
            "User sessions running outdated binaries:",
            "5: This system runs outdated binaries and outdated sessions.*",
        ],
        why: "where the host has both hierarchies, theirs takes the path in that of version 1, which is / here, and asks \
              systemctl status instead: that knows the unit around a user's manager only",
    },
    Known {
        dialect: "needrestart=3.11",
        reader: "-b playbook",
        theirs: &[],
        ours: &["openssl: {*}"],
        why: "theirs names the parent of an old process instead of the process",
    },
    Known {
        dialect: "needrestart=3.11",
        reader: "-o Prometheus",
        theirs: &["needrestart_build_info{*perl_version=\"v*\"} 1"],
        ours: &[
            "needrestart_build_info{*perl_version=\"none\"} 1",
            "needrestart_services *",
            "needrestart_containers *",
            "needrestart_sessions *",
            "needrestart_guests *",
            "needrestart_unreadable_processes *",
        ],
        why: "there is no Perl; theirs calls services processes, and has nothing for the others",
    },
    Known {
        dialect: "checkrestart=0.88.1",
        reader: "*",
        theirs: &[
            "PACKAGES  *",
            "(* distinct packages)",
            "These processes (*) do not seem to have an associated init script to restart them:",
        ],
        ours: &[
            "OTHER redis-tools * /usr/bin/redis-check-rdb",
            "PACKAGES  *",
            "(* distinct packages)",
            "These processes (*) do not seem to have an associated init script to restart them:",
            "redis-tools:",
            "*/usr/bin/redis-check-rdb",
        ],
        why: "the kernel's link to a program that was replaced in a service's own mount namespace can be / alone; theirs knows no package for that",
    },
    Known {
        dialect: "checkrestart=0.88.2",
        reader: "*",
        theirs: &["*Program / (PID: *", "* / / (deleted) *"],
        ours: &[
            "*Program /usr/bin/* (PID: *, EXE: '/ (deleted)'*",
            "* /usr/bin/* / (deleted) *",
        ],
        why: "the link of a program outside of every root leads to /; ours is the program's path in its own root",
    },
    Known {
        dialect: "zypper-ps=*",
        reader: "*table",
        theirs: &["exit Some(0)", "reboot false"],
        ours: &["exit Some(102)", "reboot true"],
        why: "theirs knows of what rpm installed only; PID 1 and the bus run old code",
    },
    Known {
        dialect: "zypper-ps=1.14.42",
        reader: "*",
        theirs: &["PID=* Service="],
        ours: &["PID=* Service=*"],
        why: "theirs reads the hierarchy of version 1 only, so that no process has a service",
    },
    Known {
        dialect: "zypper-ps=1.14.42",
        reader: "-sss Katello",
        theirs: &[],
        ours: &["*"],
        why: "as above",
    },
    Known {
        dialect: "needs-restarting=dnf4",
        reader: "-s smart-restart",
        theirs: &[
            "console-getty.service",
            "dbus.service",
            "systemd-journald.service",
            "systemd-logind.service",
        ],
        ours: &[],
        why: "as versions after 4.10.1: services of packages that want a reboot are named on standard error",
    },
    Known {
        dialect: "needs-restarting=dnf4",
        reader: "-r person",
        theirs: &[],
        ours: &["  * *"],
        why: "PID 1 runs old code of these, too; theirs knows a list of names",
    },
    Known {
        dialect: "needs-restarting=dnf4",
        reader: "-u Katello",
        theirs: &["pid *"],
        ours: &[],
        why: "theirs asks who owns the directory below /proc: root, where a process gave up its first user",
    },
];

fn run(machine: &Machine, who: Who, program: &[&str], options: &str) -> Ended {
    let user = match who {
        Who::Root => None,
        Who::Lab => Some("lab"),
        Who::Nobody => Some("nobody"),
    };
    let mut words: Vec<&str> = Vec::new();
    if let Some(user) = user {
        words.extend(["runuser", "-u", user, "--"]);
    }
    words.extend(program);
    words.extend(options.split_whitespace());
    machine.run(&words)
}

/// The peer's run. needrestart may die of SIGPIPE halfway, when a script of notify.d ends before it reads: once more, then.
fn theirs(machine: &Machine, who: Who, program: &[&str], options: &str) -> Ended {
    let mut tries = 0;
    loop {
        let ended = run(machine, who, program, options);
        tries += 1;
        if tries == 5 || !matches!(ended.code, None | Some(141)) {
            return ended;
        }
        eprintln!(
            "{program:?} {options} ended with {:?}: once more",
            ended.code
        );
    }
}

fn ours(dialect: &str) -> [&str; 3] {
    [PROGRAM, "--as", dialect]
}

/// What one call gave them and us, where it is not the same to a reader.
fn differences(peer: &Peer, call: &Call, theirs: &Ended, ours: &Ended) -> Vec<String> {
    let mut unknown = Vec::new();
    for (reader, read) in call.readers {
        let (theirs, ours): (Facts, Facts) = (read(theirs), read(ours));
        if theirs.is_empty() && ours.is_empty() {
            unknown.push(format!("{}: {reader} reads nothing", call.options));
        }
        let by = format!("{}{} {reader}", call.options, peer.more);
        let only_theirs = theirs.difference(&ours);
        let only_ours = ours.difference(&theirs);
        let all = only_theirs
            .map(|fact| (fact, Difference::OnlyTheirs))
            .chain(only_ours.map(|fact| (fact, Difference::OnlyOurs)));
        for (fact, difference) in all {
            let known = KNOWN.iter().find(|row| {
                let patterns = match difference {
                    Difference::OnlyTheirs => row.theirs,
                    Difference::OnlyOurs => row.ours,
                };
                matches(row.dialect, peer.dialect)
                    && matches(row.reader, &by)
                    && patterns.iter().any(|pattern| matches(pattern, fact))
            });
            let line = format!("{} {by}: {difference:?}: {fact}", peer.dialect);
            match known {
                Some(row) => eprintln!("known: {line}: {}", row.why),
                None => unknown.push(line),
            }
        }
    }
    unknown
}

/// All calls of all peers, theirs and ours right after each other.
fn compare(machine: &Machine, peers: &[Peer]) -> Vec<String> {
    let mut wrong = Vec::new();
    for peer in peers {
        for call in peer.calls.iter().copied().flatten() {
            let theirs = theirs(machine, call.who, peer.program, call.options);
            let options = call.options.to_owned() + peer.more;
            let ours = run(machine, call.who, &ours(peer.dialect), &options);
            let found = differences(peer, call, &theirs, &ours);
            if !found.is_empty() {
                eprintln!(
                    "--- {:?} {}\n{}{}--- --as {}\n{}{}---",
                    peer.program,
                    call.options,
                    theirs.stdout,
                    theirs.stderr,
                    peer.dialect,
                    ours.stdout,
                    ours.stderr
                );
            }
            wrong.extend(found);
        }
    }
    wrong
}

/// A link named like the peer says what `--as` says.
fn links(machine: &Machine) -> Vec<String> {
    machine.shell(&format!(
        "mkdir -p /opt/links; for name in needrestart checkrestart needs-restarting; do \
         ln -sf {PROGRAM} /opt/links/$name; done"
    ));
    let mut wrong = Vec::new();
    for (name, options) in [
        ("needrestart", "-b"),
        ("checkrestart", "-m"),
        ("needs-restarting", "-s"),
    ] {
        let link = format!("/opt/links/{name}");
        let linked = run(machine, Who::Root, &[&link], options);
        let asked = run(machine, Who::Root, &ours(name), options);
        if linked.code != asked.code || linked.stdout != asked.stdout {
            wrong.push(format!(
                "{link} {options}: {}{}",
                linked.stdout, linked.stderr
            ));
        }
    }
    wrong
}

/// What those who made the format say of our metrics: the parsers of OpenMetrics and of Prometheus's own format, and promtool.
fn metrics_are_taken(text: &str) -> Vec<String> {
    assert!(
        metrics::parsers_are_here(),
        "python3-prometheus-client is not installed: see tests/run.sh"
    );
    let promtool = must(script("promtool.sh"));
    let mut check = Command::new(promtool.trim());
    check.args(["check", "metrics"]);
    let said = [metrics::parse(text), metrics::filter(check, text)];
    let wrong = said.into_iter().filter_map(Result::err);
    wrong.map(|why| format!("metrics: {why}: {text}")).collect()
}

/// What needrestart's readers are told of a kernel that really runs, and of those beside it.
#[track_caller]
pub(crate) fn assert_kernel(vm: &Vm, status: &str, state: &str) {
    let say = |options: &[&str]| {
        let mut words = ours("needrestart").to_vec();
        words.extend(options);
        vm.run(&words)
    };
    let batch = say(&["-b", "-k"]);
    let line = format!("NEEDRESTART-KSTA: {status}\n");
    assert!(
        batch.stdout.contains(&line),
        "{line}{}{}",
        batch.stdout,
        batch.stderr
    );
    let is_due = !readers::katello(&batch).is_empty();
    assert_eq!(is_due, status != "1", "{}", batch.stdout);
    let plugin = say(&["-p", "-k"]);
    let read = nagios::read(&plugin.stdout, plugin.code);
    assert_eq!(
        read.map(|read| read.state),
        Ok(state.to_owned()),
        "{}",
        plugin.stdout
    );
    assert_none("metrics", &metrics_are_taken(&say(&["-o", "-k"]).stdout));
}

/// Units in the block below a heading of needrestart's list.
fn listed(ended: &Ended, heading: &str) -> BTreeSet<String> {
    let prefix = format!("{heading} systemctl restart ");
    let facts = readers::below_headings(ended);
    let commands = facts.iter().filter_map(|fact| fact.strip_prefix(&prefix));
    commands
        .flat_map(str::split_whitespace)
        .map(str::to_owned)
        .collect()
}

const TO_RESTART: &str = "Services to be restarted:";

/// What needrestart would restart and we defer: see the table above.
const DEFERRED: &str = "console-getty.service";

/// `-r a` restarts what needrestart would restart, once, and neither finds it again.
fn restarts(machine: &Machine, dialect: &str) -> Vec<String> {
    // The upgrade was held back by that; needrestart does not ask it, unstale does.
    machine.shell("rm -f /usr/sbin/policy-rc.d");
    let list = || theirs(machine, Who::Root, &["needrestart"], "-r l");
    let theirs = list();
    let mut expected = listed(&theirs, TO_RESTART);
    expected.remove(DEFERRED);
    assert!(expected.len() >= 3, "little to restart: {}", theirs.stdout);
    let before = services(machine);
    let ended = run(machine, Who::Root, &ours(dialect), "-r a");
    eprintln!("{}{}", ended.stdout, ended.stderr);
    let after = services(machine);
    let mut restarted = changed(&before, &after);
    restarted.retain(|name| !comes_and_goes(name));
    let mut wrong = Vec::new();
    if ended.code != Some(0) {
        wrong.push(format!("-r a: exit {:?}", ended.code));
    }
    if restarted != expected {
        wrong.push(format!(
            "-r a restarted {restarted:?}, needrestart would {expected:?}: {}",
            told(&after, &restarted)
        ));
    }
    for again in [list(), run(machine, Who::Root, &ours(dialect), "-r l")] {
        let mut left = listed(&again, TO_RESTART);
        left.remove(DEFERRED);
        if !left.is_empty() {
            wrong.push(format!("still there after -r a: {left:?}"));
        }
    }
    wrong
}

/// In which what a hook of apt asked for is done: quiet for some seconds, two looks, and the restarts.
const LATER: Duration = Duration::from_secs(120);
/// After which nobody does what nobody asked for.
const NEVER: Duration = Duration::from_secs(20);

/// apt, with needrestart's own hook, and ours in the place of the program that it calls.
fn below_apt(machine: &Machine) -> Vec<String> {
    let mut wrong = Vec::new();
    machine.shell(&format!(
        "mv /usr/sbin/needrestart /usr/sbin/needrestart.peer; ln -s {PROGRAM} /usr/sbin/needrestart"
    ));
    let tls = names(&[
        r"lab-escaped@a\x2db.service",
        "lab-tls@4401.service",
        "lab-tls@4402.service",
    ]);
    for (version, mode, expected) in [
        // Every second change is the code of before: what was restarted after the first runs other code than the second brings.
        ("+lab1", "NEEDRESTART_MODE=a", tls.clone()),
        ("+lab2", "", BTreeSet::new()),
        ("+lab3", "NEEDRESTART_SUSPEND=1", BTreeSet::new()),
    ] {
        machine.script("bump-deb.sh", &["-b", "-c", "-v", version], &["openssl"]);
        let before = services(machine);
        let begun = Instant::now();
        let ended = machine.run(&[
            "sh",
            "-c",
            &format!("exec env {mode} apt-get -y -q install --only-upgrade openssl </dev/null"),
        ]);
        eprintln!("{}{}", ended.stdout, ended.stderr);
        let took = begun.elapsed();
        // apt holds its lock: what was asked for is done when it has gone.
        let limit = if expected.is_empty() { NEVER } else { LATER };
        let restarted = loop {
            std::thread::sleep(Duration::from_secs(1));
            let mut restarted = changed(&before, &services(machine));
            restarted.retain(|name| !comes_and_goes(name));
            let is_done = !expected.is_empty() && restarted == expected;
            if is_done || begun.elapsed() > took + limit {
                break restarted;
            }
        };
        let what = format!("apt with {mode:?}");
        if ended.code != Some(0) || took > Duration::from_secs(60) {
            wrong.push(format!("{what}: {:?} after {took:?}", ended.code));
        }
        if restarted != expected {
            wrong.push(format!("{what}: restarted {restarted:?}, not {expected:?}"));
        }
        let told = match mode {
            "" => listed(&ended, TO_RESTART),
            "NEEDRESTART_MODE=a" => listed(&ended, "Restarting services..."),
            _ => tls.clone(),
        };
        if !told.is_superset(&tls) {
            wrong.push(format!("{what}: says {told:?}"));
        }
    }
    machine.ask(&["mv", "/usr/sbin/needrestart.peer", "/usr/sbin/needrestart"]);
    wrong
}

/// Nothing is stale: what says so without words has to be right.
const CLEAN: &[(&str, &str)] = &[
    ("needrestart", "-b"),
    ("needrestart", "-p -l"),
    ("needrestart", "-r l"),
    ("needrestart", "-m e"),
    ("checkrestart", ""),
    ("checkrestart", "-m"),
    ("checkrestart", "-t"),
    ("zypper", "-s"),
    ("zypper", "-sss"),
];

fn clean(machine: &Machine, peers: &[Peer]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, options) in CLEAN {
        let peer = peers.iter().find(|peer| peer.program[0] == *name);
        let peer = peer.expect("every Debian has them all");
        let theirs = theirs(machine, Who::Root, peer.program, options);
        let ours = run(machine, Who::Root, &ours(peer.dialect), options);
        if theirs.code != ours.code || theirs.stdout != ours.stdout {
            wrong.push(format!(
                "clean: {name} {options}: exit {:?}\n{}--- ours: exit {:?}\n{}{}---",
                theirs.code, theirs.stdout, ours.code, ours.stdout, ours.stderr
            ));
        }
    }
    wrong
}

fn debian(name: &str, image: Image, peers: &[Peer]) {
    let steps = Steps::begin();
    let machine = Machine::boot(name, image, Clock::OwnBoot);
    machine.script(
        "engines-install.sh",
        &[],
        &["debian-goodies", "python3", "lsof", "zypper"],
    );
    machine.shell(SERVICES);
    steps.note("installed");
    let mut wrong = clean(&machine, peers);
    steps.note("clean");
    machine.script("upgrade.sh", &[], &[]);
    steps.note("upgraded");
    wrong.extend(compare(&machine, peers));
    wrong.extend(links(&machine));
    let exported = run(&machine, Who::Root, &ours("needrestart"), "-o");
    wrong.extend(metrics_are_taken(&exported.stdout));
    steps.note("compared");
    wrong.extend(restarts(&machine, peers[0].dialect));
    steps.note("restarted");
    wrong.extend(below_apt(&machine));
    steps.note("below apt");
    assert_none("read otherwise", &wrong);
}

#[test]
fn dialects_are_read_as_the_peers_of_debian12() {
    if lab_is_here() {
        debian("voices12", Image::Bookworm, DEBIAN_12);
    }
}

#[test]
fn dialects_are_read_as_the_peers_of_debian13() {
    if lab_is_here() {
        debian("voices13", Image::Trixie, DEBIAN_13);
    }
}

/// Names of packages whose update wants a reboot: one that is upgraded, one that nobody knows.
const WANTS_REBOOT: &str = "bash\nno-such-package\n";

#[test]
fn dialects_are_read_as_the_peers_of_rpm_systems() {
    if !lab_is_here() {
        return;
    }
    let machine = Machine::boot("voicesrpm", Image::RpmWorld, Clock::OwnBoot);
    let dnf = ["dnf", "-y", "-q", "--enablerepo=lab-updates", "upgrade"];
    machine.ask(&dnf);
    let mut wrong = compare(&machine, RPM);
    put(
        &machine,
        "/etc/dnf/plugins/needs-restarting.d/lab.conf",
        WANTS_REBOOT,
    );
    wrong.extend(compare(&machine, RPM));
    wrong.extend(dnf5(&machine));
    assert_none("read otherwise", &wrong);
}

/// There is no dnf5 beside an rpm database of this age: it is held against dnf4's answer to the same question.
fn dnf5(machine: &Machine) -> Vec<String> {
    let four = ours("needs-restarting=dnf4");
    let four = run(machine, Who::Root, &four, "-s --compat=4.10.1");
    let five = run(
        machine,
        Who::Root,
        &ours("needs-restarting=dnf5"),
        "-s --json",
    );
    let units: Vec<serde_json::Value> = match serde_json::from_str(&five.stdout) {
        Ok(units) => units,
        Err(why) => {
            return vec![format!(
                "dnf5 --json: {why}: {}{}",
                five.stdout, five.stderr
            )];
        }
    };
    let units = units.iter().filter_map(|unit| unit["unit"].as_str());
    let units: Facts = units.map(str::to_owned).collect();
    let four = readers::smart_restart(&four);
    let mut wrong = Vec::new();
    if units != four || four.is_empty() {
        wrong.push(format!("dnf4 -s {four:?}, dnf5 -s --json {units:?}"));
    }
    if five.code != Some(1) {
        wrong.push(format!("dnf5 -s with something to say: {:?}", five.code));
    }
    wrong
}
