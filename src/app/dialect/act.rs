//! What dialects have done on this machine: restarts, by the way that `restart` goes, and programs of the administrator's.

use std::os::fd::AsFd as _;
use std::time::Duration;

use rustix::fs::fstat;

use crate::act::spawn::{self, How, Program};
use crate::app::restart::{self, Request, why_not_clean};
use crate::dialects::{Errand, NotBegun, NotRestarted, Order};
use crate::trust::{self, Untrusted};

/// Whoever takes longer hangs: these programs write a few lines, or send them.
const ERRAND_LIMIT: Duration = Duration::from_secs(10);
const OUTPUT_CAP: usize = 4096;
const EXECUTABLE: u32 = 0o111;
/// What a shell says of a file that it may not execute (sh(1p), *Exit Status for Commands*).
const NOT_EXECUTABLE: i32 = 126;

/// Restarts what the last look found, which was by these translated settings.
pub(super) fn restart(
    order: &Order<'_>,
    translated: Option<&str>,
) -> Result<Vec<NotRestarted>, NotBegun> {
    let outcomes = restart::exactly(&Request {
        owners: order.owners,
        chosen: order.chosen,
        programs: order.programs,
        translated,
    });
    let failed = outcomes?.into_iter().filter_map(|(owner, outcome)| {
        let why = why_not_clean(outcome)?;
        Some(NotRestarted { owner, why })
    });
    Ok(failed.collect())
}

/// Runs a program with the environment that it is given and nothing else, if nobody else could have written it.
pub(super) fn run(errand: &Errand<'_>) -> Result<i32, String> {
    let euid = rustix::process::geteuid().as_raw();
    let untrusted = |error: Untrusted| format!("it is not run: {error}");
    let file = trust::open_trusted(errand.program, euid).map_err(untrusted)?;
    let stat = fstat(&file).map_err(|errno| errno.to_string())?;
    if stat.st_mode & EXECUTABLE == 0 {
        return Ok(NOT_EXECUTABLE);
    }
    let ended = spawn::run_bare(spawn::Order {
        program: Program::File(file.as_fd(), errand.program.as_os_str()),
        args: Vec::new(),
        env: errand.env.clone(),
        stdin: errand.stdin.clone(),
        user: None,
        limit: ERRAND_LIMIT,
        output_cap: OUTPUT_CAP,
    });
    match ended.map_err(|error| error.to_string())?.how {
        How::Exited(status) => Ok(status),
        how => Err(how.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::{Path, PathBuf};

    use super::*;

    fn script(directory: &Path, text: &str, mode: u32) -> PathBuf {
        let file = directory.join("script");
        fs::write(&file, format!("#!/bin/sh\n{text}")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn an_errand_has_its_own_environment_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let seen = dir.path().join("seen");
        // The shell itself adds to it.
        let text = format!(
            "exec >{}; cat; tr '\\0' '\\n' </proc/$$/environ | sort; echo $#",
            seen.display()
        );
        let program = script(dir.path(), &text, 0o755);
        let errand = |env| Errand {
            program: &program,
            env,
            stdin: b"sleep[258]\n".to_vec(),
        };
        let env = vec![("NR_UID", "0".into()), ("NR_SESSION", "session #3".into())];
        assert_eq!(run(&errand(env)), Ok(0));
        let seen = fs::read_to_string(seen).unwrap();
        assert_eq!(seen, "sleep[258]\nNR_SESSION=session #3\nNR_UID=0\n0\n");
    }

    #[test]
    fn what_becomes_of_errands() {
        #[track_caller]
        fn check(text: &str, mode: u32, expected: Result<i32, &str>) {
            let dir = tempfile::tempdir().unwrap();
            let program = script(dir.path(), text, mode);
            let said = run(&Errand {
                program: &program,
                env: Vec::new(),
                // More than a pipe holds: who ends without reading it is no trouble.
                stdin: vec![b'x'; 1 << 20],
            });
            match (&said, expected) {
                (Err(said), Err(part)) => assert!(said.contains(part), "{said}"),
                (said, expected) => assert_eq!(said.as_ref().ok(), expected.as_ref().ok()),
            }
        }
        check("exit 0", 0o755, Ok(0));
        check("exit 7", 0o755, Ok(7));
        check("exit 0", 0o644, Ok(NOT_EXECUTABLE));
        check("kill -9 $$", 0o755, Err("signal 9"));
        check("exit 0", 0o757, Err("writable by others"));
    }
}
