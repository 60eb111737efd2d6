//! Perl, as far as settings of needrestart are written in it: assignments to `%nrconf`. Pure; nothing is evaluated.
//!
//! What is not one of the forms below is told with its line, and passed over up to its end.

mod cursor;
mod quotes;
#[cfg(test)]
mod tests;

use cursor::Cursor;
use quotes::{known_flags, not_interpolated, quoted};

/// As many statements as this that are not understood are told; behind them, nothing is read.
const REFUSED_CAP: usize = 1000;
/// The block at the end of the shipped file has some hundred bytes.
const BLOCK_CAP: usize = 4096;

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// Its first line, counted from 1.
    pub(super) line: usize,
    /// What it does, or why that is not known.
    pub(super) what: Result<Operation, String>,
}

/// What a statement does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operation {
    /// `$nrconf{key} = value`.
    Set(String, Value),
    /// `$nrconf{key}{entry} = value`.
    SetEntry(String, Scalar, Scalar),
    /// `push @{$nrconf{key}}, items`; `unshift` says the same, for lists in which any item counts.
    Add(String, Vec<Item>),
    /// `delete $nrconf{key}`.
    Remove(String),
    /// `delete $nrconf{key}{entry}`.
    RemoveEntry(String, Scalar),
    /// The block at the end of the shipped file that reads `conf.d`.
    ReadDropIns,
    /// `1;`.
    Nothing,
}

/// What is assigned to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// One value.
    Scalar(Scalar),
    /// `[ … ]`.
    List {
        /// Whether what the list held before is put into it.
        kept: bool,
        /// What is written.
        items: Vec<Item>,
    },
    /// `{ … }`.
    Hash {
        /// Whether what the hash held before is put into it.
        kept: bool,
        /// Keys and values.
        entries: Vec<(Item, Scalar)>,
    },
}

/// One value of a list, or a key of a hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// Its line.
    pub(super) line: usize,
    /// What it is.
    pub(super) scalar: Scalar,
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scalar {
    /// `undef`.
    Undefined,
    /// A number.
    Integer(i64),
    /// A string.
    Text(String),
    /// `qr(…)`.
    Regex {
        /// What stands between the delimiters.
        body: String,
        /// Flags that change what it fits, in Perl's order.
        flags: String,
    },
}

impl Scalar {
    /// As Perl makes a string of it: what keys of hashes are, and are sorted by (perlre(1), "Extended Patterns", on `^`).
    pub(super) fn stringified(&self) -> String {
        match self {
            Self::Undefined => String::new(),
            Self::Integer(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::Regex { body, flags } => format!("(?^{flags}:{body})"),
        }
    }

    /// Whether Perl takes it for true.
    pub(super) fn is_true(&self) -> bool {
        !matches!(self.stringified().as_str(), "" | "0")
    }
}

/// Takes a text apart.
pub(super) fn parse(text: &str) -> Vec<Statement> {
    let mut cursor = Cursor::new(text);
    let mut statements = Vec::new();
    let mut refused = 0;
    while cursor.next_statement() {
        let begin = cursor;
        let line = cursor.line();
        let mut what = statement(&mut cursor).and_then(|operation| {
            cursor.end_of_statement()?;
            Ok(operation)
        });
        if what.is_err() {
            cursor = begin;
            let skipped = cursor.skip_statement();
            if reads_drop_ins(skipped) {
                what = Ok(Operation::ReadDropIns);
            }
        }
        if refused == REFUSED_CAP {
            what = Err("too much is not understood: nothing is read from here on".to_owned());
        }
        refused += usize::from(what.is_err());
        if what != Ok(Operation::Nothing) {
            statements.push(Statement { line, what });
        }
        if refused > REFUSED_CAP {
            break;
        }
    }
    statements
}

fn statement(cursor: &mut Cursor<'_>) -> Result<Operation, String> {
    let begin = *cursor;
    match cursor.word() {
        "push" | "unshift" => return added(cursor),
        "delete" => return removed(cursor),
        "" => {}
        _ => return Err(begin.no_statement()),
    }
    if cursor.integer().is_some() {
        return Ok(Operation::Nothing);
    }
    if !cursor.eat("$nrconf") {
        return Err(begin.no_statement());
    }
    let key = key(cursor)?;
    let entry = entry(cursor)?;
    cursor.blank();
    if !cursor.eat("=") || matches!(cursor.peek(), Some('=' | '~')) {
        return Err(begin.no_statement());
    }
    cursor.blank();
    match entry {
        Some(entry) => Ok(Operation::SetEntry(key, entry, scalar(cursor)?)),
        None => {
            let value = value(cursor, &key)?;
            Ok(Operation::Set(key, value))
        }
    }
}

/// `{name}`, `{'name'}`, `{q(name)}`, behind the name of the hash.
fn key(cursor: &mut Cursor<'_>) -> Result<String, String> {
    cursor.blank();
    if !cursor.eat("{") {
        return Err(cursor.unexpected("`{` and the name of a setting"));
    }
    let key = match hash_key(cursor)? {
        Scalar::Text(name) => name,
        _ => return Err("the name of a setting is neither a word nor a string".to_owned()),
    };
    cursor.expect("}")?;
    Ok(key)
}

/// `->{…}` or `{…}`.
fn entry(cursor: &mut Cursor<'_>) -> Result<Option<Scalar>, String> {
    cursor.blank();
    let arrow = cursor.eat("->");
    cursor.blank();
    if !cursor.eat("{") {
        let bad = arrow.then(|| cursor.unexpected("`{`"));
        return bad.map_or(Ok(None), Err);
    }
    let entry = hash_key(cursor)?;
    cursor.expect("}")?;
    Ok(Some(entry))
}

/// A word by itself is a string where a key is expected.
fn hash_key(cursor: &mut Cursor<'_>) -> Result<Scalar, String> {
    cursor.blank();
    let begin = *cursor;
    let word = cursor.word();
    let after = *cursor;
    cursor.blank();
    let is_key = cursor.rest().starts_with('}') || cursor.rest().starts_with("=>");
    if !word.is_empty() && is_key {
        *cursor = after;
        return Ok(Scalar::Text(word.to_owned()));
    }
    *cursor = begin;
    scalar(cursor)
}

/// `@{$nrconf{key}}` or `%{$nrconf{key}}`, with or without `|| []`.
fn whole(cursor: &mut Cursor<'_>, sigil: &str, empty: &str) -> Result<String, String> {
    if !cursor.eat(sigil) {
        return Err(cursor.unexpected(sigil));
    }
    cursor.expect("{")?;
    cursor.blank();
    if !cursor.eat("$nrconf") {
        return Err(cursor.unexpected("`$nrconf`"));
    }
    let key = key(cursor)?;
    cursor.blank();
    if cursor.eat("||") || cursor.eat("//") {
        for part in empty.chars() {
            cursor.expect(part.encode_utf8(&mut [0; 4]))?;
        }
    }
    cursor.expect("}")?;
    Ok(key)
}

fn added(cursor: &mut Cursor<'_>) -> Result<Operation, String> {
    cursor.blank();
    let in_parentheses = cursor.eat("(");
    cursor.blank();
    let key = whole(cursor, "@", "[]")?;
    let (kept, items) = items(cursor, &key, in_parentheses.then_some(')'))?;
    if kept {
        return Err("a list is added to itself".to_owned());
    }
    Ok(Operation::Add(key, items))
}

fn removed(cursor: &mut Cursor<'_>) -> Result<Operation, String> {
    cursor.blank();
    let in_parentheses = cursor.eat("(");
    cursor.blank();
    if !cursor.eat("$nrconf") {
        return Err(cursor.unexpected("`$nrconf`"));
    }
    let key = key(cursor)?;
    let entry = entry(cursor)?;
    if in_parentheses {
        cursor.expect(")")?;
    }
    Ok(match entry {
        Some(entry) => Operation::RemoveEntry(key, entry),
        None => Operation::Remove(key),
    })
}

fn value(cursor: &mut Cursor<'_>, key: &str) -> Result<Value, String> {
    if cursor.eat("[") {
        let (kept, items) = items(cursor, key, Some(']'))?;
        return Ok(Value::List { kept, items });
    }
    if cursor.eat("{") {
        return hash(cursor, key);
    }
    scalar(cursor).map(Value::Scalar)
}

/// What stands in a list, up to and with `close`, or up to the end of the statement. Parentheses inside group nothing.
fn items(
    cursor: &mut Cursor<'_>,
    key: &str,
    close: Option<char>,
) -> Result<(bool, Vec<Item>), String> {
    let mut kept = false;
    let mut items = Vec::new();
    let mut open = 0_usize;
    loop {
        cursor.blank();
        let line = cursor.line();
        match cursor.peek() {
            Some(',') => cursor.step(),
            Some('=') if cursor.eat("=>") => {}
            Some('(') => {
                cursor.step();
                open += 1;
            }
            Some(')') if open > 0 => {
                cursor.step();
                open -= 1;
            }
            Some(c) if Some(c) == close && open == 0 => {
                cursor.step();
                return Ok((kept, items));
            }
            None | Some(';') if close.is_none() && open == 0 => return Ok((kept, items)),
            Some('@') => {
                if whole(cursor, "@", "[]")? != key {
                    return Err("another list is put into it".to_owned());
                }
                kept = true;
            }
            _ => match words(cursor)? {
                Some(words) => items.extend(words.into_iter().map(|text| Item {
                    line,
                    scalar: Scalar::Text(text),
                })),
                None => {
                    let scalar = scalar(cursor)?;
                    items.push(Item { line, scalar });
                    separated(cursor)?;
                }
            },
        }
    }
}

/// Behind a value stands a comma, or an end.
fn separated(cursor: &mut Cursor<'_>) -> Result<(), String> {
    cursor.blank();
    match cursor.peek() {
        None | Some(',' | ')' | ']' | '}' | ';') => Ok(()),
        Some('=') if cursor.rest().starts_with("=>") => Ok(()),
        Some(_) => Err(cursor.unexpected("`,`")),
    }
}

/// `qw(…)`.
fn words(cursor: &mut Cursor<'_>) -> Result<Option<Vec<String>>, String> {
    let begin = *cursor;
    if cursor.word() != "qw" {
        *cursor = begin;
        return Ok(None);
    }
    let (body, _) = cursor.delimited()?;
    Ok(Some(body.split_whitespace().map(str::to_owned).collect()))
}

fn hash(cursor: &mut Cursor<'_>, key: &str) -> Result<Value, String> {
    let mut kept = false;
    let mut entries = Vec::new();
    loop {
        cursor.blank();
        let line = cursor.line();
        match cursor.peek() {
            Some('}') => {
                cursor.step();
                return Ok(Value::Hash { kept, entries });
            }
            Some(',') => cursor.step(),
            // Behind others, what the hash held before would win over them.
            Some('%') if entries.is_empty() => {
                if whole(cursor, "%", "{}")? != key {
                    return Err("another hash is put into it".to_owned());
                }
                kept = true;
            }
            _ => {
                let scalar_key = hash_key(cursor)?;
                cursor.blank();
                if !cursor.eat("=>") && !cursor.eat(",") {
                    return Err(cursor.unexpected("`=>`"));
                }
                cursor.blank();
                let value = scalar(cursor)?;
                separated(cursor)?;
                let item = Item {
                    line,
                    scalar: scalar_key,
                };
                entries.push((item, value));
            }
        }
    }
}

fn scalar(cursor: &mut Cursor<'_>) -> Result<Scalar, String> {
    if let Some(number) = cursor.integer() {
        return Ok(Scalar::Integer(number));
    }
    if matches!(cursor.peek(), Some('\'' | '"')) {
        let (body, quote) = cursor.delimited()?;
        return quoted(body, quote, quote == '"');
    }
    let begin = *cursor;
    match cursor.word() {
        "undef" => Ok(Scalar::Undefined),
        "q" => {
            let (body, open) = cursor.delimited()?;
            quoted(body, open, false)
        }
        "qq" => {
            let (body, open) = cursor.delimited()?;
            quoted(body, open, true)
        }
        "qr" => {
            let (body, open) = cursor.delimited()?;
            let flags = known_flags(cursor.word())?;
            if open != '\'' {
                not_interpolated(body)?;
            }
            let body = body.to_owned();
            Ok(Scalar::Regex { body, flags })
        }
        _ => Err(begin.unexpected("a value")),
    }
}

/// Whether this is the block of the shipped file that reads `conf.d`, and sets nothing itself.
fn reads_drop_ins(block: &str) -> bool {
    let has = |part: &str| block.contains(part);
    block.len() <= BLOCK_CAP
        && block.starts_with("if")
        && has("-d ")
        && has("foreach")
        && has("eval")
        && has("/conf.d/*.conf")
        && !block
            .match_indices("$nrconf")
            .any(|(at, _)| is_set(&block[at..]))
}

/// Whether what begins with a setting's name goes on as an assignment to it.
fn is_set(text: &str) -> bool {
    let Some(end) = text.find('}') else {
        return true;
    };
    let rest = text[end + 1..].trim_start();
    rest.starts_with(['{', '-']) || rest.starts_with('=') && !rest.starts_with("==")
}
