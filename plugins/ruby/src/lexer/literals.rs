//! Strings, symbols, patterns, here-documents.

use super::{Last, Lexer, Token, in_name, starts_name};

/// What is open inside a string: a string, or the code of a `#{…}`.
enum Level {
    Text {
        open: u8,
        close: u8,
        depth: u32,
        replaces: bool,
    },
    Code {
        depth: u32,
    },
}

/// How deep strings and the code in them may nest.
const LEVELS: usize = 64;

fn closing(open: u8) -> u8 {
    match open {
        b'(' => b')',
        b'[' => b']',
        b'{' => b'}',
        b'<' => b'>',
        other => other,
    }
}

fn text_level(open: u8, replaces: bool) -> Level {
    Level::Text {
        open,
        close: closing(open),
        depth: 1,
        replaces,
    }
}

impl<'a> Lexer<'a> {
    fn fail(&mut self) {
        self.failures += 1;
    }

    /// The content of a delimited piece that begins with the delimiter at `at`; goes behind it.
    fn delimited(&mut self, replaces: bool) -> Option<&'a [u8]> {
        let open = self.byte(self.at);
        if self.at >= self.text.len() || self.hopeless[usize::from(open)] {
            return None;
        }
        let start = self.at + 1;
        let mut levels = vec![text_level(open, replaces)];
        let mut at = start;
        while at < self.text.len() && levels.len() < LEVELS {
            let byte = self.text[at];
            let next = self.byte(at + 1);
            let mut pushed = None;
            let mut popped = false;
            match levels.last_mut() {
                None => break,
                Some(_) if byte == b'\\' => at += 1,
                Some(Level::Text { replaces: true, .. }) if byte == b'#' && next == b'{' => {
                    at += 1;
                    pushed = Some(Level::Code { depth: 1 });
                }
                Some(Level::Text {
                    open, close, depth, ..
                }) => {
                    if byte == *close {
                        *depth -= 1;
                        popped = *depth == 0;
                    } else if byte == *open {
                        *depth += 1;
                    }
                }
                Some(Level::Code { depth }) => match byte {
                    b'{' => *depth += 1,
                    b'}' => {
                        *depth -= 1;
                        popped = *depth == 0;
                    }
                    b'"' | b'`' => pushed = Some(text_level(byte, true)),
                    b'\'' => pushed = Some(text_level(byte, false)),
                    // A pattern as an argument: `gsub(/"/, …)`.
                    b'/' if matches!(self.byte(at - 1), b'(' | b',') => {
                        pushed = Some(text_level(byte, true));
                    }
                    _ => {}
                },
            }
            if popped {
                levels.pop();
                if levels.is_empty() {
                    self.at = at + 1;
                    self.leave_bodies();
                    return Some(&self.text[start..at]);
                }
            }
            levels.extend(pushed);
            at += 1;
        }
        self.hopeless[usize::from(open)] |= closing(open) == open;
        self.fail();
        None
    }

    /// A string that began on the line of a here-document's mark and ended behind it has passed its body.
    fn leave_bodies(&mut self) {
        if let Some((line, end)) = self.bodies
            && self.at > line
        {
            self.at = self.at.max(end);
            self.bodies = None;
        }
    }

    pub(super) fn quoted(&mut self, replaces: bool) -> Option<Token<'a>> {
        let quote = self.byte(self.at);
        match self.delimited(replaces) {
            None => self.sign(1, Token::Sign(quote)),
            // `"if": x`
            Some(_) if self.byte(self.at) == b':' && self.byte(self.at + 1) != b':' => {
                self.sign(1, Token::Sign(b':'))
            }
            Some(content) => self.operand(Token::Text(content, replaces)),
        }
    }

    fn skip_flags(&mut self) {
        while self.byte(self.at).is_ascii_lowercase() {
            self.at += 1;
        }
    }

    pub(super) fn slash(&mut self) -> Option<Token<'a>> {
        let pattern = self.wants_operand() || self.begins_argument(1);
        if pattern && self.delimited(true).is_some() {
            self.skip_flags();
            return self.operand(Token::Opaque);
        }
        self.sign(1, Token::Sign(b'/'))
    }

    /// `%w[a b]`, `%(text)`, or the operator.
    pub(super) fn percent(&mut self) -> Option<Token<'a>> {
        let next = self.byte(self.at + 1);
        if !self.wants_operand() && !self.begins_argument(1) {
            return self.sign(1, Token::Sign(b'%'));
        }
        let kind = if next.is_ascii_alphabetic() {
            next
        } else {
            b'Q'
        };
        let saved = self.at;
        self.at += 1 + usize::from(next.is_ascii_alphabetic());
        let open = self.byte(self.at);
        let delimiter = open.is_ascii_punctuation() || (open == b'|');
        if !b"qQwWiIrsx".contains(&kind) || !delimiter {
            self.at = saved;
            return self.sign(1, Token::Sign(b'%'));
        }
        let replaces = matches!(kind, b'Q' | b'W' | b'I' | b'r' | b'x');
        let Some(content) = self.delimited(replaces) else {
            self.at = saved;
            return self.sign(1, Token::Sign(b'%'));
        };
        match kind {
            b'q' | b'Q' => self.operand(Token::Text(content, replaces)),
            b'r' => {
                self.skip_flags();
                self.operand(Token::Opaque)
            }
            _ => self.operand(Token::Opaque),
        }
    }

    /// `?a`, or the operator.
    pub(super) fn question(&mut self) -> Option<Token<'a>> {
        let next = self.byte(self.at + 1);
        if self.wants_operand() && !next.is_ascii_whitespace() {
            let length = if next == b'\\' { 3 } else { 2 };
            if !in_name(self.byte(self.at + length)) || next == b'\\' {
                self.at += length;
                return self.operand(Token::Opaque);
            }
        }
        self.sign(1, Token::Logic)
    }

    /// `:symbol`, `::`, or a part of `?:` and of a hash.
    pub(super) fn colon(&mut self) -> Option<Token<'a>> {
        let next = self.byte(self.at + 1);
        match next {
            b':' => {
                self.at += 2;
                // `::Name` at the beginning has nothing before it.
                self.last = Last::Dot;
                self.goes_on = true;
                Some(Token::Dot)
            }
            b'"' | b'\'' => {
                self.at += 1;
                match self.delimited(next == b'"') {
                    Some(_) => self.operand(Token::Opaque),
                    None => self.sign(1, Token::Sign(b':')),
                }
            }
            next if starts_name(next) || matches!(next, b'@' | b'$') => {
                let mut end = self.at + 1;
                while matches!(self.byte(end), b'@' | b'$') {
                    end += 1;
                }
                end = self.name_end(end);
                let more = matches!(self.byte(end), b'?' | b'!' | b'=');
                let operator = matches!(self.byte(end + 1), b'=' | b'~' | b'>');
                self.at = end + usize::from(more && !operator);
                self.operand(Token::Opaque)
            }
            b'[' | b'+' | b'-' | b'*' | b'/' | b'%' | b'<' | b'>' | b'=' | b'!' | b'~' | b'^'
            | b'&' | b'|' | b'`'
                if self.wants_operand() || self.begins_argument(1) =>
            {
                self.at += 1;
                while b"[]+-*/%<>=!~^&|`@".contains(&self.byte(self.at)) && self.byte(self.at) != 0
                {
                    self.at += 1;
                }
                self.operand(Token::Opaque)
            }
            _ => self.sign(1, Token::Sign(b':')),
        }
    }

    /// `<<`: a here-document, or the operator.
    pub(super) fn shift(&mut self) -> Option<Token<'a>> {
        let possible = self.wants_operand() || self.begins_argument(2);
        if possible && self.last != Last::Class && self.here_document() {
            return self.operand(Token::Opaque);
        }
        let length = 2 + usize::from(self.byte(self.at + 2) == b'=');
        self.sign(length, Token::Shift)
    }

    /// Whether a here-document begins here; goes behind its mark and notes where its body ends.
    fn here_document(&mut self) -> bool {
        let mut at = self.at + 2;
        let indented = matches!(self.byte(at), b'~' | b'-');
        at += usize::from(indented);
        let quote = self.byte(at);
        let (mark, after) = if matches!(quote, b'"' | b'\'' | b'`') {
            let rest = &self.text[at + 1..self.text.len().min(at + 256)];
            let length = rest.iter().position(|&byte| byte == quote || byte == b'\n');
            let Some(length) = length else { return false };
            (&self.text[at + 1..at + 1 + length], at + length + 2)
        } else {
            if !starts_name(quote) {
                return false;
            }
            let end = self.name_end(at);
            (&self.text[at..end], end)
        };
        let (line, start) = match self.bodies {
            Some(bodies) => bodies,
            None => {
                let line = self.line_end(self.at);
                (line, line + 1)
            }
        };
        let Some(end) = self.body_end(start, mark, indented) else {
            self.fail();
            return false;
        };
        self.at = after;
        self.bodies = Some((line, end));
        true
    }

    fn body_end(&self, start: usize, mark: &[u8], indented: bool) -> Option<usize> {
        let mut at = start;
        while at < self.text.len() {
            let end = self.line_end(at);
            let line = &self.text[at..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let line = if indented {
                line.trim_ascii_start()
            } else {
                line
            };
            if line == mark {
                return Some(end + 1);
            }
            at = end + 1;
        }
        None
    }
}
