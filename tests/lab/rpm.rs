//! The RPM world: dnf upgrades under running services, against the oracle and against dnf's needs-restarting.

use std::collections::BTreeSet;

use crate::compare::{Before, Difference, Known, Scene, assert_none};
use crate::machine::{Clock, Image, Machine, lab_is_here};
use crate::report::Owner;
use crate::truth;

/// Where `dnf needs-restarting -s` and we differ, and why.
const KNOWN: &[Known] = &[Known {
    owner: "PID 1",
    difference: Difference::OnlyOurs,
    why: "with -s the plugin names services only; that PID 1 runs old code it says with -r, as a reboot",
}];

const MERGED: &str = "lab-merged.service";

/// Units that dnf's plugin would restart.
fn needs_restarting(machine: &Machine) -> BTreeSet<Owner> {
    let ended = machine.run(&["dnf", "-q", "needs-restarting", "-s"]);
    eprintln!("{}{}", ended.stdout, ended.stderr);
    ended
        .stdout
        .lines()
        .filter(|line| line.contains(".service"))
        .map(|line| Owner::Unit(line.trim().into()))
        .collect()
}

#[test]
fn rpm_world_dnf_upgrade() {
    if !lab_is_here() {
        return;
    }
    let machine = Machine::boot("rpm", Image::RpmWorld, Clock::OwnBoot);
    // a package whose file list spells the directories otherwise than the kernel does
    let first = machine.script("merged-rpm.sh", &[], &["1"]);
    machine.ask(&["dnf", "-y", "-q", "install", first.trim()]);
    machine.shell("systemctl daemon-reload; systemctl start lab-merged.service");
    let before = Before::take(&machine);

    let second = machine.script("merged-rpm.sh", &[], &["2"]);
    machine.ask(&["dnf", "-y", "-q", "upgrade", second.trim()]);
    machine.ask(&["dnf", "-y", "-q", "--enablerepo=lab-updates", "upgrade"]);
    let scene = Scene::take(&machine, before);
    let elder = needs_restarting(&machine);

    machine.ask(&["systemctl", "daemon-reload"]);
    truth::restart_everything(&machine, &scene.observed);
    let stale = truth::judge(&machine, &scene.observed, &truth::observe(&machine));
    let services = stale
        .keys()
        .filter(|owner| matches!(owner, Owner::Unit(_)))
        .count();
    assert!(
        services >= 4 && stale.contains_key(&Owner::ServiceManager),
        "the upgrade left little stale: {stale:#?}"
    );

    let mut wrong = scene.against_truth(&stale);
    wrong.extend(scene.against_versions());
    wrong.extend(
        scene
            .against_elder(&elder, KNOWN)
            .into_iter()
            .map(|line| format!("needs-restarting: {line}")),
    );
    wrong.extend(merged_paths(&scene));
    assert_none("after the upgrade", &wrong);
    machine.check(&[]).assert_nothing_stale();
}

/// The database says /lib64/... and /lib/..., the kernel says /usr/lib64/... and /usr/lib/...: the owner is found.
fn merged_paths(scene: &Scene) -> Vec<String> {
    let paths = scene
        .report
        .items
        .get(&Owner::Unit(MERGED.into()))
        .map(|item| &item.paths);
    let owned = |path: &str| {
        paths
            .and_then(|paths| paths.get(path))
            .is_some_and(|names| names.contains("lab-merged"))
    };
    let wanted = ["/usr/lib64/liblabone.so.1", "/usr/lib/liblabtwo.so.1"];
    let missing = wanted.iter().filter(|path| !owned(path));
    missing
        .map(|path| format!("{MERGED}: lab-merged is not named as the owner of {path}"))
        .collect()
}
