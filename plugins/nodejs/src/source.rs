//! What a source file asks for: `require`, `import`, `export … from`, and whether it does whenever it is run.

#![forbid(unsafe_code)]

use std::collections::{HashSet, VecDeque};

use crate::lexer::{Lexer, Token};

/// As many requests as are taken from one file.
const REQUESTS: usize = 5000;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Request {
    /// What is asked for, as it stands there.
    pub(crate) name: Vec<u8>,
    /// In which way.
    pub(crate) kind: Kind,
    /// Whether it is asked for whenever the file is run: not inside a function, not on a condition.
    pub(crate) always: bool,
}

/// The two ways of loading, which read `exports` of a package differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// `require`.
    Require,
    /// `import`.
    Import,
}

/// The requests of a file.
pub(crate) fn parse_requests(text: &[u8]) -> Vec<Request> {
    let mut scan = Scan {
        lexer: Lexer::new(text),
        ahead: VecDeque::new(),
        before: None,
        frames: Vec::new(),
        frame: Frame::default(),
        from: false,
        function_runs: false,
        after_head: false,
        requests: Vec::new(),
        seen: HashSet::new(),
    };
    while let Some((token, first)) = scan.take() {
        scan.step(&token, first);
        scan.before = Some(token);
    }
    scan.requests
}

/// What is between a bracket and its end.
#[derive(Debug, Clone, Default)]
struct Frame {
    /// All in it may not be run.
    lazy: bool,
    /// The rest of the statement may not be run: `if (…) …`.
    statement: bool,
    /// The rest of the expression may not be run: `x && …`, `() => …`.
    expression: bool,
    /// The bracket is the parenthesis of `if` and its like.
    head: bool,
    /// A function that begins here is run at once: `(function () {…})()`.
    runs: bool,
}

impl Frame {
    fn is_lazy(&self) -> bool {
        self.lazy || self.statement || self.expression
    }
}

struct Scan<'a> {
    lexer: Lexer<'a>,
    ahead: VecDeque<(Token<'a>, bool)>,
    before: Option<Token<'a>>,
    frames: Vec<Frame>,
    frame: Frame,
    /// An `import` or `export` was begun whose `from` has not come.
    from: bool,
    /// The function whose body comes next is run at once.
    function_runs: bool,
    /// The last bracket that was closed is that of `if` and its like.
    after_head: bool,
    requests: Vec<Request>,
    seen: HashSet<Request>,
}

impl<'a> Scan<'a> {
    fn take(&mut self) -> Option<(Token<'a>, bool)> {
        self.ahead.pop_front().or_else(|| self.lexer.next())
    }

    fn peek(&mut self, ahead: usize) -> Option<&Token<'a>> {
        while self.ahead.len() <= ahead {
            let token = self.lexer.next()?;
            self.ahead.push_back(token);
        }
        self.ahead.get(ahead).map(|(token, _)| token)
    }

    fn step(&mut self, token: &Token<'a>, first: bool) {
        if first && self.ends_statement(token) {
            self.end_statement();
        }
        match token {
            Token::Word(word) => self.word(word),
            Token::Arrow => self.arrow(),
            Token::Choice => self.frame.expression = true,
            Token::Sign(b'(' | b'[') => self.open(token),
            Token::Sign(b'{') => self.open_brace(),
            Token::Sign(b')' | b']' | b'}') => self.close(),
            Token::Sign(b',') => self.frame.expression = false,
            Token::Sign(b';') => self.end_statement(),
            Token::Sign(b'=') => self.from = false,
            Token::Text(_) | Token::Value | Token::Dot | Token::Sign(_) => {}
        }
    }

    /// Whether a statement ended with the line before: a value stood there, and another one or a keyword follows.
    fn ends_statement(&self, token: &Token<'_>) -> bool {
        let value_before = match &self.before {
            Some(Token::Word(word)) => *word != b"else".as_slice() && *word != b"return".as_slice(),
            Some(Token::Text(_) | Token::Value) => true,
            // Behind `if (…)` the statement is still to come.
            Some(Token::Sign(b')')) => !self.after_head,
            Some(Token::Sign(b']' | b'}')) => true,
            _ => false,
        };
        let goes_on = *token == Token::Word(b"from");
        value_before && !goes_on && matches!(token, Token::Word(_) | Token::Text(_) | Token::Value)
    }

    fn end_statement(&mut self) {
        self.frame.statement = false;
        self.frame.expression = false;
        self.from = false;
    }

    fn word(&mut self, word: &[u8]) {
        if matches!(self.before, Some(Token::Dot)) {
            // `module.require` is one, other members are not.
            return;
        }
        match word {
            b"require" => self.require(),
            b"import" => self.import(),
            b"export" if self.frames.is_empty() => self.from = true,
            b"from" if self.from && self.frames.is_empty() => {
                if let Some(Token::Text(name)) = self.peek(0) {
                    let name = name.to_vec();
                    self.from = false;
                    self.add(name, Kind::Import, true);
                }
            }
            b"function" => self.function_runs = self.frame.runs || self.begins_with_operator(),
            b"class" => self.function_runs = false,
            b"else" => self.frame.statement |= self.peek(0) != Some(&Token::Sign(b'{')),
            _ => {}
        }
    }

    /// `!function () {…}()`.
    fn begins_with_operator(&self) -> bool {
        matches!(self.before, Some(Token::Sign(b'!' | b'~')))
            || matches!(self.before, Some(Token::Word(b"void")))
    }

    fn require(&mut self) {
        if self.peek(0) != Some(&Token::Sign(b'(')) {
            return;
        }
        let always = !self.frame.is_lazy();
        if let Some(name) = self.literal(1) {
            self.add(name, Kind::Require, always);
        }
    }

    fn import(&mut self) {
        let top = self.frames.is_empty();
        match self.peek(0) {
            Some(Token::Text(name)) if top => {
                let name = name.to_vec();
                self.add(name, Kind::Import, true);
            }
            Some(Token::Sign(b'(')) => {
                if let Some(name) = self.literal(1) {
                    self.add(name, Kind::Import, false);
                }
            }
            Some(Token::Dot) => {}
            _ => self.from = top,
        }
    }

    /// The argument of a call, if it is known: a string, `__dirname + '…'`, `path.join(__dirname, '…')`.
    fn literal(&mut self, at: usize) -> Option<Vec<u8>> {
        match self.peek(at)?.clone() {
            Token::Text(name) => {
                let ends = matches!(self.peek(at + 1), Some(Token::Sign(b')' | b',')));
                ends.then(|| name.into_owned())
            }
            Token::Word(b"__dirname") if self.peek(at + 1) == Some(&Token::Sign(b'+')) => {
                self.below_directory(at + 2)
            }
            Token::Word(b"path") => {
                let call = self.peek(at + 1) == Some(&Token::Dot)
                    && matches!(self.peek(at + 2), Some(Token::Word(b"join" | b"resolve")))
                    && self.peek(at + 3) == Some(&Token::Sign(b'('))
                    && self.peek(at + 4) == Some(&Token::Word(b"__dirname"))
                    && self.peek(at + 5) == Some(&Token::Sign(b','));
                if call {
                    self.below_directory(at + 6)
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    fn below_directory(&mut self, at: usize) -> Option<Vec<u8>> {
        let Token::Text(name) = self.peek(at)?.clone() else {
            return None;
        };
        let ends = self.peek(at + 1) == Some(&Token::Sign(b')'));
        ends.then(|| [b"./", name.as_ref()].concat())
    }

    fn add(&mut self, name: Vec<u8>, kind: Kind, always: bool) {
        let request = Request { name, kind, always };
        if self.requests.len() < REQUESTS && self.seen.insert(request.clone()) {
            self.requests.push(request);
        }
    }

    /// A function without braces is the rest of its expression.
    fn arrow(&mut self) {
        if self.peek(0) == Some(&Token::Sign(b'{')) {
            self.function_runs = self.frame.runs;
        } else {
            self.frame.expression = true;
        }
    }

    fn push(&mut self, frame: Frame) {
        self.frames.push(std::mem::replace(&mut self.frame, frame));
    }

    fn open(&mut self, token: &Token<'_>) {
        let head = matches!(
            self.before,
            Some(Token::Word(
                b"if" | b"for" | b"while" | b"switch" | b"with" | b"catch"
            ))
        );
        let begins = match &self.before {
            None | Some(Token::Sign(b';' | b'}' | b'!' | b'~' | b'{' | b'=')) => true,
            Some(Token::Word(word)) => matches!(*word, b"void" | b"await"),
            _ => false,
        };
        let frame = Frame {
            lazy: self.frame.is_lazy(),
            head,
            runs: begins && *token == Token::Sign(b'('),
            ..Frame::default()
        };
        self.push(frame);
    }

    fn open_brace(&mut self) {
        let may_not_run = match &self.before {
            // The body of a function, or the block of a condition.
            Some(Token::Sign(b')') | Token::Arrow) => {
                !std::mem::take(&mut self.function_runs) || self.after_head
            }
            Some(Token::Word(word)) => !matches!(
                *word,
                b"try"
                    | b"finally"
                    | b"do"
                    | b"return"
                    | b"import"
                    | b"export"
                    | b"default"
                    | b"const"
                    | b"let"
                    | b"var"
                    | b"typeof"
                    | b"in"
                    | b"of"
                    | b"new"
                    | b"await"
                    | b"yield"
            ),
            _ => false,
        };
        let lazy = self.frame.is_lazy() || may_not_run;
        self.push(Frame {
            lazy,
            ..Frame::default()
        });
    }

    fn close(&mut self) {
        let closed = std::mem::take(&mut self.frame);
        self.frame = self.frames.pop().unwrap_or_default();
        // Behind the parentheses of a condition stands a block, which knows by itself, or a statement.
        self.after_head = closed.head;
        if closed.head && self.peek(0) != Some(&Token::Sign(b'{')) {
            self.frame.statement = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests as text: `+` always, `?` perhaps; `i:` for those by `import`.
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let shown = |request: Request| {
            let sure = if request.always { '+' } else { '?' };
            let kind = if request.kind == Kind::Import {
                "i:"
            } else {
                ""
            };
            format!("{sure}{kind}{}", String::from_utf8(request.name).unwrap())
        };
        let shown: Vec<_> = parse_requests(text.as_bytes())
            .into_iter()
            .map(shown)
            .collect();
        assert_eq!(shown.join(" "), expected, "{text}");
    }

    #[test]
    fn t6_22_require() {
        check("const a = require('a')", "+a");
        check(
            "#!/usr/bin/node\n'use strict';var a=require(\"a\"),{b}=require(`b`);",
            "+a +b",
        );
        check("const { x, y } = require('a').z", "+a");
        check(
            "module.exports = { a: require('a'), b: [require('b')] }",
            "+a +b",
        );
        check("require('a')(require('b'))", "+a +b");
        check("const x = __importStar(require('a'))", "+a");
        check(
            "foo.require('a'); require.resolve('b'); x?.require('c')",
            "",
        );
        check("require('a' + x); require(name); require(`a${b}`)", "");
        check("require('\\x61\\u0062\\u{63}')", "+abc");
        check(
            "require(__dirname + '/a'); require(path.join(__dirname, 'b'))",
            "+.//a +./b",
        );
        check("export const x = y; require('a')", "+a");
    }

    #[test]
    fn t6_22_what_is_no_code() {
        check(
            "// require('a')\n/* require('b')\n */ \"require('c')\" + `require('d')`",
            "",
        );
        check("x = /require('a')/; y = a / b; require('c') / 2", "+c");
        check("x = a[0] / require('a') / 1", "+a");
        check("if (x) /'/.test(y); require('a')", "+a");
        check("s = `${ `${'`'}` } require('x')`; require('a')", "+a");
        check("`a${require('a')}b${require('b')}c`", "+a +b");
        check("x = /[/']/; require('a')", "+a");
        check("x = 1\n/ 2 / require('a')", "+a");
        check("i++ / 2; require('a') / 1", "+a");
        check("'it\\'s'; require('a')", "+a");
        check("x = 'open\nrequire('a')", "+a");
    }

    #[test]
    fn t6_22_what_may_not_run() {
        check("function f() { return require('a') }", "?a");
        check("const f = () => require('a')\nrequire('b')", "?a +b");
        check("const f = () => require('a'), g = require('b')", "?a +b");
        check("const f = x => { require('a') }; require('b')", "?a +b");
        check("class A { b() { require('a') } }\nrequire('b')", "?a +b");
        check(
            "if (x) { require('a') } else { require('b') } require('c')",
            "?a ?b +c",
        );
        check(
            "if (x) require('a'); else require('b'); require('c')",
            "?a ?b +c",
        );
        check("if (x)\n  require('a')\nrequire('b')", "?a +b");
        check("if ((x) && y)\n  require('a')\nrequire('b')", "?a +b");
        check(
            "x = y ? require('a') : require('b'); require('c')",
            "?a ?b +c",
        );
        check(
            "x = y\n  ? require('a')\n  : require('b')\nrequire('c')",
            "?a ?b +c",
        );
        check("x && require('a'), require('b')", "?a +b");
        check("x = a?.b(require('a'))", "+a");
        check(
            "for (;;) { require('a') }\nwhile (x) require('b')\nrequire('c')",
            "?a ?b +c",
        );
        check("switch (x) { case 1: require('a') }", "?a");
        check(
            "exports.x = { get y() { return require('a') }, z: require('b') }",
            "?a +b",
        );
        check("f(function () { require('a') })", "?a");
    }

    #[test]
    fn t6_22_what_runs_at_once() {
        check("try { require('a') } catch (e) { require('b') }", "+a ?b");
        check(
            "(function () { require('a'); function f() { require('b') } })()",
            "+a ?b",
        );
        check(";(() => { require('a') })()", "+a");
        check(";(async () => { require('a') })()", "+a");
        check("!function (x = {}) { require('a') }()", "+a");
        check("var x = (function () { return require('a') }())", "+a");
        check("do { require('a') } while (x)", "+a");
        check("{ require('a') }", "+a");
    }

    #[test]
    fn t6_22_import() {
        check("import 'a'", "+i:a");
        check(
            "import a, { b as c } from 'b'\nimport * as d from \"d\"",
            "+i:b +i:d",
        );
        check("import a\nfrom 'a'", "+i:a");
        check(
            "import {\n a,\n b\n} from 'a';export * from 'b';export { x as from } from 'c'",
            "+i:a +i:b +i:c",
        );
        check("export { x }; from 'a'", "");
        check("export const from = 'a'", "");
        check(
            "import x from './x.json' with { type: 'json' }",
            "+i:./x.json",
        );
        check(
            "const x = await import('a'); import(b); import.meta.url",
            "?i:a",
        );
        check("function f() { import('a') }", "?i:a");
        check("x.import('a'); ({ import: 'b' })", "");
    }

    #[test]
    fn t11_02_anything() {
        for piece in [
            "(", "{", "`${", "[", "/", "'", "\\", "/*", "`", "import", "require(", "=>", "\u{e9}",
            "0",
        ] {
            let text = piece.repeat(20_000);
            parse_requests(text.as_bytes());
            for cut in 0..piece.len() {
                parse_requests(&piece.as_bytes()[cut..]);
            }
        }
        let many: String = (0..6000)
            .map(|number| format!("require('{number}');"))
            .collect();
        assert_eq!(parse_requests(many.as_bytes()).len(), REQUESTS);
    }
}
