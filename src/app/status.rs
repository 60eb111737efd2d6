//! `status`: what the last look found, for everybody and at once. It looks at nothing itself.

use std::path::Path;

use super::exit::{self, Exit};
use super::{print, state};
use crate::act::stamps::{self, Stamp};
use crate::cli::StatusFlags;
use crate::error::Error;
use crate::model::State;
use crate::report::{self, status::Status};

const ROOT: &str = "/";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Whose word counts: nobody's but root's.
const WRITER: u32 = 0;

/// Says it.
pub(super) fn run(flags: &StatusFlags) -> Result<Exit, Error> {
    let root = Path::new(ROOT);
    let boot_id = std::fs::read_to_string(BOOT_ID).unwrap_or_default();
    let (state, mut why_not) = judge(state::read(root, WRITER), boot_id.trim_end());
    let pending = stamps::see(root, Stamp::Pending).map(|seen| seen.is_some());
    // A stamp that cannot be read may be one.
    let pending = pending.unwrap_or(true);
    if pending {
        why_not.get_or_insert_with(|| "packages changed since the last look".to_owned());
    }
    let suspended_by = stamps::suspended_by(root);
    let status = Status {
        state: state.as_ref(),
        why_not: why_not.as_deref(),
        pending,
        suspended_by: suspended_by.as_deref(),
        uptime_secs: state::Moment::now().uptime_secs,
    };
    print(flags.color, flags.json, |out| match flags.json {
        true => report::json::state::print(out, &status),
        false => report::status::print(out, &status),
    })?;
    Ok(exit::of_status(&status, flags.exit_code))
}

/// What of a state is to be shown, and why it is not all.
fn judge(read: Result<Option<State>, String>, boot_id: &str) -> (Option<State>, Option<String>) {
    match read {
        Ok(Some(state)) if state.boot_id == boot_id && !boot_id.is_empty() => (Some(state), None),
        Ok(Some(_)) => (None, Some("the last look was before the boot".to_owned())),
        Ok(None) => (
            None,
            Some("nobody looked since the boot; unstale check does".to_owned()),
        ),
        Err(error) => (
            None,
            Some(format!("the last state cannot be used: {error}")),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Level, Timestamp};

    fn state() -> State {
        State {
            version: String::new(),
            time: Timestamp { secs: 0, nanos: 0 },
            uptime_secs: 0,
            boot_id: "now".to_owned(),
            problems: 0,
            hidden: 0,
            level: Some(Level::None),
            causes: Vec::new(),
            items: Vec::new(),
            run: None,
        }
    }

    #[test]
    fn what_is_not_of_this_boot_is_not_known() {
        #[track_caller]
        fn check(read: Result<Option<State>, String>, boot_id: &str, known: bool, why: &str) {
            let (state, why_not) = judge(read, boot_id);
            assert_eq!(state.is_some(), known);
            assert_eq!(why_not.is_none(), known);
            assert!(why_not.unwrap_or_default().contains(why));
        }
        check(Ok(Some(state())), "now", true, "");
        check(Ok(Some(state())), "then", false, "before the boot");
        // Where nobody can tell which boot this is, no state is of it.
        let nowhere = State {
            boot_id: String::new(),
            ..state()
        };
        check(Ok(Some(nowhere)), "", false, "before the boot");
        check(Ok(None), "now", false, "nobody looked");
        check(Err("not trusted".to_owned()), "now", false, "not trusted");
    }
}
