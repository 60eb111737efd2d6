//! checkrestart's settings (debian-goodies 0.88.2): what is in `/etc/checkrestart`, and files as for its `-b`. A line each,
//! `TYPE:EXPRESSION`; its manual says of each TYPE what the expression is searched for in.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::pattern::python;
use super::write::{Says, Value};
use super::{Draft, Place, ShippedRule};
use crate::error::Error;
use crate::model::RuleAction;

/// In the order in which it reads them.
const FILES: [&str; 4] = [
    "local-exclude.conf",
    "exclude.conf",
    "local-suggestions.conf",
    "suggestions.conf",
];

/// What it ships to leave out files that are gone and were never programs.
const OWN_FILES: [&str; 4] = [
    r"^/(dev|run|home|tmp|var)/",
    r"^/(memfd:|\[aio\]|SYSV)",
    r"^/proc/[0-9]+/fdinfo$",
    r"^/(drm|i915)",
];

/// Units that it ships as dangerous, and a unit for each.
const OWN_DANGEROUS: [(&str, &str); 6] = [
    (r"^gdm3?\.service$", "gdm3.service"),
    (r"^dbus\.service$", "dbus.service"),
    (r"^systemd-logind\.service$", "systemd-logind.service"),
    (r"^console-getty\.service$", "console-getty.service"),
    ("^gdm$", "gdm.service"),
    ("^dbus$", "dbus.service"),
];

/// Where its types begin; without one, a line is about files.
const TYPES: [&str; 9] = [
    "package",
    "program",
    "pid",
    "file",
    "unit",
    "dangerous-unit",
    "dangerous-initscript",
    "suggested-unit",
    "suggested-initscript",
];

/// Reads and translates all files.
pub(super) fn import(path: &Path, draft: &mut Draft) -> Result<(), Error> {
    let files: Vec<PathBuf> = if path.is_dir() {
        let files = FILES.map(|name| path.join(name));
        files.into_iter().filter(|file| file.exists()).collect()
    } else {
        vec![path.to_owned()]
    };
    let shipped = ShippedRule::all();
    for file in files {
        let text = draft.read(&file)?;
        let file: Rc<Path> = Rc::from(file);
        let (mut own, mut suggestions) = (0, 0);
        for (number, text) in (1..).zip(text.lines()) {
            let text = text.trim_end();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let line = Line::parse(text);
            if line.is_own(&shipped) {
                own += 1;
                continue;
            }
            if line.kind.starts_with("suggested-") {
                suggestions += 1;
                continue;
            }
            line.translate(&Place::new(&file, number), draft);
        }
        let place = Place::new(&file, 1);
        if own > 0 {
            let what = format!("{own} of the lines that are shipped need no rule here");
            draft.note(&place, &what);
        }
        if suggestions > 0 {
            let what = format!(
                "{suggestions} lines on what not to suggest are left out: units are never guessed from packages here"
            );
            draft.note(&place, &what);
        }
    }
    Ok(())
}

/// One line.
struct Line<'a> {
    kind: &'a str,
    expression: &'a str,
}

impl<'a> Line<'a> {
    fn parse(text: &'a str) -> Self {
        let typed = text.split_once(':');
        let (kind, expression) = typed
            .filter(|(kind, _)| TYPES.contains(kind))
            .unwrap_or(("file", text));
        Self { kind, expression }
    }

    /// Whether it is shipped, and something here says the same: the way in which files are judged, a shipped rule, or that
    /// units are told by control groups and never guessed from packages.
    fn is_own(&self, shipped: &[ShippedRule]) -> bool {
        match self.kind {
            "file" => OWN_FILES.contains(&self.expression),
            "dangerous-unit" | "dangerous-initscript" => {
                let own = OWN_DANGEROUS.iter();
                own.filter(|(expression, _)| *expression == self.expression)
                    .any(|(_, unit)| shipped.iter().any(|rule| rule.fits(unit)))
            }
            _ => false,
        }
    }

    fn translate(&self, place: &Place, draft: &mut Draft) {
        match self.kind {
            "pid" => draft.untranslated(place, "pid: a number says nothing of the next run"),
            "package" if self.expression.contains("Unpackaged") => draft.untranslated(
                place,
                "package: there is no rule for files that belong to no package",
            ),
            _ => self.translate_rule(place, draft),
        }
    }

    fn translate_rule(&self, place: &Place, draft: &mut Draft) {
        let (selector, action) = match self.kind {
            "package" => ("packages", RuleAction::Hide),
            "unit" => ("cgroups", RuleAction::Hide),
            "dangerous-unit" | "dangerous-initscript" => ("units", RuleAction::Defer),
            _ => ("paths", RuleAction::Hide),
        };
        let text = if self.kind == "unit" {
            of_cgroup(self.expression)
        } else {
            python::translate(self.expression).map_err(|why| why.to_string())
        };
        let text = match text {
            Ok(text) => text,
            Err(why) => {
                draft.untranslated(place, &format!("{}: {why}", self.kind));
                return;
            }
        };
        if self.kind == "program" {
            draft.note(
                place,
                "program: it hides the files that it names; a process that uses another old file is still shown",
            );
        }
        let says = Says::Own {
            selector,
            action,
            reason: match action {
                RuleAction::Defer => "checkrestart's configuration asks for caution".to_owned(),
                _ => format!("`{}` of checkrestart's configuration", self.kind),
            },
            level: None,
        };
        let base = format!("checkrestart-{}-{selector}", action.word());
        let origin = place.to_string();
        draft.document.add(&base, says, Value { text, origin });
    }
}

/// An expression for a line of /proc/PID/cgroup, as one for the path in it: `0::/system.slice/x.service`.
fn of_cgroup(expression: &str) -> Result<String, String> {
    let translate = |text: &str| python::translate(text).map_err(|why| why.to_string());
    match expression.strip_prefix('^') {
        None => translate(expression),
        Some(tied) => match tied.strip_prefix("0::") {
            Some(path) => translate(&format!("^{path}")),
            None => Err("it does not begin as lines of control groups do, with `0::`".to_owned()),
        },
    }
}
