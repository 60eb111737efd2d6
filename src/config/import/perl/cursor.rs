//! A place in a text of Perl: words, blanks with comments and pod, quotes, and the way to the end of what is not understood.

/// What is shown of a statement that is not understood.
const SHOWN_CAP: usize = 60;

/// Words that begin a statement which ends with a block, and not with `;`.
const BLOCKS: [&str; 10] = [
    "if", "unless", "while", "until", "for", "foreach", "sub", "BEGIN", "END", "package",
];

/// A place in a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

/// The other end of what `open` begins.
pub(super) fn closing(open: char) -> char {
    match open {
        '(' => ')',
        '[' => ']',
        '{' => '}',
        '<' => '>',
        other => other,
    }
}

impl<'a> Cursor<'a> {
    /// The beginning of a text.
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            line: 1,
        }
    }

    /// The line, counted from 1.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// All from here on.
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// The next character.
    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Goes over one character.
    pub(super) fn step(&mut self) {
        if let Some(c) = self.peek() {
            self.at += c.len_utf8();
            self.line += usize::from(c == '\n');
        }
    }

    fn step_over(&mut self, part: &str) {
        self.at += part.len();
        self.line += part.matches('\n').count();
    }

    /// Goes over `part`, if it is next.
    pub(super) fn eat(&mut self, part: &str) -> bool {
        let is_next = self.rest().starts_with(part);
        if is_next {
            self.step_over(part);
        }
        is_next
    }

    /// Goes over blanks and `part`.
    pub(super) fn expect(&mut self, part: &str) -> Result<(), String> {
        self.blank();
        if self.eat(part) {
            return Ok(());
        }
        Err(self.unexpected(&format!("`{part}`")))
    }

    /// Goes over white space and comments.
    pub(super) fn blank(&mut self) {
        loop {
            let rest = self.rest();
            let blanks = rest.len() - rest.trim_start().len();
            self.step_over(&rest[..blanks]);
            if self.peek() != Some('#') {
                return;
            }
            self.skip_line();
        }
    }

    fn skip_line(&mut self) {
        let rest = self.rest();
        let end = rest.find('\n').map_or(rest.len(), |end| end + 1);
        self.step_over(&rest[..end]);
    }

    /// Goes over a word: letters, digits and `_`, not beginning with a digit.
    pub(super) fn word(&mut self) -> &'a str {
        let rest = self.rest();
        if rest.starts_with(|c: char| c.is_ascii_digit()) {
            return "";
        }
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let word = &rest[..end.unwrap_or(rest.len())];
        self.step_over(word);
        word
    }

    /// Goes over a whole number.
    pub(super) fn integer(&mut self) -> Option<i64> {
        let rest = self.rest();
        let digits = rest.strip_prefix('-').unwrap_or(rest);
        let end = digits.find(|c: char| !c.is_ascii_digit());
        let end = rest.len() - digits.len() + end.unwrap_or(digits.len());
        // Not the beginning of a version, a fraction or a number of another base.
        if rest[end..].starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.') {
            return None;
        }
        let number = &rest[..end];
        let is_octal = number.trim_start_matches('-').len() > 1
            && number.trim_start_matches('-').starts_with('0');
        let value = number.parse().ok().filter(|_| !is_octal)?;
        self.step_over(number);
        Some(value)
    }

    /// Goes over what stands between delimiters, and the delimiters: brackets nest, and a backslash takes away the meaning of
    /// what follows it. `#` is a delimiter only directly behind the word.
    pub(super) fn delimited(&mut self) -> Result<(&'a str, char), String> {
        if self.peek() != Some('#') {
            self.blank();
        }
        let open = self.peek().unwrap_or(' ');
        if open.is_alphanumeric() || matches!(open, ' ' | '_' | ',' | ';' | ')') {
            return Err(self.unexpected("a delimiter"));
        }
        if self.rest().starts_with("=>") {
            return Err("a word that is also an operator is used as a string".to_owned());
        }
        self.step();
        let begin = self.at;
        let close = closing(open);
        let mut depth = 0_usize;
        while let Some(c) = self.peek() {
            let here = self.at;
            self.step();
            match c {
                '\\' => self.step(),
                c if c == close && depth == 0 => return Ok((&self.text[begin..here], open)),
                c if c == close => depth -= 1,
                c if c == open => depth += 1,
                _ => {}
            }
        }
        Err(format!("there is no `{close}` to this `{open}`"))
    }

    /// Goes to the next statement, over pod (perlpod(1)); `false` where there is none, `__END__` among that.
    pub(super) fn next_statement(&mut self) -> bool {
        loop {
            self.blank();
            while self.eat(";") {
                self.blank();
            }
            let at_line_start = self.at == 0 || self.text.as_bytes()[self.at - 1] == b'\n';
            let mut after = self.rest().chars();
            let is_pod =
                after.next() == Some('=') && after.next().is_some_and(|c| c.is_ascii_alphabetic());
            if !is_pod || !at_line_start {
                break;
            }
            self.skip_pod();
        }
        let mut ahead = *self;
        !(self.rest().is_empty() || matches!(ahead.word(), "__END__" | "__DATA__"))
    }

    fn skip_pod(&mut self) {
        while !self.rest().is_empty() {
            let rest = self.rest();
            let is_end = rest
                .strip_prefix("=cut")
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()));
            self.skip_line();
            if is_end {
                return;
            }
        }
    }

    /// Goes over the `;` that ends a statement; the last one needs none.
    pub(super) fn end_of_statement(&mut self) -> Result<(), String> {
        self.blank();
        if self.eat(";") || self.rest().is_empty() {
            return Ok(());
        }
        Err(self.unexpected("`;`"))
    }

    /// Goes to the end of a statement that is not understood, as well as that can be told, and returns its text. Behind a
    /// here-document nothing can be told any more.
    pub(super) fn skip_statement(&mut self) -> &'a str {
        let begin = *self;
        let mut ahead = *self;
        let first = ahead.word();
        let is_block = BLOCKS.contains(&first) || self.peek() == Some('{');
        let mut depth = 0_usize;
        loop {
            self.blank_within();
            let Some(c) = self.peek() else { break };
            if c.is_ascii_alphabetic() || c == '_' {
                self.skip_word();
                continue;
            }
            if self.is_here_document() {
                self.step_over(self.rest());
                break;
            }
            match c {
                '\'' | '"' | '`' => self.skip_quoted(),
                '$' | '@' | '%' | '&' => self.skip_variable(),
                _ => self.step(),
            }
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' => depth = depth.saturating_sub(1),
                '}' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 && is_block && !self.goes_on() {
                        break;
                    }
                }
                ';' if depth == 0 => break,
                _ => {}
            }
        }
        &self.text[begin.at..self.at]
    }

    /// White space and comments; `$#list` and the like are none.
    fn blank_within(&mut self) {
        let before = self.text[..self.at].chars().next_back();
        if self.peek() == Some('#') && before.is_some_and(|c| !c.is_whitespace() && c != ';') {
            self.step();
        }
        self.blank();
    }

    fn skip_word(&mut self) {
        let before = self.text[..self.at].chars().next_back();
        let word = self.word();
        let bodies = match word {
            "q" | "qq" | "qr" | "qw" | "m" => 1,
            "s" | "tr" | "y" => 2,
            _ => return,
        };
        // `{s}` and `s => 1` are names.
        let rest = self.rest().trim_start();
        let is_name = rest.starts_with(['}', ',', ';', ')', '=', '-']);
        if is_name || before.is_some_and(|c| "$@%&>".contains(c)) {
            return;
        }
        let after = *self;
        let Ok((_, open)) = self.delimited() else {
            self.back_unless_at_end(after);
            return;
        };
        if bodies == 2 {
            if closing(open) == open {
                // The delimiter in the middle ends one and begins the other.
                self.at -= open.len_utf8();
            }
            let first = *self;
            if self.delimited().is_err() {
                self.back_unless_at_end(first);
            }
        }
    }

    fn skip_quoted(&mut self) {
        if self.delimited().is_err() {
            self.step();
        }
    }

    /// What has no end takes the rest with it: to look for its end again and again would take for ever.
    fn back_unless_at_end(&mut self, before: Self) {
        if !self.rest().is_empty() {
            *self = before;
        }
    }

    /// A sigil, and what belongs to it even where it looks like a quote or a comment: `$'`, `$#`, `$;`.
    fn skip_variable(&mut self) {
        self.step();
        if matches!(self.peek(), Some('\'' | '"' | '`' | '#' | '/' | ';')) {
            self.step();
        }
    }

    fn is_here_document(&self) -> bool {
        let rest = self.rest().strip_prefix("<<");
        rest.is_some_and(|rest| {
            rest.starts_with(|c: char| c.is_ascii_alphabetic() || "\"'~_".contains(c))
        })
    }

    /// Whether the block before belongs to a statement that is not at its end.
    fn goes_on(&self) -> bool {
        let mut ahead = *self;
        ahead.blank();
        matches!(ahead.word(), "else" | "elsif" | "continue")
    }

    /// Why what stands here is not understood.
    pub(super) fn no_statement(&self) -> String {
        format!("not a configuration statement: `{}`", self.shown())
    }

    /// What stands here instead of what is expected.
    pub(super) fn unexpected(&self, expected: &str) -> String {
        let shown = self.shown();
        if shown.is_empty() {
            return format!("the line ends where {expected} is expected");
        }
        format!("`{shown}` stands where {expected} is expected")
    }

    fn shown(&self) -> String {
        let line = self.rest().chars().take_while(|c| *c != '\n');
        let mut shown: String = line.take(SHOWN_CAP + 1).collect();
        if let Some((end, _)) = shown.char_indices().nth(SHOWN_CAP) {
            shown.truncate(end);
            shown.push('…');
        }
        shown.trim().to_owned()
    }
}
