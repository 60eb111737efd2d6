//! What glue reads from the peers' output: parsers that fleets really have, each by the rule of the program it is named for.
//! A reader gives facts, one a line; two outputs are read alike if the facts are the same.

use std::collections::BTreeSet;

use crate::machine::Ended;
use crate::nagios;

/// What somebody took from an output.
pub(crate) type Facts = BTreeSet<String>;

/// Somebody's way to read.
pub(crate) type Reader = fn(&Ended) -> Facts;

fn facts<'a, T: ToString>(ended: &'a Ended, one: impl FnMut(&'a str) -> Option<T>) -> Facts {
    let lines = ended.stdout.lines().filter_map(one);
    lines.map(|fact| fact.to_string()).collect()
}

/// Ansible, Puppet and scripts look at how it ended, too.
fn with_exit(ended: &Ended, mut facts: Facts) -> Facts {
    facts.insert(format!("exit {:?}", ended.code));
    facts
}

/// Every line and the exit status: for what has to be the same to the byte.
pub(crate) fn bytes(ended: &Ended) -> Facts {
    let numbered = ended.stdout.lines().enumerate();
    let lines = numbered.map(|(at, line)| format!("{at}: {line}"));
    with_exit(ended, lines.collect())
}

/// Every line, in whatever order.
pub(crate) fn lines(ended: &Ended) -> Facts {
    with_exit(ended, facts(ended, Some))
}

/// How it ended, and on which stream it said something.
pub(crate) fn status(ended: &Ended) -> Facts {
    let spoke = |text: &str| !text.trim().is_empty();
    let streams = format!(
        "stdout {} stderr {}",
        spoke(&ended.stdout),
        spoke(&ended.stderr)
    );
    with_exit(ended, [streams].into())
}

// --- needrestart -b ---

/// Rudder: the services of `needrestart -b -r l`.
pub(crate) fn rudder(ended: &Ended) -> Facts {
    facts(ended, |line| line.strip_prefix("NEEDRESTART-SVC: "))
}

/// Katello: splits at every colon and takes the second field; the kernel is an application like others.
pub(crate) fn katello(ended: &Ended) -> Facts {
    facts(ended, |line| {
        let mut fields = line.split(':');
        let (key, value) = (fields.next()?, fields.next()?.trim());
        match (key, value) {
            ("NEEDRESTART-KSTA", "2" | "3") => Some("kernel".to_owned()),
            ("NEEDRESTART-SVC", name) => {
                let name = name.strip_suffix(".service").unwrap_or(name);
                Some(match name {
                    "systemd-manager" => "systemctl daemon-reexec".to_owned(),
                    "dbus-broker" => "systemctl restart dbus".to_owned(),
                    name => format!("systemctl restart {name}"),
                })
            }
            _ => None,
        }
    })
}

/// apt-dater: hands the lines on as they come, in their order.
pub(crate) fn apt_dater(ended: &Ended) -> Facts {
    let taken = ended
        .stdout
        .lines()
        .filter(|line| line.starts_with("NEEDRESTART-"));
    let numbered = taken.enumerate();
    numbered.map(|(at, line)| format!("{at}: {line}")).collect()
}

/// The scripts for node exporter's textfile collector: each line is split at the first `: `, and one without ends the script, as
/// does an exit status.
pub(crate) fn textfile(ended: &Ended) -> Facts {
    if ended.code != Some(0) {
        return [format!("subprocess failed: {:?}", ended.code)].into();
    }
    let (mut services, mut containers, mut sessions) = (0, 0, 0);
    let mut facts = Facts::new();
    for line in ended.stdout.lines() {
        let Some((key, value)) = line.split_once(": ") else {
            return [format!("ValueError: {line}")].into();
        };
        match key {
            "NEEDRESTART-SVC" => services += 1,
            "NEEDRESTART-CONT" => containers += 1,
            "NEEDRESTART-SESS" => sessions += 1,
            "NEEDRESTART-KSTA" | "NEEDRESTART-UCSTA" => {
                let status = value.parse::<u8>();
                facts.insert(format!("{key} {status:?}"));
            }
            key => {
                facts.insert(format!("{key} {value}"));
            }
        }
    }
    facts.insert(format!(
        "services {services}, containers {containers}, sessions {sessions}"
    ));
    facts
}

/// Playbooks: `needrestart -b | grep ^NEEDRESTART-SVC`, `'KSTA: 3' in stdout`, and `changed_when: rc != 0`.
pub(crate) fn playbook(ended: &Ended) -> Facts {
    let mut facts = facts(ended, |line| {
        line.starts_with("NEEDRESTART-SVC").then_some(line)
    });
    facts.insert(format!("reboot {}", ended.stdout.contains("KSTA: 3")));
    with_exit(ended, facts)
}

/// A user's own processes: `COMM=PID,PID`, in no order that counts.
pub(crate) fn own_processes(ended: &Ended) -> Facts {
    let facts = facts(ended, |line| match line.strip_prefix("NEEDRESTART-PID: ") {
        None => Some(line.to_owned()),
        Some(list) => {
            let (name, pids) = list.split_once('=')?;
            let pids: BTreeSet<&str> = pids.split(',').collect();
            Some(format!("{name}: {pids:?}"))
        }
    });
    with_exit(ended, facts)
}

// --- needrestart, other outputs ---

/// People, and scripts that look for command lines: each line below its heading.
pub(crate) fn below_headings(ended: &Ended) -> Facts {
    let mut heading = "";
    let mut facts = Facts::new();
    for line in ended.stdout.lines() {
        match line.strip_prefix(' ') {
            Some(item) => facts.insert(format!("{heading} {item}")),
            None => {
                heading = line;
                facts.insert(line.to_owned())
            }
        };
    }
    with_exit(ended, facts)
}

/// Nagios: the state, the fields of the first line, the performance data, the lists.
pub(crate) fn monitoring(ended: &Ended) -> Facts {
    let plugin = match nagios::read(&ended.stdout, ended.code) {
        Ok(plugin) => plugin,
        Err(why) => return [format!("unreadable: {why}")].into(),
    };
    let text = plugin.text.split_once(" - ").map_or("", |(_, text)| text);
    let fields = text.split(", ").map(|field| format!("text {field}"));
    let perf = plugin.perf.iter().map(|perf| format!("perf {perf}"));
    let more = plugin.more.iter().map(|line| format!("long {line}"));
    let facts = fields.chain(perf).chain(more).chain([plugin.state]);
    with_exit(ended, facts.collect())
}

/// Prometheus: samples by name and labels.
pub(crate) fn samples(ended: &Ended) -> Facts {
    let facts = facts(ended, |line| (!line.starts_with('#')).then_some(line));
    with_exit(ended, facts)
}

// --- checkrestart ---

/// Salt's `pkg.services_need_restart`: what stands between `SERVICE:` and the first comma.
pub(crate) fn salt(ended: &Ended) -> Facts {
    facts(ended, |line| {
        let service = line.strip_prefix("SERVICE:")?;
        Some(service.split_once(',')?.0)
    })
}

/// Readers of `-m` of Debian 12: counters, and four things a line.
pub(crate) fn counters(ended: &Ended) -> Facts {
    let facts = facts(ended, |line| {
        let (kind, rest) = line.split_once(':')?;
        match rest.splitn(3, ',').collect::<Vec<_>>()[..] {
            [count] => Some(format!("{kind} {count}")),
            [name, pid, program] => Some(format!("{kind} {name} {pid} {program}")),
            _ => Some(format!("unreadable: {line}")),
        }
    });
    with_exit(ended, facts)
}

/// Readers of `-m` of Debian 13: headers with a colon, records between tabs.
pub(crate) fn tabs(ended: &Ended) -> Facts {
    let facts = facts(ended, |line| {
        let fields: Vec<&str> = line.split('\t').collect();
        Some(match fields[..] {
            [header] => header.to_owned(),
            [kind, command] => format!("{kind} {command}"),
            [kind, source, pid, program, exe, argv, deleted, what] => {
                format!("{kind} {source} {pid} {program} {exe} {argv} {deleted} {what}")
            }
            _ => format!("unreadable: {line}"),
        })
    });
    with_exit(ended, facts)
}

/// Whoever runs what it says: the command lines.
pub(crate) fn commands(ended: &Ended) -> Facts {
    let is_command = |line: &&str| {
        let line = line
            .trim_start_matches("# CAUTION: ")
            .trim_start_matches("# ");
        line.starts_with("systemctl ") || line.starts_with("service ")
    };
    with_exit(ended, facts(ended, |line| Some(line).filter(is_command)))
}

// --- needs-restarting ---

/// Katello on RPM systems: lines with ` : `, the first field is a pid.
pub(crate) fn katello_rpm(ended: &Ended) -> Facts {
    facts(ended, |line| {
        let (pid, _) = line.split_once(" : ")?;
        Some(
            pid.trim()
                .parse::<u32>()
                .map_or_else(|why| format!("{why}: {line}"), |pid| format!("pid {pid}")),
        )
    })
}

/// Puppet's os_patching: each line is `PID : ARGV`, trailing white space removed.
pub(crate) fn os_patching(ended: &Ended) -> Facts {
    facts(ended, |line| Some(line.trim_end()))
}

/// smart-restart of Amazon: every word is a unit.
pub(crate) fn smart_restart(ended: &Ended) -> Facts {
    ended.stdout.split_whitespace().map(str::to_owned).collect()
}

/// node exporter's yum.sh: any exit status but 0 is a reboot.
pub(crate) fn yum_sh(ended: &Ended) -> Facts {
    [format!(
        "node_reboot_required {}",
        u8::from(ended.code != Some(0))
    )]
    .into()
}

/// Uyuni, Ansible: exit status 1 is a reboot, and no other.
pub(crate) fn is_one(ended: &Ended) -> Facts {
    [format!("reboot {}", ended.code == Some(1))].into()
}

// --- zypper ps ---

/// Katello on SUSE: a service a line.
pub(crate) fn katello_zypper(ended: &Ended) -> Facts {
    facts(ended, |line| {
        Some(line.trim()).filter(|line| !line.is_empty())
    })
}

/// Whoever reads the table: cells between bars, by the heading's names; and Rudder, whether a reboot is suggested.
pub(crate) fn table(ended: &Ended) -> Facts {
    let split = |line: &str| -> Vec<String> {
        line.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let mut rows = ended.stdout.lines().filter(|line| line.contains(" |"));
    let heading = rows.next().map(split).unwrap_or_default();
    let mut facts: Facts = [heading.join(" ")].into();
    let mut owner = String::new();
    for row in rows.map(split) {
        let named = heading
            .iter()
            .zip(&row)
            .filter(|(name, _)| *name != "Files");
        let named: Vec<String> = named.map(|(name, cell)| format!("{name}={cell}")).collect();
        if row.first().is_some_and(|pid| !pid.is_empty()) {
            owner = named.join(" ");
        }
        facts.insert(owner.clone());
    }
    facts.insert(format!(
        "reboot {}",
        ended.stdout.contains("Reboot is suggested")
    ));
    with_exit(ended, facts)
}
