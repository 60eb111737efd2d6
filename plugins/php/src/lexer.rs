//! PHP in tokens: enough to know code from text, strings, comments and heredocs. Works on any bytes, in one pass.

#![forbid(unsafe_code)]

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A name or keyword, namespaces included.
    Word(&'a [u8]),
    /// A variable, without `$`.
    Variable(&'a [u8]),
    /// A string that holds no variable.
    Text(Vec<u8>),
    /// A number, or a string that is put together.
    Value(&'a [u8]),
    /// `&&`, `||`, `??`, `?`, `=>`: what follows may not be run.
    Choice,
    /// Any other single sign. The end of code (`?>`) is a `;`, as PHP itself has it.
    Sign(u8),
}

/// Reads tokens.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    code: bool,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            at: 0,
            code: false,
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Goes on behind `<?php` or `<?=`, or at the end.
    fn skip_text(&mut self) {
        loop {
            let Some(begin) = find(self.rest(), b"<?") else {
                self.at = self.text.len();
                return;
            };
            self.at += begin + 2;
            let tag = self.rest();
            let word = tag
                .get(..3)
                .is_some_and(|word| word.eq_ignore_ascii_case(b"php"));
            if word || tag.starts_with(b"=") {
                self.at += if word { 3 } else { 1 };
                self.code = true;
                return;
            }
        }
    }

    fn skip_blank(&mut self) {
        loop {
            let rest = self.rest();
            match rest {
                [byte, ..] if byte.is_ascii_whitespace() => self.at += 1,
                // `#[` begins an attribute.
                [b'#', b'[', ..] => return,
                [b'#', ..] | [b'/', b'/', ..] => self.skip_line(),
                [b'/', b'*', inner @ ..] => {
                    self.at += find(inner, b"*/").map_or(rest.len(), |end| end + 4);
                }
                _ => return,
            }
        }
    }

    /// A comment of one line ends with it, or where the code ends.
    fn skip_line(&mut self) {
        let rest = self.rest();
        let end = rest.iter().enumerate().position(|(at, &byte)| {
            matches!(byte, b'\n' | b'\r') || (byte == b'?' && rest.get(at + 1) == Some(&b'>'))
        });
        self.at += end.unwrap_or(rest.len());
    }

    fn name(&mut self) -> &'a [u8] {
        let rest = self.rest();
        let end = rest
            .iter()
            .position(|&byte| !is_name(byte) && byte != b'\\');
        let name = &rest[..end.unwrap_or(rest.len())];
        self.at += name.len();
        name
    }

    fn string(&mut self, quote: u8) -> Token<'a> {
        self.at += 1;
        let rest = self.rest();
        let mut text = Vec::new();
        let mut plain = quote != b'`';
        let mut bytes = rest.iter().enumerate();
        let mut end = rest.len();
        while let Some((at, &byte)) = bytes.next() {
            match byte {
                b'\\' => match bytes.next() {
                    Some((_, &next)) if next == quote || next == b'\\' => text.push(next),
                    Some((_, &next)) => {
                        // Codes like \x41 do not stand in the names of files that are included.
                        plain &= quote == b'\'';
                        text.extend([b'\\', next]);
                    }
                    None => {}
                },
                byte if byte == quote => {
                    end = at;
                    break;
                }
                b'$' if quote == b'"' => plain = false,
                byte => text.push(byte),
            }
        }
        self.at = (self.at + end + 1).min(self.text.len());
        if plain {
            Token::Text(text)
        } else {
            Token::Value(b"")
        }
    }

    /// `<<<NAME`: up to a line that begins with the name.
    fn heredoc(&mut self) -> Option<Token<'a>> {
        let rest = self.rest().strip_prefix(b"<<<")?.trim_ascii_start();
        let rest = rest
            .strip_prefix(b"'")
            .or_else(|| rest.strip_prefix(b"\""))
            .unwrap_or(rest);
        let size = rest
            .iter()
            .position(|&byte| !is_name(byte))
            .unwrap_or(rest.len());
        let (name, rest) = rest.split_at(size);
        if name.is_empty() {
            return None;
        }
        let mut at = self.text.len() - rest.len();
        for (number, line) in rest.split_inclusive(|&byte| byte == b'\n').enumerate() {
            let inner = line.trim_ascii_start();
            let after = inner.strip_prefix(name).filter(|_| number > 0);
            if after.is_some_and(|after| !after.first().is_some_and(|&byte| is_name(byte))) {
                self.at = at + (line.len() - inner.len()) + name.len();
                return Some(Token::Value(b""));
            }
            at += line.len();
        }
        self.at = self.text.len();
        Some(Token::Value(b""))
    }

    fn sign(&mut self, byte: u8) -> Token<'a> {
        let rest = self.rest();
        let choice = [b"&&".as_slice(), b"||", b"??", b"=>"];
        if rest.starts_with(b"?>") {
            self.at += 2;
            self.code = false;
            return Token::Sign(b';');
        }
        // `?->` is a member of what may be null.
        if rest.starts_with(b"?->") || rest.starts_with(b"->") || rest.starts_with(b"::") {
            self.at += if byte == b'?' { 3 } else { 2 };
            return Token::Sign(b'>');
        }
        if choice.iter().any(|two| rest.starts_with(two)) {
            self.at += 2;
            return Token::Choice;
        }
        self.at += 1;
        if byte == b'?' {
            Token::Choice
        } else {
            Token::Sign(byte)
        }
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        if !self.code {
            self.skip_text();
        }
        self.skip_blank();
        let &byte = self.rest().first()?;
        Some(match byte {
            b'\'' | b'"' | b'`' => self.string(byte),
            b'$' if self.rest().get(1).is_some_and(|&next| is_name(next)) => {
                self.at += 1;
                Token::Variable(self.name())
            }
            b'0'..=b'9' => Token::Value(self.name()),
            byte if is_name(byte) || byte == b'\\' => {
                let name = self.name();
                if name.eq_ignore_ascii_case(b"__halt_compiler") {
                    self.at = self.text.len();
                }
                Token::Word(name)
            }
            b'<' if self.rest().starts_with(b"<<<") => match self.heredoc() {
                Some(token) => token,
                None => self.sign(byte),
            },
            byte => self.sign(byte),
        })
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}
