//! What a worker said of one process, checked as it comes in.

use std::collections::HashSet;

use super::talk::Broken;
use super::wire::{Uses, What};
use crate::model::{Bytes, Instance, is_tame};

/// Bounds on what a worker may say of one process.
const USES_CAP: usize = 5000;
const NOTES_CAP: usize = 32;
const REFUSED_CAP: usize = 32;
const TEXT_CAP: usize = 500;
const NAME_CAP: usize = 512;
const PATH_CAP: usize = 4096;

/// What a plugin said of one process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// What the process uses, each file once.
    pub uses: Vec<Uses>,
    /// What it belongs to.
    pub instance: Option<Instance>,
    /// For whoever asks for an explanation.
    pub notes: Vec<String>,
    /// What could not be looked at.
    pub unknown: Vec<String>,
    /// What it asked for and was not shown, and why: not what is simply missing.
    pub refused: Vec<(Bytes, String)>,
}

/// The same while it comes in.
#[derive(Debug, Default)]
pub(super) struct Saying {
    said: Said,
    known: HashSet<Vec<u8>>,
}

impl Saying {
    pub(super) fn uses(&mut self, uses: Uses) -> Result<(), Broken> {
        let sound = |path: &Bytes| {
            let path = path.as_slice();
            path.starts_with(b"/") && path.len() <= PATH_CAP && !path.contains(&0)
        };
        let (ok, key) = match &uses.what {
            What::File(path) => (sound(path), [b"f", path.as_slice()].concat()),
            What::Descriptor(number) => (true, format!("d{number}").into_bytes()),
            What::Mapping(start) => (true, format!("m{start}").into_bytes()),
            What::Link { link, was, .. } => {
                (sound(link) && sound(was), [b"l", link.as_slice()].concat())
            }
        };
        // A script may name what no file can be called: that is no fault of the worker's.
        if !ok || !uses.via.as_ref().is_none_or(sound) {
            let what = "a file whose path is too long, or no path";
            if !self.said.unknown.iter().any(|known| known == what) {
                self.unknown(what)?;
            }
            return Ok(());
        }
        if self.said.uses.len() >= USES_CAP {
            return Err(Broken::TooMuch);
        }
        if self.known.insert(key) {
            self.said.uses.push(uses);
        }
        Ok(())
    }

    pub(super) fn instance(&mut self, instance: Instance) -> Result<(), Broken> {
        let parts = [
            Some(&instance.name),
            instance.id.as_ref(),
            instance.image.as_ref(),
            instance.pod.as_ref(),
            instance.project.as_ref(),
        ];
        let long = |part: &Bytes| part.as_slice().len() > NAME_CAP;
        if instance.name.as_slice().is_empty() || parts.into_iter().flatten().any(long) {
            return Err(Broken::Nonsense("a name that is none".to_owned()));
        }
        if self.said.instance.replace(instance).is_some() {
            return Err(Broken::Nonsense("two instances for one process".to_owned()));
        }
        Ok(())
    }

    pub(super) fn note(&mut self, text: &str) -> Result<(), Broken> {
        push(&mut self.said.notes, text)
    }

    pub(super) fn unknown(&mut self, what: &str) -> Result<(), Broken> {
        push(&mut self.said.unknown, what)
    }

    /// Notes that a question was refused: the first few tell enough. What is too long for a path, no file was asked for by.
    pub(super) fn refused(&mut self, what: Bytes, why: &str) {
        let one = (what, why.to_owned());
        if one.0.as_slice().len() <= PATH_CAP
            && self.said.refused.len() < REFUSED_CAP
            && !self.said.refused.contains(&one)
        {
            self.said.refused.push(one);
        }
    }

    pub(super) fn into_said(self) -> Said {
        self.said
    }
}

impl Said {
    /// How many bytes it keeps, about.
    pub(super) fn size(&self) -> usize {
        let lines = self.notes.iter().chain(&self.unknown);
        let refused = self.refused.iter();
        let refused = refused.map(|(what, why)| what.as_slice().len() + why.len());
        let texts: usize = lines.map(String::len).chain(refused).sum();
        texts + self.uses.iter().map(size_of_uses).sum::<usize>()
    }
}

/// How many bytes a finding keeps, about.
pub(super) fn size_of_uses(uses: &Uses) -> usize {
    let path = match &uses.what {
        What::File(path) => path.as_slice().len(),
        What::Link { link, was, .. } => link.as_slice().len() + was.as_slice().len(),
        What::Descriptor(_) | What::Mapping(_) => 0,
    };
    let via = uses.via.as_ref().map_or(0, |via| via.as_slice().len());
    size_of::<Uses>() + path + via
}

fn push(lines: &mut Vec<String>, text: &str) -> Result<(), Broken> {
    if lines.len() >= NOTES_CAP {
        return Err(Broken::TooMuch);
    }
    lines.push(one_line(text));
    Ok(())
}

/// A worker's words as one line of sensible length.
pub(super) fn one_line(text: &str) -> String {
    let tame = |c: char| if is_tame(c) { c } else { ' ' };
    text.chars().take(TEXT_CAP).map(tame).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{How, Role};

    #[test]
    fn what_is_said_is_bounded() {
        let file = |path: &str| Uses {
            what: What::File(Bytes::from(path)),
            role: Role::Module,
            how: How::Imported,
            via: None,
        };
        let mut said = Saying::default();
        said.uses(file("/a")).unwrap();
        said.uses(file("/a")).unwrap();
        for path in ["a", "/a\0", &("/".to_owned() + &"a".repeat(5000))] {
            said.uses(file(path)).unwrap();
        }
        assert_eq!((said.said.uses.len(), said.said.unknown.len()), (1, 1));
        for n in 0..USES_CAP - 1 {
            said.uses(file(&format!("/{n}"))).unwrap();
        }
        assert_eq!(said.uses(file("/more")), Err(Broken::TooMuch));
        said.note("a\nb\u{1b}[31m").unwrap();
        let before = said.said.size();
        said.refused(Bytes(vec![b'a'; PATH_CAP + 1]), "not allowed");
        assert_eq!(said.said.size(), before);
        said.refused(Bytes(vec![b'a'; PATH_CAP]), "not allowed");
        assert!(said.said.size() > before + PATH_CAP);
        assert_eq!(said.into_said().notes, ["a b [31m"]);
    }
}
