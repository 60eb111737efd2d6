//! Where zypper writes: plain lines, or an XML stream.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use super::words::Words;

/// Standard output in one of its forms.
pub(super) struct Page<'a> {
    out: &'a mut dyn Write,
    /// Texts are off; data stays.
    quiet: bool,
    /// An XML stream.
    xml: bool,
    /// The original puts data between the elements as it is, which is no XML.
    bare: bool,
}

impl<'a> Page<'a> {
    /// Begins.
    pub(super) fn begin(words: &Words, out: &'a mut dyn Write) -> io::Result<Self> {
        if words.xml {
            out.write_all(b"<?xml version='1.0'?>\n<stream>\n")?;
        }
        Ok(Self {
            out,
            quiet: words.quiet,
            xml: words.xml,
            bare: words.compat_bugs,
        })
    }

    /// Ends.
    pub(super) fn end(self) -> io::Result<()> {
        match self.xml {
            true => self.out.write_all(b"</stream>\n"),
            false => Ok(()),
        }
    }

    /// A line for people.
    pub(super) fn info(&mut self, line: &str) -> io::Result<()> {
        match (self.quiet, self.xml) {
            (true, _) => Ok(()),
            (false, false) => writeln!(self.out, "{line}"),
            (false, true) => {
                let line = escaped(line);
                writeln!(self.out, "<message type=\"info\">{line}</message>")
            }
        }
    }

    /// What went wrong, for readers of a stream: others have it on standard error.
    pub(super) fn error(&mut self, line: &str) -> io::Result<()> {
        match self.xml {
            true => writeln!(
                self.out,
                "<message type=\"error\">{}</message>",
                escaped(line)
            ),
            false => Ok(()),
        }
    }

    /// Lines for people.
    pub(super) fn lines(&mut self, lines: &[&str]) -> io::Result<()> {
        lines.iter().try_for_each(|line| self.info(line))
    }

    /// The table and what is said around it.
    pub(super) fn table(&mut self, table: &str) -> io::Result<()> {
        if table.is_empty() {
            return self.info("No processes using deleted files found.");
        }
        self.info("The following running processes use deleted files:")?;
        match self.xml && !self.bare {
            true => writeln!(self.out, "<![CDATA[\n{}]]>", character_data(table))?,
            false => writeln!(self.out, "\n{table}")?,
        }
        self.info("You may wish to restart these processes.")?;
        self.info(
            "See 'man zypper' for information about the meaning of values in the above table.",
        )
    }

    /// Names, a line each; in the caller's own form, if there is one.
    pub(super) fn names(
        &mut self,
        names: &BTreeSet<&str>,
        format: Option<&OsStr>,
    ) -> io::Result<()> {
        let format = format.map_or(b"%s".as_slice(), OsStrExt::as_bytes);
        let mut text = Vec::new();
        for name in names {
            fill(&mut text, format, name.as_bytes());
            text.push(b'\n');
        }
        if !self.xml || self.bare || text.is_empty() {
            return self.out.write_all(&text);
        }
        let text = String::from_utf8_lossy(&text);
        writeln!(self.out, "<![CDATA[\n{}]]>", character_data(&text))
    }
}

/// A format with the name for every `%s`.
fn fill(text: &mut Vec<u8>, format: &[u8], name: &[u8]) {
    let mut rest = format;
    while let Some(&byte) = rest.first() {
        match rest.strip_prefix(b"%s") {
            Some(after) => {
                text.extend_from_slice(name);
                rest = after;
            }
            None => {
                text.push(byte);
                rest = &rest[1..];
            }
        }
    }
}

/// Text between elements (Extensible Markup Language 1.0, 2.4).
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\'' => escaped.push_str("&apos;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// What may stand in a CDATA section: its end is split over two, and what is no character of XML is replaced. Control
/// characters are escaped before they come here.
fn character_data(text: &str) -> String {
    text.replace("]]>", "]]]]><![CDATA[>")
        .replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}
