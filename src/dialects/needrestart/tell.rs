//! notify.d: an administrator's programs that tell users of their sessions.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use super::names::{Findings, Session};
use super::order;
use super::settings::Settings;
use crate::dialects::{Errand, Machine, Voice, tame};

/// For all sessions together, for whoever called waits: no program is started after that.
const LIMIT: Duration = Duration::from_secs(30);

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
    let end = machine.clock() + LIMIT;
    let mut unusable = BTreeSet::new();
    // Whose session it is has to be known.
    let known = findings.sessions.iter().filter(|one| one.uid != u32::MAX);
    let mut left = known.clone().count();
    'sessions: for session in known {
        for name in &names {
            if unusable.contains(name) {
                continue;
            }
            if machine.clock() >= end {
                break 'sessions;
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
        left -= 1;
    }
    if left > 0 {
        let sessions = if left == 1 {
            "session is"
        } else {
            "sessions are"
        };
        voice.note(&format!(
            "{left} {sessions} not told of: what is in {} takes too long",
            tame(directory.as_os_str().as_bytes())
        ));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialects::needrestart::flags::Flags;
    use crate::dialects::needrestart::names::Version;
    use crate::dialects::testing::Pretended;

    /// What is run and said where each program takes that much time.
    #[track_caller]
    fn check(sessions: &[u32], time: Duration, runs: usize, err: &str) {
        let mut machine = Pretended {
            time,
            ..Pretended::default()
        };
        let program = "/etc/needrestart/notify.d/200-write";
        machine.files.insert(program.into(), Vec::new());
        let (mut out, mut said) = (Vec::new(), Vec::new());
        let mut voice = Voice {
            name: "peer",
            out: &mut out,
            err: &mut said,
        };
        let flags = Flags::parse(&[], Version::V3_11).unwrap();
        let settings = Settings::resolve(&flags, &machine, &mut voice).unwrap();
        let sessions = sessions.iter().map(|&uid| Session {
            uid,
            user: uid.to_string(),
            name: "session #1".to_owned(),
            processes: Vec::new(),
        });
        let findings = Findings {
            sessions: sessions.collect(),
            ..Findings::default()
        };
        tell(&settings, &findings, &mut machine, &mut voice).unwrap();
        assert_eq!(machine.done.borrow().len(), runs);
        assert_eq!(String::from_utf8(said).unwrap(), err);
    }

    #[test]
    fn all_sessions_together_have_so_much_time_and_no_more() {
        let directory = "what is in /etc/needrestart/notify.d takes too long";
        check(&[1, 2], Duration::ZERO, 2, "");
        check(&[1, 2], LIMIT / 2, 2, "");
        let two = format!("peer: 2 sessions are not told of: {directory}\n");
        check(&[1, 2, 3], LIMIT, 1, &two);
        let one = format!("peer: 1 session is not told of: {directory}\n");
        check(&[1, u32::MAX, 2], LIMIT, 1, &one);
        check(&[u32::MAX], LIMIT, 0, "");
    }
}
