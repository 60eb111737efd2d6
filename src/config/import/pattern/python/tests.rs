use super::{Refused, rewritten, translate};
use crate::model::Pattern;

/// What Python 3.13 says of an expression, or which of these names it finds it in.
#[track_caller]
fn check(expression: &str, expected: Result<&[&str], &str>) {
    const NAMES: [&str; 9] = [
        "/usr/lib/libx.so",
        "/opt/normal",
        "norrmal",
        "a",
        "[a]",
        ":]",
        "{,3}",
        "-",
        "A/x y",
    ];
    let found = translate(expression).map(|pattern| {
        let pattern = Pattern::parse(&pattern).unwrap();
        let found = NAMES
            .into_iter()
            .filter(|name| pattern.matches(name.as_bytes()));
        found.collect::<Vec<_>>()
    });
    let found = found.map_err(|why| why.to_string());
    let expected = expected.map(<[&str]>::to_vec).map_err(str::to_owned);
    assert_eq!(found, expected, "{expression}");
}

#[test]
fn expressions_that_both_read() {
    check("norma", Ok(&["/opt/normal"]));
    check("^/usr/.*\\.so$", Ok(&["/usr/lib/libx.so"]));
    check("^nor{,3}m", Ok(&["norrmal"]));
    check("^nor{2}m", Ok(&["norrmal"]));
    check("{,3}}", Err("nothing to repeat at position 0"));
    check("\\{,3}", Ok(&["{,3}"]));
    check("m{", Ok(&[]));
    check("[[:alpha:]]", Ok(&["[a]", ":]"]));
    check("[[]a[]]", Ok(&["[a]"]));
    check("^[a-]$", Ok(&["a", "-"]));
    check("^[+--]$", Ok(&["-"]));
    check("^\\141$", Ok(&["a"]));
    check("^\\u0061$", Ok(&["a"]));
    check("^[\\x61-b]$", Ok(&["a"]));
    check("(?u)^a$", Ok(&["a"]));
    check("(?i)^A$", Ok(&["a"]));
    check("(?#what)^a$", Ok(&["a"]));
    check("^(?P<n>a)$", Ok(&["a"]));
    check("^a??$", Ok(&["a"]));
    check("\\sy\\Z", Ok(&["A/x y"]));
}

#[test]
fn expressions_that_python_does_not_read() {
    check("a**", Err("multiple repeat at position 2"));
    check("x{2}{3}", Err("multiple repeat at position 4"));
    check("^*", Err("nothing to repeat at position 1"));
    check("a|*", Err("nothing to repeat at position 2"));
    check("{2}", Err("nothing to repeat at position 0"));
    check(
        "a{3,2}",
        Err("min repeat greater than max repeat at position 2"),
    );
    check("(", Err("missing ), unterminated subpattern at position 0"));
    check("a)", Err("unbalanced parenthesis at position 1"));
    check("[a", Err("unterminated character set at position 0"));
    check("[a--n]", Err("bad character range a-- at position 1"));
    check("[\\d-z]", Err("bad character range \\d-z at position 1"));
    check("\\e", Err("bad escape \\e at position 0"));
    check("\\z", Err("bad escape \\z at position 0"));
    check("a\\", Err("bad escape (end of pattern) at position 1"));
    check("\\xg", Err("incomplete escape \\x at position 0"));
    check("(?<n>a)", Err("unknown extension ?<n at position 1"));
    check("(?|a)", Err("unknown extension ?| at position 1"));
    check("(?-i)a", Err("missing : at position 4"));
    check(
        "x(?i)a",
        Err("global flags not at the start of the expression at position 1"),
    );
    // It is printed.
    check(
        "[\u{1b}-\n]",
        Err("bad character range \\u{1b}-\\n at position 1"),
    );
}

#[test]
fn what_python_reads_and_has_no_counterpart() {
    for expression in [
        "(?=a)",
        "(?!a)",
        "(?<=a)b",
        "(?<!a)b",
        "(?>a)",
        "a++",
        "(a)\\1",
        "(?P<n>a)(?P=n)",
        "(a)?(?(1)b)",
        "(?x) a",
    ] {
        rewritten(expression).unwrap();
        let refused = translate(expression).unwrap_err();
        assert!(matches!(refused, Refused::Foreign(_)), "{expression}");
    }
}
