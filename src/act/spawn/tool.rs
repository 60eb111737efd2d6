//! Where tools are.

use std::fmt;
use std::path::{Path, PathBuf};

use super::SpawnError;
use crate::trust::{TrustedDir, Untrusted, Why};

/// As the kernel's path of directories would be searched, but nobody's environment says which.
const DIRECTORIES: [&str; 4] = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"];
/// Alternatives take two links: update-alternatives(1).
const LINKS_CAP: usize = 8;

/// A program that distributions ship.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// systemctl(1).
    Systemctl,
    /// systemd-run(1).
    SystemdRun,
    /// journalctl(1).
    Journalctl,
    /// busctl(1).
    Busctl,
    /// service(8).
    Service,
    /// invoke-rc.d(8), Debian's way to services that heeds the administrator's policy.
    InvokeRcd,
    /// rc-service(8), of OpenRC.
    RcService,
    /// sv(8), of runit.
    Sv,
    /// sendmail(8), of whichever mail system.
    Sendmail,
}

impl Tool {
    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Systemctl => "systemctl",
            Self::SystemdRun => "systemd-run",
            Self::Journalctl => "journalctl",
            Self::Busctl => "busctl",
            Self::Service => "service",
            Self::InvokeRcd => "invoke-rc.d",
            Self::RcService => "rc-service",
            Self::Sv => "sv",
            Self::Sendmail => "sendmail",
        }
    }

    /// Whether it is there. It may not be trusted even so.
    #[must_use]
    pub fn is_installed(self) -> bool {
        self.place().is_some()
    }

    fn place(self) -> Option<PathBuf> {
        let places = DIRECTORIES
            .iter()
            .map(|dir| Path::new(dir).join(self.name()));
        // FHS 3.0, 4.7.2: sendmail has had a second place for ever.
        let old = (self == Self::Sendmail).then(|| PathBuf::from("/usr/lib/sendmail"));
        let mut all = places.chain(old);
        all.find(|path| path.symlink_metadata().is_ok())
    }

    /// The file to execute, and the path by which it was found.
    pub(super) fn find(self, euid: u32) -> Result<(PathBuf, PathBuf), SpawnError> {
        let place = self.place().ok_or(SpawnError::NotInstalled(self))?;
        Ok((resolve(&place, euid)?, place))
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The file that a path leads to. As root, all on the way is trusted; an ordinary user gains nothing by a program of
/// somebody else's that this user could not have started, and is not stopped.
pub(super) fn resolve(path: &Path, euid: u32) -> Result<PathBuf, Untrusted> {
    let fail = |at: &Path, why| Untrusted {
        at: at.to_owned(),
        why,
    };
    if !path.is_absolute() {
        return Err(fail(path, Why::Relative));
    }
    // Ourselves: whatever is at that name by now, this program runs already.
    if euid != 0 || path == Path::new("/proc/self/exe") {
        return Ok(path.to_owned());
    }
    let mut at = path.to_owned();
    for _ in 0..LINKS_CAP {
        let (Some(above), Some(name)) = (at.parent(), at.file_name()) else {
            return Err(fail(&at, Why::NotFile));
        };
        let directory = TrustedDir::open(above, euid)?;
        match directory.read_link(name)? {
            Some(target) => at = above.join(target),
            None => return directory.open_file(name).map(|_| at),
        }
    }
    Err(fail(path, Why::TooManyLinks))
}
