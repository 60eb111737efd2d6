//! Paths whose value can be told from the text: literals, and what is built from the place of a file.

#![forbid(unsafe_code)]

use unstale_plugin::{directory_of, join};

use crate::lexer::{Lexer, Token};

/// An expression that gives a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Path {
    Text(Vec<u8>),
    /// `__FILE__`
    ThisFile,
    /// `__dir__`
    ThisDirectory,
    /// `a + b`, `"#{a}b"`
    Joined(Vec<Path>),
    /// `File.join(a, b)`
    Components(Vec<Path>),
    /// `File.expand_path(path, directory)`
    Expanded(Box<Path>, Option<Box<Path>>),
    /// `File.dirname(path)`
    Directory(Box<Path>),
}

const DEPTH: u32 = 8;
const PARTS: usize = 16;

impl Path {
    /// The path, in the file at `file`.
    pub(crate) fn value(&self, file: Option<&[u8]>, cwd: Option<&[u8]>) -> Option<Vec<u8>> {
        let value = match self {
            Self::Text(text) => text.clone(),
            Self::ThisFile => file?.to_vec(),
            Self::ThisDirectory => directory_of(file?).to_vec(),
            Self::Joined(parts) => {
                let parts: Option<Vec<_>> =
                    parts.iter().map(|part| part.value(file, cwd)).collect();
                parts?.concat()
            }
            Self::Components(parts) => {
                let parts: Option<Vec<_>> =
                    parts.iter().map(|part| part.value(file, cwd)).collect();
                parts?.join(&b'/')
            }
            Self::Expanded(path, directory) => {
                let path = path.value(file, cwd)?;
                let directory = match directory {
                    Some(directory) => directory.value(file, cwd)?,
                    None if path.starts_with(b"/") => b"/".to_vec(),
                    None => cwd?.to_vec(),
                };
                join(&directory, &path)
            }
            Self::Directory(path) => directory_of(&path.value(file, cwd)?).to_vec(),
        };
        (value.len() < 4096 && !value.contains(&0)).then_some(value)
    }
}

/// The argument with this number of a call, with or without parentheses, if its value can be told.
pub(crate) fn argument(tokens: &[Token<'_>], number: usize) -> Option<Path> {
    let tokens = match tokens {
        [Token::Sign(b'('), rest @ ..] => rest,
        rest => rest,
    };
    let mut at = 0;
    let mut depth = 0_u32;
    let mut left = number;
    while left > 0 {
        match tokens.get(at)? {
            Token::Sign(b'(' | b'[') => depth += 1,
            Token::Sign(b')' | b']') if depth == 0 => return None,
            Token::Sign(b')' | b']') => depth -= 1,
            Token::Comma if depth == 0 => left -= 1,
            _ => {}
        }
        at += 1;
    }
    let (path, end) = sum(tokens, at, 0)?;
    let ends = match tokens.get(end) {
        None => true,
        Some(token) => matches!(
            token,
            Token::Comma | Token::Sign(b')') | Token::Logic | Token::Keyword(..)
        ),
    };
    ends.then_some(path)
}

/// Terms with `+` between them, and where they end.
fn sum(tokens: &[Token<'_>], mut at: usize, depth: u32) -> Option<(Path, usize)> {
    let mut parts = Vec::new();
    loop {
        let (part, end) = term(tokens, at, depth)?;
        parts.push(part);
        at = end;
        if tokens.get(at) != Some(&Token::Sign(b'+')) || parts.len() > PARTS {
            break;
        }
        at += 1;
    }
    let path = if parts.len() == 1 {
        parts.pop()?
    } else {
        Path::Joined(parts)
    };
    Some((path, at))
}

fn term(tokens: &[Token<'_>], at: usize, depth: u32) -> Option<(Path, usize)> {
    if depth > DEPTH {
        return None;
    }
    match tokens.get(at..)? {
        [Token::Text(text, replaces), ..] => Some((text_path(text, *replaces, depth)?, at + 1)),
        [Token::Keyword(b"__FILE__", _), ..] => Some((Path::ThisFile, at + 1)),
        [Token::Word(b"__dir__"), ..] => Some((Path::ThisDirectory, at + 1)),
        [
            Token::Word(b"File"),
            Token::Dot,
            Token::Word(name),
            Token::Sign(b'('),
            ..,
        ] => {
            let (arguments, end) = arguments(tokens, at + 4, depth + 1)?;
            Some((call(name, arguments)?, end))
        }
        [Token::Word(b"File"), Token::Dot, Token::Word(name), ..] => {
            let (arguments, end) = arguments(tokens, at + 3, depth + 1)?;
            Some((call(name, arguments)?, end))
        }
        _ => None,
    }
}

fn arguments(tokens: &[Token<'_>], mut at: usize, depth: u32) -> Option<(Vec<Path>, usize)> {
    let mut found = Vec::new();
    loop {
        let (path, end) = sum(tokens, at, depth)?;
        found.push(path);
        at = end;
        match tokens.get(at) {
            Some(Token::Comma) if found.len() < PARTS => at += 1,
            Some(Token::Sign(b')')) => return Some((found, at + 1)),
            None => return Some((found, at)),
            _ => return None,
        }
    }
}

fn call(name: &[u8], arguments: Vec<Path>) -> Option<Path> {
    let mut arguments = arguments.into_iter();
    match name {
        b"join" => Some(Path::Components(arguments.collect())),
        b"dirname" => Some(Path::Directory(Box::new(arguments.next()?))),
        b"realpath" | b"absolute_path" | b"expand_path" => {
            let path = Box::new(arguments.next()?);
            Some(Path::Expanded(path, arguments.next().map(Box::new)))
        }
        _ => None,
    }
}

/// A string: its text, with what `#{…}` puts in if that can be told.
fn text_path(text: &[u8], replaces: bool, depth: u32) -> Option<Path> {
    let mut parts = Vec::new();
    let mut literal = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let next = text.get(at + 1).copied().unwrap_or(0);
        match text[at] {
            b'\\' if replaces && next.is_ascii_alphanumeric() => return None,
            b'\\' if replaces || matches!(next, b'\\' | b'\'') => {
                literal.push(next);
                at += 2;
            }
            b'#' if replaces && next == b'{' => {
                let length = text[at..].iter().position(|&byte| byte == b'}')?;
                let inner = &text[at + 2..at + length];
                if inner.len() > 256 || parts.len() > PARTS {
                    return None;
                }
                if !literal.is_empty() {
                    parts.push(Path::Text(std::mem::take(&mut literal)));
                }
                let mut lexer = Lexer::new(inner);
                let tokens: Vec<Token<'_>> = std::iter::from_fn(|| lexer.next()).collect();
                let (path, end) = sum(&tokens, 0, depth + 1)?;
                if end != tokens.len() {
                    return None;
                }
                parts.push(path);
                at += length + 1;
            }
            byte => {
                literal.push(byte);
                at += 1;
            }
        }
    }
    if parts.is_empty() {
        return Some(Path::Text(literal));
    }
    if !literal.is_empty() {
        parts.push(Path::Text(literal));
    }
    Some(Path::Joined(parts))
}
