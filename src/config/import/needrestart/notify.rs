//! `notify.conf`: which of needrestart's ways of telling sessions are used. Assignments of the shell, of which only plain
//! ones are understood.

use std::path::Path;
use std::rc::Rc;

use crate::config::import::{Draft, Place};
use crate::error::Error;

/// Reads and translates it.
pub(super) fn import(path: &Path, draft: &mut Draft) -> Result<(), Error> {
    let text = draft.read(path)?;
    let file: Rc<Path> = Rc::from(path);
    let mut mail = true;
    for (line, text) in (1..).zip(text.lines()) {
        let place = Place::new(&file, line);
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let Some((name, value)) = plain_assignment(text) else {
            draft.untranslated(&place, "it is not a plain assignment");
            continue;
        };
        let is_off = value == "1";
        match name {
            "NR_NOTIFYD_DISABLE_MAIL" => mail = !is_off,
            "NR_NOTIFYD_DISABLE_WRITE" if is_off => off("terminal", &place, draft),
            "NR_NOTIFYD_DISABLE_NOTIFY_SEND" if is_off => off("desktop", &place, draft),
            "NR_NOTIFYD_DISABLE_WRITE" | "NR_NOTIFYD_DISABLE_NOTIFY_SEND" => {}
            "NR_NOTIFYD_DISABLE_NEEDRESTART_SESSION" | "GETTEXTLIB" => {
                draft.note(&place, &format!("{name}: there is nothing like it here"));
            }
            _ => draft.untranslated(&place, &format!("{name}: needrestart has no such setting")),
        }
    }
    if mail {
        let place = Place::new(&file, 1);
        draft
            .document
            .set("notify", "mail", "true".to_owned(), &place);
    }
    Ok(())
}

fn off(key: &'static str, place: &Place, draft: &mut Draft) {
    draft.document.set("notify", key, "false".to_owned(), place);
}

/// `NAME=value`, `NAME='value'`, `NAME="value"`, with nothing in the value that a shell would replace.
fn plain_assignment(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.split_once('=')?;
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let quote = rest.chars().next().filter(|c| "'\"".contains(*c));
    let (value, rest) = match quote {
        Some(quote) => rest[1..].split_once(quote)?,
        None => rest.split_at(
            rest.find(|c: char| c.is_whitespace() || c == ';')
                .unwrap_or(rest.len()),
        ),
    };
    let rest = rest.trim_start().trim_start_matches(';').trim_start();
    let plain = !value.contains(['$', '`', '\\', '\'', '"', '&', '|', '(', '<', '>']);
    (is_name && !name.is_empty() && plain && (rest.is_empty() || rest.starts_with('#')))
        .then_some((name, value))
}
