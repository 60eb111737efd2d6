//! What a tool answered: its output, or in words why there is none.

use std::time::Duration;

use crate::act::spawn::{Ended, How, Order, SpawnError, run};
use crate::model::Escaped;

/// Messages say in few lines what is wrong; the rest is for people who look further.
const LINES_CAP: usize = 5;
const LINE_CAP: usize = 300;

/// Runs a tool that must succeed, and takes its output.
pub(super) fn output_of(order: Order<'_>) -> Result<Vec<u8>, String> {
    let limit = order.limit;
    let ended = run(order);
    match ended {
        Ok(ended) if ended.is_success() && !ended.cut => Ok(ended.stdout),
        Ok(ended) if ended.is_success() => Err("it said more than is read".to_owned()),
        other => Err(trouble(other, limit)),
    }
}

/// The same with what it says of no use, and not missed.
pub(super) fn success_of(order: Order<'_>) -> Result<(), String> {
    let limit = order.limit;
    match run(order) {
        Ok(ended) if ended.is_success() => Ok(()),
        other => Err(trouble(other, limit)),
    }
}

fn trouble(ended: Result<Ended, SpawnError>, limit: Duration) -> String {
    let ended = match ended {
        Ok(ended) => ended,
        Err(error) => return error.to_string(),
    };
    let how = match ended.how {
        How::TimedOut => format!("it did not end within {} s", limit.as_secs()),
        how => how.to_string(),
    };
    // Init scripts talk on either.
    let said = match first_lines(&ended.stderr) {
        said if said.is_empty() => first_lines(&ended.stdout),
        said => said,
    };
    match said.is_empty() {
        true => how,
        false => format!("{said} ({how})"),
    }
}

/// The first lines in one, nothing in them that moves a cursor.
fn first_lines(text: &[u8]) -> String {
    let lines: Vec<String> = lines(text).take(LINES_CAP).collect();
    lines.join("; ")
}

/// Lines that are not empty, escaped, each of bounded length.
pub(super) fn lines(text: &[u8]) -> impl DoubleEndedIterator<Item = String> + '_ {
    let lines = text
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii_end);
    lines.filter(|line| !line.is_empty()).map(|line| {
        let cut = &line[..line.len().min(LINE_CAP)];
        let more = if cut.len() < line.len() { "…" } else { "" };
        format!("{}{more}", Escaped(cut))
    })
}
