//! Names, what they turn into, and variables.

use super::{DEPTH, EXPECTING, FAILURES, Last, Lexer, Token, in_name, starts_name};

/// Which quote-like operator a word is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quote {
    Text(bool),
    Words,
    Pattern,
    Replacement,
}

fn quote_like(word: &[u8]) -> Option<Quote> {
    match word {
        b"q" => Some(Quote::Text(false)),
        b"qq" => Some(Quote::Text(true)),
        b"qw" => Some(Quote::Words),
        b"qr" | b"qx" | b"m" => Some(Quote::Pattern),
        b"s" | b"tr" | b"y" => Some(Quote::Replacement),
        _ => None,
    }
}

impl<'a> Lexer<'a> {
    /// The next token; `None` at the end of the program.
    pub(crate) fn next(&mut self) -> Option<Token<'a>> {
        self.skip_blank();
        if self.at >= self.text.len() || self.failures >= FAILURES {
            return None;
        }
        let byte = self.byte(self.at);
        let next = self.byte(self.at + 1);
        match byte {
            // The end of a text file, as older systems mark it.
            0x04 | 0x1a => self.end(),
            b'{' => self.open(),
            b'}' => self.close(),
            b'"' => self.quoted(true),
            b'\'' => self.quoted(false),
            b'`' => self.quoted(true),
            b'/' => self.slash(),
            b'<' => self.less(),
            b'$' | b'@' => self.variable(byte),
            b'%' | b'&' | b'*' if self.is_sigil(next) => self.variable(byte),
            b'&' if next == b'&' => self.sign(2, Token::Logic),
            b'|' if next == b'|' => self.sign(2, Token::Logic),
            b'?' => self.sign(1, Token::Logic),
            b',' => self.sign(1, Token::Comma),
            b'=' if next == b'>' => self.sign(2, Token::Comma),
            b'-' if next == b'>' => {
                self.at += 2;
                self.last = Last::Arrow;
                Some(Token::Arrow)
            }
            // A test of a file, `-s $path`, is no quote-like operator.
            b'-' if self.wants_operand()
                && next.is_ascii_alphabetic()
                && !in_name(self.byte(self.at + 2)) =>
            {
                self.sign(2, Token::Sign(b'-'))
            }
            b')' | b']' => {
                self.at += 1;
                self.last = if byte == b']' {
                    Last::Variable
                } else {
                    Last::Operand
                };
                Some(Token::Sign(byte))
            }
            b'(' if matches!(self.last, Last::Naming | Last::Named) => self.prototype(),
            byte if byte.is_ascii_digit() => self.number(),
            byte if starts_name(byte) => self.word(),
            b':' if next == b':' && starts_name(self.byte(self.at + 2)) => self.word(),
            byte => self.sign(1, Token::Sign(byte)),
        }
    }

    fn open(&mut self) -> Option<Token<'a>> {
        let subscript = matches!(self.last, Last::Variable | Last::Arrow | Last::Cast);
        if self.braces.len() >= DEPTH {
            return self.end();
        }
        self.braces.push(subscript);
        self.at += 1;
        self.last = if subscript {
            Last::Brace
        } else {
            Last::Operator
        };
        Some(Token::Open(subscript))
    }

    fn close(&mut self) -> Option<Token<'a>> {
        let subscript = self.braces.pop().unwrap_or(false);
        self.at += 1;
        self.last = if subscript {
            Last::Variable
        } else {
            Last::Operator
        };
        Some(Token::Close(subscript))
    }

    /// Whether `%`, `&` or `*` stands for a variable here and not for an operator.
    fn is_sigil(&self, next: u8) -> bool {
        let named = starts_name(next) || matches!(next, b'$' | b'{' | b':');
        let byte = self.byte(self.at);
        let special = byte == b'%' && matches!(next, b'+' | b'-' | b'!' | b'^');
        let blank_before = self.at > 0 && self.byte(self.at - 1).is_ascii_whitespace();
        match self.last {
            Last::Name => named && blank_before,
            _ => self.wants_operand() && (named || special),
        }
    }

    fn variable(&mut self, sigil: u8) -> Option<Token<'a>> {
        let mut at = self.at + 1;
        if sigil == b'$' && self.byte(at) == b'#' {
            let behind = self.byte(at + 1);
            at += usize::from(starts_name(behind) || matches!(behind, b'{' | b'$' | b':'));
        }
        while self.byte(at) == b'$' {
            let behind = self.byte(at + 1);
            if !(starts_name(behind) || matches!(behind, b'{' | b'$' | b':')) {
                break;
            }
            at += 1;
        }
        let first = self.byte(at);
        let start = at;
        if starts_name(first) || (first == b':' && self.byte(at + 1) == b':') {
            self.at = self.qualified(at);
            return self.named_variable(sigil, &self.text[start..self.at]);
        }
        if first == b'{' {
            if let Some((name, end)) = self.braced_name(at + 1) {
                self.at = end;
                return self.named_variable(sigil, name);
            }
            self.at = at;
            self.last = Last::Cast;
            return Some(Token::Variable(sigil, b""));
        }
        if first == b'^' && self.byte(at + 1).is_ascii_uppercase() {
            at += 2;
        } else if first.is_ascii_digit() {
            while self.byte(at).is_ascii_digit() {
                at += 1;
            }
        } else if first.is_ascii_punctuation()
            && (sigil == b'$' || matches!(first, b'-' | b'+' | b'!'))
        {
            at += 1;
        }
        self.at = at;
        self.named_variable(sigil, &self.text[start..at])
    }

    fn named_variable(&mut self, sigil: u8, name: &'a [u8]) -> Option<Token<'a>> {
        // `&name` is a call, `&$code(…)` and `*glob` as well no hash.
        self.last = if sigil == b'&' {
            Last::Operand
        } else {
            Last::Variable
        };
        Some(Token::Variable(sigil, name))
    }

    /// `{name}` behind a sigil: the name, and where it ends.
    fn braced_name(&self, from: usize) -> Option<(&'a [u8], usize)> {
        let start = self.peek_blank(from);
        let mut end = start;
        while in_name(self.byte(end)) || matches!(self.byte(end), b':' | b'^') {
            end += 1;
        }
        let close = self.peek_blank(end);
        (end > start && self.byte(close) == b'}').then(|| (&self.text[start..end], close + 1))
    }

    /// The end of a name with its packages, from its first byte on.
    fn qualified(&self, mut at: usize) -> usize {
        loop {
            while in_name(self.byte(at)) {
                at += 1;
            }
            if self.byte(at) == b':' && self.byte(at + 1) == b':' && self.byte(at + 2) != b'$' {
                at += 2;
            } else if self.byte(at) == b'\'' && starts_name(self.byte(at + 1)) {
                at += 1;
            } else {
                return at;
            }
        }
    }

    fn word(&mut self) -> Option<Token<'a>> {
        let start = self.at;
        let mut end = start;
        while in_name(self.byte(end)) {
            end += 1;
        }
        let simple = &self.text[start..end];
        let behind = self.peek_blank(end);
        let pair = self.byte(behind) == b'=' && self.byte(behind + 1) == b'>';
        let key = self.last == Last::Brace && self.byte(behind) == b'}';
        if pair || (key && !simple.is_empty()) {
            self.at = end;
            return self.operand(Token::Text(simple, false));
        }
        let plain = matches!(self.last, Last::Arrow | Last::Naming);
        if !plain {
            if matches!(simple, b"__END__" | b"__DATA__") {
                return self.end();
            }
            if let Some(quote) = quote_like(simple)
                && let Some(token) = self.quote(quote, end)
            {
                return Some(token);
            }
        }
        let keyword = !plain && (EXPECTING.contains(&simple) || simple == b"sub");
        // Keywords end at a quote: `eq'b'`.
        if !keyword {
            end = self.qualified(start);
        }
        self.at = end;
        if simple == b"format" && self.last == Last::Operator && self.skip_format() {
            return self.sign(0, Token::Sign(b';'));
        }
        let word = &self.text[start..end];
        self.last = match self.last {
            Last::Arrow => Last::Operand,
            Last::Naming => Last::Named,
            _ if matches!(word, b"sub" | b"package") => Last::Naming,
            _ if keyword => Last::Operator,
            _ if matches!(word, b"shift" | b"pop" | b"time" | b"wantarray") => Last::Operand,
            _ => Last::Name,
        };
        Some(Token::Word(word))
    }

    /// A quote-like operator whose word ends at `end`, unless the word is something else here.
    fn quote(&mut self, quote: Quote, end: usize) -> Option<Token<'a>> {
        if matches!(self.last, Last::Operand | Last::Variable) {
            return None;
        }
        let blank = self.byte(end).is_ascii_whitespace();
        let saved = self.at;
        self.at = end;
        if blank {
            self.skip_blank();
        }
        let open = self.byte(self.at);
        let no_delimiter = self.at >= self.text.len()
            || matches!(open, b')' | b']' | b'}' | b'>')
            || (blank && matches!(open, b'=' | b',' | b';' | b':' | b'?'))
            || (open == b'=' && matches!(self.byte(self.at + 1), b'=' | b'~' | b'>'));
        let whole = if no_delimiter {
            None
        } else {
            self.quoted_parts(quote)
        };
        let Some(content) = whole else {
            self.at = saved;
            return None;
        };
        self.operand(match quote {
            Quote::Text(interpolates) => Token::Text(content, interpolates),
            Quote::Words => Token::List(content),
            Quote::Pattern | Quote::Replacement => Token::Opaque,
        })
    }

    fn quoted_parts(&mut self, quote: Quote) -> Option<&'a [u8]> {
        let open = self.byte(self.at);
        let content = self.delimited()?;
        if quote == Quote::Replacement {
            if super::closing(open) == open {
                // The middle delimiter begins the second part.
                self.at -= 1;
            } else {
                self.skip_blank();
            }
            self.delimited()?;
        }
        if matches!(quote, Quote::Pattern | Quote::Replacement) {
            self.skip_flags();
        }
        Some(content)
    }

    /// `(&;@)` behind the name of a function. A signature is lexed as any code.
    fn prototype(&mut self) -> Option<Token<'a>> {
        let rest = &self.text[self.at + 1..];
        let length = rest
            .iter()
            .position(|byte| !b"$@%&*;\\+_[] \t\n".contains(byte))
            .unwrap_or(rest.len());
        if rest.get(length) == Some(&b')') {
            self.at += length + 2;
            self.last = Last::Named;
            return Some(Token::Opaque);
        }
        self.sign(1, Token::Sign(b'('))
    }

    /// `format NAME =` and its lines, up to a dot alone.
    fn skip_format(&mut self) -> bool {
        let window = &self.text[self.at..self.text.len().min(self.at + 256)];
        let Some(length) = window.iter().position(|&byte| byte == b'\n') else {
            return false;
        };
        let line_end = self.at + length;
        let head = window[..length].trim_ascii();
        let Some(name) = head.strip_suffix(b"=") else {
            return false;
        };
        if !name.trim_ascii().iter().all(|&byte| in_name(byte)) {
            return false;
        }
        let mut at = line_end + 1;
        while at < self.text.len() {
            let end = self.line_end(at);
            if self.text[at..end].trim_ascii_end() == b"." {
                self.at = end;
                return true;
            }
            at = end + 1;
        }
        self.fail();
        false
    }
}
