//! What a Perl file asks for: `use`, `no`, `require`, `do`, and where it says these are to be searched.
//!
//! `use` is executed when the file is compiled, wherever it stands; `require` and `do` when control reaches them. Those
//! that stand alone at the top level always are; those in functions, conditions and `eval` may be.

#![forbid(unsafe_code)]

use crate::lexer::{Lexer, Token};
use crate::options::switches_of;
use crate::words::{PathText, items, list_words, path_alone};

/// What a file asks for, in the order in which it is executed as far as that is to be told.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// Executed while the file is compiled.
    pub(crate) compiled: Vec<Reference>,
    /// Executed afterwards.
    pub(crate) run: Vec<Reference>,
    /// How many search directories are computed and cannot be told.
    pub(crate) computed: u32,
    /// The switches in its first line.
    pub(crate) switches: Option<Vec<u8>>,
    /// Whether parts of it are loaded when they are called: AutoLoader.
    pub(crate) loads_itself: bool,
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
    /// A file searched in `@INC`: `A/B.pm`.
    Library(Vec<u8>),
    /// `require` or `do` with the name of a file.
    File(PathText),
    /// Directories for `@INC`.
    Include(Vec<PathText>, Place),
}

/// Where in `@INC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Front,
    Back,
    Removed,
}

/// How many things one file may ask for.
const REFERENCES: usize = 4_096;
/// How many tokens of one statement are looked at.
const TOKENS: usize = 1_024;
/// How deep the text of an `eval` is looked into.
const EVALS: u32 = 2;

/// A block that is open, and the statement that it interrupts.
struct Frame<'a> {
    outer: Vec<Token<'a>>,
    outer_parens: u32,
    conditional: bool,
    compiling: bool,
    /// Whether its end is the end of the statement that it is part of.
    ends: bool,
}

struct Reader<'a> {
    frames: Vec<Frame<'a>>,
    statement: Vec<Token<'a>>,
    parens: u32,
    conditional: bool,
    compiling: bool,
    /// Whether control does not get here: behind `exit` at the top level.
    ended: bool,
    /// Whether the last token closed a block.
    closed: bool,
    evals: u32,
    /// Whether nothing here is sure: the text of an `eval`.
    evaluated: bool,
    found: Source,
}

/// Reads a file; `extract` for `perl -x`, where the program begins at a line with `#!` and `perl`.
pub(crate) fn parse_source(text: &[u8], extract: bool) -> Source {
    let text = if extract { extracted(text) } else { text };
    let mut found = Source {
        switches: switches_of(text).map(<[u8]>::to_vec),
        ..Source::default()
    };
    read(text, 0, &mut found);
    let mut references = found.compiled.iter().chain(&found.run);
    let loader = Target::Library(b"AutoLoader.pm".to_vec());
    found.loads_itself = references.any(|reference| reference.target == loader);
    found
}

fn extracted(text: &[u8]) -> &[u8] {
    let mut at = 0;
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        if line.starts_with(b"#!") && line.windows(4).any(|four| four == b"perl") {
            break;
        }
        at += line.len();
    }
    &text[at..]
}

fn read(text: &[u8], evals: u32, found: &mut Source) {
    let mut reader = Reader {
        frames: Vec::new(),
        statement: Vec::new(),
        parens: 0,
        conditional: false,
        compiling: false,
        ended: false,
        closed: false,
        evals,
        evaluated: evals > 0,
        found: std::mem::take(found),
    };
    let mut lexer = Lexer::new(text);
    while let Some(token) = lexer.next() {
        reader.take(token);
    }
    reader.finish();
    while let Some(frame) = reader.frames.pop() {
        reader.statement = frame.outer;
        reader.conditional = true;
        reader.finish();
    }
    *found = reader.found;
}

/// Words that begin a statement wherever a block has ended before them.
fn begins_statement(word: &[u8]) -> bool {
    matches!(
        word,
        b"use"
            | b"no"
            | b"require"
            | b"package"
            | b"sub"
            | b"my"
            | b"our"
            | b"BEGIN"
            | b"push"
            | b"unshift"
            | b"eval"
            | b"return"
            | b"exit"
    )
}

/// Statements that a block ends.
fn ends_with_block(word: &[u8]) -> bool {
    matches!(
        word,
        b"if"
            | b"unless"
            | b"while"
            | b"until"
            | b"for"
            | b"foreach"
            | b"else"
            | b"elsif"
            | b"sub"
            | b"package"
            | b"class"
            | b"method"
            | b"given"
            | b"when"
            | b"default"
            | b"continue"
            | b"try"
            | b"catch"
            | b"finally"
            | b"defer"
            | b"BEGIN"
            | b"UNITCHECK"
            | b"CHECK"
            | b"INIT"
            | b"END"
    )
}

/// Words behind which, or before which in a modifier, control may not come by.
fn is_condition(word: &[u8]) -> bool {
    matches!(
        word,
        b"if" | b"unless" | b"while" | b"until" | b"for" | b"foreach" | b"elsif" | b"when"
    )
}

impl<'a> Reader<'a> {
    fn take(&mut self, token: Token<'a>) {
        let closed = std::mem::take(&mut self.closed);
        match token {
            Token::Open(false) => return self.open(),
            Token::Close(false) => return self.close(),
            Token::Sign(b';') => {
                let counted = matches!(self.statement.first(),
                    Some(Token::Word(b"for" | b"foreach")) if self.parens > 0);
                if !counted {
                    self.finish();
                }
                return;
            }
            Token::Word(word) if closed && begins_statement(word) => self.finish(),
            Token::Sign(b'(') => self.parens += 1,
            Token::Sign(b')') => self.parens = self.parens.saturating_sub(1),
            _ => {}
        }
        if self.statement.len() < TOKENS {
            self.statement.push(token);
        }
    }

    fn open(&mut self) {
        let first = match self.statement.first() {
            Some(&Token::Word(word)) => word,
            _ => b"",
        };
        let bare = self.statement.is_empty();
        let ends = bare || (ends_with_block(first) && self.parens == 0);
        let phase = matches!(first, b"BEGIN" | b"UNITCHECK" | b"CHECK" | b"INIT");
        let plain = bare || matches!(first, b"package" | b"class");
        self.frames.push(Frame {
            outer: std::mem::take(&mut self.statement),
            outer_parens: std::mem::take(&mut self.parens),
            conditional: self.conditional,
            compiling: self.compiling,
            ends,
        });
        self.conditional = !(ends && phase) && (self.conditional || !plain);
        self.compiling |= ends && phase;
    }

    fn close(&mut self) {
        self.finish();
        let Some(frame) = self.frames.pop() else {
            return;
        };
        self.statement = frame.outer;
        self.parens = frame.outer_parens;
        self.conditional = frame.conditional;
        self.compiling = frame.compiling;
        self.closed = true;
        if frame.ends {
            self.finish();
        }
    }

    fn add(&mut self, target: Target, sure: bool, compiled: bool) {
        let list = if compiled || self.compiling {
            &mut self.found.compiled
        } else {
            &mut self.found.run
        };
        if list.len() < REFERENCES {
            let sure = sure && !self.evaluated;
            list.push(Reference { target, sure });
        }
    }

    /// Looks at the statement that has ended.
    fn finish(&mut self) {
        self.parens = 0;
        let statement = std::mem::take(&mut self.statement);
        match statement.as_slice() {
            [] => {}
            [Token::Word(word @ (b"use" | b"no")), rest @ ..] => self.use_statement(word, rest),
            [Token::Word(b"exit" | b"return"), ..] => {
                self.other(&statement);
                let always = !self.compiling && self.frames.is_empty();
                self.ended |= always && condition(&statement).is_none();
            }
            _ => self.other(&statement),
        }
        // The room for tokens is used again.
        self.statement = statement;
        self.statement.clear();
    }

    fn use_statement(&mut self, word: &[u8], rest: &[Token<'a>]) {
        let Some((&Token::Word(name), list)) = rest.split_first() else {
            return;
        };
        if is_version(name) {
            return;
        }
        let Some(path) = library(name) else { return };
        self.add(Target::Library(path), true, true);
        match name {
            b"lib" => {
                let place = if word == b"use" {
                    Place::Front
                } else {
                    Place::Removed
                };
                self.include(list, place, true, true);
            }
            b"parent" | b"base" => {
                let words = list_words(list);
                if !words
                    .iter()
                    .any(|word| word == b"norequire" || word == b"-norequire")
                {
                    for path in words.iter().filter_map(|word| library(word)) {
                        self.add(Target::Library(path), true, true);
                    }
                }
            }
            // `use if CONDITION, MODULE => …`: it is the first word behind the first comma.
            b"if" => {
                let comma = list.iter().position(|token| *token == Token::Comma);
                let module = comma.and_then(|comma| named(list.get(comma + 1)?));
                if let Some(path) = module.and_then(library) {
                    self.add(Target::Library(path), false, true);
                }
            }
            b"autouse" | b"aliased" | b"maybe" => {
                if let Some(path) = list.first().and_then(named).and_then(library) {
                    self.add(Target::Library(path), false, true);
                }
            }
            _ => {}
        }
    }

    fn include(&mut self, list: &[Token<'a>], place: Place, sure: bool, compiled: bool) {
        let (paths, computed) = items(list);
        self.found.computed += computed;
        if !paths.is_empty() {
            self.add(Target::Include(paths, place), sure, compiled);
        }
    }

    /// A statement that is no `use`.
    fn other(&mut self, statement: &[Token<'a>]) {
        let always = !self.conditional && !self.ended;
        let condition = condition(statement);
        for (at, token) in statement.iter().enumerate() {
            let &Token::Word(word) = token else { continue };
            if at > 0 && statement[at - 1] == Token::Arrow {
                continue;
            }
            let rest = &statement[at + 1..];
            let sure = always && condition.is_none_or(|condition| condition.follows(at));
            match word {
                b"require" => self.require(rest, sure),
                b"do" => self.do_file(rest, sure),
                b"eval" => self.eval(rest),
                b"push" | b"unshift" => {
                    let rest = match rest {
                        [Token::Sign(b'('), rest @ ..] => rest,
                        rest => rest,
                    };
                    if let [Token::Variable(b'@', b"INC"), Token::Comma, list @ ..] = rest {
                        let front = word == b"unshift";
                        let place = if front { Place::Front } else { Place::Back };
                        self.include(list, place, sure, false);
                    }
                }
                // Moose and Moo load what a class is derived from.
                b"extends" | b"with" if at == 0 => {
                    for path in list_words(rest).iter().filter_map(|word| library(word)) {
                        self.add(Target::Library(path), false, false);
                    }
                }
                _ => {}
            }
        }
    }

    fn require(&mut self, rest: &[Token<'a>], sure: bool) {
        let rest = match rest {
            [Token::Sign(b'('), rest @ ..] => rest,
            rest => rest,
        };
        if let Some(path) = path_alone(rest) {
            return self.add(Target::File(path), sure, false);
        }
        match rest {
            // What a function or a method gives.
            [Token::Word(_), Token::Arrow | Token::Sign(b'('), ..] => {}
            [Token::Word(name), ..] if !is_version(name) && *name != b"__PACKAGE__" => {
                if let Some(path) = library(name) {
                    self.add(Target::Library(path), sure, false);
                }
            }
            _ => {}
        }
    }

    fn do_file(&mut self, rest: &[Token<'a>], sure: bool) {
        let rest = match rest {
            [Token::Sign(b'('), rest @ ..] => rest,
            rest => rest,
        };
        if let Some(path) = path_alone(rest) {
            self.add(Target::File(path), sure, false);
        }
    }

    fn eval(&mut self, rest: &[Token<'a>]) {
        let rest = match rest {
            [Token::Sign(b'('), rest @ ..] => rest,
            rest => rest,
        };
        if let [Token::Text(text, _), ..] = rest
            && self.evals < EVALS
        {
            read(text, self.evals + 1, &mut self.found);
        }
    }
}

/// Where a statement's conditions stand.
#[derive(Clone, Copy)]
struct Condition {
    /// The first operator or word that may keep control from what is behind it.
    first: usize,
    /// Whether the whole statement hangs on a modifier: `… if …`.
    modifier: bool,
}

impl Condition {
    /// Whether it concerns only what is behind the token at `at`.
    fn follows(self, at: usize) -> bool {
        !self.modifier && self.first > at
    }
}

fn condition(statement: &[Token<'_>]) -> Option<Condition> {
    let is_key = |at: usize| at > 0 && statement[at - 1] == Token::Arrow;
    let modifier = statement
        .iter()
        .enumerate()
        .any(|(at, token)| matches!(token, Token::Word(word) if is_condition(word)) && !is_key(at));
    let first = statement.iter().position(|token| match token {
        Token::Logic => true,
        Token::Word(word) => is_condition(word) || matches!(*word, b"and" | b"or" | b"xor"),
        _ => false,
    })?;
    Some(Condition { first, modifier })
}

fn is_version(name: &[u8]) -> bool {
    name.strip_prefix(b"v").is_some_and(|rest| {
        !rest.is_empty()
            && rest
                .iter()
                .all(|byte| byte.is_ascii_digit() || *byte == b'_')
    })
}

/// The bare or quoted name that a token is.
fn named<'a>(token: &Token<'a>) -> Option<&'a [u8]> {
    match *token {
        Token::Word(name) => Some(name),
        Token::Text(name, _) => Some(name),
        Token::List(words) => words
            .split(u8::is_ascii_whitespace)
            .find(|word| !word.is_empty()),
        _ => None,
    }
}

/// The path in `@INC` of a package: `A::B` and `A'B` → `A/B.pm`.
pub(crate) fn library(name: &[u8]) -> Option<Vec<u8>> {
    let name = name.strip_prefix(b"::").unwrap_or(name);
    let mut path = Vec::with_capacity(name.len() + 3);
    let mut rest = name;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b':' if tail.first() == Some(&b':') => {
                rest = &tail[1..];
                path.push(b'/');
            }
            b'\'' => path.push(b'/'),
            byte if byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80 => path.push(byte),
            _ => return None,
        }
    }
    while path.last() == Some(&b'/') {
        path.pop();
    }
    let starts_well = path.first().is_some_and(|byte| !byte.is_ascii_digit());
    (starts_well && path.len() < 1024).then(|| [path.as_slice(), b".pm"].concat())
}
