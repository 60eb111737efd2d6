//! The language of `grub.cfg`: words and statements of the subset that grub-mkconfig writes (GRUB manual, *Writing full
//! configuration files directly*).
//!
//! Pure: bytes to statements. What is not of the subset, loops and pipes among it, is an error, and never passed over.

use std::rc::Rc;

/// Words and line ends of a file: that of two hundred kernels has 30,000.
const TOKENS: usize = 200_000;
/// Words of a command.
const WORDS: usize = 1000;
/// Statements inside statements.
const DEPTH: usize = 32;

/// A piece of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text { bytes: Vec<u8>, quoted: bool },
    Variable { name: Vec<u8>, quoted: bool },
}

/// What the command line is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) parts: Vec<Part>,
}

pub(super) type Block = Rc<[Statement]>;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Statement {
    Command {
        words: Vec<Word>,
        block: Option<Block>,
    },
    If {
        /// Conditions and what is done where one holds.
        arms: Vec<(Block, Block)>,
        otherwise: Block,
    },
    Function {
        name: Vec<u8>,
        body: Block,
    },
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(Word),
    /// A line's end, or `;`.
    End,
    Open,
    Close,
}

impl Word {
    /// The word as it stands there, if nothing in it is quoted or a variable.
    pub(super) fn plain(&self) -> Option<&[u8]> {
        match self.parts.as_slice() {
            [
                Part::Text {
                    bytes,
                    quoted: false,
                },
            ] => Some(bytes),
            _ => None,
        }
    }

    fn push(&mut self, byte: u8, now_quoted: bool) {
        if let Some(Part::Text { bytes, quoted }) = self.parts.last_mut()
            && *quoted == now_quoted
        {
            bytes.push(byte);
        } else {
            self.parts.push(Part::Text {
                bytes: vec![byte],
                quoted: now_quoted,
            });
        }
    }
}

/// The statements of a file; the error says what was not understood, and in which line.
pub(super) fn parse_script(text: &[u8]) -> Result<Block, String> {
    let tokens = Lexer {
        rest: text,
        line: 1,
        tokens: Vec::new(),
    }
    .tokens()?;
    let mut parser = Parser {
        tokens: tokens.into_iter().peekable(),
        line: 1,
        depth: 0,
    };
    let (block, end) = parser.block(&[])?;
    match end {
        None => Ok(block),
        Some(end) => Err(format!("line {}: unexpected {end}", parser.line)),
    }
}

struct Lexer<'a> {
    rest: &'a [u8],
    line: usize,
    /// With the line each is in.
    tokens: Vec<(usize, Token)>,
}

impl Lexer<'_> {
    fn tokens(mut self) -> Result<Vec<(usize, Token)>, String> {
        while let Some(&byte) = self.rest.first() {
            if self.tokens.len() > TOKENS {
                return Err(self.error("too many words"));
            }
            match byte {
                b'\n' => self.single(Token::End),
                b';' => self.single(Token::End),
                b'{' => self.single(Token::Open),
                b'}' => self.single(Token::Close),
                b' ' | b'\t' | b'\r' => self.rest = &self.rest[1..],
                b'#' => {
                    let end = self.rest.iter().position(|&byte| byte == b'\n');
                    self.rest = &self.rest[end.unwrap_or(self.rest.len())..];
                }
                b'\\' if self.rest.starts_with(b"\\\n") => {
                    self.line += 1;
                    self.rest = &self.rest[2..];
                }
                b'|' | b'&' | b'<' | b'>' => return Err(self.error("a redirection or pipe")),
                _ => {
                    let line = self.line;
                    let word = self.word()?;
                    self.tokens.push((line, Token::Word(word)));
                }
            }
        }
        Ok(self.tokens)
    }

    fn single(&mut self, token: Token) {
        self.tokens.push((self.line, token));
        self.line += usize::from(self.rest[0] == b'\n');
        self.rest = &self.rest[1..];
    }

    fn error(&self, what: &str) -> String {
        format!("line {}: {what}", self.line)
    }

    fn next(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.line += usize::from(byte == b'\n');
        self.rest = rest;
        Some(byte)
    }

    fn word(&mut self) -> Result<Word, String> {
        let mut word = Word::default();
        while let Some(&byte) = self.rest.first() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{' | b'}' => break,
                b'|' | b'&' | b'<' | b'>' => return Err(self.error("a redirection or pipe")),
                b'\'' => self.single_quoted(&mut word)?,
                b'"' => self.double_quoted(&mut word)?,
                b'$' => self.variable(&mut word, false)?,
                b'\\' => {
                    self.next();
                    match self.next() {
                        Some(b'\n') => {}
                        Some(byte) => word.push(byte, true),
                        None => return Err(self.error("a backslash at the end")),
                    }
                }
                _ => {
                    self.next();
                    word.push(byte, false);
                }
            }
        }
        Ok(word)
    }

    fn single_quoted(&mut self, word: &mut Word) -> Result<(), String> {
        self.next();
        word.parts.push(quoted_nothing());
        loop {
            match self.next() {
                Some(b'\'') => return Ok(()),
                Some(byte) => word.push(byte, true),
                None => return Err(self.error("a quote without end")),
            }
        }
    }

    fn double_quoted(&mut self, word: &mut Word) -> Result<(), String> {
        self.next();
        word.parts.push(quoted_nothing());
        loop {
            match self.rest.first() {
                Some(b'$') => self.variable(word, true)?,
                Some(b'"') => {
                    self.next();
                    return Ok(());
                }
                Some(b'\\') => {
                    self.next();
                    match self.next() {
                        Some(b'\n') => {}
                        Some(byte @ (b'$' | b'"' | b'\\')) => word.push(byte, true),
                        Some(byte) => {
                            word.push(b'\\', true);
                            word.push(byte, true);
                        }
                        None => return Err(self.error("a quote without end")),
                    }
                }
                Some(&byte) => {
                    self.next();
                    word.push(byte, true);
                }
                None => return Err(self.error("a quote without end")),
            }
        }
    }

    /// `$name`, `${name}`, `$?`, `$1`; a lone `$` stands for itself.
    fn variable(&mut self, word: &mut Word, quoted: bool) -> Result<(), String> {
        self.next();
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let (name, length) = match self.rest.first() {
            Some(b'{') => {
                let end = self.rest.iter().position(|&byte| byte == b'}');
                let end = end.ok_or_else(|| self.error("a variable without end"))?;
                (&self.rest[1..end], end + 1)
            }
            Some(b'?' | b'#' | b'*' | b'@') => (&self.rest[..1], 1),
            Some(byte) if byte.is_ascii_digit() => (&self.rest[..1], 1),
            Some(byte) if is_name(byte) => {
                let end = self.rest.iter().position(|byte| !is_name(byte));
                let end = end.unwrap_or(self.rest.len());
                (&self.rest[..end], end)
            }
            Some(b'"' | b'\'') if !quoted => return Err(self.error("a translated string")),
            _ => {
                word.push(b'$', quoted);
                return Ok(());
            }
        };
        let special = matches!(name, b"?" | b"#" | b"*" | b"@");
        if name.is_empty() || !(special || name.iter().all(is_name)) {
            return Err(self.error("a variable with an odd name"));
        }
        word.parts.push(Part::Variable {
            name: name.to_vec(),
            quoted,
        });
        self.rest = &self.rest[length..];
        Ok(())
    }
}

/// So that `''` is a word.
fn quoted_nothing() -> Part {
    Part::Text {
        bytes: Vec::new(),
        quoted: true,
    }
}

struct Parser<I: Iterator<Item = (usize, Token)>> {
    tokens: std::iter::Peekable<I>,
    line: usize,
    depth: usize,
}

impl<I: Iterator<Item = (usize, Token)>> Parser<I> {
    fn next(&mut self) -> Option<Token> {
        let (line, token) = self.tokens.next()?;
        self.line = line;
        Some(token)
    }

    fn error<T>(&self, what: &str) -> Result<T, String> {
        Err(format!("line {}: {what}", self.line))
    }

    /// Statements up to one of these words, or to the end of the text.
    fn block(&mut self, ends: &[&'static str]) -> Result<(Block, Option<&'static str>), String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return self.error("nested too deeply");
        }
        let mut statements = Vec::new();
        let end = loop {
            match self.next() {
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

    fn statement(&mut self, first: Word) -> Result<Statement, String> {
        match first.plain().unwrap_or_default() {
            b"if" => self.conditional(),
            b"function" => self.function(),
            b"while" | b"until" | b"for" | b"case" | b"select" => self.error("a loop or choice"),
            b"then" | b"else" | b"elif" | b"fi" | b"do" | b"done" => self.error("unexpected word"),
            _ => self.command(first),
        }
    }

    fn conditional(&mut self) -> Result<Statement, String> {
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

    fn function(&mut self) -> Result<Statement, String> {
        let Some(Token::Word(name)) = self.next() else {
            return self.error("a function without a name");
        };
        let Some(name) = name.plain().map(<[u8]>::to_vec) else {
            return self.error("a function with an odd name");
        };
        loop {
            match self.next() {
                Some(Token::End) => {}
                Some(Token::Open) => break,
                _ => return self.error("a function without a body"),
            }
        }
        let (body, _) = self.block(&["}"])?;
        Ok(Statement::Function { name, body })
    }

    fn command(&mut self, first: Word) -> Result<Statement, String> {
        let mut words = vec![first];
        let mut block = None;
        loop {
            match self.tokens.peek() {
                None | Some((_, Token::End | Token::Close)) => break,
                Some((_, Token::Open)) => {
                    self.next();
                    block = Some(self.block(&["}"])?.0);
                    break;
                }
                Some((_, Token::Word(_))) => {
                    if words.len() == WORDS {
                        return self.error("a command of too many words");
                    }
                    if let Some(Token::Word(word)) = self.next() {
                        words.push(word);
                    }
                }
            }
        }
        Ok(Statement::Command { words, block })
    }
}
