//! Words of a script as commands get them: variables replaced, and cut where those hold blanks.

use super::run::{Run, Stop, Value, not_understood};
use super::script::{Part, WORDS, Word};

/// A longer value counts as unknown: a script can double one with each line.
const VALUE: usize = 1024;
/// What a field counts for.
const FIELD: usize = 32;
/// Names of files are not longer (limits.h).
const NAME: usize = 255;

impl Run<'_> {
    /// The value of `name=value` is one word, whatever it holds.
    pub(super) fn assignment<'t>(
        &self,
        word: &Word<'t>,
    ) -> Result<Option<(&'t [u8], Value)>, Stop> {
        let Some((Part::Text { bytes, .. }, rest)) = word.parts.split_first() else {
            return Ok(None);
        };
        let Some(at) = bytes.iter().position(|&byte| byte == b'=') else {
            return Ok(None);
        };
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        if at == 0 || !bytes[..at].iter().all(is_name) {
            return Ok(None);
        }
        Ok(Some((&bytes[..at], self.joined(&bytes[at + 1..], rest)?)))
    }

    /// The fields of a word: none if it is an empty variable, several if a variable holds blanks.
    pub(super) fn expand(&self, word: &Word<'_>) -> Result<Vec<Value>, Stop> {
        self.expand_parts(b"", &word.parts)
    }

    /// As of a word that begins with a text that is not quoted, if that is not empty.
    fn expand_parts(&self, start: &[u8], parts: &[Part<'_>]) -> Result<Vec<Value>, Stop> {
        let mut fields = Vec::new();
        // The field that is being made, once anything is in it.
        let mut field: Option<Value> = None;
        if !start.is_empty() {
            append(&mut field, start);
        }
        for part in parts {
            let (name, quoted) = match part {
                Part::Text { bytes, .. } => {
                    append(&mut field, bytes);
                    continue;
                }
                Part::Variable { name, quoted } => (name, *quoted),
            };
            let Some(bytes) = self.expand_variable(name)? else {
                field = Some(None);
                continue;
            };
            if quoted {
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
            if fields.len() > WORDS {
                return not_understood("a word that becomes too many");
            }
        }
        fields.extend(field);
        self.around.spend(fields.len() * FIELD)?;
        Ok(fields)
    }

    /// A path, without the device in front of it: `($root)/vmlinuz`.
    pub(super) fn path(&self, word: &Word<'_>) -> Result<Value, Stop> {
        let begins =
            matches!(word.parts.first(), Some(Part::Text { bytes, .. }) if bytes.starts_with(b"("));
        let closing = |part: &Part<'_>| match part {
            Part::Text { bytes, .. } => bytes.iter().position(|&byte| byte == b')'),
            Part::Variable { .. } => None,
        };
        let mut parts = word.parts.iter().enumerate();
        let device = parts.find_map(|(index, part)| Some((index, closing(part)?)));
        let fields = match device {
            Some((index, at)) if begins => {
                let start = match word.parts[index] {
                    Part::Text { bytes, .. } => &bytes[at + 1..],
                    Part::Variable { .. } => b"",
                };
                self.expand_parts(start, &word.parts[index + 1..])?
            }
            _ => self.expand(word)?,
        };
        Ok(fields.into_iter().next().flatten())
    }

    /// A text and what follows it as one, however many blanks its variables hold.
    fn joined(&self, start: &[u8], parts: &[Part<'_>]) -> Result<Value, Stop> {
        let mut field = Some(Some(Vec::new()));
        append(&mut field, start);
        for part in parts {
            match part {
                Part::Text { bytes, .. } => append(&mut field, bytes),
                Part::Variable { name, .. } => match self.expand_variable(name)? {
                    Some(bytes) => append(&mut field, &bytes),
                    None => return Ok(None),
                },
            }
        }
        Ok(field.flatten())
    }

    pub(super) fn expand_variable(&self, name: &[u8]) -> Result<Value, Stop> {
        let value = match name {
            b"?" => self
                .status
                .map(|status| vec![if status { b'0' } else { b'1' }]),
            b"#" | b"*" | b"@" => None,
            [first, ..] if first.is_ascii_digit() => None,
            _ => self.variable(name),
        };
        let size = value.as_ref().map_or(0, Vec::len);
        self.around.spend(FIELD + size)?;
        Ok(value)
    }
}

fn append(field: &mut Option<Value>, bytes: &[u8]) {
    if let Some(known) = field.get_or_insert_with(|| Some(Vec::new())) {
        if known.len() + bytes.len() > VALUE {
            *field = Some(None);
        } else {
            known.extend_from_slice(bytes);
        }
    }
}

/// The name of a file beside `grub.cfg`: `$prefix/NAME`, `${config_directory}/NAME`.
pub(super) fn sibling_name<'t>(word: &Word<'t>) -> Option<&'t [u8]> {
    let mut parts = word.parts.iter().filter(|part| part.size() > 0);
    let directory = match parts.next()? {
        Part::Variable { name, .. } => *name,
        Part::Text { .. } => return None,
    };
    if !matches!(directory, b"prefix" | b"config_directory") {
        return None;
    }
    // A name in several pieces is nobody's.
    let (Some(Part::Text { bytes, .. }), None) = (parts.next(), parts.next()) else {
        return None;
    };
    let name = bytes.strip_prefix(b"/")?;
    (!name.is_empty() && name.len() <= NAME && !name.contains(&b'/')).then_some(name)
}
