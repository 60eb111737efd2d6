//! What a script includes: `include`, `require` and their `_once`, with names that stand there.

#![forbid(unsafe_code)]

use std::collections::{HashSet, VecDeque};

use crate::lexer::{Lexer, Token};

/// As many names as are taken from one file.
const INCLUDES: usize = 2000;
/// As many `dirname` as may stand in each other.
const NESTED: usize = 16;

/// One name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Include {
    /// How many directories above that of the script the name begins; `None` for a name on its own.
    pub(crate) above: Option<usize>,
    /// The name, or what follows `__DIR__`.
    pub(crate) name: Vec<u8>,
    /// Whether it is included whenever the script is run: not in a function, not on a condition.
    pub(crate) always: bool,
}

/// The files that a script includes.
pub(crate) fn parse_includes(text: &[u8]) -> Vec<Include> {
    let mut scan = Scan::new(text);
    while let Some(token) = scan.take() {
        scan.step(&token);
        scan.before = Some(token);
    }
    scan.includes
}

/// The names in a list that Composer makes: `$vendorDir . '/a.php'`, `$baseDir . '/b.php'`.
pub(crate) fn parse_composer_list(text: &[u8]) -> Vec<Include> {
    let mut scan = Scan::new(text);
    while let Some(token) = scan.take() {
        let above = match token {
            Token::Variable(b"vendorDir") => 1,
            Token::Variable(b"baseDir") => 2,
            _ => continue,
        };
        if scan.peek(0) == Some(&Token::Sign(b'.'))
            && let Some(Token::Text(name)) = scan.peek(1).cloned()
        {
            scan.add(Some(above), name, true);
        }
    }
    scan.includes
}

struct Scan<'a> {
    lexer: Lexer<'a>,
    ahead: VecDeque<Token<'a>>,
    before: Option<Token<'a>>,
    /// For each open bracket: whether what is in it may not be run, and whether it is that of `if` and its like.
    open: Vec<(bool, bool)>,
    lazy: bool,
    /// The rest of the statement may not be run.
    statement: bool,
    /// How many `if …:` wait for their `endif`.
    words: usize,
    includes: Vec<Include>,
    seen: HashSet<Include>,
}

impl<'a> Scan<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self {
            lexer: Lexer::new(text),
            ahead: VecDeque::new(),
            before: None,
            open: Vec::new(),
            lazy: false,
            statement: false,
            words: 0,
            includes: Vec::new(),
            seen: HashSet::new(),
        }
    }

    fn take(&mut self) -> Option<Token<'a>> {
        self.ahead.pop_front().or_else(|| self.lexer.next())
    }

    fn peek(&mut self, ahead: usize) -> Option<&Token<'a>> {
        while self.ahead.len() <= ahead {
            let token = self.lexer.next()?;
            self.ahead.push_back(token);
        }
        self.ahead.get(ahead)
    }

    fn step(&mut self, token: &Token<'a>) {
        match token {
            Token::Word(word) => self.word(&word.to_ascii_lowercase()),
            Token::Choice => self.statement = true,
            Token::Sign(b';') => self.statement = false,
            Token::Sign(bracket @ (b'(' | b'[' | b'{')) => self.open(*bracket),
            Token::Sign(b')' | b']' | b'}') => self.close(token == &Token::Sign(b'}')),
            Token::Variable(_) | Token::Text(_) | Token::Value(_) | Token::Sign(_) => {}
        }
    }

    fn word(&mut self, word: &[u8]) {
        if matches!(self.before, Some(Token::Sign(b'>'))) {
            return;
        }
        match word {
            b"require" | b"require_once" | b"include" | b"include_once" => self.include(),
            b"else" => self.statement |= self.peek(0) != Some(&Token::Sign(b'{')),
            // `defined('X') or require 'y'`.
            b"and" | b"or" | b"xor" => self.statement = true,
            b"endif" | b"endwhile" | b"endfor" | b"endforeach" | b"endswitch" => {
                self.words = self.words.saturating_sub(1);
            }
            _ => {}
        }
    }

    fn open(&mut self, bracket: u8) {
        let head = match &self.before {
            Some(Token::Word(word)) => bracket == b'(' && is_head(&word.to_ascii_lowercase()),
            _ => false,
        };
        let may_not_run = bracket == b'{'
            && match &self.before {
                Some(Token::Word(word)) => !self.runs_block(&word.to_ascii_lowercase()),
                None | Some(Token::Sign(b';' | b'}' | b'{')) => false,
                _ => true,
            };
        self.open.push((self.lazy, head));
        self.lazy |= may_not_run || self.statement;
        self.statement &= bracket != b'{';
    }

    /// Whether a block behind this word is run as the script is. The name of a namespace stands before one too, but that of
    /// a class as well: that is decided for the more common one.
    fn runs_block(&self, word: &[u8]) -> bool {
        matches!(word, b"try" | b"finally" | b"do" | b"namespace")
    }

    fn close(&mut self, block: bool) {
        let Some((lazy, head)) = self.open.pop() else {
            return;
        };
        self.lazy = lazy;
        if block {
            // A block ends its statement, unless it is the body of a closure that is a value: then `;` is to come.
            self.statement = false;
        }
        if head {
            match self.peek(0) {
                Some(Token::Sign(b'{')) => {}
                Some(Token::Sign(b':')) => self.words += 1,
                _ => self.statement = true,
            }
        }
    }

    fn include(&mut self) {
        let always = !self.lazy && !self.statement && self.words == 0;
        let mut at = 0;
        while self.peek(at) == Some(&Token::Sign(b'(')) {
            at += 1;
            if at > NESTED {
                return;
            }
        }
        let mut above = None;
        let mut name = Vec::new();
        let mut first = true;
        loop {
            match self.peek(at).cloned() {
                Some(Token::Text(text)) => {
                    name.extend(text);
                    at += 1;
                }
                Some(Token::Word(b"DIRECTORY_SEPARATOR")) => {
                    name.push(b'/');
                    at += 1;
                }
                Some(Token::Word(_)) if first => match self.directory(at) {
                    Some((levels, after)) => {
                        above = Some(levels);
                        at = after;
                    }
                    None => return,
                },
                _ => return,
            }
            first = false;
            match self.peek(at) {
                Some(Token::Sign(b'.')) if at < 32 => at += 1,
                Some(Token::Sign(b';' | b':' | b')' | b',' | b']')) | None => break,
                _ => return,
            }
        }
        self.add(above, name, always);
    }

    /// `__DIR__`, `dirname(__FILE__)`, `dirname(__DIR__, 2)` and their like, from a token on: how many directories above that
    /// of the script they mean, and the token behind them.
    fn directory(&mut self, from: usize) -> Option<(usize, usize)> {
        let mut at = from;
        let mut calls = 0;
        let is_call = |word: &[u8]| {
            word.eq_ignore_ascii_case(b"dirname") || word.eq_ignore_ascii_case(b"\\dirname")
        };
        while matches!(self.peek(at), Some(Token::Word(word)) if is_call(word)) {
            if self.peek(at + 1) != Some(&Token::Sign(b'(')) || calls == NESTED {
                return None;
            }
            calls += 1;
            at += 2;
        }
        let Some(Token::Word(word)) = self.peek(at) else {
            return None;
        };
        let mut levels = calls;
        if word.eq_ignore_ascii_case(b"__FILE__") {
            levels = levels.checked_sub(1)?;
        } else if !word.eq_ignore_ascii_case(b"__DIR__") {
            return None;
        }
        at += 1;
        for _ in 0..calls {
            if self.peek(at) == Some(&Token::Sign(b',')) {
                let Some(Token::Value(number)) = self.peek(at + 1) else {
                    return None;
                };
                let number: usize = std::str::from_utf8(number).ok()?.parse().ok()?;
                levels = (levels + number.checked_sub(1)?).min(NESTED * NESTED);
                at += 2;
            }
            if self.peek(at) != Some(&Token::Sign(b')')) {
                return None;
            }
            at += 1;
        }
        Some((levels, at))
    }

    fn add(&mut self, above: Option<usize>, name: Vec<u8>, always: bool) {
        let include = Include {
            above,
            name,
            always,
        };
        let empty = include.name.is_empty() || include.name.contains(&0);
        if !empty && self.includes.len() < INCLUDES && self.seen.insert(include.clone()) {
            self.includes.push(include);
        }
    }
}

fn is_head(word: &[u8]) -> bool {
    matches!(
        word,
        b"if" | b"elseif" | b"while" | b"for" | b"foreach" | b"switch" | b"declare"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(include: &Include) -> String {
        let sure = if include.always { '+' } else { '?' };
        let above = include
            .above
            .map_or(String::new(), |levels| format!("{levels}:"));
        format!("{sure}{above}{}", String::from_utf8_lossy(&include.name))
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let found = parse_includes(format!("<?php {text}").as_bytes());
        let found: Vec<_> = found.iter().map(shown).collect();
        assert_eq!(found.join(" "), expected, "{text}");
    }

    #[test]
    fn t6_23_names() {
        check(
            "require 'a.php'; include_once(\"b.php\"); REQUIRE_ONCE('c.php');",
            "+a.php +b.php +c.php",
        );
        check("$app = require_once __DIR__.'/a.php';", "+0:/a.php");
        check(
            "require __DIR__ . '/x' . DIRECTORY_SEPARATOR . 'a.php';",
            "+0:/x/a.php",
        );
        check("require dirname(__FILE__) . '/a.php';", "+0:/a.php");
        check("require dirname(__DIR__) . '/a.php';", "+1:/a.php");
        check("require \\dirname(__DIR__, 3).'/a.php';", "+3:/a.php");
        check(
            "require dirname(dirname(__FILE__)) . '/a.php';",
            "+1:/a.php",
        );
        check("require (__DIR__ . '/a.php');", "+0:/a.php");
        check("return require 'a.php' ?>", "+a.php");
        check(
            "require $x; require \"$x/a.php\"; require X . 'a.php'; require f('a.php'); require 'a' . $x;",
            "",
        );
        check("require 'it\\'s.php';", "+it's.php");
    }

    #[test]
    fn t6_23_what_is_no_code() {
        let text = "<p>require 'a.php';</p><?php // require 'b.php'; ?> require 'c.php'; <?= 1 ?>\n<?php # x\n\\
            /* require 'd.php'; */ $x = \"require 'e.php';\" . 'require \"f.php\";'; require 'g.php';";
        let found: Vec<_> = parse_includes(text.as_bytes()).iter().map(shown).collect();
        assert_eq!(found, ["+g.php"]);
        check(
            "$x = <<<A\nrequire 'a.php';\n A;\nrequire 'b.php';",
            "+b.php",
        );
        check(
            "$x = <<<'A'\nrequire 'a.php';\nAB\nA\n; require 'b.php';",
            "+b.php",
        );
        check(
            "$x->require('a.php'); X::include('b.php'); $x?->require('c.php');",
            "",
        );
        check("#[A]\nrequire 'a.php';", "+a.php");
        check("__halt_compiler(); require 'a.php';", "");
    }

    #[test]
    fn t6_23_what_may_not_run() {
        check(
            "if ($x) { require 'a.php'; } else { require 'b.php'; } require 'c.php';",
            "?a.php ?b.php +c.php",
        );
        check(
            "if ($x) require 'a.php'; else require 'b.php'; require 'c.php';",
            "?a.php ?b.php +c.php",
        );
        check(
            "if ($x): require 'a.php'; endif; require 'b.php';",
            "?a.php +b.php",
        );
        check(
            "function f() { require 'a.php'; } require 'b.php';",
            "?a.php +b.php",
        );
        check(
            "class A extends B { function f() { require 'a.php'; } } require 'b.php';",
            "?a.php +b.php",
        );
        check(
            "$f = function () { require 'a.php'; }; require 'b.php';",
            "?a.php +b.php",
        );
        check(
            "$f = fn () => require 'a.php'; require 'b.php';",
            "?a.php +b.php",
        );
        check(
            "defined('X') or require 'a.php'; $x && require 'b.php'; require 'c.php';",
            "?a.php ?b.php +c.php",
        );
        check(
            "$x = $y ? require 'a.php' : require 'b.php';",
            "?a.php ?b.php",
        );
        check(
            "try { require 'a.php'; } finally { require 'b.php'; } { require 'c.php'; }",
            "+a.php +b.php +c.php",
        );
        check(
            "foreach ($x as $y) { require 'a.php'; } while (1) require 'b.php';",
            "?a.php ?b.php",
        );
    }

    #[test]
    fn t6_23_lists_of_composer() {
        let text = b"<?php $vendorDir = dirname(__DIR__); return array('x' => $vendorDir . '/a/b.php', 'y' => $baseDir . '/c.php');";
        let found: Vec<_> = parse_composer_list(text).iter().map(shown).collect();
        assert_eq!(found, ["+1:/a/b.php", "+2:/c.php"]);
    }

    #[test]
    fn t11_02_anything() {
        for piece in [
            "(", "{", "require(", "dirname(", "<<<A\n", "'", "\"", "/*", "<?php ", "?>", "$", "\\",
        ] {
            parse_includes(format!("<?php {}", piece.repeat(20_000)).as_bytes());
            parse_includes(piece.repeat(20_000).as_bytes());
        }
    }
}
