//! JavaScript in tokens: enough to know code from strings, comments, templates and regular expressions. Works on any bytes,
//! in one pass, without recursion.

#![forbid(unsafe_code)]

use std::borrow::Cow;

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A name or keyword.
    Word(&'a [u8]),
    /// A string, or a template that holds no code.
    Text(Cow<'a, [u8]>),
    /// A number, a regular expression, the text of a template around its code: a value.
    Value,
    /// `=>`.
    Arrow,
    /// `&&`, `||`, `??`, `?`: what follows is run on a condition.
    Choice,
    /// `.` and `?.`.
    Dot,
    /// Any other single sign. The code in a template stands between `(` and `)`.
    Sign(u8),
}

/// Reads tokens.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    /// Whether a `/` would divide what came before.
    after_value: bool,
    /// For each open bracket, what closing it leads to.
    open: Vec<Open>,
    /// The word before, if it was the last token.
    keyword: Option<&'a [u8]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// After it, a `/` divides.
    Value,
    /// After it, a statement begins: `if (…)`.
    Head,
    Block,
    /// Code inside a template.
    Template,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let mut lexer = Self {
            text,
            at: 0,
            after_value: false,
            open: Vec::new(),
            keyword: None,
        };
        if text.starts_with(b"#!") {
            lexer.skip_line();
        }
        lexer
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_line(&mut self) {
        let end = self
            .rest()
            .iter()
            .position(|&byte| matches!(byte, b'\n' | b'\r'));
        self.at = end.map_or(self.text.len(), |end| self.at + end);
    }

    /// Blanks and comments. Says whether a line ended among them.
    fn skip_blank(&mut self) -> bool {
        let mut first = self.at == 0;
        while let Some(byte) = self.byte(0) {
            match (byte, self.byte(1)) {
                (b'\n' | b'\r', _) => {
                    first = true;
                    self.at += 1;
                }
                (b' ' | b'\t' | 0x0b | 0x0c, _) => self.at += 1,
                (b'/', Some(b'/')) => self.skip_line(),
                (b'/', Some(b'*')) => {
                    let comment = self.rest();
                    let end = comment.windows(2).skip(2).position(|two| two == b"*/");
                    let size = end.map_or(comment.len(), |end| end + 4);
                    first |= comment[..size].contains(&b'\n');
                    self.at += size;
                }
                // The no-break space and the line separators of Unicode are rare between tokens.
                (0xc2, Some(0xa0)) => self.at += 2,
                _ => break,
            }
        }
        first
    }

    fn word(&mut self) -> Token<'a> {
        let rest = self.rest();
        let end = rest
            .iter()
            .position(|&byte| !is_name(byte) && byte != b'\\');
        let word = &rest[..end.unwrap_or(rest.len())];
        self.at += word.len();
        self.after_value = !BEFORE_VALUES.contains(&word);
        self.keyword = Some(word);
        Token::Word(word)
    }

    fn number(&mut self) -> Token<'a> {
        let rest = self.rest();
        let end = rest.iter().position(|&byte| !is_name(byte) && byte != b'.');
        self.at += end.unwrap_or(rest.len());
        self.after_value = true;
        Token::Value
    }

    fn string(&mut self, quote: u8) -> Token<'a> {
        self.at += 1;
        self.after_value = true;
        let rest = self.rest();
        let mut escaped = false;
        let mut end = rest.len();
        let mut bytes = rest.iter().enumerate();
        while let Some((at, &byte)) = bytes.next() {
            match byte {
                b'\\' => {
                    escaped = true;
                    bytes.next();
                }
                // A string does not run over its line: what was taken for one was none.
                byte if byte == quote || byte == b'\n' => {
                    end = at;
                    break;
                }
                _ => {}
            }
        }
        let text = &rest[..end];
        self.at = (self.at + end + 1).min(self.text.len());
        Token::Text(if escaped {
            Cow::Owned(unescape(text))
        } else {
            Cow::Borrowed(text)
        })
    }

    /// The text of a template, from after its beginning or after code in it, up to its end or the next code.
    fn template(&mut self, beginning: bool) -> Token<'a> {
        let rest = self.rest();
        let mut bytes = rest.iter().enumerate();
        let mut escaped = false;
        while let Some((at, &byte)) = bytes.next() {
            match byte {
                b'\\' => {
                    escaped = true;
                    bytes.next();
                }
                b'`' => {
                    self.at += at + 1;
                    self.after_value = true;
                    let text = &rest[..at];
                    return match (beginning, escaped) {
                        (true, false) => Token::Text(Cow::Borrowed(text)),
                        (true, true) => Token::Text(Cow::Owned(unescape(text))),
                        (false, _) => Token::Value,
                    };
                }
                b'$' if rest.get(at + 1) == Some(&b'{') => {
                    self.at += at + 2;
                    self.after_value = false;
                    self.open.push(Open::Template);
                    return Token::Sign(b'(');
                }
                _ => {}
            }
        }
        self.at = self.text.len();
        Token::Value
    }

    /// A regular expression, unless it does not end on its line: then the `/` was a division.
    fn regular_expression(&mut self) -> Token<'a> {
        let rest = self.rest();
        let mut class = false;
        let mut bytes = rest.iter().enumerate().skip(1);
        while let Some((at, &byte)) = bytes.next() {
            match byte {
                b'\\' => {
                    bytes.next();
                }
                b'[' => class = true,
                b']' => class = false,
                b'/' if !class => {
                    self.at += at + 1;
                    let flags = self.rest();
                    let end = flags.iter().position(|&byte| !is_name(byte));
                    self.at += end.unwrap_or(flags.len());
                    self.after_value = true;
                    return Token::Value;
                }
                b'\n' => break,
                _ => {}
            }
        }
        self.at += 1;
        Token::Sign(b'/')
    }

    fn sign(&mut self, byte: u8, keyword: Option<&'a [u8]>, first: bool) -> Token<'a> {
        let next = self.byte(1);
        self.at += 1;
        let was_value = std::mem::replace(&mut self.after_value, false);
        match (byte, next) {
            (b'(' | b'[', _) => {
                let head = keyword.is_some_and(|word| HEADS.contains(&word));
                self.open.push(if head { Open::Head } else { Open::Value });
            }
            (b'{', _) => self.open.push(Open::Block),
            (b')' | b']', _) => self.after_value = self.open.pop() != Some(Open::Head),
            (b'}', _) => match self.open.pop() {
                Some(Open::Template) => {
                    // The rest of the template is a value that the closing parenthesis ends with; more code opens anew.
                    return match self.template(false) {
                        Token::Value => Token::Sign(b')'),
                        _ => {
                            // `}…${`: close and open would be two tokens; one is enough, the bracket stays open.
                            Token::Sign(b',')
                        }
                    };
                }
                // An object can be divided, a block cannot: blocks end lines.
                _ => self.after_value = !first,
            },
            (b'=', Some(b'>')) => {
                self.at += 1;
                return Token::Arrow;
            }
            (b'&', Some(b'&')) | (b'|', Some(b'|')) | (b'?', Some(b'?')) => {
                self.at += 1;
                return Token::Choice;
            }
            (b'?', Some(b'.')) if !self.byte(1).is_some_and(|byte| byte.is_ascii_digit()) => {
                self.at += 1;
                return Token::Dot;
            }
            (b'?', _) => return Token::Choice,
            (b'.', _) => return Token::Dot,
            // After `i++`, a slash divides; after `+ ++`, nothing stands.
            (b'+' | b'-', Some(same)) if same == byte => {
                self.at += 1;
                self.after_value = was_value;
            }
            _ => {}
        }
        Token::Sign(byte)
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = (Token<'a>, bool);

    /// The next token, and whether it is the first of its line.
    fn next(&mut self) -> Option<Self::Item> {
        let first = self.skip_blank();
        let byte = self.byte(0)?;
        let keyword = self.keyword.take();
        let token = match byte {
            b'"' | b'\'' => self.string(byte),
            b'`' => {
                self.at += 1;
                self.template(true)
            }
            b'0'..=b'9' => self.number(),
            byte if is_name(byte) || byte == b'\\' => self.word(),
            b'/' if !self.after_value => self.regular_expression(),
            _ => self.sign(byte, keyword, first),
        };
        Some((token, first))
    }
}

/// Keywords after which a value stands, not an operator.
const BEFORE_VALUES: [&[u8]; 18] = [
    b"return",
    b"typeof",
    b"case",
    b"in",
    b"of",
    b"delete",
    b"void",
    b"throw",
    b"new",
    b"do",
    b"else",
    b"instanceof",
    b"yield",
    b"await",
    b"default",
    b"extends",
    b"import",
    b"export",
];

/// Keywords whose parentheses a statement follows.
const HEADS: [&[u8]; 5] = [b"if", b"while", b"for", b"with", b"switch"];

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'#') || byte >= 0x80
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'\\' {
            bytes.push(first);
            continue;
        }
        let Some((&kind, tail)) = tail.split_first() else {
            break;
        };
        rest = tail;
        match kind {
            b'n' => bytes.push(b'\n'),
            b't' => bytes.push(b'\t'),
            b'\n' => {}
            b'x' | b'u' => rest = code_point(kind, tail, &mut bytes),
            other => bytes.push(other),
        }
    }
    bytes
}

/// `\x41`, `\u0041`, `\u{41}`; gives what is left.
fn code_point<'a>(kind: u8, text: &'a [u8], bytes: &mut Vec<u8>) -> &'a [u8] {
    let (digits, rest) = match (kind, text.strip_prefix(b"{")) {
        (b'u', Some(inner)) => match inner.iter().position(|&byte| byte == b'}') {
            Some(end) => (&inner[..end], &inner[end + 1..]),
            None => return text,
        },
        _ => match text.split_at_checked(if kind == b'x' { 2 } else { 4 }) {
            Some(parts) => parts,
            None => return text,
        },
    };
    let number = std::str::from_utf8(digits).ok();
    let number = number.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let character = number
        .and_then(char::from_u32)
        .unwrap_or(char::REPLACEMENT_CHARACTER);
    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    rest
}
