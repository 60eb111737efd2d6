//! Where a hook finds itself: whether anything may be kept or started here, and whether somebody watches.

use std::io::IsTerminal as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use crate::act::spawn::{self, Order, Program, Tool};
use crate::act::stamps;

/// Answers of logind are short; without D-Bus there is none.
const LOGIND_LIMIT: Duration = Duration::from_secs(2);
const LOGIND_CAP: usize = 1024;
/// `TMPFS_MAGIC`, statfs(2).
const TMPFS: rustix::fs::FsWord = 0x0102_1994;
/// By which somebody who runs a package manager holds everything back, the first for needrestart's sake.
const SUSPENDED_BY: [&str; 2] = ["NEEDRESTART_SUSPEND", "UNSTALE_SUSPEND"];

/// Whether this is the system of the first process, and no image that is being built below it: then nothing is kept, and
/// nothing started. Without `/proc` nobody can tell, and image builders often do without.
pub(super) fn is_own_system() -> bool {
    let numbers = |path: &str| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    matches!((numbers("/proc/1/root/."), numbers("/")), (Some(first), Some(ours)) if first == ours)
}

/// Whether stamps may be set: here, and gone after the next boot. What is built in a container, whose first process has the
/// same root, becomes an image with all that is in a plain directory.
pub(super) fn keeps_stamps() -> bool {
    is_own_system() && rustix::fs::statfs("/run").is_ok_and(|found| found.f_type == TMPFS)
}

/// Whether the service manager is systemd (`sd_booted`(3)).
pub(in crate::app) fn is_systemd() -> bool {
    let metadata = std::fs::symlink_metadata("/run/systemd/system");
    metadata.is_ok_and(|metadata| metadata.is_dir())
}

/// Who holds everything back, if anybody does.
pub(super) fn suspended_by() -> Option<String> {
    let is_set =
        |name: &&str| std::env::var_os(name).is_some_and(|value| !value.as_os_str().is_empty());
    let variable = SUSPENDED_BY.into_iter().find(is_set);
    variable
        .map(str::to_owned)
        .or_else(|| stamps::suspended_by(Path::new("/")))
}

/// Whether the system goes down, or is in an offline update: then it comes back with everything new.
pub(super) fn is_going_down() -> bool {
    // systemd.offline-updates(7): it is there until the update is done.
    let offline = std::fs::symlink_metadata("/system-update").is_ok();
    offline || (is_systemd() && (is_preparing_for_shutdown() || is_stopping()))
}

fn is_preparing_for_shutdown() -> bool {
    let args = [
        "get-property",
        "org.freedesktop.login1",
        "/org/freedesktop/login1",
        "org.freedesktop.login1.Manager",
        "PreparingForShutdown",
    ];
    said(Tool::Busctl, &args).is_some_and(|said| said == b"b true\n")
}

/// Whether the service manager says that it stops. Any other state ends with a failure of the command.
fn is_stopping() -> bool {
    said(Tool::Systemctl, &["is-system-running"]).is_some_and(|said| said == b"stopping\n")
}

fn said(tool: Tool, args: &[&str]) -> Option<Vec<u8>> {
    let order = Order {
        program: Program::Tool(tool),
        args: args.iter().map(Into::into).collect(),
        env: Vec::new(),
        stdin: Vec::new(),
        user: None,
        limit: LOGIND_LIMIT,
        output_cap: LOGIND_CAP,
    };
    spawn::run(order).ok().map(|ended| ended.stdout)
}

/// Whether a person watches: a terminal at both ends, that is ours to write to, and nobody who said that there is none.
pub(super) fn is_watched() -> bool {
    let stdin = std::io::stdin();
    let automatic = std::env::var_os("DEBIAN_FRONTEND").is_some_and(|it| it == "noninteractive");
    let foreground =
        rustix::termios::tcgetpgrp(&stdin).is_ok_and(|group| group == rustix::process::getpgrp());
    !automatic && foreground && stdin.is_terminal() && std::io::stdout().is_terminal()
}
