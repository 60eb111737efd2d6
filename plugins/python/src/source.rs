//! What one source file asks for: its imports and when they are executed. Pure.
#![forbid(unsafe_code)]

use crate::block::{Blocks, Header};
use crate::lex::{Lexer, Token};

/// When a statement of a module is executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum When {
    /// Never: `if TYPE_CHECKING:`.
    Never,
    /// Perhaps: in functions and under conditions.
    Maybe,
    /// Where the module is the main program, and only there.
    Main,
    /// Whenever the module is imported.
    Always,
}

/// Which names an import takes out of its module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Names {
    /// None: `import a.b`.
    Module,
    /// These; each may be a submodule.
    These(Vec<Vec<u8>>),
    /// `*`: those of `__all__`.
    All,
}

/// One module that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Import {
    /// Leading dots.
    pub(crate) level: usize,
    /// The dotted name after them; may be empty if there are any.
    pub(crate) module: Vec<u8>,
    /// What is taken out of it.
    pub(crate) names: Names,
    /// When.
    pub(crate) when: When,
    /// Whether it is a call and no statement.
    pub(crate) call: bool,
    /// The number of the `try` in whose body it stands, 0 for none: if it fails, what follows there is not executed.
    pub(crate) guard: u32,
    /// The number of the `try` of whose `except ImportError` it is a part.
    pub(crate) fallback: u32,
}

/// What was learnt from a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Source {
    /// In the order of the file.
    pub(crate) imports: Vec<Import>,
    /// The strings of `__all__`.
    pub(crate) exported: Vec<Vec<u8>>,
    /// Absolute directories that it adds to `sys.path` as plain strings, and whether in front.
    pub(crate) paths: Vec<(Vec<u8>, bool)>,
}

/// Imports that are kept of one file.
const IMPORTS: usize = 4096;
/// The longest dotted name.
const NAME: usize = 512;

/// Reads a source.
pub(crate) fn parse_source(text: &[u8]) -> Source {
    let mut source = parse_with_never(text);
    source.imports.retain(|import| import.when > When::Never);
    source
}

/// Import statements, those that are never executed among them, and nothing else: what a parser sees.
#[cfg(test)]
pub(crate) fn parse_all(text: &[u8]) -> Vec<Import> {
    let mut imports = parse_with_never(text).imports;
    imports.retain(|import| !import.call);
    imports
}

fn parse_with_never(text: &[u8]) -> Source {
    let mut lexer = Lexer::new(text);
    let mut blocks = Blocks::default();
    let mut source = Source::default();
    let mut words = Words::new(text);
    let mut line = Vec::new();
    let mut bodies = Bodies::new(text);
    while let Some(indent) = lexer.next_line()
        && source.imports.len() < IMPORTS
    {
        let start = lexer.at();
        if !lexer.may_be_empty() && !Header::may_begin(lexer.name()) {
            let end = lexer.line_end();
            match words.next(start) {
                None => break,
                Some(word) if word >= end => {
                    blocks.place(indent);
                    lexer.go_to(end);
                    continue;
                }
                Some(_) => {}
            }
        }
        lexer.read_line(&mut line);
        if line.is_empty() {
            continue;
        }
        let mut tokens = line.as_slice();
        let mut place = blocks.place(indent);
        if let Some((header, rest)) = Header::of(tokens) {
            if rest.is_empty() {
                let word = words.next(lexer.at());
                bodies.pass_over(&mut lexer, indent, word);
            }
            place = blocks.open(indent, header);
            tokens = rest;
            let around = blocks.around(indent);
            let first = source.imports.len();
            expressions(&line[..line.len() - rest.len()], &mut source);
            for import in &mut source.imports[first..] {
                import.when = import.when.min(around);
            }
        }
        for statement in tokens.split(|&token| token == Token::Op(b';')) {
            let first = source.imports.len();
            simple(statement, &mut source);
            for import in &mut source.imports[first..] {
                import.when = import.when.min(place.when);
                (import.guard, import.fallback) = (place.guard, place.fallback);
            }
        }
    }
    source
}

/// Bodies of compound statements, of which those without a word of interest are passed over as a whole.
struct Bodies {
    /// How much may still be looked at in vain: bodies lie in bodies.
    spare: usize,
}

impl Bodies {
    fn new(text: &[u8]) -> Self {
        let spare = text.len().saturating_mul(4);
        Self { spare }
    }

    /// Goes behind the lines that are indented deeper, if the word comes after them.
    fn pass_over(&mut self, lexer: &mut Lexer<'_>, indent: usize, word: Option<usize>) {
        let start = lexer.at();
        let word = word.unwrap_or(usize::MAX);
        let mut end = start;
        while self.spare > end - start
            && end <= word
            && let Some(deeper) = lexer.next_line()
        {
            if deeper <= indent {
                // Back to where the line begins, blanks and all.
                return lexer.go_to(end);
            }
            lexer.skip_line();
            end = lexer.at();
        }
        if end > word || self.spare <= end - start {
            self.spare = self.spare.saturating_sub(end - start);
            lexer.go_to(start);
        }
    }
}

/// Where the words are without which a line says nothing here. `sys . path` with blanks nobody writes.
struct Words<'a> {
    all: [Word<'a>; 3],
}

struct Word<'a> {
    places: memchr::memmem::FindIter<'a, 'static>,
    next: Option<usize>,
}

impl<'a> Words<'a> {
    fn new(text: &'a [u8]) -> Self {
        let word = |word: &'static str| {
            let mut places = memchr::memmem::find_iter(text, word);
            let next = places.next();
            Word { places, next }
        };
        Self {
            all: ["import", "__all__", "sys.path"].map(word),
        }
    }

    /// The first at or after a place; places are asked for in their order.
    fn next(&mut self, from: usize) -> Option<usize> {
        for word in &mut self.all {
            while word.next.is_some_and(|next| next < from) {
                word.next = word.places.next();
            }
        }
        self.all.iter().filter_map(|word| word.next).min()
    }
}

fn simple(tokens: &[Token<'_>], source: &mut Source) {
    match tokens {
        [Token::Name(b"import"), rest @ ..] => plain_imports(rest, source),
        [Token::Name(b"from"), rest @ ..] => from_import(rest, source),
        _ => {
            assignments(tokens, source);
            expressions(tokens, source);
        }
    }
}

fn is_keyword(name: &[u8]) -> bool {
    matches!(name, b"import" | b"as" | b"from")
}

/// A dotted name, its tokens joined: blanks may stand around the dots.
fn dotted<'a, 't>(mut tokens: &'t [Token<'a>]) -> (Vec<u8>, &'t [Token<'a>]) {
    let mut name = Vec::new();
    while let [Token::Name(part), rest @ ..] = tokens
        && !is_keyword(part)
    {
        name.extend_from_slice(part);
        tokens = rest;
        let [Token::Op(b'.'), rest @ ..] = tokens else {
            break;
        };
        name.push(b'.');
        tokens = rest;
    }
    (name, tokens)
}

fn push(source: &mut Source, level: usize, module: Vec<u8>, names: Names, when: When) {
    let named = !module.is_empty() || level > 0;
    if named && module.len() <= NAME && !module.ends_with(b".") && source.imports.len() < IMPORTS {
        source.imports.push(Import {
            level,
            module,
            names,
            when,
            call: when == When::Maybe,
            guard: 0,
            fallback: 0,
        });
    }
}

/// `import a.b as c, d`.
fn plain_imports(tokens: &[Token<'_>], source: &mut Source) {
    for part in tokens.split(|&token| token == Token::Op(b',')) {
        let (name, _) = dotted(part);
        push(source, 0, name, Names::Module, When::Always);
    }
}

/// `from ..p import (y, z as w)`.
fn from_import(mut tokens: &[Token<'_>], source: &mut Source) {
    let mut level = 0;
    while let [Token::Op(b'.'), rest @ ..] = tokens {
        level += 1;
        tokens = rest;
    }
    let (module, rest) = dotted(tokens);
    let [Token::Name(b"import"), rest @ ..] = rest else {
        return;
    };
    let mut names = Vec::new();
    for part in rest.split(|&token| token == Token::Op(b',')) {
        let part = match part {
            [Token::Op(b'('), part @ ..] => part,
            part => part,
        };
        match part.first() {
            Some(Token::Op(b'*')) => return push(source, level, module, Names::All, When::Always),
            Some(Token::Name(name)) if name.len() <= NAME => names.push(name.to_vec()),
            _ => {}
        }
    }
    push(source, level, module, Names::These(names), When::Always);
}

/// `__all__ = [...]`, `__all__ += [...]`, `sys.path.insert(0, "/x")`, `sys.path.append("/x")`.
fn assignments(tokens: &[Token<'_>], source: &mut Source) {
    match tokens {
        [Token::Name(b"__all__"), rest @ ..] => {
            let strings = rest.iter().filter_map(|token| match token {
                Token::Text { text, plain: true } => Some(text.to_vec()),
                _ => None,
            });
            let room = IMPORTS.saturating_sub(source.exported.len());
            source.exported.extend(strings.take(room));
        }
        [
            Token::Name(b"sys"),
            Token::Op(b'.'),
            Token::Name(b"path"),
            Token::Op(b'.'),
            Token::Name(how @ (b"insert" | b"append")),
            Token::Op(b'('),
            rest @ ..,
        ] => {
            let text = match rest {
                [
                    Token::Number(_),
                    Token::Op(b','),
                    Token::Text { text, plain: true },
                    Token::Op(b')'),
                ] => text,
                [Token::Text { text, plain: true }, Token::Op(b')')] => text,
                _ => return,
            };
            if text.starts_with(b"/") && source.paths.len() < 16 {
                source.paths.push((text.to_vec(), *how == b"insert"));
            }
        }
        _ => {}
    }
}

/// `importlib.import_module("x")`, `import_module(".x", __package__)`, `__import__("x")` anywhere in an expression.
fn expressions(tokens: &[Token<'_>], source: &mut Source) {
    for (at, token) in tokens.iter().enumerate() {
        let Token::Name(b"import_module" | b"__import__") = token else {
            continue;
        };
        let Some(
            [
                Token::Op(b'('),
                Token::Text { text, plain: true },
                Token::Op(b')' | b','),
            ],
        ) = tokens.get(at + 1..at + 4)
        else {
            continue;
        };
        let level = text.iter().take_while(|&&byte| byte == b'.').count();
        let name = &text[level..];
        let is_name = |part: &[u8]| {
            !part.is_empty()
                && part
                    .iter()
                    .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80)
        };
        if name.split(|&byte| byte == b'.').all(is_name) {
            push(source, level, name.to_vec(), Names::Module, When::Maybe);
        }
    }
}
