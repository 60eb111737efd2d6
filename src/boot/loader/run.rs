//! What `grub.cfg` does, as far as files tell: the menu that it makes, and the kernel that an entry loads.
//!
//! Every value may be unknown, and so may every condition. Where a condition is, both of its sides are gone through and
//! whatever either changes is unknown, or uncertain, from there on. A command that is not known stops all of it.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::bls::Snippet;
use super::commands::{FEATURES, INERT, OTHERS, SETTERS, UNKNOWN_VARIABLES};
use super::condition;
use super::grubenv::parse_grubenv;
use super::script::{Block, Part, Statement, Word, parse_script};
use super::version::{compare, compare_packages};

/// Statements that are carried out: a file of 200 kernels takes a few thousand.
const STEPS: usize = 200_000;
/// Functions inside functions, and files inside files.
const DEPTH: usize = 8;
/// Entries of a menu.
const ITEMS: usize = 10_000;

/// Known or not.
pub(super) type Value = Option<Vec<u8>>;

/// A file beside `grub.cfg`.
#[derive(Debug, Clone)]
pub(super) enum Sibling {
    Absent,
    Holds(Vec<u8>),
    Unknown,
}

/// What there is beside the script.
pub(super) struct Surroundings<'a> {
    /// Files in the directory of `grub.cfg`, by name.
    pub(super) sibling: &'a dyn Fn(&[u8]) -> Sibling,
    /// Entries of the Boot Loader Specification; or why they are not known.
    pub(super) snippets: Result<Vec<Snippet>, String>,
}

/// Why there is no telling.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The script goes on in another file: it is but a pointer to that.
    Elsewhere,
    NotUnderstood(String),
}

/// An entry of a menu.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) id: Vec<u8>,
    pub(super) title: Vec<u8>,
    pub(super) body: Body,
    /// Whether it is there depends on what no file tells.
    pub(super) uncertain: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Body {
    Submenu(Block),
    Commands(Block),
    Snippet(Rc<Snippet>),
}

/// What an entry loads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Loads {
    /// A kernel, as the script names it.
    Kernel(Vec<u8>),
    /// Something else: another loader, the firmware's settings.
    Other(Vec<u8>),
}

/// The state of a script.
pub(super) struct Run<'a> {
    around: &'a Surroundings<'a>,
    variables: BTreeMap<Vec<u8>, Value>,
    functions: BTreeMap<Vec<u8>, Option<Block>>,
    pub(super) menu: Vec<Item>,
    /// `$?`.
    status: Option<bool>,
    /// Conditions around this place that are not known.
    unsure: usize,
    depth: usize,
    steps: usize,
    kernels: Vec<Value>,
    hypervisor: bool,
    other: Option<Vec<u8>>,
    /// Whether it is an entry that runs, and not the menu that is made.
    loading: bool,
    /// Whether versions of GRUB differ in the order of the entries that `blscfg` made.
    pub(super) order_differs: bool,
    /// Whether `blscfg` was there: that is a GRUB of Red Hat's, or one from 2.14 on.
    pub(super) has_snippets: bool,
}

impl<'a> Run<'a> {
    pub(super) fn new(around: &'a Surroundings<'a>) -> Self {
        Self {
            around,
            variables: BTreeMap::new(),
            functions: BTreeMap::new(),
            menu: Vec::new(),
            status: Some(true),
            unsure: 0,
            depth: 0,
            steps: 0,
            kernels: Vec::new(),
            hypervisor: false,
            other: None,
            loading: false,
            order_differs: false,
            has_snippets: false,
        }
    }

    pub(super) fn run(&mut self, block: &Block) -> Result<(), Stop> {
        for statement in block.iter() {
            self.steps += 1;
            if self.steps > STEPS {
                return not_understood("it does not come to an end");
            }
            match statement {
                Statement::Command { words, block } => self.command(words, block.as_ref())?,
                Statement::If { arms, otherwise } => self.conditional(arms, otherwise)?,
                Statement::Function { name, body } => {
                    let known = (self.unsure == 0).then(|| Rc::clone(body));
                    self.functions.insert(name.clone(), known);
                }
            }
        }
        Ok(())
    }

    /// The entries of a submenu, which take the place of the menu's.
    pub(super) fn enter(&mut self, block: &Block) -> Result<(), Stop> {
        self.menu.clear();
        self.run(block)
    }

    /// What the commands of an entry load.
    pub(super) fn load(&mut self, block: &Block) -> Result<Loads, Stop> {
        self.kernels.clear();
        self.hypervisor = false;
        self.other = None;
        self.loading = true;
        self.run(block)?;
        if let Some(other) = self.other.take() {
            return Ok(Loads::Other(other));
        }
        match self.kernels.split_first() {
            Some((Some(first), rest)) if rest.iter().all(|more| more.as_ref() == Some(first)) => {
                Ok(Loads::Kernel(first.clone()))
            }
            Some(_) => not_understood("which kernel it loads depends on what no file tells"),
            None => not_understood("it loads no kernel"),
        }
    }

    pub(super) fn variable(&self, name: &[u8]) -> Value {
        if let Some(value) = self.variables.get(name) {
            return value.clone();
        }
        if FEATURES.contains(&name) {
            return Some(b"y".to_vec());
        }
        let unknown = UNKNOWN_VARIABLES.iter().any(|known| match known {
            [prefix @ .., b'*'] => name.starts_with(prefix),
            known => *known == name,
        });
        (!unknown).then(Vec::new)
    }

    fn set(&mut self, name: &[u8], value: Value) {
        let value = match self.unsure {
            0 => value,
            _ if self.variable(name) == value => value,
            _ => None,
        };
        self.variables.insert(name.to_vec(), value);
    }

    fn conditional(&mut self, arms: &[(Block, Block)], otherwise: &Block) -> Result<(), Stop> {
        let before = self.unsure;
        let mut taken = false;
        for (condition, body) in arms {
            self.run(condition)?;
            match self.status {
                Some(false) => continue,
                Some(true) => taken = true,
                None => self.unsure += 1,
            }
            self.run(body)?;
            if taken {
                break;
            }
        }
        if !taken {
            self.run(otherwise)?;
        }
        self.unsure = before;
        Ok(())
    }

    fn command(&mut self, words: &[Word], block: Option<&Block>) -> Result<(), Stop> {
        let Some(name) = words[0].plain() else {
            return match self.assignment(&words[0]) {
                Some((name, value)) if words.len() == 1 => {
                    self.set(&name, value);
                    Ok(())
                }
                _ => not_understood("a command whose name is not plain"),
            };
        };
        match (name, block) {
            (b"menuentry" | b"submenu", Some(block)) => return self.entry(words, block),
            (_, Some(_)) => return not_understood("a block of an unknown command"),
            _ => {}
        }
        match name {
            b"!" if words.len() > 1 => {
                self.command(&words[1..], None)?;
                self.status = self.status.map(|status| !status);
            }
            b"[" | b"test" => self.status = self.test(words),
            b"true" => self.status = Some(true),
            b"false" => self.status = Some(false),
            b"set" => self.set_all(&words[1..])?,
            b"unset" => self.unset_all(&words[1..])?,
            b"increment" | b"decrement" => self.count(name, words)?,
            b"load_env" => self.load_env(&words[1..])?,
            b"blscfg" if words.len() == 1 => self.add_snippets()?,
            b"source" | b"." if words.len() == 2 => self.source(&words[1])?,
            b"configfile" => return Err(Stop::Elsewhere),
            b"linux" | b"linux16" | b"linuxefi" => self.kernel(words),
            b"multiboot" | b"multiboot2" | b"xen_hypervisor" => self.hypervisor = true,
            b"module" | b"module2" | b"xen_module" => self.module(words),
            _ if OTHERS.contains(&name) => self.loads_other(name)?,
            _ if SETTERS.contains(&name) => self.sets_unknown(words)?,
            _ if INERT.contains(&name) => self.status = None,
            _ if words.len() == 1 && name.contains(&b'=') => match self.assignment(&words[0]) {
                Some((name, value)) => self.set(&name, value),
                None => return unknown_command(name),
            },
            _ => return self.call(name),
        }
        Ok(())
    }

    /// A function of the script. Arguments (`$1`) are taken for unknown.
    fn call(&mut self, name: &[u8]) -> Result<(), Stop> {
        let Some(Some(body)) = self.functions.get(name).cloned() else {
            return unknown_command(name);
        };
        self.deeper(|run| run.run(&body))
    }

    fn deeper(&mut self, inside: impl FnOnce(&mut Self) -> Result<(), Stop>) -> Result<(), Stop> {
        if self.depth == DEPTH {
            return not_understood("functions or files inside one another, too deep");
        }
        self.depth += 1;
        let result = inside(self);
        self.depth -= 1;
        result
    }

    /// `menuentry TITLE [--class C] [--id ID] { … }`.
    fn entry(&mut self, words: &[Word], block: &Block) -> Result<(), Stop> {
        let (mut title, mut id) = (None, None);
        let fields: Option<Vec<Vec<u8>>> = words[1..].iter().flat_map(|w| self.expand(w)).collect();
        let Some(fields) = fields else {
            return not_understood("a menu entry whose title or id is not known");
        };
        let mut fields = fields.into_iter();
        while let Some(field) = fields.next() {
            match field.as_slice() {
                b"--id" => id = fields.next(),
                b"--class" | b"--users" | b"--hotkey" | b"--source" => drop(fields.next()),
                b"--unrestricted" => {}
                [b'-', b'-', rest @ ..] => {
                    if let Some(value) = rest.strip_prefix(b"id=") {
                        id = Some(value.to_vec());
                    }
                }
                // More are arguments of the entry.
                _ => title = title.or(Some(field)),
            }
        }
        let Some(title) = title else {
            return not_understood("a menu entry without a title");
        };
        let body = match words[0].plain() {
            Some(b"submenu") => Body::Submenu(Rc::clone(block)),
            _ => Body::Commands(Rc::clone(block)),
        };
        self.add(Item {
            id: id.unwrap_or_else(|| title.clone()),
            title,
            body,
            uncertain: self.unsure > 0,
        })
    }

    fn add(&mut self, item: Item) -> Result<(), Stop> {
        if self.menu.len() == ITEMS {
            return not_understood("too many menu entries");
        }
        self.menu.push(item);
        Ok(())
    }

    /// `blscfg` reads all of them, wherever it stands.
    fn add_snippets(&mut self) -> Result<(), Stop> {
        self.has_snippets = true;
        // Where /boot is a subvolume of its own, or a part of one, grub-mkconfig says which.
        match self.variable(b"blsdir") {
            Some(path) if path.is_empty() || path.ends_with(b"/loader/entries") => {}
            _ => return not_understood("boot entries in another directory"),
        }
        let snippets = self.around.snippets.clone().map_err(Stop::NotUnderstood)?;
        let mut bootable: Vec<Snippet> =
            snippets.into_iter().filter(|s| s.linux.is_some()).collect();
        // GRUB up to RHEL 9 sorts as packages; from 2.14 on it sorts as `ls -v` does, which for names that both know is
        // as UAPI.10.
        bootable.sort_by(|a, b| compare(&b.id, &a.id));
        let ids = |all: &[Snippet]| all.iter().map(|one| one.id.clone()).collect::<Vec<_>>();
        let newer = ids(&bootable);
        bootable.sort_by(|a, b| compare_packages(&b.id, &a.id));
        self.order_differs |= newer != ids(&bootable);
        for snippet in bootable {
            self.add(Item {
                id: snippet.id.clone(),
                title: snippet
                    .title
                    .clone()
                    .or_else(|| snippet.linux.clone())
                    .unwrap_or_default(),
                body: Body::Snippet(Rc::new(snippet)),
                uncertain: self.unsure > 0,
            })?;
        }
        Ok(())
    }

    /// `set name=value`.
    fn set_all(&mut self, words: &[Word]) -> Result<(), Stop> {
        for word in words {
            match self.assignment(word) {
                Some((name, value)) => self.set(&name, value),
                None => return not_understood("an odd set command"),
            }
        }
        self.status = Some(true);
        Ok(())
    }

    /// The value of `name=value` is one word, whatever it holds.
    fn assignment(&self, word: &Word) -> Option<(Vec<u8>, Value)> {
        let (first, rest) = word.parts.split_first()?;
        let Part::Text { bytes, quoted } = first else {
            return None;
        };
        let at = bytes.iter().position(|&byte| byte == b'=')?;
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        if at == 0 || !bytes[..at].iter().all(is_name) {
            return None;
        }
        let value = Part::Text {
            bytes: bytes[at + 1..].to_vec(),
            quoted: *quoted,
        };
        let parts: Vec<Part> = std::iter::once(value).chain(rest.iter().cloned()).collect();
        Some((bytes[..at].to_vec(), self.joined(&Word { parts })))
    }

    fn unset_all(&mut self, words: &[Word]) -> Result<(), Stop> {
        for word in words {
            match word.plain() {
                Some(name) => self.set(name, Some(Vec::new())),
                None => return not_understood("an odd unset command"),
            }
        }
        Ok(())
    }

    /// Red Hat's commands for the counters in grubenv.
    fn count(&mut self, command: &[u8], words: &[Word]) -> Result<(), Stop> {
        let Some(name) = words.get(1).and_then(Word::plain) else {
            return not_understood("an odd counter");
        };
        let number = self.variable(name).and_then(|value| {
            let text = std::str::from_utf8(&value).ok()?;
            text.parse::<i32>().ok()
        });
        let step = if command == b"increment" { 1 } else { -1 };
        let number = number.and_then(|number| number.checked_add(step));
        self.set(name, number.map(|number| number.to_string().into_bytes()));
        self.status = None;
        Ok(())
    }

    /// `load_env [-f FILE] [NAME …]`.
    fn load_env(&mut self, words: &[Word]) -> Result<(), Stop> {
        let mut file = Some(b"grubenv".to_vec());
        let mut names = Vec::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.plain() {
                Some(b"-f" | b"--file") => file = words.next().and_then(sibling_name),
                Some(b"-s" | b"--skip-sig") => {}
                Some(name) if !name.starts_with(b"-") => names.push(name),
                _ => return not_understood("an odd load_env command"),
            }
        }
        let Some(file) = file else {
            return not_understood("an environment block in another place");
        };
        match (self.around.sibling)(&file) {
            Sibling::Absent => self.status = Some(false),
            Sibling::Unknown => return not_understood("grubenv cannot be read"),
            Sibling::Holds(text) => {
                let Some(pairs) = parse_grubenv(&text) else {
                    return not_understood("grubenv is damaged");
                };
                for (name, value) in pairs {
                    if names.is_empty() || names.contains(&name.as_slice()) {
                        self.set(&name, Some(value));
                    }
                }
                self.status = Some(true);
            }
        }
        Ok(())
    }

    fn source(&mut self, word: &Word) -> Result<(), Stop> {
        let name = sibling_name(word);
        let text = match name
            .as_deref()
            .map(|name| (name, (self.around.sibling)(name)))
        {
            Some((_, Sibling::Absent)) => {
                self.status = Some(false);
                return Ok(());
            }
            // Nothing but a password is in it (grub2-setpassword), and nobody else may read it.
            Some((b"user.cfg", _)) => return Ok(()),
            Some((_, Sibling::Holds(text))) => text,
            _ => return not_understood("another file that cannot be read"),
        };
        let block = parse_script(&text).map_err(Stop::NotUnderstood)?;
        self.deeper(|run| run.run(&block))
    }

    fn kernel(&mut self, words: &[Word]) {
        let mut fields = words[1..].iter().flat_map(|word| self.expand(word));
        let image = fields.next().flatten();
        drop(fields);
        if self.unsure == 0 {
            self.kernels.clear();
        }
        self.kernels.push(image.filter(|path| !path.is_empty()));
        self.status = None;
    }

    /// Below a hypervisor the first module is the kernel.
    fn module(&mut self, words: &[Word]) {
        let first = words[1..].iter().find(|word| {
            let option = word.plain().is_some_and(|text| text.starts_with(b"--"));
            !option
        });
        if self.hypervisor && self.kernels.is_empty() {
            self.kernels.push(first.and_then(|word| self.joined(word)));
        }
        self.status = None;
    }

    fn loads_other(&mut self, name: &[u8]) -> Result<(), Stop> {
        // `fwsetup --is-supported` stands in conditions.
        if !self.loading && name != b"fwsetup" {
            return unknown_command(name);
        }
        self.other = Some(name.to_vec());
        self.status = None;
        Ok(())
    }

    /// Commands that put something into a variable.
    fn sets_unknown(&mut self, words: &[Word]) -> Result<(), Stop> {
        self.status = None;
        let mut names = Vec::new();
        let mut rest = words[1..].iter();
        while let Some(word) = rest.next() {
            let Some(text) = word.plain() else { continue };
            let value = match text {
                b"--set" | b"-s" | b"-v" => rest.next().and_then(Word::plain),
                _ => text
                    .strip_prefix(b"--set=")
                    .or_else(|| text.strip_prefix(b"--vardef=")),
            };
            // `regexp --set 1:NAME`.
            names.extend(value.and_then(|value| value.rsplit(|&byte| byte == b':').next()));
        }
        match words[0].plain() {
            Some(b"search") if names.is_empty() => names.push(b"root"),
            Some(b"hwmatch") => names.push(b"match"),
            // `search.fs_uuid UUID NAME`, `read NAME`: a plain word may be the name.
            Some(b"search") | None => {}
            Some(_) => names.extend(words[1..].iter().filter_map(Word::plain)),
        }
        for name in names {
            self.variables.insert(name.to_vec(), None);
        }
        Ok(())
    }

    fn test(&self, words: &[Word]) -> Option<bool> {
        let words = match words.split_last() {
            Some((last, rest)) if words[0].plain() == Some(b"[") => {
                (last.plain() == Some(b"]")).then_some(&rest[1..])?
            }
            _ => &words[1..],
        };
        let mut arguments = Vec::new();
        for word in words {
            let sibling = sibling_name(word);
            arguments.extend(self.expand(word).into_iter().map(|value| {
                let sibling = sibling.as_deref().map(|name| (self.around.sibling)(name));
                condition::Argument { value, sibling }
            }));
        }
        condition::holds(&arguments)
    }

    /// The fields of a word: none if it is an empty variable, several if a variable holds blanks.
    fn expand(&self, word: &Word) -> Vec<Value> {
        let mut fields = Vec::new();
        // The field that is being made, once anything is in it.
        let mut field: Option<Value> = None;
        for part in &word.parts {
            let (value, whole) = match part {
                Part::Text { bytes, .. } => (Some(bytes.clone()), true),
                Part::Variable { name, quoted } => (self.expand_variable(name), *quoted),
            };
            let Some(bytes) = value else {
                field = Some(None);
                continue;
            };
            if whole {
                append(&mut field, &bytes);
                continue;
            }
            for (at, piece) in bytes.split(u8::is_ascii_whitespace).enumerate() {
                if at > 0 {
                    fields.extend(field.take());
                }
                if !piece.is_empty() {
                    append(&mut field, piece);
                }
            }
        }
        fields.extend(field);
        fields
    }

    /// A word as one, however many blanks its variables hold.
    fn joined(&self, word: &Word) -> Value {
        let mut all = Vec::new();
        for part in &word.parts {
            match part {
                Part::Text { bytes, .. } => all.extend_from_slice(bytes),
                Part::Variable { name, .. } => all.extend(self.expand_variable(name)?),
            }
        }
        Some(all)
    }

    fn expand_variable(&self, name: &[u8]) -> Value {
        match name {
            b"?" => Some(vec![if self.status? { b'0' } else { b'1' }]),
            b"#" | b"*" | b"@" => None,
            [first, ..] if first.is_ascii_digit() => None,
            _ => self.variable(name),
        }
    }
}

fn append(field: &mut Option<Value>, bytes: &[u8]) {
    if let Some(known) = field.get_or_insert_with(|| Some(Vec::new())) {
        known.extend_from_slice(bytes);
    }
}

/// The name of a file beside `grub.cfg`: `$prefix/NAME`, `${config_directory}/NAME`.
fn sibling_name(word: &Word) -> Option<Vec<u8>> {
    let mut parts = word.parts.iter().filter(|part| match part {
        Part::Text { bytes, .. } => !bytes.is_empty(),
        Part::Variable { .. } => true,
    });
    let directory = match parts.next()? {
        Part::Variable { name, .. } => name.as_slice(),
        Part::Text { .. } => return None,
    };
    if !matches!(directory, b"prefix" | b"config_directory") {
        return None;
    }
    let mut text = Vec::new();
    for part in parts {
        match part {
            Part::Text { bytes, .. } => text.extend_from_slice(bytes),
            Part::Variable { .. } => return None,
        }
    }
    let name = text.strip_prefix(b"/")?;
    (!name.is_empty() && !name.contains(&b'/')).then(|| name.to_vec())
}

fn not_understood<T>(what: &str) -> Result<T, Stop> {
    Err(Stop::NotUnderstood(what.to_owned()))
}

fn unknown_command<T>(name: &[u8]) -> Result<T, Stop> {
    let name = crate::model::Bytes::from(name);
    Err(Stop::NotUnderstood(format!(
        "the command `{}`",
        name.escaped()
    )))
}
