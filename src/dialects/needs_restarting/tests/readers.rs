//! Programs that read what `needs-restarting` prints, as far as they are logic on text: written anew from what they are known to take.

use super::*;

/// A machine with a service and a session that run old code, after an upgrade of a library.
fn scene() -> Scene {
    let mut scene = booted();
    upgrade(&mut scene, "glibc", "2-1");
    scene.stale = vec![
        with_words(
            service(812, "sshd.service", "/usr/sbin/sshd", "openssh-server"),
            &["/usr/sbin/sshd", "-D"],
        ),
        in_session(900, 1000, &["-bash : x"]),
        service(1001, "a@b.service", "/usr/bin/a", "a"),
    ];
    scene
}

#[test]
fn katello_takes_first_fields_and_exactly_one() {
    fn pids(text: &str) -> Vec<&str> {
        let lines = text.lines().filter(|line| line.contains(" : "));
        lines
            .filter_map(|line| line.split_whitespace().next())
            .collect()
    }
    for variant in ["yum", "dnf4"] {
        assert_eq!(
            pids(&told(variant, &[], &scene()).out),
            ["812", "900", "1001"]
        );
        assert_eq!(told(variant, &["-r"], &scene()).exit, 1);
        // A wrong option, and what could not be looked at, is no reboot.
        assert_ne!(told(variant, &["-r", "--no-such"], &scene()).exit, 1);
        assert_ne!(say(variant, &["-r"], &mut Pretended::default()).exit, 1);
    }
}

#[test]
fn os_patching_takes_pids_and_words() {
    fn parse(text: &str) -> Vec<(u32, String)> {
        let split = |line: &str| {
            let (pid, words) = line.split_once(" : ").unwrap();
            (pid.parse().unwrap(), words.trim_end().to_owned())
        };
        text.lines().map(split).collect()
    }
    let found = parse(&told("dnf4", &[], &scene()).out);
    assert_eq!(found[0], (812, "/usr/sbin/sshd -D".to_owned()));
    assert_eq!(found[1], (900, "-bash : x".to_owned()));
    assert!(told("dnf4", &["-r"], &scene()).exit > 0);
    assert_eq!(told("dnf4", &["-r"], &booted()).exit, 0);
}

#[test]
fn smart_restart_takes_words_as_units() {
    let spoken = told(
        "dnf5",
        &["needs-restarting", "--skip-file-locks", "-s"],
        &scene(),
    );
    let units: Vec<&str> = spoken.out.split_whitespace().collect();
    assert_eq!(units, ["a@b.service", "sshd.service"]);
}

#[test]
fn node_exporter_uyuni_and_ansible_take_the_exit_status() {
    for args in [
        &["-r"][..],
        &["-q", "needs-restarting", "-r"],
        &["--reboothint"],
    ] {
        assert_eq!(told("dnf4", args, &scene()).exit, 1);
        assert_eq!(told("dnf4", args, &booted()).exit, 0);
    }
    assert_eq!(told("yum", &["-r"], &scene()).exit, 1);
    assert_eq!(told("yum", &["-r"], &booted()).exit, 0);
}

#[test]
fn cockpit_takes_json() {
    let first = |args: &[&str]| -> serde_json::Value {
        let text = told("dnf5", args, &scene()).out;
        let mut objects: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        objects.swap_remove(0)
    };
    let reboot = first(&["--json"]);
    assert_eq!(reboot["reboot_required"], true);
    assert_eq!(reboot["packages"][0], "glibc");
    assert_eq!(first(&["-s", "--json"])["unit"], "a@b.service");
    assert_eq!(first(&["-p", "--json"])["package"], "openssh-server");
}
