//! What the recordings do not tell of their machines, in small tables made by hand: which program a process runs, which package
//! has a file (as the lists of Debian 12 and 13 have it), what boots.

use super::recording::Recording;

/// A file, and the package that has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owned {
    /// Where it is, without symbolic links on the way.
    pub(super) path: &'static str,
    /// As the package's own list spells it: Debian 12 still had files below `/bin` and `/lib` there.
    pub(super) listed: &'static str,
    /// The package.
    pub(super) package: &'static str,
}

const fn same(path: &'static str, package: &'static str) -> Owned {
    Owned {
        path,
        listed: path,
        package,
    }
}

const fn merged(path: &'static str, listed: &'static str, package: &'static str) -> Owned {
    Owned {
        path,
        listed,
        package,
    }
}

/// On both.
const DEBIAN: &[Owned] = &[
    same("/usr/sbin/cron", "cron"),
    same("/etc/init.d/cron", "cron"),
    same("/usr/bin/memcached", "memcached"),
    same("/etc/init.d/memcached", "memcached"),
    same("/usr/sbin/rsyslogd", "rsyslog"),
    same("/usr/sbin/sshd", "openssh-server"),
    same("/etc/init.d/ssh", "openssh-server"),
    same("/usr/bin/dbus-daemon", "dbus-daemon"),
    same("/usr/lib/systemd/systemd-executor", "systemd"),
    same("/usr/bin/script", "bsdutils"),
    same("/usr/bin/unshare", "util-linux"),
];

/// A unit that does one job.
const ONESHOT: &str = "/usr/lib/systemd/system/fstrim.service";

/// On Debian 12 alone.
const BOOKWORM: &[Owned] = &[
    merged(
        "/usr/lib/systemd/system/cron.service",
        "/lib/systemd/system/cron.service",
        "cron",
    ),
    merged(
        "/usr/lib/systemd/system/memcached.service",
        "/lib/systemd/system/memcached.service",
        "memcached",
    ),
    merged(
        "/usr/lib/systemd/system/rsyslog.service",
        "/lib/systemd/system/rsyslog.service",
        "rsyslog",
    ),
    merged(
        "/usr/lib/systemd/system/ssh.service",
        "/lib/systemd/system/ssh.service",
        "openssh-server",
    ),
    merged(
        "/usr/lib/systemd/system/dbus.service",
        "/lib/systemd/system/dbus.service",
        "dbus",
    ),
    merged(
        "/usr/lib/systemd/systemd",
        "/lib/systemd/systemd",
        "systemd",
    ),
    merged(
        "/usr/lib/systemd/systemd-journald",
        "/lib/systemd/systemd-journald",
        "systemd",
    ),
    merged(
        "/usr/lib/systemd/systemd-logind",
        "/lib/systemd/systemd-logind",
        "systemd",
    ),
    merged(ONESHOT, "/lib/systemd/system/fstrim.service", "util-linux"),
    merged("/usr/bin/sleep", "/bin/sleep", "coreutils"),
    same("/usr/bin/socat", "socat"),
    same("/usr/bin/python3.11", "python3.11-minimal"),
    same(
        "/usr/lib/x86_64-linux-gnu/libevent-2.1.so.7.0.1",
        "libevent-2.1-7",
    ),
    same("/usr/lib/x86_64-linux-gnu/libssl.so.3", "libssl3"),
    same(
        "/usr/lib/x86_64-linux-gnu/libfastjson.so.4.3.0",
        "libfastjson4",
    ),
    merged(
        "/usr/lib/x86_64-linux-gnu/libc.so.6",
        "/lib/x86_64-linux-gnu/libc.so.6",
        "libc6",
    ),
];

/// On Debian 13 alone.
const TRIXIE: &[Owned] = &[
    same("/usr/lib/systemd/system/cron.service", "cron"),
    same("/usr/lib/systemd/system/memcached.service", "memcached"),
    same("/usr/lib/systemd/system/rsyslog.service", "rsyslog"),
    same("/usr/lib/systemd/system/ssh.service", "openssh-server"),
    same("/usr/lib/systemd/system/dbus.service", "dbus"),
    same("/usr/lib/systemd/systemd", "systemd"),
    same("/usr/lib/systemd/systemd-journald", "systemd"),
    same("/usr/lib/systemd/systemd-logind", "systemd"),
    same(ONESHOT, "util-linux"),
    same("/usr/bin/sleep", "coreutils"),
    same("/usr/bin/socat1", "socat"),
    same("/usr/bin/python3.13", "python3.13-minimal"),
    same(
        "/usr/lib/x86_64-linux-gnu/libevent-2.1.so.7.0.1",
        "libevent-2.1-7t64",
    ),
    same("/usr/lib/x86_64-linux-gnu/libssl.so.3", "libssl3t64"),
    same("/usr/lib/x86_64-linux-gnu/libc.so.6", "libc6"),
];

/// In the rpm database of the scenes for dnf and zypper. What else runs there came from dpkg, which nobody asks.
const RPM: &[Owned] = &[
    same("/opt/svcfoo/bin/svcfood", "svcfoo"),
    same("/usr/lib/systemd/system/svcfood.service", "svcfoo"),
    merged("/usr/lib/uma/umad", "/lib/uma/umad", "uma"),
    same("/usr/lib/systemd/system/umad.service", "uma"),
    same("/opt/multi/lib/libmulti.so.1.2.0", "multi"),
    same("/opt/multi/bin/postd", "multi"),
    same("/opt/optd/optd", "multi"),
];

/// Files of packages on the machine of a recording.
pub(super) fn owned(recording: &Recording) -> Vec<Owned> {
    if recording.is_rpm() {
        return RPM.to_vec();
    }
    let own = match recording.is_bookworm() {
        true => BOOKWORM,
        false => TRIXIE,
    };
    [DEBIAN, own].concat()
}

/// A program of the scenes without service manager: its file, and what of its libraries was replaced.
pub(super) fn program(argv: &[String], bookworm: bool) -> (&'static str, &'static [&'static str]) {
    const EVENT: &str = "/usr/lib/x86_64-linux-gnu/libevent-2.1.so.7.0.1";
    const SSL: &str = "/usr/lib/x86_64-linux-gnu/libssl.so.3";
    match argv[0].as_str() {
        "memcached" => ("/usr/bin/memcached", &[EVENT, SSL]),
        "cron" => ("/usr/sbin/cron", &[]),
        "socat" if bookworm => ("/usr/bin/socat", &[SSL]),
        "socat" => ("/usr/bin/socat1", &[SSL]),
        "sleep" => ("/usr/bin/sleep", &[]),
        "script" => ("/usr/bin/script", &[]),
        "dbus-daemon" => ("/usr/bin/dbus-daemon", &[]),
        "/opt/vendor/bin/agentd" => ("/opt/vendor/bin/agentd", &[]),
        "/usr/bin/python3" if bookworm => ("/usr/bin/python3.11", &[SSL]),
        "/usr/bin/python3" => ("/usr/bin/python3.13", &[SSL]),
        "/usr/local/bin/holder" => ("/usr/local/bin/holder", &[]),
        other => panic!("which program is {other}?"),
    }
}

/// Words of `replaced:` in the scenes without service manager, and the file that is meant.
pub(super) const REPLACED: &[(&str, &[&str])] = &[
    (
        "libevent-2.1.so.7",
        &["/usr/lib/x86_64-linux-gnu/libevent-2.1.so.7.0.1"],
    ),
    ("libssl.so.3", &["/usr/lib/x86_64-linux-gnu/libssl.so.3"]),
    ("/usr/sbin/cron", &["/usr/sbin/cron"]),
    (
        "socat (the real file",
        &["/usr/bin/socat", "/usr/bin/socat1"],
    ),
    ("/usr/bin/sleep", &["/usr/bin/sleep"]),
    ("/opt/vendor/bin/agentd", &["/opt/vendor/bin/agentd"]),
    ("/usr/bin/dbus-daemon", &["/usr/bin/dbus-daemon"]),
];

/// Accounts: the machine's own, which differ between the releases.
pub(super) fn accounts(bookworm: bool) -> [(u32, &'static str); 4] {
    let (memcache, bus) = match bookworm {
        true => (102, 100),
        false => (100, 996),
    };
    [
        (0, "root"),
        (1000, "alice"),
        (memcache, "memcache"),
        (bus, "messagebus"),
    ]
}

/// Files that dialects may read or look for, and their content.
pub(super) fn files(recording: &Recording) -> Vec<(String, &'static str)> {
    let mut files: Vec<(String, &str)> = Vec::new();
    for owned in owned(recording) {
        let text = match owned.path {
            ONESHOT => "[Service]\nType=oneshot\n",
            _ => "",
        };
        let is_script = owned.path.starts_with("/etc/init.d/");
        if is_script || owned.path.ends_with(".service") {
            // `/lib` is a link to `/usr/lib`.
            let names = [owned.path, owned.listed].map(|path| (path.to_owned(), text));
            files.extend(names);
        }
    }
    let mut add = |path: &str, text: &'static str| files.push((path.to_owned(), text));
    add("/root/bl", "/usr/sbin/cron\n");
    add("/root/blank", "\n");
    if recording.dir.starts_with("checkrestart") {
        let release = match recording.is_bookworm() {
            true => "12.12\n",
            false => "13.1\n",
        };
        add("/etc/debian_version", release);
    }
    if recording.dir == "checkrestart-0.88.2" {
        add("/etc/checkrestart/exclude.conf", EXCLUDED);
    }
    if recording.dir == "checkrestart-0.88.2" {
        add("/etc/checkrestart/suggestions.conf", DANGEROUS);
    }
    if recording.dir.starts_with("needrestart") {
        add("/etc/needrestart/restart.d/dbus.service", "");
        add("/etc/needrestart/restart.d/systemd-manager", "");
    }
    if recording.dir == "needrestart-3.11" {
        add("/etc/needrestart/restart.d/systemd-user", "");
    }
    let system = recording.said("system");
    if system.contains("/run/reboot-required ") {
        add("/run/reboot-required", "*** System restart required ***\n");
    }
    if system.contains(".pkgs exist (") {
        add(
            "/run/reboot-required.pkgs",
            "linux-image-6.12.57+deb13-amd64\ndbus\n",
        );
    }
    if system.contains("/run/reboot-needed exists") {
        add("/run/reboot-needed", "");
    }
    if system.contains("needs-restarting.d holds t.conf") {
        add(
            "/etc/dnf/plugins/needs-restarting.d/t.conf",
            "svcfoo\nnosuch\n",
        );
        add("/etc/dnf/plugins/needs-restarting.d/ignored", "uma\n");
    }
    files
}

/// The exclusions that Debian ships for checkrestart 0.88.2, as far as any scene meets them.
const EXCLUDED: &str = "file:^/(dev|run|home|tmp|var)/\nfile:^/(memfd:|\\[aio\\]|SYSV)\n";

/// And what it ships as dangerous.
const DANGEROUS: &str =
    "dangerous-unit:^dbus\\.service$\ndangerous-unit:^systemd-logind\\.service$\n";
