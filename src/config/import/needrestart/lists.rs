//! The lists of what is ignored → rules that hide.

use super::defaults::PATHS;
use super::state::{Entry, LISTS, State};
use crate::config::import::perl::Scalar;
use crate::config::import::write::{Says, Value};
use crate::config::import::{Draft, Place, pattern};
use crate::model::{Pattern, RuleAction};

/// What the text of a map has behind the path of a file that is gone, as it is written in expressions.
const GONE: [&str; 3] = [r"( \(deleted\))?", r"(?: \(deleted\))?", r" \(deleted\)"];

/// Translates all of them; with `stands_in`, also needrestart's own rows about programs.
pub(super) fn translate(state: &State, stands_in: bool, draft: &mut Draft) {
    for key in LISTS {
        let entries = state.lists.get(key).into_iter().flatten();
        let (own, others): (Vec<_>, Vec<_>) = entries.partition(|entry| {
            is_own(entry)
                && match key {
                    "blacklist" => !stands_in,
                    "blacklist_interp" | "blacklist_mappings" => true,
                    _ => false,
                }
        });
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
        if let (Some(place), "blacklist_interp") = (first, key) {
            draft.note(
                place,
                &format!(
                    "{key}: it hides the files that it names; a process that uses another old file is still shown"
                ),
            );
        }
    }
}

fn is_own(entry: &Entry) -> bool {
    match &entry.scalar {
        Scalar::Regex { body, flags } => flags.is_empty() && PATHS.contains(&body.as_str()),
        _ => false,
    }
}

fn translate_entry(key: &str, entry: &Entry, draft: &mut Draft) {
    let Some(place) = &entry.place else { return };
    let selector = match key {
        "blacklist_rc" => "units",
        "blacklist_cont" => "containers",
        "blacklist" => "programs",
        _ => "paths",
    };
    match expression(key, &entry.scalar) {
        Ok(text) => {
            let base = format!("needrestart-hide-{selector}");
            for text in with_managers(selector, text) {
                let says = Says::Own {
                    selector,
                    action: RuleAction::Hide,
                    reason: format!("{key} of needrestart's configuration"),
                    level: None,
                };
                let origin = entry.origin();
                draft.document.add(&base, says, Value { text, origin });
            }
        }
        Err(why) => untranslated(key, place, &why, draft),
    }
}

/// What needrestart calls managers, as if they were services. Here, no other word means them.
const MANAGERS: [&str; 3] = ["systemd-manager", "systemd-user", "sysv-init"];

/// A pattern for names of services, and the managers that it means there.
pub(super) fn with_managers(selector: &str, text: String) -> Vec<String> {
    let pattern = Pattern::parse(&text).ok().filter(|_| selector == "units");
    let meant = |name: &&str| {
        let pattern = pattern.as_ref();
        pattern.is_some_and(|pattern| pattern.matches(name.as_bytes())) && **name != text
    };
    let managers: Vec<String> = MANAGERS
        .into_iter()
        .filter(meant)
        .map(str::to_owned)
        .collect();
    std::iter::once(text).chain(managers).collect()
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
