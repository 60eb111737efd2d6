//! Perl source → tokens, as far as it takes to tell code from strings, patterns, comments and documentation.
//!
//! Perl cannot be parsed without running it: whether `/` divides or begins a pattern may hang on a prototype. Where the
//! interpreter itself guesses, so does this. What is lexed wrongly costs or invents an import, nothing more. Never
//! recursive, and linear: what would have to be searched for again and again is given up after a number of failures.

#![forbid(unsafe_code)]

mod words;

/// A token. Borrowed from the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A name, with its package: `use`, `A::B`, `A'B`.
    Word(&'a [u8]),
    /// A variable: its sigil and its name. The name is empty where an expression gives it (`@{…}`).
    Variable(u8, &'a [u8]),
    /// A number or a version.
    Number,
    /// A string, and whether variables in it are replaced.
    Text(&'a [u8], bool),
    /// `qw`.
    List(&'a [u8]),
    /// A pattern, a substitution, a here-document, a glob: an operand of which nothing is to be known.
    Opaque,
    /// `,` and `=>`.
    Comma,
    /// `&&`, `||`, `//`, `?`: what follows may not be evaluated.
    Logic,
    /// `->`.
    Arrow,
    /// An opening brace, and whether it belongs to an expression: a subscript or a dereference.
    Open(bool),
    /// The brace that closes it.
    Close(bool),
    /// Any other sign.
    Sign(u8),
}

/// What the last token was, as far as the meaning of the next one hangs on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Nothing, `;`, the end of a block, an operator: an operand has to follow.
    Operator,
    /// A variable or a subscript: another subscript may follow.
    Variable,
    /// Another operand.
    Operand,
    /// A name that may be a function, a constant or a file handle.
    Name,
    /// `->`.
    Arrow,
    /// `sub`, `package`, or the sigil of a call: a plain name follows.
    Naming,
    /// The name in `sub NAME`: a prototype may follow.
    Named,
    /// A sigil before an expression.
    Cast,
    /// An opening brace: a plain word before the closing one is a key.
    Brace,
}

/// Unterminated strings and here-documents before the rest of the text is given up.
const FAILURES: u32 = 64;

/// How deep braces may nest.
const DEPTH: usize = 10_000;

/// Operators, and functions after which an operand follows: a `/` behind them begins a pattern.
const EXPECTING: [&[u8]; 66] = [
    b"and", b"bless", b"chdir", b"chomp", b"chop", b"close", b"cmp", b"defined", b"delete", b"die",
    b"do", b"each", b"else", b"elsif", b"eq", b"eval", b"exec", b"exists", b"for", b"foreach",
    b"ge", b"grep", b"gt", b"if", b"isa", b"join", b"keys", b"lc", b"le", b"length", b"local",
    b"lt", b"map", b"my", b"ne", b"no", b"not", b"open", b"or", b"our", b"print", b"printf",
    b"push", b"ref", b"require", b"return", b"reverse", b"say", b"scalar", b"sort", b"split",
    b"sprintf", b"state", b"system", b"uc", b"undef", b"unless", b"unlink", b"unshift", b"until",
    b"use", b"values", b"warn", b"when", b"while", b"x",
];

/// Reads tokens.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    last: Last,
    /// For each open brace whether it belongs to an expression.
    braces: Vec<bool>,
    /// Here-documents that begin after this line: where the line ends, and where they do.
    bodies: Option<(usize, usize)>,
    failures: u32,
    /// Delimiters for which no closing one follows any more.
    hopeless: [bool; 256],
}

fn starts_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn in_name(byte: u8) -> bool {
    starts_name(byte) || byte.is_ascii_digit()
}

fn closing(open: u8) -> u8 {
    match open {
        b'(' => b')',
        b'[' => b']',
        b'{' => b'}',
        b'<' => b'>',
        other => other,
    }
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            at: 0,
            last: Last::Operator,
            braces: Vec::new(),
            bodies: None,
            failures: 0,
            hopeless: [false; 256],
        }
    }

    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    /// The end of the line that `at` lies in: its newline, or the end of the text.
    fn line_end(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        let length = rest.iter().position(|&byte| byte == b'\n');
        at + length.unwrap_or(rest.len())
    }

    fn at_line_start(&self) -> bool {
        self.at == 0 || self.byte(self.at - 1) == b'\n'
    }

    /// Goes over blanks, comments, documentation and the bodies of here-documents.
    fn skip_blank(&mut self) {
        while self.at < self.text.len() {
            match self.byte(self.at) {
                b'\n' => match self.bodies.take() {
                    Some((line, end)) if self.at >= line => self.at = end.max(self.at + 1),
                    bodies => {
                        self.bodies = bodies;
                        self.at += 1;
                    }
                },
                byte if byte.is_ascii_whitespace() || byte == 0x0b => self.at += 1,
                b'#' => self.at = self.line_end(self.at),
                b'=' if self.at_line_start() && self.byte(self.at + 1).is_ascii_alphabetic() => {
                    self.skip_documentation();
                }
                _ => break,
            }
        }
    }

    fn skip_documentation(&mut self) {
        while self.at < self.text.len() {
            let line = &self.text[self.at..];
            let ends =
                line.starts_with(b"=cut") && !line.get(4).is_some_and(u8::is_ascii_alphabetic);
            self.at = self.line_end(self.at);
            if ends {
                return;
            }
            self.at += 1;
        }
        self.at = self.text.len();
    }

    /// Where the next token begins after blanks on the same or later lines, comments not counted.
    fn peek_blank(&self, mut at: usize) -> usize {
        while self.byte(at).is_ascii_whitespace() {
            at += 1;
        }
        at
    }

    fn wants_operand(&self) -> bool {
        matches!(self.last, Last::Operator | Last::Cast | Last::Brace)
    }

    fn end(&mut self) -> Option<Token<'a>> {
        self.at = self.text.len();
        None
    }

    fn fail(&mut self) {
        self.failures += 1;
    }

    /// The content of a delimited piece that begins with the delimiter at `at`; goes behind it.
    fn delimited(&mut self) -> Option<&'a [u8]> {
        let open = self.byte(self.at);
        let close = closing(open);
        let start = self.at + 1;
        if self.at >= self.text.len() || self.hopeless[usize::from(open)] {
            return None;
        }
        let mut depth = 1_u32;
        let mut at = start;
        while at < self.text.len() {
            let byte = self.text[at];
            if byte == b'\\' {
                at += 2;
                continue;
            }
            if byte == close {
                depth -= 1;
                if depth == 0 {
                    self.at = at + 1;
                    self.leave_bodies();
                    return Some(&self.text[start..at]);
                }
            } else if byte == open {
                depth += 1;
            }
            at += 1;
        }
        if open == close {
            self.hopeless[usize::from(open)] = true;
        }
        self.fail();
        None
    }

    /// A string that began on the line of a here-document's mark and ended behind it has passed its body.
    fn leave_bodies(&mut self) {
        if let Some((line, end)) = self.bodies
            && self.at > line
        {
            self.at = self.at.max(end);
            self.bodies = None;
        }
    }

    fn skip_flags(&mut self) {
        while self.byte(self.at).is_ascii_alphanumeric() {
            self.at += 1;
        }
    }

    fn sign(&mut self, length: usize, token: Token<'a>) -> Option<Token<'a>> {
        self.at += length;
        self.last = Last::Operator;
        Some(token)
    }

    fn operand(&mut self, token: Token<'a>) -> Option<Token<'a>> {
        self.last = Last::Operand;
        Some(token)
    }

    /// A string in quotes, or the sign where none ends it.
    fn quoted(&mut self, interpolates: bool) -> Option<Token<'a>> {
        let quote = self.byte(self.at);
        match self.delimited() {
            Some(_) if quote == b'`' => self.operand(Token::Opaque),
            Some(content) => self.operand(Token::Text(content, interpolates)),
            None => self.sign(1, Token::Sign(quote)),
        }
    }

    fn number(&mut self) -> Option<Token<'a>> {
        while in_name(self.byte(self.at))
            || (self.byte(self.at) == b'.' && self.byte(self.at + 1).is_ascii_digit())
        {
            self.at += 1;
        }
        self.operand(Token::Number)
    }

    /// `/`: a pattern, or an operator.
    fn slash(&mut self) -> Option<Token<'a>> {
        let next = self.byte(self.at + 1);
        let pattern = match self.last {
            // As the interpreter guesses after a name that it does not know.
            Last::Name => {
                let end = self.text.len().min(self.at + 512);
                let rest = &self.text[self.at + 1..end];
                let closes = rest.iter().find(|&&byte| matches!(byte, b'/' | b'\n'));
                let blank_before = self.at > 0 && self.byte(self.at - 1).is_ascii_whitespace();
                blank_before
                    && !next.is_ascii_whitespace()
                    && next != b'='
                    && next != b'/'
                    && closes == Some(&b'/')
            }
            _ => self.wants_operand(),
        };
        if pattern && self.delimited().is_some() {
            self.skip_flags();
            return self.operand(Token::Opaque);
        }
        if next == b'/' {
            return self.sign(2, Token::Logic);
        }
        self.sign(1, Token::Sign(b'/'))
    }

    /// `<`: a here-document, a line of a file, or an operator.
    fn less(&mut self) -> Option<Token<'a>> {
        let ready = self.wants_operand() || matches!(self.last, Last::Name);
        // `print {$out} <<EOF`: a brace may have closed a subscript as well, so the mark must be there.
        if self.byte(self.at + 1) == b'<' && self.last != Last::Operand && self.here_document() {
            return self.operand(Token::Opaque);
        }
        if ready && self.byte(self.at + 1) != b'<' {
            let end = self.text.len().min(self.at + 256);
            let rest = &self.text[self.at + 1..end];
            let stop = rest
                .iter()
                .position(|&byte| matches!(byte, b'>' | b'\n' | b';' | b'='));
            if let Some(stop) = stop
                && rest[stop] == b'>'
            {
                self.at += stop + 2;
                return self.operand(Token::Opaque);
            }
        }
        self.sign(1, Token::Sign(b'<'))
    }

    /// Whether a here-document begins here; goes behind its mark and notes where its body ends.
    fn here_document(&mut self) -> bool {
        let mut at = self.at + 2;
        let indented = self.byte(at) == b'~';
        at += usize::from(indented);
        let quote = self.byte(self.peek_blank(at));
        let (mark, after) = if matches!(quote, b'"' | b'\'' | b'`') {
            let start = self.peek_blank(at) + 1;
            let length = self.text[start..self.line_end(start)]
                .iter()
                .position(|&byte| byte == quote);
            let Some(length) = length else { return false };
            (&self.text[start..start + length], start + length + 1)
        } else {
            at += usize::from(self.byte(at) == b'\\');
            if !starts_name(self.byte(at)) {
                return false;
            }
            let rest = &self.text[at..];
            let length = rest.iter().position(|&byte| !in_name(byte));
            let end = at + length.unwrap_or(rest.len());
            (&self.text[at..end], end)
        };
        let (line, start) = match self.bodies {
            Some(bodies) => bodies,
            None => {
                let line = self.line_end(self.at);
                (line, line + 1)
            }
        };
        let Some(end) = self.body_end(start, mark, indented) else {
            self.fail();
            return false;
        };
        self.at = after;
        self.bodies = Some((line, end));
        true
    }

    fn body_end(&self, start: usize, mark: &[u8], indented: bool) -> Option<usize> {
        let mut at = start;
        while at < self.text.len() {
            let end = self.line_end(at);
            let line = &self.text[at..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let line = if indented {
                line.trim_ascii_start()
            } else {
                line
            };
            if line == mark {
                return Some(end + 1);
            }
            at = end + 1;
        }
        None
    }
}
