//! The language of `grub.cfg`: words and statements of the subset that grub-mkconfig writes (GRUB manual, *Writing full
//! configuration files directly*).
//!
//! Pure: bytes to statements. What is not of the subset, loops and pipes among it, is an error, and never passed over.

use std::rc::Rc;

/// Words, their pieces and line ends of a file: that of two hundred kernels has 40,000.
const TOKENS: usize = 200_000;
/// Words of a command.
pub(super) const WORDS: usize = 1000;
/// Statements inside statements.
const DEPTH: usize = 32;

/// A piece of a word, as it stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'t> {
    Text { bytes: &'t [u8], quoted: bool },
    Variable { name: &'t [u8], quoted: bool },
}

/// What the command line is made of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Word<'t> {
    pub(super) parts: Box<[Part<'t>]>,
}

pub(super) type Block<'t> = Rc<[Statement<'t>]>;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Statement<'t> {
    Command {
        words: Box<[Word<'t>]>,
        block: Option<Block<'t>>,
    },
    If {
        /// Conditions and what is done where one holds.
        arms: Vec<(Block<'t>, Block<'t>)>,
        otherwise: Block<'t>,
    },
    Function {
        name: &'t [u8],
        body: Block<'t>,
    },
}

#[derive(Debug, PartialEq, Eq)]
enum Token<'t> {
    Word(Word<'t>),
    /// A line's end, or `;`.
    End,
    Open,
    Close,
}

impl<'t> Part<'t> {
    /// The bytes of it in the text.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Text { bytes, .. } => bytes.len(),
            Self::Variable { name, .. } => name.len(),
        }
    }
}

impl<'t> Word<'t> {
    /// The word as it stands there, if nothing in it is quoted or a variable.
    pub(super) fn plain(&self) -> Option<&'t [u8]> {
        match *self.parts {
            [
                Part::Text {
                    bytes,
                    quoted: false,
                },
            ] => Some(bytes),
            _ => None,
        }
    }
}

/// The statements of a file; the error says what was not understood, and in which line.
pub(super) fn parse_script(text: &[u8]) -> Result<Block<'_>, String> {
    let mut parser = Parser {
        lexer: Lexer {
            text,
            at: 0,
            line: 1,
            tokens: 0,
            parts: Vec::new(),
            part_end: 0,
        },
        peeked: None,
        line: 1,
        depth: 0,
    };
    let (block, end) = parser.block(&[])?;
    match end {
        None => Ok(block),
        Some(end) => Err(format!("line {}: unexpected {end}", parser.line)),
    }
}

struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
    line: usize,
    /// How many there were.
    tokens: usize,
    /// The word that is being read.
    parts: Vec<Part<'t>>,
    /// Where its last part ends.
    part_end: usize,
}

impl<'t> Lexer<'t> {
    fn first(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// The next token, and the line that it begins in.
    fn token(&mut self) -> Result<Option<(usize, Token<'t>)>, String> {
        while let Some(byte) = self.first() {
            let line = self.line;
            let token = match byte {
                b' ' | b'\t' | b'\r' => {
                    self.at += 1;
                    continue;
                }
                b'#' => {
                    self.skip_to(|byte| byte == b'\n');
                    continue;
                }
                b'\\' if self.text[self.at..].starts_with(b"\\\n") => {
                    self.line += 1;
                    self.at += 2;
                    continue;
                }
                b'|' | b'&' | b'<' | b'>' => return Err(self.error("a redirection or pipe")),
                b'\n' | b';' => Token::End,
                b'{' => Token::Open,
                b'}' => Token::Close,
                _ => Token::Word(self.word()?),
            };
            if !matches!(token, Token::Word(_)) {
                self.line += usize::from(byte == b'\n');
                self.at += 1;
            }
            self.count()?;
            return Ok(Some((line, token)));
        }
        Ok(None)
    }

    fn error(&self, what: &str) -> String {
        format!("line {}: {what}", self.line)
    }

    fn count(&mut self) -> Result<(), String> {
        self.tokens += 1;
        match self.tokens > TOKENS {
            true => Err(self.error("too many words")),
            false => Ok(()),
        }
    }

    /// Goes on to the next byte that is such a one, or to the end, and counts lines.
    fn skip_to(&mut self, is_end: impl Fn(u8) -> bool) {
        let rest = &self.text[self.at..];
        let end = rest.iter().position(|&byte| is_end(byte));
        let passed = &rest[..end.unwrap_or(rest.len())];
        self.line += passed.iter().filter(|&&byte| byte == b'\n').count();
        self.at += passed.len();
    }

    /// Adds the text from a place up to here to the word.
    fn push(&mut self, start: usize, now_quoted: bool) -> Result<(), String> {
        let joined = start == self.part_end;
        if let Some(Part::Text { bytes, quoted }) = self.parts.last_mut()
            && *quoted == now_quoted
            && (joined || start == self.at)
        {
            let length = match joined {
                true => bytes.len() + (self.at - start),
                // Nothing: a word that has a quoted part already needs no other.
                false => return Ok(()),
            };
            *bytes = &self.text[self.at - length..self.at];
            self.part_end = self.at;
            return Ok(());
        }
        self.parts.push(Part::Text {
            bytes: &self.text[start..self.at],
            quoted: now_quoted,
        });
        self.part_end = self.at;
        self.count()
    }

    fn word(&mut self) -> Result<Word<'t>, String> {
        self.parts.clear();
        while let Some(byte) = self.first() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{' | b'}' => break,
                b'|' | b'&' | b'<' | b'>' => return Err(self.error("a redirection or pipe")),
                b'\'' => self.single_quoted()?,
                b'"' => self.double_quoted()?,
                b'$' => self.variable(false)?,
                b'\\' => match self.text.get(self.at + 1) {
                    Some(b'\n') => {
                        self.line += 1;
                        self.at += 2;
                    }
                    Some(_) => {
                        self.at += 2;
                        self.push(self.at - 1, true)?;
                    }
                    None => return Err(self.error("a backslash at the end")),
                },
                _ => {
                    let start = self.at;
                    self.skip_to(|byte| b" \t\r\n;{}|&<>'\"$\\".contains(&byte));
                    self.push(start, false)?;
                }
            }
        }
        Ok(Word {
            parts: self.parts.as_slice().into(),
        })
    }

    fn single_quoted(&mut self) -> Result<(), String> {
        self.at += 1;
        let start = self.at;
        self.skip_to(|byte| byte == b'\'');
        if self.first().is_none() {
            return Err(self.error("a quote without end"));
        }
        // Also if it is empty: `''` is a word.
        self.push(start, true)?;
        self.at += 1;
        Ok(())
    }

    fn double_quoted(&mut self) -> Result<(), String> {
        self.at += 1;
        self.push(self.at, true)?;
        loop {
            match (self.first(), self.text.get(self.at + 1)) {
                (Some(b'$'), _) => self.variable(true)?,
                (Some(b'"'), _) => {
                    self.at += 1;
                    return Ok(());
                }
                (Some(b'\\'), Some(b'\n')) => {
                    self.line += 1;
                    self.at += 2;
                }
                (Some(b'\\'), Some(b'$' | b'"' | b'\\')) => {
                    self.at += 2;
                    self.push(self.at - 1, true)?;
                }
                (Some(b'\\'), Some(_)) => {
                    self.at += 2;
                    self.push(self.at - 2, true)?;
                }
                (None, _) | (Some(b'\\'), None) => {
                    return Err(self.error("a quote without end"));
                }
                (Some(_), _) => {
                    let start = self.at;
                    self.skip_to(|byte| b"$\"\\".contains(&byte));
                    self.push(start, true)?;
                }
            }
        }
    }

    /// `$name`, `${name}`, `$?`, `$1`; a lone `$` stands for itself.
    fn variable(&mut self, quoted: bool) -> Result<(), String> {
        let dollar = self.at;
        self.at += 1;
        let rest = &self.text[self.at..];
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let (name, length) = match rest.first() {
            Some(b'{') => {
                let end = rest.iter().position(|&byte| byte == b'}');
                let end = end.ok_or_else(|| self.error("a variable without end"))?;
                (&rest[1..end], end + 1)
            }
            Some(b'?' | b'#' | b'*' | b'@') => (&rest[..1], 1),
            Some(byte) if byte.is_ascii_digit() => (&rest[..1], 1),
            Some(byte) if is_name(byte) => {
                let end = rest.iter().position(|byte| !is_name(byte));
                let end = end.unwrap_or(rest.len());
                (&rest[..end], end)
            }
            Some(b'"' | b'\'') if !quoted => return Err(self.error("a translated string")),
            _ => return self.push(dollar, quoted),
        };
        let special = matches!(name, b"?" | b"#" | b"*" | b"@");
        if name.is_empty() || !(special || name.iter().all(is_name)) {
            return Err(self.error("a variable with an odd name"));
        }
        self.parts.push(Part::Variable { name, quoted });
        self.at += length;
        self.count()
    }
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    /// The token that comes next, once it was looked at.
    peeked: Option<(usize, Token<'t>)>,
    line: usize,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn next(&mut self) -> Result<Option<Token<'t>>, String> {
        let next = match self.peeked.take() {
            Some(token) => Some(token),
            None => self.lexer.token()?,
        };
        Ok(next.map(|(line, token)| {
            self.line = line;
            token
        }))
    }

    fn peek(&mut self) -> Result<Option<&Token<'t>>, String> {
        if self.peeked.is_none() {
            self.peeked = self.lexer.token()?;
        }
        Ok(self.peeked.as_ref().map(|(_, token)| token))
    }

    fn error<T>(&self, what: &str) -> Result<T, String> {
        Err(format!("line {}: {what}", self.line))
    }

    /// Statements up to one of these words, or to the end of the text.
    fn block(
        &mut self,
        ends: &[&'static str],
    ) -> Result<(Block<'t>, Option<&'static str>), String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return self.error("nested too deeply");
        }
        let mut statements = Vec::new();
        let end = loop {
            match self.next()? {
                None => break None,
                Some(Token::End) => {}
                Some(Token::Open) => return self.error("a block of no command"),
                Some(Token::Close) if ends.contains(&"}") => break Some("}"),
                Some(Token::Close) => return self.error("unexpected }"),
                Some(Token::Word(first)) => {
                    let word = first.plain().unwrap_or_default();
                    if let Some(end) = ends.iter().find(|end| end.as_bytes() == word) {
                        break Some(*end);
                    }
                    statements.push(self.statement(first)?);
                }
            }
        };
        if end.is_none() && !ends.is_empty() {
            return self.error(&format!("the text ends before {}", ends.join(" or ")));
        }
        self.depth -= 1;
        Ok((statements.into(), end))
    }

    fn statement(&mut self, first: Word<'t>) -> Result<Statement<'t>, String> {
        match first.plain().unwrap_or_default() {
            b"if" => self.conditional(),
            b"function" => self.function(),
            b"while" | b"until" | b"for" | b"case" | b"select" => self.error("a loop or choice"),
            b"then" | b"else" | b"elif" | b"fi" | b"do" | b"done" => self.error("unexpected word"),
            _ => self.command(first),
        }
    }

    fn conditional(&mut self) -> Result<Statement<'t>, String> {
        let mut arms = Vec::new();
        loop {
            let (condition, _) = self.block(&["then"])?;
            let (body, end) = self.block(&["elif", "else", "fi"])?;
            arms.push((condition, body));
            let otherwise = match end {
                Some("elif") => continue,
                Some("else") => self.block(&["fi"])?.0,
                _ => Rc::from([]),
            };
            return Ok(Statement::If { arms, otherwise });
        }
    }

    fn function(&mut self) -> Result<Statement<'t>, String> {
        let Some(Token::Word(name)) = self.next()? else {
            return self.error("a function without a name");
        };
        let Some(name) = name.plain() else {
            return self.error("a function with an odd name");
        };
        loop {
            match self.next()? {
                Some(Token::End) => {}
                Some(Token::Open) => break,
                _ => return self.error("a function without a body"),
            }
        }
        let (body, _) = self.block(&["}"])?;
        Ok(Statement::Function { name, body })
    }

    fn command(&mut self, first: Word<'t>) -> Result<Statement<'t>, String> {
        let mut words = vec![first];
        let mut block = None;
        loop {
            match self.peek()? {
                None | Some(Token::End | Token::Close) => break,
                Some(Token::Open) => {
                    self.next()?;
                    block = Some(self.block(&["}"])?.0);
                    break;
                }
                Some(Token::Word(_)) => {
                    if words.len() == WORDS {
                        return self.error("a command of too many words");
                    }
                    if let Some(Token::Word(word)) = self.next()? {
                        words.push(word);
                    }
                }
            }
        }
        Ok(Statement::Command {
            words: words.into(),
            block,
        })
    }
}
