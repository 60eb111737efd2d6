//! The lists of what is ignored → rules that hide.

use super::defaults::PATHS;
use super::overrides;
use super::state::{Entry, LISTS, State};
use crate::config::import::perl::Scalar;
use crate::config::import::write::{Says, Value};
use crate::config::import::{Draft, Place, pattern};
use crate::model::RuleAction;

/// What the text of a map has behind the path of a file that is gone, as it is written in expressions.
const GONE: [&str; 3] = [r"( \(deleted\))?", r"(?: \(deleted\))?", r" \(deleted\)"];

/// Translates all of them.
pub(super) fn translate(state: &State, draft: &mut Draft) {
    for key in LISTS {
        let entries = state.lists.get(key).into_iter().flatten();
        let (own, others): (Vec<_>, Vec<_>) = entries.partition(|entry| is_own(key, entry));
        if let Some(place) = own.first().and_then(|entry| entry.place.as_ref()) {
            draft.note(
                place,
                &format!(
                    "{key}: {} of needrestart's own rows need no rule: what is stale is told by the object that is mapped",
                    own.len()
                ),
            );
        }
        for entry in &others {
            translate_entry(key, entry, draft);
        }
        let first = others.first().and_then(|entry| entry.place.as_ref());
        if let (Some(place), "blacklist" | "blacklist_interp") = (first, key) {
            draft.note(
                place,
                &format!(
                    "{key}: it hides the files that it names; a process that uses another old file is still shown"
                ),
            );
        }
    }
}

/// Programs whose processes are to be left alone. Their files are hidden, and other old files of theirs are not: whoever
/// restarts by these rules has to know.
pub(super) fn name_left_alone(state: &State, draft: &mut Draft) {
    let entries = state.lists.get("blacklist").into_iter().flatten();
    let others = entries.filter(|entry| !is_own("blacklist", entry));
    for place in others.filter_map(|entry| entry.place.as_ref()) {
        untranslated(
            "blacklist",
            place,
            "processes are not left alone by their program, only its file is",
            draft,
        );
    }
}

fn is_own(key: &str, entry: &Entry) -> bool {
    let of_paths = matches!(key, "blacklist" | "blacklist_interp" | "blacklist_mappings");
    match &entry.scalar {
        Scalar::Regex { body, flags } => {
            of_paths && flags.is_empty() && PATHS.contains(&body.as_str())
        }
        _ => false,
    }
}

fn translate_entry(key: &str, entry: &Entry, draft: &mut Draft) {
    let Some(place) = &entry.place else { return };
    let selector = match key {
        "blacklist_rc" => "units",
        "blacklist_cont" => "containers",
        _ => "paths",
    };
    if selector == "units"
        && let Some(class) = overrides::class_of(&entry.scalar)
    {
        overrides::cap_class(class, false, place, draft);
        return;
    }
    match expression(key, &entry.scalar) {
        Ok(text) => {
            let says = Says::Own {
                selector,
                action: RuleAction::Hide,
                reason: format!("{key} of needrestart's configuration"),
                level: None,
            };
            let origin = entry.origin();
            let base = format!("needrestart-hide-{selector}");
            draft.document.add(&base, says, Value { text, origin });
        }
        Err(why) => untranslated(key, place, &why, draft),
    }
}

/// Says why an expression is none of ours.
pub(super) fn untranslated(key: &str, place: &Place, why: &str, draft: &mut Draft) {
    draft.untranslated(place, &format!("{key}: {why}"));
}

/// An expression, as one of ours.
pub(super) fn expression(key: &str, scalar: &Scalar) -> Result<String, String> {
    let (body, flags) = match scalar {
        Scalar::Regex { body, flags } => (body.as_str(), flags.as_str()),
        Scalar::Text(body) => (body.as_str(), ""),
        Scalar::Undefined | Scalar::Integer(_) => return Err("it is no expression".to_owned()),
    };
    match key {
        "blacklist_mappings" => pattern::translate(&without_mark(body)?, flags),
        "blacklist_cont" | "override_cont" => pattern::translate(&without_module(body), flags),
        _ => pattern::translate(body, flags),
    }
}

/// The path alone. An expression for maps has to reckon with the mark of files that are gone; a path here has none.
fn without_mark(body: &str) -> Result<String, String> {
    let without = GONE
        .iter()
        .fold(body.to_owned(), |body, mark| body.replace(mark, ""));
    if without.contains("deleted") {
        return Err("it asks for the mark ` (deleted)`, which paths do not have here".to_owned());
    }
    Ok(without)
}

/// The name alone: there, `LXC web1` and `machined web1` are names of containers.
fn without_module(body: &str) -> String {
    let modules = [
        "LXC ",
        "LXD ",
        "Incus ",
        "machined ",
        r"LXC\s",
        r"machined\s",
        r"LXC\ ",
        r"machined\ ",
    ];
    for module in modules {
        let rest = body
            .strip_prefix('^')
            .and_then(|body| body.strip_prefix(module));
        if let Some(rest) = rest {
            return format!("^{}", rest.trim_start_matches('+'));
        }
    }
    body.to_owned()
}
