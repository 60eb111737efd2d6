//! Ruby source → tokens, as far as it takes to tell code from strings, patterns, comments and documentation.
//!
//! Whether `/`, `%` or `<<` is an operator hangs in Ruby on what is a variable and what a method; where blanks decide,
//! they decide here. What is lexed wrongly costs or invents a `require`, nothing more. Never recursive, and linear.

#![forbid(unsafe_code)]

mod literals;

/// A token. Borrowed from the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A name of anything.
    Word(&'a [u8]),
    /// A keyword, and whether an expression may begin here: `if` in `x if y` may not.
    Keyword(&'a [u8], bool),
    /// A global variable, without its `$`.
    Global(&'a [u8]),
    /// A string, and whether `#{…}` in it is replaced.
    Text(&'a [u8], bool),
    /// Any other operand of which nothing is to be known.
    Opaque,
    Comma,
    /// `.`, `&.` and `::`.
    Dot,
    /// `&&`, `||`, `?`: what follows may not be evaluated.
    Logic,
    /// `<<`.
    Shift,
    /// The end of a statement: a line or `;`.
    End,
    /// Any other sign; braces and parentheses are single ones.
    Sign(u8),
}

/// What the last token was, as far as the meaning of the next one hangs on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// An operand has to follow.
    Operator,
    Operand,
    /// A name that may be a method with an argument behind it.
    Name,
    Dot,
    /// `class`: `<<` is no here-document.
    Class,
}

/// Unterminated literals before the rest of the text is given up.
const FAILURES: u32 = 16;

const KEYWORDS: [&[u8]; 40] = [
    b"BEGIN",
    b"END",
    b"alias",
    b"and",
    b"begin",
    b"break",
    b"case",
    b"class",
    b"def",
    b"defined?",
    b"do",
    b"else",
    b"elsif",
    b"end",
    b"ensure",
    b"false",
    b"for",
    b"if",
    b"in",
    b"module",
    b"next",
    b"nil",
    b"not",
    b"or",
    b"redo",
    b"rescue",
    b"retry",
    b"return",
    b"self",
    b"super",
    b"then",
    b"true",
    b"undef",
    b"unless",
    b"until",
    b"when",
    b"while",
    b"yield",
    b"__FILE__",
    b"__LINE__",
];

/// Reads tokens.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    last: Last,
    /// Whether the statement goes on behind the end of the line.
    goes_on: bool,
    /// Here-documents that begin after this line: where the line ends, and where they do.
    bodies: Option<(usize, usize)>,
    failures: u32,
    hopeless: [bool; 256],
}

fn starts_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn in_name(byte: u8) -> bool {
    starts_name(byte) || byte.is_ascii_digit()
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            at: 0,
            last: Last::Operator,
            goes_on: true,
            bodies: None,
            failures: 0,
            hopeless: [false; 256],
        }
    }

    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    fn line_end(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        let length = rest.iter().position(|&byte| byte == b'\n');
        at + length.unwrap_or(rest.len())
    }

    fn at_line_start(&self) -> bool {
        self.at == 0 || self.byte(self.at - 1) == b'\n'
    }

    fn blank_before(&self) -> bool {
        self.at > 0 && self.byte(self.at - 1).is_ascii_whitespace()
    }

    fn here(&self, text: &[u8]) -> bool {
        self.text
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(text))
    }

    /// Goes over blanks and comments; whether a line ended.
    fn skip_blank(&mut self) -> bool {
        let mut ended = false;
        while self.at < self.text.len() {
            if self.at_line_start() {
                if self.here(b"=begin") && !in_name(self.byte(self.at + 6)) {
                    self.skip_documentation();
                    continue;
                }
                if self.here(b"__END__") {
                    let line = &self.text[self.at..self.line_end(self.at)];
                    if line.strip_suffix(b"\r").unwrap_or(line) == b"__END__" {
                        self.at = self.text.len();
                        continue;
                    }
                }
            }
            match self.byte(self.at) {
                b'\n' => {
                    ended = true;
                    match self.bodies.take() {
                        Some((line, end)) if self.at >= line => self.at = end.max(self.at + 1),
                        bodies => {
                            self.bodies = bodies;
                            self.at += 1;
                        }
                    }
                }
                b'\\' if matches!(self.byte(self.at + 1), b'\n' | b'\r') => {
                    self.at = self.line_end(self.at) + 1;
                }
                byte if byte.is_ascii_whitespace() => self.at += 1,
                b'#' => self.at = self.line_end(self.at),
                _ => break,
            }
        }
        ended
    }

    fn skip_documentation(&mut self) {
        while self.at < self.text.len() {
            let ends = self.here(b"=end") && !in_name(self.byte(self.at + 4));
            self.at = self.line_end(self.at);
            if ends {
                return;
            }
            self.at += 1;
        }
    }

    fn wants_operand(&self) -> bool {
        matches!(self.last, Last::Operator)
    }

    /// Whether a sign here begins an argument of the name before it: `puts /x/`, `puts %w[x]`, `puts <<X`.
    fn begins_argument(&self, length: usize) -> bool {
        let next = self.byte(self.at + length);
        self.last == Last::Name
            && self.blank_before()
            && !next.is_ascii_whitespace()
            && next != b'='
    }

    fn sign(&mut self, length: usize, token: Token<'a>) -> Option<Token<'a>> {
        self.at += length;
        self.last = Last::Operator;
        // The bars around the parameters of a block end a line, and so does what opens one.
        self.goes_on = !matches!(token, Token::Sign(b'|' | b'{') | Token::End);
        Some(token)
    }

    fn operand(&mut self, token: Token<'a>) -> Option<Token<'a>> {
        self.last = Last::Operand;
        self.goes_on = false;
        Some(token)
    }

    /// The next token; `None` at the end of the program.
    pub(crate) fn next(&mut self) -> Option<Token<'a>> {
        let ended = self.skip_blank();
        if self.at >= self.text.len() || self.failures >= FAILURES {
            return None;
        }
        let byte = self.byte(self.at);
        let next = self.byte(self.at + 1);
        if ended && !self.goes_on && !(byte == b'.' && next != b'.') {
            return self.sign(0, Token::End);
        }
        match byte {
            0x04 | 0x1a => {
                self.at = self.text.len();
                None
            }
            b'"' => self.quoted(true),
            b'\'' => self.quoted(false),
            b'`' if self.last == Last::Dot => self.sign(1, Token::Sign(b'`')),
            b'`' => self.quoted(true).map(|_| Token::Opaque),
            b'/' => self.slash(),
            b'%' => self.percent(),
            b'<' if next == b'<' => self.shift(),
            b'?' => self.question(),
            b':' => self.colon(),
            b'$' => self.global(),
            b'@' => {
                let start = self.at + 1 + usize::from(next == b'@');
                self.at = self.name_end(start);
                self.operand(Token::Opaque)
            }
            b';' => self.sign(1, Token::End),
            b',' => self.sign(1, Token::Comma),
            b'&' if next == b'&' => self.sign(2, Token::Logic),
            b'|' if next == b'|' && !self.wants_operand() => self.sign(2, Token::Logic),
            b'&' if next == b'.' => self.dot(2),
            b'.' if next != b'.' => self.dot(1),
            b'=' if matches!(next, b'=' | b'~' | b'>') => self.sign(2, Token::Sign(b'~')),
            b'!' | b'<' | b'>' if next == b'=' => self.sign(2, Token::Sign(b'~')),
            b'+' | b'-' | b'*' | b'|' | b'&' | b'^' if next == b'=' => {
                self.sign(2, Token::Sign(b'~'))
            }
            b')' | b']' | b'}' => self.at_close(byte),
            byte if byte.is_ascii_digit() => self.number(),
            byte if starts_name(byte) => self.word(),
            byte => self.sign(1, Token::Sign(byte)),
        }
    }

    fn at_close(&mut self, byte: u8) -> Option<Token<'a>> {
        self.at += 1;
        self.operand(Token::Sign(byte))
    }

    fn dot(&mut self, length: usize) -> Option<Token<'a>> {
        self.at += length;
        self.last = Last::Dot;
        self.goes_on = true;
        Some(Token::Dot)
    }

    fn number(&mut self) -> Option<Token<'a>> {
        while in_name(self.byte(self.at))
            || (self.byte(self.at) == b'.' && self.byte(self.at + 1).is_ascii_digit())
        {
            self.at += 1;
        }
        self.operand(Token::Opaque)
    }

    fn name_end(&self, mut at: usize) -> usize {
        while in_name(self.byte(at)) {
            at += 1;
        }
        at
    }

    fn global(&mut self) -> Option<Token<'a>> {
        let start = self.at + 1;
        let first = self.byte(start);
        self.at = if in_name(first) {
            self.name_end(start)
        } else {
            (start + 1 + usize::from(first == b'-')).min(self.text.len())
        };
        let name = &self.text[start.min(self.at)..self.at];
        self.operand(Token::Global(name))
    }

    fn word(&mut self) -> Option<Token<'a>> {
        let start = self.at;
        let mut end = self.name_end(start);
        // `empty?`, `save!`; but `a!=b`, `x?y:z` are what they look like.
        if matches!(self.byte(end), b'?' | b'!')
            && (self.byte(end + 1) != b'=' || matches!(self.byte(end + 2), b'=' | b'~'))
            && !(self.byte(end) == b'?' && in_name(self.byte(end + 1)))
        {
            end += 1;
        }
        let word = &self.text[start..end];
        self.at = end;
        // `if: x` is the name of an argument.
        let label = self.byte(end) == b':' && self.byte(end + 1) != b':' && self.last != Last::Dot;
        if label {
            return self.sign(1, Token::Sign(b':'));
        }
        if self.last == Last::Dot || !KEYWORDS.contains(&word) {
            self.last = Last::Name;
            self.goes_on = false;
            return Some(Token::Word(word));
        }
        let begins = self.last == Last::Operator;
        self.goes_on = matches!(word, b"and" | b"or" | b"not");
        if word == b"def" {
            self.method_name();
        }
        self.last = match word {
            b"end" | b"self" | b"nil" | b"true" | b"false" | b"__FILE__" | b"__LINE__"
            | b"redo" | b"retry" => Last::Operand,
            b"super" | b"yield" | b"defined?" | b"def" | b"return" | b"break" | b"next" => {
                Last::Name
            }
            b"class" => Last::Class,
            _ => Last::Operator,
        };
        Some(Token::Keyword(word, begins))
    }

    /// Goes over the name that a method gets, which may be any word or operator.
    fn method_name(&mut self) {
        while matches!(self.byte(self.at), b' ' | b'\t') {
            self.at += 1;
        }
        loop {
            let end = self.name_end(self.at);
            if end == self.at {
                while b"+-*/%<>=!~^&|[]`@".contains(&self.byte(self.at)) && self.byte(self.at) != 0
                {
                    self.at += 1;
                }
                return;
            }
            self.at = end;
            if self.byte(end) != b'.' {
                break;
            }
            self.at += 1;
        }
        let next = self.byte(self.at + 1);
        match self.byte(self.at) {
            b'?' | b'!' => self.at += 1,
            b'=' if !matches!(next, b'=' | b'~' | b'>') => self.at += 1,
            _ => {}
        }
    }
}
