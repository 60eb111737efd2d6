//! The files that a script reads in by name: `. FILE` and `source FILE`.

#![forbid(unsafe_code)]

/// As many names as are taken from one script.
const NAMES: usize = 64;

/// No name is longer (PATH_MAX).
const LENGTH: usize = 4096;

/// The names that stand behind `.` and `source` where a command begins, if nothing in them is expanded.
pub(crate) fn parse_sourced(text: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = Reader {
        text,
        at: 0,
        delimiters: Vec::new(),
    };
    let mut names = Vec::new();
    let mut state = State::Command;
    while let Some(piece) = reader.next() {
        state = match (state, piece) {
            (_, Piece::End) => State::Command,
            (State::Command, Piece::Word(Some(word))) => match word.as_slice() {
                b"." | b"source" => State::Name,
                word if begins_command(word) => State::Command,
                _ => State::Arguments,
            },
            (State::Name, Piece::Word(Some(word))) => {
                if names.len() < NAMES
                    && word.len() <= LENGTH
                    && !word.is_empty()
                    && !names.contains(&word)
                {
                    names.push(word);
                }
                State::Arguments
            }
            (_, Piece::Word(_)) => State::Arguments,
        };
    }
    names
}

#[derive(Clone, Copy)]
enum State {
    Command,
    Name,
    Arguments,
}

enum Piece {
    /// A word; `None` if something in it is expanded.
    Word(Option<Vec<u8>>),
    /// The end of a command.
    End,
}

/// Words behind which another command begins.
fn begins_command(word: &[u8]) -> bool {
    let words: [&[u8]; 13] = [
        b"if", b"then", b"else", b"elif", b"while", b"until", b"do", b"{", b"!", b"time",
        b"command", b"builtin", b"in",
    ];
    words.contains(&word)
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    /// Of the here-documents that begin behind this line.
    delimiters: Vec<Vec<u8>>,
}

impl Reader<'_> {
    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn next(&mut self) -> Option<Piece> {
        loop {
            match self.byte(0)? {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\\' if self.byte(1) == Some(b'\n') => self.at += 2,
                b'#' => self.skip_line(),
                b'\n' => {
                    self.at += 1;
                    self.skip_documents();
                    return Some(Piece::End);
                }
                b';' | b'&' | b'|' | b'(' | b')' | b'`' => {
                    self.at += 1;
                    return Some(Piece::End);
                }
                b'<' if self.byte(1) == Some(b'<') && self.byte(2) != Some(b'<') => self.document(),
                b'<' | b'>' => self.redirection(),
                _ => return Some(Piece::Word(self.word())),
            }
        }
    }

    fn skip_line(&mut self) {
        let rest = &self.text[self.at..];
        let end = rest.iter().position(|&byte| byte == b'\n');
        self.at += end.unwrap_or(rest.len());
    }

    /// `<<WORD`, `<<-WORD`: the lines up to the word are no commands.
    fn document(&mut self) {
        self.at += 2;
        if self.byte(0) == Some(b'-') {
            self.at += 1;
        }
        self.skip_space();
        let delimiter = self.word().unwrap_or_default();
        if !delimiter.is_empty() && self.delimiters.len() < NAMES {
            self.delimiters.push(delimiter);
        }
    }

    /// A redirection names a file, not an argument.
    fn redirection(&mut self) {
        while matches!(self.byte(0), Some(b'<' | b'>' | b'&' | b'|')) {
            self.at += 1;
        }
        self.skip_space();
        self.word();
    }

    fn skip_space(&mut self) {
        while matches!(self.byte(0), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    fn skip_documents(&mut self) {
        for delimiter in std::mem::take(&mut self.delimiters) {
            while let Some(rest) = self.text.get(self.at..).filter(|rest| !rest.is_empty()) {
                let end = rest.iter().position(|&byte| byte == b'\n');
                let line = &rest[..end.unwrap_or(rest.len())];
                self.at += end.map_or(rest.len(), |end| end + 1);
                if line.trim_ascii() == delimiter {
                    break;
                }
            }
        }
    }

    /// A word up to the next blank or sign, without its quotes.
    fn word(&mut self) -> Option<Vec<u8>> {
        let mut word = Vec::new();
        let mut plain = true;
        while let Some(byte) = self.byte(0) {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>'
                | b'`' => break,
                b'\'' => {
                    self.at += 1;
                    let rest = &self.text[self.at..];
                    let end = rest.iter().position(|&byte| byte == b'\'');
                    word.extend_from_slice(&rest[..end.unwrap_or(rest.len())]);
                    self.at += end.map_or(rest.len(), |end| end + 1);
                }
                b'"' => {
                    self.at += 1;
                    plain &= self.quoted(&mut word);
                }
                b'\\' => {
                    word.extend(self.byte(1).filter(|&byte| byte != b'\n'));
                    self.at = (self.at + 2).min(self.text.len());
                }
                byte => {
                    plain &= !matches!(byte, b'$' | b'*' | b'?' | b'[' | b'~');
                    word.push(byte);
                    self.at += 1;
                }
            }
        }
        plain.then_some(word)
    }

    /// What is between double quotes; says whether nothing in it is expanded.
    fn quoted(&mut self, word: &mut Vec<u8>) -> bool {
        let mut plain = true;
        while let Some(byte) = self.byte(0) {
            self.at += 1;
            match byte {
                b'"' => break,
                b'\\' => {
                    word.extend(self.byte(0));
                    self.at = (self.at + 1).min(self.text.len());
                }
                byte => {
                    plain &= !matches!(byte, b'$' | b'`');
                    word.push(byte);
                }
            }
        }
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found = parse_sourced(text.as_bytes());
        let found: Vec<_> = found
            .into_iter()
            .map(|name| String::from_utf8(name).unwrap())
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn t6_24_sourced_files() {
        check(
            "#!/bin/sh\n. /lib/a.sh\nsource b.sh x\n",
            &["/lib/a.sh", "b.sh"],
        );
        check(
            "[ -r /a ] && . /a; if true; then . /b; fi; f() { . /c; }",
            &["/a", "/b", "/c"],
        );
        check(". '/a b' ; . \"/c\"\\ d", &["/a b", "/c d"]);
        check(". \\\n  /a", &["/a"]);
        check("x=$(. /a; echo) `. /b`", &["/a", "/b"]);
        check(". /a >/dev/null 2>&1; . /a", &["/a"]);
        check("case x in x) . /a;; esac", &["/a"]);
    }

    #[test]
    fn t6_24_what_sources_nothing() {
        check(". \"$x/a\"; . $(f)/a; . ~/a; . /etc/*.sh; . \"`f`\"", &[]);
        check("echo . /a; echo source b; x=. y", &[]);
        check("# . /a\necho '\n. /b\n' \"\n. /c\n\"", &[]);
        check("cat <<E > x\n. /a\nE\n. /b", &["/b"]);
        check("cat <<-'E F' <<G\n. /a\n\tE F\n. /c\nG\n. /b", &["/b"]);
        check("cat <<< E\n. /b", &["/b"]);
        check(".", &[]);
        check("./x; .x /a", &[]);
    }

    #[test]
    fn t11_02_anything() {
        for piece in [
            "(", "'", "\"", "\\", "<<A\n", "<<", "`", "$(", ". /a\n", "#", "<",
        ] {
            parse_sourced(piece.repeat(50_000).as_bytes());
        }
        let many: String = (0..1000).map(|number| format!(". /{number}\n")).collect();
        assert_eq!(parse_sourced(many.as_bytes()).len(), NAMES);
    }
}
