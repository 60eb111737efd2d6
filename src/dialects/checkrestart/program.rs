//! Which program a process is, to an administrator: the script rather than its interpreter.

use crate::dialects::Stale;
use crate::model::{Bytes, Pid};

/// What the kernel and dpkg put behind the name of a file that was replaced.
const SUFFIXES: [&[u8]; 2] = [b" (deleted)", b".dpkg-new"];

/// What other kernels put before it.
const PREFIX: &[u8] = b"(deleted)";

/// The program of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    /// Its path.
    pub(super) path: Bytes,
    /// Packages that own it.
    pub(super) packages: Vec<String>,
    /// Whether it is a script.
    pub(super) script: bool,
    /// Whether its file is gone, or was replaced.
    pub(super) deleted: bool,
}

impl Program {
    /// The program of a process; `interpreters` are the beginnings of the paths of those whose scripts count.
    pub(super) fn of(stale: &Stale, interpreters: &[&str]) -> Self {
        let (path, deleted) = path_of(stale);
        let interprets = |beginning: &&str| path.as_slice().starts_with(beginning.as_bytes());
        if !interpreters.iter().any(interprets) {
            return Self::named(path, &stale.program_packages, false, deleted);
        }
        // Its daemon writes what it is doing over its own arguments (spamd(1), `$0`).
        let is_spamd = |word: &Bytes| word.as_slice().starts_with(b"spamd ");
        let spamd = Bytes::from("/usr/sbin/spamd");
        match &stale.script {
            Some(script) => Self::named(script.path.clone(), &script.packages, true, deleted),
            None if stale.argv.first().is_some_and(is_spamd) => {
                Self::named(spamd, &[], true, deleted)
            }
            None => Self::named(path, &stale.program_packages, false, deleted),
        }
    }

    fn named(path: Bytes, packages: &[String], script: bool, deleted: bool) -> Self {
        Self {
            path,
            packages: packages.to_vec(),
            script,
            deleted,
        }
    }
}

/// The last part of a path.
pub(super) fn base_name(path: &Bytes) -> &[u8] {
    let path = path.as_slice();
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}

/// The path of what runs, without what was put behind it, and whether anything was.
fn path_of(stale: &Stale) -> (Bytes, bool) {
    let Some(exe) = &stale.exe else {
        let path = stale.program.clone();
        return (path.unwrap_or_else(|| unknown(stale.pid)), false);
    };
    // A file may truly be named so.
    if stale.program.as_ref() == Some(exe) && !exe.as_slice().ends_with(SUFFIXES[1]) {
        return (exe.clone(), false);
    }
    let mut path = exe.as_slice();
    // OpenVZ puts it before the name.
    path = path.strip_prefix(PREFIX).unwrap_or(path);
    for suffix in SUFFIXES {
        path = path.strip_suffix(suffix).unwrap_or(path);
    }
    let deleted = path.len() < exe.as_slice().len();
    match &stale.program {
        // A file outside of what the reader's root reaches has a link that leads nowhere: `/ (deleted)`.
        Some(program) if !leads_to(path, program.as_slice()) => {
            let program = program.as_slice();
            let path = program.strip_suffix(SUFFIXES[1]).unwrap_or(program);
            (Bytes::from(path), deleted)
        }
        _ => (Bytes::from(path), deleted),
    }
}

/// Whether a path is that of a program, be it that of another root: `/srv/root/usr/bin/x`.
fn leads_to(path: &[u8], program: &[u8]) -> bool {
    [b"", SUFFIXES[1]].iter().any(|behind| {
        let program = program.strip_suffix(*behind);
        program.is_some_and(|program| path.ends_with(program))
    })
}

/// A process whose program cannot be told.
fn unknown(pid: Pid) -> Bytes {
    Bytes::from(format!("<unknown: PID: {pid}>").as_str())
}
