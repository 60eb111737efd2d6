//! The way to a manager: ourselves for the system's, that very user for a user's.

use std::ffi::OsString;

use crate::act::runtime_dir::{self, RuntimeDir};
use crate::model::{Account, Scope, parse_passwd};

/// Larger ones are read in part.
const PASSWD_CAP: u64 = 16 * 1024 * 1024;

/// How a manager is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    /// Uid and gid to take on; `None` is as we are.
    pub(super) user: Option<(u32, u32)>,
    pub(super) env: Vec<(&'static str, OsString)>,
    /// What each command line of systemctl begins with.
    pub(super) options: &'static [&'static str],
}

impl Way {
    /// The way to the manager of a scope. Users' managers listen below `/run/user`, where logind puts what is theirs.
    pub(super) fn to(scope: Scope) -> Result<Self, String> {
        let Scope::User(uid) = scope else {
            return Ok(Self {
                user: None,
                env: Vec::new(),
                options: &["--no-pager", "--no-ask-password"],
            });
        };
        let unreached = || "its manager cannot be reached".to_owned();
        let dir = RuntimeDir::open(uid).ok_or_else(unreached)?;
        if !["systemd/private", "bus"]
            .iter()
            .any(|name| dir.has_socket(name))
        {
            return Err(unreached());
        }
        let euid = rustix::process::geteuid().as_raw();
        let user = match euid {
            euid if euid == uid => None,
            0 => Some((uid, account(uid).map_or(dir.gid(), |account| account.gid))),
            _ => return Err("only that user and root reach its manager".to_owned()),
        };
        Ok(Self {
            user,
            env: vec![("XDG_RUNTIME_DIR", runtime_dir::path(uid).into_os_string())],
            options: &["--no-pager", "--no-ask-password", "--user"],
        })
    }
}

/// The account of a uid in passwd(5), if it is there; others (LDAP, …) are not asked.
pub(super) fn account(uid: u32) -> Option<Account> {
    use std::io::Read as _;
    let mut text = Vec::new();
    let file = std::fs::File::open("/etc/passwd").ok()?;
    file.take(PASSWD_CAP).read_to_end(&mut text).ok()?;
    parse_passwd(&text).find(|account| account.uid == uid)
}
