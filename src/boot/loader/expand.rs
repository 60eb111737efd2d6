//! Words of a script as commands get them: variables replaced, and cut where those hold blanks.

use super::run::{Run, Value};
use super::script::{Part, Word};

/// A longer value counts as unknown: a script can double one with each line.
const VALUE: usize = 1024;

impl Run<'_> {
    /// The value of `name=value` is one word, whatever it holds.
    pub(super) fn assignment(&self, word: &Word) -> Option<(Vec<u8>, Value)> {
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

    /// The fields of a word: none if it is an empty variable, several if a variable holds blanks.
    pub(super) fn expand(&self, word: &Word) -> Vec<Value> {
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

    /// A path, without the device in front of it: `($root)/vmlinuz`.
    pub(super) fn path(&self, word: &Word) -> Value {
        let begins =
            matches!(word.parts.first(), Some(Part::Text { bytes, .. }) if bytes.starts_with(b"("));
        let closing = |part: &Part| match part {
            Part::Text { bytes, .. } => bytes.iter().position(|&byte| byte == b')'),
            Part::Variable { .. } => None,
        };
        let device = word.parts.iter().enumerate();
        let device = device
            .filter_map(|(index, part)| Some((index, closing(part)?)))
            .next();
        let (Some((index, at)), true) = (device, begins) else {
            return self.expand(word).into_iter().next()?;
        };
        let mut parts = word.parts[index..].to_vec();
        if let Part::Text { bytes, .. } = &mut parts[0] {
            bytes.drain(..=at);
        }
        self.expand(&Word { parts }).into_iter().next()?
    }

    /// A word as one, however many blanks its variables hold.
    pub(super) fn joined(&self, word: &Word) -> Value {
        let mut all = Vec::new();
        for part in &word.parts {
            match part {
                Part::Text { bytes, .. } => all.extend_from_slice(bytes),
                Part::Variable { name, .. } => all.extend(self.expand_variable(name)?),
            }
            if all.len() > VALUE {
                return None;
            }
        }
        Some(all)
    }

    pub(super) fn expand_variable(&self, name: &[u8]) -> Value {
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
        if known.len() > VALUE {
            *field = Some(None);
        }
    }
}

/// The name of a file beside `grub.cfg`: `$prefix/NAME`, `${config_directory}/NAME`.
pub(super) fn sibling_name(word: &Word) -> Option<Vec<u8>> {
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
