//! What there is of plugins, and what one said when it was tried: text, and JSON of
//! `dist/usr/share/unstale/plugins-schema-1.json`.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::json::{how, put, role, write_tame};
use crate::model::{Bytes, Escaped, How, Role};

/// One file that is a plugin, or should be one; or a directory that was not looked into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Where it is.
    pub path: Bytes,
    /// `library` or `executable`, if it was looked at.
    pub form: Option<&'static str>,
    /// What it says of itself, if that was read.
    pub about: Option<About>,
    /// What becomes of it.
    pub state: State,
    /// Why it is not used.
    pub why: Option<String>,
    /// The line of its manifest that is wrong, with marks.
    pub marked: Vec<String>,
}

/// What becomes of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is used where it is needed.
    Ready,
    /// The configuration says that it is not used.
    Disabled,
    /// A link to /dev/null hides it.
    Masked,
    /// A file of the same name counts more.
    Replaced,
    /// A plugin of the same name counts more.
    Outranked,
    /// Others could have written it.
    Untrusted,
    /// It cannot be used for another reason.
    Rejected,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Disabled => "disabled",
            Self::Masked => "masked",
            Self::Replaced => "replaced",
            Self::Outranked => "outranked",
            Self::Untrusted => "untrusted",
            Self::Rejected => "rejected",
        }
    }

    /// Whether a check is incomplete because of it.
    #[must_use]
    pub fn is_trouble(self) -> bool {
        matches!(self, Self::Untrusted | Self::Rejected)
    }
}

/// What a manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are those of the manifest")]
pub struct About {
    pub name: String,
    pub version: String,
    pub abi: String,
    pub kind: &'static str,
    pub summary: String,
    /// Lists of `[interest]` by their keys, all of them.
    pub interest: Vec<(&'static str, Vec<String>)>,
    pub environ: Vec<String>,
    pub files: bool,
    pub memory: bool,
    pub host_files: Vec<String>,
    /// Ways to restart an instance.
    pub restart: Vec<String>,
}

/// Prints a list as text.
///
/// # Errors
/// What the writer says.
pub fn text(out: &mut dyn Write, all: &[Listed]) -> io::Result<()> {
    if all.is_empty() {
        return writeln!(out, "no plugins");
    }
    all.iter().try_for_each(|one| text_of(out, one))
}

/// Prints one plugin as text.
///
/// # Errors
/// What the writer says.
pub fn text_of(out: &mut dyn Write, one: &Listed) -> io::Result<()> {
    let path = one.path.escaped();
    match &one.about {
        Some(about) => writeln!(
            out,
            "{} {} ({}, ABI {}): {}",
            about.name,
            about.version,
            about.kind,
            about.abi,
            one.state.word()
        )?,
        None => writeln!(out, "{path}: {}", one.state.word())?,
    }
    if let Some(why) = &one.why {
        writeln!(out, "  {}", Escaped(why.as_bytes()))?;
    }
    for line in &one.marked {
        writeln!(out, "  {line}")?;
    }
    let Some(about) = &one.about else {
        return Ok(());
    };
    writeln!(out, "  {path}")?;
    writeln!(out, "  {}", Escaped(about.summary.as_bytes()))?;
    let list = |words: &[String]| Escaped(words.join(" ").as_bytes()).to_string();
    for (key, words) in about.interest.iter().filter(|(_, words)| !words.is_empty()) {
        writeln!(out, "  interest: {key} {}", list(words))?;
    }
    for (key, words) in [
        ("environ", &about.environ),
        ("host_files", &about.host_files),
    ] {
        if !words.is_empty() {
            writeln!(out, "  wants: {key} {}", list(words))?;
        }
    }
    for (key, wanted) in [("files", about.files), ("memory", about.memory)] {
        if wanted {
            writeln!(out, "  wants: {key}")?;
        }
    }
    Ok(())
}

/// Prints a list as one JSON document and a newline.
///
/// # Errors
/// What the writer says.
pub fn json(
    out: &mut dyn Write,
    abi: &str,
    directories: &[Bytes],
    all: &[Listed],
) -> io::Result<()> {
    let directory = |path: &Bytes| {
        let mut value = Map::new();
        put(&mut value, "path", path);
        Value::Object(value)
    };
    let document = json!({
        "schema": 1,
        "version": env!("CARGO_PKG_VERSION"),
        "abi": abi,
        "complete": !all.iter().any(|one| one.state.is_trouble()),
        "directories": directories.iter().map(directory).collect::<Vec<_>>(),
        "plugins": all.iter().map(json_of).collect::<Vec<_>>(),
    });
    write_tame(out, &document)?;
    writeln!(out)
}

fn json_of(one: &Listed) -> Value {
    let mut value = Map::new();
    put(&mut value, "path", &one.path);
    value.insert("form".into(), json!(one.form));
    value.insert("state".into(), json!(one.state.word()));
    value.insert("why".into(), json!(one.why));
    let manifest = one.about.as_ref().map(|about| {
        let interest = about.interest.iter();
        let interest: Map<String, Value> = interest
            .map(|(key, words)| ((*key).to_owned(), json!(words)))
            .collect();
        json!({
            "name": about.name,
            "version": about.version,
            "abi": about.abi,
            "kind": about.kind,
            "summary": about.summary,
            "interest": interest,
            "wants": {
                "environ": about.environ,
                "files": about.files,
                "memory": about.memory,
                "host_files": about.host_files,
            },
            "restart": about.restart,
        })
    });
    value.insert("manifest".into(), json!(manifest));
    Value::Object(value)
}

/// What a plugin said of one process when it was tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tried {
    /// Which process.
    pub pid: u32,
    /// Its program.
    pub exe: Bytes,
    /// What it uses.
    pub uses: Vec<(Bytes, Role, How)>,
    /// What it belongs to.
    pub instance: Option<Bytes>,
    /// The command that restarts that, or why there is none.
    pub restart: Option<String>,
    /// What the plugin noted.
    pub notes: Vec<String>,
    /// What it could not look at.
    pub unknown: Vec<String>,
    /// Files that it was not shown: which, and why.
    pub refused: Vec<(Bytes, String)>,
    /// Why its word does not count.
    pub failed: Option<String>,
}

impl Tried {
    /// Whether all went well.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.failed.is_none() && self.unknown.is_empty()
    }
}

/// Prints what a plugin said of a process.
///
/// # Errors
/// What the writer says.
pub fn tried(out: &mut dyn Write, one: &Tried) -> io::Result<()> {
    writeln!(out, "process {} ({})", one.pid, one.exe.escaped())?;
    let text = |text: &str| Escaped(text.as_bytes()).to_string();
    if let Some(why) = &one.failed {
        writeln!(out, "  failed: {}", text(why))?;
    }
    if let Some(name) = &one.instance {
        writeln!(out, "  instance: {}", name.escaped())?;
    }
    if let Some(restart) = &one.restart {
        writeln!(out, "  restart: {}", text(restart))?;
    }
    for (path, as_what, known) in &one.uses {
        let words = (role(*as_what), how(*known));
        writeln!(out, "  uses {} ({}, {})", path.escaped(), words.0, words.1)?;
    }
    for note in &one.notes {
        writeln!(out, "  note: {}", text(note))?;
    }
    for unknown in &one.unknown {
        writeln!(out, "  unknown: {}", text(unknown))?;
    }
    for (path, why) in &one.refused {
        writeln!(out, "  not shown: {}: {}", path.escaped(), text(why))?;
    }
    let said = one.uses.len() + one.notes.len() + one.unknown.len();
    if said == 0 && one.instance.is_none() && one.failed.is_none() {
        writeln!(out, "  nothing to say")?;
    }
    Ok(())
}
