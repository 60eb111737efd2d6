//! Regular expressions of Perl and Python → patterns of ours, that fit the very same names. What they can and ours cannot
//! is refused, with the reason. Pure.

pub(crate) mod python;
#[cfg(test)]
mod tests;

use std::iter::Peekable;
use std::str::Chars;

use crate::model::Pattern;

/// Translates an expression that is searched for in a name; `flags` of `msixn`.
pub(crate) fn translate(body: &str, flags: &str) -> Result<String, String> {
    let written = match glob(body).filter(|_| flags.is_empty()) {
        Some(glob) => glob,
        None => {
            let flags: String = flags.chars().filter(|flag| *flag != 'n').collect();
            let expression = Expression::new(body, flags.contains('x')).translated()?;
            let flags = match flags.as_str() {
                "" => String::new(),
                flags => format!("(?{flags})"),
            };
            format!("{}{flags}{expression}", Pattern::REGEX)
        }
    };
    Pattern::parse(&written).map_err(|why| last_line(&why))?;
    Ok(written)
}

/// Of what the regex crate says over several lines, the one that says it.
fn last_line(why: &str) -> String {
    let line = why.lines().last().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

/// What an expression fits, as far as `*` and `?` can say it.
fn glob(body: &str) -> Option<String> {
    let mut glob = String::new();
    let mut chars = body.chars().peekable();
    if chars.next_if_eq(&'^').is_none() {
        glob.push('*');
    }
    let mut open_end = true;
    while let Some(c) = chars.next() {
        match c {
            '.' => match chars.next_if(|next| "*+".contains(*next)) {
                None => glob.push('?'),
                Some(many) => {
                    glob.push_str(if many == '+' { "?*" } else { "*" });
                    // As few as will do: the same names, in the end.
                    chars.next_if_eq(&'?');
                }
            },
            '$' if chars.peek().is_none() => open_end = false,
            '\\' => glob.push(
                chars
                    .next()
                    .filter(|c| c.is_ascii_punctuation() && !"*?\\".contains(*c))?,
            ),
            '^' | '$' | '|' | '(' | ')' | '[' | ']' | '{' | '}' | '*' | '+' | '?' => return None,
            c if c.is_control() => return None,
            c => glob.push(c),
        }
        if chars.peek().is_some_and(|next| "*+?{".contains(*next)) {
            return None;
        }
    }
    if open_end {
        glob.push('*');
    }
    while glob.contains("**") {
        glob = glob.replace("**", "*");
    }
    (!glob.is_empty() && !glob.starts_with(Pattern::REGEX)).then_some(glob)
}

/// How names begin that an expression fits: with one of these. None: that cannot be told.
pub(super) fn beginnings(body: &str) -> Vec<String> {
    let Some(tied) = body
        .strip_prefix('^')
        .filter(|_| alternatives_are_grouped(body))
    else {
        return Vec::new();
    };
    // `^(open|free)swan`.
    if let Some((group, rest)) = tied.strip_prefix('(').and_then(|rest| rest.split_once(')'))
        && !rest.starts_with(['?', '*', '{'])
        && group
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "|-_@".contains(c))
    {
        return group.split('|').map(str::to_owned).collect();
    }
    vec![literal_beginning(tied)]
}

fn literal_beginning(tied: &str) -> String {
    let mut chars = tied.chars().peekable();
    let mut beginning = String::new();
    while let Some(c) = chars.next() {
        let literal = match c {
            '\\' => chars.next().filter(char::is_ascii_punctuation),
            c if "^$.|()[]{}*+?".contains(c) => None,
            c => Some(c),
        };
        let Some(literal) = literal else { break };
        if chars.peek().is_some_and(|next| "*?{".contains(*next)) {
            break;
        }
        beginning.push(literal);
    }
    beginning
}

/// Whether each `|` stands in parentheses.
fn alternatives_are_grouped(body: &str) -> bool {
    let mut depth = 0_usize;
    let mut chars = body.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            // What is in a class is not told apart.
            '[' => return false,
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => return false,
            _ => {}
        }
    }
    true
}

/// An expression on the way.
struct Expression<'a> {
    chars: Peekable<Chars<'a>>,
    spaced: bool,
    out: String,
}

impl<'a> Expression<'a> {
    fn new(body: &'a str, spaced: bool) -> Self {
        Self {
            chars: body.chars().peekable(),
            spaced,
            out: String::new(),
        }
    }

    fn translated(mut self) -> Result<String, String> {
        // Whether what comes before is a quantifier, behind which a `+` has another meaning.
        let mut counted = false;
        while let Some(c) = self.chars.next() {
            let was_counted = std::mem::take(&mut counted);
            match c {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' => self.group()?,
                '+' if was_counted => {
                    return Err("possessive quantifiers have no counterpart".into());
                }
                '*' | '+' | '?' => {
                    self.out.push(c);
                    counted = !was_counted;
                }
                '{' => counted = self.count(),
                '}' => self.out.push_str("\\}"),
                '#' if !self.spaced => self.out.push_str("\\#"),
                c => self.out.push(c),
            }
        }
        Ok(self.out)
    }

    /// Behind a backslash, outside of classes.
    fn escape(&mut self) -> Result<(), String> {
        let c = self.escaped()?;
        let replaced = match c {
            'd' => "[0-9]",
            'D' => "[^0-9]",
            'w' => "[0-9A-Za-z_]",
            'W' => "[^0-9A-Za-z_]",
            's' => "[ \\t\\n\\r\\f\\v]",
            'S' => "[^ \\t\\n\\r\\f\\v]",
            'b' => "(?-u:\\b)",
            'A' => "\\A",
            'z' | 'Z' => "\\z",
            _ => return self.plain_escape(c),
        };
        self.out.push_str(replaced);
        Ok(())
    }

    fn escaped(&mut self) -> Result<char, String> {
        let next = self.chars.next();
        next.ok_or_else(|| "it ends with a backslash".to_owned())
    }

    /// Escapes that mean the same inside of classes and outside.
    fn plain_escape(&mut self, c: char) -> Result<(), String> {
        match c {
            't' | 'n' | 'r' | 'f' => self.out.extend(['\\', c]),
            'a' => self.out.push_str("\\x07"),
            'e' => self.out.push_str("\\x1b"),
            'x' => self.out.push_str("\\x"),
            '1'..='9' | 'g' | 'k' => {
                return Err(format!("the back-reference `\\{c}` has no counterpart"));
            }
            c if c.is_ascii_alphanumeric() => return Err(format!("`\\{c}` has no counterpart")),
            // For the regex crate, `\<` and `\>` are ends of words.
            '<' | '>' | '_' => self.out.push(c),
            c if c.is_ascii_punctuation() || c == ' ' => self.out.extend(['\\', c]),
            c => self.out.push(c),
        }
        Ok(())
    }

    /// Between `[` and `]`.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.chars.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        // As the first, it is one of the characters.
        if self.chars.next_if_eq(&']').is_some() {
            self.out.push_str("\\]");
        }
        loop {
            match self.chars.next() {
                None => return Err("there is no `]` to a `[`".to_owned()),
                Some(']') => break,
                Some('\\') => {
                    let replaced = match self.escaped()? {
                        'd' => "0-9",
                        'w' => "0-9A-Za-z_",
                        's' => " \\t\\n\\r\\f\\v",
                        c => {
                            self.plain_escape(c)?;
                            continue;
                        }
                    };
                    self.out.push_str(replaced);
                }
                Some('[') if self.chars.peek() == Some(&':') => self.named_class()?,
                // The regex crate knows sets of sets: `[a&&b]`, `[a--b]`, `[[a]b]`.
                Some(c @ ('[' | '&' | '~' | '^')) => self.out.extend(['\\', c]),
                Some('-') if self.chars.peek() == Some(&'-') => self.out.push_str("\\-"),
                Some(c) if c.is_whitespace() || c == '#' => {
                    self.out.push_str(&format!("\\x{{{:x}}}", u32::from(c)));
                }
                Some(c) => self.out.push(c),
            }
        }
        self.out.push(']');
        Ok(())
    }

    /// `[:alpha:]`.
    fn named_class(&mut self) -> Result<(), String> {
        self.out.push('[');
        for c in self.chars.by_ref() {
            if c == ']' {
                self.out.push(c);
                return Ok(());
            }
            if !c.is_ascii_lowercase() && !matches!(c, ':' | '^') {
                break;
            }
            self.out.push(c);
        }
        Err("there is no `:]` to a `[:`".to_owned())
    }

    /// `(`, and what says which kind of group it is.
    fn group(&mut self) -> Result<(), String> {
        self.out.push('(');
        if self.chars.peek() == Some(&'*') {
            return Err("verbs such as `(*FAIL)` have no counterpart".to_owned());
        }
        if self.chars.next_if_eq(&'?').is_none() {
            return Ok(());
        }
        let mut ahead = self.chars.clone();
        let why = match (ahead.next(), ahead.next()) {
            (Some('='), _) => "look-ahead `(?=` has no counterpart",
            (Some('!'), _) => "look-ahead `(?!` has no counterpart",
            (Some('<'), Some('=')) => "look-behind `(?<=` has no counterpart",
            (Some('<'), Some('!')) => "look-behind `(?<!` has no counterpart",
            (Some('>'), _) => "atomic groups `(?>` have no counterpart",
            (Some('|'), _) => "branch resets `(?|` have no counterpart",
            (Some('{' | '?'), _) => "code in an expression is not run",
            (Some('('), _) => "conditions `(?(` have no counterpart",
            (Some('R' | '&' | '+' | '0'..='9'), _)
            | (Some('P'), Some('>'))
            | (Some('-'), Some('0'..='9')) => "recursion has no counterpart",
            (Some('P'), Some('=')) => "the back-reference `(?P=` has no counterpart",
            (Some('#'), _) => "comments in an expression have no counterpart",
            (Some(':'), _) | (Some('P'), Some('<')) | (Some('<'), _) => return self.copied_group(),
            _ => return self.flags(),
        };
        Err(why.to_owned())
    }

    /// `(?:` and names.
    fn copied_group(&mut self) -> Result<(), String> {
        self.out.push('?');
        for c in self.chars.by_ref() {
            self.out.push(c);
            match c {
                ':' | '>' => return Ok(()),
                'P' | '<' | '_' => {}
                c if c.is_ascii_alphanumeric() => {}
                _ => break,
            }
        }
        Err("the name of a group is not understood".to_owned())
    }

    /// `(?i)`, `(?i-x:`, and `(?^i:`, which forgets the flags before.
    fn flags(&mut self) -> Result<(), String> {
        let reset = self.chars.next_if_eq(&'^').is_some();
        let mut flags = String::new();
        let end = loop {
            match self.chars.next() {
                Some(end @ (':' | ')')) => break end,
                Some(flag) if "imsx".contains(flag) || flag == '-' && !reset => flags.push(flag),
                _ => return Err("the flags of a group are not understood".to_owned()),
            }
        };
        // What is ignored within has its own rules for white space.
        if flags.contains('x') || self.spaced {
            return Err("white space that is ignored in a part only has no counterpart".to_owned());
        }
        if reset {
            let others = "ims".chars().filter(|flag| !flags.contains(*flag));
            let others: String = others.collect();
            flags = format!("{flags}-{others}");
        }
        self.out
            .push_str(&format!("?{}{end}", flags.trim_end_matches('-')));
        Ok(())
    }

    /// `{2}`, `{2,}`, `{2,3}`; any other brace is one of the characters.
    fn count(&mut self) -> bool {
        let ahead: String = self
            .chars
            .clone()
            .take_while(|c| c.is_ascii_digit() || *c == ',')
            .take(16)
            .collect();
        let closed = self.chars.clone().nth(ahead.len()) == Some('}');
        let (least, most) = ahead.split_once(',').unwrap_or((&ahead, ""));
        let is_count = closed && !least.is_empty() && !most.contains(',');
        if is_count {
            self.out.push('{');
            for c in self.chars.by_ref().take(ahead.len() + 1) {
                self.out.push(c);
            }
        } else {
            self.out.push_str("\\{");
        }
        is_count
    }
}
