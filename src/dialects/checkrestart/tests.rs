use std::path::PathBuf;

use super::{parse_release, speak, variant_here};
use crate::dialects::testing::{self, Pretended, Spoken};
use crate::dialects::{OldFile, OldPart, Scene, Script, Stale};
use crate::model::{Bytes, Owner, OwnerKind, Runtime, Scope, WhyNot};
use crate::problem::Problem;

/// A process without a service manager, as in the recordings called `stale`.
fn bare(pid: u32, exe: &str, packages: &[&str], argv: &[&str], files: &[&str]) -> Stale {
    let program = exe.trim_end_matches(" (deleted)");
    let mut stale = testing::service(pid, "x.service", program, "x");
    let packages: Vec<String> = packages.iter().map(|&name| name.to_owned()).collect();
    stale.exe = Some(Bytes::from(exe));
    stale.program_packages.clone_from(&packages);
    stale.argv = argv.iter().map(|&word| Bytes::from(word)).collect();
    stale.cgroup = Bytes::from("0::/\n");
    stale.owner = Owner::new(OwnerKind::Process, program, Scope::System);
    stale.files.retain(|_| exe != program);
    stale
        .files
        .iter_mut()
        .for_each(|file| file.packages.clone_from(&packages));
    stale.files.extend(files.iter().map(|&path| OldFile {
        path: Bytes::from(path),
        name: Bytes::from(format!("{path} (deleted)").as_str()),
        part: OldPart::Library,
        packages: vec!["libs".to_owned()],
    }));
    stale
}

const LIBSSL: &str = "/usr/lib/x86_64-linux-gnu/libssl.so.3";

/// What the recordings called `stale` are of.
fn stale_scene() -> Scene {
    let mut scene = testing::nothing();
    scene.systemd = false;
    let mut worker = bare(
        32,
        "/usr/bin/python3.13",
        &["python3.13-minimal"],
        &["/usr/bin/python3", "/usr/local/bin/worker.py"],
        &[LIBSSL],
    );
    worker.script = Some(Script {
        path: Bytes::from("/usr/local/bin/worker.py"),
        packages: Vec::new(),
    });
    let memcached = ["memcached", "-u", "it's"];
    scene.stale = vec![
        bare(
            12,
            "/usr/bin/memcached",
            &["memcached"],
            &memcached,
            &[LIBSSL],
        ),
        bare(24, "/usr/sbin/cron (deleted)", &["cron"], &["cron"], &[]),
        bare(
            28,
            "/usr/bin/sleep (deleted)",
            &["coreutils"],
            &["sleep", "9"],
            &[],
        ),
        bare(
            30,
            "/opt/vendor/bin/agentd (deleted)",
            &[],
            &["/opt/vendor/bin/agentd"],
            &[],
        ),
        worker,
        bare(
            34,
            "/usr/bin/dbus-daemon (deleted)",
            &["dbus-daemon"],
            &["dbus-daemon"],
            &[],
        ),
    ];
    let files = [
        (
            "memcached",
            &["/usr/bin/memcached", "/etc/init.d/memcached"][..],
        ),
        (
            "cron",
            &[
                "/usr/sbin/cron",
                "/etc/init.d/cron",
                "/lib/systemd/system/cron.service",
            ],
        ),
        ("coreutils", &["/bin/sleep"]),
        ("dbus-daemon", &["/usr/bin/dbus-daemon"]),
    ];
    scene.files = files
        .map(|(package, files)| {
            let files = files.iter().map(|&file| Bytes::from(file));
            (package.to_owned(), files.collect())
        })
        .into();
    scene
}

fn machine(scene: Scene) -> Pretended {
    Pretended {
        scene: Some(scene),
        ..Pretended::default()
    }
}

fn say(variant: &str, args: &str, machine: &mut Pretended) -> Spoken {
    let args: Vec<&str> = args.split_whitespace().collect();
    testing::speak(speak, Some(variant), &args, machine)
}

#[track_caller]
fn check(variant: &str, args: &str, scene: Scene, out: &str, exit: u8) {
    let spoken = say(variant, args, &mut machine(scene));
    assert_eq!(spoken.out, out, "{args}");
    assert_eq!(spoken.exit, exit, "{args}");
}

#[test]
fn the_generation_is_that_of_the_distribution() {
    #[track_caller]
    fn check(files: &[(&str, &str)], variant: &str) {
        let files = files.iter();
        let files = files.map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec()));
        let machine = Pretended {
            files: files.collect(),
            ..Pretended::default()
        };
        assert_eq!(variant_here(&machine), variant);
    }
    check(&[("/etc/debian_version", "12.4\n")], "0.88.1");
    check(&[("/etc/debian_version", "13.0\n")], "0.88.2");
    check(&[("/etc/debian_version", "trixie/sid\n")], "0.88.2");
    check(
        &[
            ("/etc/debian_version", "11.9\n"),
            ("/etc/checkrestart/exclude.conf", ""),
        ],
        "0.88.2",
    );
    check(&[], "0.88.2");
    assert_eq!(parse_release(b"9.13\n"), Some(9));
}

const OLD_HUMAN: &str = "\
Found 6 processes using old versions of upgraded files
(6 distinct programs)
(3 distinct packages)

Of these, 2 seem to contain systemd service definitions or init scripts which can be used to restart them.
The following packages seem to have definitions that could be used
to restart their services:
memcached:
\t12\t/usr/bin/memcached
cron:
\t24\t/usr/sbin/cron
These are the initd scripts:
service memcached restart
service cron restart

These processes (1) do not seem to have an associated init script to restart them:
dbus-daemon:
\t34\t/usr/bin/dbus-daemon
";

const OLD_MACHINE: &str = "\
PROCESSES: 6
PROGRAMS: 6
PACKAGES: 3
SERVICE:memcached,12,/usr/bin/memcached
SERVICE:cron,24,/usr/sbin/cron
OTHER:dbus-daemon,34,/usr/bin/dbus-daemon
";

#[test]
fn the_older_counts_and_lists() {
    check("0.88.1", "", stale_scene(), OLD_HUMAN, 0);
    check("0.88.1", "-m", stale_scene(), OLD_MACHINE, 0);
    // As Salt calls it.
    check(
        "0.88.1",
        "--machine --package",
        stale_scene(),
        "\
PROCESSES: 4
PROGRAMS: 4
PACKAGES: 3
SERVICE:memcached,12,/usr/bin/memcached
SERVICE:cron,24,/usr/sbin/cron
OTHER:dbus-daemon,34,/usr/bin/dbus-daemon
",
        0,
    );
    check(
        "0.88.1",
        "-p -a -m ignored -Z",
        stale_scene(),
        OLD_MACHINE,
        0,
    );
    let line = "6 processes using old versions of upgraded files\n";
    check("0.88.1", "-mt", stale_scene(), line, 1);
    let line = "No processes found using old versions of upgraded files\n";
    check("0.88.1", "-t", testing::nothing(), line, 0);
    check("0.88.1", "-m", testing::nothing(), "PROCESSES: 0\n", 0);
    check(
        "0.88.1",
        "-m -n -e 24 -i memcached --ignore dbus-daemon",
        stale_scene(),
        "\
PROCESSES: 5
PROGRAMS: 5
PACKAGES: 0
",
        0,
    );
}

#[test]
fn the_older_names_on_stderr_what_it_drops() {
    let spoken = say("0.88.1", "-m -i cron", &mut machine(stale_scene()));
    assert_eq!(
        spoken.err,
        "\
peer: not shown, no owning package: 28 /usr/bin/sleep
peer: not shown, no owning package: 30 /opt/vendor/bin/agentd
peer: not shown, no owning package: 32 /usr/local/bin/worker.py
"
    );
    assert_eq!(say("0.88.1", "-t", &mut machine(stale_scene())).err, "");
}

#[test]
fn the_older_explains() {
    let mut scene = stale_scene();
    scene.stale.truncate(2);
    check("0.88.1", "-v -i cron", scene.clone(), "\
Found 2 processes using old versions of upgraded files
(2 distinct programs)
[DEBUG] Process /usr/bin/memcached (PID: 12) 
List of deleted files in use:
\t/usr/lib/x86_64-linux-gnu/libssl.so.3
[DEBUG] Process /usr/sbin/cron (PID: 24) 
List of deleted files in use:
\t/usr/sbin/cron (deleted)
[DEBUG] Running: dpkg-query --search /usr/bin/memcached /usr/sbin/cron
[DEBUG] Reading line from dpkg-query: memcached: /usr/bin/memcached

[DEBUG] Found package memcached for program /usr/bin/memcached
[DEBUG] Reading line from dpkg-query: cron: /usr/sbin/cron

[DEBUG] Found package cron for program /usr/sbin/cron
[DEBUG] Removing cron from the package list (ignored)
(1 distinct packages)
[DEBUG] Running: dpkg-query --listfiles memcached

Of these, 1 seem to contain systemd service definitions or init scripts which can be used to restart them.
The following packages seem to have definitions that could be used
to restart their services:
memcached:
\t12\t/usr/bin/memcached
These are the initd scripts:
service memcached restart

", 0);
    scene.stale.remove(0);
    check(
        "0.88.1",
        "-m -v",
        scene,
        "\
PROCESSES: 1
PROGRAMS: 1
file\t24\t/usr/sbin/cron\t/usr/sbin/cron (deleted)
[DEBUG] Running: dpkg-query --search /usr/sbin/cron
[DEBUG] Reading line from dpkg-query: cron: /usr/sbin/cron

[DEBUG] Found package cron for program /usr/sbin/cron
PACKAGES: 1
[DEBUG] Running: dpkg-query --listfiles cron
SERVICE:cron,24,/usr/sbin/cron
",
        0,
    );
}

#[test]
fn the_older_suggests_no_unit_that_ran_and_ended() {
    let mut scene = testing::nothing();
    scene.stale = vec![testing::service(
        7,
        "x.service",
        "/usr/bin/unshare",
        "util-linux",
    )];
    let files = [
        "/usr/bin/unshare",
        "/lib/systemd/system/fstrim.service",
        "/lib/systemd/system/y.service",
    ];
    scene.files = [("util-linux".to_owned(), files.map(Bytes::from).to_vec())].into();
    let mut machine = machine(scene);
    let fstrim = "/lib/systemd/system/fstrim.service";
    let text = b"[Service]\nType=oneshot\n".to_vec();
    machine.files.insert(PathBuf::from(fstrim), text);
    let units = |machine: &mut Pretended, args: &str| {
        let out = say("0.88.1", args, machine).out;
        out.lines()
            .filter(|line| line.starts_with("systemctl"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let sensible = "systemctl restart y.service";
    assert_eq!(units(&mut machine, ""), sensible);
    // Installed is not yet in charge.
    machine.scene.as_mut().unwrap().systemd = false;
    machine
        .files
        .insert(PathBuf::from("/bin/systemd"), Vec::new());
    assert_eq!(units(&mut machine, ""), "");
    let all = format!("systemctl restart fstrim.service\n{sensible}");
    assert_eq!(units(&mut machine, "--compat-bugs"), all);
}

#[test]
fn the_older_hides_files() {
    #[track_caller]
    fn check(args: &str, file: &str, shown: bool) {
        let mut scene = testing::nothing();
        scene.stale = vec![bare(7, "/usr/bin/x", &["x"], &["x"], &[file])];
        let mut machine = machine(scene);
        let list = b"# a comment\n\n^/opt/\n".to_vec();
        machine.files.insert(PathBuf::from("/list"), list);
        let spoken = say("0.88.1", args, &mut machine);
        let expected = if shown {
            "PROCESSES: 1\n"
        } else {
            "PROCESSES: 0\n"
        };
        assert!(spoken.out.starts_with(expected), "{file}: {}", spoken.out);
    }
    check("-m", "/usr/lib/libx.so", true);
    check("-m", "/home/me/libx.so", false);
    check("-m -a", "/home/me/libx.so", true);
    check("-m", "/usr/share/icons/icon-theme.cache", false);
    check("-m", "/SYSV00000000", false);
    check("-m -b /list", "/opt/libx.so", false);
    check("-m -b /list", "/usr/lib/libx.so", true);
    check("-m", "/opt/libx.so", true);
}

#[test]
fn words_that_are_no_options() {
    #[track_caller]
    fn check(variant: &str, args: &str, out: &str, err: &str, exit: u8) {
        let spoken = say(variant, args, &mut machine(testing::nothing()));
        assert_eq!((spoken.out.as_str(), spoken.exit), (out, exit), "{args}");
        let first = spoken.err.lines().next().unwrap_or_default();
        assert_eq!(first, err, "{args}");
    }
    let usage = "usage: checkrestart [-vhpam] [ -b blacklist_file ] [ -i package_name ] [ -e pid ]";
    check("0.88.1", "-Z", "option -Z not recognized\n", usage, 2);
    check("0.88.1", "-mZ", "option -Z not recognized\n", usage, 2);
    check(
        "0.88.1",
        "--zzz=1",
        "option --zzz not recognized\n",
        usage,
        2,
    );
    check(
        "0.88.1",
        "--verbose=1",
        "option --verbose must not have an argument\n",
        usage,
        2,
    );
    check("0.88.1", "-b", "option -b requires argument\n", usage, 2);
    check("0.88.1", "-h", "", usage, 0);
    check(
        "0.88.1",
        "-b /missing",
        "",
        "peer: cannot read /missing: entity not found",
        2,
    );
    check("0.88.2", "-Z", "", "option -Z not recognized", 3);
    let tame = "option --\\x1b[31m not recognized";
    check("0.88.2", "--\u{1b}[31m", "", tame, 3);
    check(
        "0.88.2",
        "--dangerous x",
        "",
        "option --dangerous not a unique prefix",
        3,
    );
    check(
        "0.88.2",
        "-m --exclude",
        "",
        "option --exclude requires argument",
        3,
    );
    check(
        "0.88.2",
        "-x package:(",
        "",
        "ERROR: syntax error in 'package:' regexp '(': missing ), unterminated subpattern at position 0",
        3,
    );
    check(
        "0.88.2",
        "-i (?=a)",
        "",
        "ERROR: cannot use 'package:' regexp '(?=a)': look-ahead `(?=` has no counterpart",
        3,
    );
    check(
        "0.88.2",
        "-b /missing",
        "",
        "ERROR: Could not read file: /missing: [Errno 2] No such file or directory: '/missing'",
        3,
    );
    check("0.88.2", "-m extra -Z", "RESTART_NEEDED: 0\n", "", 0);
}

#[test]
fn help_lists_every_option() {
    let spoken = say("0.88.2", "--help", &mut Pretended::default());
    assert_eq!((spoken.err.as_str(), spoken.exit), ("", 0));
    for option in "-h --help -v --verbose -d --debug -f --show-files -p --packages -a --all -m --machine -t --terse -n --no-lsof --nolsof -b --blocklistfile --blacklist -i --exclude-package --ignore -e --exclude-pid --excludepid -x --exclude --exclude-program --exclude-file --exclude-unit --dangerous-unit --dont-suggest-unit --dangerous-initscript --dont-suggest-initscript --no-systemd --no-cgroups2 --compat-bugs".split(' ') {
        let is_option = |word: &str| word.trim_matches([',', '[', ']']) == option;
        assert!(spoken.out.split_whitespace().any(is_option), "{option}\n{}", spoken.out);
    }
}

#[test]
fn users_are_told_that_they_see_little() {
    let mut scene = testing::nothing();
    scene.euid = 1000;
    scene.problems = vec![Problem {
        operation: "read".to_owned(),
        object: Bytes::from("maps"),
        pid: Some(3),
        why: WhyNot::Denied,
    }];
    let mut machine = machine(scene);
    let spoken = say("0.88.2", "-m", &mut machine);
    assert_eq!(
        (spoken.err.as_str(), spoken.exit),
        ("peer: cannot read maps of pid 3: permission denied\n", 3)
    );
    machine.euid = 1000;
    let spoken = say("0.88.2", "-m", &mut machine);
    let warning = "WARNING: This program should be run as root: information will be incomplete\n";
    assert_eq!((spoken.err.as_str(), spoken.exit), (warning, 3));
    assert_eq!(say("0.88.2", "-m --compat-bugs", &mut machine).exit, 0);
    let problems = &mut machine.scene.as_mut().unwrap().problems;
    problems[0].why = WhyNot::TimedOut;
    assert_eq!(say("0.88.2", "-m --compat-bugs", &mut machine).exit, 3);
    let spoken = say("0.88.1", "-m", &mut machine);
    assert_eq!((spoken.out.as_str(), spoken.exit), ("", 1));
    assert_eq!(
        spoken.err,
        "ERROR: This program must be run as root in order to obtain information\nabout all open file descriptors in the system.\n"
    );
    machine.scene = None;
    assert_eq!(say("0.88.2", "", &mut machine).exit, 3);
    machine.euid = 0;
    assert_eq!(say("0.88.1", "", &mut machine).exit, 2);
}

const NEW_HUMAN: &str = "\
2 non-ignored program(s) or unit(s) need restarting (see checkrestart(8))

The following packages provided processes that are using deleted files and might be restarted by an initscript:
cron:
\tDeleted Program /usr/sbin/cron (PID: 24, EXE: '/usr/sbin/cron (deleted)', CMDLINE: 'cron') is using the following deleted files:
\t\t/usr/sbin/cron


The following are using deleted files but there is no suggested way to restart them:
Unpackaged: agentd:
\tDeleted Program /opt/vendor/bin/agentd (PID: 30, EXE: '/opt/vendor/bin/agentd (deleted)') is using the following deleted files:
\t\t/opt/vendor/bin/agentd




Init script commands:
# CAUTION: service cron restart # suggested - from package:cron

";

const NEW_MACHINE: &str = "\
RESTART_NEEDED: 3
SERVICE\tmemcached\t12\t/usr/bin/memcached\t/usr/bin/memcached\t['memcached', '-u', \"it's\"]\t\tProgram
OTHER\tUnpackaged: worker.py\t32\t/usr/local/bin/worker.py\t/usr/bin/python3.13\t['/usr/bin/python3', '/usr/local/bin/worker.py']\t\tScript
OTHER\tdbus-daemon\t34\t/usr/bin/dbus-daemon\t/usr/bin/dbus-daemon (deleted)\t['dbus-daemon']\tDeleted\tProgram
SERVICE_COMMAND\tservice memcached restart # suggested - from package:memcached
";

#[test]
fn the_newer_lists() {
    let mut scene = stale_scene();
    scene.stale.retain(|one| [24, 30].contains(&one.pid));
    let blank = "\n\nThe following are";
    let expected = NEW_HUMAN.replace("\nThe following are", blank);
    check(
        "0.88.2",
        "-f --dangerous-initscript ^cron$",
        scene,
        &expected,
        1,
    );
    let mut scene = stale_scene();
    scene.stale.retain(|one| ![24, 28, 30].contains(&one.pid));
    check("0.88.2", "-m", scene.clone(), NEW_MACHINE, 1);
    let line = "3 non-ignored program(s) or unit(s) need restarting (see checkrestart(8))\n";
    check("0.88.2", "-t", scene.clone(), line, 1);
    check("0.88.2", "-m -t", scene.clone(), "RESTART_NEEDED: 3\n", 1);
    check("0.88.2", "-m -t --package", scene, "RESTART_NEEDED: 2\n", 1);
}

#[test]
fn exclusions_of_the_newer() {
    #[track_caller]
    fn check(args: &str, pids: &[u32]) {
        let mut machine = machine(stale_scene());
        machine.files.insert(
            PathBuf::from("/etc/checkrestart/exclude.conf"),
            b"\n# x\nprogram:^/opt/ \n".to_vec(),
        );
        machine
            .files
            .insert(PathBuf::from("/list"), b"^/usr/sbin/cron\n".to_vec());
        let out = say("0.88.2", &format!("-m {args}"), &mut machine).out;
        let records = out
            .lines()
            .filter_map(|line| line.split('\t').nth(2)?.parse().ok());
        let mut found: Vec<u32> = records.collect();
        found.sort_unstable();
        assert_eq!(found, pids, "{args}\n{out}");
    }
    check("", &[12, 24, 28, 32, 34]);
    check("-x package:^cron$", &[12, 28, 32, 34]);
    check("-i Unpackaged:", &[12, 24, 28, 34]);
    check("-e ^3", &[12, 24, 28]);
    check("-x pid:^24$", &[12, 28, 32, 34]);
    check("-x program:worker", &[12, 24, 28, 34]);
    check("-x libssl", &[24, 28, 34]);
    check("-b /list", &[12, 28, 32, 34]);
    check("-x package:cron -a", &[12, 24, 28, 30, 32, 34]);
    check("-a -x package:cron", &[12, 28, 30, 32, 34]);
    check("-a -x package:cron -a -b /list", &[12, 28, 30, 32, 34]);
    check("-a", &[12, 24, 28, 30, 32, 34]);
}

#[test]
fn what_is_not_to_be_suggested() {
    let scripts = |args: &str| {
        let out = say("0.88.2", &format!("-m {args}"), &mut machine(stale_scene())).out;
        out.matches("SERVICE_COMMAND").count()
    };
    assert_eq!(scripts(""), 2);
    assert_eq!(scripts("-x suggested-initscript:^cron$ -a"), 1);
    assert_eq!(scripts("-x suggested-initscript:^cron$ --compat-bugs"), 2);
    let mut scene = stale_scene();
    scene.systemd = true;
    scene.unified_cgroups = false;
    let expected =
        "SYSTEMD_COMMAND\tsystemctl try-restart cron.service # suggested - from package:cron";
    let out = say("0.88.2", "-m", &mut machine(scene.clone())).out;
    assert!(
        out.contains("PACKAGE_SYSTEMD\tcron\t24\t") && out.contains(expected),
        "{out}"
    );
    let out = say(
        "0.88.2",
        "-m -v --dont-suggest-unit ^cron",
        &mut machine(scene),
    )
    .out;
    assert!(
        out.contains("not_suggesting_unit\tcron.service\tcron\n"),
        "{out}"
    );
    assert!(out.contains("SERVICE\tcron\t24\t"), "{out}");
}

/// A process of a unit by its control group.
fn grouped(pid: u32, cgroup: &str, program: &str) -> Stale {
    let mut stale = testing::service(pid, "x.service", program, "x");
    stale.cgroup = Bytes::from(format!("1:name=systemd:/x\n0::{cgroup}\n").as_str());
    stale.owner = Owner::new(OwnerKind::Container(Runtime::Unknown), "x", Scope::System);
    stale
}

#[test]
fn units_of_the_newer() {
    #[track_caller]
    fn check(cgroup: &str, source: &str, command: &str) {
        let mut scene = testing::nothing();
        scene.stale = vec![grouped(7, cgroup, "/usr/bin/x")];
        let out = say("0.88.2", "-m", &mut machine(scene)).out;
        let mut fields = out.lines().nth(1).unwrap().split('\t').skip(1);
        assert_eq!(fields.next(), Some(source), "{out}");
        let commands = out
            .lines()
            .filter_map(|line| line.strip_prefix("SYSTEMD_COMMAND\t"));
        assert_eq!(commands.collect::<Vec<_>>().join("\n"), command, "{out}");
    }
    check(
        "/system.slice/cron.service",
        "cron.service",
        "systemctl try-restart cron.service",
    );
    check(
        "/system.slice/system-getty.slice/getty@tty1.service",
        "getty@tty1.service",
        "systemctl try-restart getty@tty1.service",
    );
    check(
        "/web.slice/web.service",
        "web.service",
        "systemctl try-restart web.service",
    );
    check(
        "/system.slice/dbus.service",
        "dbus.service",
        "# CAUTION: systemctl try-restart dbus.service",
    );
    check("/system.slice/docker-0123.scope", "x", "");
    check("/init.scope", "x", "");
    check("/machine.slice/machine-web1.scope", "x", "");
    check("/user.slice/user-1000.slice/session-3.scope", "x", "");
    check(
        "/user.slice/user-1000.slice/user@1000.service/init.scope",
        "x",
        "",
    );
    check(
        "/user.slice/user-1000.slice/user@1000.service/app.slice/agent.service",
        "agent.service (started by user 1000)",
        "# systemctl --user --machine=1000@.host try-restart agent.service",
    );
    check(
        "/machine.slice/machine-web\\x2d1.scope/payload/system.slice/nginx.service",
        "nginx.service in container: web-1",
        "systemctl --machine=web-1 try-restart nginx.service",
    );
    check(
        "/machine.slice/machine-m.scope/payload/user.slice/user-1.slice/user@1.service/app.slice/a.service",
        "a.service (started by user 1 in container: m)",
        "# systemctl --user --machine=1@m try-restart a.service",
    );
    // The service of a container, which the system's manager has not, or another.
    check(
        "/system.slice/docker-01.scope/system.slice/nginx.service",
        "x",
        "",
    );
    check("/lxc.payload.web/system.slice/nginx.service", "x", "");
    check("/system.slice/k3s.service/kubepods/x", "x", "");
    // Names that systemctl would take for options, for the host, or that are nobody's.
    check(
        "/machine.slice/machine-m.scope/payload/system.slice/-Hroot@evil.service",
        "x",
        "",
    );
    check(
        "/machine.slice/machine-.host.scope/payload/system.slice/a.service",
        "x",
        "",
    );
    check(
        "/machine.slice/machine-root@m.scope/payload/system.slice/a.service",
        "x",
        "",
    );
    check(
        "/machine.slice/machine-m.scope/payload/user.slice/user-1;id.slice/user@1;id.service/a.service",
        "x",
        "",
    );
    check(
        "/user.slice/user-1.slice/user@2.service/app.slice/a.service",
        "x",
        "",
    );
    // Names that a shell would take apart.
    check(
        "/machine.slice/machine-m.scope/payload/system.slice/$(id).service",
        "x",
        "",
    );
    check(
        "/machine.slice/machine-$(id).scope/payload/system.slice/a.service",
        "x",
        "",
    );
}

#[test]
fn programs_of_links() {
    #[track_caller]
    fn check(exe: &str, program: Option<&str>, expected: &str) {
        let mut scene = testing::nothing();
        let mut stale = grouped(7, "/init.scope", "/usr/bin/x");
        stale.exe = Some(Bytes::from(exe));
        stale.program = program.map(Bytes::from);
        stale.argv = vec![Bytes::from("x")];
        scene.stale = vec![stale];
        let out = say("0.88.2", "-m -a", &mut machine(scene.clone())).out;
        let line = out.lines().nth(1).unwrap();
        let (_, fields) = line.split_once("\t7\t").unwrap();
        assert_eq!(fields, expected);
        let path = expected.split('\t').next().unwrap();
        let out = say("0.88.1", "-m", &mut machine(scene)).out;
        assert!(out.ends_with(&format!("OTHER:x,7,{path}\n")), "{out}");
    }
    let usual = "/usr/bin/x\t/usr/bin/x\t['x']\t\tProgram";
    check("/usr/bin/x", Some("/usr/bin/x"), usual);
    check("/usr/bin/x", None, usual);
    let deleted = "/usr/bin/x\t/usr/bin/x (deleted)\t['x']\tDeleted\tProgram";
    check("/usr/bin/x (deleted)", Some("/usr/bin/x"), deleted);
    check("/usr/bin/x (deleted)", None, deleted);
    check(
        "/usr/bin/x.dpkg-new (deleted)",
        Some("/usr/bin/x.dpkg-new"),
        "/usr/bin/x\t/usr/bin/x.dpkg-new (deleted)\t['x']\tDeleted\tProgram",
    );
    check(
        "/usr/bin/x.dpkg-new",
        Some("/usr/bin/x"),
        "/usr/bin/x\t/usr/bin/x.dpkg-new\t['x']\tDeleted\tProgram",
    );
    // Its file is outside of every root.
    check(
        "/ (deleted)",
        Some("/usr/bin/x"),
        "/usr/bin/x\t/ (deleted)\t['x']\tDeleted\tProgram",
    );
    check("/", Some("/usr/bin/x"), "/usr/bin/x\t/\t['x']\t\tProgram");
    // It has a root of its own.
    check(
        "/srv/root/usr/bin/x (deleted)",
        Some("/usr/bin/x"),
        "/srv/root/usr/bin/x\t/srv/root/usr/bin/x (deleted)\t['x']\tDeleted\tProgram",
    );
    check(
        "(deleted)/usr/bin/x",
        Some("/usr/bin/x"),
        "/usr/bin/x\t(deleted)/usr/bin/x\t['x']\tDeleted\tProgram",
    );
    check(
        "/usr/bin/x (deleted)",
        Some("/usr/bin/x (deleted)"),
        "/usr/bin/x (deleted)\t/usr/bin/x (deleted)\t['x']\t\tProgram",
    );
}

#[test]
fn init_scripts_by_names_that_anybody_may_choose() {
    #[track_caller]
    fn check(args: &str, name: &str, uid: u32, packages: &[&str], expected: usize) {
        let mut scene = testing::nothing();
        scene.systemd = false;
        let exe = format!("/opt/{name}");
        let mut stale = bare(7, &exe, packages, &["x"], &[LIBSSL]);
        stale.uid = uid;
        scene.stale = vec![stale];
        let mut machine = machine(scene);
        let script = PathBuf::from("/etc/init.d").join(name);
        machine.files.insert(script, Vec::new());
        let out = say("0.88.2", &format!("-m {args}"), &mut machine).out;
        assert_eq!(out.matches("SERVICE_COMMAND").count(), expected, "{out}");
    }
    check("", "db", 1000, &[], 0);
    check("--compat-bugs", "db", 1000, &[], 1);
    check("", "db", 0, &[], 1);
    check("", "db", 1000, &["db"], 1);
    check("", "$(id)", 0, &["db"], 0);
    check("", "-x", 0, &["db"], 0);
    check("", ";id", 0, &[], 0);
}

#[test]
fn names_of_packages_files_that_are_no_names_of_services() {
    let mut scene = testing::nothing();
    scene.unified_cgroups = false;
    scene.stale = vec![grouped(7, "/init.scope", "/usr/bin/x")];
    let files = [
        "/usr/bin/x",
        "/usr/lib/systemd/system/a;id.service",
        "/usr/lib/systemd/system/--all.service",
        "/usr/lib/systemd/system/dbus-org.x.service",
        "/usr/lib/systemd/system/a\\x2db.service",
    ];
    scene.files = [("x".to_owned(), files.map(Bytes::from).to_vec())].into();
    let lines = |out: &str, with: &str| {
        let lines = out.lines().filter(|line| line.contains(with));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let out = say("0.88.2", "-m", &mut machine(scene.clone())).out;
    assert_eq!(
        lines(&out, "try-restart"),
        ["SYSTEMD_COMMAND\tsystemctl try-restart a\\x2db.service # suggested - from package:x"]
    );
    let out = say("0.88.1", "", &mut machine(scene.clone())).out;
    assert_eq!(
        lines(&out, "systemctl"),
        [
            "systemctl restart a\\x2db.service",
            "systemctl restart dbus-org.x.service"
        ]
    );
    let files = ["/usr/bin/x", "/etc/init.d/`id`", "/etc/init.d/-r"];
    scene.files = [("x".to_owned(), files.map(Bytes::from).to_vec())].into();
    let out = say("0.88.1", "-m", &mut machine(scene)).out;
    assert!(out.ends_with("OTHER:x,7,/usr/bin/x\n"), "{out}");
}

#[test]
fn arguments_without_end() {
    let mut scene = testing::nothing();
    let mut stale = grouped(7, "/init.scope", "/usr/bin/x");
    let word = "a".repeat(10_000);
    stale.argv = vec![
        Bytes::from("x"),
        Bytes::from(word.as_str()),
        Bytes::from("y"),
    ];
    let libs = ["/opt/a.so", "/opt/b.so", "/tmp/c.so"].map(|path| OldFile {
        path: Bytes::from(path),
        name: Bytes::from(path),
        part: OldPart::Library,
        packages: Vec::new(),
    });
    stale.files.extend(libs);
    scene.stale = vec![stale];
    for args in ["-v", "-m -v", "-m -f"] {
        let out = say("0.88.2", args, &mut machine(scene.clone())).out;
        // The process itself is told in full, once.
        assert_eq!(out.matches(&word).count(), 1, "{args}\n{out}");
    }
    let out = say("0.88.2", "-m -v", &mut machine(scene)).out;
    let file =
        "file\t/opt/a.so\t7\t/usr/bin/x\t/usr/bin/x (deleted)\t['x', '…']\tDeleted\tProgram\n";
    assert!(out.contains(file), "{out}");
}

#[test]
fn expressions_are_those_of_python() {
    #[track_caller]
    fn check(expression: &str, expected: Result<u8, &str>) {
        let args = ["-m", "-x", expression];
        let spoken = testing::speak(speak, Some("0.88.2"), &args, &mut machine(stale_scene()));
        let said = match spoken.exit {
            3 => Err(spoken.err.trim_end()),
            _ => Ok(spoken.out.lines().next().unwrap()),
        };
        let expected = expected.map(|number| format!("RESTART_NEEDED: {number}"));
        let expected = expected.as_ref().map(String::as_str).map_err(|why| *why);
        assert_eq!(said, expected, "{expression}");
    }
    check(
        "a**",
        Err("ERROR: syntax error in 'file:' regexp 'a**': multiple repeat at position 2"),
    );
    check("[[:alpha:]]", Ok(6));
    check("ages{,3}ntd", Ok(5));
    check("ages{1,3}ntd", Ok(6));
    check("age{,3}ntd", Ok(5));
    check(
        "\\e",
        Err("ERROR: syntax error in 'file:' regexp '\\e': bad escape \\e at position 0"),
    );
    check(
        "a++",
        Err("ERROR: cannot use 'file:' regexp 'a++': possessive quantifiers have no counterpart"),
    );
}

#[test]
fn a_service_may_divide_its_group() {
    let mut scene = testing::nothing();
    let mut stale = grouped(7, "/system.slice/pg.service/workers", "/usr/bin/x");
    stale.owner = Owner::new(OwnerKind::Unit, "pg.service", Scope::System);
    scene.stale = vec![stale];
    let out = say("0.88.2", "-m", &mut machine(scene)).out;
    assert!(
        out.starts_with("RESTART_NEEDED: 1\nSYSTEMD\tpg.service\t7\t"),
        "{out}"
    );
}

#[test]
fn the_newer_explains() {
    let mut scene = testing::nothing();
    scene.stale = vec![
        grouped(7, "/system.slice/cron.service", "/usr/sbin/cron"),
        grouped(8, "/system.slice/y.service", "/usr/bin/y"),
        grouped(9, "/init.scope", "/usr/bin/z"),
    ];
    for stale in &mut scene.stale {
        stale.argv = vec![stale.program.clone().unwrap()];
    }
    let args = "-m -v -x unit:y\\.service -x nothing";
    check("0.88.2", args, scene, "\
PROCESSES_ALL: 3
ignored_unit\t0::/system.slice/y.service\t8\t/usr/bin/y\t/usr/bin/y (deleted)\t['/usr/bin/y']\tDeleted\tProgram
from_unit\tDeleted Program /usr/sbin/cron (PID: 7, EXE: '/usr/sbin/cron (deleted)')\t0::/system.slice/cron.service
from_unit\tDeleted Program /usr/bin/z (PID: 9, EXE: '/usr/bin/z (deleted)')\t0::/init.scope
from_package\tDeleted Program /usr/bin/z (PID: 9, EXE: '/usr/bin/z (deleted)')\tx
RESTART_NEEDED: 2
SYSTEMD\tcron.service\t7\t/usr/sbin/cron\t/usr/sbin/cron (deleted)\t['/usr/sbin/cron']\tDeleted\tProgram
file\t/usr/sbin/cron\t7\t/usr/sbin/cron\t/usr/sbin/cron (deleted)\t['/usr/sbin/cron']\tDeleted\tProgram
OTHER\tx\t9\t/usr/bin/z\t/usr/bin/z (deleted)\t['/usr/bin/z']\tDeleted\tProgram
file\t/usr/bin/z\t9\t/usr/bin/z\t/usr/bin/z (deleted)\t['/usr/bin/z']\tDeleted\tProgram
SYSTEMD_COMMAND\tsystemctl try-restart cron.service
", 1);
}

#[test]
fn reboots_of_the_newer() {
    #[track_caller]
    fn check(args: &str, packages: Option<&str>, out: &str) {
        let mut machine = machine(testing::nothing());
        machine
            .files
            .insert(PathBuf::from("/run/reboot-required"), Vec::new());
        if let Some(packages) = packages {
            let path = PathBuf::from("/run/reboot-required.pkgs");
            machine.files.insert(path, packages.as_bytes().to_vec());
        }
        let spoken = say("0.88.2", args, &mut machine);
        assert_eq!((spoken.out.as_str(), spoken.exit), (out, 1));
    }
    let none = "0 non-ignored program(s) or unit(s) need restarting (see checkrestart(8))";
    let why = "The system needs rebooting. The following packages have indicated that a reboot is required:\n\tlinux\n\tdbus\n\tdbus\n";
    check("", Some("linux\ndbus\ndbus\n"), &format!("{why}\n{none}\n"));
    check(
        "-t",
        Some("linux\n"),
        &format!("The system needs rebooting; {none}\n"),
    );
    check(
        "-m",
        Some("linux\n"),
        "REBOOT_NEEDED: Yes\nREQUESTED_REBOOT: linux\nRESTART_NEEDED: 0\n",
    );
    check(
        "-m -t",
        Some("linux\n"),
        "REBOOT_NEEDED: Yes; RESTART_NEEDED: 0\n",
    );
    let why = "The system needs rebooting: (/run/reboot-required exists but there is no /run/reboot-required.pkgs, so we do not know why)";
    check("", None, &format!("{why}\n{none}\n"));
    check("-t", None, &format!("{why}; {none}\n"));
    check(
        "-m",
        None,
        "REBOOT_NEEDED: Yes; MISSING: /run/reboot-required.pkgs\nRESTART_NEEDED: 0\n",
    );
}

#[test]
fn names_that_are_no_text() {
    let mut scene = testing::nothing();
    let mut stale = grouped(7, "/init.scope", "/usr/bin/x");
    stale.exe = Some(Bytes::from(&b"/opt/\xff\n\tx"[..]));
    stale.program = stale.exe.clone();
    stale.argv = [&b"a'\"\\"[..], b"\xff\n\x1b", "é\u{202e}".as_bytes()]
        .map(Bytes::from)
        .to_vec();
    stale.program_packages.clear();
    scene.stale = vec![stale];
    let out = say("0.88.2", "-m -x program:other", &mut machine(scene.clone())).out;
    let expected = "OTHER\tUnpackaged: \\xff\\x0a\\x09x\t7\t/opt/\\xff\\x0a\\x09x\t/opt/\\xff\\x0a\\x09x\t['a\\'\"\\\\', '\\xff\\n\\x1b', 'é\\u202e']\t\tProgram\n";
    assert_eq!(out, format!("RESTART_NEEDED: 1\n{expected}"));
    assert_eq!(
        say("0.88.2", "-m -x program:^/opt/.\\n", &mut machine(scene)).out,
        "RESTART_NEEDED: 0\n"
    );
}
