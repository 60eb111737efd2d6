//! The compound statements around a line, as far as they say whether it is executed. Pure.
#![forbid(unsafe_code)]

use crate::lex::Token;
use crate::source::When;

/// Where a statement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// When it is executed.
    pub(crate) when: When,
    /// The `try` in whose body it is, or 0.
    pub(crate) guard: u32,
    /// The `try` of whose import handler it is a part, or 0.
    pub(crate) fallback: u32,
}

const TOP: Place = Place {
    when: When::Always,
    guard: 0,
    fallback: 0,
};

/// What opens a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    /// `if` and `elif`, with what is known of the condition.
    If(Condition),
    /// `elif`.
    ElseIf(Condition),
    /// `else`.
    Else,
    /// `try`.
    Try,
    /// `except`, and whether it takes a failed import.
    Except(bool),
    /// `finally`.
    Finally,
    /// Executed as they stand: `class`, `with`.
    Straight,
    /// Executed perhaps: functions, loops, cases.
    Perhaps,
}

/// What is known of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// `True`, `1`, `not TYPE_CHECKING`.
    Yes,
    /// `False`, `0`, `TYPE_CHECKING`.
    No,
    /// `__name__ == "__main__"`.
    Main,
    /// Anything else.
    Unknown,
}

impl Header {
    /// Whether a line whose first word is this may be a header.
    pub(crate) fn may_begin(word: &[u8]) -> bool {
        word == b"async" || Self::opens(word)
    }

    fn opens(word: &[u8]) -> bool {
        matches!(
            word,
            b"if"
                | b"elif"
                | b"else"
                | b"try"
                | b"except"
                | b"finally"
                | b"class"
                | b"with"
                | b"def"
                | b"for"
                | b"while"
                | b"match"
                | b"case"
        )
    }

    /// The header that a line begins with, and what follows its colon.
    pub(crate) fn of<'a, 't>(tokens: &'t [Token<'a>]) -> Option<(Self, &'t [Token<'a>])> {
        let (first, rest) = match tokens {
            [Token::Name(b"async"), Token::Name(first), ..] => (first, &tokens[1..]),
            [Token::Name(first), ..] => (first, tokens),
            _ => return None,
        };
        let soft = matches!(*first, b"match" | b"case");
        if !Self::opens(first) || soft && tokens.last() != Some(&Token::Op(b':')) {
            return None;
        }
        let colon = colon(rest)?;
        let head = &rest[1..colon];
        let header = match *first {
            b"if" => Self::If(condition(head)),
            b"elif" => Self::ElseIf(condition(head)),
            b"else" => Self::Else,
            b"try" => Self::Try,
            b"except" => Self::Except(takes_failed_imports(head)),
            b"finally" => Self::Finally,
            b"class" | b"with" => Self::Straight,
            _ => Self::Perhaps,
        };
        Some((header, &rest[colon + 1..]))
    }
}

/// The colon that ends a header: outside brackets, and of no `lambda` and no `:=`.
fn colon(tokens: &[Token<'_>]) -> Option<usize> {
    let (mut depth, mut lambdas) = (0_usize, 0_usize);
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Op(b'(' | b'[' | b'{') => depth += 1,
            Token::Op(b')' | b']' | b'}') => depth = depth.saturating_sub(1),
            Token::Name(b"lambda") if depth == 0 => lambdas += 1,
            Token::Op(b':') if depth == 0 => {
                if lambdas > 0 {
                    lambdas -= 1;
                } else if tokens.get(at + 1) != Some(&Token::Op(b'=')) {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

fn condition(tokens: &[Token<'_>]) -> Condition {
    match tokens {
        [Token::Op(b'('), inner @ .., Token::Op(b')')] => condition(inner),
        [Token::Name(b"not"), rest @ ..] => match condition(rest) {
            Condition::Yes => Condition::No,
            Condition::No => Condition::Yes,
            _ => Condition::Unknown,
        },
        [Token::Name(b"TYPE_CHECKING" | b"False")]
        | [
            Token::Name(_),
            Token::Op(b'.'),
            Token::Name(b"TYPE_CHECKING"),
        ]
        | [Token::Number(b"0")] => Condition::No,
        [Token::Name(b"True")] | [Token::Number(b"1")] => Condition::Yes,
        // How `os` finds out where it is.
        [
            Token::Text { text: b"posix", .. },
            Token::Name(b"in"),
            Token::Name(b"_names"),
        ] => Condition::Yes,
        [
            left @ ..,
            Token::Op(b'='),
            Token::Op(b'='),
            Token::Text { text, .. },
        ] => equal(left, text),
        [
            Token::Text { text, .. },
            Token::Op(b'='),
            Token::Op(b'='),
            right @ ..,
        ] => equal(right, text),
        _ => Condition::Unknown,
    }
}

/// A comparison with a string of which the outcome is known: this runs on Linux.
fn equal(tokens: &[Token<'_>], text: &[u8]) -> Condition {
    let (yes, no): (&[u8], [&[u8]; 4]) = match tokens {
        [Token::Name(b"__name__")] if text == b"__main__" => return Condition::Main,
        [Token::Name(b"os"), Token::Op(b'.'), Token::Name(b"name")] => {
            (b"posix", [b"nt", b"java", b"ce", b"os2"])
        }
        [
            Token::Name(b"sys"),
            Token::Op(b'.'),
            Token::Name(b"platform"),
        ] => (b"linux", [b"win32", b"darwin", b"cygwin", b"vms"]),
        _ => return Condition::Unknown,
    };
    if text == yes {
        Condition::Yes
    } else if no.contains(&text) {
        Condition::No
    } else {
        Condition::Unknown
    }
}

fn takes_failed_imports(tokens: &[Token<'_>]) -> bool {
    let names = |name: &[u8]| {
        matches!(
            name,
            b"ImportError" | b"ModuleNotFoundError" | b"Exception" | b"BaseException"
        )
    };
    tokens.is_empty()
        || tokens
            .iter()
            .any(|token| matches!(token, Token::Name(name) if names(name)))
}

/// One level of indentation.
#[derive(Debug, Clone, Copy)]
struct Level {
    indent: usize,
    place: Place,
    /// The last header at this level: what an `else` here belongs to.
    last: Last,
}

#[derive(Debug, Clone, Copy)]
enum Last {
    None,
    /// An `if` chain; how its `else` is executed.
    If(When),
    /// A `try`, by its number.
    Try(u32),
}

/// The blocks that are open.
#[derive(Debug)]
pub(crate) struct Blocks {
    levels: Vec<Level>,
    /// The block that the next deeper line begins.
    pending: Option<Place>,
    tries: u32,
}

/// Levels of indentation that CPython allows (`MAXINDENT`).
const LEVELS: usize = 100;

impl Default for Blocks {
    fn default() -> Self {
        Self {
            levels: vec![Level {
                indent: 0,
                place: TOP,
                last: Last::None,
            }],
            pending: None,
            tries: 0,
        }
    }
}

impl Blocks {
    /// Where a line of this indentation stands.
    pub(crate) fn place(&mut self, indent: usize) -> Place {
        let pending = self.pending.take();
        while self.levels.len() > 1 && self.top().indent > indent {
            self.levels.pop();
        }
        let top = *self.top();
        if indent > top.indent && self.levels.len() < LEVELS {
            let place = pending.unwrap_or(top.place);
            self.levels.push(Level {
                indent,
                place,
                last: Last::None,
            });
        }
        self.top().place
    }

    /// Opens a block by a header at this indentation; says where what follows on the same line stands.
    pub(crate) fn open(&mut self, indent: usize, header: Header) -> Place {
        let outer = self.place(indent);
        let mut inner = outer;
        let last = self.top().last;
        let next = match header {
            Header::If(condition) => self.branch(condition, outer.when, &mut inner),
            Header::ElseIf(condition) => {
                let rest = match last {
                    Last::If(rest) => rest,
                    _ => When::Maybe,
                };
                self.branch(condition, rest.min(outer.when), &mut inner)
            }
            Header::Else => {
                inner.when = outer.when.min(match last {
                    Last::If(rest) => rest,
                    _ => When::Maybe,
                });
                Last::None
            }
            Header::Try => {
                self.tries += 1;
                inner.guard = self.tries;
                Last::Try(self.tries)
            }
            Header::Except(imports) => {
                if let (Last::Try(number), true) = (last, imports) {
                    // As sure as the `try` if that failed; else not executed at all: settled when modules are searched.
                    inner.fallback = number;
                } else {
                    inner.when = outer.when.min(When::Maybe);
                }
                last
            }
            Header::Finally | Header::Straight => Last::None,
            Header::Perhaps => {
                inner.when = outer.when.min(When::Maybe);
                Last::None
            }
        };
        if let Some(level) = self.levels.last_mut() {
            level.last = next;
        }
        self.pending = Some(inner);
        inner
    }

    /// When the lines at an open level of indentation are executed.
    pub(crate) fn around(&self, indent: usize) -> When {
        let level = self
            .levels
            .iter()
            .rev()
            .find(|level| level.indent <= indent);
        level.map_or(When::Always, |level| level.place.when)
    }

    fn branch(&self, condition: Condition, reached: When, inner: &mut Place) -> Last {
        let (then, rest) = match condition {
            Condition::Yes => (When::Always, When::Never),
            Condition::No => (When::Never, When::Always),
            Condition::Main => (When::Main, When::Maybe),
            Condition::Unknown => (When::Maybe, When::Maybe),
        };
        inner.when = reached.min(then);
        Last::If(reached.min(rest))
    }

    fn top(&self) -> &Level {
        self.levels
            .last()
            .expect("the outermost level is never closed")
    }
}
