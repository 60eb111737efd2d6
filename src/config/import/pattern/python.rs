//! Expressions as Python's `re` reads them (Library Reference, "Regular expression syntax"): what it refuses is refused, in
//! its own words, and what it reads otherwise than Perl is written so that the translation of Perl's takes it for the same. Pure.

use std::fmt;

use crate::model::is_tame;

/// Why an expression is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Python does not take it either.
    Wrong(String),
    /// Python takes it, and there is no counterpart.
    Foreign(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Wrong(why) | Self::Foreign(why)) = self;
        f.write_str(why)
    }
}

/// Translates an expression that is searched for in a name to a pattern of ours.
///
/// # Errors
/// [`Refused`].
pub(crate) fn translate(body: &str) -> Result<String, Refused> {
    let rewritten = rewritten(body).map_err(Refused::Wrong)?;
    super::translate(&rewritten, "").map_err(Refused::Foreign)
}

/// What was read last, for a quantifier that follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    /// Nothing yet.
    Nothing,
    /// A place in the text, such as its end.
    Place,
    /// Something with a quantifier of its own.
    Repeated,
    /// Anything else.
    Other,
}

/// What stands in a class.
#[derive(Debug, Clone, Copy)]
enum Member {
    One(char),
    /// `\d` and the like.
    Set(char),
}

/// An expression, as far as it is read.
struct Reader {
    chars: Vec<char>,
    at: usize,
    out: String,
    item: Item,
    /// Whether nothing but flags has been read.
    fresh: bool,
    /// Where the groups begin that are open.
    open: Vec<usize>,
}

fn wrong<T>(why: impl fmt::Display, at: usize) -> Result<T, String> {
    Err(format!("{why} at position {at}"))
}

fn rewritten(body: &str) -> Result<String, String> {
    let mut reader = Reader {
        chars: body.chars().collect(),
        at: 0,
        out: String::new(),
        item: Item::Nothing,
        fresh: true,
        open: Vec::new(),
    };
    while let Some(c) = reader.next() {
        reader.fresh &= c == '(';
        reader.read(c)?;
    }
    match reader.open.last() {
        None => Ok(reader.out),
        Some(&at) => wrong("missing ), unterminated subpattern", at),
    }
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn next_if(&mut self, fits: impl Fn(char) -> bool) -> Option<char> {
        let c = self.peek().filter(|&c| fits(c))?;
        self.at += 1;
        Some(c)
    }

    /// At most so many characters that fit.
    fn take(&mut self, most: usize, fits: impl Fn(char) -> bool) -> String {
        let taken = (0..most).map_while(|_| self.next_if(&fits));
        taken.collect()
    }

    fn read(&mut self, c: char) -> Result<(), String> {
        let start = self.at - 1;
        match c {
            '\\' => self.escape(start)?,
            '[' => {
                self.class(start)?;
                self.item = Item::Other;
            }
            '(' => self.group(start)?,
            ')' => {
                if self.open.pop().is_none() {
                    return wrong("unbalanced parenthesis", start);
                }
                self.out.push(c);
                self.item = Item::Other;
            }
            '|' => {
                self.out.push(c);
                self.item = Item::Nothing;
            }
            '^' | '$' => {
                self.out.push(c);
                self.item = Item::Place;
            }
            '*' | '+' | '?' => self.repeat(&c.to_string(), start)?,
            '{' => match self.count(start)? {
                Some(count) => self.repeat(&count, start)?,
                None => self.literal(c),
            },
            '.' => {
                self.out.push(c);
                self.item = Item::Other;
            }
            c => self.literal(c),
        }
        Ok(())
    }

    /// A character that stands for itself.
    fn literal(&mut self, c: char) {
        if r"\.^$*+?()[]{}|".contains(c) {
            self.out.push('\\');
        }
        self.out.push(c);
        self.item = Item::Other;
    }

    fn repeat(&mut self, count: &str, start: usize) -> Result<(), String> {
        match self.item {
            Item::Nothing | Item::Place => return wrong("nothing to repeat", start),
            Item::Repeated => return wrong("multiple repeat", start),
            Item::Other => {}
        }
        self.out.push_str(count);
        let manner = self.next_if(|c| "?+".contains(c));
        self.out.extend(manner);
        self.item = Item::Repeated;
        Ok(())
    }

    /// `{2}`, `{2,}`, `{,3}`, `{2,3}`; a brace in any other place is a character.
    fn count(&mut self, start: usize) -> Result<Option<String>, String> {
        let behind = self.at;
        let digits = |c: char| c.is_ascii_digit();
        let least = self.take(usize::MAX, digits);
        let comma = self.next_if(|c| c == ',').is_some();
        let most = self.take(usize::MAX, digits);
        let closed = self.next_if(|c| c == '}').is_some();
        if !closed || least.is_empty() && !comma {
            self.at = behind;
            return Ok(None);
        }
        let least = if least.is_empty() { "0" } else { &least };
        let number = |digits: &str| digits.parse::<u32>().ok();
        let (Some(from), Some(to)) = (
            number(least),
            number(if most.is_empty() { least } else { &most }),
        ) else {
            return wrong("the repetition number is too large", start);
        };
        if to < from {
            return wrong("min repeat greater than max repeat", start + 1);
        }
        Ok(Some(match comma {
            true => format!("{{{least},{most}}}"),
            false => format!("{{{least}}}"),
        }))
    }

    /// Behind a backslash, outside of classes.
    fn escape(&mut self, start: usize) -> Result<(), String> {
        let Some(c) = self.next() else {
            return wrong("bad escape (end of pattern)", start);
        };
        match c {
            'A' | 'b' | 'B' | 'Z' => {
                self.out.extend(['\\', c]);
                self.item = Item::Place;
            }
            'd' | 'D' | 's' | 'S' | 'w' | 'W' => {
                self.out.extend(['\\', c]);
                self.item = Item::Other;
            }
            '1'..='9' if !self.is_octal(start) => {
                let more = self.next_if(|c| c.is_ascii_digit());
                self.out.extend(['\\', c].into_iter().chain(more));
                self.item = Item::Other;
            }
            c => {
                let c = self.character(c, start)?;
                self.literal(c);
            }
        }
        Ok(())
    }

    /// Whether a backslash has three octal digits behind it: otherwise they are the number of a group.
    fn is_octal(&self, start: usize) -> bool {
        let digits = self.chars.get(start + 1..start + 4);
        digits.is_some_and(|digits| digits.iter().all(|c| c.is_digit(8)))
    }

    /// The character that an escape stands for.
    fn character(&mut self, c: char, start: usize) -> Result<char, String> {
        let (digits, radix) = match c {
            'a' => return Ok('\x07'),
            'f' => return Ok('\x0c'),
            'n' => return Ok('\n'),
            'r' => return Ok('\r'),
            't' => return Ok('\t'),
            'v' => return Ok('\x0b'),
            '0'..='7' => (format!("{c}{}", self.take(2, |c| c.is_digit(8))), 8),
            'x' => (self.hexadecimal(2, start)?, 16),
            'u' => (self.hexadecimal(4, start)?, 16),
            'U' => (self.hexadecimal(8, start)?, 16),
            c if c.is_ascii_alphanumeric() => return wrong(format!("bad escape \\{c}"), start),
            c => return Ok(c),
        };
        let code = u32::from_str_radix(&digits, radix).ok();
        let code = code.filter(|&code| radix == 16 || code <= 0xff);
        match code.and_then(char::from_u32) {
            Some(c) => Ok(c),
            None => wrong(format!("bad escape {}", self.since(start)), start),
        }
    }

    fn hexadecimal(&mut self, digits: usize, start: usize) -> Result<String, String> {
        let taken = self.take(digits, |c| c.is_ascii_hexdigit());
        match taken.len() == digits {
            true => Ok(taken),
            false => wrong(format!("incomplete escape {}", self.since(start)), start),
        }
    }

    fn since(&self, start: usize) -> String {
        shown(&self.chars[start..self.at])
    }

    /// Between `[` and `]`. There are no classes within classes.
    fn class(&mut self, start: usize) -> Result<(), String> {
        self.out.push('[');
        let negated = self.next_if(|c| c == '^');
        self.out.extend(negated);
        let first = self.at;
        loop {
            let begin = self.at;
            match self.next() {
                None => return wrong("unterminated character set", start),
                Some(']') if begin > first => break,
                Some(c) => {
                    let from = self.member(c, begin)?;
                    self.range(from, begin, start)?;
                }
            }
        }
        self.out.push(']');
        Ok(())
    }

    /// What follows one member, where it begins a range.
    fn range(&mut self, from: Member, begin: usize, start: usize) -> Result<(), String> {
        if self.next_if(|c| c == '-').is_none() {
            self.write(from);
            return Ok(());
        }
        let at = self.at;
        let to = match self.next() {
            None => return wrong("unterminated character set", start),
            Some(']') => {
                // The last one is a character; the bracket is read again.
                self.at = at;
                self.write(from);
                self.write(Member::One('-'));
                return Ok(());
            }
            Some(c) => self.member(c, at)?,
        };
        match (from, to) {
            (Member::One(low), Member::One(high)) if low <= high => {
                self.write(from);
                self.out.push('-');
                self.write(to);
                Ok(())
            }
            _ => wrong(format!("bad character range {}", self.since(begin)), begin),
        }
    }

    fn member(&mut self, c: char, start: usize) -> Result<Member, String> {
        if c != '\\' {
            return Ok(Member::One(c));
        }
        match self.next() {
            None => wrong("bad escape (end of pattern)", start),
            Some(c) if "dDsSwW".contains(c) => Ok(Member::Set(c)),
            Some('b') => Ok(Member::One('\x08')),
            Some(c) => self.character(c, start).map(Member::One),
        }
    }

    fn write(&mut self, member: Member) {
        match member {
            Member::Set(c) => self.out.extend(['\\', c]),
            Member::One(c) if r"\]^-[&~".contains(c) => self.out.extend(['\\', c]),
            Member::One(c) => self.out.push(c),
        }
    }

    /// Behind `(`: which kind of group it is. What has no counterpart stays as it is, and is refused later.
    fn group(&mut self, start: usize) -> Result<(), String> {
        let item = std::mem::replace(&mut self.item, Item::Nothing);
        if self.next_if(|c| c == '?').is_none() {
            return self.opened("(", start);
        }
        let c = self.next();
        match c {
            Some(':') => self.opened("(?:", start),
            Some('=') => self.opened("(?=", start),
            Some('!') => self.opened("(?!", start),
            Some('>') => self.opened("(?>", start),
            Some('(') => {
                // The condition is read as a group.
                self.at -= 1;
                self.opened("(?", start)
            }
            Some('P' | '<') => self.named(start),
            Some('#') => {
                self.item = item;
                let rest = &self.chars[self.at..];
                let Some(end) = rest.iter().position(|&c| c == ')') else {
                    return wrong("missing ), unterminated comment", start);
                };
                self.at += end + 1;
                Ok(())
            }
            Some(c) if c == '-' || "aiLmsux".contains(c) => self.flags(item, start),
            Some(c) => unknown(&shown(&[c]), start),
            None => wrong("unexpected end of pattern", self.at),
        }
    }

    fn opened(&mut self, text: &str, start: usize) -> Result<(), String> {
        self.out.push_str(text);
        self.open.push(start);
        self.fresh = false;
        Ok(())
    }

    /// `(?P<name>`, `(?P=name)`, `(?<=`, `(?<!`.
    fn named(&mut self, start: usize) -> Result<(), String> {
        let kind = self.chars[self.at - 1];
        let marks = if kind == 'P' { "<=" } else { "=!" };
        let Some(mark) = self.next_if(|c| marks.contains(c)) else {
            let more: Vec<char> = [kind].into_iter().chain(self.peek()).collect();
            return unknown(&shown(&more), start);
        };
        self.opened(&format!("(?{kind}{mark}"), start)?;
        if (kind, mark) == ('P', '<') {
            let name = self.take(usize::MAX, |c| c == '_' || c.is_alphanumeric());
            if name.is_empty() || self.next_if(|c| c == '>').is_none() {
                return wrong("missing group name", start);
            }
            self.out.push_str(&name);
            self.out.push('>');
        }
        Ok(())
    }

    /// `(?i)`, which is for all of it, and `(?i-s:`.
    fn flags(&mut self, item: Item, start: usize) -> Result<(), String> {
        self.at -= 1;
        let on = self.take(usize::MAX, |c| "aimsux".contains(c));
        let minus = self.next_if(|c| c == '-').is_some();
        let off = self.take(usize::MAX, |c| "imsx".contains(c));
        let end = self.next();
        if minus && off.is_empty() {
            return wrong("missing flag", self.at);
        }
        // Names are of Unicode here and there, and what words are made of is not asked.
        let kept = |flags: &str| flags.replace(['a', 'u'], "");
        let (on, off) = (kept(&on), kept(&off));
        let flags = match (on.as_str(), minus) {
            (on, false) => on.to_owned(),
            (on, true) => format!("{on}-{off}"),
        };
        match end {
            Some(':') => self.opened(&format!("(?{flags}:"), start),
            Some(')') if minus => wrong("missing :", self.at - 1),
            Some(')') if !self.fresh => {
                wrong("global flags not at the start of the expression", start)
            }
            Some(')') => {
                self.item = item;
                if !flags.is_empty() {
                    self.out.push_str(&format!("(?{flags})"));
                }
                Ok(())
            }
            _ => wrong("unknown flag", self.at),
        }
    }
}

/// A part of the expression, for a message.
fn shown(chars: &[char]) -> String {
    let mut text = String::new();
    for &c in chars {
        match is_tame(c) {
            true => text.push(c),
            false => text.extend(c.escape_default()),
        }
    }
    text
}

fn unknown<T>(what: &str, start: usize) -> Result<T, String> {
    wrong(format!("unknown extension ?{what}"), start + 1)
}

#[cfg(test)]
mod tests;
