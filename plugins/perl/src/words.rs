//! Expressions whose value can be told from the text: literals, and paths beside the script or the file itself.

#![forbid(unsafe_code)]

use crate::lexer::Token;

/// A path with parts that the place of a file gives.
pub(crate) type PathText = Vec<Part>;

/// A part of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Text(Vec<u8>),
    /// The directory of the script, as it was called: `$FindBin::Bin`.
    Bin,
    /// The directory of the script, links followed: `$FindBin::RealBin`.
    RealBin,
    /// This file: `__FILE__`.
    ThisFile,
    /// The directory of this file: `dirname(__FILE__)`.
    ThisDirectory,
}

/// How many items of a list are looked at.
const ITEMS: usize = 256;

/// The words of a list: `qw(A B)`, `'A', 'B'`.
pub(crate) fn list_words(tokens: &[Token<'_>]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    for token in tokens {
        match *token {
            Token::Text(text, _) => words.push(text.to_vec()),
            Token::Word(word) => words.push(word.to_vec()),
            Token::List(list) => {
                let list = list.split(u8::is_ascii_whitespace);
                words.extend(list.filter(|word| !word.is_empty()).map(<[u8]>::to_vec));
            }
            _ => {}
        }
        if words.len() > ITEMS {
            break;
        }
    }
    words.truncate(ITEMS);
    words
}

/// The paths of a list, and how many of its items cannot be told.
pub(crate) fn items(tokens: &[Token<'_>]) -> (Vec<PathText>, u32) {
    let mut paths = Vec::new();
    let mut computed = 0;
    let mut at = 0;
    while at < tokens.len() && paths.len() < ITEMS {
        match tokens[at] {
            Token::Comma | Token::Sign(b'(' | b')') => at += 1,
            Token::List(list) => {
                let words = list.split(u8::is_ascii_whitespace);
                let words = words.filter(|word| !word.is_empty());
                paths.extend(words.map(|word| vec![Part::Text(word.to_vec())]));
                at += 1;
            }
            _ => {
                let (path, behind) = path_at(tokens, at);
                match path {
                    Some(path) => paths.push(path),
                    None => computed += 1,
                }
                at = item_end(tokens, behind).max(at + 1);
            }
        }
    }
    (paths, computed)
}

/// The path that an expression gives, if that can be told.
pub(crate) fn path_alone(tokens: &[Token<'_>]) -> Option<PathText> {
    path_at(tokens, 0).0
}

fn path_at(tokens: &[Token<'_>], start: usize) -> (Option<PathText>, usize) {
    let mut path = PathText::new();
    let mut at = start;
    loop {
        let (parts, behind) = term(tokens, at);
        let Some(parts) = parts else {
            return (None, behind);
        };
        path.extend(parts);
        at = behind;
        if tokens.get(at) != Some(&Token::Sign(b'.')) {
            break;
        }
        at += 1;
    }
    let ends = match tokens.get(at) {
        None | Some(Token::Comma | Token::Logic | Token::Sign(b')')) => true,
        Some(Token::Word(word)) => {
            matches!(
                *word,
                b"or" | b"and" | b"if" | b"unless" | b"for" | b"foreach"
            )
        }
        _ => false,
    };
    (Some(path).filter(|path| ends && !path.is_empty()), at)
}

/// Where the item that `at` lies in ends: what is inside parentheses belongs to it.
fn item_end(tokens: &[Token<'_>], mut at: usize) -> usize {
    let mut depth = 0_u32;
    while let Some(token) = tokens.get(at) {
        match token {
            Token::Sign(b'(') => depth += 1,
            Token::Sign(b')') if depth == 0 => break,
            Token::Sign(b')') => depth -= 1,
            Token::Comma if depth == 0 => break,
            _ => {}
        }
        at += 1;
    }
    at
}

fn term(tokens: &[Token<'_>], at: usize) -> (Option<PathText>, usize) {
    match tokens.get(at..).unwrap_or_default() {
        [Token::Text(text, interpolates), ..] => (text_parts(text, *interpolates), at + 1),
        [Token::Variable(b'$', name), ..] => (variable(name).map(|part| vec![part]), at + 1),
        [Token::Word(b"__FILE__"), ..] => (Some(vec![Part::ThisFile]), at + 1),
        [
            Token::Word(b"dirname" | b"File::Basename::dirname"),
            Token::Sign(b'('),
            Token::Word(b"__FILE__"),
            Token::Sign(b')'),
            ..,
        ] => (Some(vec![Part::ThisDirectory]), at + 4),
        [
            Token::Word(b"dirname" | b"File::Basename::dirname"),
            Token::Word(b"__FILE__"),
            ..,
        ] => (Some(vec![Part::ThisDirectory]), at + 2),
        _ => (None, at),
    }
}

/// The short names are those that FindBin exports; a script has little reason to use them for anything else.
fn variable(name: &[u8]) -> Option<Part> {
    match name {
        b"FindBin::Bin" | b"Bin" => Some(Part::Bin),
        b"FindBin::RealBin" | b"RealBin" => Some(Part::RealBin),
        _ => None,
    }
}

/// The parts of a string; `None` if other variables or escapes make it.
fn text_parts(text: &[u8], interpolates: bool) -> Option<PathText> {
    let mut parts = PathText::new();
    let mut literal = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let next = text.get(at + 1).copied().unwrap_or(0);
        match text[at] {
            b'\\' if interpolates && next.is_ascii_alphanumeric() => return None,
            b'\\' if interpolates || matches!(next, b'\\' | b'\'') => {
                literal.push(next);
                at += 2;
            }
            b'$' if interpolates => {
                let rest = &text[at + 1..];
                let braced = rest.first() == Some(&b'{');
                let rest = &rest[usize::from(braced)..];
                let in_name =
                    |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':');
                let length = rest
                    .iter()
                    .position(|byte| !in_name(byte))
                    .unwrap_or(rest.len());
                let part = variable(&rest[..length])?;
                let bracket = rest.get(length).copied();
                if braced != (bracket == Some(b'}')) || matches!(bracket, Some(b'[' | b'{' | b'-'))
                {
                    return None;
                }
                if !literal.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut literal)));
                }
                parts.push(part);
                at += 1 + length + 2 * usize::from(braced);
            }
            b'@' if interpolates && (next.is_ascii_alphabetic() || matches!(next, b'_' | b'{')) => {
                return None;
            }
            byte => {
                literal.push(byte);
                at += 1;
            }
        }
    }
    if !literal.is_empty() {
        parts.push(Part::Text(literal));
    }
    Some(parts)
}
