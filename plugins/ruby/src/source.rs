//! What a Ruby file asks for: `require`, `require_relative`, `load`, `autoload`, and where it says to search.
//!
//! What stands at the top level of a file, or of a class in it, is executed whenever the file is; what stands in
//! methods, blocks, conditions and `begin … rescue` may be.

#![forbid(unsafe_code)]

use crate::expression::{Path, argument};
use crate::lexer::{Lexer, Token};

/// What a file asks for, in its order.
#[derive(Debug, Default)]
pub(crate) struct Source {
    pub(crate) references: Vec<Reference>,
}

/// One thing that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) target: Target,
    /// Whether it is, whenever the file is executed.
    pub(crate) sure: bool,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// `require`.
    Feature(Path),
    /// `require_relative`.
    Relative(Path),
    /// `load`.
    Load(Path),
    /// A file that was found already.
    Found(Vec<u8>),
    /// A directory for `$LOAD_PATH`, in front or behind.
    Include(Path, bool),
    /// The program of a gem: `Gem.activate_bin_path('rake', 'rake')`.
    Program(Vec<u8>, Vec<u8>),
    /// `Bundler.setup`, and whether all gems are loaded: `Bundler.require`.
    Bundle(bool),
}

const REFERENCES: usize = 4_096;
const TOKENS: usize = 256;
const DEPTH: usize = 10_000;

/// What opened a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opened {
    Brace,
    Word,
    /// `while`, `until`, `for`: the next `do` belongs to it.
    Loop,
}

struct Frame<'a> {
    outer: Vec<Token<'a>>,
    outer_modified: bool,
    outer_parens: u32,
    conditional: bool,
    opened: Opened,
}

#[derive(Default)]
struct Reader<'a> {
    frames: Vec<Frame<'a>>,
    statement: Vec<Token<'a>>,
    /// Whether the statement ends in a condition: `… if x`, `… rescue y`.
    modified: bool,
    parens: u32,
    conditional: bool,
    /// Behind `def NAME`: `=` there makes a method without `end`.
    method: bool,
    /// Whether control does not get here.
    ended: bool,
    found: Source,
}

/// Reads a file; `extract` for `ruby -x`, where the program begins at a line with `#!` and `ruby`.
pub(crate) fn parse_source(text: &[u8], extract: bool) -> Source {
    let mut start = 0;
    if extract {
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            if line.starts_with(b"#!") && line.windows(4).any(|four| four == b"ruby") {
                break;
            }
            start += line.len();
        }
    }
    let mut reader = Reader::default();
    let mut lexer = Lexer::new(&text[start..]);
    while let Some(token) = lexer.next() {
        reader.take(token);
        if reader.frames.len() > DEPTH {
            break;
        }
    }
    reader.finish();
    while let Some(frame) = reader.frames.pop() {
        reader.statement = frame.outer;
        reader.conditional = true;
        reader.finish();
    }
    reader.found
}

impl<'a> Reader<'a> {
    fn take(&mut self, token: Token<'a>) {
        if self.method && self.head(token) {
            return;
        }
        match token {
            Token::End => {
                if let Some(frame) = self.frames.last_mut()
                    && frame.opened == Opened::Loop
                {
                    frame.opened = Opened::Word;
                }
                // A statement of that length has lost its closing parenthesis.
                if self.parens == 0 || self.statement.len() >= TOKENS {
                    self.finish();
                }
                return;
            }
            Token::Keyword(word, begins) if self.keyword(word, begins) => return,
            Token::Sign(b'{') => return self.open(Opened::Brace, true),
            Token::Sign(b'}') => {
                if self
                    .frames
                    .last()
                    .is_some_and(|frame| frame.opened == Opened::Brace)
                {
                    self.close();
                }
                return;
            }
            Token::Sign(b'(' | b'[') => self.parens += 1,
            Token::Sign(b')' | b']') => self.parens = self.parens.saturating_sub(1),
            _ => {}
        }
        if self.statement.len() < TOKENS {
            self.statement.push(token);
        }
    }

    /// What follows `def NAME`; whether the token is used up.
    fn head(&mut self, token: Token<'a>) -> bool {
        match token {
            Token::Sign(b'(' | b'[') => self.parens += 1,
            Token::Sign(b')' | b']') => self.parens = self.parens.saturating_sub(1),
            _ if self.parens > 0 => {}
            Token::Sign(b'=') => {
                // The rest of the line is its body: run when it is called.
                self.method = false;
                self.close();
                self.modified = true;
            }
            _ => {
                self.method = false;
                return false;
            }
        }
        true
    }

    /// A keyword; whether it is used up.
    fn keyword(&mut self, word: &[u8], begins: bool) -> bool {
        match word {
            b"def" => {
                self.open(Opened::Word, true);
                self.method = true;
            }
            b"class" | b"module" => self.open(Opened::Word, false),
            b"begin" | b"case" => self.open(Opened::Word, true),
            b"if" | b"unless" if begins => self.open(Opened::Word, true),
            b"while" | b"until" if begins => self.open(Opened::Loop, true),
            b"for" => self.open(Opened::Loop, true),
            // It stays where it is: an argument ends there.
            b"if" | b"unless" | b"while" | b"until" => {
                self.modified = true;
                return false;
            }
            b"rescue" if !self.statement.is_empty() => {
                self.modified = true;
                return false;
            }
            b"do" => match self.frames.last_mut() {
                Some(frame) if frame.opened == Opened::Loop => {
                    frame.opened = Opened::Word;
                    self.finish();
                }
                _ => self.open(Opened::Word, true),
            },
            b"end" => self.end(),
            b"else" | b"elsif" | b"when" | b"in" | b"rescue" | b"ensure" | b"then" => self.finish(),
            _ => return false,
        }
        true
    }

    fn open(&mut self, opened: Opened, conditional: bool) {
        self.frames.push(Frame {
            outer: std::mem::take(&mut self.statement),
            outer_modified: std::mem::take(&mut self.modified),
            outer_parens: std::mem::take(&mut self.parens),
            conditional: self.conditional,
            opened,
        });
        self.conditional |= conditional;
    }

    fn close(&mut self) {
        self.method = false;
        self.finish();
        let Some(frame) = self.frames.pop() else {
            return;
        };
        self.statement = frame.outer;
        self.modified = frame.outer_modified;
        self.parens = frame.outer_parens;
        self.conditional = frame.conditional;
        if self.statement.len() < TOKENS {
            self.statement.push(Token::Opaque);
        }
    }

    /// `end`: braces that are still open were none.
    fn end(&mut self) {
        while self
            .frames
            .last()
            .is_some_and(|frame| frame.opened == Opened::Brace)
        {
            self.close();
        }
        self.close();
    }

    fn add(&mut self, target: Target, sure: bool) {
        if self.found.references.len() < REFERENCES {
            self.found.references.push(Reference { target, sure });
        }
    }

    fn finish(&mut self) {
        self.parens = 0;
        let modified = std::mem::take(&mut self.modified);
        let statement = std::mem::take(&mut self.statement);
        let mut always = !self.conditional && !self.ended && !modified;
        for (at, token) in statement.iter().enumerate() {
            let behind = &statement[at + 1..];
            match *token {
                Token::Logic | Token::Keyword(b"and" | b"or", _) => always = false,
                Token::Word(word) => self.word(word, &statement[..at], behind, always),
                Token::Global(b"LOAD_PATH" | b":") => self.load_path(behind, always),
                _ => {}
            }
        }
        let first = statement.first();
        let leaves = matches!(
            first,
            Some(Token::Word(b"exit" | b"exit!" | b"abort") | Token::Keyword(b"return", _))
        );
        self.ended |= leaves && always && self.frames.is_empty();
        // The room for tokens is used again.
        self.statement = statement;
        self.statement.clear();
    }

    fn word(&mut self, word: &[u8], before: &[Token<'a>], behind: &[Token<'a>], always: bool) {
        let receiver = match before {
            [.., Token::Word(name), Token::Dot] => Some(*name),
            [.., Token::Dot] => Some(&b""[..]),
            _ => None,
        };
        let kernel = matches!(receiver, None | Some(b"Kernel" | b"Object"));
        let first = || argument(behind, 0);
        match word {
            b"require" if kernel => {
                if let Some(path) = first() {
                    self.add(Target::Feature(path), always);
                }
            }
            b"require_relative" if kernel => {
                if let Some(path) = first() {
                    self.add(Target::Relative(path), always);
                }
            }
            b"load" if kernel => {
                if let Some(path) = first() {
                    self.add(Target::Load(path), always);
                }
            }
            // Loaded when the constant is first used, if ever.
            b"autoload" => {
                let Some(path) = argument(behind, 1) else {
                    return;
                };
                self.add(Target::Feature(path), false);
            }
            b"autoload_relative" => {
                let Some(path) = argument(behind, 1) else {
                    return;
                };
                self.add(Target::Relative(path), false);
            }
            b"activate_bin_path" | b"bin_path" if receiver == Some(b"Gem") => {
                if let (Some(Path::Text(gem)), Some(Path::Text(program))) =
                    (first(), argument(behind, 1))
                {
                    self.add(Target::Program(gem, program), !self.ended);
                }
            }
            b"require" | b"setup" if receiver == Some(b"Bundler") => {
                self.add(Target::Bundle(word == b"require"), always);
            }
            _ => {}
        }
    }

    /// `$LOAD_PATH.unshift …`, `$: << …`.
    fn load_path(&mut self, behind: &[Token<'a>], always: bool) {
        let (front, list) = match behind {
            [Token::Shift, list @ ..] => (false, list),
            [Token::Dot, Token::Word(b"unshift" | b"prepend"), list @ ..] => (true, list),
            [
                Token::Dot,
                Token::Word(b"push" | b"append" | b"<<"),
                list @ ..,
            ] => (false, list),
            _ => return,
        };
        for number in 0..8 {
            let Some(path) = argument(list, number) else {
                break;
            };
            self.add(Target::Include(path, front), always);
        }
    }
}
