//! Python source → logical lines of tokens. Pure; knows strings, f-strings, comments, continuations and indentation, and
//! nothing of what a statement means. Never fails: what no Python would accept gives tokens of some kind.
//!
//! Source: "Lexical analysis" in the Python language reference.
#![forbid(unsafe_code)]

/// A token, borrowed from the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A name or keyword.
    Name(&'a [u8]),
    /// The text between the quotes of a string. Escapes are left as they are.
    Text {
        /// What stands between the quotes.
        text: &'a [u8],
        /// Whether it is a plain string: no bytes, no replacement fields.
        plain: bool,
    },
    /// A number; its value does not matter here.
    Number(&'a [u8]),
    /// One character of an operator; `...` is three, `==` is two.
    Op(u8),
}

/// Tokens of one logical line that are kept; a data table of a megabyte has many more, and no imports.
const LINE_TOKENS: usize = 4096;
/// Strings inside replacement fields inside strings.
const NESTING: u32 = 16;

/// Reads logical lines from a source.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    source: &'a [u8],
    at: usize,
    /// The encoding has characters of two bytes whose second may be a quote or a backslash.
    double: bool,
}

impl<'a> Lexer<'a> {
    /// Begins at the start of a file.
    pub(crate) fn new(source: &'a [u8]) -> Self {
        let at = if source.starts_with(b"\xef\xbb\xbf") {
            3
        } else {
            0
        };
        // A NUL ends a source: CPython refuses to compile it.
        let end = memchr::memchr(0, source).unwrap_or(source.len());
        Self {
            source: &source[..end],
            at: at.min(end),
            double: is_double(&source[at..]),
        }
    }

    /// Goes to the start of the next logical line; its indentation in columns, tabs to the next multiple of eight. It is to
    /// be read or skipped then, and may turn out to have no token.
    pub(crate) fn next_line(&mut self) -> Option<usize> {
        loop {
            let indent = self.indentation();
            match self.byte()? {
                b'\n' | b'\r' => self.at += 1,
                b'#' => self.comment(),
                _ => return Some(indent),
            }
        }
    }

    /// Where it stands.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Whether the line that begins here may have no token.
    pub(crate) fn may_be_empty(&self) -> bool {
        self.byte() == Some(b'\\')
    }

    /// The name that begins here; empty if none does.
    pub(crate) fn name(&self) -> &'a [u8] {
        let rest = &self.source[self.at..];
        let end = rest.iter().position(|&byte| !is_name(byte));
        &rest[..end.unwrap_or(rest.len())]
    }

    fn byte(&self) -> Option<u8> {
        self.source.get(self.at).copied()
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.source.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn indentation(&mut self) -> usize {
        let mut column = 0;
        while let Some(byte) = self.byte() {
            match byte {
                b' ' => column += 1,
                b'\t' => column = column / 8 * 8 + 8,
                0x0c => column = 0,
                _ => break,
            }
            self.at += 1;
        }
        column
    }

    /// Steps over one end of line: `\n`, `\r\n`, or `\r` alone.
    fn newline(&mut self) {
        self.at += if self.byte() == Some(b'\r') && self.peek(1) == b'\n' {
            2
        } else {
            1
        };
    }

    /// Where the logical line that begins here ends.
    pub(crate) fn line_end(&self) -> usize {
        let mut ahead = Self { ..*self };
        ahead.skip_line();
        ahead.at
    }

    /// Goes to the end of the logical line that begins here.
    pub(crate) fn skip_line(&mut self) {
        let start = self.at;
        let mut depth = 0_usize;
        while let Some(ahead) = self.source[self.at..]
            .iter()
            .position(|&byte| ENDS[byte as usize])
        {
            self.at += ahead;
            match self.source[self.at] {
                b'\n' | b'\r' => {
                    self.newline();
                    if depth == 0 {
                        return;
                    }
                }
                b'#' => self.comment(),
                b'\\' => {
                    self.at += 1;
                    if matches!(self.byte(), Some(b'\n' | b'\r')) {
                        self.newline();
                    }
                }
                b'"' | b'\'' => {
                    let before = &self.source[start..self.at];
                    let name = before.iter().rev().take_while(|&&byte| is_name(byte));
                    let name = &before[before.len() - name.take(3).count()..];
                    self.string(Prefix::of(name).unwrap_or_default(), 0);
                }
                b'(' | b'[' | b'{' => {
                    depth += 1;
                    self.at += 1;
                }
                _ => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
            }
        }
        self.at = self.source.len();
    }

    /// Reads the logical line that begins here.
    pub(crate) fn read_line(&mut self, tokens: &mut Vec<Token<'a>>) {
        tokens.clear();
        let mut depth = 0_usize;
        while let Some(byte) = self.byte() {
            let token = match byte {
                b'\n' | b'\r' => {
                    self.newline();
                    if depth == 0 {
                        break;
                    }
                    continue;
                }
                b'#' => {
                    self.comment();
                    continue;
                }
                b'\\' if matches!(self.peek(1), b'\n' | b'\r') => {
                    self.at += 1;
                    self.newline();
                    continue;
                }
                b' ' | b'\t' | 0x0c => {
                    self.at += 1;
                    continue;
                }
                b'"' | b'\'' => self.string(Prefix::default(), 0),
                b'0'..=b'9' => self.number(),
                _ if is_name(byte) => self.name_or_string(),
                _ => {
                    self.at += 1;
                    match byte {
                        b'(' | b'[' | b'{' => depth += 1,
                        b')' | b']' | b'}' => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                    Token::Op(byte)
                }
            };
            if tokens.len() < LINE_TOKENS {
                tokens.push(token);
            }
        }
    }

    /// Goes to a place that [`Self::line_end`] told.
    pub(crate) fn go_to(&mut self, at: usize) {
        self.at = at;
    }

    fn comment(&mut self) {
        let rest = &self.source[self.at..];
        self.at += memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
    }

    fn number(&mut self) -> Token<'a> {
        let start = self.at;
        while self
            .byte()
            .is_some_and(|byte| is_name(byte) || byte == b'.')
        {
            self.at += 1;
        }
        Token::Number(&self.source[start..self.at])
    }

    fn name_or_string(&mut self) -> Token<'a> {
        let start = self.at;
        while self.byte().is_some_and(is_name) {
            self.at += 1;
        }
        let name = &self.source[start..self.at];
        if matches!(self.byte(), Some(b'"' | b'\''))
            && let Some(prefix) = Prefix::of(name)
        {
            return self.string(prefix, 0);
        }
        Token::Name(name)
    }

    /// A string, from its opening quote.
    fn string(&mut self, prefix: Prefix, nesting: u32) -> Token<'a> {
        let quote = self.peek(0);
        let triple = self.peek(1) == quote && self.peek(2) == quote;
        self.at += if triple { 3 } else { 1 };
        let start = self.at;
        let mut end = self.source.len();
        loop {
            if !prefix.fields && !self.double {
                self.skip_text(quote, triple);
            }
            let Some(byte) = self.byte() else { break };
            if byte == quote && (!triple || (self.peek(1) == quote && self.peek(2) == quote)) {
                end = self.at;
                self.at += if triple { 3 } else { 1 };
                break;
            }
            if !triple && matches!(byte, b'\n' | b'\r') {
                // Not closed: an error to Python; the next line is read as one.
                end = self.at;
                break;
            }
            self.string_byte(byte, prefix, nesting);
        }
        Token::Text {
            text: &self.source[start..end.min(self.source.len())],
            plain: !prefix.bytes && !prefix.fields,
        }
    }

    /// Goes to what may end a string that has neither fields nor characters of two bytes, or to an escape.
    fn skip_text(&mut self, quote: u8, triple: bool) {
        let rest = &self.source[self.at..];
        let ahead = match triple {
            true => memchr::memchr2(quote, b'\\', rest),
            // Most are too short for more than this.
            false => rest
                .iter()
                .position(|&byte| byte == quote || matches!(byte, b'\\' | b'\n' | b'\r')),
        };
        self.at += ahead.unwrap_or(rest.len());
    }

    /// Steps over one character of a string, an escape, or a whole replacement field.
    fn string_byte(&mut self, byte: u8, prefix: Prefix, nesting: u32) {
        match byte {
            b'\\'
                if prefix.fields && !prefix.raw && self.peek(1) == b'N' && self.peek(2) == b'{' =>
            {
                self.at += 3;
            }
            // The backslash keeps the quote after it out of the way in raw strings too; `\{` is one character only.
            b'\\' if !(prefix.fields && matches!(self.peek(1), b'{' | b'}')) => {
                self.at += 1;
                match self.byte() {
                    Some(b'\n' | b'\r') => self.newline(),
                    Some(_) => self.at += 1,
                    None => {}
                }
            }
            b'{' if prefix.fields && self.peek(1) == b'{' => self.at += 2,
            b'{' if prefix.fields && nesting < NESTING => {
                self.at += 1;
                self.field(nesting);
            }
            _ if self.double && is_lead(byte) => self.at += 2,
            _ => self.at += 1,
        }
        self.at = self.at.min(self.source.len());
    }

    /// A replacement field of an f-string, from after its `{` to after its `}`. Strings inside may use any quote (3.12).
    fn field(&mut self, nesting: u32) {
        let mut depth = 0_usize;
        while let Some(byte) = self.byte() {
            match byte {
                b'}' if depth == 0 => {
                    self.at += 1;
                    return;
                }
                b':' if depth == 0 => {
                    self.at += 1;
                    return self.format_spec(nesting);
                }
                b'#' => self.comment(),
                b'"' | b'\'' => {
                    self.string(Prefix::default(), nesting + 1);
                }
                _ if is_name(byte) => {
                    let start = self.at;
                    while self.byte().is_some_and(is_name) {
                        self.at += 1;
                    }
                    let name = &self.source[start..self.at];
                    if matches!(self.byte(), Some(b'"' | b'\''))
                        && let Some(prefix) = Prefix::of(name)
                    {
                        self.string(prefix, nesting + 1);
                    }
                }
                _ => {
                    match byte {
                        b'(' | b'[' | b'{' => depth += 1,
                        b')' | b']' | b'}' => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                    self.at += 1;
                }
            }
        }
    }

    /// What follows the colon of a replacement field: text, and fields again. A line end gives it up.
    fn format_spec(&mut self, nesting: u32) {
        while let Some(byte) = self.byte() {
            match byte {
                b'}' => {
                    self.at += 1;
                    return;
                }
                b'{' if nesting < NESTING => {
                    self.at += 1;
                    self.field(nesting + 1);
                }
                b'\n' | b'\r' | b'"' | b'\'' => return,
                _ => self.at += 1,
            }
        }
    }
}

/// Bytes that a line which is skipped is stopped at.
const ENDS: [bool; 256] = {
    let mut ends = [false; 256];
    let bytes = b"\n\r#\\\"'()[]{}";
    let mut at = 0;
    while at < bytes.len() {
        ends[bytes[at] as usize] = true;
        at += 1;
    }
    ends
};

/// What the letters before a quote say.
#[derive(Debug, Clone, Copy, Default)]
struct Prefix {
    raw: bool,
    bytes: bool,
    fields: bool,
}

impl Prefix {
    fn of(name: &[u8]) -> Option<Self> {
        if name.len() > 2 {
            return None;
        }
        let mut prefix = Self::default();
        for byte in name {
            match byte.to_ascii_lowercase() {
                b'r' => prefix.raw = true,
                b'b' => prefix.bytes = true,
                b'f' | b't' => prefix.fields = true,
                b'u' => {}
                _ => return None,
            }
        }
        Some(prefix)
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Lead bytes of Shift-JIS, Big5, GBK and their kin.
fn is_lead(byte: u8) -> bool {
    (0x81..=0xfe).contains(&byte)
}

/// Whether one of the first two lines has a cookie of an encoding whose second bytes may look like ASCII (PEP 263).
fn is_double(source: &[u8]) -> bool {
    let lines = source.split(|&byte| byte == b'\n' || byte == b'\r');
    lines.take(3).any(|line| {
        let line = line.trim_ascii_start();
        line.starts_with(b"#")
            && coding(line).is_some_and(|name| {
                let name = name.to_ascii_lowercase();
                [
                    &b"cp932"[..],
                    b"shift",
                    b"sjis",
                    b"s_jis",
                    b"ms932",
                    b"big5",
                    b"gb",
                    b"cp936",
                    b"cp949",
                    b"cp950",
                ]
                .iter()
                .any(|known| name.starts_with(known))
            })
    })
}

fn coding(line: &[u8]) -> Option<&[u8]> {
    let line = &line[..line.len().min(200)];
    let at = line.windows(6).position(|part| part == b"coding")?;
    let rest = line[at + 6..]
        .strip_prefix(b":")
        .or_else(|| line[at + 6..].strip_prefix(b"="))?;
    let rest = rest.trim_ascii_start();
    let end = rest
        .iter()
        .position(|byte| !(byte.is_ascii_alphanumeric() || b"-_.".contains(byte)));
    Some(&rest[..end.unwrap_or(rest.len())])
}
