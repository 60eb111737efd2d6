//! notify.d: an administrator's programs that tell users of their sessions.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::time::{Duration, Instant};

use super::names::{Findings, Session};
use super::order;
use super::settings::Settings;
use crate::dialects::{Errand, Machine, Voice, tame};

/// Whoever called waits: a package manager, a monitor.
const LIMIT: Duration = Duration::from_secs(60);

/// Tells each session, by the first program that does it. What goes wrong with one changes nothing else.
pub(super) fn tell(
    settings: &Settings,
    findings: &Findings,
    machine: &mut dyn Machine,
    voice: &mut Voice<'_>,
) -> io::Result<()> {
    if !settings.manner.sendnotify || findings.sessions.is_empty() {
        return Ok(());
    }
    let directory = &settings.manner.notify_d;
    let mut names = match machine.list(directory) {
        Ok(names) => names,
        Err(error) => {
            let directory = tame(directory.as_os_str().as_bytes());
            voice.note(&format!("nobody is told: cannot read {directory}: {error}"));
            return Ok(());
        }
    };
    names.retain(|name| !is_left_behind(name.as_bytes()));
    names.sort_by(|a, b| order::natural(&a.to_string_lossy(), &b.to_string_lossy()));
    // A program says what there is to be read before it takes its time.
    voice.out.flush()?;
    let mut unusable = BTreeSet::new();
    let begun = Instant::now();
    // Whose session could not be told is told by nobody.
    let known = findings.sessions.iter().filter(|one| one.uid != u32::MAX);
    for (told, session) in known.enumerate() {
        if begun.elapsed() > LIMIT {
            let left = findings.sessions.len() - told;
            voice.note(&format!(
                "{left} sessions are not told: programs in notify.d take too long"
            ));
            break;
        }
        for name in &names {
            if unusable.contains(name) {
                continue;
            }
            let program = directory.join(name);
            match machine.run(&Errand {
                program: &program,
                env: environment(session),
                stdin: format!("{}\n", session.line()).into_bytes(),
            }) {
                Ok(0) => break,
                Ok(_) => {}
                Err(why) => {
                    // Whoever hangs once is not waited for a second time.
                    let program = tame(program.as_os_str().as_bytes());
                    voice.note(&format!("{program}: {why}"));
                    unusable.insert(name.clone());
                }
            }
        }
    }
    Ok(())
}

/// What editors and dpkg leave behind, and hidden files.
fn is_left_behind(name: &[u8]) -> bool {
    let of_dpkg = |name: &[u8]| name.windows(6).any(|part| part == b".dpkg-");
    name.starts_with(b".") || name.ends_with(b"~") || of_dpkg(name)
}

fn environment(session: &Session) -> Vec<(&'static str, OsString)> {
    let pid = session
        .pid()
        .map_or_else(String::new, |pid| pid.to_string());
    vec![
        ("NR_UID", session.uid.to_string().into()),
        ("NR_USERNAME", session.user.clone().into()),
        ("NR_SESSION", session.name.clone().into()),
        ("NR_SESSPPID", pid.into()),
    ]
}
