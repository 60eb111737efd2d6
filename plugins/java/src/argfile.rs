//! Text that becomes arguments: `@argfiles` and the variables of the environment that hold options.

#![forbid(unsafe_code)]

/// As many arguments as one text may bring.
const ARGUMENTS: usize = 10_000;

/// The arguments in an argument file, as the `java` launcher reads it: words between white space, `#` up to the end of the
/// line is a comment, quotes keep white space, and a backslash is one only outside of them.
pub(crate) fn parse_argfile(text: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = Reader::default();
    let mut rest = text.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        match (reader.quote, byte) {
            (Some(_), b'\\') => match rest.next() {
                // A line that is continued leaves out the blanks that the next one begins with.
                Some(b'\n' | b'\r') => {
                    while rest.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                }
                Some(escaped) => reader.push(unescape(escaped)),
                None => {}
            },
            // A quote that is left open ends with its line.
            (Some(_), b'\n' | b'\r') => reader.end(),
            (Some(quote), byte) if byte == quote => reader.quote = None,
            (Some(_), byte) => reader.push(byte),
            (None, b'"' | b'\'') => reader.open(byte),
            (None, b'#') => {
                // The launcher goes on with the word that the comment stands in.
                while rest
                    .next_if(|next| !matches!(next, b'\n' | b'\r'))
                    .is_some()
                {}
                while rest.next_if(|next| next.is_ascii_whitespace()).is_some() {}
            }
            (None, byte) if byte.is_ascii_whitespace() => reader.end(),
            (None, byte) => reader.push(byte),
        }
    }
    reader.end();
    reader.words
}

/// The arguments in `JDK_JAVA_OPTIONS` and its like: words between white space, quotes keep it, nothing is escaped.
pub(crate) fn parse_variable(text: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = Reader::default();
    for &byte in text {
        match (reader.quote, byte) {
            (Some(quote), byte) if byte == quote => reader.quote = None,
            (None, b'"' | b'\'') => reader.open(byte),
            (None, byte) if byte.is_ascii_whitespace() => reader.end(),
            (_, byte) => reader.push(byte),
        }
    }
    reader.end();
    reader.words
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'f' => 0x0c,
        other => other,
    }
}

#[derive(Default)]
struct Reader {
    words: Vec<Vec<u8>>,
    word: Option<Vec<u8>>,
    quote: Option<u8>,
}

impl Reader {
    fn push(&mut self, byte: u8) {
        self.word.get_or_insert_default().push(byte);
    }

    /// Quotes make a word even if nothing is between them.
    fn open(&mut self, quote: u8) {
        self.word.get_or_insert_default();
        self.quote = Some(quote);
    }

    fn end(&mut self) {
        self.quote = None;
        if let Some(word) = self.word.take()
            && self.words.len() < ARGUMENTS
        {
            self.words.push(word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(words: Vec<Vec<u8>>) -> Vec<String> {
        let text = |word| String::from_utf8(word).unwrap();
        words.into_iter().map(text).collect()
    }

    #[track_caller]
    fn file(text: &str, words: &[&str]) {
        assert_eq!(texts(parse_argfile(text.as_bytes())), words);
    }

    #[track_caller]
    fn variable(text: &str, words: &[&str]) {
        assert_eq!(texts(parse_variable(text.as_bytes())), words);
    }

    #[test]
    fn t6_20_argument_files() {
        file("", &[]);
        file("-cp a.jar\nMain\r\n", &["-cp", "a.jar", "Main"]);
        file("# -cp b.jar\n-cp a.jar # rest", &["-cp", "a.jar"]);
        file("-cp \"a b.jar\"'c d'", &["-cp", "a b.jarc d"]);
        file(r"a\b '\\x\'y' \", &[r"a\b", r"\x'y", r"\"]);
        file("\"a\\\n   b\"", &["ab"]);
        file("\"open\nnext", &["open", "next"]);
        file("'' x", &["", "x"]);
        file("\"end\\", &["end"]);
    }

    /// Seen with OpenJDK 17: a comment does not end the word that it begins in.
    #[test]
    fn t6_20_comment_inside_a_word() {
        file("-Da=\"x y\"#z\n-Db=a\\b", &["-Da=x y-Db=a\\b"]);
    }

    #[test]
    fn t6_20_options_in_variables() {
        variable("", &[]);
        variable(
            " -Xmx1g  -Dx='a b'\t-Dy=\"c\"d ",
            &["-Xmx1g", "-Dx=a b", "-Dy=cd"],
        );
        variable(r"-Dx=\'a", &[r"-Dx=\a"]);
    }
}
