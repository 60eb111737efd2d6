//! tracer's settings: `applications.xml`, which says how a program is renewed, and `rules.xml`, which says whether a process
//! stands for its parent. tracer(8), "User-defined applications"; later definitions of a name add to earlier ones, and what
//! a group says goes before what is said in it.
//!
//! It names programs, and services without `.service`; a rule here is about the service of that name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use roxmltree::{Document, Node, ParsingOptions};

use super::write::{Says, Value};
use super::{Draft, Place, ShippedRule};
use crate::error::Error;
use crate::model::{Level, RuleAction};

const FILES: [&str; 2] = ["applications.xml", "rules.xml"];
/// Elements, texts and comments of a file.
const NODES_CAP: u32 = 200_000;
/// How deep elements may stand in each other; three are in use.
const DEPTH_CAP: usize = 16;
/// What a reason may have.
const REASON_CAP: usize = 500;
/// Names that stand for others that stand for others.
const ALIASES_CAP: usize = 16;

/// What is said of an application.
#[derive(Debug, Clone)]
struct Application {
    place: Place,
    attributes: BTreeMap<String, String>,
}

/// Reads and translates both files.
pub(super) fn import(path: &Path, draft: &mut Draft) -> Result<(), Error> {
    let files: Vec<PathBuf> = if path.is_dir() {
        let files = FILES.map(|name| path.join(name));
        files.into_iter().filter(|file| file.exists()).collect()
    } else {
        vec![path.to_owned()]
    };
    let mut applications = BTreeMap::new();
    for path in files {
        let text = draft.read(&path)?;
        let file: Rc<Path> = Rc::from(path.as_path());
        parse(&text, &file, &mut applications, draft);
    }
    let shipped = ShippedRule::all();
    for (name, application) in &applications {
        match with_alias(application, &applications) {
            Some(meant) => translate(name, &application.place, meant, &shipped, draft),
            None => draft.untranslated(
                &application.place,
                &format!("{name}: it is renamed in a circle"),
            ),
        }
    }
    Ok(())
}

/// Takes a file apart.
fn parse(
    text: &str,
    file: &Rc<Path>,
    applications: &mut BTreeMap<String, Application>,
    draft: &mut Draft,
) {
    let refuse = |line: usize, why: &str, draft: &mut Draft| {
        draft.untranslated(&Place::new(file, line), why);
    };
    if let Some(line) = too_deep(text) {
        refuse(line, "elements stand in each other too deep", draft);
        return;
    }
    let options = ParsingOptions {
        // Entities are defined in one: nothing in these files needs any.
        allow_dtd: false,
        nodes_limit: NODES_CAP,
        ..ParsingOptions::default()
    };
    let document = match Document::parse_with_options(text, options) {
        Ok(document) => document,
        Err(error) => {
            let line = usize::try_from(error.pos().row).unwrap_or(1);
            refuse(line, &format!("it is no XML: {error}"), draft);
            return;
        }
    };
    let root = document.root_element();
    let mut reader = Reader {
        file,
        lines: Lines::of(text),
        applications,
        draft,
    };
    match root.tag_name().name() {
        "applications" => reader.applications(root),
        "rules" => reader.rules(root),
        _ => reader.refuse(root, "the root is neither <applications> nor <rules>"),
    }
}

/// The line where more elements are open than there may be: a parser that calls itself for each would run out of stack.
/// What is in comments and texts counts as well, as long as it looks like elements.
fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            let end = comment.find("-->").map_or(comment.len(), |end| end + 3);
            rest = &comment[end..];
            continue;
        }
        let is_end = rest.starts_with("</");
        let is_element = rest[1..].starts_with(|c: char| c.is_alphabetic() || c == '_');
        let end = tag_end(rest);
        let closes_itself = rest[..end].ends_with("/>");
        if is_end {
            depth = depth.saturating_sub(1);
        } else if is_element && !closes_itself {
            depth += 1;
        }
        if depth > DEPTH_CAP {
            let before = text.len() - rest.len();
            return Some(text[..before].matches('\n').count() + 1);
        }
        rest = &rest[end..];
    }
    None
}

/// Where a tag ends: behind its `>`, for which quotes hide others.
fn tag_end(tag: &str) -> usize {
    let mut quote = None;
    for (at, byte) in tag.bytes().enumerate() {
        match (byte, quote) {
            (b'"' | b'\'', None) => quote = Some(byte),
            (byte, Some(open)) if byte == open => quote = None,
            (b'>', None) => return at + 1,
            _ => {}
        }
    }
    tag.len()
}

/// Where lines begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|end| *end < offset) + 1
    }
}

struct Reader<'a> {
    file: &'a Rc<Path>,
    lines: Lines,
    applications: &'a mut BTreeMap<String, Application>,
    draft: &'a mut Draft,
}

impl Reader<'_> {
    fn place(&self, node: Node<'_, '_>) -> Place {
        Place::new(self.file, self.lines.at(node.range().start))
    }

    fn refuse(&mut self, node: Node<'_, '_>, why: &str) {
        let place = self.place(node);
        self.draft.untranslated(&place, why);
    }

    fn applications(&mut self, root: Node<'_, '_>) {
        for child in root.children().filter(Node::is_element) {
            match child.tag_name().name() {
                "app" => self.application(child, &BTreeMap::new()),
                "group" => {
                    let of_group = attributes(child);
                    for app in child.children().filter(Node::is_element) {
                        match app.tag_name().name() {
                            "app" => self.application(app, &of_group),
                            _ => self.unknown(app),
                        }
                    }
                }
                _ => self.unknown(child),
            }
        }
    }

    fn unknown(&mut self, node: Node<'_, '_>) {
        let why = format!("<{}> is not known here", node.tag_name().name());
        self.refuse(node, &why);
    }

    fn application(&mut self, node: Node<'_, '_>, of_group: &BTreeMap<String, String>) {
        let mut attributes = attributes(node);
        attributes.extend(of_group.clone());
        let known = ["name", "type", "helper", "rename", "ignore", "note"];
        let unknown = attributes.keys().find(|key| !known.contains(&key.as_str()));
        if let Some(unknown) = unknown {
            let why = format!("the attribute `{unknown}` is not known");
            self.refuse(node, &why);
            return;
        }
        let Some(name) = attributes.remove("name").filter(|name| !name.is_empty()) else {
            self.refuse(node, "it has no name");
            return;
        };
        let place = self.place(node);
        let application = self
            .applications
            .entry(name)
            .or_insert_with(|| Application {
                place: place.clone(),
                attributes: BTreeMap::new(),
            });
        application.place = place;
        application.attributes.extend(attributes);
    }

    fn rules(&mut self, root: Node<'_, '_>) {
        let mut count = 0;
        for child in root.children().filter(Node::is_element) {
            let action = child.attribute("action").unwrap_or("call-parent");
            if child.tag_name().name() != "rule" {
                self.unknown(child);
            } else if !matches!(action, "call-parent" | "return") {
                self.refuse(child, "its action is neither `call-parent` nor `return`");
            } else {
                count += 1;
            }
        }
        if count > 0 {
            let place = self.place(root);
            self.draft.note(
                &place,
                &format!("{count} rules are left out: whose a process is, is told by its control group here, and not by its parent"),
            );
        }
    }
}

fn attributes(node: Node<'_, '_>) -> BTreeMap<String, String> {
    let pairs = node.attributes();
    pairs
        .map(|pair| (pair.name().to_owned(), pair.value().to_owned()))
        .collect()
}

/// What a name stands for: `rename` makes another application of it, with all that is said of that.
fn with_alias<'a>(
    application: &'a Application,
    all: &'a BTreeMap<String, Application>,
) -> Option<&'a Application> {
    let mut meant = application;
    for _ in 0..ALIASES_CAP {
        let Some(name) = meant.attributes.get("rename") else {
            return Some(meant);
        };
        match all.get(name) {
            Some(next) => meant = next,
            None => return Some(meant),
        }
    }
    None
}

fn translate(
    name: &str,
    place: &Place,
    meant: &Application,
    shipped: &[ShippedRule],
    draft: &mut Draft,
) {
    let of = |key: &str| meant.attributes.get(key).map(|value| value.trim());
    let kind = of("type").unwrap_or("application");
    let helper = of("helper").filter(|helper| !helper.is_empty());
    let is_ignored = of("ignore").is_some_and(|value| !value.is_empty());
    let helper = helper.filter(|helper| !is_plain_restart(helper, name));
    let unit = format!("{name}.service");
    let rule = shipped.iter().find(|rule| rule.fits(&unit));
    if let Some(rule) = rule.filter(|_| helper.is_none() && !is_ignored) {
        draft.note(
            place,
            &format!("{name}: the rule `{}` speaks of it", rule.name),
        );
        return;
    }
    let (action, level, why) = match (kind, helper) {
        _ if is_ignored => (RuleAction::Hide, None, "it is ignored".to_owned()),
        ("ignore" | "erase" | "erased", _) => (RuleAction::Hide, None, "it is ignored".to_owned()),
        ("static", _) => {
            let why = "only a reboot renews it".to_owned();
            (RuleAction::Defer, Some(Level::Reboot), why)
        }
        ("session", _) => {
            let why = "only a new session renews it".to_owned();
            (RuleAction::Defer, Some(Level::Session), why)
        }
        ("daemon" | "application", Some(helper)) => (
            RuleAction::Defer,
            None,
            format!("it is renewed with: {helper}"),
        ),
        ("daemon" | "application", None) => {
            draft.note(
                place,
                &format!("{name}: it is restarted as any other service"),
            );
            return;
        }
        _ => {
            draft.untranslated(place, &format!("{name}: the type `{kind}` is not known"));
            return;
        }
    };
    if name.contains(['*', '?', '\\', '/'])
        || name.contains(char::is_whitespace)
        || name.len() > 200
    {
        draft.untranslated(place, &format!("{name}: no service has such a name"));
        return;
    }
    let why = match (helper, of("note").filter(|note| !note.is_empty())) {
        (Some(helper), _) if level.is_some() => format!("{why}; tracer's helper is: {helper}"),
        (_, Some(note)) => format!("{why}; {note}"),
        _ => why,
    };
    let says = Says::Own {
        selector: "units",
        action,
        reason: one_line(&why),
        level,
    };
    let base = format!("tracer-{}", level.map_or(action.word(), Level::word));
    let origin = place.to_string();
    draft
        .document
        .add(&base, says, Value { text: unit, origin });
}

/// Whether a helper does what is done here anyway.
fn is_plain_restart(helper: &str, name: &str) -> bool {
    let helper = helper.trim_start_matches("sudo ").replace("{NAME}", name);
    let name = name.trim_end_matches(".service");
    [
        format!("systemctl restart {name}"),
        format!("systemctl restart {name}.service"),
        format!("service {name} restart"),
    ]
    .contains(&helper)
}

/// A reason is one line, and not a long one.
fn one_line(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let end = line
        .char_indices()
        .map(|(at, c)| at + c.len_utf8())
        .take_while(|end| *end <= REASON_CAP)
        .last();
    line[..end.unwrap_or(0)].to_owned()
}
