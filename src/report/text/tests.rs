use super::*;
use crate::bundle::Bundle;
use crate::detect::Judge;
use crate::model::{
    Answers, Because, Bytes, Clock, Facts, Host, Level, Owner, OwnerKind, Plan, Reboot, Scope,
};

fn item(name: &str, action: Action, rule: &str, why: &str) -> Item {
    Item {
        action,
        level: Level::Service,
        owner: Owner::new(OwnerKind::Unit, name, Scope::System),
        because: vec![Because {
            rule: rule.to_owned(),
            why: why.to_owned(),
        }],
        processes: Vec::new(),
    }
}

/// What is said of these items, without colours and the lines on packages and files.
#[track_caller]
fn check(items: Vec<Item>, hidden: Vec<Item>, detail: Detail, said: &str) {
    let facts = Facts {
        host: Host {
            kernel: Bytes::default(),
            boot_id: Bytes::default(),
            clock: Clock {
                boot_realtime_ns: 0,
                ticks_per_second: 100,
            },
            reader_uid: 0,
            reader_mnt_ns: None,
            reader_pid_ns: None,
            memory_devices: Vec::new(),
            unified_cgroups: true,
            systemd: true,
        },
        views: Vec::new(),
        processes: Vec::new(),
        objects: Vec::new(),
        problems: Vec::new(),
        plugins: Vec::new(),
        boot: None,
        beside: Vec::new(),
    };
    let bundle = Bundle::new(facts, Answers::default());
    let assessment = Assessment {
        bundle: &bundle,
        judge: Judge::new(&bundle.facts, &bundle.answers),
        judged: Vec::new(),
        plan: Plan { items, hidden },
        reboot: Reboot {
            level: Some(Level::None),
            causes: Vec::new(),
            notes: Vec::new(),
            kernel: None,
        },
        problems: Vec::new(),
    };
    let mut out = Vec::new();
    print(&mut out, &assessment, detail).unwrap();
    let text = anstream::adapter::strip_str(std::str::from_utf8(&out).unwrap()).to_string();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    assert_eq!(lines.join("\n"), said);
}

#[test]
fn t07_16_what_is_left_over_is_nobodys_to_decide() {
    let items = vec![
        item("cron.service", Action::Restart, "unit", ""),
        item(
            "ssh.service",
            Action::Defer,
            "leftover",
            "old sessions; they end by themselves",
        ),
        item(
            "dbus.service",
            Action::Defer,
            "policy.message-bus",
            "all talk",
        ),
        item("a.service", Action::Defer, "leftover", "jobs"),
    ];
    check(
        items,
        Vec::new(),
        Detail::Normal,
        "Restart these services:
  cron.service
Stale, but the moment is yours to choose:
  dbus.service
      all talk
Left over from an earlier run of their unit, which no restart ends:
  ssh.service
      old sessions; they end by themselves
  a.service
      jobs
1 to restart, 1 for a person to decide, 2 left over; 0 processes looked at.",
    );
}

#[test]
fn t10_26_what_is_hidden_is_counted() {
    let hidden = || vec![item("x.service", Action::Leave, "policy.x", "so")];
    check(
        Vec::new(),
        hidden(),
        Detail::Everything,
        "Nothing is stale but what policy hides: 0 processes looked at. 1 hidden by policy.",
    );
    check(
        Vec::new(),
        hidden(),
        Detail::Normal,
        "Nothing is stale but what policy hides: 0 processes looked at.",
    );
    check(
        vec![item("cron.service", Action::Restart, "unit", "")],
        hidden(),
        Detail::Normal,
        "Restart these services:\n  cron.service\n1 to restart, 0 for a person to decide; 0 processes looked at.",
    );
    check(
        Vec::new(),
        Vec::new(),
        Detail::Everything,
        "Nothing is stale: 0 processes looked at.",
    );
}

#[test]
fn t11_01_reasons_cannot_reach_the_terminal() {
    check(
        vec![item(
            "x\u{1b}",
            Action::Leave,
            "policy.x",
            "a\u{1b}[2J\nb\u{202e}",
        )],
        Vec::new(),
        Detail::Normal,
        "Stale, and left alone:
  x\\u{1b}
      a\\u{1b}[2J\\nb\\u{202e}
0 to restart, 0 for a person to decide; 0 processes looked at.",
    );
}
