//! Which service manager runs here, and whether anybody may restart through it.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use super::{OpenRc, Runit, ServiceManager, SysV, Systemd};
use crate::act::spawn::{How, Order, Program, run};
use crate::model::Escaped;
use crate::trust::{Untrusted, Why, open_trusted};

/// Debian's invoke-rc.d policy layer: <https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt>.
const POLICY: &str = "usr/sbin/policy-rc.d";
const POLICY_LIMIT: Duration = Duration::from_secs(10);
const OUTPUT_CAP: usize = 4096;

/// Why nothing is restarted here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The root directory is another than that of the first process: an image is built here, or a system repaired.
    OtherRoot,
    /// Root itself may not see the root directory of the first process: it is in a sandbox.
    HiddenRoot,
    /// `policy-rc.d` forbids it, with this status.
    Policy(i32),
    /// `policy-rc.d` did not say, or nobody may run it.
    PolicyFailed(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherRoot => f.write_str("the root directory is not that of the first process"),
            Self::HiddenRoot => {
                f.write_str("the root directory of the first process cannot be seen from here")
            }
            Self::Policy(status) => write!(f, "/{POLICY} forbids it (status {status})"),
            Self::PolicyFailed(why) => write!(f, "cannot ask /{POLICY}: {why}"),
        }
    }
}

/// The service manager that runs on the machine of this root (`/`, but for tests). `None` if none does that we know:
/// whether it is installed does not matter.
///
/// # Errors
/// The service manager is that of another root, and not to be asked from this one.
pub fn find(root: &Path) -> Result<Option<Box<dyn ServiceManager>>, Refusal> {
    let identity = |path: &Path| path.metadata().map(|meta| (meta.dev(), meta.ino()));
    let first = identity(&root.join("proc/1/root"));
    judge_root(
        first,
        identity(root).ok(),
        rustix::process::geteuid().as_raw(),
    )?;
    let is_there = |path: &str| root.join(path).symlink_metadata().is_ok();
    // sd_booted(3): the directory, and no link to it.
    let is_directory = |path: &str| {
        let meta = root.join(path).symlink_metadata();
        meta.is_ok_and(|meta| meta.is_dir())
    };
    let first = std::fs::read(root.join("proc/1/comm")).unwrap_or_default();
    let manager: Box<dyn ServiceManager> = if is_directory("run/systemd/system") {
        Box::new(Systemd)
    } else if is_there("run/openrc/softlevel") {
        Box::new(OpenRc)
    } else if first.trim_ascii_end() == b"runit" {
        Box::new(Runit)
    } else if first.trim_ascii_end() == b"init" && is_directory("etc/init.d") {
        Box::new(SysV)
    } else {
        return Ok(None);
    };
    Ok(Some(manager))
}

/// Whether the first process has our root. An ordinary user may not look there, and may not restart anything either; root may,
/// but for sandboxes.
fn judge_root<T: PartialEq>(
    first: io::Result<T>,
    own: Option<T>,
    euid: u32,
) -> Result<(), Refusal> {
    match first {
        Ok(first) if own.is_some_and(|own| first != own) => Err(Refusal::OtherRoot),
        Err(error) if euid == 0 && error.kind() == io::ErrorKind::PermissionDenied => {
            Err(Refusal::HiddenRoot)
        }
        _ => Ok(()),
    }
}

/// Asks the administrator's `policy-rc.d`, if there is one, whether a service may be restarted. This runs it: it is for
/// those who are about to act.
///
/// # Errors
/// It may not.
pub fn may_restart(root: &Path, service: &str) -> Result<(), Refusal> {
    let path = root.join(POLICY);
    let euid = rustix::process::geteuid().as_raw();
    let file = match open_trusted(&resolved(&path), euid) {
        Ok(file) => file,
        Err(Untrusted {
            at,
            why: Why::Missing,
        }) if at == path || !path.exists() => return Ok(()),
        Err(untrusted) => return Err(Refusal::PolicyFailed(untrusted.to_string())),
    };
    // As invoke-rc.d and deb-systemd-invoke name services.
    let service = service.strip_suffix(".service").unwrap_or(service);
    let ended = run(Order {
        program: Program::File(file.as_fd(), path.as_os_str()),
        args: [service, "restart"].map(OsString::from).into(),
        env: Vec::new(),
        stdin: Vec::new(),
        user: None,
        limit: POLICY_LIMIT,
        output_cap: OUTPUT_CAP,
    });
    match ended.map(|ended| (ended.how, ended.stderr)) {
        // 0 and 104: allowed. 1 and 105: undecided, which invoke-rc.d takes for allowed. 100: a service unknown to it.
        Ok((How::Exited(0 | 1 | 100 | 104 | 105), _)) => Ok(()),
        // 101: forbidden. 106: something else instead, which we do not do.
        Ok((How::Exited(status @ (101 | 106)), _)) => Err(Refusal::Policy(status)),
        Ok((how, stderr)) => {
            let said = Escaped(stderr.trim_ascii()).to_string();
            Err(Refusal::PolicyFailed(
                format!("{how} {said}").trim_end().to_owned(),
            ))
        }
        Err(error) => Err(Refusal::PolicyFailed(error.to_string())),
    }
}

/// Images link it to `/bin/false` or to a script elsewhere. What it leads to must be trusted as well.
fn resolved(path: &Path) -> std::path::PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests;
