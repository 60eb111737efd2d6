//! What `grub.cfg` does, as far as files tell: the menu that it makes, and the kernel that an entry loads.
//!
//! Every value may be unknown, and so may every condition. Where a condition is, both of its sides are gone through and
//! whatever either changes is unknown, or uncertain, from there on. A command that is not known stops all of it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::bls::Snippet;
use super::commands::{FEATURES, INERT, OTHERS, SETTERS, UNKNOWN_VARIABLES};
use super::condition;
use super::expand::sibling_name;
use super::script::{Block, Statement, Word};

/// The work that is done for all scripts of a machine, in bytes that are gone through: a file of 200 kernels takes 2 MiB.
pub(super) const WORK: usize = 16 * 1024 * 1024;
/// What a statement counts for.
const STATEMENT: usize = 64;
/// A piece of a word.
const PART: usize = 16;
/// A variable that is set: what is kept of it, so that there are not more than ten thousand.
const VARIABLE: usize = 1024;
/// An entry of the menu.
pub(super) const ENTRY: usize = 512;
/// Functions inside functions, and files inside files.
const DEPTH: usize = 8;
/// Known or not.
pub(super) type Value = Option<Vec<u8>>;

/// A file beside `grub.cfg`.
#[derive(Debug, Clone)]
pub(super) enum Sibling {
    Absent,
    Holds(Vec<u8>),
    Unknown,
}

static UNKNOWN: Sibling = Sibling::Unknown;

/// What there is beside the script.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    /// Files in the directory of `grub.cfg`, by name.
    pub(super) files: &'a [(&'static str, Sibling)],
    /// Entries of the Boot Loader Specification; or why they are not known.
    pub(super) snippets: &'a Snippets,
    /// What is left of the work that may be done.
    pub(super) left: &'a Cell<usize>,
}

/// Entries of the Boot Loader Specification; or why they are not known.
pub(super) type Snippets = Result<Vec<Rc<Snippet>>, String>;

impl<'a> Surroundings<'a> {
    pub(super) fn file(&self, name: &[u8]) -> &'a Sibling {
        let mut known = self.files.iter();
        let known = known.find(|(known, _)| known.as_bytes() == name);
        known.map_or(&UNKNOWN, |(_, sibling)| sibling)
    }

    /// Counts work; the error says that it is too much.
    pub(super) fn spend(&self, work: usize) -> Result<(), Stop> {
        match self.left.get().checked_sub(work) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                self.left.set(0);
                not_understood("it does not come to an end, or is too large")
            }
        }
    }
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
pub(super) struct Item<'a> {
    pub(super) id: Vec<u8>,
    pub(super) title: Vec<u8>,
    pub(super) body: Body<'a>,
    /// Whether it is there depends on what no file tells.
    pub(super) uncertain: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Body<'a> {
    Submenu(Block<'a>),
    Commands(Block<'a>),
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
    pub(super) around: Surroundings<'a>,
    variables: BTreeMap<Vec<u8>, Value>,
    functions: BTreeMap<&'a [u8], Option<Block<'a>>>,
    /// Other files that were taken in.
    pub(super) sourced: BTreeMap<Vec<u8>, Block<'a>>,
    pub(super) menu: Vec<Item<'a>>,
    /// `$?`.
    pub(super) status: Option<bool>,
    /// Conditions around this place that are not known.
    pub(super) unsure: usize,
    depth: usize,
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
    pub(super) fn new(around: Surroundings<'a>) -> Self {
        Self {
            around,
            variables: BTreeMap::new(),
            functions: BTreeMap::new(),
            sourced: BTreeMap::new(),
            menu: Vec::new(),
            status: Some(true),
            unsure: 0,
            depth: 0,
            kernels: Vec::new(),
            hypervisor: false,
            other: None,
            loading: false,
            order_differs: false,
            has_snippets: false,
        }
    }

    pub(super) fn run(&mut self, block: &Block<'a>) -> Result<(), Stop> {
        for statement in block.iter() {
            self.around.spend(STATEMENT)?;
            match statement {
                Statement::Command { words, block } => {
                    let parts = words.iter().flat_map(|word| &word.parts);
                    self.around
                        .spend(parts.map(|part| PART + part.size()).sum())?;
                    self.command(words, block.as_ref())?;
                }
                Statement::If { arms, otherwise } => self.conditional(arms, otherwise)?,
                Statement::Function { name, body } => {
                    let known = (self.unsure == 0).then(|| Rc::clone(body));
                    self.functions.insert(name, known);
                }
            }
        }
        Ok(())
    }

    /// The entries of a submenu, which take the place of the menu's.
    pub(super) fn enter(&mut self, block: &Block<'a>) -> Result<(), Stop> {
        self.menu.clear();
        self.run(block)
    }

    /// What the commands of an entry load.
    pub(super) fn load(&mut self, block: &Block<'a>) -> Result<Loads, Stop> {
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

    pub(super) fn set(&mut self, name: &[u8], value: Value) -> Result<(), Stop> {
        let size = name.len() + value.as_ref().map_or(0, Vec::len);
        self.around.spend(VARIABLE + size)?;
        let value = match self.unsure {
            0 => value,
            _ if self.variable(name) == value => value,
            _ => None,
        };
        self.variables.insert(name.to_vec(), value);
        Ok(())
    }

    fn conditional(
        &mut self,
        arms: &[(Block<'a>, Block<'a>)],
        otherwise: &Block<'a>,
    ) -> Result<(), Stop> {
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

    /// A command, with any number of `!` in front.
    fn command(&mut self, words: &[Word<'a>], block: Option<&Block<'a>>) -> Result<(), Stop> {
        let last = words.len() - 1;
        let negations = words[..last].iter();
        let negations = negations.take_while(|word| word.plain() == Some(b"!"));
        let negations = negations.count();
        self.simple(&words[negations..], block)?;
        if negations % 2 == 1 {
            self.status = self.status.map(|status| !status);
        }
        Ok(())
    }

    fn simple(&mut self, words: &[Word<'a>], block: Option<&Block<'a>>) -> Result<(), Stop> {
        let Some(name) = words[0].plain() else {
            return match self.assignment(&words[0])? {
                Some((name, value)) if words.len() == 1 => self.set(name, value),
                _ => not_understood("a command whose name is not plain"),
            };
        };
        match (name, block) {
            (b"menuentry" | b"submenu", Some(block)) => return self.entry(words, block),
            (_, Some(_)) => return not_understood("a block of an unknown command"),
            _ => {}
        }
        match name {
            b"[" | b"test" => self.status = self.test(words)?,
            b"true" => self.status = Some(true),
            b"false" => self.status = Some(false),
            b"set" => self.set_all(&words[1..])?,
            b"unset" => self.unset_all(&words[1..])?,
            b"increment" | b"decrement" => self.count(name, words)?,
            b"load_env" => self.load_env(&words[1..])?,
            b"blscfg" if words.len() == 1 => self.add_snippets()?,
            b"source" | b"." if words.len() == 2 => self.source(&words[1])?,
            b"configfile" => return Err(Stop::Elsewhere),
            b"linux" | b"linux16" | b"linuxefi" => self.kernel(words)?,
            b"multiboot" | b"multiboot2" | b"xen_hypervisor" => self.hypervisor = true,
            b"module" | b"module2" | b"xen_module" => self.module(words)?,
            _ if OTHERS.contains(&name) => self.loads_other(name)?,
            _ if SETTERS.contains(&name) => self.sets_unknown(words)?,
            _ if INERT.contains(&name) => self.status = None,
            _ if words.len() == 1 && name.contains(&b'=') => match self.assignment(&words[0])? {
                Some((name, value)) => self.set(name, value)?,
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

    pub(super) fn deeper(
        &mut self,
        inside: impl FnOnce(&mut Self) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        if self.depth == DEPTH {
            return not_understood("functions or files inside one another, too deep");
        }
        self.depth += 1;
        let result = inside(self);
        self.depth -= 1;
        result
    }

    /// `set name=value`.
    fn set_all(&mut self, words: &[Word<'_>]) -> Result<(), Stop> {
        for word in words {
            match self.assignment(word)? {
                Some((name, value)) => self.set(name, value)?,
                None => return not_understood("an odd set command"),
            }
        }
        self.status = Some(true);
        Ok(())
    }

    fn unset_all(&mut self, words: &[Word<'_>]) -> Result<(), Stop> {
        for word in words {
            match word.plain() {
                Some(name) => self.set(name, Some(Vec::new()))?,
                None => return not_understood("an odd unset command"),
            }
        }
        Ok(())
    }

    /// Red Hat's commands for the counters in grubenv.
    fn count(&mut self, command: &[u8], words: &[Word<'_>]) -> Result<(), Stop> {
        let Some(name) = words.get(1).and_then(Word::plain) else {
            return not_understood("an odd counter");
        };
        let number = self.variable(name).and_then(|value| {
            let text = std::str::from_utf8(&value).ok()?;
            text.parse::<i32>().ok()
        });
        let step = if command == b"increment" { 1 } else { -1 };
        let number = number.and_then(|number| number.checked_add(step));
        self.set(name, number.map(|number| number.to_string().into_bytes()))?;
        self.status = None;
        Ok(())
    }

    fn kernel(&mut self, words: &[Word<'_>]) -> Result<(), Stop> {
        let mut image = None;
        for word in &words[1..] {
            // What is empty is no word.
            if !self.expand(word)?.is_empty() {
                image = self.path(word)?;
                break;
            }
        }
        if self.unsure == 0 {
            self.kernels.clear();
        }
        self.kernels.push(image.filter(|path| !path.is_empty()));
        self.status = None;
        Ok(())
    }

    /// Below a hypervisor the first module is the kernel.
    fn module(&mut self, words: &[Word<'_>]) -> Result<(), Stop> {
        let first = words[1..].iter().find(|word| {
            let option = word.plain().is_some_and(|text| text.starts_with(b"--"));
            !option
        });
        if self.hypervisor && self.kernels.is_empty() {
            let image = first.map_or(Ok(None), |word| self.path(word))?;
            self.kernels.push(image);
        }
        self.status = None;
        Ok(())
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
    fn sets_unknown(&mut self, words: &[Word<'_>]) -> Result<(), Stop> {
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
            self.around.spend(VARIABLE + name.len())?;
            self.variables.insert(name.to_vec(), None);
        }
        Ok(())
    }

    pub(super) fn test(&self, words: &[Word<'_>]) -> Result<Option<bool>, Stop> {
        let words = match words {
            [first, inside @ .., last] if first.plain() == Some(b"[") => match last.plain() {
                Some(b"]") => inside,
                _ => return Ok(None),
            },
            [first] if first.plain() == Some(b"[") => return Ok(None),
            _ => &words[1..],
        };
        let mut arguments = Vec::new();
        for word in words {
            let sibling = sibling_name(word);
            let sibling = sibling.map(|name| self.around.file(name));
            let fields = self.expand(word)?.into_iter();
            arguments.extend(fields.map(|value| condition::Argument { value, sibling }));
        }
        Ok(condition::holds(&arguments))
    }
}

pub(super) fn not_understood<T>(what: &str) -> Result<T, Stop> {
    Err(Stop::NotUnderstood(what.to_owned()))
}

fn unknown_command<T>(name: &[u8]) -> Result<T, Stop> {
    let name = crate::model::Bytes::from(name);
    Err(Stop::NotUnderstood(format!(
        "the command `{}`",
        name.escaped()
    )))
}
