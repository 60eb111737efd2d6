//! The commands by which a script makes its menu and takes in other files.

use std::rc::Rc;

use super::expand::sibling_name;
use super::grubenv::parse_grubenv;
use super::run::{Body, ENTRY, Item, Run, Sibling, Stop, not_understood};
use super::script::{Block, WORDS, Word, parse_script};
use super::version::{compare, compare_packages};

/// Entries of a menu.
const ITEMS: usize = 10_000;
/// What it counts for that an entry of the Boot Loader Specification is put in its place.
const SORTED: usize = 2048;
/// What parsing counts for, by the byte.
pub(super) const PARSED: usize = 4;

impl<'a> Run<'a> {
    /// `menuentry TITLE [--class C] [--id ID] { … }`.
    pub(super) fn entry(&mut self, words: &[Word<'_>], block: &Block<'a>) -> Result<(), Stop> {
        let (mut title, mut id) = (None, None);
        let mut fields = Vec::new();
        for word in &words[1..] {
            for field in self.expand(word)? {
                let Some(field) = field else {
                    return not_understood("a menu entry whose title or id is not known");
                };
                fields.push(field);
            }
            if fields.len() > WORDS {
                return not_understood("a menu entry of too many words");
            }
        }
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

    pub(super) fn add(&mut self, item: Item<'a>) -> Result<(), Stop> {
        if self.menu.len() == ITEMS {
            return not_understood("too many menu entries");
        }
        let size = item.id.len() + item.title.len();
        self.around.spend(ENTRY + size)?;
        self.menu.push(item);
        Ok(())
    }

    /// `blscfg` reads all of them, wherever it stands.
    pub(super) fn add_snippets(&mut self) -> Result<(), Stop> {
        self.has_snippets = true;
        // Where /boot is a subvolume of its own, or a part of one, grub-mkconfig says which.
        match self.variable(b"blsdir") {
            Some(path) if path.is_empty() || path.ends_with(b"/loader/entries") => {}
            _ => return not_understood("boot entries in another directory"),
        }
        let snippets = match self.around.snippets {
            Ok(snippets) => snippets,
            Err(what) => return Err(Stop::NotUnderstood(what.clone())),
        };
        // Each is compared with ten or so, by two orders.
        self.around.spend(snippets.len() * SORTED)?;
        let bootable = snippets.iter().filter(|snippet| snippet.linux.is_some());
        let mut bootable: Vec<_> = bootable.collect();
        // GRUB up to RHEL 9 sorts as packages; from 2.14 on it sorts as `ls -v` does, which for names that both know is
        // as UAPI.10.
        bootable.sort_by(|a, b| compare(&b.id, &a.id));
        let newer = bootable.clone();
        bootable.sort_by(|a, b| compare_packages(&b.id, &a.id));
        self.order_differs |= newer.iter().zip(&bootable).any(|(a, b)| a.id != b.id);
        for snippet in bootable {
            self.add(Item {
                id: snippet.id.clone(),
                title: snippet
                    .title
                    .clone()
                    .or_else(|| snippet.linux.clone())
                    .unwrap_or_default(),
                body: Body::Snippet(Rc::clone(snippet)),
                uncertain: self.unsure > 0,
            })?;
        }
        Ok(())
    }

    /// `load_env [-f FILE] [NAME …]`.
    pub(super) fn load_env(&mut self, words: &[Word<'_>]) -> Result<(), Stop> {
        let mut file = Some(b"grubenv".as_slice());
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
        match self.around.file(file) {
            Sibling::Absent => self.status = Some(false),
            Sibling::Unknown => return not_understood("grubenv cannot be read"),
            Sibling::Holds(text) => {
                self.around.spend(text.len())?;
                let Some(pairs) = parse_grubenv(text) else {
                    return not_understood("grubenv is damaged");
                };
                for (name, value) in pairs {
                    if names.is_empty() || names.contains(&name.as_slice()) {
                        self.set(&name, Some(value))?;
                    }
                }
                self.status = Some(true);
            }
        }
        Ok(())
    }

    pub(super) fn source(&mut self, word: &Word<'_>) -> Result<(), Stop> {
        let unreadable = || not_understood("another file that cannot be read");
        let Some(name) = sibling_name(word) else {
            return unreadable();
        };
        let text = match (name, self.around.file(name)) {
            (_, Sibling::Absent) => {
                self.status = Some(false);
                return Ok(());
            }
            // Nothing but a password is in it (grub2-setpassword), and nobody else may read it.
            (b"user.cfg", _) => return Ok(()),
            (_, Sibling::Holds(text)) => text,
            (_, Sibling::Unknown) => return unreadable(),
        };
        let block = match self.sourced.get(name) {
            Some(block) => Rc::clone(block),
            None => {
                self.around.spend(PARSED * text.len())?;
                let block = parse_script(text).map_err(Stop::NotUnderstood)?;
                self.sourced.insert(name.to_vec(), Rc::clone(&block));
                block
            }
        };
        self.deeper(|run| run.run(&block))
    }
}
