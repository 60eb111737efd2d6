//! Expressions that administrators write for checkrestart: those of Python's `re`, searched for in names.

use std::borrow::Cow;

use crate::config::import::pattern::python::{self, Refused};
use crate::model::Pattern;

/// An expression that some part of a name may fit.
#[derive(Debug, Clone)]
pub(super) struct Expression(Pattern);

impl Expression {
    /// Parses one.
    ///
    /// # Errors
    /// What is wrong with it, or that something in it has no counterpart.
    pub(super) fn parse(written: &[u8]) -> Result<Self, Refused> {
        let translated = python::translate(&text(written))?;
        Pattern::parse(&translated)
            .map(Self)
            .map_err(Refused::Foreign)
    }

    /// Whether it fits.
    pub(super) fn fits(&self, name: &[u8]) -> bool {
        self.0.matches(text(name).as_bytes())
    }
}

/// Bytes as text. A byte that is none becomes a character for private use: expressions and names alike, so that they fit as
/// they do in Python, which takes surrogates for this (PEP 383).
fn text(bytes: &[u8]) -> Cow<'_, str> {
    const PRIVATE: u32 = 0x0010_ff00;
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        let invalid = chunk.invalid().iter();
        text.extend(invalid.filter_map(|&byte| char::from_u32(PRIVATE + u32::from(byte))));
    }
    Cow::Owned(text)
}
